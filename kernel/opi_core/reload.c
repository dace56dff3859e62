// SPDX-License-Identifier: GPL-2.0
/*
 * devlink reload: all that the driver has made of a function is taken down and
 * made anew, with the settings of a driver that has just been bound but for those
 * of devlink itself, and in another network namespace if that was asked for.
 *
 * To the card it is a reset of the function, to the other side a driver that
 * goes and comes back.
 */
#include <linux/pci.h>
#include <linux/rtnetlink.h>

#include "opi_core.h"

/**
 * opi_reload_down - take everything down
 * @devlink:	the device's
 * @netns_change: it will be in another namespace
 * @action:	DEVLINK_RELOAD_ACTION_DRIVER_REINIT, the only one that is offered
 * @limit:	none is offered
 * @extack:	gets the reason of a refusal; NULL: a namespace ends, and must get
 *		rid of the device, whatever state that is in
 *
 * Context: device_lock and devl_lock held until after opi_reload_up(), may
 * sleep.
 * Return: 0, or -EBUSY if a resource would be smaller than what is in use of
 * it; nothing has happened then.
 */
int opi_reload_down(struct devlink *devlink, bool netns_change,
		    enum devlink_reload_action action,
		    enum devlink_reload_limit limit,
		    struct netlink_ext_ack *extack)
{
	struct opi_dev *od = devlink_priv(devlink);
	int err;

	err = opi_resources_apply(od, extack);
	if (err)
		return err;

	set_bit(OPI_DEV_F_LEAVING, &od->flags);
	/* The host loses carrier in good order. */
	if (opi_is_dpu(od) && od->state == OPI_DEV_STATE_READY)
		opi_cmd_boot_set(od, OPI_OS_BOOTING);
	opi_rates_exit(od);
	opi_ports_remove(od);
	opi_dev_stop(od, OPI_DEV_STATE_STARTING);
	opi_dev_quiesce(od);
	opi_irqs_exit(od);
	opi_vectors_exit(od);

	clear_bit(OPI_DEV_F_LEAVING, &od->flags);
	if (netns_change)
		opi_nl_dpu_del(&od->nl);
	return 0;
}

static int opi_reload_alloc(struct opi_dev *od)
{
	int err;

	err = opi_vectors_init(od);
	if (err)
		return err;
	err = opi_irqs_init(od);
	if (err)
		opi_vectors_exit(od);
	return err;
}

/**
 * opi_reload_up - make everything anew
 * @devlink:	the device's, in the namespace where it will be
 * @action:	DEVLINK_RELOAD_ACTION_DRIVER_REINIT
 * @limit:	none
 * @actions_performed: gets the action
 * @extack:	gets the reason of a failure
 *
 * A device that does not start is started later, as after probe, and the
 * failure is told.
 *
 * Context: device_lock and devl_lock held, may sleep.
 * Return: 0 or a negative errno.
 */
int opi_reload_up(struct devlink *devlink, enum devlink_reload_action action,
		  enum devlink_reload_limit limit, u32 *actions_performed,
		  struct netlink_ext_ack *extack)
{
	struct opi_dev *od = devlink_priv(devlink);
	int err;

	if (!od->nl.devlink)
		opi_nl_dpu_add(&od->nl, devlink, &od->st);

	/* Whoever reloads it has done something about what has failed. */
	clear_bit(OPI_DEV_F_HELD, &od->flags);
	rtnl_lock();
	opi_qps_defaults(&od->qs);
	rtnl_unlock();
	opi_params_apply(od);

	err = opi_reload_alloc(od);
	if (err) {
		NL_SET_ERR_MSG_MOD(extack,
				   "no memory or no interrupts: try another reload");
		return err;
	}
	err = opi_regions_init(od);
	if (err) {
		NL_SET_ERR_MSG_MOD(extack, "no memory for the regions");
		return err;
	}

	pci_set_master(od->pdev);
	od->qs.max_qps = min_t(u64, od->init.limits[OPI_RESOURCE_QPS],
			       od->qs.size);
	err = opi_dev_start(od);
	if (err == -EBUSY)
		NL_SET_ERR_MSG_MOD(extack,
				   "the function is being reset and starts after that");
	else if (err)
		NL_SET_ERR_MSG_MOD(extack,
				   "the card does not start; the driver goes on trying");
	else
		*actions_performed = BIT(DEVLINK_RELOAD_ACTION_DRIVER_REINIT);
	return err;
}
