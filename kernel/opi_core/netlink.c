// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family "opi": one DPU or all of them, and the events of the
 * family.  Functions are in netlink_func.c.
 *
 * Everything here works on the copies that the driver handed in; nothing here
 * touches a device.  Names, policies and the table of operations are generated
 * from Documentation/netlink/specs/opi.yaml into netlink_gen.[ch].
 *
 * A device is shown in the network namespace of its devlink instance: its
 * netlink name is the devlink handle, so it has to be where that handle is, and
 * an administrator to whom a card was handed sees the whole of it.  Events are
 * numbered per namespace, or a listener would take what happens in other
 * namespaces for losses of its own.
 */
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/spinlock.h>
#include <net/devlink.h>
#include <net/genetlink.h>
#include <net/netns/generic.h>

#include "netlink_int.h"

/**
 * struct opi_nl_net - what the family keeps of a network namespace
 * @seq:	number of the newest event
 */
struct opi_nl_net {
	u64 seq;
};

/**
 * struct opi_nl_dump_ctx - where a dump goes on
 * @last_id:	of the last device that is in a message already
 */
struct opi_nl_dump_ctx {
	u64 last_id;
};

static unsigned int opi_nl_net_id;

DEFINE_SPINLOCK(opi_nl_lock);
LIST_HEAD(opi_nl_dpus);
static u64 opi_nl_last_id;

/**
 * opi_nl_dpu_net - the network namespace of a device
 * @dpu:	the device
 *
 * Context: RCU read side, because devlink moves its instances out of a dying
 * namespace, waits for a grace period and only then lets it go.
 * Return: the namespace.
 */
struct net *opi_nl_dpu_net(const struct opi_nl_dpu *dpu)
{
	RCU_LOCKDEP_WARN(!rcu_read_lock_held(), "opi: namespace without RCU");
	return devlink_net(dpu->devlink);
}

/**
 * opi_nl_bus_name - bus of a device
 * @dpu:	the device
 *
 * Return: its name.
 */
const char *opi_nl_bus_name(const struct opi_nl_dpu *dpu)
{
	return dev_bus_name(devlink_to_dev(dpu->devlink));
}

/**
 * opi_nl_dev_name - name of a device on its bus
 * @dpu:	the device
 *
 * Return: the name.
 */
const char *opi_nl_dev_name(const struct opi_nl_dpu *dpu)
{
	return dev_name(devlink_to_dev(dpu->devlink));
}

/**
 * opi_nl_seq - number of the newest event
 * @net:	network namespace
 *
 * Context: opi_nl_lock held.
 * Return: the number.
 */
u64 opi_nl_seq(struct net *net)
{
	struct opi_nl_net *on = net_generic(net, opi_nl_net_id);

	lockdep_assert_held(&opi_nl_lock);
	return on->seq;
}

static int opi_nl_fill_boot(struct sk_buff *skb,
			    const struct opi_boot_block *boot)
{
	struct nlattr *nest;

	nest = nla_nest_start(skb, OPI_A_DPU_BOOT);
	if (!nest)
		return -EMSGSIZE;

	if (nla_put_u32(skb, OPI_A_BOOT_OS_STATUS, boot->os_status) ||
	    nla_put_u32(skb, OPI_A_BOOT_PLDM_STATE, boot->pldm_state) ||
	    nla_put_u32(skb, OPI_A_BOOT_CRASHDUMP_STATUS,
			boot->crashdump_status) ||
	    nla_put_u32(skb, OPI_A_BOOT_MAX_BOOT_TIME,
			le16_to_cpu(boot->max_boot_time)) ||
	    nla_put_u32(skb, OPI_A_BOOT_GENERATION,
			le32_to_cpu(boot->generation)) ||
	    nla_put_u32(skb, OPI_A_BOOT_RESET_SUPPORTED,
			le32_to_cpu(boot->reset_supported)) ||
	    nla_put_u32(skb, OPI_A_BOOT_BOOT_SUPPORTED, boot->boot_supported) ||
	    nla_put_u32(skb, OPI_A_BOOT_BOOT_SELECT, boot->boot_select)) {
		nla_nest_cancel(skb, nest);
		return -EMSGSIZE;
	}

	nla_nest_end(skb, nest);
	return 0;
}

