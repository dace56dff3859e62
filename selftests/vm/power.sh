#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 600
# debug: the_host_is_killed_and_the_card_with_it
# order: 60
#
# Who survives what: each computer is killed, reset, paused and powered off while
# the other goes on, and comes back without anything being done on the other.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"

CASES="
	the_dpu_is_killed_and_comes_back
	the_dpu_is_reset
	the_dpu_is_paused
	the_dpu_is_powered_off_in_good_order
	the_dpu_is_powered_off_at_once
	the_dpu_crashes
	the_host_is_reset
	the_host_is_paused
	the_host_is_powered_off_and_the_dpu_goes_on
	the_host_is_killed_and_the_card_with_it
	both_are_killed
"

# Lines that a driver writes when the other side is taken away.
expect_absent()
{
	expect_log dpu 'opi_core 0000:[0-9a-f:.]+: (card is absent|function does not answer|start failed)'
}

before_case() { net_up; }

# card_of VM: what it says of the card: GENERATION SERIAL PEER.
card_of() { dpu_field "$1" ' | "\(.generation) \(.serial) \(.peer)"'; }

# The DPU has booted: its network is set up, the host's is as it was.
host_is_served_again()
{
	tb wait dpu
	dpu_net_up
	await_ping host 30 "$DPU_IP"
	ping_works host "$FAR_IP"
	ping_works dpu "$HOST_IP"
	no_stuck_tasks host
}

# lost_dpu PEER OS-STATUS: what the host says within 5 seconds.
host_says()
{
	await_dpu host 5 ".peer == \"$1\" and .boot.os_status == \"$2\""
	await host 5 "[ \$(cat /sys/class/net/$HIF/carrier) = 0 ]"
	expect_eq "state of the host's driver" "$(dpu_field host .dev_state)" ready
}

watch()
{
	local now

	bg events host opitool -j monitor
	bg sender host ping -q -i 0.01 "$DPU_IP"
	now=$(card_of host)
	read -r generation serial _ <<<"$now"
}

# Numbers of the events that the monitor saw: all there, in order.
events_are_complete()
{
	local seqs

	seqs=$(jq -r 'select(.seq != null) | .seq' "$CASE_DIR/events" | sort -n | uniq)
	[ "$(wc -l <<<"$seqs")" -ge 2 ]
	expect_eq "event numbers" "$seqs" "$(seq "$(head -n 1 <<<"$seqs")" "$(tail -n 1 <<<"$seqs")")"
}

# One step, although the machine's firmware resets it once more on its way up.
host_saw_a_new_generation()
{
	expect_eq "generation, serial number, peer" "$(card_of host)" "$((generation + 1)) $serial ready"
	events_are_complete
}

the_dpu_is_killed_and_comes_back()
{
	local pid

	watch
	pid=$(vm_pid dpu)
	tb kill dpu
	is_gone dpu "$pid"
	host_says absent not-started
	wait_for 5 said events '"peer":"absent"'
	# Nothing hangs: neither what is sent nor what is asked.
	host_sh 'timeout 10 ethtool -S $1 >/dev/null && timeout 10 ip link set $1 down && timeout 10 ip link set $1 up' "$HIF"
	ping_fails host "$DPU_IP"
	no_stuck_tasks host
	tb reset dpu
	host_is_served_again
	host_saw_a_new_generation
}

# has_booted_anew VM BOOT-ID PID: a machine that was reset, in the same process.
has_booted_anew()
{
	[ "$(boot_id "$1")" != "$2" ]
	expect_eq "process of $1" "$(vm_pid "$1")" "$3"
}

# is_off VM PID: its process is not gone.
is_off()
{
	expect_eq "state of $1" "$(vm_state "$1")" shutdown
	expect_eq "process of $1" "$(vm_pid "$1")" "$2"
}

# is_gone VM PID.  A process that is gone may still be in the table, without a command line.
is_gone()
{
	wait_for 5 eval "[ -z \"\$(tr -d '\\0' 2>/dev/null </proc/$2/cmdline)\" ]"
	expect_eq "state of $1" "$(vm_state "$1")" gone
	refused '.' tb "$1" true
}

the_dpu_is_reset()
{
	local id pid

	watch
	id=$(boot_id dpu) pid=$(vm_pid dpu)
	tb reset dpu
	host_says present booting
	host_is_served_again
	host_saw_a_new_generation
	has_booted_anew dpu "$id" "$pid"
}

the_dpu_is_paused()
{
	watch
	tb stop dpu
	await_dpu host 5 '.peer == "stalled" and .boot.os_status == "stalled"'
	host timeout 10 ethtool -S "$HIF" </dev/null >/dev/null
	ping_fails host "$DPU_IP"
	no_stuck_tasks host
	tb cont dpu
	await_dpu host 5 '.peer == "ready" and .boot.os_status == "booted"'
	await_ping host 10 "$DPU_IP"
	ping_works dpu "$HOST_IP"
	expect_eq "generation" "$(dpu_field host .generation)" "$generation"
	events_are_complete
}

