// SPDX-License-Identifier: GPL-2.0
/*
 * The function table as this side is told of it (interface, "Functions"): on the
 * DPU all functions that the card has for the host, on the host the function
 * itself and, of a PF, the subfunctions that it was given.
 *
 * The card has the table; here is a copy, kept up to date by its events, and
 * read anew when the device starts or events were lost.  Ports of functions are
 * in port.c, the host's subfunctions in sf.c.
 */
#include <linux/device.h>
#include <linux/etherdevice.h>

#include "opi_core.h"

/**
 * opi_list_ids - call a function for each id in a list of the card
 * @od:		the device
 * @list:	command that brings a part of the list
 * @found:	called for each id
 * @max:	most ids that there can be
 *
 * Context: may sleep.
 * Return: 0, the first error of @list or @found, or -EPROTO if the list is not
 * one of rising ids or has too many.
 */
int opi_list_ids(struct opi_dev *od,
		 int (*list)(struct opi_dev *od, u32 start, __le32 *ids,
			     unsigned int max),
		 int (*found)(struct opi_dev *od, u32 id), unsigned int max)
{
	unsigned int room = OPI_CMD_BUF_MAX / sizeof(__le32), i, total = 0;
	u32 start = 0, id = 0;
	__le32 *ids;
	int n, err = 0;

	ids = kmalloc_array(room, sizeof(*ids), GFP_KERNEL);
	if (!ids)
		return -ENOMEM;

	do {
		n = list(od, start, ids, room);
		if (n < 0)
			err = n;
		for (i = 0; !err && n > 0 && i < n; i++) {
			/* Rising, or a hostile card keeps us here. */
			id = le32_to_cpu(ids[i]);
			if (id < start || id == OPI_ID_NONE || ++total > max)
				err = -EPROTO;
			else
				err = found(od, id);
			start = id + 1;
		}
	} while (!err && n == room);

	kfree(ids);
	return err;
}

/* Ask for a function, and do not believe what makes no sense. */
static int opi_func_get(struct opi_dev *od, u32 id, struct opi_func_info *info)
{
	struct opi_port *port;
	int err;

	err = opi_cmd_func_get(od, id, info);
	if (err)
		return err;
	if (le32_to_cpu(info->func_id) != id ||
	    info->state > OPI_FUNC_ATTACHED)
		return -EPROTO;
	/* Of a virtual function that was moved devlink has the port's first id. */
	port = xa_load(&od->ports, le32_to_cpu(info->port));
	if (port && od->pdev->device == OPI_PCI_DEVICE_ID_VF)
		info->port = cpu_to_le32(port->dl.index);
	return 0;
}

/* Is it still the same function, which another card may have under this id? */
static bool opi_func_same(const struct opi_func *func,
			  const struct opi_func_info *info)
{
	return func->info.port == info->port &&
	       func->info.type == info->type &&
	       func->info.controller == info->controller &&
	       func->info.pf == info->pf && func->info.vf == info->vf &&
	       func->info.sf == info->sf;
}

static int opi_func_add(struct opi_dev *od, u32 id,
			const struct opi_func_info *info)
{
	struct opi_func *func;
	int err;

	if (od->n_funcs == OPI_MAX_PORTS)
		return -ENOSPC;

	func = kzalloc(sizeof(*func), GFP_KERNEL);
	if (!func)
		return -ENOMEM;
	func->id = id;
	func->epoch = ++od->func_epoch;
	func->info = *info;
	func->seen = true;
	opi_mig_read(od, info, &func->mig);
	err = xa_insert(&od->funcs, id, func, GFP_KERNEL);
	if (err) {
		kfree(func);
		return err;
	}
	od->n_funcs++;
	opi_nl_func_add(&od->nl, &func->nl, info, &func->mig);
	return 0;
}

static void opi_func_del(struct opi_dev *od, struct opi_func *func)
{
	opi_nl_func_del(&func->nl);
	xa_erase(&od->funcs, func->id);
	od->n_funcs--;
	kfree(func);
}

/**
 * opi_func_reread - note a function of the card, and tell what is new about it
 * @od:		the device
 * @id:		of the function
 *
 * Context: devl_lock held, may sleep.
 * Return: 0 or a negative errno.
 */
