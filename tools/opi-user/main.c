// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * opi-user: a driver of the card's virtual functions in a process, over VFIO.  What
 * it can do is in usage(), how it does it in vfio.c (the way to the function), dev.c
 * (admin queue and event queues) and qp.c (frames).
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/ether.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dev.h"
#include "mig.h"
#include "net.h"
#include "rate.h"
#include "stray.h"

#define REPLY_MS	5000
#define STRAY_MS	20000
#define SETTLE_MS	20000
#define STRAY_IOVA	0x40000000UL
#define RATE_SECS	4
#define LOG_MIB		1024
/* Moves whose costs are remembered. */
#define MAX_COSTS	1000

static const char help[] =
"usage: opi-user [-c] DEVICE VERB [ARGUMENT...]\n"
"DEVICE is the PCI address of a function that vfio-pci or opi_vfio_pci has;\n"
"-c opens it by its character device (iommufd), not by its group.\n"
"\n"
"  info                           what the function says of itself\n"
"  answer IP [SECONDS]            be a host: answer ARP and ping\n"
"  ping IP PEER [COUNT [SIZE]]    send pings, compare each byte of the answers\n"
"  send MAC [SECONDS [SIZE]]      send frames of SIZE bytes as fast as it goes\n"
"  recv [SECONDS]                 count the frames that come, from the first one on\n"
"  reset IP PEER                  the same as ping, before and after a Function Level Reset\n"
"  stray ADDRESS [IOVA]           use memory that the function cannot reach\n"
"  stray list                     the ADDRESSes\n"
"  hold [SECONDS]                 have the function open, and do nothing\n"
"  mig info                       how it can be moved\n"
"  mig set STATE...               go through VFIO's states; \"reset\" is a reset, \"pause\"\n"
"                                 says \"ready\" and waits for SIGUSR1\n"
"  mig pairs                      try all changes of the state\n"
"  mig save FILE                  stop it, and save its state\n"
"  mig load FILE                  take a state, and run\n"
"  mig move DEVICE IP PEER [N [QUEUES]]\n"
"                                 ping, move it to DEVICE, ping; N times there and back,\n"
"                                 with so many queue pairs\n"
"  mig dirty IP PEER              is what it writes in the log?\n"
"  mig log IP PEER [MIB]          how long does it take to ask for the log?\n"
"\n"
"answer, send, recv and hold say \"ready\" and end by SIGTERM or after SECONDS; but for\n"
"hold also when the kernel wants the function back.  The exit status is 0 if all went well, 1 if\n"
"not, 2 for wrong use, and 3 if the function was stopped or taken away meanwhile.\n";

static void usage(void)
{
	fputs(help, stderr);
	exit(2);
}

static void on_signal(int sig)
{
	(void)sig;
	__atomic_store_n(&dev_stop, 1, __ATOMIC_RELAXED);
}

static struct in_addr to_ip(const char *s)
{
	struct in_addr ip;

	if (!inet_aton(s, &ip))
		errx(2, "%s: no IPv4 address", s);
	return ip;
}

static unsigned long to_number(const char *s, unsigned long max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(s, &end, 0);
	if (errno || !*s || *end || *s == '-' || n > max)
		errx(2, "%s: no number up to %lu", s, max);
	return n;
}

static void say_ready(void)
{
	printf("ready\n");
	fflush(stdout);
}

/* What ended the use of the function, as an exit status. */
static int ended(int err)
{
	switch (err) {
	case 0:
	case -EINTR:
		return 0;
	case -ECANCELED:
		printf("the kernel wants the function back\n");
		return 0;
	case -EFAULT:
		printf("the queue pair was stopped\n");
		return 3;
	case -ECONNRESET:
		printf("the function was reset\n");
		return 3;
	case -EIO:
		printf("the function was stopped\n");
		return 3;
	case -ENODEV:
		printf("the function has no service\n");
		return 3;
	case -ENXIO:
		printf("the function is gone\n");
		return 3;
	default:
		warnx("%s", strerror(-err));
		return 1;
	}
}

static int start(struct dev *d)
{
	int err = dev_start(d);

	return err ? err : qp_start(d);
}

static int do_info(struct dev *d)
{
	const uint8_t *m = d->port.mac;
	int err = dev_start(d);

	if (err)
		return ended(err);
	printf("serial %016llx\n", (unsigned long long)le64toh(d->id.serial));
	printf("function %u\nport %u\n", le32toh(d->id.func_id), le32toh(d->id.port));
	printf("board %.16s\nfirmware %.32s\n", d->id.board_id, d->id.fw_version);
	printf("mac %02x:%02x:%02x:%02x:%02x:%02x\n", m[0], m[1], m[2], m[3], m[4],
	       m[5]);
	printf("queue pairs %u\nevent queues %u\n",
	       dev_rd(d, OPI_REG_LIMITS0) & OPI_LIMITS0_QPS_MASK,
	       dev_rd(d, OPI_REG_LIMITS0) >> OPI_LIMITS0_EQS_SHIFT);
	return 0;
}

