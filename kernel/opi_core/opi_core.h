/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The driver's own device structure, and the functions that its files offer
 * each other, one block per file.
 *
 * Not here: the layout of anything that the card sees (uapi/linux/opi_pci.h),
 * the admin queue (cmdq.h), event queues (eventq.h), queue pairs (txrx.h) and
 * the netlink family (netlink.h).
 *
 * Locks, outermost first:
 *
 *	device_lock(&pdev->dev)	held by the PCI core around probe, remove, reset
 *	devl_lock(devlink)	start and stop of the device, od->ports, od->funcs
 *	rtnl_lock()		netdevs, queue pairs and their settings
 *	port->lock		carrier and speed
 *	sq->lock		a send ring (softirq)
 *	aq.lock, eq->lock, async.lock	interrupts
 *
 * Admin commands sleep and may be given with devl_lock, rtnl, both or neither
 * held.  opi_aq_stop(), which ends all of them at once, takes none of the two.
 */
#ifndef _OPI_CORE_H
#define _OPI_CORE_H

#include <linux/auxiliary_bus.h>
#include <linux/bitmap.h>
#include <linux/idr.h>
#include <linux/if_vlan.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/pci.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>
#include <net/devlink.h>
#include <linux/opi_pci.h>

#include "cmdq.h"
#include "eventq.h"
#include "netlink.h"
#include "txrx.h"

#define OPI_DRV_NAME		"opi_core"
#define OPI_SF_NAME		"sf"	/* auxiliary devices are opi_core.sf.N */

/* Bounds on what the card says of itself. */
#define OPI_MAX_TIMEOUT_MS	60000
#define OPI_MIN_TIMEOUT_MS	100
#define OPI_MAX_PORTS		4096
#define OPI_MIN_PORT_MTU	68
#define OPI_MAX_PORT_MTU	9216

/* Bits of od->flags. */
enum opi_dev_flag {
	OPI_DEV_F_REGISTERED,	/* devlink and netlink show the device */
	OPI_DEV_F_REMOVING,	/* never start again */
	OPI_DEV_F_BLOCKED,	/* the PCI core resets or suspends the function */
	OPI_DEV_F_HELD,		/* failed; started only by the health reporters */
	OPI_DEV_F_LEAVING,	/* the last commands: none waits for a card that is mute */
};

/* Bits of od->failures: what the health reporters have yet to be told. */
enum opi_failure {
	OPI_FAIL_CMD_TIMEOUT,	/* a command was not answered */
	OPI_FAIL_AQ,		/* the card has stopped the admin queue */
	OPI_FAIL_FATAL,		/* the card says that it has failed */
	OPI_FAIL_TEST,		/* it has not: a reporter is tested */
};

/* The devlink health reporters, see health.c. */
enum opi_reporter {
	OPI_REPORTER_AQ,
	OPI_REPORTER_FW,
	OPI_REPORTER_TX,
	OPI_REPORTER_RX,
	OPI_N_REPORTERS,
};

/* The regions that devlink shows, see region.c. */
enum opi_region {
	OPI_REGION_REGS,
	OPI_REGION_AQ,
	OPI_REGION_EQS,
	OPI_N_REGIONS,
};

/* The resources that devlink shows, see resource.c. */
enum opi_resource {
	OPI_RESOURCE_QPS,
	OPI_RESOURCE_EQS,
	OPI_RESOURCE_VFS,
	OPI_RESOURCE_SFS,
	OPI_RESOURCE_NODES,
	OPI_N_RESOURCES,
};

/* How large a resource is, as shown, and how large it can be set. */
struct opi_resource_size {
	u64	size;
	u64	max;
};

/**
 * struct opi_init_config - what a device is made with, at probe and at a reload
 * @vecs_min:	MSI-X vectors, at least
 * @vecs_max:	MSI-X vectors, at most
 * @event_eq_order: log2 of event queue 0
 * @io_eq_order: log2 of the other event queues
 * @limits:	of resources, as set; U64_MAX: what the card has
 * @sriov:	virtual functions can be enabled
 */
struct opi_init_config {
	unsigned int	vecs_min;
	unsigned int	vecs_max;
	u8		event_eq_order;
	u8		io_eq_order;
	u64		limits[OPI_N_RESOURCES];
	bool		sriov;
};

