/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What only sysfs knows of a device.
 */
#ifndef OPITOOL_SYSFS_H
#define OPITOOL_SYSFS_H

#include "parse.h"

/* Name of the driver of a device; "" if there is none that fits. */
void sysfs_driver(const struct handle *handle, char *buf, size_t size);
/* The PCI device to which an auxiliary device belongs; false: unknown. */
bool sysfs_pci_parent(const struct handle *handle, struct handle *parent);

#endif /* OPITOOL_SYSFS_H */
