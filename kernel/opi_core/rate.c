// SPDX-License-Identifier: GPL-2.0
/*
 * devlink rates on the DPU: a leaf for each port of a host function, and nodes
 * above them (interface, "Rates").
 *
 * The card forgets them with each reset of the DPU function, so what is set is
 * kept here and given to it again at each start.  devlink gives one value at a
 * time, the card takes all of a leaf or node at once.
 */
#include <linux/idr.h>
#include <linux/list.h>
#include <linux/slab.h>

#include "opi_core.h"

/* Bounds on what the card says of itself. */
#define OPI_MAX_RATE_NODES	4096

static const struct opi_rate_values opi_rate_none = { .weight = 1 };

static bool opi_rate_is_none(const struct opi_rate *rate)
{
	return !rate->parent &&
	       !memcmp(&rate->val, &opi_rate_none, sizeof(rate->val));
}

static int opi_rate_give(struct opi_rate *rate,
			 const struct opi_rate_values *val,
			 const struct opi_rate *parent)
{
	struct opi_cmd cmd = {
		.u.rate.kind		= rate->kind,
		.u.rate.tx_priority	= val->priority,
		.u.rate.tx_weight	= val->weight,
		.u.rate.parent		= cpu_to_le32(parent ? parent->id : 0),
		.u.rate.tx_max		= cpu_to_le64(val->max),
		.u.rate.tx_share	= cpu_to_le64(val->share),
	};

	return opi_cmd_rate_set(rate->od, rate->id, &cmd);
}

static int opi_rate_refused(struct opi_rate *rate, int err,
			    struct netlink_ext_ack *extack)
{
	if (opi_no_service(err))
		NL_SET_ERR_MSG_MOD(extack, "the card has no service now");
	else if (err)
		NL_SET_ERR_MSG_MOD(extack, "the card refuses the rate");
	return err;
}

static int opi_rate_supported(struct opi_dev *od,
			      struct netlink_ext_ack *extack)
{
	if (!opi_is_dpu(od)) {
		NL_SET_ERR_MSG_MOD(extack, "only the DPU limits rates");
		return -EOPNOTSUPP;
	}
	if (od->caps & OPI_CAP_RATE)
		return 0;
	NL_SET_ERR_MSG_MOD(extack, "the card cannot limit rates");
	return -EOPNOTSUPP;
}

/* Other values for a leaf or node; if they are refused, it keeps the old ones. */
static int opi_rate_set(struct opi_rate *rate,
			const struct opi_rate_values *val,
			struct netlink_ext_ack *extack)
{
	int err;

	err = opi_rate_supported(rate->od, extack);
	if (err)
		return err;
	if (val->max && val->share > val->max) {
		NL_SET_ERR_MSG_MOD(extack, "tx_share is above tx_max");
		return -EINVAL;
	}
	err = opi_rate_give(rate, val, rate->parent);
	if (!err)
		rate->val = *val;
	return opi_rate_refused(rate, err, extack);
}

int opi_rate_tx_share_set(struct devlink_rate *dl, void *priv, u64 tx_share,
			  struct netlink_ext_ack *extack)
{
	struct opi_rate *rate = priv;
	struct opi_rate_values val = rate->val;

	val.share = tx_share;
	return opi_rate_set(rate, &val, extack);
}

int opi_rate_tx_max_set(struct devlink_rate *dl, void *priv, u64 tx_max,
			struct netlink_ext_ack *extack)
{
	struct opi_rate *rate = priv;
	struct opi_rate_values val = rate->val;

	val.max = tx_max;
	return opi_rate_set(rate, &val, extack);
}

int opi_rate_tx_priority_set(struct devlink_rate *dl, void *priv, u32 priority,
			     struct netlink_ext_ack *extack)
{
	struct opi_rate *rate = priv;
	struct opi_rate_values val = rate->val;

	if (priority > OPI_RATE_PRIORITY_MAX) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "a priority is 0 to %u",
				       OPI_RATE_PRIORITY_MAX);
		return -ERANGE;
	}
	val.priority = priority;
	return opi_rate_set(rate, &val, extack);
}

int opi_rate_tx_weight_set(struct devlink_rate *dl, void *priv, u32 weight,
			   struct netlink_ext_ack *extack)
{
	struct opi_rate *rate = priv;
	struct opi_rate_values val = rate->val;

