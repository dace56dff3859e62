// SPDX-License-Identifier: GPL-2.0
/*
 * devlink health: "aq", the admin queue, and "fw", the card as a whole.  Both
 * recover in the same way: the function is reset and set up again.  "tx", a queue
 * that does not send, and "rx", one whose completions make no sense, have the
 * queue pair made anew.
 *
 * Reporters are told by a work item (main.c), because telling them may recover
 * and takes the devlink lock.  A test of a reporter makes the failure up and goes
 * the same way.
 */
#include <linux/rtnetlink.h>

#include "compat.h"
#include "opi_core.h"

static const char * const opi_dev_state_names[] = {
	[OPI_DEV_STATE_STARTING]	= "starting",
	[OPI_DEV_STATE_READY]		= "ready",
	[OPI_DEV_STATE_ABSENT]		= "absent",
	[OPI_DEV_STATE_FAILED]		= "failed",
	[OPI_DEV_STATE_GONE]		= "gone",
};

static const struct {
	const char *name;
	unsigned int reg;
} opi_health_regs[] = {
	{ "magic",	OPI_REG_MAGIC },
	{ "version",	OPI_REG_VERSION },
	{ "role",	OPI_REG_ROLE },
	{ "func_id",	OPI_REG_FUNC_ID },
	{ "generation",	OPI_REG_GENERATION },
	{ "peer",	OPI_REG_PEER },
	{ "caps_lo",	OPI_REG_CAPS_LO },
	{ "caps_hi",	OPI_REG_CAPS_HI },
	{ "limits0",	OPI_REG_LIMITS0 },
	{ "limits1",	OPI_REG_LIMITS1 },
	{ "timeout",	OPI_REG_TIMEOUT },
	{ "dev_status",	OPI_REG_DEV_STATUS },
	{ "health",	OPI_REG_HEALTH },
	{ "heartbeat",	OPI_REG_HEARTBEAT },
	{ "aq_status",	OPI_REG_AQ_STATUS },
	{ "aq_head",	OPI_REG_AQ_HEAD },
};

static void opi_health_put_regs(struct opi_dev *od, struct devlink_fmsg *fmsg)
{
	unsigned int i;

	devlink_fmsg_pair_nest_start(fmsg, "registers");
	devlink_fmsg_obj_nest_start(fmsg);
	for (i = 0; i < ARRAY_SIZE(opi_health_regs); i++)
		devlink_fmsg_u32_pair_put(fmsg, opi_health_regs[i].name,
					  opi_rd(od, opi_health_regs[i].reg));
	devlink_fmsg_obj_nest_end(fmsg);
	devlink_fmsg_pair_nest_end(fmsg);
}

static int opi_health_recover(struct devlink_health_reporter *reporter,
			      void *priv_ctx, struct netlink_ext_ack *extack)
{
	struct opi_dev *od = devlink_health_reporter_priv(reporter);
	int err;

	err = opi_dev_recover(od);
	if (err == -EBUSY)
		NL_SET_ERR_MSG(extack, "the function is being reset or removed");
	else if (err)
		NL_SET_ERR_MSG(extack, "the card does not come back from a reset");
	return err;
}

static int opi_aq_diagnose(struct devlink_health_reporter *reporter,
			   struct devlink_fmsg *fmsg,
			   struct netlink_ext_ack *extack)
{
	struct opi_dev *od = devlink_health_reporter_priv(reporter);
	struct opi_aq *aq = &od->aq;
	unsigned int busy = opi_aq_slots(od, OPI_SLOT_BUSY);
	unsigned int lost = opi_aq_slots(od, OPI_SLOT_LOST);
	struct opi_aq_stats stats;
	u32 tail, head;
	bool running;

	spin_lock_irq(&aq->lock);
	stats = aq->stats;
	tail = aq->tail;
	head = aq->head;
	running = aq->running;
	spin_unlock_irq(&aq->lock);

