// SPDX-License-Identifier: GPL-2.0
/*
 * sock.h by means of libnl: whole messages in, errno values out, and what the
 * kernel says in words (extended acknowledgements), which libnl does not keep.
 */
#include <errno.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "sock.h"

/* Room for events that come while a dump is read. */
#define WATCH_BUFFER	(1 << 20)

struct conn {
	struct nl_sock *sk;
	bool done;		/* the answer has ended */
	int err;		/* as the kernel gave it */
	char why[256];
};

struct watch {
	struct nl_sock *sk;
	msg_fn fn;
	void *arg;
	int ret;
};

/* libnl's own errors; those of the kernel never come through here. */
static int nl_errno(int err)
{
	switch (-err) {
	case NLE_SUCCESS:
		return 0;
	case NLE_INTR:
		return -EINTR;
	case NLE_AGAIN:
	case NLE_DUMP_INTR:
		return -EAGAIN;
	case NLE_OBJ_NOTFOUND:
	case NLE_MISSING_ATTR:
		return -ENOENT;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_PROTO_MISMATCH:
	case NLE_AF_NOSUPPORT:
	case NLE_OPNOTSUPP:
		return -EPROTONOSUPPORT;
	default:
		return -EIO;
	}
}

static int sock_open(struct nl_sock **sk, int protocol)
{
	int err;

	*sk = nl_socket_alloc();
	if (!*sk)
		return -ENOMEM;
	err = nl_errno(nl_connect(*sk, protocol));
	if (err) {
		nl_socket_free(*sk);
		*sk = NULL;
	}
	return err;
}

int conn_open(struct conn **conn, int protocol)
{
	struct conn *c = calloc(1, sizeof(*c));
	int err, on = 1;

	if (!c)
		return -ENOMEM;
	err = sock_open(&c->sk, protocol);
	if (err) {
		free(c);
		return err;
	}
	/* Older kernels without these say less, that is all. */
	setsockopt(nl_socket_get_fd(c->sk), SOL_NETLINK, NETLINK_EXT_ACK, &on,
		   sizeof(on));
	setsockopt(nl_socket_get_fd(c->sk), SOL_NETLINK, NETLINK_CAP_ACK, &on,
		   sizeof(on));
	*conn = c;
	return 0;
}

void conn_close(struct conn *conn)
{
	if (conn) {
		nl_socket_free(conn->sk);
		free(conn);
	}
}

int conn_family(struct conn *conn, const char *family)
{
	int id = genl_ctrl_resolve(conn->sk, family);

	return id < 0 ? nl_errno(id) : id;
}

int conn_group(struct conn *conn, const char *family, const char *group)
{
	int id = genl_ctrl_resolve_grp(conn->sk, family, group);

	return id < 0 ? nl_errno(id) : id;
}

const char *conn_why(const struct conn *conn)
{
	return conn->why;
}

/* The words stand in attributes behind the error and what it quotes. */
static void keep_why(struct conn *conn, struct nlmsghdr *nlh)
{
	struct nlmsgerr *e = nlmsg_data(nlh);
	int skip = sizeof(*e), len = nlmsg_datalen(nlh);
	struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS) || len < skip)
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED)) {
		if (e->msg.nlmsg_len < NLMSG_HDRLEN ||
		    e->msg.nlmsg_len > (uint32_t)len)
			return;
		skip += NLMSG_ALIGN(e->msg.nlmsg_len) - NLMSG_HDRLEN;
	}
	if (len <= skip)
		return;
	attr = nla_find((struct nlattr *)((char *)e + skip), len - skip,
			NLMSGERR_ATTR_MSG);
	if (attr)
		snprintf(conn->why, sizeof(conn->why), "%.*s",
			 nla_len(attr), (char *)nla_data(attr));
}

static int on_error(struct sockaddr_nl *from, struct nlmsgerr *e, void *arg)
{
	struct conn *conn = arg;

	(void)from;
	conn->done = true;
	conn->err = e->error;
	keep_why(conn, (struct nlmsghdr *)((char *)e - NLMSG_HDRLEN));
	return NL_STOP;
}

