/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Queue pairs, the one ring implementation of both sides.  On the host a queue
 * pair belongs to one netdev; on the DPU it serves the netdevs of all ports and
 * the port stands in the descriptors.  A set of them is what the netdev of a
 * function, or the DPU, has.
 *
 * qp.c has their life, tx.c sending, rx.c receiving, xdp.c programs that look at
 * frames before the stack, coalesce.c how long completions wait, rss.c which
 * queue pair a frame goes to, stats.c the counters.
 */
#ifndef _OPI_TXRX_H
#define _OPI_TXRX_H

#include <linux/bitmap.h>
#include <linux/bpf.h>
#include <linux/cache.h>
#include <linux/dim.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/u64_stats_sync.h>
#include <net/xdp.h>
#include <linux/opi_pci.h>

struct ethtool_coalesce;
struct ethtool_rxfh_fields;
struct ethtool_rxfh_param;
struct kernel_ethtool_coalesce;
struct opi_dev;
struct page_pool;

#define OPI_MAX_QPS		64	/* of a netdev, or of all of the DPU's */
#define OPI_SQ_ORDER		8	/* by default */
#define OPI_RQ_ORDER		10
#define OPI_MIN_ORDER		5	/* a frame of 64 KB fits */
#define OPI_MAX_ORDER		12
#define OPI_MAX_FRAME		65550	/* bytes; the card drops longer ones */
#define OPI_MAX_HDR		255	/* bytes in front of the payload, with GSO */
#define OPI_COPYBREAK		256	/* shorter frames leave their buffer */

/*
 * A receive buffer is a page with room for what build_skb() needs around the
 * data, so that every buffer can be the head of a frame.
 */
#define OPI_RX_HEADROOM		(NET_SKB_PAD + NET_IP_ALIGN)
#define OPI_RX_BUF(headroom)	((unsigned int)(SKB_WITH_OVERHEAD(PAGE_SIZE) - \
						(headroom)))
/* What a frame may have on top of the MTU (interface, "Eswitch and ports"). */
#define OPI_FRAME_EXTRA		22
#define OPI_XDP_MAX_MTU		(OPI_RX_BUF(XDP_PACKET_HEADROOM) - \
				 OPI_FRAME_EXTRA)

/* The half of a queue pair that something is said of. */
enum opi_qp_half {
	OPI_QP_TX,
	OPI_QP_RX,
	OPI_QP_HALVES,
};

/**
 * struct opi_qp_config - what queue pairs are made with
 * @n_qps:	how many
 * @sq_order:	log2 of the send ring
 * @rq_order:	log2 of the receive ring
 * @xdp:	buffers are fit for XDP
 */
struct opi_qp_config {
	unsigned int	n_qps;
	u8		sq_order;
	u8		rq_order;
	bool		xdp;
};

/**
 * struct opi_coalesce - how long completions may wait
 * @usecs:	this time, 0: not at all
 * @frames:	until there are so many
 * @adaptive:	both are chosen by the kernel's DIM
 */
struct opi_coalesce {
	u16	usecs;
	u16	frames;
	bool	adaptive;
};

/**
 * struct opi_rss - how received frames are spread over queue pairs
 * @types:	OPI_HASH_*
 * @key:	of the Toeplitz hash
 * @table:	queue pairs
 */
struct opi_rss {
	u32	types;
	u8	key[OPI_RSS_KEY_SIZE];
	u16	table[OPI_RSS_TABLE_MAX];
};

/**
 * struct opi_qp_stats - counters of a queue pair; they outlive it
 * @tx_sync:	for the tx counters, written under sq->lock
 * @rx_sync:	for the rx counters, written in NAPI
 * @tx_packets:	frames of the stack
 * @tx_bytes:	their bytes
 * @tx_csum:	of which the card fills in the checksum
 * @tx_gso_packets: frames that the card, or nobody, cuts into segments
 * @tx_gso_bytes: their bytes
 * @tx_kicks:	doorbells for sending
 * @tx_stops:	the ring was full
 * @tx_wakes:	there was room again
 * @tx_map_errors: frames that could not be mapped or described
 * @tx_linearized: frames with more segments than the card takes
 * @xdp_tx:	frames that XDP_TX sent
 * @xdp_xmit:	frames that others redirected here
 * @xdp_full:	frames of both kinds for which there was no room
 * @rx_packets:	frames
 * @rx_bytes:	their bytes
 * @rx_csum_partial: without a checksum, which nobody needs
 * @rx_csum_valid: with a checksum that is known to be good
 * @rx_gso_packets: frames larger than a segment
 * @rx_gso_bytes: their bytes
 * @rx_kicks:	doorbells for buffers
 * @rx_bad:	frames dropped because the card described them wrongly
 * @rx_no_port:	frames for a port that is not there or not open
 * @rx_no_memory: frames dropped because there was no memory
 * @rx_alloc_fail: attempts to have a buffer for which there was no memory
 * @xdp_drop:	frames that a program dropped
 * @xdp_redirect: frames that a program sent elsewhere
 * @xdp_errors:	frames that a program aborted or could not send
 * @rx_flood_polls: polls under a flood, by a worker
 * @restarts:	made anew after an error (under rtnl)
 * @lost_irqs:	work was found without an interrupt
 */
