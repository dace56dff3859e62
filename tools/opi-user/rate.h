/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * As many frames as it goes.
 */
#ifndef OPI_USER_RATE_H
#define OPI_USER_RATE_H

#include <stddef.h>

#include "dev.h"

#define RATE_MIN_FRAME	60

int rate_send(struct dev *d, const uint8_t *mac, int ms, size_t size);
int rate_recv(struct dev *d, int ms);

#endif /* OPI_USER_RATE_H */
