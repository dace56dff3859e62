/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OPI link: the transport that both ends share: framing, order, descriptors,
 * the bounded output queue, life signs.  What the messages mean is in
 * opi-link-card.c and opi-soc.c.
 *
 * Nothing here waits: a peer that does not read fills its queue and is dropped,
 * one that says nothing is dropped after a while, one that says something wrong
 * at once.  Time is real time: the link lives while a VM is stopped.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/guest-random.h"
#include "qemu/madvise.h"
#include "qemu/main-loop.h"
#include "qemu/sockets.h"
#include "qemu/timer.h"
#include "qemu/units.h"
#include "block/aio.h"
#include "chardev/char-fe.h"
#include <sys/vfs.h>
#include <linux/magic.h>
#include "opi-compat.h"
#include "opi-link.h"
#include "trace.h"

/* What a chardev takes and gives at most. */
#define OPI_CHR_FDS_MAX 16

struct OpiLinkMsg {
    QSIMPLEQ_ENTRY(OpiLinkMsg) entry;
    unsigned nfds;
    int fds[OPI_LINK_FDS_MAX];
    uint32_t len;
    uint32_t sent;
    uint8_t data[];
};

static void opi_close_fds(int *fds, unsigned n)
{
    unsigned i;

    for (i = 0; i < n; i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
            fds[i] = -1;
        }
    }
}

/* ---- Sending ----------------------------------------------------------- */

static void opi_link_free_msg(OpiLinkMsg *m)
{
    opi_close_fds(m->fds, m->nfds);
    g_free(m);
}

static gboolean opi_link_writable(void *do_not_use, GIOCondition cond,
                                  void *opaque);

static void opi_link_flush(OpiLink *l)
{
    OpiLinkMsg *m;

    while (l->open && (m = QSIMPLEQ_FIRST(&l->out))) {
        int ret;

        if (!m->sent && m->nfds &&
            qemu_chr_fe_set_msgfds(l->chr, m->fds, m->nfds) < 0) {
            opi_link_close(l, "cannot pass descriptors");
            return;
        }
        ret = qemu_chr_fe_write(l->chr, m->data + m->sent, m->len - m->sent);
        /* The write may have found the connection closed and told us so. */
        if (!l->open) {
            return;
        }
        if (ret <= 0) {
            if (ret < 0 && errno != EAGAIN) {
                opi_link_close(l, "cannot write");
            } else if (!l->watch) {
                l->watch = qemu_chr_fe_add_watch(l->chr, G_IO_OUT | G_IO_HUP,
                                                 opi_link_writable, l);
                if (!l->watch) {
                    opi_link_close(l, "cannot wait to write");
                }
            }
            return;
        }
        m->sent += ret;
        if (m->sent == m->len) {
            QSIMPLEQ_REMOVE_HEAD(&l->out, entry);
            l->nout--;
            opi_link_free_msg(m);
        }
    }
}

static gboolean opi_link_writable(void *do_not_use, GIOCondition cond,
                                  void *opaque)
{
    OpiLink *l = opaque;

    l->watch = 0;
    opi_link_flush(l);
    return G_SOURCE_REMOVE;
}

void opi_link_send(OpiLink *l, uint16_t type, const void *data, uint32_t len,
                   const int *fds, unsigned nfds)
{
    struct opi_link_hdr hdr = {
        .magic = cpu_to_le32(OPI_LINK_MAGIC),
        .version = cpu_to_le16(OPI_LINK_VERSION),
        .type = cpu_to_le16(type),
        .len = cpu_to_le32(len),
        .seq = cpu_to_le32(l->tx_seq),
    };
    OpiLinkMsg *m;
    unsigned i;

    if (!l->open || l->closing) {
        return;
    }
    if (l->nout >= OPI_LINK_QUEUE_MAX) {
        opi_link_close(l, "the other end does not read");
        return;
    }
    trace_opi_link_tx(l->end, type, len, l->tx_seq, nfds);
    l->tx_seq++;
    m = g_malloc0(sizeof(*m) + sizeof(hdr) + len);
    m->len = sizeof(hdr) + len;
    memcpy(m->data, &hdr, sizeof(hdr));
    if (len) {
        memcpy(m->data + sizeof(hdr), data, len);
    }
    for (i = 0; i < nfds; i++) {
        m->fds[i] = qemu_dup(fds[i]);
        m->nfds++;
        if (m->fds[i] < 0) {
            opi_link_free_msg(m);
            opi_link_close(l, "no descriptors left");
            return;
        }
    }
    QSIMPLEQ_INSERT_TAIL(&l->out, m, entry);
    l->nout++;
    if (!l->watch) {
        opi_link_flush(l);
    }
}

/* ---- Receiving --------------------------------------------------------- */

