/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * As little of IPv4 as it takes to exchange packets with a real peer: ARP and
 * echo (ping), without fragments and options.
 */
#ifndef OPI_USER_NET_H
#define OPI_USER_NET_H

#include <netinet/in.h>
#include <stddef.h>

#include "dev.h"

#define NET_MAX_ECHO	1400	/* bytes of an echo's data */

/**
 * struct net - our end
 * @d:		the function
 * @ip:		our address
 * @arps:	ARP requests that were answered
 * @echoes:	echo requests that were answered
 */
struct net {
	struct dev	*d;
	struct in_addr	ip;
	unsigned long	arps;
	unsigned long	echoes;
};

int net_answer(struct net *n, int ms);
int net_ping(struct net *n, struct in_addr peer, unsigned int count, size_t size,
	     int ms, unsigned int *right);

#endif /* OPI_USER_NET_H */
