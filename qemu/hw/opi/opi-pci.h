/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the PCI shells of the card (PF, VF, the DPU's function) have in common:
 * where BARs and capabilities are, and how accesses must look; opi-pci.c.
 */
#ifndef HW_OPI_PCI_H
#define HW_OPI_PCI_H

#define TYPE_OPI_PF             "opi-dpu"
#define TYPE_OPI_VF             "opi-vf"
#define TYPE_OPI_SOC            "opi-soc"

#define OPI_CAP_PM_OFF          0x40
#define OPI_CAP_MSIX_OFF        0x70
#define OPI_CAP_EXP_OFF         0xa0
#define OPI_CAP_AER_OFF         0x100
#define OPI_CAP_ARI_OFF         0x150
#define OPI_CAP_DSN_OFF         0x160
#define OPI_CAP_SRIOV_OFF       0x180
#define OPI_CAP_DVSEC_OFF       0x200
#define OPI_CAP_DVSEC_SIZE      (OPI_DVSEC_BODY + sizeof(struct opi_boot_block))

/* With ARI the VFs follow the PF, and all fit on its bus. */
#define OPI_VF_OFFSET           1
#define OPI_VF_STRIDE           1

#define OPI_DB_PAGE             4096
#define OPI_MSIX_BAR_SIZE       4096
#define OPI_MSIX_PBA_OFF        2048

#define OPI_BAR_TYPE \
    (PCI_BASE_ADDRESS_SPACE_MEMORY | PCI_BASE_ADDRESS_MEM_TYPE_64)

/*
 * 32-bit accesses that are aligned; all others read as zero and do nothing.
 * Sizes up to 8 must be let through to here, or QEMU would split them.
 */
static inline bool opi_mmio_accepts(void *opaque, hwaddr addr, unsigned size,
                                    bool is_write, MemTxAttrs attrs)
{
    return size == 4;
}

#define OPI_MMIO_OPS(rd, wr)                    \
    {                                           \
        .read = (rd),                           \
        .write = (wr),                          \
        .endianness = DEVICE_LITTLE_ENDIAN,     \
        .valid = {                              \
            .min_access_size = 1,               \
            .max_access_size = 8,               \
            .accepts = opi_mmio_accepts,        \
        },                                      \
        .impl = {                               \
            .min_access_size = 4,               \
            .max_access_size = 8,               \
        },                                      \
    }

/* Accesses to a function of the host; the opaque is its OpiFn. */
extern const MemoryRegionOps opi_fn_regs_ops;
extern const MemoryRegionOps opi_fn_doorbell_ops;

/* Regions, capabilities and vectors of any of the three. */
typedef struct OpiBars {
    MemoryRegion regs;
    MemoryRegion doorbells;
    MemoryRegion msix;
} OpiBars;

bool opi_pci_realize(PCIDevice *dev, OpiBars *bars, const MemoryRegionOps *regs,
                     const MemoryRegionOps *doorbells, void *opaque,
                     uint64_t doorbell_size, unsigned vectors, Error **errp);
void opi_pci_exit(PCIDevice *dev, OpiBars *bars);
/* Bus mastering is on, and the function does not sleep. */
bool opi_pci_may_dma(const PCIDevice *dev);
uint64_t opi_pci_doorbell_size(unsigned qps);

#endif
