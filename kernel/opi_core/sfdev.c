// SPDX-License-Identifier: GPL-2.0
/*
 * The driver of a subfunction on the host: an auxiliary device with a devlink
 * instance, a port and a netdev of its own.  Admin queue, event queues and vectors
 * are its physical function's; so are its queue pairs, one of them, as far as the
 * card is concerned (interface, "Subfunctions").
 *
 * It starts and stops with its physical function (opi_netdevs_up(), _down()).
 */
#include <linux/auxiliary_bus.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

#include "opi_core.h"

#define OPI_SF_ORDER	6	/* log2 of its rings: 64 entries */

/*
 * devlink names all instances that are nested in another in one message, which
 * has to fit a page.
 */
#define OPI_SF_NESTED	64

/**
 * struct opi_sf - a subfunction that is driven
 * @dev:	its device
 * @qs:		its queue pair
 * @port:	its port
 * @nested:	its devlink instance is shown as part of the physical function's
 * @failed:	it did not come up: try again
 */
struct opi_sf {
	struct opi_sf_dev	*dev;
	struct opi_qset		qs;
	struct opi_port		*port;
	bool			nested;
	bool			failed;
};

/*
 * It is of the card that its physical function is of, whose devlink lock comes
 * before ours: rtnl has to do.
 */
static int opi_sf_info_get(struct devlink *devlink,
			   struct devlink_info_req *req,
			   struct netlink_ext_ack *extack)
{
	struct opi_sf *sf = devlink_priv(devlink);
	int err;

	rtnl_lock();
	err = opi_info_put(sf->qs.od, req);
	rtnl_unlock();
	return err;
}

static const struct devlink_ops opi_sf_devlink_ops = {
	.info_get	= opi_sf_info_get,
};

/**
 * opi_sf_up - there is service: bring a subfunction to where it was
 * @sf:		the subfunction; the physical function runs, and has been reset
 *		since the subfunction had queue pairs
 *
 * Context: devl_lock of the physical function and rtnl held, may sleep.
 * Return: 0, or the error that ends the physical function's service; what
 * concerns the subfunction only leaves that without service.
 */
int opi_sf_up(struct opi_sf *sf)
{
	struct opi_dev *od = sf->qs.od;
	int err;

	/* Another card may have fewer queue pairs, or more for others. */
	if (sf->qs.first < od->own_qps || sf->qs.first >= od->n_qps) {
		dev_warn(&sf->dev->adev.dev, "not in service: no queue pair\n");
		return 0;
	}

	err = opi_cmd_func_attach(od, sf->dev->func_id, true);
	if (err == -EEXIST)
		err = 0;
	if (!err) {
		WRITE_ONCE(sf->qs.up, true);
		err = opi_qps_start(&sf->qs);
	}
	if (!err)
		err = opi_netdev_restore(sf->port);
	if (!err)
		opi_func_reread(od, sf->dev->func_id);
	if (!err)
		sf->failed = false;
	if (!err || opi_no_service(err))
		return err;

	/* The DPU has taken it away, and tells so. */
	if (err != -ENOENT && !sf->failed)
		dev_warn(&sf->dev->adev.dev, "not in service: %pe\n",
			 ERR_PTR(err));
	sf->failed = err != -ENOENT;
	netif_carrier_off(sf->port->netdev);
	opi_sf_down(sf);
	return 0;
}

/**
 * opi_sfs_poke - try again to bring up what did not come up
 * @od:		the physical function's device, which runs
 *
 * To be called each second.
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 */
void opi_sfs_poke(struct opi_dev *od)
{
	struct opi_port *port;
	unsigned long id;

	xa_for_each(&od->ports, id, port) {
		if (!port->sf || !port->sf->failed)
			continue;
		rtnl_lock();
		opi_sf_up(port->sf);
		rtnl_unlock();
	}
}

/**
 * opi_sf_down - there is no service for a subfunction
 * @sf:		the subfunction
 *
 * Context: rtnl held, may sleep.
 */
void opi_sf_down(struct opi_sf *sf)
{
	WRITE_ONCE(sf->qs.up, false);
	opi_qps_stop(&sf->qs);
}

/* The queue pair: its number at the card, and what outlives it. */
static int opi_sf_init_qs(struct opi_sf *sf)
{
	struct opi_qset *qs = &sf->qs;
	struct opi_dev *od = qs->od;
	int id, err;

	if (od->n_qps <= od->own_qps)
		return -ENOSPC;
	id = ida_alloc_range(&od->sf_qps, od->own_qps, od->n_qps - 1,
			     GFP_KERNEL);
	if (id < 0)
		return id;

	err = opi_qs_init(qs, id, 1);
	if (err) {
		opi_qs_exit(qs);
		ida_free(&od->sf_qps, id);
		return err;
	}
	qs->cfg.n_qps = 1;
	qs->cfg.sq_order = min(OPI_SF_ORDER, od->max_order);
	qs->cfg.rq_order = min(OPI_SF_ORDER, od->max_order);
	return 0;
}

