#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Run the tests under the kernel's own runner and count their cases:
#
#	run.sh check		the static tests, everything on the stock kernel,
#				a smoke set on the debug kernel
#	run.sh check-full	everything on the stock kernel, with what "check" leaves
#				out, and what reaches all of the driver on the debug kernel
#	run.sh soak		what check-full leaves out on the debug kernel; then, on both
#				kernels, the cases that have a count, with OPI_SCALE raised;
#				an interrupted run goes on where it stopped, with what has
#				not passed yet (a newer commit is no reason to start anew:
#				the end says which commits passed what)
#	run.sh [-k stock|debug] TEST[:CASE,CASE...]...
#				these tests, as netdev or vm/netdev:ping_both_ways
#	run.sh -l [TIER]	list tests and cases, or what a tier runs
#
# -k limits a tier to one kernel (its static tests included).  The output is
# KTAP, shortened; all of it is in build/logs.  The last line says how many
# cases passed and failed; the exit status is 0 if some passed and none failed.
#
# Tests stand in static/ and opitool/ (no virtual machine), vm/ (they share a
# test bed, one boot per kernel) and bed/ (each makes its own).  A test says in a comment
# "timeout: SECONDS" how long it may take on the stock kernel at scale 1, and
# "soak: CASE CASE..." (or "soak: all") which of its cases OPI_SCALE lengthens: by 10 in a
# soak, or by N where it says CASE@N, and by a tenth of that on the debug kernel, or by M
# where it says CASE@N,M.  OPI_SCALE, if set, is taken for all instead.  One that
# says "tier: check-full" is left out by "check".  "debug: CASE CASE..." (or "debug: none")
# is what check-full runs of it on the debug kernel, where everything takes five times as
# long; without such a line it is all.
#
# A tier runs as two chains, since most tests wait some of the time: one begins with vm/ and
# its test bed, the other with all that needs none of these, and who is done first takes from
# what the other has left, on a bed of its own.  More of them slow each other down by more
# than they do.  The output of a test comes in one piece when it has ended.
#
# A builder that stands still for seconds fails tests that are right.  So what fails in
# "check", if it is little and no kernel's complaint, is run once more when nothing else
# runs; the end says what has passed only then.  Nothing is run twice by the other tiers.

set -eu

OPI_TOP=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
export OPI_TOP
here=${OPI_TESTS_DIR:-$OPI_TOP/selftests}

# On the debug kernel in "check": what touches each subsystem of the driver once.
smoke="vm/netlink_abi_host vm/netlink_abi_dpu vm/smoke"

usage() { sed -n '/^# Run/,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2; }

# All tests of a directory in their order: by the number that "order:" gives
# (50 if none), then by name.
tests_in()
{
	local f n

	for f in "$here/$1"/*.sh; do
		# Programs only, not what they share.
		[ -x "$f" ] || continue
		f=${f##*/}
		n=$(header order "$1/${f%.sh}")
		printf '%s %s/%s\n' "${n:-50}" "$1" "${f%.sh}"
	done | sort -k1,1n -k2 | cut -d' ' -f2
}

