// SPDX-License-Identifier: GPL-2.0
/*
 * Subfunctions on the host, as far as the physical function is concerned: for
 * each that the DPU has exposed there is an auxiliary device "opi_core.sf.N", whose
 * driver is in sfdev.c.
 *
 * Devices are made and removed by a work item that holds no lock, since their
 * driver takes the device lock, then the devlink lock of the physical function.
 * The function table says which there shall be.
 */
#include <linux/auxiliary_bus.h>
#include <linux/delay.h>
#include <linux/idr.h>
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/list.h>

#include "opi_core.h"

/* What a work item waits for devices that are still held, and the last one. */
#define OPI_SF_FREE_TIMEOUT	HZ
#define OPI_SF_LAST_TIMEOUT	(30 * HZ)

static DEFINE_IDA(opi_sf_ids);

static struct opi_sf_dev *to_opi_sf_dev(struct device *dev)
{
	return container_of(to_auxiliary_dev(dev), struct opi_sf_dev, adev);
}

static ssize_t sfnum_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%u\n", to_opi_sf_dev(dev)->sf);
}
static DEVICE_ATTR_RO(sfnum);

static struct attribute *opi_sf_attrs[] = {
	&dev_attr_sfnum.attr,
	NULL
};
ATTRIBUTE_GROUPS(opi_sf);

static void opi_sf_release(struct device *dev)
{
	struct opi_sf_dev *sfd = to_opi_sf_dev(dev);

	ida_free(&opi_sf_ids, sfd->adev.id);
	kfree(sfd);
}

/*
 * Let go of devices that nobody else holds any more.
 *
 * devlink does so from a work item, a grace period after the driver has gone.
 * What frees a device is our code, so the last one to let go must be us, or that
 * code might be unloaded by then.  A device that is held for ever is not freed.
 */
static void opi_sfs_free(struct opi_dev *od, unsigned long timeout)
{
	unsigned long end = jiffies + timeout;
	struct opi_sf_dev *sfd, *next;

	list_for_each_entry_safe(sfd, next, &od->sfs_gone, gone) {
		struct kref *kref = &sfd->adev.dev.kobj.kref;

		while (kref_read(kref) > 1 && time_before(jiffies, end))
			msleep(20);
		if (kref_read(kref) > 1)
			continue;
		list_del(&sfd->gone);
		auxiliary_device_uninit(&sfd->adev);
	}
}

static int opi_sf_add(struct opi_dev *od, const struct opi_func_info *info,
		      u64 epoch)
{
	u32 port = le32_to_cpu(info->port);
	struct opi_sf_dev *sfd;
	int err;

	/* What commands have room for; 0 would be the physical function's. */
	if (!port || port > U16_MAX)
		return -EPROTO;

	sfd = kzalloc(sizeof(*sfd), GFP_KERNEL);
	if (!sfd)
		return -ENOMEM;
	sfd->od = od;
	sfd->func_id = le32_to_cpu(info->func_id);
	sfd->epoch = epoch;
	sfd->port = port;
	sfd->sf = le32_to_cpu(info->sf);

	err = ida_alloc(&opi_sf_ids, GFP_KERNEL);
	if (err < 0)
		goto err_free;
	sfd->adev.id = err;
	sfd->adev.name = OPI_SF_NAME;
	sfd->adev.dev.parent = &od->pdev->dev;
	sfd->adev.dev.release = opi_sf_release;
	sfd->adev.dev.groups = opi_sf_groups;
	err = auxiliary_device_init(&sfd->adev);
	if (err) {
		ida_free(&opi_sf_ids, sfd->adev.id);
		goto err_free;
	}

	/* From here on the device frees itself. */
	err = xa_insert(&od->sfs, sfd->func_id, sfd, GFP_KERNEL);
	if (err)
		goto err_uninit;
	err = auxiliary_device_add(&sfd->adev);
	if (err)
		goto err_erase;
	return 0;

err_erase:
	xa_erase(&od->sfs, sfd->func_id);
err_uninit:
	auxiliary_device_uninit(&sfd->adev);
	return err;

err_free:
	kfree(sfd);
	return err;
}

