// SPDX-License-Identifier: GPL-2.0
/*
 * How a DPU, a function and a port look, in text and JSON; "show" and "monitor" share it.
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

/* As the host numbers it; the same on both sides. */
static void show_host_address(struct out *out, const struct function *fn)
{
	if (FN_HAS(fn, HOST_ADDRESS))
		out_fmt(out, "host_address", "%02x:%02x.%x",
			fn->host >> 8 & 0xff, fn->host >> 3 & 0x1f,
			fn->host & 7);
}

static void show_port_function(struct out *out, const struct port *port)
{
	if (port->fn_addr_len)
		out_bytes(out, "hw_addr", ":", port->fn_addr,
			  port->fn_addr_len);
	if (port->have & PORT_FN_STATE)
		out_enum(out, "state", &names_fn_state, port->fn_state);
	if (port->have & PORT_FN_OPSTATE)
		out_enum(out, "opstate", &names_fn_opstate, port->fn_opstate);
	if (port->have & PORT_FN_MIGRATABLE)
		out_bool(out, "migratable", port->fn_migratable);
	if (port->have & PORT_FN_MAX_IO_EQS)
		out_uint(out, "max_io_eqs", port->fn_max_io_eqs);
}

void show_function(struct out *out, const struct function *fn,
		   const struct port *port)
{
	if (out->json) {
		out_fmt(out, "dev", "%s/%s", fn->handle.bus, fn->handle.dev);
		out_uint(out, "func_id", fn->id);
		if (FN_HAS(fn, SERIAL))
			out_fmt(out, "serial", "%016llx",
				(unsigned long long)fn->serial);
	} else {
		/* So it can be given back to opitool. */
		out_name(out, "dev", "%s/%s id %u", fn->handle.bus,
			 fn->handle.dev, fn->id);
	}
	if (FN_HAS(fn, TYPE))
		out_enum(out, "type", &names_func_type, fn->type);
	if (FN_HAS(fn, CLASS))
		out_enum(out, "class", &names_func_class, fn->class);
	if (FN_HAS(fn, CONTROLLER))
		out_uint(out, "controller", fn->controller);
	if (FN_HAS(fn, PF))
		out_uint(out, "pf", fn->pf);
	if (FN_HAS(fn, VF))
		out_uint(out, "vf", fn->vf);
	if (FN_HAS(fn, SF))
		out_uint(out, "sf", fn->sf);
	show_host_address(out, fn);
	if (FN_HAS(fn, OPSTATE))
		out_enum(out, "opstate", &names_func_state, fn->opstate);

	out_break(out);
	if (FN_HAS(fn, TRUST))
		out_bool(out, "trust", fn->trust);
	if (FN_HAS(fn, VLAN))
		out_uint(out, "vlan", fn->vlan);
	if (FN_HAS(fn, MAX_QPS))
		out_uint(out, "max_qps", fn->max_qps);
	if (FN_HAS(fn, MAX_VFS))
		out_uint(out, "max_vfs", fn->max_vfs);
	if (FN_HAS(fn, NUM_VFS))
		out_uint(out, "num_vfs", fn->num_vfs);
	if (FN_HAS(fn, PORT_INDEX))
		out_uint(out, "port_index", fn->port);
	if (FN_HAS(fn, SEQ))
		out_uint(out, "seq", fn->seq);

	if (FN_HAS(fn, MIG_STATE)) {
		out_break(out);
		out_enum(out, "mig_state", &names_mig_state, fn->mig_state);
	}
	if (FN_HAS(fn, SOURCE_SERIAL))
		out_fmt(out, "source_serial", "%016llx",
			(unsigned long long)fn->src_serial);
	if (FN_HAS(fn, SOURCE_FUNC_ID))
		out_uint(out, "source_func_id", fn->src_id);

	if (!port)
		return;
	out_object(out, "port");
	out_fmt(out, "port", "%s/%s/%u", port->handle.bus, port->handle.dev,
		port->index);
	if (*port->netdev)
		out_str(out, "netdev", port->netdev);
	show_port_function(out, port);
	out_end(out);
}

void show_port(struct out *out, const struct port *port,
	       const struct link *link, const struct function *fn)
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
	if (fn) {
		out_uint(out, "func_id", fn->id);
		show_host_address(out, fn);
	}
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
		show_port_function(out, port);
		out_end(out);
	}
}
