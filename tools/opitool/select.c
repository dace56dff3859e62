// SPDX-License-Identifier: GPL-2.0
/*
 * The words of select.h, and what of an inventory they fit.
 */
#include <errno.h>
#include <linux/devlink.h>
#include <linux/opi.h>
#include <linux/opi_pci.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "select.h"

/* ---- names ------------------------------------------------------------- */

/* 0000:01:00.0: the bus may be left out. */
static bool is_pci_address(const char *s)
{
	size_t n = strspn(s, "0123456789abcdef");

	if (n < 4 || n > 8 || s[n] != ':')
		return false;
	s += n + 1;
	return strspn(s, "0123456789abcdef") == 2 && s[2] == ':' &&
	       strspn(s + 3, "0123456789abcdef") == 2 && s[5] == '.' &&
	       s[6] >= '0' && s[6] <= '7' && (!s[7] || s[7] == '/');
}

static bool get_number(const char *text, uint32_t *value)
{
	unsigned long number;
	char *stop;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	number = strtoul(text, &stop, 10);
	if (*stop || errno || number > UINT32_MAX)
		return false;
	*value = number;
	return true;
}

bool target_parse(struct target *target, const char *text, bool port)
{
	const char *bus = "pci", *dev = text, *end;
	size_t bus_len = 3;

	memset(target, 0, sizeof(*target));
	target->text = text;
	if (!*text)
		return false;

	if (!is_pci_address(text)) {
		dev = strchr(text, '/');
		if (!dev)
			return true;		/* a serial number */
		bus = text;
		bus_len = dev - text;
		dev++;
	}
	target->by_handle = true;
	end = strchr(dev, '/');
	if (end) {
		if (!port || !get_number(end + 1, &target->index))
			return false;
		target->has_index = true;
	} else {
		end = dev + strlen(dev);
	}

	if (!bus_len || bus_len >= sizeof(target->handle.bus) || end == dev ||
	    (size_t)(end - dev) >= sizeof(target->handle.dev))
		return false;
	memcpy(target->handle.bus, bus, bus_len);
	memcpy(target->handle.dev, dev, end - dev);
	return true;
}

bool target_is_dpu(const struct target *target, const struct dpu *dpu)
{
	char serial[17];

	if (!target->text)
		return true;
	if (target->by_handle)
		return handle_eq(&target->handle, &dpu->handle);
	if (dpu->via_devlink)
		return *dpu->serial_name &&
		       !strcmp(target->text, dpu->serial_name);
	if (!HAS(dpu, SERIAL))
		return false;
	snprintf(serial, sizeof(serial), "%016llx",
		 (unsigned long long)dpu->serial);
	return !strcasecmp(target->text, serial);
}

/* Without a target ports of DPUs; a device that is named need not be one. */
bool target_is_port(const struct target *target, struct inventory *inv,
		    const struct port *port)
{
	const struct dpu *dpu;

	if (target->text && target->by_handle)
		return target->has_index ?
		       target->index == port->index &&
		       handle_eq(&target->handle, &port->handle) :
		       handle_eq(&target->handle, &port->handle) ||
		       handle_eq(&target->handle, &port->owner);
	dpu = inventory_find_dpu(inv, &port->owner);
	return dpu && target_is_dpu(target, dpu);
}

static bool target_is_function(const struct target *target,
			       const struct function *fn)
{
	char serial[17];

	if (!target->text)
		return true;
	if (target->by_handle)
		return handle_eq(&target->handle, &fn->handle) &&
		       (!target->has_index || (FN_HAS(fn, PORT_INDEX) &&
					       target->index == fn->port));
	if (!FN_HAS(fn, SERIAL))
		return false;
	snprintf(serial, sizeof(serial), "%016llx",
		 (unsigned long long)fn->serial);
	return !strcasecmp(target->text, serial);
}

/* ---- keys and values --------------------------------------------------- */

enum type { NUMBER, SWITCH, TYPE, PCI_ADDRESS, HW_ADDRESS };

static const struct {
	const char *name;
	enum type type;
	uint32_t min, max;
} keys[N_KEYS] = {
	[KEY_ID]	= { "id",		NUMBER,	0, UINT32_MAX },
	[KEY_PORT]	= { "port",		NUMBER,	0, UINT32_MAX },
	[KEY_TYPE]	= { "type",		TYPE,	0, 0 },
	[KEY_CONTROLLER] = { "controller",	NUMBER,	0, UINT16_MAX },
	[KEY_PF]	= { "pf",		NUMBER,	0, UINT16_MAX },
	[KEY_VF]	= { "vf",		NUMBER,	0, UINT16_MAX },
	[KEY_SF]	= { "sf",		NUMBER,	0, UINT32_MAX },
	[KEY_HOST]	= { "host",		PCI_ADDRESS, 0, 0 },
	[KEY_HW_ADDR]	= { "hw-addr",		HW_ADDRESS, 0, 0 },
	[KEY_TRUST]	= { "trust",		SWITCH,	0, 1 },
	[KEY_VLAN]	= { "vlan",		NUMBER,	0, 4094 },
	[KEY_MAX_QPS]	= { "max-qps",		NUMBER,	1, UINT16_MAX },
	[KEY_MAX_VFS]	= { "max-vfs",		NUMBER,	0, UINT16_MAX },
	[KEY_MIGRATABLE] = { "migratable",	SWITCH,	0, 1 },
	[KEY_MAX_IO_EQS] = { "max-io-eqs",	NUMBER,	1, UINT32_MAX },
};

