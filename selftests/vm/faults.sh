#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 400
# soak: a_cut_link_is_taken_up_again a_long_series_of_faults_ends_in_traffic
# debug: invented_answers_are_counted_and_dropped a_fatal_error_of_the_card_is_recovered
# debug: bad_completions_do_no_harm lost_events_are_noticed_and_made_good
# debug: a_dead_function_hangs_nothing the_driver_unloads_from_a_dead_function
# order: 50
#
# The card misbehaves: it swallows commands, invents answers, breaks queues, loses
# interrupts, dies, or is cut off.  Each costs a bounded time, a counter and a
# health event, and traffic comes back with nothing done on either side.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/health.sh"

CASES="
	the_faults_are_listed
	a_swallowed_command_ends_in_time_on_the_host
	a_swallowed_command_ends_in_time_on_the_dpu
	many_swallowed_commands_do_not_block_the_host
	invented_answers_are_counted_and_dropped
	recovery_can_be_left_to_the_administrator
	a_fatal_error_of_the_card_is_recovered
	broken_queue_pairs_are_made_anew
	a_lost_doorbell_of_the_host_is_noticed_and_made_good
	a_lost_doorbell_of_the_dpu_is_noticed_and_made_good
	a_queue_that_hangs_without_being_full_is_noticed
	a_queue_that_hangs_can_be_left_to_the_administrator
	bad_completions_do_no_harm
	lost_events_are_noticed_and_made_good
	lost_interrupts_are_made_good
	a_card_that_does_not_answer_is_left_at_once
	a_dead_function_hangs_nothing
	the_driver_unloads_from_a_dead_function
	a_cut_link_is_taken_up_again
	a_long_series_of_faults_ends_in_traffic
"

before_case() { net_up; }

fault()
{
	defer "tb fault $1 0 2>/dev/null || tb fault $1 off"
	tb fault "$1" "$2"
}

# fault_left NAME: how many of them are still to come.
fault_left() { tb fault | sed -n "s/^$1 //p"; }

# A fault that went unnoticed until now may end in one more reset between the two ways,
# which is why neither is a single try.
traffic_returns() { traffic_both_ways "$GUEST/await $(secs 30) 'ping -q -c 1 -i 0.5 -w 10 $HOST_IP'"; }

the_faults_are_listed()
{
	local name

	tb fault >"$CASE_DIR/list"
	for name in aq-drop aq-bogus soc-aq-drop soc-aq-bogus db-drop soc-db-drop dead link-cut uplink-down; do
		grep -q "^$name " "$CASE_DIR/list"
	done
	refused '.' tb fault nosuch 1
	refused '.' tb fault aq-drop word
}

# swallowed VM FAULT IF: a command that nobody answers.  A driver sends some of its
# own accord, so it may be one of those that is swallowed; then once more.
swallowed()
{
	local vm=$1 name=$2 dev=$3 try errors recovers timeouts starts began left now

	expect_log "$vm" 'opi_core 0000:[0-9a-f:.]+ [a-z0-9]+: the card refuses the MTU'
	for try in 1 2 3; do
		now=$(health_now "$vm" aq admin)
		read -r _ errors recovers timeouts starts _ <<<"$now"
		fault "$name" 1
		began=$SECONDS
		on "$vm" ip link set "$dev" mtu $((1700 + try)) </dev/null >"$CASE_DIR/said" 2>&1 || break
		note "it was another command"
	done
	# TIMEOUT is 5 s; the health reporter has its word then.
	expect_range "seconds" $((SECONDS - began)) 1 "$(secs 12)"
	expect_match "the refusal" "$(cat "$CASE_DIR/said")" 'timed out|Input/output|No such device|down'
	await_health "$vm" 10 admin ".timeouts == $((timeouts + 1))"
	await_health "$vm" 15 aq ".recover == $((recovers + 1))"
	# The quarantine of slots ended with the reset.
	expect_match "state, errors, recoveries, time-outs, starts, lost slots" "$(health_now "$vm" aq admin)" \
		"^healthy $((errors + 1)) $((recovers + 1)) $((timeouts + 1)) $((starts + 1)) 0 "
	left=$(fault_left "$name")
	expect_eq "left of the fault" "$left" 0
	traffic_returns
}

