// SPDX-License-Identifier: GPL-2.0
/*
 * devlink health: "aq", the admin queue, and "fw", the card as a whole.  Both
 * recover in the same way: the function is reset and set up again.  "tx", a queue
 * that does not send, has the queue pair made anew.
 *
 * Reporters are told by a work item (main.c), because telling them may recover
 * and takes the devlink lock.
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
	unsigned int lost = opi_aq_lost_slots(od);
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

/* What we know of a sending half, and what the card says of it. */
static void opi_tx_put(struct opi_qp *qp, struct devlink_fmsg *fmsg, bool ring)
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
	if (!opi_cmd_qp_query(qp->od, qp->id, &info)) {
		devlink_fmsg_u32_pair_put(fmsg, "card_state", info.state);
		devlink_fmsg_u32_pair_put(fmsg, "card_error", info.error);
		devlink_fmsg_u32_pair_put(fmsg, "card_sent",
					  le32_to_cpu(info.sq_head));
	}
	devlink_fmsg_obj_nest_end(fmsg);
}

static void opi_tx_put_all(struct opi_dev *od, const unsigned long *which,
			   struct devlink_fmsg *fmsg, bool ring)
{
	unsigned int i;

	devlink_fmsg_arr_pair_nest_start(fmsg, "queues");
	rtnl_lock();
	for (i = 0; i < OPI_MAX_QPS; i++) {
		struct opi_qp *qp = rtnl_dereference(od->qps[i]);

		if (qp && (!which || test_bit(i, which)))
			opi_tx_put(qp, fmsg, ring);
	}
	rtnl_unlock();
	devlink_fmsg_arr_pair_nest_end(fmsg);
}

static int opi_tx_diagnose(struct devlink_health_reporter *reporter,
			   struct devlink_fmsg *fmsg,
			   struct netlink_ext_ack *extack)
{
	opi_tx_put_all(devlink_health_reporter_priv(reporter), NULL, fmsg,
		       false);
	return 0;
}

static int opi_tx_dump(struct devlink_health_reporter *reporter,
		       struct devlink_fmsg *fmsg, void *priv_ctx,
		       struct netlink_ext_ack *extack)
{
	opi_tx_put_all(devlink_health_reporter_priv(reporter), priv_ctx, fmsg,
		       true);
	return 0;
}

/* @priv_ctx: a bit for each queue pair; NULL: all of them. */
static int opi_tx_recover(struct devlink_health_reporter *reporter,
			  void *priv_ctx, struct netlink_ext_ack *extack)
{
	struct opi_dev *od = devlink_health_reporter_priv(reporter);
	const unsigned long *which = priv_ctx;
	unsigned int i;
	int err = 0;

	rtnl_lock();
	for (i = 0; i < OPI_MAX_QPS && !err; i++)
		if (!which || test_bit(i, which))
			err = opi_qp_restart(od, i);
	rtnl_unlock();
	if (err)
		NL_SET_ERR_MSG(extack, "a queue pair could not be made anew");
	return err;
}

static const struct devlink_health_reporter_ops opi_tx_reporter_ops = {
	.name		= "tx",
	.recover	= opi_tx_recover,
	.diagnose	= opi_tx_diagnose,
	.dump		= opi_tx_dump,
};

static const struct devlink_health_reporter_ops opi_aq_reporter_ops = {
	.name		= "aq",
	.recover	= opi_health_recover,
	.diagnose	= opi_aq_diagnose,
	.dump		= opi_aq_dump,
};

static const struct devlink_health_reporter_ops opi_fw_reporter_ops = {
	.name		= "fw",
	.recover	= opi_health_recover,
	.diagnose	= opi_fw_diagnose,
	.dump		= opi_fw_dump,
};

static void opi_health_report_tx(struct opi_dev *od)
{
	DECLARE_BITMAP(hung, OPI_MAX_QPS);
	unsigned int i;

	bitmap_zero(hung, OPI_MAX_QPS);
	for (i = 0; i < OPI_MAX_QPS; i++)
		if (test_and_clear_bit(i, od->tx_hung))
			__set_bit(i, hung);
	devlink_health_report(od->tx_reporter, "a queue does not send", hung);
}

