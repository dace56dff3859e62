// SPDX-License-Identifier: GPL-2.0
/*
 * Ports: which ones there are, their devlink side, and their state as the card
 * tells it.  On the DPU these are the uplink and a port for each host function,
 * on the host the function's own one.  The netdevs are made in netdev.c (host)
 * and rep.c (DPU).
 */
#include <linux/etherdevice.h>
#include <linux/unaligned.h>

#include "opi_core.h"

static int opi_port_fn_hw_addr_get(struct devlink_port *dl, u8 *hw_addr,
				   int *hw_addr_len,
				   struct netlink_ext_ack *extack)
{
	struct opi_port *port = container_of(dl, struct opi_port, dl);
	struct opi_port_info info;

	/*
	 * While the card does not answer, what it said last: an error would end
	 * a dump of all ports.
	 */
	if (!opi_cmd_port_get(port->od, port->id, &info))
		ether_addr_copy(port->fn_mac, info.mac);
	ether_addr_copy(hw_addr, port->fn_mac);
	*hw_addr_len = ETH_ALEN;
	return 0;
}

static int opi_port_fn_hw_addr_set(struct devlink_port *dl, const u8 *hw_addr,
				   int hw_addr_len,
				   struct netlink_ext_ack *extack)
{
	struct opi_port *port = container_of(dl, struct opi_port, dl);
	int err;

	if (hw_addr_len != ETH_ALEN || !is_valid_ether_addr(hw_addr)) {
		NL_SET_ERR_MSG(extack, "not a unicast Ethernet address");
		return -EINVAL;
	}
	err = opi_cmd_port_set_mac(port->od, port->id, hw_addr);
	if (err)
		NL_SET_ERR_MSG(extack, "the card refuses the address");
	return err;
}

static const struct devlink_port_ops opi_port_ops = {
};

static const struct devlink_port_ops opi_port_func_ops = {
	.port_fn_hw_addr_get	= opi_port_fn_hw_addr_get,
	.port_fn_hw_addr_set	= opi_port_fn_hw_addr_set,
};

/*
 * What devlink shows of a port, and through devlink phys_port_name and
 * phys_switch_id of its netdev.
 */
static int opi_port_register(struct opi_port *port,
			     const struct opi_port_info *info)
{
	struct devlink_port_attrs attrs = {};
	const struct devlink_port_ops *ops;
	struct opi_dev *od = port->od;

	/* The parts of one eswitch are known by the card's serial number. */
	if (opi_is_dpu(od)) {
		put_unaligned_be64(le64_to_cpu(od->ident.serial),
				   attrs.switch_id.id);
		attrs.switch_id.id_len = sizeof(od->ident.serial);
	}

	ops = &opi_port_ops;
	if (!opi_is_dpu(od)) {
		attrs.flavour = DEVLINK_PORT_FLAVOUR_VIRTUAL;
		devlink_port_attrs_set(&port->dl, &attrs);
	} else if (port->type == OPI_PORT_UPLINK) {
		attrs.flavour = DEVLINK_PORT_FLAVOUR_PHYSICAL;
		attrs.phys.port_number = port->pf;
		devlink_port_attrs_set(&port->dl, &attrs);
	} else {
		port->dl.attrs.switch_id = attrs.switch_id;
		devlink_port_attrs_pci_pf_set(&port->dl,
					      le16_to_cpu(info->controller),
					      port->pf,
					      info->controller != 0);
		ops = &opi_port_func_ops;
	}

	return devl_port_register_with_ops(priv_to_devlink(od), &port->dl,
					   port->id, ops);
}

static int opi_port_add(struct opi_dev *od, u32 id)
{
	struct opi_port_info info;
	struct opi_port *port;
	int err;

	err = opi_cmd_port_get(od, id, &info);
	if (err)
		return err;
	if (le32_to_cpu(info.port) != id)
		return -EPROTO;
	/* Ports that are not known to this driver are none of its business. */
	if (info.type != OPI_PORT_UPLINK && info.type != OPI_PORT_PF)
		return 0;

	port = kzalloc(sizeof(*port), GFP_KERNEL);
	if (!port)
		return -ENOMEM;
	port->od = od;
	port->id = id;
	port->type = info.type;
	port->pf = le16_to_cpu(info.pf);
	port->seen = true;
	ether_addr_copy(port->fn_mac, info.mac);
	mutex_init(&port->lock);

	err = opi_port_register(port, &info);
	if (err)
		goto err_free;

	if (opi_is_dpu(od))
		err = opi_rep_add(port, &info);
	else
		err = opi_netdev_add(port, &info);
	if (err)
		goto err_unregister;

	od->n_ports++;
	return 0;

err_unregister:
	devl_port_unregister(&port->dl);
err_free:
	mutex_destroy(&port->lock);
	kfree(port);
	return err;
}

static void opi_port_del(struct opi_port *port)
{
	port->od->n_ports--;
	opi_netdev_del(port);
	devl_port_unregister(&port->dl);
	mutex_destroy(&port->lock);
	kfree(port);
}

/* Note a port of the card, and make it if it is new. */
static int opi_port_found(struct opi_dev *od, u32 id)
{
	struct opi_port *port = xa_load(&od->ports, id);

	if (port) {
		port->seen = true;
		return 0;
	}
	if (od->n_ports == OPI_MAX_PORTS)
		return -ENOSPC;
	return opi_port_add(od, id);
}

static int opi_ports_list(struct opi_dev *od)
{
	unsigned int max = OPI_CMD_BUF_MAX / sizeof(__le32), i, total = 0;
	u32 start = 0, id = 0;
	__le32 *ids;
	int n, err = 0;

	if (!opi_is_dpu(od))
		return opi_port_found(od, le32_to_cpu(od->ident.port));

	ids = kmalloc_array(max, sizeof(*ids), GFP_KERNEL);
	if (!ids)
		return -ENOMEM;

	do {
		n = opi_cmd_port_list(od, start, ids, max);
		if (n < 0)
			err = n;
		for (i = 0; !err && n > 0 && i < n; i++) {
			/* Rising, or a hostile card keeps us here. */
			id = le32_to_cpu(ids[i]);
			if (id < start || id == OPI_ID_NONE ||
			    ++total > OPI_MAX_PORTS)
				err = -EPROTO;
			else
				err = opi_port_found(od, id);
			start = id + 1;
		}
	} while (!err && n == max);

	kfree(ids);
	return err;
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

	xa_for_each(&od->ports, id, port)
		port->seen = false;

	err = opi_ports_list(od);
	if (err)
		return err;

	xa_for_each(&od->ports, id, port)
		if (!port->seen)
			opi_port_del(port);
	return 0;
}

/**
 * opi_ports_remove - remove all ports and their netdevs
 * @od:		the device, in whatever state
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 */
void opi_ports_remove(struct opi_dev *od)
{
	struct opi_port *port;
	unsigned long id;

	xa_for_each(&od->ports, id, port)
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
	if (!err && READ_ONCE(od->net_up)) {
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
 * Context: devl_lock held, may sleep.
 */
void opi_ports_refresh(struct opi_dev *od)
{
	struct opi_port *port;
	unsigned long id;

	xa_for_each(&od->ports, id, port)
		if (opi_port_refresh(port))
			break;
}
