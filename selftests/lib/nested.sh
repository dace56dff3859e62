# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# A guest inside the host that has a virtual function, and is moved between two of them
# with it.  Needs bed.sh, net.sh, func.sh and vfio.sh.

GUEST_IP=10.77.0.130
GUEST_PORT=7001

# What the disk for it needs of "testbed up".
# shellcheck disable=SC2034,SC2054 # used by tests; QEMU likes commas
NESTED_BED=(
	--host-arg -m --host-arg 1536
	--host-arg -drive --host-arg "if=none,id=nested,file=$OPI_TOP/build/image/nested.ext4,format=raw,readonly=on"
	--host-arg -device --host-arg virtio-blk-pci,drive=nested,serial=nested
)

nested() { host "$GUEST/nested" "$@" </dev/null; }

# The QEMU that has VF N is called vfN: qemu_start N [incoming]
qemu_start()
{
	local options=()

	[ $# -eq 1 ] || options+=("$2")
	# Debian's kernel has no bitmap to give to QEMU.
	[ "$OPI_KERNEL" != stock ] || options+=(no-log)
	nested start "vf$1" "$(vf_pci "$1")" "$GUEST_IP/24" "$GUEST_PORT" "${options[@]}"
}

# VF 0 and VF 1 can be moved.  The guest has one of them, AT; the other, TO, nobody, and
# no way to anybody.
guest_up()
{
	local states n

	net_up
	vfs 2
	read -ra states <<<"$(nested state vf0 vf1)"
	AT=0
	[ "${states[1]}" != running ] || AT=1
	TO=$((1 - AT))
	[ "${states[$TO]}" = gone ] || nested end "vf$TO"
	for n in 0 1; do
		migratable "$n" enable
		vf_bind "$n" opi_vfio_pci
	done
	dpu ip link set "$(fn_rep vf "$TO")" nomaster </dev/null
	fn_bridge "$(fn_rep vf "$AT")"
	if [ "${states[$AT]}" != running ]; then
		[ "${states[$AT]}" = gone ] || nested end "vf$AT"
		nested up
		qemu_start "$AT"
		nested wait "vf$AT" "$(secs 200)"
	fi
	await_ping dpu 60 "$GUEST_IP" || {
		guest_said
		nested end vf0 vf1
		fail "the guest does not answer; the next case starts it anew"
	}
}

# In the background: the DPU lets VF TO have what it gave to VF AT as soon as the state of AT
# has arrived there.
dpu_follows()
{
	bg follow dpu "$GUEST/follow" vf "$AT" vf "$TO"
	wait_for 20 said follow following
}

# What failed is easier to understand with it.
guest_said() { nested said vf0; nested said vf1; } >&2

# ---- checked data ----------------------------------------------------------

# Four connections from the DPU that last until data_ends, of which no byte may be wrong
# and none may stand still for long.
data_begins()
{
	bg data dpu "$GUEST/traffic" run "$GUEST_IP" "$GUEST_PORT" 100000 -k -t 4 -u 0 -g "$(secs 120)"
	data_goes_on
}

# All four of them move, both ways.
data_goes_on()
{
	if ! dpu "$GUEST/flowing" "$GUEST_PORT" 4 20000 "$(secs 100)" </dev/null; then
		cat "$CASE_DIR/data" "$CASE_DIR/data.err" >&2
		guest_said
		fail "the connections do not go on"
	fi
	eval "kill -0 \$bg_data"
}

# What it came to, as JSON: DATA.
data_ends()
{
	# What is on its way arrives first.
	dpu_sh 'kill $(cat /run/bg-data)'
	wait_for 60 eval "! kill -0 \$bg_data"
	bg_wait data
	DATA=$(cat "$CASE_DIR/data")
	note "$DATA"
	expect_eq "connections" "$(jq .connections <<<"$DATA")" 4
}
