/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qtests of the link between the two QEMUs: the test is one of its ends and
 * cuts, repeats, truncates, lies and keeps silent.  After each a session in
 * good order must work, so nothing of the bad one may be left.  Two real QEMUs
 * are in opi-pair-test.c.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/atomic.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <linux/pci_regs.h>
#include "opi-util.h"

#define WAIT_MS 90000

static void good_session(Bed *b)
{
    static uint8_t frame[100], got[2048];

    bed_fake_again(b);
    traffic_start(b->host, b->dpu);
    frame_fill(frame, sizeof(frame), 5);
    qp_send(b->host, 0, 0, frame, sizeof(frame), 2);
    g_assert_cmpint(qp_recv(b->dpu, 0, got, sizeof(got), NULL, WAIT_MS), ==,
                    sizeof(frame));
    g_assert_true(frame_ok(got, sizeof(frame), 5));
}

static void drop_session(Bed *b)
{
    fake_free(b->soc);
    b->soc = NULL;
    side_free(b->dpu);
    b->dpu = NULL;
}

/* Up to the point where the card has given us all that it gives. */
static FakeSoc *greeted(Bed *b)
{
    FakeSoc *f = fake_connect(b->link);
    int64_t end = g_get_monotonic_time() + WAIT_MS * 1000;

    fake_hello(f);
    while (f->kick < 0) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_assert_false(f->closed);
        fake_pump(f, 10, NULL);
    }
    return f;
}

static FakeSoc *upped(Bed *b)
{
    FakeSoc *f = fake_connect(b->link);

    fake_up(f);
    return f;
}

static void test_handshake(void)
{
    Bed *b = bed_new(0, NULL);
    FakeSoc *f = fake_connect(b->link);

    /* The card says hello by itself, and nothing more before it got one. */
    fake_pump(f, WAIT_MS, &f->hello);
    g_assert_true(f->hello);
    g_assert_cmphex(f->serial, ==, OPI_TEST_SERIAL);
    fake_pump(f, 100, NULL);
    g_assert_null(f->ctrl);
    g_assert_false(card_get_bool(b, "link-up"));
    fake_up(f);
    g_assert_cmpint(f->mem_acks, ==, 1);
    g_assert_cmpint(f->generation, ==, 1);
    g_assert_cmpint(f->host, ==, OPI_LINK_HOST_RUNNING);
    g_assert_true(card_get_bool(b, "link-up"));
    g_assert_cmphex(le32_to_cpu(f->ctrl->magic), ==, OPI_CTRL_MAGIC);

    /* Memory may change while the link is up. */
    fake_mem_table(f);
    fake_pump(f, 200, NULL);
    g_assert_cmpint(f->mem_acks, ==, 2);
    g_assert_false(f->closed);

    /* An end in good order. */
    fake_send(f, OPI_LINK_BYE, NULL, 0, NULL, 0);
    fake_pump(f, WAIT_MS, &f->closed);
    g_assert_true(f->closed);
    card_wait_link(b, false);
    fake_free(f);
    good_session(b);
    bed_free(b);
}

/* The connection ends after each number of bytes of a whole session's start. */
static void test_cut(void)
{
    Bed *b = bed_new(0, NULL);
    struct opi_link_hello h = {
        .end = cpu_to_le32(OPI_LINK_SOC),
        .iface_version = cpu_to_le32(OPI_IFACE_VERSION),
    };
    struct opi_link_mem_table t = {
        .count = cpu_to_le32(1),
        .region[0] = {
            .gpa = cpu_to_le64(OPI_TEST_RAM),
            .size = cpu_to_le64(OPI_TEST_RAM_SIZE),
        },
    };
    struct opi_link_soc_state st = { .state = cpu_to_le32(1) };
    uint8_t all[512];
    size_t len = 0, cut, mem_at;
    struct {
        uint16_t type;
        const void *data;
        uint32_t len;
    } msgs[] = {
        { OPI_LINK_HELLO, &h, sizeof(h) },
        { OPI_LINK_MEM_TABLE, &t, sizeof(t) },
        { OPI_LINK_SOC_STATE, &st, sizeof(st) },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(msgs); i++) {
        struct opi_link_hdr hdr = {
            .magic = cpu_to_le32(OPI_LINK_MAGIC),
            .version = cpu_to_le16(OPI_LINK_VERSION),
            .type = cpu_to_le16(msgs[i].type),
            .len = cpu_to_le32(msgs[i].len),
            .seq = cpu_to_le32(i),
        };

        memcpy(all + len, &hdr, sizeof(hdr));
        memcpy(all + len + sizeof(hdr), msgs[i].data, msgs[i].len);
        len += sizeof(hdr) + msgs[i].len;
    }
    mem_at = sizeof(struct opi_link_hdr) + sizeof(h);
    for (cut = 0; cut <= len; cut++) {
        FakeSoc *f = fake_connect(b->link);

        fake_raw(f, all, MIN(cut, mem_at), NULL, 0);
        if (cut > mem_at) {
            fake_raw(f, all + mem_at, cut - mem_at, &f->memfd, 1);
        }
        if (cut % 3 == 0) {
            fake_pump(f, 1, NULL);
        }
        fake_free(f);
        if (cut % 16 == 0 || cut == len) {
            good_session(b);
            drop_session(b);
        }
    }
    good_session(b);
    bed_free(b);
}

