// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * What becomes of a function that is given an address which it cannot reach: what
 * used the address is stopped and says why, memory stays what it is, and a reset
 * makes all of it good.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "stray.h"

#define FREED_IOVA	0x20000000UL
#define FREED_SIZE	(DEV_BUF << DEV_RING_ORDER)
#define FILL		0x5a

/* Which address it is; of the queue pair unless it says otherwise. */
static const struct {
	const char	*name;
	size_t		at;		/* of the struct dma in struct dev */
} places[] = {
	{ "admin-ring",		offsetof(struct dev, aq.sq) },
	{ "admin-completions",	offsetof(struct dev, aq.cq) },
	{ "admin-buffer",	offsetof(struct dev, aq.buf) },
	{ "send-ring",		offsetof(struct dev, qp.sq) },
	{ "receive-ring",	offsetof(struct dev, qp.rq) },
	{ "completions",	offsetof(struct dev, qp.cq) },
	{ "indices",		offsetof(struct dev, qp.shadow) },
	{ "send-data",		offsetof(struct dev, qp.tx) },
	{ "receive-data",	offsetof(struct dev, qp.rx) },
	{ "freed",		offsetof(struct dev, qp.rx) },
};

#define N_PLACES	(sizeof(places) / sizeof(places[0]))

/**
 * stray_list - say what stray() knows
 */
void stray_list(void)
{
	size_t i;

	for (i = 0; i < N_PLACES; i++)
		printf("%s\n", places[i].name);
}

static int say(struct dev *d, int err)
{
	switch (err) {
	case -EFAULT:
		if (d->qp.error)
			printf("stopped queue pair error %u%s\n", d->qp.error,
			       d->qp.error == OPI_QP_ERR_DMA ? " (DMA)" : "");
		else
			printf("refused command EFAULT\n");
		return 0;
	case -EIO:
		printf("stopped function health %u%s\n",
		       dev_rd(d, OPI_REG_HEALTH),
		       dev_rd(d, OPI_REG_HEALTH) == OPI_HEALTH_AQ_DMA ?
		       " (AQ_DMA)" : "");
		return 0;
	default:
		printf("nothing: %s\n", strerror(-err));
		return err ? err : -ETIMEDOUT;
	}
}

/* The admin queue with an address that is not ours. */
static int stray_admin(struct dev *d, struct dma *place, uint64_t iova)
{
	int err;

	err = dev_reset(d);
	if (!err)
		err = dev_alloc(d, place, OPI_CMD_BUF_MAX);
	if (err)
		return err;
	place->iova = iova;
	err = dev_aq_start(d);
	return err ? err : dev_cmd(d, OPI_CMD_IDENTIFY, 0, NULL, &d->id,
				   sizeof(d->id));
}

/* Something to send, whoever gets it, and somebody may send something to us. */
static int use_queue_pair(struct dev *d, int ms)
{
	uint8_t frame[64] = { 255, 255, 255, 255, 255, 255, [12] = 0x88, 0xb5 };
	uint8_t got[DEV_BUF];
	int err = 0;

	memcpy(frame + 6, d->port.mac, sizeof(d->port.mac));
	for (; !err && ms > 0; ms -= 200) {
		err = qp_send(d, frame, sizeof(frame), 200);
		if (!err)
			err = qp_recv(d, got, sizeof(got), 200);
		if (err > 0)
			err = 0;
	}
	return err;
}

static int stray_queue_pair(struct dev *d, struct dma *place, uint64_t iova,
			    void *va, int ms)
{
	int err;

	err = dev_start(d);
	if (!err)
		err = qp_alloc(d);
	if (err)
		return err;
	place->iova = iova;
	if (va)
		place->va = va;
	err = qp_start(d);
	return err ? err : use_queue_pair(d, ms);
}

/* Memory that the function had once, and has no more. */
static int stray_freed(struct dev *d, struct dma *place, int ms)
{
	uint8_t *va = mmap(NULL, FREED_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t i;
	int err;

	if (va == MAP_FAILED)
		return -errno;
	memset(va, FILL, FREED_SIZE);
	err = vfio_map(&d->vfio, va, FREED_IOVA, FREED_SIZE);
	if (!err)
		err = vfio_unmap(&d->vfio, FREED_IOVA, FREED_SIZE);
	if (!err)
		err = stray_queue_pair(d, place, FREED_IOVA, va, ms);
	for (i = 0; i < FREED_SIZE; i++) {
		if (va[i] != FILL) {
			printf("memory was written at %#zx\n", i);
			err = -ENOTRECOVERABLE;
			break;
		}
	}
	munmap(va, FREED_SIZE);
	return err;
}

/**
 * stray - give the function an address that it cannot reach, and say what follows
 * @d:		the function
 * @what:	which address, see stray_list()
 * @iova:	the address; "freed" has its own
 * @ms:		how long to wait; somebody must send frames to the function meanwhile
 *		if @what is about receiving
 *
 * Return: 0 if the card said so and the function starts again then.
 */
int stray(struct dev *d, const char *what, uint64_t iova, int ms)
{
	struct dma *place;
	size_t i;
	int err;

	for (i = 0; i < N_PLACES; i++)
		if (!strcmp(places[i].name, what))
			break;
	if (i == N_PLACES) {
		fprintf(stderr, "no such address: %s\n", what);
		return -EINVAL;
	}
	place = (struct dma *)((char *)d + places[i].at);

	if (!strncmp(what, "admin", 5))
		err = stray_admin(d, place, iova);
	else if (!strcmp(what, "freed"))
		err = stray_freed(d, place, ms);
	else
		err = stray_queue_pair(d, place, iova, NULL, ms);
	err = say(d, err);
	if (err)
		return err;

	err = dev_start(d);
	if (!err)
		err = qp_start(d);
	printf("started again: %s\n", err ? strerror(-err) : "yes");
	return err;
}
