#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 400
# soak: the_dpu_reloads_while_the_host_sends the_host_reloads_while_the_dpu_sends
# soak: both_reload_at_once the_host_function_is_reset_while_both_send
# soak: the_dpu_function_is_reset_while_both_send
# soak: the_host_unbinds_and_binds_while_the_dpu_sends
# soak: the_host_function_is_removed_and_found_again
# debug: both_reload_at_once the_host_function_is_reset_while_both_send
# debug: the_host_function_is_removed_and_found_again the_driver_goes_while_its_netdev_is_in_use
# order: 40
#
# The driver goes and comes on either side while the other sends, functions are
# reset and removed under traffic: all comes back, and the side to which nothing
# was done needs nothing done.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"

CASES="
	the_dpu_reloads_while_the_host_sends
	the_host_reloads_while_the_dpu_sends
	both_reload_at_once
	the_host_function_is_reset_while_both_send
	the_dpu_function_is_reset_while_both_send
	the_host_unbinds_and_binds_while_the_dpu_sends
	the_host_function_is_removed_and_found_again
	the_driver_goes_while_its_netdev_is_in_use
	the_host_sees_peer_and_carrier_follow_the_dpus_driver
	the_dpu_sees_peer_and_carrier_follow_the_hosts_driver
	settings_of_the_host_survive_a_reload_of_the_dpu
"

before_case() { net_up; }

# flood FROM IF: frames to nobody, as fast as they go, until the case ends.
flood()
{
	bg "flood_$1" "$1" sh -c \
		'while :; do '"$GUEST"'/frames send $0 -n 1000 -l 60,1514 2>/dev/null || sleep 0.1; done' "$2"
}

reload() { on_sh "$1" 'modprobe -r opi_core && modprobe opi_core'; }

# The DPU's network is set up again after its driver was; the host's is not.
host_is_served_again()
{
	dpu_net_up
	await_ping host 20 "$DPU_IP"
	ping_works host "$FAR_IP"
}

the_dpu_reloads_while_the_host_sends()
{
	local i

	flood host "$HIF"
	for ((i = 0; i < $(times 4); i++)); do
		reload dpu
		host_is_served_again
	done
}

the_host_reloads_while_the_dpu_sends()
{
	local i

	flood dpu "$REP"
	for ((i = 0; i < $(times 4); i++)); do
		reload host
		host_net_up
		await_ping dpu 20 "$HOST_IP"
	done
}

both_reload_at_once()
{
	local i pid

	for ((i = 0; i < $(times 3); i++)); do
		reload dpu &
		pid=$!
		reload host
		wait "$pid"
		net_up
	done
	ping_works host "$FAR_IP"
}

pci_reset() { on_sh "$1" 'echo 1 >/sys/bus/pci/devices/$1/reset' "$(pci_of "$1")"; }

reset_function()
{
	local i starts

	expect_match "reset method" "$(on_sh "$1" 'cat /sys/bus/pci/devices/$1/reset_method' "$(pci_of "$1")")" flr
	flood host "$HIF"
	flood dpu "$REP"
	for ((i = 0; i < $(times 5); i++)); do
		starts=$(aq_field "$1" starts)
		pci_reset "$1"
		expect_eq "starts" "$(aq_field "$1" starts)" $((starts + 1))
		# Nothing was set up anew on any side.
		await_ping host 20 "$DPU_IP"
		ping_works dpu "$HOST_IP"
	done
	expect_eq "state of the host's driver" "$(dpu_field host .dev_state)" ready
	expect_eq "state of the DPU's driver" "$(dpu_field dpu .dev_state)" ready
}

the_host_function_is_reset_while_both_send() { reset_function host; }
the_dpu_function_is_reset_while_both_send() { reset_function dpu; }

the_host_unbinds_and_binds_while_the_dpu_sends()
{
	local i dev

	dev=$(pci_of host)
	flood dpu "$REP"
	for ((i = 0; i < $(times 4); i++)); do
		host_sh 'echo $1 >/sys/bus/pci/drivers/opi_core/unbind && sleep 0.2 && echo $1 >/sys/bus/pci/drivers/opi_core/bind' "$dev"
		host_net_up
		await_ping host 20 "$DPU_IP"
	done
}

