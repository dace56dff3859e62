#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# The card's own tests, without a guest: registers, rings, refusals, malformed
# input, the link between the two QEMUs.  Their TAP is this test's; arguments are
# names of tests in the form of -p.

. "$(dirname -- "$0")/../lib/tap.sh"

exec "$OPI_TOP/qemu/tests/run-qtests.sh" "$@"
