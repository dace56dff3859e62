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

/* Queue pairs can be limited to less than the card has. */
static u64 opi_resource_qps_max(struct opi_dev *od)
{
	return min(od->own_qps, od->qs.size);
}

static u64 opi_resource_qps(struct opi_dev *od)
{
	return min_t(u64, od->init.max_qps, opi_resource_qps_max(od));
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

/* Those that the host can use: a VF is there in any event. */
static u64 opi_resource_funcs(struct opi_dev *od, u8 type)
{
	struct opi_func *func;
	unsigned long id;
	u64 n = 0;

	xa_for_each(&od->funcs, id, func)
		n += func->info.type == type &&
		     (type != OPI_PORT_VF ||
		      func->info.state != OPI_FUNC_HIDDEN);
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

	/* The host's table has none of them. */
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

/*
 * What there is a number of: how many at most, and, where a smaller number can
 * be set, how many the card has.  One of which there is none is not shown.
 */
static const struct {
	const char *name;
	u64 (*size)(struct opi_dev *od);
	u64 (*limit)(struct opi_dev *od);
	devlink_resource_occ_get_t *occ;
} opi_resources[OPI_N_RESOURCES] = {
	[OPI_RESOURCE_QPS] = {
		.name	= "queue_pairs",
		.size	= opi_resource_qps,
		.limit	= opi_resource_qps_max,
		.occ	= opi_resource_qps_occ,
	},
	[OPI_RESOURCE_EQS] = {
		.name	= "event_queues",
		.size	= opi_resource_eqs,
		.occ	= opi_resource_eqs_occ,
	},
	[OPI_RESOURCE_VFS] = {
		.name	= "vfs",
		.size	= opi_resource_vfs,
		.occ	= opi_resource_vfs_occ,
	},
	[OPI_RESOURCE_SFS] = {
		.name	= "sfs",
		.size	= opi_resource_sfs,
		.occ	= opi_resource_sfs_occ,
	},
	[OPI_RESOURCE_NODES] = {
		.name	= "rate_nodes",
		.size	= opi_resource_nodes,
		.occ	= opi_resource_nodes_occ,
	},
};

/* 0 is devlink's own. */
#define OPI_RESOURCE_ID(i)	((i) + 1)

static int opi_resource_add(struct opi_dev *od, enum opi_resource i)
{
	struct devlink *devlink = priv_to_devlink(od);
	struct devlink_resource_size_params params;
	u64 size = od->resources[i].size;
	int err;

	if (!size)
		return 0;
	devlink_resource_size_params_init(&params,
					  opi_resources[i].limit ? 1 : size,
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

		r->size = opi_resources[i].size(od);
		r->max = opi_resources[i].limit ? opi_resources[i].limit(od) :
						r->size;
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

	if (devl_resource_size_get(priv_to_devlink(od),
				   OPI_RESOURCE_ID(OPI_RESOURCE_QPS), &size))
		return;
	/* Another card may have more, if nobody has set a limit. */
	if (size != od->resources[OPI_RESOURCE_QPS].size)
		od->init.max_qps = size;
}
