/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OPI card: the admin queue: fetching commands, deciding who may do what,
 * executing and completing them.  What a command does to queues is in opi-eq.c
 * and opi-qp.c; reset and registers are in opi-fn.c.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "net/eth.h"
#include "opi-card.h"
#include "trace.h"

/* What a command's completion and buffer carry. */
typedef struct OpiReply {
    uint32_t result;
    uint32_t len;                       /* of buf that is meant */
    bool delivered;                     /* it has been written already */
    union {
        struct opi_identify identify;
        struct opi_port_info port;
        struct opi_port_stats stats;
        struct opi_func_info func;
        struct opi_qp_info qp;
        struct opi_mig_info mig;
        uint32_t ids[OPI_CMD_BUF_MAX / sizeof(uint32_t)];
        uint8_t raw[OPI_CMD_BUF_MAX];
    } buf;
} OpiReply;

void opi_admin_enable(OpiFn *fn, unsigned order)
{
    if (fn->aq_status || order < OPI_AQ_ORDER_MIN || order > OPI_AQ_ORDER_MAX ||
        (fn->aq_sq_reg | fn->aq_cq_reg) & 63) {
        fn->aq_status = OPI_AQ_STATUS_ERROR;
        return;
    }
    fn->aq_sq = fn->aq_sq_reg;
    fn->aq_cq = fn->aq_cq_reg;
    fn->aq_order = order;
    fn->aq_status = OPI_AQ_STATUS_ENABLED;
}

/* The role x mode table, from the interface's header. */
static bool opi_admin_known(uint16_t opcode, uint8_t role, uint8_t mode,
                            bool *allowed)
{
    static const struct {
        uint16_t opcode;
        uint8_t modes[OPI_ROLE_DPU + 1];
    } table[] = {
#define OPI_X(name, code, pf, vf, dpu)                                  \
        { code, { [OPI_ROLE_HOST_PF] = pf, [OPI_ROLE_HOST_VF] = vf,     \
                  [OPI_ROLE_DPU] = dpu } },
        OPI_COMMAND_TABLE(OPI_X)
#undef OPI_X
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(table); i++) {
        if (table[i].opcode == opcode) {
            *allowed = table[i].modes[role] & (1 << mode);
            return true;
        }
    }
    return false;
}

/* Which fields each command uses; all others must be zero. */
enum {
    USES_TARGET = 1,
    USES_BUF = 2,                       /* filled or taken */
};

static unsigned opi_admin_uses(uint16_t opcode)
{
    switch (opcode) {
    case OPI_CMD_IDENTIFY:
    case OPI_CMD_RSS_SET:
    case OPI_CMD_PORT_LIST:
    case OPI_CMD_FUNC_LIST:
    case OPI_CMD_MIG_SET_KEY:
        return USES_BUF;
    case OPI_CMD_QP_QUERY:
    case OPI_CMD_PORT_GET:
    case OPI_CMD_PORT_STATS:
    case OPI_CMD_PORT_SET_RX:
    case OPI_CMD_FUNC_GET:
    case OPI_CMD_MIG_GET:
    case OPI_CMD_MIG_SAVE:
    case OPI_CMD_MIG_LOAD:
    case OPI_CMD_DIRTY_START:
    case OPI_CMD_DIRTY_REPORT:
        return USES_BUF | USES_TARGET;
    case OPI_CMD_EQ_CREATE:
    case OPI_CMD_EQ_DESTROY:
    case OPI_CMD_QP_CREATE:
    case OPI_CMD_QP_DESTROY:
    case OPI_CMD_PORT_SET_STATE:
    case OPI_CMD_PORT_SET_MTU:
    case OPI_CMD_PORT_SET_MAC:
    case OPI_CMD_PORT_SET_POLICE:
    case OPI_CMD_FUNC_DESTROY:
    case OPI_CMD_FUNC_SET:
    case OPI_CMD_FUNC_EXPOSE:
    case OPI_CMD_FUNC_WITHDRAW:
    case OPI_CMD_FUNC_ATTACH:
    case OPI_CMD_RATE_CREATE:
    case OPI_CMD_RATE_DESTROY:
    case OPI_CMD_RATE_SET:
    case OPI_CMD_MIG_SET:
    case OPI_CMD_DIRTY_STOP:
        return USES_TARGET;
    default:
        return 0;
    }
}

