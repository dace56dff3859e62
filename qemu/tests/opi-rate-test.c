/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qtests of what host functions may send and how fast: rates, limits of what
 * goes to the DPU, turns among functions, source addresses and port VLANs.  The
 * card's time stands still but for the steps that a test makes, so figures are
 * those of the card and not of the machine.  The DPU's QEMU is played by the
 * test.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "opi-util.h"

#define PF_PORT         1
#define VF_PORT(n)      (2 + (n))
#define SEGS_MAX        18              /* of a frame */
#define MBYTE           1000000ULL
#define MS              1000000LL

static uint8_t frame[2048], got[2048];

/* ---- What the tests share ---------------------------------------------- */

typedef struct Rig {
    Bed *b;
    Side *dpu;
    unsigned n;
    Side *fn[1 + OPI_TEST_VFS];         /* PF, VFs */
} Rig;

static uint32_t port_of(unsigned i)
{
    return i ? VF_PORT(i - 1) : PF_PORT;
}

/* PF and @vfs VFs, each with a queue pair and its port up. */
static Rig *rig_new(unsigned vfs, unsigned what, const char *opts)
{
    Rig *r = g_new0(Rig, 1);
    unsigned i;

    r->b = bed_new(BED_FAKE | what, opts);
    r->dpu = r->b->dpu;
    r->n = 1 + vfs;
    r->fn[0] = r->b->host;
    traffic_start_with(r->b->host, r->dpu, 8, 2048);
    if (vfs) {
        g_assert_cmpint(func_set_max_vfs(r->dpu, vfs), ==, OPI_ST_OK);
        g_assert_cmpint(vf_enable(r->b->hostq, vfs), ==, vfs);
    }
    for (i = 1; i < r->n; i++) {
        r->fn[i] = side_vf(r->b->hostq, i - 1);
        side_start(r->fn[i]);
        g_assert_cmpint(qp_create(r->fn[i], 0, 8, 1, 2048), ==, OPI_ST_OK);
        qp_post_rx(r->fn[i], 0, 256);
        g_assert_cmpint(port_state(r->fn[i], port_of(i), true), ==, OPI_ST_OK);
        g_assert_cmpint(port_state(r->dpu, port_of(i), true), ==, OPI_ST_OK);
    }
    return r;
}

static void rig_free(Rig *r)
{
    unsigned i;

    for (i = 1; i < r->n; i++) {
        side_free(r->fn[i]);
    }
    bed_free(r->b);
    g_free(r);
}

static struct opi_cmd rate_cmd(uint8_t kind, uint32_t target, uint64_t max,
                               uint64_t share, uint8_t priority, uint8_t weight,
                               uint32_t parent)
{
    return (struct opi_cmd) {
        .opcode = cpu_to_le16(OPI_CMD_RATE_SET),
        .target = cpu_to_le32(target),
        .u.rate = {
            .kind = kind,
            .tx_priority = priority,
            .tx_weight = weight,
            .parent = cpu_to_le32(parent),
            .tx_max = cpu_to_le64(max),
            .tx_share = cpu_to_le64(share),
        },
    };
}

static uint16_t rate_set(Side *s, uint8_t kind, uint32_t target, uint64_t max,
                         uint64_t share, uint8_t priority, uint8_t weight,
                         uint32_t parent)
{
    return le16_to_cpu(cmd_run(s, rate_cmd(kind, target, max, share, priority,
                                           weight, parent)).status);
}

static void leaf(Rig *r, unsigned i, uint64_t max, uint64_t share,
                 uint8_t priority, uint8_t weight, uint32_t parent)
{
    g_assert_cmpint(rate_set(r->dpu, OPI_RATE_LEAF, port_of(i), max, share,
                             priority, weight, parent), ==, OPI_ST_OK);
}

static void node(Rig *r, uint32_t id, uint64_t max, uint64_t share,
                 uint8_t priority, uint8_t weight, uint32_t parent)
{
    uint16_t st = cmd_status(r->dpu, OPI_CMD_RATE_CREATE, id);

    g_assert(st == OPI_ST_OK || st == OPI_ST_EEXIST);
    g_assert_cmpint(rate_set(r->dpu, OPI_RATE_NODE, id, max, share, priority,
                             weight, parent), ==, OPI_ST_OK);
}

static uint16_t police(Side *s, uint32_t port, uint8_t kind, uint8_t unit,
                       uint64_t rate, uint32_t burst)
{
    struct opi_cmd cmd = {
        .opcode = cpu_to_le16(OPI_CMD_PORT_SET_POLICE),
        .target = cpu_to_le32(port),
        .u.police = {
            .kind = kind,
            .unit = unit,
            .rate = cpu_to_le64(rate),
            .burst = cpu_to_le32(burst),
        },
    };

    return le16_to_cpu(cmd_run(s, cmd).status);
}

/* Somebody who always has frames to send, all alike. */
typedef struct Source {
    Side *s;
    unsigned qp;
    uint32_t len;
    uint32_t seen;                      /* sq_head */
    uint64_t frames;                    /* taken since the last source_zero() */
} Source;

static uint32_t source_head(Side *s, unsigned qp)
{
    return mem_ld32(s, s->qps[qp].shadow +
                    offsetof(struct opi_qp_shadow, sq_head));
}

static void source_fill(Source *src, Side *s, unsigned qp, uint32_t len,
                        const struct opi_txd *meta)
{
    Qp *q = &s->qps[qp];
    unsigned i, size = 1 << q->sq_order;
    struct opi_txd d = meta ? *meta : (struct opi_txd) { 0 };

    *src = (Source) {
        .s = s,
        .qp = qp,
        .len = len,
        .seen = source_head(s, qp),
    };
    d.addr = cpu_to_le64(s->ram);
    d.len = cpu_to_le32(len);
    d.flags |= cpu_to_le16(OPI_TXD_F_SOP | OPI_TXD_F_EOP);
    d.nsegs = 1;
    for (i = 0; i < size; i++) {
        mem_write(s, q->sq + i * sizeof(d), &d, sizeof(d));
    }
}

static void source_count(Source *src)
{
    Qp *q = &src->s->qps[src->qp];
    uint32_t head = source_head(src->s, src->qp);

    g_assert_cmpint(head - src->seen, <=, 1 << q->sq_order);
    src->frames += head - src->seen;
    src->seen = head;
}

/* Post until the ring is full. */
static void source_feed(Source *src)
{
    Qp *q = &src->s->qps[src->qp];

    source_count(src);
    q->sq_tail = src->seen + (1 << q->sq_order);
    qp_kick(src->s, src->qp);
}

static void source_zero(Source *src, unsigned n)
{
    while (n--) {
        source_count(&src[n]);
        src[n].frames = 0;
    }
}

/* So long with rings that are never empty. */
static void run(Rig *r, Source *src, unsigned n, unsigned ms)
{
    unsigned i, t;

    for (t = 0; t < ms; t += 20) {
        for (i = 0; i < n; i++) {
            source_feed(&src[i]);
        }
        qtest_clock_step(r->b->hostq, 20 * MS);
        fake_pump(r->b->soc, 0, NULL);
    }
    for (i = 0; i < n; i++) {
        source_count(&src[i]);
    }
}

static uint64_t sent(const Source *src)
{
    return src->frames * src->len;
}

/* Within 5 % of what it should be. */
static void assert_near(uint64_t val, uint64_t want)
{
    if (val * 100 < want * 95 || val * 100 > want * 105) {
        g_test_message("%" PRIu64 " is not near %" PRIu64, val, want);
        g_test_fail();
    }
}

/* ---- Commands ---------------------------------------------------------- */

