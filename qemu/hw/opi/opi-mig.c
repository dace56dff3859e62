/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OPI card: moving a VF: its migration states, the stream that its state is
 * written to, and taking one over.
 *
 * The stream comes by way of the host, which is not trusted: END authenticates
 * it, and still each index, size and address in it is bounded as if a driver
 * had written it, since the card that made it may be in error.  All of a stream
 * has been looked at before anything of it counts.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/crc32c.h"
#include "qemu/cutils.h"
#include "qapi/error.h"
#include "crypto/hash.h"
#include "crypto/hmac.h"
#include "crypto/random.h"
#include "net/eth.h"
#include "opi-card.h"
#include "trace.h"

#define OPI_MIG_BOARD           "OPI-EMU"

/* What has come of a stream so far; queues in rising order. */
struct OpiMigLoad {
    GByteArray *in;
    uint32_t at;                        /* of the frame that is awaited */
    uint32_t seq;
    uint16_t type;                      /* of the frame before, 0: none */
    bool loaded;
    bool has_rss;
    unsigned neqs, nqps;
    struct opi_mig_compat compat;
    struct opi_mig_func func;
    struct opi_port_stats stats;
    struct opi_rx_config rx;
    struct opi_rss_config rss;
    struct opi_mig_eq eq[OPI_VF_EQS];
    struct opi_mig_qp qp[OPI_VF_QPS];
};

/* ---- Keys -------------------------------------------------------------- */

static void opi_mig_hmac(const struct opi_mig_key *key, const void *data,
                         size_t len, uint8_t *out)
{
    g_autoptr(QCryptoHmac) hmac = qcrypto_hmac_new(QCRYPTO_HASH_ALGO_SHA256,
                                                   key->key, sizeof(key->key),
                                                   &error_abort);
    size_t n = sizeof(((struct opi_mig_end *)0)->hmac);

    qcrypto_hmac_bytes(hmac, data, len, &out, &n, &error_abort);
}

static void opi_mig_key_id(const OpiCard *c, uint8_t *id)
{
    static const char text[16] = "OPI migration 1";
    struct opi_mig_end end;

    opi_mig_hmac(&c->mig_key, text, sizeof(text), end.hmac);
    memcpy(id, end.hmac, sizeof(((struct opi_mig_compat *)0)->key_id));
}

bool opi_mig_init(OpiCard *c, Error **errp)
{
    uint8_t *key = c->mig_own_key.key;
    size_t len = sizeof(c->mig_own_key.key);

    if (!qcrypto_hmac_supports(QCRYPTO_HASH_ALGO_SHA256)) {
        error_setg(errp, "QEMU was built without HMAC-SHA-256");
        return false;
    }
    if (c->mig_key_name ?
        qcrypto_hash_bytes(QCRYPTO_HASH_ALGO_SHA256, c->mig_key_name,
                           strlen(c->mig_key_name), &key, &len, errp) < 0 :
        qcrypto_random_bytes(key, len, errp) < 0) {
        return false;
    }
    c->mig_key = c->mig_own_key;
    return true;
}

void opi_mig_set_key(OpiCard *c, const struct opi_mig_key *key)
{
    c->mig_key = buffer_is_zero(key->key, sizeof(key->key)) ? c->mig_own_key
                                                            : *key;
}

/* ---- Writing a stream -------------------------------------------------- */

static void opi_mig_frame(GByteArray *out, unsigned *seq, uint16_t type,
                          const void *body, uint32_t len)
{
    struct opi_mig_frame h = {
        .magic = cpu_to_le32(OPI_MIG_MAGIC),
        .version = cpu_to_le16(OPI_MIG_VERSION),
        .type = cpu_to_le16(type),
        .len = cpu_to_le32(len),
        .seq = cpu_to_le32((*seq)++),
        .iface_version = cpu_to_le32(OPI_IFACE_VERSION),
    };
    struct iovec iov[] = {
        { .iov_base = &h, .iov_len = sizeof(h) },
        { .iov_base = (void *)body, .iov_len = len },
    };

    h.crc = cpu_to_le32(iov_crc32c(UINT32_MAX, iov, ARRAY_SIZE(iov)));
    g_byte_array_append(out, (void *)&h, sizeof(h));
    g_byte_array_append(out, body, len);
}

