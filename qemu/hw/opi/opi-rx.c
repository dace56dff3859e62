/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OPI card: which frames an end of a port receives (filter), and on which of
 * its function's queue pairs (spreading).  What becomes of a frame's metadata
 * is in opi-offload.c, the rings are in opi-qp.c.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "net/eth.h"
#include "opi-card.h"
#include "trace.h"

#define TAG_AT          12              /* behind the addresses */

/* ---- Configuration ----------------------------------------------------- */

/* May @fn have all that its end of @p could receive? */
static bool opi_rx_trusted(const OpiFn *fn, const OpiPort *p)
{
    return fn->role == OPI_ROLE_DPU || p->owner->trust;
}

void opi_rx_reset_port(const OpiFn *fn, OpiPort *p)
{
    OpiRx *rx = &opi_port_end(fn, p)->rx;

    memset(rx, 0, sizeof(*rx));
    rx->flags = opi_rx_trusted(fn, p) ? OPI_RX_F_PROMISC : 0;
}

void opi_rx_reset(OpiFn *fn)
{
    OpiCard *c = fn->card;
    unsigned i;

    memset(&fn->rss, 0, sizeof(fn->rss));
    for (i = 0; i < OPI_PORTS; i++) {
        OpiPort *p = c->port[i];

        if (p && (fn->role == OPI_ROLE_DPU ||
                  (p->owner && p->owner->fn == fn))) {
            opi_rx_reset_port(fn, p);
        }
    }
}

static uint32_t opi_rx_known(const OpiCard *c)
{
    return OPI_RX_F_PROMISC | OPI_RX_F_ALLMULTI | OPI_RX_F_VLAN_FILTER |
           (c->caps & OPI_CAP_VLAN ? OPI_RX_F_VLAN_STRIP : 0) |
           (c->caps & OPI_CAP_RX_CSUM ? OPI_RX_F_CSUM : 0) |
           (c->caps & OPI_CAP_GSO ? OPI_RX_F_TSO4 | OPI_RX_F_TSO6 | OPI_RX_F_USO
                                  : 0);
}

uint16_t opi_rx_check(const OpiCard *c, bool trusted,
                      const struct opi_rx_config *cfg)
{
    uint32_t flags = le32_to_cpu(cfg->flags);
    unsigned n = le16_to_cpu(cfg->n_macs), i;

    if ((flags & ~opi_rx_known(c)) || cfg->rsvd ||
        ((flags & (OPI_RX_F_TSO4 | OPI_RX_F_TSO6 | OPI_RX_F_USO)) &&
         !(flags & OPI_RX_F_CSUM))) {
        return OPI_ST_EINVAL;
    }
    if (n > OPI_RX_MACS_MAX) {
        return OPI_ST_ERANGE;
    }
    for (i = 0; i < n; i++) {
        if (buffer_is_zero(&cfg->macs[i * ETH_ALEN], ETH_ALEN)) {
            return OPI_ST_EINVAL;
        }
    }
    if (!buffer_is_zero(&cfg->macs[n * ETH_ALEN],
                        sizeof(cfg->macs) - n * ETH_ALEN)) {
        return OPI_ST_EINVAL;
    }
    return (flags & OPI_RX_F_PROMISC) && !trusted ? OPI_ST_EPERM : OPI_ST_OK;
}

uint16_t opi_rx_set(OpiFn *fn, OpiPort *p, const struct opi_rx_config *cfg)
{
    uint16_t st = opi_rx_check(fn->card, opi_rx_trusted(fn, p), cfg);
    uint32_t flags = le32_to_cpu(cfg->flags);
    unsigned n = le16_to_cpu(cfg->n_macs);
    OpiRx *rx = &opi_port_end(fn, p)->rx;

    if (st != OPI_ST_OK) {
        return st;
    }
    trace_opi_rx_set(fn->role, p->id, flags, n);
    rx->flags = flags;
    rx->n_macs = n;
    memcpy(rx->macs, cfg->macs, sizeof(rx->macs));
    memcpy(rx->vlans, cfg->vlans, sizeof(rx->vlans));
    return OPI_ST_OK;
}

void opi_rx_get(const OpiRx *rx, struct opi_rx_config *cfg)
{
    cfg->flags = cpu_to_le32(rx->flags);
    cfg->n_macs = cpu_to_le16(rx->n_macs);
    memcpy(cfg->macs, rx->macs, sizeof(rx->macs));
    memcpy(cfg->vlans, rx->vlans, sizeof(rx->vlans));
}

