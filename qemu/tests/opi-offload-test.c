/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qtests of what the card does to frames: metadata that passes, checksums,
 * tags, segmentation, receive filters, spreading, coalescing.  What frames
 * should look like is made here, from their description, by code that shares
 * nothing with the card.  Rings and their rules are in opi-test.c.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "opi-util.h"

#define MAXFRAME 66000

static uint8_t frame[MAXFRAME], got[MAXFRAME], want[MAXFRAME];

static const uint8_t dst_mac[] = { 0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0x01 };
static const uint8_t src_mac[] = { 0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0x02 };

/* ---- Frames from a description ----------------------------------------- */

typedef struct Flow {
    bool v6, tcp;
    unsigned tags;                      /* in the frame; 2: 802.1ad outside */
    unsigned ip_opts;                   /* 32-bit words (v6: 64-bit) */
    unsigned tcp_opts;                  /* 32-bit words */
    uint16_t ip_id;
    uint32_t seq;
    uint8_t tcp_flags;
    uint8_t fill;
    size_t len;                         /* of the payload */
} Flow;

typedef enum Sum {
    SUM_FULL,
    SUM_PSEUDO,                         /* as CSUM wants it */
} Sum;

typedef struct Layout {
    unsigned l3, l4, hdr, sum;          /* offsets; sum: of its field */
} Layout;

static uint16_t naive_sum(const uint8_t *p, size_t len, uint32_t sum)
{
    size_t i;

    for (i = 0; i < len; i++) {
        sum += i & 1 ? p[i] : p[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

/* Bytes of the payload from @off on, as a frame of its own. */
static size_t build(const Flow *f, size_t off, size_t n, Sum how, uint8_t *out,
                    Layout *lay)
{
    uint8_t *p = out, *l3, *l4, *field;
    unsigned l4_hdr = f->tcp ? 20 + 4 * f->tcp_opts : 8, i, l3_len;
    uint16_t sum;
    size_t k;

    memcpy(p, dst_mac, 6);
    memcpy(p + 6, src_mac, 6);
    p += 12;
    for (i = 0; i < f->tags; i++) {
        stw_be_p(p, f->tags == 2 && i == 0 ? 0x88a8 : 0x8100);
        stw_be_p(p + 2, 0x2000 + 100 + i);
        p += 4;
    }
    stw_be_p(p, f->v6 ? 0x86dd : 0x0800);
    l3 = p + 2;
    if (f->v6) {
        l3_len = 40 + 8 * f->ip_opts;
        memset(l3, 0, l3_len);
        l3[0] = 0x60;
        stw_be_p(l3 + 4, 8 * f->ip_opts + l4_hdr + n);
        l3[6] = f->ip_opts ? 60 : f->tcp ? 6 : 17;
        l3[7] = 64;
        for (i = 0; i < 32; i++) {
            l3[8 + i] = 0x20 + i * 5;
        }
        for (i = 0; i < f->ip_opts; i++) {
            uint8_t *e = l3 + 40 + 8 * i;

            e[0] = i == f->ip_opts - 1 ? (f->tcp ? 6 : 17) : 60;
            e[2] = 1;                   /* PadN, 4 bytes */
            e[3] = 4;
        }
    } else {
        l3_len = 20 + 4 * f->ip_opts;
        memset(l3, 0, l3_len);
        l3[0] = 0x40 + l3_len / 4;
        stw_be_p(l3 + 2, l3_len + l4_hdr + n);
        stw_be_p(l3 + 4, f->ip_id);
        stw_be_p(l3 + 6, 0x4000);
        l3[8] = 64;
        l3[9] = f->tcp ? 6 : 17;
        stl_be_p(l3 + 12, 0x0a4d000a);
        stl_be_p(l3 + 16, 0x0a4d0002);
        memset(l3 + 20, 1, 4 * f->ip_opts);
        stw_be_p(l3 + 10, ~naive_sum(l3, l3_len, 0));
    }
    l4 = l3 + l3_len;
    memset(l4, 0, l4_hdr);
    stw_be_p(l4, 40000);
    stw_be_p(l4 + 2, 5201);
    if (f->tcp) {
        stl_be_p(l4 + 4, f->seq);
        stl_be_p(l4 + 8, 0x11223344);
        l4[12] = l4_hdr / 4 << 4;
        l4[13] = f->tcp_flags;
        stw_be_p(l4 + 14, 8192);
        memset(l4 + 20, 1, 4 * f->tcp_opts);
        field = l4 + 16;
    } else {
        stw_be_p(l4 + 4, l4_hdr + n);
        field = l4 + 6;
    }
    for (k = 0; k < n; k++) {
        l4[l4_hdr + k] = f->fill + (off + k) * 7 + ((off + k) >> 8) * 3;
    }
    sum = f->v6 ? naive_sum(l3 + 8, 32, 0) : naive_sum(l3 + 12, 8, 0);
    sum = naive_sum((uint8_t[]){ 0, f->tcp ? 6 : 17, (l4_hdr + n) >> 8,
                                 l4_hdr + n }, 4, sum);
    if (how == SUM_FULL) {
        sum = ~naive_sum(l4, l4_hdr + n, sum);
        sum = sum ? sum : 0xffff;
    }
    stw_be_p(field, sum);
    if (lay) {
        *lay = (Layout) {
            .l3 = l3 - out,
            .l4 = l4 - out,
            .hdr = l4 - out + l4_hdr,
            .sum = field - out,
        };
    }
    return l4 - out + l4_hdr + n;
}

static size_t build_all(const Flow *f, Sum how, uint8_t *out, Layout *lay)
{
    return build(f, 0, f->len, how, out, lay);
}

/* The segment that a stack would have sent in place of that part. */
static size_t build_segment(const Flow *f, unsigned i, size_t gso_size, Sum how,
                            uint8_t *out)
{
    size_t off = i * gso_size, n = MIN(gso_size, f->len - off);
    Flow seg = *f;

    seg.seq += off;
    seg.ip_id += i;
    if (off + n < f->len) {
        seg.tcp_flags &= ~0x09;         /* FIN, PSH: the last one's */
    }
    if (i) {
        seg.tcp_flags &= ~0x80;         /* CWR: the first one's */
    }
    return build(&seg, off, n, how, out, NULL);
}

static struct opi_txd meta_csum(const Layout *l)
{
    return (struct opi_txd) {
        .flags = cpu_to_le16(OPI_TXD_F_CSUM),
        .csum_start = cpu_to_le16(l->l4),
        .csum_offset = cpu_to_le16(l->sum - l->l4),
    };
}

static struct opi_txd meta_gso(const Flow *f, const Layout *l, uint16_t size)
{
    struct opi_txd m = meta_csum(l);

    m.gso_type = !f->tcp ? OPI_GSO_UDP_L4 :
                 f->v6 ? OPI_GSO_TCPV6 : OPI_GSO_TCPV4;
    if (f->tcp && (f->tcp_flags & 0x80)) {
        m.gso_type |= OPI_GSO_ECN;
    }
    m.gso_size = cpu_to_le16(size);
    m.hdr_len = cpu_to_le16(l->hdr);
    return m;
}

/* Insert or take out the four bytes behind the addresses. */
static size_t tag_insert(uint8_t *p, size_t len, uint16_t tci)
{
    memmove(p + 16, p + 12, len - 12);
    stw_be_p(p + 12, 0x8100);
    stw_be_p(p + 14, tci);
    return len + 4;
}

static size_t tag_remove(uint8_t *p, size_t len)
{
    memmove(p + 12, p + 16, len - 16);
    return len - 4;
}

/* ---- Receiving --------------------------------------------------------- */

static uint16_t set_rx_config(Side *s, uint32_t port,
                              const struct opi_rx_config *cfg)
{
    return cmd_take(s, OPI_CMD_PORT_SET_RX, port, cfg, sizeof(*cfg));
}

static uint16_t set_rx(Side *s, uint32_t port, uint32_t flags)
{
    struct opi_rx_config cfg = { .flags = cpu_to_le32(flags) };

    return set_rx_config(s, port, &cfg);
}

static uint16_t set_mtu(Side *s, uint32_t port, uint32_t mtu)
{
    struct opi_cmd cmd = {
        .opcode = cpu_to_le16(OPI_CMD_PORT_SET_MTU),
        .target = cpu_to_le32(port),
    };

    cmd.u.mtu.mtu = cpu_to_le32(mtu);
    return le16_to_cpu(cmd_run(s, cmd).status);
}

#define RX_ALL (OPI_RX_F_PROMISC | OPI_RX_F_VLAN_STRIP | OPI_RX_F_CSUM | \
                OPI_RX_F_TSO4 | OPI_RX_F_TSO6 | OPI_RX_F_USO)

/* Which flags, besides those of buffers, the first completion has. */
#define META_FLAGS (OPI_CQE_F_CSUM_PARTIAL | OPI_CQE_F_CSUM_VALID | \
                    OPI_CQE_F_VLAN)

static uint16_t meta_flags(const struct opi_cqe *c)
{
    return le16_to_cpu(c->flags) & META_FLAGS;
}

/* The next frame must be this one; its first completion is returned. */
static struct opi_cqe expect(Side *s, unsigned qp, const uint8_t *w, size_t len)
{
    struct opi_cqe c;
    size_t n = qp_recv_meta(s, qp, got, sizeof(got), &c, 20000), i;

    g_assert_cmpint(n, ==, len);
    for (i = 0; i < n; i++) {
        if (got[i] != w[i]) {
            g_test_message("byte %zu of %zu", i, n);
            g_assert_cmphex(got[i], ==, w[i]);
        }
    }
    return c;
}

static void expect_none(Side *s, unsigned qp)
{
    struct opi_cqe c;

    g_assert_cmpint(qp_recv_meta(s, qp, got, sizeof(got), &c, 0), ==, 0);
}

/* ---- Metadata that passes ---------------------------------------------- */

static void pass_meta(Side *from, Side *to, const struct opi_txd *meta,
                      size_t len, unsigned nsegs)
{
    bool to_dpu = to->role == OPI_ROLE_DPU;
    struct opi_txd m = *meta;
    struct opi_cqe c;
    uint16_t flags = 0;

    m.port = cpu_to_le32(to_dpu ? 0 : 1);
    qp_send_meta(from, 0, &m, frame, len, nsegs);
    c = expect(to, 0, frame, len);
    if (m.flags & cpu_to_le16(OPI_TXD_F_CSUM)) {
        flags |= OPI_CQE_F_CSUM_PARTIAL;
        g_assert_cmpint(c.csum_start, ==, m.csum_start);
        g_assert_cmpint(c.csum_offset, ==, m.csum_offset);
    }
    if (m.flags & cpu_to_le16(OPI_TXD_F_CSUM_VALID)) {
        flags |= OPI_CQE_F_CSUM_VALID;
    }
    if (m.flags & cpu_to_le16(OPI_TXD_F_VLAN)) {
        flags |= OPI_CQE_F_VLAN;
        g_assert_cmphex(c.vlan_tci, ==, m.vlan_tci);
    }
    g_assert_cmphex(meta_flags(&c), ==, flags);
    g_assert_cmphex(c.gso_type, ==, m.gso_type);
    g_assert_cmpint(c.gso_size, ==, m.gso_type ? m.gso_size : 0);
    g_assert_cmpint(c.hdr_len, ==, m.gso_type ? m.hdr_len : 0);
    g_assert_cmpint(le32_to_cpu(c.port), ==, to_dpu ? 1 : 0);
    g_assert_cmpint(c.hash, ==, 0);
    g_assert_cmpint(c.hash_type, ==, 0);
}

/*
 * Nobody looks at the bytes: they need not be a frame of any protocol.  Once
 * each way, with each kind of metadata, up to the longest frame.
 */
static void pass_side(Side *from, Side *to)
{
    static const uint8_t types[] = {
        OPI_GSO_TCPV4, OPI_GSO_TCPV4 | OPI_GSO_ECN,
        OPI_GSO_TCPV6, OPI_GSO_TCPV6 | OPI_GSO_ECN, OPI_GSO_UDP_L4,
    };
    uint64_t frames = le64_to_cpu(port_stats(to, 1).rx_frames);
    struct opi_txd m;
    unsigned i, n = 0;

    g_assert_cmpint(set_rx(to, 1, RX_ALL), ==, OPI_ST_OK);
    frame_fill(frame, 65550, 3);
    for (i = 0; i < ARRAY_SIZE(types); i++) {
        m = (struct opi_txd) {
            .flags = cpu_to_le16(OPI_TXD_F_CSUM),
            .gso_type = types[i],
            .gso_size = cpu_to_le16(1448),
            .hdr_len = cpu_to_le16(54 + i),
            .csum_start = cpu_to_le16(34),
            .csum_offset = cpu_to_le16(16),
        };
        pass_meta(from, to, &m, 65550, 2);
        pass_meta(from, to, &m, 1514 * 3, 18);
        m.flags |= cpu_to_le16(OPI_TXD_F_VLAN);
        m.vlan_tci = cpu_to_le16(0xe000 | i);
        pass_meta(from, to, &m, 3000, 3);
        n += 3;
    }
    m = (struct opi_txd) {
        .flags = cpu_to_le16(OPI_TXD_F_CSUM),
        .csum_start = cpu_to_le16(14),
        .csum_offset = cpu_to_le16(40),
    };
    pass_meta(from, to, &m, 56, 1);
    m.flags |= cpu_to_le16(OPI_TXD_F_CSUM_VALID);
    pass_meta(from, to, &m, 1000, 2);
    m = (struct opi_txd) { .flags = cpu_to_le16(OPI_TXD_F_CSUM_VALID) };
    pass_meta(from, to, &m, 100, 1);
    /* What no flag and no type asks for does not count. */
    m = (struct opi_txd) {
        .gso_size = cpu_to_le16(77),
        .hdr_len = cpu_to_le16(999),
        .csum_start = cpu_to_le16(9999),
        .csum_offset = cpu_to_le16(9999),
        .vlan_tci = cpu_to_le16(5),
    };
    pass_meta(from, to, &m, 100, 1);
    n += 4;
    g_assert_cmpint(le64_to_cpu(port_stats(to, 1).rx_frames), ==, frames + n);
    g_assert_cmpint(le64_to_cpu(port_stats(from, 1).tx_frames), ==,
                    frames + n);
}

static void test_pass(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);

    traffic_start_with(b->host, b->dpu, 5, 4096);
    pass_side(b->host, b->dpu);
    pass_side(b->dpu, b->host);
    bed_free(b);
}

