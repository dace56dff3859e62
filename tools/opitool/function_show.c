// SPDX-License-Identifier: GPL-2.0
/*
 * opitool function show
 */
#include "select.h"

static int run(const struct opts *opts, int argc, char **argv)
{
	struct inventory inv;
	struct function *fn;
	struct select sel;
	struct out out;
	size_t n = 0;
	int status;

	status = select_parse(&sel, &verb_function_show, KEYS_CHOOSE, argc,
			      argv);
	if (status)
		return status;

	status = inventory_open(&inv);
	if (!status)
		status = inventory_get_functions(&inv);
	/* Ports have what devlink tells of a function. */
	if (!status && inv.devlink >= 0 && inv.functions.n)
		status = inventory_get_ports(&inv);

	out_init(&out, opts, false);
	out_array(&out);
	list_each(fn, &inv.functions) {
		if (status || !select_is_function(&sel, fn))
			continue;
		out_object(&out, NULL);
		show_function(&out, fn, inventory_port_of(&inv, fn));
		out_end(&out);
		n++;
	}
	out_end(&out);

	if (!status && !n) {
		if (select_any(&sel)) {
			status = not_found(&inv, &sel.target, "function");
		} else if (inv.opi < 0) {
			say_no_opi();
			status = ST_ABSENT;
		} else if (!opts->json) {
			say("there is no function of a card in this network namespace");
		}
	}
	inventory_close(&inv);
	return status;
}

const struct verb verb_function_show = {
	.noun	= "function",
	.verb	= "show",
	.args	= "[FUNCTION]",
	.what	= "show what cards have for their hosts",
	.help	=
"Shows the functions of all cards, or those that FUNCTION chooses: all that\n"
"fit each of the words\n"
"\n"
"  DEV, DEV/PORT or SERIAL   the device, as in \"dpu show\"; a port; a card\n"
"  id N                      the card's name for it, the same on both sides\n"
"  port N                    its devlink port\n"
"  type pf|vf|sf             what it is to the host\n"
"  controller N              on whose bus, 1 is the host's\n"
"  pf N                      a physical function; with type, vf or sf: whose\n"
"  vf N, sf N                a virtual function; a subfunction\n"
"  host ADDRESS              its PCI address on the host, 01:00.3\n"
"\n"
"On the DPU these are all functions of the card.  On the host each device tells\n"
"of itself, and a physical function of its subfunctions.  Either side so tells\n"
"which function has which PCI address on the host.\n",
	.run	= run,
};
