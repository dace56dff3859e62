/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/opi.yaml */
/* YNL-GEN uapi header */

#ifndef _UAPI_LINUX_OPI_H
#define _UAPI_LINUX_OPI_H

#define OPI_FAMILY_NAME		"opi"
#define OPI_FAMILY_VERSION	1

/**
 * enum opi_dev_state - Whether the driver can use a function of the card.
 * @OPI_DEV_STATE_STARTING: the driver resets it or sets it up
 * @OPI_DEV_STATE_READY: in use
 * @OPI_DEV_STATE_ABSENT: the function is there, the card behind it is not
 * @OPI_DEV_STATE_FAILED: the card or its admin queue stopped; health may say
 *   why
 * @OPI_DEV_STATE_GONE: it does not answer any more, as after a surprise
 *   removal
 */
enum opi_dev_state {
	OPI_DEV_STATE_STARTING,
	OPI_DEV_STATE_READY,
	OPI_DEV_STATE_ABSENT,
	OPI_DEV_STATE_FAILED,
	OPI_DEV_STATE_GONE,
};

/**
 * enum opi_change - What a dpu-change-ntf is about. Several may come at once.
 * @OPI_CHANGE_PEER: peer-state
 * @OPI_CHANGE_BOOT: something in the boot block
 * @OPI_CHANGE_GENERATION: the DPU was reset or came anew
 * @OPI_CHANGE_MODE: mode
 * @OPI_CHANGE_HEALTH: dev-state or health
 * @OPI_CHANGE_HOST_RESET: DPU side only, the host was reset and what it set is
 *   void
 * @OPI_CHANGE_LOST: the card had no room for some events, see events-lost; the
 *   state in this message was read afterwards
 */
enum opi_change {
	OPI_CHANGE_PEER = 1,
	OPI_CHANGE_BOOT = 2,
	OPI_CHANGE_GENERATION = 4,
	OPI_CHANGE_MODE = 8,
	OPI_CHANGE_HEALTH = 16,
	OPI_CHANGE_HOST_RESET = 32,
	OPI_CHANGE_LOST = 64,
};

/**
 * enum opi_function_change - What a function-change-ntf is about. Several may
 *   come at once.
 * @OPI_FUNCTION_CHANGE_SET: something was set, in this family or in devlink
 * @OPI_FUNCTION_CHANGE_EXPOSED: the DPU lets the host have it
 * @OPI_FUNCTION_CHANGE_WITHDRAWN: the DPU does not let the host have it any
 *   more
 * @OPI_FUNCTION_CHANGE_ATTACHED: a driver of the host uses it
 * @OPI_FUNCTION_CHANGE_DETACHED: no driver of the host uses it any more
 * @OPI_FUNCTION_CHANGE_NUM_VFS: the host has enabled or disabled virtual
 *   functions of it
 * @OPI_FUNCTION_CHANGE_MIGRATION: mig-state, source-serial or source-func-id;
 *   or the card told of a step on the way of which the state shows nothing
 */
enum opi_function_change {
	OPI_FUNCTION_CHANGE_SET = 1,
	OPI_FUNCTION_CHANGE_EXPOSED = 2,
	OPI_FUNCTION_CHANGE_WITHDRAWN = 4,
	OPI_FUNCTION_CHANGE_ATTACHED = 8,
	OPI_FUNCTION_CHANGE_DETACHED = 16,
	OPI_FUNCTION_CHANGE_NUM_VFS = 32,
	OPI_FUNCTION_CHANGE_MIGRATION = 64,
};

enum {
	OPI_A_DPU_PAD = 1,
	OPI_A_DPU_BUS_NAME,
	OPI_A_DPU_DEV_NAME,
	OPI_A_DPU_SERIAL,
	OPI_A_DPU_ROLE,
	OPI_A_DPU_MODE,
	OPI_A_DPU_FUNC_ID,
	OPI_A_DPU_IFACE_MAJOR,
	OPI_A_DPU_IFACE_MINOR,
	OPI_A_DPU_GENERATION,
	OPI_A_DPU_PEER_STATE,
	OPI_A_DPU_DEV_STATE,
	OPI_A_DPU_HEALTH,
	OPI_A_DPU_BOOT,
	OPI_A_DPU_EVENTS_LOST,
	OPI_A_DPU_SEQ,
	OPI_A_DPU_CHANGED,
	OPI_A_DPU_MIGRATION_KEY,

	__OPI_A_DPU_MAX,
	OPI_A_DPU_MAX = (__OPI_A_DPU_MAX - 1)
};

enum {
	OPI_A_BOOT_OS_STATUS = 1,
	OPI_A_BOOT_PLDM_STATE,
	OPI_A_BOOT_CRASHDUMP_STATUS,
	OPI_A_BOOT_MAX_BOOT_TIME,
	OPI_A_BOOT_GENERATION,
	OPI_A_BOOT_RESET_SUPPORTED,
	OPI_A_BOOT_BOOT_SUPPORTED,
	OPI_A_BOOT_BOOT_SELECT,

	__OPI_A_BOOT_MAX,
	OPI_A_BOOT_MAX = (__OPI_A_BOOT_MAX - 1)
};

enum {
	OPI_A_FUNCTION_PAD = 1,
	OPI_A_FUNCTION_BUS_NAME,
	OPI_A_FUNCTION_DEV_NAME,
	OPI_A_FUNCTION_SERIAL,
	OPI_A_FUNCTION_FUNC_ID,
	OPI_A_FUNCTION_TYPE,
	OPI_A_FUNCTION_CLASS,
	OPI_A_FUNCTION_CONTROLLER,
	OPI_A_FUNCTION_PF,
	OPI_A_FUNCTION_VF,
	OPI_A_FUNCTION_SF,
	OPI_A_FUNCTION_PORT_INDEX,
	OPI_A_FUNCTION_HOST_ADDRESS,
	OPI_A_FUNCTION_OPSTATE,
	OPI_A_FUNCTION_TRUST,
	OPI_A_FUNCTION_VLAN,
	OPI_A_FUNCTION_MAX_QPS,
	OPI_A_FUNCTION_MAX_VFS,
	OPI_A_FUNCTION_NUM_VFS,
	OPI_A_FUNCTION_SEQ,
	OPI_A_FUNCTION_CHANGED,
	OPI_A_FUNCTION_MIG_STATE,
	OPI_A_FUNCTION_SOURCE_SERIAL,
	OPI_A_FUNCTION_SOURCE_FUNC_ID,

	__OPI_A_FUNCTION_MAX,
	OPI_A_FUNCTION_MAX = (__OPI_A_FUNCTION_MAX - 1)
};

enum {
	OPI_NL_CMD_DPU_GET = 1,
	OPI_NL_CMD_DPU_ADD_NTF,
	OPI_NL_CMD_DPU_DEL_NTF,
	OPI_NL_CMD_DPU_CHANGE_NTF,
	OPI_NL_CMD_FUNCTION_GET,
	OPI_NL_CMD_FUNCTION_SET,
	OPI_NL_CMD_FUNCTION_ADD_NTF,
	OPI_NL_CMD_FUNCTION_DEL_NTF,
	OPI_NL_CMD_FUNCTION_CHANGE_NTF,
	OPI_NL_CMD_DPU_SET,

	__OPI_NL_CMD_MAX,
	OPI_NL_CMD_MAX = (__OPI_NL_CMD_MAX - 1)
};

#define OPI_MCGRP_EVENTS	"events"

#endif /* _UAPI_LINUX_OPI_H */