struct opi_qp_stats {
	struct u64_stats_sync	tx_sync;
	struct u64_stats_sync	rx_sync;
	u64_stats_t		tx_packets;
	u64_stats_t		tx_bytes;
	u64_stats_t		tx_csum;
	u64_stats_t		tx_gso_packets;
	u64_stats_t		tx_gso_bytes;
	u64_stats_t		tx_kicks;
	u64_stats_t		tx_stops;
	u64_stats_t		tx_wakes;
	u64_stats_t		tx_map_errors;
	u64_stats_t		tx_linearized;
	u64_stats_t		xdp_tx;
	u64_stats_t		xdp_xmit;
	u64_stats_t		xdp_full;
	u64_stats_t		rx_packets;
	u64_stats_t		rx_bytes;
	u64_stats_t		rx_csum_partial;
	u64_stats_t		rx_csum_valid;
	u64_stats_t		rx_gso_packets;
	u64_stats_t		rx_gso_bytes;
	u64_stats_t		rx_kicks;
	u64_stats_t		rx_bad;
	u64_stats_t		rx_no_port;
	u64_stats_t		rx_no_memory;
	u64_stats_t		rx_alloc_fail;
	u64_stats_t		xdp_drop;
	u64_stats_t		xdp_redirect;
	u64_stats_t		xdp_errors;
	u64_stats_t		rx_flood_polls;
	u64			restarts;
	u64			lost_irqs;
};

/**
 * struct opi_qset - the queue pairs of a host function, or of the DPU function
 * @od:		the device whose admin queue makes them
 * @port:	port that they serve; 0: the device's own
 * @shared:	by the netdevs of all ports
 * @up:		they can be made and used; under rtnl
 * @first:	queue pair of the card that is number 0 of these
 * @size:	room in @qps and @stats
 * @max_qps:	that this card and all before it have room for
 * @qps:	running queue pairs; changed under rtnl, read by RCU
 * @stats:	their counters, which outlive them
 * @cfg:	how they are made; under rtnl
 * @coal:	how long completions wait; under rtnl
 * @rss:	how received frames are spread over them; under rtnl
 * @xdp_prog:	looks at received frames first; changed under rtnl, read by RCU
 * @users:	open netdevs; under rtnl
 * @failed:	queue pairs of which a half has failed, a bit each
 * @napi_dev:	owner of NAPI
 */
struct opi_qset {
	struct opi_dev		*od;
	u16			port;
	bool			shared;
	bool			up;
	unsigned int		first;
	unsigned int		size;
	unsigned int		max_qps;
	struct opi_qp __rcu	**qps;
	struct opi_qp_stats	*stats;
	struct opi_qp_config	cfg;
	struct opi_coalesce	coal;
	struct opi_rss		rss;
	struct bpf_prog __rcu	*xdp_prog;
	unsigned int		users;
	unsigned long		failed[OPI_QP_HALVES][BITS_TO_LONGS(OPI_MAX_QPS)];
	struct net_device	*napi_dev;
};

/* How the memory behind a send descriptor was mapped. */
enum opi_tx_map {
	OPI_TX_SINGLE,
	OPI_TX_PAGE,
	OPI_TX_POOL,		/* by the page pool, which keeps it so */
};

/* What a send descriptor points to; @skb or @xdpf in the last of a frame. */
struct opi_tx_buf {
	struct sk_buff		*skb;
	struct xdp_frame	*xdpf;
	dma_addr_t		dma;
	u32			len;
	enum opi_tx_map		map;
};

/**
 * struct opi_sq - sending half of a queue pair
 * @lock:	all that follows; taken in softirq and process context
 * @ring:	descriptors
 * @bufs:	what they point to
 * @mask:	entries - 1
 * @max_segs:	descriptors of the longest frame
 * @tail:	descriptors written, free-running
 * @posted:	@tail as the card has last been given it
 * @kicked:	@tail when the card's wish for a doorbell was last looked at
 * @clean:	descriptors whose memory was taken back, free-running
 * @armed:	the card notifies when it has used this descriptor
 * @stopped:	a netdev waits for room
 * @netdev:	owner of the queue if it is not shared, for byte queue limits
 * @ring_dma:	bus address of @ring
 */
