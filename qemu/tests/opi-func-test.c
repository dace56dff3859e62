/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qtests of the card's function table: what the DPU makes, sets, exposes and
 * withdraws, VFs as the host sees them, and who survives what.  The DPU's QEMU
 * is played by the test.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include <linux/pci_regs.h>
#include "opi-util.h"

#define VF_PORT(n)      (2 + (n))

static uint8_t frame[2048], got[2048];

/* ---- What the tests share ---------------------------------------------- */

static void drain_eq(Side *s, unsigned id)
{
    struct opi_eqe e;

    while (eq_try(s, id, &e)) {
        continue;
    }
}

static void drain(Side *s)
{
    drain_eq(s, 0);
}

/* Frames that nobody waits for. */
static void drain_qp(Side *s, unsigned id)
{
    while (qp_recv(s, id, got, sizeof(got), NULL, 0)) {
        continue;
    }
}

/* @n VFs, enabled by the host; PF and DPU have queues and are up. */
static Bed *vf_bed(unsigned n, const char *opts)
{
    Bed *b = bed_new(BED_FAKE, opts);

    traffic_start(b->host, b->dpu);
    g_assert_cmpint(func_set_max_vfs(b->dpu, n), ==, OPI_ST_OK);
    g_assert_cmpint(vf_enable(b->hostq, n), ==, n);
    drain(b->dpu);
    return b;
}

/* The driver of VF @n: a queue pair with buffers, both ends up. */
static void vf_start(Side *vf, unsigned n, Side *dpu)
{
    side_start(vf);
    g_assert_cmpint(qp_create(vf, 0, 4, 1, 2048), ==, OPI_ST_OK);
    qp_post_rx(vf, 0, 16);
    g_assert_cmpint(port_state(vf, VF_PORT(n), true), ==, OPI_ST_OK);
    g_assert_cmpint(port_state(dpu, VF_PORT(n), true), ==, OPI_ST_OK);
}

/* The frame goes nowhere. */
static void lost(Side *fn, unsigned qp, uint32_t port, Side *dpu)
{
    uint64_t down = le64_to_cpu(port_stats(dpu, port).tx_down);

    qp_send(dpu, 0, port, frame, 100, 1);
    qp_wait_sent(dpu, 0);
    g_assert_cmpint(le64_to_cpu(port_stats(dpu, port).tx_down), ==, down + 1);
}

static uint32_t vf_func(Side *dpu, unsigned n)
{
    return le32_to_cpu(port_info(dpu, VF_PORT(n)).func_id);
}

/* ---- VFs --------------------------------------------------------------- */

static void test_vf_limit(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    struct opi_func_info fi;
    struct opi_identify id;
    struct opi_eqe e;
    uint32_t ids[70], ports[70];

    side_start(b->host);
    side_start(b->dpu);
    /* None at power-on, whatever the host writes. */
    g_assert_cmpint(vf_enable(b->hostq, 1), ==, 0);
    g_assert_cmpint(vf_enable(b->hostq, 64), ==, 0);
    g_assert_cmphex(qtest_readl(b->hostq, OPI_TEST_VFBAR0), !=, OPI_MAGIC);
    g_assert_cmpint(cmd_fill(b->dpu, OPI_CMD_IDENTIFY, 0, &id, sizeof(id)), ==,
                    OPI_ST_OK);
    g_assert_cmpint(le32_to_cpu(id.total_vfs), ==, 64);

    g_assert_cmpint(func_set_max_vfs(b->dpu, 65), ==, OPI_ST_ERANGE);
    g_assert_cmpint(func_set_max_vfs(b->host, 3), ==, OPI_ST_EPERM);
    drain(b->dpu);
    drain(b->host);
    g_assert_cmpint(func_set_max_vfs(b->dpu, 3), ==, OPI_ST_OK);
    e = func_wait(b->dpu, OPI_CHANGE_CREATED);
    g_assert_cmpint(e.sub, ==, OPI_FUNC_HIDDEN);
    g_assert_cmpint(le32_to_cpu(e.port), ==, VF_PORT(0));
    g_assert_cmpint(le16_to_cpu(e.vf), ==, 0);
    g_assert_cmphex(le32_to_cpu(e.sf), ==, OPI_ID_NONE);
    g_assert_cmpint(le32_to_cpu(e.func_id), ==, vf_func(b->dpu, 0));
    g_assert_cmpint(le16_to_cpu(func_wait(b->dpu, OPI_CHANGE_CREATED).vf), ==,
                    1);
    g_assert_cmpint(le16_to_cpu(func_wait(b->dpu, OPI_CHANGE_CREATED).vf), ==,
                    2);
    g_assert_cmpint(le32_to_cpu(func_wait(b->dpu, OPI_CHANGE_SET).func_id), ==,
                    1);
    /* The host hears of its own change, not of what is hidden. */
    e = eq_wait(b->host, 0, OPI_EV_FUNC);
    g_assert_cmpint(le32_to_cpu(e.value), ==, OPI_CHANGE_SET);
    g_assert_cmpint(le32_to_cpu(e.func_id), ==, 1);
    g_assert_cmpint(cmd_fill(b->host, OPI_CMD_IDENTIFY, 0, &id, sizeof(id)), ==,
                    OPI_ST_OK);
    g_assert_cmpint(le32_to_cpu(id.total_vfs), ==, 3);

    g_assert_cmpint(cmd_fill(b->dpu, OPI_CMD_FUNC_LIST, 0, ids, sizeof(ids)),
                    ==, OPI_ST_OK);
    g_assert_cmpint(ids[0], ==, 1);
    g_assert_cmpint(le32_to_cpu(ids[1]), >, 1);
    g_assert_cmpint(le32_to_cpu(ids[3]), >, le32_to_cpu(ids[2]));
    g_assert_cmpint(ids[4], ==, 0);
    g_assert_cmpint(cmd_fill(b->dpu, OPI_CMD_PORT_LIST, 0, ports,
                             sizeof(ports)), ==, OPI_ST_OK);
    g_assert_cmpint(le32_to_cpu(ports[4]), ==, VF_PORT(2));
    g_assert_cmpint(ports[5], ==, 0);
    g_assert_cmpint(cmd_fill(b->host, OPI_CMD_PORT_LIST, 0, ports,
                             sizeof(ports)), ==, OPI_ST_OK);
    g_assert_cmpint(le32_to_cpu(ports[0]), ==, 1);
    g_assert_cmpint(ports[1], ==, 0);

    g_assert_cmpint(vf_enable(b->hostq, 4), ==, 0);
    g_assert_cmpint(vf_enable(b->hostq, 2), ==, 2);
    e = func_wait(b->dpu, OPI_CHANGE_NUM_VFS);
    g_assert_cmpint(le32_to_cpu(e.func_id), ==, 1);
    g_assert_cmpint(le16_to_cpu(func_wait(b->dpu, OPI_CHANGE_EXPOSED).vf), ==,
                    0);
    g_assert_cmpint(le16_to_cpu(func_wait(b->dpu, OPI_CHANGE_EXPOSED).vf), ==,
                    1);
    fi = func_info(b->dpu, 1);
    g_assert_cmpint(le16_to_cpu(fi.max_vfs), ==, 3);
    g_assert_cmpint(le16_to_cpu(fi.num_vfs), ==, 2);
    g_assert_cmpint(func_info(b->dpu, le32_to_cpu(ids[1])).state, ==,
                    OPI_FUNC_EXPOSED);
    g_assert_cmpint(func_info(b->dpu, le32_to_cpu(ids[3])).state, ==,
                    OPI_FUNC_HIDDEN);

    /* What is enabled stays; what is not can go. */
    g_assert_cmpint(func_set_max_vfs(b->dpu, 1), ==, OPI_ST_EBUSY);
    g_assert_cmpint(func_set_max_vfs(b->dpu, 2), ==, OPI_ST_OK);
    e = func_wait(b->dpu, OPI_CHANGE_DESTROYED);
    g_assert_cmpint(e.sub, ==, OPI_FUNC_GONE);
    g_assert_cmpint(e.func_id, ==, ids[3]);
    g_assert_cmpint(cmd_fill(b->dpu, OPI_CMD_FUNC_GET, le32_to_cpu(ids[3]), &fi,
                             sizeof(fi)), ==, OPI_ST_ENOENT);
    g_assert_cmpint(cmd_fill(b->dpu, OPI_CMD_PORT_GET, VF_PORT(2), got, 64), ==,
                    OPI_ST_ENOENT);
    g_assert_cmpint(vf_enable(b->hostq, 0), ==, 0);
    g_assert_cmpint(le16_to_cpu(func_wait(b->dpu, OPI_CHANGE_WITHDRAWN).vf), ==,
                    0);
    /* Another one is another one. */
    g_assert_cmpint(func_set_max_vfs(b->dpu, 64), ==, OPI_ST_OK);
    g_assert_cmpint(vf_func(b->dpu, 2), >, le32_to_cpu(ids[3]));
    g_assert_cmpint(vf_func(b->dpu, 0), ==, le32_to_cpu(ids[1]));
    g_assert_cmpint(vf_enable(b->hostq, 64), ==, 64);
    g_assert_cmpint(vf_enable(b->hostq, 0), ==, 0);
    g_assert_cmpint(vf_enable(b->hostq, 65), ==, 0);
    bed_free(b);
}

/* Where the card has no VFs at all. */
static void test_vf_none(void)
{
    Bed *b = bed_new(BED_FAKE, "caps=0");

    side_start(b->dpu);
    g_assert_cmpint(reg_read(b->host, OPI_REG_CAPS_LO), ==, 0);
    g_assert_cmpint(func_set_max_vfs(b->dpu, 1), ==, OPI_ST_EOPNOTSUPP);
    g_assert_cmpint(vf_enable(b->hostq, 1), ==, 0);
    bed_free(b);
}

