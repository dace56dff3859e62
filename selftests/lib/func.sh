# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Functions of the card as tests use them: virtual functions and subfunctions on
# the host, their representors on the DPU, and traffic through several of them.
# Needs bed.sh and net.sh.

# A function's port on the DPU by what devlink calls it: fn_port vf|sf N
fn_port()
{
	dpu devlink -j port show </dev/null | jq -r --arg k "${1}num" --argjson n "$2" \
		'.port | to_entries[] | select(.value[$k] == $n) | .key'
}

# A key of that port, as .function.state: fn_field vf|sf N JQ-PATH
fn_field()
{
	dpu devlink -j port show </dev/null | jq -r --arg k "${1}num" --argjson n "$2" \
		"[.port[] | select(.[\$k] == \$n)][0] | if . then (. | $3) else error(\"no port of it\") end"
}

# await_fn SECONDS vf|sf N JQ-CONDITION on the port, in the guest.
await_fn()
{
	await dpu "$1" "devlink -j port show | jq -e '[.port[] | select(.${2}num == $3)][0] | $4'" || {
		fn_state
		return 1
	}
}

# What both sides know of the functions, and PCI of those on the host.
fn_state()
{
	local vm

	for vm in host dpu; do
		# shellcheck disable=SC2016 # for the guest
		on_sh "$vm" 'echo "--- $0"; opitool dpu show; opitool function show
			for d in $(opitool -j dpu show | jq -r ".[].dev"); do
				devlink health show "$d"; setpci -s "${d#pci/}" COMMAND
			done
			dmesg | tail -n 8' "$vm"
	done >&2
}

# Its representor, and its netdev on the host.
fn_rep() { fn_field "$1" "$2" .netdev; }
vf_dir() { echo "/sys/bus/pci/devices/$(pci_of host)/virtfn$1"; }
vf_if() { host_sh 'ls "$1/net"' "$(vf_dir "$1")"; }
vf_pci() { host_sh 'basename "$(readlink -f "$1")"' "$(vf_dir "$1")"; }

# A key of a function as opitool has it: func_field VM JQ-SELECT JQ-PATH
func_field() { on "$1" opitool -j function show </dev/null | jq -r "[.[] | select($2)][0]$3"; }

# How many VFs the host may have, and has.
max_vfs() { dpu opitool function set pf 0 max-vfs "$1" </dev/null; }
# bash says why a write fails.
set_vfs()
{
	host bash -c 'echo $1 >"/sys/bus/pci/devices/$0/sriov_numvfs"' "$(pci_of host)" "$1" </dev/null
}
num_vfs() { host_sh 'cat "/sys/bus/pci/devices/$1/sriov_numvfs"' "$(pci_of host)"; }

# vfs N: the host has N of at least N allowed VFs, whatever was before.
vfs()
{
	local had

	had=$(host_sh 'f=/sys/bus/pci/devices/$1/sriov_numvfs
		read -r n <$f && echo $n && { [ $n = $2 ] || [ $n = 0 ] || echo 0 >$f; }' "$(pci_of host)" "$1")
	[ "$1" != "$had" ] && [ "$1" != 0 ] || return 0
	dpu_sh 'm=$(opitool -j function show pf 0 | jq ".[].max_vfs") &&
		{ [ "$m" -ge $1 ] || opitool function set pf 0 max-vfs $1; }' "$1"
	set_vfs "$1"
}

# What stands in a network namespace of its own on the host, behind a function:
# fn_netns NAME IF IP.  It comes back with the case's end.
fn_netns()
{
	defer "host ip netns del $1 2>/dev/null || :"
	host_sh 'ip netns del $1 2>/dev/null
		ip netns add $1 && ip link set $2 netns $1 &&
		ip -n $1 address replace $3/24 dev $2 && ip -n $1 link set $2 up && ip -n $1 link set lo up' \
		"$1" "$2" "$3"
}

# vf_net N IP: VF N in a namespace of its own, vfN, and its representor in the bridge.
vf_net()
{
	dpu_sh 'r=$($1/netup find c1pf0vf$2) && ip link set $r master br0 up' "$GUEST" "$1"
	fn_netns "vf$1" "$(vf_if "$1")" "$2"
}

# The representors of functions join the bridge: fn_bridge REP...
fn_bridge()
{
	dpu_sh 'for r; do ip link set $r master br0 up || exit; done' "$@"
}

# ping_from NETNS ADDRESS...: each of them answers.
ping_from()
{
	host_sh 'ns=$1
		shift
		for ip; do
			ip netns exec $ns ping -q -c 2 -i 0.2 -W 10 $ip >/dev/null || { echo "$ns: no answer of $ip" >&2; exit 1; }
		done' "$@"
}
await_ping_from() { await host "$1" "ip netns exec $2 ping -q -c 1 -i 0.5 -w 10 $3"; }

# At the end of the test: other tests use the bed, and expect a card without them.
functions_gone()
{
	# shellcheck disable=SC2016 # for the guests
	{
	on_for 60 host sh -c 'for f in /sys/bus/pci/drivers/opi_core/0000:*/sriov_numvfs; do
			[ ! -e "$f" ] || echo 0 >"$f"
		done'
	on_for 60 dpu sh -c 'devlink -j port show |
			jq -r ".port | to_entries[] | select(.value.flavour == \"pcisf\") | .key" |
			while read -r p; do devlink port del "$p"; done
		opitool function set pf 0 max-vfs 0'
	} >/dev/null 2>&1
}
trap functions_gone EXIT
