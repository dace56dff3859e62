// SPDX-License-Identifier: GPL-2.0
/*
 * A kernel of paper for opitool: what tools/opitool/sock.c offers, answered from
 * a scenario, the file that the environment variable OPITOOL_SCENARIO names.
 *
 * Words of a scenario, a line each; FIELD is key=value from the tables below:
 *
 *	opi, devlink			these families are there
 *	nogenl				not even generic netlink is
 *	dpu BUS/DEV FIELD...		answers of family opi
 *	function BUS/DEV FIELD...	likewise
 *	dev BUS/DEV FIELD...		devices of devlink
 *	port BUS/DEV/INDEX FIELD...	their ports
 *	nested BUS/DEV BUS/DEV		the first device belongs to the second
 *	link IFINDEX NAME FIELD...	netdevs; "slave=KIND" says what the master is,
 *					"family=bridge" that a bridge tells it
 *	vlan IFINDEX VID FLAGS		VLANs of a port of a bridge
 *	fdb IFINDEX ADDRESS VLAN STATE	its forwarding database
 *	qdisc IFINDEX KIND BLOCK	clsact or ingress, and a shared block or 0
 *	filter IFINDEX PARENT PRIO HANDLE KIND HEX
 *					a tc filter with these options
 *	rate BUS/DEV/INDEX FIELD...	rates of devlink
 *	new BUS/DEV/INDEX FIELD...	the port that devlink answers with when it
 *					makes one
 *	bad dpu|function|port|new HEX	a message whose attributes are these bytes
 *	interrupted N			so many dumps are inconsistent
 *	refuse CMD ERRNO WORDS		family opi says no
 *	refuse-devlink CMD ERRNO WORDS	devlink does
 *	refuse-route WHAT ERRNO WORDS	rtnetlink does, WHAT as below
 *
 * Requests that change something are written to the file that the environment
 * variable OPITOOL_REQUESTS names, a line each: "opi set|card" or "devlink new|set|del|rate"
 * and FIELDs in the order of the tables, "route link|port|vlan+|vlan-|fdb|qdisc+|
 * qdisc-|filter+" and what is wanted.  They change nothing here.
 *
 * Events, in order, with "> " before them: add, change, del (as dpu), fadd,
 * fchange, fdel (as function), pnew, pdel (as port), link, dellink, bad, lost, family opi|devlink +|-, and "look":
 * opitool has read all until here; "+ LINE" and "- LINE" add and take away what
 * is there.  When nothing is left opitool gets a SIGTERM.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/devlink.h>
#include <linux/genetlink.h>
#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/neighbour.h>
#include <linux/opi.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sock.h"
#include "sysfs.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define MAX_LINES	4096
#define ID_OPI		33
#define ID_DEVLINK	21

struct conn {
	int protocol;
	char why[128];
};

struct watch {
	int protocol;
	int fd[2];
};

enum type { U8, U16, U32, U64, STR, MAC, BITS, BYTES };

struct field {
	const char *key;
	int attr;
	enum type type;
	int nest;
};

static const struct field dpu_fields[] = {
	{ "serial",	OPI_A_DPU_SERIAL,	U64, 0 },
	{ "role",	OPI_A_DPU_ROLE,		U32, 0 },
	{ "mode",	OPI_A_DPU_MODE,		U32, 0 },
	{ "func",	OPI_A_DPU_FUNC_ID,	U32, 0 },
	{ "major",	OPI_A_DPU_IFACE_MAJOR,	U32, 0 },
	{ "minor",	OPI_A_DPU_IFACE_MINOR,	U32, 0 },
	{ "gen",	OPI_A_DPU_GENERATION,	U32, 0 },
	{ "peer",	OPI_A_DPU_PEER_STATE,	U32, 0 },
	{ "state",	OPI_A_DPU_DEV_STATE,	U32, 0 },
	{ "health",	OPI_A_DPU_HEALTH,	U32, 0 },
	{ "lost",	OPI_A_DPU_EVENTS_LOST,	U64, 0 },
	{ "seq",	OPI_A_DPU_SEQ,		U64, 0 },
	{ "changed",	OPI_A_DPU_CHANGED,	U32, 0 },
	{ "key",	OPI_A_DPU_MIGRATION_KEY, BYTES, 0 },
	{ "os",		OPI_A_BOOT_OS_STATUS,	U32, OPI_A_DPU_BOOT },
	{ "pldm",	OPI_A_BOOT_PLDM_STATE,	U32, OPI_A_DPU_BOOT },
	{ "dump",	OPI_A_BOOT_CRASHDUMP_STATUS, U32, OPI_A_DPU_BOOT },
	{ "maxtime",	OPI_A_BOOT_MAX_BOOT_TIME, U32, OPI_A_DPU_BOOT },
	{ "bootgen",	OPI_A_BOOT_GENERATION,	U32, OPI_A_DPU_BOOT },
	{ "reset",	OPI_A_BOOT_RESET_SUPPORTED, U32, OPI_A_DPU_BOOT },
	{ "bootsup",	OPI_A_BOOT_BOOT_SUPPORTED, U32, OPI_A_DPU_BOOT },
	{ "bootsel",	OPI_A_BOOT_BOOT_SELECT,	U32, OPI_A_DPU_BOOT },
};

static const struct field function_fields[] = {
	{ "serial",	OPI_A_FUNCTION_SERIAL,	U64, 0 },
	{ "id",		OPI_A_FUNCTION_FUNC_ID,	U32, 0 },
	{ "type",	OPI_A_FUNCTION_TYPE,	U32, 0 },
	{ "class",	OPI_A_FUNCTION_CLASS,	U32, 0 },
	{ "controller",	OPI_A_FUNCTION_CONTROLLER, U32, 0 },
	{ "pf",		OPI_A_FUNCTION_PF,	U32, 0 },
	{ "vf",		OPI_A_FUNCTION_VF,	U32, 0 },
	{ "sf",		OPI_A_FUNCTION_SF,	U32, 0 },
	{ "port",	OPI_A_FUNCTION_PORT_INDEX, U32, 0 },
	{ "host",	OPI_A_FUNCTION_HOST_ADDRESS, U32, 0 },
	{ "opstate",	OPI_A_FUNCTION_OPSTATE,	U32, 0 },
	{ "trust",	OPI_A_FUNCTION_TRUST,	U32, 0 },
	{ "vlan",	OPI_A_FUNCTION_VLAN,	U32, 0 },
	{ "maxqps",	OPI_A_FUNCTION_MAX_QPS,	U32, 0 },
	{ "maxvfs",	OPI_A_FUNCTION_MAX_VFS,	U32, 0 },
	{ "numvfs",	OPI_A_FUNCTION_NUM_VFS,	U32, 0 },
	{ "seq",	OPI_A_FUNCTION_SEQ,	U64, 0 },
	{ "changed",	OPI_A_FUNCTION_CHANGED,	U32, 0 },
	{ "mig",	OPI_A_FUNCTION_MIG_STATE, U32, 0 },
	{ "srcserial",	OPI_A_FUNCTION_SOURCE_SERIAL, U64, 0 },
	{ "src",	OPI_A_FUNCTION_SOURCE_FUNC_ID, U32, 0 },
};

static const struct field dev_fields[] = {
	{ "driver",	DEVLINK_ATTR_INFO_DRIVER_NAME, STR, 0 },
	{ "serial",	DEVLINK_ATTR_INFO_SERIAL_NUMBER, STR, 0 },
	{ "eswitch",	DEVLINK_ATTR_ESWITCH_MODE, U16, 0 },
};

static const struct field port_fields[] = {
	{ "flavour",	DEVLINK_ATTR_PORT_FLAVOUR, U16, 0 },
	{ "type",	DEVLINK_ATTR_PORT_TYPE, U16, 0 },
	{ "number",	DEVLINK_ATTR_PORT_NUMBER, U32, 0 },
	{ "controller",	DEVLINK_ATTR_PORT_CONTROLLER_NUMBER, U32, 0 },
	{ "pf",		DEVLINK_ATTR_PORT_PCI_PF_NUMBER, U16, 0 },
	{ "vf",		DEVLINK_ATTR_PORT_PCI_VF_NUMBER, U16, 0 },
	{ "sf",		DEVLINK_ATTR_PORT_PCI_SF_NUMBER, U32, 0 },
	{ "external",	DEVLINK_ATTR_PORT_EXTERNAL, U8, 0 },
	{ "ifindex",	DEVLINK_ATTR_PORT_NETDEV_IFINDEX, U32, 0 },
	{ "netdev",	DEVLINK_ATTR_PORT_NETDEV_NAME, STR, 0 },
	{ "hw",		DEVLINK_PORT_FUNCTION_ATTR_HW_ADDR, MAC,
			DEVLINK_ATTR_PORT_FUNCTION },
	{ "fnstate",	DEVLINK_PORT_FN_ATTR_STATE, U8,
			DEVLINK_ATTR_PORT_FUNCTION },
	{ "fnop",	DEVLINK_PORT_FN_ATTR_OPSTATE, U8,
			DEVLINK_ATTR_PORT_FUNCTION },
	{ "caps",	DEVLINK_PORT_FN_ATTR_CAPS, BITS,
			DEVLINK_ATTR_PORT_FUNCTION },
	{ "ioeqs",	DEVLINK_PORT_FN_ATTR_MAX_IO_EQS, U32,
			DEVLINK_ATTR_PORT_FUNCTION },
};

static const struct field rate_fields[] = {
	{ "share",	DEVLINK_ATTR_RATE_TX_SHARE, U64, 0 },
	{ "max",	DEVLINK_ATTR_RATE_TX_MAX, U64, 0 },
	{ "prio",	DEVLINK_ATTR_RATE_TX_PRIORITY, U32, 0 },
	{ "weight",	DEVLINK_ATTR_RATE_TX_WEIGHT, U32, 0 },
	{ "parent",	DEVLINK_ATTR_RATE_PARENT_NODE_NAME, STR, 0 },
};

static const struct field brport_fields[] = {
	{ "cost",	IFLA_BRPORT_COST,	U32, 0 },
	{ "learning",	IFLA_BRPORT_LEARNING,	U8, 0 },
	{ "isolated",	IFLA_BRPORT_ISOLATED,	U8, 0 },
};

static const struct field link_fields[] = {
	{ "master",	IFLA_MASTER,		U32, 0 },
	{ "mtu",	IFLA_MTU,		U32, 0 },
	{ "carrier",	IFLA_CARRIER,		U8, 0 },
	{ "oper",	IFLA_OPERSTATE,		U8, 0 },
	{ "mac",	IFLA_ADDRESS,		MAC, 0 },
	{ "switch",	IFLA_PHYS_SWITCH_ID,	MAC, 0 },
};

/* What is there, and the events to come; both as lines. */
static char *there[MAX_LINES];
static char *coming[MAX_LINES];
static int n_there, n_coming, next_event;
static bool loaded, route_watched;

