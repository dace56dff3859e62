/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the words of a command mean: a device, a port or a card by its name, and
 * pairs of a key and a value, which choose a function or say what is wanted of
 * one.
 */
#ifndef OPITOOL_SELECT_H
#define OPITOOL_SELECT_H

#include "inventory.h"

/* How a user names a device or a port of it. */
struct target {
	const char *text;	/* as given; NULL: none was */
	bool by_handle;		/* else by serial number */
	bool has_index;
	struct handle handle;
	uint32_t index;
};

/* False: @text can not be a name. */
bool target_parse(struct target *target, const char *text, bool port);
bool target_is_dpu(const struct target *target, const struct dpu *dpu);
bool target_is_port(const struct target *target, struct inventory *inv,
		    const struct port *port);

/* Keys; those up to KEY_HOST choose, the others change. */
enum key {
	KEY_ID,
	KEY_PORT,
	KEY_TYPE,
	KEY_CONTROLLER,
	KEY_PF,
	KEY_VF,
	KEY_SF,
	KEY_HOST,
	KEY_HW_ADDR,
	KEY_TRUST,
	KEY_VLAN,
	KEY_MAX_QPS,
	KEY_MAX_VFS,
	KEY_MIGRATABLE,
	KEY_MAX_IO_EQS,
	N_KEYS
};

#define KEY_BIT(key)	(1u << (KEY_##key))
#define KEYS_CHOOSE	(KEY_BIT(HW_ADDR) - 1)
/* What each family of the kernel changes. */
#define KEYS_OPI	(KEY_BIT(TRUST) | KEY_BIT(VLAN) | KEY_BIT(MAX_QPS) | \
			 KEY_BIT(MAX_VFS))
#define KEYS_DEVLINK	(KEY_BIT(HW_ADDR) | KEY_BIT(MIGRATABLE) | \
			 KEY_BIT(MAX_IO_EQS))

/**
 * struct select - the words of a command
 * @target:	the device, port or card; its text is NULL if none was named
 * @have:	which keys were given, bits by enum key
 * @value:	their values by enum key; on is 1, a type OPI_PORT_*, a PCI
 *		address bus << 8 | device << 3 | function
 * @hw_addr:	that of KEY_HW_ADDR
 */
struct select {
	struct target target;
	uint32_t have;
	uint32_t value[N_KEYS];
	unsigned char hw_addr[6];
};

/* Understand @argv; keys in @allowed may come.  Says what is wrong with it. */
int select_parse(struct select *sel, const struct verb *verb, uint32_t allowed,
		 int argc, char **argv);
bool select_is_function(const struct select *sel, const struct function *fn);
bool select_is_port(const struct select *sel, struct inventory *inv,
		    const struct port *port);
/* Was there anything that chooses? */
bool select_any(const struct select *sel);

/*
 * The end of a card that has a say: the DPU's, one that was named or the only one.
 * Returns an exit code.
 */
int dpu_choose(struct inventory *inv, const struct target *target,
	       struct dpu **found);

/* Say that @noun "show" would not show what was chosen; returns an exit code. */
int not_found(const struct inventory *inv, const struct target *target,
	      const char *noun);

#endif /* OPITOOL_SELECT_H */
