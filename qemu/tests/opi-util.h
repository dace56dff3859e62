/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the card's qtests share: a host QEMU or a DPU QEMU under test, the test
 * as the DPU's QEMU (raw link protocol), and a small driver that works on
 * either side.  Tests are not here.
 */
#ifndef OPI_UTIL_H
#define OPI_UTIL_H

#include "libqtest.h"
#include "standard-headers/linux/opi_pci.h"
#include "../../hw/opi/opi-link-proto.h"

#define OPI_TEST_SERIAL         0x0123456789abcdefULL

/* Where the tests put things: RAM above 1 MiB, the PF's BARs, VFs' BARs. */
#define OPI_TEST_RAM            0x00200000ULL
#define OPI_TEST_RAM_SIZE       (32ULL << 20)
#define OPI_TEST_NOWHERE        0x7f0000000000ULL
#define OPI_TEST_BAR0           0xc0000000ULL
#define OPI_TEST_BAR2           0xc0800000ULL
#define OPI_TEST_BAR4           0xc0100000ULL
#define OPI_TEST_VFBAR0         0xc2000000ULL
#define OPI_TEST_VFBAR2         0xc2200000ULL
#define OPI_TEST_VFBAR4         0xc2100000ULL
/* Memory of a VF's own, behind the PF's. */
#define OPI_TEST_VF_RAM_SIZE    (4ULL << 20)
#define OPI_TEST_VF_RAM(n)      (OPI_TEST_RAM + OPI_TEST_RAM_SIZE + \
                                 (n) * OPI_TEST_VF_RAM_SIZE)
#define OPI_TEST_VFS            7       /* for which there is memory */
#define OPI_TEST_VF_QPS         4       /* what a VF has */
/* With an IOMMU: an address that is memory too, and what may be behind it. */
#define OPI_TEST_IOVA           0x02400000ULL
#define OPI_TEST_BEHIND         0x03000000ULL

#define OPI_TEST_QPS            4
#define OPI_TEST_EQS            (OPI_TEST_QPS + 1)
/* SFs that a card can have, and a queue pair of the PF's for each. */
#define OPI_TEST_SFS            1024
/* Of all these the first. */
#define OPI_TEST_SIDE_QPS       12

/* ---- The test as the DPU's QEMU ---------------------------------------- */

typedef struct FakeSoc {
    int fd;
    uint32_t tx_seq, rx_seq;
    bool hello, up, closed, bye;
    uint32_t host, generation, mem_acks;
    uint64_t serial;
    struct opi_ctrl *ctrl;
    int kick, irq;
    int memfd;
    uint8_t *mem;
    bool answer_pings;
} FakeSoc;

FakeSoc *fake_connect(const char *path);
void fake_free(FakeSoc *f);
/* Bytes as they are. */
void fake_raw(FakeSoc *f, const void *buf, size_t len, const int *fds,
              unsigned nfds);
void fake_send(FakeSoc *f, uint16_t type, const void *data, uint32_t len,
               const int *fds, unsigned nfds);
void fake_hello(FakeSoc *f);
void fake_mem_table(FakeSoc *f);
void fake_state(FakeSoc *f, uint32_t state, uint32_t event);
/* Take what the card says for so long; at once when @until is true. */
void fake_pump(FakeSoc *f, int ms, const bool *until);
/* All of the above, until the card says that it is up. */
void fake_up(FakeSoc *f);
int opi_memfd(size_t size, unsigned seals);

/* ---- A side of the card ------------------------------------------------ */

typedef struct Eq {
    bool used;
    uint8_t order;
    uint64_t ring, shadow;
    uint32_t head;
} Eq;

typedef struct Qp {
    uint8_t sq_order, rq_order, cq_order;
    uint64_t sq, rq, cq, shadow;
    uint32_t sq_tail, rq_tail, cq_head;
    uint64_t rxbuf;                     /* a buffer per rq entry */
    uint32_t rxlen;
} Qp;

