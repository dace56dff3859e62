/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qtests of moving VFs and of the logs of what they write.  The DPU's QEMU is
 * played by the test.  Where a stream is changed and signed anew, the DPU has
 * set a key that the test knows: what no host can do must still do no harm.
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/bswap.h"
#include <linux/pci_regs.h>
#include "opi-util.h"

#define VF_PORT(n)      (2 + (n))
#define ALL_STATES      (OPI_MIG_ERROR + 1)

static uint8_t frame[65536], got[65536];

/* ---- Commands ---------------------------------------------------------- */

static void drain(Side *s)
{
    struct opi_eqe e;

    while (eq_try(s, 0, &e)) {
        continue;
    }
}

static uint16_t set_migratable(Side *dpu, unsigned n, bool yes)
{
    struct opi_cmd cmd = { 0 };

    cmd.u.func.mask = cpu_to_le32(OPI_FUNC_SET_MIGRATABLE);
    cmd.u.func.flags = cpu_to_le16(yes ? OPI_FUNC_F_MIGRATABLE : 0);
    return func_set(dpu, le32_to_cpu(port_info(dpu, VF_PORT(n)).func_id), cmd);
}

static uint32_t vf_func(Side *dpu, unsigned n)
{
    return le32_to_cpu(port_info(dpu, VF_PORT(n)).func_id);
}

static uint16_t mig_set(Side *s, unsigned n, uint8_t state)
{
    struct opi_cmd cmd = {
        .opcode = cpu_to_le16(OPI_CMD_MIG_SET),
        .target = cpu_to_le32(n),
        .u.mig.state = state,
    };

    return le16_to_cpu(cmd_run(s, cmd).status);
}

static struct opi_mig_info mig_get(Side *s, unsigned n)
{
    struct opi_mig_info i;

    g_assert_cmpint(cmd_fill(s, OPI_CMD_MIG_GET, n, &i, sizeof(i)), ==,
                    OPI_ST_OK);
    return i;
}

static unsigned mig_state(Side *s, unsigned n)
{
    return mig_get(s, n).state;
}

static uint16_t mig_save(Side *s, unsigned n, uint64_t offset, void *buf,
                         uint32_t *len)
{
    struct opi_cmd cmd = {
        .opcode = cpu_to_le16(OPI_CMD_MIG_SAVE),
        .target = cpu_to_le32(n),
        .buf = cpu_to_le64(s->buf),
        .buf_len = cpu_to_le32(*len),
        .u.mig.offset = cpu_to_le64(offset),
    };
    struct opi_cmd_cpl cpl = cmd_run(s, cmd);

    g_assert_cmpint(le16_to_cpu(cpl.resp_len), <=, *len);
    *len = le16_to_cpu(cpl.resp_len);
    mem_read(s, s->buf, buf, *len);
    return le16_to_cpu(cpl.status);
}

static uint16_t mig_load(Side *s, unsigned n, uint64_t offset, const void *buf,
                         uint32_t len)
{
    struct opi_cmd cmd = {
        .opcode = cpu_to_le16(OPI_CMD_MIG_LOAD),
        .target = cpu_to_le32(n),
        .buf = cpu_to_le64(s->buf),
        .buf_len = cpu_to_le32(len),
        .u.mig.offset = cpu_to_le64(offset),
    };

    mem_write(s, s->buf, buf, len);
    return le16_to_cpu(cmd_run(s, cmd).status);
}

/* All of the stream, in pieces of @chunk bytes. */
static GByteArray *save_all(Side *s, unsigned n, uint32_t chunk)
{
    GByteArray *a = g_byte_array_new();
    uint8_t buf[OPI_CMD_BUF_MAX];
    uint32_t len;

    do {
        len = chunk;
        g_assert_cmpint(mig_save(s, n, a->len, buf, &len), ==, OPI_ST_OK);
        g_byte_array_append(a, buf, len);
    } while (len);
    return a;
}

/* Until it is refused; what the last command said. */
static uint16_t load_all(Side *s, unsigned n, const GByteArray *a,
                         uint32_t chunk)
{
    uint32_t at = 0, len;
    uint16_t st = OPI_ST_OK;

    while (at < a->len && st == OPI_ST_OK) {
        len = MIN(chunk, a->len - at);
        st = mig_load(s, n, at, a->data + at, len);
        at += len;
    }
    return st;
}

static uint16_t set_key(Side *dpu, const struct opi_mig_key *key)
{
    return cmd_take(dpu, OPI_CMD_MIG_SET_KEY, 0, key, sizeof(*key));
}

/* ---- Beds -------------------------------------------------------------- */

/* VFs 0 to @n - 1, which can be moved. */
static Bed *mig_bed_with(unsigned n, unsigned what, const char *opts)
{
    Bed *b = bed_new(BED_FAKE | what, opts);
    unsigned i;

    traffic_start_with(b->host, b->dpu, 6, 2048);
    g_assert_cmpint(func_set_max_vfs(b->dpu, n), ==, OPI_ST_OK);
    g_assert_cmpint(vf_enable(b->hostq, n), ==, n);
    for (i = 0; i < n; i++) {
        g_assert_cmpint(set_migratable(b->dpu, i, true), ==, OPI_ST_OK);
    }
    drain(b->dpu);
    return b;
}

static Bed *mig_bed(unsigned n, const char *opts)
{
    return mig_bed_with(n, 0, opts);
}

/* The driver of VF @n: a queue pair with buffers, both ends up. */
static void vf_start(Side *vf, unsigned n, Side *dpu)
{
    side_start(vf);
    g_assert_cmpint(qp_create(vf, 0, 4, 1, 2048), ==, OPI_ST_OK);
    qp_post_rx(vf, 0, 16);
    g_assert_cmpint(port_state(vf, VF_PORT(n), true), ==, OPI_ST_OK);
    g_assert_cmpint(port_state(dpu, VF_PORT(n), true), ==, OPI_ST_OK);
    drain(vf);
}

/* The same driver, which now finds its function there. */
static Side *side_moved(const Side *from, QTestState *qts, unsigned n)
{
    Side *s = side_vf(qts, n);
    Side to = *from;

    to.devfn = s->devfn;
    to.bar0 = s->bar0;
    to.bar2 = s->bar2;
    to.bar4 = s->bar4;
    to.msi = s->msi;
    *s = to;
    return s;
}

static void expect_mig_event(Bed *b, unsigned n, uint8_t what, uint32_t value)
{
    struct opi_eqe e = eq_wait(b->dpu, 0, OPI_EV_MIG);

    g_assert_cmpint(e.sub, ==, what);
    g_assert_cmpint(le16_to_cpu(e.vf), ==, n);
    g_assert_cmpint(le32_to_cpu(e.port), ==, VF_PORT(n));
    g_assert_cmpint(le32_to_cpu(e.func_id), ==, vf_func(b->dpu, n));
    g_assert_cmpint(le32_to_cpu(e.value), ==, value);
}

/* RUNNING again, and set up as its user does after a reset. */
static void flr(Bed *b, unsigned n)
{
    Side *vf;

    pci_flr(b->hostq, 1 + n);
    g_assert_cmpint(mig_state(b->host, n), ==, OPI_MIG_RUNNING);
    vf = side_vf(b->hostq, n);
    side_free(vf);
}

/* The same of many in a row, without that. */
static void flr_only(Bed *b, unsigned n)
{
    pci_flr(b->hostq, 1 + n);
}

static void await_stream(Bed *b, unsigned n)
{
    g_assert_cmpint(mig_set(b->host, n, OPI_MIG_STOPPED), ==, OPI_ST_OK);
    g_assert_cmpint(mig_set(b->host, n, OPI_MIG_LOADING), ==, OPI_ST_OK);
}

/* ---- States ------------------------------------------------------------ */

static void enter(Bed *b, unsigned n, unsigned state)
{
    flr(b, n);
    switch (state) {
    case OPI_MIG_P2P:
    case OPI_MIG_STOPPED:
        g_assert_cmpint(mig_set(b->host, n, state), ==, OPI_ST_OK);
        break;
    case OPI_MIG_LOADING:
        await_stream(b, n);
        break;
    case OPI_MIG_ERROR:
        await_stream(b, n);
        g_assert_cmpint(mig_load(b->host, n, 1, "x", 1), ==, OPI_ST_EINVAL);
        break;
    default:
        break;
    }
    g_assert_cmpint(mig_state(b->host, n), ==, state);
}

static void test_states(void)
{
    enum { R = OPI_MIG_RUNNING, P, S, L, E };
    static const struct {
        uint16_t status;
        uint8_t state;
    } want[ALL_STATES][ALL_STATES + 1] = {
#define SAME(s)         { OPI_ST_EEXIST, s }
#define DONE(s)         { OPI_ST_OK, s }
#define BAD(s)          { OPI_ST_EINVAL, s }
#define DEAD            { OPI_ST_EIO, E }
        { SAME(R), DONE(P), DONE(S), BAD(R), BAD(R), BAD(R) },
        { DONE(R), SAME(P), DONE(S), BAD(P), BAD(P), BAD(P) },
        { DONE(R), DONE(P), SAME(S), DONE(L), BAD(S), BAD(S) },
        { BAD(L), BAD(L), BAD(E), SAME(L), BAD(L), BAD(L) },
        { DEAD, DEAD, DEAD, DEAD, DEAD, DEAD },
    };
    Bed *b = mig_bed(1, NULL);
    unsigned from, to;
    Side *vf;

    for (from = 0; from < ALL_STATES; from++) {
        for (to = 0; to <= ALL_STATES; to++) {
            enter(b, 0, from);
            g_assert_cmpint(mig_set(b->host, 0, to), ==,
                            want[from][to].status);
            g_assert_cmpint(mig_state(b->host, 0), ==, want[from][to].state);
        }
        drain(b->dpu);
    }
    /* And all of them end in a VF that works. */
    vf = side_vf(b->hostq, 0);
    for (from = 0; from < ALL_STATES; from++) {
        enter(b, 0, from);
        flr(b, 0);
        vf_start(vf, 0, b->dpu);
        carry(vf, 0, VF_PORT(0), b->dpu);
        drain(b->dpu);
    }
    side_free(vf);
    bed_free(b);
}

