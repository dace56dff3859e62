/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * The way from a process to a PCI function: VFIO, by the function's group or by
 * its character device (iommufd).  Knows nothing of what the function is.
 *
 * Everything returns 0 (or what is said) or a negative errno, and has said on
 * stderr what went wrong.
 */
#ifndef OPI_USER_VFIO_H
#define OPI_USER_VFIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct vfio - a function that is open
 * @device:	the function
 * @group:	its group, -1 if it was opened by its character device
 * @iommu:	container of the group, or iommufd
 * @ioas:	address space in the iommufd
 */
struct vfio {
	int		device;
	int		group;
	int		iommu;
	uint32_t	ioas;
};

int vfio_open(struct vfio *v, const char *bdf, bool cdev);
void vfio_close(struct vfio *v);

int vfio_map(struct vfio *v, void *va, uint64_t iova, size_t size);
int vfio_unmap(struct vfio *v, uint64_t iova, size_t size);

void *vfio_map_bar(struct vfio *v, unsigned int bar, size_t *size);
int vfio_bus_master(struct vfio *v);
int vfio_reset(struct vfio *v);

int vfio_msix(struct vfio *v, const int *eventfds, unsigned int n);
int vfio_request_eventfd(struct vfio *v, int eventfd);

/* Migration and log; these say nothing on stderr. */
int vfio_mig_flags(struct vfio *v, uint64_t *flags);
int vfio_mig_get(struct vfio *v, uint32_t *state);
int vfio_mig_set(struct vfio *v, uint32_t state, int *fd);
int vfio_mig_size(struct vfio *v, uint64_t *size);
int vfio_log_start(struct vfio *v, uint64_t iova, uint64_t size, uint64_t *page);
int vfio_log_stop(struct vfio *v);
int vfio_log_report(struct vfio *v, uint64_t iova, uint64_t size, uint64_t page,
		    uint64_t *bits);

#endif /* OPI_USER_VFIO_H */
