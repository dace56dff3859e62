/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OPI card: the eswitch: ports, what may flow through them, and counters.
 *
 * There are no rules of the DPU's yet: what a host function or the wire sends
 * goes to the DPU, with the port it came from; what the DPU sends goes to the
 * port that it names.  How fast and in which turn is in opi-rate.c, queues are
 * in opi-qp.c, the wire in opi-uplink.c.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "net/eth.h"
#include "opi-card.h"
#include "trace.h"

/*
 * Locally administered, and the same at every start: from the serial number
 * and the port, two a port.
 */
static void opi_mac(OpiCard *c, uint8_t *mac, uint16_t n)
{
    uint32_t fold = c->serial ^ c->serial >> 24 ^ c->serial >> 48;

    mac[0] = 0x02;
    mac[1] = fold >> 16;
    mac[2] = fold >> 8;
    mac[3] = fold;
    mac[4] = n >> 8;
    mac[5] = n;
}

/* As at power-on: down, nothing counted, PROMISC where that is allowed. */
OpiPort *opi_port_new(OpiCard *c, uint32_t id, OpiFunc *owner)
{
    OpiPort *p = g_new0(OpiPort, 1);

    p->id = id;
    p->type = owner ? owner->type : OPI_PORT_UPLINK;
    p->owner = owner;
    opi_mac(c, p->mac, 2 * id);
    opi_mac(c, p->rep_mac, 2 * id + 1);
    p->func.mtu = OPI_MTU_DEFAULT;
    p->rep.mtu = OPI_MTU_DEFAULT;
    p->func.rx.flags = owner && owner->trust ? OPI_RX_F_PROMISC : 0;
    p->rep.rx.flags = OPI_RX_F_PROMISC;
    opi_rate_init_leaf(c, &p->rate, id);
    opi_police_reset(c, p);
    c->port[id] = p;
    return p;
}

void opi_port_free(OpiCard *c, OpiPort *p)
{
    c->port[p->id] = NULL;
    opi_rate_finish_leaf(c, &p->rate);
    g_free(p);
}

void opi_eswitch_init(OpiCard *c)
{
    opi_port_new(c, OPI_PORT_ID_UPLINK, NULL);
}

void opi_eswitch_finalize(OpiCard *c)
{
    opi_port_free(c, c->port[OPI_PORT_ID_UPLINK]);
}

OpiPort *opi_eswitch_port(const OpiCard *c, uint32_t id)
{
    return id < OPI_PORTS ? c->port[id] : NULL;
}

bool opi_port_carrier(const OpiFn *fn, const OpiPort *p)
{
    if (fn->role != OPI_ROLE_DPU) {
        return p->rep_up && opi_card_dpu_ready(fn->card);
    }
    return p->type == OPI_PORT_UPLINK ? opi_uplink_carrier(fn->card)
                                      : p->func_up;
}

OpiPortEnd *opi_port_end(const OpiFn *fn, OpiPort *p)
{
    return fn->role == OPI_ROLE_DPU ? &p->rep : &p->func;
}

void opi_port_end_stats(const OpiPortEnd *e, struct opi_port_stats *s)
{
    s->rx_frames = cpu_to_le64(e->rx_frames);
    s->rx_bytes = cpu_to_le64(e->rx_bytes);
    s->rx_no_buffer = cpu_to_le64(e->rx_no_buffer);
    s->rx_oversize = cpu_to_le64(e->rx_oversize);
    s->rx_down = cpu_to_le64(e->rx_down);
    s->tx_frames = cpu_to_le64(e->tx_frames);
    s->tx_bytes = cpu_to_le64(e->tx_bytes);
    s->tx_bad = cpu_to_le64(e->tx_bad);
    s->tx_down = cpu_to_le64(e->tx_down);
    s->rx_filtered = cpu_to_le64(e->rx_filtered);
    s->rx_policed = cpu_to_le64(e->rx_policed);
    s->tx_spoofed = cpu_to_le64(e->tx_spoofed);
    s->tx_vlan = cpu_to_le64(e->tx_vlan);
    s->dma_faults = cpu_to_le64(e->dma_faults);
}

void opi_port_end_set_stats(OpiPortEnd *e, const struct opi_port_stats *s)
{
    e->rx_frames = le64_to_cpu(s->rx_frames);
    e->rx_bytes = le64_to_cpu(s->rx_bytes);
    e->rx_no_buffer = le64_to_cpu(s->rx_no_buffer);
    e->rx_oversize = le64_to_cpu(s->rx_oversize);
    e->rx_down = le64_to_cpu(s->rx_down);
    e->tx_frames = le64_to_cpu(s->tx_frames);
    e->tx_bytes = le64_to_cpu(s->tx_bytes);
    e->tx_bad = le64_to_cpu(s->tx_bad);
    e->tx_down = le64_to_cpu(s->tx_down);
    e->rx_filtered = le64_to_cpu(s->rx_filtered);
    e->rx_policed = le64_to_cpu(s->rx_policed);
    e->tx_spoofed = le64_to_cpu(s->tx_spoofed);
    e->tx_vlan = le64_to_cpu(s->tx_vlan);
    e->dma_faults = le64_to_cpu(s->dma_faults);
}