static void test_refused(void)
{
    Bed *b = mig_bed(2, NULL);
    struct opi_cmd bad = {
        .opcode = cpu_to_le16(OPI_CMD_MIG_LOAD),
        .buf = cpu_to_le64(OPI_TEST_NOWHERE),
        .buf_len = cpu_to_le32(100),
    };
    struct opi_cmd fs = { 0 };
    struct opi_mig_info info;
    uint8_t buf[256];
    uint32_t len = sizeof(buf);
    Side *vf;

    g_assert_cmpint(mig_set(b->host, 64, OPI_MIG_P2P), ==, OPI_ST_ERANGE);
    g_assert_cmpint(mig_set(b->host, 2, OPI_MIG_P2P), ==, OPI_ST_ENOENT);
    g_assert_cmpint(cmd_fill(b->host, OPI_CMD_MIG_GET, 2, &info, sizeof(info)),
                    ==, OPI_ST_ENOENT);
    g_assert_cmpint(mig_set(b->dpu, 0, OPI_MIG_P2P), ==, OPI_ST_EPERM);

    /* It cannot be taken away on the way; that comes before other mistakes. */
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_P2P), ==, OPI_ST_OK);
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_STOPPED), ==, OPI_ST_OK);
    fs.u.func.mask = cpu_to_le32(OPI_FUNC_SET_MIGRATABLE | OPI_FUNC_SET_MAC);
    fs.u.func.mac[0] = 1;
    g_assert_cmpint(func_set(b->dpu, vf_func(b->dpu, 0), fs), ==, OPI_ST_EBUSY);
    memset(&fs, 0, sizeof(fs));
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_RUNNING), ==, OPI_ST_OK);

    /* Without the DPU's leave nothing but a look. */
    g_assert_cmpint(set_migratable(b->dpu, 0, false), ==, OPI_ST_OK);
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_P2P), ==, OPI_ST_EPERM);
    g_assert_cmpint(mig_save(b->host, 0, 0, buf, &len), ==, OPI_ST_EPERM);
    g_assert_cmpint(mig_load(b->host, 0, 0, buf, 1), ==, OPI_ST_EPERM);
    g_assert_cmpint(cmd_status(b->host, OPI_CMD_DIRTY_STOP, 0), ==,
                    OPI_ST_EPERM);
    g_assert_cmpint(mig_state(b->host, 0), ==, OPI_MIG_RUNNING);
    g_assert_cmpint(set_migratable(b->dpu, 0, true), ==, OPI_ST_OK);

    /* What can be read before it is STOPPED. */
    info = mig_get(b->host, 0);
    g_assert_cmpint(le32_to_cpu(info.func_id), ==, vf_func(b->dpu, 0));
    len = sizeof(buf);
    g_assert_cmpint(mig_save(b->host, 0, 0, buf, &len), ==, OPI_ST_OK);
    g_assert_cmpint(len, ==, le32_to_cpu(info.precopy_size));
    len = 10;
    g_assert_cmpint(mig_save(b->host, 0, le32_to_cpu(info.precopy_size), buf,
                             &len), ==, OPI_ST_OK);
    g_assert_cmpint(len, ==, 0);
    len = 10;
    g_assert_cmpint(mig_save(b->host, 0, le32_to_cpu(info.precopy_size) + 1,
                             buf, &len), ==, OPI_ST_ERANGE);
    len = 10;
    g_assert_cmpint(mig_save(b->host, 0, UINT64_MAX, buf, &len), ==,
                    OPI_ST_ERANGE);
    g_assert_cmpint(mig_load(b->host, 0, 0, buf, 1), ==, OPI_ST_EINVAL);

    /* While it stands still its owner cannot change what it is. */
    await_stream(b, 0);
    len = 10;
    g_assert_cmpint(mig_save(b->host, 0, 0, buf, &len), ==, OPI_ST_EINVAL);
    g_assert_cmpint(set_migratable(b->dpu, 0, false), ==, OPI_ST_EBUSY);
    fs.u.func.mask = cpu_to_le32(OPI_FUNC_SET_MAX_QPS);
    fs.u.func.max_qps = cpu_to_le16(1);
    g_assert_cmpint(func_set(b->dpu, vf_func(b->dpu, 0), fs), ==, OPI_ST_EBUSY);
    fs.u.func.mask = cpu_to_le32(OPI_FUNC_SET_MAX_EQS);
    fs.u.func.max_qps = 0;
    fs.u.func.max_eqs = cpu_to_le16(1);
    g_assert_cmpint(func_set(b->dpu, vf_func(b->dpu, 0), fs), ==, OPI_ST_EBUSY);
    /* But can take it away, and it is none the worse for that. */
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_WITHDRAW,
                               vf_func(b->dpu, 0)), ==, OPI_ST_OK);
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_RUNNING), ==, OPI_ST_ENOENT);
    g_assert_cmpint(mig_state(b->dpu, 0), ==, OPI_MIG_RUNNING);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_EXPOSE, vf_func(b->dpu, 0)),
                    ==, OPI_ST_OK);
    g_assert_cmpint(mig_state(b->host, 0), ==, OPI_MIG_RUNNING);

    /* Memory that cannot be read takes nothing and refuses nothing. */
    await_stream(b, 1);
    bad.target = cpu_to_le32(1);
    g_assert_cmpint(le16_to_cpu(cmd_run(b->host, bad).status), ==,
                    OPI_ST_EFAULT);
    g_assert_cmpint(mig_state(b->host, 1), ==, OPI_MIG_LOADING);
    /* The PF's driver goes: nobody brings the rest. */
    drain(b->dpu);
    side_start(b->host);
    g_assert_cmpint(mig_state(b->host, 1), ==, OPI_MIG_ERROR);
    flr(b, 1);
    vf = side_vf(b->hostq, 1);
    vf_start(vf, 1, b->dpu);
    carry(vf, 0, VF_PORT(1), b->dpu);
    side_free(vf);
    bed_free(b);

    b = bed_new(BED_FAKE, "caps=1");
    side_start(b->host);
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_P2P), ==, OPI_ST_EOPNOTSUPP);
    g_assert_cmpint(cmd_status(b->host, OPI_CMD_DIRTY_STOP, 0), ==,
                    OPI_ST_EOPNOTSUPP);
    bed_free(b);

    b = bed_new(BED_FAKE, "mode=isolated");
    side_start(b->host);
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_P2P), ==, OPI_ST_EPERM);
    bed_free(b);
}

/* ---- Standing still ---------------------------------------------------- */

/* All memory of the VF. */
static uint8_t *vf_memory(Side *vf)
{
    uint8_t *m = g_malloc(vf->ram_size);

    mem_read(vf, vf->ram, m, vf->ram_size);
    return m;
}

/*
 * Whatever comes, a VF that stands still writes nothing and raises nothing; and
 * nothing of what its driver posted is lost.
 */
static void still(unsigned state)
{
    Bed *b = mig_bed(1, NULL);
    struct opi_cmd nop = { .cookie = cpu_to_le32(77) };
    struct opi_port_stats before, after;
    g_autofree uint8_t *was = NULL, *is = NULL;
    Side *vf = side_vf(b->hostq, 0);
    struct opi_cmd_cpl cpl;
    uint32_t from;
    unsigned i;

    vf_start(vf, 0, b->dpu);
    carry(vf, 0, VF_PORT(0), b->dpu);
    eq_arm(vf, 0);
    eq_arm(vf, 1);
    for (i = 0; i < 2; i++) {
        irq_taken(vf, i);
    }
    before = port_stats(b->dpu, VF_PORT(0));
    if (state != OPI_MIG_LOADING) {
        g_assert_cmpint(mig_set(b->host, 0, state), ==, OPI_ST_OK);
    } else {
        await_stream(b, 0);
    }
    /* The driver does not know of it. */
    frame_fill(frame, 100, 5);
    mem_write(vf, vf->ram + vf->ram_size - (256 << 10), frame, 100);
    for (i = 0; i < 3; i++) {
        struct opi_txd d = {
            .addr = cpu_to_le64(vf->ram + vf->ram_size - (256 << 10)),
            .len = cpu_to_le32(100),
            .flags = cpu_to_le16(OPI_TXD_F_SOP | OPI_TXD_F_EOP),
            .nsegs = 1,
        };

        qp_post_txd(vf, 0, &d);
    }
    qp_kick(vf, 0);
    cmd_post(vf, &nop);
    was = vf_memory(vf);
    /* Frames, a change of its settings, its carrier, the mode of the card. */
    for (i = 0; i < 5; i++) {
        qp_send(b->dpu, 0, VF_PORT(0), frame, 100, 1);
    }
    qp_wait_sent(b->dpu, 0);
    g_assert_cmpint(port_state(b->dpu, VF_PORT(0), false), ==, OPI_ST_OK);
    g_assert_cmpint(set_migratable(b->dpu, 0, true), ==, OPI_ST_OK);
    qtest_clock_step(b->hostq, 1000000000);
    g_usleep(50000);
    is = vf_memory(vf);
    g_assert_cmpint(memcmp(was, is, vf->ram_size), ==, 0);
    for (i = 0; i < OPI_TEST_EQS; i++) {
        g_assert_false(irq_taken(vf, i));
    }
    g_assert_cmphex(reg_read(vf, OPI_REG_MAGIC), ==, OPI_MAGIC);
    after = port_stats(b->dpu, VF_PORT(0));
    g_assert_cmpint(le64_to_cpu(after.rx_frames), ==,
                    le64_to_cpu(before.rx_frames));
    if (state == OPI_MIG_LOADING) {
        /* Its end of the port is down, as after any reset. */
        g_assert_cmpint(le64_to_cpu(after.tx_down), ==,
                        le64_to_cpu(before.tx_down) + 5);
        side_free(vf);
        bed_free(b);
        return;
    }

    g_assert_cmpint(le64_to_cpu(after.tx_frames), ==,
                    le64_to_cpu(before.tx_frames) + 5);
    g_assert_cmpint(port_state(b->dpu, VF_PORT(0), true), ==, OPI_ST_OK);
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_RUNNING), ==, OPI_ST_OK);
    for (i = 0; i < 3; i++) {
        g_assert_cmpint(qp_recv(b->dpu, 0, got, sizeof(got), &from, 20000), ==,
                        100);
        g_assert_true(frame_ok(got, 100, 5));
    }
    g_assert_cmpint(qp_recv(b->dpu, 0, got, sizeof(got), &from, 20), ==, 0);
    /* An admin doorbell is only in the register: a STOPPED VF did not hear. */
    if (state == OPI_MIG_STOPPED) {
        g_assert_false(cmd_try(vf, &cpl, 20));
        doorbell(vf, 0, OPI_DB_AQ_TAIL, vf->aq_tail);
    }
    cpl = cmd_wait(vf);
    g_assert_cmpint(le32_to_cpu(cpl.cookie), ==, 77);
    irq_wait(vf, 0);
    irq_wait(vf, 1);
    g_assert_cmpint(le32_to_cpu(eq_wait(vf, 0, OPI_EV_LOST).value), >=, 1);
    g_assert_cmpint(le16_to_cpu(eq_wait(vf, 1, OPI_EV_QP).queue), ==, 0);
    /* None of the five frames: they were on the wire. */
    g_assert_cmpint(qp_recv(vf, 0, got, sizeof(got), NULL, 20), ==, 0);
    after = port_stats(vf, VF_PORT(0));
    g_assert_cmpint(le64_to_cpu(after.rx_down), ==, 5);
    carry(vf, 0, VF_PORT(0), b->dpu);
    side_free(vf);
    bed_free(b);
}

static void test_still(const void *data)
{
    still(GPOINTER_TO_UINT(data));
}

/* What has changed meanwhile it is told when it goes on, and only that. */
static void test_told(void)
{
    Bed *b = mig_bed(1, NULL);
    Side *vf = side_vf(b->hostq, 0);
    struct opi_eqe e;

    vf_start(vf, 0, b->dpu);
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_STOPPED), ==, OPI_ST_OK);
    g_assert_cmpint(boot_set(b->dpu, OPI_OS_BOOTING, OPI_BOOT_TIME_KEEP), ==,
                    OPI_ST_OK);
    g_assert_cmpint(boot_set(b->dpu, OPI_OS_BOOTED, OPI_BOOT_TIME_KEEP), ==,
                    OPI_ST_OK);
    g_assert_cmpint(port_state(b->dpu, VF_PORT(0), false), ==, OPI_ST_OK);
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_RUNNING), ==, OPI_ST_OK);
    g_assert_true(eq_try(vf, 0, &e));
    g_assert_cmpint(e.type, ==, OPI_EV_LINK);
    g_assert_cmpint(e.sub, ==, 0);
    g_assert_false(eq_try(vf, 0, &e));

    /* A host that is not let any more cannot go on, but can reset it. */
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_STOPPED), ==, OPI_ST_OK);
    {
        struct opi_cmd cmd = { .opcode = cpu_to_le16(OPI_CMD_MODE_SET) };

        cmd.u.mode.mode = OPI_MODE_ISOLATED;
        g_assert_cmpint(le16_to_cpu(cmd_run(b->dpu, cmd).status), ==,
                        OPI_ST_OK);
        g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_RUNNING), ==, OPI_ST_EPERM);
        pci_flr(b->hostq, 1);
        g_assert_cmpint(mig_state(b->dpu, 0), ==, OPI_MIG_RUNNING);
    }
    side_free(vf);
    vf = side_vf(b->hostq, 0);
    vf_start(vf, 0, b->dpu);
    carry(vf, 0, VF_PORT(0), b->dpu);
    side_free(vf);
    bed_free(b);
}

/* The driver's reset is one of the function, not of its migration state. */
static void test_reset_p2p(void)
{
    Bed *b = mig_bed(1, NULL);
    Side *vf = side_vf(b->hostq, 0);

    vf_start(vf, 0, b->dpu);
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_P2P), ==, OPI_ST_OK);
    irq_taken(vf, 0);
    /* Registers work, also to make mistakes; interrupts do not. */
    doorbell(vf, 0, OPI_DB_AQ_TAIL, vf->aq_tail + 1000);
    g_assert_cmphex(reg_read(vf, OPI_REG_AQ_STATUS), ==, OPI_AQ_STATUS_ERROR);
    g_assert_false(irq_taken(vf, 0));
    fn_reset(vf);
    g_assert_cmpint(mig_state(b->host, 0), ==, OPI_MIG_P2P);
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_STOPPED), ==, OPI_ST_OK);
    /* Not now. */
    reg_write(vf, OPI_REG_DEV_CTRL, OPI_DEV_CTRL_RESET | 0x12340000);
    g_assert_cmphex(reg_read(vf, OPI_REG_DEV_STATUS) >>
                    OPI_DEV_STATUS_TOKEN_SHIFT, ==, vf->token);
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_RUNNING), ==, OPI_ST_OK);
    vf_start(vf, 0, b->dpu);
    carry(vf, 0, VF_PORT(0), b->dpu);
    side_free(vf);
    bed_free(b);
}

/* ---- Moving ------------------------------------------------------------ */

static void set_rate(Side *dpu, uint32_t port, uint64_t max)
{
    struct opi_cmd cmd = {
        .opcode = cpu_to_le16(OPI_CMD_RATE_SET),
        .target = cpu_to_le32(port),
        .u.rate.kind = OPI_RATE_LEAF,
        .u.rate.tx_weight = 7,
        .u.rate.tx_priority = 3,
        .u.rate.tx_max = cpu_to_le64(max),
    };

    g_assert_cmpint(le16_to_cpu(cmd_run(dpu, cmd).status), ==, OPI_ST_OK);
}

/* A descriptor of a frame of its own content, not kicked. */
static void post_frame(Side *vf, unsigned qp, unsigned i, unsigned len)
{
    uint64_t at = vf->ram + vf->ram_size - (512 << 10) + i * 2048;
    struct opi_txd d = {
        .addr = cpu_to_le64(at),
        .len = cpu_to_le32(len),
        .flags = cpu_to_le16(OPI_TXD_F_SOP | OPI_TXD_F_EOP),
        .nsegs = 1,
    };

    frame_fill(frame, len, 1000 + i);
    mem_write(vf, at, frame, len);
    qp_post_txd(vf, qp, &d);
}

