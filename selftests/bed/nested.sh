#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 800
# soak: the_guest_moves_and_its_connections_stay
# debug: none
#
# A virtual machine on the host has a virtual function, and is live-migrated with it by QEMU
# from one to another, while its connections to the DPU carry data of which every byte is
# checked.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/func.sh"
. "$(dirname -- "$0")/../lib/vfio.sh"
. "$(dirname -- "$0")/../lib/nested.sh"

OPI_BED=nested$$

CASES="
	the_bed_comes_up
	a_guest_boots_with_its_function
	checked_data_goes_both_ways
	the_guest_moves_and_its_connections_stay
	the_guests_driver_goes_on_with_another_function
	a_destination_that_is_not_migratable_is_refused
	a_destination_that_has_less_is_refused
	a_destination_that_dies_leaves_the_guest_where_it_was
	a_destination_that_refuses_the_end_leaves_the_guest_where_it_was
	a_function_that_cannot_be_moved_is_refused
	both_kernels_are_content
"

if [ "$OPI_KERNEL" = debug ]; then
	ktap_print_header
	ktap_skip_all "the kernel has no KVM"
	exit "$KSFT_SKIP"
fi

trap 'tb down' EXIT

the_bed_comes_up()
{
	OPI_BOOT_TIMEOUT=$(secs 120) tb up --kernel "$OPI_KERNEL" --iommu on "${NESTED_BED[@]}"
	net_up
	# An emulated processor has not all registers of a real one.
	expect_log host 'kvm.*(Unhandled|ignored) (WR|RD)MSR'
}

a_guest_boots_with_its_function()
{
	local began=$SECONDS mac said

	guest_up
	note "booted in $((SECONDS - began)) s"
	said=$(nested wait "vf$AT" 1)
	mac=$(fn_field vf "$AT" .function.hw_addr)
	expect_match "what the guest says" "$said" "^nested: ready [a-z0-9]+ $mac "
	expect_eq "driver on the host" "$(vf_driver "$AT")" opi_vfio_pci
	expect_eq "function" "$(fn_field vf "$AT" .function.opstate)" attached
	# The guest's driver has asked for interrupts, and gets them.
	ping_works dpu "$GUEST_IP"
	await host 20 "grep -E 'vfio-msix?.[0-9]+..$(vf_pci "$AT")' /proc/interrupts | awk '{ n += \$2 + \$3 } END { exit !n }'"
}

checked_data_goes_both_ways()
{
	guest_up
	data_begins
	data_ends
	expect_range "bytes to the guest" "$(jq .tcp_sent <<<"$DATA")" 80000 1000000000000
	expect_range "bytes from the guest" "$(jq .tcp_received <<<"$DATA")" 80000 1000000000000
}

# From AT to TO, and they are the other way round then.
move_guest()
{
	local mac said from=$AT to=$TO

	mac=$(fn_field vf "$from" .function.hw_addr)
	qemu_start "$to" incoming
	dpu_follows
	said=$(nested move "vf$from" "vf$to" "$(secs 200)")
	note "VF $from to VF $to: $said"
	AT=$to TO=$from
	expect_eq "address" "$(fn_field vf "$to" .function.hw_addr)" "$mac"
	expect_range "bytes of the function" "$(jq .function_bytes <<<"$said")" 500 1000000
	expect_eq "the source" "$(nested state "vf$from")" postmigrate
	bg_wait follow
	nested end "vf$from"
}

the_guest_moves_and_its_connections_stay()
{
	local i

	guest_up
	data_begins
	for ((i = 0; i < $(times 3); i++)); do
		move_guest
		data_goes_on
	done
	data_ends
	note "longest gap: $(jq .longest_gap <<<"$DATA") s"
}

# in_guest COMMAND
in_guest() { nested run "vf$AT" "$(secs 60)" "$1"; }

# Ids and port are others then.  What the driver asks of the card, and a reset, go on as before,
# and the netdev is the same: the guest's address stays with it.
the_guests_driver_goes_on_with_another_function()
{
	local net

	guest_up
	move_guest
	await_ping dpu 60 "$GUEST_IP"
	net=$(in_guest 'ls /sys/bus/pci/drivers/opi_core/0000*/net')
	in_guest "ip link set $net down; ip link set $net up"
	await_ping dpu 60 "$GUEST_IP"
	in_guest 'for f in /sys/bus/pci/drivers/opi_core/0000*/reset; do echo 1 >$f; done'
	await_ping dpu 60 "$GUEST_IP"
	expect_eq "netdev" "$(in_guest 'ls /sys/bus/pci/drivers/opi_core/0000*/net')" "$net"
	expect_eq "complaints" "$(in_guest 'dmesg | grep -v "module verification" | grep -E "opi_core.*(fail|does not|no queue)|BUG|WARNING"; true')" ""
}

# move_fails ERE [TROUBLE...]: FROM goes on as if nothing had been, and its connections with it.
move_fails()
{
	refused "$1" nested move "vf$AT" "vf$TO" "$(secs 200)" "${@:2}"
	expect_eq "the source" "$(nested state "vf$AT")" running
	data_goes_on
	wait_for 20 nested_is_gone "vf$TO"
	data_ends
}

nested_is_gone() { [ "$(nested state "$1")" = gone ]; }

a_destination_that_is_not_migratable_is_refused()
{
	guest_up
	data_begins
	qemu_start "$TO" incoming
	defer "migratable $TO enable"
	migratable "$TO" disable
	move_fails 'RESUMING.*Operation not permitted'
}

a_destination_that_has_less_is_refused()
{
	guest_up
	vf_bind "$TO" opi_core
	vf_bind "$TO" vfio-pci
	defer "vf_bind $TO vfio-pci; dpu devlink port function set $(fn_port vf "$TO") max_io_eqs 4"
	dpu devlink port function set "$(fn_port vf "$TO")" max_io_eqs 1 </dev/null
	vf_bind "$TO" opi_vfio_pci
	data_begins
	qemu_start "$TO" incoming
	move_fails 'No space left on device'
}

# It has stopped by then, and part of it has gone.
a_destination_that_dies_leaves_the_guest_where_it_was()
{
	guest_up
	data_begins
	qemu_start "$TO" incoming
	move_fails 'failed' kill
	# Who is next finds the function as new.
	data_begins
	move_guest
	data_goes_on
	data_ends
}

# All but the end of the state has been taken.
a_destination_that_refuses_the_end_leaves_the_guest_where_it_was()
{
	guest_up
	data_begins
	qemu_start "$TO" incoming
	move_fails 'failed' reset "$(vf_pci "$TO")"
}

a_function_that_cannot_be_moved_is_refused()
{
	guest_up
	vf_bind "$TO" vfio-pci
	defer "vf_bind $TO opi_vfio_pci"
	refused 'VFIO migration is not supported in kernel' qemu_start "$TO"
	ping_works dpu "$GUEST_IP"
}

both_kernels_are_content()
{
	local vm

	nested end vf0 vf1
	are_content host dpu
	for vm in host dpu; do
		expect_eq "errors in the log of $vm" "$(kernel_errors "$vm")" ""
	done
	net_up
	ping_works host "$DPU_IP"
}

run_cases "$@"
