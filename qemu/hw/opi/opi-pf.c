/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OPI card: the physical function on the host's bus ("opi-dpu"): config space,
 * SR-IOV, resets.  A shell: what it has in common with others is in opi-pci.c,
 * what accesses mean in opi-fn.c.
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
    bool configured;                    /* written to since the last reset */
};

/*
 * VF Enable can be set only while NumVFs is not more than the DPU allows.  What
 * TotalVFs allows is what the bit can be at most.
 */
static void opi_pf_limit_vfs(PCIDevice *dev)
{
    uint8_t *ctrl = dev->wmask + OPI_CAP_SRIOV_OFF + PCI_SRIOV_CTRL;
    unsigned n = pci_get_word(dev->config + OPI_CAP_SRIOV_OFF +
                              PCI_SRIOV_NUM_VF);

    if (pcie_sriov_num_vfs(dev)) {
        return;
    }
    if (n <= OPI_PF(dev)->card->max_vfs) {
        pci_word_test_and_set_mask(ctrl, PCI_SRIOV_CTRL_VFE);
    } else {
        trace_opi_vfs_refused(n);
        pci_word_test_and_clear_mask(ctrl, PCI_SRIOV_CTRL_VFE);
    }
}

static void opi_pf_config_write(PCIDevice *dev, uint32_t addr, uint32_t val,
                                int len)
{
    opi_pf_limit_vfs(dev);
    OPI_PF(dev)->configured = true;
    pci_default_write_config(dev, addr, val, len);
    /* Neither DMA nor an interrupt leaves a function that sleeps. */
    memory_region_set_enabled(&dev->bus_master_enable_region,
                              opi_pci_may_dma(dev) && dev->enabled);
    pcie_cap_flr_write_config(dev, addr, val, len);
    opi_card_vfs_changed(OPI_PF(dev)->card);
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
    OpiFn *fn;

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
    fn = &s->card->host;
    if (!opi_pci_realize(dev, &s->bars, &opi_fn_regs_ops, &opi_fn_doorbell_ops,
                         fn, opi_pci_doorbell_size(fn->nqps), fn->neqs, errp)) {
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
    /* Firmware resets its machine again before it looks at the bus. */
    opi_card_host_reset(s->card, !flr && s->configured);
    s->configured &= flr;
}

/* In a reset of the bus VF Enable is cleared after the functions' resets. */
static void opi_pf_reset_exit(Object *obj, ResetType type)
{
    opi_card_vfs_changed(OPI_PF(obj)->card);
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
    rc->phases.exit = opi_pf_reset_exit;
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
