# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What run.sh knows of the running peer are its variables.
# shellcheck disable=SC2153,SC2154
#
# The rows: what is measured, one function each, on the two machines that run now.
# A row prints a line "KEY VALUE" for each number that it found; anything that goes
# wrong makes it fail.  What the keys mean to a reader is in report.jq.
#
# Rows go from the host to the other side, those that end in r the other way round.

# shellcheck disable=SC2034 # used by run.sh
ROWS=(tcp1 tcp1r tcp8 udp64 udp64r pktgen pktgenr rtt insns insnsr sf sfs move log)
# shellcheck disable=SC2034
MORE_ROWS=(tcp8r)

HOST_IP=10.99.0.1
DPU_IP=10.99.0.2

# Seconds that a throughput is measured, after one that is not.
SECS=4
# Round trips; datagrams and rate when instructions are counted.
TRIPS=2000
PACED=20000 PACE=5000 FLOOD=50000 STREAM_KIB=65536
# Subfunctions one after another, and a pause (ms) after each; at once.
SFS_ONE=100 SFS_PAUSE=300 SFS_ALL=${BENCH_SFS:-1000}

# Moves of a function, and frames per second that it gets meanwhile; log, MiB.
MOVES=20 MOVE_RATE=5000 LOG_MIB=1024

# OPI_SLOW: a factor for builders that are slow or busy.
on() {
	local vm=$1
	shift
	timeout $((${patience:-90} * ${OPI_SLOW:-1})) "$TESTBED" --name "$BED_NAME" "$vm" "$@" </dev/null
}

# has_row PEER ROW: in one machine there is nothing to count apart; few have functions
# that come and go, or are moved.
has_row() {
	case $1:$2 in
	card:sf|card:sfs|netdevsim:sf|netdevsim:sfs) ;;
	opi-user:pktgen|opi-user:pktgenr|opi-user:move|opi-user-debug:log) ;;
	*:sf|*:sfs|*:move|*:log|netdevsim:*|opi-user:*|opi-user-debug:*) return 1 ;;
	loopback:tcp1|loopback:tcp8|loopback:udp64|loopback:rtt) ;;
	loopback:*) return 1 ;;
	esac
}

# ends ROW: from, to, their addresses and netdevs (set by set_up in run.sh).
ends() {
	case $1 in
	*r) from=dpu to=host to_ip=$HOST_IP from_if=$dpu_if to_if=$host_if to_mac=$host_mac ;;
	*) from=host to=dpu to_ip=$DPU_IP from_if=$host_if to_if=$dpu_if to_mac=$dpu_mac ;;
	esac
	if [ -n "$alone" ]; then
		to=host to_ip=$HOST_IP
	fi
}

# iperf KEY JQ-FILTER ARG...: the filter is for what the receiving end counted.
iperf() {
	local key=$1 filter=$2 out value
	shift 2

	out=$(on "$from" iperf3 -J -c "$to_ip" -O 1 -t "$SECS" "$@") || {
		jq -r '.error // empty' <<<"$out" >&2
		return 1
	}
	value=$(jq -e ".end.sum_received | $filter" <<<"$out")
	echo "$key $value"
}

row_tcp1() { iperf "$1" '.bits_per_second / 1e6'; }
row_tcp8() { iperf "$1" '.bits_per_second / 1e6' -P 8; }
row_udp64() { iperf "$1" '.bits_per_second / 512' -u -b 0 -l 64; }

# begin FILE WORD CMD...: in the background, until it has said that word; sets pid.
begin() {
	local file=$WORK/$1 word=$2 said alive=1
	shift 2

	: >"$file"
	"$@" >"$file" &
	pid=$!
	while :; do
		# It may have said it and be done.
		kill -0 "$pid" 2>/dev/null || alive=''
		IFS= read -r -d '' said <"$file" || :
		[[ $said != *"$word"* ]] || return 0
		[ -n "$alive" ] || { wait "$pid"; return 1; }
		sleep 0.1
	done
}

pktgen_start() { begin pktgen sending on "$1" "$SIDE" pktgen "${@:2}"; }

# Sets sent, packets per second.
pktgen_end() {
	on "$1" "$SIDE" stop
	wait "$pid"
	{ read -r sent; read -r sent; } <"$WORK/pktgen"
	[ "${sent:-0}" -gt 0 ]
}

# Received is what the guest's driver got, not what was sent.
row_pktgen() {
	local pid rate sent

	on "$to" "$SIDE" drop "$to_if" on
	pktgen_start "$from" "$from_if" "$to_mac" "$to_ip"
	rate=$(on "$to" "$SIDE" rate "$to_if" "$SECS")
	pktgen_end "$from"
	on "$to" "$SIDE" drop "$to_if" off
	printf '%s %s\n%s_sent %s\n' "$1" "$rate" "$1" "$sent"
}

