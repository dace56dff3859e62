// SPDX-License-Identifier: GPL-2.0
/*
 * The admin queue (interface, "Admin queue").
 *
 * A command takes a slot, and with it a data buffer that is the slot's own for
 * ever.  The cookie names the slot and how often it was used, so an answer that
 * comes too late, twice or out of nowhere fits nothing and is dropped.  A slot
 * whose command timed out is not used again before the card was reset: the card
 * may still write to the buffer.
 *
 * Rings and buffers exist from probe to remove, which is what makes it safe to
 * look at them in an interrupt at any time.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/etherdevice.h>

#include "opi_core.h"

/* A waiting command looks at the card this often, should an interrupt be lost. */
#define OPI_AQ_LOOK		HZ

static const struct {
	u16 status;
	int err;
	const char *name;
} opi_statuses[] = {
#define OPI_X(name, code, err)	{ code, -(err), #name },
	OPI_STATUS_TABLE(OPI_X)
#undef OPI_X
};

static int opi_aq_errno(struct opi_dev *od, u16 opcode, u16 status)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(opi_statuses); i++) {
		if (opi_statuses[i].status != status)
			continue;
		if (status)
			dev_dbg(&od->pdev->dev, "command %#x: %s\n", opcode,
				opi_statuses[i].name);
		/*
		 * Of a card that answers, it is about a function that is not
		 * exposed, or not attached; callers know it as no service.
		 */
		if (opi_statuses[i].err == -ENODEV)
			return -ENOENT;
		return opi_statuses[i].err;
	}
	return -EIO;
}

/**
 * opi_aq_init - allocate rings and buffers
 * @od:		the device
 *
 * Return: 0 or -ENOMEM; what was allocated then is freed by opi_aq_exit().
 */
int opi_aq_init(struct opi_dev *od)
{
	struct device *dev = &od->pdev->dev;
	struct opi_aq *aq = &od->aq;
	unsigned int i;

	spin_lock_init(&aq->lock);
	init_waitqueue_head(&aq->wait);

	aq->sq = dma_alloc_coherent(dev, OPI_AQ_SLOTS * sizeof(*aq->sq),
				    &aq->sq_dma, GFP_KERNEL);
	aq->cq = dma_alloc_coherent(dev, OPI_AQ_SLOTS * sizeof(*aq->cq),
				    &aq->cq_dma, GFP_KERNEL);
	aq->bufs = dma_alloc_coherent(dev, OPI_AQ_SLOTS * OPI_CMD_BUF_MAX,
				      &aq->bufs_dma, GFP_KERNEL);
	if (!aq->sq || !aq->cq || !aq->bufs)
		return -ENOMEM;

	for (i = 0; i < OPI_AQ_SLOTS; i++) {
		init_completion(&aq->slots[i].done);
		aq->slots[i].buf = aq->bufs + i * OPI_CMD_BUF_MAX;
		aq->slots[i].buf_dma = aq->bufs_dma + i * OPI_CMD_BUF_MAX;
	}
	return 0;
}

/**
 * opi_aq_exit - free rings and buffers
 * @od:		the device; it does no DMA any more, and interrupts are freed
 */
void opi_aq_exit(struct opi_dev *od)
{
	struct device *dev = &od->pdev->dev;
	struct opi_aq *aq = &od->aq;

	if (aq->bufs) {
		/* There may be a secret in it that the card has not read. */
		memzero_explicit(aq->bufs, OPI_AQ_SLOTS * OPI_CMD_BUF_MAX);
		dma_free_coherent(dev, OPI_AQ_SLOTS * OPI_CMD_BUF_MAX,
				  aq->bufs, aq->bufs_dma);
	}
	if (aq->cq)
		dma_free_coherent(dev, OPI_AQ_SLOTS * sizeof(*aq->cq),
				  aq->cq, aq->cq_dma);
	if (aq->sq)
		dma_free_coherent(dev, OPI_AQ_SLOTS * sizeof(*aq->sq),
				  aq->sq, aq->sq_dma);
}

/**
 * opi_aq_start - give the rings to the card and accept commands
 * @od:		the device; it has just been reset, and opi_aq_stop() has ended
 *		all that were before
 *
 * Context: may sleep, at most TIMEOUT.
 * Return: 0; -EIO if the card refused; -ETIMEDOUT; or as opi_hw_check().
 */
