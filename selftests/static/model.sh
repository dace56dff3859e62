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

# What the document says, read once.  From here on all is asked, compared and counted
# by this shell alone: a process for each of thousands of answers would take far more
# time than the card does.
declare -A constants statuses commands accesses
registers=() class=''
document=$OPI_TOP/Documentation/device-interface.rst
facts=$(awk -f "$OPI_TOP/selftests/interface/doc.awk" "$document") || exit 1
while IFS= read -r line; do
	case $line in
	"text PCI identity|host PF|"*) class=${line##*|}; continue ;;
	esac
	read -r kind name value row _ <<<"$line"
	case $kind in
	const)
		constants[$name]=$value
		[[ $name != OPI_REG_* ]] || registers+=("${name#OPI_REG_}")
		;;
	status) statuses[$name]=$value ;;
	cmd) commands[$value]=$row ;;
	esac
done <<<"$facts"
# Access of a register: RO or RW, from the third cell of its row.
row_of_register='^   "0x[^"]*", "([^"]*)", "([^"]*)'
while IFS= read -r line; do
	[[ $line =~ $row_of_register ]] || continue
	name=${BASH_REMATCH[1]}
	[ -n "${accesses[$name]:-}" ] || accesses[$name]=${BASH_REMATCH[2]}
done <"$document"

# doc NAME, status NAME: a value of the document, in $doc or $status.
doc() { doc=${constants[$1]:?the document does not say what $1 is}; }
status() { status=${statuses[$1]:?the document does not say what $1 is}; }

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

# A register by its offset or its name, its value in $answer as a decimal number.
read_at() { qtest readl $((BAR0 + $1)); answer=$((answer)); }
write_at() { qtest writel $((BAR0 + $1)) "$2"; }
read_reg() { doc "OPI_REG_$1"; read_at "$doc"; }
write_reg() { doc "OPI_REG_$1"; write_at "$doc" "$2"; }

# expect_hex WHAT NUMBER HEX: as hexadecimal numbers, so that one can read what differs.
expect_hex()
{
	local hex

	printf -v hex '0x%x' "$2"
	expect_eq "$1" "$hex" "$3"
}

# Offsets of the document's registers in $offsets; the boot block is 32 bytes.
find_offsets()
{
	local name i

	offsets=()
	for name in "${registers[@]}"; do
		doc "OPI_REG_$name"
		offsets+=("$doc")
	done
	doc OPI_REG_BOOT
	for ((i = 4; i < 32; i += 4)); do
		offsets+=($((doc + i)))
	done
}

# ---- cases -------------------------------------------------------------------

identity_and_bars()
{
	local id hi

	start_card
	config_read "$bdf" 0
	doc OPI_PCI_DEVICE_ID_PF
	id=$((doc << 16))
	doc OPI_PCI_VENDOR_ID
	printf -v id '0x%x' $((id | doc))
	expect_hex "vendor and device" "$answer" "$id"
	config_read "$bdf" 8
	[ -n "$class" ] || fail "the document does not say the class"
	printf -v id '0x%x' "$class"
	expect_hex "class" $((answer >> 8)) "$id"
	# 4 KiB of registers, as a 64-bit memory BAR.
	config_write "$bdf" 0x10 0xffffffff
	config_read "$bdf" 0x10
	expect_hex "BAR 0" "$answer" 0xfffff004
	config_write "$bdf" 0x10 "$BAR0"
	read_reg MAGIC
	expect_hex "MAGIC" "$answer" 0x3149504f
	read_reg ROLE
	doc OPI_ROLE_HOST_PF
	expect_eq "role" $((answer & 255)) "$doc"
	read_reg SERIAL_HI
	hi=$answer
	read_reg SERIAL_LO
	printf -v id '0x%08x%08x' "$hi" "$answer"
	expect_eq "serial number" "$id" $serial
}