static _Noreturn void broken(const char *what)
{
	fprintf(stderr, "fake kernel: cannot understand: %s\n", what);
	abort();
}

static void load(void)
{
	const char *name = getenv("OPITOOL_SCENARIO");
	char line[4096];
	FILE *f;

	if (loaded)
		return;
	loaded = true;
	f = name ? fopen(name, "r") : NULL;
	if (!f)
		broken("no scenario");
	while (fgets(line, sizeof(line), f)) {
		char *p = line + strspn(line, " \t");

		p[strcspn(p, "\n")] = '\0';
		if (!*p || *p == '#')
			continue;
		if (n_there == MAX_LINES || n_coming == MAX_LINES)
			broken("too long");
		if (!strncmp(p, "> ", 2))
			coming[n_coming++] = strdup(p + 2);
		else if (!strncmp(p, "+ ", 2) || !strncmp(p, "- ", 2))
			coming[n_coming++] = strdup(p);
		else
			there[n_there++] = strdup(p);
	}
	fclose(f);
}

static const char *is_word(const char *line, const char *word)
{
	size_t n = strlen(word);

	if (strncmp(line, word, n) || (line[n] && line[n] != ' '))
		return NULL;
	return line + n + strspn(line + n, " ");
}

static bool is_there(const char *word)
{
	int i;

	load();
	for (i = 0; i < n_there; i++)
		if (is_word(there[i], word))
			return true;
	return false;
}

