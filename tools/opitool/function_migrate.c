// SPDX-License-Identifier: GPL-2.0
/*
 * opitool function migrate
 *
 * What the DPU gave a virtual function that the host has moved goes to the port of
 * the function where that is now.  The state that the card carries over brings
 * address, trust, VLAN and rate; here they are told to the kernel, and what
 * the card does not know of follows.
 *
 * A step is done to the new port before it is undone at the old one, each is undone if
 * a later one fails, and the source's new address, which is set last, tells that
 * all has been done: it is made of the address that it had.
 */
#include <errno.h>
#include <linux/devlink.h>
#include <linux/opi.h>
#include <linux/opi_pci.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "bridge.h"
#include "filters.h"
#include "function.h"
#include "rate.h"

static const struct hint hints_migrate[] = {
	{ -EBUSY, "queue pairs and event queues can be set while no driver of the host uses the function" },
	{ -EOPNOTSUPP, "the kernel, or the card, can not do it for the destination" },
	{ 0, NULL }
};

/**
 * struct end - one of the two functions
 * @fn:		the function
 * @port:	its devlink port
 * @rate:	of the port
 * @link:	the port's netdev, the representor
 * @filters:	of that
 */
struct end {
	const struct function *fn;
	const struct port *port;
	struct rate rate;
	struct brport link;
	struct filters filters;
};

/**
 * struct migrate - a move
 * @inv:	all there is
 * @src:	where the function was, as found
 * @dst:	where it is, as found
 * @addr:	address of the function that is moved
 * @src_addr:	what the source has instead
 * @route:	the last step that failed was one of netdevs
 */
struct migrate {
	struct inventory *inv;
	struct end src, dst;
	unsigned char addr[6], src_addr[6];
	bool route;
};

/* ---- what is asked of the kernel ---------------------------------------- */

static int on_route(struct migrate *mv, int err)
{
	mv->route = err;
	return err;
}

static int set_function(struct migrate *mv, const struct function *fn,
			const struct function *now,
			const struct function *want)
{
	struct nl_msg *msg;
	bool any = false;

	msg = function_request(mv->inv, OPI_NL_CMD_FUNCTION_SET, fn);
#define SET(attr, member) do {						\
	if (FN_HAS(want, attr) && now->member != want->member) {	\
		must_put(nla_put_u32(msg, OPI_A_FUNCTION_##attr,	\
				     want->member));			\
		any = true;						\
	}								\
} while (0)
	SET(TRUST, trust);
	SET(VLAN, vlan);
	SET(MAX_QPS, max_qps);
#undef SET
	if (any)
		return conn_request(mv->inv->genl, msg, NULL, NULL);
	nlmsg_free(msg);
	return 0;
}

static int set_port_fn(struct migrate *mv, const struct port *port, int attr,
		       const void *value, size_t len)
{
	struct nlattr *nest;
	struct nl_msg *msg;

	msg = devlink_request(mv->inv, DEVLINK_CMD_PORT_SET, &port->handle);
	must_put(nla_put_u32(msg, DEVLINK_ATTR_PORT_INDEX, port->index));
	nest = nla_nest_start(msg, DEVLINK_ATTR_PORT_FUNCTION);
	must_put(!nest);
	must_put(nla_put(msg, attr, len, value));
	nla_nest_end(msg, nest);
	return conn_request(mv->inv->genl, msg, NULL, NULL);
}

static int set_addr(struct migrate *mv, const struct port *port,
		    const unsigned char *addr)
{
	return set_port_fn(mv, port, DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR, addr,
			   6);
}

static int set_eqs(struct migrate *mv, const struct port *now,
		   const struct port *want)
{
	uint32_t n = want->fn_max_io_eqs;

	if (!(want->have & PORT_FN_MAX_IO_EQS) || now->fn_max_io_eqs == n)
		return 0;
	return set_port_fn(mv, mv->dst.port, DEVLINK_PORT_FN_ATTR_MAX_IO_EQS,
			   &n, sizeof(n));
}

