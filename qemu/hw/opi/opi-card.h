/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of the emulated OPI card: its state and what its parts call of
 * each other.  What drivers see is in linux/opi_pci.h; what the two QEMUs say
 * to each other is in opi-link.h.
 *
 * All state belongs to the host's QEMU and is used under the big lock.  Guest
 * memory, registers and the link are input of strangers: read once, check, use.
 */
#ifndef HW_OPI_CARD_H
#define HW_OPI_CARD_H

#include "qemu/units.h"
#include "qemu/timer.h"
#include "qemu/event_notifier.h"
#include "chardev/char-fe.h"
#include "hw/pci/pci_device.h"
#include "net/net.h"
#include "system/runstate.h"
#include "qom/object.h"
#include "standard-headers/linux/opi_pci.h"

#include "opi-compat.h"
#include "opi-link.h"

#define TYPE_OPI_CARD "opi-card"
OBJECT_DECLARE_SIMPLE_TYPE(OpiCard, OPI_CARD)

/* What this card can do. */
#define OPI_QPS_MAX             64
#define OPI_AQ_ORDER_MAX        8
#define OPI_RING_ORDER_MAX      12
#define OPI_SEGS_MAX            18
#define OPI_FRAME_MIN           14
#define OPI_FRAME_MAX           65550
#define OPI_MTU_MIN             68
#define OPI_MTU_MAX             9216
#define OPI_MTU_DEFAULT         1500
/* Ethernet header and two VLAN tags: what the MTU does not count. */
#define OPI_MTU_EXTRA           (14 + 8)
#define OPI_SPEED               25000
#define OPI_VFS                 64
#define OPI_VF_QPS              4
#define OPI_VF_EQS              (OPI_VF_QPS + 1)
#define OPI_SFS                 1024
#define OPI_SF_QPS              1
#define OPI_CAPS                                                \
    (OPI_CAP_SRIOV | OPI_CAP_SF |                               \
     OPI_CAP_TX_CSUM | OPI_CAP_RX_CSUM | OPI_CAP_GSO | OPI_CAP_VLAN | \
     OPI_CAP_RSS | OPI_CAP_RX_FILTER | OPI_CAP_COALESCE | OPI_CAP_RATE | \
     OPI_CAP_POLICE | OPI_CAP_MIG | OPI_CAP_DIRTY)
/* Those that mean something to the owner of functions only. */
#define OPI_CAPS_DPU            (OPI_CAP_RATE | OPI_CAP_POLICE)
/* Those that mean nothing to a VF: what is done to it is not shown to it. */
#define OPI_CAPS_NOT_VF         (OPI_CAP_MIG | OPI_CAP_DIRTY)
/* Longer times of cq_usecs than this are taken as this. */
#define OPI_USECS_MAX           65535

/*
 * Ids. A function's id is its own for ever; port ids are those of the eswitch.
 */
#define OPI_FUNC_DPU            0
#define OPI_FUNC_HOST_PF        1
#define OPI_PORT_ID_UPLINK      0
#define OPI_PORT_ID_HOST_PF     1
#define OPI_PORT_ID_VF          2               /* + number of the VF */
#define OPI_PORT_ID_SF          (OPI_PORT_ID_VF + OPI_VFS)
#define OPI_PORTS               (OPI_PORT_ID_SF + OPI_SFS)
/* Functions with registers of their own: DPU, PF, VFs. */
#define OPI_FNS                 (2 + OPI_VFS)

/* Pages in the log of a VF: 64 GiB of small ones; the fewest that will do. */
#define OPI_DIRTY_PAGES         (1u << 24)
#define OPI_DIRTY_PAGES_MIN     (2 * OPI_DIRTY_RANGES_MAX)

/* Rate nodes: ids 1 to this. */
#define OPI_RATE_NODES          64

/* A pass of the engine: the rest waits for the next turn of the main loop. */
#define OPI_BATCH               32
#define OPI_BUDGET_DESCS        64
#define OPI_BUDGET_BYTES        (1 * MiB)
#define OPI_BUDGET_CMDS         64

/* What is looked at of a frame that goes on as it is: headers. */
#define OPI_HEAD_MAX            128
/* Room for a tag in front of a frame that the card holds. */
#define OPI_TAG_LEN             4
/* Addresses and ports of IPv6: the longest input of the hash. */
#define OPI_HASH_INPUT_MAX      36

typedef struct OpiDirty OpiDirty;
typedef struct OpiFn OpiFn;
typedef struct OpiFunc OpiFunc;
typedef struct OpiMigLoad OpiMigLoad;
typedef struct OpiPort OpiPort;
typedef struct OpiQp OpiQp;
typedef struct OpiRate OpiRate;