/**
 * struct opi_func - a function that the card has for the host
 * @id:		function id
 * @epoch:	grows with each function that is new to this side, or was taken
 *		from it and given back; under devl_lock
 * @seen:	it is in the card's list; under devl_lock
 * @info:	as last heard; @state and @func_id are checked; under devl_lock
 * @mig:	its migration, on the DPU, as last heard and checked; under
 *		devl_lock
 * @nl:		netlink's part
 */
struct opi_func {
	u32			id;
	u64			epoch;
	bool			seen;
	struct opi_func_info	info;
	struct opi_nl_mig	mig;
	struct opi_nl_func	nl;
};

/**
 * struct opi_sf_dev - device of a subfunction on the host
 * @adev:	the device; its id has nothing to do with the subfunction's number
 * @od:		the physical function
 * @func_id:	of the subfunction
 * @epoch:	of the subfunction
 * @port:	its port
 * @sf:		its number
 * @retry:	its driver found no service: probe it again when there is
 * @gone:	removed: in od->sfs_gone
 */
struct opi_sf_dev {
	struct auxiliary_device	adev;
	struct opi_dev		*od;
	u32			func_id;
	u64			epoch;
	u32			port;
	u32			sf;
	bool			retry;
	struct list_head	gone;
};

/**
 * struct opi_dev - one function of a card, on either side
 * @pdev:	the PCI function
 * @config:	its configuration when it was probed
 * @flags:	OPI_DEV_F_*
 * @failures:	enum opi_failure, a bit each
 *
 * @init:	how it was made; under devl_lock
 * @resources:	sizes of the devlink resources; under devl_lock
 * @snapshots:	failures leave snapshots of the regions; under devl_lock
 *
 * @regs:	BAR 0
 * @db:		BAR 2
 * @db_size:	bytes of it
 * @db_shift:	log2 of the size of a doorbell page
 * @timeout:	jiffies; longest time of a command or a reset
 * @max_segs:	segments of a frame that the card takes
 * @max_order:	log2 of the largest ring that the card takes
 * @n_qps:	queue pairs that the card has
 * @own_qps:	of which the first are the function's, the rest its subfunctions'
 * @caps:	OPI_CAP_*; written under devl_lock
 *
 * @aq:		admin queue
 * @eqs:	event queues; number 0 has the asynchronous events
 * @n_vecs:	MSI-X vectors = size of @eqs
 * @n_eqs:	event queues in use
 * @async:	asynchronous events that wait for @event_work
 * @event_seq:	number of the last one; under devl_lock
 *
 * @state:	enum opi_dev_state; written under devl_lock
 * @ident:	last answer to IDENTIFY; written under devl_lock and rtnl, read
 *		under either
 * @st:		what netlink shows; under devl_lock
 * @nl:		netlink's part
 * @reporters:	devlink health reporters
 * @regions:	devlink regions; under devl_lock
 *
 * @ports:	struct opi_port by port id; changed under devl_lock, read by RCU
 * @n_ports:	how many
 * @funcs:	struct opi_func by function id; under devl_lock
 * @n_funcs:	how many
 * @func_epoch:	of the newest; under devl_lock
 * @sfs:	struct opi_sf_dev by function id; the business of @sf_work
 * @sfs_gone:	those that are removed and not freed yet; likewise
 * @sf_qps:	queue pairs that subfunctions have, by the card's number
 * @n_nested:	devlink instances nested in this one; under devl_lock
 * @rate_nodes:	struct opi_rate; under devl_lock
 * @rate_ids:	numbers of those
 *
 * @qs:		the function's own queue pairs; of the DPU, those of all ports
 * @qps:	all running queue pairs by the card's number; changed under rtnl,
 *		read by RCU
 * @qp_restart:	jiffies of the last time that some were made anew
 * @dead_qps:	stopped queue pairs that the card may still write to; under rtnl
 *
 * @wq:		ordered; runs all that follows
 * @event_work:	asynchronous events
 * @reset_work:	stops the device and starts it again
 * @health_work: reports @failures; may recover, hence not under devl_lock
 * @qp_work:	reports @qp_failed, which makes them anew
 * @rx_work:	gives receive filters to the card
 * @sf_work:	makes and removes devices of subfunctions; not in @wq
 * @watch_work:	each second: is the card still there, or is it back?
 * @heartbeat:	last value of the register
 * @stalled:	seconds for which it has not changed
 * @watched:	when the watch has last looked at what takes seconds, jiffies
 * @retry:	seconds until the next attempt to start
 * @backoff:	seconds between attempts
 */
