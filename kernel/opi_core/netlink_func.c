// SPDX-License-Identifier: GPL-2.0
/*
 * Functions in the generic netlink family "opi": one or all of them, their
 * events, and the request to change one.  As with devices, what is shown is a
 * copy that the driver hands in; only a change goes to the driver (func.c).
 */
#include <linux/device.h>
#include <linux/netdevice.h>
#include <net/devlink.h>
#include <net/genetlink.h>

#include "netlink_int.h"

/**
 * struct opi_nl_func_ctx - where a dump goes on
 * @dpu:	id of the device of the last function that is in a message already
 * @func:	one more than that function's id
 */
struct opi_nl_func_ctx {
	u64 dpu;
	u64 func;
};

/* What only some functions have. */
static int opi_nl_func_fill_some(struct sk_buff *skb,
				 const struct opi_func_info *info)
{
	u32 port = le32_to_cpu(info->port), sf = le32_to_cpu(info->sf);
	u16 vf = le16_to_cpu(info->vf);

	if (vf != OPI_ID16_NONE && nla_put_u32(skb, OPI_A_FUNCTION_VF, vf))
		return -EMSGSIZE;
	if (sf != OPI_ID_NONE && nla_put_u32(skb, OPI_A_FUNCTION_SF, sf))
		return -EMSGSIZE;
	if (port != OPI_ID_NONE &&
	    nla_put_u32(skb, OPI_A_FUNCTION_PORT_INDEX, port))
		return -EMSGSIZE;
	if (info->state != OPI_FUNC_HIDDEN &&
	    nla_put_u32(skb, OPI_A_FUNCTION_HOST_ADDRESS,
			le16_to_cpu(info->host_bdf)))
		return -EMSGSIZE;
	if (info->type == OPI_PORT_PF &&
	    (nla_put_u32(skb, OPI_A_FUNCTION_MAX_VFS,
			 le16_to_cpu(info->max_vfs)) ||
	     nla_put_u32(skb, OPI_A_FUNCTION_NUM_VFS,
			 le16_to_cpu(info->num_vfs))))
		return -EMSGSIZE;
	return 0;
}

static int opi_nl_func_fill_mig(struct sk_buff *skb,
				const struct opi_nl_mig *mig)
{
	if (!mig->known)
		return 0;
	if (nla_put_u32(skb, OPI_A_FUNCTION_MIG_STATE, mig->state))
		return -EMSGSIZE;
	if (mig->src_serial &&
	    (nla_put_u64_64bit(skb, OPI_A_FUNCTION_SOURCE_SERIAL,
			       mig->src_serial, OPI_A_FUNCTION_PAD) ||
	     nla_put_u32(skb, OPI_A_FUNCTION_SOURCE_FUNC_ID,
			 mig->src_func_id)))
		return -EMSGSIZE;
	return 0;
}

static int opi_nl_func_fill(struct sk_buff *skb, const void *obj, u64 seq,
			    u32 changed)
{
	const struct opi_nl_func *func = obj;
	const struct opi_func_info *info = &func->info;
	const struct opi_nl_dpu *dpu = func->dpu;
	bool trust = info->flags & cpu_to_le16(OPI_FUNC_F_TRUST);

	if (nla_put_string(skb, OPI_A_FUNCTION_BUS_NAME,
			   opi_nl_bus_name(dpu)) ||
	    nla_put_string(skb, OPI_A_FUNCTION_DEV_NAME,
			   opi_nl_dev_name(dpu)) ||
	    nla_put_u64_64bit(skb, OPI_A_FUNCTION_SERIAL, dpu->state.serial,
			      OPI_A_FUNCTION_PAD) ||
	    nla_put_u32(skb, OPI_A_FUNCTION_FUNC_ID,
			le32_to_cpu(info->func_id)) ||
	    nla_put_u32(skb, OPI_A_FUNCTION_TYPE, info->type) ||
	    nla_put_u32(skb, OPI_A_FUNCTION_CLASS, info->fclass) ||
	    nla_put_u32(skb, OPI_A_FUNCTION_CONTROLLER,
			le16_to_cpu(info->controller)) ||
	    nla_put_u32(skb, OPI_A_FUNCTION_PF, le16_to_cpu(info->pf)) ||
	    nla_put_u32(skb, OPI_A_FUNCTION_OPSTATE, info->state) ||
	    nla_put_u32(skb, OPI_A_FUNCTION_TRUST, trust) ||
	    nla_put_u32(skb, OPI_A_FUNCTION_VLAN, le16_to_cpu(info->vlan)) ||
	    nla_put_u32(skb, OPI_A_FUNCTION_MAX_QPS,
			le16_to_cpu(info->max_qps)) ||
	    nla_put_u64_64bit(skb, OPI_A_FUNCTION_SEQ, seq,
			      OPI_A_FUNCTION_PAD))
		return -EMSGSIZE;

	if (changed && nla_put_u32(skb, OPI_A_FUNCTION_CHANGED, changed))
		return -EMSGSIZE;

	return opi_nl_func_fill_some(skb, info) ?:
	       opi_nl_func_fill_mig(skb, &func->mig);
}

