// SPDX-License-Identifier: GPL-2.0
/*
 * Ask the kernel what there is (inventory.h), and find things in the answer.
 *
 * DPUs of this project's interface come from family "opi".  A device of another
 * driver counts as a DPU if devlink says that it has an eswitch, or ports that
 * stand for functions of a host.
 */
#include <errno.h>
#include <linux/devlink.h>
#include <linux/genetlink.h>
#include <linux/opi.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>

#include "inventory.h"
#include "sysfs.h"

/* A dump that others keep changing is tried so often, then taken as it is. */
#define DUMP_TRIES	10

/* ---- requests ---------------------------------------------------------- */

static struct nl_msg *genl_request(int family, uint8_t cmd, uint8_t version,
				   int flags)
{
	struct nl_msg *msg = nlmsg_alloc();

	if (!msg || !genlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, family, 0,
				 flags, cmd, version))
		die(ST_FAILED, "out of memory");
	return msg;
}

/* What is put into a request always has room, unless there is no memory. */
void must_put(int err)
{
	if (err)
		die(ST_FAILED, "out of memory");
}

struct nl_msg *devlink_request(const struct inventory *inv, uint8_t cmd,
			       const struct handle *handle)
{
	struct nl_msg *msg;

	msg = genl_request(inv->devlink, cmd, DEVLINK_GENL_VERSION,
			   handle ? 0 : NLM_F_DUMP);
	if (handle) {
		must_put(nla_put_string(msg, DEVLINK_ATTR_BUS_NAME,
					handle->bus));
		must_put(nla_put_string(msg, DEVLINK_ATTR_DEV_NAME,
					handle->dev));
	}
	return msg;
}

struct nl_msg *function_request(const struct inventory *inv, uint8_t cmd,
				const struct function *fn)
{
	struct nl_msg *msg;

	msg = genl_request(inv->opi, cmd, OPI_FAMILY_VERSION, 0);
	must_put(nla_put_string(msg, OPI_A_FUNCTION_BUS_NAME, fn->handle.bus));
	must_put(nla_put_string(msg, OPI_A_FUNCTION_DEV_NAME, fn->handle.dev));
	must_put(nla_put_u32(msg, OPI_A_FUNCTION_FUNC_ID, fn->id));
	return msg;
}

struct nl_msg *dpu_request(const struct inventory *inv, uint8_t cmd,
			   const struct dpu *dpu)
{
	struct nl_msg *msg;

	msg = genl_request(inv->opi, cmd, OPI_FAMILY_VERSION, 0);
	must_put(nla_put_string(msg, OPI_A_DPU_BUS_NAME, dpu->handle.bus));
	must_put(nla_put_string(msg, OPI_A_DPU_DEV_NAME, dpu->handle.dev));
	return msg;
}

int request_failed(const struct conn *conn, const char *what, int err)
{
	const char *why = conn ? conn_why(conn) : "";

	if (err == -EBADMSG)
		say("%s: the kernel's answer makes no sense", what);
	else
		say("%s: %s%s%s", what, strerror(-err), *why ? ": " : "", why);
	return ST_FAILED;
}

int inventory_open(struct inventory *inv)
{
	int err;

	memset(inv, 0, sizeof(*inv));
	err = conn_open(&inv->genl, NETLINK_GENERIC);
	if (err == -EPROTONOSUPPORT) {
		say("this kernel has no generic netlink, so it can have no driver for DPUs");
		return ST_ABSENT;
	}
	if (err)
		return request_failed(NULL, "cannot open a netlink socket",
				      err);
	inventory_families(inv);
	return ST_OK;
}

void inventory_close(struct inventory *inv)
{
	list_free(&inv->dpus);
	list_free(&inv->functions);
	list_free(&inv->ports);
	list_free(&inv->links);
	conn_close(inv->route);
	conn_close(inv->genl);
}

void inventory_families(struct inventory *inv)
{
	inv->opi = conn_family(inv->genl, OPI_FAMILY_NAME);
	inv->devlink = conn_family(inv->genl, DEVLINK_GENL_NAME);
}

/* ---- DPUs -------------------------------------------------------------- */

static int take_dpu(struct nlmsghdr *nlh, void *arg)
{
	struct list *dpus = arg;
	struct dpu dpu;

	if (parse_dpu(nlh, &dpu))
		return -EBADMSG;
	list_add(dpus, &dpu, sizeof(dpu));
	return 0;
}