struct opi_dev {
	struct pci_dev		*pdev;
	struct pci_saved_state	*config;
	unsigned long		flags;
	unsigned long		failures;

	struct opi_init_config	init;
	struct opi_resource_size resources[OPI_N_RESOURCES];
	bool			snapshots;

	void __iomem		*regs;
	void __iomem		*db;
	resource_size_t		db_size;
	unsigned int		db_shift;
	unsigned long		timeout;
	unsigned int		max_segs;
	unsigned int		max_order;
	unsigned int		n_qps;
	unsigned int		own_qps;
	u64			caps;

	struct opi_aq		aq;
	struct opi_eq		*eqs;
	unsigned int		n_vecs;
	unsigned int		n_eqs;
	struct opi_async	async;
	u32			event_seq;

	enum opi_dev_state	state;
	struct opi_identify	ident;
	struct opi_nl_state	st;
	struct opi_nl_dpu	nl;
	struct devlink_health_reporter *reporters[OPI_N_REPORTERS];
	struct {
		struct devlink_region	*region;
		u32			size;
	} regions[OPI_N_REGIONS];

	struct xarray		ports;
	unsigned int		n_ports;
	struct xarray		funcs;
	unsigned int		n_funcs;
	u64			func_epoch;
	struct xarray		sfs;
	struct list_head	sfs_gone;
	struct ida		sf_qps;
	unsigned int		n_nested;
	struct list_head	rate_nodes;
	struct ida		rate_ids;

	struct opi_qset		qs;
	struct xarray		qps;
	unsigned long		qp_restart;
	struct list_head	dead_qps;

	struct workqueue_struct	*wq;
	struct work_struct	event_work;
	struct work_struct	reset_work;
	struct work_struct	health_work;
	struct delayed_work	qp_work;
	struct work_struct	rx_work;
	struct work_struct	sf_work;
	struct delayed_work	watch_work;
	u32			heartbeat;
	unsigned long		watched;
	unsigned int		stalled;
	unsigned int		retry;
	unsigned int		backoff;
};

/* Bits of port->flags. */
enum opi_port_flag {
	OPI_PORT_F_RX_DIRTY,	/* the card does not know what shall be received */
};

/**
 * struct opi_rate_values - of a leaf or node
 * @max:	bytes a second at most; 0: no limit
 * @share:	bytes a second before others get more
 * @priority:	0 to OPI_RATE_PRIORITY_MAX
 * @weight:	1 to OPI_RATE_WEIGHT_MAX
 */
struct opi_rate_values {
	u64	max;
	u64	share;
	u32	priority;
	u32	weight;
};

/**
 * struct opi_rate - a leaf or node of the card's rates; all under devl_lock
 * @od:		the device
 * @kind:	enum opi_rate_kind
 * @id:		of the port or of the node
 * @val:	what the card has, or is given when it is there
 * @parent:	node above it, or NULL
 * @n_nodes:	nodes below it
 * @list:	node: in od->rate_nodes
 */
struct opi_rate {
	struct opi_dev		*od;
	u8			kind;
	u32			id;
	struct opi_rate_values	val;
	struct opi_rate		*parent;
	unsigned int		n_nodes;
	struct list_head	list;
};

/**
 * struct opi_police - limit of what comes out of a port; all under rtnl
 * @cookie:	the filter's; 0: there is none
 * @rate:	units a second
 * @burst:	units at once
 * @unit:	enum opi_police_unit
 * @frames:	that had passed when the filter's counters were last read
 * @bytes:	their bytes
 * @drops:	that had been dropped then
 */
struct opi_police {
	unsigned long	cookie;
	u64		rate;
	u32		burst;
	u8		unit;
	u64		frames;
	u64		bytes;
	u64		drops;
};

