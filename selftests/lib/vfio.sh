# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Virtual functions that a process on the host has, by VFIO and opi-user.  Needs
# bed.sh, net.sh and func.sh.

# What a process has as its address, on VF 0.
# shellcheck disable=SC2034 # used by tests
USER_IP=10.77.0.120

# How opi-user opens a function: by its group, where VFIO_BY is empty.
VFIO_BY=

# The IOMMU of the bed.
VFIO_IOMMU=on

# vf_bind N DRIVER: opi_core as any function is bound, others by driver_override.
vf_bind()
{
	# shellcheck disable=SC2016 # for the guest
	host_sh '
	d=/sys/bus/pci/devices/$1
	driver() { basename "$(readlink "$d/driver" || echo none)"; }
	if [ "$2" = opi_core ]; then echo >"$d/driver_override"; else modprobe "$(echo "$2" | tr - _)" && echo "$2" >"$d/driver_override"; fi
	[ "$(driver)" = "$2" ] || [ "$(driver)" = none ] || echo "$1" >"$d/driver/unbind"
	[ "$(driver)" = "$2" ] || echo "$1" >/sys/bus/pci/drivers_probe
	[ "$(driver)" = "$2" ] || { echo "$2 does not take $1" >&2; exit 1; }' "$(vf_pci "$1")" "$2"
}

vf_driver() { host_sh 'basename "$(readlink "$1/driver" || echo none)"' "$(vf_dir "$1")"; }

# user N VERB...: opi-user on VF N.
user()
{
	local pci

	pci=$(vf_pci "$1")
	# shellcheck disable=SC2086 # nothing, or an option
	on_for 60 host opi-user $VFIO_BY "$pci" "${@:2}"
}

# user_bg NAME N VERB...: the same in the background, as soon as it is ready.
user_bg()
{
	local name=$1 pci

	pci=$(vf_pci "$2")
	# shellcheck disable=SC2086
	bg "$name" host opi-user $VFIO_BY "$pci" "${@:3}"
	wait_for 20 said "$name" ready
}

# user_ends NAME STATUS ERE: it does, with that status, and has said so.
user_ends()
{
	local rc=0

	wait_for 20 eval "! kill -0 \$bg_$1"
	bg_wait "$1" || rc=$?
	[ "$rc" = "$2" ] || note "$(cat "$CASE_DIR/$1")"
	expect_eq "status of opi-user" "$rc" "$2"
	expect_match "words of opi-user" "$(cat "$CASE_DIR/$1")" "$3"
}

# VF 0 is the process's, VF 1 has its netdev.
functions_up()
{
	net_up
	vfs 2
	vf_bind 0 vfio-pci
	vf_bind 1 opi_core
	fn_bridge "$(fn_rep vf 0)" "$(fn_rep vf 1)"
}

other_up()
{
	fn_netns other "$(vf_if 1)" 10.77.0.111
	await_ping_from 20 other "$DPU_IP"
}

migratable() { dpu devlink port function set "$(fn_port vf "$1")" migratable "$2" </dev/null; }

# What the kernel has said since there were so many lines: log_since COUNT.
log_lines() { host_sh 'dmesg | wc -l'; }
log_since() { host_sh 'dmesg | tail -n +$(($1 + 1))' "$1"; }

# A change of state that fails needs a reset, and the driver says so.
way_lines='opi_vfio_pci [0-9a-f:.]+: no way from [a-z0-9-]+ to [a-z0-9-]+: -[0-9A-Z]+, a reset helps'

# VF 0 and VF 1 are of processes, and can be moved.
migration_up()
{
	local n

	net_up
	vfs 2
	for n in 0 1; do
		migratable "$n" enable
		vf_bind "$n" opi_vfio_pci
	done
	fn_bridge "$(fn_rep vf 0)" "$(fn_rep vf 1)"
	expect_log host "$way_lines"
}

# ---- cases that each test with a bed of its own begins and ends with

the_bed_comes_up()
{
	OPI_BOOT_TIMEOUT=$(secs 120) tb up --kernel "$OPI_KERNEL" --iommu "$VFIO_IOMMU"
	net_up
	# Or there are no interrupts for processes where the IOMMU does not look after them.
	[ "$VFIO_IOMMU" = on ] || host modprobe vfio_iommu_type1 allow_unsafe_interrupts=1 </dev/null
}

modules_unload()
{
	net_up
	vfs 0
	# Not modprobe -r, which takes opi_core with it.
	host_sh 'rmmod opi_vfio_pci && modprobe -r vfio_pci vfio_pci_core && modprobe -r opi_core && ! lsmod | grep -E "^(opi|vfio_pci)" && modprobe opi_core'
}

both_kernels_are_content()
{
	local vm

	are_content host dpu
	for vm in host dpu; do
		expect_eq "errors in the log of $vm" "$(kernel_errors "$vm" | grep -vE "DMAR|fault from EP")" ""
	done
	net_up
	ping_works host "$DPU_IP"
}