static void test_vf_identity(void)
{
    Bed *b = vf_bed(64, NULL);
    struct opi_port_info pi;
    struct opi_func_info fi;
    struct opi_identify id;
    uint32_t ids[4];
    unsigned i;

    for (i = 0; i < 64; i++) {
        uint64_t bar = OPI_TEST_VFBAR0 + i * OPI_BAR_REGS_SIZE;

        cfg_writew(b->hostq, 1, 1 + i, PCI_COMMAND, PCI_COMMAND_MEMORY);
        g_assert_cmphex(cfg_readl(b->hostq, 1, 1 + i, 0), ==, UINT32_MAX);
        g_assert_cmphex(qtest_readl(b->hostq, bar + OPI_REG_MAGIC), ==,
                        OPI_MAGIC);
        g_assert_cmphex(qtest_readl(b->hostq, bar + OPI_REG_ROLE), ==,
                        OPI_ROLE_HOST_VF |
                        OPI_MODE_RESTRICTED << OPI_ROLE_MODE_SHIFT);
        g_assert_cmphex(qtest_readl(b->hostq, bar + OPI_REG_DEV_STATUS), ==,
                        OPI_DEV_STATUS_READY);
        g_assert_cmpint(qtest_readl(b->hostq, bar + OPI_REG_FUNC_ID), ==,
                        vf_func(b->dpu, i));
    }
    for (i = 0; i < 2; i++) {
        Side *vf = side_vf(b->hostq, i);

        side_start(vf);
        g_assert_cmpint(le32_to_cpu(func_wait(b->dpu,
                                              OPI_CHANGE_ATTACHED).func_id), ==,
                        vf_func(b->dpu, i));
        g_assert_cmpint(cmd_fill(vf, OPI_CMD_IDENTIFY, 0, &id, sizeof(id)), ==,
                        OPI_ST_OK);
        g_assert_cmpint(id.role, ==, OPI_ROLE_HOST_VF);
        g_assert_cmpint(le32_to_cpu(id.port), ==, VF_PORT(i));
        g_assert_cmpint(le32_to_cpu(id.func_id), ==, vf_func(b->dpu, i));
        g_assert_cmpint(le32_to_cpu(id.total_vfs), ==, 0);
        g_assert_cmphex(reg_read(vf, OPI_REG_LIMITS0), ==, 4 | 5 << 16);
        g_assert_cmphex(reg_read(vf, OPI_REG_CAPS_LO) & OPI_CAP_SRIOV, !=, 0);
        pi = port_info(vf, VF_PORT(i));
        g_assert_cmpint(pi.type, ==, OPI_PORT_VF);
        g_assert_cmpint(le16_to_cpu(pi.vf), ==, i);
        g_assert_cmpint(pi.mac[0], ==, 2);
        g_assert_cmpint(pi.mac[5], ==, 2 * VF_PORT(i));
        g_assert_cmpint(pi.rep_mac[5], ==, 2 * VF_PORT(i) + 1);
        fi = func_info(vf, vf_func(b->dpu, i));
        g_assert_cmpint(fi.type, ==, OPI_PORT_VF);
        g_assert_cmpint(fi.state, ==, OPI_FUNC_ATTACHED);
        g_assert_cmpint(le16_to_cpu(fi.flags), ==,
                        OPI_FUNC_F_TRUST | OPI_FUNC_F_EXPOSE);
        g_assert_cmphex(le16_to_cpu(fi.host_bdf), ==, 0x101 + i);
        g_assert_cmpint(le16_to_cpu(fi.max_qps), ==, 4);
        g_assert_cmpint(le16_to_cpu(fi.max_eqs), ==, 5);
        g_assert_cmpint(fi.fclass, ==, OPI_CLASS_NET);

        /* Its own and no other; lists of functions are not its business. */
        g_assert_cmpint(cmd_fill(vf, OPI_CMD_PORT_LIST, 0, ids, sizeof(ids)),
                        ==, OPI_ST_OK);
        g_assert_cmpint(le32_to_cpu(ids[0]), ==, VF_PORT(i));
        g_assert_cmpint(ids[1], ==, 0);
        g_assert_cmpint(cmd_fill(vf, OPI_CMD_FUNC_LIST, 0, ids, sizeof(ids)),
                        ==, OPI_ST_EPERM);
        g_assert_cmpint(cmd_fill(vf, OPI_CMD_FUNC_GET, 1, &fi, sizeof(fi)), ==,
                        OPI_ST_EPERM);
        g_assert_cmpint(cmd_fill(vf, OPI_CMD_PORT_GET, VF_PORT(1 - i), &pi,
                                 sizeof(pi)), ==, OPI_ST_EPERM);
        g_assert_cmpint(port_state(vf, 1, false), ==, OPI_ST_EPERM);
        g_assert_cmpint(port_state(vf, 0, false), ==, OPI_ST_EPERM);
        side_free(vf);
    }
    /* Nor the PF its VFs'. */
    g_assert_cmpint(port_state(b->host, VF_PORT(0), true), ==, OPI_ST_EPERM);
    g_assert_cmpint(cmd_fill(b->host, OPI_CMD_FUNC_GET, vf_func(b->dpu, 0), &fi,
                             sizeof(fi)), ==, OPI_ST_EPERM);
    bed_free(b);
}

static void test_vf_traffic(void)
{
    Bed *b = vf_bed(3, NULL);
    Side *vf[3];
    unsigned i;

    for (i = 0; i < 3; i++) {
        vf[i] = side_vf(b->hostq, i);
        vf_start(vf[i], i, b->dpu);
        /* Its own carrier, on its own vector. */
        g_assert_cmpint(le32_to_cpu(eq_wait(vf[i], 0, OPI_EV_LINK).port), ==,
                        VF_PORT(i));
        irq_wait(vf[i], 0);
    }
    for (i = 0; i < 9; i++) {
        carry(vf[i % 3], 0, VF_PORT(i % 3), b->dpu);
        carry(b->host, 0, 1, b->dpu);
    }
    for (i = 0; i < 3; i++) {
        struct opi_port_stats st = port_stats(vf[i], VF_PORT(i));

        g_assert_cmpint(le64_to_cpu(st.tx_frames), ==, 3);
        g_assert_cmpint(le64_to_cpu(st.rx_frames), ==, 3);
        g_assert_cmpint(le64_to_cpu(st.rx_bytes), ==, 900);
        drain_eq(vf[i], 1);
        eq_arm(vf[i], 1);
        irq_taken(vf[i], 1);
        mem_st32(vf[i], vf[i]->qps[0].shadow +
                 offsetof(struct opi_qp_shadow, cq_arm), vf[i]->qps[0].cq_head);
    }
    /* An interrupt of a VF is that VF's. */
    qp_send(b->dpu, 0, VF_PORT(1), frame, 100, 1);
    irq_wait(vf[1], 1);
    g_assert_false(irq_taken(vf[0], 1));
    g_assert_false(irq_taken(vf[2], 1));
    /* Port 0 in a descriptor is its own, and it has no other. */
    qp_send(vf[0], 0, VF_PORT(1), frame, 100, 1);
    g_assert_cmpint(eq_wait(vf[0], 0, OPI_EV_QP_ERROR).sub, ==, OPI_QP_ERR_TXD);
    drain_qp(vf[1], 0);
    carry(vf[1], 0, VF_PORT(1), b->dpu);
    for (i = 0; i < 3; i++) {
        side_free(vf[i]);
    }
    bed_free(b);
}