	devlink_fmsg_bool_pair_put(fmsg, "running", running);
	devlink_fmsg_u32_pair_put(fmsg, "slots", BIT(aq->order));
	devlink_fmsg_u32_pair_put(fmsg, "slots_busy", busy);
	devlink_fmsg_u32_pair_put(fmsg, "slots_lost", lost);
	devlink_fmsg_u32_pair_put(fmsg, "posted", tail);
	devlink_fmsg_u32_pair_put(fmsg, "completed", head);
	devlink_fmsg_u64_pair_put(fmsg, "commands", stats.commands);
	devlink_fmsg_u64_pair_put(fmsg, "refused", stats.refused);
	devlink_fmsg_u64_pair_put(fmsg, "timeouts", stats.timeouts);
	devlink_fmsg_u64_pair_put(fmsg, "spurious", stats.spurious);
	devlink_fmsg_u64_pair_put(fmsg, "lost_irqs", stats.lost_irqs);
	devlink_fmsg_u64_pair_put(fmsg, "starts", stats.starts);
	return 0;
}

static int opi_aq_dump(struct devlink_health_reporter *reporter,
		       struct devlink_fmsg *fmsg, void *priv_ctx,
		       struct netlink_ext_ack *extack)
{
	struct opi_dev *od = devlink_health_reporter_priv(reporter);
	struct opi_aq *aq = &od->aq;
	struct opi_aq_log *log;
	u32 next, i;

	log = kmalloc_array(OPI_AQ_LOG, sizeof(*log), GFP_KERNEL);
	if (!log)
		return -ENOMEM;
	spin_lock_irq(&aq->lock);
	memcpy(log, aq->log, sizeof(aq->log));
	next = aq->log_next;
	spin_unlock_irq(&aq->lock);

	opi_health_put_regs(od, fmsg);

	/* Oldest first. */
	devlink_fmsg_arr_pair_nest_start(fmsg, "commands");
	for (i = next > OPI_AQ_LOG ? next - OPI_AQ_LOG : 0; i != next; i++) {
		const struct opi_aq_log *l = &log[i % OPI_AQ_LOG];

		devlink_fmsg_obj_nest_start(fmsg);
		devlink_fmsg_u32_pair_put(fmsg, "opcode", l->opcode);
		devlink_fmsg_u32_pair_put(fmsg, "target", l->target);
		devlink_fmsg_u32_pair_put(fmsg, "errno", -l->err);
		devlink_fmsg_u32_pair_put(fmsg, "usecs", l->usecs);
		devlink_fmsg_obj_nest_end(fmsg);
	}
	devlink_fmsg_arr_pair_nest_end(fmsg);

	kfree(log);
	return 0;
}

static int opi_fw_diagnose(struct devlink_health_reporter *reporter,
			   struct devlink_fmsg *fmsg,
			   struct netlink_ext_ack *extack)
{
	struct opi_dev *od = devlink_health_reporter_priv(reporter);
	u64 events = 0, spurious = 0, lost_irqs = 0;
	unsigned int i;

	for (i = 0; i < od->n_vecs; i++) {
		struct opi_eq *eq = &od->eqs[i];

		spin_lock_irq(&eq->lock);
		events += eq->events;
		spurious += eq->spurious;
		lost_irqs += eq->lost_irqs;
		spin_unlock_irq(&eq->lock);
	}

	devlink_fmsg_string_pair_put(fmsg, "state",
				     opi_dev_state_names[od->state]);
	devlink_fmsg_u32_pair_put(fmsg, "health", od->st.health);
	devlink_fmsg_u32_pair_put(fmsg, "generation", od->st.generation);
	devlink_fmsg_u32_pair_put(fmsg, "peer", od->st.peer);
	devlink_fmsg_u64_pair_put(fmsg, "events", events);
	devlink_fmsg_u64_pair_put(fmsg, "events_lost", od->st.events_lost);
	devlink_fmsg_u64_pair_put(fmsg, "spurious", spurious);
	devlink_fmsg_u64_pair_put(fmsg, "lost_irqs", lost_irqs);
	return 0;
}

static int opi_fw_dump(struct devlink_health_reporter *reporter,
		       struct devlink_fmsg *fmsg, void *priv_ctx,
		       struct netlink_ext_ack *extack)
{
	opi_health_put_regs(devlink_health_reporter_priv(reporter), fmsg);
	return 0;
}

