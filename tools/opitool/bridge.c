// SPDX-License-Identifier: GPL-2.0
/*
 * Ports of bridges (bridge.h), by rtnetlink.
 */
#include <errno.h>
/* Before the kernel's, which then leaves its own words for these out. */
#include <netinet/in.h>
#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>

#include "bridge.h"
#include "inventory.h"

#define DUMP_TRIES	10

/*
 * What can be set of a port.  Not its state, which the spanning tree has, and what
 * is only told.
 */
static const uint8_t settable[] = {
	IFLA_BRPORT_PRIORITY, IFLA_BRPORT_COST, IFLA_BRPORT_MODE,
	IFLA_BRPORT_GUARD, IFLA_BRPORT_PROTECT, IFLA_BRPORT_FAST_LEAVE,
	IFLA_BRPORT_LEARNING, IFLA_BRPORT_UNICAST_FLOOD, IFLA_BRPORT_PROXYARP,
	IFLA_BRPORT_PROXYARP_WIFI, IFLA_BRPORT_MULTICAST_ROUTER,
	IFLA_BRPORT_MCAST_FLOOD, IFLA_BRPORT_MCAST_TO_UCAST,
	IFLA_BRPORT_VLAN_TUNNEL, IFLA_BRPORT_BCAST_FLOOD,
	IFLA_BRPORT_GROUP_FWD_MASK, IFLA_BRPORT_NEIGH_SUPPRESS,
	IFLA_BRPORT_ISOLATED, IFLA_BRPORT_BACKUP_PORT,
	IFLA_BRPORT_MCAST_EHT_HOSTS_LIMIT, IFLA_BRPORT_LOCKED,
};

/* ---- reading ----------------------------------------------------------- */

static const struct nla_policy link_policy[IFLA_MAX + 1] = {
	[IFLA_MASTER]	= { .type = NLA_U32 },
	[IFLA_MTU]	= { .type = NLA_U32 },
	[IFLA_LINKINFO]	= { .type = NLA_NESTED },
	[IFLA_AF_SPEC]	= { .type = NLA_NESTED },
};

static const struct nla_policy info_policy[IFLA_INFO_MAX + 1] = {
	[IFLA_INFO_SLAVE_KIND]	= { .type = NLA_STRING },
	[IFLA_INFO_SLAVE_DATA]	= { .type = NLA_NESTED },
};

static int take_slave(struct nlattr *linkinfo, struct brport *port)
{
	struct nlattr *tb[IFLA_INFO_MAX + 1], *val[IFLA_BRPORT_MAX + 1];
	size_t i;

	if (nla_parse_nested(tb, IFLA_INFO_MAX, linkinfo,
			     (struct nla_policy *)info_policy) < 0)
		return -EBADMSG;
	if (!tb[IFLA_INFO_SLAVE_KIND])
		return 0;
	snprintf(port->kind, sizeof(port->kind), "%s",
		 nla_get_string(tb[IFLA_INFO_SLAVE_KIND]));
	if (strcmp(port->kind, "bridge") || !tb[IFLA_INFO_SLAVE_DATA])
		return 0;
	if (nla_parse_nested(val, IFLA_BRPORT_MAX, tb[IFLA_INFO_SLAVE_DATA],
			     NULL) < 0)
		return -EBADMSG;
	for (i = 0; i < ARRAY_SIZE(settable); i++) {
		struct brport_value *v = &port->value[settable[i]];
		struct nlattr *attr = val[settable[i]];

		if (!attr || (size_t)nla_len(attr) > sizeof(v->data))
			continue;
		v->len = nla_len(attr);
		memcpy(v->data, nla_data(attr), v->len);
	}
	return 0;
}

