/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tc filters at ingress and egress of a netdev: read as the kernel tells
 * them, and given to another one.
 */
#ifndef OPITOOL_FILTERS_H
#define OPITOOL_FILTERS_H

#include "opitool.h"
#include "sock.h"

/**
 * struct filters - what a netdev has
 * @ifindex:	the netdev
 * @kind:	of the queueing discipline that has them, clsact or ingress; ""
 *		if there is none
 * @block:	shared blocks that it is bound to, at ingress and egress; 0: none
 * @all:	struct nl_msg *: requests that make them
 * @why:	what of them cannot be made anew; "" if all can
 */
struct filters {
	uint32_t ifindex;
	char kind[16];
	uint32_t block[2];
	struct list all;
	char why[96];
};

/* All return 0 or -errno; @route says why. */
int filters_read(struct conn *route, uint32_t ifindex, struct filters *f);
/* Give @ifindex, which has no such discipline if @whole, what @f has. */
int filters_make(struct conn *route, uint32_t ifindex, const struct filters *f,
		 bool whole);
/* Take all from @ifindex, and the discipline. */
int filters_drop(struct conn *route, uint32_t ifindex, const struct filters *f);
void filters_free(struct filters *f);

#endif /* OPITOOL_FILTERS_H */