/* ---- messages ---------------------------------------------------------- */

static size_t get_bytes(const char *hex, unsigned char *buf, size_t size)
{
	size_t n = 0;
	unsigned int byte;

	while (*hex && n < size) {
		if (sscanf(hex, "%2x", &byte) != 1)
			broken(hex);
		buf[n++] = byte;
		hex += 2;
		hex += *hex == ':';
	}
	return n;
}

static void put_field(struct nl_msg *msg, const struct field *f,
		      const char *value)
{
	struct nla_bitfield32 bits;
	unsigned char bytes[64];
	uint64_t n = strtoull(value, NULL,
			      strstr(f->key, "serial") ? 16 : 0);

	switch (f->type) {
	case U8:
		nla_put_u8(msg, f->attr, n);
		break;
	case U16:
		nla_put_u16(msg, f->attr, n);
		break;
	case U32:
		nla_put_u32(msg, f->attr, n);
		break;
	case U64:
		nla_put_u64(msg, f->attr, n);
		break;
	case STR:
		nla_put_string(msg, f->attr, value);
		break;
	case BITS:
		bits.value = n;
		bits.selector = strchr(value, '/') ?
			strtoul(strchr(value, '/') + 1, NULL, 0) : 0;
		nla_put(msg, f->attr, sizeof(bits), &bits);
		break;
	case MAC:
	case BYTES:
		nla_put(msg, f->attr, get_bytes(value, bytes, sizeof(bytes)),
			bytes);
		break;
	}
}

/* All fields of a line that are in the table; those of nests at the end. */
static void put_fields(struct nl_msg *msg, const char *line,
		       const struct field *fields, size_t n)
{
	struct nlattr *nest = NULL;
	char *copy, *word, *save;
	bool nested;
	size_t i;

	for (nested = false;; nested = true) {
		copy = strdup(line);
		for (word = strtok_r(copy, " ", &save); word;
		     word = strtok_r(NULL, " ", &save)) {
			char *value = strchr(word, '=');

			if (!value)
				continue;
			*value++ = '\0';
			for (i = 0; i < n; i++)
				if (!strcmp(fields[i].key, word))
					break;
			if (i == n || nested != !!fields[i].nest)
				continue;
			if (nested && !nest)
				nest = nla_nest_start(msg, fields[i].nest);
			put_field(msg, &fields[i], value);
		}
		free(copy);
		if (nested)
			break;
	}
	if (nest)
		nla_nest_end(msg, nest);
}

static struct nl_msg *genl(int type, int cmd)
{
	struct nl_msg *msg = nlmsg_alloc();

	genlmsg_put(msg, 0, 0, type, 0, 0, cmd, 1);
	return msg;
}

/* BUS/DEV or BUS/DEV/INDEX at the start of a line. */
static void put_handle(struct nl_msg *msg, const char *line, int bus_attr,
		       int dev_attr, int index_attr)
{
	char bus[64], dev[256];
	unsigned int index;

	if (sscanf(line, "%63[^/]/%255[^/ ]/%u", bus, dev, &index) <
	    (index_attr ? 3 : 2))
		broken(line);
	nla_put_string(msg, bus_attr, bus);
	nla_put_string(msg, dev_attr, dev);
	if (index_attr)
		nla_put_u32(msg, index_attr, index);
}

static struct nl_msg *dpu_msg(const char *line, int cmd)
{
	struct nl_msg *msg = genl(ID_OPI, cmd);

	put_handle(msg, line, OPI_A_DPU_BUS_NAME, OPI_A_DPU_DEV_NAME, 0);
	put_fields(msg, line, dpu_fields, ARRAY_SIZE(dpu_fields));
	return msg;
}

static struct nl_msg *function_msg(const char *line, int cmd)
{
	struct nl_msg *msg = genl(ID_OPI, cmd);

	put_handle(msg, line, OPI_A_FUNCTION_BUS_NAME, OPI_A_FUNCTION_DEV_NAME,
		   0);
	put_fields(msg, line, function_fields, ARRAY_SIZE(function_fields));
	return msg;
}

static struct nl_msg *port_msg(const char *line, int cmd)
{
	struct nl_msg *msg = genl(ID_DEVLINK, cmd);

	put_handle(msg, line, DEVLINK_ATTR_BUS_NAME, DEVLINK_ATTR_DEV_NAME,
		   DEVLINK_ATTR_PORT_INDEX);
	put_fields(msg, line, port_fields, ARRAY_SIZE(port_fields));
	return msg;
}

static struct nl_msg *link_msg(const char *line, int type)
{
	struct nl_msg *msg = nlmsg_alloc_simple(type, 0);
	struct ifinfomsg ifi = { 0 };
	char name[64];

