// SPDX-License-Identifier: GPL-2.0
/*
 * devlink: what the device is.  Its ports are in port.c, its health in health.c,
 * regions in region.c, its being reloaded in reload.c.
 */
#include <linux/ctype.h>

#include "opi_core.h"

/**
 * opi_text - make a string of text that the card gave
 * @dst:	room for @len + 1 characters
 * @src:	the text, padded with NULs to @len and not necessarily terminated
 * @len:	its size
 *
 * What cannot be printed becomes a question mark.
 */
void opi_text(char *dst, const char *src, size_t len)
{
	size_t i;

	for (i = 0; i < len && src[i]; i++)
		dst[i] = isascii(src[i]) && isprint(src[i]) ? src[i] : '?';
	dst[i] = '\0';
}

/**
 * opi_info_put - say which card a function is of
 * @od:		the device
 * @req:	devlink's request
 *
 * Context: devl_lock of @od or rtnl held.
 * Return: 0 or a negative errno.
 */
int opi_info_put(struct opi_dev *od, struct devlink_info_req *req)
{
	struct opi_identify *id = &od->ident;
	char text[sizeof(id->fw_version) + 1];
	int err;

	/* Nothing is known of a card that was never there. */
	if (!id->iface_version)
		return 0;

	snprintf(text, sizeof(text), "%016llx", le64_to_cpu(id->serial));
	err = devlink_info_serial_number_put(req, text);
	if (err)
		return err;
	err = devlink_info_board_serial_number_put(req, text);
	if (err)
		return err;

	BUILD_BUG_ON(sizeof(text) <= sizeof(id->board_id));
	opi_text(text, id->board_id, sizeof(id->board_id));
	err = devlink_info_version_fixed_put(req,
					     DEVLINK_INFO_VERSION_GENERIC_BOARD_ID,
					     text);
	if (err)
		return err;

	BUILD_BUG_ON(sizeof(text) <= sizeof(id->board_rev));
	opi_text(text, id->board_rev, sizeof(id->board_rev));
	err = devlink_info_version_fixed_put(req,
					     DEVLINK_INFO_VERSION_GENERIC_BOARD_REV,
					     text);
	if (err)
		return err;

	opi_text(text, id->fw_version, sizeof(id->fw_version));
	err = devlink_info_version_running_put(req,
					       DEVLINK_INFO_VERSION_GENERIC_FW,
					       text);
	if (err)
		return err;

	snprintf(text, sizeof(text), "%u.%u",
		 le32_to_cpu(id->iface_version) >> 16,
		 le32_to_cpu(id->iface_version) & 0xffff);
	return devlink_info_version_running_put(req,
						DEVLINK_INFO_VERSION_GENERIC_FW_MGMT_API,
						text);
}

static int opi_devlink_info_get(struct devlink *devlink,
				struct devlink_info_req *req,
				struct netlink_ext_ack *extack)
{
	return opi_info_put(devlink_priv(devlink), req);
}

/* The eswitch belongs to the DPU; it has no other mode than this. */
static int opi_devlink_eswitch_mode_get(struct devlink *devlink, u16 *mode)
{
	struct opi_dev *od = devlink_priv(devlink);

	if (!opi_is_dpu(od))
		return -EOPNOTSUPP;
	*mode = DEVLINK_ESWITCH_MODE_SWITCHDEV;
	return 0;
}

const struct devlink_ops opi_devlink_ops = {
	.reload_actions		= BIT(DEVLINK_RELOAD_ACTION_DRIVER_REINIT),
	.reload_down		= opi_reload_down,
	.reload_up		= opi_reload_up,
	.info_get		= opi_devlink_info_get,
	.eswitch_mode_get	= opi_devlink_eswitch_mode_get,
	.port_new		= opi_port_new,
	.rate_leaf_tx_share_set	= opi_rate_tx_share_set,
	.rate_leaf_tx_max_set	= opi_rate_tx_max_set,
	.rate_leaf_tx_priority_set = opi_rate_tx_priority_set,
	.rate_leaf_tx_weight_set = opi_rate_tx_weight_set,
	.rate_leaf_parent_set	= opi_rate_parent_set,
	.rate_node_tx_share_set	= opi_rate_tx_share_set,
	.rate_node_tx_max_set	= opi_rate_tx_max_set,
	.rate_node_tx_priority_set = opi_rate_tx_priority_set,
	.rate_node_tx_weight_set = opi_rate_tx_weight_set,
	.rate_node_parent_set	= opi_rate_parent_set,
	.rate_node_new		= opi_rate_node_new,
	.rate_node_del		= opi_rate_node_del,
};