int opi_aq_start(struct opi_dev *od)
{
	struct opi_aq *aq = &od->aq;
	unsigned long end = jiffies + od->timeout;
	unsigned int i;
	u32 status;
	int err;

	spin_lock_irq(&aq->lock);
	memset(aq->sq, 0, OPI_AQ_SLOTS * sizeof(*aq->sq));
	memset(aq->cq, 0, OPI_AQ_SLOTS * sizeof(*aq->cq));
	aq->tail = 0;
	aq->head = 0;
	for (i = 0; i < OPI_AQ_SLOTS; i++) {
		if (aq->slots[i].state != OPI_SLOT_LOST)
			continue;
		/* There may be a secret in it that the card has not read. */
		memset(aq->slots[i].buf, 0, OPI_CMD_BUF_MAX);
		aq->slots[i].state = OPI_SLOT_FREE;
	}
	aq->stats.starts++;
	spin_unlock_irq(&aq->lock);

	opi_wr(od, OPI_REG_AQ_SQ_LO, lower_32_bits(aq->sq_dma));
	opi_wr(od, OPI_REG_AQ_SQ_HI, upper_32_bits(aq->sq_dma));
	opi_wr(od, OPI_REG_AQ_CQ_LO, lower_32_bits(aq->cq_dma));
	opi_wr(od, OPI_REG_AQ_CQ_HI, upper_32_bits(aq->cq_dma));
	opi_wr(od, OPI_REG_AQ_CTRL,
	       OPI_AQ_CTRL_ENABLE | aq->order << OPI_AQ_CTRL_ORDER_SHIFT);

	for (;;) {
		bool last = time_after(jiffies, end);

		err = opi_hw_check(od);
		if (err)
			return err;
		status = opi_rd(od, OPI_REG_AQ_STATUS);
		if (status & OPI_AQ_STATUS_ERROR)
			return -EIO;
		if (status & OPI_AQ_STATUS_ENABLED)
			break;
		if (last)
			return -ETIMEDOUT;
		usleep_range(500, 2000);
	}

	spin_lock_irq(&aq->lock);
	aq->running = true;
	spin_unlock_irq(&aq->lock);
	return 0;
}

/**
 * opi_aq_stop - accept no more commands and end those that wait
 * @od:		the device; may be gone, may still answer
 *
 * Their callers get -ENODEV at once.
 *
 * Context: may sleep, only as long as the callers take to return; takes no lock
 * that a caller of a command can hold.
 */
void opi_aq_stop(struct opi_dev *od)
{
	struct opi_aq *aq = &od->aq;
	unsigned int i;

	spin_lock_irq(&aq->lock);
	aq->running = false;
	for (i = 0; i < OPI_AQ_SLOTS; i++) {
		struct opi_aq_slot *slot = &aq->slots[i];

		if (slot->state == OPI_SLOT_BUSY) {
			slot->state = OPI_SLOT_DONE;
			slot->err = -ENODEV;
			complete(&slot->done);
		}
	}
	spin_unlock_irq(&aq->lock);

	wake_up_all(&aq->wait);
	wait_event(aq->wait, !READ_ONCE(aq->callers));
}

/* Take what the card has completed; returns whether there was anything. */
static bool opi_aq_reap(struct opi_dev *od)
{
	struct opi_aq *aq = &od->aq;
	u32 mask = BIT(aq->order) - 1;
	unsigned int budget = mask + 1;
	bool found = false;

	lockdep_assert_held(&aq->lock);

	while (budget--) {
		struct opi_cmd_cpl *cpl = &aq->cq[aq->head & mask];
		u16 phase = !((aq->head >> aq->order) & 1);
		struct opi_aq_slot *slot;
		u32 cookie;

		if ((le16_to_cpu(READ_ONCE(cpl->phase)) & 1) != phase)
			break;
		/* The rest of the completion is not older than its phase. */
		dma_rmb();
		found = true;
		aq->head++;

		cookie = le32_to_cpu(READ_ONCE(cpl->cookie));
		slot = (cookie & 0xffff) <= mask ?
			&aq->slots[cookie & 0xffff] : NULL;
		if (!slot || slot->state != OPI_SLOT_BUSY ||
		    slot->gen != cookie >> 16) {
			aq->stats.spurious++;
			continue;
		}
		slot->status = le16_to_cpu(READ_ONCE(cpl->status));
		slot->resp_len = le16_to_cpu(READ_ONCE(cpl->resp_len));
		slot->result = le32_to_cpu(READ_ONCE(cpl->result));
		slot->err = 0;
		slot->state = OPI_SLOT_DONE;
		complete(&slot->done);
	}
	return found;
}

/**
 * opi_aq_irq - the interrupt of the admin queue
 * @od:		the device
 *
 * Context: any.
 * Return: whether there was a completion.
 */