static void test_rules(void)
{
    Rig *r = rig_new(1, 0, NULL);
    Side *s = r->dpu;
    struct opi_identify id;
    struct opi_cmd cmd;
    uint32_t last;

    g_assert_cmphex(reg_read(s, OPI_REG_CAPS_LO) & OPI_CAP_RATE, !=, 0);
    g_assert_cmpint(cmd_fill(s, OPI_CMD_IDENTIFY, 0, &id, sizeof(id)), ==,
                    OPI_ST_OK);
    last = le32_to_cpu(id.rate_nodes);
    g_assert_cmpint(last, >=, 4);
    g_assert_cmpint(cmd_fill(r->fn[0], OPI_CMD_IDENTIFY, 0, &id, sizeof(id)),
                    ==, OPI_ST_OK);
    g_assert_cmpint(le32_to_cpu(id.rate_nodes), ==, 0);

    /* Nodes. */
    g_assert_cmpint(cmd_status(s, OPI_CMD_RATE_CREATE, 0), ==, OPI_ST_ERANGE);
    g_assert_cmpint(cmd_status(s, OPI_CMD_RATE_CREATE, last + 1), ==,
                    OPI_ST_ERANGE);
    g_assert_cmpint(cmd_status(s, OPI_CMD_RATE_CREATE, UINT32_MAX), ==,
                    OPI_ST_ERANGE);
    g_assert_cmpint(cmd_status(s, OPI_CMD_RATE_CREATE, 1), ==, OPI_ST_OK);
    g_assert_cmpint(cmd_status(s, OPI_CMD_RATE_CREATE, 1), ==, OPI_ST_EEXIST);
    g_assert_cmpint(cmd_status(s, OPI_CMD_RATE_CREATE, 2), ==, OPI_ST_OK);
    g_assert_cmpint(cmd_status(s, OPI_CMD_RATE_CREATE, last), ==, OPI_ST_OK);
    g_assert_cmpint(cmd_status(s, OPI_CMD_RATE_DESTROY, last), ==, OPI_ST_OK);
    g_assert_cmpint(cmd_status(s, OPI_CMD_RATE_DESTROY, last), ==,
                    OPI_ST_ENOENT);
    g_assert_cmpint(cmd_status(s, OPI_CMD_RATE_DESTROY, 0), ==, OPI_ST_ERANGE);
    g_assert_cmpint(cmd_status(s, OPI_CMD_RATE_DESTROY, last + 1), ==,
                    OPI_ST_ERANGE);

    /* Targets. */
    g_assert_cmpint(rate_set(s, 0, PF_PORT, 0, 0, 0, 1, 0), ==, OPI_ST_EINVAL);
    g_assert_cmpint(rate_set(s, 3, PF_PORT, 0, 0, 0, 1, 0), ==, OPI_ST_EINVAL);
    g_assert_cmpint(rate_set(s, OPI_RATE_LEAF, VF_PORT(1), 0, 0, 0, 1, 0), ==,
                    OPI_ST_ENOENT);
    g_assert_cmpint(rate_set(s, OPI_RATE_LEAF, UINT32_MAX, 0, 0, 0, 1, 0), ==,
                    OPI_ST_ENOENT);
    g_assert_cmpint(rate_set(s, OPI_RATE_LEAF, 0, 0, 0, 0, 1, 0), ==,
                    OPI_ST_EINVAL);
    g_assert_cmpint(rate_set(s, OPI_RATE_NODE, 0, 0, 0, 0, 1, 0), ==,
                    OPI_ST_ERANGE);
    g_assert_cmpint(rate_set(s, OPI_RATE_NODE, last + 1, 0, 0, 0, 1, 0), ==,
                    OPI_ST_ERANGE);
    g_assert_cmpint(rate_set(s, OPI_RATE_NODE, 3, 0, 0, 0, 1, 0), ==,
                    OPI_ST_ENOENT);

    /* Values. */
    g_assert_cmpint(rate_set(s, OPI_RATE_LEAF, PF_PORT, 0, 0, 8, 1, 0), ==,
                    OPI_ST_ERANGE);
    g_assert_cmpint(rate_set(s, OPI_RATE_LEAF, PF_PORT, 0, 0, 0, 0, 0), ==,
                    OPI_ST_ERANGE);
    g_assert_cmpint(rate_set(s, OPI_RATE_LEAF, PF_PORT, 0, 0, 0, 101, 0), ==,
                    OPI_ST_ERANGE);
    g_assert_cmpint(rate_set(s, OPI_RATE_LEAF, PF_PORT, 9, 10, 0, 1, 0), ==,
                    OPI_ST_EINVAL);
    g_assert_cmpint(rate_set(s, OPI_RATE_LEAF, PF_PORT, 0, 10, 0, 1, 0), ==,
                    OPI_ST_OK);
    g_assert_cmpint(rate_set(s, OPI_RATE_LEAF, PF_PORT, UINT64_MAX, UINT64_MAX,
                             7, 100, 0), ==, OPI_ST_OK);
    cmd = rate_cmd(OPI_RATE_LEAF, PF_PORT, 0, 0, 0, 1, 0);
    cmd.u.rate.rsvd0 = 1;
    g_assert_cmpint(le16_to_cpu(cmd_run(s, cmd).status), ==, OPI_ST_EINVAL);

    /* Parents: not there, itself, loops, more than two above a leaf. */
    g_assert_cmpint(rate_set(s, OPI_RATE_LEAF, PF_PORT, 0, 0, 0, 1, last + 1),
                    ==, OPI_ST_ERANGE);
    g_assert_cmpint(rate_set(s, OPI_RATE_LEAF, PF_PORT, 0, 0, 0, 1, 3), ==,
                    OPI_ST_ENOENT);
    g_assert_cmpint(rate_set(s, OPI_RATE_NODE, 1, 0, 0, 0, 1, 1), ==,
                    OPI_ST_EINVAL);
    g_assert_cmpint(rate_set(s, OPI_RATE_NODE, 1, 0, 0, 0, 1, 2), ==,
                    OPI_ST_OK);
    g_assert_cmpint(rate_set(s, OPI_RATE_NODE, 2, 0, 0, 0, 1, 1), ==,
                    OPI_ST_EINVAL);
    g_assert_cmpint(cmd_status(s, OPI_CMD_RATE_CREATE, 3), ==, OPI_ST_OK);
    g_assert_cmpint(rate_set(s, OPI_RATE_NODE, 3, 0, 0, 0, 1, 1), ==,
                    OPI_ST_EINVAL);
    g_assert_cmpint(rate_set(s, OPI_RATE_NODE, 2, 0, 0, 0, 1, 3), ==,
                    OPI_ST_EINVAL);
    g_assert_cmpint(rate_set(s, OPI_RATE_LEAF, PF_PORT, 0, 0, 0, 1, 1), ==,
                    OPI_ST_OK);
    g_assert_cmpint(rate_set(s, OPI_RATE_LEAF, VF_PORT(0), 0, 0, 0, 1, 1), ==,
                    OPI_ST_OK);

    /* A parent stays until it has no children. */
    g_assert_cmpint(cmd_status(s, OPI_CMD_RATE_DESTROY, 2), ==, OPI_ST_EBUSY);
    g_assert_cmpint(cmd_status(s, OPI_CMD_RATE_DESTROY, 1), ==, OPI_ST_EBUSY);
    g_assert_cmpint(rate_set(s, OPI_RATE_LEAF, PF_PORT, 0, 0, 0, 1, 0), ==,
                    OPI_ST_OK);
    g_assert_cmpint(cmd_status(s, OPI_CMD_RATE_DESTROY, 1), ==, OPI_ST_EBUSY);
    /* The VF goes, and with it its leaf. */
    g_assert_cmpint(vf_enable(r->b->hostq, 0), ==, 0);
    g_assert_cmpint(func_set_max_vfs(s, 0), ==, OPI_ST_OK);
    g_assert_cmpint(cmd_status(s, OPI_CMD_RATE_DESTROY, 1), ==, OPI_ST_OK);
    g_assert_cmpint(cmd_status(s, OPI_CMD_RATE_DESTROY, 2), ==, OPI_ST_OK);
    rig_free(r);
}

/* Without the capability there are no such commands. */
static void test_no_caps(void)
{
    Bed *b = bed_new(BED_FAKE, "caps=0");

    side_start(b->dpu);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_RATE_CREATE, 1), ==,
                    OPI_ST_EOPNOTSUPP);
    g_assert_cmpint(rate_set(b->dpu, OPI_RATE_LEAF, PF_PORT, 0, 0, 0, 1, 0), ==,
                    OPI_ST_EOPNOTSUPP);
    g_assert_cmpint(police(b->dpu, PF_PORT, OPI_POLICE_PORT, OPI_POLICE_FRAMES,
                           0, 0), ==, OPI_ST_EOPNOTSUPP);
    bed_free(b);
}

/* ---- tx_max ------------------------------------------------------------ */

static void test_cap(void)
{
    static const uint32_t lens[] = { 64, 1000, 65000 };
    Rig *r = rig_new(0, 0, NULL);
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(lens); i++) {
        /* Few enough that a ring lasts for a step. */
        uint64_t max = lens[i] == 64 ? MBYTE / 2 : 2 * MBYTE;
        Source src;

        source_fill(&src, r->fn[0], 0, lens[i], NULL);
        leaf(r, 0, max, 0, 0, 1, 0);
        run(r, &src, 1, 4000);
        g_test_message("len %u: %" PRIu64 " of %" PRIu64, lens[i], sent(&src),
                       4 * max);
        assert_near(sent(&src), 4 * max);
        g_assert_cmpint(sent(&src), <=, 4 * max + max / 20 + lens[i]);
        /* What is posted and waits goes when the limit does. */
        leaf(r, 0, 0, 0, 0, 1, 0);
        qp_wait_sent(r->fn[0], 0);
    }
    rig_free(r);
}

