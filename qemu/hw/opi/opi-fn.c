/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OPI card: one function: its registers, doorbells and reset.
 *
 * The host's PF and the DPU's function are the same here; where accesses come
 * from is in opi-pf.c and opi-link-card.c.  Commands are in opi-admin.c.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "opi-card.h"
#include "trace.h"

/* All that can be read as other than zero. */
const uint16_t opi_regs[] = {
    OPI_REG_MAGIC, OPI_REG_VERSION, OPI_REG_ROLE, OPI_REG_FUNC_ID,
    OPI_REG_SERIAL_LO, OPI_REG_SERIAL_HI, OPI_REG_GENERATION, OPI_REG_PEER,
    OPI_REG_CAPS_LO, OPI_REG_CAPS_HI, OPI_REG_LIMITS0, OPI_REG_LIMITS1,
    OPI_REG_TIMEOUT,
    OPI_REG_DEV_CTRL, OPI_REG_DEV_STATUS, OPI_REG_HEALTH, OPI_REG_HEARTBEAT,
    OPI_REG_AQ_SQ_LO, OPI_REG_AQ_SQ_HI, OPI_REG_AQ_CQ_LO, OPI_REG_AQ_CQ_HI,
    OPI_REG_AQ_CTRL, OPI_REG_AQ_STATUS, OPI_REG_AQ_HEAD,
    OPI_REG_BOOT + 0, OPI_REG_BOOT + 4, OPI_REG_BOOT + 8, OPI_REG_BOOT + 12,
    OPI_REG_BOOT + 16, OPI_REG_BOOT + 20, OPI_REG_BOOT + 24, OPI_REG_BOOT + 28,
};
const unsigned opi_nregs = ARRAY_SIZE(opi_regs);

static void opi_fn_publish(OpiFn *fn, uint32_t reg)
{
    if (fn->ops->publish) {
        fn->ops->publish(fn, reg);
    }
}

uint32_t opi_fn_reg_read(OpiFn *fn, uint32_t reg)
{
    OpiCard *c = fn->card;

    if (reg >= OPI_REG_BOOT && reg < OPI_REG_BOOT + sizeof(c->boot)) {
        return ldl_le_p((uint8_t *)&c->boot + (reg - OPI_REG_BOOT));
    }
    switch (reg) {
    case OPI_REG_MAGIC:
        return OPI_MAGIC;
    case OPI_REG_VERSION:
        return OPI_IFACE_VERSION;
    case OPI_REG_ROLE:
        return fn->role | c->mode << OPI_ROLE_MODE_SHIFT;
    case OPI_REG_FUNC_ID:
        return opi_fn_id(fn);
    case OPI_REG_SERIAL_LO:
        return c->serial;
    case OPI_REG_SERIAL_HI:
        return c->serial >> 32;
    case OPI_REG_GENERATION:
        return c->generation;
    case OPI_REG_PEER:
        return fn->peer;
    case OPI_REG_CAPS_LO:
        return opi_fn_caps(fn);
    case OPI_REG_CAPS_HI:
        return opi_fn_caps(fn) >> 32;
    case OPI_REG_LIMITS0:
        return fn->max_qps | fn->max_eqs << OPI_LIMITS0_EQS_SHIFT;
    case OPI_REG_LIMITS1:
        return OPI_AQ_ORDER_MAX |
               OPI_RING_ORDER_MAX << OPI_LIMITS1_RING_ORDER_SHIFT |
               OPI_SEGS_MAX << OPI_LIMITS1_SEGS_SHIFT |
               12u << OPI_LIMITS1_DB_ORDER_SHIFT;
    case OPI_REG_TIMEOUT:
        return MIN(5000ULL * c->time_scale, 60000);
    case OPI_REG_DEV_CTRL:
        return (uint32_t)fn->token << OPI_DEV_CTRL_TOKEN_SHIFT;
    case OPI_REG_DEV_STATUS:
        return fn->status | (uint32_t)fn->token << OPI_DEV_STATUS_TOKEN_SHIFT;
    case OPI_REG_HEALTH:
        return fn->health;
    case OPI_REG_HEARTBEAT:
        return c->heartbeat;
    case OPI_REG_AQ_SQ_LO:
        return fn->aq_sq_reg;
    case OPI_REG_AQ_SQ_HI:
        return fn->aq_sq_reg >> 32;
    case OPI_REG_AQ_CQ_LO:
        return fn->aq_cq_reg;
    case OPI_REG_AQ_CQ_HI:
        return fn->aq_cq_reg >> 32;
    case OPI_REG_AQ_CTRL:
        return fn->aq_status & OPI_AQ_STATUS_ENABLED ?
               OPI_AQ_CTRL_ENABLE | fn->aq_order << OPI_AQ_CTRL_ORDER_SHIFT : 0;
    case OPI_REG_AQ_STATUS:
        return fn->aq_status;
    case OPI_REG_AQ_HEAD:
        return fn->aq_head;
    default:
        return 0;
    }
}

