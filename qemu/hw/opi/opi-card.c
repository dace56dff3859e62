/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The emulated OPI card: the object that holds all of it, the states of the two
 * computers that it derives (peers, boot block, carriers), the engine's loop,
 * properties and fault injection.
 *
 * PCI is in opi-pf.c, one function in opi-fn.c, the DPU's computer is reached
 * through opi-link-card.c.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/module.h"
#include "qapi/error.h"
#include "qapi/visitor.h"
#include "migration/vmstate.h"
#include "block/aio.h"
#include "hw/pci/pcie_sriov.h"
#include "qemu/main-loop.h"
#include "opi-card.h"
#include "trace.h"

bool opi_card_dpu_ready(const OpiCard *c)
{
    return c->soc_up && c->soc_state == OPI_LINK_SOC_RUNNING && c->booted;
}

/* ---- Entering and leaving ---------------------------------------------- */

void opi_card_enter(OpiCard *c)
{
    c->busy++;
}

/* VFs that the host has enabled by now. */
static unsigned opi_card_vfs(const OpiCard *c)
{
    return c->pf ? pcie_sriov_num_vfs(c->pf) : 0;
}

void opi_card_leave(OpiCard *c)
{
    unsigned i;

    if (c->busy == 1 && c->reset_wanted) {
        c->reset_wanted = false;
        c->vfs = opi_card_vfs(c);
        for (i = 0; i < OPI_FNS; i++) {
            OpiFn *fn = opi_card_fn(c, i);

            if (fn->role == OPI_ROLE_HOST_VF && fn->vf >= c->vfs) {
                /* It goes, which the update sees to. */
                fn->reset_wanted = false;
            } else if (fn->reset_wanted) {
                opi_mig_reset(fn);
                opi_fn_reset(fn);
            }
        }
        if (c->reset_tell) {
            c->reset_tell = false;
            opi_event(&c->dpu, OPI_EV_HOST_RESET, 0, 0);
        }
        opi_card_update(c);
    }
    c->busy--;
}

OpiFn *opi_card_fn(OpiCard *c, unsigned i)
{
    return i == 0 ? &c->dpu : i == 1 ? &c->host : &c->vf[i - 2];
}

static void opi_card_fault_qp(OpiFn *fn)
{
    OpiQp *qp = fn->fault.qp_error ?
                opi_qp_receiver(fn, opi_eswitch_port(fn->card, fn->port)) :
                NULL;

    if (qp) {
        fn->fault.qp_error--;
        opi_qp_fail(qp, OPI_QP_ERR_DMA);
    }
}

/* One pass over what is to be done, within the budget. */
static void opi_card_pass(OpiCard *c)
{
    int64_t descs = OPI_BUDGET_DESCS, bytes = OPI_BUDGET_BYTES;
    bool more = false;
    unsigned i;

    opi_card_fault_qp(&c->host);
    opi_card_fault_qp(&c->dpu);
    for (i = 0; i < OPI_FNS && c->aq_pending; i++) {
        OpiFn *fn = opi_card_fn(c, i);

        if (fn->aq_pending && opi_fn_runs(fn)) {
            more |= opi_admin_run(fn);
        }
    }
    c->aq_pending = more;
    while (descs > 0 && bytes > 0 && opi_rate_ready(c)) {
        opi_rate_serve(c, &descs, &bytes);
    }
    opi_qp_notify_moved(c);
    if (more || opi_rate_ready(c)) {
        qemu_bh_schedule(c->bh);
    }
}

void opi_card_run(OpiCard *c)
{
    if (c->running) {
        /* From inside a pass: its loop or the next turn sees to it. */
        qemu_bh_schedule(c->bh);
        return;
    }
    c->running = true;
    opi_card_pass(c);
    c->running = false;
}

static void opi_card_bh(void *opaque)
{
    OpiCard *c = opaque;

    opi_card_enter(c);
    opi_card_run(c);
    opi_card_leave(c);
}

