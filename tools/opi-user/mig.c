// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * Migration as VFIO has it (include/uapi/linux/vfio.h), with nobody in between who
 * would hide anything: states, data files, log.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vfio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "mig.h"
#include "net.h"

#define MAX_STREAM	(1UL << 20)
#define PAGE		4096UL

static const struct {
	const char	*name;
	uint32_t	state;
} states[] = {
	{ "running",	  VFIO_DEVICE_STATE_RUNNING },
	{ "running-p2p",  VFIO_DEVICE_STATE_RUNNING_P2P },
	{ "stop",	  VFIO_DEVICE_STATE_STOP },
	{ "stop-copy",	  VFIO_DEVICE_STATE_STOP_COPY },
	{ "resuming",	  VFIO_DEVICE_STATE_RESUMING },
	{ "pre-copy",	  VFIO_DEVICE_STATE_PRE_COPY },
	{ "pre-copy-p2p", VFIO_DEVICE_STATE_PRE_COPY_P2P },
	{ "error",	  VFIO_DEVICE_STATE_ERROR },
};

#define N_STATES	(sizeof(states) / sizeof(states[0]))

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

static const char *state_name(struct dev *d)
{
	uint32_t state;
	size_t i;

	if (!vfio_mig_get(&d->vfio, &state))
		for (i = 0; i < N_STATES; i++)
			if (states[i].state == state)
				return states[i].name;
	return "unknown";
}

static const char *result(int err)
{
	return err ? strerrorname_np(-err) : "ok";
}

/**
 * mig_info - say how the function can be moved
 * @d:		the function
 */
int mig_info(struct dev *d)
{
	uint64_t flags, size;
	int err;

	err = vfio_mig_flags(&d->vfio, &flags);
	if (err) {
		printf("migration %s\n", result(err));
		return err;
	}
	printf("migration%s%s%s\n",
	       flags & VFIO_MIGRATION_STOP_COPY ? " stop-copy" : "",
	       flags & VFIO_MIGRATION_P2P ? " p2p" : "",
	       flags & VFIO_MIGRATION_PRE_COPY ? " pre-copy" : "");
	printf("state %s\n", state_name(d));
	err = vfio_mig_size(&d->vfio, &size);
	if (!err)
		printf("size %llu\n", (unsigned long long)size);
	return err;
}

static int find_state(const char *name)
{
	size_t i;

	for (i = 0; i < N_STATES; i++)
		if (!strcmp(states[i].name, name))
			return (int)i;
	return -1;
}

/* Try a change, and say what became of it: result, state, "file" if there was one. */
static int try_set(struct dev *d, uint32_t state, int *fd)
{
	int err = vfio_mig_set(&d->vfio, state, fd);

	printf("%s %s%s\n", result(err), state_name(d), *fd >= 0 ? " file" : "");
	fflush(stdout);
	return err;
}

/* Until somebody has done something to the function, and says so by a signal. */
static void pause_here(void)
{
	printf("ready\n");
	fflush(stdout);
	while (!__atomic_exchange_n(&dev_stop, 0, __ATOMIC_RELAXED))
		usleep(10000);
}

/**
 * mig_set - go through states, whatever becomes of it
 * @d:		the function
 * @n:		how many
 * @names:	their names; "reset" is a reset, "pause" waits for a signal
 */
int mig_set(struct dev *d, int n, char **names)
{
	int i, at, fd, last = -1, err = 0;

	for (i = 0; i < n; i++) {
		if (!strcmp(names[i], "pause")) {
			pause_here();
			continue;
		}
		printf("%s: ", names[i]);
		if (!strcmp(names[i], "reset")) {
			err = vfio_reset(&d->vfio);
			printf("%s %s\n", result(err), state_name(d));
			continue;
		}
		at = find_state(names[i]);
		if (at < 0) {
			printf("no such state\n");
			return -EINVAL;
		}
		err = try_set(d, states[at].state, &fd);
		/* A file is good for as long as it is the last. */
		if (fd >= 0) {
			if (last >= 0)
				close(last);
			last = fd;
		}
	}
	if (last >= 0)
		close(last);
	return err;
}