row_rtt() {
	local trips lost median p99

	read -r trips lost median p99 < <(on host "$FLOW" ping "$to_ip" 9001 "$TRIPS")
	[ "$trips" = "$TRIPS" ] || echo "$lost round trips lost" >&2
	printf '%s %s\n%s99 %s\n' "$1" "$median" "$1" "$p99"
}

# ---- functions that come and go ---------------------------------------------

# Of netdevsim, in one machine, or why not.
have_netdevsim() {
	[ "$peer" = netdevsim ] || return 0
	on host modprobe netdevsim 2>/dev/null || {
		echo "cannot this kernel has no netdevsim"
		return 1
	}
}

# From the request to make one until a frame has come through it; by one clock.
row_sf() {
	local p50 p99 patience=240

	have_netdevsim || return 0
	if [ "$peer" = netdevsim ]; then
		read -r p50 p99 < <(on host "$LIFE" netdevsim "$SFS_ONE" "$SFS_PAUSE")
	else
		on host "$SIDE" answer
		read -r p50 p99 < <(on dpu "$LIFE" sf "$SFS_ONE" "$SFS_PAUSE")
		on host "$SIDE" unanswer
	fi
	printf '%s %s\n%s99 %s\n' "$1" "$p50" "$1" "$p99"
}

# What the kernels have taken for each, when all is quiet again.
row_sfs() {
	local secs host dpu=0 patience=900

	have_netdevsim || return 0
	host=$(on host "$SIDE" memory)
	if [ "$peer" = netdevsim ]; then
		secs=$(on host "$LIFE" netdevsim-many "$SFS_ALL")
	else
		dpu=$(on dpu "$SIDE" memory)
		secs=$(on dpu "$LIFE" many "$SFS_ALL")
		dpu=$(($(on dpu "$SIDE" memory) - dpu))
	fi
	host=$(($(on host "$SIDE" memory) - host))
	printf '%s %s\n%s_host %s\n' "$1" "$secs" "$1" $((host / SFS_ALL))
	[ "$peer" = netdevsim ] || printf '%s_dpu %s\n' "$1" $((dpu / SFS_ALL))
	if [ "$peer" = netdevsim ]; then
		on host rmmod netdevsim
	else
		on dpu "$LIFE" none
	fi
}

# ---- a function that a process has ------------------------------------------

# per_second VARIABLE WORD: its rate, of a line of opi-user's.
per_second() {
	local line

	printf -v "$1" ''
	while read -r line; do
		[[ ! $line =~ ^"$2 ".*:\ ([0-9]+)/s$ ]] || printf -v "$1" %s "${BASH_REMATCH[1]}"
	done <"$WORK/user"
}

process_pktgen() {
	local pid rate sent user

	if [ "$from" = host ]; then
		on dpu "$SIDE" drop "$to_if" on
		begin user ready on host opi-user "$from_if" send "$to_mac" $((SECS + 4))
		rate=$(on dpu "$SIDE" rate "$to_if" "$SECS")
		wait "$pid"
		per_second sent sent
		on dpu "$SIDE" drop "$to_if" off
	else
		begin user ready on host opi-user "$to_if" recv "$SECS"
		user=$pid
		# Without one pktgen stops at once.
		on dpu "$SIDE" carrier "$from_if"
		pktgen_start dpu "$from_if" "$to_mac" "$to_ip"
		wait "$user"
		pktgen_end dpu
		per_second rate received
	fi
	[ "${rate:-0}" -gt 0 ]
	printf '%s %s\n%s_sent %s\n' "$1" "$rate" "$1" "$sent"
}

# move KEY QUEUES: there and back between two functions, which the peer follows.
move() {
	on host opi-user "$host_if" mig move "$host_more" "$HOST_IP" "$DPU_IP" "$MOVES" "$2" >"$WORK/user" || {
		cat "$WORK/user" >&2
		return 1
	}
	awk -v key="$1" '
		$1 == "moved" && $2 ":" == $4 { moved = 1 }
		moved && $1 == "each" {
			printf "%s %s\n%s_stopped %s\n%s_bytes %s\n", key, $2, key, $6, key, $10
			told = 1
		}
		END { exit !told }' "$WORK/user"
}

process_move() {
	local pid sent queues

	queues=$(on host opi-user "$host_if" info | sed -n 's/^queue pairs //p')
	move "$1" 1
	move "$1_queues" "$queues"
	pktgen_start dpu br0 "$host_mac" "$HOST_IP" "$MOVE_RATE"
	move "$1_busy" 1
	pktgen_end dpu
}

