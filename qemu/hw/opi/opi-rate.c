/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OPI card: whose queue pairs are served next, and how fast: turns among the
 * functions, rates of leaves and nodes; limits of what goes to the DPU.  What a
 * frame may be and where it goes is in opi-eswitch.c, the rings in opi-qp.c.
 *
 * Everything that sends is a leaf of a tree: each port of a host function, and
 * the DPU's function.  A leaf or node is listed by what it is below while it
 * has something to send; one that has used up its tx_max is parked until a
 * timer lists it again, so nothing is looked at that cannot be sent.
 *
 * Leaves and nodes below the root take turns.  The children of a node compete:
 * each has a time of its own, which goes on by the bytes that it sends divided
 * by its weight, and the one whose time is least sends next.  So a frame of
 * 64 KB is paid for by the frames that are not sent after it, and ratios hold
 * whatever the sizes are.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/main-loop.h"
#include "system/qtest.h"
#include "opi-card.h"
#include "trace.h"

/* Time's worth of a rate that may be saved up, as the interface has it. */
#define OPI_RATE_BURST_MS       50
/* A bucket that was empty gets this much at least, or timers would be many. */
#define OPI_RATE_PARK_NS        (1 * SCALE_MS)
/* Longer waits look again in between. */
#define OPI_RATE_PARK_MAX_NS    (3600LL * NANOSECONDS_PER_SECOND)
/* A turn, if there are others who wait. */
#define OPI_TURN_DESCS          (OPI_BUDGET_DESCS / 4)
#define OPI_TURN_BYTES          (OPI_BUDGET_BYTES / 8)
/* What one of several sends at a time: one frame at least. */
#define OPI_RATE_RUN_BYTES      (32 * KiB)

/* Place of the shares' time in OpiRate.now. */
#define OPI_RATE_SHARES         (OPI_RATE_PRIORITY_MAX + 1)

/*
 * The card's time: it goes on while the host's VM is stopped, as the DPU and
 * the wire do.  Tests set it by hand.
 */
static QEMUClockType opi_rate_clock(void)
{
    return qtest_enabled() ? QEMU_CLOCK_VIRTUAL : QEMU_CLOCK_REALTIME;
}

static int64_t opi_rate_now(void)
{
    return qemu_clock_get_ns(opi_rate_clock());
}

/* ---- Buckets ----------------------------------------------------------- */

static void opi_bucket_set(OpiBucket *b, uint64_t rate, double depth)
{
    *b = (OpiBucket) {
        .rate = rate,
        .depth = depth,
        .level = depth,
        .at = opi_rate_now(),
    };
}

static double opi_bucket_level(OpiBucket *b, int64_t now)
{
    if (now > b->at) {
        b->level += (double)b->rate * (now - b->at) / NANOSECONDS_PER_SECOND;
        b->level = MIN(b->level, b->depth);
        b->at = now;
    }
    return b->level;
}

/*
 * What is not empty lets a frame pass, whatever its size, and may owe for it:
 * no frame has to wait for others to leave enough for all of it.
 */
static bool opi_bucket_open(OpiBucket *b, int64_t now)
{
    return !b->rate || opi_bucket_level(b, now) > 0;
}

/* ns until a bucket that is empty is worth looking at. */
static int64_t opi_bucket_wait(const OpiBucket *b)
{
    double owed = -b->level / b->rate * NANOSECONDS_PER_SECOND;

    return owed >= OPI_RATE_PARK_MAX_NS ? OPI_RATE_PARK_MAX_NS
                                        : MAX((int64_t)owed, OPI_RATE_PARK_NS);
}

static double opi_rate_depth(uint64_t rate)
{
    return (double)rate * OPI_RATE_BURST_MS / 1000;
}

/* ---- The tree ---------------------------------------------------------- */

static bool opi_rate_has_work(const OpiRate *e)
{
    return e->node ? !QTAILQ_EMPTY(&e->ready) : !QTAILQ_EMPTY(&e->qps);
}

/* List it if it can send now, and all above that can because of it. */
static void opi_rate_list(OpiRate *e)
{
    while (e->above && !e->listed && !e->parked && opi_rate_has_work(e)) {
        OpiRate *up = e->above;

        /* Time that it was away does not count. */
        e->time = MAX(e->time, up->now[e->priority]);
        e->share_time = MAX(e->share_time, up->now[OPI_RATE_SHARES]);
        e->listed = true;
        QTAILQ_INSERT_TAIL(&up->ready, e, entry);
        e = up;
    }
}

