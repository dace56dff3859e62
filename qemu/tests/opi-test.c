/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qtests of the card: config space, registers, admin queue, policy, event
 * queues, queue pairs, eswitch, resets, faults.  The DPU's QEMU is played by
 * the test; a real one is in opi-pair-test.c, the link itself in
 * opi-link-test.c.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include <linux/pci_regs.h>
#include "opi-util.h"

#define MAXFRAME 66000

static uint8_t frame[MAXFRAME], got[MAXFRAME];

/* ---- Config space and registers ---------------------------------------- */

static void test_config(void)
{
    Bed *b = bed_new(0, NULL);
    QTestState *q = b->hostq;
    unsigned pos, i;
    uint32_t h;

    g_assert_cmphex(cfg_readl(q, 1, 0, 0), ==,
                    OPI_PCI_DEVICE_ID_PF << 16 | OPI_PCI_VENDOR_ID);
    g_assert_cmphex(cfg_readl(q, 1, 0, PCI_CLASS_REVISION) >> 8, ==, 0x020000);

    pos = cfg_ext_cap(q, 1, 0, PCI_EXT_CAP_ID_DSN);
    g_assert_cmpint(pos, !=, 0);
    g_assert_cmphex(cfg_readl(q, 1, 0, pos + 4), ==,
                    (uint32_t)OPI_TEST_SERIAL);
    g_assert_cmphex(cfg_readl(q, 1, 0, pos + 8), ==, OPI_TEST_SERIAL >> 32);
    g_assert_cmpint(cfg_ext_cap(q, 1, 0, PCI_EXT_CAP_ID_ERR), !=, 0);
    g_assert_cmpint(cfg_ext_cap(q, 1, 0, PCI_EXT_CAP_ID_ARI), !=, 0);
    cfg_writew(q, 1, 0, 0xa0 + PCI_EXP_DEVCTL, 0xf);
    g_assert_cmphex(cfg_readw(q, 1, 0, 0xa0 + PCI_EXP_DEVCTL) & 0xf, ==, 0xf);

    pos = cfg_ext_cap(q, 1, 0, PCI_EXT_CAP_ID_SRIOV);
    g_assert_cmpint(pos, !=, 0);
    g_assert_cmpint(cfg_readw(q, 1, 0, pos + PCI_SRIOV_TOTAL_VF), ==, 64);
    g_assert_cmphex(cfg_readw(q, 1, 0, pos + PCI_SRIOV_VF_DID), ==,
                    OPI_PCI_DEVICE_ID_VF);

    pos = cfg_ext_cap(q, 1, 0, PCI_EXT_CAP_ID_DVSEC);
    g_assert_cmpint(pos, !=, 0);
    h = cfg_readl(q, 1, 0, pos + PCI_DVSEC_HEADER1);
    g_assert_cmphex(h & 0xffff, ==, OPI_PCI_VENDOR_ID);
    g_assert_cmpint(h >> 16 & 0xf, ==, OPI_DVSEC_REV);
    g_assert_cmpint(h >> 20, ==,
                    OPI_DVSEC_BODY + sizeof(struct opi_boot_block));
    g_assert_cmphex(cfg_readw(q, 1, 0, pos + PCI_DVSEC_HEADER2), ==,
                    OPI_DVSEC_ID);
    for (i = 0; i < sizeof(struct opi_boot_block); i += 4) {
        uint32_t was = cfg_readl(q, 1, 0, pos + OPI_DVSEC_BODY + i);

        g_assert_cmphex(was, ==, reg_read(b->host, OPI_REG_BOOT + i));
        /* This card takes no requests: nothing can be written. */
        cfg_writel(q, 1, 0, pos + OPI_DVSEC_BODY + i, ~was);
        g_assert_cmphex(cfg_readl(q, 1, 0, pos + OPI_DVSEC_BODY + i), ==, was);
    }
    bed_free(b);
}

static void test_registers(void)
{
    Bed *b = bed_new(0, NULL);
    Side *s = b->host;
    static const uint16_t ro[] = {
        OPI_REG_MAGIC, OPI_REG_VERSION, OPI_REG_ROLE, OPI_REG_FUNC_ID,
        OPI_REG_SERIAL_LO, OPI_REG_SERIAL_HI, OPI_REG_GENERATION, OPI_REG_PEER,
        OPI_REG_CAPS_LO, OPI_REG_CAPS_HI, OPI_REG_LIMITS0, OPI_REG_LIMITS1,
        OPI_REG_TIMEOUT, OPI_REG_DEV_STATUS, OPI_REG_HEALTH, OPI_REG_AQ_STATUS,
        OPI_REG_AQ_HEAD,
    };
    unsigned i, reg;

    g_assert_cmphex(reg_read(s, OPI_REG_MAGIC), ==, OPI_MAGIC);
    g_assert_cmphex(reg_read(s, OPI_REG_VERSION), ==, OPI_IFACE_VERSION);
    g_assert_cmphex(reg_read(s, OPI_REG_ROLE), ==, OPI_ROLE_HOST_PF |
                    OPI_MODE_RESTRICTED << OPI_ROLE_MODE_SHIFT);
    g_assert_cmphex(reg_read(s, OPI_REG_SERIAL_LO), ==,
                    (uint32_t)OPI_TEST_SERIAL);
    g_assert_cmphex(reg_read(s, OPI_REG_SERIAL_HI), ==, OPI_TEST_SERIAL >> 32);
    g_assert_cmpint(reg_read(s, OPI_REG_PEER), ==, OPI_PEER_ABSENT);
    g_assert_cmphex(reg_read(s, OPI_REG_LIMITS0), ==,
                    (OPI_TEST_QPS + OPI_TEST_SFS) | (OPI_TEST_QPS + 1) << 16);
    g_assert_cmphex(reg_read(s, OPI_REG_LIMITS1), ==, 0x0c120c08);
    g_assert_cmpint(reg_read(s, OPI_REG_TIMEOUT), ==, 5000);
    g_assert_cmphex(reg_read(s, OPI_REG_DEV_STATUS), ==, OPI_DEV_STATUS_READY);

    for (i = 0; i < ARRAY_SIZE(ro); i++) {
        uint32_t was = reg_read(s, ro[i]);

        reg_write(s, ro[i], ~was);
        g_assert_cmphex(reg_read(s, ro[i]), ==, was);
    }
    /* Reserved offsets read as zero; other widths do nothing. */
    for (reg = 0x300; reg < OPI_BAR_REGS_SIZE; reg += 4) {
        reg_write(s, reg, UINT32_MAX);
        g_assert_cmphex(reg_read(s, reg), ==, 0);
    }
    g_assert_cmphex(qtest_readb(s->qts, OPI_TEST_BAR0), ==, 0);
    g_assert_cmphex(qtest_readw(s->qts, OPI_TEST_BAR0), ==, 0);
    reg_write(s, OPI_REG_AQ_SQ_LO, 0x12345678);
    qtest_writeb(s->qts, OPI_TEST_BAR0 + OPI_REG_AQ_SQ_LO, 0xff);
    qtest_writew(s->qts, OPI_TEST_BAR0 + OPI_REG_AQ_SQ_LO, 0xffff);
    g_assert_cmphex(reg_read(s, OPI_REG_AQ_SQ_LO), ==, 0x12345678);
    bed_free(b);
}

static void test_dpu_registers(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    Side *s = b->dpu;

    g_assert_cmphex(b->soc->serial, ==, OPI_TEST_SERIAL);
    g_assert_cmphex(reg_read(s, OPI_REG_MAGIC), ==, OPI_MAGIC);
    g_assert_cmphex(reg_read(s, OPI_REG_ROLE), ==, OPI_ROLE_DPU |
                    OPI_MODE_RESTRICTED << OPI_ROLE_MODE_SHIFT);
    g_assert_cmpint(reg_read(s, OPI_REG_FUNC_ID), ==, 0);
    g_assert_cmphex(reg_read(s, OPI_REG_SERIAL_LO), ==,
                    (uint32_t)OPI_TEST_SERIAL);
    g_assert_cmpint(reg_read(s, OPI_REG_GENERATION), ==, 1);
    g_assert_cmpint(reg_read(b->host, OPI_REG_GENERATION), ==, 1);
    g_assert_cmpint(reg_read(s, OPI_REG_PEER), ==, OPI_PEER_PRESENT);
    g_assert_cmpint(reg_read(b->host, OPI_REG_PEER), ==, OPI_PEER_PRESENT);
    g_assert_cmphex(reg_read(s, OPI_REG_DEV_STATUS), ==, OPI_DEV_STATUS_READY);
    bed_free(b);
}

static void test_heartbeat(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    uint32_t host = reg_read(b->host, OPI_REG_HEARTBEAT);
    uint32_t dpu = reg_read(b->dpu, OPI_REG_HEARTBEAT);

    fake_pump(b->soc, 2500, NULL);
    g_assert_cmpint(reg_read(b->host, OPI_REG_HEARTBEAT), !=, host);
    g_assert_cmpint(reg_read(b->dpu, OPI_REG_HEARTBEAT), !=, dpu);
    bed_free(b);
}

/* Run the same test on either side. */
static void both_sides(void (*test)(Side *))
{
    Bed *b = bed_new(BED_FAKE, NULL);

    test(b->host);
    test(b->dpu);
    bed_free(b);
}

static void reset_side(Side *s)
{
    unsigned i;

    for (i = 0; i < 5; i++) {
        fn_reset(s);
        aq_enable(s, 2);
        g_assert_cmpint(cmd_status(s, OPI_CMD_NOP, 0), ==, OPI_ST_OK);
        g_assert_cmpint(reg_read(s, OPI_REG_AQ_HEAD), ==, 1);
    }
    fn_reset(s);
    g_assert_cmpint(reg_read(s, OPI_REG_AQ_STATUS), ==, 0);
    g_assert_cmpint(reg_read(s, OPI_REG_AQ_HEAD), ==, 0);
    /* RESET is what counts: without it nothing happens. */
    reg_write(s, OPI_REG_DEV_CTRL, 0x7777u << 16);
    aq_enable(s, 2);
    g_assert_cmphex(reg_read(s, OPI_REG_DEV_STATUS) >> 16, ==, s->token);
}

static void test_reset(void)
{
    both_sides(reset_side);
}

/* ---- Admin queue ------------------------------------------------------- */

static void aq_enable_bad(Side *s, uint64_t sq, uint64_t cq, uint32_t ctrl)
{
    fn_reset(s);
    reg_write(s, OPI_REG_AQ_SQ_LO, sq);
    reg_write(s, OPI_REG_AQ_CQ_LO, cq);
    reg_write(s, OPI_REG_AQ_CTRL, ctrl);
    reg_wait(s, OPI_REG_AQ_STATUS, UINT32_MAX, OPI_AQ_STATUS_ERROR);
    /* Not before a reset. */
    reg_write(s, OPI_REG_AQ_SQ_LO, OPI_TEST_RAM);
    reg_write(s, OPI_REG_AQ_CQ_LO, OPI_TEST_RAM + 4096);
    reg_write(s, OPI_REG_AQ_CTRL,
              OPI_AQ_CTRL_ENABLE | 4 << OPI_AQ_CTRL_ORDER_SHIFT);
    reg_wait(s, OPI_REG_AQ_STATUS, UINT32_MAX, OPI_AQ_STATUS_ERROR);
}

static void aq_setup_side(Side *s)
{
    uint64_t a = OPI_TEST_RAM, c = OPI_TEST_RAM + 4096;
    uint32_t max = reg_read(s, OPI_REG_LIMITS1) & OPI_LIMITS1_AQ_ORDER_MASK;

    aq_enable_bad(s, a, c, OPI_AQ_CTRL_ENABLE);
    aq_enable_bad(s, a, c, OPI_AQ_CTRL_ENABLE |
                  (max + 1) << OPI_AQ_CTRL_ORDER_SHIFT);
    aq_enable_bad(s, a, c, OPI_AQ_CTRL_ENABLE | 31 << OPI_AQ_CTRL_ORDER_SHIFT);
    aq_enable_bad(s, a + 32, c, OPI_AQ_CTRL_ENABLE | 0x400);
    aq_enable_bad(s, a, c + 16, OPI_AQ_CTRL_ENABLE | 0x400);
    aq_enable_bad(s, a, c, OPI_AQ_CTRL_ENABLE | 0x400 | 1u << 20);
    fn_reset(s);
    aq_enable(s, max);
    g_assert_cmpint(cmd_status(s, OPI_CMD_NOP, 0), ==, OPI_ST_OK);
    /* Twice is once too often. */
    reg_write(s, OPI_REG_AQ_CTRL, OPI_AQ_CTRL_ENABLE | 0x400);
    reg_wait(s, OPI_REG_AQ_STATUS, UINT32_MAX, OPI_AQ_STATUS_ERROR);
    fn_reset(s);
}

static void test_aq_setup(void)
{
    both_sides(aq_setup_side);
}

static void aq_wrap_side(Side *s)
{
    struct opi_cmd cmd = { .opcode = cpu_to_le16(OPI_CMD_NOP) };
    unsigned round, i;

    fn_reset(s);
    aq_enable(s, 3);
    for (i = 0; i < 50; i++) {
        g_assert_cmpint(cmd_status(s, OPI_CMD_NOP, 0), ==, OPI_ST_OK);
    }
    /* A whole ring at once, one doorbell. */
    for (round = 0; round < 5; round++) {
        for (i = 0; i < 8; i++) {
            cmd.cookie = cpu_to_le32(round << 16 | i);
            mem_write(s, s->aq_sq + ((s->aq_tail + i) & 7) * sizeof(cmd), &cmd,
                      sizeof(cmd));
        }
        s->aq_tail += 8;
        doorbell(s, 0, 0, s->aq_tail);
        for (i = 0; i < 8; i++) {
            struct opi_cmd_cpl cpl = cmd_wait(s);

            g_assert_cmphex(le32_to_cpu(cpl.cookie), ==, round << 16 | i);
            g_assert_cmpint(cpl.status, ==, OPI_ST_OK);
        }
    }
    g_assert_cmpint(reg_read(s, OPI_REG_AQ_HEAD), ==, s->aq_tail);
}

static void test_aq_wrap(void)
{
    both_sides(aq_wrap_side);
}

static void aq_irq_side(Side *s)
{
    fn_reset(s);
    aq_enable(s, 3);
    irq_taken(s, 0);
    g_assert_false(irq_taken(s, 0));
    g_assert_cmpint(cmd_status(s, OPI_CMD_NOP, 0), ==, OPI_ST_OK);
    irq_wait(s, 0);
}

