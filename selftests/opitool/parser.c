// SPDX-License-Identifier: GPL-2.0
/*
 * opitool's parsers against messages that no good kernel sends.
 *
 * Every message stands in memory of its own size, so that under the address
 * sanitizer (opitool/parser.sh builds it so) a byte read behind its end is an
 * error.  OPI_SEED and OPI_SCALE set the random ones.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/devlink.h>
#include <linux/genetlink.h>
#include <linux/if_link.h>
#include <linux/opi.h>
#include <linux/opi_pci.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <stdlib.h>
#include <string.h>

#include "parse.h"

#include "kselftest_harness.h"

/* What a parser leaves: enough to see that it ended, and how. */
struct any {
	struct dpu dpu;
	struct function function;
	struct devdev devdev;
	struct port port;
	struct link link;
	char family[16];
	int change;
};

enum kind { DPU, FUNCTION, DEVDEV, PORT, LINK, FAMILY, KINDS };

static int parse(enum kind kind, struct nlmsghdr *nlh, struct any *any)
{
	switch (kind) {
	case DPU:
		return parse_dpu(nlh, &any->dpu);
	case FUNCTION:
		return parse_function(nlh, &any->function);
	case DEVDEV:
		return parse_devdev(nlh, &any->devdev);
	case PORT:
		return parse_port(nlh, &any->port);
	case LINK:
		return parse_link(nlh, &any->link);
	case FAMILY:
		return parse_family(nlh, &any->change, any->family);
	default:
		abort();
	}
}

static struct nl_msg *genl(int cmd)
{
	struct nl_msg *msg = nlmsg_alloc();

	genlmsg_put(msg, 0, 0, 33, 0, 0, cmd, 1);
	return msg;
}

/* A good message of each kind, with everything in it. */
static struct nl_msg *good(enum kind kind)
{
	static const struct nla_bitfield32 caps = {
		.value = DEVLINK_PORT_FN_CAP_MIGRATABLE,
		.selector = DEVLINK_PORT_FN_CAP_MIGRATABLE,
	};
	static const unsigned char mac[] = { 2, 0, 0, 1, 2, 3 };
	struct ifinfomsg ifi = { .ifi_index = 7, .ifi_flags = IFF_UP };
	struct nlattr *nest;
	struct nl_msg *msg;
	int i;

