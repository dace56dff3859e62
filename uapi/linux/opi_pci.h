/* SPDX-License-Identifier: (GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause */
/*
 * OPI device interface: what a DPU/IPU card and its drivers say to each other.
 *
 * This header is the machine-readable half of Documentation/device-interface.rst
 * and is included unchanged by the kernel driver, the card model, firmware,
 * userspace drivers and the tests.  It holds registers, rings, commands, events
 * and the boot block.  It does not hold the generic netlink family (opi.h) nor
 * anything private to one implementation.
 *
 * Everything is little-endian and naturally aligned; every structure has
 * explicit padding and a size that never changes.  Structures that travel in a
 * command's data buffer grow at their end only and are versioned by their size.
 *
 * Index words of rings ("free-running") are 32-bit counters that are never
 * masked in memory; entry = index & (ring size - 1).
 */
#ifndef _UAPI_LINUX_OPI_PCI_H
#define _UAPI_LINUX_OPI_PCI_H

#include <linux/types.h>

/* ---- PCI identity ------------------------------------------------------ */

#define OPI_PCI_VENDOR_ID		0x1af4
#define OPI_PCI_DEVICE_ID_PF		0x10f0	/* host physical function */
#define OPI_PCI_DEVICE_ID_VF		0x10f1	/* host virtual function */
#define OPI_PCI_DEVICE_ID_DPU		0x10f2	/* the card as its own computer sees it */

#define OPI_BAR_REGS			0	/* registers */
#define OPI_BAR_DOORBELLS		2	/* a page per queue pair, page 0: admin */
#define OPI_BAR_MSIX			4	/* MSI-X table and PBA */

#define OPI_BAR_REGS_SIZE		0x1000

#define OPI_IFACE_MAJOR			1
#define OPI_IFACE_MINOR			0
#define OPI_IFACE_VERSION		((OPI_IFACE_MAJOR << 16) | OPI_IFACE_MINOR)

/* ---- Registers (BAR0) -------------------------------------------------- */

/* Identity: read-only, constant but for GENERATION, MODE and PEER. */
#define OPI_REG_MAGIC			0x000
#define   OPI_MAGIC			0x3149504f	/* "OPI1" */
#define OPI_REG_VERSION			0x004	/* major << 16 | minor */
#define OPI_REG_ROLE			0x008
#define   OPI_ROLE_ROLE_MASK		0x000000ff	/* enum opi_role */
#define   OPI_ROLE_MODE_MASK		0x0000ff00	/* enum opi_mode */
#define   OPI_ROLE_MODE_SHIFT		8
#define OPI_REG_FUNC_ID			0x00c
#define OPI_REG_SERIAL_LO		0x010
#define OPI_REG_SERIAL_HI		0x014
#define OPI_REG_GENERATION		0x018	/* + 1 at each reset of the DPU */
#define OPI_REG_PEER			0x01c	/* enum opi_peer_state of the other side */
#define OPI_REG_CAPS_LO			0x020	/* OPI_CAP_* */
#define OPI_REG_CAPS_HI			0x024
#define OPI_REG_LIMITS0			0x028
#define   OPI_LIMITS0_QPS_MASK		0x0000ffff	/* queue pairs: ids 0..n-1 */
#define   OPI_LIMITS0_EQS_SHIFT		16		/* event queues = MSI-X vectors */
#define OPI_REG_LIMITS1			0x02c
#define   OPI_LIMITS1_AQ_ORDER_MASK	0x000000ff	/* log2 of the largest admin queue */
#define   OPI_LIMITS1_RING_ORDER_SHIFT	8		/* log2 of the largest SQ, RQ, EQ */
#define   OPI_LIMITS1_SEGS_SHIFT	16		/* segments of one frame */
#define   OPI_LIMITS1_DB_ORDER_SHIFT	24		/* log2 of the doorbell page size */
#define OPI_REG_TIMEOUT			0x030	/* ms; longest time of a command or reset */

/* Control.  A driver resets the function before it uses anything else. */
#define OPI_REG_DEV_CTRL		0x080
#define   OPI_DEV_CTRL_RESET		0x00000001
#define   OPI_DEV_CTRL_TOKEN_SHIFT	16	/* echoed in DEV_STATUS when reset is done */
#define OPI_REG_DEV_STATUS		0x084
#define   OPI_DEV_STATUS_READY		0x00000001
#define   OPI_DEV_STATUS_ABSENT		0x00000002	/* DPU side: card is not there */
#define   OPI_DEV_STATUS_FATAL		0x00000004	/* code in HEALTH */
#define   OPI_DEV_STATUS_TOKEN_SHIFT	16
#define OPI_REG_HEALTH			0x088	/* reason of FATAL, 0: none */
#define OPI_REG_HEARTBEAT		0x08c	/* counts while the card is alive */

/* Admin queue set-up; takes effect at the write of AQ_CTRL. */
#define OPI_REG_AQ_SQ_LO		0x100
#define OPI_REG_AQ_SQ_HI		0x104
#define OPI_REG_AQ_CQ_LO		0x108
#define OPI_REG_AQ_CQ_HI		0x10c
#define OPI_REG_AQ_CTRL			0x110
#define   OPI_AQ_CTRL_ENABLE		0x00000001
#define   OPI_AQ_CTRL_ORDER_SHIFT	8	/* log2 of entries, SQ and CQ alike */
#define   OPI_AQ_CTRL_ORDER_MASK	0x00001f00
#define OPI_REG_AQ_STATUS		0x114
#define   OPI_AQ_STATUS_ENABLED		0x00000001
#define   OPI_AQ_STATUS_ERROR		0x00000002	/* reset the function to go on */
#define OPI_REG_AQ_HEAD			0x118	/* free-running count of fetched commands */

#define OPI_AQ_ORDER_MIN		1
#define OPI_RING_ORDER_MIN		3

/* The boot block, the same bytes as in the DVSEC of PF0 (struct opi_boot_block). */
#define OPI_REG_BOOT			0x200

enum opi_role {
	OPI_ROLE_HOST_PF	= 1,
	OPI_ROLE_HOST_VF	= 2,
	OPI_ROLE_DPU		= 3,
};

enum opi_mode {
	OPI_MODE_TRUSTED	= 0,
	OPI_MODE_RESTRICTED	= 1,
	OPI_MODE_ISOLATED	= 2,
};

