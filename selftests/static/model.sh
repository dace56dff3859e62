#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 120
#
# The card model against the document itself: what the tables of
# Documentation/device-interface.rst say of registers, identity and commands is
# asked of a running card, without header, driver or guest.

. "$(dirname -- "$0")/../lib/tap.sh"

CASES="
	identity_and_bars
	every_documented_register_answers
	undefined_registers_read_as_zero_and_stay_so
	read_only_registers_cannot_be_written
	other_widths_read_as_zero_and_are_dropped
	boot_block_is_the_same_in_config_space
	commands_of_the_host_in_trusted_mode
	commands_of_the_host_in_restricted_mode
	commands_of_the_host_in_isolated_mode
"

facts=$(mktemp "${TMPDIR:-/tmp}/opi-model.XXXXXX") || exit 1
trap 'rm -f "$facts"' EXIT
awk -f "$OPI_TOP/selftests/interface/doc.awk" "$OPI_TOP/Documentation/device-interface.rst" >"$facts" || exit 1

# A value of the document.
declare -A constants
while read -r name value; do
	constants[$name]=$value
done < <(awk '$1 == "const" { print $2, $3 }' "$facts")
doc() { echo "${constants[$1]:?the document does not say what $1 is}"; }

# ---- a card under QEMU's test protocol --------------------------------------

serial=0x1122334455667788
BAR0=0xc0000000 BAR2=0xc0800000 BAR4=0xc0100000
bdf=$((1 << 16))

start_card()
{
	local sock=$CASE_DIR/link

	coproc QEMU { exec "$OPI_TOP/qemu/qemu-run" -M q35 -nodefaults -display none -m 64 -accel qtest \
		-qtest stdio -qtest-log none -chardev socket,id=link0,path="$sock",server=on,wait=off \
		-device opi-card,id=card0,serial=$serial,chardev=link0,mode="${1:-restricted}" \
		-device pcie-root-port,id=rp0,chassis=1,slot=1,addr=4 \
		-device opi-dpu,id=dpu0,card=card0,bus=rp0 2>"$CASE_DIR/qemu.err"; }
	# shellcheck disable=SC2154 # made by coproc
	defer "kill $QEMU_PID; cat '$CASE_DIR/qemu.err' >&2"
	# The root port passes bus 1 and its memory on, the function gets its BARs.
	config_write $((4 << 11)) 0x18 0x00010100
	config_write $((4 << 11)) 0x20 0xcff0c000
	config_write $((4 << 11)) 0x04 0x7
	config_write "$bdf" 0x10 "$BAR0"
	config_write "$bdf" 0x14 0
	config_write "$bdf" 0x18 "$BAR2"
	config_write "$bdf" 0x1c 0
	config_write "$bdf" 0x20 "$BAR4"
	config_write "$bdf" 0x24 0
	config_write "$bdf" 0x04 0x6
}

# qtest WORD...: one command, its answer in $answer.
qtest()
{
	local line

	printf '%s\n' "$*" >&"${QEMU[1]}"
	while read -r -t 20 line <&"${QEMU[0]}"; do
		case $line in
		OK*) answer=${line#OK}; answer=${answer# }; return 0 ;;
		IRQ*) ;;
		*) fail "$*: $line" ;;
		esac
	done
	fail "no answer to $*"
}

# Configuration space beyond 256 bytes: by the memory window that q35 puts at
# 0xb0000000 once it is told so.
config_read()
{
	if [ -z "${ecam:-}" ]; then
		ecam=0xb0000000
		qtest outl 0xcf8 0x80000060
		qtest outl 0xcfc $((ecam | 1))
	fi
	qtest readl $((ecam + ($1 << 4) + $2))
}

config_write()
{
	config_read "$1" "$2"
	qtest writel $((ecam + ($1 << 4) + $2)) "$3"
}

read_reg() { qtest readl $((BAR0 + $1)); echo $((answer)); }
write_reg() { qtest writel $((BAR0 + $1)) "$2"; }
hex() { printf '0x%x' "$1"; }

# Offsets of the document's registers; the boot block is 32 bytes.
offsets()
{
	awk '$1 == "const" && $2 ~ /^OPI_REG_/ { print $3 }' "$facts"
	seq $(($(doc OPI_REG_BOOT) + 4)) 4 $(($(doc OPI_REG_BOOT) + 28))
}

