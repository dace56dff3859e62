# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A test file is a list of cases; this runs them and speaks TAP through the
# kernel's own ktap_helpers.sh.  Knows nothing about virtual machines (bed.sh).
#
# A file defines functions, names them in CASES and ends in: run_cases "$@"
# (arguments choose cases).  In a case every command that fails ends it and
# fails it; what it registered with "defer" runs in any event, last one first.

set -u
shopt -s inherit_errexit

OPI_TOP=${OPI_TOP:-$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd -P)}
# Counts in tests are multiplied by this, time limits with them.
OPI_SCALE=${OPI_SCALE:-1}
# Slow kernels and builders: bounds of waits are multiplied by this.
OPI_SLOW=${OPI_SLOW:-1}
OPI_SEED=${OPI_SEED:-$RANDOM}
export OPI_TOP OPI_SCALE OPI_SLOW OPI_SEED

# Each program that starts would read a dozen files of any other one.
export LC_ALL=C

# The runner may preload stdbuf; it is of the builder, the guests' tools and
# QEMU are of another release.
unset LD_PRELOAD _STDBUF_O

# shellcheck source=/dev/null # comes with the kernel's source
. "${OPI_KSELFTEST:-$(bash -c '. "$0/qemu/lib.sh"; opi_linux_src' "$OPI_TOP")/tools/testing/selftests/kselftest}/ktap_helpers.sh"

note() { printf '%s\n' "$*" >&2; }

# End the case, with the reason.
fail()
{
	note "FAIL: $*"
	exit 1
}

# Counts that a long run raises.
times() { echo $(($1 * OPI_SCALE)); }

# A bound in seconds, as this kernel and builder need it.
secs() { echo $(($1 * OPI_SLOW)); }

expect_eq()
{
	[ "$2" = "$3" ] || fail "$1: got '$2', expected '$3'"
}

# expect_match WHAT TEXT ERE
expect_match()
{
	[[ $2 =~ $3 ]] || fail "$1: '$2' does not match '$3'"
}

# expect_range WHAT NUMBER MIN MAX
expect_range()
{
	[[ $2 =~ ^-?[0-9]+$ ]] || fail "$1: '$2' is no number"
	if [ "$2" -lt "$3" ] || [ "$2" -gt "$4" ]; then
		fail "$1: $2 is not in $3..$4"
	fi
}

# refused ERE CMD...: CMD must fail, and say something that matches ERE.
refused()
{
	local want=$1 out rc=0
	shift

	out=$("$@" 2>&1 </dev/null) || rc=$?
	[ "$rc" != 0 ] || fail "was not refused: $* (it said: $out)"
	# Not a time-out, not a command that could not be run, not a signal; 255
	# is how ssh refuses.
	[ "$rc" -lt 124 ] || [ "$rc" = 255 ] ||
		fail "ended with status $rc, not with a refusal: $* ($out)"
	[[ $out =~ $want ]] || fail "refused with '$out', expected '$want': $*"
}

# wait_for SECONDS CMD...: until CMD succeeds; its last words if it never does.
wait_for()
{
	local limit end
	limit=$(secs "$1")
	shift
	end=$((SECONDS + limit))

	until "$@" >"$CASE_DIR/wait" 2>&1 </dev/null; do
		if [ "$SECONDS" -ge "$end" ]; then
			cat "$CASE_DIR/wait" >&2
			fail "waited $limit s in vain for: $*"
		fi
		sleep 0.2
	done
}

# measured CMD...: a measurement that holds once in four times.  A builder that stands
# still in the middle spoils one, and not all; what is wrong is wrong each time.  CMD ends
# by itself what it started, also if it fails.
measured()
{
	local i rc

	for i in 1 2 3; do
		# Not as a condition: errexit would be off in all that it calls.
		set +e
		(set -e; "$@")
		rc=$?
		set -e
		[ "$rc" != 0 ] || return 0
		note "measured again"
	done
	"$@"
}

# Register a clean-up command (one string, evaluated) of the running case.
defer() { CASE_DEFERRED=("$*" "${CASE_DEFERRED[@]}"); }

case_end()
{
	local rc=$? cmd

	# A second one must not end the clean-up.  Not ignored: children would
	# inherit that.
	trap : TERM INT HUP
	trap - ERR EXIT
	set +eE
	for cmd in "${CASE_DEFERRED[@]}"; do
		eval "$cmd" || note "clean-up failed: $cmd"
	done
	exit "$rc"
}

