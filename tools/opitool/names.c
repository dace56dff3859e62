// SPDX-License-Identifier: GPL-2.0
/*
 * The tables of names.h.
 */
#include <linux/devlink.h>
#include <linux/if.h>
#include <linux/opi.h>
#include <linux/opi_pci.h>

#include "names.h"
#include "opitool.h"

#define NAMES(id)							\
	const struct names names_##id = { id##_name, ARRAY_SIZE(id##_name) }

const char *name_of(const struct names *names, uint32_t value)
{
	return value < names->n ? names->name[value] : NULL;
}

/* ---- family opi -------------------------------------------------------- */

static const char *const role_name[] = {
	[OPI_ROLE_HOST_PF]	= "host-pf",
	[OPI_ROLE_HOST_VF]	= "host-vf",
	[OPI_ROLE_DPU]		= "dpu",
};
NAMES(role);

static const char *const mode_name[] = {
	[OPI_MODE_TRUSTED]	= "trusted",
	[OPI_MODE_RESTRICTED]	= "restricted",
	[OPI_MODE_ISOLATED]	= "isolated",
};
NAMES(mode);

static const char *const peer_name[] = {
	[OPI_PEER_ABSENT]	= "absent",
	[OPI_PEER_PRESENT]	= "present",
	[OPI_PEER_READY]	= "ready",
	[OPI_PEER_STALLED]	= "stalled",
	[OPI_PEER_HALTED]	= "halted",
};
NAMES(peer);

static const char *const dev_state_name[] = {
	[OPI_DEV_STATE_STARTING] = "starting",
	[OPI_DEV_STATE_READY]	= "ready",
	[OPI_DEV_STATE_ABSENT]	= "absent",
	[OPI_DEV_STATE_FAILED]	= "failed",
	[OPI_DEV_STATE_GONE]	= "gone",
};
NAMES(dev_state);

static const char *const health_name[] = {
	[OPI_HEALTH_OK]		= "ok",
	[OPI_HEALTH_AQ_DMA]	= "aq-dma",
	[OPI_HEALTH_INTERNAL]	= "internal",
};
NAMES(health);

static const char *const os_name[] = {
	[OPI_OS_NOT_STARTED]	= "not-started",
	[OPI_OS_BOOTING]	= "booting",
	[OPI_OS_BOOTED]		= "booted",
	[OPI_OS_STALLED]	= "stalled",
	[OPI_OS_HALTED]		= "halted",
};
NAMES(os);

static const char *const pldm_name[] = {
	[OPI_PLDM_RESET]	= "reset",
	[OPI_PLDM_STAGE1]	= "stage1",
	[OPI_PLDM_STAGE2]	= "stage2",
	[OPI_PLDM_UEFI]		= "uefi",
	[OPI_PLDM_OS_STARTING]	= "os-starting",
	[OPI_PLDM_OS_RUNNING]	= "os-running",
	[OPI_PLDM_HALTED]	= "halted",
	[OPI_PLDM_UPDATING]	= "updating",
	[OPI_PLDM_OS_DUMP]	= "os-dump",
	[OPI_PLDM_OS_DUMP_DONE]	= "os-dump-done",
	[OPI_PLDM_FW_DUMP]	= "fw-dump",
	[OPI_PLDM_FW_DUMP_DONE]	= "fw-dump-done",
};
NAMES(pldm);

static const char *const dump_name[] = {
	[OPI_DUMP_NOT_STARTED]	= "not-started",
	[OPI_DUMP_IN_PROGRESS]	= "in-progress",
	[OPI_DUMP_COMPLETE]	= "complete",
};
NAMES(dump);

/* Flags, by bit. */
static const char *const reset_name[] = {
	"pci", "cpu", "amc", "accel1", "accel2", "other",
};
NAMES(reset);
_Static_assert(OPI_RESET_OTHER == 1 << 5, "names of OPI_RESET_*");

static const char *const boot_source_name[] = {
	"network", "card-os", "card-uefi", "maintenance", "other",
};
NAMES(boot_source);
_Static_assert(OPI_BOOT_OTHER == 1 << 4, "names of OPI_BOOT_*");