/**
 * struct opi_port - a port of the card that this side has an end of
 * @od:		the device
 * @qs:		queue pairs of its netdev
 * @sf:		the host's subfunction that it belongs to, or NULL
 * @id:		port id, and index of the devlink port
 * @func_id:	the function behind it
 * @type:	enum opi_port_type
 * @pf:		PF number; uplink: number of the physical port
 * @seen:	it is in the card's list; under devl_lock
 * @lock:	held from asking for the port's state until that is acted upon
 * @speed:	Mbit/s, 0: unknown
 * @flags:	OPI_PORT_F_*
 * @max_mtu:	the card's limit
 * @features:	of the netdev, as last set; under rtnl
 * @vlans:	VLANs that the filter passes, a bit each; under rtnl
 * @promisc_told: that the card refuses promiscuous mode
 * @rate:	of the function
 * @police:	of what comes out of it
 * @dl:		devlink port
 * @netdev:	this side's netdev
 *
 * Lives from before register_netdev() until after the netdev is freed.
 */
struct opi_port {
	struct opi_dev		*od;
	struct opi_qset		*qs;
	struct opi_sf		*sf;
	u32			id;
	u32			func_id;
	u8			type;
	u16			pf;
	bool			seen;
	struct mutex		lock;	/* order of answers about the state */
	u32			speed;
	unsigned long		flags;
	unsigned int		max_mtu;
	netdev_features_t	features;
	u8			vlans[VLAN_N_VID / 8];
	bool			promisc_told;
	struct opi_rate		rate;
	struct opi_police	police;
	struct devlink_port	dl;
	struct net_device	*netdev;
};

/* Was a command not answered because the service ends or the card is gone? */
static inline bool opi_no_service(int err)
{
	return err == -ENODEV || err == -ENXIO;
}

/* Was a command not answered, for whatever reason?  So will be the next one. */
static inline bool opi_no_answer(int err)
{
	return err == -ETIMEDOUT || err == -EBUSY || opi_no_service(err);
}

static inline bool opi_is_dpu(const struct opi_dev *od)
{
	return od->pdev->device == OPI_PCI_DEVICE_ID_DPU;
}

/* ---- main.c ------------------------------------------------------------ */

struct opi_dev *opi_dev_lock(struct device *dev,
			     struct netlink_ext_ack *extack);
void opi_dev_unlock(struct opi_dev *od);
struct opi_dev *opi_dev_of_vf(struct pci_dev *pdev);
int opi_dev_start(struct opi_dev *od);
void opi_dev_stop(struct opi_dev *od, enum opi_dev_state state);
int opi_dev_recover(struct opi_dev *od);
void opi_dev_quiesce(struct opi_dev *od);
void opi_dev_fail(struct opi_dev *od, enum opi_failure failure);
void opi_dev_queue_events(struct opi_dev *od);
void opi_dev_queue_watch(struct opi_dev *od);
void opi_dev_queue_reset(struct opi_dev *od);
void opi_dev_queue_qp(struct opi_qset *qs, unsigned int index,
		      enum opi_qp_half half);

/* ---- hw.c -------------------------------------------------------------- */

u32 opi_rd(struct opi_dev *od, unsigned int reg);
void opi_wr(struct opi_dev *od, unsigned int reg, u32 val);
void opi_db(struct opi_dev *od, unsigned int page, unsigned int reg, u32 val);
int opi_hw_map(struct opi_dev *od);
int opi_hw_check(struct opi_dev *od);
int opi_hw_reset(struct opi_dev *od);
int opi_hw_limits(struct opi_dev *od);
int opi_hw_read_state(struct opi_dev *od, struct opi_nl_state *st);

/* ---- irq.c ------------------------------------------------------------- */

int opi_irqs_init(struct opi_dev *od);
void opi_irqs_exit(struct opi_dev *od);
int opi_vectors_init(struct opi_dev *od);
void opi_vectors_exit(struct opi_dev *od);

/* ---- devlink.c --------------------------------------------------------- */

extern const struct devlink_ops opi_devlink_ops;

void opi_text(char *dst, const char *src, size_t len);
int opi_info_put(struct opi_dev *od, struct devlink_info_req *req);

