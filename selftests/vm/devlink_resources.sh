#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 400
# debug: queue_pairs_are_limited_at_a_reload
# debug: a_namespace_that_ends_takes_no_size_below_what_is_in_use
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
	subfunctions_are_limited_at_a_reload
	virtual_functions_are_limited_at_a_reload
	refuses_a_size_below_what_is_in_use
	a_namespace_that_ends_takes_no_size_below_what_is_in_use
	a_dead_function_uses_nothing
	refuses_what_is_no_size
	refuses_unprivileged_users
"

# With no functions but the physical one.
before_case()
{
	net_up
	functions_gone
}

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
# What becomes of a size that was set.
sizes() { echo "$(resource dpu "$1" size) $(resource dpu "$1" size_new)"; }
sf_add() { dpu devlink port add "pci/$(pci_of dpu)" flavour pcisf controller 1 pfnum 0 sfnum "$1" </dev/null >/dev/null; }
sf_del() { dpu devlink port del "$(fn_port sf "$1")" </dev/null; }
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

	for vm in host dpu; do
		expect_eq "VFs of $vm" "$(resource "$vm" vfs occ)" 0
	done
	# There when the DPU has made them, used by the host when it has enabled them.
	max_vfs 3
	expect_eq "VFs of the DPU" "$(resource dpu vfs occ)" 3
	expect_eq "VFs of the host" "$(resource host vfs occ)" 0
	set_vfs 2
	expect_eq "VFs of the DPU" "$(resource dpu vfs occ)" 3
	expect_eq "VFs of the host" "$(resource host vfs occ)" 2
	for vm in host dpu; do
		expect_eq "VFs of the card" "$(resource "$vm" vfs size)" 64
	done
	expect_eq "SFs" "$(resource dpu sfs occ)" 0
	sf_add 77
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

# limited NAME: its size comes back when the case ends, and nothing is in use then.
limited() { defer "functions_gone; resource_set dpu $1 $(resource dpu "$1" size); reload dpu"; }

subfunctions_are_limited_at_a_reload()
{
	local most

	most=$(resource dpu sfs size)
	limited sfs
	resource_set dpu sfs 1
	expect_eq "sizes" "$(sizes sfs)" "$most 1"
	# Not yet.
	sf_add 1
	sf_add 2
	sf_del 1
	reload dpu
	expect_eq "sizes" "$(sizes sfs)" "1 null"
	expect_eq "in use" "$(resource dpu sfs occ)" 1
	refused 'resource sfs has a size of 1' sf_add 3
	refused 'resource sfs has a size of 1' dpu opitool function add sf 3
	sf_del 2
	sf_add 3
	expect_eq "in use" "$(resource dpu sfs occ)" 1
	# What the host is told of the card does not change, nor does a reset.
	expect_eq "of the card" "$(resource host sfs size)" "$most"
	dpu_sh 'echo 1 >/sys/bus/pci/devices/$1/reset' "$(pci_of dpu)"
	expect_eq "sizes" "$(sizes sfs)" "1 null"
	refused 'resource sfs has a size of 1' sf_add 4
	# None at all, and then as many as there are.
	sf_del 3
	resource_set dpu sfs 0
	reload dpu
	expect_eq "sizes" "$(sizes sfs)" "0 null"
	refused 'resource sfs has a size of 0' sf_add 1
	resource_set dpu sfs "$most"
	reload dpu
	sf_add 1
	sf_add 2
	expect_eq "in use" "$(resource dpu sfs occ)" 2
}