bool opi_aq_irq(struct opi_dev *od)
{
	struct opi_aq *aq = &od->aq;
	unsigned long flags;
	bool found = false;

	spin_lock_irqsave(&aq->lock, flags);
	if (aq->running)
		found = opi_aq_reap(od);
	spin_unlock_irqrestore(&aq->lock, flags);
	return found;
}

/**
 * opi_aq_slots - how many slots are in a state
 * @od:		the device
 * @state:	OPI_SLOT_BUSY: a command waits for its completion, OPI_SLOT_LOST: the
 *		slot waits for a reset of the card
 *
 * Context: process.
 * Return: their number.
 */
unsigned int opi_aq_slots(struct opi_dev *od, enum opi_aq_slot_state state)
{
	struct opi_aq *aq = &od->aq;
	unsigned int i, n = 0;

	spin_lock_irq(&aq->lock);
	for (i = 0; i < OPI_AQ_SLOTS; i++)
		n += aq->slots[i].state == state;
	spin_unlock_irq(&aq->lock);
	return n;
}

/* Take a free slot and write the command; NULL: none is free. */
static struct opi_aq_slot *opi_aq_post(struct opi_dev *od, struct opi_cmd *cmd,
				       const void *req, size_t size)
{
	struct opi_aq *aq = &od->aq;
	struct opi_aq_slot *slot = NULL;
	unsigned int i, n = BIT(aq->order);

	lockdep_assert_held(&aq->lock);

	for (i = 0; i < n && !slot; i++)
		if (aq->slots[i].state == OPI_SLOT_FREE)
			slot = &aq->slots[i];
	if (!slot)
		return NULL;

	slot->state = OPI_SLOT_BUSY;
	slot->gen++;
	reinit_completion(&slot->done);

	cmd->cookie = cpu_to_le32((slot - aq->slots) | slot->gen << 16);
	if (size) {
		if (req)
			memcpy(slot->buf, req, size);
		else
			memset(slot->buf, 0, size);
		cmd->buf = cpu_to_le64(slot->buf_dma);
		cmd->buf_len = cpu_to_le32(size);
	}
	aq->sq[aq->tail & (n - 1)] = *cmd;
	aq->tail++;
	aq->stats.commands++;
	/* writel() orders the command before the doorbell. */
	opi_db(od, 0, OPI_DB_AQ_TAIL, aq->tail);
	return slot;
}

/* Wait for the completion or, at the end of time, give the slot up. */
static int opi_aq_wait(struct opi_dev *od, struct opi_aq_slot *slot)
{
	struct opi_aq *aq = &od->aq;
	unsigned long end = jiffies + od->timeout;
	int err = 0;

	for (;;) {
		long left = (long)(end - jiffies);
		unsigned long slice = clamp(left, 1L, (long)OPI_AQ_LOOK);

		if (wait_for_completion_timeout(&slot->done, slice))
			break;

		spin_lock_irq(&aq->lock);
		if (aq->running && opi_aq_reap(od))
			aq->stats.lost_irqs++;
		spin_unlock_irq(&aq->lock);
		if (completion_done(&slot->done))
			break;

		err = opi_hw_check(od);
		if (err)
			break;
		if (left <= 0) {
			err = -ETIMEDOUT;
			break;
		}
	}

	spin_lock_irq(&aq->lock);
	if (slot->state == OPI_SLOT_DONE) {
		err = slot->err;
	} else {
		slot->state = OPI_SLOT_LOST;
		aq->stats.timeouts += err == -ETIMEDOUT;
		/* With a thousand ports to leave, once is enough. */
		if (test_bit(OPI_DEV_F_LEAVING, &od->flags))
			aq->running = false;
	}
	spin_unlock_irq(&aq->lock);
	return err;
}

static void opi_aq_record(struct opi_aq *aq, u16 opcode, u32 target, int err,
			  ktime_t start)
{
	struct opi_aq_log *log = &aq->log[aq->log_next++ % OPI_AQ_LOG];

	lockdep_assert_held(&aq->lock);

	log->opcode = opcode;
	log->target = target;
	log->err = err;
	log->usecs = ktime_us_delta(ktime_get(), start);
}

/**
 * struct opi_aq_io - what a command takes to the card, and what it brings
 * @req:	goes to the card in the data buffer, or NULL
 * @resp:	comes in the data buffer, zero beyond what the card has written,
 *		or NULL
 * @size:	bytes of either
 * @secret:	@req does not stay in the data buffer
 * @len:	gets how many of @resp the card has written
 * @result:	gets the small answer
 */
struct opi_aq_io {
	const void	*req;
	void		*resp;
	size_t		size;
	bool		secret;
	size_t		len;
	u32		result;
};

