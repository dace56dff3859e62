/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of QEMU's own interfaces that differ between the releases that the card
 * is built with (10.0 and later).  Nothing else checks a version.
 */
#ifndef HW_OPI_COMPAT_H
#define HW_OPI_COMPAT_H

#if QEMU_VERSION_MAJOR < 11
#include "hw/qdev-core.h"
#include "hw/qdev-properties.h"
#include "hw/qdev-properties-system.h"
#else
#include "hw/core/qdev.h"
#include "hw/core/qdev-properties.h"
#include "hw/core/qdev-properties-system.h"
#endif

#if QEMU_VERSION_MAJOR > 10 || QEMU_VERSION_MINOR >= 1
#include "system/address-spaces.h"
#include "system/memory.h"
#include "system/ramblock.h"
typedef const void OpiClassData;
#define OPI_INTERFACES (const InterfaceInfo[])
#else
#include "exec/address-spaces.h"
#include "exec/memory.h"
#include "exec/ramblock.h"
typedef void OpiClassData;
#define OPI_INTERFACES (InterfaceInfo[])
#endif

#if QEMU_VERSION_MAJOR > 10 || QEMU_VERSION_MINOR >= 2
typedef CharFrontend OpiChr;
#else
typedef CharBackend OpiChr;
#endif

#endif
