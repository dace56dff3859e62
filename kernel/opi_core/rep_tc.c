// SPDX-License-Identifier: GPL-2.0
/*
 * tc on the DPU's netdevs, as far as the card does it: a matchall filter at
 * ingress that polices all that comes out of a port (interface, "Policing").
 *
 * The card forgets it with each reset of the DPU function, so it is kept here
 * and given to it again at each start.
 */
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <net/flow_offload.h>
#include <net/pkt_cls.h>

#include "opi_core.h"

static LIST_HEAD(opi_tc_blocks);

/* Nothing is left that the card would not do as it stands there. */
static int opi_tc_police_check(const struct net_device *netdev,
			       const struct flow_action_entry *act,
			       struct netlink_ext_ack *extack)
{
	unsigned int frame = netdev->mtu + VLAN_ETH_HLEN;
	const char *why = NULL;

	if (act->police.exceed.act_id != FLOW_ACTION_DROP)
		why = "what exceeds the rate can only be dropped";
	else if (act->police.notexceed.act_id != FLOW_ACTION_PIPE &&
		 act->police.notexceed.act_id != FLOW_ACTION_ACCEPT &&
		 act->police.notexceed.act_id != FLOW_ACTION_CONTINUE)
		why = "what conforms can only pass";
	else if (act->police.peakrate_bytes_ps || act->police.avrate ||
		 act->police.overhead)
		why = "peakrate, avrate and overhead are not offered";
	else if (act->police.mtu && act->police.mtu < frame)
		why = "mtu is below that of the port, and is not policed";
	else if (!act->police.rate_bytes_ps == !act->police.rate_pkt_ps)
		why = "a rate is either of bytes or of packets";

	if (!why)
		return 0;
	NL_SET_ERR_MSG_FMT_MOD(extack, "%s", why);
	return -EOPNOTSUPP;
}

static int opi_tc_police_parse(const struct net_device *netdev,
			       struct tc_cls_matchall_offload *ma,
			       struct opi_police *police)
{
	struct netlink_ext_ack *extack = ma->common.extack;
	struct flow_action *actions = &ma->rule->action;
	const struct flow_action_entry *act;
	u64 burst;
	int err;

	if (ma->common.protocol != htons(ETH_P_ALL)) {
		NL_SET_ERR_MSG_MOD(extack, "a port is policed for all protocols");
		return -EOPNOTSUPP;
	}
	if (!flow_offload_has_one_action(actions) ||
	    actions->entries[0].id != FLOW_ACTION_POLICE) {
		NL_SET_ERR_MSG_MOD(extack,
				   "matchall has one action here: police");
		return -EOPNOTSUPP;
	}
	if (!flow_action_basic_hw_stats_check(actions, extack))
		return -EOPNOTSUPP;

	act = &actions->entries[0];
	err = opi_tc_police_check(netdev, act, extack);
	if (err)
		return err;

	if (act->police.rate_pkt_ps) {
		police->unit = OPI_POLICE_FRAMES;
		police->rate = act->police.rate_pkt_ps;
		burst = act->police.burst_pkt;
	} else {
		police->unit = OPI_POLICE_BYTES;
		police->rate = act->police.rate_bytes_ps;
		burst = act->police.burst;
	}
	if (!burst || burst > U32_MAX) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "a burst is 1 to %u", U32_MAX);
		return -ERANGE;
	}
	police->burst = burst;
	police->cookie = ma->cookie;
	return 0;
}

/* What is counted counts from now. */
static int opi_tc_police_give(struct opi_port *port, struct opi_police *police)
{
	struct opi_port_stats stats;
	int err;

	err = opi_cmd_port_stats(port->od, port->id, &stats);
	if (err)
		return err;
	police->frames = le64_to_cpu(stats.rx_frames);
	police->bytes = le64_to_cpu(stats.rx_bytes);
	police->drops = le64_to_cpu(stats.rx_policed);
	return opi_cmd_port_set_police(port->od, port->id, OPI_POLICE_PORT,
				       police->unit, police->rate,
				       police->burst);
}

static int opi_tc_police_add(struct opi_port *port,
			     struct tc_cls_matchall_offload *ma)
{
	struct netlink_ext_ack *extack = ma->common.extack;
	struct opi_police police = {};
	int err;