/**
 * opi_health_report - tell the reporters what has failed
 * @od:		the device
 * @failures:	enum opi_failure, a bit each
 *
 * Unless an administrator has switched that off, it recovers: the device is
 * stopped and started again, or the queue pair is made anew.
 *
 * Context: devl_lock not held, may sleep.
 */
void opi_health_report(struct opi_dev *od, unsigned long failures)
{
	struct devlink *devlink = priv_to_devlink(od);
	bool registered;
	int err = 0;

	devl_lock(devlink);
	registered = test_bit(OPI_DEV_F_REGISTERED, &od->flags);
	if (registered && failures & (BIT(OPI_FAIL_AQ) | BIT(OPI_FAIL_FATAL))) {
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
		err = devlink_health_report(od->fw_reporter,
					    "card reports that it has failed",
					    NULL);
	else if (failures & BIT(OPI_FAIL_AQ))
		err = devlink_health_report(od->aq_reporter,
					    "card has stopped the admin queue",
					    NULL);
	else if (failures & BIT(OPI_FAIL_CMD_TIMEOUT))
		err = devlink_health_report(od->aq_reporter,
					    "command was not answered in time",
					    NULL);
	else if (failures & BIT(OPI_FAIL_TX))
		opi_health_report_tx(od);

	/*
	 * No error: it has recovered, or shall not do so by itself.  An error:
	 * it was tried in vain, and the watch goes on trying.
	 */
	if (err)
		clear_bit(OPI_DEV_F_HELD, &od->flags);
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
	if (!test_bit(OPI_DEV_F_REGISTERED, &od->flags))
		return;

	switch (od->state) {
	case OPI_DEV_STATE_READY:
		devlink_health_reporter_state_update(od->aq_reporter,
						     DEVLINK_HEALTH_REPORTER_STATE_HEALTHY);
		devlink_health_reporter_state_update(od->fw_reporter,
						     DEVLINK_HEALTH_REPORTER_STATE_HEALTHY);
		devlink_health_reporter_state_update(od->tx_reporter,
						     DEVLINK_HEALTH_REPORTER_STATE_HEALTHY);
		break;
	case OPI_DEV_STATE_FAILED:
		/* A report follows; devlink only recovers what was healthy. */
		if (test_bit(OPI_DEV_F_HELD, &od->flags))
			break;
		fallthrough;
	case OPI_DEV_STATE_GONE:
		devlink_health_reporter_state_update(od->fw_reporter,
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
 * Return: 0 or a negative errno.
 */
int opi_health_init(struct opi_dev *od)
{
	struct devlink *devlink = priv_to_devlink(od);
	struct devlink_health_reporter *reporter;

	reporter = opi_compat_health_create(devlink, &opi_aq_reporter_ops, od);
	if (IS_ERR(reporter))
		return PTR_ERR(reporter);
	od->aq_reporter = reporter;

	reporter = opi_compat_health_create(devlink, &opi_fw_reporter_ops, od);
	if (IS_ERR(reporter))
		goto err_aq;
	od->fw_reporter = reporter;

	reporter = opi_compat_health_create(devlink, &opi_tx_reporter_ops, od);
	if (IS_ERR(reporter))
		goto err_fw;
	od->tx_reporter = reporter;
	return 0;

err_fw:
	devl_health_reporter_destroy(od->fw_reporter);
err_aq:
	devl_health_reporter_destroy(od->aq_reporter);
	return PTR_ERR(reporter);
}

/**
 * opi_health_exit - remove the reporters
 * @od:		the device; nothing reports any more
 *
 * Context: devl_lock held.
 */
void opi_health_exit(struct opi_dev *od)
{
	devl_health_reporter_destroy(od->tx_reporter);
	devl_health_reporter_destroy(od->fw_reporter);
	devl_health_reporter_destroy(od->aq_reporter);
}
