/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What there is: DPUs, their ports, and the netdevs of those, asked of the
 * kernel at one time.  What is done with it is for the verbs.
 */
#ifndef OPITOOL_INVENTORY_H
#define OPITOOL_INVENTORY_H

#include "opitool.h"
#include "out.h"
#include "parse.h"
#include "sock.h"

/**
 * struct inventory - what was found
 * @genl:	for requests
 * @route:	likewise, opened when needed
 * @opi:	id of the family, or -errno
 * @devlink:	likewise
 * @dpus:	struct dpu
 * @ports:	struct port, of all devices that have some
 * @links:	struct link
 */
struct inventory {
	struct conn *genl;
	struct conn *route;
	int opi;
	int devlink;
	struct list dpus;
	struct list ports;
	struct list links;
};

/*
 * All return an exit code; what is not ST_OK has been said.  That a family is
 * not there is for the caller to judge.
 */
int inventory_open(struct inventory *inv);
void inventory_close(struct inventory *inv);
/* Ask anew which families there are. */
void inventory_families(struct inventory *inv);

int inventory_get_dpus(struct inventory *inv);
int inventory_get_ports(struct inventory *inv);
int inventory_get_links(struct inventory *inv);

struct dpu *inventory_find_dpu(struct inventory *inv,
			       const struct handle *handle);
const struct link *inventory_find_link(const struct inventory *inv,
				       uint32_t ifindex);

void inventory_add_link(struct inventory *inv, const struct link *link);

/* How a user names a device or a port of it. */
struct target {
	const char *text;	/* as given; NULL: none was */
	bool by_handle;		/* else by serial number */
	bool has_index;
	struct handle handle;
	uint32_t index;
};

/* False: @text can not be a name. */
bool target_parse(struct target *target, const char *text, bool port);
bool target_is_dpu(const struct target *target, const struct dpu *dpu);
bool target_is_port(const struct target *target, struct inventory *inv,
		    const struct port *port);

/* Say that a target was not found, or what is missing to look for it. */
int not_found(const struct inventory *inv, const struct target *target,
	      const char *what);
/* Say how a family that is not there comes to be. */
void say_no_opi(void);
void say_no_devlink(void);

/* Show one; the object is open already. */
void show_dpu(struct out *out, const struct dpu *dpu);
void show_port(struct out *out, const struct port *port,
	       const struct link *link);

#endif /* OPITOOL_INVENTORY_H */
