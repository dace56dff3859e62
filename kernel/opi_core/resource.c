// SPDX-License-Identifier: GPL-2.0
/*
 * devlink resources: what a function has a limited number of, and how many are
 * in use.  A size that can be set takes effect when the driver is reloaded
 * (reload.c).
 */
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/pci.h>
#include <linux/string.h>

#include "opi_core.h"
#include "txrx.h"

static u64 opi_resource_qps(struct opi_dev *od)
{
	return min(od->own_qps, od->qs.size);
}

static u64 opi_resource_qps_occ(void *priv)
{
	struct opi_dev *od = priv;
	unsigned int i;
	u64 n = 0;

	for (i = 0; i < od->qs.size; i++)
		n += !!rcu_access_pointer(od->qs.qps[i]);
	return n;
}

/* As many as vectors, whose number is a parameter. */
static u64 opi_resource_eqs(struct opi_dev *od)
{
	return od->n_vecs;
}

static u64 opi_resource_eqs_occ(void *priv)
{
	struct opi_dev *od = priv;

	return od->state == OPI_DEV_STATE_READY ? od->n_eqs : 0;
}

static u64 opi_resource_nodes(struct opi_dev *od)
{
	return opi_rate_max_nodes(od);
}

static u64 opi_resource_nodes_occ(void *priv)
{
	struct opi_dev *od = priv;

	return list_count_nodes(&od->rate_nodes);
}

static u64 opi_resource_funcs(struct opi_dev *od, u8 type)
{
	struct opi_func *func;
	unsigned long id;
	u64 n = 0;

	xa_for_each(&od->funcs, id, func)
		n += func->info.type == type;
	return n;
}

static u64 opi_resource_vfs(struct opi_dev *od)
{
	if (!opi_is_dpu(od))
		return max(pci_sriov_get_totalvfs(od->pdev), 0);
	return od->caps & OPI_CAP_SRIOV ? le32_to_cpu(od->ident.total_vfs) : 0;
}

static u64 opi_resource_vfs_occ(void *priv)
{
	struct opi_dev *od = priv;

	/* Its table has none of them. */
	if (!opi_is_dpu(od))
		return pci_num_vf(od->pdev);
	return opi_resource_funcs(od, OPI_PORT_VF);
}

static u64 opi_resource_sfs(struct opi_dev *od)
{
	return od->caps & OPI_CAP_SF ? le32_to_cpu(od->ident.total_sfs) : 0;
}

static u64 opi_resource_sfs_occ(void *priv)
{
	return opi_resource_funcs(priv, OPI_PORT_SF);
}

/* Who can set a smaller size than the card has. */
enum opi_resource_setter {
	OPI_RESOURCE_SET_NONE,
	OPI_RESOURCE_SET_DPU,
	OPI_RESOURCE_SET_BOTH,
};

/*
 * What there is a number of.  One of which the card has none is not shown.
 *
 * @have:	how many the card has
 * @occ:	how many are in use
 * @setter:	who sets the size
 * @min:	the smallest that can be set
 * @lasting:	what is in use outlives a reload
 */
static const struct {
	const char *name;
	u64 (*have)(struct opi_dev *od);
	devlink_resource_occ_get_t *occ;
	enum opi_resource_setter setter;
	u64 min;
	bool lasting;
} opi_resources[OPI_N_RESOURCES] = {
	[OPI_RESOURCE_QPS] = {
		.name	= "queue_pairs",
		.have	= opi_resource_qps,
		.occ	= opi_resource_qps_occ,
		.setter	= OPI_RESOURCE_SET_BOTH,
		.min	= 1,
	},
	[OPI_RESOURCE_EQS] = {
		.name	= "event_queues",
		.have	= opi_resource_eqs,
		.occ	= opi_resource_eqs_occ,
	},
	[OPI_RESOURCE_VFS] = {
		.name	= "vfs",
		.have	= opi_resource_vfs,
		.occ	= opi_resource_vfs_occ,
		.setter	= OPI_RESOURCE_SET_DPU,
		.lasting = true,
	},
	[OPI_RESOURCE_SFS] = {
		.name	= "sfs",
		.have	= opi_resource_sfs,
		.occ	= opi_resource_sfs_occ,
		.setter	= OPI_RESOURCE_SET_DPU,
		.lasting = true,
	},
	[OPI_RESOURCE_NODES] = {
		.name	= "rate_nodes",
		.have	= opi_resource_nodes,
		.occ	= opi_resource_nodes_occ,
	},
};

static bool opi_resource_settable(struct opi_dev *od, enum opi_resource i)
{
	return opi_resources[i].setter == OPI_RESOURCE_SET_BOTH ||
	       (opi_resources[i].setter == OPI_RESOURCE_SET_DPU &&
		opi_is_dpu(od));
}

/* 0 is devlink's own. */
#define OPI_RESOURCE_ID(i)	((i) + 1)