/* ---- What must end the link -------------------------------------------- */

static void expect_closed(Bed *b, FakeSoc *f)
{
    fake_pump(f, WAIT_MS, &f->closed);
    g_assert_true(f->closed);
    fake_free(f);
    card_wait_link(b, false);
    good_session(b);
    drop_session(b);
}

static void bad_header(Bed *b, uint32_t magic, uint16_t version, uint16_t type,
                       uint32_t len, uint32_t seq)
{
    struct {
        struct opi_link_hdr hdr;
        struct opi_link_hello h;
    } m = {
        .hdr.magic = cpu_to_le32(magic),
        .hdr.version = cpu_to_le16(version),
        .hdr.type = cpu_to_le16(type),
        .hdr.len = cpu_to_le32(len),
        .hdr.seq = cpu_to_le32(seq),
        .h.end = cpu_to_le32(OPI_LINK_SOC),
        .h.iface_version = cpu_to_le32(OPI_IFACE_VERSION),
    };
    FakeSoc *f = fake_connect(b->link);

    fake_raw(f, &m, sizeof(m), NULL, 0);
    expect_closed(b, f);
}

static void test_bad_header(void)
{
    Bed *b = bed_new(0, NULL);
    uint32_t len = sizeof(struct opi_link_hello);

    bad_header(b, OPI_LINK_MAGIC ^ 1, 1, OPI_LINK_HELLO, len, 0);
    bad_header(b, OPI_LINK_MAGIC, 0, OPI_LINK_HELLO, len, 0);
    bad_header(b, OPI_LINK_MAGIC, 2, OPI_LINK_HELLO, len, 0);
    bad_header(b, OPI_LINK_MAGIC, 1, 0, len, 0);
    bad_header(b, OPI_LINK_MAGIC, 1, 12, len, 0);
    bad_header(b, OPI_LINK_MAGIC, 1, 0xffff, len, 0);
    bad_header(b, OPI_LINK_MAGIC, 1, OPI_LINK_HELLO, 4097, 0);
    bad_header(b, OPI_LINK_MAGIC, 1, OPI_LINK_HELLO, UINT32_MAX, 0);
    bad_header(b, OPI_LINK_MAGIC, 1, OPI_LINK_HELLO, len, 1);
    bad_header(b, OPI_LINK_MAGIC, 1, OPI_LINK_HELLO, len - 1, 0);
    bad_header(b, OPI_LINK_MAGIC, 1, OPI_LINK_HELLO, 0, 0);
    bad_header(b, OPI_LINK_MAGIC, 1, OPI_LINK_SOC_STATE, 8, 0);
    bad_header(b, OPI_LINK_MAGIC, 1, OPI_LINK_PING, 8, 0);
    bed_free(b);
}

static void bad_hello(Bed *b, struct opi_link_hello h)
{
    FakeSoc *f = fake_connect(b->link);

    fake_send(f, OPI_LINK_HELLO, &h, sizeof(h), NULL, 0);
    expect_closed(b, f);
}

static void test_bad_hello(void)
{
    Bed *b = bed_new(0, NULL);
    struct opi_link_hello good = {
        .end = cpu_to_le32(OPI_LINK_SOC),
        .iface_version = cpu_to_le32(OPI_IFACE_VERSION),
    };
    struct opi_link_hello h;
    FakeSoc *f;
    int fd;

    h = good, h.end = cpu_to_le32(OPI_LINK_CARD), bad_hello(b, h);
    h = good, h.end = 0, bad_hello(b, h);
    h = good, h.features = 1, bad_hello(b, h);
    h = good, h.serial = 1, bad_hello(b, h);
    h = good, h.time_scale = cpu_to_le32(1001), bad_hello(b, h);
    h = good, h.iface_version = 0, bad_hello(b, h);
    h = good, h.iface_version = cpu_to_le32(2 << 16), bad_hello(b, h);

    f = fake_connect(b->link);
    fd = opi_memfd(4096, 0);
    fake_send(f, OPI_LINK_HELLO, &good, sizeof(good), &fd, 1);
    close(fd);
    expect_closed(b, f);

    f = greeted(b);
    fake_hello(f);
    expect_closed(b, f);
    bed_free(b);
}