/* What one side sees of the other. */
enum opi_peer_state {
	OPI_PEER_ABSENT		= 0,	/* no link; power off, or no such computer */
	OPI_PEER_PRESENT	= 1,	/* running, its driver is not ready */
	OPI_PEER_READY		= 2,	/* its driver is ready */
	OPI_PEER_STALLED	= 3,	/* there, but does not execute */
	OPI_PEER_HALTED		= 4,	/* shut down in good order */
};

/* Capabilities: what this card can do for this function. */
#define OPI_CAP_SRIOV			(1ULL << 0)	/* VFs have service */
#define OPI_CAP_TX_CSUM			(1ULL << 1)	/* TXD_F_CSUM accepted */
#define OPI_CAP_RX_CSUM			(1ULL << 2)	/* CQE_F_CSUM_* delivered */
#define OPI_CAP_GSO			(1ULL << 3)	/* gso_type other than NONE */
#define OPI_CAP_VLAN			(1ULL << 4)	/* TXD_F_VLAN, CQE_F_VLAN */
#define OPI_CAP_RSS			(1ULL << 5)	/* RSS_SET; several receiving queue pairs */
#define OPI_CAP_RX_FILTER		(1ULL << 6)	/* PORT_SET_RX */
#define OPI_CAP_COALESCE		(1ULL << 7)	/* cq_usecs has an effect */
#define OPI_CAP_SF			(1ULL << 8)	/* FUNC_CREATE, FUNC_ATTACH, u.qp.port */
#define OPI_CAP_RATE			(1ULL << 9)	/* RATE_* */
#define OPI_CAP_POLICE			(1ULL << 10)	/* PORT_SET_POLICE */
#define OPI_CAP_MIG			(1ULL << 11)	/* MIG_*: VFs can be moved */
#define OPI_CAP_DIRTY			(1ULL << 12)	/* DIRTY_*: the card logs what VFs write */

/* Reasons of OPI_DEV_STATUS_FATAL. */
enum opi_health {
	OPI_HEALTH_OK		= 0,
	OPI_HEALTH_AQ_DMA	= 1,	/* admin ring could not be read or written */
	OPI_HEALTH_INTERNAL	= 2,
};

/* ---- Doorbells (BAR2) -------------------------------------------------- */

/*
 * Page 0 belongs to the admin queue, page n + 1 to queue pair n.  The value
 * is the free-running tail; that of a queue pair is in ring memory too, where
 * it counts.
 */
#define OPI_DB_AQ_TAIL			0x00	/* in page 0 */
#define OPI_DB_SQ_TAIL			0x00	/* in a queue pair's page */
#define OPI_DB_RQ_TAIL			0x04

/* ---- Admin queue ------------------------------------------------------- */

/* Status codes; each is one errno and back (device-interface.rst, "Status codes"). */
#define OPI_STATUS_TABLE(X)		\
	X(OK,		0,  0)		\
	X(EPERM,	1,  EPERM)	\
	X(ENOENT,	2,  ENOENT)	\
	X(EIO,		3,  EIO)	\
	X(E2BIG,	4,  E2BIG)	\
	X(EAGAIN,	5,  EAGAIN)	\
	X(ENOMEM,	6,  ENOMEM)	\
	X(EFAULT,	7,  EFAULT)	\
	X(EBUSY,	8,  EBUSY)	\
	X(EEXIST,	9,  EEXIST)	\
	X(ENODEV,	10, ENODEV)	\
	X(EINVAL,	11, EINVAL)	\
	X(ENOSPC,	12, ENOSPC)	\
	X(ERANGE,	13, ERANGE)	\
	X(EOPNOTSUPP,	14, EOPNOTSUPP)	\
	X(ETIMEDOUT,	15, ETIMEDOUT)	\
	X(ECANCELED,	16, ECANCELED)

enum opi_status {
#define OPI_X(name, code, err)	OPI_ST_##name = (code),
	OPI_STATUS_TABLE(OPI_X)
#undef OPI_X
};

/*
 * Who may do what: command x role x mode.  For each role the modes of the card
 * in which the command is allowed: OPI_T trusted, OPI_R restricted, OPI_I
 * isolated.  A command that is not allowed ends with EPERM before its
 * parameters are looked at; an opcode that is not here ends with EOPNOTSUPP.
 *
 *	name, opcode, host PF, host VF, DPU
 */
#define OPI_T			(1 << OPI_MODE_TRUSTED)
#define OPI_R			(1 << OPI_MODE_RESTRICTED)
#define OPI_I			(1 << OPI_MODE_ISOLATED)
#define OPI_TR			(OPI_T | OPI_R)
#define OPI_TRI			(OPI_T | OPI_R | OPI_I)
#define OPI_NONE		0

