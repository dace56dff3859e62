// SPDX-License-Identifier: GPL-2.0
/*
 * The generic netlink family "opi" taken by its word, with hand-made messages:
 * what is answered, what is refused and how, who may ask, and that nothing that
 * a program can send does harm.  Runs in a guest with at least one DPU bound.
 *
 * OPI_SEED and OPI_SCALE steer the last test.
 */
#include <grp.h>
#include <linux/opi.h>
#include <linux/opi_pci.h>
#include <sched.h>
#include <stdlib.h>

#include "genl.h"
#include "kselftest_harness.h"

#define NOBODY		65534
#define MAX_DPUS	32
#define MAX_FUNCS	128

/* ---- answers ------------------------------------------------------------ */

struct answer {
	struct verdict v;
	unsigned int n_dpus;
	struct dpu {
		char bus[64], dev[64];
		uint64_t serial, seq;
		uint32_t role;
		bool complete;		/* all that must be there is, in the right size */
	} dpu[MAX_DPUS];
	unsigned int n_funcs;
	struct func {
		uint32_t id, type;
		uint64_t serial, seq;
		bool complete;
	} func[MAX_FUNCS];
	uint16_t family;		/* of a CTRL_CMD_GETFAMILY */
	uint32_t group;
	uint32_t version;
};

static void take_dpu(const struct nlmsghdr *nlh, struct answer *ans)
{
	static const struct { uint16_t type; size_t len; } must[] = {
		{ OPI_A_DPU_SERIAL, 8 },	{ OPI_A_DPU_ROLE, 4 },
		{ OPI_A_DPU_MODE, 4 },		{ OPI_A_DPU_FUNC_ID, 4 },
		{ OPI_A_DPU_IFACE_MAJOR, 4 },	{ OPI_A_DPU_IFACE_MINOR, 4 },
		{ OPI_A_DPU_GENERATION, 4 },	{ OPI_A_DPU_PEER_STATE, 4 },
		{ OPI_A_DPU_DEV_STATE, 4 },	{ OPI_A_DPU_SEQ, 8 },
	};
	const struct nlattr *tb[OPI_A_DPU_MAX + 1];
	const struct nlattr *boot[OPI_A_BOOT_MAX + 1];
	struct dpu *d = &ans->dpu[ans->n_dpus];
	size_t i;

	if (ans->n_dpus == MAX_DPUS)
		return;
	parse_msg(nlh, tb, OPI_A_DPU_MAX);
	memset(d, 0, sizeof(*d));
	d->complete = tb[OPI_A_DPU_BUS_NAME] && tb[OPI_A_DPU_DEV_NAME];
	for (i = 0; i < sizeof(must) / sizeof(must[0]); i++)
		if (!tb[must[i].type] || attr_len(tb[must[i].type]) != must[i].len)
			d->complete = false;
	if (!d->complete)
		goto out;
	snprintf(d->bus, sizeof(d->bus), "%.*s", (int)attr_len(tb[OPI_A_DPU_BUS_NAME]),
		 attr_data(tb[OPI_A_DPU_BUS_NAME]));
	snprintf(d->dev, sizeof(d->dev), "%.*s", (int)attr_len(tb[OPI_A_DPU_DEV_NAME]),
		 attr_data(tb[OPI_A_DPU_DEV_NAME]));
	d->serial = attr_u64(tb[OPI_A_DPU_SERIAL]);
	d->seq = attr_u64(tb[OPI_A_DPU_SEQ]);
	d->role = attr_u32(tb[OPI_A_DPU_ROLE]);
	if (tb[OPI_A_DPU_BOOT]) {
		parse_nest(tb[OPI_A_DPU_BOOT], boot, OPI_A_BOOT_MAX);
		for (i = 1; i <= OPI_A_BOOT_MAX; i++)
			if (!boot[i] || attr_len(boot[i]) != 4)
				d->complete = false;
	}
out:
	ans->n_dpus++;
}

/* Of virtual functions only, of a known state, and from a function of a card. */
static bool migration_is_right(const struct nlattr *const *tb, uint32_t type)
{
	const struct nlattr *state = tb[OPI_A_FUNCTION_MIG_STATE];
	const struct nlattr *serial = tb[OPI_A_FUNCTION_SOURCE_SERIAL];
	const struct nlattr *id = tb[OPI_A_FUNCTION_SOURCE_FUNC_ID];

	if (!state)
		return !serial && !id;
	if (type != OPI_PORT_VF || attr_len(state) != 4 || attr_u32(state) > OPI_MIG_ERROR)
		return false;
	if (!serial)
		return !id;
	return attr_len(serial) == 8 && attr_u64(serial) && id && attr_len(id) == 4;
}