static void test_aq_irq(void)
{
    both_sides(aq_irq_side);
}

static void aq_overrun_side(Side *s)
{
    fn_reset(s);
    aq_enable(s, 3);
    g_assert_cmpint(cmd_status(s, OPI_CMD_NOP, 0), ==, OPI_ST_OK);
    irq_taken(s, 0);
    doorbell(s, 0, 0, s->aq_tail + 9);
    reg_wait(s, OPI_REG_AQ_STATUS, UINT32_MAX, OPI_AQ_STATUS_ERROR);
    irq_wait(s, 0);
    /* Its own fault only: the function is not FATAL. */
    g_assert_cmphex(reg_read(s, OPI_REG_DEV_STATUS) & 0xffff, ==,
                    OPI_DEV_STATUS_READY);
    fn_reset(s);
    aq_enable(s, 3);
    g_assert_cmpint(cmd_status(s, OPI_CMD_NOP, 0), ==, OPI_ST_OK);
    doorbell(s, 0, 0, s->aq_tail - 1);
    reg_wait(s, OPI_REG_AQ_STATUS, UINT32_MAX, OPI_AQ_STATUS_ERROR);
    fn_reset(s);
}

static void test_aq_overrun(void)
{
    both_sides(aq_overrun_side);
}

static void aq_fatal_one(Side *s, uint64_t sq, uint64_t cq)
{
    fn_reset(s);
    irq_taken(s, 0);
    reg_write(s, OPI_REG_AQ_SQ_LO, sq);
    reg_write(s, OPI_REG_AQ_SQ_HI, sq >> 32);
    reg_write(s, OPI_REG_AQ_CQ_LO, cq);
    reg_write(s, OPI_REG_AQ_CQ_HI, cq >> 32);
    reg_write(s, OPI_REG_AQ_CTRL, OPI_AQ_CTRL_ENABLE | 0x400);
    reg_wait(s, OPI_REG_AQ_STATUS, UINT32_MAX, OPI_AQ_STATUS_ENABLED);
    doorbell(s, 0, 0, 1);
    reg_wait(s, OPI_REG_DEV_STATUS, OPI_DEV_STATUS_FATAL, OPI_DEV_STATUS_FATAL);
    g_assert_cmpint(reg_read(s, OPI_REG_HEALTH), ==, OPI_HEALTH_AQ_DMA);
    g_assert_cmpint(reg_read(s, OPI_REG_AQ_STATUS), ==, OPI_AQ_STATUS_ERROR);
    irq_wait(s, 0);
    fn_reset(s);
    g_assert_cmpint(reg_read(s, OPI_REG_HEALTH), ==, OPI_HEALTH_OK);
    aq_enable(s, 2);
    g_assert_cmpint(cmd_status(s, OPI_CMD_NOP, 0), ==, OPI_ST_OK);
}

static void aq_fatal_side(Side *s)
{
    aq_fatal_one(s, OPI_TEST_NOWHERE, OPI_TEST_RAM);
    aq_fatal_one(s, OPI_TEST_RAM, OPI_TEST_NOWHERE);
    aq_fatal_one(s, UINT64_MAX & ~63ULL, OPI_TEST_RAM);
    /* Registers are not memory: the card must not drive itself. */
    aq_fatal_one(s, OPI_TEST_RAM, OPI_TEST_BAR0);
}

static void test_aq_fatal(void)
{
    both_sides(aq_fatal_side);
}

static void aq_buffers_side(Side *s)
{
    struct opi_cmd cmd = { .opcode = cpu_to_le16(OPI_CMD_IDENTIFY) };
    struct opi_identify id;
    struct opi_cmd_cpl cpl;
    uint8_t probe[32];
    unsigned i;

    fn_reset(s);
    aq_enable(s, 3);
    cmd.buf = cpu_to_le64(s->buf);
    g_assert_cmpint(le16_to_cpu(cmd_run(s, cmd).status), ==, OPI_ST_EINVAL);
    cmd.buf_len = cpu_to_le32(OPI_CMD_BUF_MAX + 1);
    g_assert_cmpint(le16_to_cpu(cmd_run(s, cmd).status), ==, OPI_ST_E2BIG);
    cmd.buf_len = cpu_to_le32(UINT32_MAX);
    g_assert_cmpint(le16_to_cpu(cmd_run(s, cmd).status), ==, OPI_ST_E2BIG);
    /* 0 is none, whatever stands there. */
    cmd.buf = 0;
    cmd.buf_len = cpu_to_le32(128);
    g_assert_cmpint(le16_to_cpu(cmd_run(s, cmd).status), ==, OPI_ST_EINVAL);
    cmd.buf = cpu_to_le64(OPI_TEST_NOWHERE);
    cpl = cmd_run(s, cmd);
    g_assert_cmpint(le16_to_cpu(cpl.status), ==, OPI_ST_EFAULT);
    g_assert_cmpint(cpl.resp_len, ==, 0);

    /* The shorter of the two lengths, and not a byte more. */
    for (i = 1; i <= 20; i++) {
        memset(probe, 0xee, sizeof(probe));
        mem_write(s, s->buf, probe, sizeof(probe));
        cmd.buf = cpu_to_le64(s->buf);
        cmd.buf_len = cpu_to_le32(i);
        cpl = cmd_run(s, cmd);
        g_assert_cmpint(le16_to_cpu(cpl.status), ==, OPI_ST_OK);
        g_assert_cmpint(le16_to_cpu(cpl.resp_len), ==, i);
        mem_read(s, s->buf, probe, sizeof(probe));
        g_assert_cmphex(probe[i], ==, 0xee);
        g_assert_cmphex(probe[0], ==, (uint8_t)OPI_TEST_SERIAL);
    }
    cmd.buf_len = cpu_to_le32(OPI_CMD_BUF_MAX);
    cpl = cmd_run(s, cmd);
    g_assert_cmpint(le16_to_cpu(cpl.resp_len), ==, sizeof(id));
    mem_read(s, s->buf, &id, sizeof(id));
    g_assert_cmphex(le64_to_cpu(id.serial), ==, OPI_TEST_SERIAL);
    g_assert_cmphex(le32_to_cpu(id.iface_version), ==, OPI_IFACE_VERSION);
    g_assert_cmpint(id.role, ==, s->role);
    g_assert_cmpint(id.mode, ==, OPI_MODE_RESTRICTED);
    g_assert_cmpint(le32_to_cpu(id.func_id), ==, reg_read(s, OPI_REG_FUNC_ID));
    g_assert_cmpint(le32_to_cpu(id.max_mtu), ==, 9216);
    g_assert_cmpint(id.board_id[0], !=, 0);
    g_assert_cmpint(id.fw_version[0], !=, 0);
}

static void test_aq_buffers(void)
{
    both_sides(aq_buffers_side);
}

/* Which bytes of a command mean something; all others must be zero. */
static bool cmd_byte_used(uint16_t opcode, unsigned off)
{
    static const struct {
        uint16_t opcode;
        bool target, buf;
        uint8_t params;                 /* from byte 24 on, without a gap */
    } cmds[] = {
        { OPI_CMD_NOP },
        { OPI_CMD_IDENTIFY, false, true },
        { OPI_CMD_EQ_CREATE, true, false, 20 },
        { OPI_CMD_EQ_DESTROY, true },
        { OPI_CMD_QP_CREATE, true, false, 40 },
        { OPI_CMD_QP_DESTROY, true },
        { OPI_CMD_QP_QUERY, true, true },
        { OPI_CMD_RSS_SET, false, true },
        { OPI_CMD_PORT_LIST, false, true, 4 },
        { OPI_CMD_PORT_GET, true, true },
        { OPI_CMD_PORT_STATS, true, true },
        { OPI_CMD_PORT_SET_STATE, true, false, 1 },
        { OPI_CMD_PORT_SET_MTU, true, false, 4 },
        { OPI_CMD_PORT_SET_MAC, true, false, 6 },
        { OPI_CMD_PORT_SET_RX, true, true },
        { OPI_CMD_PORT_SET_POLICE, true, false, 16 },
        { OPI_CMD_FUNC_LIST, false, true, 4 },
        { OPI_CMD_FUNC_GET, true, true },
        { OPI_CMD_FUNC_CREATE, false, false, 12 },
        { OPI_CMD_FUNC_DESTROY, true },
        { OPI_CMD_FUNC_SET, true, false, 20 },
        { OPI_CMD_FUNC_EXPOSE, true },
        { OPI_CMD_FUNC_WITHDRAW, true },
        { OPI_CMD_FUNC_ATTACH, true, false, 1 },
        { OPI_CMD_BOOT_SET, false, false, 4 },
        { OPI_CMD_MODE_SET, false, false, 1 },
        { OPI_CMD_RATE_CREATE, true },
        { OPI_CMD_RATE_DESTROY, true },
        { OPI_CMD_RATE_SET, true, false, 24 },
        { OPI_CMD_MIG_GET, true, true },
        { OPI_CMD_MIG_SET, true, false, 1 },
        { OPI_CMD_MIG_SAVE, true, true, 16 },
        { OPI_CMD_MIG_LOAD, true, true, 16 },
        { OPI_CMD_MIG_SET_KEY, false, true },
        { OPI_CMD_DIRTY_START, true, true },
        { OPI_CMD_DIRTY_STOP, true },
        { OPI_CMD_DIRTY_REPORT, true, true, 13 },
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(cmds); i++) {
        if (cmds[i].opcode != opcode) {
            continue;
        }
        if (off < 2 || (off >= 4 && off < 8)) {
            return true;                /* opcode, cookie */
        }
        if (off >= 8 && off < 20) {
            return cmds[i].buf;
        }
        if (off >= 20 && off < 24) {
            return cmds[i].target;
        }
        /* Gaps: rsvd0 of some commands. */
        if ((opcode == OPI_CMD_EQ_CREATE && off == 41) ||
            (opcode == OPI_CMD_QP_CREATE && off == 59) ||
            (opcode == OPI_CMD_BOOT_SET && off == 25) ||
            (opcode == OPI_CMD_FUNC_CREATE && (off == 30 || off == 31)) ||
            (opcode == OPI_CMD_PORT_SET_POLICE && (off == 26 || off == 27)) ||
            (opcode == OPI_CMD_RATE_SET && off == 27) ||
            ((opcode == OPI_CMD_MIG_SAVE || opcode == OPI_CMD_MIG_LOAD) &&
             off < 32)) {
            return false;
        }
        return off >= 24 && off < 24 + cmds[i].params;
    }
    g_assert_not_reached();
}

static const struct {
    const char *name;
    uint16_t opcode;
    uint8_t modes[OPI_ROLE_DPU + 1];
} commands[] = {
#define OPI_X(name, code, pf, vf, dpu)                                  \
    { #name, code, { [OPI_ROLE_HOST_PF] = pf, [OPI_ROLE_HOST_VF] = vf,  \
                     [OPI_ROLE_DPU] = dpu } },
    OPI_COMMAND_TABLE(OPI_X)
#undef OPI_X
};

static void aq_reserved_side(Side *s)
{
    unsigned i, off;

    fn_reset(s);
    aq_enable(s, 5);
    for (i = 0; i < ARRAY_SIZE(commands); i++) {
        if (!(commands[i].modes[s->role] & OPI_R)) {
            continue;
        }
        for (off = 0; off < sizeof(struct opi_cmd); off++) {
            struct opi_cmd cmd = {
                .opcode = cpu_to_le16(commands[i].opcode)
            };

            if (cmd_byte_used(commands[i].opcode, off)) {
                continue;
            }
            ((uint8_t *)&cmd)[off] = 1;
            g_assert_cmpint(le16_to_cpu(cmd_run(s, cmd).status), ==,
                            OPI_ST_EINVAL);
        }
    }
}

static void test_aq_reserved(void)
{
    both_sides(aq_reserved_side);
}

/*
 * Every opcode x role x mode of the header's table.  The flags are wrong, so
 * an allowed command ends with EINVAL and does nothing, and the order of the
 * checks is proven by the way.
 */
static void policy_side(Side *s, unsigned mode)
{
    unsigned i, op;

    side_start(s);
    for (i = 0; i < ARRAY_SIZE(commands); i++) {
        struct opi_cmd cmd = {
            .opcode = cpu_to_le16(commands[i].opcode),
            .flags = cpu_to_le16(1),
        };
        bool allowed = commands[i].modes[s->role] & (1 << mode);

        g_assert_cmpint(le16_to_cpu(cmd_run(s, cmd).status), ==,
                        allowed ? OPI_ST_EINVAL : OPI_ST_EPERM);
    }
    for (op = 0; op < 0x10000; op = op < 0x200 ? op + 1 : op * 2 - 1) {
        struct opi_cmd cmd = {
            .opcode = cpu_to_le16(op),
            .flags = cpu_to_le16(1),
        };

        for (i = 0; i < ARRAY_SIZE(commands); i++) {
            if (commands[i].opcode == op) {
                break;
            }
        }
        if (i == ARRAY_SIZE(commands)) {
            g_assert_cmpint(le16_to_cpu(cmd_run(s, cmd).status), ==,
                            OPI_ST_EOPNOTSUPP);
        }
    }
}

static void test_policy(const void *data)
{
    static const char *const opts[] = {
        [OPI_MODE_TRUSTED] = "mode=trusted",
        [OPI_MODE_RESTRICTED] = "mode=restricted",
        [OPI_MODE_ISOLATED] = "mode=isolated",
    };
    unsigned mode = GPOINTER_TO_UINT(data);
    Bed *b = bed_new(BED_FAKE, opts[mode]);
    Side *vf;

    policy_side(b->host, mode);
    policy_side(b->dpu, mode);
    g_assert_cmpint(func_set_max_vfs(b->dpu, 1), ==, OPI_ST_OK);
    g_assert_cmpint(vf_enable(b->hostq, 1), ==, 1);
    vf = side_vf(b->hostq, 0);
    policy_side(vf, mode);
    side_free(vf);
    bed_free(b);
}