/* ---- Checksums --------------------------------------------------------- */

static void fill_one(Side *from, Side *to, const Flow *f, unsigned nsegs)
{
    Layout lay;
    size_t len = build_all(f, SUM_PSEUDO, frame, &lay);
    struct opi_txd m = meta_csum(&lay);
    struct opi_cqe c;

    m.port = cpu_to_le32(to->role == OPI_ROLE_DPU ? 0 : 1);
    qp_send_meta(from, 0, &m, frame, len, nsegs);
    g_assert_cmpint(build_all(f, SUM_FULL, want, NULL), ==, len);
    c = expect(to, 0, want, len);
    g_assert_cmphex(meta_flags(&c), ==, OPI_CQE_F_CSUM_VALID);
}

static void fill_side(Side *from, Side *to)
{
    unsigned i;

    for (i = 0; i < 64; i++) {
        Flow f = {
            .v6 = i & 1, .tcp = i & 2, .tags = i / 4 % 3, .fill = i * 3,
            .tcp_opts = i / 12 % 4, .ip_opts = i / 16 % 3,
            .len = i * 21 % 1400,
        };

        fill_one(from, to, &f, 1 + i % 18);
    }
}

/* A sum that comes out as zero is written as the other zero. */
static void fill_zero(Side *from, Side *to)
{
    struct opi_txd m = {
        .flags = cpu_to_le16(OPI_TXD_F_CSUM),
        .csum_start = cpu_to_le16(20),
        .csum_offset = cpu_to_le16(4),
        .port = cpu_to_le32(to->role == OPI_ROLE_DPU ? 0 : 1),
    };

    memset(frame, 0, 64);
    stw_be_p(frame + 24, 0x1234);
    stw_be_p(frame + 30, 0xedcb);
    memcpy(want, frame, 64);
    stw_be_p(want + 24, 0xffff);
    qp_send_meta(from, 0, &m, frame, 64, 1);
    expect(to, 0, want, 64);
    /* Anywhere in the frame, to its last two bytes. */
    frame_fill(frame, 101, 9);
    m.csum_start = 0;
    m.csum_offset = cpu_to_le16(99);
    memcpy(want, frame, 101);
    qp_send_meta(from, 0, &m, frame, 101, 3);
    stw_be_p(want + 99, ~naive_sum(frame, 101, 0));
    expect(to, 0, want, 101);
}

static void test_fill(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);

    traffic_start(b->host, b->dpu);
    /* After a reset no metadata is accepted. */
    fill_side(b->host, b->dpu);
    fill_side(b->dpu, b->host);
    fill_zero(b->host, b->dpu);
    fill_zero(b->dpu, b->host);
    /* And the card takes it back when it is told so. */
    g_assert_cmpint(set_rx(b->dpu, 1, RX_ALL), ==, OPI_ST_OK);
    g_assert_cmpint(set_rx(b->dpu, 1, OPI_RX_F_PROMISC), ==, OPI_ST_OK);
    fill_one(b->host, b->dpu, &(Flow) { .tcp = true, .len = 500 }, 1);
    bed_free(b);
}

/* ---- Tags -------------------------------------------------------------- */

static void tag_side(Side *from, Side *to)
{
    uint32_t port = to->role == OPI_ROLE_DPU ? 0 : 1;
    struct opi_txd m = { .port = cpu_to_le32(port) };
    struct opi_txd csum;
    struct opi_cqe c;
    Layout lay;
    size_t len;
    unsigned tags;

    for (tags = 0; tags < 3; tags++) {
        Flow f = { .tcp = tags & 1, .tags = tags, .len = 300, .fill = tags };

        /* The receiver does not take it as metadata: it stands in the frame. */
        g_assert_cmpint(set_rx(to, 1, OPI_RX_F_PROMISC | OPI_RX_F_CSUM), ==,
                        OPI_ST_OK);
        len = build_all(&f, SUM_PSEUDO, frame, &lay);
        m.flags = cpu_to_le16(OPI_TXD_F_VLAN);
        m.vlan_tci = cpu_to_le16(0x7123);
        memcpy(want, frame, len);
        qp_send_meta(from, 0, &m, frame, len, 1 + tags);
        c = expect(to, 0, want, tag_insert(want, len, 0x7123));
        g_assert_cmphex(meta_flags(&c), ==, 0);
        /* What the sum is taken over moves with it. */
        csum = meta_csum(&lay);
        csum.flags |= m.flags;
        csum.vlan_tci = m.vlan_tci;
        csum.port = m.port;
        qp_send_meta(from, 0, &csum, frame, len, 18);
        c = expect(to, 0, want, len + 4);
        g_assert_cmphex(meta_flags(&c), ==, OPI_CQE_F_CSUM_PARTIAL);
        g_assert_cmpint(le16_to_cpu(c.csum_start), ==, lay.l4 + 4);
        g_assert_cmpint(le16_to_cpu(c.csum_offset), ==, lay.sum - lay.l4);

        /* The same where the card sums. */
        g_assert_cmpint(set_rx(to, 1, OPI_RX_F_PROMISC), ==, OPI_ST_OK);
        qp_send_meta(from, 0, &csum, frame, len, 5);
        build_all(&f, SUM_FULL, want, NULL);
        c = expect(to, 0, want, tag_insert(want, len, 0x7123));
        g_assert_cmphex(meta_flags(&c), ==, OPI_CQE_F_CSUM_VALID);

        /* Stripped, if it is an 0x8100 and the outer one. */
        g_assert_cmpint(set_rx(to, 1, OPI_RX_F_PROMISC | OPI_RX_F_VLAN_STRIP |
                               OPI_RX_F_CSUM), ==, OPI_ST_OK);
        m.flags = 0;
        qp_send_meta(from, 0, &m, frame, len, 1);
        memcpy(want, frame, len);
        c = expect(to, 0, want, tags == 1 ? tag_remove(want, len) : len);
        g_assert_cmphex(meta_flags(&c), ==, tags == 1 ? OPI_CQE_F_VLAN : 0);
        g_assert_cmphex(le16_to_cpu(c.vlan_tci), ==, tags == 1 ? 0x2064 : 0);
        csum = meta_csum(&lay);
        csum.port = m.port;
        qp_send_meta(from, 0, &csum, frame, len, 7);
        c = expect(to, 0, want, tags == 1 ? len - 4 : len);
        g_assert_cmphex(meta_flags(&c), ==, OPI_CQE_F_CSUM_PARTIAL |
                        (tags == 1 ? OPI_CQE_F_VLAN : 0));
        g_assert_cmpint(le16_to_cpu(c.csum_start), ==,
                        tags == 1 ? lay.l4 - 4 : lay.l4);
        /* A tag in metadata is the outer one: the inner one stays. */
        m.flags = cpu_to_le16(OPI_TXD_F_VLAN);
        qp_send_meta(from, 0, &m, frame, len, 1);
        c = expect(to, 0, frame, len);
        g_assert_cmphex(le16_to_cpu(c.vlan_tci), ==, 0x7123);
    }
    /* The sum reaches over the place of the tag: done first. */
    m.flags = cpu_to_le16(OPI_TXD_F_VLAN | OPI_TXD_F_CSUM);
    m.csum_start = cpu_to_le16(6);
    m.csum_offset = cpu_to_le16(20);
    g_assert_cmpint(set_rx(to, 1, OPI_RX_F_PROMISC | OPI_RX_F_CSUM), ==,
                    OPI_ST_OK);
    frame_fill(frame, 90, 4);
    memcpy(want, frame, 90);
    stw_be_p(want + 26, ~naive_sum(frame + 6, 84, 0));
    qp_send_meta(from, 0, &m, frame, 90, 2);
    c = expect(to, 0, want, tag_insert(want, 90, 0x7123));
    g_assert_cmphex(meta_flags(&c), ==, OPI_CQE_F_CSUM_VALID);
    /* Too short for a tag, and just long enough. */
    g_assert_cmpint(set_rx(to, 1, OPI_RX_F_PROMISC | OPI_RX_F_VLAN_STRIP), ==,
                    OPI_ST_OK);
    m = (struct opi_txd) { .port = cpu_to_le32(port) };
    stl_be_p(frame + 12, 0x81000007);
    for (len = 14; len < 20; len++) {
        qp_send_meta(from, 0, &m, frame, len, 1);
        memcpy(want, frame, len);
        c = expect(to, 0, want, len >= 18 ? tag_remove(want, len) : len);
        g_assert_cmphex(meta_flags(&c), ==, len >= 18 ? OPI_CQE_F_VLAN : 0);
    }
}

