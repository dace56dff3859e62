#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 400
# soak: many_changes_end_in_the_last_one
# debug: more_addresses_than_the_card_has_room_for the_filter_is_kept_over_a_reset
# order: 34
#
# The host receives what is for it and what it has asked for; the card keeps the
# rest away and counts it.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/rxfilter.sh"

CASES="
	frames_for_others_are_kept_away
	promiscuous_mode_lets_all_through
	further_addresses_are_received
	multicast_is_received_when_asked_for
	all_multicast_is_received_when_asked_for
	more_addresses_than_the_card_has_room_for
	vlans_are_filtered
	the_filter_is_kept_over_a_reset
	the_filter_is_kept_over_a_reload_of_the_dpu
	many_changes_end_in_the_last_one
"

before_case() { net_up; net_quiet; }

frames_for_others_are_kept_away()
{
	filtered "$OTHER"
	filtered "$GROUP"
	passes ff:ff:ff:ff:ff:ff
	passes "$(host cat "/sys/class/net/$HIF/address" </dev/null)"
}

promiscuous_mode_lets_all_through()
{
	defer "host ip link set $HIF promisc off"
	host ip link set "$HIF" promisc on </dev/null
	wait_for 5 passes "$OTHER"
	passes "$GROUP"
	passes -v 99 "$OTHER"
	host ip link set "$HIF" promisc off </dev/null
	wait_for 5 filtered "$OTHER"
}

further_addresses_are_received()
{
	defer "host ip link del mv0"
	host ip link add link "$HIF" name mv0 address 02:77:00:00:00:01 type macvlan mode bridge </dev/null
	host ip link set mv0 up </dev/null
	wait_for 5 passes 02:77:00:00:00:01
	filtered "$OTHER"
	host ip link set mv0 down </dev/null
	wait_for 5 filtered 02:77:00:00:00:01
}

multicast_is_received_when_asked_for()
{
	filtered "$GROUP"
	defer "host ip maddress del $GROUP dev $HIF 2>/dev/null || :"
	host ip maddress add "$GROUP" dev "$HIF" </dev/null
	wait_for 5 passes "$GROUP"
	filtered 01:00:5e:01:02:04
	host ip maddress del "$GROUP" dev "$HIF" </dev/null
	wait_for 5 filtered "$GROUP"
}

all_multicast_is_received_when_asked_for()
{
	defer "host ip link set $HIF allmulticast off"
	host ip link set "$HIF" allmulticast on </dev/null
	wait_for 5 passes "$GROUP"
	filtered "$OTHER"
	host ip link set "$HIF" allmulticast off </dev/null
	wait_for 5 filtered "$GROUP"
}

more_addresses_than_the_card_has_room_for()
{
	defer "host_sh 'for i in \$(seq 0 199); do ip maddress del 01:00:5e:00:77:\$(printf %02x \$i) dev \$1; done' $HIF"
	host_sh 'for i in $(seq 0 199); do ip maddress add 01:00:5e:00:77:$(printf %02x $i) dev $1 || exit 1; done' "$HIF"
	wait_for 5 passes 01:00:5e:00:77:00
	passes 01:00:5e:00:77:c7
	# All multicast, not everything.
	filtered "$OTHER"
}

vlans_are_filtered()
{
	local mac

	mac=$(host cat "/sys/class/net/$HIF/address" </dev/null)
	filtered -v 55 "$mac"
	defer "host ip link del v55"
	host ip link add link "$HIF" name v55 type vlan id 55 </dev/null
	host ip link set v55 up </dev/null
	passes -v 55 "$mac"
	filtered -v 56 "$mac"
	# Without the filter all pass, and with it again only these.
	defer "host ethtool -K $HIF rx-vlan-filter on"
	host ethtool -K "$HIF" rx-vlan-filter off </dev/null
	passes -v 56 "$mac"
	passes -v 4094 "$mac"
	host ethtool -K "$HIF" rx-vlan-filter on </dev/null
	passes -v 55 "$mac"
	filtered -v 56 "$mac"
	host ip link del v55 </dev/null
	filtered -v 55 "$mac"
}

# check_filter: what the two next cases set.
set_filter()
{
	defer "host ip maddress del $GROUP dev $HIF; host ip link del v55"
	host ip maddress add "$GROUP" dev "$HIF" </dev/null
	host_sh 'ip link add link $1 name v55 type vlan id 55 && ip link set v55 up' "$HIF"
	check_filter
}

check_filter()
{
	local mac

	mac=$(host cat "/sys/class/net/$HIF/address" </dev/null)
	wait_for 10 passes "$GROUP"
	passes -v 55 "$mac"
	filtered -v 56 "$mac"
	filtered "$OTHER"
}

the_filter_is_kept_over_a_reset()
{
	set_filter
	host_sh 'echo 1 >/sys/bus/pci/devices/$1/reset' "$(pci_of host)"
	await host 20 "[ \$(cat /sys/class/net/$HIF/carrier) = 1 ]"
	check_filter
}

the_filter_is_kept_over_a_reload_of_the_dpu()
{
	set_filter
	dpu_sh 'modprobe -r opi_core && modprobe opi_core && sysctl -qw net.ipv6.conf.br0.disable_ipv6=0'
	dpu_net_up
	await host 20 "[ \$(cat /sys/class/net/$HIF/carrier) = 1 ]"
	check_filter
}

many_changes_end_in_the_last_one()
{
	defer "host ip link set $HIF promisc off"
	host_sh 'i=0
		while [ $i -lt $2 ]; do
			printf "link set %s promisc on\nlink set %s promisc off\n" "$1" "$1"
			i=$((i + 1))
		done | ip -batch -' "$HIF" "$(times 200)"
	wait_for 5 filtered "$OTHER"
	ping_works host "$DPU_IP"
}

run_cases "$@"