static void opi_card_retry(void *opaque)
{
    OpiCard *c = opaque;

    opi_card_enter(c);
    opi_eq_retry(c);
    opi_card_leave(c);
}

static void opi_card_coalesce(void *opaque)
{
    OpiCard *c = opaque;

    opi_card_enter(c);
    opi_qp_notify_late(c);
    opi_card_leave(c);
}

static void opi_card_look(void *opaque)
{
    OpiCard *c = opaque;

    opi_card_enter(c);
    opi_qp_look(c);
    opi_card_run(c);
    opi_card_leave(c);
}

static void opi_card_second(void *opaque)
{
    OpiCard *c = opaque;

    c->heartbeat++;
    if (c->dpu.ops->publish) {
        c->dpu.ops->publish(&c->dpu, OPI_REG_HEARTBEAT);
    }
    timer_mod(c->second, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + 1000);
}

/* ---- Derived states ---------------------------------------------------- */

static uint32_t opi_card_host_peer(const OpiCard *c)
{
    if (!c->soc_up) {
        return OPI_PEER_ABSENT;
    }
    switch (c->soc_state) {
    case OPI_LINK_SOC_OFF:
        return OPI_PEER_HALTED;
    case OPI_LINK_SOC_PAUSED:
        return OPI_PEER_STALLED;
    default:
        return c->booted ? OPI_PEER_READY : OPI_PEER_PRESENT;
    }
}

static uint32_t opi_card_dpu_peer(const OpiCard *c)
{
    if (!c->pf) {
        return OPI_PEER_ABSENT;
    }
    switch (c->host_power) {
    case OPI_HOST_OFF:
        return OPI_PEER_ABSENT;
    case OPI_HOST_PAUSED:
        return OPI_PEER_STALLED;
    default:
        return c->host.aq_status & OPI_AQ_STATUS_ENABLED ? OPI_PEER_READY
                                                         : OPI_PEER_PRESENT;
    }
}

static void opi_card_boot_block(OpiCard *c)
{
    struct opi_boot_block *b = &c->boot;

    b->size = cpu_to_le16(sizeof(*b));
    b->version = cpu_to_le16(1);
    b->generation = cpu_to_le32(c->generation);
    if (!c->soc_up) {
        b->os_status = OPI_OS_NOT_STARTED;
        b->pldm_state = OPI_PLDM_RESET;
        return;
    }
    b->pldm_state = c->booted ? OPI_PLDM_OS_RUNNING : OPI_PLDM_OS_STARTING;
    switch (c->soc_state) {
    case OPI_LINK_SOC_OFF:
        b->os_status = OPI_OS_HALTED;
        b->pldm_state = OPI_PLDM_HALTED;
        break;
    case OPI_LINK_SOC_PAUSED:
        b->os_status = OPI_OS_STALLED;
        break;
    default:
        b->os_status = c->booted ? OPI_OS_BOOTED : OPI_OS_BOOTING;
    }
}

static void opi_card_update_carrier(OpiFn *fn, OpiPort *p)
{
    OpiPortEnd *end = opi_port_end(fn, p);
    bool carrier = opi_port_carrier(fn, p);

    if (carrier != end->carrier) {
        end->carrier = carrier;
        opi_event_port(fn, OPI_EV_LINK, carrier, 0, p);
    }
}

static void opi_card_update_carriers(OpiCard *c)
{
    unsigned i;

    for (i = 0; i < OPI_PORTS; i++) {
        OpiPort *p = c->port[i];

        if (!p) {
            continue;
        }
        if (p->owner && p->owner->state == OPI_FUNC_HIDDEN) {
            p->func.carrier = false;
        } else if (p->owner && opi_fn_runs(p->owner->fn)) {
            opi_card_update_carrier(p->owner->fn, p);
        }
        opi_card_update_carrier(&c->dpu, p);
    }
}

static void opi_card_update_peer(OpiFn *fn, uint32_t peer)
{
    uint32_t generation = fn->card->generation;

    if (peer == fn->peer && generation == fn->peer_generation) {
        return;
    }
    fn->peer = peer;
    fn->peer_generation = generation;
    opi_event(fn, OPI_EV_PEER, peer, generation);
}

