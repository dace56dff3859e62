// SPDX-License-Identifier: GPL-2.0
/*
 * Mixed traffic of which every byte is checked, and which says so when it stands
 * still:
 *
 *	traffic serve PORT [OPTION...]
 *	traffic run IP PORT SECONDS [OPTION...]
 *
 *	-s SEED		of all that is random; the same at both ends
 *	-t COUNT	TCP connections at a time (4)
 *	-u COUNT	UDP sockets (4)
 *	-w COUNT	datagrams of a socket under way at a time (8)
 *	-g SECONDS	longest time in which one of them does not move (5)
 *	-p FILE		while it exists, nothing need move
 *	-o		every datagram is answered: none is given up
 *	-k		connections are kept until the end
 *	-e NUMBER	make a mistake in the NUMBERth piece
 *
 * Connections carry bytes both ways at once and are made anew all the time, some of
 * them as fast as they can; datagrams of all sizes are answered with as many bytes.
 * "serve" says "listening" when it is.  Both end with a JSON object, "serve" when it
 * is told to (SIGTERM); the exit status is 1, at once, after a wrong byte or a stall.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAGIC		0x0b1f10e5
#define MAX_CONNS	64
#define MAX_FLOWS	64
#define MAX_WINDOW	64
#define MAX_PIECE	(64 << 10)
#define MAX_DATAGRAM	8000
#define RETRY		1.5	/* seconds until a connection is tried again */
#define GIVE_UP		1.0	/* seconds until a datagram counts as lost */

/* What a client begins a connection with. */
struct hello {
	uint32_t magic;
	uint32_t id;
	uint32_t up;		/* bytes to the server, without this */
	uint32_t down;		/* both 0: until the client ends it */
} __attribute__((packed));

struct datagram {
	uint32_t magic;
	uint32_t id;
	uint32_t number;
	uint16_t len;		/* with this */
	uint16_t answer;
	uint8_t pattern[];
} __attribute__((packed));

struct conn {
	int fd;			/* 0: none */
	bool connecting;
	bool eof;		/* the other end has sent all */
	bool shut;		/* and so have we */
	bool kept;		/* as many bytes as it comes to */
	unsigned int greeted;	/* bytes of hello that came or went */
	struct hello hello;
	uint64_t out, sent, in, received;
	uint64_t out_key, in_key;
	double rate;		/* bytes a second, 0: as many as possible */
	double began, moved_out, moved_in;
};

struct flow {
	int fd;
	uint32_t id;
	uint32_t next;
	struct {
		bool used;
		uint32_t number;
		double sent;
	} way[MAX_WINDOW];
	double moved;
	double sent;
};

static struct {
	bool server;
	const char *pause;
	uint64_t seed;
	unsigned int n_conns, n_flows, window, mistake;
	bool once, keep;
	double max_gap, seconds;
	struct sockaddr_storage to;
	socklen_t to_len;
} args = { .n_conns = 4, .n_flows = 4, .window = 8, .max_gap = 5 };

static struct {
	uint64_t connections, out, in, datagrams, answers, lost, late;
	double gap, starved;
} sum;

static struct conn conns[MAX_CONNS];
static struct flow flows[MAX_FLOWS];
static uint8_t buf[MAX_PIECE];
static volatile sig_atomic_t told_to_end;
static double now;
static bool paused;
static double paused_at;

static void end(int sig)
{
	told_to_end = sig;
}

static double clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void report(FILE *to)
{
	fprintf(to, "{\"connections\":%llu,\"tcp_sent\":%llu,\"tcp_received\":%llu,\"datagrams\":%llu,\"answers\":%llu,\"lost\":%llu,\"longest_gap\":%.2f,\"starved\":%.2f}\n",
		(unsigned long long)sum.connections, (unsigned long long)sum.out,
		(unsigned long long)sum.in, (unsigned long long)sum.datagrams,
		(unsigned long long)sum.answers, (unsigned long long)sum.lost,
		sum.gap, sum.starved);
	fflush(to);
}