/* What the card does for a VF it does as the VF. */
static void test_vf_bus_master(void)
{
    Bed *b = vf_bed(2, NULL);
    Side *vf[2] = { side_vf(b->hostq, 0), side_vf(b->hostq, 1) };
    struct opi_cmd cmd = { .opcode = cpu_to_le16(OPI_CMD_NOP) };
    struct opi_cmd_cpl cpl;

    vf_start(vf[0], 0, b->dpu);
    vf_start(vf[1], 1, b->dpu);
    cfg_writew(b->hostq, 1, vf[0]->devfn, PCI_COMMAND, PCI_COMMAND_MEMORY);
    cmd_post(vf[0], &cmd);
    g_assert_false(cmd_try(vf[0], &cpl, 20));
    g_assert_cmphex(reg_read(vf[0], OPI_REG_DEV_STATUS) &
                    OPI_DEV_STATUS_FATAL, !=, 0);
    g_assert_cmpint(reg_read(vf[0], OPI_REG_HEALTH), ==, OPI_HEALTH_AQ_DMA);
    carry(vf[1], 0, VF_PORT(1), b->dpu);
    carry(b->host, 0, 1, b->dpu);
    cfg_writew(b->hostq, 1, vf[0]->devfn, PCI_COMMAND,
               PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    vf_start(vf[0], 0, b->dpu);
    carry(vf[0], 0, VF_PORT(0), b->dpu);
    side_free(vf[0]);
    side_free(vf[1]);
    bed_free(b);
}

static void test_vf_flr(void)
{
    Bed *b = vf_bed(2, NULL);
    Side *vf[2] = { side_vf(b->hostq, 0), side_vf(b->hostq, 1) };
    uint32_t id = vf_func(b->dpu, 0);
    struct opi_eqe e;

    vf_start(vf[0], 0, b->dpu);
    vf_start(vf[1], 1, b->dpu);
    drain(b->dpu);
    pci_flr(b->hostq, vf[0]->devfn);
    e = func_wait(b->dpu, OPI_CHANGE_DETACHED);
    g_assert_cmpint(le32_to_cpu(e.func_id), ==, id);
    g_assert_cmpint(e.sub, ==, OPI_FUNC_EXPOSED);
    e = eq_wait(b->dpu, 0, OPI_EV_LINK);
    g_assert_cmpint(e.sub, ==, 0);
    g_assert_cmpint(le32_to_cpu(e.port), ==, VF_PORT(0));
    lost(vf[0], 0, VF_PORT(0), b->dpu);
    carry(vf[1], 0, VF_PORT(1), b->dpu);
    carry(b->host, 0, 1, b->dpu);
    side_free(vf[0]);
    vf[0] = side_vf(b->hostq, 0);
    g_assert_cmphex(reg_read(vf[0], OPI_REG_DEV_STATUS), ==,
                    OPI_DEV_STATUS_READY);
    g_assert_cmpint(reg_read(vf[0], OPI_REG_FUNC_ID), ==, id);
    vf_start(vf[0], 0, b->dpu);
    carry(vf[0], 0, VF_PORT(0), b->dpu);

    /* Its driver's reset is no other thing. */
    drain(b->dpu);
    fn_reset(vf[1]);
    func_wait(b->dpu, OPI_CHANGE_DETACHED);
    carry(vf[0], 0, VF_PORT(0), b->dpu);
    side_free(vf[0]);
    side_free(vf[1]);
    bed_free(b);
}

/* Whatever ends the VFs of a PF, while they run. */
static void test_vf_ended(const void *data)
{
    enum { DISABLE, FLR, DRIVER, MODES } how = GPOINTER_TO_UINT(data);
    Bed *b = vf_bed(2, NULL);
    Side *vf[2] = { side_vf(b->hostq, 0), side_vf(b->hostq, 1) };
    uint32_t id = vf_func(b->dpu, 0);
    struct opi_eqe e;

    vf_start(vf[0], 0, b->dpu);
    vf_start(vf[1], 1, b->dpu);
    carry(vf[0], 0, VF_PORT(0), b->dpu);
    drain(b->dpu);
    switch (how) {
    case DISABLE:
        g_assert_cmpint(vf_enable(b->hostq, 0), ==, 0);
        break;
    case FLR:
        pci_flr(b->hostq, 0);
        opi_pci_setup(b->hostq);
        break;
    default:
        /* The PF's driver resets its own function, and no other. */
        fn_reset(b->host);
        carry(vf[0], 0, VF_PORT(0), b->dpu);
        carry(vf[1], 0, VF_PORT(1), b->dpu);
        goto out;
    }
    e = func_wait(b->dpu, OPI_CHANGE_WITHDRAWN);
    g_assert_cmpint(e.sub, ==, OPI_FUNC_HIDDEN);
    g_assert_cmpint(le32_to_cpu(e.func_id), ==, id);
    g_assert_cmpint(le16_to_cpu(func_wait(b->dpu, OPI_CHANGE_WITHDRAWN).vf), ==,
                    1);
    g_assert_cmpint(le16_to_cpu(func_info(b->dpu, 1).num_vfs), ==, 0);
    g_assert_cmpint(le16_to_cpu(func_info(b->dpu, 1).max_vfs), ==, 2);
    g_assert_cmphex(qtest_readl(b->hostq, vf[0]->bar0), !=, OPI_MAGIC);
    lost(vf[0], 0, VF_PORT(0), b->dpu);

    /* And again, with the same ids. */
    traffic_start(b->host, b->dpu);
    g_assert_cmpint(vf_enable(b->hostq, 2), ==, 2);
    side_free(vf[0]);
    vf[0] = side_vf(b->hostq, 0);
    g_assert_cmpint(reg_read(vf[0], OPI_REG_FUNC_ID), ==, id);
    vf_start(vf[0], 0, b->dpu);
    carry(vf[0], 0, VF_PORT(0), b->dpu);
out:
    side_free(vf[0]);
    side_free(vf[1]);
    bed_free(b);
}

static void test_vf_withdraw(void)
{
    Bed *b = vf_bed(2, NULL);
    Side *vf = side_vf(b->hostq, 0);
    uint32_t id = vf_func(b->dpu, 0), i;
    struct opi_cmd cmd = { .opcode = cpu_to_le16(OPI_CMD_NOP) };
    struct opi_cmd_cpl cpl;
    static uint8_t before[32 << 10], after[32 << 10];

    vf_start(vf, 0, b->dpu);
    carry(vf, 0, VF_PORT(0), b->dpu);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_EXPOSE, id), ==,
                    OPI_ST_EEXIST);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_EXPOSE, 1), ==,
                    OPI_ST_EINVAL);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_WITHDRAW, 1), ==,
                    OPI_ST_EINVAL);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_WITHDRAW, 999), ==,
                    OPI_ST_ENOENT);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_DESTROY, id), ==,
                    OPI_ST_EINVAL);
    g_assert_cmpint(cmd_status(vf, OPI_CMD_FUNC_WITHDRAW, id), ==,
                    OPI_ST_EPERM);

    /* With frames on their way both ways; then not a byte is touched. */
    for (i = 0; i < 8; i++) {
        qp_send(b->dpu, 0, VF_PORT(0), frame, 200, 1);
        qp_send(vf, 0, 0, frame, 200, 1);
    }
    drain(b->dpu);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_WITHDRAW, id), ==,
                    OPI_ST_OK);
    mem_read(vf, vf->aq_cq, before, sizeof(before));
    func_wait(b->dpu, OPI_CHANGE_DETACHED);
    g_assert_cmpint(func_wait(b->dpu, OPI_CHANGE_WITHDRAWN).sub, ==,
                    OPI_FUNC_HIDDEN);
    drain_qp(b->dpu, 0);
    g_assert_cmphex(reg_read(vf, OPI_REG_DEV_STATUS) & OPI_DEV_STATUS_READY, ==,
                    0);
    g_assert_cmpint(reg_read(vf, OPI_REG_FUNC_ID), ==, id);
    reg_write(vf, OPI_REG_DEV_CTRL, OPI_DEV_CTRL_RESET | 7 << 16);
    g_assert_cmphex(reg_read(vf, OPI_REG_DEV_STATUS), ==, 0);
    cmd_post(vf, &cmd);
    qp_kick(vf, 0);
    g_assert_false(cmd_try(vf, &cpl, 20));
    lost(vf, 0, VF_PORT(0), b->dpu);
    /* All but the admin ring, where the test has posted. */
    mem_read(vf, vf->aq_cq, after, sizeof(after));
    g_assert_cmpint(memcmp(before, after, sizeof(before)), ==, 0);

    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_WITHDRAW, id), ==,
                    OPI_ST_ENODEV);
    g_assert_cmpint(func_info(b->dpu, id).state, ==, OPI_FUNC_HIDDEN);
    g_assert_cmphex(le16_to_cpu(func_info(b->dpu, id).flags) &
                    OPI_FUNC_F_EXPOSE, ==, 0);
    /* It stays so, whatever the host does. */
    g_assert_cmpint(vf_enable(b->hostq, 0), ==, 0);
    g_assert_cmpint(vf_enable(b->hostq, 2), ==, 2);
    side_free(vf);
    vf = side_vf(b->hostq, 0);
    g_assert_cmphex(reg_read(vf, OPI_REG_DEV_STATUS), ==, 0);

    drain(b->dpu);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_EXPOSE, id), ==, OPI_ST_OK);
    g_assert_cmpint(func_wait(b->dpu, OPI_CHANGE_EXPOSED).sub, ==,
                    OPI_FUNC_EXPOSED);
    g_assert_cmphex(reg_read(vf, OPI_REG_DEV_STATUS), ==, OPI_DEV_STATUS_READY);
    /* The driver hears of it. */
    irq_wait(vf, 0);
    vf_start(vf, 0, b->dpu);
    carry(vf, 0, VF_PORT(0), b->dpu);
    side_free(vf);
    bed_free(b);
}

/* ---- SFs --------------------------------------------------------------- */

/* An SF that the host can use; its port goes to *@port. */
static uint32_t sf_make(Bed *b, uint32_t sf, uint32_t *port)
{
    uint16_t st;
    uint32_t id = func_create(b->dpu, sf, &st);

    g_assert_cmpint(st, ==, OPI_ST_OK);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_EXPOSE, id), ==, OPI_ST_OK);
    *port = le32_to_cpu(func_info(b->dpu, id).port);
    return id;
}

/* What its driver on the host does; queue pair @qp is the SF's. */
static void sf_start(Bed *b, uint32_t id, uint32_t port, unsigned qp)
{
    g_assert_cmpint(func_attach(b->host, id, 1), ==, OPI_ST_OK);
    g_assert_cmpint(qp_create_for(b->host, qp, 4, 1, 2048, port), ==,
                    OPI_ST_OK);
    qp_post_rx(b->host, qp, 16);
    g_assert_cmpint(port_state(b->host, port, true), ==, OPI_ST_OK);
    g_assert_cmpint(port_state(b->dpu, port, true), ==, OPI_ST_OK);
}

/* No command, list or event shows the host an SF that is hidden. */
static void sf_unseen(Bed *b, uint32_t id, uint32_t port)
{
    struct opi_eqe e;
    uint32_t ids[8];

    g_assert_cmpint(cmd_fill(b->host, OPI_CMD_FUNC_GET, id, got, 64), ==,
                    OPI_ST_ENOENT);
    g_assert_cmpint(cmd_fill(b->host, OPI_CMD_PORT_GET, port, got, 64), ==,
                    OPI_ST_ENOENT);
    g_assert_cmpint(port_state(b->host, port, true), ==, OPI_ST_ENOENT);
    g_assert_cmpint(func_attach(b->host, id, 1), ==, OPI_ST_ENOENT);
    g_assert_cmpint(func_attach(b->host, id, 0), ==, OPI_ST_ENOENT);
    g_assert_cmpint(qp_create_for(b->host, 5, 4, 1, 2048, port), ==,
                    OPI_ST_ENOENT);
    g_assert_cmpint(cmd_fill(b->host, OPI_CMD_FUNC_LIST, 0, ids, sizeof(ids)),
                    ==, OPI_ST_OK);
    g_assert_cmpint(ids[1], ==, 0);
    g_assert_cmpint(cmd_fill(b->host, OPI_CMD_PORT_LIST, 0, ids, sizeof(ids)),
                    ==, OPI_ST_OK);
    g_assert_cmpint(ids[1], ==, 0);
    while (eq_try(b->host, 0, &e)) {
        g_assert_cmpint(le32_to_cpu(e.func_id), !=, id);
        g_assert_cmpint(le32_to_cpu(e.port), !=, port);
    }
}