static void opi_mig_write_compat(const OpiFn *fn, GByteArray *out,
                                 unsigned *seq)
{
    const OpiCard *c = fn->card;
    struct opi_mig_compat m = {
        .serial = cpu_to_le64(c->serial),
        .caps = cpu_to_le64(opi_fn_caps(fn)),
        .func_id = cpu_to_le32(opi_fn_id(fn)),
        .max_mtu = cpu_to_le32(OPI_MTU_MAX),
        .max_qps = cpu_to_le16(fn->max_qps),
        .max_eqs = cpu_to_le16(fn->max_eqs),
        .vf = cpu_to_le16(fn->vf),
        .aq_order = OPI_AQ_ORDER_MAX,
        .ring_order = OPI_RING_ORDER_MAX,
        .max_segs = OPI_SEGS_MAX,
    };

    strpadcpy(m.board_id, sizeof(m.board_id), OPI_MIG_BOARD, 0);
    opi_mig_key_id(c, m.key_id);
    opi_mig_frame(out, seq, OPI_MIG_FRAME_COMPAT, &m, sizeof(m));
}

static void opi_mig_write_func(const OpiFn *fn, GByteArray *out, unsigned *seq)
{
    const OpiPort *p = fn->func->port;
    struct opi_mig_func m = {
        .aq_sq = cpu_to_le64(fn->aq_sq),
        .aq_cq = cpu_to_le64(fn->aq_cq),
        .aq_sq_reg = cpu_to_le64(fn->aq_sq_reg),
        .aq_cq_reg = cpu_to_le64(fn->aq_cq_reg),
        .aq_head = cpu_to_le32(fn->aq_head),
        .aq_tail = cpu_to_le32(fn->aq_tail),
        .aq_cpls = cpu_to_le32(fn->aq_cpls),
        .aq_status = cpu_to_le32(fn->aq_status),
        .seq = cpu_to_le32(fn->seq),
        .health = cpu_to_le32(fn->health),
        .peer_generation = cpu_to_le32(fn->peer_generation),
        .os_generation = cpu_to_le32(fn->os_generation),
        .mtu = cpu_to_le32(p->func.mtu),
        .token = cpu_to_le16(fn->token),
        .vlan = cpu_to_le16(fn->func->vlan),
        .flags = cpu_to_le16((p->func_up ? OPI_MIG_FUNC_F_UP : 0) |
                             (p->func.carrier ? OPI_MIG_FUNC_F_CARRIER : 0) |
                             (fn->func->trust ? OPI_MIG_FUNC_F_TRUST : 0) |
                             (fn->status & OPI_DEV_STATUS_FATAL ?
                              OPI_MIG_FUNC_F_FATAL : 0)),
        .aq_order = fn->aq_order,
        .peer = fn->peer,
        .os_status = fn->os_status,
        .tx_priority = p->rate.priority,
        .tx_weight = p->rate.weight,
        .tx_max = cpu_to_le64(p->rate.max.rate),
        .tx_share = cpu_to_le64(p->rate.share.rate),
    };

    memcpy(m.mac, p->mac, sizeof(m.mac));
    opi_mig_frame(out, seq, OPI_MIG_FRAME_FUNC, &m, sizeof(m));
}

static void opi_mig_write_port(const OpiFn *fn, GByteArray *out, unsigned *seq)
{
    const OpiPortEnd *e = &fn->func->port->func;
    struct opi_port_stats s = { 0 };
    struct opi_rx_config rx = { 0 };

    opi_port_end_stats(e, &s);
    opi_mig_frame(out, seq, OPI_MIG_FRAME_STATS, &s, sizeof(s));
    opi_rx_get(&e->rx, &rx);
    opi_mig_frame(out, seq, OPI_MIG_FRAME_RX, &rx, sizeof(rx));
    if (fn->rss.size) {
        opi_mig_frame(out, seq, OPI_MIG_FRAME_RSS, &fn->rss.cfg,
                      sizeof(fn->rss.cfg));
    }
}

static void opi_mig_write_queues(const OpiFn *fn, GByteArray *out,
                                 unsigned *seq)
{
    unsigned i;

    for (i = 0; i < fn->neqs; i++) {
        const OpiEq *eq = &fn->eqs[i];
        struct opi_mig_eq m = {
            .ring = cpu_to_le64(eq->ring),
            .shadow = cpu_to_le64(eq->shadow),
            .tail = cpu_to_le32(eq->tail),
            .lost = cpu_to_le32(eq->lost),
            .id = cpu_to_le16(i),
            .vector = cpu_to_le16(eq->vector),
            .order = eq->order,
        };

        if (eq->used) {
            opi_mig_frame(out, seq, OPI_MIG_FRAME_EQ, &m, sizeof(m));
        }
    }
    for (i = 0; i < fn->nqps; i++) {
        const OpiQp *qp = &fn->qps[i];
        struct opi_mig_qp m = {
            .sq = cpu_to_le64(qp->sq),
            .rq = cpu_to_le64(qp->rq),
            .cq = cpu_to_le64(qp->cq),
            .shadow = cpu_to_le64(qp->shadow),
            .sq_head = cpu_to_le32(qp->sq_head),
            .rq_head = cpu_to_le32(qp->rq_head),
            .cq_tail = cpu_to_le32(qp->cq_tail),
            .cut = cpu_to_le32(qp->cut),
            .id = cpu_to_le16(i),
            .eq = cpu_to_le16(qp->eq),
            .sq_order = qp->sq_order,
            .rq_order = qp->rq_order,
            .cq_order = qp->cq_order,
            .state = qp->state,
            .error = qp->error,
        };

        if (qp->used) {
            opi_mig_frame(out, seq, OPI_MIG_FRAME_QP, &m, sizeof(m));
        }
    }
}

