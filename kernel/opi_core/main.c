// SPDX-License-Identifier: GPL-2.0
/*
 * The driver: module, probe and remove, start and stop of a device, what the PCI
 * core says of resets, errors and sleep, and the work items that keep a device
 * going.  The same on both sides; the card tells which one this is.
 *
 * A device that is bound is not always started.  opi_dev_start() resets the
 * function and sets everything up, opi_dev_stop() ends all use of it; netdevs,
 * devlink ports, interrupts and the memory of rings stay in between.  The watch
 * starts a device whose card has come back, and stops one whose card has gone.
 */
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>

#include "opi_core.h"
#include "txrx.h"

#define OPI_WATCH_PERIOD	HZ
#define OPI_STALL_SECONDS	5	/* without a heartbeat: ask the card */
#define OPI_BACKOFF_MAX		16	/* s between attempts to start */
#define OPI_EVENT_BUDGET	64

/*
 * Read the card's state and show it.  Readers of netlink never wait for the
 * device: they see this copy.
 */
static void opi_dev_show(struct opi_dev *od, u32 more)
{
	devl_assert_locked(priv_to_devlink(od));

	opi_hw_read_state(od, &od->st);
	od->st.dev_state = od->state;
	opi_nl_dpu_update(&od->nl, &od->st, more);
}

/* What IDENTIFY says must fit what the registers say. */
static int opi_dev_identify(struct opi_dev *od)
{
	struct opi_identify id;
	int err;

	err = opi_cmd_identify(od, &id);
	if (err)
		return err;

	if (id.role != (opi_rd(od, OPI_REG_ROLE) & OPI_ROLE_ROLE_MASK) ||
	    le32_to_cpu(id.iface_version) >> 16 != OPI_IFACE_MAJOR)
		return -EPROTO;

	if (od->pdev->device == OPI_PCI_DEVICE_ID_VF) {
		err = opi_port_moved(od, le32_to_cpu(id.port),
				     le32_to_cpu(id.func_id));
		if (err)
			return err;
	} else if (id.serial != od->ident.serial) {
		/* Another card in the place of the old one: so are its ports. */
		opi_ports_remove(od);
		opi_funcs_remove(od);
	}
	rtnl_lock();
	od->ident = id;
	rtnl_unlock();
	WRITE_ONCE(od->caps, le64_to_cpu(id.caps));
	return 0;
}

/*
 * Queue pairs of our own are those that subfunctions leave.  netdevs keep the
 * number of queues that they were made with.
 */
static int opi_dev_limit_qps(struct opi_dev *od)
{
	u32 sfs = le32_to_cpu(od->ident.total_sfs);

	od->own_qps = od->n_qps;
	if (od->pdev->device == OPI_PCI_DEVICE_ID_PF)
		od->own_qps -= min(sfs, od->n_qps - 1);
	od->qs.max_qps = min(od->qs.max_qps, od->own_qps);
	return opi_qps_limit(&od->qs);
}

static int __opi_dev_start(struct opi_dev *od)
{
	int err;

	/* A reload found no memory for them. */
	if (!od->n_vecs)
		return -ENOMEM;

	err = opi_hw_reset(od);
	if (err)
		return err;
	err = opi_hw_limits(od);
	if (err)
		return err;
	err = opi_aq_start(od);
	if (err)
		return err;
	err = opi_dev_identify(od);
	if (err)
		return err;
	err = opi_dev_limit_qps(od);
	if (err)
		return err;
	err = opi_eqs_start(od);
	if (err)
		return err;
	err = opi_table_sync(od);
	if (err)
		return err;
	err = opi_rates_restore(od);
	if (err)
		return err;
	err = opi_netdevs_up(od);
	if (err)
		return err;
	/* Ready for traffic: the host gets carrier. */
	return opi_is_dpu(od) ? opi_cmd_boot_set(od, OPI_OS_BOOTED) : 0;
}

/*
 * From a copy of our own: that in @pdev is good for one time only, and a reset of
 * the function or a sleep may have been that.
 */