/* Every transition that there is, and every one that there is not. */
static void test_sf_life(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    struct opi_cmd cmd = { 0 };
    struct opi_port_info pi;
    struct opi_func_info fi;
    struct opi_eqe e;
    uint32_t id, port;
    uint16_t st;

    traffic_start(b->host, b->dpu);
    drain(b->dpu);
    drain(b->host);
    id = func_create(b->dpu, 88, &st);
    g_assert_cmpint(st, ==, OPI_ST_OK);
    e = func_wait(b->dpu, OPI_CHANGE_CREATED);
    g_assert_cmpint(le32_to_cpu(e.func_id), ==, id);
    g_assert_cmpint(le32_to_cpu(e.sf), ==, 88);
    g_assert_cmpint(le16_to_cpu(e.vf), ==, OPI_ID16_NONE);
    g_assert_cmpint(e.sub, ==, OPI_FUNC_HIDDEN);
    port = le32_to_cpu(e.port);
    g_assert_cmpint(port, ==, 66);
    fi = func_info(b->dpu, id);
    g_assert_cmpint(fi.type, ==, OPI_PORT_SF);
    g_assert_cmpint(fi.state, ==, OPI_FUNC_HIDDEN);
    g_assert_cmpint(le16_to_cpu(fi.flags), ==, OPI_FUNC_F_TRUST);
    g_assert_cmpint(le32_to_cpu(fi.sf), ==, 88);
    g_assert_cmpint(le16_to_cpu(fi.max_qps), ==, 1);
    g_assert_cmpint(le16_to_cpu(fi.max_eqs), ==, 0);
    g_assert_cmphex(le16_to_cpu(fi.host_bdf), ==, 0x100);
    g_assert_cmpint(fi.mac[5], ==, 2 * 66);

    /* HIDDEN */
    cmd.u.func.mask = cpu_to_le32(OPI_FUNC_SET_MAC);
    cmd.u.func.mac[0] = 2;
    cmd.u.func.mac[5] = 99;
    g_assert_cmpint(func_set(b->dpu, id, cmd), ==, OPI_ST_OK);
    g_assert_cmpint(port_state(b->dpu, port, true), ==, OPI_ST_OK);
    sf_unseen(b, id, port);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_WITHDRAW, id), ==,
                    OPI_ST_ENODEV);
    cmd.u.func.mask = cpu_to_le32(OPI_FUNC_SET_MAX_QPS);
    cmd.u.func.mac[0] = cmd.u.func.mac[5] = 0;
    cmd.u.func.max_qps = cpu_to_le16(1);
    g_assert_cmpint(func_set(b->dpu, id, cmd), ==, OPI_ST_EINVAL);

    /* EXPOSED */
    drain(b->host);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_EXPOSE, id), ==, OPI_ST_OK);
    e = eq_wait(b->host, 0, OPI_EV_FUNC);
    g_assert_cmpint(le32_to_cpu(e.value), ==, OPI_CHANGE_EXPOSED);
    g_assert_cmpint(e.sub, ==, OPI_FUNC_EXPOSED);
    g_assert_cmpint(le32_to_cpu(e.sf), ==, 88);
    e = eq_wait(b->host, 0, OPI_EV_LINK);
    g_assert_cmpint(e.sub, ==, 1);
    g_assert_cmpint(le32_to_cpu(e.port), ==, port);
    pi = port_info(b->host, port);
    g_assert_cmpint(pi.type, ==, OPI_PORT_SF);
    g_assert_cmpint(le32_to_cpu(pi.sf), ==, 88);
    g_assert_cmpint(pi.mac[5], ==, 99);
    g_assert_cmpint(func_info(b->host, id).state, ==, OPI_FUNC_EXPOSED);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_EXPOSE, id), ==,
                    OPI_ST_EEXIST);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_DESTROY, id), ==,
                    OPI_ST_EBUSY);
    g_assert_cmpint(func_attach(b->host, id, 0), ==, OPI_ST_ENODEV);
    g_assert_cmpint(func_attach(b->host, id, 2), ==, OPI_ST_EINVAL);
    g_assert_cmpint(func_attach(b->host, 1, 1), ==, OPI_ST_EINVAL);
    g_assert_cmpint(func_attach(b->dpu, id, 1), ==, OPI_ST_EPERM);
    g_assert_cmpint(qp_create_for(b->host, 5, 4, 1, 2048, port), ==,
                    OPI_ST_ENODEV);
    g_assert_cmpint(port_state(b->host, port, true), ==, OPI_ST_ENODEV);
    g_assert_cmpint(port_state(b->host, port, false), ==, OPI_ST_OK);

    /* ATTACHED */
    sf_start(b, id, port, 5);
    e = func_wait(b->dpu, OPI_CHANGE_ATTACHED);
    g_assert_cmpint(le32_to_cpu(e.func_id), ==, id);
    g_assert_cmpint(le32_to_cpu(e.sf), ==, 88);
    g_assert_cmpint(func_attach(b->host, id, 1), ==, OPI_ST_EEXIST);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_EXPOSE, id), ==,
                    OPI_ST_EEXIST);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_DESTROY, id), ==,
                    OPI_ST_EBUSY);
    g_assert_cmpint(qp_create_for(b->host, 6, 4, 1, 2048, port), ==,
                    OPI_ST_ENOSPC);
    g_assert_cmpint(func_attach(b->host, id, 0), ==, OPI_ST_EBUSY);
    carry(b->host, 5, port, b->dpu);
    g_assert_cmpint(cmd_status(b->host, OPI_CMD_QP_DESTROY, 5), ==, OPI_ST_OK);
    g_assert_cmpint(func_attach(b->host, id, 0), ==, OPI_ST_OK);
    g_assert_cmpint(func_wait(b->dpu, OPI_CHANGE_DETACHED).sub, ==,
                    OPI_FUNC_EXPOSED);
    g_assert_cmphex(port_info(b->dpu, port).flags & OPI_PORT_F_FUNC_UP, ==, 0);

    /* And away. */
    drain(b->host);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_WITHDRAW, id), ==,
                    OPI_ST_OK);
    e = eq_wait(b->host, 0, OPI_EV_FUNC);
    g_assert_cmpint(le32_to_cpu(e.value), ==, OPI_CHANGE_WITHDRAWN);
    g_assert_cmpint(e.sub, ==, OPI_FUNC_HIDDEN);
    g_assert_cmpint(le32_to_cpu(e.func_id), ==, id);
    sf_unseen(b, id, port);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_DESTROY, id), ==,
                    OPI_ST_OK);
    e = func_wait(b->dpu, OPI_CHANGE_DESTROYED);
    g_assert_cmpint(e.sub, ==, OPI_FUNC_GONE);
    g_assert_cmpint(le32_to_cpu(e.sf), ==, 88);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_DESTROY, id), ==,
                    OPI_ST_ENOENT);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_EXPOSE, id), ==,
                    OPI_ST_ENOENT);
    g_assert_cmpint(port_state(b->dpu, port, true), ==, OPI_ST_ENOENT);

    /* The number may be used again, id and port not. */
    g_assert_cmpint(func_create(b->dpu, 88, &st), >, id);
    g_assert_cmpint(le32_to_cpu(func_wait(b->dpu, OPI_CHANGE_CREATED).port), ==,
                    port + 1);
    bed_free(b);
}

static void test_sf_refused(void)
{
    Bed *b = bed_new(BED_FAKE, "max-sfs=3");
    static const struct {
        uint8_t type, fclass;
        uint16_t controller, pf;
        uint32_t sf;
        uint16_t st;
    } cases[] = {
        { 0, OPI_CLASS_NET, 1, 0, 5, OPI_ST_EINVAL },
        { OPI_PORT_UPLINK, OPI_CLASS_NET, 1, 0, 5, OPI_ST_EINVAL },
        { OPI_PORT_PF, OPI_CLASS_NET, 1, 0, 5, OPI_ST_EINVAL },
        { OPI_PORT_VF, OPI_CLASS_NET, 1, 0, 5, OPI_ST_EINVAL },
        { 255, OPI_CLASS_NET, 1, 0, 5, OPI_ST_EINVAL },
        { OPI_PORT_SF, 0, 1, 0, 5, OPI_ST_EINVAL },
        { OPI_PORT_SF, 2, 1, 0, 5, OPI_ST_EINVAL },
        { OPI_PORT_SF, OPI_CLASS_NET, 0, 0, 5, OPI_ST_ENOENT },
        { OPI_PORT_SF, OPI_CLASS_NET, 2, 0, 5, OPI_ST_ENOENT },
        { OPI_PORT_SF, OPI_CLASS_NET, 1, 1, 5, OPI_ST_ENOENT },
        { OPI_PORT_SF, OPI_CLASS_NET, 1, 0, OPI_ID_NONE, OPI_ST_ERANGE },
        { OPI_PORT_SF, OPI_CLASS_NET, 1, 0, 0, OPI_ST_EEXIST },
    };
    struct opi_identify idy;
    uint32_t ids[8];
    unsigned i;
    uint16_t st;

    side_start(b->host);
    side_start(b->dpu);
    g_assert_cmpint(cmd_fill(b->dpu, OPI_CMD_IDENTIFY, 0, &idy, sizeof(idy)),
                    ==, OPI_ST_OK);
    g_assert_cmpint(le32_to_cpu(idy.total_sfs), ==, 3);
    g_assert_cmpint(func_create(b->dpu, 0, &st), !=, 0);
    for (i = 0; i < ARRAY_SIZE(cases); i++) {
        struct opi_cmd cmd = { .opcode = cpu_to_le16(OPI_CMD_FUNC_CREATE) };

        cmd.u.create.type = cases[i].type;
        cmd.u.create.fclass = cases[i].fclass;
        cmd.u.create.controller = cpu_to_le16(cases[i].controller);
        cmd.u.create.pf = cpu_to_le16(cases[i].pf);
        cmd.u.create.sf = cpu_to_le32(cases[i].sf);
        g_test_message("case %u", i);
        g_assert_cmpint(le16_to_cpu(cmd_run(b->dpu, cmd).status), ==,
                        cases[i].st);
    }
    func_create(b->host, 5, &st);
    g_assert_cmpint(st, ==, OPI_ST_EPERM);
    g_assert_cmpint(func_create(b->dpu, OPI_ID_NONE - 1, &st), !=, 0);
    g_assert_cmpint(func_create(b->dpu, 2, &st), !=, 0);
    func_create(b->dpu, 3, &st);
    g_assert_cmpint(st, ==, OPI_ST_ENOSPC);
    g_assert_cmpint(cmd_fill(b->dpu, OPI_CMD_FUNC_LIST, 0, ids, sizeof(ids)),
                    ==, OPI_ST_OK);
    g_assert_cmpint(ids[4], ==, 0);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_DESTROY,
                               le32_to_cpu(ids[2])), ==, OPI_ST_OK);
    g_assert_cmpint(func_create(b->dpu, 3, &st), !=, 0);

    /* Queue pairs for what is not there, or not the asking side's. */
    g_assert_cmpint(qp_create_for(b->host, 0, 4, 1, 2048, 5), ==,
                    OPI_ST_ENOENT);
    g_assert_cmpint(qp_create_for(b->host, 0, 4, 1, 2048, 65535), ==,
                    OPI_ST_ENOENT);
    g_assert_cmpint(func_set_max_vfs(b->dpu, 1), ==, OPI_ST_OK);
    g_assert_cmpint(qp_create_for(b->host, 0, 4, 1, 2048, VF_PORT(0)), ==,
                    OPI_ST_EPERM);
    g_assert_cmpint(qp_create_for(b->dpu, 0, 4, 1, 2048, 1), ==, OPI_ST_EINVAL);
    /* The PF has its own, wherever they are, and leaves the rest to SFs. */
    g_assert_cmpint(qp_create_for(b->host, 0, 4, 1, 2048, 1), ==, OPI_ST_OK);
    g_assert_cmpint(qp_limit(b->host), ==, OPI_TEST_QPS + 3);
    g_assert_cmpint(le16_to_cpu(func_info(b->host, 1).max_qps), ==,
                    OPI_TEST_QPS);
    for (i = 1; i < OPI_TEST_QPS; i++) {
        g_assert_cmpint(qp_create(b->host, i + 3, 4, 1, 2048), ==, OPI_ST_OK);
    }
    g_assert_cmpint(qp_create(b->host, 1, 4, 1, 2048), ==, OPI_ST_ENOSPC);
    bed_free(b);

    /* A card that has none. */
    b = bed_new(BED_FAKE, "caps=1");
    side_start(b->host);
    side_start(b->dpu);
    func_create(b->dpu, 1, &st);
    g_assert_cmpint(st, ==, OPI_ST_EOPNOTSUPP);
    g_assert_cmpint(func_attach(b->host, 1, 1), ==, OPI_ST_EOPNOTSUPP);
    g_assert_cmpint(qp_limit(b->host), ==, OPI_TEST_QPS);
    bed_free(b);
}