static void bad_table(Bed *b, const struct opi_link_mem_table *t, uint32_t len,
                      const int *fds, unsigned nfds, bool when_up)
{
    FakeSoc *f = when_up ? upped(b) : greeted(b);

    fake_send(f, OPI_LINK_MEM_TABLE, t, len, fds, nfds);
    expect_closed(b, f);
}

static void test_bad_memory(void)
{
    Bed *b = bed_new(0, NULL);
    const uint64_t size = 1 << 20;
    int sealed = opi_memfd(size, F_SEAL_SHRINK);
    int loose = opi_memfd(size, 0);
    int grow = opi_memfd(size, F_SEAL_GROW);
    int rdonly, file, pipes[2];
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", sealed);
    g_autofree char *name = NULL;
    int many[24];
    struct opi_link_mem_table good = {
        .count = cpu_to_le32(1),
        .region[0] = { .gpa = cpu_to_le64(OPI_TEST_RAM),
                       .size = cpu_to_le64(size) },
    };
    struct opi_link_mem_table t;
    unsigned i, up;

    rdonly = open(path, O_RDONLY);
    g_assert_cmpint(rdonly, >=, 0);
    file = g_file_open_tmp(NULL, &name, NULL);
    g_assert_cmpint(ftruncate(file, size), ==, 0);
    unlink(name);
    g_assert_cmpint(pipe(pipes), ==, 0);
    for (i = 0; i < ARRAY_SIZE(many); i++) {
        many[i] = sealed;
    }

    for (up = 0; up < 2; up++) {
        /* Sizes and counts. */
        bad_table(b, &good, sizeof(good) - 8, &sealed, 1, up);
        bad_table(b, &good, 8, &sealed, 1, up);
        bad_table(b, &good, sizeof(good), NULL, 0, up);
        bad_table(b, &good, sizeof(good), many, 2, up);
        t = good, t.count = 0;
        bad_table(b, &t, sizeof(t), &sealed, 1, up);
        bad_table(b, &t, sizeof(t), NULL, 0, up);
        t = good, t.count = cpu_to_le32(9);
        bad_table(b, &t, sizeof(t), many, 8, up);
        bad_table(b, &t, sizeof(t), many, 9, up);
        bad_table(b, &t, sizeof(t), many, 24, up);
        t = good, t.count = cpu_to_le32(UINT32_MAX);
        bad_table(b, &t, sizeof(t), &sealed, 1, up);

        /* Regions. */
        t = good, t.region[0].size = 0;
        bad_table(b, &t, sizeof(t), &sealed, 1, up);
        t = good, t.region[0].size = cpu_to_le64(size + 4096);
        bad_table(b, &t, sizeof(t), &sealed, 1, up);
        t = good, t.region[0].size = cpu_to_le64(100);
        bad_table(b, &t, sizeof(t), &sealed, 1, up);
        t = good, t.region[0].offset = cpu_to_le64(4096);
        bad_table(b, &t, sizeof(t), &sealed, 1, up);
        t = good, t.region[0].offset = cpu_to_le64(UINT64_MAX - 4095);
        bad_table(b, &t, sizeof(t), &sealed, 1, up);
        t = good, t.region[0].gpa = cpu_to_le64(UINT64_MAX - 4095);
        bad_table(b, &t, sizeof(t), &sealed, 1, up);
        t = good, t.region[0].size = cpu_to_le64(UINT64_MAX - 4095);
        bad_table(b, &t, sizeof(t), &sealed, 1, up);
        t = good, t.count = cpu_to_le32(2), t.region[1] = t.region[0];
        bad_table(b, &t, sizeof(t), many, 2, up);
        t.region[1].gpa = cpu_to_le64(OPI_TEST_RAM + size - 4096);
        bad_table(b, &t, sizeof(t), many, 2, up);

        /* Files. */
        bad_table(b, &good, sizeof(good), &loose, 1, up);
        bad_table(b, &good, sizeof(good), &grow, 1, up);
        bad_table(b, &good, sizeof(good), &rdonly, 1, up);
        bad_table(b, &good, sizeof(good), &file, 1, up);
        bad_table(b, &good, sizeof(good), &pipes[0], 1, up);
    }
    /* The second file of two is the bad one: the first must not stay mapped. */
    t = good, t.count = cpu_to_le32(2), t.region[1] = t.region[0];
    t.region[1].gpa = cpu_to_le64(OPI_TEST_RAM + size);
    many[1] = loose;
    bad_table(b, &t, sizeof(t), many, 2, true);

    close(sealed);
    close(loose);
    close(grow);
    close(rdonly);
    close(file);
    close(pipes[0]);
    close(pipes[1]);
    bed_free(b);
}