static void opi_dev_load_config(struct opi_dev *od)
{
	pci_load_saved_state(od->pdev, od->config);
	pci_restore_state(od->pdev);
}

/*
 * A reset of the physical function is one of its virtual functions, too; the PCI
 * core brings back the configuration of the former only.
 */
static void opi_dev_restore_config(struct opi_dev *od)
{
	struct pci_dev *pdev = od->pdev;
	u16 cmd;

	if (!pdev->is_virtfn || !od->n_vecs)
		return;
	pci_read_config_word(pdev, PCI_COMMAND, &cmd);
	if (!(cmd & PCI_COMMAND_MASTER))
		opi_dev_load_config(od);
}

/**
 * opi_dev_start - reset the function and set everything up
 * @od:		the device, stopped
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 * Return: 0 if it is started, -EBUSY if it must not be now, or another
 * negative errno; the device is stopped then, in the state that fits.
 */
int opi_dev_start(struct opi_dev *od)
{
	int err;

	devl_assert_locked(priv_to_devlink(od));

	if (test_bit(OPI_DEV_F_REMOVING, &od->flags) ||
	    test_bit(OPI_DEV_F_BLOCKED, &od->flags))
		return -EBUSY;
	if (od->state == OPI_DEV_STATE_READY)
		return 0;

	opi_dev_restore_config(od);
	err = __opi_dev_start(od);
	if (err) {
		enum opi_dev_state state = OPI_DEV_STATE_FAILED;
		int card = opi_hw_check(od);

		if (card == -ENXIO)
			state = OPI_DEV_STATE_GONE;
		else if (card == -ENODEV)
			state = OPI_DEV_STATE_ABSENT;
		else if (od->state != OPI_DEV_STATE_FAILED)
			dev_warn(&od->pdev->dev, "start failed: %pe\n",
				 ERR_PTR(err));
		opi_dev_stop(od, state);
		return err;
	}

	od->state = OPI_DEV_STATE_READY;
	clear_bit(OPI_DEV_F_HELD, &od->flags);
	od->stalled = 0;
	od->retry = 0;
	od->backoff = 1;
	opi_dev_show(od, 0);
	opi_health_update(od);
	/* This card may have others than the last one. */
	if (opi_resources_init(od))
		dev_warn(&od->pdev->dev, "no memory to show resources\n");
	return 0;
}

/**
 * opi_dev_stop - end all use of the function
 * @od:		the device, in whatever state
 * @state:	its state from now on
 *
 * Does not talk to the card but to read its state.
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 */
void opi_dev_stop(struct opi_dev *od, enum opi_dev_state state)
{
	devl_assert_locked(priv_to_devlink(od));

	od->state = state;
	opi_aq_stop(od);
	opi_netdevs_down(od);
	opi_eqs_stop(od);
	opi_dev_show(od, 0);
	opi_health_update(od);
	if (od->pdev->is_virtfn && state == OPI_DEV_STATE_ABSENT)
		opi_func_withheld(od);
}

/**
 * opi_dev_recover - stop the device and start it again
 * @od:		the device, in whatever state
 *
 * Context: devl_lock held, rtnl not held, may sleep.
 * Return: as opi_dev_start().
 */
int opi_dev_recover(struct opi_dev *od)
{
	if (test_bit(OPI_DEV_F_REMOVING, &od->flags) ||
	    test_bit(OPI_DEV_F_BLOCKED, &od->flags))
		return -EBUSY;

	opi_dev_stop(od, OPI_DEV_STATE_STARTING);
	return opi_dev_start(od);
}

/**
 * opi_dev_fail - something has failed
 * @od:		the device
 * @failure:	what
 *
 * Context: any.
 */
void opi_dev_fail(struct opi_dev *od, enum opi_failure failure)
{
	set_bit(failure, &od->failures);
	queue_work(od->wq, &od->health_work);
}

/**
 * opi_dev_queue_events - there are asynchronous events
 * @od:		the device
 *
 * Context: any.
 */