/* However long it was idle: a burst is 50 ms of the rate and one frame. */
static void test_burst(void)
{
    Rig *r = rig_new(0, 0, NULL);
    Source src;

    source_fill(&src, r->fn[0], 0, 1000, NULL);
    leaf(r, 0, MBYTE, 0, 0, 1, 0);
    qtest_clock_step(r->b->hostq, 10000 * MS);
    source_feed(&src);
    source_count(&src);
    g_assert_cmpint(src.frames, ==, 50);
    qtest_clock_step(r->b->hostq, 20 * MS);
    source_count(&src);
    g_assert_cmpint(src.frames, ==, 70);
    /* The same limit again gives nothing. */
    leaf(r, 0, MBYTE, 0, 3, 9, 0);
    source_count(&src);
    g_assert_cmpint(src.frames, ==, 70);

    /* A rate of which no frame could be saved up: one, and it is paid for. */
    leaf(r, 0, 1000, 0, 0, 1, 0);
    source_count(&src);
    g_assert_cmpint(src.frames, ==, 71);
    qtest_clock_step(r->b->hostq, 940 * MS);
    source_count(&src);
    g_assert_cmpint(src.frames, ==, 71);
    qtest_clock_step(r->b->hostq, 20 * MS);
    source_count(&src);
    g_assert_cmpint(src.frames, ==, 72);
    /* The slowest: nothing for hours, and nobody is stuck. */
    leaf(r, 0, 1, 0, 0, 1, 0);
    source_count(&src);
    g_assert_cmpint(src.frames, ==, 73);
    qtest_clock_step(r->b->hostq, 900 * 1000 * MS);
    source_count(&src);
    g_assert_cmpint(src.frames, ==, 73);
    qtest_clock_step(r->b->hostq, 101 * 1000 * MS);
    source_count(&src);
    g_assert_cmpint(src.frames, ==, 74);
    leaf(r, 0, UINT64_MAX, 0, 0, 1, 0);
    qp_wait_sent(r->fn[0], 0);
    rig_free(r);
}

/* What stands still because of a rate can be told from what is lost. */
static void test_waits(void)
{
    Rig *r = rig_new(0, 0, NULL);
    Side *pf = r->fn[0];
    Source src;

    source_fill(&src, pf, 0, 1000, NULL);
    g_assert_cmphex(le32_to_cpu(qp_info(pf, 0).flags), ==, 0);
    leaf(r, 0, 1, 0, 0, 1, 0);
    source_feed(&src);
    qtest_clock_step(r->b->hostq, 100 * MS);
    g_assert_cmphex(le32_to_cpu(qp_info(pf, 0).flags), ==, OPI_QP_F_WAITS);
    leaf(r, 0, 0, 0, 0, 1, 0);
    qp_wait_sent(pf, 0);
    g_assert_cmphex(le32_to_cpu(qp_info(pf, 0).flags), ==, 0);
    /* Nobody has told the card of these. */
    pf->qps[0].sq_tail += 5;
    mem_st32(pf, pf->qps[0].shadow + offsetof(struct opi_qp_shadow, sq_tail),
             pf->qps[0].sq_tail);
    g_assert_cmphex(le32_to_cpu(qp_info(pf, 0).flags), ==, 0);
    rig_free(r);
}

/* Segments count, with a header and a tag each. */
static void test_segments(void)
{
    struct opi_txd meta = {
        .flags = cpu_to_le16(OPI_TXD_F_CSUM | OPI_TXD_F_VLAN),
        .gso_type = OPI_GSO_TCPV4,
        .gso_size = cpu_to_le16(100),
        .hdr_len = cpu_to_le16(54),
        .csum_start = cpu_to_le16(34),
        .csum_offset = cpu_to_le16(16),
    };
    Rig *r = rig_new(0, 0, NULL);
    Source src;

    /* Ten segments of 158 bytes; what becomes of them is another matter. */
    source_fill(&src, r->fn[0], 0, 1054, &meta);
    leaf(r, 0, MBYTE, 0, 0, 1, 0);
    run(r, &src, 1, 2000);
    assert_near(src.frames * 1580, 2 * MBYTE);
    rig_free(r);
}

/* All that is below a node; who waits there keeps nobody else waiting. */
static void test_node(void)
{
    Rig *r = rig_new(3, 0, NULL);
    Source src[4];
    unsigned i;

    for (i = 0; i < 4; i++) {
        source_fill(&src[i], r->fn[i], 0, 1000, NULL);
    }
    node(r, 1, 2 * MBYTE, 0, 0, 1, 0);
    leaf(r, 0, 0, 0, 0, 1, 1);
    leaf(r, 1, 0, 0, 0, 1, 1);
    leaf(r, 2, MBYTE / 10, 0, 0, 1, 1);
    run(r, src, 4, 200);
    source_zero(src, 4);
    run(r, src, 4, 2000);
    assert_near(sent(&src[0]) + sent(&src[1]) + sent(&src[2]), 4 * MBYTE);
    assert_near(sent(&src[2]), MBYTE / 5);
    assert_near(sent(&src[0]), sent(&src[1]));
    /* A ring each step, as fast as it can. */
    g_assert_cmpint(src[3].frames, >=, 90 * 256);
    rig_free(r);
}

/* What is refused is not charged for the segments that it names. */
static void test_refused(void)
{
    Rig *r = rig_new(1, 0, NULL);
    struct opi_txd d = {
        .addr = cpu_to_le64(r->fn[1]->ram),
        .len = cpu_to_le32(UINT16_MAX),
        .flags = cpu_to_le16(OPI_TXD_F_SOP),
        .gso_type = OPI_GSO_TCPV4,
        .gso_size = cpu_to_le16(1),
        .hdr_len = cpu_to_le16(UINT16_MAX),
        .nsegs = SEGS_MAX,
    };
    Source src;
    unsigned i;

    node(r, 1, MBYTE, 0, 0, 1, 0);
    leaf(r, 0, 0, 0, 0, 1, 1);
    leaf(r, 1, 0, 0, 0, 1, 1);
    for (i = 0; i < SEGS_MAX; i++) {
        if (i) {
            d = (struct opi_txd) { .addr = d.addr, .len = d.len };
        }
        if (i == SEGS_MAX - 1) {
            d.flags = cpu_to_le16(OPI_TXD_F_EOP);
        }
        qp_post_txd(r->fn[1], 0, &d);
    }
    qp_kick(r->fn[1], 0);
    g_assert_cmpint(le64_to_cpu(port_stats(r->fn[1], VF_PORT(0)).tx_bad), ==,
                    1);
    source_fill(&src, r->fn[0], 0, 1000, NULL);
    run(r, &src, 1, 200);
    source_zero(&src, 1);
    run(r, &src, 1, 1000);
    assert_near(sent(&src), MBYTE);
    rig_free(r);
}

/* ---- Competition ------------------------------------------------------- */

/* Whatever sizes the frames have. */
static void test_weights(void)
{
    static const uint32_t lens[][2] = {
        { 1000, 1000 }, { 65000, 1000 }, { 1000, 65000 }, { 65000, 65000 },
    };
    Rig *r = rig_new(1, 0, NULL);
    unsigned i;

    node(r, 1, 4 * MBYTE, 0, 0, 1, 0);
    leaf(r, 0, 0, 0, 0, 1, 1);
    leaf(r, 1, 0, 0, 0, 3, 1);
    for (i = 0; i < ARRAY_SIZE(lens); i++) {
        Source src[2];

        source_fill(&src[0], r->fn[0], 0, lens[i][0], NULL);
        source_fill(&src[1], r->fn[1], 0, lens[i][1], NULL);
        run(r, src, 2, 400);
        source_zero(src, 2);
        run(r, src, 2, 4000);
        g_test_message("%u, %u: %" PRIu64 " %" PRIu64, lens[i][0], lens[i][1],
                       sent(&src[0]), sent(&src[1]));
        assert_near(sent(&src[0]) + sent(&src[1]), 16 * MBYTE);
        assert_near(sent(&src[0]), 4 * MBYTE);
        assert_near(sent(&src[1]), 12 * MBYTE);
        /* What one does not want the other gets. */
        run(r, &src[0], 1, 6000);
        source_zero(src, 2);
        run(r, &src[0], 1, 1000);
        assert_near(sent(&src[0]), 4 * MBYTE);
    }
    rig_free(r);
}

/* The highest takes what it may, the next the rest; none is left over. */
static void test_priority(void)
{
    Rig *r = rig_new(2, 0, NULL);
    Source src[3];
    unsigned i;

    for (i = 0; i < 3; i++) {
        source_fill(&src[i], r->fn[i], 0, i == 1 ? 65000 : 1000, NULL);
    }
    node(r, 1, 4 * MBYTE, 0, 0, 1, 0);
    leaf(r, 0, MBYTE, 0, 7, 1, 1);
    leaf(r, 1, 0, 0, 2, 1, 1);
    leaf(r, 2, 0, 0, 0, 100, 1);
    run(r, src, 3, 400);
    source_zero(src, 3);
    run(r, src, 3, 4000);
    assert_near(sent(&src[0]), 4 * MBYTE);
    assert_near(sent(&src[1]), 12 * MBYTE);
    g_assert_cmpint(src[2].frames, ==, 0);
    leaf(r, 1, 2 * MBYTE, 0, 2, 1, 1);
    run(r, src, 3, 400);
    source_zero(src, 3);
    run(r, src, 3, 4000);
    assert_near(sent(&src[0]), 4 * MBYTE);
    assert_near(sent(&src[1]), 8 * MBYTE);
    assert_near(sent(&src[2]), 4 * MBYTE);
    rig_free(r);
}

