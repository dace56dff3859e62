/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "opi-soc": the card as its own computer, the DPU, sees it: a PCI function in
 * the DPU's QEMU.  A window: register reads come from the page that the card
 * publishes, doorbells go into it, other writes are posted over the link, and
 * the DPU's memory is offered to the card.  No queue and no state of the card
 * is here; without the link it says that the card is absent.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/event_notifier.h"
#include "qemu/error-report.h"
#include "qemu/guest-random.h"
#include "qemu/module.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "chardev/char-fe.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pcie.h"
#include "migration/vmstate.h"
#include "system/runstate.h"
#include "standard-headers/linux/opi_pci.h"
#include "opi-compat.h"
#include "opi-link.h"
#include "opi-pci.h"
#include "trace.h"

OBJECT_DECLARE_SIMPLE_TYPE(OpiSoc, OPI_SOC)

/* More than any card has: its registers say how many there are. */
#define OPI_SOC_QPS             64
#define OPI_SOC_VECTORS         (OPI_SOC_QPS + 1)

/* Below, firmware moves things about, and no driver puts its rings there. */
#define OPI_SOC_MEM_LOW         (1 * MiB)

typedef struct OpiSocRegion {
    struct opi_link_region r;           /* host byte order */
    int fd;
} OpiSocRegion;

struct OpiSoc {
    PCIDevice parent_obj;

    OpiChr chr;
    uint32_t time_scale;

    OpiBars bars;
    bool configured;                    /* written to since the last reset */
    OpiLink link;
    bool up;                            /* the card is there */
    bool greeted;                       /* it said HELLO and is a card */
    bool offered;                       /* memory and state have been told */
    uint32_t state;
    struct opi_ctrl *ctrl;
    bool have_eventfds;
    EventNotifier kick;
    EventNotifier irq;
    uint32_t absent[OPI_CTRL_REGS];     /* what is read without the card */

    MemoryListener listener;
    OpiSocRegion *mem;                  /* as told, or to be told */
    unsigned nmem;
    OpiSocRegion *new_mem;              /* being collected */
    unsigned nnew;
    uint32_t table_id;
    VMChangeStateEntry *vm_state;
};

/* ---- Registers and doorbells ------------------------------------------- */

static uint64_t opi_soc_read(void *opaque, hwaddr addr, unsigned size)
{
    OpiSoc *s = opaque;

    if (s->up) {
        return le32_to_cpu(qatomic_load_acquire(&s->ctrl->regs[addr / 4]));
    }
    return s->absent[addr / 4];
}

static void opi_soc_write(void *opaque, hwaddr addr, uint64_t val,
                          unsigned size)
{
    OpiSoc *s = opaque;
    struct opi_link_reg_write w = {
        .offset = cpu_to_le32(addr),
        .value = cpu_to_le32(val),
    };

    trace_opi_soc_write(addr, val);
    if (s->up) {
        opi_link_send(&s->link, OPI_LINK_REG_WRITE, &w, sizeof(w), NULL, 0);
    }
}

static uint64_t opi_soc_doorbell_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0;
}

static void opi_soc_doorbell_write(void *opaque, hwaddr addr, uint64_t val,
                                   unsigned size)
{
    OpiSoc *s = opaque;
    unsigned page = addr / OPI_DB_PAGE;

    /* All pages' first register; that of posted buffers needs no kick. */
    if (!s->up || addr % OPI_DB_PAGE || page > OPI_SOC_QPS) {
        return;
    }
    if (page == 0) {
        qatomic_set(&s->ctrl->aq_tail, cpu_to_le32(val));
    }
    qatomic_or(&s->ctrl->kick[page / 64], 1ULL << (page % 64));
    if (!qatomic_xchg(&s->ctrl->kick_pending, 1)) {
        event_notifier_set(&s->kick);
    }
}

static const MemoryRegionOps opi_soc_ops = OPI_MMIO_OPS(opi_soc_read,
                                                        opi_soc_write);