case_err()
{
	local rc=$? i

	note "status $rc from: $BASH_COMMAND"
	for ((i = 1; i < ${#FUNCNAME[@]}; i++)); do
		note "    in ${FUNCNAME[i]} (${BASH_SOURCE[i]##*/}:${BASH_LINENO[i - 1]})"
		case ${FUNCNAME[i]} in "$CASE"|before_case) break ;; esac
	done
}

run_case()
(
	# Job control made the process group of the case; it needs none in it.
	set +m
	CASE=$1
	CASE_DEFERRED=()
	trap case_end EXIT
	trap 'trap : TERM INT HUP; exit 143' TERM INT HUP
	trap case_err ERR
	set -eE
	if declare -F before_case >/dev/null; then
		before_case
	fi
	"$CASE"
)

# What a case says goes to a file first: a pipe would stay open for as long as
# anything that the case left running holds it.
end_case_output()
{
	[ ! -s "$CASE_DIR/output" ] || sed 's/^/# /' "$CASE_DIR/output"
	rm -rf "$CASE_DIR"
}

# What hangs, before it is ended: the builder's processes, and what the library of
# the test knows to ask.
case_hangs()
{
	{
		echo "--- what the case runs"
		ps -o pid=,stat=,etimes=,args= --forest -p "$(pgrep -d, -g "$1")" | cut -c1-150
		if declare -F hang_evidence >/dev/null; then
			hang_evidence
		fi
	} >>"$CASE_DIR/output" 2>&1
}

# A time-out: end the case and everything that it runs, and wait for its clean-up,
# however often we are told.
end_case()
{
	trap : TERM INT HUP
	case_hangs "$1"
	kill -- "-$1" 2>/dev/null
	while kill -0 "$1" 2>/dev/null; do
		wait "$1"
	done
}

# wait_case PID SECONDS: its status, 124 if it had to be ended.
wait_case()
{
	local pid=$1 dog ended='' rc=0

	# Not of the test's process group: it may outlive the test, and holds nothing.
	setsid sleep "$2" </dev/null >/dev/null 2>&1 &
	dog=$!
	trap 'end_case "$pid"; end_case_output; kill -KILL "$dog"; exit 143' TERM INT HUP
	wait -n -p ended "$pid" "$dog" || rc=$?
	trap - TERM INT HUP
	if [ "$ended" = "$pid" ]; then
		# Not by a signal that a shell handles: after a short case it may be a copy of
		# this one yet, and would run what the test has for its own exit.
		kill -KILL "$dog" 2>/dev/null
		wait "$dog" 2>/dev/null
		return "$rc"
	fi
	echo "--- ended after $2 s" >>"$CASE_DIR/output"
	end_case "$pid"
	trap - TERM INT HUP
	return 124
}

run_cases()
{
	local name rc started pid limit

	# The runner gives the test so long: one that hangs shall leave time for others.
	limit=$((${kselftest_override_timeout:-0} * 2 / 3))
	[ "$limit" -gt 0 ] || limit=86400
	if [ $# = 0 ]; then
		# shellcheck disable=SC2086,SC2153 # words on purpose; the test file's
		set -- $CASES
	fi
	ktap_print_header
	ktap_set_plan $#
	for name in "$@"; do
		if ! declare -F "$name" >/dev/null; then
			echo "# no such case: $name"
			ktap_test_fail "$name"
			continue
		fi
		CASE_DIR=$(mktemp -d "${TMPDIR:-/tmp}/opi-case.XXXXXX") || exit 1
		started=$SECONDS
		# Not in a condition, or errexit would be off in it.  A process
		# group of its own: timeout sends its TERM to all of ours, twice,
		# and what cleans up must not get it.
		set -m
		# Appended to, since others do.
		run_case "$name" </dev/null >>"$CASE_DIR/output" 2>&1 &
		pid=$!
		set +m
		rc=0
		wait_case "$pid" "$limit" || rc=$?
		end_case_output
		# Only in the log: what to make faster.
		echo "# $((SECONDS - started)) s: $name"
		if [ "$rc" = 0 ]; then
			ktap_test_pass "${name//_/ }"
		else
			echo "# $name failed after $((SECONDS - started)) s (seed $OPI_SEED)"
			ktap_test_fail "${name//_/ }"
		fi
	done
	ktap_finished
}
