# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What the tests of opitool share: building it in the build root, and running
# it there against a kernel of paper (fake_kernel.c).  Sourced after tap.sh.

here=$OPI_TOP/selftests/opitool
tool=$OPI_TOP/tools/opitool

inroot() { "$OPI_TOP/qemu/inroot" "$@"; }

# Where programs are built; gone at the end of the file.
bin=$(mktemp -d "${TMPDIR:-/tmp}/opi-opitool.XXXXXX") || exit 1
trap 'rm -rf "$bin"' EXIT

# How a program of the build root is started outside.
mapfile -t loader < <(bash -c '. "$0/qemu/lib.sh"; opi_ld' "$OPI_TOP")

# build_tool DIR: opitool as it is shipped.
build_tool()
{
	inroot make -s -C "$tool" O="$1" >"$bin/log" 2>&1 ||
		{ cat "$bin/log" >&2; exit 1; }
}

# build_fake: opitool under the sanitizers, with a kernel of paper.
build_fake()
{
	# shellcheck disable=SC2016 # for the inner shell
	inroot sh -ec '
		make -s -C "$1" O="$3/fake" SAN=1 parts
		gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -g \
			-fsanitize=address,undefined -fno-sanitize-recover=all \
			-I"$1" -I"$1/../../uapi" $(pkg-config --cflags libnl-genl-3.0) \
			-o "$3/opitool-fake" "$2/fake_kernel.c" "$3"/fake/*.o \
			$(pkg-config --libs libnl-3.0 libnl-genl-3.0 json-c)' \
		sh "$tool" "$here" "$bin" >"$bin/log" 2>&1 || { cat "$bin/log" >&2; exit 1; }
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
	env OPITOOL_SCENARIO="$CASE_DIR/scenario" OPITOOL_REQUESTS="$CASE_DIR/requests" \
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
