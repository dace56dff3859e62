// SPDX-License-Identifier: GPL-2.0
/*
 * How long completions may wait for others before the card tells (interface,
 * "Receiving", cq_usecs): ethtool -c and -C, and the kernel's DIM where it is to
 * choose.  The words are given to the card when NAPI ends a poll (qp.c).
 */
#include <linux/ethtool.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

#include "compat.h"
#include "opi_core.h"
#include "txrx.h"

/* Completions that wait take buffers, which must not run out meanwhile. */
static void opi_coal_write(struct opi_qp *qp, u16 usecs, u16 frames)
{
	struct opi_rq *rq = &qp->rq;

	frames = clamp(frames, 1, (rq->mask + 1) / 4);
	WRITE_ONCE(rq->usecs, usecs);
	WRITE_ONCE(rq->frames, usecs ? frames : 1);
}

static void opi_coal_work(struct work_struct *work)
{
	struct dim *dim = container_of(work, struct dim, work);
	struct opi_qp *qp = container_of(dim, struct opi_qp, dim);
	struct dim_cq_moder moder;

	moder = net_dim_get_rx_moderation(dim->mode, dim->profile_ix);
	if (READ_ONCE(qp->qs->coal.adaptive))
		opi_coal_write(qp, moder.usec, moder.pkts);
	dim->state = DIM_START_MEASURE;
}

/**
 * opi_coal_init - give a queue pair its function's setting
 * @qp:		the queue pair, not running yet
 *
 * Context: rtnl held.
 */
void opi_coal_init(struct opi_qp *qp)
{
	struct opi_coalesce *coal = &qp->qs->coal;

	INIT_WORK(&qp->dim.work, opi_coal_work);
	qp->dim.mode = DIM_CQ_PERIOD_MODE_START_FROM_EQE;
	/* DIM begins with what it chooses first. */
	opi_coal_write(qp, coal->adaptive ? 0 : coal->usecs, coal->frames);
}

/**
 * opi_coal_stop - end DIM
 * @qp:		the queue pair; NAPI is disabled
 *
 * Context: may sleep.
 */
void opi_coal_stop(struct opi_qp *qp)
{
	cancel_work_sync(&qp->dim.work);
}

/**
 * opi_coal_sample - tell DIM how much there was
 * @qp:		the queue pair
 *
 * Context: NAPI.
 */
void opi_coal_sample(struct opi_qp *qp)
{
	const struct opi_qp_stats *stats = qp->stats;
	struct dim_sample sample = {};

	dim_update_sample(qp->events, u64_stats_read(&stats->rx_packets),
			  u64_stats_read(&stats->rx_bytes), &sample);
	opi_compat_net_dim(&qp->dim, &sample);
}

/**
 * opi_coal_get - ethtool_ops.get_coalesce
 * @netdev:	the netdev
 * @coal:	gets the setting
 * @kernel_coal: not used
 * @extack:	not used
 *
 * Context: rtnl held.
 * Return: 0 or a negative errno.
 */
int opi_coal_get(struct net_device *netdev, struct ethtool_coalesce *coal,
		 struct kernel_ethtool_coalesce *kernel_coal,
		 struct netlink_ext_ack *extack)
{
	struct opi_qset *qs = opi_netdev_port(netdev)->qs;

	if (!(qs->od->caps & OPI_CAP_COALESCE))
		return -EOPNOTSUPP;

	coal->rx_coalesce_usecs = qs->coal.usecs;
	coal->rx_max_coalesced_frames = qs->coal.frames;
	coal->use_adaptive_rx_coalesce = qs->coal.adaptive;
	return 0;
}

/**
 * opi_coal_set - ethtool_ops.set_coalesce
 * @netdev:	the netdev
 * @coal:	the setting
 * @kernel_coal: not used
 * @extack:	gets the reason of a refusal
 *
 * Context: rtnl held.
 * Return: 0 or a negative errno.
 */
int opi_coal_set(struct net_device *netdev, struct ethtool_coalesce *coal,
		 struct kernel_ethtool_coalesce *kernel_coal,
		 struct netlink_ext_ack *extack)
{
	struct opi_port *port = opi_netdev_port(netdev);
	u32 frames = coal->rx_max_coalesced_frames;
	struct opi_qset *qs = port->qs;
	unsigned int i;

	if (!opi_port_owns_qps(port, extack))
		return -EOPNOTSUPP;
	if (!(qs->od->caps & OPI_CAP_COALESCE)) {
		NL_SET_ERR_MSG_MOD(extack, "the card cannot hold notifications back");
		return -EOPNOTSUPP;
	}
	if (coal->rx_coalesce_usecs > U16_MAX) {
		NL_SET_ERR_MSG_MOD(extack, "rx-usecs must be at most 65535");
		return -EINVAL;
	}
	if (!frames || frames > BIT(OPI_MAX_ORDER)) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "rx-frames must be 1 to %lu",
				       BIT(OPI_MAX_ORDER));
		return -EINVAL;
	}
	if (frames > 1 && !coal->rx_coalesce_usecs &&
	    !coal->use_adaptive_rx_coalesce) {
		NL_SET_ERR_MSG_MOD(extack, "rx-frames above 1 need rx-usecs");
		return -EINVAL;
	}

	qs->coal.usecs = coal->rx_coalesce_usecs;
	qs->coal.frames = frames;
	WRITE_ONCE(qs->coal.adaptive, coal->use_adaptive_rx_coalesce);

	for (i = 0; i < qs->cfg.n_qps; i++) {
		struct opi_qp *qp = rtnl_dereference(qs->qps[i]);

		if (!qp)
			continue;
		if (!qs->coal.adaptive) {
			/* DIM must not have the last word. */
			flush_work(&qp->dim.work);
			opi_coal_write(qp, qs->coal.usecs, frames);
		}
		/* The card hears of it at the end of a poll. */
		local_bh_disable();
		napi_schedule(&qp->napi);
		local_bh_enable();
	}
	return 0;
}