# Of 1 GiB: what the kernel and the card need to tell which pages were written.
process_log() {
	local rc=0

	on host opi-user "$host_if" mig log "$HOST_IP" "$DPU_IP" "$LOG_MIB" >"$WORK/user" || rc=$?
	if grep -q '^start .*: ENOTTY' "$WORK/user"; then
		echo "cannot this kernel has no log of what functions write"
		return 0
	fi
	[ "$rc" = 0 ]
	awk -v key="$1" -v gib="$((LOG_MIB / 1024))" '
		$1 == "start" { printf "%s_start %s\n", key, $2 / gib }
		$1 == "report" && $2 == "idle" { printf "%s %s\n", key, $3 / gib }
		$1 == "report" && $2 == "busy" { printf "%s_busy %s\n%s_pages %s\n", key, $3 / gib, key, $5 }' "$WORK/user"
}

# ---- instructions ----------------------------------------------------------

insns_ask() { echo "$2" | timeout $((10 * ${OPI_SLOW:-1})) socat -t 60 - "UNIX-CONNECT:$WORK/insns$1"; }

insns_on() {
	local side n=0

	for side in 0 1; do
		[ "$(insns_ask "$side" on)" = ok ]
	done
	# A machine that idles starts to count when it is woken next.
	for side in 0 1; do
		until [ "$(insns_ask "$side" read)" != off ]; do
			n=$((n + 1))
			[ $n -lt 100 ] || { echo "the plugin does not count" >&2; return 1; }
			sleep 0.1
		done
	done
}

# insns_of CMD...: run it; sets out to what it printed, and cost_tx, cost_rx to the
# instructions that the sending and the receiving machine have run meanwhile.
insns_of() {
	local at_start=() at_end=() side

	for side in 0 1; do
		at_start[side]=$(insns_ask "$side" read)
	done
	out=$("$@")
	for side in 0 1; do
		at_end[side]=$(insns_ask "$side" read)
	done
	side=0
	[ "$from" = host ] || side=1
	cost_tx=$((at_end[side] - at_start[side]))
	side=$((1 - side))
	cost_rx=$((at_end[side] - at_start[side]))
}

# flow KEY COUNT RATE: instructions per datagram, of the sender per one sent, of
# the receiver per one that arrived, less what the machines do anyway (fix_*: to
# run a command, idle_*: in a second).
flow() {
	local key=$1 rx0 rx1 sent secs

	rx0=$(on "$to" "$SIDE" rx "$to_if")
	insns_of on "$from" "$FLOW" send "$to_ip" 9002 "$2" "$3"
	rx1=$(on "$to" "$SIDE" rx "$to_if")
	read -r sent secs <<<"$out"
	echo "$key: $sent sent in $secs s, $((rx1 - rx0)) arrived; $cost_tx, $cost_rx instructions" >&2
	awk -v key="$key" -v sent="$sent" -v got="$((rx1 - rx0))" -v secs="$secs" \
		-v tx="$((cost_tx - fix_tx))" -v rx="$((cost_rx - fix_rx))" \
		-v idle_tx="$idle_tx" -v idle_rx="$idle_rx" 'BEGIN {
			if (sent < 1 || got < 1)
				exit 1
			printf "%s_tx %.0f\n", key, (tx - idle_tx * secs) / sent
			printf "%s_rx %.0f\n", key, (rx - idle_rx * secs) / got
			if (got > sent)
				got = sent
			printf "%s_lost %.1f\n", key, 100 * (sent - got) / sent
		}'
}

row_insns() {
	local out cost_tx cost_rx fix_tx fix_rx idle_tx idle_rx

	insns_on
	# Once for nothing: what is translated now is not translated while counted.
	on "$from" "$FLOW" send "$to_ip" 9002 1000 "$PACE" >/dev/null
	insns_of sleep 2
	idle_tx=$((cost_tx / 2)) idle_rx=$((cost_rx / 2))
	insns_of on "$from" "$FLOW" send "$to_ip" 9002 0 0
	fix_tx=$cost_tx fix_rx=$cost_rx
	echo "idle: $idle_tx, $idle_rx a second; a command: $fix_tx, $fix_rx" >&2
	flow "$1" "$PACED" "$PACE"
	flow "$1_full" "$FLOOD" 0
	insns_tcp "$1_tcp"
}

# Instructions per KiB of a TCP stream, of either side.
insns_tcp() {
	local bytes secs

	# Once for nothing, as above.
	insns_of on "$from" "$FLOW" stream "$to_ip" 9003 1024
	insns_of on "$from" "$FLOW" stream "$to_ip" 9003 "$STREAM_KIB"
	read -r bytes secs <<<"$out"
	awk -v key="$1" -v tx=$((cost_tx - fix_tx)) -v rx=$((cost_rx - fix_rx)) -v bytes="$bytes" \
		-v secs="$secs" -v idle_tx="$idle_tx" -v idle_rx="$idle_rx" 'BEGIN {
			printf "%s_tx %.0f\n", key, (tx - idle_tx * secs) * 1024 / bytes
			printf "%s_rx %.0f\n", key, (rx - idle_rx * secs) * 1024 / bytes
		}'
}
