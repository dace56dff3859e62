#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 200
# order: 70
#
# Each part of the driver once, in few minutes: what the debug kernel sees of
# every change.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"

CASES="
	what_devlink_and_opitool_say
	traffic_of_all_kinds
	reloads_under_traffic
	resets_under_traffic
	a_swallowed_command
	a_broken_queue_pair
	a_cut_link
	the_dpu_is_killed_and_comes_back
"

before_case() { net_up; }

# With a pause after every 16th: two processors that do nothing else but drop broadcasts
# would be a test of patience.
flood() { bg "flood_$1" "$1" sh -c 'while :; do '"$GUEST"'/frames send $0 -n 500 -l 60,1514 -p 5000 2>/dev/null || sleep 0.1; done' "$2"; }

what_devlink_and_opitool_say()
{
	local vm serial

	serial=$(dpu_field host .serial)
	for vm in host dpu; do
		expect_eq "serial on $vm" "$(on "$vm" devlink -j dev info </dev/null | jq -r '.info[].serial_number')" "$serial"
		on "$vm" devlink -j port show </dev/null | jq -e '.port | length > 0' >/dev/null
		on_sh "$vm" 'for r in $(devlink -j health show | jq -r ".health[][].reporter"); do
				devlink health diagnose pci/$1 reporter $r >/dev/null &&
				devlink health dump show pci/$1 reporter $r >/dev/null || exit 1
			done' "$(pci_of "$vm")"
		on "$vm" opitool -j port show </dev/null | jq -e . >/dev/null
	done
}

traffic_of_all_kinds()
{
	ping_works host "$DPU_IP6"
	ping_works host "$FAR_IP"
	host ping -q -f -c 300 "$DPU_IP" </dev/null
	host_sh 'head -c 1000000 /dev/urandom >/tmp/e; timeout $3 nc -N $1 $2 </tmp/e | cmp - /tmp/e' \
		"$ECHO_IP" "$ECHO_PORT" "$(secs 60)"
	host ip link set "$HIF" mtu 9000 </dev/null
	dpu_sh 'ip link set $1 mtu 9000; ip link set br0 mtu 9000' "$REP"
	host ping -q -c 3 -i 0.2 -W 5 -M 'do' -s 8972 "$DPU_IP" </dev/null
}

reloads_under_traffic()
{
	flood host "$HIF"
	flood dpu "$REP"
	dpu_sh 'modprobe -r opi_core && modprobe opi_core'
	dpu_net_up
	await_ping host 20 "$DPU_IP"
	host_sh 'modprobe -r opi_core && modprobe opi_core'
	host_net_up
	await_ping host 20 "$DPU_IP"
}

resets_under_traffic()
{
	local vm

	flood host "$HIF"
	flood dpu "$REP"
	for vm in host dpu; do
		on_sh "$vm" 'echo 1 >/sys/bus/pci/devices/$1/reset' "$(pci_of "$vm")"
		await_ping host 20 "$DPU_IP"
	done
}

a_swallowed_command()
{
	local recovers

	recovers=$(health_field host aq recover)
	expect_log host 'opi_core 0000:[0-9a-f:.]+ [a-z0-9]+: the card refuses the MTU'
	tb fault aq-drop 1
	host ip link set "$HIF" mtu 1700 </dev/null || :
	wait_for 15 eval "[ \"\$(health_field host aq recover)\" = $((recovers + 1)) ]"
	await_ping host 20 "$DPU_IP"
}

a_broken_queue_pair()
{
	expect_log host 'opi_core 0000:[0-9a-f:.]+: queue pair [0-9]+ stopped'
	tb fault qp-error 1
	await_ping host 20 "$DPU_IP"
	await host 20 "ping -q -c 3 -i 0.2 -W 10 $DPU_IP"
}

a_cut_link()
{
	local generation

	generation=$(dpu_field host .generation)
	expect_log dpu 'opi_core 0000:[0-9a-f:.]+: (card is absent|start failed|queue pair|function does not answer)'
	tb fault link-cut on
	await_dpu host 30 ".generation == $((generation + 1)) and .peer == \"ready\""
	await_ping host 20 "$DPU_IP"
}

the_dpu_is_killed_and_comes_back()
{
	bg sender host ping -q -i 0.01 "$DPU_IP"
	tb kill dpu
	await_dpu host 5 '.peer == "absent"'
	no_stuck_tasks host
	tb reset dpu
	tb wait dpu
	dpu_net_up
	await_ping host 30 "$DPU_IP"
}

run_cases "$@"