static void test_tags(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);

    traffic_start(b->host, b->dpu);
    tag_side(b->host, b->dpu);
    tag_side(b->dpu, b->host);
    bed_free(b);
}

/* ---- Segmentation ------------------------------------------------------ */

static void cut_one(Side *from, Side *to, const Flow *f, uint16_t gso_size,
                    uint32_t accepts, bool vlan, unsigned nsegs)
{
    bool sum = !(accepts & OPI_RX_F_CSUM);
    Layout lay;
    size_t len = build_all(f, SUM_PSEUDO, frame, &lay), n;
    struct opi_txd m = meta_gso(f, &lay, gso_size);
    unsigned i, count = MAX(DIV_ROUND_UP(f->len, gso_size), 1);

    m.port = cpu_to_le32(to->role == OPI_ROLE_DPU ? 0 : 1);
    if (vlan) {
        m.flags |= cpu_to_le16(OPI_TXD_F_VLAN);
        m.vlan_tci = cpu_to_le16(0x0321);
    }
    qp_send_meta(from, 0, &m, frame, len, nsegs);
    for (i = 0; i < count; i++) {
        struct opi_cqe c;
        uint16_t flags = sum ? OPI_CQE_F_CSUM_VALID : OPI_CQE_F_CSUM_PARTIAL;
        unsigned l4 = lay.l4;

        n = build_segment(f, i, gso_size, sum ? SUM_FULL : SUM_PSEUDO, want);
        if (vlan && !(accepts & OPI_RX_F_VLAN_STRIP)) {
            n = tag_insert(want, n, 0x0321);
            l4 += 4;
        } else if (vlan) {
            flags |= OPI_CQE_F_VLAN;
        } else if ((accepts & OPI_RX_F_VLAN_STRIP) && f->tags == 1) {
            n = tag_remove(want, n);
            flags |= OPI_CQE_F_VLAN;
            l4 -= 4;
        }
        c = expect(to, 0, want, n);
        g_assert_cmphex(meta_flags(&c), ==, flags);
        g_assert_cmpint(c.gso_type, ==, 0);
        g_assert_cmpint(c.gso_size, ==, 0);
        g_assert_cmpint(c.hdr_len, ==, 0);
        g_assert_cmpint(le16_to_cpu(c.csum_start), ==, sum ? 0 : l4);
        g_assert_cmpint(le16_to_cpu(c.csum_offset), ==,
                        sum ? 0 : lay.sum - lay.l4);
    }
    expect_none(to, 0);
}

static void cut_side(Side *from, Side *to)
{
    static const struct {
        size_t len;
        uint16_t size;
    } sizes[] = {
        { 4000, 1448 }, { 2896, 1448 }, { 2897, 1448 }, { 1448, 1448 },
        { 1, 1448 }, { 0, 1448 }, { 200, 11 }, { 999, 333 }, { 9000, 700 },
    };
    static const uint32_t accepts[] = {
        OPI_RX_F_PROMISC, OPI_RX_F_PROMISC | OPI_RX_F_CSUM,
        OPI_RX_F_PROMISC | OPI_RX_F_VLAN_STRIP,
    };
    unsigned i, k, a;

    for (a = 0; a < ARRAY_SIZE(accepts); a++) {
        uint32_t acc = accepts[a];

        g_assert_cmpint(set_rx(to, 1, acc), ==, OPI_ST_OK);
        for (i = 0; i < 24; i++) {
            Flow f = {
                .v6 = i & 1, .tcp = i & 2, .tags = i / 4 % 3,
                .tcp_opts = i % 5, .ip_opts = i / 8, .ip_id = 0xfffe,
                .seq = UINT32_MAX - 100, .tcp_flags = i & 4 ? 0xd9 : 0x18,
                .fill = i,
            };

            k = (i + a) % ARRAY_SIZE(sizes);
            f.len = sizes[k].len;
            cut_one(from, to, &f, sizes[k].size, acc, i % 3 == 0, 1 + i % 18);
        }
    }
    /* Every size once with a plain flow. */
    g_assert_cmpint(set_rx(to, 1, OPI_RX_F_PROMISC), ==, OPI_ST_OK);
    for (k = 0; k < ARRAY_SIZE(sizes); k++) {
        for (i = 0; i < 4; i++) {
            Flow f = {
                .v6 = i & 1, .tcp = i & 2, .len = sizes[k].len,
                .tcp_flags = 0x18, .tcp_opts = 3,
            };

            cut_one(from, to, &f, sizes[k].size, OPI_RX_F_PROMISC, false, 2);
        }
    }
}

static void test_cut(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);

    traffic_start(b->host, b->dpu);
    g_assert_cmpint(set_mtu(b->host, 1, 2000), ==, OPI_ST_OK);
    g_assert_cmpint(set_mtu(b->dpu, 1, 2000), ==, OPI_ST_OK);
    cut_side(b->host, b->dpu);
    cut_side(b->dpu, b->host);
    bed_free(b);
}

/* What one type's flag accepts is not accepted of another. */
static void test_cut_types(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    static const struct {
        uint32_t flag;
        Flow f;
    } types[] = {
        { OPI_RX_F_TSO4, { .tcp = true, .len = 3000 } },
        { OPI_RX_F_TSO6, { .tcp = true, .v6 = true, .len = 3000 } },
        { OPI_RX_F_USO, { .len = 3000 } },
        { OPI_RX_F_USO, { .v6 = true, .len = 3000 } },
    };
    unsigned i, k;

    traffic_start(b->host, b->dpu);
    for (i = 0; i < 3; i++) {
        uint32_t acc = OPI_RX_F_PROMISC | OPI_RX_F_CSUM | types[i].flag;

        g_assert_cmpint(set_rx(b->dpu, 1, acc), ==, OPI_ST_OK);
        for (k = 0; k < ARRAY_SIZE(types); k++) {
            const Flow *f = &types[k].f;
            struct opi_txd m;
            struct opi_cqe c;
            Layout lay;
            size_t len;

            if (types[k].flag != types[i].flag) {
                cut_one(b->host, b->dpu, f, 1000, acc, false, 1);
                continue;
            }
            len = build_all(f, SUM_PSEUDO, frame, &lay);
            m = meta_gso(f, &lay, 1000);
            qp_send_meta(b->host, 0, &m, frame, len, 1);
            c = expect(b->dpu, 0, frame, len);
            g_assert_cmpint(c.gso_type, ==, m.gso_type);
        }
    }
    bed_free(b);
}

/* Far more segments than a pass may do, each exactly once and in order. */
static void test_cut_many(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    Flow f = { .tcp = true, .len = 1300, .tcp_flags = 0x18 };
    struct opi_port_stats st;
    struct opi_txd m;
    Layout lay;
    size_t len;
    unsigned i, n;

    traffic_start_with(b->host, b->dpu, 11, 128);
    cut_one(b->host, b->dpu, &f, 1, 0, false, 3);
    cut_one(b->dpu, b->host, &f, 1, 0, false, 3);
    f.len = 65000;
    cut_one(b->host, b->dpu, &f, 40, 0, false, 3);
    st = port_stats(b->dpu, 1);
    g_assert_cmpint(le64_to_cpu(st.rx_frames), ==, 1300 + 1625);
    g_assert_cmpint(le64_to_cpu(st.tx_frames), ==, 1);
    st = port_stats(b->host, 1);
    g_assert_cmpint(le64_to_cpu(st.tx_frames), ==, 2);
    g_assert_cmpint(le64_to_cpu(st.tx_bytes), ==, 1300 + 54 + 65000 + 54);

    /*
     * A pass is not longer for it: the doorbell's access comes back.  On a busy
     * machine this process may be late to look, so it looks more than once.
     */
    traffic_start(b->host, b->dpu);
    len = build_all(&f, SUM_PSEUDO, frame, &lay);
    m = meta_gso(&f, &lay, 1);
    for (n = 1; ; n++) {
        qp_send_meta(b->host, 0, &m, frame, len, 1);
        if (mem_ld32(b->host, b->host->qps[0].shadow +
                     offsetof(struct opi_qp_shadow, sq_head)) == n - 1) {
            break;
        }
        g_assert_cmpint(n, <, 20);
        qp_wait_sent(b->host, 0);
    }
    /* Others are served in between. */
    for (i = 0; i < 5; i++) {
        frame_fill(want, 64, i);
        qp_send(b->dpu, 0, 1, want, 64, 1);
        expect(b->host, 0, want, 64);
    }
    qp_wait_sent(b->host, 0);
    st = port_stats(b->dpu, 1);
    g_assert_cmpint(le64_to_cpu(st.rx_frames), ==, 32 + 2925);
    g_assert_cmpint(le64_to_cpu(st.rx_no_buffer), ==, n * 65000 - 32);
    bed_free(b);
}

static void test_wire(void)
{
    Bed *b = bed_new(BED_FAKE | BED_WIRE, NULL);
    unsigned i, k;

    traffic_start(b->host, b->dpu);
    for (i = 0; i < 24; i++) {
        Flow f = {
            .v6 = i & 1, .tcp = i & 2, .tags = i / 4 % 2, .ip_id = i,
            .tcp_flags = 0x99, .fill = i, .len = i * 777,
        };
        bool vlan = i % 3 == 0, gso = i % 4;
        Layout lay;
        size_t len = build_all(&f, SUM_PSEUDO, frame, &lay), n;
        struct opi_txd m = gso ? meta_gso(&f, &lay, 1400) : meta_csum(&lay);

        if (!gso && len > 9216) {
            continue;
        }
        if (vlan) {
            m.flags |= cpu_to_le16(OPI_TXD_F_VLAN);
            m.vlan_tci = cpu_to_le16(0xa005);
        }
        qp_send_meta(b->dpu, 0, &m, frame, len, 1 + i % 18);
        for (k = 0; k < (gso ? MAX(DIV_ROUND_UP(f.len, 1400), 1) : 1); k++) {
            n = gso ? build_segment(&f, k, 1400, SUM_FULL, want)
                    : build_all(&f, SUM_FULL, want, NULL);
            if (vlan) {
                n = tag_insert(want, n, 0xa005);
            }
            g_assert_cmpint(recv(b->wire, got, sizeof(got), 0), ==, n);
            g_assert_cmpint(memcmp(got, want, n), ==, 0);
        }
    }
    bed_free(b);
}