	switch (kind) {
	case DPU:
		msg = genl(OPI_NL_CMD_DPU_CHANGE_NTF);
		nla_put_string(msg, OPI_A_DPU_BUS_NAME, "pci");
		nla_put_string(msg, OPI_A_DPU_DEV_NAME, "0000:01:00.0");
		nla_put_u64(msg, OPI_A_DPU_SERIAL, 0x0123456789abcdefULL);
		nla_put_u32(msg, OPI_A_DPU_ROLE, OPI_ROLE_DPU);
		nla_put_u32(msg, OPI_A_DPU_MODE, OPI_MODE_ISOLATED);
		nla_put_u32(msg, OPI_A_DPU_FUNC_ID, 11);
		nla_put_u32(msg, OPI_A_DPU_IFACE_MAJOR, 1);
		nla_put_u32(msg, OPI_A_DPU_IFACE_MINOR, 0);
		nla_put_u32(msg, OPI_A_DPU_GENERATION, 5);
		nla_put_u32(msg, OPI_A_DPU_PEER_STATE, OPI_PEER_READY);
		nla_put_u32(msg, OPI_A_DPU_DEV_STATE, OPI_DEV_STATE_READY);
		nla_put_u32(msg, OPI_A_DPU_HEALTH, OPI_HEALTH_OK);
		nla_put_u64(msg, OPI_A_DPU_EVENTS_LOST, 3);
		nla_put_u64(msg, OPI_A_DPU_SEQ, 1ULL << 40);
		nla_put_u32(msg, OPI_A_DPU_CHANGED, OPI_CHANGE_PEER);
		nest = nla_nest_start(msg, OPI_A_DPU_BOOT);
		for (i = 1; i <= OPI_A_BOOT_MAX; i++)
			nla_put_u32(msg, i, i);
		nla_nest_end(msg, nest);
		return msg;
	case FUNCTION:
		msg = genl(OPI_NL_CMD_FUNCTION_CHANGE_NTF);
		nla_put_string(msg, OPI_A_FUNCTION_BUS_NAME, "pci");
		nla_put_string(msg, OPI_A_FUNCTION_DEV_NAME, "0000:03:00.0");
		nla_put_u64(msg, OPI_A_FUNCTION_SERIAL, 0x0123456789abcdefULL);
		for (i = OPI_A_FUNCTION_FUNC_ID; i < OPI_A_FUNCTION_SEQ; i++)
			nla_put_u32(msg, i, 100 + i);
		nla_put_u64(msg, OPI_A_FUNCTION_SEQ, 1ULL << 40);
		nla_put_u32(msg, OPI_A_FUNCTION_CHANGED,
			    OPI_FUNCTION_CHANGE_ATTACHED);
		nla_put_u32(msg, OPI_A_FUNCTION_MIG_STATE, OPI_MIG_STOPPED);
		nla_put_u64(msg, OPI_A_FUNCTION_SOURCE_SERIAL, 1ULL << 63);
		nla_put_u32(msg, OPI_A_FUNCTION_SOURCE_FUNC_ID, 77);
		return msg;
	case DEVDEV:
		msg = genl(DEVLINK_CMD_INFO_GET);
		nla_put_string(msg, DEVLINK_ATTR_BUS_NAME, "pci");
		nla_put_string(msg, DEVLINK_ATTR_DEV_NAME, "0000:02:00.0");
		nla_put_string(msg, DEVLINK_ATTR_INFO_DRIVER_NAME, "other");
		nla_put_string(msg, DEVLINK_ATTR_INFO_SERIAL_NUMBER, "X-1");
		nla_put_u16(msg, DEVLINK_ATTR_ESWITCH_MODE, 1);
		return msg;
	case PORT:
		msg = genl(DEVLINK_CMD_PORT_NEW);
		nla_put_string(msg, DEVLINK_ATTR_BUS_NAME, "pci");
		nla_put_string(msg, DEVLINK_ATTR_DEV_NAME, "0000:01:00.0");
		nla_put_u32(msg, DEVLINK_ATTR_PORT_INDEX, 1);
		nla_put_u16(msg, DEVLINK_ATTR_PORT_FLAVOUR,
			    DEVLINK_PORT_FLAVOUR_PCI_VF);
		nla_put_u16(msg, DEVLINK_ATTR_PORT_TYPE, DEVLINK_PORT_TYPE_ETH);
		nla_put_u32(msg, DEVLINK_ATTR_PORT_NUMBER, 0);
		nla_put_u32(msg, DEVLINK_ATTR_PORT_CONTROLLER_NUMBER, 1);
		nla_put_u16(msg, DEVLINK_ATTR_PORT_PCI_PF_NUMBER, 0);
		nla_put_u16(msg, DEVLINK_ATTR_PORT_PCI_VF_NUMBER, 63);
		nla_put_u32(msg, DEVLINK_ATTR_PORT_PCI_SF_NUMBER, 4);
		nla_put_u8(msg, DEVLINK_ATTR_PORT_EXTERNAL, 1);
		nla_put_u32(msg, DEVLINK_ATTR_PORT_NETDEV_IFINDEX, 7);
		nla_put_string(msg, DEVLINK_ATTR_PORT_NETDEV_NAME, "eth7");
		nest = nla_nest_start(msg, DEVLINK_ATTR_PORT_FUNCTION);
		nla_put(msg, DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR, sizeof(mac),
			mac);
		nla_put_u8(msg, DEVLINK_PORT_FN_ATTR_STATE, 1);
		nla_put_u8(msg, DEVLINK_PORT_FN_ATTR_OPSTATE, 1);
		nla_put(msg, DEVLINK_PORT_FN_ATTR_CAPS, sizeof(caps), &caps);
		nla_put_u32(msg, DEVLINK_PORT_FN_ATTR_MAX_IO_EQS, 6);
		nla_nest_end(msg, nest);
		return msg;
	case LINK:
		msg = nlmsg_alloc_simple(RTM_NEWLINK, 0);
		nlmsg_append(msg, &ifi, sizeof(ifi), NLMSG_ALIGNTO);
		nla_put_string(msg, IFLA_IFNAME, "eth7");
		nla_put_u8(msg, IFLA_CARRIER, 1);
		nla_put_u8(msg, IFLA_OPERSTATE, IF_OPER_UP);
		nla_put(msg, IFLA_ADDRESS, sizeof(mac), mac);
		nla_put(msg, IFLA_PHYS_SWITCH_ID, sizeof(mac), mac);
		return msg;
	case FAMILY:
		msg = genl(CTRL_CMD_NEWFAMILY);
		nla_put_string(msg, CTRL_ATTR_FAMILY_NAME, "opi");
		return msg;
	default:
		abort();
	}
}

