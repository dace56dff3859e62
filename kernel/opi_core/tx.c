// SPDX-License-Identifier: GPL-2.0
/*
 * Sending: descriptors and what the stack or XDP gave for them, doorbells, and
 * taking memory back (interface, "Sending").
 *
 * A frame's checksum, segmentation and VLAN tag are said in its first
 * descriptor; opi_tx_features_check() sees to it that no frame comes here that a
 * descriptor cannot say.
 */
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/dst.h>
#include <net/page_pool/helpers.h>
#include <net/tcp.h>

#include "opi_core.h"
#include "txrx.h"

static unsigned int opi_sq_room(const struct opi_sq *sq)
{
	return sq->mask + 1 - (sq->tail - sq->clean);
}

static void opi_sq_unmap(struct opi_qp *qp, struct opi_tx_buf *buf)
{
	struct device *dev = &qp->od->pdev->dev;

	switch (buf->map) {
	case OPI_TX_SINGLE:
		dma_unmap_single(dev, buf->dma, buf->len, DMA_TO_DEVICE);
		break;
	case OPI_TX_PAGE:
		dma_unmap_page(dev, buf->dma, buf->len, DMA_TO_DEVICE);
		break;
	case OPI_TX_POOL:
		break;
	}
}

/* For each netdev that sends through the queue pair. */
static void opi_tx_for_each(struct opi_qp *qp,
			    void (*fn)(struct netdev_queue *txq))
{
	struct opi_dev *od = qp->od;
	struct opi_port *port;
	unsigned long id;

	if (qp->sq.netdev) {
		fn(netdev_get_tx_queue(qp->sq.netdev, qp->index));
		return;
	}

	rcu_read_lock();
	xa_for_each(&od->ports, id, port)
		if (port->netdev && netif_running(port->netdev))
			fn(netdev_get_tx_queue(port->netdev, qp->index));
	rcu_read_unlock();
}

/**
 * opi_tx_wake - let netdevs send that wait for room in the ring
 * @qp:		the queue pair
 *
 * Context: any.
 */
void opi_tx_wake(struct opi_qp *qp)
{
	opi_tx_for_each(qp, netif_tx_wake_queue);
}

/**
 * opi_tx_excuse - the card does not send now, and nothing is wrong with that
 * @qp:		the queue pair
 *
 * The stack's watchdog shall not take it for a hang.
 *
 * Context: any.
 */
void opi_tx_excuse(struct opi_qp *qp)
{
	opi_tx_for_each(qp, txq_trans_cond_update);
}

/*
 * Take back the memory of what the card has sent.  @budget: NAPI's, or 0
 * elsewhere.
 */
static void opi_sq_reap(struct opi_qp *qp, int budget)
{
	unsigned int frames = 0, bytes = 0;
	struct opi_sq *sq = &qp->sq;
	u32 head;

	lockdep_assert_held(&sq->lock);

	head = le32_to_cpu(READ_ONCE(qp->shadow->sq_head));
	if (head - sq->clean > sq->tail - sq->clean) {
		opi_qp_broken(qp, OPI_QP_TX);
		return;
	}

	while (sq->clean != head) {
		struct opi_tx_buf *buf = &sq->bufs[sq->clean & sq->mask];

		/* netpoll sends: page pools are for when interrupts are on. */
		if (unlikely(buf->xdpf && irqs_disabled()))
			break;
		opi_sq_unmap(qp, buf);
		if (buf->skb) {
			frames++;
			bytes += buf->skb->len;
			napi_consume_skb(buf->skb, budget);
			buf->skb = NULL;
		} else if (unlikely(buf->xdpf)) {
			/* Our own pool's, and we are its consumer. */
			if (budget && buf->map == OPI_TX_POOL)
				xdp_return_frame_rx_napi(buf->xdpf);
			else
				xdp_return_frame(buf->xdpf);
			buf->xdpf = NULL;
		}
		sq->clean++;
	}

	if (sq->netdev && frames)
		netdev_tx_completed_queue(netdev_get_tx_queue(sq->netdev,
							      qp->index),
					  frames, bytes);

	if (unlikely(sq->stopped) &&
	    opi_sq_room(sq) >= max(sq->max_segs, sq->mask / 4)) {
		sq->stopped = false;
		opi_stat_inc(&qp->stats->tx_sync, &qp->stats->tx_wakes);
		opi_tx_wake(qp);
	}
}