bool opi_rss_check(const struct opi_rss_config *cfg, unsigned max_qps)
{
    static const uint32_t known = OPI_HASH_IPV4 | OPI_HASH_TCPV4 |
                                  OPI_HASH_UDPV4 | OPI_HASH_IPV6 |
                                  OPI_HASH_TCPV6 | OPI_HASH_UDPV6;
    uint32_t types = le32_to_cpu(cfg->hash_types);
    unsigned size = le16_to_cpu(cfg->table_size), i;

    if ((types & ~known) || cfg->rsvd || size > OPI_RSS_TABLE_MAX ||
        (size & (size - 1))) {
        return false;
    }
    for (i = 0; i < OPI_RSS_TABLE_MAX; i++) {
        if (le16_to_cpu(cfg->table[i]) >= (i < size ? max_qps : 1)) {
            return false;
        }
    }
    return true;
}

uint16_t opi_rss_set(OpiFn *fn, const struct opi_rss_config *cfg)
{
    uint32_t types = le32_to_cpu(cfg->hash_types);
    unsigned size = le16_to_cpu(cfg->table_size), i, bit, val;
    OpiRss *rss = &fn->rss;

    if (!opi_rss_check(cfg, fn->max_qps)) {
        return OPI_ST_EINVAL;
    }
    trace_opi_rss_set(fn->role, types, size);
    rss->cfg = *cfg;
    rss->types = types;
    rss->size = size;
    for (i = 0; i < OPI_RSS_TABLE_MAX; i++) {
        rss->table[i] = le16_to_cpu(cfg->table[i]);
    }
    /*
     * A set bit of the input adds the 32 bits of the key that start at its
     * place.  Four input bits at a time are looked up.
     */
    for (i = 0; i < 2 * OPI_HASH_INPUT_MAX; i++) {
        for (val = 0; val < 16; val++) {
            uint32_t add = 0;

            for (bit = 0; bit < 4; bit++) {
                unsigned at = i * 4 + bit;

                if (val & (8 >> bit)) {
                    add ^= (uint64_t)ldl_be_p(&cfg->key[at / 8]) << (at % 8);
                    add ^= cfg->key[at / 8 + 4] >> (8 - at % 8);
                }
            }
            rss->add[i / 2][i % 2][val] = add;
        }
    }
    return OPI_ST_OK;
}

/* ---- The filter -------------------------------------------------------- */

static bool opi_rx_wants_address(const OpiRx *rx, const uint8_t *own,
                                 const uint8_t *dst)
{
    unsigned i;

    if (!memcmp(dst, own, ETH_ALEN) || is_broadcast_ether_addr(dst) ||
        ((rx->flags & OPI_RX_F_ALLMULTI) && is_multicast_ether_addr(dst))) {
        return true;
    }
    for (i = 0; i < rx->n_macs; i++) {
        if (!memcmp(dst, rx->macs[i], ETH_ALEN)) {
            return true;
        }
    }
    return false;
}

bool opi_rx_passes(const OpiFn *fn, OpiPort *p, OpiFrame *f, bool *pass)
{
    const OpiRx *rx = &opi_port_end(fn, p)->rx;
    const uint8_t *own = fn->role == OPI_ROLE_DPU &&
                         p->type != OPI_PORT_UPLINK ? p->rep_mac : p->mac;
    unsigned vid = 0;

    *pass = true;
    if (rx->flags & OPI_RX_F_PROMISC) {
        return true;
    }
    if (!opi_frame_peek(f, TAG_AT + OPI_TAG_LEN)) {
        return false;
    }
    *pass = opi_rx_wants_address(rx, own, f->head);
    if (*pass && (rx->flags & OPI_RX_F_VLAN_FILTER)) {
        if (f->meta.flags & OPI_TXD_F_VLAN) {
            vid = f->meta.vlan_tci & 0xfff;
        } else if (f->head_len >= TAG_AT + OPI_TAG_LEN &&
                   lduw_be_p(f->head + TAG_AT) == ETH_P_VLAN) {
            vid = lduw_be_p(f->head + TAG_AT + 2) & 0xfff;
        }
        *pass = vid == 0 || (rx->vlans[vid / 8] & (1 << (vid % 8)));
    }
    return true;
}

/* ---- Spreading --------------------------------------------------------- */

/* What the hash is taken over; the ports follow the addresses. */
typedef struct OpiFlow {
    uint32_t type;                      /* OPI_HASH_*; 0: none */
    unsigned len;
    uint8_t bytes[OPI_HASH_INPUT_MAX];
} OpiFlow;

