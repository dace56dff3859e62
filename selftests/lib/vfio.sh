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
	expect_eq "status of opi-user" "$rc" "$2"
	expect_match "words of opi-user" "$(cat "$CASE_DIR/$1")" "$3"
}
