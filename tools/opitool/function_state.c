// SPDX-License-Identifier: GPL-2.0
/*
 * opitool function expose, opitool function withdraw
 */
#include "function.h"

static int run_expose(const struct opts *opts, int argc, char **argv)
{
	return function_run(&verb_function_expose, 0, function_expose, opts,
			    argc, argv);
}

static int run_withdraw(const struct opts *opts, int argc, char **argv)
{
	return function_run(&verb_function_withdraw, 0, function_withdraw, opts,
			    argc, argv);
}

const struct verb verb_function_expose = {
	.noun	= "function",
	.verb	= "expose",
	.args	= "FUNCTION",
	.what	= "let the host have a function",
	.help	=
"On the DPU: lets the host have the one function that FUNCTION (\"help function\n"
"show\") chooses.  The same as \"devlink port function set ... state active\".\n"
"With -j it prints the function.\n",
	.run	= run_expose,
};

const struct verb verb_function_withdraw = {
	.noun	= "function",
	.verb	= "withdraw",
	.args	= "FUNCTION",
	.what	= "take a function away from the host",
	.help	=
"On the DPU: takes the one function that FUNCTION (\"help function show\")\n"
"chooses away from the host.  What was set of it stays.  The same as \"devlink\n"
"port function set ... state inactive\".  With -j it prints the function.\n",
	.run	= run_withdraw,
};
