/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What another driver of a virtual function, opi_vfio_pci, asks of the physical
 * function's driver: moving the function, and logging what it writes.
 *
 * All of these take the PCI device of a virtual function that the caller is bound
 * to.  But for opi_vf_can_log() they may sleep for as long as a command (twice the
 * card's TIMEOUT, at most two minutes), and return a negative errno: that of the
 * card's refusal, or -ENODEV, -ENXIO, -EIO, -EBUSY, -ETIMEDOUT if there was nobody
 * to refuse.  -EOPNOTSUPP: the card cannot do this.
 */
#ifndef _OPI_VF_H
#define _OPI_VF_H

#include <linux/types.h>
#include <linux/opi_pci.h>

struct pci_dev;

int opi_vf_mig_get(struct pci_dev *pdev, struct opi_mig_info *info);
int opi_vf_mig_set(struct pci_dev *pdev, u8 state);
int opi_vf_mig_save(struct pci_dev *pdev, u64 offset, void *buf, size_t size);
int opi_vf_mig_load(struct pci_dev *pdev, u64 offset, const void *buf,
		    size_t size);
bool opi_vf_can_log(struct pci_dev *pdev);
int opi_vf_dirty_start(struct pci_dev *pdev,
		       const struct opi_dirty_config *config, size_t size,
		       u32 *order);
int opi_vf_dirty_stop(struct pci_dev *pdev);
int opi_vf_dirty_report(struct pci_dev *pdev, u64 iova, u32 pages, u8 order,
			void *bits);

#endif /* _OPI_VF_H */
