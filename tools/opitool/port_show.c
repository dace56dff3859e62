// SPDX-License-Identifier: GPL-2.0
/*
 * opitool port show
 */
#include "select.h"

static int run(const struct opts *opts, int argc, char **argv)
{
	struct inventory inv;
	struct select sel;
	struct port *port;
	struct out out;
	size_t n = 0;
	int status;

	status = select_parse(&sel, &verb_port_show, KEYS_CHOOSE, argc, argv);
	if (status)
		return status;

	status = inventory_open(&inv);
	/* Ports come with this: it has to look at them. */
	if (!status)
		status = inventory_get_dpus(&inv);
	if (!status && inv.ports.n)
		status = inventory_get_functions(&inv);
	if (!status && inv.devlink >= 0)
		status = inventory_get_links(&inv);

	out_init(&out, opts, false);
	out_array(&out);
	list_each(port, &inv.ports) {
		if (status || !select_is_port(&sel, &inv, port))
			continue;
		out_object(&out, NULL);
		show_port(&out, port, inventory_find_link(&inv, port->ifindex),
			  inventory_function_of(&inv, port));
		out_end(&out);
		n++;
	}
	out_end(&out);

	if (!status && inv.devlink < 0) {
		say_no_devlink();
		status = ST_ABSENT;
	} else if (!status && !n) {
		if (select_any(&sel)) {
			status = not_found(&inv, &sel.target, "port");
		} else if (inv.opi < 0) {
			say_no_opi();
			status = ST_ABSENT;
		} else if (!opts->json) {
			say("there is no port of a DPU in this network namespace");
		}
	}
	inventory_close(&inv);
	return status;
}

const struct verb verb_port_show = {
	.noun	= "port",
	.verb	= "show",
	.args	= "[PORT]",
	.what	= "show the ports of DPUs, their netdevs",
	.help	=
"Shows the devlink ports of all DPUs, or those that PORT chooses: all that fit\n"
"each of the words\n"
"\n"
"  DEV, DEV/PORT or SERIAL   the device, as in \"dpu show\"; the port; a card\n"
"  port N                    its number\n"
"  type uplink|pf|vf|sf      what it belongs to\n"
"  controller N              on whose bus, 1 is the host's\n"
"  pf N                      a physical function; with type, vf or sf: whose\n"
"  vf N, sf N                a virtual function; a subfunction\n"
"  id N, host ADDRESS        of its function, as in \"function show\"\n"
"\n"
"On the DPU a port is the uplink (physical) or the other end of a function of\n"
"the host (pcipf, pcivf, pcisf; controller 1 is the host); on the host it is\n"
"the function itself (virtual), at an auxiliary device if it is a subfunction.\n"
"The netdev is shown if it is in this network namespace.\n",
	.run	= run,
};
