// SPDX-License-Identifier: GPL-2.0
/*
 * The state machine of VFIO's migration (include/uapi/linux/vfio.h) over the
 * card's (device-interface.rst, "Migration").  VFIO breaks each change down to the
 * arcs below.
 *
 * The card's state can change behind our back, when the physical function is
 * reset.  So it is looked at before and, if a command fails, after: if it is not
 * what it was, or is not known then, the function is in ERROR until the process
 * resets it.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/sizes.h>

#include "opi_vfio_pci.h"

/* More than any card has to say of a function. */
#define OPI_VFIO_STREAM_MAX	SZ_1M

static const char * const opi_vfio_states[] = {
	[VFIO_DEVICE_STATE_ERROR]	 = "error",
	[VFIO_DEVICE_STATE_STOP]	 = "stop",
	[VFIO_DEVICE_STATE_RUNNING]	 = "running",
	[VFIO_DEVICE_STATE_STOP_COPY]	 = "stop-copy",
	[VFIO_DEVICE_STATE_RESUMING]	 = "resuming",
	[VFIO_DEVICE_STATE_RUNNING_P2P]	 = "running-p2p",
	[VFIO_DEVICE_STATE_PRE_COPY]	 = "pre-copy",
	[VFIO_DEVICE_STATE_PRE_COPY_P2P] = "pre-copy-p2p",
};

/* What the card calls a state of VFIO. */
static u8 opi_vfio_card_state(enum vfio_device_mig_state state)
{
	switch (state) {
	case VFIO_DEVICE_STATE_RUNNING:
	case VFIO_DEVICE_STATE_PRE_COPY:
		return OPI_MIG_RUNNING;
	case VFIO_DEVICE_STATE_RUNNING_P2P:
	case VFIO_DEVICE_STATE_PRE_COPY_P2P:
		return OPI_MIG_P2P;
	case VFIO_DEVICE_STATE_STOP:
	case VFIO_DEVICE_STATE_STOP_COPY:
		return OPI_MIG_STOPPED;
	case VFIO_DEVICE_STATE_RESUMING:
		return OPI_MIG_LOADING;
	default:
		return OPI_MIG_ERROR;
	}
}

/* Is the card where we think it is?  Also: what it says of the stream. */
static int opi_vfio_mig_look(struct opi_vfio *ov, struct opi_mig_info *info)
{
	int err;

	err = opi_vf_mig_get(ov->core.pdev, info);
	if (err)
		return err;
	return info->state == opi_vfio_card_state(ov->state) ? 0 : -ESTALE;
}

static void opi_vfio_mig_end_stream(struct opi_vfio *ov)
{
	if (ov->stream)
		opi_vfio_stream_end(ov->stream);
	ov->stream = NULL;
}

/* Something that is not ours to mend; the process may reset the function. */
static void opi_vfio_mig_fail(struct opi_vfio *ov)
{
	lockdep_assert_held(&ov->state_lock);

	opi_vfio_mig_end_stream(ov);
	ov->state = VFIO_DEVICE_STATE_ERROR;
}

/**
 * opi_vfio_mig_reset - the function is as after a reset
 * @ov:		the virtual function
 *
 * Context: may sleep; locks of VFIO and of the PCI core are held.
 */
void opi_vfio_mig_reset(struct opi_vfio *ov)
{
	mutex_lock(&ov->state_lock);
	opi_vfio_mig_end_stream(ov);
	ov->state = VFIO_DEVICE_STATE_RUNNING;
	mutex_unlock(&ov->state_lock);
}

/* Sizes come from the card. */
static int opi_vfio_mig_size(__le32 size)
{
	u32 n = le32_to_cpu(size);

	return n <= OPI_VFIO_STREAM_MAX ? n : -EPROTO;
}

/* Open the data file for what can be read of the function as it is. */
static struct file *opi_vfio_mig_save(struct opi_vfio *ov, __le32 le_size)
{
	struct opi_vfio_stream *stream;
	int size = opi_vfio_mig_size(le_size);

