/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OPI card: queue pairs: fetching what is sent, filling what is received into,
 * notifying.  Where a frame goes is decided in opi-eswitch.c.
 *
 * Indices are free-running; all that the driver writes (tails, arm words,
 * descriptors) is read once and bounded.  A queue pair that does not keep the
 * rules stops with an error; the card goes on.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "opi-card.h"
#include "trace.h"

#define SHADOW(qp, word) ((qp)->shadow + offsetof(struct opi_qp_shadow, word))

/* Kicks no further apart are dense, and after so many it is a flood. */
#define OPI_DENSE_NS    100000
#define OPI_DENSE_KICKS 16
/* How often a flood is looked at. */
#define OPI_LOOK_NS     50000

/* Whoever now is the lowest-numbered running one of those that serve as @qp. */
static void opi_qp_elect(const OpiQp *qp)
{
    OpiFn *fn = qp->fn;
    OpiQp *best = NULL;
    unsigned i;

    for (i = 0; i < fn->nqps && !best; i++) {
        OpiQp *q = &fn->qps[i];

        if (q->used && q->state == OPI_QP_RUNNING && q->port == qp->port) {
            best = q;
        }
    }
    *(qp->port ? &qp->port->receiver : &fn->receiver) = best;
}

OpiQp *opi_qp_receiver(const OpiFn *fn, const OpiPort *p)
{
    return fn->role == OPI_ROLE_DPU ? fn->receiver : p->receiver;
}

uint16_t opi_qp_create(OpiFn *fn, uint32_t id, const struct opi_cmd *cmd)
{
    uint64_t sq = le64_to_cpu(cmd->u.qp.sq);
    uint64_t rq = le64_to_cpu(cmd->u.qp.rq);
    uint64_t cq = le64_to_cpu(cmd->u.qp.cq);
    uint64_t shadow = le64_to_cpu(cmd->u.qp.shadow);
    uint16_t eq = le16_to_cpu(cmd->u.qp.eq);
    uint16_t port = le16_to_cpu(cmd->u.qp.port);
    const uint8_t orders[] = {
        cmd->u.qp.sq_order, cmd->u.qp.rq_order, cmd->u.qp.cq_order,
    };
    OpiPort *p = NULL;
    unsigned i;
    OpiQp *qp;

    if (id >= fn->max_qps) {
        return OPI_ST_ERANGE;
    }
    qp = &fn->qps[id];
    if (qp->used) {
        return OPI_ST_EEXIST;
    }
    if (eq >= fn->neqs || !fn->eqs[eq].used) {
        return OPI_ST_ENOENT;
    }
    for (i = 0; i < ARRAY_SIZE(orders); i++) {
        if (orders[i] < OPI_RING_ORDER_MIN || orders[i] > OPI_RING_ORDER_MAX) {
            return OPI_ST_EINVAL;
        }
    }
    if (cmd->u.qp.cq_order < cmd->u.qp.rq_order ||
        (sq | rq | cq | shadow) & 63) {
        return OPI_ST_EINVAL;
    }
    if (fn->role == OPI_ROLE_DPU) {
        if (port) {
            return OPI_ST_EINVAL;
        }
    } else {
        uint16_t st;

        p = opi_eswitch_port(fn->card, port ? port : fn->port);
        st = opi_func_check_qp(fn, p);
        if (st != OPI_ST_OK) {
            return st;
        }
    }
    *qp = (OpiQp) {
        .fn = fn,
        .port = p,
        .id = id,
        .used = true,
        .state = OPI_QP_RUNNING,
        .sq_order = cmd->u.qp.sq_order,
        .rq_order = cmd->u.qp.rq_order,
        .cq_order = cmd->u.qp.cq_order,
        .eq = eq,
        .sq = sq,
        .rq = rq,
        .cq = cq,
        .shadow = shadow,
    };
    fn->eqs[eq].users++;
    opi_qp_elect(qp);
    return OPI_ST_OK;
}