static void test_bad_messages(void)
{
    Bed *b = bed_new(0, NULL);
    uint32_t words[4] = { 0 };
    int fd = opi_memfd(4096, 0);
    static const struct {
        uint32_t state, event;
    } states[] = { { 0, 0 }, { 4, 0 }, { 1, 3 }, { UINT32_MAX, 0 } };
    static const uint16_t types[] = {
        OPI_LINK_CTRL_PAGE, OPI_LINK_EVENTFDS, OPI_LINK_MEM_ACK,
        OPI_LINK_CARD_STATE, OPI_LINK_PONG, 0, 12, 99,
    };
    unsigned i;
    FakeSoc *f;

    for (i = 0; i < ARRAY_SIZE(states); i++) {
        f = upped(b);
        fake_state(f, states[i].state, states[i].event);
        expect_closed(b, f);
    }
    /* What only the card says, what nobody says. */
    for (i = 0; i < ARRAY_SIZE(types); i++) {
        f = upped(b);
        fake_send(f, types[i], words, 8, NULL, 0);
        expect_closed(b, f);
    }
    /* Register writes: before their time, beside registers, of wrong length. */
    f = greeted(b);
    fake_send(f, OPI_LINK_REG_WRITE, words, 8, NULL, 0);
    expect_closed(b, f);
    for (i = 0; i < 3; i++) {
        static const uint32_t regs[] = { 2, OPI_BAR_REGS_SIZE, UINT32_MAX - 3 };

        f = upped(b);
        words[0] = cpu_to_le32(regs[i]);
        fake_send(f, OPI_LINK_REG_WRITE, words, 8, NULL, 0);
        expect_closed(b, f);
    }
    words[0] = 0;
    f = upped(b);
    fake_send(f, OPI_LINK_REG_WRITE, words, 12, NULL, 0);
    expect_closed(b, f);
    f = upped(b);
    fake_send(f, OPI_LINK_REG_WRITE, words, 4, NULL, 0);
    expect_closed(b, f);
    f = upped(b);
    fake_send(f, OPI_LINK_PING, words, 4, NULL, 0);
    expect_closed(b, f);
    /* One without a number. */
    f = upped(b);
    fake_send(f, OPI_LINK_PING, words, 8, NULL, 0);
    expect_closed(b, f);
    words[0] = cpu_to_le32(1);

    /* Descriptors where none belong, also in the middle of a message. */
    f = upped(b);
    fake_send(f, OPI_LINK_REG_WRITE, words, 8, &fd, 1);
    expect_closed(b, f);
    f = upped(b);
    fake_send(f, OPI_LINK_PING, words, 8, &fd, 1);
    expect_closed(b, f);
    f = upped(b);
    {
        struct opi_link_hdr h = {
            .magic = cpu_to_le32(OPI_LINK_MAGIC),
            .version = cpu_to_le16(OPI_LINK_VERSION),
            .type = cpu_to_le16(OPI_LINK_PING),
            .len = cpu_to_le32(8),
            .seq = cpu_to_le32(f->tx_seq),
        };

        fake_raw(f, &h, sizeof(h), NULL, 0);
        fake_raw(f, words, 8, &fd, 1);
    }
    expect_closed(b, f);

    /* A message twice, a message left out. */
    f = upped(b);
    f->tx_seq--;
    fake_state(f, OPI_LINK_SOC_RUNNING, 0);
    expect_closed(b, f);
    f = upped(b);
    f->tx_seq++;
    fake_state(f, OPI_LINK_SOC_RUNNING, 0);
    expect_closed(b, f);
    close(fd);
    bed_free(b);
}

/* ---- Peers that do not play along -------------------------------------- */

