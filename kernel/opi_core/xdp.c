// SPDX-License-Identifier: GPL-2.0
/*
 * XDP on the netdev of a host function: attaching, running, sending.
 *
 * A program sees one buffer a frame, as it would be on a wire: while one is
 * attached, no frame is longer than a buffer, and the card fills in checksums,
 * cuts segments and leaves tags where they are.  Frames are sent through the ring
 * of the stack, under its lock.
 */
#include <linux/bpf_trace.h>
#include <linux/filter.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <net/page_pool/helpers.h>
#include <trace/events/xdp.h>

#include "opi_core.h"
#include "txrx.h"

static bool opi_xdp_send(struct opi_qp *qp, struct xdp_buff *xdp)
{
	struct xdp_frame *xdpf = xdp_convert_buff_to_frame(xdp);

	return xdpf && !opi_tx_xdp(qp, xdpf, OPI_TX_POOL);
}

/**
 * opi_xdp_run - let a program look at a frame
 * @qp:		the queue pair
 * @prog:	the program
 * @xdp:	the frame, in one of our buffers
 * @todo:	gets what opi_xdp_flush() has to do
 *
 * Context: NAPI.
 * Return: whether the frame goes to the stack; else the buffer is gone.
 */
bool opi_xdp_run(struct opi_qp *qp, struct bpf_prog *prog,
		 struct xdp_buff *xdp, unsigned int *todo)
{
	struct net_device *netdev = qp->sq.netdev;
	struct page *page = virt_to_page(xdp->data);
	struct opi_qp_stats *stats = qp->stats;
	u64_stats_t *stat = &stats->xdp_drop;
	u32 act;

	act = bpf_prog_run_xdp(prog, xdp);
	switch (act) {
	case XDP_PASS:
		return true;
	case XDP_TX:
		if (unlikely(!opi_xdp_send(qp, xdp)))
			goto aborted;
		*todo |= OPI_XDP_TX;
		return false;
	case XDP_REDIRECT:
		if (unlikely(xdp_do_redirect(netdev, xdp, prog)))
			goto aborted;
		*todo |= OPI_XDP_REDIRECT;
		opi_stat_inc(&stats->rx_sync, &stats->xdp_redirect);
		return false;
	default:
		bpf_warn_invalid_xdp_action(netdev, prog, act);
		fallthrough;
	case XDP_ABORTED:
aborted:
		trace_xdp_exception(netdev, prog, act);
		stat = &stats->xdp_errors;
		fallthrough;
	case XDP_DROP:
		opi_stat_inc(&stats->rx_sync, stat);
		page_pool_put_full_page(qp->rq.pool, page, true);
		return false;
	}
}

/**
 * opi_xdp_flush - send what programs have decided to send in this poll
 * @qp:		the queue pair
 * @todo:	OPI_XDP_TX, OPI_XDP_REDIRECT
 *
 * Context: NAPI.
 */
void opi_xdp_flush(struct opi_qp *qp, unsigned int todo)
{
	if (todo & OPI_XDP_TX)
		opi_tx_xdp_flush(qp);
	if (todo & OPI_XDP_REDIRECT)
		xdp_do_flush();
}

/**
 * opi_xdp_xmit - ndo_xdp_xmit
 * @netdev:	the netdev
 * @n:		how many
 * @frames:	frames
 * @flags:	XDP_XMIT_FLUSH
 *
 * Return: how many were taken, from the first one on, or a negative errno.
 */
int opi_xdp_xmit(struct net_device *netdev, int n, struct xdp_frame **frames,
		 u32 flags)
{
	struct opi_qset *qs = opi_netdev_port(netdev)->qs;
	struct opi_qp *qp;
	unsigned int id;
	int sent;

	if (unlikely(flags & ~XDP_XMIT_FLAGS_MASK))
		return -EINVAL;
	if (unlikely(!netif_carrier_ok(netdev)))
		return -ENETDOWN;

	id = smp_processor_id() % READ_ONCE(netdev->real_num_tx_queues);
	qp = rcu_dereference_bh(qs->qps[id]);
	if (unlikely(!qp || READ_ONCE(qp->broken)))
		return -ENETDOWN;

	for (sent = 0; sent < n; sent++)
		if (opi_tx_xdp(qp, frames[sent], OPI_TX_SINGLE))
			break;
	if (flags & XDP_XMIT_FLUSH)
		opi_tx_xdp_flush(qp);
	return sent;
}

/* The first program, or none any more: other buffers, other metadata. */
static int opi_xdp_switch(struct net_device *netdev, bool on,
			  struct netlink_ext_ack *extack)
{
	struct opi_port *port = opi_netdev_port(netdev);
	struct opi_qp_config cfg = port->qs->cfg;
	int err;

	cfg.xdp = on;
	err = opi_qps_reconfigure(port->qs, &cfg, extack);
	if (err)
		return err;

	netdev->max_mtu = on ? min(port->max_mtu, OPI_XDP_MAX_MTU) :
			       port->max_mtu;
	return 0;
}

static int opi_xdp_setup(struct net_device *netdev, struct bpf_prog *prog,
			 struct netlink_ext_ack *extack)
{
	struct opi_qset *qs = opi_netdev_port(netdev)->qs;
	struct bpf_prog *old = rtnl_dereference(qs->xdp_prog);
	int err;

	if (prog && netdev->mtu > OPI_XDP_MAX_MTU) {
		NL_SET_ERR_MSG_FMT_MOD(extack,
				       "MTU %u is too large for XDP, at most %u",
				       netdev->mtu, OPI_XDP_MAX_MTU);
		return -EINVAL;
	}

	/* A program never sees the buffers of a ring that is not made for it. */
	if (prog && !old) {
		err = opi_xdp_switch(netdev, true, extack);
		if (err)
			return err;
	}
	rcu_assign_pointer(qs->xdp_prog, prog);
	if (!prog && old) {
		err = opi_xdp_switch(netdev, false, extack);
		if (err) {
			rcu_assign_pointer(qs->xdp_prog, old);
			return err;
		}
	}
	if (old)
		bpf_prog_put(old);

	if (!old != !prog && netdev->reg_state == NETREG_REGISTERED)
		netdev_update_features(netdev);
	return 0;
}

/**
 * opi_xdp_bpf - ndo_bpf
 * @netdev:	the netdev
 * @bpf:	what is asked for
 *
 * Context: rtnl held.
 * Return: 0 or a negative errno.
 */
int opi_xdp_bpf(struct net_device *netdev, struct netdev_bpf *bpf)
{
	switch (bpf->command) {
	case XDP_SETUP_PROG:
		return opi_xdp_setup(netdev, bpf->prog, bpf->extack);
	default:
		return -EINVAL;
	}
}