void opi_dev_queue_events(struct opi_dev *od)
{
	queue_work(od->wq, &od->event_work);
}

/**
 * opi_dev_queue_watch - look at the card's status now
 * @od:		the device
 *
 * Context: any.
 */
void opi_dev_queue_watch(struct opi_dev *od)
{
	mod_delayed_work(od->wq, &od->watch_work, 0);
}

/**
 * opi_dev_queue_reset - stop the device and start it again, soon
 * @od:		the device
 *
 * Context: any.
 */
void opi_dev_queue_reset(struct opi_dev *od)
{
	queue_work(od->wq, &od->reset_work);
}

/**
 * opi_dev_queue_qp - report a queue pair, which makes it anew, soon
 * @qs:		the queue pairs of a function
 * @index:	which of them
 * @half:	which half has failed
 *
 * A card that breaks it over and over again cannot keep the CPU busy.
 *
 * Context: any.
 */
void opi_dev_queue_qp(struct opi_qset *qs, unsigned int index,
		      enum opi_qp_half half)
{
	struct opi_dev *od = qs->od;
	bool again = time_before(jiffies, READ_ONCE(od->qp_restart) + HZ);

	set_bit(index, qs->failed[half]);
	queue_delayed_work(od->wq, &od->qp_work, again ? HZ : 0);
}

static void opi_event_handle(struct opi_dev *od, const struct opi_event *ev,
			     u32 *more, bool *show, bool *resync)
{
	struct opi_port *port;

	switch (ev->type) {
	case OPI_EV_QP_ERROR:
		dev_warn_ratelimited(&od->pdev->dev,
				     "queue pair %u stopped, error %u\n",
				     ev->queue, ev->sub);
		opi_qp_error(od, ev->queue,
			     ev->sub == OPI_QP_ERR_RXD ? OPI_QP_RX :
							 OPI_QP_TX);
		break;
	case OPI_EV_LINK:
		/* The answer is newer than the event. */
		port = xa_load(&od->ports, ev->port);
		if (port)
			opi_port_refresh(port);
		break;
	case OPI_EV_HOST_RESET:
		*more |= OPI_CHANGE_HOST_RESET;
		*show = true;
		break;
	case OPI_EV_PEER:
	case OPI_EV_BOOT:
	case OPI_EV_MODE:
		*show = true;
		break;
	case OPI_EV_LOST:
		od->st.events_lost += ev->value;
		*resync = true;
		break;
	case OPI_EV_FUNC:
		opi_func_event(od, ev);
		break;
	case OPI_EV_MIG:
		opi_mig_event(od, ev);
		break;
	default:
		break;
	}
}

/*
 * Whatever the events that were lost have said.  To a virtual function that was moved
 * the loss says that it may be another one.
 */
static void opi_dev_resync(struct opi_dev *od)
{
	int err = 0;

	if (od->pdev->device == OPI_PCI_DEVICE_ID_VF)
		err = opi_dev_identify(od);
	if (!err)
		err = opi_table_sync(od);
	if (!err)
		opi_ports_refresh(od);
	else if (!opi_no_service(err))
		/* Nothing else says once more that there is something to ask for. */
		opi_dev_queue_reset(od);
}

static void opi_event_work(struct work_struct *work)
{
	struct opi_dev *od = container_of(work, struct opi_dev, event_work);
	struct devlink *devlink = priv_to_devlink(od);
	bool show = false, resync = false, overflow;
	unsigned int budget = OPI_EVENT_BUDGET;
	struct opi_event ev;
	u32 more = 0;

	devl_lock(devlink);
	while (od->state == OPI_DEV_STATE_READY && budget &&
	       opi_async_pop(od, &ev, &overflow)) {
		budget--;
		if (overflow || ev.seq != od->event_seq + 1)
			resync = true;
		od->event_seq = ev.seq;
		opi_event_handle(od, &ev, &more, &show, &resync);
	}
	if (resync)
		opi_dev_resync(od);
	if (show || resync)
		opi_dev_show(od, more);
	devl_unlock(devlink);

	if (!budget)
		opi_dev_queue_events(od);
}