	if (sscanf(line, "%d %63s", &ifi.ifi_index, name) != 2)
		broken(line);
	ifi.ifi_flags = strstr(line, " up") ? IFF_UP : 0;
	if (strstr(line, " family=bridge"))
		ifi.ifi_family = AF_BRIDGE;
	nlmsg_append(msg, &ifi, sizeof(ifi), NLMSG_ALIGNTO);
	nla_put_string(msg, IFLA_IFNAME, name);
	put_fields(msg, line, link_fields, ARRAY_SIZE(link_fields));
	if (strstr(line, " slave=") &&
	    sscanf(strstr(line, " slave="), " slave=%63s", name) == 1) {
		struct nlattr *info = nla_nest_start(msg, IFLA_LINKINFO), *data;

		nla_put_string(msg, IFLA_INFO_SLAVE_KIND, name);
		data = nla_nest_start(msg, IFLA_INFO_SLAVE_DATA);
		/* Told, but not to be set. */
		nla_put_u8(msg, IFLA_BRPORT_STATE, 3);
		put_fields(msg, line, brport_fields, ARRAY_SIZE(brport_fields));
		nla_nest_end(msg, data);
		nla_nest_end(msg, info);
	}
	return msg;
}

static struct nl_msg *bad_msg(const char *line, int cmd)
{
	static const struct {
		const char *word;
		int family, event;
	} kinds[] = {
		{ "dpu",	ID_OPI,		OPI_NL_CMD_DPU_CHANGE_NTF },
		{ "function",	ID_OPI,		OPI_NL_CMD_FUNCTION_CHANGE_NTF },
		{ "port",	ID_DEVLINK,	DEVLINK_CMD_PORT_NEW },
		{ "new",	ID_DEVLINK,	DEVLINK_CMD_PORT_NEW },
		{ "rate",	ID_DEVLINK,	DEVLINK_CMD_RATE_NEW },
	};
	unsigned char bytes[512];
	struct nl_msg *msg;
	const char *hex;
	size_t i, n;

	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		hex = is_word(line, kinds[i].word);
		if (!hex)
			continue;
		msg = genl(kinds[i].family, cmd >= 0 ? cmd : kinds[i].event);
		n = get_bytes(hex, bytes, sizeof(bytes));
		nlmsg_append(msg, bytes, n, 0);
		return msg;
	}
	broken(line);
}

static int deliver(struct nl_msg *msg, msg_fn fn, void *arg)
{
	int ret = fn(nlmsg_hdr(msg), arg);

	nlmsg_free(msg);
	return ret;
}

/* ---- sysfs ------------------------------------------------------------- */

void sysfs_driver(const struct handle *handle, char *buf, size_t size)
{
	(void)handle;
	(void)size;
	*buf = '\0';
}

bool sysfs_pci_parent(const struct handle *handle, struct handle *parent)
{
	const char *line;
	char want[512];
	int i;

	load();
	snprintf(want, sizeof(want), "%s/%s", handle->bus, handle->dev);
	for (i = 0; i < n_there; i++) {
		line = is_word(there[i], "nested");
		line = line ? is_word(line, want) : NULL;
		if (!line)
			continue;
		if (sscanf(line, "%31[^/]/%95[^/ ]", parent->bus,
			   parent->dev) != 2)
			broken(line);
		return true;
	}
	return false;
}

/* ---- requests ---------------------------------------------------------- */

int conn_open(struct conn **conn, int protocol)
{
	if (is_there("nogenl") && protocol == NETLINK_GENERIC)
		return -EPROTONOSUPPORT;
	*conn = calloc(1, sizeof(**conn));
	(*conn)->protocol = protocol;
	return 0;
}

void conn_close(struct conn *conn)
{
	free(conn);
}

int conn_family(struct conn *conn, const char *family)
{
	(void)conn;
	if (!is_there(family))
		return -ENOENT;
	return !strcmp(family, "opi") ? ID_OPI : ID_DEVLINK;
}

int conn_group(struct conn *conn, const char *family, const char *group)
{
	(void)conn;
	(void)group;
	if (!strcmp(family, "nlctrl"))
		return 16;
	return conn_family(conn, family);
}

const char *conn_why(const struct conn *conn)
{
	return conn->why;
}

static bool same_handle(const char *line, struct nlattr *bus,
			struct nlattr *dev)
{
	char want[512];

	if (!bus)
		return true;
	snprintf(want, sizeof(want), "%s/%s", nla_get_string(bus),
		 nla_get_string(dev));
	return is_word(line, want);
}

static int refused(struct conn *conn, const char *word, int cmd)
{
	int i, want, err, n;

	for (i = 0; i < n_there; i++) {
		const char *line = is_word(there[i], word);

		if (!line || sscanf(line, "%d %d %n", &want, &err, &n) != 2 ||
		    want != cmd)
			continue;
		snprintf(conn->why, sizeof(conn->why), "%s", line + n);
		return -err;
	}
	return 0;
}

/* Each "interrupted" dump uses up one of the number. */
static bool interrupted(void)
{
	int i, n;

	for (i = 0; i < n_there; i++) {
		const char *line = is_word(there[i], "interrupted");

		n = line ? atoi(line) : 0;
		if (n > 0) {
			snprintf(there[i], strlen(there[i]) + 1,
				 "interrupted %d", n - 1);
			return true;
		}
	}
	return false;
}

static int devlink_one(struct conn *conn, int cmd, const char *line,
		       msg_fn fn, void *arg)
{
	struct nl_msg *msg;

	(void)conn;
	if (cmd == DEVLINK_CMD_ESWITCH_GET && !strstr(line, "eswitch="))
		return -EOPNOTSUPP;
	if (cmd == DEVLINK_CMD_ESWITCH_GET && strstr(line, "eswitch=secret"))
		return -EPERM;
	msg = genl(ID_DEVLINK, cmd);
	put_handle(msg, line, DEVLINK_ATTR_BUS_NAME, DEVLINK_ATTR_DEV_NAME, 0);
	if (cmd != DEVLINK_CMD_GET)
		put_fields(msg, line, dev_fields, ARRAY_SIZE(dev_fields));
	return deliver(msg, fn, arg);
}

