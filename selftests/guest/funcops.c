// SPDX-License-Identifier: GPL-2.0
/*
 * What the DPU can do to the functions of its host, many times: runs on the DPU.
 *
 *	funcops random COUNT	COUNT operations, legal and illegal, of devlink (ports,
 *				port functions, rates, reload) and of the family "opi".
 *				The result of each is known before, and so is what devlink
 *				and the family show then
 *	funcops cycles COUNT	make, expose, withdraw and remove a subfunction, COUNT times
 *
 *	-s SEED		the same seed does the same
 *	-w SECONDS	cycles: wait so long for the host's driver; 0: do not
 *	-b		random: be wrong about something at the end
 *
 * "random" wants a card without subfunctions and rate nodes, and VFs that are as they
 * were made; it leaves what it has made.  The host may have some of the VFs enabled.
 */
#include <err.h>
#include <getopt.h>
#include <linux/devlink.h>
#include <linux/opi.h>
#include <linux/opi_pci.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "dpu.h"

#define MAX_FUNCS	256
#define N_NODES		10
#define N_SFNUMS	24
#define TOTAL_VFS	64
#define NONE		0xffffffff

#define N(a)		(sizeof(a) / sizeof((a)[0]))

/* ---- the world ----------------------------------------------------------- */

struct rate {
	uint64_t max, share;
	uint32_t priority, weight;
	int parent;			/* number of a node, or -1 */
};

struct func {
	uint32_t id, type, num;		/* that of the VF or SF */
	uint32_t port;
	bool has_port, active, trust, migratable;
	uint8_t mac[6];
	uint32_t vlan, max_qps, max_vfs, max_io_eqs;
	struct rate rate;
};

struct world {
	unsigned int n;
	struct func func[MAX_FUNCS];	/* in order of ids */
	struct {
		bool there;
		struct rate rate;
	} node[N_NODES];
	unsigned int strange;		/* what is none of the above */
};

/* What must be, and what is shown. */
static struct world want, seen;

static uint32_t uplink = NONE;
static uint32_t num_vfs, vf_qps, vf_io_eqs;
static uint32_t last_id;
static int new_trust = -1;
static unsigned long seed = 1;

/* ---- telling -------------------------------------------------------------- */

/* The last operations, for who looks for the reason of a failure. */
static char history[30][160];
static unsigned long op;

static char *what(void) { return history[op % N(history)]; }

__attribute__((format(printf, 1, 2)))
static void doing(const char *fmt, ...)
{
	va_list ap;
	int n;

	op++;
	n = snprintf(what(), sizeof(history[0]), "%lu: ", op);
	va_start(ap, fmt);
	vsnprintf(what() + n, sizeof(history[0]) - n, fmt, ap);
	va_end(ap);
}

