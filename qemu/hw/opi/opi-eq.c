/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OPI card: event queues: making them, writing events, interrupting.
 *
 * What the events mean is decided by the callers.  An event that finds no room
 * is never waited for: an asynchronous one is counted and told of later
 * (OPI_EV_LOST), a queue pair's is tried again by opi_card_run() and the timer.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "opi-card.h"
#include "trace.h"

uint16_t opi_eq_create(OpiFn *fn, uint32_t id, const struct opi_cmd *cmd)
{
    uint64_t ring = le64_to_cpu(cmd->u.eq.ring);
    uint64_t shadow = le64_to_cpu(cmd->u.eq.shadow);
    uint16_t vector = le16_to_cpu(cmd->u.eq.vector);
    uint8_t order = cmd->u.eq.order;
    uint32_t neqs = fn->max_eqs;
    OpiEq *eq;

    if (id >= neqs) {
        return OPI_ST_ERANGE;
    }
    eq = &fn->eqs[id];
    if (eq->used) {
        return OPI_ST_EEXIST;
    }
    if (vector >= neqs) {
        return OPI_ST_ERANGE;
    }
    if (order < OPI_RING_ORDER_MIN || order > OPI_RING_ORDER_MAX ||
        (ring & 63) || (shadow & 15) || (id == 0 && vector != 0)) {
        return OPI_ST_EINVAL;
    }
    *eq = (OpiEq) {
        .used = true,
        .order = order,
        .vector = vector,
        .ring = ring,
        .shadow = shadow,
    };
    return OPI_ST_OK;
}

uint16_t opi_eq_destroy(OpiFn *fn, uint32_t id)
{
    if (id >= fn->max_eqs) {
        return OPI_ST_ERANGE;
    }
    if (!fn->eqs[id].used) {
        return OPI_ST_ENOENT;
    }
    if (fn->eqs[id].users) {
        return OPI_ST_EBUSY;
    }
    memset(&fn->eqs[id], 0, sizeof(fn->eqs[id]));
    return OPI_ST_OK;
}

/* How many entries are free; 0 also if the driver's head makes no sense. */
static uint32_t opi_eq_room(OpiFn *fn, OpiEq *eq)
{
    uint32_t size = 1u << eq->order, head;

    if (!opi_dma_ld32(fn, eq->shadow + offsetof(struct opi_eq_shadow, head),
                      &head) || eq->tail - head > size) {
        return 0;
    }
    return size - (eq->tail - head);
}

static bool opi_eq_put(OpiFn *fn, OpiEq *eq, struct opi_eqe *e)
{
    uint32_t size = 1u << eq->order, arm;
    uint32_t phase = !(eq->tail & size);

    e->phase = cpu_to_le32(phase);
    if (!opi_dma_entry(fn, eq->ring + (eq->tail & (size - 1)) * sizeof(*e),
                       e, sizeof(*e))) {
        return false;
    }
    eq->tail++;
    /* The driver writes arm and looks at the ring again: one of us sees it. */
    smp_mb();
    if (opi_dma_ld32(fn, eq->shadow + offsetof(struct opi_eq_shadow, arm),
                     &arm) && OPI_NEED_EVENT(arm, eq->tail, eq->tail - 1)) {
        opi_fn_notify(fn, eq->vector);
    }
    return true;
}

/* Tell of lost events as soon as there is room. */
static void opi_eq_tell_lost(OpiFn *fn, OpiEq *eq)
{
    struct opi_eqe e = {
        .type = OPI_EV_LOST,
        .value = cpu_to_le32(eq->lost),
        .func_id = cpu_to_le32(opi_fn_id(fn)),
        .port = cpu_to_le32(OPI_ID_NONE),
        .sf = cpu_to_le32(OPI_ID_NONE),
        .vf = cpu_to_le16(fn->vf),
        .seq = cpu_to_le32(fn->seq + 1),
    };

    if (opi_eq_room(fn, eq) && opi_eq_put(fn, eq, &e)) {
        fn->seq++;
        eq->lost = 0;
    }
}

