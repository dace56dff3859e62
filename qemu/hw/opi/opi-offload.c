/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OPI card: offloads: what a frame's metadata asks for, done by the card where
 * the receiver does not accept it: inserting and stripping the tag, filling in
 * the checksum, cutting into segments.  A receiver that accepts the metadata
 * gets the frame as it is, and nothing here looks at it.
 *
 * Headers are input of a guest: they have been copied before they are looked
 * at, and nothing is read or written behind the frame's end.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "net/eth.h"
#include "opi-card.h"
#include "trace.h"

#define ADDRESSES       12
#define TCP_FLAGS       13
#define TCP_SUM         16
#define TCP_HDR         20
#define UDP_SUM         6
#define UDP_HDR         8
#define IPV4_HDR        20
#define IPV6_HDR        40

/* ---- Sums -------------------------------------------------------------- */

static uint16_t opi_sum_fold(uint64_t sum)
{
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    return sum;
}

/*
 * One's complement sum over the bytes, folded.  It comes out in the order in
 * which the bytes stand, whatever this machine's own is.
 */
static uint16_t opi_sum(const uint8_t *p, uint32_t len)
{
    uint64_t a = 0, b = 0;

    for (; len >= 8; p += 8, len -= 8) {
        a += (uint32_t)ldl_he_p(p);
        b += (uint32_t)ldl_he_p(p + 4);
    }
    for (; len >= 2; p += 2, len -= 2) {
        a += (uint16_t)lduw_he_p(p);
    }
    if (len) {
        uint8_t last[2] = { *p };

        a += (uint16_t)lduw_he_p(last);
    }
    return opi_sum_fold(a + b);
}

/* A sum that is zero is written as the other zero: UDP's zero means none. */
static void opi_sum_store(uint8_t *at, uint64_t sum)
{
    uint16_t v = ~opi_sum_fold(sum);

    stw_he_p(at, v ? v : UINT16_MAX);
}

/* ---- Tag and checksum of a frame that stays whole ---------------------- */

uint64_t opi_frame_on_wire(const OpiFrame *f, uint32_t *segments)
{
    const OpiMeta *m = &f->meta;
    unsigned tag = m->flags & OPI_TXD_F_VLAN ? OPI_TAG_LEN : 0;
    uint32_t n = 1;

    /* Metadata need not fit the frame yet. */
    if (m->gso_type && m->gso_size && m->hdr_len < f->len) {
        n = DIV_ROUND_UP(f->len - m->hdr_len, m->gso_size);
    }
    if (segments) {
        *segments = n;
    }
    return f->len + (n - 1) * (uint64_t)m->hdr_len + n * (uint64_t)tag;
}

bool opi_offload_fits(const OpiFrame *f)
{
    const OpiMeta *m = &f->meta;
    uint32_t end = (uint32_t)m->csum_start + m->csum_offset;

    /* Who sends it, and its tag, have been looked at before it is summed. */
    if ((m->flags & OPI_TXD_F_CSUM) &&
        (end < ADDRESSES + 2 || end + 2 > f->len)) {
        return false;
    }
    if (m->gso_type &&
        (!(m->flags & OPI_TXD_F_CSUM) || !m->gso_size || m->hdr_len <= end ||
         m->hdr_len > UINT8_MAX || m->hdr_len > f->len)) {
        return false;
    }
    return !(m->flags & OPI_TXD_F_VLAN) || f->len >= ADDRESSES;
}

static void opi_offload_fill(OpiFrame *f)
{
    OpiMeta *m = &f->meta;
    uint8_t *from = f->head + m->csum_start;

    opi_sum_store(from + m->csum_offset, opi_sum(from, f->len - m->csum_start));
    m->flags &= ~OPI_TXD_F_CSUM;
    m->flags |= OPI_TXD_F_CSUM_VALID;
    m->csum_start = 0;
    m->csum_offset = 0;
}

/* What metadata says of places behind the tag. */
static void opi_offload_shift(OpiMeta *m, int by)
{
    if (m->flags & OPI_TXD_F_CSUM) {
        m->csum_start += by;
    }
    if (m->gso_type) {
        m->hdr_len += by;
    }
}

static void opi_offload_insert_tag(OpiFrame *f)
{
    uint8_t *p = f->head - OPI_TAG_LEN;

    memmove(p, f->head, ADDRESSES);
    stw_be_p(p + ADDRESSES, ETH_P_VLAN);
    stw_be_p(p + ADDRESSES + 2, f->meta.vlan_tci);
    f->meta.flags &= ~OPI_TXD_F_VLAN;
    f->meta.vlan_tci = 0;
    opi_frame_head_moved(f, p, OPI_TAG_LEN);
    opi_offload_shift(&f->meta, OPI_TAG_LEN);
}

static void opi_offload_strip_tag(OpiFrame *f)
{
    uint8_t *p = f->head + OPI_TAG_LEN;

    f->meta.flags |= OPI_TXD_F_VLAN;
    f->meta.vlan_tci = lduw_be_p(f->head + ADDRESSES + 2);
    memmove(p, f->head, ADDRESSES);
    opi_frame_head_moved(f, p, -OPI_TAG_LEN);
    opi_offload_shift(&f->meta, -OPI_TAG_LEN);
}