# header NAME TEST: the words of a line, or of several, in the head of a test, which ends
# where the shell begins.
header()
{
	local line words=()

	while IFS= read -r line && [ "${line:0:1}" = '#' ]; do
		# shellcheck disable=SC2206 # words on purpose
		[ "${line#"# $1: "}" = "$line" ] || words+=(${line#"# $1: "})
	done <"$here/$2.sh"
	echo "${words[*]}"
}

# soaked TEST KERNEL: its cases that have a count, as TEST[:CASE,CASE...]@SCALE.
soaked()
{
	local word n debug

	for word in $(header soak "$1"); do
		n=${word#*@}
		[ "$n" != "$word" ] || n=10
		case $n in
		*,*) debug=${n#*,} n=${n%,*} ;;
		*) debug=$((n / 10)) ;;
		esac
		if [ "$2" = debug ]; then
			# Once is no count.
			[ "$debug" -gt 1 ] || continue
			n=$debug
		fi
		echo "${soak_scale:-$n} ${word%@*}"
	done | sort -s -k1,1n | awk -v t="$1" '
		$1 != n { if (n != "") print line "@" n; n = $1; line = t; sep = ":" }
		$2 != "all" { line = line sep $2; sep = "," }
		END { if (n != "") print line "@" n }'
}

# All cases of a test, a line each.
cases_of()
{
	sed -n '/^CASES="/,/"$/p' "$here/$1.sh" | tr -d '"' | sed 's/^CASES=//' |
		tr -s ' \t' '\n' | sed '/^$/d'
}

# left_out TEST: what check-full does not run of it on the debug kernel, as tier_tests has it.
# Cases of bed/ follow each other: all or none.
left_out()
{
	local cases=

	case $1 in
	bed/*) ;;
	*)
		cases=$(cases_of "$1" | grep -vxF "$(header debug "$1" | tr ' ' '\n')" | paste -sd,) || :
		[ -n "$cases" ] || return 0
		;;
	esac
	printf '%s%s@1\n' "$1" "${cases:+:$cases}"
}

# tier_tests DIRECTORY KERNEL: those that the tier runs, as TEST[:CASE,CASE...][@SCALE].
tier_tests()
{
	local t cases

	for t in $(tests_in "$1"); do
		cases=
		case $tier,$2 in
		check,*)
			[ "$(header tier "$t")" != check-full ] || continue
			;;
		check-full,debug)
			cases=$(header debug "$t")
			[ "$cases" != none ] || continue
			;;
		soak,*)
			[ "$2" != debug ] || [ -z "$(header debug "$t")" ] || left_out "$t"
			soaked "$t" "$2"
			continue
			;;
		esac
		printf '%s%s\n' "$t" "${cases:+:${cases// /,}}"
	done
}

timeout_of()
{
	local t=${1%@*} factor=$slow

	[ "$2" != debug ] || factor=$((factor * 5))
	t=$(header timeout "${t%%:*}")
	echo $((${t:-120} * factor * $(scale_of "$1")))
}

list()
{
	local t

	for t in $(tests_in static) $(tests_in opitool) $(tests_in vm) $(tests_in bed); do
		printf '%s\n' "$t"
		cases_of "$t" | sed 's/^/    /'
	done
}

# What runs of a tier: KERNEL TEST[:CASE,CASE...][@SCALE].
# shellcheck disable=SC2086 # words on purpose
list_tier()
{
	local d k

	for d in static opitool; do
		tier_tests "$d" host | sed 's/^/host /'
	done
	for k in $kernels; do
		case $tier,$k in
		check,debug) printf '%s\n' $smoke | sed 's/^/debug /' ;;
		*) for d in vm bed; do tier_tests "$d" "$k" | sed "s/^/$k /"; done ;;
		esac
	done
}

# What a reader of the terminal wants: results, and everything of a test that
# failed.  The whole stream goes to the log before this.
# shellcheck disable=SC2016 # awk's
shorten='
	/^# selftests: / { held = ""; print; fflush(); next }
	/^# (not )?ok [0-9]/ {
		if ($2 == "not") printf "%s", held
		held = ""; print; fflush(); next
	}
	/^(not )?ok [0-9]/ {
		if ($1 == "not") printf "%s", held
		held = ""; print; fflush(); next
	}
	/^#/ { held = held $0 "\n"; next }
	{ print; fflush() }'

# Cases in a log: the results one level down; the result of the test itself if
# it has none there, or if it failed and none of its cases did (a crash, a
# time-out, a plan not fulfilled).
# shellcheck disable=SC2016 # awk's
count='
	/^# selftests: / { n = bad = 0; next }
	/^# (not )?ok [0-9]+/ {
		n++
		if ($2 == "not") { bad++; failed++ }
		else if (/# SKIP/) skipped++
		else passed++
		next
	}
	/^(not )?ok [0-9]+ selftests: / {
		if ($1 == "not") { if (!bad) failed++ }
		else if (!n) { if (/# SKIP/) skipped++; else passed++ }
	}
	END { print passed + 0, failed + 0, skipped + 0 }'

# failures: a line for each case that failed, as KERNEL TEST CASE; "-" for a test of which
# no case did.  The log's name begins with the kernel.
failures()
{
	local f name

	for f in "$logs"/*.tap; do
		name=${f##*/}
		awk -v kernel="${name%%-*}" '
			/^# selftests: / { test = substr($3, 5); sub(/:$/, "", test); bad = 0; test = test "/" substr($4, 1, length($4) - 3) }
			/^# not ok/ { bad++; sub(/^# not ok [0-9]+ /, ""); gsub(/ /, "_"); print kernel, test, $0 }
			/^not ok/ && !bad { print kernel, test, "-" }' "$f"
	done
}

