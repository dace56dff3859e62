// SPDX-License-Identifier: GPL-2.0
/*
 * Traffic as the bench needs it and iperf3 has not: round trips one by one, and
 * an amount that is known before, by a program that starts with few instructions.
 *
 *	flow echo PORT				send back what UDP datagrams come
 *	flow sink PORT				read and forget them
 *	flow drain PORT				read and forget TCP streams, one by one
 *	flow ping IP PORT COUNT			print: trips lost median p99 (microseconds)
 *	flow send IP PORT COUNT RATE		RATE datagrams a second, one by one; 0: as
 *						fast as it goes.  Print: sent seconds
 *	flow stream IP PORT KIB			so much of a TCP stream, until it is read.
 *						Print: bytes seconds
 *
 * Datagrams carry 64 bytes.
 */

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PAYLOAD	64
#define NSEC	1000000000LL

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NSEC + ts.tv_nsec;
}

static long number(const char *s, long max)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(s, &end, 10);
	if (errno || end == s || *end || n < 0 || n > max)
		errx(2, "'%s' is not a number from 0 to %ld", s, max);
	return n;
}

static int open_socket(int type, const char *ip, const char *port, int server)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, type, 0);

	if (fd < 0)
		err(1, "socket");
	a.sin_port = htons(number(port, 65535));
	if (inet_pton(AF_INET, ip, &a.sin_addr) != 1)
		errx(2, "'%s' is not an IPv4 address", ip);
	if (server ? bind(fd, (void *)&a, sizeof(a)) : connect(fd, (void *)&a, sizeof(a)))
		err(1, "%s port %s", ip, port);
	if (server && type == SOCK_STREAM && listen(fd, 4))
		err(1, "listen");
	return fd;
}

static int server(int type, const char *port)
{
	return open_socket(type, "0.0.0.0", port, 1);
}

static int client(int type, const char *ip, const char *port)
{
	return open_socket(type, ip, port, 0);
}

static void do_echo(int fd)
{
	char buf[2048];

	for (;;) {
		struct sockaddr_in from;
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, sizeof(buf), 0, (void *)&from, &len);

		if (n >= 0)
			(void)!sendto(fd, buf, n, 0, (void *)&from, len);
	}
}

static void do_sink(int fd)
{
	char buf[2048];

	for (;;)
		(void)!recv(fd, buf, sizeof(buf), 0);
}

static char chunk[128 * 1024];

/* A stream is closed when all of it was read: its sender waits for that. */
static void do_drain(int fd)
{
	for (;;) {
		int c = accept(fd, NULL, NULL);

		if (c < 0)
			err(1, "accept");
		while (read(c, chunk, sizeof(chunk)) > 0)
			;
		close(c);
	}
}

static void do_stream(int fd, long kib)
{
	int64_t start = now(), left = kib * 1024;

	while (left > 0) {
		size_t n = left < (int64_t)sizeof(chunk) ? (size_t)left : sizeof(chunk);
		ssize_t done = write(fd, chunk, n);

		if (done < 0)
			err(1, "write");
		left -= done;
	}
	if (shutdown(fd, SHUT_WR) || read(fd, chunk, 1) != 0)
		err(1, "the stream was not read to its end");
	printf("%ld %.3f\n", kib * 1024, (double)(now() - start) / NSEC);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The smallest value that PERMILLE of all are not above. */
static double quantile(const int64_t *sorted, long n, int permille)
{
	long i = (n * permille + 999) / 1000;

	return sorted[i > 0 ? i - 1 : 0] / 1000.0;
}

static void do_ping(int fd, long count)
{
	struct timeval patience = { .tv_sec = 1 };
	long i, done = 0, lost = 0, first = count / 10;
	char buf[PAYLOAD] = "", got[PAYLOAD];
	int64_t *trip;

	trip = calloc(count + 1, sizeof(*trip));
	if (!trip)
		err(1, "calloc");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)))
		err(1, "SO_RCVTIMEO");
	/* The first tenth only warms up caches and translated code. */
	for (i = -first; i < count; i++) {
		int64_t sent = now();
		ssize_t n;

		memcpy(buf, &i, sizeof(i));
		if (send(fd, buf, sizeof(buf), 0) < 0)
			err(1, "send");
		/* What was given up on may still come. */
		do
			n = recv(fd, got, sizeof(got), 0);
		while (n >= 0 && memcmp(got, buf, sizeof(i)));
		if (n < 0 && errno != EAGAIN)
			err(1, "recv");
		if (i < 0)
			continue;
		if (n < 0)
			lost++;
		else
			trip[done++] = now() - sent;
		if (lost > 10)
			errx(1, "%ld of %ld answers did not come", lost, i + 1);
	}
	if (!done)
		errx(1, "no answers");
	qsort(trip, done, sizeof(*trip), compare);
	printf("%ld %ld %.1f %.1f\n", done, lost, quantile(trip, done, 500),
	       quantile(trip, done, 990));
	free(trip);
}

static void do_send(int fd, long count, long rate)
{
	char buf[PAYLOAD] = "";
	int64_t start = now();
	long i, sent = 0;

	for (i = 0; i < count; i++) {
		if (rate) {
			int64_t at = start + i * NSEC / rate;
			struct timespec ts = { at / NSEC, at % NSEC };

			clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
		}
		if (send(fd, buf, sizeof(buf), 0) >= 0)
			sent++;
		else if (errno != ENOBUFS && errno != ECONNREFUSED)
			err(1, "send");
	}
	printf("%ld %.3f\n", sent, (double)(now() - start) / NSEC);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (!strcmp(verb, "echo") && argc == 3)
		do_echo(server(SOCK_DGRAM, argv[2]));
	else if (!strcmp(verb, "sink") && argc == 3)
		do_sink(server(SOCK_DGRAM, argv[2]));
	else if (!strcmp(verb, "drain") && argc == 3)
		do_drain(server(SOCK_STREAM, argv[2]));
	else if (!strcmp(verb, "ping") && argc == 5)
		do_ping(client(SOCK_DGRAM, argv[2], argv[3]), number(argv[4], 1000000));
	else if (!strcmp(verb, "send") && argc == 6)
		do_send(client(SOCK_DGRAM, argv[2], argv[3]), number(argv[4], 100000000),
			number(argv[5], 1000000));
	else if (!strcmp(verb, "stream") && argc == 5)
		do_stream(client(SOCK_STREAM, argv[2], argv[3]), number(argv[4], 100000000));
	else
		errx(2, "usage: flow echo|sink|drain PORT | ping|send|stream IP PORT ...");
	return 0;
}