/* All answers of a kind that are there, and the bad ones among them. */
static int answer_all(const char *word,
		      struct nl_msg *(*make)(const char *line, int cmd),
		      int cmd, msg_fn fn, void *arg)
{
	const char *line;
	int i, err = 0;

	for (i = 0; i < n_there && !err; i++) {
		line = is_word(there[i], word);
		if (line)
			err = deliver(make(line, cmd), fn, arg);
		line = is_word(there[i], "bad");
		if (line && is_word(line, word))
			err = deliver(bad_msg(line, cmd), fn, arg);
	}
	return err;
}

static int answer_devlink(struct conn *conn, int cmd, struct nlattr **tb,
			  bool dump, msg_fn fn, void *arg)
{
	bool found = false;
	int i, err = 0;

	for (i = 0; i < n_there && !err; i++) {
		const char *line = is_word(there[i], "dev");

		if (!line || !same_handle(line, dump ? NULL :
					  tb[DEVLINK_ATTR_BUS_NAME],
					  tb[DEVLINK_ATTR_DEV_NAME]))
			continue;
		err = devlink_one(conn, cmd, line, fn, arg);
		found = true;
	}
	return err || dump || found ? err : -ENODEV;
}

static struct nl_msg *rate_msg(const char *line, int cmd)
{
	struct nl_msg *msg = genl(ID_DEVLINK, cmd);

	put_handle(msg, line, DEVLINK_ATTR_BUS_NAME, DEVLINK_ATTR_DEV_NAME,
		   DEVLINK_ATTR_PORT_INDEX);
	put_fields(msg, line, rate_fields, ARRAY_SIZE(rate_fields));
	return msg;
}

static int answer_rate(struct nlattr **tb, msg_fn fn, void *arg)
{
	char want[512];
	int i;

	snprintf(want, sizeof(want), "%s/%s/%u",
		 nla_get_string(tb[DEVLINK_ATTR_BUS_NAME]),
		 nla_get_string(tb[DEVLINK_ATTR_DEV_NAME]),
		 nla_get_u32(tb[DEVLINK_ATTR_PORT_INDEX]));
	for (i = 0; i < n_there; i++) {
		const char *line = is_word(there[i], "bad");

		if (line && is_word(line, "rate"))
			return deliver(bad_msg(line, DEVLINK_CMD_RATE_NEW), fn,
				       arg);
		line = is_word(there[i], "rate");
		if (line && is_word(line, want))
			return deliver(rate_msg(line, DEVLINK_CMD_RATE_NEW),
				       fn, arg);
	}
	return -ENODEV;
}

/* What a request asks for, in the words of a scenario. */
static void print_fields(FILE *f, struct nlattr **tb, int nest,
			 const struct field *fields, size_t n)
{
	const unsigned char *p;
	int i, len;

	for (; n--; fields++) {
		struct nlattr *attr = tb[fields->attr];
		uint64_t value = 0;

		if (fields->nest != nest || !attr)
			continue;
		p = nla_data(attr);
		len = nla_len(attr);
		fprintf(f, " %s=", fields->key);
		switch (fields->type) {
		case MAC:
			for (i = 0; i < len; i++)
				fprintf(f, "%s%02x", i ? ":" : "", p[i]);
			break;
		case STR:
			fprintf(f, "%s", nla_get_string(attr));
			break;
		case BYTES:
			for (i = 0; i < len; i++)
				fprintf(f, "%02x", p[i]);
			break;
		case BITS:
			fprintf(f, "%#x/%#x",
				((struct nla_bitfield32 *)p)->value,
				((struct nla_bitfield32 *)p)->selector);
			break;
		default:
			if (len > 8)
				broken("a number in a request");
			memcpy(&value, p, len);
			fprintf(f, "%llu", (unsigned long long)value);
		}
	}
}

static void write_request(const char *what, struct nlattr **tb, int bus,
			  int dev, int index, const struct field *fields,
			  size_t n)
{
	struct nlattr *nested[64];
	const char *name = getenv("OPITOOL_REQUESTS");
	FILE *f = name ? fopen(name, "a") : NULL;
	size_t i;

	if (!f)
		broken("a request, without a place to write it to");
	fprintf(f, "%s %s/%s", what, nla_get_string(tb[bus]),
		nla_get_string(tb[dev]));
	if (index && tb[index])
		fprintf(f, "/%u", nla_get_u32(tb[index]));
	print_fields(f, tb, 0, fields, n);
	for (i = 0; i < n; i++) {
		if (!fields[i].nest || !tb[fields[i].nest])
			continue;
		if (nla_parse_nested(nested, ARRAY_SIZE(nested) - 1,
				     tb[fields[i].nest], NULL))
			broken("a nest in a request");
		print_fields(f, nested, fields[i].nest, fields, n);
		break;
	}
	fprintf(f, "\n");
	fclose(f);
}

/* A request that changes something, in either family. */
static int take_change(struct conn *conn, int family, int cmd,
		       struct nlattr **tb, msg_fn fn, void *arg)
{
	const char *what = cmd == DEVLINK_CMD_PORT_NEW ? "devlink new" :
			   cmd == DEVLINK_CMD_PORT_SET ? "devlink set" :
			   "devlink del";
	int err;

	if (family == ID_OPI) {
		write_request("opi set", tb, OPI_A_FUNCTION_BUS_NAME,
			      OPI_A_FUNCTION_DEV_NAME, 0, function_fields,
			      ARRAY_SIZE(function_fields));
		return refused(conn, "refuse", cmd);
	}
	write_request(what, tb, DEVLINK_ATTR_BUS_NAME, DEVLINK_ATTR_DEV_NAME,
		      DEVLINK_ATTR_PORT_INDEX, port_fields,
		      ARRAY_SIZE(port_fields));
	err = refused(conn, "refuse-devlink", cmd);
	return err || cmd != DEVLINK_CMD_PORT_NEW ? err :
	       answer_all("new", port_msg, cmd, fn, arg);
}