int opi_func_reread(struct opi_dev *od, u32 id)
{
	struct opi_func *func = xa_load(&od->funcs, id);
	struct opi_func_info info;
	int err;

	err = opi_func_get(od, id, &info);
	/* Gone since it was listed. */
	if (err == -ENOENT)
		return 0;
	if (err)
		return err;

	if (func && !opi_func_same(func, &info)) {
		opi_func_gone(od, id);
		func = NULL;
	}
	if (!func)
		return opi_func_add(od, id, &info);
	func->seen = true;
	func->info = info;
	opi_mig_read(od, &info, &func->mig);
	opi_nl_func_tell(&func->nl, &info, &func->mig, 0);
	return 0;
}

/* A function is in the card's list. */
static int opi_func_listed(struct opi_dev *od, u32 id)
{
	struct opi_func *func = xa_load(&od->funcs, id);
	bool attached = func && func->info.state == OPI_FUNC_ATTACHED;
	int err;

	err = opi_func_reread(od, id);
	if (err || opi_is_dpu(od) || od->state != OPI_DEV_STATE_READY)
		return err;
	/*
	 * A subfunction that we use, and the card says that we do not: it was
	 * taken away and given back when we did not hear of it.
	 */
	func = xa_load(&od->funcs, id);
	if (func && attached && func->info.state == OPI_FUNC_EXPOSED)
		func->epoch = ++od->func_epoch;
	return 0;
}

/* Know the functions that the card has. */
static int opi_funcs_sync(struct opi_dev *od)
{
	struct opi_func *func;
	unsigned long id;
	int err;

	xa_for_each(&od->funcs, id, func)
		func->seen = false;

	if (od->pdev->device == OPI_PCI_DEVICE_ID_VF)
		err = opi_func_reread(od, le32_to_cpu(od->ident.func_id));
	else
		err = opi_list_ids(od, opi_cmd_func_list, opi_func_listed,
				   OPI_MAX_PORTS);
	/* An isolated host is told of none. */
	if (err && err != -EPERM)
		return err;

	xa_for_each(&od->funcs, id, func)
		if (!func->seen)
			opi_func_gone(od, id);
	opi_sfs_update(od);
	return 0;
}

/**
 * opi_table_sync - know the functions and ports that the card has
 * @od:		the device; its admin queue runs, and @ident is new
 *
 * A function that has another's id takes the port of that with it, so functions
 * come first.
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 * Return: 0 or a negative errno; functions and ports may be missing then.
 */
int opi_table_sync(struct opi_dev *od)
{
	return opi_funcs_sync(od) ?: opi_ports_sync(od);
}

/**
 * opi_funcs_remove - forget all functions
 * @od:		the device, whose ports are gone
 *
 * Context: devl_lock held.
 */
void opi_funcs_remove(struct opi_dev *od)
{
	struct opi_func *func;
	unsigned long id;

	xa_for_each(&od->funcs, id, func)
		opi_func_del(od, func);
}

/**
 * opi_func_withheld - the DPU does not let us have our function any more
 * @od:		the device of a virtual function, stopped
 *
 * A function without service gets no event that says so.  When it is in service
 * again the table is read anew, and what has changed is told.
 *
 * Context: devl_lock held.
 */
void opi_func_withheld(struct opi_dev *od)
{
	struct opi_func *func;
	unsigned long id;

	xa_for_each(&od->funcs, id, func) {
		func->info.state = OPI_FUNC_HIDDEN;
		opi_nl_func_tell(&func->nl, &func->info, &func->mig, 0);
	}
}

/* There is a function that we have not heard of before: its port, on the DPU. */
static int opi_func_new(struct opi_dev *od, u32 id)
{
	struct opi_func *func;
	int err;

	err = opi_func_reread(od, id);
	if (err)
		return err;
	func = xa_load(&od->funcs, id);
	if (!func || !opi_is_dpu(od))
		return 0;
	return opi_port_found(od, le32_to_cpu(func->info.port));
}