/* What a host function sees of the DPU. */
static void opi_card_update_host(OpiFn *fn)
{
    OpiCard *c = fn->card;

    if (!opi_fn_runs(fn)) {
        /* What it was last told stays until it can be told. */
        return;
    }
    opi_card_update_peer(fn, opi_card_host_peer(c));
    if (c->boot.os_status != fn->os_status ||
        c->generation != fn->os_generation) {
        fn->os_status = c->boot.os_status;
        fn->os_generation = c->generation;
        opi_event(fn, OPI_EV_BOOT, c->boot.os_status, c->generation);
    }
}

void opi_card_update(OpiCard *c)
{
    unsigned i;

    opi_card_boot_block(c);
    if (c->pf) {
        opi_pf_boot_block(c->pf, &c->boot);
    }
    if (c->boot.os_status != c->host.os_status ||
        c->generation != c->host.os_generation) {
        trace_opi_boot(c->boot.os_status, c->generation);
    }
    opi_card_update_host(&c->host);
    for (i = 0; i < OPI_VFS; i++) {
        opi_card_update_host(&c->vf[i]);
    }
    opi_card_update_peer(&c->dpu, opi_card_dpu_peer(c));
    opi_func_update(c);
    opi_card_update_carriers(c);
    c->dpu.ops->publish(&c->dpu, OPI_REG_ALL);
}

/* ---- The host ---------------------------------------------------------- */

void opi_card_attach_pf(OpiCard *c, PCIDevice *pf)
{
    opi_card_enter(c);
    c->pf = pf;
    opi_dma_attach(&c->host, pf);
    c->host.present = true;
    c->host.status = OPI_DEV_STATUS_READY;
    opi_card_update(c);
    opi_card_leave(c);
}

void opi_card_detach_pf(OpiCard *c)
{
    bool within = c->busy;

    opi_card_enter(c);
    c->host.present = false;
    c->pf = NULL;
    c->vfs = 0;
    if (within) {
        /*
         * A message signalled interrupt was aimed at our slot: whoever sent it
         * goes on with the function, which has no memory any more.
         */
        c->host.reset_wanted = true;
        c->reset_wanted = true;
    } else {
        opi_fn_reset(&c->host);
        opi_card_update(c);
    }
    opi_card_leave(c);
    opi_dma_detach(&c->host);
}

void opi_card_host_reset(OpiCard *c, bool tell)
{
    if (c->busy) {
        /* A message signalled interrupt was aimed at our config space. */
        c->host.reset_wanted = true;
        c->reset_wanted = true;
        c->reset_tell |= tell;
        return;
    }
    opi_card_enter(c);
    trace_opi_host_reset(tell);
    opi_fn_reset(&c->host);
    if (tell) {
        opi_event(&c->dpu, OPI_EV_HOST_RESET, 0, 0);
    }
    opi_card_update(c);
    opi_card_leave(c);
}

void opi_card_vf_reset(OpiFn *fn)
{
    fn->reset_wanted = fn->present;
    fn->card->reset_wanted |= fn->present;
    opi_card_vfs_changed(fn->card);
}

void opi_card_vfs_changed(OpiCard *c)
{
    c->reset_wanted |= c->vfs != opi_card_vfs(c);
    if (!c->busy) {
        /* Leaving does what is wanted. */
        opi_card_enter(c);
        opi_card_leave(c);
    }
}

static void opi_card_vm_state(void *opaque, bool running, RunState state)
{
    OpiCard *c = opaque;

    opi_card_enter(c);
    if (running) {
        c->host_power = OPI_HOST_RUNNING;
    } else if (state == RUN_STATE_SHUTDOWN) {
        c->host_power = OPI_HOST_OFF;
        /* The VFs are gone with what enabled them. */
        opi_fn_reset(&c->host);
    } else if (c->host_power == OPI_HOST_RUNNING) {
        c->host_power = OPI_HOST_PAUSED;
    }
    trace_opi_host_power(c->host_power);
    opi_card_update(c);
    opi_card_leave(c);
    opi_link_card_state(c);
}