the_dpu_is_powered_off_in_good_order()
{
	local pid

	watch
	pid=$(vm_pid dpu)
	tb off dpu
	host_says halted halted
	is_off dpu "$pid"
	expect_eq "PLDM state" "$(dpu_field host .boot.pldm_state)" halted
	tb reset dpu
	host_is_served_again
	host_saw_a_new_generation
}

the_dpu_is_powered_off_at_once()
{
	local pid

	watch
	pid=$(vm_pid dpu)
	tb off --hard dpu
	host_says halted halted
	is_off dpu "$pid"
	tb reset dpu
	host_is_served_again
	host_saw_a_new_generation
}

the_dpu_crashes()
{
	watch
	expect_log dpu 'Kernel panic|sysrq: Trigger a crash|Call Trace:|panic'
	dpu sh -c '(sleep 1; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &' </dev/null
	await_dpu host 10 '.peer == "stalled"'
	no_stuck_tasks host
	tb reset dpu
	host_is_served_again
	host_saw_a_new_generation
}

# What the DPU set up is untouched; the host sets up its own again.
dpu_serves_again()
{
	tb wait host
	await_dpu dpu 30 '.peer == "ready" and .dev_state == "ready"'
	host_net_up
	await_ping host 20 "$DPU_IP"
	ping_works host "$FAR_IP"
	no_stuck_tasks dpu
}

watch_dpu()
{
	local now

	bg events dpu opitool -j monitor
	bg sender dpu ping -q -i 0.01 "$HOST_IP"
	now=$(card_of dpu)
	read -r generation serial _ <<<"$now"
}

dpu_saw_the_same_generation()
{
	expect_match "generation, serial number, peer" "$(card_of dpu)" "^$generation $serial "
	events_are_complete
}

# As of generations: what its firmware does is part of it.
dpu_saw_one_host_reset()
{
	expect_eq "resets of the host" "$(grep -c host-reset "$CASE_DIR/events")" 1
}

the_host_is_reset()
{
	local id pid

	watch_dpu
	id=$(boot_id host) pid=$(vm_pid host)
	host_mac=$(host cat "/sys/class/net/$HIF/address" </dev/null)
	tb reset host
	wait_for 10 said events host-reset
	await dpu 5 "[ \$(cat /sys/class/net/$REP/carrier) = 0 ]"
	ping_works dpu "$FAR_IP"
	dpu_serves_again
	expect_eq "address" "$(host cat "/sys/class/net/$HIF/address" </dev/null)" "$host_mac"
	has_booted_anew host "$id" "$pid"
	dpu_saw_the_same_generation
	dpu_saw_one_host_reset
}

the_host_is_paused()
{
	watch_dpu
	tb stop host
	await_dpu dpu 5 '.peer == "stalled"'
	ping_fails dpu "$HOST_IP"
	# The uplink is the card's, not the host's.
	ping_works dpu "$FAR_IP"
	no_stuck_tasks dpu
	tb cont host
	await_dpu dpu 5 '.peer == "ready"'
	await_ping host 10 "$DPU_IP"
	dpu_saw_the_same_generation
}

the_host_is_powered_off_and_the_dpu_goes_on()
{
	local pid

	watch_dpu
	pid=$(vm_pid host)
	tb off host
	is_off host "$pid"
	await_dpu dpu 5 '.peer == "absent"'
	await dpu 5 "[ \$(cat /sys/class/net/$REP/carrier) = 0 ]"
	expect_eq "state of the DPU's driver" "$(dpu_field dpu .dev_state)" ready
	ping_works dpu "$FAR_IP"
	dpu timeout 10 ethtool -S "$REP" </dev/null >/dev/null
	no_stuck_tasks dpu
	tb reset host
	dpu_serves_again
	dpu_saw_the_same_generation
	dpu_saw_one_host_reset
}

# The card is in the server: no power there, no card.
the_host_is_killed_and_the_card_with_it()
{
	local pid

	expect_absent
	watch_dpu
	pid=$(vm_pid host)
	tb kill host
	is_gone host "$pid"
	await_dpu dpu 5 '.dev_state == "absent" or .dev_state == "gone"'
	await dpu 5 "[ \$(cat /sys/class/net/$REP/carrier) = 0 ] && [ \$(cat /sys/class/net/$P0/carrier) = 0 ]"
	# The DPU's own port still answers, and nothing hangs.
	dpu timeout 10 ethtool -S "$REP" </dev/null >/dev/null
	refused '.' dpu timeout 10 ip link set "$REP" mtu 2000
	no_stuck_tasks dpu
	dpu_sh 'modprobe -r opi_core && modprobe opi_core'
	tb reset host
	tb wait host
	await_dpu dpu 30 '.dev_state == "ready"'
	dpu_net_up
	dpu_serves_again
	expect_match "generation, serial number, peer" "$(card_of dpu)" " $serial "
}

both_are_killed()
{
	watch
	tb kill host
	tb kill dpu
	tb reset dpu
	tb reset host
	tb wait host
	tb wait dpu
	net_up
	ping_works host "$FAR_IP"
	expect_match "generation, serial number, peer" "$(card_of host)" " $serial "
	expect_match "generation, serial number, peer" "$(card_of dpu)" " $serial "
}

run_cases "$@"