/* How a function reaches the memory and the interrupts of its computer. */
typedef struct OpiFnOps {
    /*
     * A pointer for the moment; NULL: by read() and write(), or, without
     * those, not at all.  What is written through it is told of to wrote().
     */
    void *(*map)(OpiFn *fn, uint64_t addr, uint32_t len);
    void (*wrote)(OpiFn *fn, uint64_t addr, uint32_t len);
    bool (*read)(OpiFn *fn, uint64_t addr, void *buf, uint32_t len);
    bool (*write)(OpiFn *fn, uint64_t addr, const void *buf, uint32_t len);
    void (*notify)(OpiFn *fn, unsigned vector);
    /* A register has changed: all of them if @reg is OPI_REG_ALL. */
    void (*publish)(OpiFn *fn, uint32_t reg);
} OpiFnOps;

#define OPI_REG_ALL UINT32_MAX

typedef struct OpiEq {
    bool used;
    uint8_t order;
    uint16_t vector;
    uint32_t tail;
    uint32_t users;
    uint32_t lost;
    uint64_t ring;
    uint64_t shadow;
} OpiEq;

struct OpiQp {
    OpiFn *fn;
    OpiPort *port;                      /* that it serves; DPU: NULL, all */
    bool used;
    uint8_t state;
    uint8_t error;
    uint8_t sq_order;
    uint8_t rq_order;
    uint8_t cq_order;
    uint16_t id;
    uint16_t eq;
    uint64_t sq;
    uint64_t rq;
    uint64_t cq;
    uint64_t shadow;

    uint32_t sq_head;
    uint32_t rq_head;
    uint32_t cq_tail;
    /* As last read; the driver may be further. */
    uint32_t rq_tail;
    uint32_t cq_head;
    /* Where the heads were when the arm words were last compared. */
    uint32_t sq_seen;
    uint32_t cq_seen;
    /*
     * Segments done of the frame at sq_head, which the card cuts, and its bytes
     * on a wire (0: not known).
     */
    uint32_t cut;
    uint64_t cut_bytes;

    /*
     * Receive descriptors fetched ahead: indices rxd_first .. rxd_first +
     * rxd_n.
     */
    struct opi_rxd rxd[OPI_BATCH];
    uint32_t rxd_first;
    uint32_t rxd_n;

    bool pending;                       /* on OpiRate.qps of its leaf */
    bool moved;                         /* on OpiCard.moved */
    bool unheard;                       /* its event found no room */
    bool looking;                       /* on OpiCard.looking */
    uint8_t dense;                      /* kicks in a row, see opi_qp_pace() */
    int64_t kicked_at;                  /* ns of QEMU_CLOCK_REALTIME */
    bool waiting;                       /* on OpiCard.waiting, until: */
    int64_t deadline;                   /* ns of QEMU_CLOCK_REALTIME */
    QTAILQ_ENTRY(OpiQp) pending_entry;
    QTAILQ_ENTRY(OpiQp) moved_entry;
    QTAILQ_ENTRY(OpiQp) waiting_entry;
    QTAILQ_ENTRY(OpiQp) looking_entry;
};

/* Fault injection: how often still. Set by properties of the card. */
typedef struct OpiFaults {
    uint32_t aq_drop;                   /* commands to swallow */
    uint32_t aq_bogus;                  /* admin completions to invent */
    uint32_t eq_drop;                   /* asynchronous events to lose */
    uint32_t db_drop;                   /* doorbells of queue pairs to lose */
    uint32_t qp_error;                  /* queue pairs to stop */
    uint32_t cqe_bad;                   /* completions with a wrong buffer id */
    uint32_t sq_head_bad;               /* updates of sq_head beyond the tail */
    uint32_t msix_drop;                 /* interrupts to lose */
    uint32_t dirty_lost;                /* writes of VFs to lose track of */
} OpiFaults;

/* How a function's frames are spread over its queue pairs. */
typedef struct OpiRss {
    uint32_t types;                     /* OPI_HASH_* */
    uint16_t size;                      /* of the table; 0: no RSS */
    uint16_t table[OPI_RSS_TABLE_MAX];
    struct opi_rss_config cfg;          /* as it was set */
    /* What each half of each byte of the input adds to the hash. */
    uint32_t add[OPI_HASH_INPUT_MAX][2][16];
} OpiRss;

/* A VF on its way to another, or there from another. */
typedef struct OpiMig {
    uint8_t state;                      /* enum opi_mig_state */
    bool saved;                         /* all of @out has been read */
    GByteArray *out;                    /* STOPPED: its stream */
    OpiMigLoad *load;                   /* LOADING, ERROR: what came of one */
    uint64_t src_serial;
    uint32_t src_func_id;
} OpiMig;

/* RAM that a host function reaches at its own address. */
typedef struct OpiWindow {
    hwaddr start;
    MemoryRegionCache cache;
} OpiWindow;