static void test_mode_set(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    struct opi_cmd cmd = { .opcode = cpu_to_le16(OPI_CMD_MODE_SET) };
    struct opi_func_info fi;

    side_start(b->host);
    side_start(b->dpu);
    cmd.u.mode.mode = 3;
    g_assert_cmpint(le16_to_cpu(cmd_run(b->dpu, cmd).status), ==,
                    OPI_ST_EINVAL);
    g_assert_cmpint(cmd_fill(b->host, OPI_CMD_FUNC_GET, 1, &fi, sizeof(fi)), ==,
                    OPI_ST_OK);
    cmd.u.mode.mode = OPI_MODE_ISOLATED;
    g_assert_cmpint(le16_to_cpu(cmd_run(b->dpu, cmd).status), ==, OPI_ST_OK);
    g_assert_cmpint(eq_wait(b->host, 0, OPI_EV_MODE).sub, ==,
                    OPI_MODE_ISOLATED);
    g_assert_cmpint(eq_wait(b->dpu, 0, OPI_EV_MODE).sub, ==, OPI_MODE_ISOLATED);
    g_assert_cmphex(reg_read(b->host, OPI_REG_ROLE), ==, OPI_ROLE_HOST_PF |
                    OPI_MODE_ISOLATED << OPI_ROLE_MODE_SHIFT);
    g_assert_cmpint(cmd_fill(b->host, OPI_CMD_FUNC_GET, 1, &fi, sizeof(fi)), ==,
                    OPI_ST_EPERM);
    /* The mode outlives resets of both sides. */
    side_start(b->host);
    side_start(b->dpu);
    g_assert_cmphex(reg_read(b->host, OPI_REG_ROLE) >> 8, ==,
                    OPI_MODE_ISOLATED);
    bed_free(b);
}

/* ---- Ports and functions ----------------------------------------------- */

