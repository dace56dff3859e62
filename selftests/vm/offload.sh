#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 700
# debug: the_card_cuts_what_the_receiver_does_not_take tags_are_inserted_and_stripped
# debug: offloads_are_kept_over_a_reset
# order: 33
#
# Checksums, segmentation and tags that are left to the card, or to nobody: with
# each offload on and off, both ways, every byte arrives as it was sent.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/data.sh"

CASES="
	the_netdevs_have_the_features
	streams_arrive_with_each_offload_off
	streams_arrive_over_ipv6
	large_frames_are_not_cut_on_their_way
	the_card_cuts_what_the_receiver_does_not_take
	without_tso_the_sender_cuts
	checksums_are_filled_in_for_who_wants_them
	datagrams_arrive_with_and_without_segmentation
	large_frames_leave_by_the_uplink_in_segments
	tags_are_inserted_and_stripped
	a_tag_in_a_tag_arrives
	inner_checksums_of_a_tunnel
	a_tunnel_with_checksums_of_its_own
	a_tunnel_over_ipv6
	dependent_features_go_together
	offloads_are_kept_over_a_reset
"

before_case() { net_up; }

both_ways()
{
	stream host dpu "$DPU_IP" "${1:-3000000}"
	stream dpu host "$HOST_IP" "${1:-3000000}"
}

FEATURES="tx-checksum-ip-generic tx-tcp-segmentation tx-tcp6-segmentation tx-tcp-ecn-segmentation
	tx-udp-segmentation tx-vlan-offload rx-checksumming rx-gro-hw rx-vlan-offload"

# feature_is NAME-OF-WHOM SAID on|off, in what "ethtool -k" has said.
feature_is()
{
	[[ $2 =~ $'\n'[[:space:]]*"${1%% *}: "([a-z]+) ]] || fail "no $1"
	expect_eq "$1" "${BASH_REMATCH[1]}" "$3"
}

the_netdevs_have_the_features()
{
	local f host rep uplink

	host=$(host ethtool -k "$HIF" </dev/null)
	rep=$(dpu ethtool -k "$REP" </dev/null)
	uplink=$(dpu ethtool -k "$P0" </dev/null)
	for f in $FEATURES scatter-gather receive-hashing; do
		feature_is "$f of the host" "$host" on
		feature_is "$f of the representor" "$rep" on
		feature_is "$f of the uplink" "$uplink" on
	done
	# A segment of a tunnel has more headers than a descriptor can say.
	for f in tx-udp_tnl-segmentation tx-udp_tnl-csum-segmentation tx-gre-segmentation tx-gre-csum-segmentation \
		tx-ipxip4-segmentation tx-ipxip6-segmentation tx-gso-partial rx-udp_tunnel-port-offload; do
		feature_is "$f of the host" "$host" off
		feature_is "$f of the representor" "$rep" off
		refused 'Could not change|Operation not supported|cannot|Cannot' host ethtool -K "$HIF" "$f" on
	done
	feature_is "rx-vlan-filter of the host" "$host" on
	feature_is "rx-vlan-filter of the representor" "$rep" off
}