a_swallowed_command_ends_in_time_on_the_host() { swallowed host aq-drop "$HIF"; }
a_swallowed_command_ends_in_time_on_the_dpu() { swallowed dpu soc-aq-drop "$P0"; }

many_swallowed_commands_do_not_block_the_host()
{
	local i pids=()

	fault aq-drop 6
	for i in 1 2 3 4; do
		timeout "$(secs 60)" "$OPI_TOP/qemu/testbed" --name "$OPI_BED" host ethtool -S "$HIF" </dev/null >/dev/null 2>&1 &
		pids+=($!)
	done
	# Who only wants to know is not kept waiting for a dead command.
	host timeout "$(secs 5)" opitool dpu show </dev/null
	host timeout "$(secs 5)" cat "/sys/class/net/$HIF/carrier" </dev/null
	for i in "${pids[@]}"; do
		wait "$i" || [ $? != 124 ]
	done
	tb fault aq-drop 0
	await_dpu host 60 '.dev_state == "ready"'
	traffic_returns
}

invented_answers_are_counted_and_dropped()
{
	local vm prefix before errors now

	for vm in host dpu; do
		prefix=
		[ "$vm" = host ] || prefix=soc-
		now=$(health_now "$vm" aq admin)
		read -r _ errors _ _ _ _ before <<<"$now"
		fault "${prefix}aq-bogus" 5
		await_health "$vm" 10 admin ".spurious == $((before + 5))"
		await_health "$vm" 0 aq ".error == $errors"
		ping_works host "$DPU_IP"
	done
	traffic_returns
}

recovery_can_be_left_to_the_administrator()
{
	local dev starts now

	dev=pci/$(pci_of host)
	now=$(health_now host admin)
	read -r _ starts _ <<<"$now"
	expect_log host 'opi_core 0000:[0-9a-f:.]+ [a-z0-9]+: the card refuses the MTU'
	defer "host devlink health set $dev reporter aq auto_recover true"
	host devlink health set "$dev" reporter aq auto_recover false </dev/null
	fault aq-drop 1
	host ip link set "$HIF" mtu 1700 </dev/null || :
	await_health host 10 aq '.state == "error"'
	now=$(health_now host admin)
	expect_match "time-outs, starts, lost slots" "$now" "^[0-9]+ $starts 1 "
	# A dump was taken when it happened.
	host devlink -j health dump show "$dev" reporter aq </dev/null | jq -e '.commands | any(.errno != 0)'
	host_sh 'devlink health dump clear $1 reporter aq && devlink health recover $1 reporter aq' "$dev"
	now=$(health_now host aq admin)
	expect_match "state, errors, recoveries, time-outs, starts, lost slots" "$now" \
		"^healthy [0-9]+ [0-9]+ [0-9]+ $((starts + 1)) 0 "
	traffic_returns
}

