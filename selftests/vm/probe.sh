#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# debug: functions_without_service_are_left_alone
# order: 10
#
# The card is found on both sides, is what the interface says, and both sides
# find each other by its serial number.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"

CASES="
	the_host_sees_the_physical_function
	the_dpu_sees_its_function
	modprobe_finds_the_driver_by_the_device
	the_physical_function_has_its_capabilities
	serial_numbers_are_the_same_everywhere
	mac_addresses_derive_from_the_serial_number
	boot_block_stands_in_config_space
	registers_without_a_driver
	raw_registers_are_refused_while_the_driver_has_them
	functions_without_service_are_left_alone
"

before_case() { bed_ready; }

identity() { on_sh "$1" 'cd /sys/bus/pci/devices/$1 && cat vendor device class; basename $(readlink driver)' "$(pci_of "$1")"; }

the_host_sees_the_physical_function()
{
	expect_eq "identity" "$(identity host | xargs)" "0x1af4 0x10f0 0x020000 opi_core"
}

the_dpu_sees_its_function()
{
	expect_eq "identity" "$(identity dpu | xargs)" "0x1af4 0x10f2 0x020000 opi_core"
}

modprobe_finds_the_driver_by_the_device()
{
	local vm

	for vm in host dpu; do
		expect_eq "module on $vm" \
			"$(on_sh "$vm" 'modprobe -R $(cat /sys/bus/pci/devices/$1/modalias)' "$(pci_of "$vm")")" opi_core
	done
	# Nothing claims what only looks like a card.
	refused 'not found' host modprobe -R pci:v00001AF4d000010F3sv00001AF4sd00001100bc02sc00i00
}

the_physical_function_has_its_capabilities()
{
	local caps cap

	caps=$(host lspci -vvv -s "$(pci_of host)" </dev/null)
	for cap in 'MSI-X: Enable+' 'FLReset+' 'Advanced Error Reporting' 'Power Management' \
		'Alternative Routing-ID' 'Device Serial Number' 'Total VFs: 64' \
		'Designated Vendor-Specific: Vendor=1af4 ID=0001 Rev=1'; do
		[[ $caps == *"$cap"* ]] || fail "lspci does not show '$cap'"
	done
	caps=$(dpu lspci -vvv -s "$(pci_of dpu)" </dev/null)
	for cap in 'MSI-X: Enable+' 'FLReset+' 'Power Management'; do
		[[ $caps == *"$cap"* ]] || fail "lspci on the DPU does not show '$cap'"
	done
}

serial_numbers_are_the_same_everywhere()
{
	local dsn vm

	dsn=$(host lspci -vvv -s "$(pci_of host)" </dev/null |
		sed -n 's/.*Device Serial Number //p' | tr -d '-')
	expect_match "serial number in config space" "$dsn" '^[0-9a-f]{16}$'
	expect_eq "serial number in status" "$(bed_state | jq -r '.. | .serial? // empty' | head -n 1)" "$dsn"
	for vm in host dpu; do
		expect_eq "opitool on $vm" "$(dpu_field "$vm" .serial)" "$dsn"
		expect_eq "devlink on $vm" "$(on "$vm" devlink -j dev info </dev/null | jq -r '.info[].serial_number')" "$dsn"
	done
	expect_eq "switch id" "$(dpu_sh 'cat /sys/class/net/$('"$GUEST"'/netup find p0)/phys_switch_id')" "$dsn"
}