#define OPI_TX_DUMP	8	/* descriptors of a ring */

/* A copy of what is of interest, since messages are not made under a spinlock. */
struct opi_tx_view {
	struct opi_txd	txd[OPI_TX_DUMP];
	unsigned int	n_txd;
	u32		entries;
	u32		posted;
	u32		kicked;
	u32		armed;
	u32		clean;
	bool		stopped;
};

static void opi_tx_look(struct opi_sq *sq, struct opi_tx_view *view)
{
	unsigned int i;

	spin_lock_bh(&sq->lock);
	view->entries = sq->mask + 1;
	view->posted = sq->posted;
	view->kicked = sq->kicked;
	view->armed = sq->armed;
	view->clean = sq->clean;
	view->stopped = sq->stopped;
	/* The oldest that the card has not sent. */
	view->n_txd = min(OPI_TX_DUMP, sq->tail - sq->clean);
	for (i = 0; i < view->n_txd; i++)
		view->txd[i] = sq->ring[(sq->clean + i) & sq->mask];
	spin_unlock_bh(&sq->lock);
}

static void opi_tx_put_txd(const struct opi_txd *txd, struct devlink_fmsg *fmsg)
{
	devlink_fmsg_obj_nest_start(fmsg);
	devlink_fmsg_u32_pair_put(fmsg, "len", le32_to_cpu(txd->len));
	devlink_fmsg_u32_pair_put(fmsg, "flags", le16_to_cpu(txd->flags));
	devlink_fmsg_u32_pair_put(fmsg, "nsegs", txd->nsegs);
	devlink_fmsg_u32_pair_put(fmsg, "gso_type", txd->gso_type);
	devlink_fmsg_u32_pair_put(fmsg, "gso_size", le16_to_cpu(txd->gso_size));
	devlink_fmsg_u32_pair_put(fmsg, "port", le32_to_cpu(txd->port));
	devlink_fmsg_obj_nest_end(fmsg);
}

/* What the card says of a queue pair; a @mute one is not asked for each. */
static bool opi_qp_ask(struct opi_qp *qp, struct opi_qp_info *info, bool *mute)
{
	int err;

	if (*mute)
		return false;
	err = opi_cmd_qp_query(qp->od, qp->id, info);
	*mute = opi_no_answer(err);
	return !err;
}

/* What we know of a sending half, and what the card says of it. */
static void opi_tx_put(struct opi_qp *qp, struct devlink_fmsg *fmsg, bool ring,
		       bool *mute)
{
	struct opi_tx_view view;
	struct opi_qp_info info;
	unsigned int i;

	opi_tx_look(&qp->sq, &view);
	devlink_fmsg_obj_nest_start(fmsg);
	devlink_fmsg_u32_pair_put(fmsg, "queue", qp->id);
	devlink_fmsg_bool_pair_put(fmsg, "broken", qp->broken);
	devlink_fmsg_u64_pair_put(fmsg, "restarts", qp->stats->restarts);
	devlink_fmsg_u32_pair_put(fmsg, "entries", view.entries);
	devlink_fmsg_u32_pair_put(fmsg, "posted", view.posted);
	devlink_fmsg_u32_pair_put(fmsg, "kicked", view.kicked);
	devlink_fmsg_u32_pair_put(fmsg, "armed", view.armed);
	devlink_fmsg_u32_pair_put(fmsg, "cleaned", view.clean);
	devlink_fmsg_bool_pair_put(fmsg, "stopped", view.stopped);
	devlink_fmsg_u32_pair_put(fmsg, "sent",
				  le32_to_cpu(READ_ONCE(qp->shadow->sq_head)));
	devlink_fmsg_u32_pair_put(fmsg, "kick",
				  le32_to_cpu(READ_ONCE(qp->shadow->sq_kick)));
	if (ring) {
		devlink_fmsg_arr_pair_nest_start(fmsg, "descriptors");
		for (i = 0; i < view.n_txd; i++)
			opi_tx_put_txd(&view.txd[i], fmsg);
		devlink_fmsg_arr_pair_nest_end(fmsg);
	}
	if (opi_qp_ask(qp, &info, mute)) {
		devlink_fmsg_u32_pair_put(fmsg, "card_state", info.state);
		devlink_fmsg_u32_pair_put(fmsg, "card_error", info.error);
		devlink_fmsg_u32_pair_put(fmsg, "card_sent",
					  le32_to_cpu(info.sq_head));
	}
	devlink_fmsg_obj_nest_end(fmsg);
}

