#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 600
# soak: channels_change_under_traffic
# debug: rings_change_under_traffic queues_and_rings_are_kept_over_a_reset
# debug: adaptive_coalescing_works_under_traffic a_worker_polls_under_a_flood
# order: 35
#
# Queue pairs: how many, how large, which of them gets a frame and how long its
# completion waits; all of it changed while data flows, and none of it refused
# without a reason.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/data.sh"

CASES="
	there_are_as_many_queues_as_processors
	channels_change_on_both_sides
	channels_change_under_traffic
	rings_change_under_traffic
	wrong_numbers_and_sizes_are_refused
	representors_refuse_what_is_shared
	queues_and_rings_are_kept_over_a_reset
	settings_made_while_down_count
	flows_are_spread_over_queues
	the_table_decides
	the_key_can_be_set
	what_is_hashed_can_be_set
	rss_is_kept_over_a_reset
	more_queues_than_the_table_has_are_refused
	notifications_are_held_back
	adaptive_coalescing_works_under_traffic
	wrong_coalescing_is_refused
	each_queue_has_its_interrupt
	a_worker_polls_under_a_flood
	the_kernel_shows_queues_and_their_counters
"

before_case() { net_up; }

# channels VM IF: how many; most VM IF: how many there can be.
channels() { on "$1" ethtool -l "$2" </dev/null | awk '/^Current/ { c = 1 } c && /^Combined/ { print $2 }'; }
most() { on "$1" ethtool -l "$2" </dev/null | awk '/^Current/ { exit } /^Combined/ { print $2 }'; }
ring() { on "$1" ethtool -g "$2" </dev/null | awk -v n="$3:" '/^Current/ { c = 1 } c && $1 == n { print $2 }'; }

set_channels()
{
	on "$1" ethtool -L "$2" combined "$3" </dev/null
	expect_eq "channels of $2" "$(channels "$1" "$2")" "$3"
	expect_eq "queues of $2" "$(on_sh "$1" 'ls -d /sys/class/net/$1/queues/tx-* | wc -l' "$2")" "$3"
	# Not in sysfs where the kernel has no RPS, as lo shows.
	expect_eq "receive queues of $2" "$(on_sh "$1" 'n=0
		[ -e /sys/class/net/lo/queues/rx-0 ] || n=$2
		for q in /sys/class/net/$1/queues/rx-*; do [ ! -e $q ] || n=$((n + 1)); done; echo $n' "$2" "$3")" "$3"
}

keep_channels()
{
	defer "host ethtool -L $HIF combined $(channels host "$HIF")"
	defer "dpu ethtool -L $P0 combined $(channels dpu "$P0")"
}

keep_rings()
{
	defer "host ethtool -G $HIF rx $(ring host "$HIF" RX) tx $(ring host "$HIF" TX)"
	defer "dpu ethtool -G $P0 rx $(ring dpu "$P0" RX) tx $(ring dpu "$P0" TX)"
}

there_are_as_many_queues_as_processors()
{
	expect_eq "host" "$(channels host "$HIF")" "$(host nproc </dev/null)"
	expect_eq "DPU" "$(channels dpu "$P0")" "$(dpu nproc </dev/null)"
	expect_eq "DPU" "$(channels dpu "$REP")" "$(dpu nproc </dev/null)"
}

# flood_polls VM IF: how often a worker has polled.
flood_polls() { on "$1" ethtool -S "$2" </dev/null | awk '/_rx_flood_polls:/ { n += $2 } END { print n + 0 }'; }

# flood FROM IF TO IF NETDEV MIN MAX: a machine that is told late of what has come, because its
# device (NETDEV, which has the settings) holds back completions, polls for a long time then.
# A worker polls MIN to MAX times.
flood()
{
	local before packets

	before=$(flood_polls "$3" "$4")
	packets=$(netdev_stat "$3" "$4" rx_packets)
	on "$3" ethtool -C "$5" rx-usecs 65535 rx-frames 4000 </dev/null
	on "$1" "$GUEST/frames" send "$2" -n 12000 -l 100 </dev/null
	await "$3" 10 "[ \$(cat /sys/class/net/$4/statistics/rx_packets) -ge $((packets + 4000)) ]"
	on "$3" ethtool -C "$5" rx-usecs 0 rx-frames 1 </dev/null
	expect_range "polls of the worker of $3" $(($(flood_polls "$3" "$4") - before)) "$6" "$7"
}