	if (!(port->od->caps & OPI_CAP_POLICE)) {
		NL_SET_ERR_MSG_MOD(extack, "the card cannot police");
		return -EOPNOTSUPP;
	}
	if (port->police.cookie && port->police.cookie != ma->cookie) {
		NL_SET_ERR_MSG_MOD(extack, "the port has a filter that polices");
		return -EEXIST;
	}
	err = opi_tc_police_parse(port->netdev, ma, &police);
	if (err)
		return err;

	err = opi_tc_police_give(port, &police);
	if (err) {
		if (opi_no_service(err))
			NL_SET_ERR_MSG_MOD(extack,
					   "the card has no service now");
		else
			NL_SET_ERR_MSG_MOD(extack, "the card refuses the rate");
		return err;
	}
	port->police = police;
	return 0;
}

static int opi_tc_police_del(struct opi_port *port,
			     struct tc_cls_matchall_offload *ma)
{
	int err;

	if (port->police.cookie != ma->cookie)
		return -ENOENT;
	/* The filter goes in any event, and with a reset the limit does. */
	memset(&port->police, 0, sizeof(port->police));
	err = opi_cmd_port_set_police(port->od, port->id, OPI_POLICE_PORT,
				      OPI_POLICE_BYTES, 0, 0);
	return opi_no_service(err) ? 0 : err;
}

static int opi_tc_police_stats(struct opi_port *port,
			       struct tc_cls_matchall_offload *ma)
{
	struct opi_police *police = &port->police;
	struct opi_port_stats stats;
	u64 frames, bytes, drops;
	int err;

	if (police->cookie != ma->cookie)
		return -ENOENT;
	err = opi_cmd_port_stats(port->od, port->id, &stats);
	if (err)
		return opi_no_service(err) ? 0 : err;

	frames = le64_to_cpu(stats.rx_frames);
	bytes = le64_to_cpu(stats.rx_bytes);
	drops = le64_to_cpu(stats.rx_policed);
	/* Frames that the filter has seen: those that it dropped too. */
	flow_stats_update(&ma->stats, bytes - police->bytes,
			  frames - police->frames + drops - police->drops,
			  drops - police->drops, jiffies,
			  FLOW_ACTION_HW_STATS_IMMEDIATE);
	police->frames = frames;
	police->bytes = bytes;
	police->drops = drops;
	return 0;
}

static int opi_tc_block_cb(enum tc_setup_type type, void *type_data,
			   void *cb_priv)
{
	struct tc_cls_matchall_offload *ma = type_data;
	struct opi_port *port = cb_priv;

	if (type != TC_SETUP_CLSMATCHALL)
		return -EOPNOTSUPP;
	if (!tc_cls_can_offload_and_chain0(port->netdev, &ma->common))
		return -EOPNOTSUPP;

	switch (ma->command) {
	case TC_CLSMATCHALL_REPLACE:
		return opi_tc_police_add(port, ma);
	case TC_CLSMATCHALL_DESTROY:
		return opi_tc_police_del(port, ma);
	case TC_CLSMATCHALL_STATS:
		return opi_tc_police_stats(port, ma);
	default:
		return -EOPNOTSUPP;
	}
}

/**
 * opi_rep_setup_tc - ndo_setup_tc
 * @netdev:	a representor or an uplink
 * @type:	what is to be set up
 * @type_data:	how
 *
 * Context: rtnl held, may sleep.
 * Return: 0 or a negative errno; -EOPNOTSUPP for all but blocks at ingress.
 */
int opi_rep_setup_tc(struct net_device *netdev, enum tc_setup_type type,
		     void *type_data)
{
	struct opi_port *port = opi_netdev_port(netdev);

	if (type != TC_SETUP_BLOCK)
		return -EOPNOTSUPP;
	return flow_block_cb_setup_simple(type_data, &opi_tc_blocks,
					  opi_tc_block_cb, port, port, true);
}

/**
 * opi_tc_restore - give the card what it has forgotten
 * @port:	a port, whose netdev is registered
 *
 * Context: rtnl held, may sleep.
 * Return: 0 or a negative errno.
 */
int opi_tc_restore(struct opi_port *port)
{
	ASSERT_RTNL();
	if (!port->police.cookie)
		return 0;
	return opi_tc_police_give(port, &port->police);
}

/**
 * opi_tc_busy - does the card do something for tc?
 * @port:	the port
 *
 * Context: rtnl held.
 * Return: whether there is a filter.
 */
bool opi_tc_busy(const struct opi_port *port)
{
	return port->police.cookie;
}
