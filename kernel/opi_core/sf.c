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
#include <linux/atomic.h>
#include <linux/auxiliary_bus.h>
#include <linux/idr.h>
#include <linux/wait.h>

#include "opi_core.h"

static DEFINE_IDA(opi_sf_ids);

/* Devices whose memory is not free yet. */
static atomic_t opi_sfs_left = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(opi_sfs_left_wait);

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
	if (atomic_dec_and_test(&opi_sfs_left))
		wake_up_all(&opi_sfs_left_wait);
}

/**
 * opi_sfs_wait - wait until the memory of all devices is free
 *
 * devlink lets go of a device some time after its driver has, and what frees
 * it is our code.
 *
 * Context: may sleep; no device is left, and none is made.
 */
void opi_sfs_wait(void)
{
	wait_event(opi_sfs_left_wait, !atomic_read(&opi_sfs_left));
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
	atomic_inc(&opi_sfs_left);
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
	auxiliary_device_uninit(&sfd->adev);
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
	struct opi_sf_dev *sfd;
	unsigned long id;

	disable_work_sync(&od->sf_work);
	xa_for_each(&od->sfs, id, sfd)
		opi_sf_del(od, sfd);
	xa_destroy(&od->sfs);
	ida_destroy(&od->sf_qps);
}