#define OPI_RX_DUMP	8	/* completions of a ring */

static void opi_rx_put_cqe(const struct opi_cqe *cqe, struct devlink_fmsg *fmsg)
{
	devlink_fmsg_obj_nest_start(fmsg);
	devlink_fmsg_u32_pair_put(fmsg, "len", le32_to_cpu(cqe->len));
	devlink_fmsg_u32_pair_put(fmsg, "flags", le16_to_cpu(cqe->flags));
	devlink_fmsg_u32_pair_put(fmsg, "type", cqe->type);
	devlink_fmsg_u32_pair_put(fmsg, "id", le16_to_cpu(cqe->id));
	devlink_fmsg_u32_pair_put(fmsg, "port", le32_to_cpu(cqe->port));
	devlink_fmsg_u32_pair_put(fmsg, "phase", le16_to_cpu(cqe->phase) & 1);
	devlink_fmsg_obj_nest_end(fmsg);
}

/*
 * What we know of a receiving half, and what the card says of it.  NAPI may be
 * at work on it, so the numbers need not be of one moment.
 */
static void opi_rx_put(struct opi_qp *qp, struct devlink_fmsg *fmsg, bool ring,
		       bool *mute)
{
	struct opi_rq *rq = &qp->rq;
	struct opi_qp_info info;
	u32 next = READ_ONCE(rq->next);
	unsigned int i;

	devlink_fmsg_obj_nest_start(fmsg);
	devlink_fmsg_u32_pair_put(fmsg, "queue", qp->id);
	devlink_fmsg_bool_pair_put(fmsg, "broken", READ_ONCE(qp->broken));
	devlink_fmsg_u64_pair_put(fmsg, "restarts", qp->stats->restarts);
	devlink_fmsg_u32_pair_put(fmsg, "entries", rq->mask + 1);
	devlink_fmsg_u32_pair_put(fmsg, "posted", READ_ONCE(rq->tail));
	devlink_fmsg_u32_pair_put(fmsg, "consumed", next);
	devlink_fmsg_bool_pair_put(fmsg, "starved", READ_ONCE(rq->starved));
	devlink_fmsg_u32_pair_put(fmsg, "armed",
				  le32_to_cpu(READ_ONCE(qp->shadow->cq_arm)));
	if (ring) {
		/* The last that was consumed, and what stands behind it. */
		devlink_fmsg_arr_pair_nest_start(fmsg, "completions");
		for (i = 0; i < OPI_RX_DUMP; i++)
			opi_rx_put_cqe(&rq->cq[(next - 1 + i) & rq->mask],
				       fmsg);
		devlink_fmsg_arr_pair_nest_end(fmsg);
	}
	if (opi_qp_ask(qp, &info, mute)) {
		devlink_fmsg_u32_pair_put(fmsg, "card_state", info.state);
		devlink_fmsg_u32_pair_put(fmsg, "card_error", info.error);
		devlink_fmsg_u32_pair_put(fmsg, "card_fetched",
					  le32_to_cpu(info.rq_head));
		devlink_fmsg_u32_pair_put(fmsg, "card_completed",
					  le32_to_cpu(info.cq_tail));
	}
	devlink_fmsg_obj_nest_end(fmsg);
}

static void opi_qps_put_all(struct opi_dev *od, const unsigned long *which,
			    struct devlink_fmsg *fmsg, bool ring,
			    void (*put)(struct opi_qp *qp,
					struct devlink_fmsg *fmsg, bool ring,
					bool *mute))
{
	bool mute = false;
	unsigned int i;

	devlink_fmsg_arr_pair_nest_start(fmsg, "queues");
	rtnl_lock();
	for (i = 0; i < od->qs.size; i++) {
		struct opi_qp *qp = rtnl_dereference(od->qs.qps[i]);

		if (qp && (!which || test_bit(i, which)))
			put(qp, fmsg, ring, &mute);
	}
	rtnl_unlock();
	devlink_fmsg_arr_pair_nest_end(fmsg);
}

