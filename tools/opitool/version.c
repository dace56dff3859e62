// SPDX-License-Identifier: GPL-2.0
/*
 * opitool version
 */
#include <linux/opi.h>
#include <linux/opi_pci.h>

#include "opitool.h"
#include "out.h"

static int run(const struct opts *opts, int argc, char **argv)
{
	struct out out;

	if (argc)
		return bad_usage(&verb_version, "\"%s\" is too much", argv[0]);

	out_init(&out, opts, true);
	out_object(&out, NULL);
	out_str(&out, "opitool", OPITOOL_VERSION);
	out_uint(&out, "netlink_family", OPI_FAMILY_VERSION);
	out_fmt(&out, "interface", "%u.%u", OPI_IFACE_MAJOR, OPI_IFACE_MINOR);
	out_end(&out);
	return ST_OK;
}

const struct verb verb_version = {
	.noun	= "version",
	.what	= "say which opitool this is",
	.help	=
"Prints the version of opitool, that of the netlink family that it was built\n"
"for, and that of the device interface whose names it knows.\n",
	.run	= run,
};