static void opi_reset_work(struct work_struct *work)
{
	struct opi_dev *od = container_of(work, struct opi_dev, reset_work);
	struct devlink *devlink = priv_to_devlink(od);

	devl_lock(devlink);
	/* A device that is stopped is the watch's business, or a reporter's. */
	if (od->state == OPI_DEV_STATE_READY)
		opi_dev_recover(od);
	devl_unlock(devlink);
}

static void opi_health_work(struct work_struct *work)
{
	struct opi_dev *od = container_of(work, struct opi_dev, health_work);

	opi_health_report(od, xchg(&od->failures, 0));
}

static void opi_qp_work(struct work_struct *work)
{
	struct opi_dev *od = container_of(to_delayed_work(work),
					  struct opi_dev, qp_work);
	struct opi_port *port;
	unsigned long id;

	opi_health_report_qps(od);
	/* Subfunctions have no health reporters. */
	rtnl_lock();
	xa_for_each(&od->ports, id, port)
		if (port->sf)
			opi_qps_restart(port->qs);
	rtnl_unlock();
	WRITE_ONCE(od->qp_restart, jiffies);
}

/* A card that does not count heartbeats any more may still answer. */
static void opi_watch_heartbeat(struct opi_dev *od)
{
	u32 heartbeat = opi_rd(od, OPI_REG_HEARTBEAT);

	if (heartbeat != od->heartbeat)
		od->stalled = 0;
	else
		od->stalled++;
	od->heartbeat = heartbeat;

	/* No answer is a failure of its own and reported as that. */
	if (od->stalled >= OPI_STALL_SECONDS) {
		od->stalled = 0;
		opi_cmd_nop(od);
	}
}

static void opi_watch_started(struct opi_dev *od, int card, bool second)
{
	u32 aq;

	switch (card) {
	case -ENXIO:
		dev_warn(&od->pdev->dev, "function does not answer\n");
		opi_dev_stop(od, OPI_DEV_STATE_GONE);
		return;
	case -ENODEV:
		dev_warn(&od->pdev->dev, "%s\n",
			 od->pdev->device == OPI_PCI_DEVICE_ID_VF ?
			 "function is not in service" : "card is absent");
		opi_dev_stop(od, OPI_DEV_STATE_ABSENT);
		return;
	case -EIO:
		opi_dev_fail(od, OPI_FAIL_FATAL);
		break;
	default:
		aq = opi_rd(od, OPI_REG_AQ_STATUS);
		if (aq & OPI_AQ_STATUS_ERROR)
			opi_dev_fail(od, OPI_FAIL_AQ);
		else if (!(aq & OPI_AQ_STATUS_ENABLED))
			/* Somebody has reset the function. */
			opi_dev_queue_reset(od);
		else if (second)
			opi_watch_heartbeat(od);
		break;
	}

	if (second) {
		opi_eqs_poke(od);
		opi_qps_poke(od);
		opi_sfs_poke(od);
	}
	opi_dev_show(od, 0);
}

static void opi_watch_stopped(struct opi_dev *od, int card, bool second)
{
	enum opi_dev_state was = od->state;

	if (card == -ENXIO || card == -ENODEV) {
		od->state = card == -ENXIO ? OPI_DEV_STATE_GONE :
					     OPI_DEV_STATE_ABSENT;
		od->retry = 0;
		od->backoff = 1;
		opi_dev_show(od, 0);
		return;
	}

	if (was == OPI_DEV_STATE_GONE || was == OPI_DEV_STATE_ABSENT)
		clear_bit(OPI_DEV_F_HELD, &od->flags);
	if (test_bit(OPI_DEV_F_HELD, &od->flags)) {
		opi_dev_show(od, 0);
		return;
	}

	if (od->retry) {
		od->retry -= second;
		return;
	}
	od->retry = od->backoff;
	od->backoff = min(od->backoff * 2, OPI_BACKOFF_MAX);
	if (!opi_dev_start(od))
		dev_info(&od->pdev->dev, "in service\n");
}