static void test_sf_traffic(void)
{
    Bed *b = bed_new(BED_FAKE, NULL);
    struct opi_rss_config rss = {
        .hash_types = cpu_to_le32(OPI_HASH_IPV4),
        .table_size = cpu_to_le16(2),
        .table = { 0, cpu_to_le16(5) },
    };
    uint32_t id[4], port[4], from;
    struct opi_port_stats st;
    struct opi_eqe e;
    unsigned i;

    traffic_start(b->host, b->dpu);
    for (i = 0; i < 4; i++) {
        id[i] = sf_make(b, 100 + i, &port[i]);
        sf_start(b, id[i], port[i], 4 + i);
    }
    /* The PF's spreading is none of the SFs' business, nor the other way. */
    g_assert_cmpint(cmd_take(b->host, OPI_CMD_RSS_SET, 0, &rss, sizeof(rss)),
                    ==, OPI_ST_OK);
    for (i = 0; i < 12; i++) {
        carry(b->host, 4 + i % 4, port[i % 4], b->dpu);
        carry(b->host, 0, 1, b->dpu);
    }
    for (i = 0; i < 4; i++) {
        st = port_stats(b->host, port[i]);
        g_assert_cmpint(le64_to_cpu(st.tx_frames), ==, 3);
        g_assert_cmpint(le64_to_cpu(st.rx_frames), ==, 3);
    }
    g_assert_cmpint(le64_to_cpu(port_stats(b->host, 1).rx_frames), ==, 12);

    /* On the DPU frames of all ports are spread, and have a hash. */
    g_assert_cmpint(qp_create(b->dpu, 1, 4, 1, 2048), ==, OPI_ST_OK);
    qp_post_rx(b->dpu, 1, 8);
    rss.table_size = cpu_to_le16(1);
    rss.table[0] = cpu_to_le16(1);
    rss.table[1] = 0;
    g_assert_cmpint(cmd_take(b->dpu, OPI_CMD_RSS_SET, 0, &rss, sizeof(rss)),
                    ==, OPI_ST_OK);
    frame_fill(frame, 100, 1);
    qp_send(b->host, 4, 0, frame, 100, 1);
    g_assert_cmpint(qp_recv(b->dpu, 1, got, sizeof(got), &from, 5000), ==, 100);
    g_assert_cmpint(from, ==, port[0]);
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_QP_DESTROY, 1), ==, OPI_ST_OK);

    /* Its error is its own. */
    drain(b->host);
    qp_send(b->host, 5, port[0], frame, 100, 1);
    e = eq_wait(b->host, 0, OPI_EV_QP_ERROR);
    g_assert_cmpint(le16_to_cpu(e.queue), ==, 5);
    g_assert_cmpint(le32_to_cpu(e.func_id), ==, id[1]);
    g_assert_cmpint(le32_to_cpu(e.sf), ==, 101);
    carry(b->host, 4, port[0], b->dpu);
    carry(b->host, 0, 1, b->dpu);
    /* Without a queue pair nothing comes, least of all in the PF's. */
    qp_send(b->dpu, 0, port[1], frame, 100, 1);
    qp_wait_sent(b->dpu, 0);
    g_assert_cmpint(le64_to_cpu(port_stats(b->host, port[1]).rx_down), ==, 1);
    g_assert_cmpint(cmd_status(b->host, OPI_CMD_QP_DESTROY, 5), ==, OPI_ST_OK);
    g_assert_cmpint(qp_create_for(b->host, 5, 4, 1, 2048, port[1]), ==,
                    OPI_ST_OK);
    qp_post_rx(b->host, 5, 16);
    carry(b->host, 5, port[1], b->dpu);
    bed_free(b);
}

static void test_sf_withdraw(void)
{
    static uint8_t before[64 << 10], after[64 << 10];
    Bed *b = bed_new(BED_FAKE, NULL);
    uint32_t id[2], port[2];
    unsigned i;
    uint64_t at;

    traffic_start(b->host, b->dpu);
    for (i = 0; i < 2; i++) {
        id[i] = sf_make(b, i, &port[i]);
        sf_start(b, id[i], port[i], 4 + i);
    }
    drain(b->dpu);
    drain(b->host);
    /* Frames both ways, and more of them posted. */
    for (i = 0; i < 8; i++) {
        qp_send(b->dpu, 0, port[0], frame, 200, 1);
        qp_send(b->host, 4, 0, frame, 200, 1);
    }
    g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_WITHDRAW, id[0]), ==,
                    OPI_ST_OK);
    at = b->host->qps[4].sq;
    mem_read(b->host, at, before, sizeof(before));
    func_wait(b->dpu, OPI_CHANGE_DETACHED);
    func_wait(b->dpu, OPI_CHANGE_WITHDRAWN);
    g_assert_cmpint(le32_to_cpu(func_wait(b->host,
                                          OPI_CHANGE_WITHDRAWN).func_id), ==,
                    id[0]);
    for (i = 0; i < 4; i++) {
        qp_send(b->dpu, 0, port[0], frame, 200, 1);
        doorbell(b->host, 4 + 1, OPI_DB_SQ_TAIL, 99 + i);
    }
    qp_wait_sent(b->dpu, 0);
    mem_read(b->host, at, after, sizeof(after));
    g_assert_cmpint(memcmp(before, after, b->host->qps[5].sq - at), ==, 0);
    g_assert_cmpint(cmd_status(b->host, OPI_CMD_QP_DESTROY, 4), ==,
                    OPI_ST_ENOENT);
    drain_qp(b->dpu, 0);
    carry(b->host, 5, port[1], b->dpu);
    carry(b->host, 0, 1, b->dpu);

    /* The queue pair is free for another. */
    id[0] = sf_make(b, 7, &port[0]);
    sf_start(b, id[0], port[0], 4);
    carry(b->host, 4, port[0], b->dpu);
    bed_free(b);
}

/* Whatever ends the PF ends its SFs' drivers, not the SFs. */
static void test_sf_ended(const void *data)
{
    enum { FLR, DRIVER, FATAL, RESET } how = GPOINTER_TO_UINT(data);
    Bed *b = bed_new(BED_FAKE, NULL);
    uint32_t id, port;
    struct opi_eqe e;

    traffic_start(b->host, b->dpu);
    id = sf_make(b, 9, &port);
    sf_start(b, id, port, 4);
    carry(b->host, 4, port, b->dpu);
    drain(b->dpu);
    switch (how) {
    case FLR:
        pci_flr(b->hostq, 0);
        opi_pci_setup(b->hostq);
        break;
    case DRIVER:
        fn_reset(b->host);
        break;
    case FATAL:
        card_set_bool(b, "fault-fatal", true);
        break;
    default:
        qtest_system_reset_nowait(b->hostq);
        qtest_qmp_eventwait(b->hostq, "RESET");
        side_free(b->host);
        b->host = side_pci(b->hostq, OPI_ROLE_HOST_PF);
        break;
    }
    do {
        e = func_wait(b->dpu, OPI_CHANGE_DETACHED);
    } while (le32_to_cpu(e.func_id) != id);
    g_assert_cmpint(e.sub, ==, OPI_FUNC_EXPOSED);
    g_assert_cmpint(func_info(b->dpu, id).state, ==, OPI_FUNC_EXPOSED);
    lost(b->host, 4, port, b->dpu);
    traffic_start(b->host, b->dpu);
    g_assert_cmpint(func_info(b->host, id).state, ==, OPI_FUNC_EXPOSED);
    sf_start(b, id, port, 4);
    carry(b->host, 4, port, b->dpu);
    bed_free(b);
}