#define OPI_WINDOWS             8

struct OpiFn {
    OpiCard *card;
    const OpiFnOps *ops;
    PCIDevice *pdev;                    /* host functions */
    /* Good until the function's memory map changes; opi-dma.c */
    MemoryListener listener;
    OpiWindow window[OPI_WINDOWS];
    unsigned nwindows;
    bool translated;                    /* an IOMMU is in the way */
    uint8_t role;
    uint16_t vf;                        /* number, or OPI_ID16_NONE */
    uint32_t port;                      /* its own; DPU: the first uplink */
    OpiFunc *func;                      /* host: NULL while it is in no table */
    bool present;                       /* there is somebody who can use it */
    bool dead;                          /* by fault injection */
    bool reset_wanted;                  /* asked for while the card was busy */

    uint16_t token;
    uint32_t status;                    /* OPI_DEV_STATUS_*, no token */
    uint32_t health;
    uint32_t peer;                      /* as last told */
    uint32_t peer_generation;
    uint32_t os_status;
    uint32_t os_generation;

    uint64_t aq_sq_reg, aq_cq_reg;      /* as written, taken over by AQ_CTRL */
    uint64_t aq_sq, aq_cq;
    uint8_t aq_order;
    uint32_t aq_status;
    uint32_t aq_head;
    uint32_t aq_tail;
    uint32_t aq_cpls;                   /* completions written */
    bool aq_pending;
    OpiFaults fault;

    uint32_t seq;
    /* What it is built with, and how much of it can be used now. */
    unsigned nqps, neqs;
    unsigned max_qps, max_eqs;
    OpiEq *eqs;
    OpiQp *qps;
    OpiQp *receiver;                    /* DPU: as OpiPort.receiver */
    OpiRss rss;
    OpiMig mig;
    OpiDirty *dirty;                    /* NULL: no log is kept */
};

/* A function of the host as the DPU, its owner, sees it. */
struct OpiFunc {
    uint32_t id;
    uint8_t type;                       /* OPI_PORT_PF, VF, SF */
    uint8_t state;                      /* enum opi_func_state, as last told */
    bool expose;                        /* the DPU lets the host have it */
    bool attached;                      /* SF: FUNC_ATTACH says so */
    uint32_t sf;                        /* number, or OPI_ID_NONE */
    bool trust;
    bool migratable;
    uint16_t vlan;                      /* port VLAN, 0: none */
    OpiFn *fn;                          /* whose registers and queues it uses */
    OpiPort *port;
    QTAILQ_ENTRY(OpiFunc) entry;
};

/* What an end of a port receives, and which metadata it accepts. */
typedef struct OpiRx {
    uint32_t flags;                     /* OPI_RX_F_* */
    unsigned n_macs;
    uint8_t macs[OPI_RX_MACS_MAX][6];
    uint8_t vlans[512];
} OpiRx;

/* One end of a port: its function's or its representor's. */
typedef struct OpiPortEnd {
    uint32_t mtu;
    OpiRx rx;
    uint64_t rx_frames, rx_bytes, rx_no_buffer, rx_oversize, rx_down;
    uint64_t rx_filtered, rx_policed;
    uint64_t tx_frames, tx_bytes, tx_bad, tx_down, tx_spoofed, tx_vlan;
    uint64_t dma_faults;                /* of the function, at both ends */
    bool carrier;                       /* as last told */
} OpiPortEnd;

/* What passes at a rate, and what may be saved up of it. */
typedef struct OpiBucket {
    uint64_t rate;                      /* units a second; 0: no limit */
    double depth;                       /* units */
    double level;                       /* negative: owed */
    int64_t at;                         /* ns: when that was so */
} OpiBucket;

/* A leaf (port), a node, or the root of the tree of senders: opi-rate.c */
struct OpiRate {
    bool node;
    uint32_t id;                        /* port or node */
    uint8_t priority, weight;
    OpiRate *above;                     /* parent or root; root: NULL */
    unsigned children, nodes;           /* below it; how many are nodes */
    OpiBucket max, share;
    bool in_share;                      /* when it was last looked at */
    /* Bytes sent / what it gets of them, comparable with its siblings'. */
    double time, share_time;
    /* Node: the same of who last sent, by priority and of the shares. */
    double now[OPI_RATE_PRIORITY_MAX + 2];
    QTAILQ_HEAD(, OpiQp) qps;           /* leaf: that have frames to send */
    int64_t run;                        /* bytes left to the first of them */
    QTAILQ_HEAD(, OpiRate) ready;       /* node: children that can send */
    bool listed;                        /* on above->ready */
    bool parked;                        /* on OpiCard.parked, until: */
    int64_t until;
    QTAILQ_ENTRY(OpiRate) entry;
    QTAILQ_ENTRY(OpiRate) parked_entry;
};

