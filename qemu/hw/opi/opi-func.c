/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OPI card: the function table: which functions the host has, made and set up
 * by the DPU, what state they are in and who is told of it.
 *
 * A function's registers, queues and reset are in opi-fn.c, the VFs' PCI shells
 * in opi-vf.c, ports in opi-eswitch.c.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "net/eth.h"
#include "opi-card.h"
#include "trace.h"

OpiFunc *opi_func_find(const OpiCard *c, uint32_t id)
{
    OpiFunc *f;

    QTAILQ_FOREACH(f, &c->funcs, entry) {
        if (f->id == id) {
            return f;
        }
    }
    return NULL;
}

bool opi_func_known_to(const OpiFunc *f, const OpiFn *fn)
{
    return fn->role == OPI_ROLE_DPU || f->type != OPI_PORT_SF ||
           f->state != OPI_FUNC_HIDDEN;
}

bool opi_func_owned_by(const OpiFunc *f, const OpiFn *fn)
{
    return fn->role == OPI_ROLE_DPU || f->fn == fn;
}

/* ---- Events ------------------------------------------------------------ */

/* What a host function is told of @f, if it is told at all. */
static bool opi_func_host_hears(const OpiFunc *f, uint32_t change)
{
    switch (change) {
    case OPI_CHANGE_SET:
        return f->state != OPI_FUNC_HIDDEN;
    case OPI_CHANGE_EXPOSED:
    case OPI_CHANGE_WITHDRAWN:
        return f->type == OPI_PORT_SF;
    default:
        return false;
    }
}

static void opi_func_event(OpiCard *c, const OpiFunc *f, uint8_t state,
                           uint32_t change)
{
    trace_opi_func(f->id, f->port->id, state, change);
    opi_event_port(&c->dpu, OPI_EV_FUNC, state, change, f->port);
    if (opi_func_host_hears(f, change)) {
        opi_event_port(f->fn, OPI_EV_FUNC, state, change, f->port);
    }
}

void opi_func_changed(OpiCard *c, const OpiFunc *f, uint32_t change)
{
    opi_func_event(c, f, f->state, change);
}

/* ---- Making and destroying --------------------------------------------- */

static OpiFunc *opi_func_new(OpiCard *c, uint8_t type, uint32_t port, OpiFn *fn)
{
    OpiFunc *f = g_new0(OpiFunc, 1);

    f->id = ++c->last_func;
    f->type = type;
    f->fn = fn;
    f->sf = OPI_ID_NONE;
    f->trust = c->trust;
    f->port = opi_port_new(c, port, f);
    if (type != OPI_PORT_SF) {
        f->expose = true;
        fn->func = f;
    }
    QTAILQ_INSERT_TAIL(&c->funcs, f, entry);
    return f;
}

static void opi_func_free(OpiCard *c, OpiFunc *f)
{
    QTAILQ_REMOVE(&c->funcs, f, entry);
    if (f->type != OPI_PORT_SF) {
        f->fn->func = NULL;
    }
    opi_port_free(c, f->port);
    g_free(f);
}

void opi_func_init(OpiCard *c)
{
    QTAILQ_INIT(&c->funcs);
    c->last_sf_port = OPI_PORTS - 1;
    opi_func_new(c, OPI_PORT_PF, OPI_PORT_ID_HOST_PF, &c->host);
    assert(c->host.func->id == OPI_FUNC_HOST_PF);
}

void opi_func_finalize(OpiCard *c)
{
    OpiFunc *f;

    while ((f = QTAILQ_FIRST(&c->funcs))) {
        opi_func_free(c, f);
    }
}