/* ---- Metadata that does not fit ---------------------------------------- */

static void bad_meta(Side *s, Side *to, const struct opi_txd *meta, size_t len)
{
    struct opi_txd m = *meta;
    struct opi_port_stats before = port_stats(s, 1), after;

    m.port = cpu_to_le32(s->role == OPI_ROLE_DPU ? 1 : 0);
    qp_send_meta(s, 0, &m, frame, len, len > 100 ? 2 : 1);
    qp_wait_sent(s, 0);
    after = port_stats(s, 1);
    g_assert_cmpint(le64_to_cpu(after.tx_bad), ==,
                    le64_to_cpu(before.tx_bad) + 1);
    g_assert_cmpint(after.tx_frames, ==, before.tx_frames);
    expect_none(to, 0);
    g_assert_cmpint(qp_info(s, 0).state, ==, OPI_QP_RUNNING);
}

static void bad_meta_side(Side *s, Side *to)
{
    Flow f = { .tcp = true, .len = 3000 };
    Layout lay;
    size_t len = build_all(&f, SUM_PSEUDO, frame, &lay);
    struct opi_txd good = meta_gso(&f, &lay, 1000), m;

#define BAD(change) do { m = good; change; bad_meta(s, to, &m, len); } while (0)
    BAD(m.flags = 0);
    BAD(m.gso_size = 0);
    BAD(m.hdr_len = cpu_to_le16(lay.sum));
    BAD(m.hdr_len = 0);
    BAD(m.hdr_len = cpu_to_le16(256));
    BAD(m.hdr_len = cpu_to_le16(UINT16_MAX));
    BAD(m.csum_start = cpu_to_le16(len - 17));
    BAD(m.csum_offset = cpu_to_le16(len - lay.l4 - 1));
    BAD(m.csum_start = cpu_to_le16(UINT16_MAX));
    BAD(m.csum_offset = cpu_to_le16(UINT16_MAX));
    BAD((m.csum_offset = m.csum_start = cpu_to_le16(UINT16_MAX)));
#undef BAD
    /* Without segmentation. */
    m = (struct opi_txd) {
        .flags = cpu_to_le16(OPI_TXD_F_CSUM),
        .csum_start = cpu_to_le16(50),
        .csum_offset = cpu_to_le16(9),
    };
    bad_meta(s, to, &m, 60);
    bad_meta(s, to, &m, 14);
    /* hdr_len longer than the frame. */
    m = good;
    m.hdr_len = cpu_to_le16(61);
    bad_meta(s, to, &m, 60);
}

static void test_bad_meta(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);

    traffic_start(b->host, b->dpu);
    /* Whether the receiver would take it or not. */
    bad_meta_side(b->host, b->dpu);
    bad_meta_side(b->dpu, b->host);
    g_assert_cmpint(set_rx(b->dpu, 1, RX_ALL), ==, OPI_ST_OK);
    g_assert_cmpint(set_rx(b->host, 1, RX_ALL), ==, OPI_ST_OK);
    bad_meta_side(b->host, b->dpu);
    bad_meta_side(b->dpu, b->host);
    bed_free(b);
}

/* Headers that are not what the metadata says: seen when the card cuts. */
static void bad_headers_side(Side *s, Side *to)
{
    uint32_t port = s->role == OPI_ROLE_DPU ? 1 : 0;
    unsigned i;

    for (i = 0; i < 4; i++) {
        Flow f = { .v6 = i & 1, .tcp = i & 2, .len = 3000, .ip_opts = 1 };
        Layout lay;
        size_t len = build_all(&f, SUM_PSEUDO, frame, &lay);
        struct opi_txd good = meta_gso(&f, &lay, 1000), m;

#define BAD(change) do {                                                \
        build_all(&f, SUM_PSEUDO, frame, &lay);                         \
        m = good;                                                       \
        change;                                                         \
        bad_meta(s, to, &m, len);                                       \
    } while (0)
        BAD(frame[12] = 0x11);                          /* ethertype */
        BAD(frame[lay.l3] ^= 0x20);                     /* version */
        BAD(frame[lay.l3 + (f.v6 ? 6 : 9)] = 47);       /* protocol */
        BAD(m.csum_start = cpu_to_le16(lay.l4 - 1));
        BAD(m.csum_offset = cpu_to_le16(4));
        BAD(m.hdr_len = cpu_to_le16(lay.hdr + 1));
        BAD(m.hdr_len = cpu_to_le16(lay.hdr - 1));
        BAD(m.gso_type = f.tcp ? OPI_GSO_UDP_L4 : OPI_GSO_TCPV4);
        if (f.tcp) {
            BAD(frame[lay.l4 + 12] = 0x40);             /* data offset */
            BAD(frame[lay.l4 + 12] = 0xf0);
            BAD(m.gso_type = f.v6 ? OPI_GSO_TCPV4 : OPI_GSO_TCPV6);
        }
        if (f.v6) {
            BAD(frame[lay.l3 + 6] = 43);                /* routing header */
            BAD(frame[lay.l3 + 6] = 44);                /* fragment */
            BAD(frame[lay.l3 + 41] = 0xff);             /* endless options */
        } else {
            BAD(frame[lay.l3] = 0x44);                  /* header length */
            BAD(frame[lay.l3] = 0x4f);
            BAD(frame[lay.l3 + 6] = 0x20);              /* more fragments */
            BAD(frame[lay.l3 + 7] = 0x08);              /* an offset */
        }
#undef BAD
        /* A receiver that takes the metadata gets it as it is. */
        g_assert_cmpint(set_rx(to, 1, RX_ALL), ==, OPI_ST_OK);
        build_all(&f, SUM_PSEUDO, frame, &lay);
        frame[12] = 0x11;
        good.port = cpu_to_le32(port);
        qp_send_meta(s, 0, &good, frame, len, 1);
        expect(to, 0, frame, len);
        g_assert_cmpint(set_rx(to, 1, OPI_RX_F_PROMISC), ==, OPI_ST_OK);
    }
}

static void test_bad_headers(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);

    traffic_start(b->host, b->dpu);
    bad_headers_side(b->host, b->dpu);
    bad_headers_side(b->dpu, b->host);
    bed_free(b);
}

static void expect_txd_error(Bed *b, Side *s, const struct opi_txd *meta)
{
    struct opi_txd m = *meta;
    struct opi_eqe e;

    traffic_start(b->host, b->dpu);
    m.port = cpu_to_le32(s->role == OPI_ROLE_DPU ? 1 : 0);
    /* Not qp_send_meta(): the error comes before anything is sent. */
    m.addr = cpu_to_le64(OPI_TEST_RAM);
    m.len = cpu_to_le32(1000);
    m.nsegs = 1;
    m.flags |= cpu_to_le16(OPI_TXD_F_SOP | OPI_TXD_F_EOP);
    qp_post_txd(s, 0, &m);
    qp_kick(s, 0);
    e = eq_wait(s, 0, OPI_EV_QP_ERROR);
    g_assert_cmpint(e.sub, ==, OPI_QP_ERR_TXD);
    g_assert_cmpint(qp_info(s, 0).error, ==, OPI_QP_ERR_TXD);
}

static void test_types_unknown(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    unsigned type;

    for (type = 1; type < 256; type++) {
        struct opi_txd m = {
            .flags = cpu_to_le16(OPI_TXD_F_CSUM),
            .gso_type = type,
            .gso_size = cpu_to_le16(100),
            .hdr_len = cpu_to_le16(54),
            .csum_start = cpu_to_le16(34),
            .csum_offset = cpu_to_le16(16),
        };

        switch (type) {
        case OPI_GSO_TCPV4:
        case OPI_GSO_TCPV6:
        case OPI_GSO_UDP_L4:
        case OPI_GSO_TCPV4 | OPI_GSO_ECN:
        case OPI_GSO_TCPV6 | OPI_GSO_ECN:
            continue;
        }
        if (type < 16 || type == 64 || type >= 128) {
            expect_txd_error(b, type & 1 ? b->host : b->dpu, &m);
        }
    }
    bed_free(b);
}

/* A card with fewer capabilities refuses what belongs to the missing one. */
static void test_caps(void)
{
    const struct {
        uint64_t missing;
        struct opi_txd m;
    } txds[] = {
        { OPI_CAP_TX_CSUM, { .flags = cpu_to_le16(OPI_TXD_F_CSUM) } },
        { OPI_CAP_TX_CSUM, { .flags = cpu_to_le16(OPI_TXD_F_CSUM_VALID) } },
        { OPI_CAP_VLAN, { .flags = cpu_to_le16(OPI_TXD_F_VLAN) } },
        { OPI_CAP_GSO, {
            .flags = cpu_to_le16(OPI_TXD_F_CSUM), .gso_type = OPI_GSO_TCPV4,
            .gso_size = cpu_to_le16(100), .hdr_len = cpu_to_le16(54),
            .csum_start = cpu_to_le16(34), .csum_offset = cpu_to_le16(16) } },
    };
    static const struct {
        uint64_t missing;
        uint32_t flags;
    } rxs[] = {
        { OPI_CAP_RX_CSUM, OPI_RX_F_CSUM },
        { OPI_CAP_VLAN, OPI_RX_F_VLAN_STRIP },
        { OPI_CAP_GSO, OPI_RX_F_CSUM | OPI_RX_F_TSO4 },
        { OPI_CAP_GSO, OPI_RX_F_CSUM | OPI_RX_F_TSO6 },
        { OPI_CAP_GSO, OPI_RX_F_CSUM | OPI_RX_F_USO },
    };
    struct opi_rss_config rss = { 0 };
    struct opi_rx_config rx = { 0 };
    /* Those of the data path. */
    static const uint64_t data = OPI_CAP_TX_CSUM | OPI_CAP_RX_CSUM |
                                 OPI_CAP_GSO | OPI_CAP_VLAN | OPI_CAP_RSS |
                                 OPI_CAP_RX_FILTER | OPI_CAP_COALESCE;
    uint64_t all;
    unsigned i;
    Bed *b;

    b = bed_new(BED_FAKE, NULL);
    /* What the host has; the DPU may have more to decide. */
    all = reg_read(b->host, OPI_REG_CAPS_LO);
    g_assert_cmphex(all & data, ==, data);
    g_assert_cmphex(reg_read(b->dpu, OPI_REG_CAPS_LO) & data, ==, all & data);
    bed_free(b);

    for (i = 0; i < ARRAY_SIZE(txds) + ARRAY_SIZE(rxs); i++) {
        bool tx = i < ARRAY_SIZE(txds);
        unsigned k = i - ARRAY_SIZE(txds);
        uint64_t caps = all & ~(tx ? txds[i].missing : rxs[k].missing);
        g_autofree char *opts = g_strdup_printf("caps=%" PRIu64, caps);

        b = bed_new(BED_FAKE, opts);
        g_assert_cmphex(reg_read(b->host, OPI_REG_CAPS_LO), ==, caps);
        if (tx) {
            expect_txd_error(b, b->host, &txds[i].m);
            expect_txd_error(b, b->dpu, &txds[i].m);
        } else {
            side_start(b->host);
            g_assert_cmpint(set_rx(b->host, 1, rxs[k].flags), ==,
                            OPI_ST_EINVAL);
        }
        bed_free(b);
    }
    b = bed_new(BED_FAKE, "caps=0");
    side_start(b->host);
    g_assert_cmpint(cmd_take(b->host, OPI_CMD_RSS_SET, 0, &rss, sizeof(rss)),
                    ==, OPI_ST_EOPNOTSUPP);
    g_assert_cmpint(set_rx_config(b->host, 1, &rx), ==, OPI_ST_EOPNOTSUPP);
    bed_free(b);
}