static void opi_watch_work(struct work_struct *work)
{
	struct opi_dev *od = container_of(to_delayed_work(work),
					  struct opi_dev, watch_work);
	struct devlink *devlink = priv_to_devlink(od);
	bool second;

	devl_lock(devlink);
	/* Interrupts have it look in between; what counts seconds does not count these. */
	second = time_after_eq(jiffies, od->watched + OPI_WATCH_PERIOD -
					OPI_WATCH_PERIOD / 8);
	if (second)
		od->watched = jiffies;
	if (!test_bit(OPI_DEV_F_BLOCKED, &od->flags)) {
		int card = opi_hw_check(od);

		/* Without its configuration no register answers. */
		if (card) {
			opi_dev_restore_config(od);
			card = opi_hw_check(od);
		}
		if (od->state == OPI_DEV_STATE_READY)
			opi_watch_started(od, card, second);
		else
			opi_watch_stopped(od, card, second);
	}
	devl_unlock(devlink);

	queue_delayed_work(od->wq, &od->watch_work, OPI_WATCH_PERIOD);
}

/* Work items run no more, and cannot be queued. */
static void opi_dev_disable_works(struct opi_dev *od)
{
	disable_delayed_work_sync(&od->watch_work);
	disable_work_sync(&od->event_work);
	disable_work_sync(&od->reset_work);
	disable_work_sync(&od->health_work);
	disable_delayed_work_sync(&od->qp_work);
	disable_work_sync(&od->rx_work);
}

/**
 * opi_dev_quiesce - see to it that the function does not reach our memory
 * @od:		the device, stopped
 *
 * Context: rtnl not held, may sleep.
 */
void opi_dev_quiesce(struct opi_dev *od)
{
	int err;

	err = opi_hw_reset(od);
	if (err && err != -ENXIO && err != -ENODEV)
		dev_warn(&od->pdev->dev, "last reset failed: %pe\n",
			 ERR_PTR(err));
	pci_clear_master(od->pdev);

	rtnl_lock();
	opi_qps_free_dead(od);
	rtnl_unlock();
}

/* A function that is there and not ours, or has no service, is left alone. */
static int opi_probe_check(struct opi_dev *od)
{
	int err;

	err = opi_hw_check(od);
	if (err == -ENXIO)
		return err;
	if (err == -ENODEV)
		return 0;

	if (od->pdev->device == OPI_PCI_DEVICE_ID_VF &&
	    !(opi_rd(od, OPI_REG_CAPS_LO) & OPI_CAP_SRIOV))
		return -ENODEV;

	err = opi_hw_limits(od);
	return err == -EPROTO ? -ENODEV : err;
}

