// SPDX-License-Identifier: GPL-2.0
/*
 * Send and receive Ethernet frames whose every byte is known, through packet
 * sockets, so that no protocol pads, splits or repairs anything:
 *
 *	frames send IF [-d MAC] [-l LEN[,LEN...]] [-n COUNT] [-s SEED] [-v VLAN[,VLAN]]
 *		       [-p MICROSECONDS] [-w WINDOW [-t SECONDS]]
 *	frames recv IF [-n COUNT] [-s SEED] [-t SECONDS] [-v VLAN[,VLAN]] [-w WINDOW]
 *
 * "send" sends COUNT frames, their lengths (with the Ethernet header, without
 * tags) taken from the list in turn, and pauses after every 16th.  Of two tags the
 * first one is outside, a service tag.  "recv" says
 * "listening" when it is, ends after COUNT frames or SECONDS and prints one
 * JSON object; its status is 0 if all COUNT came and every byte was right.
 *
 * With a window the receiver says each half of it what it has, and again while nothing
 * comes, and the sender is never further ahead than that (for SECONDS in all, then it gives
 * up): nothing is lost for want of a buffer, however seldom the receiver's machine runs.
 *
 * A frame's payload is a number, a length, the seed and then a pattern made of
 * the three; payloads too short for that are filled with one byte.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TYPE		0x88b5	/* IEEE: local experiments */
#define TYPE_ACK	0x88b6	/* likewise: how many have come, 32 bits */
#define MAX_LEN		65535
#define MAX_LENS	64
#define MAX_TAGS	2
#define TAG_LEN		4
#define SHORT_FILL	0xa5

struct payload {
	uint32_t number;
	uint16_t len;
	uint16_t seed;
	uint8_t pattern[];
} __attribute__((packed));

#define MIN_FULL	(sizeof(struct ether_header) + sizeof(struct payload))

struct args {
	const char *ifname;
	unsigned int ifindex;
	uint8_t dst[ETH_ALEN];
	unsigned int lens[MAX_LENS];
	unsigned int n_lens;
	unsigned int count;
	unsigned int seed;
	uint32_t tags[MAX_TAGS];	/* protocol and VLAN, outermost first */
	unsigned int n_tags;
	unsigned int pause;
	unsigned int seconds;
	unsigned int window;
};