static void opi_sf_exit_qs(struct opi_sf *sf)
{
	opi_qs_exit(&sf->qs);
	ida_free(&sf->qs.od->sf_qps, sf->qs.first);
}

/* With both devlink locks held. */
static int opi_sf_register(struct opi_sf *sf, struct devlink *parent,
			   struct devlink *devlink)
{
	struct opi_dev *od = sf->qs.od;
	struct opi_port *port;
	int err;

	if (od->state != OPI_DEV_STATE_READY)
		return -ENODEV;

	if (od->n_nested < OPI_SF_NESTED) {
		err = devl_nested_devlink_set(parent, devlink);
		if (err)
			return err;
		sf->nested = true;
		od->n_nested++;
	}

	port = opi_port_make(od, sf->dev->port, &sf->qs, sf, devlink);
	if (IS_ERR(port)) {
		err = PTR_ERR(port);
		goto err_nested;
	}
	sf->port = port;
	if (port->type != OPI_PORT_SF || port->func_id != sf->dev->func_id) {
		err = -EPROTO;
		goto err_port;
	}

	rtnl_lock();
	err = opi_sf_up(sf);
	rtnl_unlock();
	/* If service has just ended, there will be some again. */
	if (err && !opi_no_service(err))
		goto err_port;

	err = devl_register(devlink);
	if (err)
		goto err_port;
	return 0;

err_port:
	opi_port_del(port);
err_nested:
	od->n_nested -= sf->nested;
	return err;
}

static int opi_sf_probe(struct auxiliary_device *adev,
			const struct auxiliary_device_id *id)
{
	struct opi_sf_dev *sfd = container_of(adev, struct opi_sf_dev, adev);
	struct devlink *parent = priv_to_devlink(sfd->od);
	struct devlink *devlink;
	struct opi_sf *sf;
	int err;

	devlink = devlink_alloc(&opi_sf_devlink_ops, sizeof(*sf), &adev->dev);
	if (!devlink)
		return -ENOMEM;
	sf = devlink_priv(devlink);
	sf->dev = sfd;
	sf->qs.od = sfd->od;
	sf->qs.port = sfd->port;
	auxiliary_set_drvdata(adev, sf);

	devl_lock(parent);
	err = opi_sf_init_qs(sf);
	if (err) {
		devl_unlock(parent);
		goto err_devlink;
	}
	devl_lock(devlink);
	err = opi_sf_register(sf, parent, devlink);
	devl_unlock(devlink);
	devl_unlock(parent);
	if (err)
		goto err_qs;
	return 0;

err_qs:
	opi_sf_exit_qs(sf);
err_devlink:
	devlink_free(devlink);
	WRITE_ONCE(sfd->retry, opi_no_service(err));
	/* The DPU has taken it away meanwhile: nothing has failed. */
	return err == -ENOENT ? -ENODEV : err;
}

static void opi_sf_remove(struct auxiliary_device *adev)
{
	struct opi_sf *sf = auxiliary_get_drvdata(adev);
	struct devlink *devlink = priv_to_devlink(sf);
	struct opi_dev *od = sf->qs.od;
	int err;

	devl_lock(priv_to_devlink(od));
	devl_lock(devlink);
	devl_unregister(devlink);
	opi_port_del(sf->port);
	od->n_nested -= sf->nested;
	err = opi_cmd_func_attach(od, sf->dev->func_id, false);
	/* The DPU may have taken it away, or there is no service. */
	if (err && err != -ENOENT && !opi_no_service(err))
		dev_warn(&adev->dev, "not detached: %pe\n", ERR_PTR(err));
	if (!err)
		opi_func_reread(od, sf->dev->func_id);
	devl_unlock(devlink);
	devl_unlock(priv_to_devlink(od));

	opi_sf_exit_qs(sf);
	devlink_free(devlink);
}

static const struct auxiliary_device_id opi_sf_id_table[] = {
	{ .name = OPI_DRV_NAME "." OPI_SF_NAME },
	{ }
};
MODULE_DEVICE_TABLE(auxiliary, opi_sf_id_table);

static struct auxiliary_driver opi_sf_driver = {
	.name		= OPI_SF_NAME,
	.id_table	= opi_sf_id_table,
	.probe		= opi_sf_probe,
	.remove		= opi_sf_remove,
};

/**
 * opi_sf_driver_init - register the driver of subfunctions
 *
 * Return: 0 or a negative errno.
 */
int __init opi_sf_driver_init(void)
{
	return auxiliary_driver_register(&opi_sf_driver);
}

/**
 * opi_sf_driver_exit - unregister it; no device is left, not in memory either
 */
void opi_sf_driver_exit(void)
{
	auxiliary_driver_unregister(&opi_sf_driver);
}