void opi_fn_reg_write(OpiFn *fn, uint32_t reg, uint32_t val)
{
    OpiCard *c = fn->card;

    trace_opi_reg_write(fn->role, reg, val);
    if (!fn->present || fn->dead || !opi_fn_listens(fn)) {
        return;
    }
    if (reg != OPI_REG_DEV_CTRL && (fn->status & OPI_DEV_STATUS_FATAL)) {
        return;
    }
    switch (reg) {
    case OPI_REG_DEV_CTRL:
        if (val & OPI_DEV_CTRL_RESET) {
            opi_fn_reset(fn);
            fn->token = val >> OPI_DEV_CTRL_TOKEN_SHIFT;
            opi_card_update(c);
        }
        break;
    case OPI_REG_AQ_SQ_LO:
        fn->aq_sq_reg = deposit64(fn->aq_sq_reg, 0, 32, val);
        break;
    case OPI_REG_AQ_SQ_HI:
        fn->aq_sq_reg = deposit64(fn->aq_sq_reg, 32, 32, val);
        break;
    case OPI_REG_AQ_CQ_LO:
        fn->aq_cq_reg = deposit64(fn->aq_cq_reg, 0, 32, val);
        break;
    case OPI_REG_AQ_CQ_HI:
        fn->aq_cq_reg = deposit64(fn->aq_cq_reg, 32, 32, val);
        break;
    case OPI_REG_AQ_CTRL:
        if (val & OPI_AQ_CTRL_ENABLE) {
            if (val & ~(OPI_AQ_CTRL_ENABLE | OPI_AQ_CTRL_ORDER_MASK)) {
                fn->aq_status = OPI_AQ_STATUS_ERROR;
            } else {
                opi_admin_enable(fn, (val & OPI_AQ_CTRL_ORDER_MASK) >>
                                     OPI_AQ_CTRL_ORDER_SHIFT);
            }
            opi_card_update(c);
        }
        break;
    default:
        return;
    }
    opi_fn_publish(fn, OPI_REG_ALL);
}

void opi_fn_doorbell(OpiFn *fn, uint32_t page, uint32_t off, uint32_t val)
{
    trace_opi_doorbell(fn->role, page, off, val);
    if (!fn->present || fn->dead || (fn->status & OPI_DEV_STATUS_FATAL) ||
        !opi_fn_listens(fn)) {
        return;
    }
    if (page == 0) {
        if (off == OPI_DB_AQ_TAIL) {
            opi_admin_kick(fn, val);
        }
    } else if (page <= fn->nqps && off == OPI_DB_SQ_TAIL) {
        if (fn->fault.db_drop) {
            fn->fault.db_drop--;
            trace_opi_doorbell_dropped(fn->role, page);
            return;
        }
        /* Posted buffers need no kick: the card never waits for them. */
        opi_qp_kick(&fn->qps[page - 1]);
    }
}

void opi_fn_notify(OpiFn *fn, unsigned vector)
{
    if (!opi_fn_runs(fn)) {
        /* All are raised when it goes on. */
        return;
    }
    if (fn->fault.msix_drop) {
        fn->fault.msix_drop--;
        trace_opi_notify_dropped(fn->role, vector);
        return;
    }
    fn->ops->notify(fn, vector);
}

void opi_fn_set_status(OpiFn *fn, uint32_t set, uint32_t clear)
{
    uint32_t status = (fn->status & ~clear) | set;

    if (status == fn->status) {
        return;
    }
    trace_opi_status(fn->role, fn->status, status);
    fn->status = status;
    opi_fn_publish(fn, OPI_REG_ALL);
    opi_fn_notify(fn, 0);
}

