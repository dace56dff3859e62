/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OPI card: the card's end of the link: the DPU's memory, doorbells, registers
 * and power as its QEMU tells them.  Framing is in opi-link.c, what the DPU's
 * states mean in opi-card.c.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/memfd.h"
#include "qemu/guest-random.h"
#include "qapi/error.h"
#include "opi-card.h"
#include "opi-pci.h"
#include "trace.h"

static void opi_link_card_unmap(OpiCard *c)
{
    unsigned i;

    for (i = 0; i < c->nmem; i++) {
        munmap(c->mem[i].ptr, c->mem[i].size);
    }
    c->nmem = 0;
}

void opi_link_card_state(OpiCard *c)
{
    static const uint32_t hosts[] = {
        [OPI_HOST_OFF] = OPI_LINK_HOST_OFF,
        [OPI_HOST_RUNNING] = OPI_LINK_HOST_RUNNING,
        [OPI_HOST_PAUSED] = OPI_LINK_HOST_PAUSED,
    };
    struct opi_link_card_state s = {
        .up = cpu_to_le32(c->soc_up),
        .host = cpu_to_le32(hosts[c->host_power]),
        .generation = cpu_to_le32(c->generation),
    };

    if (c->soc_up) {
        opi_link_send(&c->link, OPI_LINK_CARD_STATE, &s, sizeof(s), NULL, 0);
    }
}

/* All that is needed of the DPU is known: let it see the card. */
static void opi_link_card_check_up(OpiCard *c)
{
    if (c->soc_up || !c->nmem || !c->soc_state_seen) {
        return;
    }
    trace_opi_link_up(c->soc_instance, c->nmem);
    opi_card_soc_up(c);
    opi_link_card_state(c);
}

/* The DPU has rung: bit 0 is the admin queue, n + 1 queue pair n. */
static void opi_link_card_kick(EventNotifier *e)
{
    OpiCard *c = container_of(e, OpiCard, kick);
    unsigned w;

    event_notifier_test_and_clear(e);
    if (!c->soc_up) {
        return;
    }
    opi_card_enter(c);
    qatomic_xchg(&c->ctrl->kick_pending, 0);
    for (w = 0; w < OPI_CTRL_WORDS; w++) {
        uint64_t pages;

        if (!qatomic_read(&c->ctrl->kick[w])) {
            continue;
        }
        pages = qatomic_xchg(&c->ctrl->kick[w], 0);
        trace_opi_kick(pages);
        while (pages) {
            unsigned page = w * 64 + ctz64(pages);

            pages &= pages - 1;
            opi_fn_doorbell(&c->dpu, page, 0,
                            page ? 0 : le32_to_cpu(
                                qatomic_read(&c->ctrl->aq_tail)));
        }
    }
    opi_card_run(c);
    opi_card_leave(c);
}

static void opi_link_card_close_ctrl(OpiCard *c)
{
    if (!c->ctrl) {
        return;
    }
    event_notifier_set_handler(&c->kick, NULL);
    event_notifier_cleanup(&c->kick);
    event_notifier_cleanup(&c->irq);
    qemu_memfd_free(c->ctrl, OPI_CTRL_SIZE, c->ctrl_fd);
    c->ctrl = NULL;
}

