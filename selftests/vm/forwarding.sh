#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 400
# debug: none
# order: 39
#
# The kernel's own tests of forwarding between ports, unmodified, with functions and with
# representors as the ports.  Each of their subtests ends as the table in
# Documentation/testing.rst says, for the reason that it gives.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/func.sh"
. "$(dirname -- "$0")/../lib/referee.sh"
. "$(dirname -- "$0")/../lib/forwarding.sh"

CASES="
	each_test_of_the_kernel_is_listed
	a_cable_that_is_cut_is_found
	min_max_mtu_sh_of_functions
	min_max_mtu_sh_of_representors
	bridge_vlan_unaware_sh_of_representors
"

each_test_of_the_kernel_is_listed() { each_is_listed net/forwarding; }

# The tests use the cables that they are said to use.
a_cable_that_is_cut_is_found()
{
	ports functions
	on "$FAR_VM" tc qdisc del dev "${FAR_PORTS[1]}" clsact </dev/null
	SETTINGS=(TESTS=ping_ipv4 PING_COUNT=1)
	refused 'ping is listed as pass' forwarding min_max_mtu.sh functions
}

min_max_mtu_sh_of_functions() { forwarding min_max_mtu.sh functions; }

min_max_mtu_sh_of_representors() { forwarding min_max_mtu.sh representors; }

bridge_vlan_unaware_sh_of_representors() { forwarding bridge_vlan_unaware.sh representors; }

run_cases "$@"
