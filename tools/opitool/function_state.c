// SPDX-License-Identifier: GPL-2.0
/*
 * opitool function expose, opitool function withdraw
 */
#include "function.h"

static int run(const struct verb *verb, bool expose, const struct opts *opts,
	       int argc, char **argv)
{
	struct handle dev = { 0 };
	struct function *fn;
	struct inventory inv;
	struct select sel;
	uint32_t id = 0;
	int status;

	status = select_parse(&sel, verb, KEYS_CHOOSE, argc, argv);
	if (status)
		return status;
	if (!select_any(&sel))
		return bad_usage(verb, "which function?");

	status = function_open(&inv, &sel, &fn);
	if (!status) {
		dev = fn->handle;
		id = fn->id;
		status = function_expose(&inv, fn, expose);
	}
	return function_close(&inv, opts, false, &dev, id, status);
}

static int run_expose(const struct opts *opts, int argc, char **argv)
{
	return run(&verb_function_expose, true, opts, argc, argv);
}

static int run_withdraw(const struct opts *opts, int argc, char **argv)
{
	return run(&verb_function_withdraw, false, opts, argc, argv);
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
