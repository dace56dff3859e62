/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OPI card: the physical function on the host's bus ("opi-dpu"): config space,
 * BARs, MSI-X, resets.  A shell: what accesses mean is in opi-fn.c.
 */
#include "qemu/osdep.h"
#include "qemu/module.h"
#include "qapi/error.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pcie.h"
#include "hw/pci/pcie_aer.h"
#include "hw/pci/pcie_sriov.h"
#include "migration/vmstate.h"
#include "opi-card.h"
#include "opi-pci.h"
#include "trace.h"

OBJECT_DECLARE_SIMPLE_TYPE(OpiPf, OPI_PF)

struct OpiPf {
    PCIDevice parent_obj;

    OpiCard *card;
    OpiBars bars;
};

/* ---- Common to PF, VF and the DPU's function --------------------------- */

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

/* ---- The PF ------------------------------------------------------------ */

static uint64_t opi_pf_read(void *opaque, hwaddr addr, unsigned size)
{
    OpiPf *s = opaque;
    OpiFn *fn = &s->card->host;

    return fn->dead ? UINT32_MAX : opi_fn_reg_read(fn, addr);
}

/*
 * The card is busy only if this access comes out of what it does itself (an
 * interrupt message aimed at its own BAR): not for it to obey.
 */
static void opi_pf_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    OpiPf *s = opaque;
    OpiCard *c = s->card;

    if (c->busy) {
        trace_opi_reentered(addr);
        return;
    }
    opi_card_enter(c);
    opi_fn_reg_write(&c->host, addr, val);
    opi_card_leave(c);
}

static uint64_t opi_pf_doorbell_read(void *opaque, hwaddr addr, unsigned size)
{
    OpiPf *s = opaque;

    return s->card->host.dead ? UINT32_MAX : 0;
}

static void opi_pf_doorbell_write(void *opaque, hwaddr addr, uint64_t val,
                                  unsigned size)
{
    OpiPf *s = opaque;
    OpiCard *c = s->card;

    if (c->busy) {
        trace_opi_reentered(addr);
        return;
    }
    opi_card_enter(c);
    opi_fn_doorbell(&c->host, addr / OPI_DB_PAGE, addr % OPI_DB_PAGE, val);
    opi_card_run(c);
    opi_card_leave(c);
}

static const MemoryRegionOps opi_pf_ops = OPI_MMIO_OPS(opi_pf_read,
                                                       opi_pf_write);
static const MemoryRegionOps opi_pf_doorbell_ops =
    OPI_MMIO_OPS(opi_pf_doorbell_read, opi_pf_doorbell_write);

static void opi_pf_config_write(PCIDevice *dev, uint32_t addr, uint32_t val,
                                int len)
{
    pci_default_write_config(dev, addr, val, len);
    pcie_cap_flr_write_config(dev, addr, val, len);
}

void opi_pf_boot_block(PCIDevice *pf, const struct opi_boot_block *boot)
{
    memcpy(pf->config + OPI_CAP_DVSEC_OFF + OPI_DVSEC_BODY, boot,
           sizeof(*boot));
}

static void opi_pf_dvsec_init(PCIDevice *dev)
{
    uint8_t *cap = dev->config + OPI_CAP_DVSEC_OFF;

    pcie_add_capability(dev, PCI_EXT_CAP_ID_DVSEC, 1, OPI_CAP_DVSEC_OFF,
                        OPI_CAP_DVSEC_SIZE);
    pci_set_long(cap + PCI_DVSEC_HEADER1,
                 OPI_PCI_VENDOR_ID | OPI_DVSEC_REV << 16 |
                 (uint32_t)OPI_CAP_DVSEC_SIZE << 20);
    pci_set_word(cap + PCI_DVSEC_HEADER2, OPI_DVSEC_ID);
}

