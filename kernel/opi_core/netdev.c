// SPDX-License-Identifier: GPL-2.0
/*
 * Netdevs: what those of both sides have in common (open, stop, MTU, address,
 * carrier, being brought back after a reset), and that of a host function.
 * Representors and uplinks are in rep.c, what a netdev receives and its features
 * in filter.c, frames in tx.c and rx.c.
 *
 * A netdev stays registered, and open if it was, while the device has no
 * service: it has no carrier then, and gets back what was set when the service
 * comes back.
 */
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

#include "opi_core.h"
#include "txrx.h"

struct opi_nic {
	struct opi_port *port;
};

/**
 * opi_netdev_port - the port of a netdev
 * @netdev:	one of ours
 *
 * Return: the port.
 */
struct opi_port *opi_netdev_port(const struct net_device *netdev)
{
	const struct opi_nic *nic = netdev_priv(netdev);

	return nic->port;
}

/**
 * opi_port_owns_qps - are the queue pairs those of this port's netdev?
 * @port:	the port
 * @extack:	gets the reason if not
 *
 * On the DPU all netdevs share them, and the uplink's stands for all.
 *
 * Return: whether they can be changed through its netdev.
 */
bool opi_port_owns_qps(const struct opi_port *port,
		       struct netlink_ext_ack *extack)
{
	if (!port->qs->shared || port->type == OPI_PORT_UPLINK)
		return true;
	NL_SET_ERR_MSG_MOD(extack,
			   "representors share the uplink's queues: change them there");
	return false;
}

/*
 * Have each CPU send through the queue pair of which it gets the interrupts
 * (irq.c).  Only a hint.
 */
static void opi_netdev_spread(struct net_device *netdev)
{
	unsigned int n = netdev->real_num_tx_queues, cpus = num_online_cpus();
	struct opi_dev *od = opi_netdev_port(netdev)->od;
	int node = dev_to_node(&od->pdev->dev);
	cpumask_var_t mask;
	unsigned int q, i;

	if (n == 1 || !zalloc_cpumask_var(&mask, GFP_KERNEL))
		return;
	for (q = 0; q < n; q++) {
		cpumask_clear(mask);
		for (i = q; i < cpus; i += n)
			cpumask_set_cpu(cpumask_local_spread(i, node), mask);
		if (!cpumask_empty(mask))
			netif_set_xps_queue(netdev, mask, q);
	}
	free_cpumask_var(mask);
}

/**
 * opi_netdev_set_queues - have the stack use as many queues as there are
 * @netdev:	the netdev
 *
 * Context: rtnl held if it is registered.
 * Return: 0 or a negative errno.
 */
int opi_netdev_set_queues(struct net_device *netdev)
{
	unsigned int n = opi_netdev_port(netdev)->qs->cfg.n_qps;
	int err;

	if (netdev->real_num_tx_queues == n && netdev->real_num_rx_queues == n)
		return 0;
	err = netif_set_real_num_queues(netdev, n, n);
	if (!err && netif_running(netdev))
		opi_netdev_spread(netdev);
	return err;
}

/**
 * opi_netdev_open - ndo_open
 * @netdev:	the netdev
 *
 * Without service it succeeds: the rest follows when there is service.
 *
 * Context: rtnl held.
 * Return: 0 or a negative errno.
 */
int opi_netdev_open(struct net_device *netdev)
{
	struct opi_port *port = opi_netdev_port(netdev);
	struct opi_dev *od = port->od;
	int err;

	err = opi_qps_get(port->qs);
	if (err) {
		/* The DPU may have taken the function away. */
		if (err != -ENOENT)
			netdev_warn(netdev, "no queue pairs: %pe\n",
				    ERR_PTR(err));
		return err;
	}

	opi_netdev_spread(netdev);
	netif_tx_start_all_queues(netdev);
	if (!port->qs->up)
		return 0;

	err = opi_port_set_rx(port);
	if (!err)
		err = opi_cmd_port_set_state(od, port->id, true);
	if (!err)
		err = opi_port_refresh(port);
	if (opi_no_service(err)) {
		opi_dev_queue_reset(od);
		return 0;
	}
	if (err) {
		if (err != -ENOENT)
			netdev_warn(netdev, "port does not come up: %pe\n",
				    ERR_PTR(err));
		netif_tx_stop_all_queues(netdev);
		opi_qps_put(port->qs);
	}
	return err;
}

