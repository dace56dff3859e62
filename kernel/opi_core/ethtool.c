// SPDX-License-Identifier: GPL-2.0
/*
 * ethtool, the same on both sides.
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
};

/* What the driver counts; on the DPU all ports share the queue pairs. */
static const struct opi_ethtool_stat opi_qp_tx_stats[] = {
	OPI_QP_STAT(tx_kicks),
	OPI_QP_STAT(tx_stops),
	OPI_QP_STAT(tx_map_errors),
	OPI_QP_STAT(tx_linearized),
};

static const struct opi_ethtool_stat opi_qp_rx_stats[] = {
	OPI_QP_STAT(rx_kicks),
	OPI_QP_STAT(rx_bad),
	OPI_QP_STAT(rx_no_port),
	OPI_QP_STAT(rx_no_memory),
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
	strscpy(info->bus_info, pci_name(od->pdev), sizeof(info->bus_info));
	/* A text that changes only with the card, and then under our feet. */
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
	struct opi_dev *od = opi_netdev_port(netdev)->od;

	ring->tx_max_pending = BIT(min(OPI_SQ_ORDER, od->max_order));
	ring->tx_pending = ring->tx_max_pending;
	ring->rx_max_pending = BIT(min(OPI_RQ_ORDER, od->max_order));
	ring->rx_pending = ring->rx_max_pending;
}

static int opi_get_sset_count(struct net_device *netdev, int sset)
{
	struct opi_dev *od = opi_netdev_port(netdev)->od;

	if (sset != ETH_SS_STATS)
		return -EOPNOTSUPP;
	return ARRAY_SIZE(opi_port_stats) + od->n_qps * OPI_N_QP_STATS;
}

static void opi_get_strings(struct net_device *netdev, u32 sset, u8 *data)
{
	struct opi_dev *od = opi_netdev_port(netdev)->od;
	unsigned int i, q;

	if (sset != ETH_SS_STATS)
		return;

	for (i = 0; i < ARRAY_SIZE(opi_port_stats); i++)
		ethtool_puts(&data, opi_port_stats[i].name);
	for (q = 0; q < od->n_qps; q++) {
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
	struct opi_dev *od = port->od;
	struct opi_port_stats ps;
	unsigned int i, q;

	/* Zeros without the card; the driver's own counters are still there. */
	if (opi_cmd_port_stats(od, port->id, &ps))
		memset(&ps, 0, sizeof(ps));
	for (i = 0; i < ARRAY_SIZE(opi_port_stats); i++)
		*data++ = le64_to_cpu(*(__le64 *)((void *)&ps +
						  opi_port_stats[i].offset));

	for (q = 0; q < od->n_qps; q++) {
		const struct opi_qp_stats *qs = &od->qp_stats[q];

		data = opi_get_qp_stats(qs, &qs->tx_sync, opi_qp_tx_stats,
					ARRAY_SIZE(opi_qp_tx_stats), data);
		data = opi_get_qp_stats(qs, &qs->rx_sync, opi_qp_rx_stats,
					ARRAY_SIZE(opi_qp_rx_stats), data);
		*data++ = qs->restarts;
		*data++ = qs->lost_irqs;
	}
}

const struct ethtool_ops opi_ethtool_ops = {
	.get_drvinfo		= opi_get_drvinfo,
	.get_link		= ethtool_op_get_link,
	.get_link_ksettings	= opi_get_link_ksettings,
	.get_ringparam		= opi_get_ringparam,
	.get_ts_info		= ethtool_op_get_ts_info,
	.get_sset_count		= opi_get_sset_count,
	.get_strings		= opi_get_strings,
	.get_ethtool_stats	= opi_get_ethtool_stats,
};