/**
 * opi_func_made - we have made a function: have its port
 * @od:		the device, DPU side
 * @id:		of the function
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 * Return: the port or a negative errno; opi_func_gone() undoes what was done.
 */
struct opi_port *opi_func_made(struct opi_dev *od, u32 id)
{
	struct opi_func *func;
	struct opi_port *port;
	int err;

	err = opi_func_new(od, id);
	if (err)
		return ERR_PTR(err);
	func = xa_load(&od->funcs, id);
	port = func ? xa_load(&od->ports, le32_to_cpu(func->info.port)) : NULL;
	return port && port->func_id == id ? port : ERR_PTR(-EPROTO);
}

static void opi_func_appeared(struct opi_dev *od, u32 id)
{
	int err = opi_func_new(od, id);

	/* An isolated host is told of none. */
	if (err && err != -EPERM && !opi_no_service(err))
		dev_warn(&od->pdev->dev, "function %u is not used: %pe\n", id,
			 ERR_PTR(err));
}

/**
 * opi_func_gone - a function is not there any more
 * @od:		the device
 * @id:		its id
 *
 * On the DPU its port goes, too.
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 */
void opi_func_gone(struct opi_dev *od, u32 id)
{
	struct opi_func *func = xa_load(&od->funcs, id);

	if (!func)
		return;
	if (opi_is_dpu(od))
		opi_port_gone(od, le32_to_cpu(func->info.port), id);
	opi_func_del(od, func);
}

static const u32 opi_func_changes[] = {
	[OPI_CHANGE_SET]	= OPI_FUNCTION_CHANGE_SET,
	[OPI_CHANGE_EXPOSED]	= OPI_FUNCTION_CHANGE_EXPOSED,
	[OPI_CHANGE_WITHDRAWN]	= OPI_FUNCTION_CHANGE_WITHDRAWN,
	[OPI_CHANGE_ATTACHED]	= OPI_FUNCTION_CHANGE_ATTACHED,
	[OPI_CHANGE_DETACHED]	= OPI_FUNCTION_CHANGE_DETACHED,
	[OPI_CHANGE_NUM_VFS]	= OPI_FUNCTION_CHANGE_NUM_VFS,
};

/* Something of a function that we know has changed. */
static void opi_func_changed(struct opi_dev *od, struct opi_func *func,
			     const struct opi_event *ev)
{
	struct opi_func_info info;
	u32 more = 0;
	int err;

	err = opi_func_get(od, func->id, &info);
	if (err == -ENOENT && !opi_is_dpu(od)) {
		/* Taken away from us. */
		opi_func_gone(od, func->id);
		return;
	}
	if (!err && !opi_func_same(func, &info)) {
		opi_func_gone(od, func->id);
		return;
	}
	/* Else its end is told, or the device's. */
	if (err)
		info = func->info;

	/*
	 * The answer may be newer than the event.  The state is told step by
	 * step, and the last step is the answer's.
	 */
	func->info = info;
	opi_mig_read(od, &info, &func->mig);
	if (ev->value < ARRAY_SIZE(opi_func_changes))
		more = opi_func_changes[ev->value];
	if (ev->sub <= OPI_FUNC_ATTACHED)
		info.state = ev->sub;
	opi_nl_func_tell(&func->nl, &info, &func->mig, more);
	if (!opi_is_dpu(od) && more & OPI_FUNCTION_CHANGE_SET)
		opi_ports_readdress(od, le32_to_cpu(info.port));
}

/**
 * opi_func_event - a FUNC event
 * @od:		the device
 * @ev:		the event
 *
 * What we did ourselves is known already: an event of it is only told.
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 */
void opi_func_event(struct opi_dev *od, const struct opi_event *ev)
{
	struct opi_func *func = xa_load(&od->funcs, ev->func_id);

	/* What was taken from the host is another if it is given back. */
	if (ev->value == OPI_CHANGE_DESTROYED ||
	    (ev->value == OPI_CHANGE_WITHDRAWN && !opi_is_dpu(od)))
		opi_func_gone(od, ev->func_id);
	else if (!func)
		opi_func_appeared(od, ev->func_id);
	else if (ev->value != OPI_CHANGE_CREATED)
		opi_func_changed(od, func, ev);
	opi_sfs_update(od);
}