# last_words N: the last N lines of what each case that failed has said.
last_words()
{
	awk -v most="$1" '/^# selftests: / { test = substr($3, 5) " " $4; n = bad = 0; next }
		function told(what,  i) {
			print "# not ok: " test " " what
			for (i = n > most ? n - most : 0; i < n; i++)
				print "#    " said[i]
			n = 0
		}
		/^# ok/ { n = 0; next }
		/^# not ok/ { bad++; sub(/^# not ok [0-9]+ /, ""); told($0); next }
		/^not ok/ && !bad { told("") }
		/^# / { sub(/^# (# )?/, ""); said[n++] = $0 }' "$logs"/*.tap
}

# Has a kernel said something of itself?  That is no accident of the builder.
kernels_complained()
{
	local complaints

	# shellcheck source=/dev/null disable=SC2154 # bed.sh's
	complaints=$(. "$OPI_TOP/selftests/lib/bed.sh" && printf '%s' "$kernel_complaints")
	last_words 1000000 | grep -qE "$complaints"
}

# Run again what failed, alone.  It is all or nothing: one that fails again, a complaint
# of a kernel, or more than so many, and what failed has failed.
most_again=6
try_again()
{
	local k t c
	declare -A cases=()

	mapfile -t failed_cases < <(failures)
	[ "${#failed_cases[@]}" -le "$most_again" ] || return 1
	if kernels_complained; then
		return 1
	fi
	while read -r k t c; do
		# A chain that ended early: nobody knows what it did not run.
		case $k in
		host|stock|debug) ;;
		*) return 1 ;;
		esac
		case $t in
		# Without it others did not run.
		vm/up) return 1 ;;
		# Comes with the others.
		vm/clean) printf '%s\n' "${failed_cases[@]}" | grep -v ' vm/clean ' | grep -q "^$k vm/" || return 1
			continue ;;
		esac
		# The cases of a bed depend on each other, and some tests have none to choose.
		if [ "${t%%/*}" = bed ] || ! grep -qx "	$c" "$here/$t.sh"; then
			cases["$k $t"]=
		elif [ -n "${cases["$k $t"]-unset}" ]; then
			cases["$k $t"]=${cases["$k $t"]:+${cases["$k $t"]},}$c
		fi
	done < <(printf '%s\n' "${failed_cases[@]}")
	echo "# run again, alone: ${failed_cases[*]}"
	logs=$logs/again tier=selected chain='' part='' up=''
	mkdir -p "$logs"
	for k in host stock debug; do
		chosen=()
		for t in "${!cases[@]}"; do
			[ "${t%% *}" != "$k" ] || chosen+=("${t#* }${cases[$t]:+:${cases[$t]}}")
		done
		[ ${#chosen[@]} -gt 0 ] || continue
		if [ "$k" = host ]; then
			run_tests host "${chosen[@]}"
		else
			run_kernel "$k" "${chosen[@]}"
		fi
	done
	read -r passed failed skipped <<<"$(counts)"
	[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
}

# The kernel's runner finds itself and the tests through BASE_DIR.
make_base()
{
	local ksft

	# What each script that a test calls would find out again.
	OPI_JOBS=${OPI_JOBS:-$(nproc)}
	OPI_ROOT=$(bash -c '. "$0/qemu/lib.sh"; opi_root' "$OPI_TOP")
	export OPI_JOBS OPI_ROOT
	ksft=$(bash -c '. "$0/qemu/lib.sh"; opi_linux_src' "$OPI_TOP")/tools/testing/selftests/kselftest
	BASE_DIR=${OPI_BASE_DIR:-$OPI_TOP/build/kselftest}
	mkdir -p "$BASE_DIR"
	ln -sfn "$ksft" "$BASE_DIR/kselftest"
	ln -sfn "$here" "$BASE_DIR/opi"
	export BASE_DIR OPI_KSELFTEST=$ksft
}

# Two chains share the terminal.
in_one_piece()
{
	local out

	if [ -z "$chain" ]; then
		cat
		return
	fi
	out=$(cat)
	# The shell's own printf: a command may not be given so much.
	(
		flock 9
		printf '%s\n' "$out"
	) 9>>"$logs/.lock"
}

scale_of() { case $1 in *@*) echo "${1#*@}" ;; *) echo "$OPI_SCALE" ;; esac; }

done_key() { printf '%s %s scale=%s' "$1" "${2%@*}" "$(scale_of "$2")"; }