/* What a command's buffer has to hold at least. */
static uint32_t opi_admin_buf_min(uint16_t opcode)
{
    switch (opcode) {
    case OPI_CMD_RSS_SET:
        return sizeof(struct opi_rss_config);
    case OPI_CMD_PORT_SET_RX:
        return sizeof(struct opi_rx_config);
    case OPI_CMD_MIG_SET_KEY:
        return sizeof(struct opi_mig_key);
    case OPI_CMD_DIRTY_START:
        return sizeof(struct opi_dirty_config);
    default:
        return 1;
    }
}

/* The capability without which a command does not exist. */
static uint64_t opi_admin_cap(uint16_t opcode)
{
    switch (opcode) {
    case OPI_CMD_RSS_SET:
        return OPI_CAP_RSS;
    case OPI_CMD_PORT_SET_RX:
        return OPI_CAP_RX_FILTER;
    case OPI_CMD_FUNC_CREATE:
    case OPI_CMD_FUNC_ATTACH:
        return OPI_CAP_SF;
    case OPI_CMD_PORT_SET_POLICE:
        return OPI_CAP_POLICE;
    case OPI_CMD_RATE_CREATE:
    case OPI_CMD_RATE_DESTROY:
    case OPI_CMD_RATE_SET:
        return OPI_CAP_RATE;
    case OPI_CMD_MIG_GET:
    case OPI_CMD_MIG_SET:
    case OPI_CMD_MIG_SAVE:
    case OPI_CMD_MIG_LOAD:
    case OPI_CMD_MIG_SET_KEY:
        return OPI_CAP_MIG;
    case OPI_CMD_DIRTY_START:
    case OPI_CMD_DIRTY_STOP:
    case OPI_CMD_DIRTY_REPORT:
        return OPI_CAP_DIRTY;
    default:
        return 0;
    }
}

/* The parameters with all that the command defines blanked out. */
static void opi_admin_blank(struct opi_cmd *cmd, uint16_t opcode)
{
    switch (opcode) {
    case OPI_CMD_EQ_CREATE:
        cmd->u.eq.ring = 0;
        cmd->u.eq.shadow = 0;
        cmd->u.eq.order = 0;
        cmd->u.eq.vector = 0;
        break;
    case OPI_CMD_QP_CREATE:
        cmd->u.qp.sq = 0;
        cmd->u.qp.rq = 0;
        cmd->u.qp.cq = 0;
        cmd->u.qp.shadow = 0;
        cmd->u.qp.sq_order = 0;
        cmd->u.qp.rq_order = 0;
        cmd->u.qp.cq_order = 0;
        cmd->u.qp.eq = 0;
        cmd->u.qp.port = 0;
        break;
    case OPI_CMD_PORT_LIST:
    case OPI_CMD_FUNC_LIST:
        cmd->u.list.start = 0;
        break;
    case OPI_CMD_PORT_SET_STATE:
    case OPI_CMD_FUNC_ATTACH:
        cmd->u.state.up = 0;
        break;
    case OPI_CMD_PORT_SET_MTU:
        cmd->u.mtu.mtu = 0;
        break;
    case OPI_CMD_PORT_SET_MAC:
        memset(cmd->u.mac.mac, 0, sizeof(cmd->u.mac.mac));
        break;
    case OPI_CMD_BOOT_SET:
        cmd->u.boot.os_status = 0;
        cmd->u.boot.max_boot_time = 0;
        break;
    case OPI_CMD_MODE_SET:
        cmd->u.mode.mode = 0;
        break;
    case OPI_CMD_FUNC_CREATE:
        cmd->u.create.type = 0;
        cmd->u.create.fclass = 0;
        cmd->u.create.controller = 0;
        cmd->u.create.pf = 0;
        cmd->u.create.sf = 0;
        break;
    case OPI_CMD_FUNC_SET:
        cmd->u.func.mask = 0;
        cmd->u.func.flags = 0;
        memset(cmd->u.func.mac, 0, sizeof(cmd->u.func.mac));
        cmd->u.func.vlan = 0;
        cmd->u.func.max_qps = 0;
        cmd->u.func.max_eqs = 0;
        cmd->u.func.max_vfs = 0;
        break;
    case OPI_CMD_PORT_SET_POLICE:
        cmd->u.police.kind = 0;
        cmd->u.police.unit = 0;
        cmd->u.police.burst = 0;
        cmd->u.police.rate = 0;
        break;
    case OPI_CMD_RATE_SET:
        cmd->u.rate.kind = 0;
        cmd->u.rate.tx_priority = 0;
        cmd->u.rate.tx_weight = 0;
        cmd->u.rate.parent = 0;
        cmd->u.rate.tx_max = 0;
        cmd->u.rate.tx_share = 0;
        break;
    case OPI_CMD_MIG_SET:
        cmd->u.mig.state = 0;
        break;
    case OPI_CMD_MIG_SAVE:
    case OPI_CMD_MIG_LOAD:
        cmd->u.mig.offset = 0;
        break;
    case OPI_CMD_DIRTY_REPORT:
        cmd->u.dirty.iova = 0;
        cmd->u.dirty.pages = 0;
        cmd->u.dirty.page_order = 0;
        break;
    default:
        break;
    }
}