#define OPI_COMMAND_TABLE(X)						\
	X(NOP,			0x0000,	OPI_TRI,  OPI_TRI,  OPI_TRI)	\
	X(IDENTIFY,		0x0001,	OPI_TRI,  OPI_TRI,  OPI_TRI)	\
	X(EQ_CREATE,		0x0010,	OPI_TRI,  OPI_TRI,  OPI_TRI)	\
	X(EQ_DESTROY,		0x0011,	OPI_TRI,  OPI_TRI,  OPI_TRI)	\
	X(QP_CREATE,		0x0020,	OPI_TRI,  OPI_TRI,  OPI_TRI)	\
	X(QP_DESTROY,		0x0021,	OPI_TRI,  OPI_TRI,  OPI_TRI)	\
	X(QP_QUERY,		0x0022,	OPI_TRI,  OPI_TRI,  OPI_TRI)	\
	X(RSS_SET,		0x0023,	OPI_TRI,  OPI_TRI,  OPI_TRI)	\
	X(PORT_LIST,		0x0030,	OPI_TRI,  OPI_TRI,  OPI_TRI)	\
	X(PORT_GET,		0x0031,	OPI_TRI,  OPI_TRI,  OPI_TRI)	\
	X(PORT_STATS,		0x0032,	OPI_TRI,  OPI_TRI,  OPI_TRI)	\
	X(PORT_SET_STATE,	0x0033,	OPI_TRI,  OPI_TRI,  OPI_TRI)	\
	X(PORT_SET_MTU,		0x0034,	OPI_TRI,  OPI_TRI,  OPI_TRI)	\
	X(PORT_SET_MAC,		0x0035,	OPI_TR,   OPI_TR,   OPI_TRI)	\
	X(PORT_SET_RX,		0x0036,	OPI_TRI,  OPI_TRI,  OPI_TRI)	\
	X(PORT_SET_POLICE,	0x0037,	OPI_NONE, OPI_NONE, OPI_TRI)	\
	X(FUNC_LIST,		0x0040,	OPI_TR,   OPI_NONE, OPI_TRI)	\
	X(FUNC_GET,		0x0041,	OPI_TR,   OPI_TR,   OPI_TRI)	\
	X(FUNC_CREATE,		0x0042,	OPI_NONE, OPI_NONE, OPI_TRI)	\
	X(FUNC_DESTROY,		0x0043,	OPI_NONE, OPI_NONE, OPI_TRI)	\
	X(FUNC_SET,		0x0044,	OPI_NONE, OPI_NONE, OPI_TRI)	\
	X(FUNC_EXPOSE,		0x0045,	OPI_NONE, OPI_NONE, OPI_TRI)	\
	X(FUNC_WITHDRAW,	0x0046,	OPI_NONE, OPI_NONE, OPI_TRI)	\
	X(FUNC_ATTACH,		0x0047,	OPI_TR,   OPI_NONE, OPI_NONE)	\
	X(BOOT_SET,		0x0050,	OPI_NONE, OPI_NONE, OPI_TRI)	\
	X(MODE_SET,		0x0051,	OPI_NONE, OPI_NONE, OPI_TRI)	\
	X(RATE_CREATE,		0x0060,	OPI_NONE, OPI_NONE, OPI_TRI)	\
	X(RATE_DESTROY,		0x0061,	OPI_NONE, OPI_NONE, OPI_TRI)	\
	X(RATE_SET,		0x0062,	OPI_NONE, OPI_NONE, OPI_TRI)	\
	X(MIG_GET,		0x0070,	OPI_TR,   OPI_NONE, OPI_TRI)	\
	X(MIG_SET,		0x0071,	OPI_TR,   OPI_NONE, OPI_NONE)	\
	X(MIG_SAVE,		0x0072,	OPI_TR,   OPI_NONE, OPI_NONE)	\
	X(MIG_LOAD,		0x0073,	OPI_TR,   OPI_NONE, OPI_NONE)	\
	X(MIG_SET_KEY,		0x0074,	OPI_NONE, OPI_NONE, OPI_TRI)	\
	X(DIRTY_START,		0x0078,	OPI_TR,   OPI_NONE, OPI_NONE)	\
	X(DIRTY_STOP,		0x0079,	OPI_TR,   OPI_NONE, OPI_NONE)	\
	X(DIRTY_REPORT,		0x007a,	OPI_TR,   OPI_NONE, OPI_NONE)

enum opi_opcode {
#define OPI_X(name, code, pf, vf, dpu)	OPI_CMD_##name = (code),
	OPI_COMMAND_TABLE(OPI_X)
#undef OPI_X
};

/**
 * struct opi_cmd - an admin command, 64 bytes
 * @opcode:	OPI_CMD_*
 * @flags:	zero
 * @cookie:	slot (low half) and generation (high half) of the driver's
 *		command context; returned unread
 * @buf:	bus address of the data buffer, one contiguous range; 0: none
 * @buf_len:	its length in bytes, at most OPI_CMD_BUF_MAX
 * @target:	what the command is about: queue, port, function or rate node id,
 *		MIG_* and DIRTY_*: VF number
 * @u:		parameters; what a command does not use is zero
 */
struct opi_cmd {
	__le16	opcode;
	__le16	flags;
	__le32	cookie;
	__le64	buf;
	__le32	buf_len;
	__le32	target;
	union {
		__u8 raw[40];
		struct {			/* EQ_CREATE, target: eq id */
			__le64	ring;		/* of struct opi_eqe */
			__le64	shadow;		/* struct opi_eq_shadow */
			__u8	order;
			__u8	rsvd0;
			__le16	vector;
			__u8	rsvd1[20];
		} eq;
		struct {			/* QP_CREATE, target: qp id */
			__le64	sq;		/* of struct opi_txd */
			__le64	rq;		/* of struct opi_rxd */
			__le64	cq;		/* of struct opi_cqe */
			__le64	shadow;		/* struct opi_qp_shadow */
			__u8	sq_order;
			__u8	rq_order;
			__u8	cq_order;
			__u8	rsvd0;
			__le16	eq;		/* event queue of its notifications */
			__le16	port;		/* that it serves; 0: the function's own */
		} qp;
		struct {			/* PORT_LIST, FUNC_LIST */
			__le32	start;		/* first id of interest */
			__u8	rsvd[36];
		} list;
		struct {			/* PORT_SET_STATE: port, FUNC_ATTACH: function */
			__u8	up;		/* 0 or 1 */
			__u8	rsvd[39];
		} state;
		struct {			/* PORT_SET_MTU, target: port */
			__le32	mtu;
			__u8	rsvd[36];
		} mtu;
		struct {			/* PORT_SET_MAC, target: port */
			__u8	mac[6];
			__u8	rsvd[34];
		} mac;
		struct {			/* BOOT_SET */
			__u8	os_status;	/* BOOTING or BOOTED */
			__u8	rsvd0;
			__le16	max_boot_time;	/* s; OPI_BOOT_TIME_KEEP: unchanged */
			__u8	rsvd1[36];
		} boot;
		struct {			/* MODE_SET */
			__u8	mode;		/* enum opi_mode */
			__u8	rsvd[39];
		} mode;
		struct {			/* FUNC_CREATE */
			__u8	type;		/* OPI_PORT_SF */
			__u8	fclass;		/* enum opi_func_class */
			__le16	controller;	/* 1: the host */
			__le16	pf;		/* on whose bus it will be */
			__u8	rsvd0[2];
			__le32	sf;		/* SF number */
			__u8	rsvd1[28];
		} create;
		struct {			/* FUNC_SET, target: function */
			__le32	mask;		/* OPI_FUNC_SET_*: fields that count */
			__le16	flags;		/* OPI_FUNC_F_TRUST, MIGRATABLE */
			__u8	mac[6];
			__le16	vlan;		/* 0: none */
			__le16	max_qps;
			__le16	max_eqs;
			__le16	max_vfs;
			__u8	rsvd[20];
		} func;
		struct {			/* PORT_SET_POLICE, target: port */
			__u8	kind;		/* enum opi_police_kind */
			__u8	unit;		/* enum opi_police_unit */
			__u8	rsvd0[2];
			__le32	burst;		/* units that pass at once */
			__le64	rate;		/* units a second; 0: no limit */
			__u8	rsvd1[24];
		} police;
		struct {			/* RATE_SET, target: port or node */
			__u8	kind;		/* enum opi_rate_kind */
			__u8	tx_priority;	/* 0 to OPI_RATE_PRIORITY_MAX */
			__u8	tx_weight;	/* 1 to OPI_RATE_WEIGHT_MAX */
			__u8	rsvd0;
			__le32	parent;		/* node; 0: none */
			__le64	tx_max;		/* bytes a second; 0: no limit */
			__le64	tx_share;	/* bytes a second */
			__u8	rsvd1[16];
		} rate;
		struct {			/* MIG_*, target: VF number */
			__u8	state;		/* MIG_SET: enum opi_mig_state */
			__u8	rsvd0[7];
			__le64	offset;		/* MIG_SAVE, MIG_LOAD: in the stream */
			__u8	rsvd1[24];
		} mig;
		struct {			/* DIRTY_REPORT, target: VF number */
			__le64	iova;		/* of the first page */
			__le32	pages;
			__u8	page_order;	/* log2 of the size of a page */
			__u8	rsvd[27];
		} dirty;
	} u;
};

