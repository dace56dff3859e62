// SPDX-License-Identifier: GPL-2.0
/*
 * MSI-X vectors: 0 for the admin queue, event queue 0 and changes of status,
 * others for one event queue each.  They are requested at probe, and again when
 * the driver is reloaded, and stay over resets; handlers find idle queues then and
 * do nothing.
 */
#include <linux/interrupt.h>

#include "opi_core.h"

static irqreturn_t opi_irq_admin(int irq, void *data)
{
	struct opi_eq *eq = data;
	struct opi_dev *od = eq->od;
	bool found;

	found = opi_aq_irq(od);
	found |= opi_eq_irq(eq);
	/* Neither: then it was about the status, which is read elsewhere. */
	if (!found)
		opi_dev_queue_watch(od);
	return IRQ_HANDLED;
}

/* Spread over CPUs, as queues of netdevs are; that of the admin queue floats. */
static void opi_irq_spread(struct opi_dev *od, unsigned int i)
{
	int node = dev_to_node(&od->pdev->dev);

	if (i)
		irq_set_affinity_and_hint(od->eqs[i].irq,
					  cpumask_of(cpumask_local_spread(i - 1,
									  node)));
}

static irqreturn_t opi_irq_eq(int irq, void *data)
{
	opi_eq_irq(data);
	return IRQ_HANDLED;
}

static void opi_irq_free(struct opi_eq *eq)
{
	irq_update_affinity_hint(eq->irq, NULL);
	free_irq(eq->irq, eq);
}

/**
 * opi_irqs_init - request the interrupts of all event queues
 * @od:		the device; vectors and event queues are allocated
 *
 * Return: 0 or a negative errno.
 */
int opi_irqs_init(struct opi_dev *od)
{
	unsigned int i;
	int err;

	for (i = 0; i < od->n_vecs; i++) {
		struct opi_eq *eq = &od->eqs[i];

		eq->irq = pci_irq_vector(od->pdev, i);
		snprintf(eq->name, sizeof(eq->name), "%s-%s-%u", OPI_DRV_NAME,
			 pci_name(od->pdev), i);
		err = request_irq(eq->irq, i ? opi_irq_eq : opi_irq_admin, 0,
				  eq->name, eq);
		if (err)
			goto err_free;
		opi_irq_spread(od, i);
	}
	return 0;

err_free:
	while (i--)
		opi_irq_free(&od->eqs[i]);
	return err;
}

/**
 * opi_irqs_exit - free the interrupts
 * @od:		the device
 */
void opi_irqs_exit(struct opi_dev *od)
{
	unsigned int i;

	for (i = 0; i < od->n_vecs; i++)
		opi_irq_free(&od->eqs[i]);
}

/**
 * opi_vectors_init - allocate MSI-X vectors, and an event queue for each
 * @od:		the device; it has none
 *
 * How many is said by parameters (param.c).
 *
 * Context: may sleep.
 * Return: 0 or a negative errno; there are none then.
 */
int opi_vectors_init(struct opi_dev *od)
{
	unsigned int max = od->init.vecs_max;
	int err, n;

	n = pci_alloc_irq_vectors(od->pdev, min(od->init.vecs_min, max), max,
				  PCI_IRQ_MSIX);
	if (n < 0)
		return n;
	od->n_vecs = n;

	err = opi_eqs_init(od);
	if (err)
		opi_vectors_exit(od);
	return err;
}

/**
 * opi_vectors_exit - free the vectors and their event queues
 * @od:		the device; it does no DMA any more, and interrupts are freed
 *
 * Context: may sleep.
 */
void opi_vectors_exit(struct opi_dev *od)
{
	opi_eqs_exit(od);
	pci_free_irq_vectors(od->pdev);
	od->n_vecs = 0;
}
