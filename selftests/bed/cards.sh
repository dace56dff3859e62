#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# Two cards in one server, each with its DPU: they pair by serial number, do not
# mix frames, and one goes without the other.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"

OPI_BED=cards$$

CASES="
	two_cards_come_up
	each_dpu_finds_its_card
	frames_do_not_mix
	one_dpu_goes_and_the_other_stays
	both_kernels_are_content
"

trap 'tb down' EXIT

two_cards_come_up()
{
	OPI_BOOT_TIMEOUT=$(secs 120) tb up --kernel "$OPI_KERNEL" --cards 2
	expect_eq "machines" "$(bed_state | jq -r '[.vms[].name] | join(" ")')" "host dpu dpu1"
	expect_eq "functions on the host" "$(host lspci -d 1af4:10f0 </dev/null | wc -l)" 2
	await host 20 'opitool -j dpu show | jq -e "length == 2 and all(.peer == \"ready\")"'
}

serial() { on "$1" opitool -j dpu show </dev/null | jq -r '.[0].serial'; }

each_dpu_finds_its_card()
{
	local on_host

	on_host=$(host opitool -j dpu show </dev/null | jq -r '.[].serial' | sort | xargs)
	expect_eq "serial numbers" "$(printf '%s\n' "$(serial dpu)" "$(serial dpu1)" | sort | xargs)" "$on_host"
	[ "$(serial dpu)" != "$(serial dpu1)" ]
	expect_eq "in the bed's status" "$(bed_state | jq -r '[.card[].serial] | sort | join(" ")')" "$on_host"
	expect_eq "addresses" "$(host_sh 'cat /sys/bus/pci/drivers/opi_core/*/net/*/address' | sort -u | wc -l)" 2
}

# host_if SERIAL: the host's netdev of that card.
host_if() { host opitool -j port show "$1" </dev/null | jq -r '.[0].netdev'; }

setup()
{
	local n

	for n in 0 1; do
		vm=dpu${n#0}
		host_sh 'ip link set $1 up && ip addr replace 10.9$2.0.10/24 dev $1' "$(host_if "$(serial "$vm")")" "$n"
		on_sh "$vm" 'r=$('"$GUEST"'/netup find c1pf0); ip link set $r up && ip addr replace 10.9$1.0.20/24 dev $r' "$n"
		await_ping host 20 "10.9$n.0.20"
	done
}

frames_do_not_mix()
{
	setup
	bg sniff dpu1 timeout "$(secs 20)" tcpdump -n -i any -c 1 ether proto 0x88b5
	wait_for 10 grep -q 'listening on' "$CASE_DIR/sniff.err"
	host "$GUEST/frames" send "$(host_if "$(serial dpu)")" -n 20 </dev/null
	sleep 2
	refused '^$' said sniff .
	host "$GUEST/frames" send "$(host_if "$(serial dpu1)")" -n 1 </dev/null
	bg_wait sniff
	said sniff .
}

one_dpu_goes_and_the_other_stays()
{
	local lost

	setup
	lost=$(serial dpu)
	tb kill dpu
	await host 5 "opitool -j dpu show $lost | jq -e '.[0].peer == \"absent\"'"
	host ping -q -c 3 -i 0.2 -W 10 10.91.0.20 </dev/null
	expect_eq "the other's peer" "$(host opitool -j dpu show "$(serial dpu1)" </dev/null | jq -r '.[0].peer')" ready
	tb reset dpu
	tb wait dpu
	expect_eq "serial number" "$(serial dpu)" "$lost"
	setup
}

both_kernels_are_content() { are_content host dpu dpu1; }

run_cases "$@"
