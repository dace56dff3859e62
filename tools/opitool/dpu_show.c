// SPDX-License-Identifier: GPL-2.0
/*
 * opitool dpu show
 */
#include "select.h"

static int run(const struct opts *opts, int argc, char **argv)
{
	struct target target = { 0 };
	struct inventory inv;
	struct dpu *dpu;
	struct out out;
	int status;
	size_t n = 0;

	if (argc > 1)
		return bad_usage(&verb_dpu_show,
				 "one DPU at a time, not \"%s\"", argv[1]);
	if (argc && !target_parse(&target, argv[0], false))
		return bad_usage(&verb_dpu_show,
				 "\"%s\" does not name a DPU", argv[0]);

	status = inventory_open(&inv);
	if (!status)
		status = inventory_get_dpus(&inv);

	/* A program that asked for JSON gets a document in any event. */
	out_init(&out, opts, false);
	out_array(&out);
	list_each(dpu, &inv.dpus) {
		if (!target_is_dpu(&target, dpu))
			continue;
		out_object(&out, NULL);
		show_dpu(&out, dpu);
		out_end(&out);
		n++;
	}
	out_end(&out);

	if (!status && !n) {
		if (target.text) {
			status = not_found(&inv, &target, "dpu");
		} else if (inv.opi < 0) {
			say_no_opi();
			status = ST_ABSENT;
		} else if (!opts->json) {
			say("the driver has no DPU in this network namespace");
		}
	}
	inventory_close(&inv);
	return status;
}

const struct verb verb_dpu_show = {
	.noun	= "dpu",
	.verb	= "show",
	.args	= "[DEV | SERIAL]",
	.what	= "show DPUs: identity, peer, boot state",
	.help	=
"Shows each function of a DPU that this computer has, on the host or on the\n"
"DPU. DEV is a device as in devlink, pci/0000:01:00.0 or 0000:01:00.0; SERIAL\n"
"the serial number. A card has the same serial number on both sides.\n"
"\n"
"Devices of other drivers that are like a DPU are marked \"via devlink\": those\n"
"with an eswitch (which the kernel tells to root only) or with ports for the\n"
"PF, VFs or SFs of a host.\n",
	.run	= run,
};
