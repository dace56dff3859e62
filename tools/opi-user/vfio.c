// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * VFIO: see Documentation/driver-api/vfio.rst of the kernel, and vfio.h here.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/iommufd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vfio.h"

#define MAX_VECTORS	16

/* What a failed system call leaves, said and returned. */
static int failed(const char *what)
{
	int err = errno;

	warn("%s", what);
	return -err;
}

static int open_node(const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	return fd < 0 ? failed(path) : fd;
}

static int open_group(struct vfio *v, const char *bdf)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	char link[PATH_MAX], path[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return failed(path);
	link[n] = '\0';
	snprintf(path, sizeof(path), "/dev/vfio/%s", strrchr(link, '/') + 1);

	v->iommu = open_node("/dev/vfio/vfio");
	if (v->iommu < 0)
		return v->iommu;
	v->group = open_node(path);
	if (v->group < 0)
		return v->group;
	if (ioctl(v->group, VFIO_GROUP_GET_STATUS, &status))
		return failed("VFIO_GROUP_GET_STATUS");
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE)) {
		warnx("%s: others of its group have other drivers", bdf);
		return -EBUSY;
	}
	if (ioctl(v->group, VFIO_GROUP_SET_CONTAINER, &v->iommu))
		return failed("VFIO_GROUP_SET_CONTAINER");
	if (ioctl(v->iommu, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU))
		return failed("VFIO_SET_IOMMU");
	v->device = ioctl(v->group, VFIO_GROUP_GET_DEVICE_FD, bdf);
	return v->device < 0 ? failed("VFIO_GROUP_GET_DEVICE_FD") : 0;
}

/* The function's name among VFIO's character devices. */
static int cdev_path(char *path, size_t size, const char *bdf)
{
	struct dirent *entry;
	DIR *dir;

	snprintf(path, size, "/sys/bus/pci/devices/%s/vfio-dev", bdf);
	dir = opendir(path);
	if (!dir)
		return failed(path);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			break;
	if (entry)
		snprintf(path, size, "/dev/vfio/devices/%s", entry->d_name);
	closedir(dir);
	return entry ? 0 : -ENOENT;
}

static int open_cdev(struct vfio *v, const char *bdf)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
	struct vfio_device_attach_iommufd_pt at = { .argsz = sizeof(at) };
	struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
	char path[PATH_MAX];
	int err;

	err = cdev_path(path, sizeof(path), bdf);
	if (err)
		return err;
	v->iommu = open_node("/dev/iommu");
	if (v->iommu < 0)
		return v->iommu;
	v->device = open_node(path);
	if (v->device < 0)
		return v->device;
	bind.iommufd = v->iommu;
	if (ioctl(v->device, VFIO_DEVICE_BIND_IOMMUFD, &bind))
		return failed("VFIO_DEVICE_BIND_IOMMUFD");
	if (ioctl(v->iommu, IOMMU_IOAS_ALLOC, &alloc))
		return failed("IOMMU_IOAS_ALLOC");
	v->ioas = alloc.out_ioas_id;
	at.pt_id = v->ioas;
	if (ioctl(v->device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &at))
		return failed("VFIO_DEVICE_ATTACH_IOMMUFD_PT");
	return 0;
}

/**
 * vfio_open - open a function
 * @v:		gets it
 * @bdf:	its address, as 0000:01:00.1
 * @cdev:	by its character device and iommufd, else by its group
 *
 * The function can do nothing before vfio_bus_master(), and reaches no memory but
 * what vfio_map() gives it.
 */
int vfio_open(struct vfio *v, const char *bdf, bool cdev)
{
	int err;

	*v = (struct vfio){ .device = -1, .group = -1, .iommu = -1 };
	err = cdev ? open_cdev(v, bdf) : open_group(v, bdf);
	if (err)
		vfio_close(v);
	return err;
}

/**
 * vfio_close - let a function go
 * @v:		the function, or what vfio_open() has left of it
 *
 * The kernel resets it, and it loses all memory.
 */
void vfio_close(struct vfio *v)
{
	if (v->device >= 0)
		close(v->device);
	if (v->group >= 0)
		close(v->group);
	if (v->iommu >= 0)
		close(v->iommu);
	v->device = -1;
	v->group = -1;
	v->iommu = -1;
}

/**
 * vfio_map - let the function read and write memory
 * @v:		the function
 * @va:		the memory, whole pages
 * @iova:	the address that the function uses for it
 * @size:	bytes
 */
