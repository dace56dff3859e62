// SPDX-License-Identifier: GPL-2.0
/*
 * devlink resources: what a function has a limited number of, and how many are
 * in use.  A size that can be set takes effect when the driver is reloaded
 * (reload.c).
 */
#include <linux/minmax.h>
#include <linux/string.h>

#include "opi_core.h"
#include "txrx.h"

enum opi_resource {
	OPI_RESOURCE_QPS = 1,	/* 0 is the top */
	OPI_RESOURCE_EQS,
};

static u64 opi_resource_occ_qps(void *priv)
{
	struct opi_dev *od = priv;
	unsigned int i;
	u64 n = 0;

	for (i = 0; i < od->qs.size; i++)
		n += !!rcu_access_pointer(od->qs.qps[i]);
	return n;
}

static u64 opi_resource_occ_eqs(void *priv)
{
	struct opi_dev *od = priv;

	return od->state == OPI_DEV_STATE_READY ? od->n_eqs : 0;
}

static int opi_resource_add(struct opi_dev *od, const char *name,
			    enum opi_resource id, u64 size, u64 min, u64 max,
			    devlink_resource_occ_get_t *occ)
{
	struct devlink *devlink = priv_to_devlink(od);
	struct devlink_resource_size_params params;
	int err;

	devlink_resource_size_params_init(&params, min, max, 1,
					  DEVLINK_RESOURCE_UNIT_ENTRY);
	err = devl_resource_register(devlink, name, size, id,
				     DEVLINK_RESOURCE_ID_PARENT_TOP, &params);
	if (!err)
		devl_resource_occ_get_register(devlink, id, occ, od);
	return err;
}

static int opi_resources_add(struct opi_dev *od)
{
	struct opi_resource_sizes *sizes = &od->sizes;
	int err;

	sizes->n_qps = min(od->n_qps, od->qs.size);
	sizes->max_qps = min(od->init.max_qps, sizes->n_qps);
	sizes->n_vecs = od->n_vecs;

	err = opi_resource_add(od, "queue_pairs", OPI_RESOURCE_QPS,
			       sizes->max_qps, 1, sizes->n_qps,
			       opi_resource_occ_qps);
	if (err)
		return err;
	return opi_resource_add(od, "event_queues", OPI_RESOURCE_EQS,
				sizes->n_vecs, sizes->n_vecs, sizes->n_vecs,
				opi_resource_occ_eqs);
}

/**
 * opi_resources_init - show the resources
 * @od:		the device
 *
 * If they are shown already, with their sizes of now.  Queue pairs can be limited
 * to less than the card has; how many event queues there are is said by the
 * parameters of vectors.
 *
 * Context: devl_lock held.
 * Return: 0 or a negative errno; there are none then.
 */
int opi_resources_init(struct opi_dev *od)
{
	const struct opi_resource_sizes *sizes = &od->sizes;
	int err;

	if (sizes->n_qps == min(od->n_qps, od->qs.size) &&
	    sizes->max_qps == min(od->init.max_qps, sizes->n_qps) &&
	    sizes->n_vecs == od->n_vecs)
		return 0;

	opi_resources_exit(od);
	err = opi_resources_add(od);
	if (err)
		opi_resources_exit(od);
	return err;
}

/**
 * opi_resources_exit - show the resources no more
 * @od:		the device
 *
 * Context: devl_lock held.
 */
void opi_resources_exit(struct opi_dev *od)
{
	devl_resources_unregister(priv_to_devlink(od));
	memset(&od->sizes, 0, sizeof(od->sizes));
}

/**
 * opi_resources_apply - take over what was set for the next time
 * @od:		the device, being reloaded
 *
 * Sizes were checked when they were set.
 *
 * Context: devl_lock held.
 */
void opi_resources_apply(struct opi_dev *od)
{
	u64 size;

	if (devl_resource_size_get(priv_to_devlink(od), OPI_RESOURCE_QPS,
				   &size))
		return;
	/* Another card may have more, if nobody has set a limit. */
	if (size != od->sizes.max_qps)
		od->init.max_qps = size;
}