static void opi_rate_unlist(OpiRate *e)
{
    while (e->listed) {
        OpiRate *up = e->above;

        e->listed = false;
        QTAILQ_REMOVE(&up->ready, e, entry);
        e = up;
        if (opi_rate_has_work(e)) {
            break;
        }
    }
}

static void opi_rate_arm(OpiCard *c)
{
    int64_t until = INT64_MAX;
    OpiRate *e;

    QTAILQ_FOREACH(e, &c->parked, parked_entry) {
        until = MIN(until, e->until);
    }
    if (until == INT64_MAX) {
        timer_del(c->unpark);
    } else {
        timer_mod(c->unpark, until);
    }
}

static void opi_rate_park(OpiCard *c, OpiRate *e, int64_t until)
{
    trace_opi_rate_park(e->node, e->id, until);
    opi_rate_unlist(e);
    e->parked = true;
    e->until = until;
    QTAILQ_INSERT_TAIL(&c->parked, e, parked_entry);
    if (!timer_pending(c->unpark) || until < timer_expire_time_ns(c->unpark)) {
        timer_mod(c->unpark, until);
    }
}

static void opi_rate_unpark(OpiCard *c, OpiRate *e)
{
    if (e->parked) {
        e->parked = false;
        QTAILQ_REMOVE(&c->parked, e, parked_entry);
        opi_rate_list(e);
    }
}

static void opi_rate_timer(void *opaque)
{
    OpiCard *c = opaque;
    int64_t now = opi_rate_now();
    OpiRate *e, *next;

    QTAILQ_FOREACH_SAFE(e, &c->parked, parked_entry, next) {
        if (e->until <= now) {
            opi_rate_unpark(c, e);
        }
    }
    opi_rate_arm(c);
    opi_card_enter(c);
    opi_card_run(c);
    opi_card_leave(c);
}

/* As the interface has it for what nothing was said of. */
static void opi_rate_clear(OpiCard *c, OpiRate *e)
{
    opi_rate_unlist(e);
    if (e->above != &c->rates) {
        e->above->children--;
        e->above->nodes -= e->node;
    }
    e->above = &c->rates;
    e->priority = 0;
    e->weight = 1;
    e->in_share = false;
    e->time = 0;
    e->share_time = 0;
    opi_bucket_set(&e->max, 0, 0);
    opi_bucket_set(&e->share, 0, 0);
    opi_rate_unpark(c, e);
    opi_rate_list(e);
}

static void opi_rate_init_one(OpiCard *c, OpiRate *e, bool node, uint32_t id)
{
    e->node = node;
    e->id = id;
    e->above = &c->rates;
    QTAILQ_INIT(&e->qps);
    QTAILQ_INIT(&e->ready);
    opi_rate_clear(c, e);
}

void opi_rate_init_leaf(OpiCard *c, OpiRate *leaf, uint32_t port)
{
    opi_rate_init_one(c, leaf, false, port);
}

void opi_rate_finish_leaf(OpiCard *c, OpiRate *leaf)
{
    assert(QTAILQ_EMPTY(&leaf->qps));
    opi_rate_clear(c, leaf);
}

/* ---- Commands ---------------------------------------------------------- */

/* A node by id, which is there. */
static uint16_t opi_rate_node(OpiCard *c, uint32_t id, OpiRate **node)
{
    if (!id || id > OPI_RATE_NODES) {
        return OPI_ST_ERANGE;
    }
    *node = c->rate_node[id - 1];
    return *node ? OPI_ST_OK : OPI_ST_ENOENT;
}

uint16_t opi_rate_create(OpiCard *c, uint32_t id)
{
    OpiRate *e;
    uint16_t st = opi_rate_node(c, id, &e);

    if (st != OPI_ST_ENOENT) {
        return st == OPI_ST_OK ? OPI_ST_EEXIST : st;
    }
    e = g_new0(OpiRate, 1);
    opi_rate_init_one(c, e, true, id);
    c->rate_node[id - 1] = e;
    return OPI_ST_OK;
}

uint16_t opi_rate_destroy(OpiCard *c, uint32_t id)
{
    OpiRate *e;
    uint16_t st = opi_rate_node(c, id, &e);

    if (st != OPI_ST_OK) {
        return st;
    }
    if (e->children) {
        return OPI_ST_EBUSY;
    }
    opi_rate_clear(c, e);
    c->rate_node[id - 1] = NULL;
    g_free(e);
    return OPI_ST_OK;
}

static uint16_t opi_rate_target(OpiCard *c, uint8_t kind, uint32_t id,
                                OpiRate **e)
{
    OpiPort *p;

    switch (kind) {
    case OPI_RATE_LEAF:
        p = opi_eswitch_port(c, id);
        if (!p) {
            return OPI_ST_ENOENT;
        }
        *e = &p->rate;
        return p->type == OPI_PORT_UPLINK ? OPI_ST_EINVAL : OPI_ST_OK;
    case OPI_RATE_NODE:
        return opi_rate_node(c, id, e);
    default:
        return OPI_ST_EINVAL;
    }
}