static void __attribute__((noreturn, format(printf, 1, 2))) fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fputs("traffic: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	report(stderr);
	exit(1);
}

static void die(const char *what)
{
	fail("%s: %s", what, strerror(errno));
}

static void __attribute__((noreturn)) usage(void)
{
	fprintf(stderr, "usage: traffic serve PORT | run IP PORT SECONDS [-s SEED] [-t COUNT] [-u COUNT] [-w COUNT] [-g SECONDS] [-p FILE] [-o] [-k] [-e NUMBER]\n");
	exit(2);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t x = (a + b) * 0x9e3779b97f4a7c15ull;

	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9ull;
	return x ^ x >> 32;
}

static uint64_t key(uint32_t id, bool answer)
{
	return mix(mix(args.seed, id), answer);
}

/* A number below @n, from the seed: what is sent when can be had again. */
static uint32_t below(uint32_t n)
{
	static uint64_t count;

	return mix(args.seed ^ ~0ull, count++) % n;
}

static void fill(uint8_t *at, size_t len, uint64_t k, uint64_t off)
{
	while (len) {
		uint64_t word = mix(k, off / 8);
		size_t skip = off % 8, n = 8 - skip < len ? 8 - skip : len;

		memcpy(at, (uint8_t *)&word + skip, n);
		at += n;
		off += n;
		len -= n;
	}
}

static void check(const uint8_t *at, size_t len, uint64_t k, uint64_t off,
		  const char *what, uint32_t id)
{
	while (len) {
		uint64_t word = mix(k, off / 8);
		size_t skip = off % 8, n = 8 - skip < len ? 8 - skip : len;

		if (memcmp(at, (uint8_t *)&word + skip, n))
			fail("wrong byte in %s %08x between %llu and %llu", what, id,
			     (unsigned long long)off, (unsigned long long)(off + n));
		at += n;
		off += n;
		len -= n;
	}
}

/* The mistake that the checks have to find. */
static void spoil(uint8_t *at, size_t len)
{
	static unsigned int pieces;

	if (len && ++pieces == args.mistake)
		at[len / 2] ^= 0x10;
}

