#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 200
# order: 44
#
# devlink resources: what there is, how much of it is used, and what becomes of
# a size that was set.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/func.sh"

CASES="
	resources_are_listed_on_both_sides
	occupancy_follows_what_is_used
	functions_are_counted_on_both_sides
	queue_pairs_are_limited_at_a_reload
	a_dead_function_uses_nothing
	refuses_what_is_no_size
	refuses_unprivileged_users
"

before_case() { net_up; }

# resource VM NAME FIELD
resource()
{
	on "$1" devlink -j resource show "pci/$(pci_of "$1")" </dev/null |
		jq -r --arg n "$2" --arg f "$3" '.resources[][] | select(.name == $n) | .[$f]'
}

resources()
{
	on "$1" devlink -j resource show "pci/$(pci_of "$1")" </dev/null | jq -c '[.resources[][].name] | sort'
}

resource_set() { on "$1" devlink resource set "pci/$(pci_of "$1")" path "$2" size "$3" </dev/null; }
reload() { on "$1" devlink dev reload "pci/$(pci_of "$1")" </dev/null; }
max_channels() { on "$1" ethtool -l "$2" </dev/null | awk '/^Combined:/ { print $2; exit }'; }
netdev_of() { if [ "$1" = host ]; then echo "$HIF"; else echo "$P0"; fi; }

resources_are_listed_on_both_sides()
{
	local vm

	expect_eq "resources of the host" "$(resources host)" '["event_queues","queue_pairs","sfs","vfs"]'
	expect_eq "resources of the DPU" "$(resources dpu)" '["event_queues","queue_pairs","rate_nodes","sfs","vfs"]'
	for vm in host dpu; do
		expect_eq "queue pairs" "$(resource "$vm" queue_pairs size)" "$(max_channels "$vm" "$(netdev_of "$vm")")"
		expect_eq "event queues" "$(resource "$vm" event_queues size)" \
			"$(on_sh "$vm" 'ls /sys/bus/pci/devices/$1/msi_irqs | wc -l' "$(pci_of "$vm")")"
		expect_eq "event queues in use" "$(resource "$vm" event_queues occ)" "$(resource "$vm" event_queues size)"
	done
}

occupancy_follows_what_is_used()
{
	local n

	n=$(host ethtool -l "$HIF" </dev/null | awk '/^Current/ { c = 1 } c && $1 == "Combined:" { print $2 }')
	expect_eq "queue pairs in use" "$(resource host queue_pairs occ)" "$n"
	defer "host ethtool -L $HIF combined $n"
	host ethtool -L "$HIF" combined 1 </dev/null
	expect_eq "queue pairs in use" "$(resource host queue_pairs occ)" 1
	defer "host ip link set $HIF up"
	host ip link set "$HIF" down </dev/null
	expect_eq "queue pairs in use" "$(resource host queue_pairs occ)" 0
	expect_eq "nodes in use" "$(resource dpu rate_nodes occ)" 0
	defer "dpu devlink port function rate del pci/$(pci_of dpu)/counted"
	dpu devlink port function rate add "pci/$(pci_of dpu)/counted" </dev/null
	expect_eq "nodes in use" "$(resource dpu rate_nodes occ)" 1
}

functions_are_counted_on_both_sides()
{
	local vm

	defer "vfs 0"
	vfs 0
	for vm in host dpu; do
		expect_eq "VFs of $vm" "$(resource "$vm" vfs occ)" 0
	done
	vfs 2
	for vm in host dpu; do
		await "$vm" 10 "devlink -j resource show pci/$(pci_of "$vm") | jq -e '.resources[][] | select(.name == \"vfs\") | .occ == 2'"
	done
	for vm in host dpu; do
		expect_eq "VFs of the card" "$(resource "$vm" vfs size)" 64
	done
	expect_eq "SFs" "$(resource dpu sfs occ)" 0
	defer "dpu devlink port del \$(fn_port sf 77)"
	dpu devlink port add "pci/$(pci_of dpu)" flavour pcisf pfnum 0 sfnum 77 controller 1 </dev/null
	expect_eq "SFs" "$(resource dpu sfs occ)" 1
	[ "$(resource dpu sfs size)" -gt 1 ]
}

queue_pairs_are_limited_at_a_reload()
{
	local vm old

	for vm in host dpu; do
		old=$(resource "$vm" queue_pairs size)
		defer "resource_set $vm queue_pairs $old; reload $vm"
		resource_set "$vm" queue_pairs 1
		expect_eq "size" "$(resource "$vm" queue_pairs size)" "$old"
		expect_eq "size to be" "$(resource "$vm" queue_pairs size_new)" 1
		expect_eq "channels" "$(max_channels "$vm" "$(netdev_of "$vm")")" "$old"
		reload "$vm"
		net_up
		expect_eq "size" "$(resource "$vm" queue_pairs size)" 1
		expect_eq "channels" "$(max_channels "$vm" "$(netdev_of "$vm")")" 1
		expect_eq "queue pairs in use" "$(resource "$vm" queue_pairs occ)" 1
		# A reset is no reload, and a reload keeps it.
		on_sh "$vm" 'echo 1 >/sys/bus/pci/devices/$1/reset' "$(pci_of "$vm")"
		expect_eq "size" "$(resource "$vm" queue_pairs size)" 1
		reload "$vm"
		net_up
		expect_eq "channels" "$(max_channels "$vm" "$(netdev_of "$vm")")" 1
		resource_set "$vm" queue_pairs "$old"
		reload "$vm"
		net_up
		expect_eq "channels" "$(max_channels "$vm" "$(netdev_of "$vm")")" "$old"
	done
}

a_dead_function_uses_nothing()
{
	expect_log host 'opi_core 0000:[0-9a-f:.]+: (function does not answer|start failed|last reset failed)'
	defer "tb fault dead off"
	tb fault dead on
	await_dpu host 10 '.dev_state == "gone"'
	expect_eq "queue pairs in use" "$(resource host queue_pairs occ)" 0
	expect_eq "event queues in use" "$(resource host event_queues occ)" 0
	tb fault dead off
	await_dpu host 30 '.dev_state == "ready"'
	[ "$(resource host queue_pairs occ)" -gt 0 ]
}

refuses_what_is_no_size()
{
	local vm most

	for vm in host dpu; do
		most=$(resource "$vm" queue_pairs size_max)
		refused 'smaller than minimum' resource_set "$vm" queue_pairs 0
		refused 'larger than maximum' resource_set "$vm" queue_pairs $((most + 1))
		refused 'larger than maximum' resource_set "$vm" event_queues $(($(resource "$vm" event_queues size) + 1))
		refused 'smaller than minimum' resource_set "$vm" event_queues 0
		refused '.' resource_set "$vm" nosuch 1
		expect_eq "size to be" "$(resource "$vm" queue_pairs size_new)" null
	done
}

refuses_unprivileged_users()
{
	local vm

	for vm in host dpu; do
		refused 'not permitted' on "$vm" setpriv --reuid nobody --regid nogroup --clear-groups \
			devlink resource set "pci/$(pci_of "$vm")" path queue_pairs size 1
	done
}

run_cases "$@"