/* Give a command and wait for its end. */
static int __opi_aq_exec(struct opi_dev *od, u16 opcode, u32 target,
			 struct opi_cmd *cmd, struct opi_aq_io *io)
{
	struct opi_aq_slot *slot = NULL;
	struct opi_aq *aq = &od->aq;
	ktime_t start = ktime_get();
	int err;

	might_sleep();
	if (WARN_ON_ONCE(io->size > OPI_CMD_BUF_MAX))
		return -EINVAL;

	cmd->opcode = cpu_to_le16(opcode);
	cmd->target = cpu_to_le32(target);

	spin_lock_irq(&aq->lock);
	aq->callers++;
	wait_event_lock_irq_timeout(aq->wait, !aq->running ||
				    (slot = opi_aq_post(od, cmd, io->req,
							io->size)),
				    aq->lock, od->timeout);
	err = !aq->running ? -ENODEV : !slot ? -EBUSY : 0;
	spin_unlock_irq(&aq->lock);

	if (slot) {
		/*
		 * While the slot is ours, and after opi_aq_stop() as well, no
		 * one else touches its buffer but perhaps the card; what it
		 * writes late can only make the answer wrong.
		 */
		err = opi_aq_wait(od, slot);
		if (!err) {
			err = opi_aq_errno(od, opcode, slot->status);
			io->len = min_t(size_t, slot->resp_len, io->size);
			io->result = slot->result;
			if (io->resp) {
				memcpy(io->resp, slot->buf, io->len);
				memset(io->resp + io->len, 0,
				       io->size - io->len);
			}
			/* A card that has not answered may read it yet. */
			if (io->secret)
				memzero_explicit(slot->buf, io->size);
		}
	}

	spin_lock_irq(&aq->lock);
	if (slot && slot->state == OPI_SLOT_DONE) {
		/* Given up by opi_aq_stop(): the card may still write to it. */
		slot->state = slot->err ? OPI_SLOT_LOST : OPI_SLOT_FREE;
		aq->stats.refused += !slot->err && err;
	}
	opi_aq_record(aq, opcode, target, err, start);
	aq->callers--;
	wake_up_all(&aq->wait);
	spin_unlock_irq(&aq->lock);

	if (err == -ETIMEDOUT && slot && slot->state == OPI_SLOT_LOST)
		opi_dev_fail(od, OPI_FAIL_CMD_TIMEOUT);
	return err;
}

/* A command that brings @resp, if that is not NULL. */
static int opi_aq_exec(struct opi_dev *od, u16 opcode, u32 target,
		       struct opi_cmd *cmd, void *resp, size_t size,
		       u32 *result)
{
	struct opi_aq_io io = { .resp = resp, .size = size };
	int err;

	err = __opi_aq_exec(od, opcode, target, cmd, &io);
	if (result)
		*result = io.result;
	return err;
}

/* A command that takes @req to the card and has no parameters besides. */
static int opi_aq_give(struct opi_dev *od, u16 opcode, u32 target,
		       const void *req, size_t size)
{
	struct opi_aq_io io = { .req = req, .size = size };
	struct opi_cmd cmd = {};

	return __opi_aq_exec(od, opcode, target, &cmd, &io);
}

/*
 * The commands.  All may sleep, at most twice TIMEOUT (for a slot and for the
 * answer), and return 0, the errno of the card's status (-ENOENT for ENODEV),
 * -ENODEV, -ENXIO or -EIO when there is no card to answer, -EBUSY if no slot
 * became free, -ETIMEDOUT if no answer came.  What they do stands in the
 * interface, "Commands".
 */