/* ---- The DPU's computer ------------------------------------------------ */

void opi_card_soc_up(OpiCard *c)
{
    c->soc_up = true;
    c->dpu.present = true;
    c->generation++;
    opi_fn_reset(&c->dpu);
    opi_card_update(c);
}

void opi_card_soc_down(OpiCard *c)
{
    /* First nothing of it is used any more, then the caller unmaps it. */
    c->soc_up = false;
    c->dpu.present = false;
    opi_fn_reset(&c->dpu);
    opi_card_update(c);
}

void opi_card_soc_event(OpiCard *c, uint32_t event)
{
    if (!c->soc_up) {
        return;
    }
    if (event == OPI_LINK_EVENT_RESET) {
        c->generation++;
    }
    if (event != OPI_LINK_EVENT_NONE || c->soc_state == OPI_LINK_SOC_OFF) {
        opi_fn_reset(&c->dpu);
    }
    opi_card_update(c);
}

/* ---- Properties -------------------------------------------------------- */

static void opi_card_get_u32(Object *obj, Visitor *v, const char *name,
                             void *opaque, Error **errp)
{
    uint32_t val = *(uint32_t *)((uint8_t *)obj + (uintptr_t)opaque);

    visit_type_uint32(v, name, &val, errp);
}

static void opi_card_set_u32(Object *obj, Visitor *v, const char *name,
                             void *opaque, Error **errp)
{
    OpiCard *c = OPI_CARD(obj);
    uint32_t val;

    if (!visit_type_uint32(v, name, &val, errp)) {
        return;
    }
    trace_opi_fault(name, val);
    *(uint32_t *)((uint8_t *)obj + (uintptr_t)opaque) = val;
    if (!DEVICE(obj)->realized) {
        return;
    }
    /* Bogus completions need no command to come. */
    c->host.aq_pending |= !!c->host.fault.aq_bogus;
    c->dpu.aq_pending |= !!c->dpu.fault.aq_bogus;
    c->aq_pending = true;
    opi_card_bh(c);
}

static bool opi_card_get_dead(Object *obj, Error **errp)
{
    return OPI_CARD(obj)->host.dead;
}

static void opi_card_kill(OpiCard *c, bool dead)
{
    unsigned i;

    c->host.dead = dead;
    for (i = 0; i < OPI_VFS; i++) {
        if (c->vf[i].present) {
            opi_mig_reset(&c->vf[i]);
            opi_fn_reset(&c->vf[i]);
        }
        c->vf[i].dead = dead;
    }
}

static void opi_card_set_dead(Object *obj, bool val, Error **errp)
{
    OpiCard *c = OPI_CARD(obj);

    trace_opi_fault("dead", val);
    if (val == c->host.dead) {
        return;
    }
    if (DEVICE(obj)->realized) {
        opi_card_enter(c);
        opi_fn_reset(&c->host);
        opi_card_kill(c, val);
        opi_card_update(c);
        opi_card_leave(c);
    } else {
        opi_card_kill(c, val);
    }
}

static bool opi_card_get_fatal(Object *obj, Error **errp)
{
    return OPI_CARD(obj)->host.status & OPI_DEV_STATUS_FATAL;
}

static bool opi_card_get_soc_fatal(Object *obj, Error **errp)
{
    return OPI_CARD(obj)->dpu.status & OPI_DEV_STATUS_FATAL;
}

/* Until the driver resets the function: writing false does nothing. */
static void opi_card_make_fatal(OpiFn *fn, bool val)
{
    OpiCard *c = fn->card;

    if (val && c && fn->present && !fn->dead) {
        trace_opi_fault("fatal", fn->role);
        opi_card_enter(c);
        opi_fn_fatal(fn, OPI_HEALTH_INTERNAL);
        opi_card_update(c);
        opi_card_leave(c);
    }
}

