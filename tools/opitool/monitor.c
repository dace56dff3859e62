// SPDX-License-Identifier: GPL-2.0
/*
 * opitool monitor
 *
 * Joins the groups first and asks what there is then, so nothing falls between;
 * events that the answer contained already are known by their number and not
 * shown again.  When events were lost (the kernel had no room for them, or
 * their numbers have a gap) it says so and asks again.
 */
#include <errno.h>
#include <linux/devlink.h>
#include <linux/genetlink.h>
#include <linux/opi.h>
#include <linux/rtnetlink.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "inventory.h"

/* What the next look at everything is for. */
enum look {
	LOOK_NOT,
	LOOK_NEWS,	/* show what is new, gone or different */
	LOOK_ALL,	/* show what is gone, and all that is there */
};

/**
 * struct monitor - what runs
 * @inv:	what was shown last
 * @genl:	events of the families
 * @route:	events of netdevs
 * @out:	where to
 * @dpus:	events of DPUs are wanted
 * @functions:	events of functions are wanted
 * @ports:	events of ports are wanted
 * @look:	when all events that have come are read
 * @seq:	number of the last event of family opi
 * @functions_seq: that of the last event that the answer about functions had,
 *		which was asked for after the one about DPUs
 * @seq_known:	@seq is one
 * @lost_said:	since the last look
 */
struct monitor {
	struct inventory inv;
	struct watch *genl;
	struct watch *route;
	struct out out;
	bool dpus;
	bool functions;
	bool ports;
	enum look look;
	uint64_t seq;
	uint64_t functions_seq;
	bool seq_known;
	bool lost_said;
};

/* ---- output ------------------------------------------------------------ */

static void event_begin(struct monitor *mon, const char *object,
			const char *event)
{
	out_object(&mon->out, NULL);
	out_word(&mon->out, "object", object);
	out_word(&mon->out, "event", event);
}

static void dpu_event(struct monitor *mon, const char *event,
		      const struct dpu *dpu)
{
	if (!mon->dpus)
		return;
	event_begin(mon, "dpu", event);
	if (dpu->changed)
		out_flags(&mon->out, "changed", &names_change, dpu->changed);
	show_dpu(&mon->out, dpu);
	out_end(&mon->out);
}

static void function_event(struct monitor *mon, const char *event,
			   const struct function *fn)
{
	if (!mon->functions)
		return;
	event_begin(mon, "function", event);
	if (fn->changed)
		out_flags(&mon->out, "changed", &names_func_change,
			  fn->changed);
	show_function(&mon->out, fn, NULL);
	out_end(&mon->out);
}

static void port_event(struct monitor *mon, const char *event,
		       const struct port *port)
{
	if (!mon->ports)
		return;
	event_begin(mon, "port", event);
	show_port(&mon->out, port,
		  inventory_find_link(&mon->inv, port->ifindex), NULL);
	out_end(&mon->out);
}

static void lost_event(struct monitor *mon, uint64_t missed)
{
	mon->look = LOOK_ALL;
	if (mon->lost_said)
		return;
	mon->lost_said = true;
	event_begin(mon, "monitor", "lost");
	if (missed)
		out_uint(&mon->out, "missed", missed);
	out_end(&mon->out);
}

/* ---- the whole --------------------------------------------------------- */

static bool same_dpu(const struct dpu *a, const struct dpu *b)
{
	struct dpu x = *a, y = *b;

	/* What belongs to the message, not to the DPU. */
	x.cmd = y.cmd = 0;
	x.seq = y.seq = 0;
	x.changed = y.changed = 0;
	x.have = y.have = 0;
	return !memcmp(&x, &y, sizeof(x));
}