/**
 * opi_cmd_nop - is anybody there?
 * @od:		the device
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_nop(struct opi_dev *od)
{
	struct opi_cmd cmd = {};

	return opi_aq_exec(od, OPI_CMD_NOP, 0, &cmd, NULL, 0, NULL);
}

/**
 * opi_cmd_identify - ask for identity, capabilities and versions
 * @od:		the device
 * @id:		the answer, unchecked
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_identify(struct opi_dev *od, struct opi_identify *id)
{
	struct opi_cmd cmd = {};

	return opi_aq_exec(od, OPI_CMD_IDENTIFY, 0, &cmd, id, sizeof(*id),
			   NULL);
}

/**
 * opi_cmd_eq_create - make an event queue
 * @od:		the device
 * @id:		its id
 * @ring:	bus address of the zeroed ring
 * @shadow:	bus address of the zeroed index words
 * @order:	log2 of the ring's entries
 * @vector:	MSI-X vector
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_eq_create(struct opi_dev *od, u32 id, dma_addr_t ring,
		      dma_addr_t shadow, u8 order, u16 vector)
{
	struct opi_cmd cmd = {
		.u.eq.ring	= cpu_to_le64(ring),
		.u.eq.shadow	= cpu_to_le64(shadow),
		.u.eq.order	= order,
		.u.eq.vector	= cpu_to_le16(vector),
	};

	return opi_aq_exec(od, OPI_CMD_EQ_CREATE, id, &cmd, NULL, 0, NULL);
}

/**
 * opi_cmd_qp_create - make a queue pair
 * @od:		the device
 * @id:		its id
 * @qp:		addresses, orders and event queue are taken from it
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_qp_create(struct opi_dev *od, u32 id, const struct opi_cmd *qp)
{
	struct opi_cmd cmd = { .u.qp = qp->u.qp };

	return opi_aq_exec(od, OPI_CMD_QP_CREATE, id, &cmd, NULL, 0, NULL);
}

/**
 * opi_cmd_qp_destroy - end a queue pair
 * @od:		the device
 * @id:		its id
 *
 * Return: 0 or a negative errno, see above.  After 0 and -ENOENT the card does
 * not touch the rings any more, after anything else it may.
 */
int opi_cmd_qp_destroy(struct opi_dev *od, u32 id)
{
	struct opi_cmd cmd = {};

	return opi_aq_exec(od, OPI_CMD_QP_DESTROY, id, &cmd, NULL, 0, NULL);
}

/**
 * opi_cmd_qp_query - ask for the card's view of a queue pair
 * @od:		the device
 * @id:		its id
 * @info:	the answer, unchecked
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_qp_query(struct opi_dev *od, u32 id, struct opi_qp_info *info)
{
	struct opi_cmd cmd = {};

	return opi_aq_exec(od, OPI_CMD_QP_QUERY, id, &cmd, info, sizeof(*info),
			   NULL);
}

/**
 * opi_cmd_rss_set - say how frames are spread over queue pairs
 * @od:		the device
 * @rss:	how
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_rss_set(struct opi_dev *od, const struct opi_rss_config *rss)
{
	return opi_aq_give(od, OPI_CMD_RSS_SET, 0, rss, sizeof(*rss));
}

/* PORT_LIST and FUNC_LIST. */
static int opi_aq_list(struct opi_dev *od, u16 opcode, u32 start, __le32 *ids,
		       unsigned int max)
{
	struct opi_cmd cmd = { .u.list.start = cpu_to_le32(start) };
	u32 n;
	int err;

	err = opi_aq_exec(od, opcode, 0, &cmd, ids, max * sizeof(*ids), &n);
	return err ?: min(n, max);
}

/**
 * opi_cmd_port_list - ask for the ids of ports
 * @od:		the device
 * @start:	first id of interest
 * @ids:	the answer: rising ids, unchecked
 * @max:	room in @ids, at most OPI_CMD_BUF_MAX / 4
 *
 * Return: how many ids there are in @ids, or a negative errno, see above.
 */
int opi_cmd_port_list(struct opi_dev *od, u32 start, __le32 *ids,
		      unsigned int max)
{
	return opi_aq_list(od, OPI_CMD_PORT_LIST, start, ids, max);
}

/**
 * opi_cmd_port_get - ask for attributes and state of a port
 * @od:		the device
 * @port:	its id
 * @info:	the answer, unchecked
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_port_get(struct opi_dev *od, u32 port, struct opi_port_info *info)
{
	struct opi_cmd cmd = {};

	return opi_aq_exec(od, OPI_CMD_PORT_GET, port, &cmd, info,
			   sizeof(*info), NULL);
}

/**
 * opi_cmd_port_stats - ask for the counters of a port
 * @od:		the device
 * @port:	its id
 * @stats:	the answer
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_port_stats(struct opi_dev *od, u32 port,
		       struct opi_port_stats *stats)
{
	struct opi_cmd cmd = {};

	return opi_aq_exec(od, OPI_CMD_PORT_STATS, port, &cmd, stats,
			   sizeof(*stats), NULL);
}

/**
 * opi_cmd_port_set_state - take this side's end of a port up or down
 * @od:		the device
 * @port:	its id
 * @up:		up
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_port_set_state(struct opi_dev *od, u32 port, bool up)
{
	struct opi_cmd cmd = { .u.state.up = up };

	return opi_aq_exec(od, OPI_CMD_PORT_SET_STATE, port, &cmd, NULL, 0,
			   NULL);
}

/**
 * opi_cmd_port_set_mtu - set the MTU of this side's end of a port
 * @od:		the device
 * @port:	its id
 * @mtu:	bytes
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_port_set_mtu(struct opi_dev *od, u32 port, u32 mtu)
{
	struct opi_cmd cmd = { .u.mtu.mtu = cpu_to_le32(mtu) };

	return opi_aq_exec(od, OPI_CMD_PORT_SET_MTU, port, &cmd, NULL, 0, NULL);
}

/**
 * opi_cmd_port_set_mac - set the MAC address of a port's function
 * @od:		the device
 * @port:	its id; an uplink: of the DPU's netdev
 * @mac:	the address
 *
 * Return: 0 or a negative errno, see above; -EPERM without trust.
 */