static int opi_nl_fill(struct sk_buff *skb, const void *obj, u64 seq,
		       u32 changed)
{
	const struct opi_nl_dpu *dpu = obj;
	const struct opi_nl_state *st = &dpu->state;

	if (nla_put_string(skb, OPI_A_DPU_BUS_NAME, opi_nl_bus_name(dpu)) ||
	    nla_put_string(skb, OPI_A_DPU_DEV_NAME, opi_nl_dev_name(dpu)) ||
	    nla_put_u64_64bit(skb, OPI_A_DPU_SERIAL, st->serial,
			      OPI_A_DPU_PAD) ||
	    nla_put_u32(skb, OPI_A_DPU_ROLE, st->role) ||
	    nla_put_u32(skb, OPI_A_DPU_MODE, st->mode) ||
	    nla_put_u32(skb, OPI_A_DPU_FUNC_ID, st->func_id) ||
	    nla_put_u32(skb, OPI_A_DPU_IFACE_MAJOR, st->iface_version >> 16) ||
	    nla_put_u32(skb, OPI_A_DPU_IFACE_MINOR,
			st->iface_version & 0xffff) ||
	    nla_put_u32(skb, OPI_A_DPU_GENERATION, st->generation) ||
	    nla_put_u32(skb, OPI_A_DPU_PEER_STATE, st->peer) ||
	    nla_put_u32(skb, OPI_A_DPU_DEV_STATE, st->dev_state) ||
	    nla_put_u32(skb, OPI_A_DPU_HEALTH, st->health) ||
	    nla_put_u64_64bit(skb, OPI_A_DPU_EVENTS_LOST, st->events_lost,
			      OPI_A_DPU_PAD) ||
	    nla_put_u64_64bit(skb, OPI_A_DPU_SEQ, seq, OPI_A_DPU_PAD))
		return -EMSGSIZE;

	if (changed && nla_put_u32(skb, OPI_A_DPU_CHANGED, changed))
		return -EMSGSIZE;

	return st->boot_valid ? opi_nl_fill_boot(skb, &st->boot) : 0;
}

/**
 * opi_nl_fits - is this a device that a request names?
 * @dpu:	the device
 * @attrs:	of the request; those that name a device have the same numbers for
 *		all objects
 *
 * Return: whether it is; every device is if none is named.
 */
bool opi_nl_fits(const struct opi_nl_dpu *dpu, struct nlattr **attrs)
{
	static_assert(OPI_A_FUNCTION_BUS_NAME == (int)OPI_A_DPU_BUS_NAME);
	static_assert(OPI_A_FUNCTION_DEV_NAME == (int)OPI_A_DPU_DEV_NAME);
	static_assert(OPI_A_FUNCTION_SERIAL == (int)OPI_A_DPU_SERIAL);

	if (attrs[OPI_A_DPU_BUS_NAME] &&
	    nla_strcmp(attrs[OPI_A_DPU_BUS_NAME], opi_nl_bus_name(dpu)))
		return false;
	if (attrs[OPI_A_DPU_DEV_NAME] &&
	    nla_strcmp(attrs[OPI_A_DPU_DEV_NAME], opi_nl_dev_name(dpu)))
		return false;
	return !attrs[OPI_A_DPU_SERIAL] ||
	       nla_get_u64(attrs[OPI_A_DPU_SERIAL]) == dpu->state.serial;
}

/**
 * opi_nl_dpu_find - the device that a request names
 * @info:	the request
 *
 * Context: opi_nl_lock held, RCU read side.
 * Return: the device, or an error with its reason in extack.
 */
const void *opi_nl_dpu_find(struct genl_info *info)
{
	const struct opi_nl_dpu *dpu, *found = NULL;
	struct nlattr **attrs = info->attrs;

	lockdep_assert_held(&opi_nl_lock);

	list_for_each_entry(dpu, &opi_nl_dpus, list) {
		if (!net_eq(opi_nl_dpu_net(dpu), genl_info_net(info)) ||
		    !opi_nl_fits(dpu, attrs))
			continue;
		if (!attrs[OPI_A_DPU_DEV_NAME] &&
		    dpu->state.role == OPI_ROLE_HOST_VF)
			continue;

		if (found) {
			NL_SET_ERR_MSG(info->extack,
				       "several DPUs have this serial number, name one by bus-name and dev-name");
			return ERR_PTR(-ENOTUNIQ);
		}
		found = dpu;
	}
	if (found)
		return found;

	NL_SET_ERR_MSG(info->extack, "no such DPU in this network namespace");
	return ERR_PTR(-ENODEV);
}