static void opi_eq_async(OpiFn *fn, struct opi_eqe *e)
{
    OpiEq *eq = &fn->eqs[0];

    if (!eq->used) {
        return;
    }
    if (!opi_fn_runs(fn)) {
        fn->seq++;
        eq->lost++;
        return;
    }
    if (eq->lost) {
        opi_eq_tell_lost(fn, eq);
    }
    e->seq = cpu_to_le32(++fn->seq);
    trace_opi_event(fn->role, e->type, e->sub, le32_to_cpu(e->value), fn->seq);
    if (fn->fault.eq_drop) {
        fn->fault.eq_drop--;
        eq->lost++;
        opi_eq_retry_later(fn->card);
        return;
    }
    if (eq->lost || !opi_eq_room(fn, eq) || !opi_eq_put(fn, eq, e)) {
        eq->lost++;
        opi_eq_retry_later(fn->card);
    }
}

void opi_event(OpiFn *fn, uint8_t type, uint8_t sub, uint32_t value)
{
    struct opi_eqe e = {
        .type = type,
        .sub = sub,
        .value = cpu_to_le32(value),
        .func_id = cpu_to_le32(OPI_ID_NONE),
        .port = cpu_to_le32(OPI_ID_NONE),
        .sf = cpu_to_le32(OPI_ID_NONE),
        .vf = cpu_to_le16(OPI_ID16_NONE),
    };

    opi_eq_async(fn, &e);
}

void opi_event_port(OpiFn *fn, uint8_t type, uint8_t sub, uint32_t value,
                    const OpiPort *p)
{
    const OpiFunc *f = p->owner;
    struct opi_eqe e = {
        .type = type,
        .sub = sub,
        .value = cpu_to_le32(value),
        .func_id = cpu_to_le32(f ? f->id : OPI_ID_NONE),
        .port = cpu_to_le32(p->id),
        .sf = cpu_to_le32(f ? f->sf : OPI_ID_NONE),
        .vf = cpu_to_le16(f ? f->fn->vf : OPI_ID16_NONE),
    };

    opi_eq_async(fn, &e);
}

static uint32_t opi_qp_func(const OpiQp *qp)
{
    return qp->port ? qp->port->owner->id : OPI_FUNC_DPU;
}

void opi_event_qp_error(OpiQp *qp)
{
    struct opi_eqe e = {
        .type = OPI_EV_QP_ERROR,
        .sub = qp->error,
        .queue = cpu_to_le16(qp->id),
        .func_id = cpu_to_le32(opi_qp_func(qp)),
        .port = cpu_to_le32(OPI_ID_NONE),
        .sf = cpu_to_le32(qp->port ? qp->port->owner->sf : OPI_ID_NONE),
        .vf = cpu_to_le16(qp->fn->vf),
    };

    opi_eq_async(qp->fn, &e);
}

bool opi_eq_notify_qp(OpiQp *qp)
{
    OpiFn *fn = qp->fn;
    OpiEq *eq = &fn->eqs[qp->eq];
    struct opi_eqe e = {
        .type = OPI_EV_QP,
        .queue = cpu_to_le16(qp->id),
        .func_id = cpu_to_le32(opi_qp_func(qp)),
        .port = cpu_to_le32(OPI_ID_NONE),
        .sf = cpu_to_le32(qp->port ? qp->port->owner->sf : OPI_ID_NONE),
        .vf = cpu_to_le16(fn->vf),
    };

    trace_opi_event_qp(fn->role, qp->id);
    return opi_eq_room(fn, eq) && opi_eq_put(fn, eq, &e);
}

void opi_eq_release(OpiFn *fn)
{
    OpiEq *eq = &fn->eqs[0];

    if (eq->used && eq->lost) {
        opi_eq_tell_lost(fn, eq);
        if (eq->lost) {
            opi_eq_retry_later(fn->card);
        }
    }
}

/* Those that found no room; called by the timer. */
void opi_eq_retry(OpiCard *c)
{
    bool again = false;
    unsigned i, q;

    for (i = 0; i < OPI_FNS; i++) {
        OpiFn *fn = opi_card_fn(c, i);

        if (!opi_fn_runs(fn)) {
            continue;
        }
        if (fn->eqs[0].used && fn->eqs[0].lost) {
            opi_eq_tell_lost(fn, &fn->eqs[0]);
            again |= fn->eqs[0].lost;
        }
        for (q = 0; q < fn->nqps; q++) {
            OpiQp *qp = &fn->qps[q];

            if (qp->unheard) {
                qp->unheard = !opi_eq_notify_qp(qp);
                again |= qp->unheard;
            }
        }
    }
    if (again) {
        opi_eq_retry_later(c);
    }
}

void opi_eq_retry_later(OpiCard *c)
{
    if (!timer_pending(c->retry)) {
        timer_mod(c->retry, qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + 5);
    }
}
