#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Measure the card beside its peers, in one run on one machine: all peers once, then
# all again, each time in machines that were just booted.  What is measured is in
# rows.sh, what the peers are in peers.sh, what the numbers say in report.sh.
#
# Each number becomes a line of DIR/samples.jsonl when it is certain: both machines
# still run, nothing in their kernels' logs, nothing else used the processors.
# Otherwise the machines are booted anew and it is tried again; why, is a line in
# DIR/retries.jsonl.  A run that was interrupted goes on with the same --out.

# Where a process is dear, what this script does itself is not: no program is started for
# what the shell can do, and that is less to disturb what is measured, too.

. "${BASH_SOURCE[0]%/*}/../qemu/lib.sh"
. "$OPI_TOP/bench/peers.sh"
. "$OPI_TOP/bench/rows.sh"
. "$OPI_TOP/bench/profile.sh"

usage() {
	cat <<EOT
usage: bench/run.sh [OPTION...]

  --rounds N        each number N times (BENCH_ROUNDS, else 5)
  --peers A,B,...   these (BENCH_PEERS), of ${PEERS[*]}
                    and, not unless asked for, ${MORE_PEERS[*]}
  --rows A,B,...    these (BENCH_ROWS), of ${ROWS[*]}
                    and, not unless asked for, ${MORE_ROWS[*]}
  --out DIR         where results go (else build/bench/out); if it holds results of
                    the same tree and options, what is missing is added
  --fresh           forget what --out holds
  --busy            measure on a machine that is not idle; the report says so
  --profile         measure nothing; DIR/profile.* say in which functions the guests'
                    instructions went (on any machine: it need not be idle)
  --no-chart        no chart
  -l                list peers and rows

Without --busy, waits up to ${BENCH_IDLE_WAIT:-600} s (BENCH_IDLE_WAIT) for an idle machine before each row.
EOT
}

bad_usage() {
	opi_say "error: $*"
	usage >&2
	exit 2
}

# The test of this script has machines that are none.
TESTBED=${BENCH_TESTBED:-$OPI_TOP/qemu/testbed}
TOOLS=$OPI_TOP/build/bench
# A directory that each guest has, and forgets.
GUEST_DIR=/run
# shellcheck disable=SC2034 # used by rows.sh
SIDE=$GUEST_DIR/side FLOW=$GUEST_DIR/flow LIFE=$GUEST_DIR/life
BED_NAME=${BENCH_BED:-bench}
TRIES=3

# A number is certain if others used no more than this, and the hypervisor stole no
# more than that (percent of one processor).
OTHERS=${BENCH_OTHERS:-10}
STEAL=${BENCH_STEAL:-3}
# Seconds that are looked at before a row.
LOOK=${BENCH_LOOK:-0.5}

tb() { "$TESTBED" --name "$BED_NAME" "$@"; }

# ---- is the machine idle? ---------------------------------------------------

# Sets times to "TOTAL BUSY STEAL OURS", in ticks of all processors since boot.  Interrupts
# are nobody's.  Ours are the machines, the switch, and what this script waited for.
cpu_times() {
	local pid line total=0 ours=0 n f

	for pid in "$$" ${bed_pids[@]+"${bed_pids[@]}"}; do
		{ read -r line <"/proc/$pid/stat"; } 2>/dev/null || continue
		# From the state on, which is the third of proc(5).
		read -r -a f <<<"${line##*) }"
		ours=$((ours + f[11] + f[12]))
		[ "$pid" != "$$" ] || ours=$((ours + f[13] + f[14]))
	done
	read -r -a f </proc/stat
	for n in "${f[@]:1:8}"; do
		total=$((total + n))
	done
	times="$total $((f[1] + f[2] + f[3])) ${f[8]} $ours"
}

