#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 500
# soak: programs_come_and_go_under_traffic
# debug: a_program_redirects_frames programs_come_and_go_under_traffic
# debug: a_program_survives_a_reset_and_new_queues
# order: 36
#
# XDP on the host's netdev: programs that drop, pass, change, answer and redirect
# frames, and netdevs that frames are redirected to; what does not fit is refused.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/data.sh"

CASES="
	the_features_are_shown
	a_program_passes_frames
	a_program_drops_frames
	a_program_answers_frames
	a_program_shortens_frames
	a_program_redirects_frames
	frames_are_redirected_to_the_netdev
	aborted_frames_are_counted
	an_unknown_verdict_drops
	streams_pass_a_program
	programs_come_and_go_under_traffic
	an_mtu_that_does_not_fit_is_refused
	unsegmented_frames_are_off_while_a_program_is_there
	a_program_survives_a_reset_and_new_queues
	generic_and_native_do_not_mix
	the_dpus_netdevs_have_generic_mode_only
"

before_case()
{
	net_up
	bpffs
	defer "xdp_off"
}

frames() { on "$1" "$GUEST/frames" "${@:2}" -s "$OPI_SEED" </dev/null; }
mac() { on "$1" cat "/sys/class/net/$2/address" </dev/null; }

# to_host COUNT [OPTION...]: frames of the type that programs act upon.
to_host() { frames dpu send "$REP" -d "$(mac host "$HIF")" -n "$1" -p 2000 "${@:2}"; }

# count COUNTER of the host's queues, when it has come to MIN.
reaches()
{
	wait_for 10 reached "$1" "$2"
}
reached() { [ "$(qstat host "$HIF" "$1")" -ge "$2" ]; }

the_features_are_shown()
{
	# basic, redirect, ndo-xmit
	expect_eq "XDP features of the host" "$(host "$GUEST/netdevq" "$HIF" </dev/null | jq .xdp_features)" 7
}

a_program_passes_frames()
{
	xdp pass
	bg recv host "$GUEST/frames" recv "$HIF" -n 300 -s "$OPI_SEED" -t "$(secs 20)"
	wait_for 10 said recv listening
	to_host 300 -l 14,60,255,256,257,1000,1514
	bg_wait recv || fail "$(cat "$CASE_DIR/recv")"
	ping_works host "$DPU_IP"
}

a_program_drops_frames()
{
	local n

	xdp drop
	n=$(qstat host "$HIF" xdp_drop)
	bg recv host "$GUEST/frames" recv "$HIF" -n 1 -s "$OPI_SEED" -t "$(secs 5)"
	wait_for 10 said recv listening
	to_host 500 -l 60,1514
	reaches xdp_drop $((n + 500))
	! bg_wait recv || fail "a frame came through"
	ping_works host "$DPU_IP"
}

a_program_answers_frames()
{
	local n

	xdp tx
	n=$(qstat host "$HIF" xdp_tx)
	bg recv dpu "$GUEST/frames" recv "$REP" -n 1000 -s "$OPI_SEED" -t "$(secs 30)"
	wait_for 10 said recv listening
	to_host 1000 -l 60,61,300,1514
	bg_wait recv || fail "$(cat "$CASE_DIR/recv")"
	reaches xdp_tx $((n + 1000))
	ping_works host "$DPU_IP"
}

a_program_shortens_frames()
{
	xdp shorten
	bg sniff host timeout "$(secs 20)" tcpdump -nnxx -c 1 -i "$HIF" ether proto 0x88b6
	wait_for 10 grep -q 'listening on' "$CASE_DIR/sniff.err"
	to_host 4 -l 200
	bg_wait sniff
	expect_match "length" "$(cat "$CASE_DIR/sniff")" 'length 184'
}

# A pair of netdevs of the host, to send from and to receive on.
veth()
{
	defer "host ip link del xv0"
	host_sh 'ip link add xv0 numtxqueues 4 numrxqueues 4 type veth peer name xv1 numtxqueues 4 numrxqueues 4 &&
		ip link set xv0 up && ip link set xv1 up && ethtool -K xv1 gro on'
}

a_program_redirects_frames()
{
	local n

	veth
	xdp redirect xv0
	n=$(qstat host "$HIF" xdp_redirect)
	bg recv host "$GUEST/frames" recv xv1 -n 500 -s "$OPI_SEED" -t "$(secs 20)"
	wait_for 10 said recv listening
	to_host 500 -l 60,1000,1514
	bg_wait recv || fail "$(cat "$CASE_DIR/recv")"
	reaches xdp_redirect $((n + 500))
}

frames_are_redirected_to_the_netdev()
{
	local n

	veth
	host_sh 'rm -f $2-x; '"$GUEST"'/xdpprog redirect $2-x $1 && ip link set dev xv1 xdpdrv pinned $2-x' "$HIF" "$PIN"
	n=$(qstat host "$HIF" xdp_xmit)
	bg recv dpu "$GUEST/frames" recv "$REP" -n 500 -s "$OPI_SEED" -t "$(secs 20)"
	wait_for 10 said recv listening
	frames host send xv0 -n 500 -l 60,1000,1514 -p 2000
	bg_wait recv || fail "$(cat "$CASE_DIR/recv")"
	[ "$(qstat host "$HIF" xdp_xmit)" -ge $((n + 500)) ]
	# Without carrier nothing is taken, and nothing breaks.
	dpu ip link set "$REP" down </dev/null
	frames host send xv0 -n 50 -l 60
	dpu ip link set "$REP" up </dev/null
	await_ping host 10 "$DPU_IP"
	host_sh 'rm -f $1-x' "$PIN"
}

