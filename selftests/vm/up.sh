#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 200
#
# Boot the bed that all tests in this directory share.  run.sh runs this first.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"

CASES="
	the_bed_comes_up
	both_run_the_kernel_that_was_asked_for
	both_have_their_driver_loaded
"

the_bed_comes_up()
{
	local started=$SECONDS

	if [ -n "${OPI_KEEP_BED:-}" ] && [ "$(bed_state | jq -r .kernel)" = "$OPI_KERNEL" ]; then
		bed_ready
		return
	fi
	tb down
	OPI_BOOT_TIMEOUT=$(secs 120) tb up --kernel "$OPI_KERNEL"
	# No bound here but that of the boot: how fast the builder is, nobody knows.
	note "up after $((SECONDS - started)) s"
}

both_run_the_kernel_that_was_asked_for()
{
	local want vm

	want=$(bash -c '. "$OPI_TOP/qemu/lib.sh"; opi_kver "$OPI_KERNEL"')
	for vm in host dpu; do
		expect_eq "kernel of $vm" "$(on "$vm" uname -r)" "$want"
	done
}

both_have_their_driver_loaded()
{
	local vm

	for vm in host dpu; do
		on_sh "$vm" 'lsmod | grep -q "^opi_core "'
	done
}

run_cases "$@"
