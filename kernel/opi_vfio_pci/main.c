// SPDX-License-Identifier: GPL-2.0
/*
 * Variant of vfio-pci for virtual functions that the DPU has marked migratable: a
 * process has the function as with vfio-pci, and can move it to another one.  The
 * migration is in mig.c (states), stream.c (what is moved) and dirty.c (which
 * memory the function writes meanwhile); all of it goes by the physical function's
 * driver.
 */
#include <linux/module.h>

#include "compat.h"
#include "opi_vfio_pci.h"

static struct opi_vfio *opi_vfio_drvdata(struct pci_dev *pdev)
{
	struct vfio_pci_core_device *core = dev_get_drvdata(&pdev->dev);

	return container_of(core, struct opi_vfio, core);
}

static int opi_vfio_init(struct vfio_device *vdev)
{
	struct opi_vfio *ov = to_opi_vfio(vdev);
	int err;

	err = vfio_pci_core_init_dev(vdev);
	if (err)
		return err;

	mutex_init(&ov->state_lock);
	mutex_init(&ov->dirty_lock);
	ov->state = VFIO_DEVICE_STATE_RUNNING;
	vdev->migration_flags = VFIO_MIGRATION_STOP_COPY | VFIO_MIGRATION_P2P |
				VFIO_MIGRATION_PRE_COPY;
	vdev->mig_ops = &opi_vfio_mig_ops;
	/* Without the former the kernel has no bitmap to give to the process. */
	if (IS_ENABLED(CONFIG_IOMMUFD_DRIVER) && opi_vf_can_log(ov->core.pdev))
		vdev->log_ops = &opi_vfio_log_ops;
	return 0;
}

static void opi_vfio_release(struct vfio_device *vdev)
{
	struct opi_vfio *ov = to_opi_vfio(vdev);

	mutex_destroy(&ov->dirty_lock);
	mutex_destroy(&ov->state_lock);
	vfio_pci_core_release_dev(vdev);
}

/* The function is reset on the way, and so RUNNING for the card. */
static int opi_vfio_open(struct vfio_device *vdev)
{
	struct opi_vfio *ov = to_opi_vfio(vdev);
	int err;

	err = vfio_pci_core_enable(&ov->core);
	if (err)
		return err;
	opi_vfio_mig_reset(ov);
	vfio_pci_core_finish_enable(&ov->core);
	return 0;
}

static void opi_vfio_close(struct vfio_device *vdev)
{
	struct opi_vfio *ov = to_opi_vfio(vdev);

	opi_vfio_mig_reset(ov);
	opi_vfio_dirty_end(ov);
	vfio_pci_core_close_device(vdev);
}

static const struct vfio_device_ops opi_vfio_ops = {
	.name		= "opi-vfio-pci",
	.init		= opi_vfio_init,
	.release	= opi_vfio_release,
	.open_device	= opi_vfio_open,
	.close_device	= opi_vfio_close,
	.ioctl		= vfio_pci_core_ioctl,
	.device_feature	= vfio_pci_core_ioctl_feature,
	.read		= vfio_pci_core_read,
	.write		= vfio_pci_core_write,
	.mmap		= vfio_pci_core_mmap,
	.request	= vfio_pci_core_request,
	.match		= vfio_pci_core_match,
	.bind_iommufd	= vfio_iommufd_physical_bind,
	.unbind_iommufd	= vfio_iommufd_physical_unbind,
	.attach_ioas	= vfio_iommufd_physical_attach_ioas,
	.detach_ioas	= vfio_iommufd_physical_detach_ioas,
};

/* Is this a function that the DPU lets us move, on a card that can? */
static int opi_vfio_check(struct pci_dev *pdev)
{
	struct opi_mig_info info;
	u8 byte;
	int ret;

	if (!pdev->is_virtfn) {
		dev_err(&pdev->dev, "only virtual functions can be moved\n");
		return -EINVAL;
	}

	ret = opi_vf_mig_get(pdev, &info);
	switch (ret) {
	case 0:
		break;
	case -ENODEV:
		dev_err(&pdev->dev,
			"the physical function is not in service\n");
		return ret;
	case -EOPNOTSUPP:
		dev_err(&pdev->dev, "the card cannot move functions\n");
		return ret;
	case -EPERM:
		dev_err(&pdev->dev,
			"the card's mode lets the host move no function\n");
		return ret;
	default:
		dev_err(&pdev->dev, "the card does not say its state: %pe\n",
			ERR_PTR(ret));
		return ret;
	}

	/* Whether it may be moved is asked by reading what says where to. */
	ret = opi_vf_mig_save(pdev, 0, &byte, sizeof(byte));
	if (ret == -EPERM) {
		dev_err(&pdev->dev,
			"the DPU has not made the function migratable (vfio-pci takes it)\n");
		return ret;
	}
	return 0;
}

static int opi_vfio_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct opi_vfio *ov;
	int err;

	err = opi_vfio_check(pdev);
	if (err)
		return err;

	ov = vfio_alloc_device(opi_vfio, core.vdev, &pdev->dev, &opi_vfio_ops);
	if (IS_ERR(ov))
		return PTR_ERR(ov);
	dev_set_drvdata(&pdev->dev, &ov->core);
	err = vfio_pci_core_register_device(&ov->core);
	if (err)
		vfio_put_device(&ov->core.vdev);
	return err;
}

/* Waits until the process has let the function go, which it is asked for. */
static void opi_vfio_remove(struct pci_dev *pdev)
{
	struct opi_vfio *ov = opi_vfio_drvdata(pdev);

	vfio_pci_core_unregister_device(&ov->core);
	/*
	 * VFIO resets a function that is closed, but not one that is closed because it is
	 * removed, whose lock the PCI core holds.  The next driver would find it where
	 * migration has left it, and with the queues of the process.
	 */
	if (pci_device_is_present(pdev))
		pci_reset_function_locked(pdev);
	vfio_put_device(&ov->core.vdev);
}

static void opi_vfio_reset_done(struct pci_dev *pdev)
{
	opi_vfio_mig_reset(opi_vfio_drvdata(pdev));
}

static const struct pci_error_handlers opi_vfio_err_handlers = {
	.reset_done	= opi_vfio_reset_done,
	.error_detected	= vfio_pci_core_aer_err_detected,
};

static const struct pci_device_id opi_vfio_ids[] = {
	{ PCI_DRIVER_OVERRIDE_DEVICE_VFIO(OPI_PCI_VENDOR_ID,
					  OPI_PCI_DEVICE_ID_VF) },
	{ }
};
MODULE_DEVICE_TABLE(pci, opi_vfio_ids);

static struct pci_driver opi_vfio_pci_driver = {
	.name		= KBUILD_MODNAME,
	.id_table	= opi_vfio_ids,
	.probe		= opi_vfio_probe,
	.remove		= opi_vfio_remove,
	.err_handler	= &opi_vfio_err_handlers,
	.driver_managed_dma = true,
};
module_pci_driver(opi_vfio_pci_driver);

OPI_COMPAT_IMPORT_IOMMUFD;
MODULE_DESCRIPTION("OPI: virtual functions for userspace, with migration");
MODULE_LICENSE("GPL");