/* The largest that leaves the card counts, not what is to be cut. */
static void test_oversize(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    Flow f = { .tcp = true, .len = 9000 };
    Layout lay;
    size_t len;
    struct opi_txd m;
    unsigned i;

    traffic_start_with(b->host, b->dpu, 5, 4096);
    len = build_all(&f, SUM_PSEUDO, frame, &lay);
    for (i = 0; i < 2; i++) {
        uint32_t acc = i ? RX_ALL : OPI_RX_F_PROMISC;
        struct opi_port_stats st;

        g_assert_cmpint(set_rx(b->dpu, 1, acc), ==, OPI_ST_OK);
        /* MTU 1500: 1522 bytes with all headers. */
        m = meta_gso(&f, &lay, 1522 - lay.hdr);
        qp_send_meta(b->host, 0, &m, frame, len, 1);
        if (i) {
            expect(b->dpu, 0, frame, len);
        } else {
            build_segment(&f, 0, 1522 - lay.hdr, SUM_FULL, want);
            expect(b->dpu, 0, want, 1522);
            while (qp_recv_meta(b->dpu, 0, got, sizeof(got),
                                &(struct opi_cqe) {}, 0)) {
                continue;
            }
        }
        m = meta_gso(&f, &lay, 1523 - lay.hdr);
        qp_send_meta(b->host, 0, &m, frame, len, 1);
        qp_wait_sent(b->host, 0);
        expect_none(b->dpu, 0);
        m = meta_csum(&lay);
        qp_send_meta(b->host, 0, &m, frame, 1523, 1);
        qp_wait_sent(b->host, 0);
        expect_none(b->dpu, 0);
        /* The tag counts wherever it stands. */
        m.flags |= cpu_to_le16(OPI_TXD_F_VLAN);
        qp_send_meta(b->host, 0, &m, frame, 1519, 1);
        qp_wait_sent(b->host, 0);
        expect_none(b->dpu, 0);
        st = port_stats(b->dpu, 1);
        g_assert_cmpint(le64_to_cpu(st.rx_oversize), ==, 3 * (i + 1));
    }
    bed_free(b);
}

/* ---- Filters ----------------------------------------------------------- */

static void send_to(Side *from, Side *to, const uint8_t *dst, int vid,
                    bool in_meta, bool passes)
{
    struct opi_port_stats before = port_stats(to, 1), after;
    struct opi_port_info pi = port_info(from, 1);
    struct opi_txd m = {
        .port = cpu_to_le32(from->role == OPI_ROLE_DPU ? 1 : 0),
    };
    size_t len = 80;
    struct opi_cqe c;

    frame_fill(frame, len, dst[5]);
    memcpy(frame, dst, 6);
    memcpy(frame + 6, pi.mac, 6);
    stw_be_p(frame + 12, 0x88b5);
    if (vid >= 0 && in_meta) {
        m.flags = cpu_to_le16(OPI_TXD_F_VLAN);
        m.vlan_tci = cpu_to_le16(0x6000 | vid);
    } else if (vid >= 0) {
        len = tag_insert(frame, len, 0x6000 | vid);
    }
    qp_send_meta(from, 0, &m, frame, len, 1);
    qp_wait_sent(from, 0);
    g_assert_cmpint(!!qp_recv_meta(to, 0, got, sizeof(got), &c, 0), ==, passes);
    after = port_stats(to, 1);
    g_assert_cmpint(le64_to_cpu(after.rx_filtered), ==,
                    le64_to_cpu(before.rx_filtered) + !passes);
    g_assert_cmpint(le64_to_cpu(after.rx_frames), ==,
                    le64_to_cpu(before.rx_frames) + passes);
}

static void filter_side(Side *from, Side *to, const uint8_t *own)
{
    static const uint8_t bcast[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    static const uint8_t multi[] = { 0x01, 0x00, 0x5e, 0x00, 0x00, 0xfb };
    static const uint8_t other[] = { 0x02, 0x77, 0x66, 0x55, 0x44, 0x33 };
    struct opi_rx_config cfg = { 0 };
    unsigned i;

    g_assert_cmpint(set_rx_config(to, 1, &cfg), ==, OPI_ST_OK);
    send_to(from, to, own, -1, false, true);
    send_to(from, to, bcast, -1, false, true);
    send_to(from, to, multi, -1, false, false);
    send_to(from, to, other, -1, false, false);
    send_to(from, to, own, 5, false, true);

    cfg.flags = cpu_to_le32(OPI_RX_F_ALLMULTI);
    g_assert_cmpint(set_rx_config(to, 1, &cfg), ==, OPI_ST_OK);
    send_to(from, to, multi, -1, false, true);
    send_to(from, to, other, -1, false, false);

    /* A full list, of which the last is the one. */
    cfg.flags = 0;
    cfg.n_macs = cpu_to_le16(OPI_RX_MACS_MAX);
    for (i = 0; i < OPI_RX_MACS_MAX; i++) {
        cfg.macs[6 * i] = 2;
        cfg.macs[6 * i + 5] = i;
    }
    memcpy(&cfg.macs[6 * 127], other, 6);
    memcpy(&cfg.macs[6 * 60], multi, 6);
    g_assert_cmpint(set_rx_config(to, 1, &cfg), ==, OPI_ST_OK);
    send_to(from, to, multi, -1, false, true);
    send_to(from, to, other, -1, false, true);
    /* All is replaced at once. */
    memset(&cfg, 0, sizeof(cfg));
    g_assert_cmpint(set_rx_config(to, 1, &cfg), ==, OPI_ST_OK);
    send_to(from, to, other, -1, false, false);

    cfg.flags = cpu_to_le32(OPI_RX_F_VLAN_FILTER);
    cfg.vlans[0] = 1 << 7;
    cfg.vlans[1] = 1 << 0;
    cfg.vlans[511] = 1 << 7;
    g_assert_cmpint(set_rx_config(to, 1, &cfg), ==, OPI_ST_OK);
    for (i = 0; i < 2; i++) {
        send_to(from, to, own, -1, i, true);
        send_to(from, to, own, 0, i, true);
        send_to(from, to, own, 6, i, false);
        send_to(from, to, own, 7, i, true);
        send_to(from, to, own, 8, i, true);
        send_to(from, to, own, 9, i, false);
        send_to(from, to, own, 4095, i, true);
        send_to(from, to, other, 7, i, false);
    }
}

static void test_filter(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    static const uint8_t other[] = { 0x02, 0x77, 0x66, 0x55, 0x44, 0x33 };
    struct opi_rx_config cfg = { 0 };
    struct opi_port_info pi;

    traffic_start(b->host, b->dpu);
    cmd_fill(b->dpu, OPI_CMD_PORT_GET, 1, &pi, sizeof(pi));
    /* As after a reset: all, on either side. */
    send_to(b->dpu, b->host, other, -1, false, true);
    send_to(b->host, b->dpu, other, -1, false, true);
    filter_side(b->dpu, b->host, pi.mac);
    filter_side(b->host, b->dpu, pi.rep_mac);
    /* PROMISC passes everything, whatever else is said. */
    cfg.flags = cpu_to_le32(OPI_RX_F_PROMISC | OPI_RX_F_VLAN_FILTER);
    g_assert_cmpint(set_rx_config(b->host, 1, &cfg), ==, OPI_ST_OK);
    send_to(b->dpu, b->host, other, 9, false, true);
    /* A changed address is the function's own. */
    cfg.flags = 0;
    g_assert_cmpint(set_rx_config(b->host, 1, &cfg), ==, OPI_ST_OK);
    send_to(b->dpu, b->host, other, -1, false, false);
    {
        struct opi_cmd cmd = {
            .opcode = cpu_to_le16(OPI_CMD_PORT_SET_MAC),
            .target = cpu_to_le32(1),
        };

        memcpy(cmd.u.mac.mac, other, 6);
        g_assert_cmpint(le16_to_cpu(cmd_run(b->dpu, cmd).status), ==,
                        OPI_ST_OK);
    }
    send_to(b->dpu, b->host, other, -1, false, true);
    send_to(b->dpu, b->host, pi.mac, -1, false, false);

    /* A reset forgets: of its own end, not of the other. */
    g_assert_cmpint(set_rx_config(b->dpu, 1, &cfg), ==, OPI_ST_OK);
    side_start(b->host);
    g_assert_cmpint(qp_create(b->host, 0, 5, 1, 2048), ==, OPI_ST_OK);
    qp_post_rx(b->host, 0, 32);
    g_assert_cmpint(port_state(b->host, 1, true), ==, OPI_ST_OK);
    send_to(b->dpu, b->host, pi.mac, -1, false, true);
    send_to(b->host, b->dpu, other, -1, false, false);
    traffic_start(b->host, b->dpu);
    send_to(b->host, b->dpu, other, -1, false, true);
    bed_free(b);
}

static void test_filter_untrusted(void)
{
    Bed *b = bed_new(BED_FAKE, "trust=off");
    static const uint8_t multi[] = { 0x33, 0x33, 0x00, 0x00, 0x00, 0x01 };
    static const uint8_t other[] = { 0x02, 0x77, 0x66, 0x55, 0x44, 0x33 };
    struct opi_port_info pi;

    traffic_start(b->host, b->dpu);
    cmd_fill(b->dpu, OPI_CMD_PORT_GET, 1, &pi, sizeof(pi));
    /* As after a reset: empty. */
    send_to(b->dpu, b->host, pi.mac, -1, false, true);
    send_to(b->dpu, b->host, multi, -1, false, false);
    send_to(b->dpu, b->host, other, -1, false, false);
    g_assert_cmpint(set_rx(b->host, 1, OPI_RX_F_PROMISC), ==, OPI_ST_EPERM);
    send_to(b->dpu, b->host, other, -1, false, false);
    g_assert_cmpint(set_rx(b->host, 1, OPI_RX_F_ALLMULTI), ==, OPI_ST_OK);
    g_assert_cmpint(set_rx(b->host, 1, OPI_RX_F_PROMISC | OPI_RX_F_ALLMULTI),
                    ==, OPI_ST_EPERM);
    send_to(b->dpu, b->host, multi, -1, false, true);
    filter_side(b->dpu, b->host, pi.mac);
    /* The DPU is always trusted. */
    g_assert_cmpint(set_rx(b->dpu, 1, OPI_RX_F_PROMISC), ==, OPI_ST_OK);
    send_to(b->host, b->dpu, other, -1, false, true);
    bed_free(b);
}

static void rx_rules_side(Side *s)
{
    struct opi_rx_config good = { 0 }, c;
    struct opi_cmd cmd = {
        .opcode = cpu_to_le16(OPI_CMD_PORT_SET_RX),
        .target = cpu_to_le32(1),
    };
    uint8_t big[OPI_CMD_BUF_MAX] = { 0 };
    unsigned bit;

    side_start(s);
    good.n_macs = cpu_to_le16(2);
    good.macs[0] = good.macs[6] = 2;
    g_assert_cmpint(set_rx_config(s, 1, &good), ==, OPI_ST_OK);
#define BAD(status, change) do {                                        \
        c = good;                                                       \
        change;                                                         \
        g_assert_cmpint(set_rx_config(s, 1, &c), ==, status);           \
    } while (0)
    for (bit = 8; bit < 32; bit++) {
        BAD(OPI_ST_EINVAL, c.flags = cpu_to_le32(1u << bit));
    }
    BAD(OPI_ST_EINVAL, c.flags = cpu_to_le32(OPI_RX_F_TSO4));
    BAD(OPI_ST_EINVAL, c.flags = cpu_to_le32(OPI_RX_F_TSO6));
    BAD(OPI_ST_EINVAL, c.flags = cpu_to_le32(OPI_RX_F_USO));
    BAD(OPI_ST_OK, c.flags = cpu_to_le32(OPI_RX_F_USO | OPI_RX_F_CSUM));
    BAD(OPI_ST_EINVAL, c.rsvd = 1);
    BAD(OPI_ST_ERANGE, c.n_macs = cpu_to_le16(129));
    BAD(OPI_ST_ERANGE, c.n_macs = UINT16_MAX);
    BAD(OPI_ST_EINVAL, c.macs[6] = 0);
    BAD(OPI_ST_EINVAL, c.macs[12] = 1);
    BAD(OPI_ST_EINVAL, c.macs[767] = 1);
#undef BAD
    /* The buffer: too short, longer, too long, not there. */
    g_assert_cmpint(cmd_take(s, OPI_CMD_PORT_SET_RX, 1, big, 1287), ==,
                    OPI_ST_EINVAL);
    g_assert_cmpint(cmd_take(s, OPI_CMD_PORT_SET_RX, 1, big, 1288), ==,
                    OPI_ST_OK);
    g_assert_cmpint(cmd_take(s, OPI_CMD_PORT_SET_RX, 1, big, sizeof(big)), ==,
                    OPI_ST_OK);
    g_assert_cmpint(cmd_status(s, OPI_CMD_PORT_SET_RX, 1), ==, OPI_ST_EINVAL);
    cmd.buf = cpu_to_le64(s->buf);
    cmd.buf_len = cpu_to_le32(OPI_CMD_BUF_MAX + 1);
    g_assert_cmpint(le16_to_cpu(cmd_run(s, cmd).status), ==, OPI_ST_E2BIG);
    cmd.buf = cpu_to_le64(OPI_TEST_NOWHERE);
    cmd.buf_len = cpu_to_le32(1288);
    g_assert_cmpint(le16_to_cpu(cmd_run(s, cmd).status), ==, OPI_ST_EFAULT);
    /* Target and owner come before the memory is looked at. */
    cmd.target = cpu_to_le32(2);
    g_assert_cmpint(le16_to_cpu(cmd_run(s, cmd).status), ==, OPI_ST_ENOENT);
    cmd.target = 0;
    g_assert_cmpint(le16_to_cpu(cmd_run(s, cmd).status), ==,
                    s->role == OPI_ROLE_DPU ? OPI_ST_EFAULT : OPI_ST_EPERM);
}

