// SPDX-License-Identifier: GPL-2.0
/*
 * How a DPU and a port look, in text and JSON; "show" and "monitor" share it.
 */
#include <linux/opi.h>

#include "inventory.h"

static void show_boot(struct out *out, const struct dpu *dpu)
{
	out_object(out, "boot");
	if (BOOT_HAS(dpu, OS_STATUS))
		out_enum(out, "os_status", &names_os, dpu->boot.os);
	if (BOOT_HAS(dpu, PLDM_STATE))
		out_enum(out, "pldm_state", &names_pldm, dpu->boot.pldm);
	if (BOOT_HAS(dpu, CRASHDUMP_STATUS))
		out_enum(out, "crashdump_status", &names_dump, dpu->boot.dump);
	if (BOOT_HAS(dpu, MAX_BOOT_TIME))
		out_uint(out, "max_boot_time", dpu->boot.max_time);
	if (BOOT_HAS(dpu, GENERATION))
		out_uint(out, "generation", dpu->boot.generation);
	if (BOOT_HAS(dpu, RESET_SUPPORTED))
		out_flags(out, "reset_supported", &names_reset,
			  dpu->boot.reset_supported);
	if (BOOT_HAS(dpu, BOOT_SUPPORTED))
		out_flags(out, "boot_supported", &names_boot_source,
			  dpu->boot.boot_supported);
	if (BOOT_HAS(dpu, BOOT_SELECT))
		out_flags(out, "boot_select", &names_boot_source,
			  dpu->boot.boot_select);
	out_end(out);
}

void show_dpu(struct out *out, const struct dpu *dpu)
{
	out_name(out, "dev", "%s/%s", dpu->handle.bus, dpu->handle.dev);

	if (dpu->via_devlink) {
		if (*dpu->driver)
			out_str(out, "driver", dpu->driver);
		out_str(out, "via", "devlink");
		if (*dpu->serial_name)
			out_str(out, "serial", dpu->serial_name);
		if (dpu->eswitch >= 0)
			out_enum(out, "eswitch", &names_eswitch, dpu->eswitch);
		return;
	}

	/* The family is that of one driver. */
	out_str(out, "driver", "opi_core");
	out_str(out, "via", OPI_FAMILY_NAME);
	if (HAS(dpu, SERIAL))
		out_fmt(out, "serial", "%016llx",
			(unsigned long long)dpu->serial);
	if (HAS(dpu, ROLE))
		out_enum(out, "role", &names_role, dpu->role);
	if (HAS(dpu, MODE))
		out_enum(out, "mode", &names_mode, dpu->mode);

	out_break(out);
	if (HAS(dpu, DEV_STATE))
		out_enum(out, "dev_state", &names_dev_state, dpu->dev_state);
	if (HAS(dpu, HEALTH))
		out_enum(out, "health", &names_health, dpu->health);
	if (HAS(dpu, PEER_STATE))
		out_enum(out, "peer", &names_peer, dpu->peer);
	if (HAS(dpu, GENERATION))
		out_uint(out, "generation", dpu->generation);
	if (HAS(dpu, IFACE_MAJOR) && HAS(dpu, IFACE_MINOR))
		out_fmt(out, "interface", "%u.%u", dpu->iface_major,
			dpu->iface_minor);
	if (HAS(dpu, FUNC_ID))
		out_uint(out, "func_id", dpu->func_id);
	if (HAS(dpu, EVENTS_LOST))
		out_uint(out, "events_lost", dpu->events_lost);
	if (HAS(dpu, SEQ))
		out_uint(out, "seq", dpu->seq);

	if (HAS(dpu, BOOT))
		show_boot(out, dpu);
}

void show_port(struct out *out, const struct port *port,
	       const struct link *link)
{
	out_name(out, "port", "%s/%s/%u", port->handle.bus, port->handle.dev,
		 port->index);
	if (out->json) {
		/* Text has them in the name already. */
		out_fmt(out, "dev", "%s/%s", port->handle.bus,
			port->handle.dev);
		out_uint(out, "index", port->index);
	}
	if (port->have & PORT_FLAVOUR)
		out_enum(out, "flavour", &names_flavour, port->flavour);
	if (port->have & PORT_NUMBER)
		out_uint(out, "number", port->number);
	if (port->have & PORT_CONTROLLER)
		out_uint(out, "controller", port->controller);
	if (port->have & PORT_PF)
		out_uint(out, "pfnum", port->pf);
	if (port->have & PORT_VF)
		out_uint(out, "vfnum", port->vf);
	if (port->have & PORT_SF)
		out_uint(out, "sfnum", port->sf);
	if (port->have & PORT_EXTERNAL)
		out_bool(out, "external", port->external);
	if (port->have & PORT_TYPE)
		out_enum(out, "type", &names_port_type, port->type);

	if (*port->netdev || link) {
		out_break(out);
		out_str(out, "netdev", link && *link->name ? link->name :
			port->netdev);
		out_uint(out, "ifindex", port->ifindex);
	}
	if (link) {
		out_bool(out, "up", link->up);
		out_bool(out, "carrier", link->carrier);
		out_enum(out, "operstate", &names_operstate, link->operstate);
		if (link->addr_len)
			out_bytes(out, "mac", ":", link->addr,
				  link->addr_len);
		if (link->switch_len)
			out_bytes(out, "switch_id", "", link->switch_id,
				  link->switch_len);
	}

	if (port->have & PORT_FUNCTION) {
		out_object(out, "function");
		if (port->fn_addr_len)
			out_bytes(out, "hw_addr", ":", port->fn_addr,
				  port->fn_addr_len);
		if (port->have & PORT_FN_STATE)
			out_enum(out, "state", &names_fn_state, port->fn_state);
		if (port->have & PORT_FN_OPSTATE)
			out_enum(out, "opstate", &names_fn_opstate,
				 port->fn_opstate);
		out_end(out);
	}
}