static void opi_sf_del(struct opi_dev *od, struct opi_sf_dev *sfd)
{
	xa_erase(&od->sfs, sfd->func_id);
	auxiliary_device_delete(&sfd->adev);
	list_add_tail(&sfd->gone, &od->sfs_gone);
}

static bool opi_sf_exposed(const struct opi_func *func)
{
	return func->info.type == OPI_PORT_SF &&
	       func->info.state != OPI_FUNC_HIDDEN;
}

/* Is the device of a subfunction wanted, of this one and not of a later one? */
static bool opi_sf_wanted(struct opi_dev *od, u32 id, u64 epoch)
{
	struct devlink *devlink = priv_to_devlink(od);
	struct opi_func *func;
	bool wanted;

	devl_lock(devlink);
	func = xa_load(&od->funcs, id);
	wanted = func && func->epoch == epoch && opi_sf_exposed(func);
	devl_unlock(devlink);
	return wanted;
}

/* The first subfunction from @id on that has no device; false: there is none. */
static bool opi_sf_missing(struct opi_dev *od, unsigned long id,
			   struct opi_func_info *info, u64 *epoch)
{
	struct devlink *devlink = priv_to_devlink(od);
	struct opi_func *func;
	bool found = false;

	devl_lock(devlink);
	xa_for_each_start(&od->funcs, id, func, id) {
		if (!opi_sf_exposed(func) || xa_load(&od->sfs, id))
			continue;
		*info = func->info;
		*epoch = func->epoch;
		found = true;
		break;
	}
	devl_unlock(devlink);
	return found;
}

static void opi_sf_work(struct work_struct *work)
{
	struct opi_dev *od = container_of(work, struct opi_dev, sf_work);
	struct opi_func_info info;
	struct opi_sf_dev *sfd;
	unsigned long id;
	u32 next = 0;
	u64 epoch;
	int err;

	/* Only this work item changes od->sfs. */
	xa_for_each(&od->sfs, id, sfd) {
		if (!opi_sf_wanted(od, id, sfd->epoch))
			opi_sf_del(od, sfd);
		else if (xchg(&sfd->retry, false))
			/* There was no service when it was probed. */
			err = device_attach(&sfd->adev.dev);
	}

	while (opi_sf_missing(od, next, &info, &epoch)) {
		err = opi_sf_add(od, &info, epoch);
		if (err)
			dev_warn_ratelimited(&od->pdev->dev,
					     "subfunction %u is not used: %pe\n",
					     le32_to_cpu(info.sf),
					     ERR_PTR(err));
		next = le32_to_cpu(info.func_id) + 1;
	}

	opi_sfs_free(od, OPI_SF_FREE_TIMEOUT);
}

/**
 * opi_sfs_update - have the devices of the subfunctions that there are, soon
 * @od:		the device
 *
 * Context: any.
 */
void opi_sfs_update(struct opi_dev *od)
{
	if (od->pdev->device == OPI_PCI_DEVICE_ID_PF)
		queue_work(system_unbound_wq, &od->sf_work);
}

/**
 * opi_sfs_init - prepare for subfunctions
 * @od:		the device
 */
void opi_sfs_init(struct opi_dev *od)
{
	xa_init(&od->sfs);
	INIT_LIST_HEAD(&od->sfs_gone);
	ida_init(&od->sf_qps);
	INIT_WORK(&od->sf_work, opi_sf_work);
}

/**
 * opi_sfs_exit - remove the devices of all subfunctions, for good
 * @od:		the device; still in service, if it was
 *
 * Context: devl_lock and rtnl not held, may sleep.
 */
void opi_sfs_exit(struct opi_dev *od)
{
	struct opi_sf_dev *sfd, *next;
	unsigned long id;

	disable_work_sync(&od->sf_work);
	xa_for_each(&od->sfs, id, sfd)
		opi_sf_del(od, sfd);
	xa_destroy(&od->sfs);

	opi_sfs_free(od, OPI_SF_LAST_TIMEOUT);
	/* With our reference, which nobody drops any more. */
	list_for_each_entry_safe(sfd, next, &od->sfs_gone, gone) {
		dev_warn(&od->pdev->dev, "%s is still held, and never freed\n",
			 dev_name(&sfd->adev.dev));
		list_del_init(&sfd->gone);
	}
	ida_destroy(&od->sf_qps);
}