/* The end of a dump carries an error number as well. */
static int on_finish(struct nl_msg *msg, void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	struct conn *conn = arg;

	conn->done = true;
	if (nlmsg_valid_hdr(nlh, sizeof(int))) {
		int err;

		memcpy(&err, nlmsg_data(nlh), sizeof(err));
		if (err < 0)
			conn->err = err;
	}
	return NL_STOP;
}

static int on_ack(struct nl_msg *msg, void *arg)
{
	struct conn *conn = arg;

	(void)msg;
	conn->done = true;
	return NL_STOP;
}

struct taker {
	msg_fn fn;
	void *arg;
	int ret;
};

static int on_valid(struct nl_msg *msg, void *arg)
{
	struct taker *taker = arg;

	/* The rest of the answer is read all the same. */
	if (taker->fn && !taker->ret)
		taker->ret = taker->fn(nlmsg_hdr(msg), taker->arg);
	return NL_OK;
}

int conn_request(struct conn *conn, struct nl_msg *msg, msg_fn fn, void *arg)
{
	struct taker taker = { .fn = fn, .arg = arg };
	struct nl_cb *cb = nl_cb_alloc(NL_CB_DEFAULT);
	int err;

	conn->done = false;
	conn->err = 0;
	conn->why[0] = '\0';
	if (!cb) {
		nlmsg_free(msg);
		return -ENOMEM;
	}
	nl_cb_set(cb, NL_CB_VALID, NL_CB_CUSTOM, on_valid, &taker);
	nl_cb_set(cb, NL_CB_FINISH, NL_CB_CUSTOM, on_finish, conn);
	nl_cb_set(cb, NL_CB_ACK, NL_CB_CUSTOM, on_ack, conn);
	nl_cb_err(cb, NL_CB_CUSTOM, on_error, conn);

	/* Asks for an acknowledgement: a single answer has no other end. */
	err = nl_send_auto(conn->sk, msg);
	nlmsg_free(msg);
	while (err >= 0 && !conn->done) {
		do {
			err = nl_recvmsgs(conn->sk, cb);
		} while (err == -NLE_INTR);
	}
	nl_cb_put(cb);

	if (conn->err)
		return conn->err;
	if (taker.ret)
		return taker.ret;
	return err < 0 ? nl_errno(err) : 0;
}

/* ---- events ------------------------------------------------------------ */

static int on_event(struct nl_msg *msg, void *arg)
{
	struct watch *watch = arg;

	if (!watch->ret)
		watch->ret = watch->fn(nlmsg_hdr(msg), watch->arg);
	return NL_OK;
}

int watch_open(struct watch **watch, int protocol)
{
	struct watch *w = calloc(1, sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	err = sock_open(&w->sk, protocol);
	if (err) {
		free(w);
		return err;
	}
	/* Events answer no request. */
	nl_socket_disable_seq_check(w->sk);
	nl_socket_modify_cb(w->sk, NL_CB_VALID, NL_CB_CUSTOM, on_event, w);
	nl_socket_set_nonblocking(w->sk);
	/* More than the system allows is cut to that. */
	nl_socket_set_buffer_size(w->sk, WATCH_BUFFER, 0);
	*watch = w;
	return 0;
}

void watch_close(struct watch *watch)
{
	if (watch) {
		nl_socket_free(watch->sk);
		free(watch);
	}
}

int watch_join(struct watch *watch, int group)
{
	return nl_errno(nl_socket_add_membership(watch->sk, group));
}

int watch_fd(const struct watch *watch)
{
	return nl_socket_get_fd(watch->sk);
}

int watch_read(struct watch *watch, msg_fn fn, void *arg)
{
	int err;

	watch->fn = fn;
	watch->arg = arg;
	watch->ret = 0;
	do {
		err = nl_recvmsgs_default(watch->sk);
	} while ((err >= 0 || err == -NLE_INTR) && !watch->ret);

	if (watch->ret)
		return watch->ret;
	switch (err) {
	case -NLE_AGAIN:
		return 0;
	case -NLE_NOMEM:
		/* libnl's word for ENOBUFS. */
		return -ENOBUFS;
	default:
		return nl_errno(err);
	}
}
