// SPDX-License-Identifier: GPL-2.0
/*
 * Event queues (interface, "Event queues").
 *
 * Each queue has its own MSI-X vector of the same number.  The interrupt takes
 * the events out of the ring, within a budget: notifications of queue pairs are
 * acted upon there, asynchronous events are copied for the work item.  Rings
 * exist from probe to remove; opi_eqs_start() gives them to the card.
 */
#include <linux/dma-mapping.h>

#include "opi_core.h"
#include "txrx.h"

static void opi_async_push(struct opi_dev *od, const struct opi_eqe *eqe)
{
	struct opi_async *async = &od->async;
	unsigned long flags;

	spin_lock_irqsave(&async->lock, flags);
	if (async->tail - async->head == OPI_ASYNC_ENTRIES) {
		async->overflow = true;
	} else {
		struct opi_event *ev =
			&async->ring[async->tail++ % OPI_ASYNC_ENTRIES];

		ev->type = eqe->type;
		ev->sub = eqe->sub;
		ev->queue = le16_to_cpu(eqe->queue);
		ev->value = le32_to_cpu(eqe->value);
		ev->func_id = le32_to_cpu(eqe->func_id);
		ev->port = le32_to_cpu(eqe->port);
		ev->seq = le32_to_cpu(eqe->seq);
	}
	spin_unlock_irqrestore(&async->lock, flags);
}

/**
 * opi_async_pop - take the oldest asynchronous event
 * @od:		the device
 * @ev:		the event
 * @overflow:	set if others were dropped since the last call
 *
 * Context: any.
 * Return: whether there was one.
 */
bool opi_async_pop(struct opi_dev *od, struct opi_event *ev, bool *overflow)
{
	struct opi_async *async = &od->async;
	unsigned long flags;
	bool found;

	spin_lock_irqsave(&async->lock, flags);
	*overflow = async->overflow;
	async->overflow = false;
	found = async->tail != async->head;
	if (found)
		*ev = async->ring[async->head++ % OPI_ASYNC_ENTRIES];
	spin_unlock_irqrestore(&async->lock, flags);
	return found;
}

/**
 * opi_async_clear - forget all asynchronous events
 * @od:		the device
 *
 * Context: any.
 */
void opi_async_clear(struct opi_dev *od)
{
	struct opi_async *async = &od->async;
	unsigned long flags;

	spin_lock_irqsave(&async->lock, flags);
	async->head = async->tail;
	async->overflow = false;
	spin_unlock_irqrestore(&async->lock, flags);
}

static bool opi_eq_ready(const struct opi_eq *eq)
{
	u32 mask = BIT(eq->order) - 1;
	u32 phase = le32_to_cpu(READ_ONCE(eq->ring[eq->head & mask].phase));

	return (phase & 1) == !((eq->head >> eq->order) & 1);
}

/* Take at most a ring of events; true if there may be more. */
static bool opi_eq_reap(struct opi_eq *eq, bool *async)
{
	u32 mask = BIT(eq->order) - 1;
	unsigned int budget = mask + 1;
	struct opi_dev *od = eq->od;

	lockdep_assert_held(&eq->lock);

	for (;;) {
		while (budget && opi_eq_ready(eq)) {
			struct opi_eqe eqe;

			/* The rest of the event is not older than its phase. */
			dma_rmb();
			memcpy(&eqe, &eq->ring[eq->head & mask], sizeof(eqe));
			/* One copy, and what follows looks only at that. */
			barrier();
			eq->head++;
			eq->events++;
			budget--;

			if (eqe.type == OPI_EV_QP) {
				if (!opi_qp_event(od,
						  le16_to_cpu(eqe.queue)))
					eq->spurious++;
			} else {
				opi_async_push(od, &eqe);
				*async = true;
			}
		}

		WRITE_ONCE(eq->shadow->head, cpu_to_le32(eq->head));
		if (!budget)
			return true;
		WRITE_ONCE(eq->shadow->arm, cpu_to_le32(eq->head));
		/* Armed before we look for what came before that. */
		mb();
		if (!opi_eq_ready(eq))
			return false;
	}
}

/**
 * opi_eq_irq - the interrupt of an event queue
 * @eq:		the event queue
 *
 * Context: any.
 * Return: whether there was an event.
 */
bool opi_eq_irq(struct opi_eq *eq)
{
	bool found = false, async = false, more = false;
	unsigned long flags;

	spin_lock_irqsave(&eq->lock, flags);
	if (eq->active) {
		u64 before = eq->events;

		more = opi_eq_reap(eq, &async);
		found = eq->events != before;
	}
	spin_unlock_irqrestore(&eq->lock, flags);

	if (async)
		opi_dev_queue_events(eq->od);
	if (more)
		queue_work(system_wq, &eq->more_work);
	return found;
}