static void opi_func_set_max_vfs(OpiCard *c, unsigned n)
{
    unsigned i;

    for (i = c->max_vfs; i < n; i++) {
        OpiFn *fn = &c->vf[i];
        OpiFunc *f = opi_func_new(c, OPI_PORT_VF, fn->port, fn);

        fn->max_qps = fn->nqps;
        fn->max_eqs = fn->neqs;
        opi_mig_no_source(fn);
        opi_func_changed(c, f, OPI_CHANGE_CREATED);
    }
    for (i = c->max_vfs; i-- > n; ) {
        OpiFunc *f = c->vf[i].func;

        opi_func_event(c, f, OPI_FUNC_GONE, OPI_CHANGE_DESTROYED);
        opi_func_free(c, f);
    }
    c->max_vfs = n;
}

/* ---- States ------------------------------------------------------------ */

static bool opi_func_attached(const OpiFunc *f)
{
    return f->type == OPI_PORT_SF ? f->attached :
           f->fn->aq_status & OPI_AQ_STATUS_ENABLED;
}

static uint8_t opi_func_state(const OpiCard *c, const OpiFunc *f)
{
    if (!c->pf || !f->fn->present || !f->expose) {
        return OPI_FUNC_HIDDEN;
    }
    return opi_func_attached(f) ? OPI_FUNC_ATTACHED : OPI_FUNC_EXPOSED;
}

/* One step at a time, so that whoever listens sees each. */
static void opi_func_tell(OpiCard *c, OpiFunc *f, uint8_t state)
{
    while (f->state != state) {
        uint32_t change;

        if (f->state > state) {
            change = f->state == OPI_FUNC_ATTACHED ? OPI_CHANGE_DETACHED
                                                   : OPI_CHANGE_WITHDRAWN;
            f->state--;
        } else {
            change = f->state == OPI_FUNC_HIDDEN ? OPI_CHANGE_EXPOSED
                                                 : OPI_CHANGE_ATTACHED;
            f->state++;
        }
        opi_func_event(c, f, f->state, change);
    }
}

/* VFs come and go by the host's VF Enable and by what the DPU lets it have. */
static void opi_func_update_vfs(OpiCard *c)
{
    unsigned n = c->host_power == OPI_HOST_OFF ? 0 : c->vfs;
    unsigned i;

    for (i = 0; i < OPI_VFS; i++) {
        OpiFn *fn = &c->vf[i];
        bool present = i < n && fn->func && fn->func->expose;

        if (present != fn->present) {
            fn->present = present;
            opi_mig_reset(fn);
            opi_dirty_free(fn);
            opi_fn_reset(fn);
        }
    }
    if (n != c->num_vfs) {
        trace_opi_num_vfs(n);
        c->num_vfs = n;
        opi_func_changed(c, c->host.func, OPI_CHANGE_NUM_VFS);
    }
}

void opi_func_update(OpiCard *c)
{
    OpiFunc *f;

    opi_func_update_vfs(c);
    QTAILQ_FOREACH(f, &c->funcs, entry) {
        opi_func_tell(c, f, opi_func_state(c, f));
    }
}

/* ---- Commands ---------------------------------------------------------- */

/* The queue pairs of a PF are its own and those of its SFs. */
static unsigned opi_func_max_qps(const OpiFunc *f)
{
    switch (f->type) {
    case OPI_PORT_PF:
        return f->fn->max_qps - f->fn->card->max_sfs * OPI_SF_QPS;
    case OPI_PORT_SF:
        return OPI_SF_QPS;
    default:
        return f->fn->max_qps;
    }
}

void opi_func_get(const OpiFunc *f, struct opi_func_info *i)
{
    const OpiCard *c = f->fn->card;
    bool pf = f->type == OPI_PORT_PF, sf = f->type == OPI_PORT_SF;

    i->func_id = cpu_to_le32(f->id);
    i->port = cpu_to_le32(f->port->id);
    i->type = f->type;
    i->state = f->state;
    i->flags = cpu_to_le16((f->trust ? OPI_FUNC_F_TRUST : 0) |
                           (f->migratable ? OPI_FUNC_F_MIGRATABLE : 0) |
                           (f->expose ? OPI_FUNC_F_EXPOSE : 0));
    i->controller = cpu_to_le16(1);
    i->pf = cpu_to_le16(0);
    i->vf = cpu_to_le16(f->fn->vf);
    i->host_bdf = cpu_to_le16(f->fn->pdev ? pci_get_bdf(f->fn->pdev) : 0);
    i->sf = cpu_to_le32(f->sf);
    memcpy(i->mac, f->port->mac, sizeof(i->mac));
    i->max_qps = cpu_to_le16(opi_func_max_qps(f));
    i->max_eqs = cpu_to_le16(sf ? 0 : f->fn->max_eqs);
    i->vlan = cpu_to_le16(f->vlan);
    i->max_vfs = cpu_to_le16(pf ? c->max_vfs : 0);
    i->num_vfs = cpu_to_le16(pf ? c->num_vfs : 0);
    i->fclass = OPI_CLASS_NET;
}