#define OPI_CMD_BUF_MAX			4096

/**
 * struct opi_cmd_cpl - completion of an admin command, 16 bytes
 * @cookie:	of the command
 * @result:	small answer; meaning by command, else 0
 * @status:	enum opi_status
 * @resp_len:	bytes written to the data buffer
 * @sq_head:	low half of the free-running count of fetched commands
 * @phase:	bit 0: 1 in the first pass over the ring, then alternating;
 *		written last
 */
struct opi_cmd_cpl {
	__le32	cookie;
	__le32	result;
	__le16	status;
	__le16	resp_len;
	__le16	sq_head;
	__le16	phase;
};

/* IDENTIFY fills this. Strings are NUL-padded and need not be terminated. */
struct opi_identify {
	__le64	serial;
	__le32	iface_version;
	__le32	generation;
	__le32	func_id;
	__u8	role;
	__u8	mode;
	__le16	rsvd0;
	__le64	caps;
	char	board_id[16];
	char	board_rev[8];
	char	fw_version[32];
	__le32	port;			/* this function's port; DPU: the first uplink */
	__le32	max_mtu;
	__le32	total_sfs;		/* SFs that there can be; VF: 0 */
	__le32	total_vfs;		/* that the PF has; host: that it may enable */
	__le32	rate_nodes;		/* DPU: ids 1..n; host: 0 */
	__u8	rsvd1[20];
};

/* PORT_LIST, FUNC_LIST fill an array of __le32 ids in rising order; result: how many. */

enum opi_port_type {
	OPI_PORT_UPLINK		= 1,
	OPI_PORT_PF		= 2,
	OPI_PORT_VF		= 3,
	OPI_PORT_SF		= 4,
};

#define OPI_PORT_F_FUNC_UP		0x01	/* owner of the function (uplink: peer) is up */
#define OPI_PORT_F_REP_UP		0x02	/* DPU side is up */
#define OPI_PORT_F_CARRIER		0x04	/* as the asking side sees it */

#define OPI_ID_NONE			0xffffffffU
#define OPI_ID16_NONE			0xffffU

/* PORT_GET fills this. */
struct opi_port_info {
	__le32	port;
	__le32	func_id;		/* OPI_ID_NONE: uplink */
	__u8	type;			/* enum opi_port_type */
	__u8	flags;			/* OPI_PORT_F_* */
	__le16	controller;		/* 0: the DPU, 1: the host */
	__le16	pf;			/* uplink: number of the physical port */
	__le16	vf;			/* OPI_ID16_NONE: is no VF */
	__le32	sf;			/* OPI_ID_NONE: is no SF */
	__u8	mac[6];			/* of the function; uplink: of the DPU's netdev */
	__u8	rep_mac[6];		/* of the representor */
	__le32	mtu;			/* set by the asking side */
	__le32	max_mtu;
	__le32	speed;			/* Mbit/s */
	__u8	rsvd[20];
};

/* PORT_STATS fills this. Directions are those of the asking side's netdev. */
struct opi_port_stats {
	__le64	rx_frames;
	__le64	rx_bytes;
	__le64	rx_no_buffer;		/* receive queue was empty */
	__le64	rx_oversize;		/* larger than the port's MTU */
	__le64	rx_down;		/* receiver not ready or port down */
	__le64	tx_frames;
	__le64	tx_bytes;
	__le64	tx_bad;			/* runts, giants */
	__le64	tx_down;		/* sent while the port was down */
	__le64	rx_filtered;		/* the receiver's filter did not want it */
	__le64	rx_policed;		/* DPU side: more than PORT_SET_POLICE lets pass */
	__le64	tx_spoofed;		/* of the function: source is not its MAC address */
	__le64	tx_vlan;		/* of the function: a tag, and it has a port VLAN */
	__le64	dma_faults;		/* accesses to memory that the function was refused */
	__u8	rsvd[16];
};

/* PORT_SET_RX takes this: what the asking side's end of a port receives. */
struct opi_rx_config {
	__le32	flags;			/* OPI_RX_F_* */
	__le16	n_macs;
	__le16	rsvd;			/* zero */
	__u8	vlans[512];		/* a bit per VLAN id; the lowest of a byte first */
	__u8	macs[768];		/* @n_macs addresses of 6 bytes, then zero */
};

#define OPI_RX_MACS_MAX			128

/* What passes the filter. */
#define OPI_RX_F_PROMISC		0x00000001	/* everything */
#define OPI_RX_F_ALLMULTI		0x00000002	/* all multicast */
#define OPI_RX_F_VLAN_FILTER		0x00000004	/* tagged frames: of @vlans only */
/* What the receiver accepts as metadata; the card does the rest itself. */
#define OPI_RX_F_VLAN_STRIP		0x00000008	/* CQE_F_VLAN */
#define OPI_RX_F_CSUM			0x00000010	/* CQE_F_CSUM_PARTIAL */
#define OPI_RX_F_TSO4			0x00000020	/* GSO_TCPV4; needs CSUM */
#define OPI_RX_F_TSO6			0x00000040	/* GSO_TCPV6; needs CSUM */
#define OPI_RX_F_USO			0x00000080	/* GSO_UDP_L4; needs CSUM */

