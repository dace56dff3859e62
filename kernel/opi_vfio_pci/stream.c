// SPDX-License-Identifier: GPL-2.0
/*
 * Data files: what a process reads of a function that it moves away, and writes to
 * one that it moves to.  The bytes are the card's (device-interface.rst, "The
 * stream"); a source's are read from the card when they can be, a destination's
 * are given to it at once, so that it refuses what does not fit in time.
 *
 * A file outlives what it is for, and the device; it is told so by
 * opi_vfio_stream_end().
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "opi_vfio_pci.h"

#define OPI_STREAM_CHUNK	min_t(size_t, PAGE_SIZE, OPI_CMD_BUF_MAX)

/**
 * struct opi_vfio_stream - a data file
 * @file:	the file; the driver and the process have a reference each
 * @lock:	guards what follows; no memory of a process is touched under it
 * @ov:		the function, or NULL at the end
 * @precopy:	source: more can be read later
 * @data:	source: what can be read
 * @len:	source: bytes of it
 * @pos:	bytes that were read or written
 */
struct opi_vfio_stream {
	struct file	*file;
	struct mutex	lock;		/* all that follows */
	struct opi_vfio	*ov;
	bool		precopy;
	u8		*data;
	size_t		len;
	size_t		pos;
};

/* Copy what comes next; bytes, 0 at the end. */
static ssize_t opi_stream_peek(struct opi_vfio_stream *stream, void *chunk,
			       size_t size, size_t *pos)
{
	ssize_t n = -ENODEV;

	mutex_lock(&stream->lock);
	if (stream->ov) {
		n = min(size, stream->len - stream->pos);
		memcpy(chunk, stream->data + stream->pos, n);
		*pos = stream->pos;
		/* The end for now: see VFIO_DEVICE_STATE_PRE_COPY. */
		if (!n && stream->precopy)
			n = -ENOMSG;
	}
	mutex_unlock(&stream->lock);
	return n;
}

/* It has been delivered, unless somebody else was faster. */
static void opi_stream_advance(struct opi_vfio_stream *stream, size_t from,
			       size_t n)
{
	mutex_lock(&stream->lock);
	if (stream->pos == from)
		stream->pos += n;
	mutex_unlock(&stream->lock);
}

static ssize_t opi_stream_read(struct file *file, char __user *buf, size_t len,
			       loff_t *ppos)
{
	struct opi_vfio_stream *stream = file->private_data;
	size_t pos, done = 0;
	void *chunk;
	ssize_t n;

	if (ppos)
		return -ESPIPE;
	chunk = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!chunk)
		return -ENOMEM;
	for (n = 0; done < len; done += n) {
		n = opi_stream_peek(stream, chunk, min(len - done, PAGE_SIZE),
				    &pos);
		if (n <= 0)
			break;
		if (copy_to_user(buf + done, chunk, n)) {
			n = -EFAULT;
			break;
		}
		opi_stream_advance(stream, pos, n);
	}
	free_page((unsigned long)chunk);
	return done ?: n;
}

/* Give the card the next bytes. */
static int opi_stream_load(struct opi_vfio_stream *stream, const void *chunk,
			   size_t size)
{
	int err = -ENODEV;

	mutex_lock(&stream->lock);
	if (stream->ov)
		err = opi_vf_mig_load(stream->ov->core.pdev, stream->pos, chunk,
				      size);
	if (!err)
		stream->pos += size;
	mutex_unlock(&stream->lock);
	return err;
}

static ssize_t opi_stream_write(struct file *file, const char __user *buf,
				size_t len, loff_t *ppos)
{
	struct opi_vfio_stream *stream = file->private_data;
	size_t n, done = 0;
	void *chunk;
	int err = 0;

	if (ppos)
		return -ESPIPE;
	chunk = (void *)__get_free_page(GFP_KERNEL_ACCOUNT);
	if (!chunk)
		return -ENOMEM;
	for (; done < len; done += n) {
		n = min(len - done, OPI_STREAM_CHUNK);
		if (copy_from_user(chunk, buf + done, n))
			err = -EFAULT;
		else
			err = opi_stream_load(stream, chunk, n);
		if (err)
			break;
	}
	free_page((unsigned long)chunk);
	return done ?: err;
}

/* VFIO_MIG_GET_PRECOPY_INFO: nothing that can be read now ever changes. */
static long opi_stream_ioctl(struct file *file, unsigned int cmd,
			     unsigned long arg)
{
	size_t minsz = offsetofend(struct vfio_precopy_info, dirty_bytes);
	struct opi_vfio_stream *stream = file->private_data;
	void __user *uarg = (void __user *)arg;
	struct vfio_precopy_info info = {};
	int err = 0;

	if (cmd != VFIO_MIG_GET_PRECOPY_INFO)
		return -ENOTTY;
	if (copy_from_user(&info, uarg, minsz))
		return -EFAULT;
	if (info.argsz < minsz)
		return -EINVAL;

	mutex_lock(&stream->lock);
	if (!stream->ov)
		err = -ENODEV;
	else if (!stream->precopy)
		err = -EINVAL;
	info.flags = 0;
	info.initial_bytes = stream->len - stream->pos;
	info.dirty_bytes = 0;
	mutex_unlock(&stream->lock);

	if (err)
		return err;
	return copy_to_user(uarg, &info, minsz) ? -EFAULT : 0;
}