static void take_func(const struct nlmsghdr *nlh, struct answer *ans)
{
	static const struct { uint16_t type; size_t len; } must[] = {
		{ OPI_A_FUNCTION_SERIAL, 8 },	{ OPI_A_FUNCTION_FUNC_ID, 4 },
		{ OPI_A_FUNCTION_TYPE, 4 },	{ OPI_A_FUNCTION_CLASS, 4 },
		{ OPI_A_FUNCTION_CONTROLLER, 4 }, { OPI_A_FUNCTION_PF, 4 },
		{ OPI_A_FUNCTION_OPSTATE, 4 },	{ OPI_A_FUNCTION_TRUST, 4 },
		{ OPI_A_FUNCTION_VLAN, 4 },	{ OPI_A_FUNCTION_MAX_QPS, 4 },
		{ OPI_A_FUNCTION_SEQ, 8 },
	};
	const struct nlattr *tb[OPI_A_FUNCTION_MAX + 1];
	struct func *f = &ans->func[ans->n_funcs];
	size_t i;

	if (ans->n_funcs == MAX_FUNCS)
		return;
	parse_msg(nlh, tb, OPI_A_FUNCTION_MAX);
	memset(f, 0, sizeof(*f));
	f->complete = tb[OPI_A_FUNCTION_BUS_NAME] && tb[OPI_A_FUNCTION_DEV_NAME];
	for (i = 0; i < sizeof(must) / sizeof(must[0]); i++)
		if (!tb[must[i].type] || attr_len(tb[must[i].type]) != must[i].len)
			f->complete = false;
	if (f->complete) {
		f->id = attr_u32(tb[OPI_A_FUNCTION_FUNC_ID]);
		f->type = attr_u32(tb[OPI_A_FUNCTION_TYPE]);
		f->serial = attr_u64(tb[OPI_A_FUNCTION_SERIAL]);
		f->seq = attr_u64(tb[OPI_A_FUNCTION_SEQ]);
		if (!migration_is_right(tb, f->type))
			f->complete = false;
	}
	ans->n_funcs++;
}

static void take_group(const struct nlmsghdr *nlh, struct answer *ans)
{
	const struct nlattr *tb[CTRL_ATTR_MAX + 1], *grp[CTRL_ATTR_MCAST_GRP_MAX + 1];
	const struct nlattr *list[8];
	unsigned int i;

	parse_msg(nlh, tb, CTRL_ATTR_MAX);
	if (!tb[CTRL_ATTR_FAMILY_ID])
		return;
	memcpy(&ans->family, attr_data(tb[CTRL_ATTR_FAMILY_ID]), sizeof(ans->family));
	if (tb[CTRL_ATTR_VERSION])
		ans->version = attr_u32(tb[CTRL_ATTR_VERSION]);
	if (!tb[CTRL_ATTR_MCAST_GROUPS])
		return;
	parse_nest(tb[CTRL_ATTR_MCAST_GROUPS], list, 7);
	for (i = 1; i < 8; i++) {
		if (!list[i])
			continue;
		parse_nest(list[i], grp, CTRL_ATTR_MCAST_GRP_MAX);
		if (grp[CTRL_ATTR_MCAST_GRP_NAME] && grp[CTRL_ATTR_MCAST_GRP_ID] &&
		    !strcmp(attr_data(grp[CTRL_ATTR_MCAST_GRP_NAME]), OPI_MCGRP_EVENTS))
			ans->group = attr_u32(grp[CTRL_ATTR_MCAST_GRP_ID]);
	}
}

static void take_any(const struct nlmsghdr *nlh, void *arg)
{
	const struct genlmsghdr *g = NLMSG_DATA(nlh);

	if (nlh->nlmsg_type == GENL_ID_CTRL)
		take_group(nlh, arg);
	else if (g->cmd == OPI_NL_CMD_FUNCTION_GET)
		take_func(nlh, arg);
	else
		take_dpu(nlh, arg);
}

/* Send, and gather all that comes until the kernel says that it is done. */
static int talk(int fd, struct msg *m, struct answer *ans)
{
	memset(ans, 0, sizeof(*ans));
	return nl_talk(fd, m, &ans->v, take_any, ans);
}

/* ---- tests ------------------------------------------------------------- */

FIXTURE(opi)
{
	int fd;
	uint16_t family;
	uint32_t group;
	struct msg m;
	struct answer ans;
	struct dpu dpu;			/* the first of a dump */
	unsigned int n_dpus;
};

