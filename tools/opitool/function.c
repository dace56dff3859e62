// SPDX-License-Identifier: GPL-2.0
/*
 * The requests that change a function (function.h).
 */
#include <errno.h>
#include <linux/devlink.h>
#include <linux/opi.h>
#include <linux/opi_pci.h>
#include <netlink/attr.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "function.h"

/* How many functions a message names. */
#define NAMED_MAX	8

static const struct hint hints_change[] = {
	{ -EBUSY, "a driver of the host uses it, or its VFs are enabled there: end that first" },
	{ -ENOSPC, "there are no more to give; \"opitool function show\" tells what others have, \"devlink resource show\" how many there can be" },
	{ -ERANGE, "\"devlink resource show\" tells how many VFs the card has; queues a VF has at most as many as at first" },
	{ 0, NULL }
};

static const struct hint hints_expose[] = {
	{ -EOPNOTSUPP, "physical functions are always there for the host" },
	{ 0, NULL }
};

static const struct hint hints_remove[] = {
	{ -EOPNOTSUPP, "only subfunctions are removed; VFs go when the host writes to its sriov_numvfs" },
	{ -EBUSY, "a driver of the host holds it: \"opitool function withdraw\" first" },
	{ 0, NULL }
};

int function_refused(struct inventory *inv, const struct handle *dev, int err,
		     const struct hint *hints, const char *fmt, ...)
{
	const struct dpu *dpu = inventory_find_dpu(inv, dev);
	va_list ap;
	char *what;
	int status;

	va_start(ap, fmt);
	if (vasprintf(&what, fmt, ap) < 0)
		die(ST_FAILED, "out of memory");
	va_end(ap);
	status = request_failed(inv->genl, what, err);
	free(what);

	if (dpu && HAS(dpu, ROLE) && dpu->role != OPI_ROLE_DPU) {
		say("this is the host; functions are the DPU's: do it there");
		return status;
	}
	if (err == -EPERM || err == -EACCES) {
		say("it needs CAP_NET_ADMIN: do it as root");
		return status;
	}
	if (err == -ENODEV) {
		say("the device or its card is gone; \"opitool dpu show\" tells");
		return status;
	}
	for (; hints->what; hints++)
		if (hints->err == err)
			say("%s", hints->what);
	return status;
}

/* ---- which ------------------------------------------------------------- */

static int several(struct inventory *inv, const struct select *sel)
{
	char buf[256] = "", *p = buf, *end = buf + sizeof(buf);
	struct function *fn;
	size_t n = 0;

	list_each(fn, &inv->functions) {
		if (!select_is_function(sel, fn) || ++n > NAMED_MAX)
			continue;
		p += snprintf(p, end - p, "%s%u", n > 1 ? ", " : "", fn->id);
	}
	say("%zu functions fit; add \"id\" with one of %s%s", n, buf,
	    n > NAMED_MAX ? ", ..." : "");
	return ST_FAILED;
}

int function_choose(struct inventory *inv, const struct select *sel,
		    struct function **fn)
{
	struct function *one;
	int n = 0;

	list_each(one, &inv->functions)
		if (select_is_function(sel, one) && !n++)
			*fn = one;
	if (!n)
		return not_found(inv, &sel->target, "function");
	return n == 1 ? ST_OK : several(inv, sel);
}

int function_find(struct inventory *inv, const struct select *sel,
		  struct function **fn)
{
	int status;

	status = inventory_open(inv);
	if (!status)
		status = inventory_get_dpus(inv);
	if (!status)
		status = inventory_get_functions(inv);
	return status ? status : function_choose(inv, sel, fn);
}

/* ---- changes ----------------------------------------------------------- */

static int send_change(struct inventory *inv, struct nl_msg *msg)
{
	return conn_request(inv->genl, msg, NULL, NULL);
}

/* A request about the devlink port of a function; NULL: said why not. */
static struct nl_msg *port_request(const struct inventory *inv, uint8_t cmd,
				   const struct function *fn, int *status)
{
	struct nl_msg *msg;

	if (inv->devlink < 0) {
		say_no_devlink();
		*status = ST_ABSENT;
		return NULL;
	}
	if (!FN_HAS(fn, PORT_INDEX)) {
		say("function %u of %s/%s has no port in devlink", fn->id,
		    fn->handle.bus, fn->handle.dev);
		*status = ST_FAILED;
		return NULL;
	}
	msg = devlink_request(inv, cmd, &fn->handle);
	must_put(nla_put_u32(msg, DEVLINK_ATTR_PORT_INDEX, fn->port));
	return msg;
}

static int change_opi(struct inventory *inv, const struct function *fn,
		      const struct select *sel)
{
	static const struct {
		enum key key;
		int attr;
	} attrs[] = {
		{ KEY_TRUST,	OPI_A_FUNCTION_TRUST },
		{ KEY_VLAN,	OPI_A_FUNCTION_VLAN },
		{ KEY_MAX_QPS,	OPI_A_FUNCTION_MAX_QPS },
		{ KEY_MAX_VFS,	OPI_A_FUNCTION_MAX_VFS },
	};
	struct nl_msg *msg;
	size_t i;
	int err;

	msg = function_request(inv, OPI_NL_CMD_FUNCTION_SET, fn);
	for (i = 0; i < ARRAY_SIZE(attrs); i++)
		if (sel->have & 1u << attrs[i].key)
			must_put(nla_put_u32(msg, attrs[i].attr,
					     sel->value[attrs[i].key]));
	err = send_change(inv, msg);
	return err ? function_refused(inv, &fn->handle, err, hints_change,
				      "cannot change function %u", fn->id) :
		     ST_OK;
}

