// SPDX-License-Identifier: GPL-2.0
/*
 * The physical function's driver at the service of other drivers of its virtual
 * functions (opi_vf.h): their commands go by the physical function's admin queue.
 *
 * A virtual function's driver is unbound before the physical function's driver
 * goes, see opi_sriov_disable(), so that the device stays for as long as it is
 * asked.  It may be stopped, and then no command is answered.
 */
#include <linux/pci.h>

#include "opi_core.h"
#include "opi_vf.h"

/* The physical function of @pdev that can do @cap, and @pdev's number. */
static struct opi_dev *opi_vf_pf(struct pci_dev *pdev, u64 cap, u32 *vf)
{
	struct opi_dev *od = opi_dev_of_vf(pdev);
	int num = pci_iov_vf_id(pdev);

	if (!od || num < 0)
		return ERR_PTR(-ENODEV);
	if (!(READ_ONCE(od->caps) & cap))
		return ERR_PTR(-EOPNOTSUPP);
	*vf = num;
	return od;
}

/**
 * opi_vf_mig_get - ask how far a virtual function is on its way
 * @pdev:	the virtual function
 * @info:	the answer, unchecked
 *
 * Return: 0 or a negative errno, see opi_vf.h.
 */
int opi_vf_mig_get(struct pci_dev *pdev, struct opi_mig_info *info)
{
	struct opi_dev *od;
	u32 vf;

	od = opi_vf_pf(pdev, OPI_CAP_MIG, &vf);
	return IS_ERR(od) ? PTR_ERR(od) : opi_cmd_mig_get(od, vf, info);
}
EXPORT_SYMBOL_GPL(opi_vf_mig_get);

/**
 * opi_vf_mig_set - take a virtual function to another migration state
 * @pdev:	the virtual function
 * @state:	enum opi_mig_state
 *
 * Return: 0 or a negative errno, see opi_vf.h; -EPERM if it must not be moved.
 */
int opi_vf_mig_set(struct pci_dev *pdev, u8 state)
{
	struct opi_dev *od;
	u32 vf;

	od = opi_vf_pf(pdev, OPI_CAP_MIG, &vf);
	return IS_ERR(od) ? PTR_ERR(od) : opi_cmd_mig_set(od, vf, state);
}
EXPORT_SYMBOL_GPL(opi_vf_mig_set);

/**
 * opi_vf_mig_save - read the stream of a virtual function
 * @pdev:	the virtual function
 * @offset:	place in the stream
 * @buf:	gets what is there
 * @size:	room in @buf, at most OPI_CMD_BUF_MAX
 *
 * Return: bytes in @buf, 0 at the end, or a negative errno, see opi_vf.h; -EPERM
 * if it must not be moved.
 */
int opi_vf_mig_save(struct pci_dev *pdev, u64 offset, void *buf, size_t size)
{
	struct opi_dev *od;
	u32 vf;

	od = opi_vf_pf(pdev, OPI_CAP_MIG, &vf);
	if (IS_ERR(od))
		return PTR_ERR(od);
	return opi_cmd_mig_save(od, vf, offset, buf, size);
}
EXPORT_SYMBOL_GPL(opi_vf_mig_save);

/**
 * opi_vf_mig_load - give a virtual function a part of a stream
 * @pdev:	the virtual function
 * @offset:	place in the stream
 * @buf:	what stands there
 * @size:	bytes of it, at most OPI_CMD_BUF_MAX
 *
 * Return: 0 or a negative errno, see opi_vf.h.
 */
int opi_vf_mig_load(struct pci_dev *pdev, u64 offset, const void *buf,
		    size_t size)
{
	struct opi_dev *od;
	u32 vf;

	od = opi_vf_pf(pdev, OPI_CAP_MIG, &vf);
	if (IS_ERR(od))
		return PTR_ERR(od);
	return opi_cmd_mig_load(od, vf, offset, buf, size);
}
EXPORT_SYMBOL_GPL(opi_vf_mig_load);

/**
 * opi_vf_can_log - can the card log which pages a virtual function writes?
 * @pdev:	the virtual function
 *
 * Context: any; the card is not asked.
 * Return: whether opi_vf_dirty_start() and so on are worth trying.
 */
bool opi_vf_can_log(struct pci_dev *pdev)
{
	u32 vf;

	return !IS_ERR(opi_vf_pf(pdev, OPI_CAP_DIRTY, &vf));
}
EXPORT_SYMBOL_GPL(opi_vf_can_log);

/**
 * opi_vf_dirty_start - log which pages a virtual function writes
 * @pdev:	the virtual function
 * @config:	what to log, with the ranges behind it
 * @size:	bytes of both, at most OPI_CMD_BUF_MAX
 * @order:	gets log2 of the page size that the card has chosen, unchecked
 *
 * Return: 0 or a negative errno, see opi_vf.h.
 */
int opi_vf_dirty_start(struct pci_dev *pdev,
		       const struct opi_dirty_config *config, size_t size,
		       u32 *order)
{
	struct opi_dev *od;
	u32 vf;

	od = opi_vf_pf(pdev, OPI_CAP_DIRTY, &vf);
	if (IS_ERR(od))
		return PTR_ERR(od);
	return opi_cmd_dirty_start(od, vf, config, size, order);
}
EXPORT_SYMBOL_GPL(opi_vf_dirty_start);

/**
 * opi_vf_dirty_stop - log it no more
 * @pdev:	the virtual function
 *
 * Return: 0 or a negative errno, see opi_vf.h; -ENOENT if there is no log.
 */
int opi_vf_dirty_stop(struct pci_dev *pdev)
{
	struct opi_dev *od;
	u32 vf;

	od = opi_vf_pf(pdev, OPI_CAP_DIRTY, &vf);
	return IS_ERR(od) ? PTR_ERR(od) : opi_cmd_dirty_stop(od, vf);
}
EXPORT_SYMBOL_GPL(opi_vf_dirty_stop);

/**
 * opi_vf_dirty_report - ask which pages were written, and forget them
 * @pdev:	the virtual function
 * @iova:	bus address of the first page
 * @pages:	how many, at most OPI_CMD_BUF_MAX * 8
 * @order:	log2 of the size of a page
 * @bits:	gets a bit for each, in whole bytes
 *
 * Return: 0 or a negative errno, see opi_vf.h; all pages may have been written
 * then.
 */
int opi_vf_dirty_report(struct pci_dev *pdev, u64 iova, u32 pages, u8 order,
			void *bits)
{
	struct opi_dev *od;
	u32 vf;

	od = opi_vf_pf(pdev, OPI_CAP_DIRTY, &vf);
	if (IS_ERR(od))
		return PTR_ERR(od);
	return opi_cmd_dirty_report(od, vf, iova, pages, order, bits);
}
EXPORT_SYMBOL_GPL(opi_vf_dirty_report);
