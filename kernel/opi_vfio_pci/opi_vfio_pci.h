/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A virtual function in the hands of userspace, and what the files of the driver
 * offer each other, one block per file.
 *
 * Locks, outermost first:
 *
 *	state_lock	migration state; taken while the function is reset, so
 *			no memory of a process is touched under it
 *	stream->lock	a data file; likewise
 *
 *	dirty_lock	the log; alone, and memory of the process is touched under it
 *
 * Commands to the card are given under any of them.
 */
#ifndef _OPI_VFIO_PCI_H
#define _OPI_VFIO_PCI_H

#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/types.h>
#include <linux/vfio.h>
#include <linux/vfio_pci_core.h>
#include <linux/opi_pci.h>

#include "opi_vf.h"

struct opi_vfio_stream;

/**
 * struct opi_vfio - a virtual function
 * @core:	VFIO's part
 * @state_lock:	guards what follows
 * @state:	where the state machine of VFIO is
 * @stream:	the data file that is open for reading or writing, or NULL
 * @dirty_lock:	guards what follows
 * @logging:	the card logs what the function writes
 * @log_order:	log2 of the page size that the process was told of
 */
struct opi_vfio {
	struct vfio_pci_core_device core;

	struct mutex		state_lock;	/* migration state */
	enum vfio_device_mig_state state;
	struct opi_vfio_stream	*stream;

	struct mutex		dirty_lock;	/* log of what it writes */
	bool			logging;
	u8			log_order;
};

static inline struct opi_vfio *to_opi_vfio(struct vfio_device *vdev)
{
	return container_of(vdev, struct opi_vfio, core.vdev);
}

/* ---- mig.c ------------------------------------------------------------- */

extern const struct vfio_migration_ops opi_vfio_mig_ops;

void opi_vfio_mig_reset(struct opi_vfio *ov);

/* ---- stream.c ---------------------------------------------------------- */

struct opi_vfio_stream *opi_vfio_save(struct opi_vfio *ov, size_t size);
int opi_vfio_save_more(struct opi_vfio_stream *stream, size_t size);
struct opi_vfio_stream *opi_vfio_resume(struct opi_vfio *ov);
struct file *opi_vfio_stream_file(struct opi_vfio_stream *stream);
void opi_vfio_stream_end(struct opi_vfio_stream *stream);

/* ---- dirty.c ----------------------------------------------------------- */

extern const struct vfio_log_ops opi_vfio_log_ops;

void opi_vfio_dirty_end(struct opi_vfio *ov);

#endif /* _OPI_VFIO_PCI_H */
