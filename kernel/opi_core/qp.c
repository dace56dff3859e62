// SPDX-License-Identifier: GPL-2.0
/*
 * Queue pairs: memory, sending, receiving and NAPI (interface, "Queue pairs").
 *
 * Here is everything that touches rings and their index words, for both sides.
 * Which netdev a frame belongs to on the DPU is decided in rep.c; what a netdev
 * is, and when it is open, in netdev.c.
 *
 * A queue pair that breaks the rules of the interface, or of which the card says
 * that it has stopped, is not looked at any more and made anew by a work item.
 * Its memory is freed only when the card has confirmed that it is done with it;
 * failing that, when the function has been reset.
 */
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <net/dst.h>
#include <net/page_pool/helpers.h>

#include "opi_core.h"
#include "txrx.h"

static void opi_stat_inc(struct u64_stats_sync *sync, u64_stats_t *stat)
{
	u64_stats_update_begin(sync);
	u64_stats_inc(stat);
	u64_stats_update_end(sync);
}

static void opi_qp_broken(struct opi_qp *qp)
{
	if (qp->broken)
		return;
	WRITE_ONCE(qp->broken, true);
	opi_dev_queue_qp(qp->od, qp->id);
}

/* ---- Sending ----------------------------------------------------------- */

/* The longest frame, in descriptors, that is ever posted. */
static unsigned int opi_sq_max_segs(const struct opi_qp *qp)
{
	return min3(qp->od->max_segs, (unsigned int)MAX_SKB_FRAGS + 1,
		    qp->sq.mask);
}

static unsigned int opi_sq_room(const struct opi_sq *sq)
{
	return sq->mask + 1 - (sq->tail - sq->clean);
}

static void opi_sq_unmap(struct opi_qp *qp, struct opi_tx_buf *buf)
{
	struct device *dev = &qp->od->pdev->dev;

	if (buf->page)
		dma_unmap_page(dev, buf->dma, buf->len, DMA_TO_DEVICE);
	else
		dma_unmap_single(dev, buf->dma, buf->len, DMA_TO_DEVICE);
}