static const MemoryRegionOps opi_soc_doorbell_ops =
    OPI_MMIO_OPS(opi_soc_doorbell_read, opi_soc_doorbell_write);

/* Who the card was, and that it is not there. */
static void opi_soc_set_absent(OpiSoc *s)
{
    static const uint16_t keep[] = {
        OPI_REG_ROLE, OPI_REG_FUNC_ID, OPI_REG_SERIAL_LO, OPI_REG_SERIAL_HI,
        OPI_REG_GENERATION, OPI_REG_LIMITS0, OPI_REG_LIMITS1, OPI_REG_TIMEOUT,
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(keep) && s->up; i++) {
        s->absent[keep[i] / 4] =
            le32_to_cpu(qatomic_read(&s->ctrl->regs[keep[i] / 4]));
    }
    s->absent[OPI_REG_MAGIC / 4] = OPI_MAGIC;
    s->absent[OPI_REG_VERSION / 4] = OPI_IFACE_VERSION;
    s->absent[OPI_REG_ROLE / 4] &= ~OPI_ROLE_ROLE_MASK;
    s->absent[OPI_REG_ROLE / 4] |= OPI_ROLE_DPU;
    s->absent[OPI_REG_DEV_STATUS / 4] = OPI_DEV_STATUS_ABSENT;
}

/* The card raised interrupts. */
static void opi_soc_irq(EventNotifier *e)
{
    OpiSoc *s = container_of(e, OpiSoc, irq);
    unsigned w;

    event_notifier_test_and_clear(e);
    qatomic_xchg(&s->ctrl->irq_pending, 0);
    /* An interrupt that is aimed at our slot takes us out of it. */
    object_ref(OBJECT(s));
    for (w = 0; w < OPI_CTRL_WORDS && s->ctrl; w++) {
        uint64_t vectors;

        if (!qatomic_read(&s->ctrl->irq[w])) {
            continue;
        }
        vectors = qatomic_xchg(&s->ctrl->irq[w], 0);
        trace_opi_soc_irq(vectors);
        while (vectors && s->ctrl) {
            unsigned v = w * 64 + ctz64(vectors);

            vectors &= vectors - 1;
            if (v < OPI_SOC_VECTORS) {
                msix_notify(PCI_DEVICE(s), v);
            }
        }
    }
    object_unref(OBJECT(s));
}

/* Bus mastering as the card must see it at once, without a message. */
static void opi_soc_tell_master(OpiSoc *s, bool on)
{
    if (s->ctrl) {
        qatomic_set(&s->ctrl->soc_flags, on ? OPI_CTRL_SOC_MASTER : 0);
        /* The card's next access must see it. */
        smp_mb();
    }
}

static void opi_soc_config_write(PCIDevice *dev, uint32_t addr, uint32_t val,
                                 int len)
{
    OpiSoc *s = OPI_SOC(dev);

    s->configured = true;
    pci_default_write_config(dev, addr, val, len);
    pcie_cap_flr_write_config(dev, addr, val, len);
    opi_soc_tell_master(s, opi_pci_may_dma(dev));
}

/* ---- The DPU's memory -------------------------------------------------- */

static void opi_soc_mem_begin(MemoryListener *listener)
{
    OpiSoc *s = container_of(listener, OpiSoc, listener);

    s->new_mem = NULL;
    s->nnew = 0;
}

