// SPDX-License-Identifier: GPL-2.0
/*
 * Which memory the function writes, for the process that copies it meanwhile: the
 * card keeps the log (device-interface.rst, "Dirty pages").  It may say too much,
 * never too little; where it cannot be asked, all that was asked for is dirty.
 */
#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/interval_tree.h>
#include <linux/iova_bitmap.h>
#include <linux/log2.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "opi_vfio_pci.h"

/* Pages of one report. */
#define OPI_DIRTY_PAGES		(OPI_CMD_BUF_MAX * 8)

static int opi_vfio_dirty_ranges(struct rb_root_cached *ranges, u32 n,
				 struct opi_dirty_config *config)
{
	struct opi_dirty_range *range = (struct opi_dirty_range *)(config + 1);
	struct interval_tree_node *node;
	u64 page = BIT_ULL(config->page_order);
	u32 i = 0;

	for (node = interval_tree_iter_first(ranges, 0, ULONG_MAX); node;
	     node = interval_tree_iter_next(node, 0, ULONG_MAX)) {
		u64 start = round_down(node->start, page);
		u64 last = node->last | (page - 1);

		/* The whole of all addresses has no length in 64 bits. */
		if (i == n || last - start == U64_MAX)
			return -EINVAL;
		range[i].iova = cpu_to_le64(start);
		range[i].len = cpu_to_le64(last - start + 1);
		i++;
	}
	config->n_ranges = cpu_to_le32(i);
	return i;
}

static int opi_vfio_dirty_start(struct vfio_device *vdev,
				struct rb_root_cached *ranges, u32 n,
				u64 *page_size)
{
	struct opi_dirty_config *config __free(kfree) = NULL;
	struct opi_vfio *ov = to_opi_vfio(vdev);
	size_t size;
	u32 order;
	int err;

	if (!is_power_of_2(*page_size))
		return -EINVAL;
	if (n > OPI_DIRTY_RANGES_MAX) {
		vfio_combine_iova_ranges(ranges, n, OPI_DIRTY_RANGES_MAX);
		n = OPI_DIRTY_RANGES_MAX;
	}
	config = kzalloc(OPI_CMD_BUF_MAX, GFP_KERNEL);
	if (!config)
		return -ENOMEM;
	config->page_order = clamp(ilog2(*page_size), OPI_DIRTY_ORDER_MIN,
				   OPI_DIRTY_ORDER_MAX);
	err = opi_vfio_dirty_ranges(ranges, n, config);
	if (err < 0)
		return err;

	guard(mutex)(&ov->dirty_lock);
	if (ov->logging)
		return -EEXIST;
	size = sizeof(*config) + err * sizeof(struct opi_dirty_range);
	err = opi_vf_dirty_start(ov->core.pdev, config, size, &order);
	/* One that could not be stopped, because the DPU did not let us. */
	if (err == -EEXIST && !opi_vf_dirty_stop(ov->core.pdev))
		err = opi_vf_dirty_start(ov->core.pdev, config, size, &order);
	if (err)
		return err;
	if (order < OPI_DIRTY_ORDER_MIN || order > OPI_DIRTY_ORDER_MAX) {
		opi_vf_dirty_stop(ov->core.pdev);
		return -EPROTO;
	}
	ov->logging = true;
	ov->log_order = order;
	*page_size = BIT_ULL(order);
	return 0;
}

static int opi_vfio_dirty_stop(struct vfio_device *vdev)
{
	struct opi_vfio *ov = to_opi_vfio(vdev);

	guard(mutex)(&ov->dirty_lock);
	if (!ov->logging)
		return -EINVAL;
	ov->logging = false;
	/* A reset of the physical function may have ended it before. */
	opi_vf_dirty_stop(ov->core.pdev);
	return 0;
}

/* Ask for some pages, and set the bits of those that were written. */
static int opi_vfio_dirty_ask(struct opi_vfio *ov, u64 iova, u32 pages,
			      u8 order, unsigned long *bits,
			      struct iova_bitmap *dirty)
{
	unsigned int first, next;
	int err;

	bitmap_zero(bits, OPI_DIRTY_PAGES);
	err = opi_vf_dirty_report(ov->core.pdev, iova, pages, order, bits);
	if (err) {
		iova_bitmap_set(dirty, iova, (size_t)pages << order);
		return err;
	}
	for (first = find_next_bit_le(bits, pages, 0); first < pages;
	     first = find_next_bit_le(bits, pages, next)) {
		next = find_next_zero_bit_le(bits, pages, first);
		iova_bitmap_set(dirty, iova + ((u64)first << order),
				(size_t)(next - first) << order);
	}
	return 0;
}

static int opi_vfio_dirty_read(struct vfio_device *vdev, unsigned long iova,
			       unsigned long length, struct iova_bitmap *dirty)
{
	unsigned long *bits __free(bitmap) = NULL;
	struct opi_vfio *ov = to_opi_vfio(vdev);
	unsigned int order;
	u64 pages;
	int err = 0;

	bits = bitmap_alloc(OPI_DIRTY_PAGES, GFP_KERNEL);
	if (!bits)
		return -ENOMEM;

	guard(mutex)(&ov->dirty_lock);
	if (!ov->logging)
		return -EINVAL;
	/* The largest pages that make up what is asked for. */
	order = min_t(unsigned int, ov->log_order, __ffs(iova | length));
	if (order < OPI_DIRTY_ORDER_MIN)
		return -EINVAL;
	for (pages = length >> order; pages; ) {
		u32 n = min_t(u64, pages, OPI_DIRTY_PAGES);
		int ret = opi_vfio_dirty_ask(ov, iova, n, order, bits, dirty);

		/* What is asked for may be more than anybody lives to see. */
		if (!ret && fatal_signal_pending(current))
			ret = -EINTR;
		/* The rest is dirty then, too; more is not worth waiting for. */
		if (ret) {
			iova_bitmap_set(dirty, iova, pages << order);
			err = ret;
			break;
		}
		iova += (u64)n << order;
		pages -= n;
	}
	return err;
}

/**
 * opi_vfio_dirty_end - the process has let the function go
 * @ov:		the function
 *
 * The log would outlive the reset that follows.
 *
 * Context: may sleep.
 */
void opi_vfio_dirty_end(struct opi_vfio *ov)
{
	guard(mutex)(&ov->dirty_lock);
	if (ov->logging)
		opi_vf_dirty_stop(ov->core.pdev);
	ov->logging = false;
}

const struct vfio_log_ops opi_vfio_log_ops = {
	.log_start		= opi_vfio_dirty_start,
	.log_stop		= opi_vfio_dirty_stop,
	.log_read_and_clear	= opi_vfio_dirty_read,
};