static GByteArray *opi_mig_write(const OpiFn *fn)
{
    GByteArray *out = g_byte_array_new();
    struct opi_mig_end end;
    unsigned seq = 0;

    opi_mig_write_compat(fn, out, &seq);
    opi_mig_write_func(fn, out, &seq);
    opi_mig_write_port(fn, out, &seq);
    opi_mig_write_queues(fn, out, &seq);
    opi_mig_hmac(&fn->card->mig_key, out->data, out->len, end.hmac);
    opi_mig_frame(out, &seq, OPI_MIG_FRAME_END, &end, sizeof(end));
    return out;
}

/* ---- Reading one ------------------------------------------------------- */

static uint32_t opi_mig_body(uint16_t type)
{
    static const uint32_t size[] = {
        [OPI_MIG_FRAME_COMPAT] = sizeof(struct opi_mig_compat),
        [OPI_MIG_FRAME_FUNC] = sizeof(struct opi_mig_func),
        [OPI_MIG_FRAME_STATS] = sizeof(struct opi_port_stats),
        [OPI_MIG_FRAME_RX] = sizeof(struct opi_rx_config),
        [OPI_MIG_FRAME_RSS] = sizeof(struct opi_rss_config),
        [OPI_MIG_FRAME_EQ] = sizeof(struct opi_mig_eq),
        [OPI_MIG_FRAME_QP] = sizeof(struct opi_mig_qp),
        [OPI_MIG_FRAME_END] = sizeof(struct opi_mig_end),
    };

    return type < ARRAY_SIZE(size) ? size[type] : 0;
}

/* Up to the receive filter all are there, in turn; of the others what is. */
static bool opi_mig_follows(uint16_t type, uint16_t before)
{
    if (before < OPI_MIG_FRAME_RX) {
        return type == before + 1;
    }
    return type > before ||
           (type == before && (type == OPI_MIG_FRAME_EQ ||
                               type == OPI_MIG_FRAME_QP));
}

static uint16_t opi_mig_check_header(const OpiMigLoad *l,
                                     const struct opi_mig_frame *h)
{
    uint16_t type = le16_to_cpu(h->type);
    uint32_t iface = le32_to_cpu(h->iface_version);

    if (le32_to_cpu(h->magic) != OPI_MIG_MAGIC) {
        return OPI_ST_EINVAL;
    }
    /* Another version may be another in all that follows. */
    if (le16_to_cpu(h->version) != OPI_MIG_VERSION ||
        iface >> 16 != OPI_IFACE_MAJOR ||
        (iface & 0xffff) > OPI_IFACE_MINOR) {
        return OPI_ST_EOPNOTSUPP;
    }
    if (!opi_mig_follows(type, l->type) || !opi_mig_body(type) ||
        le32_to_cpu(h->len) != opi_mig_body(type) ||
        le32_to_cpu(h->seq) != l->seq ||
        !buffer_is_zero(h->rsvd, sizeof(h->rsvd))) {
        return OPI_ST_EINVAL;
    }
    return OPI_ST_OK;
}

static bool opi_mig_crc_ok(const struct opi_mig_frame *h, const uint8_t *body)
{
    struct opi_mig_frame blank = *h;
    struct iovec iov[] = {
        { .iov_base = &blank, .iov_len = sizeof(blank) },
        { .iov_base = (void *)body, .iov_len = le32_to_cpu(h->len) },
    };

    blank.crc = 0;
    return iov_crc32c(UINT32_MAX, iov, ARRAY_SIZE(iov)) == le32_to_cpu(h->crc);
}

static uint16_t opi_mig_check_compat(const OpiFn *fn,
                                     const struct opi_mig_compat *m)
{
    char board[sizeof(m->board_id)];
    uint8_t key_id[sizeof(m->key_id)];

    strpadcpy(board, sizeof(board), OPI_MIG_BOARD, 0);
    opi_mig_key_id(fn->card, key_id);
    if (!buffer_is_zero(m->rsvd, sizeof(m->rsvd)) || !m->max_qps ||
        !m->max_eqs) {
        return OPI_ST_EINVAL;
    }
    if (memcmp(m->board_id, board, sizeof(board)) ||
        (le64_to_cpu(m->caps) & ~opi_fn_caps(fn)) ||
        le32_to_cpu(m->max_mtu) > OPI_MTU_MAX ||
        m->aq_order > OPI_AQ_ORDER_MAX || m->ring_order > OPI_RING_ORDER_MAX ||
        m->max_segs > OPI_SEGS_MAX) {
        return OPI_ST_EOPNOTSUPP;
    }
    if (memcmp(m->key_id, key_id, sizeof(key_id))) {
        return OPI_ST_EPERM;
    }
    return le16_to_cpu(m->max_qps) > fn->max_qps ||
           le16_to_cpu(m->max_eqs) > fn->max_eqs ? OPI_ST_ENOSPC : OPI_ST_OK;
}