static int open_socket(int type)
{
	int fd = socket(args.server ? AF_INET6 : args.to.ss_family,
			type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

/* What is normal while the network is away. */
static bool unreachable(int err)
{
	return err == ENETUNREACH || err == EHOSTUNREACH || err == ENETDOWN ||
	       err == ECONNREFUSED || err == EADDRNOTAVAIL || err == ETIMEDOUT ||
	       err == ENOBUFS || err == EINVAL || err == ENODEV;
}

/* ---- TCP ---------------------------------------------------------------- */

static void conn_ready(struct conn *c)
{
	uint32_t id = ntohl(c->hello.id);

	c->out = ntohl(args.server ? c->hello.down : c->hello.up);
	c->in = ntohl(args.server ? c->hello.up : c->hello.down);
	c->kept = !c->out && !c->in;
	if (c->kept) {
		c->out = UINT64_MAX;
		c->in = UINT64_MAX;
	}
	c->out_key = key(id, args.server);
	c->in_key = key(id, !args.server);
	/* One in four does not wait for anything. */
	c->rate = id & 3 ? 20e3 + below(200e3) : 0;
	c->began = now;
	c->moved_in = now;
	c->moved_out = now;
}

static void conn_open(struct conn *c)
{
	/* Time goes on from when the last one ended. */
	double moved = c->moved_in;

	memset(c, 0, sizeof(*c));
	c->moved_in = moved;
	c->fd = open_socket(SOCK_STREAM);
	c->connecting = true;
	c->began = now;
	c->hello.magic = htonl(MAGIC);
	c->hello.id = htonl(mix(args.seed ^ getpid(), sum.connections * MAX_CONNS + (c - conns)));
	/* Few bytes or many; more where there is no rate. */
	c->hello.up = htonl(1 + below(ntohl(c->hello.id) & 3 ? 100000 : 2000000) / (below(4) ? 1 : 100));
	c->hello.down = htonl(1 + below(ntohl(c->hello.id) & 3 ? 100000 : 2000000) / (below(4) ? 1 : 100));
	if (args.keep) {
		c->hello.up = 0;
		c->hello.down = 0;
	}
	if (connect(c->fd, (struct sockaddr *)&args.to, args.to_len) && errno != EINPROGRESS) {
		if (!unreachable(errno))
			die("connect");
		close(c->fd);
		c->fd = 0;
	}
}

static void conn_close(struct conn *c)
{
	close(c->fd);
	c->fd = 0;
	c->moved_in = now;
	sum.connections++;
}

static bool may_send(const struct conn *c)
{
	return c->sent < c->out &&
	       (!c->rate || c->sent < (now - c->began) * c->rate + 1000);
}

static void conn_send(struct conn *c)
{
	size_t n = 1 + below(below(2) ? MAX_PIECE : 1500);
	ssize_t done;

	if (!args.server && c->greeted < sizeof(c->hello)) {
		done = send(c->fd, (uint8_t *)&c->hello + c->greeted,
			    sizeof(c->hello) - c->greeted, MSG_NOSIGNAL);
		if (done > 0)
			c->greeted += done;
		return;
	}
	if (c->rate && n > c->rate / 10)
		n = c->rate / 10;
	if (n > c->out - c->sent)
		n = c->out - c->sent;
	fill(buf, n, c->out_key, c->sent);
	spoil(buf, n);
	done = send(c->fd, buf, n, MSG_NOSIGNAL);
	if (done < 0 && (errno == EAGAIN || errno == ENOBUFS))
		return;
	if (done < 0)
		die("TCP send");
	c->sent += done;
	sum.out += done;
	c->moved_out = now;
}

static void conn_receive(struct conn *c)
{
	ssize_t n;

	if (args.server && c->greeted < sizeof(c->hello)) {
		n = recv(c->fd, (uint8_t *)&c->hello + c->greeted,
			 sizeof(c->hello) - c->greeted, 0);
		if (n <= 0) {
			/* The client has tried again. */
			if (!n || errno != EAGAIN)
				conn_close(c);
			return;
		}
		c->greeted += n;
		if (c->greeted == sizeof(c->hello)) {
			if (c->hello.magic != htonl(MAGIC))
				fail("wrong byte at the beginning of a connection");
			conn_ready(c);
		}
		return;
	}
	n = recv(c->fd, buf, sizeof(buf), 0);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n < 0)
		die("TCP receive");
	if (!n && c->kept && (args.server || c->shut)) {
		c->in = c->received;
		c->out = c->sent;
	}
	if (!n) {
		if (c->received < c->in)
			fail("connection %08x ended after %llu of %llu bytes", ntohl(c->hello.id),
			     (unsigned long long)c->received, (unsigned long long)c->in);
		c->eof = true;
		return;
	}
	if (c->received + n > c->in)
		fail("connection %08x brought more than was sent", ntohl(c->hello.id));
	check(buf, n, c->in_key, c->received, "connection", ntohl(c->hello.id));
	c->received += n;
	sum.in += n;
	c->moved_in = now;
}

static void conn_event(struct conn *c, short events)
{
	if (c->connecting) {
		socklen_t len = sizeof(int);
		int err = 0;

		if (events)
			getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
		if (err && !unreachable(err)) {
			errno = err;
			die("connect");
		}
		if (err || (!events && now - c->began > RETRY)) {
			close(c->fd);
			c->fd = 0;
			return;
		}
		if (!events)
			return;
		c->connecting = false;
		conn_ready(c);
	}
	if (events & (POLLIN | POLLHUP | POLLERR))
		conn_receive(c);
	if (c->fd && events & POLLOUT)
		conn_send(c);
	if (!c->fd || c->greeted < sizeof(c->hello))
		return;
	if (!c->shut && c->sent == c->out && (!args.server || c->eof)) {
		shutdown(c->fd, SHUT_WR);
		c->shut = true;
	}
	if (c->shut && c->eof)
		conn_close(c);
}

static short conn_wants(const struct conn *c)
{
	short events = c->eof ? 0 : POLLIN;

	if (c->connecting || (!args.server && c->greeted < sizeof(c->hello)) || may_send(c))
		events |= POLLOUT;
	return events;
}

static void noted(double gap, const char *what, uint32_t id, const char *which)
{
	if (gap > sum.gap)
		sum.gap = gap;
	if (gap > args.max_gap)
		fail("%s %08x stands still: nothing %s for %.1f s", what, id, which, gap);
}

static void conn_watch(struct conn *c)
{
	if (!c->fd && args.server)
		return;
	if (c->fd && !may_send(c))
		c->moved_out = now;
	else if (c->fd && !c->connecting)
		noted(now - c->moved_out, "connection", ntohl(c->hello.id), "sent");
	/* The server ends a connection when it has got all. */
	if (c->fd && !args.server && c->received == c->in && c->sent < c->out)
		c->moved_in = now;
	else if (c->fd && c->eof)
		c->moved_in = now;
	else
		noted(now - c->moved_in, "connection", ntohl(c->hello.id), "received");
}

/* ---- UDP ---------------------------------------------------------------- */

static void flow_send(struct flow *f)
{
	struct datagram *d = (struct datagram *)buf;
	unsigned int i, len;

	for (i = 0; i < args.window && f->way[i].used; i++)
		;
	/* Now and then the queue is empty. */
	if (i == args.window || now - f->sent < 0.002 || !below(20))
		return;
	len = sizeof(*d) + below(below(8) ? 1400 : MAX_DATAGRAM);
	d->magic = htonl(MAGIC);
	d->id = htonl(f->id);
	d->number = htonl(f->next);
	d->len = htons(len);
	d->answer = 0;
	fill(d->pattern, len - sizeof(*d), key(f->id, false), (uint64_t)f->next << 16);
	spoil(d->pattern, len - sizeof(*d));
	f->sent = now;
	if (send(f->fd, buf, len, 0) < 0) {
		if (errno != EAGAIN && !unreachable(errno))
			die("UDP send");
		return;
	}
	f->way[i].used = true;
	f->way[i].number = f->next++;
	f->way[i].sent = now;
	sum.datagrams++;
}

/* Is it one of ours, and right?  What is not whole was not let through by UDP. */
static void check_datagram(const struct datagram *d, ssize_t len, bool answer)
{
	if (len < (ssize_t)sizeof(*d) || d->magic != htonl(MAGIC) || ntohs(d->len) != len ||
	    d->answer != htons(answer))
		fail("a datagram of %zd bytes begins with wrong ones", len);
	check(d->pattern, len - sizeof(*d), key(ntohl(d->id), answer),
	      (uint64_t)ntohl(d->number) << 16, "datagram of socket", ntohl(d->id));
}

static void flow_receive(struct flow *f)
{
	const struct datagram *d = (struct datagram *)buf;
	unsigned int i;
	ssize_t n;

	while ((n = recv(f->fd, buf, sizeof(buf), 0)) >= 0) {
		check_datagram(d, n, true);
		if (d->id != htonl(f->id) || ntohl(d->number) >= f->next)
			fail("socket %08x got what it did not ask for", f->id);
		sum.answers++;
		f->moved = now;
		for (i = 0; i < args.window; i++) {
			if (f->way[i].used && f->way[i].number == ntohl(d->number)) {
				f->way[i].used = false;
				break;
			}
		}
		if (i == args.window && ++sum.late > sum.lost)
			fail("socket %08x got an answer twice", f->id);
	}
	if (errno != EAGAIN && !unreachable(errno))
		die("UDP receive");
}

static void flow_watch(struct flow *f)
{
	unsigned int i;

	for (i = 0; i < args.window; i++) {
		if (f->way[i].used && !args.once && now - f->way[i].sent > GIVE_UP) {
			f->way[i].used = false;
			sum.lost++;
		}
		if (f->way[i].used && args.once)
			noted(now - f->way[i].sent, "datagram of socket", f->id, "answered");
	}
	noted(now - f->moved, "socket", f->id, "received");
}

static void answer(int fd)
{
	struct datagram *d = (struct datagram *)buf;
	struct sockaddr_storage from;
	socklen_t from_len = sizeof(from);
	ssize_t n;

	while ((n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &from_len)) >= 0) {
		check_datagram(d, n, false);
		sum.datagrams++;
		d->answer = htons(true);
		fill(d->pattern, n - sizeof(*d), key(ntohl(d->id), true),
		     (uint64_t)ntohl(d->number) << 16);
		spoil(d->pattern, n - sizeof(*d));
		if (sendto(fd, buf, n, 0, (struct sockaddr *)&from, from_len) >= 0)
			sum.answers++;
		else if (errno != EAGAIN && !unreachable(errno))
			die("UDP answer");
		from_len = sizeof(from);
	}
	if (errno != EAGAIN && !unreachable(errno))
		die("UDP receive");
}