/**
 * opi_nl_check_name - does a request name a device?
 * @info:	the request
 *
 * Return: 0, or -EINVAL with the reason in extack.
 */
int opi_nl_check_name(struct genl_info *info)
{
	if (info->attrs[OPI_A_DPU_BUS_NAME] ||
	    info->attrs[OPI_A_DPU_DEV_NAME]) {
		if (GENL_REQ_ATTR_CHECK(info, OPI_A_DPU_BUS_NAME) ||
		    GENL_REQ_ATTR_CHECK(info, OPI_A_DPU_DEV_NAME)) {
			NL_SET_ERR_MSG(info->extack,
				       "bus-name and dev-name belong together");
			return -EINVAL;
		}
	} else if (GENL_REQ_ATTR_CHECK(info, OPI_A_DPU_SERIAL)) {
		NL_SET_ERR_MSG(info->extack,
			       "name a DPU by bus-name and dev-name, or by serial");
		return -EINVAL;
	}
	return 0;
}

/**
 * opi_nl_reply - answer a request for one object
 * @info:	the request
 * @find:	finds it, under opi_nl_lock and RCU; an error has its reason in
 *		extack
 * @fill:	puts it into the message
 *
 * Return: 0 or a negative errno.
 */
int opi_nl_reply(struct genl_info *info,
		 const void *(*find)(struct genl_info *info),
		 opi_nl_fill_t *fill)
{
	struct sk_buff *msg;
	const void *obj;
	void *hdr;
	int err;

	msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
	if (!msg)
		return -ENOMEM;

	hdr = genlmsg_iput(msg, info);
	if (!hdr) {
		nlmsg_free(msg);
		return -EMSGSIZE;
	}

	rcu_read_lock();
	spin_lock_bh(&opi_nl_lock);
	obj = find(info);
	if (IS_ERR(obj))
		err = PTR_ERR(obj);
	else
		err = fill(msg, obj, opi_nl_seq(genl_info_net(info)), 0);
	spin_unlock_bh(&opi_nl_lock);
	rcu_read_unlock();

	if (err) {
		nlmsg_free(msg);
		return err;
	}

	genlmsg_end(msg, hdr);
	return genlmsg_reply(msg, info);
}

/**
 * opi_nl_dpu_get_doit - answer a request for one device
 * @skb:	the request
 * @info:	its attributes, checked against the policy
 *
 * Return: 0 or a negative errno.
 */
int opi_nl_dpu_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	return opi_nl_check_name(info) ?:
	       opi_nl_reply(info, opi_nl_dpu_find, opi_nl_fill);
}

/**
 * opi_nl_dpu_get_dumpit - put as many devices as fit into one part of a dump
 * @skb:	where the messages go
 * @cb:		state of the dump
 *
 * Devices are in order of an id that is never used again, so a dump that goes
 * on after others came and went shows each that stayed exactly once.
 *
 * Return: 0 at the end, -EMSGSIZE if there is more, or another negative errno.
 */