static bool opi_mig_check_aq(const struct opi_mig_func *m)
{
    uint32_t posted = le32_to_cpu(m->aq_tail) - le32_to_cpu(m->aq_head);

    switch (le32_to_cpu(m->aq_status)) {
    case 0:
    case OPI_AQ_STATUS_ERROR:
        return true;
    case OPI_AQ_STATUS_ENABLED:
        return m->aq_order >= OPI_AQ_ORDER_MIN &&
               m->aq_order <= OPI_AQ_ORDER_MAX &&
               !((le64_to_cpu(m->aq_sq) | le64_to_cpu(m->aq_cq)) & 63) &&
               posted <= 1u << m->aq_order;
    default:
        return false;
    }
}

static bool opi_mig_check_func(const struct opi_mig_func *m)
{
    static const uint16_t known = OPI_MIG_FUNC_F_UP | OPI_MIG_FUNC_F_CARRIER |
                                  OPI_MIG_FUNC_F_TRUST | OPI_MIG_FUNC_F_FATAL;
    uint64_t max = le64_to_cpu(m->tx_max), share = le64_to_cpu(m->tx_share);
    uint16_t flags = le16_to_cpu(m->flags);
    uint32_t mtu = le32_to_cpu(m->mtu);

    return buffer_is_zero(m->rsvd0, sizeof(m->rsvd0)) &&
           buffer_is_zero(m->rsvd1, sizeof(m->rsvd1)) &&
           !(flags & ~known) && opi_mig_check_aq(m) &&
           le32_to_cpu(m->health) <= OPI_HEALTH_INTERNAL &&
           !!(flags & OPI_MIG_FUNC_F_FATAL) == !!m->health &&
           (!m->health || le32_to_cpu(m->aq_status) == OPI_AQ_STATUS_ERROR) &&
           mtu >= OPI_MTU_MIN && mtu <= OPI_MTU_MAX &&
           le16_to_cpu(m->vlan) <= OPI_VLAN_MAX &&
           !is_multicast_ether_addr(m->mac) &&
           !buffer_is_zero(m->mac, sizeof(m->mac)) &&
           m->peer <= OPI_PEER_HALTED && m->os_status <= OPI_OS_HALTED &&
           m->tx_priority <= OPI_RATE_PRIORITY_MAX && m->tx_weight &&
           m->tx_weight <= OPI_RATE_WEIGHT_MAX && (!max || share <= max);
}

/* What EQ_CREATE would refuse, and what a card cannot get into. */
static bool opi_mig_check_eq(const OpiMigLoad *l, const struct opi_mig_eq *m)
{
    unsigned max = le16_to_cpu(l->compat.max_eqs);
    unsigned id = le16_to_cpu(m->id), vector = le16_to_cpu(m->vector);

    return id < max && vector < max && (id || !vector) &&
           (!l->neqs || id > le16_to_cpu(l->eq[l->neqs - 1].id)) &&
           m->order >= OPI_RING_ORDER_MIN && m->order <= OPI_RING_ORDER_MAX &&
           !(le64_to_cpu(m->ring) & 63) && !(le64_to_cpu(m->shadow) & 15) &&
           l->func.aq_status && !l->func.health &&
           buffer_is_zero(m->rsvd, sizeof(m->rsvd));
}

static bool opi_mig_has_eq(const OpiMigLoad *l, uint16_t id)
{
    unsigned i;

    for (i = 0; i < l->neqs; i++) {
        if (l->eq[i].id == id) {
            return true;
        }
    }
    return false;
}

static bool opi_mig_order_ok(uint8_t order)
{
    return order >= OPI_RING_ORDER_MIN && order <= OPI_RING_ORDER_MAX;
}

