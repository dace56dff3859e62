// SPDX-License-Identifier: GPL-2.0
/*
 * Receiving: buffers, completions, and what becomes of them (interface,
 * "Receiving").
 *
 * A frame in one short buffer is copied, and the buffer stays where it is; of
 * any other the first buffer becomes the head of an skb and the rest its
 * fragments.  What completions say of checksum and segmentation is believed only
 * after virtio_net_hdr_to_skb(), which knows what the stack relies on, has found
 * it to fit the frame.
 */
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/filter.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/virtio_net.h>
#include <net/page_pool/helpers.h>

#include "opi_core.h"
#include "txrx.h"

/* Buffers are posted in batches of this, or a quarter of a small ring. */
#define OPI_RX_BATCH	32

/* What a poll has found; written to the counters at its end. */
struct opi_rx_sum {
	unsigned int	packets;
	unsigned int	bytes;
	unsigned int	csum_partial;
	unsigned int	csum_valid;
	unsigned int	gso_packets;
	unsigned int	gso_bytes;
	unsigned int	xdp;	/* OPI_XDP_* */
};

static void opi_rx_count(struct opi_qp *qp, u64_stats_t *stat)
{
	opi_stat_inc(&qp->stats->rx_sync, stat);
}

/**
 * opi_rx_ready - is there a completion?
 * @rq:		receiving half of a queue pair
 *
 * Context: any.
 * Return: whether there is.
 */
bool opi_rx_ready(const struct opi_rq *rq)
{
	u32 next = READ_ONCE(rq->next);
	u16 phase = le16_to_cpu(READ_ONCE(rq->cq[next & rq->mask].phase));

	return (phase & 1) == !(next & (rq->mask + 1));
}

/**
 * opi_rx_fill - post buffers until the ring is full or memory is short
 * @qp:		the queue pair
 * @gfp:	how to allocate
 *
 * Context: NAPI, or before there is any.
 */
void opi_rx_fill(struct opi_qp *qp, gfp_t gfp)
{
	struct opi_rq *rq = &qp->rq;
	bool starved = false;
	u32 kick;

	while (rq->tail - rq->next <= rq->mask) {
		u32 i = rq->tail & rq->mask;
		struct page *page;

		/* A buffer that was copied from is in its place again. */
		if (!rq->pages[i]) {
			page = page_pool_alloc_pages(rq->pool, gfp);
			if (unlikely(!page)) {
				opi_rx_count(qp, &qp->stats->rx_alloc_fail);
				starved = true;
				break;
			}
			rq->pages[i] = page;
			rq->ring[i].addr =
				cpu_to_le64(page_pool_get_dma_addr(page) +
					    rq->headroom);
			rq->ring[i].len = cpu_to_le32(rq->buf_len);
			rq->ring[i].id = cpu_to_le16(i);
		}
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
		opi_rx_count(qp, &qp->stats->rx_kicks);
	}
	rq->kicked = rq->tail;
}

static bool opi_rx_batch(const struct opi_rq *rq)
{
	return rq->mask + 1 - (rq->tail - rq->next) >=
	       min(OPI_RX_BATCH, (rq->mask + 1) / 4);
}

/* Give the card what a batch has used: room for completions, and buffers. */
static void opi_rx_refill(struct opi_qp *qp)
{
	WRITE_ONCE(qp->shadow->cq_head, cpu_to_le32(qp->rq.next));
	opi_rx_fill(qp, GFP_ATOMIC | __GFP_NOWARN);
}

/* Copy a short frame; its buffer can be posted again. */
static struct sk_buff *opi_rx_copy(struct opi_qp *qp, const void *data,
				   u32 len)
{
	struct sk_buff *skb = napi_alloc_skb(&qp->napi, len);

	if (likely(skb))
		skb_put_data(skb, data, len);
	return skb;
}

/* The buffer becomes the head of an skb, or goes back. */
static struct sk_buff *opi_rx_build(struct opi_qp *qp, struct page *page,
				    u32 headroom, u32 len)
{
	struct sk_buff *skb = napi_build_skb(page_address(page), PAGE_SIZE);

	if (unlikely(!skb)) {
		page_pool_put_full_page(qp->rq.pool, page, true);
		return NULL;
	}
	skb_reserve(skb, headroom);
	skb_put(skb, len);
	skb_mark_for_recycle(skb);
	return skb;
}

