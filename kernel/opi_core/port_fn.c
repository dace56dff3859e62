// SPDX-License-Identifier: GPL-2.0
/*
 * What devlink shows and sets of the function behind a port of the DPU: address,
 * state, migratable, event queues; and the making and removing of subfunctions.
 * The rest of a function is the netlink family's (netlink_func.c).
 *
 * What can be asked of the card's table is answered from our copy of it: an
 * error would end a dump of all ports.
 */
#include <linux/etherdevice.h>

#include "opi_core.h"

static struct opi_port *opi_port_of(struct devlink_port *dl)
{
	return container_of(dl, struct opi_port, dl);
}

/* The function behind a port; it may not be in the table at a bad moment. */
static struct opi_func *opi_port_func(struct opi_port *port,
				      struct netlink_ext_ack *extack)
{
	struct opi_func *func = xa_load(&port->od->funcs, port->func_id);

	if (!func)
		NL_SET_ERR_MSG(extack, "the function is not known");
	return func;
}

static void opi_port_fn_refused(int err, struct netlink_ext_ack *extack)
{
	if (opi_no_service(err))
		NL_SET_ERR_MSG(extack, "the card does not answer");
	else
		NL_SET_ERR_MSG(extack, "the card refuses it");
}

static int opi_port_fn_hw_addr_get(struct devlink_port *dl, u8 *hw_addr,
				   int *hw_addr_len,
				   struct netlink_ext_ack *extack)
{
	struct opi_func *func = opi_port_func(opi_port_of(dl), NULL);

	if (!func)
		return -EOPNOTSUPP;
	ether_addr_copy(hw_addr, func->info.mac);
	*hw_addr_len = ETH_ALEN;
	return 0;
}

static int opi_port_fn_hw_addr_set(struct devlink_port *dl, const u8 *hw_addr,
				   int hw_addr_len,
				   struct netlink_ext_ack *extack)
{
	struct opi_port *port = opi_port_of(dl);
	struct opi_func *func = opi_port_func(port, extack);
	int err;

	if (!func)
		return -ENODEV;
	if (hw_addr_len != ETH_ALEN || !is_valid_ether_addr(hw_addr)) {
		NL_SET_ERR_MSG(extack, "not a unicast Ethernet address");
		return -EINVAL;
	}
	err = opi_cmd_port_set_mac(port->od, port->id, hw_addr);
	if (err)
		opi_port_fn_refused(err, extack);
	else
		opi_func_refresh(port->od, func);
	return err;
}

static int opi_port_fn_state_get(struct devlink_port *dl,
				 enum devlink_port_fn_state *state,
				 enum devlink_port_fn_opstate *opstate,
				 struct netlink_ext_ack *extack)
{
	struct opi_func *func = opi_port_func(opi_port_of(dl), NULL);

	if (!func)
		return -EOPNOTSUPP;
	*state = func->info.flags & cpu_to_le16(OPI_FUNC_F_EXPOSE) ?
		DEVLINK_PORT_FN_STATE_ACTIVE : DEVLINK_PORT_FN_STATE_INACTIVE;
	*opstate = func->info.state == OPI_FUNC_ATTACHED ?
		DEVLINK_PORT_FN_OPSTATE_ATTACHED :
		DEVLINK_PORT_FN_OPSTATE_DETACHED;
	return 0;
}

/* Let the host have the function, or take it away; nothing if it is so. */
static int opi_port_fn_expose(struct opi_port *port, struct opi_func *func,
			      bool expose)
{
	struct opi_dev *od = port->od;
	int err;

	opi_func_refresh(od, func);
	if (expose == !!(func->info.flags & cpu_to_le16(OPI_FUNC_F_EXPOSE)))
		return 0;
	err = expose ? opi_cmd_func_expose(od, func->id) :
		       opi_cmd_func_withdraw(od, func->id);
	if (!err)
		opi_func_refresh(od, func);
	return err;
}

static int opi_port_fn_state_set(struct devlink_port *dl,
				 enum devlink_port_fn_state state,
				 struct netlink_ext_ack *extack)
{
	struct opi_port *port = opi_port_of(dl);
	struct opi_func *func = opi_port_func(port, extack);
	int err;