/* The netdev and what it is enslaved to. */
static int take_link(struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *tb[IFLA_MAX + 1];
	struct brport *port = arg;
	struct ifinfomsg *ifi;

	if (!nlmsg_valid_hdr(nlh, sizeof(*ifi)) ||
	    nlmsg_parse(nlh, sizeof(*ifi), tb, IFLA_MAX,
			(struct nla_policy *)link_policy) < 0)
		return -EBADMSG;
	ifi = nlmsg_data(nlh);
	if ((uint32_t)ifi->ifi_index != port->ifindex)
		return 0;
	port->up = ifi->ifi_flags & IFF_UP;
	if (tb[IFLA_MTU])
		port->mtu = nla_get_u32(tb[IFLA_MTU]);
	if (tb[IFLA_MASTER])
		port->master = nla_get_u32(tb[IFLA_MASTER]);
	return tb[IFLA_LINKINFO] ? take_slave(tb[IFLA_LINKINFO], port) : 0;
}

static int take_vlans(struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *tb[IFLA_MAX + 1], *attr;
	struct brport *port = arg;
	struct bridge_vlan_info v;
	struct ifinfomsg *ifi;
	int left;

	if (!nlmsg_valid_hdr(nlh, sizeof(*ifi)) ||
	    nlmsg_parse(nlh, sizeof(*ifi), tb, IFLA_MAX,
			(struct nla_policy *)link_policy) < 0)
		return -EBADMSG;
	ifi = nlmsg_data(nlh);
	if ((uint32_t)ifi->ifi_index != port->ifindex || !tb[IFLA_AF_SPEC])
		return 0;
	nla_for_each_nested(attr, tb[IFLA_AF_SPEC], left) {
		if (nla_type(attr) != IFLA_BRIDGE_VLAN_INFO)
			continue;
		if ((size_t)nla_len(attr) < sizeof(v))
			return -EBADMSG;
		memcpy(&v, nla_data(attr), sizeof(v));
		if (v.vid < BRPORT_VLANS)
			port->vlan[v.vid] = VLAN_THERE |
				(v.flags & (BRIDGE_VLAN_INFO_PVID |
					    BRIDGE_VLAN_INFO_UNTAGGED));
	}
	return 0;
}

static const struct nla_policy fdb_policy[NDA_MAX + 1] = {
	[NDA_LLADDR]	= { .minlen = 6 },
	[NDA_VLAN]	= { .type = NLA_U16 },
	[NDA_MASTER]	= { .type = NLA_U32 },
};

/* Those that somebody has set; what was learned is learned anew. */
static int take_fdb(struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *tb[NDA_MAX + 1];
	struct brport *port = arg;
	struct brport_fdb fdb = { 0 };
	struct ndmsg *ndm;

	if (!nlmsg_valid_hdr(nlh, sizeof(*ndm)) ||
	    nlmsg_parse(nlh, sizeof(*ndm), tb, NDA_MAX,
			(struct nla_policy *)fdb_policy) < 0)
		return -EBADMSG;
	ndm = nlmsg_data(nlh);
	if ((uint32_t)ndm->ndm_ifindex != port->ifindex ||
	    !(ndm->ndm_state & NUD_NOARP) || !tb[NDA_MASTER] ||
	    !tb[NDA_LLADDR])
		return 0;
	memcpy(fdb.addr, nla_data(tb[NDA_LLADDR]), sizeof(fdb.addr));
	fdb.vlan = tb[NDA_VLAN] ? nla_get_u16(tb[NDA_VLAN]) : 0;
	fdb.flags = ndm->ndm_flags & NTF_STICKY;
	list_add(&port->fdb, &fdb, sizeof(fdb));
	return 0;
}

static struct nl_msg *link_request(int type, int flags, uint8_t family,
				   uint32_t ifindex)
{
	struct ifinfomsg ifi = { .ifi_family = family, .ifi_index = ifindex };
	struct nl_msg *msg = nlmsg_alloc_simple(type, flags);

	if (!msg || nlmsg_append(msg, &ifi, sizeof(ifi), NLMSG_ALIGNTO))
		die(ST_FAILED, "out of memory");
	return msg;
}

