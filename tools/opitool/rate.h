/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rate of a port, as devlink-rate(8) has it.
 */
#ifndef OPITOOL_RATE_H
#define OPITOOL_RATE_H

#include "inventory.h"

#define RATE_NAME	64

/**
 * struct rate - of a leaf; what was never set is 0
 * @share:	bytes a second before others get more
 * @max:	bytes a second at most
 * @priority:	among others
 * @weight:	likewise
 * @parent:	node above it, "" if there is none
 */
struct rate {
	uint64_t share, max;
	uint32_t priority, weight;
	char parent[RATE_NAME];
};

/*
 * Both return 0 or -errno; inv->genl says why.  A port without rates has one of
 * which nothing was set.
 */
int rate_read(struct inventory *inv, const struct function *fn,
	      struct rate *rate);
int rate_set(struct inventory *inv, const struct function *fn,
	     const struct rate *now, const struct rate *want);

bool rate_is_set(const struct rate *rate);

#endif /* OPITOOL_RATE_H */
