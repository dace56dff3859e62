#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 400
# debug: none
#
# A function is moved from one card to another: the DPUs have agreed on a key, or they have
# not.  Two cards in one server, whose uplinks are joined by a wire.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/func.sh"
. "$(dirname -- "$0")/../lib/vfio.sh"

OPI_BED=vfioc$$

CASES="
	two_cards_come_up
	a_wire_joins_them
	a_state_of_another_card_is_refused
	cards_with_the_same_key_take_it
	cards_with_different_keys_do_not
	modules_unload
	both_kernels_are_content
"

wires=$(mktemp -d)
trap 'tb down; rm -rf "$wires"' EXIT

# What the libraries call the DPU, and the host's function, is that of the card in use.
use_card()
{
	DPU=dpu${1#0}
	rm -f "$CASE_DIR"/pci_of_*
	SERIAL=$(dpu_field dpu .serial)
	host opitool -j dpu show "$SERIAL" </dev/null | jq -r '.[0].dev | sub("pci/"; "")' >"$CASE_DIR/pci_of_host"
}

uplink() { echo "dgram,local.type=unix,local.path=$wires/$1,remote.type=unix,remote.path=$wires/$2"; }

two_cards_come_up()
{
	OPI_BOOT_TIMEOUT=$(secs 120) tb up --kernel "$OPI_KERNEL" --iommu on --cards 2 \
		--uplink "$(uplink a b)" --uplink "$(uplink b a)"
	await host 20 'opitool -j dpu show | jq -e "length == 2 and all(.peer == \"ready\")"'
}

# VF 0 of each card is a process's and can be moved: PCI[card], and SERIALS[card].
each_has_one()
{
	local n

	PCI=() SERIALS=()
	for n in 1 0; do
		use_card "$n"
		on_for 60 "$DPU" "$GUEST/netup" dpu "10.77.0.2$n" "fd77::2$n" >/dev/null
		vfs 1
		migratable 0 enable
		vf_bind 0 opi_vfio_pci
		fn_bridge "$(fn_rep vf 0)"
		PCI[n]=$(vf_pci 0) SERIALS[n]=$SERIAL
	done
	expect_log host "$way_lines"
}

a_wire_joins_them()
{
	each_has_one
	await_ping dpu 20 10.77.0.21
	# Each reaches both.
	for n in 0 1; do
		use_card "$n"
		user 0 ping "$USER_IP" 10.77.0.20
		user 0 ping "$USER_IP" 10.77.0.21
	done
}

# Whether it did; what it cost is no matter here.
move()
{
	local said rc=0

	said=$(user 0 mig move "${PCI[1]}" "$USER_IP" 10.77.0.21 "$1") || rc=$?
	head -n 1 <<<"$said"
	return "$rc"
}

# key none, or key -: as hexadecimal digits
key() { dpu opitool dpu set migration-key "$1"; }

a_state_of_another_card_is_refused()
{
	each_has_one
	refused 'moved 0 of 1: EPERM' move 1
	# Nothing has come of it.
	for n in 1 0; do
		use_card "$n"
		expect_eq "state" "$(func_field dpu '.type == "vf"' .mig_state)" running
		expect_eq "source" "$(func_field dpu '.type == "vf"' .source_serial)" null
		user 0 ping "$USER_IP" 10.77.0.20
	done
}

cards_with_the_same_key_take_it()
{
	local mac

	each_has_one
	defer "for n in 0 1; do use_card \$n; key none </dev/null; done"
	head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' >"$CASE_DIR/key"
	for n in 1 0; do
		use_card "$n"
		key - <"$CASE_DIR/key"
	done
	mac=$(fn_field vf 0 .function.hw_addr)
	expect_eq "moved" "$(move 3)" "moved 3 of 3: ok"
	use_card 1
	expect_eq "address" "$(fn_field vf 0 .function.hw_addr)" "$mac"
	expect_eq "where it came from" "$(func_field dpu '.type == "vf"' .source_serial)" "${SERIALS[0]}"
	# What the source had is the other DPU's to give.
	user 0 ping "$USER_IP" 10.77.0.20
}

cards_with_different_keys_do_not()
{
	each_has_one
	defer "for n in 0 1; do use_card \$n; key none </dev/null; done"
	for n in 1 0; do
		use_card "$n"
		head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' | key -
	done
	refused 'moved 0 of 1: EPERM' move 1
	user 0 ping "$USER_IP" 10.77.0.20
}

modules_unload()
{
	for n in 1 0; do
		use_card "$n"
		vfs 0
	done
	host_sh 'rmmod opi_vfio_pci && modprobe -r opi_core && modprobe opi_core'
}

both_kernels_are_content()
{
	local vm

	are_content host dpu dpu1
	for vm in host dpu dpu1; do
		expect_eq "errors in the log of $vm" "$(kernel_errors "$vm")" ""
	done
}

run_cases "$@"