/* One limit of PORT_SET_POLICE. */
typedef struct OpiPolice {
    uint8_t unit;                       /* OPI_POLICE_BYTES, FRAMES */
    OpiBucket bucket;
} OpiPolice;

struct OpiPort {
    uint32_t id;
    uint8_t type;
    OpiFunc *owner;                     /* NULL: uplink */
    bool func_up;
    bool rep_up;
    uint8_t mac[6];
    uint8_t rep_mac[6];
    OpiPortEnd func;
    OpiPortEnd rep;
    OpiRate rate;                       /* of what the function sends */
    /* By kind, from OPI_POLICE_PORT on; of what goes to the DPU. */
    OpiPolice police[OPI_POLICE_SLOW];
    /* Lowest-numbered running queue pair of the function; NULL: none runs. */
    OpiQp *receiver;
};

/* What is still to be done to a frame, or is known of it. */
typedef struct OpiMeta {
    uint16_t flags;                     /* OPI_TXD_F_CSUM, CSUM_VALID, VLAN */
    uint8_t gso_type;
    uint8_t hash_type;
    uint16_t gso_size;
    uint16_t hdr_len;
    uint16_t csum_start;
    uint16_t csum_offset;
    uint16_t vlan_tci;
    uint32_t hash;
} OpiMeta;

/* Contiguous bytes, of the card (@data) or in the sender's memory (@addr). */
typedef struct OpiPiece {
    const uint8_t *data;
    uint64_t addr;
    uint32_t len;
} OpiPiece;

/*
 * A frame on its way.  Whatever is looked at of it has been copied first, and
 * then belongs to what is delivered: the sender cannot change it in between.
 */
typedef struct OpiFrame {
    OpiCard *card;
    OpiFn *fn;                          /* sender; NULL: the wire */
    uint32_t len;
    uint32_t port;                      /* for the receiver */
    OpiMeta meta;
    unsigned npieces;
    OpiPiece piece[OPI_SEGS_MAX + 1];
    /* Copied: the first bytes, or all; with room for a tag in front. */
    uint8_t *head;
    uint32_t head_len;
    uint8_t head_buf[OPI_TAG_LEN + OPI_HEAD_MAX];
} OpiFrame;

typedef enum OpiHostPower {
    OPI_HOST_OFF,
    OPI_HOST_RUNNING,
    OPI_HOST_PAUSED,
} OpiHostPower;

typedef struct OpiMemRegion {
    uint64_t gpa;
    uint64_t size;
    uint8_t *ptr;
} OpiMemRegion;

struct OpiCard {
    DeviceState parent_obj;

    /* Properties */
    OpiChr chr;
    NICConf nic_conf;
    uint64_t serial;
    char *mode_name;
    bool trust;
    uint32_t time_scale;
    uint32_t max_qps;
    uint32_t max_sfs;
    uint32_t slow_police;
    uint32_t dirty_pages;
    char *mig_key_name;
    uint64_t caps;

    uint8_t mode;
    uint32_t generation;
    struct opi_boot_block boot;
    uint32_t heartbeat;
    QEMUTimer *second;

    PCIDevice *pf;
    OpiFn host;
    OpiFn dpu;
    OpiFn vf[OPI_VFS];
    OpiPort *port[OPI_PORTS];
    /* The function table, in rising order of ids. */
    QTAILQ_HEAD(, OpiFunc) funcs;
    uint32_t last_func;                 /* id */
    unsigned nsfs;
    uint32_t last_sf_port;
    unsigned max_vfs;                   /* that the host may enable */
    unsigned vfs;                       /* that it has */
    unsigned num_vfs;                   /* the same, as last told */

    /* The two computers */
    OpiHostPower host_power;
    VMChangeStateEntry *vm_state;
    bool soc_up;                        /* link, memory and state are there */
    uint32_t soc_state;                 /* OPI_LINK_SOC_* */
    bool booted;                        /* the DPU's driver said so */

    /* The link */
    OpiLink link;
    bool soc_state_seen;
    uint32_t soc_resets;                /* that we have handled */
    uint64_t soc_instance;
    struct opi_ctrl *ctrl;
    int ctrl_fd;
    EventNotifier kick;
    EventNotifier irq;
    OpiMemRegion mem[OPI_LINK_REGIONS_MAX];
    unsigned nmem;