static bool opi_admin_reserved_ok(const struct opi_cmd *cmd, uint16_t opcode)
{
    unsigned uses = opi_admin_uses(opcode);
    struct opi_cmd rest = *cmd;

    opi_admin_blank(&rest, opcode);
    return !cmd->flags && buffer_is_zero(rest.u.raw, sizeof(rest.u.raw)) &&
           ((uses & USES_TARGET) || !cmd->target) &&
           ((uses & USES_BUF) || (!cmd->buf && !cmd->buf_len));
}

static bool opi_fn_is_dpu(const OpiFn *fn)
{
    return fn->role == OPI_ROLE_DPU;
}

/* Whether @fn may name something of @f, which is NULL for an uplink. */
static uint16_t opi_admin_owner(OpiFn *fn, const OpiFunc *f)
{
    if (opi_fn_is_dpu(fn)) {
        return OPI_ST_OK;
    }
    if (f && !opi_func_known_to(f, fn)) {
        return OPI_ST_ENOENT;
    }
    return f && opi_func_owned_by(f, fn) ? OPI_ST_OK : OPI_ST_EPERM;
}

/* A port by id; a host function may name none but its own. */
static uint16_t opi_admin_port(OpiFn *fn, uint32_t id, OpiPort **port)
{
    *port = opi_eswitch_port(fn->card, id);
    return *port ? opi_admin_owner(fn, (*port)->owner) : OPI_ST_ENOENT;
}

static uint16_t opi_admin_func(OpiFn *fn, uint32_t id, OpiFunc **func)
{
    *func = opi_func_find(fn->card, id);
    return *func ? opi_admin_owner(fn, *func) : OPI_ST_ENOENT;
}

static uint16_t opi_cmd_identify(OpiFn *fn, OpiReply *r)
{
    OpiCard *c = fn->card;
    struct opi_identify *id = &r->buf.identify;

    r->len = sizeof(*id);
    id->serial = cpu_to_le64(c->serial);
    id->iface_version = cpu_to_le32(OPI_IFACE_VERSION);
    id->generation = cpu_to_le32(c->generation);
    id->func_id = cpu_to_le32(opi_fn_id(fn));
    id->role = fn->role;
    id->mode = c->mode;
    id->caps = cpu_to_le64(opi_fn_caps(fn));
    strpadcpy(id->board_id, sizeof(id->board_id), "OPI-EMU", 0);
    strpadcpy(id->board_rev, sizeof(id->board_rev), "A0", 0);
    strpadcpy(id->fw_version, sizeof(id->fw_version), "1.0.0", 0);
    id->port = cpu_to_le32(fn->port);
    id->max_mtu = cpu_to_le32(OPI_MTU_MAX);
    switch (fn->role) {
    case OPI_ROLE_DPU:
        id->total_sfs = cpu_to_le32(c->max_sfs);
        id->total_vfs = cpu_to_le32(c->caps & OPI_CAP_SRIOV ? OPI_VFS : 0);
        id->rate_nodes = cpu_to_le32(c->caps & OPI_CAP_RATE ? OPI_RATE_NODES
                                                            : 0);
        break;
    case OPI_ROLE_HOST_PF:
        id->total_sfs = cpu_to_le32(c->max_sfs);
        id->total_vfs = cpu_to_le32(c->max_vfs);
        break;
    default:
        break;
    }
    return OPI_ST_OK;
}