/* RSS_SET takes this: which of the function's queue pairs gets a frame. */
struct opi_rss_config {
	__le32	hash_types;		/* OPI_HASH_*, or'ed */
	__le16	table_size;		/* a power of two up to OPI_RSS_TABLE_MAX; 0: no RSS */
	__le16	rsvd;			/* zero */
	__u8	key[40];		/* Toeplitz */
	__le16	table[128];		/* queue pairs; behind @table_size: zero */
};

#define OPI_RSS_KEY_SIZE		40
#define OPI_RSS_TABLE_MAX		128

/* Over what a hash is taken: addresses, or addresses and ports. */
#define OPI_HASH_IPV4			0x01
#define OPI_HASH_TCPV4			0x02
#define OPI_HASH_UDPV4			0x04
#define OPI_HASH_IPV6			0x08
#define OPI_HASH_TCPV6			0x10
#define OPI_HASH_UDPV6			0x20

/* FUNC_GET fills this. */
struct opi_func_info {
	__le32	func_id;
	__le32	port;
	__u8	type;			/* enum opi_port_type: PF, VF, SF */
	__u8	state;			/* enum opi_func_state */
	__le16	flags;			/* OPI_FUNC_F_* */
	__le16	controller;
	__le16	pf;
	__le16	vf;
	__le16	host_bdf;		/* bus << 8 | devfn as the host numbers it */
	__le32	sf;
	__u8	mac[6];
	__le16	max_qps;		/* queue pairs that it can have */
	__le16	max_eqs;		/* event queues = vectors; SF: 0, those of its PF */
	__le16	vlan;			/* port VLAN, 0: none */
	__le16	max_vfs;		/* PF: VFs that the host may enable */
	__le16	num_vfs;		/* PF: VFs that the host has enabled */
	__u8	fclass;			/* enum opi_func_class */
	__u8	rsvd[23];
};

enum opi_func_state {
	OPI_FUNC_HIDDEN		= 0,	/* made, the host sees nothing */
	OPI_FUNC_EXPOSED	= 1,	/* the host can use it */
	OPI_FUNC_ATTACHED	= 2,	/* a host driver does */
	OPI_FUNC_GONE		= 3,	/* in events only: destroyed */
};

enum opi_func_class {
	OPI_CLASS_NET		= 1,	/* a port and queue pairs of this interface */
};

#define OPI_FUNC_F_TRUST		0x0001	/* any source MAC, promiscuous, MAC change */
#define OPI_FUNC_F_MIGRATABLE		0x0002	/* VF: its state may be moved */
#define OPI_FUNC_F_EXPOSE		0x0004	/* the DPU lets the host have it */

/* Fields of FUNC_SET. */
#define OPI_FUNC_SET_TRUST		0x00000001
#define OPI_FUNC_SET_MIGRATABLE		0x00000002
#define OPI_FUNC_SET_MAC		0x00000004
#define OPI_FUNC_SET_VLAN		0x00000008
#define OPI_FUNC_SET_MAX_QPS		0x00000010
#define OPI_FUNC_SET_MAX_EQS		0x00000020
#define OPI_FUNC_SET_MAX_VFS		0x00000040

#define OPI_VLAN_MAX			4094

/* What has happened to a function: value of OPI_EV_FUNC. */
enum opi_func_change {
	OPI_CHANGE_CREATED	= 1,
	OPI_CHANGE_SET		= 2,	/* FUNC_SET or PORT_SET_MAC */
	OPI_CHANGE_EXPOSED	= 3,
	OPI_CHANGE_WITHDRAWN	= 4,
	OPI_CHANGE_DESTROYED	= 5,
	OPI_CHANGE_ATTACHED	= 6,
	OPI_CHANGE_DETACHED	= 7,
	OPI_CHANGE_NUM_VFS	= 8,	/* PF: the host has enabled or disabled VFs */
};

enum opi_police_kind {
	OPI_POLICE_PORT		= 1,	/* all that comes through the port */
	OPI_POLICE_SLOW		= 2,	/* what of it goes to the DPU */
};

enum opi_police_unit {
	OPI_POLICE_BYTES	= 1,
	OPI_POLICE_FRAMES	= 2,
};

enum opi_rate_kind {
	OPI_RATE_LEAF		= 1,	/* target: a function's port */
	OPI_RATE_NODE		= 2,	/* target: a node */
};

#define OPI_RATE_PRIORITY_MAX		7
#define OPI_RATE_WEIGHT_MAX		100

/* QP_QUERY fills this. */
struct opi_qp_info {
	__u8	state;			/* enum opi_qp_state */
	__u8	error;			/* enum opi_qp_error */
	__le16	eq;
	__le32	sq_head;
	__le32	rq_head;
	__le32	cq_tail;
	__le32	flags;			/* OPI_QP_F_* */
	__u8	rsvd[12];
};

#define OPI_QP_F_WAITS			0x00000001	/* frames wait for their turn or rates */

enum opi_qp_state {
	OPI_QP_RUNNING		= 1,
	OPI_QP_ERROR		= 2,	/* does nothing more until destroyed */
};

enum opi_qp_error {
	OPI_QP_ERR_NONE		= 0,
	OPI_QP_ERR_TXD		= 1,	/* malformed send descriptor */
	OPI_QP_ERR_RXD		= 2,	/* malformed receive descriptor */
	OPI_QP_ERR_INDEX	= 3,	/* a tail ran further than its ring */
	OPI_QP_ERR_DMA		= 4,	/* memory could not be read or written */
};

/* ---- Queue pairs ------------------------------------------------------- */

/**
 * struct opi_txd - a segment of a frame to send, 32 bytes
 * @addr:	bus address of the bytes
 * @len:	how many, 1 to 65535
 * @flags:	OPI_TXD_F_*; CSUM and VLAN count in the first segment only
 * @nsegs:	segments of this frame (first segment; others: 0)
 * @gso_type:	OPI_GSO_* (first segment, as all that follows)
 * @gso_size:	payload bytes of a segment to be
 * @hdr_len:	bytes in front of the payload
 * @csum_start:	offset from which to sum
 * @csum_offset: where, from @csum_start, the sum goes
 * @vlan_tci:	tag to insert
 * @rsvd:	zero
 * @port:	DPU side: the port to whose other end the frame goes; host: 0
 */
