/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OPI card: the eswitch: ports, what may flow through them, and counters.
 *
 * There are no rules yet: what a host function or the wire sends goes to the
 * DPU, with the port it came from; what the DPU sends goes to the port that it
 * names. Queues are in opi-qp.c, the wire in opi-uplink.c.
 */
#include "qemu/osdep.h"
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

void opi_eswitch_init(OpiCard *c)
{
    unsigned i;

    for (i = 0; i < OPI_PORTS; i++) {
        OpiPort *p = &c->ports[i];

        p->id = i;
        p->type = i == OPI_PORT_ID_UPLINK ? OPI_PORT_UPLINK : OPI_PORT_PF;
        opi_mac(c, p->mac, 2 * i);
        opi_mac(c, p->rep_mac, 2 * i + 1);
        p->func.mtu = OPI_MTU_DEFAULT;
        p->rep.mtu = OPI_MTU_DEFAULT;
    }
}

OpiPort *opi_eswitch_port(OpiCard *c, uint32_t id)
{
    return id < OPI_PORTS ? &c->ports[id] : NULL;
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

static bool opi_port_open(const OpiCard *c, const OpiPort *p)
{
    return p->rep_up && opi_card_dpu_ready(c) &&
           (p->type == OPI_PORT_UPLINK ? opi_uplink_carrier(c) : p->func_up);
}

/* To a function, at whose end @end of the port the frame arrives. */
static bool opi_eswitch_deliver(OpiFn *fn, OpiPortEnd *end, OpiFrame *f)
{
    if (f->len > end->mtu + OPI_MTU_EXTRA) {
        end->rx_oversize++;
        return true;
    }
    switch (opi_qp_receive(fn, f)) {
    case OPI_RX_OK:
        end->rx_frames++;
        end->rx_bytes += f->len;
        return true;
    case OPI_RX_NO_BUFFER:
        end->rx_no_buffer++;
        return true;
    case OPI_RX_NO_QUEUE:
        end->rx_down++;
        return true;
    default:
        return false;
    }
}

bool opi_eswitch_send(OpiFn *fn, OpiPort *p, OpiFrame *f)
{
    OpiCard *c = fn->card;
    bool to_dpu = fn->role != OPI_ROLE_DPU;
    OpiPortEnd *end = opi_port_end(fn, p);
    bool wire = p->type == OPI_PORT_UPLINK;

    if (f->len < OPI_FRAME_MIN || f->len > OPI_FRAME_MAX ||
        (wire && f->len > OPI_MTU_MAX + OPI_MTU_EXTRA)) {
        end->tx_bad++;
        return true;
    }
    if (!opi_port_open(c, p)) {
        end->tx_down++;
        return true;
    }
    if (wire) {
        /* A copy: the wire's other end must not see it change. */
        if (!opi_dma_gather(f, c->bounce)) {
            return false;
        }
        if (!opi_uplink_send(c, c->bounce, f->len)) {
            end->tx_down++;
            return true;
        }
    } else {
        f->port = to_dpu ? p->id : 0;
        if (!opi_eswitch_deliver(to_dpu ? &c->dpu : &c->host,
                                 to_dpu ? &p->rep : &p->func, f)) {
            return false;
        }
    }
    end->tx_frames++;
    end->tx_bytes += f->len;
    return true;
}

void opi_eswitch_from_uplink(OpiCard *c, const uint8_t *buf, size_t len)
{
    OpiPort *p = &c->ports[OPI_PORT_ID_UPLINK];
    OpiFrame f = {
        .data = buf,
        .len = len,
        .port = p->id,
    };

    if (len < OPI_FRAME_MIN || len > OPI_FRAME_MAX) {
        p->rep.rx_oversize += len > OPI_FRAME_MAX;
        return;
    }
    if (!opi_port_open(c, p)) {
        p->rep.rx_down++;
        return;
    }
    opi_eswitch_deliver(&c->dpu, &p->rep, &f);
}
