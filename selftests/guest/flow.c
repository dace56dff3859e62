// SPDX-License-Identifier: GPL-2.0
/*
 * Streams and datagrams whose every byte is checked, through sockets, so that the
 * stack's and the card's offloads have work to do:
 *
 *	flow tcp-recv PORT			prints "listening", then BYTES DIGEST
 *	flow tcp-send IP PORT AMOUNT SEED	likewise; AMOUNT: bytes, or 10s
 *	flow udp-recv PORT COUNT SECONDS SEED	prints "listening", then JSON
 *	flow udp-send IP PORT COUNT SIZE SEED [SEGMENTS]
 *
 * udp-send has the kernel make SEGMENTS datagrams of each write (UDP_SEGMENT); the
 * status of udp-recv is 0 if all COUNT came and every byte was right.
 *
 * One connection, one kind of traffic, and an end; what goes on for long and in all
 * ways at once is in traffic.c.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define POOL		(1u << 20)	/* bytes that pieces are cut from */
#define PIECE		(1u << 18)	/* the longest write of a stream */
#define TIMEOUT_MS	60000		/* nothing moves: give up */
#define UDP_HEAD	6		/* number and size */

static unsigned char pool[POOL], buf[PIECE];

static void fill_pool(uint64_t seed)
{
	uint64_t x = seed * 2862933555777941757u + 3037000493u;
	size_t i;

	for (i = 0; i < POOL; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		pool[i] = x >> 24;
	}
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static unsigned long number(const char *text, unsigned long max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || end == text || *end || n > max)
		errx(2, "bad number '%s'", text);
	return n;
}

/* Of bytes in their order, however they come in pieces. */
struct digest {
	uint64_t hash, word, total;
};

static void digest_add(struct digest *d, const unsigned char *data, size_t len)
{
	size_t i = 0;

	while (i < len) {
		uint64_t word;

		if (d->total % 8 == 0 && len - i >= 8) {
			memcpy(&word, data + i, 8);
			i += 8;
			d->total += 8;
		} else {
			d->word |= (uint64_t)data[i++] << d->total % 8 * 8;
			if (++d->total % 8)
				continue;
			word = d->word;
			d->word = 0;
		}
		d->hash = (d->hash ^ word) * 0x9e3779b97f4a7c15u;
		d->hash ^= d->hash >> 29;
	}
}

static void digest_print(const struct digest *d)
{
	printf("%llu %016llx\n", (unsigned long long)d->total,
	       (unsigned long long)((d->hash ^ d->word) * 0x9e3779b97f4a7c15u));
}

/* Any address of both families. */
static int listener(int type, const char *port)
{
	struct sockaddr_in6 sa = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(number(port, 65535)),
	};
	int fd = socket(AF_INET6, type, 0), on = 1, off = 0, size = 16 << 20;

	if (fd < 0)
		err(1, "socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (type == SOCK_DGRAM &&
	    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)))
		err(1, "receive buffer");
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)))
		err(1, "bind");
	if (type == SOCK_STREAM && listen(fd, 1))
		err(1, "listen");
	puts("listening");
	fflush(stdout);
	return fd;
}

static int connected(int type, const char *ip, const char *port)
{
	struct timeval tv = { .tv_sec = TIMEOUT_MS / 1000 };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct sockaddr_in four = { .sin_family = AF_INET };
	struct sockaddr *sa;
	socklen_t len;
	int fd;

	six.sin6_port = four.sin_port = htons(number(port, 65535));
	if (inet_pton(AF_INET, ip, &four.sin_addr) == 1) {
		sa = (struct sockaddr *)&four;
		len = sizeof(four);
	} else if (inet_pton(AF_INET6, ip, &six.sin6_addr) == 1) {
		sa = (struct sockaddr *)&six;
		len = sizeof(six);
	} else {
		errx(2, "bad address '%s'", ip);
	}
	fd = socket(sa->sa_family, type, 0);
	if (fd < 0)
		err(1, "socket");
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	if (connect(fd, sa, len))
		err(1, "connect");
	return fd;
}

static int tcp_recv(const char *port)
{
	int fd = accept(listener(SOCK_STREAM, port), NULL, NULL);
	struct digest d = {};
	ssize_t n;

	if (fd < 0)
		err(1, "accept");
	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		digest_add(&d, buf, n);
	if (n < 0)
		err(1, "recv");
	digest_print(&d);
	return 0;
}

static void send_all(int fd, const unsigned char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0)
			err(1, "send");
		data += n;
		len -= n;
	}
}

