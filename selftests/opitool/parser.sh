#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
# soak: all@100
#
# opitool's netlink parsers against malformed messages, under the address and
# undefined-behaviour sanitizers.  The cases are in parser.c; this has it built and
# passes its KTAP on.

. "$(dirname -- "$0")/../lib/tap.sh"
# Found from static/ too, where a link to this file makes it one of the tests.
. "$(dirname -- "$0")/../opitool/lib.sh"

build parser 2>/dev/null ||
	{ sed 's/^/# /' "$bin/log"; echo "Bail out! parser.c does not build"; exit 1; }

"${loader[@]}" "$bin/parser"
