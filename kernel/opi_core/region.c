// SPDX-License-Identifier: GPL-2.0
/*
 * devlink regions: what a debugger wants to see byte for byte.  The registers,
 * and the rings of the admin queue and of the event queues, as snapshots and
 * directly.
 *
 * Rings are memory of ours, so they can be looked at when the card is gone too.
 */
#include <linux/mm.h>
#include <linux/string.h>

#include "opi_core.h"

#define OPI_REGION_SNAPSHOTS	8

/* Whole words only: the card answers nothing else. */
static int opi_region_read_regs(struct devlink *devlink,
				const struct devlink_region_ops *ops,
				struct netlink_ext_ack *extack,
				u64 offset, u32 size, u8 *data)
{
	struct opi_dev *od = devlink_priv(devlink);
	u32 end = offset + size, pos = offset;

	while (pos < end) {
		u32 in = pos % sizeof(__le32);
		u32 n = min_t(u32, sizeof(__le32) - in, end - pos);
		__le32 word = cpu_to_le32(opi_rd(od, pos - in));

		memcpy(data + (pos - (u32)offset), (u8 *)&word + in, n);
		pos += n;
	}

	/* Looked at last, so that all of the above came from a function. */
	if (opi_hw_check(od) == -ENXIO) {
		NL_SET_ERR_MSG_MOD(extack,
				   "the function does not answer: it has no registers");
		return -ENXIO;
	}
	return 0;
}

/* The part of @size bytes at @offset that is in @src, which begins at @base. */
static void opi_region_copy(const void *src, u64 base, size_t len, u64 offset,
			    u32 size, u8 *data)
{
	u64 from = max(offset, base), to = min(offset + size, base + len);

	if (from < to)
		memcpy(data + (from - offset), src + (from - base), to - from);
}

/* Commands, then completions; in the order of the rings. */
static int opi_region_read_aq(struct devlink *devlink,
			      const struct devlink_region_ops *ops,
			      struct netlink_ext_ack *extack,
			      u64 offset, u32 size, u8 *data)
{
	struct opi_dev *od = devlink_priv(devlink);
	size_t cmds = OPI_AQ_SLOTS * sizeof(*od->aq.sq);
	size_t cpls = OPI_AQ_SLOTS * sizeof(*od->aq.cq);

	spin_lock_irq(&od->aq.lock);
	opi_region_copy(od->aq.sq, 0, cmds, offset, size, data);
	opi_region_copy(od->aq.cq, cmds, cpls, offset, size, data);
	spin_unlock_irq(&od->aq.lock);
	return 0;
}

/* One ring after the other. */
static int opi_region_read_eqs(struct devlink *devlink,
			       const struct devlink_region_ops *ops,
			       struct netlink_ext_ack *extack,
			       u64 offset, u32 size, u8 *data)
{
	struct opi_dev *od = devlink_priv(devlink);
	unsigned int i;
	u64 base = 0;

	/* After a reload that failed there are none, and still the region. */
	memset(data, 0, size);
	for (i = 0; i < od->n_vecs; i++) {
		struct opi_eq *eq = &od->eqs[i];
		size_t len = eq->size * sizeof(*eq->ring);

		spin_lock_irq(&eq->lock);
		opi_region_copy(eq->ring, base, len, offset, size, data);
		spin_unlock_irq(&eq->lock);
		base += len;
	}
	return 0;
}

static u32 opi_region_size(struct opi_dev *od, enum opi_region region)
{
	unsigned int i;
	u32 size = 0;

	switch (region) {
	case OPI_REGION_REGS:
		return OPI_BAR_REGS_SIZE;
	case OPI_REGION_AQ:
		return OPI_AQ_SLOTS * (sizeof(*od->aq.sq) +
				       sizeof(*od->aq.cq));
	case OPI_REGION_EQS:
		for (i = 0; i < od->n_vecs; i++)
			size += od->eqs[i].size * sizeof(*od->eqs[i].ring);
		return size;
	default:
		return 0;
	}
}