	if (!func)
		return -ENODEV;
	err = opi_port_fn_expose(port, func,
				 state == DEVLINK_PORT_FN_STATE_ACTIVE);
	if (err)
		opi_port_fn_refused(err, extack);
	return err;
}

static int opi_port_fn_migratable_get(struct devlink_port *dl, bool *enabled,
				      struct netlink_ext_ack *extack)
{
	struct opi_func *func = opi_port_func(opi_port_of(dl), NULL);

	if (!func)
		return -EOPNOTSUPP;
	*enabled = func->info.flags & cpu_to_le16(OPI_FUNC_F_MIGRATABLE);
	return 0;
}

static int opi_port_fn_migratable_set(struct devlink_port *dl, bool enable,
				      struct netlink_ext_ack *extack)
{
	struct opi_port *port = opi_port_of(dl);
	struct opi_func *func = opi_port_func(port, extack);
	struct opi_cmd cmd = {
		.u.func.mask = cpu_to_le32(OPI_FUNC_SET_MIGRATABLE),
	};
	int err;

	if (!func)
		return -ENODEV;
	if (enable)
		cmd.u.func.flags = cpu_to_le16(OPI_FUNC_F_MIGRATABLE);
	err = opi_cmd_func_set(port->od, func->id, &cmd);
	if (err)
		opi_port_fn_refused(err, extack);
	else
		opi_func_refresh(port->od, func);
	return err;
}

/* The first event queue is for commands and events, all others are for I/O. */
static int opi_port_fn_max_io_eqs_get(struct devlink_port *dl, u32 *max_io_eqs,
				      struct netlink_ext_ack *extack)
{
	struct opi_func *func = opi_port_func(opi_port_of(dl), NULL);
	u16 eqs;

	if (!func)
		return -EOPNOTSUPP;
	eqs = le16_to_cpu(func->info.max_eqs);
	*max_io_eqs = eqs ? eqs - 1 : 0;
	return 0;
}

static int opi_port_fn_max_io_eqs_set(struct devlink_port *dl, u32 max_io_eqs,
				      struct netlink_ext_ack *extack)
{
	struct opi_port *port = opi_port_of(dl);
	struct opi_func *func = opi_port_func(port, extack);
	struct opi_cmd cmd = {
		.u.func.mask = cpu_to_le32(OPI_FUNC_SET_MAX_EQS),
		.u.func.max_eqs = cpu_to_le16(max_io_eqs + 1),
	};
	int err;

	if (!func)
		return -ENODEV;
	err = max_io_eqs < U16_MAX ?
		opi_cmd_func_set(port->od, func->id, &cmd) : -ERANGE;
	if (err == -ERANGE)
		NL_SET_ERR_MSG(extack, "the function has fewer event queues");
	else if (err == -EBUSY)
		NL_SET_ERR_MSG(extack,
			       "a driver of the host uses the function");
	else if (err)
		opi_port_fn_refused(err, extack);
	else
		opi_func_refresh(port->od, func);
	return err;
}

static int opi_port_sf_del(struct devlink *devlink, struct devlink_port *dl,
			   struct netlink_ext_ack *extack)
{
	struct opi_port *port = opi_port_of(dl);
	struct opi_func *func = opi_port_func(port, extack);
	struct opi_dev *od = port->od;
	int err;

	if (!func)
		return -ENODEV;
	err = opi_port_fn_expose(port, func, false);
	if (!err)
		err = opi_cmd_func_destroy(od, func->id);
	if (err) {
		opi_port_fn_refused(err, extack);
		return err;
	}
	/* The port is gone with this. */
	opi_func_gone(od, func->id);
	return 0;
}