# each_feature_off VM IF IP PEER PEER-IP: one off after the other in VM, and a stream each way.
# Both guests go through the list by themselves, and say what they sent or got.
each_feature_off()
{
	local features="$FEATURES scatter-gather" port=$((DATA_PORT + 1)) here

	# shellcheck disable=SC2086 # words on purpose
	set -- "$@" $features
	DATA_PORT=$((DATA_PORT + 2 * ($# - 5)))
	bg peer "$4" sh -c "$a_stream"'
		ip=$1 port=$2 seed=$3 limit=$4
		shift 4
		for f; do
			a_stream from $port && a_stream to $ip $((port + 1)) || { echo "peer of $f off"; exit 1; }
			port=$((port + 2))
		done' sh "$3" "$port" "$OPI_SEED" "$(secs 120)" "${@:6}"
	here=$(on_sh "$1" "$a_stream"'
		dev=$1 ip=$2 port=$3 seed=$4 limit=$5
		shift 5
		for f; do
			ethtool -K $dev $f off >&2 && a_stream to $ip $port && a_stream from $((port + 1)) &&
				ethtool -K $dev scatter-gather on $f on rx-gro-hw on \
					tx-tcp-segmentation on tx-tcp6-segmentation on tx-udp-segmentation on >&2 ||
				{ echo "$f off"; exit 1; }
			port=$((port + 2))
		done' "$2" "$5" "$port" "$OPI_SEED" "$(secs 120)" "${@:6}") || fail "$1 with $here"
	bg_wait peer || fail "$4: $(tail -n 1 "$CASE_DIR/peer")"
	note "$here"
	expect_eq "streams" "$(wc -l <<<"$here")" $((2 * ($# - 5)))
	expect_eq "what each of $1 and $4 sent and got, with one more of $features off" "$here" "$(cat "$CASE_DIR/peer")"
}

# In a guest, with $seed and $limit: a_stream from PORT, a_stream to IP PORT; says how much it
# was, and its digest.  The other end may be about to listen.
a_stream='
	a_stream()
	{
		if [ $1 = from ]; then
			said=$(timeout $limit '"$GUEST"'/flow tcp-recv $2) || return
			echo "${said#listening?}"
			return
		fi
		tries=$((limit * 10))
		until said=$(timeout $limit '"$GUEST"'/flow tcp-send $2 $3 400000 $seed 2>&1); do
			tries=$((tries - 1))
			case $tries:$said in
			0:*) ;;
			*"connect: Connection refused"*) sleep 0.1; continue ;;
			esac
			echo "$said" >&2
			return 1
		done
		echo "$said"
	}'

streams_arrive_with_each_offload_off()
{
	both_ways
	each_feature_off host "$HIF" "$HOST_IP" dpu "$DPU_IP"
	each_feature_off dpu "$REP" "$DPU_IP" host "$HOST_IP"
	the_netdevs_have_the_features
}

streams_arrive_over_ipv6()
{
	stream host dpu "$DPU_IP6" 3000000
	stream dpu host "$HOST_IP6" 3000000
	feature_set host "$HIF" rx-gro-hw off
	stream dpu host "$HOST_IP6" 1000000
}

large_frames_are_not_cut_on_their_way()
{
	local sent got

	for dir in "host $HIF dpu $REP $DPU_IP" "dpu $REP host $HIF $HOST_IP"; do
		read -r from fif to tif ip <<<"$dir"
		sent=$(qstat "$from" "$fif" tx_gso_packets)
		got=$(qstat "$to" "$tif" rx_gso_packets)
		stream "$from" "$to" "$ip" 8000000
		sent=$(($(qstat "$from" "$fif" tx_gso_packets) - sent))
		got=$(($(qstat "$to" "$tif" rx_gso_packets) - got))
		note "$from: $sent large frames sent, $got received"
		[ "$sent" -gt 50 ]
		[ "$got" -ge "$sent" ]
	done
	# As a packet socket sees them.
	bg sniff dpu timeout 60 tcpdump -nn -c 1 -i "$REP" 'tcp and greater 20000 and src host '"$HOST_IP"
	wait_for 20 grep -q 'listening on' "$CASE_DIR/sniff.err"
	stream host dpu "$DPU_IP" 8000000
	bg_wait sniff
}

the_card_cuts_what_the_receiver_does_not_take()
{
	local sent got frames

	feature_set host "$HIF" rx-gro-hw off
	sent=$(qstat dpu "$REP" tx_gso_packets)
	got=$(qstat host "$HIF" rx_gso_packets)
	frames=$(estat host "$HIF" port_rx_frames)
	stream dpu host "$HOST_IP" 4000000
	[ "$(qstat dpu "$REP" tx_gso_packets)" -gt $((sent + 20)) ]
	expect_eq "large frames" "$(qstat host "$HIF" rx_gso_packets)" "$got"
	[ $(($(estat host "$HIF" port_rx_frames) - frames)) -gt 2500 ]
}

without_tso_the_sender_cuts()
{
	local sent

	feature_set host "$HIF" tx-tcp-segmentation off
	sent=$(qstat host "$HIF" tx_gso_packets)
	stream host dpu "$DPU_IP" 2000000
	expect_eq "large frames" "$(qstat host "$HIF" tx_gso_packets)" "$sent"
}

checksums_are_filled_in_for_who_wants_them()
{
	local partial valid

	feature_set host "$HIF" rx-checksumming off
	partial=$(qstat host "$HIF" rx_csum_partial)
	stream dpu host "$HOST_IP" 2000000
	datagrams dpu host "$HOST_IP" 200 700
	expect_eq "frames without a checksum" "$(qstat host "$HIF" rx_csum_partial)" "$partial"
	host ethtool -K "$HIF" rx-checksumming on rx-gro-hw on </dev/null
	stream dpu host "$HOST_IP" 2000000
	[ "$(qstat host "$HIF" rx_csum_partial)" -gt "$partial" ]
	# Who sends sums that are not to be filled in, is checked by the receiver.
	valid=$(qstat dpu "$REP" rx_csum_partial)
	feature_set host "$HIF" tx-checksum-ip-generic off
	stream host dpu "$DPU_IP" 2000000
	expect_eq "frames without a checksum" "$(qstat dpu "$REP" rx_csum_partial)" "$valid"
}

datagrams_arrive_with_and_without_segmentation()
{
	local size before

	for size in 8 100 1200 1452; do
		datagrams host dpu "$DPU_IP" 300 "$size"
		datagrams dpu host "$HOST_IP6" 300 "$size"
	done
	before=$(qstat host "$HIF" tx_gso_packets)
	datagrams host dpu "$DPU_IP" 800 1400 16
	datagrams host dpu "$DPU_IP6" 801 1200 16
	[ "$(qstat host "$HIF" tx_gso_packets)" -ge $((before + 100)) ]
	# Cut by the card.
	feature_set host "$HIF" rx-gro-hw off
	datagrams dpu host "$HOST_IP" 801 1400 16
	datagrams dpu host "$HOST_IP6" 801 1200 16
	# Cut by the stack.
	feature_set dpu "$REP" tx-udp-segmentation off
	datagrams dpu host "$HOST_IP" 401 1400 16
}

# The wire carries frames of its MTU, whatever the host sends.
large_frames_leave_by_the_uplink_in_segments()
{
	host_sh 'head -c 4194304 /dev/urandom >/tmp/echo
		timeout $3 nc -N $1 $2 </tmp/echo | cmp - /tmp/echo && rm /tmp/echo' "$ECHO_IP" "$ECHO_PORT" "$(secs 60)"
}

# vlan VM LINK NAME ID ADDRESS [PROTO]
vlan()
{
	defer "on $1 ip link del $3"
	on_sh "$1" 'ip link add link $1 name $2 type vlan proto ${5:-802.1Q} id $3 &&
		ip addr add $4/24 dev $2 && ip link set $2 up' "$2" "$3" "$4" "$5" "${6:-802.1Q}"
}

tags_are_inserted_and_stripped()
{
	local f

	vlan host "$HIF" v42 42 10.78.0.10
	vlan dpu br0 v42 42 10.78.0.20
	await_ping host 10 "10.78.0.20"
	for f in '' tx-vlan-offload rx-vlan-offload; do
		if [ -n "$f" ]; then
			feature_set host "$HIF" "$f" off
			feature_set dpu "$REP" "$f" off
		fi
		stream host dpu 10.78.0.20 3000000
		stream dpu host 10.78.0.10 3000000
		datagrams host dpu 10.78.0.20 400 1300 10
	done
	# The priority travels in the tag.
	host_sh 'ip link set v42 type vlan egress 0:5'
	bg sniff dpu timeout "$(secs 20)" tcpdump -nne -c 1 -i "$REP" 'vlan 42 and icmp and src host 10.78.0.10'
	wait_for 20 grep -q 'listening on' "$CASE_DIR/sniff.err"
	host ping -q -c 2 -W 10 10.78.0.20 </dev/null
	bg_wait sniff
	expect_match "tag" "$(cat "$CASE_DIR/sniff")" 'vlan 42, p 5'
}

a_tag_in_a_tag_arrives()
{
	local outer n=0

	for outer in 802.1Q 802.1ad; do
		n=$((n + 1))
		vlan host "$HIF" "o$n" 7 "10.80.$n.10" "$outer"
		vlan host "o$n" "i$n" 8 "10.79.$n.10"
		vlan dpu br0 "o$n" 7 "10.80.$n.20" "$outer"
		vlan dpu "o$n" "i$n" 8 "10.79.$n.20"
		await_ping host 10 "10.79.$n.20"
		stream host dpu "10.79.$n.20" 2000000
		stream dpu host "10.79.$n.10" 2000000
		datagrams dpu host "10.79.$n.10" 200 1300 10
	done
}

# tunnel_end VM DEV LOCAL REMOTE NUMBER OPTION...
tunnel_end()
{
	defer "on $1 ip link del vx"
	on_sh "$1" 'd=$1 l=$2 r=$3 n=$4; shift 4
		ip link add vx type vxlan id 77 dstport 4789 local $l remote $r dev $d "$@" && ip link set vx up &&
		ip addr add 10.81.0.$n/24 dev vx && ip addr add fd81::$n/64 dev vx nodad' "${@:2}"
}

# tunnel OPTION... between the two, over IPv4 or IPv6 (TUNNEL_OVER=6).
tunnel()
{
	if [ "${TUNNEL_OVER:-4}" = 6 ]; then
		tunnel_end host "$HIF" "$HOST_IP6" "$DPU_IP6" 10 "$@"
		tunnel_end dpu br0 "$DPU_IP6" "$HOST_IP6" 20 "$@"
	else
		tunnel_end host "$HIF" "$HOST_IP" "$DPU_IP" 10 "$@"
		tunnel_end dpu br0 "$DPU_IP" "$HOST_IP" 20 "$@"
	fi
	await_ping host 10 "10.81.0.20"
}

# The stack cuts what goes through a tunnel; the card never gets it whole.
tunnel_carries()
{
	local large

	large="$(qstat host "$HIF" tx_gso_packets) $(qstat dpu "$REP" tx_gso_packets)"
	stream host dpu 10.81.0.20 2000000
	stream dpu host 10.81.0.10 2000000
	stream host dpu fd81::20 1000000
	stream dpu host fd81::10 1000000
	datagrams host dpu 10.81.0.20 300 1200
	# As one large frame each sixteen, and cut by the stack.
	datagrams host dpu 10.81.0.20 400 1200 16
	datagrams dpu host fd81::10 400 1200 16
	feature_set host "$HIF" rx-checksumming off
	stream dpu host 10.81.0.10 1000000
	expect_eq "large frames" "$(qstat host "$HIF" tx_gso_packets) $(qstat dpu "$REP" tx_gso_packets)" "$large"
}

inner_checksums_of_a_tunnel()
{
	local before

	tunnel noudpcsum
	before=$(qstat host "$HIF" tx_csum)
	stream host dpu 10.81.0.20 2000000
	# One for each segment: the inner one.
	[ "$(qstat host "$HIF" tx_csum)" -gt $((before + 1000)) ]
	tunnel_carries
}

a_tunnel_with_checksums_of_its_own()
{
	tunnel udpcsum
	tunnel_carries
}

a_tunnel_over_ipv6()
{
	TUNNEL_OVER=6
	tunnel udp6zerocsumrx
	tunnel_carries
}

dependent_features_go_together()
{
	feature_set host "$HIF" rx-checksumming off
	expect_eq "without checksums" "$(feature host "$HIF" rx-gro-hw)" off
	defer "host ethtool -K $HIF rx-gro-hw on"
	host ethtool -K "$HIF" rx-checksumming on </dev/null
	feature_set host "$HIF" tx-checksum-ip-generic off
	expect_eq "without checksums" "$(feature host "$HIF" tx-tcp-segmentation)" off
	expect_eq "without checksums" "$(feature host "$HIF" tx-udp-segmentation)" off
}

offloads_are_kept_over_a_reset()
{
	local got

	feature_set host "$HIF" rx-gro-hw off
	feature_set host "$HIF" tx-tcp-segmentation off
	host_sh 'echo 1 >/sys/bus/pci/devices/$1/reset' "$(pci_of host)"
	await_ping host 20 "$DPU_IP"
	expect_eq "after a reset" "$(feature host "$HIF" rx-gro-hw)" off
	expect_eq "after a reset" "$(feature host "$HIF" tx-tcp-segmentation)" off
	got=$(qstat host "$HIF" rx_gso_packets)
	both_ways 2000000
	expect_eq "large frames" "$(qstat host "$HIF" rx_gso_packets)" "$got"
}

run_cases "$@"
