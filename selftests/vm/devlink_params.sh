#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
# debug: sizes_of_event_queues_change_at_a_reload failures_leave_snapshots_if_asked_to
# order: 43
#
# devlink parameters: those that take effect at once, those that wait for a
# reload, and what is no value for them.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/func.sh"

CASES="
	parameters_are_listed_on_both_sides
	sizes_of_event_queues_change_at_a_reload
	vectors_are_limited_at_a_reload
	too_many_vectors_are_not_had
	virtual_functions_can_be_switched_off
	failures_leave_snapshots_if_asked_to
	a_value_that_waits_outlives_a_reset
	refuses_what_is_no_value
	refuses_unprivileged_users
"

before_case() { net_up; }

param_set()
{
	on "$1" devlink dev param set "pci/$(pci_of "$1")" name "$2" value "$3" cmode "${4:-driverinit}" </dev/null
}

param()
{
	on "$1" devlink -j dev param show "pci/$(pci_of "$1")" name "$2" </dev/null | jq -r '.param[][].values[].value'
}

# keep VM NAME: the case leaves it as it was.
keep() { defer "param_set $1 $2 $(param "$1" "$2") ${3:-}"; }

reload() { on "$1" devlink dev reload "pci/$(pci_of "$1")" </dev/null; }
region_size() { on "$1" devlink -j region show "pci/$(pci_of "$1")/event_queues" </dev/null | jq '.regions[].size'; }
vectors() { on_sh "$1" 'ls /sys/bus/pci/devices/$1/msi_irqs | wc -l' "$(pci_of "$1")"; }

traffic_returns()
{
	net_up
	ping_works host "$DPU_IP"
	ping_works dpu "$HOST_IP"
	ping_works host "$FAR_IP"
}

parameters_are_listed_on_both_sides()
{
	local vm

	expect_eq "of a physical function" "$(on host devlink -j dev param show "pci/$(pci_of host)" name enable_sriov </dev/null |
		jq -c '[.param[][] | [.type, .values[].cmode, .values[].value]]')" '[["generic","driverinit",true]]'
	for vm in host dpu; do
		expect_eq "parameters of $vm" "$(on "$vm" devlink -j dev param show </dev/null |
			jq -c '[.param[][] | [.name, .type, .values[].cmode] | select(.[0] != "enable_sriov")] | sort')" \
			'[["event_eq_size","generic","driverinit"],["io_eq_size","generic","driverinit"],["msix_vec_per_pf_max","generic","driverinit"],["msix_vec_per_pf_min","generic","driverinit"],["region_snapshot_enable","generic","runtime"]]'
		expect_eq "event queue" "$(param "$vm" event_eq_size)" 64
		expect_eq "vectors" "$(param "$vm" msix_vec_per_pf_max)" "$(vectors "$vm")"
	done
}

sizes_of_event_queues_change_at_a_reload()
{
	local vm n size

	for vm in host dpu; do
		n=$(vectors "$vm")
		defer "reload $vm"
		keep "$vm" io_eq_size
		keep "$vm" event_eq_size
		for size in 8 256; do
			param_set "$vm" io_eq_size 16
			param_set "$vm" event_eq_size "$size"
			expect_eq "event queue, waiting" "$(param "$vm" event_eq_size)" "$size"
			reload "$vm"
			expect_eq "bytes of $vm" "$(region_size "$vm")" $(((size + (n - 1) * 16) * 32))
			traffic_returns
		done
	done
}

vectors_are_limited_at_a_reload()
{
	local vm old

	for vm in host dpu; do
		old=$(vectors "$vm")
		defer "reload $vm"
		keep "$vm" msix_vec_per_pf_max
		param_set "$vm" msix_vec_per_pf_max 1
		expect_eq "vectors before" "$(vectors "$vm")" "$old"
		reload "$vm"
		expect_eq "vectors" "$(vectors "$vm")" 1
		expect_eq "event queues" "$(on "$vm" devlink -j resource show "pci/$(pci_of "$vm")" </dev/null |
			jq '.resources[][] | select(.name == "event_queues") | .size')" 1
		traffic_returns
	done
}

