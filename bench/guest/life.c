// SPDX-License-Identifier: GPL-2.0
/*
 * How long it takes until a function that the DPU makes can be used on the host.
 *
 *	life host			on the host: whatever netdev comes is taken up, and when
 *					it has a carrier a frame is sent through it
 *	life sf COUNT PAUSE		on the DPU: make and expose a subfunction, and wait for
 *					that frame on its representor; remove it, pause (ms).
 *					Print: p50 p99 (ms)
 *	life many COUNT			on the DPU: make and expose so many, and wait until the
 *					host's driver uses all.  Print: seconds
 *	life none			on the DPU: remove all subfunctions
 *	life netdevsim COUNT PAUSE	the same as sf with ports of netdevsim, in this machine:
 *					until the netdev is up and has a carrier
 *	life netdevsim-many COUNT	as many
 *
 * All times are of one clock, that of the machine which asks.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <linux/devlink.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/opi.h>
#include <linux/opi_pci.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "dpu.h"

#define ETHERTYPE	0x88b5		/* for experiments */
#define PATIENCE	20.0		/* s */
#define FIRST		5		/* only warm up */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void pause_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void print_times(double *t, long n)
{
	qsort(t, n, sizeof(*t), compare);
	printf("%.1f %.1f\n", t[(n - 1) / 2] * 1000, t[(n * 99 + 99) / 100 - 1] * 1000);
}

/* ---- netdevs --------------------------------------------------------------- */

static int open_rtnl(void)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
	int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE), size = 4 << 20;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) ||
	    bind(fd, (void *)&sa, sizeof(sa)))
		err(1, "rtnetlink");
	return fd;
}

static void take_up(int fd, int ifindex)
{
	struct {
		struct nlmsghdr nlh;
		struct ifinfomsg ifi;
	} m = {
		.nlh = { .nlmsg_len = sizeof(m), .nlmsg_type = RTM_NEWLINK, .nlmsg_flags = NLM_F_REQUEST },
		.ifi = { .ifi_index = ifindex, .ifi_flags = IFF_UP, .ifi_change = IFF_UP },
	};

	if (send(fd, &m, sizeof(m), 0) < 0)
		err(1, "netdev %d", ifindex);
}

/* Calls @seen for what is told of netdevs until it is content; false: in vain. */
static bool watch(int fd, double end, bool (*seen)(const struct nlmsghdr *nlh, void *arg), void *arg)
{
	static char buf[65536];

	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		const struct nlmsghdr *nlh = (const void *)buf;
		double left = end ? end - now() : 1;
		bool done = false;
		ssize_t len;

		if (left <= 0)
			return false;
		if (poll(&p, 1, left * 1000 + 1) <= 0)
			continue;
		len = recv(fd, buf, sizeof(buf), 0);
		if (len < 0)
			err(1, "rtnetlink");
		for (; NLMSG_OK(nlh, len); nlh = NLMSG_NEXT(nlh, len))
			done |= seen(nlh, arg);
		if (done)
			return true;
	}
}

/* ---- the host ----------------------------------------------------------------- */

static int last_ifindex(void)
{
	struct if_nameindex *all = if_nameindex(), *i;
	int last = 0;

	for (i = all; i && i->if_index; i++)
		last = (int)i->if_index > last ? (int)i->if_index : last;
	if_freenameindex(all);
	return last;
}

struct host {
	int rtnl, packet, last, sent;
};

static void send_through(int fd, int ifindex)
{
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE), .sll_ifindex = ifindex,
		.sll_halen = ETH_ALEN, .sll_addr = { 255, 255, 255, 255, 255, 255 },
	};
	char data[46] = "usable";

	/* What has just gone again needs no frame. */
	(void)!sendto(fd, data, sizeof(data), 0, (void *)&to, sizeof(to));
}

static bool host_seen(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifinfomsg *ifi = NLMSG_DATA(nlh);
	struct host *h = arg;

	if (nlh->nlmsg_type != RTM_NEWLINK)
		return false;
	if (ifi->ifi_index > h->last) {
		h->last = ifi->ifi_index;
		take_up(h->rtnl, ifi->ifi_index);
	}
	if (ifi->ifi_index > h->sent && ifi->ifi_flags & IFF_RUNNING) {
		h->sent = ifi->ifi_index;
		send_through(h->packet, ifi->ifi_index);
	}
	return false;
}

static void do_host(void)
{
	struct host h = {
		.rtnl = open_rtnl(), .packet = socket(AF_PACKET, SOCK_DGRAM, 0), .last = last_ifindex(),
	};

	if (h.packet < 0)
		err(1, "packet socket");
	h.sent = h.last;
	watch(h.rtnl, 0, host_seen, &h);
}