/* Fields that functions of a type have. */
static uint32_t opi_func_fields(const OpiFunc *f)
{
    switch (f->type) {
    case OPI_PORT_PF:
        return OPI_FUNC_SET_TRUST | OPI_FUNC_SET_MAC | OPI_FUNC_SET_VLAN |
               OPI_FUNC_SET_MAX_VFS;
    case OPI_PORT_VF:
        return OPI_FUNC_SET_TRUST | OPI_FUNC_SET_MIGRATABLE |
               OPI_FUNC_SET_MAC | OPI_FUNC_SET_VLAN | OPI_FUNC_SET_MAX_QPS |
               OPI_FUNC_SET_MAX_EQS;
    default:
        return OPI_FUNC_SET_TRUST | OPI_FUNC_SET_MAC | OPI_FUNC_SET_VLAN;
    }
}

/* What FUNC_SET asks for, in the host's byte order. */
typedef struct OpiFuncSet {
    uint32_t mask;
    uint16_t flags, vlan, max_qps, max_eqs, max_vfs;
    const uint8_t *mac;
} OpiFuncSet;

/* What the mask does not name must be zero. */
static bool opi_func_set_fits(const OpiFuncSet *s)
{
    return ((s->mask & OPI_FUNC_SET_TRUST) ||
            !(s->flags & OPI_FUNC_F_TRUST)) &&
           ((s->mask & OPI_FUNC_SET_MIGRATABLE) ||
            !(s->flags & OPI_FUNC_F_MIGRATABLE)) &&
           !(s->flags & ~(OPI_FUNC_F_TRUST | OPI_FUNC_F_MIGRATABLE)) &&
           ((s->mask & OPI_FUNC_SET_MAC) || buffer_is_zero(s->mac, ETH_ALEN)) &&
           ((s->mask & OPI_FUNC_SET_VLAN) || !s->vlan) &&
           ((s->mask & OPI_FUNC_SET_MAX_QPS) || !s->max_qps) &&
           ((s->mask & OPI_FUNC_SET_MAX_EQS) || !s->max_eqs) &&
           ((s->mask & OPI_FUNC_SET_MAX_VFS) || !s->max_vfs);
}

static uint16_t opi_func_set_check(const OpiFunc *f, const OpiFuncSet *s)
{
    const OpiCard *c = f->fn->card;

    if (!s->mask || (s->mask & ~opi_func_fields(f)) || !opi_func_set_fits(s)) {
        return OPI_ST_EINVAL;
    }
    if ((s->mask & OPI_FUNC_SET_MIGRATABLE) &&
        !(s->flags & OPI_FUNC_F_MIGRATABLE) &&
        (!opi_fn_runs(f->fn) || f->fn->dirty)) {
        return OPI_ST_EBUSY;
    }
    if ((s->mask & OPI_FUNC_SET_MAC) &&
        (is_multicast_ether_addr(s->mac) || buffer_is_zero(s->mac, ETH_ALEN))) {
        return OPI_ST_EINVAL;
    }
    if (s->vlan > OPI_VLAN_MAX) {
        return OPI_ST_ERANGE;
    }
    if (s->mask & OPI_FUNC_SET_MAX_QPS) {
        if (!s->max_qps || s->max_qps > f->fn->nqps) {
            return OPI_ST_ERANGE;
        }
        if (f->state == OPI_FUNC_ATTACHED || !opi_fn_runs(f->fn)) {
            return OPI_ST_EBUSY;
        }
    }
    if (s->mask & OPI_FUNC_SET_MAX_EQS) {
        if (!s->max_eqs || s->max_eqs > f->fn->neqs) {
            return OPI_ST_ERANGE;
        }
        if (f->state == OPI_FUNC_ATTACHED || !opi_fn_runs(f->fn)) {
            return OPI_ST_EBUSY;
        }
    }
    if (s->mask & OPI_FUNC_SET_MAX_VFS) {
        if (!(c->caps & OPI_CAP_SRIOV)) {
            return OPI_ST_EOPNOTSUPP;
        }
        if (s->max_vfs > OPI_VFS) {
            return OPI_ST_ERANGE;
        }
        if (s->max_vfs < c->num_vfs) {
            return OPI_ST_EBUSY;
        }
    }
    return OPI_ST_OK;
}