static void opi_qp_unlist(OpiQp *qp)
{
    OpiCard *c = qp->fn->card;

    opi_rate_unkick(qp);
    if (qp->moved) {
        QTAILQ_REMOVE(&c->moved, qp, moved_entry);
        qp->moved = false;
    }
    if (qp->waiting) {
        QTAILQ_REMOVE(&c->waiting, qp, waiting_entry);
        qp->waiting = false;
    }
    if (qp->looking) {
        QTAILQ_REMOVE(&c->looking, qp, looking_entry);
        qp->looking = false;
    }
    qp->unheard = false;
}

void opi_qp_restore(OpiFn *fn, const struct opi_mig_qp *m)
{
    OpiQp *qp = &fn->qps[le16_to_cpu(m->id)];
    uint32_t cq_size = 1u << m->cq_order;

    *qp = (OpiQp) {
        .fn = fn,
        .port = fn->func->port,
        .id = le16_to_cpu(m->id),
        .used = true,
        .state = m->state,
        .error = m->error,
        .sq_order = m->sq_order,
        .rq_order = m->rq_order,
        .cq_order = m->cq_order,
        .eq = le16_to_cpu(m->eq),
        .sq = le64_to_cpu(m->sq),
        .rq = le64_to_cpu(m->rq),
        .cq = le64_to_cpu(m->cq),
        .shadow = le64_to_cpu(m->shadow),
        .sq_head = le32_to_cpu(m->sq_head),
        .rq_head = le32_to_cpu(m->rq_head),
        .cq_tail = le32_to_cpu(m->cq_tail),
        .cut = le32_to_cpu(m->cut),
    };
    /* Nothing is known of what the driver wrote: it is read anew. */
    qp->rq_tail = qp->rq_head;
    qp->cq_head = qp->cq_tail - cq_size;
    qp->sq_seen = qp->sq_head;
    qp->cq_seen = qp->cq_tail;
    fn->eqs[qp->eq].users++;
    opi_qp_elect(qp);
}

void opi_qp_hold(OpiQp *qp)
{
    if (qp->used) {
        opi_qp_unlist(qp);
    }
}

void opi_qp_drop(OpiQp *qp)
{
    if (!qp->used) {
        return;
    }
    opi_qp_unlist(qp);
    qp->fn->eqs[qp->eq].users--;
    qp->used = false;
    qp->state = 0;
    opi_qp_elect(qp);
}

unsigned opi_qp_count(const OpiFn *fn, const OpiPort *p)
{
    unsigned i, n = 0;

    for (i = 0; i < fn->nqps; i++) {
        n += fn->qps[i].used && fn->qps[i].port == p;
    }
    return n;
}

void opi_qp_drop_port(OpiFn *fn, const OpiPort *p)
{
    unsigned i;

    for (i = 0; i < fn->nqps; i++) {
        if (fn->qps[i].port == p) {
            opi_qp_drop(&fn->qps[i]);
        }
    }
}

uint16_t opi_qp_destroy(OpiFn *fn, uint32_t id)
{
    if (id >= fn->max_qps) {
        return OPI_ST_ERANGE;
    }
    if (!fn->qps[id].used) {
        return OPI_ST_ENOENT;
    }
    opi_qp_drop(&fn->qps[id]);
    return OPI_ST_OK;
}

void opi_qp_query(OpiQp *qp, struct opi_qp_info *info)
{
    info->state = qp->state;
    info->error = qp->error;
    info->eq = cpu_to_le16(qp->eq);
    info->sq_head = cpu_to_le32(qp->sq_head);
    info->rq_head = cpu_to_le32(qp->rq_head);
    info->cq_tail = cpu_to_le32(qp->cq_tail);
    info->flags = cpu_to_le32(qp->pending ? OPI_QP_F_WAITS : 0);
}

void opi_qp_fail(OpiQp *qp, uint8_t error)
{
    if (!qp->used || qp->state == OPI_QP_ERROR) {
        return;
    }
    trace_opi_qp_error(qp->fn->role, qp->id, error);
    opi_qp_unlist(qp);
    qp->state = OPI_QP_ERROR;
    qp->error = error;
    opi_qp_elect(qp);
    opi_event_qp_error(qp);
}