static void opi_card_set_fatal(Object *obj, bool val, Error **errp)
{
    opi_card_make_fatal(&OPI_CARD(obj)->host, val);
}

static void opi_card_set_soc_fatal(Object *obj, bool val, Error **errp)
{
    opi_card_make_fatal(&OPI_CARD(obj)->dpu, val);
}

static bool opi_card_get_cut(Object *obj, Error **errp)
{
    return false;
}

static void opi_card_set_cut(Object *obj, bool val, Error **errp)
{
    OpiCard *c = OPI_CARD(obj);

    if (val && DEVICE(obj)->realized) {
        trace_opi_fault("link-cut", 1);
        opi_link_card_close(c, "fault injection");
    }
}

static bool opi_card_get_uplink_down(Object *obj, Error **errp)
{
    return OPI_CARD(obj)->fault_uplink_down;
}

static void opi_card_set_uplink_down(Object *obj, bool val, Error **errp)
{
    OpiCard *c = OPI_CARD(obj);

    trace_opi_fault("uplink-down", val);
    c->fault_uplink_down = val;
    if (DEVICE(obj)->realized) {
        opi_card_enter(c);
        opi_card_update(c);
        opi_card_leave(c);
    }
}

static bool opi_card_get_link_up(Object *obj, Error **errp)
{
    return OPI_CARD(obj)->soc_up;
}

static void opi_card_get_os_status(Object *obj, Visitor *v, const char *name,
                                   void *opaque, Error **errp)
{
    uint32_t val = OPI_CARD(obj)->boot.os_status;

    visit_type_uint32(v, name, &val, errp);
}

static char *opi_card_get_host_power(Object *obj, Error **errp)
{
    static const char *const names[] = {
        [OPI_HOST_OFF] = "off",
        [OPI_HOST_RUNNING] = "running",
        [OPI_HOST_PAUSED] = "paused",
    };

    return g_strdup(names[OPI_CARD(obj)->host_power]);
}

static const Property opi_card_props[] = {
    DEFINE_PROP_CHR("chardev", OpiCard, chr),
    DEFINE_PROP_NETDEV("netdev", OpiCard, nic_conf.peers),
    DEFINE_PROP_UINT64("serial", OpiCard, serial, 0),
    DEFINE_PROP_STRING("mode", OpiCard, mode_name),
    DEFINE_PROP_BOOL("trust", OpiCard, trust, true),
    DEFINE_PROP_UINT32("time-scale", OpiCard, time_scale, 1),
    DEFINE_PROP_UINT32("max-qps", OpiCard, max_qps, 16),
    DEFINE_PROP_UINT32("max-sfs", OpiCard, max_sfs, OPI_SFS),
    /* Limit of each function's slow path at first, frames a second. */
    DEFINE_PROP_UINT32("slow-police", OpiCard, slow_police, 0),
    DEFINE_PROP_UINT32("dirty-pages", OpiCard, dirty_pages, OPI_DIRTY_PAGES),
    /* Cards with the same take each other's VFs at first. */
    DEFINE_PROP_STRING("mig-key", OpiCard, mig_key_name),
    /* Fewer than the card has: what drivers do without is tested so. */
    DEFINE_PROP_UINT64("caps", OpiCard, caps, OPI_CAPS),
};

/* Faults that are counted: "fault-NAME" host PF, "fault-soc-NAME" DPU. */
static const struct {
    const char *name;
    size_t offset;
} opi_card_faults[] = {
    { "aq-drop", offsetof(OpiFaults, aq_drop) },
    { "aq-bogus", offsetof(OpiFaults, aq_bogus) },
    { "eq-drop", offsetof(OpiFaults, eq_drop) },
    { "db-drop", offsetof(OpiFaults, db_drop) },
    { "qp-error", offsetof(OpiFaults, qp_error) },
    { "cqe-bad", offsetof(OpiFaults, cqe_bad) },
    { "sq-head-bad", offsetof(OpiFaults, sq_head_bad) },
    { "msix-drop", offsetof(OpiFaults, msix_drop) },
    { "dirty-lost", offsetof(OpiFaults, dirty_lost) },
};

