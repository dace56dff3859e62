#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 400
# soak: a_file_arrives_unchanged_both_ways ping_flood_loses_nothing down_and_up_many_times
# debug: many_connections_at_once promiscuous_mode_and_multicast_work down_and_up_many_times
# order: 30
#
# The netdevs carry traffic: between host and DPU, and through a bridge on the
# DPU to the uplink's far end, in all sizes, unchanged, and counted.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"

CASES="
	host_and_dpu_reach_each_other
	host_reaches_the_far_end_of_the_uplink
	pings_of_all_sizes
	large_mtu_carries_large_frames
	mtu_out_of_range_is_refused
	frames_above_the_receivers_mtu_are_dropped_and_counted
	a_file_arrives_unchanged_both_ways
	a_file_comes_back_from_the_far_end
	many_connections_at_once
	udp_flood_does_no_harm
	ping_flood_loses_nothing
	vlan_tags_pass
	double_vlan_tags_pass
	statistics_of_both_sides_agree
	ethtool_says_who_it_is
	host_changes_its_address
	no_valid_address_is_refused
	promiscuous_mode_and_multicast_work
	down_and_up_many_times
"

before_case() { net_up; }

host_and_dpu_reach_each_other()
{
	ping_works host "$DPU_IP"
	ping_works dpu "$HOST_IP"
	ping_works host "$DPU_IP6"
	ping_works dpu "$HOST_IP6"
	ping_fails host 10.77.0.99
}

host_reaches_the_far_end_of_the_uplink()
{
	ping_works dpu "$FAR_IP"
	ping_works host "$FAR_IP"
	# Without the bridge there is no way.
	dpu ip link set "$P0" nomaster </dev/null
	ping_fails host "$FAR_IP"
	dpu ip link set "$P0" master br0 </dev/null
	ping_works host "$FAR_IP"
}

# ping compares the bytes that come back, and says so if they differ.
pings()
{
	local out

	out=$(on_sh "$1" 'for s in $2; do ping -c 1 -W 5 -s $s $1 || exit 1; done' "$2" "$3")
	expect_match "answers" "$out" 'bytes from'
	[[ $out != *'wrong data byte'* ]] || fail "$out"
}

pings_of_all_sizes()
{
	local sizes="0 1 2 3 7 13 17 18 19 46 100 255 256 257 511 513 1000 1471 1472 1473 1480 2000 4095 4096 4097 9000 16000 32000 65507"

	pings host "$DPU_IP" "$sizes"
	pings dpu "$HOST_IP" "$sizes"
	pings host "$DPU_IP6" "0 1 100 1452 1453 8000"
	# A frame of full size is not fragmented, a larger one must be.
	host ping -q -c 1 -W 5 -M 'do' -s 1472 "$DPU_IP" </dev/null >/dev/null
	refused 'too long' host ping -c 1 -W 5 -M 'do' -s 1473 "$DPU_IP"
}

set_mtus()
{
	host ip link set "$HIF" mtu "$1" </dev/null
	dpu_sh 'ip link set $1 mtu $2 && ip link set br0 mtu $2' "$REP" "$1"
}

large_mtu_carries_large_frames()
{
	local mtu

	for mtu in 9000 9216 2000 1280 576; do
		set_mtus "$mtu"
		host ping -q -c 2 -i 0.2 -W 5 -M 'do' -s $((mtu - 28)) "$DPU_IP" </dev/null
		dpu ping -q -c 2 -i 0.2 -W 5 -M 'do' -s $((mtu - 28)) "$HOST_IP" </dev/null
	done
}

mtu_out_of_range_is_refused()
{
	local vm_if mtu

	for vm_if in "host $HIF" "dpu $REP" "dpu $P0"; do
		for mtu in 0 67 9217 65535; do
			refused 'mtu|Invalid' on "${vm_if% *}" ip link set "${vm_if#* }" mtu "$mtu"
		done
		on "${vm_if% *}" ip link set "${vm_if#* }" mtu 68 </dev/null
		on "${vm_if% *}" ip link set "${vm_if#* }" mtu 9216 </dev/null
	done
}

