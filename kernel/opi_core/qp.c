// SPDX-License-Identifier: GPL-2.0
/*
 * Queue pairs: memory, beginning and end, NAPI (interface, "Queue pairs").  What
 * goes through them is in tx.c, rx.c and xdp.c; which netdev a frame belongs to
 * on the DPU is decided in rep.c; what a netdev is, and when it is open, in
 * netdev.c.
 *
 * A queue pair that breaks the rules of the interface, or of which the card says
 * that it has stopped, is not looked at any more and made anew by a health reporter.
 * Its memory is freed only when the card has confirmed that it is done with it;
 * failing that, when the function has been reset.
 */
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <net/page_pool/helpers.h>

#include "compat.h"
#include "opi_core.h"
#include "txrx.h"

/*
 * Seconds in which a card sends nothing of what is there.  The stack's watchdog
 * needs at most two of its periods and goes first, but sees only full queues.
 */
#define OPI_TX_STALL	12

/*
 * A flood: receiving takes more than a third of a processor's time, looked at after
 * so long (ns), and until it takes less than an eighth.
 */
#define OPI_FLOOD_WINDOW	(4 * NSEC_PER_MSEC)
#define OPI_FLOOD_BEGINS	3
#define OPI_FLOOD_ENDS		8
/* What completions wait for then, unless somebody has set that. */
#define OPI_FLOOD_USECS		500
#define OPI_FLOOD_FRAMES	32

static struct workqueue_struct *opi_poll_wq;

/**
 * opi_qp_broken - look at a queue pair no more, and have it made anew
 * @qp:		the queue pair
 * @half:	which half is to blame
 *
 * Context: any.
 */
void opi_qp_broken(struct opi_qp *qp, enum opi_qp_half half)
{
	if (qp->broken)
		return;
	WRITE_ONCE(qp->broken, true);
	opi_dev_queue_qp(qp->qs, qp->index, half);
}

/**
 * opi_qp_error - the card says that a queue pair has stopped
 * @od:		the device
 * @id:		queue pair, as the card says
 * @half:	which half is to blame
 *
 * Context: any.
 */
void opi_qp_error(struct opi_dev *od, unsigned int id, enum opi_qp_half half)
{
	struct opi_qp *qp;

	rcu_read_lock();
	qp = xa_load(&od->qps, id);
	if (qp)
		opi_dev_queue_qp(qp->qs, qp->index, half);
	rcu_read_unlock();
}

/* ---- NAPI -------------------------------------------------------------- */

/*
 * Ask to be told of the next completions: the one after @rq->frames - 1 others,
 * or what there is after @rq->usecs.  True if there are some already.
 */
static bool opi_rx_arm(struct opi_qp *qp)
{
	struct opi_rq *rq = &qp->rq;
	u16 usecs = READ_ONCE(rq->usecs);
	u32 frames = READ_ONCE(rq->frames);

	/* The two may be of different settings; waiting for ever is not one. */
	if (!usecs)
		frames = 1;
	if (READ_ONCE(qp->flood) && !usecs) {
		usecs = OPI_FLOOD_USECS;
		frames = OPI_FLOOD_FRAMES;
	}
	/* Nor is it one of a card that cannot end it by time. */
	if (!(READ_ONCE(qp->od->caps) & OPI_CAP_COALESCE)) {
		usecs = 0;
		frames = 1;
	}
	if (usecs != rq->usecs_given) {
		WRITE_ONCE(qp->shadow->cq_usecs, cpu_to_le32(usecs));
		rq->usecs_given = usecs;
	}
	WRITE_ONCE(qp->shadow->cq_arm, cpu_to_le32(rq->next + frames - 1));
	/* Armed before we look for what came before that. */
	mb();
	return opi_rx_ready(rq);
}

/* Do not ask: an index that the card has passed. */
static void opi_rx_disarm(struct opi_qp *qp)
{
	WRITE_ONCE(qp->shadow->cq_arm,
		   cpu_to_le32(READ_ONCE(qp->rq.next) - 1));
}

static void opi_poll_work(struct work_struct *work)
{
	struct opi_qp *qp = container_of(work, struct opi_qp, poll_work);

	local_bh_disable();
	napi_schedule(&qp->napi);
	local_bh_enable();
}