# used_since "TIMES": sets others and steal to the percent of one processor.
used_since() {
	local times x y one

	cpu_times
	read -r -a x <<<"$1"
	read -r -a y <<<"$times"
	# Rounded, of a time that is CPUS times as long.
	one=$((y[0] - x[0]))
	[ "$one" -gt 0 ] || one=$cpus
	others=$(((y[1] - x[1]) - (y[3] - x[3])))
	[ "$others" -ge 0 ] || others=0
	others=$(((200 * cpus * others + one) / (2 * one)))
	steal=$(((200 * cpus * (y[2] - x[2]) + one) / (2 * one)))
}

idle_enough() { [ "$1" -le "$OTHERS" ] && [ "$2" -le "$STEAL" ]; }

# Sets before to what others use now.
await_idle() {
	local end=$((SECONDS + ${BENCH_IDLE_WAIT:-600})) times others steal told=''

	while :; do
		cpu_times
		[ "$LOOK" = 0 ] || sleep "$LOOK"
		used_since "$times"
		before=$others
		! idle_enough "$others" "$steal" || return 0
		[ -z "$busy" ] || return 0
		[ $SECONDS -lt $end ] ||
			opi_die "this machine is not idle (others use $others % of a processor, steal $steal %): nothing can be measured"
		[ -n "$told" ] || opi_say "waiting: others use $others % of a processor, steal $steal %"
		told=1
	done
}

# ---- one peer's machines ----------------------------------------------------

boot() {
	# The caller's is a shell of its own.
	export OPI_NO_CARD=1
	[ -z "$with_card" ] || unset OPI_NO_CARD
	tb up "${up_args[@]}"
}

# A process has the first of two functions, which a bridge joins on the DPU.
set_up_process() {
	on dpu "$SIDE" limit 2
	on host "$SIDE" vfs 2
	on dpu "$SIDE" ports 2 "$DPU_IP"
	on host "$SIDE" give 2
}

# Prints netdev and MAC of the DPU's side, then of the host's (and, if that is a
# process, what else it has).
set_up() {
	local vm

	for vm in host dpu; do
		tb cp "$TOOLS/guest/side" "$TOOLS/guest/flow" "$TOOLS/guest/life" "$vm:$GUEST_DIR/"
	done
	if [ -n "$process" ]; then
		set_up_process
		return
	fi
	if [ -n "$alone" ]; then
		tb stop dpu
		echo - -
	else
		on dpu "$SIDE" up "$dpu_dev" "$DPU_IP"
	fi
	on host "$SIDE" up "$host_dev" "$HOST_IP"
}

# No ARP while something is measured.
meet() {
	if [ -n "$process" ]; then
		on host opi-user "$host_if" ping "$HOST_IP" "$DPU_IP"
		return
	fi
	on host "$SIDE" peer "$host_if" "$DPU_IP" "$dpu_mac"
	on dpu "$SIDE" peer "$dpu_if" "$HOST_IP" "$host_mac"
	on host ping -q -c 2 -i 0.2 -W 5 "$DPU_IP"
}