/* Parse a copy that is exactly @len bytes long. */
static int parse_copy(enum kind kind, const void *data, size_t len,
		      struct any *any)
{
	struct nlmsghdr *nlh = malloc(len);
	int err;

	memcpy(nlh, data, len);
	nlh->nlmsg_len = len;
	err = parse(kind, nlh, any);
	free(nlh);
	return err;
}

static int parse_msg(enum kind kind, struct nl_msg *msg, struct any *any)
{
	struct nlmsghdr *nlh = nlmsg_hdr(msg);
	int err = parse_copy(kind, nlh, nlh->nlmsg_len, any);

	nlmsg_free(msg);
	return err;
}

TEST(good_dpu)
{
	struct any any;

	ASSERT_EQ(parse_msg(DPU, good(DPU), &any), 0);
	EXPECT_EQ(any.dpu.cmd, OPI_NL_CMD_DPU_CHANGE_NTF);
	EXPECT_STREQ(any.dpu.handle.bus, "pci");
	EXPECT_STREQ(any.dpu.handle.dev, "0000:01:00.0");
	EXPECT_EQ(any.dpu.serial, 0x0123456789abcdefULL);
	EXPECT_EQ(any.dpu.role, OPI_ROLE_DPU);
	EXPECT_EQ(any.dpu.mode, OPI_MODE_ISOLATED);
	EXPECT_EQ(any.dpu.func_id, 11);
	EXPECT_EQ(any.dpu.iface_major, 1);
	EXPECT_EQ(any.dpu.generation, 5);
	EXPECT_EQ(any.dpu.peer, OPI_PEER_READY);
	EXPECT_EQ(any.dpu.dev_state, OPI_DEV_STATE_READY);
	EXPECT_EQ(any.dpu.events_lost, 3);
	EXPECT_EQ(any.dpu.seq, 1ULL << 40);
	EXPECT_EQ(any.dpu.changed, OPI_CHANGE_PEER);
	EXPECT_EQ(any.dpu.boot.os, OPI_A_BOOT_OS_STATUS);
	EXPECT_EQ(any.dpu.boot.boot_select, OPI_A_BOOT_BOOT_SELECT);
	EXPECT_TRUE(HAS(&any.dpu, BOOT));
	EXPECT_TRUE(BOOT_HAS(&any.dpu, BOOT_SELECT));
}