/* ---- steps --------------------------------------------------------------- */

static int settings_do(struct migrate *mv)
{
	return set_function(mv, mv->dst.fn, mv->dst.fn, mv->src.fn);
}

static int settings_undo(struct migrate *mv)
{
	return set_function(mv, mv->dst.fn, mv->src.fn, mv->dst.fn);
}

static int eqs_do(struct migrate *mv)
{
	return set_eqs(mv, mv->dst.port, mv->src.port);
}

static int eqs_undo(struct migrate *mv)
{
	return set_eqs(mv, mv->src.port, mv->dst.port);
}

static int rate_do(struct migrate *mv)
{
	return rate_is_set(&mv->src.rate) ?
		rate_set(mv->inv, mv->dst.fn, &mv->dst.rate, &mv->src.rate) : 0;
}

static int rate_undo(struct migrate *mv)
{
	return rate_is_set(&mv->src.rate) ?
		rate_set(mv->inv, mv->dst.fn, &mv->src.rate, &mv->dst.rate) : 0;
}

/* The discipline may be there, without filters. */
static bool filters_whole(const struct migrate *mv)
{
	return !*mv->dst.filters.kind;
}

static int filters_do(struct migrate *mv)
{
	return on_route(mv, filters_make(mv->inv->route, mv->dst.link.ifindex,
					 &mv->src.filters, filters_whole(mv)));
}

static int filters_undo(struct migrate *mv)
{
	int err;

	if (!*mv->src.filters.kind)
		return 0;
	err = filters_drop(mv->inv->route, mv->dst.link.ifindex,
			   &mv->src.filters);
	if (!err && !filters_whole(mv))
		err = filters_make(mv->inv->route, mv->dst.link.ifindex,
				   &mv->dst.filters, true);
	return on_route(mv, err);
}

/* Without a bridge there is only the netdev. */
static int join_do(struct migrate *mv)
{
	struct brport want = mv->src.link.master ? mv->src.link : mv->dst.link;

	want.mtu = mv->src.link.mtu;
	want.up = mv->src.link.up || mv->dst.link.up;
	return on_route(mv, brport_make(mv->inv->route, mv->dst.link.ifindex,
					&want));
}

/* The source is in its bridge, but what it has there may have been moved. */
static int join_undo(struct migrate *mv)
{
	int err, src_err = 0;

	err = brport_restore(mv->inv->route, mv->dst.link.ifindex,
			     &mv->dst.link);
	if (mv->src.link.master)
		src_err = brport_restore(mv->inv->route, mv->src.link.ifindex,
					 &mv->src.link);
	return on_route(mv, err ? err : src_err);
}

/* With the port goes what the bridge has learned there. */
static int leave_do(struct migrate *mv)
{
	struct brport want = mv->src.link;

	if (!want.master)
		return 0;
	want.master = 0;
	return on_route(mv, brport_make(mv->inv->route, want.ifindex, &want));
}

static int leave_undo(struct migrate *mv)
{
	return mv->src.link.master ?
		on_route(mv, brport_restore(mv->inv->route,
					    mv->src.link.ifindex,
					    &mv->src.link)) : 0;
}

static int unfilter_do(struct migrate *mv)
{
	return on_route(mv, filters_drop(mv->inv->route, mv->src.link.ifindex,
					 &mv->src.filters));
}

static int unfilter_undo(struct migrate *mv)
{
	return on_route(mv, filters_make(mv->inv->route, mv->src.link.ifindex,
					 &mv->src.filters, true));
}

static int unrate_do(struct migrate *mv)
{
	const struct rate none = { 0 };

	return rate_is_set(&mv->src.rate) ?
		rate_set(mv->inv, mv->src.fn, &mv->src.rate, &none) : 0;
}

static int unrate_undo(struct migrate *mv)
{
	const struct rate none = { 0 };

	return rate_is_set(&mv->src.rate) ?
		rate_set(mv->inv, mv->src.fn, &none, &mv->src.rate) : 0;
}