/* A page and eventfds of its own for every session: the last peer keeps his. */
static const char *opi_link_card_open_ctrl(OpiCard *c)
{
    struct opi_link_ctrl_page msg = { .size = cpu_to_le32(OPI_CTRL_SIZE) };
    struct opi_ctrl *ctrl;
    Error *err = NULL;
    int fds[2], fd;

    ctrl = qemu_memfd_alloc("opi-ctrl", OPI_CTRL_SIZE,
                            F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, &fd,
                            &err);
    if (!ctrl) {
        error_free(err);
        return "no memory for the control page";
    }
    if (event_notifier_init(&c->kick, 0)) {
        qemu_memfd_free(ctrl, OPI_CTRL_SIZE, fd);
        return "no eventfd";
    }
    if (event_notifier_init(&c->irq, 0)) {
        event_notifier_cleanup(&c->kick);
        qemu_memfd_free(ctrl, OPI_CTRL_SIZE, fd);
        return "no eventfd";
    }
    c->ctrl = ctrl;
    c->soc_resets = 0;
    c->ctrl_fd = fd;
    ctrl->magic = cpu_to_le32(OPI_CTRL_MAGIC);
    ctrl->version = cpu_to_le32(OPI_LINK_VERSION);
    ctrl->size = cpu_to_le32(OPI_CTRL_SIZE);
    event_notifier_set_handler(&c->kick, opi_link_card_kick);

    opi_link_send(&c->link, OPI_LINK_CTRL_PAGE, &msg, sizeof(msg), &fd, 1);
    fds[0] = event_notifier_get_fd(&c->kick);
    fds[1] = event_notifier_get_fd(&c->irq);
    opi_link_send(&c->link, OPI_LINK_EVENTFDS, NULL, 0, fds, 2);
    return NULL;
}

static const char *opi_link_card_hello(OpiCard *c, const void *data,
                                       uint32_t len, unsigned nfds)
{
    struct opi_link_hello h;

    if (len != sizeof(h) || nfds) {
        return "malformed hello";
    }
    memcpy(&h, data, sizeof(h));
    if (le32_to_cpu(h.end) != OPI_LINK_SOC || h.features || h.serial ||
        !opi_link_set_scale(&c->link, le32_to_cpu(h.time_scale)) ||
        le32_to_cpu(h.iface_version) >> 16 != OPI_IFACE_MAJOR) {
        return "hello of a stranger";
    }
    c->soc_instance = le64_to_cpu(h.instance);
    return opi_link_card_open_ctrl(c);
}

static const char *opi_link_card_mem(OpiCard *c, const void *data, uint32_t len,
                                     const int *fds, unsigned nfds)
{
    struct opi_link_mem_table t;
    struct opi_link_mem_ack ack = { 0 };
    OpiMemRegion mem[OPI_LINK_REGIONS_MAX];
    const char *why = NULL;
    unsigned i, k, n;

    if (len != sizeof(t)) {
        return "malformed memory table";
    }
    memcpy(&t, data, sizeof(t));
    n = le32_to_cpu(t.count);
    if (!n || n > OPI_LINK_REGIONS_MAX || n != nfds) {
        return "memory table without its files";
    }
    for (i = 0; i < n && !why; i++) {
        OpiMemRegion *r = &mem[i];

        r->gpa = le64_to_cpu(t.region[i].gpa);
        r->size = le64_to_cpu(t.region[i].size);
        r->ptr = NULL;
        if (!r->size || r->gpa > UINT64_MAX - r->size) {
            why = "memory region that wraps";
        }
        for (k = 0; k < i && !why; k++) {
            if (ranges_overlap(r->gpa, r->size, mem[k].gpa, mem[k].size)) {
                why = "memory regions that overlap";
            }
        }
    }
    if (why) {
        return why;
    }
    for (i = 0; i < n; i++) {
        mem[i].ptr = opi_link_map(fds[i], le64_to_cpu(t.region[i].offset),
                                  mem[i].size);
        if (!mem[i].ptr) {
            while (i--) {
                munmap(mem[i].ptr, mem[i].size);
            }
            return "memory that cannot be relied on";
        }
    }
    /* Nothing holds a pointer from one access to the next. */
    opi_link_card_unmap(c);
    memcpy(c->mem, mem, n * sizeof(mem[0]));
    c->nmem = n;
    ack.id = t.id;
    opi_link_send(&c->link, OPI_LINK_MEM_ACK, &ack, sizeof(ack), NULL, 0);
    opi_link_card_check_up(c);
    return NULL;
}

