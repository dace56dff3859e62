#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
# debug: registers_can_be_dumped the_health_of_sending_can_be_diagnosed
# order: 37
#
# What ethtool and devlink show of the data path: counters in our words and in
# those of the standards, registers, and the health of sending.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/data.sh"

CASES="
	each_queue_has_its_counters
	standard_counters_are_those_of_the_card
	registers_can_be_dumped
	the_health_of_sending_can_be_diagnosed
"

before_case() { net_up; }

each_queue_has_its_counters()
{
	local n q vm_if

	for vm_if in "host $HIF" "dpu $REP" "dpu $P0"; do
		on "${vm_if% *}" ethtool -S "${vm_if#* }" </dev/null >"$CASE_DIR/stats"
		n=$(on "${vm_if% *}" nproc </dev/null)
		for ((q = 0; q < n; q++)); do
			for c in tx_packets tx_bytes tx_csum tx_gso_packets tx_kicks tx_stops rx_packets rx_bytes \
				rx_csum_partial rx_csum_valid rx_gso_packets rx_bad rx_no_memory rx_alloc_fail xdp_drop rx_flood_polls restarts lost_irqs; do
				grep -qE "^ *qp${q}_$c: [0-9]+\$" "$CASE_DIR/stats" || fail "no qp${q}_$c"
			done
		done
		expect_eq "queues that are not there" "$(grep -c "qp${n}_" "$CASE_DIR/stats" || :)" 0
		[ "$(sort "$CASE_DIR/stats" | cut -d: -f1 | uniq -d | wc -l)" = 0 ]
	done
}

mac_stat() { on "$1" ethtool --json -S "$2" --groups eth-mac </dev/null | jq -r ".[0][\"eth-mac\"][\"$3\"]"; }

standard_counters_are_those_of_the_card()
{
	local sent

	net_quiet
	sent=$(mac_stat host "$HIF" FramesTransmittedOK)
	host ping -q -c 50 -i 0.01 "$DPU_IP" </dev/null
	expect_eq "frames" $(($(mac_stat host "$HIF" FramesTransmittedOK) - sent)) 50
	expect_eq "frames" "$(mac_stat host "$HIF" FramesReceivedOK)" "$(estat host "$HIF" port_rx_frames)"
	expect_eq "bytes" "$(mac_stat dpu "$REP" OctetsReceivedOK)" "$(estat dpu "$REP" port_rx_bytes)"
	host ip link set "$HIF" mtu 1000 </dev/null
	dpu ping -q -c 3 -i 0.1 -W 1 -s 1400 "$HOST_IP" </dev/null || :
	[ "$(mac_stat host "$HIF" FrameTooLongErrors)" -ge 3 ]
}

registers_can_be_dumped()
{
	local vm_if

	for vm_if in "host $HIF" "dpu $P0"; do
		on "${vm_if% *}" ethtool -d "${vm_if#* }" hex on </dev/null >"$CASE_DIR/regs"
		# "OPI1", version 1.0
		expect_match "magic" "$(cat "$CASE_DIR/regs")" '0x0000:[[:space:]]+4f 50 49 31 00 00 01 00'
		expect_eq "bytes" "$(on_sh "${vm_if% *}" 'ethtool -d $1 raw on | wc -c' "${vm_if#* }")" 544
	done
}

tx_health() { on_sh "$1" 'devlink -j health diagnose pci/$1 reporter tx' "$(pci_of "$1")"; }

the_health_of_sending_can_be_diagnosed()
{
	local vm

	for vm in host dpu; do
		tx_health "$vm" >"$CASE_DIR/json"
		jq -e --argjson n "$(on "$vm" nproc </dev/null)" '
			[.. | objects | select(has("card_state"))] | length == $n and
			all(.[]; .card_state == 1 and .card_error == 0 and (.broken | not) and .sent == .posted)' \
			"$CASE_DIR/json" >/dev/null || fail "$(cat "$CASE_DIR/json")"
		expect_eq "state" "$(health_field "$vm" tx state)" healthy
	done
}

run_cases "$@"