static bool opi_offload_has_tag(const OpiFrame *f)
{
    return f->head_len >= ADDRESSES + OPI_TAG_LEN + 2 &&
           lduw_be_p(f->head + ADDRESSES) == ETH_P_VLAN;
}

OpiOffload opi_offload_take_vlan(OpiFrame *f, uint16_t vlan)
{
    OpiMeta *m = &f->meta;

    if (!(m->flags & OPI_TXD_F_VLAN)) {
        if (!opi_frame_peek(f, ADDRESSES + OPI_TAG_LEN + 2)) {
            return OPI_OFFLOAD_FAULT;
        }
        if (!opi_offload_has_tag(f) ||
            (lduw_be_p(f->head + ADDRESSES + 2) & 0xfff) != vlan) {
            return OPI_OFFLOAD_OTHER;
        }
        if ((m->flags & OPI_TXD_F_CSUM) &&
            m->csum_start < ADDRESSES + OPI_TAG_LEN) {
            /* What is summed would lose the tag. */
            if (m->gso_type) {
                return OPI_OFFLOAD_BAD;
            }
            if (!opi_frame_gather(f, f->card)) {
                return OPI_OFFLOAD_FAULT;
            }
            opi_offload_fill(f);
        }
        opi_offload_strip_tag(f);
    } else if ((m->vlan_tci & 0xfff) != vlan) {
        return OPI_OFFLOAD_OTHER;
    }
    m->flags &= ~OPI_TXD_F_VLAN;
    m->vlan_tci = 0;
    return OPI_OFFLOAD_DONE;
}

static bool opi_offload_accepted(uint8_t gso_type, uint32_t accepts)
{
    switch (gso_type & ~OPI_GSO_ECN) {
    case OPI_GSO_TCPV4:
        return accepts & OPI_RX_F_TSO4;
    case OPI_GSO_TCPV6:
        return accepts & OPI_RX_F_TSO6;
    default:
        return accepts & OPI_RX_F_USO;
    }
}

OpiOffload opi_offload_prepare(OpiFrame *f, uint32_t accepts)
{
    OpiMeta *m = &f->meta;
    bool cut = m->gso_type && !opi_offload_accepted(m->gso_type, accepts);
    bool fill = !cut && (m->flags & OPI_TXD_F_CSUM) &&
                !(accepts & OPI_RX_F_CSUM);
    bool tag = (m->flags & OPI_TXD_F_VLAN) && !(accepts & OPI_RX_F_VLAN_STRIP);
    bool strip = !(m->flags & OPI_TXD_F_VLAN) &&
                 (accepts & OPI_RX_F_VLAN_STRIP);

    if (!cut && !fill && !tag && !strip) {
        return OPI_OFFLOAD_DONE;
    }
    if (!opi_frame_peek(f, ADDRESSES + 2 + OPI_TAG_LEN)) {
        return OPI_OFFLOAD_FAULT;
    }
    strip = strip && opi_offload_has_tag(f);
    if ((tag || strip) && (m->flags & OPI_TXD_F_CSUM) && !fill &&
        m->csum_start < ADDRESSES + OPI_TAG_LEN) {
        /* The tag would come into what is summed. */
        if (m->gso_type) {
            return OPI_OFFLOAD_BAD;
        }
        fill = true;
    }
    if ((cut || fill) && !opi_frame_gather(f, f->card)) {
        return OPI_OFFLOAD_FAULT;
    }
    if (fill) {
        opi_offload_fill(f);
    }
    if (tag) {
        opi_offload_insert_tag(f);
    } else if (strip) {
        opi_offload_strip_tag(f);
    }
    return cut ? OPI_OFFLOAD_CUT : OPI_OFFLOAD_DONE;
}

/* ---- Segments ---------------------------------------------------------- */