FIXTURE_SETUP(opi)
{
	self->fd = nl_open();
	ASSERT_LE(0, self->fd);
	msg_init(&self->m, GENL_ID_CTRL, NLM_F_ACK, CTRL_CMD_GETFAMILY);
	msg_put_str(&self->m, CTRL_ATTR_FAMILY_NAME, OPI_FAMILY_NAME);
	ASSERT_EQ(0, talk(self->fd, &self->m, &self->ans));
	ASSERT_EQ(0, self->ans.v.error);
	self->family = self->ans.family;
	self->group = self->ans.group;
	ASSERT_EQ(OPI_FAMILY_VERSION, self->ans.version);

	msg_init(&self->m, self->family, NLM_F_DUMP, OPI_NL_CMD_DPU_GET);
	ASSERT_EQ(0, talk(self->fd, &self->m, &self->ans));
	ASSERT_EQ(0, self->ans.v.error);
	ASSERT_LT(0, self->ans.n_dpus);
	self->n_dpus = self->ans.n_dpus;
	self->dpu = self->ans.dpu[0];
}

FIXTURE_TEARDOWN(opi)
{
	close(self->fd);
}

/* A request that must end in @err with a reason in words. */
#define EXPECT_REFUSED(err) do {						\
	ASSERT_EQ(0, talk(self->fd, &self->m, &self->ans));			\
	EXPECT_EQ(-(err), self->ans.v.error);					\
	EXPECT_NE('\0', self->ans.v.text[0]) TH_LOG("no words");			\
	EXPECT_EQ(0, self->ans.n_dpus);						\
} while (0)

#define EXPECT_ONE_DPU() do {							\
	ASSERT_EQ(0, talk(self->fd, &self->m, &self->ans));			\
	EXPECT_EQ(0, self->ans.v.error) TH_LOG("%s", self->ans.v.text);		\
	ASSERT_EQ(1, self->ans.n_dpus);						\
	EXPECT_TRUE(self->ans.dpu[0].complete);					\
	EXPECT_EQ(self->dpu.serial, self->ans.dpu[0].serial);			\
	EXPECT_STREQ(self->dpu.dev, self->ans.dpu[0].dev);			\
} while (0)

TEST_F(opi, family_has_its_group)
{
	EXPECT_NE(0, self->group);
}

TEST_F(opi, dump_is_complete)
{
	unsigned int i;

	for (i = 0; i < self->ans.n_dpus; i++) {
		EXPECT_TRUE(self->ans.dpu[i].complete);
		EXPECT_STREQ("pci", self->ans.dpu[i].bus);
		EXPECT_NE(0, self->ans.dpu[i].serial);
		EXPECT_LE(OPI_ROLE_HOST_PF, self->ans.dpu[i].role);
		EXPECT_GE(OPI_ROLE_DPU, self->ans.dpu[i].role);
	}
}

TEST_F(opi, get_by_name)
{
	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
	msg_put_str(&self->m, OPI_A_DPU_BUS_NAME, self->dpu.bus);
	msg_put_str(&self->m, OPI_A_DPU_DEV_NAME, self->dpu.dev);
	EXPECT_ONE_DPU();
}

TEST_F(opi, get_by_serial)
{
	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
	msg_put(&self->m, OPI_A_DPU_SERIAL, &self->dpu.serial, 8);
	EXPECT_ONE_DPU();
}

TEST_F(opi, get_by_name_and_serial)
{
	uint64_t other = ~self->dpu.serial;

	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
	msg_put_str(&self->m, OPI_A_DPU_BUS_NAME, self->dpu.bus);
	msg_put_str(&self->m, OPI_A_DPU_DEV_NAME, self->dpu.dev);
	msg_put(&self->m, OPI_A_DPU_SERIAL, &self->dpu.serial, 8);
	EXPECT_ONE_DPU();

	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
	msg_put_str(&self->m, OPI_A_DPU_BUS_NAME, self->dpu.bus);
	msg_put_str(&self->m, OPI_A_DPU_DEV_NAME, self->dpu.dev);
	msg_put(&self->m, OPI_A_DPU_SERIAL, &other, 8);
	EXPECT_REFUSED(ENODEV);
}

TEST_F(opi, dump_of_one_card)
{
	uint64_t other = ~self->dpu.serial;
	unsigned int i;

	msg_init(&self->m, self->family, NLM_F_DUMP, OPI_NL_CMD_DPU_GET);
	msg_put(&self->m, OPI_A_DPU_SERIAL, &self->dpu.serial, 8);
	ASSERT_EQ(0, talk(self->fd, &self->m, &self->ans));
	EXPECT_EQ(0, self->ans.v.error);
	EXPECT_LT(0, self->ans.n_dpus);
	for (i = 0; i < self->ans.n_dpus; i++)
		EXPECT_EQ(self->dpu.serial, self->ans.dpu[i].serial);

	msg_init(&self->m, self->family, NLM_F_DUMP, OPI_NL_CMD_DPU_GET);
	msg_put(&self->m, OPI_A_DPU_SERIAL, &other, 8);
	ASSERT_EQ(0, talk(self->fd, &self->m, &self->ans));
	EXPECT_EQ(0, self->ans.v.error);
	EXPECT_EQ(0, self->ans.n_dpus);
}

