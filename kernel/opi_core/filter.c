// SPDX-License-Identifier: GPL-2.0
/*
 * What a netdev receives: addresses, VLANs, and which work on a frame it leaves
 * to the card (interface, "Filters and metadata").  The features that a netdev
 * has follow from the card's capabilities and are set here, too.
 *
 * The card takes all of it at once, with one command.  Where the kernel tells of
 * a change while it must not sleep, a work item gives the command.
 */
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

#include "opi_core.h"
#include "txrx.h"

/* All that depends on the card. */
#define OPI_FEATURES_TX	(NETIF_F_HW_CSUM | NETIF_F_TSO | NETIF_F_TSO6 | \
			 NETIF_F_TSO_ECN | NETIF_F_GSO_UDP_L4)
#define OPI_FEATURES	(OPI_FEATURES_TX | NETIF_F_HW_VLAN_CTAG_TX | \
			 NETIF_F_RXCSUM | NETIF_F_GRO_HW | NETIF_F_RXHASH | \
			 NETIF_F_HW_VLAN_CTAG_RX | NETIF_F_HW_VLAN_CTAG_FILTER)

static netdev_features_t opi_card_features(const struct opi_port *port)
{
	const struct opi_dev *od = port->od;
	netdev_features_t f = 0;
	u64 caps = od->caps;

	if (caps & OPI_CAP_TX_CSUM)
		f |= NETIF_F_HW_CSUM;
	if (caps & OPI_CAP_TX_CSUM && caps & OPI_CAP_GSO)
		f |= OPI_FEATURES_TX;
	if (caps & OPI_CAP_VLAN)
		f |= NETIF_F_HW_VLAN_CTAG_TX;
	if (caps & OPI_CAP_RSS && !port->sf)
		f |= NETIF_F_RXHASH;
	if (caps & OPI_CAP_POLICE && opi_is_dpu(od))
		f |= NETIF_F_HW_TC;

	/* The card delivers metadata to those who have said what they take. */
	if (!(caps & OPI_CAP_RX_FILTER))
		return f;
	if (caps & OPI_CAP_RX_CSUM)
		f |= NETIF_F_RXCSUM;
	if (caps & OPI_CAP_RX_CSUM && caps & OPI_CAP_GSO)
		f |= NETIF_F_GRO_HW;
	if (caps & OPI_CAP_VLAN)
		f |= NETIF_F_HW_VLAN_CTAG_RX;
	/* The DPU's netdevs get all frames of their port. */
	if (!opi_is_dpu(od))
		f |= NETIF_F_HW_VLAN_CTAG_FILTER;
	return f;
}

/**
 * opi_features_init - give a netdev the features that the card has
 * @netdev:	the netdev, not registered yet
 */
void opi_features_init(struct net_device *netdev)
{
	struct opi_port *port = opi_netdev_port(netdev);
	netdev_features_t f = opi_card_features(port);

	netdev->hw_features = NETIF_F_SG | f;
	netdev->features = netdev->hw_features | NETIF_F_HIGHDMA;
	port->features = netdev->features;
	netdev->vlan_features = NETIF_F_SG | NETIF_F_HIGHDMA |
				(f & OPI_FEATURES_TX);
	/* A sum from anywhere to the end: the inner one of a tunnel as well. */
	netdev->hw_enc_features = NETIF_F_SG | NETIF_F_HIGHDMA |
				  (f & NETIF_F_HW_CSUM);
	netdev->mpls_features = netdev->hw_enc_features;
	/* The card's limit is the frame's length, which is the stack's own. */
	netif_set_tso_max_size(netdev, GSO_LEGACY_MAX_SIZE);
}

/**
 * opi_fix_features - ndo_fix_features
 * @netdev:	the netdev
 * @features:	what is wanted
 *
 * Context: rtnl held.
 * Return: what can be had.
 */
netdev_features_t opi_fix_features(struct net_device *netdev,
				   netdev_features_t features)
{
	struct opi_port *port = opi_netdev_port(netdev);

	/* After a reset the card may have others. */
	features &= ~(OPI_FEATURES & ~opi_card_features(port));
	/* A program sees one buffer a frame. */
	if (port->qs->cfg.xdp)
		features &= ~NETIF_F_GRO_HW;
	return features;
}

static u32 opi_rx_flags(const struct opi_port *port)
{
	netdev_features_t features = port->features;
	u32 flags = 0;

	if (features & NETIF_F_HW_VLAN_CTAG_FILTER)
		flags |= OPI_RX_F_VLAN_FILTER;
	/* A program sees frames as they would be on the wire. */
	if (port->qs->cfg.xdp)
		return flags;
	if (features & NETIF_F_HW_VLAN_CTAG_RX)
		flags |= OPI_RX_F_VLAN_STRIP;
	if (features & NETIF_F_RXCSUM)
		flags |= OPI_RX_F_CSUM;
	if (features & NETIF_F_RXCSUM && features & NETIF_F_GRO_HW)
		flags |= OPI_RX_F_TSO4 | OPI_RX_F_TSO6 | OPI_RX_F_USO;
	return flags;
}

static bool opi_rx_add_mac(struct opi_rx_config *rx, const u8 *addr)
{
	unsigned int n = le16_to_cpu(rx->n_macs);

	if (n == OPI_RX_MACS_MAX)
		return false;
	ether_addr_copy(rx->macs + n * ETH_ALEN, addr);
	rx->n_macs = cpu_to_le16(n + 1);
	return true;
}

