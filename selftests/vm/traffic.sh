#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 240
# soak: each_queue_answers_at_once all_is_well_while_everything_changes@100
# debug: all_is_well_while_everything_changes
# order: 39
#
# Traffic of all kinds, both ways, over all queues, every byte of it checked, while
# everything about the netdevs changes at random and the drivers go and come: nothing is
# corrupted, nothing stands still, and all memory is given back.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/data.sh"

CASES="
	the_checker_finds_what_is_wrong
	a_lost_doorbell_is_found_while_traffic_flows
	an_interrupt_that_was_lost_is_found
	each_queue_answers_at_once
	all_is_well_while_everything_changes
"

PORT=5200
# What the programs need not bear, they are told by this file.
PAUSE=/run/traffic-pause
# shellcheck disable=SC2034 # for lib/net.sh
WITHOUT_UPLINK=1

before_case()
{
	net_up
	# The same seed makes the same changes.
	RANDOM=$OPI_SEED
}

# pick VARIABLE VALUE...: one of them.
pick()
{
	local -n picked=$1
	shift
	# shellcheck disable=SC2034 # the caller's
	picked=${*:RANDOM % $# + 1:1}
}

# serve VM [OPTION...]; run VM IP SECONDS [OPTION...]: in the background.
serve()
{
	bg "serve_$1" "$1" "$GUEST/traffic" serve "$PORT" -s "$OPI_SEED" -g "$(secs "$MAX_GAP")" -p "$PAUSE" "${@:2}"
	wait_for 10 said "serve_$1" listening
}

run()
{
	bg "run_$1" "$1" "$GUEST/traffic" run "$2" "$PORT" "$3" -s "$OPI_SEED" -g "$(secs "$MAX_GAP")" -p "$PAUSE" "${@:4}"
}

# Each program that stopped has found something, and the one at its other end then
# finds that.
programs="serve_host serve_dpu run_host run_dpu watch_host watch_dpu"
all_well()
{
	local name pid

	for name in $programs; do
		pid=bg_$name
		kill -0 "${!pid}" 2>/dev/null || break
	done
	! kill -0 "${!pid}" 2>/dev/null || return 0
	sleep 1
	for name in $programs; do
		[ ! -s "$CASE_DIR/$name.err" ] || note "$name: $(cat "$CASE_DIR/$name.err")"
	done
	net_state
	fail "traffic ended early"
}

ended_well()
{
	local name

	for name in run_host run_dpu serve_host serve_dpu; do
		bg_end "$name"
		note "$name: $(tail -n 1 "$CASE_DIR/$name")"
	done
}

# bg_end NAME: end what ends well when it is told to, in its time.
bg_end()
{
	local vm="bgvm_$1"

	on_sh "${!vm}" 'kill $(cat /run/bg-$1)' "$1"
	bg_wait "$1"
}

# fault NAME COUNT, for the rest of the case.
fault()
{
	defer "tb fault $1 0"
	tb fault "$1" "$2"
}

# found NAME ERE: it has ended with an error, and said why.
found()
{
	local rc=0

	bg_wait "$1" || rc=$?
	expect_eq "status of $1" "$rc" 1
	expect_match "$1" "$(cat "$CASE_DIR/$1.err")" "$2"
}

the_checker_finds_what_is_wrong()
{
	local kind errors

	run_on_host() { host "$GUEST/traffic" run ::1 "$PORT" "$@" -s "$OPI_SEED" </dev/null; }
	serve host
	run_on_host 1
	expect_match "kept" "$(run_on_host 2 -u 0 -k)" '"connections":4,'
	bg_stop serve_host
	bg_wait serve_host
	# A bit of one byte, whoever sends it.
	for kind in "-t 0" "-u 0" "-u 0 -k"; do
		serve host
		# shellcheck disable=SC2086 # words on purpose
		run_on_host 20 $kind -e 20 2>/dev/null || :
		found serve_host 'wrong byte'
		serve host -e 20
		# shellcheck disable=SC2086 # words on purpose
		refused 'wrong byte' run_on_host 20 $kind
		bg_stop serve_host
	done
	# One that does not answer, and one that does not answer in time.
	serve host
	defer "host pkill -KILL -x traffic"
	host pkill -STOP -x traffic </dev/null
	refused 'stands still' run_on_host 20 -u 0 -g 1
	refused 'stands still' run_on_host 20 -t 0 -g 1
	refused 'stands still' run_on_host 20 -t 0 -w 1 -o -g 1
	# A checksum that is wrong.
	errors=$(csum_errors host)
	host python3 -c 'import socket, struct
socket.socket(socket.AF_INET, socket.SOCK_RAW, 17).sendto(struct.pack("!4H", 9, 9, 8, 1), ("127.0.0.1", 0))' </dev/null
	expect_eq "wrong checksums" "$(csum_errors host)" $((errors + 1))
}

# if_of VM: the netdev that has the queues of that side.
if_of() { if [ "$1" = host ]; then echo "$HIF"; else echo "$P0"; fi; }

# What the driver has made good itself, perhaps before anybody noticed: notifications
# that did not come, interrupts that did not, and queues that did not send and were made
# anew.  All of them begin at 0 when the driver is loaded.
made_good='{ ethtool -S $1; devlink health diagnose pci/$(basename "$(readlink "/sys/class/net/$1/device")") reporter fw; } 2>/dev/null |
	awk "{ for (i = 1; i < NF; i++) if (\$i ~ /_lost_irqs:/) unsaid += \$(i + 1); else if (\$i == \"lost_irqs:\") lost += \$(i + 1);
		else if (\$i ~ /_restarts:/) hung += \$(i + 1) } END { print \"unsaid \" unsaid + 0 \", interrupts \" lost + 0 \", hung \" hung + 0 }"'
NOTHING="unsaid 0, interrupts 0, hung 0"

made_good() { on_sh "$1" "$made_good" "$(if_of "$1")"; }
nothing_was_made_good() { expect_eq "what was made good on $1" "$(made_good "$1")" "$NOTHING"; }

# The same in the background, all the time.
watch()
{
	bg "watch_$1" "$1" sh -c 'while sleep 2; do
			found=$('"$made_good"')
			[ "$found" = "$0" ] || { echo "made good: $found" >&2; exit 1; }
		done' "$NOTHING" "$(if_of "$1")"
}

# The card does not look at what was sent until the driver finds that out, which takes
# it longer than this.
a_lost_doorbell_is_found_while_traffic_flows()
{
	local vm

	for vm in host dpu; do
		expect_log "$vm" '(opi_core 0000:[0-9a-f:.]+ )?[a-z0-9]+.*: (NETDEV WATCHDOG: CPU|queue [0-9]+ does not send)'
		if [ "$vm" = host ]; then
			serve dpu
			run host "$DPU_IP" 100 -t 0 -u 8 -w 1 -o -g 3
			fault db-drop 1
		else
			serve host
			run dpu "$HOST_IP6" 100 -t 0 -u 8 -w 1 -o -g 3
			fault soc-db-drop 1
		fi
		found "run_$vm" 'socket .* stands still: nothing (answered|received) for [345]'
		reload "$vm"
	done
}

# The driver looks for such work each second, and counts what it finds.
an_interrupt_that_was_lost_is_found()
{
	reload host
	serve dpu
	run host "$DPU_IP" 100 -t 0 -u 4 -w 1 -o
	watch host
	fault msix-drop 1
	found watch_host 'interrupts 1,'
	refused 'made good on host' nothing_was_made_good host
	bg_end run_host
}

# Few flows, one datagram each, and no second try: a wake-up that is lost is not made
# good by anything that comes later.
each_queue_answers_at_once()
{
	local i usecs before

	defer "host ethtool -L $HIF combined $(host nproc </dev/null); dpu ethtool -L $P0 combined $(dpu nproc </dev/null)"
	defer "host ethtool -C $HIF adaptive-rx off rx-usecs 0 rx-frames 1; dpu ethtool -C $P0 adaptive-rx off rx-usecs 0 rx-frames 1"
	host ethtool -L "$HIF" combined 4 </dev/null
	dpu ethtool -L "$P0" combined 4 </dev/null
	before="host: $(made_good host), dpu: $(made_good dpu)"
	serve host
	serve dpu
	for ((i = 0; i < $(times 2); i++)); do
		run host "$DPU_IP" 3 -t 0 -u 2 -w 1 -o -g "$(secs 2)"
		run dpu "$HOST_IP6" 3 -t 0 -u 2 -w 1 -o -g "$(secs 2)"
		for usecs in 1 100 0; do
			host ethtool -C "$HIF" rx-usecs "$usecs" rx-frames $((usecs / 10 + 1)) </dev/null
			dpu ethtool -C "$P0" rx-usecs "$usecs" rx-frames $((usecs / 10 + 1)) </dev/null
		done
		bg_wait run_host
		bg_wait run_dpu
		expect_match "answers" "$(cat "$CASE_DIR/run_host" "$CASE_DIR/run_dpu")" '"answers":[0-9]{2,}'
	done
	expect_eq "what was made good" "host: $(made_good host), dpu: $(made_good dpu)" "$before"
}

# ---- changes ----------------------------------------------------------------

# What the changes have made of it.
MTU=1500 XDP='' CHANNELS=''

# Sets VM and IF.
pick_side()
{
	pick VM host dpu
	IF=$(if_of "$VM")
}

# What is going on, for who looks for the reason of a failure.
change() { note "$((SECONDS - BEGAN)) s: $*"; }

change_rings()
{
	local rx tx

	pick_side
	pick rx 32 64 128 256 512 1024 2048
	pick tx 32 64 128 256 512 1024 2048
	change "$VM: rings of $rx and $tx"
	on "$VM" ethtool -G "$IF" rx "$rx" tx "$tx" </dev/null
}

change_channels()
{
	local n

	pick_side
	pick n 1 2 3 4
	change "$VM: $n channels"
	[ "$VM" = dpu ] || host ethtool -X "$HIF" default </dev/null
	on "$VM" ethtool -L "$IF" combined "$n" </dev/null
	[ "$VM" = dpu ] || CHANNELS=$n
}

change_rss()
{
	local what key i

	pick what default equal key
	change "host: RSS $what"
	case $what in
	default) host ethtool -X "$HIF" default </dev/null ;;
	equal) host ethtool -X "$HIF" equal $((RANDOM % CHANNELS + 1)) </dev/null ;;
	key)
		key=$(printf '%02x' $((RANDOM & 255)))
		for ((i = 1; i < 40; i++)); do
			printf -v key '%s:%02x' "$key" $((RANDOM & 255))
		done
		host ethtool -X "$HIF" hkey "$key" </dev/null
		;;
	esac
}