TEST(good_function)
{
	struct any any;

	ASSERT_EQ(parse_msg(FUNCTION, good(FUNCTION), &any), 0);
	EXPECT_EQ(any.function.cmd, OPI_NL_CMD_FUNCTION_CHANGE_NTF);
	EXPECT_STREQ(any.function.handle.dev, "0000:03:00.0");
	EXPECT_EQ(any.function.serial, 0x0123456789abcdefULL);
	EXPECT_EQ(any.function.id, 100 + OPI_A_FUNCTION_FUNC_ID);
	EXPECT_EQ(any.function.type, 100 + OPI_A_FUNCTION_TYPE);
	EXPECT_EQ(any.function.class, 100 + OPI_A_FUNCTION_CLASS);
	EXPECT_EQ(any.function.controller, 100 + OPI_A_FUNCTION_CONTROLLER);
	EXPECT_EQ(any.function.pf, 100 + OPI_A_FUNCTION_PF);
	EXPECT_EQ(any.function.vf, 100 + OPI_A_FUNCTION_VF);
	EXPECT_EQ(any.function.sf, 100 + OPI_A_FUNCTION_SF);
	EXPECT_EQ(any.function.port, 100 + OPI_A_FUNCTION_PORT_INDEX);
	EXPECT_EQ(any.function.host, 100 + OPI_A_FUNCTION_HOST_ADDRESS);
	EXPECT_EQ(any.function.opstate, 100 + OPI_A_FUNCTION_OPSTATE);
	EXPECT_EQ(any.function.trust, 100 + OPI_A_FUNCTION_TRUST);
	EXPECT_EQ(any.function.vlan, 100 + OPI_A_FUNCTION_VLAN);
	EXPECT_EQ(any.function.max_qps, 100 + OPI_A_FUNCTION_MAX_QPS);
	EXPECT_EQ(any.function.max_vfs, 100 + OPI_A_FUNCTION_MAX_VFS);
	EXPECT_EQ(any.function.num_vfs, 100 + OPI_A_FUNCTION_NUM_VFS);
	EXPECT_EQ(any.function.seq, 1ULL << 40);
	EXPECT_EQ(any.function.changed, OPI_FUNCTION_CHANGE_ATTACHED);
	EXPECT_EQ(any.function.mig_state, OPI_MIG_STOPPED);
	EXPECT_EQ(any.function.src_serial, 1ULL << 63);
	EXPECT_EQ(any.function.src_id, 77);
	EXPECT_TRUE(FN_HAS(&any.function, HOST_ADDRESS));
	EXPECT_TRUE(FN_HAS(&any.function, SOURCE_SERIAL));
}

TEST(good_devlink_device)
{
	struct any any;

	ASSERT_EQ(parse_msg(DEVDEV, good(DEVDEV), &any), 0);
	EXPECT_STREQ(any.devdev.driver, "other");
	EXPECT_STREQ(any.devdev.serial, "X-1");
	EXPECT_EQ(any.devdev.eswitch, 1);
}

TEST(good_port)
{
	struct any any;

	ASSERT_EQ(parse_msg(PORT, good(PORT), &any), 0);
	EXPECT_EQ(any.port.index, 1);
	EXPECT_EQ(any.port.flavour, DEVLINK_PORT_FLAVOUR_PCI_VF);
	EXPECT_EQ(any.port.vf, 63);
	EXPECT_EQ(any.port.sf, 4);
	EXPECT_TRUE(any.port.external);
	EXPECT_STREQ(any.port.netdev, "eth7");
	EXPECT_EQ(any.port.fn_addr_len, 6);
	EXPECT_EQ(any.port.fn_state, 1);
	EXPECT_TRUE(any.port.fn_migratable);
	EXPECT_EQ(any.port.fn_max_io_eqs, 6);
}

TEST(good_link)
{
	struct any any;

	ASSERT_EQ(parse_msg(LINK, good(LINK), &any), 0);
	EXPECT_EQ(any.link.ifindex, 7);
	EXPECT_TRUE(any.link.up);
	EXPECT_TRUE(any.link.carrier);
	EXPECT_FALSE(any.link.gone);
	EXPECT_EQ(any.link.switch_len, 6);
}

TEST(good_family)
{
	struct any any;

	ASSERT_EQ(parse_msg(FAMILY, good(FAMILY), &any), 0);
	EXPECT_EQ(any.change, 1);
	EXPECT_STREQ(any.family, "opi");
}

TEST(dpu_without_a_name_is_refused)
{
	struct nl_msg *msg = genl(OPI_NL_CMD_DPU_GET);
	struct any any;

	nla_put_u64(msg, OPI_A_DPU_SERIAL, 1);
	EXPECT_EQ(parse_msg(DPU, msg, &any), -EBADMSG);

	msg = genl(OPI_NL_CMD_DPU_GET);
	nla_put_string(msg, OPI_A_DPU_BUS_NAME, "pci");
	EXPECT_EQ(parse_msg(DPU, msg, &any), -EBADMSG);
}

