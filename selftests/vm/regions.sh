#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 200
# soak: regions_can_be_read_while_the_function_is_reset
# debug: a_dead_function_has_rings_but_no_registers
# debug: regions_can_be_read_while_the_function_is_reset the_driver_goes_with_snapshots_left
# order: 22
#
# devlink regions: registers, admin queue and event queues, as snapshots and
# directly, and when the card is gone.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"

CASES="
	regions_are_listed_on_both_sides
	registers_are_those_of_the_function
	any_part_of_a_region_can_be_read
	a_snapshot_stays_as_it_was
	the_admin_queue_has_the_last_commands
	the_event_queue_has_the_last_event
	snapshots_are_numbered_and_limited
	refuses_what_is_not_there
	refuses_unprivileged_users
	a_dead_function_has_rings_but_no_registers
	regions_can_be_read_while_the_function_is_reset
	the_driver_goes_with_snapshots_left
"

before_case() { bed_ready; }

# region_of VM REGION: its name for devlink.
region_of() { echo "pci/$(pci_of "$1")/$2"; }

# region_bytes VM REGION ADDRESS LENGTH [SNAPSHOT]: as hexadecimal digits.
region_bytes()
{
	on_sh "$1" 'devlink region read $1 ${4:+snapshot $4} address $2 length $3' "$(region_of "$1" "$2")" "$3" "$4" "${5:-}" |
		sed 's/^[0-9a-f]*//' | tr -d ' \n'
}

