// SPDX-License-Identifier: GPL-2.0
/*
 * Registers and doorbells: access, the reset handshake, limits, and the state
 * that the card shows in registers.
 *
 * Whoever reads a register may get all-ones, which means that the function is
 * gone; what is decided here on the way is bounded in time and in value.
 */
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/jiffies.h>

#include "opi_core.h"

/**
 * opi_rd - read a register
 * @od:		the device
 * @reg:	OPI_REG_*
 *
 * Context: any.
 * Return: its value; all-ones if the function is gone.
 */
u32 opi_rd(struct opi_dev *od, unsigned int reg)
{
	return readl(od->regs + reg);
}

/**
 * opi_wr - write a register
 * @od:		the device
 * @reg:	OPI_REG_*
 * @val:	value
 *
 * On the DPU side the write takes effect later (interface, "Registers").
 *
 * Context: any.
 */
void opi_wr(struct opi_dev *od, unsigned int reg, u32 val)
{
	writel(val, od->regs + reg);
}

/**
 * opi_db - ring a doorbell
 * @od:		the device
 * @page:	0: admin queue, n + 1: queue pair n; below what opi_hw_limits()
 *		found room for
 * @reg:	OPI_DB_*
 * @val:	the tail
 *
 * Context: any.  Earlier stores to memory are visible to the card first.
 */
void opi_db(struct opi_dev *od, unsigned int page, unsigned int reg, u32 val)
{
	writel(val, od->db + ((size_t)page << od->db_shift) + reg);
}

/**
 * opi_hw_map - map registers and doorbells
 * @od:		the device, enabled
 *
 * The mappings are managed: they end with the driver's binding.
 *
 * Return: 0 or a negative errno.
 */
int opi_hw_map(struct opi_dev *od)
{
	struct pci_dev *pdev = od->pdev;
	int err;

	if (pci_resource_len(pdev, OPI_BAR_REGS) < OPI_BAR_REGS_SIZE)
		return -ENXIO;

	err = pcim_request_all_regions(pdev, OPI_DRV_NAME);
	if (err)
		return err;

	od->regs = pcim_iomap(pdev, OPI_BAR_REGS, OPI_BAR_REGS_SIZE);
	od->db_size = pci_resource_len(pdev, OPI_BAR_DOORBELLS);
	od->db = pcim_iomap(pdev, OPI_BAR_DOORBELLS, 0);
	if (!od->regs || !od->db)
		return -ENOMEM;

	return 0;
}

/* Is there a card behind the function that serves it? */
static int opi_hw_served(struct opi_dev *od, u32 status)
{
	if (status == U32_MAX)
		return -ENXIO;
	if (status & OPI_DEV_STATUS_ABSENT)
		return -ENODEV;
	/* A virtual function that the DPU does not let us have. */
	if (od->pdev->device == OPI_PCI_DEVICE_ID_VF &&
	    !(status & (OPI_DEV_STATUS_READY | OPI_DEV_STATUS_FATAL)))
		return -ENODEV;
	return 0;
}

/**
 * opi_hw_check - is the card there and alive?
 * @od:		the device; it is not being reset
 *
 * Context: any.
 * Return: 0, -ENXIO if the function is gone, -ENODEV if the card behind it is
 * absent or withholds it, -EIO if the card has failed (interface, "Reset of a
 * function", "Functions").
 */
int opi_hw_check(struct opi_dev *od)
{
	u32 status = opi_rd(od, OPI_REG_DEV_STATUS);
	int err = opi_hw_served(od, status);

	if (err)
		return err;
	return status & OPI_DEV_STATUS_FATAL ? -EIO : 0;
}

static void opi_hw_read_timeout(struct opi_dev *od)
{
	u32 ms = opi_rd(od, OPI_REG_TIMEOUT);

	ms = clamp(ms, OPI_MIN_TIMEOUT_MS, OPI_MAX_TIMEOUT_MS);
	od->timeout = msecs_to_jiffies(ms);
}

/**
 * opi_hw_reset - reset the function and wait until that is done
 * @od:		the device
 *
 * Afterwards the card has no queues of this function and does no DMA for it.
 *
 * Context: may sleep, for as long as the register TIMEOUT says, at most 60 s.
 * Return: 0, or the error of opi_hw_check(), or -ETIMEDOUT.
 */
int opi_hw_reset(struct opi_dev *od)
{
	unsigned long end;
	u32 status, token;
	int err;

	status = opi_rd(od, OPI_REG_DEV_STATUS);
	err = opi_hw_served(od, status);
	if (err)
		return err;

	opi_hw_read_timeout(od);
	end = jiffies + od->timeout;

	/*
	 * Never 0, which is what other resets leave there, so that one that
	 * comes in between is not taken for ours.
	 */
	token = ((status >> OPI_DEV_STATUS_TOKEN_SHIFT) + 1) & 0xffff ?: 1;
	opi_wr(od, OPI_REG_DEV_CTRL,
	       OPI_DEV_CTRL_RESET | token << OPI_DEV_CTRL_TOKEN_SHIFT);

	for (;;) {
		bool last = time_after(jiffies, end);

		status = opi_rd(od, OPI_REG_DEV_STATUS);
		if (status == U32_MAX)
			return -ENXIO;
		if (status & OPI_DEV_STATUS_ABSENT)
			return -ENODEV;
		if (status >> OPI_DEV_STATUS_TOKEN_SHIFT == token) {
			if (status & OPI_DEV_STATUS_FATAL)
				return -EIO;
			if (status & OPI_DEV_STATUS_READY)
				return 0;
		}
		if (last)
			return -ETIMEDOUT;
		usleep_range(500, 2000);
	}
}