static int opi_port_sf_check(struct opi_dev *od,
			     const struct devlink_port_new_attrs *attrs,
			     struct netlink_ext_ack *extack)
{
	if (!opi_is_dpu(od)) {
		NL_SET_ERR_MSG(extack, "only the DPU makes functions");
		return -EOPNOTSUPP;
	}
	if (attrs->flavour != DEVLINK_PORT_FLAVOUR_PCI_SF) {
		NL_SET_ERR_MSG(extack, "only subfunctions (pcisf) can be made");
		return -EOPNOTSUPP;
	}
	if (!(od->caps & OPI_CAP_SF)) {
		NL_SET_ERR_MSG(extack, "the card has no subfunctions");
		return -EOPNOTSUPP;
	}
	if (attrs->port_index_valid) {
		NL_SET_ERR_MSG(extack, "the card chooses the port index");
		return -EOPNOTSUPP;
	}
	if (!attrs->controller_valid || !attrs->controller) {
		NL_SET_ERR_MSG(extack,
			       "the DPU has no subfunctions of its own, controller 1 is the host");
		return -EINVAL;
	}
	/* The card's numbers have 16 bits. */
	if (attrs->controller > U16_MAX) {
		NL_SET_ERR_MSG(extack, "the card has no such controller");
		return -ENOENT;
	}
	if (!attrs->sfnum_valid) {
		NL_SET_ERR_MSG(extack, "a subfunction needs a number (sfnum)");
		return -EINVAL;
	}
	return 0;
}

/**
 * opi_port_new - devlink_ops.port_new: make a subfunction
 * @devlink:	of the DPU
 * @attrs:	what is asked for
 * @extack:	gets the reason of a refusal
 * @dl:		gets the port
 *
 * Context: devl_lock held, may sleep.
 * Return: 0 or a negative errno.
 */
int opi_port_new(struct devlink *devlink,
		 const struct devlink_port_new_attrs *attrs,
		 struct netlink_ext_ack *extack, struct devlink_port **dl)
{
	struct opi_dev *od = devlink_priv(devlink);
	struct opi_port *port;
	u32 id;
	int err;

	err = opi_port_sf_check(od, attrs, extack);
	if (err)
		return err;
	err = opi_resource_check(od, OPI_RESOURCE_SFS,
				 opi_resource_in_use(od, OPI_RESOURCE_SFS) + 1,
				 extack);
	if (err)
		return err;

	err = opi_cmd_func_create(od, attrs->controller, attrs->pfnum,
				  attrs->sfnum, &id);
	switch (err) {
	case 0:
		break;
	case -ENOENT:
		NL_SET_ERR_MSG(extack, "the card has no such controller or PF");
		return err;
	case -EEXIST:
		NL_SET_ERR_MSG(extack, "there is a subfunction of this number");
		return err;
	case -ENOSPC:
		NL_SET_ERR_MSG(extack, "the card has no more subfunctions");
		return err;
	case -ERANGE:
		NL_SET_ERR_MSG(extack, "no number of a subfunction");
		return err;
	default:
		opi_port_fn_refused(err, extack);
		return err;
	}

	port = opi_func_made(od, id);
	if (IS_ERR(port)) {
		NL_SET_ERR_MSG(extack, "the port could not be made");
		opi_cmd_func_destroy(od, id);
		opi_func_gone(od, id);
		return PTR_ERR(port);
	}
	*dl = &port->dl;
	return 0;
}

const struct devlink_port_ops opi_port_pf_ops = {
	.port_fn_hw_addr_get	= opi_port_fn_hw_addr_get,
	.port_fn_hw_addr_set	= opi_port_fn_hw_addr_set,
};

const struct devlink_port_ops opi_port_vf_ops = {
	.port_fn_hw_addr_get	= opi_port_fn_hw_addr_get,
	.port_fn_hw_addr_set	= opi_port_fn_hw_addr_set,
	.port_fn_state_get	= opi_port_fn_state_get,
	.port_fn_state_set	= opi_port_fn_state_set,
	.port_fn_migratable_get	= opi_port_fn_migratable_get,
	.port_fn_migratable_set	= opi_port_fn_migratable_set,
	.port_fn_max_io_eqs_get	= opi_port_fn_max_io_eqs_get,
	.port_fn_max_io_eqs_set	= opi_port_fn_max_io_eqs_set,
};

const struct devlink_port_ops opi_port_sf_ops = {
	.port_del		= opi_port_sf_del,
	.port_fn_hw_addr_get	= opi_port_fn_hw_addr_get,
	.port_fn_hw_addr_set	= opi_port_fn_hw_addr_set,
	.port_fn_state_get	= opi_port_fn_state_get,
	.port_fn_state_set	= opi_port_fn_state_set,
};