/* As many as there can be: lists in parts, the last as good as the first. */
static void test_sf_many(void)
{
    enum { N = OPI_TEST_SFS };
    Bed *b = bed_new(BED_FAKE, NULL);
    static uint32_t ids[N], list[1024];
    unsigned i, n = 0;
    uint32_t start = 0, port;
    uint16_t st;

    traffic_start(b->host, b->dpu);
    for (i = 0; i < N; i++) {
        drain(b->dpu);
        ids[i] = func_create(b->dpu, i, &st);
        g_assert_cmpint(st, ==, OPI_ST_OK);
    }
    func_create(b->dpu, N, &st);
    g_assert_cmpint(st, ==, OPI_ST_ENOSPC);
    for (;;) {
        struct opi_cmd cmd = {
            .opcode = cpu_to_le16(OPI_CMD_FUNC_LIST),
            .buf = cpu_to_le64(b->dpu->buf),
            .buf_len = cpu_to_le32(sizeof(list)),
        };
        struct opi_cmd_cpl cpl;
        unsigned k;

        cmd.u.list.start = cpu_to_le32(start);
        cpl = cmd_run(b->dpu, cmd);
        g_assert_cmpint(le16_to_cpu(cpl.status), ==, OPI_ST_OK);
        k = le32_to_cpu(cpl.result);
        g_assert_cmpint(le16_to_cpu(cpl.resp_len), ==, 4 * k);
        if (!k) {
            break;
        }
        n += k;
        mem_read(b->dpu, b->dpu->buf, list, 4 * k);
        start = le32_to_cpu(list[k - 1]) + 1;
    }
    g_assert_cmpint(n, ==, N + 1);
    for (i = 0; i < N; i += N - 1) {
        drain(b->dpu);
        drain(b->host);
        g_assert_cmpint(cmd_status(b->dpu, OPI_CMD_FUNC_EXPOSE, ids[i]), ==,
                        OPI_ST_OK);
        port = le32_to_cpu(func_info(b->host, ids[i]).port);
        g_assert_cmpint(port, ==, 66 + i);
        sf_start(b, ids[i], port, 4 + !!i);
        carry(b->host, 4 + !!i, port, b->dpu);
    }
    /* The last queue pair and its doorbell are there as well. */
    g_assert_cmpint(qp_limit(b->host), ==, OPI_TEST_QPS + N);
    g_assert_cmpint(cmd_status(b->host, OPI_CMD_QP_DESTROY,
                               OPI_TEST_QPS + N - 1), ==, OPI_ST_ENOENT);
    g_assert_cmpint(cmd_status(b->host, OPI_CMD_QP_DESTROY, OPI_TEST_QPS + N),
                    ==, OPI_ST_ERANGE);
    doorbell(b->host, OPI_TEST_QPS + N, OPI_DB_SQ_TAIL, 1);
    bed_free(b);
}

/* ---- FUNC_SET ---------------------------------------------------------- */

static void test_set_refused(void)
{
    Bed *b = vf_bed(2, NULL);
    uint32_t id = vf_func(b->dpu, 1);
    static const struct {
        bool pf;
        uint32_t mask;
        uint16_t flags, vlan, qps, eqs, vfs;
        uint8_t mac[6];
        uint16_t st;
    } tries[] = {
        { .st = OPI_ST_EINVAL },
        { .mask = 0x80, .st = OPI_ST_EINVAL },
        { .mask = 0x80000001, .st = OPI_ST_EINVAL },
        { .mask = OPI_FUNC_SET_MAX_VFS, .vfs = 1, .st = OPI_ST_EINVAL },
        { true, .mask = OPI_FUNC_SET_MAX_QPS, .qps = 1, .st = OPI_ST_EINVAL },
        { true, .mask = OPI_FUNC_SET_MAX_EQS, .eqs = 1, .st = OPI_ST_EINVAL },
        { true, .mask = OPI_FUNC_SET_MIGRATABLE, .st = OPI_ST_EINVAL },
        /* Not in the mask, and not zero. */
        { .mask = OPI_FUNC_SET_TRUST, .flags = OPI_FUNC_F_MIGRATABLE,
          .st = OPI_ST_EINVAL },
        { .mask = OPI_FUNC_SET_MIGRATABLE, .flags = OPI_FUNC_F_TRUST,
          .st = OPI_ST_EINVAL },
        { .mask = OPI_FUNC_SET_TRUST, .flags = OPI_FUNC_F_EXPOSE,
          .st = OPI_ST_EINVAL },
        { .mask = OPI_FUNC_SET_TRUST, .vlan = 1, .st = OPI_ST_EINVAL },
        { .mask = OPI_FUNC_SET_TRUST, .qps = 1, .st = OPI_ST_EINVAL },
        { .mask = OPI_FUNC_SET_TRUST, .eqs = 1, .st = OPI_ST_EINVAL },
        { .mask = OPI_FUNC_SET_TRUST, .vfs = 1, .st = OPI_ST_EINVAL },
        { .mask = OPI_FUNC_SET_TRUST, .mac = { 2 }, .st = OPI_ST_EINVAL },
        { .mask = OPI_FUNC_SET_MAC, .st = OPI_ST_EINVAL },
        { .mask = OPI_FUNC_SET_MAC, .mac = { 1 }, .st = OPI_ST_EINVAL },
        { .mask = OPI_FUNC_SET_VLAN, .vlan = 4095, .st = OPI_ST_ERANGE },
        { .mask = OPI_FUNC_SET_VLAN, .vlan = 65535, .st = OPI_ST_ERANGE },
        { .mask = OPI_FUNC_SET_MAX_QPS, .st = OPI_ST_ERANGE },
        { .mask = OPI_FUNC_SET_MAX_QPS, .qps = 5, .st = OPI_ST_ERANGE },
        { .mask = OPI_FUNC_SET_MAX_EQS, .st = OPI_ST_ERANGE },
        { .mask = OPI_FUNC_SET_MAX_EQS, .eqs = 6, .st = OPI_ST_ERANGE },
        { true, .mask = OPI_FUNC_SET_MAX_VFS, .vfs = 65, .st = OPI_ST_ERANGE },
        { true, .mask = OPI_FUNC_SET_MAX_VFS, .vfs = 1, .st = OPI_ST_EBUSY },
        /* The first that is wrong, and nothing of the rest is done. */
        { .mask = OPI_FUNC_SET_MAC | OPI_FUNC_SET_VLAN | OPI_FUNC_SET_MAX_QPS,
          .mac = { 2, 9 }, .vlan = 5, .qps = 9, .st = OPI_ST_ERANGE },
        { .mask = OPI_FUNC_SET_TRUST | OPI_FUNC_SET_MAC | OPI_FUNC_SET_VLAN,
          .mac = { 3, 9 }, .vlan = 4095, .st = OPI_ST_EINVAL },
    };
    struct opi_func_info was[2] = {
        func_info(b->dpu, id), func_info(b->dpu, 1)
    };
    struct opi_func_info now;
    struct opi_cmd cmd;
    unsigned i;
    uint16_t st;

    for (i = 0; i < ARRAY_SIZE(tries); i++) {
        memset(&cmd, 0, sizeof(cmd));
        cmd.u.func.mask = cpu_to_le32(tries[i].mask);
        cmd.u.func.flags = cpu_to_le16(tries[i].flags);
        cmd.u.func.vlan = cpu_to_le16(tries[i].vlan);
        cmd.u.func.max_qps = cpu_to_le16(tries[i].qps);
        cmd.u.func.max_eqs = cpu_to_le16(tries[i].eqs);
        cmd.u.func.max_vfs = cpu_to_le16(tries[i].vfs);
        memcpy(cmd.u.func.mac, tries[i].mac, 6);
        g_test_message("case %u", i);
        st = func_set(b->dpu, tries[i].pf ? 1 : id, cmd);
        g_assert_cmpint(st, ==, tries[i].st);
        now = func_info(b->dpu, id);
        g_assert_cmpint(memcmp(&was[0], &now, sizeof(now)), ==, 0);
        now = func_info(b->dpu, 1);
        g_assert_cmpint(memcmp(&was[1], &now, sizeof(now)), ==, 0);
    }
    memset(&cmd, 0, sizeof(cmd));
    cmd.u.func.mask = cpu_to_le32(OPI_FUNC_SET_TRUST);
    g_assert_cmpint(func_set(b->dpu, 0, cmd), ==, OPI_ST_ENOENT);
    g_assert_cmpint(func_set(b->dpu, 999, cmd), ==, OPI_ST_ENOENT);
    g_assert_cmpint(func_set(b->host, 1, cmd), ==, OPI_ST_EPERM);
    bed_free(b);
}