typedef struct Side {
    QTestState *qts;                    /* or: */
    FakeSoc *soc;
    uint8_t role;
    /* PCI: where it is, and what it has */
    unsigned devfn;
    uint64_t bar0, bar2, bar4, msi;

    uint64_t ram, ram_size;
    uint64_t alloc;
    uint16_t token;
    /* Admin queue */
    uint64_t aq_sq, aq_cq, buf;
    uint8_t aq_order;
    uint32_t aq_tail, aq_cpls;
    uint16_t cookie;
    Eq eqs[OPI_TEST_EQS];
    Qp qps[OPI_TEST_SIDE_QPS];
} Side;

/* A QEMU with a card or opi-soc whose BARs are mapped. */
Side *side_pci(QTestState *qts, uint8_t role);
Side *side_fake(FakeSoc *f);
/* VF @n, which the host has enabled. */
Side *side_vf(QTestState *qts, unsigned n);
/* Set NumVFs and VF Enable, or clear it: 0; what is enabled then. */
unsigned vf_enable(QTestState *qts, unsigned n);
void pci_flr(QTestState *qts, unsigned devfn);
void side_free(Side *s);

/* Config space, also extended; PF: devfn 0 on bus 1. */
uint32_t cfg_readl(QTestState *qts, unsigned bus, unsigned devfn, unsigned reg);
uint16_t cfg_readw(QTestState *qts, unsigned bus, unsigned devfn, unsigned reg);
void cfg_writel(QTestState *qts, unsigned bus, unsigned devfn, unsigned reg,
                uint32_t val);
void cfg_writew(QTestState *qts, unsigned bus, unsigned devfn, unsigned reg,
                uint16_t val);
unsigned cfg_ext_cap(QTestState *qts, unsigned bus, unsigned devfn,
                     uint16_t id);
void opi_pci_setup(QTestState *qts);
/* BED_IOMMU: switch it on, with all addresses as they are, or off. */
void iommu_enable(QTestState *q, bool on);
/* For all functions: 2 MiB at @iova are at @to, UINT64_MAX: nowhere. */
void iommu_map(QTestState *q, uint64_t iova, uint64_t to);
void iommu_flush(QTestState *q);
/* As the guest switches itself off. */
void guest_power_off(QTestState *q);

uint32_t reg_read(Side *s, uint32_t reg);
void reg_write(Side *s, uint32_t reg, uint32_t val);
/* Wait until the register shows @val under @mask. */
void reg_wait(Side *s, uint32_t reg, uint32_t mask, uint32_t val);
void doorbell(Side *s, unsigned page, unsigned off, uint32_t val);
void mem_read(Side *s, uint64_t addr, void *buf, size_t len);
void mem_write(Side *s, uint64_t addr, const void *buf, size_t len);
uint32_t mem_ld32(Side *s, uint64_t addr);
void mem_st32(Side *s, uint64_t addr, uint32_t val);
uint64_t side_alloc(Side *s, size_t size);
/* How often the vector was raised since the last call: 0 or at least once. */
bool irq_taken(Side *s, unsigned vector);
void irq_wait(Side *s, unsigned vector);

/* ---- The driver -------------------------------------------------------- */

void fn_reset(Side *s);
void aq_enable(Side *s, unsigned order);
/* reset, admin queue, event queue 0 and 1 */
void side_start(Side *s);

void cmd_post(Side *s, const struct opi_cmd *cmd);
/* Wait for the next completion. */
struct opi_cmd_cpl cmd_wait(Side *s);
bool cmd_try(Side *s, struct opi_cmd_cpl *cpl, int ms);
struct opi_cmd_cpl cmd_run(Side *s, struct opi_cmd cmd);
/* With the driver's buffer where the command has one. */
uint16_t cmd_status(Side *s, uint16_t opcode, uint32_t target);
uint16_t cmd_fill(Side *s, uint16_t opcode, uint32_t target, void *buf,
                  uint32_t len);

/* With a buffer that the command takes. */
uint16_t cmd_take(Side *s, uint16_t opcode, uint32_t target, const void *buf,
                  uint32_t len);

uint16_t eq_create(Side *s, unsigned id, unsigned order, unsigned vector);
bool eq_try(Side *s, unsigned id, struct opi_eqe *e);
/* The next event of that type; others are passed over. */
struct opi_eqe eq_wait(Side *s, unsigned id, uint8_t type);
void eq_arm(Side *s, unsigned id);