static int opi_stream_release(struct inode *inode, struct file *file)
{
	struct opi_vfio_stream *stream = file->private_data;

	mutex_destroy(&stream->lock);
	kvfree(stream->data);
	kfree(stream);
	return 0;
}

static const struct file_operations opi_save_fops = {
	.owner		= THIS_MODULE,
	.read		= opi_stream_read,
	.unlocked_ioctl	= opi_stream_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.release	= opi_stream_release,
};

static const struct file_operations opi_resume_fops = {
	.owner		= THIS_MODULE,
	.write		= opi_stream_write,
	.release	= opi_stream_release,
};

static struct opi_vfio_stream *
opi_stream_new(struct opi_vfio *ov, const struct file_operations *fops,
	       int flags)
{
	struct opi_vfio_stream *stream;

	stream = kzalloc(sizeof(*stream), GFP_KERNEL_ACCOUNT);
	if (!stream)
		return ERR_PTR(-ENOMEM);
	mutex_init(&stream->lock);
	stream->ov = ov;
	stream->file = anon_inode_getfile("opi_vfio_mig", fops, stream, flags);
	if (IS_ERR(stream->file)) {
		int err = PTR_ERR(stream->file);

		kfree(stream);
		return ERR_PTR(err);
	}
	stream_open(stream->file->f_inode, stream->file);
	return stream;
}

/* Read from the card until there are @size bytes. */
static int opi_stream_fill(struct opi_vfio_stream *stream, u8 *data,
			   size_t size)
{
	size_t len = stream->len;

	while (len < size) {
		size_t want = min_t(size_t, size - len, OPI_CMD_BUF_MAX);
		int n = opi_vf_mig_save(stream->ov->core.pdev, len, data + len,
					want);

		if (n < 0)
			return n;
		/* A card that gives it by the byte would keep us for hours. */
		if (n != want)
			return -EPROTO;
		len += n;
	}
	return 0;
}

/**
 * opi_vfio_save - open the data file of a source
 * @ov:		the function
 * @size:	bytes of its stream that can be read now
 *
 * Context: state_lock held.
 * Return: the file, which ends for now behind @size bytes, or an error.
 */
struct opi_vfio_stream *opi_vfio_save(struct opi_vfio *ov, size_t size)
{
	struct opi_vfio_stream *stream;
	int err;

	stream = opi_stream_new(ov, &opi_save_fops, O_RDONLY);
	if (IS_ERR(stream))
		return stream;
	err = opi_vfio_save_more(stream, size);
	if (err) {
		opi_vfio_stream_end(stream);
		return ERR_PTR(err);
	}
	stream->precopy = true;
	return stream;
}

/**
 * opi_vfio_save_more - the function has stopped, all of its stream can be read
 * @stream:	the file
 * @size:	bytes of the stream
 *
 * What was read is the beginning of it.
 *
 * Context: state_lock held.
 * Return: 0 or a negative errno; nothing has changed then.
 */
int opi_vfio_save_more(struct opi_vfio_stream *stream, size_t size)
{
	u8 *data, *old;
	int err;

	if (size < stream->len)
		return -EPROTO;
	data = kvzalloc(size, GFP_KERNEL_ACCOUNT);
	if (!data)
		return -ENOMEM;
	if (stream->len)
		memcpy(data, stream->data, stream->len);
	err = opi_stream_fill(stream, data, size);
	if (err) {
		kvfree(data);
		return err;
	}

	mutex_lock(&stream->lock);
	old = stream->data;
	stream->data = data;
	stream->len = size;
	stream->precopy = false;
	mutex_unlock(&stream->lock);
	kvfree(old);
	return 0;
}

/**
 * opi_vfio_resume - open the data file of a destination
 * @ov:		the function
 *
 * Context: state_lock held.
 * Return: the file or an error.
 */
struct opi_vfio_stream *opi_vfio_resume(struct opi_vfio *ov)
{
	return opi_stream_new(ov, &opi_resume_fops, O_WRONLY);
}

/**
 * opi_vfio_stream_file - the file, for the process
 * @stream:	the file
 *
 * Return: the file, with a reference.
 */
struct file *opi_vfio_stream_file(struct opi_vfio_stream *stream)
{
	return get_file(stream->file);
}

/**
 * opi_vfio_stream_end - nothing more can be read or written
 * @stream:	the file; it may be gone then
 *
 * Context: state_lock held.
 */
void opi_vfio_stream_end(struct opi_vfio_stream *stream)
{
	mutex_lock(&stream->lock);
	stream->ov = NULL;
	mutex_unlock(&stream->lock);
	fput(stream->file);
}