	if (size < 0)
		return ERR_PTR(size);
	stream = opi_vfio_save(ov, size);
	if (IS_ERR(stream))
		return ERR_CAST(stream);
	ov->stream = stream;
	return opi_vfio_stream_file(stream);
}

/* The function has stopped: all of it can be read. */
static int opi_vfio_mig_save_rest(struct opi_vfio *ov)
{
	struct opi_mig_info info;
	int size, err;

	err = opi_vf_mig_get(ov->core.pdev, &info);
	if (err)
		return err;
	size = opi_vfio_mig_size(info.stream_size);
	if (size < 0)
		return size;
	return opi_vfio_save_more(ov->stream, size);
}

static struct file *opi_vfio_mig_load(struct opi_vfio *ov)
{
	struct opi_vfio_stream *stream = opi_vfio_resume(ov);

	if (IS_ERR(stream))
		return ERR_CAST(stream);
	ov->stream = stream;
	return opi_vfio_stream_file(stream);
}

/* Give the file to the process, or to nobody if there was an error. */
static struct file *opi_vfio_mig_give(struct opi_vfio *ov, struct file *file,
				      int err)
{
	if (!err)
		return file;
	fput(file);
	opi_vfio_mig_end_stream(ov);
	return ERR_PTR(err);
}

#define OPI_ARC(from, to)	((from) << 4 | (to))

/*
 * From ov->state, in which the card has said @info, to @to: one arc.  A file, if there
 * is a new one to be given to the process, NULL, or an error.
 */
static struct file *opi_vfio_mig_arc(struct opi_vfio *ov,
				     enum vfio_device_mig_state to,
				     const struct opi_mig_info *info)
{
	u8 card = opi_vfio_card_state(to);
	struct file *file;
	int err;

	switch (OPI_ARC(ov->state, to)) {
	case OPI_ARC(VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_RUNNING_P2P):
	case OPI_ARC(VFIO_DEVICE_STATE_RUNNING_P2P, VFIO_DEVICE_STATE_RUNNING):
	case OPI_ARC(VFIO_DEVICE_STATE_RUNNING_P2P, VFIO_DEVICE_STATE_STOP):
	case OPI_ARC(VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_RUNNING_P2P):
	case OPI_ARC(VFIO_DEVICE_STATE_PRE_COPY,
		     VFIO_DEVICE_STATE_PRE_COPY_P2P):
	case OPI_ARC(VFIO_DEVICE_STATE_PRE_COPY_P2P,
		     VFIO_DEVICE_STATE_PRE_COPY):
		return ERR_PTR(opi_vf_mig_set(ov->core.pdev, card));

	/* What the destination must be can be read while it runs. */
	case OPI_ARC(VFIO_DEVICE_STATE_RUNNING, VFIO_DEVICE_STATE_PRE_COPY):
	case OPI_ARC(VFIO_DEVICE_STATE_RUNNING_P2P,
		     VFIO_DEVICE_STATE_PRE_COPY_P2P):
		return opi_vfio_mig_save(ov, info->precopy_size);

	case OPI_ARC(VFIO_DEVICE_STATE_PRE_COPY_P2P,
		     VFIO_DEVICE_STATE_STOP_COPY):
		err = opi_vf_mig_set(ov->core.pdev, card);
		if (err)
			return ERR_PTR(err);
		err = opi_vfio_mig_save_rest(ov);
		if (err)
			opi_vf_mig_set(ov->core.pdev, OPI_MIG_P2P);
		return ERR_PTR(err);

	case OPI_ARC(VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_STOP_COPY):
		file = opi_vfio_mig_save(ov, info->precopy_size);
		if (IS_ERR(file))
			return file;
		return opi_vfio_mig_give(ov, file, opi_vfio_mig_save_rest(ov));

	case OPI_ARC(VFIO_DEVICE_STATE_PRE_COPY, VFIO_DEVICE_STATE_RUNNING):
	case OPI_ARC(VFIO_DEVICE_STATE_PRE_COPY_P2P,
		     VFIO_DEVICE_STATE_RUNNING_P2P):
	case OPI_ARC(VFIO_DEVICE_STATE_STOP_COPY, VFIO_DEVICE_STATE_STOP):
		opi_vfio_mig_end_stream(ov);
		return NULL;

	case OPI_ARC(VFIO_DEVICE_STATE_STOP, VFIO_DEVICE_STATE_RESUMING):
		/* Nothing leads back from what comes then. */
		file = opi_vfio_mig_load(ov);
		if (IS_ERR(file))
			return file;
		return opi_vfio_mig_give(ov, file,
					 opi_vf_mig_set(ov->core.pdev, card));

	case OPI_ARC(VFIO_DEVICE_STATE_RESUMING, VFIO_DEVICE_STATE_STOP):
		opi_vfio_mig_end_stream(ov);
		return ERR_PTR(opi_vf_mig_set(ov->core.pdev, card));

	default:
		WARN_ON_ONCE(1);
		return ERR_PTR(-EINVAL);
	}
}

