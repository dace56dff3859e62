/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qtests of two QEMUs, host and DPU, over one card: frames end to end, and each
 * of the two dying at any time while the other goes on.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include <signal.h>
#include <sys/socket.h>
#include "opi-util.h"

static uint8_t frame[10000], got[10000];

static void pass(Side *from, uint32_t port, Side *to, size_t len, uint32_t seed)
{
    frame_fill(frame, len, seed);
    qp_send(from, 0, port, frame, len, 1 + seed % 3);
    g_assert_cmpint(qp_recv(to, 0, got, sizeof(got), NULL, 20000), ==, len);
    g_assert_true(frame_ok(got, len, seed));
}

static void test_frames(void)
{
    Bed *b = bed_new(BED_DPU | BED_WIRE, NULL);
    unsigned i;

    g_assert_cmphex(reg_read(b->dpu, OPI_REG_SERIAL_LO), ==,
                    (uint32_t)OPI_TEST_SERIAL);
    g_assert_cmphex(reg_read(b->dpu, OPI_REG_ROLE) & 0xff, ==, OPI_ROLE_DPU);
    traffic_start(b->host, b->dpu);
    for (i = 0; i < 100; i++) {
        pass(b->host, 0, b->dpu, 60 + i * 14, i);
        pass(b->dpu, 1, b->host, 60 + i * 14, i);
    }
    for (i = 0; i < 20; i++) {
        frame_fill(frame, 300, i);
        qp_send(b->dpu, 0, 0, frame, 300, 1);
        g_assert_cmpint(recv(b->wire, got, sizeof(got), 0), ==, 300);
        g_assert_cmpint(send(b->wire, frame, 300, 0), ==, 300);
        g_assert_cmpint(qp_recv(b->dpu, 0, got, sizeof(got), NULL, 20000), ==,
                        300);
        g_assert_true(frame_ok(got, 300, i));
    }
    /* Interrupts come through as the vectors of the event queues. */
    mem_st32(b->dpu, b->dpu->qps[0].shadow +
             offsetof(struct opi_qp_shadow, cq_arm), b->dpu->qps[0].cq_head);
    while (eq_try(b->dpu, 1, &(struct opi_eqe) { 0 })) {
        continue;
    }
    eq_arm(b->dpu, 1);
    irq_taken(b->dpu, 1);
    pass(b->host, 0, b->dpu, 64, 1);
    irq_wait(b->dpu, 1);
    bed_free(b);
}

static void test_dpu_power(void)
{
    Bed *b = bed_new(BED_DPU, NULL);
    struct opi_eqe e;
    uint32_t gen;

    traffic_start(b->host, b->dpu);
    pass(b->host, 0, b->dpu, 64, 1);
    gen = reg_read(b->host, OPI_REG_GENERATION);

    qtest_qmp_assert_success(b->dpuq, "{'execute': 'stop'}");
    do {
        e = eq_wait(b->host, 0, OPI_EV_PEER);
    } while (e.sub != OPI_PEER_STALLED);
    qtest_qmp_assert_success(b->dpuq, "{'execute': 'cont'}");
    g_assert_cmpint(eq_wait(b->host, 0, OPI_EV_PEER).sub, ==, OPI_PEER_READY);
    pass(b->host, 0, b->dpu, 64, 2);

    qtest_system_reset_nowait(b->dpuq);
    e = eq_wait(b->host, 0, OPI_EV_PEER);
    g_assert_cmpint(e.sub, ==, OPI_PEER_PRESENT);
    g_assert_cmpint(le32_to_cpu(e.value), ==, gen + 1);
    qtest_qmp_eventwait(b->dpuq, "RESET");
    /* Once more before anybody has used it: the same reset. */
    qtest_system_reset_nowait(b->dpuq);
    qtest_qmp_eventwait(b->dpuq, "RESET");
    side_free(b->dpu);
    b->dpu = side_pci(b->dpuq, OPI_ROLE_DPU);
    traffic_start(b->host, b->dpu);
    pass(b->dpu, 1, b->host, 64, 3);
    g_assert_cmpint(reg_read(b->host, OPI_REG_GENERATION), ==, gen + 1);

    /* Off and on again: one generation, one step more. */
    guest_power_off(b->dpuq);
    do {
        e = eq_wait(b->host, 0, OPI_EV_PEER);
    } while (e.sub != OPI_PEER_HALTED);
    qtest_system_reset_nowait(b->dpuq);
    qtest_qmp_eventwait(b->dpuq, "RESET");
    qtest_qmp_assert_success(b->dpuq, "{'execute': 'cont'}");
    do {
        e = eq_wait(b->host, 0, OPI_EV_PEER);
    } while (e.sub != OPI_PEER_PRESENT);
    g_assert_cmpint(le32_to_cpu(e.value), ==, gen + 2);
    gen++;
    side_free(b->dpu);
    b->dpu = side_pci(b->dpuq, OPI_ROLE_DPU);
    traffic_start(b->host, b->dpu);
    pass(b->dpu, 1, b->host, 64, 3);

    /* FLR of its function: the same computer, no new generation. */
    cfg_writew(b->dpuq, 1, 0, 0xa8, cfg_readw(b->dpuq, 1, 0, 0xa8) | 0x8000);
    side_free(b->dpu);
    b->dpu = side_pci(b->dpuq, OPI_ROLE_DPU);
    reg_wait(b->dpu, OPI_REG_AQ_STATUS, UINT32_MAX, 0);
    g_assert_cmpint(reg_read(b->host, OPI_REG_GENERATION), ==, gen + 1);
    traffic_start(b->host, b->dpu);
    pass(b->dpu, 1, b->host, 64, 4);
    bed_free(b);
}

