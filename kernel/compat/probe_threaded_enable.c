// SPDX-License-Identifier: GPL-2.0
/*
 * Compiles if threaded NAPI is asked for by a function of its own.
 */
#include <linux/netdevice.h>

void probe(struct net_device *dev);

void probe(struct net_device *dev)
{
	netif_threaded_enable(dev);
}