/* ---- port.c ------------------------------------------------------------ */

struct opi_port *opi_port_make(struct opi_dev *od, u32 id, struct opi_qset *qs,
			       struct opi_sf *sf, struct devlink *devlink);
void opi_port_del(struct opi_port *port);
int opi_port_found(struct opi_dev *od, u32 id);
void opi_port_gone(struct opi_dev *od, u32 id, u32 func_id);
int opi_port_moved(struct opi_dev *od, u32 id, u32 func_id);
int opi_ports_sync(struct opi_dev *od);
void opi_ports_remove(struct opi_dev *od);
void opi_ports_refresh(struct opi_dev *od);
void opi_ports_readdress(struct opi_dev *od, u32 id);
int opi_port_refresh(struct opi_port *port);

/* ---- port_fn.c --------------------------------------------------------- */

extern const struct devlink_port_ops opi_port_pf_ops;
extern const struct devlink_port_ops opi_port_vf_ops;
extern const struct devlink_port_ops opi_port_sf_ops;

int opi_port_new(struct devlink *devlink,
		 const struct devlink_port_new_attrs *attrs,
		 struct netlink_ext_ack *extack, struct devlink_port **dl);

/* ---- func.c ------------------------------------------------------------ */

int opi_list_ids(struct opi_dev *od,
		 int (*list)(struct opi_dev *od, u32 start, __le32 *ids,
			     unsigned int max),
		 int (*found)(struct opi_dev *od, u32 id), unsigned int max);
int opi_table_sync(struct opi_dev *od);
void opi_funcs_remove(struct opi_dev *od);
int opi_func_reread(struct opi_dev *od, u32 id);
struct opi_port *opi_func_made(struct opi_dev *od, u32 id);
void opi_func_gone(struct opi_dev *od, u32 id);
void opi_func_withheld(struct opi_dev *od);
void opi_func_event(struct opi_dev *od, const struct opi_event *ev);
void opi_func_refresh(struct opi_dev *od, struct opi_func *func);

/* ---- mig.c ------------------------------------------------------------- */

void opi_mig_read(struct opi_dev *od, const struct opi_func_info *info,
		  struct opi_nl_mig *mig);
void opi_mig_event(struct opi_dev *od, const struct opi_event *ev);

/* ---- sriov.c ----------------------------------------------------------- */

int opi_sriov_configure(struct pci_dev *pdev, int num_vfs);
void opi_sriov_disable(struct pci_dev *pdev);

/* ---- sf.c -------------------------------------------------------------- */

void opi_sfs_init(struct opi_dev *od);
void opi_sfs_exit(struct opi_dev *od);
void opi_sfs_update(struct opi_dev *od);

/* ---- sfdev.c ----------------------------------------------------------- */

int opi_sf_driver_init(void);
void opi_sf_driver_exit(void);
int opi_sf_up(struct opi_sf *sf);
void opi_sfs_poke(struct opi_dev *od);
void opi_sf_down(struct opi_sf *sf);

/* ---- health.c ---------------------------------------------------------- */

int opi_health_init(struct opi_dev *od);
void opi_health_exit(struct opi_dev *od);
void opi_health_report(struct opi_dev *od, unsigned long failures);
void opi_health_report_qps(struct opi_dev *od);
void opi_health_update(struct opi_dev *od);

/* ---- region.c ---------------------------------------------------------- */

int opi_regions_init(struct opi_dev *od);
void opi_regions_snapshot(struct opi_dev *od);
void opi_regions_exit(struct opi_dev *od);

/* ---- reload.c ---------------------------------------------------------- */

int opi_reload_down(struct devlink *devlink, bool netns_change,
		    enum devlink_reload_action action,
		    enum devlink_reload_limit limit,
		    struct netlink_ext_ack *extack);
int opi_reload_up(struct devlink *devlink, enum devlink_reload_action action,
		  enum devlink_reload_limit limit, u32 *actions_performed,
		  struct netlink_ext_ack *extack);

/* ---- param.c ----------------------------------------------------------- */

void opi_params_default(struct opi_dev *od);
int opi_params_init(struct opi_dev *od);
void opi_params_exit(struct opi_dev *od);
void opi_params_apply(struct opi_dev *od);

