// SPDX-License-Identifier: GPL-2.0
/*
 * devlink parameters.  Those of mode driverinit are what a device is made with:
 * they take effect when the driver is reloaded (reload.c).
 */
#include <linux/cpumask.h>
#include <linux/log2.h>
#include <linux/pci.h>

#include "opi_core.h"

/* Vectors that the function has; what the card gives event queues for is less. */
static unsigned int opi_param_vecs(struct opi_dev *od)
{
	int n = pci_msix_vec_count(od->pdev);

	return max(n, 1);
}

static int opi_param_check_vecs(struct devlink *devlink, u32 id,
				union devlink_param_value val,
				struct netlink_ext_ack *extack)
{
	unsigned int max = opi_param_vecs(devlink_priv(devlink));

	if (val.vu32 && val.vu32 <= max)
		return 0;
	NL_SET_ERR_MSG_FMT_MOD(extack, "the function has 1 to %u vectors", max);
	return -ERANGE;
}

static int opi_param_check_eq(struct devlink *devlink, u32 id,
			      union devlink_param_value val,
			      struct netlink_ext_ack *extack)
{
	if (is_power_of_2(val.vu32) && val.vu32 >= BIT(OPI_RING_ORDER_MIN) &&
	    val.vu32 <= BIT(OPI_MAX_ORDER))
		return 0;
	NL_SET_ERR_MSG_FMT_MOD(extack,
			       "an event queue has %lu to %lu entries, a power of two",
			       BIT(OPI_RING_ORDER_MIN), BIT(OPI_MAX_ORDER));
	return -EINVAL;
}

static int opi_param_get_snapshot(struct devlink *devlink, u32 id,
				  struct devlink_param_gset_ctx *ctx)
{
	struct opi_dev *od = devlink_priv(devlink);

	ctx->val.vbool = od->snapshots;
	return 0;
}

static int opi_param_set_snapshot(struct devlink *devlink, u32 id,
				  struct devlink_param_gset_ctx *ctx,
				  struct netlink_ext_ack *extack)
{
	struct opi_dev *od = devlink_priv(devlink);

	od->snapshots = ctx->val.vbool;
	return 0;
}

static const struct devlink_param opi_params[] = {
	DEVLINK_PARAM_GENERIC(MSIX_VEC_PER_PF_MIN,
			      BIT(DEVLINK_PARAM_CMODE_DRIVERINIT),
			      NULL, NULL, opi_param_check_vecs),
	DEVLINK_PARAM_GENERIC(MSIX_VEC_PER_PF_MAX,
			      BIT(DEVLINK_PARAM_CMODE_DRIVERINIT),
			      NULL, NULL, opi_param_check_vecs),
	DEVLINK_PARAM_GENERIC(IO_EQ_SIZE,
			      BIT(DEVLINK_PARAM_CMODE_DRIVERINIT),
			      NULL, NULL, opi_param_check_eq),
	DEVLINK_PARAM_GENERIC(EVENT_EQ_SIZE,
			      BIT(DEVLINK_PARAM_CMODE_DRIVERINIT),
			      NULL, NULL, opi_param_check_eq),
	DEVLINK_PARAM_GENERIC(REGION_SNAPSHOT,
			      BIT(DEVLINK_PARAM_CMODE_RUNTIME),
			      opi_param_get_snapshot, opi_param_set_snapshot,
			      NULL),
};

/* Of a physical function only. */
static const struct devlink_param opi_params_pf[] = {
	DEVLINK_PARAM_GENERIC(ENABLE_SRIOV,
			      BIT(DEVLINK_PARAM_CMODE_DRIVERINIT),
			      NULL, NULL, NULL),
};

/**
 * opi_params_default - choose what the device is made with at first
 * @od:		the device; the card's limits are known if it is there
 *
 * A vector for each CPU, and one for the admin queue and events.
 */
void opi_params_default(struct opi_dev *od)
{
	struct opi_init_config *init = &od->init;
	unsigned int i;

	init->vecs_min = 1;
	init->vecs_max = min(1 + min3(num_online_cpus(), od->n_qps,
				      (unsigned int)OPI_MAX_QPS),
			     opi_param_vecs(od));
	init->event_eq_order = OPI_EQ_ORDER;
	init->io_eq_order = OPI_EQ_ORDER;
	for (i = 0; i < OPI_N_RESOURCES; i++)
		init->limits[i] = U64_MAX;
	init->sriov = true;
}

