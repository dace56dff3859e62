// SPDX-License-Identifier: GPL-2.0
/*
 * Counters of queue pairs as the network stack wants them: the totals of a host
 * function's netdev, and those of each queue for the netlink family "netdev".
 * On the DPU the queue pairs are shared, and each netdev counts for itself.  The
 * counters of ethtool -S are in ethtool.c.
 */
#include <linux/netdevice.h>
#include <net/netdev_queues.h>

#include "opi_core.h"
#include "txrx.h"

/**
 * opi_get_stats64 - ndo_get_stats64 of a host function's netdev
 * @netdev:	the netdev
 * @stats:	gets the totals
 */
void opi_get_stats64(struct net_device *netdev,
		     struct rtnl_link_stats64 *stats)
{
	struct opi_qset *qs = opi_netdev_port(netdev)->qs;
	unsigned int i, start;

	netdev_stats_to_stats64(stats, &netdev->stats);
	for (i = 0; i < qs->size; i++) {
		const struct opi_qp_stats *st = &qs->stats[i];
		u64 packets, bytes, drops;

		do {
			start = u64_stats_fetch_begin(&st->tx_sync);
			packets = u64_stats_read(&st->tx_packets);
			bytes = u64_stats_read(&st->tx_bytes);
		} while (u64_stats_fetch_retry(&st->tx_sync, start));
		stats->tx_packets += packets;
		stats->tx_bytes += bytes;

		do {
			start = u64_stats_fetch_begin(&st->rx_sync);
			packets = u64_stats_read(&st->rx_packets);
			bytes = u64_stats_read(&st->rx_bytes);
			drops = u64_stats_read(&st->rx_bad) +
				u64_stats_read(&st->rx_no_memory);
		} while (u64_stats_fetch_retry(&st->rx_sync, start));
		stats->rx_packets += packets;
		stats->rx_bytes += bytes;
		stats->rx_dropped += drops;
	}
}

static void opi_queue_stats_rx(struct net_device *netdev, int idx,
			       struct netdev_queue_stats_rx *stats)
{
	struct opi_qset *qs = opi_netdev_port(netdev)->qs;
	const struct opi_qp_stats *st = &qs->stats[idx];
	unsigned int start;

	do {
		start = u64_stats_fetch_begin(&st->rx_sync);
		stats->packets = u64_stats_read(&st->rx_packets);
		stats->bytes = u64_stats_read(&st->rx_bytes);
		stats->alloc_fail = u64_stats_read(&st->rx_no_memory) +
				    u64_stats_read(&st->rx_alloc_fail);
		stats->csum_unnecessary = u64_stats_read(&st->rx_csum_valid);
	} while (u64_stats_fetch_retry(&st->rx_sync, start));
}

static void opi_queue_stats_tx(struct net_device *netdev, int idx,
			       struct netdev_queue_stats_tx *stats)
{
	struct opi_qset *qs = opi_netdev_port(netdev)->qs;
	const struct opi_qp_stats *st = &qs->stats[idx];
	unsigned int start;

	do {
		start = u64_stats_fetch_begin(&st->tx_sync);
		stats->packets = u64_stats_read(&st->tx_packets);
		stats->bytes = u64_stats_read(&st->tx_bytes);
		stats->needs_csum = u64_stats_read(&st->tx_csum);
		stats->hw_gso_packets = u64_stats_read(&st->tx_gso_packets);
		stats->hw_gso_bytes = u64_stats_read(&st->tx_gso_bytes);
		stats->stop = u64_stats_read(&st->tx_stops);
		stats->wake = u64_stats_read(&st->tx_wakes);
	} while (u64_stats_fetch_retry(&st->tx_sync, start));
}

/* What queue pairs counted that are not in use any more. */
static void opi_base_stats(struct net_device *netdev,
			   struct netdev_queue_stats_rx *rx,
			   struct netdev_queue_stats_tx *tx)
{
	struct opi_qset *qs = opi_netdev_port(netdev)->qs;
	struct netdev_queue_stats_rx r;
	struct netdev_queue_stats_tx t;
	unsigned int i;

	rx->packets = 0;
	rx->bytes = 0;
	rx->alloc_fail = 0;
	rx->csum_unnecessary = 0;
	tx->packets = 0;
	tx->bytes = 0;
	tx->needs_csum = 0;
	tx->hw_gso_packets = 0;
	tx->hw_gso_bytes = 0;
	tx->stop = 0;
	tx->wake = 0;

	for (i = netdev->real_num_rx_queues; i < qs->size; i++) {
		opi_queue_stats_rx(netdev, i, &r);
		rx->packets += r.packets;
		rx->bytes += r.bytes;
		rx->alloc_fail += r.alloc_fail;
		rx->csum_unnecessary += r.csum_unnecessary;
	}
	for (i = netdev->real_num_tx_queues; i < qs->size; i++) {
		opi_queue_stats_tx(netdev, i, &t);
		tx->packets += t.packets;
		tx->bytes += t.bytes;
		tx->needs_csum += t.needs_csum;
		tx->hw_gso_packets += t.hw_gso_packets;
		tx->hw_gso_bytes += t.hw_gso_bytes;
		tx->stop += t.stop;
		tx->wake += t.wake;
	}
}

const struct netdev_stat_ops opi_stat_ops = {
	.get_queue_stats_rx	= opi_queue_stats_rx,
	.get_queue_stats_tx	= opi_queue_stats_tx,
	.get_base_stats		= opi_base_stats,
};
