// SPDX-License-Identifier: GPL-2.0
/*
 * Compiles if the namespace of a symbol is an identifier and not a string.
 */
#include <linux/module.h>

MODULE_IMPORT_NS(IOMMUFD);
