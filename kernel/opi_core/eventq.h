/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Event queues: what the card tells without being asked.  Notifications of
 * queue pairs go to NAPI at once; everything else is copied out of the ring in
 * the interrupt and handled by a work item (main.c), in order.
 */
#ifndef _OPI_EVENTQ_H
#define _OPI_EVENTQ_H

#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <linux/opi_pci.h>

struct opi_dev;

#define OPI_EQ_ORDER		6	/* by default */
#define OPI_ASYNC_ENTRIES	128

/**
 * struct opi_eq - an event queue
 * @od:		the device
 * @id:		event queue, MSI-X vector and index in od->eqs alike
 * @irq:	Linux interrupt
 * @name:	of the interrupt
 * @lock:	everything below; taken in hard interrupts
 * @size:	entries of the ring
 * @active:	the card has the ring
 * @order:	log2 of the entries in use, at most @size
 * @head:	events consumed, free-running
 * @ring:	of the card
 * @ring_dma:	its bus address
 * @shadow:	index words
 * @shadow_dma:	their bus address
 * @events:	counter of all events
 * @spurious:	counter of notifications that name no running queue pair
 * @lost_irqs:	counter of events that were found without an interrupt
 * @seen_ready:	opi_eqs_poke() saw an event that no interrupt had taken
 * @seen_head:	@head then
 * @more_work:	goes on where an interrupt has used up its budget
 */
struct opi_eq {
	struct opi_dev		*od;
	unsigned int		id;
	int			irq;
	char			name[48];
	u32			size;
	spinlock_t		lock;	/* all that follows */
	bool			active;
	u8			order;
	u32			head;
	struct opi_eqe		*ring;
	dma_addr_t		ring_dma;
	struct opi_eq_shadow	*shadow;
	dma_addr_t		shadow_dma;
	u64			events;
	u64			spurious;
	u64			lost_irqs;
	bool			seen_ready;
	u32			seen_head;
	struct work_struct	more_work;
};

/* An asynchronous event in the machine's byte order. */
struct opi_event {
	u8	type;
	u8	sub;
	u16	queue;
	u32	value;
	u32	func_id;
	u32	port;
	u32	seq;
};

/**
 * struct opi_async - asynchronous events on their way to the work item
 * @lock:	everything below; taken in hard interrupts
 * @ring:	events
 * @head:	next to handle, free-running
 * @tail:	next free entry, free-running
 * @overflow:	some found no room here: ask for the state anew
 */
struct opi_async {
	spinlock_t		lock;	/* all that follows */
	struct opi_event	ring[OPI_ASYNC_ENTRIES];
	u32			head;
	u32			tail;
	bool			overflow;
};

int opi_eqs_init(struct opi_dev *od);
void opi_eqs_exit(struct opi_dev *od);
int opi_eqs_start(struct opi_dev *od);
void opi_eqs_stop(struct opi_dev *od);
bool opi_eq_irq(struct opi_eq *eq);
void opi_eqs_poke(struct opi_dev *od);
bool opi_async_pop(struct opi_dev *od, struct opi_event *ev, bool *overflow);
void opi_async_clear(struct opi_dev *od);

#endif /* _OPI_EVENTQ_H */
