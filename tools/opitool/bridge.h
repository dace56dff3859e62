/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A netdev as a port of a bridge: what can be read of it, and made so of another
 * one.
 */
#ifndef OPITOOL_BRIDGE_H
#define OPITOOL_BRIDGE_H

#include <linux/if_link.h>

#include "opitool.h"
#include "sock.h"

#define BRPORT_VLANS	4096

/* A value of a bridge port's settings; none is longer. */
struct brport_value {
	uint8_t len;
	unsigned char data[8];
};

/* A static entry of the forwarding database. */
struct brport_fdb {
	unsigned char addr[6];
	uint16_t vlan;
	uint8_t flags;
};

/**
 * struct brport - a netdev, and what a bridge knows of it as a port
 * @ifindex:	the netdev
 * @master:	ifindex of what it is enslaved to, 0: nothing
 * @mtu:	of the netdev
 * @up:		it is
 * @kind:	of @master
 * @value:	settings of the port, by IFLA_BRPORT_*, as far as they can be set
 * @vlan:	BRIDGE_VLAN_INFO_* of each VLAN that it is in, and VLAN_THERE
 * @fdb:	struct brport_fdb
 */
struct brport {
	uint32_t ifindex;
	uint32_t master;
	uint32_t mtu;
	bool up;
	char kind[16];
	struct brport_value value[IFLA_BRPORT_MAX + 1];
	uint16_t vlan[BRPORT_VLANS];
	struct list fdb;
};

#define VLAN_THERE	0x8000

/* They return 0 or -errno; @route says why. */
int brport_read(struct conn *route, uint32_t ifindex, struct brport *port);
/* Make @ifindex what @want is. */
int brport_make(struct conn *route, uint32_t ifindex,
		const struct brport *want);
/* Likewise, but an entry of @had that is refused does not keep others away. */
int brport_restore(struct conn *route, uint32_t ifindex,
		   const struct brport *had);
void brport_free(struct brport *port);

#endif /* OPITOOL_BRIDGE_H */
