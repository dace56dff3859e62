/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OPI card: logs of the pages that VFs write.  All of a function's writes come
 * by opi-dma.c, which notes them here.
 *
 * A bit stands for a page of the log, which is larger than what was asked for
 * if there are too many.  In doubt a page is dirty.
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "opi-card.h"
#include "trace.h"

/* Addresses are inclusive, or the last page would be none. */
typedef struct OpiDirtyRange {
    uint64_t first;
    uint64_t last;
    uint64_t base;                      /* number of the page of bit 0 */
    uint64_t nbits;
    unsigned long *map;
} OpiDirtyRange;

struct OpiDirty {
    unsigned order;
    unsigned n;
    OpiDirtyRange range[OPI_DIRTY_RANGES_MAX];  /* in rising order */
};

void opi_dirty_free(OpiFn *fn)
{
    OpiDirty *d = fn->dirty;
    unsigned i;

    if (d) {
        trace_opi_dirty_stop(fn->vf);
        fn->dirty = NULL;
        for (i = 0; i < d->n; i++) {
            g_free(d->range[i].map);
        }
        g_free(d);
    }
}

unsigned opi_dirty_order(const OpiFn *fn)
{
    return fn->dirty ? fn->dirty->order : 0;
}

/* The first range that ends at @addr or behind it; @n: none does. */
static unsigned opi_dirty_find(const OpiDirty *d, uint64_t addr)
{
    unsigned from = 0, to = d->n;

    while (from < to) {
        unsigned mid = (from + to) / 2;

        if (d->range[mid].last < addr) {
            from = mid + 1;
        } else {
            to = mid;
        }
    }
    return from;
}

void opi_dirty_mark(OpiFn *fn, uint64_t addr, uint32_t len)
{
    OpiFaults *fault = &fn->card->host.fault;
    OpiDirty *d = fn->dirty;
    uint64_t last = addr + len - 1;
    unsigned i;

    if (!len) {
        return;
    }
    if (fault->dirty_lost) {
        fault->dirty_lost--;
        for (i = 0; i < d->n; i++) {
            bitmap_set(d->range[i].map, 0, d->range[i].nbits);
        }
        return;
    }
    if (last < addr) {
        last = UINT64_MAX;
    }
    for (i = opi_dirty_find(d, addr); i < d->n; i++) {
        OpiDirtyRange *r = &d->range[i];
        uint64_t from, to;

        if (r->first > last) {
            break;
        }
        from = (MAX(addr, r->first) >> d->order) - r->base;
        to = (MIN(last, r->last) >> d->order) - r->base;
        bitmap_set(r->map, from, to - from + 1);
    }
}

/* ---- Commands ---------------------------------------------------------- */

