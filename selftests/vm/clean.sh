#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 200
#
# After everything else in this bed: both kernels are content, nothing leaked,
# and the driver goes and comes back.  run.sh runs this last.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"

CASES="
	no_task_is_stuck_on_the_host
	no_task_is_stuck_on_the_dpu
	modules_unload_and_reload_on_the_host
	modules_unload_and_reload_on_the_dpu
	traffic_flows_after_that
	the_host_kernel_leaked_nothing
	the_dpu_kernel_leaked_nothing
	the_host_kernel_has_no_complaint
	the_dpu_kernel_has_no_complaint
	both_qemus_have_no_complaint
	the_check_of_complaints_can_fail
"

no_task_is_stuck_on_the_host() { no_stuck_tasks host; }
no_task_is_stuck_on_the_dpu() { no_stuck_tasks dpu; }

reload()
{
	on_sh "$1" 'modprobe opi_vfio_pci && rmmod opi_vfio_pci &&
		modprobe -r opi_core && ! lsmod | grep "^opi_core " &&
		[ ! -e /sys/bus/pci/drivers/opi_core ] &&
		modprobe opi_core && lsmod | grep -q "^opi_core "'
}

modules_unload_and_reload_on_the_host() { reload host; }
modules_unload_and_reload_on_the_dpu() { reload dpu; }
traffic_flows_after_that() { net_up; ping_works host "$DPU_IP"; ping_works dpu "$HOST_IP"; }

the_host_kernel_leaked_nothing() { no_leak host; }
the_dpu_kernel_leaked_nothing() { no_leak dpu; }

# All boots by the serial consoles, which show warnings and worse; the last boot
# by its log, where levels can be told.
no_complaint()
{
	expect_eq "console of $1" "$(bad_log "$1")" ""
	expect_eq "errors in the log of $1" "$(kernel_errors "$1")" ""
}

the_host_kernel_has_no_complaint() { no_complaint host; }
the_dpu_kernel_has_no_complaint() { no_complaint dpu; }

both_qemus_have_no_complaint()
{
	local dir vm

	dir=$(bed_dir)
	for vm in host dpu; do
		# The DPU's QEMU says each time that it finds no card to connect to.
		expect_eq "QEMU of $vm said" "$(grep -vE \
			'^--- started|Unable to connect character device link0: ' "$dir/$vm.err" || :)" ""
	done
}

the_check_of_complaints_can_fail()
{
	local vm words="made up by a test, $$"

	for vm in host dpu; do
		on_sh "$vm" 'echo "<3>opi_core 0000:ff:1f.7: $1" >/dev/kmsg' "$words"
		wait_for 10 bash -c "tail -n 20 '$(bed_dir)/$vm.log' | grep -q '$words'"
		refused "$words" no_complaint "$vm"
		# Not by its words only: nobody else sees one that is not a driver's of ours.
		on_sh "$vm" 'echo "<3>somebody: $1" >/dev/kmsg' "$words"
		refused "somebody: $words" expect_eq errors "$(kernel_errors "$vm")" ""
		expect_log "$vm" "$words"
	done
}

run_cases "$@"