set_mtu()
{
	host ip link set "$HIF" mtu "$MTU" </dev/null
	dpu_sh 'ip link set $1 mtu $2 && ip link set br0 mtu $2' "$REP" "$MTU"
}

change_mtu()
{
	pick MTU 1280 1500 3000 9000
	[ -z "$XDP" ] || [ "$MTU" != 9000 ] || MTU=3498
	change "MTU $MTU"
	set_mtu
}

change_coalescing()
{
	local how

	pick_side
	pick how 'adaptive-rx on' 'adaptive-rx off rx-usecs 0 rx-frames 1' \
		'adaptive-rx off rx-usecs 100 rx-frames 8' 'adaptive-rx off rx-usecs 2000 rx-frames 64'
	change "$VM: $how"
	# shellcheck disable=SC2086 # words on purpose
	on "$VM" ethtool -C "$IF" $how </dev/null
}

change_features()
{
	local f state

	pick_side
	[ "$VM" = host ] || IF=$REP
	pick f tx-checksum-ip-generic tx-tcp-segmentation tx-tcp6-segmentation tx-udp-segmentation \
		tx-vlan-offload rx-checksumming rx-gro-hw rx-vlan-offload scatter-gather rx-gro
	pick state off on
	change "$VM: $f $state"
	# What another feature needs or forbids is not done.
	on "$VM" ethtool -K "$IF" "$f" "$state" </dev/null >/dev/null 2>&1 || :
}