static void test_rx_rules(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);

    rx_rules_side(b->host);
    rx_rules_side(b->dpu);
    bed_free(b);
}

/* ---- Spreading --------------------------------------------------------- */

/* The published key and vectors of the RSS verification suite. */
static const uint8_t rss_key[OPI_RSS_KEY_SIZE] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
    0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
    0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
    0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

#define HASH_ALL (OPI_HASH_IPV4 | OPI_HASH_TCPV4 | OPI_HASH_UDPV4 | \
                  OPI_HASH_IPV6 | OPI_HASH_TCPV6 | OPI_HASH_UDPV6)

static uint16_t rss_set(Side *s, uint32_t types, unsigned size,
                        const uint16_t *table)
{
    struct opi_rss_config cfg = {
        .hash_types = cpu_to_le32(types),
        .table_size = cpu_to_le16(size),
    };
    unsigned i;

    memcpy(cfg.key, rss_key, sizeof(cfg.key));
    for (i = 0; i < size; i++) {
        cfg.table[i] = cpu_to_le16(table ? table[i] : 0);
    }
    return cmd_take(s, OPI_CMD_RSS_SET, 0, &cfg, sizeof(cfg));
}

/* As the definition has it: bit by bit. */
static uint32_t naive_toeplitz(const uint8_t *in, size_t len)
{
    uint32_t hash = 0;
    size_t i, k;

    for (i = 0; i < len * 8; i++) {
        if (in[i / 8] & (0x80 >> (i % 8))) {
            uint32_t window = 0;

            for (k = i; k < i + 32; k++) {
                window = window << 1 | (rss_key[k / 8] >> (7 - k % 8) & 1);
            }
            hash ^= window;
        }
    }
    return hash;
}

typedef struct Vector {
    const char *dst, *src;
    uint16_t dport, sport;
    uint32_t ip, ports;
} Vector;

static const Vector vectors4[] = {
    { "161.142.100.80", "66.9.149.187", 1766, 2794, 0x323e8fc2, 0x51ccc178 },
    { "65.69.140.83", "199.92.111.2", 4739, 14230, 0xd718262a, 0xc626b0ea },
    { "12.22.207.184", "24.19.198.95", 38024, 12898, 0xd2d0a5de, 0x5c2b394a },
    { "209.142.163.6", "38.27.205.30", 2217, 48228, 0x82989176, 0xafc7327f },
    { "202.188.127.2", "153.39.163.191", 1303, 44251, 0x5d1809c5, 0x10e828a2 },
};

static const Vector vectors6[] = {
    { "3ffe:2501:200:3::1", "3ffe:2501:200:1fff::7", 1766, 2794,
      0x2cc18cd5, 0x40207d3d },
    { "ff02::1", "3ffe:501:8::260:97ff:fe40:efab", 4739, 14230,
      0x0f0c461c, 0xdde51bbf },
    { "fe80::200:f8ff:fe21:67cf", "3ffe:1900:4545:3:200:f8ff:fe21:67cf",
      38024, 44251, 0x4b61e985, 0x02d1feef },
};

static size_t build_vector(const Vector *v, bool v6, bool tcp)
{
    Flow f = { .v6 = v6, .tcp = tcp, .len = 10 };
    Layout lay;
    size_t len = build_all(&f, SUM_FULL, frame, &lay);
    int af = v6 ? AF_INET6 : AF_INET, n = v6 ? 16 : 4;
    uint8_t *src = frame + lay.l3 + (v6 ? 8 : 12);

    g_assert_cmpint(inet_pton(af, v->src, src), ==, 1);
    g_assert_cmpint(inet_pton(af, v->dst, src + n), ==, 1);
    stw_be_p(frame + lay.l4, v->sport);
    stw_be_p(frame + lay.l4 + 2, v->dport);
    return len;
}

static void expect_hash(Bed *b, size_t len, unsigned qp, uint32_t hash,
                        uint8_t type)
{
    struct opi_cqe c;

    qp_send(b->host, 0, 0, frame, len, 1);
    c = expect(b->dpu, qp, frame, len);
    g_assert_cmphex(le32_to_cpu(c.hash), ==, hash);
    g_assert_cmphex(c.hash_type, ==, type);
}

static void test_rss_vectors(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    unsigned i, tcp, v6;

    traffic_start(b->host, b->dpu);
    for (v6 = 0; v6 < 2; v6++) {
        const Vector *v = v6 ? vectors6 : vectors4;
        unsigned n = v6 ? ARRAY_SIZE(vectors6) : ARRAY_SIZE(vectors4);
        uint8_t ip = v6 ? OPI_HASH_IPV6 : OPI_HASH_IPV4;

        for (i = 0; i < n; i++, v++) {
            for (tcp = 0; tcp < 2; tcp++) {
                uint8_t l4 = v6 ? (tcp ? OPI_HASH_TCPV6 : OPI_HASH_UDPV6)
                                : (tcp ? OPI_HASH_TCPV4 : OPI_HASH_UDPV4);
                size_t len = build_vector(v, v6, tcp), tagged;

                g_assert_cmpint(rss_set(b->dpu, HASH_ALL, 1, NULL), ==,
                                OPI_ST_OK);
                expect_hash(b, len, 0, v->ports, l4);
                /* The outer tag is skipped, and only that. */
                tagged = tag_insert(frame, len, 7);
                expect_hash(b, tagged, 0, v->ports, l4);
                expect_hash(b, tag_insert(frame, tagged, 7), 0, 0, 0);

                build_vector(v, v6, tcp);
                g_assert_cmpint(rss_set(b->dpu, HASH_ALL & ~l4, 1, NULL), ==,
                                OPI_ST_OK);
                expect_hash(b, len, 0, v->ip, ip);
                g_assert_cmpint(rss_set(b->dpu, l4, 1, NULL), ==, OPI_ST_OK);
                expect_hash(b, len, 0, v->ports, l4);
                g_assert_cmpint(rss_set(b->dpu, HASH_ALL & ~(l4 | ip), 1, NULL),
                                ==, OPI_ST_OK);
                expect_hash(b, len, 0, 0, 0);
            }
        }
    }
    bed_free(b);
}