static void test_ports(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    struct opi_port_info pi;
    struct opi_func_info fi;
    uint32_t ids[4];
    static const uint8_t mac[] = { 0x02, 0xcd, 0xcc, 0x22, 0x00, 0x02 };
    uint64_t fold = OPI_TEST_SERIAL ^ OPI_TEST_SERIAL >> 24 ^
                    OPI_TEST_SERIAL >> 48;

    side_start(b->host);
    side_start(b->dpu);
    g_assert_cmpint(cmd_fill(b->host, OPI_CMD_PORT_LIST, 0, ids, sizeof(ids)),
                    ==, OPI_ST_OK);
    g_assert_cmpint(le32_to_cpu(ids[0]), ==, 1);
    g_assert_cmpint(cmd_fill(b->dpu, OPI_CMD_PORT_LIST, 0, ids, sizeof(ids)),
                    ==, OPI_ST_OK);
    g_assert_cmpint(le32_to_cpu(ids[0]), ==, 0);
    g_assert_cmpint(le32_to_cpu(ids[1]), ==, 1);
    g_assert_cmpint(cmd_fill(b->dpu, OPI_CMD_PORT_LIST, 0, ids, 3), ==,
                    OPI_ST_EINVAL);
    g_assert_cmpint(cmd_fill(b->dpu, OPI_CMD_FUNC_LIST, 0, ids, sizeof(ids)),
                    ==, OPI_ST_OK);
    g_assert_cmpint(le32_to_cpu(ids[0]), ==, 1);

    /* Unknown before not owned. */
    g_assert_cmpint(cmd_fill(b->host, OPI_CMD_PORT_GET, 0, &pi, sizeof(pi)), ==,
                    OPI_ST_EPERM);
    g_assert_cmpint(cmd_fill(b->host, OPI_CMD_PORT_GET, 2, &pi, sizeof(pi)), ==,
                    OPI_ST_ENOENT);
    g_assert_cmpint(cmd_fill(b->dpu, OPI_CMD_PORT_GET, 2, &pi, sizeof(pi)), ==,
                    OPI_ST_ENOENT);
    g_assert_cmpint(port_state(b->host, 0, true), ==, OPI_ST_EPERM);
    g_assert_cmpint(cmd_fill(b->host, OPI_CMD_PORT_GET, 1, &pi, sizeof(pi)), ==,
                    OPI_ST_OK);
    g_assert_cmpint(pi.type, ==, OPI_PORT_PF);
    g_assert_cmpint(le16_to_cpu(pi.controller), ==, 1);
    g_assert_cmpint(le32_to_cpu(pi.func_id), ==, 1);
    g_assert_cmpint(le16_to_cpu(pi.vf), ==, OPI_ID16_NONE);
    g_assert_cmpint(le32_to_cpu(pi.mtu), ==, 1500);
    g_assert_cmphex(pi.mac[1], ==, fold >> 16 & 0xff);
    g_assert_cmphex(pi.mac[3], ==, fold & 0xff);
    g_assert_cmpint(memcmp(pi.mac + 4, mac + 4, 2), ==, 0);
    g_assert_cmpint(pi.rep_mac[5], ==, 3);
    g_assert_cmpint(cmd_fill(b->dpu, OPI_CMD_FUNC_GET, 1, &fi, sizeof(fi)), ==,
                    OPI_ST_OK);
    g_assert_cmpint(fi.state, ==, OPI_FUNC_ATTACHED);
    g_assert_cmpint(le16_to_cpu(fi.flags), ==,
                    OPI_FUNC_F_TRUST | OPI_FUNC_F_EXPOSE);
    g_assert_cmphex(le16_to_cpu(fi.host_bdf), ==, 0x100);
    g_assert_cmpint(cmd_fill(b->dpu, OPI_CMD_FUNC_GET, 7, &fi, sizeof(fi)), ==,
                    OPI_ST_ENOENT);
    bed_free(b);
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

static uint16_t set_mac(Side *s, uint32_t port, const uint8_t *mac)
{
    struct opi_cmd cmd = {
        .opcode = cpu_to_le16(OPI_CMD_PORT_SET_MAC),
        .target = cpu_to_le32(port),
    };

    memcpy(cmd.u.mac.mac, mac, 6);
    return le16_to_cpu(cmd_run(s, cmd).status);
}

static void test_port_settings(void)
{
    Bed *b = bed_new(BED_FAKE, "trust=off");
    static const uint8_t good[] = { 2, 1, 2, 3, 4, 5 };
    static const uint8_t multicast[] = { 3, 1, 2, 3, 4, 5 };
    static const uint8_t zero[6];
    struct opi_cmd cmd = { .opcode = cpu_to_le16(OPI_CMD_PORT_SET_STATE) };
    struct opi_port_info pi;

    side_start(b->host);
    side_start(b->dpu);
    g_assert_cmpint(set_mtu(b->host, 1, 67), ==, OPI_ST_ERANGE);
    g_assert_cmpint(set_mtu(b->host, 1, 9217), ==, OPI_ST_ERANGE);
    g_assert_cmpint(set_mtu(b->host, 1, UINT32_MAX), ==, OPI_ST_ERANGE);
    g_assert_cmpint(set_mtu(b->host, 0, 1500), ==, OPI_ST_EPERM);
    g_assert_cmpint(set_mtu(b->host, 1, 9216), ==, OPI_ST_OK);
    g_assert_cmpint(set_mtu(b->dpu, 1, 68), ==, OPI_ST_OK);
    cmd_fill(b->host, OPI_CMD_PORT_GET, 1, &pi, sizeof(pi));
    g_assert_cmpint(le32_to_cpu(pi.mtu), ==, 9216);
    cmd_fill(b->dpu, OPI_CMD_PORT_GET, 1, &pi, sizeof(pi));
    g_assert_cmpint(le32_to_cpu(pi.mtu), ==, 68);

    g_assert_cmpint(set_mac(b->host, 1, good), ==, OPI_ST_EPERM);
    g_assert_cmpint(set_mac(b->dpu, 1, multicast), ==, OPI_ST_EINVAL);
    g_assert_cmpint(set_mac(b->dpu, 1, zero), ==, OPI_ST_EINVAL);
    g_assert_cmpint(set_mac(b->dpu, 1, good), ==, OPI_ST_OK);
    cmd_fill(b->host, OPI_CMD_PORT_GET, 1, &pi, sizeof(pi));
    g_assert_cmpint(memcmp(pi.mac, good, 6), ==, 0);

    cmd.target = cpu_to_le32(1);
    cmd.u.state.up = 2;
    g_assert_cmpint(le16_to_cpu(cmd_run(b->host, cmd).status), ==,
                    OPI_ST_EINVAL);
    bed_free(b);

    b = bed_new(BED_FAKE, NULL);
    side_start(b->host);
    g_assert_cmpint(set_mac(b->host, 1, good), ==, OPI_ST_OK);
    /* MAC and MTU outlive a reset, the port's state does not. */
    g_assert_cmpint(port_state(b->host, 1, true), ==, OPI_ST_OK);
    side_start(b->host);
    cmd_fill(b->host, OPI_CMD_PORT_GET, 1, &pi, sizeof(pi));
    g_assert_cmpint(memcmp(pi.mac, good, 6), ==, 0);
    g_assert_cmpint(pi.flags & OPI_PORT_F_FUNC_UP, ==, 0);
    bed_free(b);
}

static void test_boot(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    struct opi_eqe e;
    uint32_t gen;

    side_start(b->host);
    side_start(b->dpu);
    g_assert_cmpint(boot_set(b->dpu, OPI_OS_NOT_STARTED, 0), ==, OPI_ST_EINVAL);
    g_assert_cmpint(boot_set(b->dpu, OPI_OS_HALTED, 0), ==, OPI_ST_EINVAL);
    g_assert_cmpint(boot_set(b->dpu, OPI_OS_BOOTED, 1601), ==, OPI_ST_ERANGE);
    g_assert_cmpint(boot_set(b->dpu, OPI_OS_BOOTED, 1600), ==, OPI_ST_OK);
    g_assert_cmpint(eq_wait(b->host, 0, OPI_EV_PEER).sub, ==, OPI_PEER_READY);
    e = eq_wait(b->host, 0, OPI_EV_BOOT);
    g_assert_cmpint(e.sub, ==, OPI_OS_BOOTED);
    gen = le32_to_cpu(e.value);
    g_assert_cmpint(reg_read(b->host, OPI_REG_BOOT + 4) & 0xffff, ==,
                    OPI_PLDM_OS_RUNNING << 8 | OPI_OS_BOOTED);
    g_assert_cmpint(reg_read(b->host, OPI_REG_BOOT + 8) & 0xffff, ==, 1600);

    fake_state(b->soc, OPI_LINK_SOC_PAUSED, 0);
    g_assert_cmpint(eq_wait(b->host, 0, OPI_EV_BOOT).sub, ==, OPI_OS_STALLED);
    g_assert_cmpint(reg_read(b->host, OPI_REG_PEER), ==, OPI_PEER_STALLED);
    fake_state(b->soc, OPI_LINK_SOC_RUNNING, 0);
    g_assert_cmpint(eq_wait(b->host, 0, OPI_EV_BOOT).sub, ==, OPI_OS_BOOTED);
    g_assert_cmpint(reg_read(b->host, OPI_REG_PEER), ==, OPI_PEER_READY);

    /* The driver goes: booting again, same generation. */
    fn_reset(b->dpu);
    e = eq_wait(b->host, 0, OPI_EV_BOOT);
    g_assert_cmpint(e.sub, ==, OPI_OS_BOOTING);
    g_assert_cmpint(le32_to_cpu(e.value), ==, gen);

    fake_state(b->soc, OPI_LINK_SOC_RUNNING, OPI_LINK_EVENT_RESET);
    e = eq_wait(b->host, 0, OPI_EV_BOOT);
    g_assert_cmpint(le32_to_cpu(e.value), ==, gen + 1);
    g_assert_cmpint(reg_read(b->host, OPI_REG_GENERATION), ==, gen + 1);

    fake_state(b->soc, OPI_LINK_SOC_OFF, 0);
    g_assert_cmpint(eq_wait(b->host, 0, OPI_EV_PEER).sub, ==, OPI_PEER_HALTED);
    g_assert_cmpint(eq_wait(b->host, 0, OPI_EV_BOOT).sub, ==, OPI_OS_HALTED);
    g_assert_cmpint(reg_read(b->host, OPI_REG_BOOT + 4) >> 8 & 0xff, ==,
                    OPI_PLDM_HALTED);

    fake_free(b->soc);
    b->soc = NULL;
    g_assert_cmpint(eq_wait(b->host, 0, OPI_EV_PEER).sub, ==, OPI_PEER_ABSENT);
    g_assert_cmpint(eq_wait(b->host, 0, OPI_EV_BOOT).sub, ==,
                    OPI_OS_NOT_STARTED);
    bed_fake_again(b);
    e = eq_wait(b->host, 0, OPI_EV_PEER);
    g_assert_cmpint(e.sub, ==, OPI_PEER_PRESENT);
    g_assert_cmpint(le32_to_cpu(e.value), ==, gen + 2);
    bed_free(b);
}

/* ---- Event queues and queue pairs: making them ------------------------- */

static uint16_t eq_raw(Side *s, uint32_t id, uint64_t ring, uint64_t shadow,
                       uint8_t order, uint16_t vector)
{
    struct opi_cmd cmd = {
        .opcode = cpu_to_le16(OPI_CMD_EQ_CREATE),
        .target = cpu_to_le32(id),
    };

    cmd.u.eq.ring = cpu_to_le64(ring);
    cmd.u.eq.shadow = cpu_to_le64(shadow);
    cmd.u.eq.order = order;
    cmd.u.eq.vector = cpu_to_le16(vector);
    return le16_to_cpu(cmd_run(s, cmd).status);
}

static void eq_rules_side(Side *s)
{
    uint64_t ring, shadow;

    fn_reset(s);
    aq_enable(s, 4);
    ring = side_alloc(s, 4096);
    shadow = side_alloc(s, 64);
    g_assert_cmpint(eq_raw(s, 5, ring, shadow, 4, 0), ==, OPI_ST_ERANGE);
    g_assert_cmpint(eq_raw(s, UINT32_MAX, ring, shadow, 4, 0), ==,
                    OPI_ST_ERANGE);
    g_assert_cmpint(eq_raw(s, 1, ring, shadow, 4, 5), ==, OPI_ST_ERANGE);
    g_assert_cmpint(eq_raw(s, 1, ring, shadow, 2, 1), ==, OPI_ST_EINVAL);
    g_assert_cmpint(eq_raw(s, 1, ring, shadow, 13, 1), ==, OPI_ST_EINVAL);
    g_assert_cmpint(eq_raw(s, 1, ring, shadow, 255, 1), ==, OPI_ST_EINVAL);
    g_assert_cmpint(eq_raw(s, 1, ring + 32, shadow, 4, 1), ==, OPI_ST_EINVAL);
    g_assert_cmpint(eq_raw(s, 1, ring, shadow + 8, 4, 1), ==, OPI_ST_EINVAL);
    g_assert_cmpint(eq_raw(s, 0, ring, shadow, 4, 1), ==, OPI_ST_EINVAL);
    g_assert_cmpint(cmd_status(s, OPI_CMD_EQ_DESTROY, 1), ==, OPI_ST_ENOENT);
    g_assert_cmpint(cmd_status(s, OPI_CMD_EQ_DESTROY, 5), ==, OPI_ST_ERANGE);
    /* Id and vector need not be equal; the shadow is 16-byte aligned. */
    g_assert_cmpint(eq_raw(s, 1, ring, shadow + 16, 7, 4), ==, OPI_ST_OK);
    g_assert_cmpint(eq_raw(s, 1, ring, shadow, 4, 1), ==, OPI_ST_EEXIST);
    g_assert_cmpint(cmd_status(s, OPI_CMD_EQ_DESTROY, 1), ==, OPI_ST_OK);
    g_assert_cmpint(cmd_status(s, OPI_CMD_EQ_DESTROY, 1), ==, OPI_ST_ENOENT);
}

static void test_eq_rules(void)
{
    both_sides(eq_rules_side);
}

static uint16_t qp_raw(Side *s, uint32_t id, uint64_t base, unsigned bad,
                       uint8_t sq, uint8_t rq, uint8_t cq, uint16_t eq)
{
    struct opi_cmd cmd = {
        .opcode = cpu_to_le16(OPI_CMD_QP_CREATE),
        .target = cpu_to_le32(id),
    };

    cmd.u.qp.sq = cpu_to_le64(base + (bad == 1 ? 32 : 0));
    cmd.u.qp.rq = cpu_to_le64(base + 8192 + (bad == 2 ? 32 : 0));
    cmd.u.qp.cq = cpu_to_le64(base + 16384 + (bad == 3 ? 32 : 0));
    cmd.u.qp.shadow = cpu_to_le64(base + 32768 + (bad == 4 ? 32 : 0));
    cmd.u.qp.sq_order = sq;
    cmd.u.qp.rq_order = rq;
    cmd.u.qp.cq_order = cq;
    cmd.u.qp.eq = cpu_to_le16(eq);
    return le16_to_cpu(cmd_run(s, cmd).status);
}

static void qp_rules_side(Side *s)
{
    struct opi_qp_info info;
    uint64_t base;
    unsigned i;

    side_start(s);
    base = side_alloc(s, 65536);
    g_assert_cmpint(qp_raw(s, qp_limit(s), base, 0, 4, 4, 4, 1), ==,
                    OPI_ST_ERANGE);
    g_assert_cmpint(qp_raw(s, 0, base, 0, 4, 4, 4, 2), ==, OPI_ST_ENOENT);
    g_assert_cmpint(qp_raw(s, 0, base, 0, 4, 4, 4, 0xffff), ==, OPI_ST_ENOENT);
    g_assert_cmpint(qp_raw(s, 0, base, 0, 2, 4, 4, 1), ==, OPI_ST_EINVAL);
    g_assert_cmpint(qp_raw(s, 0, base, 0, 4, 13, 13, 1), ==, OPI_ST_EINVAL);
    g_assert_cmpint(qp_raw(s, 0, base, 0, 4, 5, 4, 1), ==, OPI_ST_EINVAL);
    for (i = 1; i <= 4; i++) {
        g_assert_cmpint(qp_raw(s, 0, base, i, 4, 4, 4, 1), ==, OPI_ST_EINVAL);
    }
    g_assert_cmpint(cmd_status(s, OPI_CMD_QP_DESTROY, 0), ==, OPI_ST_ENOENT);
    g_assert_cmpint(cmd_status(s, OPI_CMD_QP_DESTROY, qp_limit(s)), ==,
                    OPI_ST_ERANGE);
    g_assert_cmpint(cmd_fill(s, OPI_CMD_QP_QUERY, 0, &info, sizeof(info)), ==,
                    OPI_ST_ENOENT);
    g_assert_cmpint(cmd_fill(s, OPI_CMD_QP_QUERY, qp_limit(s), &info,
                             sizeof(info)), ==, OPI_ST_ERANGE);
    g_assert_cmpint(qp_raw(s, 0, base, 0, 4, 4, 5, 1), ==, OPI_ST_OK);
    g_assert_cmpint(qp_raw(s, 0, base, 0, 4, 4, 4, 1), ==, OPI_ST_EEXIST);
    info = qp_info(s, 0);
    g_assert_cmpint(info.state, ==, OPI_QP_RUNNING);
    g_assert_cmpint(le16_to_cpu(info.eq), ==, 1);
    g_assert_cmpint(cmd_status(s, OPI_CMD_EQ_DESTROY, 1), ==, OPI_ST_EBUSY);
    g_assert_cmpint(cmd_status(s, OPI_CMD_QP_DESTROY, 0), ==, OPI_ST_OK);
    g_assert_cmpint(cmd_status(s, OPI_CMD_EQ_DESTROY, 1), ==, OPI_ST_OK);
}

static void test_qp_rules(void)
{
    both_sides(qp_rules_side);
}

/* ---- Traffic ----------------------------------------------------------- */

static void pass(Side *from, uint32_t port, Side *to, uint32_t port_seen,
                 size_t len, unsigned nsegs)
{
    static uint32_t seed;
    uint32_t port_got = 999;

    frame_fill(frame, len, ++seed);
    qp_send(from, 0, port, frame, len, nsegs);
    g_assert_cmpint(qp_recv(to, 0, got, sizeof(got), &port_got, 20000), ==,
                    len);
    g_assert_true(frame_ok(got, len, seed));
    g_assert_cmpint(port_got, ==, port_seen);
}

static void pass_none(Side *from, uint32_t port, Side *to, size_t len)
{
    frame_fill(frame, len, 1);
    qp_send(from, 0, port, frame, len, 1);
    qp_wait_sent(from, 0);
    g_assert_cmpint(qp_recv(to, 0, got, sizeof(got), NULL, 0), ==, 0);
}

static void test_traffic(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    static const size_t lens[] = { 14, 60, 64, 65, 1514, 1518, 1522 };
    struct opi_port_stats st;
    unsigned i, n;

    traffic_start(b->host, b->dpu);
    for (n = 1; n <= 5; n++) {
        for (i = 0; i < ARRAY_SIZE(lens); i++) {
            pass(b->host, 0, b->dpu, 1, lens[i], n);
            pass(b->dpu, 1, b->host, 0, lens[i], n);
        }
    }
    /* Many: over the ends of all rings. */
    for (i = 0; i < 200; i++) {
        pass(b->host, 0, b->dpu, 1, 60 + i, 1);
        pass(b->dpu, 1, b->host, 0, 60 + i, 1);
    }
    st = port_stats(b->host, 1);
    g_assert_cmpint(le64_to_cpu(st.tx_frames), ==, 235);
    g_assert_cmpint(le64_to_cpu(st.rx_frames), ==, 235);
    st = port_stats(b->dpu, 1);
    g_assert_cmpint(le64_to_cpu(st.tx_frames), ==, 235);
    g_assert_cmpint(le64_to_cpu(st.rx_frames), ==, 235);
    g_assert_cmpint(le64_to_cpu(st.rx_bytes), ==,
                    le64_to_cpu(port_stats(b->host, 1).tx_bytes));
    bed_free(b);
}

static void test_jumbo(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    struct opi_port_stats st;

    traffic_start(b->host, b->dpu);
    pass_none(b->host, 0, b->dpu, 1523);
    pass_none(b->dpu, 1, b->host, 1523);
    st = port_stats(b->dpu, 1);
    g_assert_cmpint(le64_to_cpu(st.rx_oversize), ==, 1);
    st = port_stats(b->host, 1);
    g_assert_cmpint(le64_to_cpu(st.rx_oversize), ==, 1);
    g_assert_cmpint(set_mtu(b->host, 1, 9000), ==, OPI_ST_OK);
    g_assert_cmpint(set_mtu(b->dpu, 1, 9000), ==, OPI_ST_OK);
    /* Buffers of 2 KiB: chained. */
    pass(b->host, 0, b->dpu, 1, 9014, 1);
    pass(b->host, 0, b->dpu, 1, 9022, 18);
    pass(b->dpu, 1, b->host, 0, 9022, 7);
    pass(b->dpu, 1, b->host, 0, 2048, 2);
    pass(b->dpu, 1, b->host, 0, 2049, 2);
    bed_free(b);
}

static void test_runts_giants(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    struct opi_port_stats st;
    unsigned i;
    Qp *q = &b->host->qps[0];

    traffic_start(b->host, b->dpu);
    pass_none(b->host, 0, b->dpu, 13);
    pass_none(b->host, 0, b->dpu, 1);
    frame_fill(frame, 65551, 1);
    qp_send(b->host, 0, 0, frame, 65551, 3);
    qp_wait_sent(b->host, 0);
    st = port_stats(b->host, 1);
    g_assert_cmpint(le64_to_cpu(st.tx_bad), ==, 3);
    /* Far larger than anything: 18 segments of 65535 bytes. */
    for (i = 0; i < 18; i++) {
        struct opi_txd d = {
            .addr = cpu_to_le64(OPI_TEST_RAM),
            .len = cpu_to_le32(65535),
            .flags = cpu_to_le16((i ? 0 : OPI_TXD_F_SOP) |
                                 (i == 17 ? OPI_TXD_F_EOP : 0)),
            .nsegs = i ? 0 : 18,
        };

        qp_post_txd(b->host, 0, &d);
    }
    qp_kick(b->host, 0);
    qp_wait_sent(b->host, 0);
    st = port_stats(b->host, 1);
    g_assert_cmpint(le64_to_cpu(st.tx_bad), ==, 4);
    g_assert_cmpint(q->sq_tail, ==, 2 + 3 + 18);
    pass(b->host, 0, b->dpu, 1, 64, 1);
    bed_free(b);
}

static void test_no_buffer(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    struct opi_port_stats st;
    unsigned i;

    traffic_start(b->host, b->dpu);
    frame_fill(frame, 100, 9);
    for (i = 0; i < 40; i++) {
        qp_send(b->host, 0, 0, frame, 100, 1);
        qp_wait_sent(b->host, 0);
    }
    st = port_stats(b->dpu, 1);
    g_assert_cmpint(le64_to_cpu(st.rx_frames), ==, 32);
    g_assert_cmpint(le64_to_cpu(st.rx_no_buffer), ==, 8);
    st = port_stats(b->host, 1);
    g_assert_cmpint(le64_to_cpu(st.tx_frames), ==, 40);
    for (i = 0; i < 32; i++) {
        g_assert_cmpint(qp_recv(b->dpu, 0, got, sizeof(got), NULL, 0), ==, 100);
    }
    g_assert_cmpint(qp_recv(b->dpu, 0, got, sizeof(got), NULL, 0), ==, 0);
    pass(b->host, 0, b->dpu, 1, 64, 1);
    bed_free(b);
}

static void test_down(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    struct opi_eqe e;

    traffic_start(b->host, b->dpu);
    pass(b->host, 0, b->dpu, 1, 64, 1);
    do {
        e = eq_wait(b->host, 0, OPI_EV_LINK);
    } while (!e.sub);

    /* The representor goes down: the host loses its carrier. */
    g_assert_cmpint(port_state(b->dpu, 1, false), ==, OPI_ST_OK);
    e = eq_wait(b->host, 0, OPI_EV_LINK);
    g_assert_cmpint(e.sub, ==, 0);
    g_assert_cmpint(le32_to_cpu(e.port), ==, 1);
    pass_none(b->host, 0, b->dpu, 64);
    pass_none(b->dpu, 1, b->host, 64);
    g_assert_cmpint(le64_to_cpu(port_stats(b->host, 1).tx_down), ==, 1);
    g_assert_cmpint(le64_to_cpu(port_stats(b->dpu, 1).tx_down), ==, 1);
    g_assert_cmpint(port_state(b->dpu, 1, true), ==, OPI_ST_OK);
    g_assert_cmpint(eq_wait(b->host, 0, OPI_EV_LINK).sub, ==, 1);

    /* The host's end: the representor loses its own. */
    while (eq_try(b->dpu, 0, &e)) {
        continue;
    }
    g_assert_cmpint(port_state(b->host, 1, false), ==, OPI_ST_OK);
    g_assert_cmpint(eq_wait(b->dpu, 0, OPI_EV_LINK).sub, ==, 0);
    pass_none(b->dpu, 1, b->host, 64);
    g_assert_cmpint(port_state(b->host, 1, true), ==, OPI_ST_OK);
    g_assert_cmpint(eq_wait(b->dpu, 0, OPI_EV_LINK).sub, ==, 1);

    /* Not booted, stalled: no carrier, nothing flows. */
    g_assert_cmpint(boot_set(b->dpu, OPI_OS_BOOTING, OPI_BOOT_TIME_KEEP), ==,
                    OPI_ST_OK);
    g_assert_cmpint(eq_wait(b->host, 0, OPI_EV_LINK).sub, ==, 0);
    pass_none(b->host, 0, b->dpu, 64);
    g_assert_cmpint(boot_set(b->dpu, OPI_OS_BOOTED, OPI_BOOT_TIME_KEEP), ==,
                    OPI_ST_OK);
    g_assert_cmpint(eq_wait(b->host, 0, OPI_EV_LINK).sub, ==, 1);
    fake_state(b->soc, OPI_LINK_SOC_PAUSED, 0);
    g_assert_cmpint(eq_wait(b->host, 0, OPI_EV_LINK).sub, ==, 0);
    pass_none(b->host, 0, b->dpu, 64);
    fake_state(b->soc, OPI_LINK_SOC_RUNNING, 0);
    g_assert_cmpint(eq_wait(b->host, 0, OPI_EV_LINK).sub, ==, 1);
    pass(b->host, 0, b->dpu, 1, 64, 1);
    bed_free(b);
}

static void test_uplink(void)
{
    Bed *b = bed_new(BED_FAKE | BED_WIRE, NULL);
    struct opi_port_stats st;
    uint32_t port;
    unsigned i;

    traffic_start(b->host, b->dpu);
    for (i = 0; i < 100; i++) {
        size_t len = 60 + i * 14;

        frame_fill(frame, len, i);
        qp_send(b->dpu, 0, 0, frame, len, 1 + i % 4);
        g_assert_cmpint(recv(b->wire, got, sizeof(got), 0), ==, len);
        g_assert_true(frame_ok(got, len, i));

        frame_fill(frame, len, i + 1000);
        g_assert_cmpint(send(b->wire, frame, len, 0), ==, len);
        g_assert_cmpint(qp_recv(b->dpu, 0, got, sizeof(got), &port, 20000), ==,
                        len);
        g_assert_true(frame_ok(got, len, i + 1000));
        g_assert_cmpint(port, ==, 0);
    }
    st = port_stats(b->dpu, 0);
    g_assert_cmpint(le64_to_cpu(st.tx_frames), ==, 100);
    g_assert_cmpint(le64_to_cpu(st.rx_frames), ==, 100);

    /* The card goes on while the host's VM is stopped. */
    qtest_qmp_assert_success(b->hostq, "{'execute': 'stop'}");
    frame_fill(frame, 200, 7);
    qp_send(b->dpu, 0, 0, frame, 200, 1);
    g_assert_cmpint(recv(b->wire, got, sizeof(got), 0), ==, 200);
    g_assert_cmpint(send(b->wire, frame, 200, 0), ==, 200);
    g_assert_cmpint(qp_recv(b->dpu, 0, got, sizeof(got), &port, 20000), ==,
                    200);
    qtest_qmp_assert_success(b->hostq, "{'execute': 'cont'}");

    /* The wire breaks. */
    card_set_bool(b, "fault-uplink-down", true);
    pass_none(b->dpu, 0, b->host, 64);
    st = port_stats(b->dpu, 0);
    g_assert_cmpint(le64_to_cpu(st.tx_down), ==, 1);
    card_set_bool(b, "fault-uplink-down", false);
    qp_send(b->dpu, 0, 0, frame, 200, 1);
    g_assert_cmpint(recv(b->wire, got, sizeof(got), 0), ==, 200);
    bed_free(b);
}

/* ---- Notifications ----------------------------------------------------- */

#define SHADOW(q, word) ((q)->shadow + offsetof(struct opi_qp_shadow, word))

static void test_notify(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    Side *d, *h;
    struct opi_eqe e;
    unsigned i;

    traffic_start(b->host, b->dpu);
    d = b->dpu;
    h = b->host;

    /* cq_arm = 0: the first completion; none for the next ones. */
    pass(h, 0, d, 1, 64, 1);
    e = eq_wait(d, 1, OPI_EV_QP);
    g_assert_cmpint(le16_to_cpu(e.queue), ==, 0);
    g_assert_cmpint(le32_to_cpu(e.seq), ==, 0);
    irq_wait(d, 1);
    pass(h, 0, d, 1, 64, 1);
    pass(h, 0, d, 1, 64, 1);
    g_assert_false(eq_try(d, 1, &e));

    /* Armed for three later: silence until then. */
    mem_st32(d, SHADOW(&d->qps[0], cq_arm), d->qps[0].cq_head + 2);
    eq_arm(d, 1);
    irq_taken(d, 1);
    pass(h, 0, d, 1, 64, 1);
    pass(h, 0, d, 1, 64, 1);
    g_assert_false(eq_try(d, 1, &e));
    g_assert_false(irq_taken(d, 1));
    pass(h, 0, d, 1, 64, 1);
    eq_wait(d, 1, OPI_EV_QP);
    irq_wait(d, 1);

    /* The event without the interrupt: not armed. */
    mem_st32(d, SHADOW(&d->qps[0], cq_arm), d->qps[0].cq_head);
    pass(h, 0, d, 1, 64, 1);
    eq_wait(d, 1, OPI_EV_QP);
    g_assert_false(irq_taken(d, 1));

    /* Sent descriptors on the host's side. */
    eq_arm(h, 1);
    while (eq_try(h, 1, &e)) {
        continue;
    }
    mem_st32(h, SHADOW(&h->qps[0], sq_arm), h->qps[0].sq_tail);
    eq_arm(h, 1);
    irq_taken(h, 1);
    pass(h, 0, d, 1, 64, 1);
    e = eq_wait(h, 1, OPI_EV_QP);
    g_assert_cmpint(le16_to_cpu(e.queue), ==, 0);
    irq_wait(h, 1);

    /* One notification for a batch. */
    mem_st32(d, SHADOW(&d->qps[0], cq_arm), d->qps[0].cq_head);
    for (i = 0; i < 10; i++) {
        struct opi_txd t = {
            .addr = cpu_to_le64(OPI_TEST_RAM),
            .len = cpu_to_le32(64),
            .flags = cpu_to_le16(OPI_TXD_F_SOP | OPI_TXD_F_EOP),
            .nsegs = 1,
        };

        qp_post_txd(h, 0, &t);
    }
    qp_kick(h, 0);
    qp_wait_sent(h, 0);
    eq_wait(d, 1, OPI_EV_QP);
    g_assert_false(eq_try(d, 1, &e));
    bed_free(b);
}

static void test_kick(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    Side *h, *d;
    Qp *q;
    struct opi_txd t[3] = {
        { .len = cpu_to_le32(40), .nsegs = 3,
          .flags = cpu_to_le16(OPI_TXD_F_SOP) },
        { .len = cpu_to_le32(40) },
        { .len = cpu_to_le32(40), .flags = cpu_to_le16(OPI_TXD_F_EOP) },
    };
    unsigned i;

    traffic_start(b->host, b->dpu);
    h = b->host;
    d = b->dpu;
    q = &h->qps[0];
    pass(h, 0, d, 1, 64, 1);
    /* Idle: kick me at what I have not seen. */
    g_assert_cmpint(mem_ld32(h, SHADOW(q, sq_kick)), ==, q->sq_tail);

    /* A frame in pieces: not touched before its last one is there. */
    for (i = 0; i < 3; i++) {
        t[i].addr = cpu_to_le64(OPI_TEST_RAM + i * 40);
    }
    qp_post_txd(h, 0, &t[0]);
    qp_post_txd(h, 0, &t[1]);
    qp_kick(h, 0);
    g_assert_cmpint(mem_ld32(h, SHADOW(q, sq_head)), ==, q->sq_tail - 2);
    g_assert_cmpint(mem_ld32(h, SHADOW(q, sq_kick)), ==, q->sq_tail);
    g_assert_cmpint(qp_recv(d, 0, got, sizeof(got), NULL, 0), ==, 0);
    qp_post_txd(h, 0, &t[2]);
    qp_kick(h, 0);
    qp_wait_sent(h, 0);
    g_assert_cmpint(qp_recv(d, 0, got, sizeof(got), NULL, 20000), ==, 120);

    /* A doorbell of a queue that is not there, and of no queue at all. */
    doorbell(h, 3, 0, 5);
    doorbell(h, 3, 4, 5);
    doorbell(h, 1, 8, 5);
    pass(h, 0, d, 1, 64, 1);
    bed_free(b);
}

/* A frame for a port that is not there is used up, nobody has to take it. */
static void look_post(Side *d)
{
    struct opi_txd t = {
        .addr = cpu_to_le64(d->ram), .len = cpu_to_le32(64), .nsegs = 1,
        .port = cpu_to_le32(9999),
        .flags = cpu_to_le16(OPI_TXD_F_SOP | OPI_TXD_F_EOP),
    };

    qp_post_txd(d, 0, &t);
}

/* Without a sleep, so that the next frame follows closely. */
static void look_wait_sent(Side *d)
{
    Qp *q = &d->qps[0];
    unsigned i;

    for (i = 0; i < 10000; i++) {
        if (mem_ld32(d, SHADOW(q, sq_head)) == q->sq_tail) {
            return;
        }
    }
    qp_wait_sent(d, 0);
}

/* Frame after frame, each when the last one is away: how many took a kick. */
static unsigned look_series(Side *d, unsigned frames)
{
    Qp *q = &d->qps[0];
    unsigned i, kicks = 0;

    for (i = 0; i < frames; i++) {
        uint32_t old = q->sq_tail, kick;
        int64_t then = g_get_monotonic_time() + 20;

        while (g_get_monotonic_time() < then) {
            continue;
        }
        look_post(d);
        mem_st32(d, SHADOW(q, sq_tail), q->sq_tail);
        /* The tail must be seen before the kick index is looked at. */
        smp_mb();
        kick = mem_ld32(d, SHADOW(q, sq_kick));
        if (OPI_NEED_EVENT(kick, q->sq_tail, old)) {
            qp_kick(d, 0);
            kicks++;
        }
        look_wait_sent(d);
    }
    g_test_message("%u frames, %u kicks", frames, kicks);
    return kicks;
}

/*
 * The card has had time to ask for a kick when the DPU's next frame comes.
 * That it does not, but looks again.
 */
static void test_look(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    unsigned i, frames = 4000;
    Side *d;
    Qp *q;

    traffic_start(b->host, b->dpu);
    d = b->dpu;
    q = &d->qps[0];
    /*
     * A busy machine breaks the series now and then, one with other things to
     * do most of it: it has to hold once in four times.  A card that does
     * not look again takes a kick for each frame of each.
     */
    for (i = 0; i < 4; i++) {
        if (look_series(d, frames) < frames * 3 / 4) {
            break;
        }
    }
    g_assert_cmpint(i, <, 4);

    /* Nothing comes: it asks for the next kick. */
    for (i = 0; i < 1000 && mem_ld32(d, SHADOW(q, sq_kick)) != q->sq_tail;
         i++) {
        g_usleep(20000);
    }
    g_assert_cmpint(mem_ld32(d, SHADOW(q, sq_kick)), ==, q->sq_tail);
    bed_free(b);
}

static void test_events_lost(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    Side *d;
    struct opi_eqe e;
    uint32_t seq = 0, lost = 0, seen = 0;
    unsigned i;

    fn_reset(b->dpu);
    aq_enable(b->dpu, 4);
    d = b->dpu;
    g_assert_cmpint(eq_create(d, 0, 3, 0), ==, OPI_ST_OK);
    side_start(b->host);
    /* Every change of the host's end is a LINK event for the DPU. */
    for (i = 0; i < 30; i++) {
        g_assert_cmpint(port_state(b->host, 1, !(i & 1)), ==, OPI_ST_OK);
    }
    for (;;) {
        uint32_t n;

        if (!eq_try(d, 0, &e)) {
            fake_pump(b->soc, 100, NULL);
            if (!eq_try(d, 0, &e)) {
                break;
            }
        }
        n = le32_to_cpu(e.seq);
        g_assert_cmpint(n, >, seq);
        if (e.type == OPI_EV_LOST) {
            g_assert_cmpint(le32_to_cpu(e.value), ==, n - seq - 1);
            lost += le32_to_cpu(e.value);
        } else {
            g_assert_cmpint(n, ==, seq + 1);
            seen++;
        }
        seq = n;
    }
    g_assert_cmpint(lost, >, 0);
    g_assert_cmpint(seen + lost, >=, 30);
    g_assert_cmpint(port_state(b->host, 1, true), ==, OPI_ST_OK);
    g_assert_cmpint(eq_wait(d, 0, OPI_EV_LINK).sub, ==, 1);
    bed_free(b);
}

static void test_notify_held(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    Side *d;
    struct opi_eqe e;
    unsigned i, n = 0;

    traffic_start(b->host, b->dpu);
    d = b->dpu;
    g_assert_cmpint(eq_create(d, 2, 3, 2), ==, OPI_ST_OK);
    g_assert_cmpint(cmd_status(d, OPI_CMD_QP_DESTROY, 0), ==, OPI_ST_OK);
    g_assert_cmpint(qp_create(d, 0, 5, 2, 2048), ==, OPI_ST_OK);
    qp_post_rx(d, 0, 32);
    /* Eight fit, the ninth is held back until there is room. */
    for (i = 0; i < 9; i++) {
        mem_st32(d, SHADOW(&d->qps[0], cq_arm), d->qps[0].cq_head);
        pass(b->host, 0, d, 1, 64, 1);
    }
    while (n < 9) {
        e = eq_wait(d, 2, OPI_EV_QP);
        n++;
    }
    fake_pump(b->soc, 50, NULL);
    g_assert_false(eq_try(d, 2, &e));
    bed_free(b);
}

/* ---- What is malformed ------------------------------------------------- */

static void expect_error(Side *s, uint8_t error)
{
    struct opi_eqe e = eq_wait(s, 0, OPI_EV_QP_ERROR);
    struct opi_qp_info info = qp_info(s, 0);

    g_assert_cmpint(e.sub, ==, error);
    g_assert_cmpint(le16_to_cpu(e.queue), ==, 0);
    g_assert_cmpint(info.state, ==, OPI_QP_ERROR);
    g_assert_cmpint(info.error, ==, error);
}

static void bad_txd(Bed *b, Side *s, const struct opi_txd *d, unsigned n)
{
    unsigned i;

    traffic_start(b->host, b->dpu);
    for (i = 0; i < n; i++) {
        struct opi_txd t = d[i];

        t.addr = cpu_to_le64(OPI_TEST_RAM);
        qp_post_txd(s, 0, &t);
    }
    qp_kick(s, 0);
    expect_error(s, OPI_QP_ERR_TXD);
}

static void malformed_txd(Bed *b, Side *s)
{
    struct opi_txd good = {
        .len = cpu_to_le32(64),
        .flags = cpu_to_le16(OPI_TXD_F_SOP | OPI_TXD_F_EOP),
        .nsegs = 1,
        .port = cpu_to_le32(s->role == OPI_ROLE_DPU ? 1 : 0),
    };
    struct opi_txd d[2];
    unsigned bit;

#define BAD(change) do { d[0] = good; change; bad_txd(b, s, d, 1); } while (0)
    BAD(d[0].len = 0);
    BAD(d[0].len = cpu_to_le32(65536));
    BAD(d[0].len = cpu_to_le32(UINT32_MAX));
    BAD(d[0].nsegs = 0);
    BAD(d[0].nsegs = 19);
    BAD(d[0].nsegs = 255);
    BAD(d[0].flags = 0);
    BAD(d[0].flags = cpu_to_le16(OPI_TXD_F_EOP));
    BAD(d[0].flags = cpu_to_le16(OPI_TXD_F_SOP));
    /* From the reserved one on; those before are in opi-offload-test.c. */
    for (bit = 5; bit < 16; bit++) {
        BAD(d[0].flags |= cpu_to_le16(1 << bit));
    }
    BAD(d[0].gso_type = 0xff);
    BAD(d[0].rsvd = 1);
    if (s->role != OPI_ROLE_DPU) {
        BAD(d[0].port = cpu_to_le32(2));
        BAD(d[0].port = cpu_to_le32(UINT32_MAX));
    }
#undef BAD
    /* Two segments, the second wrong. */
#define BAD(change) do {                                                \
        d[0] = good;                                                    \
        d[0].nsegs = 2;                                                 \
        d[0].flags = cpu_to_le16(OPI_TXD_F_SOP);                        \
        d[1] = (struct opi_txd) { .len = cpu_to_le32(64),               \
                                  .flags = cpu_to_le16(OPI_TXD_F_EOP) }; \
        change;                                                         \
        bad_txd(b, s, d, 2);                                            \
    } while (0)
    BAD(d[1].flags = 0);
    BAD(d[1].flags |= cpu_to_le16(OPI_TXD_F_SOP));
    BAD(d[1].nsegs = 1);
    BAD(d[1].len = 0);
    BAD(d[1].rsvd = 1);
    BAD(d[1].flags |= cpu_to_le16(OPI_TXD_F_CQE));
    BAD(d[0].flags |= cpu_to_le16(OPI_TXD_F_EOP));
#undef BAD
}

