/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The admin queue: commands to the card and their completions.  One function
 * for each command of the interface; none of them is told what the answer is
 * used for.  Registers are in hw.c, the interrupt in irq.c.
 */
#ifndef _OPI_CMDQ_H
#define _OPI_CMDQ_H

#include <linux/completion.h>
#include <linux/ktime.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/opi_pci.h>

struct opi_dev;

#define OPI_AQ_ORDER		4
#define OPI_AQ_SLOTS		BIT(OPI_AQ_ORDER)
#define OPI_AQ_LOG		32

/**
 * enum opi_aq_slot_state - of a command context
 * @OPI_SLOT_FREE:	can be taken
 * @OPI_SLOT_BUSY:	a caller waits for its completion
 * @OPI_SLOT_DONE:	completed or given up by opi_aq_stop(); the caller has
 *			yet to take the answer
 * @OPI_SLOT_LOST:	timed out; the card may still write to its buffer, so it
 *			is not used until the card was reset
 */
enum opi_aq_slot_state {
	OPI_SLOT_FREE,
	OPI_SLOT_BUSY,
	OPI_SLOT_DONE,
	OPI_SLOT_LOST,
};

/**
 * struct opi_aq_slot - context of one outstanding command
 * @done:	completed when @state becomes DONE
 * @state:	enum opi_aq_slot_state, under aq->lock
 * @gen:	generation, the other half of the cookie; grows with each use
 * @err:	of the command, if it has no completion
 * @status:	of the completion, unchecked
 * @resp_len:	of the completion, unchecked
 * @result:	of the completion
 * @buf:	data buffer of OPI_CMD_BUF_MAX bytes, the slot's own for ever
 * @buf_dma:	its bus address
 */
struct opi_aq_slot {
	struct completion	done;
	enum opi_aq_slot_state	state;
	u16			gen;
	int			err;
	u16			status;
	u16			resp_len;
	u32			result;
	void			*buf;
	dma_addr_t		buf_dma;
};

/* A finished command, for the health reporter's dump. */
struct opi_aq_log {
	u16	opcode;
	u32	target;
	int	err;
	u32	usecs;
};

/* What the admin queue has seen; under aq->lock. */
struct opi_aq_stats {
	u64	commands;	/* submitted */
	u64	refused;	/* completed with a status other than OK */
	u64	timeouts;
	u64	spurious;	/* completions that fit no waiting command */
	u64	lost_irqs;	/* completions that were found without interrupt */
	u64	starts;
};

/**
 * struct opi_aq - the admin queue
 * @lock:	everything below; taken in hard interrupts
 * @running:	commands are accepted
 * @order:	log2 of the entries in use, at most OPI_AQ_ORDER
 * @sq:		submission ring
 * @cq:		completion ring
 * @sq_dma:	bus address of @sq
 * @cq_dma:	bus address of @cq
 * @bufs:	data buffers of all slots
 * @bufs_dma:	bus address of @bufs
 * @tail:	commands posted, free-running
 * @head:	completions consumed, free-running
 * @callers:	tasks between taking and giving back a slot
 * @wait:	for a free slot, and for @callers to become 0
 * @slots:	command contexts
 * @stats:	counters
 * @log:	the last commands
 * @log_next:	free-running index of the next entry of @log
 */
struct opi_aq {
	spinlock_t		lock;	/* all that follows */
	bool			running;
	u8			order;
	struct opi_cmd		*sq;
	struct opi_cmd_cpl	*cq;
	dma_addr_t		sq_dma;
	dma_addr_t		cq_dma;
	void			*bufs;
	dma_addr_t		bufs_dma;
	u32			tail;
	u32			head;
	unsigned int		callers;
	wait_queue_head_t	wait;
	struct opi_aq_slot	slots[OPI_AQ_SLOTS];
	struct opi_aq_stats	stats;
	struct opi_aq_log	log[OPI_AQ_LOG];
	u32			log_next;
};