static void test_shares(void)
{
    Rig *r = rig_new(2, 0, NULL);
    Source src[3];
    unsigned i;

    for (i = 0; i < 3; i++) {
        source_fill(&src[i], r->fn[i], 0, i == 1 ? 30000 : 1000, NULL);
    }
    /* Shares first, the rest by weights: 1 + 1, 0 + 3 of 5. */
    node(r, 1, 5 * MBYTE, 0, 0, 1, 0);
    leaf(r, 0, 0, MBYTE, 0, 1, 1);
    leaf(r, 1, 0, 0, 0, 3, 1);
    run(r, src, 2, 400);
    source_zero(src, 2);
    run(r, src, 2, 4000);
    assert_near(sent(&src[0]), 8 * MBYTE);
    assert_near(sent(&src[1]), 12 * MBYTE);

    /* Not even the highest priority takes a share away. */
    leaf(r, 2, 0, 0, 7, 100, 1);
    run(r, src, 3, 400);
    source_zero(src, 3);
    run(r, src, 3, 4000);
    assert_near(sent(&src[0]), 4 * MBYTE);
    g_assert_cmpint(src[1].frames, ==, 0);
    assert_near(sent(&src[2]), 16 * MBYTE);

    /* More than there is: in proportion, whatever weights say. */
    leaf(r, 0, 0, 4 * MBYTE, 0, 100, 1);
    leaf(r, 1, 0, 6 * MBYTE, 0, 1, 1);
    run(r, src, 3, 400);
    source_zero(src, 3);
    run(r, src, 3, 4000);
    assert_near(sent(&src[0]), 8 * MBYTE);
    assert_near(sent(&src[1]), 12 * MBYTE);
    g_assert_cmpint(src[2].frames, ==, 0);
    rig_free(r);
}

/* Node 1 and VF 2 share node 2 by 1:2; PF and VF 0 share node 1 by 3:1. */
static void test_tree(void)
{
    Rig *r = rig_new(3, 0, NULL);
    Source src[3];

    source_fill(&src[0], r->fn[0], 0, 1000, NULL);
    source_fill(&src[1], r->fn[1], 0, 9000, NULL);
    source_fill(&src[2], r->fn[3], 0, 1000, NULL);
    node(r, 2, 3 * MBYTE, 0, 0, 1, 0);
    node(r, 1, 0, 0, 0, 1, 2);
    leaf(r, 3, 0, 0, 0, 2, 2);
    leaf(r, 0, 0, 0, 0, 3, 1);
    leaf(r, 1, 0, 0, 0, 1, 1);
    run(r, src, 3, 400);
    source_zero(src, 3);
    run(r, src, 3, 4000);
    assert_near(sent(&src[0]), 3 * MBYTE);
    assert_near(sent(&src[1]), MBYTE);
    assert_near(sent(&src[2]), 8 * MBYTE);
    /* The node's own limit, what it leaves goes to the other. */
    node(r, 1, MBYTE / 2, 0, 0, 1, 2);
    run(r, src, 3, 400);
    source_zero(src, 3);
    run(r, src, 3, 4000);
    assert_near(sent(&src[0]), 3 * MBYTE / 2);
    assert_near(sent(&src[1]), MBYTE / 2);
    assert_near(sent(&src[2]), 10 * MBYTE);
    rig_free(r);
}

/* Queue pairs of one function: its rate is one, whatever their frames are. */
static void test_queues(void)
{
    Rig *r = rig_new(0, 0, NULL);
    Source src[2];

    g_assert_cmpint(qp_create(r->fn[0], 1, 8, 1, 2048), ==, OPI_ST_OK);
    source_fill(&src[0], r->fn[0], 0, 65000, NULL);
    source_fill(&src[1], r->fn[0], 1, 1000, NULL);
    leaf(r, 0, MBYTE, 0, 0, 1, 0);
    run(r, src, 2, 4000);
    assert_near(sent(&src[0]) + sent(&src[1]), 4 * MBYTE);
    /* Turns are of 32 KiB, or one frame. */
    assert_near(sent(&src[0]), 65000 * sent(&src[1]) / 33000);
    rig_free(r);
}

/* A subfunction is a leaf of its own, although its queue pair is its PF's. */
static void test_subfunction(void)
{
    Rig *r = rig_new(0, 0, NULL);
    Side *pf = r->fn[0];
    uint32_t id, port, i;
    Source src[2];

    source_fill(&src[0], pf, 0, 1000, NULL);
    for (i = 0; i < 2; i++) {
        uint16_t st;

        id = func_create(r->dpu, 7, &st);
        g_assert_cmpint(st, ==, OPI_ST_OK);
        g_assert_cmpint(cmd_status(r->dpu, OPI_CMD_FUNC_EXPOSE, id), ==,
                        OPI_ST_OK);
        port = le32_to_cpu(func_info(r->dpu, id).port);
        g_assert_cmpint(func_attach(pf, id, 1), ==, OPI_ST_OK);
        g_assert_cmpint(qp_create_for(pf, 1, 8, 1, 64, port), ==, OPI_ST_OK);
        source_fill(&src[1], pf, 1, 1000, NULL);
        node(r, 1, 2 * MBYTE, 0, 0, 1, 0);
        leaf(r, 0, 0, 0, 0, 3, 1);
        g_assert_cmpint(rate_set(r->dpu, OPI_RATE_LEAF, port, 0, 0, 0, 1, 1),
                        ==, OPI_ST_OK);
        run(r, src, 2, 400);
        source_zero(src, 2);
        run(r, src, 2, 2000);
        assert_near(sent(&src[0]), 3 * MBYTE);
        assert_near(sent(&src[1]), MBYTE);
        /* It goes while it waits; the next one knows nothing of its rates. */
        g_assert_cmpint(cmd_status(r->dpu, OPI_CMD_FUNC_WITHDRAW, id), ==,
                        OPI_ST_OK);
        g_assert_cmpint(cmd_status(r->dpu, OPI_CMD_FUNC_DESTROY, id), ==,
                        OPI_ST_OK);
        leaf(r, 0, 0, 0, 0, 1, 0);
        g_assert_cmpint(cmd_status(r->dpu, OPI_CMD_RATE_DESTROY, 1), ==,
                        OPI_ST_OK);
    }
    rig_free(r);
}

/* ---- Things that end while they wait ----------------------------------- */

static void test_ends(void)
{
    Rig *r = rig_new(2, 0, NULL);
    Source src[3];
    unsigned i, round;

    for (round = 0; round < 4; round++) {
        node(r, 1, 1000, 0, 0, 1, 0);
        node(r, 2, 500, 0, 0, 1, 1);
        leaf(r, 0, 100, 0, 0, 1, 1);
        leaf(r, 1, 0, 0, 0, 1, 1);
        leaf(r, 2, 0, 0, 0, 1, 2);
        for (i = 0; i < 3; i++) {
            source_fill(&src[i], r->fn[i], 0, 1000, NULL);
        }
        run(r, src, 3, 100);
        switch (round) {
        case 0:
            /* A node that is not needed any more. */
            leaf(r, 2, 0, 0, 0, 1, 0);
            qp_wait_sent(r->fn[2], 0);
            g_assert_cmpint(cmd_status(r->dpu, OPI_CMD_RATE_DESTROY, 2), ==,
                            OPI_ST_OK);
            break;
        case 1:
            /* The queue pair. */
            g_assert_cmpint(cmd_status(r->fn[0], OPI_CMD_QP_DESTROY, 0), ==,
                            OPI_ST_OK);
            qtest_clock_step(r->b->hostq, 20000 * MS);
            g_assert_cmpint(qp_create(r->fn[0], 0, 8, 1, 2048), ==, OPI_ST_OK);
            break;
        case 2:
            /* The function, whose rates stay. */
            side_start(r->fn[1]);
            g_assert_cmpint(qp_create(r->fn[1], 0, 8, 1, 2048), ==, OPI_ST_OK);
            source_fill(&src[1], r->fn[1], 0, 1000, NULL);
            qtest_clock_step(r->b->hostq, 20000 * MS);
            source_feed(&src[1]);
            source_count(&src[1]);
            g_assert_cmpint(src[1].frames, <=, 1);
            break;
        default:
            /* The port. */
            g_assert_cmpint(vf_enable(r->b->hostq, 0), ==, 0);
            g_assert_cmpint(func_set_max_vfs(r->dpu, 0), ==, OPI_ST_OK);
            qtest_clock_step(r->b->hostq, 20000 * MS);
            g_assert_cmpint(cmd_status(r->dpu, OPI_CMD_RATE_DESTROY, 2), ==,
                            OPI_ST_OK);
            break;
        }
    }
    rig_free(r);
}

