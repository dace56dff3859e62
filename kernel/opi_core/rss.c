// SPDX-License-Identifier: GPL-2.0
/*
 * RSS: which queue pair gets a received frame (interface, "Spreading"), and
 * ethtool -x, -X and -N rx-flow-hash.  The card forgets it at a reset and is told
 * again.
 */
#include <linux/ethtool.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

#include "opi_core.h"
#include "txrx.h"

/* Addresses, and addresses and ports, of each kind of flow. */
static const struct {
	u32 flow;
	u32 l3;
	u32 l4;
} opi_rss_flows[] = {
	{ TCP_V4_FLOW,	OPI_HASH_IPV4, OPI_HASH_TCPV4 },
	{ UDP_V4_FLOW,	OPI_HASH_IPV4, OPI_HASH_UDPV4 },
	{ IPV4_FLOW,	OPI_HASH_IPV4, 0 },
	{ TCP_V6_FLOW,	OPI_HASH_IPV6, OPI_HASH_TCPV6 },
	{ UDP_V6_FLOW,	OPI_HASH_IPV6, OPI_HASH_UDPV6 },
	{ IPV6_FLOW,	OPI_HASH_IPV6, 0 },
};

#define OPI_RSS_L3	(RXH_IP_SRC | RXH_IP_DST)
#define OPI_RSS_L4	(OPI_RSS_L3 | RXH_L4_B_0_1 | RXH_L4_B_2_3)

/**
 * opi_rss_init - choose the key and what goes into the hash
 * @qs:		the queue pairs of a function
 */
void opi_rss_init(struct opi_qset *qs)
{
	netdev_rss_key_fill(qs->rss.key, sizeof(qs->rss.key));
	qs->rss.types = OPI_HASH_IPV4 | OPI_HASH_TCPV4 | OPI_HASH_UDPV4 |
			OPI_HASH_IPV6 | OPI_HASH_TCPV6 | OPI_HASH_UDPV6;
}

/* Has an administrator made the table, of queue pairs that there are? */
static bool opi_rss_keeps(struct opi_qset *qs)
{
	struct opi_port *port;
	unsigned long id;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(qs->rss.table); i++)
		if (qs->rss.table[i] >= qs->cfg.n_qps)
			return false;
	xa_for_each(&qs->od->ports, id, port)
		if (port->qs == qs && opi_port_owns_qps(port, NULL) &&
		    netif_is_rxfh_configured(port->netdev))
			return true;
	return false;
}

/**
 * opi_rss_fit - fit the table to another number of queue pairs
 * @qs:		the queue pairs of a function
 *
 * Frames are spread evenly over all, unless an administrator wants it otherwise.
 *
 * Context: rtnl held.
 */
void opi_rss_fit(struct opi_qset *qs)
{
	unsigned int i;

	if (opi_rss_keeps(qs))
		return;
	for (i = 0; i < ARRAY_SIZE(qs->rss.table); i++)
		qs->rss.table[i] =
			ethtool_rxfh_indir_default(i, qs->cfg.n_qps);
}

/**
 * opi_rss_apply - tell the card
 * @qs:		of a function; its admin queue runs
 *
 * Context: rtnl held, may sleep.
 * Return: 0 or a negative errno.
 */
int opi_rss_apply(struct opi_qset *qs)
{
	struct opi_rss_config *rss;
	unsigned int i;
	int err;

	/* A subfunction has one queue pair. */
	if (!(qs->od->caps & OPI_CAP_RSS) || qs->port)
		return 0;

	rss = kzalloc(sizeof(*rss), GFP_KERNEL);
	if (!rss)
		return -ENOMEM;
	rss->hash_types = cpu_to_le32(qs->rss.types);
	rss->table_size = cpu_to_le16(ARRAY_SIZE(qs->rss.table));
	memcpy(rss->key, qs->rss.key, sizeof(rss->key));
	for (i = 0; i < ARRAY_SIZE(qs->rss.table); i++)
		rss->table[i] = cpu_to_le16(qs->rss.table[i]);
	err = opi_cmd_rss_set(qs->od, rss);
	kfree(rss);
	return err;
}

/* Take over another setting if the card does. */
static int opi_rss_change(struct opi_qset *qs, const struct opi_rss *rss)
{
	struct opi_rss old = qs->rss;
	int err = 0;

	qs->rss = *rss;
	if (qs->up)
		err = opi_rss_apply(qs);
	/* Without service it is told when there is. */
	if (opi_no_service(err))
		return 0;
	if (err)
		qs->rss = old;
	return err;
}

/**
 * opi_rss_key_size - ethtool_ops.get_rxfh_key_size
 * @netdev:	the netdev
 *
 * Return: bytes of the key.
 */
u32 opi_rss_key_size(struct net_device *netdev)
{
	struct opi_port *port = opi_netdev_port(netdev);

	if (!opi_port_owns_qps(port, NULL) || port->sf ||
	    !(port->od->caps & OPI_CAP_RSS))
		return 0;
	return OPI_RSS_KEY_SIZE;
}

/**
 * opi_rss_table_size - ethtool_ops.get_rxfh_indir_size
 * @netdev:	the netdev
 *
 * Return: entries of the table.
 */
