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

health() { on "$1" devlink health "$2" "pci/$(pci_of "$1")" reporter "$3" "${@:4}" </dev/null; }

diagnosis() { on_sh "$1" 'devlink -j health diagnose pci/$1 reporter $2' "$(pci_of "$1")" "$2"; }

# restarts VM: how often the first queue pair was made anew.
restarts()
{
	diagnosis "$1" tx | jq '.queues[] | select(.queue == 0) | .restarts'
}

traffic_returns()
{
	await_ping host 30 "$DPU_IP"
	ping_works dpu "$HOST_IP"
	expect_eq "state of the host's driver" "$(dpu_field host .dev_state)" ready
	expect_eq "state of the DPU's driver" "$(dpu_field dpu .dev_state)" ready
}

each_reporter_can_be_diagnosed()
{
	local vm

	for vm in host dpu; do
		diagnosis "$vm" aq | jq -e '.running and .slots > 1 and .slots_lost == 0 and .commands > 0'
		diagnosis "$vm" fw | jq -e '.state == "ready" and .health == 0'
		diagnosis "$vm" tx | jq -e '.queues | length > 0 and all(.broken == false and .entries >= 32 and .card_error == 0)'
		diagnosis "$vm" rx | jq -e '.queues | length > 0 and
			all(.broken == false and .starved == false and .entries >= 32 and .card_error == 0 and .posted > 0)'
	done
}

each_reporter_can_be_dumped()
{
	local vm r out

	for vm in host dpu; do
		for r in aq fw tx rx; do
			out=$(on_sh "$vm" 'devlink health dump clear pci/$1 reporter $2
				devlink -j health dump show pci/$1 reporter $2 && devlink health dump clear pci/$1 reporter $2' "$(pci_of "$vm")" "$r")
			case $r in
			aq) jq -e ".registers.magic == $((0x3149504f)) and (.commands | length) > 0" <<<"$out" ;;
			fw) jq -e '.registers | has("heartbeat")' <<<"$out" ;;
			tx) jq -e '.queues | all(has("descriptors"))' <<<"$out" ;;
			rx) jq -e '.queues | all(.completions | length == 8)' <<<"$out" ;;
			esac
		done
	done
}

# tested VM REPORTER: one error more, one recovery more, and nothing else to do.
tested()
{
	local vm=$1 r=$2 errors recovers

	errors=$(health_field "$vm" "$r" error) recovers=$(health_field "$vm" "$r" recover)
	health "$vm" test "$r"
	wait_for 15 eval "[ \"\$(health_field $vm $r recover)\" = $((recovers + 1)) ]"
	expect_eq "errors" "$(health_field "$vm" "$r" error)" $((errors + 1))
	expect_eq "state" "$(health_field "$vm" "$r" state)" healthy
}

reset_by_test()
{
	local vm starts

	for vm in host dpu; do
		starts=$(aq_field "$vm" starts)
		tested "$vm" "$1"
		expect_eq "starts of $vm" "$(aq_field "$vm" starts)" $((starts + 1))
		traffic_returns
	done
}

a_test_of_aq_resets_the_function() { reset_by_test aq; }
a_test_of_fw_resets_the_function() { reset_by_test fw; }

restart_by_test()
{
	local vm starts before

	for vm in host dpu; do
		starts=$(aq_field "$vm" starts)
		before=$(restarts "$vm")
		tested "$vm" "$1"
		expect_eq "restarts of $vm" "$(restarts "$vm")" $((before + 1))
		expect_eq "starts of $vm" "$(aq_field "$vm" starts)" "$starts"
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
			on_sh "$vm" 'devlink health dump clear pci/$1 reporter $2' "$(pci_of "$vm")" "$r"
			tested "$vm" "$r"
			expect_match "time of the dump" "$(health_field "$vm" "$r" last_dump_time)" '[0-9]'
			on_sh "$vm" 'devlink health dump clear pci/$1 reporter $2' "$(pci_of "$vm")" "$r"
			expect_eq "time of no dump" "$(health_field "$vm" "$r" last_dump_time)" null
		done
	done
}

