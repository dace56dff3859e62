// SPDX-License-Identifier: GPL-2.0
/*
 * sysfs.h by means of links: that of a driver, and the path of a device.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sysfs.h"

/* Where the link of a device leads; the caller frees it.  NULL: nowhere. */
static char *follow(const struct handle *handle, const char *link)
{
	char path[sizeof("/sys/bus//devices/") + sizeof(*handle) + 16];

	/* A name that the kernel would not give. */
	if (strchr(handle->bus, '/') || strchr(handle->dev, '/'))
		return NULL;
	snprintf(path, sizeof(path), "/sys/bus/%s/devices/%s%s", handle->bus,
		 handle->dev, link);
	return realpath(path, NULL);
}

void sysfs_driver(const struct handle *handle, char *buf, size_t size)
{
	char *path = follow(handle, "/driver");
	const char *name = path ? strrchr(path, '/') + 1 : "";

	*buf = '\0';
	if (strlen(name) < size)
		strcpy(buf, name);
	free(path);
}

/* 0000:01:00.0 */
static bool is_pci_name(const char *name)
{
	static const char like[] = "xxxx:xx:xx.x";
	size_t i;

	for (i = 0; like[i]; i++)
		if (like[i] == 'x' ? !strchr("0123456789abcdef", name[i]) ||
				     !name[i] : name[i] != like[i])
			return false;
	return !name[i];
}

bool sysfs_pci_parent(const struct handle *handle, struct handle *parent)
{
	char *path = follow(handle, ""), *name;
	bool found = false;

	if (!path)
		return false;
	/* An auxiliary device may stand below another one. */
	while (!found && (name = strrchr(path, '/'))) {
		found = is_pci_name(name + 1);
		if (found) {
			strcpy(parent->bus, "pci");
			strcpy(parent->dev, name + 1);
		}
		*name = '\0';
	}
	free(path);
	return found;
}
