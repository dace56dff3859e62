// SPDX-License-Identifier: GPL-2.0
/*
 * opitool function del
 */
#include "function.h"

static int run(const struct opts *opts, int argc, char **argv)
{
	struct handle dev = { 0 };
	struct function *fn;
	struct inventory inv;
	struct select sel;
	uint32_t id = 0;
	int status;

	status = select_parse(&sel, &verb_function_del, KEYS_CHOOSE, argc,
			      argv);
	if (status)
		return status;
	if (!select_any(&sel))
		return bad_usage(&verb_function_del, "which function?");

	status = function_open(&inv, &sel, &fn);
	if (!status) {
		dev = fn->handle;
		id = fn->id;
		status = function_remove(&inv, fn);
	}
	/* As it is now: an empty array, unless the host is slow to let it go. */
	return function_close(&inv, opts, false, &dev, id, status);
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