/* Does a request name a device and a function? */
static int opi_nl_func_check_name(struct genl_info *info)
{
	int err = opi_nl_check_name(info);

	if (err)
		return err;
	if (GENL_REQ_ATTR_CHECK(info, OPI_A_FUNCTION_FUNC_ID)) {
		NL_SET_ERR_MSG(info->extack, "name a function by func-id");
		return -EINVAL;
	}
	return 0;
}

/* The function that a request names. */
static const void *opi_nl_func_find(struct genl_info *info)
{
	u32 id = nla_get_u32(info->attrs[OPI_A_FUNCTION_FUNC_ID]);
	const struct opi_nl_dpu *dpu = opi_nl_dpu_find(info);
	const struct opi_nl_func *func;

	if (IS_ERR(dpu))
		return dpu;
	list_for_each_entry(func, &dpu->funcs, list)
		if (le32_to_cpu(func->info.func_id) == id)
			return func;
	NL_SET_ERR_MSG_ATTR(info->extack, info->attrs[OPI_A_FUNCTION_FUNC_ID],
			    "the DPU has no such function");
	return ERR_PTR(-ENOENT);
}

/**
 * opi_nl_function_get_doit - answer a request for one function
 * @skb:	the request
 * @info:	its attributes, checked against the policy
 *
 * Return: 0 or a negative errno.
 */
int opi_nl_function_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	return opi_nl_func_check_name(info) ?:
	       opi_nl_reply(info, opi_nl_func_find, opi_nl_func_fill);
}

/* The functions of one device, from where the dump has come to. */
static int opi_nl_funcs_dump(struct sk_buff *skb, struct netlink_callback *cb,
			     const struct opi_nl_dpu *dpu, u64 seq)
{
	struct opi_nl_func_ctx *ctx = (void *)cb->ctx;
	struct opi_nl_func *func;
	void *hdr;
	int err;

	if (dpu->id != ctx->dpu) {
		ctx->dpu = dpu->id;
		ctx->func = 0;
	}
	list_for_each_entry(func, &dpu->funcs, list) {
		u32 id = le32_to_cpu(func->info.func_id);

		if (id < ctx->func)
			continue;
		hdr = genlmsg_put(skb, NETLINK_CB(cb->skb).portid,
				  cb->nlh->nlmsg_seq, &opi_nl_family,
				  NLM_F_MULTI, OPI_NL_CMD_FUNCTION_GET);
		if (!hdr)
			return -EMSGSIZE;
		genl_dump_check_consistent(cb, hdr);
		err = opi_nl_func_fill(skb, func, seq, 0);
		if (err) {
			genlmsg_cancel(skb, hdr);
			return err;
		}
		genlmsg_end(skb, hdr);
		ctx->func = (u64)id + 1;
	}
	return 0;
}

/**
 * opi_nl_function_get_dumpit - put as many functions as fit into a part of a dump
 * @skb:	where the messages go
 * @cb:		state of the dump
 *
 * In order of the ids of devices and functions; both are never used again.
 *
 * Return: 0 at the end, -EMSGSIZE if there is more, or another negative errno.
 */
int opi_nl_function_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	struct opi_nl_func_ctx *ctx = (void *)cb->ctx;
	const struct genl_info *info = genl_info_dump(cb);
	struct net *net = genl_info_net(info);
	struct opi_nl_dpu *dpu;
	int err = 0;
	u64 seq;

	BUILD_BUG_ON(sizeof(*ctx) > sizeof(cb->ctx));

	rcu_read_lock();
	spin_lock_bh(&opi_nl_lock);
	seq = opi_nl_seq(net);
	cb->seq = lower_32_bits(seq) + 1;

	list_for_each_entry(dpu, &opi_nl_dpus, list) {
		if (dpu->id < ctx->dpu ||
		    !net_eq(opi_nl_dpu_net(dpu), net) ||
		    !opi_nl_fits(dpu, info->attrs))
			continue;
		err = opi_nl_funcs_dump(skb, cb, dpu, seq);
		if (err)
			break;
	}
	spin_unlock_bh(&opi_nl_lock);
	rcu_read_unlock();

	return err;
}