# le32 HEX: the number that these four bytes are.
le32() { echo $((16#${1:6:2}${1:4:2}${1:2:2}${1:0:2})); }
register() { le32 "$(region_bytes "$1" registers "$2" 4)"; }

# snapshot VM REGION ID: it is gone after the case.
snapshot()
{
	defer "on $1 devlink region del $(region_of "$1" "$2") snapshot $3 2>/dev/null || :"
	on "$1" devlink region new "$(region_of "$1" "$2")" snapshot "$3" </dev/null >/dev/null
}

snapshots_of()
{
	on "$1" devlink -j region show "$(region_of "$1" "$2")" </dev/null | jq -c '.regions[].snapshot // []'
}

regions_are_listed_on_both_sides()
{
	local vm vecs

	for vm in host dpu; do
		vecs=$(on_sh "$vm" 'ls /sys/bus/pci/devices/$1/msi_irqs | wc -l' "$(pci_of "$vm")")
		expect_eq "regions of $vm" "$(on "$vm" devlink -j region show </dev/null |
			jq -c '[.regions | to_entries[] | [(.key | sub(".*/"; "")), .value.size, .value.max]] | sort')" \
			"[[\"admin_queue\",1280,8],[\"event_queues\",$((vecs * 64 * 32)),8],[\"registers\",4096,8]]"
	done
}

# What they say is known from elsewhere too.
registers_are_those_of_the_function()
{
	local vm serial

	for vm in host dpu; do
		expect_eq "magic" "$(region_bytes "$vm" registers 0 4)" 4f504931
		serial=$(on "$vm" devlink -j dev info </dev/null | jq -r '.info[].serial_number')
		expect_eq "serial number" "$(printf '%08x%08x' "$(register "$vm" $((0x14)))" "$(register "$vm" $((0x10)))")" "$serial"
		expect_eq "generation" "$(register "$vm" $((0x18)))" "$(dpu_field "$vm" .generation)"
		expect_eq "admin queue" "$(($(register "$vm" $((0x114))) & 1))" 1
	done
	expect_eq "role of the host" "$(($(register host 8) & 255))" 1
	expect_eq "role of the DPU" "$(($(register dpu 8) & 255))" 3
}

any_part_of_a_region_can_be_read()
{
	local vm whole

	for vm in host dpu; do
		snapshot "$vm" registers 10
		whole=$(region_bytes "$vm" registers 0 4096 10)
		expect_eq "bytes" "${#whole}" 8192
		expect_eq "dump" "$(on "$vm" devlink region dump "$(region_of "$vm" registers)" snapshot 10 </dev/null |
			sed 's/^[0-9a-f]*//' | tr -d ' \n')" "$whole"
		# Neither begins nor ends with a word, within one and across some.
		expect_eq "bytes 1-2" "$(region_bytes "$vm" registers 1 2)" "${whole:2:4}"
		expect_eq "bytes 3-11" "$(region_bytes "$vm" registers 3 9)" "${whole:6:18}"
		expect_eq "bytes 17-22" "$(region_bytes "$vm" registers 17 6 10)" "${whole:34:12}"
		# What is beyond the end is not there.
		expect_eq "the last bytes" "$(region_bytes "$vm" registers 4093 100)" "${whole:8186}"
	done
}

# beats_on VM OLD: the heartbeat is another one than that.
beats_on()
{
	local now

	now=$(region_bytes "$1" registers $((0x8c)) 4)
	[ "${#now}" = 8 ] && [ "$now" != "$2" ]
}

a_snapshot_stays_as_it_was()
{
	local vm old

	for vm in host dpu; do
		snapshot "$vm" registers 11
		old=$(region_bytes "$vm" registers $((0x8c)) 4 11)
		# The heart beats on.
		expect_eq "bytes of the heartbeat" "${#old}" 8
		wait_for 10 beats_on "$vm" "$old"
		expect_eq "heartbeat" "$(region_bytes "$vm" registers $((0x8c)) 4 11)" "$old"
	done
}

# has_opcode VM OPCODE: some slot of the admin ring has it.
has_opcode()
{
	local ring i

	ring=$(region_bytes "$1" admin_queue 0 1280)
	expect_eq "bytes" "${#ring}" 2560
	for ((i = 0; i < 16; i++)); do
		[ "${ring:i * 128:4}" != "$2" ] || return 0
	done
	return 1
}

the_admin_queue_has_the_last_commands()
{
	net_up
	# PORT_STATS
	host ethtool -S "$HIF" </dev/null >/dev/null
	has_opcode host 3200
	dpu ethtool -S "$P0" </dev/null >/dev/null
	has_opcode dpu 3200
}

the_event_queue_has_the_last_event()
{
	local before now

	net_up
	snapshot host event_queues 12
	before=$(region_bytes host event_queues 0 2048 12)
	# LINK
	dpu_sh 'ip link set $1 down' "$REP"
	await host 5 "[ \$(cat /sys/class/net/$HIF/carrier) = 0 ]"
	dpu_sh 'ip link set $1 up' "$REP"
	now=$(region_bytes host event_queues 0 2048)
	expect_eq "bytes" "${#now}" "${#before}"
	[ "$now" != "$before" ]
	expect_eq "the snapshot" "$(region_bytes host event_queues 0 2048 12)" "$before"
}

snapshots_are_numbered_and_limited()
{
	local vm i id

	for vm in host dpu; do
		for i in 1 2 3 4 5 6 7; do
			snapshot "$vm" admin_queue "$i"
		done
		id=$(on "$vm" devlink -j region new "$(region_of "$vm" admin_queue)" </dev/null | jq -r '.regions[].snapshot[]')
		defer "on $vm devlink region del $(region_of "$vm" admin_queue) snapshot $id 2>/dev/null || :"
		expect_match "chosen number" "$id" '^[0-9]+$'
		refused 'maximum number' on "$vm" devlink region new "$(region_of "$vm" admin_queue)" snapshot 99
		on "$vm" devlink region del "$(region_of "$vm" admin_queue)" snapshot 3 </dev/null
		refused 'already in use' on "$vm" devlink region new "$(region_of "$vm" admin_queue)" snapshot 4
		refused '.' on "$vm" devlink region del "$(region_of "$vm" admin_queue)" snapshot 3
		expect_eq "how many" "$(snapshots_of "$vm" admin_queue | jq length)" 7
	done
}

refuses_what_is_not_there()
{
	local vm

	for vm in host dpu; do
		refused '.' on "$vm" devlink region show "$(region_of "$vm" nosuch)"
		refused 'does not exist' on "$vm" devlink region new "$(region_of "$vm" nosuch)" snapshot 1
		refused 'does not exist' on "$vm" devlink region read "$(region_of "$vm" registers)" snapshot 77 address 0 length 4
		refused '.' on "$vm" devlink region read "$(region_of "$vm" registers)" address 8192 length 4
	done
}

refuses_unprivileged_users()
{
	local vm

	for vm in host dpu; do
		refused 'not permitted' on "$vm" setpriv --reuid nobody --regid nogroup --clear-groups \
			devlink region read "$(region_of "$vm" registers)" address 0 length 4
		refused 'not permitted' on "$vm" setpriv --reuid nobody --regid nogroup --clear-groups \
			devlink region new "$(region_of "$vm" registers)" snapshot 1
	done
}

a_dead_function_has_rings_but_no_registers()
{
	local rings

	net_up
	expect_log host 'opi_core 0000:[0-9a-f:.]+: (function does not answer|start failed|last reset failed)'
	expect_log host 'opi_core 0000:[0-9a-f:.]+ [a-z0-9]+: (port does not|no queue pairs)'
	snapshot host registers 13
	defer "tb fault dead off"
	tb fault dead on
	await_dpu host 10 '.dev_state == "gone"'
	refused 'does not answer' host devlink region read "$(region_of host registers)" address 0 length 4
	refused 'does not answer' host devlink region new "$(region_of host registers)" snapshot 14
	expect_eq "snapshots" "$(snapshots_of host registers)" '[13]'
	expect_eq "magic of the snapshot" "$(region_bytes host registers 0 4 13)" 4f504931
	snapshot host admin_queue 14
	rings=$(region_bytes host admin_queue 0 1280)
	expect_eq "bytes of the rings" "${#rings}" 2560
	expect_eq "the rings" "$rings" "$(region_bytes host admin_queue 0 1280 14)"
	# Of the other side nothing is lost.
	expect_eq "magic of the DPU" "$(region_bytes dpu registers 0 4)" 4f504931
	tb fault dead off
	await_dpu host 30 '.dev_state == "ready"'
	expect_eq "magic" "$(region_bytes host registers 0 4)" 4f504931
}

regions_can_be_read_while_the_function_is_reset()
{
	local vm

	net_up
	for vm in host dpu; do
		# shellcheck disable=SC2016 # for the guest
		bg "reader_$vm" "$vm" sh -c 'while :; do
			for r in registers admin_queue event_queues; do
				devlink region read $0/$r address 0 length 4096 && devlink region new $0/$r snapshot 20 &&
					devlink region del $0/$r snapshot 20 && echo "$r was read" >&3
			done; done 3>&1 >/dev/null 2>&1' "pci/$(pci_of "$vm")"
		on_sh "$vm" 'for i in $(seq $2); do echo 1 >/sys/bus/pci/devices/$1/reset || exit; done' "$(pci_of "$vm")" "$(times 5)"
		wait_for 20 said "reader_$vm" 'was read'
		bg_stop "reader_$vm"
		on "$vm" devlink region del "$(region_of "$vm" registers)" snapshot 20 </dev/null 2>/dev/null || :
		on "$vm" devlink region del "$(region_of "$vm" admin_queue)" snapshot 20 </dev/null 2>/dev/null || :
		on "$vm" devlink region del "$(region_of "$vm" event_queues)" snapshot 20 </dev/null 2>/dev/null || :
		await_dpu "$vm" 20 '.dev_state == "ready"'
	done
	await_ping host 20 "$DPU_IP"
}

the_driver_goes_with_snapshots_left()
{
	local vm

	for vm in host dpu; do
		on_sh "$vm" 'for r in registers admin_queue event_queues; do devlink region new $1/$r || exit; done
			modprobe -r opi_core && modprobe opi_core' "pci/$(pci_of "$vm")"
		await "$vm" 10 "devlink region show $(region_of "$vm" registers)"
		expect_eq "snapshots" "$(snapshots_of "$vm" registers)" '[]'
	done
	net_up
}

run_cases "$@"
