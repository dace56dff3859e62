/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The way to the kernel: a socket for requests and sockets for events.
 *
 * Everything above sees whole netlink messages and errno values.  What is in
 * the messages is for parse.h.  (The tests replace this file by one that plays
 * the kernel.)
 */
#ifndef OPITOOL_SOCK_H
#define OPITOOL_SOCK_H

#include <linux/netlink.h>

struct nl_msg;

/*
 * Takes a message of an answer or an event; a negative value ends the reading
 * and is handed on.
 */
typedef int (*msg_fn)(struct nlmsghdr *nlh, void *arg);

/* Requests.  NETLINK_GENERIC or NETLINK_ROUTE; -errno if there is no such. */
struct conn;

int conn_open(struct conn **conn, int protocol);
void conn_close(struct conn *conn);

/* Ids of a family and of its group; -ENOENT if it is not there. */
int conn_family(struct conn *conn, const char *family);
int conn_group(struct conn *conn, const char *family, const char *group);

/*
 * Send @msg (and free it), hand each message of the answer to @fn, unless that is
 * NULL.  Returns 0,
 * the kernel's -errno, what @fn returned, -EAGAIN if a dump was inconsistent
 * and is to be made again.
 */
int conn_request(struct conn *conn, struct nl_msg *msg, msg_fn fn, void *arg);

/* What the kernel said with the last error; "" if nothing. */
const char *conn_why(const struct conn *conn);

/* Events.  Joining a group twice is no error. */
struct watch;

int watch_open(struct watch **watch, int protocol);
void watch_close(struct watch *watch);
int watch_join(struct watch *watch, int group);
int watch_fd(const struct watch *watch);

/*
 * Hand what has come to @fn.  Returns 0 when there is no more, -ENOBUFS when
 * the kernel had to drop some, or another error.
 */
int watch_read(struct watch *watch, msg_fn fn, void *arg);

#endif /* OPITOOL_SOCK_H */