frames_above_the_receivers_mtu_are_dropped_and_counted()
{
	local before

	host ip link set "$HIF" mtu 1000 </dev/null
	before=$(estat host "$HIF" port_rx_oversize)
	dpu_sh '! ping -q -c 3 -i 0.2 -W 1 -s 1400 $1' "$HOST_IP"
	expect_range "oversize" $(($(estat host "$HIF" port_rx_oversize) - before)) 3 6
	ping_works dpu "$HOST_IP"
}

# transfer FROM TO IP MIB: a random file by TCP; what arrives is what was sent.
transfer()
{
	local from=$1 to=$2 ip=$3 mib=$4 want got family=-4

	case $ip in *:*) family=-6 ;; esac
	bg receiver "$to" timeout "$(secs 120)" nc "$family" -l -p 5001
	await "$to" 10 'ss -ltn | grep -q :5001'
	want=$(on_sh "$from" 'head -c $(($1 * 1048576)) /dev/urandom >/tmp/transfer
		sha256sum </tmp/transfer && timeout $3 nc -N $2 5001 </tmp/transfer && rm /tmp/transfer' \
		"$mib" "$ip" "$(secs 120)")
	bg_wait receiver
	got=$(sha256sum <"$CASE_DIR/receiver")
	expect_eq "what arrived" "$got" "$want"
}

a_file_arrives_unchanged_both_ways()
{
	transfer host dpu "$DPU_IP" "$(times 8)"
	transfer dpu host "$HOST_IP" "$(times 8)"
	transfer host dpu "$DPU_IP6" 1
}

a_file_comes_back_from_the_far_end()
{
	host_sh 'head -c 4194304 /dev/urandom >/tmp/echo
		timeout $3 nc -N $1 $2 </tmp/echo | cmp - /tmp/echo && rm /tmp/echo' "$ECHO_IP" "$ECHO_PORT" "$(secs 60)"
}

many_connections_at_once()
{
	bg server dpu iperf3 -s -1 -p 5002
	await dpu 10 'ss -ltn | grep -q :5002'
	host iperf3 -J -c "$DPU_IP" -p 5002 -P 8 -t 3 </dev/null >"$CASE_DIR/json"
	[ "$(jq '.end.sum_received.bytes' "$CASE_DIR/json")" -gt 1000000 ]
	bg_wait server
	bg server dpu iperf3 -s -1 -p 5002
	await dpu 10 'ss -ltn | grep -q :5002'
	host iperf3 -J -c "$DPU_IP" -p 5002 -P 8 -t 3 --bidir </dev/null >"$CASE_DIR/json"
	[ "$(jq '.end.sum_received.bytes' "$CASE_DIR/json")" -gt 500000 ]
	[ "$(jq '.end.sum_received_bidir_reverse.bytes' "$CASE_DIR/json")" -gt 500000 ]
	ping_works host "$DPU_IP"
}

udp_flood_does_no_harm()
{
	local from to ip dev sent

	for from in host dpu; do
		to=dpu ip=$DPU_IP dev=$HIF
		[ "$from" = host ] || to=host ip=$HOST_IP dev=$REP
		# To somebody who does not say that it is too much, or that nobody is there.
		bg "sink_$to" "$to" sh -c 'exec nc -u -l 9 >/dev/null'
		await "$to" 10 'ss -Hlun "sport = :9" | grep -q .'
		sent=$(netdev_stat "$from" "$dev" tx_packets)
		on_sh "$from" 'timeout 3 sh -c "while :; do head -c 6000000 /dev/zero; done | nc -u -q 0 $1 9" || [ $? = 124 ] || :' "$ip"
		bg_stop "sink_$to"
		expect_range "datagrams" $(($(netdev_stat "$from" "$dev" tx_packets) - sent)) 500 1000000000
		ping_works "$from" "$ip"
	done
	expect_eq "errors of the host" "$(netdev_stat host "$HIF" rx_errors)" 0
	expect_eq "errors of the DPU" "$(netdev_stat dpu "$REP" rx_errors)" 0
}