/*
 * Each kick of the DPU wakes this process up.  One that kicks for each frame,
 * because the card has always sent it before the next one comes, is looked at
 * after a while instead, until nothing was found.  What the host kicks is
 * served where it kicks, and costs nobody's sleep.
 */
static void opi_qp_pace(OpiQp *qp)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);

    if (now - qp->kicked_at > OPI_DENSE_NS) {
        qp->dense = 0;
    } else if (qp->dense < OPI_DENSE_KICKS) {
        qp->dense++;
    }
    qp->kicked_at = now;
}

static void opi_qp_serve(OpiQp *qp)
{
    if (qp->used && qp->state == OPI_QP_RUNNING && opi_fn_runs(qp->fn)) {
        opi_rate_kick(qp);
    }
}

void opi_qp_kick(OpiQp *qp)
{
    if (qp->fn->role == OPI_ROLE_DPU) {
        opi_qp_pace(qp);
    }
    opi_qp_serve(qp);
}

static void opi_qp_look_later(OpiQp *qp)
{
    OpiCard *c = qp->fn->card;

    if (!qp->looking) {
        if (QTAILQ_EMPTY(&c->looking)) {
            timer_mod(c->look, qemu_clock_get_ns(QEMU_CLOCK_REALTIME) +
                      OPI_LOOK_NS);
        }
        qp->looking = true;
        QTAILQ_INSERT_TAIL(&c->looking, qp, looking_entry);
    }
}

void opi_qp_look(OpiCard *c)
{
    OpiQp *qp;

    while ((qp = QTAILQ_FIRST(&c->looking))) {
        QTAILQ_REMOVE(&c->looking, qp, looking_entry);
        qp->looking = false;
        opi_qp_serve(qp);
    }
}

OpiRate *opi_qp_rate(const OpiQp *qp)
{
    return qp->port ? &qp->port->rate : &qp->fn->card->rate_dpu;
}

static void opi_qp_moved(OpiQp *qp)
{
    OpiCard *c = qp->fn->card;

    if (!qp->moved) {
        qp->moved = true;
        QTAILQ_INSERT_TAIL(&c->moved, qp, moved_entry);
    }
}

static void opi_qp_notify(OpiQp *qp)
{
    if (qp->waiting) {
        QTAILQ_REMOVE(&qp->fn->card->waiting, qp, waiting_entry);
        qp->waiting = false;
    }
    if (!qp->unheard && !opi_eq_notify_qp(qp)) {
        qp->unheard = true;
        opi_eq_retry_later(qp->fn->card);
    }
}

void opi_qp_release(OpiQp *qp)
{
    if (qp->used && qp->state == OPI_QP_RUNNING) {
        opi_rate_kick(qp);
        opi_qp_notify(qp);
    }
}

/*
 * Completions are there that do not pass cq_arm: see that the driver hears of
 * them in time, if it waits for them.
 */
static void opi_qp_wait(OpiQp *qp, uint32_t cq_arm, uint32_t usecs)
{
    OpiCard *c = qp->fn->card;
    bool wait = usecs && (int32_t)(cq_arm - qp->cq_tail) >= 0 &&
                (c->caps & OPI_CAP_COALESCE);

    if (qp->waiting && !wait) {
        QTAILQ_REMOVE(&c->waiting, qp, waiting_entry);
        qp->waiting = false;
    } else if (wait && !qp->waiting) {
        qp->deadline = qemu_clock_get_ns(QEMU_CLOCK_REALTIME) +
                       MIN(usecs, OPI_USECS_MAX) * 1000LL;
        qp->waiting = true;
        QTAILQ_INSERT_TAIL(&c->waiting, qp, waiting_entry);
        if (qp->deadline < c->coalesce_at) {
            c->coalesce_at = qp->deadline;
            timer_mod(c->coalesce, c->coalesce_at);
        }
    }
}