static bool opi_port_open(const OpiCard *c, const OpiPort *p)
{
    return p->rep_up && opi_card_dpu_ready(c) &&
           (p->type == OPI_PORT_UPLINK ? opi_uplink_carrier(c) : p->func_up);
}

/* Length of the largest frame that leaves the card because of this one. */
static uint32_t opi_eswitch_size(const OpiFrame *f)
{
    const OpiMeta *m = &f->meta;

    return (m->gso_type ? m->hdr_len + m->gso_size : f->len) +
           (m->flags & OPI_TXD_F_VLAN ? OPI_TAG_LEN : 0);
}

/* A frame as it is to somebody who takes it so. */
typedef OpiSend OpiTake(void *opaque, OpiFrame *f);

/* Segments, from @first on, as many as the budget has. */
static OpiSend opi_eswitch_cut(OpiFrame *f, uint32_t accepts, uint32_t *first,
                               int64_t *budget, OpiTake *take, void *opaque)
{
    OpiSend ret = OPI_SEND_DONE;
    OpiCut cut;

    if (!opi_cut_start(&cut, f, accepts, *first)) {
        return OPI_SEND_BAD;
    }
    while (ret == OPI_SEND_DONE && opi_cut_next(&cut)) {
        ret = take(opaque, f);
        if (--*budget <= 0 && cut.next < cut.n && ret == OPI_SEND_DONE) {
            *first = cut.next;
            return OPI_SEND_MORE;
        }
    }
    return ret;
}

/* Do what the taker does not accept, and hand over what comes of it. */
static OpiSend opi_eswitch_hand(OpiFrame *f, uint32_t accepts, uint32_t *first,
                                int64_t *budget, OpiTake *take, void *opaque)
{
    switch (opi_offload_prepare(f, accepts)) {
    case OPI_OFFLOAD_DONE:
        return take(opaque, f);
    case OPI_OFFLOAD_CUT:
        return opi_eswitch_cut(f, accepts, first, budget, take, opaque);
    case OPI_OFFLOAD_FAULT:
        return OPI_SEND_FAULT;
    default:
        return OPI_SEND_BAD;
    }
}

typedef struct OpiToFn {
    OpiPortEnd *end;
    OpiQp *qp;
} OpiToFn;

static OpiSend opi_eswitch_to_qp(void *opaque, OpiFrame *f)
{
    const OpiToFn *to = opaque;

    switch (opi_qp_receive(to->qp, f)) {
    case OPI_RX_OK:
        to->end->rx_frames++;
        to->end->rx_bytes += f->len;
        return OPI_SEND_DONE;
    case OPI_RX_NO_BUFFER:
        to->end->rx_no_buffer++;
        return OPI_SEND_DONE;
    case OPI_RX_NO_QUEUE:
        to->end->rx_down++;
        return OPI_SEND_DONE;
    default:
        return OPI_SEND_FAULT;
    }
}

/* To a function, at whose end of the port the frame arrives. */
static OpiSend opi_eswitch_to_fn(OpiFn *fn, OpiPort *p, OpiFrame *f,
                                 uint32_t *first, int64_t *budget)
{
    OpiToFn to = { .end = opi_port_end(fn, p) };
    bool pass;

    if (!opi_fn_runs(fn)) {
        /* It is being moved: this is what was on the wire. */
        to.end->rx_down++;
        return OPI_SEND_DONE;
    }
    if (fn->role != OPI_ROLE_DPU && p->owner->vlan) {
        switch (opi_offload_take_vlan(f, p->owner->vlan)) {
        case OPI_OFFLOAD_DONE:
            break;
        case OPI_OFFLOAD_OTHER:
            to.end->rx_filtered++;
            return OPI_SEND_DONE;
        case OPI_OFFLOAD_FAULT:
            return OPI_SEND_FAULT;
        default:
            return OPI_SEND_BAD;
        }
    }
    if (!opi_rx_passes(fn, p, f, &pass)) {
        return OPI_SEND_FAULT;
    }
    if (!pass) {
        to.end->rx_filtered++;
        return OPI_SEND_DONE;
    }
    if (opi_eswitch_size(f) > to.end->mtu + OPI_MTU_EXTRA) {
        to.end->rx_oversize++;
        return OPI_SEND_DONE;
    }
    if (!opi_rss_receiver(fn, p, f, &to.qp)) {
        return OPI_SEND_FAULT;
    }
    if (!to.qp) {
        to.end->rx_down++;
        return OPI_SEND_DONE;
    }
    f->port = fn->role == OPI_ROLE_DPU ? p->id : 0;
    return opi_eswitch_hand(f, to.end->rx.flags, first, budget,
                            opi_eswitch_to_qp, &to);
}

typedef struct OpiToWire {
    OpiCard *card;
    OpiPortEnd *end;
} OpiToWire;