static void test_rss_special(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    Flow f = { .tcp = true, .len = 100 };
    Layout lay;
    size_t len, cut;
    uint32_t ip, ports;

    traffic_start(b->host, b->dpu);
    g_assert_cmpint(rss_set(b->dpu, HASH_ALL, 1, NULL), ==, OPI_ST_OK);
    len = build_all(&f, SUM_FULL, frame, &lay);
    ip = naive_toeplitz(frame + lay.l3 + 12, 8);
    ports = naive_toeplitz(frame + lay.l3 + 12, 12);
    expect_hash(b, len, 0, ports, OPI_HASH_TCPV4);
    /* Fragments: the first one, and one in the middle. */
    stw_be_p(frame + lay.l3 + 6, 0x2000);
    expect_hash(b, len, 0, ip, OPI_HASH_IPV4);
    stw_be_p(frame + lay.l3 + 6, 0x0010);
    expect_hash(b, len, 0, ip, OPI_HASH_IPV4);
    /* Other protocols, and what is no IP. */
    build_all(&f, SUM_FULL, frame, &lay);
    frame[lay.l3 + 9] = 1;
    expect_hash(b, len, 0, ip, OPI_HASH_IPV4);
    frame[12] = 0x88;
    expect_hash(b, len, 0, 0, 0);
    /* Cut off anywhere. */
    build_all(&f, SUM_FULL, frame, &lay);
    for (cut = 14; cut < 60; cut++) {
        expect_hash(b, cut, 0, cut < 34 ? 0 : cut < 38 ? ip : ports,
                    cut < 34 ? 0 : cut < 38 ? OPI_HASH_IPV4 : OPI_HASH_TCPV4);
    }
    /* Options are stepped over; headers that lie are none. */
    f.ip_opts = 5;
    len = build_all(&f, SUM_FULL, frame, &lay);
    expect_hash(b, len, 0, ports, OPI_HASH_TCPV4);
    for (cut = lay.l4; cut < lay.l4 + 6; cut++) {
        expect_hash(b, cut, 0, cut < lay.l4 + 4 ? ip : ports,
                    cut < lay.l4 + 4 ? OPI_HASH_IPV4 : OPI_HASH_TCPV4);
    }
    expect_hash(b, lay.l3 + 24, 0, ip, OPI_HASH_IPV4);
    frame[lay.l3] = 0x44;
    expect_hash(b, len, 0, 0, 0);
    frame[lay.l3] = 0x65;
    expect_hash(b, len, 0, 0, 0);
    f.v6 = true;
    f.ip_opts = 2;
    len = build_all(&f, SUM_FULL, frame, &lay);
    memcpy(want, frame + lay.l3 + 8, 32);
    ip = naive_toeplitz(want, 32);
    memcpy(want + 32, frame + lay.l4, 4);
    ports = naive_toeplitz(want, 36);
    expect_hash(b, len, 0, ports, OPI_HASH_TCPV6);
    frame[lay.l3 + 41] = 0xff;
    expect_hash(b, len, 0, ip, OPI_HASH_IPV6);
    frame[lay.l3 + 6] = 44;
    expect_hash(b, len, 0, ip, OPI_HASH_IPV6);
    /* A tag in metadata does not stand in the frame. */
    f.ip_opts = 0;
    len = build_all(&f, SUM_FULL, frame, &lay);
    {
        struct opi_txd m = { .flags = cpu_to_le16(OPI_TXD_F_VLAN) };
        struct opi_cqe c;

        g_assert_cmpint(set_rx(b->dpu, 1, RX_ALL), ==, OPI_ST_OK);
        qp_send_meta(b->host, 0, &m, frame, len, 1);
        c = expect(b->dpu, 0, frame, len);
        g_assert_cmphex(le32_to_cpu(c.hash), ==, ports);
        g_assert_cmpint(set_rx(b->dpu, 1, OPI_RX_F_PROMISC), ==, OPI_ST_OK);
        qp_send_meta(b->host, 0, &m, frame, len, 1);
        memcpy(want, frame, len);
        c = expect(b->dpu, 0, want, tag_insert(want, len, 0));
        g_assert_cmphex(le32_to_cpu(c.hash), ==, ports);
        /* Then one in the frame is the second one, and is not skipped. */
        len = tag_insert(frame, len, 5);
        memcpy(want, frame, len);
        qp_send_meta(b->host, 0, &m, frame, len, 1);
        c = expect(b->dpu, 0, want, tag_insert(want, len, 0));
        g_assert_cmpint(c.hash_type, ==, 0);
    }
    bed_free(b);
}

static void rss_qps(Side *s, unsigned n)
{
    unsigned i;

    for (i = 1; i < n; i++) {
        g_assert_cmpint(qp_create(s, i, 5, 1, 2048), ==, OPI_ST_OK);
        qp_post_rx(s, i, 32);
    }
}

static void spread_side(Side *from, Side *to)
{
    static const uint16_t table[8] = { 0, 3, 1, 2, 3, 3, 0, 1 };
    uint32_t port = from->role == OPI_ROLE_DPU ? 1 : 0;
    struct opi_port_stats st;
    unsigned seen[4] = { 0 }, i, k;
    Flow f = { .tcp = true, .len = 60 };
    struct opi_txd m;
    struct opi_cqe c;
    Layout lay;
    size_t len;

    rss_qps(to, 4);
    /* Without RSS all goes to the lowest. */
    len = build_all(&f, SUM_FULL, frame, &lay);
    qp_send(from, 0, port, frame, len, 1);
    c = expect(to, 0, frame, len);
    g_assert_cmpint(c.hash_type, ==, 0);

    g_assert_cmpint(rss_set(to, HASH_ALL, 8, table), ==, OPI_ST_OK);
    for (i = 0; i < 64; i++) {
        uint32_t hash;

        stw_be_p(frame + lay.l4, 1000 + i);
        hash = naive_toeplitz(frame + lay.l3 + 12, 12);
        qp_send(from, 0, port, frame, len, 1);
        c = expect(to, table[hash % 8], frame, len);
        g_assert_cmphex(le32_to_cpu(c.hash), ==, hash);
        seen[table[hash % 8]]++;
    }
    for (i = 0; i < 4; i++) {
        g_assert_cmpint(seen[i], >, 0);
    }
    /* Without a hash: the first of the table. */
    g_assert_cmpint(rss_set(to, HASH_ALL, 2, &table[1]), ==, OPI_ST_OK);
    frame[12] = 0x77;
    qp_send(from, 0, port, frame, len, 1);
    expect(to, 3, frame, len);
    /* All segments of a frame go the same way, with the same hash. */
    f.len = 500;
    len = build_all(&f, SUM_PSEUDO, frame, &lay);
    m = meta_gso(&f, &lay, 100);
    m.port = cpu_to_le32(port);
    qp_send_meta(from, 0, &m, frame, len, 2);
    k = naive_toeplitz(frame + lay.l3 + 12, 12) % 2 ? 1 : 3;
    for (i = 0; i < 5; i++) {
        size_t n = build_segment(&f, i, 100, SUM_FULL, want);

        c = expect(to, k, want, n);
        g_assert_cmphex(c.hash_type, ==, OPI_HASH_TCPV4);
    }
    /* One that does not run is replaced by the lowest that does. */
    qp_post_txd(to, 3, &(struct opi_txd) { 0 });
    qp_kick(to, 3);
    eq_wait(to, 0, OPI_EV_QP_ERROR);
    g_assert_cmpint(qp_info(to, 3).state, ==, OPI_QP_ERROR);
    frame[12] = 0x77;
    qp_send(from, 0, port, frame, 100, 1);
    expect(to, 0, frame, 100);
    g_assert_cmpint(cmd_status(to, OPI_CMD_QP_DESTROY, 3), ==, OPI_ST_OK);
    frame[12] = 0x77;
    qp_send(from, 0, port, frame, 100, 1);
    expect(to, 0, frame, 100);
    g_assert_cmpint(cmd_status(to, OPI_CMD_QP_DESTROY, 0), ==, OPI_ST_OK);
    qp_send(from, 1, port, frame, 100, 1);
    expect(to, 1, frame, 100);
    g_assert_cmpint(cmd_status(to, OPI_CMD_QP_DESTROY, 1), ==, OPI_ST_OK);
    g_assert_cmpint(cmd_status(to, OPI_CMD_QP_DESTROY, 2), ==, OPI_ST_OK);
    st = port_stats(to, 1);
    qp_send(from, 1, port, frame, 100, 1);
    qp_wait_sent(from, 1);
    g_assert_cmpint(le64_to_cpu(port_stats(to, 1).rx_down), ==,
                    le64_to_cpu(st.rx_down) + 1);
}

static void test_rss_spread(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);

    traffic_start(b->host, b->dpu);
    rss_qps(b->host, 2);
    spread_side(b->host, b->dpu);
    traffic_start(b->host, b->dpu);
    rss_qps(b->dpu, 2);
    spread_side(b->dpu, b->host);

    /* A reset ends it. */
    traffic_start(b->host, b->dpu);
    g_assert_cmpint(rss_set(b->dpu, HASH_ALL, 1, NULL), ==, OPI_ST_OK);
    traffic_start(b->host, b->dpu);
    build_vector(&vectors4[0], false, true);
    expect_hash(b, 64, 0, 0, 0);
    /* And so does the command. */
    g_assert_cmpint(rss_set(b->dpu, HASH_ALL, 1, NULL), ==, OPI_ST_OK);
    g_assert_cmpint(rss_set(b->dpu, 0, 0, NULL), ==, OPI_ST_OK);
    expect_hash(b, 64, 0, 0, 0);
    bed_free(b);
}

static void rss_rules_side(Side *s)
{
    struct opi_rss_config good = { 0 }, c;
    struct opi_cmd cmd = { .opcode = cpu_to_le16(OPI_CMD_RSS_SET) };
    unsigned i;

    side_start(s);
    good.hash_types = cpu_to_le32(HASH_ALL);
    good.table_size = cpu_to_le16(4);
    good.table[3] = cpu_to_le16(3);
#define BAD(status, change) do {                                        \
        c = good;                                                       \
        change;                                                         \
        g_assert_cmpint(cmd_take(s, OPI_CMD_RSS_SET, 0, &c, sizeof(c)), \
                        ==, status);                                    \
    } while (0)
    BAD(OPI_ST_OK, (void)0);
    for (i = 6; i < 32; i++) {
        BAD(OPI_ST_EINVAL, c.hash_types = cpu_to_le32(1u << i));
    }
    BAD(OPI_ST_EINVAL, c.table_size = cpu_to_le16(5));
    BAD(OPI_ST_EINVAL, c.table_size = cpu_to_le16(256));
    BAD(OPI_ST_EINVAL, c.table_size = cpu_to_le16(0x8000));
    BAD(OPI_ST_OK, c.table_size = cpu_to_le16(128));
    BAD(OPI_ST_EINVAL, c.table[2] = cpu_to_le16(qp_limit(s)));
    BAD(OPI_ST_EINVAL, c.table[0] = UINT16_MAX);
    BAD(OPI_ST_EINVAL, c.table[4] = cpu_to_le16(1));
    BAD(OPI_ST_EINVAL, c.table[127] = cpu_to_le16(1));
    BAD(OPI_ST_EINVAL, c.rsvd = 1);
    BAD(OPI_ST_EINVAL, c.table_size = 0);
    BAD(OPI_ST_OK, (c.table_size = 0, c.table[3] = 0));
#undef BAD
    g_assert_cmpint(cmd_take(s, OPI_CMD_RSS_SET, 0, &good, sizeof(good) - 1),
                    ==, OPI_ST_EINVAL);
    g_assert_cmpint(cmd_take(s, OPI_CMD_RSS_SET, 1, &good, sizeof(good)), ==,
                    OPI_ST_EINVAL);
    cmd.buf = cpu_to_le64(OPI_TEST_NOWHERE);
    cmd.buf_len = cpu_to_le32(sizeof(good));
    g_assert_cmpint(le16_to_cpu(cmd_run(s, cmd).status), ==, OPI_ST_EFAULT);
}