static uint16_t opi_cmd_list(OpiFn *fn, const struct opi_cmd *cmd, bool ports,
                             OpiReply *r)
{
    uint32_t start = le32_to_cpu(cmd->u.list.start);
    uint32_t room = le32_to_cpu(cmd->buf_len) / sizeof(r->buf.ids[0]);
    uint32_t id, n = 0;
    OpiFunc *f;

    if (!room) {
        return OPI_ST_EINVAL;
    }
    if (ports) {
        for (id = start; id < OPI_PORTS && n < room; id++) {
            OpiPort *p = opi_eswitch_port(fn->card, id);

            if (p && opi_admin_owner(fn, p->owner) == OPI_ST_OK) {
                r->buf.ids[n++] = cpu_to_le32(id);
            }
        }
    } else {
        QTAILQ_FOREACH(f, &fn->card->funcs, entry) {
            if (f->id >= start && n < room &&
                opi_admin_owner(fn, f) == OPI_ST_OK) {
                r->buf.ids[n++] = cpu_to_le32(f->id);
            }
        }
    }
    r->len = n * sizeof(r->buf.ids[0]);
    r->result = n;
    return OPI_ST_OK;
}

static uint16_t opi_cmd_port_get(OpiFn *fn, OpiPort *p, OpiReply *r)
{
    struct opi_port_info *i = &r->buf.port;
    bool uplink = p->type == OPI_PORT_UPLINK;
    bool func_up = uplink ? opi_uplink_carrier(fn->card) : p->func_up;

    r->len = sizeof(*i);
    i->port = cpu_to_le32(p->id);
    i->func_id = cpu_to_le32(p->owner ? p->owner->id : OPI_ID_NONE);
    i->type = p->type;
    i->flags = (func_up ? OPI_PORT_F_FUNC_UP : 0) |
               (p->rep_up ? OPI_PORT_F_REP_UP : 0) |
               (opi_port_carrier(fn, p) ? OPI_PORT_F_CARRIER : 0);
    i->controller = cpu_to_le16(uplink ? 0 : 1);
    i->pf = cpu_to_le16(0);
    i->vf = cpu_to_le16(p->owner ? p->owner->fn->vf : OPI_ID16_NONE);
    i->sf = cpu_to_le32(p->owner ? p->owner->sf : OPI_ID_NONE);
    memcpy(i->mac, p->mac, sizeof(i->mac));
    memcpy(i->rep_mac, p->rep_mac, sizeof(i->rep_mac));
    i->mtu = cpu_to_le32(opi_port_end(fn, p)->mtu);
    i->max_mtu = cpu_to_le32(OPI_MTU_MAX);
    i->speed = cpu_to_le32(OPI_SPEED);
    return OPI_ST_OK;
}

static uint16_t opi_cmd_port_stats(OpiFn *fn, OpiPort *p, OpiReply *r)
{
    struct opi_port_stats *s = &r->buf.stats;

    r->len = sizeof(*s);
    opi_port_end_stats(opi_port_end(fn, p), s);
    if (opi_fn_is_dpu(fn)) {
        /* The function's violations are its owner's business. */
        s->tx_spoofed = cpu_to_le64(p->func.tx_spoofed);
        s->tx_vlan = cpu_to_le64(p->func.tx_vlan);
    }
    return OPI_ST_OK;
}

static uint16_t opi_cmd_port_set_state(OpiFn *fn, OpiPort *p,
                                       const struct opi_cmd *cmd)
{
    uint8_t up = cmd->u.state.up;

    if (up > 1) {
        return OPI_ST_EINVAL;
    }
    if (opi_fn_is_dpu(fn)) {
        p->rep_up = up;
    } else if (up && p->owner->state != OPI_FUNC_ATTACHED) {
        /* An SF of which no driver is known. */
        return OPI_ST_ENODEV;
    } else {
        p->func_up = up;
    }
    opi_card_update(fn->card);
    return OPI_ST_OK;
}

static uint16_t opi_cmd_port_set_mtu(OpiFn *fn, OpiPort *p,
                                     const struct opi_cmd *cmd)
{
    uint32_t mtu = le32_to_cpu(cmd->u.mtu.mtu);

    if (mtu < OPI_MTU_MIN || mtu > OPI_MTU_MAX) {
        return OPI_ST_ERANGE;
    }
    opi_port_end(fn, p)->mtu = mtu;
    return OPI_ST_OK;
}