the_host_function_is_removed_and_found_again()
{
	local i dev

	dev=$(pci_of host)
	flood dpu "$REP"
	for ((i = 0; i < $(times 3); i++)); do
		host_sh 'echo 1 >/sys/bus/pci/devices/$1/remove && [ ! -e /sys/bus/pci/devices/$1 ] && sleep 0.5 && echo 1 >/sys/bus/pci/rescan' "$dev"
		await host 10 "[ -e /sys/bus/pci/drivers/opi_core/$dev ]"
		host_net_up
		await_ping host 20 "$DPU_IP"
	done
}

# Sockets, a VLAN, a bridge and a tc rule hang on the netdevs.
the_driver_goes_while_its_netdev_is_in_use()
{
	bg server dpu nc -l -p 5006
	await dpu 10 'ss -ltn | grep -q :5006'
	bg client host sh -c 'cat /dev/zero | nc -q 0 '"$DPU_IP"' 5006'
	host_sh 'ip link add link $1 name v9 type vlan id 9 && ip link set v9 up && tc qdisc add dev $1 clsact && tc filter add dev $1 egress matchall action ok' "$HIF"
	dpu_sh 'tc qdisc add dev $1 clsact && tc filter add dev $1 ingress prio 1 protocol ip flower dst_ip 10.99.0.1 action drop' "$REP"
	reload host
	refused 'does not exist' host ip link show v9
	host_net_up
	await_ping host 20 "$DPU_IP"
	reload dpu
	host_is_served_again
}

the_host_sees_peer_and_carrier_follow_the_dpus_driver()
{
	local generation

	generation=$(dpu_field host .generation)
	bg monitor host opitool -j monitor
	wait_for 10 said monitor sync
	dpu modprobe -r opi_core </dev/null
	await_dpu host 5 '.peer == "present" and .boot.os_status == "booting" and .boot.pldm_state == "os-starting"'
	await host 5 "[ \$(cat /sys/class/net/$HIF/carrier) = 0 ]"
	expect_eq "state of the host's driver" "$(dpu_field host .dev_state)" ready
	dpu_net_up
	await_dpu host 5 '.peer == "ready" and .boot.os_status == "booted" and .boot.pldm_state == "os-running"'
	await host 5 "[ \$(cat /sys/class/net/$HIF/carrier) = 1 ]"
	wait_for 5 said monitor '"event":"change".*"peer":"present"'
	wait_for 5 said monitor '"event":"change".*"peer":"ready"'
	# The DPU's computer was not reset.
	expect_eq "generation" "$(dpu_field host .generation)" "$generation"
}

the_dpu_sees_peer_and_carrier_follow_the_hosts_driver()
{
	host modprobe -r opi_core </dev/null
	await_dpu dpu 5 '.peer == "present"'
	await dpu 5 "[ \$(cat /sys/class/net/$REP/carrier) = 0 ]"
	host modprobe opi_core </dev/null
	await_dpu dpu 5 '.peer == "ready"'
	# The port is up when the host takes its netdev up.
	expect_eq "representor's carrier" "$(carrier dpu "$REP")" 0
	host_net_up
	await dpu 5 "[ \$(cat /sys/class/net/$REP/carrier) = 1 ]"
}

settings_of_the_host_survive_a_reload_of_the_dpu()
{
	local mac

	mac=$(host cat "/sys/class/net/$HIF/address" </dev/null)
	host ip link set "$HIF" mtu 4000 </dev/null
	reload dpu
	dpu_net_up
	dpu_sh 'ip link set $1 mtu 4000; ip link set br0 mtu 4000' "$REP"
	await_ping host 20 "$DPU_IP"
	expect_eq "address" "$(host cat "/sys/class/net/$HIF/address" </dev/null)" "$mac"
	expect_eq "MTU" "$(host cat "/sys/class/net/$HIF/mtu" </dev/null)" 4000
	host ping -q -c 2 -i 0.2 -W 5 -M 'do' -s 3972 "$DPU_IP" </dev/null
	dpu ping -q -c 2 -i 0.2 -W 5 -M 'do' -s 3972 "$HOST_IP" </dev/null
}

run_cases "$@"