u32 opi_rss_table_size(struct net_device *netdev)
{
	struct opi_port *port = opi_netdev_port(netdev);

	if (!opi_port_owns_qps(port, NULL) || port->sf ||
	    !(port->od->caps & OPI_CAP_RSS))
		return 0;
	return OPI_RSS_TABLE_MAX;
}

/**
 * opi_rss_get - ethtool_ops.get_rxfh
 * @netdev:	the netdev
 * @rxfh:	gets the setting
 *
 * Context: rtnl held.
 * Return: 0 or a negative errno.
 */
int opi_rss_get(struct net_device *netdev, struct ethtool_rxfh_param *rxfh)
{
	struct opi_qset *qs = opi_netdev_port(netdev)->qs;
	unsigned int i;

	if (!opi_rss_key_size(netdev))
		return -EOPNOTSUPP;

	rxfh->hfunc = ETH_RSS_HASH_TOP;
	if (rxfh->key)
		memcpy(rxfh->key, qs->rss.key, sizeof(qs->rss.key));
	for (i = 0; rxfh->indir && i < ARRAY_SIZE(qs->rss.table); i++)
		rxfh->indir[i] = qs->rss.table[i];
	return 0;
}

/**
 * opi_rss_set - ethtool_ops.set_rxfh
 * @netdev:	the netdev
 * @rxfh:	the setting
 * @extack:	gets the reason of a refusal
 *
 * Context: rtnl held, may sleep.
 * Return: 0 or a negative errno.
 */
int opi_rss_set(struct net_device *netdev, struct ethtool_rxfh_param *rxfh,
		struct netlink_ext_ack *extack)
{
	struct opi_qset *qs = opi_netdev_port(netdev)->qs;
	struct opi_rss rss = qs->rss;
	unsigned int i;
	int err;

	if (!opi_rss_key_size(netdev))
		return -EOPNOTSUPP;
	if (rxfh->hfunc != ETH_RSS_HASH_NO_CHANGE &&
	    rxfh->hfunc != ETH_RSS_HASH_TOP) {
		NL_SET_ERR_MSG_MOD(extack, "the hash function is Toeplitz");
		return -EOPNOTSUPP;
	}

	if (rxfh->key)
		memcpy(rss.key, rxfh->key, sizeof(rss.key));
	for (i = 0; rxfh->indir && i < ARRAY_SIZE(rss.table); i++)
		rss.table[i] = rxfh->indir[i];
	err = opi_rss_change(qs, &rss);
	if (err)
		NL_SET_ERR_MSG_MOD(extack, "the card refuses the table");
	return err;
}

/**
 * opi_rss_get_fields - ethtool_ops.get_rxfh_fields
 * @netdev:	the netdev
 * @fields:	kind of flow, and what of it goes into the hash
 *
 * Context: rtnl held.
 * Return: 0 or a negative errno.
 */
int opi_rss_get_fields(struct net_device *netdev,
		       struct ethtool_rxfh_fields *fields)
{
	struct opi_qset *qs = opi_netdev_port(netdev)->qs;
	unsigned int i;

	fields->data = 0;
	if (!opi_rss_key_size(netdev))
		return -EOPNOTSUPP;

	for (i = 0; i < ARRAY_SIZE(opi_rss_flows); i++) {
		if (opi_rss_flows[i].flow != fields->flow_type)
			continue;
		if (qs->rss.types & opi_rss_flows[i].l4)
			fields->data = OPI_RSS_L4;
		else if (qs->rss.types & opi_rss_flows[i].l3)
			fields->data = OPI_RSS_L3;
		return 0;
	}
	return -EINVAL;
}

/**
 * opi_rss_set_fields - ethtool_ops.set_rxfh_fields
 * @netdev:	the netdev
 * @fields:	kind of flow, and what of it goes into the hash
 * @extack:	gets the reason of a refusal
 *
 * Flows with ports are hashed over addresses, or addresses and ports; over
 * addresses as all flows of their kind of addresses are.
 *
 * Context: rtnl held, may sleep.
 * Return: 0 or a negative errno.
 */
int opi_rss_set_fields(struct net_device *netdev,
		       const struct ethtool_rxfh_fields *fields,
		       struct netlink_ext_ack *extack)
{
	struct opi_qset *qs = opi_netdev_port(netdev)->qs;
	struct opi_rss rss = qs->rss;
	unsigned int i;

	if (!opi_rss_key_size(netdev))
		return -EOPNOTSUPP;

	for (i = 0; i < ARRAY_SIZE(opi_rss_flows); i++) {
		u32 l3 = opi_rss_flows[i].l3, l4 = opi_rss_flows[i].l4;

		if (opi_rss_flows[i].flow != fields->flow_type)
			continue;
		if (fields->data == OPI_RSS_L4 && l4) {
			rss.types |= l4;
		} else if (fields->data == OPI_RSS_L3) {
			rss.types &= ~l4;
			rss.types |= l3;
		} else if (!fields->data && !l4) {
			rss.types &= ~l3;
		} else {
			NL_SET_ERR_MSG_MOD(extack,
					   "hashed are addresses, or addresses and ports");
			return -EINVAL;
		}
		return opi_rss_change(qs, &rss);
	}
	NL_SET_ERR_MSG_MOD(extack, "hashed are IPv4, IPv6, TCP and UDP");
	return -EINVAL;
}