static uint16_t opi_cmd_port_set_mac(OpiFn *fn, OpiPort *p,
                                     const struct opi_cmd *cmd)
{
    const uint8_t *mac = cmd->u.mac.mac;

    if (!opi_fn_is_dpu(fn) && !p->owner->trust) {
        return OPI_ST_EPERM;
    }
    if (is_multicast_ether_addr(mac) ||
        buffer_is_zero(mac, sizeof(cmd->u.mac.mac))) {
        return OPI_ST_EINVAL;
    }
    memcpy(p->mac, mac, sizeof(p->mac));
    if (p->owner) {
        opi_func_changed(fn->card, p->owner, OPI_CHANGE_SET);
    }
    return OPI_ST_OK;
}

/* What a command takes: copied once, then looked at. */
static bool opi_admin_take(OpiFn *fn, const struct opi_cmd *cmd, void *buf,
                           uint32_t len)
{
    return opi_dma_read(fn, le64_to_cpu(cmd->buf), buf, len);
}

static uint16_t opi_cmd_port_set_rx(OpiFn *fn, OpiPort *p,
                                    const struct opi_cmd *cmd)
{
    struct opi_rx_config cfg;

    return opi_admin_take(fn, cmd, &cfg, sizeof(cfg)) ? opi_rx_set(fn, p, &cfg)
                                                      : OPI_ST_EFAULT;
}

static uint16_t opi_cmd_rss_set(OpiFn *fn, const struct opi_cmd *cmd)
{
    struct opi_rss_config cfg;

    return opi_admin_take(fn, cmd, &cfg, sizeof(cfg)) ? opi_rss_set(fn, &cfg)
                                                      : OPI_ST_EFAULT;
}

static uint16_t opi_cmd_boot_set(OpiFn *fn, const struct opi_cmd *cmd)
{
    OpiCard *c = fn->card;
    uint16_t time = le16_to_cpu(cmd->u.boot.max_boot_time);
    uint8_t os = cmd->u.boot.os_status;

    if (os != OPI_OS_BOOTING && os != OPI_OS_BOOTED) {
        return OPI_ST_EINVAL;
    }
    if (time != OPI_BOOT_TIME_KEEP && time > OPI_BOOT_TIME_MAX) {
        return OPI_ST_ERANGE;
    }
    if (time != OPI_BOOT_TIME_KEEP) {
        c->boot.max_boot_time = cpu_to_le16(time);
    }
    c->booted = os == OPI_OS_BOOTED;
    opi_card_update(c);
    return OPI_ST_OK;
}

static uint16_t opi_cmd_mode_set(OpiFn *fn, const struct opi_cmd *cmd)
{
    OpiCard *c = fn->card;
    uint8_t mode = cmd->u.mode.mode;
    unsigned i;

    if (mode > OPI_MODE_ISOLATED) {
        return OPI_ST_EINVAL;
    }
    if (mode != c->mode) {
        c->mode = mode;
        for (i = 0; i < OPI_FNS; i++) {
            opi_event(opi_card_fn(c, i), OPI_EV_MODE, mode, 0);
        }
        opi_card_update(c);
    }
    return OPI_ST_OK;
}

static uint16_t opi_cmd_mig_set_key(OpiFn *fn, const struct opi_cmd *cmd)
{
    struct opi_mig_key key;

    if (!opi_admin_take(fn, cmd, &key, sizeof(key))) {
        return OPI_ST_EFAULT;
    }
    opi_mig_set_key(fn->card, &key);
    return OPI_ST_OK;
}

/* Pages are forgotten only when their report is where it was wanted. */
static uint16_t opi_cmd_dirty_report(OpiFn *fn, OpiFn *vf,
                                     const struct opi_cmd *cmd, OpiReply *r)
{
    uint16_t st = opi_dirty_report(vf, cmd, r->buf.raw);

    if (st != OPI_ST_OK) {
        return st;
    }
    r->len = DIV_ROUND_UP(le32_to_cpu(cmd->u.dirty.pages), 8);
    if (!opi_dma_write(fn, le64_to_cpu(cmd->buf), r->buf.raw, r->len)) {
        return OPI_ST_EFAULT;
    }
    r->delivered = true;
    opi_dirty_reported(vf, cmd);
    return OPI_ST_OK;
}