/* The DPU's function is reset: no rates, no nodes, and who waited goes on. */
static void test_forgotten(void)
{
    Rig *r = rig_new(1, 0, NULL);
    Source src[2];

    source_fill(&src[0], r->fn[0], 0, 1000, NULL);
    source_fill(&src[1], r->fn[1], 0, 1000, NULL);
    node(r, 1, 1000, 0, 0, 1, 0);
    node(r, 2, 0, 0, 0, 1, 1);
    leaf(r, 0, 0, 0, 0, 1, 2);
    leaf(r, 1, 1, 0, 0, 1, 0);
    run(r, src, 2, 100);
    g_assert_cmpint(src[0].frames, <, 3);
    g_assert_cmpint(src[1].frames, <, 3);
    g_assert_cmpint(police(r->dpu, PF_PORT, OPI_POLICE_SLOW, OPI_POLICE_FRAMES,
                           1, 1), ==, OPI_ST_OK);

    /* A host function's reset changes nothing about its rates. */
    side_start(r->fn[1]);
    g_assert_cmpint(qp_create(r->fn[1], 0, 8, 1, 2048), ==, OPI_ST_OK);
    source_fill(&src[1], r->fn[1], 0, 1000, NULL);
    source_feed(&src[1]);
    source_count(&src[1]);
    g_assert_cmpint(src[1].frames, ==, 0);

    fn_reset(r->dpu);
    qp_wait_sent(r->fn[0], 0);
    qp_wait_sent(r->fn[1], 0);
    side_start(r->dpu);
    g_assert_cmpint(cmd_status(r->dpu, OPI_CMD_RATE_CREATE, 1), ==, OPI_ST_OK);
    g_assert_cmpint(cmd_status(r->dpu, OPI_CMD_RATE_CREATE, 2), ==, OPI_ST_OK);
    g_assert_cmpint(cmd_status(r->dpu, OPI_CMD_RATE_DESTROY, 1), ==, OPI_ST_OK);
    /* The limit is gone too. */
    g_assert_cmpint(port_state(r->dpu, PF_PORT, true), ==, OPI_ST_OK);
    g_assert_cmpint(boot_set(r->dpu, OPI_OS_BOOTED, OPI_BOOT_TIME_KEEP), ==,
                    OPI_ST_OK);
    source_feed(&src[0]);
    qp_wait_sent(r->fn[0], 0);
    g_assert_cmpint(le64_to_cpu(port_stats(r->dpu, PF_PORT).rx_policed), ==, 0);

    /* Nor does anybody wait for a DPU that has gone. */
    leaf(r, 0, 1, 0, 0, 1, 0);
    source_feed(&src[0]);
    card_set_bool(r->b, "fault-link-cut", true);
    qp_wait_sent(r->fn[0], 0);
    rig_free(r);
}

/* ---- Turns ------------------------------------------------------------- */

/* As cmd_post(), but the card is not told yet. */
static void cmd_prepare(Side *s, struct opi_cmd cmd)
{
    uint32_t i = s->aq_tail++ & ((1u << s->aq_order) - 1);

    mem_write(s, s->aq_sq + i * sizeof(cmd), &cmd, sizeof(cmd));
}

/*
 * Functions flood the card, one of them with all its queue pairs.  At the same
 * moment another one and the DPU have little to send, and the DPU has more
 * commands than are done at once.
 */
static void test_turns(void)
{
    struct opi_cmd stats = { .opcode = cpu_to_le16(OPI_CMD_PORT_STATS) };
    struct opi_cmd nop = { .opcode = cpu_to_le16(OPI_CMD_NOP) };
    enum { FEW = 1, FNS = 5 };
    Rig *r = rig_new(FNS - 1, 0, NULL);
    unsigned i, qp, few = 0, last = 0;
    struct opi_port_stats st;
    struct opi_cqe cqe;
    Source src;

    /* More commands and buffers than rig_new() makes. */
    fn_reset(r->dpu);
    aq_enable(r->dpu, 8);
    g_assert_cmpint(eq_create(r->dpu, 0, 6, 0), ==, OPI_ST_OK);
    g_assert_cmpint(eq_create(r->dpu, 1, 4, 1), ==, OPI_ST_OK);
    g_assert_cmpint(qp_create(r->dpu, 0, 10, 1, 128), ==, OPI_ST_OK);
    qp_post_rx(r->dpu, 0, 1024);
    g_assert_cmpint(boot_set(r->dpu, OPI_OS_BOOTED, OPI_BOOT_TIME_KEEP), ==,
                    OPI_ST_OK);
    source_fill(&src, r->dpu, 0, 60, &(struct opi_txd) {
        .port = cpu_to_le32(port_of(FEW)),
    });

    /* Everybody posts, sends one frame and waits. */
    for (i = 0; i < FNS; i++) {
        g_assert_cmpint(port_state(r->dpu, port_of(i), true), ==, OPI_ST_OK);
        leaf(r, i, 1, 0, 0, 1, 0);
        for (qp = 0; qp < (i ? 1 : 4); qp++) {
            if (qp) {
                g_assert_cmpint(qp_create(r->fn[i], qp, 8, 1, 64), ==,
                                OPI_ST_OK);
            }
            source_fill(&src, r->fn[i], qp, 60, NULL);
            r->fn[i]->qps[qp].sq_tail = i == FEW ? 17 : 256;
            qp_kick(r->fn[i], qp);
        }
    }

    /* Now all at once: the limits go, and the DPU has frames and commands. */
    for (i = 0; i < FNS; i++) {
        cmd_prepare(r->dpu, rate_cmd(OPI_RATE_LEAF, port_of(i), 0, 0, 0, 1, 0));
    }
    for (; i < 64; i++) {
        cmd_prepare(r->dpu, nop);
    }
    for (i = 0; i < FNS; i++) {
        stats.target = cpu_to_le32(port_of(i));
        stats.buf = cpu_to_le64(r->dpu->buf + i * sizeof(st));
        stats.buf_len = cpu_to_le32(sizeof(st));
        cmd_prepare(r->dpu, stats);
    }
    r->dpu->qps[0].sq_tail = 64;
    mem_st32(r->dpu, r->dpu->qps[0].shadow +
             offsetof(struct opi_qp_shadow, sq_tail), 64);
    qatomic_or(&r->b->soc->ctrl->kick[0], 1ULL << 1);
    doorbell(r->dpu, 0, OPI_DB_AQ_TAIL, r->dpu->aq_tail);
    for (i = 0; i < 64 + FNS; i++) {
        g_assert_cmpint(le16_to_cpu(cmd_wait(r->dpu).status), ==, OPI_ST_OK);
    }

    /*
     * The commands beyond the first 64 were done after one pass of the card,
     * in which those who flood were not the only ones.
     */
    for (i = 0; i < FNS; i++) {
        mem_read(r->dpu, r->dpu->buf + i * sizeof(st), &st, sizeof(st));
        if (i == FEW) {
            g_assert_cmpint(le64_to_cpu(st.rx_frames), ==, 17);
            /* The DPU had every other turn. */
            g_assert_cmpint(le64_to_cpu(st.tx_frames), ==, 32);
        } else {
            g_assert_cmpint(le64_to_cpu(st.rx_frames), <=, 1 + 16);
        }
    }

    /* Few frames of the floods were before the last one of the other. */
    for (i = 0; few < 17; i++) {
        g_assert_cmpint(qp_recv_meta(r->dpu, 0, got, sizeof(got), &cqe, 1000),
                        ==, 60);
        if (le32_to_cpu(cqe.port) == port_of(FEW)) {
            few++;
            last = i;
        }
    }
    g_assert_cmpint(last, <=, 64);
    rig_free(r);
}

/* ---- Addresses and VLANs ------------------------------------------------ */

static const uint8_t other_mac[] = { 0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0x01 };

static uint32_t func_of(Rig *r, unsigned i)
{
    return le32_to_cpu(port_info(r->dpu, port_of(i)).func_id);
}

static void set_trust(Rig *r, unsigned i, bool trust)
{
    struct opi_cmd cmd = { 0 };

    cmd.u.func.mask = cpu_to_le32(OPI_FUNC_SET_TRUST);
    cmd.u.func.flags = cpu_to_le16(trust ? OPI_FUNC_F_TRUST : 0);
    g_assert_cmpint(func_set(r->dpu, func_of(r, i), cmd), ==, OPI_ST_OK);
}

static void set_vlan(Rig *r, unsigned i, uint16_t vlan)
{
    struct opi_cmd cmd = { 0 };

    cmd.u.func.mask = cpu_to_le32(OPI_FUNC_SET_VLAN);
    cmd.u.func.vlan = cpu_to_le16(vlan);
    g_assert_cmpint(func_set(r->dpu, func_of(r, i), cmd), ==, OPI_ST_OK);
}

/* A frame of @len bytes; @tags: as bytes, outer first. */
static void build(const uint8_t *dst, const uint8_t *src, unsigned tags,
                  const uint32_t *tag, size_t len)
{
    unsigned i;

    frame_fill(frame, len, len);
    memcpy(frame, dst, 6);
    memcpy(frame + 6, src, 6);
    for (i = 0; i < tags; i++) {
        stl_be_p(frame + 12 + 4 * i, tag[i]);
    }
    stw_be_p(frame + 12 + 4 * i, 0x88b5);
}

/* What has become of a frame since: by the counters of both ends. */
typedef struct Fate {
    uint64_t taken, bad, down, spoofed, vlan;
    uint64_t came, filtered;
} Fate;