# Sets up, bed_pids, host_if, host_mac, host_more, dpu_if, dpu_mac; or why.
start_peer() {
	local rc f stale=()

	for f in "$WORK"/{insns,dgram,vhost}[01] "$WORK/stream"; do
		[ ! -e "$f" ] || stale+=("$f")
	done
	[ ${#stale[@]} = 0 ] || rm -f "${stale[@]}"
	peer_options "$peer"
	if [ -n "$switch" ]; then
		"start_$switch" || { why="$switch did not start"; return 0; }
		bed_pids+=("$switch_pid")
	fi
	strict boot
	if [ "$rc" != 0 ]; then
		last_words
		why="the machines did not boot: $words"
		return 0
	fi
	mapfile -t -O ${#bed_pids[@]} bed_pids < <(tb status -j | jq '.vms[].pid')
	strict set_up
	if [ "$rc" = 0 ]; then
		{ read -r dpu_if dpu_mac; read -r host_if host_mac host_more; } <"$WORK/out"
		[ -n "$alone" ] || strict meet
	fi
	if [ "$rc" != 0 ]; then
		last_words
		why="no network: $words"
		return 0
	fi
	up=1
}

stop_peer() {
	[ -z "$up" ] || tb logs >"$out/$peer.log" 2>/dev/null || :
	tb down >/dev/null 2>&1 || :
	stop_switch
	bed_pids=() up=''
}

# strict CMD...: with errexit, its output in files; sets rc.  In the background, so
# that a signal is heard at once.
strict() {
	set +e
	( set -e; "$@" ) >"$WORK/out" 2>"$WORK/err" &
	job=$!
	wait "$job"
	rc=$?
	set -e
	job=''
}

# Sets words to the end of what a command has said last.
last_words() {
	local lines

	mapfile -t lines <"$WORK/err"
	[ ${#lines[@]} -le 3 ] || lines=("${lines[@]: -3}")
	words="${lines[*]}"
	words=${words:0:300}
}

# Sets why to what makes all numbers of these machines worthless, if there is something.
trouble() {
	local gone bad

	gone=$({ tb status -j 2>/dev/null || :; } | jq -sr --arg alone "$alone" '.[0].vms // [] |
		if length < 2 then "no machines" else [.[]
		| select(.state != "running" and ($alone == "" or .name != "dpu"))
		| "\(.name) is \(.state)"] | join(", ") end')
	if [ -n "$gone" ]; then
		why=$gone
		return
	fi
	if [ -n "$switch_pid" ] && ! kill -0 "$switch_pid" 2>/dev/null; then
		why="the switch ended"
		return
	fi
	bad=$(tb logs 2>/dev/null |
		grep -aE -m 1 'WARNING:|BUG:|Oops|Call Trace:|NETDEV WATCHDOG|stall(ed|s)? (detected|on CPU)|lockup|Kernel panic') || :
	[ -z "$bad" ] || why="a kernel said: ${bad//$'\r'}"
}

# ---- one number -------------------------------------------------------------

# Of what an earlier run found: no number is asked for twice in one.
have() { [[ $earlier == *"{\"round\":$1,\"peer\":\"$2\",\"row\":\"$3\","* ]]; }

# Sets why if there is no number.  Not to be called in a condition: errexit would
# be off in all that it calls.
try_row() {
	local times others steal rc run key value words found='' told='' said from to to_ip from_if to_if to_mac

	[ -n "$up" ] || start_peer
	[ -z "$why" ] || return 0
	await_idle
	ends "$row"
	cpu_times
	case $row in
	tcp*r|udp*r|pktgenr|insnsr) run="row_${row%r}" ;;
	*) run=row_$row ;;
	esac
	[ -z "$process" ] || run=process_${run#row_}
	if [ -n "$profile" ]; then
		profile_row "$run" "$row"
	else
		strict "$run" "$row"
	fi
	used_since "$times"
	IFS= read -r -d '' said <"$WORK/err" || :
	printf '%s' "$said" >"$out/$peer.$row.err"
	trouble
	[ -z "$why" ] || return 0
	if [ "$rc" != 0 ]; then
		last_words
		why="status $rc: $words"
		return 0
	fi
	[ -z "$profile" ] || return 0
	read -r said <"$WORK/out" || :
	if [[ $said == "cannot "* ]]; then
		cannot=${said#cannot }
		return 0
	fi
	while read -r key value; do
		# As JSON has them: the lines are written as they are.
		if ! [[ $key =~ ^[a-z0-9_]+$ && $value =~ ^(0|[1-9][0-9]*)([.][0-9]+)?([eE][+-]?[0-9]+)?$ ]]; then
			why="$key is '$value'"
			return 0
		fi
		found+="{\"round\":$round,\"peer\":\"$peer\",\"row\":\"$row\",\"key\":\"$key\",\"value\":$value"
		found+=",\"before\":$before,\"others\":$others,\"steal\":$steal}"$'\n'
		LC_ALL=C printf -v value '%.1f' "$value"
		told+=", $key ${value%.0}"
	done <"$WORK/out"
	if [ -z "$found" ]; then
		why="nothing was measured"
	elif [ -z "$busy" ] && ! idle_enough "$others" "$steal"; then
		why="disturbed: others used $others % of a processor, steal $steal %"
	else
		printf '%s' "$found" >>"$out/samples.jsonl"
		opi_say "round $round, $peer: ${told#, }"
	fi
}

# What this peer cannot be asked here is no result, and no failure: the report says why.
cannot() {
	jq -cn --argjson round "$round" --arg peer "$peer" --arg row "$row" --arg why "$cannot" \
		'{$round, $peer, $row, $why}' >>"$out/cannot.jsonl"
	opi_say "round $round, $peer, $row: not measured ($cannot)"
}

do_row() {
	local try why cannot=''

	for ((try = 1; try <= TRIES; try++)); do
		why=''
		try_row
		if [ -n "$cannot" ]; then
			cannot
			return
		fi
		[ -n "$why" ] || return 0
		jq -cn --argjson round "$round" --arg peer "$peer" --arg row "$row" --arg why "$why" \
			'{$round, $peer, $row, $why}' >>"$out/retries.jsonl"
		opi_say "round $round, $peer, $row: again ($why)"
		# Machines that others disturbed are still good.
		[[ $why == disturbed:* ]] || stop_peer
	done
	opi_say "round $round, $peer, $row: no result"
	missing=$((missing + 1))
}

# ---- a run ------------------------------------------------------------------

# choose OPTION "A,B" NAME...: sets chosen, in the order of NAMEs.
choose() {
	local option=$1 list=$2 n w
	shift 2

	chosen=()
	for w in ${list//,/ }; do
		case " $* " in
		*" $w "*) ;;
		*) bad_usage "$option: no '$w' (there are: $*)" ;;
		esac
	done
	for n; do
		case ",$list," in
		*",$n,"*) chosen+=("$n") ;;
		esac
	done
	[ ${#chosen[@]} -gt 0 ] || bad_usage "$option: which?"
}

# What two samples must have in common to be compared.
describe() {
	local tree build=$OPI_TOP/build root kernel='' cpu='' payload='' qemu='' sha='' is_busy=false

	[ -z "$busy" ] || is_busy=true
	# A tree has one name for all that is not committed: what was built from it says more.
	tree=$(git -C "$OPI_TOP" -c safe.directory="$OPI_TOP" describe --always --dirty --abbrev=12 2>/dev/null) || tree=unknown
	while read -r cpu; do
		[[ $cpu != "model name"* ]] || break
	done </proc/cpuinfo
	# Once for all that is in it.
	root=$(opi_root) || root=''
	[ ! -e "$root/opi/kver" ] || read -r kernel <"$root/opi/kver"
	[ ! -e "$build/image/payload-stock.ext4.key" ] || read -r payload <"$build/image/payload-stock.ext4.key"
	if [ -e "$build/qemu/qemu-system-x86_64" ]; then
		read -r sha _ < <(sha256sum <"$build/qemu/qemu-system-x86_64")
		# As qemu-run does.
		qemu=$("$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$root/usr/lib/x86_64-linux-gnu" \
			"$build/qemu/qemu-system-x86_64" --version 2>/dev/null) || :
	fi
	jq -n --arg tree "$tree" --arg kernel "$kernel" --arg cpu "${cpu#*: }" --argjson cpus "$cpus" \
		--arg qemu "${qemu%%$'\n'*}" --arg payload "$payload" --arg qemu_sha256 "$sha" --argjson sfs "$SFS_ALL" \
		--argjson mem "$MEM" --argjson secs "$SECS" --argjson busy "$is_busy" \
		'{$tree, $payload, $kernel, $qemu, $qemu_sha256, $cpu, $cpus, vm: {cpus: 1, $mem, cpu: "max,erms=off,fsrm=off", accel: "tcg"},
		  seconds: $secs, $sfs, $busy}'
}

out='' busy='' fresh='' no_chart='' profile='' missing=0
rounds=${BENCH_ROUNDS:-5} peers=${BENCH_PEERS:-} rows=${BENCH_ROWS:-}
while [ $# -gt 0 ]; do
	case $1 in
	--*=*) set -- "${1%%=*}" "${1#*=}" "${@:2}" ;;
	esac
	case $1 in
	--busy) busy=1; shift; continue ;;
	--fresh) fresh=1; shift; continue ;;
	--profile) profile=1 busy=1; shift; continue ;;
	--no-chart) no_chart=--no-chart; shift; continue ;;
	-l) printf 'peers: %s\nrows: %s\n' "${PEERS[*]} ${MORE_PEERS[*]}" "${ROWS[*]} ${MORE_ROWS[*]}"; exit ;;
	-h|--help) usage; exit ;;
	esac
	[ $# -ge 2 ] || bad_usage "'$1' takes a value, or is unknown"
	case $1 in
	--rounds) rounds=$2 ;;
	--peers) peers=$2 ;;
	--rows) rows=$2 ;;
	--out) out=$2 ;;
	*) bad_usage "unknown option '$1'" ;;
	esac
	shift 2