static uint16_t opi_rate_check_parent(OpiCard *c, const OpiRate *e, uint32_t id,
                                      OpiRate **parent)
{
    uint16_t st;

    *parent = &c->rates;
    if (!id) {
        return OPI_ST_OK;
    }
    st = opi_rate_node(c, id, parent);
    if (st != OPI_ST_OK) {
        return st;
    }
    /* At most two above a leaf: a loop would be longer. */
    return *parent == e || e->nodes ||
           (e->node && (*parent)->above != &c->rates) ? OPI_ST_EINVAL
                                                      : OPI_ST_OK;
}

uint16_t opi_rate_set(OpiCard *c, uint32_t target, const struct opi_cmd *cmd)
{
    uint64_t max = le64_to_cpu(cmd->u.rate.tx_max);
    uint64_t share = le64_to_cpu(cmd->u.rate.tx_share);
    uint32_t parent = le32_to_cpu(cmd->u.rate.parent);
    OpiRate *e, *above;
    uint16_t st;

    st = opi_rate_target(c, cmd->u.rate.kind, target, &e);
    if (st != OPI_ST_OK) {
        return st;
    }
    if (cmd->u.rate.tx_priority > OPI_RATE_PRIORITY_MAX ||
        !cmd->u.rate.tx_weight || cmd->u.rate.tx_weight > OPI_RATE_WEIGHT_MAX) {
        return OPI_ST_ERANGE;
    }
    if (max && share > max) {
        return OPI_ST_EINVAL;
    }
    st = opi_rate_check_parent(c, e, parent, &above);
    if (st != OPI_ST_OK) {
        return st;
    }
    trace_opi_rate_set(e->node, target, max, share, cmd->u.rate.tx_priority,
                       cmd->u.rate.tx_weight, parent);
    opi_rate_unlist(e);
    e->in_share = false;
    if (e->above != above || e->priority != cmd->u.rate.tx_priority) {
        /* Others' times there say nothing about its own. */
        e->time = 0;
        e->share_time = 0;
    }
    if (e->above != &c->rates) {
        e->above->children--;
        e->above->nodes -= e->node;
    }
    if (above != &c->rates) {
        above->children++;
        above->nodes += e->node;
    }
    e->above = above;
    e->priority = cmd->u.rate.tx_priority;
    e->weight = cmd->u.rate.tx_weight;
    /* What was saved up or is owed stays where the limit does. */
    if (e->max.rate != max) {
        opi_bucket_set(&e->max, max, opi_rate_depth(max));
    }
    if (e->share.rate != share) {
        opi_bucket_set(&e->share, share, opi_rate_depth(share));
        e->share_time = 0;
    }
    opi_rate_unpark(c, e);
    opi_rate_list(e);
    return OPI_ST_OK;
}

void opi_rate_restore(OpiCard *c, OpiRate *leaf, const struct opi_mig_func *m)
{
    bool free = leaf->above == &c->rates;
    struct opi_cmd cmd = {
        .u.rate = {
            .kind = OPI_RATE_LEAF,
            .tx_priority = m->tx_priority,
            .tx_weight = m->tx_weight,
            .parent = cpu_to_le32(free ? 0 : leaf->above->id),
            .tx_max = m->tx_max,
            .tx_share = m->tx_share,
        },
    };

    opi_rate_set(c, leaf->id, &cmd);
    /* What it had saved up it may have used where it was. */
    leaf->max.level = MIN(leaf->max.level, 0);
    leaf->share.level = MIN(leaf->share.level, 0);
}

/* ---- Turns ------------------------------------------------------------- */

void opi_rate_kick(OpiQp *qp)
{
    OpiRate *leaf = opi_qp_rate(qp);

    if (!qp->pending) {
        qp->pending = true;
        QTAILQ_INSERT_TAIL(&leaf->qps, qp, pending_entry);
        opi_rate_list(leaf);
    }
}

void opi_rate_unkick(OpiQp *qp)
{
    OpiRate *leaf = opi_qp_rate(qp);

    if (qp->pending) {
        qp->pending = false;
        QTAILQ_REMOVE(&leaf->qps, qp, pending_entry);
        if (QTAILQ_EMPTY(&leaf->qps)) {
            opi_rate_unlist(leaf);
        }
    }
}