# So that a flood leaves programs their share of a processor; who has the netdev polled by
# threads has that already.  What is no flood is the softirq's.
a_worker_polls_under_a_flood()
{
	local host dpu

	keep_rings
	host ethtool -G "$HIF" rx 4096 </dev/null
	dpu ethtool -G "$P0" rx 4096 </dev/null
	defer "host ethtool -C $HIF rx-usecs 0 rx-frames 1; dpu ethtool -C $P0 rx-usecs 0 rx-frames 1"
	host=$(flood_polls host "$HIF")
	dpu=$(flood_polls dpu "$REP")
	ping_works host "$DPU_IP"
	expect_eq "polls of the host's worker for a ping" "$(flood_polls host "$HIF")" "$host"
	expect_eq "polls of the DPU's worker for a ping" "$(flood_polls dpu "$REP")" "$dpu"

	measured flood host "$HIF" dpu "$REP" "$P0" 1 1000
	measured flood dpu "$REP" host "$HIF" "$HIF" 1 1000

	defer "host_sh 'echo 0 >/sys/class/net/$HIF/threaded'"
	host_sh 'echo 1 >/sys/class/net/$1/threaded' "$HIF"
	flood dpu "$REP" host "$HIF" "$HIF" 0 0
	# It ends as it began.
	ping_works host "$DPU_IP"
	stream host dpu "$DPU_IP" 500000
	stream dpu host "$HOST_IP" 500000
}

channels_change_on_both_sides()
{
	local n max

	keep_channels
	# The host's PF may have more than the DPU's function.
	max=$(printf '%s\n' "$(most host "$HIF")" "$(most dpu "$P0")" | sort -n | head -n 1)
	note "at most $max"
	[ "$max" -ge 4 ]
	for n in 1 2 3 4 "$max" 1 2; do
		set_channels host "$HIF" "$n"
		set_channels dpu "$P0" "$n"
		expect_eq "all ports alike" "$(channels dpu "$REP")" "$n"
		ping_works host "$DPU_IP"
		stream host dpu "$DPU_IP" 500000
		stream dpu host "$HOST_IP" 500000
	done
}

# traffic COMMAND...: both ways, while COMMAND runs.
traffic()
{
	local a b

	gaps_start host "$DPU_IP"
	start_stream host dpu "$DPU_IP" 12
	a=$STREAM_PORT
	start_stream dpu host "$HOST_IP" 12
	b=$STREAM_PORT
	"$@"
	end_stream "$a"
	end_stream "$b"
	gaps_end host
	ping_works dpu "$HOST_IP"
}

change_channels()
{
	local i

	for ((i = 0; i < $(times 10); i++)); do
		set_channels host "$HIF" $((1 + (i + 1) % 4))
		set_channels dpu "$P0" $((1 + i % 4))
	done
}

channels_change_under_traffic()
{
	keep_channels
	traffic change_channels
}

change_rings()
{
	local n

	for n in 32 64 1024 4096 128 512; do
		host ethtool -G "$HIF" rx "$n" tx "$n" </dev/null
		expect_eq "rx ring" "$(ring host "$HIF" RX)" "$n"
		dpu ethtool -G "$P0" rx "$n" tx "$n" </dev/null
		expect_eq "tx ring" "$(ring dpu "$REP" TX)" "$n"
	done
}

rings_change_under_traffic()
{
	keep_rings
	traffic change_rings
}

