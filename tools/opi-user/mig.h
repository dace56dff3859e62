/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * Moving a function to another one, and the log of what it writes.
 */
#ifndef OPI_USER_MIG_H
#define OPI_USER_MIG_H

#include <netinet/in.h>

#include "dev.h"

int mig_info(struct dev *d);
int mig_set(struct dev *d, int n, char **states);
int mig_pairs(struct dev *d);
int mig_save(struct dev *d, const char *path);
int mig_load(struct dev *d, const char *path);
int mig_move(struct dev *from, struct dev *to);
int mig_dirty(struct dev *d, struct in_addr ip, struct in_addr peer);

#endif /* OPI_USER_MIG_H */
