#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
# soak: all@100
#
# opitool's netlink parsers against malformed messages, under the address and
# undefined-behaviour sanitizers.  The cases are in parser.c; this builds it and
# passes its KTAP on.

. "$(dirname -- "$0")/../lib/tap.sh"
# Found from static/ too, where a link to this file makes it one of the tests.
. "$(dirname -- "$0")/../opitool/lib.sh"

# shellcheck disable=SC2016 # for the inner shell
harness=${OPI_KSELFTEST:-$(bash -c '. "$0/qemu/lib.sh"; opi_linux_src' "$OPI_TOP")/tools/testing/selftests/kselftest}/..

# shellcheck disable=SC2016 # for the inner shell
inroot sh -ec '
	gcc -std=gnu11 -D_GNU_SOURCE -Wall -g -O1 -fsanitize=address,undefined \
		-fno-sanitize-recover=all -I"$1" -I"$1/../../uapi" -I"$4" \
		$(pkg-config --cflags libnl-genl-3.0) -o "$3/parser" \
		"$2/parser.c" "$1/parse.c" \
		$(pkg-config --libs libnl-3.0 libnl-genl-3.0)' \
	sh "$tool" "$here" "$bin" "$harness" >"$bin/log" 2>&1 ||
	{ sed 's/^/# /' "$bin/log"; echo "Bail out! parser.c does not build"; exit 1; }

inroot env OPI_SEED="$OPI_SEED" OPI_SCALE="$OPI_SCALE" "$bin/parser"