static void test_malformed_txd_host(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);

    malformed_txd(b, b->host);
    bed_free(b);
}

static void test_malformed_txd_dpu(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);

    malformed_txd(b, b->dpu);
    bed_free(b);
}

/* Its port may have gone since the DPU wrote it: others' frames go on. */
static void test_no_port(void)
{
    static const uint32_t ports[] = { 2, 77, UINT32_MAX };
    Bed *b = bed_new(BED_FAKE, NULL);
    unsigned i;

    traffic_start(b->host, b->dpu);
    for (i = 0; i < ARRAY_SIZE(ports); i++) {
        struct opi_txd d = {
            .addr = cpu_to_le64(OPI_TEST_RAM),
            .len = cpu_to_le32(64),
            .flags = cpu_to_le16(OPI_TXD_F_SOP),
            .nsegs = 2,
            .port = cpu_to_le32(ports[i]),
        };

        qp_post_txd(b->dpu, 0, &d);
        d.flags = cpu_to_le16(OPI_TXD_F_EOP);
        d.nsegs = 0;
        d.port = 0;
        qp_post_txd(b->dpu, 0, &d);
        qp_kick(b->dpu, 0);
        pass(b->dpu, 1, b->host, 0, 64, 1 + i);
    }
    g_assert_cmpint(qp_info(b->dpu, 0).state, ==, OPI_QP_RUNNING);
    bed_free(b);
}

