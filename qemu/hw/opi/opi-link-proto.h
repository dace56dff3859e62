/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The link between the card (in the host's QEMU) and its own computer (the
 * DPU's QEMU): messages and the page that both see, as
 * Documentation/card-link.rst tells them in words.  The transport is in
 * opi-link.h.
 *
 * Both ends are on one machine; words are little-endian all the same.
 */
#ifndef HW_OPI_LINK_PROTO_H
#define HW_OPI_LINK_PROTO_H

#define OPI_LINK_MAGIC          0x4c49504f      /* "OPIL" */
#define OPI_LINK_VERSION        1
#define OPI_LINK_PAYLOAD_MAX    4096
#define OPI_LINK_FDS_MAX        8
#define OPI_LINK_REGIONS_MAX    8
/* A peer that is silent for so long is gone (ms, times the time scale). */
#define OPI_LINK_SILENCE        5000
#define OPI_LINK_PING_PERIOD    1000
#define OPI_LINK_SCALE_MAX      1000

struct opi_link_hdr {
    uint32_t magic;
    uint16_t version;
    uint16_t type;
    uint32_t len;                       /* of what follows */
    uint32_t seq;                       /* from 0, + 1 each, either direction */
};

enum opi_link_type {
    OPI_LINK_HELLO = 1,                 /* both, first */
    OPI_LINK_CTRL_PAGE = 2,             /* card; 1 fd */
    OPI_LINK_EVENTFDS = 3,              /* card; 2 fds: kick, interrupt */
    OPI_LINK_MEM_TABLE = 4,             /* soc; a fd per region */
    OPI_LINK_MEM_ACK = 5,               /* card */
    OPI_LINK_SOC_STATE = 6,             /* soc */
    OPI_LINK_CARD_STATE = 7,            /* card */
    OPI_LINK_REG_WRITE = 8,             /* soc */
    OPI_LINK_PING = 9,                  /* both */
    OPI_LINK_PONG = 10,                 /* both */
    OPI_LINK_BYE = 11,                  /* both, last */
};

enum opi_link_end {
    OPI_LINK_CARD = 1,
    OPI_LINK_SOC = 2,
};

struct opi_link_hello {
    uint32_t end;                       /* enum opi_link_end */
    uint32_t features;                  /* none yet: 0 */
    uint64_t serial;                    /* card; soc: 0 */
    uint64_t instance;                  /* of the process, random */
    uint32_t iface_version;
    uint32_t time_scale;                /* the larger of both ends' counts */
};

struct opi_link_ctrl_page {
    uint32_t size;
    uint32_t rsvd;
};

struct opi_link_region {
    uint64_t gpa;
    uint64_t size;
    uint64_t offset;                    /* in the region's file */
};

struct opi_link_mem_table {
    uint32_t id;
    uint32_t count;
    struct opi_link_region region[OPI_LINK_REGIONS_MAX];
};

struct opi_link_mem_ack {
    uint32_t id;
    uint32_t rsvd;
};

enum opi_link_soc_state_val {
    OPI_LINK_SOC_RUNNING = 1,
    OPI_LINK_SOC_PAUSED = 2,
    OPI_LINK_SOC_OFF = 3,
};

enum opi_link_soc_event {
    OPI_LINK_EVENT_NONE = 0,            /* the state says all */
    OPI_LINK_EVENT_RESET = 1,           /* the DPU's computer was reset */
    OPI_LINK_EVENT_FLR = 2,             /* its card function only */
};

struct opi_link_soc_state {
    uint32_t state;
    uint32_t event;
};

enum opi_link_host_state {
    OPI_LINK_HOST_OFF = 0,
    OPI_LINK_HOST_RUNNING = 1,
    OPI_LINK_HOST_PAUSED = 2,
};

struct opi_link_card_state {
    uint32_t up;                        /* registers in the page are valid */
    uint32_t host;
    uint32_t generation;
    uint32_t rsvd;
};

struct opi_link_reg_write {
    uint32_t offset;
    uint32_t value;
};

struct opi_link_ping {
    uint64_t nonce;
};

/*
 * The control page.  Words that one end sets and the other clears are changed
 * by atomic operations only; bit n of a bitmap is doorbell page n or vector n.
 * Whoever changes a "pending" word from 0 to 1 writes to the eventfd.
 */
#define OPI_CTRL_SIZE           (256 * 1024)
#define OPI_CTRL_MAGIC          0x4350504f      /* "OPPC" */
#define OPI_CTRL_WORDS          4
#define OPI_CTRL_REGS           1024
#define OPI_CTRL_SOC_MASTER     0x1             /* bus mastering is on */

struct opi_ctrl {
    uint32_t magic;
    uint32_t version;
    uint32_t size;
    uint32_t rsvd0[13];
    uint32_t irq_pending;               /* card sets, soc clears */
    uint32_t rsvd1[15];
    uint64_t irq[OPI_CTRL_WORDS];
    uint64_t rsvd2[4];
    uint32_t kick_pending;              /* soc sets, card clears */
    uint32_t aq_tail;                   /* soc writes */
    uint32_t soc_flags;                 /* soc writes, OPI_CTRL_SOC_* */
    uint32_t soc_resets;                /* soc writes: resets and FLRs told */
    uint32_t rsvd3[12];
    uint64_t kick[OPI_CTRL_WORDS];
    uint64_t rsvd4[4];
    uint8_t rsvd5[4096 - 320];
    uint32_t regs[OPI_CTRL_REGS];       /* card writes: BAR0 as it reads */
};

QEMU_BUILD_BUG_ON(sizeof(struct opi_ctrl) != 8192);

#endif