static int opi_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct devlink *devlink;
	struct opi_dev *od;
	int err;

	devlink = devlink_alloc(&opi_devlink_ops, sizeof(*od), &pdev->dev);
	if (!devlink)
		return -ENOMEM;

	od = devlink_priv(devlink);
	od->pdev = pdev;
	od->n_qps = OPI_MAX_QPS;
	od->qs.od = od;
	od->qs.shared = opi_is_dpu(od);
	od->state = OPI_DEV_STATE_STARTING;
	od->timeout = msecs_to_jiffies(OPI_MIN_TIMEOUT_MS);
	od->backoff = 1;
	od->qp_restart = jiffies - HZ;
	od->watched = jiffies - OPI_WATCH_PERIOD;
	xa_init(&od->ports);
	xa_init(&od->qps);
	xa_init(&od->funcs);
	opi_nl_dpu_init(&od->nl);
	opi_sfs_init(od);
	INIT_LIST_HEAD(&od->dead_qps);
	opi_rates_init(od);
	spin_lock_init(&od->async.lock);
	INIT_WORK(&od->event_work, opi_event_work);
	INIT_WORK(&od->reset_work, opi_reset_work);
	INIT_WORK(&od->health_work, opi_health_work);
	INIT_DELAYED_WORK(&od->qp_work, opi_qp_work);
	INIT_WORK(&od->rx_work, opi_rx_work);
	INIT_DELAYED_WORK(&od->watch_work, opi_watch_work);
	pci_set_drvdata(pdev, od);

	err = pcim_enable_device(pdev);
	if (err)
		goto err_devlink;
	err = opi_hw_map(od);
	if (err)
		goto err_devlink;
	err = opi_probe_check(od);
	if (err)
		goto err_devlink;
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (err)
		goto err_devlink;

	od->wq = alloc_ordered_workqueue("opi-%s", WQ_FREEZABLE,
					 pci_name(pdev));
	if (!od->wq) {
		err = -ENOMEM;
		goto err_devlink;
	}
	opi_params_default(od);
	err = opi_vectors_init(od);
	if (err)
		goto err_wq;
	err = opi_aq_init(od);
	if (err)
		goto err_aq;
	err = opi_qs_init(&od->qs, 0, OPI_MAX_QPS);
	if (err)
		goto err_txrx;

	/*
	 * Who had the function before may have left it queues in memory that is ours now: none
	 * of them must be left when it may write again.  A card that does not answer now does
	 * no DMA, or is reset before it is used.
	 */
	opi_hw_reset(od);

	/* With the lock held, an early interrupt's work waits for us. */
	devl_lock(devlink);
	pci_set_master(pdev);
	pci_save_state(pdev);
	od->config = pci_store_saved_state(pdev);
	if (!od->config) {
		err = -ENOMEM;
		goto err_irqs;
	}
	err = opi_irqs_init(od);
	if (err)
		goto err_irqs;
	err = opi_health_init(od);
	if (err)
		goto err_health;
	err = opi_regions_init(od);
	if (err)
		goto err_regions;
	err = opi_params_init(od);
	if (err)
		goto err_regions;

	/*
	 * A card that is absent, or does not come up now, may do so later: the
	 * watch tries again.
	 */
	opi_dev_start(od);

	err = opi_resources_init(od);
	if (err)
		goto err_register;
	err = devl_register(devlink);
	if (err)
		goto err_register;
	opi_nl_dpu_add(&od->nl, devlink, &od->st);
	set_bit(OPI_DEV_F_REGISTERED, &od->flags);
	opi_health_update(od);
	devl_unlock(devlink);

	queue_delayed_work(od->wq, &od->watch_work, OPI_WATCH_PERIOD);
	return 0;

err_register:
	opi_rates_exit(od);
	devl_unlock(devlink);
	opi_sfs_exit(od);
	devl_lock(devlink);
	opi_ports_remove(od);
	opi_funcs_remove(od);
	opi_dev_stop(od, OPI_DEV_STATE_FAILED);
	opi_resources_exit(od);
	opi_params_exit(od);
err_regions:
	opi_regions_exit(od);
	opi_health_exit(od);
err_health:
	opi_irqs_exit(od);
err_irqs:
	set_bit(OPI_DEV_F_REMOVING, &od->flags);
	devl_unlock(devlink);
	opi_dev_disable_works(od);
	opi_dev_quiesce(od);
	kfree(od->config);
err_txrx:
	opi_qs_exit(&od->qs);
err_aq:
	opi_aq_exit(od);
	opi_vectors_exit(od);
err_wq:
	destroy_workqueue(od->wq);
err_devlink:
	xa_destroy(&od->funcs);
	xa_destroy(&od->qps);
	xa_destroy(&od->ports);
	devlink_free(devlink);
	return err;
}