static int opi_tx_diagnose(struct devlink_health_reporter *reporter,
			   struct devlink_fmsg *fmsg,
			   struct netlink_ext_ack *extack)
{
	opi_qps_put_all(devlink_health_reporter_priv(reporter), NULL, fmsg,
			false, opi_tx_put);
	return 0;
}

static int opi_tx_dump(struct devlink_health_reporter *reporter,
		       struct devlink_fmsg *fmsg, void *priv_ctx,
		       struct netlink_ext_ack *extack)
{
	opi_qps_put_all(devlink_health_reporter_priv(reporter), priv_ctx, fmsg,
			true, opi_tx_put);
	return 0;
}

static int opi_rx_diagnose(struct devlink_health_reporter *reporter,
			   struct devlink_fmsg *fmsg,
			   struct netlink_ext_ack *extack)
{
	opi_qps_put_all(devlink_health_reporter_priv(reporter), NULL, fmsg,
			false, opi_rx_put);
	return 0;
}

static int opi_rx_dump(struct devlink_health_reporter *reporter,
		       struct devlink_fmsg *fmsg, void *priv_ctx,
		       struct netlink_ext_ack *extack)
{
	opi_qps_put_all(devlink_health_reporter_priv(reporter), priv_ctx, fmsg,
			true, opi_rx_put);
	return 0;
}

/* @priv_ctx: a bit for each queue pair; NULL: all of them. */
static int opi_qps_recover(struct devlink_health_reporter *reporter,
			   void *priv_ctx, struct netlink_ext_ack *extack)
{
	struct opi_dev *od = devlink_health_reporter_priv(reporter);
	const unsigned long *which = priv_ctx;
	unsigned int i;
	int err = 0;

	rtnl_lock();
	for (i = 0; i < od->qs.size && !err; i++)
		if (!which || test_bit(i, which))
			err = opi_qp_restart(&od->qs, i);
	rtnl_unlock();
	if (err)
		NL_SET_ERR_MSG(extack, "a queue pair could not be made anew");
	return err;
}

/* ---- Tests ------------------------------------------------------------- */

static int opi_health_test_refused(struct opi_dev *od,
				   struct netlink_ext_ack *extack)
{
	if (od->state == OPI_DEV_STATE_READY)
		return 0;
	NL_SET_ERR_MSG_FMT_MOD(extack,
			       "the device is %s: there is nothing to test",
			       opi_dev_state_names[od->state]);
	return -ENODEV;
}

static int opi_health_test(struct devlink_health_reporter *reporter,
			   enum opi_failure failure,
			   struct netlink_ext_ack *extack)
{
	struct opi_dev *od = devlink_health_reporter_priv(reporter);
	int err;

	err = opi_health_test_refused(od, extack);
	if (err)
		return err;
	set_bit(OPI_FAIL_TEST, &od->failures);
	opi_dev_fail(od, failure);
	return 0;
}

static int opi_aq_test(struct devlink_health_reporter *reporter,
		       struct netlink_ext_ack *extack)
{
	return opi_health_test(reporter, OPI_FAIL_AQ, extack);
}

static int opi_fw_test(struct devlink_health_reporter *reporter,
		       struct netlink_ext_ack *extack)
{
	return opi_health_test(reporter, OPI_FAIL_FATAL, extack);
}

/* The first queue pair stands for all. */
static int opi_qp_test(struct devlink_health_reporter *reporter,
		       enum opi_qp_half half, struct netlink_ext_ack *extack)
{
	struct opi_dev *od = devlink_health_reporter_priv(reporter);
	int err;