static void opi_card_add_u32(ObjectClass *oc, const char *name, size_t offset,
                             bool writable)
{
    object_class_property_add(oc, name, "uint32", opi_card_get_u32,
                              writable ? opi_card_set_u32 : NULL, NULL,
                              (void *)(uintptr_t)offset);
}

/* ---- The object -------------------------------------------------------- */

static bool opi_card_parse_mode(OpiCard *c, Error **errp)
{
    static const char *const names[] = {
        [OPI_MODE_TRUSTED] = "trusted",
        [OPI_MODE_RESTRICTED] = "restricted",
        [OPI_MODE_ISOLATED] = "isolated",
    };
    unsigned i;

    if (!c->mode_name) {
        c->mode = OPI_MODE_RESTRICTED;
        return true;
    }
    for (i = 0; i < ARRAY_SIZE(names); i++) {
        if (g_str_equal(c->mode_name, names[i])) {
            c->mode = i;
            return true;
        }
    }
    error_setg(errp, "mode must be trusted, restricted or isolated");
    return false;
}

static void opi_card_free(OpiCard *c)
{
    unsigned i;

    opi_func_finalize(c);
    opi_eswitch_finalize(c);
    opi_rate_finalize(c);
    for (i = 0; i < OPI_FNS; i++) {
        opi_fn_finalize(opi_card_fn(c, i));
    }
    g_free(c->bounce);
}

static void opi_card_realize(DeviceState *dev, Error **errp)
{
    OpiCard *c = OPI_CARD(dev);
    unsigned i;

    if (!c->serial) {
        error_setg(errp, "serial is required and must not be zero");
        return;
    }
    if (!c->max_qps || c->max_qps > OPI_QPS_MAX) {
        error_setg(errp, "max-qps must be 1 to %d", OPI_QPS_MAX);
        return;
    }
    if (c->max_sfs > OPI_SFS) {
        error_setg(errp, "max-sfs must be at most %d", OPI_SFS);
        return;
    }
    if (!c->time_scale || c->time_scale > OPI_LINK_SCALE_MAX) {
        error_setg(errp, "time-scale must be 1 to 1000");
        return;
    }
    if (c->caps & ~OPI_CAPS) {
        error_setg(errp, "caps has bits of capabilities that there are not");
        return;
    }
    if (c->dirty_pages < OPI_DIRTY_PAGES_MIN ||
        c->dirty_pages > OPI_DIRTY_PAGES) {
        error_setg(errp, "dirty-pages must be %d to %u", OPI_DIRTY_PAGES_MIN,
                   OPI_DIRTY_PAGES);
        return;
    }
    if (!opi_card_parse_mode(c, errp) || !opi_mig_init(c, errp)) {
        return;
    }
    if (!(c->caps & OPI_CAP_SF)) {
        c->max_sfs = 0;
    }
    opi_rate_init(c);
    QTAILQ_INIT(&c->moved);
    QTAILQ_INIT(&c->looking);
    QTAILQ_INIT(&c->waiting);
    c->coalesce_at = INT64_MAX;
    c->bounce = g_malloc(OPI_TAG_LEN + OPI_FRAME_MAX);
    opi_fn_init(&c->host, c, OPI_ROLE_HOST_PF, OPI_ID16_NONE, &opi_fn_pci_ops);
    opi_fn_init(&c->dpu, c, OPI_ROLE_DPU, OPI_ID16_NONE, &opi_fn_link_ops);
    for (i = 0; i < OPI_VFS; i++) {
        opi_fn_init(&c->vf[i], c, OPI_ROLE_HOST_VF, i, &opi_fn_pci_ops);
    }
    opi_eswitch_init(c);
    opi_func_init(c);
    opi_rx_reset(&c->dpu);
    opi_card_boot_block(c);

    if (!opi_link_card_realize(c, errp)) {
        opi_card_free(c);
        return;
    }
    c->bh = qemu_bh_new_guarded(opi_card_bh, c, &dev->mem_reentrancy_guard);
    c->retry = timer_new_ms(QEMU_CLOCK_REALTIME, opi_card_retry, c);
    /* The DPU goes on while the host's VM is stopped: no virtual time. */
    c->coalesce = timer_new_ns(QEMU_CLOCK_REALTIME, opi_card_coalesce, c);
    c->look = timer_new_ns(QEMU_CLOCK_REALTIME, opi_card_look, c);
    c->second = timer_new_ms(QEMU_CLOCK_REALTIME, opi_card_second, c);
    opi_card_second(c);
    c->host_power = runstate_is_running() ? OPI_HOST_RUNNING : OPI_HOST_OFF;
    c->vm_state = qemu_add_vm_change_state_handler(opi_card_vm_state, c);
    opi_uplink_realize(c);
    opi_card_update(c);
}