/* ---- resource.c -------------------------------------------------------- */

int opi_resources_init(struct opi_dev *od);
void opi_resources_exit(struct opi_dev *od);
int opi_resources_apply(struct opi_dev *od, struct netlink_ext_ack *extack);
u64 opi_resource_in_use(struct opi_dev *od, enum opi_resource i);
int opi_resource_check(struct opi_dev *od, enum opi_resource i, u64 n,
		       struct netlink_ext_ack *extack);

/* ---- netdev.c ---------------------------------------------------------- */

int opi_netdev_add(struct opi_port *port, const struct opi_port_info *info);
int opi_netdev_register(struct opi_port *port,
			const struct opi_port_info *info, const u8 *mac,
			const struct net_device_ops *ops);
void opi_netdev_del(struct opi_port *port);
void opi_netdev_readdress(struct opi_port *port, const u8 *mac);
struct opi_port *opi_netdev_port(const struct net_device *netdev);
int opi_netdev_open(struct net_device *netdev);
int opi_netdev_stop(struct net_device *netdev);
int opi_netdev_change_mtu(struct net_device *netdev, int mtu);
int opi_netdev_set_mac(struct net_device *netdev, void *addr);
void opi_netdev_tx_timeout(struct net_device *netdev, unsigned int txq);
bool opi_port_owns_qps(const struct opi_port *port,
		       struct netlink_ext_ack *extack);
int opi_netdev_set_queues(struct net_device *netdev);
int opi_netdev_restore(struct opi_port *port);
int opi_netdevs_up(struct opi_dev *od);
void opi_netdevs_down(struct opi_dev *od);

/* ---- filter.c ---------------------------------------------------------- */

void opi_features_init(struct net_device *netdev);
netdev_features_t opi_fix_features(struct net_device *netdev,
				   netdev_features_t features);
int opi_set_features(struct net_device *netdev, netdev_features_t features);
int opi_port_set_rx(struct opi_port *port);
int opi_vlan_add(struct net_device *netdev, __be16 proto, u16 vid);
int opi_vlan_kill(struct net_device *netdev, __be16 proto, u16 vid);
void opi_set_rx_mode(struct net_device *netdev);
void opi_rx_work(struct work_struct *work);

/* ---- rep.c ------------------------------------------------------------- */

int opi_rep_add(struct opi_port *port, const struct opi_port_info *info);

/* ---- rep_tc.c ---------------------------------------------------------- */

int opi_rep_setup_tc(struct net_device *netdev, enum tc_setup_type type,
		     void *type_data);
int opi_tc_restore(struct opi_port *port);
bool opi_tc_busy(const struct opi_port *port);

/* ---- rate.c ------------------------------------------------------------ */

int opi_rate_tx_share_set(struct devlink_rate *dl, void *priv, u64 tx_share,
			  struct netlink_ext_ack *extack);
int opi_rate_tx_max_set(struct devlink_rate *dl, void *priv, u64 tx_max,
			struct netlink_ext_ack *extack);
int opi_rate_tx_priority_set(struct devlink_rate *dl, void *priv, u32 priority,
			     struct netlink_ext_ack *extack);
int opi_rate_tx_weight_set(struct devlink_rate *dl, void *priv, u32 weight,
			   struct netlink_ext_ack *extack);
int opi_rate_parent_set(struct devlink_rate *child, struct devlink_rate *parent,
			void *priv_child, void *priv_parent,
			struct netlink_ext_ack *extack);
int opi_rate_node_new(struct devlink_rate *node, void **priv,
		      struct netlink_ext_ack *extack);
int opi_rate_node_del(struct devlink_rate *node, void *priv,
		      struct netlink_ext_ack *extack);
u32 opi_rate_max_nodes(const struct opi_dev *od);
int opi_rate_leaf_add(struct opi_port *port);
void opi_rate_leaf_del(struct opi_port *port);
int opi_rates_restore(struct opi_dev *od);
void opi_rates_init(struct opi_dev *od);
void opi_rates_exit(struct opi_dev *od);

/* ---- ethtool.c --------------------------------------------------------- */

extern const struct ethtool_ops opi_ethtool_ops;

#endif /* _OPI_CORE_H */