static bool same_function(const struct function *a, const struct function *b)
{
	struct function x = *a, y = *b;

	x.cmd = y.cmd = 0;
	x.seq = y.seq = 0;
	x.changed = y.changed = 0;
	x.have &= ~(1u << OPI_A_FUNCTION_SEQ | 1u << OPI_A_FUNCTION_CHANGED);
	y.have &= ~(1u << OPI_A_FUNCTION_SEQ | 1u << OPI_A_FUNCTION_CHANGED);
	return !memcmp(&x, &y, sizeof(x));
}

static bool same_port(const struct port *a, const struct port *b)
{
	struct port x = *a, y = *b;

	x.cmd = y.cmd = 0;
	return !memcmp(&x, &y, sizeof(x));
}

static bool same_link(const struct link *a, const struct link *b)
{
	return a && b ? !memcmp(a, b, sizeof(*a)) : a == b;
}

static struct port *find_port(struct list *ports, const struct port *like)
{
	struct port *port;

	list_each(port, ports)
		if (port->index == like->index &&
		    handle_eq(&port->handle, &like->handle))
			return port;
	return NULL;
}

static void list_remove(struct list *list, void *elem, size_t size)
{
	char *end = (char *)list->data + list->n * size;

	memmove(elem, (char *)elem + size, end - ((char *)elem + size));
	list->n--;
}

/*
 * Join what there is; a family that came anew has new groups.  One that goes in
 * this moment is not there: when it comes again there is an event.
 */
static int join(struct monitor *mon, int family, const char *name,
		const char *group)
{
	int id, err;

	if (family < 0)
		return 0;
	id = conn_group(mon->inv.genl, name, group);
	err = id < 0 ? id : watch_join(mon->genl, id);
	if (err && conn_family(mon->inv.genl, name) < 0)
		err = 0;
	return err;
}

static void look_dpus(struct monitor *mon, const struct list *old,
		      enum look look)
{
	struct inventory before = { .dpus = *old };
	struct dpu *dpu, *was;

	list_each(was, old)
		if (!inventory_find_dpu(&mon->inv, &was->handle)) {
			was->changed = 0;
			dpu_event(mon, "del", was);
		}

	list_each(dpu, &mon->inv.dpus) {
		was = inventory_find_dpu(&before, &dpu->handle);
		if (look == LOOK_ALL)
			dpu_event(mon, "state", dpu);
		else if (!was)
			dpu_event(mon, "add", dpu);
		else if (!same_dpu(was, dpu))
			dpu_event(mon, "change", dpu);

		if (!HAS(dpu, SEQ))
			continue;
		if (!mon->seq_known || dpu->seq > mon->seq)
			mon->seq = dpu->seq;
		mon->seq_known = true;
	}
}

static void look_functions(struct monitor *mon, const struct list *old,
			   enum look look)
{
	struct inventory before = { .functions = *old };
	struct function *fn, *was;

	list_each(was, old)
		if (!inventory_find_function(&mon->inv, &was->handle, was->id)) {
			was->changed = 0;
			function_event(mon, "del", was);
		}

	list_each(fn, &mon->inv.functions) {
		was = inventory_find_function(&before, &fn->handle, fn->id);
		if (look == LOOK_ALL)
			function_event(mon, "state", fn);
		else if (!was)
			function_event(mon, "add", fn);
		else if (!same_function(was, fn))
			function_event(mon, "change", fn);

		if (FN_HAS(fn, SEQ) && fn->seq > mon->functions_seq)
			mon->functions_seq = fn->seq;
	}
}

static void look_ports(struct monitor *mon, struct list *old,
		       const struct list *old_links, enum look look)
{
	struct inventory before = { .links = *old_links };
	struct port *port, *was;

	list_each(was, old)
		if (!find_port(&mon->inv.ports, was))
			port_event(mon, "del", was);

	list_each(port, &mon->inv.ports) {
		was = find_port(old, port);
		if (look == LOOK_ALL)
			port_event(mon, "state", port);
		else if (!was)
			port_event(mon, "add", port);
		else if (!same_port(was, port) ||
			 !same_link(inventory_find_link(&before, was->ifindex),
				    inventory_find_link(&mon->inv,
							port->ifindex)))
			port_event(mon, "change", port);
	}
}

