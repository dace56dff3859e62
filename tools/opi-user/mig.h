/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * Moving a function to another one, and the log of what it writes.
 */
#ifndef OPI_USER_MIG_H
#define OPI_USER_MIG_H

#include <netinet/in.h>

#include "dev.h"

/**
 * struct mig_cost - what a move has cost
 * @us:		all of it
 * @stopped_us:	from before the source was stopped until the destination ran
 * @bytes:	of the stream
 * @stopped_bytes: of these, those that were read while it was stopped
 */
struct mig_cost {
	int64_t	us;
	int64_t	stopped_us;
	size_t	bytes;
	size_t	stopped_bytes;
};

int mig_info(struct dev *d);
int mig_set(struct dev *d, int n, char **states);
int mig_pairs(struct dev *d);
int mig_save(struct dev *d, const char *path);
int mig_load(struct dev *d, const char *path);
int mig_move(struct dev *from, struct dev *to, struct mig_cost *cost);
int mig_dirty(struct dev *d, struct in_addr ip, struct in_addr peer);
int mig_log(struct dev *d, struct in_addr ip, struct in_addr peer, unsigned long mib);

#endif /* OPI_USER_MIG_H */