TEST_F(opi, event_numbers_do_not_run_backwards)
{
	uint64_t first = self->dpu.seq;

	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
	msg_put(&self->m, OPI_A_DPU_SERIAL, &self->dpu.serial, 8);
	EXPECT_ONE_DPU();
	EXPECT_LE(first, self->ans.dpu[0].seq);
}

TEST_F(opi, refuses_a_get_that_names_nothing)
{
	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
	EXPECT_REFUSED(EINVAL);
}

TEST_F(opi, refuses_half_a_name)
{
	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
	msg_put_str(&self->m, OPI_A_DPU_BUS_NAME, self->dpu.bus);
	EXPECT_REFUSED(EINVAL);
	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
	msg_put_str(&self->m, OPI_A_DPU_DEV_NAME, self->dpu.dev);
	EXPECT_REFUSED(EINVAL);
}

TEST_F(opi, refuses_unknown_devices)
{
	uint64_t zero = 0;

	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
	msg_put_str(&self->m, OPI_A_DPU_BUS_NAME, "pci");
	msg_put_str(&self->m, OPI_A_DPU_DEV_NAME, "ffff:ff:1f.7");
	EXPECT_REFUSED(ENODEV);
	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
	msg_put_str(&self->m, OPI_A_DPU_BUS_NAME, "usb");
	msg_put_str(&self->m, OPI_A_DPU_DEV_NAME, self->dpu.dev);
	EXPECT_REFUSED(ENODEV);
	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
	msg_put(&self->m, OPI_A_DPU_SERIAL, &zero, 8);
	EXPECT_REFUSED(ENODEV);
}

TEST_F(opi, refuses_attributes_that_only_answers_have)
{
	static const uint16_t types[] = {
		OPI_A_DPU_ROLE, OPI_A_DPU_MODE, OPI_A_DPU_FUNC_ID,
		OPI_A_DPU_GENERATION, OPI_A_DPU_PEER_STATE, OPI_A_DPU_DEV_STATE,
		OPI_A_DPU_CHANGED, OPI_A_DPU_MAX + 1, 1000,
	};
	uint32_t one = 1;
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
		msg_put(&self->m, OPI_A_DPU_SERIAL, &self->dpu.serial, 8);
		msg_put(&self->m, types[i], &one, 4);
		EXPECT_REFUSED(EINVAL);
	}
}

TEST_F(opi, refuses_wrong_sizes)
{
	static const size_t lens[] = { 0, 1, 4, 7, 9, 12, 16 };
	char bytes[16] = { 1 };
	size_t i;

	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
		msg_put(&self->m, OPI_A_DPU_SERIAL, bytes, lens[i]);
		ASSERT_EQ(0, talk(self->fd, &self->m, &self->ans));
		EXPECT_TRUE(self->ans.v.error == -EINVAL || self->ans.v.error == -ERANGE)
			TH_LOG("%zu bytes: %d", lens[i], self->ans.v.error);
	}
}

TEST_F(opi, refuses_names_that_are_too_long_or_do_not_end)
{
	char name[300];

	memset(name, 'p', sizeof(name));
	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
	msg_put(&self->m, OPI_A_DPU_BUS_NAME, name, sizeof(name));
	msg_put_str(&self->m, OPI_A_DPU_DEV_NAME, self->dpu.dev);
	ASSERT_EQ(0, talk(self->fd, &self->m, &self->ans));
	EXPECT_TRUE(self->ans.v.error == -EINVAL || self->ans.v.error == -ERANGE);

	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
	msg_put(&self->m, OPI_A_DPU_BUS_NAME, "pci", 3);
	msg_put_str(&self->m, OPI_A_DPU_DEV_NAME, self->dpu.dev);
	EXPECT_REFUSED(EINVAL);

	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
	msg_put(&self->m, OPI_A_DPU_BUS_NAME, "", 0);
	msg_put_str(&self->m, OPI_A_DPU_DEV_NAME, self->dpu.dev);
	ASSERT_EQ(0, talk(self->fd, &self->m, &self->ans));
	EXPECT_GT(0, self->ans.v.error);
}

TEST_F(opi, refuses_trailing_bytes)
{
	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
	msg_put(&self->m, OPI_A_DPU_SERIAL, &self->dpu.serial, 8);
	self->m.nlh.nlmsg_len += 2;
	EXPECT_REFUSED(EINVAL);
}

TEST_F(opi, refuses_a_cut_attribute)
{
	struct nlattr *a;

	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
	msg_put(&self->m, OPI_A_DPU_SERIAL, &self->dpu.serial, 8);
	a = (void *)(self->m.buf + NLMSG_LENGTH(GENL_HDRLEN));
	a->nla_len = 200;
	EXPECT_REFUSED(EINVAL);
	a->nla_len = 2;
	EXPECT_REFUSED(EINVAL);
}

