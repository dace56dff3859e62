#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 400
# soak: streams_pass_both_ways datagrams_pass_both_ways
# soak: the_driver_can_be_reloaded_under_traffic the_function_can_be_reset_under_traffic
#
# An IOMMU between the card and the host's memory: the driver maps what it gives
# to the card, and nothing but that is touched, over reloads and resets too.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/data.sh"

OPI_BED=iommu$$

CASES="
	the_bed_comes_up
	the_card_is_behind_the_iommu
	streams_pass_both_ways
	datagrams_pass_both_ways
	the_driver_can_be_reloaded_under_traffic
	the_function_can_be_reset_under_traffic
	buffers_of_all_sizes_are_mapped
	no_access_went_astray
	an_access_that_goes_astray_is_seen
	both_kernels_are_content
"

trap 'tb down' EXIT

the_bed_comes_up()
{
	OPI_BOOT_TIMEOUT=$(secs 120) tb up --kernel "$OPI_KERNEL" --iommu on
	net_up
}

# A domain that translates, not one in which addresses are what they are.
the_card_is_behind_the_iommu()
{
	expect_match "domain" "$(host cat "/sys/bus/pci/devices/$(pci_of host)/iommu_group/type" </dev/null)" '^DMA(-FQ)?$'
	expect_eq "state" "$(dpu_field host .dev_state)" ready
}

streams_pass_both_ways()
{
	net_up
	stream host dpu "$DPU_IP" $(($(times 4) << 20))
	stream dpu host "$HOST_IP" $(($(times 4) << 20))
}

datagrams_pass_both_ways()
{
	net_up
	datagrams host dpu "$DPU_IP" "$(times 200)" 1400
	datagrams dpu host "$HOST_IP" "$(times 200)" 64
}

# Somebody sends and receives meanwhile.
with_traffic()
{
	bg pinger host ping -q -i 0.02 -s 1200 "$DPU_IP"
	bg flooder dpu ping -q -i 0.02 -s 1200 "$HOST_IP"
}

checked_data()
{
	host_net_up
	await_ping host 20 "$DPU_IP"
	stream host dpu "$DPU_IP" 1000000
	stream dpu host "$HOST_IP" 1000000
}

the_driver_can_be_reloaded_under_traffic()
{
	local i

	net_up
	for ((i = 0; i < $(times 2); i++)); do
		with_traffic
		host_sh 'modprobe -r opi_core && modprobe opi_core'
		bg_stop pinger
		bg_stop flooder
		checked_data
	done
}

the_function_can_be_reset_under_traffic()
{
	local i

	net_up
	for ((i = 0; i < $(times 2); i++)); do
		with_traffic
		host_sh 'echo 1 >/sys/bus/pci/devices/$1/reset' "$(pci_of host)"
		bg_stop pinger
		bg_stop flooder
		checked_data
	done
}

# Rings of other sizes and numbers are other memory.
buffers_of_all_sizes_are_mapped()
{
	net_up
	defer "host ethtool -L $HIF combined 2; host ethtool -G $HIF rx 1024 tx 256"
	host ethtool -L "$HIF" combined 1 </dev/null
	host ethtool -G "$HIF" rx 64 tx 64 </dev/null
	checked_data
	host ethtool -G "$HIF" rx 4096 tx 4096 </dev/null
	checked_data
}

# What the IOMMU refused.
strays() { host_sh 'dmesg | grep -E "DMAR: .*(fault|DMA (Read|Write))" || :'; }

no_access_went_astray()
{
	local found

	# On its own: a guest that cannot be asked has not said that there are none.
	found=$(strays)
	expect_eq "refused accesses" "$found" ""
}

# Queues where no driver of the function has mapped anything.
an_access_that_goes_astray_is_seen()
{
	local dev

	dev=$(pci_of host)
	defer "host_sh 'setpci -s \$1 COMMAND=0:4; echo \$1 >/sys/bus/pci/drivers/opi_core/bind' $dev"
	host_sh 'echo $1 >/sys/bus/pci/drivers/opi_core/unbind &&
		echo 1 >/sys/bus/pci/devices/$1/enable && setpci -s $1 COMMAND=6:6 &&
		regs() { '"$GUEST"'/regs $1 0 $2; } &&
		regs $1 0x80=0x00770001 && regs $1 0x100=0x10000 && regs $1 0x108=0x20000 && regs $1 0x110=0x401 &&
		'"$GUEST"'/regs $1 2 0=1; echo 0 >/sys/bus/pci/devices/$1/enable' "$dev"
	wait_for 10 eval '[ -n "$(strays)" ]'
}

both_kernels_are_content()
{
	are_content host dpu
	net_up
	ping_works host "$DPU_IP"
}

run_cases "$@"