wrong_numbers_and_sizes_are_refused()
{
	local vm_if n

	for vm_if in "host $HIF" "dpu $P0"; do
		refused 'exceeds maximum' on "${vm_if% *}" ethtool -L "${vm_if#* }" combined 65
		refused 'no RX or TX channel|Invalid' on "${vm_if% *}" ethtool -L "${vm_if#* }" combined 0
		refused 'exceeds maximum' on "${vm_if% *}" ethtool -L "${vm_if#* }" rx 1
		for n in 31 33 500 16; do
			refused 'power of two' on "${vm_if% *}" ethtool -G "${vm_if#* }" rx "$n"
			refused 'power of two' on "${vm_if% *}" ethtool -G "${vm_if#* }" tx "$n"
		done
		refused 'exceeds maximum' on "${vm_if% *}" ethtool -G "${vm_if#* }" rx 8192
		refused 'not supported|Invalid' on "${vm_if% *}" ethtool -G "${vm_if#* }" rx-jumbo 64
	done
	ping_works host "$DPU_IP"
}

representors_refuse_what_is_shared()
{
	refused 'uplink' dpu ethtool -G "$REP" rx 2048
	refused 'uplink' dpu ethtool -C "$REP" rx-usecs 10
	refused 'not supported' dpu ethtool -L "$REP" combined 1
	refused 'not supported' dpu ethtool -X "$REP" equal 1
}

queues_and_rings_are_kept_over_a_reset()
{
	keep_channels
	keep_rings
	set_channels host "$HIF" 3
	host ethtool -G "$HIF" rx 1024 tx 64 </dev/null
	dpu ethtool -L "$P0" combined 1 </dev/null
	host_sh 'echo 1 >/sys/bus/pci/devices/$1/reset' "$(pci_of host)"
	dpu_sh 'echo 1 >/sys/bus/pci/devices/$1/reset' "$(pci_of dpu)"
	await_ping host 20 "$DPU_IP"
	expect_eq "channels" "$(channels host "$HIF")" 3
	expect_eq "rings" "$(ring host "$HIF" RX) $(ring host "$HIF" TX)" "1024 64"
	expect_eq "channels" "$(channels dpu "$P0")" 1
	stream host dpu "$DPU_IP" 1000000
	stream dpu host "$HOST_IP" 1000000
}

settings_made_while_down_count()
{
	keep_channels
	keep_rings
	host ip link set "$HIF" down </dev/null
	set_channels host "$HIF" 4
	host ethtool -G "$HIF" rx 256 tx 512 </dev/null
	net_up
	expect_eq "channels" "$(channels host "$HIF")" 4
	expect_eq "rings" "$(ring host "$HIF" RX) $(ring host "$HIF" TX)" "256 512"
	stream dpu host "$HOST_IP" 1000000
}

# Flows that differ in their source port.
many_flows()
{
	dpu_sh 'for p in $(seq 40000 $((40000 + $2 - 1))); do echo x | nc -u -p $p -w 1 -q 0 $1 9; done' "$HOST_IP" "$1" || :
}

# counts: frames of queues 0 and 1 of the host while many flows come in.
flow_counts()
{
	local a b now

	now=$(estat host "$HIF" qp{0,1}_rx_packets)
	read -ra a <<<"$now"
	many_flows 64
	now=$(estat host "$HIF" qp{0,1}_rx_packets)
	read -ra b <<<"$now"
	echo $((b[0] - a[0])) $((b[1] - a[1]))
}

keep_rss()
{
	defer "host ethtool -X $HIF default"
	keep_channels
	set_channels host "$HIF" 2
}

flows_are_spread_over_queues()
{
	local counts

	keep_rss
	counts=$(flow_counts)
	note "$counts"
	[ "${counts% *}" -ge 10 ]
	[ "${counts#* }" -ge 10 ]
}

the_table_decides()
{
	local counts

	keep_rss
	host ethtool -X "$HIF" weight 0 1 </dev/null
	counts=$(flow_counts)
	note "$counts"
	[ "${counts% *}" -le 8 ]
	[ "${counts#* }" -ge 60 ]
	host ethtool -X "$HIF" equal 1 </dev/null
	counts=$(flow_counts)
	note "$counts"
	[ "${counts% *}" -ge 60 ]
	[ "${counts#* }" -le 8 ]
	refused 'Invalid' host ethtool -X "$HIF" weight 1 1 1
}

