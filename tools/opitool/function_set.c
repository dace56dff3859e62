// SPDX-License-Identifier: GPL-2.0
/*
 * opitool function set
 */
#include "function.h"

static int run(const struct opts *opts, int argc, char **argv)
{
	return function_run(&verb_function_set, KEYS_OPI | KEYS_DEVLINK,
			    function_change, opts, argc, argv);
}

const struct verb verb_function_set = {
	.noun	= "function",
	.verb	= "set",
	.args	= "FUNCTION SETTING ...",
	.what	= "change a function",
	.help	=
"On the DPU: changes the one function that FUNCTION (\"help function show\")\n"
"chooses.  SETTING is one or more of\n"
"\n"
"  trust on|off        it may change its address, send from others, be\n"
"                      promiscuous\n"
"  vlan N              put it into a VLAN without its knowledge; 0: into none\n"
"  max-qps N           queue pairs that it can have\n"
"  max-vfs N           VFs that the host may enable on a physical function\n"
"  hw-addr ADDRESS     its MAC address\n"
"  migratable on|off   its state may be moved\n"
"  max-io-eqs N        event queues that it can have\n"
"\n"
"The first four are set at once or not at all; then the others are, which\n"
"devlink sets.  Rates: devlink-rate(8).  With -j it prints the function.\n",
	.run	= run,
};