virtual_functions_are_limited_at_a_reload()
{
	limited vfs
	resource_set dpu vfs 2
	expect_eq "sizes" "$(sizes vfs)" "64 2"
	# Not yet.
	max_vfs 3
	max_vfs 1
	reload dpu
	expect_eq "sizes" "$(sizes vfs)" "2 null"
	refused 'resource vfs has a size of 2' max_vfs 3
	expect_eq "in use" "$(resource dpu vfs occ)" 1
	max_vfs 2
	set_vfs 2
	expect_eq "of the host" "$(resource host vfs occ)" 2
	expect_eq "of the hardware" "$(resource host vfs size)" 64
	# With all that the card has it is for the card again to say what is too much.
	resource_set dpu vfs 64
	reload dpu
	expect_eq "sizes" "$(sizes vfs)" "64 null"
	refused 'the card has not so many' max_vfs 65
}

refuses_a_size_below_what_is_in_use()
{
	local index sfs

	sfs=$(resource dpu sfs size)
	limited sfs
	sf_add 1
	sf_add 2
	index=$(dpu cat "/sys/class/net/$(fn_rep sf 1)/ifindex" </dev/null)
	resource_set dpu sfs 1
	resource_set dpu vfs 8
	refused 'sfs: 2 are in use, more than the new size 1' reload dpu
	# Nothing was taken down, and what was set is forgotten.
	expect_eq "representor" "$(dpu cat "/sys/class/net/$(fn_rep sf 1)/ifindex" </dev/null)" "$index"
	ping_works host "$DPU_IP"
	expect_eq "sizes" "$(sizes sfs)" "$sfs null"
	expect_eq "sizes" "$(sizes vfs)" "64 null"
	sf_add 3
	max_vfs 2
	resource_set dpu vfs 1
	refused 'vfs: 2 are in use, more than the new size 1' reload dpu
	expect_eq "sizes" "$(sizes vfs)" "64 null"
	reload dpu
	# As many as are in use, and no more.
	resource_set dpu sfs 3
	reload dpu
	expect_eq "sizes" "$(sizes sfs)" "3 null"
	refused 'resource sfs has a size of 3' sf_add 4
}

a_namespace_that_ends_takes_no_size_below_what_is_in_use()
{
	local dev sfs

	dev=pci/$(pci_of dpu)
	sfs=$(resource dpu sfs size)
	limited sfs
	sf_add 1
	defer "dpu ip netns exec opi-ends devlink dev reload $dev netns 1 2>/dev/null; dpu ip netns del opi-ends 2>/dev/null || :"
	dpu ip netns add opi-ends </dev/null
	dpu devlink dev reload "$dev" netns opi-ends </dev/null
	dpu ip netns exec opi-ends devlink resource set "$dev" path sfs size 0 </dev/null
	refused 'sfs: 1 are in use' dpu ip netns exec opi-ends devlink dev reload "$dev" netns 1
	dpu ip netns exec opi-ends devlink resource set "$dev" path sfs size 0 </dev/null
	# Nobody can be told, and the device must go.
	dpu ip netns del opi-ends </dev/null
	await dpu 20 "devlink dev show $dev"
	await_dpu dpu 20 '.dev_state == "ready"'
	expect_eq "sizes" "$(sizes sfs)" "$sfs null"
	sf_add 2
	net_up
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
	local vm most name

	for vm in host dpu; do
		most=$(resource "$vm" queue_pairs size_max)
		refused 'smaller than minimum' resource_set "$vm" queue_pairs 0
		refused 'larger than maximum' resource_set "$vm" queue_pairs $((most + 1))
		refused 'larger than maximum' resource_set "$vm" event_queues $(($(resource "$vm" event_queues size) + 1))
		refused 'smaller than minimum' resource_set "$vm" event_queues 0
		for name in vfs sfs; do
			most=$(resource "$vm" "$name" size)
			refused 'larger than maximum' resource_set "$vm" "$name" $((most + 1))
			expect_eq "size to be" "$(resource "$vm" "$name" size_new)" null
		done
		refused '.' resource_set "$vm" nosuch 1
		expect_eq "size to be" "$(resource "$vm" queue_pairs size_new)" null
	done
	# How many functions there can be is the DPU's choice.
	for name in vfs sfs; do
		refused 'smaller than minimum' resource_set host "$name" $(($(resource host "$name" size) - 1))
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