static void test_set(void)
{
    Bed *b = vf_bed(1, "trust=off");
    Side *vf = side_vf(b->hostq, 0);
    uint32_t id = vf_func(b->dpu, 0);
    static const uint8_t mac[6] = { 0x02, 1, 2, 3, 4, 5 };
    struct opi_rx_config rx = { .flags = cpu_to_le32(OPI_RX_F_PROMISC) };
    struct opi_cmd cmd = { 0 };
    struct opi_func_info fi;
    struct opi_eqe e;

    /* While nobody uses it: all. */
    cmd.u.func.mask = cpu_to_le32(OPI_FUNC_SET_TRUST | OPI_FUNC_SET_MIGRATABLE |
                                  OPI_FUNC_SET_MAC | OPI_FUNC_SET_VLAN |
                                  OPI_FUNC_SET_MAX_QPS | OPI_FUNC_SET_MAX_EQS);
    cmd.u.func.flags = cpu_to_le16(OPI_FUNC_F_TRUST | OPI_FUNC_F_MIGRATABLE);
    memcpy(cmd.u.func.mac, mac, sizeof(mac));
    cmd.u.func.vlan = cpu_to_le16(4094);
    cmd.u.func.max_qps = cpu_to_le16(1);
    cmd.u.func.max_eqs = cpu_to_le16(2);
    g_assert_cmpint(func_set(b->dpu, id, cmd), ==, OPI_ST_OK);
    fi = func_info(b->dpu, id);
    g_assert_cmphex(le16_to_cpu(fi.flags), ==, OPI_FUNC_F_TRUST |
                    OPI_FUNC_F_MIGRATABLE | OPI_FUNC_F_EXPOSE);
    g_assert_cmpint(memcmp(fi.mac, mac, 6), ==, 0);
    g_assert_cmpint(le16_to_cpu(fi.vlan), ==, 4094);
    g_assert_cmphex(reg_read(vf, OPI_REG_LIMITS0), ==, 1 | 2 << 16);

    side_start(vf);
    g_assert_cmpint(eq_create(vf, 2, 4, 0), ==, OPI_ST_ERANGE);
    g_assert_cmpint(qp_create(vf, 0, 4, 1, 2048), ==, OPI_ST_OK);
    g_assert_cmpint(qp_create(vf, 1, 4, 1, 2048), ==, OPI_ST_ERANGE);
    g_assert_cmpint(memcmp(port_info(vf, VF_PORT(0)).mac, mac, 6), ==, 0);
    g_assert_cmpint(cmd_take(vf, OPI_CMD_PORT_SET_RX, VF_PORT(0), &rx,
                             sizeof(rx)), ==, OPI_ST_OK);

    /* While somebody does. */
    drain(b->dpu);
    drain(vf);
    memset(&cmd, 0, sizeof(cmd));
    cmd.u.func.mask = cpu_to_le32(OPI_FUNC_SET_MAX_QPS);
    cmd.u.func.max_qps = cpu_to_le16(4);
    g_assert_cmpint(func_set(b->dpu, id, cmd), ==, OPI_ST_EBUSY);
    cmd.u.func.mask = cpu_to_le32(OPI_FUNC_SET_MAX_EQS);
    cmd.u.func.max_qps = 0;
    cmd.u.func.max_eqs = cpu_to_le16(4);
    g_assert_cmpint(func_set(b->dpu, id, cmd), ==, OPI_ST_EBUSY);
    cmd.u.func.max_eqs = 0;
    cmd.u.func.mask = cpu_to_le32(OPI_FUNC_SET_TRUST | OPI_FUNC_SET_VLAN);
    g_assert_cmpint(func_set(b->dpu, id, cmd), ==, OPI_ST_OK);
    e = eq_wait(vf, 0, OPI_EV_FUNC);
    g_assert_cmpint(le32_to_cpu(e.value), ==, OPI_CHANGE_SET);
    g_assert_cmpint(le32_to_cpu(e.func_id), ==, id);
    g_assert_cmpint(e.sub, ==, OPI_FUNC_ATTACHED);
    g_assert_cmpint(le32_to_cpu(func_wait(b->dpu, OPI_CHANGE_SET).func_id), ==,
                    id);
    g_assert_cmpint(cmd_take(vf, OPI_CMD_PORT_SET_RX, VF_PORT(0), &rx,
                             sizeof(rx)), ==, OPI_ST_EPERM);
    g_assert_cmpint(le16_to_cpu(func_info(b->dpu, id).vlan), ==, 0);
    g_assert_cmphex(le16_to_cpu(func_info(b->dpu, id).flags), ==,
                    OPI_FUNC_F_MIGRATABLE | OPI_FUNC_F_EXPOSE);

    /* Without TRUST: what is not its own does not reach it any more. */
    qp_post_rx(vf, 0, 16);
    g_assert_cmpint(port_state(vf, VF_PORT(0), true), ==, OPI_ST_OK);
    g_assert_cmpint(port_state(b->dpu, VF_PORT(0), true), ==, OPI_ST_OK);
    memset(frame, 0x22, 100);
    qp_send(b->dpu, 0, VF_PORT(0), frame, 100, 1);
    qp_wait_sent(b->dpu, 0);
    g_assert_cmpint(le64_to_cpu(port_stats(vf, VF_PORT(0)).rx_filtered), ==, 1);
    memcpy(frame, mac, 6);
    qp_send(b->dpu, 0, VF_PORT(0), frame, 100, 1);
    g_assert_cmpint(qp_recv(vf, 0, got, sizeof(got), NULL, 20000), ==, 100);
    side_free(vf);
    bed_free(b);
}

/* ---- Who survives what ------------------------------------------------- */

static void test_host_reset(void)
{
    Bed *b = vf_bed(2, NULL);
    Side *vf = side_vf(b->hostq, 0);
    static const uint8_t mac[6] = { 0x02, 7, 7, 7, 7, 7 };
    uint32_t id = vf_func(b->dpu, 0);
    struct opi_cmd cmd = { 0 };

    cmd.u.func.mask = cpu_to_le32(OPI_FUNC_SET_MAC | OPI_FUNC_SET_VLAN);
    memcpy(cmd.u.func.mac, mac, sizeof(mac));
    cmd.u.func.vlan = cpu_to_le16(77);
    g_assert_cmpint(func_set(b->dpu, id, cmd), ==, OPI_ST_OK);
    side_start(vf);
    drain(b->dpu);
    qtest_system_reset_nowait(b->hostq);
    eq_wait(b->dpu, 0, OPI_EV_HOST_RESET);
    qtest_qmp_eventwait(b->hostq, "RESET");
    g_assert_cmpint(func_info(b->dpu, id).state, ==, OPI_FUNC_HIDDEN);
    g_assert_cmpint(memcmp(func_info(b->dpu, id).mac, mac, 6), ==, 0);
    g_assert_cmpint(le16_to_cpu(func_info(b->dpu, id).vlan), ==, 77);
    g_assert_cmpint(le16_to_cpu(func_info(b->dpu, 1).max_vfs), ==, 2);
    side_free(b->host);
    side_free(vf);
    b->host = side_pci(b->hostq, OPI_ROLE_HOST_PF);
    g_assert_cmpint(vf_enable(b->hostq, 3), ==, 0);
    g_assert_cmpint(vf_enable(b->hostq, 2), ==, 2);
    vf = side_vf(b->hostq, 0);
    g_assert_cmpint(reg_read(vf, OPI_REG_FUNC_ID), ==, id);

    /* Off: the VFs go with what enabled them. */
    drain(b->dpu);
    guest_power_off(b->hostq);
    func_wait(b->dpu, OPI_CHANGE_WITHDRAWN);
    g_assert_cmpint(le16_to_cpu(func_info(b->dpu, 1).num_vfs), ==, 0);
    g_assert_cmpint(func_info(b->dpu, id).state, ==, OPI_FUNC_HIDDEN);
    side_free(vf);
    bed_free(b);
}

static void test_dpu_reset(void)
{
    Bed *b = vf_bed(2, NULL);
    Side *vf = side_vf(b->hostq, 0);
    uint32_t id = vf_func(b->dpu, 0), gen, sf, port;
    struct opi_cmd cmd = { 0 };

    cmd.u.func.mask = cpu_to_le32(OPI_FUNC_SET_VLAN | OPI_FUNC_SET_TRUST);
    cmd.u.func.vlan = cpu_to_le16(78);
    g_assert_cmpint(func_set(b->dpu, vf_func(b->dpu, 1), cmd), ==, OPI_ST_OK);
    sf = sf_make(b, 5, &port);
    sf_start(b, sf, port, 4);
    vf_start(vf, 0, b->dpu);
    eq_wait(vf, 0, OPI_EV_LINK);
    drain(vf);
    gen = reg_read(vf, OPI_REG_GENERATION);

    /* Its driver: carriers go, what is set stays, the VF's queues too. */
    fn_reset(b->dpu);
    g_assert_cmpint(eq_wait(vf, 0, OPI_EV_BOOT).sub, ==, OPI_OS_BOOTING);
    g_assert_cmpint(eq_wait(vf, 0, OPI_EV_LINK).sub, ==, 0);
    g_assert_cmpint(qp_info(vf, 0).state, ==, OPI_QP_RUNNING);
    side_start(b->dpu);
    g_assert_cmpint(vf_func(b->dpu, 0), ==, id);
    g_assert_cmpint(func_info(b->dpu, id).state, ==, OPI_FUNC_ATTACHED);
    g_assert_cmpint(func_info(b->dpu, sf).state, ==, OPI_FUNC_ATTACHED);
    g_assert_cmpint(qp_info(b->host, 4).state, ==, OPI_QP_RUNNING);
    g_assert_cmpint(le16_to_cpu(func_info(b->dpu,
                                          vf_func(b->dpu, 1)).vlan), ==, 78);

    /* Its computer. */
    drain(vf);
    fake_state(b->soc, OPI_LINK_SOC_RUNNING, OPI_LINK_EVENT_RESET);
    g_assert_cmpint(le32_to_cpu(eq_wait(vf, 0, OPI_EV_PEER).value), ==,
                    gen + 1);
    side_start(b->dpu);
    g_assert_cmpint(vf_func(b->dpu, 0), ==, id);
    g_assert_cmpint(le16_to_cpu(func_info(b->dpu, 1).max_vfs), ==, 2);
    g_assert_cmpint(qp_create(b->dpu, 0, 4, 1, 2048), ==, OPI_ST_OK);
    qp_post_rx(b->dpu, 0, 16);
    g_assert_cmpint(boot_set(b->dpu, OPI_OS_BOOTED, OPI_BOOT_TIME_KEEP), ==,
                    OPI_ST_OK);
    g_assert_cmpint(port_state(b->dpu, VF_PORT(0), true), ==, OPI_ST_OK);
    g_assert_cmpint(port_state(b->dpu, port, true), ==, OPI_ST_OK);
    carry(vf, 0, VF_PORT(0), b->dpu);
    carry(b->host, 4, port, b->dpu);
    side_free(vf);
    bed_free(b);
}