TEST(function_without_a_name_or_an_id_is_refused)
{
	struct nl_msg *msg = genl(OPI_NL_CMD_FUNCTION_GET);
	struct any any;

	nla_put_string(msg, OPI_A_FUNCTION_BUS_NAME, "pci");
	nla_put_string(msg, OPI_A_FUNCTION_DEV_NAME, "x");
	EXPECT_EQ(parse_msg(FUNCTION, msg, &any), -EBADMSG);

	msg = genl(OPI_NL_CMD_FUNCTION_GET);
	nla_put_u32(msg, OPI_A_FUNCTION_FUNC_ID, 1);
	EXPECT_EQ(parse_msg(FUNCTION, msg, &any), -EBADMSG);

	msg = genl(OPI_NL_CMD_FUNCTION_GET);
	nla_put_u32(msg, OPI_A_FUNCTION_FUNC_ID, 1);
	nla_put_string(msg, OPI_A_FUNCTION_DEV_NAME, "x");
	EXPECT_EQ(parse_msg(FUNCTION, msg, &any), -EBADMSG);
}

TEST(function_with_only_an_id_has_nothing_else)
{
	struct nl_msg *msg = genl(OPI_NL_CMD_FUNCTION_GET);
	struct any any;

	nla_put_string(msg, OPI_A_FUNCTION_BUS_NAME, "pci");
	nla_put_string(msg, OPI_A_FUNCTION_DEV_NAME, "x");
	nla_put_u32(msg, OPI_A_FUNCTION_FUNC_ID, 1);
	ASSERT_EQ(parse_msg(FUNCTION, msg, &any), 0);
	EXPECT_EQ(any.function.have, 1u << OPI_A_FUNCTION_BUS_NAME |
		  1u << OPI_A_FUNCTION_DEV_NAME | 1u << OPI_A_FUNCTION_FUNC_ID);
}

TEST(dpu_with_only_a_name_has_nothing_else)
{
	struct nl_msg *msg = genl(OPI_NL_CMD_DPU_GET);
	struct any any;

	nla_put_string(msg, OPI_A_DPU_BUS_NAME, "pci");
	nla_put_string(msg, OPI_A_DPU_DEV_NAME, "x");
	ASSERT_EQ(parse_msg(DPU, msg, &any), 0);
	EXPECT_FALSE(HAS(&any.dpu, SERIAL));
	EXPECT_FALSE(HAS(&any.dpu, BOOT));
	EXPECT_EQ(any.dpu.boot_have, 0);
}

TEST(short_numbers_are_refused)
{
	struct any any;
	int attr;

	for (attr = OPI_A_DPU_SERIAL; attr <= OPI_A_DPU_MAX; attr++) {
		struct nl_msg *msg = genl(OPI_NL_CMD_DPU_GET);

		if (attr == OPI_A_DPU_BOOT) {
			nlmsg_free(msg);
			continue;
		}
		nla_put_string(msg, OPI_A_DPU_BUS_NAME, "pci");
		nla_put_string(msg, OPI_A_DPU_DEV_NAME, "x");
		nla_put_u16(msg, attr, 0);
		EXPECT_EQ(parse_msg(DPU, msg, &any), -EBADMSG)
			TH_LOG("attribute %d", attr);
	}
}

TEST(short_numbers_of_functions_are_refused)
{
	struct any any;
	int attr;

	for (attr = OPI_A_FUNCTION_SERIAL; attr <= OPI_A_FUNCTION_MAX; attr++) {
		struct nl_msg *msg = genl(OPI_NL_CMD_FUNCTION_GET);

		nla_put_string(msg, OPI_A_FUNCTION_BUS_NAME, "pci");
		nla_put_string(msg, OPI_A_FUNCTION_DEV_NAME, "x");
		if (attr != OPI_A_FUNCTION_FUNC_ID)
			nla_put_u32(msg, OPI_A_FUNCTION_FUNC_ID, 1);
		nla_put_u16(msg, attr, 0);
		EXPECT_EQ(parse_msg(FUNCTION, msg, &any), -EBADMSG)
			TH_LOG("attribute %d", attr);
	}
}