bool opi_rate_admit(OpiQp *qp, const OpiFrame *f)
{
    OpiRate *leaf = opi_qp_rate(qp), *e;
    OpiCard *c = qp->fn->card;
    uint32_t segments;
    uint64_t bytes;
    int64_t now;

    if (leaf->above == &c->rates && !leaf->max.rate) {
        return true;
    }
    now = opi_rate_now();
    for (e = leaf; e->above; e = e->above) {
        if (!opi_bucket_open(&e->max, now)) {
            opi_rate_park(c, e, now + opi_bucket_wait(&e->max));
            return false;
        }
    }
    /* What is refused later is not charged for segments that it only names. */
    if (f->len <= OPI_FRAME_MAX && opi_offload_fits(f)) {
        bytes = opi_frame_on_wire(f, &segments);
        /* The port VLAN's tag is still to come. */
        if (qp->port && qp->port->owner->vlan &&
            !(f->meta.flags & OPI_TXD_F_VLAN)) {
            bytes += (uint64_t)segments * OPI_TAG_LEN;
        }
    } else {
        bytes = MIN(f->len, OPI_FRAME_MAX);
    }
    for (e = leaf; e->above; e = e->above) {
        if (e->max.rate) {
            e->max.level -= bytes;
        }
        if (e->in_share) {
            e->share.level -= bytes;
            e->share_time += (double)bytes / e->share.rate;
        } else {
            e->time += (double)bytes / e->weight;
        }
    }
    return true;
}

/* Shares first, then by priority; among equals whose time is least. */
static bool opi_rate_before(const OpiRate *a, const OpiRate *b)
{
    if (a->in_share != b->in_share) {
        return a->in_share;
    }
    if (a->in_share) {
        return a->share_time < b->share_time;
    }
    if (a->priority != b->priority) {
        return a->priority > b->priority;
    }
    return a->time < b->time;
}

/* The leaf below @e that sends next; @e is listed. */
static OpiRate *opi_rate_pick(OpiRate *e)
{
    int64_t now = e->node ? opi_rate_now() : 0;

    while (e->node) {
        OpiRate *best = NULL, *i;

        QTAILQ_FOREACH(i, &e->ready, entry) {
            i->in_share = i->share.rate && opi_bucket_level(&i->share, now) > 0;
            if (!best || opi_rate_before(i, best)) {
                best = i;
            }
        }
        if (best->in_share) {
            e->now[OPI_RATE_SHARES] = best->share_time;
        } else {
            e->now[best->priority] = best->time;
        }
        e = best;
    }
    return e;
}

/*
 * Let the queue pair in front send.  Its turn is as long whether or not the
 * leaf has to wait in the middle of it.
 */
static void opi_rate_run(OpiRate *leaf, int64_t *descs, int64_t *bytes)
{
    OpiQp *qp = QTAILQ_FIRST(&leaf->qps);
    bool alone = !leaf->above->above && !QTAILQ_NEXT(qp, pending_entry);
    int64_t most, left;

    if (alone) {
        leaf->run = *bytes;
    } else if (leaf->run <= 0 || leaf->run > OPI_RATE_RUN_BYTES) {
        leaf->run = OPI_RATE_RUN_BYTES;
    }
    left = most = MIN(*bytes, leaf->run);
    qp->pending = false;
    QTAILQ_REMOVE(&leaf->qps, qp, pending_entry);
    if (opi_qp_send(qp, descs, &left) && !qp->pending) {
        qp->pending = true;
        leaf->run -= most - left;
        if (leaf->run > 0) {
            QTAILQ_INSERT_HEAD(&leaf->qps, qp, pending_entry);
        } else {
            QTAILQ_INSERT_TAIL(&leaf->qps, qp, pending_entry);
        }
    } else {
        leaf->run = 0;
    }
    *bytes -= most - left;
    if (QTAILQ_EMPTY(&leaf->qps)) {
        opi_rate_unlist(leaf);
    }
}

bool opi_rate_ready(const OpiCard *c)
{
    return !QTAILQ_EMPTY(&c->rates.ready);
}

/* To the back, or to the front, of those who take turns. */
static void opi_rate_requeue(OpiCard *c, OpiRate *e, bool front)
{
    QTAILQ_REMOVE(&c->rates.ready, e, entry);
    if (front) {
        QTAILQ_INSERT_HEAD(&c->rates.ready, e, entry);
    } else {
        QTAILQ_INSERT_TAIL(&c->rates.ready, e, entry);
    }
}

