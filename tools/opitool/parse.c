// SPDX-License-Identifier: GPL-2.0
/*
 * The parsers of parse.h.  libnl walks the attributes and refuses those that
 * are shorter than the policies here say; lengths of copies are checked here.
 */
#include <errno.h>
#include <linux/devlink.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/opi.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <string.h>
#include <sys/socket.h>

#include "parse.h"

bool handle_eq(const struct handle *a, const struct handle *b)
{
	return !strcmp(a->bus, b->bus) && !strcmp(a->dev, b->dev);
}

/* The policies let only terminated strings through; too long is malformed. */
static int get_str(struct nlattr *attr, char *buf, size_t size)
{
	size_t len = strlen(nla_get_string(attr));

	if (len >= size)
		return -EBADMSG;
	memcpy(buf, nla_get_string(attr), len + 1);
	return 0;
}

static int get_bytes(struct nlattr *attr, unsigned char *buf, size_t size,
		     uint8_t *len)
{
	if ((size_t)nla_len(attr) > size)
		return -EBADMSG;
	*len = nla_len(attr);
	memcpy(buf, nla_data(attr), *len);
	return 0;
}

static int get_handle(struct nlattr *bus, struct nlattr *dev,
		      struct handle *handle)
{
	if (!bus || !dev)
		return -EBADMSG;
	if (get_str(bus, handle->bus, sizeof(handle->bus)) ||
	    get_str(dev, handle->dev, sizeof(handle->dev)))
		return -EBADMSG;
	return 0;
}

static int parse_genl(struct nlmsghdr *nlh, struct nlattr **tb, int max,
		      const struct nla_policy *policy, uint8_t *cmd)
{
	if (!genlmsg_valid_hdr(nlh, 0))
		return -EBADMSG;
	*cmd = genlmsg_hdr(nlh)->cmd;
	return genlmsg_parse(nlh, 0, tb, max, (struct nla_policy *)policy) < 0 ?
	       -EBADMSG : 0;
}

/* ---- family opi -------------------------------------------------------- */

static const struct nla_policy dpu_policy[OPI_A_DPU_MAX + 1] = {
	[OPI_A_DPU_BUS_NAME]	= { .type = NLA_STRING },
	[OPI_A_DPU_DEV_NAME]	= { .type = NLA_STRING },
	[OPI_A_DPU_SERIAL]	= { .type = NLA_U64 },
	[OPI_A_DPU_ROLE]	= { .type = NLA_U32 },
	[OPI_A_DPU_MODE]	= { .type = NLA_U32 },
	[OPI_A_DPU_FUNC_ID]	= { .type = NLA_U32 },
	[OPI_A_DPU_IFACE_MAJOR]	= { .type = NLA_U32 },
	[OPI_A_DPU_IFACE_MINOR]	= { .type = NLA_U32 },
	[OPI_A_DPU_GENERATION]	= { .type = NLA_U32 },
	[OPI_A_DPU_PEER_STATE]	= { .type = NLA_U32 },
	[OPI_A_DPU_DEV_STATE]	= { .type = NLA_U32 },
	[OPI_A_DPU_HEALTH]	= { .type = NLA_U32 },
	[OPI_A_DPU_BOOT]	= { .type = NLA_NESTED },
	[OPI_A_DPU_EVENTS_LOST]	= { .type = NLA_U64 },
	[OPI_A_DPU_SEQ]		= { .type = NLA_U64 },
	[OPI_A_DPU_CHANGED]	= { .type = NLA_U32 },
	[OPI_A_DPU_MIGRATION_KEY] = { .minlen = 32 },
};

static const struct nla_policy boot_policy[OPI_A_BOOT_MAX + 1] = {
	[OPI_A_BOOT_OS_STATUS]		= { .type = NLA_U32 },
	[OPI_A_BOOT_PLDM_STATE]		= { .type = NLA_U32 },
	[OPI_A_BOOT_CRASHDUMP_STATUS]	= { .type = NLA_U32 },
	[OPI_A_BOOT_MAX_BOOT_TIME]	= { .type = NLA_U32 },
	[OPI_A_BOOT_GENERATION]		= { .type = NLA_U32 },
	[OPI_A_BOOT_RESET_SUPPORTED]	= { .type = NLA_U32 },
	[OPI_A_BOOT_BOOT_SUPPORTED]	= { .type = NLA_U32 },
	[OPI_A_BOOT_BOOT_SELECT]	= { .type = NLA_U32 },
};