static int opi_region_snapshot(struct devlink *devlink,
			       const struct devlink_region_ops *ops,
			       struct netlink_ext_ack *extack, u8 **data);

static const struct devlink_region_ops opi_region_ops[OPI_N_REGIONS] = {
	[OPI_REGION_REGS] = {
		.name		= "registers",
		.destructor	= kvfree,
		.snapshot	= opi_region_snapshot,
		.read		= opi_region_read_regs,
	},
	[OPI_REGION_AQ] = {
		.name		= "admin_queue",
		.destructor	= kvfree,
		.snapshot	= opi_region_snapshot,
		.read		= opi_region_read_aq,
	},
	[OPI_REGION_EQS] = {
		.name		= "event_queues",
		.destructor	= kvfree,
		.snapshot	= opi_region_snapshot,
		.read		= opi_region_read_eqs,
	},
};

static int opi_region_snapshot(struct devlink *devlink,
			       const struct devlink_region_ops *ops,
			       struct netlink_ext_ack *extack, u8 **data)
{
	struct opi_dev *od = devlink_priv(devlink);
	/* That of the region, not what there is now: devlink goes by it. */
	u32 size = od->regions[ops - opi_region_ops].size;
	u8 *copy;
	int err;

	copy = kvmalloc(size, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	err = ops->read(devlink, ops, extack, 0, size, copy);
	if (err) {
		kvfree(copy);
		return err;
	}
	*data = copy;
	return 0;
}

static int opi_region_create(struct opi_dev *od, enum opi_region i)
{
	u32 size = opi_region_size(od, i);
	struct devlink_region *region;

	region = devl_region_create(priv_to_devlink(od), &opi_region_ops[i],
				    OPI_REGION_SNAPSHOTS, size);
	if (IS_ERR(region))
		return PTR_ERR(region);
	od->regions[i].region = region;
	od->regions[i].size = size;
	return 0;
}

static void opi_region_destroy(struct opi_dev *od, enum opi_region i)
{
	if (od->regions[i].region)
		devl_region_destroy(od->regions[i].region);
	od->regions[i].region = NULL;
}

/**
 * opi_regions_init - make the regions
 * @od:		the device; the memory of its rings is allocated
 *
 * If there are some already, those that have another size now are made anew and
 * lose their snapshots.
 *
 * Context: devl_lock held.
 * Return: 0 or a negative errno; some may be missing then.
 */
int opi_regions_init(struct opi_dev *od)
{
	unsigned int i;
	int err;

	for (i = 0; i < OPI_N_REGIONS; i++) {
		if (od->regions[i].region &&
		    od->regions[i].size == opi_region_size(od, i))
			continue;
		opi_region_destroy(od, i);
		err = opi_region_create(od, i);
		if (err)
			return err;
	}
	return 0;
}

/**
 * opi_regions_snapshot - keep what the regions have now
 * @od:		the device, that has failed
 *
 * All regions get a snapshot of the same number.  One that has as many as it may
 * have, or cannot be read, gets none.
 *
 * Context: devl_lock held, may sleep.
 */
void opi_regions_snapshot(struct opi_dev *od)
{
	struct devlink *devlink = priv_to_devlink(od);
	unsigned int i;
	u32 id;

	if (devlink_region_snapshot_id_get(devlink, &id))
		return;
	for (i = 0; i < OPI_N_REGIONS; i++) {
		u8 *data;

		if (!od->regions[i].region ||
		    opi_region_snapshot(devlink, &opi_region_ops[i], NULL,
					&data))
			continue;
		if (devlink_region_snapshot_create(od->regions[i].region, data,
						   id))
			kvfree(data);
	}
	devlink_region_snapshot_id_put(devlink, id);
}

/**
 * opi_regions_exit - remove the regions and all their snapshots
 * @od:		the device
 *
 * Context: devl_lock held.
 */
void opi_regions_exit(struct opi_dev *od)
{
	unsigned int i = OPI_N_REGIONS;

	while (i--)
		opi_region_destroy(od, i);
}