/*
 * All that a function is: settings of both owners, frames that wait for a rate,
 * commands and buffers that are posted, rings in their second pass.
 */
static void test_move(void)
{
    static const uint8_t mac[6] = { 0x02, 0xab, 1, 2, 3, 4 };
    Bed *b = mig_bed(2, NULL);
    Side *vf = side_vf(b->hostq, 0), *to;
    struct opi_rx_config rx = {
        .flags = cpu_to_le32(OPI_RX_F_PROMISC | OPI_RX_F_ALLMULTI),
        .n_macs = cpu_to_le16(1),
        .macs = { 0x33, 0x33, 1, 1, 1, 1 },
    };
    struct opi_rss_config rss = {
        .hash_types = cpu_to_le32(OPI_HASH_IPV4),
        .table_size = cpu_to_le16(4),
    };
    struct opi_cmd fs = { 0 }, cmd;
    struct opi_mig_info info;
    struct opi_func_info fi;
    struct opi_port_info pi, pi0;
    struct opi_port_stats st0, st1;
    g_autoptr(GByteArray) a = NULL;
    uint32_t heads[2][2];
    unsigned i, sent = 0, q;
    struct opi_eqe e;

    vf_start(vf, 0, b->dpu);
    g_assert_cmpint(eq_create(vf, 2, 4, 2), ==, OPI_ST_OK);
    g_assert_cmpint(qp_create(vf, 2, 4, 2, 1024), ==, OPI_ST_OK);
    qp_post_rx(vf, 2, 9);
    for (i = 0; i < 25; i++) {
        carry(vf, 0, VF_PORT(0), b->dpu);
    }
    drain(b->dpu);
    drain(vf);
    while (eq_try(vf, 1, &e)) {
        continue;
    }
    /* What its driver has set. */
    g_assert_cmpint(cmd_take(vf, OPI_CMD_PORT_SET_RX, VF_PORT(0), &rx,
                             sizeof(rx)), ==, OPI_ST_OK);
    g_assert_cmpint(cmd_take(vf, OPI_CMD_RSS_SET, 0, &rss, sizeof(rss)), ==,
                    OPI_ST_OK);
    cmd = (struct opi_cmd) {
        .opcode = cpu_to_le16(OPI_CMD_PORT_SET_MTU),
        .target = cpu_to_le32(VF_PORT(0)),
        .u.mtu.mtu = cpu_to_le32(1400),
    };
    g_assert_cmpint(le16_to_cpu(cmd_run(vf, cmd).status), ==, OPI_ST_OK);
    /* What its owner has. */
    fs.u.func.mask = cpu_to_le32(OPI_FUNC_SET_MAC | OPI_FUNC_SET_VLAN);
    memcpy(fs.u.func.mac, mac, 6);
    fs.u.func.vlan = cpu_to_le16(123);
    g_assert_cmpint(func_set(b->dpu, vf_func(b->dpu, 0), fs), ==, OPI_ST_OK);
    set_rate(b->dpu, VF_PORT(0), 10000);
    g_assert_cmpint(port_state(b->dpu, VF_PORT(1), true), ==, OPI_ST_OK);
    drain(b->dpu);
    drain(vf);

    /* Ten frames on one queue pair, of which few may go; two on another. */
    for (i = 0; i < 10; i++) {
        post_frame(vf, 0, i, 400);
    }
    qp_kick(vf, 0);
    while (qp_recv(b->dpu, 0, got, sizeof(got), NULL, 50)) {
        g_assert_true(frame_ok(got, 12, 1000 + sent));
        sent++;
    }
    g_assert_cmpint(sent, >, 0);
    g_assert_cmpint(sent, <, 5);
    st0 = port_stats(vf, VF_PORT(0));
    pi0 = port_info(b->dpu, VF_PORT(0));
    eq_arm(vf, 0);
    eq_arm(vf, 1);
    eq_arm(vf, 2);

    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_P2P), ==, OPI_ST_OK);
    /* Its admin queue has two commands, one beyond the end of a pass. */
    for (i = 0; i < 2; i++) {
        cmd = (struct opi_cmd) { .cookie = cpu_to_le32(500 + i) };
        cmd_post(vf, &cmd);
    }
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_STOPPED), ==, OPI_ST_OK);
    expect_mig_event(b, 0, OPI_MIG_EV_STOPPED, 0);
    info = mig_get(b->host, 0);
    a = save_all(b->host, 0, 100);
    g_assert_cmpint(a->len, ==, le32_to_cpu(info.stream_size));
    expect_mig_event(b, 0, OPI_MIG_EV_SAVED, 0);
    for (q = 0; q < 2; q++) {
        heads[q][0] = mem_ld32(vf, vf->qps[q * 2].shadow +
                               offsetof(struct opi_qp_shadow, sq_head));
    }

    await_stream(b, 1);
    expect_mig_event(b, 1, OPI_MIG_EV_STOPPED, 0);
    g_assert_cmpint(load_all(b->host, 1, a, 77), ==, OPI_ST_OK);
    info = mig_get(b->host, 1);
    g_assert_cmpint(info.flags & OPI_MIG_F_LOADED, !=, 0);
    g_assert_cmpint(le32_to_cpu(info.loaded), ==, a->len);
    fi = func_info(b->dpu, vf_func(b->dpu, 1));
    g_assert_cmpint(memcmp(fi.mac, mac, 6), !=, 0);
    g_assert_cmpint(mig_set(b->host, 1, OPI_MIG_STOPPED), ==, OPI_ST_OK);
    /* Who came from where. */
    expect_mig_event(b, 1, OPI_MIG_EV_LOADED, vf_func(b->dpu, 0));
    e = func_wait(b->dpu, OPI_CHANGE_SET);
    g_assert_cmpint(le16_to_cpu(e.vf), ==, 1);
    e = func_wait(b->dpu, OPI_CHANGE_ATTACHED);
    g_assert_cmpint(le16_to_cpu(e.vf), ==, 1);
    info = mig_get(b->dpu, 1);
    g_assert_cmphex(le64_to_cpu(info.src_serial), ==, OPI_TEST_SERIAL);
    g_assert_cmpint(le32_to_cpu(info.src_func_id), ==, vf_func(b->dpu, 0));

    /* The owner sees all of it before it runs. */
    fi = func_info(b->dpu, vf_func(b->dpu, 1));
    g_assert_cmpint(memcmp(fi.mac, mac, 6), ==, 0);
    g_assert_cmpint(le16_to_cpu(fi.vlan), ==, 123);
    pi = port_info(b->dpu, VF_PORT(1));
    g_assert_cmpint(pi.flags, ==, pi0.flags);

    to = side_moved(vf, b->hostq, 1);
    for (q = 0; q < 2; q++) {
        heads[q][1] = mem_ld32(vf, vf->qps[q * 2].shadow +
                               offsetof(struct opi_qp_shadow, sq_head));
        g_assert_cmpint(heads[q][0], ==, heads[q][1]);
    }
    g_assert_cmpint(mig_set(b->host, 1, OPI_MIG_RUNNING), ==, OPI_ST_OK);
    expect_mig_event(b, 1, OPI_MIG_EV_RUNNING, 0);

    /* Its commands, interrupts, events. */
    for (i = 0; i < 2; i++) {
        g_assert_cmpint(le32_to_cpu(cmd_wait(to).cookie), ==, 500 + i);
    }
    for (i = 0; i < 3; i++) {
        irq_wait(to, i);
    }
    g_assert_cmpint(le32_to_cpu(eq_wait(to, 0, OPI_EV_LOST).value), >=, 1);
    g_assert_cmpint(le16_to_cpu(eq_wait(to, 1, OPI_EV_QP).queue), ==, 0);
    g_assert_cmpint(le16_to_cpu(eq_wait(to, 2, OPI_EV_QP).queue), ==, 2);

    /* Its frames: the rest, each once, at its rate, with its VLAN. */
    for (i = sent; i < 10; i++) {
        uint32_t from;
        size_t n = 0;
        unsigned steps;

        for (steps = 0; !n && steps < 1000; steps++) {
            qtest_clock_step(b->hostq, 10000000);
            n = qp_recv(b->dpu, 0, got, sizeof(got), &from, 5);
        }
        g_assert_cmpint(n, ==, 404);
        g_assert_cmpint(from, ==, VF_PORT(1));
        frame_fill(frame, 400, 1000 + i);
        g_assert_cmpint(memcmp(got, frame, 12), ==, 0);
        g_assert_cmpint(memcmp(got + 16, frame + 12, 388), ==, 0);
        /* 400 bytes at 10,000 a second are four steps. */
        g_assert_cmpint(steps, >=, i == sent ? 0 : 3);
    }
    g_assert_cmpint(qp_recv(b->dpu, 0, got, sizeof(got), NULL, 20), ==, 0);
    qp_wait_sent(to, 0);

    /* Its filters and counters. */
    pi = port_info(to, VF_PORT(1));
    g_assert_cmpint(le32_to_cpu(pi.mtu), ==, 1400);
    g_assert_cmpint(memcmp(pi.mac, mac, 6), ==, 0);
    st1 = port_stats(to, VF_PORT(1));
    g_assert_cmpint(le64_to_cpu(st1.rx_frames), ==, le64_to_cpu(st0.rx_frames));
    g_assert_cmpint(le64_to_cpu(st1.rx_bytes), ==, le64_to_cpu(st0.rx_bytes));
    g_assert_cmpint(le64_to_cpu(st1.tx_frames), ==,
                    le64_to_cpu(st0.tx_frames) + 10 - sent);
    /* And it goes on: without the VLAN and the rate, over some passes. */
    fs.u.func.mask = cpu_to_le32(OPI_FUNC_SET_VLAN);
    memset(fs.u.func.mac, 0, 6);
    fs.u.func.vlan = 0;
    g_assert_cmpint(func_set(b->dpu, vf_func(b->dpu, 1), fs), ==, OPI_ST_OK);
    set_rate(b->dpu, VF_PORT(1), 0);
    for (i = 0; i < 40; i++) {
        carry(to, 0, VF_PORT(1), b->dpu);
    }
    /* The source is where it was, and can be used again. */
    g_assert_cmpint(mig_state(b->host, 0), ==, OPI_MIG_STOPPED);
    flr(b, 0);
    expect_mig_event(b, 0, OPI_MIG_EV_RUNNING, 0);
    /* Known until it is stopped to be moved on. */
    info = mig_get(b->dpu, 1);
    g_assert_cmphex(le64_to_cpu(info.src_serial), ==, OPI_TEST_SERIAL);
    g_assert_cmpint(mig_set(b->host, 1, OPI_MIG_STOPPED), ==, OPI_ST_OK);
    info = mig_get(b->dpu, 1);
    g_assert_cmphex(le64_to_cpu(info.src_serial), ==, 0);
    g_assert_cmpint(le32_to_cpu(info.src_func_id), ==, 0);
    g_byte_array_unref(g_steal_pointer(&a));
    a = save_all(b->host, 1, 4096);
    await_stream(b, 0);
    g_assert_cmpint(load_all(b->host, 0, a, 4096), ==, OPI_ST_OK);
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_STOPPED), ==, OPI_ST_OK);
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_RUNNING), ==, OPI_ST_OK);
    side_free(vf);
    vf = side_moved(to, b->hostq, 0);
    drain(b->dpu);
    carry(vf, 0, VF_PORT(0), b->dpu);
    /* A function that is made anew came from none. */
    g_assert_cmphex(le64_to_cpu(mig_get(b->dpu, 0).src_serial), ==,
                    OPI_TEST_SERIAL);
    g_assert_cmpint(vf_enable(b->hostq, 0), ==, 0);
    g_assert_cmpint(func_set_max_vfs(b->dpu, 0), ==, OPI_ST_OK);
    g_assert_cmpint(func_set_max_vfs(b->dpu, 1), ==, OPI_ST_OK);
    g_assert_cmphex(le64_to_cpu(mig_get(b->dpu, 0).src_serial), ==, 0);
    g_assert_cmpint(le32_to_cpu(mig_get(b->dpu, 0).src_func_id), ==, 0);
    /* Of one that goes no state is told. */
    g_assert_cmpint(vf_enable(b->hostq, 1), ==, 1);
    g_assert_cmpint(set_migratable(b->dpu, 0, true), ==, OPI_ST_OK);
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_STOPPED), ==, OPI_ST_OK);
    drain(b->dpu);
    g_assert_cmpint(vf_enable(b->hostq, 0), ==, 0);
    while (eq_try(b->dpu, 0, &e)) {
        g_assert_cmpint(e.type, !=, OPI_EV_MIG);
    }
    side_free(to);
    side_free(vf);
    bed_free(b);
}

/*
 * Back and forth with frames posted all the time: each arrives once, in order.
 */