static int do_answer(struct dev *d, struct in_addr ip, unsigned long secs)
{
	struct net n = { .d = d, .ip = ip };
	time_t end = time(NULL) + (time_t)secs;
	int err = start(d);

	if (err)
		return ended(err);
	say_ready();
	while (!err && time(NULL) < end)
		err = net_answer(&n, 1000);
	printf("answered arp %lu echo %lu\n", n.arps, n.echoes);
	printf("interrupts %lu %lu\n", d->irqs[0], d->irqs[1]);
	return ended(err);
}

static int ping(struct dev *d, struct in_addr ip, struct in_addr peer,
		unsigned int count, size_t size)
{
	struct net n = { .d = d, .ip = ip };
	unsigned int right;
	int err = start(d);

	if (err)
		return ended(err);
	err = net_ping(&n, peer, count, size, REPLY_MS, &right);
	printf("right answers %u of %u\n", right, count);
	printf("interrupts %lu %lu\n", d->irqs[0], d->irqs[1]);
	if (err)
		return ended(err);
	return right == count ? 0 : 1;
}

static int do_reset(struct dev *d, struct in_addr ip, struct in_addr peer)
{
	int rc = ping(d, ip, peer, 3, 56);

	if (rc)
		return rc;
	if (vfio_reset(&d->vfio))
		return 1;
	/* "Function Level Reset": nothing is left, and the token is 0. */
	if (dev_rd(d, OPI_REG_AQ_STATUS) ||
	    dev_rd(d, OPI_REG_DEV_STATUS) >> OPI_DEV_STATUS_TOKEN_SHIFT) {
		printf("the function was not reset\n");
		return 1;
	}
	printf("reset\n");
	return ping(d, ip, peer, 3, 56);
}

static int do_send(struct dev *d, const char *to, unsigned long secs, size_t size)
{
	struct ether_addr mac;
	int err;

	if (!ether_aton_r(to, &mac))
		errx(2, "%s: no MAC address", to);
	err = start(d);
	if (err)
		return ended(err);
	say_ready();
	return ended(rate_send(d, mac.ether_addr_octet, (int)secs * 1000, size));
}

static int do_recv(struct dev *d, unsigned long secs)
{
	int err = start(d);

	if (err)
		return ended(err);
	say_ready();
	return ended(rate_recv(d, (int)secs * 1000));
}

/* Does not care whether the kernel wants the function back. */
static int do_hold(struct dev *d, unsigned long secs)
{
	(void)d;
	say_ready();
	while (!__atomic_load_n(&dev_stop, __ATOMIC_RELAXED) && secs--)
		sleep(1);
	return 0;
}

/* The switch on the way takes a moment to see that the function has moved. */
static int settle(struct net *n, struct in_addr peer)
{
	int64_t end = dev_now() + SETTLE_MS;
	unsigned int right = 0;
	int err;

	do {
		err = net_ping(n, peer, 1, 56, 500, &right);
	} while ((!err || err == -EHOSTUNREACH) && !right && dev_now() < end);
	return right ? 0 : err ? err : -ETIMEDOUT;
}

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int64_t median(int64_t *t, size_t n)
{
	qsort(t, n, sizeof(*t), by_time);
	return t[(n - 1) / 2];
}

/* Medians; the streams are all as long. */
static void say_costs(const struct mig_cost *costs, size_t n)
{
	static int64_t us[MAX_COSTS], stopped[MAX_COSTS];
	size_t i;

	if (!n)
		return;
	for (i = 0; i < n; i++) {
		us[i] = costs[i].us;
		stopped[i] = costs[i].stopped_us;
	}
	printf("each %lld us, stopped for %lld us, %zu bytes, %zu of them while stopped\n",
	       (long long)median(us, n), (long long)median(stopped, n),
	       costs[n - 1].bytes, costs[n - 1].stopped_bytes);
}

/* The queues are set up once; all else is up to migration. */
static int do_move(struct dev *a, const char *bdf, bool cdev, struct in_addr ip,
		   struct in_addr peer, unsigned long rounds, unsigned int queues)
{
	static struct mig_cost costs[MAX_COSTS];
	struct dev b, *d[2] = { a, &b };
	struct net n = { .ip = ip };
	unsigned long i, moved = 0;
	unsigned int right = 0, q;
	int err;