TEST_F(opi, refuses_wrong_flags_of_attributes)
{
	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
	msg_put(&self->m, OPI_A_DPU_SERIAL | NLA_F_NESTED, &self->dpu.serial, 8);
	EXPECT_REFUSED(EINVAL);
}

TEST_F(opi, refuses_commands_that_are_none)
{
	static const uint8_t cmds[] = {
		0, OPI_NL_CMD_DPU_ADD_NTF, OPI_NL_CMD_DPU_DEL_NTF,
		OPI_NL_CMD_DPU_CHANGE_NTF, OPI_NL_CMD_FUNCTION_ADD_NTF,
		OPI_NL_CMD_FUNCTION_DEL_NTF, OPI_NL_CMD_FUNCTION_CHANGE_NTF,
		OPI_NL_CMD_MAX + 1, 255,
	};
	size_t i;

	for (i = 0; i < sizeof(cmds); i++) {
		msg_init(&self->m, self->family, NLM_F_ACK, cmds[i]);
		ASSERT_EQ(0, talk(self->fd, &self->m, &self->ans));
		EXPECT_EQ(-EOPNOTSUPP, self->ans.v.error) TH_LOG("command %u", cmds[i]);
	}
}

TEST_F(opi, refuses_attributes_of_a_dump_that_it_does_not_know)
{
	uint32_t one = 1;

	msg_init(&self->m, self->family, NLM_F_DUMP, OPI_NL_CMD_DPU_GET);
	msg_put_str(&self->m, OPI_A_DPU_BUS_NAME, self->dpu.bus);
	EXPECT_REFUSED(EINVAL);
	msg_init(&self->m, self->family, NLM_F_DUMP, OPI_NL_CMD_DPU_GET);
	msg_put(&self->m, OPI_A_DPU_ROLE, &one, 4);
	EXPECT_REFUSED(EINVAL);
}

TEST_F(opi, refuses_a_header_with_reserved_bits)
{
	struct genlmsghdr *g;

	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
	msg_put(&self->m, OPI_A_DPU_SERIAL, &self->dpu.serial, 8);
	g = NLMSG_DATA(&self->m.nlh);
	g->reserved = 1;
	ASSERT_EQ(0, talk(self->fd, &self->m, &self->ans));
	EXPECT_EQ(-EINVAL, self->ans.v.error);
}

/* The first function of the first DPU: its physical function, on either side. */
static void func_init(struct msg *m, uint16_t family, uint8_t cmd, const struct dpu *dpu,
		      uint32_t id)
{
	msg_init(m, family, NLM_F_ACK, cmd);
	msg_put_str(m, OPI_A_FUNCTION_BUS_NAME, dpu->bus);
	msg_put_str(m, OPI_A_FUNCTION_DEV_NAME, dpu->dev);
	msg_put(m, OPI_A_FUNCTION_FUNC_ID, &id, 4);
}

FIXTURE(func)
{
	int fd;
	uint16_t family;
	struct msg m;
	struct answer ans;
	struct dpu dpu;
	struct func func;
};

FIXTURE_SETUP(func)
{
	self->fd = nl_open();
	ASSERT_LE(0, self->fd);
	msg_init(&self->m, GENL_ID_CTRL, NLM_F_ACK, CTRL_CMD_GETFAMILY);
	msg_put_str(&self->m, CTRL_ATTR_FAMILY_NAME, OPI_FAMILY_NAME);
	ASSERT_EQ(0, talk(self->fd, &self->m, &self->ans));
	self->family = self->ans.family;
	msg_init(&self->m, self->family, NLM_F_DUMP, OPI_NL_CMD_DPU_GET);
	ASSERT_EQ(0, talk(self->fd, &self->m, &self->ans));
	ASSERT_LT(0, self->ans.n_dpus);
	self->dpu = self->ans.dpu[0];
	msg_init(&self->m, self->family, NLM_F_DUMP, OPI_NL_CMD_FUNCTION_GET);
	msg_put_str(&self->m, OPI_A_FUNCTION_BUS_NAME, self->dpu.bus);
	msg_put_str(&self->m, OPI_A_FUNCTION_DEV_NAME, self->dpu.dev);
	ASSERT_EQ(0, talk(self->fd, &self->m, &self->ans));
	ASSERT_EQ(0, self->ans.v.error) TH_LOG("%s", self->ans.v.text);
	ASSERT_LT(0, self->ans.n_funcs);
	self->func = self->ans.func[0];
}

FIXTURE_TEARDOWN(func)
{
	close(self->fd);
}