/* Both sides at it, without sense: nothing breaks, and the rules hold. */
static void test_random(void)
{
    Bed *b = vf_bed(4, NULL);
    unsigned i, enabled = 4, max = 4;
    struct opi_cmd cmd;

    for (i = 0; i < 300; i++) {
        unsigned n = g_test_rand_int_range(0, 9);
        uint32_t id = g_test_rand_int_range(0, 12);
        uint16_t st;

        memset(&cmd, 0, sizeof(cmd));
        drain(b->dpu);
        drain(b->host);
        switch (g_test_rand_int_range(0, 6)) {
        case 0:
            st = func_set_max_vfs(b->dpu, n);
            g_assert_cmpint(st, ==, n < enabled ? OPI_ST_EBUSY : OPI_ST_OK);
            max = st == OPI_ST_OK ? n : max;
            break;
        case 1:
            vf_enable(b->hostq, 0);
            enabled = vf_enable(b->hostq, n);
            g_assert_cmpint(enabled, ==, n <= max ? n : 0);
            break;
        case 2:
            cmd_status(b->dpu, n & 1 ? OPI_CMD_FUNC_EXPOSE
                                     : OPI_CMD_FUNC_WITHDRAW, id);
            break;
        case 3:
            cmd.u.func.mask = cpu_to_le32(g_test_rand_int_range(0, 0x40));
            cmd.u.func.vlan = cpu_to_le16(n);
            func_set(b->dpu, id, cmd);
            break;
        case 4:
            if (enabled) {
                Side *vf = side_vf(b->hostq, g_test_rand_int_range(0,
                                             MIN(enabled, OPI_TEST_VFS)));

                if (reg_read(vf, OPI_REG_DEV_STATUS) & OPI_DEV_STATUS_READY) {
                    side_start(vf);
                }
                side_free(vf);
            }
            break;
        default:
            if (enabled) {
                pci_flr(b->hostq, 1 + g_test_rand_int_range(0, enabled));
            }
            break;
        }
        g_assert_cmpint(le16_to_cpu(func_info(b->dpu, 1).num_vfs), ==, enabled);
        g_assert_cmpint(le16_to_cpu(func_info(b->dpu, 1).max_vfs), ==, max);
    }
    /* What was taken from the PF by the way. */
    memset(&cmd, 0, sizeof(cmd));
    cmd.u.func.mask = cpu_to_le32(OPI_FUNC_SET_TRUST | OPI_FUNC_SET_VLAN);
    cmd.u.func.flags = cpu_to_le16(OPI_FUNC_F_TRUST);
    g_assert_cmpint(func_set(b->dpu, 1, cmd), ==, OPI_ST_OK);
    traffic_start(b->host, b->dpu);
    carry(b->host, 0, 1, b->dpu);
    bed_free(b);
}

/* What the table says of a function, its port and both sides' lists agrees. */
static void check_tables(Bed *b)
{
    uint32_t ids[64] = { 0 }, seen[64] = { 0 };
    unsigned i, k, n = 0;

    g_assert_cmpint(cmd_fill(b->dpu, OPI_CMD_FUNC_LIST, 0, ids, sizeof(ids)),
                    ==, OPI_ST_OK);
    g_assert_cmpint(cmd_fill(b->host, OPI_CMD_FUNC_LIST, 0, seen,
                             sizeof(seen)), ==, OPI_ST_OK);
    for (i = 0; i < ARRAY_SIZE(ids) && ids[i]; i++) {
        struct opi_func_info fi = func_info(b->dpu, le32_to_cpu(ids[i]));
        struct opi_port_info pi = port_info(b->dpu, le32_to_cpu(fi.port));
        bool listed = false;

        g_assert_cmphex(pi.func_id, ==, ids[i]);
        g_assert_cmphex(fi.func_id, ==, ids[i]);
        g_assert_cmpint(pi.type, ==, fi.type);
        g_assert_cmphex(pi.sf, ==, fi.sf);
        g_assert_cmphex(pi.vf, ==, fi.vf);
        g_assert_cmpint(memcmp(pi.mac, fi.mac, 6), ==, 0);
        g_assert_cmpint(fi.state, <, OPI_FUNC_GONE);
        if (!(le16_to_cpu(fi.flags) & OPI_FUNC_F_EXPOSE)) {
            g_assert_cmpint(fi.state, ==, OPI_FUNC_HIDDEN);
        }
        if (fi.state != OPI_FUNC_ATTACHED) {
            g_assert_cmphex(pi.flags & OPI_PORT_F_FUNC_UP, ==, 0);
        }
        for (k = 0; k < ARRAY_SIZE(seen); k++) {
            listed |= seen[k] == ids[i];
        }
        n += listed;
        g_assert_cmpint(listed, ==, fi.type == OPI_PORT_PF ||
                        (fi.type == OPI_PORT_SF &&
                         fi.state != OPI_FUNC_HIDDEN));
    }
    for (k = 0; k < ARRAY_SIZE(seen) && seen[k]; k++) {
        continue;
    }
    g_assert_cmpint(k, ==, n);
}

/* Random commands about functions: each is answered, and the table holds. */
static void test_fuzz(void)
{
    static const uint16_t opcodes[] = {
        OPI_CMD_FUNC_CREATE, OPI_CMD_FUNC_CREATE, OPI_CMD_FUNC_DESTROY,
        OPI_CMD_FUNC_SET, OPI_CMD_FUNC_EXPOSE, OPI_CMD_FUNC_EXPOSE,
        OPI_CMD_FUNC_WITHDRAW, OPI_CMD_FUNC_ATTACH, OPI_CMD_FUNC_ATTACH,
        OPI_CMD_PORT_SET_STATE, OPI_CMD_PORT_SET_MAC, OPI_CMD_QP_CREATE,
        OPI_CMD_QP_DESTROY,
    };
    Bed *b = bed_new(BED_FAKE, "max-sfs=20");
    uint32_t seed = g_test_rand_int();
    g_autoptr(GRand) r = g_rand_new_with_seed(seed);
    unsigned i, done = 0;

    g_test_message("seed %u", seed);
    traffic_start(b->host, b->dpu);
    for (i = 0; i < 2000; i++) {
        uint16_t op = opcodes[g_rand_int_range(r, 0, ARRAY_SIZE(opcodes))];
        bool host = op == OPI_CMD_FUNC_ATTACH || op == OPI_CMD_QP_CREATE ||
                    op == OPI_CMD_QP_DESTROY || !g_rand_int_range(r, 0, 8);
        struct opi_cmd cmd = { .opcode = cpu_to_le16(op) };
        uint32_t some = g_rand_int_range(r, 0, 40);
        uint16_t st;
        unsigned k;

        if (op != OPI_CMD_FUNC_CREATE) {
            cmd.target = cpu_to_le32(op >= OPI_CMD_FUNC_CREATE ||
                                     op < OPI_CMD_PORT_LIST ? some
                                                            : 50 + some);
        }
        switch (op) {
        case OPI_CMD_FUNC_CREATE:
            cmd.u.create.type = OPI_PORT_SF;
            cmd.u.create.fclass = OPI_CLASS_NET;
            cmd.u.create.controller = cpu_to_le16(1);
            cmd.u.create.sf = cpu_to_le32(some);
            break;
        case OPI_CMD_FUNC_SET:
            cmd.u.func.mask = cpu_to_le32(1 << g_rand_int_range(r, 0, 8));
            if (cmd.u.func.mask == cpu_to_le32(OPI_FUNC_SET_MAX_VFS)) {
                cmd.u.func.max_vfs = cpu_to_le16(some / 8);
                cmd.target = cpu_to_le32(1);
            }
            break;
        case OPI_CMD_FUNC_ATTACH:
        case OPI_CMD_PORT_SET_STATE:
            cmd.u.state.up = g_rand_boolean(r);
            break;
        case OPI_CMD_PORT_SET_MAC:
            memset(cmd.u.mac.mac, some, 6);
            break;
        case OPI_CMD_QP_CREATE:
            cmd.target = cpu_to_le32(4 + some % 8);
            cmd.u.qp.sq = cmd.u.qp.rq = cmd.u.qp.cq = cmd.u.qp.shadow =
                cpu_to_le64(OPI_TEST_RAM + (20 << 20));
            cmd.u.qp.sq_order = cmd.u.qp.rq_order = cmd.u.qp.cq_order = 4;
            cmd.u.qp.eq = cpu_to_le16(1);
            cmd.u.qp.port = cpu_to_le16(64 + some);
            break;
        default:
            break;
        }
        /* Now and then a word of it is anything. */
        if (!g_rand_int_range(r, 0, 6)) {
            k = 5 + g_rand_int_range(r, 0, 11);
            ((uint32_t *)&cmd)[k] = g_rand_int(r);
        }
        if (!g_rand_int_range(r, 0, 100)) {
            vf_enable(b->hostq, 0);
            vf_enable(b->hostq, g_rand_int_range(r, 0, 6));
        }
        drain(b->dpu);
        drain(b->host);
        st = le16_to_cpu(cmd_run(host ? b->host : b->dpu, cmd).status);
        g_assert_cmpint(st, <=, OPI_ST_ECANCELED);
        done += st == OPI_ST_OK;
        if (i % 100 == 0) {
            check_tables(b);
        }
    }
    check_tables(b);
    g_test_message("%u of %u commands were accepted", done, i);
    g_assert_cmpint(done, >, 100);
    bed_free(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("opi/vf/limit", test_vf_limit);
    qtest_add_func("opi/vf/none", test_vf_none);
    qtest_add_func("opi/vf/identity", test_vf_identity);
    qtest_add_func("opi/vf/traffic", test_vf_traffic);
    qtest_add_func("opi/vf/bus-master", test_vf_bus_master);
    qtest_add_func("opi/vf/flr", test_vf_flr);
    qtest_add_data_func("opi/vf/disabled", GUINT_TO_POINTER(0), test_vf_ended);
    qtest_add_data_func("opi/vf/pf-flr", GUINT_TO_POINTER(1), test_vf_ended);
    qtest_add_data_func("opi/vf/pf-driver", GUINT_TO_POINTER(2), test_vf_ended);
    qtest_add_func("opi/vf/withdraw", test_vf_withdraw);
    qtest_add_func("opi/sf/life", test_sf_life);
    qtest_add_func("opi/sf/refused", test_sf_refused);
    qtest_add_func("opi/sf/traffic", test_sf_traffic);
    qtest_add_func("opi/sf/withdraw", test_sf_withdraw);
    qtest_add_data_func("opi/sf/pf-flr", GUINT_TO_POINTER(0), test_sf_ended);
    qtest_add_data_func("opi/sf/pf-driver", GUINT_TO_POINTER(1), test_sf_ended);
    qtest_add_data_func("opi/sf/pf-fatal", GUINT_TO_POINTER(2), test_sf_ended);
    qtest_add_data_func("opi/sf/host-reset", GUINT_TO_POINTER(3),
                        test_sf_ended);
    qtest_add_func("opi/sf/many", test_sf_many);
    qtest_add_func("opi/func/set-refused", test_set_refused);
    qtest_add_func("opi/func/set", test_set);
    qtest_add_func("opi/func/host-reset", test_host_reset);
    qtest_add_func("opi/func/dpu-reset", test_dpu_reset);
    qtest_add_func("opi/func/random", test_random);
    qtest_add_func("opi/func/fuzz", test_fuzz);
    return g_test_run();
}