/* Where the layers are; false: not the headers that the metadata speaks of. */
static bool opi_cut_parse(OpiCut *cut, const OpiFrame *f)
{
    const OpiMeta *m = &f->meta;
    const uint8_t *p = f->head;
    uint8_t type = m->gso_type & ~OPI_GSO_ECN, next;
    unsigned end = m->hdr_len, l3 = ADDRESSES + 2, l4;
    unsigned i;

    /* Two tags, and one that was inserted. */
    for (i = 0; i < 3 && l3 + OPI_TAG_LEN <= end &&
         (lduw_be_p(p + l3 - 2) == ETH_P_VLAN ||
          lduw_be_p(p + l3 - 2) == ETH_P_DVLAN); i++) {
        l3 += OPI_TAG_LEN;
    }
    if (l3 + IPV4_HDR > end) {
        return false;
    }
    switch (lduw_be_p(p + l3 - 2)) {
    case ETH_P_IP:
        cut->v6 = false;
        l4 = l3 + (p[l3] & 0xf) * 4;
        next = p[l3 + 9];
        if (p[l3] >> 4 != 4 || l4 < l3 + IPV4_HDR ||
            (lduw_be_p(p + l3 + 6) & 0x3fff)) {
            return false;
        }
        break;
    case ETH_P_IPV6:
        cut->v6 = true;
        l4 = l3 + IPV6_HDR;
        if (l4 > end || p[l3] >> 4 != 6) {
            return false;
        }
        next = p[l3 + 6];
        /* A routing header would change the address that is summed. */
        while ((next == IP6_HOP_BY_HOP || next == IP6_DESTINATON) &&
               l4 + 8 <= end) {
            next = p[l4];
            l4 += (p[l4 + 1] + 1) * 8;
        }
        break;
    default:
        return false;
    }
    cut->tcp = type != OPI_GSO_UDP_L4;
    if (next != (cut->tcp ? IP_PROTO_TCP : IP_PROTO_UDP) ||
        (cut->tcp && cut->v6 != (type == OPI_GSO_TCPV6)) ||
        m->csum_start != l4 ||
        m->csum_offset != (cut->tcp ? TCP_SUM : UDP_SUM) ||
        l4 + (cut->tcp ? TCP_HDR : UDP_HDR) > end) {
        return false;
    }
    if (l4 + (cut->tcp ? (p[l4 + 12] >> 4) * 4 : UDP_HDR) != end) {
        return false;
    }
    cut->l3 = l3;
    cut->l4 = l4;
    return true;
}

bool opi_cut_start(OpiCut *cut, OpiFrame *f, uint32_t accepts, uint32_t first)
{
    uint32_t payload;
    uint8_t proto[2] = { 0 };

    if (!opi_cut_parse(cut, f)) {
        return false;
    }
    cut->f = f;
    cut->hdr_len = f->meta.hdr_len;
    memcpy(cut->hdr, f->head, cut->hdr_len);
    cut->sum = !(accepts & OPI_RX_F_CSUM);
    proto[1] = cut->tcp ? IP_PROTO_TCP : IP_PROTO_UDP;
    cut->pseudo = lduw_he_p(proto) +
                  opi_sum(cut->hdr + cut->l3 + (cut->v6 ? 8 : 12),
                          cut->v6 ? 32 : 8);
    payload = f->len - cut->hdr_len;
    cut->n = MAX(DIV_ROUND_UP(payload, f->meta.gso_size), 1);
    cut->next = first;
    cut->start = f->head;
    cut->payload = payload;
    cut->gso_size = f->meta.gso_size;

    trace_opi_cut(f->len, cut->n, first);
    f->meta.gso_type = 0;
    f->meta.gso_size = 0;
    f->meta.hdr_len = 0;
    if (cut->sum) {
        f->meta.flags &= ~OPI_TXD_F_CSUM;
        f->meta.flags |= OPI_TXD_F_CSUM_VALID;
        f->meta.csum_start = 0;
        f->meta.csum_offset = 0;
    }
    return true;
}

/*
 * Its headers go right in front of its payload, over what belonged to the
 * segment before, which has been delivered.
 */
bool opi_cut_next(OpiCut *cut)
{
    OpiFrame *f = cut->f;
    uint32_t off, len, l4_len;
    uint8_t *p, *l3, *l4, be[2];
    uint64_t sum;

    if (cut->next >= cut->n) {
        return false;
    }
    off = cut->next * cut->gso_size;
    p = cut->start + off;
    l3 = p + cut->l3;
    l4 = p + cut->l4;
    len = MIN(cut->payload - off, cut->gso_size);
    l4_len = cut->hdr_len - cut->l4 + len;
    memcpy(p, cut->hdr, cut->hdr_len);

    if (cut->v6) {
        stw_be_p(l3 + 4, cut->l4 - cut->l3 - IPV6_HDR + l4_len);
    } else {
        stw_be_p(l3 + 2, cut->l4 - cut->l3 + l4_len);
        stw_be_p(l3 + 4, lduw_be_p(l3 + 4) + cut->next);
        stw_he_p(l3 + 10, 0);
        stw_he_p(l3 + 10, ~opi_sum(l3, cut->l4 - cut->l3));
    }
    if (cut->tcp) {
        stl_be_p(l4 + 4, ldl_be_p(l4 + 4) + off);
        if (cut->next + 1 < cut->n) {
            l4[TCP_FLAGS] &= ~(TH_FIN | TH_PUSH);
        }
        if (cut->next) {
            /* "Congestion window reduced" is said once. */
            l4[TCP_FLAGS] &= ~TH_CWR;
        }
    } else {
        stw_be_p(l4 + 4, l4_len);
    }
    stw_be_p(be, l4_len);
    sum = (uint64_t)cut->pseudo + lduw_he_p(be);
    l4 += cut->tcp ? TCP_SUM : UDP_SUM;
    if (cut->sum) {
        stw_he_p(l4, 0);
        opi_sum_store(l4, sum + opi_sum(p + cut->l4, l4_len));
    } else {
        stw_he_p(l4, opi_sum_fold(sum));
    }

    f->len = cut->hdr_len + len;
    f->npieces = 1;
    f->piece[0] = (OpiPiece) { .data = p, .len = f->len };
    f->head = p;
    f->head_len = f->len;
    cut->next++;
    return true;
}
