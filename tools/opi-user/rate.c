// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * As many frames as it goes, in one direction.  What they carry is nobody's; whether
 * frames arrive as they were sent is what net.c looks at.
 */
#include <errno.h>
#include <net/ethernet.h>
#include <stdio.h>
#include <string.h>

#include "rate.h"

#define ETHERTYPE	0x88b5	/* for experiments */
#define BATCH		16
#define LOOK		64	/* batches; a ring that is never full waits for nothing */
#define ROOM_MS		5000
#define FIRST_MS	20000

/* Tests and the bench read this. */
static void say(const char *what, unsigned long n, int64_t ms)
{
	printf("%s %lu frames in %lld ms: %lld/s\n", what, n, (long long)ms,
	       ms ? (long long)n * 1000 / ms : 0LL);
}

/**
 * rate_send - send frames
 * @d:		the function with its queue pair
 * @mac:	to whom
 * @ms:		how long
 * @size:	bytes of each
 *
 * Return: 0, or what qp_put() or dev_wait() returns.
 */
int rate_send(struct dev *d, const uint8_t *mac, int ms, size_t size)
{
	struct {
		struct ether_header	eth;
		uint8_t			data[DEV_BUF - sizeof(struct ether_header)];
	} f = { .eth.ether_type = htobe16(ETHERTYPE) };
	int64_t from = dev_now(), end = from + ms;
	unsigned long n = 0;
	unsigned int batch = 0;
	int i, err = 0;

	if (size < RATE_MIN_FRAME || size > DEV_MTU + sizeof(f.eth))
		return -EINVAL;
	memcpy(f.eth.ether_dhost, mac, ETH_ALEN);
	memcpy(f.eth.ether_shost, d->port.mac, ETH_ALEN);
	while (!err && dev_now() < end) {
		for (i = 0; !err && i < BATCH; i++) {
			err = qp_put(d, &f, size, ROOM_MS);
			n += !err;
		}
		qp_push(d);
		/* Signals, and the kernel's request. */
		if (!err && ++batch % LOOK == 0) {
			err = dev_wait(d, 0);
			if (err > 0)
				err = 0;
		}
	}
	say("sent", n, dev_now() - from);
	return err;
}

/**
 * rate_recv - count the frames that come
 * @d:		the function with its queue pair
 * @ms:		how long; from when the first one has come, which may take 20 s
 *
 * Return: 0, or what qp_recv() returns; -EINTR after a signal.
 */
int rate_recv(struct dev *d, int ms)
{
	uint8_t frame[DEV_BUF];
	int64_t from, end, left;
	unsigned long n = 0;
	int ret;

	ret = qp_recv(d, frame, sizeof(frame), FIRST_MS);
	from = dev_now();
	end = from + ms;
	while (ret > 0) {
		left = end - dev_now();
		if (left <= 0)
			break;
		ret = qp_recv(d, frame, sizeof(frame), (int)left);
		n += ret > 0;
	}
	say("received", n, dev_now() - from);
	return ret < 0 ? ret : 0;
}