/* How many queue pairs it may have. */
unsigned qp_limit(Side *s);
uint16_t qp_create(Side *s, unsigned id, unsigned order, unsigned eq,
                   uint32_t rxlen);
/* For the port of an SF. */
uint16_t qp_create_for(Side *s, unsigned id, unsigned order, unsigned eq,
                       uint32_t rxlen, uint32_t port);
void qp_post_rx(Side *s, unsigned id, unsigned n);
void qp_post_txd(Side *s, unsigned id, const struct opi_txd *d);
void qp_kick(Side *s, unsigned id);
/* A frame of @len bytes in @nsegs pieces, kicked. */
void qp_send(Side *s, unsigned id, uint32_t port, const void *frame, size_t len,
             unsigned nsegs);
/* The same with the metadata of @meta. */
void qp_send_meta(Side *s, unsigned id, const struct opi_txd *meta,
                  const void *frame, size_t len, unsigned nsegs);
void qp_wait_sent(Side *s, unsigned id);
/* A whole frame; its length, 0: none came in @ms. */
size_t qp_recv(Side *s, unsigned id, void *buf, size_t size, uint32_t *port,
               int ms);
/* The same of a frame with metadata; @first: its first completion. */
size_t qp_recv_meta(Side *s, unsigned id, void *buf, size_t size,
                    struct opi_cqe *first, int ms);
struct opi_qp_info qp_info(Side *s, unsigned id);
struct opi_port_stats port_stats(Side *s, uint32_t port);
struct opi_port_info port_info(Side *s, uint32_t port);
struct opi_func_info func_info(Side *s, uint32_t id);
/* FUNC_SET of what @cmd says besides opcode and target. */
uint16_t func_set(Side *s, uint32_t id, struct opi_cmd cmd);
uint16_t func_set_max_vfs(Side *s, unsigned n);
/* FUNC_CREATE of an SF of this number; its id, 0: refused with *@st. */
uint32_t func_create(Side *s, uint32_t sf, uint16_t *st);
uint16_t func_attach(Side *s, uint32_t id, unsigned up);
/* The next FUNC event of that change; others are passed over. */
struct opi_eqe func_wait(Side *s, uint32_t change);
uint16_t port_state(Side *s, uint32_t port, bool up);
uint16_t boot_set(Side *s, uint8_t os, uint16_t time);
/* Both ends up and BOOTED, a queue pair 0 with buffers on either side. */
void traffic_start(Side *host, Side *dpu);
/* With rings of that order and buffers of that length. */
void traffic_start_with(Side *host, Side *dpu, unsigned order, uint32_t rxlen);

/* A frame with a recognizable content. */
void frame_fill(uint8_t *buf, size_t len, uint32_t seed);
bool frame_ok(const uint8_t *buf, size_t len, uint32_t seed);

/* A frame both ways, between a host function and the DPU's queue pair 0. */
void carry(Side *fn, unsigned qp, uint32_t port, Side *dpu);

/* ---- QEMUs ------------------------------------------------------------- */

typedef struct Bed {
    char *dir;
    QTestState *hostq;
    QTestState *dpuq;
    char *link;                         /* path of its socket */
    int wire;                           /* uplink's far end, datagrams; -1 */
    Side *host;
    Side *dpu;
    FakeSoc *soc;
} Bed;

enum {
    BED_WIRE = 1,                       /* the uplink has a wire */
    BED_FAKE = 2,                       /* the test is the DPU's QEMU */
    BED_DPU = 4,                        /* a second QEMU is */
    BED_IOMMU = 8,                      /* the host has one, switched off */
};

Bed *bed_new(unsigned what, const char *card_opts);
void bed_free(Bed *b);
void card_set_u32(Bed *b, const char *prop, uint32_t val);
void card_set_bool(Bed *b, const char *prop, bool val);
bool card_get_bool(Bed *b, const char *prop);
uint32_t card_get_u32(Bed *b, const char *prop);
void card_wait_link(Bed *b, bool up);
void bed_fake_again(Bed *b);
/* Another DPU or host in the place of one that ended. */
QTestState *bed_dpu(Bed *b);
void bed_host_again(Bed *b);

#endif