# run_tests KERNEL TEST...: each under the runner, into one log per kernel and
# directory.
run_tests()
{
	local kernel=$1 test name cases dir log n=0 total key var began scale limit
	shift

	[ $# -gt 0 ] || return 0
	total=$#
	printf 'TAP version 13\n1..%d\n' "$total"
	for test in "$@"; do
		n=$((n + 1))
		cases=
		key=$(done_key "$kernel" "$test")
		scale=$(scale_of "$test")
		limit=$(timeout_of "$test" "$kernel")
		test=${test%@*}
		case $test in *:*) cases=${test#*:} test=${test%%:*} ;; esac
		dir=${test%/*} name=${test#*/}
		# Of these there is one for each bed; of others what they said last counts.
		case $test in
		vm/up|vm/clean) log=$logs/$kernel-$dir-$name$part.tap ;;
		*) log=$logs/$kernel-$dir-$name.tap ;;
		esac
		[ "$scale" = "$OPI_SCALE" ] || log=${log%.tap}-$scale.tap
		if [ "$tier" = soak ] && grep -qF "$key at " "$logs/done"; then
			echo "# $test: done by the interrupted run"
			continue
		fi
		var=KSELFTEST_${name//[^[:alnum:]]/_}_SH_ARGS
		var=${var^^}
		export "$var=${cases//,/ }"
		began=$SECONDS
		{
		(
			cd "$BASE_DIR/opi/$dir"
			# The runner is not written for these.
			set +eu
			kselftest_override_timeout=$limit
			# What a guest does takes longer on the debug kernel.
			# shellcheck disable=SC2030 # for the test only
			OPI_SCALE=$scale OPI_SLOW=$((slow * $([ "$kernel" = debug ] && echo 4 || echo 1)))
			export kselftest_override_timeout OPI_SLOW
			# shellcheck source=/dev/null
			. "$BASE_DIR/kselftest/runner.sh"
			run_one "opi/$dir" "$name.sh" "$n"
		) </dev/null 2>&1 | tee "$log" | awk "$shorten"
		echo "# $((SECONDS - began)) s"
		} | in_one_piece
		unset "$var"
		# What failed is run again by the next soak.
		case $test in
		vm/up|vm/clean) ;;
		*) grep -q '^not ok' "$log" || [ "$tier" != soak ] || printf '%s at %s\n' "$key" "$(git -C "$OPI_TOP" rev-parse --short HEAD 2>/dev/null || echo unknown)" >>"$logs/done" ;;
		esac
	done
}

