/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names of values, as the netlink specs write them (Documentation/netlink/specs
 * here and in the kernel).
 */
#ifndef OPITOOL_NAMES_H
#define OPITOOL_NAMES_H

#include <stddef.h>
#include <stdint.h>

/**
 * struct names - names of an enumeration, or of the bits of flags
 * @name:	by value or by number of the bit; NULL: none
 * @n:		how many
 */
struct names {
	const char *const *name;
	size_t n;
};

const char *name_of(const struct names *names, uint32_t value);

extern const struct names names_role, names_mode, names_peer, names_dev_state,
	names_health, names_os, names_pldm, names_dump, names_reset,
	names_boot_source, names_change, names_func_type, names_func_class,
	names_func_state, names_func_change, names_mig_state;
extern const struct names names_flavour, names_port_type, names_eswitch,
	names_fn_state, names_fn_opstate, names_operstate;

#endif /* OPITOOL_NAMES_H */
