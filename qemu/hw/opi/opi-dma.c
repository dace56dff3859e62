/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OPI card: memory and interrupts of its two computers.
 *
 * The host's memory is reached as its function reaches it (IOMMU, bus
 * mastering and power state apply); RAM only, so that a guest cannot send the
 * card into registers of its own.  Where there is RAM and nothing that
 * translates, the card keeps a window: a pointer that is good until the
 * function's memory map changes.  The DPU's memory is what the link mapped; its
 * vCPUs run in another process.  In both, other CPUs look on, hence the
 * explicit barriers.  What is in the memory is not known here.
 */
#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "qemu/rcu.h"
#include "hw/pci/msix.h"
#include "opi-card.h"
#include "trace.h"

static const MemTxAttrs opi_ram_only = { .memory = 1 };

/* ---- The host ---------------------------------------------------------- */

static void opi_windows_drop(OpiFn *fn)
{
    while (fn->nwindows) {
        address_space_cache_destroy(&fn->window[--fn->nwindows].cache);
    }
    fn->translated = false;
}

static void opi_windows_commit(MemoryListener *listener)
{
    opi_windows_drop(container_of(listener, OpiFn, listener));
}

void opi_dma_attach(OpiFn *fn, PCIDevice *pdev)
{
    fn->pdev = pdev;
    fn->listener = (MemoryListener) {
        .name = "opi",
        .commit = opi_windows_commit,
    };
    memory_listener_register(&fn->listener, pci_get_address_space(pdev));
}

void opi_dma_detach(OpiFn *fn)
{
    memory_listener_unregister(&fn->listener);
    opi_windows_drop(fn);
    fn->pdev = NULL;
}

typedef struct OpiRange {
    hwaddr addr;
    hwaddr start;
    hwaddr len;                         /* 0: not RAM */
    bool translated;
} OpiRange;

/* Stops at the range of RAM that has the address. */
static bool opi_window_find(Int128 start, Int128 len, const MemoryRegion *mr,
                            hwaddr offset, void *opaque)
{
    OpiRange *r = opaque;
    Int128 addr = int128_make64(r->addr);

    if (int128_lt(addr, start) || int128_ge(addr, int128_add(start, len))) {
        return false;
    }
    if (memory_region_is_ram((MemoryRegion *)mr) && !mr->readonly &&
        !int128_gethi(len)) {
        r->start = int128_get64(start);
        r->len = int128_get64(len);
    }
    r->translated = mr->is_iommu;
    return true;
}

static OpiWindow *opi_window_open(OpiFn *fn, uint64_t addr)
{
    AddressSpace *as = pci_get_address_space(fn->pdev);
    OpiRange r = { .addr = addr };
    OpiWindow *w;

    if (fn->translated || fn->nwindows == OPI_WINDOWS) {
        return NULL;
    }
    WITH_RCU_READ_LOCK_GUARD() {
        flatview_for_each_range(address_space_to_flatview(as), opi_window_find,
                                &r);
    }
    fn->translated = r.translated;
    if (!r.len) {
        return NULL;
    }
    w = &fn->window[fn->nwindows];
    if (address_space_cache_init(&w->cache, as, r.start, r.len, true) <= 0 ||
        !w->cache.ptr) {
        address_space_cache_destroy(&w->cache);
        return NULL;
    }
    w->start = r.start;
    fn->nwindows++;
    return w;
}

static OpiWindow *opi_window(OpiFn *fn, uint64_t addr, uint32_t len)
{
    unsigned i;

    for (i = 0; i < fn->nwindows; i++) {
        OpiWindow *w = &fn->window[i];
        uint64_t off = addr - w->start;

        if (addr >= w->start && off < w->cache.len) {
            return len <= w->cache.len - off ? w : NULL;
        }
    }
    return NULL;
}

/*
 * An interrupt may have taken the function out of its slot while the card is at
 * work for it: it reaches nothing then.
 */
static void *opi_pci_map(OpiFn *fn, uint64_t addr, uint32_t len)
{
    OpiWindow *w = opi_window(fn, addr, len);

    if (unlikely(!w)) {
        w = fn->pdev ? opi_window_open(fn, addr) : NULL;
        if (!w || len > w->cache.len - (addr - w->start)) {
            return NULL;
        }
    }
    return w->cache.ptr + (addr - w->start);
}