/* ---- all of it ---------------------------------------------------------- */

/* All clocks of what has to move. */
static void forgive(double seconds, double tcp_more)
{
	unsigned int i, j;

	for (i = 0; i < MAX_CONNS; i++) {
		conns[i].moved_in += seconds + tcp_more;
		conns[i].moved_out += seconds + tcp_more;
	}
	for (i = 0; i < args.n_flows; i++) {
		flows[i].moved += seconds;
		for (j = 0; j < args.window; j++)
			flows[i].way[j].sent += seconds;
	}
}

/*
 * Time in which this program did not run is nobody's fault here.  After a pause TCP
 * may wait as long again until it tries again.
 */
static void keep_time(void)
{
	static double looked;
	double last = now;

	now = clock_now();
	if (last && now - last > 0.5) {
		forgive(now - last, 0);
		sum.starved += now - last;
	}
	if (!args.pause || now - looked < 0.1)
		return;
	looked = now;
	if (!access(args.pause, F_OK)) {
		if (!paused)
			paused_at = now;
		paused = true;
	} else if (paused) {
		paused = false;
		forgive(now - paused_at, now - paused_at);
	}
}

static void serve_forever(int listener, int udp)
{
	static struct pollfd p[MAX_CONNS + 2];
	unsigned int i;

	while (!told_to_end) {
		p[MAX_CONNS] = (struct pollfd){ .fd = listener, .events = POLLIN };
		p[MAX_CONNS + 1] = (struct pollfd){ .fd = udp, .events = POLLIN };
		for (i = 0; i < MAX_CONNS; i++)
			p[i] = (struct pollfd){ .fd = conns[i].fd ? conns[i].fd : -1,
						.events = conn_wants(&conns[i]) };
		if (poll(p, MAX_CONNS + 2, 10) < 0 && errno != EINTR)
			die("poll");
		keep_time();
		for (i = 0; i < MAX_CONNS; i++) {
			if (conns[i].fd)
				conn_event(&conns[i], p[i].revents);
			if (!paused)
				conn_watch(&conns[i]);
		}
		answer(udp);
		for (i = 0; i < MAX_CONNS && p[MAX_CONNS].revents; i++) {
			struct conn *c = &conns[i];
			int fd;

			if (c->fd)
				continue;
			fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
			if (fd < 0)
				break;
			memset(c, 0, sizeof(*c));
			c->fd = fd;
			c->moved_in = now;
			c->moved_out = now;
		}
	}
}