/* The driver's words about notifications, as they are now. */
static bool opi_qp_arms(OpiQp *qp, uint32_t *cq_arm, uint32_t *sq_arm,
                        uint32_t *usecs)
{
    if (opi_dma_ld32(qp->fn, SHADOW(qp, cq_arm), cq_arm) &&
        opi_dma_ld32(qp->fn, SHADOW(qp, sq_arm), sq_arm) &&
        opi_dma_ld32(qp->fn, SHADOW(qp, cq_usecs), usecs)) {
        return true;
    }
    opi_qp_fail(qp, OPI_QP_ERR_DMA);
    return false;
}

void opi_qp_notify_moved(OpiCard *c)
{
    OpiQp *qp;

    if (QTAILQ_EMPTY(&c->moved)) {
        return;
    }
    /*
     * What was written comes before what the driver armed, or it looks again.
     */
    smp_mb();
    while ((qp = QTAILQ_FIRST(&c->moved))) {
        uint32_t cq_seen = qp->cq_seen, sq_seen = qp->sq_seen;
        uint32_t cq_arm, sq_arm, usecs;

        QTAILQ_REMOVE(&c->moved, qp, moved_entry);
        qp->moved = false;
        qp->cq_seen = qp->cq_tail;
        qp->sq_seen = qp->sq_head;
        if (!opi_qp_arms(qp, &cq_arm, &sq_arm, &usecs)) {
            continue;
        }
        if (OPI_NEED_EVENT(cq_arm, qp->cq_tail, cq_seen) ||
            OPI_NEED_EVENT(sq_arm, qp->sq_head, sq_seen)) {
            opi_qp_notify(qp);
        } else if (qp->cq_tail != cq_seen) {
            opi_qp_wait(qp, cq_arm, usecs);
        }
    }
}

void opi_qp_notify_late(OpiCard *c)
{
    int64_t now = qemu_clock_get_ns(QEMU_CLOCK_REALTIME);
    OpiQp *qp, *next;

    c->coalesce_at = INT64_MAX;
    /* The driver arms, then looks once more: one of us sees the other. */
    smp_mb();
    QTAILQ_FOREACH_SAFE(qp, &c->waiting, waiting_entry, next) {
        uint32_t cq_arm, sq_arm, usecs, head;

        if (qp->deadline > now) {
            c->coalesce_at = MIN(c->coalesce_at, qp->deadline);
            continue;
        }
        QTAILQ_REMOVE(&c->waiting, qp, waiting_entry);
        qp->waiting = false;
        if (!opi_qp_arms(qp, &cq_arm, &sq_arm, &usecs)) {
            continue;
        }
        if (!opi_dma_ld32(qp->fn, SHADOW(qp, cq_head), &head)) {
            opi_qp_fail(qp, OPI_QP_ERR_DMA);
            continue;
        }
        /* Not if the driver has seen them, or looks by itself. */
        if (head != qp->cq_tail && (int32_t)(cq_arm - qp->cq_tail) >= 0) {
            trace_opi_qp_late(qp->fn->role, qp->id);
            opi_qp_notify(qp);
        }
    }
    if (c->coalesce_at != INT64_MAX) {
        timer_mod(c->coalesce, c->coalesce_at);
    }
}

/* ---- Sending ----------------------------------------------------------- */

typedef enum {
    FRAME_OK,
    FRAME_PARTIAL,                      /* not all of it is posted yet */
    FRAME_MALFORMED,
} OpiParse;

static uint16_t opi_txd_flags(const OpiCard *c)
{
    return OPI_TXD_F_SOP | OPI_TXD_F_EOP |
           (c->caps & OPI_CAP_TX_CSUM ? OPI_TXD_F_CSUM | OPI_TXD_F_CSUM_VALID
                                      : 0) |
           (c->caps & OPI_CAP_VLAN ? OPI_TXD_F_VLAN : 0);
}

