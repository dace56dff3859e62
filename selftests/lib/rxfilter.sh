# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Which frames the card lets through to the host's netdev, by its counters.  Needs
# bed.sh and net.sh, and nobody else who sends (net_quiet).

# shellcheck disable=SC2034 # used by tests
OTHER=02:99:99:99:99:99 GROUP=01:00:5e:01:02:03

# seen: frames that the card has let through, and those it has kept away.
seen() { estat host "$HIF" port_rx_frames port_rx_filtered; }

# all_seen SUM: the same as soon as it is so many.
all_seen()
{
	host_sh 'seen() { ethtool -S $1 | sed -n "s/^ *port_rx_\(frames\|filtered\): //p"; }
		read -r up _ </proc/uptime
		end=$((${up%.*} + $3))
		while set -- $1 $2 $3 $(seen $1) && [ $(($4 + $5)) -lt $2 ]; do
			read -r up _ </proc/uptime
			[ ${up%.*} -lt $end ] || { echo "waited $3 s in vain for $2 frames: $4 and $5" >&2; exit 1; }
			sleep 0.1
		done
		echo $4 $5' "$HIF" "$1" "$(secs 10)"
}

# arrived [-v VLAN] ADDRESS: how many of three frames to that address come in, whoever it is
# for, and how many the card keeps away.
arrived()
{
	local frames filtered now tag=()

	if [ "$1" = -v ]; then
		tag=(-v "$2")
		shift 2
	fi
	now=$(seen)
	frames=${now% *} filtered=${now#* }
	dpu "$GUEST/frames" send "$REP" -d "$1" -n 3 "${tag[@]}" </dev/null
	# The card counts each of them, the one way or the other.
	now=$(all_seen $((frames + filtered + 3)))
	echo $((${now% *} - frames)) $((${now#* } - filtered))
}

passes()
{
	local n

	n=$(arrived "$@")
	[ "${n% *}" -ge 3 ]
}

filtered()
{
	local n

	n=$(arrived "$@")
	# No "fail" here: some wait until it is so.
	if [ "${n% *}" -ge 3 ] || [ "${n#* }" -lt 3 ]; then
		note "passes the filter, or is not counted: $* ($n)"
		return 1
	fi
}
