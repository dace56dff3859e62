#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 120
# order: 26
#
# opitool with a real card, on both sides.  (What it does without one: opitool/.)

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"

CASES="
	dpu_show_on_both_sides
	a_dpu_can_be_named_in_each_way
	port_show_agrees_with_devlink
	text_and_json_say_the_same
	unknown_names_are_refused
	monitor_shows_links_and_peers
	everybody_may_look
	without_the_driver_it_says_so
"

before_case() { net_up; }

dpu_show_on_both_sides()
{
	local vm

	for vm in host dpu; do
		on "$vm" opitool -j dpu show </dev/null >"$CASE_DIR/$vm"
		expect_eq "DPUs of $vm" "$(jq length "$CASE_DIR/$vm")" 1
		jq -e '.[0] | .driver == "opi_core" and .via == "opi" and .health == "ok" and .dev_state == "ready"' "$CASE_DIR/$vm"
		expect_eq "device" "$(jq -r '.[0].dev' "$CASE_DIR/$vm")" "pci/$(pci_of "$vm")"
	done
}

a_dpu_can_be_named_in_each_way()
{
	local dev serial name

	dev=pci/$(pci_of host) serial=$(dpu_field host .serial)
	for name in "$dev" "$serial" "${serial^^}"; do
		expect_eq "$name" "$(host opitool -j dpu show "$name" </dev/null | jq -r '.[].serial')" "$serial"
	done
}

port_show_agrees_with_devlink()
{
	local vm

	for vm in host dpu; do
		expect_eq "ports of $vm" \
			"$(on "$vm" opitool -j port show </dev/null | jq -c '[.[] | [.port, .flavour, .netdev]] | sort')" \
			"$(on "$vm" devlink -j port show </dev/null | jq -c '[.port | to_entries[] | [.key, .value.flavour, .value.netdev]] | sort')"
	done
	dpu opitool -j port show </dev/null | jq -e 'all(.carrier and .up)'
}

text_and_json_say_the_same()
{
	local vm word

	for vm in host dpu; do
		on "$vm" opitool dpu show </dev/null >"$CASE_DIR/text"
		for word in $(on "$vm" opitool -j dpu show </dev/null | jq -r '.[0] | .serial, .role, .mode, .peer, .dev_state, .boot.os_status'); do
			grep -qw -- "$word" "$CASE_DIR/text" || fail "text does not say '$word'"
		done
		on "$vm" opitool -p -j dpu show </dev/null | jq -e . >/dev/null
	done
}

unknown_names_are_refused()
{
	local rc

	for name in pci/0000:ff:1f.7 00000000deadbeef nonsense; do
		rc=0
		host opitool dpu show "$name" </dev/null 2>"$CASE_DIR/err" || rc=$?
		expect_range "status for $name" "$rc" 1 2
		[ -s "$CASE_DIR/err" ]
	done
	rc=0
	host opitool dpu destroy </dev/null 2>/dev/null || rc=$?
	expect_eq "status of a usage error" "$rc" 2
}

monitor_shows_links_and_peers()
{
	bg mon host opitool -j monitor
	wait_for 10 said mon sync
	dpu ip link set "$REP" down </dev/null
	wait_for 10 said mon '"object":"port".*"carrier":false'
	dpu ip link set "$REP" up </dev/null
	wait_for 10 said mon '"object":"port".*"carrier":true'
	dpu modprobe -r opi_core </dev/null
	wait_for 10 said mon '"object":"dpu".*"peer":"present"'
	dpu modprobe opi_core </dev/null
	wait_for 10 said mon '"object":"dpu".*"peer":"ready"'
	# Every line is an object of its own.
	jq -e -n 'reduce inputs as $i (0; . + 1) > 4' "$CASE_DIR/mon"
}

everybody_may_look()
{
	local vm

	for vm in host dpu; do
		expect_eq "as nobody" \
			"$(on "$vm" setpriv --reuid nobody --regid nogroup --clear-groups opitool -j dpu show </dev/null | jq -r '.[0].serial')" \
			"$(dpu_field "$vm" .serial)"
	done
}

without_the_driver_it_says_so()
{
	local rc=0

	host modprobe -r opi_core </dev/null
	host opitool dpu show </dev/null >"$CASE_DIR/out" 2>"$CASE_DIR/err" || rc=$?
	host modprobe opi_core </dev/null
	expect_range "status" "$rc" 0 3
	[ "$rc" = 0 ] || grep -q . "$CASE_DIR/err"
	[ ! -s "$CASE_DIR/out" ] || fail "it shows a DPU without a driver: $(cat "$CASE_DIR/out")"
}

run_cases "$@"