static void die(const char *what)
{
	fprintf(stderr, "frames: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void usage(void)
{
	fprintf(stderr, "usage: frames send|recv IF [-d MAC] [-l LEN,...] [-n COUNT] [-s SEED] [-v VLAN[,VLAN]] [-p US] [-t SECONDS] [-w WINDOW]\n");
	exit(2);
}

/* Frame number @number of length @len without tag, from the type on. */
static void fill_payload(uint8_t *at, unsigned int len, uint32_t number,
			 uint16_t seed)
{
	struct payload *p = (struct payload *)at;
	unsigned int room = len - sizeof(struct ether_header);
	uint32_t x = seed * 2654435761u + number;
	unsigned int i;

	if (len < MIN_FULL) {
		memset(at, SHORT_FILL, room);
		return;
	}
	p->number = htonl(number);
	p->len = htons(len);
	p->seed = htons(seed);
	for (i = 0; i < room - sizeof(*p); i++) {
		x = x * 1664525 + 1013904223;
		p->pattern[i] = x >> 24;
	}
}

static int open_socket(const struct args *a, int protocol)
{
	struct sockaddr_ll sll = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(protocol),
		.sll_ifindex = a->ifindex,
	};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (fd < 0)
		die("socket");
	if (bind(fd, (struct sockaddr *)&sll, sizeof(sll)))
		die("bind");
	return fd;
}

static uint8_t *put32(uint8_t *at, uint32_t v)
{
	v = htonl(v);
	memcpy(at, &v, sizeof(v));
	return at + sizeof(v);
}

/* The kernel sends through a queue of the processor's: one of each, to keep order. */
static void stay_here(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("sched_setaffinity");
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* The Ethernet header of what goes out at an interface, without the type. */
static void fill_header(int fd, const struct args *a, struct ether_header *eh)
{
	struct ifreq ifr = { 0 };

	strncpy(ifr.ifr_name, a->ifname, IFNAMSIZ - 1);
	if (ioctl(fd, SIOCGIFHWADDR, &ifr))
		die("address");
	memcpy(eh->ether_shost, ifr.ifr_hwaddr.sa_data, ETH_ALEN);
	memcpy(eh->ether_dhost, a->dst, ETH_ALEN);
}

static void send_frame(int fd, const void *frame, size_t len)
{
	while (send(fd, frame, len, 0) < 0) {
		if (errno != ENOBUFS && errno != EAGAIN)
			die("send");
		usleep(1000);
	}
}

/* Tell the sender that @got have come. */
static void send_ack(int fd, const struct args *a, uint32_t got)
{
	uint8_t frame[ETH_ZLEN] = { 0 };
	struct ether_header *eh = (struct ether_header *)frame;

	fill_header(fd, a, eh);
	eh->ether_type = htons(TYPE_ACK);
	put32(frame + sizeof(*eh), got);
	send_frame(fd, frame, sizeof(frame));
}

/*
 * Where acks come: of all types, since a bridge takes what comes in at its port before a
 * socket of one type sees it.  The filter keeps what else comes, frames of the other
 * direction above all, from filling the socket's buffer while the sender is busy.
 */
static int open_acks(const struct args *a)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct ether_header, ether_type)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TYPE_ACK, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, ETH_ZLEN),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog prog = { .len = sizeof(code) / sizeof(code[0]), .filter = code };
	int fd = open_socket(a, ETH_P_ALL), on = 1;

	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)))
		die("setsockopt");
	return fd;
}

/* Wait until less than a window of the @sent frames is on its way. */
static void wait_window(int fd, const struct args *a, uint32_t sent, uint32_t *acked, double end)
{
	while (sent - *acked >= a->window) {
		struct pollfd pfd = { .fd = fd, .events = POLLIN };
		uint8_t frame[ETH_ZLEN];
		struct ether_header *eh = (struct ether_header *)frame;
		uint32_t got;

		if (now() > end) {
			fprintf(stderr, "frames: %u sent, %u have come\n", sent, *acked);
			exit(1);
		}
		if (poll(&pfd, 1, 100) <= 0 || recv(fd, frame, sizeof(frame), 0) < (ssize_t)sizeof(frame) ||
		    eh->ether_type != htons(TYPE_ACK))
			continue;
		memcpy(&got, frame + sizeof(struct ether_header), sizeof(got));
		got = ntohl(got);
		if (got > *acked && got <= sent)
			*acked = got;
	}
}

static int do_send(const struct args *a)
{
	static uint8_t frame[MAX_LEN + MAX_TAGS * TAG_LEN];
	struct ether_header *eh = (struct ether_header *)frame;
	int fd = open_socket(a, 0), ack_fd = a->window ? open_acks(a) : -1;
	double end = now() + a->seconds;
	unsigned int i, tag;
	uint32_t acked = 0;

	fill_header(fd, a, eh);
	stay_here();

	for (i = 0; i < a->count; i++) {
		unsigned int len = a->lens[i % a->n_lens];
		unsigned int wire = len + a->n_tags * TAG_LEN;
		uint8_t *at = (uint8_t *)&eh->ether_type;

		for (tag = 0; tag < a->n_tags; tag++)
			at = put32(at, a->tags[tag]);
		*at++ = TYPE >> 8;
		*at++ = TYPE & 0xff;
		fill_payload(at, len, i, a->seed);
		send_frame(fd, frame, wire);
		if (a->window)
			wait_window(ack_fd, a, i + 1, &acked, end);
		if (a->pause && i % 16 == 15)
			usleep(a->pause);
	}
	return 0;
}