static void run(void)
{
	static struct pollfd p[MAX_CONNS + MAX_FLOWS];
	double until = now + args.seconds;
	unsigned int i, open = 1;

	for (i = 0; i < args.n_conns; i++)
		conns[i].moved_in = now;
	for (i = 0; i < args.n_flows; i++) {
		struct flow *f = &flows[i];

		f->fd = open_socket(SOCK_DGRAM);
		if (connect(f->fd, (struct sockaddr *)&args.to, args.to_len))
			die("connect");
		f->id = mix(args.seed ^ getpid(), ~i);
		f->moved = now;
	}
	while (open) {
		bool go_on = now < until && !told_to_end;

		for (i = 0; i < args.n_conns; i++) {
			struct conn *c = &conns[i];

			if (!c->fd && go_on)
				conn_open(c);
			p[i] = (struct pollfd){ .fd = c->fd ? c->fd : -1, .events = conn_wants(c) };
		}
		for (i = 0; i < args.n_flows; i++)
			p[args.n_conns + i] = (struct pollfd){ .fd = flows[i].fd, .events = POLLIN };
		if (poll(p, args.n_conns + args.n_flows, 5) < 0 && errno != EINTR)
			die("poll");
		keep_time();
		open = go_on;
		for (i = 0; i < args.n_conns; i++) {
			if (!conns[i].fd && !go_on)
				continue;
			if (!go_on && conns[i].kept)
				conns[i].out = conns[i].sent;
			if (conns[i].fd)
				conn_event(&conns[i], p[i].revents);
			open += !!conns[i].fd;
			if (!paused)
				conn_watch(&conns[i]);
		}
		for (i = 0; i < args.n_flows && go_on; i++) {
			flow_receive(&flows[i]);
			flow_send(&flows[i]);
			if (!paused)
				flow_watch(&flows[i]);
		}
	}
}

