/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OPI card: virtual functions on the host's bus.  They can be enabled, seen and
 * identified; DEV_STATUS says that there is no service behind them.
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

static uint64_t opi_vf_read(void *opaque, hwaddr addr, unsigned size)
{
    OpiCard *c = opi_pf_card(pcie_sriov_get_pf(PCI_DEVICE(opaque)));

    if (c->host.dead) {
        return UINT32_MAX;
    }
    switch (addr) {
    case OPI_REG_ROLE:
        return OPI_ROLE_HOST_VF | c->mode << OPI_ROLE_MODE_SHIFT;
    case OPI_REG_FUNC_ID:
        return OPI_ID_NONE;
    case OPI_REG_MAGIC:
    case OPI_REG_VERSION:
    case OPI_REG_SERIAL_LO:
    case OPI_REG_SERIAL_HI:
    case OPI_REG_GENERATION:
    case OPI_REG_PEER:
    case OPI_REG_TIMEOUT:
    case OPI_REG_HEARTBEAT:
        return opi_fn_reg_read(&c->host, addr);
    default:
        return 0;
    }
}

static uint64_t opi_vf_doorbell_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0;
}

static void opi_vf_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    trace_opi_vf_write(addr, val);
}

static const MemoryRegionOps opi_vf_ops = OPI_MMIO_OPS(opi_vf_read,
                                                       opi_vf_write);
static const MemoryRegionOps opi_vf_doorbell_ops =
    OPI_MMIO_OPS(opi_vf_doorbell_read, opi_vf_write);

static void opi_vf_config_write(PCIDevice *dev, uint32_t addr, uint32_t val,
                                int len)
{
    pci_default_write_config(dev, addr, val, len);
    pcie_cap_flr_write_config(dev, addr, val, len);
}

static void opi_vf_realize(PCIDevice *dev, Error **errp)
{
    OpiVf *s = OPI_VF(dev);

    opi_pci_realize(dev, &s->bars, &opi_vf_ops, &opi_vf_doorbell_ops, s,
                    opi_pci_doorbell_size(OPI_VF_QPS), OPI_VF_VECTORS, errp);
}

static void opi_vf_exit(PCIDevice *dev)
{
    opi_pci_exit(dev, &OPI_VF(dev)->bars);
}

static void opi_vf_reset_hold(Object *obj, ResetType type)
{
    pcie_cap_deverr_reset(PCI_DEVICE(obj));
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