	err = dev_open_beside(&b, bdf, cdev, a);
	if (!err)
		err = start(a);
	for (q = 1; !err && q < queues; q++)
		err = qp_spare(a, q);
	for (i = 0; !err && i <= rounds; i++) {
		n.d = d[i % 2];
		err = settle(&n, peer);
		if (err)
			break;
		err = net_ping(&n, peer, 5, 1000, REPLY_MS, &right);
		if (!err && right != 5)
			err = -EBADMSG;
		if (err || i == rounds)
			break;
		err = mig_move(d[i % 2], d[(i + 1) % 2], &costs[i % MAX_COSTS]);
		moved += !err;
	}
	printf("moved %lu of %lu: %s\n", moved, rounds,
	       err ? strerrorname_np(-err) : "ok");
	say_costs(costs, moved < MAX_COSTS ? moved : MAX_COSTS);
	dev_close(&b);
	return err ? 1 : 0;
}

static int do_mig(struct dev *d, bool cdev, int argc, char **argv)
{
	const char *verb = argc > 0 ? argv[0] : "";
	int err;

	if (!strcmp(verb, "info") && argc == 1)
		return mig_info(d) ? 1 : 0;
	if (!strcmp(verb, "set") && argc >= 2)
		return mig_set(d, argc - 1, argv + 1) ? 1 : 0;
	if (!strcmp(verb, "pairs") && argc == 1)
		return mig_pairs(d) ? 1 : 0;
	if (!strcmp(verb, "save") && argc == 2) {
		err = start(d);
		return err ? ended(err) : mig_save(d, argv[1]) ? 1 : 0;
	}
	if (!strcmp(verb, "load") && argc == 2)
		return mig_load(d, argv[1]) ? 1 : 0;
	if (!strcmp(verb, "move") && argc >= 4 && argc <= 6)
		return do_move(d, argv[1], cdev, to_ip(argv[2]), to_ip(argv[3]),
			       argc > 4 ? to_number(argv[4], 1000000) : 1,
			       argc > 5 ? (unsigned int)to_number(argv[5], 64) : 1);
	if (!strcmp(verb, "log") && (argc == 3 || argc == 4))
		return mig_log(d, to_ip(argv[1]), to_ip(argv[2]),
			       argc > 3 ? to_number(argv[3], 1 << 20) : LOG_MIB) ? 1 : 0;
	if (!strcmp(verb, "dirty") && argc == 3)
		return mig_dirty(d, to_ip(argv[1]), to_ip(argv[2])) ? 1 : 0;
	usage();
	return 2;
}

static int run(struct dev *d, bool cdev, int argc, char **argv)
{
	const char *verb = argv[0];

	if (!strcmp(verb, "info") && argc == 1)
		return do_info(d);
	if (!strcmp(verb, "answer") && (argc == 2 || argc == 3))
		return do_answer(d, to_ip(argv[1]),
				 argc > 2 ? to_number(argv[2], 86400) : 86400);
	if (!strcmp(verb, "ping") && argc >= 3 && argc <= 5)
		return ping(d, to_ip(argv[1]), to_ip(argv[2]),
			    argc > 3 ? (unsigned int)to_number(argv[3], 1000000) : 3,
			    argc > 4 ? to_number(argv[4], NET_MAX_ECHO) : 56);
	if (!strcmp(verb, "send") && argc >= 2 && argc <= 4)
		return do_send(d, argv[1], argc > 2 ? to_number(argv[2], 86400) : RATE_SECS,
			       argc > 3 ? to_number(argv[3], DEV_BUF) : RATE_MIN_FRAME);
	if (!strcmp(verb, "recv") && argc <= 2)
		return do_recv(d, argc > 1 ? to_number(argv[1], 86400) : RATE_SECS);
	if (!strcmp(verb, "reset") && argc == 3)
		return do_reset(d, to_ip(argv[1]), to_ip(argv[2]));
	if (!strcmp(verb, "stray") && (argc == 2 || argc == 3))
		return stray(d, argv[1], argc > 2 ? to_number(argv[2], ~0UL) :
			     STRAY_IOVA, STRAY_MS) ? 1 : 0;
	if (!strcmp(verb, "hold") && argc <= 2)
		return do_hold(d, argc > 1 ? to_number(argv[1], 86400) : 86400);
	if (!strcmp(verb, "mig"))
		return do_mig(d, cdev, argc - 1, argv + 1);
	usage();
	return 2;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	bool cdev = false;
	struct dev d;
	int opt, rc;

	/* "+": what follows the verb is the verb's. */
	while ((opt = getopt(argc, argv, "+ch")) != -1) {
		switch (opt) {
		case 'c':
			cdev = true;
			break;
		case 'h':
			fputs(help, stdout);
			return 0;
		default:
			usage();
		}
	}
	argc -= optind;
	argv += optind;
	if (argc < 2)
		usage();
	if (argc == 3 && !strcmp(argv[1], "stray") && !strcmp(argv[2], "list")) {
		stray_list();
		return 0;
	}

	/* Ends a wait, instead of going on with it. */
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);

	rc = dev_open(&d, argv[0], cdev);
	if (rc)
		errx(1, "%s: %s", argv[0], strerror(-rc));
	rc = run(&d, cdev, argc - 1, argv + 1);
	dev_close(&d);
	return rc;
}