    /* The engine */
    unsigned busy;
    bool running;
    bool reset_wanted;                  /* of a function, or an update */
    bool reset_tell;                    /* the DPU of the host's, then */
    bool aq_pending;                    /* of some function */
    QEMUBH *bh;
    QEMUTimer *retry;
    OpiRate rates;                      /* the root: above all others */
    OpiRate rate_dpu;                   /* leaf: the DPU's function */
    OpiRate *rate_node[OPI_RATE_NODES];
    QTAILQ_HEAD(, OpiRate) parked;
    QEMUTimer *unpark;
    QTAILQ_HEAD(, OpiQp) moved;
    /* Who posts frame after frame, and when that is looked at. */
    QTAILQ_HEAD(, OpiQp) looking;
    QEMUTimer *look;
    /* Completions that nobody was told of, and who tells in the end. */
    QTAILQ_HEAD(, OpiQp) waiting;
    QEMUTimer *coalesce;
    int64_t coalesce_at;                /* of the timer, INT64_MAX: not armed */
    uint8_t *bounce;                    /* a whole frame, and room for a tag */

    /* Whose streams it takes; what it was at power-on. */
    struct opi_mig_key mig_key, mig_own_key;

    /* The uplink */
    NICState *nic;
    unsigned uplink_queued;

    bool fault_uplink_down;
};

/* opi-card.c: states of the whole card */

/*
 * Whoever enters the card from outside (a guest's access, a message, a timer)
 * brackets his work with these; resets wished for in between are done at the
 * end.
 */
void opi_card_enter(OpiCard *c);
void opi_card_leave(OpiCard *c);
/* Derive peers, boot block and carriers anew and tell everyone what changed. */
void opi_card_update(OpiCard *c);
bool opi_card_dpu_ready(const OpiCard *c);
void opi_card_attach_pf(OpiCard *c, PCIDevice *pf);
void opi_card_detach_pf(OpiCard *c);
/* @tell: the DPU hears of it. */
void opi_card_host_reset(OpiCard *c, bool tell);
void opi_card_vf_reset(OpiFn *fn);
/* VF Enable has been written. */
void opi_card_vfs_changed(OpiCard *c);
/* All that have registers: the DPU's, the PF, the VFs. */
OpiFn *opi_card_fn(OpiCard *c, unsigned i);
/* The link has come up, has gone, or told of the DPU. */
void opi_card_soc_up(OpiCard *c);
void opi_card_soc_down(OpiCard *c);
void opi_card_soc_event(OpiCard *c, uint32_t event);
void opi_card_run(OpiCard *c);

/* opi-fn.c: one function: registers and reset */
void opi_fn_init(OpiFn *fn, OpiCard *c, uint8_t role, uint16_t vf,
                 const OpiFnOps *ops);
uint64_t opi_fn_caps(const OpiFn *fn);
uint32_t opi_fn_id(const OpiFn *fn);
void opi_fn_finalize(OpiFn *fn);
void opi_fn_reset(OpiFn *fn);
uint32_t opi_fn_reg_read(OpiFn *fn, uint32_t reg);
void opi_fn_reg_write(OpiFn *fn, uint32_t reg, uint32_t val);
/* Notes what is to be done; opi_card_run() does it. */
void opi_fn_doorbell(OpiFn *fn, uint32_t page, uint32_t off, uint32_t val);
void opi_fn_set_status(OpiFn *fn, uint32_t set, uint32_t clear);
/* Raise the vector at the function's computer. */
void opi_fn_notify(OpiFn *fn, unsigned vector);
void opi_fn_fatal(OpiFn *fn, uint32_t health);
extern const uint16_t opi_regs[];
extern const unsigned opi_nregs;

/* opi-admin.c */
void opi_admin_enable(OpiFn *fn, unsigned order);
void opi_admin_kick(OpiFn *fn, uint32_t tail);
/* Work through the ring; true: there is more. */
bool opi_admin_run(OpiFn *fn);

/* opi-eq.c */
uint16_t opi_eq_create(OpiFn *fn, uint32_t id, const struct opi_cmd *cmd);
uint16_t opi_eq_destroy(OpiFn *fn, uint32_t id);
/*
 * An asynchronous event, into event queue 0; its sequence number is filled in.
 */
void opi_event(OpiFn *fn, uint8_t type, uint8_t sub, uint32_t value);
void opi_event_port(OpiFn *fn, uint8_t type, uint8_t sub, uint32_t value,
                    const OpiPort *p);
void opi_event_qp_error(OpiQp *qp);
/* Tell of lost events now. */
void opi_eq_release(OpiFn *fn);
/* True: the notification is in the queue. */
bool opi_eq_notify_qp(OpiQp *qp);
void opi_eq_retry(OpiCard *c);
void opi_eq_retry_later(OpiCard *c);

