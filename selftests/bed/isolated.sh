#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 200
# debug: none
#
# A card in isolated mode: the host learns and changes the least, the driver lives
# with that, and it is the card that refuses.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"

OPI_BED=iso$$

CASES="
	the_bed_comes_up
	both_sides_know_the_mode
	traffic_flows
	the_host_cannot_change_its_address
	the_dpu_can
	both_kernels_are_content
"

trap 'tb down' EXIT

the_bed_comes_up() { OPI_BOOT_TIMEOUT=$(secs 120) tb up --kernel "$OPI_KERNEL" --mode isolated; }

both_sides_know_the_mode()
{
	expect_eq "host" "$(dpu_field host .mode)" isolated
	expect_eq "DPU" "$(dpu_field dpu .mode)" isolated
}

traffic_flows() { net_up; ping_works host "$DPU_IP"; ping_works host "$FAR_IP"; }

the_host_cannot_change_its_address()
{
	local old

	net_up
	old=$(host cat "/sys/class/net/$HIF/address" </dev/null)
	refused 'not permitted' host ip link set "$HIF" address 02:00:00:00:cc:01
	expect_eq "address" "$(host cat "/sys/class/net/$HIF/address" </dev/null)" "$old"
	expect_eq "address as the DPU sees it" \
		"$(dpu devlink -j port show "pci/$(pci_of dpu)/1" </dev/null | jq -r '.port[].function.hw_addr')" "$old"
	ping_works host "$DPU_IP"
}

the_dpu_can()
{
	net_up
	dpu devlink port function set "pci/$(pci_of dpu)/1" hw_addr 02:00:00:00:cc:02 </dev/null
	host_sh 'modprobe -r opi_core && modprobe opi_core'
	host_net_up
	expect_eq "address" "$(host cat "/sys/class/net/$HIF/address" </dev/null)" 02:00:00:00:cc:02
	ping_works host "$DPU_IP"
}

both_kernels_are_content() { are_content host dpu; }

run_cases "$@"