/* What no flag or type asks for is not taken over. */
static bool opi_qp_parse_meta(const OpiCard *c, const struct opi_txd *d,
                              OpiMeta *m)
{
    m->flags = le16_to_cpu(d->flags) & ~(OPI_TXD_F_SOP | OPI_TXD_F_EOP);
    if (m->flags & OPI_TXD_F_CSUM) {
        m->csum_start = le16_to_cpu(d->csum_start);
        m->csum_offset = le16_to_cpu(d->csum_offset);
    }
    if (m->flags & OPI_TXD_F_VLAN) {
        m->vlan_tci = le16_to_cpu(d->vlan_tci);
    }
    if (d->gso_type == OPI_GSO_NONE) {
        return true;
    }
    m->gso_type = d->gso_type;
    m->gso_size = le16_to_cpu(d->gso_size);
    m->hdr_len = le16_to_cpu(d->hdr_len);
    switch (d->gso_type) {
    case OPI_GSO_TCPV4:
    case OPI_GSO_TCPV4 | OPI_GSO_ECN:
    case OPI_GSO_TCPV6:
    case OPI_GSO_TCPV6 | OPI_GSO_ECN:
    case OPI_GSO_UDP_L4:
        return c->caps & OPI_CAP_GSO;
    default:
        return false;
    }
}

/*
 * One frame from the descriptors in front; @nsegs of them are its own.
 * @port is NULL if the DPU names one that is not there, perhaps not any more.
 */
static OpiParse opi_qp_parse(OpiQp *qp, const struct opi_txd *txd, unsigned n,
                             OpiFrame *f, OpiPort **port)
{
    OpiFn *fn = qp->fn;
    uint32_t id = le32_to_cpu(txd[0].port);
    unsigned nsegs = txd[0].nsegs, i;

    if (!(le16_to_cpu(txd[0].flags) & OPI_TXD_F_SOP) || !nsegs ||
        nsegs > OPI_SEGS_MAX) {
        return FRAME_MALFORMED;
    }
    if (fn->role == OPI_ROLE_DPU) {
        *port = opi_eswitch_port(fn->card, id);
    } else if (id) {
        return FRAME_MALFORMED;
    } else {
        *port = qp->port;
    }
    opi_frame_init(f, fn->card, fn);
    f->npieces = nsegs;
    for (i = 0; i < MIN(n, nsegs); i++) {
        const struct opi_txd *d = &txd[i];
        uint16_t want = (i == 0 ? OPI_TXD_F_SOP : 0) |
                        (i == nsegs - 1 ? OPI_TXD_F_EOP : 0);
        uint16_t flags = le16_to_cpu(d->flags);
        uint32_t len = le32_to_cpu(d->len);

        /* Only the first segment says how many there are. */
        if ((flags & (OPI_TXD_F_SOP | OPI_TXD_F_EOP)) != want ||
            (flags & ~opi_txd_flags(fn->card)) || !len || len > UINT16_MAX ||
            d->rsvd || (i && d->nsegs)) {
            return FRAME_MALFORMED;
        }
        f->piece[i] = (OpiPiece) { .addr = le64_to_cpu(d->addr), .len = len };
        f->len += len;
    }
    if (n < nsegs) {
        return FRAME_PARTIAL;
    }
    return opi_qp_parse_meta(fn->card, &txd[0], &f->meta) ? FRAME_OK
                                                         : FRAME_MALFORMED;
}

