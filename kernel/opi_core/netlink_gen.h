/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/opi.yaml */
/* YNL-GEN kernel header */

#ifndef _LINUX_OPI_GEN_H
#define _LINUX_OPI_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/opi.h>

int opi_nl_dpu_get_doit(struct sk_buff *skb, struct genl_info *info);
int opi_nl_dpu_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int opi_nl_function_get_doit(struct sk_buff *skb, struct genl_info *info);
int opi_nl_function_get_dumpit(struct sk_buff *skb,
			       struct netlink_callback *cb);
int opi_nl_function_set_doit(struct sk_buff *skb, struct genl_info *info);
int opi_nl_dpu_set_doit(struct sk_buff *skb, struct genl_info *info);

enum {
	OPI_NLGRP_EVENTS,
};

extern struct genl_family opi_nl_family;

#endif /* _LINUX_OPI_GEN_H */