static Fate fate(Side *from, Side *to, uint32_t port)
{
    struct opi_port_stats tx = port_stats(from, port), rx;

    rx = port_stats(to, port);
    return (Fate) {
        .taken = le64_to_cpu(tx.tx_frames),
        .bad = le64_to_cpu(tx.tx_bad),
        .down = le64_to_cpu(tx.tx_down),
        .spoofed = le64_to_cpu(tx.tx_spoofed),
        .vlan = le64_to_cpu(tx.tx_vlan),
        .came = le64_to_cpu(rx.rx_frames),
        .filtered = le64_to_cpu(rx.rx_filtered),
    };
}

enum { TAKEN, BAD, DOWN, SPOOFED, VLAN, FILTERED };

/* Send what build() has built; it must come to that, and to that only. */
static void sends(Side *from, Side *to, uint32_t port, size_t len,
                  const struct opi_txd *meta, unsigned what)
{
    Fate was = fate(from, to, port), is;
    struct opi_txd d = meta ? *meta : (struct opi_txd) { 0 };

    d.port = cpu_to_le32(from->role == OPI_ROLE_DPU ? port : 0);
    qp_send_meta(from, 0, &d, frame, len, 1 + len % 3);
    qp_wait_sent(from, 0);
    is = fate(from, to, port);
    g_assert_cmpint(is.taken - was.taken, ==, what == TAKEN ||
                    what == FILTERED);
    g_assert_cmpint(is.came - was.came, ==, what == TAKEN);
    g_assert_cmpint(is.filtered - was.filtered, ==, what == FILTERED);
    g_assert_cmpint(is.bad - was.bad, ==, what == BAD);
    g_assert_cmpint(is.down - was.down, ==, what == DOWN);
    g_assert_cmpint(is.spoofed - was.spoofed, ==, what == SPOOFED);
    g_assert_cmpint(is.vlan - was.vlan, ==, what == VLAN);
}

/* The next frame is as build() has built it, with metadata and tag so. */
static void comes(Side *to, size_t len, struct opi_cqe *cqe)
{
    static uint8_t rx[2048];

    g_assert_cmpint(qp_recv_meta(to, 0, rx, sizeof(rx), cqe, 20000), ==, len);
    g_assert_cmpint(memcmp(rx, frame, len), ==, 0);
}

static void test_spoof(void)
{
    Rig *r = rig_new(1, 0, "trust=off");
    struct opi_port_info pf, vf;
    struct opi_cmd cmd = { .opcode = cpu_to_le16(OPI_CMD_PORT_SET_MAC) };
    struct opi_txd tag = {
        .flags = cpu_to_le16(OPI_TXD_F_VLAN),
        .vlan_tci = cpu_to_le16(5),
    };
    struct opi_txd forged = {
        .flags = cpu_to_le16(OPI_TXD_F_CSUM), .csum_start = cpu_to_le16(10),
    };
    struct opi_cqe cqe;
    unsigned i;

    pf = port_info(r->dpu, PF_PORT);
    vf = port_info(r->dpu, VF_PORT(0));
    for (i = 0; i < 2; i++) {
        const uint8_t *own = i ? vf.mac : pf.mac;
        const uint8_t *other = i ? pf.mac : vf.mac;
        uint32_t port = port_of(i);
        Side *s = r->fn[i];

        build(other_mac, own, 0, NULL, 100);
        sends(s, r->dpu, port, 100, NULL, TAKEN);
        comes(r->dpu, 100, &cqe);
        sends(s, r->dpu, port, 100, &tag, TAKEN);
        g_assert_cmpint(qp_recv(r->dpu, 0, got, sizeof(got), NULL, 20000), ==,
                        104);
        sends(s, r->dpu, port, 14, NULL, TAKEN);
        /* Another function's is somebody else's, as is a multicast one. */
        build(other_mac, other, 0, NULL, 100);
        sends(s, r->dpu, port, 100, NULL, SPOOFED);
        sends(s, r->dpu, port, 1400, &tag, SPOOFED);
        build(own, other_mac, 0, NULL, 100);
        sends(s, r->dpu, port, 100, NULL, SPOOFED);
        build(other_mac, own, 0, NULL, 100);
        frame[6] ^= 1;
        sends(s, r->dpu, port, 100, NULL, SPOOFED);
        /* Nor by having the card write it, as a checksum. */
        frame[6] ^= 1;
        sends(s, r->dpu, port, 100, &forged, BAD);
        frame[6] ^= 1;
        /* Malformed comes first, down later. */
        sends(s, r->dpu, port, 13, NULL, BAD);
        g_assert_cmpint(port_state(r->dpu, port, false), ==, OPI_ST_OK);
        sends(s, r->dpu, port, 100, NULL, SPOOFED);
        frame[6] ^= 1;
        sends(s, r->dpu, port, 100, NULL, DOWN);
        g_assert_cmpint(port_state(r->dpu, port, true), ==, OPI_ST_OK);

        /* With TRUST any; without it again, none. */
        build(own, other_mac, 0, NULL, 100);
        set_trust(r, i, true);
        sends(s, r->dpu, port, 100, NULL, TAKEN);
        set_trust(r, i, false);
        sends(s, r->dpu, port, 100, NULL, SPOOFED);

        /* The address that the DPU has given it counts, by then. */
        cmd.target = cpu_to_le32(port);
        memcpy(cmd.u.mac.mac, other_mac, 6);
        g_assert_cmpint(le16_to_cpu(cmd_run(r->dpu, cmd).status), ==,
                        OPI_ST_OK);
        sends(s, r->dpu, port, 100, NULL, TAKEN);
        build(other_mac, own, 0, NULL, 100);
        sends(s, r->dpu, port, 100, NULL, SPOOFED);
        /* The DPU is told of them, too. */
        g_assert_cmpint(le64_to_cpu(port_stats(r->dpu, port).tx_spoofed), ==,
                        7);
        g_assert_cmpint(le64_to_cpu(port_stats(s, port).tx_spoofed), ==, 7);
        /* The DPU may send as anybody. */
        build(own, other, 0, NULL, 100);
        set_trust(r, i, true);
        sends(r->dpu, s, port, 100, NULL, FILTERED);
        build(other_mac, other, 0, NULL, 100);
        sends(r->dpu, s, port, 100, NULL, TAKEN);
        while (qp_recv(r->dpu, 0, got, sizeof(got), NULL, 0)) {
            continue;
        }
    }
    rig_free(r);
}

static void test_vlan_send(void)
{
    Rig *r = rig_new(0, 0, NULL);
    static const uint32_t tags[] = { 0x81000123, 0x88a80123, 0x81000000 };
    struct opi_rx_config cfg = {
        .flags = cpu_to_le32(OPI_RX_F_PROMISC | OPI_RX_F_VLAN_STRIP),
    };
    struct opi_txd meta = {
        .flags = cpu_to_le16(OPI_TXD_F_VLAN),
        .vlan_tci = cpu_to_le16(0x2123),
    };
    /* The checksum that the card fills in, where a tag would be. */
    struct opi_txd forged = {
        .flags = cpu_to_le16(OPI_TXD_F_CSUM), .csum_start = cpu_to_le16(12),
    };
    uint8_t own[6];
    struct opi_cqe cqe;
    unsigned i;

    memcpy(own, port_info(r->dpu, PF_PORT).mac, 6);
    set_vlan(r, 0, 0x123);
    /* A tag of its own is none of its business, not even the same one. */
    for (i = 0; i < ARRAY_SIZE(tags); i++) {
        build(other_mac, own, 1, &tags[i], 100);
        sends(r->fn[0], r->dpu, PF_PORT, 100, NULL, VLAN);
    }
    build(other_mac, own, 0, NULL, 100);
    sends(r->fn[0], r->dpu, PF_PORT, 100, &meta, VLAN);
    sends(r->fn[0], r->dpu, PF_PORT, 100, &forged, BAD);
    /* It comes before the address, which does not matter to a tag. */
    set_trust(r, 0, false);
    build(own, other_mac, 1, &tags[0], 100);
    sends(r->fn[0], r->dpu, PF_PORT, 100, NULL, VLAN);
    build(own, other_mac, 0, NULL, 100);
    sends(r->fn[0], r->dpu, PF_PORT, 100, NULL, SPOOFED);
    set_trust(r, 0, true);

    /* The card's tag, with priority 0: in the bytes, or as metadata. */
    for (i = 60; i < 1400; i += 67) {
        uint32_t tag = 0x81000123;

        build(other_mac, own, 0, NULL, i);
        sends(r->fn[0], r->dpu, PF_PORT, i, NULL, TAKEN);
        memmove(frame + 16, frame + 12, i - 12);
        stl_be_p(frame + 12, tag);
        comes(r->dpu, i + 4, &cqe);
        g_assert_cmphex(le16_to_cpu(cqe.flags) & OPI_CQE_F_VLAN, ==, 0);
    }
    g_assert_cmpint(cmd_take(r->dpu, OPI_CMD_PORT_SET_RX, PF_PORT, &cfg,
                             sizeof(cfg)), ==, OPI_ST_OK);
    build(other_mac, own, 0, NULL, 100);
    sends(r->fn[0], r->dpu, PF_PORT, 100, NULL, TAKEN);
    comes(r->dpu, 100, &cqe);
    g_assert_cmphex(le16_to_cpu(cqe.flags) & OPI_CQE_F_VLAN, !=, 0);
    g_assert_cmphex(le16_to_cpu(cqe.vlan_tci), ==, 0x123);

    /* Without a port VLAN a tag is as any other bytes. */
    set_vlan(r, 0, 0);
    sends(r->fn[0], r->dpu, PF_PORT, 100, &meta, TAKEN);
    comes(r->dpu, 100, &cqe);
    g_assert_cmphex(le16_to_cpu(cqe.vlan_tci), ==, 0x2123);
    rig_free(r);
}

