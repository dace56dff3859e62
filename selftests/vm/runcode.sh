#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 200
# soak: pages_of_code_run_as_they_were_sent pages_of_code_run_on_the_host_too
# soak: programs_run_as_they_were_sent
# debug: none
# order: 33
#
# Machine code that arrives over the card runs on the DPU as it was sent.  The
# card writes the DPU's memory from another process; an emulated CPU that had
# translated what stood there before must not run the old translation.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"

CASES="
	pages_of_code_run_as_they_were_sent
	pages_of_code_run_on_the_host_too
	programs_run_as_they_were_sent
	wrong_code_is_noticed
"

before_case() { net_up; }

# code FROM TO IP SEED-OF-SENDER SEED-OF-RUNNER
code()
{
	local rounds

	rounds=$(times 20)
	bg run "$2" sh -c 'nc -l -p 5004 | '"$GUEST"'/runcode run $0 64 $1' "$5" "$rounds"
	await "$2" 10 'ss -ltn | grep -q :5004'
	on_sh "$1" "$GUEST"'/runcode make $1 64 $2 | timeout $4 nc -N $3 5004' "$4" "$rounds" "$3" "$(secs 60)"
	bg_wait run
	said run "^64 pages of code in $rounds rounds, 0 wrong"
}

pages_of_code_run_as_they_were_sent() { code host dpu "$DPU_IP" "$OPI_SEED" "$OPI_SEED"; }
pages_of_code_run_on_the_host_too() { code dpu host "$HOST_IP" "$OPI_SEED" "$OPI_SEED"; }

# A file that is a program, again and again with another content and the same
# name, so that its pages come and go in the page cache.
programs_run_as_they_were_sent()
{
	local i n

	n=$(times 10)
	host_sh 'cat >/tmp/prog.py <<-"P"
import struct, sys
# The smallest ELF program: exit(N), padded to a few pages.
n = int(sys.argv[1])
code = b"\xbf" + struct.pack("<I", n) + b"\xb8\x3c\x00\x00\x00\x0f\x05"
base = 0x400000
eh = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
ph = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, 12288, 12288, 4096)
sys.stdout.buffer.write((eh + ph + code).ljust(12288, bytes([n])))
P'
	for ((i = 1; i <= n; i++)); do
		bg recv dpu sh -c 'nc -l -p 5005 >/tmp/prog'
		await dpu 10 'ss -ltn | grep -q :5005'
		host_sh 'python3 /tmp/prog.py $2 | timeout $3 nc -N $1 5005' "$DPU_IP" $((i % 120 + 1)) "$(secs 20)"
		bg_wait recv
		rc=0
		dpu_sh 'chmod 755 /tmp/prog; /tmp/prog' || rc=$?
		expect_eq "status of program $i" "$rc" $((i % 120 + 1))
	done
}

wrong_code_is_noticed()
{
	refused 'not all pages|returned|status' code host dpu "$DPU_IP" 1 2
}

run_cases "$@"
