#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 400
# order: 47
# soak: random_operations_and_all_agree@100,100 functions_come_and_go_beside_traffic@100
# soak: functions_come_and_go_while_drivers_and_machines_do
# debug: random_operations_and_all_agree
#
# Many operations on functions, legal and illegal, at random: each gives the result that
# it must, and card, DPU and host agree afterwards.  And subfunctions that come and go
# all the time beside traffic of others.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/func.sh"

CASES="
	random_operations_and_all_agree
	functions_come_and_go_beside_traffic
	functions_come_and_go_while_drivers_and_machines_do
"

before_case() { net_up; }

# random COUNT [OPTION...]: the program's operations.
random() { dpu timeout "$(secs "$(times 120)")" "$GUEST/funcops" random "$@" -s "$OPI_SEED" </dev/null; }

# The physical function as it is now comes back; all else goes, and so does what the
# host says because functions are taken away that it uses.
as_before()
{
	local port mac fn

	port=$(dpu devlink -j port show </dev/null | jq -r '.port | to_entries[] | select(.value.flavour == "pcipf") | .key')
	mac=$(dpu devlink -j port show "$port" </dev/null | jq -r '.port[].function.hw_addr')
	fn=$(dpu opitool -j function show </dev/null | jq -r '.[] | select(.type == "pf") |
		"id \(.func_id) trust \(if .trust then "on" else "off" end) vlan \(.vlan)"')
	expect_log host 'opi_core [0-9a-f:.]+: function (is not in service|does not answer)'
	defer "dpu devlink dev reload pci/$(pci_of dpu)"
	defer "dpu devlink port function set $port hw_addr $mac; dpu opitool function set $fn"
	defer "functions_gone"
}

# VFs as they are when they were just made: 6, and the host has 3 of them.
new_vfs()
{
	vfs 0
	max_vfs 0
	max_vfs 6
	set_vfs 3
}

# ---- do they agree? --------------------------------------------------------------

# What a side shows of the functions that the host has.
functions_of()
{
	on "$1" opitool -j function show </dev/null | jq -c '[.[] | select(.opstate != "hidden") |
		[.func_id, .type, .vf, .sf, .port_index, .host_address, .opstate, .trust, .vlan, .max_qps, .max_vfs, .num_vfs]] |
		sort | .[]'
}

# Kind, number and address: what the DPU gave to functions that it exposes.
addresses_on_dpu()
{
	dpu devlink -j port show </dev/null | jq -r --argjson n "$(num_vfs)" '.port[] |
		if .flavour == "pcisf" and .function.state == "active" then "sf \(.sfnum) \(.function.hw_addr)"
		elif .flavour == "pcivf" and .function.state == "active" and .vfnum < $n then "vf \(.vfnum) \(.function.hw_addr)"
		elif .flavour == "pcipf" then "pf 0 \(.function.hw_addr)" else empty end' | sort
}