/* A request to change what devlink has of a function; its end is the caller's. */
static struct nl_msg *port_fn_request(struct inventory *inv,
				      const struct function *fn,
				      struct nlattr **nest, int *status)
{
	struct nl_msg *msg = port_request(inv, DEVLINK_CMD_PORT_SET, fn, status);

	if (msg) {
		*nest = nla_nest_start(msg, DEVLINK_ATTR_PORT_FUNCTION);
		must_put(!*nest);
	}
	return msg;
}

static int change_devlink(struct inventory *inv, const struct function *fn,
			  const struct select *sel)
{
	struct nla_bitfield32 caps = {
		.value = sel->value[KEY_MIGRATABLE] ?
			 DEVLINK_PORT_FN_CAP_MIGRATABLE : 0,
		.selector = DEVLINK_PORT_FN_CAP_MIGRATABLE,
	};
	struct nlattr *nest;
	struct nl_msg *msg;
	int status, err;

	msg = port_fn_request(inv, fn, &nest, &status);
	if (!msg)
		return status;
	if (sel->have & KEY_BIT(HW_ADDR))
		must_put(nla_put(msg, DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR,
				 sizeof(sel->hw_addr), sel->hw_addr));
	if (sel->have & KEY_BIT(MIGRATABLE))
		must_put(nla_put(msg, DEVLINK_PORT_FN_ATTR_CAPS, sizeof(caps),
				 &caps));
	if (sel->have & KEY_BIT(MAX_IO_EQS))
		must_put(nla_put_u32(msg, DEVLINK_PORT_FN_ATTR_MAX_IO_EQS,
				     sel->value[KEY_MAX_IO_EQS]));
	nla_nest_end(msg, nest);
	err = send_change(inv, msg);
	return err ? function_refused(inv, &fn->handle, err, hints_change,
				      "cannot change port %u of function %u",
				      fn->port, fn->id) : ST_OK;
}

int function_change(struct inventory *inv, const struct function *fn,
		    const struct select *sel)
{
	int status = ST_OK;

	if (sel->have & KEYS_OPI)
		status = change_opi(inv, fn, sel);
	if (status || !(sel->have & KEYS_DEVLINK))
		return status;
	status = change_devlink(inv, fn, sel);
	/* Two families can not do it in one. */
	if (status && sel->have & KEYS_OPI)
		say("trust, vlan, max-qps and max-vfs, as far as given, have been set");
	return status;
}

static int set_state(struct inventory *inv, const struct function *fn,
		     bool expose)
{
	struct nlattr *nest;
	struct nl_msg *msg;
	int status, err;

	msg = port_fn_request(inv, fn, &nest, &status);
	if (!msg)
		return status;
	must_put(nla_put_u8(msg, DEVLINK_PORT_FN_ATTR_STATE,
			    expose ? DEVLINK_PORT_FN_STATE_ACTIVE :
				     DEVLINK_PORT_FN_STATE_INACTIVE));
	nla_nest_end(msg, nest);
	err = send_change(inv, msg);
	return err ? function_refused(inv, &fn->handle, err, hints_expose,
				      "cannot %s function %u",
				      expose ? "expose" : "withdraw", fn->id) :
		     ST_OK;
}

int function_expose(struct inventory *inv, const struct function *fn,
		    const struct select *sel)
{
	(void)sel;
	return set_state(inv, fn, true);
}

int function_withdraw(struct inventory *inv, const struct function *fn,
		      const struct select *sel)
{
	(void)sel;
	return set_state(inv, fn, false);
}

int function_remove(struct inventory *inv, const struct function *fn,
		    const struct select *sel)
{
	struct nl_msg *msg;
	int status, err;

	(void)sel;
	msg = port_request(inv, DEVLINK_CMD_PORT_DEL, fn, &status);
	if (!msg)
		return status;
	err = send_change(inv, msg);
	return err ? function_refused(inv, &fn->handle, err, hints_remove,
				      "cannot remove function %u", fn->id) :
		     ST_OK;
}

/* ---- verbs ------------------------------------------------------------- */

int function_close(struct inventory *inv, const struct opts *opts, bool show,
		   const struct handle *dev, uint32_t id, int status)
{
	const struct function *fn = NULL;
	struct out out;

	if (!status && (show || opts->json)) {
		status = inventory_get_functions(inv);
		if (!status && inv->devlink >= 0)
			status = inventory_get_ports(inv);
		if (!status)
			fn = inventory_find_function(inv, dev, id);
	}
	if (show || opts->json) {
		out_init(&out, opts, false);
		out_array(&out);
		if (fn) {
			out_object(&out, NULL);
			show_function(&out, fn, inventory_port_of(inv, fn));
			out_end(&out);
		}
		out_end(&out);
	}
	inventory_close(inv);
	return status;
}

int function_run(const struct verb *verb, uint32_t settings, function_act *act,
		 const struct opts *opts, int argc, char **argv)
{
	struct handle dev = { 0 };
	struct inventory inv;
	struct function *fn = NULL;
	struct select sel;
	uint32_t id = 0;
	int status;

	status = select_parse(&sel, verb, KEYS_CHOOSE | settings, argc, argv);
	if (status)
		return status;
	if (!select_any(&sel))
		return bad_usage(verb, "which function?");
	if (settings && !(sel.have & settings))
		return bad_usage(verb, "what shall be changed of it?");

	status = function_find(&inv, &sel, &fn);
	if (!status) {
		dev = fn->handle;
		id = fn->id;
		status = act(&inv, fn, &sel);
	}
	return function_close(&inv, opts, false, &dev, id, status);
}
