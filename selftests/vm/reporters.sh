#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 500
# soak: tests_under_traffic_end_in_traffic
# debug: a_test_of_tx_makes_the_queue_anew a_test_of_rx_makes_the_queue_anew
# debug: a_test_leaves_a_dump_behind
# order: 45
#
# devlink health reporters: what each says of itself, that a failure made up by
# a test goes the whole way (report, dump, recovery), and that it is theirs which
# failures of the card are counted.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/health.sh"

CASES="
	each_reporter_can_be_diagnosed
	each_reporter_can_be_dumped
	a_test_of_aq_resets_the_function
	a_test_of_fw_resets_the_function
	a_test_of_tx_makes_the_queue_anew
	a_test_of_rx_makes_the_queue_anew
	a_test_leaves_a_dump_behind
	a_test_waits_for_the_administrator_if_told_so
	what_fails_again_too_soon_waits_for_the_administrator
	a_recovery_that_fails_is_no_recovery
	tests_are_told_to_those_who_listen
	broken_completions_are_reported_by_rx
	broken_heads_are_reported_by_tx
	tests_under_traffic_end_in_traffic
	refuses_what_cannot_be_tested
	refuses_unprivileged_users
"

before_case() { net_up; }

traffic_returns() { traffic_both_ways "ping -q -c 2 -i 0.2 -W 10 $HOST_IP"; }

health() { on "$1" devlink health "$2" "pci/$(pci_of "$1")" reporter "$3" "${@:4}" </dev/null; }

# starts_and_restarts VM: how often the function was started, and how often its first queue
# pair was made anew.
starts_and_restarts()
{
	on_sh "$1" 'aq=$(devlink -j health diagnose pci/$1 reporter aq) tx=$(devlink -j health diagnose pci/$1 reporter tx)
		printf "%s\n" "$aq" "$tx" | jq -rs ".[0].starts, (.[1].queues[] | select(.queue == 0) | .restarts)" | paste -sd" "' \
		"$(pci_of "$1")"
}

each_reporter_can_be_diagnosed()
{
	local vm

	for vm in host dpu; do
		on_sh "$vm" 'for r in aq fw tx rx; do devlink -j health diagnose pci/$1 reporter $r || exit; done' \
			"$(pci_of "$vm")" >"$CASE_DIR/said"
		cat "$CASE_DIR/said" >&2
		jq -se 'length == 4 and
			(.[0] | .running and .slots > 1 and .slots_lost == 0 and .commands > 0) and
			(.[1] | .state == "ready" and .health == 0) and
			(.[2].queues | length > 0 and all(.broken == false and .entries >= 32 and .card_error == 0)) and
			(.[3].queues | length > 0 and
			all(.broken == false and .starved == false and .entries >= 32 and .card_error == 0 and .posted > 0))' \
			"$CASE_DIR/said" >/dev/null || fail "$vm: not as they should be"
	done
}

