#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 400
#
# Style and static checks of the whole tree: each check of qemu/lint.sh is a case.

. "$(dirname -- "$0")/../lib/tap.sh"

CASES=$("$OPI_TOP/qemu/lint.sh" -l)

for check in $CASES; do
	eval "$check() { '$OPI_TOP/qemu/lint.sh' $check; }"
done

run_cases "$@"
