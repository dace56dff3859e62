#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
# debug: none
#
# "make demo" tells the truth, in few lines: all of them are so, and one that is not is told.
# How long it took is noted.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"

OPI_BED=demo$$

CASES="
	the_story_is_true
	a_line_that_is_false_is_told
"

trap 'tb down' EXIT

the_story_is_true()
{
	local began=$SECONDS

	OPI_BED=$OPI_BED "$OPI_TOP/selftests/demo.sh" >"$CASE_DIR/demo" 2>&1 || fail "$(cat "$CASE_DIR/demo")"
	note "$((SECONDS - began)) s"
	expect_range "lines" "$(wc -l <"$CASE_DIR/demo")" 20 25
	expect_eq "lines that are false" "$(grep -c FALSE "$CASE_DIR/demo" || :)" 0
	refused 'no test bed' tb host true
}

# The same with a driver that is not there.
a_line_that_is_false_is_told()
{
	local rc=0

	mkdir "$CASE_DIR/selftests"
	ln -s "$OPI_TOP/qemu" "$OPI_TOP/build" "$CASE_DIR/"
	sed 's/host_sh "modprobe opi_core /host_sh "modprobe opi_nosuch /' "$OPI_TOP/selftests/demo.sh" >"$CASE_DIR/selftests/demo.sh"
	OPI_BED=$OPI_BED bash "$CASE_DIR/selftests/demo.sh" >"$CASE_DIR/demo" 2>&1 || rc=$?
	expect_eq "status" "$rc" 1
	expect_match "what it says" "$(cat "$CASE_DIR/demo")" 'FALSE +modprobe opi_core: the driver binds on the server'
	refused 'no test bed' tb host true
}

run_cases "$@"