static void opi_remove(struct pci_dev *pdev)
{
	struct opi_dev *od = pci_get_drvdata(pdev);
	struct devlink *devlink = priv_to_devlink(od);

	/* Virtual functions are nothing without this one. */
	opi_sriov_disable(pdev);
	opi_sfs_exit(od);

	set_bit(OPI_DEV_F_REMOVING, &od->flags);
	set_bit(OPI_DEV_F_LEAVING, &od->flags);
	/* Before that what they report to is gone. */
	opi_dev_disable_works(od);

	devl_lock(devlink);
	clear_bit(OPI_DEV_F_REGISTERED, &od->flags);
	opi_nl_dpu_del(&od->nl);
	devl_unregister(devlink);
	/* The host loses carrier in good order. */
	if (opi_is_dpu(od) && od->state == OPI_DEV_STATE_READY)
		opi_cmd_boot_set(od, OPI_OS_BOOTING);
	opi_rates_exit(od);
	opi_ports_remove(od);
	opi_funcs_remove(od);
	opi_dev_stop(od, OPI_DEV_STATE_STARTING);
	opi_resources_exit(od);
	opi_params_exit(od);
	opi_regions_exit(od);
	opi_health_exit(od);
	devl_unlock(devlink);

	opi_dev_quiesce(od);
	opi_irqs_exit(od);
	kfree(od->config);
	opi_qs_exit(&od->qs);
	opi_aq_exit(od);
	opi_vectors_exit(od);
	destroy_workqueue(od->wq);
	xa_destroy(&od->funcs);
	xa_destroy(&od->qps);
	xa_destroy(&od->ports);
	devlink_free(devlink);
}

/* Nothing may write to memory that the next kernel uses. */
static void opi_shutdown(struct pci_dev *pdev)
{
	struct opi_dev *od = pci_get_drvdata(pdev);
	struct devlink *devlink = priv_to_devlink(od);

	set_bit(OPI_DEV_F_BLOCKED, &od->flags);
	devl_lock(devlink);
	opi_dev_stop(od, OPI_DEV_STATE_STARTING);
	opi_dev_quiesce(od);
	devl_unlock(devlink);
}

/* The function goes to sleep or is reset by others: stop, and stay so. */
static void opi_dev_block(struct opi_dev *od)
{
	struct devlink *devlink = priv_to_devlink(od);

	set_bit(OPI_DEV_F_BLOCKED, &od->flags);
	devl_lock(devlink);
	opi_dev_stop(od, OPI_DEV_STATE_STARTING);
	devl_unlock(devlink);
}

/* It is back.  If the card does not start now, the watch tries again. */
static void opi_dev_unblock(struct opi_dev *od)
{
	struct devlink *devlink = priv_to_devlink(od);

	devl_lock(devlink);
	clear_bit(OPI_DEV_F_BLOCKED, &od->flags);
	opi_dev_start(od);
	devl_unlock(devlink);
}

static void opi_reset_prepare(struct pci_dev *pdev)
{
	opi_dev_block(pci_get_drvdata(pdev));
}

static void opi_reset_done(struct pci_dev *pdev)
{
	opi_dev_unblock(pci_get_drvdata(pdev));
}

static pci_ers_result_t opi_error_detected(struct pci_dev *pdev,
					   pci_channel_state_t state)
{
	if (state == pci_channel_io_normal)
		return PCI_ERS_RESULT_CAN_RECOVER;

	opi_dev_block(pci_get_drvdata(pdev));
	if (state == pci_channel_io_perm_failure)
		return PCI_ERS_RESULT_DISCONNECT;
	return PCI_ERS_RESULT_NEED_RESET;
}

static pci_ers_result_t opi_slot_reset(struct pci_dev *pdev)
{
	opi_dev_load_config(pci_get_drvdata(pdev));
	return PCI_ERS_RESULT_RECOVERED;
}

static void opi_error_resume(struct pci_dev *pdev)
{
	struct opi_dev *od = pci_get_drvdata(pdev);

	if (test_bit(OPI_DEV_F_BLOCKED, &od->flags))
		opi_dev_unblock(od);
}

static int opi_suspend(struct device *dev)
{
	struct opi_dev *od = dev_get_drvdata(dev);

	opi_dev_block(od);
	opi_hw_reset(od);
	return 0;
}