/* ---- the DPU ------------------------------------------------------------------- */


static void ask(struct msg *m, take_fn take, void *arg)
{
	struct verdict v;
	int rc = nl_talk(fd, m, &v, take, arg);

	if (rc || v.error)
		errx(1, "%s %s", strerror(rc ? -rc : -v.error), v.text);
}

static void request(struct msg *m, uint8_t cmd, uint32_t port)
{
	msg_init(m, devlink, NLM_F_ACK, cmd);
	msg_put_str(m, DEVLINK_ATTR_BUS_NAME, bus);
	msg_put_str(m, DEVLINK_ATTR_DEV_NAME, dev);
	if (port)
		msg_put_u32(m, DEVLINK_ATTR_PORT_INDEX, port);
}

struct port {
	uint32_t index;
	int ifindex;
};

static void take_port(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *tb[DEVLINK_ATTR_MAX + 1];
	struct port *p = arg;

	parse_msg(nlh, tb, DEVLINK_ATTR_MAX);
	if (!tb[DEVLINK_ATTR_PORT_INDEX])
		return;
	p->index = attr_u32(tb[DEVLINK_ATTR_PORT_INDEX]);
	p->ifindex = tb[DEVLINK_ATTR_PORT_NETDEV_IFINDEX] ? (int)attr_u32(tb[DEVLINK_ATTR_PORT_NETDEV_IFINDEX]) : 0;
}

static struct port make_sf(uint32_t num)
{
	struct port p = { 0 };
	struct msg m;

	request(&m, DEVLINK_CMD_PORT_NEW, 0);
	msg_put_u16(&m, DEVLINK_ATTR_PORT_FLAVOUR, DEVLINK_PORT_FLAVOUR_PCI_SF);
	msg_put_u32(&m, DEVLINK_ATTR_PORT_CONTROLLER_NUMBER, 1);
	msg_put_u16(&m, DEVLINK_ATTR_PORT_PCI_PF_NUMBER, 0);
	msg_put_u32(&m, DEVLINK_ATTR_PORT_PCI_SF_NUMBER, num);
	ask(&m, take_port, &p);
	if (!p.index || !p.ifindex)
		errx(1, "subfunction %u has no port or representor", num);
	return p;
}

static void expose(uint32_t port)
{
	struct nlattr *nest;
	struct msg m;

	request(&m, DEVLINK_CMD_PORT_SET, port);
	nest = msg_nest(&m, DEVLINK_ATTR_PORT_FUNCTION);
	msg_put_u8(&m, DEVLINK_PORT_FN_ATTR_STATE, DEVLINK_PORT_FN_STATE_ACTIVE);
	msg_nest_end(&m, nest);
	ask(&m, NULL, NULL);
}

static void del(uint32_t port)
{
	struct msg m;

	request(&m, DEVLINK_CMD_PORT_DEL, port);
	ask(&m, NULL, NULL);
}

static void await_frame(int packet, int ifindex)
{
	double end = now() + PATIENCE;

	while (now() < end) {
		struct pollfd p = { .fd = packet, .events = POLLIN };
		struct sockaddr_ll from;
		socklen_t len = sizeof(from);
		char buf[64];

		if (poll(&p, 1, 1000) <= 0)
			continue;
		if (recvfrom(packet, buf, sizeof(buf), 0, (void *)&from, &len) >= 0 &&
		    from.sll_ifindex == ifindex && from.sll_pkttype != PACKET_OUTGOING)
			return;
	}
	errx(1, "no frame came after %.0f s", PATIENCE);
}

static void do_sf(long count, long pause)
{
	int packet = socket(AF_PACKET, SOCK_DGRAM, htons(ETHERTYPE)), rtnl = open_rtnl();
	double *t = calloc(count + 1, sizeof(*t));
	long i;

	if (!t || packet < 0)
		err(1, "packet socket");
	open_dpu();
	for (i = -FIRST; i < count; i++) {
		double start = now();
		struct port p = make_sf(1);

		take_up(rtnl, p.ifindex);
		expose(p.index);
		await_frame(packet, p.ifindex);
		if (i >= 0)
			t[i] = now() - start;
		del(p.index);
		pause_ms(pause);
	}
	print_times(t, count);
}

/* How many are used, and the port of one of them. */
struct census {
	long attached;
	uint32_t some;
};