static void opi_pci_wrote(OpiFn *fn, uint64_t addr, uint32_t len)
{
    OpiWindow *w = opi_window(fn, addr, len);

    /* Code may have been translated there; dirty logs may be kept. */
    address_space_cache_invalidate(&w->cache, addr - w->start, len);
}

/* Counted where both owner and DPU see it; an SF's are its PF's. */
static void opi_pci_fault(OpiFn *fn, uint64_t addr, uint32_t len,
                          const char *what)
{
    OpiPort *p = opi_eswitch_port(fn->card, fn->port);

    trace_opi_dma_fault(fn->role, addr, len, what);
    if (p) {
        p->func.dma_faults++;
        p->rep.dma_faults++;
    }
}

static bool opi_pci_read(OpiFn *fn, uint64_t addr, void *buf, uint32_t len)
{
    if (!fn->pdev ||
        pci_dma_rw(fn->pdev, addr, buf, len, DMA_DIRECTION_TO_DEVICE,
                   opi_ram_only) != MEMTX_OK) {
        opi_pci_fault(fn, addr, len, "read");
        return false;
    }
    return true;
}

static bool opi_pci_write(OpiFn *fn, uint64_t addr, const void *buf,
                          uint32_t len)
{
    if (!fn->pdev ||
        pci_dma_rw(fn->pdev, addr, (void *)buf, len, DMA_DIRECTION_FROM_DEVICE,
                   opi_ram_only) != MEMTX_OK) {
        opi_pci_fault(fn, addr, len, "write");
        return false;
    }
    return true;
}

static void opi_pci_notify(OpiFn *fn, unsigned vector)
{
    trace_opi_notify(fn->role, vector);
    if (fn->pdev) {
        msix_notify(fn->pdev, vector);
    }
}

const OpiFnOps opi_fn_pci_ops = {
    .map = opi_pci_map,
    .wrote = opi_pci_wrote,
    .read = opi_pci_read,
    .write = opi_pci_write,
    .notify = opi_pci_notify,
};

/* ---- The DPU ----------------------------------------------------------- */

static void *opi_mem_map(OpiFn *fn, uint64_t addr, uint32_t len)
{
    OpiCard *c = fn->card;
    unsigned i;

    /* Queues of before a reset are not those of whom the memory is now. */
    if (c->ctrl &&
        (!(qatomic_load_acquire(&c->ctrl->soc_flags) & OPI_CTRL_SOC_MASTER) ||
         le32_to_cpu(qatomic_read(&c->ctrl->soc_resets)) != c->soc_resets)) {
        goto fault;
    }
    for (i = 0; i < c->nmem; i++) {
        const OpiMemRegion *r = &c->mem[i];
        uint64_t off = addr - r->gpa;

        if (addr >= r->gpa && off < r->size && len <= r->size - off) {
            return r->ptr + off;
        }
    }
fault:
    trace_opi_dma_fault(fn->role, addr, len, "map");
    return NULL;
}

static void opi_link_notify(OpiFn *fn, unsigned vector)
{
    OpiCard *c = fn->card;

    if (!c->soc_up || vector >= OPI_CTRL_WORDS * 64) {
        return;
    }
    trace_opi_notify(fn->role, vector);
    qatomic_or(&c->ctrl->irq[vector / 64], 1ULL << (vector % 64));
    if (!qatomic_xchg(&c->ctrl->irq_pending, 1)) {
        event_notifier_set(&c->irq);
    }
}

static void opi_link_publish(OpiFn *fn, uint32_t reg)
{
    OpiCard *c = fn->card;
    unsigned i;

    if (!c->ctrl) {
        return;
    }
    if (reg != OPI_REG_ALL) {
        qatomic_store_release(&c->ctrl->regs[reg / 4],
                              cpu_to_le32(opi_fn_reg_read(fn, reg)));
        return;
    }
    /* The status comes last: who sees READY sees all that belongs to it. */
    for (i = 0; i < opi_nregs; i++) {
        if (opi_regs[i] != OPI_REG_DEV_STATUS) {
            qatomic_set(&c->ctrl->regs[opi_regs[i] / 4],
                        cpu_to_le32(opi_fn_reg_read(fn, opi_regs[i])));
        }
    }
    qatomic_store_release(&c->ctrl->regs[OPI_REG_DEV_STATUS / 4],
                          cpu_to_le32(opi_fn_reg_read(fn, OPI_REG_DEV_STATUS)));
}