a_fatal_error_of_the_card_is_recovered()
{
	local vm prefix recovers

	for vm in host dpu; do
		prefix=
		[ "$vm" = host ] || prefix=soc-
		recovers=$(health_now "$vm" fw)
		recovers=${recovers##* }
		tb fault "${prefix}fatal" on
		await_health "$vm" 15 fw ".recover == $((recovers + 1))"
		await_dpu "$vm" 15 '.dev_state == "ready" and .health == "ok"'
		traffic_returns
	done
}

# restarts VM IF: how often its queue pair was made anew.
restarts() { estat "$1" "$2" qp0_restarts; }

broken_queue_pairs_are_made_anew()
{
	local vm dev prefix before

	for vm in host dpu; do
		prefix='' dev=$HIF
		[ "$vm" = host ] || prefix=soc- dev=$P0
		expect_log "$vm" 'opi_core 0000:[0-9a-f:.]+: queue pair [0-9]+ stopped'
		before=$(restarts "$vm" "$dev")
		fault "${prefix}qp-error" 1
		ping_works host "$DPU_IP" || :
		await "$vm" 10 "[ \$(ethtool -S $dev | sed -n 's/^ *qp0_restarts: //p') -gt $before ]"
		traffic_returns
	done
}

# tx_health VM WHAT: the card's word on its send queues, "diagnose" or "dump show".
tx_health() { on_sh "$1" 'devlink -j health $2 pci/$1 reporter tx' "$(pci_of "$1")" "$2"; }

# tx_counts VM IF: of the reporter tx STATE ERRORS RECOVERIES, recoveries of fw, how often
# queues were made anew, and how often the netdev's watchdog has barked.
tx_counts()
{
	on_sh "$1" 'set -- $($3/health show tx fw) $(devlink -j health diagnose pci/$1 reporter tx | jq "[.queues[].restarts] | add") \
			$(cat /sys/class/net/$2/statistics/tx_errors)
		echo $1 $2 $3 $6 $7 $8' "$(pci_of "$1")" "$2" "$GUEST"
}

expect_hung()
{
	expect_log "$1" '(opi_core 0000:[0-9a-f:.]+ )?[a-z0-9]+.*: (NETDEV WATCHDOG: CPU|queue [0-9]+ does not send)'
}

# hang VM FAULT IP BYTES: the card misses a doorbell.  The queue is not rung for again,
# and takes what is sent until it is full, or until as much is under way as a
# socket may have (in BYTES).
hang()
{
	local i

	for i in 1 2 3 4; do
		bg "flood$i" "$1" taskset -c $((i % 2)) ping -q -i 0.005 -s 8 -S "$4" "$3"
	done
	fault "$2" 1
	wait_for 10 eval "tb fault | grep -qx '$2 0'"
}

end_of_hang()
{
	local i

	for i in 1 2 3 4; do
		bg_stop "flood$i" INT
	done
}

# lost_doorbell VM FAULT IF IP BYTES TIMEOUTS: nothing goes out of the queue until the
# stack's watchdog or ours says so, and the queue pair is made anew.
lost_doorbell()
{
	local vm=$1 errors recovers restarts timeouts resets now

	expect_hung "$vm"
	now=$(on_sh "$vm" 'devlink health dump clear pci/$1 reporter tx' "$(pci_of "$vm")" && tx_counts "$vm" "$3")
	read -r _ errors recovers resets restarts timeouts <<<"$now"
	hang "$vm" "$2" "$4" "$5"
	await_health "$vm" 25 tx ".recover == $((recovers + 1))"
	end_of_hang
	# A queue was made anew, not all of the function.
	now=$(tx_counts "$vm" "$3")
	expect_eq "state, errors, recoveries, those of the function, restarts, time-outs of the netdev" "$now" \
		"healthy $((errors + 1)) $((recovers + 1)) $resets $((restarts + 1)) $((timeouts + $6))"
	# Taken when it happened: the card had not fetched what was there.
	tx_health "$vm" "dump show" | jq -e '.queues | length == 1 and
		all(.posted > .sent and .sent == .card_sent and (.descriptors | length) > 0)'
	traffic_returns
}

a_lost_doorbell_of_the_host_is_noticed_and_made_good()
{
	lost_doorbell host db-drop "$HIF" "$DPU_IP" 200000 1
}

a_lost_doorbell_of_the_dpu_is_noticed_and_made_good()
{
	lost_doorbell dpu soc-db-drop "$REP" "$HOST_IP" 200000 1
}

# The stack waits for nothing then, and its watchdog for nobody.
a_queue_that_hangs_without_being_full_is_noticed()
{
	lost_doorbell dpu soc-db-drop "$REP" "$HOST_IP" 2000 0
}

dump_of_all_queues()
{
	host devlink health dump clear "$1" reporter tx </dev/null &&
		tx_health host "dump show" | jq -e '.queues | length == 2 and any((.descriptors | length) > 0)'
}

a_queue_that_hangs_can_be_left_to_the_administrator()
{
	local dev recovers now

	dev=pci/$(pci_of host)
	recovers=$(health_now host tx)
	recovers=${recovers##* }
	expect_hung host
	defer "host devlink health set $dev reporter tx auto_recover true"
	host devlink health set "$dev" reporter tx auto_recover false </dev/null
	hang host db-drop "$DPU_IP" 200000
	await_health host 25 tx '.state == "error"'
	end_of_hang
	# What is there to see while it hangs, asked for and not taken before; another queue
	# may still be reported, and its dump is of itself only.
	tx_health host diagnose | jq -e '.queues | any(.posted > .sent)'
	wait_for 15 dump_of_all_queues "$dev"
	now=$(host_sh '$1/health show tx && devlink health recover $2 reporter tx && $1/health show tx' "$GUEST" "$dev")
	expect_match "state, errors, recoveries before and after" "$now" \
		"^[a-z]+ [0-9]+ $recovers"$'\n'"healthy [0-9]+ $((recovers + 1))\$"
	traffic_returns
}

# Completions that say what cannot be, and heads that run ahead.
bad_completions_do_no_harm()
{
	local vm prefix name

	for vm in host dpu; do
		prefix=
		[ "$vm" = host ] || prefix=soc-
		expect_log "$vm" 'opi_core 0000:[0-9a-f:.]+: queue pair [0-9]+ '
		for name in cqe-bad sq-head-bad; do
			fault "$prefix$name" 3
			host ping -q -c 5 -i 0.1 -W 1 "$DPU_IP" </dev/null >/dev/null || :
			[ "$(fault_left "$prefix$name")" -lt 3 ]
			tb fault "$prefix$name" 0
			traffic_returns
		done
	done
}

# The host misses that the DPU's end went down, and that it came back: each time it asks
# because it is told that it has missed something.
lost_events_are_noticed_and_made_good()
{
	local state lost

	for state in down up; do
		lost=$(dpu_field host .events_lost)
		fault eq-drop 1
		dpu ip link set "$REP" "$state" </dev/null
		host_sh '$1/await $2 "[ \$(cat /sys/class/net/$3/carrier) = $4 ]" &&
			opitool -j dpu show | jq -e ".[0].events_lost > $5"' "$GUEST" "$(secs 15)" "$HIF" \
			"$([ "$state" = up ] && echo 1 || echo 0)" "$lost"
		expect_eq "events still to be dropped" "$(fault_left eq-drop)" 0
	done
	traffic_returns
}

lost_interrupts_are_made_good()
{
	local vm prefix

	for vm in host dpu; do
		prefix=
		[ "$vm" = host ] || prefix=soc-
		fault "${prefix}msix-drop" 3
		# The command waits for an interrupt that does not come, and looks.
		on "$vm" timeout "$(secs 15)" ethtool -S "$([ "$vm" = host ] && echo "$HIF" || echo "$P0")" </dev/null >/dev/null
		host ping -q -c 5 -i 0.2 -W 5 "$DPU_IP" </dev/null >/dev/null || :
		[ "$(fault_left "${prefix}msix-drop")" -lt 3 ]
		tb fault "${prefix}msix-drop" 0
		traffic_returns
	done
}

# With nine ports to leave, and a queue pair or two.  The last command before it is one of them.
a_card_that_does_not_answer_is_left_at_once()
{
	local began

	expect_log dpu 'opi_core [0-9a-f:.]+( [a-z0-9]+)?: (queue pair [0-9]+ does not stop|port does not go down|last reset failed)'
	defer "dpu opitool function set pf 0 max-vfs 0"
	dpu opitool function set pf 0 max-vfs 8 </dev/null
	dpu_sh 'for r in $(devlink -j port show | jq -r ".port[] | select(.flavour == \"pcivf\") | .netdev"); do
		ip link set $r up || exit; done'
	fault soc-aq-drop 1000
	began=$SECONDS
	dpu modprobe -r opi_core </dev/null
	# TIMEOUT is 5 s.
	expect_range "seconds" $((SECONDS - began)) 0 "$(secs 20)"
	tb fault soc-aq-drop 0
	dpu_net_up
	traffic_returns
}

expect_dead()
{
	expect_log host 'opi_core 0000:[0-9a-f:.]+: (function does not answer|start failed|last reset failed)'
	expect_log host 'opi_core 0000:[0-9a-f:.]+ [a-z0-9]+: (port does not go down|no queue pairs|port does not come up)'
}

a_dead_function_hangs_nothing()
{
	local began

	expect_dead
	fault dead on
	await_dpu host 10 '.dev_state == "gone"'
	await host 5 "[ \$(cat /sys/class/net/$HIF/carrier) = 0 ]"
	began=$SECONDS
	host_sh 'ip link set $1 down && ip link set $1 up && ethtool -S $1 >/dev/null' "$HIF"
	refused '.' host ip link set "$HIF" mtu 1700
	host_sh 'devlink dev info pci/$1; devlink health diagnose pci/$1 reporter aq' "$(pci_of host)" >/dev/null
	expect_range "seconds" $((SECONDS - began)) 0 "$(secs 15)"
	no_stuck_tasks host
	# The DPU has lost nothing but this peer.
	ping_works dpu "$FAR_IP"
	tb fault dead off
	await_dpu host 30 '.dev_state == "ready"'
	host_net_up
	traffic_returns
}

the_driver_unloads_from_a_dead_function()
{
	expect_dead
	expect_log host 'opi_core 0000:[0-9a-f:.]+: (probe with driver|unknown card)'
	fault dead on
	host_sh 'timeout $1 modprobe -r opi_core' "$(secs 20)"
	refused '^$' host_sh 'lsmod | grep "^opi_core "'
	# Nor is it loaded onto something that does not answer, for long.
	host_sh 'timeout $1 modprobe opi_core; timeout $1 modprobe -r opi_core' "$(secs 20)"
	tb fault dead off
	host modprobe opi_core </dev/null
	host_net_up
	traffic_returns
}

a_cut_link_is_taken_up_again()
{
	local generation i

	expect_log dpu 'opi_core 0000:[0-9a-f:.]+: (card is absent|start failed|queue pair|function does not answer)'
	for ((i = 0; i < $(times 2); i++)); do
		generation=$(dpu_field host .generation)
		tb fault link-cut on
		await_dpu host 30 ".generation == $((generation + 1)) and .peer == \"ready\""
		await_dpu dpu 30 '.dev_state == "ready"'
		traffic_returns
	done
	ping_works host "$FAR_IP"
}

# In the order of the seed.
a_long_series_of_faults_ends_in_traffic()
{
	local faults=(aq-drop aq-bogus soc-aq-drop soc-aq-bogus qp-error soc-qp-error cqe-bad soc-cqe-bad
		db-drop soc-db-drop
		sq-head-bad soc-sq-head-bad eq-drop soc-eq-drop msix-drop soc-msix-drop)
	local i f

	for f in host dpu; do
		expect_log "$f" 'opi_core 0000:[0-9a-f:.]+: (queue pair [0-9]+ |start failed|last reset failed)'
		expect_log "$f" 'opi_core 0000:[0-9a-f:.]+ [a-z0-9]+: (the card refuses|port does not|no queue pairs|queue [0-9]+ does not send|NETDEV WATCHDOG)'
	done
	RANDOM=$OPI_SEED
	bg sender host ping -q -i 0.02 "$DPU_IP"
	for ((i = 0; i < $(times 15); i++)); do
		f=${faults[RANDOM % ${#faults[@]}]}
		note "fault $f"
		tb fault "$f" $((RANDOM % 4 + 1))
		host timeout "$(secs 30)" ethtool -S "$HIF" </dev/null >/dev/null 2>&1 || :
	done
	for f in "${faults[@]}"; do
		tb fault "$f" 0
	done
	# A swallowed command of the driver's own still waits for its time-out, and the reset
	# that follows would fall into the next case.
	for f in host dpu; do
		await "$f" 60 "devlink -j health diagnose pci/$(pci_of "$f") reporter aq |
			jq -e '.running and .slots_busy + .slots_lost == 0'"
		await_dpu "$f" 60 '.dev_state == "ready"'
	done
	net_up
	traffic_returns
}

run_cases "$@"
