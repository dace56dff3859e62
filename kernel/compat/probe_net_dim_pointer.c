// SPDX-License-Identifier: GPL-2.0
/*
 * Compiles if net_dim() takes a pointer to the sample and not the sample.
 */
#include <linux/dim.h>

void probe(struct dim *dim, const struct dim_sample *sample);

void probe(struct dim *dim, const struct dim_sample *sample)
{
	net_dim(dim, sample);
}