/**
 * opi_netdev_stop - ndo_stop
 * @netdev:	the netdev
 *
 * Context: rtnl held.
 * Return: 0.
 */
int opi_netdev_stop(struct net_device *netdev)
{
	struct opi_port *port = opi_netdev_port(netdev);
	struct opi_dev *od = port->od;
	int err;

	netif_tx_stop_all_queues(netdev);
	if (port->qs->up) {
		err = opi_cmd_port_set_state(od, port->id, false);
		/* Its function may be gone already. */
		if (err && err != -ENOENT && !opi_no_service(err))
			netdev_warn(netdev, "port does not go down: %pe\n",
				    ERR_PTR(err));
	}

	mutex_lock(&port->lock);
	netif_carrier_off(netdev);
	mutex_unlock(&port->lock);

	opi_qps_put(port->qs);
	return 0;
}

/**
 * opi_netdev_change_mtu - ndo_change_mtu
 * @netdev:	the netdev
 * @mtu:	new MTU, within the netdev's bounds
 *
 * Receive buffers chain, so the rings stay as they are.
 *
 * Context: rtnl held.
 * Return: 0 or a negative errno; -ENETDOWN without service.
 */
int opi_netdev_change_mtu(struct net_device *netdev, int mtu)
{
	struct opi_port *port = opi_netdev_port(netdev);
	int err;

	if (!port->qs->up)
		return -ENETDOWN;

	err = opi_cmd_port_set_mtu(port->od, port->id, mtu);
	if (err)
		return err;
	WRITE_ONCE(netdev->mtu, mtu);
	return 0;
}

/**
 * opi_netdev_set_mac - ndo_set_mac_address where the card has to know it
 * @netdev:	the netdev
 * @addr:	struct sockaddr
 *
 * Context: rtnl held.
 * Return: 0 or a negative errno; -EPERM if the card does not trust us.
 */
int opi_netdev_set_mac(struct net_device *netdev, void *addr)
{
	struct opi_port *port = opi_netdev_port(netdev);
	struct sockaddr *sa = addr;
	int err;

	err = eth_prepare_mac_addr_change(netdev, addr);
	if (err)
		return err;
	if (!port->qs->up)
		return -ENETDOWN;

	err = opi_cmd_port_set_mac(port->od, port->id, sa->sa_data);
	if (err)
		return err;
	eth_commit_mac_addr_change(netdev, addr);
	return 0;
}

/**
 * opi_netdev_tx_timeout - ndo_tx_timeout
 * @netdev:	the netdev
 * @txq:	its queue, and the queue pair
 *
 * Context: softirq.
 */
void opi_netdev_tx_timeout(struct net_device *netdev, unsigned int txq)
{
	struct opi_port *port = opi_netdev_port(netdev);

	DEV_STATS_INC(netdev, tx_errors);
	netdev_warn_once(netdev, "queue %u does not send\n", txq);
	opi_dev_queue_qp(port->qs, txq, OPI_QP_TX);
}

static netdev_tx_t opi_netdev_xmit(struct sk_buff *skb,
				   struct net_device *netdev)
{
	return opi_tx_xmit(opi_netdev_port(netdev)->qs, skb, netdev, 0);
}

static const struct net_device_ops opi_netdev_ops = {
	.ndo_open		= opi_netdev_open,
	.ndo_stop		= opi_netdev_stop,
	.ndo_start_xmit		= opi_netdev_xmit,
	.ndo_get_stats64	= opi_get_stats64,
	.ndo_change_mtu		= opi_netdev_change_mtu,
	.ndo_set_mac_address	= opi_netdev_set_mac,
	.ndo_validate_addr	= eth_validate_addr,
	.ndo_tx_timeout		= opi_netdev_tx_timeout,
	.ndo_set_rx_mode	= opi_set_rx_mode,
	.ndo_vlan_rx_add_vid	= opi_vlan_add,
	.ndo_vlan_rx_kill_vid	= opi_vlan_kill,
	.ndo_features_check	= opi_tx_features_check,
	.ndo_fix_features	= opi_fix_features,
	.ndo_set_features	= opi_set_features,
	.ndo_bpf		= opi_xdp_bpf,
	.ndo_xdp_xmit		= opi_xdp_xmit,
};

/**
 * opi_netdev_register - make and register a netdev
 * @port:	its port, with a registered devlink port
 * @info:	of the port, unchecked
 * @mac:	its address, unchecked
 * @ops:	its operations
 *
 * It is in od->ports when it can be opened.
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 * Return: 0 or a negative errno.
 */