/**
 * opi_hw_limits - is this a card that we can drive, and what can it do?
 * @od:		the device, not absent
 *
 * Takes over the limits that the driver depends on, bounded by what the driver
 * has room for.
 *
 * Context: any.
 * Return: 0; -ENXIO if the function is gone; -EPROTO if it is none of ours, has
 * another major version, or offers less than the least that the driver needs.
 */
int opi_hw_limits(struct opi_dev *od)
{
	u32 magic, version, role, lim0, lim1, qps, eqs;
	unsigned int pages;
	u8 want;

	magic = opi_rd(od, OPI_REG_MAGIC);
	version = opi_rd(od, OPI_REG_VERSION);
	role = opi_rd(od, OPI_REG_ROLE) & OPI_ROLE_ROLE_MASK;
	lim0 = opi_rd(od, OPI_REG_LIMITS0);
	lim1 = opi_rd(od, OPI_REG_LIMITS1);
	if (magic == U32_MAX || lim1 == U32_MAX)
		return -ENXIO;

	switch (od->pdev->device) {
	case OPI_PCI_DEVICE_ID_PF:
		want = OPI_ROLE_HOST_PF;
		break;
	case OPI_PCI_DEVICE_ID_VF:
		want = OPI_ROLE_HOST_VF;
		break;
	default:
		want = OPI_ROLE_DPU;
		break;
	}
	if (magic != OPI_MAGIC || version >> 16 != OPI_IFACE_MAJOR ||
	    role != want) {
		dev_err(&od->pdev->dev,
			"unknown card: magic %#x version %#x role %u\n",
			magic, version, role);
		return -EPROTO;
	}

	qps = lim0 & OPI_LIMITS0_QPS_MASK;
	eqs = lim0 >> OPI_LIMITS0_EQS_SHIFT;
	/* Vectors are not allocated yet when this is called first. */
	od->n_eqs = od->n_vecs ? min(eqs, od->n_vecs) : eqs;
	od->aq.order = min(lim1 & OPI_LIMITS1_AQ_ORDER_MASK, OPI_AQ_ORDER);
	od->max_order = (lim1 >> OPI_LIMITS1_RING_ORDER_SHIFT) & 0xff;
	od->max_segs = (lim1 >> OPI_LIMITS1_SEGS_SHIFT) & 0xff;
	od->db_shift = (lim1 >> OPI_LIMITS1_DB_ORDER_SHIFT) & 0xff;

	/* A page for the admin queue and one for each queue pair in use. */
	pages = od->db_shift < 31 ? od->db_size >> od->db_shift : 0;
	if (!od->n_eqs || !qps || pages < 2 || od->db_shift < 3 ||
	    od->aq.order < OPI_AQ_ORDER_MIN ||
	    od->max_order < OPI_MIN_ORDER || !od->max_segs) {
		dev_err(&od->pdev->dev,
			"card offers too little: limits %#x %#x, %u doorbells\n",
			lim0, lim1, pages);
		return -EPROTO;
	}
	od->max_order = min(od->max_order, OPI_MAX_ORDER);
	od->n_qps = min(qps, pages - 1);

	opi_hw_read_timeout(od);
	return 0;
}

/**
 * opi_hw_read_state - read the state that netlink shows
 * @od:		the device
 * @st:		all but @dev_state and @events_lost is filled in; of a card that
 *		is gone or absent only what is known of its peer changes
 *
 * Context: any.
 * Return: 0 or an error of opi_hw_check() other than -EIO.
 */
int opi_hw_read_state(struct opi_dev *od, struct opi_nl_state *st)
{
	__le32 boot[sizeof(struct opi_boot_block) / sizeof(__le32)];
	u32 role, gen, peer, health;
	unsigned int i;
	int err;

	role = opi_rd(od, OPI_REG_ROLE);
	gen = opi_rd(od, OPI_REG_GENERATION);
	peer = opi_rd(od, OPI_REG_PEER);
	health = opi_rd(od, OPI_REG_HEALTH);
	for (i = 0; i < ARRAY_SIZE(boot); i++)
		boot[i] = cpu_to_le32(opi_rd(od, OPI_REG_BOOT +
					     i * sizeof(u32)));

	/* Looked at last, so that all of the above came from a living card. */
	err = opi_hw_check(od);
	if (err == -ENXIO || err == -ENODEV) {
		st->peer = OPI_PEER_ABSENT;
		st->boot_valid = false;
		return err;
	}

	st->serial = (u64)opi_rd(od, OPI_REG_SERIAL_HI) << 32 |
		     opi_rd(od, OPI_REG_SERIAL_LO);
	st->func_id = opi_rd(od, OPI_REG_FUNC_ID);
	st->iface_version = opi_rd(od, OPI_REG_VERSION);
	st->generation = gen;
	st->health = health;
	st->role = role & OPI_ROLE_ROLE_MASK;
	st->mode = (role & OPI_ROLE_MODE_MASK) >> OPI_ROLE_MODE_SHIFT;
	st->peer = peer;
	memcpy(&st->boot, boot, sizeof(boot));
	st->boot_valid = true;
	return 0;
}