	if (!weight || weight > OPI_RATE_WEIGHT_MAX) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "a weight is 1 to %u",
				       OPI_RATE_WEIGHT_MAX);
		return -ERANGE;
	}
	val.weight = weight;
	return opi_rate_set(rate, &val, extack);
}

/**
 * opi_rate_parent_set - put a leaf or node below a node, or below none
 * @child:	the leaf or node for devlink
 * @parent:	the node for devlink
 * @priv_child:	the leaf or node
 * @priv_parent: the node; NULL: none
 * @extack:	gets the reason of a refusal
 *
 * Context: devl_lock held, may sleep.
 * Return: 0 or a negative errno; nothing has changed then.
 */
int opi_rate_parent_set(struct devlink_rate *child, struct devlink_rate *parent,
			void *priv_child, void *priv_parent,
			struct netlink_ext_ack *extack)
{
	struct opi_rate *rate = priv_child, *above = priv_parent;
	int err;

	if (above && rate->kind == OPI_RATE_NODE &&
	    (above->parent || rate->n_nodes)) {
		NL_SET_ERR_MSG_MOD(extack,
				   "there are at most two nodes above a leaf");
		return -EINVAL;
	}
	if (above) {
		err = opi_rate_supported(rate->od, extack);
		if (err)
			return err;
	}

	err = opi_rate_give(rate, &rate->val, above);
	/* Of a card that is gone it is gone too. */
	if (err && !(!above && opi_no_service(err)))
		return opi_rate_refused(rate, err, extack);

	if (rate->kind == OPI_RATE_NODE && rate->parent)
		rate->parent->n_nodes--;
	if (rate->kind == OPI_RATE_NODE && above)
		above->n_nodes++;
	rate->parent = above;
	return 0;
}

/**
 * opi_rate_max_nodes - how many nodes can there be?
 * @od:		the device
 *
 * Context: devl_lock held.
 * Return: their number; 0 on the host and if the card has no rates.
 */
u32 opi_rate_max_nodes(const struct opi_dev *od)
{
	if (!opi_is_dpu(od) || !(od->caps & OPI_CAP_RATE))
		return 0;
	return min(le32_to_cpu(od->ident.rate_nodes), OPI_MAX_RATE_NODES);
}

/**
 * opi_rate_node_new - make a node
 * @node:	the node for devlink
 * @priv:	gets the node
 * @extack:	gets the reason of a refusal
 *
 * Context: devl_lock held, may sleep.
 * Return: 0 or a negative errno.
 */
int opi_rate_node_new(struct devlink_rate *node, void **priv,
		      struct netlink_ext_ack *extack)
{
	struct opi_dev *od = devlink_priv(node->devlink);
	struct opi_rate *rate;
	int err, id;
	u32 max;

	err = opi_rate_supported(od, extack);
	if (err)
		return err;

	max = opi_rate_max_nodes(od);
	id = max ? ida_alloc_range(&od->rate_ids, 1, max, GFP_KERNEL) : -ENOSPC;
	if (id < 0) {
		if (id == -ENOSPC)
			NL_SET_ERR_MSG_FMT_MOD(extack, "the card has %u nodes",
					       max);
		return id;
	}

	rate = kzalloc(sizeof(*rate), GFP_KERNEL);
	if (!rate) {
		err = -ENOMEM;
		goto err_id;
	}
	rate->od = od;
	rate->kind = OPI_RATE_NODE;
	rate->id = id;
	rate->val = opi_rate_none;

	err = opi_rate_refused(rate, opi_cmd_rate_create(od, id), extack);
	if (err)
		goto err_free;

	list_add_tail(&rate->list, &od->rate_nodes);
	node->tx_weight = rate->val.weight;
	*priv = rate;
	return 0;

err_free:
	kfree(rate);
err_id:
	ida_free(&od->rate_ids, id);
	return err;
}

/**
 * opi_rate_node_del - destroy a node
 * @node:	the node for devlink, which forgets it whatever is returned
 * @priv:	the node
 * @extack:	gets the reason of a failure
 *
 * Context: devl_lock held, may sleep.
 * Return: 0 or a negative errno.
 */