struct opi_txd {
	__le64	addr;
	__le32	len;
	__le16	flags;
	__u8	nsegs;
	__u8	gso_type;
	__le16	gso_size;
	__le16	hdr_len;
	__le16	csum_start;
	__le16	csum_offset;
	__le16	vlan_tci;
	__le16	rsvd;
	__le32	port;
};

#define OPI_TXD_F_SOP			0x0001	/* first segment */
#define OPI_TXD_F_EOP			0x0002	/* last segment */
#define OPI_TXD_F_CSUM			0x0004	/* checksum to be filled in */
#define OPI_TXD_F_CSUM_VALID		0x0008	/* checksums are known good */
#define OPI_TXD_F_VLAN			0x0010
#define OPI_TXD_F_CQE			0x0020	/* reserved: completion with a time stamp */

#define OPI_GSO_NONE			0
#define OPI_GSO_TCPV4			1
#define OPI_GSO_TCPV6			2
#define OPI_GSO_UDP_L4			3
#define OPI_GSO_ECN			0x80	/* or'ed: TCP with ECN */

/* A receive buffer, 16 bytes. Buffers are used in ring order. */
struct opi_rxd {
	__le64	addr;
	__le32	len;			/* 64 to 65535 */
	__le16	id;			/* returned in the completion */
	__le16	rsvd;			/* zero */
};

/**
 * struct opi_cqe - completion of a receive buffer, 32 bytes
 * @len:	bytes written to this buffer
 * @flags:	OPI_CQE_F_*
 * @type:	OPI_CQE_RX
 * @gso_type:	OPI_GSO_*; this and, but for @id and @phase, all that follows is
 *		there in the first buffer of a frame only
 * @id:		of the buffer
 * @gso_size:	as in the sender's descriptor
 * @hdr_len:	as in the sender's descriptor
 * @csum_start:	with CSUM_PARTIAL: the sum is still to be filled in
 * @csum_offset: likewise
 * @vlan_tci:	tag that was stripped
 * @hash:	flow hash, 0: none
 * @port:	DPU side: the port where the frame came from; host: 0
 * @nbufs:	buffers of this frame
 * @hash_type:	the one of OPI_HASH_* that @hash is, 0: none
 * @phase:	bit 0: as in struct opi_cmd_cpl; written last
 *
 * Frames are delivered whole: SOP to EOP stand in consecutive entries.
 */
struct opi_cqe {
	__le32	len;
	__le16	flags;
	__u8	type;
	__u8	gso_type;
	__le16	id;
	__le16	gso_size;
	__le16	hdr_len;
	__le16	csum_start;
	__le16	csum_offset;
	__le16	vlan_tci;
	__le32	hash;
	__le32	port;
	__u8	nbufs;
	__u8	hash_type;
	__le16	phase;
};

#define OPI_CQE_RX			1

#define OPI_CQE_F_SOP			0x0001
#define OPI_CQE_F_EOP			0x0002
#define OPI_CQE_F_CSUM_PARTIAL		0x0004
#define OPI_CQE_F_CSUM_VALID		0x0008
#define OPI_CQE_F_VLAN			0x0010

/**
 * struct opi_qp_shadow - a queue pair's index words in ring memory, 128 bytes
 *
 * Written by the driver:
 * @sq_tail:	send descriptors posted
 * @rq_tail:	receive buffers posted
 * @cq_head:	completions consumed
 * @cq_arm:	notify when the completion of this index has been written
 * @sq_arm:	notify when the send descriptor of this index has been used
 * @cq_usecs:	notify after this time, 0: never, of completions before @cq_arm
 *
 * Written by the device:
 * @sq_head:	send descriptors used; their buffers belong to the driver again
 * @sq_kick:	ring the doorbell when the descriptor of this index is posted
 * @rq_kick:	likewise for receive buffers
 *
 * All are free-running.  "When index N has been written" is the event-index
 * rule of OPI_NEED_EVENT(): moving an index from old to new passes N.
 */
struct opi_qp_shadow {
	__le32	sq_tail;
	__le32	rq_tail;
	__le32	cq_head;
	__le32	cq_arm;
	__le32	sq_arm;
	__le32	cq_usecs;
	__le32	rsvd0[10];
	__le32	sq_head;
	__le32	sq_kick;
	__le32	rq_kick;
	__le32	rsvd1[13];
};

/* True if moving from @old_idx to @new_idx (exclusive) passes @event. */
#define OPI_NEED_EVENT(event, new_idx, old_idx)				\
	((__u32)((__u32)(new_idx) - (__u32)(event) - 1) <		\
	 (__u32)((__u32)(new_idx) - (__u32)(old_idx)))

/* ---- Event queues ------------------------------------------------------ */

/**
 * struct opi_eqe - an event, 32 bytes
 * @type:	OPI_EV_*
 * @sub:	meaning by type
 * @value:	meaning by type
 * @queue:	QP events: the queue pair
 * @func_id:	the function, or OPI_ID_NONE
 * @port:	the port, or OPI_ID_NONE
 * @sf:		SF number, or OPI_ID_NONE
 * @vf:		VF number, or OPI_ID16_NONE
 * @rsvd:	zero
 * @seq:	counts the function's asynchronous events (not QP notifications);
 *		a gap tells that some were lost
 * @phase:	bit 0: as in struct opi_cmd_cpl; written last
 */
struct opi_eqe {
	__u8	type;
	__u8	sub;
	__le16	queue;
	__le32	value;
	__le32	func_id;
	__le32	port;
	__le32	sf;
	__le16	vf;
	__le16	rsvd;
	__le32	seq;
	__le32	phase;
};

#define OPI_EV_QP			1	/* queue: passed cq_arm or sq_arm */
#define OPI_EV_QP_ERROR			2	/* queue; sub: enum opi_qp_error */
#define OPI_EV_LINK			3	/* port; sub: 1 carrier, 0 none */
#define OPI_EV_PEER			4	/* sub: enum opi_peer_state; value: generation */
#define OPI_EV_BOOT			5	/* sub: OS_STATUS; value: generation */
#define OPI_EV_MODE			6	/* sub: enum opi_mode */
#define OPI_EV_FUNC			7	/* sub: state; value: enum opi_func_change */
#define OPI_EV_HOST_RESET		8	/* DPU side: PERST# of the host */
#define OPI_EV_LOST			9	/* value: how many found no room */
#define OPI_EV_MIG			10	/* DPU side; sub: enum opi_mig_event */