static int read_vlans(struct conn *route, struct brport *port)
{
	int err, tries = DUMP_TRIES;
	struct nl_msg *msg;

	do {
		memset(port->vlan, 0, sizeof(port->vlan));
		msg = link_request(RTM_GETLINK, NLM_F_DUMP, AF_BRIDGE, 0);
		must_put(nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_BRVLAN));
		err = conn_request(route, msg, take_vlans, port);
	} while (err == -EAGAIN && --tries);
	return err;
}

static int read_fdb(struct conn *route, struct brport *port)
{
	struct ndmsg ndm = { .ndm_family = AF_BRIDGE };
	int err, tries = DUMP_TRIES;
	struct nl_msg *msg;

	do {
		port->fdb.n = 0;
		msg = nlmsg_alloc_simple(RTM_GETNEIGH, NLM_F_DUMP);
		if (!msg || nlmsg_append(msg, &ndm, sizeof(ndm), NLMSG_ALIGNTO))
			die(ST_FAILED, "out of memory");
		err = conn_request(route, msg, take_fdb, port);
	} while (err == -EAGAIN && --tries);
	return err;
}

int brport_read(struct conn *route, uint32_t ifindex, struct brport *port)
{
	int err;

	memset(port, 0, sizeof(*port));
	port->ifindex = ifindex;
	err = conn_request(route, link_request(RTM_GETLINK, 0, AF_UNSPEC,
					       ifindex), take_link, port);
	if (err || strcmp(port->kind, "bridge"))
		return err;
	err = read_vlans(route, port);
	return err ? err : read_fdb(route, port);
}

void brport_free(struct brport *port)
{
	list_free(&port->fdb);
}

/* ---- making it so ------------------------------------------------------ */

static int change(struct conn *route, struct nl_msg *msg)
{
	return conn_request(route, msg, NULL, NULL);
}

static int set_link(struct conn *route, const struct brport *now,
		    const struct brport *want)
{
	struct nl_msg *msg;

	if (now->master == want->master && now->up == want->up &&
	    now->mtu == want->mtu)
		return 0;
	msg = link_request(RTM_SETLINK, 0, AF_UNSPEC, now->ifindex);
	if (now->up != want->up) {
		struct ifinfomsg *ifi = nlmsg_data(nlmsg_hdr(msg));

		ifi->ifi_change = IFF_UP;
		ifi->ifi_flags = want->up ? IFF_UP : 0;
	}
	if (now->mtu != want->mtu)
		must_put(nla_put_u32(msg, IFLA_MTU, want->mtu));
	if (now->master != want->master)
		must_put(nla_put_u32(msg, IFLA_MASTER, want->master));
	return change(route, msg);
}

static bool same_value(const struct brport_value *a,
		       const struct brport_value *b)
{
	return a->len == b->len && !memcmp(a->data, b->data, a->len);
}

static int set_values(struct conn *route, const struct brport *now,
		      const struct brport *want)
{
	struct nlattr *info, *data;
	struct nl_msg *msg;
	bool any = false;
	size_t i;

	msg = link_request(RTM_NEWLINK, 0, AF_UNSPEC, now->ifindex);
	info = nla_nest_start(msg, IFLA_LINKINFO);
	must_put(!info);
	must_put(nla_put_string(msg, IFLA_INFO_SLAVE_KIND, "bridge"));
	data = nla_nest_start(msg, IFLA_INFO_SLAVE_DATA);
	must_put(!data);
	for (i = 0; i < ARRAY_SIZE(settable); i++) {
		const struct brport_value *v = &want->value[settable[i]];

		if (!v->len || same_value(v, &now->value[settable[i]]))
			continue;
		must_put(nla_put(msg, settable[i], v->len, v->data));
		any = true;
	}
	nla_nest_end(msg, data);
	nla_nest_end(msg, info);
	if (any)
		return change(route, msg);
	nlmsg_free(msg);
	return 0;
}

