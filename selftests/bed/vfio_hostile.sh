#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 400
# soak: a_storm_of_calls_harms_nobody@100,100
#
# A process that has a function and means harm, or dies: storms of calls on all files
# of VFIO, the end at each step, resets in each state of a migration.  The function is
# as new afterwards, and its neighbours have noticed nothing.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/func.sh"
. "$(dirname -- "$0")/../lib/vfio.sh"

OPI_BED=hostile$$

CASES="
	the_bed_comes_up
	the_storms_checker_finds_what_is_wrong
	a_storm_of_calls_harms_nobody
	a_process_is_killed_at_each_step
	a_process_is_killed_in_each_state
	a_process_resets_its_function_in_each_state
	the_administrator_resets_a_function_in_each_state
	modules_unload
	both_kernels_are_content
"

trap 'tb down' EXIT

# All states that a migration knows, as opi-user calls them; an error is reached by the
# end of a stream that never came.
STATES="running-p2p stop stop-copy resuming pre-copy pre-copy-p2p error"

# What to ask for to come there.
way_to() { case $1 in error) echo resuming stop ;; *) echo "$1" ;; esac; }

# VF 0 is the hostile process's, VF 1 its neighbour's.
hostile_up()
{
	net_up
	vfs 2
	migratable 0 enable
	vf_bind 0 opi_vfio_pci
	vf_bind 1 opi_core
	fn_bridge "$(fn_rep vf 0)" "$(fn_rep vf 1)"
	expect_log host "$way_lines"
}

as_new() { expect_match "after $1" "$(user 0 ping "$USER_IP" "$DPU_IP" 3)" 'right answers 3 of 3'; }

# storm SEED COUNT [OPTION...]: on VF 0.
storm()
{
	host timeout "$(secs $((60 + $2 / 50)))" "$GUEST/vfiostorm" -s "$1" -n "$2" "${@:3}" "$(vf_pci 0)" </dev/null
}

the_storms_checker_finds_what_is_wrong()
{
	hostile_up
	refused 'memory behind an argument was changed' storm "$OPI_SEED" 10 -b
	refused 'opi|vfio|No such' host "$GUEST/vfiostorm" -n 10 0000:00:00.0
}

a_storm_of_calls_harms_nobody()
{
	local how said recovers ways=("")

	hostile_up
	other_up
	recovers="$(health_field host aq recover) $(health_field host aq error)"
	# It may have its function do anything, and what that does astray is stopped.
	neighbour neighbour other
	# The distribution's kernel has no character devices of functions.
	[ "$OPI_KERNEL" = stock ] || ways+=(-c)
	for how in "${ways[@]}"; do
		said=$(storm "$OPI_SEED" "$(times 5000)" ${how:+"$how"})
		note "$said"
		as_new "the storm${how:+ with $how}"
	done
	lost_nothing neighbour
	# The driver of the physical function has noticed nothing.
	expect_eq "state" "$(dpu_field host .dev_state)" ready
	expect_eq "recoveries and errors" "$(health_field host aq recover) $(health_field host aq error)" "$recovers"
	ping_works host "$DPU_IP"
}

a_process_is_killed_at_each_step()
{
	local i

	hostile_up
	# Anywhere between the first call and the last, which none of them reaches.
	for i in 0 1 2 3 4 6 8 12; do
		# shellcheck disable=SC2016 # the guest's own clock
		host_sh 'opi-user "$1" ping "$2" "$3" 1000000 >/run/killed 2>&1 & p=$!
			sleep "$4"; kill -KILL $p; wait $p; [ $? = 137 ] || { cat /run/killed >&2; exit 1; }' \
			"$(vf_pci 0)" "$USER_IP" "$DPU_IP" "0.$(printf %02d $((i * 8)))"
	done
	as_new "a process that was killed"
	user_bg victim 0 answer "$USER_IP"
	await_ping dpu 20 "$USER_IP"
	bg_stop victim KILL
	as_new "a process that was killed in traffic"
}

a_process_is_killed_in_each_state()
{
	local state

	hostile_up
	for state in $STATES; do
		# shellcheck disable=SC2046 # words
		user_bg victim 0 mig set $(way_to "$state") pause
		bg_stop victim KILL
		bg_wait victim || :
		expect_match "state after $state" "$(user 0 mig set running)" 'running: ok running'
		as_new "$state"
	done
}

a_process_resets_its_function_in_each_state()
{
	local state said

	hostile_up
	for state in $STATES; do
		# shellcheck disable=SC2046 # words
		said=$(user 0 mig set $(way_to "$state") reset stop running | tr '\n' ';')
		expect_match "$state" "$said" 'reset: ok running;stop: ok stop;running: ok running;$'
	done
	as_new "resets"
}

# As "echo 1 >reset" does: the process has not asked for it.
the_administrator_resets_a_function_in_each_state()
{
	local state

	hostile_up
	for state in $STATES; do
		# shellcheck disable=SC2046 # words
		user_bg walk 0 mig set $(way_to "$state") pause stop running
		host_sh 'echo 1 >"$1/reset"' "$(vf_dir 0)"
		host_sh 'kill -USR1 $(cat /run/bg-walk)'
		user_ends walk 0 'stop: ok stop.*running: ok running'
	done
	as_new "the administrator's resets"
}

run_cases "$@"