static int parse_boot(struct nlattr *nest, struct dpu *dpu)
{
	struct nlattr *tb[OPI_A_BOOT_MAX + 1];

	if (nla_parse_nested(tb, OPI_A_BOOT_MAX, nest,
			     (struct nla_policy *)boot_policy) < 0)
		return -EBADMSG;

#define BOOT(attr, member) do {						\
	if (tb[OPI_A_BOOT_##attr]) {					\
		dpu->boot.member = nla_get_u32(tb[OPI_A_BOOT_##attr]);	\
		dpu->boot_have |= 1u << OPI_A_BOOT_##attr;		\
	}								\
} while (0)
	BOOT(OS_STATUS, os);
	BOOT(PLDM_STATE, pldm);
	BOOT(CRASHDUMP_STATUS, dump);
	BOOT(MAX_BOOT_TIME, max_time);
	BOOT(GENERATION, generation);
	BOOT(RESET_SUPPORTED, reset_supported);
	BOOT(BOOT_SUPPORTED, boot_supported);
	BOOT(BOOT_SELECT, boot_select);
#undef BOOT
	return 0;
}

int parse_dpu(struct nlmsghdr *nlh, struct dpu *dpu)
{
	struct nlattr *tb[OPI_A_DPU_MAX + 1];
	int i;

	memset(dpu, 0, sizeof(*dpu));
	dpu->eswitch = -1;
	if (parse_genl(nlh, tb, OPI_A_DPU_MAX, dpu_policy, &dpu->cmd) ||
	    get_handle(tb[OPI_A_DPU_BUS_NAME], tb[OPI_A_DPU_DEV_NAME],
		       &dpu->handle))
		return -EBADMSG;

	_Static_assert(OPI_A_DPU_MAX < 32, "struct dpu.have has 32 bits");
	for (i = 0; i <= OPI_A_DPU_MAX; i++)
		if (tb[i])
			dpu->have |= 1u << i;

#define GET(attr, type, member) do {					\
	if (tb[OPI_A_DPU_##attr])					\
		dpu->member = nla_get_##type(tb[OPI_A_DPU_##attr]);	\
} while (0)
	GET(SERIAL, u64, serial);
	GET(ROLE, u32, role);
	GET(MODE, u32, mode);
	GET(FUNC_ID, u32, func_id);
	GET(IFACE_MAJOR, u32, iface_major);
	GET(IFACE_MINOR, u32, iface_minor);
	GET(GENERATION, u32, generation);
	GET(PEER_STATE, u32, peer);
	GET(DEV_STATE, u32, dev_state);
	GET(HEALTH, u32, health);
	GET(EVENTS_LOST, u64, events_lost);
	GET(SEQ, u64, seq);
	GET(CHANGED, u32, changed);
#undef GET

	return tb[OPI_A_DPU_BOOT] ? parse_boot(tb[OPI_A_DPU_BOOT], dpu) : 0;
}

static const struct nla_policy function_policy[OPI_A_FUNCTION_MAX + 1] = {
	[OPI_A_FUNCTION_BUS_NAME]	= { .type = NLA_STRING },
	[OPI_A_FUNCTION_DEV_NAME]	= { .type = NLA_STRING },
	[OPI_A_FUNCTION_SERIAL]		= { .type = NLA_U64 },
	[OPI_A_FUNCTION_FUNC_ID]	= { .type = NLA_U32 },
	[OPI_A_FUNCTION_TYPE]		= { .type = NLA_U32 },
	[OPI_A_FUNCTION_CLASS]		= { .type = NLA_U32 },
	[OPI_A_FUNCTION_CONTROLLER]	= { .type = NLA_U32 },
	[OPI_A_FUNCTION_PF]		= { .type = NLA_U32 },
	[OPI_A_FUNCTION_VF]		= { .type = NLA_U32 },
	[OPI_A_FUNCTION_SF]		= { .type = NLA_U32 },
	[OPI_A_FUNCTION_PORT_INDEX]	= { .type = NLA_U32 },
	[OPI_A_FUNCTION_HOST_ADDRESS]	= { .type = NLA_U32 },
	[OPI_A_FUNCTION_OPSTATE]	= { .type = NLA_U32 },
	[OPI_A_FUNCTION_TRUST]		= { .type = NLA_U32 },
	[OPI_A_FUNCTION_VLAN]		= { .type = NLA_U32 },
	[OPI_A_FUNCTION_MAX_QPS]	= { .type = NLA_U32 },
	[OPI_A_FUNCTION_MAX_VFS]	= { .type = NLA_U32 },
	[OPI_A_FUNCTION_NUM_VFS]	= { .type = NLA_U32 },
	[OPI_A_FUNCTION_SEQ]		= { .type = NLA_U64 },
	[OPI_A_FUNCTION_CHANGED]	= { .type = NLA_U32 },
	[OPI_A_FUNCTION_MIG_STATE]	= { .type = NLA_U32 },
	[OPI_A_FUNCTION_SOURCE_SERIAL]	= { .type = NLA_U64 },
	[OPI_A_FUNCTION_SOURCE_FUNC_ID]	= { .type = NLA_U32 },
};

int parse_function(struct nlmsghdr *nlh, struct function *fn)
{
	struct nlattr *tb[OPI_A_FUNCTION_MAX + 1];
	int i;

	memset(fn, 0, sizeof(*fn));
	if (parse_genl(nlh, tb, OPI_A_FUNCTION_MAX, function_policy,
		       &fn->cmd) ||
	    get_handle(tb[OPI_A_FUNCTION_BUS_NAME],
		       tb[OPI_A_FUNCTION_DEV_NAME], &fn->handle) ||
	    !tb[OPI_A_FUNCTION_FUNC_ID])
		return -EBADMSG;

	_Static_assert(OPI_A_FUNCTION_MAX < 32,
		       "struct function.have has 32 bits");
	for (i = 0; i <= OPI_A_FUNCTION_MAX; i++)
		if (tb[i])
			fn->have |= 1u << i;

#define GET(attr, type, member) do {					\
	if (tb[OPI_A_FUNCTION_##attr])					\
		fn->member = nla_get_##type(tb[OPI_A_FUNCTION_##attr]);	\
} while (0)
	GET(SERIAL, u64, serial);
	GET(FUNC_ID, u32, id);
	GET(TYPE, u32, type);
	GET(CLASS, u32, class);
	GET(CONTROLLER, u32, controller);
	GET(PF, u32, pf);
	GET(VF, u32, vf);
	GET(SF, u32, sf);
	GET(PORT_INDEX, u32, port);
	GET(HOST_ADDRESS, u32, host);
	GET(OPSTATE, u32, opstate);
	GET(TRUST, u32, trust);
	GET(VLAN, u32, vlan);
	GET(MAX_QPS, u32, max_qps);
	GET(MAX_VFS, u32, max_vfs);
	GET(NUM_VFS, u32, num_vfs);
	GET(SEQ, u64, seq);
	GET(CHANGED, u32, changed);
	GET(MIG_STATE, u32, mig_state);
	GET(SOURCE_SERIAL, u64, src_serial);
	GET(SOURCE_FUNC_ID, u32, src_id);
#undef GET
	return 0;
}

/* ---- devlink ----------------------------------------------------------- */

static const struct nla_policy devlink_policy[DEVLINK_ATTR_MAX + 1] = {
	[DEVLINK_ATTR_BUS_NAME]		= { .type = NLA_STRING },
	[DEVLINK_ATTR_DEV_NAME]		= { .type = NLA_STRING },
	[DEVLINK_ATTR_PORT_INDEX]	= { .type = NLA_U32 },
	[DEVLINK_ATTR_PORT_TYPE]	= { .type = NLA_U16 },
	[DEVLINK_ATTR_PORT_NETDEV_IFINDEX] = { .type = NLA_U32 },
	[DEVLINK_ATTR_PORT_NETDEV_NAME]	= { .type = NLA_STRING },
	[DEVLINK_ATTR_ESWITCH_MODE]	= { .type = NLA_U16 },
	[DEVLINK_ATTR_PORT_FLAVOUR]	= { .type = NLA_U16 },
	[DEVLINK_ATTR_PORT_NUMBER]	= { .type = NLA_U32 },
	[DEVLINK_ATTR_INFO_DRIVER_NAME]	= { .type = NLA_STRING },
	[DEVLINK_ATTR_INFO_SERIAL_NUMBER] = { .type = NLA_STRING },
	[DEVLINK_ATTR_PORT_PCI_PF_NUMBER] = { .type = NLA_U16 },
	[DEVLINK_ATTR_PORT_PCI_VF_NUMBER] = { .type = NLA_U16 },
	[DEVLINK_ATTR_PORT_FUNCTION]	= { .type = NLA_NESTED },
	[DEVLINK_ATTR_PORT_CONTROLLER_NUMBER] = { .type = NLA_U32 },
	[DEVLINK_ATTR_PORT_EXTERNAL]	= { .type = NLA_U8 },
	[DEVLINK_ATTR_PORT_PCI_SF_NUMBER] = { .type = NLA_U32 },
};

static const struct nla_policy fn_policy[DEVLINK_PORT_FUNCTION_ATTR_MAX + 1] = {
	[DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR] = { .type = NLA_UNSPEC },
	[DEVLINK_PORT_FN_ATTR_STATE]	= { .type = NLA_U8 },
	[DEVLINK_PORT_FN_ATTR_OPSTATE]	= { .type = NLA_U8 },
	[DEVLINK_PORT_FN_ATTR_CAPS]	= {
		.minlen = sizeof(struct nla_bitfield32),
	},
	[DEVLINK_PORT_FN_ATTR_MAX_IO_EQS] = { .type = NLA_U32 },
};

int parse_devdev(struct nlmsghdr *nlh, struct devdev *dev)
{
	struct nlattr *tb[DEVLINK_ATTR_MAX + 1], *attr;

	memset(dev, 0, sizeof(*dev));
	dev->eswitch = -1;
	if (parse_genl(nlh, tb, DEVLINK_ATTR_MAX, devlink_policy, &dev->cmd) ||
	    get_handle(tb[DEVLINK_ATTR_BUS_NAME], tb[DEVLINK_ATTR_DEV_NAME],
		       &dev->handle))
		return -EBADMSG;

	attr = tb[DEVLINK_ATTR_INFO_DRIVER_NAME];
	if (attr && get_str(attr, dev->driver, sizeof(dev->driver)))
		return -EBADMSG;
	attr = tb[DEVLINK_ATTR_INFO_SERIAL_NUMBER];
	if (attr && get_str(attr, dev->serial, sizeof(dev->serial)))
		return -EBADMSG;
	attr = tb[DEVLINK_ATTR_ESWITCH_MODE];
	if (attr)
		dev->eswitch = nla_get_u16(attr);
	return 0;
}

static int parse_port_function(struct nlattr *nest, struct port *port)
{
	struct nlattr *tb[DEVLINK_PORT_FUNCTION_ATTR_MAX + 1], *attr;

	if (nla_parse_nested(tb, DEVLINK_PORT_FUNCTION_ATTR_MAX, nest,
			     (struct nla_policy *)fn_policy) < 0)
		return -EBADMSG;

	attr = tb[DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR];
	if (attr && get_bytes(attr, port->fn_addr, sizeof(port->fn_addr),
			      &port->fn_addr_len))
		return -EBADMSG;
	attr = tb[DEVLINK_PORT_FN_ATTR_STATE];
	if (attr) {
		port->fn_state = nla_get_u8(attr);
		port->have |= PORT_FN_STATE;
	}
	attr = tb[DEVLINK_PORT_FN_ATTR_OPSTATE];
	if (attr) {
		port->fn_opstate = nla_get_u8(attr);
		port->have |= PORT_FN_OPSTATE;
	}
	attr = tb[DEVLINK_PORT_FN_ATTR_CAPS];
	if (attr) {
		struct nla_bitfield32 caps;

		memcpy(&caps, nla_data(attr), sizeof(caps));
		if (caps.selector & DEVLINK_PORT_FN_CAP_MIGRATABLE) {
			port->fn_migratable =
				caps.value & DEVLINK_PORT_FN_CAP_MIGRATABLE;
			port->have |= PORT_FN_MIGRATABLE;
		}
	}
	attr = tb[DEVLINK_PORT_FN_ATTR_MAX_IO_EQS];
	if (attr) {
		port->fn_max_io_eqs = nla_get_u32(attr);
		port->have |= PORT_FN_MAX_IO_EQS;
	}
	if (port->fn_addr_len ||
	    port->have & (PORT_FN_STATE | PORT_FN_OPSTATE | PORT_FN_MIGRATABLE |
			  PORT_FN_MAX_IO_EQS))
		port->have |= PORT_FUNCTION;
	return 0;
}

int parse_port(struct nlmsghdr *nlh, struct port *port)
{
	struct nlattr *tb[DEVLINK_ATTR_MAX + 1], *attr;

	memset(port, 0, sizeof(*port));
	if (parse_genl(nlh, tb, DEVLINK_ATTR_MAX, devlink_policy, &port->cmd) ||
	    get_handle(tb[DEVLINK_ATTR_BUS_NAME], tb[DEVLINK_ATTR_DEV_NAME],
		       &port->handle) ||
	    !tb[DEVLINK_ATTR_PORT_INDEX])
		return -EBADMSG;

	port->owner = port->handle;
	port->index = nla_get_u32(tb[DEVLINK_ATTR_PORT_INDEX]);

#define GET(attr, type, member, bit) do {				\
	if (tb[DEVLINK_ATTR_PORT_##attr]) {				\
		port->member = nla_get_##type(tb[DEVLINK_ATTR_PORT_##attr]); \
		port->have |= bit;					\
	}								\
} while (0)
	GET(NUMBER, u32, number, PORT_NUMBER);
	GET(CONTROLLER_NUMBER, u32, controller, PORT_CONTROLLER);
	GET(PCI_PF_NUMBER, u16, pf, PORT_PF);
	GET(PCI_VF_NUMBER, u16, vf, PORT_VF);
	GET(PCI_SF_NUMBER, u32, sf, PORT_SF);
	GET(EXTERNAL, u8, external, PORT_EXTERNAL);
	GET(FLAVOUR, u16, flavour, PORT_FLAVOUR);
	GET(TYPE, u16, type, PORT_TYPE);
#undef GET

	attr = tb[DEVLINK_ATTR_PORT_NETDEV_IFINDEX];
	if (attr)
		port->ifindex = nla_get_u32(attr);
	attr = tb[DEVLINK_ATTR_PORT_NETDEV_NAME];
	if (attr && get_str(attr, port->netdev, sizeof(port->netdev)))
		return -EBADMSG;
	attr = tb[DEVLINK_ATTR_PORT_FUNCTION];
	return attr ? parse_port_function(attr, port) : 0;
}

/* ---- links ------------------------------------------------------------- */

static const struct nla_policy link_policy[IFLA_MAX + 1] = {
	[IFLA_IFNAME]		= { .type = NLA_STRING },
	[IFLA_OPERSTATE]	= { .type = NLA_U8 },
	[IFLA_CARRIER]		= { .type = NLA_U8 },
	[IFLA_ADDRESS]		= { .type = NLA_UNSPEC },
	[IFLA_PHYS_SWITCH_ID]	= { .type = NLA_UNSPEC },
};

int parse_link(struct nlmsghdr *nlh, struct link *link)
{
	struct nlattr *tb[IFLA_MAX + 1];
	struct ifinfomsg *ifi;

	memset(link, 0, sizeof(*link));
	if (!nlmsg_valid_hdr(nlh, sizeof(*ifi)))
		return -EBADMSG;
	if (nlmsg_parse(nlh, sizeof(*ifi), tb, IFLA_MAX,
			(struct nla_policy *)link_policy) < 0)
		return -EBADMSG;

	ifi = nlmsg_data(nlh);
	/* A bridge tells its ports to the same listeners, with less in it. */
	if (ifi->ifi_family != AF_UNSPEC)
		return -EBADMSG;
	link->gone = nlh->nlmsg_type == RTM_DELLINK;
	link->ifindex = ifi->ifi_index;
	link->up = ifi->ifi_flags & IFF_UP;
	if (tb[IFLA_IFNAME] &&
	    get_str(tb[IFLA_IFNAME], link->name, sizeof(link->name)))
		return -EBADMSG;
	if (tb[IFLA_CARRIER])
		link->carrier = nla_get_u8(tb[IFLA_CARRIER]);
	if (tb[IFLA_OPERSTATE])
		link->operstate = nla_get_u8(tb[IFLA_OPERSTATE]);
	if (tb[IFLA_ADDRESS] &&
	    get_bytes(tb[IFLA_ADDRESS], link->addr, sizeof(link->addr),
		      &link->addr_len))
		return -EBADMSG;
	if (tb[IFLA_PHYS_SWITCH_ID] &&
	    get_bytes(tb[IFLA_PHYS_SWITCH_ID], link->switch_id,
		      sizeof(link->switch_id), &link->switch_len))
		return -EBADMSG;
	return 0;
}

/* ---- families ---------------------------------------------------------- */

static const struct nla_policy ctrl_policy[CTRL_ATTR_MAX + 1] = {
	[CTRL_ATTR_FAMILY_NAME]	= { .type = NLA_STRING },
};

int parse_family(struct nlmsghdr *nlh, int *change, char name[16])
{
	struct nlattr *tb[CTRL_ATTR_MAX + 1];
	uint8_t cmd;

	if (parse_genl(nlh, tb, CTRL_ATTR_MAX, ctrl_policy, &cmd) ||
	    !tb[CTRL_ATTR_FAMILY_NAME] ||
	    get_str(tb[CTRL_ATTR_FAMILY_NAME], name, 16))
		return -EBADMSG;
	*change = cmd == CTRL_CMD_NEWFAMILY ? 1 :
		  cmd == CTRL_CMD_DELFAMILY ? -1 : 0;
	return 0;
}