a_test_waits_for_the_administrator_if_told_so()
{
	local vm starts before

	for vm in host dpu; do
		defer "health $vm set aq auto_recover true; health $vm set rx auto_recover true"
		health "$vm" set aq auto_recover false
		health "$vm" set rx auto_recover false
		expect_held "$vm"
		starts=$(aq_field "$vm" starts)
		before=$(restarts "$vm")
		health "$vm" test rx
		wait_for 10 eval "[ \"\$(health_field $vm rx state)\" = error ]"
		expect_eq "restarts" "$(restarts "$vm")" "$before"
		health "$vm" recover rx
		expect_eq "state" "$(health_field "$vm" rx state)" healthy
		# Nobody has said which one: all of them.
		[ "$(restarts "$vm")" -gt "$before" ]
		health "$vm" test aq
		wait_for 10 eval "[ \"\$(health_field $vm aq state)\" = error ]"
		await_dpu "$vm" 10 '.dev_state == "failed"'
		await "$vm" 10 "dmesg | grep -q 'opi_core $(pci_of "$vm"): waits for .devlink health recover'"
		expect_eq "starts" "$(aq_field "$vm" starts)" "$starts"
		refused 'is failed: there is nothing' health "$vm" test fw
		health "$vm" recover aq
		expect_eq "state" "$(health_field "$vm" aq state)" healthy
		expect_eq "starts" "$(aq_field "$vm" starts)" $((starts + 1))
		traffic_returns
	done
}

# counted VM REPORTER STATE ERRORS RECOVERIES
counted()
{
	wait_for 15 eval "[ \"\$(health_field $1 $2 error)\" = $4 ]"
	wait_for 15 eval "[ \"\$(health_field $1 $2 state)\" = $3 ]"
	expect_eq "recoveries of $2 of $1" "$(health_field "$1" "$2" recover)" "$5"
}

what_fails_again_too_soon_waits_for_the_administrator()
{
	local vm r grace errors recovers

	for vm in host dpu; do
		expect_held "$vm"
		for r in fw tx; do
			grace=$(health_field "$vm" "$r" grace_period)
			defer "health $vm set $r grace_period $grace; health $vm recover $r"
			tested "$vm" "$r"
			errors=$(health_field "$vm" "$r" error) recovers=$(health_field "$vm" "$r" recover)
			health "$vm" set "$r" grace_period 3600000
			expect_eq "period" "$(health_field "$vm" "$r" grace_period)" 3600000
			health "$vm" test "$r"
			counted "$vm" "$r" error $((errors + 1)) "$recovers"
			# By hand it goes at any time.
			health "$vm" recover "$r"
			counted "$vm" "$r" healthy $((errors + 1)) $((recovers + 1))
			health "$vm" set "$r" grace_period "$grace"
			tested "$vm" "$r"
			traffic_returns
		done
	done
}

a_recovery_that_fails_is_no_recovery()
{
	local errors recovers

	expect_log host 'opi_core 0000:[0-9a-f:.]+: (function does not answer|start failed|last reset failed)'
	expect_held host
	defer "health host set fw auto_recover true"
	health host set fw auto_recover false
	errors=$(health_field host fw error) recovers=$(health_field host fw recover)
	health host test fw
	counted host fw error $((errors + 1)) "$recovers"
	defer "tb fault dead off"
	tb fault dead on
	refused '.' health host recover fw
	expect_eq "state" "$(health_field host fw state)" error
	expect_eq "recoveries" "$(health_field host fw recover)" "$recovers"
	tb fault dead off
	await_dpu host 30 '.dev_state == "ready"'
	health host recover fw
	expect_eq "state" "$(health_field host fw state)" healthy
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
	local vm prefix errors

	for vm in host dpu; do
		prefix=
		[ "$vm" = host ] || prefix=soc-
		expect_log "$vm" 'opi_core 0000:[0-9a-f:.]+: queue pair [0-9]+ '
		errors=$(health_field "$vm" "$2" error)
		defer "tb fault $prefix$1 0"
		tb fault "$prefix$1" 1
		host ping -q -c 5 -i 0.1 -W 1 "$DPU_IP" </dev/null >/dev/null || :
		wait_for 10 eval "[ \"\$(health_field $vm $2 error)\" -gt $errors ]"
		tb fault "$prefix$1" 0
		traffic_returns
		expect_eq "state" "$(health_field "$vm" "$2" state)" healthy
	done
}

broken_completions_are_reported_by_rx() { reported cqe-bad rx; }
broken_heads_are_reported_by_tx() { reported sq-head-bad tx; }

tests_under_traffic_end_in_traffic()
{
	local i vm r

	bg flood_host host sh -c 'while :; do '"$GUEST"'/frames send $0 -n 1000 -l 60,1514 2>/dev/null || sleep 0.1; done' "$HIF"
	bg flood_dpu dpu sh -c 'while :; do '"$GUEST"'/frames send $0 -n 1000 -l 60,1514 2>/dev/null || sleep 0.1; done' "$REP"
	for ((i = 0; i < $(times 2); i++)); do
		for vm in host dpu; do
			for r in rx tx aq fw; do
				tested "$vm" "$r"
			done
		done
	done
	bg_stop flood_host
	bg_stop flood_dpu
	traffic_returns
	no_stuck_tasks host
	no_stuck_tasks dpu
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
