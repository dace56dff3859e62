// SPDX-License-Identifier: GPL-2.0
/*
 * opitool port show
 */
#include "inventory.h"

static int run(const struct opts *opts, int argc, char **argv)
{
	struct target target = { 0 };
	struct inventory inv;
	struct port *port;
	struct out out;
	size_t n = 0;
	int status;

	if (argc > 1)
		return bad_usage(&verb_port_show,
				 "one device or port at a time, not \"%s\"",
				 argv[1]);
	if (argc && !target_parse(&target, argv[0], true))
		return bad_usage(&verb_port_show,
				 "\"%s\" does not name a device or a port",
				 argv[0]);

	status = inventory_open(&inv);
	/* Ports come with this: it has to look at them. */
	if (!status)
		status = inventory_get_dpus(&inv);
	if (!status && inv.devlink >= 0)
		status = inventory_get_links(&inv);

	out_init(&out, opts, false);
	out_array(&out);
	list_each(port, &inv.ports) {
		if (status || !target_is_port(&target, &inv, port))
			continue;
		out_object(&out, NULL);
		show_port(&out, port, inventory_find_link(&inv, port->ifindex));
		out_end(&out);
		n++;
	}
	out_end(&out);

	if (!status && inv.devlink < 0) {
		say_no_devlink();
		status = ST_ABSENT;
	} else if (!status && !n) {
		if (target.text) {
			status = not_found(&inv, &target, "port");
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
	.args	= "[DEV | DEV/PORT | SERIAL]",
	.what	= "show the ports of DPUs, their netdevs",
	.help	=
"Shows the devlink ports of all DPUs, or those of one device, or one. DEV is a\n"
"device as in devlink, PORT the number of the port, SERIAL a serial number as\n"
"\"dpu show\" writes it.\n"
"\n"
"On the DPU a port is the uplink (physical) or the other end of a function of\n"
"the host (pcipf, pcivf, pcisf; controller 1 is the host); on the host it is\n"
"the function itself (virtual). The netdev is shown if it is in this network\n"
"namespace.\n",
	.run	= run,
};