/*
 * What the answer says of DPUs of family opi comes as events too, each with its
 * number, and may be ahead of those that are not read yet: as long as none is
 * lost they say what changes.  Of devices that devlink alone tells of there is
 * the answer only.
 */
static void keep_counted(struct inventory *inv, const struct list *old)
{
	struct list told = inv->dpus;
	struct dpu *dpu;

	memset(&inv->dpus, 0, sizeof(inv->dpus));
	list_each(dpu, old)
		if (!dpu->via_devlink)
			list_add(&inv->dpus, dpu, sizeof(*dpu));
	list_each(dpu, &told)
		if (dpu->via_devlink && !inventory_find_dpu(inv, &dpu->handle))
			list_add(&inv->dpus, dpu, sizeof(*dpu));
	list_free(&told);
}

/* Ports of devices that are no DPU are not ours to tell. */
static void drop_other_ports(struct inventory *inv)
{
	struct port *port, *end, *to;

	port = to = inv->ports.data;
	end = port + inv->ports.n;
	for (; port != end; port++)
		if (inventory_find_dpu(inv, &port->owner))
			*to++ = *port;
	inv->ports.n = to - (struct port *)inv->ports.data;
}

static int look_around(struct monitor *mon, enum look look)
{
	struct list dpus = mon->inv.dpus;
	struct list functions = mon->inv.functions;
	struct list ports = mon->inv.ports;
	struct list links = mon->inv.links;
	bool counted = look == LOOK_NEWS && mon->seq_known;
	int status, err;

	memset(&mon->inv.dpus, 0, sizeof(dpus));
	if (counted)
		memset(&functions, 0, sizeof(functions));
	else
		memset(&mon->inv.functions, 0, sizeof(functions));
	memset(&mon->inv.ports, 0, sizeof(ports));
	memset(&mon->inv.links, 0, sizeof(links));
	mon->look = LOOK_NOT;
	mon->lost_said = false;

	inventory_families(&mon->inv);
	err = join(mon, mon->inv.opi, OPI_FAMILY_NAME, OPI_MCGRP_EVENTS);
	if (!err)
		err = join(mon, mon->inv.devlink, DEVLINK_GENL_NAME,
			   DEVLINK_GENL_MCGRP_CONFIG_NAME);
	if (err) {
		say("cannot listen to events: %s", strerror(-err));
		status = ST_FAILED;
		goto out;
	}
	/* The answer says; the family may have come anew and count anew. */
	if (!counted) {
		mon->seq_known = false;
		mon->functions_seq = 0;
	}

	status = inventory_get_dpus(&mon->inv);
	if (!status && mon->functions && !counted)
		status = inventory_get_functions(&mon->inv);
	if (!status && mon->ports)
		status = inventory_get_links(&mon->inv);
	if (status)
		goto out;
	if (counted)
		keep_counted(&mon->inv, &dpus);
	if (mon->inv.ports.n)
		drop_other_ports(&mon->inv);

	look_dpus(mon, &dpus, look);
	if (!counted)
		look_functions(mon, &functions, look);
	look_ports(mon, &ports, &links, look);
	if (look == LOOK_ALL) {
		event_begin(mon, "monitor", "sync");
		if (mon->seq_known)
			out_uint(&mon->out, "seq", mon->seq);
		out_end(&mon->out);
	}
out:
	list_free(&dpus);
	list_free(&functions);
	list_free(&ports);
	list_free(&links);
	return status;
}

/* Look at everything when what has come is read. */
static void look_later(struct monitor *mon, enum look look)
{
	if (mon->look < look)
		mon->look = look;
}

/* ---- events ------------------------------------------------------------ */

