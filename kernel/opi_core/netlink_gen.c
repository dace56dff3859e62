// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/opi.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink_gen.h"

#include <uapi/linux/opi.h>

/* OPI_NL_CMD_DPU_GET - do */
static const struct nla_policy opi_dpu_get_do_nl_policy[OPI_A_DPU_SERIAL + 1] = {
	[OPI_A_DPU_BUS_NAME] = { .type = NLA_NUL_STRING, .len = 31, },
	[OPI_A_DPU_DEV_NAME] = { .type = NLA_NUL_STRING, .len = 63, },
	[OPI_A_DPU_SERIAL] = { .type = NLA_U64, },
};

/* OPI_NL_CMD_DPU_GET - dump */
static const struct nla_policy opi_dpu_get_dump_nl_policy[OPI_A_DPU_SERIAL + 1] = {
	[OPI_A_DPU_SERIAL] = { .type = NLA_U64, },
};

/* Ops table for opi */
static const struct genl_split_ops opi_nl_ops[] = {
	{
		.cmd		= OPI_NL_CMD_DPU_GET,
		.doit		= opi_nl_dpu_get_doit,
		.policy		= opi_dpu_get_do_nl_policy,
		.maxattr	= OPI_A_DPU_SERIAL,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= OPI_NL_CMD_DPU_GET,
		.dumpit		= opi_nl_dpu_get_dumpit,
		.policy		= opi_dpu_get_dump_nl_policy,
		.maxattr	= OPI_A_DPU_SERIAL,
		.flags		= GENL_CMD_CAP_DUMP,
	},
};

static const struct genl_multicast_group opi_nl_mcgrps[] = {
	[OPI_NLGRP_EVENTS] = { "events", },
};

struct genl_family opi_nl_family __ro_after_init = {
	.name		= OPI_FAMILY_NAME,
	.version	= OPI_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.split_ops	= opi_nl_ops,
	.n_split_ops	= ARRAY_SIZE(opi_nl_ops),
	.mcgrps		= opi_nl_mcgrps,
	.n_mcgrps	= ARRAY_SIZE(opi_nl_mcgrps),
};