/**
 * mig_pairs - try all changes of the state
 * @d:		the function
 *
 * A line for each: from, to, result, state then, "file" if there was a new one.
 */
int mig_pairs(struct dev *d)
{
	size_t from, to;
	int err, old, fd;

	for (from = 0; from < N_STATES - 1; from++) {
		for (to = 0; to < N_STATES; to++) {
			err = vfio_reset(&d->vfio);
			if (!err)
				err = vfio_mig_set(&d->vfio, states[from].state,
						   &old);
			if (err) {
				printf("%s cannot be reached: %s\n",
				       states[from].name, result(err));
				return err;
			}
			printf("%s %s ", states[from].name, states[to].name);
			try_set(d, states[to].state, &fd);
			if (old >= 0)
				close(old);
			if (fd >= 0)
				close(fd);
		}
	}
	return vfio_reset(&d->vfio);
}

/* Read a data file to its end, or to where it ends for now: bytes, or an error. */
static ssize_t read_all(int fd, uint8_t *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size) {
		n = read(fd, buf + len, size - len);
		if (n < 0 && errno == ENOMSG)
			break;
		if (n < 0)
			return -errno;
		if (!n)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static int write_all(int fd, const uint8_t *buf, size_t size)
{
	ssize_t n;

	for (; size; size -= (size_t)n, buf += n) {
		n = write(fd, buf, size);
		if (n < 0)
			return -errno;
	}
	return 0;
}

/**
 * mig_save - stop the function and write its state to a file
 * @d:		the function
 * @path:	the file
 */
int mig_save(struct dev *d, const char *path)
{
	uint8_t *buf = malloc(MAX_STREAM);
	ssize_t len = -ENOMEM;
	int fd, out, err;

	err = vfio_mig_set(&d->vfio, VFIO_DEVICE_STATE_STOP_COPY, &fd);
	if (!err && buf)
		len = read_all(fd, buf, MAX_STREAM);
	if (fd >= 0)
		close(fd);
	if (!err && len < 0)
		err = (int)len;
	if (!err) {
		out = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		err = out < 0 ? -errno : write_all(out, buf, (size_t)len);
		if (out >= 0)
			close(out);
	}
	free(buf);
	printf("saved %zd bytes: %s\n", len, result(err));
	return err;
}

/**
 * mig_load - take the state of a function from a file, and let it run
 * @d:		the function
 * @path:	the file
 */
int mig_load(struct dev *d, const char *path)
{
	uint8_t *buf = malloc(MAX_STREAM);
	ssize_t len = -ENOMEM;
	int fd, in, none, err;

	in = open(path, O_RDONLY | O_CLOEXEC);
	if (in < 0) {
		err = -errno;
		free(buf);
		return err;
	}
	if (buf)
		len = read_all(in, buf, MAX_STREAM);
	close(in);
	if (len < 0) {
		free(buf);
		return (int)len;
	}

	printf("resuming: ");
	err = try_set(d, VFIO_DEVICE_STATE_RESUMING, &fd);
	if (!err) {
		err = write_all(fd, buf, (size_t)len);
		printf("written: %s\n", result(err));
	}
	free(buf);
	if (!err) {
		printf("stop: ");
		err = try_set(d, VFIO_DEVICE_STATE_STOP, &none);
	}
	if (!err) {
		printf("running: ");
		err = try_set(d, VFIO_DEVICE_STATE_RUNNING, &none);
	}
	if (fd >= 0)
		close(fd);
	printf("loaded %zd bytes: %s, %s\n", len, result(err), state_name(d));
	return err;
}

/* What can be known while the source runs; the destination may refuse it. */
static int move_first(int out, int in, uint8_t *buf, struct mig_cost *cost)
{
	struct vfio_precopy_info info = { .argsz = sizeof(info) };
	ssize_t len;

	if (ioctl(out, VFIO_MIG_GET_PRECOPY_INFO, &info))
		return -errno;
	len = read_all(out, buf, MAX_STREAM);
	if (len < 0)
		return (int)len;
	if ((uint64_t)len != info.initial_bytes) {
		warnx("%zd bytes before the stop, told of %llu", len,
		      (unsigned long long)info.initial_bytes);
		return -EPROTO;
	}
	cost->bytes = (size_t)len;
	return write_all(in, buf, (size_t)len);
}

static int move_rest(struct dev *from, int out, int in, uint8_t *buf,
		     struct mig_cost *cost)
{
	int none, err;
	ssize_t len;

	err = vfio_mig_set(&from->vfio, VFIO_DEVICE_STATE_STOP_COPY, &none);
	if (err)
		return err;
	/* The file of before goes on. */
	if (none >= 0) {
		close(none);
		return -EPROTO;
	}
	len = read_all(out, buf, MAX_STREAM);
	if (len < 0)
		return (int)len;
	cost->stopped_bytes = (size_t)len;
	cost->bytes += (size_t)len;
	return write_all(in, buf, (size_t)len);
}

/**
 * mig_move - move a function
 * @from:	where it is, with queues and all
 * @to:		where it will be; has the same memory
 * @cost:	gets what it cost
 *
 * The rings are in memory that both reach, so that nothing but the function's own
 * state has to be moved.
 */
int mig_move(struct dev *from, struct dev *to, struct mig_cost *cost)
{
	int64_t began = now_us(), stopped = began;
	uint8_t *buf = malloc(MAX_STREAM);
	int in = -1, out = -1, none, err;

	*cost = (struct mig_cost){};
	err = buf ? vfio_reset(&to->vfio) : -ENOMEM;
	if (!err)
		err = vfio_mig_set(&to->vfio, VFIO_DEVICE_STATE_RESUMING, &in);
	if (!err)
		err = vfio_mig_set(&from->vfio, VFIO_DEVICE_STATE_PRE_COPY, &out);
	if (!err)
		err = move_first(out, in, buf, cost);
	if (!err) {
		stopped = now_us();
		err = move_rest(from, out, in, buf, cost);
	}
	if (!err)
		err = vfio_mig_set(&to->vfio, VFIO_DEVICE_STATE_STOP, &none);
	if (!err)
		err = vfio_mig_set(&from->vfio, VFIO_DEVICE_STATE_STOP, &none);
	if (!err)
		err = dev_adopt(to, from);
	if (!err)
		err = vfio_mig_set(&to->vfio, VFIO_DEVICE_STATE_RUNNING, &none);
	cost->us = now_us() - began;
	cost->stopped_us = now_us() - stopped;
	if (!err)
		err = dev_identify(to);
	if (out >= 0)
		close(out);
	if (in >= 0)
		close(in);
	free(buf);
	return err;
}

/* Pages of @mem that were changed, and how many of these the log does not have. */
static unsigned int missing(struct dev *d, const struct dma *mem, size_t size,
			    const uint8_t *before, const uint64_t *bits,
			    unsigned int *changed)
{
	size_t at = (size_t)((uint8_t *)mem->va - (uint8_t *)d->mem.va);
	size_t end = at + size, page;
	unsigned int n = 0;

	for (; at < end; at += PAGE) {
		page = at / PAGE;
		if (!memcmp(before + at, (uint8_t *)d->mem.va + at, PAGE))
			continue;
		++*changed;
		if (!(bits[page / 64] & 1ULL << page % 64))
			n++;
	}
	return n;
}

/**
 * mig_dirty - is what the function writes in the log?
 * @d:		the function
 * @ip:		our address
 * @peer:	whom to exchange packets with
 */
int mig_dirty(struct dev *d, struct in_addr ip, struct in_addr peer)
{
	struct net n = { .d = d, .ip = ip };
	uint64_t page = PAGE, *bits, i, set = 0, later = 0;
	unsigned int right, changed = 0, lost = 0;
	size_t words;
	uint8_t *before;
	int err;

	err = dev_start(d);
	if (!err)
		err = qp_start(d);
	words = d->mem_size / PAGE / 64;
	bits = calloc(words, sizeof(*bits));
	before = malloc(d->mem_size);
	if (!err && (!bits || !before))
		err = -ENOMEM;
	if (err)
		goto out;

	err = vfio_log_start(&d->vfio, d->mem.iova, d->mem_size, &page);
	printf("log %s, pages of %llu\n", result(err), (unsigned long long)page);
	if (err)
		goto out;
	memcpy(before, d->mem.va, d->mem_size);
	err = net_ping(&n, peer, 10, NET_MAX_ECHO, 5000, &right);
	if (!err)
		err = vfio_log_report(&d->vfio, d->mem.iova, d->mem_size, PAGE,
				      bits);
	if (err)
		goto out;
	lost += missing(d, &d->qp.cq, PAGE, before, bits, &changed);
	lost += missing(d, &d->qp.rx, DEV_BUF << DEV_RING_ORDER, before, bits,
			&changed);
	lost += missing(d, &d->qp.shadow, PAGE, before, bits, &changed);
	lost += missing(d, &d->eqs[d->n_eqs - 1].ring, PAGE, before, bits, &changed);
	for (i = 0; i < words; i++)
		set += (uint64_t)__builtin_popcountll(bits[i]);
	printf("pages %zu changed %u logged %llu missing %u\n", d->mem_size / PAGE,
	       changed, (unsigned long long)set, lost);

	/* Somebody may send something meanwhile, but hardly to all pages again. */
	memset(bits, 0, words * sizeof(*bits));
	err = vfio_log_report(&d->vfio, d->mem.iova, d->mem_size, PAGE, bits);
	for (i = 0; i < words; i++)
		later += (uint64_t)__builtin_popcountll(bits[i]);
	printf("logged since %llu\n", (unsigned long long)later);
	if (!err)
		err = vfio_log_stop(&d->vfio);
	if (!err && (lost || !changed || right != 10))
		err = -EIO;
out:
	free(before);
	free(bits);
	printf("dirty %s\n", result(err));
	return err;
}

/* Ask for the log, and say how long that took and how many pages were written. */
static int timed_report(struct dev *d, const char *what, uint64_t size, uint64_t *bits)
{
	uint64_t words = size / PAGE / 64, set = 0, i;
	int64_t from;
	int err;

	memset(bits, 0, words * sizeof(*bits));
	from = now_us();
	err = vfio_log_report(&d->vfio, 0, size, PAGE, bits);
	from = now_us() - from;
	for (i = 0; i < words; i++)
		set += (uint64_t)__builtin_popcountll(bits[i]);
	printf("report %s %lld us, %llu pages: %s\n", what, (long long)from,
	       (unsigned long long)set, result(err));
	return err;
}

/**
 * mig_log - what does it cost to ask for the log?
 * @d:		the function
 * @ip:		our address
 * @peer:	whom to exchange packets with
 * @mib:	MiB from address 0 that are logged; the function's memory is in it
 */
int mig_log(struct dev *d, struct in_addr ip, struct in_addr peer, unsigned long mib)
{
	struct net n = { .d = d, .ip = ip };
	uint64_t size = (uint64_t)mib << 20, page = PAGE, *bits;
	unsigned int right;
	int64_t from;
	int err, end;

	if (size < d->mem.iova + d->mem_size) {
		warnx("the function's memory is not within %lu MiB", mib);
		return -EINVAL;
	}
	bits = calloc(size / PAGE / 64, sizeof(*bits));
	if (!bits)
		return -ENOMEM;
	err = dev_start(d);
	if (!err)
		err = qp_start(d);
	if (err)
		goto out;
	from = now_us();
	err = vfio_log_start(&d->vfio, 0, size, &page);
	printf("start %lld us: %s\n", (long long)(now_us() - from), result(err));
	if (err)
		goto out;
	/* All but the first may find something that somebody has sent. */
	err = timed_report(d, "first", size, bits);
	if (!err)
		err = timed_report(d, "idle", size, bits);
	if (!err)
		err = net_ping(&n, peer, 50, NET_MAX_ECHO, 5000, &right);
	if (!err)
		err = timed_report(d, "busy", size, bits);
	from = now_us();
	end = vfio_log_stop(&d->vfio);
	printf("stop %lld us: %s\n", (long long)(now_us() - from), result(end));
	if (!err)
		err = end;
out:
	free(bits);
	printf("log %s\n", result(err));
	return err;
}