TEST(short_capabilities_of_ports_are_refused)
{
	struct nl_msg *msg = good(PORT);
	struct nlattr *nest;
	struct any any;

	nest = nla_nest_start(msg, DEVLINK_ATTR_PORT_FUNCTION);
	nla_put_u32(msg, DEVLINK_PORT_FN_ATTR_CAPS, 2);
	nla_nest_end(msg, nest);
	EXPECT_EQ(parse_msg(PORT, msg, &any), -EBADMSG);
}

TEST(short_numbers_in_nests_are_refused)
{
	struct nlattr *nest;
	struct any any;
	int attr;

	for (attr = 1; attr <= OPI_A_BOOT_MAX; attr++) {
		struct nl_msg *msg = genl(OPI_NL_CMD_DPU_GET);

		nla_put_string(msg, OPI_A_DPU_BUS_NAME, "pci");
		nla_put_string(msg, OPI_A_DPU_DEV_NAME, "x");
		nest = nla_nest_start(msg, OPI_A_DPU_BOOT);
		nla_put_u8(msg, attr, 0);
		nla_nest_end(msg, nest);
		EXPECT_EQ(parse_msg(DPU, msg, &any), -EBADMSG)
			TH_LOG("attribute %d", attr);
	}
}

TEST(unterminated_and_overlong_names_are_refused)
{
	static const int attr[] = { OPI_A_DPU_BUS_NAME, OPI_A_DPU_DEV_NAME };
	char longest[300];
	struct any any;
	unsigned int i;

	memset(longest, 'x', sizeof(longest));
	for (i = 0; i < 2; i++) {
		struct nl_msg *msg = genl(OPI_NL_CMD_DPU_GET);

		nla_put_string(msg, attr[!i], "ok");
		nla_put(msg, attr[i], 8, longest);
		EXPECT_EQ(parse_msg(DPU, msg, &any), -EBADMSG);

		msg = genl(OPI_NL_CMD_DPU_GET);
		nla_put_string(msg, attr[!i], "ok");
		nla_put(msg, attr[i], 0, longest);
		EXPECT_EQ(parse_msg(DPU, msg, &any), -EBADMSG);

		longest[sizeof(longest) - 1] = '\0';
		msg = genl(OPI_NL_CMD_DPU_GET);
		nla_put_string(msg, attr[!i], "ok");
		nla_put(msg, attr[i], sizeof(longest), longest);
		EXPECT_EQ(parse_msg(DPU, msg, &any), -EBADMSG);
	}
}

TEST(overlong_addresses_are_refused)
{
	unsigned char addr[33] = { 0 };
	struct nl_msg *msg;
	struct nlattr *nest;
	struct any any;

	msg = good(PORT);
	nest = nla_nest_start(msg, DEVLINK_ATTR_PORT_FUNCTION);
	nla_put(msg, DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR, sizeof(addr), addr);
	nla_nest_end(msg, nest);
	EXPECT_EQ(parse_msg(PORT, msg, &any), -EBADMSG);

	msg = good(LINK);
	nla_put(msg, IFLA_ADDRESS, sizeof(addr), addr);
	EXPECT_EQ(parse_msg(LINK, msg, &any), -EBADMSG);

	msg = good(LINK);
	nla_put(msg, IFLA_PHYS_SWITCH_ID, sizeof(addr), addr);
	EXPECT_EQ(parse_msg(LINK, msg, &any), -EBADMSG);

	msg = good(LINK);
	nla_put(msg, IFLA_ADDRESS, sizeof(addr) - 1, addr);
	EXPECT_EQ(parse_msg(LINK, msg, &any), 0);
	EXPECT_EQ(any.link.addr_len, 32);
}