static void test_deaf(void)
{
    Bed *b = bed_new(0, NULL);
    FakeSoc *f = upped(b);
    uint64_t nonce = 1;
    unsigned i;

    /* Pings without end, and nobody reads the answers. */
    fcntl(f->fd, F_SETFL, O_NONBLOCK);
    for (i = 0; i < 200000 && !f->closed; i++) {
        struct pollfd p = { .fd = f->fd, .events = POLLOUT };
        struct {
            struct opi_link_hdr h;
            uint64_t nonce;
        } m = {
            .h.magic = cpu_to_le32(OPI_LINK_MAGIC),
            .h.version = cpu_to_le16(OPI_LINK_VERSION),
            .h.type = cpu_to_le16(OPI_LINK_PING),
            .h.len = cpu_to_le32(8),
            .h.seq = cpu_to_le32(f->tx_seq),
            .nonce = nonce,
        };
        ssize_t n;

        g_assert_cmpint(poll(&p, 1, WAIT_MS), ==, 1);
        n = send(f->fd, &m, sizeof(m), MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EAGAIN) {
                continue;
            }
            break;
        }
        g_assert_cmpint(n, ==, sizeof(m));
        f->tx_seq++;
        if (i % 1000 == 0) {
            /* The card answers its own guest all the while. */
            g_assert_cmphex(reg_read(b->host, OPI_REG_MAGIC), ==, OPI_MAGIC);
        }
    }
    card_wait_link(b, false);
    fake_free(f);
    good_session(b);
    bed_free(b);
}

static void test_silent(void)
{
    Bed *b = bed_new(0, NULL);
    FakeSoc *f = upped(b);
    int64_t start = g_get_monotonic_time();

    f->answer_pings = false;
    fake_pump(f, WAIT_MS, &f->closed);
    g_assert_true(f->closed);
    g_assert_cmpint(g_get_monotonic_time() - start, >, 4 * G_USEC_PER_SEC);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 60 * G_USEC_PER_SEC);
    fake_free(f);
    good_session(b);
    drop_session(b);

    /* One who never says anything at all. */
    f = fake_connect(b->link);
    f->answer_pings = false;
    fake_pump(f, WAIT_MS, &f->closed);
    g_assert_true(f->closed);
    fake_free(f);
    good_session(b);
    bed_free(b);
}

/* Two at once: the second waits until the first has gone. */
static void test_two_peers(void)
{
    Bed *b = bed_new(0, NULL);
    FakeSoc *f = upped(b), *g = fake_connect(b->link);

    fake_pump(g, 100, NULL);
    g_assert_false(g->hello);
    g_assert_false(f->closed);
    fake_free(f);
    fake_up(g);
    g_assert_cmpint(g->generation, ==, 2);
    fake_free(g);
    good_session(b);
    bed_free(b);
}

/* The page is the other's to write: nothing in it may hurt. */
static void test_page(void)
{
    Bed *b = bed_new(0, NULL);
    uint32_t seed = g_test_rand_int();
    g_autoptr(GRand) r = g_rand_new_with_seed(seed);
    unsigned i, k;

    g_test_message("seed %u", seed);
    good_session(b);
    for (i = 0; i < 300; i++) {
        uint64_t one = 1;
        struct opi_ctrl *c = b->soc->ctrl;

        for (k = 0; k < OPI_CTRL_WORDS; k++) {
            qatomic_set(&c->kick[k], (uint64_t)g_rand_int(r) << 32 |
                                     g_rand_int(r));
        }
        qatomic_set(&c->aq_tail, g_rand_int(r) % 64);
        qatomic_set(&c->kick_pending, g_rand_int(r) & 1);
        qatomic_set(&c->irq_pending, g_rand_int(r) & 1);
        qatomic_set(&c->soc_flags, g_rand_int(r));
        qatomic_set(&c->magic, g_rand_int(r));
        qatomic_set(&c->regs[g_rand_int_range(r, 0, 1024)], g_rand_int(r));
        g_assert_cmpint(write(b->soc->kick, &one, 8), ==, 8);
        fake_pump(b->soc, 0, NULL);
        g_assert_cmphex(reg_read(b->host, OPI_REG_MAGIC), ==, OPI_MAGIC);
    }
    g_assert_cmpint(cmd_status(b->host, OPI_CMD_NOP, 0), ==, OPI_ST_OK);
    good_session(b);
    bed_free(b);
}

/* Memory that is taken away while frames go through it. */
static void test_memory_moves(void)
{
    Bed *b = bed_new(0, NULL);
    static uint8_t frame[600];
    struct opi_link_mem_table t = {
        .count = cpu_to_le32(1),
        .region[0] = { .gpa = cpu_to_le64(0x80000000),
                       .size = cpu_to_le64(OPI_TEST_RAM_SIZE) },
    };
    struct opi_qp_info info;

    good_session(b);
    fake_send(b->soc, OPI_LINK_MEM_TABLE, &t, sizeof(t), &b->soc->memfd, 1);
    fake_pump(b->soc, 100, NULL);
    frame_fill(frame, sizeof(frame), 1);
    qp_send(b->host, 0, 0, frame, sizeof(frame), 1);
    qp_wait_sent(b->host, 0);
    info = qp_info(b->host, 0);
    g_assert_cmpint(info.state, ==, OPI_QP_RUNNING);
    good_session(b);
    bed_free(b);
}