static bool opi_mig_check_qp(const OpiMigLoad *l, const struct opi_mig_qp *m)
{
    unsigned id = le16_to_cpu(m->id);

    return id < le16_to_cpu(l->compat.max_qps) &&
           (!l->nqps || id > le16_to_cpu(l->qp[l->nqps - 1].id)) &&
           opi_mig_has_eq(l, m->eq) && opi_mig_order_ok(m->sq_order) &&
           opi_mig_order_ok(m->rq_order) && opi_mig_order_ok(m->cq_order) &&
           m->cq_order >= m->rq_order &&
           !((le64_to_cpu(m->sq) | le64_to_cpu(m->rq) | le64_to_cpu(m->cq) |
              le64_to_cpu(m->shadow)) & 63) &&
           /* A segment has a byte of the frame at least. */
           le32_to_cpu(m->cut) <= OPI_FRAME_MAX &&
           (m->state == OPI_QP_RUNNING ? m->error == OPI_QP_ERR_NONE :
            m->state == OPI_QP_ERROR && m->error >= OPI_QP_ERR_TXD &&
            m->error <= OPI_QP_ERR_DMA) &&
           buffer_is_zero(m->rsvd, sizeof(m->rsvd));
}

/* No byte of it tells how far it is right. */
static bool opi_mig_check_end(const OpiFn *fn, const OpiMigLoad *l,
                              const struct opi_mig_end *m)
{
    struct opi_mig_end want;
    uint8_t differ = 0;
    unsigned i;

    opi_mig_hmac(&fn->card->mig_key, l->in->data, l->at, want.hmac);
    for (i = 0; i < sizeof(want.hmac); i++) {
        differ |= want.hmac[i] ^ m->hmac[i];
    }
    return !differ;
}

/* One frame, whose header and sum are right. */
static uint16_t opi_mig_take(OpiFn *fn, uint16_t type, const uint8_t *body)
{
    OpiMigLoad *l = fn->mig.load;
    bool ok = true;

    switch (type) {
    case OPI_MIG_FRAME_COMPAT:
        memcpy(&l->compat, body, sizeof(l->compat));
        return opi_mig_check_compat(fn, &l->compat);
    case OPI_MIG_FRAME_FUNC:
        memcpy(&l->func, body, sizeof(l->func));
        ok = opi_mig_check_func(&l->func);
        break;
    case OPI_MIG_FRAME_STATS:
        memcpy(&l->stats, body, sizeof(l->stats));
        ok = buffer_is_zero(l->stats.rsvd, sizeof(l->stats.rsvd));
        break;
    case OPI_MIG_FRAME_RX:
        memcpy(&l->rx, body, sizeof(l->rx));
        ok = opi_rx_check(fn->card, le16_to_cpu(l->func.flags) &
                          OPI_MIG_FUNC_F_TRUST, &l->rx) == OPI_ST_OK;
        break;
    case OPI_MIG_FRAME_RSS:
        memcpy(&l->rss, body, sizeof(l->rss));
        l->has_rss = true;
        ok = l->rss.table_size &&
             opi_rss_check(&l->rss, le16_to_cpu(l->compat.max_qps));
        break;
    case OPI_MIG_FRAME_EQ:
        /* Rising ids below the limit: there are no more than there is room. */
        if (opi_mig_check_eq(l, (const void *)body)) {
            memcpy(&l->eq[l->neqs++], body, sizeof(l->eq[0]));
        } else {
            ok = false;
        }
        break;
    case OPI_MIG_FRAME_QP:
        if (opi_mig_check_qp(l, (const void *)body)) {
            memcpy(&l->qp[l->nqps++], body, sizeof(l->qp[0]));
        } else {
            ok = false;
        }
        break;
    default:
        if (!opi_mig_check_end(fn, l, (const void *)body)) {
            return OPI_ST_EPERM;
        }
        l->loaded = true;
        break;
    }
    return ok ? OPI_ST_OK : OPI_ST_EINVAL;
}

/* What of @in makes whole frames. */
static uint16_t opi_mig_parse(OpiFn *fn)
{
    OpiMigLoad *l = fn->mig.load;
    uint16_t st;

    while (l->in->len > l->at) {
        const uint8_t *p = l->in->data + l->at;
        struct opi_mig_frame h;

        if (l->loaded) {
            return OPI_ST_EINVAL;
        }
        if (l->in->len - l->at < sizeof(h)) {
            break;
        }
        memcpy(&h, p, sizeof(h));
        st = opi_mig_check_header(l, &h);
        if (st != OPI_ST_OK) {
            return st;
        }
        if (l->in->len - l->at < sizeof(h) + le32_to_cpu(h.len)) {
            break;
        }
        if (!opi_mig_crc_ok(&h, p + sizeof(h))) {
            return OPI_ST_EINVAL;
        }
        st = opi_mig_take(fn, le16_to_cpu(h.type), p + sizeof(h));
        if (st != OPI_ST_OK) {
            return st;
        }
        l->type = le16_to_cpu(h.type);
        l->seq++;
        l->at += sizeof(h) + le32_to_cpu(h.len);
    }
    return OPI_ST_OK;
}

/* ---- Taking it over ---------------------------------------------------- */