static void bad_rxd(Bed *b, const struct opi_rxd *d, uint8_t error)
{
    Side *s;

    traffic_start(b->host, b->dpu);
    s = b->dpu;
    mem_write(s, s->qps[0].rq, d, sizeof(*d));
    frame_fill(frame, 64, 1);
    qp_send(b->host, 0, 0, frame, 64, 1);
    expect_error(s, error);
    /* The sender goes on, and so does the receiver with a new queue pair. */
    g_assert_cmpint(qp_info(b->host, 0).state, ==, OPI_QP_RUNNING);
    g_assert_cmpint(le64_to_cpu(port_stats(s, 1).rx_down), >, 0);
    g_assert_cmpint(cmd_status(s, OPI_CMD_QP_DESTROY, 0), ==, OPI_ST_OK);
    g_assert_cmpint(qp_create(s, 0, 5, 1, 2048), ==, OPI_ST_OK);
    qp_post_rx(s, 0, 32);
    pass(b->host, 0, s, 1, 64, 1);
}

static void test_malformed_rxd(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    struct opi_rxd good = {
        .addr = cpu_to_le64(OPI_TEST_RAM), .len = cpu_to_le32(2048)
    };
    struct opi_rxd d;

    d = good, d.len = 0, bad_rxd(b, &d, OPI_QP_ERR_RXD);
    d = good, d.len = cpu_to_le32(63), bad_rxd(b, &d, OPI_QP_ERR_RXD);
    d = good, d.len = cpu_to_le32(65536), bad_rxd(b, &d, OPI_QP_ERR_RXD);
    d = good, d.rsvd = 1, bad_rxd(b, &d, OPI_QP_ERR_RXD);
    d = good, d.addr = cpu_to_le64(OPI_TEST_NOWHERE);
    bad_rxd(b, &d, OPI_QP_ERR_DMA);
    bed_free(b);
}

static void test_malformed_index(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    Side *d, *h;

    traffic_start(b->host, b->dpu);
    h = b->host;
    d = b->dpu;
    mem_st32(h, SHADOW(&h->qps[0], sq_tail), 33);
    doorbell(h, 1, 0, 33);
    expect_error(h, OPI_QP_ERR_INDEX);

    traffic_start(h, d);
    mem_st32(h, SHADOW(&h->qps[0], sq_tail), UINT32_MAX);
    doorbell(h, 1, 0, 0);
    expect_error(h, OPI_QP_ERR_INDEX);

    traffic_start(h, d);
    mem_st32(d, SHADOW(&d->qps[0], rq_tail), 33);
    qp_send(h, 0, 0, frame, 64, 1);
    expect_error(d, OPI_QP_ERR_INDEX);

    /* cq_head before what was completed, looked at when the ring seems full. */
    traffic_start(h, d);
    for (unsigned i = 0; i < 32; i++) {
        qp_send(h, 0, 0, frame, 64, 1);
        qp_wait_sent(h, 0);
    }
    mem_st32(d, SHADOW(&d->qps[0], cq_head), 40);
    mem_st32(d, SHADOW(&d->qps[0], rq_tail), 64);
    qp_send(h, 0, 0, frame, 64, 1);
    expect_error(d, OPI_QP_ERR_INDEX);
    bed_free(b);
}

static void test_malformed_dma(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    struct opi_txd t = {
        .addr = cpu_to_le64(OPI_TEST_NOWHERE),
        .len = cpu_to_le32(64),
        .flags = cpu_to_le16(OPI_TXD_F_SOP | OPI_TXD_F_EOP),
        .nsegs = 1,
    };
    Side *sides[2];
    unsigned i;

    sides[0] = b->host;
    sides[1] = b->dpu;
    for (i = 0; i < 2; i++) {
        Side *s = sides[i];

        /* Sent from nowhere, from the end of memory, from registers. */
        static const uint64_t addrs[] = {
            OPI_TEST_NOWHERE, OPI_TEST_BAR0, UINT64_MAX - 10, 0x3ffffe0,
        };
        unsigned k;

        for (k = 0; k < ARRAY_SIZE(addrs); k++) {
            traffic_start(b->host, b->dpu);
            t.addr = cpu_to_le64(addrs[k]);
            t.port = cpu_to_le32(s->role == OPI_ROLE_DPU ? 1 : 0);
            qp_post_txd(s, 0, &t);
            qp_kick(s, 0);
            expect_error(s, OPI_QP_ERR_DMA);
            g_assert_cmpint(qp_info(sides[!i], 0).state, ==, OPI_QP_RUNNING);
        }
    }
    bed_free(b);
}

/*
 * A host that aims the card at the card: buffers in its registers, interrupt
 * messages into its doorbells and into its own config space (a reset).  The
 * card works for the DPU here, so no guard of QEMU's own is in the way.
 */
static void test_malformed_self(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    struct opi_rxd d = {
        .addr = cpu_to_le64(OPI_TEST_BAR0), .len = cpu_to_le32(2048)
    };
    static const uint64_t targets[] = {
        OPI_TEST_BAR2, OPI_TEST_BAR2 + 4096, OPI_TEST_BAR0 + OPI_REG_DEV_CTRL,
    };
    unsigned i;

    traffic_start(b->host, b->dpu);
    mem_write(b->host, b->host->qps[0].rq, &d, sizeof(d));
    frame_fill(frame, 64, 1);
    qp_send(b->dpu, 0, 1, frame, 64, 1);
    expect_error(b->host, OPI_QP_ERR_DMA);

    for (i = 0; i < ARRAY_SIZE(targets); i++) {
        traffic_start(b->host, b->dpu);
        qtest_writel(b->hostq, OPI_TEST_BAR4 + 16, targets[i]);
        qtest_writel(b->hostq, OPI_TEST_BAR4 + 24, 0x10001);
        pass(b->dpu, 1, b->host, 0, 64, 1);
        eq_wait(b->host, 1, OPI_EV_QP);
        g_assert_cmpint(reg_read(b->host, OPI_REG_AQ_STATUS), ==,
                        OPI_AQ_STATUS_ENABLED);
    }
    /* ECAM: DEVCTL of the function, with the bit that resets it. */
    traffic_start(b->host, b->dpu);
    qtest_writel(b->hostq, OPI_TEST_BAR4 + 16, 0xb01000a8);
    qtest_writel(b->hostq, OPI_TEST_BAR4 + 24, 0x8000);
    qp_send(b->dpu, 0, 1, frame, 64, 1);
    qp_wait_sent(b->dpu, 0);
    opi_pci_setup(b->hostq);
    g_assert_cmpint(reg_read(b->host, OPI_REG_AQ_STATUS), ==, 0);
    traffic_start(b->host, b->dpu);
    bed_free(b);
}

#define ROOT_PORT       (4 << 3)        /* devfn */

/* Bridge Control of the port above: a reset, of which the DPU hears. */
static void test_bridge_self(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);

    traffic_start(b->host, b->dpu);
    frame_fill(frame, 64, 1);
    qtest_writel(b->hostq, OPI_TEST_BAR4 + 16,
                 0xb0000000 + (ROOT_PORT << 12) + 0x3c);
    qtest_writel(b->hostq, OPI_TEST_BAR4 + 24, PCI_BRIDGE_CTL_BUS_RESET << 16);
    qp_send(b->dpu, 0, 1, frame, 64, 1);
    qp_wait_sent(b->dpu, 0);
    eq_wait(b->dpu, 0, OPI_EV_HOST_RESET);
    cfg_writew(b->hostq, 0, ROOT_PORT, PCI_BRIDGE_CONTROL, 0);
    opi_pci_setup(b->hostq);
    g_assert_cmpint(reg_read(b->host, OPI_REG_AQ_STATUS), ==, 0);
    traffic_start(b->host, b->dpu);
    bed_free(b);
}

/*
 * Interrupts that are aimed at the slot, and switch it off: the function is
 * gone while the card is at work for it.  ECAM: Slot Control of the port.
 */
static void unplug_by(unsigned vector, void (*cause)(Bed *b))
{
    Bed *b = bed_new(BED_FAKE, NULL);
    unsigned cap = cfg_readl(b->hostq, 0, ROOT_PORT,
                             PCI_CAPABILITY_LIST) & 0xff;
    struct opi_eqe e;
    uint32_t word;
    unsigned i;

    for (;; cap = word >> 8 & 0xff) {
        g_assert_cmpint(cap, !=, 0);
        word = cfg_readl(b->hostq, 0, ROOT_PORT, cap);
        if ((word & 0xff) == PCI_CAP_ID_EXP) {
            break;
        }
    }
    traffic_start(b->host, b->dpu);
    cfg_writew(b->hostq, 0, ROOT_PORT, cap + PCI_EXP_SLTCTL,
               PCI_EXP_SLTCTL_PWR_IND_ON);
    qtest_writel(b->hostq, OPI_TEST_BAR4 + 16 * vector,
                 0xb0000000 + (ROOT_PORT << 12) + cap + PCI_EXP_SLTCTL);
    qtest_writel(b->hostq, OPI_TEST_BAR4 + 16 * vector + 8,
                 PCI_EXP_SLTCTL_PCC | PCI_EXP_SLTCTL_PWR_IND_OFF);
    while (eq_try(b->host, vector, &e)) {
        continue;
    }
    eq_arm(b->host, vector);
    cause(b);
    for (i = 0; i < 1000 && cfg_readl(b->hostq, 1, 0, 0) != UINT32_MAX; i++) {
        fake_pump(b->soc, 10, NULL);
    }
    g_assert_cmphex(cfg_readl(b->hostq, 1, 0, 0), ==, UINT32_MAX);
    /* The card has lost its function, and lives. */
    g_assert_cmpint(port_state(b->dpu, 1, false), ==, OPI_ST_OK);
    g_assert_cmpint(port_state(b->dpu, 1, true), ==, OPI_ST_OK);
    bed_free(b);
}

static void unplug_by_frame(Bed *b)
{
    frame_fill(frame, 64, 1);
    qp_send(b->dpu, 0, 1, frame, 64, 1);
    qp_wait_sent(b->dpu, 0);
}

/* The event comes before the completion. */
static void unplug_by_command(Bed *b)
{
    struct opi_cmd cmd = {
        .opcode = cpu_to_le16(OPI_CMD_PORT_SET_MAC),
        .target = cpu_to_le32(1),
        .u.mac.mac = { 2, 1, 2, 3, 4, 5 },
    };

    cmd_post(b->host, &cmd);
}

/* Of the DPU's, not of the function's own. */
static void unplug_by_port(Bed *b)
{
    g_assert_cmpint(port_state(b->dpu, 1, false), ==, OPI_ST_OK);
}

static void test_unplug_self(void)
{
    unplug_by(1, unplug_by_frame);
    unplug_by(0, unplug_by_command);
    unplug_by(0, unplug_by_port);
}

/* A ring that cannot be reached: created without a look, stops at first use. */
static void test_ring_nowhere(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    struct opi_cmd cmd = { .opcode = cpu_to_le16(OPI_CMD_QP_CREATE) };

    side_start(b->host);
    side_start(b->dpu);
    cmd.u.qp.sq = cpu_to_le64(OPI_TEST_NOWHERE);
    cmd.u.qp.rq = cpu_to_le64(OPI_TEST_NOWHERE);
    cmd.u.qp.cq = cpu_to_le64(OPI_TEST_NOWHERE);
    cmd.u.qp.shadow = cpu_to_le64(OPI_TEST_NOWHERE);
    cmd.u.qp.sq_order = cmd.u.qp.rq_order = cmd.u.qp.cq_order = 4;
    cmd.u.qp.eq = cpu_to_le16(1);
    g_assert_cmpint(le16_to_cpu(cmd_run(b->host, cmd).status), ==, OPI_ST_OK);
    doorbell(b->host, 1, 0, 1);
    expect_error(b->host, OPI_QP_ERR_DMA);
    g_assert_cmpint(le16_to_cpu(cmd_run(b->dpu, cmd).status), ==, OPI_ST_OK);
    doorbell(b->dpu, 1, 0, 1);
    expect_error(b->dpu, OPI_QP_ERR_DMA);
    bed_free(b);
}