int opi_netdev_register(struct opi_port *port,
			const struct opi_port_info *info, const u8 *mac,
			const struct net_device_ops *ops)
{
	struct opi_qset *qs = port->qs;
	struct opi_dev *od = port->od;
	struct net_device *netdev;
	struct opi_nic *nic;
	u32 max_mtu;
	int err;

	netdev = alloc_etherdev_mqs(sizeof(*nic), qs->max_qps, qs->max_qps);
	if (!netdev)
		return -ENOMEM;

	nic = netdev_priv(netdev);
	nic->port = port;
	port->netdev = netdev;

	dev_net_set(netdev, devlink_net(port->dl.devlink));
	SET_NETDEV_DEV(netdev, devlink_to_dev(port->dl.devlink));
	SET_NETDEV_DEVLINK_PORT(netdev, &port->dl);
	netdev->netdev_ops = ops;
	netdev->ethtool_ops = &opi_ethtool_ops;
	netdev->priv_flags |= IFF_LIVE_ADDR_CHANGE;
	netdev->watchdog_timeo = 5 * HZ;
	if (opi_is_dpu(od)) {
		netdev->pcpu_stat_type = NETDEV_PCPU_STAT_TSTATS;
	} else {
		netdev->priv_flags |= IFF_UNICAST_FLT;
		netdev->stat_ops = &opi_stat_ops;
		netdev->xdp_features = NETDEV_XDP_ACT_BASIC |
				       NETDEV_XDP_ACT_REDIRECT |
				       NETDEV_XDP_ACT_NDO_XMIT;
	}
	opi_features_init(netdev);

	max_mtu = min(le32_to_cpu(info->max_mtu), OPI_MAX_PORT_MTU);
	port->max_mtu = max(max_mtu, OPI_MIN_PORT_MTU);
	netdev->min_mtu = OPI_MIN_PORT_MTU;
	netdev->max_mtu = port->max_mtu;
	netdev->mtu = min(netdev->max_mtu, ETH_DATA_LEN);

	if (is_valid_ether_addr(mac))
		eth_hw_addr_set(netdev, mac);
	else
		eth_hw_addr_random(netdev);

	netif_carrier_off(netdev);
	/* NAPI of a queue pair that is not shared. */
	if (!qs->shared)
		qs->napi_dev = netdev;

	/* Who changes the number of queues finds it here, or has done so before. */
	rtnl_lock();
	err = opi_netdev_set_queues(netdev);
	/* A subfunction's port must not be that of another function. */
	if (!err)
		err = xa_insert(&od->ports, port->id, port, GFP_KERNEL);
	rtnl_unlock();
	if (err)
		goto err_free;
	err = register_netdev(netdev);
	if (err)
		goto err_erase;
	return 0;

err_erase:
	rtnl_lock();
	xa_erase(&od->ports, port->id);
	rtnl_unlock();
	synchronize_net();
err_free:
	if (!qs->shared)
		qs->napi_dev = NULL;
	port->netdev = NULL;
	free_netdev(netdev);
	return err;
}

/**
 * opi_netdev_add - make the netdev of a host function
 * @port:	its port, with a registered devlink port
 * @info:	of the port, unchecked
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 * Return: 0 or a negative errno.
 */
int opi_netdev_add(struct opi_port *port, const struct opi_port_info *info)
{
	return opi_netdev_register(port, info, info->mac, &opi_netdev_ops);
}

/**
 * opi_netdev_del - unregister and free a netdev
 * @port:	its port
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 */
void opi_netdev_del(struct opi_port *port)
{
	struct net_device *netdev = port->netdev;
	struct opi_qset *qs = port->qs;
	struct opi_dev *od = port->od;

	rtnl_lock();
	dev_close(netdev);
	xa_erase(&od->ports, port->id);
	/* No one finds it any more, and NAPI holds none of its frames. */
	synchronize_net();
	if (qs->shared)
		opi_qps_flush(qs);
	/* What was sent from it may be buried; then it holds no reference. */
	unregister_netdevice(netdev);
	rtnl_unlock();

	if (!qs->shared)
		qs->napi_dev = NULL;
	port->netdev = NULL;
	free_netdev(netdev);
}

/**
 * opi_netdev_readdress - take over an address from the card
 * @port:	the netdev's port
 * @mac:	the address, unchecked
 *
 * Context: rtnl held.
 */
