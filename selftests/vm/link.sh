#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 200
# soak: changes_in_quick_succession_end_in_the_last_state
# debug: what_is_sent_on_a_port_that_is_down_is_gone
# debug: changes_in_quick_succession_end_in_the_last_state
# order: 31
#
# Each end of a port sees what the other end and the wire do, and what is sent
# meanwhile is dropped and counted.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"

CASES="
	the_hosts_carrier_follows_the_representor
	the_representors_carrier_follows_the_host
	the_uplinks_carrier_follows_the_wire
	what_the_bridge_floods_is_for_nobody_beyond_the_wire
	what_is_sent_on_a_port_that_is_down_is_gone
	a_tc_rule_on_the_representor_stops_the_host
	changes_in_quick_succession_end_in_the_last_state
"

before_case() { net_up; }

# follows CAUSE-VM CAUSE-IF VM IF: events are awaited on both ways.
follows()
{
	bg monitor "$3" ip -o monitor link dev "$4"
	listens monitor "$3"
	on "$1" ip link set "$2" down </dev/null
	await "$3" 5 "[ \$(cat /sys/class/net/$4/carrier) = 0 ]"
	wait_for 5 said monitor NO-CARRIER
	on "$1" ip link set "$2" up </dev/null
	await "$3" 5 "[ \$(cat /sys/class/net/$4/carrier) = 1 ]"
	wait_for 5 said monitor 'LOWER_UP.*state UP'
	ping_works host "$DPU_IP"
}

the_hosts_carrier_follows_the_representor() { follows dpu "$REP" host "$HIF"; }
the_representors_carrier_follows_the_host() { follows host "$HIF" dpu "$REP"; }

the_uplinks_carrier_follows_the_wire()
{
	defer "tb fault uplink-down off"
	ping_works host "$FAR_IP"
	tb fault uplink-down on
	await dpu 5 "[ \$(cat /sys/class/net/$P0/carrier) = 0 ]"
	# Nobody's business but the uplink's.
	expect_eq "host's carrier" "$(carrier host "$HIF")" 1
	ping_works host "$DPU_IP"
	ping_fails host "$FAR_IP"
	tb fault uplink-down off
	await dpu 5 "[ \$(cat /sys/class/net/$P0/carrier) = 1 ]"
	await_ping host 10 "$FAR_IP"
}

# Who has no such address says nothing: no reset that would end somebody's connection.
what_the_bridge_floods_is_for_nobody_beyond_the_wire()
{
	local before

	defer "dpu ip neigh del 10.77.0.99 dev br0"
	dpu ip neigh replace 10.77.0.99 lladdr 02:42:42:42:42:42 dev br0 </dev/null
	before=$(netdev_stat dpu "$P0" tx_packets)
	dpu_sh 'timeout 3 bash -c "</dev/tcp/10.77.0.99/7" 2>/run/connect; [ $? -eq 124 ]'
	expect_range "frames to the uplink" "$(($(netdev_stat dpu "$P0" tx_packets) - before))" 1 1000
	ping_works dpu "$FAR_IP"
	# All who are there are still reached.
	expect_eq "the echo service" "$(host bash -c 'exec 3<>"/dev/tcp/$0/$1"; echo back >&3; read -r -t 20 line <&3; echo "$line"' \
		"$ECHO_IP" "$ECHO_PORT" </dev/null)" back
}

# Nothing waits in the card for better times.
what_is_sent_on_a_port_that_is_down_is_gone()
{
	host ip link set "$HIF" down </dev/null
	await dpu 5 "[ \$(cat /sys/class/net/$REP/carrier) = 0 ]"
	ping_fails dpu "$HOST_IP"
	dpu "$GUEST/frames" send "$REP" -n 5 </dev/null || :
	bg late host "$GUEST/frames" recv "$HIF" -n 1 -t 3
	wait_for 10 said late listening
	host ip link set "$HIF" up </dev/null
	refused '"received":0' bash -c "tail --pid=${bg_late:?} -f /dev/null; cat '$CASE_DIR/late'; exit 1"
	ping_works dpu "$HOST_IP"
}

a_tc_rule_on_the_representor_stops_the_host()
{
	dpu_sh 'tc qdisc add dev $1 clsact && tc filter add dev $1 ingress matchall action drop' "$REP"
	ping_fails host "$DPU_IP"
	ping_fails host "$FAR_IP"
	# The host's own state has not changed.
	expect_eq "host's carrier" "$(carrier host "$HIF")" 1
	dpu_sh 'tc -s -j filter show dev $1 ingress' "$REP" |
		jq -e '[.. | .packets? // empty] | max > 0'
	dpu_sh 'tc qdisc del dev $1 clsact' "$REP"
	await_ping host 5 "$DPU_IP"
	await_ping host 5 "$FAR_IP"
}

changes_in_quick_succession_end_in_the_last_state()
{
	local n

	n=$(times 25)
	dpu_sh 'i=0; while [ $i -lt $2 ]; do ip link set $1 down; ip link set $1 up; i=$((i + 1)); done; ip link set $1 down' "$REP" "$n"
	await host 5 "[ \$(cat /sys/class/net/$HIF/carrier) = 0 ]"
	dpu ip link set "$REP" up </dev/null
	await host 5 "[ \$(cat /sys/class/net/$HIF/carrier) = 1 ]"
	await_ping host 5 "$DPU_IP"
	expect_eq "events lost" "$(dpu_field host .events_lost)" 0
}

run_cases "$@"