static void opi_param_put(struct opi_dev *od, u32 id, u32 val)
{
	devl_param_driverinit_value_set(priv_to_devlink(od), id,
					(union devlink_param_value) {
						.vu32 = val,
					});
}

static int opi_params_init_pf(struct opi_dev *od)
{
	struct devlink *devlink = priv_to_devlink(od);
	union devlink_param_value val = { .vbool = od->init.sriov };
	int err;

	if (!od->pdev->is_physfn)
		return 0;
	err = devl_params_register(devlink, opi_params_pf,
				   ARRAY_SIZE(opi_params_pf));
	if (!err)
		devl_param_driverinit_value_set(devlink,
						DEVLINK_PARAM_GENERIC_ID_ENABLE_SRIOV,
						val);
	return err;
}

static u32 opi_param_take(struct opi_dev *od, u32 id, u32 old)
{
	union devlink_param_value val;

	if (devl_param_driverinit_value_get(priv_to_devlink(od), id, &val))
		return old;
	return val.vu32;
}

/**
 * opi_params_init - show the parameters
 * @od:		the device
 *
 * Context: devl_lock held.
 * Return: 0 or a negative errno; there are none then.
 */
int opi_params_init(struct opi_dev *od)
{
	struct opi_init_config *init = &od->init;
	int err;

	err = devl_params_register(priv_to_devlink(od), opi_params,
				   ARRAY_SIZE(opi_params));
	if (err)
		return err;
	err = opi_params_init_pf(od);
	if (err) {
		devl_params_unregister(priv_to_devlink(od), opi_params,
				       ARRAY_SIZE(opi_params));
		return err;
	}

	opi_param_put(od, DEVLINK_PARAM_GENERIC_ID_MSIX_VEC_PER_PF_MIN,
		      init->vecs_min);
	opi_param_put(od, DEVLINK_PARAM_GENERIC_ID_MSIX_VEC_PER_PF_MAX,
		      init->vecs_max);
	opi_param_put(od, DEVLINK_PARAM_GENERIC_ID_IO_EQ_SIZE,
		      BIT(init->io_eq_order));
	opi_param_put(od, DEVLINK_PARAM_GENERIC_ID_EVENT_EQ_SIZE,
		      BIT(init->event_eq_order));
	return 0;
}

/**
 * opi_params_exit - show the parameters no more
 * @od:		the device
 *
 * Context: devl_lock held.
 */
void opi_params_exit(struct opi_dev *od)
{
	if (od->pdev->is_physfn)
		devl_params_unregister(priv_to_devlink(od), opi_params_pf,
				       ARRAY_SIZE(opi_params_pf));
	devl_params_unregister(priv_to_devlink(od), opi_params,
			       ARRAY_SIZE(opi_params));
}

/**
 * opi_params_apply - take over what was set for the next time
 * @od:		the device, being reloaded
 *
 * Values were checked when they were set.
 *
 * Context: devl_lock held.
 */
void opi_params_apply(struct opi_dev *od)
{
	struct opi_init_config *init = &od->init;
	union devlink_param_value val;

	if (od->pdev->is_physfn &&
	    !devl_param_driverinit_value_get(priv_to_devlink(od),
					     DEVLINK_PARAM_GENERIC_ID_ENABLE_SRIOV,
					     &val))
		WRITE_ONCE(init->sriov, val.vbool);
	init->vecs_min =
		opi_param_take(od, DEVLINK_PARAM_GENERIC_ID_MSIX_VEC_PER_PF_MIN,
			       init->vecs_min);
	init->vecs_max =
		opi_param_take(od, DEVLINK_PARAM_GENERIC_ID_MSIX_VEC_PER_PF_MAX,
			       init->vecs_max);
	init->io_eq_order =
		ilog2(opi_param_take(od, DEVLINK_PARAM_GENERIC_ID_IO_EQ_SIZE,
				     BIT(init->io_eq_order)));
	init->event_eq_order =
		ilog2(opi_param_take(od, DEVLINK_PARAM_GENERIC_ID_EVENT_EQ_SIZE,
				     BIT(init->event_eq_order)));
}
