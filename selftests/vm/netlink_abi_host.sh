#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 120
# soak: all@100
#
# guest/netlink_abi.c on the host: its TAP is this test's.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"

host env OPI_SEED="$OPI_SEED" OPI_SCALE="$OPI_SCALE" "$GUEST/netlink_abi" </dev/null
