/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the kernels that the modules build for; the only place
 * with conditional compilation.  The macros come from Kbuild.probes.
 */
#ifndef _OPI_COMPAT_H
#define _OPI_COMPAT_H

#include <linux/dim.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <net/devlink.h>

/* A health reporter without a grace period: each failure is worth a recovery. */
static inline struct devlink_health_reporter *
opi_compat_health_create(struct devlink *devlink,
			 const struct devlink_health_reporter_ops *ops,
			 void *priv)
{
#ifdef OPI_HAVE_HEALTH_OPS_PERIOD
	return devl_health_reporter_create(devlink, ops, priv);
#else
	return devl_health_reporter_create(devlink, ops, 0, priv);
#endif
}

static inline void opi_compat_net_dim(struct dim *dim,
				      const struct dim_sample *sample)
{
#ifdef OPI_HAVE_NET_DIM_POINTER
	net_dim(dim, sample);
#else
	net_dim(dim, *sample);
#endif
}

/* The namespace of what iommufd exports, where VFIO's bitmaps are too. */
#ifdef OPI_HAVE_NS_IDENTIFIER
#define OPI_COMPAT_IMPORT_IOMMUFD	MODULE_IMPORT_NS(IOMMUFD)
#else
#define OPI_COMPAT_IMPORT_IOMMUFD	MODULE_IMPORT_NS("IOMMUFD")
#endif

#endif /* _OPI_COMPAT_H */