static void opi_soc_mem_add(MemoryListener *listener,
                            MemoryRegionSection *section)
{
    OpiSoc *s = container_of(listener, OpiSoc, listener);
    MemoryRegion *mr = section->mr;
    uint64_t page = qemu_real_host_page_size();
    uint64_t gpa = section->offset_within_address_space;
    uint64_t size = int128_get64(section->size);
    OpiSocRegion *last = s->nnew ? &s->new_mem[s->nnew - 1] : NULL;
    uint64_t off;
    int fd;

    if (!memory_region_is_ram(mr) || memory_region_is_rom(mr) ||
        memory_region_is_ram_device(mr)) {
        return;
    }
    fd = memory_region_get_fd(mr);
    if (fd < 0) {
        return;
    }
    off = section->offset_within_region + mr->ram_block->fd_offset;
    if (gpa < OPI_SOC_MEM_LOW) {
        uint64_t skip = OPI_SOC_MEM_LOW - gpa;

        if (size <= skip) {
            return;
        }
        gpa += skip;
        off += skip;
        size -= skip;
    }
    size = QEMU_ALIGN_DOWN(size, page);
    if (!size || !QEMU_IS_ALIGNED(gpa | off, page)) {
        return;
    }
    if (last && last->fd == fd && last->r.gpa + last->r.size == gpa &&
        last->r.offset + last->r.size == off) {
        last->r.size += size;
        return;
    }
    s->new_mem = g_renew(OpiSocRegion, s->new_mem, s->nnew + 1);
    s->new_mem[s->nnew++] = (OpiSocRegion) {
        .r = { .gpa = gpa, .size = size, .offset = off },
        .fd = fd,
    };
}

static void opi_soc_send_mem(OpiSoc *s)
{
    struct opi_link_mem_table t = { .id = cpu_to_le32(++s->table_id) };
    int fds[OPI_LINK_REGIONS_MAX];
    unsigned i;

    for (i = 0; i < s->nmem && i < OPI_LINK_REGIONS_MAX; i++) {
        const struct opi_link_region *r = &s->mem[i].r;

        trace_opi_soc_region(r->gpa, r->size, r->offset);
        t.region[i].gpa = cpu_to_le64(r->gpa);
        t.region[i].size = cpu_to_le64(r->size);
        t.region[i].offset = cpu_to_le64(r->offset);
        fds[i] = s->mem[i].fd;
    }
    t.count = cpu_to_le32(i);
    opi_link_send(&s->link, OPI_LINK_MEM_TABLE, &t, sizeof(t), fds, i);
}

static int opi_soc_by_size(const void *a, const void *b)
{
    uint64_t x = ((const OpiSocRegion *)a)->r.size;
    uint64_t y = ((const OpiSocRegion *)b)->r.size;

    return x < y ? 1 : x > y ? -1 : 0;
}

static void opi_soc_mem_commit(MemoryListener *listener)
{
    OpiSoc *s = container_of(listener, OpiSoc, listener);

    if (s->nnew > OPI_LINK_REGIONS_MAX) {
        warn_report_once("opi-soc: %u memory regions, the card reaches the %d "
                         "largest", s->nnew, OPI_LINK_REGIONS_MAX);
        qsort(s->new_mem, s->nnew, sizeof(*s->new_mem), opi_soc_by_size);
        s->nnew = OPI_LINK_REGIONS_MAX;
    }
    if (s->nnew == s->nmem &&
        !memcmp(s->mem, s->new_mem, s->nmem * sizeof(*s->mem))) {
        g_free(s->new_mem);
        s->new_mem = NULL;
        return;
    }
    g_free(s->mem);
    s->mem = s->new_mem;
    s->nmem = s->nnew;
    s->new_mem = NULL;
    trace_opi_soc_memory(s->nmem);
    if (s->offered) {
        opi_soc_send_mem(s);
    }
}

/* ---- State of the DPU's computer --------------------------------------- */

static void opi_soc_tell_state(OpiSoc *s, uint32_t event)
{
    struct opi_link_soc_state m = {
        .state = cpu_to_le32(s->state),
        .event = cpu_to_le32(event),
    };

    if (!s->offered) {
        return;
    }
    if (s->ctrl && event != OPI_LINK_EVENT_NONE) {
        /* The card does no DMA until it has heard of this one. */
        qatomic_set(&s->ctrl->soc_resets,
                    cpu_to_le32(le32_to_cpu(s->ctrl->soc_resets) + 1));
        /* Before it sees that bus mastering is on again. */
        smp_mb();
    }
    opi_link_send(&s->link, OPI_LINK_SOC_STATE, &m, sizeof(m), NULL, 0);
}