/*
 * Softirqs come before all programs, so under a flood that takes a processor's time
 * to bring in, the program that should read it would get none, and its socket drop
 * nearly all.  A worker polls then, which has to share; what it does not come to is
 * lost in the ring, where it costs nothing.
 */
static void opi_qp_schedule(struct opi_qp *qp)
{
	if (READ_ONCE(qp->flood))
		queue_work(opi_poll_wq, &qp->poll_work);
	else
		napi_schedule(&qp->napi);
}

/*
 * Is it a flood, now that what was begun at @start is received?  Who has the netdev
 * polled by threads has what a worker would do.
 */
static bool opi_poll_flood(struct opi_qp *qp, u64 start)
{
	u64 now = local_clock();
	u64 window = now - qp->window;
	u64 busy = qp->busy += now - start;

	if (window < OPI_FLOOD_WINDOW)
		return qp->flood;
	qp->window = now;
	qp->busy = 0;
	if (test_bit(NAPI_STATE_THREADED, &qp->napi.state))
		return false;
	return busy * (qp->flood ? OPI_FLOOD_ENDS : OPI_FLOOD_BEGINS) > window;
}

static int opi_poll(struct napi_struct *napi, int budget)
{
	struct opi_qp *qp = container_of(napi, struct opi_qp, napi);
	struct opi_rq *rq = &qp->rq;
	bool more = false;
	int done = 0;

	/* netpoll sends, and no more. */
	if (!budget) {
		if (likely(!READ_ONCE(qp->broken)))
			opi_tx_poll(qp, budget);
		return 0;
	}

	if (likely(!READ_ONCE(qp->broken))) {
		u32 next = rq->next;
		u64 start;

		more = opi_tx_poll(qp, budget);
		/* A program that sends waits for what the other half does. */
		start = local_clock();
		done = opi_rx_poll(qp, budget);
		/* A ring of parts of frames is work for one poll. */
		more |= rq->next - next > rq->mask || done == budget;
		more &= !qp->broken;
		WRITE_ONCE(qp->flood, opi_poll_flood(qp, start));
	}
	if (qp->flood)
		opi_stat_inc(&qp->stats->rx_sync, &qp->stats->rx_flood_polls);
	/* The worker looks whether others want the processor. */
	if (more && !qp->flood)
		return budget;

	/*
	 * What NAPI's owner writes comes before it is given up: another processor
	 * may poll then, and the queue pair go.  Events meanwhile are not missed.
	 */
	done = min(done, budget - 1);
	if (!qp->broken) {
		if (READ_ONCE(qp->qs->coal.adaptive))
			opi_coal_sample(qp);
		more = more || opi_rx_arm(qp);
	}
	if (!napi_complete_done(napi, done)) {
		/* Polled again, at once or by a timer, without being told to. */
		if (!qp->broken)
			opi_rx_disarm(qp);
	} else if (more && !qp->broken) {
		opi_qp_schedule(qp);
	}
	return done;
}

/* ---- Memory ------------------------------------------------------------ */

