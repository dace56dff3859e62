/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * A driver of the card's functions in a process: reset, admin queue, event queues
 * and one queue pair, as Documentation/device-interface.rst has them.  It uses two
 * vectors: 0 for commands and asynchronous events, 1 for the queue pair.
 *
 * Everything returns 0 (or what is said) or a negative errno.
 */
#ifndef OPI_USER_DEV_H
#define OPI_USER_DEV_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/opi_pci.h>

#include "vfio.h"

#define DEV_AQ_ORDER	4
#define DEV_EQ_ORDER	6
#define DEV_RING_ORDER	6
#define DEV_RING	(1U << DEV_RING_ORDER)
#define DEV_BUF		2048	/* bytes of a buffer; a frame is in one */
#define DEV_EQS		2
#define DEV_MTU		1500

/**
 * struct dma - memory that the function can reach
 * @va:		for us
 * @iova:	for the function
 */
struct dma {
	void		*va;
	uint64_t	iova;
};

struct dev_aq {
	struct dma	sq;
	struct dma	cq;
	struct dma	buf;
	uint32_t	tail;
	uint32_t	head;
};

struct dev_eq {
	struct dma	ring;
	struct dma	shadow;
	uint32_t	head;
};

/**
 * struct dev_qp - queue pair 0
 * @cq_head:	completions taken
 * @rq_tail:	receive buffers given
 * @sq_tail:	frames put into the ring
 * @sq_told:	of these, those that the card was told of
 * @error:	enum opi_qp_error; not NONE: the card has stopped it
 */
struct dev_qp {
	struct dma	sq;
	struct dma	rq;
	struct dma	cq;
	struct dma	shadow;
	struct dma	rx;
	struct dma	tx;
	uint32_t	cq_head;
	uint32_t	rq_tail;
	uint32_t	sq_tail;
	uint32_t	sq_told;
	uint8_t		error;
};

/**
 * struct dev - a function of a card
 * @vfio:	the way to it
 * @regs:	BAR 0
 * @db:		BAR 2
 * @db_size:	bytes of it
 * @db_shift:	log2 of a doorbell page
 * @timeout:	ms; longest time of a command or reset
 * @n_eqs:	event queues in use
 * @mem:	memory for everything that the function uses
 * @mem_size:	bytes of it
 * @mem_used:	bytes of it in use
 * @eventfds:	of the vectors, and of the kernel's request
 * @irqs:	interrupts of the vectors
 * @wanted:	the kernel wants the function back
 * @id:		answer to IDENTIFY
 * @port:	answer to PORT_GET
 */
struct dev {
	struct vfio		vfio;
	uint8_t			*regs;
	uint8_t			*db;
	size_t			db_size;
	unsigned int		db_shift;
	unsigned int		timeout;
	unsigned int		n_eqs;
	struct dma		mem;
	size_t			mem_size;
	size_t			mem_used;
	int			eventfds[DEV_EQS + 1];
	unsigned long		irqs[DEV_EQS];
	bool			wanted;
	struct dev_aq		aq;
	struct dev_eq		eqs[DEV_EQS];
	struct dev_qp		qp;
	struct opi_identify	id;
	struct opi_port_info	port;
};

/* Set by a signal: whatever waits returns -EINTR. */
extern int dev_stop;

/* ---- dev.c: function, admin queue, event queues ---- */

int dev_open(struct dev *d, const char *bdf, bool cdev);
int dev_open_beside(struct dev *d, const char *bdf, bool cdev, struct dev *other);
int dev_adopt(struct dev *d, const struct dev *other);
int dev_identify(struct dev *d);
void dev_close(struct dev *d);
int dev_reset(struct dev *d);
int dev_aq_start(struct dev *d);
int dev_start(struct dev *d);

int dev_alloc(struct dev *d, struct dma *mem, size_t size);
uint32_t dev_rd(struct dev *d, unsigned int reg);
void dev_wr(struct dev *d, unsigned int reg, uint32_t val);
void dev_ring(struct dev *d, unsigned int page, unsigned int reg, uint32_t val);

int dev_cmd(struct dev *d, uint16_t opcode, uint32_t target,
	    struct opi_cmd *cmd, void *resp, size_t size);
int dev_give(struct dev *d, uint16_t opcode, uint32_t target, const void *req,
	     size_t size);
int dev_eq_create(struct dev *d, unsigned int n);
int dev_health(struct dev *d);
int dev_wait(struct dev *d, int ms);
int64_t dev_now(void);

/* ---- qp.c: frames ---- */

int qp_alloc(struct dev *d);
int qp_create(struct dev *d);
int qp_start(struct dev *d);
int qp_up(struct dev *d);
int qp_spare(struct dev *d, unsigned int n);
int qp_put(struct dev *d, const void *frame, size_t len, int ms);
void qp_push(struct dev *d);
int qp_send(struct dev *d, const void *frame, size_t len, int ms);
int qp_recv(struct dev *d, void *frame, size_t size, int ms);

#endif /* OPI_USER_DEV_H */
