// SPDX-License-Identifier: GPL-2.0
/*
 * tc filters (filters.h), by rtnetlink.
 *
 * A filter that the kernel tells of is nearly the request that makes it: what is only
 * told (counters, times, whether hardware has it) has to go, an action that is
 * the filter's own must not be bound to a second time, and the rate of a
 * policer needs a table, of which the kernel wants no more than that it is there.
 * Only kinds of which this is known are taken.
 */
#include <errno.h>
#include <linux/gen_stats.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_csum.h>
#include <linux/tc_act/tc_gact.h>
#include <linux/tc_act/tc_mirred.h>
#include <linux/tc_act/tc_pedit.h>
#include <linux/tc_act/tc_skbedit.h>
#include <linux/tc_act/tc_tunnel_key.h>
#include <linux/tc_act/tc_vlan.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <string.h>

#include "filters.h"
#include "inventory.h"

#define DUMP_TRIES	10
#define MSG_SIZE	32768
#define RATE_TABLE	1024

static const uint32_t parents[] = {
	TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
	TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_EGRESS),
};

/* What a filter's flags say of what is wanted, not of what is. */
#define FLAGS_WANTED	(TCA_CLS_FLAGS_SKIP_HW | TCA_CLS_FLAGS_SKIP_SW | \
			 TCA_CLS_FLAGS_VERBOSE)

static int unknown(struct filters *f, const char *what, const char *kind)
{
	if (!*f->why)
		snprintf(f->why, sizeof(f->why), "%s of the kind \"%s\"", what,
			 kind);
	return 0;
}

/* ---- a filter into the request that makes it --------------------------- */

static void copy_attr(struct nl_msg *msg, const struct nlattr *attr)
{
	must_put(nla_put(msg, attr->nla_type, nla_len(attr), nla_data(attr)));
}

/* Where the kinds of actions have their parameters, times and padding. */
static const struct action {
	const char *kind;
	uint8_t params, parms_ex, tm, pad;
} actions[] = {
	{ "gact",	TCA_GACT_PARMS, 0, TCA_GACT_TM, TCA_GACT_PAD },
	{ "mirred",	TCA_MIRRED_PARMS, 0, TCA_MIRRED_TM, TCA_MIRRED_PAD },
	{ "vlan",	TCA_VLAN_PARMS, 0, TCA_VLAN_TM, TCA_VLAN_PAD },
	{ "skbedit",	TCA_SKBEDIT_PARMS, 0, TCA_SKBEDIT_TM, TCA_SKBEDIT_PAD },
	{ "csum",	TCA_CSUM_PARMS, 0, TCA_CSUM_TM, TCA_CSUM_PAD },
	{ "pedit",	TCA_PEDIT_PARMS, TCA_PEDIT_PARMS_EX, TCA_PEDIT_TM,
			TCA_PEDIT_PAD },
	{ "tunnel_key",	TCA_TUNNEL_KEY_PARMS, 0, TCA_TUNNEL_KEY_TM,
			TCA_TUNNEL_KEY_PAD },
	{ "police",	TCA_POLICE_TBF, 0, TCA_POLICE_TM, TCA_POLICE_PAD },
};

/* The same for all kinds but police. */
struct action_head {
	tc_gen;
};

/*
 * An action that others use too is bound to by its number; one that came with the
 * filter is made anew.
 */
static uint32_t action_index(uint32_t index, int refs, int binds)
{
	return refs > binds || binds > 1 ? index : 0;
}

static void put_rate(struct nl_msg *msg, int attr, struct tc_ratespec *rate)
{
	static const unsigned char table[RATE_TABLE];

	if (!rate->rate)
		return;
	rate->cell_log = 3;
	if (!(rate->linklayer & TC_LINKLAYER_MASK))
		rate->linklayer |= TC_LINKLAYER_ETHERNET;
	must_put(nla_put(msg, attr, sizeof(table), table));
}

static int put_police(struct nl_msg *msg, struct nlattr *attr)
{
	struct tc_police p;

	if ((size_t)nla_len(attr) < sizeof(p))
		return -EBADMSG;
	memcpy(&p, nla_data(attr), sizeof(p));
	p.index = action_index(p.index, p.refcnt, p.bindcnt);
	put_rate(msg, TCA_POLICE_RATE, &p.rate);
	put_rate(msg, TCA_POLICE_PEAKRATE, &p.peakrate);
	must_put(nla_put(msg, TCA_POLICE_TBF, sizeof(p), &p));
	return 0;
}