/* What a request wants changed. */
static int opi_nl_func_attrs(struct genl_info *info,
			     struct opi_func_attrs *attrs)
{
	struct nlattr **tb = info->attrs;

	if (tb[OPI_A_FUNCTION_TRUST]) {
		attrs->mask |= OPI_FUNC_SET_TRUST;
		attrs->trust = nla_get_u32(tb[OPI_A_FUNCTION_TRUST]);
	}
	if (tb[OPI_A_FUNCTION_VLAN]) {
		attrs->mask |= OPI_FUNC_SET_VLAN;
		attrs->vlan = nla_get_u32(tb[OPI_A_FUNCTION_VLAN]);
	}
	if (tb[OPI_A_FUNCTION_MAX_QPS]) {
		attrs->mask |= OPI_FUNC_SET_MAX_QPS;
		attrs->max_qps = nla_get_u32(tb[OPI_A_FUNCTION_MAX_QPS]);
	}
	if (tb[OPI_A_FUNCTION_MAX_VFS]) {
		attrs->mask |= OPI_FUNC_SET_MAX_VFS;
		attrs->max_vfs = nla_get_u32(tb[OPI_A_FUNCTION_MAX_VFS]);
	}
	if (attrs->mask)
		return 0;
	NL_SET_ERR_MSG(info->extack, "nothing to change is given");
	return -EINVAL;
}

/**
 * opi_nl_function_set_doit - change a function
 * @skb:	the request
 * @info:	its attributes, checked against the policy
 *
 * Return: 0 or a negative errno.
 */
int opi_nl_function_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct opi_func_attrs attrs = {};
	const struct opi_nl_func *func;
	struct device *dev = NULL;
	int err;

	err = opi_nl_func_check_name(info);
	if (err)
		return err;
	err = opi_nl_func_attrs(info, &attrs);
	if (err)
		return err;

	rcu_read_lock();
	spin_lock_bh(&opi_nl_lock);
	func = opi_nl_func_find(info);
	if (IS_ERR(func))
		err = PTR_ERR(func);
	else
		dev = get_device(devlink_to_dev(func->dpu->devlink));
	spin_unlock_bh(&opi_nl_lock);
	rcu_read_unlock();
	if (err)
		return err;

	err = opi_func_change(dev,
			      nla_get_u32(info->attrs[OPI_A_FUNCTION_FUNC_ID]),
			      &attrs, info->extack);
	put_device(dev);
	return err;
}

/**
 * opi_nl_funcs_notify - tell something of all functions of a device
 * @dpu:	the device
 * @cmd:	OPI_NL_CMD_FUNCTION_*_NTF
 *
 * Context: opi_nl_lock held, RCU read side.
 */
void opi_nl_funcs_notify(const struct opi_nl_dpu *dpu, u8 cmd)
{
	struct opi_nl_func *func;

	list_for_each_entry(func, &dpu->funcs, list)
		opi_nl_notify(dpu, cmd, opi_nl_func_fill, func, 0);
}

/* What a new state tells that the old one did not, as OPI_FUNCTION_CHANGE_*. */
static u32 opi_nl_func_diff(const struct opi_func_info *old,
			    const struct opi_func_info *new)
{
	u32 changed = 0;

	if (old->state == OPI_FUNC_HIDDEN && new->state != OPI_FUNC_HIDDEN)
		changed |= OPI_FUNCTION_CHANGE_EXPOSED;
	if (old->state != OPI_FUNC_HIDDEN && new->state == OPI_FUNC_HIDDEN)
		changed |= OPI_FUNCTION_CHANGE_WITHDRAWN;
	if (old->state != OPI_FUNC_ATTACHED && new->state == OPI_FUNC_ATTACHED)
		changed |= OPI_FUNCTION_CHANGE_ATTACHED;
	if (old->state == OPI_FUNC_ATTACHED && new->state != OPI_FUNC_ATTACHED)
		changed |= OPI_FUNCTION_CHANGE_DETACHED;
	if (old->num_vfs != new->num_vfs)
		changed |= OPI_FUNCTION_CHANGE_NUM_VFS;
	/* That the host may have it is told by the state. */
	if ((old->flags ^ new->flags) & ~cpu_to_le16(OPI_FUNC_F_EXPOSE) ||
	    old->vlan != new->vlan ||
	    old->max_qps != new->max_qps || old->max_eqs != new->max_eqs ||
	    old->max_vfs != new->max_vfs ||
	    memcmp(old->mac, new->mac, sizeof(new->mac)))
		changed |= OPI_FUNCTION_CHANGE_SET;
	return changed;
}