static int get_opi(struct inventory *inv, uint8_t cmd, const char *what,
		   msg_fn take, struct list *list)
{
	int err, tries = DUMP_TRIES;

	list->n = 0;
	if (inv->opi < 0)
		return ST_OK;
	do {
		list->n = 0;
		err = conn_request(inv->genl,
				   genl_request(inv->opi, cmd,
						OPI_FAMILY_VERSION, NLM_F_DUMP),
				   take, list);
	} while (err == -EAGAIN && --tries);

	/*
	 * The module is unloaded in this moment: its family is gone, or going.
	 * A driver can also be older than a command.
	 */
	if (err == -ENOENT || err == -EOPNOTSUPP || err == -EPROTONOSUPPORT) {
		if (err != -EOPNOTSUPP || cmd == OPI_NL_CMD_DPU_GET)
			inv->opi = -ENOENT;
		list->n = 0;
		return ST_OK;
	}
	return err && err != -EAGAIN ? request_failed(inv->genl, what, err) :
				       ST_OK;
}

static int take_devdev(struct nlmsghdr *nlh, void *arg)
{
	return parse_devdev(nlh, arg);
}

static int take_handle(struct nlmsghdr *nlh, void *arg)
{
	struct list *devs = arg;
	struct devdev dev;

	if (parse_devdev(nlh, &dev))
		return -EBADMSG;
	list_add(devs, &dev, sizeof(dev));
	return 0;
}

static bool is_host_function(const struct port *port)
{
	return port->have & PORT_FLAVOUR &&
	       (port->flavour == DEVLINK_PORT_FLAVOUR_PCI_PF ||
		port->flavour == DEVLINK_PORT_FLAVOUR_PCI_VF ||
		port->flavour == DEVLINK_PORT_FLAVOUR_PCI_SF);
}

/* A device of another driver: add it if it is like a DPU. */
static void add_other(struct inventory *inv, const struct handle *handle)
{
	struct dpu dpu = { .via_devlink = true, .eswitch = -1 };
	struct devdev dev;
	struct port *port;
	bool like = false;

	/*
	 * The kernel tells the mode of an eswitch to administrators only; a
	 * refusal, as for a device without eswitch, leaves it unknown.
	 */
	if (!conn_request(inv->genl,
			  devlink_request(inv, DEVLINK_CMD_ESWITCH_GET, handle),
			  take_devdev, &dev))
		dpu.eswitch = dev.eswitch;
	like = dpu.eswitch >= 0;
	list_each(port, &inv->ports)
		if (handle_eq(&port->handle, handle) && is_host_function(port))
			like = true;
	if (!like)
		return;

	dpu.handle = *handle;
	if (!conn_request(inv->genl,
			  devlink_request(inv, DEVLINK_CMD_INFO_GET, handle),
			  take_devdev, &dev)) {
		strcpy(dpu.driver, dev.driver);
		strcpy(dpu.serial_name, dev.serial);
	}
	/* Some drivers tell devlink nothing of themselves. */
	if (!*dpu.driver)
		sysfs_driver(handle, dpu.driver, sizeof(dpu.driver));
	list_add(&inv->dpus, &dpu, sizeof(dpu));
}

int inventory_get_dpus(struct inventory *inv)
{
	struct list devs = { 0 };
	struct devdev *dev;
	int status, err;

	status = get_opi(inv, OPI_NL_CMD_DPU_GET, "cannot get the DPUs",
			 take_dpu, &inv->dpus);
	if (status || inv->devlink < 0)
		return status;

	status = inventory_get_ports(inv);
	if (status)
		return status;
	err = conn_request(inv->genl,
			   devlink_request(inv, DEVLINK_CMD_GET, NULL),
			   take_handle, &devs);
	if (err && err != -EAGAIN)
		status = request_failed(inv->genl,
					"cannot get the devices of devlink",
					err);
	else
		list_each(dev, &devs)
			if (!inventory_find_dpu(inv, &dev->handle))
				add_other(inv, &dev->handle);
	list_free(&devs);
	return status;
}

struct dpu *inventory_find_dpu(struct inventory *inv,
			       const struct handle *handle)
{
	struct dpu *dpu;

	list_each(dpu, &inv->dpus)
		if (handle_eq(&dpu->handle, handle))
			return dpu;
	return NULL;
}

/* ---- functions --------------------------------------------------------- */

static int take_function(struct nlmsghdr *nlh, void *arg)
{
	struct list *functions = arg;
	struct function fn;

	if (parse_function(nlh, &fn))
		return -EBADMSG;
	list_add(functions, &fn, sizeof(fn));
	return 0;
}

int inventory_get_functions(struct inventory *inv)
{
	return get_opi(inv, OPI_NL_CMD_FUNCTION_GET, "cannot get the functions",
		       take_function, &inv->functions);
}

