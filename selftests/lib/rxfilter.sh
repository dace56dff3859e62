# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Which frames the card lets through to the host's netdev, by its counters.  Needs
# bed.sh and net.sh, and nobody else who sends (net_quiet).

# shellcheck disable=SC2034 # used by tests
OTHER=02:99:99:99:99:99 GROUP=01:00:5e:01:02:03

# seen COUNTER: frames that the card has let through or kept away.
seen() { estat host "$HIF" "port_rx_$1"; }

all_seen() { [ $(($(seen frames) + $(seen filtered))) -ge "$1" ]; }

# passes [-v VLAN] ADDRESS: does a frame to that address come in, whoever it is for?
passes()
{
	local frames filtered tag=()

	if [ "$1" = -v ]; then
		tag=(-v "$2")
		shift 2
	fi
	frames=$(seen frames)
	filtered=$(seen filtered)
	dpu "$GUEST/frames" send "$REP" -d "$1" -n 3 "${tag[@]}" </dev/null
	# The card counts each of them, the one way or the other.
	wait_for 10 all_seen $((frames + filtered + 3))
	[ $(($(seen frames) - frames)) -ge 3 ]
}

filtered()
{
	local before

	before=$(seen filtered)
	# No "fail" here: some wait until it is so.
	if passes "$@" || [ $(($(seen filtered) - before)) -lt 3 ]; then
		note "passes the filter, or is not counted: $*"
		return 1
	fi
}