static void test_move_often(void)
{
    Bed *b = mig_bed(2, NULL);
    Side *vf = side_vf(b->hostq, 0);
    unsigned at = 0, posted = 0, seen = 0, round;
    uint32_t seed = g_test_rand_int();
    g_autoptr(GRand) r = g_rand_new_with_seed(seed);

    g_test_message("seed %u", seed);
    vf_start(vf, 0, b->dpu);
    g_assert_cmpint(port_state(b->dpu, VF_PORT(1), true), ==, OPI_ST_OK);
    for (round = 0; round < 60; round++) {
        g_autoptr(GByteArray) a = NULL;
        unsigned n = g_rand_int_range(r, 0, 12), kicked = 0;
        Side *to;

        set_rate(b->dpu, VF_PORT(at), g_rand_boolean(r) ? 20000 : 0);
        while (n--) {
            post_frame(vf, 0, posted++ % 64, 300);
            if (g_rand_boolean(r)) {
                qp_kick(vf, 0);
                kicked = posted;
            }
        }
        if (kicked != posted) {
            qp_kick(vf, 0);
        }
        qtest_clock_step(b->hostq, g_rand_int_range(r, 1, 40) * 1000000);
        if (g_rand_boolean(r)) {
            g_assert_cmpint(mig_set(b->host, at, OPI_MIG_P2P), ==, OPI_ST_OK);
        }
        g_assert_cmpint(mig_set(b->host, at, OPI_MIG_STOPPED), ==, OPI_ST_OK);
        a = save_all(b->host, at, g_rand_int_range(r, 1, 4096) | 64);
        await_stream(b, !at);
        g_assert_cmpint(load_all(b->host, !at, a,
                                 g_rand_int_range(r, 1, 4096) | 64), ==,
                        OPI_ST_OK);
        g_assert_cmpint(mig_set(b->host, !at, OPI_MIG_STOPPED), ==, OPI_ST_OK);
        flr(b, at);
        at = !at;
        to = side_moved(vf, b->hostq, at);
        side_free(vf);
        vf = to;
        g_assert_cmpint(mig_set(b->host, at, OPI_MIG_RUNNING), ==, OPI_ST_OK);
        drain(b->dpu);
        drain(vf);
        while (seen < posted) {
            uint32_t from;
            size_t len = qp_recv(b->dpu, 0, got, sizeof(got), &from, 0);

            if (!len) {
                qtest_clock_step(b->hostq, 10000000);
                continue;
            }
            g_assert_cmpint(len, ==, 300);
            g_assert_true(frame_ok(got, 300, 1000 + seen % 64));
            seen++;
        }
        g_assert_cmpint(qp_recv(b->dpu, 0, got, sizeof(got), NULL, 0), ==, 0);
        qp_wait_sent(vf, 0);
        frame_fill(frame, 120, round);
        qp_send(b->dpu, 0, VF_PORT(at), frame, 120, 1);
        g_assert_cmpint(qp_recv(vf, 0, got, sizeof(got), NULL, 20000), ==, 120);
        g_assert_true(frame_ok(got, 120, round));
    }
    side_free(vf);
    bed_free(b);
}

/* A VF of which no driver is known, one with an error, one that is FATAL. */
static void test_move_odd(void)
{
    Bed *b = mig_bed(2, NULL);
    Side *vf = side_vf(b->hostq, 0), *to;
    struct opi_txd bad = { .len = cpu_to_le32(1) };
    unsigned what;

    for (what = 0; what < 4; what++) {
        g_autoptr(GByteArray) a = NULL;
        uint32_t status, token;

        flr(b, 0);
        flr(b, 1);
        if (what == 0) {
            fn_reset(vf);
        } else {
            vf_start(vf, 0, b->dpu);
        }
        if (what == 1) {
            qp_post_txd(vf, 0, &bad);
            qp_kick(vf, 0);
            g_assert_cmpint(eq_wait(vf, 0, OPI_EV_QP_ERROR).sub, ==,
                            OPI_QP_ERR_TXD);
        } else if (what == 2) {
            /* Its admin queue stops for good, its queues do not. */
            doorbell(vf, 0, OPI_DB_AQ_TAIL, vf->aq_tail + 1000);
        } else if (what == 3) {
            cfg_writew(b->hostq, 1, vf->devfn, PCI_COMMAND, PCI_COMMAND_MEMORY);
            doorbell(vf, 0, OPI_DB_AQ_TAIL, vf->aq_tail + 1);
            cfg_writew(b->hostq, 1, vf->devfn, PCI_COMMAND,
                       PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
        }
        status = reg_read(vf, OPI_REG_DEV_STATUS);
        g_assert_cmpint(!!(status & OPI_DEV_STATUS_FATAL), ==, what == 3);
        g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_STOPPED), ==, OPI_ST_OK);
        a = save_all(b->host, 0, 4096);
        await_stream(b, 1);
        g_assert_cmpint(load_all(b->host, 1, a, 4096), ==, OPI_ST_OK);
        g_assert_cmpint(mig_set(b->host, 1, OPI_MIG_STOPPED), ==, OPI_ST_OK);
        g_assert_cmpint(mig_set(b->host, 1, OPI_MIG_RUNNING), ==, OPI_ST_OK);
        to = side_moved(vf, b->hostq, 1);
        g_assert_cmphex(reg_read(to, OPI_REG_DEV_STATUS), ==, status);
        for (token = OPI_REG_HEALTH; token <= OPI_REG_AQ_HEAD; token += 4) {
            if (token != OPI_REG_HEARTBEAT) {
                g_assert_cmphex(reg_read(to, token), ==, reg_read(vf, token));
            }
        }
        if (what == 1) {
            struct opi_qp_info qi = qp_info(to, 0);

            g_assert_cmpint(qi.state, ==, OPI_QP_ERROR);
            g_assert_cmpint(qi.error, ==, OPI_QP_ERR_TXD);
        }
        flr(b, 1);
        vf_start(to, 1, b->dpu);
        carry(to, 0, VF_PORT(1), b->dpu);
        drain(b->dpu);
        side_free(to);
    }
    side_free(vf);
    bed_free(b);
}

/* ---- Streams that are not right ---------------------------------------- */

static uint32_t crc32c_of(const uint8_t *p, size_t len)
{
    uint32_t crc = UINT32_MAX;
    unsigned bit;

    while (len--) {
        crc ^= *p++;
        for (bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
        }
    }
    return ~crc;
}

/* Offset of each frame, and how many there are. */
static unsigned frames_of(const GByteArray *a, unsigned *at, unsigned max)
{
    unsigned n = 0, off = 0;

    while (off < a->len) {
        const struct opi_mig_frame *h = (const void *)(a->data + off);

        g_assert_cmpint(n, <, max);
        g_assert_cmphex(le32_to_cpu(h->magic), ==, OPI_MIG_MAGIC);
        at[n++] = off;
        off += sizeof(*h) + le32_to_cpu(h->len);
    }
    g_assert_cmpint(off, ==, a->len);
    return n;
}

static GByteArray *copy_of(const GByteArray *a)
{
    GByteArray *c = g_byte_array_new();

    g_byte_array_append(c, a->data, a->len);
    return c;
}

static void sum_again(GByteArray *a, unsigned off)
{
    struct opi_mig_frame *h = (void *)(a->data + off);
    size_t len = sizeof(*h) + le32_to_cpu(h->len);

    if (len > a->len - off) {
        return;
    }
    h->crc = 0;
    h->crc = cpu_to_le32(crc32c_of(a->data + off, len));
}

static const struct opi_mig_key test_key = { { 1, 2, 3 } };

/* What only a card can do: the last frame is END. */
static void sign_again(GByteArray *a, const unsigned *at, unsigned n)
{
    struct opi_mig_end *end = (void *)(a->data + at[n - 1] +
                                       sizeof(struct opi_mig_frame));
    GHmac *hmac = g_hmac_new(G_CHECKSUM_SHA256, test_key.key,
                             sizeof(test_key.key));
    gsize len = sizeof(end->hmac);
    unsigned i;

    for (i = 0; i < n - 1; i++) {
        sum_again(a, at[i]);
    }
    g_hmac_update(hmac, a->data, at[n - 1]);
    g_hmac_get_digest(hmac, end->hmac, &len);
    g_hmac_unref(hmac);
    sum_again(a, at[n - 1]);
}

/* A stream of VF 0, whose driver does what one does; it stays STOPPED. */
static GByteArray *some_stream(Bed *b, Side *vf)
{
    struct opi_rss_config rss = {
        .hash_types = cpu_to_le32(OPI_HASH_IPV4),
        .table_size = cpu_to_le16(2),
    };

    vf_start(vf, 0, b->dpu);
    g_assert_cmpint(qp_create(vf, 3, 3, 1, 256), ==, OPI_ST_OK);
    g_assert_cmpint(cmd_take(vf, OPI_CMD_RSS_SET, 0, &rss, sizeof(rss)), ==,
                    OPI_ST_OK);
    carry(vf, 0, VF_PORT(0), b->dpu);
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_STOPPED), ==, OPI_ST_OK);
    return save_all(b->host, 0, 4096);
}

/*
 * VF 1 does not take it, is in ERROR, is what it was before, and can be reset.
 * What refused it, or ended it.
 */
static uint16_t refused(Bed *b, const GByteArray *a, uint32_t chunk)
{
    uint16_t st;

    flr_only(b, 1);
    await_stream(b, 1);
    st = load_all(b->host, 1, a, chunk);
    if (st == OPI_ST_OK) {
        st = mig_set(b->host, 1, OPI_MIG_STOPPED);
    }
    g_assert_cmpint(st, !=, OPI_ST_OK);
    g_assert_cmpint(mig_state(b->host, 1), ==, OPI_MIG_ERROR);
    drain(b->dpu);
    return st;
}

/* As it was made, and with a driver it works. */
static void untouched(Bed *b, const struct opi_func_info *was)
{
    struct opi_func_info is;
    unsigned i;
    Side *vf;

    flr(b, 1);
    vf = side_vf(b->hostq, 1);
    is = func_info(b->dpu, vf_func(b->dpu, 1));
    for (i = 0; i < sizeof(is); i++) {
        g_assert_cmphex(((uint8_t *)&is)[i], ==, ((uint8_t *)was)[i]);
    }
    vf_start(vf, 1, b->dpu);
    carry(vf, 0, VF_PORT(1), b->dpu);
    side_free(vf);
}

static void taken(Bed *b, const GByteArray *a)
{
    flr(b, 1);
    await_stream(b, 1);
    g_assert_cmpint(load_all(b->host, 1, a, 4096), ==, OPI_ST_OK);
    g_assert_cmpint(mig_set(b->host, 1, OPI_MIG_STOPPED), ==, OPI_ST_OK);
    drain(b->dpu);
}

static void test_truncated(void)
{
    Bed *b = mig_bed(2, NULL);
    Side *vf = side_vf(b->hostq, 0);
    g_autoptr(GByteArray) a = some_stream(b, vf);
    struct opi_func_info was = func_info(b->dpu, vf_func(b->dpu, 1));
    unsigned at[32], n = frames_of(a, at, ARRAY_SIZE(at)), len;

    for (len = 0; len < a->len;
         len += len < 200 || a->len - len < 100 ? 1 : 7) {
        g_autoptr(GByteArray) c = copy_of(a);

        g_byte_array_set_size(c, len);
        g_assert_cmpint(refused(b, c, 4096), ==, OPI_ST_EINVAL);
    }
    for (len = 0; len < n; len++) {
        g_autoptr(GByteArray) c = copy_of(a);

        g_byte_array_set_size(c, at[len]);
        g_assert_cmpint(refused(b, c, 4096), ==, OPI_ST_EINVAL);
    }
    /* And bytes behind its end, in the same piece or another. */
    for (len = 1; len < 70; len += 34) {
        g_autoptr(GByteArray) c = copy_of(a);

        g_byte_array_append(c, a->data, len);
        g_assert_cmpint(refused(b, c, 4096), ==, OPI_ST_EINVAL);
        g_assert_cmpint(refused(b, c, a->len), ==, OPI_ST_EINVAL);
    }
    untouched(b, &was);
    taken(b, a);
    side_free(vf);
    bed_free(b);
}

/* Each byte, whichever bit of it. */
static void test_flipped(void)
{
    Bed *b = mig_bed(2, NULL);
    Side *vf = side_vf(b->hostq, 0);
    g_autoptr(GByteArray) a = some_stream(b, vf);
    struct opi_func_info was = func_info(b->dpu, vf_func(b->dpu, 1));
    uint32_t seed = g_test_rand_int();
    g_autoptr(GRand) r = g_rand_new_with_seed(seed);
    unsigned at[33], n = frames_of(a, at, 32), i, k = 0;

    g_test_message("seed %u", seed);
    at[n] = a->len;
    for (i = 0; i < a->len; i++) {
        uint8_t bit = 1 << g_rand_int_range(r, 0, 8);
        g_autoptr(GByteArray) c = copy_of(a);

        k += i == at[k + 1];
        c->data[i] ^= bit;
        if (i % 3) {
            refused(b, c, 4096);
            continue;
        }
        /* The frame that it is in is enough to see it. */
        g_byte_array_set_size(c, at[k + 1]);
        flr_only(b, 1);
        await_stream(b, 1);
        g_assert_cmpint(load_all(b->host, 1, c, 4096), !=, OPI_ST_OK);
        g_assert_cmpint(mig_state(b->host, 1), ==, OPI_MIG_ERROR);
        drain(b->dpu);
    }
    untouched(b, &was);
    taken(b, a);
    side_free(vf);
    bed_free(b);
}

