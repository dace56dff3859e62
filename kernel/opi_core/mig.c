// SPDX-License-Identifier: GPL-2.0
/*
 * What the DPU is told of virtual functions that are moved (interface,
 * "Migration").  The host moves them, the DPU learns of each step and which
 * function the state came from, so that it can let the new one have what the
 * old one had.
 *
 * It also says whose state a card takes: that of cards with the same key.
 *
 * The card has the state; here is a copy in the function table (func.c), read anew
 * with each event and whenever the table is, so that lost events lose nothing.
 */
#include <linux/device.h>
#include <linux/string.h>

#include "opi_core.h"

/**
 * opi_mig_read - ask how far a function is on its way to another one
 * @od:		the device
 * @info:	of the function
 * @mig:	what is known; stays if the card does not answer, and becomes
 *		unknown if there is nothing to know or the answer makes no sense
 *
 * Only the DPU asks, of virtual functions that may be moved.
 *
 * Context: devl_lock held, may sleep.
 */
void opi_mig_read(struct opi_dev *od, const struct opi_func_info *info,
		  struct opi_nl_mig *mig)
{
	struct opi_mig_info mi;
	int err;

	if (!opi_is_dpu(od) || !(od->caps & OPI_CAP_MIG) ||
	    info->type != OPI_PORT_VF ||
	    !(info->flags & cpu_to_le16(OPI_FUNC_F_MIGRATABLE))) {
		memset(mig, 0, sizeof(*mig));
		return;
	}
	err = opi_cmd_mig_get(od, le16_to_cpu(info->vf), &mi);
	if (opi_no_service(err))
		return;
	memset(mig, 0, sizeof(*mig));
	/* Another function may have the number by now; its own event tells. */
	if (err || mi.func_id != info->func_id || mi.state > OPI_MIG_ERROR)
		return;
	mig->known = true;
	mig->state = mi.state;
	mig->src_serial = le64_to_cpu(mi.src_serial);
	if (mig->src_serial)
		mig->src_func_id = le32_to_cpu(mi.src_func_id);
}

/**
 * opi_mig_event - a MIG event
 * @od:		the device
 * @ev:		the event
 *
 * Whatever it says has happened to the function's migration; what, the card
 * is asked.  The answer may be newer than the event.
 *
 * Context: devl_lock held, may sleep.
 */
void opi_mig_event(struct opi_dev *od, const struct opi_event *ev)
{
	struct opi_func *func = xa_load(&od->funcs, ev->func_id);

	if (!func || !opi_is_dpu(od))
		return;
	opi_mig_read(od, &func->info, &func->mig);
	opi_nl_func_tell(&func->nl, &func->info, &func->mig,
			 OPI_FUNCTION_CHANGE_MIGRATION);
}

static int opi_mig_do_change_key(struct opi_dev *od, const u8 *key,
				 struct netlink_ext_ack *extack)
{
	struct opi_mig_key mk;
	int err;

	if (!opi_is_dpu(od)) {
		NL_SET_ERR_MSG(extack, "only the DPU changes the key");
		return -EPERM;
	}
	if (od->state != OPI_DEV_STATE_READY) {
		NL_SET_ERR_MSG(extack, "the card does not answer");
		return -ENODEV;
	}
	if (!(od->caps & OPI_CAP_MIG)) {
		NL_SET_ERR_MSG(extack, "the card cannot move functions");
		return -EOPNOTSUPP;
	}
	memcpy(mk.key, key, sizeof(mk.key));
	err = opi_cmd_mig_set_key(od, &mk);
	memzero_explicit(&mk, sizeof(mk));
	if (opi_no_service(err))
		NL_SET_ERR_MSG(extack, "the card does not answer");
	else if (err)
		NL_SET_ERR_MSG(extack, "the card refuses it");
	return err;
}

/**
 * opi_mig_change_key - give a card the key of the cards whose functions it takes
 * @dev:	of the DPU; may not be ours any more
 * @key:	as long as that of struct opi_mig_key; all zero: the card's own
 * @extack:	gets the reason of a refusal
 *
 * The card keeps it; here it is not.
 *
 * Context: may sleep.
 * Return: 0 or a negative errno.
 */
int opi_mig_change_key(struct device *dev, const u8 *key,
		       struct netlink_ext_ack *extack)
{
	struct opi_dev *od;
	int err;

	od = opi_dev_lock(dev, extack);
	if (!od)
		return -ENODEV;
	err = opi_mig_do_change_key(od, key, extack);
	opi_dev_unlock(od);
	return err;
}