static int opi_resource_add(struct opi_dev *od, enum opi_resource i)
{
	struct devlink *devlink = priv_to_devlink(od);
	struct devlink_resource_size_params params;
	u64 size = od->resources[i].size, size_min = size;
	int err;

	if (!od->resources[i].max)
		return 0;
	if (opi_resource_settable(od, i))
		size_min = opi_resources[i].min;
	devlink_resource_size_params_init(&params, size_min,
					  od->resources[i].max, 1,
					  DEVLINK_RESOURCE_UNIT_ENTRY);
	err = devl_resource_register(devlink, opi_resources[i].name, size,
				     OPI_RESOURCE_ID(i),
				     DEVLINK_RESOURCE_ID_PARENT_TOP, &params);
	if (!err)
		devl_resource_occ_get_register(devlink, OPI_RESOURCE_ID(i),
					       opi_resources[i].occ, od);
	return err;
}

/* Look how large they are; true if that is news. */
static bool opi_resources_look(struct opi_dev *od)
{
	bool changed = false;
	unsigned int i;

	for (i = 0; i < OPI_N_RESOURCES; i++) {
		struct opi_resource_size *r = &od->resources[i], old = *r;

		r->max = opi_resources[i].have(od);
		r->size = min(od->init.limits[i], r->max);
		changed |= r->size != old.size || r->max != old.max;
	}
	return changed;
}

/**
 * opi_resources_init - show the resources
 * @od:		the device
 *
 * If they are shown already, with their sizes of now.
 *
 * Context: devl_lock held.
 * Return: 0 or a negative errno; there are none then.
 */
int opi_resources_init(struct opi_dev *od)
{
	unsigned int i;
	int err = 0;

	if (!opi_resources_look(od))
		return 0;

	devl_resources_unregister(priv_to_devlink(od));
	for (i = 0; i < OPI_N_RESOURCES && !err; i++)
		err = opi_resource_add(od, i);
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
	memset(od->resources, 0, sizeof(od->resources));
}

/**
 * opi_resource_in_use - how many of something are in use
 * @od:		the device
 * @i:		the resource
 *
 * Context: devl_lock held.
 * Return: the number.
 */
u64 opi_resource_in_use(struct opi_dev *od, enum opi_resource i)
{
	return opi_resources[i].occ(od);
}

/* The size that was set, which devlink shows as the size from now on. */
static u64 opi_resource_take(struct opi_dev *od, enum opi_resource i)
{
	u64 size;

	/* Not shown: the card has none. */
	if (devl_resource_size_get(priv_to_devlink(od), OPI_RESOURCE_ID(i),
				   &size))
		return od->resources[i].size;
	return size;
}

/* Is a new size smaller than what is in use, and will still be? */
static bool opi_resource_too_small(struct opi_dev *od, enum opi_resource i,
				   u64 size, struct netlink_ext_ack *extack)
{
	u64 occ;

	/* Another card may have more in use than was set for the last one. */
	if (!opi_resources[i].lasting || size == od->resources[i].size)
		return false;
	occ = opi_resource_in_use(od, i);
	if (size >= occ)
		return false;
	NL_SET_ERR_MSG_FMT_MOD(extack,
			       "%s: %llu are in use, more than the new size %llu",
			       opi_resources[i].name, occ, size);
	return true;
}

/**
 * opi_resources_apply - take over what was set for the next time
 * @od:		the device, about to be reloaded
 * @extack:	gets the reason of a refusal; NULL: what would be refused is left
 *		as it is
 *
 * devlink has checked bounds when sizes were set.  What is in use may have come
 * later, so it counts now.  A refusal takes back all that was set: sizes cannot be
 * looked at otherwise, and those that nobody can have would be in the way of each
 * later reload.
 *
 * Context: devl_lock held.
 * Return: 0, or -EBUSY if more is in use; no size has changed then.
 */
int opi_resources_apply(struct opi_dev *od, struct netlink_ext_ack *extack)
{
	u64 sizes[OPI_N_RESOURCES];
	bool left = false;
	unsigned int i;
	int err = 0;

	for (i = 0; i < OPI_N_RESOURCES; i++) {
		sizes[i] = opi_resource_take(od, i);
		if (!opi_resource_too_small(od, i, sizes[i], extack))
			continue;
		sizes[i] = od->resources[i].size;
		left = true;
		if (extack)
			err = -EBUSY;
	}

	/*
	 * Another card may have more, if nobody has set a limit.  All that this one has
	 * is none.
	 */
	for (i = 0; i < OPI_N_RESOURCES && !err; i++)
		if (sizes[i] != od->resources[i].size)
			od->init.limits[i] = sizes[i] < od->resources[i].max ?
					     sizes[i] : U64_MAX;

	if (left) {
		opi_resources_exit(od);
		if (opi_resources_init(od))
			dev_warn(&od->pdev->dev,
				 "no memory to show resources\n");
	}
	return err;
}

/**
 * opi_resource_check - may there be so many of something?
 * @od:		the device
 * @i:		the resource
 * @n:		how many
 * @extack:	gets the reason of a refusal
 *
 * What the card has is for the card to say.
 *
 * Context: devl_lock held.
 * Return: 0, or -ENOSPC if a smaller size was set.
 */
int opi_resource_check(struct opi_dev *od, enum opi_resource i, u64 n,
		       struct netlink_ext_ack *extack)
{
	if (n <= od->init.limits[i])
		return 0;
	NL_SET_ERR_MSG_FMT(extack, "the devlink resource %s has a size of %llu",
			   opi_resources[i].name, od->init.limits[i]);
	return -ENOSPC;
}