/* The netdev's flags and addresses; what finds no room widens the filter. */
static u32 opi_rx_filter(struct net_device *netdev, struct opi_rx_config *rx)
{
	struct netdev_hw_addr *ha;
	u32 flags = 0;

	netif_addr_lock_bh(netdev);
	if (netdev->flags & IFF_PROMISC)
		flags |= OPI_RX_F_PROMISC;
	if (netdev->flags & IFF_ALLMULTI)
		flags |= OPI_RX_F_ALLMULTI;
	netdev_for_each_uc_addr(ha, netdev)
		if (!opi_rx_add_mac(rx, ha->addr))
			flags |= OPI_RX_F_PROMISC;
	netdev_for_each_mc_addr(ha, netdev)
		if (!opi_rx_add_mac(rx, ha->addr))
			flags |= OPI_RX_F_ALLMULTI;
	netif_addr_unlock_bh(netdev);
	return flags;
}

/**
 * opi_port_set_rx - tell the card what a netdev receives
 * @port:	the netdev's port
 *
 * Context: rtnl held, may sleep.
 * Return: 0 or a negative errno.
 */
int opi_port_set_rx(struct opi_port *port)
{
	struct net_device *netdev = port->netdev;
	struct opi_dev *od = port->od;
	struct opi_rx_config *rx;
	u32 flags;
	int err;

	if (!(od->caps & OPI_CAP_RX_FILTER))
		return 0;

	rx = kzalloc(sizeof(*rx), GFP_KERNEL);
	if (!rx)
		return -ENOMEM;

	flags = opi_rx_flags(port);
	if (opi_is_dpu(od)) {
		/* A port of a switch: whatever comes is for us. */
		flags |= OPI_RX_F_PROMISC;
	} else {
		flags |= opi_rx_filter(netdev, rx);
		memcpy(rx->vlans, port->vlans, sizeof(rx->vlans));
	}

	rx->flags = cpu_to_le32(flags);
	err = opi_cmd_port_set_rx(od, port->id, rx);
	if (err == -EPERM && flags & OPI_RX_F_PROMISC) {
		if (!port->promisc_told)
			netdev_warn(netdev,
				    "the card does not trust us: no promiscuous mode, all multicast only\n");
		port->promisc_told = true;
		flags &= ~OPI_RX_F_PROMISC;
		flags |= OPI_RX_F_ALLMULTI;
		rx->flags = cpu_to_le32(flags);
		err = opi_cmd_port_set_rx(od, port->id, rx);
	}
	kfree(rx);
	return err;
}

/* The same while the netdev is open; without service it follows later. */
static int opi_rx_update(struct opi_port *port)
{
	int err;

	if (!port->qs->up || !netif_running(port->netdev))
		return 0;
	err = opi_port_set_rx(port);
	/* ENOENT: the DPU has taken the function away. */
	return opi_no_service(err) || err == -ENOENT ? 0 : err;
}

/**
 * opi_set_features - ndo_set_features
 * @netdev:	the netdev
 * @features:	what it shall have
 *
 * Context: rtnl held, may sleep.
 * Return: 0 or a negative errno.
 */
int opi_set_features(struct net_device *netdev, netdev_features_t features)
{
	struct opi_port *port = opi_netdev_port(netdev);
	netdev_features_t old = port->features;
	int err;

	if (!(features & NETIF_F_HW_TC) && opi_tc_busy(port)) {
		netdev_err(netdev, "tc has filters in the card\n");
		return -EBUSY;
	}

	/* netdev->features follow later, after VLANs have been told of. */
	port->features = features;
	err = opi_rx_update(port);
	if (err)
		port->features = old;
	return err;
}

/**
 * opi_vlan_add - ndo_vlan_rx_add_vid
 * @netdev:	the netdev
 * @proto:	802.1Q
 * @vid:	VLAN id
 *
 * Context: rtnl held, may sleep.
 * Return: 0 or a negative errno.
 */
int opi_vlan_add(struct net_device *netdev, __be16 proto, u16 vid)
{
	struct opi_port *port = opi_netdev_port(netdev);
	int err;

	port->vlans[vid / 8] |= BIT(vid % 8);
	err = opi_rx_update(port);
	if (err)
		port->vlans[vid / 8] &= ~BIT(vid % 8);
	return err;
}

/**
 * opi_vlan_kill - ndo_vlan_rx_kill_vid
 * @netdev:	the netdev
 * @proto:	802.1Q
 * @vid:	VLAN id
 *
 * Context: rtnl held, may sleep.
 * Return: 0 or a negative errno.
 */
int opi_vlan_kill(struct net_device *netdev, __be16 proto, u16 vid)
{
	struct opi_port *port = opi_netdev_port(netdev);

	port->vlans[vid / 8] &= ~BIT(vid % 8);
	return opi_rx_update(port);
}

/**
 * opi_set_rx_mode - ndo_set_rx_mode
 * @netdev:	the netdev
 *
 * Context: the address lock is held.
 */
void opi_set_rx_mode(struct net_device *netdev)
{
	struct opi_port *port = opi_netdev_port(netdev);

	set_bit(OPI_PORT_F_RX_DIRTY, &port->flags);
	queue_work(port->od->wq, &port->od->rx_work);
}

/**
 * opi_rx_work - tell the card of changes of address lists and flags
 * @work:	od->rx_work
 *
 * Changes that come faster than the card takes them are told together.
 */
void opi_rx_work(struct work_struct *work)
{
	struct opi_dev *od = container_of(work, struct opi_dev, rx_work);
	struct opi_port *port;
	unsigned long id;
	int err;

	rtnl_lock();
	/* Ports that are found here go only when rtnl is free. */
	xa_for_each(&od->ports, id, port) {
		if (!test_and_clear_bit(OPI_PORT_F_RX_DIRTY, &port->flags))
			continue;
		err = opi_rx_update(port);
		if (err)
			netdev_warn(port->netdev,
				    "receive filter not set: %pe\n",
				    ERR_PTR(err));
	}
	rtnl_unlock();
}
