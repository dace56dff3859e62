#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What is built once stays in the cache as long as somebody uses it, and no longer.

. "$(dirname -- "$0")/../lib/tap.sh"

CASES="
	what_is_in_use_stays_and_older_ones_go
	what_is_not_there_is_not_in_use
"

# in_cache SCRIPT: with the functions of qemu/lib.sh, and a cache of the case's own.
in_cache()
{
	# shellcheck disable=SC2016 # the inner shell's
	OPI_CACHE=$CASE_DIR/cache bash -c '. "$0/qemu/lib.sh"; eval "$1"' "$OPI_TOP" "$1"
}

what_is_in_use_stays_and_older_ones_go()
{
	local n

	mkdir -p "$CASE_DIR"/cache/thing-{1,2,3,4} "$CASE_DIR/cache/other-1"
	for n in 1 2 3; do
		touch -d "-$((9 - n)) days" "$CASE_DIR/cache/thing-$n/.used"
	done
	in_cache 'opi_have "$OPI_CACHE/thing-1"; opi_prune "$OPI_CACHE/thing-4" thing'
	expect_eq "what stays" "$(ls "$CASE_DIR/cache")" $'other-1\nthing-1\nthing-4'
}

what_is_not_there_is_not_in_use()
{
	mkdir -p "$CASE_DIR/cache"
	refused '^$' in_cache 'opi_have "$OPI_CACHE/thing-1"'
	expect_eq "what there is" "$(ls "$CASE_DIR/cache")" ""
}

run_cases "$@"
