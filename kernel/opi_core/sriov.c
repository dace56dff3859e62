// SPDX-License-Identifier: GPL-2.0
/*
 * Virtual functions on the host: enabling and disabling them.  Each is a device
 * of its own, driven by the same driver.  How many there may be is said by the
 * DPU, whose limit the card enforces.
 */
#include <linux/pci.h>

#include "opi_core.h"

/* How many virtual functions the DPU allows now, or a negative errno. */
static int opi_sriov_limit(struct opi_dev *od)
{
	struct devlink *devlink = priv_to_devlink(od);
	struct opi_identify id;
	int err;

	devl_lock(devlink);
	err = opi_cmd_identify(od, &id);
	devl_unlock(devlink);
	if (err)
		return err;
	return min_t(u32, le32_to_cpu(id.total_vfs), U16_MAX);
}

/* Does the card agree with the kernel that there are virtual functions? */
static bool opi_sriov_enabled(struct pci_dev *pdev)
{
	int pos = pci_find_ext_capability(pdev, PCI_EXT_CAP_ID_SRIOV);
	u16 ctrl = 0;

	if (pos)
		pci_read_config_word(pdev, pos + PCI_SRIOV_CTRL, &ctrl);
	return ctrl & PCI_SRIOV_CTRL_VFE;
}

/* The card tells the DPU of it; we ask. */
static void opi_sriov_changed(struct opi_dev *od)
{
	struct devlink *devlink = priv_to_devlink(od);

	devl_lock(devlink);
	opi_func_reread(od, le32_to_cpu(od->ident.func_id));
	devl_unlock(devlink);
}

/**
 * opi_sriov_configure - pci_driver.sriov_configure
 * @pdev:	the physical function
 * @num_vfs:	virtual functions that there shall be, at most TotalVFs; 0: none
 *
 * Context: device_lock held, may sleep; devl_lock not held, since the virtual
 * functions are probed in here.
 * Return: @num_vfs or a negative errno.
 */
int opi_sriov_configure(struct pci_dev *pdev, int num_vfs)
{
	struct opi_dev *od = pci_get_drvdata(pdev);
	int limit, err;

	if (!num_vfs) {
		if (pci_vfs_assigned(pdev)) {
			dev_warn(&pdev->dev,
				 "virtual functions are in use by guests\n");
			return -EBUSY;
		}
		pci_disable_sriov(pdev);
		opi_sriov_changed(od);
		return 0;
	}

	if (!(READ_ONCE(od->caps) & OPI_CAP_SRIOV))
		return -EOPNOTSUPP;
	if (!READ_ONCE(od->init.sriov)) {
		dev_warn(&pdev->dev, "the parameter enable_sriov is off\n");
		return -EOPNOTSUPP;
	}
	limit = opi_sriov_limit(od);
	if (limit < 0)
		return limit;
	if (num_vfs > limit) {
		dev_warn(&pdev->dev,
			 "%d virtual functions wanted, the DPU allows %d\n",
			 num_vfs, limit);
		return -ERANGE;
	}

	err = pci_enable_sriov(pdev, num_vfs);
	if (err)
		return err;
	/* The DPU may have changed its mind since it was asked. */
	if (!opi_sriov_enabled(pdev)) {
		dev_warn(&pdev->dev, "the card refuses %d virtual functions\n",
			 num_vfs);
		pci_disable_sriov(pdev);
		return -ERANGE;
	}
	opi_sriov_changed(od);
	return num_vfs;
}

/**
 * opi_sriov_disable - the driver goes: have no virtual functions
 * @pdev:	the physical function
 *
 * Those that guests use stay; they have no service then.
 *
 * Context: device_lock held, may sleep.
 */
void opi_sriov_disable(struct pci_dev *pdev)
{
	if (!pdev->is_physfn || !pci_num_vf(pdev))
		return;
	if (pci_vfs_assigned(pdev))
		dev_warn(&pdev->dev,
			 "guests use virtual functions: they stay, without service\n");
	else
		pci_disable_sriov(pdev);
}