int opi_rate_node_del(struct devlink_rate *node, void *priv,
		      struct netlink_ext_ack *extack)
{
	struct opi_rate *rate = priv, *other;
	struct opi_dev *od = rate->od;
	struct opi_port *port;
	unsigned long id;
	int err;

	/* Only if a card would not let go of them. */
	list_for_each_entry(other, &od->rate_nodes, list)
		if (other->parent == rate)
			other->parent = NULL;
	xa_for_each(&od->ports, id, port)
		if (port->rate.parent == rate)
			port->rate.parent = NULL;

	err = opi_cmd_rate_destroy(od, rate->id);
	/* One that does not go has its number for itself until a reset. */
	if (err && !opi_no_service(err))
		dev_warn(&od->pdev->dev, "rate node %u does not go: %pe\n",
			 rate->id, ERR_PTR(err));
	else
		err = 0;

	if (rate->parent)
		rate->parent->n_nodes--;
	list_del(&rate->list);
	if (!err)
		ida_free(&od->rate_ids, rate->id);
	kfree(rate);
	return err;
}

/**
 * opi_rate_leaf_add - show the rate of a port
 * @port:	the port, with a registered devlink port
 *
 * Context: devl_lock held.
 * Return: 0 or a negative errno.
 */
int opi_rate_leaf_add(struct opi_port *port)
{
	struct opi_rate *rate = &port->rate;
	int err;

	rate->od = port->od;
	rate->kind = OPI_RATE_LEAF;
	rate->id = port->id;
	rate->val = opi_rate_none;

	if (!opi_is_dpu(port->od) || port->type == OPI_PORT_UPLINK)
		return 0;
	err = devl_rate_leaf_create(&port->dl, rate, NULL);
	if (!err)
		port->dl.devlink_rate->tx_weight = rate->val.weight;
	return err;
}

/**
 * opi_rate_leaf_del - show the rate of a port no more
 * @port:	the port
 *
 * Context: devl_lock held.
 */
void opi_rate_leaf_del(struct opi_port *port)
{
	devl_rate_leaf_destroy(&port->dl);
}

/* A rate that the card does not take back is told, and is no reason to stop. */
static int opi_rate_restored(struct opi_rate *rate, int err)
{
	if (!err || opi_no_service(err))
		return err;
	dev_warn(&rate->od->pdev->dev, "the card refuses the rate of %s %u: %pe\n",
		 rate->kind == OPI_RATE_NODE ? "node" : "port", rate->id,
		 ERR_PTR(err));
	return 0;
}

/**
 * opi_rates_restore - give the card what it has forgotten
 * @od:		the device; it was reset, its admin queue runs, ports are known
 *
 * Context: devl_lock held, may sleep.
 * Return: 0 or a negative errno if there is no service.
 */
int opi_rates_restore(struct opi_dev *od)
{
	struct opi_rate *rate;
	struct opi_port *port;
	unsigned long id;
	int err, below;

	list_for_each_entry(rate, &od->rate_nodes, list) {
		err = opi_rate_restored(rate, opi_cmd_rate_create(od, rate->id));
		if (err)
			return err;
	}
	/* A parent has its own place before others are put below it. */
	for (below = 0; below <= 1; below++) {
		list_for_each_entry(rate, &od->rate_nodes, list) {
			if (!!rate->parent != below || opi_rate_is_none(rate))
				continue;
			err = opi_rate_restored(rate,
						opi_rate_give(rate, &rate->val,
							      rate->parent));
			if (err)
				return err;
		}
	}
	xa_for_each(&od->ports, id, port) {
		rate = &port->rate;
		if (opi_rate_is_none(rate))
			continue;
		err = opi_rate_restored(rate, opi_rate_give(rate, &rate->val,
							    rate->parent));
		if (err)
			return err;
	}
	return 0;
}

/**
 * opi_rates_init - there are no rates
 * @od:		the device
 */
void opi_rates_init(struct opi_dev *od)
{
	ida_init(&od->rate_ids);
	INIT_LIST_HEAD(&od->rate_nodes);
}

/**
 * opi_rates_exit - remove all nodes
 * @od:		the device, whose ports are about to go
 *
 * Context: devl_lock held, may sleep.
 */
void opi_rates_exit(struct opi_dev *od)
{
	devl_rate_nodes_destroy(priv_to_devlink(od));
	ida_destroy(&od->rate_ids);
}