/* An arc, and what follows if it leads nowhere. */
static struct file *opi_vfio_mig_step(struct opi_vfio *ov,
				      enum vfio_device_mig_state to)
{
	struct opi_mig_info info;
	struct file *file;
	int err;

	/* Who cannot be asked has not been told anything, either. */
	err = opi_vfio_mig_look(ov, &info);
	if (err && err != -ESTALE)
		return ERR_PTR(err);

	file = err ? ERR_PTR(err) : opi_vfio_mig_arc(ov, to, &info);
	if (!IS_ERR(file)) {
		ov->state = to;
		return file;
	}
	if (opi_vfio_mig_look(ov, &info)) {
		dev_warn_ratelimited(&ov->core.pdev->dev,
				     "no way from %s to %s: %pe, a reset helps\n",
				     opi_vfio_states[ov->state],
				     opi_vfio_states[to], file);
		opi_vfio_mig_fail(ov);
	}
	return file;
}

static struct file *opi_vfio_mig_set_state(struct vfio_device *vdev,
					   enum vfio_device_mig_state new_state)
{
	struct opi_vfio *ov = to_opi_vfio(vdev);
	enum vfio_device_mig_state next;
	struct file *file = NULL;
	int err;

	mutex_lock(&ov->state_lock);
	while (ov->state != new_state && !IS_ERR(file)) {
		/* Only a reset leads out of it. */
		if (ov->state == VFIO_DEVICE_STATE_ERROR) {
			file = ERR_PTR(-EIO);
			break;
		}
		err = vfio_mig_get_next_state(vdev, ov->state, new_state,
					      &next);
		if (err) {
			file = ERR_PTR(err);
			break;
		}
		/* Only the last arc has a file to give. */
		if (WARN_ON(file)) {
			fput(file);
			file = ERR_PTR(-EINVAL);
			break;
		}
		file = opi_vfio_mig_step(ov, next);
	}
	mutex_unlock(&ov->state_lock);
	return file;
}

static int opi_vfio_mig_get_state(struct vfio_device *vdev,
				  enum vfio_device_mig_state *state)
{
	struct opi_vfio *ov = to_opi_vfio(vdev);

	mutex_lock(&ov->state_lock);
	*state = ov->state;
	mutex_unlock(&ov->state_lock);
	return 0;
}

static int opi_vfio_mig_get_data_size(struct vfio_device *vdev,
				      unsigned long *length)
{
	struct opi_vfio *ov = to_opi_vfio(vdev);
	struct opi_mig_info info;
	int size;

	size = opi_vf_mig_get(ov->core.pdev, &info);
	if (!size)
		size = opi_vfio_mig_size(info.stream_size);
	if (size < 0)
		return size;
	*length = size;
	return 0;
}

const struct vfio_migration_ops opi_vfio_mig_ops = {
	.migration_set_state	= opi_vfio_mig_set_state,
	.migration_get_state	= opi_vfio_mig_get_state,
	.migration_get_data_size = opi_vfio_mig_get_data_size,
};