every_documented_register_answers()
{
	local o hex

	start_card
	find_offsets
	[ ${#offsets[@]} -ge 30 ]
	for o in "${offsets[@]}"; do
		read_at "$o"
		printf -v hex '0x%x' "$o"
		[ "$answer" != $((0xffffffff)) ] || fail "$hex reads as all-ones"
	done
	# Those that are never zero.
	for o in MAGIC VERSION ROLE FUNC_ID SERIAL_LO SERIAL_HI LIMITS0 LIMITS1 TIMEOUT BOOT; do
		read_reg "$o"
		[ "$answer" != 0 ] || fail "$o is zero"
	done
}

undefined_registers_read_as_zero_and_stay_so()
{
	local o hex undefined=()
	declare -A defined=()

	start_card
	find_offsets
	for o in "${offsets[@]}"; do
		defined[$o]=1
	done
	for ((o = 0; o < 4096; o += 4)); do
		[ -n "${defined[$o]:-}" ] || undefined+=("$o")
	done
	expect_range "undefined registers" ${#undefined[@]} 900 1000
	for o in "${undefined[@]}"; do
		read_at "$o"
		printf -v hex '0x%x' "$o"
		expect_eq "$hex" "$answer" 0
		write_at "$o" 0xffffffff
	done
	for o in "${undefined[@]}"; do
		read_at "$o"
		printf -v hex '0x%x' "$o"
		expect_eq "$hex after a write" "$answer" 0
	done
	read_at 0
	expect_hex "MAGIC" "$answer" 0x3149504f
}

read_only_registers_cannot_be_written()
{
	local name before n=0

	start_card
	for name in "${registers[@]}"; do
		case ${accesses[$name]:-} in
		RO)
			[ "$name" != HEARTBEAT ] || continue
			read_reg "$name"
			before=$answer
			write_reg "$name" $((~before & 0xffffffff))
			read_reg "$name"
			expect_eq "$name" "$answer" "$before"
			n=$((n + 1))
			;;
		RW) ;;
		*) fail "the document does not say whether $name can be written" ;;
		esac
	done
	[ "$n" -ge 15 ]
	# And the ring addresses can.
	for name in AQ_SQ_LO AQ_SQ_HI AQ_CQ_LO AQ_CQ_HI; do
		write_reg "$name" 0x12345640
		read_reg "$name"
		expect_hex "$name" "$answer" 0x12345640
	done
}

other_widths_read_as_zero_and_are_dropped()
{
	local w

	start_card
	doc OPI_REG_AQ_SQ_LO
	for w in b w q; do
		qtest "read$w" "$BAR0"
		expect_eq "read$w of MAGIC" "$((answer))" 0
		qtest "write$w" $((BAR0 + doc)) 0x40
	done
	read_reg AQ_SQ_LO
	expect_eq "AQ_SQ_LO" "$answer" 0
}

boot_block_is_the_same_in_config_space()
{
	local cap=256 i word

	start_card
	while [ "$cap" != 0 ]; do
		config_read "$bdf" "$cap"
		[ $((answer & 0xffff)) != $((0x23)) ] || break
		cap=$((answer >> 20))
	done
	[ "$cap" != 0 ] || fail "no DVSEC"
	config_read "$bdf" $((cap + 4))
	doc OPI_PCI_VENDOR_ID
	expect_eq "vendor" "$((answer & 0xffff))" "$doc"
	expect_eq "revision" "$((answer >> 16 & 15))" 1
	expect_eq "length" "$((answer >> 20))" 44
	config_read "$bdf" $((cap + 8))
	expect_eq "id" "$((answer & 0xffff))" 1
	doc OPI_REG_BOOT
	for ((i = 0; i < 32; i += 4)); do
		config_read "$bdf" $((cap + 12 + i))
		word=$((answer))
		read_at $((doc + i))
		expect_eq "word $i" "$word" "$answer"
	done
}

SQ=0x100000 CQ=0x101000

# Reset the function and give it an admin queue of 16 commands.
start_queue()
{
	local i

	write_reg DEV_CTRL 0x00010001
	for ((i = 0; i < 100; i++)); do
		read_reg DEV_STATUS
		[ "$answer" != $((0x10001)) ] || break
		qtest clock_step 1000000
	done
	qtest memset $SQ 0x1000 0
	qtest memset $CQ 0x1000 0
	write_reg AQ_SQ_LO $SQ
	write_reg AQ_SQ_HI 0
	write_reg AQ_CQ_LO $CQ
	write_reg AQ_CQ_HI 0
	write_reg AQ_CTRL 0x401
	read_reg AQ_STATUS
	expect_eq "AQ_STATUS" "$answer" 1
	tail=0
}

# command OPCODE: $answer is the status of a command with nothing in it but this and the
# number of the host's own port and function, which are both 1.
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
	answer=$((answer))
}

# Each opcode up to past the last, known or not, and some far away.
commands_in_mode()
{
	local op row denied unknown

	start_card "$1"
	start_queue
	status EPERM
	denied=$status
	status EOPNOTSUPP
	unknown=$status
	for op in {0..130} 255 256 4096 32768 65535; do
		row=${commands[$op]:-}
		command "$op"
		if [ -z "$row" ]; then
			expect_eq "opcode $op, unknown" "$answer" "$unknown"
		elif [[ $row == *$2* ]]; then
			case $answer in
			"$denied"|"$unknown")
				fail "opcode $op is refused with $answer, and the document allows it ($row)" ;;
			esac
		else
			expect_eq "opcode $op, not allowed" "$answer" "$denied"
		fi
	done
}

commands_of_the_host_in_trusted_mode() { commands_in_mode trusted T; }
commands_of_the_host_in_restricted_mode() { commands_in_mode restricted R; }
commands_of_the_host_in_isolated_mode() { commands_in_mode isolated I; }

run_cases "$@"