/* A session's messages with random changes, and random bytes. */
static void test_fuzz(void)
{
    Bed *b = bed_new(0, NULL);
    uint32_t seed = g_test_rand_int();
    g_autoptr(GRand) r = g_rand_new_with_seed(seed);
    unsigned round, i;

    g_test_message("seed %u", seed);
    for (round = 0; round < 150; round++) {
        FakeSoc *f = g_rand_boolean(r) ? upped(b) : fake_connect(b->link);
        unsigned n = g_rand_int_range(r, 1, 12);

        for (i = 0; i < n && !f->closed; i++) {
            uint8_t buf[sizeof(struct opi_link_hdr) + 512];
            struct opi_link_hdr h = {
                .magic = cpu_to_le32(OPI_LINK_MAGIC),
                .version = cpu_to_le16(OPI_LINK_VERSION),
                .type = cpu_to_le16(g_rand_int_range(r, 0, 13)),
                .len = cpu_to_le32(g_rand_int_range(r, 0, 64) * 4),
                .seq = cpu_to_le32(f->tx_seq++),
            };
            unsigned k, len = le32_to_cpu(h.len);
            bool fd = !g_rand_int_range(r, 0, 4);

            memcpy(buf, &h, sizeof(h));
            for (k = 0; k < len; k++) {
                buf[sizeof(h) + k] = g_rand_int_range(r, 0, 3)
                                     ? 0 : g_rand_int(r);
            }
            if (!g_rand_int_range(r, 0, 3)) {
                buf[g_rand_int_range(r, 0, sizeof(h) + len)] ^=
                    1 << g_rand_int_range(r, 0, 8);
            }
            fake_raw(f, buf, sizeof(h) + len, &f->memfd, fd);
            if (g_rand_boolean(r)) {
                fake_pump(f, 1, NULL);
            }
        }
        fake_free(f);
        if (round % 10 == 9) {
            good_session(b);
            drop_session(b);
        }
    }
    good_session(b);
    bed_free(b);
}

/* ---- The other way round: the test is the card ------------------------- */

typedef struct FakeCard {
    char *dir, *path;
    int listen, fd;
    QTestState *qts;
    Side *side;
    uint32_t tx_seq;
    struct opi_ctrl *ctrl;
    int ctrl_fd;
    int kick, irq;
} FakeCard;

static void card_accept(FakeCard *c)
{
    struct pollfd p = { .fd = c->listen, .events = POLLIN };

    g_assert_cmpint(poll(&p, 1, WAIT_MS), ==, 1);
    c->fd = accept(c->listen, NULL, NULL);
    g_assert_cmpint(c->fd, >=, 0);
    c->tx_seq = 0;
}

static FakeCard *card_new(void)
{
    FakeCard *c = g_new0(FakeCard, 1);
    struct sockaddr_un sa = { .sun_family = AF_UNIX };

    c->dir = g_dir_make_tmp("opi-qtest-XXXXXX", NULL);
    c->path = g_strdup_printf("%s/link", c->dir);
    g_strlcpy(sa.sun_path, c->path, sizeof(sa.sun_path));
    c->listen = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(c->listen, (struct sockaddr *)&sa, sizeof(sa)), ==, 0);
    g_assert_cmpint(listen(c->listen, 4), ==, 0);
    c->qts = qtest_initf("-object memory-backend-memfd,id=mem,size=64M,"
                         "share=on -M q35,memory-backend=mem -m 64 -nodefaults "
                         "-chardev socket,id=link0,path=%s,reconnect-ms=20 "
                         "-device pcie-root-port,id=rp0,bus=pcie.0,addr=4,"
                         "chassis=1,slot=1 "
                         "-device opi-soc,chardev=link0,bus=rp0", c->path);
    c->side = side_pci(c->qts, OPI_ROLE_DPU);
    c->ctrl_fd = opi_memfd(OPI_CTRL_SIZE, F_SEAL_SHRINK | F_SEAL_GROW);
    c->ctrl = mmap(NULL, OPI_CTRL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                   c->ctrl_fd, 0);
    g_assert(c->ctrl != MAP_FAILED);
    c->ctrl->magic = cpu_to_le32(OPI_CTRL_MAGIC);
    c->ctrl->version = cpu_to_le32(OPI_LINK_VERSION);
    c->kick = eventfd(0, EFD_NONBLOCK);
    c->irq = eventfd(0, EFD_NONBLOCK);
    card_accept(c);
    return c;
}