/* opi-qp.c */
uint16_t opi_qp_create(OpiFn *fn, uint32_t id, const struct opi_cmd *cmd);
uint16_t opi_qp_destroy(OpiFn *fn, uint32_t id);
void opi_qp_query(OpiQp *qp, struct opi_qp_info *info);
void opi_qp_drop(OpiQp *qp);
/* Queue pairs of @fn that serve @p: how many, and away with them. */
unsigned opi_qp_count(const OpiFn *fn, const OpiPort *p);
void opi_qp_drop_port(OpiFn *fn, const OpiPort *p);
void opi_qp_fail(OpiQp *qp, uint8_t error);
void opi_qp_kick(OpiQp *qp);
void opi_qp_look(OpiCard *c);
/* The lowest-numbered running queue pair of @fn for @p. */
OpiQp *opi_qp_receiver(const OpiFn *fn, const OpiPort *p);
/* Send what is posted, within the budget; true: there is more. */
bool opi_qp_send(OpiQp *qp, int64_t *descs, int64_t *bytes);
/* The leaf that it sends as. */
OpiRate *opi_qp_rate(const OpiQp *qp);
/* One that came with its function, which is not RUNNING. */
void opi_qp_restore(OpiFn *fn, const struct opi_mig_qp *m);
/* It is left alone until it is told to look at all: its function stops. */
void opi_qp_hold(OpiQp *qp);
void opi_qp_release(OpiQp *qp);
/* Compare the arm words of queue pairs that moved, and tell their drivers. */
void opi_qp_notify_moved(OpiCard *c);
/* Tell those whose time is over; called by the timer. */
void opi_qp_notify_late(OpiCard *c);

typedef enum OpiRxResult {
    OPI_RX_OK,
    OPI_RX_NO_QUEUE,
    OPI_RX_NO_BUFFER,
    OPI_RX_SENDER_FAULT,
} OpiRxResult;

OpiRxResult opi_qp_receive(OpiQp *qp, const OpiFrame *f);

/* opi-rx.c: filters and spreading */
/* As after a reset: ends and spreading of what is the function's own. */
void opi_rx_reset(OpiFn *fn);
void opi_rx_reset_port(const OpiFn *fn, OpiPort *p);
/* @trusted: it may be PROMISC. */
uint16_t opi_rx_check(const OpiCard *c, bool trusted,
                      const struct opi_rx_config *cfg);
uint16_t opi_rx_set(OpiFn *fn, OpiPort *p, const struct opi_rx_config *cfg);
void opi_rx_get(const OpiRx *rx, struct opi_rx_config *cfg);
bool opi_rss_check(const struct opi_rss_config *cfg, unsigned max_qps);
uint16_t opi_rss_set(OpiFn *fn, const struct opi_rss_config *cfg);
/* False: the sender's memory could not be read. */
bool opi_rx_passes(const OpiFn *fn, OpiPort *p, OpiFrame *f, bool *pass);
/* The queue pair for the frame, NULL: none runs. Fills in the hash. */
bool opi_rss_receiver(OpiFn *fn, OpiPort *p, OpiFrame *f, OpiQp **qp);

/* opi-offload.c: what metadata asks for, done by the card */
typedef enum OpiOffload {
    OPI_OFFLOAD_DONE,
    OPI_OFFLOAD_CUT,                    /* the frame goes as segments */
    OPI_OFFLOAD_BAD,                    /* metadata does not fit the frame */
    OPI_OFFLOAD_FAULT,                  /* the sender's memory */
    OPI_OFFLOAD_OTHER,                  /* not that tag */
} OpiOffload;

/* A frame in OpiCard.bounce that is cut: its segments are made there too. */
typedef struct OpiCut {
    OpiFrame *f;
    uint8_t *start;                     /* the frame */
    uint32_t payload, gso_size;
    uint32_t next, n;                   /* segments */
    bool tcp, v6;
    bool sum;                           /* fill the checksum in */
    unsigned l3, l4, hdr_len;
    uint32_t pseudo;                    /* sum of its header, without length */
    uint8_t hdr[UINT8_MAX + OPI_TAG_LEN];
} OpiCut;

/* Its bytes as segments with their tags, and how many these are. */
uint64_t opi_frame_on_wire(const OpiFrame *f, uint32_t *segments);
/* What descriptor and length alone can tell. */
bool opi_offload_fits(const OpiFrame *f);
/* Take out the outer tag, which must have that VLAN id. */
OpiOffload opi_offload_take_vlan(OpiFrame *f, uint16_t vlan);
/* @accepts: OPI_RX_F_* of the receiver, 0: a wire. */
OpiOffload opi_offload_prepare(OpiFrame *f, uint32_t accepts);
/* From segment @first on; false: headers that do not fit the metadata. */
bool opi_cut_start(OpiCut *cut, OpiFrame *f, uint32_t accepts, uint32_t first);
/* The next segment into the frame of opi_cut_start(); false: no more. */
bool opi_cut_next(OpiCut *cut);