/* Commands about a VF that its PF moves, or whose writes it wants to know. */
static uint16_t opi_admin_do_mig(OpiFn *fn, const struct opi_cmd *cmd,
                                 uint16_t opcode, OpiReply *r)
{
    uint64_t offset = le64_to_cpu(cmd->u.mig.offset);
    uint32_t len = le32_to_cpu(cmd->buf_len);
    OpiFn *vf;
    uint16_t st = opi_mig_vf(fn, cmd, opcode, &vf);

    if (st != OPI_ST_OK) {
        return st;
    }
    switch (opcode) {
    case OPI_CMD_MIG_GET:
        r->len = sizeof(r->buf.mig);
        opi_mig_get(vf, &r->buf.mig);
        return OPI_ST_OK;
    case OPI_CMD_MIG_SET:
        return opi_mig_set(vf, cmd->u.mig.state);
    case OPI_CMD_MIG_SAVE:
        r->len = len;
        return opi_mig_save(vf, offset, r->buf.raw, &r->len);
    case OPI_CMD_DIRTY_STOP:
        return opi_dirty_stop(vf);
    case OPI_CMD_DIRTY_REPORT:
        return opi_cmd_dirty_report(fn, vf, cmd, r);
    default:
        break;
    }
    /* The reply has nothing in it: what is taken has room there. */
    if (!opi_admin_take(fn, cmd, r->buf.raw, len)) {
        return OPI_ST_EFAULT;
    }
    return opcode == OPI_CMD_MIG_LOAD ?
           opi_mig_load(vf, offset, r->buf.raw, len) :
           opi_dirty_start(vf, r->buf.raw, len, &r->result);
}

/* Commands about a function of the host. */
static uint16_t opi_admin_do_func(OpiFn *fn, const struct opi_cmd *cmd,
                                  uint16_t opcode, OpiReply *r)
{
    OpiFunc *f = NULL;
    uint16_t st = opi_admin_func(fn, le32_to_cpu(cmd->target), &f);

    if (st != OPI_ST_OK) {
        return st;
    }
    switch (opcode) {
    case OPI_CMD_FUNC_GET:
        r->len = sizeof(r->buf.func);
        opi_func_get(f, &r->buf.func);
        return OPI_ST_OK;
    case OPI_CMD_FUNC_SET:
        return opi_func_set(f, cmd);
    case OPI_CMD_FUNC_EXPOSE:
        return opi_func_expose(f, true);
    case OPI_CMD_FUNC_WITHDRAW:
        return opi_func_expose(f, false);
    case OPI_CMD_FUNC_DESTROY:
        return opi_func_destroy(f);
    default:
        return opi_func_attach(f, cmd);
    }
}

