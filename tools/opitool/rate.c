// SPDX-License-Identifier: GPL-2.0
/*
 * Rates (rate.h), by devlink.
 */
#include <errno.h>
#include <linux/devlink.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <string.h>

#include "rate.h"

/* What a leaf has unless something else is set. */
#define WEIGHT_NONE	1

static const struct nla_policy rate_policy[DEVLINK_ATTR_MAX + 1] = {
	[DEVLINK_ATTR_RATE_TX_SHARE]	= { .type = NLA_U64 },
	[DEVLINK_ATTR_RATE_TX_MAX]	= { .type = NLA_U64 },
	[DEVLINK_ATTR_RATE_TX_PRIORITY]	= { .type = NLA_U32 },
	[DEVLINK_ATTR_RATE_TX_WEIGHT]	= { .type = NLA_U32 },
	[DEVLINK_ATTR_RATE_PARENT_NODE_NAME] = { .type = NLA_STRING },
};

static int take_rate(struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *tb[DEVLINK_ATTR_MAX + 1];
	struct rate *rate = arg;
	const char *parent;

	if (!genlmsg_valid_hdr(nlh, 0) ||
	    genlmsg_parse(nlh, 0, tb, DEVLINK_ATTR_MAX,
			  (struct nla_policy *)rate_policy) < 0)
		return -EBADMSG;
	if (tb[DEVLINK_ATTR_RATE_TX_SHARE])
		rate->share = nla_get_u64(tb[DEVLINK_ATTR_RATE_TX_SHARE]);
	if (tb[DEVLINK_ATTR_RATE_TX_MAX])
		rate->max = nla_get_u64(tb[DEVLINK_ATTR_RATE_TX_MAX]);
	if (tb[DEVLINK_ATTR_RATE_TX_PRIORITY])
		rate->priority =
			nla_get_u32(tb[DEVLINK_ATTR_RATE_TX_PRIORITY]);
	if (tb[DEVLINK_ATTR_RATE_TX_WEIGHT])
		rate->weight = nla_get_u32(tb[DEVLINK_ATTR_RATE_TX_WEIGHT]);
	if (!tb[DEVLINK_ATTR_RATE_PARENT_NODE_NAME])
		return 0;
	parent = nla_get_string(tb[DEVLINK_ATTR_RATE_PARENT_NODE_NAME]);
	if (strlen(parent) >= sizeof(rate->parent))
		return -EBADMSG;
	strcpy(rate->parent, parent);
	return 0;
}

static struct nl_msg *rate_request(struct inventory *inv, uint8_t cmd,
				   const struct function *fn)
{
	struct nl_msg *msg = devlink_request(inv, cmd, &fn->handle);

	must_put(nla_put_u32(msg, DEVLINK_ATTR_PORT_INDEX, fn->port));
	return msg;
}

int rate_read(struct inventory *inv, const struct function *fn,
	      struct rate *rate)
{
	int err;

	memset(rate, 0, sizeof(*rate));
	err = conn_request(inv->genl,
			   rate_request(inv, DEVLINK_CMD_RATE_GET, fn),
			   take_rate, rate);
	return err == -EOPNOTSUPP || err == -ENODEV ? 0 : err;
}

bool rate_is_set(const struct rate *rate)
{
	return rate->share || rate->max || rate->priority ||
	       rate->weight > WEIGHT_NONE || *rate->parent;
}

/* The kernel sets the share first, and no share may be above the maximum. */
int rate_set(struct inventory *inv, const struct function *fn,
	     const struct rate *now, const struct rate *want)
{
	struct nl_msg *msg;
	int err = 0;

	if (now->share && now->share != want->share) {
		msg = rate_request(inv, DEVLINK_CMD_RATE_SET, fn);
		must_put(nla_put_u64(msg, DEVLINK_ATTR_RATE_TX_SHARE, 0));
		err = conn_request(inv->genl, msg, NULL, NULL);
	}
	if (!err && now->max != want->max) {
		msg = rate_request(inv, DEVLINK_CMD_RATE_SET, fn);
		must_put(nla_put_u64(msg, DEVLINK_ATTR_RATE_TX_MAX,
				     want->max));
		err = conn_request(inv->genl, msg, NULL, NULL);
	}
	if (err)
		return err;
	msg = rate_request(inv, DEVLINK_CMD_RATE_SET, fn);
	must_put(nla_put_u64(msg, DEVLINK_ATTR_RATE_TX_SHARE, want->share));
	must_put(nla_put_u64(msg, DEVLINK_ATTR_RATE_TX_MAX, want->max));
	must_put(nla_put_u32(msg, DEVLINK_ATTR_RATE_TX_PRIORITY,
			     want->priority));
	must_put(nla_put_u32(msg, DEVLINK_ATTR_RATE_TX_WEIGHT,
			     want->weight ? want->weight : WEIGHT_NONE));
	if (strcmp(now->parent, want->parent))
		must_put(nla_put_string(msg, DEVLINK_ATTR_RATE_PARENT_NODE_NAME,
					want->parent));
	return conn_request(inv->genl, msg, NULL, NULL);
}
