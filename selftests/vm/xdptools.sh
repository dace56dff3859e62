#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 200
# soak: xdp_trafficgen_sends_through_the_netdev
# debug: none
# order: 37
#
# The programs that people use with XDP (xdp-tools) work on the host's netdev: a
# filter, the redirections of xdp-bench, a generator, a forwarder, a monitor.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/data.sh"

CASES="
	xdp_loader_shows_the_features
	xdp_filter_drops_what_it_is_told_to
	xdp_bench_drops_and_passes
	xdp_bench_answers
	xdp_bench_redirects
	xdp_bench_redirects_to_processors
	xdp_trafficgen_sends_through_the_netdev
	xdp_forward_routes
	xdp_monitor_sees_what_is_aborted
"

# They are built for kernels that describe their types.
if [ "$OPI_KERNEL" = debug ] && [ "$(host_sh '[ -e /sys/kernel/btf/vmlinux ] || echo none')" = none ]; then
	ktap_print_header
	ktap_skip_all "the kernel has no BTF"
	exit "$KSFT_SKIP"
fi

before_case()
{
	net_up
	bpffs
	defer "xdp_off"
}

frames() { on "$1" "$GUEST/frames" "${@:2}" -s "$OPI_SEED" </dev/null; }
mac() { on "$1" cat "/sys/class/net/$2/address" </dev/null; }
to_host() { frames dpu send "$REP" -d "$(mac host "$HIF")" -n "$1" -p 2000 "${@:2}"; }

reached() { [ "$(qstat host "$HIF" "$1")" -ge "$2" ]; }

# What to send from or to besides the netdev.
veth()
{
	defer "host_sh 'ip link del xv0 2>/dev/null || :'"
	host_sh 'ip link add xv0 type veth peer name xv1 && ip link set xv0 up && ip link set xv1 up && ethtool -K xv0 gro on && ethtool -K xv1 gro on'
}

xdp_loader_shows_the_features()
{
	local f

	host xdp-loader features "$HIF" </dev/null >"$CASE_DIR/features"
	for f in NETDEV_XDP_ACT_BASIC NETDEV_XDP_ACT_REDIRECT NETDEV_XDP_ACT_NDO_XMIT; do
		expect_match "features" "$(grep "$f:" "$CASE_DIR/features")" 'yes'
	done
}

xdp_filter_drops_what_it_is_told_to()
{
	defer "host_sh 'xdp-filter unload -a 2>/dev/null || :'"
	host xdp-filter load -m native "$HIF" </dev/null
	expect_match "loaded" "$(host xdp-loader status "$HIF" </dev/null)" 'native'
	ping_works host "$DPU_IP"
	stream dpu host "$HOST_IP" 1000000
	host xdp-filter ip -m src "$DPU_IP" </dev/null
	ping_fails host "$DPU_IP"
	ping_works host "$DPU_IP6"
	host xdp-filter ip -r -m src "$DPU_IP" </dev/null
	ping_works host "$DPU_IP"
	host xdp-filter ether -m src "$(mac dpu br0)" </dev/null
	ping_fails host "$DPU_IP6"
	expect_match "status" "$(host xdp-filter status </dev/null)" "$(mac dpu br0)"
	host xdp-filter ether -r -m src "$(mac dpu br0)" </dev/null
	ping_works host "$DPU_IP6"
	host xdp-filter unload "$HIF" </dev/null
	ping_works host "$DPU_IP"
}

# bench COUNTER COMMAND...: of 400 frames each is counted by driver and program.
bench()
{
	local counter=$1 n
	shift

	n=$(qstat host "$HIF" "$counter")
	bg bench host timeout -s INT "$(secs 60)" stdbuf -oL xdp-bench "$@"
	await host 20 "ip link show dev $HIF | grep -q prog/xdp"
	# Some of its programs are attached later.
	sleep 1
	to_host 400 -l 60,61,300,1000,1514
	wait_for 10 reached "$counter" $((n + 400))
	sleep 1
	bg_stop bench INT
	bg_wait bench || :
	note "$(tail -n 3 "$CASE_DIR/bench")"
	expect_match "frames that it saw" "$(tr -d ',' <"$CASE_DIR/bench" | awk '/Packets received|received *:/ { print $NF }')" '^[1-9][0-9]{2,}'
	await host 10 "! ip link show dev $HIF | grep -q prog/xdp"
}