TEST_F(func, dump_is_complete_and_in_order)
{
	unsigned int i;

	for (i = 0; i < self->ans.n_funcs; i++) {
		EXPECT_TRUE(self->ans.func[i].complete);
		EXPECT_EQ(self->dpu.serial, self->ans.func[i].serial);
		if (i)
			EXPECT_LT(self->ans.func[i - 1].id, self->ans.func[i].id);
	}
	EXPECT_EQ(OPI_PORT_PF, self->func.type);
}

TEST_F(func, get_by_name_and_by_serial)
{
	func_init(&self->m, self->family, OPI_NL_CMD_FUNCTION_GET, &self->dpu, self->func.id);
	ASSERT_EQ(0, talk(self->fd, &self->m, &self->ans));
	EXPECT_EQ(0, self->ans.v.error);
	ASSERT_EQ(1, self->ans.n_funcs);
	EXPECT_EQ(self->func.id, self->ans.func[0].id);
	EXPECT_LE(self->func.seq, self->ans.func[0].seq);

	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_FUNCTION_GET);
	msg_put(&self->m, OPI_A_FUNCTION_SERIAL, &self->dpu.serial, 8);
	msg_put(&self->m, OPI_A_FUNCTION_FUNC_ID, &self->func.id, 4);
	ASSERT_EQ(0, talk(self->fd, &self->m, &self->ans));
	EXPECT_EQ(0, self->ans.v.error);
	ASSERT_EQ(1, self->ans.n_funcs);
	EXPECT_EQ(self->func.id, self->ans.func[0].id);
}

TEST_F(func, dump_of_another_card_is_empty)
{
	uint64_t other = ~self->dpu.serial;

	msg_init(&self->m, self->family, NLM_F_DUMP, OPI_NL_CMD_FUNCTION_GET);
	msg_put(&self->m, OPI_A_FUNCTION_SERIAL, &other, 8);
	ASSERT_EQ(0, talk(self->fd, &self->m, &self->ans));
	EXPECT_EQ(0, self->ans.v.error);
	EXPECT_EQ(0, self->ans.n_funcs);
}

TEST_F(func, refuses_what_names_no_function)
{
	uint8_t cmds[] = { OPI_NL_CMD_FUNCTION_GET, OPI_NL_CMD_FUNCTION_SET };
	uint64_t other = ~self->dpu.serial;
	uint32_t one = 1;
	size_t i;

	for (i = 0; i < sizeof(cmds); i++) {
		msg_init(&self->m, self->family, NLM_F_ACK, cmds[i]);
		EXPECT_REFUSED(EINVAL);
		msg_init(&self->m, self->family, NLM_F_ACK, cmds[i]);
		msg_put(&self->m, OPI_A_FUNCTION_SERIAL, &self->dpu.serial, 8);
		EXPECT_REFUSED(EINVAL);
		msg_init(&self->m, self->family, NLM_F_ACK, cmds[i]);
		msg_put(&self->m, OPI_A_FUNCTION_FUNC_ID, &one, 4);
		EXPECT_REFUSED(EINVAL);
		func_init(&self->m, self->family, cmds[i], &self->dpu, 0xfffffffe);
		if (cmds[i] == OPI_NL_CMD_FUNCTION_SET)
			msg_put(&self->m, OPI_A_FUNCTION_TRUST, &one, 4);
		EXPECT_REFUSED(ENOENT);
		msg_init(&self->m, self->family, NLM_F_ACK, cmds[i]);
		msg_put(&self->m, OPI_A_FUNCTION_SERIAL, &other, 8);
		msg_put(&self->m, OPI_A_FUNCTION_FUNC_ID, &one, 4);
		if (cmds[i] == OPI_NL_CMD_FUNCTION_SET)
			msg_put(&self->m, OPI_A_FUNCTION_TRUST, &one, 4);
		EXPECT_REFUSED(ENODEV);
	}
}

TEST_F(func, refuses_to_change_nothing)
{
	func_init(&self->m, self->family, OPI_NL_CMD_FUNCTION_SET, &self->dpu, self->func.id);
	EXPECT_REFUSED(EINVAL);
}

TEST_F(func, refuses_what_is_out_of_range)
{
	static const struct { uint16_t type; uint32_t val; } bad[] = {
		{ OPI_A_FUNCTION_TRUST, 2 },	{ OPI_A_FUNCTION_VLAN, 4095 },
		{ OPI_A_FUNCTION_MAX_QPS, 0 },	{ OPI_A_FUNCTION_MAX_QPS, 65536 },
		{ OPI_A_FUNCTION_MAX_VFS, 65536 },
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		func_init(&self->m, self->family, OPI_NL_CMD_FUNCTION_SET, &self->dpu,
			  self->func.id);
		msg_put(&self->m, bad[i].type, &bad[i].val, 4);
		EXPECT_REFUSED(ERANGE);
	}
}