/* opi-eswitch.c */
void opi_eswitch_init(OpiCard *c);
void opi_eswitch_finalize(OpiCard *c);
OpiPort *opi_port_new(OpiCard *c, uint32_t id, OpiFunc *owner);
void opi_port_free(OpiCard *c, OpiPort *p);
OpiPort *opi_eswitch_port(const OpiCard *c, uint32_t id);
bool opi_port_carrier(const OpiFn *fn, const OpiPort *p);
/* The end of @p that @fn is at. */
OpiPortEnd *opi_port_end(const OpiFn *fn, OpiPort *p);
/* What it has counted, as PORT_STATS has it. */
void opi_port_end_stats(const OpiPortEnd *e, struct opi_port_stats *s);
void opi_port_end_set_stats(OpiPortEnd *e, const struct opi_port_stats *s);
typedef enum OpiSend {
    OPI_SEND_DONE,
    OPI_SEND_BAD,                       /* metadata does not fit the frame */
    OPI_SEND_DOWN,                      /* the wire has no room */
    OPI_SEND_MORE,                      /* segments are left */
    OPI_SEND_FAULT,                     /* the frame could not be read */
} OpiSend;

/*
 * A frame that @fn sends through @p: DONE, MORE or FAULT.  If the card has to
 * cut it: from segment @first on, which is advanced, and not more of them than
 * @budget, which goes down.
 */
OpiSend opi_eswitch_send(OpiFn *fn, OpiPort *p, OpiFrame *f, uint32_t *first,
                         int64_t *budget);
void opi_eswitch_from_uplink(OpiCard *c, const uint8_t *buf, size_t len);

/* opi-rate.c: who sends next, and how fast */
void opi_rate_init(OpiCard *c);
void opi_rate_finalize(OpiCard *c);
/* No rates and limits that the DPU has set. */
void opi_rate_reset(OpiCard *c);
void opi_rate_init_leaf(OpiCard *c, OpiRate *leaf, uint32_t port);
/* It is gone; no queue pair sends as it. */
void opi_rate_finish_leaf(OpiCard *c, OpiRate *leaf);
uint16_t opi_rate_create(OpiCard *c, uint32_t id);
uint16_t opi_rate_destroy(OpiCard *c, uint32_t id);
uint16_t opi_rate_set(OpiCard *c, uint32_t target, const struct opi_cmd *cmd);
/* What a leaf has got with it; its parent stays, and nothing is saved up. */
void opi_rate_restore(OpiCard *c, OpiRate *leaf, const struct opi_mig_func *m);
/* As nothing but the card's settings limits it. */
void opi_police_reset(OpiCard *c, OpiPort *p);
uint16_t opi_police_set(OpiPort *p, const struct opi_cmd *cmd);
/* The frame, which goes to the DPU, is within the limits; it is counted. */
bool opi_police_passes(OpiPort *p, const OpiFrame *f);
/* The queue pair has something to send, or has not any more. */
void opi_rate_kick(OpiQp *qp);
void opi_rate_unkick(OpiQp *qp);
/* Somebody can send now. */
bool opi_rate_ready(const OpiCard *c);
/* One turn of who is next, out of a budget that is not used up. */
void opi_rate_serve(OpiCard *c, int64_t *descs, int64_t *bytes);
/* The frame may be sent now and is counted; false: its leaf has to wait. */
bool opi_rate_admit(OpiQp *qp, const OpiFrame *f);

/* opi-dma.c */
extern const OpiFnOps opi_fn_pci_ops;
extern const OpiFnOps opi_fn_link_ops;
void opi_dma_attach(OpiFn *fn, PCIDevice *pdev);
void opi_dma_detach(OpiFn *fn);
bool opi_dma_read(OpiFn *fn, uint64_t addr, void *buf, uint32_t len);
bool opi_dma_write(OpiFn *fn, uint64_t addr, const void *buf, uint32_t len);
bool opi_dma_ld32(OpiFn *fn, uint64_t addr, uint32_t *val);
bool opi_dma_st32(OpiFn *fn, uint64_t addr, uint32_t val);
/* Entry of a ring whose last word (phase) must appear after all others. */
bool opi_dma_entry(OpiFn *fn, uint64_t addr, const void *entry, uint32_t len);
/* Entries from @idx on, over the ring's end. */
bool opi_dma_fetch(OpiFn *fn, uint64_t ring, uint32_t order, uint32_t idx,
                   void *buf, uint32_t size, uint32_t n);
void opi_frame_init(OpiFrame *f, OpiCard *c, OpiFn *sender);
/* Have at least @want bytes of the frame in @head, or all of it. */
bool opi_frame_peek(OpiFrame *f, uint32_t want);
/* Have all of it there, in OpiCard.bounce. */
bool opi_frame_gather(OpiFrame *f, OpiCard *c);
/* The head has moved or changed its length by @by: so does the frame. */
void opi_frame_head_moved(OpiFrame *f, uint8_t *head, int by);

/* How far a frame has been copied. */
typedef struct OpiCursor {
    unsigned piece;
    uint32_t off;
} OpiCursor;