struct opi_sq {
	spinlock_t		lock;	/* all that follows */
	struct opi_txd		*ring;
	struct opi_tx_buf	*bufs;
	u32			mask;
	u32			max_segs;
	u32			tail;
	u32			posted;
	u32			kicked;
	u32			clean;
	u32			armed;
	bool			stopped;
	struct net_device	*netdev;
	dma_addr_t		ring_dma;
};

/**
 * struct opi_rq - receiving half of a queue pair; NAPI's but for @starved and
 * the two words of coalescing
 * @ring:	buffer descriptors
 * @pages:	the buffers; one that stays in its place is posted again
 * @cq:		completions
 * @pool:	where the buffers come from
 * @skb:	frame of which some buffers have come
 * @first:	first completion of that frame
 * @drop:	the rest of this frame is dropped
 * @mask:	entries - 1, of @ring and @cq
 * @headroom:	in front of the data of a buffer
 * @buf_len:	room for data in a buffer
 * @tail:	buffers posted, free-running
 * @kicked:	@tail when the card's wish for a doorbell was last looked at
 * @next:	completions consumed, free-running; each used one buffer
 * @starved:	no memory for buffers: try again
 * @usecs:	how long completions may wait
 * @frames:	how many may wait
 * @usecs_given: what the card knows of @usecs
 * @xdp_rxq:	what XDP has to know
 * @ring_dma:	bus address of @ring
 * @cq_dma:	bus address of @cq
 */
struct opi_rq {
	struct opi_rxd		*ring;
	struct page		**pages;
	struct opi_cqe		*cq;
	struct page_pool	*pool;
	struct sk_buff		*skb;
	struct opi_cqe		first;
	bool			drop;
	u32			mask;
	u32			headroom;
	u32			buf_len;
	u32			tail;
	u32			kicked;
	u32			next;
	bool			starved;
	u16			usecs;
	u16			frames;
	u16			usecs_given;
	struct xdp_rxq_info	xdp_rxq;
	dma_addr_t		ring_dma;
	dma_addr_t		cq_dma;
};

/**
 * struct opi_qp - a queue pair
 * @od:		the device
 * @qs:		whose it is
 * @id:		queue pair, as the card knows it
 * @index:	which of @qs it is, and queue of its netdevs
 * @eq:		event queue of its notifications
 * @broken:	the card broke the rules or said so: not used until made anew
 * @seen_work:	opi_qps_poke() saw work that NAPI had not seen
 * @seen_next:	rq->next then
 * @seen_clean:	sq->clean then
 * @seen_sent:	sq_head then
 * @tx_stalled:	how often it had not moved, with something to send
 * @shadow:	index words, shared with the card
 * @shadow_dma:	bus address of @shadow
 * @stats:	counters
 * @napi:	polls both halves
 * @poll_work:	schedules @napi under a flood
 * @flood:	receiving takes much of a processor's time
 * @window:	when that was last looked at (local_clock())
 * @busy:	time spent receiving since then, ns
 * @events:	notifications
 * @dim:	state of DIM
 * @sq:		sending half
 * @rq:		receiving half
 * @dead:	entry in od->dead_qps
 */
struct opi_qp {
	struct opi_dev		*od;
	struct opi_qset		*qs;
	unsigned int		id;
	unsigned int		index;
	unsigned int		eq;
	bool			broken;
	bool			seen_work;
	u32			seen_next;
	u32			seen_clean;
	u32			seen_sent;
	unsigned int		tx_stalled;
	struct opi_qp_shadow	*shadow;
	dma_addr_t		shadow_dma;
	struct opi_qp_stats	*stats;
	struct napi_struct	napi;
	struct work_struct	poll_work;
	bool			flood;
	u64			window;
	u64			busy;
	u16			events;
	struct dim		dim;
	struct opi_sq		sq ____cacheline_aligned_in_smp;
	struct opi_rq		rq ____cacheline_aligned_in_smp;
	struct list_head	dead;
};

static inline void opi_stat_inc(struct u64_stats_sync *sync, u64_stats_t *stat)
{
	u64_stats_update_begin(sync);
	u64_stats_inc(stat);
	u64_stats_update_end(sync);
}

/* ---- qp.c -------------------------------------------------------------- */