static int set_vlan(struct conn *route, uint32_t ifindex, int type,
		    uint16_t vid, uint16_t flags)
{
	struct bridge_vlan_info v = { .flags = flags, .vid = vid };
	struct nlattr *spec;
	struct nl_msg *msg;

	msg = link_request(type, 0, AF_BRIDGE, ifindex);
	spec = nla_nest_start(msg, IFLA_AF_SPEC);
	must_put(!spec);
	must_put(nla_put(msg, IFLA_BRIDGE_VLAN_INFO, sizeof(v), &v));
	nla_nest_end(msg, spec);
	return change(route, msg);
}

/* New ones first: the PVID goes over in one step. */
static int set_vlans(struct conn *route, const struct brport *now,
		     const struct brport *want)
{
	int vid, err = 0;

	for (vid = 0; vid < BRPORT_VLANS && !err; vid++)
		if (want->vlan[vid] && want->vlan[vid] != now->vlan[vid])
			err = set_vlan(route, now->ifindex, RTM_SETLINK, vid,
				       want->vlan[vid] & ~VLAN_THERE);
	for (vid = 0; vid < BRPORT_VLANS && !err; vid++)
		if (now->vlan[vid] && !want->vlan[vid])
			err = set_vlan(route, now->ifindex, RTM_DELLINK, vid,
				       0);
	return err;
}

static bool has_fdb(const struct brport *port, const struct brport_fdb *want)
{
	const struct brport_fdb *fdb;

	list_each(fdb, &port->fdb)
		if (fdb->vlan == want->vlan && fdb->flags == want->flags &&
		    !memcmp(fdb->addr, want->addr, sizeof(fdb->addr)))
			return true;
	return false;
}

/* An entry that another port has becomes this one's. */
static int add_fdb(struct conn *route, uint32_t ifindex,
		   const struct brport_fdb *fdb)
{
	struct ndmsg ndm = {
		.ndm_family = AF_BRIDGE,
		.ndm_ifindex = ifindex,
		.ndm_state = NUD_NOARP,
		.ndm_flags = NTF_MASTER | fdb->flags,
	};
	struct nl_msg *msg;

	msg = nlmsg_alloc_simple(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
	if (!msg || nlmsg_append(msg, &ndm, sizeof(ndm), NLMSG_ALIGNTO))
		die(ST_FAILED, "out of memory");
	must_put(nla_put(msg, NDA_LLADDR, sizeof(fdb->addr), fdb->addr));
	if (fdb->vlan)
		must_put(nla_put_u16(msg, NDA_VLAN, fdb->vlan));
	return change(route, msg);
}

/*
 * One that the port has may be of a VLAN that it is no longer in; the bridge keeps
 * it, but would not take it anew.
 */
static int set_fdb(struct conn *route, const struct brport *now,
		   const struct brport *want, bool all)
{
	const struct brport_fdb *fdb;
	int err, first = 0;

	list_each(fdb, &want->fdb) {
		err = has_fdb(now, fdb) ? 0 :
			add_fdb(route, now->ifindex, fdb);
		if (err && !first)
			first = err;
		if (err && !all)
			break;
	}
	return first;
}

static int make(struct conn *route, uint32_t ifindex, const struct brport *want,
		bool all)
{
	struct brport now;
	int err;

	err = brport_read(route, ifindex, &now);
	if (!err)
		err = set_link(route, &now, want);
	if (!err && want->master && !strcmp(want->kind, "bridge")) {
		/* A bridge gives a new port settings and a VLAN. */
		brport_free(&now);
		err = brport_read(route, ifindex, &now);
		if (!err)
			err = set_values(route, &now, want);
		if (!err)
			err = set_vlans(route, &now, want);
		if (!err)
			err = set_fdb(route, &now, want, all);
	}
	brport_free(&now);
	return err;
}

int brport_make(struct conn *route, uint32_t ifindex, const struct brport *want)
{
	return make(route, ifindex, want, false);
}

int brport_restore(struct conn *route, uint32_t ifindex,
		   const struct brport *had)
{
	return make(route, ifindex, had, true);
}
