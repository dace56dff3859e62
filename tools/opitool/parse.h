/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Netlink messages into structures: the families "opi" and "devlink", and links.
 *
 * No sockets here (sock.h); a message is bytes in memory, of which nothing is
 * believed: each function takes a message whose header says no more than there
 * is, and returns 0, or -EBADMSG if it is not what it should be.
 */
#ifndef OPITOOL_PARSE_H
#define OPITOOL_PARSE_H

#include <linux/if.h>
#include <linux/netlink.h>
#include <stdbool.h>
#include <stdint.h>

/* A device as devlink names it: BUS/DEV. */
struct handle {
	char bus[32];
	char dev[96];
};

bool handle_eq(const struct handle *a, const struct handle *b);

/**
 * struct dpu - a DPU, from either family
 * @cmd:	of the message: OPI_NL_CMD_*
 * @handle:	the device
 * @have:	which of the members below were there, bits by OPI_A_DPU_*
 * @boot_have:	the same of the boot block, by OPI_A_BOOT_*
 * @driver:	via devlink: the driver; "" if unknown
 * @serial_name: via devlink: the serial number as that driver writes it
 * @eswitch:	via devlink: DEVLINK_ESWITCH_MODE_*, -1 if not known
 * @via_devlink: of another driver, found by devlink alone
 */
struct dpu {
	uint8_t cmd;
	struct handle handle;
	uint32_t have;
	uint64_t serial;
	uint32_t role, mode, func_id, iface_major, iface_minor, generation;
	uint32_t peer, dev_state, health;
	uint64_t events_lost, seq;
	uint32_t changed;

	uint32_t boot_have;
	struct {
		uint32_t os, pldm, dump, max_time, generation;
		uint32_t reset_supported, boot_supported, boot_select;
	} boot;

	bool via_devlink;
	char driver[64];
	char serial_name[128];
	int eswitch;
};

#define HAS(dpu, attr)		((dpu)->have & 1u << OPI_A_DPU_##attr)
#define BOOT_HAS(dpu, attr)	((dpu)->boot_have & 1u << OPI_A_BOOT_##attr)

int parse_dpu(struct nlmsghdr *nlh, struct dpu *dpu);

/**
 * struct function - a function that a card has for its host
 * @cmd:	of the message: OPI_NL_CMD_*
 * @handle:	the device that tells of it
 * @have:	which of the members below were there, bits by OPI_A_FUNCTION_*
 * @id:		always there
 * @port:	index of its devlink port
 * @host:	PCI address on the host: bus << 8 | device << 3 | function
 * @src_serial:	card from which its state came
 * @src_id:	function there
 */
struct function {
	uint8_t cmd;
	struct handle handle;
	uint32_t have;
	uint64_t serial, seq;
	uint32_t id, type, class, controller, pf, vf, sf, port, host;
	uint32_t opstate, trust, vlan, max_qps, max_vfs, num_vfs;
	uint32_t changed;
	uint32_t mig_state, src_id;
	uint64_t src_serial;
};

#define FN_HAS(fn, attr)	((fn)->have & 1u << OPI_A_FUNCTION_##attr)

int parse_function(struct nlmsghdr *nlh, struct function *fn);

/**
 * struct devdev - what devlink says about a device, in whatever message
 * @cmd:	DEVLINK_CMD_*
 * @handle:	the device
 * @driver:	in answers about versions; "" if not there
 * @serial:	likewise
 * @eswitch:	in answers about the eswitch; -1 if not there
 */
struct devdev {
	uint8_t cmd;
	struct handle handle;
	char driver[64];
	char serial[128];
	int eswitch;
};

int parse_devdev(struct nlmsghdr *nlh, struct devdev *dev);

/* Which of the members of struct port were there. */
enum {
	PORT_NUMBER	= 0x01,
	PORT_CONTROLLER	= 0x02,
	PORT_PF		= 0x04,
	PORT_VF		= 0x08,
	PORT_SF		= 0x10,
	PORT_EXTERNAL	= 0x20,
	PORT_FLAVOUR	= 0x40,
	PORT_TYPE	= 0x80,
	PORT_FUNCTION	= 0x100,
	PORT_FN_STATE	= 0x200,
	PORT_FN_OPSTATE	= 0x400,
	PORT_FN_MIGRATABLE = 0x800,
	PORT_FN_MAX_IO_EQS = 0x1000,
};

/**
 * struct port - a devlink port
 * @cmd:	of the message: DEVLINK_CMD_*
 * @handle:	the device
 * @owner:	the PCI device to which that belongs; the same if it is one
 * @have:	which of the members below were there
 * @netdev:	known only in the namespace of the netdev
 */
struct port {
	uint8_t cmd;
	struct handle handle;
	struct handle owner;
	uint32_t index;
	uint32_t have;
	uint32_t number, controller, pf, vf, sf;
	uint32_t flavour, type;
	bool external;
	uint32_t ifindex;
	char netdev[IFNAMSIZ];
	uint32_t fn_state, fn_opstate, fn_max_io_eqs;
	bool fn_migratable;
	uint8_t fn_addr_len;
	unsigned char fn_addr[32];
};

int parse_port(struct nlmsghdr *nlh, struct port *port);

/* What rtnetlink says about a netdev. */
struct link {
	bool gone;		/* a message that it is deleted */
	uint32_t ifindex;
	char name[IFNAMSIZ];
	bool up, carrier;
	uint32_t operstate;
	uint8_t addr_len, switch_len;
	unsigned char addr[32];
	unsigned char switch_id[32];
};

int parse_link(struct nlmsghdr *nlh, struct link *link);

/* The controller: that a family came (+1) or went (-1), and its name. */
int parse_family(struct nlmsghdr *nlh, int *change, char name[16]);

#endif /* OPITOOL_PARSE_H */