static void test_reordered(void)
{
    Bed *b = mig_bed(2, NULL);
    Side *vf = side_vf(b->hostq, 0);
    g_autoptr(GByteArray) a = NULL;
    struct opi_func_info was;
    unsigned at[33], n, i, k;

    g_assert_cmpint(set_key(b->dpu, &test_key), ==, OPI_ST_OK);
    a = some_stream(b, vf);
    was = func_info(b->dpu, vf_func(b->dpu, 1));
    n = frames_of(a, at, 32);
    at[n] = a->len;
    for (i = 0; i + 1 < n; i++) {
        g_autoptr(GByteArray) swapped = g_byte_array_new();
        g_autoptr(GByteArray) twice = g_byte_array_new();
        g_autoptr(GByteArray) less = g_byte_array_new();
        g_autoptr(GByteArray) signed_less = g_byte_array_new();
        unsigned sat[32];

        for (k = 0; k < n; k++) {
            unsigned from = k == i ? i + 1 : k == i + 1 ? i : k;

            g_byte_array_append(swapped, a->data + at[from],
                                at[from + 1] - at[from]);
            g_byte_array_append(twice, a->data + at[k], at[k + 1] - at[k]);
            if (k == i) {
                g_byte_array_append(twice, a->data + at[k], at[k + 1] - at[k]);
            } else {
                g_byte_array_append(less, a->data + at[k], at[k + 1] - at[k]);
            }
        }
        g_assert_cmpint(refused(b, swapped, 4096), ==, OPI_ST_EINVAL);
        g_assert_cmpint(refused(b, twice, 4096), ==, OPI_ST_EINVAL);
        g_assert_cmpint(refused(b, less, 4096), ==, OPI_ST_EINVAL);
        /* Numbered and signed anew: what has to be there has to be there. */
        g_byte_array_append(signed_less, less->data, less->len);
        frames_of(signed_less, sat, ARRAY_SIZE(sat));
        for (k = 0; k < n - 1; k++) {
            struct opi_mig_frame *h = (void *)(signed_less->data + sat[k]);

            h->seq = cpu_to_le32(k);
        }
        sign_again(signed_less, sat, n - 1);
        if (i <= OPI_MIG_FRAME_RX - OPI_MIG_FRAME_COMPAT) {
            g_assert_cmpint(refused(b, signed_less, 4096), ==, OPI_ST_EINVAL);
        }
    }
    /* Pieces that do not follow each other. */
    for (i = 0; i < 3; i++) {
        flr(b, 1);
        await_stream(b, 1);
        g_assert_cmpint(mig_load(b->host, 1, 0, a->data, 300), ==, OPI_ST_OK);
        g_assert_cmpint(mig_load(b->host, 1, i == 0 ? 0 : i == 1 ? 299 : 301,
                                 a->data + 300, 300), ==, OPI_ST_EINVAL);
        g_assert_cmpint(mig_state(b->host, 1), ==, OPI_MIG_ERROR);
        g_assert_cmpint(mig_load(b->host, 1, 300, a->data + 300, 300), ==,
                        OPI_ST_EIO);
    }
    untouched(b, &was);
    taken(b, a);
    side_free(vf);
    bed_free(b);
}

/* ---- Streams that a card has signed ------------------------------------ */

typedef struct Forged {
    const char *name;
    uint16_t type;
    unsigned off, size;                 /* in the frame's body; header: none */
    uint64_t val;
    uint16_t status;
} Forged;

#define FIELD(t, s, f, v, st) \
    { #s "." #f, t, offsetof(struct s, f), sizeof(((struct s *)0)->f), v, st }
#define COMPAT(f, v, st)  FIELD(OPI_MIG_FRAME_COMPAT, opi_mig_compat, f, v, st)
#define FUNC(f, v)  FIELD(OPI_MIG_FRAME_FUNC, opi_mig_func, f, v, OPI_ST_EINVAL)
#define RX(f, v)    FIELD(OPI_MIG_FRAME_RX, opi_rx_config, f, v, OPI_ST_EINVAL)
#define RSS(f, v) \
    FIELD(OPI_MIG_FRAME_RSS, opi_rss_config, f, v, OPI_ST_EINVAL)
#define EQ(f, v)    FIELD(OPI_MIG_FRAME_EQ, opi_mig_eq, f, v, OPI_ST_EINVAL)
#define QP(f, v)    FIELD(OPI_MIG_FRAME_QP, opi_mig_qp, f, v, OPI_ST_EINVAL)

static const Forged forged[] = {
    COMPAT(caps, 1ULL << 63, OPI_ST_EOPNOTSUPP),
    COMPAT(board_id, 0x41, OPI_ST_EOPNOTSUPP),
    COMPAT(key_id, 0x41, OPI_ST_EPERM),
    COMPAT(max_mtu, 9217, OPI_ST_EOPNOTSUPP),
    COMPAT(max_qps, 0, OPI_ST_EINVAL),
    COMPAT(max_qps, 5, OPI_ST_ENOSPC),
    COMPAT(max_qps, 0xffff, OPI_ST_ENOSPC),
    COMPAT(max_eqs, 0, OPI_ST_EINVAL),
    COMPAT(max_eqs, 6, OPI_ST_ENOSPC),
    COMPAT(aq_order, 9, OPI_ST_EOPNOTSUPP),
    COMPAT(ring_order, 13, OPI_ST_EOPNOTSUPP),
    COMPAT(max_segs, 19, OPI_ST_EOPNOTSUPP),
    COMPAT(rsvd, 1, OPI_ST_EINVAL),
    FUNC(aq_sq, 32), FUNC(aq_cq, 1), FUNC(aq_order, 0), FUNC(aq_order, 9),
    FUNC(aq_order, 255), FUNC(aq_status, 3), FUNC(aq_status, 0),
    FUNC(aq_tail, 0x80000000), FUNC(health, 1), FUNC(health, 77), FUNC(mtu, 0),
    FUNC(mtu, 9217), FUNC(vlan, 4095), FUNC(mac, 0), FUNC(mac, 1),
    FUNC(flags, 0x10), FUNC(flags, 0x8), FUNC(peer, 5), FUNC(os_status, 5),
    FUNC(tx_priority, 8), FUNC(tx_weight, 0), FUNC(tx_weight, 101),
    FUNC(rsvd0, 1), FUNC(rsvd1, 1),
    FIELD(OPI_MIG_FRAME_STATS, opi_port_stats, rsvd, 1, OPI_ST_EINVAL),
    RX(flags, 0x10000), RX(flags, OPI_RX_F_TSO4), RX(n_macs, 129),
    RX(n_macs, 1), RX(rsvd, 1), RX(macs, 1),
    RSS(hash_types, 0x40), RSS(table_size, 0), RSS(table_size, 3),
    RSS(table_size, 256), RSS(rsvd, 1), RSS(table, 4),
    EQ(id, 5), EQ(id, 0xffff), EQ(id, 1), EQ(vector, 5), EQ(vector, 1),
    EQ(order, 2), EQ(order, 13), EQ(order, 64), EQ(ring, 32), EQ(shadow, 8),
    EQ(rsvd, 1),
    QP(id, 4), QP(id, 0xffff), QP(id, 3), QP(eq, 2), QP(eq, 0xffff),
    QP(sq_order, 2), QP(sq_order, 13), QP(rq_order, 13), QP(rq_order, 5),
    QP(cq_order, 3), QP(cq_order, 32), QP(sq, 1), QP(rq, 2), QP(cq, 4),
    QP(shadow, 8), QP(cut, 65551), QP(state, 0), QP(state, 3), QP(state, 2),
    QP(error, 1), QP(error, 9), QP(rsvd, 1),
};

/* The first frame of that type. */
static unsigned frame_at(const GByteArray *a, const unsigned *at, unsigned n,
                         uint16_t type)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        struct opi_mig_frame *h = (void *)(a->data + at[i]);

        if (le16_to_cpu(h->type) == type) {
            return at[i];
        }
    }
    g_assert_not_reached();
}

static void test_forged(void)
{
    Bed *b = mig_bed(2, NULL);
    Side *vf = side_vf(b->hostq, 0);
    g_autoptr(GByteArray) a = NULL;
    struct opi_func_info was;
    unsigned at[32], n, i;

    g_assert_cmpint(set_key(b->dpu, &test_key), ==, OPI_ST_OK);
    a = some_stream(b, vf);
    n = frames_of(a, at, ARRAY_SIZE(at));
    sign_again(a, at, n);
    taken(b, a);
    was = func_info(b->dpu, vf_func(b->dpu, 1));
    was.state = OPI_FUNC_EXPOSED;
    for (i = 0; i < ARRAY_SIZE(forged); i++) {
        const Forged *f = &forged[i];
        g_autoptr(GByteArray) c = copy_of(a);
        uint64_t le = cpu_to_le64(f->val);
        uint16_t st;

        memcpy(c->data + frame_at(c, at, n, f->type) +
               sizeof(struct opi_mig_frame) + f->off, &le, MIN(f->size, 8));
        sign_again(c, at, n);
        st = refused(b, c, 4096);
        if (st != f->status) {
            g_error("%s = %" PRIu64 ": status %u, not %u", f->name, f->val, st,
                    f->status);
        }
    }
    untouched(b, &was);
    /* Not signed, signed with another key, or without one. */
    for (i = 0; i < 2; i++) {
        g_autoptr(GByteArray) c = copy_of(a);

        c->data[at[n - 1] + sizeof(struct opi_mig_frame)] ^= 1;
        sum_again(c, at[n - 1]);
        g_assert_cmpint(refused(b, c, 4096), ==, OPI_ST_EPERM);
    }
    side_free(vf);
    bed_free(b);
}

/* One of tomorrow: whatever else is right. */
static void test_future(void)
{
    static const struct {
        unsigned off, size;
        uint32_t val;
        uint16_t status;
    } tries[] = {
        { offsetof(struct opi_mig_frame, version), 2, 2, OPI_ST_EOPNOTSUPP },
        { offsetof(struct opi_mig_frame, version), 2, 0, OPI_ST_EOPNOTSUPP },
        { offsetof(struct opi_mig_frame, iface_version), 4, 1 << 16 | 1,
          OPI_ST_EOPNOTSUPP },
        { offsetof(struct opi_mig_frame, iface_version), 4, 2 << 16,
          OPI_ST_EOPNOTSUPP },
        { offsetof(struct opi_mig_frame, type), 2, 9, OPI_ST_EINVAL },
        { offsetof(struct opi_mig_frame, type), 2, 0, OPI_ST_EINVAL },
        { offsetof(struct opi_mig_frame, len), 4, 0, OPI_ST_EINVAL },
        { offsetof(struct opi_mig_frame, len), 4, UINT32_MAX, OPI_ST_EINVAL },
        { offsetof(struct opi_mig_frame, seq), 4, 100, OPI_ST_EINVAL },
        { offsetof(struct opi_mig_frame, rsvd), 4, 1, OPI_ST_EINVAL },
        { offsetof(struct opi_mig_frame, magic), 4, 1, OPI_ST_EINVAL },
    };
    Bed *b = mig_bed(2, NULL);
    Side *vf = side_vf(b->hostq, 0);
    g_autoptr(GByteArray) a = NULL;
    struct opi_func_info was;
    unsigned at[32], n, i, k;

    g_assert_cmpint(set_key(b->dpu, &test_key), ==, OPI_ST_OK);
    a = some_stream(b, vf);
    was = func_info(b->dpu, vf_func(b->dpu, 1));
    n = frames_of(a, at, ARRAY_SIZE(at));
    for (i = 0; i < ARRAY_SIZE(tries); i++) {
        for (k = 0; k < n; k++) {
            g_autoptr(GByteArray) c = copy_of(a);
            uint32_t le = cpu_to_le32(tries[i].val);

            memcpy(c->data + at[k] + tries[i].off, &le, tries[i].size);
            sign_again(c, at, n);
            g_assert_cmpint(refused(b, c, 4096), ==, tries[i].status);
        }
    }
    /* It is known from the first frame on, before it is STOPPED there. */
    for (i = 0; i < 2; i++) {
        g_autoptr(GByteArray) c = copy_of(a);
        uint32_t len = le32_to_cpu(mig_get(b->host, 1).precopy_size);

        c->data[i ? 4 : sizeof(struct opi_mig_frame) + 32] ^= 2;
        sum_again(c, 0);
        flr(b, 1);
        await_stream(b, 1);
        g_assert_cmpint(mig_load(b->host, 1, 0, c->data, len), ==,
                        i ? OPI_ST_EOPNOTSUPP : OPI_ST_EPERM);
        g_assert_cmpint(mig_state(b->host, 1), ==, OPI_MIG_ERROR);
        drain(b->dpu);
    }
    untouched(b, &was);
    side_free(vf);
    bed_free(b);
}