static void opi_soc_vm_state(void *opaque, bool running, RunState state)
{
    OpiSoc *s = opaque;

    if (running) {
        s->state = OPI_LINK_SOC_RUNNING;
    } else if (state == RUN_STATE_SHUTDOWN) {
        s->state = OPI_LINK_SOC_OFF;
    } else if (s->state != OPI_LINK_SOC_OFF) {
        s->state = OPI_LINK_SOC_PAUSED;
    }
    opi_soc_tell_state(s, OPI_LINK_EVENT_NONE);
}

static void opi_soc_reset_hold(Object *obj, ResetType type)
{
    PCIDevice *dev = PCI_DEVICE(obj);
    OpiSoc *s = OPI_SOC(obj);
    bool flr = pci_get_word(dev->config + dev->exp.exp_cap + PCI_EXP_DEVCTL) &
               PCI_EXP_DEVCTL_BCR_FLR;

    pcie_cap_deverr_reset(dev);
    opi_soc_tell_master(s, false);
    /* Firmware resets its machine again before it looks at the bus. */
    if (flr) {
        opi_soc_tell_state(s, OPI_LINK_EVENT_FLR);
    } else if (s->configured) {
        opi_soc_tell_state(s, OPI_LINK_EVENT_RESET);
        s->configured = false;
    }
}

/* ---- The link ---------------------------------------------------------- */

static void opi_soc_opened(void *opaque)
{
    OpiSoc *s = opaque;
    struct opi_link_hello h = {
        .end = cpu_to_le32(OPI_LINK_SOC),
        .iface_version = cpu_to_le32(OPI_IFACE_VERSION),
        .time_scale = cpu_to_le32(s->time_scale),
    };

    qemu_guest_getrandom_nofail(&h.instance, sizeof(h.instance));
    opi_link_send(&s->link, OPI_LINK_HELLO, &h, sizeof(h), NULL, 0);
}

static void opi_soc_closed(void *opaque)
{
    OpiSoc *s = opaque;
    bool was_up = s->up;

    opi_soc_set_absent(s);
    s->up = false;
    s->greeted = false;
    s->offered = false;
    if (s->have_eventfds) {
        event_notifier_set_handler(&s->irq, NULL);
        event_notifier_cleanup(&s->irq);
        event_notifier_cleanup(&s->kick);
        s->have_eventfds = false;
    }
    if (s->ctrl) {
        /* The card may find out later than our guest, who has its memory. */
        opi_soc_tell_master(s, false);
        munmap(s->ctrl, OPI_CTRL_SIZE);
        s->ctrl = NULL;
    }
    if (was_up) {
        trace_opi_soc_card(false);
        msix_notify(PCI_DEVICE(s), 0);
    }
}

/* With the page and the eventfds the card can have our memory. */
static void opi_soc_offer(OpiSoc *s)
{
    if (s->offered || !s->ctrl || !s->have_eventfds) {
        return;
    }
    s->offered = true;
    opi_soc_tell_master(s, opi_pci_may_dma(PCI_DEVICE(s)));
    opi_soc_send_mem(s);
    opi_soc_tell_state(s, OPI_LINK_EVENT_NONE);
}

static const char *opi_soc_hello(OpiSoc *s, const void *data, uint32_t len,
                                 unsigned nfds)
{
    struct opi_link_hello h;

    if (len != sizeof(h) || nfds) {
        return "malformed hello";
    }
    memcpy(&h, data, sizeof(h));
    if (le32_to_cpu(h.end) != OPI_LINK_CARD || h.features ||
        !opi_link_set_scale(&s->link, le32_to_cpu(h.time_scale)) ||
        le32_to_cpu(h.iface_version) >> 16 != OPI_IFACE_MAJOR) {
        return "hello of a stranger";
    }
    s->greeted = true;
    return NULL;
}