static uint16_t opi_admin_do(OpiFn *fn, const struct opi_cmd *cmd,
                             uint16_t opcode, OpiReply *r)
{
    uint32_t target = le32_to_cpu(cmd->target);
    OpiPort *p = NULL;
    uint16_t st;

    switch (opcode) {
    case OPI_CMD_NOP:
        return OPI_ST_OK;
    case OPI_CMD_IDENTIFY:
        return opi_cmd_identify(fn, r);
    case OPI_CMD_EQ_CREATE:
        return opi_eq_create(fn, target, cmd);
    case OPI_CMD_EQ_DESTROY:
        return opi_eq_destroy(fn, target);
    case OPI_CMD_QP_CREATE:
        return opi_qp_create(fn, target, cmd);
    case OPI_CMD_QP_DESTROY:
        return opi_qp_destroy(fn, target);
    case OPI_CMD_QP_QUERY:
        if (target >= fn->max_qps) {
            return OPI_ST_ERANGE;
        }
        if (!fn->qps[target].used) {
            return OPI_ST_ENOENT;
        }
        r->len = sizeof(r->buf.qp);
        opi_qp_query(&fn->qps[target], &r->buf.qp);
        return OPI_ST_OK;
    case OPI_CMD_RSS_SET:
        return opi_cmd_rss_set(fn, cmd);
    case OPI_CMD_PORT_LIST:
    case OPI_CMD_FUNC_LIST:
        return opi_cmd_list(fn, cmd, opcode == OPI_CMD_PORT_LIST, r);
    case OPI_CMD_FUNC_GET:
    case OPI_CMD_FUNC_DESTROY:
    case OPI_CMD_FUNC_SET:
    case OPI_CMD_FUNC_EXPOSE:
    case OPI_CMD_FUNC_WITHDRAW:
    case OPI_CMD_FUNC_ATTACH:
        return opi_admin_do_func(fn, cmd, opcode, r);
    case OPI_CMD_FUNC_CREATE:
        return opi_func_create(fn->card, cmd, &r->result);
    case OPI_CMD_RATE_CREATE:
        return opi_rate_create(fn->card, target);
    case OPI_CMD_RATE_DESTROY:
        return opi_rate_destroy(fn->card, target);
    case OPI_CMD_RATE_SET:
        return opi_rate_set(fn->card, target, cmd);
    case OPI_CMD_MIG_GET:
    case OPI_CMD_MIG_SET:
    case OPI_CMD_MIG_SAVE:
    case OPI_CMD_MIG_LOAD:
    case OPI_CMD_DIRTY_START:
    case OPI_CMD_DIRTY_STOP:
    case OPI_CMD_DIRTY_REPORT:
        return opi_admin_do_mig(fn, cmd, opcode, r);
    case OPI_CMD_MIG_SET_KEY:
        return opi_cmd_mig_set_key(fn, cmd);
    case OPI_CMD_BOOT_SET:
        return opi_cmd_boot_set(fn, cmd);
    case OPI_CMD_MODE_SET:
        return opi_cmd_mode_set(fn, cmd);
    default:
        break;
    }

    st = opi_admin_port(fn, target, &p);
    if (st != OPI_ST_OK) {
        return st;
    }
    switch (opcode) {
    case OPI_CMD_PORT_GET:
        return opi_cmd_port_get(fn, p, r);
    case OPI_CMD_PORT_STATS:
        return opi_cmd_port_stats(fn, p, r);
    case OPI_CMD_PORT_SET_STATE:
        return opi_cmd_port_set_state(fn, p, cmd);
    case OPI_CMD_PORT_SET_MTU:
        return opi_cmd_port_set_mtu(fn, p, cmd);
    case OPI_CMD_PORT_SET_MAC:
        return opi_cmd_port_set_mac(fn, p, cmd);
    case OPI_CMD_PORT_SET_RX:
        return opi_cmd_port_set_rx(fn, p, cmd);
    case OPI_CMD_PORT_SET_POLICE:
        return opi_police_set(p, cmd);
    default:
        /* In the table, but this card does not do it. */
        return OPI_ST_EOPNOTSUPP;
    }
}

static uint16_t opi_admin_check(OpiFn *fn, const struct opi_cmd *cmd,
                                uint16_t opcode)
{
    bool allowed = false;

    if (!opi_admin_known(opcode, fn->role, fn->card->mode, &allowed) ||
        (opi_admin_cap(opcode) & ~fn->card->caps)) {
        return OPI_ST_EOPNOTSUPP;
    }
    if (!allowed) {
        return OPI_ST_EPERM;
    }
    if (!opi_admin_reserved_ok(cmd, opcode)) {
        return OPI_ST_EINVAL;
    }
    if (le32_to_cpu(cmd->buf_len) > OPI_CMD_BUF_MAX) {
        return OPI_ST_E2BIG;
    }
    if ((opi_admin_uses(opcode) & USES_BUF) &&
        (!cmd->buf ||
         le32_to_cpu(cmd->buf_len) < opi_admin_buf_min(opcode))) {
        return OPI_ST_EINVAL;
    }
    return OPI_ST_OK;
}

static bool opi_admin_complete(OpiFn *fn, struct opi_cmd_cpl *cpl)
{
    uint32_t size = 1u << fn->aq_order;
    uint64_t addr = fn->aq_cq + (fn->aq_cpls & (size - 1)) * sizeof(*cpl);

    cpl->sq_head = cpu_to_le16(fn->aq_head);
    cpl->phase = cpu_to_le16(!(fn->aq_cpls & size));
    if (!opi_dma_entry(fn, addr, cpl, sizeof(*cpl))) {
        opi_fn_fatal(fn, OPI_HEALTH_AQ_DMA);
        return false;
    }
    fn->aq_cpls++;
    return true;
}