int opi_cmd_port_set_mac(struct opi_dev *od, u32 port, const u8 *mac)
{
	struct opi_cmd cmd = {};

	memcpy(cmd.u.mac.mac, mac, ETH_ALEN);
	return opi_aq_exec(od, OPI_CMD_PORT_SET_MAC, port, &cmd, NULL, 0, NULL);
}

/**
 * opi_cmd_port_set_rx - say what this side's end of a port receives
 * @od:		the device
 * @port:	its id
 * @rx:		filter and metadata
 *
 * Return: 0 or a negative errno, see above; -EPERM for PROMISC without trust.
 */
int opi_cmd_port_set_rx(struct opi_dev *od, u32 port,
			const struct opi_rx_config *rx)
{
	return opi_aq_give(od, OPI_CMD_PORT_SET_RX, port, rx, sizeof(*rx));
}

/**
 * opi_cmd_port_set_police - limit what comes out of a port
 * @od:		the device, DPU side
 * @port:	its id
 * @kind:	enum opi_police_kind
 * @unit:	enum opi_police_unit
 * @rate:	units a second; 0: no limit, and @burst is 0 too
 * @burst:	units at once
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_port_set_police(struct opi_dev *od, u32 port, u8 kind, u8 unit,
			    u64 rate, u32 burst)
{
	struct opi_cmd cmd = {
		.u.police.kind	= kind,
		.u.police.unit	= unit,
		.u.police.burst	= cpu_to_le32(burst),
		.u.police.rate	= cpu_to_le64(rate),
	};

	return opi_aq_exec(od, OPI_CMD_PORT_SET_POLICE, port, &cmd, NULL, 0,
			   NULL);
}

/**
 * opi_cmd_rate_create - make a rate node
 * @od:		the device, DPU side
 * @node:	its id
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_rate_create(struct opi_dev *od, u32 node)
{
	struct opi_cmd cmd = {};

	return opi_aq_exec(od, OPI_CMD_RATE_CREATE, node, &cmd, NULL, 0, NULL);
}

/**
 * opi_cmd_rate_destroy - destroy a rate node
 * @od:		the device, DPU side
 * @node:	its id
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_rate_destroy(struct opi_dev *od, u32 node)
{
	struct opi_cmd cmd = {};

	return opi_aq_exec(od, OPI_CMD_RATE_DESTROY, node, &cmd, NULL, 0, NULL);
}

/**
 * opi_cmd_rate_set - set all rates of a port or rate node
 * @od:		the device, DPU side
 * @target:	id of the port or node
 * @rate:	which of the two it is, and the rates
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_rate_set(struct opi_dev *od, u32 target, const struct opi_cmd *rate)
{
	struct opi_cmd cmd = { .u.rate = rate->u.rate };

	return opi_aq_exec(od, OPI_CMD_RATE_SET, target, &cmd, NULL, 0, NULL);
}

/**
 * opi_cmd_func_list - ask for the ids of functions
 * @od:		the device
 * @start:	first id of interest
 * @ids:	the answer: rising ids, unchecked
 * @max:	room in @ids, at most OPI_CMD_BUF_MAX / 4
 *
 * Return: how many ids there are in @ids, or a negative errno, see above.
 */
int opi_cmd_func_list(struct opi_dev *od, u32 start, __le32 *ids,
		      unsigned int max)
{
	return opi_aq_list(od, OPI_CMD_FUNC_LIST, start, ids, max);
}

