// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * Function, admin queue and event queues.  What the card writes is read once, and
 * checked before it is used: it may be as faulty as a process.
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "dev.h"

#define MEM_SIZE	(1UL << 20)
/* Anywhere but where x86 has its interrupt messages, 0xfee00000. */
#define MEM_IOVA	0x10000000UL
#define MEM_ALIGN	4096

#define MAX_TIMEOUT	60000
#define MIN_TIMEOUT	100

int dev_stop;

/**
 * dev_now - what time is it?
 *
 * Return: milliseconds since some time.
 */
int64_t dev_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static void nap(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

/**
 * dev_rd - read a register
 * @d:		the function
 * @reg:	OPI_REG_*
 *
 * Return: its value; all-ones if the function is gone.
 */
uint32_t dev_rd(struct dev *d, unsigned int reg)
{
	uint32_t *at = (uint32_t *)(d->regs + reg);

	return le32toh(__atomic_load_n(at, __ATOMIC_RELAXED));
}

/**
 * dev_wr - write a register
 * @d:		the function
 * @reg:	OPI_REG_*
 * @val:	value
 */
void dev_wr(struct dev *d, unsigned int reg, uint32_t val)
{
	uint32_t *at = (uint32_t *)(d->regs + reg);

	__atomic_store_n(at, htole32(val), __ATOMIC_RELAXED);
}

/**
 * dev_ring - ring a doorbell
 * @d:		the function
 * @page:	0: admin queue, n + 1: queue pair n
 * @reg:	OPI_DB_*
 * @val:	the tail
 */
void dev_ring(struct dev *d, unsigned int page, unsigned int reg, uint32_t val)
{
	size_t at = ((size_t)page << d->db_shift) + reg;

	if (at + sizeof(val) > d->db_size)
		return;
	/* What was written to memory is there before the card looks. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n((uint32_t *)(d->db + at), htole32(val), __ATOMIC_RELAXED);
}

/**
 * dev_alloc - take memory that the function can reach
 * @d:		the function
 * @mem:	gets it; it is zero, and whole pages
 * @size:	bytes
 *
 * All of it is free again after dev_reset().
 */
int dev_alloc(struct dev *d, struct dma *mem, size_t size)
{
	size = (size + MEM_ALIGN - 1) & ~(size_t)(MEM_ALIGN - 1);
	if (size > d->mem_size - d->mem_used)
		return -ENOMEM;
	mem->va = (uint8_t *)d->mem.va + d->mem_used;
	mem->iova = d->mem.iova + d->mem_used;
	d->mem_used += size;
	memset(mem->va, 0, size);
	return 0;
}

static int open_bars(struct dev *d)
{
	size_t size;

	d->regs = vfio_map_bar(&d->vfio, OPI_BAR_REGS, &size);
	if (!d->regs || size < OPI_BAR_REGS_SIZE)
		return -ENXIO;
	d->db = vfio_map_bar(&d->vfio, OPI_BAR_DOORBELLS, &d->db_size);
	return d->db ? 0 : -ENXIO;
}

static int open_mem(struct dev *d)
{
	d->mem_size = MEM_SIZE;
	d->mem.iova = MEM_IOVA;
	d->mem.va = mmap(NULL, MEM_SIZE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	return d->mem.va == MAP_FAILED ? -ENOMEM : 0;
}

static int open_eventfds(struct dev *d)
{
	unsigned int i;

	for (i = 0; i <= DEV_EQS; i++) {
		d->eventfds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (d->eventfds[i] < 0)
			return -errno;
	}
	return 0;
}

/* The memory is there. */
static int open_function(struct dev *d, const char *bdf, bool cdev)
{
	int err;

	err = open_eventfds(d);
	if (!err)
		err = vfio_open(&d->vfio, bdf, cdev);
	if (err)
		return err;
	err = open_bars(d);
	if (!err)
		err = vfio_map(&d->vfio, d->mem.va, d->mem.iova, d->mem_size);
	if (!err)
		err = vfio_request_eventfd(&d->vfio, d->eventfds[DEV_EQS]);
	if (err)
		vfio_close(&d->vfio);
	return err;
}

/**
 * dev_open - have a function of a card
 * @d:		gets it
 * @bdf:	its address
 * @cdev:	by its character device
 */
int dev_open(struct dev *d, const char *bdf, bool cdev)
{
	int err;

	*d = (struct dev){};
	err = open_mem(d);
	return err ? err : open_function(d, bdf, cdev);
}

/**
 * dev_open_beside - have a second function, which reaches the first one's memory
 * @d:		gets it
 * @bdf:	its address
 * @cdev:	by its character device
 * @other:	the first function
 */
int dev_open_beside(struct dev *d, const char *bdf, bool cdev, struct dev *other)
{
	*d = (struct dev){ .mem = other->mem, .mem_size = other->mem_size };
	return open_function(d, bdf, cdev);
}

/**
 * dev_adopt - a function has been moved here: go on where it was
 * @d:		the function where it is now, not RUNNING yet
 * @other:	the function where it was
 *
 * What migration does not bring is here: configuration space and interrupts.  Who the
 * function is can be asked when it is RUNNING: dev_identify().
 */
int dev_adopt(struct dev *d, const struct dev *other)
{
	int err;

	d->timeout = other->timeout;
	d->db_shift = other->db_shift;
	d->n_eqs = other->n_eqs;
	d->mem_used = other->mem_used;
	d->aq = other->aq;
	memcpy(d->eqs, other->eqs, sizeof(d->eqs));
	d->qp = other->qp;
	err = vfio_bus_master(&d->vfio);
	return err ? err : vfio_msix(&d->vfio, d->eventfds, d->n_eqs);
}

/**
 * dev_close - let it go; the kernel resets it
 * @d:		the function
 */
void dev_close(struct dev *d)
{
	vfio_close(&d->vfio);
}

/**
 * dev_health - does the function have service?
 * @d:		the function
 *
 * Return: 0; -ENXIO if it is gone, -ENODEV if the DPU or the card withholds it,
 * -EIO if the card has stopped it (the register HEALTH says why).
 */
int dev_health(struct dev *d)
{
	uint32_t status = dev_rd(d, OPI_REG_DEV_STATUS);

	if (status == UINT32_MAX)
		return -ENXIO;
	if (status & OPI_DEV_STATUS_FATAL)
		return -EIO;
	return status & OPI_DEV_STATUS_READY ? 0 : -ENODEV;
}

/* "Reset of a function". */
static int reset_handshake(struct dev *d)
{
	uint32_t status = dev_rd(d, OPI_REG_DEV_STATUS), token;
	int64_t end;

	if (status == UINT32_MAX)
		return -ENXIO;
	d->timeout = dev_rd(d, OPI_REG_TIMEOUT);
	if (d->timeout < MIN_TIMEOUT)
		d->timeout = MIN_TIMEOUT;
	if (d->timeout > MAX_TIMEOUT)
		d->timeout = MAX_TIMEOUT;

	/* Never 0, which other resets leave. */
	token = ((status >> OPI_DEV_STATUS_TOKEN_SHIFT) + 1) & 0xffff;
	if (!token)
		token = 1;
	dev_wr(d, OPI_REG_DEV_CTRL,
	       OPI_DEV_CTRL_RESET | token << OPI_DEV_CTRL_TOKEN_SHIFT);
	for (end = dev_now() + d->timeout; dev_now() < end; nap()) {
		status = dev_rd(d, OPI_REG_DEV_STATUS);
		if (status == UINT32_MAX)
			return -ENXIO;
		if (status >> OPI_DEV_STATUS_TOKEN_SHIFT == token &&
		    status & OPI_DEV_STATUS_READY)
			return 0;
	}
	/* A function that the DPU withholds answers, and is not READY. */
	return status & OPI_DEV_STATUS_READY ? -ETIMEDOUT : -ENODEV;
}

static int check_limits(struct dev *d)
{
	uint32_t role = dev_rd(d, OPI_REG_ROLE) & OPI_ROLE_ROLE_MASK;
	uint32_t lim0 = dev_rd(d, OPI_REG_LIMITS0);
	uint32_t lim1 = dev_rd(d, OPI_REG_LIMITS1);

	if (dev_rd(d, OPI_REG_MAGIC) != OPI_MAGIC ||
	    dev_rd(d, OPI_REG_VERSION) >> 16 != OPI_IFACE_MAJOR ||
	    (role != OPI_ROLE_HOST_VF && role != OPI_ROLE_HOST_PF)) {
		warnx("this is no host function of a card of version %u",
		      OPI_IFACE_MAJOR);
		return -EPROTO;
	}
	d->db_shift = lim1 >> OPI_LIMITS1_DB_ORDER_SHIFT & 0xff;
	d->n_eqs = lim0 >> OPI_LIMITS0_EQS_SHIFT;
	if (d->n_eqs > DEV_EQS)
		d->n_eqs = DEV_EQS;
	if (!d->n_eqs || !(lim0 & OPI_LIMITS0_QPS_MASK) || d->db_shift > 30 ||
	    (lim1 & OPI_LIMITS1_AQ_ORDER_MASK) < DEV_AQ_ORDER ||
	    (lim1 >> OPI_LIMITS1_RING_ORDER_SHIFT & 0xff) < DEV_RING_ORDER) {
		warnx("the card offers too little: limits %#x %#x", lim0, lim1);
		return -EPROTO;
	}
	return 0;
}

/**
 * dev_reset - reset the function, and forget what it was given
 * @d:		the function
 *
 * The card does no DMA for it then.
 */
int dev_reset(struct dev *d)
{
	int err = reset_handshake(d);

	if (err)
		return err;
	d->mem_used = 0;
	memset(&d->aq, 0, sizeof(d->aq));
	memset(d->eqs, 0, sizeof(d->eqs));
	memset(&d->qp, 0, sizeof(d->qp));
	return check_limits(d);
}

/**
 * dev_aq_start - let the function reach memory, and give it an admin queue
 * @d:		the function, reset
 */
int dev_aq_start(struct dev *d)
{
	int err;

	err = vfio_bus_master(&d->vfio);
	if (!err)
		err = vfio_msix(&d->vfio, d->eventfds, d->n_eqs);
	if (!err && !d->aq.sq.va)
		err = dev_alloc(d, &d->aq.sq,
				sizeof(struct opi_cmd) << DEV_AQ_ORDER);
	if (!err && !d->aq.cq.va)
		err = dev_alloc(d, &d->aq.cq,
				sizeof(struct opi_cmd_cpl) << DEV_AQ_ORDER);
	if (!err && !d->aq.buf.va)
		err = dev_alloc(d, &d->aq.buf, OPI_CMD_BUF_MAX);
	if (err)
		return err;

	dev_wr(d, OPI_REG_AQ_SQ_LO, (uint32_t)d->aq.sq.iova);
	dev_wr(d, OPI_REG_AQ_SQ_HI, (uint32_t)(d->aq.sq.iova >> 32));
	dev_wr(d, OPI_REG_AQ_CQ_LO, (uint32_t)d->aq.cq.iova);
	dev_wr(d, OPI_REG_AQ_CQ_HI, (uint32_t)(d->aq.cq.iova >> 32));
	dev_wr(d, OPI_REG_AQ_CTRL, OPI_AQ_CTRL_ENABLE |
	       DEV_AQ_ORDER << OPI_AQ_CTRL_ORDER_SHIFT);
	return dev_rd(d, OPI_REG_AQ_STATUS) & OPI_AQ_STATUS_ENABLED ? 0 : -EIO;
}

/* Interrupts are counted, and tell to look. */
static void take_eventfds(struct dev *d)
{
	unsigned int i;
	uint64_t n;

	for (i = 0; i <= DEV_EQS; i++) {
		if (read(d->eventfds[i], &n, sizeof(n)) != sizeof(n))
			continue;
		if (i < DEV_EQS)
			d->irqs[i] += n;
		else
			d->wanted = true;
	}
}

static void take_event(struct dev *d, const struct opi_eqe *ev)
{
	switch (ev->type) {
	case OPI_EV_QP_ERROR:
		if (!le16toh(ev->queue))
			d->qp.error = ev->sub;
		break;
	case OPI_EV_LINK:
		if (ev->sub)
			d->port.flags |= OPI_PORT_F_CARRIER;
		else
			d->port.flags &= ~OPI_PORT_F_CARRIER;
		break;
	default:
		/* Notifications say "look", which is done anyway. */
		break;
	}
}

/* Take what is in an event queue; at most a ring at a time. */
static void take_events(struct dev *d, struct dev_eq *eq)
{
	struct opi_eq_shadow *shadow = eq->shadow.va;
	unsigned int budget = 1U << DEV_EQ_ORDER;
	struct opi_eqe *ring = eq->ring.va, *ev;
	uint32_t phase;

	if (!shadow)
		return;
	do {
		ev = &ring[eq->head & ((1U << DEV_EQ_ORDER) - 1)];
		phase = ~(eq->head >> DEV_EQ_ORDER) & 1;
		if ((le32toh(__atomic_load_n(&ev->phase, __ATOMIC_ACQUIRE)) & 1) == phase) {
			take_event(d, ev);
			eq->head++;
			continue;
		}
		if (le32toh(shadow->arm) == eq->head)
			break;
		/* Nothing left: ask to be told, then look once more. */
		__atomic_store_n(&shadow->head, htole32(eq->head), __ATOMIC_RELEASE);
		__atomic_store_n(&shadow->arm, htole32(eq->head), __ATOMIC_RELEASE);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	} while (budget--);
}

/**
 * dev_wait - wait for an interrupt, and take the events
 * @d:		the function
 * @ms:		how long at most
 *
 * Return: 1 if there was one, 0 if not; -EINTR after a signal; -ECANCELED if the
 * kernel wants the function back.
 */
int dev_wait(struct dev *d, int ms)
{
	struct pollfd fds[DEV_EQS + 1];
	unsigned int i;
	int n;

	for (i = 0; i <= DEV_EQS; i++)
		fds[i] = (struct pollfd){ d->eventfds[i], POLLIN, 0 };
	n = poll(fds, DEV_EQS + 1, ms);
	if (n < 0 && errno != EINTR)
		return -errno;
	if (__atomic_load_n(&dev_stop, __ATOMIC_RELAXED))
		return -EINTR;
	take_eventfds(d);
	for (i = 0; i < DEV_EQS; i++)
		take_events(d, &d->eqs[i]);
	if (d->wanted)
		return -ECANCELED;
	return n > 0;
}

static const struct {
	uint16_t	status;
	int		err;
	const char	*name;		/* for a debugger */
} statuses[] = {
#define OPI_X(name, code, err)	{ code, -(err), #name },
	OPI_STATUS_TABLE(OPI_X)
#undef OPI_X
};

static int status_errno(uint16_t status)
{
	size_t i;

	for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (statuses[i].status == status)
			return statuses[i].err;
	return -EIO;
}

/* Post a command, and wait for its completion. */
static int run(struct dev *d, struct opi_cmd *cmd, uint16_t *resp_len)
{
	struct dev_aq *aq = &d->aq;
	unsigned int mask = (1U << DEV_AQ_ORDER) - 1;
	struct opi_cmd_cpl *cpl =
		(struct opi_cmd_cpl *)aq->cq.va + (aq->head & mask);
	uint32_t phase = ~(aq->head >> DEV_AQ_ORDER) & 1;
	int64_t end = dev_now() + d->timeout;
	int err;

	cmd->cookie = htole32(aq->tail);
	((struct opi_cmd *)aq->sq.va)[aq->tail & mask] = *cmd;
	aq->tail++;
	dev_ring(d, 0, OPI_DB_AQ_TAIL, aq->tail);

	while ((le16toh(__atomic_load_n(&cpl->phase, __ATOMIC_ACQUIRE)) & 1) != phase) {
		err = dev_health(d);
		if (err)
			return err;
		if (dev_now() > end)
			return -ETIMEDOUT;
		/* An interrupt that got lost costs a moment. */
		err = dev_wait(d, 100);
		if (err < 0 && err != -ECANCELED)
			return err;
	}
	aq->head++;
	/* One at a time, so there is no other that it could be for. */
	if (le32toh(cpl->cookie) != aq->tail - 1)
		return -EPROTO;
	*resp_len = le16toh(cpl->resp_len);
	return status_errno(le16toh(cpl->status));
}

/**
 * dev_cmd - give a command and wait for its end
 * @d:		the function
 * @opcode:	OPI_CMD_*
 * @target:	what it is about
 * @cmd:	its parameters; NULL: none
 * @resp:	gets what the card writes, then zeroes; NULL: it writes nothing
 * @size:	bytes of @resp
 *
 * Return: 0 or the errno of the card's status, -ENXIO, -ENODEV, -EIO (dev_health()),
 * -ETIMEDOUT: only dev_reset() helps then.
 */
int dev_cmd(struct dev *d, uint16_t opcode, uint32_t target,
	    struct opi_cmd *cmd, void *resp, size_t size)
{
	struct opi_cmd none = {};
	uint16_t len = 0;
	int err;

	if (size > OPI_CMD_BUF_MAX)
		return -E2BIG;
	if (!cmd)
		cmd = &none;
	cmd->opcode = htole16(opcode);
	cmd->target = htole32(target);
	if (resp) {
		cmd->buf = htole64(d->aq.buf.iova);
		cmd->buf_len = htole32((uint32_t)size);
	}
	err = run(d, cmd, &len);
	if (err || !resp)
		return err;
	memset(resp, 0, size);
	memcpy(resp, d->aq.buf.va, len < size ? len : size);
	return 0;
}

/**
 * dev_give - give a command that takes a structure
 * @d:		the function
 * @opcode:	OPI_CMD_*
 * @target:	what it is about
 * @req:	the structure
 * @size:	bytes of it
 *
 * Return: as dev_cmd().
 */
int dev_give(struct dev *d, uint16_t opcode, uint32_t target, const void *req,
	     size_t size)
{
	struct opi_cmd cmd = {
		.opcode	 = htole16(opcode),
		.target	 = htole32(target),
		.buf	 = htole64(d->aq.buf.iova),
		.buf_len = htole32((uint32_t)size),
	};
	uint16_t len;

	if (size > OPI_CMD_BUF_MAX)
		return -E2BIG;
	memcpy(d->aq.buf.va, req, size);
	return run(d, &cmd, &len);
}

/**
 * dev_eq_create - make an event queue, with the vector of its number
 * @d:		the function
 * @n:		its number
 */
int dev_eq_create(struct dev *d, unsigned int n)
{
	struct dev_eq *eq = &d->eqs[n];
	struct opi_cmd cmd = {};
	int err = 0;

	if (!eq->ring.va)
		err = dev_alloc(d, &eq->ring,
				sizeof(struct opi_eqe) << DEV_EQ_ORDER);
	if (!err && !eq->shadow.va)
		err = dev_alloc(d, &eq->shadow, sizeof(struct opi_eq_shadow));
	if (err)
		return err;
	cmd.u.eq.ring = htole64(eq->ring.iova);
	cmd.u.eq.shadow = htole64(eq->shadow.iova);
	cmd.u.eq.order = DEV_EQ_ORDER;
	cmd.u.eq.vector = htole16((uint16_t)n);
	return dev_cmd(d, OPI_CMD_EQ_CREATE, n, &cmd, NULL, 0);
}

/**
 * dev_identify - ask the function who it is
 * @d:		the function, whose admin queue runs
 *
 * One that was moved here has other ids, and its port another number.
 */
int dev_identify(struct dev *d)
{
	int err;

	err = dev_cmd(d, OPI_CMD_IDENTIFY, 0, NULL, &d->id, sizeof(d->id));
	return err ? err : dev_cmd(d, OPI_CMD_PORT_GET, le32toh(d->id.port),
				   NULL, &d->port, sizeof(d->port));
}

/**
 * dev_start - reset the function and set up everything but queue pairs
 * @d:		the function
 */
int dev_start(struct dev *d)
{
	unsigned int i;
	int err;

	err = dev_reset(d);
	if (!err)
		err = dev_aq_start(d);
	if (!err)
		err = dev_identify(d);
	for (i = 0; !err && i < d->n_eqs; i++)
		err = dev_eq_create(d, i);
	return err;
}