static const char *opi_link_header(OpiLink *l)
{
    if (le32_to_cpu(l->hdr.magic) != OPI_LINK_MAGIC) {
        return "wrong magic";
    }
    if (le16_to_cpu(l->hdr.version) != OPI_LINK_VERSION) {
        return "wrong version";
    }
    if (le32_to_cpu(l->hdr.len) > OPI_LINK_PAYLOAD_MAX) {
        return "too long";
    }
    if (le32_to_cpu(l->hdr.seq) != l->rx_seq) {
        return "out of order";
    }
    l->rx_seq++;
    return NULL;
}

static const char *opi_link_ping(OpiLink *l, uint16_t type, uint32_t len)
{
    struct opi_link_ping p;

    if (len != sizeof(p) || l->nfds) {
        return "malformed ping";
    }
    memcpy(&p, l->data, sizeof(p));
    if (!p.nonce) {
        return "ping without a number";
    }
    if (type == OPI_LINK_PING) {
        opi_link_send(l, OPI_LINK_PONG, &p, sizeof(p), NULL, 0);
        return NULL;
    }
    if (le64_to_cpu(p.nonce) != l->nonce) {
        return "pong without ping";
    }
    l->nonce = 0;
    return NULL;
}

static const char *opi_link_dispatch(OpiLink *l)
{
    uint16_t type = le16_to_cpu(l->hdr.type);
    uint32_t len = le32_to_cpu(l->hdr.len);

    trace_opi_link_rx(l->end, type, len, le32_to_cpu(l->hdr.seq), l->nfds);
    if (l->hello == (type == OPI_LINK_HELLO)) {
        return l->hello ? "second hello" : "no hello";
    }
    switch (type) {
    case OPI_LINK_PING:
    case OPI_LINK_PONG:
        return opi_link_ping(l, type, len);
    case OPI_LINK_BYE:
        return "bye";
    case OPI_LINK_HELLO:
        l->hello = true;
        /* fall through */
    default:
        return l->ops->message(l->opaque, type, l->data, len, l->fds, l->nfds);
    }
}

static int opi_link_can_read(void *opaque)
{
    OpiLink *l = opaque;

    if (!l->open || l->closing) {
        return 0;
    }
    if (l->have < sizeof(l->hdr)) {
        return sizeof(l->hdr) - l->have;
    }
    return sizeof(l->hdr) + le32_to_cpu(l->hdr.len) - l->have;
}

/* Never more than can_read allowed: the rest of a header or of a payload. */
static void opi_link_read(void *opaque, const uint8_t *buf, int size)
{
    OpiLink *l = opaque;
    int fds[OPI_CHR_FDS_MAX];
    const char *why = NULL;
    int nfds;

    nfds = qemu_chr_fe_get_msgfds(l->chr, fds, OPI_CHR_FDS_MAX);
    if (nfds > 0 && (l->closing || l->have || nfds > OPI_LINK_FDS_MAX)) {
        opi_close_fds(fds, nfds);
        opi_link_close(l, "descriptors where none belong");
        return;
    }
    if (l->closing) {
        return;
    }
    if (nfds > 0) {
        memcpy(l->fds, fds, nfds * sizeof(fds[0]));
        l->nfds = nfds;
    }
    if (l->have < sizeof(l->hdr)) {
        size = MIN(size, sizeof(l->hdr) - l->have);
        memcpy((uint8_t *)&l->hdr + l->have, buf, size);
        l->have += size;
        if (l->have < sizeof(l->hdr)) {
            return;
        }
        why = opi_link_header(l);
    } else {
        uint32_t at = l->have - sizeof(l->hdr);

        size = MIN(size, le32_to_cpu(l->hdr.len) - at);
        memcpy(l->data + at, buf, size);
        l->have += size;
    }
    if (!why && l->have == sizeof(l->hdr) + le32_to_cpu(l->hdr.len)) {
        why = opi_link_dispatch(l);
        opi_close_fds(l->fds, l->nfds);
        l->nfds = 0;
        l->have = 0;
    }
    if (why) {
        opi_link_close(l, why);
    }
}

/* ---- Opening, closing, life signs -------------------------------------- */

static void opi_link_down(OpiLink *l)
{
    OpiLinkMsg *m;

    if (!l->open) {
        return;
    }
    trace_opi_link_closed(l->end, l->closing ? "by us" : "by the other end");
    l->open = false;
    l->closing = false;
    timer_del(l->timer);
    qemu_bh_cancel(l->bh);
    if (l->watch) {
        g_source_remove(l->watch);
        l->watch = 0;
    }
    while ((m = QSIMPLEQ_FIRST(&l->out))) {
        QSIMPLEQ_REMOVE_HEAD(&l->out, entry);
        opi_link_free_msg(m);
    }
    l->nout = 0;
    opi_close_fds(l->fds, l->nfds);
    l->nfds = 0;
    l->ops->closed(l->opaque);
}