/**
 * opi_cmd_func_get - ask for attributes and state of a function
 * @od:		the device
 * @func:	its id
 * @info:	the answer, unchecked
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_func_get(struct opi_dev *od, u32 func, struct opi_func_info *info)
{
	struct opi_cmd cmd = {};

	return opi_aq_exec(od, OPI_CMD_FUNC_GET, func, &cmd, info,
			   sizeof(*info), NULL);
}

/**
 * opi_cmd_func_create - make a subfunction for the host
 * @od:		the device, DPU side
 * @controller:	whose it will be
 * @pf:		number of its PF
 * @sf:		its number
 * @func:	gets its id
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_func_create(struct opi_dev *od, u16 controller, u16 pf, u32 sf,
			u32 *func)
{
	struct opi_cmd cmd = {
		.u.create.type		= OPI_PORT_SF,
		.u.create.fclass	= OPI_CLASS_NET,
		.u.create.controller	= cpu_to_le16(controller),
		.u.create.pf		= cpu_to_le16(pf),
		.u.create.sf		= cpu_to_le32(sf),
	};

	return opi_aq_exec(od, OPI_CMD_FUNC_CREATE, 0, &cmd, NULL, 0, func);
}

/**
 * opi_cmd_func_destroy - destroy a subfunction that the host does not see
 * @od:		the device, DPU side
 * @func:	its id
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_func_destroy(struct opi_dev *od, u32 func)
{
	struct opi_cmd cmd = {};

	return opi_aq_exec(od, OPI_CMD_FUNC_DESTROY, func, &cmd, NULL, 0, NULL);
}

/**
 * opi_cmd_func_set - change a function
 * @od:		the device, DPU side
 * @func:	its id
 * @set:	fields, and which of them count, are taken from it
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_func_set(struct opi_dev *od, u32 func, const struct opi_cmd *set)
{
	struct opi_cmd cmd = { .u.func = set->u.func };

	return opi_aq_exec(od, OPI_CMD_FUNC_SET, func, &cmd, NULL, 0, NULL);
}

/**
 * opi_cmd_func_expose - let the host have a function
 * @od:		the device, DPU side
 * @func:	its id
 *
 * Return: 0 or a negative errno, see above; -EEXIST if it is so already.
 */
int opi_cmd_func_expose(struct opi_dev *od, u32 func)
{
	struct opi_cmd cmd = {};

	return opi_aq_exec(od, OPI_CMD_FUNC_EXPOSE, func, &cmd, NULL, 0, NULL);
}

/**
 * opi_cmd_func_withdraw - take a function from the host
 * @od:		the device, DPU side
 * @func:	its id
 *
 * Return: 0 or a negative errno, see above; the function does no DMA then.
 */
int opi_cmd_func_withdraw(struct opi_dev *od, u32 func)
{
	struct opi_cmd cmd = {};

	return opi_aq_exec(od, OPI_CMD_FUNC_WITHDRAW, func, &cmd, NULL, 0,
			   NULL);
}

/**
 * opi_cmd_func_attach - say whether a subfunction is driven
 * @od:		the device, a host PF
 * @func:	id of one of its subfunctions
 * @up:		it is
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_func_attach(struct opi_dev *od, u32 func, bool up)
{
	struct opi_cmd cmd = { .u.state.up = up };

	return opi_aq_exec(od, OPI_CMD_FUNC_ATTACH, func, &cmd, NULL, 0, NULL);
}

/**
 * opi_cmd_mig_get - ask how far a virtual function is on its way
 * @od:		the device, a host PF or the DPU's
 * @vf:		number of the virtual function
 * @info:	the answer, unchecked
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_mig_get(struct opi_dev *od, u32 vf, struct opi_mig_info *info)
{
	struct opi_cmd cmd = {};

	return opi_aq_exec(od, OPI_CMD_MIG_GET, vf, &cmd, info, sizeof(*info),
			   NULL);
}

/**
 * opi_cmd_mig_set - take a virtual function to another migration state
 * @od:		the device, a host PF
 * @vf:		number of the virtual function
 * @state:	enum opi_mig_state
 *
 * Return: 0 or a negative errno, see above; -EPERM if it must not be moved.
 */
int opi_cmd_mig_set(struct opi_dev *od, u32 vf, u8 state)
{
	struct opi_cmd cmd = { .u.mig.state = state };

	return opi_aq_exec(od, OPI_CMD_MIG_SET, vf, &cmd, NULL, 0, NULL);
}

/**
 * opi_cmd_mig_save - read the stream of a virtual function
 * @od:		the device, a host PF
 * @vf:		number of the virtual function
 * @offset:	place in the stream
 * @buf:	gets what is there
 * @size:	room in @buf, at most OPI_CMD_BUF_MAX
 *
 * Return: bytes in @buf, 0 at the stream's end, or a negative errno, see above.
 */
int opi_cmd_mig_save(struct opi_dev *od, u32 vf, u64 offset, void *buf,
		     size_t size)
{
	struct opi_cmd cmd = { .u.mig.offset = cpu_to_le64(offset) };
	struct opi_aq_io io = { .resp = buf, .size = size };
	int err;

	err = __opi_aq_exec(od, OPI_CMD_MIG_SAVE, vf, &cmd, &io);
	return err ?: io.len;
}