/*
 * Ask for a notification when most of what is outstanding has been sent.  True
 * if the card keeps overtaking us, so that somebody must look again.
 */
static bool opi_sq_arm(struct opi_qp *qp, int budget)
{
	struct opi_sq *sq = &qp->sq;
	unsigned int i;

	lockdep_assert_held(&sq->lock);

	for (i = 0; i < 2; i++) {
		u32 out = sq->tail - sq->clean;
		u32 arm = sq->tail - 1 - out / 4;

		if (!out || qp->broken)
			return false;
		/* Asked for already, of something that has not been sent. */
		if (sq->armed - sq->clean < out)
			return false;
		sq->armed = arm;
		WRITE_ONCE(qp->shadow->sq_arm, cpu_to_le32(arm));
		/* Armed before we look whether that was too late. */
		mb();
		if ((s32)(le32_to_cpu(READ_ONCE(qp->shadow->sq_head)) - arm) <=
		    0)
			return false;
		opi_sq_reap(qp, budget);
	}
	return true;
}

/* Give the card what was written. */
static void opi_sq_post(struct opi_qp *qp)
{
	struct opi_sq *sq = &qp->sq;

	lockdep_assert_held(&sq->lock);

	if (sq->posted == sq->tail)
		return;
	/* Descriptors are visible before the tail that covers them. */
	dma_wmb();
	WRITE_ONCE(qp->shadow->sq_tail, cpu_to_le32(sq->tail));
	sq->posted = sq->tail;
}

/* Post, and ring the doorbell if the card wants to know. */
static void opi_sq_kick(struct opi_qp *qp)
{
	struct opi_sq *sq = &qp->sq;
	u32 kick;

	lockdep_assert_held(&sq->lock);

	if (sq->tail == sq->kicked)
		return;
	opi_sq_post(qp);
	/* The tail is visible before we look whether the card sleeps. */
	mb();
	kick = le32_to_cpu(READ_ONCE(qp->shadow->sq_kick));
	if (OPI_NEED_EVENT(kick, sq->tail, sq->kicked)) {
		opi_db(qp->od, qp->id + 1, OPI_DB_SQ_TAIL, sq->tail);
		opi_stat_inc(&qp->stats->tx_sync, &qp->stats->tx_kicks);
	}
	sq->kicked = sq->tail;
}

static unsigned int opi_tx_hdr_len(const struct sk_buff *skb)
{
	if (skb_shinfo(skb)->gso_type & SKB_GSO_UDP_L4)
		return skb_transport_offset(skb) + sizeof(struct udphdr);
	return skb_tcp_all_headers(skb);
}

static u8 opi_tx_gso_type(unsigned int gso_type)
{
	u8 type;

	if (gso_type & SKB_GSO_UDP_L4)
		return OPI_GSO_UDP_L4;
	type = gso_type & SKB_GSO_TCPV6 ? OPI_GSO_TCPV6 : OPI_GSO_TCPV4;
	return gso_type & SKB_GSO_TCP_ECN ? type | OPI_GSO_ECN : type;
}

/* What the first descriptor says of the whole frame. */
static void opi_tx_meta(struct opi_qp *qp, struct opi_txd *txd,
			const struct sk_buff *skb)
{
	struct opi_qp_stats *stats = qp->stats;
	u16 flags = 0;

	if (skb->ip_summed == CHECKSUM_PARTIAL) {
		flags |= OPI_TXD_F_CSUM;
		txd->csum_start = cpu_to_le16(skb_checksum_start_offset(skb));
		txd->csum_offset = cpu_to_le16(skb->csum_offset);
		u64_stats_inc(&stats->tx_csum);
		if (skb_is_gso(skb)) {
			const struct skb_shared_info *si = skb_shinfo(skb);

			txd->gso_type = opi_tx_gso_type(si->gso_type);
			txd->gso_size = cpu_to_le16(si->gso_size);
			txd->hdr_len = cpu_to_le16(opi_tx_hdr_len(skb));
			u64_stats_inc(&stats->tx_gso_packets);
			u64_stats_add(&stats->tx_gso_bytes, skb->len);
		}
	} else if (skb->ip_summed == CHECKSUM_UNNECESSARY &&
		   qp->od->caps & OPI_CAP_TX_CSUM) {
		/* Forwarded, and checked where it came in. */
		flags |= OPI_TXD_F_CSUM_VALID;
	}
	if (skb_vlan_tag_present(skb)) {
		flags |= OPI_TXD_F_VLAN;
		txd->vlan_tci = cpu_to_le16(skb_vlan_tag_get(skb));
	}
	txd->flags |= cpu_to_le16(flags);
}