TEST_F(func, refuses_attributes_that_only_answers_have)
{
	static const uint16_t types[] = {
		OPI_A_FUNCTION_TYPE, OPI_A_FUNCTION_OPSTATE, OPI_A_FUNCTION_NUM_VFS,
		OPI_A_FUNCTION_HOST_ADDRESS, OPI_A_FUNCTION_CHANGED,
		OPI_A_FUNCTION_MIG_STATE, OPI_A_FUNCTION_SOURCE_SERIAL,
		OPI_A_FUNCTION_SOURCE_FUNC_ID, OPI_A_FUNCTION_MAX + 1,
	};
	uint32_t one = 1;
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		func_init(&self->m, self->family, OPI_NL_CMD_FUNCTION_SET, &self->dpu,
			  self->func.id);
		msg_put(&self->m, types[i], &one, 4);
		EXPECT_REFUSED(EINVAL);
	}
}

/* On the DPU what is set is shown at once; the host sets nothing. */
TEST_F(func, only_the_dpu_changes_functions)
{
	uint32_t zero = 0;

	func_init(&self->m, self->family, OPI_NL_CMD_FUNCTION_SET, &self->dpu, self->func.id);
	msg_put(&self->m, OPI_A_FUNCTION_VLAN, &zero, 4);
	if (self->dpu.role != OPI_ROLE_DPU) {
		EXPECT_REFUSED(EPERM);
		return;
	}
	ASSERT_EQ(0, talk(self->fd, &self->m, &self->ans));
	EXPECT_EQ(0, self->ans.v.error) TH_LOG("%s", self->ans.v.text);
}

/* A request for another key, of @len bytes. */
#define KEY_INIT(key, len) do {							\
	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_SET);	\
	msg_put_str(&self->m, OPI_A_DPU_BUS_NAME, self->dpu.bus);		\
	msg_put_str(&self->m, OPI_A_DPU_DEV_NAME, self->dpu.dev);		\
	msg_put(&self->m, OPI_A_DPU_MIGRATION_KEY, key, len);			\
} while (0)

TEST_F(opi, refuses_what_is_no_key)
{
	static const size_t lens[] = { 0, 1, 31, 33, 64 };
	static const uint8_t key[64];
	uint64_t other = ~self->dpu.serial;
	uint32_t one = 1;
	size_t i;

	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		KEY_INIT(key, lens[i]);
		EXPECT_REFUSED(ERANGE);
	}
	/* Nothing to change; nothing that is changed; no name; another card. */
	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_SET);
	msg_put_str(&self->m, OPI_A_DPU_BUS_NAME, self->dpu.bus);
	msg_put_str(&self->m, OPI_A_DPU_DEV_NAME, self->dpu.dev);
	EXPECT_REFUSED(EINVAL);
	KEY_INIT(key, 32);
	msg_put(&self->m, OPI_A_DPU_MODE, &one, 4);
	EXPECT_REFUSED(EINVAL);
	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_SET);
	msg_put(&self->m, OPI_A_DPU_MIGRATION_KEY, key, 32);
	EXPECT_REFUSED(EINVAL);
	msg_put(&self->m, OPI_A_DPU_SERIAL, &other, 8);
	EXPECT_REFUSED(ENODEV);
}

/* The card's own: what it has anyway. */
TEST_F(opi, only_the_dpu_changes_the_key)
{
	static const uint8_t key[32];

	KEY_INIT(key, 32);
	if (self->dpu.role != OPI_ROLE_DPU) {
		EXPECT_REFUSED(EPERM);
		return;
	}
	ASSERT_EQ(0, talk(self->fd, &self->m, &self->ans));
	EXPECT_EQ(0, self->ans.v.error) TH_LOG("%s", self->ans.v.text);
	EXPECT_EQ(0, self->ans.n_dpus);
}

/* Each test is a child: the rights are taken away for good. */
static int nobodys_socket(void)
{
	if (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
	    setresuid(NOBODY, NOBODY, NOBODY))
		return -1;
	return nl_open();
}

TEST_F(opi, only_administrators_change_the_key)
{
	static const uint8_t key[32];
	int fd;

	fd = nobodys_socket();
	ASSERT_LE(0, fd);
	KEY_INIT(key, 32);
	ASSERT_EQ(0, talk(fd, &self->m, &self->ans));
	EXPECT_EQ(-EPERM, self->ans.v.error);
	close(fd);
}

TEST_F(func, everybody_may_read_and_administrators_change)
{
	uint32_t zero = 0;
	int fd;

	fd = nobodys_socket();
	ASSERT_LE(0, fd);
	func_init(&self->m, self->family, OPI_NL_CMD_FUNCTION_GET, &self->dpu, self->func.id);
	ASSERT_EQ(0, talk(fd, &self->m, &self->ans));
	EXPECT_EQ(0, self->ans.v.error);
	EXPECT_EQ(1, self->ans.n_funcs);
	func_init(&self->m, self->family, OPI_NL_CMD_FUNCTION_SET, &self->dpu, self->func.id);
	msg_put(&self->m, OPI_A_FUNCTION_VLAN, &zero, 4);
	ASSERT_EQ(0, talk(fd, &self->m, &self->ans));
	EXPECT_EQ(-EPERM, self->ans.v.error);
	close(fd);
}