/* The source first: at no time have both the address because of this. */
static int addr_do(struct migrate *mv)
{
	int err = set_addr(mv, mv->src.port, mv->src_addr);

	if (!err && memcmp(mv->dst.port->fn_addr, mv->addr, 6))
		err = set_addr(mv, mv->dst.port, mv->addr);
	return err;
}

static int addr_undo(struct migrate *mv)
{
	int err = 0;

	if (memcmp(mv->dst.port->fn_addr, mv->addr, 6))
		err = set_addr(mv, mv->dst.port, mv->dst.port->fn_addr);
	return err ? err : set_addr(mv, mv->src.port, mv->src.port->fn_addr);
}

/* It may be given to somebody else. */
static int distrust_do(struct migrate *mv)
{
	struct function want = *mv->src.fn;

	want.trust = 0;
	want.vlan = 0;
	return set_function(mv, mv->src.fn, mv->src.fn, &want);
}

static int distrust_undo(struct migrate *mv)
{
	struct function now = *mv->src.fn;

	now.trust = 0;
	now.vlan = 0;
	return set_function(mv, mv->src.fn, &now, mv->src.fn);
}

/**
 * struct step - one of the move
 * @what:	it does
 * @run:	do it
 * @undo:	make it as before
 * @looks:	@undo looks what there is to undo: if it fails something is left
 */
static const struct step {
	const char *what;
	int (*run)(struct migrate *mv);
	int (*undo)(struct migrate *mv);
	bool looks;
} steps[] = {
	{ "give trust, VLAN and queue pairs to the destination",
	  settings_do, settings_undo, false },
	{ "give event queues to the destination", eqs_do, eqs_undo, false },
	{ "give the rate to the destination", rate_do, rate_undo, false },
	{ "give the tc rules to the destination", filters_do, filters_undo,
	  false },
	{ "put the destination's port into the bridge", join_do, join_undo,
	  true },
	{ "take the source's port out of the bridge", leave_do, leave_undo,
	  true },
	{ "take the tc rules from the source", unfilter_do, unfilter_undo,
	  false },
	{ "take the rate from the source", unrate_do, unrate_undo, false },
	{ "change the addresses", addr_do, addr_undo, false },
	{ "take trust and VLAN from the source", distrust_do, distrust_undo,
	  false },
};

/* A step that fails may have done a part of it. */
static int run_steps(struct migrate *mv)
{
	struct inventory *inv = mv->inv;
	int status = ST_FAILED, err;
	size_t i, at;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		mv->route = false;
		err = steps[i].run(mv);
		if (err)
			break;
	}
	if (i == ARRAY_SIZE(steps))
		return ST_OK;

	if (mv->route)
		status = request_failed(inv->route, steps[i].what, err);
	else
		status = function_refused(inv, &mv->src.fn->handle, err,
					  hints_migrate, "%s", steps[i].what);
	for (at = i + 1; at--;) {
		mv->route = false;
		err = steps[at].undo(mv);
		/* What was not done may not be there to undo. */
		if (err && (at != i || steps[at].looks))
			say("not undone: %s: %s", steps[at].what,
			    strerror(-err));
	}
	say("all that was done before has been undone, but for what is said above");
	return status;
}

/* ---- may it be? ----------------------------------------------------------- */

static int refuse(const struct function *fn, const char *why)
{
	say("function %u of %s/%s %s", fn->id, fn->handle.bus, fn->handle.dev,
	    why);
	return ST_FAILED;
}