static const char *opi_soc_ctrl_page(OpiSoc *s, const void *data, uint32_t len,
                                     const int *fds, unsigned nfds)
{
    struct opi_link_ctrl_page p;

    if (len != sizeof(p) || nfds != 1 || s->ctrl) {
        return "malformed control page";
    }
    memcpy(&p, data, sizeof(p));
    if (le32_to_cpu(p.size) != OPI_CTRL_SIZE) {
        return "control page of another size";
    }
    if (p.rsvd) {
        return "reserved field is not zero";
    }
    s->ctrl = opi_link_map(fds[0], 0, OPI_CTRL_SIZE);
    if (!s->ctrl) {
        return "control page that cannot be relied on";
    }
    if (le32_to_cpu(s->ctrl->magic) != OPI_CTRL_MAGIC ||
        le32_to_cpu(s->ctrl->version) != OPI_LINK_VERSION) {
        return "not a control page";
    }
    opi_soc_offer(s);
    return NULL;
}

static const char *opi_soc_eventfds(OpiSoc *s, uint32_t len, int *fds,
                                    unsigned nfds)
{
    if (len || nfds != 2 || s->have_eventfds || !s->ctrl ||
        !opi_link_is_eventfd(fds[0]) || !opi_link_is_eventfd(fds[1])) {
        return "malformed eventfds";
    }
    event_notifier_init_fd(&s->kick, fds[0]);
    event_notifier_init_fd(&s->irq, fds[1]);
    fds[0] = -1;
    fds[1] = -1;
    s->have_eventfds = true;
    event_notifier_set_handler(&s->irq, opi_soc_irq);
    opi_soc_offer(s);
    return NULL;
}

static const char *opi_soc_mem_ack(OpiSoc *s, const void *data, uint32_t len,
                                   unsigned nfds)
{
    struct opi_link_mem_ack a;

    if (len != sizeof(a) || nfds || !s->offered) {
        return "malformed acknowledgement";
    }
    memcpy(&a, data, sizeof(a));
    return a.rsvd ? "reserved field is not zero" : NULL;
}

static const char *opi_soc_card_state(OpiSoc *s, const void *data, uint32_t len,
                                      unsigned nfds)
{
    struct opi_link_card_state c;

    if (len != sizeof(c) || nfds || !s->offered) {
        return "malformed card state";
    }
    memcpy(&c, data, sizeof(c));
    if (c.rsvd) {
        return "reserved field is not zero";
    }
    if (le32_to_cpu(c.up) && !s->up) {
        s->up = true;
        trace_opi_soc_card(true);
        msix_notify(PCI_DEVICE(s), 0);
    }
    return NULL;
}

static const char *opi_soc_message(void *opaque, uint16_t type,
                                   const void *data, uint32_t len, int *fds,
                                   unsigned nfds)
{
    OpiSoc *s = opaque;

    switch (type) {
    case OPI_LINK_HELLO:
        return opi_soc_hello(s, data, len, nfds);
    case OPI_LINK_CTRL_PAGE:
        return opi_soc_ctrl_page(s, data, len, fds, nfds);
    case OPI_LINK_EVENTFDS:
        return opi_soc_eventfds(s, len, fds, nfds);
    case OPI_LINK_MEM_ACK:
        return opi_soc_mem_ack(s, data, len, nfds);
    case OPI_LINK_CARD_STATE:
        return opi_soc_card_state(s, data, len, nfds);
    default:
        return "unknown message";
    }
}

static const OpiLinkOps opi_soc_link_ops = {
    .opened = opi_soc_opened,
    .message = opi_soc_message,
    .closed = opi_soc_closed,
};

/* ---- The device -------------------------------------------------------- */