int vfio_map(struct vfio *v, void *va, uint64_t iova, size_t size)
{
	struct vfio_iommu_type1_dma_map type1 = {
		.argsz	= sizeof(type1),
		.flags	= VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr	= (uintptr_t)va,
		.iova	= iova,
		.size	= size,
	};
	struct iommu_ioas_map map = {
		.size	= sizeof(map),
		.flags	= IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_READABLE |
			  IOMMU_IOAS_MAP_WRITEABLE,
		.ioas_id = v->ioas,
		.user_va = (uintptr_t)va,
		.iova	= iova,
		.length	= size,
	};

	if (v->group >= 0 ? ioctl(v->iommu, VFIO_IOMMU_MAP_DMA, &type1) :
			    ioctl(v->iommu, IOMMU_IOAS_MAP, &map))
		return failed("mapping memory");
	return 0;
}

/**
 * vfio_unmap - take memory from the function
 * @v:		the function
 * @iova:	as it was mapped
 * @size:	as it was mapped
 */
int vfio_unmap(struct vfio *v, uint64_t iova, size_t size)
{
	struct vfio_iommu_type1_dma_unmap type1 = {
		.argsz	= sizeof(type1),
		.iova	= iova,
		.size	= size,
	};
	struct iommu_ioas_unmap unmap = {
		.size	= sizeof(unmap),
		.ioas_id = v->ioas,
		.iova	= iova,
		.length	= size,
	};

	if (v->group >= 0 ? ioctl(v->iommu, VFIO_IOMMU_UNMAP_DMA, &type1) :
			    ioctl(v->iommu, IOMMU_IOAS_UNMAP, &unmap))
		return failed("unmapping memory");
	return 0;
}

static int region(struct vfio *v, unsigned int index,
		  struct vfio_region_info *info)
{
	*info = (struct vfio_region_info){
		.argsz = sizeof(*info),
		.index = index,
	};
	if (ioctl(v->device, VFIO_DEVICE_GET_REGION_INFO, info))
		return failed("VFIO_DEVICE_GET_REGION_INFO");
	return 0;
}

/**
 * vfio_map_bar - have a BAR in the process
 * @v:		the function
 * @bar:	its number
 * @size:	gets its size
 *
 * Return: the BAR, for the life of the process, or NULL.
 */
void *vfio_map_bar(struct vfio *v, unsigned int bar, size_t *size)
{
	struct vfio_region_info info;
	void *va;

	if (region(v, bar, &info))
		return NULL;
	if (!(info.flags & VFIO_REGION_INFO_FLAG_MMAP) || !info.size) {
		warnx("BAR %u cannot be mapped", bar);
		return NULL;
	}
	va = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED,
		  v->device, (off_t)info.offset);
	if (va == MAP_FAILED) {
		warn("mapping BAR %u", bar);
		return NULL;
	}
	*size = info.size;
	return va;
}

/**
 * vfio_bus_master - let the function reach memory and raise interrupts
 * @v:		the function; a reset takes it away again
 */
int vfio_bus_master(struct vfio *v)
{
	struct vfio_region_info info;
	uint16_t cmd;
	off_t at;
	int err;

	err = region(v, VFIO_PCI_CONFIG_REGION_INDEX, &info);
	if (err)
		return err;
	at = (off_t)info.offset + PCI_COMMAND;
	if (pread(v->device, &cmd, sizeof(cmd), at) != sizeof(cmd))
		return failed("reading the configuration");
	cmd |= PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
	if (pwrite(v->device, &cmd, sizeof(cmd), at) != sizeof(cmd))
		return failed("writing the configuration");
	return 0;
}

/**
 * vfio_reset - Function Level Reset
 * @v:		the function
 */
int vfio_reset(struct vfio *v)
{
	if (ioctl(v->device, VFIO_DEVICE_RESET))
		return failed("VFIO_DEVICE_RESET");
	return 0;
}

static int set_irqs(struct vfio *v, unsigned int index, const int *eventfds,
		    unsigned int n)
{
	union {
		struct vfio_irq_set set;
		char room[sizeof(struct vfio_irq_set) + MAX_VECTORS * sizeof(int)];
	} u = {};

	if (n > MAX_VECTORS)
		return -E2BIG;
	u.set.argsz = sizeof(u.set) + n * sizeof(int);
	u.set.flags = VFIO_IRQ_SET_ACTION_TRIGGER |
		      (n ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE);
	u.set.index = index;
	u.set.count = n;
	if (n)
		memcpy(u.set.data, eventfds, n * sizeof(int));
	if (ioctl(v->device, VFIO_DEVICE_SET_IRQS, &u.set))
		return failed("VFIO_DEVICE_SET_IRQS");
	return 0;
}

/**
 * vfio_msix - have the MSI-X vectors from 0 up as eventfds
 * @v:		the function
 * @eventfds:	one for each vector
 * @n:		how many, 0: no interrupts any more
 */
int vfio_msix(struct vfio *v, const int *eventfds, unsigned int n)
{
	return set_irqs(v, VFIO_PCI_MSIX_IRQ_INDEX, eventfds, n);
}

/**
 * vfio_request_eventfd - be told when the kernel wants the function back
 * @v:		the function
 * @eventfd:	is signalled, again and again, until vfio_close()
 */