bool opi_qp_send(OpiQp *qp, int64_t *descs, int64_t *bytes)
{
    OpiFn *fn = qp->fn;
    uint32_t size = 1u << qp->sq_order;
    struct opi_txd txd[OPI_BATCH];
    bool partial = false, blocked = false, found = false;
    uint32_t tail, again;

    if (!opi_dma_ld32(fn, SHADOW(qp, sq_tail), &tail)) {
        opi_qp_fail(qp, OPI_QP_ERR_DMA);
        return false;
    }
    for (;;) {
        uint32_t n = tail - qp->sq_head, used = 0;

        if (n > size) {
            opi_qp_fail(qp, OPI_QP_ERR_INDEX);
            return false;
        }
        if (n == 0 && found && qp->dense == OPI_DENSE_KICKS) {
            opi_qp_look_later(qp);
            return false;
        }
        if (n == 0 || partial) {
            if (!found) {
                qp->dense = 0;
            }
            /*
             * Going idle: "kick me when you post what I did not see", then look
             * again for what was posted before that could be read.
             */
            if (!opi_dma_st32(fn, SHADOW(qp, sq_kick), tail)) {
                opi_qp_fail(qp, OPI_QP_ERR_DMA);
                return false;
            }
            /* The kick index must be seen before the tail is looked at. */
            smp_mb();
            if (!opi_dma_ld32(fn, SHADOW(qp, sq_tail), &again)) {
                opi_qp_fail(qp, OPI_QP_ERR_DMA);
                return false;
            }
            if (again == tail) {
                return false;
            }
            /* Whoever only moves its tail does not keep others waiting. */
            (*descs)--;
            tail = again;
            partial = false;
            continue;
        }
        if (*descs <= 0 || *bytes <= 0) {
            return true;
        }
        /* Descriptors only after the tail that covers them. */
        smp_rmb();
        n = MIN(n, OPI_BATCH);
        if (!opi_dma_fetch(fn, qp->sq, qp->sq_order, qp->sq_head, txd,
                           sizeof(txd[0]), n)) {
            opi_qp_fail(qp, OPI_QP_ERR_DMA);
            return false;
        }
        while (used < n && *descs > 0 && *bytes > 0) {
            OpiPort *port = NULL;
            OpiFrame f;
            OpiParse parsed = opi_qp_parse(qp, &txd[used], n - used, &f, &port);
            unsigned nsegs = txd[used].nsegs;
            uint64_t bytes_cut;
            uint32_t len;
            OpiSend sent;

            if (parsed == FRAME_MALFORMED) {
                opi_qp_fail(qp, OPI_QP_ERR_TXD);
                return false;
            }
            if (parsed == FRAME_PARTIAL) {
                /* At the end of a batch that may only be the batch's end. */
                partial = used == 0;
                break;
            }
            if (!port) {
                qp->cut = 0;
                used += nsegs;
                *descs -= nsegs;
                continue;
            }
            /*
             * A frame that is being cut has been let through; one that was put
             * into its place has not.
             */
            bytes_cut = f.meta.gso_type ? opi_frame_on_wire(&f, NULL) : 0;
            if (qp->cut && qp->cut_bytes && qp->cut_bytes != bytes_cut) {
                qp->cut = 0;
            }
            if (!qp->cut && !opi_rate_admit(qp, &f)) {
                blocked = true;
                break;
            }
            len = f.len;
            sent = opi_eswitch_send(fn, port, &f, &qp->cut, descs);
            if (sent == OPI_SEND_FAULT) {
                opi_qp_fail(qp, OPI_QP_ERR_DMA);
                return false;
            }
            if (qp->state != OPI_QP_RUNNING) {
                return false;
            }
            if (sent == OPI_SEND_MORE) {
                /* The budget is used up: the frame goes on in the next pass. */
                qp->cut_bytes = bytes_cut;
                break;
            }
            qp->cut = 0;
            used += nsegs;
            *descs -= nsegs;
            *bytes -= len;
        }
        if (used) {
            uint32_t head = qp->sq_head += used;

            found = true;

            if (fn->fault.sq_head_bad) {
                fn->fault.sq_head_bad--;
                head = tail + 5;
            }
            if (!opi_dma_st32(fn, SHADOW(qp, sq_head), head)) {
                opi_qp_fail(qp, OPI_QP_ERR_DMA);
                return false;
            }
            opi_qp_moved(qp);
        }
        if (blocked) {
            return true;
        }
        if (qp->sq_head == tail &&
            !opi_dma_ld32(fn, SHADOW(qp, sq_tail), &tail)) {
            opi_qp_fail(qp, OPI_QP_ERR_DMA);
            return false;
        }
    }
}

