/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What there is: DPUs, their functions and ports, and the netdevs of those,
 * asked of the kernel at one time.  What is done with it is for the verbs.
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
 * @functions:	struct function
 * @ports:	struct port, of all devices that have some
 * @links:	struct link
 */
struct inventory {
	struct conn *genl;
	struct conn *route;
	int opi;
	int devlink;
	struct list dpus;
	struct list functions;
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
int inventory_get_functions(struct inventory *inv);
int inventory_get_ports(struct inventory *inv);
int inventory_get_links(struct inventory *inv);

struct dpu *inventory_find_dpu(struct inventory *inv,
			       const struct handle *handle);
struct function *inventory_find_function(struct inventory *inv,
					 const struct handle *handle,
					 uint32_t id);
const struct link *inventory_find_link(const struct inventory *inv,
				       uint32_t ifindex);

/* Find out to which device a port belongs. */
void inventory_own_port(struct port *port);
void inventory_add_link(struct inventory *inv, const struct link *link);

/* A function and its devlink port belong together by its index; NULL: none. */
const struct function *inventory_function_of(const struct inventory *inv,
					     const struct port *port);
const struct port *inventory_port_of(const struct inventory *inv,
				     const struct function *fn);

/*
 * Requests that change something.  A function is named in the family "opi",
 * a device in devlink; the rest is for the caller to put in.
 */
struct nl_msg *function_request(const struct inventory *inv, uint8_t cmd,
				const struct function *fn);
struct nl_msg *dpu_request(const struct inventory *inv, uint8_t cmd,
			   const struct dpu *dpu);
struct nl_msg *devlink_request(const struct inventory *inv, uint8_t cmd,
			       const struct handle *handle);
void must_put(int err);
/* Say what could not be done and why; returns an exit code. */
int request_failed(const struct conn *conn, const char *what, int err);

/* Say how a family that is not there comes to be. */
void say_no_opi(void);
void say_no_devlink(void);

/* Show one; the object is open already. */
void show_dpu(struct out *out, const struct dpu *dpu);
void show_function(struct out *out, const struct function *fn,
		   const struct port *port);
void show_port(struct out *out, const struct port *port,
	       const struct link *link, const struct function *fn);

#endif /* OPITOOL_INVENTORY_H */