/* Map a frame and write its descriptors behind the tail; the tail stays. */
static int opi_tx_write(struct opi_qp *qp, struct sk_buff *skb, u32 port,
			unsigned int nsegs)
{
	struct device *dev = &qp->od->pdev->dev;
	struct opi_sq *sq = &qp->sq;
	unsigned int i;

	for (i = 0; i < nsegs; i++) {
		struct opi_tx_buf *buf = &sq->bufs[(sq->tail + i) & sq->mask];
		struct opi_txd *txd = &sq->ring[(sq->tail + i) & sq->mask];
		u16 flags = 0;

		if (!i) {
			flags |= OPI_TXD_F_SOP;
			buf->map = OPI_TX_SINGLE;
			buf->len = skb_headlen(skb);
			buf->dma = dma_map_single(dev, skb->data, buf->len,
						  DMA_TO_DEVICE);
		} else {
			const skb_frag_t *frag = &skb_shinfo(skb)->frags[i - 1];

			buf->map = OPI_TX_PAGE;
			buf->len = skb_frag_size(frag);
			buf->dma = skb_frag_dma_map(dev, frag, 0, buf->len,
						    DMA_TO_DEVICE);
		}
		if (dma_mapping_error(dev, buf->dma))
			goto err_unmap;
		/* None of a length that the card would stop the queue for. */
		if (unlikely(buf->len - 1 >= U16_MAX)) {
			opi_sq_unmap(qp, buf);
			goto err_unmap;
		}
		if (i == nsegs - 1)
			flags |= OPI_TXD_F_EOP;
		buf->skb = i == nsegs - 1 ? skb : NULL;

		*txd = (struct opi_txd) {
			.addr	= cpu_to_le64(buf->dma),
			.len	= cpu_to_le32(buf->len),
			.flags	= cpu_to_le16(flags),
			.nsegs	= i ? 0 : nsegs,
			.port	= cpu_to_le32(port),
		};
	}
	opi_tx_meta(qp, &sq->ring[sq->tail & sq->mask], skb);
	return 0;

err_unmap:
	while (i--)
		opi_sq_unmap(qp, &sq->bufs[(sq->tail + i) & sq->mask]);
	return -ENOMEM;
}

static netdev_tx_t opi_sq_xmit(struct opi_qp *qp, struct sk_buff *skb,
			       struct net_device *netdev, u32 port)
{
	unsigned int nsegs = skb_shinfo(skb)->nr_frags + 1, len = skb->len;
	struct netdev_queue *txq = netdev_get_tx_queue(netdev, qp->index);
	struct opi_qp_stats *stats = qp->stats;
	struct opi_sq *sq = &qp->sq;
	bool more = netdev_xmit_more();

	lockdep_assert_held(&sq->lock);

	if (unlikely(qp->broken))
		goto drop;

	if (unlikely(nsegs > sq->max_segs)) {
		opi_stat_inc(&stats->tx_sync, &stats->tx_linearized);
		if (skb_linearize(skb))
			goto drop;
		nsegs = 1;
	}

	if (unlikely(opi_sq_room(sq) < nsegs))
		opi_sq_reap(qp, 0);
	if (unlikely(opi_sq_room(sq) < nsegs)) {
		/* A neighbour on the same ring has filled it. */
		netif_tx_stop_queue(txq);
		sq->stopped = true;
		opi_sq_kick(qp);
		if (opi_sq_arm(qp, 0))
			napi_schedule(&qp->napi);
		return NETDEV_TX_BUSY;
	}

	u64_stats_update_begin(&stats->tx_sync);
	if (unlikely(opi_tx_write(qp, skb, port, nsegs))) {
		u64_stats_inc(&stats->tx_map_errors);
		u64_stats_update_end(&stats->tx_sync);
		goto drop;
	}
	u64_stats_inc(&stats->tx_packets);
	u64_stats_add(&stats->tx_bytes, len);
	u64_stats_update_end(&stats->tx_sync);

