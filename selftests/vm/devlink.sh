#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# debug: a_dump_shows_registers_and_commands function_address_can_be_set_by_the_dpu
# order: 20
#
# What devlink says of a card on both sides, and what it refuses.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"

CASES="
	info_on_both_sides
	ports_of_the_host
	ports_of_the_dpu
	netdevs_belong_to_their_ports
	eswitch_is_in_switchdev_mode
	health_reporters_are_healthy
	admin_queue_can_be_diagnosed
	a_dump_shows_registers_and_commands
	recovering_what_is_healthy_changes_nothing
	function_address_can_be_set_by_the_dpu
	refuses_what_is_no_address
	refuses_what_the_card_cannot_do
	unprivileged_users_read_and_change_nothing
"

before_case() { bed_ready; }

devlink_json() { on "$1" devlink -j "${@:2}" </dev/null; }

info_on_both_sides()
{
	local vm info

	for vm in host dpu; do
		info=$(devlink_json "$vm" dev info | jq -c '.info[]')
		expect_eq "driver" "$(jq -r .driver <<<"$info")" opi_core
		expect_match "serial number" "$(jq -r .serial_number <<<"$info")" '^[0-9a-f]{16}$'
		expect_eq "board's serial number" "$(jq -r '.["board.serial_number"]' <<<"$info")" "$(jq -r .serial_number <<<"$info")"
		expect_match "board" "$(jq -r '.versions.fixed["board.id"]' <<<"$info")" '^[[:print:]]+$'
		expect_match "revision" "$(jq -r '.versions.fixed["board.rev"]' <<<"$info")" '^[[:print:]]+$'
		expect_match "firmware" "$(jq -r '.versions.running.fw' <<<"$info")" '^[0-9]+\.'
		expect_eq "interface" "$(jq -r '.versions.running["fw.mgmt.api"]' <<<"$info")" 1.0
	done
}

ports_of_the_host()
{
	expect_eq "ports" "$(devlink_json host port show | jq -c '[.port[] | [.flavour, .type]]')" '[["virtual","eth"]]'
}

ports_of_the_dpu()
{
	expect_eq "ports" "$(devlink_json dpu port show |
		jq -c '[.port | to_entries[] | [(.key | sub(".*/"; "")), .value.flavour, .value.type, .value.port, .value.controller, .value.pfnum, .value.external]]')" \
		'[["0","physical","eth",0,null,null,null],["1","pcipf","eth",null,1,0,true]]'
}

netdevs_belong_to_their_ports()
{
	local name port

	for name in p0:0 c1pf0:1; do
		port=${name#*:}
		expect_eq "netdev of port $port" \
			"$(devlink_json dpu port show | jq -r --arg p "/$port" '.port | to_entries[] | select(.key | endswith($p)) | .value.netdev')" \
			"$(dpu_sh "$GUEST/netup find ${name%:*}")"
	done
	# One eswitch, one id; the host's netdev is on none.
	expect_eq "switch ids" "$(dpu_sh 'for n in p0 c1pf0; do cat /sys/class/net/$('"$GUEST"'/netup find $n)/phys_switch_id; done' | sort -u | wc -l)" 1
	refused 'not supported' host_sh 'cat /sys/class/net/$('"$GUEST"'/netup find host)/phys_switch_id'
	expect_eq "host's netdev" "$(devlink_json host port show | jq -r '.port[].netdev')" "$(host_sh "$GUEST/netup find host")"
}

eswitch_is_in_switchdev_mode()
{
	expect_eq "mode" "$(dpu_sh 'devlink -j dev eswitch show pci/$1' "$(pci_of dpu)" | jq -r '.dev[].mode')" switchdev
	refused 'not supported' dpu_sh 'devlink dev eswitch set pci/$1 mode legacy' "$(pci_of dpu)"
	refused 'not supported' host_sh 'devlink dev eswitch show pci/$1' "$(pci_of host)"
}

health_reporters_are_healthy()
{
	local vm

	for vm in host dpu; do
		expect_eq "reporters of $vm" "$(devlink_json "$vm" health show |
			jq -c '[.health[][] | [.reporter, .state, .auto_recover]] | sort')" \
			'[["aq","healthy",true],["fw","healthy",true],["rx","healthy",true],["tx","healthy",true]]'
	done
}

# A number that "aq_field" picks from one diagnosis.
aq_is_idle() { [ "$(aq_field "$1" 'completed == .posted')" = true ]; }

