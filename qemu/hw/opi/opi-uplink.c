/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OPI card: the wire: the uplink port as a NIC of QEMU's net layer.
 *
 * It goes on while the host's VM is stopped: the card has a power supply of its
 * own.  Which frames may pass is decided in opi-eswitch.c.
 */
#include "qemu/osdep.h"
#include "qemu/iov.h"
#include "opi-card.h"
#include "trace.h"

/* What waits in the net layer for a backend that takes no more. */
#define OPI_UPLINK_QUEUE 256

bool opi_uplink_carrier(const OpiCard *c)
{
    NetClientState *nc = c->nic ? qemu_get_queue(c->nic) : NULL;

    return nc && nc->peer && !nc->link_down && !c->fault_uplink_down;
}

static void opi_uplink_sent(NetClientState *nc, ssize_t ret)
{
    OpiCard *c = qemu_get_nic_opaque(nc);

    if (c->uplink_queued) {
        c->uplink_queued--;
    }
}

/*
 * libslirp takes frames whoever they are for, and resets connections that it
 * does not know.  So a bridge that floods a frame would kill somebody else's.
 * All of its own addresses begin alike.
 */
static bool opi_uplink_for_nobody(const NetClientState *nc, const uint8_t *buf)
{
    return nc->peer && nc->peer->info->type == NET_CLIENT_DRIVER_USER &&
           !(buf[0] & 1) &&
           (buf[0] != 0x52 || (buf[1] != 0x55 && buf[1] != 0x56));
}

bool opi_uplink_send(OpiCard *c, const uint8_t *buf, size_t len)
{
    NetClientState *nc = qemu_get_queue(c->nic);

    if (c->uplink_queued >= OPI_UPLINK_QUEUE) {
        trace_opi_uplink_full(len);
        return false;
    }
    trace_opi_uplink_send(len);
    if (opi_uplink_for_nobody(nc, buf)) {
        return true;
    }
    if (qemu_send_packet_async(nc, buf, len, opi_uplink_sent) == 0) {
        c->uplink_queued++;
    }
    return true;
}

static ssize_t opi_uplink_receive(NetClientState *nc, const uint8_t *buf,
                                  size_t len)
{
    OpiCard *c = qemu_get_nic_opaque(nc);

    trace_opi_uplink_receive(len);
    opi_card_enter(c);
    opi_eswitch_from_uplink(c, buf, len);
    if (c->busy == 1) {
        opi_qp_notify_moved(c);
    }
    opi_card_leave(c);
    /* A wire does not wait: what found no buffer is counted and gone. */
    return len;
}

static void opi_uplink_link_status(NetClientState *nc)
{
    OpiCard *c = qemu_get_nic_opaque(nc);

    opi_card_enter(c);
    opi_card_update(c);
    opi_card_leave(c);
}

static NetClientInfo opi_uplink_info = {
    .type = NET_CLIENT_DRIVER_NIC,
    .size = sizeof(NICState),
    .receive = opi_uplink_receive,
    .link_status_changed = opi_uplink_link_status,
};

void opi_uplink_realize(OpiCard *c)
{
    DeviceState *dev = DEVICE(c);
    NetClientState *nc;
    OpiPort *p = c->port[OPI_PORT_ID_UPLINK];

    if (!c->nic_conf.peers.ncs[0]) {
        /* No wire: no NIC that QEMU would warn about. */
        return;
    }
    memcpy(c->nic_conf.macaddr.a, p->mac, sizeof(p->mac));
    c->nic = qemu_new_nic(&opi_uplink_info, &c->nic_conf, TYPE_OPI_CARD,
                          dev->id, &dev->mem_reentrancy_guard, c);
    nc = qemu_get_queue(c->nic);
    nc->runs_while_stopped = true;
    qemu_format_nic_info_str(nc, p->mac);
}

void opi_uplink_unrealize(OpiCard *c)
{
    if (c->nic) {
        qemu_del_nic(c->nic);
        c->nic = NULL;
    }
}