/* Random rings: whatever happens, the card answers afterwards. */
static void test_random(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    uint32_t seed = g_test_rand_int();
    g_autoptr(GRand) r = g_rand_new_with_seed(seed);
    unsigned round, i;

    g_test_message("seed %u", seed);
    for (round = 0; round < 60; round++) {
        Side *s = round & 1 ? b->host : b->dpu;

        traffic_start(b->host, b->dpu);
        for (i = 0; i < 200; i++) {
            uint32_t word = g_rand_int(r);
            uint64_t at;

            switch (g_rand_int_range(r, 0, 4)) {
            case 0:
                at = s->qps[0].sq + g_rand_int_range(r, 0, 256) * 4;
                break;
            case 1:
                at = s->qps[0].rq + g_rand_int_range(r, 0, 128) * 4;
                break;
            case 2:
                at = s->qps[0].shadow + g_rand_int_range(r, 0, 32) * 4;
                word %= 40;
                break;
            default:
                at = s->eqs[1].shadow + g_rand_int_range(r, 0, 4) * 4;
                break;
            }
            if (g_rand_int_range(r, 0, 3)) {
                word &= 0x00ff00ff;
            }
            mem_st32(s, at, word);
            if (!(i % 10)) {
                doorbell(s, 1, 0, word);
                doorbell(b->host, 1, 0, word);
            }
        }
        g_assert_cmpint(cmd_status(b->host, OPI_CMD_NOP, 0), ==, OPI_ST_OK);
        g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_NOP, 0), ==, OPI_ST_OK);
    }
    traffic_start(b->host, b->dpu);
    pass(b->host, 0, b->dpu, 1, 64, 1);
    pass(b->dpu, 1, b->host, 0, 64, 1);
    bed_free(b);
}

/* ---- Resets, power ----------------------------------------------------- */

static void test_flr(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    struct opi_eqe e;

    traffic_start(b->host, b->dpu);
    pass(b->host, 0, b->dpu, 1, 64, 1);
    while (eq_try(b->dpu, 0, &e)) {
        continue;
    }
    pci_flr(b->hostq, 0);
    opi_pci_setup(b->hostq);
    g_assert_cmphex(reg_read(b->host, OPI_REG_DEV_STATUS), ==,
                    OPI_DEV_STATUS_READY);
    g_assert_cmpint(reg_read(b->host, OPI_REG_AQ_STATUS), ==, 0);
    g_assert_cmpint(eq_wait(b->dpu, 0, OPI_EV_PEER).sub, ==, OPI_PEER_PRESENT);
    g_assert_cmpint(eq_wait(b->dpu, 0, OPI_EV_FUNC).sub, ==, OPI_FUNC_EXPOSED);
    g_assert_cmpint(eq_wait(b->dpu, 0, OPI_EV_LINK).sub, ==, 0);
    /* The DPU's queues stay. */
    g_assert_cmpint(qp_info(b->dpu, 0).state, ==, OPI_QP_RUNNING);
    traffic_start(b->host, b->dpu);
    pass(b->host, 0, b->dpu, 1, 64, 1);
    bed_free(b);
}

static void host_reset(QTestState *q)
{
    qtest_system_reset_nowait(q);
    qtest_qmp_eventwait(q, "RESET");
}

/* Events of resets that the DPU gets until the host's driver is there again. */
static unsigned host_resets(Bed *b)
{
    unsigned n = 0;
    struct opi_eqe e;

    side_free(b->host);
    b->host = side_pci(b->hostq, OPI_ROLE_HOST_PF);
    side_start(b->host);
    do {
        while (!eq_try(b->dpu, 0, &e)) {
            fake_pump(b->soc, 10, NULL);
        }
        n += e.type == OPI_EV_HOST_RESET;
    } while (e.type != OPI_EV_PEER || e.sub != OPI_PEER_READY);
    return n;
}

/* One event, however often firmware resets its machine before it is used. */
static void test_host_reset_again(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    uint32_t gen = reg_read(b->host, OPI_REG_GENERATION);

    traffic_start(b->host, b->dpu);
    host_reset(b->hostq);
    g_assert_cmpint(host_resets(b), ==, 1);
    host_reset(b->hostq);
    host_reset(b->hostq);
    host_reset(b->hostq);
    g_assert_cmpint(host_resets(b), ==, 1);
    /* Used by no driver, but configured: that is another. */
    host_reset(b->hostq);
    opi_pci_setup(b->hostq);
    host_reset(b->hostq);
    g_assert_cmpint(host_resets(b), ==, 2);
    /* That of the function alone is none, and hides none. */
    pci_flr(b->hostq, 0);
    g_assert_cmpint(host_resets(b), ==, 0);
    pci_flr(b->hostq, 0);
    host_reset(b->hostq);
    g_assert_cmpint(host_resets(b), ==, 1);
    /* Off and on: when it is on again. */
    guest_power_off(b->hostq);
    host_reset(b->hostq);
    qtest_qmp_assert_success(b->hostq, "{'execute': 'cont'}");
    host_reset(b->hostq);
    g_assert_cmpint(host_resets(b), ==, 1);
    g_assert_cmpint(reg_read(b->host, OPI_REG_GENERATION), ==, gen);
    bed_free(b);
}

static void test_host_reset(void)
{
    Bed *b = bed_new(BED_FAKE | BED_WIRE, NULL);
    uint32_t gen = reg_read(b->host, OPI_REG_GENERATION);
    uint32_t port;
    struct opi_eqe e;

    traffic_start(b->host, b->dpu);
    while (eq_try(b->dpu, 0, &e)) {
        continue;
    }
    qtest_system_reset_nowait(b->hostq);
    eq_wait(b->dpu, 0, OPI_EV_HOST_RESET);
    g_assert_cmpint(eq_wait(b->dpu, 0, OPI_EV_PEER).sub, ==, OPI_PEER_PRESENT);
    qtest_qmp_eventwait(b->hostq, "RESET");
    /* The DPU goes on. */
    frame_fill(frame, 100, 3);
    g_assert_cmpint(send(b->wire, frame, 100, 0), ==, 100);
    g_assert_cmpint(qp_recv(b->dpu, 0, got, sizeof(got), &port, 20000), ==,
                    100);
    side_free(b->host);
    b->host = side_pci(b->hostq, OPI_ROLE_HOST_PF);
    g_assert_cmpint(reg_read(b->host, OPI_REG_GENERATION), ==, gen);
    traffic_start(b->host, b->dpu);
    pass(b->host, 0, b->dpu, 1, 64, 1);

    while (eq_try(b->dpu, 0, &e)) {
        continue;
    }
    qtest_qmp_assert_success(b->hostq, "{'execute': 'stop'}");
    g_assert_cmpint(eq_wait(b->dpu, 0, OPI_EV_PEER).sub, ==, OPI_PEER_STALLED);
    qtest_qmp_assert_success(b->hostq, "{'execute': 'cont'}");
    g_assert_cmpint(eq_wait(b->dpu, 0, OPI_EV_PEER).sub, ==, OPI_PEER_READY);

    /* Off: as if the power had gone, the card stays. */
    guest_power_off(b->hostq);
    g_assert_cmpint(eq_wait(b->dpu, 0, OPI_EV_PEER).sub, ==, OPI_PEER_ABSENT);
    e = eq_wait(b->dpu, 0, OPI_EV_LINK);
    g_assert_cmpint(e.sub, ==, 0);
    g_assert_cmpint(le32_to_cpu(e.port), ==, 1);
    frame_fill(frame, 100, 4);
    g_assert_cmpint(send(b->wire, frame, 100, 0), ==, 100);
    g_assert_cmpint(qp_recv(b->dpu, 0, got, sizeof(got), &port, 20000), ==,
                    100);
    qp_send(b->dpu, 0, 0, frame, 100, 1);
    g_assert_cmpint(recv(b->wire, got, sizeof(got), 0), ==, 100);

    /* Powered up again. */
    qtest_system_reset_nowait(b->hostq);
    eq_wait(b->dpu, 0, OPI_EV_HOST_RESET);
    qtest_qmp_assert_success(b->hostq, "{'execute': 'cont'}");
    g_assert_cmpint(eq_wait(b->dpu, 0, OPI_EV_PEER).sub, ==, OPI_PEER_PRESENT);
    side_free(b->host);
    b->host = side_pci(b->hostq, OPI_ROLE_HOST_PF);
    traffic_start(b->host, b->dpu);
    pass(b->host, 0, b->dpu, 1, 64, 1);
    bed_free(b);
}

#define PM_CTRL         (0x40 + PCI_PM_CTRL)