/* The tag that the kernel took off, or 0. */
static uint32_t stripped_tag(struct msghdr *msg)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		const struct tpacket_auxdata *aux = (void *)CMSG_DATA(c);

		if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA &&
		    aux->tp_status & TP_STATUS_VLAN_VALID)
			return (aux->tp_status & TP_STATUS_VLAN_TPID_VALID ?
				aux->tp_vlan_tpid : ETHERTYPE_VLAN) << 16 |
			       (aux->tp_vlan_tci & 0xfff);
	}
	return 0;
}

/* Take off the tags that are still there, and say whether all are those wanted. */
static bool untag(uint8_t *frame, ssize_t *len, uint32_t stripped, const struct args *a)
{
	struct ether_header *eh = (struct ether_header *)frame;
	unsigned int n = 0;
	bool same = true;

	if (stripped)
		same = n < a->n_tags && a->tags[n++] == stripped;
	while (*len >= (ssize_t)sizeof(*eh) + TAG_LEN &&
	       (eh->ether_type == htons(ETHERTYPE_VLAN) || eh->ether_type == htons(ETH_P_8021AD))) {
		uint32_t tag = ntohs(eh->ether_type) << 16 | (frame[14] << 8 & 0xf00) | frame[15];

		same = same && n < a->n_tags && a->tags[n++] == tag;
		memmove(frame + 12, frame + 16, *len - 16);
		*len -= TAG_LEN;
	}
	return same && n == a->n_tags;
}

static bool all_zero(const uint8_t *at, const uint8_t *end)
{
	while (at < end)
		if (*at++)
			return false;
	return true;
}

/*
 * Is a frame what do_send() made?  A driver may have padded it to the least
 * length of Ethernet, with zeros.  *number: which it is; short ones have none.
 */
static bool right(const uint8_t *frame, unsigned int len, uint16_t seed,
		  uint32_t *number)
{
	static uint8_t want[MAX_LEN];
	const uint8_t *at = frame + sizeof(struct ether_header);
	const uint8_t *end = frame + len;
	const struct payload *p = (const struct payload *)at;
	unsigned int real;

	*number = UINT32_MAX;
	if (len < MIN_FULL || *at == SHORT_FILL || all_zero(at, end)) {
		while (at < end && *at == SHORT_FILL)
			at++;
		return at < frame + MIN_FULL && len <= ETH_ZLEN && all_zero(at, end);
	}
	real = ntohs(p->len);
	if (real < MIN_FULL || real > len || ntohs(p->seed) != seed)
		return false;
	if (len != real && len > ETH_ZLEN)
		return false;
	*number = ntohl(p->number);
	fill_payload(want, real, *number, seed);
	return !memcmp(at, want, real - sizeof(struct ether_header)) &&
	       all_zero(frame + real, end);
}