uint16_t opi_func_set(OpiFunc *f, const struct opi_cmd *cmd)
{
    OpiFuncSet s = {
        .mask = le32_to_cpu(cmd->u.func.mask),
        .flags = le16_to_cpu(cmd->u.func.flags),
        .vlan = le16_to_cpu(cmd->u.func.vlan),
        .max_qps = le16_to_cpu(cmd->u.func.max_qps),
        .max_eqs = le16_to_cpu(cmd->u.func.max_eqs),
        .max_vfs = le16_to_cpu(cmd->u.func.max_vfs),
        .mac = cmd->u.func.mac,
    };
    OpiCard *c = f->fn->card;
    uint16_t st = opi_func_set_check(f, &s);

    if (st != OPI_ST_OK) {
        return st;
    }
    if (s.mask & OPI_FUNC_SET_TRUST) {
        f->trust = s.flags & OPI_FUNC_F_TRUST;
        if (!f->trust) {
            f->port->func.rx.flags &= ~OPI_RX_F_PROMISC;
        }
    }
    if (s.mask & OPI_FUNC_SET_MIGRATABLE) {
        f->migratable = s.flags & OPI_FUNC_F_MIGRATABLE;
    }
    if (s.mask & OPI_FUNC_SET_MAC) {
        memcpy(f->port->mac, s.mac, sizeof(f->port->mac));
    }
    if (s.mask & OPI_FUNC_SET_VLAN) {
        f->vlan = s.vlan;
    }
    if (s.mask & OPI_FUNC_SET_MAX_QPS) {
        f->fn->max_qps = s.max_qps;
    }
    if (s.mask & OPI_FUNC_SET_MAX_EQS) {
        f->fn->max_eqs = s.max_eqs;
    }
    if (s.mask & OPI_FUNC_SET_MAX_VFS) {
        opi_func_set_max_vfs(c, s.max_vfs);
    }
    opi_func_changed(c, f, OPI_CHANGE_SET);
    return OPI_ST_OK;
}

/* As a reset does: what a driver of it has set up is gone. */
static void opi_func_stop_sf(OpiFunc *f)
{
    opi_qp_drop_port(f->fn, f->port);
    opi_rx_reset_port(f->fn, f->port);
    f->port->func_up = false;
    f->attached = false;
}

void opi_func_detach_sfs(const OpiFn *fn)
{
    OpiFunc *f;

    QTAILQ_FOREACH(f, &fn->card->funcs, entry) {
        if (f->fn == fn && f->type == OPI_PORT_SF) {
            f->attached = false;
            f->port->func_up = false;
        }
    }
}

uint16_t opi_func_expose(OpiFunc *f, bool expose)
{
    if (f->type == OPI_PORT_PF) {
        return OPI_ST_EINVAL;
    }
    if (f->expose == expose) {
        return expose ? OPI_ST_EEXIST : OPI_ST_ENODEV;
    }
    f->expose = expose;
    if (!expose && f->type == OPI_PORT_SF) {
        opi_func_stop_sf(f);
    }
    /*
     * A VF is reset by this.  Nothing of the function is in flight when it
     * returns.
     */
    opi_card_update(f->fn->card);
    return OPI_ST_OK;
}