struct function *inventory_find_function(struct inventory *inv,
					 const struct handle *handle,
					 uint32_t id)
{
	struct function *fn;

	list_each(fn, &inv->functions)
		if (fn->id == id && handle_eq(&fn->handle, handle))
			return fn;
	return NULL;
}

const struct function *inventory_function_of(const struct inventory *inv,
					     const struct port *port)
{
	const struct function *fn;

	list_each(fn, &inv->functions)
		if (FN_HAS(fn, PORT_INDEX) && fn->port == port->index &&
		    handle_eq(&fn->handle, &port->owner))
			return fn;
	return NULL;
}

const struct port *inventory_port_of(const struct inventory *inv,
				     const struct function *fn)
{
	const struct port *port;

	if (!FN_HAS(fn, PORT_INDEX))
		return NULL;
	list_each(port, &inv->ports)
		if (port->index == fn->port &&
		    handle_eq(&port->owner, &fn->handle))
			return port;
	return NULL;
}

/* ---- ports ------------------------------------------------------------- */

/*
 * On the host a subfunction is an auxiliary device with a devlink instance of its
 * own; the family tells of it at its physical function.  (devlink knows which
 * is nested where, too, but does not say it of all.)
 */
void inventory_own_port(struct port *port)
{
	if (strcmp(port->handle.bus, "auxiliary") ||
	    !sysfs_pci_parent(&port->handle, &port->owner))
		port->owner = port->handle;
}

static int take_port(struct nlmsghdr *nlh, void *arg)
{
	struct list *ports = arg;
	struct port port;

	if (parse_port(nlh, &port))
		return -EBADMSG;
	inventory_own_port(&port);
	list_add(ports, &port, sizeof(port));
	return 0;
}

int inventory_get_ports(struct inventory *inv)
{
	int err, tries = DUMP_TRIES;

	do {
		inv->ports.n = 0;
		err = conn_request(inv->genl,
				   devlink_request(inv, DEVLINK_CMD_PORT_GET,
						   NULL),
				   take_port, &inv->ports);
	} while (err == -EAGAIN && --tries);
	return err && err != -EAGAIN ?
		request_failed(inv->genl, "cannot get the ports", err) : ST_OK;
}

/* ---- links ------------------------------------------------------------- */

static int take_link(struct nlmsghdr *nlh, void *arg)
{
	struct list *links = arg;
	struct link link;

	/* Other people's netdevs: one that is odd must not hide the others. */
	if (!parse_link(nlh, &link))
		list_add(links, &link, sizeof(link));
	return 0;
}

static int by_ifindex(const void *a, const void *b)
{
	const struct link *x = a, *y = b;

	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

/* They are kept in order, to be found among thousands. */
static void sort_links(struct inventory *inv)
{
	if (inv->links.n)
		qsort(inv->links.data, inv->links.n, sizeof(struct link),
		      by_ifindex);
}

int inventory_get_links(struct inventory *inv)
{
	struct ifinfomsg ifi = { .ifi_family = AF_UNSPEC };
	int err, tries = DUMP_TRIES;
	struct nl_msg *msg;

	if (!inv->route) {
		err = conn_open(&inv->route, NETLINK_ROUTE);
		if (err)
			return request_failed(NULL,
					      "cannot ask for network interfaces",
					      err);
	}
	do {
		inv->links.n = 0;
		msg = nlmsg_alloc_simple(RTM_GETLINK, NLM_F_DUMP);
		if (!msg || nlmsg_append(msg, &ifi, sizeof(ifi), NLMSG_ALIGNTO))
			die(ST_FAILED, "out of memory");
		err = conn_request(inv->route, msg, take_link, &inv->links);
	} while (err == -EAGAIN && --tries);
	if (err && err != -EAGAIN)
		return request_failed(inv->route,
				      "cannot get the network interfaces", err);
	sort_links(inv);
	return ST_OK;
}

void inventory_add_link(struct inventory *inv, const struct link *link)
{
	list_add(&inv->links, link, sizeof(*link));
	sort_links(inv);
}

const struct link *inventory_find_link(const struct inventory *inv,
				       uint32_t ifindex)
{
	struct link key = { .ifindex = ifindex };

	if (!ifindex || !inv->links.n)
		return NULL;
	return bsearch(&key, inv->links.data, inv->links.n, sizeof(key),
		       by_ifindex);
}

/* ---- what is not there -------------------------------------------------- */

void say_no_opi(void)
{
	say("the opi_core module is not loaded: modprobe opi_core");
}

void say_no_devlink(void)
{
	say("this kernel has no devlink (CONFIG_NET_DEVLINK), or nothing that uses it is loaded: modprobe opi_core");
}
