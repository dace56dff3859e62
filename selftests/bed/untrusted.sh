#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
# debug: none
#
# A card that does not trust its host's function: it hears what is for it and no more,
# whatever the host asks for, and keeps its address.  It is the card that refuses; the
# driver says so once and lives with that.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/rxfilter.sh"

OPI_BED=untrusted$$

CASES="
	the_bed_comes_up
	its_own_frames_are_received
	promiscuous_mode_is_refused
	a_sniffer_hears_nothing_of_others
	the_refusal_holds_over_a_reset
	too_many_addresses_do_not_widen_the_filter
	the_address_is_the_dpus
	traffic_flows
	both_kernels_are_content
"

trap 'tb down' EXIT

the_bed_comes_up()
{
	OPI_BOOT_TIMEOUT=$(secs 120) tb up --kernel "$OPI_KERNEL" \
		--host-arg -global --host-arg opi-card.trust=off
	net_up
}

quiet() { net_up; net_quiet; }

its_own_frames_are_received()
{
	quiet
	passes ff:ff:ff:ff:ff:ff
	passes "$(host cat "/sys/class/net/$HIF/address" </dev/null)"
	filtered "$OTHER"
	filtered "$GROUP"
}

# refusals: how often the driver has said so.
refusals() { host_sh 'dmesg | grep -c "the card does not trust us: no promiscuous mode" || :'; }

promisc_on()
{
	expect_log host 'opi_core 0000:[0-9a-f:.]+ [a-z0-9]+: the card does not trust us: no promiscuous mode'
	defer "host ip link set $HIF promisc off"
	host ip link set "$HIF" promisc on </dev/null
	# The driver asks for all multicast in its place: then it has been refused.
	wait_for 10 passes "$GROUP"
}

promiscuous_mode_is_refused()
{
	quiet
	promisc_on
	filtered "$OTHER"
	filtered -v 99 "$OTHER"
	expect_eq "refusals told of" "$(refusals)" 1
	host ip link set "$HIF" promisc off </dev/null
	wait_for 10 filtered "$GROUP"
	# Told of once, not each time.
	promisc_on
	filtered "$OTHER"
	expect_eq "refusals told of" "$(refusals)" 1
}

# What a program sees that asks for everything: the second frame, not the first.
a_sniffer_hears_nothing_of_others()
{
	quiet
	defer "host ip link set $HIF promisc off"
	bg sniffer host timeout "$(secs 30)" tcpdump -l -n -e -c 1 -i "$HIF" "ether dst $OTHER or ether dst $GROUP"
	wait_for 20 grep -q 'listening on' "$CASE_DIR/sniffer.err"
	wait_for 10 passes "$GROUP"
	bg_wait sniffer
	expect_match "frame" "$(cat "$CASE_DIR/sniffer")" "> $GROUP"
	bg sniffer host timeout "$(secs 30)" tcpdump -l -n -e -c 1 -i "$HIF" "ether dst $OTHER or ether broadcast"
	wait_for 20 grep -q 'listening on' "$CASE_DIR/sniffer.err"
	wait_for 10 passes "$GROUP"
	filtered "$OTHER"
	passes ff:ff:ff:ff:ff:ff
	bg_wait sniffer
	expect_match "frame" "$(cat "$CASE_DIR/sniffer")" '> ff:ff:ff:ff:ff:ff'
}

the_refusal_holds_over_a_reset()
{
	quiet
	promisc_on
	host_sh 'echo 1 >/sys/bus/pci/devices/$1/reset' "$(pci_of host)"
	await host 20 "[ \$(cat /sys/class/net/$HIF/carrier) = 1 ]"
	wait_for 10 passes "$GROUP"
	filtered "$OTHER"
}

# Of more than it has room for the card would have to let everything through.
too_many_addresses_do_not_widen_the_filter()
{
	quiet
	defer "host_sh 'for i in \$(seq 0 199); do bridge fdb del 02:77:00:00:00:\$(printf %02x \$i) dev \$1 self; done' $HIF"
	host_sh 'for i in $(seq 0 199); do bridge fdb add 02:77:00:00:00:$(printf %02x $i) dev $1 self || exit 1; done' "$HIF"
	wait_for 10 passes 02:77:00:00:00:00
	filtered 02:77:00:00:00:c7
	filtered "$OTHER"
}

the_address_is_the_dpus()
{
	local old

	net_up
	old=$(host cat "/sys/class/net/$HIF/address" </dev/null)
	refused 'not permitted' host ip link set "$HIF" address 02:00:00:00:cc:01
	expect_eq "address" "$(host cat "/sys/class/net/$HIF/address" </dev/null)" "$old"
}

traffic_flows() { net_up; ping_works host "$DPU_IP"; ping_works host "$FAR_IP"; }

both_kernels_are_content() { are_content host dpu; }

run_cases "$@"