admin_queue_can_be_diagnosed()
{
	local vm before

	for vm in host dpu; do
		expect_eq "running" "$(aq_field "$vm" running)" true
		expect_eq "lost slots" "$(aq_field "$vm" slots_lost)" 0
		# In one answer: the driver has commands of its own between two.
		wait_for 5 aq_is_idle "$vm"
		# Each query of statistics is a command.
		before=$(aq_field "$vm" commands)
		on_sh "$vm" 'ethtool -S $('"$GUEST"'/netup find $1)' "$([ "$vm" = host ] && echo host || echo p0)" >/dev/null
		[ "$(aq_field "$vm" commands)" -gt "$before" ]
	done
}

a_dump_shows_registers_and_commands()
{
	local vm dump

	for vm in host dpu; do
		dump=$(on_sh "$vm" 'devlink -j health dump show pci/$1 reporter aq && devlink health dump clear pci/$1 reporter aq' "$(pci_of "$vm")")
		expect_eq "magic" "$(jq .registers.magic <<<"$dump")" $((0x3149504f))
		[ "$(jq '.commands | length' <<<"$dump")" -gt 3 ]
		# Those that an earlier test saw refused are among them.
		jq -e '.commands | all(.usecs >= 0) and any(.errno == 0)' <<<"$dump"
	done
}

# There is nothing to do for a healthy reporter; for others see vm/faults.
recovering_what_is_healthy_changes_nothing()
{
	local vm starts

	for vm in host dpu; do
		starts=$(aq_field "$vm" starts)
		on_sh "$vm" 'devlink health recover pci/$1 reporter aq' "$(pci_of "$vm")"
		expect_eq "starts" "$(aq_field "$vm" starts)" "$starts"
	done
}

rep_port() { echo "pci/$(pci_of dpu)/1"; }
function_address() { dpu devlink -j port show "$(rep_port)" </dev/null | jq -r '.port[].function.hw_addr'; }

function_address_can_be_set_by_the_dpu()
{
	local old new=02:00:00:00:aa:01

	net_up
	old=$(function_address)
	expect_eq "address" "$(host cat "/sys/class/net/$HIF/address" </dev/null)" "$old"
	defer "dpu devlink port function set $(rep_port) hw_addr $old; host modprobe -r opi_core; host modprobe opi_core"
	dpu devlink port function set "$(rep_port)" hw_addr "$new" </dev/null
	expect_eq "address" "$(function_address)" "$new"
	# The host has it after its next reset at the latest.
	host_sh 'modprobe -r opi_core && modprobe opi_core'
	host_net_up
	expect_eq "host's address" "$(host cat "/sys/class/net/$HIF/address" </dev/null)" "$new"
}

refuses_what_is_no_address()
{
	local addr

	for addr in 00:00:00:00:00:00 01:00:5e:00:00:01 ff:ff:ff:ff:ff:ff; do
		refused 'unicast' dpu devlink port function set "$(rep_port)" hw_addr "$addr"
	done
	refused 'not supported' dpu devlink port function set "pci/$(pci_of dpu)/0" hw_addr 02:00:00:00:00:01
	refused 'not supported' host devlink port function set "pci/$(pci_of host)/1" hw_addr 02:00:00:00:00:01
}

refuses_what_the_card_cannot_do()
{
	local vm dev

	for vm in host dpu; do
		dev=pci/$(pci_of "$vm")
		refused 'not supported' on "$vm" devlink port add "$dev" flavour pcipf controller 1 pfnum 1
		refused 'not supported|No such' on "$vm" devlink port split "$dev/1" count 2
		refused 'not supported' on "$vm" devlink port del "$dev/1"
		refused '' on "$vm" devlink dev flash "$dev" file nosuch
		refused 'No such' on "$vm" devlink port show "$dev/7"
	done
}

unprivileged_users_read_and_change_nothing()
{
	local vm dev

	for vm in host dpu; do
		dev=pci/$(pci_of "$vm")
		on "$vm" setpriv --reuid nobody --regid nogroup --clear-groups devlink dev info "$dev" </dev/null >/dev/null
		refused 'not permitted' on "$vm" setpriv --reuid nobody --regid nogroup --clear-groups \
			devlink health recover "$dev" reporter aq
	done
	refused 'not permitted' dpu setpriv --reuid nobody --regid nogroup --clear-groups \
		devlink port function set "$(rep_port)" hw_addr 02:00:00:00:00:01
}

run_cases "$@"