static int opi_dirty_compare(const void *a, const void *b)
{
    const OpiDirtyRange *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

/* The ranges, as long as they are all that the interface wants of them. */
static bool opi_dirty_parse(OpiDirty *d, const uint8_t *buf, uint32_t len)
{
    const struct opi_dirty_config *cfg = (const void *)buf;
    const struct opi_dirty_range *in = (const void *)(buf + sizeof(*cfg));
    uint64_t page;
    unsigned i;

    d->order = cfg->page_order;
    d->n = le32_to_cpu(cfg->n_ranges);
    if (d->order < OPI_DIRTY_ORDER_MIN || d->order > OPI_DIRTY_ORDER_MAX ||
        !d->n || d->n > OPI_DIRTY_RANGES_MAX ||
        len < sizeof(*cfg) + d->n * sizeof(*in) ||
        !buffer_is_zero(cfg->rsvd0, sizeof(cfg->rsvd0)) ||
        !buffer_is_zero(cfg->rsvd1, sizeof(cfg->rsvd1))) {
        return false;
    }
    page = 1ULL << d->order;
    for (i = 0; i < d->n; i++) {
        uint64_t iova = le64_to_cpu(in[i].iova), size = le64_to_cpu(in[i].len);

        if ((iova | size) & (page - 1) || !size || iova + (size - 1) < iova) {
            return false;
        }
        d->range[i].first = iova;
        d->range[i].last = iova + (size - 1);
    }
    qsort(d->range, d->n, sizeof(d->range[0]), opi_dirty_compare);
    for (i = 1; i < d->n; i++) {
        if (d->range[i].first <= d->range[i - 1].last) {
            return false;
        }
    }
    return true;
}

/* Pages that large that the log has room for all. */
static void opi_dirty_fit(OpiDirty *d, uint32_t room)
{
    uint64_t bits;
    unsigned i;

    do {
        bits = 0;
        for (i = 0; i < d->n; i++) {
            OpiDirtyRange *r = &d->range[i];

            r->base = r->first >> d->order;
            r->nbits = (r->last >> d->order) - r->base + 1;
            bits += r->nbits;
        }
    } while (bits > room && d->order++ < 63);
}

uint16_t opi_dirty_start(OpiFn *fn, const uint8_t *buf, uint32_t len,
                         uint32_t *order)
{
    g_autofree OpiDirty *d = g_new0(OpiDirty, 1);
    unsigned i;

    if (fn->dirty) {
        return OPI_ST_EEXIST;
    }
    if (!opi_dirty_parse(d, buf, len)) {
        return OPI_ST_EINVAL;
    }
    opi_dirty_fit(d, fn->card->dirty_pages);
    for (i = 0; i < d->n; i++) {
        d->range[i].map = bitmap_new(d->range[i].nbits);
    }
    trace_opi_dirty_start(fn->vf, d->n, d->order);
    *order = d->order;
    fn->dirty = g_steal_pointer(&d);
    return OPI_ST_OK;
}

uint16_t opi_dirty_stop(OpiFn *fn)
{
    if (!fn->dirty) {
        return OPI_ST_ENOENT;
    }
    opi_dirty_free(fn);
    return OPI_ST_OK;
}

/* Something of it is dirty, or not in the log. */
static bool opi_dirty_test(const OpiDirty *d, uint64_t first, uint64_t last)
{
    unsigned i;

    for (i = opi_dirty_find(d, first); i < d->n; i++) {
        const OpiDirtyRange *r = &d->range[i];
        uint64_t from, to;

        if (r->first > first) {
            return true;
        }
        from = (first >> d->order) - r->base;
        to = (MIN(last, r->last) >> d->order) - r->base;
        if (find_next_bit(r->map, to + 1, from) <= to) {
            return true;
        }
        if (last <= r->last) {
            return false;
        }
        first = r->last + 1;
    }
    return true;
}

/* Pages of the log of which nothing else is left to report. */
static void opi_dirty_forget(OpiDirty *d, uint64_t first, uint64_t last)
{
    unsigned i;

    for (i = opi_dirty_find(d, first); i < d->n; i++) {
        OpiDirtyRange *r = &d->range[i];
        uint64_t from, to;

        if (r->first > last) {
            break;
        }
        from = first <= r->first ? 0 : ((first - 1) >> d->order) + 1 - r->base;
        to = last >= r->last ? r->nbits
                             : MAX((last + 1) >> d->order, r->base) - r->base;
        if (from < to) {
            bitmap_clear(r->map, from, to - from);
        }
    }
}

/* Page numbers that can be named, and bits that there is room for. */
static bool opi_dirty_area(const struct opi_cmd *cmd, uint64_t *first,
                           uint64_t *last)
{
    uint64_t pages = le32_to_cpu(cmd->u.dirty.pages);
    unsigned order = cmd->u.dirty.page_order;
    uint64_t iova = le64_to_cpu(cmd->u.dirty.iova), page;

    if (order < OPI_DIRTY_ORDER_MIN || order > OPI_DIRTY_ORDER_MAX) {
        return false;
    }
    page = iova >> order;
    if (iova & ((1ULL << order) - 1) || !pages ||
        pages > 8ULL * le32_to_cpu(cmd->buf_len) ||
        pages > (1ULL << (64 - order)) - page) {
        return false;
    }
    *first = iova;
    *last = iova + ((pages - 1) << order) + ((1ULL << order) - 1);
    return true;
}

uint16_t opi_dirty_report(OpiFn *fn, const struct opi_cmd *cmd, uint8_t *bits)
{
    unsigned order = cmd->u.dirty.page_order;
    uint64_t first, last, i;

    if (!fn->dirty) {
        return OPI_ST_ENOENT;
    }
    if (!opi_dirty_area(cmd, &first, &last)) {
        return OPI_ST_EINVAL;
    }
    for (i = 0; i <= (last - first) >> order; i++) {
        uint64_t page = first + (i << order);

        if (opi_dirty_test(fn->dirty, page, page + ((1ULL << order) - 1))) {
            bits[i / 8] |= 1 << (i % 8);
        }
    }
    return OPI_ST_OK;
}

void opi_dirty_reported(OpiFn *fn, const struct opi_cmd *cmd)
{
    uint64_t first, last;

    if (opi_dirty_area(cmd, &first, &last)) {
        opi_dirty_forget(fn->dirty, first, last);
    }
}