static const char *opi_link_card_soc(OpiCard *c, const void *data, uint32_t len,
                                     unsigned nfds)
{
    struct opi_link_soc_state s;
    uint32_t state, event;

    if (len != sizeof(s) || nfds) {
        return "malformed state";
    }
    memcpy(&s, data, sizeof(s));
    state = le32_to_cpu(s.state);
    event = le32_to_cpu(s.event);
    if (state < OPI_LINK_SOC_RUNNING || state > OPI_LINK_SOC_OFF ||
        event > OPI_LINK_EVENT_FLR) {
        return "unknown state";
    }
    trace_opi_soc_state(state, event);
    c->soc_state = state;
    c->soc_state_seen = true;
    if (c->soc_up) {
        opi_card_soc_event(c, event);
    } else {
        opi_link_card_check_up(c);
    }
    /* Its queues are gone by now. */
    c->soc_resets += event != OPI_LINK_EVENT_NONE;
    return NULL;
}

static const char *opi_link_card_reg(OpiCard *c, const void *data, uint32_t len,
                                     unsigned nfds)
{
    struct opi_link_reg_write w;
    uint32_t reg;

    if (len != sizeof(w) || nfds) {
        return "malformed register write";
    }
    memcpy(&w, data, sizeof(w));
    reg = le32_to_cpu(w.offset);
    if (!c->soc_up || reg >= OPI_BAR_REGS_SIZE || reg & 3) {
        return "register write out of place";
    }
    opi_fn_reg_write(&c->dpu, reg, le32_to_cpu(w.value));
    opi_card_run(c);
    return NULL;
}

static const char *opi_link_card_message(void *opaque, uint16_t type,
                                         const void *data, uint32_t len,
                                         int *fds, unsigned nfds)
{
    OpiCard *c = opaque;
    const char *why;

    opi_card_enter(c);
    switch (type) {
    case OPI_LINK_HELLO:
        why = opi_link_card_hello(c, data, len, nfds);
        break;
    case OPI_LINK_MEM_TABLE:
        why = opi_link_card_mem(c, data, len, fds, nfds);
        break;
    case OPI_LINK_SOC_STATE:
        why = opi_link_card_soc(c, data, len, nfds);
        break;
    case OPI_LINK_REG_WRITE:
        why = opi_link_card_reg(c, data, len, nfds);
        break;
    default:
        why = "unknown message";
    }
    opi_card_leave(c);
    return why;
}

static void opi_link_card_opened(void *opaque)
{
    OpiCard *c = opaque;
    struct opi_link_hello h = {
        .end = cpu_to_le32(OPI_LINK_CARD),
        .serial = cpu_to_le64(c->serial),
        .iface_version = cpu_to_le32(OPI_IFACE_VERSION),
        .time_scale = cpu_to_le32(c->time_scale),
    };

    qemu_guest_getrandom_nofail(&h.instance, sizeof(h.instance));
    opi_link_send(&c->link, OPI_LINK_HELLO, &h, sizeof(h), NULL, 0);
}

static void opi_link_card_closed(void *opaque)
{
    OpiCard *c = opaque;

    opi_card_enter(c);
    c->soc_state_seen = false;
    if (c->soc_up) {
        opi_card_soc_down(c);
    }
    opi_link_card_unmap(c);
    opi_link_card_close_ctrl(c);
    opi_card_leave(c);
}

static const OpiLinkOps opi_link_card_ops = {
    .opened = opi_link_card_opened,
    .message = opi_link_card_message,
    .closed = opi_link_card_closed,
};

void opi_link_card_close(OpiCard *c, const char *why)
{
    opi_link_close(&c->link, why);
}

bool opi_link_card_realize(OpiCard *c, Error **errp)
{
    /* A card without a chardev is one whose computer is never there. */
    if (qemu_chr_fe_backend_connected(&c->chr)) {
        opi_link_init(&c->link, OPI_LINK_CARD, &c->chr, &opi_link_card_ops, c,
                      c->time_scale, DEVICE(c));
    }
    return true;
}

void opi_link_card_unrealize(OpiCard *c)
{
    opi_link_finalize(&c->link);
}