static void opi_flow_ports(OpiFlow *flow, const uint8_t *l4, unsigned left,
                           uint32_t type)
{
    if (type && left >= 4) {
        memcpy(flow->bytes + flow->len, l4, 4);
        flow->len += 4;
        flow->type = type;
    }
}

static void opi_flow_ipv4(OpiFlow *flow, const uint8_t *p, unsigned left,
                          uint32_t types)
{
    unsigned ihl = left >= 20 ? (p[0] & 0xf) * 4 : 0;
    uint32_t want = 0;

    if (ihl < 20 || p[0] >> 4 != 4) {
        return;
    }
    flow->type = types & OPI_HASH_IPV4;
    flow->len = 8;
    memcpy(flow->bytes, p + 12, 8);
    if (p[9] == IP_PROTO_TCP) {
        want = types & OPI_HASH_TCPV4;
    } else if (p[9] == IP_PROTO_UDP) {
        want = types & OPI_HASH_UDPV4;
    }
    /* No fragment: neither an offset nor more of them. */
    if (left >= ihl && !(lduw_be_p(p + 6) & 0x3fff)) {
        opi_flow_ports(flow, p + ihl, left - ihl, want);
    }
}

static void opi_flow_ipv6(OpiFlow *flow, const uint8_t *p, unsigned left,
                          uint32_t types)
{
    unsigned at = 40;
    uint8_t next;

    if (left < 40 || p[0] >> 4 != 6) {
        return;
    }
    flow->type = types & OPI_HASH_IPV6;
    flow->len = 32;
    memcpy(flow->bytes, p + 8, 32);
    next = p[6];
    /* The head is short, and each of these moves on. */
    while ((next == IP6_HOP_BY_HOP || next == IP6_ROUTING ||
            next == IP6_DESTINATON) && left >= at + 8) {
        next = p[at];
        at += (p[at + 1] + 1) * 8;
    }
    if (left < at) {
        return;
    }
    if (next == IP_PROTO_TCP) {
        opi_flow_ports(flow, p + at, left - at, types & OPI_HASH_TCPV6);
    } else if (next == IP_PROTO_UDP) {
        opi_flow_ports(flow, p + at, left - at, types & OPI_HASH_UDPV6);
    }
}

static void opi_rss_hash(const OpiRss *rss, OpiFrame *f)
{
    const uint8_t *p = f->head;
    unsigned left = f->head_len, l3 = 14, i;
    OpiFlow flow = { 0 };
    uint32_t hash = 0;

    if (!(f->meta.flags & OPI_TXD_F_VLAN) && left >= l3 + OPI_TAG_LEN &&
        lduw_be_p(p + TAG_AT) == ETH_P_VLAN) {
        l3 += OPI_TAG_LEN;
    }
    switch (lduw_be_p(p + l3 - 2)) {
    case ETH_P_IP:
        opi_flow_ipv4(&flow, p + l3, left - l3, rss->types);
        break;
    case ETH_P_IPV6:
        opi_flow_ipv6(&flow, p + l3, left - l3, rss->types);
        break;
    default:
        break;
    }
    if (!flow.type) {
        return;
    }
    for (i = 0; i < flow.len; i++) {
        hash ^= rss->add[i][0][flow.bytes[i] >> 4] ^
                rss->add[i][1][flow.bytes[i] & 0xf];
    }
    f->meta.hash = hash;
    f->meta.hash_type = flow.type;
}

bool opi_rss_receiver(OpiFn *fn, OpiPort *p, OpiFrame *f, OpiQp **qp)
{
    const OpiRss *rss = &fn->rss;

    f->meta.hash = 0;
    f->meta.hash_type = 0;
    /* An SF has one queue pair; the DPU's are for all ports. */
    if (!rss->size ||
        (p->type == OPI_PORT_SF && fn->role != OPI_ROLE_DPU)) {
        *qp = opi_qp_receiver(fn, p);
        return true;
    }
    if (!opi_frame_peek(f, OPI_HEAD_MAX)) {
        return false;
    }
    opi_rss_hash(rss, f);
    *qp = &fn->qps[rss->table[f->meta.hash & (rss->size - 1)]];
    if (!(*qp)->used || (*qp)->state != OPI_QP_RUNNING ||
        ((*qp)->port && (*qp)->port != p)) {
        *qp = opi_qp_receiver(fn, p);
    }
    return true;
}