void opi_netdev_readdress(struct opi_port *port, const u8 *mac)
{
	struct net_device *netdev = port->netdev;

	if (!is_valid_ether_addr(mac) ||
	    ether_addr_equal(netdev->dev_addr, mac))
		return;
	eth_hw_addr_set(netdev, mac);
	call_netdevice_notifiers(NETDEV_CHANGEADDR, netdev);
}

/* Did the card refuse, rather than fail to answer? */
static bool opi_netdev_refused(int err)
{
	return err == -EPERM || err == -EINVAL || err == -ERANGE ||
	       err == -EOPNOTSUPP;
}

/**
 * opi_netdev_restore - give a port what was set on its netdev
 * @port:	the port, after its function was reset
 *
 * Context: rtnl held, may sleep.
 * Return: 0 or a negative errno; what the card refuses is only warned of.
 */
int opi_netdev_restore(struct opi_port *port)
{
	struct net_device *netdev = port->netdev;
	struct opi_dev *od = port->od;
	struct opi_port_info info;
	int err;

	err = opi_cmd_port_get(od, port->id, &info);
	if (err)
		return err;

	/*
	 * The address belongs to the DPU.  What an administrator of ours set is
	 * asked for again, else the DPU's choice is taken.  Representors have
	 * theirs for themselves.
	 */
	if ((!opi_is_dpu(od) || port->type == OPI_PORT_UPLINK) &&
	    !ether_addr_equal(netdev->dev_addr, info.mac)) {
		if (netdev->addr_assign_type == NET_ADDR_SET) {
			err = opi_cmd_port_set_mac(od, port->id,
						   netdev->dev_addr);
			if (opi_netdev_refused(err))
				netdev_warn(netdev,
					    "the card refuses the address: %pe\n",
					    ERR_PTR(err));
			else if (err)
				return err;
		} else {
			opi_netdev_readdress(port, info.mac);
		}
	}

	if (le32_to_cpu(info.mtu) != netdev->mtu) {
		err = opi_cmd_port_set_mtu(od, port->id, netdev->mtu);
		if (opi_netdev_refused(err))
			netdev_warn(netdev, "the card refuses the MTU: %pe\n",
				    ERR_PTR(err));
		else if (err)
			return err;
	}

	err = opi_tc_restore(port);
	if (opi_netdev_refused(err))
		netdev_warn(netdev, "the card refuses to police: %pe\n",
			    ERR_PTR(err));
	else if (err)
		return err;

	/* Another card, or other firmware, may be able to do less. */
	netdev_update_features(netdev);
	if (!netif_running(netdev))
		return 0;
	err = opi_port_set_rx(port);
	if (opi_netdev_refused(err))
		netdev_warn(netdev, "the card refuses the filter: %pe\n",
			    ERR_PTR(err));
	else if (err)
		return err;
	err = opi_cmd_port_set_state(od, port->id, true);
	if (err)
		return err;
	netif_tx_wake_all_queues(netdev);
	return opi_port_refresh(port);
}

/**
 * opi_netdevs_up - there is service: bring netdevs to where they were
 * @od:		the device; its admin queue and event queues run, and it has been
 *		reset since it had queue pairs
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 * Return: 0 or a negative errno; opi_netdevs_down() undoes what was done.
 */
int opi_netdevs_up(struct opi_dev *od)
{
	struct opi_port *port;
	unsigned long id;
	int err;

	rtnl_lock();
	opi_qps_free_dead(od);
	WRITE_ONCE(od->qs.up, true);
	err = opi_qps_start(&od->qs);
	if (!err) {
		xa_for_each(&od->ports, id, port) {
			err = port->sf ? opi_sf_up(port->sf) :
					 opi_netdev_restore(port);
			if (err)
				break;
		}
	}
	rtnl_unlock();
	return err;
}

/**
 * opi_netdevs_down - there is no service: no carrier, no queue pairs
 * @od:		the device, in whatever state; no commands are accepted
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 */
void opi_netdevs_down(struct opi_dev *od)
{
	struct opi_port *port;
	unsigned long id;

	rtnl_lock();
	WRITE_ONCE(od->qs.up, false);
	xa_for_each(&od->ports, id, port) {
		mutex_lock(&port->lock);
		netif_carrier_off(port->netdev);
		mutex_unlock(&port->lock);
		if (port->sf)
			opi_sf_down(port->sf);
	}
	opi_qps_stop(&od->qs);
	rtnl_unlock();
}