/* Another card's: refused, unless both have been given the same key. */
static void test_other_card(void)
{
    static const struct opi_mig_key none;
    const char *const opts[] = { NULL, "mig-key=ours" };
    g_autoptr(GByteArray) own = NULL, keyed = NULL, named = NULL;
    struct opi_func_info was;
    unsigned i;
    Side *vf;
    Bed *b;

    for (i = 0; i < 2; i++) {
        b = mig_bed(2, opts[i]);
        vf = side_vf(b->hostq, 0);
        if (i) {
            named = some_stream(b, vf);
        } else {
            own = some_stream(b, vf);
            flr(b, 0);
            g_assert_cmpint(set_key(b->host, &test_key), ==, OPI_ST_EPERM);
            g_assert_cmpint(set_key(b->dpu, &test_key), ==, OPI_ST_OK);
            keyed = some_stream(b, vf);
            /* Its own no more. */
            g_assert_cmpint(refused(b, own, 4096), ==, OPI_ST_EPERM);
            g_assert_cmpint(set_key(b->dpu, &none), ==, OPI_ST_OK);
            taken(b, own);
        }
        side_free(vf);
        bed_free(b);
    }
    b = mig_bed(2, "mig-key=ours");
    was = func_info(b->dpu, vf_func(b->dpu, 1));
    g_assert_cmpint(refused(b, own, 4096), ==, OPI_ST_EPERM);
    g_assert_cmpint(refused(b, keyed, 4096), ==, OPI_ST_EPERM);
    untouched(b, &was);
    taken(b, named);
    g_assert_cmpint(set_key(b->dpu, &test_key), ==, OPI_ST_OK);
    g_assert_cmpint(refused(b, named, 4096), ==, OPI_ST_EPERM);
    taken(b, keyed);
    bed_free(b);
}

/* A frame that the card was cutting: the destination goes on in the middle. */
static void test_cut(void)
{
    Bed *b = mig_bed(2, NULL);
    Side *vf = side_vf(b->hostq, 0), *to;
    struct opi_txd d = {
        .flags = cpu_to_le16(OPI_TXD_F_SOP | OPI_TXD_F_EOP | OPI_TXD_F_CSUM),
        .len = cpu_to_le32(54 + 1000),
        .nsegs = 1,
        .gso_type = OPI_GSO_TCPV4,
        .gso_size = cpu_to_le16(100),
        .hdr_len = cpu_to_le16(54),
        .csum_start = cpu_to_le16(34),
        .csum_offset = cpu_to_le16(16),
    };
    uint64_t at_frame = vf->ram + vf->ram_size - (512 << 10);
    g_autoptr(GByteArray) a = NULL;
    unsigned at[32], n, i;
    uint32_t cut = cpu_to_le32(4);

    g_assert_cmpint(set_key(b->dpu, &test_key), ==, OPI_ST_OK);
    vf_start(vf, 0, b->dpu);
    g_assert_cmpint(port_state(b->dpu, VF_PORT(1), true), ==, OPI_ST_OK);
    memset(frame, 0, 1054);
    frame[12] = 8;                      /* IPv4, TCP, no options */
    frame[14] = 0x45;
    frame[23] = 6;
    frame[46] = 0x50;
    for (i = 0; i < 1000; i++) {
        frame[54 + i] = i / 100;
    }
    mem_write(vf, at_frame, frame, 1054);
    d.addr = cpu_to_le64(at_frame);
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_P2P), ==, OPI_ST_OK);
    qp_post_txd(vf, 0, &d);
    qp_kick(vf, 0);
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_STOPPED), ==, OPI_ST_OK);
    a = save_all(b->host, 0, 4096);
    n = frames_of(a, at, ARRAY_SIZE(at));
    memcpy(a->data + frame_at(a, at, n, OPI_MIG_FRAME_QP) +
           sizeof(struct opi_mig_frame) + offsetof(struct opi_mig_qp, cut),
           &cut, sizeof(cut));
    sign_again(a, at, n);
    taken(b, a);
    g_assert_cmpint(mig_set(b->host, 1, OPI_MIG_RUNNING), ==, OPI_ST_OK);
    to = side_moved(vf, b->hostq, 1);
    for (i = 4; i < 10; i++) {
        struct opi_cqe first;

        g_assert_cmpint(qp_recv_meta(b->dpu, 0, got, sizeof(got), &first,
                                     20000), ==, 154);
        g_assert_cmpint(got[54], ==, i);
        g_assert_cmpint(got[153], ==, i);
        g_assert_cmpint(ldl_be_p(got + 38), ==, i * 100);
    }
    g_assert_cmpint(qp_recv(b->dpu, 0, got, sizeof(got), NULL, 20), ==, 0);
    qp_wait_sent(to, 0);
    side_free(to);
    side_free(vf);
    bed_free(b);
}

/* Anything in it, signed: refused or taken, and then it runs; nobody dies. */
static void test_forged_random(void)
{
    Bed *b = mig_bed(2, NULL);
    Side *vf = side_vf(b->hostq, 0), *to = side_vf(b->hostq, 1);
    uint32_t seed = g_test_rand_int();
    g_autoptr(GRand) r = g_rand_new_with_seed(seed);
    g_autoptr(GByteArray) a = NULL;
    unsigned at[33], n, i, took = 0;

    g_test_message("seed %u", seed);
    g_assert_cmpint(set_key(b->dpu, &test_key), ==, OPI_ST_OK);
    a = some_stream(b, vf);
    n = frames_of(a, at, 32);
    at[n] = a->len;
    for (i = 0; i < 1500; i++) {
        g_autoptr(GByteArray) c = copy_of(a);
        unsigned changes = g_rand_int_range(r, 1, 4), k;

        while (changes--) {
            unsigned f = g_rand_int_range(r, 1, n - 1);
            unsigned body = at[f] + sizeof(struct opi_mig_frame);
            unsigned off = body + g_rand_int_range(r, 0, at[f + 1] - body);

            switch (g_rand_int_range(r, 0, 3)) {
            case 0:
                c->data[off] = g_rand_int(r);
                break;
            case 1:
                c->data[off] ^= 1 << g_rand_int_range(r, 0, 8);
                break;
            default:
                for (k = off & ~3; k < (off & ~3) + 4; k++) {
                    c->data[k] = g_rand_boolean(r) ? g_rand_int(r) : 0;
                }
                break;
            }
        }
        sign_again(c, at, n);
        flr(b, 1);
        await_stream(b, 1);
        if (load_all(b->host, 1, c, 4096) == OPI_ST_OK) {
            took++;
            g_assert_cmpint(mig_set(b->host, 1, OPI_MIG_STOPPED), ==,
                            OPI_ST_OK);
            g_assert_cmpint(mig_set(b->host, 1, OPI_MIG_RUNNING), ==,
                            OPI_ST_OK);
            doorbell(to, 1, OPI_DB_SQ_TAIL, 0);
            doorbell(to, 4, OPI_DB_SQ_TAIL, 0);
            doorbell(to, 0, OPI_DB_AQ_TAIL, g_rand_int_range(r, 0, 20));
            frame_fill(frame, 100, i);
            qp_send(b->dpu, 0, VF_PORT(1), frame, 100, 1);
        } else {
            g_assert_cmpint(mig_state(b->host, 1), ==, OPI_MIG_ERROR);
        }
        drain(b->dpu);
        while (qp_recv(b->dpu, 0, got, sizeof(got), NULL, 0)) {
            continue;
        }
    }
    g_test_message("%u of %u were taken", took, i);
    g_assert_cmpint(took, >, 50);
    g_assert_cmpint(took, <, i);
    /* Each brought what a DPU might have given, as a VLAN: not the true one. */
    flr(b, 1);
    await_stream(b, 1);
    g_assert_cmpint(load_all(b->host, 1, a, 4096), ==, OPI_ST_OK);
    g_assert_cmpint(mig_set(b->host, 1, OPI_MIG_STOPPED), ==, OPI_ST_OK);
    flr(b, 1);
    vf_start(to, 1, b->dpu);
    carry(to, 0, VF_PORT(1), b->dpu);
    side_free(to);
    side_free(vf);
    bed_free(b);
}

/* Random commands of the host: each is answered, and a reset helps. */
static void test_fuzz(void)
{
    static const uint16_t ops[] = {
        OPI_CMD_MIG_GET, OPI_CMD_MIG_SET, OPI_CMD_MIG_SET, OPI_CMD_MIG_SET,
        OPI_CMD_MIG_SAVE, OPI_CMD_MIG_LOAD, OPI_CMD_MIG_LOAD,
        OPI_CMD_DIRTY_START, OPI_CMD_DIRTY_STOP, OPI_CMD_DIRTY_REPORT,
        OPI_CMD_DIRTY_REPORT,
    };
    Bed *b = mig_bed(3, "dirty-pages=1000");
    uint32_t seed = g_test_rand_int();
    g_autoptr(GRand) r = g_rand_new_with_seed(seed);
    unsigned i, done = 0, at = 0;
    uint8_t buf[OPI_CMD_BUF_MAX];
    Side *vf;

    g_test_message("seed %u", seed);
    memset(buf, 0, sizeof(buf));
    for (i = 0; i < 4000; i++) {
        uint16_t op = ops[g_rand_int_range(r, 0, ARRAY_SIZE(ops))], st;
        struct opi_cmd cmd = {
            .opcode = cpu_to_le16(op),
            .target = cpu_to_le32(g_rand_int_range(r, 0, 4)),
        };
        uint32_t len = g_rand_boolean(r) ? g_rand_int_range(r, 1, 4097) : 4096;

        if (op != OPI_CMD_MIG_SET && op != OPI_CMD_DIRTY_STOP) {
            cmd.buf = cpu_to_le64(b->host->buf);
            cmd.buf_len = cpu_to_le32(len);
        }
        switch (op) {
        case OPI_CMD_MIG_SET:
            cmd.u.mig.state = g_rand_int_range(r, 0, 4);
            break;
        case OPI_CMD_MIG_SAVE:
        case OPI_CMD_MIG_LOAD:
            at = g_rand_int_range(r, 0, 3) ? at : g_rand_int_range(r, 0, 5000);
            cmd.u.mig.offset = cpu_to_le64(at);
            at = g_rand_boolean(r) ? 0 : at + len;
            break;
        case OPI_CMD_DIRTY_START:
            stl_le_p(buf, g_rand_int_range(r, 10, 54));
            stl_le_p(buf + 4, g_rand_int_range(r, 0, 4));
            stq_le_p(buf + 16, (uint64_t)g_rand_int(r) <<
                               g_rand_int_range(r, 12, 33));
            stq_le_p(buf + 24, (uint64_t)g_rand_int(r) <<
                               g_rand_int_range(r, 12, 33));
            mem_write(b->host, b->host->buf, buf, 64);
            break;
        case OPI_CMD_DIRTY_REPORT:
            cmd.u.dirty.iova = cpu_to_le64((uint64_t)g_rand_int(r) << 20);
            cmd.u.dirty.pages = cpu_to_le32(g_rand_int_range(r, 0, 40000));
            cmd.u.dirty.page_order = g_rand_int_range(r, 11, 54);
            break;
        default:
            break;
        }
        if (!g_rand_int_range(r, 0, 10)) {
            ((uint32_t *)&cmd)[g_rand_int_range(r, 5, 16)] = g_rand_int(r);
        }
        if (!g_rand_int_range(r, 0, 20)) {
            pci_flr(b->hostq, 1 + g_rand_int_range(r, 0, 3));
        }
        if (!g_rand_int_range(r, 0, 100)) {
            vf_enable(b->hostq, 0);
            vf_enable(b->hostq, 3);
        }
        drain(b->dpu);
        st = le16_to_cpu(cmd_run(b->host, cmd).status);
        g_assert_cmpint(st, <=, OPI_ST_ECANCELED);
        done += st == OPI_ST_OK;
    }
    g_test_message("%u of %u commands were accepted", done, i);
    g_assert_cmpint(done, >, 200);
    vf = side_vf(b->hostq, 0);
    flr(b, 0);
    vf_start(vf, 0, b->dpu);
    carry(vf, 0, VF_PORT(0), b->dpu);
    side_free(vf);
    bed_free(b);
}

/* ---- Logs -------------------------------------------------------------- */

static uint16_t dirty_start(Side *s, unsigned n, unsigned order,
                            const struct opi_dirty_range *ranges,
                            unsigned n_ranges, unsigned *log_order)
{
    struct opi_dirty_config cfg = {
        .page_order = order,
        .n_ranges = cpu_to_le32(n_ranges),
    };
    struct opi_cmd cmd = {
        .opcode = cpu_to_le16(OPI_CMD_DIRTY_START),
        .target = cpu_to_le32(n),
        .buf = cpu_to_le64(s->buf),
        .buf_len = cpu_to_le32(sizeof(cfg) + n_ranges * sizeof(*ranges)),
    };
    struct opi_cmd_cpl cpl;

    mem_write(s, s->buf, &cfg, sizeof(cfg));
    mem_write(s, s->buf + sizeof(cfg), ranges, n_ranges * sizeof(*ranges));
    cpl = cmd_run(s, cmd);
    if (log_order) {
        *log_order = le32_to_cpu(cpl.result);
    }
    return le16_to_cpu(cpl.status);
}

static struct opi_cmd dirty_cmd(Side *s, unsigned n, uint64_t iova,
                                unsigned order, uint32_t pages)
{
    return (struct opi_cmd) {
        .opcode = cpu_to_le16(OPI_CMD_DIRTY_REPORT),
        .target = cpu_to_le32(n),
        .buf = cpu_to_le64(s->buf),
        .buf_len = cpu_to_le32(OPI_CMD_BUF_MAX),
        .u.dirty.iova = cpu_to_le64(iova),
        .u.dirty.pages = cpu_to_le32(pages),
        .u.dirty.page_order = order,
    };
}

