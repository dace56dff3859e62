#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
# debug: none
# order: 39
#
# The kernel's own tests of devlink, unmodified, on its simulated card (netdevsim): where
# they pass, what is wrong with ours is not the kernel's, nor that of the tools.  What they
# ask of a card is asked of ours by tests that the tables in Documentation/testing.rst name.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/referee.sh"

CASES="
	each_test_of_the_kernel_is_listed
	each_case_of_devlink_sh_has_one_of_ours
	devlink_sh_ends_as_listed
	devlink_in_netns_sh_ends_as_listed
"

REFEREE_TABLE="Results of the kernel's tests on its simulated card"
REFEREE_SECS=180
OURS="Cases of devlink.sh, and of ours"

each_test_of_the_kernel_is_listed() { each_is_listed drivers/net/netdevsim; }

each_case_of_devlink_sh_has_one_of_ours()
{
	local theirs ours c

	table "$OURS" | cut -f1 | sort >"$CASE_DIR/listed"
	# shellcheck disable=SC2016 # for the guest
	host_sh 'ALL_TESTS=; eval "$(sed -n "/^ALL_TESTS=/,/\"\$/p" "$1")"; printf "%s\n" $ALL_TESTS' \
		"$LINUX/drivers/net/netdevsim/devlink.sh" | sort >"$CASE_DIR/there"
	diff -u "$CASE_DIR/listed" "$CASE_DIR/there"
	while IFS=$'\t' read -r theirs ours; do
		for c in $ours; do
			c=${c%,}
			sed -n '/^CASES="/,/"$/p' "$OPI_TOP/selftests/vm/${c%%:*}.sh" | grep -qx "[[:space:]]*${c#*:}" ||
				fail "there is no $c, which stands for $theirs"
		done
	done < <(table "$OURS" | cut -f1,2)
}

devlink_sh_ends_as_listed()
{
	# It flashes any firmware that it finds.
	defer "host rm -f /usr/lib/firmware/opi-test"
	host_sh 'mkdir -p /usr/lib/firmware && echo firmware >/usr/lib/firmware/opi-test'
	# What does not fit into the simulated card is refused.
	expect_log host 'Failed to register fib notifier'
	referee host devlink.sh drivers/net/netdevsim/devlink.sh
}

devlink_in_netns_sh_ends_as_listed() { referee host devlink_in_netns.sh drivers/net/netdevsim/devlink_in_netns.sh; }

run_cases "$@"