void opi_rate_serve(OpiCard *c, int64_t *descs, int64_t *bytes)
{
    OpiRate *e = QTAILQ_FIRST(&c->rates.ready);
    bool alone = !QTAILQ_NEXT(e, entry);
    int64_t max_descs = alone ? *descs : MIN(*descs, OPI_TURN_DESCS);
    int64_t max_bytes = alone ? *bytes : MIN(*bytes, OPI_TURN_BYTES);
    int64_t d = max_descs, b = max_bytes;

    while (e->listed && d > 0 && b > 0) {
        opi_rate_run(opi_rate_pick(e), &d, &b);
    }
    *descs -= max_descs - d;
    *bytes -= max_bytes - b;
    if (e->listed) {
        opi_rate_requeue(c, e, false);
    }
    /* However many functions there are: the DPU has every other turn. */
    if (e != &c->rate_dpu && c->rate_dpu.listed) {
        opi_rate_requeue(c, &c->rate_dpu, true);
    }
}

/* ---- Policing ---------------------------------------------------------- */

static OpiPolice *opi_police(OpiPort *p, uint8_t kind)
{
    return &p->police[kind - OPI_POLICE_PORT];
}

static void opi_police_limit(OpiPort *p, uint8_t kind, uint8_t unit,
                             uint64_t rate, uint32_t burst)
{
    OpiPolice *police = opi_police(p, kind);

    trace_opi_police_set(p->id, kind, unit, rate, burst);
    police->unit = unit;
    opi_bucket_set(&police->bucket, rate, burst);
}

void opi_police_reset(OpiCard *c, OpiPort *p)
{
    uint32_t slow = p->type == OPI_PORT_UPLINK ? 0 : c->slow_police;

    opi_police_limit(p, OPI_POLICE_PORT, OPI_POLICE_FRAMES, 0, 0);
    opi_police_limit(p, OPI_POLICE_SLOW, OPI_POLICE_FRAMES, slow,
                     DIV_ROUND_UP(slow, 10));
}

uint16_t opi_police_set(OpiPort *p, const struct opi_cmd *cmd)
{
    uint64_t rate = le64_to_cpu(cmd->u.police.rate);
    uint32_t burst = le32_to_cpu(cmd->u.police.burst);
    uint8_t kind = cmd->u.police.kind, unit = cmd->u.police.unit;

    if ((kind != OPI_POLICE_PORT && kind != OPI_POLICE_SLOW) ||
        (unit != OPI_POLICE_BYTES && unit != OPI_POLICE_FRAMES) ||
        !rate != !burst) {
        return OPI_ST_EINVAL;
    }
    opi_police_limit(p, kind, unit, rate, burst);
    return OPI_ST_OK;
}

bool opi_police_passes(OpiPort *p, const OpiFrame *f)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(p->police); i++) {
        OpiPolice *police = &p->police[i];
        uint32_t segments;
        uint64_t bytes;

        if (!police->bucket.rate) {
            continue;
        }
        if (opi_bucket_level(&police->bucket, opi_rate_now()) <= 0) {
            trace_opi_policed(p->id, f->len);
            return false;
        }
        bytes = opi_frame_on_wire(f, &segments);
        police->bucket.level -= police->unit == OPI_POLICE_BYTES ? bytes
                                                                 : segments;
    }
    return true;
}

/* ---- The card ---------------------------------------------------------- */

void opi_rate_init(OpiCard *c)
{
    c->rates.node = true;
    QTAILQ_INIT(&c->rates.ready);
    QTAILQ_INIT(&c->parked);
    c->unpark = timer_new_ns(opi_rate_clock(), opi_rate_timer, c);
    opi_rate_init_leaf(c, &c->rate_dpu, OPI_ID_NONE);
}

void opi_rate_reset(OpiCard *c)
{
    unsigned i;

    for (i = 0; i < OPI_PORTS; i++) {
        OpiPort *p = opi_eswitch_port(c, i);

        if (p) {
            opi_rate_clear(c, &p->rate);
            opi_police_reset(c, p);
        }
    }
    /* No leaves are below them now; nodes may be. */
    for (i = 0; i < OPI_RATE_NODES; i++) {
        if (c->rate_node[i]) {
            opi_rate_clear(c, c->rate_node[i]);
        }
    }
    for (i = 0; i < OPI_RATE_NODES; i++) {
        g_free(c->rate_node[i]);
        c->rate_node[i] = NULL;
    }
    opi_rate_arm(c);
    if (opi_rate_ready(c)) {
        /* What waited need not any more. */
        qemu_bh_schedule(c->bh);
    }
}

void opi_rate_finalize(OpiCard *c)
{
    unsigned i;

    for (i = 0; i < OPI_RATE_NODES; i++) {
        g_free(c->rate_node[i]);
        c->rate_node[i] = NULL;
    }
    timer_free(c->unpark);
}