static int do_recv(const struct args *a)
{
	static uint8_t frame[MAX_LEN + MAX_TAGS * TAG_LEN];
	unsigned int got = 0, bad = 0, twice = 0, late = 0, runts = 0, max = 0;
	struct timeval tv = { .tv_usec = 100000 };
	int fd = open_socket(a, ETH_P_ALL), on = 1, room = 32 << 20;
	uint8_t *seen = calloc(a->count, 1);
	double end = now() + a->seconds;
	uint32_t last = 0;

	if (!seen)
		die("memory");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) ||
	    setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)))
		die("setsockopt");
	puts("listening");
	fflush(stdout);

	while (got < a->count && now() < end) {
		char control[128];
		struct sockaddr_ll from;
		struct iovec iov = { frame, sizeof(frame) };
		struct msghdr msg = {
			.msg_name = &from, .msg_namelen = sizeof(from),
			.msg_iov = &iov, .msg_iovlen = 1,
			.msg_control = control, .msg_controllen = sizeof(control),
		};
		struct ether_header *eh = (struct ether_header *)frame;
		ssize_t len = recvmsg(fd, &msg, 0);
		uint32_t number;
		bool tags_right;

		if (len < 0 && (errno == EAGAIN || errno == EINTR)) {
			/* The sender may have missed the last one. */
			if (a->window)
				send_ack(fd, a, got);
			continue;
		}
		if (len < 0 && errno == ENETDOWN)
			continue;
		if (len < 0)
			die("recv");
		if (from.sll_pkttype == PACKET_OUTGOING ||
		    len < (ssize_t)sizeof(*eh))
			continue;
		tags_right = untag(frame, &len, stripped_tag(&msg), a);
		if (eh->ether_type != htons(TYPE))
			continue;
		got++;
		if (a->window && (got % (a->window / 2) == 0 || got == a->count))
			send_ack(fd, a, got);
		if (len > max)
			max = len;
		if (msg.msg_flags & MSG_TRUNC || !tags_right ||
		    !right(frame, len, a->seed, &number)) {
			bad++;
		} else if (number == UINT32_MAX) {
			runts++;
		} else if (number >= a->count) {
			bad++;
		} else {
			if (seen[number]++)
				twice++;
			else if (number < last)
				late++;
			else
				last = number;
		}
	}
	printf("{\"received\":%u,\"bad\":%u,\"duplicate\":%u,\"reordered\":%u,\"short\":%u,\"longest\":%u}\n",
	       got, bad, twice, late, runts, max);
	free(seen);
	return got == a->count && !bad && !twice && !late ? 0 : 1;
}

static void parse_lens(struct args *a, char *s)
{
	char *word;

	a->n_lens = 0;
	for (word = strtok(s, ","); word; word = strtok(NULL, ",")) {
		unsigned long len = strtoul(word, NULL, 0);

		if (a->n_lens == MAX_LENS || len < sizeof(struct ether_header) ||
		    len > MAX_LEN)
			usage();
		a->lens[a->n_lens++] = len;
	}
}

static void parse_tags(struct args *a, char *s)
{
	char *word;

	for (word = strtok(s, ","); word; word = strtok(NULL, ",")) {
		unsigned long vlan = strtoul(word, NULL, 0);

		if (a->n_tags == MAX_TAGS || !vlan || vlan > 0xfff)
			usage();
		a->tags[a->n_tags++] = ETHERTYPE_VLAN << 16 | vlan;
	}
	if (a->n_tags > 1)
		a->tags[0] = (uint32_t)ETH_P_8021AD << 16 | (a->tags[0] & 0xfff);
}

int main(int argc, char **argv)
{
	struct args a = {
		.dst = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		.lens = { 64 }, .n_lens = 1, .count = 1, .seconds = 5,
	};
	int opt;

	if (argc < 3)
		usage();
	a.ifname = argv[2];
	a.ifindex = if_nametoindex(a.ifname);
	if (!a.ifindex)
		die(a.ifname);
	optind = 3;
	while ((opt = getopt(argc, argv, "d:l:n:s:v:p:t:w:")) != -1) {
		switch (opt) {
		case 'd':
			if (sscanf(optarg, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx",
				   &a.dst[0], &a.dst[1], &a.dst[2],
				   &a.dst[3], &a.dst[4], &a.dst[5]) != 6)
				usage();
			break;
		case 'l':
			parse_lens(&a, optarg);
			break;
		case 'n':
			a.count = strtoul(optarg, NULL, 0);
			break;
		case 's':
			a.seed = strtoul(optarg, NULL, 0) & 0xffff;
			break;
		case 'v':
			parse_tags(&a, optarg);
			break;
		case 'p':
			a.pause = strtoul(optarg, NULL, 0);
			break;
		case 't':
			a.seconds = strtoul(optarg, NULL, 0);
			break;
		case 'w':
			a.window = strtoul(optarg, NULL, 0);
			if (a.window < 2)
				usage();
			break;
		default:
			usage();
		}
	}
	if (!a.n_lens || !a.count)
		usage();
	if (!strcmp(argv[1], "send"))
		return do_send(&a);
	if (!strcmp(argv[1], "recv"))
		return do_recv(&a);
	usage();
}