static void opi_link_up(OpiLink *l)
{
    trace_opi_link_open(l->end);
    l->open = true;
    l->closing = false;
    l->hello = false;
    l->have = 0;
    l->nfds = 0;
    l->rx_seq = 0;
    l->tx_seq = 0;
    l->nonce = 0;
    l->silence = OPI_LINK_SILENCE * l->time_scale;
    timer_mod(l->timer,
              qemu_clock_get_ms(QEMU_CLOCK_REALTIME) + OPI_LINK_PING_PERIOD);
    l->ops->opened(l->opaque);
}

static void opi_link_event(void *opaque, QEMUChrEvent event)
{
    OpiLink *l = opaque;

    if (event == CHR_EVENT_OPENED) {
        opi_link_down(l);
        opi_link_up(l);
    } else if (event == CHR_EVENT_CLOSED) {
        opi_link_down(l);
    }
}

static void opi_link_close_bh(void *opaque)
{
    OpiLink *l = opaque;

    if (l->open) {
        qemu_chr_fe_disconnect(l->chr);
        /* A chardev that cannot be disconnected is as good as closed. */
        opi_link_down(l);
    }
}

void opi_link_close(OpiLink *l, const char *why)
{
    if (!l->open || l->closing) {
        return;
    }
    trace_opi_link_closed(l->end, why);
    if (QSIMPLEQ_EMPTY(&l->out)) {
        opi_link_send(l, OPI_LINK_BYE, NULL, 0, NULL, 0);
    }
    l->closing = true;
    /* Not from inside the chardev's own callbacks. */
    qemu_bh_schedule(l->bh);
}

static void opi_link_tick(void *opaque)
{
    OpiLink *l = opaque;
    int64_t now = qemu_clock_get_ms(QEMU_CLOCK_REALTIME);

    if (l->nonce) {
        if (now - l->ping_time > l->silence) {
            opi_link_close(l, "silent");
            return;
        }
    } else {
        struct opi_link_ping p;

        do {
            qemu_guest_getrandom_nofail(&l->nonce, sizeof(l->nonce));
        } while (!l->nonce);
        p.nonce = cpu_to_le64(l->nonce);
        l->ping_time = now;
        opi_link_send(l, OPI_LINK_PING, &p, sizeof(p), NULL, 0);
    }
    timer_mod(l->timer, now + OPI_LINK_PING_PERIOD);
}

bool opi_link_set_scale(OpiLink *l, uint32_t time_scale)
{
    if (time_scale > OPI_LINK_SCALE_MAX) {
        return false;
    }
    l->silence = OPI_LINK_SILENCE * MAX(time_scale, l->time_scale);
    return true;
}

void opi_link_init(OpiLink *l, int end, OpiChr *chr, const OpiLinkOps *ops,
                   void *opaque, uint32_t time_scale, DeviceState *dev)
{
    l->end = end;
    l->chr = chr;
    l->ops = ops;
    l->opaque = opaque;
    l->time_scale = time_scale;
    QSIMPLEQ_INIT(&l->out);
    l->timer = timer_new_ms(QEMU_CLOCK_REALTIME, opi_link_tick, l);
    l->bh = qemu_bh_new_guarded(opi_link_close_bh, l,
                                &dev->mem_reentrancy_guard);
    qemu_chr_fe_set_handlers(chr, opi_link_can_read, opi_link_read,
                             opi_link_event, NULL, l, NULL, true);
}

void opi_link_finalize(OpiLink *l)
{
    if (!l->chr) {
        return;
    }
    if (l->open && QSIMPLEQ_EMPTY(&l->out)) {
        opi_link_send(l, OPI_LINK_BYE, NULL, 0, NULL, 0);
    }
    opi_link_down(l);
    qemu_chr_fe_set_handlers(l->chr, NULL, NULL, NULL, NULL, NULL, NULL, false);
    timer_free(l->timer);
    qemu_bh_delete(l->bh);
    l->chr = NULL;
}

/* ---- Descriptors of the other end -------------------------------------- */

void *opi_link_map(int fd, uint64_t offset, uint64_t size)
{
    int seals = fcntl(fd, F_GET_SEALS);
    struct statfs fs;
    struct stat st;
    void *p;

    /*
     * Who could make the file smaller could kill us with a SIGBUS; so could
     * one who gives us huge pages that are not there.
     */
    if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) ||
        !S_ISREG(st.st_mode) || fstatfs(fd, &fs) || fs.f_type != TMPFS_MAGIC ||
        !size || offset > (uint64_t)st.st_size ||
        size > (uint64_t)st.st_size - offset ||
        !QEMU_IS_ALIGNED(offset | size, qemu_real_host_page_size())) {
        return NULL;
    }
    p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
    if (p == MAP_FAILED) {
        return NULL;
    }
    qemu_madvise(p, size, QEMU_MADV_DONTFORK);
    qemu_madvise(p, size, QEMU_MADV_DONTDUMP);
    return p;
}

/* Of an anonymous inode, as eventfds are and no file or device is. */
bool opi_link_is_eventfd(int fd)
{
    struct stat st;

    return !fstat(fd, &st) && !(st.st_mode & S_IFMT) &&
           g_unix_set_fd_nonblocking(fd, true, NULL);
}