/* ---- rtnetlink ---------------------------------------------------------- */

static struct nl_msg *vlan_msg(const char *line)
{
	struct ifinfomsg ifi = { .ifi_family = AF_BRIDGE };
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWLINK, 0);
	struct bridge_vlan_info v = { 0 };
	unsigned int vid, flags;
	struct nlattr *spec;

	if (sscanf(line, "%d %u %i", &ifi.ifi_index, &vid, &flags) != 3)
		broken(line);
	v.vid = vid;
	v.flags = flags;
	nlmsg_append(msg, &ifi, sizeof(ifi), NLMSG_ALIGNTO);
	spec = nla_nest_start(msg, IFLA_AF_SPEC);
	nla_put(msg, IFLA_BRIDGE_VLAN_INFO, sizeof(v), &v);
	nla_nest_end(msg, spec);
	return msg;
}

static struct nl_msg *fdb_msg(const char *line)
{
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWNEIGH, 0);
	struct ndmsg ndm = { .ndm_family = AF_BRIDGE };
	unsigned int vlan, state;
	unsigned char addr[6];
	char mac[32];

	if (sscanf(line, "%d %31s %u %i", &ndm.ndm_ifindex, mac, &vlan,
		   &state) != 4)
		broken(line);
	ndm.ndm_state = state;
	nlmsg_append(msg, &ndm, sizeof(ndm), NLMSG_ALIGNTO);
	get_bytes(mac, addr, sizeof(addr));
	nla_put(msg, NDA_LLADDR, sizeof(addr), addr);
	nla_put_u32(msg, NDA_MASTER, 3);
	if (vlan)
		nla_put_u16(msg, NDA_VLAN, vlan);
	return msg;
}

static struct nl_msg *qdisc_msg(const char *line)
{
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWQDISC, 0);
	struct tcmsg tcm = { .tcm_parent = TC_H_INGRESS,
			     .tcm_handle = 0xffff0000 };
	unsigned int block;
	char kind[32];

	if (sscanf(line, "%d %31s %u", &tcm.tcm_ifindex, kind, &block) != 3)
		broken(line);
	nlmsg_append(msg, &tcm, sizeof(tcm), NLMSG_ALIGNTO);
	nla_put_string(msg, TCA_KIND, kind);
	if (block)
		nla_put_u32(msg, TCA_INGRESS_BLOCK, block);
	return msg;
}

static struct nl_msg *filter_msg(const char *line)
{
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_NEWTFILTER, 0);
	struct tcmsg tcm = { 0 };
	unsigned char bytes[1024];
	unsigned int prio;
	char kind[32];
	int at;

	if (sscanf(line, "%d %i %u %i %31s %n", &tcm.tcm_ifindex,
		   &tcm.tcm_parent, &prio, &tcm.tcm_handle, kind, &at) != 5)
		broken(line);
	tcm.tcm_info = prio << 16 | htons(0x0800);
	nlmsg_append(msg, &tcm, sizeof(tcm), NLMSG_ALIGNTO);
	nla_put_string(msg, TCA_KIND, kind);
	nla_put(msg, TCA_OPTIONS, get_bytes(line + at, bytes, sizeof(bytes)),
		bytes);
	return msg;
}

/* Parts of dumps: lines with a word, of this device if it is not 0. */
static int answer_lines(const char *word, struct nl_msg *(*make)(const char *),
			int ifindex, msg_fn fn, void *arg)
{
	bool found = false;
	int i, err = 0;

	for (i = 0; i < n_there && !err; i++) {
		const char *line = is_word(there[i], word);

		if (!line || (ifindex && atoi(line) != ifindex))
			continue;
		found = true;
		err = deliver(make(line), fn, arg);
	}
	return err || found || !ifindex ? err : -ENODEV;
}

static struct nl_msg *new_link(const char *line)
{
	return link_msg(line, RTM_NEWLINK);
}

static void hex(FILE *f, const void *data, int len)
{
	const unsigned char *p = data;

	while (len-- > 0)
		fprintf(f, "%02x", *p++);
}

static void write_link(FILE *f, struct nlmsghdr *nlh)
{
	struct nlattr *tb[IFLA_MAX + 1], *in[IFLA_INFO_MAX + 1];
	struct nlattr *val[IFLA_BRPORT_MAX + 1];
	struct ifinfomsg *ifi = nlmsg_data(nlh);

	nlmsg_parse(nlh, sizeof(*ifi), tb, IFLA_MAX, NULL);
	fprintf(f, "%s %d", tb[IFLA_LINKINFO] ? "port" : "link", ifi->ifi_index);
	if (ifi->ifi_change & IFF_UP)
		fprintf(f, " up=%d", !!(ifi->ifi_flags & IFF_UP));
	print_fields(f, tb, 0, link_fields, ARRAY_SIZE(link_fields));
	if (tb[IFLA_LINKINFO]) {
		nla_parse_nested(in, IFLA_INFO_MAX, tb[IFLA_LINKINFO], NULL);
		nla_parse_nested(val, IFLA_BRPORT_MAX, in[IFLA_INFO_SLAVE_DATA],
				 NULL);
		if (val[IFLA_BRPORT_STATE])
			broken("the state of a port is not to be set");
		print_fields(f, val, 0, brport_fields,
			     ARRAY_SIZE(brport_fields));
	}
}

