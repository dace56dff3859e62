#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 400
# soak: both_suspend_many_times
# debug: the_host_suspends_its_devices_and_comes_back
# order: 46
#
# The devices of either machine are suspended and resumed: traffic comes back,
# and with it all that was set.  That is the kernel's own test of it; a whole sleep
# is not tried, since the emulated machines do not wake by their clock.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/data.sh"

CASES="
	the_host_suspends_its_devices_and_comes_back
	the_dpu_suspends_its_devices_and_comes_back
	settings_survive_sleep
	both_suspend_many_times
"

before_case() { net_up; }

# devices VM: the kernel's own test: devices sleep for a second and wake.
devices()
{
	on_sh "$1" 'echo 1 >/sys/module/suspend/parameters/pm_test_delay && echo devices >/sys/power/pm_test && echo freeze >/sys/power/state; rc=$?
		echo none >/sys/power/pm_test; exit $rc'
}

comes_back()
{
	await_ping host 30 "$DPU_IP"
	ping_works dpu "$HOST_IP"
	stream host dpu "$DPU_IP" 1000000
	stream dpu host "$HOST_IP" 1000000
	expect_eq "state of the host's driver" "$(dpu_field host .dev_state)" ready
	expect_eq "state of the DPU's driver" "$(dpu_field dpu .dev_state)" ready
}

the_host_suspends_its_devices_and_comes_back()
{
	devices host
	comes_back
}

the_dpu_suspends_its_devices_and_comes_back()
{
	devices dpu
	comes_back
}

settings_survive_sleep()
{
	local chan

	chan=$(host ethtool -l "$HIF" </dev/null | awk '/^Current/ { c = 1 } c && /^Combined/ { print $2 }')
	defer "host_sh 'ethtool -L \$1 combined $chan; ethtool -K \$1 rx-gro-hw on; ethtool -C \$1 rx-usecs 0 rx-frames 1; ethtool -G \$1 rx 1024' $HIF"
	host_sh 'ethtool -L $1 combined 3 && ethtool -K $1 rx-gro-hw off && ethtool -C $1 rx-usecs 100 rx-frames 8 &&
		ethtool -G $1 rx 2048 && ip link set $1 mtu 2000' "$HIF"
	devices host
	comes_back
	expect_match "channels" "$(host ethtool -l "$HIF" </dev/null)" 'Combined:[[:space:]]+3'
	expect_match "rings" "$(host ethtool -g "$HIF" </dev/null)" 'RX:[[:space:]]+2048'
	expect_match "coalescing" "$(host ethtool -c "$HIF" </dev/null)" 'rx-usecs:[[:space:]]+100'
	expect_eq "offload" "$(feature host "$HIF" rx-gro-hw)" off
	expect_eq "MTU" "$(host cat "/sys/class/net/$HIF/mtu" </dev/null)" 2000
}

both_suspend_many_times()
{
	local i

	for ((i = 0; i < $(times 2); i++)); do
		devices host
		devices dpu
	done
	comes_back
}

run_cases "$@"