static void opi_mig_apply_port(OpiFn *fn, const OpiMigLoad *l)
{
    uint16_t flags = le16_to_cpu(l->func.flags);
    OpiPort *p = fn->func->port;
    uint16_t st;

    memcpy(p->mac, l->func.mac, sizeof(p->mac));
    fn->func->vlan = le16_to_cpu(l->func.vlan);
    fn->func->trust = flags & OPI_MIG_FUNC_F_TRUST;
    p->func_up = flags & OPI_MIG_FUNC_F_UP;
    p->func.carrier = flags & OPI_MIG_FUNC_F_CARRIER;
    p->func.mtu = le32_to_cpu(l->func.mtu);
    opi_port_end_set_stats(&p->func, &l->stats);
    opi_rate_restore(fn->card, &p->rate, &l->func);
    st = opi_rx_set(fn, p, &l->rx);
    assert(st == OPI_ST_OK);
    if (l->has_rss) {
        st = opi_rss_set(fn, &l->rss);
        assert(st == OPI_ST_OK);
    }
}

static void opi_mig_apply_queues(OpiFn *fn, const OpiMigLoad *l)
{
    unsigned i;

    for (i = 0; i < l->neqs; i++) {
        const struct opi_mig_eq *m = &l->eq[i];

        fn->eqs[le16_to_cpu(m->id)] = (OpiEq) {
            .used = true,
            .order = m->order,
            .vector = le16_to_cpu(m->vector),
            .tail = le32_to_cpu(m->tail),
            .lost = le32_to_cpu(m->lost),
            .ring = le64_to_cpu(m->ring),
            .shadow = le64_to_cpu(m->shadow),
        };
    }
    for (i = 0; i < l->nqps; i++) {
        opi_qp_restore(fn, &l->qp[i]);
    }
}

static void opi_mig_apply(OpiFn *fn)
{
    const OpiMigLoad *l = fn->mig.load;
    const struct opi_mig_func *m = &l->func;
    OpiCard *c = fn->card;

    fn->mig.src_serial = le64_to_cpu(l->compat.serial);
    fn->mig.src_func_id = le32_to_cpu(l->compat.func_id);
    trace_opi_mig_loaded(fn->vf, fn->mig.src_serial, fn->mig.src_func_id);
    fn->max_qps = le16_to_cpu(l->compat.max_qps);
    fn->max_eqs = le16_to_cpu(l->compat.max_eqs);
    fn->aq_sq_reg = le64_to_cpu(m->aq_sq_reg);
    fn->aq_cq_reg = le64_to_cpu(m->aq_cq_reg);
    fn->aq_sq = le64_to_cpu(m->aq_sq);
    fn->aq_cq = le64_to_cpu(m->aq_cq);
    fn->aq_order = m->aq_order;
    fn->aq_status = le32_to_cpu(m->aq_status);
    fn->aq_head = le32_to_cpu(m->aq_head);
    fn->aq_tail = le32_to_cpu(m->aq_tail);
    fn->aq_cpls = le32_to_cpu(m->aq_cpls);
    fn->seq = le32_to_cpu(m->seq);
    fn->health = le32_to_cpu(m->health);
    fn->token = le16_to_cpu(m->token);
    fn->status = OPI_DEV_STATUS_READY |
                 (fn->health ? OPI_DEV_STATUS_FATAL : 0);
    fn->peer = m->peer;
    fn->peer_generation = le32_to_cpu(m->peer_generation);
    fn->os_status = m->os_status;
    fn->os_generation = le32_to_cpu(m->os_generation);
    opi_mig_apply_queues(fn, l);
    opi_mig_apply_port(fn, l);
    opi_event_port(&c->dpu, OPI_EV_MIG, OPI_MIG_EV_LOADED, fn->mig.src_func_id,
                   fn->func->port);
    /* For its driver this is a LOST: what is different here it asks for. */
    opi_func_changed(c, fn->func, OPI_CHANGE_SET);
    opi_card_update(c);
}

/* ---- States ------------------------------------------------------------ */

static void opi_mig_load_free(OpiFn *fn)
{
    OpiMigLoad *l = fn->mig.load;

    if (l) {
        fn->mig.load = NULL;
        g_byte_array_unref(l->in);
        g_free(l);
    }
}

static void opi_mig_forget(OpiFn *fn)
{
    g_clear_pointer(&fn->mig.out, g_byte_array_unref);
    fn->mig.saved = false;
    opi_mig_load_free(fn);
}

void opi_mig_no_source(OpiFn *fn)
{
    fn->mig.src_serial = 0;
    fn->mig.src_func_id = 0;
}

static void opi_mig_enter(OpiFn *fn, uint8_t state)
{
    trace_opi_mig_state(fn->vf, fn->mig.state, state);
    fn->mig.state = state;
}

static void opi_mig_event(OpiFn *fn, uint8_t event, uint32_t value)
{
    opi_event_port(&fn->card->dpu, OPI_EV_MIG, event, value, fn->func->port);
}