int opi_nl_dpu_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct opi_nl_dump_ctx *ctx = (void *)cb->ctx;
	const struct genl_info *info = genl_info_dump(cb);
	struct net *net = genl_info_net(info);
	struct opi_nl_dpu *dpu;
	int err = 0;
	void *hdr;
	u64 seq;

	BUILD_BUG_ON(sizeof(*ctx) > sizeof(cb->ctx));

	rcu_read_lock();
	spin_lock_bh(&opi_nl_lock);
	seq = opi_nl_seq(net);
	/* Every change has a number: parts of one number fit together. */
	cb->seq = lower_32_bits(seq) + 1;

	list_for_each_entry(dpu, &opi_nl_dpus, list) {
		if (dpu->id <= ctx->last_id ||
		    !net_eq(opi_nl_dpu_net(dpu), net) ||
		    !opi_nl_fits(dpu, info->attrs))
			continue;

		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				  cb->nlh->nlmsg_seq, &opi_nl_family,
				  NLM_F_MULTI, OPI_NL_CMD_DPU_GET);
		if (!hdr) {
			err = -EMSGSIZE;
			break;
		}
		genl_dump_check_consistent(cb, hdr);
		err = opi_nl_fill(skb, dpu, seq, 0);
		if (err) {
			genlmsg_cancel(skb, hdr);
			break;
		}
		genlmsg_end(skb, hdr);
		ctx->last_id = dpu->id;
	}
	spin_unlock_bh(&opi_nl_lock);
	rcu_read_unlock();

	return err;
}

/**
 * opi_nl_dpu_set_doit - change a card
 * @skb:	the request
 * @info:	its attributes, checked against the policy
 *
 * Return: 0 or a negative errno.
 */
int opi_nl_dpu_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nlattr *key = info->attrs[OPI_A_DPU_MIGRATION_KEY];
	const struct opi_nl_dpu *dpu;
	struct device *dev = NULL;
	int err;

	err = opi_nl_check_name(info);
	if (err)
		goto out;
	if (!key) {
		NL_SET_ERR_MSG(info->extack, "nothing to change is given");
		return -EINVAL;
	}

	rcu_read_lock();
	spin_lock_bh(&opi_nl_lock);
	dpu = opi_nl_dpu_find(info);
	if (IS_ERR(dpu))
		err = PTR_ERR(dpu);
	else
		dev = get_device(devlink_to_dev(dpu->devlink));
	spin_unlock_bh(&opi_nl_lock);
	rcu_read_unlock();
	if (err)
		goto out;

	err = opi_mig_change_key(dev, nla_data(key), info->extack);
	put_device(dev);
out:
	/* Nobody shall find it in memory that is free. */
	if (key)
		memzero_explicit(nla_data(key), nla_len(key));
	return err;
}

/**
 * opi_nl_notify - number an event, and tell it if somebody listens
 * @dpu:	the device that it is about, or that has the object
 * @cmd:	OPI_NL_CMD_*_NTF
 * @fill:	puts the object into the message
 * @obj:	the object
 * @changed:	what it is about, for @fill
 *
 * A listener that cannot be told gets ENOBUFS from its socket, and has the gap
 * in the numbers as well.
 *
 * Context: opi_nl_lock held, RCU read side.
 */
void opi_nl_notify(const struct opi_nl_dpu *dpu, u8 cmd, opi_nl_fill_t *fill,
		   const void *obj, u32 changed)
{
	struct opi_nl_net *on;
	struct sk_buff *msg;
	struct net *net;
	void *hdr;

	lockdep_assert_held(&opi_nl_lock);

	net = opi_nl_dpu_net(dpu);
	on = net_generic(net, opi_nl_net_id);
	on->seq++;

	if (!genl_has_listeners(&opi_nl_family, net, OPI_NLGRP_EVENTS))
		return;

	msg = genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_ATOMIC);
	if (!msg)
		goto err_lost;

	hdr = genlmsg_put(msg, 0, 0, &opi_nl_family, 0, cmd);
	if (!hdr || fill(msg, obj, on->seq, changed))
		goto err_free;

	genlmsg_end(msg, hdr);
	genlmsg_multicast_netns(&opi_nl_family, net, msg, 0, OPI_NLGRP_EVENTS,
				GFP_ATOMIC);
	return;

err_free:
	nlmsg_free(msg);
err_lost:
	genl_set_err(&opi_nl_family, net, 0, OPI_NLGRP_EVENTS, -ENOBUFS);
}