TEST(overlong_interface_names_are_refused)
{
	char name[IFNAMSIZ + 1];
	struct nl_msg *msg;
	struct any any;

	memset(name, 'x', IFNAMSIZ);
	name[IFNAMSIZ] = '\0';
	msg = good(PORT);
	nla_put_string(msg, DEVLINK_ATTR_PORT_NETDEV_NAME, name);
	EXPECT_EQ(parse_msg(PORT, msg, &any), -EBADMSG);

	msg = good(LINK);
	nla_put_string(msg, IFLA_IFNAME, name);
	EXPECT_EQ(parse_msg(LINK, msg, &any), -EBADMSG);
}

TEST(port_without_a_number_is_refused)
{
	struct nl_msg *msg = genl(DEVLINK_CMD_PORT_NEW);
	struct any any;

	nla_put_string(msg, DEVLINK_ATTR_BUS_NAME, "pci");
	nla_put_string(msg, DEVLINK_ATTR_DEV_NAME, "x");
	EXPECT_EQ(parse_msg(PORT, msg, &any), -EBADMSG);
}

TEST(unknown_attributes_do_not_matter)
{
	struct nl_msg *msg = good(DPU);
	struct any any;

	nla_put_u32(msg, OPI_A_DPU_MAX + 1, 1);
	nla_put_u32(msg, 1000, 1);
	ASSERT_EQ(parse_msg(DPU, msg, &any), 0);
	EXPECT_EQ(any.dpu.have >> (OPI_A_DPU_MAX + 1), 0);
}

/* Each length that a good message can be cut to, down to a bare header. */
TEST(every_truncation_ends)
{
	int kind;

	for (kind = 0; kind < KINDS; kind++) {
		struct nl_msg *msg = good(kind);
		struct nlmsghdr *nlh = nlmsg_hdr(msg);
		struct any any;
		size_t len;

		for (len = sizeof(*nlh); len <= nlh->nlmsg_len; len++) {
			int err = parse_copy(kind, nlh, len, &any);

			ASSERT_TRUE(!err || err == -EBADMSG);
		}
		nlmsg_free(msg);
	}
}

/* Any byte of a good message at any of some values. */
TEST(every_changed_byte_ends)
{
	static const unsigned char value[] = { 0x00, 0x01, 0x7f, 0x80, 0xff };
	int kind;

	for (kind = 0; kind < KINDS; kind++) {
		struct nl_msg *msg = good(kind);
		unsigned char *bytes = (unsigned char *)nlmsg_hdr(msg);
		size_t len = nlmsg_hdr(msg)->nlmsg_len, i, v;
		struct any any;

		for (i = sizeof(struct nlmsghdr); i < len; i++) {
			unsigned char was = bytes[i];

			for (v = 0; v < sizeof(value); v++) {
				bytes[i] = value[v];
				parse_copy(kind, bytes, len, &any);
			}
			bytes[i] = was;
		}
		nlmsg_free(msg);
	}
}

/* A fixture only for its time limit, which long runs need. */
FIXTURE(messages) {
};

FIXTURE_SETUP(messages)
{
}

FIXTURE_TEARDOWN(messages)
{
}

TEST_F_TIMEOUT(messages, random_ones_end, 3600)
{
	const char *seed = getenv("OPI_SEED"), *scale = getenv("OPI_SCALE");
	unsigned int n = 20000 * (scale ? atoi(scale) : 1), i;

	srandom(seed ? strtoul(seed, NULL, 0) : 1);
	TH_LOG("seed %s, %u messages", seed ? seed : "1", n);
	for (i = 0; i < n; i++) {
		int kind = random() % KINDS;
		struct nl_msg *msg = good(kind);
		unsigned char *bytes = (unsigned char *)nlmsg_hdr(msg);
		size_t len = nlmsg_hdr(msg)->nlmsg_len;
		int changes = 1 + random() % 16;
		struct any any;

		while (changes--)
			bytes[sizeof(struct nlmsghdr) +
			      random() % (len - sizeof(struct nlmsghdr))] =
				random() % 4 ? random() : random() % 8;
		if (random() % 2)
			len = sizeof(struct nlmsghdr) + random() %
			      (len - sizeof(struct nlmsghdr) + 1);
		parse_copy(kind, bytes, len, &any);
		nlmsg_free(msg);
	}
}

TEST_HARNESS_MAIN