	err = opi_health_test_refused(od, extack);
	if (err)
		return err;
	if (!rcu_access_pointer(od->qs.qps[0])) {
		NL_SET_ERR_MSG_MOD(extack,
				   "no netdev is up: there are no queues to test");
		return -ENETDOWN;
	}
	opi_dev_queue_qp(&od->qs, 0, half);
	return 0;
}

static int opi_tx_test(struct devlink_health_reporter *reporter,
		       struct netlink_ext_ack *extack)
{
	return opi_qp_test(reporter, OPI_QP_TX, extack);
}

static int opi_rx_test(struct devlink_health_reporter *reporter,
		       struct netlink_ext_ack *extack)
{
	return opi_qp_test(reporter, OPI_QP_RX, extack);
}

/* ---- Reporters --------------------------------------------------------- */

static const struct devlink_health_reporter_ops
opi_reporter_ops[OPI_N_REPORTERS] = {
	[OPI_REPORTER_AQ] = {
		.name		= "aq",
		.recover	= opi_health_recover,
		.diagnose	= opi_aq_diagnose,
		.dump		= opi_aq_dump,
		.test		= opi_aq_test,
	},
	[OPI_REPORTER_FW] = {
		.name		= "fw",
		.recover	= opi_health_recover,
		.diagnose	= opi_fw_diagnose,
		.dump		= opi_fw_dump,
		.test		= opi_fw_test,
	},
	[OPI_REPORTER_TX] = {
		.name		= "tx",
		.recover	= opi_qps_recover,
		.diagnose	= opi_tx_diagnose,
		.dump		= opi_tx_dump,
		.test		= opi_tx_test,
	},
	[OPI_REPORTER_RX] = {
		.name		= "rx",
		.recover	= opi_qps_recover,
		.diagnose	= opi_rx_diagnose,
		.dump		= opi_rx_dump,
		.test		= opi_rx_test,
	},
};

static int opi_health_tell(struct opi_dev *od, enum opi_reporter reporter,
			   const char *msg, void *priv_ctx)
{
	return devlink_health_report(od->reporters[reporter], msg, priv_ctx);
}

static void opi_health_report_half(struct opi_dev *od, enum opi_qp_half half,
				   enum opi_reporter reporter, const char *msg)
{
	DECLARE_BITMAP(which, OPI_MAX_QPS);
	unsigned int i;

	bitmap_zero(which, OPI_MAX_QPS);
	/* Of one that is not there any more, nothing is to be said. */
	for (i = 0; i < od->qs.size; i++)
		if (test_and_clear_bit(i, od->qs.failed[half]) &&
		    rcu_access_pointer(od->qs.qps[i]))
			__set_bit(i, which);
	if (!bitmap_empty(which, OPI_MAX_QPS))
		opi_health_tell(od, reporter, msg, which);
}

static bool opi_health_registered(struct opi_dev *od)
{
	struct devlink *devlink = priv_to_devlink(od);
	bool registered;

	devl_lock(devlink);
	registered = test_bit(OPI_DEV_F_REGISTERED, &od->flags);
	devl_unlock(devlink);
	return registered;
}

/**
 * opi_health_report_qps - tell the reporters which queue pairs have failed
 * @od:		the device
 *
 * Unless an administrator has switched that off, they are made anew.
 *
 * Context: devl_lock not held, may sleep.
 */
void opi_health_report_qps(struct opi_dev *od)
{
	if (!opi_health_registered(od))
		return;

	opi_health_report_half(od, OPI_QP_TX, OPI_REPORTER_TX,
			       "a queue does not send");
	opi_health_report_half(od, OPI_QP_RX, OPI_REPORTER_RX,
			       "a queue does not receive");
}

/**
 * opi_health_report - tell the reporters what has failed
 * @od:		the device
 * @failures:	enum opi_failure, a bit each
 *
 * Unless an administrator has switched that off, it recovers: the device is
 * stopped and started again.
 *
 * Context: devl_lock not held, may sleep.
 */