/* As JSON writes a key or as text does. */
static bool is_key(const char *word, const char *key)
{
	for (; *word && *key; word++, key++)
		if ((*word == '_' ? '-' : *word) != *key)
			return false;
	return !*word && !*key;
}

/* How many hexadecimal digits stand here, and their value if it fits. */
static size_t hex(const char *text, uint32_t *value)
{
	size_t n = strspn(text, "0123456789abcdefABCDEF");

	*value = n && n <= 8 ? strtoul(text, NULL, 16) : 0;
	return n;
}

/*
 * [DOMAIN:]BUS:DEVICE.FUNCTION.  The card knows no domain: that number is of one
 * computer only.
 */
static bool get_pci_address(const char *text, uint32_t *address)
{
	uint32_t bus, device, function;
	size_t n;

	n = hex(text, &bus);
	if (n >= 4 && n <= 8 && text[n] == ':') {
		text += n + 1;
		n = hex(text, &bus);
	}
	if (n != 2 || text[2] != ':' || hex(text + 3, &device) != 2 ||
	    device > 31 || text[5] != '.' || hex(text + 6, &function) != 1 ||
	    function > 7 || text[7])
		return false;
	*address = bus << 8 | device << 3 | function;
	return true;
}

static bool get_hw_address(const char *text, unsigned char addr[6])
{
	uint32_t byte;
	int i;

	for (i = 0; i < 6; i++, text += 3) {
		if (hex(text, &byte) != 2 || text[2] != (i < 5 ? ':' : '\0'))
			return false;
		addr[i] = byte;
	}
	return true;
}

static bool get_name(const struct names *names, const char *text,
		     uint32_t *value)
{
	for (*value = 0; *value < names->n; ++*value)
		if (names->name[*value] && !strcmp(names->name[*value], text))
			return true;
	return false;
}

static bool get_value(struct select *sel, enum key key, const char *text)
{
	uint32_t *value = &sel->value[key];

	switch (keys[key].type) {
	case NUMBER:
		return get_number(text, value) && *value >= keys[key].min &&
		       *value <= keys[key].max;
	case SWITCH:
		*value = !strcmp(text, "on");
		return *value || !strcmp(text, "off");
	case TYPE:
		return get_name(&names_func_type, text, value);
	case PCI_ADDRESS:
		return get_pci_address(text, value);
	case HW_ADDRESS:
		return get_hw_address(text, sel->hw_addr);
	}
	return false;
}

static int bad_value(const struct verb *verb, enum key key, const char *text)
{
	switch (keys[key].type) {
	case NUMBER:
		return bad_usage(verb, "\"%s\" is a number from %u to %u, not \"%s\"",
				 keys[key].name, keys[key].min, keys[key].max,
				 text);
	case SWITCH:
		return bad_usage(verb, "\"%s\" is on or off, not \"%s\"",
				 keys[key].name, text);
	case TYPE:
		return bad_usage(verb, "\"%s\" is uplink, pf, vf or sf, not \"%s\"",
				 keys[key].name, text);
	case PCI_ADDRESS:
		return bad_usage(verb, "\"%s\" is a PCI address as 01:00.0 or 0000:01:00.0, not \"%s\"",
				 keys[key].name, text);
	case HW_ADDRESS:
	default:
		return bad_usage(verb, "\"%s\" is an address as 02:00:00:00:00:01, not \"%s\"",
				 keys[key].name, text);
	}
}

int select_parse(struct select *sel, const struct verb *verb, uint32_t allowed,
		 int argc, char **argv)
{
	enum key key;
	int i;

	memset(sel, 0, sizeof(*sel));
	for (i = 0; i < argc; i++) {
		for (key = 0; key < N_KEYS; key++)
			if (is_key(argv[i], keys[key].name))
				break;
		if (key == N_KEYS) {
			if (sel->target.text)
				return bad_usage(verb, "\"%s\" makes no sense here",
						 argv[i]);
			if (!target_parse(&sel->target, argv[i], true))
				return bad_usage(verb, "\"%s\" does not name a device or a port",
						 argv[i]);
			continue;
		}
		if (!(allowed & 1u << key))
			return bad_usage(verb, "\"%s\" can not be given here",
					 keys[key].name);
		if (sel->have & 1u << key)
			return bad_usage(verb, "\"%s\" twice", keys[key].name);
		if (++i == argc)
			return bad_usage(verb, "\"%s\" needs a value",
					 keys[key].name);
		if (!get_value(sel, key, argv[i]))
			return bad_value(verb, key, argv[i]);
		sel->have |= 1u << key;
	}
	return ST_OK;
}