const OpiFnOps opi_fn_link_ops = {
    .map = opi_mem_map,
    .notify = opi_link_notify,
    .publish = opi_link_publish,
};

/* ---- Either of them ---------------------------------------------------- */

bool opi_dma_read(OpiFn *fn, uint64_t addr, void *buf, uint32_t len)
{
    const void *p = fn->ops->map(fn, addr, len);

    if (likely(p)) {
        memcpy(buf, p, len);
        return true;
    }
    return fn->ops->read && fn->ops->read(fn, addr, buf, len);
}

/* Before it is written: who asks may be told too early, but not too late. */
static void opi_dma_note(OpiFn *fn, uint64_t addr, uint32_t len)
{
    if (unlikely(fn->dirty)) {
        opi_dirty_mark(fn, addr, len);
    }
}

static void opi_dma_wrote(OpiFn *fn, uint64_t addr, uint32_t len)
{
    if (fn->ops->wrote) {
        fn->ops->wrote(fn, addr, len);
    }
}

bool opi_dma_write(OpiFn *fn, uint64_t addr, const void *buf, uint32_t len)
{
    void *p = fn->ops->map(fn, addr, len);

    opi_dma_note(fn, addr, len);
    if (likely(p)) {
        memcpy(p, buf, len);
        opi_dma_wrote(fn, addr, len);
        return true;
    }
    return fn->ops->write && fn->ops->write(fn, addr, buf, len);
}

bool opi_dma_ld32(OpiFn *fn, uint64_t addr, uint32_t *val)
{
    uint32_t *p = fn->ops->map(fn, addr, sizeof(*p)), v;

    if (likely(p)) {
        v = qatomic_read(p);
    } else if (!fn->ops->read || !fn->ops->read(fn, addr, &v, sizeof(v))) {
        return false;
    }
    *val = le32_to_cpu(v);
    return true;
}

bool opi_dma_st32(OpiFn *fn, uint64_t addr, uint32_t val)
{
    uint32_t *p = fn->ops->map(fn, addr, sizeof(*p)), v = cpu_to_le32(val);

    opi_dma_note(fn, addr, sizeof(v));
    if (likely(p)) {
        qatomic_store_release(p, v);
        opi_dma_wrote(fn, addr, sizeof(v));
        return true;
    }
    /* What was written before is there before this word. */
    smp_wmb();
    return fn->ops->write && fn->ops->write(fn, addr, &v, sizeof(v));
}

bool opi_dma_entry(OpiFn *fn, uint64_t addr, const void *entry, uint32_t len)
{
    uint32_t body = len - sizeof(uint32_t);

    return opi_dma_write(fn, addr, entry, body) &&
           opi_dma_st32(fn, addr + body, ldl_le_p(entry + body));
}

bool opi_dma_fetch(OpiFn *fn, uint64_t ring, uint32_t order, uint32_t idx,
                   void *buf, uint32_t size, uint32_t n)
{
    uint32_t first = idx & ((1u << order) - 1);
    uint32_t upto = MIN(n, (1u << order) - first);

    return opi_dma_read(fn, ring + (uint64_t)first * size, buf, upto * size) &&
           (upto == n ||
            opi_dma_read(fn, ring, buf + upto * size, (n - upto) * size));
}

/* What is not set here the caller sets; the buffers need not be cleared. */
void opi_frame_init(OpiFrame *f, OpiCard *c, OpiFn *sender)
{
    f->card = c;
    f->fn = sender;
    f->len = 0;
    f->port = 0;
    f->meta = (OpiMeta) { 0 };
    f->npieces = 0;
    f->head = NULL;
    f->head_len = 0;
}