the_key_can_be_set()
{
	local key old

	keep_rss
	old=$(host ethtool -x "$HIF" </dev/null | grep -E '^([0-9a-f]{2}:){39}')
	defer "host ethtool -X $HIF hkey $old"
	key=$(for i in {1..40}; do printf '%02x:' "$i"; done)
	host ethtool -X "$HIF" hkey "${key%:}" </dev/null
	expect_match "key" "$(host ethtool -x "$HIF" </dev/null)" "${key%:}"
	refused 'Invalid|size|too short' host ethtool -X "$HIF" hkey 01:02:03
	refused 'upported|Invalid|not' host ethtool -X "$HIF" hfunc xor
	ping_works host "$DPU_IP"
	# A key of zeros makes one hash of all flows.
	host ethtool -X "$HIF" hkey "$(for i in {1..39}; do printf '00:'; done)00" </dev/null
	expect_match "one queue" "$(flow_counts)" '^([0-8] [0-9]+|[0-9]+ [0-8])$'
}

what_is_hashed_can_be_set()
{
	keep_rss
	defer "host ethtool -N $HIF rx-flow-hash udp4 sdfn"
	expect_match "by default" "$(host ethtool -n "$HIF" rx-flow-hash udp4 </dev/null)" 'L4 bytes 0 & 1'
	# Without ports all flows are one.
	host ethtool -N "$HIF" rx-flow-hash udp4 sd </dev/null
	[[ $(host ethtool -n "$HIF" rx-flow-hash udp4 </dev/null) != *'L4 bytes'* ]]
	expect_match "one queue" "$(flow_counts)" '^([0-8] [0-9]+|[0-9]+ [0-8])$'
	host ethtool -N "$HIF" rx-flow-hash udp4 sdfn </dev/null
	refused '.' host ethtool -N "$HIF" rx-flow-hash tcp4 s
	refused '.' host ethtool -N "$HIF" rx-flow-hash sctp4 sd
}

rss_is_kept_over_a_reset()
{
	local before counts

	keep_rss
	host ethtool -X "$HIF" weight 0 1 </dev/null
	before=$(host ethtool -x "$HIF" </dev/null)
	host_sh 'echo 1 >/sys/bus/pci/devices/$1/reset' "$(pci_of host)"
	await_ping host 20 "$DPU_IP"
	expect_eq "after a reset" "$(host ethtool -x "$HIF" </dev/null)" "$before"
	counts=$(flow_counts)
	[ "${counts% *}" -le 8 ]
	[ "${counts#* }" -ge 60 ]
}

more_queues_than_the_table_has_are_refused()
{
	keep_rss
	host ethtool -X "$HIF" weight 0 1 </dev/null
	refused 'indirection|too low' host ethtool -L "$HIF" combined 1
	# One more queue changes nothing of a table that somebody has made.
	set_channels host "$HIF" 3
	[[ $(host ethtool -x "$HIF" </dev/null | grep -E '^ +[0-9]+:' | awk '{ for (i = 2; i <= NF; i++) print $i }' | sort -u) = 1 ]]
	host ethtool -X "$HIF" default </dev/null
	expect_eq "by default" "$(host ethtool -x "$HIF" </dev/null | grep -E '^ +[0-9]+:' | awk '{ for (i = 2; i <= NF; i++) print $i }' | sort -u | xargs)" "0 1 2"
}

coalesce() { on "$1" ethtool -c "$2" </dev/null | awk -v n="$3:" '$1 == n { print $2 }'; }