int opi_qp_init(void);
void opi_qp_exit(void);
int opi_qs_init(struct opi_qset *qs, unsigned int first, unsigned int size);
void opi_qs_exit(struct opi_qset *qs);
void opi_qps_defaults(struct opi_qset *qs);
int opi_qps_limit(struct opi_qset *qs);
int opi_qps_get(struct opi_qset *qs);
void opi_qps_put(struct opi_qset *qs);
int opi_qps_start(struct opi_qset *qs);
void opi_qps_stop(struct opi_qset *qs);
int opi_qps_reconfigure(struct opi_qset *qs, const struct opi_qp_config *cfg,
			struct netlink_ext_ack *extack);
void opi_qps_free_dead(struct opi_dev *od);
int opi_qp_restart(struct opi_qset *qs, unsigned int index);
void opi_qps_restart(struct opi_qset *qs);
void opi_qps_flush(struct opi_qset *qs);
void opi_qps_poke(struct opi_dev *od);
bool opi_qp_event(struct opi_dev *od, unsigned int id);
void opi_qp_error(struct opi_dev *od, unsigned int id, enum opi_qp_half half);
void opi_qp_broken(struct opi_qp *qp, enum opi_qp_half half);

/* ---- tx.c -------------------------------------------------------------- */

netdev_tx_t opi_tx_xmit(struct opi_qset *qs, struct sk_buff *skb,
			struct net_device *netdev, u32 port);
netdev_features_t opi_tx_features_check(struct sk_buff *skb,
					struct net_device *netdev,
					netdev_features_t features);
bool opi_tx_poll(struct opi_qp *qp, int budget);
void opi_tx_wake(struct opi_qp *qp);
void opi_tx_excuse(struct opi_qp *qp);
void opi_tx_free(struct opi_qp *qp);
void opi_tx_bury(struct opi_qp *qp);
int opi_tx_xdp(struct opi_qp *qp, struct xdp_frame *xdpf, enum opi_tx_map map);
void opi_tx_xdp_flush(struct opi_qp *qp);

/* ---- rx.c -------------------------------------------------------------- */

bool opi_rx_ready(const struct opi_rq *rq);
void opi_rx_fill(struct opi_qp *qp, gfp_t gfp);
int opi_rx_poll(struct opi_qp *qp, int budget);
void opi_rx_free(struct opi_qp *qp);

/* ---- xdp.c ------------------------------------------------------------- */

/* Or'ed into what opi_xdp_flush() has to do at the end of a poll. */
#define OPI_XDP_TX		0x01
#define OPI_XDP_REDIRECT	0x02

bool opi_xdp_run(struct opi_qp *qp, struct bpf_prog *prog,
		 struct xdp_buff *xdp, unsigned int *todo);
void opi_xdp_flush(struct opi_qp *qp, unsigned int todo);
int opi_xdp_xmit(struct net_device *netdev, int n, struct xdp_frame **frames,
		 u32 flags);
int opi_xdp_bpf(struct net_device *netdev, struct netdev_bpf *bpf);

/* ---- coalesce.c -------------------------------------------------------- */

void opi_coal_init(struct opi_qp *qp);
void opi_coal_stop(struct opi_qp *qp);
void opi_coal_sample(struct opi_qp *qp);
int opi_coal_get(struct net_device *netdev, struct ethtool_coalesce *coal,
		 struct kernel_ethtool_coalesce *kernel_coal,
		 struct netlink_ext_ack *extack);
int opi_coal_set(struct net_device *netdev, struct ethtool_coalesce *coal,
		 struct kernel_ethtool_coalesce *kernel_coal,
		 struct netlink_ext_ack *extack);

/* ---- rss.c ------------------------------------------------------------- */

void opi_rss_init(struct opi_qset *qs);
int opi_rss_apply(struct opi_qset *qs);
void opi_rss_fit(struct opi_qset *qs);
u32 opi_rss_key_size(struct net_device *netdev);
u32 opi_rss_table_size(struct net_device *netdev);
int opi_rss_get(struct net_device *netdev, struct ethtool_rxfh_param *rxfh);
int opi_rss_set(struct net_device *netdev, struct ethtool_rxfh_param *rxfh,
		struct netlink_ext_ack *extack);
int opi_rss_get_fields(struct net_device *netdev,
		       struct ethtool_rxfh_fields *fields);
int opi_rss_set_fields(struct net_device *netdev,
		       const struct ethtool_rxfh_fields *fields,
		       struct netlink_ext_ack *extack);

/* ---- stats.c ----------------------------------------------------------- */

extern const struct netdev_stat_ops opi_stat_ops;

void opi_get_stats64(struct net_device *netdev,
		     struct rtnl_link_stats64 *stats);

/* ---- rep.c ------------------------------------------------------------- */

struct net_device *opi_rep_demux(struct opi_dev *od, u32 port);

#endif /* _OPI_TXRX_H */