/* The checksum is still to be filled in, and perhaps the frame to be cut. */
static bool opi_rx_partial(struct sk_buff *skb, const struct opi_cqe *cqe,
			   struct opi_rx_sum *sum)
{
	struct virtio_net_hdr hdr = {
		.flags		= VIRTIO_NET_HDR_F_NEEDS_CSUM,
		/* Little-endian, both here and there. */
		.csum_start	= (__force __virtio16)cqe->csum_start,
		.csum_offset	= (__force __virtio16)cqe->csum_offset,
	};

	sum->csum_partial++;
	switch (cqe->gso_type & ~OPI_GSO_ECN) {
	case OPI_GSO_NONE:
		break;
	case OPI_GSO_TCPV4:
		hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		break;
	case OPI_GSO_TCPV6:
		hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
		break;
	case OPI_GSO_UDP_L4:
		hdr.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4;
		break;
	default:
		return false;
	}
	if (hdr.gso_type) {
		if (cqe->gso_type & OPI_GSO_ECN)
			hdr.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
		hdr.gso_size = (__force __virtio16)cqe->gso_size;
		sum->gso_packets++;
		sum->gso_bytes += skb->len;
	}
	return !virtio_net_hdr_to_skb(skb, &hdr, true);
}

static void opi_rx_hash(struct sk_buff *skb, const struct opi_cqe *cqe)
{
	bool l3 = cqe->hash_type & (OPI_HASH_IPV4 | OPI_HASH_IPV6);

	skb_set_hash(skb, le32_to_cpu(cqe->hash),
		     l3 ? PKT_HASH_TYPE_L3 : PKT_HASH_TYPE_L4);
}

/* Hand a whole frame to the stack.  @cqe: a copy of its first completion. */
static void opi_rx_deliver(struct opi_qp *qp, struct sk_buff *skb,
			   const struct opi_cqe *cqe, struct opi_rx_sum *sum)
{
	struct net_device *netdev = qp->sq.netdev;
	u16 flags = le16_to_cpu(cqe->flags);

	if (unlikely(skb_headlen(skb) < ETH_HLEN))
		goto bad;

	if (!netdev)
		netdev = opi_rep_demux(qp->od, le32_to_cpu(cqe->port));
	if (unlikely(!netdev || !netif_running(netdev))) {
		opi_rx_count(qp, &qp->stats->rx_no_port);
		dev_kfree_skb_any(skb);
		return;
	}

	if (flags & OPI_CQE_F_CSUM_PARTIAL) {
		if (unlikely(!opi_rx_partial(skb, cqe, sum)))
			goto bad;
	} else if (unlikely(cqe->gso_type)) {
		goto bad;
	} else if (flags & OPI_CQE_F_CSUM_VALID &&
		   netdev->features & NETIF_F_RXCSUM) {
		skb->ip_summed = CHECKSUM_UNNECESSARY;
		sum->csum_valid++;
	}
	if (flags & OPI_CQE_F_VLAN)
		__vlan_hwaccel_put_tag(skb, htons(ETH_P_8021Q),
				       le16_to_cpu(cqe->vlan_tci));
	if (cqe->hash_type && netdev->features & NETIF_F_RXHASH)
		opi_rx_hash(skb, cqe);

	sum->packets++;
	sum->bytes += skb->len;
	if (!qp->sq.netdev)
		dev_sw_netstats_rx_add(netdev, skb->len);

	skb_record_rx_queue(skb, qp->index);
	skb->protocol = eth_type_trans(skb, netdev);
	napi_gro_receive(&qp->napi, skb);
	return;

bad:
	opi_rx_count(qp, &qp->stats->rx_bad);
	dev_kfree_skb_any(skb);
}

/* A frame in one buffer that a program may look at first. */
static struct sk_buff *opi_rx_xdp(struct opi_qp *qp,
				  struct bpf_prog *prog,
				  struct page *page, u32 len,
				  struct opi_cqe *cqe, struct opi_rx_sum *sum)
{
	u16 flags = le16_to_cpu(cqe->flags);
	struct opi_rq *rq = &qp->rq;
	struct sk_buff *skb;
	struct xdp_buff xdp;
	unsigned int meta;
	void *data;