/* From here on no DMA for the function. */
static void opi_fn_drop_queues(OpiFn *fn)
{
    unsigned i;

    for (i = 0; i < fn->nqps; i++) {
        opi_qp_drop(&fn->qps[i]);
    }
    memset(fn->eqs, 0, sizeof(*fn->eqs) * fn->neqs);
    fn->aq_pending = false;
    opi_func_detach_sfs(fn);
}

void opi_fn_fatal(OpiFn *fn, uint32_t health)
{
    fn->health = health;
    fn->aq_status = OPI_AQ_STATUS_ERROR;
    opi_fn_drop_queues(fn);
    /* Others are told of what went with the queues. */
    fn->card->reset_wanted = true;
    opi_fn_set_status(fn, OPI_DEV_STATUS_FATAL, 0);
}

void opi_fn_reset(OpiFn *fn)
{
    OpiCard *c = fn->card;
    unsigned i;

    trace_opi_fn_reset(fn->role);
    opi_fn_drop_queues(fn);
    fn->aq_sq_reg = 0;
    fn->aq_cq_reg = 0;
    fn->aq_sq = 0;
    fn->aq_cq = 0;
    fn->aq_order = 0;
    fn->aq_status = 0;
    fn->aq_head = 0;
    fn->aq_tail = 0;
    fn->aq_cpls = 0;
    fn->seq = 0;
    fn->token = 0;
    fn->health = OPI_HEALTH_OK;
    fn->reset_wanted = false;
    opi_rx_reset(fn);

    for (i = 0; i < OPI_PORTS; i++) {
        OpiPort *p = c->port[i];

        if (p && fn == &c->dpu) {
            p->rep_up = false;
        } else if (p && p->owner && p->owner->fn == fn) {
            p->func_up = false;
        }
    }
    if (fn == &c->host) {
        opi_mig_abandon(c);
    }
    if (fn == &c->dpu) {
        opi_rate_reset(c);
        c->booted = false;
        if (c->ctrl) {
            qatomic_set(&c->ctrl->aq_tail, 0);
        }
    }
    opi_fn_set_status(fn, fn->present ? OPI_DEV_STATUS_READY : 0,
                      fn->present ? OPI_DEV_STATUS_FATAL : UINT32_MAX);
    opi_fn_publish(fn, OPI_REG_ALL);
}

uint64_t opi_fn_caps(const OpiFn *fn)
{
    switch (fn->role) {
    case OPI_ROLE_DPU:
        return fn->card->caps;
    case OPI_ROLE_HOST_VF:
        return fn->card->caps & ~(OPI_CAPS_DPU | OPI_CAPS_NOT_VF);
    default:
        return fn->card->caps & ~OPI_CAPS_DPU;
    }
}

uint32_t opi_fn_id(const OpiFn *fn)
{
    if (fn->role == OPI_ROLE_DPU) {
        return OPI_FUNC_DPU;
    }
    return fn->func ? fn->func->id : OPI_ID_NONE;
}

void opi_fn_init(OpiFn *fn, OpiCard *c, uint8_t role, uint16_t vf,
                 const OpiFnOps *ops)
{
    unsigned i;

    fn->card = c;
    fn->role = role;
    fn->vf = vf;
    fn->ops = ops;
    switch (role) {
    case OPI_ROLE_DPU:
        fn->port = OPI_PORT_ID_UPLINK;
        break;
    case OPI_ROLE_HOST_PF:
        fn->port = OPI_PORT_ID_HOST_PF;
        break;
    default:
        fn->port = OPI_PORT_ID_VF + vf;
        break;
    }
    fn->nqps = role == OPI_ROLE_HOST_VF ? OPI_VF_QPS : c->max_qps;
    fn->neqs = role == OPI_ROLE_HOST_VF ? OPI_VF_EQS : c->max_qps + 1;
    if (role == OPI_ROLE_HOST_PF) {
        fn->nqps += c->max_sfs * OPI_SF_QPS;
    }
    fn->max_qps = fn->nqps;
    fn->max_eqs = fn->neqs;
    fn->eqs = g_new0(OpiEq, fn->neqs);
    fn->qps = g_new0(OpiQp, fn->nqps);
    for (i = 0; i < fn->nqps; i++) {
        fn->qps[i].fn = fn;
        fn->qps[i].id = i;
    }
}

void opi_fn_finalize(OpiFn *fn)
{
    opi_mig_free(fn);
    opi_dirty_free(fn);
    g_free(fn->eqs);
    g_free(fn->qps);
    fn->eqs = NULL;
    fn->qps = NULL;
}