# Access of a register: RO or RW, from the third cell of its row.
access()
{
	awk -F'", "' -v n="$1" '/^   "0x/ && $2 == n { print $3; exit }' "$OPI_TOP/Documentation/device-interface.rst"
}

# ---- cases -------------------------------------------------------------------

identity_and_bars()
{
	start_card
	config_read "$bdf" 0
	expect_eq "vendor and device" "$(hex "$answer")" \
		"$(hex $(($(doc OPI_PCI_DEVICE_ID_PF) << 16 | $(doc OPI_PCI_VENDOR_ID))))"
	config_read "$bdf" 8
	expect_eq "class" "$(hex $((answer >> 8)))" \
		"$(hex "$(sed -n 's/^text PCI identity|host PF|//p' "$facts")")"
	# 4 KiB of registers, as a 64-bit memory BAR.
	config_write "$bdf" 0x10 0xffffffff
	config_read "$bdf" 0x10
	expect_eq "BAR 0" "$(hex "$answer")" 0xfffff004
	config_write "$bdf" 0x10 "$BAR0"
	expect_eq "MAGIC" "$(hex "$(read_reg "$(doc OPI_REG_MAGIC)")")" 0x3149504f
	expect_eq "role" "$(($(read_reg "$(doc OPI_REG_ROLE)") & 255))" "$(doc OPI_ROLE_HOST_PF)"
	expect_eq "serial number" \
		"$(printf '0x%08x%08x' "$(read_reg "$(doc OPI_REG_SERIAL_HI)")" "$(read_reg "$(doc OPI_REG_SERIAL_LO)")")" $serial
}

every_documented_register_answers()
{
	local o

	start_card
	offsets >"$CASE_DIR/defined"
	[ "$(wc -l <"$CASE_DIR/defined")" -ge 30 ]
	while read -r o; do
		[ "$(read_reg "$o")" != $((0xffffffff)) ] || fail "$(hex "$o") reads as all-ones"
	done <"$CASE_DIR/defined"
	# Those that are never zero.
	for o in MAGIC VERSION ROLE FUNC_ID SERIAL_LO SERIAL_HI LIMITS0 LIMITS1 TIMEOUT BOOT; do
		[ "$(read_reg "$(doc "OPI_REG_$o")")" != 0 ] || fail "$o is zero"
	done
}

undefined_registers_read_as_zero_and_stay_so()
{
	local o

	start_card
	offsets | sort >"$CASE_DIR/defined"
	seq 0 4 4092 | sort | comm -23 - "$CASE_DIR/defined" >"$CASE_DIR/undefined"
	expect_range "undefined registers" "$(wc -l <"$CASE_DIR/undefined")" 900 1000
	while read -r o; do
		expect_eq "$(hex "$o")" "$(read_reg "$o")" 0
		write_reg "$o" 0xffffffff
	done <"$CASE_DIR/undefined"
	while read -r o; do
		expect_eq "$(hex "$o") after a write" "$(read_reg "$o")" 0
	done <"$CASE_DIR/undefined"
	expect_eq "MAGIC" "$(hex "$(read_reg 0)")" 0x3149504f
}

read_only_registers_cannot_be_written()
{
	local name o before n=0

	start_card
	while read -r name; do
		o=$(doc "OPI_REG_$name")
		case $(access "$name") in
		RO)
			[ "$name" != HEARTBEAT ] || continue
			before=$(read_reg "$o")
			write_reg "$o" $((~before & 0xffffffff))
			expect_eq "$name" "$(read_reg "$o")" "$before"
			n=$((n + 1))
			;;
		RW) ;;
		*) fail "the document does not say whether $name can be written" ;;
		esac
	done < <(awk '$1 == "const" && $2 ~ /^OPI_REG_/ { print substr($2, 9) }' "$facts")
	[ "$n" -ge 15 ]
	# And the ring addresses can.
	for name in AQ_SQ_LO AQ_SQ_HI AQ_CQ_LO AQ_CQ_HI; do
		write_reg "$(doc "OPI_REG_$name")" 0x12345640
		expect_eq "$name" "$(hex "$(read_reg "$(doc "OPI_REG_$name")")")" 0x12345640
	done
}

other_widths_read_as_zero_and_are_dropped()
{
	local w

	start_card
	for w in b w q; do
		qtest "read$w" "$BAR0"
		expect_eq "read$w of MAGIC" "$((answer))" 0
		qtest "write$w" $((BAR0 + $(doc OPI_REG_AQ_SQ_LO))) 0x40
	done
	expect_eq "AQ_SQ_LO" "$(read_reg "$(doc OPI_REG_AQ_SQ_LO)")" 0
}