static bool opi_piece_read(OpiFn *fn, const OpiPiece *p, uint32_t off,
                           uint8_t *buf, uint32_t len)
{
    if (p->data) {
        /* A head that has lost its tag is copied to where it began. */
        memmove(buf, p->data + off, len);
        return true;
    }
    return opi_dma_read(fn, p->addr + off, buf, len);
}

bool opi_frame_peek(OpiFrame *f, uint32_t want)
{
    uint32_t have = 0, n = MIN(f->len, OPI_HEAD_MAX);
    uint8_t *head = f->head_buf + OPI_TAG_LEN;
    unsigned i;

    if (f->head_len >= MIN(want, f->len)) {
        return true;
    }
    for (i = 0; have < n; i++) {
        uint32_t len = MIN(f->piece[i].len, n - have);

        if (!opi_piece_read(f->fn, &f->piece[i], 0, head + have, len)) {
            return false;
        }
        have += len;
        if (len < f->piece[i].len) {
            f->piece[i].len -= len;
            f->piece[i].addr += len;
            if (f->piece[i].data) {
                f->piece[i].data += len;
            }
            break;
        }
    }
    /* The first @i pieces are in the head now. */
    memmove(&f->piece[1], &f->piece[i], (f->npieces - i) * sizeof(f->piece[0]));
    f->npieces -= i;
    f->npieces++;
    f->piece[0] = (OpiPiece) { .data = head, .len = n };
    f->head = head;
    f->head_len = n;
    return true;
}

bool opi_frame_gather(OpiFrame *f, OpiCard *c)
{
    uint8_t *start = c->bounce + OPI_TAG_LEN, *p = start;
    unsigned i;

    if (f->head_len == f->len && f->head != f->head_buf) {
        return true;
    }
    for (i = 0; i < f->npieces; i++) {
        if (!opi_piece_read(f->fn, &f->piece[i], 0, p, f->piece[i].len)) {
            return false;
        }
        p += f->piece[i].len;
    }
    f->npieces = 1;
    f->piece[0] = (OpiPiece) { .data = start, .len = f->len };
    f->head = start;
    f->head_len = f->len;
    return true;
}

void opi_frame_head_moved(OpiFrame *f, uint8_t *head, int by)
{
    f->head = head;
    f->head_len += by;
    f->len += by;
    f->piece[0].data = head;
    f->piece[0].len += by;
}

/*
 * One piece that is contiguous at both ends: copied once if one end is mapped.
 */
static bool opi_dma_piece(OpiFn *to, uint64_t dst, OpiFn *from, uint64_t src,
                          uint32_t len, bool *sender)
{
    const void *s = from->ops->map(from, src, len);
    void *d;

    *sender = true;
    if (likely(s)) {
        *sender = false;
        return opi_dma_write(to, dst, s, len);
    }
    if (!from->ops->read) {
        return false;
    }
    d = to->ops->map(to, dst, len);
    if (likely(d)) {
        bool ok;

        opi_dma_note(to, dst, len);
        ok = from->ops->read(from, src, d, len);
        opi_dma_wrote(to, dst, len);
        return ok;
    }
    while (len) {
        uint8_t part[2048];
        uint32_t n = MIN(len, sizeof(part));

        if (!from->ops->read(from, src, part, n)) {
            *sender = true;
            return false;
        }
        *sender = false;
        if (!opi_dma_write(to, dst, part, n)) {
            return false;
        }
        src += n;
        dst += n;
        len -= n;
    }
    return true;
}

bool opi_dma_copy(OpiFn *to, uint64_t addr, const OpiFrame *f, OpiCursor *at,
                  uint32_t len, bool *sender)
{
    while (len) {
        const OpiPiece *p = &f->piece[at->piece];
        uint32_t n = MIN(p->len - at->off, len);

        if (p->data) {
            *sender = false;
            if (!opi_dma_write(to, addr, p->data + at->off, n)) {
                return false;
            }
        } else if (!opi_dma_piece(to, addr, f->fn, p->addr + at->off, n,
                                  sender)) {
            return false;
        }
        at->off += n;
        if (at->off == p->len) {
            at->piece++;
            at->off = 0;
        }
        addr += n;
        len -= n;
    }
    return true;
}
