/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the two halves of the generic netlink family "opi" share: netlink.c, which
 * has the family, the devices and the numbers of events, and netlink_func.c, which
 * has the functions.  The rest of the driver needs netlink.h only.
 */
#ifndef _OPI_CORE_NETLINK_INT_H
#define _OPI_CORE_NETLINK_INT_H

#include <linux/list.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <net/genetlink.h>

#include "netlink.h"
#include "netlink_gen.h"

/*
 * Protects the lists, the copies and the event numbers.  Events are numbered
 * and sent under it, so they arrive in the order of their numbers and a reply
 * holds exactly the events up to its number.  Taken under RCU, which keeps the
 * network namespaces of the devices.
 */
extern spinlock_t opi_nl_lock;
extern struct list_head opi_nl_dpus;

/**
 * typedef opi_nl_fill_t - put an object into a message
 * @skb:	the message
 * @obj:	the object
 * @seq:	number of the newest event
 * @changed:	what an event is about, or 0
 *
 * Context: opi_nl_lock held.
 * Return: 0 or -EMSGSIZE.
 */
typedef int opi_nl_fill_t(struct sk_buff *skb, const void *obj, u64 seq,
			  u32 changed);

struct net *opi_nl_dpu_net(const struct opi_nl_dpu *dpu);
const char *opi_nl_bus_name(const struct opi_nl_dpu *dpu);
const char *opi_nl_dev_name(const struct opi_nl_dpu *dpu);
int opi_nl_check_name(struct genl_info *info);
bool opi_nl_fits(const struct opi_nl_dpu *dpu, struct nlattr **attrs);
const void *opi_nl_dpu_find(struct genl_info *info);
int opi_nl_reply(struct genl_info *info,
		 const void *(*find)(struct genl_info *info),
		 opi_nl_fill_t *fill);
u64 opi_nl_seq(struct net *net);
void opi_nl_notify(const struct opi_nl_dpu *dpu, u8 cmd, opi_nl_fill_t *fill,
		   const void *obj, u32 changed);
void opi_nl_funcs_notify(const struct opi_nl_dpu *dpu, u8 cmd);

#endif /* _OPI_CORE_NETLINK_INT_H */