ping_flood_loses_nothing()
{
	local out n

	n=$(times 2000)
	for out in "$(host ping -q -f -c "$n" "$DPU_IP" </dev/null)" "$(dpu ping -q -f -c "$n" "$HOST_IP" </dev/null)"; do
		expect_match "ping" "$out" "$n packets transmitted, $n received"
	done
}

vlan_tags_pass()
{
	defer "host ip link del v42; dpu ip link del v42"
	host_sh 'ip link add link $1 name v42 type vlan id 42 && ip addr add 10.78.0.10/24 dev v42 && ip link set v42 up' "$HIF"
	dpu_sh 'ip link add link br0 name v42 type vlan id 42 && ip addr add 10.78.0.20/24 dev v42 && ip link set v42 up'
	await_ping host 10 "10.78.0.20"
	# With the tag the frame is longer than the MTU says.
	host ping -q -c 2 -i 0.2 -W 5 -M 'do' -s 1472 10.78.0.20 </dev/null
	dpu ping -q -c 2 -i 0.2 -W 5 -M 'do' -s 1472 10.78.0.10 </dev/null
	# Another tag is another network.
	dpu_sh 'ip link set v42 down && ip link add link br0 name v43 type vlan id 43 && ip addr add 10.78.0.21/24 dev v43 && ip link set v43 up'
	defer "dpu ip link del v43"
	ping_fails host 10.78.0.21
}

double_vlan_tags_pass()
{
	defer "host ip link del s7; dpu ip link del s7"
	host_sh 'ip link add link $1 name s7 type vlan proto 802.1ad id 7 && ip link set s7 up &&
		ip link add link s7 name s7.8 type vlan id 8 && ip addr add 10.79.0.10/24 dev s7.8 && ip link set s7.8 up' "$HIF"
	dpu_sh 'ip link add link br0 name s7 type vlan proto 802.1ad id 7 && ip link set s7 up &&
		ip link add link s7 name s7.8 type vlan id 8 && ip addr add 10.79.0.20/24 dev s7.8 && ip link set s7.8 up'
	await_ping host 10 "10.79.0.20"
	host ping -q -c 2 -i 0.2 -W 5 -M 'do' -s 1472 10.79.0.20 </dev/null
	dpu ping -q -c 2 -i 0.2 -W 5 -M 'do' -s 1472 10.79.0.10 </dev/null
}

# The same frames in the netdevs' and in the card's counters of both ends.
statistics_of_both_sides_agree()
{
	local a b

	# shellcheck disable=SC2317 # settled calls it
	snapshot()
	{
		echo "$(netdev_stat host "$HIF" tx_packets tx_bytes rx_packets rx_bytes)" \
			"$(netdev_stat dpu "$REP" rx_packets rx_bytes tx_packets tx_bytes)" \
			"$(estat host "$HIF" port_tx_frames port_tx_bytes port_rx_frames port_rx_bytes)" \
			"$(estat dpu "$REP" port_rx_frames port_rx_bytes port_tx_frames port_tx_bytes)"
	}
	# A kernel may send a frame of its own while the counters are read one by
	# one: two readings that are equal are of one moment.
	net_quiet
	# What the host's filter drops has been sent and is not received.
	defer "host ip link set $HIF allmulticast off"
	host ip link set "$HIF" allmulticast on </dev/null
	read -ra a <<<"$(settled snapshot)"
	host ping -q -c 50 -i 0.01 -s 1000 "$DPU_IP" </dev/null >/dev/null
	read -ra b <<<"$(settled snapshot)"
	d() { echo $((b[$1] - a[$1])); }
	expect_range "frames that the host sent" "$(d 0)" 50 60
	expect_eq "sent by the host, received by the DPU: frames" "$(d 4)" "$(d 0)"
	expect_eq "sent by the host, received by the DPU: bytes" "$(d 5)" "$(d 1)"
	expect_eq "sent by the DPU, received by the host: frames" "$(d 2)" "$(d 6)"
	expect_eq "sent by the DPU, received by the host: bytes" "$(d 3)" "$(d 7)"
	expect_eq "the card's view of what the host sent" "$(d 8) $(d 9)" "$(d 12) $(d 13)"
	expect_eq "the card's view of what the host received" "$(d 10) $(d 11)" "$(d 14) $(d 15)"
	expect_eq "card and netdev" "$(d 8)" "$(d 0)"
	expect_eq "card and netdev" "$(d 10)" "$(d 2)"
}