static void card_free(FakeCard *c)
{
    side_free(c->side);
    qtest_quit(c->qts);
    munmap(c->ctrl, OPI_CTRL_SIZE);
    close(c->ctrl_fd);
    close(c->kick);
    close(c->irq);
    close(c->fd);
    close(c->listen);
    unlink(c->path);
    rmdir(c->dir);
    g_free(c->path);
    g_free(c->dir);
    g_free(c);
}

static void card_send(FakeCard *c, uint16_t type, const void *data,
                      uint32_t len, const int *fds, unsigned nfds)
{
    FakeSoc f = { .fd = c->fd, .tx_seq = c->tx_seq++ };

    fake_send(&f, type, data, len, fds, nfds);
}

static void card_hello(FakeCard *c)
{
    struct opi_link_hello h = {
        .end = cpu_to_le32(OPI_LINK_CARD),
        .serial = cpu_to_le64(OPI_TEST_SERIAL),
        .iface_version = cpu_to_le32(OPI_IFACE_VERSION),
    };

    card_send(c, OPI_LINK_HELLO, &h, sizeof(h), NULL, 0);
}

static void card_page(FakeCard *c, int fd)
{
    struct opi_link_ctrl_page p = { .size = cpu_to_le32(OPI_CTRL_SIZE) };

    card_send(c, OPI_LINK_CTRL_PAGE, &p, sizeof(p), &fd, fd >= 0);
}

static void card_eventfds(FakeCard *c, int kick, int irq)
{
    int fds[] = { kick, irq };

    card_send(c, OPI_LINK_EVENTFDS, NULL, 0, fds, 2);
}

static void card_up(FakeCard *c)
{
    struct opi_link_card_state s = { .up = cpu_to_le32(1) };

    c->ctrl->regs[OPI_REG_MAGIC / 4] = cpu_to_le32(OPI_MAGIC);
    c->ctrl->regs[OPI_REG_SERIAL_LO / 4] = cpu_to_le32(0x1234);
    c->ctrl->regs[OPI_REG_DEV_STATUS / 4] = cpu_to_le32(OPI_DEV_STATUS_READY);
    card_hello(c);
    card_page(c, c->ctrl_fd);
    card_eventfds(c, c->kick, c->irq);
    card_send(c, OPI_LINK_CARD_STATE, &s, sizeof(s), NULL, 0);
}

/* The window closes on nonsense, tells its guest, and comes again. */
static void card_expect_closed(FakeCard *c)
{
    uint8_t buf[4096];
    struct pollfd p = { .fd = c->fd, .events = POLLIN };
    ssize_t n;

    do {
        g_assert_cmpint(poll(&p, 1, WAIT_MS), ==, 1);
        n = read(c->fd, buf, sizeof(buf));
    } while (n > 0);
    close(c->fd);
    reg_wait(c->side, OPI_REG_DEV_STATUS, UINT32_MAX, OPI_DEV_STATUS_ABSENT);
    card_accept(c);
}

static void card_expect_good(FakeCard *c)
{
    Side *s = c->side;

    irq_taken(s, 0);
    card_up(c);
    reg_wait(s, OPI_REG_DEV_STATUS, UINT32_MAX, OPI_DEV_STATUS_READY);
    g_assert_true(irq_taken(s, 0));
    g_assert_cmphex(reg_read(s, OPI_REG_SERIAL_LO), ==, 0x1234);
    close(c->fd);
    irq_wait(s, 0);
    g_assert_cmphex(reg_read(s, OPI_REG_DEV_STATUS), ==, OPI_DEV_STATUS_ABSENT);
    /* Who it was stays known. */
    g_assert_cmphex(reg_read(s, OPI_REG_SERIAL_LO), ==, 0x1234);
    g_assert_cmphex(reg_read(s, OPI_REG_ROLE) & 0xff, ==, OPI_ROLE_DPU);
    card_accept(c);
}