/* Count an event of family opi; false: it was known before. */
static bool count_event(struct monitor *mon, bool has_seq, uint64_t seq)
{
	if (!has_seq)
		return true;
	if (mon->seq_known && seq <= mon->seq)
		return false;
	if (mon->seq_known && seq != mon->seq + 1)
		lost_event(mon, seq - mon->seq - 1);
	mon->seq = seq;
	mon->seq_known = true;
	return true;
}

static void dpu_opi_event(struct monitor *mon, struct nlmsghdr *nlh)
{
	struct dpu dpu, *known;

	if (parse_dpu(nlh, &dpu)) {
		lost_event(mon, 0);
		return;
	}
	if (!count_event(mon, HAS(&dpu, SEQ), dpu.seq))
		return;

	known = inventory_find_dpu(&mon->inv, &dpu.handle);
	switch (dpu.cmd) {
	case OPI_NL_CMD_DPU_ADD_NTF:
		dpu_event(mon, "add", &dpu);
		/* Its ports may have come before and had no owner then. */
		look_later(mon, LOOK_NEWS);
		break;
	case OPI_NL_CMD_DPU_DEL_NTF:
		dpu_event(mon, "del", &dpu);
		if (known)
			list_remove(&mon->inv.dpus, known, sizeof(*known));
		return;
	default:
		dpu_event(mon, "change", &dpu);
	}
	if (known)
		*known = dpu;
	else
		list_add(&mon->inv.dpus, &dpu, sizeof(dpu));
}

static void function_opi_event(struct monitor *mon, struct nlmsghdr *nlh)
{
	struct function fn, *known;

	if (parse_function(nlh, &fn)) {
		lost_event(mon, 0);
		return;
	}
	if (!count_event(mon, FN_HAS(&fn, SEQ), fn.seq) || !mon->functions ||
	    (FN_HAS(&fn, SEQ) && fn.seq <= mon->functions_seq))
		return;

	known = inventory_find_function(&mon->inv, &fn.handle, fn.id);
	if (fn.cmd == OPI_NL_CMD_FUNCTION_DEL_NTF) {
		function_event(mon, "del", &fn);
		if (known)
			list_remove(&mon->inv.functions, known,
				    sizeof(*known));
		return;
	}
	function_event(mon, fn.cmd == OPI_NL_CMD_FUNCTION_ADD_NTF ? "add" :
		       "change", &fn);
	if (known)
		*known = fn;
	else
		list_add(&mon->inv.functions, &fn, sizeof(fn));
}

static void opi_event(struct monitor *mon, struct nlmsghdr *nlh)
{
	switch (genlmsg_hdr(nlh)->cmd) {
	case OPI_NL_CMD_DPU_ADD_NTF:
	case OPI_NL_CMD_DPU_DEL_NTF:
	case OPI_NL_CMD_DPU_CHANGE_NTF:
		dpu_opi_event(mon, nlh);
		break;
	case OPI_NL_CMD_FUNCTION_ADD_NTF:
	case OPI_NL_CMD_FUNCTION_DEL_NTF:
	case OPI_NL_CMD_FUNCTION_CHANGE_NTF:
		function_opi_event(mon, nlh);
		break;
	/* What a newer driver tells besides counts as a gap. */
	}
}

static void devlink_event(struct monitor *mon, struct nlmsghdr *nlh)
{
	struct port port, *known;

	switch (genlmsg_hdr(nlh)->cmd) {
	case DEVLINK_CMD_NEW:
	case DEVLINK_CMD_DEL:
		look_later(mon, LOOK_NEWS);
		return;
	case DEVLINK_CMD_PORT_NEW:
	case DEVLINK_CMD_PORT_DEL:
		break;
	default:
		return;
	}

	if (parse_port(nlh, &port)) {
		lost_event(mon, 0);
		return;
	}
	known = find_port(&mon->inv.ports, &port);
	if (port.cmd == DEVLINK_CMD_PORT_DEL) {
		if (!known)
			return;
		port_event(mon, "del", known);
		list_remove(&mon->inv.ports, known, sizeof(*known));
		return;
	}
	if (!known) {
		inventory_own_port(&port);
		/* Of a DPU, of a device that is one now, or of none? */
		if (!inventory_find_dpu(&mon->inv, &port.owner)) {
			look_later(mon, LOOK_NEWS);
			return;
		}
		list_add(&mon->inv.ports, &port, sizeof(port));
		port_event(mon, "add", &port);
		return;
	}
	port.owner = known->owner;
	if (!same_port(known, &port)) {
		*known = port;
		port_event(mon, "change", &port);
	}
}

