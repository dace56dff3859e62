// SPDX-License-Identifier: GPL-2.0
/*
 * ethtool, the same on both sides.  Coalescing is in coalesce.c, RSS in rss.c.
 * What is about queue pairs is changed through the uplink on the DPU, where all
 * netdevs share them.
 */
#include <linux/ethtool.h>
#include <linux/netdevice.h>

#include "opi_core.h"
#include "txrx.h"

struct opi_ethtool_stat {
	char name[ETH_GSTRING_LEN];
	size_t offset;
};

#define OPI_PORT_STAT(field) \
	{ "port_" #field, offsetof(struct opi_port_stats, field) }
#define OPI_QP_STAT(field) \
	{ #field, offsetof(struct opi_qp_stats, field) }

/* What the card counts (interface, "struct opi_port_stats"). */
static const struct opi_ethtool_stat opi_port_stats[] = {
	OPI_PORT_STAT(rx_frames),
	OPI_PORT_STAT(rx_bytes),
	OPI_PORT_STAT(rx_no_buffer),
	OPI_PORT_STAT(rx_oversize),
	OPI_PORT_STAT(rx_down),
	OPI_PORT_STAT(tx_frames),
	OPI_PORT_STAT(tx_bytes),
	OPI_PORT_STAT(tx_bad),
	OPI_PORT_STAT(tx_down),
	OPI_PORT_STAT(rx_filtered),
	OPI_PORT_STAT(rx_policed),
	OPI_PORT_STAT(tx_spoofed),
	OPI_PORT_STAT(tx_vlan),
	OPI_PORT_STAT(dma_faults),
};

/* What the driver counts; on the DPU all ports share the queue pairs. */
static const struct opi_ethtool_stat opi_qp_tx_stats[] = {
	OPI_QP_STAT(tx_packets),
	OPI_QP_STAT(tx_bytes),
	OPI_QP_STAT(tx_csum),
	OPI_QP_STAT(tx_gso_packets),
	OPI_QP_STAT(tx_gso_bytes),
	OPI_QP_STAT(tx_kicks),
	OPI_QP_STAT(tx_stops),
	OPI_QP_STAT(tx_wakes),
	OPI_QP_STAT(tx_map_errors),
	OPI_QP_STAT(tx_linearized),
	OPI_QP_STAT(xdp_tx),
	OPI_QP_STAT(xdp_xmit),
	OPI_QP_STAT(xdp_full),
};

static const struct opi_ethtool_stat opi_qp_rx_stats[] = {
	OPI_QP_STAT(rx_packets),
	OPI_QP_STAT(rx_bytes),
	OPI_QP_STAT(rx_csum_partial),
	OPI_QP_STAT(rx_csum_valid),
	OPI_QP_STAT(rx_gso_packets),
	OPI_QP_STAT(rx_gso_bytes),
	OPI_QP_STAT(rx_kicks),
	OPI_QP_STAT(rx_bad),
	OPI_QP_STAT(rx_no_port),
	OPI_QP_STAT(rx_no_memory),
	OPI_QP_STAT(rx_alloc_fail),
	OPI_QP_STAT(xdp_drop),
	OPI_QP_STAT(xdp_redirect),
	OPI_QP_STAT(xdp_errors),
	OPI_QP_STAT(rx_flood_polls),
};

static const char opi_qp_ctl_stats[][ETH_GSTRING_LEN] = {
	"restarts",
	"lost_irqs",
};

#define OPI_N_QP_STATS	(ARRAY_SIZE(opi_qp_tx_stats) + \
			 ARRAY_SIZE(opi_qp_rx_stats) + \
			 ARRAY_SIZE(opi_qp_ctl_stats))

static void opi_get_drvinfo(struct net_device *netdev,
			    struct ethtool_drvinfo *info)
{
	struct opi_dev *od = opi_netdev_port(netdev)->od;
	char fw[sizeof(od->ident.fw_version) + 1];

	strscpy(info->driver, OPI_DRV_NAME, sizeof(info->driver));
	strscpy(info->bus_info, dev_name(netdev->dev.parent),
		sizeof(info->bus_info));
	opi_text(fw, od->ident.fw_version, sizeof(od->ident.fw_version));
	strscpy(info->fw_version, fw, sizeof(info->fw_version));
}

static int opi_get_link_ksettings(struct net_device *netdev,
				  struct ethtool_link_ksettings *ks)
{
	struct opi_port *port = opi_netdev_port(netdev);
	u32 speed = READ_ONCE(port->speed);

	ethtool_link_ksettings_zero_link_mode(ks, supported);
	ethtool_link_ksettings_zero_link_mode(ks, advertising);
	ks->base.autoneg = AUTONEG_DISABLE;
	ks->base.port = PORT_OTHER;
	ks->base.speed = SPEED_UNKNOWN;
	ks->base.duplex = DUPLEX_UNKNOWN;
	if (netif_carrier_ok(netdev) && speed && speed <= INT_MAX) {
		ks->base.speed = speed;
		ks->base.duplex = DUPLEX_FULL;
	}
	return 0;
}

static void opi_get_ringparam(struct net_device *netdev,
			      struct ethtool_ringparam *ring,
			      struct kernel_ethtool_ringparam *kernel_ring,
			      struct netlink_ext_ack *extack)
{
	struct opi_qset *qs = opi_netdev_port(netdev)->qs;

	ring->tx_max_pending = BIT(qs->od->max_order);
	ring->tx_pending = BIT(qs->cfg.sq_order);
	ring->rx_max_pending = BIT(qs->od->max_order);
	ring->rx_pending = BIT(qs->cfg.rq_order);
}

static int opi_set_ringparam(struct net_device *netdev,
			     struct ethtool_ringparam *ring,
			     struct kernel_ethtool_ringparam *kernel_ring,
			     struct netlink_ext_ack *extack)
{
	struct opi_port *port = opi_netdev_port(netdev);
	struct opi_qp_config cfg = port->qs->cfg;

	if (!opi_port_owns_qps(port, extack))
		return -EOPNOTSUPP;
	/* The largest has been checked. */
	if (!is_power_of_2(ring->rx_pending) ||
	    !is_power_of_2(ring->tx_pending) ||
	    ring->rx_pending < BIT(OPI_MIN_ORDER) ||
	    ring->tx_pending < BIT(OPI_MIN_ORDER)) {
		NL_SET_ERR_MSG_FMT_MOD(extack,
				       "rings have a power of two of entries, %lu at least",
				       BIT(OPI_MIN_ORDER));
		return -EINVAL;
	}

	cfg.rq_order = ilog2(ring->rx_pending);
	cfg.sq_order = ilog2(ring->tx_pending);
	if (cfg.rq_order == port->qs->cfg.rq_order &&
	    cfg.sq_order == port->qs->cfg.sq_order)
		return 0;
	return opi_qps_reconfigure(port->qs, &cfg, extack);
}

static void opi_get_channels(struct net_device *netdev,
			     struct ethtool_channels *ch)
{
	struct opi_qset *qs = opi_netdev_port(netdev)->qs;

	ch->max_combined = qs->max_qps;
	ch->combined_count = qs->cfg.n_qps;
}

static int opi_set_channels(struct net_device *netdev,
			    struct ethtool_channels *ch)
{
	struct opi_port *port = opi_netdev_port(netdev);
	struct opi_qp_config cfg = port->qs->cfg;

	/* ethtool gives no extack for this one. */
	if (!opi_port_owns_qps(port, NULL))
		return -EOPNOTSUPP;

	/* 1 to the most, and no other kind: checked. */
	cfg.n_qps = ch->combined_count;
	if (cfg.n_qps == port->qs->cfg.n_qps)
		return 0;
	return opi_qps_reconfigure(port->qs, &cfg, NULL);
}

static int opi_get_rxnfc(struct net_device *netdev, struct ethtool_rxnfc *info,
			 u32 *rules)
{
	switch (info->cmd) {
	case ETHTOOL_GRXRINGS:
		info->data = opi_netdev_port(netdev)->qs->cfg.n_qps;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

/* Registers as they stand, the boot block included (interface, "Registers"). */
#define OPI_REGS_VERSION	1
#define OPI_REGS_DUMP		(OPI_REG_BOOT + sizeof(struct opi_boot_block))

static int opi_get_regs_len(struct net_device *netdev)
{
	return OPI_REGS_DUMP;
}

static void opi_get_regs(struct net_device *netdev, struct ethtool_regs *regs,
			 void *data)
{
	struct opi_dev *od = opi_netdev_port(netdev)->od;
	u32 *words = data;
	unsigned int i;

	regs->version = OPI_REGS_VERSION;
	for (i = 0; i < OPI_REGS_DUMP / sizeof(u32); i++)
		words[i] = opi_rd(od, i * sizeof(u32));
}

/* What the card counts of a port, in the words of IEEE 802.3. */
static void opi_get_eth_mac_stats(struct net_device *netdev,
				  struct ethtool_eth_mac_stats *stats)
{
	struct opi_port *port = opi_netdev_port(netdev);
	struct opi_port_stats ps;

	if (opi_cmd_port_stats(port->od, port->id, &ps))
		return;
	stats->FramesTransmittedOK = le64_to_cpu(ps.tx_frames);
	stats->OctetsTransmittedOK = le64_to_cpu(ps.tx_bytes);
	stats->FramesReceivedOK = le64_to_cpu(ps.rx_frames);
	stats->OctetsReceivedOK = le64_to_cpu(ps.rx_bytes);
	stats->FramesLostDueToIntMACRcvError = le64_to_cpu(ps.rx_no_buffer);
	stats->FrameTooLongErrors = le64_to_cpu(ps.rx_oversize);
}

static int opi_get_sset_count(struct net_device *netdev, int sset)
{
	struct opi_qset *qs = opi_netdev_port(netdev)->qs;

	if (sset != ETH_SS_STATS)
		return -EOPNOTSUPP;
	return ARRAY_SIZE(opi_port_stats) + qs->cfg.n_qps * OPI_N_QP_STATS;
}

static void opi_get_strings(struct net_device *netdev, u32 sset, u8 *data)
{
	struct opi_qset *qs = opi_netdev_port(netdev)->qs;
	unsigned int i, q;

	if (sset != ETH_SS_STATS)
		return;

	for (i = 0; i < ARRAY_SIZE(opi_port_stats); i++)
		ethtool_puts(&data, opi_port_stats[i].name);
	for (q = 0; q < qs->cfg.n_qps; q++) {
		for (i = 0; i < ARRAY_SIZE(opi_qp_tx_stats); i++)
			ethtool_sprintf(&data, "qp%u_%s", q,
					opi_qp_tx_stats[i].name);
		for (i = 0; i < ARRAY_SIZE(opi_qp_rx_stats); i++)
			ethtool_sprintf(&data, "qp%u_%s", q,
					opi_qp_rx_stats[i].name);
		for (i = 0; i < ARRAY_SIZE(opi_qp_ctl_stats); i++)
			ethtool_sprintf(&data, "qp%u_%s", q,
					opi_qp_ctl_stats[i]);
	}
}

static u64 *opi_get_qp_stats(const struct opi_qp_stats *stats,
			     const struct u64_stats_sync *sync,
			     const struct opi_ethtool_stat *list,
			     unsigned int n, u64 *data)
{
	unsigned int start, i;

	do {
		start = u64_stats_fetch_begin(sync);
		for (i = 0; i < n; i++)
			data[i] = u64_stats_read((const void *)stats +
						 list[i].offset);
	} while (u64_stats_fetch_retry(sync, start));
	return data + n;
}

static void opi_get_ethtool_stats(struct net_device *netdev,
				  struct ethtool_stats *estats, u64 *data)
{
	struct opi_port *port = opi_netdev_port(netdev);
	struct opi_qset *qs = port->qs;
	struct opi_port_stats ps;
	unsigned int i, q;

	/* Zeros without the card; the driver's own counters are still there. */
	if (opi_cmd_port_stats(port->od, port->id, &ps))
		memset(&ps, 0, sizeof(ps));
	for (i = 0; i < ARRAY_SIZE(opi_port_stats); i++)
		*data++ = le64_to_cpu(*(__le64 *)((void *)&ps +
						  opi_port_stats[i].offset));

	for (q = 0; q < qs->cfg.n_qps; q++) {
		const struct opi_qp_stats *st = &qs->stats[q];

		data = opi_get_qp_stats(st, &st->tx_sync, opi_qp_tx_stats,
					ARRAY_SIZE(opi_qp_tx_stats), data);
		data = opi_get_qp_stats(st, &st->rx_sync, opi_qp_rx_stats,
					ARRAY_SIZE(opi_qp_rx_stats), data);
		*data++ = st->restarts;
		*data++ = st->lost_irqs;
	}
}

const struct ethtool_ops opi_ethtool_ops = {
	.supported_coalesce_params = ETHTOOL_COALESCE_RX_USECS |
				     ETHTOOL_COALESCE_RX_MAX_FRAMES |
				     ETHTOOL_COALESCE_USE_ADAPTIVE_RX,
	.get_drvinfo		= opi_get_drvinfo,
	.get_link		= ethtool_op_get_link,
	.get_link_ksettings	= opi_get_link_ksettings,
	.get_regs_len		= opi_get_regs_len,
	.get_regs		= opi_get_regs,
	.get_ringparam		= opi_get_ringparam,
	.set_ringparam		= opi_set_ringparam,
	.get_channels		= opi_get_channels,
	.set_channels		= opi_set_channels,
	.get_coalesce		= opi_coal_get,
	.set_coalesce		= opi_coal_set,
	.get_rxnfc		= opi_get_rxnfc,
	.get_rxfh_key_size	= opi_rss_key_size,
	.get_rxfh_indir_size	= opi_rss_table_size,
	.get_rxfh		= opi_rss_get,
	.set_rxfh		= opi_rss_set,
	.get_rxfh_fields	= opi_rss_get_fields,
	.set_rxfh_fields	= opi_rss_set_fields,
	.get_ts_info		= ethtool_op_get_ts_info,
	.get_sset_count		= opi_get_sset_count,
	.get_strings		= opi_get_strings,
	.get_ethtool_stats	= opi_get_ethtool_stats,
	.get_eth_mac_stats	= opi_get_eth_mac_stats,
};