/**
 * opi_eqs_poke - look for events that no interrupt has told of
 * @od:		the device
 *
 * To be called each second.  A lost interrupt would be the last one, since the
 * card raises the next when the driver has taken the event of this one.
 *
 * Context: process.
 */
void opi_eqs_poke(struct opi_dev *od)
{
	unsigned int i;

	for (i = 0; i < od->n_eqs; i++) {
		struct opi_eq *eq = &od->eqs[i];
		bool lost;

		spin_lock_irq(&eq->lock);
		lost = eq->seen_ready && eq->seen_head == eq->head;
		eq->seen_ready = eq->active && opi_eq_ready(eq);
		eq->seen_head = eq->head;
		lost &= eq->seen_ready;
		eq->lost_irqs += lost;
		spin_unlock_irq(&eq->lock);

		if (lost)
			opi_eq_irq(eq);
	}
}

static void opi_eq_more_work(struct work_struct *work)
{
	opi_eq_irq(container_of(work, struct opi_eq, more_work));
}

/**
 * opi_eqs_init - allocate event queues, one for each vector
 * @od:		the device; @n_vecs is known
 *
 * Return: 0 or -ENOMEM; what was allocated then is freed by opi_eqs_exit().
 */
int opi_eqs_init(struct opi_dev *od)
{
	struct device *dev = &od->pdev->dev;
	unsigned int i;

	od->eqs = kcalloc(od->n_vecs, sizeof(*od->eqs), GFP_KERNEL);
	if (!od->eqs)
		return -ENOMEM;

	for (i = 0; i < od->n_vecs; i++) {
		struct opi_eq *eq = &od->eqs[i];

		eq->od = od;
		eq->id = i;
		spin_lock_init(&eq->lock);
		INIT_WORK(&eq->more_work, opi_eq_more_work);
		eq->size = BIT(i ? od->init.io_eq_order :
				   od->init.event_eq_order);
		eq->ring = dma_alloc_coherent(dev, eq->size *
					      sizeof(*eq->ring),
					      &eq->ring_dma, GFP_KERNEL);
		eq->shadow = dma_alloc_coherent(dev, sizeof(*eq->shadow),
						&eq->shadow_dma, GFP_KERNEL);
		if (!eq->ring || !eq->shadow)
			return -ENOMEM;
	}
	return 0;
}

/**
 * opi_eqs_exit - free event queues
 * @od:		the device; it does no DMA any more, and interrupts are freed
 */
void opi_eqs_exit(struct opi_dev *od)
{
	struct device *dev = &od->pdev->dev;
	unsigned int i;

	for (i = 0; od->eqs && i < od->n_vecs; i++) {
		struct opi_eq *eq = &od->eqs[i];

		if (!eq->od)
			break;
		cancel_work_sync(&eq->more_work);
		if (eq->shadow)
			dma_free_coherent(dev, sizeof(*eq->shadow), eq->shadow,
					  eq->shadow_dma);
		if (eq->ring)
			dma_free_coherent(dev, eq->size * sizeof(*eq->ring),
					  eq->ring, eq->ring_dma);
	}
	kfree(od->eqs);
	od->eqs = NULL;
}

/**
 * opi_eqs_start - give the event queues to the card
 * @od:		the device; its admin queue runs
 *
 * Context: may sleep.
 * Return: 0 or an error of a command; opi_eqs_stop() undoes what was done.
 */
int opi_eqs_start(struct opi_dev *od)
{
	unsigned int i;
	int err;

	opi_async_clear(od);
	od->event_seq = 0;

	for (i = 0; i < od->n_eqs; i++) {
		struct opi_eq *eq = &od->eqs[i];

		spin_lock_irq(&eq->lock);
		memset(eq->ring, 0, eq->size * sizeof(*eq->ring));
		memset(eq->shadow, 0, sizeof(*eq->shadow));
		eq->order = min_t(u8, ilog2(eq->size), od->max_order);
		eq->head = 0;
		eq->active = true;
		spin_unlock_irq(&eq->lock);

		err = opi_cmd_eq_create(od, i, eq->ring_dma, eq->shadow_dma,
					eq->order, i);
		if (err)
			return err;
	}
	return 0;
}

/**
 * opi_eqs_stop - look at no event queue any more
 * @od:		the device
 *
 * Context: may sleep.
 */
void opi_eqs_stop(struct opi_dev *od)
{
	unsigned int i;

	for (i = 0; i < od->n_vecs; i++) {
		struct opi_eq *eq = &od->eqs[i];

		spin_lock_irq(&eq->lock);
		eq->active = false;
		spin_unlock_irq(&eq->lock);
		cancel_work_sync(&eq->more_work);
	}
}