/* Driver-written words of an event queue. Event queue 0 gets the asynchronous events. */
struct opi_eq_shadow {
	__le32	head;			/* events consumed */
	__le32	arm;			/* interrupt when this index has been written */
	__le32	rsvd[2];
};

/* ---- Migration of VFs -------------------------------------------------- */

/*
 * The PF moves a VF that is OPI_FUNC_F_MIGRATABLE: it stops the source, reads
 * its state as a stream (MIG_SAVE), and gives that to the destination
 * (MIG_LOAD).  To drivers a stream is bytes; cards read the structures below.
 */
enum opi_mig_state {
	OPI_MIG_RUNNING		= 0,
	OPI_MIG_P2P		= 1,	/* starts no DMA; takes doorbells and registers */
	OPI_MIG_STOPPED		= 2,	/* nothing of it changes */
	OPI_MIG_LOADING		= 3,	/* as after a reset; takes a stream */
	OPI_MIG_ERROR		= 4,	/* refused a stream; Function Level Reset helps */
};

/* What the DPU is told: sub of OPI_EV_MIG. */
enum opi_mig_event {
	OPI_MIG_EV_STOPPED	= 1,
	OPI_MIG_EV_SAVED	= 2,	/* source: all of the stream has been read */
	OPI_MIG_EV_LOADED	= 3,	/* destination; value: function id of the source */
	OPI_MIG_EV_REFUSED	= 4,	/* value: enum opi_status */
	OPI_MIG_EV_RUNNING	= 5,
};

/* MIG_GET fills this. */
struct opi_mig_info {
	__u8	state;			/* enum opi_mig_state */
	__u8	flags;			/* OPI_MIG_F_* */
	__le16	version;		/* of the streams of this card */
	__le32	func_id;		/* of the VF */
	__le32	precopy_size;		/* what can be read before it is STOPPED */
	__le32	stream_size;		/* STOPPED: of its stream; others: at most */
	__le32	loaded;			/* bytes taken by MIG_LOAD */
	__le32	stream_max;		/* longest stream that the card takes */
	__le64	src_serial;		/* card that its state came from, or 0 */
	__le32	src_func_id;		/* function there */
	__le32	dirty_pages;		/* pages that the card can log for it */
	__u8	dirty_order;		/* log2 of the page size of its log */
	__u8	rsvd[23];
};

#define OPI_MIG_F_LOADED		0x01	/* a whole stream has been taken */
#define OPI_MIG_F_DIRTY			0x02	/* what it writes is logged */

/* MIG_SET_KEY takes this; all zero: the card's own, which no other card has. */
struct opi_mig_key {
	__u8	key[32];
};

/**
 * struct opi_mig_frame - what each frame of a stream begins with, 32 bytes
 * @magic:	OPI_MIG_MAGIC
 * @version:	OPI_MIG_VERSION
 * @type:	OPI_MIG_FRAME_*
 * @len:	bytes that follow this header
 * @seq:	from 0
 * @iface_version: as the VERSION register
 * @crc:	CRC-32C of header, with 0 here, and what follows it
 * @rsvd:	zero
 */
struct opi_mig_frame {
	__le32	magic;
	__le16	version;
	__le16	type;
	__le32	len;
	__le32	seq;
	__le32	iface_version;
	__le32	crc;
	__u8	rsvd[8];
};

#define OPI_MIG_MAGIC			0x4d49504f	/* "OPIM" */
#define OPI_MIG_VERSION			1
#define OPI_MIG_STREAM_MAX		65536

/* In this order; RSS where it is set, EQ and QP one for each, in rising order. */
enum opi_mig_frame_type {
	OPI_MIG_FRAME_COMPAT	= 1,	/* struct opi_mig_compat */
	OPI_MIG_FRAME_FUNC	= 2,	/* struct opi_mig_func */
	OPI_MIG_FRAME_STATS	= 3,	/* struct opi_port_stats, the function's */
	OPI_MIG_FRAME_RX	= 4,	/* struct opi_rx_config, the function's */
	OPI_MIG_FRAME_RSS	= 5,	/* struct opi_rss_config */
	OPI_MIG_FRAME_EQ	= 6,	/* struct opi_mig_eq */
	OPI_MIG_FRAME_QP	= 7,	/* struct opi_mig_qp */
	OPI_MIG_FRAME_END	= 8,	/* struct opi_mig_end */
};

/* Where the state comes from, and what the destination must be able to do. */
struct opi_mig_compat {
	__le64	serial;
	__le64	caps;			/* that the VF has been shown */
	char	board_id[16];
	__u8	key_id[16];		/* of the key that END is made with */
	__le32	func_id;
	__le32	max_mtu;
	__le16	max_qps;
	__le16	max_eqs;
	__le16	vf;
	__u8	aq_order;		/* limits, as in LIMITS1 */
	__u8	ring_order;
	__u8	max_segs;
	__u8	rsvd[31];
};

/* Registers and settings. */
struct opi_mig_func {
	__le64	aq_sq;			/* of the admin queue that is enabled */
	__le64	aq_cq;
	__le64	aq_sq_reg;		/* as in the registers */
	__le64	aq_cq_reg;
	__le32	aq_head;		/* commands fetched, all are completed */
	__le32	aq_tail;
	__le32	aq_cpls;		/* completions written */
	__le32	aq_status;
	__le32	seq;			/* of its last asynchronous event */
	__le32	health;
	__le32	peer_generation;	/* as last told, with @peer and @os_status */
	__le32	os_generation;
	__le32	mtu;
	__le16	token;
	__le16	vlan;
	__u8	mac[6];
	__le16	flags;			/* OPI_MIG_FUNC_F_* */
	__u8	aq_order;
	__u8	peer;
	__u8	os_status;
	__u8	tx_priority;
	__u8	tx_weight;
	__u8	rsvd0[3];
	__le64	tx_max;
	__le64	tx_share;
	__u8	rsvd1[24];
};

#define OPI_MIG_FUNC_F_UP		0x0001	/* its end of the port is up */
#define OPI_MIG_FUNC_F_CARRIER		0x0002	/* as last told */
#define OPI_MIG_FUNC_F_TRUST		0x0004
#define OPI_MIG_FUNC_F_FATAL		0x0008

struct opi_mig_eq {
	__le64	ring;
	__le64	shadow;
	__le32	tail;			/* events written */
	__le32	lost;			/* that LOST is still to tell of */
	__le16	id;
	__le16	vector;
	__u8	order;
	__u8	rsvd[3];
};