static int put_parms(struct nl_msg *msg, struct nlattr *attr)
{
	struct action_head head;
	unsigned char *copy;

	if ((size_t)nla_len(attr) < sizeof(head))
		return -EBADMSG;
	memcpy(&head, nla_data(attr), sizeof(head));
	head.index = action_index(head.index, head.refcnt, head.bindcnt);
	copy_attr(msg, attr);
	/* What was put last ends where the message does. */
	copy = (unsigned char *)nlmsg_tail(nlmsg_hdr(msg)) -
	       NLA_ALIGN(nla_len(attr));
	memcpy(copy, &head, sizeof(head));
	return 0;
}

static int put_action_options(struct nl_msg *msg, const struct action *act,
			      struct nlattr *options)
{
	struct nlattr *nest, *attr;
	int left, err = 0;

	nest = nla_nest_start(msg, TCA_ACT_OPTIONS | NLA_F_NESTED);
	must_put(!nest);
	nla_for_each_nested(attr, options, left) {
		int type = nla_type(attr);

		if (type == act->tm || type == act->pad)
			continue;
		if (type != act->params && (!act->parms_ex ||
					   type != act->parms_ex))
			copy_attr(msg, attr);
		else if (!strcmp(act->kind, "police"))
			err = put_police(msg, attr);
		else
			err = put_parms(msg, attr);
		if (err)
			return err;
	}
	nla_nest_end(msg, nest);
	return 0;
}

static const struct nla_policy act_policy[TCA_ACT_MAX + 1] = {
	[TCA_ACT_KIND]		= { .type = NLA_STRING },
	[TCA_ACT_OPTIONS]	= { .type = NLA_NESTED },
};

static int put_action(struct filters *f, struct nl_msg *msg,
		      struct nlattr *action)
{
	struct nlattr *tb[TCA_ACT_MAX + 1], *nest;
	const char *kind;
	size_t i;
	int err;

	if (nla_parse_nested(tb, TCA_ACT_MAX, action,
			     (struct nla_policy *)act_policy) < 0 ||
	    !tb[TCA_ACT_KIND] || !tb[TCA_ACT_OPTIONS])
		return -EBADMSG;
	kind = nla_get_string(tb[TCA_ACT_KIND]);
	for (i = 0; i < ARRAY_SIZE(actions); i++)
		if (!strcmp(actions[i].kind, kind))
			break;
	if (i == ARRAY_SIZE(actions))
		return unknown(f, "an action", kind);

	nest = nla_nest_start(msg, nla_type(action) | NLA_F_NESTED);
	must_put(!nest);
	copy_attr(msg, tb[TCA_ACT_KIND]);
	err = put_action_options(msg, &actions[i], tb[TCA_ACT_OPTIONS]);
	if (tb[TCA_ACT_COOKIE])
		copy_attr(msg, tb[TCA_ACT_COOKIE]);
	if (tb[TCA_ACT_FLAGS])
		copy_attr(msg, tb[TCA_ACT_FLAGS]);
	if (tb[TCA_ACT_HW_STATS])
		copy_attr(msg, tb[TCA_ACT_HW_STATS]);
	nla_nest_end(msg, nest);
	return err;
}

static int put_actions(struct filters *f, struct nl_msg *msg,
		       struct nlattr *list)
{
	struct nlattr *nest, *attr;
	int left, err = 0;

	nest = nla_nest_start(msg, nla_type(list) | NLA_F_NESTED);
	must_put(!nest);
	nla_for_each_nested(attr, list, left) {
		err = put_action(f, msg, attr);
		if (err)
			break;
	}
	nla_nest_end(msg, nest);
	return err;
}

/* Where the kinds of filters have what is not simply copied. */
static const struct classifier {
	const char *kind;
	uint8_t act, flags, told, pad;
} classifiers[] = {
	{ "flower",	TCA_FLOWER_ACT, TCA_FLOWER_FLAGS,
			TCA_FLOWER_IN_HW_COUNT, 0 },
	{ "matchall",	TCA_MATCHALL_ACT, TCA_MATCHALL_FLAGS,
			TCA_MATCHALL_PCNT, TCA_MATCHALL_PAD },
};

