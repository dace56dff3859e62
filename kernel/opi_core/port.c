// SPDX-License-Identifier: GPL-2.0
/*
 * Ports: which ones there are, their devlink side, and their state as the card
 * tells it.  On the DPU these are the uplink and a port for each host function,
 * on the host the function's own one and those of its subfunctions (sfdev.c).  The
 * netdevs are made in netdev.c (host) and rep.c (DPU); what devlink says of the
 * functions behind ports is in port_fn.c.
 */
#include <linux/etherdevice.h>
#include <linux/rtnetlink.h>
#include <linux/unaligned.h>

#include "opi_core.h"

static const struct devlink_port_ops opi_port_ops = {
};

/*
 * What devlink shows of a port, and through devlink phys_port_name and
 * phys_switch_id of its netdev.
 */
static int opi_port_register(struct opi_port *port, struct devlink *devlink,
			     const struct opi_port_info *info)
{
	u16 controller = le16_to_cpu(info->controller);
	struct devlink_port_attrs attrs = {};
	const struct devlink_port_ops *ops;
	struct opi_dev *od = port->od;

	/* The parts of one eswitch are known by the card's serial number. */
	if (opi_is_dpu(od)) {
		put_unaligned_be64(le64_to_cpu(od->ident.serial),
				   attrs.switch_id.id);
		attrs.switch_id.id_len = sizeof(od->ident.serial);
	}

	port->dl.attrs.switch_id = attrs.switch_id;
	ops = &opi_port_ops;
	switch (opi_is_dpu(od) ? port->type : 0) {
	case OPI_PORT_UPLINK:
		attrs.flavour = DEVLINK_PORT_FLAVOUR_PHYSICAL;
		attrs.phys.port_number = port->pf;
		devlink_port_attrs_set(&port->dl, &attrs);
		break;
	case OPI_PORT_PF:
		devlink_port_attrs_pci_pf_set(&port->dl, controller, port->pf,
					      controller != 0);
		ops = &opi_port_pf_ops;
		break;
	case OPI_PORT_VF:
		devlink_port_attrs_pci_vf_set(&port->dl, controller, port->pf,
					      le16_to_cpu(info->vf),
					      controller != 0);
		ops = &opi_port_vf_ops;
		break;
	case OPI_PORT_SF:
		devlink_port_attrs_pci_sf_set(&port->dl, controller, port->pf,
					      le32_to_cpu(info->sf),
					      controller != 0);
		ops = &opi_port_sf_ops;
		break;
	default:
		attrs.flavour = DEVLINK_PORT_FLAVOUR_VIRTUAL;
		devlink_port_attrs_set(&port->dl, &attrs);
		break;
	}

	return devl_port_register_with_ops(devlink, &port->dl, port->id, ops);
}

/* Is this the port that we asked for, and one that this driver knows? */
static int opi_port_check(u32 id, const struct opi_port_info *info)
{
	if (le32_to_cpu(info->port) != id)
		return -EPROTO;
	if (info->type < OPI_PORT_UPLINK || info->type > OPI_PORT_SF)
		return -EOPNOTSUPP;
	/* Numbers that say that there is none. */
	if (info->type == OPI_PORT_VF &&
	    le16_to_cpu(info->vf) == OPI_ID16_NONE)
		return -EPROTO;
	if (info->type == OPI_PORT_SF && le32_to_cpu(info->sf) == OPI_ID_NONE)
		return -EPROTO;
	return 0;
}

/**
 * opi_port_make - make a port, its devlink port and its netdev
 * @od:		the device whose admin queue knows it
 * @id:		port id
 * @qs:		queue pairs of its netdev
 * @sf:		the host's subfunction that it belongs to, or NULL
 * @devlink:	where it is a port of
 *
 * Context: devl_lock of @od and @devlink held, rtnl not held, may sleep.
 * Return: the port, or a negative errno; -EOPNOTSUPP if it is none of our
 * business.
 */
struct opi_port *opi_port_make(struct opi_dev *od, u32 id, struct opi_qset *qs,
			       struct opi_sf *sf, struct devlink *devlink)
{
	struct opi_port_info info;
	struct opi_port *port;
	int err;

	err = opi_cmd_port_get(od, id, &info);
	if (!err)
		err = opi_port_check(id, &info);
	if (err)
		return ERR_PTR(err);

	port = kzalloc(sizeof(*port), GFP_KERNEL);
	if (!port)
		return ERR_PTR(-ENOMEM);
	port->od = od;
	port->qs = qs;
	port->sf = sf;
	port->id = id;
	port->func_id = le32_to_cpu(info.func_id);
	port->type = info.type;
	port->pf = le16_to_cpu(info.pf);
	port->seen = true;
	mutex_init(&port->lock);

	err = opi_port_register(port, devlink, &info);
	if (err)
		goto err_free;
	err = opi_rate_leaf_add(port);
	if (err)
		goto err_unregister;

	if (opi_is_dpu(od))
		err = opi_rep_add(port, &info);
	else
		err = opi_netdev_add(port, &info);
	if (err)
		goto err_rate;

	od->n_ports++;
	return port;

err_rate:
	opi_rate_leaf_del(port);
err_unregister:
	devl_port_unregister(&port->dl);
err_free:
	mutex_destroy(&port->lock);
	kfree(port);
	return ERR_PTR(err);
}

/**
 * opi_port_del - remove a port, its netdev and its devlink port
 * @port:	the port
 *
 * Context: as opi_port_make().
 */
void opi_port_del(struct opi_port *port)
{
	port->od->n_ports--;
	opi_netdev_del(port);
	opi_rate_leaf_del(port);
	devl_port_unregister(&port->dl);
	mutex_destroy(&port->lock);
	kfree(port);
}

