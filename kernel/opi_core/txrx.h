/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Queue pairs, the one ring implementation of both sides.  On the host a queue
 * pair belongs to one netdev; on the DPU it serves the netdevs of all ports and
 * the port stands in the descriptors.
 */
#ifndef _OPI_TXRX_H
#define _OPI_TXRX_H

#include <linux/cache.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/u64_stats_sync.h>
#include <linux/opi_pci.h>

struct opi_dev;
struct page_pool;

#define OPI_SQ_ORDER		8
#define OPI_RQ_ORDER		9
#define OPI_MAX_FRAME		65550	/* bytes; the card drops longer ones */
#define OPI_COPYBREAK		256	/* shorter frames leave their buffer */

/*
 * A receive buffer is a page with room for what build_skb() needs around the
 * data, so that every buffer can be the head of a frame.
 */
#define OPI_RX_HEADROOM		(NET_SKB_PAD + NET_IP_ALIGN)
#define OPI_RX_BUF		((unsigned int)(SKB_WITH_OVERHEAD(PAGE_SIZE) - \
						OPI_RX_HEADROOM))

/**
 * struct opi_qp_stats - counters of a queue pair; they outlive it
 * @tx_sync:	for the tx counters, written under sq->lock
 * @rx_sync:	for the rx counters, written in NAPI
 * @tx_kicks:	doorbells for sending
 * @tx_stops:	the ring was full
 * @tx_map_errors: frames that could not be mapped
 * @tx_linearized: frames with more segments than the card takes
 * @rx_kicks:	doorbells for buffers
 * @rx_bad:	frames dropped because the card described them wrongly
 * @rx_no_port:	frames for a port that is not there or not open
 * @rx_no_memory: frames or buffers for which there was no memory
 * @restarts:	made anew after an error (under rtnl)
 * @lost_irqs:	work was found without an interrupt
 */
struct opi_qp_stats {
	struct u64_stats_sync	tx_sync;
	struct u64_stats_sync	rx_sync;
	u64_stats_t		tx_kicks;
	u64_stats_t		tx_stops;
	u64_stats_t		tx_map_errors;
	u64_stats_t		tx_linearized;
	u64_stats_t		rx_kicks;
	u64_stats_t		rx_bad;
	u64_stats_t		rx_no_port;
	u64_stats_t		rx_no_memory;
	u64			restarts;
	u64			lost_irqs;
};

/* What a send descriptor points to; @skb in the last of a frame. */
struct opi_tx_buf {
	struct sk_buff	*skb;
	dma_addr_t	dma;
	u32		len;
	bool		page;	/* mapped by skb_frag_dma_map() */
};

/**
 * struct opi_sq - sending half of a queue pair
 * @lock:	all that follows; taken in softirq and process context
 * @ring:	descriptors
 * @bufs:	what they point to
 * @mask:	entries - 1
 * @tail:	descriptors posted, free-running
 * @kicked:	@tail when the card's wish for a doorbell was last looked at
 * @clean:	descriptors whose memory was taken back, free-running
 * @stopped:	a netdev waits for room
 * @netdev:	owner of the queue if it is not shared, for byte queue limits
 * @ring_dma:	bus address of @ring
 */
struct opi_sq {
	spinlock_t		lock;	/* all that follows */
	struct opi_txd		*ring;
	struct opi_tx_buf	*bufs;
	u32			mask;
	u32			tail;
	u32			kicked;
	u32			clean;
	bool			stopped;
	struct net_device	*netdev;
	dma_addr_t		ring_dma;
};

/**
 * struct opi_rq - receiving half of a queue pair; all but @starved in NAPI only
 * @ring:	buffer descriptors
 * @pages:	the buffers
 * @cq:		completions
 * @pool:	where the buffers come from
 * @skb:	frame of which some buffers have come
 * @port:	where that frame came from
 * @drop:	the rest of this frame is dropped
 * @mask:	entries - 1, of @ring and @cq
 * @tail:	buffers posted, free-running
 * @kicked:	@tail when the card's wish for a doorbell was last looked at
 * @next:	completions consumed, free-running; each used one buffer
 * @starved:	no memory for buffers: try again
 * @ring_dma:	bus address of @ring
 * @cq_dma:	bus address of @cq
 */
struct opi_rq {
	struct opi_rxd		*ring;
	struct page		**pages;
	struct opi_cqe		*cq;
	struct page_pool	*pool;
	struct sk_buff		*skb;
	u32			port;
	bool			drop;
	u32			mask;
	u32			tail;
	u32			kicked;
	u32			next;
	bool			starved;
	dma_addr_t		ring_dma;
	dma_addr_t		cq_dma;
};

/**
 * struct opi_qp - a queue pair
 * @od:		the device
 * @id:		queue pair
 * @broken:	the card broke the rules or said so: not used until made anew
 * @seen_work:	opi_txrx_poke() saw work that NAPI had not seen
 * @seen_next:	rq->next then
 * @seen_clean:	sq->clean then
 * @shadow:	index words, shared with the card
 * @shadow_dma:	bus address of @shadow
 * @stats:	counters
 * @napi:	polls both halves
 * @sq:		sending half
 * @rq:		receiving half
 * @dead:	entry in od->dead_qps
 */
struct opi_qp {
	struct opi_dev		*od;
	unsigned int		id;
	bool			broken;
	bool			seen_work;
	u32			seen_next;
	u32			seen_clean;
	struct opi_qp_shadow	*shadow;
	dma_addr_t		shadow_dma;
	struct opi_qp_stats	*stats;
	struct napi_struct	napi;
	struct opi_sq		sq ____cacheline_aligned_in_smp;
	struct opi_rq		rq ____cacheline_aligned_in_smp;
	struct list_head	dead;
};

int opi_txrx_init(struct opi_dev *od);
void opi_txrx_exit(struct opi_dev *od);
int opi_txrx_get(struct opi_dev *od);
void opi_txrx_put(struct opi_dev *od);
int opi_txrx_start(struct opi_dev *od);
void opi_txrx_stop(struct opi_dev *od);
void opi_txrx_free_dead(struct opi_dev *od);
void opi_txrx_restart(struct opi_dev *od, unsigned int id);
void opi_txrx_flush(struct opi_dev *od);
void opi_txrx_poke(struct opi_dev *od);
bool opi_txrx_event(struct opi_dev *od, unsigned int id);
netdev_tx_t opi_txrx_xmit(struct opi_dev *od, struct sk_buff *skb,
			  struct net_device *netdev, u32 port);

/* ---- rep.c ------------------------------------------------------------- */

struct net_device *opi_rep_demux(struct opi_dev *od, u32 port);

#endif /* _OPI_TXRX_H */
