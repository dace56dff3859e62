/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OPI card: virtual functions on the host's bus.  Shells: all are there with
 * the PF, the host's VF Enable shows them on the bus, and what the DPU lets the
 * host have of them is in opi-func.c.
 */
#include "qemu/osdep.h"
#include "qemu/module.h"
#include "qapi/error.h"
#include "hw/pci/pcie.h"
#include "hw/pci/pcie_sriov.h"
#include "migration/vmstate.h"
#include "opi-card.h"
#include "opi-pci.h"
#include "trace.h"

OBJECT_DECLARE_SIMPLE_TYPE(OpiVf, OPI_VF)

struct OpiVf {
    PCIDevice parent_obj;

    OpiBars bars;
};

static OpiFn *opi_vf_fn(PCIDevice *dev)
{
    return &opi_pf_card(pcie_sriov_get_pf(dev))->vf[pcie_sriov_vf_number(dev)];
}

static void opi_vf_config_write(PCIDevice *dev, uint32_t addr, uint32_t val,
                                int len)
{
    pci_default_write_config(dev, addr, val, len);
    pcie_cap_flr_write_config(dev, addr, val, len);
}

static void opi_vf_realize(PCIDevice *dev, Error **errp)
{
    OpiVf *s = OPI_VF(dev);
    OpiFn *fn = opi_vf_fn(dev);

    if (opi_pci_realize(dev, &s->bars, &opi_fn_regs_ops, &opi_fn_doorbell_ops,
                        fn, opi_pci_doorbell_size(fn->nqps), fn->neqs, errp)) {
        opi_dma_attach(fn, dev);
    }
}

static void opi_vf_exit(PCIDevice *dev)
{
    opi_dma_detach(opi_vf_fn(dev));
    opi_pci_exit(dev, &OPI_VF(dev)->bars);
}

/* Also when VF Enable shows or hides it. */
static void opi_vf_reset_hold(Object *obj, ResetType type)
{
    PCIDevice *dev = PCI_DEVICE(obj);

    pcie_cap_deverr_reset(dev);
    opi_card_vf_reset(opi_vf_fn(dev));
}

static const VMStateDescription opi_vf_vmstate = {
    .name = TYPE_OPI_VF,
    .unmigratable = 1,
};

static void opi_vf_class_init(ObjectClass *oc, OpiClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(oc);
    PCIDeviceClass *pc = PCI_DEVICE_CLASS(oc);
    ResettableClass *rc = RESETTABLE_CLASS(oc);

    rc->phases.hold = opi_vf_reset_hold;
    pc->realize = opi_vf_realize;
    pc->exit = opi_vf_exit;
    pc->config_write = opi_vf_config_write;
    pc->vendor_id = OPI_PCI_VENDOR_ID;
    pc->device_id = OPI_PCI_DEVICE_ID_VF;
    pc->subsystem_vendor_id = OPI_PCI_VENDOR_ID;
    pc->subsystem_id = OPI_PCI_DEVICE_ID_VF;
    pc->revision = 1;
    pc->class_id = PCI_CLASS_NETWORK_ETHERNET;
    dc->vmsd = &opi_vf_vmstate;
    dc->desc = "OPI DPU card, virtual function";
    dc->user_creatable = false;
    set_bit(DEVICE_CATEGORY_NETWORK, dc->categories);
}

static const TypeInfo opi_vf_info = {
    .name = TYPE_OPI_VF,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(OpiVf),
    .class_init = opi_vf_class_init,
    .interfaces = OPI_INTERFACES {
        { INTERFACE_PCIE_DEVICE },
        { }
    },
};

static void opi_vf_register(void)
{
    type_register_static(&opi_vf_info);
}

type_init(opi_vf_register)
