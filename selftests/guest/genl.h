/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Generic netlink by hand, for programs that must be able to say anything: messages,
 * their attributes, and a request with all that is answered.
 */
#ifndef GENL_H
#define GENL_H

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* ---- messages ---------------------------------------------------------- */

struct msg {
	union {
		struct nlmsghdr nlh;
		char buf[8192];
	};
};

static inline void msg_init(struct msg *m, uint16_t family, uint16_t flags, uint8_t cmd)
{
	struct genlmsghdr *g;

	memset(m, 0, sizeof(*m));
	m->nlh.nlmsg_type = family;
	m->nlh.nlmsg_flags = NLM_F_REQUEST | flags;
	m->nlh.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	g = NLMSG_DATA(&m->nlh);
	g->cmd = cmd;
	/* That of all families here. */
	g->version = 1;
}

static inline struct nlattr *msg_put(struct msg *m, uint16_t type, const void *data, size_t len)
{
	struct nlattr *a = (void *)(m->buf + NLMSG_ALIGN(m->nlh.nlmsg_len));

	a->nla_type = type;
	a->nla_len = NLA_HDRLEN + len;
	if (len)
		memcpy((char *)a + NLA_HDRLEN, data, len);
	m->nlh.nlmsg_len = NLMSG_ALIGN(m->nlh.nlmsg_len) + NLA_ALIGN(a->nla_len);
	return a;
}

static inline void msg_put_u8(struct msg *m, uint16_t type, uint8_t v) { msg_put(m, type, &v, sizeof(v)); }
static inline void msg_put_u16(struct msg *m, uint16_t type, uint16_t v) { msg_put(m, type, &v, sizeof(v)); }
static inline void msg_put_u32(struct msg *m, uint16_t type, uint32_t v) { msg_put(m, type, &v, sizeof(v)); }
static inline void msg_put_u64(struct msg *m, uint16_t type, uint64_t v) { msg_put(m, type, &v, sizeof(v)); }
static inline void msg_put_str(struct msg *m, uint16_t type, const char *s) { msg_put(m, type, s, strlen(s) + 1); }

/* What is put after this is in the attribute, until msg_nest_end(). */
static inline struct nlattr *msg_nest(struct msg *m, uint16_t type)
{
	return msg_put(m, type | NLA_F_NESTED, NULL, 0);
}

static inline void msg_nest_end(struct msg *m, struct nlattr *a)
{
	a->nla_len = m->buf + m->nlh.nlmsg_len - (char *)a;
}

/* Attributes by type; later ones win. */
static inline void parse(const char *from, size_t len, const struct nlattr **tb, unsigned int max)
{
	memset(tb, 0, sizeof(*tb) * (max + 1));
	while (len >= NLA_HDRLEN) {
		const struct nlattr *a = (const void *)from;
		size_t step = NLA_ALIGN(a->nla_len);

		if (a->nla_len < NLA_HDRLEN || a->nla_len > len)
			return;
		if ((a->nla_type & NLA_TYPE_MASK) <= max)
			tb[a->nla_type & NLA_TYPE_MASK] = a;
		if (step >= len)
			return;
		from += step;
		len -= step;
	}
}

static inline size_t attr_len(const struct nlattr *a) { return a->nla_len - NLA_HDRLEN; }
static inline const char *attr_data(const struct nlattr *a) { return (const char *)a + NLA_HDRLEN; }

static inline uint32_t attr_u32(const struct nlattr *a)
{
	uint32_t v;

	memcpy(&v, attr_data(a), sizeof(v));
	return v;
}

static inline uint64_t attr_u64(const struct nlattr *a)
{
	uint64_t v;

	memcpy(&v, attr_data(a), sizeof(v));
	return v;
}

/* The attributes of a whole message. */
static inline void parse_msg(const struct nlmsghdr *nlh, const struct nlattr **tb, unsigned int max)
{
	parse((const char *)nlh + NLMSG_LENGTH(GENL_HDRLEN), nlh->nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN),
	      tb, max);
}