static void write_vlan(FILE *f, struct nlmsghdr *nlh)
{
	struct nlattr *tb[IFLA_MAX + 1], *in[IFLA_BRIDGE_MAX + 1];
	struct ifinfomsg *ifi = nlmsg_data(nlh);
	struct bridge_vlan_info *v;

	nlmsg_parse(nlh, sizeof(*ifi), tb, IFLA_MAX, NULL);
	nla_parse_nested(in, IFLA_BRIDGE_MAX, tb[IFLA_AF_SPEC], NULL);
	v = nla_data(in[IFLA_BRIDGE_VLAN_INFO]);
	fprintf(f, "vlan%c %d %u", nlh->nlmsg_type == RTM_SETLINK ? '+' : '-',
		ifi->ifi_index, v->vid);
	if (nlh->nlmsg_type == RTM_SETLINK)
		fprintf(f, " %#x", v->flags);
}

static void write_fdb(FILE *f, struct nlmsghdr *nlh)
{
	struct ndmsg *ndm = nlmsg_data(nlh);
	struct nlattr *tb[NDA_MAX + 1];

	nlmsg_parse(nlh, sizeof(*ndm), tb, NDA_MAX, NULL);
	fprintf(f, "fdb %d ", ndm->ndm_ifindex);
	hex(f, nla_data(tb[NDA_LLADDR]), 6);
	fprintf(f, " %u %#x", tb[NDA_VLAN] ? nla_get_u16(tb[NDA_VLAN]) : 0,
		ndm->ndm_state);
}

static void write_tc(FILE *f, struct nlmsghdr *nlh)
{
	struct tcmsg *tcm = nlmsg_data(nlh);
	struct nlattr *tb[TCA_MAX + 1];

	nlmsg_parse(nlh, sizeof(*tcm), tb, TCA_MAX, NULL);
	if (nlh->nlmsg_type != RTM_NEWTFILTER) {
		fprintf(f, "qdisc%c %d %s",
			nlh->nlmsg_type == RTM_NEWQDISC ? '+' : '-',
			tcm->tcm_ifindex, nla_get_string(tb[TCA_KIND]));
		if (tb[TCA_INGRESS_BLOCK])
			fprintf(f, " block=%u",
				nla_get_u32(tb[TCA_INGRESS_BLOCK]));
		return;
	}
	fprintf(f, "filter+ %d %#x %u %#x %s ", tcm->tcm_ifindex,
		tcm->tcm_parent, tcm->tcm_info >> 16, tcm->tcm_handle,
		nla_get_string(tb[TCA_KIND]));
	hex(f, nla_data(tb[TCA_OPTIONS]), nla_len(tb[TCA_OPTIONS]));
}

static int refused_route(struct conn *conn, const char *what)
{
	char want[32];
	int i, err, n;

	for (i = 0; i < n_there; i++) {
		const char *line = is_word(there[i], "refuse-route");

		if (!line || sscanf(line, "%31s %d %n", want, &err, &n) != 2 ||
		    strncmp(want, what, strlen(want)))
			continue;
		snprintf(conn->why, sizeof(conn->why), "%s", line + n);
		return -err;
	}
	return 0;
}

static int change_route(struct conn *conn, struct nlmsghdr *nlh)
{
	const char *name = getenv("OPITOOL_REQUESTS");
	char what[4096] = "";
	FILE *f, *mem;

	mem = fmemopen(what, sizeof(what), "w");
	switch (nlh->nlmsg_type) {
	case RTM_NEWNEIGH:
		write_fdb(mem, nlh);
		break;
	case RTM_NEWQDISC:
	case RTM_DELQDISC:
	case RTM_NEWTFILTER:
		write_tc(mem, nlh);
		break;
	default:
		if (((struct ifinfomsg *)nlmsg_data(nlh))->ifi_family ==
		    AF_BRIDGE)
			write_vlan(mem, nlh);
		else
			write_link(mem, nlh);
	}
	fclose(mem);
	f = name ? fopen(name, "a") : NULL;
	if (!f)
		broken("a request, without a place to write it to");
	fprintf(f, "route %s\n", what);
	fclose(f);
	return refused_route(conn, what);
}

static int request_route(struct conn *conn, struct nlmsghdr *nlh, bool dump,
			 msg_fn fn, void *arg)
{
	struct ifinfomsg *ifi = nlmsg_data(nlh);

	switch (nlh->nlmsg_type) {
	case RTM_GETLINK:
		return ifi->ifi_family == AF_BRIDGE ?
			answer_lines("vlan", vlan_msg, 0, fn, arg) :
			answer_lines("link", new_link,
				     dump ? 0 : ifi->ifi_index, fn, arg);
	case RTM_GETNEIGH:
		return answer_lines("fdb", fdb_msg, 0, fn, arg);
	case RTM_GETQDISC:
		return answer_lines("qdisc", qdisc_msg, 0, fn, arg);
	case RTM_GETTFILTER: {
		struct tcmsg *tcm = nlmsg_data(nlh);

		/* One parent stands for all that there are here. */
		return (tcm->tcm_parent & 0xffff) != TC_H_MIN_INGRESS ? 0 :
			answer_lines("filter", filter_msg, 0, fn, arg);
	}
	default:
		return change_route(conn, nlh);
	}
}