void opi_health_report(struct opi_dev *od, unsigned long failures)
{
	const char *test = failures & BIT(OPI_FAIL_TEST) ? "test" : NULL;
	struct devlink *devlink = priv_to_devlink(od);
	bool registered, ready;
	int err = 0;

	devl_lock(devlink);
	registered = test_bit(OPI_DEV_F_REGISTERED, &od->flags);
	ready = od->state == OPI_DEV_STATE_READY;
	if (registered && failures & (BIT(OPI_FAIL_AQ) | BIT(OPI_FAIL_FATAL))) {
		if (od->snapshots)
			opi_regions_snapshot(od);
		/* No service before somebody has done something about it. */
		set_bit(OPI_DEV_F_HELD, &od->flags);
		opi_dev_stop(od, OPI_DEV_STATE_FAILED);
	}
	devl_unlock(devlink);
	/* A probe that has failed, and is told so by other means. */
	if (!registered)
		return;

	/* One recovery mends all; a second would only be one reset more. */
	if (failures & BIT(OPI_FAIL_FATAL))
		err = opi_health_tell(od, OPI_REPORTER_FW,
				      test ?: "card reports that it has failed",
				      NULL);
	else if (failures & BIT(OPI_FAIL_AQ))
		err = opi_health_tell(od, OPI_REPORTER_AQ,
				      test ?: "card has stopped the admin queue",
				      NULL);
	else if (failures & BIT(OPI_FAIL_CMD_TIMEOUT))
		err = opi_health_tell(od, OPI_REPORTER_AQ,
				      "command was not answered in time", NULL);

	/*
	 * No error: it has recovered, or shall not do so by itself.  Nor shall
	 * what was ready and is not tried: it fails within the grace period, or
	 * after an error that nobody has mended.  Another error: it was tried in
	 * vain, and the watch goes on trying.
	 */
	if (err && !(err == -ECANCELED && ready))
		clear_bit(OPI_DEV_F_HELD, &od->flags);
	else if (test_bit(OPI_DEV_F_HELD, &od->flags))
		dev_warn(&od->pdev->dev,
			 "waits for \"devlink health recover\"\n");
}

/**
 * opi_health_update - have the reporters show what the state of the device is
 * @od:		the device
 *
 * For what happens without a report: the card goes, comes back, or is started
 * by the watch.
 *
 * Context: devl_lock held.
 */
void opi_health_update(struct opi_dev *od)
{
	unsigned int i;

	if (!test_bit(OPI_DEV_F_REGISTERED, &od->flags))
		return;

	switch (od->state) {
	case OPI_DEV_STATE_READY:
		for (i = 0; i < OPI_N_REPORTERS; i++)
			devlink_health_reporter_state_update(od->reporters[i],
							     DEVLINK_HEALTH_REPORTER_STATE_HEALTHY);
		break;
	case OPI_DEV_STATE_FAILED:
		/* A report follows; devlink only recovers what was healthy. */
		if (test_bit(OPI_DEV_F_HELD, &od->flags))
			break;
		fallthrough;
	case OPI_DEV_STATE_GONE:
		devlink_health_reporter_state_update(od->reporters[OPI_REPORTER_FW],
						     DEVLINK_HEALTH_REPORTER_STATE_ERROR);
		break;
	default:
		break;
	}
}

/**
 * opi_health_init - make the reporters
 * @od:		the device
 *
 * Context: devl_lock held.
 * Return: 0 or a negative errno; there are none then.
 */
int opi_health_init(struct opi_dev *od)
{
	unsigned int i;

	for (i = 0; i < OPI_N_REPORTERS; i++) {
		struct devlink_health_reporter *reporter;

		reporter = opi_compat_health_create(priv_to_devlink(od),
						    &opi_reporter_ops[i], od);
		if (IS_ERR(reporter)) {
			opi_health_exit(od);
			return PTR_ERR(reporter);
		}
		od->reporters[i] = reporter;
	}
	return 0;
}

/**
 * opi_health_exit - remove the reporters
 * @od:		the device; nothing reports any more
 *
 * Context: devl_lock held.
 */
void opi_health_exit(struct opi_dev *od)
{
	unsigned int i = OPI_N_REPORTERS;

	while (i--) {
		if (od->reporters[i])
			devl_health_reporter_destroy(od->reporters[i]);
		od->reporters[i] = NULL;
	}
}
