# SPDX-License-Identifier: GPL-2.0-or-later
#
# The devices that the test bed's QEMU has: the machine, the peers that the card
# is compared with, and the card (by its own Kconfig).  Nothing by default, so
# that the build is small.

CONFIG_Q35=y
CONFIG_VTD=y
CONFIG_SERIAL_ISA=y
CONFIG_PVPANIC_PCI=y
CONFIG_PCIE_PORT=y
CONFIG_XIO3130=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_NET=y
CONFIG_VIRTIO_BLK=y
CONFIG_VIRTIO_SERIAL=y
CONFIG_VIRTIO_RNG=y
CONFIG_VIRTIO_IOMMU=y
CONFIG_NVME_PCI=y
CONFIG_IGB_PCI_EXPRESS=y
CONFIG_E1000E_PCI_EXPRESS=y
CONFIG_EDU=y
# For the guest inside the host that is migrated with a function.
CONFIG_VFIO_PCI=y