void opi_mig_free(OpiFn *fn)
{
    opi_mig_forget(fn);
    fn->mig.state = OPI_MIG_RUNNING;
}

void opi_mig_reset(OpiFn *fn)
{
    opi_mig_forget(fn);
    if (fn->mig.state != OPI_MIG_RUNNING) {
        opi_mig_enter(fn, OPI_MIG_RUNNING);
        /* Of one that goes its own event tells. */
        if (fn->func && fn->present) {
            opi_mig_event(fn, OPI_MIG_EV_RUNNING, 0);
        }
    }
}

void opi_mig_abandon(OpiCard *c)
{
    unsigned i;

    for (i = 0; i < OPI_VFS; i++) {
        OpiFn *fn = &c->vf[i];

        opi_dirty_free(fn);
        if (fn->mig.state == OPI_MIG_LOADING) {
            opi_mig_enter(fn, OPI_MIG_ERROR);
        }
    }
}

/* Whatever it has begun is finished: between commands no frame is half sent. */
static void opi_mig_hold(OpiFn *fn)
{
    unsigned i;

    opi_qp_notify_moved(fn->card);
    for (i = 0; i < fn->nqps; i++) {
        opi_qp_hold(&fn->qps[i]);
    }
    opi_mig_enter(fn, OPI_MIG_P2P);
}

static void opi_mig_release(OpiFn *fn)
{
    OpiCard *c = fn->card;
    unsigned i;

    opi_mig_forget(fn);
    opi_mig_enter(fn, OPI_MIG_RUNNING);
    opi_eq_release(fn);
    for (i = 0; i < fn->nqps; i++) {
        opi_qp_release(&fn->qps[i]);
    }
    fn->aq_pending = (fn->aq_status & OPI_AQ_STATUS_ENABLED) &&
                     fn->aq_head != fn->aq_tail;
    c->aq_pending |= fn->aq_pending;
    opi_card_update(c);
    /* Some may have been lost, with the vectors that were in force then. */
    if (fn->aq_status) {
        opi_fn_notify(fn, 0);
    }
    for (i = 0; i < fn->neqs; i++) {
        if (fn->eqs[i].used && fn->eqs[i].vector) {
            opi_fn_notify(fn, fn->eqs[i].vector);
        }
    }
    qemu_bh_schedule(c->bh);
}

static void opi_mig_stop(OpiFn *fn)
{
    opi_mig_enter(fn, OPI_MIG_STOPPED);
    opi_mig_forget(fn);
    fn->mig.out = opi_mig_write(fn);
    assert(fn->mig.out->len <= OPI_MIG_STREAM_MAX);
}

static void opi_mig_refuse(OpiFn *fn, uint16_t st)
{
    trace_opi_mig_refused(fn->vf, st, fn->mig.load->at);
    opi_mig_enter(fn, OPI_MIG_ERROR);
    opi_mig_event(fn, OPI_MIG_EV_REFUSED, st);
}

static void opi_mig_await(OpiFn *fn)
{
    opi_mig_forget(fn);
    fn->mig.load = g_new0(OpiMigLoad, 1);
    fn->mig.load->in = g_byte_array_new();
    opi_mig_enter(fn, OPI_MIG_LOADING);
    opi_fn_reset(fn);
    opi_card_update(fn->card);
}

static uint16_t opi_mig_set_loading(OpiFn *fn, uint8_t state)
{
    if (state != OPI_MIG_STOPPED) {
        return OPI_ST_EINVAL;
    }
    if (!fn->mig.load->loaded) {
        opi_mig_refuse(fn, OPI_ST_EINVAL);
        return OPI_ST_EINVAL;
    }
    opi_mig_apply(fn);
    opi_mig_stop(fn);
    return OPI_ST_OK;
}

uint16_t opi_mig_set(OpiFn *fn, uint8_t state)
{
    uint8_t from = fn->mig.state;

    if (from == OPI_MIG_ERROR) {
        return OPI_ST_EIO;
    }
    if (state >= OPI_MIG_ERROR) {
        return OPI_ST_EINVAL;
    }
    if (state == from) {
        return OPI_ST_EEXIST;
    }
    if (from == OPI_MIG_LOADING) {
        return opi_mig_set_loading(fn, state);
    }
    if (state == OPI_MIG_LOADING) {
        if (from != OPI_MIG_STOPPED) {
            return OPI_ST_EINVAL;
        }
        opi_mig_await(fn);
        return OPI_ST_OK;
    }
    if (from == OPI_MIG_RUNNING) {
        opi_mig_hold(fn);
    }
    switch (state) {
    case OPI_MIG_STOPPED:
        /* Or the DPU could take the next source for this one. */
        opi_mig_no_source(fn);
        opi_mig_stop(fn);
        opi_mig_event(fn, OPI_MIG_EV_STOPPED, 0);
        break;
    case OPI_MIG_P2P:
        if (from == OPI_MIG_STOPPED) {
            opi_mig_forget(fn);
            opi_mig_enter(fn, OPI_MIG_P2P);
        }
        break;
    default:
        opi_mig_release(fn);
        opi_mig_event(fn, OPI_MIG_EV_RUNNING, 0);
        break;
    }
    return OPI_ST_OK;
}