	skb_tx_timestamp(skb);
	sq->tail += nsegs;
	opi_sq_post(qp);

	if (sq->netdev)
		more = !__netdev_tx_sent_queue(txq, len, more);
	else
		dev_sw_netstats_tx_add(netdev, 1, len);

	if (unlikely(opi_sq_room(sq) < sq->max_segs)) {
		opi_sq_kick(qp);
		opi_sq_reap(qp, 0);
		if (opi_sq_room(sq) < sq->max_segs) {
			netif_tx_stop_queue(txq);
			sq->stopped = true;
			opi_stat_inc(&stats->tx_sync, &stats->tx_stops);
			more = false;
		}
	}
	if (!more) {
		opi_sq_kick(qp);
		opi_sq_reap(qp, 0);
		if (opi_sq_arm(qp, 0))
			napi_schedule(&qp->napi);
	}
	return NETDEV_TX_OK;

drop:
	if (!more && !qp->broken)
		opi_sq_kick(qp);
	DEV_STATS_INC(netdev, tx_dropped);
	dev_kfree_skb_any(skb);
	return NETDEV_TX_OK;
}

/**
 * opi_tx_xmit - send a frame
 * @qs:		the queue pairs to send it through
 * @skb:	the frame
 * @netdev:	netdev that sends it
 * @port:	for the descriptors: the port on the DPU side, 0 on the host
 *
 * Context: as ndo_start_xmit.
 * Return: NETDEV_TX_OK, or NETDEV_TX_BUSY if the ring is full.
 */
netdev_tx_t opi_tx_xmit(struct opi_qset *qs, struct sk_buff *skb,
			struct net_device *netdev, u32 port)
{
	netdev_tx_t ret;
	struct opi_qp *qp;

	qp = rcu_dereference_bh(qs->qps[skb_get_queue_mapping(skb)]);
	if (unlikely(!qp || skb->len < ETH_HLEN || skb->len > OPI_MAX_FRAME)) {
		DEV_STATS_INC(netdev, tx_dropped);
		dev_kfree_skb_any(skb);
		return NETDEV_TX_OK;
	}

	/*
	 * netpoll sends with interrupts off, perhaps out of an interrupt that
	 * found this CPU with the lock held.
	 */
	if (unlikely(irqs_disabled())) {
		if (!spin_trylock(&qp->sq.lock))
			return NETDEV_TX_BUSY;
	} else {
		spin_lock(&qp->sq.lock);
	}
	ret = opi_sq_xmit(qp, skb, netdev, port);
	spin_unlock(&qp->sq.lock);
	return ret;
}

/**
 * opi_tx_features_check - ndo_features_check
 * @skb:	a frame
 * @netdev:	the netdev
 * @features:	what it could do with it
 *
 * Return: what a descriptor can say of it.
 */
netdev_features_t opi_tx_features_check(struct sk_buff *skb,
					struct net_device *netdev,
					netdev_features_t features)
{
	/* The card cuts only what has its checksum still to be filled in. */
	if (skb_is_gso(skb) && (skb->ip_summed != CHECKSUM_PARTIAL ||
				opi_tx_hdr_len(skb) > OPI_MAX_HDR))
		features &= ~NETIF_F_GSO_MASK;

	return vlan_features_check(skb, features);
}

/**
 * opi_tx_poll - NAPI's part of sending
 * @qp:		the queue pair
 * @budget:	NAPI's
 *
 * Context: softirq, or netpoll with a budget of 0.
 * Return: whether NAPI has to look again.
 */
bool opi_tx_poll(struct opi_qp *qp, int budget)
{
	struct opi_sq *sq = &qp->sq;
	bool again;

	/* Who sends asks for a notification, and that brings us here again. */
	if (READ_ONCE(sq->clean) == READ_ONCE(sq->tail))
		return false;

	if (unlikely(irqs_disabled())) {
		if (!spin_trylock(&sq->lock))
			return true;
	} else {
		spin_lock(&sq->lock);
	}
	opi_sq_reap(qp, budget);
	again = opi_sq_arm(qp, budget);
	spin_unlock(&sq->lock);
	return again;
}

