/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the rest of the driver says to the generic netlink family "opi".
 *
 * The family keeps a copy of what it shows of each device, so that a reader
 * never waits for a device, for its locks or for its driver.  The driver hands
 * in a new copy whenever it has read something anew; which of it is news, and
 * who is told, is the family's business.  Messages are made in netlink.c and
 * netlink_func.c; the operations and policies come from the spec (netlink_gen.h).
 */
#ifndef _OPI_CORE_NETLINK_H
#define _OPI_CORE_NETLINK_H

#include <linux/list.h>
#include <linux/types.h>

#include <linux/opi_pci.h>
#include <uapi/linux/opi.h>

struct device;
struct devlink;
struct netlink_ext_ack;

/**
 * struct opi_nl_state - what the family shows of a device
 * @serial:	of the card
 * @func_id:	of the function
 * @iface_version: as in OPI_REG_VERSION
 * @generation:	as in OPI_REG_GENERATION
 * @health:	as in OPI_REG_HEALTH
 * @role:	enum opi_role
 * @mode:	enum opi_mode
 * @peer:	enum opi_peer_state
 * @dev_state:	enum opi_dev_state
 * @boot_valid:	@boot was read from the device
 * @boot:	the boot block as it was read
 * @events_lost: sum of what OPI_EV_LOST told since the driver was bound
 *
 * The driver fills it from what it knows, checked or not: nothing in it is
 * used as an index or a length.
 */
struct opi_nl_state {
	u64 serial;
	u32 func_id;
	u32 iface_version;
	u32 generation;
	u32 health;
	u8 role;
	u8 mode;
	u8 peer;
	u8 dev_state;
	bool boot_valid;
	struct opi_boot_block boot;
	u64 events_lost;
};

/**
 * struct opi_nl_dpu - a device as the family knows it
 * @list:	place in the family's list, in order of @id
 * @id:		place in a dump; never used twice
 * @devlink:	whose name and network namespace the device has; NULL: not shown
 * @state:	what was handed in last
 * @funcs:	its functions, struct opi_nl_func, in order of their ids
 *
 * Part of the driver's structure of the device, private to the family;
 * opi_nl_dpu_init() before all else.
 */
struct opi_nl_dpu {
	struct list_head list;
	u64 id;
	struct devlink *devlink;
	struct opi_nl_state state;
	struct list_head funcs;
};

/**
 * struct opi_nl_mig - what the family shows of a function's way to another
 * @src_serial:	card from which its state came; 0: from none
 * @src_func_id: function there
 * @state:	enum opi_mig_state
 * @known:	there is anything to show
 */
struct opi_nl_mig {
	u64 src_serial;
	u32 src_func_id;
	u8 state;
	bool known;
};

/**
 * struct opi_nl_func - a function as the family knows it
 * @list:	place in the list of its device
 * @dpu:	the device that tells of it; NULL: not shown
 * @info:	what was handed in last
 * @told:	what listeners know
 * @mig:	its migration, as handed in last
 * @mig_told:	what listeners know of that
 *
 * Part of the driver's structure of the function; all zero before
 * opi_nl_func_add(), private to netlink_func.c.
 */
struct opi_nl_func {
	struct list_head list;
	struct opi_nl_dpu *dpu;
	struct opi_func_info info;
	struct opi_func_info told;
	struct opi_nl_mig mig;
	struct opi_nl_mig mig_told;
};

int opi_nl_init(void);
void opi_nl_exit(void);

static inline void opi_nl_dpu_init(struct opi_nl_dpu *dpu)
{
	INIT_LIST_HEAD(&dpu->funcs);
}

void opi_nl_dpu_add(struct opi_nl_dpu *dpu, struct devlink *devlink,
		    const struct opi_nl_state *state);
void opi_nl_dpu_del(struct opi_nl_dpu *dpu);
void opi_nl_dpu_update(struct opi_nl_dpu *dpu,
		       const struct opi_nl_state *state, u32 more);

void opi_nl_func_add(struct opi_nl_dpu *dpu, struct opi_nl_func *func,
		     const struct opi_func_info *info,
		     const struct opi_nl_mig *mig);
void opi_nl_func_del(struct opi_nl_func *func);
void opi_nl_func_show(struct opi_nl_func *func,
		      const struct opi_func_info *info,
		      const struct opi_nl_mig *mig);
void opi_nl_func_tell(struct opi_nl_func *func,
		      const struct opi_func_info *info,
		      const struct opi_nl_mig *mig, u32 more);

/**
 * struct opi_func_attrs - what a request wants changed of a function
 * @mask:	OPI_FUNC_SET_*
 * @trust:	with TRUST
 * @vlan:	with VLAN
 * @max_qps:	with MAX_QPS
 * @max_vfs:	with MAX_VFS
 */
struct opi_func_attrs {
	u32 mask;
	bool trust;
	u16 vlan;
	u16 max_qps;
	u16 max_vfs;
};

/* What the family asks of the driver (func.c, mig.c). */
int opi_func_change(struct device *dev, u32 id,
		    const struct opi_func_attrs *change,
		    struct netlink_ext_ack *extack);
int opi_mig_change_key(struct device *dev, const u8 *key,
		       struct netlink_ext_ack *extack);

#endif /* _OPI_CORE_NETLINK_H */