int opi_aq_init(struct opi_dev *od);
void opi_aq_exit(struct opi_dev *od);
int opi_aq_start(struct opi_dev *od);
void opi_aq_stop(struct opi_dev *od);
bool opi_aq_irq(struct opi_dev *od);
unsigned int opi_aq_slots(struct opi_dev *od, enum opi_aq_slot_state state);

int opi_cmd_nop(struct opi_dev *od);
int opi_cmd_identify(struct opi_dev *od, struct opi_identify *id);
int opi_cmd_eq_create(struct opi_dev *od, u32 id, dma_addr_t ring,
		      dma_addr_t shadow, u8 order, u16 vector);
int opi_cmd_qp_create(struct opi_dev *od, u32 id, const struct opi_cmd *qp);
int opi_cmd_qp_destroy(struct opi_dev *od, u32 id);
int opi_cmd_qp_query(struct opi_dev *od, u32 id, struct opi_qp_info *info);
int opi_cmd_rss_set(struct opi_dev *od, const struct opi_rss_config *rss);
int opi_cmd_port_list(struct opi_dev *od, u32 start, __le32 *ids,
		      unsigned int max);
int opi_cmd_port_get(struct opi_dev *od, u32 port, struct opi_port_info *info);
int opi_cmd_port_stats(struct opi_dev *od, u32 port,
		       struct opi_port_stats *stats);
int opi_cmd_port_set_state(struct opi_dev *od, u32 port, bool up);
int opi_cmd_port_set_mtu(struct opi_dev *od, u32 port, u32 mtu);
int opi_cmd_port_set_mac(struct opi_dev *od, u32 port, const u8 *mac);
int opi_cmd_port_set_rx(struct opi_dev *od, u32 port,
			const struct opi_rx_config *rx);
int opi_cmd_func_list(struct opi_dev *od, u32 start, __le32 *ids,
		      unsigned int max);
int opi_cmd_func_get(struct opi_dev *od, u32 func, struct opi_func_info *info);
int opi_cmd_func_create(struct opi_dev *od, u16 controller, u16 pf, u32 sf,
			u32 *func);
int opi_cmd_func_destroy(struct opi_dev *od, u32 func);
int opi_cmd_func_set(struct opi_dev *od, u32 func, const struct opi_cmd *set);
int opi_cmd_func_expose(struct opi_dev *od, u32 func);
int opi_cmd_func_withdraw(struct opi_dev *od, u32 func);
int opi_cmd_func_attach(struct opi_dev *od, u32 func, bool up);
int opi_cmd_port_set_police(struct opi_dev *od, u32 port, u8 kind, u8 unit,
			    u64 rate, u32 burst);
int opi_cmd_rate_create(struct opi_dev *od, u32 node);
int opi_cmd_rate_destroy(struct opi_dev *od, u32 node);
int opi_cmd_rate_set(struct opi_dev *od, u32 target,
		     const struct opi_cmd *rate);
int opi_cmd_mig_get(struct opi_dev *od, u32 vf, struct opi_mig_info *info);
int opi_cmd_mig_set(struct opi_dev *od, u32 vf, u8 state);
int opi_cmd_mig_save(struct opi_dev *od, u32 vf, u64 offset, void *buf,
		     size_t size);
int opi_cmd_mig_load(struct opi_dev *od, u32 vf, u64 offset, const void *buf,
		     size_t size);
int opi_cmd_mig_set_key(struct opi_dev *od, const struct opi_mig_key *key);
int opi_cmd_dirty_start(struct opi_dev *od, u32 vf,
			const struct opi_dirty_config *config, size_t size,
			u32 *order);
int opi_cmd_dirty_stop(struct opi_dev *od, u32 vf);
int opi_cmd_dirty_report(struct opi_dev *od, u32 vf, u64 iova, u32 pages,
			 u8 order, void *bits);
int opi_cmd_boot_set(struct opi_dev *od, u8 os_status);

#endif /* _OPI_CMDQ_H */