	/* A program sees frames as they would be on the wire, or not at all. */
	if (unlikely(flags & (OPI_CQE_F_CSUM_PARTIAL | OPI_CQE_F_VLAN) ||
		     cqe->gso_type || len < ETH_HLEN)) {
		opi_rx_count(qp, &qp->stats->rx_bad);
		page_pool_put_full_page(rq->pool, page, true);
		return NULL;
	}

	xdp_init_buff(&xdp, PAGE_SIZE, &rq->xdp_rxq);
	xdp_prepare_buff(&xdp, page_address(page), rq->headroom, len, true);
	data = xdp.data;
	if (!opi_xdp_run(qp, prog, &xdp, &sum->xdp)) {
		sum->packets++;
		sum->bytes += len;
		return NULL;
	}

	/* What was known of the frame is not true of what it has become. */
	if (xdp.data != data || xdp.data_end != data + len) {
		cqe->flags &= ~cpu_to_le16(OPI_CQE_F_CSUM_VALID);
		cqe->hash_type = 0;
	}
	meta = xdp.data - xdp.data_meta;
	skb = opi_rx_build(qp, page, xdp.data - xdp.data_hard_start,
			   xdp.data_end - xdp.data);
	if (unlikely(!skb))
		opi_rx_count(qp, &qp->stats->rx_no_memory);
	else if (meta)
		skb_metadata_set(skb, meta);
	return skb;
}

/* The most frequent case: a frame in one buffer. */
static void opi_rx_single(struct opi_qp *qp, struct bpf_prog *prog, u32 i,
			  u32 len, struct opi_cqe *cqe, struct opi_rx_sum *sum)
{
	struct opi_rq *rq = &qp->rq;
	struct page *page = rq->pages[i];
	struct sk_buff *skb;

	if (unlikely(prog)) {
		rq->pages[i] = NULL;
		skb = opi_rx_xdp(qp, prog, page, len, cqe, sum);
		if (!skb)
			return;
	} else if (len <= OPI_COPYBREAK) {
		skb = opi_rx_copy(qp, page_address(page) + rq->headroom, len);
		dma_sync_single_range_for_device(&qp->od->pdev->dev,
						 page_pool_get_dma_addr(page),
						 rq->headroom, len,
						 page_pool_get_dma_dir(rq->pool));
	} else {
		rq->pages[i] = NULL;
		skb = opi_rx_build(qp, page, rq->headroom, len);
	}
	if (unlikely(!skb)) {
		opi_rx_count(qp, &qp->stats->rx_no_memory);
		return;
	}
	opi_rx_deliver(qp, skb, cqe, sum);
}

/* A buffer of a frame that has several; true if it is the last. */
static bool opi_rx_part(struct opi_qp *qp, struct bpf_prog *prog, u32 i,
			u32 len, const struct opi_cqe *cqe,
			struct opi_rx_sum *sum)
{
	u16 flags = le16_to_cpu(cqe->flags);
	struct opi_rq *rq = &qp->rq;
	struct page *page = rq->pages[i];

	rq->pages[i] = NULL;

	if (flags & OPI_CQE_F_SOP) {
		if (unlikely(rq->skb)) {
			/* The frame before has no end. */
			opi_rx_count(qp, &qp->stats->rx_bad);
			dev_kfree_skb_any(rq->skb);
		}
		rq->drop = false;
		if (unlikely(prog)) {
			/* Too long for a program. */
			opi_rx_count(qp, &qp->stats->rx_bad);
			page_pool_put_full_page(rq->pool, page, true);
			rq->skb = NULL;
			rq->drop = true;
		} else {
			rq->first = *cqe;
			rq->skb = opi_rx_build(qp, page, rq->headroom, len);
			rq->drop = !rq->skb;
			if (unlikely(rq->drop))
				opi_rx_count(qp, &qp->stats->rx_no_memory);
		}
	} else if (likely(rq->skb) &&
		   likely(skb_shinfo(rq->skb)->nr_frags < MAX_SKB_FRAGS)) {
		skb_add_rx_frag(rq->skb, skb_shinfo(rq->skb)->nr_frags, page,
				rq->headroom, len, PAGE_SIZE);
	} else {
		/* A frame without a beginning, or with too many buffers. */
		page_pool_put_full_page(rq->pool, page, true);
		if (!rq->drop)
			opi_rx_count(qp, &qp->stats->rx_bad);
		rq->drop = true;
		dev_kfree_skb_any(rq->skb);
		rq->skb = NULL;
	}