static int put_filter_options(struct filters *f, struct nl_msg *msg,
			      const struct classifier *cls,
			      struct nlattr *options)
{
	struct nlattr *nest, *attr;
	int left, err = 0;

	nest = nla_nest_start(msg, TCA_OPTIONS);
	must_put(!nest);
	nla_for_each_nested(attr, options, left) {
		int type = nla_type(attr);

		if (type == cls->told || (cls->pad && type == cls->pad))
			continue;
		if (type == cls->act) {
			err = put_actions(f, msg, attr);
		} else if (type == cls->flags) {
			if (nla_len(attr) < 4)
				return -EBADMSG;
			must_put(nla_put_u32(msg, type, nla_get_u32(attr) &
					     FLAGS_WANTED));
		} else {
			copy_attr(msg, attr);
		}
		if (err)
			return err;
	}
	nla_nest_end(msg, nest);
	return 0;
}

static const struct nla_policy tc_policy[TCA_MAX + 1] = {
	[TCA_KIND]		= { .type = NLA_STRING },
	[TCA_OPTIONS]		= { .type = NLA_NESTED },
	[TCA_CHAIN]		= { .type = NLA_U32 },
	[TCA_INGRESS_BLOCK]	= { .type = NLA_U32 },
	[TCA_EGRESS_BLOCK]	= { .type = NLA_U32 },
};

static int parse_tc(struct nlmsghdr *nlh, struct nlattr **tb, struct tcmsg *tcm)
{
	if (!nlmsg_valid_hdr(nlh, sizeof(*tcm)) ||
	    nlmsg_parse(nlh, sizeof(*tcm), tb, TCA_MAX,
			(struct nla_policy *)tc_policy) < 0)
		return -EBADMSG;
	memcpy(tcm, nlmsg_data(nlh), sizeof(*tcm));
	return 0;
}

static struct nl_msg *tc_request(int type, int flags, const struct tcmsg *tcm)
{
	struct nl_msg *msg = nlmsg_alloc_size(MSG_SIZE);

	if (!msg || !nlmsg_put(msg, NL_AUTO_PORT, NL_AUTO_SEQ, type, 0, flags) ||
	    nlmsg_append(msg, (void *)tcm, sizeof(*tcm), NLMSG_ALIGNTO))
		die(ST_FAILED, "out of memory");
	return msg;
}

static int take_filter(struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *tb[TCA_MAX + 1];
	struct filters *f = arg;
	struct nl_msg *msg;
	const char *kind;
	struct tcmsg tcm;
	size_t i;
	int err;

	err = parse_tc(nlh, tb, &tcm);
	if (err)
		return err;
	/* Those of shared blocks come with the block; a head is no filter. */
	if ((uint32_t)tcm.tcm_ifindex != f->ifindex || !tcm.tcm_handle)
		return 0;
	if (!tb[TCA_KIND] || !tb[TCA_OPTIONS])
		return -EBADMSG;
	kind = nla_get_string(tb[TCA_KIND]);
	for (i = 0; i < ARRAY_SIZE(classifiers); i++)
		if (!strcmp(classifiers[i].kind, kind))
			break;
	if (i == ARRAY_SIZE(classifiers))
		return unknown(f, "a filter", kind);

	msg = tc_request(RTM_NEWTFILTER, NLM_F_CREATE | NLM_F_EXCL, &tcm);
	copy_attr(msg, tb[TCA_KIND]);
	if (tb[TCA_CHAIN])
		copy_attr(msg, tb[TCA_CHAIN]);
	err = put_filter_options(f, msg, &classifiers[i], tb[TCA_OPTIONS]);
	if (err)
		nlmsg_free(msg);
	else
		list_add(&f->all, &msg, sizeof(msg));
	return err;
}

/* ---- reading ----------------------------------------------------------- */