int vfio_request_eventfd(struct vfio *v, int eventfd)
{
	return set_irqs(v, VFIO_PCI_REQ_IRQ_INDEX, &eventfd, 1);
}

/* A feature of the function, @op: VFIO_DEVICE_FEATURE_GET or SET. */
static int feature(struct vfio *v, uint32_t op, uint32_t what, void *data,
		   size_t size)
{
	union {
		struct vfio_device_feature f;
		uint8_t room[sizeof(struct vfio_device_feature) + 64];
	} u = {};

	if (size > 64)
		return -E2BIG;
	u.f.argsz = (uint32_t)(sizeof(u.f) + size);
	u.f.flags = op | what;
	if (size)
		memcpy(u.f.data, data, size);
	if (ioctl(v->device, VFIO_DEVICE_FEATURE, &u))
		return -errno;
	if (size)
		memcpy(data, u.f.data, size);
	return 0;
}

/**
 * vfio_mig_flags - how can the function be moved?
 * @v:		the function
 * @flags:	gets VFIO_MIGRATION_*
 *
 * Return: 0; -ENOTTY if it cannot.
 */
int vfio_mig_flags(struct vfio *v, uint64_t *flags)
{
	struct vfio_device_feature_migration mig = {};
	int err;

	err = feature(v, VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_MIGRATION,
		      &mig, sizeof(mig));
	*flags = mig.flags;
	return err;
}

/**
 * vfio_mig_get - which state is it in?
 * @v:		the function
 * @state:	gets enum vfio_device_mig_state
 */
int vfio_mig_get(struct vfio *v, uint32_t *state)
{
	struct vfio_device_feature_mig_state mig = {};
	int err;

	err = feature(v, VFIO_DEVICE_FEATURE_GET,
		      VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &mig, sizeof(mig));
	*state = mig.device_state;
	return err;
}

/**
 * vfio_mig_set - take it to another state
 * @v:		the function
 * @state:	enum vfio_device_mig_state
 * @fd:		gets a new data file, or -1
 */
int vfio_mig_set(struct vfio *v, uint32_t state, int *fd)
{
	struct vfio_device_feature_mig_state mig = {
		.device_state	= state,
		.data_fd	= -1,
	};
	int err;

	err = feature(v, VFIO_DEVICE_FEATURE_SET,
		      VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE, &mig, sizeof(mig));
	*fd = err ? -1 : mig.data_fd;
	return err;
}

/**
 * vfio_mig_size - how much is there to move?
 * @v:		the function
 * @size:	gets bytes of the data file, at most
 */
int vfio_mig_size(struct vfio *v, uint64_t *size)
{
	struct vfio_device_feature_mig_data_size mig = {};
	int err;

	err = feature(v, VFIO_DEVICE_FEATURE_GET,
		      VFIO_DEVICE_FEATURE_MIG_DATA_SIZE, &mig, sizeof(mig));
	*size = mig.stop_copy_length;
	return err;
}

/**
 * vfio_log_start - log what the function writes
 * @v:		the function
 * @iova:	in this range
 * @size:	bytes of it
 * @page:	in pages of this size; gets that of the log
 */
int vfio_log_start(struct vfio *v, uint64_t iova, uint64_t size, uint64_t *page)
{
	struct vfio_device_feature_dma_logging_range range = {
		.iova	= iova,
		.length = size,
	};
	struct vfio_device_feature_dma_logging_control control = {
		.page_size  = *page,
		.num_ranges = 1,
		.ranges	    = (uintptr_t)&range,
	};
	int err;

	err = feature(v, VFIO_DEVICE_FEATURE_SET,
		      VFIO_DEVICE_FEATURE_DMA_LOGGING_START, &control,
		      sizeof(control));
	*page = control.page_size;
	return err;
}

/**
 * vfio_log_stop - log it no more
 * @v:		the function
 */
int vfio_log_stop(struct vfio *v)
{
	return feature(v, VFIO_DEVICE_FEATURE_SET,
		       VFIO_DEVICE_FEATURE_DMA_LOGGING_STOP, NULL, 0);
}

/**
 * vfio_log_report - what has it written since the log began or was last asked?
 * @v:		the function
 * @iova:	of the first page
 * @size:	bytes
 * @page:	bytes of a page
 * @bits:	gets a bit for each page, is not cleared before
 */
int vfio_log_report(struct vfio *v, uint64_t iova, uint64_t size, uint64_t page,
		    uint64_t *bits)
{
	struct vfio_device_feature_dma_logging_report report = {
		.iova	   = iova,
		.length	   = size,
		.page_size = page,
		.bitmap	   = (uintptr_t)bits,
	};

	return feature(v, VFIO_DEVICE_FEATURE_GET,
		       VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT, &report,
		       sizeof(report));
}