done
[[ $rounds =~ ^[1-9][0-9]{0,2}$ ]] || bad_usage "--rounds takes a number, not '$rounds'"
printf -v all '%s,' "${PEERS[@]}"
choose --peers "${peers:-${all%,}}" "${PEERS[@]}" "${MORE_PEERS[@]}"
run_peers=("${chosen[@]}")
printf -v all '%s,' "${ROWS[@]}"
choose --rows "${rows:-${all%,}}" "${ROWS[@]}" "${MORE_ROWS[@]}"
run_rows=("${chosen[@]}")
out=${out:-$OPI_TOP/build/bench/out}

# What is measured is this tree.
case ${BENCH_TESTBED:+fake}:${run_peers[*]} in
fake:*) ;;
*-debug*) make -C "$OPI_TOP" -s debug-kernel ;;
*) make -C "$OPI_TOP" -s all ;;
esac
[ -z "$profile" ] || no_chart=--no-chart
case ${BENCH_TESTBED:+fake}:$no_chart:${run_peers[*]} in
fake:*) ;;
::*|*vhost-user*) "$OPI_TOP/bench/mkbench.sh" ;;
*) "$OPI_TOP/bench/mkbench.sh" --programs ;;
esac
if [ -n "$profile" ]; then
	rounds=1
	out=$out/profile