static void test_soc(void)
{
    FakeCard *c = card_new();
    Side *s = c->side;
    int loose = opi_memfd(OPI_CTRL_SIZE, 0);
    int small = opi_memfd(4096, F_SEAL_SHRINK);
    int blank = opi_memfd(OPI_CTRL_SIZE, F_SEAL_SHRINK);
    int zero = open("/dev/zero", O_RDWR);
    struct opi_link_card_state st = { .up = cpu_to_le32(1) };
    struct opi_link_hello h = { .end = cpu_to_le32(OPI_LINK_SOC) };

    g_assert_cmphex(reg_read(s, OPI_REG_MAGIC), ==, OPI_MAGIC);
    g_assert_cmphex(reg_read(s, OPI_REG_ROLE) & 0xff, ==, OPI_ROLE_DPU);
    g_assert_cmphex(reg_read(s, OPI_REG_DEV_STATUS), ==, OPI_DEV_STATUS_ABSENT);
    /* Nothing is there to hear these. */
    reg_write(s, OPI_REG_DEV_CTRL, OPI_DEV_CTRL_RESET);
    doorbell(s, 0, 0, 1);
    card_expect_good(c);

    card_send(c, OPI_LINK_HELLO, &h, sizeof(h), NULL, 0);
    card_expect_closed(c);
    card_page(c, c->ctrl_fd);           /* before hello */
    card_expect_closed(c);
    card_hello(c);
    card_page(c, loose);
    card_expect_closed(c);
    card_hello(c);
    card_page(c, small);
    card_expect_closed(c);
    card_hello(c);
    card_page(c, blank);
    card_expect_closed(c);
    card_hello(c);
    card_page(c, -1);
    card_expect_closed(c);
    card_hello(c);
    card_eventfds(c, c->kick, c->irq);  /* before the page */
    card_expect_closed(c);
    card_hello(c);
    card_page(c, c->ctrl_fd);
    card_page(c, c->ctrl_fd);
    card_expect_closed(c);
    card_hello(c);
    card_page(c, c->ctrl_fd);
    card_eventfds(c, zero, zero);
    card_expect_closed(c);
    card_hello(c);
    card_page(c, c->ctrl_fd);
    card_eventfds(c, c->kick, loose);
    card_expect_closed(c);
    card_hello(c);
    card_send(c, OPI_LINK_CARD_STATE, &st, sizeof(st), NULL, 0);
    card_expect_closed(c);
    /* Reserved fields that are not zero. */
    card_hello(c);
    {
        struct opi_link_ctrl_page p = {
            .size = cpu_to_le32(OPI_CTRL_SIZE), .rsvd = cpu_to_le32(1),
        };

        card_send(c, OPI_LINK_CTRL_PAGE, &p, sizeof(p), &c->ctrl_fd, 1);
    }
    card_expect_closed(c);
    card_up(c);
    st.rsvd = cpu_to_le32(1);
    card_send(c, OPI_LINK_CARD_STATE, &st, sizeof(st), NULL, 0);
    card_expect_closed(c);
    card_up(c);
    {
        struct opi_link_mem_ack a = { .rsvd = cpu_to_le32(1) };

        card_send(c, OPI_LINK_MEM_ACK, &a, sizeof(a), NULL, 0);
    }
    card_expect_closed(c);
    card_up(c);
    card_hello(c);
    card_expect_closed(c);
    card_up(c);
    card_send(c, OPI_LINK_REG_WRITE, &st, 8, NULL, 0);
    card_expect_closed(c);
    card_expect_good(c);

    /* With the link the DMA ends, whenever the card hears of that. */
    card_up(c);
    reg_wait(s, OPI_REG_DEV_STATUS, UINT32_MAX, OPI_DEV_STATUS_READY);
    cfg_writew(c->qts, 1, 0, PCI_COMMAND,
               PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    g_assert_cmphex(c->ctrl->soc_flags, ==, OPI_CTRL_SOC_MASTER);
    card_send(c, OPI_LINK_HELLO, &h, sizeof(h), NULL, 0);
    card_expect_closed(c);
    g_assert_cmphex(c->ctrl->soc_flags, ==, 0);
    card_expect_good(c);

    close(loose);
    close(small);
    close(blank);
    close(zero);
    card_free(c);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("opi/link/handshake", test_handshake);
    qtest_add_func("opi/link/cut", test_cut);
    qtest_add_func("opi/link/bad/header", test_bad_header);
    qtest_add_func("opi/link/bad/hello", test_bad_hello);
    qtest_add_func("opi/link/bad/memory", test_bad_memory);
    qtest_add_func("opi/link/bad/messages", test_bad_messages);
    qtest_add_func("opi/link/deaf", test_deaf);
    qtest_add_func("opi/link/silent", test_silent);
    qtest_add_func("opi/link/two-peers", test_two_peers);
    qtest_add_func("opi/link/page", test_page);
    qtest_add_func("opi/link/memory-moves", test_memory_moves);
    qtest_add_func("opi/link/fuzz", test_fuzz);
    qtest_add_func("opi/link/soc", test_soc);
    return g_test_run();
}