change_xdp()
{
	local kind

	pick kind pass drop tx off
	change "host: XDP $kind"
	if [ "$kind" = off ]; then
		xdp_off
		XDP=''
	elif [ "$MTU" -gt 3498 ]; then
		refused 'too large' xdp "$kind"
	else
		xdp "$kind"
		XDP=$kind
	fi
}

# outage COMMAND...: with pauses only until it is over, and then all is there.
outage()
{
	on_sh host "touch $PAUSE"
	on_sh dpu "touch $PAUSE"
	"$@"
	await_ping host "$MAX_GAP" "$DPU_IP"
	await_ping dpu "$MAX_GAP" "$HOST_IP6"
	on_sh host "rm -f $PAUSE"
	on_sh dpu "rm -f $PAUSE"
}

net_up_again()
{
	dpu_net_up
	host_net_up
	MTU=1500
}

reload()
{
	on_sh "$1" 'modprobe -r opi_core && modprobe opi_core'
	net_up_again
	[ "$1" = dpu ] || XDP='' CHANNELS=$(host nproc </dev/null)
}

pci_reset() { on_sh "$1" 'echo 1 >/sys/bus/pci/devices/$1/reset' "$(pci_of "$1")"; }

down_and_up()
{
	on "$VM" ip link set "$IF" down </dev/null
	net_up_again
}