/* The tag of a port VLAN is on the wire like any other. */
static void test_vlan_charged(void)
{
    Rig *r = rig_new(0, 0, NULL);
    Source src;

    set_vlan(r, 0, 7);
    source_fill(&src, r->fn[0], 0, 60, NULL);
    leaf(r, 0, MBYTE / 2, 0, 0, 1, 0);
    run(r, &src, 1, 4000);
    assert_near(src.frames * 64, 2 * MBYTE);
    rig_free(r);
}

static void test_vlan_receive(void)
{
    Rig *r = rig_new(0, 0, NULL);
    static const uint32_t good[] = { 0x8100e123, 0x81000777 };
    static const uint32_t bad[] = { 0x81000124, 0x88a80123, 0x81000000 };
    struct opi_rx_config cfg = {
        .flags = cpu_to_le32(OPI_RX_F_VLAN_FILTER),
    };
    struct opi_rss_config rss = {
        .hash_types = cpu_to_le32(OPI_HASH_IPV4),
        .table_size = cpu_to_le16(2),
    };
    struct opi_txd meta = {
        .flags = cpu_to_le16(OPI_TXD_F_VLAN),
        .vlan_tci = cpu_to_le16(0x5123),
    };
    struct opi_txd sum = {
        .flags = cpu_to_le16(OPI_TXD_F_CSUM),
        .csum_start = cpu_to_le16(12),
        .csum_offset = cpu_to_le16(50),
    };
    Side *s = r->fn[0];
    uint8_t own[6];
    struct opi_cqe cqe;
    unsigned i, pass;
    uint32_t total;

    memcpy(own, port_info(r->dpu, PF_PORT).mac, 6);
    set_vlan(r, 0, 0x123);
    /* The second time the spreading looks further into the frame. */
    for (pass = 0; pass < 2; pass++) {
        for (i = 0; i < ARRAY_SIZE(bad); i++) {
            build(own, other_mac, 1, &bad[i], 200);
            sends(r->dpu, s, PF_PORT, 200, NULL, FILTERED);
        }
        build(own, other_mac, 0, NULL, 200);
        sends(r->dpu, s, PF_PORT, 200, NULL, FILTERED);
        sends(r->dpu, s, PF_PORT, 17, NULL, FILTERED);
        meta.vlan_tci = cpu_to_le16(0x124);
        sends(r->dpu, s, PF_PORT, 200, &meta, FILTERED);
        meta.vlan_tci = cpu_to_le16(0x5123);
        sends(r->dpu, s, PF_PORT, 200, &meta, TAKEN);
        comes(s, 200, &cqe);
        g_assert_cmphex(le16_to_cpu(cqe.flags) & OPI_CQE_F_VLAN, ==, 0);
        for (i = 60; i < 1400; i += 67) {
            build(own, other_mac, 1, good, i);
            sends(r->dpu, s, PF_PORT, i, NULL, TAKEN);
            memmove(frame + 12, frame + 16, i - 16);
            comes(s, i - 4, &cqe);
        }
        /* Only the outer one. */
        build(own, other_mac, 2, good, 300);
        sends(r->dpu, s, PF_PORT, 300, NULL, TAKEN);
        memmove(frame + 12, frame + 16, 284);
        comes(s, 296, &cqe);
        g_assert_cmpint(cmd_take(s, OPI_CMD_RSS_SET, 0, &rss, sizeof(rss)), ==,
                        OPI_ST_OK);
    }
    /* A sum that goes over the tag is filled in before the tag is gone. */
    build(own, other_mac, 1, good, 200);
    sends(r->dpu, s, PF_PORT, 200, &sum, TAKEN);
    g_assert_cmpint(qp_recv_meta(s, 0, got, sizeof(got), &cqe, 20000), ==, 196);
    g_assert_cmphex(le16_to_cpu(cqe.flags) & OPI_CQE_F_CSUM_PARTIAL, ==, 0);
    for (i = 12, total = 0; i < 200; i += 2) {
        total += lduw_be_p(frame + i);
        total = (total & 0xffff) + (total >> 16);
    }
    g_assert_cmphex(lduw_be_p(got + 58), ==, (uint16_t)~total);
    /* The filter sees the frame without it. */
    g_assert_cmpint(cmd_take(s, OPI_CMD_PORT_SET_RX, PF_PORT, &cfg,
                             sizeof(cfg)), ==, OPI_ST_OK);
    build(own, other_mac, 1, good, 200);
    sends(r->dpu, s, PF_PORT, 200, NULL, TAKEN);
    build(own, other_mac, 2, good, 200);
    sends(r->dpu, s, PF_PORT, 200, NULL, FILTERED);
    rig_free(r);
}

/* Every segment gets the tag. */
static void test_vlan_cut(void)
{
    Rig *r = rig_new(0, 0, NULL);
    struct opi_txd meta = {
        .flags = cpu_to_le16(OPI_TXD_F_CSUM),
        .gso_type = OPI_GSO_UDP_L4,
        .gso_size = cpu_to_le16(300),
        .hdr_len = cpu_to_le16(42),
        .csum_start = cpu_to_le16(34),
        .csum_offset = cpu_to_le16(6),
    };
    struct opi_cqe cqe;
    unsigned i;

    set_vlan(r, 0, 7);
    memset(frame, 0, sizeof(frame));
    memcpy(frame, other_mac, 6);
    memcpy(frame + 6, other_mac, 6);
    stw_be_p(frame + 12, 0x0800);
    frame[14] = 0x45;
    stw_be_p(frame + 16, 928);
    frame[23] = 17;
    stw_be_p(frame + 38, 908);
    qp_send_meta(r->fn[0], 0, &meta, frame, 942, 1);
    for (i = 0; i < 3; i++) {
        g_assert_cmpint(qp_recv_meta(r->dpu, 0, got, sizeof(got), &cqe, 20000),
                        ==, 346);
        g_assert_cmphex((uint32_t)ldl_be_p(got + 12), ==, 0x81000007);
        g_assert_cmphex(lduw_be_p(got + 16), ==, 0x0800);
    }
    rig_free(r);
}

/* ---- Limits of what goes to the DPU ------------------------------------ */

static void test_police_rules(void)
{
    Rig *r = rig_new(0, 0, NULL);
    struct opi_cmd cmd = {
        .opcode = cpu_to_le16(OPI_CMD_PORT_SET_POLICE),
        .target = cpu_to_le32(PF_PORT),
        .u.police = { .kind = 1, .unit = 1, .rsvd0 = { 1 } },
    };

    g_assert_cmphex(reg_read(r->dpu, OPI_REG_CAPS_LO) & OPI_CAP_POLICE, !=, 0);
    g_assert_cmpint(police(r->dpu, 5, 1, 1, 1, 1), ==, OPI_ST_ENOENT);
    g_assert_cmpint(police(r->dpu, UINT32_MAX, 1, 1, 1, 1), ==, OPI_ST_ENOENT);
    g_assert_cmpint(police(r->dpu, PF_PORT, 0, 1, 1, 1), ==, OPI_ST_EINVAL);
    g_assert_cmpint(police(r->dpu, PF_PORT, 3, 1, 1, 1), ==, OPI_ST_EINVAL);
    g_assert_cmpint(police(r->dpu, PF_PORT, 1, 0, 1, 1), ==, OPI_ST_EINVAL);
    g_assert_cmpint(police(r->dpu, PF_PORT, 1, 3, 1, 1), ==, OPI_ST_EINVAL);
    g_assert_cmpint(police(r->dpu, PF_PORT, 1, 1, 0, 1), ==, OPI_ST_EINVAL);
    g_assert_cmpint(police(r->dpu, PF_PORT, 1, 1, 1, 0), ==, OPI_ST_EINVAL);
    g_assert_cmpint(le16_to_cpu(cmd_run(r->dpu, cmd).status), ==,
                    OPI_ST_EINVAL);
    g_assert_cmpint(police(r->dpu, PF_PORT, 2, 2, UINT64_MAX, UINT32_MAX), ==,
                    OPI_ST_OK);
    g_assert_cmpint(police(r->dpu, PF_PORT, 2, 2, 0, 0), ==, OPI_ST_OK);
    g_assert_cmpint(police(r->dpu, 0, 1, 1, 1, 1), ==, OPI_ST_OK);
    rig_free(r);
}