xdp_bench_drops_and_passes()
{
	bench xdp_drop drop -i 1 -l load-bytes -p read-data "$HIF"
	bench rx_packets pass -i 1 -r -e "$HIF"
}

xdp_bench_answers()
{
	bg recv dpu "$GUEST/frames" recv "$REP" -n 400 -s "$OPI_SEED" -t "$(secs 30)"
	wait_for 10 said recv listening
	bench xdp_tx tx -i 1 "$HIF"
	bg_wait recv || fail "$(cat "$CASE_DIR/recv")"
}

xdp_bench_redirects()
{
	veth
	bg recv host "$GUEST/frames" recv xv1 -n 400 -s "$OPI_SEED" -t "$(secs 60)"
	wait_for 10 said recv listening
	bench xdp_redirect redirect -i 1 -s "$HIF" xv0
	bench xdp_redirect redirect-map -i 1 -s "$HIF" xv0
	bench xdp_redirect redirect-multi -i 1 -s "$HIF" xv0
}

xdp_bench_redirects_to_processors()
{
	bench xdp_redirect redirect-cpu -i 1 -s -c 0 -c 1 -p round-robin "$HIF"
}

xdp_trafficgen_sends_through_the_netdev()
{
	local n sent arrived size

	# shellcheck disable=SC2317 # settled calls it
	account()
	{
		local n

		n=$(estat dpu "$REP" port_rx_frames port_rx_no_buffer)
		echo $((${n/ / + }))
	}
	net_quiet
	for size in 64 1400; do
		sent=$(qstat host "$HIF" xdp_xmit)
		arrived=$(account)
		n=$(times 4000)
		# Its status is 1 after any number that was given.
		host timeout "$(secs 60)" xdp-trafficgen udp -m "$(mac dpu "$REP")" -a "$DPU_IP6" -A "$HOST_IP6" \
			-p 9 -s "$size" -n "$n" "$HIF" </dev/null || [ $? = 1 ]
		arrived=$(($(settled account) - arrived))
		sent=$(($(qstat host "$HIF" xdp_xmit) - sent))
		note "$sent of $n sent, $arrived arrived"
		# What finds the queue full is dropped before.
		expect_range "sent" "$sent" 1000 "$n"
		expect_eq "arrived" "$arrived" "$sent"
	done
}

# From the DPU through the host into a network that only the host knows.
xdp_forward_routes()
{
	local in out

	veth
	defer "host ip netns del behind; dpu ip route del 10.88.0.0/24; host sysctl -qw net.ipv4.ip_forward=0"
	defer "host xdp-forward unload $HIF xv0"
	host_sh 'ip netns add behind && ip link set xv1 netns behind && ip addr add 10.88.0.1/24 dev xv0 &&
		ip -n behind addr add 10.88.0.2/24 dev xv1 && ip -n behind link set xv1 up &&
		ip -n behind route add default via 10.88.0.1 && ip netns exec behind ethtool -K xv1 gro on && sysctl -qw net.ipv4.ip_forward=1'
	dpu ip route add 10.88.0.0/24 via "$HOST_IP" </dev/null
	host xdp-forward load -m native "$HIF" xv0 </dev/null
	# The first ones find no neighbours.
	await_ping dpu 10 "10.88.0.2"
	in=$(qstat host "$HIF" xdp_redirect) out=$(qstat host "$HIF" xdp_xmit)
	dpu ping -q -c 50 -i 0.02 10.88.0.2 </dev/null
	expect_range "redirected" $(($(qstat host "$HIF" xdp_redirect) - in)) 45 1000
	expect_range "sent" $(($(qstat host "$HIF" xdp_xmit) - out)) 45 1000
}

xdp_monitor_sees_what_is_aborted()
{
	local n

	bg monitor host timeout -s INT "$(secs 60)" stdbuf -oL xdp-monitor -i 1 -e
	xdp abort
	sleep 1
	n=$(qstat host "$HIF" xdp_errors)
	to_host 100
	wait_for 10 reached xdp_errors $((n + 100))
	# It has a line for exceptions in any case.
	wait_for 20 said monitor 'XDP_ABORTED'
}

run_cases "$@"