change_all()
{
	local what

	pick_side
	pick what reload pci_reset down_and_up
	change "$VM: $what"
	# Who reloads the driver begins to count anew.
	nothing_was_made_good "$VM"
	outage "$what" "$VM"
}

# ---- what must not change -----------------------------------------------------

# Of IPv4 (names in a line, then their numbers) and IPv6.
csum_errors()
{
	on_sh "$1" 'awk "FILENAME ~ /6/ { if (/InCsumErrors/) s += \$2; next }
		\$2 ~ /[A-Za-z]/ { split(\$0, name); next }
		{ for (i = 2; i <= NF; i++) if (name[i] == \"InCsumErrors\") s += \$i }
		END { print s + 0 }" /proc/net/snmp /proc/net/snmp6'
}

# memory VM: KiB available, KiB of slabs that cannot be reclaimed.
memory()
{
	on_sh "$1" 'for i in 1 2 3; do
			sync
			echo 3 >/proc/sys/vm/drop_caches
			for f in /sys/kernel/slab/*/shrink; do echo 1 >$f; done
			sleep 0.3
		done
		awk "/^(MemAvailable|SUnreclaim):/ { print \$2 }" /proc/meminfo | xargs'
}

# What it is without drivers.
measure()
{
	local vm

	for vm in host dpu; do
		on_sh "$vm" 'modprobe -r opi_core'
	done
	for vm in host dpu; do
		memory "$vm" >"$CASE_DIR/memory-$vm"
	done
	net_up_again
}

# memory_returned VM: within what differs between any two moments, of 1 GiB.
memory_returned()
{
	local a b

	read -ra a <"$CASE_DIR/memory-$1"
	read -ra b <<<"$(memory "$1")"
	echo "$1: available ${a[0]} -> ${b[0]} KiB, slabs ${a[1]} -> ${b[1]} KiB"
	[ $((a[0] - b[0])) -lt 8192 ] && [ $((b[1] - a[1])) -lt 4096 ]
}

# Nor are there buffers left of what was received.  Some things are freed later.
memory_is_back()
{
	local vm

	for vm in host dpu; do
		on_sh "$vm" 'modprobe -r opi_core'
	done
	await host 20 "[ \$($GUEST/netdevq --left-pools) = 0 ]"
	for vm in host dpu; do
		wait_for 20 memory_returned "$vm"
		note "$(cat "$CASE_DIR/wait")"
	done
	# It can be seen that it is not.
	host_sh 'head -c 24M /dev/zero >/dev/shm/kept'
	refused 'available' memory_returned host
	host_sh 'rm /dev/shm/kept'
}

# Each queue of the host received something from one moment to another.
all_queues_were_used()
{
	local q before=()

	host ethtool -X "$HIF" default </dev/null
	host ethtool -L "$HIF" combined 4 </dev/null
	for q in 0 1 2 3; do
		before+=("$(estat host "$HIF" "qp${q}_rx_packets")")
	done
	for q in 0 1 2 3; do
		wait_for 10 queue_counts "$q" "${before[q]}"
	done
}
queue_counts() { [ "$(estat host "$HIF" "qp$1_rx_packets")" -gt "$2" ]; }

answered()
{
	bg_stop "$1" INT
	expect_match "$1" "$(tail -n 3 "$CASE_DIR/$1")" '[1-9][0-9]* received'
	! said "$1" 'wrong data byte' || fail "$(grep -A 3 'wrong data byte' "$CASE_DIR/$1")"
}

# While a netdev is away, its network must not be looked for on another one: what
# answers there ends connections.  So does what is behind the uplink.
no_other_way()
{
	local vm

	for vm in host dpu; do
		defer "on_sh $vm 'ip route del unreachable ${HOST_IP%.*}.0/24 metric 9999; ip route del unreachable ${HOST_IP6%::*}::/64 metric 9999'"
		on_sh "$vm" 'ip route add unreachable $1.0/24 metric 9999 && ip route add unreachable $2::/64 metric 9999' \
			"${HOST_IP%.*}" "${HOST_IP6%::*}"
	done
}

all_is_well_while_everything_changes()
{
	local length end what n=0 errors

	no_other_way
	defer "[ -e $CASE_DIR/reloaded ] || { reload host; reload dpu; }"
	defer "on_sh host 'rm -f $PAUSE'; on_sh dpu 'rm -f $PAUSE'"
	defer "xdp_off"
	bpffs
	# With what is before and after them, a minute and two hours.
	length=$(($(times 72) - 42))
	CHANNELS=$(host nproc </dev/null)
	# Once through all that is allocated the first time and kept.
	serve dpu
	run host "$DPU_IP" 3
	bg_wait run_host
	bg_stop serve_dpu
	measure
	errors="$(csum_errors host) $(csum_errors dpu)"

	watch host
	watch dpu
	serve host
	serve dpu
	run host "$DPU_IP" $((length * 100)) -u 6
	run dpu "$HOST_IP6" $((length * 100)) -u 6
	bg ping_host host ping -i 0.1 -s 1200 "$DPU_IP6"
	bg ping_dpu dpu ping -i 0.1 -s 4000 "$HOST_IP"
	# For the XDP programs, which have an eye on these only.
	bg for_xdp dpu sh -c 'while :; do
		'"$GUEST"'/frames send $('"$GUEST"'/netup find c1pf0) -d $0 -n 100 -l 60,300,1280 -p 5000 2>/dev/null
		sleep 0.2
	done' "$(host cat "/sys/class/net/$HIF/address" </dev/null)"
	BEGAN=$SECONDS
	end=$((SECONDS + length))
	while [ "$SECONDS" -lt "$end" ]; do
		pick what rings rings channels channels rss mtu mtu coalescing coalescing features features features xdp xdp all
		"change_$what"
		all_well
		n=$((n + 1))
	done
	note "$n changes"
	all_queues_were_used
	answered ping_host
	answered ping_dpu
	ended_well
	nothing_was_made_good host
	nothing_was_made_good dpu
	expect_eq "wrong checksums" "$(csum_errors host) $(csum_errors dpu)" "$errors"
	bg_stop for_xdp
	xdp_off
	memory_is_back
	net_up_again
	touch "$CASE_DIR/reloaded"
}

run_cases "$@"