static void opi_sq_wake(struct opi_qp *qp)
{
	struct opi_dev *od = qp->od;
	struct opi_port *port;
	unsigned long id;

	if (qp->sq.netdev) {
		netif_wake_subqueue(qp->sq.netdev, qp->id);
		return;
	}

	rcu_read_lock();
	xa_for_each(&od->ports, id, port)
		if (port->netdev && netif_running(port->netdev))
			netif_wake_subqueue(port->netdev, qp->id);
	rcu_read_unlock();
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
		opi_qp_broken(qp);
		return;
	}

	while (sq->clean != head) {
		struct opi_tx_buf *buf = &sq->bufs[sq->clean & sq->mask];

		opi_sq_unmap(qp, buf);
		if (buf->skb) {
			frames++;
			bytes += buf->skb->len;
			napi_consume_skb(buf->skb, budget);
			buf->skb = NULL;
		}
		sq->clean++;
	}

	if (sq->netdev && frames)
		netdev_tx_completed_queue(netdev_get_tx_queue(sq->netdev,
							      qp->id),
					  frames, bytes);

	if (sq->stopped &&
	    opi_sq_room(sq) >= max(opi_sq_max_segs(qp), sq->mask / 4)) {
		sq->stopped = false;
		opi_sq_wake(qp);
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

/* Ring the doorbell if the card wants to know of what was posted. */
static void opi_sq_kick(struct opi_qp *qp)
{
	struct opi_sq *sq = &qp->sq;
	u32 kick;

	lockdep_assert_held(&sq->lock);

	if (sq->tail == sq->kicked)
		return;
	/* The tail is visible before we look whether the card sleeps. */
	mb();
	kick = le32_to_cpu(READ_ONCE(qp->shadow->sq_kick));
	if (OPI_NEED_EVENT(kick, sq->tail, sq->kicked)) {
		opi_db(qp->od, qp->id + 1, OPI_DB_SQ_TAIL, sq->tail);
		opi_stat_inc(&qp->stats->tx_sync, &qp->stats->tx_kicks);
	}
	sq->kicked = sq->tail;
}

/* Map a frame and write its descriptors behind the tail; the tail stays. */
static int opi_sq_write(struct opi_qp *qp, struct sk_buff *skb, u32 port,
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
			buf->page = false;
			buf->len = skb_headlen(skb);
			buf->dma = dma_map_single(dev, skb->data, buf->len,
						  DMA_TO_DEVICE);
		} else {
			const skb_frag_t *frag = &skb_shinfo(skb)->frags[i - 1];

			buf->page = true;
			buf->len = skb_frag_size(frag);
			buf->dma = skb_frag_dma_map(dev, frag, 0, buf->len,
						    DMA_TO_DEVICE);
		}
		if (dma_mapping_error(dev, buf->dma))
			goto err_unmap;
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
	struct netdev_queue *txq = netdev_get_tx_queue(netdev, qp->id);
	struct opi_sq *sq = &qp->sq;
	bool more = netdev_xmit_more();

	lockdep_assert_held(&sq->lock);

	if (unlikely(qp->broken))
		goto drop;

	if (unlikely(nsegs > opi_sq_max_segs(qp))) {
		opi_stat_inc(&qp->stats->tx_sync, &qp->stats->tx_linearized);
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

	if (unlikely(opi_sq_write(qp, skb, port, nsegs))) {
		opi_stat_inc(&qp->stats->tx_sync, &qp->stats->tx_map_errors);
		goto drop;
	}
	skb_tx_timestamp(skb);
	sq->tail += nsegs;
	/* Descriptors are visible before the tail that covers them. */
	dma_wmb();
	WRITE_ONCE(qp->shadow->sq_tail, cpu_to_le32(sq->tail));
	dev_sw_netstats_tx_add(netdev, 1, len);

	if (sq->netdev)
		more = !__netdev_tx_sent_queue(txq, len, more);

	if (unlikely(opi_sq_room(sq) < opi_sq_max_segs(qp))) {
		opi_sq_kick(qp);
		opi_sq_reap(qp, 0);
		if (opi_sq_room(sq) < opi_sq_max_segs(qp)) {
			netif_tx_stop_queue(txq);
			sq->stopped = true;
			opi_stat_inc(&qp->stats->tx_sync, &qp->stats->tx_stops);
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
 * opi_txrx_xmit - send a frame
 * @od:		the device
 * @skb:	the frame
 * @netdev:	netdev that sends it
 * @port:	for the descriptors: the port on the DPU side, 0 on the host
 *
 * Context: as ndo_start_xmit.
 * Return: NETDEV_TX_OK, or NETDEV_TX_BUSY if the ring is full.
 */
netdev_tx_t opi_txrx_xmit(struct opi_dev *od, struct sk_buff *skb,
			  struct net_device *netdev, u32 port)
{
	netdev_tx_t ret;
	struct opi_qp *qp;

	qp = rcu_dereference_bh(od->qps[skb_get_queue_mapping(skb)]);
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

/* NAPI's part of sending; true if it has to look again. */
static bool opi_sq_poll(struct opi_qp *qp, int budget)
{
	struct opi_sq *sq = &qp->sq;
	bool again;

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

/* ---- Receiving --------------------------------------------------------- */

static bool opi_cq_ready(const struct opi_rq *rq)
{
	u32 next = READ_ONCE(rq->next);
	u16 phase = le16_to_cpu(READ_ONCE(rq->cq[next & rq->mask].phase));

	return (phase & 1) == !(next & (rq->mask + 1));
}

/* Post buffers until the ring is full or memory is short. */
static void opi_rq_fill(struct opi_qp *qp, gfp_t gfp)
{
	struct opi_rq *rq = &qp->rq;
	bool starved = false;
	u32 kick;

	while (rq->tail - rq->next <= rq->mask) {
		u32 i = rq->tail & rq->mask;
		struct page *page = page_pool_alloc_pages(rq->pool, gfp);

		if (unlikely(!page)) {
			opi_stat_inc(&qp->stats->rx_sync,
				     &qp->stats->rx_no_memory);
			starved = true;
			break;
		}
		rq->pages[i] = page;
		rq->ring[i].addr = cpu_to_le64(page_pool_get_dma_addr(page) +
					       OPI_RX_HEADROOM);
		rq->ring[i].len = cpu_to_le32(OPI_RX_BUF);
		rq->ring[i].id = cpu_to_le16(i);
		rq->ring[i].rsvd = 0;
		rq->tail++;
	}
	/* With buffers left, the next poll tries again anyway. */
	WRITE_ONCE(rq->starved, starved);

	if (rq->tail == rq->kicked)
		return;
	/* Buffers are visible before the tail that covers them. */
	dma_wmb();
	WRITE_ONCE(qp->shadow->rq_tail, cpu_to_le32(rq->tail));
	/* The tail is visible before we look whether the card waits for it. */
	mb();
	kick = le32_to_cpu(READ_ONCE(qp->shadow->rq_kick));
	if (OPI_NEED_EVENT(kick, rq->tail, rq->kicked)) {
		opi_db(qp->od, qp->id + 1, OPI_DB_RQ_TAIL, rq->tail);
		opi_stat_inc(&qp->stats->rx_sync, &qp->stats->rx_kicks);
	}
	rq->kicked = rq->tail;
}

/* The first buffer of a frame becomes the head of an skb. */
static struct sk_buff *opi_rx_head(struct opi_qp *qp, struct page *page,
				   u32 len, bool last)
{
	void *va = page_address(page);
	struct opi_rq *rq = &qp->rq;
	struct sk_buff *skb;

	if (last && len <= OPI_COPYBREAK) {
		skb = napi_alloc_skb(&qp->napi, len);
		if (skb)
			skb_put_data(skb, va + OPI_RX_HEADROOM, len);
		page_pool_put_page(rq->pool, page, len, true);
		return skb;
	}

	skb = napi_build_skb(va, PAGE_SIZE);
	if (unlikely(!skb)) {
		page_pool_put_page(rq->pool, page, len, true);
		return NULL;
	}
	skb_reserve(skb, OPI_RX_HEADROOM);
	skb_put(skb, len);
	skb_mark_for_recycle(skb);
	return skb;
}

static void opi_rx_deliver(struct opi_qp *qp, struct sk_buff *skb, u32 port)
{
	struct net_device *netdev = qp->sq.netdev;

	if (unlikely(skb_headlen(skb) < ETH_HLEN)) {
		opi_stat_inc(&qp->stats->rx_sync, &qp->stats->rx_bad);
		dev_kfree_skb_any(skb);
		return;
	}

	if (netdev)
		skb_record_rx_queue(skb, qp->id);
	else
		netdev = opi_rep_demux(qp->od, port);
	if (unlikely(!netdev || !netif_running(netdev))) {
		opi_stat_inc(&qp->stats->rx_sync, &qp->stats->rx_no_port);
		dev_kfree_skb_any(skb);
		return;
	}

	dev_sw_netstats_rx_add(netdev, skb->len);
	skb->protocol = eth_type_trans(skb, netdev);
	napi_gro_receive(&qp->napi, skb);
}

/*
 * One buffer that the card has filled.  A frame ends with its last buffer; true
 * then.
 */
static bool opi_rx_buf(struct opi_qp *qp, struct page *page, u32 len,
		       u16 flags, u32 port)
{
	struct opi_qp_stats *stats = qp->stats;
	bool last = flags & OPI_CQE_F_EOP;
	struct opi_rq *rq = &qp->rq;

	dma_sync_single_range_for_cpu(&qp->od->pdev->dev,
				      page_pool_get_dma_addr(page),
				      OPI_RX_HEADROOM, len,
				      page_pool_get_dma_dir(rq->pool));

	if (flags & OPI_CQE_F_SOP) {
		if (unlikely(rq->skb)) {
			/* The frame before has no end. */
			opi_stat_inc(&stats->rx_sync, &stats->rx_bad);
			dev_kfree_skb_any(rq->skb);
		}
		rq->skb = opi_rx_head(qp, page, len, last);
		rq->port = port;
		rq->drop = !rq->skb;
		if (unlikely(rq->drop))
			opi_stat_inc(&stats->rx_sync, &stats->rx_no_memory);
	} else if (likely(rq->skb) &&
		   likely(skb_shinfo(rq->skb)->nr_frags < MAX_SKB_FRAGS)) {
		skb_add_rx_frag(rq->skb, skb_shinfo(rq->skb)->nr_frags, page,
				OPI_RX_HEADROOM, len, PAGE_SIZE);
	} else {
		/* A frame without a beginning, or with too many buffers. */
		page_pool_put_page(rq->pool, page, len, true);
		if (!rq->drop)
			opi_stat_inc(&stats->rx_sync, &stats->rx_bad);
		rq->drop = true;
		dev_kfree_skb_any(rq->skb);
		rq->skb = NULL;
	}

	if (last) {
		if (likely(rq->skb))
			opi_rx_deliver(qp, rq->skb, rq->port);
		rq->skb = NULL;
		rq->drop = false;
	}
	return last;
}

/* Take frames out of the completion ring, at most @budget. */
static int opi_rq_poll(struct opi_qp *qp, int budget)
{
	struct opi_rq *rq = &qp->rq;
	u32 start = rq->next;
	int frames = 0;

	while (frames < budget && rq->next - start <= rq->mask &&
	       opi_cq_ready(rq)) {
		u32 i = rq->next & rq->mask;
		struct opi_cqe *cqe = &rq->cq[i];
		struct page *page;
		u32 len, port;
		u16 flags;

		/* The rest of the completion is not older than its phase. */
		dma_rmb();
		len = le32_to_cpu(READ_ONCE(cqe->len));
		port = le32_to_cpu(READ_ONCE(cqe->port));
		flags = le16_to_cpu(READ_ONCE(cqe->flags));
		if (unlikely(rq->next == rq->tail ||
			     READ_ONCE(cqe->type) != OPI_CQE_RX ||
			     le16_to_cpu(READ_ONCE(cqe->id)) != i ||
			     !len || len > OPI_RX_BUF)) {
			opi_stat_inc(&qp->stats->rx_sync, &qp->stats->rx_bad);
			opi_qp_broken(qp);
			break;
		}
		page = rq->pages[i];
		rq->pages[i] = NULL;
		WRITE_ONCE(rq->next, rq->next + 1);

		frames += opi_rx_buf(qp, page, len, flags, port);
	}

	if (rq->next != start)
		WRITE_ONCE(qp->shadow->cq_head, cpu_to_le32(rq->next));
	return frames;
}

static int opi_poll(struct napi_struct *napi, int budget)
{
	struct opi_qp *qp = container_of(napi, struct opi_qp, napi);
	struct opi_rq *rq = &qp->rq;
	bool again = false;
	int done = 0;

	if (likely(!READ_ONCE(qp->broken))) {
		again = opi_sq_poll(qp, budget);
		if (budget) {
			u32 start = rq->next;

			done = opi_rq_poll(qp, budget);
			opi_rq_fill(qp, GFP_ATOMIC | __GFP_NOWARN);
			/* A ring of parts of frames is work for one poll. */
			again |= rq->next - start > rq->mask;
		}
	}
	if (!budget)
		return 0;
	if ((again || done == budget) && !qp->broken)
		return budget;

	if (napi_complete_done(napi, min(done, budget - 1)) && !qp->broken) {
		WRITE_ONCE(qp->shadow->cq_arm, cpu_to_le32(rq->next));
		/* Armed before we look for what came before that. */
		mb();
		if (opi_cq_ready(rq))
			napi_schedule(napi);
	}
	return min(done, budget - 1);
}

/* ---- Queue pairs ------------------------------------------------------- */

static void opi_qp_free(struct opi_qp *qp)
{
	struct opi_dev *od = qp->od;
	struct device *dev = &od->pdev->dev;
	struct opi_sq *sq = &qp->sq;
	struct opi_rq *rq = &qp->rq;

	if (sq->bufs) {
		for (; sq->clean != sq->tail; sq->clean++) {
			struct opi_tx_buf *buf =
				&sq->bufs[sq->clean & sq->mask];

			opi_sq_unmap(qp, buf);
			dev_kfree_skb_any(buf->skb);
		}
		kvfree(sq->bufs);
	}
	if (sq->ring)
		dma_free_coherent(dev, (sq->mask + 1) * sizeof(*sq->ring),
				  sq->ring, sq->ring_dma);

	dev_kfree_skb_any(rq->skb);
	if (rq->pages && rq->pool)
		for (; rq->next != rq->tail; rq->next++)
			page_pool_put_full_page(rq->pool,
						rq->pages[rq->next & rq->mask],
						false);
	if (rq->pool)
		page_pool_destroy(rq->pool);
	kvfree(rq->pages);
	if (rq->cq)
		dma_free_coherent(dev, (rq->mask + 1) * sizeof(*rq->cq),
				  rq->cq, rq->cq_dma);
	if (rq->ring)
		dma_free_coherent(dev, (rq->mask + 1) * sizeof(*rq->ring),
				  rq->ring, rq->ring_dma);
	if (qp->shadow)
		dma_free_coherent(dev, sizeof(*qp->shadow), qp->shadow,
				  qp->shadow_dma);
	kfree(qp);
}

static struct opi_qp *opi_qp_alloc(struct opi_dev *od, unsigned int id)
{
	struct device *dev = &od->pdev->dev;
	struct page_pool_params params = {
		.flags		= PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV,
		.nid		= dev_to_node(dev),
		.dev		= dev,
		.dma_dir	= DMA_FROM_DEVICE,
		.max_len	= OPI_RX_BUF,
		.offset		= OPI_RX_HEADROOM,
		.queue_idx	= id,
	};
	struct opi_qp *qp;
	struct opi_sq *sq;
	struct opi_rq *rq;

	qp = kzalloc_node(sizeof(*qp), GFP_KERNEL, dev_to_node(dev));
	if (!qp)
		return NULL;
	sq = &qp->sq;
	rq = &qp->rq;

	qp->od = od;
	qp->id = id;
	qp->stats = &od->qp_stats[id];
	spin_lock_init(&sq->lock);
	sq->mask = BIT(min(OPI_SQ_ORDER, od->max_order)) - 1;
	rq->mask = BIT(min(OPI_RQ_ORDER, od->max_order)) - 1;
	if (!opi_is_dpu(od)) {
		sq->netdev = od->napi_dev;
		params.netdev = od->napi_dev;
	}

	qp->shadow = dma_alloc_coherent(dev, sizeof(*qp->shadow),
					&qp->shadow_dma, GFP_KERNEL);
	sq->ring = dma_alloc_coherent(dev, (sq->mask + 1) * sizeof(*sq->ring),
				      &sq->ring_dma, GFP_KERNEL);
	sq->bufs = kvcalloc(sq->mask + 1, sizeof(*sq->bufs), GFP_KERNEL);
	rq->ring = dma_alloc_coherent(dev, (rq->mask + 1) * sizeof(*rq->ring),
				      &rq->ring_dma, GFP_KERNEL);
	rq->cq = dma_alloc_coherent(dev, (rq->mask + 1) * sizeof(*rq->cq),
				    &rq->cq_dma, GFP_KERNEL);
	rq->pages = kvcalloc(rq->mask + 1, sizeof(*rq->pages), GFP_KERNEL);
	if (!qp->shadow || !sq->ring || !sq->bufs || !rq->ring || !rq->cq ||
	    !rq->pages)
		goto err_free;

	params.pool_size = rq->mask + 1;
	params.napi = &qp->napi;
	rq->pool = page_pool_create(&params);
	if (IS_ERR(rq->pool)) {
		rq->pool = NULL;
		goto err_free;
	}
	return qp;

err_free:
	opi_qp_free(qp);
	return NULL;
}

/* Look at it no more; the memory stays. */
static void opi_qp_disable(struct opi_qp *qp)
{
	RCU_INIT_POINTER(qp->od->qps[qp->id], NULL);
	/* No one sends to it, and no interrupt schedules it. */
	synchronize_net();
	napi_disable(&qp->napi);
	page_pool_disable_direct_recycling(qp->rq.pool);
	netif_napi_del(&qp->napi);
	if (qp->sq.netdev)
		netdev_tx_reset_queue(netdev_get_tx_queue(qp->sq.netdev,
							  qp->id));
}

/*
 * The card may still read and write the memory of a disabled queue pair: keep
 * it until the function was reset.  Nobody shall wait for the frames, though.
 */
static void opi_qp_bury(struct opi_qp *qp)
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
	list_add_tail(&qp->dead, &qp->od->dead_qps);
}

/* Returns 0 if the card has let go of it, else it is buried. */
static int opi_qp_destroy(struct opi_qp *qp)
{
	struct opi_dev *od = qp->od;
	int err;

	opi_qp_disable(qp);
	err = opi_cmd_qp_destroy(od, qp->id);
	if (!err || err == -ENOENT) {
		opi_qp_free(qp);
		return 0;
	}
	/* Without the card this is part of its going, and told elsewhere. */
	if (!opi_no_service(err)) {
		dev_warn(&od->pdev->dev, "queue pair %u does not stop: %pe\n",
			 qp->id, ERR_PTR(err));
		opi_dev_queue_reset(od);
	}
	opi_qp_bury(qp);
	return err;
}

static int opi_qp_create(struct opi_dev *od, unsigned int id)
{
	struct opi_cmd cmd = {};
	struct opi_qp *qp;
	int err;

	qp = opi_qp_alloc(od, id);
	if (!qp)
		return -ENOMEM;

	cmd.u.qp.sq = cpu_to_le64(qp->sq.ring_dma);
	cmd.u.qp.rq = cpu_to_le64(qp->rq.ring_dma);
	cmd.u.qp.cq = cpu_to_le64(qp->rq.cq_dma);
	cmd.u.qp.shadow = cpu_to_le64(qp->shadow_dma);
	cmd.u.qp.sq_order = ilog2(qp->sq.mask + 1);
	cmd.u.qp.rq_order = ilog2(qp->rq.mask + 1);
	cmd.u.qp.cq_order = ilog2(qp->rq.mask + 1);
	/* Vector 0 has enough to do, if there is another. */
	cmd.u.qp.eq = cpu_to_le16((id + 1) % od->n_eqs);

	netif_napi_add(od->napi_dev, &qp->napi, opi_poll);
	err = opi_cmd_qp_create(od, id, &cmd);
	if (err) {
		netif_napi_del(&qp->napi);
		/* Unless the card said no, it may have made it. */
		if (err == -ETIMEDOUT || opi_no_service(err))
			opi_qp_bury(qp);
		else
			opi_qp_free(qp);
		return err;
	}

	opi_rq_fill(qp, GFP_KERNEL);
	napi_enable(&qp->napi);
	rcu_assign_pointer(od->qps[id], qp);
	opi_sq_wake(qp);

	/* What was told before NAPI could hear it. */
	local_bh_disable();
	napi_schedule(&qp->napi);
	local_bh_enable();
	return 0;
}

/**
 * opi_txrx_start - make the queue pairs, if a netdev is open
 * @od:		the device; its admin queue runs
 *
 * Context: rtnl held, may sleep.
 * Return: 0 or a negative errno; then there are none.
 */
int opi_txrx_start(struct opi_dev *od)
{
	unsigned int i;
	int err;

	ASSERT_RTNL();
	if (!od->qp_users)
		return 0;

	for (i = 0; i < od->n_qps; i++) {
		err = opi_qp_create(od, i);
		if (err) {
			opi_txrx_stop(od);
			return err;
		}
	}
	return 0;
}

/**
 * opi_txrx_stop - end the queue pairs
 * @od:		the device, in whatever state
 *
 * Context: rtnl held, may sleep.
 */
void opi_txrx_stop(struct opi_dev *od)
{
	unsigned int i;

	ASSERT_RTNL();
	for (i = 0; i < od->n_qps; i++) {
		struct opi_qp *qp = rtnl_dereference(od->qps[i]);

		if (qp)
			opi_qp_destroy(qp);
	}
}

/**
 * opi_txrx_get - a netdev is opened
 * @od:		the device, in whatever state
 *
 * The first one makes the queue pairs.  While the device has no service this
 * is put off until it has.
 *
 * Context: rtnl held, may sleep.
 * Return: 0 or a negative errno; then the netdev does not count as a user.
 */
int opi_txrx_get(struct opi_dev *od)
{
	int err = 0;

	ASSERT_RTNL();
	if (!od->qp_users++ && od->net_up)
		err = opi_txrx_start(od);
	if (opi_no_service(err)) {
		/* If it is not ending already, see to it that it is brought back. */
		opi_dev_queue_reset(od);
		return 0;
	}
	if (err)
		od->qp_users--;
	return err;
}

/**
 * opi_txrx_put - a netdev is closed
 * @od:		the device, in whatever state
 *
 * Context: rtnl held, may sleep.
 */
void opi_txrx_put(struct opi_dev *od)
{
	ASSERT_RTNL();
	if (!--od->qp_users)
		opi_txrx_stop(od);
}

/**
 * opi_txrx_free_dead - free what the card may have been using
 * @od:		the device, that has been reset or can do no DMA any more
 *
 * Context: rtnl held, may sleep.
 */
void opi_txrx_free_dead(struct opi_dev *od)
{
	struct opi_qp *qp, *tmp;

	ASSERT_RTNL();
	list_for_each_entry_safe(qp, tmp, &od->dead_qps, dead) {
		list_del(&qp->dead);
		opi_qp_free(qp);
	}
}

/**
 * opi_txrx_restart - make a queue pair anew
 * @od:		the device
 * @id:		queue pair
 *
 * If that fails, the whole device is reset.
 *
 * Context: rtnl held, may sleep.
 */
void opi_txrx_restart(struct opi_dev *od, unsigned int id)
{
	struct opi_qp *qp = rtnl_dereference(od->qps[id]);
	int err;

	ASSERT_RTNL();
	if (!od->net_up || !qp)
		return;

	qp->stats->restarts++;
	/* If it does not end, it cannot begin either. */
	if (opi_qp_destroy(qp))
		return;

	err = opi_qp_create(od, id);
	if (err) {
		dev_warn(&od->pdev->dev, "queue pair %u does not start: %pe\n",
			 id, ERR_PTR(err));
		opi_dev_queue_reset(od);
	}
}

/**
 * opi_txrx_flush - wait until NAPI holds no frame that it had before
 * @od:		the device
 *
 * For a netdev that is about to go while others use the same queue pairs.
 *
 * Context: rtnl held, may sleep.
 */
void opi_txrx_flush(struct opi_dev *od)
{
	unsigned int i;

	ASSERT_RTNL();
	for (i = 0; i < od->n_qps; i++) {
		struct opi_qp *qp = rtnl_dereference(od->qps[i]);

		if (!qp)
			continue;
		napi_disable(&qp->napi);
		napi_enable(&qp->napi);
		local_bh_disable();
		napi_schedule(&qp->napi);
		local_bh_enable();
	}
}

/**
 * opi_txrx_poke - look for work that no interrupt has told of
 * @od:		the device
 *
 * To be called each second: buffers for which there was no memory, and, if the
 * same work is there twice in a row, what the card did without a notification.
 *
 * Context: process.
 */
void opi_txrx_poke(struct opi_dev *od)
{
	unsigned int i;

	for (i = 0; i < od->n_qps; i++) {
		struct opi_qp *qp;
		bool work, still;
		u32 next, clean;

		rcu_read_lock_bh();
		qp = rcu_dereference_bh(od->qps[i]);
		if (qp && !READ_ONCE(qp->broken)) {
			next = READ_ONCE(qp->rq.next);
			clean = READ_ONCE(qp->sq.clean);
			work = opi_cq_ready(&qp->rq) ||
			       clean !=
			       le32_to_cpu(READ_ONCE(qp->shadow->sq_head));
			work &= !test_bit(NAPI_STATE_SCHED, &qp->napi.state);
			still = qp->seen_work && qp->seen_next == next &&
				qp->seen_clean == clean;
			if (work && still)
				qp->stats->lost_irqs++;
			if ((work && still) || READ_ONCE(qp->rq.starved))
				napi_schedule(&qp->napi);
			qp->seen_work = work;
			qp->seen_next = next;
			qp->seen_clean = clean;
		}
		rcu_read_unlock_bh();
	}
}

/**
 * opi_txrx_event - a notification of a queue pair
 * @od:		the device
 * @id:		queue pair, as the card says
 *
 * Context: any.
 * Return: whether there is such a queue pair.
 */
bool opi_txrx_event(struct opi_dev *od, unsigned int id)
{
	struct opi_qp *qp = NULL;

	rcu_read_lock();
	if (id < od->n_qps)
		qp = rcu_dereference(od->qps[id]);
	if (qp)
		napi_schedule(&qp->napi);
	rcu_read_unlock();
	return qp;
}

/**
 * opi_txrx_init - allocate what outlives queue pairs
 * @od:		the device
 *
 * Return: 0 or -ENOMEM; what was allocated then is freed by opi_txrx_exit().
 */
int opi_txrx_init(struct opi_dev *od)
{
	unsigned int i;

	INIT_LIST_HEAD(&od->dead_qps);
	od->qps = kcalloc(od->n_qps, sizeof(*od->qps), GFP_KERNEL);
	od->qp_stats = kcalloc(od->n_qps, sizeof(*od->qp_stats), GFP_KERNEL);
	if (!od->qps || !od->qp_stats)
		return -ENOMEM;
	for (i = 0; i < od->n_qps; i++) {
		u64_stats_init(&od->qp_stats[i].tx_sync);
		u64_stats_init(&od->qp_stats[i].rx_sync);
	}

	if (opi_is_dpu(od)) {
		od->napi_dev = alloc_netdev_dummy(0);
		if (!od->napi_dev)
			return -ENOMEM;
	}
	return 0;
}

/**
 * opi_txrx_exit - free what outlives queue pairs
 * @od:		the device; there are no queue pairs, and no netdevs
 */
void opi_txrx_exit(struct opi_dev *od)
{
	if (opi_is_dpu(od) && od->napi_dev)
		free_netdev(od->napi_dev);
	kfree(od->qp_stats);
	kfree(od->qps);
}
