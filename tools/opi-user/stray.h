/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * Addresses that the function cannot reach, on purpose.
 */
#ifndef OPI_USER_STRAY_H
#define OPI_USER_STRAY_H

#include "dev.h"

int stray(struct dev *d, const char *what, uint64_t iova, int ms);
void stray_list(void);

#endif /* OPI_USER_STRAY_H */
