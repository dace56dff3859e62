#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 1200
# order: 39
# tier: check-full
# debug: none
#
# The kernel's own tests of forwarding between ports: those that take minutes on an
# emulated processor.  See forwarding.sh.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/func.sh"
. "$(dirname -- "$0")/../lib/referee.sh"
. "$(dirname -- "$0")/../lib/forwarding.sh"

CASES="
	local_termination_sh_of_functions
	the_other_parts_of_local_termination_sh_of_functions
	local_termination_sh_of_representors
	bridge_vlan_unaware_sh_of_functions
	bridge_vlan_aware_sh_of_functions
	bridge_vlan_aware_sh_of_representors
	no_forwarding_sh_of_functions
	no_forwarding_sh_of_representors
"

local_termination_sh_of_functions()
{
	unanswered
	arriving
	forwarding local_termination.sh functions standalone test_vlan
}

the_other_parts_of_local_termination_sh_of_functions()
{
	unanswered
	arriving
	forwarding local_termination.sh functions vlan_unaware_bridge vlan_aware_bridge \
		vlan_over_vlan_unaware_bridged_port vlan_over_vlan_aware_bridged_port \
		vlan_over_vlan_unaware_bridge vlan_over_vlan_aware_bridge
}

local_termination_sh_of_representors()
{
	unanswered
	arriving
	forwarding local_termination.sh representors
}

bridge_vlan_unaware_sh_of_functions() { forwarding bridge_vlan_unaware.sh functions; }

bridge_vlan_aware_sh_of_functions() { forwarding bridge_vlan_aware.sh functions; }

bridge_vlan_aware_sh_of_representors() { forwarding bridge_vlan_aware.sh representors; }

no_forwarding_sh_of_functions()
{
	unanswered
	forwarding no_forwarding.sh functions
}

no_forwarding_sh_of_representors()
{
	unanswered
	forwarding no_forwarding.sh representors
}

run_cases "$@"
