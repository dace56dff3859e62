# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The health reporters of both drivers, and whether all is well after they had something to
# do.  What is asked of a guest at one time is one command there (guest/health).  Needs
# bed.sh and net.sh.

# health_now VM WHAT...: of each reporter STATE ERRORS RECOVERIES, of "admin" TIMEOUTS STARTS
# SLOTS_LOST SPURIOUS; all in one line.
health_now()
{
	local said

	said=$(on "$1" "$GUEST/health" show "${@:2}" </dev/null)
	echo "${said//$'\n'/ }"
}

# await_health VM SECONDS WHAT JQ-CONDITION
await_health() { on "$1" "$GUEST/health" await "$(secs "$2")" "$3" "$4" </dev/null; }

# tested VM REPORTER: a failure made up is one error more, one recovery more, and nothing else
# to do.
tested() { on "$1" "$GUEST/health" tested "$(secs 15)" "$2" </dev/null; }

# well VM [CONDITION]: it holds there, its driver is ready, and no task is stuck.
well()
{
	local said

	# shellcheck disable=SC2016 # the guest's
	said=$(on_sh "$1" 'eval "$2" >/dev/null || exit
		opitool -j dpu show | jq -r ".[0].dev_state" && "$1/stuck"' "$GUEST" "${2:-:}") || fail "$1 is not well"
	expect_eq "the driver of $1, and tasks that are stuck" "$said" ready
}

# traffic_both_ways CONDITION: the host's with nobody's help, the DPU's as CONDITION has it.
traffic_both_ways()
{
	await_ping host 30 "$DPU_IP"
	well dpu "$1"
	well host
}