__attribute__((format(printf, 1, 2), noreturn))
static void failed(const char *fmt, ...)
{
	unsigned long i, first = op < N(history) ? 1 : op - N(history) + 1;
	va_list ap;

	for (i = first; i <= op; i++)
		fprintf(stderr, "%s\n", history[i % N(history)]);
	fprintf(stderr, "funcops: seed %lu: ", seed);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

/* ---- chance ---------------------------------------------------------------- */

static uint32_t rnd(uint32_t n) { return random() % n; }
static bool one_in(uint32_t n) { return !rnd(n); }

#define PICK(a) ((a)[rnd(N(a))])

/* ---- requests --------------------------------------------------------------- */

static void request(struct msg *m, uint8_t cmd)
{
	msg_init(m, devlink, NLM_F_ACK, cmd);
	msg_put_str(m, DEVLINK_ATTR_BUS_NAME, bus);
	msg_put_str(m, DEVLINK_ATTR_DEV_NAME, dev);
}

static void opi_request(struct msg *m, uint8_t cmd)
{
	msg_init(m, opi, NLM_F_ACK, cmd);
	msg_put_str(m, OPI_A_FUNCTION_BUS_NAME, bus);
	msg_put_str(m, OPI_A_FUNCTION_DEV_NAME, dev);
}

static struct verdict verdict;

static int ask(struct msg *m, take_fn take, void *arg)
{
	int rc = nl_talk(fd, m, &verdict, take, arg);

	if (rc)
		failed("no answer: %s", strerror(-rc));
	if (!verdict.text[0])
		strcpy(verdict.text, "no words");
	return -verdict.error;
}

/* Ask, and get one of two results; the second may be the first. */
static int get_either(struct msg *m, int this, int that, take_fn take, void *arg)
{
	int got = ask(m, take, arg);

	snprintf(what() + strlen(what()), sizeof(history[0]) - strlen(what()), ": %s",
		 got ? strerror(got) : "done");
	if (got != this && got != that)
		failed("got '%s' (%s), expected '%s'", strerror(got), verdict.text,
		       this ? strerror(this) : "done");
	return got;
}

static int get(struct msg *m, int expected) { return get_either(m, expected, expected, NULL, NULL); }

/* ---- what is shown ------------------------------------------------------------ */

static struct func *func_of_port(struct world *w, uint32_t port)
{
	unsigned int i;

	for (i = 0; i < w->n; i++)
		if (w->func[i].port == port)
			return &w->func[i];
	return NULL;
}

static void node_name(char *name, unsigned int i) { sprintf(name, "n%u", i); }

/* Number of a node of this name, or -1. */
static int node_of(const char *name)
{
	char n[16];
	int i;

	for (i = 0; i < N_NODES; i++) {
		node_name(n, i);
		if (!strcmp(n, name))
			return i;
	}
	return -1;
}

static bool here(const struct nlattr *b, const struct nlattr *d)
{
	return b && d && !strcmp(attr_data(b), bus) && !strcmp(attr_data(d), dev);
}

static void take_func(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *tb[OPI_A_FUNCTION_MAX + 1];
	struct world *w = arg;
	struct func *f = &w->func[w->n];

	parse_msg(nlh, tb, OPI_A_FUNCTION_MAX);
	if (!here(tb[OPI_A_FUNCTION_BUS_NAME], tb[OPI_A_FUNCTION_DEV_NAME]))
		return;
	if (w->n == MAX_FUNCS) {
		w->strange++;
		return;
	}
	memset(f, 0, sizeof(*f));
	f->id = attr_u32(tb[OPI_A_FUNCTION_FUNC_ID]);
	f->type = attr_u32(tb[OPI_A_FUNCTION_TYPE]);
	f->num = tb[OPI_A_FUNCTION_VF] ? attr_u32(tb[OPI_A_FUNCTION_VF]) :
		 tb[OPI_A_FUNCTION_SF] ? attr_u32(tb[OPI_A_FUNCTION_SF]) : 0;
	f->port = tb[OPI_A_FUNCTION_PORT_INDEX] ? attr_u32(tb[OPI_A_FUNCTION_PORT_INDEX]) : NONE;
	f->trust = attr_u32(tb[OPI_A_FUNCTION_TRUST]);
	f->vlan = attr_u32(tb[OPI_A_FUNCTION_VLAN]);
	f->max_qps = attr_u32(tb[OPI_A_FUNCTION_MAX_QPS]);
	f->rate.parent = -1;
	if (tb[OPI_A_FUNCTION_MAX_VFS])
		f->max_vfs = attr_u32(tb[OPI_A_FUNCTION_MAX_VFS]);
	if (tb[OPI_A_FUNCTION_NUM_VFS])
		num_vfs = attr_u32(tb[OPI_A_FUNCTION_NUM_VFS]);
	w->n++;
}

static void take_port(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *tb[DEVLINK_ATTR_MAX + 1], *fn[DEVLINK_PORT_FUNCTION_ATTR_MAX + 1];
	struct world *w = arg;
	struct func *f;
	uint32_t port;

	parse_msg(nlh, tb, DEVLINK_ATTR_MAX);
	if (!here(tb[DEVLINK_ATTR_BUS_NAME], tb[DEVLINK_ATTR_DEV_NAME]))
		return;
	port = attr_u32(tb[DEVLINK_ATTR_PORT_INDEX]);
	f = func_of_port(w, port);
	if (!f) {
		if (uplink == NONE && !tb[DEVLINK_ATTR_PORT_FUNCTION])
			uplink = port;
		if (port != uplink)
			w->strange++;
		return;
	}
	f->has_port = tb[DEVLINK_ATTR_PORT_NETDEV_NAME];
	if (!tb[DEVLINK_ATTR_PORT_FUNCTION])
		return;
	parse_nest(tb[DEVLINK_ATTR_PORT_FUNCTION], fn, DEVLINK_PORT_FUNCTION_ATTR_MAX);
	if (fn[DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR])
		memcpy(f->mac, attr_data(fn[DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR]), sizeof(f->mac));
	if (fn[DEVLINK_PORT_FN_ATTR_STATE])
		f->active = *attr_data(fn[DEVLINK_PORT_FN_ATTR_STATE]);
	if (fn[DEVLINK_PORT_FN_ATTR_MAX_IO_EQS])
		f->max_io_eqs = attr_u32(fn[DEVLINK_PORT_FN_ATTR_MAX_IO_EQS]);
	if (fn[DEVLINK_PORT_FN_ATTR_CAPS])
		f->migratable = attr_u32(fn[DEVLINK_PORT_FN_ATTR_CAPS]) & DEVLINK_PORT_FN_CAP_MIGRATABLE;
}

static void take_rate(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *tb[DEVLINK_ATTR_MAX + 1];
	struct world *w = arg;
	struct rate *r = NULL;
	struct func *f;
	int i;

	parse_msg(nlh, tb, DEVLINK_ATTR_MAX);
	if (!here(tb[DEVLINK_ATTR_BUS_NAME], tb[DEVLINK_ATTR_DEV_NAME]))
		return;
	if (tb[DEVLINK_ATTR_RATE_NODE_NAME]) {
		i = node_of(attr_data(tb[DEVLINK_ATTR_RATE_NODE_NAME]));
		if (i >= 0) {
			w->node[i].there = true;
			r = &w->node[i].rate;
		}
	} else {
		f = func_of_port(w, attr_u32(tb[DEVLINK_ATTR_PORT_INDEX]));
		r = f ? &f->rate : NULL;
	}
	if (!r) {
		w->strange++;
		return;
	}
	r->max = attr_u64(tb[DEVLINK_ATTR_RATE_TX_MAX]);
	r->share = attr_u64(tb[DEVLINK_ATTR_RATE_TX_SHARE]);
	r->priority = attr_u32(tb[DEVLINK_ATTR_RATE_TX_PRIORITY]);
	r->weight = attr_u32(tb[DEVLINK_ATTR_RATE_TX_WEIGHT]);
	r->parent = tb[DEVLINK_ATTR_RATE_PARENT_NODE_NAME] ?
		    node_of(attr_data(tb[DEVLINK_ATTR_RATE_PARENT_NODE_NAME])) : -1;
}

static void dump(struct world *w, uint16_t family, uint8_t cmd, take_fn take)
{
	struct msg m;

	msg_init(&m, family, NLM_F_DUMP, cmd);
	if (ask(&m, take, w))
		failed("a dump failed: %s", strerror(-verdict.error));
}

static void look(struct world *w)
{
	memset(w, 0, sizeof(*w));
	dump(w, opi, OPI_NL_CMD_FUNCTION_GET, take_func);
	dump(w, devlink, DEVLINK_CMD_PORT_GET, take_port);
	dump(w, devlink, DEVLINK_CMD_RATE_GET, take_rate);
}

static bool rates_eq(const struct rate *a, const struct rate *b)
{
	return a->max == b->max && a->share == b->share && a->priority == b->priority &&
	       a->weight == b->weight && a->parent == b->parent;
}

static void print_rate(const struct rate *r)
{
	fprintf(stderr, " max %llu share %llu priority %u weight %u parent %d\n",
		(unsigned long long)r->max, (unsigned long long)r->share, r->priority, r->weight,
		r->parent);
}

static void print_func(const char *who, const struct func *f)
{
	fprintf(stderr, "%s: function %u type %u number %u port %u%s %s trust %d migratable %d mac "
		"%02x:%02x:%02x:%02x:%02x:%02x vlan %u max_qps %u max_vfs %u max_io_eqs %u", who, f->id,
		f->type, f->num, f->port, f->has_port ? "" : " (no netdev)",
		f->active ? "active" : "inactive", f->trust, f->migratable, f->mac[0], f->mac[1], f->mac[2],
		f->mac[3], f->mac[4], f->mac[5], f->vlan, f->max_qps, f->max_vfs, f->max_io_eqs);
	print_rate(&f->rate);
}

static bool funcs_eq(const struct func *a, const struct func *b)
{
	return a->id == b->id && a->type == b->type && a->num == b->num && a->port == b->port &&
	       a->has_port == b->has_port && a->active == b->active && a->trust == b->trust &&
	       a->migratable == b->migratable && !memcmp(a->mac, b->mac, sizeof(a->mac)) &&
	       a->vlan == b->vlan && a->max_qps == b->max_qps && a->max_vfs == b->max_vfs &&
	       a->max_io_eqs == b->max_io_eqs && rates_eq(&a->rate, &b->rate);
}

/* Is what is shown what must be? */
static void check(void)
{
	unsigned int i;

	look(&seen);
	for (i = 0; i < want.n && i < seen.n; i++) {
		if (funcs_eq(&want.func[i], &seen.func[i]))
			continue;
		print_func("expected", &want.func[i]);
		print_func("shown", &seen.func[i]);
		failed("a function is not what it must be");
	}
	if (want.n != seen.n)
		failed("there are %u functions instead of %u", seen.n, want.n);
	for (i = 0; i < N_NODES; i++) {
		if (want.node[i].there != seen.node[i].there)
			failed("node n%u is %sthere", i, seen.node[i].there ? "" : "not ");
		if (!want.node[i].there || rates_eq(&want.node[i].rate, &seen.node[i].rate))
			continue;
		print_rate(&want.node[i].rate);
		print_rate(&seen.node[i].rate);
		failed("node n%u is not what it must be", i);
	}
	if (seen.strange)
		failed("%u ports and rates of nothing are shown", seen.strange);
}

/* ---- targets ---------------------------------------------------------------- */

static struct func *some_func(void) { return &want.func[rnd(want.n)]; }

static struct func *some_of(uint32_t type)
{
	unsigned int i, n = 0;

	for (i = 0; i < want.n; i++)
		n += want.func[i].type == type;
	if (!n)
		return NULL;
	n = rnd(n);
	for (i = 0; want.func[i].type != type || n--; i++)
		;
	return &want.func[i];
}

static struct func *find_sf(uint32_t num)
{
	unsigned int i;

	for (i = 0; i < want.n; i++)
		if (want.func[i].type == OPI_PORT_SF && want.func[i].num == num)
			return &want.func[i];
	return NULL;
}

/*
 * A port and the function behind it.  Sometimes one without a function; sometimes none
 * at all, then *@error is not 0.
 */
static uint32_t some_port(struct func **f, int *error)
{
	*error = 0;
	*f = NULL;
	if (one_in(20)) {
		*error = ENODEV;
		return one_in(2) ? 60000 : NONE;
	}
	if (one_in(20))
		return uplink;
	*f = one_in(4) ? NULL : some_of(one_in(3) ? OPI_PORT_VF : OPI_PORT_SF);
	if (!*f)
		*f = some_func();
	return (*f)->port;
}

/* The host uses it, perhaps: its driver comes in its own time. */
static bool may_be_attached(const struct func *f)
{
	return f->type == OPI_PORT_VF && f->num < num_vfs && f->active;
}

static void forget(struct func *f)
{
	unsigned int i = f - want.func;

	memmove(f, f + 1, (--want.n - i) * sizeof(*f));
}

/*
 * Functions were made: learn what only the card knows of them.  @n of @type have come,
 * the first with the number @num.
 */
static void learn(unsigned int n, uint32_t type, uint32_t num)
{
	static const uint8_t zero[6];
	unsigned int i;

	look(&seen);
	if (seen.n != want.n + n)
		failed("there are %u functions instead of %u", seen.n, want.n + n);
	for (i = want.n; i < seen.n; i++, num++) {
		struct func *f = &seen.func[i];
		const struct rate none = { .weight = 1, .parent = -1 };

		if (f->id <= last_id)
			failed("function id %u comes after %u", f->id, last_id);
		last_id = f->id;
		if (f->type != type || f->num != num)
			failed("function %u is type %u number %u, expected %u, %u", f->id, f->type,
			       f->num, type, num);
		if (new_trust < 0)
			new_trust = f->trust;
		if (f->trust != new_trust || f->vlan || f->migratable || f->mac[0] & 1 ||
		    !memcmp(f->mac, zero, sizeof(zero)) || !rates_eq(&f->rate, &none) ||
		    f->active != (type == OPI_PORT_VF) ||
		    (type == OPI_PORT_VF && (f->max_qps != vf_qps || f->max_io_eqs != vf_io_eqs))) {
			print_func("made", f);
			failed("it is not as a new one is");
		}
		want.func[want.n++] = *f;
	}
	check();
}

/* ---- operations of devlink on ports -------------------------------------------- */

static void take_index(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *tb[DEVLINK_ATTR_MAX + 1];

	parse_msg(nlh, tb, DEVLINK_ATTR_MAX);
	if (tb[DEVLINK_ATTR_PORT_INDEX])
		*(uint32_t *)arg = attr_u32(tb[DEVLINK_ATTR_PORT_INDEX]);
}

static void put_new(struct msg *m, uint32_t num)
{
	request(m, DEVLINK_CMD_PORT_NEW);
	msg_put_u16(m, DEVLINK_ATTR_PORT_FLAVOUR, DEVLINK_PORT_FLAVOUR_PCI_SF);
	msg_put_u32(m, DEVLINK_ATTR_PORT_CONTROLLER_NUMBER, 1);
	msg_put_u16(m, DEVLINK_ATTR_PORT_PCI_PF_NUMBER, 0);
	msg_put_u32(m, DEVLINK_ATTR_PORT_PCI_SF_NUMBER, num);
}

static void port_new(void)
{
	uint32_t num = rnd(N_SFNUMS), index = NONE;
	struct msg m;

	doing("port new: SF %u", num);
	put_new(&m, num);
	if (find_sf(num)) {
		get(&m, EEXIST);
		return;
	}
	get_either(&m, 0, 0, take_index, &index);
	learn(1, OPI_PORT_SF, num);
	if (want.func[want.n - 1].port != index)
		failed("devlink told of port %u, the function has %u", index,
		       want.func[want.n - 1].port);
}

/* One thing is wrong with it, whatever else. */
static void port_new_wrong(void)
{
	static const struct wrong {
		const char *how;
		int flavour, controller, pf, index;	/* -1: none */
		int64_t sf;
		int error;
	} wrong[] = {
		{ "no controller", DEVLINK_PORT_FLAVOUR_PCI_SF, -1, 0, -1, 1, EINVAL },
		{ "of the DPU", DEVLINK_PORT_FLAVOUR_PCI_SF, 0, 0, -1, 1, EINVAL },
		{ "controller 2", DEVLINK_PORT_FLAVOUR_PCI_SF, 2, 0, -1, 1, ENOENT },
		{ "controller 65535", DEVLINK_PORT_FLAVOUR_PCI_SF, 65535, 0, -1, 1, ENOENT },
		{ "PF 1", DEVLINK_PORT_FLAVOUR_PCI_SF, 1, 1, -1, 1, ENOENT },
		{ "PF 65535", DEVLINK_PORT_FLAVOUR_PCI_SF, 1, 65535, -1, 1, ENOENT },
		{ "no PF", DEVLINK_PORT_FLAVOUR_PCI_SF, 1, -1, -1, 1, EINVAL },
		{ "no number", DEVLINK_PORT_FLAVOUR_PCI_SF, 1, 0, -1, -1, EINVAL },
		{ "number 0xffffffff", DEVLINK_PORT_FLAVOUR_PCI_SF, 1, 0, -1, NONE, ERANGE },
		{ "an index", DEVLINK_PORT_FLAVOUR_PCI_SF, 1, 0, 70, 1, EOPNOTSUPP },
		{ "a PF", DEVLINK_PORT_FLAVOUR_PCI_PF, 1, 0, -1, -1, EOPNOTSUPP },
		{ "a VF", DEVLINK_PORT_FLAVOUR_PCI_VF, 1, 0, -1, 1, EOPNOTSUPP },
		{ "a physical port", DEVLINK_PORT_FLAVOUR_PHYSICAL, 1, 0, -1, 1, EOPNOTSUPP },
		{ "no flavour", -1, 1, 0, -1, 1, EINVAL },
	};
	const struct wrong *w = &PICK(wrong);
	struct msg m;

	doing("port new: %s", w->how);
	request(&m, DEVLINK_CMD_PORT_NEW);
	if (w->flavour >= 0)
		msg_put_u16(&m, DEVLINK_ATTR_PORT_FLAVOUR, w->flavour);
	if (w->controller >= 0)
		msg_put_u32(&m, DEVLINK_ATTR_PORT_CONTROLLER_NUMBER, w->controller);
	if (w->pf >= 0)
		msg_put_u16(&m, DEVLINK_ATTR_PORT_PCI_PF_NUMBER, w->pf);
	if (w->index >= 0)
		msg_put_u32(&m, DEVLINK_ATTR_PORT_INDEX, w->index);
	if (w->sf >= 0)
		msg_put_u32(&m, DEVLINK_ATTR_PORT_PCI_SF_NUMBER, w->sf);
	get(&m, w->error);
}

static void port_del(void)
{
	struct func *f;
	uint32_t port;
	struct msg m;
	int error;

	port = some_port(&f, &error);
	doing("port del: port %u", port);
	request(&m, DEVLINK_CMD_PORT_DEL);
	msg_put_u32(&m, DEVLINK_ATTR_PORT_INDEX, port);
	if (!error && (!f || f->type != OPI_PORT_SF))
		error = EOPNOTSUPP;
	if (!get(&m, error))
		forget(f);
}

static struct nlattr *put_port_set(struct msg *m, uint32_t port)
{
	request(m, DEVLINK_CMD_PORT_SET);
	msg_put_u32(m, DEVLINK_ATTR_PORT_INDEX, port);
	return msg_nest(m, DEVLINK_ATTR_PORT_FUNCTION);
}

static void set_hw_addr(void)
{
	static const uint8_t zero[7], many[7] = { 1, 2, 3, 4, 5, 6, 7 };
	uint8_t mac[6] = { 2, rnd(256), rnd(256), rnd(256), rnd(256), rnd(256) };
	const uint8_t *addr = mac;
	size_t len = sizeof(mac);
	struct nlattr *nest;
	struct func *f;
	uint32_t port;
	struct msg m;
	int error;

	port = some_port(&f, &error);
	if (!error && !f)
		error = EOPNOTSUPP;
	if (one_in(4)) {
		addr = one_in(2) ? zero : many;
		len = one_in(2) ? len : 5 + rnd(3);
		error = error ?: EINVAL;
	}
	doing("port %u: hw_addr of %zu bytes %02x:..%02x", port, len, addr[0], addr[5]);
	nest = put_port_set(&m, port);
	msg_put(&m, DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR, addr, len);
	msg_nest_end(&m, nest);
	if (!get(&m, error))
		memcpy(f->mac, mac, sizeof(mac));
}

static void set_state(void)
{
	uint8_t state = one_in(12) ? 2 + rnd(254) : rnd(2);
	struct nlattr *nest;
	struct func *f;
	uint32_t port;
	struct msg m;
	int error;

	port = some_port(&f, &error);
	/* The kernel looks at that before it looks for the port. */
	if (state > 1)
		error = ERANGE;
	if (!error && (!f || f->type == OPI_PORT_PF))
		error = EOPNOTSUPP;
	doing("port %u: state %u", port, state);
	nest = put_port_set(&m, port);
	msg_put_u8(&m, DEVLINK_PORT_FN_ATTR_STATE, state);
	msg_nest_end(&m, nest);
	if (!get(&m, error))
		f->active = state;
}

static void set_migratable(void)
{
	struct nla_bitfield32 caps = { .selector = DEVLINK_PORT_FN_CAP_MIGRATABLE };
	struct nlattr *nest;
	struct func *f;
	uint32_t port;
	struct msg m;
	int error;

	port = some_port(&f, &error);
	if (one_in(8))
		caps.selector = DEVLINK_PORT_FN_CAP_ROCE;
	if (one_in(2))
		caps.value = caps.selector;
	if (!error && (!f || f->type != OPI_PORT_VF || caps.selector != DEVLINK_PORT_FN_CAP_MIGRATABLE))
		error = EOPNOTSUPP;
	doing("port %u: capability %#x: %#x", port, caps.selector, caps.value);
	nest = put_port_set(&m, port);
	msg_put(&m, DEVLINK_PORT_FN_ATTR_CAPS, &caps, sizeof(caps));
	msg_nest_end(&m, nest);
	if (!get(&m, error))
		f->migratable = caps.value;
}

static void set_max_io_eqs(void)
{
	static const uint32_t too_many[] = { 65534, 65535, 65536, NONE };
	uint32_t n = one_in(6) ? PICK(too_many) : rnd(vf_io_eqs + 2);
	struct nlattr *nest;
	int error, perhaps;
	struct func *f;
	uint32_t port;
	struct msg m;

	port = some_port(&f, &error);
	if (!error && (!f || f->type != OPI_PORT_VF))
		error = EOPNOTSUPP;
	if (!error && n > vf_io_eqs)
		error = ERANGE;
	perhaps = !error && may_be_attached(f) ? EBUSY : error;
	doing("port %u: max_io_eqs %u", port, n);
	nest = put_port_set(&m, port);
	msg_put_u32(&m, DEVLINK_PORT_FN_ATTR_MAX_IO_EQS, n);
	msg_nest_end(&m, nest);
	if (!get_either(&m, error, perhaps, NULL, NULL))
		f->max_io_eqs = n;
}

/* ---- operations of the family opi ------------------------------------------------ */

static void set_function(void)
{
	static const uint32_t no_id[] = { 0, 1000000, NONE };
	uint32_t trust = 0, vlan = 0, qps = 0, id;
	struct func *f = one_in(3) ? some_of(OPI_PORT_VF) : some_func();
	int error = 0, perhaps;
	unsigned int set = 0;
	struct msg m;

	if (!f || one_in(20))
		f = NULL;
	id = f ? f->id : PICK(no_id);
	doing("function %u:", id);
	opi_request(&m, OPI_NL_CMD_FUNCTION_SET);
	msg_put_u32(&m, OPI_A_FUNCTION_FUNC_ID, id);
	if (one_in(2)) {
		trust = one_in(8) ? 2 : rnd(2);
		set |= OPI_FUNC_SET_TRUST;
		msg_put_u32(&m, OPI_A_FUNCTION_TRUST, trust);
		sprintf(what() + strlen(what()), " trust %u", trust);
	}
	if (one_in(3)) {
		vlan = one_in(4) ? 4090 + rnd(10) : rnd(4095);
		set |= OPI_FUNC_SET_VLAN;
		msg_put_u32(&m, OPI_A_FUNCTION_VLAN, vlan);
		sprintf(what() + strlen(what()), " vlan %u", vlan);
	}
	if (one_in(3)) {
		qps = one_in(6) ? 65535 + rnd(3) : rnd(vf_qps + 2);
		set |= OPI_FUNC_SET_MAX_QPS;
		msg_put_u32(&m, OPI_A_FUNCTION_MAX_QPS, qps);
		sprintf(what() + strlen(what()), " max_qps %u", qps);
	}

	if ((set & OPI_FUNC_SET_TRUST && trust > 1) || (set & OPI_FUNC_SET_VLAN && vlan > 4094) ||
	    (set & OPI_FUNC_SET_MAX_QPS && (!qps || qps > 65535)))
		error = ERANGE;
	else if (!set)
		error = EINVAL;
	else if (!f)
		error = ENOENT;
	else if (set & OPI_FUNC_SET_MAX_QPS && f->type != OPI_PORT_VF)
		error = EINVAL;
	else if (set & OPI_FUNC_SET_MAX_QPS && qps > vf_qps)
		error = ERANGE;
	perhaps = !error && set & OPI_FUNC_SET_MAX_QPS && may_be_attached(f) ? EBUSY : error;
	if (get_either(&m, error, perhaps, NULL, NULL))
		return;
	if (set & OPI_FUNC_SET_TRUST)
		f->trust = trust;
	if (set & OPI_FUNC_SET_VLAN)
		f->vlan = vlan;
	if (set & OPI_FUNC_SET_MAX_QPS)
		f->max_qps = qps;
}

static void set_max_vfs(void)
{
	static const uint32_t too_many[] = { TOTAL_VFS + 1, 65535, 65536, NONE };
	uint32_t n = one_in(4) ? PICK(too_many) : rnd(12), had;
	struct func *f = one_in(6) ? some_func() : some_of(OPI_PORT_PF);
	struct msg m;
	int error;

	doing("function %u: max_vfs %u (the host has %u)", f->id, n, num_vfs);
	opi_request(&m, OPI_NL_CMD_FUNCTION_SET);
	msg_put_u32(&m, OPI_A_FUNCTION_FUNC_ID, f->id);
	msg_put_u32(&m, OPI_A_FUNCTION_MAX_VFS, n);
	error = n > 65535 ? ERANGE : f->type != OPI_PORT_PF ? EINVAL : n > TOTAL_VFS ? ERANGE :
		n < num_vfs ? EBUSY : 0;
	if (get(&m, error))
		return;
	had = f->max_vfs;
	f->max_vfs = n;
	for (f = want.func; f < want.func + want.n; f++)
		if (f->type == OPI_PORT_VF && f->num >= n)
			forget(f--);
	if (n > had)
		learn(n - had, OPI_PORT_VF, had);
}

/* ---- operations of devlink on rates ----------------------------------------------- */

/* A name that no node has, or that none can have. */
static const char *wrong_node(int *error)
{
	static const struct { const char *name; int error; } wrong[] = {
		{ "nosuch", ENODEV }, { "17", EINVAL }, { "", EINVAL },
	};
	unsigned int i = rnd(N(wrong));

	*error = wrong[i].error;
	return wrong[i].name;
}

static bool has_children(int node)
{
	unsigned int i;

	for (i = 0; i < want.n; i++)
		if (want.func[i].rate.parent == node)
			return true;
	for (i = 0; i < N_NODES; i++)
		if (want.node[i].there && want.node[i].rate.parent == node)
			return true;
	return false;
}

static bool has_nodes(int node)
{
	unsigned int i;

	for (i = 0; i < N_NODES; i++)
		if (want.node[i].there && want.node[i].rate.parent == node)
			return true;
	return false;
}

/* Why node @node (-1: a leaf) cannot have @parent above it. */
static int parent_error(int node, int parent)
{
	if (!want.node[parent].there)
		return ENODEV;
	if (node < 0)
		return 0;
	if (node == parent)
		return EINVAL;
	if (want.node[parent].rate.parent == node)
		return EEXIST;
	return want.node[parent].rate.parent >= 0 || has_nodes(node) ? EINVAL : 0;
}

/* Puts one value; the error that it makes, and what @r becomes otherwise. */
static int put_rate(struct msg *m, int node, struct rate *r)
{
	static const uint64_t rates[] = { 0, 0, 1, 125000, 1250000, 125000000, 1ull << 40, ~0ull };
	char name[16];
	uint64_t v;

	switch (rnd(5)) {
	case 0:
		v = PICK(rates);
		msg_put_u64(m, DEVLINK_ATTR_RATE_TX_MAX, v);
		sprintf(what() + strlen(what()), " max %llu", (unsigned long long)v);
		r->max = v;
		return v && r->share > v ? EINVAL : 0;
	case 1:
		v = PICK(rates);
		msg_put_u64(m, DEVLINK_ATTR_RATE_TX_SHARE, v);
		sprintf(what() + strlen(what()), " share %llu", (unsigned long long)v);
		r->share = v;
		return r->max && v > r->max ? EINVAL : 0;
	case 2:
		v = one_in(6) ? NONE - rnd(2) : rnd(10);
		msg_put_u32(m, DEVLINK_ATTR_RATE_TX_PRIORITY, v);
		sprintf(what() + strlen(what()), " priority %u", (uint32_t)v);
		r->priority = v;
		return v > 7 ? ERANGE : 0;
	case 3:
		v = one_in(6) ? 256 + rnd(101) : rnd(120);
		msg_put_u32(m, DEVLINK_ATTR_RATE_TX_WEIGHT, v);
		sprintf(what() + strlen(what()), " weight %u", (uint32_t)v);
		r->weight = v;
		return v < 1 || v > 100 ? ERANGE : 0;
	default:
		if (one_in(4)) {
			msg_put_str(m, DEVLINK_ATTR_RATE_PARENT_NODE_NAME, "");
			sprintf(what() + strlen(what()), " no parent");
			r->parent = -1;
			return 0;
		}
		r->parent = rnd(N_NODES);
		node_name(name, r->parent);
		msg_put_str(m, DEVLINK_ATTR_RATE_PARENT_NODE_NAME, name);
		sprintf(what() + strlen(what()), " parent %s", name);
		return parent_error(node, r->parent);
	}
}

static void rate_set(void)
{
	struct rate *r = NULL, val = { .weight = 1, .parent = -1 };
	int node = -1, error = 0, bad;
	const char *name;
	struct func *f;
	uint32_t port;
	char buf[16];
	struct msg m;

	request(&m, DEVLINK_CMD_RATE_SET);
	if (one_in(2)) {
		port = some_port(&f, &error);
		if (f)
			r = &f->rate;
		else
			error = ENODEV;
		doing("rate of port %u:", port);
		msg_put_u32(&m, DEVLINK_ATTR_PORT_INDEX, port);
	} else {
		if (one_in(16)) {
			name = wrong_node(&error);
		} else {
			node = rnd(N_NODES);
			node_name(buf, node);
			name = buf;
			r = &want.node[node].rate;
			error = want.node[node].there ? 0 : ENODEV;
		}
		doing("rate of node '%s':", name);
		msg_put_str(&m, DEVLINK_ATTR_RATE_NODE_NAME, name);
	}
	if (r && !error)
		val = *r;
	bad = put_rate(&m, node, &val);
	if (!get(&m, error ?: bad))
		*r = val;
}

static void rate_new(void)
{
	struct rate val = { .weight = 1, .parent = -1 };
	int node = -1, error = 0, bad = 0;
	const char *name;
	char buf[16];
	struct msg m;

	request(&m, DEVLINK_CMD_RATE_NEW);
	do {
		if (one_in(12)) {
			name = wrong_node(&error);
		} else {
			node = rnd(N_NODES);
			node_name(buf, node);
			name = buf;
			error = want.node[node].there ? EEXIST : 0;
		}
	} while (error == ENODEV);
	doing("rate new '%s':", name);
	msg_put_str(&m, DEVLINK_ATTR_RATE_NODE_NAME, name);
	if (one_in(2))
		bad = put_rate(&m, node, &val);
	if (get(&m, error ?: bad))
		return;
	want.node[node].there = true;
	want.node[node].rate = val;
}

static void rate_del(void)
{
	int node = -1, error = 0;
	const char *name;
	char buf[16];
	struct msg m;

	if (one_in(12)) {
		name = wrong_node(&error);
	} else {
		node = rnd(N_NODES);
		node_name(buf, node);
		name = buf;
		error = !want.node[node].there ? ENODEV : has_children(node) ? EBUSY : 0;
	}
	doing("rate del '%s'", name);
	request(&m, DEVLINK_CMD_RATE_DEL);
	msg_put_str(&m, DEVLINK_ATTR_RATE_NODE_NAME, name);
	if (get(&m, error))
		return;
	want.node[node].there = false;
	want.node[node].rate = (struct rate){ 0 };
}

/* ---- all of them ---------------------------------------------------------------------- */

static void reload(void)
{
	const struct rate none = { .weight = 1, .parent = -1 };
	struct msg m;
	unsigned int i;

	doing("reload");
	request(&m, DEVLINK_CMD_RELOAD);
	get(&m, 0);
	/* Functions are the card's, rates are not. */
	for (i = 0; i < want.n; i++)
		want.func[i].rate = none;
	memset(want.node, 0, sizeof(want.node));
	check();
}

static const struct { void (*run)(void); unsigned int weight; } ops[] = {
	{ port_new, 120 },	{ port_new_wrong, 30 },	{ port_del, 60 },
	{ set_hw_addr, 80 },	{ set_state, 160 },	{ set_migratable, 40 },
	{ set_max_io_eqs, 40 },	{ set_function, 160 },	{ set_max_vfs, 30 },
	{ rate_set, 180 },	{ rate_new, 60 },	{ rate_del, 40 },
	{ check, 20 },		{ reload, 4 },
};

static void do_random(unsigned long count, bool wrong)
{
	unsigned int total = 0, n, i;
	struct func *vf;

	look(&want);
	vf = want.n ? some_of(OPI_PORT_VF) : NULL;
	if (want.strange || uplink == NONE || !vf || some_of(OPI_PORT_SF))
		errx(2, "the card has no VFs, or what is not known here");
	vf_qps = vf->max_qps;
	vf_io_eqs = vf->max_io_eqs;
	last_id = want.func[want.n - 1].id;
	for (i = 0; i < N(ops); i++)
		total += ops[i].weight;

	while (op < count) {
		unsigned long was = op;

		n = rnd(total);
		for (i = 0; n >= ops[i].weight; i++)
			n -= ops[i].weight;
		ops[i].run();
		/* To be told where it stands, there is an end to what one asks. */
		if (op / 500 != was / 500)
			printf("%lu operations\n", op);
	}
	if (wrong)
		some_func()->vlan ^= 1;
	check();
	n = 0;
	for (i = 0; i < N_NODES; i++)
		n += want.node[i].there;
	printf("%lu operations, seed %lu: %u functions and %u rate nodes are as they must be\n", op, seed,
	       want.n, n);
}

/* ---- cycles ------------------------------------------------------------------------------ */

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void pause_ms(unsigned int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static void take_opstate(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *tb[DEVLINK_ATTR_MAX + 1], *fn[DEVLINK_PORT_FUNCTION_ATTR_MAX + 1];

	parse_msg(nlh, tb, DEVLINK_ATTR_MAX);
	if (!tb[DEVLINK_ATTR_PORT_FUNCTION])
		return;
	parse_nest(tb[DEVLINK_ATTR_PORT_FUNCTION], fn, DEVLINK_PORT_FUNCTION_ATTR_MAX);
	if (fn[DEVLINK_PORT_FN_ATTR_OPSTATE])
		*(uint8_t *)arg = *attr_data(fn[DEVLINK_PORT_FN_ATTR_OPSTATE]);
}

static bool attached(uint32_t port)
{
	uint8_t state = DEVLINK_PORT_FN_OPSTATE_DETACHED;
	struct msg m;

	request(&m, DEVLINK_CMD_PORT_GET);
	msg_put_u32(&m, DEVLINK_ATTR_PORT_INDEX, port);
	if (ask(&m, take_opstate, &state))
		failed("port %u: %s", port, strerror(-verdict.error));
	return state == DEVLINK_PORT_FN_OPSTATE_ATTACHED;
}

static void expose(uint32_t port, bool active)
{
	struct nlattr *nest;
	struct msg m;

	doing("port %u: state %u", port, active);
	nest = put_port_set(&m, port);
	msg_put_u8(&m, DEVLINK_PORT_FN_ATTR_STATE, active);
	msg_nest_end(&m, nest);
	get(&m, 0);
}

static void await_attached(uint32_t port, double patience)
{
	double end = now() + patience;

	while (!attached(port)) {
		if (now() > end)
			failed("port %u: not attached after %.0f s", port, patience);
		pause_ms(5);
	}
}

/* Mostly as one does it; sometimes without patience, sometimes without steps. */
static void cycle(double patience)
{
	uint32_t num = rnd(N_SFNUMS), port = NONE;
	struct msg m;

	doing("port new: SF %u", num);
	put_new(&m, num);
	get_either(&m, 0, 0, take_index, &port);
	if (!one_in(8)) {
		do {
			expose(port, true);
			if (patience && !one_in(4)) {
				await_attached(port, patience);
				/* It may be used meanwhile. */
				pause_ms(rnd(4) * 40);
			} else {
				pause_ms(rnd(3) * 5);
			}
			if (!one_in(4))
				expose(port, false);
		} while (one_in(4));
	}
	doing("port del: port %u", port);
	request(&m, DEVLINK_CMD_PORT_DEL);
	msg_put_u32(&m, DEVLINK_ATTR_PORT_INDEX, port);
	get(&m, 0);
}

static void do_cycles(unsigned long count, double patience)
{
	double start = now();
	unsigned long i;

	for (i = 0; i < count; i++)
		cycle(patience);
	printf("%lu cycles, seed %lu: %.1f s\n", count, seed, now() - start);
}

static void usage(void) { errx(2, "usage: funcops random|cycles COUNT [-s SEED] [-w SECONDS] [-b]"); }

int main(int argc, char **argv)
{
	unsigned long count, patience = 30;
	bool wrong = false;
	int c;

	while ((c = getopt(argc, argv, "s:w:b")) != -1) {
		switch (c) {
		case 's': seed = strtoul(optarg, NULL, 0); break;
		case 'w': patience = strtoul(optarg, NULL, 0); break;
		case 'b': wrong = true; break;
		default: usage();
		}
	}
	if (argc - optind != 2)
		usage();
	count = strtoul(argv[optind + 1], NULL, 0);
	srandom(seed);
	setvbuf(stdout, NULL, _IOLBF, 0);

	open_dpu();
	if (!strcmp(argv[optind], "random"))
		do_random(count, wrong);
	else if (!strcmp(argv[optind], "cycles"))
		do_cycles(count, patience);
	else
		usage();
	return 0;
}