static int listen_on(const char *port, int type)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(atoi(port)) };
	int fd = open_socket(type), on = 1, off = 0;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	if (bind(fd, (struct sockaddr *)&sin6, sizeof(sin6)))
		die("bind");
	if (type == SOCK_STREAM && listen(fd, MAX_CONNS))
		die("listen");
	return fd;
}

static void options(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "s:t:u:w:g:p:oke:")) != -1) {
		switch (opt) {
		case 's':
			args.seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			args.n_conns = strtoul(optarg, NULL, 0);
			break;
		case 'u':
			args.n_flows = strtoul(optarg, NULL, 0);
			break;
		case 'w':
			args.window = strtoul(optarg, NULL, 0);
			break;
		case 'g':
			args.max_gap = strtod(optarg, NULL);
			break;
		case 'p':
			args.pause = optarg;
			break;
		case 'o':
			args.once = true;
			break;
		case 'k':
			args.keep = true;
			break;
		case 'e':
			args.mistake = strtoul(optarg, NULL, 0);
			break;
		default:
			usage();
		}
	}
	if (optind != argc || args.n_conns > MAX_CONNS || args.n_flows > MAX_FLOWS ||
	    !args.window || args.window > MAX_WINDOW || args.max_gap <= 0)
		usage();
}

int main(int argc, char **argv)
{
	const struct sigaction sa = { .sa_handler = end };

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	now = clock_now();
	if (argc >= 3 && !strcmp(argv[1], "serve")) {
		int listener, udp;

		args.server = true;
		optind = 3;
		options(argc, argv);
		listener = listen_on(argv[2], SOCK_STREAM);
		udp = listen_on(argv[2], SOCK_DGRAM);
		puts("listening");
		fflush(stdout);
		serve_forever(listener, udp);
	} else if (argc >= 5 && !strcmp(argv[1], "run")) {
		const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
		struct addrinfo *info;

		optind = 5;
		options(argc, argv);
		if (getaddrinfo(argv[2], argv[3], &hints, &info))
			usage();
		memcpy(&args.to, info->ai_addr, info->ai_addrlen);
		args.to_len = info->ai_addrlen;
		freeaddrinfo(info);
		args.seconds = strtod(argv[4], NULL);
		run();
	} else {
		usage();
	}
	report(stdout);
	return 0;
}