static int tcp_send(const char *ip, const char *port, char *amount,
		    const char *seed)
{
	size_t len = strlen(amount);
	bool timed = len && amount[len - 1] == 's';
	struct digest d = {};
	unsigned long step, limit;
	double end;
	ssize_t n;
	int fd;

	if (timed)
		amount[len - 1] = '\0';
	limit = number(amount, timed ? 86400 : UINT32_MAX * 16ul);
	fd = connected(SOCK_STREAM, ip, port);
	fill_pool(number(seed, UINT32_MAX));
	end = now() + limit;
	for (step = 0; timed ? now() < end : d.total < limit; step++) {
		/* Never the same piece twice in a row, and of no round length. */
		const unsigned char *piece = pool + step * 4099 % (POOL / 2);
		size_t size = PIECE - step % 1009;

		if (!timed && size > limit - d.total)
			size = limit - d.total;
		send_all(fd, piece, size);
		digest_add(&d, piece, size);
	}
	shutdown(fd, SHUT_WR);
	/* Until the other end has read all. */
	while ((n = recv(fd, buf, 1, 0)) > 0)
		;
	if (n < 0)
		err(1, "the other end");
	digest_print(&d);
	return 0;
}

/* What datagram @n of @size bytes has in it; @size is at least UDP_HEAD. */
static void datagram(unsigned char *to, uint32_t n, uint16_t size)
{
	uint32_t n32 = htonl(n);
	uint16_t n16 = htons(size);

	memcpy(to, &n32, 4);
	memcpy(to + 4, &n16, 2);
	memcpy(to + UDP_HEAD, pool + n * 131ul % (1 << 15), size - UDP_HEAD);
}

static int udp_recv(const char *port, const char *count_text,
		    const char *seconds, const char *seed)
{
	unsigned long count = number(count_text, 1u << 30), seen = 0, bad = 0;
	unsigned char *had = calloc(count, 1), want[1 << 16];
	struct pollfd p = { .events = POLLIN };
	double end;

	if (!had)
		err(1, "calloc");
	fill_pool(number(seed, UINT32_MAX));
	p.fd = listener(SOCK_DGRAM, port);
	end = now() + number(seconds, 86400);
	while (seen < count && now() < end) {
		ssize_t len;
		uint32_t n;

		if (poll(&p, 1, 500) <= 0)
			continue;
		len = recv(p.fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (len < 0)
			continue;
		memcpy(&n, buf, 4);
		n = ntohl(n);
		if (len < UDP_HEAD || n >= count || had[n]) {
			bad++;
			continue;
		}
		had[n] = 1;
		seen++;
		datagram(want, n, len);
		if (memcmp(want, buf, len))
			bad++;
	}
	printf("{\"received\": %lu, \"bad\": %lu}\n", seen, bad);
	return seen == count && !bad ? 0 : 1;
}

static int udp_send(const char *ip, const char *port, const char *count_text,
		    const char *size_text, const char *seed, const char *segs)
{
	unsigned long count = number(count_text, 1u << 30), n = 0, i;
	unsigned long segments = number(segs, 128);
	unsigned long size = number(size_text, 65507);
	struct timespec pause = { .tv_nsec = 5000000 };
	int fd, segment = size;

	if (size < UDP_HEAD || !segments || size * segments > sizeof(buf))
		errx(2, "bad size or number of segments");
	fd = connected(SOCK_DGRAM, ip, port);
	fill_pool(number(seed, UINT32_MAX));
	if (segments > 1 &&
	    setsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)))
		err(1, "UDP_SEGMENT");
	while (n < count) {
		for (i = 0; i < segments && n < count; i++)
			datagram(buf + i * size, n++, size);
		if (send(fd, buf, i * size, 0) < 0)
			err(1, "send");
		nanosleep(&pause, NULL);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (!strcmp(verb, "tcp-recv") && argc == 3)
		return tcp_recv(argv[2]);
	if (!strcmp(verb, "tcp-send") && argc == 6)
		return tcp_send(argv[2], argv[3], argv[4], argv[5]);
	if (!strcmp(verb, "udp-recv") && argc == 6)
		return udp_recv(argv[2], argv[3], argv[4], argv[5]);
	if (!strcmp(verb, "udp-send") && (argc == 7 || argc == 8))
		return udp_send(argv[2], argv[3], argv[4], argv[5], argv[6],
				argc == 8 ? argv[7] : "1");
	fputs("usage: flow tcp-recv PORT | tcp-send IP PORT BYTES|SECONDSs SEED |\n"
	      "       udp-recv PORT COUNT SECONDS SEED |\n"
	      "       udp-send IP PORT COUNT SIZE SEED [SEGMENTS]\n", stderr);
	return 2;
}
