// SPDX-License-Identifier: GPL-2.0
/*
 * opitool function del
 */
#include "function.h"

/* With JSON, as it is then: nothing, unless the host is slow to let it go. */
static int run(const struct opts *opts, int argc, char **argv)
{
	return function_run(&verb_function_del, 0, function_remove, opts, argc,
			    argv);
}

const struct verb verb_function_del = {
	.noun	= "function",
	.verb	= "del",
	.args	= "FUNCTION",
	.what	= "remove a subfunction",
	.help	=
"On the DPU: removes the one subfunction that FUNCTION (\"help function show\")\n"
"chooses.  The same as \"devlink port del\".  VFs come and go by the host's\n"
"sriov_numvfs, at most \"max-vfs\" of them (\"help function set\").\n",
	.run	= run,
};