ethtool_says_who_it_is()
{
	local vm_if info

	for vm_if in "host $HIF" "dpu $REP" "dpu $P0"; do
		info=$(on "${vm_if% *}" ethtool -i "${vm_if#* }" </dev/null)
		expect_match "driver" "$info" 'driver: opi_core'
		expect_match "bus" "$info" "bus-info: $(pci_of "${vm_if% *}")"
		expect_match "firmware" "$info" 'firmware-version: [0-9]'
		on "${vm_if% *}" ethtool -g "${vm_if#* }" </dev/null | grep -q '^RX:.*[0-9]'
		on "${vm_if% *}" ethtool "${vm_if#* }" </dev/null | grep -q 'Link detected: yes'
		[ "$(on "${vm_if% *}" ethtool -S "${vm_if#* }" </dev/null | wc -l)" -gt 10 ]
		refused 'not supported|Invalid' on "${vm_if% *}" ethtool -G "${vm_if#* }" rx 3
	done
}

# The functions of the test bed are trusted with their address.
host_changes_its_address()
{
	local old new=02:00:00:00:bb:01

	old=$(host cat "/sys/class/net/$HIF/address" </dev/null)
	defer "host ip link set $HIF address $old"
	host ip link set "$HIF" address "$new" </dev/null
	expect_eq "as the DPU sees it" \
		"$(dpu devlink -j port show "pci/$(pci_of dpu)/1" </dev/null | jq -r '.port[].function.hw_addr')" "$new"
	await_ping host 10 "$DPU_IP"
	expect_eq "neighbour" "$(dpu ip -j neigh show "$HOST_IP" </dev/null | jq -r '.[0].lladdr')" "$new"
	# Kept over a reset of the function.
	host_sh 'echo 1 >/sys/bus/pci/devices/$1/reset' "$(pci_of host)"
	expect_eq "after a reset" "$(host cat "/sys/class/net/$HIF/address" </dev/null)" "$new"
	await_ping host 10 "$DPU_IP"
}

no_valid_address_is_refused()
{
	local addr

	for addr in 00:00:00:00:00:00 01:00:00:00:00:01 ff:ff:ff:ff:ff:ff; do
		refused 'assign|Invalid' host ip link set "$HIF" address "$addr"
		refused 'assign|Invalid' dpu ip link set "$P0" address "$addr"
	done
}

promiscuous_mode_and_multicast_work()
{
	# To an address that is not the host's: seen by who asks for everything.
	bg sniff host timeout "$(secs 20)" tcpdump -n -c 1 -i "$HIF" ether dst 02:99:99:99:99:99
	wait_for 10 grep -q 'listening on' "$CASE_DIR/sniff.err"
	# The filter is set a little later than tcpdump says so.
	wait_for 10 dpu_shows_and_host_sees
	bg_wait sniff
	# Not its own answers.
	host ping -q -c 2 -i 0.2 -W 5 -L -I "$HIF" ff02::1 </dev/null
	ping_works host "$DPU_IP"
}

dpu_shows_and_host_sees()
{
	dpu "$GUEST/frames" send "$REP" -d 02:99:99:99:99:99 -n 3 </dev/null
	! host pgrep tcpdump </dev/null
}

down_and_up_many_times()
{
	local n

	n=$(times 20)
	bg sender dpu ping -q -i 0.01 "$HOST_IP"
	host_sh 'i=0; while [ $i -lt $2 ]; do ip link set $1 down && ip link set $1 up || exit 1; i=$((i + 1)); done' "$HIF" "$n"
	bg_stop sender
	dpu_sh 'i=0; while [ $i -lt $2 ]; do ip link set $1 down && ip link set $1 up || exit 1; i=$((i + 1)); done' "$REP" "$n"
	net_up
	ping_works host "$DPU_IP"
}

run_cases "$@"