/**
 * opi_port_found - note a port of the card, and make it if it is new
 * @od:		the device
 * @id:		port id
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 * Return: 0 or a negative errno.
 */
int opi_port_found(struct opi_dev *od, u32 id)
{
	struct opi_port *port = xa_load(&od->ports, id);
	int err;

	if (port) {
		port->seen = true;
		return 0;
	}
	if (od->n_ports == OPI_MAX_PORTS)
		return -ENOSPC;
	port = opi_port_make(od, id, &od->qs, NULL, priv_to_devlink(od));
	err = PTR_ERR_OR_ZERO(port);
	/* A kind that came after this driver, or gone since it was listed. */
	return err == -EOPNOTSUPP || err == -ENOENT ? 0 : err;
}

/**
 * opi_port_gone - a port is not there any more
 * @od:		the device, DPU side
 * @id:		port id
 * @func_id:	whose it was; the port of another function is none of its business
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 */
void opi_port_gone(struct opi_dev *od, u32 id, u32 func_id)
{
	struct opi_port *port = xa_load(&od->ports, id);

	if (port && port->func_id == func_id)
		opi_port_del(port);
}

/**
 * opi_port_moved - a virtual function may be another one than it was
 * @od:		its device
 * @id:		port that it has now
 * @func_id:	id that it has now
 *
 * Its state was moved under its driver (interface, "The DPU's settings").  Who uses it
 * sees no other one: it keeps its netdev, and its index in devlink.
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 * Return: 0 or a negative errno; nothing has changed then.
 */
int opi_port_moved(struct opi_dev *od, u32 id, u32 func_id)
{
	struct opi_port *port;
	unsigned long old = 0;
	int err = 0;

	rtnl_lock();
	port = xa_find(&od->ports, &old, ULONG_MAX, XA_PRESENT);
	if (!port)
		goto out;
	if (old != id) {
		err = xa_insert(&od->ports, id, port, GFP_KERNEL);
		if (err)
			goto out;
		xa_erase(&od->ports, old);
	}
	mutex_lock(&port->lock);
	port->id = id;
	port->func_id = func_id;
	mutex_unlock(&port->lock);
out:
	rtnl_unlock();
	return err;
}

static int opi_ports_list(struct opi_dev *od)
{
	if (!opi_is_dpu(od))
		return opi_port_found(od, le32_to_cpu(od->ident.port));
	return opi_list_ids(od, opi_cmd_port_list, opi_port_found,
			    OPI_MAX_PORTS);
}

/**
 * opi_ports_sync - have the ports that the card has
 * @od:		the device; its admin queue runs, and @ident is new
 *
 * Ports that are still there keep their netdevs.
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 * Return: 0 or a negative errno; ports may be missing then.
 */
int opi_ports_sync(struct opi_dev *od)
{
	struct opi_port *port;
	unsigned long id;
	int err;

	xa_for_each(&od->ports, id, port) {
		port->seen = false;
		/* Queue pairs that are not shared are of one netdev at a time. */
		if (!opi_is_dpu(od) && !port->sf &&
		    id != le32_to_cpu(od->ident.port))
			opi_port_del(port);
	}

	err = opi_ports_list(od);
	if (err)
		return err;

	/* Those of subfunctions go with their devices. */
	xa_for_each(&od->ports, id, port)
		if (!port->seen && !port->sf)
			opi_port_del(port);
	return 0;
}

/**
 * opi_ports_remove - remove all ports and their netdevs
 * @od:		the device, in whatever state; those of subfunctions stay
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 */
void opi_ports_remove(struct opi_dev *od)
{
	struct opi_port *port;
	unsigned long id;

	xa_for_each(&od->ports, id, port)
		if (!port->sf)
			opi_port_del(port);
}

/**
 * opi_port_refresh - ask for a port's state and act upon it
 * @port:	the port
 *
 * Context: may sleep; the port cannot go because devl_lock or (the netdev being
 * registered) rtnl is held.
 * Return: 0 or a negative errno; nothing has changed then.
 */
int opi_port_refresh(struct opi_port *port)
{
	struct net_device *netdev = port->netdev;
	struct opi_dev *od = port->od;
	struct opi_port_info info;
	int err;

	mutex_lock(&port->lock);
	err = opi_cmd_port_get(od, port->id, &info);
	/* Without service there is no carrier, whatever the card said before. */
	if (!err && READ_ONCE(port->qs->up)) {
		WRITE_ONCE(port->speed, le32_to_cpu(info.speed));
		if (netif_running(netdev) && info.flags & OPI_PORT_F_CARRIER)
			netif_carrier_on(netdev);
		else
			netif_carrier_off(netdev);
	}
	mutex_unlock(&port->lock);
	return err;
}

/**
 * opi_ports_refresh - ask for the state of all ports and act upon it
 * @od:		the device
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 */
void opi_ports_refresh(struct opi_dev *od)
{
	struct opi_port *port;
	unsigned long id;

	xa_for_each(&od->ports, id, port) {
		if (opi_port_refresh(port))
			break;
		if (!opi_is_dpu(od))
			opi_ports_readdress(od, id);
	}
}

/**
 * opi_ports_readdress - the DPU may have given a function another address
 * @od:		the device, host side
 * @id:		port of the function
 *
 * The address belongs to the DPU, whose last word counts.  What an administrator
 * of ours set meanwhile is the DPU's choice by then.
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 */
void opi_ports_readdress(struct opi_dev *od, u32 id)
{
	struct opi_port *port = xa_load(&od->ports, id);
	struct opi_port_info info;

	if (!port)
		return;
	/* The answer is no older than what is set on the netdev. */
	rtnl_lock();
	if (!opi_cmd_port_get(od, id, &info))
		opi_netdev_readdress(port, info.mac);
	rtnl_unlock();
}