/* ---- Commands ---------------------------------------------------------- */

uint16_t opi_mig_vf(OpiFn *fn, const struct opi_cmd *cmd, uint16_t opcode,
                    OpiFn **vf)
{
    uint32_t n = le32_to_cpu(cmd->target);

    if (n >= OPI_VFS) {
        return OPI_ST_ERANGE;
    }
    *vf = &fn->card->vf[n];
    if (!(*vf)->func || (!(*vf)->present && fn->role != OPI_ROLE_DPU)) {
        return OPI_ST_ENOENT;
    }
    return opcode == OPI_CMD_MIG_GET || (*vf)->func->migratable
           ? OPI_ST_OK : OPI_ST_EPERM;
}

/* All that there can be. */
static uint32_t opi_mig_longest(const OpiFn *fn)
{
    uint32_t len = 0;
    uint16_t type;

    for (type = OPI_MIG_FRAME_COMPAT; type <= OPI_MIG_FRAME_END; type++) {
        uint32_t n = type == OPI_MIG_FRAME_EQ ? fn->max_eqs :
                     type == OPI_MIG_FRAME_QP ? fn->max_qps : 1;

        len += n * (sizeof(struct opi_mig_frame) + opi_mig_body(type));
    }
    return len;
}

static uint32_t opi_mig_precopy(void)
{
    return sizeof(struct opi_mig_frame) + sizeof(struct opi_mig_compat);
}

void opi_mig_get(const OpiFn *vf, struct opi_mig_info *i)
{
    const OpiMig *m = &vf->mig;

    i->state = m->state;
    i->flags = (m->load && m->load->loaded ? OPI_MIG_F_LOADED : 0) |
               (vf->dirty ? OPI_MIG_F_DIRTY : 0);
    i->version = cpu_to_le16(OPI_MIG_VERSION);
    i->func_id = cpu_to_le32(opi_fn_id(vf));
    i->precopy_size = cpu_to_le32(opi_mig_precopy());
    i->stream_size = cpu_to_le32(m->out ? m->out->len : opi_mig_longest(vf));
    i->loaded = cpu_to_le32(m->load ? m->load->in->len : 0);
    i->stream_max = cpu_to_le32(OPI_MIG_STREAM_MAX);
    i->src_serial = cpu_to_le64(m->src_serial);
    i->src_func_id = cpu_to_le32(m->src_func_id);
    i->dirty_pages = cpu_to_le32(vf->card->dirty_pages);
    i->dirty_order = opi_dirty_order(vf);
}

uint16_t opi_mig_save(OpiFn *vf, uint64_t offset, uint8_t *buf, uint32_t *len)
{
    g_autoptr(GByteArray) compat = NULL;
    GByteArray *out = vf->mig.out;
    unsigned seq = 0;

    switch (vf->mig.state) {
    case OPI_MIG_RUNNING:
    case OPI_MIG_P2P:
        out = compat = g_byte_array_new();
        opi_mig_write_compat(vf, out, &seq);
        break;
    case OPI_MIG_STOPPED:
        break;
    default:
        return OPI_ST_EINVAL;
    }
    if (offset > out->len) {
        return OPI_ST_ERANGE;
    }
    *len = MIN(*len, out->len - offset);
    memcpy(buf, out->data + offset, *len);
    if (!compat && *len && offset + *len == out->len && !vf->mig.saved) {
        vf->mig.saved = true;
        opi_mig_event(vf, OPI_MIG_EV_SAVED, 0);
    }
    return OPI_ST_OK;
}

uint16_t opi_mig_load(OpiFn *vf, uint64_t offset, const uint8_t *buf,
                      uint32_t len)
{
    OpiMigLoad *l = vf->mig.load;
    uint16_t st = OPI_ST_OK;

    if (vf->mig.state == OPI_MIG_ERROR) {
        return OPI_ST_EIO;
    }
    if (vf->mig.state != OPI_MIG_LOADING) {
        return OPI_ST_EINVAL;
    }
    if (offset != l->in->len) {
        st = OPI_ST_EINVAL;
    } else if (len > OPI_MIG_STREAM_MAX - l->in->len) {
        st = OPI_ST_E2BIG;
    } else {
        g_byte_array_append(l->in, buf, len);
        st = opi_mig_parse(vf);
    }
    if (st != OPI_ST_OK) {
        opi_mig_refuse(vf, st);
    }
    return st;
}