static int opi_resume(struct device *dev)
{
	opi_dev_unblock(dev_get_drvdata(dev));
	return 0;
}

static DEFINE_SIMPLE_DEV_PM_OPS(opi_pm_ops, opi_suspend, opi_resume);

static const struct pci_error_handlers opi_err_handlers = {
	.error_detected	= opi_error_detected,
	.slot_reset	= opi_slot_reset,
	.resume		= opi_error_resume,
	.reset_prepare	= opi_reset_prepare,
	.reset_done	= opi_reset_done,
};

static const struct pci_device_id opi_pci_ids[] = {
	{ PCI_DEVICE(OPI_PCI_VENDOR_ID, OPI_PCI_DEVICE_ID_PF) },
	{ PCI_DEVICE(OPI_PCI_VENDOR_ID, OPI_PCI_DEVICE_ID_VF) },
	{ PCI_DEVICE(OPI_PCI_VENDOR_ID, OPI_PCI_DEVICE_ID_DPU) },
	{ }
};
MODULE_DEVICE_TABLE(pci, opi_pci_ids);

static struct pci_driver opi_pci_driver;

/**
 * opi_dev_lock - have a device that this driver is bound to, and lock it
 * @dev:	a device, with a reference
 * @extack:	gets the reason if there is none
 *
 * Context: may sleep; no lock of ours held.
 * Return: the device, with device_lock and devl_lock held, or NULL if this
 * driver is not bound to it any more.
 */
struct opi_dev *opi_dev_lock(struct device *dev, struct netlink_ext_ack *extack)
{
	struct opi_dev *od;

	device_lock(dev);
	if (dev->driver != &opi_pci_driver.driver) {
		device_unlock(dev);
		NL_SET_ERR_MSG(extack, "the DPU is gone");
		return NULL;
	}
	od = dev_get_drvdata(dev);
	devl_lock(priv_to_devlink(od));
	return od;
}

/**
 * opi_dev_unlock - undo opi_dev_lock()
 * @od:		the device
 */
void opi_dev_unlock(struct opi_dev *od)
{
	struct device *dev = &od->pdev->dev;

	devl_unlock(priv_to_devlink(od));
	device_unlock(dev);
}

/**
 * opi_dev_of_vf - the physical function of a virtual function
 * @pdev:	the virtual function
 *
 * Context: any, by a driver that is bound to @pdev.
 * Return: the device, or NULL if another driver is bound to it.
 */
struct opi_dev *opi_dev_of_vf(struct pci_dev *pdev)
{
	struct opi_dev *od = pci_iov_get_pf_drvdata(pdev, &opi_pci_driver);

	return IS_ERR(od) ? NULL : od;
}

static struct pci_driver opi_pci_driver = {
	.name		= OPI_DRV_NAME,
	.id_table	= opi_pci_ids,
	.probe		= opi_probe,
	.remove		= opi_remove,
	.shutdown	= opi_shutdown,
	.sriov_configure = opi_sriov_configure,
	.err_handler	= &opi_err_handlers,
	.driver.pm	= pm_sleep_ptr(&opi_pm_ops),
};

static int __init opi_init(void)
{
	int err;

	err = opi_nl_init();
	if (err)
		return err;
	err = opi_qp_init();
	if (err)
		goto err_nl;
	err = opi_sf_driver_init();
	if (err)
		goto err_qp;
	err = pci_register_driver(&opi_pci_driver);
	if (err)
		goto err_sf;
	return 0;

err_sf:
	opi_sf_driver_exit();
err_qp:
	opi_qp_exit();
err_nl:
	opi_nl_exit();
	return err;
}
module_init(opi_init);

static void __exit opi_exit(void)
{
	pci_unregister_driver(&opi_pci_driver);
	opi_sf_driver_exit();
	opi_qp_exit();
	opi_nl_exit();
}
module_exit(opi_exit);

MODULE_DESCRIPTION("OPI: DPU/IPU cards, host side and DPU side");
MODULE_LICENSE("GPL");