static void opi_qp_free(struct opi_qp *qp)
{
	struct device *dev = &qp->od->pdev->dev;
	struct opi_sq *sq = &qp->sq;
	struct opi_rq *rq = &qp->rq;

	if (sq->bufs)
		opi_tx_free(qp);
	kvfree(sq->bufs);
	if (sq->ring)
		dma_free_coherent(dev, (sq->mask + 1) * sizeof(*sq->ring),
				  sq->ring, sq->ring_dma);

	if (rq->pool) {
		opi_rx_free(qp);
		page_pool_destroy(rq->pool);
	}
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

static struct page_pool *opi_rq_pool(struct opi_qp *qp, bool xdp)
{
	struct device *dev = &qp->od->pdev->dev;
	struct opi_rq *rq = &qp->rq;
	struct page_pool_params params = {
		.flags		= PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV,
		.pool_size	= rq->mask + 1,
		.nid		= dev_to_node(dev),
		.dev		= dev,
		.napi		= &qp->napi,
		/* XDP_TX sends out of the same buffers. */
		.dma_dir	= xdp ? DMA_BIDIRECTIONAL : DMA_FROM_DEVICE,
		.max_len	= rq->buf_len,
		.offset		= rq->headroom,
		.netdev		= qp->sq.netdev,
		.queue_idx	= qp->index,
	};
	struct page_pool *pool = page_pool_create(&params);

	return IS_ERR(pool) ? NULL : pool;
}

static struct opi_qp *opi_qp_alloc(struct opi_qset *qs, unsigned int index,
				   const struct opi_qp_config *cfg)
{
	struct opi_dev *od = qs->od;
	struct device *dev = &od->pdev->dev;
	struct opi_qp *qp;
	struct opi_sq *sq;
	struct opi_rq *rq;

	qp = kzalloc_node(sizeof(*qp), GFP_KERNEL, dev_to_node(dev));
	if (!qp)
		return NULL;
	sq = &qp->sq;
	rq = &qp->rq;

	qp->od = od;
	qp->qs = qs;
	qp->index = index;
	qp->id = qs->first + index;
	qp->stats = &qs->stats[index];
	/* Vector 0 has enough to do, if there is another. */
	qp->eq = od->n_eqs > 1 ? 1 + qp->id % (od->n_eqs - 1) : 0;
	spin_lock_init(&sq->lock);
	sq->mask = BIT(cfg->sq_order) - 1;
	sq->max_segs = min3(od->max_segs, MAX_SKB_FRAGS + 1U, sq->mask);
	rq->mask = BIT(cfg->rq_order) - 1;
	rq->headroom = cfg->xdp ? XDP_PACKET_HEADROOM : OPI_RX_HEADROOM;
	rq->buf_len = OPI_RX_BUF(rq->headroom);
	if (!qs->shared)
		sq->netdev = qs->napi_dev;
	opi_coal_init(qp);
	INIT_WORK(&qp->poll_work, opi_poll_work);

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

	/* Before the pool, which wants a NAPI that is disabled. */
	netif_napi_add(qs->napi_dev, &qp->napi, opi_poll);
	netif_napi_set_irq(&qp->napi, od->eqs[qp->eq].irq);
	rq->pool = opi_rq_pool(qp, cfg->xdp);
	if (!rq->pool)
		goto err_napi;
	return qp;

err_napi:
	netif_napi_del(&qp->napi);
err_free:
	opi_qp_free(qp);
	return NULL;
}

/* ---- Beginning and end ------------------------------------------------- */

/* What the stack is told of a queue pair that is not shared. */
static int opi_qp_attach(struct opi_qp *qp)
{
	struct net_device *netdev = qp->sq.netdev;
	struct opi_rq *rq = &qp->rq;
	int err;

	if (!netdev)
		return 0;

	err = xdp_rxq_info_reg(&rq->xdp_rxq, netdev, qp->index,
			       qp->napi.napi_id);
	if (err)
		return err;
	err = xdp_rxq_info_reg_mem_model(&rq->xdp_rxq, MEM_TYPE_PAGE_POOL,
					 rq->pool);
	if (err) {
		xdp_rxq_info_unreg(&rq->xdp_rxq);
		return err;
	}
	netif_queue_set_napi(netdev, qp->index, NETDEV_QUEUE_TYPE_RX,
			     &qp->napi);
	netif_queue_set_napi(netdev, qp->index, NETDEV_QUEUE_TYPE_TX,
			     &qp->napi);
	return 0;
}

static void opi_qp_detach(struct opi_qp *qp)
{
	struct net_device *netdev = qp->sq.netdev;

	if (!netdev)
		return;
	netif_queue_set_napi(netdev, qp->index, NETDEV_QUEUE_TYPE_TX, NULL);
	netif_queue_set_napi(netdev, qp->index, NETDEV_QUEUE_TYPE_RX, NULL);
	xdp_rxq_info_unreg(&qp->rq.xdp_rxq);
}

/* Look at it no more; the memory stays.  Nobody finds it any more. */
static void opi_qp_disable(struct opi_qp *qp)
{
	napi_disable(&qp->napi);
	opi_coal_stop(qp);
	opi_qp_detach(qp);
	page_pool_disable_direct_recycling(qp->rq.pool);
	netif_napi_del(&qp->napi);
	/* Now that the last poll, which may have queued it, has ended. */
	cancel_work_sync(&qp->poll_work);
	if (qp->sq.netdev)
		netdev_tx_reset_queue(netdev_get_tx_queue(qp->sq.netdev,
							  qp->index));
}

/*
 * The card may still read and write the memory of a disabled queue pair: keep
 * it until the function was reset.  Nobody shall wait for the frames, though.
 */
static void opi_qp_bury(struct opi_qp *qp)
{
	opi_tx_bury(qp);
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

/* Free what was allocated and never given to the card. */
static void opi_qp_discard(struct opi_qp *qp)
{
	netif_napi_del(&qp->napi);
	opi_qp_free(qp);
}

/* Give an allocated queue pair to the card; takes it over in any event. */
static int opi_qp_run(struct opi_qp *qp)
{
	struct opi_dev *od = qp->od;
	struct opi_cmd cmd = {};
	int err;

	cmd.u.qp.sq = cpu_to_le64(qp->sq.ring_dma);
	cmd.u.qp.rq = cpu_to_le64(qp->rq.ring_dma);
	cmd.u.qp.cq = cpu_to_le64(qp->rq.cq_dma);
	cmd.u.qp.shadow = cpu_to_le64(qp->shadow_dma);
	cmd.u.qp.sq_order = ilog2(qp->sq.mask + 1);
	cmd.u.qp.rq_order = ilog2(qp->rq.mask + 1);
	cmd.u.qp.cq_order = ilog2(qp->rq.mask + 1);
	cmd.u.qp.eq = cpu_to_le16(qp->eq);
	cmd.u.qp.port = cpu_to_le16(qp->qs->port);

	err = opi_qp_attach(qp);
	if (err) {
		opi_qp_discard(qp);
		return err;
	}
	/* Until NAPI is enabled, being found does nothing. */
	err = xa_insert(&od->qps, qp->id, qp, GFP_KERNEL);
	if (err) {
		opi_qp_detach(qp);
		opi_qp_discard(qp);
		return err;
	}
	err = opi_cmd_qp_create(od, qp->id, &cmd);
	if (err) {
		xa_erase(&od->qps, qp->id);
		synchronize_net();
		opi_qp_detach(qp);
		netif_napi_del(&qp->napi);
		/* Unless the card said no, it may have made it. */
		if (err == -ETIMEDOUT || opi_no_service(err))
			opi_qp_bury(qp);
		else
			opi_qp_free(qp);
		return err;
	}

	opi_rx_fill(qp, GFP_KERNEL);
	napi_enable(&qp->napi);
	rcu_assign_pointer(qp->qs->qps[qp->index], qp);
	opi_tx_wake(qp);

	/* What was told before NAPI could hear it. */
	local_bh_disable();
	napi_schedule(&qp->napi);
	local_bh_enable();
	return 0;
}

static int opi_qp_create(struct opi_qset *qs, unsigned int index)
{
	struct opi_qp *qp = opi_qp_alloc(qs, index, &qs->cfg);

	return qp ? opi_qp_run(qp) : -ENOMEM;
}

/* No one finds a queue pair any more, once RCU readers are gone. */
static struct opi_qp *opi_qp_hide(struct opi_qset *qs, unsigned int index)
{
	struct opi_qp *qp = rcu_replace_pointer(qs->qps[index], NULL,
						lockdep_rtnl_is_held());

	if (qp)
		xa_erase(&qs->od->qps, qp->id);
	return qp;
}

/**
 * opi_qps_start - make the queue pairs, if a netdev is open
 * @qs:		the queue pairs of a function; the admin queue runs
 *
 * Context: rtnl held, may sleep.
 * Return: 0 or a negative errno; then there are none.
 */
int opi_qps_start(struct opi_qset *qs)
{
	unsigned int i;
	int err = 0;

	ASSERT_RTNL();
	if (!qs->users)
		return 0;

	for (i = 0; i < qs->cfg.n_qps && !err; i++)
		err = opi_qp_create(qs, i);
	if (!err)
		err = opi_rss_apply(qs);
	if (err)
		opi_qps_stop(qs);
	return err;
}

/**
 * opi_qps_stop - end the queue pairs
 * @qs:		the queue pairs of a function, in whatever state
 *
 * Context: rtnl held, may sleep.
 */
void opi_qps_stop(struct opi_qset *qs)
{
	struct opi_qp *qps[OPI_MAX_QPS];
	bool found = false;
	unsigned int i;
	int err = 0;

	ASSERT_RTNL();
	for (i = 0; i < qs->size; i++) {
		qps[i] = opi_qp_hide(qs, i);
		found |= !!qps[i];
	}
	if (!found)
		return;
	/* No one sends to them, and no interrupt schedules them. */
	synchronize_net();
	for (i = 0; i < qs->size; i++) {
		if (!qps[i])
			continue;
		/* A card that does not answer is not asked once for each. */
		if (opi_no_answer(err)) {
			opi_qp_disable(qps[i]);
			opi_qp_bury(qps[i]);
		} else {
			err = opi_qp_destroy(qps[i]);
		}
	}
}

/**
 * opi_qps_get - a netdev is opened
 * @qs:		the queue pairs of a function, in whatever state
 *
 * The first one makes the queue pairs.  While the device has no service this
 * is put off until it has.
 *
 * Context: rtnl held, may sleep.
 * Return: 0 or a negative errno; then the netdev does not count as a user.
 */
int opi_qps_get(struct opi_qset *qs)
{
	int err = 0;

	ASSERT_RTNL();
	if (!qs->users++ && qs->up)
		err = opi_qps_start(qs);
	if (opi_no_service(err)) {
		/* If it is not ending already, see to it that it is brought back. */
		opi_dev_queue_reset(qs->od);
		return 0;
	}
	if (err)
		qs->users--;
	return err;
}

/**
 * opi_qps_put - a netdev is closed
 * @qs:		the queue pairs of a function, in whatever state
 *
 * Context: rtnl held, may sleep.
 */
void opi_qps_put(struct opi_qset *qs)
{
	ASSERT_RTNL();
	if (!--qs->users)
		opi_qps_stop(qs);
}

/* ---- Other numbers and sizes ------------------------------------------- */

/* Nobody sends while there are no queue pairs, and nothing is dropped. */
static void opi_qps_pause(struct opi_qset *qs)
{
	struct opi_port *port;
	unsigned long id;

	xa_for_each(&qs->od->ports, id, port)
		if (port->qs == qs && netif_running(port->netdev))
			netif_tx_disable(port->netdev);
}

static void opi_qps_resume(struct opi_qset *qs)
{
	struct opi_port *port;
	unsigned long id;

	xa_for_each(&qs->od->ports, id, port)
		if (port->qs == qs && netif_running(port->netdev))
			netif_tx_wake_all_queues(port->netdev);
}

/* Have the stack and the card know of qs->cfg. */
static int opi_qps_configure(struct opi_qset *qs, bool xdp_changed)
{
	struct opi_port *port;
	unsigned long id;
	int err;

	opi_rss_fit(qs);
	xa_for_each(&qs->od->ports, id, port) {
		if (port->qs != qs)
			continue;
		err = opi_netdev_set_queues(port->netdev);
		if (err)
			return err;
		if (xdp_changed && qs->up && netif_running(port->netdev)) {
			err = opi_port_set_rx(port);
			if (err)
				return err;
		}
	}
	return 0;
}

/**
 * opi_qps_limit - have no more queue pairs than the card has room for
 * @qs:		the queue pairs of a function, none running; the card's limits are
 *		known
 *
 * The first time this chooses how many there are: as many as CPUs.
 *
 * Context: rtnl not held, may sleep.
 * Return: 0 or a negative errno.
 */
int opi_qps_limit(struct opi_qset *qs)
{
	struct opi_qp_config *cfg = &qs->cfg;
	int err;

	rtnl_lock();
	cfg->n_qps = min(cfg->n_qps ?: num_online_cpus(), qs->max_qps);
	cfg->sq_order = min(cfg->sq_order, qs->od->max_order);
	cfg->rq_order = min(cfg->rq_order, qs->od->max_order);
	err = opi_qps_configure(qs, false);
	rtnl_unlock();
	return err;
}

/**
 * opi_qps_reconfigure - other queue pairs
 * @qs:		the queue pairs of a function, in whatever state
 * @cfg:	how they shall be, checked
 * @extack:	gets the reason of a failure
 *
 * Memory is allocated first; if the card refuses then, there are queue pairs as
 * there were before.  Without service the new ones are made when there is.
 *
 * Context: rtnl held, may sleep.
 * Return: 0 or a negative errno; nothing has changed then.
 */
int opi_qps_reconfigure(struct opi_qset *qs, const struct opi_qp_config *cfg,
			struct netlink_ext_ack *extack)
{
	bool running = qs->up && qs->users, xdp = cfg->xdp != qs->cfg.xdp;
	struct opi_qp_config old = qs->cfg;
	struct opi_qp **fresh;
	int err = 0, back;
	unsigned int i;

	ASSERT_RTNL();

	fresh = kcalloc(cfg->n_qps, sizeof(*fresh), GFP_KERNEL);
	for (i = 0; fresh && running && i < cfg->n_qps; i++) {
		fresh[i] = opi_qp_alloc(qs, i, cfg);
		if (!fresh[i])
			break;
	}
	if (!fresh || (running && i < cfg->n_qps)) {
		NL_SET_ERR_MSG_MOD(extack, "no memory for the rings");
		err = -ENOMEM;
		goto out_free;
	}

	if (running) {
		opi_qps_pause(qs);
		opi_qps_stop(qs);
	}
	qs->cfg = *cfg;
	err = opi_qps_configure(qs, xdp);
	for (i = 0; running && i < cfg->n_qps && !err; i++) {
		err = opi_qp_run(fresh[i]);
		fresh[i] = NULL;
	}
	if (running && !err)
		err = opi_rss_apply(qs);

	if (opi_no_service(err)) {
		/* Part of its going; if it does not go, it is brought back. */
		opi_dev_queue_reset(qs->od);
		err = 0;
	}
	if (err) {
		NL_SET_ERR_MSG_MOD(extack,
				   "the queue pairs do not start; they are as before");
		opi_qps_stop(qs);
		qs->cfg = old;
		back = opi_qps_configure(qs, xdp);
		if (!back && running)
			back = opi_qps_start(qs);
		/* Not because of a function that the DPU has taken away. */
		if (back && back != -ENOENT)
			opi_dev_queue_reset(qs->od);
	}
	if (running)
		opi_qps_resume(qs);

out_free:
	for (i = 0; fresh && i < cfg->n_qps; i++)
		if (fresh[i])
			opi_qp_discard(fresh[i]);
	kfree(fresh);
	return err;
}

/* ---- When something goes wrong ----------------------------------------- */

/**
 * opi_qps_free_dead - free what the card may have been using
 * @od:		the device, that has been reset or can do no DMA any more
 *
 * Context: rtnl held, may sleep.
 */
void opi_qps_free_dead(struct opi_dev *od)
{
	struct opi_qp *qp, *tmp;

	ASSERT_RTNL();
	list_for_each_entry_safe(qp, tmp, &od->dead_qps, dead) {
		list_del(&qp->dead);
		opi_qp_free(qp);
	}
}

/**
 * opi_qp_restart - make a queue pair anew
 * @qs:		the queue pairs of a function
 * @index:	which of them, below @qs->size
 *
 * If that fails, the whole device is reset.
 *
 * Context: rtnl held, may sleep.
 * Return: 0 or a negative errno.
 */
int opi_qp_restart(struct opi_qset *qs, unsigned int index)
{
	struct opi_qp *qp = rtnl_dereference(qs->qps[index]);
	int err;

	ASSERT_RTNL();
	if (!qs->up || !qp)
		return 0;

	qp->stats->restarts++;
	opi_qp_hide(qs, index);
	/* No one sends to it, and no interrupt schedules it. */
	synchronize_net();
	/* If it does not end, it cannot begin either. */
	err = opi_qp_destroy(qp);
	if (err)
		return err;
	/* What was still to be reported is over with it. */
	clear_bit(index, qs->failed[OPI_QP_TX]);
	clear_bit(index, qs->failed[OPI_QP_RX]);

	err = opi_qp_create(qs, index);
	if (err) {
		dev_warn(&qs->od->pdev->dev,
			 "queue pair %u does not start: %pe\n",
			 qs->first + index, ERR_PTR(err));
		opi_dev_queue_reset(qs->od);
	}
	return err;
}

/**
 * opi_qps_restart - make those queue pairs anew that have failed
 * @qs:		the queue pairs of a function
 *
 * Context: rtnl held, may sleep.
 */
void opi_qps_restart(struct opi_qset *qs)
{
	unsigned int i;

	for (i = 0; i < qs->size; i++)
		if (test_and_clear_bit(i, qs->failed[OPI_QP_TX]) |
		    test_and_clear_bit(i, qs->failed[OPI_QP_RX]))
			opi_qp_restart(qs, i);
}

/**
 * opi_qps_flush - wait until NAPI holds no frame that it had before
 * @qs:		the queue pairs of a function
 *
 * For a netdev that is about to go while others use the same queue pairs.
 *
 * Context: rtnl held, may sleep.
 */
void opi_qps_flush(struct opi_qset *qs)
{
	unsigned int i;

	ASSERT_RTNL();
	for (i = 0; i < qs->cfg.n_qps; i++) {
		struct opi_qp *qp = rtnl_dereference(qs->qps[i]);

		if (!qp)
			continue;
		napi_disable(&qp->napi);
		napi_enable(&qp->napi);
		local_bh_disable();
		napi_schedule(&qp->napi);
		local_bh_enable();
	}
}

/* Is there something to send, and nothing of it was sent since the last look? */
static bool opi_qp_tx_stands(struct opi_qp *qp, u32 sent)
{
	bool stands = sent == qp->seen_sent &&
		      sent != READ_ONCE(qp->sq.posted);

	if (!stands)
		qp->tx_stalled = 0;
	qp->seen_sent = sent;
	return stands;
}

/*
 * A queue stands still.  The card may know of its frames and let others go
 * first, or it has forgotten them; then it is reported, once for each time that
 * it hangs, since nothing else begins anew.
 */
static int opi_qp_ask_tx(struct opi_dev *od, unsigned int id)
{
	struct opi_qp_info info;
	struct opi_qp *qp;
	bool waits;
	int err;

	err = opi_cmd_qp_query(od, id, &info);
	waits = !err && le32_to_cpu(info.flags) & OPI_QP_F_WAITS;

	/* It may be another one by now, of which this is the first look. */
	rcu_read_lock_bh();
	qp = xa_load(&od->qps, id);
	if (qp && waits) {
		qp->tx_stalled = 0;
		opi_tx_excuse(qp);
	} else if (qp && ++qp->tx_stalled == OPI_TX_STALL) {
		opi_dev_queue_qp(qp->qs, qp->index, OPI_QP_TX);
	}
	rcu_read_unlock_bh();
	return err;
}

/* Look at one queue pair; true: it has frames to send and stands still. */
static bool opi_qp_poke(struct opi_qp *qp)
{
	u32 next = READ_ONCE(qp->rq.next);
	u32 clean = READ_ONCE(qp->sq.clean);
	u32 sent = le32_to_cpu(READ_ONCE(qp->shadow->sq_head));
	bool work, still;

	if (READ_ONCE(qp->broken))
		return false;

	work = opi_rx_ready(&qp->rq) || clean != sent;
	work &= !test_bit(NAPI_STATE_SCHED, &qp->napi.state) &&
		!work_busy(&qp->poll_work);
	still = qp->seen_work && qp->seen_next == next &&
		qp->seen_clean == clean;
	if (work && still)
		qp->stats->lost_irqs++;
	if ((work && still) || READ_ONCE(qp->rq.starved))
		napi_schedule(&qp->napi);
	qp->seen_work = work;
	qp->seen_next = next;
	qp->seen_clean = clean;
	return opi_qp_tx_stands(qp, sent);
}

/**
 * opi_qps_poke - look for work that no interrupt has told of
 * @od:		the device
 *
 * To be called each second: buffers for which there was no memory, and, if the
 * same work is there twice in a row, what the card did without a notification.
 * A card that does not send what is there is asked whether it shall, and reported
 * if it has forgotten it.
 *
 * Context: process, may sleep.
 */
void opi_qps_poke(struct opi_dev *od)
{
	unsigned long id = 0;
	struct opi_qp *qp;
	bool stands;

	for (;; id++) {
		rcu_read_lock_bh();
		qp = xa_find(&od->qps, &id, ULONG_MAX, XA_PRESENT);
		stands = qp && opi_qp_poke(qp);
		rcu_read_unlock_bh();
		if (!qp)
			break;
		/* A command sleeps; one that is not answered is the last. */
		if (stands && opi_no_answer(opi_qp_ask_tx(od, id)))
			break;
	}
}

/**
 * opi_qp_event - a notification of a queue pair
 * @od:		the device
 * @id:		queue pair, as the card says
 *
 * Context: any.
 * Return: whether there is such a queue pair.
 */
bool opi_qp_event(struct opi_dev *od, unsigned int id)
{
	struct opi_qp *qp;

	rcu_read_lock();
	qp = xa_load(&od->qps, id);
	if (qp) {
		qp->events++;
		opi_qp_schedule(qp);
	}
	rcu_read_unlock();
	return qp;
}

/**
 * opi_qps_defaults - forget what was set
 * @qs:		the queue pairs of a function, none of them running
 *
 * Context: rtnl held, or nobody else knows the device.
 */
void opi_qps_defaults(struct opi_qset *qs)
{
	qs->cfg.n_qps = 0;
	qs->cfg.sq_order = OPI_SQ_ORDER;
	qs->cfg.rq_order = OPI_RQ_ORDER;
	qs->coal = (struct opi_coalesce) { .frames = 1 };
	opi_rss_init(qs);
}

/**
 * opi_qs_init - allocate what outlives queue pairs
 * @qs:		the queue pairs of a function; all zero but for @od, @port and
 *		@shared
 * @first:	queue pair of the card that is the first of them
 * @size:	how many there can be, at most OPI_MAX_QPS
 *
 * Return: 0 or -ENOMEM; what was allocated then is freed by opi_qs_exit().
 */
int opi_qs_init(struct opi_qset *qs, unsigned int first, unsigned int size)
{
	unsigned int i;

	qs->first = first;
	qs->size = size;
	qs->max_qps = size;
	opi_qps_defaults(qs);

	qs->qps = kcalloc(size, sizeof(*qs->qps), GFP_KERNEL);
	qs->stats = kvcalloc(size, sizeof(*qs->stats), GFP_KERNEL);
	if (!qs->qps || !qs->stats)
		return -ENOMEM;
	for (i = 0; i < size; i++) {
		u64_stats_init(&qs->stats[i].tx_sync);
		u64_stats_init(&qs->stats[i].rx_sync);
	}

	if (qs->shared) {
		qs->napi_dev = alloc_netdev_dummy(0);
		if (!qs->napi_dev)
			return -ENOMEM;
	}
	return 0;
}

/**
 * opi_qs_exit - free what outlives queue pairs
 * @qs:		the queue pairs of a function; none are left, and no netdev
 */
void opi_qs_exit(struct opi_qset *qs)
{
	if (qs->shared && qs->napi_dev)
		free_netdev(qs->napi_dev);
	kvfree(qs->stats);
	kfree(qs->qps);
}

/**
 * opi_qp_init - what the queue pairs of all devices share
 *
 * Floods are polled by this queue, so its settings in sysfs (cpumask, nice) are
 * those of floods.  Memory may come back by what it polls.
 *
 * Return: 0 or -ENOMEM.
 */
int __init opi_qp_init(void)
{
	opi_poll_wq = alloc_workqueue("opi_poll", WQ_UNBOUND | WQ_MEM_RECLAIM |
				      WQ_SYSFS, 0);
	return opi_poll_wq ? 0 : -ENOMEM;
}

/**
 * opi_qp_exit - undo opi_qp_init(); no device is left
 */
void opi_qp_exit(void)
{
	destroy_workqueue(opi_poll_wq);
}