/* With the family its DPUs and functions went, whether there was somebody to tell or not. */
static void drop_dpus(struct monitor *mon)
{
	struct dpu *dpu, *to = mon->inv.dpus.data;
	struct function *fn;

	list_each(fn, &mon->inv.functions) {
		fn->changed = 0;
		function_event(mon, "del", fn);
	}
	mon->inv.functions.n = 0;
	list_each(dpu, &mon->inv.dpus) {
		if (dpu->via_devlink) {
			*to++ = *dpu;
			continue;
		}
		dpu->changed = 0;
		dpu_event(mon, "del", dpu);
	}
	mon->inv.dpus.n = to - (struct dpu *)mon->inv.dpus.data;
}

static void family_event(struct monitor *mon, struct nlmsghdr *nlh)
{
	char name[16];
	int change;

	if (parse_family(nlh, &change, name) || !change)
		return;
	if (!strcmp(name, OPI_FAMILY_NAME)) {
		mon->seq_known = false;		/* it starts anew */
		if (change < 0)
			drop_dpus(mon);
	} else if (strcmp(name, DEVLINK_GENL_NAME)) {
		return;
	}
	look_later(mon, LOOK_NEWS);
}

static int genl_event(struct nlmsghdr *nlh, void *arg)
{
	struct monitor *mon = arg;

	if (!genlmsg_valid_hdr(nlh, 0))
		return 0;
	if (nlh->nlmsg_type == GENL_ID_CTRL)
		family_event(mon, nlh);
	else if (nlh->nlmsg_type == mon->inv.opi)
		opi_event(mon, nlh);
	else if (nlh->nlmsg_type == mon->inv.devlink)
		devlink_event(mon, nlh);
	return 0;
}

static int link_event(struct nlmsghdr *nlh, void *arg)
{
	struct monitor *mon = arg;
	struct list *links = &mon->inv.links;
	struct link link, *known;
	struct port *port;

	if ((nlh->nlmsg_type != RTM_NEWLINK &&
	     nlh->nlmsg_type != RTM_DELLINK) || parse_link(nlh, &link))
		return 0;

	known = (struct link *)inventory_find_link(&mon->inv, link.ifindex);
	if (link.gone) {
		if (known)
			list_remove(links, known, sizeof(*known));
		return 0;
	}
	if (known && same_link(known, &link))
		return 0;
	if (known)
		*known = link;
	else
		inventory_add_link(&mon->inv, &link);

	list_each(port, &mon->inv.ports)
		if (port->ifindex == link.ifindex)
			port_event(mon, "change", port);
	return 0;
}

/* ---- running ----------------------------------------------------------- */

static int start(struct monitor *mon)
{
	int status, err, id;

	status = inventory_open(&mon->inv);
	if (status)
		return status;
	if (mon->inv.opi < 0)
		say("the opi_core module is not loaded (modprobe opi_core); its events show when it is");

	err = watch_open(&mon->genl, NETLINK_GENERIC);
	if (!err) {
		id = conn_group(mon->inv.genl, "nlctrl", "notify");
		err = id < 0 ? id : watch_join(mon->genl, id);
	}
	if (!err && mon->ports) {
		err = watch_open(&mon->route, NETLINK_ROUTE);
		if (!err)
			err = watch_join(mon->route, RTNLGRP_LINK);
	}
	if (err) {
		say("cannot listen to events: %s", strerror(-err));
		return ST_FAILED;
	}
	return ST_OK;
}