mac_addresses_derive_from_the_serial_number()
{
	local serial fold mac

	serial=$((16#$(dpu_field host .serial)))
	fold=$(((serial ^ (serial >> 24 & 0xffffffffff) ^ (serial >> 48 & 0xffff)) & 0xffffff))
	# want PORT 0|1: function or representor.
	want() { printf '02:%02x:%02x:%02x:00:%02x' $((fold >> 16)) $((fold >> 8 & 255)) $((fold & 255)) $((2 * $1 + $2)); }
	mac=$(host_sh 'cat /sys/class/net/$('"$GUEST"'/netup find host)/address')
	expect_eq "host" "$mac" "$(want 1 0)"
	mac=$(dpu_sh 'cat /sys/class/net/$('"$GUEST"'/netup find p0)/address')
	expect_eq "uplink" "$mac" "$(want 0 0)"
	mac=$(dpu_sh 'cat /sys/class/net/$('"$GUEST"'/netup find c1pf0)/address')
	expect_eq "representor" "$mac" "$(want 1 1)"
}

# The boot block's eight words from the DVSEC.
dvsec() { host_sh 'for o in 0c 10 14 18 1c 20 24 28; do setpci -s $1 ECAP0023+$o.l; done' "$(pci_of host)"; }

boot_block_stands_in_config_space()
{
	local words

	mapfile -t words < <(dvsec)
	expect_eq "size and version" "${words[0]}" 00010020
	# OS_STATUS booted, PLDM state running, no crash dump.
	expect_eq "states" "${words[1]}" 00000502
	expect_eq "generation" "$((16#${words[3]}))" "$(dpu_field host .generation)"
	expect_eq "reads of reset" "${words[5]}" 00000000
	# Writes of what cannot be asked for change nothing.
	host_sh 'setpci -s $1 ECAP0023+0c.l=ffffffff ECAP0023+10.l=ffffffff ECAP0023+18.l=ffffffff ECAP0023+20.l=ffffffff' "$(pci_of host)"
	expect_eq "boot block after writes" "$(dvsec | xargs)" "${words[*]}"
}

# regs VM DEVICE OFFSET [COUNT]
regs() { on "$1" "$GUEST/regs" "$2" 0 "$3" "${4:-1}" </dev/null; }

unbind()
{
	on_sh "$1" 'echo $1 >/sys/bus/pci/drivers/opi_core/unbind && echo 1 >/sys/bus/pci/devices/$1/enable' "$2"
	defer "on_sh $1 'echo 0 >/sys/bus/pci/devices/$2/enable; echo $2 >/sys/bus/pci/drivers/opi_core/bind'"
}

registers_without_a_driver()
{
	local dev serial vm role

	serial=$(dpu_field host .serial)
	for vm in host dpu; do
		dev=$(pci_of "$vm")
		role=1
		[ "$vm" = host ] || role=3
		unbind "$vm" "$dev"
		expect_eq "MAGIC" "$(regs "$vm" "$dev" 0x000)" 3149504f
		expect_eq "VERSION" "$(regs "$vm" "$dev" 0x004)" 00010000
		expect_eq "role and mode" "$(regs "$vm" "$dev" 0x008)" 0000010$role
		expect_eq "serial" "$(regs "$vm" "$dev" 0x014)$(regs "$vm" "$dev" 0x010)" "$serial"
		# What is not defined reads as zero, and writing it has no effect.
		on "$vm" "$GUEST/regs" "$dev" 0 0xf00=0xffffffff </dev/null
		expect_eq "an undefined register" "$(regs "$vm" "$dev" 0xf00)" 00000000
		# So do registers that cannot be written.
		on "$vm" "$GUEST/regs" "$dev" 0 0x010=0xffffffff </dev/null
		expect_eq "serial" "$(regs "$vm" "$dev" 0x014)$(regs "$vm" "$dev" 0x010)" "$serial"
	done
	# Same boot block in the BAR as in config space.
	expect_eq "boot block" "$(regs host "$(host_sh 'lspci -Dn -d 1af4:10f0 | cut -d" " -f1')" 0x200 8 | xargs)" \
		"$(host_sh 'for o in 0c 10 14 18 1c 20 24 28; do setpci -d 1af4:10f0 ECAP0023+$o.l; done' | xargs)"
}

raw_registers_are_refused_while_the_driver_has_them()
{
	refused 'Invalid argument|Operation not permitted|Device or resource busy' regs host "$(pci_of host)" 0
}

# VFs have no service in this version of the card: nothing must bind to them, and
# they must come and go without harm.
functions_without_service_are_left_alone()
{
	local dev

	dev=$(pci_of host)
	expect_eq "total" "$(host cat "/sys/bus/pci/devices/$dev/sriov_totalvfs" </dev/null)" 64
	expect_log host 'opi_core [0-9a-f:.]+: 2 virtual functions wanted, the DPU allows 0'
	refused '.' host_sh 'echo 2 >/sys/bus/pci/devices/$1/sriov_numvfs' "$dev"
	expect_eq "VFs" "$(host cat "/sys/bus/pci/devices/$dev/sriov_numvfs" </dev/null)" 0
}

run_cases "$@"