/**
 * opi_func_refresh - read anew what was set of a function
 * @od:		the device
 * @func:	the function
 *
 * Listeners are told when the event of it comes.
 *
 * Context: devl_lock held, may sleep.
 */
void opi_func_refresh(struct opi_dev *od, struct opi_func *func)
{
	struct opi_func_info info;

	if (opi_func_get(od, func->id, &info) || !opi_func_same(func, &info))
		return;
	func->info = info;
	opi_mig_read(od, &info, &func->mig);
	opi_nl_func_show(&func->nl, &info, &func->mig);
}

/* Why the card refuses, in words. */
static void opi_func_refused(int err, const struct opi_func_attrs *attrs,
			     struct netlink_ext_ack *extack)
{
	if (opi_no_service(err))
		NL_SET_ERR_MSG(extack, "the card does not answer");
	else if (err == -EINVAL && attrs->mask & OPI_FUNC_SET_MAX_VFS)
		NL_SET_ERR_MSG(extack, "max-vfs is of physical functions");
	else if (err == -EINVAL && attrs->mask & OPI_FUNC_SET_MAX_QPS)
		NL_SET_ERR_MSG(extack, "max-qps is of virtual functions");
	else if (err == -EBUSY && attrs->mask & OPI_FUNC_SET_MAX_VFS)
		NL_SET_ERR_MSG(extack,
			       "the host has more virtual functions enabled");
	else if (err == -EBUSY)
		NL_SET_ERR_MSG(extack,
			       "a driver of the host uses the function");
	else if (err == -ERANGE || err == -ENOSPC)
		NL_SET_ERR_MSG(extack, "the card has not so many");
	else
		NL_SET_ERR_MSG(extack, "the card refuses it");
}

static int opi_func_do_change(struct opi_dev *od, u32 id,
			      const struct opi_func_attrs *attrs,
			      struct netlink_ext_ack *extack)
{
	struct opi_cmd cmd = {
		.u.func.mask	= cpu_to_le32(attrs->mask),
		.u.func.vlan	= cpu_to_le16(attrs->vlan),
		.u.func.max_qps	= cpu_to_le16(attrs->max_qps),
		.u.func.max_vfs	= cpu_to_le16(attrs->max_vfs),
	};
	struct opi_func *func;
	int err;

	if (!opi_is_dpu(od)) {
		NL_SET_ERR_MSG(extack, "only the DPU changes functions");
		return -EPERM;
	}

	if (attrs->mask & OPI_FUNC_SET_MAX_VFS) {
		err = opi_resource_check(od, OPI_RESOURCE_VFS, attrs->max_vfs,
					 extack);
		if (err)
			return err;
	}

	if (attrs->trust)
		cmd.u.func.flags |= cpu_to_le16(OPI_FUNC_F_TRUST);
	err = opi_cmd_func_set(od, id, &cmd);
	if (err) {
		opi_func_refused(err, attrs, extack);
		return err;
	}

	/* Virtual functions have come or gone; their events find them known. */
	if (attrs->mask & OPI_FUNC_SET_MAX_VFS)
		err = opi_table_sync(od);
	func = xa_load(&od->funcs, id);
	if (func)
		opi_func_refresh(od, func);
	if (opi_no_service(err))
		return 0;
	if (err)
		NL_SET_ERR_MSG(extack, "not all functions can be used");
	return err;
}

/**
 * opi_func_change - change a function
 * @dev:	of the DPU; may not be ours any more
 * @id:		of the function
 * @attrs:	what to change, within the bounds of the netlink policy
 * @extack:	gets the reason of a refusal
 *
 * Context: may sleep.
 * Return: 0 or a negative errno.
 */
int opi_func_change(struct device *dev, u32 id,
		    const struct opi_func_attrs *attrs,
		    struct netlink_ext_ack *extack)
{
	struct opi_dev *od;
	int err;

	od = opi_dev_lock(dev, extack);
	if (!od)
		return -ENODEV;
	err = opi_func_do_change(od, id, attrs, extack);
	opi_dev_unlock(od);
	return err;
}