static int check_functions(struct inventory *inv, const struct function *src,
			   const struct function *dst, bool force)
{
	const struct dpu *dpu = inventory_find_dpu(inv, &src->handle);

	if (dpu && HAS(dpu, ROLE) && dpu->role != OPI_ROLE_DPU) {
		say("this is the host; functions are the DPU's: do it there");
		return ST_FAILED;
	}
	if (!FN_HAS(src, TYPE) || src->type != OPI_PORT_VF)
		return refuse(src, "is no virtual function; no other can be moved");
	if (!FN_HAS(dst, TYPE) || dst->type != OPI_PORT_VF)
		return refuse(dst, "is no virtual function; no other can be moved");
	if (!handle_eq(&src->handle, &dst->handle))
		return refuse(dst, "is of another card; what its source has there, that card's DPU knows");
	if (src->id == dst->id)
		return refuse(dst, "is the source as well");
	if (FN_HAS(src, OPSTATE) && src->opstate == OPI_FUNC_ATTACHED &&
	    (!FN_HAS(src, MIG_STATE) || src->mig_state == OPI_MIG_RUNNING ||
	     src->mig_state == OPI_MIG_P2P))
		return refuse(src, "is still running");
	if (!force && (!FN_HAS(dst, SOURCE_SERIAL) ||
		       !FN_HAS(dst, SOURCE_FUNC_ID) ||
		       dst->src_serial != src->serial ||
		       dst->src_id != src->id))
		return refuse(dst, "has not taken the state of the source (\"force\" does it all the same)");
	return ST_OK;
}

static int end_read(struct migrate *mv, struct end *end,
		    const struct function *fn)
{
	struct inventory *inv = mv->inv;
	int err;

	end->fn = fn;
	end->port = inventory_port_of(inv, fn);
	if (!end->port || end->port->fn_addr_len != 6)
		return refuse(fn, "has no port in devlink");
	if (!end->port->ifindex)
		return refuse(fn, "has no representor in this network namespace");
	err = rate_read(inv, fn, &end->rate);
	if (err)
		return request_failed(inv->genl, "cannot get the rates", err);
	err = brport_read(inv->route, end->port->ifindex, &end->link);
	if (!err)
		err = filters_read(inv->route, end->port->ifindex,
				   &end->filters);
	return err ? request_failed(inv->route, "cannot get what the ports have",
				    err) : ST_OK;
}

static int check_ports(const struct migrate *mv)
{
	const struct end *src = &mv->src, *dst = &mv->dst;
	const struct filters *f = &src->filters;

	if (src->link.master && strcmp(src->link.kind, "bridge")) {
		say("%s belongs to something of the kind \"%s\", which only its own tool moves: take it out there first",
		    src->port->netdev, src->link.kind);
		return ST_FAILED;
	}
	if (*f->why || *dst->filters.why) {
		say("tc rules of %s can not be copied faithfully: %s",
		    *f->why ? src->port->netdev : dst->port->netdev,
		    *f->why ? f->why : dst->filters.why);
		return ST_FAILED;
	}
	if (*f->kind && *dst->filters.kind &&
	    (dst->filters.all.n || strcmp(f->kind, dst->filters.kind) ||
	     f->block[0] != dst->filters.block[0] ||
	     f->block[1] != dst->filters.block[1])) {
		say("%s has tc rules of its own: remove its %s qdisc first",
		    dst->port->netdev, dst->filters.kind);
		return ST_FAILED;
	}
	return ST_OK;
}

/*
 * The address that the source has afterwards: locally administered, and made of
 * its names and the address that it had, so that a second run knows it.
 */