bool select_any(const struct select *sel)
{
	return sel->target.text || sel->have & KEYS_CHOOSE;
}

/* A key that was given must be there and the same. */
static bool fits(const struct select *sel, enum key key, bool there,
		 uint32_t value)
{
	return !(sel->have & 1u << key) ||
	       (there && sel->value[key] == value);
}

/*
 * A number of a physical function says whose, if it is said what of it is meant;
 * else it means that function itself.
 */
static bool pf_fits(const struct select *sel, bool there, uint32_t pf,
		    bool itself)
{
	const uint32_t of_it = KEY_BIT(TYPE) | KEY_BIT(VF) | KEY_BIT(SF);

	return fits(sel, KEY_PF, there, pf) &&
	       (!(sel->have & KEY_BIT(PF)) || sel->have & of_it || itself);
}

/* All but what names a device. */
static bool keys_fit(const struct select *sel, const struct function *fn)
{
	return fits(sel, KEY_ID, FN_HAS(fn, FUNC_ID), fn->id) &&
	       fits(sel, KEY_TYPE, FN_HAS(fn, TYPE), fn->type) &&
	       fits(sel, KEY_PORT, FN_HAS(fn, PORT_INDEX), fn->port) &&
	       fits(sel, KEY_CONTROLLER, FN_HAS(fn, CONTROLLER),
		    fn->controller) &&
	       pf_fits(sel, FN_HAS(fn, PF), fn->pf,
		       !FN_HAS(fn, VF) && !FN_HAS(fn, SF)) &&
	       fits(sel, KEY_VF, FN_HAS(fn, VF), fn->vf) &&
	       fits(sel, KEY_SF, FN_HAS(fn, SF), fn->sf) &&
	       fits(sel, KEY_HOST, FN_HAS(fn, HOST_ADDRESS), fn->host);
}

bool select_is_function(const struct select *sel, const struct function *fn)
{
	return target_is_function(&sel->target, fn) && keys_fit(sel, fn);
}

/* What devlink calls a flavour; 0: that says nothing. */
static uint32_t port_type(const struct port *port)
{
	if (!(port->have & PORT_FLAVOUR))
		return 0;
	switch (port->flavour) {
	case DEVLINK_PORT_FLAVOUR_PHYSICAL:
		return OPI_PORT_UPLINK;
	case DEVLINK_PORT_FLAVOUR_PCI_PF:
		return OPI_PORT_PF;
	case DEVLINK_PORT_FLAVOUR_PCI_VF:
		return OPI_PORT_VF;
	case DEVLINK_PORT_FLAVOUR_PCI_SF:
		return OPI_PORT_SF;
	}
	return 0;
}

/*
 * On the DPU devlink says what a port stands for, of other drivers' devices, too;
 * on the host only its function does.
 */
bool select_is_port(const struct select *sel, struct inventory *inv,
		    const struct port *port)
{
	const struct function *fn = inventory_function_of(inv, port);
	struct function of = { 0 };

	if (!target_is_port(&sel->target, inv, port))
		return false;
	if (fn)
		of = *fn;

#define TAKE(there, attr, member, value) do {				\
	if (there) {							\
		of.member = value;					\
		of.have |= 1u << OPI_A_FUNCTION_##attr;			\
	}								\
} while (0)
	TAKE(true, PORT_INDEX, port, port->index);
	TAKE(port_type(port), TYPE, type, port_type(port));
	TAKE(port->have & PORT_CONTROLLER, CONTROLLER, controller,
	     port->controller);
	TAKE(port->have & PORT_PF, PF, pf, port->pf);
	TAKE(port->have & PORT_VF, VF, vf, port->vf);
	TAKE(port->have & PORT_SF, SF, sf, port->sf);
#undef TAKE
	return keys_fit(sel, &of);
}

int not_found(const struct inventory *inv, const struct target *target,
	      const char *noun)
{
	const char *what = strcmp(noun, "dpu") ? noun : "DPU";

	if (target->text)
		say("there is no %s \"%s\" in this network namespace; \"opitool %s show\" lists those that there are",
		    what, target->text, noun);
	else
		say("there is no such %s in this network namespace; \"opitool %s show\" lists those that there are",
		    what, noun);
	if (inv->opi >= 0)
		return ST_FAILED;
	say_no_opi();
	return ST_ABSENT;
}

int dpu_choose(struct inventory *inv, const struct target *target,
	       struct dpu **found)
{
	struct dpu *dpu;
	bool host = false;
	int n = 0;

	list_each(dpu, &inv->dpus) {
		if (!target_is_dpu(target, dpu) || !HAS(dpu, ROLE))
			continue;
		if (dpu->role != OPI_ROLE_DPU)
			host = true;
		else if (!n++)
			*found = dpu;
	}
	if (n == 1)
		return ST_OK;
	if (n) {
		say("there are %d cards; say which, as \"opitool dpu show\" names them",
		    n);
		return ST_FAILED;
	}
	if (host) {
		say("this is the host; cards and functions are the DPU's: do it there");
		return ST_FAILED;
	}
	return not_found(inv, target, "dpu");
}