/* What a new state tells that the old one did not, as OPI_CHANGE_*. */
static u32 opi_nl_diff(const struct opi_nl_state *old,
		       const struct opi_nl_state *new)
{
	u32 changed = 0;

	if (old->peer != new->peer)
		changed |= OPI_CHANGE_PEER;
	if (old->generation != new->generation)
		changed |= OPI_CHANGE_GENERATION;
	if (old->mode != new->mode)
		changed |= OPI_CHANGE_MODE;
	if (old->dev_state != new->dev_state || old->health != new->health)
		changed |= OPI_CHANGE_HEALTH;
	if (old->events_lost != new->events_lost)
		changed |= OPI_CHANGE_LOST;
	if (old->boot_valid != new->boot_valid ||
	    (new->boot_valid &&
	     memcmp(&old->boot, &new->boot, sizeof(new->boot))))
		changed |= OPI_CHANGE_BOOT;

	return changed;
}

/**
 * opi_nl_dpu_add - show a device and its functions
 * @dpu:	not shown
 * @devlink:	the device's, registered; stays so until opi_nl_dpu_del()
 * @state:	of the device
 *
 * Context: any but hard interrupts.
 */
void opi_nl_dpu_add(struct opi_nl_dpu *dpu, struct devlink *devlink,
		    const struct opi_nl_state *state)
{
	rcu_read_lock();
	spin_lock_bh(&opi_nl_lock);
	dpu->id = ++opi_nl_last_id;
	dpu->devlink = devlink;
	dpu->state = *state;
	list_add_tail(&dpu->list, &opi_nl_dpus);
	opi_nl_notify(dpu, OPI_NL_CMD_DPU_ADD_NTF, opi_nl_fill, dpu, 0);
	opi_nl_funcs_notify(dpu, OPI_NL_CMD_FUNCTION_ADD_NTF);
	spin_unlock_bh(&opi_nl_lock);
	rcu_read_unlock();
}

/**
 * opi_nl_dpu_del - do not show a device and its functions any more
 * @dpu:	the device; nothing happens if it is not shown
 *
 * To be called before the devlink instance is unregistered or changes its
 * network namespace (and opi_nl_dpu_add() when it has).
 *
 * Context: any but hard interrupts.
 */
void opi_nl_dpu_del(struct opi_nl_dpu *dpu)
{
	rcu_read_lock();
	spin_lock_bh(&opi_nl_lock);
	if (dpu->devlink) {
		list_del(&dpu->list);
		opi_nl_funcs_notify(dpu, OPI_NL_CMD_FUNCTION_DEL_NTF);
		opi_nl_notify(dpu, OPI_NL_CMD_DPU_DEL_NTF, opi_nl_fill, dpu,
			      0);
		dpu->devlink = NULL;
	}
	spin_unlock_bh(&opi_nl_lock);
	rcu_read_unlock();
}

/**
 * opi_nl_dpu_update - take over what was read from a device
 * @dpu:	the device; nothing happens if it is not shown
 * @state:	its new state
 * @more:	OPI_CHANGE_* that no state tells, as OPI_CHANGE_HOST_RESET
 *
 * Sends an event if @state holds something new or @more is not 0.
 *
 * Context: any but hard interrupts.
 */
void opi_nl_dpu_update(struct opi_nl_dpu *dpu,
		       const struct opi_nl_state *state, u32 more)
{
	u32 changed;

	rcu_read_lock();
	spin_lock_bh(&opi_nl_lock);
	if (dpu->devlink) {
		changed = opi_nl_diff(&dpu->state, state) | more;
		dpu->state = *state;
		if (changed)
			opi_nl_notify(dpu, OPI_NL_CMD_DPU_CHANGE_NTF,
				      opi_nl_fill, dpu, changed);
	}
	spin_unlock_bh(&opi_nl_lock);
	rcu_read_unlock();
}

static struct pernet_operations opi_nl_net_ops = {
	.id	= &opi_nl_net_id,
	.size	= sizeof(struct opi_nl_net),
};

/**
 * opi_nl_init - register the family
 *
 * Return: 0 or a negative errno.
 */
int __init opi_nl_init(void)
{
	int err;

	err = register_pernet_subsys(&opi_nl_net_ops);
	if (err)
		return err;

	err = genl_register_family(&opi_nl_family);
	if (err)
		unregister_pernet_subsys(&opi_nl_net_ops);
	return err;
}

/**
 * opi_nl_exit - unregister the family; no device is shown any more
 */
void opi_nl_exit(void)
{
	genl_unregister_family(&opi_nl_family);
	unregister_pernet_subsys(&opi_nl_net_ops);
}