int conn_request(struct conn *conn, struct nl_msg *request, msg_fn fn,
		 void *arg)
{
	struct nlmsghdr *nlh = nlmsg_hdr(request);
	struct nlattr *tb[DEVLINK_ATTR_MAX + 1];
	int cmd, err = 0;
	bool dump;

	load();
	conn->why[0] = '\0';
	dump = (nlh->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;

	if (conn->protocol == NETLINK_ROUTE) {
		err = request_route(conn, nlh, dump, fn, arg);
		nlmsg_free(request);
		return err;
	}

	cmd = genlmsg_hdr(nlh)->cmd;
	if (genlmsg_parse(nlh, 0, tb, DEVLINK_ATTR_MAX, NULL))
		broken("a request");
	if (nlh->nlmsg_type == ID_OPI) {
		switch (cmd) {
		case OPI_NL_CMD_FUNCTION_SET:
			err = take_change(conn, ID_OPI, cmd, tb, fn, arg);
			break;
		case OPI_NL_CMD_DPU_SET:
			write_request("opi card", tb, OPI_A_DPU_BUS_NAME,
				      OPI_A_DPU_DEV_NAME, 0, dpu_fields,
				      ARRAY_SIZE(dpu_fields));
			err = refused(conn, "refuse", cmd);
			break;
		case OPI_NL_CMD_FUNCTION_GET:
			err = refused(conn, "refuse", cmd);
			if (!err)
				err = answer_all("function", function_msg, cmd,
						 fn, arg);
			break;
		default:
			err = refused(conn, "refuse", cmd);
			if (!err)
				err = answer_all("dpu", dpu_msg, cmd, fn, arg);
		}
	} else {
		switch (cmd) {
		case DEVLINK_CMD_PORT_NEW:
		case DEVLINK_CMD_PORT_SET:
		case DEVLINK_CMD_PORT_DEL:
			err = take_change(conn, ID_DEVLINK, cmd, tb, fn, arg);
			break;
		case DEVLINK_CMD_RATE_SET:
			write_request("devlink rate", tb, DEVLINK_ATTR_BUS_NAME,
				      DEVLINK_ATTR_DEV_NAME,
				      DEVLINK_ATTR_PORT_INDEX, rate_fields,
				      ARRAY_SIZE(rate_fields));
			err = refused(conn, "refuse-devlink", cmd);
			break;
		case DEVLINK_CMD_RATE_GET:
			err = answer_rate(tb, fn, arg);
			break;
		case DEVLINK_CMD_PORT_GET:
			err = answer_all("port", port_msg,
					 DEVLINK_CMD_PORT_NEW, fn, arg);
			break;
		default:
			err = answer_devlink(conn, cmd, tb, dump, fn, arg);
		}
	}
	nlmsg_free(request);
	return !err && dump && interrupted() ? -EAGAIN : err;
}

/* ---- events ------------------------------------------------------------ */

int watch_open(struct watch **watch, int protocol)
{
	struct watch *w = calloc(1, sizeof(*w));

	load();
	w->protocol = protocol;
	route_watched |= protocol == NETLINK_ROUTE;
	/* Readable as long as something is to come. */
	if (pipe(w->fd) || write(w->fd[1], "", 1) != 1)
		broken("no pipe");
	*watch = w;
	return 0;
}

void watch_close(struct watch *watch)
{
	if (watch) {
		close(watch->fd[0]);
		close(watch->fd[1]);
		free(watch);
	}
}

int watch_join(struct watch *watch, int group)
{
	(void)watch;
	(void)group;
	return 0;
}

int watch_fd(const struct watch *watch)
{
	return watch->fd[0];
}

static struct nl_msg *family_msg(const char *line)
{
	char name[16], how;
	struct nl_msg *msg;

	if (sscanf(line, "%15s %c", name, &how) != 2)
		broken(line);
	msg = genl(GENL_ID_CTRL,
		   how == '+' ? CTRL_CMD_NEWFAMILY : CTRL_CMD_DELFAMILY);
	nla_put_string(msg, CTRL_ATTR_FAMILY_NAME, name);
	return msg;
}

static struct nl_msg *event_msg(const char *line)
{
	const char *rest;

	if ((rest = is_word(line, "add")))
		return dpu_msg(rest, OPI_NL_CMD_DPU_ADD_NTF);
	if ((rest = is_word(line, "change")))
		return dpu_msg(rest, OPI_NL_CMD_DPU_CHANGE_NTF);
	if ((rest = is_word(line, "del")))
		return dpu_msg(rest, OPI_NL_CMD_DPU_DEL_NTF);
	if ((rest = is_word(line, "fadd")))
		return function_msg(rest, OPI_NL_CMD_FUNCTION_ADD_NTF);
	if ((rest = is_word(line, "fchange")))
		return function_msg(rest, OPI_NL_CMD_FUNCTION_CHANGE_NTF);
	if ((rest = is_word(line, "fdel")))
		return function_msg(rest, OPI_NL_CMD_FUNCTION_DEL_NTF);
	if ((rest = is_word(line, "pnew")))
		return port_msg(rest, DEVLINK_CMD_PORT_NEW);
	if ((rest = is_word(line, "pdel")))
		return port_msg(rest, DEVLINK_CMD_PORT_DEL);
	if ((rest = is_word(line, "family")))
		return family_msg(rest);
	if ((rest = is_word(line, "bad")))
		return bad_msg(rest, -1);
	broken(line);
}

int watch_read(struct watch *watch, msg_fn fn, void *arg)
{
	while (next_event < n_coming) {
		const char *line = coming[next_event], *rest;
		int type, i, err;

		if (*line == '+') {
			there[n_there++] = strdup(line + 2);
			next_event++;
			continue;
		}
		if (*line == '-') {
			for (i = 0; i < n_there; i++)
				if (is_word(there[i], line + 2))
					there[i][0] = '#';
			next_event++;
			continue;
		}

		type = 0;
		if ((rest = is_word(line, "link")))
			type = RTM_NEWLINK;
		else if ((rest = is_word(line, "dellink")))
			type = RTM_DELLINK;
		if (type && !route_watched) {
			next_event++;
			continue;
		}
		if (!!type != (watch->protocol == NETLINK_ROUTE))
			return 0;
		next_event++;
		if (type)
			err = deliver(link_msg(rest, type), fn, arg);
		else if (is_word(line, "look"))
			return 0;
		else if (is_word(line, "lost"))
			return -ENOBUFS;
		else
			err = deliver(event_msg(line), fn, arg);
		if (err)
			return err;
	}
	raise(SIGTERM);
	return 0;
}