static void opi_soc_realize(PCIDevice *dev, Error **errp)
{
    OpiSoc *s = OPI_SOC(dev);

    if (!qemu_chr_fe_backend_connected(&s->chr)) {
        error_setg(errp, "chardev is required");
        return;
    }
    if (!s->time_scale || s->time_scale > OPI_LINK_SCALE_MAX) {
        error_setg(errp, "time-scale must be 1 to 1000");
        return;
    }
    if (!pci_bus_is_express(pci_get_bus(dev)) ||
        pci_bus_is_root(pci_get_bus(dev))) {
        error_setg(errp, "opi-soc belongs on a pcie-root-port");
        return;
    }
    if (!opi_pci_realize(dev, &s->bars, &opi_soc_ops, &opi_soc_doorbell_ops, s,
                         opi_pci_doorbell_size(OPI_SOC_QPS), OPI_SOC_VECTORS,
                         errp)) {
        return;
    }
    s->state = runstate_is_running() ? OPI_LINK_SOC_RUNNING
                                     : OPI_LINK_SOC_PAUSED;
    opi_soc_set_absent(s);
    s->listener = (MemoryListener) {
        .name = TYPE_OPI_SOC,
        .begin = opi_soc_mem_begin,
        .region_add = opi_soc_mem_add,
        .region_nop = opi_soc_mem_add,
        .commit = opi_soc_mem_commit,
    };
    memory_listener_register(&s->listener, &address_space_memory);
    if (!s->nmem) {
        memory_listener_unregister(&s->listener);
        opi_pci_exit(dev, &s->bars);
        error_setg(errp, "the card cannot reach this machine's memory");
        error_append_hint(errp, "Use -object memory-backend-memfd,id=mem,"
                          "size=...,share=on -machine memory-backend=mem\n");
        return;
    }
    s->vm_state = qemu_add_vm_change_state_handler(opi_soc_vm_state, s);
    opi_link_init(&s->link, OPI_LINK_SOC, &s->chr, &opi_soc_link_ops, s,
                  s->time_scale, DEVICE(s));
}

static void opi_soc_exit(PCIDevice *dev)
{
    OpiSoc *s = OPI_SOC(dev);

    opi_link_finalize(&s->link);
    qemu_del_vm_change_state_handler(s->vm_state);
    memory_listener_unregister(&s->listener);
    g_free(s->mem);
    opi_pci_exit(dev, &s->bars);
}

static const Property opi_soc_props[] = {
    DEFINE_PROP_CHR("chardev", OpiSoc, chr),
    DEFINE_PROP_UINT32("time-scale", OpiSoc, time_scale, 1),
};

static const VMStateDescription opi_soc_vmstate = {
    .name = TYPE_OPI_SOC,
    .unmigratable = 1,
};

static void opi_soc_class_init(ObjectClass *oc, OpiClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);
    ResettableClass *rc = RESETTABLE_CLASS(oc);

    pc->realize = opi_soc_realize;
    pc->exit = opi_soc_exit;
    pc->config_write = opi_soc_config_write;
    pc->vendor_id = OPI_PCI_VENDOR_ID;
    pc->device_id = OPI_PCI_DEVICE_ID_DPU;
    pc->subsystem_vendor_id = OPI_PCI_VENDOR_ID;
    pc->subsystem_id = OPI_PCI_DEVICE_ID_DPU;
    pc->revision = 1;
    pc->class_id = PCI_CLASS_NETWORK_ETHERNET;
    rc->phases.hold = opi_soc_reset_hold;
    dc->vmsd = &opi_soc_vmstate;
    dc->desc = "OPI DPU card, as the DPU sees it";
    set_bit(DEVICE_CATEGORY_NETWORK, dc->categories);
    device_class_set_props(dc, opi_soc_props);
}

static const TypeInfo opi_soc_info = {
    .name = TYPE_OPI_SOC,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(OpiSoc),
    .class_init = opi_soc_class_init,
    .interfaces = OPI_INTERFACES {
        { INTERFACE_PCIE_DEVICE },
        { }
    },
};

static void opi_soc_register(void)
{
    type_register_static(&opi_soc_info);
}

type_init(opi_soc_register)