static bool opi_func_sf_used(const OpiCard *c, uint32_t sf)
{
    OpiFunc *f;

    QTAILQ_FOREACH(f, &c->funcs, entry) {
        if (f->type == OPI_PORT_SF && f->sf == sf) {
            return true;
        }
    }
    return false;
}

/* The one that is free the longest: what is still on its way goes nowhere. */
static uint32_t opi_func_sf_port(const OpiCard *c)
{
    uint32_t id = c->last_sf_port;

    do {
        id = id + 1 < OPI_PORTS ? id + 1 : OPI_PORT_ID_SF;
    } while (opi_eswitch_port(c, id));
    return id;
}

uint16_t opi_func_create(OpiCard *c, const struct opi_cmd *cmd, uint32_t *id)
{
    uint32_t sf = le32_to_cpu(cmd->u.create.sf);
    OpiFunc *f;

    if (cmd->u.create.type != OPI_PORT_SF ||
        cmd->u.create.fclass != OPI_CLASS_NET) {
        return OPI_ST_EINVAL;
    }
    if (le16_to_cpu(cmd->u.create.controller) != 1 ||
        le16_to_cpu(cmd->u.create.pf) != 0) {
        return OPI_ST_ENOENT;
    }
    if (sf == OPI_ID_NONE) {
        return OPI_ST_ERANGE;
    }
    if (opi_func_sf_used(c, sf)) {
        return OPI_ST_EEXIST;
    }
    if (c->nsfs >= c->max_sfs || c->last_func >= OPI_ID_NONE - 1) {
        return OPI_ST_ENOSPC;
    }
    c->nsfs++;
    c->last_sf_port = opi_func_sf_port(c);
    f = opi_func_new(c, OPI_PORT_SF, c->last_sf_port, &c->host);
    f->sf = sf;
    *id = f->id;
    opi_func_changed(c, f, OPI_CHANGE_CREATED);
    return OPI_ST_OK;
}

uint16_t opi_func_destroy(OpiFunc *f)
{
    OpiCard *c = f->fn->card;

    if (f->type != OPI_PORT_SF) {
        return OPI_ST_EINVAL;
    }
    if (f->expose) {
        return OPI_ST_EBUSY;
    }
    opi_func_event(c, f, OPI_FUNC_GONE, OPI_CHANGE_DESTROYED);
    opi_func_free(c, f);
    c->nsfs--;
    return OPI_ST_OK;
}

uint16_t opi_func_attach(OpiFunc *f, const struct opi_cmd *cmd)
{
    uint8_t up = cmd->u.state.up;

    if (f->type != OPI_PORT_SF || up > 1) {
        return OPI_ST_EINVAL;
    }
    if (f->attached == up) {
        return up ? OPI_ST_EEXIST : OPI_ST_ENODEV;
    }
    if (!up) {
        if (opi_qp_count(f->fn, f->port)) {
            return OPI_ST_EBUSY;
        }
        opi_func_stop_sf(f);
    }
    f->attached = up;
    opi_card_update(f->fn->card);
    return OPI_ST_OK;
}

uint16_t opi_func_check_qp(const OpiFn *fn, const OpiPort *p)
{
    const OpiFunc *f = p ? p->owner : NULL;

    if (!p || (f && !opi_func_known_to(f, fn))) {
        return OPI_ST_ENOENT;
    }
    if (!f || !opi_func_owned_by(f, fn)) {
        return OPI_ST_EPERM;
    }
    if (f->type == OPI_PORT_SF && !f->attached) {
        return OPI_ST_ENODEV;
    }
    return opi_qp_count(fn, p) < opi_func_max_qps(f) ? OPI_ST_OK
                                                     : OPI_ST_ENOSPC;
}
