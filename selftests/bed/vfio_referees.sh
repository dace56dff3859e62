#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 400
#
# The kernel's own tests of VFIO, unmodified, on functions of the card.  They are of a newer
# kernel than the guests (qemu/mkvfio.sh), and want iommufd for a part of what they do, which
# only the debug kernel has.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/func.sh"
. "$(dirname -- "$0")/../lib/vfio.sh"

OPI_BED=vfior$$

CASES="
	the_bed_comes_up
	dma_mappings
	dma_mappings_of_bars
	several_functions_at_once
	configuration_bars_interrupts_reset
	iommufd_set_up
	the_driver_test_has_no_driver_for_it
	tokens_between_the_physical_function_and_its_own
	modules_unload
	both_kernels_are_content
"

trap 'tb down' EXIT

programs=$("$OPI_TOP/qemu/mkvfio.sh")
AT=/run/vfio

# Two VFs for the tests, one of them by the variant driver.
subjects_up()
{
	net_up
	vfs 2
	migratable 0 enable
	vf_bind 0 opi_vfio_pci
	vf_bind 1 vfio-pci
	# All of them or none.
	host_sh '[ -e $1 ] || { rm -rf $1.part; mkdir $1.part; exit 1; }' "$AT" || {
		tb cp "$programs"/* "host:$AT.part/"
		host mv "$AT.part" "$AT" </dev/null
	}
	host sysctl -q vm.nr_hugepages=4 </dev/null
}

# What the guests' kernel does not know yet, whatever the device: that a range which goes beyond
# the last address is EOVERFLOW (it says EINVAL), and tokens by iommufd.
NOT_YET=(-T overflow -V iommufd_same_uuid -V iommufd_diff_uuid -V iommufd_null_uuid)

# Documentation/testing.rst: no page of 1 GiB, and the card has MSI-X only.
SKIPS='hugetlb_1gb.*# SKIP mmap\(\) failed|irq_test.msi.*# SKIP MSI: not supported'

# kernel_test PROGRAM DEVICE...: it passes; what it says in a line.  Where there is no iommufd,
# without the variants that want it.
kernel_test()
{
	local said rc=0 options=() v

	if [ "$OPI_KERNEL" = stock ]; then
		for v in $(host "$AT/$1" -l "${@:2}" </dev/null 2>&1 | grep -oE '\bvfio_type1[a-z0-9_]*' | sort -u); do
			options+=(-v "$v")
		done
		[ ${#options[@]} -gt 0 ]
	fi
	said=$(on_for 200 host "$AT/$1" "${NOT_YET[@]}" "${options[@]}" "${@:2}" 2>&1) || rc=$?
	note "$(grep -E '^# Totals' <<<"$said" || :) $(grep -oE '# SKIP.*' <<<"$said" | sort | uniq -c | tr -s ' \n' ' ')"
	if [ "$rc" != 0 ]; then
		echo "$said" >&2
		fail "$1 ended with $rc"
	fi
	expect_match "passed" "$said" '# Totals: pass:[1-9]'
	expect_eq "skips without a known reason" "$(grep -E '# SKIP' <<<"$said" | grep -vE "$SKIPS" || :)" ""
}

# Two MiB are mapped as one page if there is one.
dma_mappings()
{
	local n

	subjects_up
	for n in 0 1; do
		kernel_test vfio_dma_mapping_test "$(vf_pci "$n")"
	done
}

dma_mappings_of_bars()
{
	subjects_up
	kernel_test vfio_dma_mapping_mmio_test "$(vf_pci 0)"
}

several_functions_at_once()
{
	subjects_up
	kernel_test vfio_pci_device_init_perf_test "$(vf_pci 0)" "$(vf_pci 1)"
}

# needs_iommufd PROGRAM...: it says so on the stock kernel.
needs_iommufd()
{
	[ "$OPI_KERNEL" = stock ] || return 1
	refused 'iommu|vfio-dev' host "$AT/$1" "${@:2}"
}

configuration_bars_interrupts_reset()
{
	local n

	subjects_up
	for n in 0 1; do
		needs_iommufd vfio_pci_device_test "$(vf_pci "$n")" || kernel_test vfio_pci_device_test "$(vf_pci "$n")"
	done
}

iommufd_set_up()
{
	subjects_up
	needs_iommufd vfio_iommufd_setup_test "$(vf_pci 0)" || kernel_test vfio_iommufd_setup_test "$(vf_pci 0)"
}

# It wants a program in the kernel's tree that copies memory by the device's DMA.
the_driver_test_has_no_driver_for_it()
{
	subjects_up
	needs_iommufd vfio_pci_driver_test "$(vf_pci 0)" ||
		refused 'No driver found for device' host "$AT/vfio_pci_driver_test" "$(vf_pci 0)"
}

# The physical function is a process's, its virtual functions only with its consent.
tokens_between_the_physical_function_and_its_own()
{
	local pf

	subjects_up
	vfs 0
	pf=$(pci_of host)
	host modprobe vfio_pci </dev/null
	defer "host_sh 'echo N >/sys/module/vfio_pci/parameters/enable_sriov
		echo \$1 >/sys/bus/pci/drivers/vfio-pci/unbind; echo >/sys/bus/pci/devices/\$1/driver_override
		echo \$1 >/sys/bus/pci/drivers_probe' $pf"
	# shellcheck disable=SC2016 # for the guest
	host_sh '
	echo Y >/sys/module/vfio_pci/parameters/enable_sriov
	echo vfio-pci >/sys/bus/pci/devices/$1/driver_override
	echo $1 >/sys/bus/pci/drivers/opi_core/unbind
	echo $1 >/sys/bus/pci/drivers_probe' "$pf"
	kernel_test vfio_pci_sriov_uapi_test "$pf"
}

run_cases "$@"
