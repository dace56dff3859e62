// SPDX-License-Identifier: GPL-2.0
/*
 * opitool function add
 *
 * devlink makes the port of a subfunction, and the driver the function with it.
 * What is wanted of it is set before the host sees it; if that fails the function
 * is removed again.
 */
#include <errno.h>
#include <linux/devlink.h>
#include <linux/opi.h>
#include <linux/opi_pci.h>
#include <netlink/attr.h>
#include <string.h>

#include "function.h"

/* On whose bus a function is made unless it is said. */
#define CONTROLLER_HOST	1

static const struct hint hints_add[] = {
	{ -EEXIST, "that number is taken; \"opitool function show\" lists the functions" },
	{ -EOPNOTSUPP, "the card, or the driver that is loaded, has no subfunctions" },
	{ -ENOSPC, "there is no room for another; \"opitool function del\" removes one, \"devlink resource show\" tells how many there can be" },
	{ 0, NULL }
};

static int take_port(struct nlmsghdr *nlh, void *arg)
{
	return parse_port(nlh, arg);
}

static int make_port(struct inventory *inv, const struct handle *dev,
		     const struct select *sel, struct port *port)
{
	struct nl_msg *msg;
	int err;

	if (inv->devlink < 0) {
		say_no_devlink();
		return ST_ABSENT;
	}
	msg = devlink_request(inv, DEVLINK_CMD_PORT_NEW, dev);
	must_put(nla_put_u16(msg, DEVLINK_ATTR_PORT_FLAVOUR,
			     DEVLINK_PORT_FLAVOUR_PCI_SF));
	must_put(nla_put_u16(msg, DEVLINK_ATTR_PORT_PCI_PF_NUMBER,
			     sel->value[KEY_PF]));
	must_put(nla_put_u32(msg, DEVLINK_ATTR_PORT_PCI_SF_NUMBER,
			     sel->value[KEY_SF]));
	must_put(nla_put_u32(msg, DEVLINK_ATTR_PORT_CONTROLLER_NUMBER,
			     sel->have & KEY_BIT(CONTROLLER) ?
			     sel->value[KEY_CONTROLLER] : CONTROLLER_HOST));
	/* An answer without a port would leave one that nobody knows. */
	memset(port, 0, sizeof(*port));
	err = conn_request(inv->genl, msg, take_port, port);
	if (!err && !handle_eq(&port->handle, dev))
		err = -EBADMSG;
	return err ? function_refused(inv, dev, err, hints_add,
				      "cannot add subfunction %u",
				      sel->value[KEY_SF]) : ST_OK;
}

/* Find the function of a new port in @fn; that of the port alone if there is none. */
static int find_made(struct inventory *inv, const struct port *port,
		     struct function *fn)
{
	const struct function *found;
	int status;

	memset(fn, 0, sizeof(*fn));
	fn->handle = port->handle;
	fn->port = port->index;
	fn->have = 1u << OPI_A_FUNCTION_PORT_INDEX;

	status = inventory_get_functions(inv);
	if (status)
		return status;
	found = inventory_function_of(inv, port);
	if (!found) {
		say("devlink has added port %u, but the driver tells of no function there",
		    port->index);
		return ST_FAILED;
	}
	*fn = *found;
	return ST_OK;
}

static int run(const struct opts *opts, int argc, char **argv)
{
	struct function fn = { 0 };
	struct inventory inv;
	struct select sel;
	struct dpu *maker = NULL;
	struct port port;
	int status;

	status = select_parse(&sel, &verb_function_add,
			      KEY_BIT(CONTROLLER) | KEY_BIT(PF) | KEY_BIT(SF) |
			      (KEYS_OPI & ~KEY_BIT(MAX_VFS)) | KEYS_DEVLINK,
			      argc, argv);
	if (status)
		return status;
	if (sel.target.has_index)
		return bad_usage(&verb_function_add,
				 "the port gets its number from the card");
	if (!(sel.have & KEY_BIT(SF)))
		return bad_usage(&verb_function_add,
				 "which number shall the subfunction have? (sf N)");

	status = inventory_open(&inv);
	if (!status)
		status = inventory_get_dpus(&inv);
	if (!status)
		status = dpu_choose(&inv, &sel.target, &maker);
	if (!status)
		status = make_port(&inv, &maker->handle, &sel, &port);
	if (!status) {
		status = find_made(&inv, &port, &fn);
		if (!status)
			status = function_change(&inv, &fn, &sel);
		if (status && !function_remove(&inv, &fn, &sel))
			say("the subfunction has been removed again");
	}
	return function_close(&inv, opts, !status, &fn.handle, fn.id, status);
}

const struct verb verb_function_add = {
	.noun	= "function",
	.verb	= "add",
	.args	= "[DEV] sf N [SETTING ...]",
	.what	= "make a subfunction",
	.help	=
"On the DPU: makes subfunction N and shows it.  The host does not see it until\n"
"it is exposed.  DEV, or a SERIAL number, is needed only if there are several\n"
"cards.  \"pf N\" makes it one of another physical function than 0,\n"
"\"controller N\" one of another computer than the host.  SETTING is as for\n"
"\"function set\", but for max-vfs; if one is refused nothing is made.  It is the\n"
"same as \"devlink port add\" and what follows it.\n",
	.run	= run,
};