static void make_addr(const struct function *fn, const unsigned char *had,
		      unsigned char *addr)
{
	uint64_t hash = 0xcbf29ce484222325ULL;
	unsigned char bytes[18];
	size_t i;

	memcpy(bytes, had, 6);
	for (i = 0; i < 8; i++)
		bytes[6 + i] = fn->serial >> 8 * i;
	for (i = 0; i < 4; i++)
		bytes[14 + i] = fn->id >> 8 * i;
	for (i = 0; i < sizeof(bytes); i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
	for (i = 0; i < 6; i++)
		addr[i] = hash >> 8 * i;
	addr[0] = (addr[0] & 0xfc) | 0x02;
}

static int migrate(struct inventory *inv, const struct function *src,
		   const struct function *dst)
{
	struct migrate *mv = calloc(1, sizeof(*mv));
	unsigned char marker[6];
	sigset_t all, old;
	bool streamed;
	int status;

	if (!mv)
		die(ST_FAILED, "out of memory");
	mv->inv = inv;
	status = end_read(mv, &mv->src, src);
	if (!status)
		status = end_read(mv, &mv->dst, dst);
	if (status)
		goto out;

	make_addr(src, mv->dst.port->fn_addr, marker);
	if (!memcmp(mv->src.port->fn_addr, marker, sizeof(marker))) {
		say("function %u has all of function %u already", dst->id,
		    src->id);
		goto out;
	}
	status = check_ports(mv);
	if (status)
		goto out;

	/* The state has brought the address; what was set later is meant so. */
	streamed = FN_HAS(dst, SOURCE_FUNC_ID) && dst->src_id == src->id &&
		   dst->src_serial == src->serial;
	memcpy(mv->addr, streamed ? mv->dst.port->fn_addr :
	       mv->src.port->fn_addr, sizeof(mv->addr));
	make_addr(src, mv->addr, mv->src_addr);

	/* Not half of it. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	status = run_steps(mv);
	sigprocmask(SIG_SETMASK, &old, NULL);
out:
	brport_free(&mv->src.link);
	brport_free(&mv->dst.link);
	filters_free(&mv->src.filters);
	filters_free(&mv->dst.filters);
	free(mv);
	return status;
}

/* ---- words ---------------------------------------------------------------- */

static int parse(struct select *src, struct select *dst, bool *force, int argc,
		 char **argv)
{
	const struct verb *verb = &verb_function_migrate;
	int at, status;

	*force = argc && !strcmp(argv[argc - 1], "force");
	argc -= *force;
	for (at = 0; at < argc && strcmp(argv[at], "to"); at++)
		;
	if (at == argc)
		return bad_usage(verb, "from which function \"to\" which?");
	status = select_parse(src, verb, KEYS_CHOOSE, at, argv);
	if (!status)
		status = select_parse(dst, verb, KEYS_CHOOSE, argc - at - 1,
				      argv + at + 1);
	if (!status && (!select_any(src) || !select_any(dst)))
		status = bad_usage(verb, "from which function \"to\" which?");
	return status;
}

static int run(const struct opts *opts, int argc, char **argv)
{
	struct function *src = NULL, *dst = NULL;
	struct select from, to;
	struct handle dev = { 0 };
	struct inventory inv;
	uint32_t id = 0;
	bool force;
	int status;

	status = parse(&from, &to, &force, argc, argv);
	if (status)
		return status;

	status = function_find(&inv, &from, &src);
	if (!status)
		status = function_choose(&inv, &to, &dst);
	if (!status && inv.devlink < 0) {
		say_no_devlink();
		status = ST_ABSENT;
	}
	if (!status)
		status = check_functions(&inv, src, dst, force);
	if (!status)
		status = inventory_get_ports(&inv);
	/* Opens the way to netdevs, too. */
	if (!status)
		status = inventory_get_links(&inv);
	if (!status) {
		dev = dst->handle;
		id = dst->id;
		status = migrate(&inv, src, dst);
	}
	return function_close(&inv, opts, false, &dev, id, status);
}

const struct verb verb_function_migrate = {
	.noun	= "function",
	.verb	= "migrate",
	.args	= "FUNCTION to FUNCTION [force]",
	.what	= "move what the port of a VF has",
	.help	=
"On the DPU, when the host has moved one virtual function to another (\"function\n"
"show\" tells the source of the other): gives the port of the second what\n"
"the first has - address, rate, trust, VLAN, queues, tc rules, and its\n"
"representor's place in a bridge - and takes it from the first, which gets\n"
"another address.  FUNCTION is as for \"function show\" and must choose one.\n"
"\n"
"If something is refused, all is as before.  Done again, it does nothing.\n"
"It refuses a source that runs and a destination that has not taken the state of\n"
"the source; the latter not with \"force\".  With -j it prints the destination.\n",
	.run	= run,
};
