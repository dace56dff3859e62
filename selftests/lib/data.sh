# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Checked data through the netdevs, the settings and counters of the data path, and
# XDP programs.  Needs bed.sh and net.sh.

# Streams and datagrams of several cases at once need ports of their own.
DATA_PORT=5100

# stream FROM TO IP AMOUNT: TCP; what arrives is what was sent.
stream()
{
	local from=$1 to=$2 ip=$3 amount=$4 port=$((DATA_PORT += 1)) name="stream_$DATA_PORT" want

	bg "$name" "$to" timeout "$(secs 120)" "$GUEST/flow" tcp-recv "$port"
	wait_for 20 said "$name" listening
	want=$(on "$from" timeout "$(secs 120)" "$GUEST/flow" tcp-send "$ip" "$port" "$amount" "$OPI_SEED" </dev/null)
	bg_wait "$name"
	expect_eq "what $to got from $from" "$(tail -n 1 "$CASE_DIR/$name")" "$want"
}

# start_stream FROM TO IP SECONDS: in the background; end_stream checks it.
start_stream()
{
	STREAM_PORT=$((DATA_PORT += 1))
	bg "recv_$STREAM_PORT" "$2" timeout "$(secs 240)" "$GUEST/flow" tcp-recv "$STREAM_PORT"
	wait_for 20 said "recv_$STREAM_PORT" listening
	bg "send_$STREAM_PORT" "$1" timeout "$(secs 240)" "$GUEST/flow" tcp-send "$3" "$STREAM_PORT" "${4}s" "$OPI_SEED"
}

# end_stream PORT
end_stream()
{
	bg_wait "send_$1"
	bg_wait "recv_$1"
	expect_eq "what arrived" "$(tail -n 1 "$CASE_DIR/recv_$1")" "$(cat "$CASE_DIR/send_$1")"
	note "$(cat "$CASE_DIR/send_$1")"
}

# datagrams FROM TO IP COUNT SIZE [SEGMENTS]: UDP; all arrive, every byte right.
datagrams()
{
	local from=$1 to=$2 ip=$3 count=$4 port=$((DATA_PORT += 1)) name="datagrams_$DATA_PORT"

	bg "$name" "$to" "$GUEST/flow" udp-recv "$port" "$count" "$(secs 60)" "$OPI_SEED"
	wait_for 20 said "$name" listening
	on "$from" "$GUEST/flow" udp-send "$ip" "$port" "$count" "$5" "$OPI_SEED" "${6:-1}" </dev/null
	bg_wait "$name" || fail "$(cat "$CASE_DIR/$name")"
}

# feature VM IF NAME: is it on?
feature() { on "$1" ethtool -k "$2" </dev/null | awk -v n="$3:" '$1 == n { print $2 }'; }

# feature_set VM IF NAME on|off, for the rest of the case.
feature_set()
{
	local was

	# How it was and how it is then.
	was=$(on_sh "$1" 'ethtool -k $1 && ethtool -K $1 $2 $3 >&2 && ethtool -k $1' "$2" "$3" "$4" |
		awk -v n="$3:" '$1 == n { print $2 }')
	defer "on $1 ethtool -K $2 $3 ${was%%$'\n'*}"
	expect_match "$3 of $2, before and now" "$was" $'^(on|off)\n'"$4\$"
}

# qstat VM IF COUNTER: of all queue pairs.
qstat() { on "$1" ethtool -S "$2" </dev/null | awk -v n="_$3:" '$1 ~ "^qp[0-9]+" n "$" { s += $2 } END { print s + 0 }'; }

# A stalled queue is a failure: no longer than this between two answers.
MAX_GAP=5

# gaps_start FROM IP: ping all the time; gaps_end FROM: none was too long.
gaps_start() { bg "gaps_$1" "$1" sh -c 'exec ping -D -i 0.1 "$0"' "$2"; }

gaps_end()
{
	local now

	now=$(on "$1" date +%s.%N </dev/null)
	bg_stop "gaps_$1" INT
	awk -v max="$(secs "$MAX_GAP")" -v now="$now" '
		/bytes from/ { t = substr($1, 2) + 0; if (last && t - last > gap) gap = t - last; last = t; n++ }
		END { if (now - last > gap) gap = now - last
			printf "answers %d, longest gap %.1f s\n", n, gap; exit !(n > 5 && gap < max) }' \
		"$CASE_DIR/gaps_$1" >&2 || fail "traffic stood still"
}

# XDP programs on the host's netdev: xdp KIND [ARG] loads and attaches one of
# guest/xdpprog.c, xdp_off takes it away.
PIN=/sys/fs/bpf/opi-test

bpffs() { host_sh 'mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf; rm -f '"$PIN"'*'; }

xdp()
{
	host_sh 'rm -f "$1"; '"$GUEST"'/xdpprog "$2" "$1" $4 && ip -force link set dev $3 xdpdrv pinned "$1"' \
		"$PIN" "$1" "$HIF" "${2:-}"
	expect_match "attached" "$(host ip link show dev "$HIF" </dev/null)" 'prog/xdp'
}

xdp_off() { host_sh 'ip link set dev $1 xdp off; rm -f '"$PIN" "$HIF"; }