static void take_sf(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *tb[DEVLINK_ATTR_MAX + 1], *fn[DEVLINK_PORT_FUNCTION_ATTR_MAX + 1];
	struct census *c = arg;

	parse_msg(nlh, tb, DEVLINK_ATTR_MAX);
	if (!tb[DEVLINK_ATTR_PORT_PCI_SF_NUMBER] || !tb[DEVLINK_ATTR_PORT_FUNCTION])
		return;
	c->some = attr_u32(tb[DEVLINK_ATTR_PORT_INDEX]);
	parse_nest(tb[DEVLINK_ATTR_PORT_FUNCTION], fn, DEVLINK_PORT_FUNCTION_ATTR_MAX);
	c->attached += fn[DEVLINK_PORT_FN_ATTR_OPSTATE] &&
		       *attr_data(fn[DEVLINK_PORT_FN_ATTR_OPSTATE]) == DEVLINK_PORT_FN_OPSTATE_ATTACHED;
}

static struct census count_sfs(void)
{
	struct census c = { 0 };
	struct msg m;

	msg_init(&m, devlink, NLM_F_DUMP, DEVLINK_CMD_PORT_GET);
	ask(&m, take_sf, &c);
	return c;
}

static void do_many(long count)
{
	double start, last;
	long n = 0, had;
	long i;

	open_dpu();
	start = now();
	for (i = 1; i <= count; i++)
		expose(make_sf(i).index);
	for (last = now(); n < count; ) {
		had = n;
		n = count_sfs().attached;
		if (n != had)
			last = now();
		else if (now() > last + PATIENCE)
			errx(1, "%ld of %ld are used", n, count);
		if (n < count)
			pause_ms(100);
	}
	printf("%.2f\n", now() - start);
}

static void do_none(void)
{
	struct census c;

	open_dpu();
	while (c = count_sfs(), c.some)
		del(c.some);
}

/* ---- netdevsim ------------------------------------------------------------------- */

static void put(const char *file, const char *fmt, long n)
{
	char text[64];
	int f = open(file, O_WRONLY), len = snprintf(text, sizeof(text), fmt, n);

	if (f < 0 || write(f, text, len) != len)
		err(1, "%s", file);
	close(f);
}

#define SIM	"/sys/bus/netdevsim/devices/netdevsim1/"

struct sim {
	int rtnl, last;
};

static bool sim_seen(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifinfomsg *ifi = NLMSG_DATA(nlh);
	struct sim *s = arg;

	if (nlh->nlmsg_type != RTM_NEWLINK || ifi->ifi_index < s->last)
		return false;
	if (ifi->ifi_index > s->last) {
		s->last = ifi->ifi_index;
		take_up(s->rtnl, ifi->ifi_index);
	}
	return ifi->ifi_flags & IFF_RUNNING;
}

static void do_netdevsim(long count, long pause)
{
	double *t = calloc(count + 1, sizeof(*t));
	struct sim s;
	long i;

	put("/sys/bus/netdevsim/new_device", "1 %ld", 0);
	s.rtnl = open_rtnl();
	s.last = last_ifindex();
	for (i = -FIRST; i < count; i++) {
		double start = now();

		put(SIM "new_port", "%ld", 1);
		if (!watch(s.rtnl, start + PATIENCE, sim_seen, &s))
			errx(1, "no netdev came");
		if (i >= 0)
			t[i] = now() - start;
		put(SIM "del_port", "%ld", 1);
		pause_ms(pause);
	}
	put("/sys/bus/netdevsim/del_device", "%ld", 1);
	print_times(t, count);
}

static void do_netdevsim_many(long count)
{
	double start;
	long i;

	put("/sys/bus/netdevsim/new_device", "1 %ld", 0);
	start = now();
	for (i = 1; i <= count; i++)
		put(SIM "new_port", "%ld", i);
	printf("%.2f\n", now() - start);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	long a = argc > 2 ? atol(argv[2]) : 0, b = argc > 3 ? atol(argv[3]) : 0;

	if (!strcmp(verb, "host") && argc == 2)
		do_host();
	else if (!strcmp(verb, "sf") && argc == 4 && a > 0)
		do_sf(a, b);
	else if (!strcmp(verb, "many") && argc == 3 && a > 0)
		do_many(a);
	else if (!strcmp(verb, "none") && argc == 2)
		do_none();
	else if (!strcmp(verb, "netdevsim") && argc == 4 && a > 0)
		do_netdevsim(a, b);
	else if (!strcmp(verb, "netdevsim-many") && argc == 3 && a > 0)
		do_netdevsim_many(a);
	else
		errx(2, "usage: life host|none | sf|netdevsim COUNT PAUSE | many|netdevsim-many COUNT");
	return 0;
}
