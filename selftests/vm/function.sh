#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 400
# order: 46
# soak: dumps_are_whole_while_functions_come_and_go
# debug: each_step_of_a_subfunction_is_told dumps_are_whole_while_functions_come_and_go
#
# The function table as both sides are told of it: events of each step, dumps while
# functions come and go, what survives losing events.  Virtual functions and
# subfunctions themselves are tested in vf.sh and sf.sh.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/func.sh"

CASES="
	each_step_of_a_vf_is_told
	each_step_of_a_subfunction_is_told
	the_host_is_told_of_its_own
	dumps_are_whole_while_functions_come_and_go
	lost_events_are_made_good
	lost_events_of_the_host_are_made_good
	numbers_are_those_of_one_sequence
	a_card_without_power_forgets_its_functions
"

before_case() { net_up; }

# What the monitor said of a function, in one line: seen NAME JQ-SELECT
seen()
{
	jq -r "select(.object == \"function\" and .event != \"state\" and ($2)) |
		if .event == \"change\" then .changed | join(\"+\") else .event end" "$CASE_DIR/$1" | xargs
}

# Each notification has its number: there is no gap.
no_gap()
{
	local seqs

	refused '' said "$1" '"event":"lost"'
	seqs=$(jq -r 'select(.seq != null and .event != "state") | .seq' "$CASE_DIR/$1")
	[ -n "$seqs" ]
	expect_eq "event numbers" "$(xargs <<<"$seqs")" "$(seq -s ' ' "$(head -n 1 <<<"$seqs")" "$(tail -n 1 <<<"$seqs")")"
}

monitor()
{
	bg "$1" "$2" opitool -j monitor all
	wait_for 10 said "$1" '"sync"'
}

each_step_of_a_vf_is_told()
{
	vfs 0
	max_vfs 0
	monitor events dpu
	max_vfs 1
	set_vfs 1
	wait_for 10 said events '"attached"'
	dpu devlink port function set "$(fn_port vf 0)" hw_addr 02:00:00:00:cc:01 </dev/null
	wait_for 10 said events '02:00:00:00:cc:01|"set"'
	set_vfs 0
	wait_for 10 said events '"detached"'
	max_vfs 0
	wait_for 10 said events '"event":"del"'
	expect_match "VF 0" "$(seen events '.vf == 0')" '^add exposed attached set .*withdrawn.* del$'
	expect_match "the PF" "$(seen events '.type == "pf"')" 'set.*num-vfs.*num-vfs.*set'
	no_gap events
}

each_step_of_a_subfunction_is_told()
{
	local port

	monitor events dpu
	dpu devlink port add "pci/$(pci_of dpu)" flavour pcisf controller 1 pfnum 0 sfnum 5 </dev/null >/dev/null
	port=$(fn_port sf 5)
	dpu devlink port function set "$port" state active </dev/null
	await_fn 20 sf 5 '.function.opstate == "attached"'
	dpu devlink port function set "$port" state inactive </dev/null
	dpu devlink port del "$port" </dev/null
	wait_for 10 said events '"event":"del"'
	expect_match "SF 5" "$(seen events '.sf == 5')" '^add exposed attached detached withdrawn del$'
	no_gap events
}

the_host_is_told_of_its_own()
{
	local port

	monitor events host
	dpu devlink port add "pci/$(pci_of dpu)" flavour pcisf controller 1 pfnum 0 sfnum 5 </dev/null >/dev/null
	port=$(fn_port sf 5)
	defer "dpu devlink port del $port"
	dpu devlink port function set "$port" state active </dev/null
	await_fn 20 sf 5 '.function.opstate == "attached"'
	dpu devlink port function set "$port" state inactive </dev/null
	wait_for 10 said events '"event":"del"'
	# What is hidden it does not hear of.
	expect_match "SF 5" "$(seen events '.sf == 5')" '^add .*attached.* del$'
	no_gap events
}

dumps_are_whole_while_functions_come_and_go()
{
	vfs 0
	max_vfs 16
	defer "max_vfs 0"
	bg change dpu sh -c 'trap exit TERM; while :; do
		opitool function set id $0 max-vfs 20; opitool function set id $0 max-vfs 16; done' \
		"$(func_field dpu '.type == "pf"' .func_id)"
	# Those that stay are in each.
	dpu_sh 'for i in $(seq $1); do
			n=$(opitool -j function show | jq "[.[] | select(.vf != null and .vf < 16)] | length")
			[ "$n" = 16 ] || { echo "$n of 16"; exit 1; }
		done' "$(times 10)"
	bg_stop change
	max_vfs 16
	expect_eq "functions" "$(dpu opitool -j function show </dev/null | jq '[.[] | select(.vf != null)] | length')" 16
	expect_eq "ports" "$(dpu devlink -j port show </dev/null | jq '[.port[] | select(.flavour == "pcivf")] | length')" 16
}