/* And of a nested attribute. */
static inline void parse_nest(const struct nlattr *a, const struct nlattr **tb, unsigned int max)
{
	parse(attr_data(a), attr_len(a), tb, max);
}

/* ---- a socket ---------------------------------------------------------- */

static inline int nl_open(void)
{
	struct sockaddr_nl sa = { .nl_family = AF_NETLINK };
	/* A driver that is busy may take its time. */
	struct timeval tv = { .tv_sec = 60 };
	int one = 1, fd;

	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* What the kernel said at the end of its answer. */
struct verdict {
	int error;			/* 0 or negative */
	char text[256];			/* its extended message */
};

static inline void take_error(const struct nlmsghdr *nlh, struct verdict *v)
{
	const struct nlmsgerr *e = NLMSG_DATA(nlh);
	const struct nlattr *tb[NLMSGERR_ATTR_MAX + 1];
	size_t skip = NLMSG_LENGTH(sizeof(*e));

	v->error = e->error;
	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		skip += NLMSG_ALIGN(e->msg.nlmsg_len) - sizeof(e->msg);
	if (nlh->nlmsg_len <= skip)
		return;
	parse((const char *)nlh + skip, nlh->nlmsg_len - skip, tb, NLMSGERR_ATTR_MAX);
	if (tb[NLMSGERR_ATTR_MSG])
		snprintf(v->text, sizeof(v->text), "%.*s", (int)attr_len(tb[NLMSGERR_ATTR_MSG]),
			 attr_data(tb[NLMSGERR_ATTR_MSG]));
}

typedef void (*take_fn)(const struct nlmsghdr *nlh, void *arg);

/*
 * Send, and hand to @take all that comes until the kernel says that it is done.
 * Not 0: there is no verdict.
 */
static inline int nl_talk(int fd, struct msg *m, struct verdict *v, take_fn take, void *arg)
{
	static char buf[65536];		/* a part of a dump */
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	static uint32_t seq;
	bool more = true;

	memset(v, 0, sizeof(*v));
	m->nlh.nlmsg_seq = ++seq;
	if (sendto(fd, m->buf, m->nlh.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
		return -errno;
	while (more) {
		ssize_t len = recv(fd, buf, sizeof(buf), 0);
		const struct nlmsghdr *nlh = (const void *)buf;

		if (len < 0)
			return -errno;
		for (; NLMSG_OK(nlh, len); nlh = NLMSG_NEXT(nlh, len)) {
			if (nlh->nlmsg_seq != seq)
				continue;
			if (nlh->nlmsg_type == NLMSG_ERROR) {
				take_error(nlh, v);
				more = false;
			} else if (nlh->nlmsg_type == NLMSG_DONE) {
				v->error = *(const int *)NLMSG_DATA(nlh);
				more = false;
			} else if (take) {
				take(nlh, arg);
			}
		}
	}
	return 0;
}

static inline void take_family(const struct nlmsghdr *nlh, void *arg)
{
	const struct nlattr *tb[CTRL_ATTR_MAX + 1];

	parse_msg(nlh, tb, CTRL_ATTR_MAX);
	if (tb[CTRL_ATTR_FAMILY_ID])
		memcpy(arg, attr_data(tb[CTRL_ATTR_FAMILY_ID]), sizeof(uint16_t));
}

/* The number of a family; 0: there is none. */
static inline uint16_t nl_family(int fd, const char *name)
{
	uint16_t id = 0;
	struct verdict v;
	struct msg m;

	msg_init(&m, GENL_ID_CTRL, NLM_F_ACK, CTRL_CMD_GETFAMILY);
	msg_put_str(&m, CTRL_ATTR_FAMILY_NAME, name);
	return nl_talk(fd, &m, &v, take_family, &id) || v.error ? 0 : id;
}

#endif