boot_block_is_the_same_in_config_space()
{
	local cap=256 i

	start_card
	while [ "$cap" != 0 ]; do
		config_read "$bdf" "$cap"
		[ $((answer & 0xffff)) != $((0x23)) ] || break
		cap=$((answer >> 20))
	done
	[ "$cap" != 0 ] || fail "no DVSEC"
	config_read "$bdf" $((cap + 4))
	expect_eq "vendor" "$((answer & 0xffff))" "$(doc OPI_PCI_VENDOR_ID)"
	expect_eq "revision" "$((answer >> 16 & 15))" 1
	expect_eq "length" "$((answer >> 20))" 44
	config_read "$bdf" $((cap + 8))
	expect_eq "id" "$((answer & 0xffff))" 1
	for ((i = 0; i < 32; i += 4)); do
		config_read "$bdf" $((cap + 12 + i))
		expect_eq "word $i" "$((answer))" "$(read_reg $(($(doc OPI_REG_BOOT) + i)))"
	done
}

SQ=0x100000 CQ=0x101000

# Reset the function and give it an admin queue of 16 commands.
start_queue()
{
	local i

	write_reg "$(doc OPI_REG_DEV_CTRL)" 0x00010001
	for ((i = 0; i < 100; i++)); do
		[ "$(hex "$(read_reg "$(doc OPI_REG_DEV_STATUS)")")" != 0x10001 ] || break
		qtest clock_step 1000000
	done
	qtest memset $SQ 0x1000 0
	qtest memset $CQ 0x1000 0
	write_reg "$(doc OPI_REG_AQ_SQ_LO)" $SQ
	write_reg "$(doc OPI_REG_AQ_SQ_HI)" 0
	write_reg "$(doc OPI_REG_AQ_CQ_LO)" $CQ
	write_reg "$(doc OPI_REG_AQ_CQ_HI)" 0
	write_reg "$(doc OPI_REG_AQ_CTRL)" 0x401
	expect_eq "AQ_STATUS" "$(read_reg "$(doc OPI_REG_AQ_STATUS)")" 1
	tail=0
}

# command OPCODE: status of a command with nothing in it but this and the number
# of the host's own port and function, which are both 1.
command()
{
	local at=$((SQ + tail % 16 * 64)) done=$((CQ + tail % 16 * 16)) i

	qtest memset "$at" 64 0
	qtest writew "$at" "$1"
	qtest writel $((at + 4)) "$tail"
	qtest writel $((at + 20)) 1
	tail=$((tail + 1))
	qtest writel "$BAR2" "$tail"
	for ((i = 0; i < 50; i++)); do
		qtest readw $((done + 14))
		[ $((answer & 1)) = $(((tail - 1) / 16 % 2)) ] || break
		qtest clock_step 1000000
	done
	qtest readl "$done"
	expect_eq "cookie" "$((answer))" $((tail - 1))
	qtest readw $((done + 8))
	echo $((answer))
}

status() { awk -v n="$1" '$1 == "status" && $2 == n { print $3 }' "$facts"; }

# Each opcode up to past the last, known or not, and some far away.
commands_in_mode()
{
	local op row st i

	start_card "$1"
	start_queue
	for op in $(seq 0 130) 255 256 4096 32768 65535; do
		row=$(awk -v o="$op" '$1 == "cmd" && $3 == o { print $4 }' "$facts")
		# Not in a subshell: the ring's index is kept.
		command "$op" >"$CASE_DIR/status"
		st=$(cat "$CASE_DIR/status")
		if [ -z "$row" ]; then
			expect_eq "opcode $op, unknown" "$st" "$(status EOPNOTSUPP)"
		elif [[ $row == *$2* ]]; then
			case $st in
			"$(status EPERM)"|"$(status EOPNOTSUPP)")
				fail "opcode $op is refused with $st, and the document allows it ($row)" ;;
			esac
		else
			expect_eq "opcode $op, not allowed" "$st" "$(status EPERM)"
		fi
	done
}

commands_of_the_host_in_trusted_mode() { commands_in_mode trusted T; }
commands_of_the_host_in_restricted_mode() { commands_in_mode restricted R; }
commands_of_the_host_in_isolated_mode() { commands_in_mode isolated I; }

run_cases "$@"