# run_vm_tests KERNEL queue|TEST...: on one bed: vm/up boots it, vm/clean looks whether both
# kernels are content at the end.
run_vm_tests()
{
	local kernel=$1 test
	shift

	[ $# -gt 0 ] || return 0
	[ "$1" != queue ] || [ -n "$up" ] || [ -s "$logs/queue-$kernel" ] || return 0
	[ -n "$up" ] || boot "$kernel"
	# Without a bed there is nothing to try.
	if "$OPI_TOP/qemu/testbed" --name "$OPI_BED" status >/dev/null 2>&1; then
		if [ "$1" = queue ]; then
			while test=$(next_in "queue-$kernel") && [ -n "$test" ]; do
				run_tests "$kernel" "$test"
			done
			run_tests "$kernel" vm/clean
		else
			run_tests "$kernel" "$@" vm/clean
		fi
	fi
	[ "$(counts "$kernel-vm-" | cut -d' ' -f2)" = 0 ] ||
		keep_evidence "$kernel" | in_one_piece
	[ -n "${OPI_KEEP_BED:-}" ] || bed_down
}

# vm/up boots it; from then on it is ours to take down.
boot()
{
	booted=$OPI_BED
	run_tests "$1" vm/up
}

bed_down()
{
	"$OPI_TOP/qemu/testbed" --name "$booted" down >/dev/null 2>&1 || :
	booted=
}

# The logs of both machines and of both QEMUs.
keep_evidence()
{
	local to=$logs/$1-bed$part f from

	rm -rf "$to"
	mkdir -p "$to"
	# shellcheck source=/dev/null
	from=$(. "$here/lib/bed.sh" && bed_logs)
	for f in $from; do
		[ ! -f "$f" ] || cp "$f" "$to/"
	done
	for f in "$to"/*; do
		[ -s "$f" ] || continue
		echo "# ---- the end of ${f#"$OPI_TOP"/}"
		tail -n 15 "$f" | tr -d '\r' | sed 's/^/# /'
	done
}

# counts [PREFIX]: of all tests whose log has that prefix.
counts() { cat "$logs/${1:-}"*.tap 2>/dev/null | awk "$count"; }

run_kernel()
{
	local kernel=$1 t vm=() bed=()
	shift

	for t in "$@"; do
		case $t in
		vm/up|vm/clean|vm/up:*|vm/clean:*) ;;
		vm/*) vm+=("$t") ;;
		bed/*) bed+=("$t") ;;
		esac
	done
	OPI_KERNEL=$kernel OPI_BED=$beds-$kernel
	export OPI_KERNEL OPI_BED
	run_vm_tests "$kernel" "${vm[@]}"
	run_tests "$kernel" "${bed[@]}"
}

# start_chain FUNCTION ARG...: in a process group of its own, to be ended with all
# that it runs.
start_chain()
{
	set -m
	run_chain "$@" </dev/null &
	chains+=($!)
	set +m
}

run_chain()
{
	up='' booted=''
	chains=()
	trap 'end_all 130' INT TERM HUP
	# Of this script's own errors.
	trap 'end_all $?' EXIT
	"$@"
}

# What the chains share.  queue-KERNEL: vm/ on a kernel, what takes longest (as the time
# limits tell) first.
make_queue()
{
	local t

	if [ "$tier,$1" = check,debug ]; then
		# shellcheck disable=SC2086 # words
		printf '%s\n' $smoke
	else
		for t in $(tier_tests vm "$1"); do
			case $tier,$t in
			*,vm/up|*,vm/clean|*,vm/up:*|*,vm/clean:*) ;;
			# What the smoke test does, others do at length.
			check,vm/smoke) ;;
			*) printf '%s %s\n' "$(timeout_of "$t" "$1")" "$t" ;;
			esac
		done | sort -s -k1,1rn | cut -d' ' -f2
	fi >"$logs/queue-$1"
}

# queue-rest: KERNEL TEST, of all that has a bed of its own or none; the short ones last.
make_rest()
{
	local k d

	for k in $kernels; do
		[ "$tier,$k" = check,debug ] || tier_tests bed "$k" | sed "s/^/$k /"
	done
	for d in static opitool; do
		tier_tests "$d" host | sed 's/^/host /'
	done
} >"$logs/queue-rest"

# next_in QUEUE: take one from it, if there is one left.
next_in()
{
	# shellcheck disable=SC2016 # for the shell that has the lock
	flock "$logs/.lock-queue" sh -c 'head -n 1 "$0" && sed -i 1d "$0"' "$logs/$1"
}

# A chain: what the queues have, in this order.  The second one names its beds otherwise.
work_off()
{
	local queue k t

	for queue; do
		if [ "$queue" != rest ]; then
			OPI_KERNEL=$queue OPI_BED=$beds$part-$queue
			export OPI_KERNEL OPI_BED
			run_vm_tests "$queue" queue
			up=
			continue
		fi
		while read -r k t < <(next_in queue-rest) && [ -n "$k" ]; do
			OPI_KERNEL=${k/host/stock} OPI_BED=$beds$part-${k/host/stock}
			export OPI_KERNEL OPI_BED
			run_tests "$k" "$t"
		done
	done
}

second_chain()
{
	part=-2
	# shellcheck disable=SC2086 # words
	work_off rest $kernels
}

# The name of a test as given, to its path.
resolve()
{
	local t=${1%%:*} d

	for d in static opitool vm bed; do
		if [ -e "$here/$d/${t#"$d"/}.sh" ]; then
			printf '%s%s\n' "$d/${t#"$d"/}" "${1#"$t"}"
			return
		fi
	done
	echo "run.sh: no test '$t' (run.sh -l lists them)" >&2
	exit 2
}

kernels='stock debug' only='' list=
while getopts k:lh opt; do
	case $opt in
	k) case $OPTARG in stock|debug) kernels=$OPTARG only=1 ;; *) usage ;; esac ;;
	l) list=1 ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
if [ -n "$list" ] && [ $# = 0 ]; then
	list
	exit
fi
[ $# -gt 0 ] || usage

tier=selected
case $1 in
check|check-full|soak)
	tier=$1
	shift
	[ $# = 0 ] || usage
	;;
esac

# shellcheck disable=SC2031 # not those of a test
soak_scale=${OPI_SCALE:-}
if [ -n "$list" ]; then
	[ "$tier" != selected ] || usage
	list_tier
	exit
fi
# shellcheck disable=SC2031
[ "$tier" != soak ] || OPI_SCALE=1
# shellcheck disable=SC2031
OPI_SCALE=${OPI_SCALE:-1}
# shellcheck disable=SC2031
slow=${OPI_SLOW:-1}
beds=${OPI_BED:-test}
# To the test bed it is a bed's whole name, and that one is not ours.
unset OPI_BED
logs=${OPI_LOGS_DIR:-$OPI_TOP/build/logs}/$tier
mkdir -p "$logs"
# Two that write the same logs would count each other's results.
if other=$(cat "$logs.pid" 2>/dev/null) && [ "$other" != $$ ] &&
   tr '\0' ' ' 2>/dev/null <"/proc/$other/cmdline" | grep -q 'run\.sh'; then
	echo "run.sh: process $other uses $logs: wait for it, or set OPI_LOGS_DIR" >&2
	exit 2
fi
echo $$ >"$logs.pid"
if [ "$tier" = soak ]; then
	# With the seed of an interrupted run, so that it is one run.
	if [ ! -e "$logs/seed" ]; then
		rm -rf "${logs:?}"/*
		echo "${OPI_SEED:-$RANDOM}" >"$logs/seed"
	fi
	OPI_SEED=$(cat "$logs/seed")
	touch "$logs/done"
else
	rm -rf "${logs:?}"/*
	OPI_SEED=${OPI_SEED:-$RANDOM}
fi
[ "$tier" != selected ] || [ -n "$only" ] || kernels=stock
OPI_KERNELS=$kernels
export OPI_SCALE OPI_SEED OPI_KERNELS
make_base
echo "# seed $OPI_SEED,${soak_scale:+ scale $soak_scale,} logs in ${logs#"$OPI_TOP"/}"
started=$SECONDS

chains=() chain='' up='' part='' booted=''
end_all()
{
	local c

	trap '' INT TERM HUP
	trap - EXIT
	for c in "${chains[@]}"; do
		kill -- "-$c" 2>/dev/null || :
	done
	wait "${chains[@]}" 2>/dev/null || :
	[ -n "${OPI_KEEP_BED:-}" ] || [ -z "$booted" ] || bed_down
	exit "$1"
}
trap 'end_all 130' INT TERM HUP
trap 'end_all $?' EXIT

case $tier in
check|check-full|soak)
	if [[ $kernels = *stock* ]] && [ -n "$(tests_in vm)" ]; then
		# First and alone: how long that takes on an idle machine can be read in the log.
		OPI_KERNEL=stock OPI_BED=$beds-stock
		export OPI_KERNEL OPI_BED
		boot stock
		up=1
	fi
	chain=1
	for k in $kernels; do
		make_queue "$k"
	done
	make_rest
	# Bounds of waits, not waits: the chains slow each other down.
	slow=$((slow * 3))
	start_chain second_chain
	# shellcheck disable=SC2086 # words
	work_off $kernels rest
	for c in "${chains[@]}"; do
		wait "$c" || echo "not ok 1 selftests: run.sh ended early" >>"$logs/chain.tap"
	done
	chains=()
	;;
selected)
	chosen=()
	for t in "$@"; do
		chosen+=("$(resolve "$t")")
	done
	static=()
	for t in "${chosen[@]}"; do
		case $t in static/*|opitool/*) static+=("$t") ;; esac
	done
	run_tests host "${static[@]}"
	for k in $kernels; do
		run_kernel "$k" "${chosen[@]}"
	done
	;;
esac

read -r passed failed skipped <<<"$(counts)"
if [ "$failed" != 0 ]; then
	last_words 15
	if [ "$tier" = check ] && (try_again); then
		echo "# failed beside others and passed alone:"
		passed=$((passed + failed)) failed=0
	else
		echo "# failed:"
	fi
	failures | sed 's/^/#   /'
fi
if [ "$tier" = soak ] && [ "$failed" = 0 ]; then
	# A whole run: the next one starts anew.
	echo "# $(sed 's/.* at //' "$logs/done" | sort | uniq -c | awk '{ printf "%s%s at %s", sep, $1, $2; sep = ", " }')"
	rm -f "$logs/done" "$logs/seed"
fi
echo "# $((SECONDS - started)) s"
summary="$passed passed, $failed failed"
[ "$skipped" = 0 ] || summary+=", $skipped skipped"
echo "$summary"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