struct opi_mig_qp {
	__le64	sq;
	__le64	rq;
	__le64	cq;
	__le64	shadow;
	__le32	sq_head;		/* the first descriptor that is not used */
	__le32	rq_head;
	__le32	cq_tail;
	__le32	cut;			/* segments sent of the frame at @sq_head */
	__le16	id;
	__le16	eq;
	__u8	sq_order;
	__u8	rq_order;
	__u8	cq_order;
	__u8	state;			/* enum opi_qp_state */
	__u8	error;
	__u8	rsvd[7];
};

/* HMAC-SHA-256 with the card's key of all bytes of the frames before. */
struct opi_mig_end {
	__u8	hmac[32];
};

/* ---- Dirty pages ------------------------------------------------------- */

/* DIRTY_START takes this and @n_ranges of struct opi_dirty_range behind it. */
struct opi_dirty_config {
	__u8	page_order;		/* log2 of the page size, from 12 */
	__u8	rsvd0[3];
	__le32	n_ranges;		/* 1 to OPI_DIRTY_RANGES_MAX */
	__u8	rsvd1[8];
};

struct opi_dirty_range {
	__le64	iova;
	__le64	len;
};

#define OPI_DIRTY_ORDER_MIN		12
#define OPI_DIRTY_ORDER_MAX		51
#define OPI_DIRTY_RANGES_MAX		255

/* ---- Boot block -------------------------------------------------------- */

#define OPI_DVSEC_ID			0x0001
#define OPI_DVSEC_REV			1
#define OPI_DVSEC_BODY			0x0c	/* struct opi_boot_block starts here */

enum opi_os_status {
	OPI_OS_NOT_STARTED	= 0,
	OPI_OS_BOOTING		= 1,
	OPI_OS_BOOTED		= 2,
	OPI_OS_STALLED		= 3,
	OPI_OS_HALTED		= 4,
};

enum opi_pldm_state {
	OPI_PLDM_RESET		= 0,
	OPI_PLDM_STAGE1		= 1,
	OPI_PLDM_STAGE2		= 2,
	OPI_PLDM_UEFI		= 3,
	OPI_PLDM_OS_STARTING	= 4,
	OPI_PLDM_OS_RUNNING	= 5,
	OPI_PLDM_HALTED		= 6,
	OPI_PLDM_UPDATING	= 7,
	OPI_PLDM_OS_DUMP	= 8,
	OPI_PLDM_OS_DUMP_DONE	= 9,
	OPI_PLDM_FW_DUMP	= 10,
	OPI_PLDM_FW_DUMP_DONE	= 11,
};

enum opi_crashdump_status {
	OPI_DUMP_NOT_STARTED	= 0,
	OPI_DUMP_IN_PROGRESS	= 1,
	OPI_DUMP_COMPLETE	= 2,
};

/* Bits of RESET, one per segment of the card. */
enum opi_reset_segment {
	OPI_RESET_PCI		= 0x01,
	OPI_RESET_CPU		= 0x02,
	OPI_RESET_AMC		= 0x04,
	OPI_RESET_ACCEL1	= 0x08,
	OPI_RESET_ACCEL2	= 0x10,
	OPI_RESET_OTHER		= 0x20,
};

/* Bits of OS_BOOT_SELECT. */
enum opi_boot_source {
	OPI_BOOT_NETWORK	= 0x01,
	OPI_BOOT_CARD_OS	= 0x02,
	OPI_BOOT_CARD_UEFI	= 0x04,
	OPI_BOOT_MAINTENANCE	= 0x08,
	OPI_BOOT_OTHER		= 0x10,
};

#define OPI_BOOT_TIME_MAX		1600
#define OPI_BOOT_TIME_KEEP		0xffff

/* The same in BAR0 at OPI_REG_BOOT and in the DVSEC at OPI_DVSEC_BODY. */
struct opi_boot_block {
	__le16	size;			/* of this structure */
	__le16	version;		/* 1 */
	__u8	os_status;
	__u8	pldm_state;
	__u8	crashdump_status;
	__u8	rsvd0;
	__le16	max_boot_time;		/* s, 0 to OPI_BOOT_TIME_MAX */
	__le16	rsvd1;
	__le32	generation;
	__le32	reset_supported;	/* OPI_RESET_* that RESET acts on */
	__le32	reset;			/* write only, reads as 0 */
	__u8	boot_supported;		/* OPI_BOOT_* that can be selected; 0: none */
	__u8	boot_select;
	__le16	rsvd2;
	__le32	rsvd3;
};

/* ---- Sizes ------------------------------------------------------------- */

#ifdef __cplusplus
#define OPI_SIZE(type, size) static_assert(sizeof(type) == (size), #type)
#else
#define OPI_SIZE(type, size) _Static_assert(sizeof(type) == (size), #type)
#endif

OPI_SIZE(struct opi_cmd, 64);
OPI_SIZE(struct opi_cmd_cpl, 16);
OPI_SIZE(struct opi_identify, 128);
OPI_SIZE(struct opi_port_info, 64);
OPI_SIZE(struct opi_port_stats, 128);
OPI_SIZE(struct opi_rx_config, 1288);
OPI_SIZE(struct opi_rss_config, 304);
OPI_SIZE(struct opi_func_info, 64);
OPI_SIZE(struct opi_qp_info, 32);
OPI_SIZE(struct opi_txd, 32);
OPI_SIZE(struct opi_rxd, 16);
OPI_SIZE(struct opi_cqe, 32);
OPI_SIZE(struct opi_qp_shadow, 128);
OPI_SIZE(struct opi_eqe, 32);
OPI_SIZE(struct opi_eq_shadow, 16);
OPI_SIZE(struct opi_mig_info, 64);
OPI_SIZE(struct opi_mig_key, 32);
OPI_SIZE(struct opi_mig_frame, 32);
OPI_SIZE(struct opi_mig_compat, 96);
OPI_SIZE(struct opi_mig_func, 128);
OPI_SIZE(struct opi_mig_eq, 32);
OPI_SIZE(struct opi_mig_qp, 64);
OPI_SIZE(struct opi_mig_end, 32);
OPI_SIZE(struct opi_dirty_config, 16);
OPI_SIZE(struct opi_dirty_range, 16);
OPI_SIZE(struct opi_boot_block, 32);

#undef OPI_SIZE

#endif /* _UAPI_LINUX_OPI_PCI_H */