/* Fill the rings so that the card is at work when somebody dies. */
static void flood(Side *s, uint32_t port, unsigned n)
{
    while (n--) {
        struct opi_txd t = {
            .addr = cpu_to_le64(OPI_TEST_RAM),
            .len = cpu_to_le32(1000),
            .flags = cpu_to_le16(OPI_TXD_F_SOP | OPI_TXD_F_EOP),
            .nsegs = 1,
            .port = cpu_to_le32(port),
        };

        qp_post_txd(s, 0, &t);
    }
    qp_kick(s, 0);
}

static void test_dpu_killed(void)
{
    Bed *b = bed_new(BED_DPU, NULL);
    unsigned round;

    for (round = 0; round < 10; round++) {
        struct opi_eqe e;

        traffic_start(b->host, b->dpu);
        pass(b->host, 0, b->dpu, 64, round);
        flood(b->dpu, 1, 20);
        flood(b->host, 0, 20);
        qtest_kill_qemu(b->dpuq);
        do {
            e = eq_wait(b->host, 0, OPI_EV_PEER);
        } while (e.sub != OPI_PEER_ABSENT);
        /* The host's own queues are as they were. */
        g_assert_cmpint(qp_info(b->host, 0).state, ==, OPI_QP_RUNNING);
        frame_fill(frame, 100, 1);
        qp_send(b->host, 0, 0, frame, 100, 1);
        qp_wait_sent(b->host, 0);
        g_assert_cmpint(port_state(b->host, 1, true), ==, OPI_ST_OK);

        qtest_quit(b->dpuq);
        side_free(b->dpu);
        b->dpuq = bed_dpu(b);
        b->dpu = side_pci(b->dpuq, OPI_ROLE_DPU);
        card_wait_link(b, true);
        reg_wait(b->dpu, OPI_REG_DEV_STATUS, OPI_DEV_STATUS_ABSENT |
                 OPI_DEV_STATUS_READY, OPI_DEV_STATUS_READY);
    }
    traffic_start(b->host, b->dpu);
    pass(b->host, 0, b->dpu, 64, 1);
    bed_free(b);
}

static void test_host_killed(void)
{
    Bed *b = bed_new(BED_DPU, NULL);
    unsigned round;

    for (round = 0; round < 5; round++) {
        traffic_start(b->host, b->dpu);
        pass(b->dpu, 1, b->host, 64, round);
        flood(b->dpu, 1, 20);
        irq_taken(b->dpu, 0);
        qtest_kill_qemu(b->hostq);
        reg_wait(b->dpu, OPI_REG_DEV_STATUS, UINT32_MAX, OPI_DEV_STATUS_ABSENT);
        irq_wait(b->dpu, 0);
        /* A driver that does not know yet. */
        reg_write(b->dpu, OPI_REG_DEV_CTRL, OPI_DEV_CTRL_RESET);
        doorbell(b->dpu, 1, 0, 1);
        g_assert_cmphex(reg_read(b->dpu, OPI_REG_SERIAL_LO), ==,
                        (uint32_t)OPI_TEST_SERIAL);

        qtest_quit(b->hostq);
        side_free(b->host);
        bed_host_again(b);
        reg_wait(b->dpu, OPI_REG_DEV_STATUS, OPI_DEV_STATUS_ABSENT |
                 OPI_DEV_STATUS_READY, OPI_DEV_STATUS_READY);
    }
    traffic_start(b->host, b->dpu);
    pass(b->dpu, 1, b->host, 64, 1);
    bed_free(b);
}

/* A QEMU that is stopped by a signal says nothing: the other drops it. */
static void test_dpu_frozen(void)
{
    Bed *b = bed_new(BED_DPU, NULL);
    pid_t pid = qtest_pid(b->dpuq);
    struct opi_eqe e;
    unsigned i;

    traffic_start(b->host, b->dpu);
    pass(b->host, 0, b->dpu, 64, 1);
    g_assert_cmpint(kill(pid, SIGSTOP), ==, 0);
    for (i = 0; i < 100; i++) {
        frame_fill(frame, 100, 1);
        qp_send(b->host, 0, 0, frame, 100, 1);
        qp_wait_sent(b->host, 0);
    }
    do {
        e = eq_wait(b->host, 0, OPI_EV_PEER);
    } while (e.sub != OPI_PEER_ABSENT);
    g_assert_cmpint(kill(pid, SIGCONT), ==, 0);
    card_wait_link(b, true);
    reg_wait(b->dpu, OPI_REG_DEV_STATUS, OPI_DEV_STATUS_ABSENT |
             OPI_DEV_STATUS_READY, OPI_DEV_STATUS_READY);
    traffic_start(b->host, b->dpu);
    pass(b->host, 0, b->dpu, 64, 1);
    bed_free(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("opi/pair/frames", test_frames);
    qtest_add_func("opi/pair/dpu-power", test_dpu_power);
    qtest_add_func("opi/pair/dpu-killed", test_dpu_killed);
    qtest_add_func("opi/pair/host-killed", test_host_killed);
    qtest_add_func("opi/pair/dpu-frozen", test_dpu_frozen);
    return g_test_run();
}
