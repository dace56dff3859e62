// SPDX-License-Identifier: GPL-2.0
/*
 * The DPU's netdevs: a representor for each host function, and the uplink.
 * They share the queue pairs of the DPU function; the port stands in the
 * descriptors.  What they have in common with the host's netdev is in netdev.c.
 */
#include <linux/etherdevice.h>
#include <linux/netdevice.h>

#include "opi_core.h"
#include "txrx.h"

/**
 * opi_rep_demux - whose frame is it?
 * @od:		the device, DPU side
 * @port:	port id as the card says
 *
 * Context: RCU read side, which the netdev lives as long as.
 * Return: the netdev, or NULL if there is no such port.
 */
struct net_device *opi_rep_demux(struct opi_dev *od, u32 port)
{
	struct opi_port *p = xa_load(&od->ports, port);

	return p ? p->netdev : NULL;
}

static netdev_tx_t opi_rep_xmit(struct sk_buff *skb, struct net_device *netdev)
{
	struct opi_port *port = opi_netdev_port(netdev);

	return opi_tx_xmit(port->qs, skb, netdev, port->id);
}

static const struct net_device_ops opi_uplink_ops = {
	.ndo_open		= opi_netdev_open,
	.ndo_stop		= opi_netdev_stop,
	.ndo_start_xmit		= opi_rep_xmit,
	.ndo_get_stats64	= dev_get_tstats64,
	.ndo_change_mtu		= opi_netdev_change_mtu,
	.ndo_set_mac_address	= opi_netdev_set_mac,
	.ndo_validate_addr	= eth_validate_addr,
	.ndo_tx_timeout		= opi_netdev_tx_timeout,
	.ndo_features_check	= opi_tx_features_check,
	.ndo_fix_features	= opi_fix_features,
	.ndo_set_features	= opi_set_features,
	.ndo_setup_tc		= opi_rep_setup_tc,
};

/* The address of a representor is seen by nobody but the DPU. */
static const struct net_device_ops opi_rep_ops = {
	.ndo_open		= opi_netdev_open,
	.ndo_stop		= opi_netdev_stop,
	.ndo_start_xmit		= opi_rep_xmit,
	.ndo_get_stats64	= dev_get_tstats64,
	.ndo_change_mtu		= opi_netdev_change_mtu,
	.ndo_set_mac_address	= eth_mac_addr,
	.ndo_validate_addr	= eth_validate_addr,
	.ndo_tx_timeout		= opi_netdev_tx_timeout,
	.ndo_features_check	= opi_tx_features_check,
	.ndo_fix_features	= opi_fix_features,
	.ndo_set_features	= opi_set_features,
	.ndo_setup_tc		= opi_rep_setup_tc,
};

/**
 * opi_rep_add - make the DPU's netdev of a port
 * @port:	the port, with a registered devlink port
 * @info:	of the port, unchecked
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 * Return: 0 or a negative errno.
 */
int opi_rep_add(struct opi_port *port, const struct opi_port_info *info)
{
	if (port->type == OPI_PORT_UPLINK)
		return opi_netdev_register(port, info, info->mac,
					   &opi_uplink_ops);

	return opi_netdev_register(port, info, info->rep_mac, &opi_rep_ops);
}