static void dirty_report(Side *s, unsigned n, uint64_t iova, unsigned order,
                         uint32_t pages, uint8_t *bits)
{
    struct opi_cmd_cpl cpl = cmd_run(s, dirty_cmd(s, n, iova, order, pages));

    g_assert_cmpint(le16_to_cpu(cpl.status), ==, OPI_ST_OK);
    g_assert_cmpint(le16_to_cpu(cpl.resp_len), ==, DIV_ROUND_UP(pages, 8));
    mem_read(s, s->buf, bits, DIV_ROUND_UP(pages, 8));
}

static bool bit_of(const uint8_t *bits, unsigned i)
{
    return bits[i / 8] & (1 << (i % 8));
}

static bool page_dirty(Side *s, unsigned n, uint64_t addr)
{
    uint8_t bits = 0;

    dirty_report(s, n, addr & ~4095ULL, 12, 1, &bits);
    g_assert_cmpint(bits, <=, 1);
    return bits;
}

static void test_dirty_refused(void)
{
    static const struct {
        unsigned order, n;
        struct opi_dirty_range r[3];
    } bad[] = {
#define R(a, l) { const_le64(a), const_le64(l) }
        { 11, 1, { R(0, 4096) } },
        { 52, 1, { R(0, 1ULL << 52) } },
        { 255, 1, { R(0, 4096) } },
        { 12, 0 },
        { 12, 1, { R(0, 0) } },
        { 12, 1, { R(1, 4096) } },
        { 12, 1, { R(4096, 4097) } },
        { 13, 1, { R(4096, 8192) } },
        { 12, 1, { R(~0xfffULL, 8192) } },
        { 12, 2, { R(0, 8192), R(4096, 4096) } },
        { 12, 3, { R(0x10000, 4096), R(0, 4096), R(0x10000, 8192) } },
    };
    static const struct {
        uint64_t iova;
        unsigned order;
        uint32_t pages;
    } ask[] = {
        { 0, 11, 1 }, { 0, 52, 1 }, { 0, 255, 1 }, { 0, 12, 0 },
        { 1, 12, 1 }, { 4096, 13, 1 }, { 0, 12, 32769 },
        { 0, 12, UINT32_MAX }, { ~0xfffULL, 12, 2 }, { 0, 51, 8193 },
    };
    struct opi_dirty_range all = R(0x100000, 0x100000);
    struct opi_dirty_range top = R(0, 0);
    Bed *b = mig_bed(2, NULL);
    struct opi_cmd cmd;
    unsigned i, order;

    for (i = 0; i < ARRAY_SIZE(bad); i++) {
        g_assert_cmpint(dirty_start(b->host, 0, bad[i].order, bad[i].r,
                                    bad[i].n, NULL), ==, OPI_ST_EINVAL);
    }
    /* More ranges than there are bytes. */
    g_assert_cmpint(dirty_start(b->host, 0, 12, &all, 1, NULL), ==, OPI_ST_OK);
    g_assert_cmpint(cmd_status(b->host, OPI_CMD_DIRTY_STOP, 0), ==, OPI_ST_OK);
    cmd = (struct opi_cmd) {
        .opcode = cpu_to_le16(OPI_CMD_DIRTY_START),
        .buf = cpu_to_le64(b->host->buf),
        .buf_len = cpu_to_le32(31),
    };
    g_assert_cmpint(le16_to_cpu(cmd_run(b->host, cmd).status), ==,
                    OPI_ST_EINVAL);
    cmd.buf_len = cpu_to_le32(15);
    g_assert_cmpint(le16_to_cpu(cmd_run(b->host, cmd).status), ==,
                    OPI_ST_EINVAL);
    cmd.buf_len = cpu_to_le32(32);
    cmd.buf = cpu_to_le64(OPI_TEST_NOWHERE);
    g_assert_cmpint(le16_to_cpu(cmd_run(b->host, cmd).status), ==,
                    OPI_ST_EFAULT);

    g_assert_cmpint(cmd_status(b->host, OPI_CMD_DIRTY_STOP, 0), ==,
                    OPI_ST_ENOENT);
    cmd = dirty_cmd(b->host, 0, 0x100000, 12, 1);
    g_assert_cmpint(le16_to_cpu(cmd_run(b->host, cmd).status), ==,
                    OPI_ST_ENOENT);
    g_assert_cmpint(dirty_start(b->host, 0, 12, &all, 1, &order), ==,
                    OPI_ST_OK);
    g_assert_cmpint(order, ==, 12);
    g_assert_cmpint(mig_get(b->host, 0).dirty_order, ==, 12);
    g_assert_cmpint(mig_get(b->host, 0).flags, ==, OPI_MIG_F_DIRTY);
    g_assert_cmpint(dirty_start(b->host, 0, 12, &all, 1, NULL), ==,
                    OPI_ST_EEXIST);
    g_assert_cmpint(set_migratable(b->dpu, 0, false), ==, OPI_ST_EBUSY);
    for (i = 0; i < ARRAY_SIZE(ask); i++) {
        cmd = dirty_cmd(b->host, 0, ask[i].iova, ask[i].order, ask[i].pages);
        g_assert_cmpint(le16_to_cpu(cmd_run(b->host, cmd).status), ==,
                        OPI_ST_EINVAL);
    }
    /* The last page that there is. */
    top.iova = cpu_to_le64(~0xfffULL);
    top.len = cpu_to_le64(4096);
    g_assert_cmpint(dirty_start(b->host, 1, 12, &top, 1, NULL), ==, OPI_ST_OK);
    g_assert_false(page_dirty(b->host, 1, ~0xfffULL));
    g_assert_true(page_dirty(b->host, 1, ~0x1fffULL));
    bed_free(b);
}

/* What the VF writes besides payload: rings, index words, answers. */
static void test_dirty_rings(void)
{
    Bed *b = mig_bed(1, NULL);
    Side *vf = side_vf(b->hostq, 0);
    struct opi_dirty_range r = R(0, 0);
    uint64_t cq, eq, shadow, aq_cq, buf, sq, rq, rx, aq_sq;
    struct opi_identify id;

    fn_reset(vf);
    /* A page for each of them. */
#define PAGE()  (vf->alloc = QEMU_ALIGN_UP(vf->alloc, 4096))
    PAGE();
    vf_start(vf, 0, b->dpu);
    fn_reset(vf);
    vf->aq_order = 4;
    aq_sq = vf->aq_sq = side_alloc(vf, sizeof(struct opi_cmd) << 4);
    PAGE();
    aq_cq = vf->aq_cq = side_alloc(vf, sizeof(struct opi_cmd_cpl) << 4);
    PAGE();
    buf = vf->buf = side_alloc(vf, OPI_CMD_BUF_MAX);
    reg_write(vf, OPI_REG_AQ_SQ_LO, aq_sq);
    reg_write(vf, OPI_REG_AQ_CQ_LO, aq_cq);
    reg_write(vf, OPI_REG_AQ_CTRL,
              OPI_AQ_CTRL_ENABLE | 4 << OPI_AQ_CTRL_ORDER_SHIFT);
    g_assert_cmpint(eq_create(vf, 0, 6, 0), ==, OPI_ST_OK);
    PAGE();
    g_assert_cmpint(eq_create(vf, 1, 4, 1), ==, OPI_ST_OK);
    eq = vf->eqs[1].ring;
    {
        Qp *q = &vf->qps[0];
        struct opi_cmd cmd = { .opcode = cpu_to_le16(OPI_CMD_QP_CREATE) };

        q->sq_order = q->rq_order = q->cq_order = 4;
        PAGE();
        sq = q->sq = side_alloc(vf, sizeof(struct opi_txd) << 4);
        PAGE();
        rq = q->rq = side_alloc(vf, sizeof(struct opi_rxd) << 4);
        PAGE();
        cq = q->cq = side_alloc(vf, sizeof(struct opi_cqe) << 4);
        PAGE();
        shadow = q->shadow = side_alloc(vf, sizeof(struct opi_qp_shadow));
        PAGE();
        q->rxlen = 2048;
        rx = q->rxbuf = side_alloc(vf, 2048 << 4);
        cmd.u.qp.sq = cpu_to_le64(sq);
        cmd.u.qp.rq = cpu_to_le64(rq);
        cmd.u.qp.cq = cpu_to_le64(cq);
        cmd.u.qp.shadow = cpu_to_le64(shadow);
        cmd.u.qp.sq_order = cmd.u.qp.rq_order = cmd.u.qp.cq_order = 4;
        cmd.u.qp.eq = cpu_to_le16(1);
        g_assert_cmpint(le16_to_cpu(cmd_run(vf, cmd).status), ==, OPI_ST_OK);
    }
    qp_post_rx(vf, 0, 16);
    g_assert_cmpint(port_state(vf, VF_PORT(0), true), ==, OPI_ST_OK);
    drain(b->dpu);

    r.iova = cpu_to_le64(vf->ram);
    r.len = cpu_to_le64(vf->ram_size);
    g_assert_cmpint(dirty_start(b->host, 0, 12, &r, 1, NULL), ==, OPI_ST_OK);
    g_assert_false(page_dirty(b->host, 0, aq_cq));

    /* A command: its completion, then its answer too. */
    g_assert_cmpint(cmd_status(vf, OPI_CMD_NOP, 0), ==, OPI_ST_OK);
    g_assert_true(page_dirty(b->host, 0, aq_cq));
    g_assert_false(page_dirty(b->host, 0, aq_cq));
    g_assert_false(page_dirty(b->host, 0, buf));
    g_assert_cmpint(cmd_fill(vf, OPI_CMD_IDENTIFY, 0, &id, sizeof(id)), ==,
                    OPI_ST_OK);
    g_assert_true(page_dirty(b->host, 0, buf));
    g_assert_true(page_dirty(b->host, 0, aq_cq));
    g_assert_false(page_dirty(b->host, 0, shadow));
    g_assert_false(page_dirty(b->host, 0, cq));
    g_assert_false(page_dirty(b->host, 0, eq));

    /* A frame sent: the index words, nothing that was read. */
    frame_fill(frame, 100, 1);
    qp_send(vf, 0, 0, frame, 100, 1);
    qp_wait_sent(vf, 0);
    g_assert_true(page_dirty(b->host, 0, shadow));
    g_assert_false(page_dirty(b->host, 0, sq));
    g_assert_false(page_dirty(b->host, 0, rx));
    /* A frame received: completion, payload, the event. */
    eq_arm(vf, 1);
    mem_st32(vf, shadow + offsetof(struct opi_qp_shadow, cq_arm), 0);
    qp_send(b->dpu, 0, VF_PORT(0), frame, 100, 1);
    eq_wait(vf, 1, OPI_EV_QP);
    g_assert_true(page_dirty(b->host, 0, cq));
    g_assert_true(page_dirty(b->host, 0, rx));
    g_assert_true(page_dirty(b->host, 0, eq));
    g_assert_false(page_dirty(b->host, 0, rq));
    g_assert_false(page_dirty(b->host, 0, rx + 4096));
    g_assert_false(page_dirty(b->host, 0, aq_sq));
    side_free(vf);
    bed_free(b);
}

/* The memory that frames go to at random, and what is known of its pages. */
typedef struct Shadow {
    uint64_t ram, size;
    unsigned long *dirty;               /* of 4 KiB */
    unsigned long *tracked;
    bool exact;
} Shadow;

static void shadow_mark(Shadow *s, uint64_t addr, uint32_t len)
{
    uint64_t first = (addr - s->ram) >> 12;
    uint64_t last = (addr + len - 1 - s->ram) >> 12;

    bitmap_set(s->dirty, first, last - first + 1);
}

/*
 * A report of some of it, checked.  What it had pages of is clean then, what it
 * had not is as it was, whatever is together in a page of the log.
 */
static void shadow_check(Bed *b, Shadow *s, GRand *r)
{
    unsigned order = g_rand_int_range(r, 12, 17), i, k;
    uint64_t page = 1ULL << order, n = s->size >> order;
    uint64_t first = g_rand_int_range(r, 0, n);
    uint32_t pages = g_rand_int_range(r, 1, n - first + 1);
    uint8_t bits[OPI_CMD_BUF_MAX];

    dirty_report(b->host, 0, s->ram + first * page, order, pages, bits);
    for (i = 0; i < pages; i++) {
        uint64_t at = ((first + i) * page) >> 12, len = page >> 12;
        bool dirty = false, out = false, is = bit_of(bits, i);

        for (k = 0; k < len; k++) {
            dirty |= test_bit(at + k, s->dirty) && test_bit(at + k, s->tracked);
            out |= !test_bit(at + k, s->tracked);
        }
        if (dirty || out) {
            g_assert_true(is);
        } else if (s->exact) {
            g_assert_false(is);
        }
        bitmap_clear(s->dirty, at, len);
    }
    for (i = pages; i < DIV_ROUND_UP(pages, 8) * 8; i++) {
        g_assert_false(bit_of(bits, i));
    }
}