fi
[ -d "$out" ] || mkdir -p "$out"
cpus=$(nproc)
[ -z "$fresh" ] || rm -f "$out"/{info.json,samples.jsonl,retries.jsonl,cannot.jsonl}
info=$(describe)
if [ ! -e "$out/info.json" ]; then
	printf '%s\n' "$info" >"$out/info.json"
else
	IFS= read -r -d '' there <"$out/info.json" || :
	[ "$info"$'\n' = "$there" ] ||
		opi_die "$out holds results of another tree or of other conditions (--fresh forgets them)"
fi
earlier=''
[ ! -e "$out/samples.jsonl" ] || IFS= read -r -d '' earlier <"$out/samples.jsonl" || :

# Sockets want a short path.
WORK=$(mktemp -d "${TMPDIR:-/tmp}/opi-bench.XXXXXX")
up='' bed_pids=() switch_pid='' peer='' alone='' process='' job=''
trap 'trap - EXIT; [ -z "$job" ] || kill "$job"; stop_peer; rm -rf "$WORK"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

for ((round = 1; round <= rounds; round++)); do
	for peer in "${run_peers[@]}"; do
		for row in "${run_rows[@]}"; do
			if [ -n "$profile" ] && [[ $peer =~ ^(loopback|netdevsim|opi-user.*)$ ]]; then
				opi_say "$peer has no profile: it is not two machines with netdevs"
			elif has_row "$peer" "$row" && ! have "$round" "$peer" "$row"; then
				do_row
			fi
		done
		stop_peer
	done
done

[ -n "$profile" ] || "$OPI_TOP/bench/report.sh" ${no_chart:+"$no_chart"} "$out"
[ "$missing" = 0 ] || opi_die "$missing numbers are missing: see $out/retries.jsonl"