/* Read what has come; false: that does not go on. */
static bool drain(struct watch *watch, msg_fn fn, struct monitor *mon)
{
	int err;

	if (!watch)
		return true;
	/* After a loss there may be more behind it. */
	while ((err = watch_read(watch, fn, mon)) == -ENOBUFS)
		lost_event(mon, 0);
	if (err)
		say("cannot read events: %s", strerror(-err));
	return !err;
}

/*
 * A reader that has enough closes its end; that is not an error, but it is the
 * end.  It is seen even if there is nothing to write.
 */
static bool output_closed(const struct pollfd *fd)
{
	if (!(fd->revents & (POLLERR | POLLHUP | POLLNVAL)) &&
	    out_errno != EPIPE && out_errno != EBADF)
		return false;
	out_forget();
	return true;
}

static int loop(struct monitor *mon, int signals)
{
	struct pollfd fds[] = {
		{ .fd = STDOUT_FILENO },
		{ .fd = signals, .events = POLLIN },
		{ .fd = watch_fd(mon->genl), .events = POLLIN },
		{ .fd = mon->route ? watch_fd(mon->route) : -1,
		  .events = POLLIN },
	};
	int status;

	mon->look = LOOK_ALL;
	for (;;) {
		if (mon->look) {
			status = look_around(mon, mon->look);
			if (status)
				return status;
		}
		if (output_closed(&fds[0]))
			return ST_OK;
		if (out_errno)
			return ST_OK;		/* main() says it */
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0) {
			if (errno == EINTR)
				continue;
			say("cannot wait for events: %s", strerror(errno));
			return ST_FAILED;
		}
		if (fds[1].revents)
			return ST_OK;
		/* Links first: an event of a port shows its link. */
		if (!drain(mon->route, link_event, mon) ||
		    !drain(mon->genl, genl_event, mon))
			return ST_FAILED;
	}
}

static int run(const struct opts *opts, int argc, char **argv)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct monitor mon = { 0 };
	int status, signals;
	bool all = !argc;
	sigset_t stop;

	if (argc > 1)
		return bad_usage(&verb_monitor, "\"%s\" is too much", argv[1]);
	if (argc) {
		all = !strcmp(argv[0], "all");
		mon.dpus = !strcmp(argv[0], "dpu");
		mon.functions = !strcmp(argv[0], "function");
		mon.ports = !strcmp(argv[0], "port");
		if (!all && !mon.dpus && !mon.functions && !mon.ports)
			return bad_usage(&verb_monitor,
					 "\"%s\" can not be monitored",
					 argv[0]);
	}
	if (all)
		mon.dpus = mon.functions = mon.ports = true;

	/*
	 * Read like events: a handler would have to wait for a moment when
	 * none come.
	 */
	sigemptyset(&stop);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGTERM);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	signals = signalfd(-1, &stop, SFD_CLOEXEC);
	if (signals < 0)
		die(ST_FAILED, "cannot wait for signals: %s", strerror(errno));
	sigaction(SIGPIPE, &ignore, NULL);

	out_init(&mon.out, opts, true);
	status = start(&mon);
	if (!status)
		status = loop(&mon, signals);

	close(signals);
	watch_close(mon.route);
	watch_close(mon.genl);
	inventory_close(&mon.inv);
	return status;
}

const struct verb verb_monitor = {
	.noun	= "monitor",
	.args	= "[dpu | function | port | all]",
	.what	= "show what changes, as it changes",
	.help	=
"Shows what there is (\"state\"), then \"monitor sync\", then a line for each\n"
"thing that comes (\"add\"), changes or goes (\"del\"); with -j an object each.\n"
"If events were lost it says \"monitor lost\" and shows all there is again.\n"
"Ends at SIGINT or SIGTERM, or when nobody reads its output any more.\n",
	.run	= run,
};