# More than there are is asked for at least: the reload says so, and how to go on.
too_many_vectors_are_not_had()
{
	local most

	most=$(host_sh 'setpci -s $1 CAP11+2.w' "$(pci_of host)")
	most=$(((16#$most & 0x7ff) + 1))
	refused 'vectors' param_set host msix_vec_per_pf_max $((most + 1))
	defer "reload host"
	keep host msix_vec_per_pf_min
	keep host msix_vec_per_pf_max
	param_set host msix_vec_per_pf_max "$most"
	param_set host msix_vec_per_pf_min "$most"
	reload host
	expect_eq "vectors" "$(vectors host)" "$most"
	traffic_returns
}

virtual_functions_can_be_switched_off()
{
	vfs 0
	[ "$(func_field dpu '.type == "pf"' .max_vfs)" -ge 2 ] || max_vfs 2
	defer "vfs 0; reload host"
	keep host enable_sriov
	param_set host enable_sriov false
	# Not before the reload.
	set_vfs 1
	reload host
	expect_eq "VFs that stay" "$(num_vfs)" 1
	set_vfs 0
	expect_log host 'opi_core [0-9a-f:.]+: the parameter enable_sriov is off'
	refused 'not supported' set_vfs 1
	param_set host enable_sriov true
	refused 'not supported' set_vfs 1
	reload host
	set_vfs 2
	expect_eq "VFs" "$(num_vfs)" 2
	set_vfs 0
	traffic_returns
}

snapshots() { on "$1" devlink -j region show </dev/null | jq -c '[.regions[].snapshot // []] | add | unique'; }

failures_leave_snapshots_if_asked_to()
{
	local vm dev id recovers r

	for vm in host dpu; do
		dev=pci/$(pci_of "$vm")
		keep "$vm" region_snapshot_enable runtime
		expect_eq "snapshots before" "$(snapshots "$vm")" '[]'
		for r in false true; do
			param_set "$vm" region_snapshot_enable "$r" runtime
			recovers=$(health_field "$vm" fw recover)
			on "$vm" devlink health test "$dev" reporter fw </dev/null
			wait_for 15 eval "[ \"\$(health_field $vm fw recover)\" = $((recovers + 1)) ]"
			[ "$r" = true ] || expect_eq "snapshots" "$(snapshots "$vm")" '[]'
		done
		expect_eq "snapshots" "$(on "$vm" devlink -j region show </dev/null | jq -c '[.regions[].snapshot | length]')" '[1,1,1]'
		id=$(snapshots "$vm" | jq '.[]')
		# One number for all; and the card was still ready then.
		expect_match "number" "$id" '^[0-9]+$'
		on "$vm" devlink region read "$dev/registers" snapshot "$id" address 0 length 4 </dev/null | grep -q '4f 50 49 31'
		on_sh "$vm" 'for r in registers admin_queue event_queues; do devlink region del $1/$r snapshot $2 || exit; done' "$dev" "$id"
		traffic_returns
	done
}

a_value_that_waits_outlives_a_reset()
{
	local vm

	for vm in host dpu; do
		defer "reload $vm"
		keep "$vm" event_eq_size
		param_set "$vm" event_eq_size 512
		on_sh "$vm" 'echo 1 >/sys/bus/pci/devices/$1/reset' "$(pci_of "$vm")"
		expect_eq "value" "$(param "$vm" event_eq_size)" 512
		[ "$(region_size "$vm")" -lt $((512 * 32)) ]
		reload "$vm"
		[ "$(region_size "$vm")" -gt $((512 * 32)) ]
	done
	traffic_returns
}

refuses_what_is_no_value()
{
	local vm name val

	for vm in host dpu; do
		for name in io_eq_size event_eq_size; do
			for val in 0 1 4 7 63 8192 4294967295; do
				refused 'a power of two' param_set "$vm" "$name" "$val"
			done
		done
		for name in msix_vec_per_pf_min msix_vec_per_pf_max; do
			for val in 0 3000 4294967295; do
				refused 'the function has 1 to' param_set "$vm" "$name" "$val"
			done
		done
		refused '.' param_set "$vm" io_eq_size 64 runtime
		refused '.' param_set "$vm" region_snapshot_enable true driverinit
		refused '.' param_set "$vm" region_snapshot_enable maybe runtime
		refused '.' param_set "$vm" nosuch 1
		expect_eq "event queue" "$(param "$vm" event_eq_size)" 64
	done
}

refuses_unprivileged_users()
{
	local vm

	for vm in host dpu; do
		refused 'not permitted' on "$vm" setpriv --reuid nobody --regid nogroup --clear-groups \
			devlink dev param set "pci/$(pci_of "$vm")" name io_eq_size value 32 cmode driverinit
	done
}

run_cases "$@"