/* Send @n frames, and say how many of them came. */
static unsigned passed(Rig *r, unsigned i, uint32_t len, unsigned n)
{
    struct opi_port_stats was = port_stats(r->dpu, port_of(i)), is;
    uint64_t came, lost;

    memset(frame, 0, sizeof(frame));
    while (n--) {
        qp_send(r->fn[i], 0, 0, frame, len, 1);
    }
    qp_wait_sent(r->fn[i], 0);
    is = port_stats(r->dpu, port_of(i));
    came = le64_to_cpu(is.rx_frames) - le64_to_cpu(was.rx_frames);
    lost = le64_to_cpu(is.rx_policed) - le64_to_cpu(was.rx_policed);
    g_assert_cmpint(le64_to_cpu(is.rx_no_buffer), ==, 0);
    g_assert_cmpint(le64_to_cpu(is.rx_frames) + le64_to_cpu(is.rx_policed), ==,
                    le64_to_cpu(port_stats(r->fn[i], port_of(i)).tx_frames));
    g_assert_cmpint(le64_to_cpu(port_stats(r->fn[i], port_of(i)).rx_policed),
                    ==, 0);
    g_test_message("%u came, %u lost", (unsigned)came, (unsigned)lost);
    while (qp_recv(r->dpu, 0, got, sizeof(got), NULL, 0)) {
        continue;
    }
    return came;
}

static void test_police(void)
{
    Rig *r = rig_new(1, 0, NULL);

    /* Frames: what was saved up, then as they come in. */
    g_assert_cmpint(police(r->dpu, PF_PORT, OPI_POLICE_SLOW, OPI_POLICE_FRAMES,
                           100, 10), ==, OPI_ST_OK);
    g_assert_cmpint(passed(r, 0, 60, 30), ==, 10);
    g_assert_cmpint(passed(r, 1, 60, 30), ==, 30);
    qtest_clock_step(r->b->hostq, 50 * MS);
    g_assert_cmpint(passed(r, 0, 1000, 30), ==, 5);
    qtest_clock_step(r->b->hostq, 10000 * MS);
    g_assert_cmpint(passed(r, 0, 60, 30), ==, 10);

    /* The other kind as well. */
    g_assert_cmpint(police(r->dpu, PF_PORT, OPI_POLICE_PORT, OPI_POLICE_FRAMES,
                           1, 3), ==, OPI_ST_OK);
    qtest_clock_step(r->b->hostq, 10000 * MS);
    g_assert_cmpint(passed(r, 0, 60, 30), ==, 3);
    /* What that one stopped has not been counted by this one. */
    g_assert_cmpint(police(r->dpu, PF_PORT, OPI_POLICE_PORT, OPI_POLICE_FRAMES,
                           0, 0), ==, OPI_ST_OK);
    g_assert_cmpint(passed(r, 0, 60, 30), ==, 7);
    g_assert_cmpint(police(r->dpu, PF_PORT, OPI_POLICE_SLOW, OPI_POLICE_FRAMES,
                           0, 0), ==, OPI_ST_OK);
    g_assert_cmpint(passed(r, 0, 60, 30), ==, 30);

    /* Bytes: the last one into the red, which has to be earned first. */
    g_assert_cmpint(police(r->dpu, PF_PORT, OPI_POLICE_SLOW, OPI_POLICE_BYTES,
                           1000, 2500), ==, OPI_ST_OK);
    g_assert_cmpint(passed(r, 0, 1000, 10), ==, 3);
    qtest_clock_step(r->b->hostq, 499 * MS);
    g_assert_cmpint(passed(r, 0, 1000, 1), ==, 0);
    qtest_clock_step(r->b->hostq, 2 * MS);
    g_assert_cmpint(passed(r, 0, 1000, 10), ==, 1);
    rig_free(r);
}

/* What is not wanted is not looked at by the limit either. */
static void test_police_order(void)
{
    Rig *r = rig_new(0, 0, NULL);

    g_assert_cmpint(police(r->dpu, PF_PORT, OPI_POLICE_SLOW, OPI_POLICE_FRAMES,
                           1, 1), ==, OPI_ST_OK);
    g_assert_cmpint(port_state(r->dpu, PF_PORT, false), ==, OPI_ST_OK);
    qp_send(r->fn[0], 0, 0, frame, 60, 1);
    qp_wait_sent(r->fn[0], 0);
    g_assert_cmpint(le64_to_cpu(port_stats(r->fn[0], PF_PORT).tx_down), ==, 1);
    g_assert_cmpint(port_state(r->dpu, PF_PORT, true), ==, OPI_ST_OK);
    g_assert_cmpint(passed(r, 0, 60, 5), ==, 1);
    rig_free(r);
}

/* The wire goes on while the host's VM is off, and so does its limit. */
static void test_police_wire(void)
{
    Rig *r = rig_new(0, BED_WIRE, NULL);
    unsigned i, n, came = 0;

    g_assert_cmpint(police(r->dpu, 0, OPI_POLICE_PORT, OPI_POLICE_FRAMES, 100,
                           10), ==, OPI_ST_OK);
    guest_power_off(r->b->hostq);
    memset(frame, 0, sizeof(frame));
    for (i = 0; i < 2; i++) {
        struct opi_port_stats st;

        for (n = 0; n < 20; n++) {
            g_assert_cmpint(send(r->b->wire, frame, 60, 0), ==, 60);
        }
        do {
            st = port_stats(r->dpu, 0);
        } while (le64_to_cpu(st.rx_frames) + le64_to_cpu(st.rx_policed) <
                 20 * (i + 1));
        came = le64_to_cpu(st.rx_frames);
        g_assert_cmpint(came, ==, i ? 15 : 10);
        qtest_clock_step(r->b->hostq, 50 * MS);
    }
    rig_free(r);
}

/* A limit that the card has of its own accord. */
static void test_police_default(void)
{
    Rig *r = rig_new(1, 0, "slow-police=200");

    g_assert_cmpint(passed(r, 0, 60, 30), ==, 20);
    g_assert_cmpint(passed(r, 1, 60, 30), ==, 20);
    g_assert_cmpint(police(r->dpu, PF_PORT, OPI_POLICE_SLOW, OPI_POLICE_FRAMES,
                           0, 0), ==, OPI_ST_OK);
    g_assert_cmpint(passed(r, 0, 60, 30), ==, 30);
    rig_free(r);
}

/*
 * A flood to the DPU that finds its buffers used up would take them from
 * everybody; limited, it leaves some.
 */
static void test_flood(void)
{
    Rig *r = rig_new(1, 0, NULL);
    struct opi_port_stats st;
    Source src;
    unsigned i;

    g_assert_cmpint(police(r->dpu, PF_PORT, OPI_POLICE_SLOW, OPI_POLICE_FRAMES,
                           1000, 100), ==, OPI_ST_OK);
    source_fill(&src, r->fn[0], 0, 60, NULL);
    for (i = 0; i < 3; i++) {
        source_feed(&src);
        qp_wait_sent(r->fn[0], 0);
    }
    g_assert_cmpint(passed(r, 1, 60, 100), ==, 100);
    st = port_stats(r->dpu, PF_PORT);
    g_assert_cmpint(le64_to_cpu(st.rx_frames), ==, 100);
    g_assert_cmpint(le64_to_cpu(st.rx_policed), ==, 3 * 256 - 100);
    rig_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("opi/rate/rules", test_rules);
    qtest_add_func("opi/rate/no-caps", test_no_caps);
    qtest_add_func("opi/rate/max", test_cap);
    qtest_add_func("opi/rate/burst", test_burst);
    qtest_add_func("opi/rate/waits", test_waits);
    qtest_add_func("opi/rate/segments", test_segments);
    qtest_add_func("opi/rate/port-vlan", test_vlan_charged);
    qtest_add_func("opi/rate/node", test_node);
    qtest_add_func("opi/rate/refused", test_refused);
    qtest_add_func("opi/rate/weights", test_weights);
    qtest_add_func("opi/rate/priority", test_priority);
    qtest_add_func("opi/rate/shares", test_shares);
    qtest_add_func("opi/rate/tree", test_tree);
    qtest_add_func("opi/rate/queues", test_queues);
    qtest_add_func("opi/rate/subfunction", test_subfunction);
    qtest_add_func("opi/rate/ends", test_ends);
    qtest_add_func("opi/rate/forgotten", test_forgotten);
    qtest_add_func("opi/rate/turns", test_turns);
    qtest_add_func("opi/send/spoof", test_spoof);
    qtest_add_func("opi/send/vlan", test_vlan_send);
    qtest_add_func("opi/send/vlan-cut", test_vlan_cut);
    qtest_add_func("opi/send/vlan-receive", test_vlan_receive);
    qtest_add_func("opi/police/rules", test_police_rules);
    qtest_add_func("opi/police/limits", test_police);
    qtest_add_func("opi/police/order", test_police_order);
    qtest_add_func("opi/police/wire", test_police_wire);
    qtest_add_func("opi/police/default", test_police_default);
    qtest_add_func("opi/police/flood", test_flood);
    return g_test_run();
}