/* ---- Receiving --------------------------------------------------------- */

/*
 * How many buffers are posted from rq_head on; refreshed if fewer than @want.
 */
static bool opi_qp_posted(OpiQp *qp, uint32_t want, uint32_t *posted)
{
    if (qp->rq_tail - qp->rq_head < want) {
        uint32_t tail;

        if (!opi_dma_ld32(qp->fn, SHADOW(qp, rq_tail), &tail)) {
            opi_qp_fail(qp, OPI_QP_ERR_DMA);
            return false;
        }
        if (tail - qp->rq_head > 1u << qp->rq_order) {
            opi_qp_fail(qp, OPI_QP_ERR_INDEX);
            return false;
        }
        /* Buffers only after the tail that covers them. */
        smp_rmb();
        qp->rq_tail = tail;
    }
    *posted = qp->rq_tail - qp->rq_head;
    return true;
}

static bool opi_qp_cq_room(OpiQp *qp, uint32_t want, uint32_t *room)
{
    uint32_t size = 1u << qp->cq_order;

    if (size - (qp->cq_tail - qp->cq_head) < want) {
        uint32_t head;

        if (!opi_dma_ld32(qp->fn, SHADOW(qp, cq_head), &head)) {
            opi_qp_fail(qp, OPI_QP_ERR_DMA);
            return false;
        }
        if (qp->cq_tail - head > size) {
            opi_qp_fail(qp, OPI_QP_ERR_INDEX);
            return false;
        }
        qp->cq_head = head;
    }
    *room = size - (qp->cq_tail - qp->cq_head);
    return true;
}

/* Buffer number @i from rq_head on, which is posted. */
static const struct opi_rxd *opi_qp_rxd(OpiQp *qp, uint32_t i)
{
    uint32_t idx = qp->rq_head + i;
    struct opi_rxd *d;

    if (idx - qp->rxd_first >= qp->rxd_n) {
        /* From the head on, so that a whole frame's buffers stay at hand. */
        uint32_t n = MIN(qp->rq_tail - qp->rq_head, OPI_BATCH);

        qp->rxd_n = 0;
        if (!opi_dma_fetch(qp->fn, qp->rq, qp->rq_order, qp->rq_head, qp->rxd,
                           sizeof(qp->rxd[0]), n)) {
            opi_qp_fail(qp, OPI_QP_ERR_DMA);
            return NULL;
        }
        qp->rxd_first = qp->rq_head;
        qp->rxd_n = n;
    }
    d = &qp->rxd[idx - qp->rxd_first];
    if (le32_to_cpu(d->len) < 64 || le32_to_cpu(d->len) > UINT16_MAX ||
        d->rsvd) {
        opi_qp_fail(qp, OPI_QP_ERR_RXD);
        return NULL;
    }
    return d;
}

static uint64_t opi_qp_cqe_addr(OpiQp *qp, uint32_t idx)
{
    return qp->cq + (uint64_t)(idx & ((1u << qp->cq_order) - 1)) *
           sizeof(struct opi_cqe);
}

/*
 * Completions of a frame: their last words from last to first, all after data.
 */
static bool opi_qp_complete(OpiQp *qp, struct opi_cqe *cqe, unsigned n)
{
    OpiFn *fn = qp->fn;
    unsigned body = sizeof(*cqe) - sizeof(uint32_t);
    unsigned i;

    for (i = 0; i < n; i++) {
        uint32_t idx = qp->cq_tail + i;

        if (fn->fault.cqe_bad) {
            fn->fault.cqe_bad--;
            cqe[i].id ^= cpu_to_le16(1);
        }
        cqe[i].phase = cpu_to_le16(!(idx & (1u << qp->cq_order)));
        if (!opi_dma_write(fn, opi_qp_cqe_addr(qp, idx), &cqe[i], body)) {
            return false;
        }
    }
    while (i--) {
        if (!opi_dma_st32(fn, opi_qp_cqe_addr(qp, qp->cq_tail + i) + body,
                          ldl_le_p((uint8_t *)&cqe[i] + body))) {
            return false;
        }
    }
    return true;
}