# The answer waits for the card's clock.
notifications_are_held_back()
{
	local rtt

	defer "host ethtool -C $HIF adaptive-rx off rx-usecs $(coalesce host "$HIF" rx-usecs) rx-frames $(coalesce host "$HIF" rx-frames)"
	host ethtool -C "$HIF" rx-usecs 50000 rx-frames 64 </dev/null
	expect_eq "rx-usecs" "$(coalesce host "$HIF" rx-usecs)" 50000
	rtt=$(host ping -q -c 5 -i 0.3 "$DPU_IP" </dev/null | awk -F/ '/^rtt/ { print int($5) }')
	note "round trip $rtt ms"
	[ "$rtt" -ge 40 ]
	# Many come before their time is up.
	stream dpu host "$HOST_IP" 2000000
	host_sh 'echo 1 >/sys/bus/pci/devices/$1/reset' "$(pci_of host)"
	await_ping host 20 "$DPU_IP"
	expect_eq "after a reset" "$(coalesce host "$HIF" rx-usecs)" 50000
	host ethtool -C "$HIF" rx-usecs 0 rx-frames 1 </dev/null
	rtt=$(host ping -q -c 10 -i 0.1 "$DPU_IP" </dev/null | awk -F/ '/^rtt/ { sub(/.*= /, "", $4); print int($4) }')
	note "round trip $rtt ms"
	[ "$rtt" -lt 40 ]
}

adaptive_coalescing_works_under_traffic()
{
	defer "host ethtool -C $HIF adaptive-rx off; dpu ethtool -C $P0 adaptive-rx off"
	host ethtool -C "$HIF" adaptive-rx on </dev/null
	dpu ethtool -C "$P0" adaptive-rx on </dev/null
	expect_match "adaptive" "$(host ethtool -c "$HIF" </dev/null)" 'Adaptive RX: on'
	traffic sleep 1
	host ethtool -C "$HIF" adaptive-rx off </dev/null
	dpu ethtool -C "$P0" adaptive-rx off </dev/null
	stream dpu host "$HOST_IP" 2000000
}

wrong_coalescing_is_refused()
{
	refused '65535' host ethtool -C "$HIF" rx-usecs 65536
	refused 'rx-usecs' host ethtool -C "$HIF" rx-frames 8
	refused 'rx-frames' host ethtool -C "$HIF" rx-frames 0 rx-usecs 5
	refused 'rx-frames' host ethtool -C "$HIF" rx-frames 100000 rx-usecs 5
	refused 'not supported|unsupported' host ethtool -C "$HIF" tx-usecs 5
	expect_eq "unchanged" "$(coalesce host "$HIF" rx-usecs)" 0
}

each_queue_has_its_interrupt()
{
	local vm

	for vm in host dpu; do
		on_sh "$vm" 'n=$(grep -c "opi_core-.*-[1-9]" /proc/interrupts); [ "$n" = "$(nproc)" ] || exit 1
			for i in $(grep "opi_core-.*-[1-9]" /proc/interrupts | sed "s/^ *\([0-9]*\):.*/\1/"); do
				cat /proc/irq/$i/smp_affinity_list; done | sort -u | wc -l | grep -qx "$(nproc)"'
	done
}

# The netlink family "netdev", by hand: queues, their NAPI and counters.
the_kernel_shows_queues_and_their_counters()
{
	stream host dpu "$DPU_IP" 500000
	host "$GUEST/netdevq" "$HIF" </dev/null >"$CASE_DIR/json"
	jq -e --argjson n "$(channels host "$HIF")" '
		([.queues[] | select(.type == "rx")] | length) == $n and
		([.queues[] | select(.type == "tx")] | length) == $n and
		([.queues[].napi_id | select(. > 0)] | unique | length) == $n and
		([.napis[] | .irq | select(. > 0)] | length) == $n and
		(.stats.tx_packets > 0) and (.stats.tx_bytes > 500000) and (.stats.rx_packets > 0)' "$CASE_DIR/json" >/dev/null ||
		fail "$(cat "$CASE_DIR/json")"
	expect_eq "as ip has it" \
		"$(host_sh "$GUEST/netdevq \$1 | jq -r '.stats.tx_packets - .totals.tx_packets | if . < 0 then -. else . end | . < 50'" "$HIF")" true
}

run_cases "$@"