static u32 opi_nl_mig_diff(const struct opi_nl_mig *old,
			   const struct opi_nl_mig *new)
{
	return old->known != new->known || old->state != new->state ||
	       old->src_serial != new->src_serial ||
	       old->src_func_id != new->src_func_id ?
		OPI_FUNCTION_CHANGE_MIGRATION : 0;
}

/**
 * opi_nl_func_add - show a function
 * @dpu:	the device that tells of it
 * @func:	all zero
 * @info:	of the function
 * @mig:	its migration
 *
 * If the device is not shown yet, neither is the function until it is.
 *
 * Context: any but hard interrupts.
 */
void opi_nl_func_add(struct opi_nl_dpu *dpu, struct opi_nl_func *func,
		     const struct opi_func_info *info,
		     const struct opi_nl_mig *mig)
{
	u32 id = le32_to_cpu(info->func_id);
	struct opi_nl_func *prev;

	rcu_read_lock();
	spin_lock_bh(&opi_nl_lock);
	func->dpu = dpu;
	func->info = *info;
	func->told = *info;
	func->mig = *mig;
	func->mig_told = *mig;
	list_for_each_entry_reverse(prev, &dpu->funcs, list)
		if (le32_to_cpu(prev->info.func_id) < id)
			break;
	/* Behind @prev, or the head if there is none. */
	list_add(&func->list, &prev->list);
	if (dpu->devlink)
		opi_nl_notify(dpu, OPI_NL_CMD_FUNCTION_ADD_NTF,
			      opi_nl_func_fill, func, 0);
	spin_unlock_bh(&opi_nl_lock);
	rcu_read_unlock();
}

/**
 * opi_nl_func_del - do not show a function any more
 * @func:	the function
 *
 * Context: any but hard interrupts.
 */
void opi_nl_func_del(struct opi_nl_func *func)
{
	rcu_read_lock();
	spin_lock_bh(&opi_nl_lock);
	list_del(&func->list);
	if (func->dpu->devlink)
		opi_nl_notify(func->dpu, OPI_NL_CMD_FUNCTION_DEL_NTF,
			      opi_nl_func_fill, func, 0);
	spin_unlock_bh(&opi_nl_lock);
	rcu_read_unlock();
}

/**
 * opi_nl_func_show - take over what was read of a function
 * @func:	the function
 * @info:	of the function
 * @mig:	its migration
 *
 * Listeners are told later, when the card's own event is there.
 *
 * Context: any but hard interrupts.
 */
void opi_nl_func_show(struct opi_nl_func *func,
		      const struct opi_func_info *info,
		      const struct opi_nl_mig *mig)
{
	spin_lock_bh(&opi_nl_lock);
	func->info = *info;
	func->mig = *mig;
	spin_unlock_bh(&opi_nl_lock);
}

/**
 * opi_nl_func_tell - take over what was read of a function, and tell of it
 * @func:	the function
 * @info:	of the function
 * @mig:	its migration
 * @more:	OPI_FUNCTION_CHANGE_* that has happened, whether or not @info
 *		or @mig shows it
 *
 * Sends an event if these hold something that listeners do not know, or @more
 * is not 0.
 *
 * Context: any but hard interrupts.
 */
void opi_nl_func_tell(struct opi_nl_func *func,
		      const struct opi_func_info *info,
		      const struct opi_nl_mig *mig, u32 more)
{
	u32 changed;

	rcu_read_lock();
	spin_lock_bh(&opi_nl_lock);
	changed = opi_nl_func_diff(&func->told, info) |
		  opi_nl_mig_diff(&func->mig_told, mig) | more;
	func->info = *info;
	func->told = *info;
	func->mig = *mig;
	func->mig_told = *mig;
	if (changed && func->dpu->devlink)
		opi_nl_notify(func->dpu, OPI_NL_CMD_FUNCTION_CHANGE_NTF,
			      opi_nl_func_fill, func, changed);
	spin_unlock_bh(&opi_nl_lock);
	rcu_read_unlock();
}
