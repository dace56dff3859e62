// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/opi.yaml */
/* YNL-GEN kernel source */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink_gen.h"

#include <uapi/linux/opi.h>

/* Integer value ranges */
static const struct netlink_range_validation opi_a_function_max_qps_range = {
	.min	= 1ULL,
	.max	= 65535ULL,
};

static const struct netlink_range_validation opi_a_function_max_vfs_range = {
	.max	= 65535ULL,
};

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

/* OPI_NL_CMD_FUNCTION_GET - do */
static const struct nla_policy opi_function_get_do_nl_policy[OPI_A_FUNCTION_FUNC_ID + 1] = {
	[OPI_A_FUNCTION_BUS_NAME] = { .type = NLA_NUL_STRING, .len = 31, },
	[OPI_A_FUNCTION_DEV_NAME] = { .type = NLA_NUL_STRING, .len = 63, },
	[OPI_A_FUNCTION_SERIAL] = { .type = NLA_U64, },
	[OPI_A_FUNCTION_FUNC_ID] = { .type = NLA_U32, },
};

/* OPI_NL_CMD_FUNCTION_GET - dump */
static const struct nla_policy opi_function_get_dump_nl_policy[OPI_A_FUNCTION_SERIAL + 1] = {
	[OPI_A_FUNCTION_BUS_NAME] = { .type = NLA_NUL_STRING, .len = 31, },
	[OPI_A_FUNCTION_DEV_NAME] = { .type = NLA_NUL_STRING, .len = 63, },
	[OPI_A_FUNCTION_SERIAL] = { .type = NLA_U64, },
};

/* OPI_NL_CMD_FUNCTION_SET - do */
static const struct nla_policy opi_function_set_nl_policy[OPI_A_FUNCTION_MAX_VFS + 1] = {
	[OPI_A_FUNCTION_BUS_NAME] = { .type = NLA_NUL_STRING, .len = 31, },
	[OPI_A_FUNCTION_DEV_NAME] = { .type = NLA_NUL_STRING, .len = 63, },
	[OPI_A_FUNCTION_SERIAL] = { .type = NLA_U64, },
	[OPI_A_FUNCTION_FUNC_ID] = { .type = NLA_U32, },
	[OPI_A_FUNCTION_TRUST] = NLA_POLICY_MAX(NLA_U32, 1),
	[OPI_A_FUNCTION_VLAN] = NLA_POLICY_MAX(NLA_U32, 4094),
	[OPI_A_FUNCTION_MAX_QPS] = NLA_POLICY_FULL_RANGE(NLA_U32, &opi_a_function_max_qps_range),
	[OPI_A_FUNCTION_MAX_VFS] = NLA_POLICY_FULL_RANGE(NLA_U32, &opi_a_function_max_vfs_range),
};

/* OPI_NL_CMD_DPU_SET - do */
static const struct nla_policy opi_dpu_set_nl_policy[OPI_A_DPU_MIGRATION_KEY + 1] = {
	[OPI_A_DPU_BUS_NAME] = { .type = NLA_NUL_STRING, .len = 31, },
	[OPI_A_DPU_DEV_NAME] = { .type = NLA_NUL_STRING, .len = 63, },
	[OPI_A_DPU_SERIAL] = { .type = NLA_U64, },
	[OPI_A_DPU_MIGRATION_KEY] = NLA_POLICY_EXACT_LEN(32),
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
	{
		.cmd		= OPI_NL_CMD_FUNCTION_GET,
		.doit		= opi_nl_function_get_doit,
		.policy		= opi_function_get_do_nl_policy,
		.maxattr	= OPI_A_FUNCTION_FUNC_ID,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= OPI_NL_CMD_FUNCTION_GET,
		.dumpit		= opi_nl_function_get_dumpit,
		.policy		= opi_function_get_dump_nl_policy,
		.maxattr	= OPI_A_FUNCTION_SERIAL,
		.flags		= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= OPI_NL_CMD_FUNCTION_SET,
		.doit		= opi_nl_function_set_doit,
		.policy		= opi_function_set_nl_policy,
		.maxattr	= OPI_A_FUNCTION_MAX_VFS,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
	},
	{
		.cmd		= OPI_NL_CMD_DPU_SET,
		.doit		= opi_nl_dpu_set_doit,
		.policy		= opi_dpu_set_nl_policy,
		.maxattr	= OPI_A_DPU_MIGRATION_KEY,
		.flags		= GENL_ADMIN_PERM | GENL_CMD_CAP_DO,
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