static void opi_card_unrealize(DeviceState *dev)
{
    OpiCard *c = OPI_CARD(dev);

    opi_link_card_unrealize(c);
    opi_uplink_unrealize(c);
    qemu_del_vm_change_state_handler(c->vm_state);
    timer_free(c->second);
    timer_free(c->retry);
    timer_free(c->coalesce);
    timer_free(c->look);
    qemu_bh_delete(c->bh);
    opi_card_free(c);
}

static const VMStateDescription opi_card_vmstate = {
    .name = TYPE_OPI_CARD,
    .unmigratable = 1,
};

static void opi_card_class_init(ObjectClass *oc, OpiClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    unsigned i;

    dc->realize = opi_card_realize;
    dc->unrealize = opi_card_unrealize;
    dc->vmsd = &opi_card_vmstate;
    dc->desc = "OPI DPU card (its functions: opi-dpu)";
    dc->hotpluggable = false;
    set_bit(DEVICE_CATEGORY_NETWORK, dc->categories);
    device_class_set_props(dc, opi_card_props);

    for (i = 0; i < ARRAY_SIZE(opi_card_faults); i++) {
        g_autofree char *host = g_strdup_printf("fault-%s",
                                                opi_card_faults[i].name);
        g_autofree char *soc = g_strdup_printf("fault-soc-%s",
                                               opi_card_faults[i].name);

        opi_card_add_u32(oc, host, offsetof(OpiCard, host.fault) +
                         opi_card_faults[i].offset, true);
        opi_card_add_u32(oc, soc, offsetof(OpiCard, dpu.fault) +
                         opi_card_faults[i].offset, true);
    }
    opi_card_add_u32(oc, "generation", offsetof(OpiCard, generation), false);
    object_class_property_add_bool(oc, "fault-dead", opi_card_get_dead,
                                   opi_card_set_dead);
    object_class_property_add_bool(oc, "fault-fatal", opi_card_get_fatal,
                                   opi_card_set_fatal);
    object_class_property_add_bool(oc, "fault-soc-fatal",
                                   opi_card_get_soc_fatal,
                                   opi_card_set_soc_fatal);
    object_class_property_add_bool(oc, "fault-link-cut", opi_card_get_cut,
                                   opi_card_set_cut);
    object_class_property_add_bool(oc, "fault-uplink-down",
                                   opi_card_get_uplink_down,
                                   opi_card_set_uplink_down);
    object_class_property_add_bool(oc, "link-up", opi_card_get_link_up, NULL);
    object_class_property_add(oc, "os-status", "uint32",
                              opi_card_get_os_status, NULL, NULL, NULL);
    object_class_property_add_str(oc, "host-power", opi_card_get_host_power,
                                  NULL);
}

static const TypeInfo opi_card_info = {
    .name = TYPE_OPI_CARD,
    .parent = TYPE_DEVICE,
    .instance_size = sizeof(OpiCard),
    .class_init = opi_card_class_init,
};

static void opi_card_register(void)
{
    type_register_static(&opi_card_info);
}

type_init(opi_card_register)