static OpiSend opi_eswitch_to_wire(void *opaque, OpiFrame *f)
{
    const OpiToWire *to = opaque;

    /* A copy: the wire's other end must not see it change. */
    if (!opi_frame_gather(f, to->card)) {
        return OPI_SEND_FAULT;
    }
    return opi_uplink_send(to->card, f->head, f->len) ? OPI_SEND_DONE
                                                      : OPI_SEND_DOWN;
}

/* ---- What a function may send ------------------------------------------ */

typedef enum OpiVerdict {
    OPI_ALLOWED,
    OPI_TAGGED,                         /* and its port has a VLAN */
    OPI_SPOOFED,
    OPI_UNREADABLE,
} OpiVerdict;

/*
 * What it is judged by is copied first: the sender cannot change it afterwards.
 */
static OpiVerdict opi_eswitch_judge(const OpiFunc *func, const OpiPort *p,
                                    OpiFrame *f)
{
    uint16_t type;

    if (!func->vlan && func->trust) {
        return OPI_ALLOWED;
    }
    if (!opi_frame_peek(f, OPI_FRAME_MIN)) {
        return OPI_UNREADABLE;
    }
    type = lduw_be_p(f->head + 2 * ETH_ALEN);
    if (func->vlan && ((f->meta.flags & OPI_TXD_F_VLAN) ||
                       type == ETH_P_VLAN || type == ETH_P_DVLAN)) {
        return OPI_TAGGED;
    }
    if (!func->trust && memcmp(f->head + ETH_ALEN, p->mac, ETH_ALEN)) {
        return OPI_SPOOFED;
    }
    if (func->vlan) {
        f->meta.flags |= OPI_TXD_F_VLAN;
        f->meta.vlan_tci = func->vlan;
    }
    return OPI_ALLOWED;
}

OpiSend opi_eswitch_send(OpiFn *fn, OpiPort *p, OpiFrame *f, uint32_t *first,
                         int64_t *budget)
{
    OpiCard *c = fn->card;
    OpiPortEnd *end = opi_port_end(fn, p);
    bool wire = p->type == OPI_PORT_UPLINK;
    uint32_t len = f->len;
    OpiSend ret;

    if (len < OPI_FRAME_MIN || len > OPI_FRAME_MAX || !opi_offload_fits(f) ||
        (wire && opi_eswitch_size(f) > OPI_MTU_MAX + OPI_MTU_EXTRA)) {
        trace_opi_tx_bad(fn->role, p->id, len, f->meta.gso_type);
        end->tx_bad++;
        return OPI_SEND_DONE;
    }
    if (fn->role != OPI_ROLE_DPU) {
        switch (opi_eswitch_judge(p->owner, p, f)) {
        case OPI_ALLOWED:
            break;
        case OPI_TAGGED:
            trace_opi_tx_vlan(p->id, len);
            end->tx_vlan++;
            return OPI_SEND_DONE;
        case OPI_SPOOFED:
            trace_opi_tx_spoofed(p->id, len);
            end->tx_spoofed++;
            return OPI_SEND_DONE;
        default:
            return OPI_SEND_FAULT;
        }
    }
    if (!opi_port_open(c, p)) {
        end->tx_down++;
        return OPI_SEND_DONE;
    }
    if (wire) {
        OpiToWire to = { .card = c, .end = end };

        ret = opi_eswitch_hand(f, 0, first, budget, opi_eswitch_to_wire, &to);
    } else if (fn->role != OPI_ROLE_DPU && !*first &&
               !opi_police_passes(p, f)) {
        p->rep.rx_policed++;
        ret = OPI_SEND_DONE;
    } else {
        ret = opi_eswitch_to_fn(fn->role == OPI_ROLE_DPU ? p->owner->fn
                                                         : &c->dpu,
                                p, f, first, budget);
    }
    switch (ret) {
    case OPI_SEND_DONE:
        end->tx_frames++;
        end->tx_bytes += len;
        break;
    case OPI_SEND_BAD:
        trace_opi_tx_bad(fn->role, p->id, len, f->meta.gso_type);
        end->tx_bad++;
        break;
    case OPI_SEND_DOWN:
        end->tx_down++;
        break;
    default:
        return ret;
    }
    return OPI_SEND_DONE;
}

void opi_eswitch_from_uplink(OpiCard *c, const uint8_t *buf, size_t len)
{
    OpiPort *p = c->port[OPI_PORT_ID_UPLINK];
    uint32_t first = 0;
    int64_t budget = 1;
    OpiFrame f;

    if (len < OPI_FRAME_MIN || len > OPI_FRAME_MAX) {
        p->rep.rx_oversize += len > OPI_FRAME_MAX;
        return;
    }
    if (!opi_port_open(c, p)) {
        p->rep.rx_down++;
        return;
    }
    /*
     * It has no metadata, so nothing needs the bounce buffer: a backend may
     * answer while a frame is on its way out of there.
     */
    opi_frame_init(&f, c, NULL);
    f.len = len;
    f.npieces = 1;
    f.piece[0] = (OpiPiece) { .data = buf, .len = len };
    if (!opi_police_passes(p, &f)) {
        p->rep.rx_policed++;
        return;
    }
    opi_eswitch_to_fn(&c->dpu, p, &f, &first, &budget);
}