each_reporter_can_be_dumped()
{
	local vm

	for vm in host dpu; do
		on_sh "$vm" 'for r in aq fw tx rx; do
				devlink health dump clear pci/$1 reporter $r
				devlink -j health dump show pci/$1 reporter $r && devlink health dump clear pci/$1 reporter $r ||
					{ echo "no dump of $r" >&2; exit 1; }
			done' "$(pci_of "$vm")" >"$CASE_DIR/said"
		jq -se "length == 4 and
			(.[0] | .registers.magic == $((0x3149504f)) and (.commands | length) > 0) and
			(.[1].registers | has(\"heartbeat\")) and
			(.[2].queues | all(has(\"descriptors\"))) and
			(.[3].queues | all(.completions | length == 8))" "$CASE_DIR/said" >/dev/null ||
			fail "$vm: $(cat "$CASE_DIR/said")"
	done
}

reset_by_test()
{
	local vm starts now

	for vm in host dpu; do
		now=$(on_sh "$vm" '$1/health show admin && $1/health tested $2 $3 && $1/health show admin' \
			"$GUEST" "$(secs 15)" "$1")
		read -r _ starts _ <<<"$now"
		expect_match "starts of $vm before and after" "$now" $'\n'"[0-9]+ $((starts + 1)) "
		traffic_returns
	done
}

a_test_of_aq_resets_the_function() { reset_by_test aq; }
a_test_of_fw_resets_the_function() { reset_by_test fw; }

restart_by_test()
{
	local vm starts before now

	for vm in host dpu; do
		now=$(starts_and_restarts "$vm")
		read -r starts before <<<"$now"
		tested "$vm" "$1"
		now=$(starts_and_restarts "$vm")
		expect_eq "starts of $vm and restarts of its queue pair" "$now" "$starts $((before + 1))"
		traffic_returns
	done
}

a_test_of_tx_makes_the_queue_anew() { restart_by_test tx; }
a_test_of_rx_makes_the_queue_anew() { restart_by_test rx; }

a_test_leaves_a_dump_behind()
{
	local vm r

	for vm in host dpu; do
		for r in fw rx; do
			on_sh "$vm" 'devlink health dump clear pci/$1 reporter $2
				$3/health tested $4 $2 && $3/health await 0 $2 ".last_dump_time | test(\"[0-9]\")" &&
				devlink health dump clear pci/$1 reporter $2 &&
				$3/health await 0 $2 ".last_dump_time == null"' "$(pci_of "$vm")" "$r" "$GUEST" "$(secs 15)"
		done
	done
}

# auto_recover VM true|false REPORTER...; at the end of the case it is true.
auto_recover()
{
	local set='for r in $3; do devlink health set pci/$1 reporter $r auto_recover $2 || exit; done'

	[ "$2" = true ] || defer "auto_recover $1 true ${*:3}"
	on_sh "$1" "$set" "$(pci_of "$1")" "$2" "${*:3}"
}

a_test_waits_for_the_administrator_if_told_so()
{
	local vm starts before now

	for vm in host dpu; do
		auto_recover "$vm" false aq rx
		expect_held "$vm"
		now=$(starts_and_restarts "$vm")
		read -r starts before <<<"$now"
		health "$vm" test rx
		await_health "$vm" 10 rx '.state == "error"'
		now=$(starts_and_restarts "$vm")
		expect_eq "starts, restarts" "$now" "$starts $before"
		health "$vm" recover rx
		await_health "$vm" 0 rx '.state == "healthy"'
		# Nobody has said which one: all of them.
		now=$(starts_and_restarts "$vm")
		[ "${now#* }" -gt "$before" ]
		health "$vm" test aq
		await_health "$vm" 10 aq '.state == "error"'
		await_dpu "$vm" 10 '.dev_state == "failed"'
		await "$vm" 10 "dmesg | grep -q 'opi_core $(pci_of "$vm"): waits for .devlink health recover'"
		now=$(health_now "$vm" admin)
		expect_match "time-outs, starts" "$now" "^[0-9]+ $starts "
		refused 'is failed: there is nothing' health "$vm" test fw
		health "$vm" recover aq
		now=$(health_now "$vm" aq admin)
		expect_match "state, errors, recoveries, time-outs, starts" "$now" "^healthy [0-9]+ [0-9]+ [0-9]+ $((starts + 1)) "
		traffic_returns
	done
}

# counted VM REPORTER STATE ERRORS RECOVERIES
counted()
{
	local now

	await_health "$1" 15 "$2" ".error == $4 and .state == \"$3\""
	now=$(health_now "$1" "$2")
	expect_eq "state, errors and recoveries of $2 of $1" "$now" "$3 $4 $5"
}

what_fails_again_too_soon_waits_for_the_administrator()
{
	local vm r grace errors recovers now

	for vm in host dpu; do
		expect_held "$vm"
		for r in fw tx; do
			grace=$(health_field "$vm" "$r" grace_period)
			defer "health $vm set $r grace_period $grace; health $vm recover $r"
			now=$(on_sh "$vm" '$1/health tested $2 $3 && $1/health show $3 &&
				devlink health set pci/$4 reporter $3 grace_period 3600000 &&
				$1/health await 0 $3 ".grace_period == 3600000" &&
				devlink health test pci/$4 reporter $3' "$GUEST" "$(secs 15)" "$r" "$(pci_of "$vm")")
			read -r _ errors recovers <<<"$now"
			counted "$vm" "$r" error $((errors + 1)) "$recovers"
			# By hand it goes at any time.
			health "$vm" recover "$r"
			counted "$vm" "$r" healthy $((errors + 1)) $((recovers + 1))
			on_sh "$vm" 'devlink health set pci/$4 reporter $3 grace_period $5 && $1/health tested $2 $3' \
				"$GUEST" "$(secs 15)" "$r" "$(pci_of "$vm")" "$grace"
			traffic_returns
		done
	done
}

a_recovery_that_fails_is_no_recovery()
{
	local errors recovers now

	expect_log host 'opi_core 0000:[0-9a-f:.]+: (function does not answer|start failed|last reset failed)'
	expect_held host
	defer "health host set fw auto_recover true"
	health host set fw auto_recover false
	now=$(health_now host fw)
	read -r _ errors recovers <<<"$now"
	health host test fw
	counted host fw error $((errors + 1)) "$recovers"
	defer "tb fault dead off"
	tb fault dead on
	refused '.' health host recover fw
	now=$(health_now host fw)
	expect_match "state, errors, recoveries" "$now" "^error [0-9]+ $recovers\$"
	tb fault dead off
	await_dpu host 30 '.dev_state == "ready"'
	health host recover fw
	await_health host 0 fw '.state == "healthy"'
	traffic_returns
}

tests_are_told_to_those_who_listen()
{
	bg monitor host devlink monitor health
	listens monitor host
	tested host tx
	wait_for 5 said monitor 'reporter tx'
	wait_for 5 said monitor 'state error'
	wait_for 5 said monitor 'state healthy'
}

# reported FAULT REPORTER: it is this one that counts it, on both sides.
reported()
{
	local vm prefix errors now

	for vm in host dpu; do
		prefix=
		[ "$vm" = host ] || prefix=soc-
		expect_log "$vm" 'opi_core 0000:[0-9a-f:.]+: queue pair [0-9]+ '
		now=$(health_now "$vm" "$2")
		read -r _ errors _ <<<"$now"
		defer "tb fault $prefix$1 0"
		tb fault "$prefix$1" 1
		host ping -q -c 5 -i 0.1 -W 1 "$DPU_IP" </dev/null >/dev/null || :
		await_health "$vm" 10 "$2" ".error > $errors"
		tb fault "$prefix$1" 0
		traffic_returns
		await_health "$vm" 0 "$2" '.state == "healthy"'
	done
}

broken_completions_are_reported_by_rx() { reported cqe-bad rx; }
broken_heads_are_reported_by_tx() { reported sq-head-bad tx; }

tests_under_traffic_end_in_traffic()
{
	local i vm

	bg flood_host host sh -c 'while :; do '"$GUEST"'/frames send $0 -n 1000 -l 60,1514 2>/dev/null || sleep 0.1; done' "$HIF"
	bg flood_dpu dpu sh -c 'while :; do '"$GUEST"'/frames send $0 -n 1000 -l 60,1514 2>/dev/null || sleep 0.1; done' "$REP"
	for ((i = 0; i < $(times 2); i++)); do
		for vm in host dpu; do
			on_sh "$vm" 'for r in rx tx aq fw; do $1/health tested $2 $r || exit; done' "$GUEST" "$(secs 15)"
		done
	done
	bg_stop flood_host
	bg_stop flood_dpu
	traffic_returns
}

refuses_what_cannot_be_tested()
{
	local r

	refused '.' health host test nosuch
	defer "host ip link set $HIF up"
	host ip link set "$HIF" down </dev/null
	for r in tx rx; do
		refused 'no netdev is up' health host test "$r"
	done
	host ip link set "$HIF" up </dev/null
	expect_log host 'opi_core 0000:[0-9a-f:.]+: (function does not answer|start failed|last reset failed)'
	defer "tb fault dead off"
	tb fault dead on
	await_dpu host 10 '.dev_state == "gone"'
	for r in aq fw tx rx; do
		refused 'is gone: there is nothing' health host test "$r"
	done
	tb fault dead off
	await_dpu host 30 '.dev_state == "ready"'
	net_up
	traffic_returns
}

refuses_unprivileged_users()
{
	local vm

	for vm in host dpu; do
		refused 'not permitted' on "$vm" setpriv --reuid nobody --regid nogroup --clear-groups \
			devlink health test "pci/$(pci_of "$vm")" reporter aq
	done
}

run_cases "$@"