static bool opi_admin_execute(OpiFn *fn, const struct opi_cmd *cmd)
{
    uint16_t opcode = le16_to_cpu(cmd->opcode);
    OpiReply r = { 0 };
    struct opi_cmd_cpl cpl = { .cookie = cmd->cookie };
    uint32_t len;
    uint16_t st;

    st = opi_admin_check(fn, cmd, opcode);
    if (st == OPI_ST_OK) {
        st = opi_admin_do(fn, cmd, opcode, &r);
    }
    len = MIN(r.len, le32_to_cpu(cmd->buf_len));
    if (st == OPI_ST_OK && len) {
        if (r.delivered ||
            opi_dma_write(fn, le64_to_cpu(cmd->buf), r.buf.raw, len)) {
            cpl.resp_len = cpu_to_le16(len);
        } else {
            st = OPI_ST_EFAULT;
        }
    }
    if (st == OPI_ST_OK) {
        cpl.result = cpu_to_le32(r.result);
    }
    cpl.status = cpu_to_le16(st);
    trace_opi_admin(fn->role, opcode, le32_to_cpu(cmd->target),
                    le32_to_cpu(cmd->cookie), st);
    return opi_admin_complete(fn, &cpl);
}

/* Fault injection: completions that answer no command. */
static bool opi_admin_bogus(OpiFn *fn)
{
    uint32_t n;
    bool any = false;

    /* Half a ring at a time: what the driver did not take must survive. */
    for (n = MIN(fn->fault.aq_bogus, 1u << (fn->aq_order - 1)); n; n--) {
        struct opi_cmd_cpl cpl = {
            .cookie = cpu_to_le32(0xdead0000 | (fn->fault.aq_bogus & 0xffff)),
            .status = cpu_to_le16(OPI_ST_OK),
        };

        fn->fault.aq_bogus--;
        if (!opi_admin_complete(fn, &cpl)) {
            return false;
        }
        any = true;
    }
    return any;
}

bool opi_admin_run(OpiFn *fn)
{
    unsigned budget = OPI_BUDGET_CMDS;
    bool wrote = false;
    struct opi_cmd cmd;

    fn->aq_pending = false;
    if (!(fn->aq_status & OPI_AQ_STATUS_ENABLED)) {
        return false;
    }
    if (fn->fault.aq_bogus) {
        wrote |= opi_admin_bogus(fn);
    }
    while ((fn->aq_status & OPI_AQ_STATUS_ENABLED) &&
           fn->aq_head != fn->aq_tail && budget--) {
        /* The tail came first, now what it says is there. */
        smp_rmb();
        if (!opi_dma_fetch(fn, fn->aq_sq, fn->aq_order, fn->aq_head, &cmd,
                           sizeof(cmd), 1)) {
            opi_fn_fatal(fn, OPI_HEALTH_AQ_DMA);
            return false;
        }
        fn->aq_head++;
        if (fn->fault.aq_drop) {
            fn->fault.aq_drop--;
            trace_opi_admin_dropped(fn->role, le16_to_cpu(cmd.opcode));
            continue;
        }
        wrote |= opi_admin_execute(fn, &cmd);
    }
    if (fn->ops->publish) {
        fn->ops->publish(fn, OPI_REG_AQ_HEAD);
    }
    if (wrote) {
        opi_fn_notify(fn, 0);
    }
    fn->aq_pending = (fn->aq_status & OPI_AQ_STATUS_ENABLED) &&
                     (fn->aq_head != fn->aq_tail);
    return fn->aq_pending;
}

void opi_admin_kick(OpiFn *fn, uint32_t tail)
{
    if (!(fn->aq_status & OPI_AQ_STATUS_ENABLED)) {
        return;
    }
    if (tail - fn->aq_head > 1u << fn->aq_order) {
        fn->aq_status = OPI_AQ_STATUS_ERROR;
        opi_card_update(fn->card);
        if (fn->ops->publish) {
            fn->ops->publish(fn, OPI_REG_ALL);
        }
        opi_fn_notify(fn, 0);
        return;
    }
    fn->aq_tail = tail;
    fn->aq_pending = true;
    fn->card->aq_pending = true;
}