/**
 * opi_cmd_mig_load - give a virtual function a part of a stream
 * @od:		the device, a host PF
 * @vf:		number of the virtual function
 * @offset:	place in the stream
 * @buf:	what stands there
 * @size:	bytes of it, at most OPI_CMD_BUF_MAX
 *
 * Return: 0 or a negative errno, see above, which says why the stream is refused.
 */
int opi_cmd_mig_load(struct opi_dev *od, u32 vf, u64 offset, const void *buf,
		     size_t size)
{
	struct opi_cmd cmd = { .u.mig.offset = cpu_to_le64(offset) };
	struct opi_aq_io io = { .req = buf, .size = size };

	return __opi_aq_exec(od, OPI_CMD_MIG_LOAD, vf, &cmd, &io);
}

/**
 * opi_cmd_mig_set_key - say whose streams the card takes
 * @od:		the device, the DPU's
 * @key:	that of the cards that made them; all zero: the card's own
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_mig_set_key(struct opi_dev *od, const struct opi_mig_key *key)
{
	struct opi_aq_io io = {
		.req	= key,
		.size	= sizeof(*key),
		.secret	= true,
	};
	struct opi_cmd cmd = {};

	return __opi_aq_exec(od, OPI_CMD_MIG_SET_KEY, 0, &cmd, &io);
}

/**
 * opi_cmd_dirty_start - log which pages a virtual function writes
 * @od:		the device, a host PF
 * @vf:		number of the virtual function
 * @config:	what to log, with the ranges behind it
 * @size:	bytes of both
 * @order:	gets log2 of the page size that the card has chosen, unchecked
 *
 * Return: 0 or a negative errno, see above; -EEXIST if there is a log.
 */
int opi_cmd_dirty_start(struct opi_dev *od, u32 vf,
			const struct opi_dirty_config *config, size_t size,
			u32 *order)
{
	struct opi_aq_io io = { .req = config, .size = size };
	struct opi_cmd cmd = {};
	int err;

	err = __opi_aq_exec(od, OPI_CMD_DIRTY_START, vf, &cmd, &io);
	*order = io.result;
	return err;
}

/**
 * opi_cmd_dirty_stop - log it no more
 * @od:		the device, a host PF
 * @vf:		number of the virtual function
 *
 * Return: 0 or a negative errno, see above; -ENOENT if there is no log.
 */
int opi_cmd_dirty_stop(struct opi_dev *od, u32 vf)
{
	struct opi_cmd cmd = {};

	return opi_aq_exec(od, OPI_CMD_DIRTY_STOP, vf, &cmd, NULL, 0, NULL);
}

/**
 * opi_cmd_dirty_report - ask which pages were written, and forget them
 * @od:		the device, a host PF
 * @vf:		number of the virtual function
 * @iova:	bus address of the first page
 * @pages:	how many, at most OPI_CMD_BUF_MAX * 8
 * @order:	log2 of the size of a page
 * @bits:	gets a bit for each, in whole bytes
 *
 * Return: 0 or a negative errno, see above, or -EPROTO if the answer is short;
 * unless it is the card's refusal, the card may have forgotten what it could not
 * say.
 */
int opi_cmd_dirty_report(struct opi_dev *od, u32 vf, u64 iova, u32 pages,
			 u8 order, void *bits)
{
	struct opi_cmd cmd = {
		.u.dirty.iova		= cpu_to_le64(iova),
		.u.dirty.pages		= cpu_to_le32(pages),
		.u.dirty.page_order	= order,
	};
	struct opi_aq_io io = {
		.resp = bits,
		.size = DIV_ROUND_UP(pages, 8),
	};
	int err;

	err = __opi_aq_exec(od, OPI_CMD_DIRTY_REPORT, vf, &cmd, &io);
	if (err)
		return err;
	/* What the card has not written would say that pages are clean. */
	return io.len == io.size ? 0 : -EPROTO;
}

/**
 * opi_cmd_boot_set - say how far the DPU has booted
 * @od:		the device, DPU side
 * @os_status:	OPI_OS_BOOTING or OPI_OS_BOOTED
 *
 * Return: 0 or a negative errno, see above.
 */
int opi_cmd_boot_set(struct opi_dev *od, u8 os_status)
{
	struct opi_cmd cmd = {
		.u.boot.os_status	= os_status,
		.u.boot.max_boot_time	= cpu_to_le16(OPI_BOOT_TIME_KEEP),
	};

	return opi_aq_exec(od, OPI_CMD_BOOT_SET, 0, &cmd, NULL, 0, NULL);
}