static void opi_pf_realize(PCIDevice *dev, Error **errp)
{
    OpiPf *s = OPI_PF(dev);
    uint64_t db_size;

    if (!s->card || !DEVICE(s->card)->realized) {
        error_setg(errp, "card must name an opi-card");
        return;
    }
    if (s->card->pf) {
        error_setg(errp, "that opi-card has its opi-dpu already");
        return;
    }
    if (!pci_bus_is_express(pci_get_bus(dev)) ||
        pci_bus_is_root(pci_get_bus(dev))) {
        error_setg(errp, "opi-dpu belongs on a pcie-root-port");
        return;
    }
    db_size = opi_pci_doorbell_size(s->card->max_qps);
    if (!opi_pci_realize(dev, &s->bars, &opi_pf_ops, &opi_pf_doorbell_ops, s,
                         db_size, s->card->max_qps + 1, errp)) {
        return;
    }
    pcie_dev_ser_num_init(dev, OPI_CAP_DSN_OFF, s->card->serial);
    if (!pcie_sriov_pf_init(dev, OPI_CAP_SRIOV_OFF, TYPE_OPI_VF,
                            OPI_PCI_DEVICE_ID_VF, OPI_VFS, OPI_VFS,
                            OPI_VF_OFFSET, OPI_VF_STRIDE, errp)) {
        opi_pci_exit(dev, &s->bars);
        return;
    }
    pcie_sriov_pf_init_vf_bar(dev, OPI_BAR_REGS, OPI_BAR_TYPE,
                              OPI_BAR_REGS_SIZE);
    pcie_sriov_pf_init_vf_bar(dev, OPI_BAR_DOORBELLS, OPI_BAR_TYPE,
                              opi_pci_doorbell_size(OPI_VF_QPS));
    pcie_sriov_pf_init_vf_bar(dev, OPI_BAR_MSIX, OPI_BAR_TYPE,
                              OPI_MSIX_BAR_SIZE);
    opi_pf_dvsec_init(dev);
    opi_card_attach_pf(s->card, dev);
}

static void opi_pf_exit(PCIDevice *dev)
{
    OpiPf *s = OPI_PF(dev);

    opi_card_detach_pf(s->card);
    pcie_sriov_pf_exit(dev);
    opi_pci_exit(dev, &s->bars);
}

static void opi_pf_reset_hold(Object *obj, ResetType type)
{
    PCIDevice *dev = PCI_DEVICE(obj);
    OpiPf *s = OPI_PF(obj);
    bool flr = pci_get_word(dev->config + dev->exp.exp_cap + PCI_EXP_DEVCTL) &
               PCI_EXP_DEVCTL_BCR_FLR;

    pcie_cap_deverr_reset(dev);
    opi_card_host_reset(s->card, flr);
}

static const Property opi_pf_props[] = {
    DEFINE_PROP_LINK("card", OpiPf, card, TYPE_OPI_CARD, OpiCard *),
};

static const VMStateDescription opi_pf_vmstate = {
    .name = TYPE_OPI_PF,
    .unmigratable = 1,
};

static void opi_pf_class_init(ObjectClass *oc, OpiClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);
    ResettableClass *rc = RESETTABLE_CLASS(oc);

    pc->realize = opi_pf_realize;
    pc->exit = opi_pf_exit;
    pc->config_write = opi_pf_config_write;
    pc->vendor_id = OPI_PCI_VENDOR_ID;
    pc->device_id = OPI_PCI_DEVICE_ID_PF;
    pc->subsystem_vendor_id = OPI_PCI_VENDOR_ID;
    pc->subsystem_id = OPI_PCI_DEVICE_ID_PF;
    pc->revision = 1;
    pc->class_id = PCI_CLASS_NETWORK_ETHERNET;
    rc->phases.hold = opi_pf_reset_hold;
    dc->vmsd = &opi_pf_vmstate;
    dc->desc = "OPI DPU card, physical function";
    set_bit(DEVICE_CATEGORY_NETWORK, dc->categories);
    device_class_set_props(dc, opi_pf_props);
}

static const TypeInfo opi_pf_info = {
    .name = TYPE_OPI_PF,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(OpiPf),
    .class_init = opi_pf_class_init,
    .interfaces = OPI_INTERFACES {
        { INTERFACE_PCIE_DEVICE },
        { }
    },
};

static void opi_pf_register(void)
{
    type_register_static(&opi_pf_info);
}

type_init(opi_pf_register)

OpiCard *opi_pf_card(PCIDevice *pf)
{
    return OPI_PF(pf)->card;
}
