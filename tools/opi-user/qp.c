// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * Queue pair 0: frames.  A frame to send is one segment, and a frame that comes is in
 * one buffer, which the MTU sees to.
 */
#include <errno.h>
#include <string.h>

#include "dev.h"

#define QP	0
#define LOOK_MS	200

/**
 * qp_alloc - memory for a queue pair
 * @d:		the function, started
 *
 * What somebody has put into d->qp stays.
 */
int qp_alloc(struct dev *d)
{
	struct dev_qp *qp = &d->qp;
	struct {
		struct dma	*mem;
		size_t		size;
	} parts[] = {
		{ &qp->sq,	sizeof(struct opi_txd) << DEV_RING_ORDER },
		{ &qp->rq,	sizeof(struct opi_rxd) << DEV_RING_ORDER },
		{ &qp->cq,	sizeof(struct opi_cqe) << DEV_RING_ORDER },
		{ &qp->shadow,	sizeof(struct opi_qp_shadow) },
		{ &qp->rx,	DEV_BUF << DEV_RING_ORDER },
		{ &qp->tx,	DEV_BUF << DEV_RING_ORDER },
	};
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!parts[i].mem->va && !parts[i].mem->iova)
			err = dev_alloc(d, parts[i].mem, parts[i].size);
	return err;
}

static int create(struct dev *d, unsigned int n, const struct dma *sq,
		  const struct dma *rq, const struct dma *cq,
		  const struct dma *shadow)
{
	struct opi_cmd cmd = {};

	cmd.u.qp.sq = htole64(sq->iova);
	cmd.u.qp.rq = htole64(rq->iova);
	cmd.u.qp.cq = htole64(cq->iova);
	cmd.u.qp.shadow = htole64(shadow->iova);
	cmd.u.qp.sq_order = DEV_RING_ORDER;
	cmd.u.qp.rq_order = DEV_RING_ORDER;
	cmd.u.qp.cq_order = DEV_RING_ORDER;
	cmd.u.qp.eq = htole16((uint16_t)(d->n_eqs - 1));
	return dev_cmd(d, OPI_CMD_QP_CREATE, n, &cmd, NULL, 0);
}

/**
 * qp_create - tell the card of the queue pair
 * @d:		the function, started; memory is there
 */
int qp_create(struct dev *d)
{
	struct dev_qp *qp = &d->qp;

	return create(d, QP, &qp->sq, &qp->rq, &qp->cq, &qp->shadow);
}

