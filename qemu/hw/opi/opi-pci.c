/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the PCI shells of the card (PF, VF, the DPU's function) have in common:
 * BARs, capabilities, MSI-X, and the accesses of the host's functions.
 */
#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/pci/msix.h"
#include "hw/pci/pcie.h"
#include "hw/pci/pcie_aer.h"
#include "opi-card.h"
#include "opi-pci.h"
#include "trace.h"

uint64_t opi_pci_doorbell_size(unsigned qps)
{
    return pow2ceil((uint64_t)(qps + 1) * OPI_DB_PAGE);
}

bool opi_pci_realize(PCIDevice *dev, OpiBars *bars, const MemoryRegionOps *regs,
                     const MemoryRegionOps *doorbells, void *opaque,
                     uint64_t doorbell_size, unsigned vectors, Error **errp)
{
    Object *obj = OBJECT(dev);
    unsigned i;

    dev->config[PCI_INTERRUPT_PIN] = 0;
    memory_region_init_io(&bars->regs, obj, regs, opaque, "opi-regs",
                          OPI_BAR_REGS_SIZE);
    pci_register_bar(dev, OPI_BAR_REGS, OPI_BAR_TYPE, &bars->regs);
    memory_region_init_io(&bars->doorbells, obj, doorbells, opaque,
                          "opi-doorbells", doorbell_size);
    pci_register_bar(dev, OPI_BAR_DOORBELLS, OPI_BAR_TYPE, &bars->doorbells);
    memory_region_init(&bars->msix, obj, "opi-msix", OPI_MSIX_BAR_SIZE);
    pci_register_bar(dev, OPI_BAR_MSIX, OPI_BAR_TYPE, &bars->msix);

    if (pcie_endpoint_cap_init(dev, OPI_CAP_EXP_OFF) < 0) {
        error_setg(errp, "no room for the PCI Express capability");
        return false;
    }
    if (msix_init(dev, vectors, &bars->msix, OPI_BAR_MSIX, 0, &bars->msix,
                  OPI_BAR_MSIX, OPI_MSIX_PBA_OFF, OPI_CAP_MSIX_OFF, errp)) {
        return false;
    }
    for (i = 0; i < vectors; i++) {
        msix_vector_use(dev, i);
    }
    pcie_cap_deverr_init(dev);
    pcie_cap_flr_init(dev);
    if (pcie_aer_init(dev, PCI_ERR_VER, OPI_CAP_AER_OFF, PCI_ERR_SIZEOF,
                      errp) < 0) {
        msix_uninit(dev, &bars->msix, &bars->msix);
        return false;
    }
    if (!pci_is_vf(dev)) {
        if (pci_pm_init(dev, OPI_CAP_PM_OFF, errp) < 0) {
            pcie_aer_exit(dev);
            msix_uninit(dev, &bars->msix, &bars->msix);
            return false;
        }
        pci_set_word(dev->config + OPI_CAP_PM_OFF + PCI_PM_PMC,
                     PCI_PM_CAP_VER_1_1);
        pci_set_word(dev->wmask + OPI_CAP_PM_OFF + PCI_PM_CTRL,
                     PCI_PM_CTRL_STATE_MASK);
        /* D3hot keeps what the driver set up, as the standard wants it. */
        pci_set_word(dev->config + OPI_CAP_PM_OFF + PCI_PM_CTRL,
                     PCI_PM_CTRL_NO_SOFT_RESET);
    }
    pcie_ari_init(dev, OPI_CAP_ARI_OFF);
    return true;
}

void opi_pci_exit(PCIDevice *dev, OpiBars *bars)
{
    pcie_aer_exit(dev);
    pcie_cap_exit(dev);
    msix_unuse_all_vectors(dev);
    msix_uninit(dev, &bars->msix, &bars->msix);
}

bool opi_pci_may_dma(const PCIDevice *dev)
{
    return (pci_get_word(dev->config + PCI_COMMAND) & PCI_COMMAND_MASTER) &&
           !(pci_get_word(dev->config + OPI_CAP_PM_OFF + PCI_PM_CTRL) &
             PCI_PM_CTRL_STATE_MASK);
}

/* ---- Functions of the host --------------------------------------------- */

static uint64_t opi_fn_regs_read(void *opaque, hwaddr addr, unsigned size)
{
    OpiFn *fn = opaque;

    return fn->dead ? UINT32_MAX : opi_fn_reg_read(fn, addr);
}

/*
 * The card is busy only if this access comes out of what it does itself (an
 * interrupt message aimed at its own BAR): not for it to obey.
 */
static void opi_fn_regs_write(void *opaque, hwaddr addr, uint64_t val,
                              unsigned size)
{
    OpiFn *fn = opaque;
    OpiCard *c = fn->card;

    if (c->busy) {
        trace_opi_reentered(addr);
        return;
    }
    opi_card_enter(c);
    opi_fn_reg_write(fn, addr, val);
    opi_card_leave(c);
}

static uint64_t opi_fn_doorbell_read(void *opaque, hwaddr addr, unsigned size)
{
    OpiFn *fn = opaque;

    return fn->dead ? UINT32_MAX : 0;
}

static void opi_fn_doorbell_write(void *opaque, hwaddr addr, uint64_t val,
                                  unsigned size)
{
    OpiFn *fn = opaque;
    OpiCard *c = fn->card;

    if (c->busy) {
        trace_opi_reentered(addr);
        return;
    }
    opi_card_enter(c);
    opi_fn_doorbell(fn, addr / OPI_DB_PAGE, addr % OPI_DB_PAGE, val);
    opi_card_run(c);
    opi_card_leave(c);
}

const MemoryRegionOps opi_fn_regs_ops = OPI_MMIO_OPS(opi_fn_regs_read,
                                                     opi_fn_regs_write);
const MemoryRegionOps opi_fn_doorbell_ops =
    OPI_MMIO_OPS(opi_fn_doorbell_read, opi_fn_doorbell_write);