static void test_bus_master(void)
{
    static uint8_t before[64 << 10], after[64 << 10];
    Bed *b = bed_new(BED_FAKE, NULL);
    struct opi_qp_info info;
    Qp *q;
    struct opi_cmd_cpl cpl;
    struct opi_cmd cmd = { .opcode = cpu_to_le16(OPI_CMD_NOP) };

    /*
     * Rings, buffers and descriptors that the card has used already, and has
     * fetched: not a byte of them is touched any more.
     */
    traffic_start(b->host, b->dpu);
    pass(b->dpu, 1, b->host, 0, 64, 1);
    pass(b->host, 0, b->dpu, 1, 64, 1);
    q = &b->host->qps[0];
    mem_read(b->host, OPI_TEST_RAM, before, sizeof(before));
    cfg_writew(b->hostq, 1, 0, PCI_COMMAND, PCI_COMMAND_MEMORY);
    frame_fill(frame, 64, 77);
    qp_send(b->dpu, 0, 1, frame, 64, 1);
    qp_wait_sent(b->dpu, 0);
    mem_read(b->host, OPI_TEST_RAM, after, sizeof(after));
    g_assert_cmpint(memcmp(before, after, sizeof(before)), ==, 0);
    g_assert_cmpuint(q->rxbuf + 2048 * 2, <, OPI_TEST_RAM + sizeof(before));
    cfg_writew(b->hostq, 1, 0, PCI_COMMAND,
               PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    info = qp_info(b->host, 0);
    g_assert_cmpint(info.state, ==, OPI_QP_ERROR);
    g_assert_cmpint(info.error, ==, OPI_QP_ERR_DMA);

    traffic_start(b->host, b->dpu);
    cfg_writew(b->hostq, 1, 0, PCI_COMMAND, PCI_COMMAND_MEMORY);
    /* What comes from the DPU finds no receiver. */
    frame_fill(frame, 64, 1);
    qp_send(b->dpu, 0, 1, frame, 64, 1);
    qp_wait_sent(b->dpu, 0);
    cmd_post(b->host, &cmd);
    g_assert_false(cmd_try(b->host, &cpl, 20));
    g_assert_cmphex(reg_read(b->host, OPI_REG_DEV_STATUS) &
                    OPI_DEV_STATUS_FATAL, ==, OPI_DEV_STATUS_FATAL);
    cfg_writew(b->hostq, 1, 0, PCI_COMMAND,
               PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    traffic_start(b->host, b->dpu);
    pass(b->dpu, 1, b->host, 0, 64, 1);

    /* Asleep, with mastering on. */
    q = &b->host->qps[0];
    mem_read(b->host, OPI_TEST_RAM, before, sizeof(before));
    cfg_writew(b->hostq, 1, 0, PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET | 3);
    qp_send(b->dpu, 0, 1, frame, 64, 1);
    qp_wait_sent(b->dpu, 0);
    mem_read(b->host, OPI_TEST_RAM, after, sizeof(after));
    g_assert_cmpint(memcmp(before, after, sizeof(before)), ==, 0);
    cfg_writew(b->hostq, 1, 0, PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
    traffic_start(b->host, b->dpu);
    pass(b->dpu, 1, b->host, 0, 64, 1);

    /* The same of the DPU's function. */
    b->soc->ctrl->soc_flags = 0;
    qp_send(b->host, 0, 0, frame, 64, 1);
    qp_wait_sent(b->host, 0);
    cmd_post(b->dpu, &cmd);
    reg_wait(b->dpu, OPI_REG_DEV_STATUS, OPI_DEV_STATUS_FATAL,
             OPI_DEV_STATUS_FATAL);
    b->soc->ctrl->soc_flags = OPI_CTRL_SOC_MASTER;
    traffic_start(b->host, b->dpu);
    pass(b->host, 0, b->dpu, 1, 64, 1);

    /* Of a reset that the card has not heard of, though it may again. */
    b->soc->ctrl->soc_resets++;
    qp_send(b->host, 0, 0, frame, 64, 1);
    qp_wait_sent(b->host, 0);
    cmd_post(b->dpu, &cmd);
    reg_wait(b->dpu, OPI_REG_DEV_STATUS, OPI_DEV_STATUS_FATAL,
             OPI_DEV_STATUS_FATAL);
    b->soc->ctrl->soc_resets--;
    traffic_start(b->host, b->dpu);
    pass(b->host, 0, b->dpu, 1, 64, 1);
    bed_free(b);
}

/* ---- An IOMMU in the host's way ---------------------------------------- */

/*
 * From fresh queue pairs, since buffers are fetched ahead, into a buffer at
 * OPI_TEST_IOVA: where did it go?
 */
static void iommu_send(Bed *b, uint32_t seed, uint64_t to)
{
    static const uint64_t places[] = { OPI_TEST_IOVA, OPI_TEST_BEHIND };
    unsigned i;

    struct opi_rxd d = {
        .addr = cpu_to_le64(OPI_TEST_IOVA), .len = cpu_to_le32(2048)
    };
    Qp *q = &b->host->qps[0];

    traffic_start(b->host, b->dpu);
    for (i = 0; i < ARRAY_SIZE(places); i++) {
        qtest_memset(b->hostq, places[i], 0, 128);
    }
    mem_write(b->host, q->rq, &d, sizeof(d));
    frame_fill(frame, 100, seed);
    qp_send(b->dpu, 0, 1, frame, 100, 1);
    qp_wait_sent(b->dpu, 0);
    for (i = 0; i < ARRAY_SIZE(places); i++) {
        qtest_memread(b->hostq, places[i], got, 128);
        if (places[i] == to) {
            g_assert_true(frame_ok(got, 100, seed));
        } else {
            g_assert_true(buffer_is_zero(got, 100));
        }
    }
}

static void test_iommu(void)
{
    Bed *b = bed_new(BED_FAKE | BED_IOMMU, NULL);

    /* Switched off: the card knows the memory by heart. */
    traffic_start(b->host, b->dpu);
    pass(b->dpu, 1, b->host, 0, 64, 1);
    pass(b->host, 0, b->dpu, 1, 1000, 3);
    iommu_send(b, 1, OPI_TEST_IOVA);

    /* Switched on: each address is what the tables make of it. */
    traffic_start(b->host, b->dpu);
    pass(b->dpu, 1, b->host, 0, 64, 1);
    iommu_enable(b->hostq, true);
    iommu_map(b->hostq, OPI_TEST_IOVA, OPI_TEST_BEHIND);
    iommu_send(b, 2, OPI_TEST_BEHIND);
    pass(b->host, 0, b->dpu, 1, 1000, 3);
    /* Taken out of them: not a byte more. */
    iommu_map(b->hostq, OPI_TEST_IOVA, UINT64_MAX);
    iommu_flush(b->hostq);
    iommu_send(b, 3, 0);
    expect_error(b->host, OPI_QP_ERR_DMA);
    /* What the card sends from is translated too. */
    iommu_map(b->hostq, OPI_TEST_IOVA, OPI_TEST_BEHIND);
    iommu_flush(b->hostq);
    traffic_start(b->host, b->dpu);
    frame_fill(frame, 80, 4);
    qtest_memwrite(b->hostq, OPI_TEST_BEHIND, frame, 80);
    qp_post_txd(b->host, 0, &(struct opi_txd) {
        .addr = cpu_to_le64(OPI_TEST_IOVA),
        .len = cpu_to_le32(80),
        .flags = cpu_to_le16(OPI_TXD_F_SOP | OPI_TXD_F_EOP),
        .nsegs = 1,
    });
    qp_kick(b->host, 0);
    g_assert_cmpint(qp_recv(b->dpu, 0, got, sizeof(got), NULL, 20000), ==, 80);
    g_assert_true(frame_ok(got, 80, 4));

    /* And off again. */
    iommu_enable(b->hostq, false);
    traffic_start(b->host, b->dpu);
    pass(b->dpu, 1, b->host, 0, 64, 1);
    iommu_send(b, 5, OPI_TEST_IOVA);
    bed_free(b);
}

/* ---- Faults ------------------------------------------------------------ */

static void faults_side(Bed *b, Side *s, const char *drop, const char *bogus)
{
    struct opi_cmd cmd = { .opcode = cpu_to_le16(OPI_CMD_NOP) };
    struct opi_cmd_cpl cpl;
    unsigned i;

    side_start(s);
    card_set_u32(b, drop, 2);
    for (i = 0; i < 3; i++) {
        cmd.cookie = cpu_to_le32(i);
        cmd_post(s, &cmd);
    }
    cpl = cmd_wait(s);
    g_assert_cmpint(le32_to_cpu(cpl.cookie), ==, 2);
    g_assert_cmpint(card_get_u32(b, drop), ==, 0);

    /* Some at once, without a command of anybody's. */
    card_set_u32(b, bogus, 5);
    for (i = 0; i < 5; i++) {
        cpl = cmd_wait(s);
        g_assert_cmphex(le32_to_cpu(cpl.cookie) >> 16, ==, 0xdead);
    }
    g_assert_cmpint(card_get_u32(b, bogus), ==, 0);
    g_assert_cmpint(cmd_status(s, OPI_CMD_NOP, 0), ==, OPI_ST_OK);
}

static void test_fault_aq(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);

    faults_side(b, b->host, "fault-aq-drop", "fault-aq-bogus");
    faults_side(b, b->dpu, "fault-soc-aq-drop", "fault-soc-aq-bogus");
    bed_free(b);
}

/* What a lost doorbell told of stays where it is until the next one. */
static void faults_doorbell(Bed *b, Side *from, Side *to, const char *drop)
{
    uint32_t port = from == b->dpu ? 1 : 0;
    int64_t end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
    Qp *q;

    traffic_start(b->host, b->dpu);
    q = &from->qps[0];
    card_set_u32(b, drop, 1);
    frame_fill(frame, 64, 9);
    qp_send(from, 0, port, frame, 64, 1);
    while (card_get_u32(b, drop)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        fake_pump(b->soc, 10, NULL);
    }
    g_assert_cmpint(mem_ld32(from, SHADOW(q, sq_head)), ==, 0);
    g_assert_cmpint(qp_recv(to, 0, got, sizeof(got), NULL, 20), ==, 0);
    qp_kick(from, 0);
    g_assert_cmpint(qp_recv(to, 0, got, sizeof(got), NULL, 20000), ==, 64);
    g_assert_true(frame_ok(got, 64, 9));
}

static void test_fault_queues(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    struct opi_eqe e;
    struct opi_cqe c;
    Qp *q;

    traffic_start(b->host, b->dpu);
    card_set_u32(b, "fault-soc-cqe-bad", 1);
    q = &b->dpu->qps[0];
    frame_fill(frame, 64, 1);
    qp_send(b->host, 0, 0, frame, 64, 1);
    qp_wait_sent(b->host, 0);
    mem_read(b->dpu, q->cq, &c, sizeof(c));
    g_assert_cmpint(le16_to_cpu(c.id), ==, 101);

    traffic_start(b->host, b->dpu);
    q = &b->host->qps[0];
    card_set_u32(b, "fault-sq-head-bad", 1);
    frame_fill(frame, 64, 1);
    qp_send(b->host, 0, 0, frame, 64, 1);
    g_assert_cmpint(mem_ld32(b->host, SHADOW(q, sq_head)), ==, 6);
    qp_post_txd(b->host, 0, &(struct opi_txd) {
        .addr = cpu_to_le64(OPI_TEST_RAM),
        .len = cpu_to_le32(64),
        .flags = cpu_to_le16(OPI_TXD_F_SOP | OPI_TXD_F_EOP),
        .nsegs = 1,
    });
    qp_kick(b->host, 0);
    g_assert_cmpint(mem_ld32(b->host, SHADOW(q, sq_head)), ==, 2);

    faults_doorbell(b, b->host, b->dpu, "fault-db-drop");
    faults_doorbell(b, b->dpu, b->host, "fault-soc-db-drop");

    card_set_u32(b, "fault-qp-error", 1);
    g_assert_cmpint(eq_wait(b->host, 0, OPI_EV_QP_ERROR).sub, ==,
                    OPI_QP_ERR_DMA);
    g_assert_cmpint(qp_info(b->host, 0).state, ==, OPI_QP_ERROR);
    g_assert_cmpint(qp_info(b->dpu, 0).state, ==, OPI_QP_RUNNING);

    /* An event less is a gap, and is told of. */
    traffic_start(b->host, b->dpu);
    fake_pump(b->soc, 50, NULL);
    while (eq_try(b->host, 0, &e)) {
        continue;
    }
    card_set_u32(b, "fault-eq-drop", 1);
    g_assert_cmpint(port_state(b->dpu, 1, false), ==, OPI_ST_OK);
    g_assert_cmpint(le32_to_cpu(eq_wait(b->host, 0, OPI_EV_LOST).value), ==, 1);

    irq_taken(b->host, 0);
    card_set_u32(b, "fault-msix-drop", 1);
    g_assert_cmpint(cmd_status(b->host, OPI_CMD_NOP, 0), ==, OPI_ST_OK);
    g_assert_false(irq_taken(b->host, 0));
    g_assert_cmpint(cmd_status(b->host, OPI_CMD_NOP, 0), ==, OPI_ST_OK);
    irq_wait(b->host, 0);

    card_set_bool(b, "fault-fatal", true);
    g_assert_cmphex(reg_read(b->host, OPI_REG_DEV_STATUS) & 0xffff, ==,
                    OPI_DEV_STATUS_READY | OPI_DEV_STATUS_FATAL);
    g_assert_cmpint(reg_read(b->host, OPI_REG_HEALTH), ==, OPI_HEALTH_INTERNAL);
    irq_wait(b->host, 0);
    card_set_bool(b, "fault-soc-fatal", true);
    reg_wait(b->dpu, OPI_REG_HEALTH, UINT32_MAX, OPI_HEALTH_INTERNAL);
    traffic_start(b->host, b->dpu);
    pass(b->host, 0, b->dpu, 1, 64, 1);
    bed_free(b);
}

static void test_fault_dead(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    struct opi_eqe e;
    unsigned reg;

    traffic_start(b->host, b->dpu);
    while (eq_try(b->dpu, 0, &e)) {
        continue;
    }
    card_set_bool(b, "fault-dead", true);
    for (reg = 0; reg < OPI_BAR_REGS_SIZE; reg += 4) {
        g_assert_cmphex(reg_read(b->host, reg), ==, UINT32_MAX);
    }
    g_assert_cmpint(eq_wait(b->dpu, 0, OPI_EV_PEER).sub, ==, OPI_PEER_PRESENT);
    reg_write(b->host, OPI_REG_DEV_CTRL, OPI_DEV_CTRL_RESET);
    doorbell(b->host, 0, 0, 77);
    g_assert_cmphex(reg_read(b->host, OPI_REG_DEV_STATUS), ==, UINT32_MAX);
    card_set_bool(b, "fault-dead", false);
    traffic_start(b->host, b->dpu);
    pass(b->host, 0, b->dpu, 1, 64, 1);
    bed_free(b);
}

static void test_fault_link_cut(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);

    traffic_start(b->host, b->dpu);
    pass(b->host, 0, b->dpu, 1, 64, 1);
    card_set_bool(b, "fault-link-cut", true);
    fake_pump(b->soc, 20000, &b->soc->closed);
    g_assert_true(b->soc->closed);
    g_assert_true(b->soc->bye);
    card_wait_link(b, false);
    /* The host's queue pair stays, and goes on with the new link. */
    g_assert_cmpint(qp_info(b->host, 0).state, ==, OPI_QP_RUNNING);
    bed_fake_again(b);
    traffic_start(b->host, b->dpu);
    pass(b->host, 0, b->dpu, 1, 64, 1);
    bed_free(b);
}

/* Command lines that make no sense end with a message, not with a crash. */
static void test_two_cards(void)
{
    QTestState *q = qtest_init("-M q35 -m 64 -nodefaults "
        "-device opi-card,id=c0,serial=1 -device opi-card,id=c1,serial=2 "
        "-device pcie-root-port,id=r0,bus=pcie.0,addr=4,chassis=1,slot=1 "
        "-device pcie-root-port,id=r1,bus=pcie.0,addr=5,chassis=2,slot=2 "
        "-device opi-dpu,card=c0,bus=r0 -device opi-dpu,card=c1,bus=r1");

    opi_pci_setup(q);
    g_assert_cmphex(qtest_readl(q, OPI_TEST_BAR0 + OPI_REG_SERIAL_LO), ==, 1);
    cfg_writel(q, 0, 5 << 3, PCI_PRIMARY_BUS, 0x00020200);
    cfg_writel(q, 0, 5 << 3, PCI_MEMORY_BASE, 0xdff0d000);
    cfg_writew(q, 0, 5 << 3, PCI_COMMAND,
               PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    cfg_writel(q, 2, 0, PCI_BASE_ADDRESS_0, 0xd0000000);
    cfg_writew(q, 2, 0, PCI_COMMAND, PCI_COMMAND_MEMORY);
    g_assert_cmphex(qtest_readl(q, 0xd0000000 + OPI_REG_SERIAL_LO), ==, 2);
    g_assert_cmphex(qtest_readl(q, 0xd0000000 + OPI_REG_PEER), ==,
                    OPI_PEER_ABSENT);
    qtest_quit(q);
}

int main(int argc, char **argv)
{
    static const char *const modes[] = {
        [OPI_MODE_TRUSTED] = "opi/policy/trusted",
        [OPI_MODE_RESTRICTED] = "opi/policy/restricted",
        [OPI_MODE_ISOLATED] = "opi/policy/isolated",
    };
    unsigned i;

    g_test_init(&argc, &argv, NULL);
    qtest_add_func("opi/config", test_config);
    qtest_add_func("opi/registers/host", test_registers);
    qtest_add_func("opi/registers/dpu", test_dpu_registers);
    qtest_add_func("opi/registers/heartbeat", test_heartbeat);
    qtest_add_func("opi/reset", test_reset);
    qtest_add_func("opi/aq/setup", test_aq_setup);
    qtest_add_func("opi/aq/wrap", test_aq_wrap);
    qtest_add_func("opi/aq/irq", test_aq_irq);
    qtest_add_func("opi/aq/overrun", test_aq_overrun);
    qtest_add_func("opi/aq/fatal", test_aq_fatal);
    qtest_add_func("opi/aq/buffers", test_aq_buffers);
    qtest_add_func("opi/aq/reserved", test_aq_reserved);
    for (i = 0; i < ARRAY_SIZE(modes); i++) {
        qtest_add_data_func(modes[i], GUINT_TO_POINTER(i), test_policy);
    }
    qtest_add_func("opi/policy/mode-set", test_mode_set);
    qtest_add_func("opi/ports/info", test_ports);
    qtest_add_func("opi/ports/settings", test_port_settings);
    qtest_add_func("opi/boot", test_boot);
    qtest_add_func("opi/eq/rules", test_eq_rules);
    qtest_add_func("opi/eq/lost", test_events_lost);
    qtest_add_func("opi/eq/held", test_notify_held);
    qtest_add_func("opi/qp/rules", test_qp_rules);
    qtest_add_func("opi/qp/notify", test_notify);
    qtest_add_func("opi/qp/kick", test_kick);
    qtest_add_func("opi/qp/look", test_look);
    qtest_add_func("opi/qp/malformed/txd-host", test_malformed_txd_host);
    qtest_add_func("opi/qp/malformed/txd-dpu", test_malformed_txd_dpu);
    qtest_add_func("opi/qp/malformed/no-port", test_no_port);
    qtest_add_func("opi/qp/malformed/rxd", test_malformed_rxd);
    qtest_add_func("opi/qp/malformed/index", test_malformed_index);
    qtest_add_func("opi/qp/malformed/dma", test_malformed_dma);
    qtest_add_func("opi/qp/malformed/self", test_malformed_self);
    qtest_add_func("opi/qp/malformed/bridge", test_bridge_self);
    qtest_add_func("opi/qp/malformed/unplug", test_unplug_self);
    qtest_add_func("opi/qp/malformed/ring", test_ring_nowhere);
    qtest_add_func("opi/qp/random", test_random);
    qtest_add_func("opi/traffic/sizes", test_traffic);
    qtest_add_func("opi/traffic/jumbo", test_jumbo);
    qtest_add_func("opi/traffic/runts-giants", test_runts_giants);
    qtest_add_func("opi/traffic/no-buffer", test_no_buffer);
    qtest_add_func("opi/traffic/down", test_down);
    qtest_add_func("opi/traffic/uplink", test_uplink);
    qtest_add_func("opi/power/flr", test_flr);
    qtest_add_func("opi/power/host", test_host_reset);
    qtest_add_func("opi/power/host-again", test_host_reset_again);
    qtest_add_func("opi/power/bus-master", test_bus_master);
    qtest_add_func("opi/iommu", test_iommu);
    qtest_add_func("opi/fault/aq", test_fault_aq);
    qtest_add_func("opi/fault/queues", test_fault_queues);
    qtest_add_func("opi/fault/dead", test_fault_dead);
    qtest_add_func("opi/fault/link-cut", test_fault_link_cut);
    qtest_add_func("opi/two-cards", test_two_cards);
    return g_test_run();
}