events_lost() { dpu_field "$1" .events_lost; }

# The card loses events and says so; the driver asks for all.
lost_events_are_made_good()
{
	local lost

	vfs 0
	max_vfs 2
	defer "vfs 0; max_vfs 0"
	defer "tb fault soc-eq-drop 0"
	lost=$(events_lost dpu)
	tb fault soc-eq-drop 3
	set_vfs 2
	await dpu 20 "opitool -j function show | jq -e '[.[] | select(.vf != null and .opstate == \"attached\")] | length == 2'"
	expect_eq "states" "$(dpu devlink -j port show </dev/null |
		jq -c '[.port[] | select(.flavour == "pcivf") | .function.opstate]')" '["attached","attached"]'
	[ "$(events_lost dpu)" -gt "$lost" ]
}

# The host does not hear that a subfunction has another address, nor that it was
# taken away and given back.
lost_events_of_the_host_are_made_good()
{
	local port index

	dpu devlink port add "pci/$(pci_of dpu)" flavour pcisf controller 1 pfnum 0 sfnum 5 </dev/null >/dev/null
	port=$(fn_port sf 5)
	defer "dpu devlink port del $port"
	defer "tb fault eq-drop 0"
	dpu devlink port function set "$port" state active </dev/null
	await_fn 20 sf 5 '.function.opstate == "attached"'
	tb fault eq-drop 1
	dpu devlink port function set "$port" hw_addr 02:00:00:00:cc:05 </dev/null
	await host 20 'grep -qx 02:00:00:00:cc:05 /sys/bus/auxiliary/devices/opi_core.sf.*/net/*/address'
	# A new device may have the old one's name; its netdev has another index.
	index=$(host_sh 'cat /sys/bus/auxiliary/devices/opi_core.sf.*/net/*/ifindex')
	tb fault eq-drop 2
	dpu_sh 'devlink port function set $1 state inactive && devlink port function set $1 state active' "$port"
	await host 20 "i=\$(cat /sys/bus/auxiliary/devices/opi_core.sf.*/net/*/ifindex) && [ \$i != $index ]"
	await_fn 20 sf 5 '.function.opstate == "attached"'
}

numbers_are_those_of_one_sequence()
{
	local a b

	monitor events dpu
	a=$(dpu opitool -j function show </dev/null | jq '.[0].seq')
	b=$(dpu opitool -j dpu show </dev/null | jq '.[0].seq')
	[ "$b" -ge "$a" ]
	max_vfs 1
	max_vfs 0
	wait_for 10 said events '"event":"del"'
	no_gap events
}

# Ids begin anew then: what the DPU's driver knew by them is not what they are.
a_card_without_power_forgets_its_functions()
{
	local port

	vfs 0
	max_vfs 3
	defer "vfs 0; max_vfs 0"
	expect_log dpu 'opi_core [0-9a-f:.]+: (card is absent|function does not answer)'
	tb kill host
	await_dpu dpu 20 '.dev_state == "absent" or .dev_state == "gone"'
	tb reset host
	tb wait host
	await_dpu dpu 30 '.dev_state == "ready"'
	expect_eq "functions" "$(dpu opitool -j function show </dev/null | jq -c '[.[].type]')" '["pf"]'
	expect_eq "ports" "$(dpu devlink -j port show </dev/null | jq -c '[.port[].flavour] | sort')" '["pcipf","physical"]'
	# The next one has the id of what was a virtual function.
	dpu devlink port add "pci/$(pci_of dpu)" flavour pcisf controller 1 pfnum 0 sfnum 5 </dev/null >/dev/null
	port=$(fn_port sf 5)
	defer "dpu devlink port del $port"
	expect_eq "name" "$(dpu cat "/sys/class/net/$(fn_rep sf 5)/phys_port_name" </dev/null)" c1pf0sf5
	net_up
	dpu devlink port function set "$port" state active </dev/null
	await_fn 20 sf 5 '.function.opstate == "attached"'
}

run_cases "$@"