TEST_F(func, other_network_namespaces_see_none)
{
	int fd;

	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	fd = nl_open();
	ASSERT_LE(0, fd);
	msg_init(&self->m, self->family, NLM_F_DUMP, OPI_NL_CMD_FUNCTION_GET);
	ASSERT_EQ(0, talk(fd, &self->m, &self->ans));
	EXPECT_EQ(0, self->ans.v.error);
	EXPECT_EQ(0, self->ans.n_funcs);
	close(fd);
}

TEST_F(opi, everybody_may_read_and_listen)
{
	int fd;

	fd = nobodys_socket();
	ASSERT_LE(0, fd);
	msg_init(&self->m, self->family, NLM_F_DUMP, OPI_NL_CMD_DPU_GET);
	ASSERT_EQ(0, talk(fd, &self->m, &self->ans));
	EXPECT_EQ(0, self->ans.v.error);
	EXPECT_EQ(self->n_dpus, self->ans.n_dpus);
	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
	msg_put(&self->m, OPI_A_DPU_SERIAL, &self->dpu.serial, 8);
	ASSERT_EQ(0, talk(fd, &self->m, &self->ans));
	EXPECT_EQ(0, self->ans.v.error);
	EXPECT_EQ(0, setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP,
				&self->group, sizeof(self->group)));
	close(fd);
}

TEST_F(opi, other_network_namespaces_see_nothing)
{
	int fd;

	ASSERT_EQ(0, unshare(CLONE_NEWNET));
	fd = nl_open();
	ASSERT_LE(0, fd);
	msg_init(&self->m, self->family, NLM_F_DUMP, OPI_NL_CMD_DPU_GET);
	ASSERT_EQ(0, talk(fd, &self->m, &self->ans));
	EXPECT_EQ(0, self->ans.v.error);
	EXPECT_EQ(0, self->ans.n_dpus);
	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
	msg_put(&self->m, OPI_A_DPU_SERIAL, &self->dpu.serial, 8);
	ASSERT_EQ(0, talk(fd, &self->m, &self->ans));
	EXPECT_EQ(-ENODEV, self->ans.v.error);
	close(fd);
}

/* Anything at all in the attributes: an answer each time, and no harm. */
TEST_F_TIMEOUT(opi, survives_random_messages, 600)
{
	const char *seed = getenv("OPI_SEED"), *scale = getenv("OPI_SCALE");
	unsigned int n = 2000 * (scale ? atoi(scale) : 1), i, j, refused = 0;

	srandom(seed ? atoi(seed) : 1);
	for (i = 0; i < n; i++) {
		unsigned int attrs = random() % 6;
		bool dump = random() % 4 == 0;
		uint8_t cmds[] = {
			OPI_NL_CMD_DPU_GET, OPI_NL_CMD_FUNCTION_GET,
			OPI_NL_CMD_FUNCTION_SET, random(),
		};

		msg_init(&self->m, self->family, dump ? NLM_F_DUMP : NLM_F_ACK,
			 cmds[random() % 8 ? random() % 3 : 3]);
		for (j = 0; j < attrs; j++) {
			char data[128];
			size_t len = random() % sizeof(data), k;

			for (k = 0; k < len; k++)
				data[k] = random() % 3 ? random() : 0;
			msg_put(&self->m, random() % 10 ? random() % (OPI_A_FUNCTION_MAX + 3) : random(),
				data, len);
		}
		if (random() % 5 == 0)
			self->m.nlh.nlmsg_len -= random() % (self->m.nlh.nlmsg_len - NLMSG_LENGTH(GENL_HDRLEN) + 1);
		ASSERT_EQ(0, talk(self->fd, &self->m, &self->ans)) TH_LOG("message %u", i);
		ASSERT_TRUE(self->ans.v.error == 0 || self->ans.v.error == -EINVAL ||
			    self->ans.v.error == -ERANGE || self->ans.v.error == -ENODEV ||
			    self->ans.v.error == -EOPNOTSUPP)
			TH_LOG("message %u: %d", i, self->ans.v.error);
		if (self->ans.v.error)
			refused++;
	}
	EXPECT_LT(n / 2, refused);
	msg_init(&self->m, self->family, NLM_F_ACK, OPI_NL_CMD_DPU_GET);
	msg_put(&self->m, OPI_A_DPU_SERIAL, &self->dpu.serial, 8);
	EXPECT_ONE_DPU();
}

TEST_HARNESS_MAIN
