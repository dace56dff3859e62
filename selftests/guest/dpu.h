/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The DPU as a program on it talks about it by netlink by hand (genl.h): its name,
 * and the families that know it.
 */
#ifndef DPU_H
#define DPU_H

#include <err.h>
#include <linux/devlink.h>
#include <linux/opi.h>
#include <linux/opi_pci.h>

#include "genl.h"

static int fd;
static uint16_t opi, devlink;
static char bus[64], dev[64];

static inline void take_dpu(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *tb[OPI_A_DPU_MAX + 1];

	(void)arg;
	parse_msg(nlh, tb, OPI_A_DPU_MAX);
	if (dev[0] || attr_u32(tb[OPI_A_DPU_ROLE]) != OPI_ROLE_DPU)
		return;
	snprintf(bus, sizeof(bus), "%s", attr_data(tb[OPI_A_DPU_BUS_NAME]));
	snprintf(dev, sizeof(dev), "%s", attr_data(tb[OPI_A_DPU_DEV_NAME]));
}

/* The first DPU of this machine, which must be one, or the program ends. */
static inline void open_dpu(void)
{
	struct verdict v;
	struct msg m;

	fd = nl_open();
	if (fd < 0)
		err(1, "netlink");
	opi = nl_family(fd, OPI_FAMILY_NAME);
	devlink = nl_family(fd, DEVLINK_GENL_NAME);
	if (!opi || !devlink)
		errx(1, "devlink or opi is not there");
	msg_init(&m, opi, NLM_F_DUMP, OPI_NL_CMD_DPU_GET);
	if (nl_talk(fd, &m, &v, take_dpu, NULL) || v.error)
		errx(1, "the DPU does not answer");
	if (!dev[0])
		errx(1, "this is no DPU");
}

#endif