static const char *const change_name[] = {
	"peer", "boot", "generation", "mode", "health", "host-reset", "lost",
};
NAMES(change);
_Static_assert(OPI_CHANGE_LOST == 1 << 6, "names of enum opi_change");

static const char *const func_type_name[] = {
	[OPI_PORT_UPLINK]	= "uplink",
	[OPI_PORT_PF]		= "pf",
	[OPI_PORT_VF]		= "vf",
	[OPI_PORT_SF]		= "sf",
};
NAMES(func_type);

static const char *const func_class_name[] = {
	[OPI_CLASS_NET]		= "net",
};
NAMES(func_class);

static const char *const func_state_name[] = {
	[OPI_FUNC_HIDDEN]	= "hidden",
	[OPI_FUNC_EXPOSED]	= "exposed",
	[OPI_FUNC_ATTACHED]	= "attached",
};
NAMES(func_state);

static const char *const mig_state_name[] = {
	[OPI_MIG_RUNNING]	= "running",
	[OPI_MIG_P2P]		= "p2p",
	[OPI_MIG_STOPPED]	= "stopped",
	[OPI_MIG_LOADING]	= "loading",
	[OPI_MIG_ERROR]		= "error",
};
NAMES(mig_state);

static const char *const func_change_name[] = {
	"set", "exposed", "withdrawn", "attached", "detached", "num-vfs",
	"migration",
};
NAMES(func_change);
_Static_assert(OPI_FUNCTION_CHANGE_MIGRATION == 1 << 6,
	       "names of enum opi_function_change");

/* ---- devlink ----------------------------------------------------------- */

static const char *const flavour_name[] = {
	[DEVLINK_PORT_FLAVOUR_PHYSICAL]	= "physical",
	[DEVLINK_PORT_FLAVOUR_CPU]	= "cpu",
	[DEVLINK_PORT_FLAVOUR_DSA]	= "dsa",
	[DEVLINK_PORT_FLAVOUR_PCI_PF]	= "pcipf",
	[DEVLINK_PORT_FLAVOUR_PCI_VF]	= "pcivf",
	[DEVLINK_PORT_FLAVOUR_VIRTUAL]	= "virtual",
	[DEVLINK_PORT_FLAVOUR_UNUSED]	= "unused",
	[DEVLINK_PORT_FLAVOUR_PCI_SF]	= "pcisf",
};
NAMES(flavour);

static const char *const port_type_name[] = {
	[DEVLINK_PORT_TYPE_NOTSET]	= "notset",
	[DEVLINK_PORT_TYPE_AUTO]	= "auto",
	[DEVLINK_PORT_TYPE_ETH]		= "eth",
	[DEVLINK_PORT_TYPE_IB]		= "ib",
};
NAMES(port_type);

static const char *const eswitch_name[] = {
	[DEVLINK_ESWITCH_MODE_LEGACY]	= "legacy",
	[DEVLINK_ESWITCH_MODE_SWITCHDEV] = "switchdev",
};
NAMES(eswitch);

static const char *const fn_state_name[] = {
	[DEVLINK_PORT_FN_STATE_INACTIVE] = "inactive",
	[DEVLINK_PORT_FN_STATE_ACTIVE]	= "active",
};
NAMES(fn_state);

static const char *const fn_opstate_name[] = {
	[DEVLINK_PORT_FN_OPSTATE_DETACHED] = "detached",
	[DEVLINK_PORT_FN_OPSTATE_ATTACHED] = "attached",
};
NAMES(fn_opstate);

/* ---- netdevs ----------------------------------------------------------- */

static const char *const operstate_name[] = {
	[IF_OPER_UNKNOWN]		= "unknown",
	[IF_OPER_NOTPRESENT]		= "notpresent",
	[IF_OPER_DOWN]			= "down",
	[IF_OPER_LOWERLAYERDOWN]	= "lowerlayerdown",
	[IF_OPER_TESTING]		= "testing",
	[IF_OPER_DORMANT]		= "dormant",
	[IF_OPER_UP]			= "up",
};
NAMES(operstate);