# And what the netdevs of its devices have.  One of a VF that was withdrawn is there, too.
addresses_on_host()
{
	local exposed

	exposed=$(dpu devlink -j port show </dev/null | jq -r '.port[] | select(.flavour == "pcivf" and .function.state == "active") | .vfnum' | xargs)
	host_sh 'for d in /sys/bus/auxiliary/devices/opi_core.sf.*; do
			[ ! -e "$d" ] || echo sf $(cat $d/sfnum) $(cat $d/net/*/address)
		done
		for n in $2; do
			[ ! -e /sys/bus/pci/devices/$1/virtfn$n ] || echo vf $n $(cat /sys/bus/pci/devices/$1/virtfn$n/net/*/address)
		done
		echo pf 0 $(cat /sys/bus/pci/devices/$1/net/*/address)' "$(pci_of host)" "$exposed" | sort
}

# same WHAT CMD CMD: both say the same.
same()
{
	"${@:2:1}" "${@:3:1}" >"$CASE_DIR/a"
	"${@:4:1}" "${@:5:1}" >"$CASE_DIR/b"
	cmp -s "$CASE_DIR/a" "$CASE_DIR/b" || { echo "$1"; diff "$CASE_DIR/a" "$CASE_DIR/b"; }
}

agree()
{
	same "functions: DPU, host" functions_of dpu functions_of host &&
	same "addresses: DPU, host" addresses_on_dpu "" addresses_on_host ""
}

# All of what the DPU shows, but for numbers of events and names of netdevs.
shown_on_dpu()
{
	dpu opitool -j function show </dev/null | jq -S 'map(del(.seq, .port.netdev))'
	dpu devlink -j port show </dev/null | jq -S '.port | map_values(del(.netdev))'
}

all_agree()
{
	wait_for 60 agree
	# What the drivers know is what the card tells who asks it anew.
	shown_on_dpu >"$CASE_DIR/before"
	dpu_sh 'modprobe -r opi_core && modprobe opi_core'
	dpu_net_up
	wait_for 60 shown_again
	host_sh 'modprobe -r opi_core && modprobe opi_core'
	host_net_up
	wait_for 60 agree
}

shown_again() { shown_on_dpu | diff "$CASE_DIR/before" -; }

# ---- the cases -------------------------------------------------------------------

random_operations_and_all_agree()
{
	as_before
	new_vfs
	refused 'a function is not what it must be' random 0 -b
	random "$(times 100)"
	all_agree
}

# What the host gets is used at once: its netdev is taken up, without a process.
use_all()
{
	# shellcheck disable=SC2016 # for the guest
	bg use host sh -c 'while :; do
			for n in /sys/bus/auxiliary/devices/opi_core.sf.*/net/*; do
				[ ! -e $n ] || echo 0x1003 >$n/flags
			done 2>/dev/null
			sleep 0.02
		done'
}

# cycles COUNT [OPTION...]
cycles() { dpu timeout "$(secs "$(times 120)")" "$GUEST/funcops" cycles "$@" -s "$OPI_SEED" </dev/null; }

functions_come_and_go_beside_traffic()
{
	local port starts

	vfs 1
	defer "vfs 0; max_vfs 0"
	starts=$(aq_field host starts)
	fn_bridge "$(fn_rep vf 0)"
	fn_netns vf0 "$(vf_if 0)" 10.77.0.110
	port=$(sf_made 999)
	defer "dpu devlink port del $port"
	fn_bridge "$(fn_rep sf 999)"
	fn_netns sf999 "$(host_sh 'ls /sys/bus/auxiliary/devices/opi_core.sf.*/net')" 10.77.0.120
	await_ping_from 20 vf0 "$DPU_IP"
	await_ping_from 20 sf999 "$DPU_IP"
	neighbour pf
	neighbour vf vf0
	neighbour sf sf999
	use_all
	cycles "$(times 10)" -w "$(secs 30)"
	bg_stop use
	lost_nothing pf
	lost_nothing vf
	lost_nothing sf
	only_left 999
	# Nothing was so wrong that the host's driver began anew.
	expect_eq "starts of the physical function" "$(aq_field host starts)" "$starts"
}

# sf_made N: made and in use by the host's driver; its port.
sf_made()
{
	dpu devlink port add "pci/$(pci_of dpu)" flavour pcisf controller 1 pfnum 0 sfnum "$1" </dev/null >/dev/null
	dpu devlink port function set "$(fn_port sf "$1")" state active </dev/null
	await_fn 20 sf "$1" '.function.opstate == "attached"'
	fn_port sf "$1"
}

# only_left [N]: there are no other subfunctions, on either side.
only_left()
{
	expect_eq "subfunctions of the DPU" "$(dpu devlink -j port show </dev/null |
		jq -r '.port[] | select(.flavour == "pcisf") | .sfnum' | xargs)" "${1:-}"
	await host 20 "[ \"\$(cat /sys/bus/auxiliary/devices/opi_core.sf.*/sfnum 2>/dev/null)\" = '${1:-}' ]"
	no_stuck_tasks host
	no_stuck_tasks dpu
}

functions_come_and_go_while_drivers_and_machines_do()
{
	local i

	defer "functions_gone"
	use_all
	start_cycles
	for ((i = 0; i < $(times 2); i++)); do
		host_sh 'modprobe -r opi_core && modprobe opi_core'
		host_sh 'echo 1 >"/sys/bus/pci/devices/$1/reset"' "$(pci_of host)"
	done
	tb reset host
	tb wait host
	still_cycles
	# It ends somewhere; what is left is known afterwards, and can be removed.
	tb reset dpu
	tb wait dpu
	net_up
	wait_for 60 agree
	start_cycles
	sleep 1
	dpu_sh 'modprobe -r opi_core && modprobe opi_core'
	bg_stop cycles
	net_up
	wait_for 60 agree
	functions_gone
	only_left
	sf_made 1
	wait_for 60 agree
}

# Without end, and without waiting for the host.
start_cycles()
{
	bg cycles dpu "$GUEST/funcops" cycles 1000000 -w 0 -s "$OPI_SEED"
	wait_for 10 dpu_sh 'devlink port show | grep -q pcisf'
}

still_cycles()
{
	# shellcheck disable=SC2154 # by bg
	kill -0 "$bg_cycles" || fail "$(cat "$CASE_DIR/cycles.err")"
}

run_cases "$@"