/*
 * The next @len bytes of @f to @addr of @to; *@sender: whose fault it was
 */
bool opi_dma_copy(OpiFn *to, uint64_t addr, const OpiFrame *f, OpiCursor *at,
                  uint32_t len, bool *sender);

/* opi-uplink.c */
void opi_uplink_realize(OpiCard *c);
void opi_uplink_unrealize(OpiCard *c);
bool opi_uplink_carrier(const OpiCard *c);
/* False: the wire has no room. */
bool opi_uplink_send(OpiCard *c, const uint8_t *buf, size_t len);

/* opi-link-card.c */
bool opi_link_card_realize(OpiCard *c, Error **errp);
void opi_link_card_unrealize(OpiCard *c);
void opi_link_card_state(OpiCard *c);
void opi_link_card_close(OpiCard *c, const char *why);

/* opi-func.c: the function table */
void opi_func_init(OpiCard *c);
void opi_func_finalize(OpiCard *c);
OpiFunc *opi_func_find(const OpiCard *c, uint32_t id);
/* What the computers should see of it by now; tells what has changed. */
void opi_func_update(OpiCard *c);
/* Tell of a change of settings. */
void opi_func_changed(OpiCard *c, const OpiFunc *f, uint32_t change);
/* @fn may know of @f, and may use it. */
bool opi_func_known_to(const OpiFunc *f, const OpiFn *fn);
bool opi_func_owned_by(const OpiFunc *f, const OpiFn *fn);
/* The SFs of @fn have lost their driver. */
void opi_func_detach_sfs(const OpiFn *fn);
uint16_t opi_func_create(OpiCard *c, const struct opi_cmd *cmd, uint32_t *id);
uint16_t opi_func_destroy(OpiFunc *f);
uint16_t opi_func_attach(OpiFunc *f, const struct opi_cmd *cmd);
/* May a queue pair be made for @p? */
uint16_t opi_func_check_qp(const OpiFn *fn, const OpiPort *p);
void opi_func_get(const OpiFunc *f, struct opi_func_info *i);
uint16_t opi_func_set(OpiFunc *f, const struct opi_cmd *cmd);
uint16_t opi_func_expose(OpiFunc *f, bool expose);

/* opi-mig.c: moving a VF */
bool opi_mig_init(OpiCard *c, Error **errp);
/* It does as functions do; false: no DMA, no interrupts. */
static inline bool opi_fn_runs(const OpiFn *fn)
{
    return fn->mig.state == OPI_MIG_RUNNING;
}
/* It takes doorbells and what is written to its registers. */
static inline bool opi_fn_listens(const OpiFn *fn)
{
    return fn->mig.state <= OPI_MIG_P2P;
}
/* The VF is reset from outside. */
void opi_mig_reset(OpiFn *fn);
void opi_mig_free(OpiFn *fn);
/* It comes from nowhere: of one that is stopped, or new. */
void opi_mig_no_source(OpiFn *fn);
/* The driver of the PF, who moves VFs, has gone. */
void opi_mig_abandon(OpiCard *c);
/* The VF that @fn may name as @target of a MIG or DIRTY command. */
uint16_t opi_mig_vf(OpiFn *fn, const struct opi_cmd *cmd, uint16_t opcode,
                    OpiFn **vf);
void opi_mig_get(const OpiFn *vf, struct opi_mig_info *i);
uint16_t opi_mig_set(OpiFn *vf, uint8_t state);
/* *@len: room in @buf, then what was written there. */
uint16_t opi_mig_save(OpiFn *vf, uint64_t offset, uint8_t *buf, uint32_t *len);
uint16_t opi_mig_load(OpiFn *vf, uint64_t offset, const uint8_t *buf,
                      uint32_t len);
void opi_mig_set_key(OpiCard *c, const struct opi_mig_key *key);

/* opi-dirty.c: what a VF writes */
void opi_dirty_mark(OpiFn *fn, uint64_t addr, uint32_t len);
void opi_dirty_free(OpiFn *fn);
/* Of the pages of the log; 0: none is kept. */
unsigned opi_dirty_order(const OpiFn *fn);
uint16_t opi_dirty_start(OpiFn *fn, const uint8_t *buf, uint32_t len,
                         uint32_t *order);
uint16_t opi_dirty_stop(OpiFn *fn);
/* Into @bits, which are zero; forgotten when it is delivered. */
uint16_t opi_dirty_report(OpiFn *fn, const struct opi_cmd *cmd, uint8_t *bits);
void opi_dirty_reported(OpiFn *fn, const struct opi_cmd *cmd);

/* opi-pf.c */
OpiCard *opi_pf_card(PCIDevice *pf);
void opi_pf_boot_block(PCIDevice *pf, const struct opi_boot_block *boot);

#endif