static void test_rss_rules(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);

    rss_rules_side(b->host);
    rss_rules_side(b->dpu);
    bed_free(b);
}

/* ---- Coalescing -------------------------------------------------------- */

#define SHADOW(s, word) ((s)->qps[0].shadow + \
                         offsetof(struct opi_qp_shadow, word))

static void send_plain(Side *from, Side *to)
{
    frame_fill(frame, 64, 1);
    qp_send(from, 0, from->role == OPI_ROLE_DPU ? 1 : 0, frame, 64, 1);
    expect(to, 0, frame, 64);
}

static void idle(Side *s, int ms)
{
    if (s->soc) {
        fake_pump(s->soc, ms, NULL);
    } else {
        g_usleep(ms * 1000);
    }
}

/* As a driver that wants @n at a time, or to be told after @usecs. */
static void coalesce(Side *s, uint32_t n, uint32_t usecs)
{
    struct opi_eqe e;

    while (eq_try(s, 1, &e)) {
        continue;
    }
    mem_st32(s, SHADOW(s, cq_usecs), usecs);
    mem_st32(s, SHADOW(s, cq_arm), s->qps[0].cq_head + n - 1);
    eq_arm(s, 1);
    irq_taken(s, 1);
}

static void coalesce_side(Side *from, Side *to)
{
    struct opi_eqe e;
    int64_t start;
    unsigned i;

    /* Not before its time, and then once for all that have come. */
    coalesce(to, 20, 30000);
    start = g_get_monotonic_time();
    for (i = 0; i < 3; i++) {
        frame_fill(frame, 64, i);
        qp_send(from, 0, from->role == OPI_ROLE_DPU ? 1 : 0, frame, 64, 1);
        qp_wait_sent(from, 0);
    }
    e = eq_wait(to, 1, OPI_EV_QP);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 30000);
    g_assert_cmpint(le16_to_cpu(e.queue), ==, 0);
    irq_wait(to, 1);
    idle(to, 80);
    g_assert_false(eq_try(to, 1, &e));
    for (i = 0; i < 3; i++) {
        frame_fill(frame, 64, i);
        expect(to, 0, frame, 64);
    }

    /* Those that pass cq_arm are told of at once, the time is over then. */
    coalesce(to, 3, 65535);
    for (i = 0; i < 2; i++) {
        send_plain(from, to);
        g_assert_false(eq_try(to, 1, &e));
    }
    send_plain(from, to);
    eq_wait(to, 1, OPI_EV_QP);
    idle(to, 150);
    g_assert_false(eq_try(to, 1, &e));

    /* Zero: never. */
    coalesce(to, 10, 0);
    send_plain(from, to);
    idle(to, 150);
    g_assert_false(eq_try(to, 1, &e));

    /* A driver that looks by itself (cq_arm behind) is not told. */
    coalesce(to, 10, 20000);
    mem_st32(to, SHADOW(to, cq_arm), to->qps[0].cq_head - 1);
    send_plain(from, to);
    idle(to, 100);
    g_assert_false(eq_try(to, 1, &e));
    /* Nor one that has found them before the time was over. */
    coalesce(to, 10, 60000);
    send_plain(from, to);
    idle(to, 150);
    g_assert_false(eq_try(to, 1, &e));

    /* A queue pair that goes takes its time with it; more than counts. */
    coalesce(to, 10, UINT32_MAX);
    qp_send(from, 0, from->role == OPI_ROLE_DPU ? 1 : 0, frame, 64, 1);
    qp_wait_sent(from, 0);
    eq_wait(to, 1, OPI_EV_QP);
    expect(to, 0, frame, 64);
    coalesce(to, 10, 50000);
    qp_send(from, 0, from->role == OPI_ROLE_DPU ? 1 : 0, frame, 64, 1);
    qp_wait_sent(from, 0);
    g_assert_cmpint(cmd_status(to, OPI_CMD_QP_DESTROY, 0), ==, OPI_ST_OK);
    idle(to, 120);
    g_assert_false(eq_try(to, 1, &e));
}

static void test_coalesce(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);

    traffic_start(b->host, b->dpu);
    coalesce_side(b->host, b->dpu);
    traffic_start(b->host, b->dpu);
    coalesce_side(b->dpu, b->host);
    bed_free(b);
}

/* The DPU's time runs while the host's machine is stopped. */
static void test_coalesce_stopped(void)
{
    Bed *b = bed_new(BED_FAKE | BED_WIRE, NULL);
    uint32_t port;

    traffic_start(b->host, b->dpu);
    coalesce(b->dpu, 10, 20000);
    qtest_qmp_assert_success(b->hostq, "{'execute': 'stop'}");
    frame_fill(frame, 200, 7);
    g_assert_cmpint(send(b->wire, frame, 200, 0), ==, 200);
    eq_wait(b->dpu, 1, OPI_EV_QP);
    irq_wait(b->dpu, 1);
    g_assert_cmpint(qp_recv(b->dpu, 0, got, sizeof(got), &port, 20000), ==,
                    200);
    qtest_qmp_assert_success(b->hostq, "{'execute': 'cont'}");
    bed_free(b);
}

/* ---- Random metadata over random headers ------------------------------- */

static void test_random(void)
{
    Bed *b = bed_new(BED_FAKE | BED_WIRE, NULL);
    uint32_t seed = g_test_rand_int();
    g_autoptr(GRand) r = g_rand_new_with_seed(seed);
    unsigned round, i, k;

    g_test_message("seed %u", seed);
    for (round = 0; round < 40; round++) {
        struct opi_rx_config rx = { 0 };
        Side *s = round & 1 ? b->host : b->dpu;
        Side *to = round & 1 ? b->dpu : b->host;
        uint64_t bad = 0, sent = 0;

        traffic_start(b->host, b->dpu);
        rx.flags = cpu_to_le32(g_rand_int(r) & 0xff);
        if (set_rx_config(to, 1, &rx) != OPI_ST_OK) {
            g_assert_cmpint(set_rx(to, 1, OPI_RX_F_PROMISC), ==, OPI_ST_OK);
        }
        if (g_rand_int(r) & 1) {
            g_assert_cmpint(rss_set(to, g_rand_int(r) & HASH_ALL, 128, NULL),
                            ==, OPI_ST_OK);
        }
        for (i = 0; i < 60; i++) {
            Flow f = {
                .v6 = g_rand_int(r) & 1, .tcp = g_rand_int(r) & 1,
                .tags = g_rand_int_range(r, 0, 3),
                .ip_opts = g_rand_int_range(r, 0, 5),
                .tcp_opts = g_rand_int_range(r, 0, 11),
                .len = g_rand_int_range(r, 0, 3000),
            };
            Layout lay;
            size_t len = build_all(&f, SUM_PSEUDO, frame, &lay);
            struct opi_txd m = meta_gso(&f, &lay,
                                        g_rand_int_range(r, 0, 1500));
            uint16_t *words[] = {
                &m.gso_size, &m.hdr_len, &m.csum_start, &m.csum_offset,
                &m.vlan_tci,
            };

            if (g_rand_int(r) & 1) {
                m.flags |= cpu_to_le16(OPI_TXD_F_VLAN);
            }
            if (g_rand_int_range(r, 0, 4) == 0) {
                m.flags ^= cpu_to_le16(g_rand_int(r) & 0x1c);
            }
            if (g_rand_int_range(r, 0, 4) == 0) {
                m.gso_type = g_rand_int_range(r, 0, 4);
            }
            for (k = g_rand_int_range(r, 0, 3); k; k--) {
                *words[g_rand_int_range(r, 0, 5)] =
                    cpu_to_le16(g_rand_int(r) & (g_rand_int(r) & 1 ? 0xff
                                                                   : 0xffff));
            }
            for (k = g_rand_int_range(r, 0, 4); k; k--) {
                frame[g_rand_int_range(r, 0, 120)] = g_rand_int(r);
            }
            if (g_rand_int_range(r, 0, 4) == 0) {
                len = g_rand_int_range(r, 1, len + 1);
            }
            m.port = cpu_to_le32(s == b->host ? 0 : g_rand_int(r) & 1);
            qp_send_meta(s, 0, &m, frame, len,
                         g_rand_int_range(r, 1, MIN(len, 18) + 1));
            qp_wait_sent(s, 0);
            while (qp_recv_meta(to, 0, got, sizeof(got),
                                &(struct opi_cqe) {}, 0)) {
                continue;
            }
            while (recv(b->wire, got, sizeof(got), MSG_DONTWAIT) > 0) {
                continue;
            }
        }
        /* Every frame is one or the other. */
        for (k = 0; k < (s == b->host ? 1 : 2); k++) {
            struct opi_port_stats st = port_stats(s, s == b->host ? 1 : k);

            bad += le64_to_cpu(st.tx_bad);
            sent += le64_to_cpu(st.tx_frames) + le64_to_cpu(st.tx_down);
        }
        g_assert_cmpint(bad + sent, ==, 60 * (round / 2 + 1));
        g_assert_cmpint(sent, >, 0);
        g_assert_cmpint(qp_info(s, 0).state, ==, OPI_QP_RUNNING);
        g_assert_cmpint(qp_info(to, 0).state, ==, OPI_QP_RUNNING);
    }
    bed_free(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("opi/offload/pass", test_pass);
    qtest_add_func("opi/offload/fill", test_fill);
    qtest_add_func("opi/offload/tags", test_tags);
    qtest_add_func("opi/offload/cut/headers", test_cut);
    qtest_add_func("opi/offload/cut/types", test_cut_types);
    qtest_add_func("opi/offload/cut/many", test_cut_many);
    qtest_add_func("opi/offload/wire", test_wire);
    qtest_add_func("opi/offload/bad/metadata", test_bad_meta);
    qtest_add_func("opi/offload/bad/headers", test_bad_headers);
    qtest_add_func("opi/offload/bad/types", test_types_unknown);
    qtest_add_func("opi/offload/caps", test_caps);
    qtest_add_func("opi/offload/oversize", test_oversize);
    qtest_add_func("opi/offload/random", test_random);
    qtest_add_func("opi/filter/trusted", test_filter);
    qtest_add_func("opi/filter/untrusted", test_filter_untrusted);
    qtest_add_func("opi/filter/rules", test_rx_rules);
    qtest_add_func("opi/rss/vectors", test_rss_vectors);
    qtest_add_func("opi/rss/special", test_rss_special);
    qtest_add_func("opi/rss/spread", test_rss_spread);
    qtest_add_func("opi/rss/rules", test_rss_rules);
    qtest_add_func("opi/coalesce/both", test_coalesce);
    qtest_add_func("opi/coalesce/stopped", test_coalesce_stopped);
    return g_test_run();
}