/* Give a buffer to the card, whose number is that of its place. */
static void post(struct dev *d)
{
	struct opi_qp_shadow *shadow = d->qp.shadow.va;
	struct dev_qp *qp = &d->qp;
	uint32_t place = qp->rq_tail & (DEV_RING - 1);

	((struct opi_rxd *)qp->rq.va)[place] = (struct opi_rxd){
		.addr	= htole64(qp->rx.iova + place * DEV_BUF),
		.len	= htole32(DEV_BUF),
		.id	= htole16((uint16_t)place),
	};
	qp->rq_tail++;
	__atomic_store_n(&shadow->rq_tail, htole32(qp->rq_tail), __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (OPI_NEED_EVENT(le32toh(__atomic_load_n(&shadow->rq_kick, __ATOMIC_RELAXED)),
			   qp->rq_tail, qp->rq_tail - 1))
		dev_ring(d, QP + 1, OPI_DB_RQ_TAIL, qp->rq_tail);
}

/**
 * qp_up - take the function's end of the port up
 * @d:		the function with its queue pair
 *
 * It receives what is for its own address, and broadcasts.
 */
int qp_up(struct dev *d)
{
	struct opi_cmd mtu = {}, up = {};
	struct opi_rx_config rx = {};
	uint32_t port = le32toh(d->id.port);
	int err;

	err = dev_give(d, OPI_CMD_PORT_SET_RX, port, &rx, sizeof(rx));
	mtu.u.mtu.mtu = htole32(DEV_MTU);
	if (!err)
		err = dev_cmd(d, OPI_CMD_PORT_SET_MTU, port, &mtu, NULL, 0);
	up.u.state.up = 1;
	if (!err)
		err = dev_cmd(d, OPI_CMD_PORT_SET_STATE, port, &up, NULL, 0);
	return err;
}

/**
 * qp_start - all of it
 * @d:		the function, started
 */
int qp_start(struct dev *d)
{
	unsigned int i;
	int err;

	err = qp_alloc(d);
	if (!err)
		err = qp_create(d);
	if (err)
		return err;
	for (i = 0; i < DEV_RING; i++)
		post(d);
	return qp_up(d);
}

/**
 * qp_spare - tell the card of one more queue pair, which is not used
 * @d:		the function, started
 * @n:		its number, not 0
 *
 * It is only something that a migration has to move.
 */
int qp_spare(struct dev *d, unsigned int n)
{
	struct dma sq, rq, cq, shadow;
	int err;

	err = dev_alloc(d, &sq, sizeof(struct opi_txd) << DEV_RING_ORDER);
	if (!err)
		err = dev_alloc(d, &rq, sizeof(struct opi_rxd) << DEV_RING_ORDER);
	if (!err)
		err = dev_alloc(d, &cq, sizeof(struct opi_cqe) << DEV_RING_ORDER);
	if (!err)
		err = dev_alloc(d, &shadow, sizeof(struct opi_qp_shadow));
	return err ? err : create(d, n, &sq, &rq, &cq, &shadow);
}

/* What ends a wait for the queue pair, besides what is waited for. */
static int check(struct dev *d)
{
	int err = dev_health(d);

	if (err)
		return err;
	if (d->qp.error)
		return -EFAULT;
	/* Somebody else has reset the function. */
	return dev_rd(d, OPI_REG_AQ_STATUS) & OPI_AQ_STATUS_ENABLED ?
	       0 : -ECONNRESET;
}

static uint32_t sq_used(struct dev *d)
{
	struct opi_qp_shadow *shadow = d->qp.shadow.va;

	return d->qp.sq_tail -
	       le32toh(__atomic_load_n(&shadow->sq_head, __ATOMIC_ACQUIRE));
}

/* Wait for a place in the send ring. */
static int wait_room(struct dev *d, int ms)
{
	struct opi_qp_shadow *shadow = d->qp.shadow.va;
	int64_t end = dev_now() + ms;
	int err;

	while (sq_used(d) >= DEV_RING) {
		__atomic_store_n(&shadow->sq_arm,
				 htole32(d->qp.sq_tail - DEV_RING), __ATOMIC_RELEASE);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (sq_used(d) < DEV_RING)
			break;
		err = check(d);
		if (!err)
			err = dev_wait(d, LOOK_MS);
		if (err < 0)
			return err;
		if (dev_now() > end)
			return -ETIMEDOUT;
	}
	return 0;
}

/**
 * qp_put - put a frame into the send ring
 * @d:		the function with its queue pair
 * @frame:	the frame
 * @len:	its length
 * @ms:		how long to wait for room
 *
 * The card is told by qp_push() of all that was put there, at the latest when the
 * ring is full.
 *
 * Return: 0; -ETIMEDOUT; -EFAULT if the card has stopped the queue pair;
 * -ECONNRESET if somebody has reset the function; or as dev_cmd(), dev_wait().
 */
int qp_put(struct dev *d, const void *frame, size_t len, int ms)
{
	struct dev_qp *qp = &d->qp;
	uint32_t place = qp->sq_tail & (DEV_RING - 1);
	int err;

	if (len > DEV_BUF)
		return -E2BIG;
	if (sq_used(d) >= DEV_RING) {
		qp_push(d);
		err = wait_room(d, ms);
		if (err)
			return err;
	}
	if (qp->tx.va)
		memcpy((uint8_t *)qp->tx.va + place * DEV_BUF, frame, len);
	((struct opi_txd *)qp->sq.va)[place] = (struct opi_txd){
		.addr	= htole64(qp->tx.iova + place * DEV_BUF),
		.len	= htole32((uint32_t)len),
		.flags	= htole16(OPI_TXD_F_SOP | OPI_TXD_F_EOP),
		.nsegs	= 1,
	};
	qp->sq_tail++;
	return 0;
}

/**
 * qp_push - tell the card of what was put into the send ring
 * @d:		the function with its queue pair
 */
void qp_push(struct dev *d)
{
	struct opi_qp_shadow *shadow = d->qp.shadow.va;
	struct dev_qp *qp = &d->qp;
	uint32_t old = qp->sq_told;

	if (old == qp->sq_tail)
		return;
	qp->sq_told = qp->sq_tail;
	__atomic_store_n(&shadow->sq_tail, htole32(qp->sq_tail), __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (OPI_NEED_EVENT(le32toh(__atomic_load_n(&shadow->sq_kick, __ATOMIC_RELAXED)),
			   qp->sq_tail, old))
		dev_ring(d, QP + 1, OPI_DB_SQ_TAIL, qp->sq_tail);
}

/**
 * qp_send - send a frame
 * @d:		the function with its queue pair
 * @frame:	the frame
 * @len:	its length
 * @ms:		how long to wait for room
 *
 * Return: as qp_put().
 */
int qp_send(struct dev *d, const void *frame, size_t len, int ms)
{
	int err = qp_put(d, frame, len, ms);

	if (!err)
		qp_push(d);
	return err;
}

/* Is there a completion? */
static struct opi_cqe *next_cqe(struct dev *d)
{
	struct dev_qp *qp = &d->qp;
	struct opi_cqe *cqe = (struct opi_cqe *)qp->cq.va +
			      (qp->cq_head & (DEV_RING - 1));
	uint16_t phase = ~(qp->cq_head >> DEV_RING_ORDER) & 1;

	return (le16toh(__atomic_load_n(&cqe->phase, __ATOMIC_ACQUIRE)) & 1) == phase ?
	       cqe : NULL;
}

/* Take a completion: bytes copied, or 0 if it is no whole frame. */
static int take(struct dev *d, const struct opi_cqe *cqe, void *frame,
		size_t size)
{
	const uint16_t whole = OPI_CQE_F_SOP | OPI_CQE_F_EOP;
	struct opi_qp_shadow *shadow = d->qp.shadow.va;
	uint32_t len = le32toh(cqe->len);
	uint16_t flags = le16toh(cqe->flags), id = le16toh(cqe->id);

	if ((flags & whole) != whole || id >= DEV_RING || len > DEV_BUF)
		len = 0;
	if (len > size)
		len = (uint32_t)size;
	memcpy(frame, (uint8_t *)d->qp.rx.va + id % DEV_RING * DEV_BUF, len);
	d->qp.cq_head++;
	__atomic_store_n(&shadow->cq_head, htole32(d->qp.cq_head), __ATOMIC_RELEASE);
	/* Buffers come back in the order in which they were given. */
	post(d);
	return (int)len;
}

/**
 * qp_recv - receive a frame
 * @d:		the function with its queue pair
 * @frame:	gets it
 * @size:	room
 * @ms:		how long to wait
 *
 * Return: its length; 0 if none came; otherwise as qp_send().
 */
int qp_recv(struct dev *d, void *frame, size_t size, int ms)
{
	struct opi_qp_shadow *shadow = d->qp.shadow.va;
	int64_t end = dev_now() + ms, left;
	struct opi_cqe *cqe;
	int ret;

	for (;;) {
		cqe = next_cqe(d);
		if (cqe) {
			ret = take(d, cqe, frame, size);
			if (ret)
				return ret;
			continue;
		}
		/* Nothing there: ask to be told, then look once more. */
		__atomic_store_n(&shadow->cq_arm, htole32(d->qp.cq_head), __ATOMIC_RELEASE);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (next_cqe(d))
			continue;
		ret = check(d);
		if (ret)
			return ret;
		left = end - dev_now();
		if (left <= 0)
			return 0;
		/* Now and then look whether the function is well. */
		ret = dev_wait(d, left < LOOK_MS ? (int)left : LOOK_MS);
		if (ret < 0)
			return ret;
	}
}