/**
 * opi_tx_xdp - put an XDP frame into the ring; opi_tx_xdp_flush() sends it
 * @qp:		the queue pair
 * @xdpf:	the frame
 * @map:	OPI_TX_POOL for one of our own buffers, else OPI_TX_SINGLE
 *
 * Context: softirq.
 * Return: 0 or a negative errno; the frame is the caller's then.
 */
int opi_tx_xdp(struct opi_qp *qp, struct xdp_frame *xdpf, enum opi_tx_map map)
{
	struct device *dev = &qp->od->pdev->dev;
	struct opi_qp_stats *stats = qp->stats;
	struct opi_sq *sq = &qp->sq;
	struct opi_tx_buf *buf;
	int err = -ENOSPC;
	dma_addr_t dma;

	if (unlikely(xdp_frame_has_frags(xdpf) || xdpf->len < ETH_HLEN))
		return -EOPNOTSUPP;

	spin_lock(&sq->lock);
	/* Never the last room, for which the stack would have to be stopped. */
	if (unlikely(opi_sq_room(sq) <= sq->max_segs))
		opi_sq_reap(qp, 0);
	if (unlikely(qp->broken || opi_sq_room(sq) <= sq->max_segs))
		goto err_unlock;

	if (map == OPI_TX_POOL) {
		struct page *page = virt_to_page(xdpf->data);

		dma = page_pool_get_dma_addr(page) +
		      offset_in_page(xdpf->data);
		dma_sync_single_for_device(dev, dma, xdpf->len,
					   DMA_BIDIRECTIONAL);
	} else {
		dma = dma_map_single(dev, xdpf->data, xdpf->len,
				     DMA_TO_DEVICE);
		err = dma_mapping_error(dev, dma);
		if (err)
			goto err_unlock;
	}

	buf = &sq->bufs[sq->tail & sq->mask];
	buf->xdpf = xdpf;
	buf->dma = dma;
	buf->len = xdpf->len;
	buf->map = map;
	sq->ring[sq->tail & sq->mask] = (struct opi_txd) {
		.addr	= cpu_to_le64(dma),
		.len	= cpu_to_le32(xdpf->len),
		.flags	= cpu_to_le16(OPI_TXD_F_SOP | OPI_TXD_F_EOP),
		.nsegs	= 1,
	};
	sq->tail++;
	u64_stats_update_begin(&stats->tx_sync);
	u64_stats_inc(map == OPI_TX_POOL ? &stats->xdp_tx : &stats->xdp_xmit);
	u64_stats_update_end(&stats->tx_sync);
	spin_unlock(&sq->lock);
	return 0;

err_unlock:
	opi_stat_inc(&stats->tx_sync, &stats->xdp_full);
	spin_unlock(&sq->lock);
	return err;
}

/**
 * opi_tx_xdp_flush - send what opi_tx_xdp() has put into the ring
 * @qp:		the queue pair
 *
 * Context: softirq.
 */
void opi_tx_xdp_flush(struct opi_qp *qp)
{
	struct opi_sq *sq = &qp->sq;

	spin_lock(&sq->lock);
	if (!qp->broken) {
		opi_sq_kick(qp);
		opi_sq_reap(qp, 0);
		if (opi_sq_arm(qp, 0))
			napi_schedule(&qp->napi);
	}
	spin_unlock(&sq->lock);
}

/**
 * opi_tx_free - free what was not sent
 * @qp:		the queue pair; the card has let go of it, nobody else uses it
 *
 * Context: process.
 */
void opi_tx_free(struct opi_qp *qp)
{
	struct opi_sq *sq = &qp->sq;

	for (; sq->clean != sq->tail; sq->clean++) {
		struct opi_tx_buf *buf = &sq->bufs[sq->clean & sq->mask];

		opi_sq_unmap(qp, buf);
		dev_kfree_skb_any(buf->skb);
		if (buf->xdpf)
			xdp_return_frame(buf->xdpf);
	}
}

/**
 * opi_tx_bury - have nobody wait for what was not sent
 * @qp:		the queue pair; the card may still read from it
 *
 * Context: process.
 */
void opi_tx_bury(struct opi_qp *qp)
{
	struct opi_sq *sq = &qp->sq;
	u32 i;

	for (i = sq->clean; i != sq->tail; i++) {
		struct sk_buff *skb = sq->bufs[i & sq->mask].skb;

		if (skb) {
			skb_orphan(skb);
			skb_dst_drop(skb);
			nf_reset_ct(skb);
		}
	}
}