/* What the first completion of a frame says besides its length. */
static void opi_qp_describe(const OpiCard *c, const OpiFrame *f,
                            struct opi_cqe *cqe)
{
    const OpiMeta *m = &f->meta;
    uint16_t flags = OPI_CQE_F_SOP;

    if (m->flags & OPI_TXD_F_CSUM) {
        flags |= OPI_CQE_F_CSUM_PARTIAL;
        cqe->csum_start = cpu_to_le16(m->csum_start);
        cqe->csum_offset = cpu_to_le16(m->csum_offset);
    }
    if ((m->flags & OPI_TXD_F_CSUM_VALID) && (c->caps & OPI_CAP_RX_CSUM)) {
        flags |= OPI_CQE_F_CSUM_VALID;
    }
    if (m->flags & OPI_TXD_F_VLAN) {
        flags |= OPI_CQE_F_VLAN;
        cqe->vlan_tci = cpu_to_le16(m->vlan_tci);
    }
    cqe->flags |= cpu_to_le16(flags);
    cqe->gso_type = m->gso_type;
    cqe->gso_size = cpu_to_le16(m->gso_size);
    cqe->hdr_len = cpu_to_le16(m->hdr_len);
    cqe->hash = cpu_to_le32(m->hash);
    cqe->hash_type = m->hash_type;
    cqe->port = cpu_to_le32(f->port);
}

OpiRxResult opi_qp_receive(OpiQp *qp, const OpiFrame *f)
{
    OpiFn *fn = qp->fn;
    struct opi_cqe cqe[OPI_SEGS_MAX];
    uint64_t addr[OPI_SEGS_MAX];
    uint32_t posted = 0, room = 0, off = 0;
    OpiCursor at = { 0 };
    unsigned n = 0, i;

    if (!qp->used || qp->state != OPI_QP_RUNNING) {
        return OPI_RX_NO_QUEUE;
    }
    while (off < f->len) {
        const struct opi_rxd *d;
        uint32_t len;

        if (n == OPI_SEGS_MAX) {
            return OPI_RX_NO_BUFFER;
        }
        if (n >= posted && !opi_qp_posted(qp, n + 1, &posted)) {
            return OPI_RX_NO_QUEUE;
        }
        if (n >= posted) {
            return OPI_RX_NO_BUFFER;
        }
        d = opi_qp_rxd(qp, n);
        if (!d) {
            return OPI_RX_NO_QUEUE;
        }
        len = MIN(le32_to_cpu(d->len), f->len - off);
        cqe[n] = (struct opi_cqe) {
            .len = cpu_to_le32(len),
            .type = OPI_CQE_RX,
            .id = d->id,
        };
        addr[n++] = le64_to_cpu(d->addr);
        off += len;
    }
    if (!opi_qp_cq_room(qp, n, &room)) {
        return OPI_RX_NO_QUEUE;
    }
    if (room < n) {
        return OPI_RX_NO_BUFFER;
    }
    cqe[n - 1].flags = cpu_to_le16(OPI_CQE_F_EOP);
    opi_qp_describe(fn->card, f, &cqe[0]);
    cqe[0].nbufs = n;

    for (i = 0; i < n; i++) {
        bool sender;

        if (!opi_dma_copy(fn, addr[i], f, &at, le32_to_cpu(cqe[i].len),
                          &sender)) {
            if (sender) {
                return OPI_RX_SENDER_FAULT;
            }
            opi_qp_fail(qp, OPI_QP_ERR_DMA);
            return OPI_RX_NO_QUEUE;
        }
    }
    if (!opi_qp_complete(qp, cqe, n)) {
        opi_qp_fail(qp, OPI_QP_ERR_DMA);
        return OPI_RX_NO_QUEUE;
    }
    qp->rq_head += n;
    qp->cq_tail += n;
    opi_qp_moved(qp);
    return OPI_RX_OK;
}