static int take_qdisc(struct nlmsghdr *nlh, void *arg)
{
	struct nlattr *tb[TCA_MAX + 1];
	struct filters *f = arg;
	const char *kind;
	struct tcmsg tcm;
	int err;

	err = parse_tc(nlh, tb, &tcm);
	if (err)
		return err;
	if ((uint32_t)tcm.tcm_ifindex != f->ifindex ||
	    tcm.tcm_parent != TC_H_INGRESS || !tb[TCA_KIND])
		return 0;
	kind = nla_get_string(tb[TCA_KIND]);
	if (strlen(kind) >= sizeof(f->kind))
		return -EBADMSG;
	strcpy(f->kind, kind);
	if (tb[TCA_INGRESS_BLOCK])
		f->block[0] = nla_get_u32(tb[TCA_INGRESS_BLOCK]);
	if (tb[TCA_EGRESS_BLOCK])
		f->block[1] = nla_get_u32(tb[TCA_EGRESS_BLOCK]);
	return 0;
}

static void drop_messages(struct filters *f)
{
	struct nl_msg **msg;

	list_each(msg, &f->all)
		nlmsg_free(*msg);
	f->all.n = 0;
}

static int read_all(struct conn *route, struct filters *f)
{
	struct tcmsg tcm = { .tcm_ifindex = f->ifindex };
	int err;
	size_t i;

	err = conn_request(route, tc_request(RTM_GETQDISC, NLM_F_DUMP, &tcm),
			   take_qdisc, f);
	for (i = 0; i < ARRAY_SIZE(parents) && !err && *f->kind; i++) {
		if (i && strcmp(f->kind, "clsact"))
			break;
		tcm.tcm_parent = parents[i];
		err = conn_request(route, tc_request(RTM_GETTFILTER, NLM_F_DUMP,
						     &tcm), take_filter, f);
	}
	return err;
}

int filters_read(struct conn *route, uint32_t ifindex, struct filters *f)
{
	int err, tries = DUMP_TRIES;

	memset(f, 0, sizeof(*f));
	do {
		drop_messages(f);
		memset(f->kind, 0, sizeof(f->kind));
		f->ifindex = ifindex;
		err = read_all(route, f);
	} while (err == -EAGAIN && --tries);
	return err;
}

void filters_free(struct filters *f)
{
	drop_messages(f);
	list_free(&f->all);
}

/* ---- making and dropping ------------------------------------------------ */

static int change_qdisc(struct conn *route, int type, int flags,
			uint32_t ifindex, const struct filters *f)
{
	struct tcmsg tcm = {
		.tcm_ifindex = ifindex,
		.tcm_parent = TC_H_INGRESS,
		.tcm_handle = TC_H_MAKE(TC_H_INGRESS, 0),
	};
	struct nl_msg *msg = tc_request(type, flags, &tcm);

	must_put(nla_put_string(msg, TCA_KIND, f->kind));
	if (f->block[0] && type == RTM_NEWQDISC)
		must_put(nla_put_u32(msg, TCA_INGRESS_BLOCK, f->block[0]));
	if (f->block[1] && type == RTM_NEWQDISC)
		must_put(nla_put_u32(msg, TCA_EGRESS_BLOCK, f->block[1]));
	return conn_request(route, msg, NULL, NULL);
}

int filters_make(struct conn *route, uint32_t ifindex, const struct filters *f,
		 bool whole)
{
	struct nl_msg **each, *msg;
	struct tcmsg *tcm;
	int err = 0;

	if (!*f->kind)
		return 0;
	if (whole)
		err = change_qdisc(route, RTM_NEWQDISC,
				   NLM_F_CREATE | NLM_F_EXCL, ifindex, f);
	list_each(each, &f->all) {
		if (err)
			break;
		/* A request is freed when it is sent, and may be wanted again. */
		msg = nlmsg_convert(nlmsg_hdr(*each));
		if (!msg)
			die(ST_FAILED, "out of memory");
		nlmsg_hdr(msg)->nlmsg_pid = NL_AUTO_PORT;
		nlmsg_hdr(msg)->nlmsg_seq = NL_AUTO_SEQ;
		tcm = nlmsg_data(nlmsg_hdr(msg));
		tcm->tcm_ifindex = ifindex;
		err = conn_request(route, msg, NULL, NULL);
	}
	return err;
}

int filters_drop(struct conn *route, uint32_t ifindex, const struct filters *f)
{
	return *f->kind ? change_qdisc(route, RTM_DELQDISC, 0, ifindex, f) : 0;
}