aborted_frames_are_counted()
{
	local n

	xdp abort
	n=$(qstat host "$HIF" xdp_errors)
	to_host 100
	reaches xdp_errors $((n + 100))
	ping_works host "$DPU_IP"
}

an_unknown_verdict_drops()
{
	local n

	expect_log host 'Illegal XDP return value 77|invalid_xdp_action'
	xdp unknown
	n=$(qstat host "$HIF" xdp_errors)
	to_host 100
	reaches xdp_errors $((n + 100))
	ping_works host "$DPU_IP"
}

streams_pass_a_program()
{
	xdp drop
	stream dpu host "$HOST_IP" 3000000
	stream host dpu "$DPU_IP" 3000000
	stream dpu host "$HOST_IP6" 1000000
	datagrams dpu host "$HOST_IP" 800 1400 16
	datagrams host dpu "$DPU_IP" 800 1400 16
}

come_and_go()
{
	local i

	for ((i = 0; i < $(times 6); i++)); do
		xdp pass
		xdp drop
		xdp_off
	done
}

programs_come_and_go_under_traffic()
{
	local a b

	gaps_start host "$DPU_IP"
	start_stream host dpu "$DPU_IP" 10
	a=$STREAM_PORT
	start_stream dpu host "$HOST_IP" 10
	b=$STREAM_PORT
	come_and_go
	end_stream "$a"
	end_stream "$b"
	gaps_end host
}

an_mtu_that_does_not_fit_is_refused()
{
	host_sh 'rm -f $2; '"$GUEST"'/xdpprog pass $2; ip link set $1 mtu 9000' "$HIF" "$PIN"
	refused 'MTU 9000 is too large' host ip link set dev "$HIF" xdpdrv pinned "$PIN"
	host ip link set "$HIF" mtu 3498 </dev/null
	host ip link set dev "$HIF" xdpdrv pinned "$PIN" </dev/null
	refused 'mtu|Invalid' host ip link set "$HIF" mtu 3499
	dpu_sh 'ip link set $1 mtu 3498; ip link set br0 mtu 3498' "$REP"
	host ping -q -c 2 -i 0.2 -W 5 -M 'do' -s 3470 "$DPU_IP" </dev/null
	host ip link set dev "$HIF" xdp off </dev/null
	host ip link set "$HIF" mtu 9000 </dev/null
}

unsegmented_frames_are_off_while_a_program_is_there()
{
	local n

	expect_eq "before" "$(feature host "$HIF" rx-gro-hw)" on
	xdp pass
	expect_eq "with a program" "$(feature host "$HIF" rx-gro-hw)" off
	refused '.' host ethtool -K "$HIF" rx-gro-hw on
	n=$(qstat host "$HIF" rx_gso_packets)
	stream dpu host "$HOST_IP" 2000000
	expect_eq "large frames" "$(qstat host "$HIF" rx_gso_packets)" "$n"
	xdp_off
	expect_eq "afterwards" "$(feature host "$HIF" rx-gro-hw)" on
	stream dpu host "$HOST_IP" 4000000
	[ "$(qstat host "$HIF" rx_gso_packets)" -gt "$n" ]
}

a_program_survives_a_reset_and_new_queues()
{
	local n

	xdp drop
	host_sh 'echo 1 >/sys/bus/pci/devices/$1/reset' "$(pci_of host)"
	await_ping host 20 "$DPU_IP"
	n=$(qstat host "$HIF" xdp_drop)
	to_host 50
	reaches xdp_drop $((n + 50))
	defer "host ethtool -L $HIF combined 2"
	host ethtool -L "$HIF" combined 3 </dev/null
	host ethtool -L "$HIF" combined 1 </dev/null
	n=$(qstat host "$HIF" xdp_drop)
	to_host 50
	reaches xdp_drop $((n + 50))
	# The netdev goes with its program.
	host_sh 'modprobe -r opi_core && modprobe opi_core'
	net_up
	expect_eq "after a reload" "$(host ip -j link show dev "$HIF" </dev/null | jq -r '.[0].xdp // "none"')" none
	ping_works host "$DPU_IP"
}

generic_and_native_do_not_mix()
{
	xdp pass
	refused 'same time|Native and generic|exist' host ip link set dev "$HIF" xdpgeneric pinned "$PIN"
}

the_dpus_netdevs_have_generic_mode_only()
{
	dpu_sh 'mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf; rm -f $1; '"$GUEST"'/xdpprog pass $1' "$PIN"
	defer "dpu ip link set dev $REP xdpgeneric off; dpu rm -f $PIN"
	refused 'does not support XDP' dpu ip link set dev "$REP" xdpdrv pinned "$PIN"
	dpu ip link set dev "$REP" xdpgeneric pinned "$PIN" </dev/null
	stream host dpu "$DPU_IP" 500000
}

run_cases "$@"