/* Frames into buffers at random places, of random sizes. */
static void random_dma(Bed *b, Side *vf, Shadow *s, GRand *r)
{
    Qp *q = &vf->qps[0];
    uint32_t mask = (1u << q->rq_order) - 1;
    unsigned len = g_rand_int_range(r, 14, 1500), left = len;
    uint64_t addr[16];
    unsigned n = 0;

    while (left) {
        unsigned buf = g_rand_boolean(r) ? g_rand_int_range(r, 128, 9000)
                                         : 2048;
        uint32_t i = q->rq_tail++ & mask;
        struct opi_rxd d = { .len = cpu_to_le32(buf) };

        addr[n] = s->ram + g_rand_int_range(r, 0, s->size - 9000);
        if (!g_rand_int_range(r, 0, 4)) {
            /* Over the end of a page. */
            addr[n] = (addr[n] | 4095) - g_rand_int_range(r, 0, 100);
        }
        d.addr = cpu_to_le64(addr[n]);
        mem_write(vf, q->rq + i * sizeof(d), &d, sizeof(d));
        shadow_mark(s, addr[n], MIN(buf, left));
        left -= MIN(buf, left);
        n++;
    }
    mem_st32(vf, q->shadow + offsetof(struct opi_qp_shadow, rq_tail),
             q->rq_tail);
    qp_send(b->dpu, 0, VF_PORT(0), frame, len, 1);
    qp_wait_sent(b->dpu, 0);
    q->cq_head += n;
    mem_st32(vf, q->shadow + offsetof(struct opi_qp_shadow, cq_head),
             q->cq_head);
}

/*
 * Random ranges and page sizes, random DMA, reports of random parts: never too
 * little, and just right as long as the log has room for small pages.
 */
static void dirty_property(const char *opts, bool room)
{
    Bed *b = mig_bed(1, opts);
    Side *vf = side_vf(b->hostq, 0);
    uint32_t seed = g_test_rand_int();
    g_autoptr(GRand) r = g_rand_new_with_seed(seed);
    Shadow s = { .size = 2 << 20 };
    unsigned round, i, k;

    g_test_message("seed %u", seed);
    side_start(vf);
    g_assert_cmpint(qp_create(vf, 0, 7, 1, 64), ==, OPI_ST_OK);
    g_assert_cmpint(port_state(vf, VF_PORT(0), true), ==, OPI_ST_OK);
    g_assert_cmpint(port_state(b->dpu, VF_PORT(0), true), ==, OPI_ST_OK);
    /* 64 KiB is the largest page that is asked for. */
    s.ram = QEMU_ALIGN_UP(vf->alloc, 65536);
    g_assert_cmpint(s.ram + s.size, <=, vf->ram + vf->ram_size);
    for (round = 0; round < 25; round++) {
        unsigned order = g_rand_int_range(r, 12, 17), log_order, n = 0;
        uint64_t page = 1ULL << order, at = 0, pages = s.size >> order;
        struct opi_dirty_range ranges[OPI_DIRTY_RANGES_MAX];

        s.dirty = bitmap_new(s.size >> 12);
        s.tracked = bitmap_new(s.size >> 12);
        /* In any order, next to each other or not. */
        while (at < pages && n < ARRAY_SIZE(ranges)) {
            uint64_t len = g_rand_int_range(r, 1, MIN(pages - at, 40) + 1);

            if (g_rand_int_range(r, 0, 4)) {
                unsigned to = g_rand_int_range(r, 0, n + 1);

                ranges[n] = ranges[to];
                ranges[to] = (struct opi_dirty_range) {
                    .iova = cpu_to_le64(s.ram + at * page),
                    .len = cpu_to_le64(len * page),
                };
                n++;
                bitmap_set(s.tracked, at * page >> 12, len * page >> 12);
            }
            at += len;
        }
        if (!n) {
            ranges[n++] = (struct opi_dirty_range) {
                .iova = cpu_to_le64(s.ram), .len = cpu_to_le64(page),
            };
            bitmap_set(s.tracked, 0, page >> 12);
        }
        if (!room) {
            /* And a lot that is never written. */
            n = MIN(n, ARRAY_SIZE(ranges) - 1);
            ranges[n++] = (struct opi_dirty_range) {
                .iova = cpu_to_le64(1ULL << 40), .len = cpu_to_le64(8ULL << 30),
            };
            bitmap_zero(s.tracked, s.size >> 12);
            for (i = 0; i < n - 1; i++) {
                bitmap_set(s.tracked,
                           (le64_to_cpu(ranges[i].iova) - s.ram) >> 12,
                           le64_to_cpu(ranges[i].len) >> 12);
            }
        }
        g_assert_cmpint(dirty_start(b->host, 0, order, ranges, n, &log_order),
                        ==, OPI_ST_OK);
        if (room) {
            g_assert_cmpint(log_order, ==, order);
        } else {
            g_assert_cmpint(log_order, >, 16);
        }
        s.exact = log_order == 12;
        for (i = 0; i < 12; i++) {
            for (k = g_rand_int_range(r, 0, 8); k; k--) {
                random_dma(b, vf, &s, r);
            }
            shadow_check(b, &s, r);
            drain(b->dpu);
        }
        g_assert_cmpint(cmd_status(b->host, OPI_CMD_DIRTY_STOP, 0), ==,
                        OPI_ST_OK);
        g_free(s.dirty);
        g_free(s.tracked);
    }
    side_free(vf);
    bed_free(b);
}

static void test_dirty_property(void)
{
    dirty_property(NULL, true);
}

static void test_dirty_coarse(void)
{
    dirty_property("dirty-pages=600", false);
}

static void test_dirty_lost(void)
{
    Bed *b = mig_bed(1, NULL);
    Side *vf = side_vf(b->hostq, 0);
    struct opi_dirty_range r[] = { R(OPI_TEST_VF_RAM(0), OPI_TEST_VF_RAM_SIZE),
                                   R(1ULL << 40, 1ULL << 24) };
    uint8_t bits[512];
    unsigned i;

    vf_start(vf, 0, b->dpu);
    g_assert_cmpint(dirty_start(b->host, 0, 12, r, 2, NULL), ==, OPI_ST_OK);
    card_set_u32(b, "fault-dirty-lost", 1);
    carry(vf, 0, VF_PORT(0), b->dpu);
    for (i = 0; i < 2; i++) {
        unsigned k, n = le64_to_cpu(r[i].len) >> 12;

        n = MIN(n, 4096);
        dirty_report(b->host, 0, le64_to_cpu(r[i].iova), 12, n, bits);
        for (k = 0; k < n; k++) {
            g_assert_true(bit_of(bits, k));
        }
        /* Once. */
        dirty_report(b->host, 0, le64_to_cpu(r[i].iova), 12, n, bits);
        for (k = 0; k < n / 8; k++) {
            g_assert_cmphex(bits[k], ==, 0);
        }
    }
    side_free(vf);
    bed_free(b);
}

/* Addresses are the VF's, whatever an IOMMU makes of them. */
static void test_dirty_iommu(void)
{
    Bed *b = mig_bed_with(1, BED_IOMMU, NULL);
    Side *vf = side_vf(b->hostq, 0);
    struct opi_dirty_range r[] = { R(OPI_TEST_IOVA, 2 << 20),
                                   R(OPI_TEST_BEHIND, 2 << 20) };
    struct opi_rxd d = {
        .addr = cpu_to_le64(OPI_TEST_IOVA + 0x5000),
        .len = cpu_to_le32(2048),
    };

    iommu_enable(b->hostq, true);
    iommu_map(b->hostq, OPI_TEST_IOVA, OPI_TEST_BEHIND);
    iommu_flush(b->hostq);
    side_start(vf);
    g_assert_cmpint(qp_create(vf, 0, 4, 1, 2048), ==, OPI_ST_OK);
    g_assert_cmpint(port_state(vf, VF_PORT(0), true), ==, OPI_ST_OK);
    g_assert_cmpint(port_state(b->dpu, VF_PORT(0), true), ==, OPI_ST_OK);
    g_assert_cmphex(vf->alloc, <, OPI_TEST_IOVA);
    g_assert_cmpint(dirty_start(b->host, 0, 12, r, 2, NULL), ==, OPI_ST_OK);
    mem_write(vf, vf->qps[0].rq, &d, sizeof(d));
    vf->qps[0].rq_tail = 1;
    mem_st32(vf, vf->qps[0].shadow + offsetof(struct opi_qp_shadow, rq_tail),
             1);
    frame_fill(frame, 100, 9);
    qp_send(b->dpu, 0, VF_PORT(0), frame, 100, 1);
    qp_wait_sent(b->dpu, 0);
    qtest_memread(b->hostq, OPI_TEST_BEHIND + 0x5000, got, 100);
    g_assert_true(frame_ok(got, 100, 9));
    g_assert_true(page_dirty(b->host, 0, OPI_TEST_IOVA + 0x5000));
    g_assert_false(page_dirty(b->host, 0, OPI_TEST_BEHIND + 0x5000));
    side_free(vf);
    bed_free(b);
}

/* What ends a log, what does not, and a report that did not arrive. */
static void test_dirty_life(void)
{
    Bed *b = mig_bed(2, NULL);
    Side *vf = side_vf(b->hostq, 0);
    struct opi_dirty_range r = R(OPI_TEST_VF_RAM(0), OPI_TEST_VF_RAM_SIZE);
    struct opi_cmd cmd;
    uint64_t cq;

    vf_start(vf, 0, b->dpu);
    g_assert_cmpint(dirty_start(b->host, 0, 12, &r, 1, NULL), ==, OPI_ST_OK);
    carry(vf, 0, VF_PORT(0), b->dpu);
    cq = vf->qps[0].cq;
    cmd = dirty_cmd(b->host, 0, cq & ~4095ULL, 12, 1);
    cmd.buf = cpu_to_le64(OPI_TEST_NOWHERE);
    g_assert_cmpint(le16_to_cpu(cmd_run(b->host, cmd).status), ==,
                    OPI_ST_EFAULT);
    /* Still there, after all that resets the VF. */
    g_assert_cmpint(mig_set(b->host, 0, OPI_MIG_STOPPED), ==, OPI_ST_OK);
    flr(b, 0);
    fn_reset(vf);
    g_assert_true(page_dirty(b->host, 0, cq));
    g_assert_false(page_dirty(b->host, 0, cq));

    /* Not when nobody is there to ask for it. */
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_WITHDRAW,
                               vf_func(b->dpu, 0)), ==, OPI_ST_OK);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_EXPOSE, vf_func(b->dpu, 0)),
                    ==, OPI_ST_OK);
    g_assert_cmpint(cmd_status(b->host, OPI_CMD_DIRTY_STOP, 0), ==,
                    OPI_ST_ENOENT);
    g_assert_cmpint(dirty_start(b->host, 0, 12, &r, 1, NULL), ==, OPI_ST_OK);
    vf_enable(b->hostq, 0);
    vf_enable(b->hostq, 2);
    g_assert_cmpint(cmd_status(b->host, OPI_CMD_DIRTY_STOP, 0), ==,
                    OPI_ST_ENOENT);
    g_assert_cmpint(dirty_start(b->host, 0, 12, &r, 1, NULL), ==, OPI_ST_OK);
    drain(b->dpu);
    side_start(b->host);
    g_assert_cmpint(cmd_status(b->host, OPI_CMD_DIRTY_STOP, 0), ==,
                    OPI_ST_ENOENT);
    side_free(vf);
    bed_free(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("opi/mig/states", test_states);
    qtest_add_func("opi/mig/refused", test_refused);
    qtest_add_data_func("opi/mig/still-p2p", GUINT_TO_POINTER(OPI_MIG_P2P),
                        test_still);
    qtest_add_data_func("opi/mig/still-stopped",
                        GUINT_TO_POINTER(OPI_MIG_STOPPED), test_still);
    qtest_add_data_func("opi/mig/still-loading",
                        GUINT_TO_POINTER(OPI_MIG_LOADING), test_still);
    qtest_add_func("opi/mig/told", test_told);
    qtest_add_func("opi/mig/reset-p2p", test_reset_p2p);
    qtest_add_func("opi/mig/move", test_move);
    qtest_add_func("opi/mig/move-often", test_move_often);
    qtest_add_func("opi/mig/move-odd", test_move_odd);
    qtest_add_func("opi/mig/truncated", test_truncated);
    qtest_add_func("opi/mig/flipped", test_flipped);
    qtest_add_func("opi/mig/reordered", test_reordered);
    qtest_add_func("opi/mig/forged", test_forged);
    qtest_add_func("opi/mig/future", test_future);
    qtest_add_func("opi/mig/other-card", test_other_card);
    qtest_add_func("opi/mig/cut", test_cut);
    qtest_add_func("opi/mig/forged-random", test_forged_random);
    qtest_add_func("opi/mig/fuzz", test_fuzz);
    qtest_add_func("opi/dirty/refused", test_dirty_refused);
    qtest_add_func("opi/dirty/rings", test_dirty_rings);
    qtest_add_func("opi/dirty/property", test_dirty_property);
    qtest_add_func("opi/dirty/coarse", test_dirty_coarse);
    qtest_add_func("opi/dirty/lost", test_dirty_lost);
    qtest_add_func("opi/dirty/iommu", test_dirty_iommu);
    qtest_add_func("opi/dirty/life", test_dirty_life);
    return g_test_run();
}
