# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the tests of opitool share: having it built in the build root, and running
# it against a kernel of paper (fake_kernel.c).  Sourced after tap.sh.
#
# There are hundreds of calls, and where a process is dear each that is not opitool
# costs as much as opitool.  So what it says is read and compared by the shell itself,
# and jq is asked once about many documents.

# shellcheck disable=SC2034 # for those who read this
here=$OPI_TOP/selftests/opitool
# shellcheck disable=SC2034
tool=$OPI_TOP/tools/opitool

inroot() { "$OPI_TOP/qemu/inroot" "$@"; }

# Where programs are; gone at the end of the file.
bin=$(mktemp -d "${TMPDIR:-/tmp}/opi-opitool.XXXXXX") || exit 1
trap 'rm -rf "$bin"' EXIT

# build [tool|fake|parser]...: as build.sh has them, into $bin; and in "loader" how a
# program of the build root is started outside.
build()
{
	bash "$OPI_TOP/selftests/opitool/build.sh" "$bin" "$@" >"$bin/loader" 2>"$bin/log" ||
		{ cat "$bin/log" >&2; return 1; }
	mapfile -t loader <"$bin/loader"
}

# fake SCENARIO ARG...: opitool in a world that consists of SCENARIO.  The
# exit status passes; a report of the sanitizers is one of its own.  It runs
# outside the build root, by the loader of that: it needs nothing else of it, and
# setting up a root for each call took most of the time.  Requests that change
# something are added to $CASE_DIR/requests.
fake()
{
	printf '%s\n' "$1" >"$CASE_DIR/scenario"
	shift
	OPITOOL_SCENARIO="$CASE_DIR/scenario" OPITOOL_REQUESTS="$CASE_DIR/requests" \
		ASAN_OPTIONS=exitcode=99 UBSAN_OPTIONS=exitcode=99:print_stacktrace=1 \
		"${loader[@]}" "$bin/opitool-fake" "$@"
}

# status WANT CMD...: CMD must end with just that status.
status()
{
	local want=$1 rc=0
	shift
	"$@" || rc=$?
	[ "$rc" = "$want" ] || fail "status $rc, expected $want: $*"
}

# contents FILE: in REPLY what $(cat FILE) would be, but without a process, and in "raw" all
# of it.  A NUL, which would end it early, is nothing that opitool may write.
contents()
{
	[ -r "$1" ] || fail "there is no $1"
	if IFS= read -r -d '' raw <"$1"; then
		fail "there is a NUL in $1"
	fi
	REPLY=${raw%"${raw##*[!$'\n']}"}
}

# gives WANT CMD...: CMD must end with just that status; what it prints is in "out", and
# in a file of that name.
gives()
{
	status "$@" >"$CASE_DIR/out"
	contents "$CASE_DIR/out"
	out=$REPLY
}

# gives_both WANT CMD...: what it says of errors is in "err" too, and in a file.
gives_both()
{
	local want=$1 rc=0
	shift
	"$@" >"$CASE_DIR/out" 2>"$CASE_DIR/err" || rc=$?
	contents "$CASE_DIR/out"
	out=$REPLY
	contents "$CASE_DIR/err"
	err=$REPLY
	[ "$rc" = "$want" ] || { note "$err"; fail "status $rc, expected $want: $*"; }
}

# says WORDS...: each stands in what went to stderr, in one line.
says()
{
	local w

	for w in "$@"; do
		[[ $err = *"$w"* ]] || { note "$err"; fail "it does not say \"$w\""; }
	done
}

# ask NAME WANT CMD...: CMD prints a JSON document; "answered FILTER" then sees what jq
# makes of all of them, a line each, and that it is what was wanted.
asked=() wanted=()
ask()
{
	gives 0 "${@:3}"
	asked+=("$1") wanted+=("$2")
	printf '%s\n' "$out" >>"$CASE_DIR/documents"
}

answered()
{
	local lines i

	jq -r "$1" "$CASE_DIR/documents" >"$CASE_DIR/answers"
	mapfile -t lines <"$CASE_DIR/answers"
	for i in "${!asked[@]}"; do
		expect_eq "${asked[i]}" "${lines[i]-}" "${wanted[i]}"
	done
	expect_range documents "${#asked[@]}" 1 1000
	expect_eq answers "${#lines[@]}" "${#asked[@]}"
	asked=() wanted=()
	: >"$CASE_DIR/documents"
}

# same_document FILE...: there is one in each, and it is the same in all.
same_document()
{
	local lines i

	jq -c . "$@" >"$CASE_DIR/answers"
	mapfile -t lines <"$CASE_DIR/answers"
	expect_eq documents "${#lines[@]}" $#
	for i in "${lines[@]}"; do
		expect_eq document "$i" "${lines[0]}"
	done
}