	if (!(flags & OPI_CQE_F_EOP))
		return false;

	if (likely(rq->skb))
		opi_rx_deliver(qp, rq->skb, &rq->first, sum);
	rq->skb = NULL;
	rq->drop = false;
	return true;
}

static void opi_rx_account(struct opi_qp *qp, const struct opi_rx_sum *sum)
{
	struct opi_qp_stats *stats = qp->stats;

	u64_stats_update_begin(&stats->rx_sync);
	u64_stats_add(&stats->rx_packets, sum->packets);
	u64_stats_add(&stats->rx_bytes, sum->bytes);
	u64_stats_add(&stats->rx_csum_partial, sum->csum_partial);
	u64_stats_add(&stats->rx_csum_valid, sum->csum_valid);
	u64_stats_add(&stats->rx_gso_packets, sum->gso_packets);
	u64_stats_add(&stats->rx_gso_bytes, sum->gso_bytes);
	u64_stats_update_end(&stats->rx_sync);
}

/**
 * opi_rx_poll - take frames out of the completion ring, and post buffers
 * @qp:		the queue pair
 * @budget:	how many at most
 *
 * Context: NAPI.
 * Return: how many.
 */
int opi_rx_poll(struct opi_qp *qp, int budget)
{
	struct bpf_prog *prog = rcu_dereference_bh(qp->qs->xdp_prog);
	struct opi_rx_sum sum = {};
	struct opi_rq *rq = &qp->rq;
	u32 start = rq->next;
	int frames = 0;

	while (frames < budget && rq->next - start <= rq->mask &&
	       opi_rx_ready(rq)) {
		u32 i = rq->next & rq->mask;
		struct opi_cqe cqe;
		u16 flags;
		u32 len;

		/* The rest of the completion is not older than its phase. */
		dma_rmb();
		memcpy(&cqe, &rq->cq[i], sizeof(cqe));
		/* One copy, and what follows looks only at that. */
		barrier();
		len = le32_to_cpu(cqe.len);
		flags = le16_to_cpu(cqe.flags);
		if (unlikely(rq->next == rq->tail || cqe.type != OPI_CQE_RX ||
			     le16_to_cpu(cqe.id) != i || !len ||
			     len > rq->buf_len)) {
			opi_rx_count(qp, &qp->stats->rx_bad);
			opi_qp_broken(qp, OPI_QP_RX);
			break;
		}
		WRITE_ONCE(rq->next, rq->next + 1);

		page_pool_dma_sync_for_cpu(rq->pool, rq->pages[i], 0, len);
		if (likely((flags & (OPI_CQE_F_SOP | OPI_CQE_F_EOP)) ==
			   (OPI_CQE_F_SOP | OPI_CQE_F_EOP) && !rq->skb)) {
			opi_rx_single(qp, prog, i, len, &cqe, &sum);
			frames++;
		} else {
			frames += opi_rx_part(qp, prog, i, len, &cqe, &sum);
		}
		/*
		 * Now and not at the end of the poll, in which a card that is
		 * faster than us would use up a small ring.
		 */
		if (opi_rx_batch(rq) && likely(!rq->starved))
			opi_rx_refill(qp);
	}

	if (rq->next != start) {
		WRITE_ONCE(qp->shadow->cq_head, cpu_to_le32(rq->next));
		opi_rx_account(qp, &sum);
	}
	if (opi_rx_batch(rq))
		opi_rx_refill(qp);
	if (unlikely(sum.xdp))
		opi_xdp_flush(qp, sum.xdp);
	return frames;
}

/**
 * opi_rx_free - free what was posted or is half received
 * @qp:		the queue pair; the card has let go of it, nobody else uses it
 *
 * Context: process.
 */
void opi_rx_free(struct opi_qp *qp)
{
	struct opi_rq *rq = &qp->rq;
	u32 i;

	dev_kfree_skb_any(rq->skb);
	for (i = 0; i <= rq->mask; i++)
		if (rq->pages[i])
			page_pool_put_full_page(rq->pool, rq->pages[i], false);
}
