#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 600
# order: 45
# soak: many_subfunctions@16,16 subfunctions_come_and_go_under_traffic
# debug: removed_under_traffic taken_away_and_given_back_at_once
# debug: the_hosts_driver_is_unbound_and_bound the_physical_function_is_reset_with_subfunctions_on
#
# Subfunctions: made and configured on the DPU, used on the host as devices on the
# auxiliary bus, withdrawn and removed under traffic, in number, and over resets of
# both sides.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/func.sh"
. "$(dirname -- "$0")/../lib/health.sh"

CASES="
	a_subfunction_is_made_hidden
	exposed_it_is_a_device_on_the_host
	devlink_says_which_card_it_is_of
	traffic_through_several_subfunctions
	withdrawn_under_traffic
	removed_under_traffic
	taken_away_and_given_back_at_once
	subfunctions_come_and_go_under_traffic
	the_hosts_driver_is_unbound_and_bound
	the_physical_function_is_reset_with_subfunctions_on
	the_hosts_driver_is_reloaded_at_each_step
	the_dpus_driver_is_reloaded_at_each_step
	the_host_is_reset_at_each_step
	the_dpu_is_reset_at_each_step
	many_subfunctions
	an_idle_subfunction_is_small
	refuses_what_cannot_be_made
"

# What a case that failed left.
before_case()
{
	net_up
	dpu_sh 'devlink -j port show | jq -r ".port | to_entries[] | select(.value.flavour == \"pcisf\") |
		\"port del \(.key)\"" | devlink -f -b -'
}

sf_add() { dpu devlink port add "pci/$(pci_of dpu)" flavour pcisf controller 1 pfnum 0 sfnum "$1" </dev/null >/dev/null; }

# A shell in the DPU with the port of subfunction N in $p: sf_do N SCRIPT [ARG...], where $1 is
# the first ARG.
sf_do()
{
	dpu_sh 'n=$1 script=$2
		p=$(devlink -j port show | jq -r ".port | to_entries[] | select(.value.sfnum == $n) | .key")
		shift 2
		[ -n "$p" ] || { echo "no port of subfunction $n" >&2; exit 1; }
		eval "$script"' "$@"
}
sf_state() { sf_do "$1" 'devlink port function set $p state $1' "$2"; }
sf_del() { sf_do "$1" 'devlink port del $p'; }
# sf_made N...: made and exposed, and the host has them.
sf_made()
{
	dpu_sh 'dev=$1 limit=$2 await=$3
		shift 3
		for n; do
			devlink port add pci/$dev flavour pcisf controller 1 pfnum 0 sfnum $n >/dev/null || exit
			p=$(devlink -j port show | jq -r ".port | to_entries[] | select(.value.sfnum == $n) | .key")
			devlink port function set $p state active || exit
		done
		for n; do
			"$await" "$limit" "devlink -j port show |
				jq -e \".port[] | select(.sfnum == $n) | .function.opstate == \\\"attached\\\"\"" || exit
		done' "$(pci_of dpu)" "$(secs 20)" "$GUEST/await" "$@" || {
		fn_state
		return 1
	}
}

# A shell in the host with the device of subfunction N in $d, as sysfs has it: sf_host N SCRIPT
# [ARG...], where $1 is the first ARG.
sf_host()
{
	host_sh 'n=$1 script=$2
		shift 2
		for d in /sys/bus/auxiliary/devices/opi_core.sf.*; do
			read -r num 2>/dev/null <$d/sfnum && [ "$num" = "$n" ] || continue
			eval "$script"
			exit
		done
		echo "no device of subfunction $n" >&2
		exit 1' "$@"
}
sf_dev() { sf_host "$1" 'echo $d'; }
sf_if() { sf_host "$1" 'ls $d/net'; }
sf_address() { sf_host "$1" 'cat $d/net/*/address'; }
await_sf() { await_fn "${2:-20}" sf "$1" '.function.opstate == "attached"'; }
sf_count() { host_sh 'ls -d /sys/bus/auxiliary/devices/opi_core.sf.* 2>/dev/null | wc -l'; }

# sf_net N IP: made, exposed, in a namespace of its own, its representor in the bridge.
sf_net()
{
	sf_made "$1"
	sf_bridge "$1"
	sf_netns "$1" "$2"
	await_ping_from 20 "sf$1" "$DPU_IP"
}
sf_bridge() { dpu_sh 'r=$($1/netup find c1pf0sf$2) && ip link set $r master br0 up' "$GUEST" "$1"; }
sf_netns() { fn_netns "sf$1" "$(sf_if "$1")" "$2"; }

a_subfunction_is_made_hidden()
{
	sf_add 7
	expect_eq "port" "$(dpu devlink -j port show "$(fn_port sf 7)" </dev/null |
		jq -c '.port[] | [.flavour, .type, .controller, .pfnum, .sfnum, .function.state, .function.opstate]')" \
		'["pcisf","eth",1,0,7,"inactive","detached"]'
	expect_eq "name" "$(dpu cat "/sys/class/net/$(fn_rep sf 7)/phys_port_name" </dev/null)" c1pf0sf7
	expect_eq "devices of the host" "$(sf_count)" 0
	expect_eq "state" "$(func_field dpu '.sf == 7' .opstate)" hidden
	# What is set before the host sees it is what the host sees.
	sf_do 7 'devlink port function set $p hw_addr 02:00:00:00:07:07 && devlink port function set $p state active'
	await_sf 7
	expect_eq "address" "$(sf_address 7)" 02:00:00:00:07:07
}

exposed_it_is_a_device_on_the_host()
{
	local dev if said

	sf_made 9
	said=$(sf_host 9 'echo ${d##*/} $(ls $d/net) $(readlink $d/driver) $(readlink -f $d)')
	read -r dev if said <<<"$said"
	expect_match "driver and parent" "$said" "^[^ ]*/opi_core.sf [^ ]*/$(pci_of host)/$dev\$"
	expect_eq "port" "$(host devlink -j port show </dev/null |
		jq -c --arg p "auxiliary/$dev/" '.port | to_entries[] | select(.key | startswith($p)) | [.value.flavour, .value.netdev]')" \
		"[\"virtual\",\"$if\"]"
	# Part of the physical function, as devlink sees it.
	expect_match "nested" "$(host devlink dev show "pci/$(pci_of host)" </dev/null)" "auxiliary/$dev"
	expect_eq "state on the host" "$(func_field host '.sf == 9' .opstate)" attached
	# No interrupt of its own.
	said=$(host_sh 'ethtool -l $1 | awk "/^Combined/ { print \$2; exit }"
		ethtool -g $1 | awk "/^RX:/ { n = \$2 } END { print n }"
		grep -c "opi_core.*sf" /proc/interrupts' "$if" || :)
	expect_eq "queues, ring, interrupts" "${said//$'\n'/ }" "1 64 0"
}

devlink_says_which_card_it_is_of()
{
	local dev serial

	sf_made 9
	dev=auxiliary/$(basename "$(sf_dev 9)")
	serial=$(dpu devlink -j dev info </dev/null | jq -r '.info[].serial_number')
	# By itself, that of the PF, and in the list of all.
	host_sh 'for d in $1 $2 ""; do devlink -j dev info $d || exit; done' "$dev" "pci/$(pci_of host)" >"$CASE_DIR/info"
	jq -ce '.info' "$CASE_DIR/info" >&2
	jq -se --arg d "$dev" --arg serial "$serial" '
		(.[0].info[$d].driver == "opi_core.sf") and (.[0].info[$d].serial_number == $serial) and
		([.[:2][].info[] | del(.driver)] | length == 2 and .[0] == .[1]) and
		(.[2].info[$d].serial_number == $serial)' "$CASE_DIR/info" >/dev/null || fail "not of this card"
	# Asked for while the driver goes, it has an answer or none.
	bg ask host sh -c 'while devlink dev info $1 >/dev/null; do :; done' sh "$dev"
	host_sh 'echo $1 >/sys/bus/auxiliary/drivers/opi_core.sf/unbind' "${dev#*/}"
	bg_wait ask
	refused 'No such device' host devlink dev info "$dev"
}

traffic_through_several_subfunctions()
{
	local n

	for n in 1 2 3; do
		sf_net "$n" "10.77.0.12$n"
	done
	for n in 1 2 3; do
		ping_from "sf$n" "$FAR_IP" "$HOST_IP" "10.77.0.12$((n % 3 + 1))"
	done
	# In bulk, both ways at once.
	bg server host ip netns exec sf2 iperf3 -s -1
	await host 10 'ip netns exec sf2 ss -ltn | grep -q :5201'
	host ip netns exec sf1 iperf3 -c 10.77.0.122 -t 2 --bidir -J </dev/null |
		jq -e '.end.sum_received.bytes > 100000 and .end.sum_received_bidir_reverse.bytes > 100000'
}

# Nothing of it is left: withdrawn or removed while it sends and receives.
under_traffic()
{
	sf_net 1 10.77.0.121
	sf_net 2 10.77.0.122
	bg flood1 host ip netns exec sf1 ping -q -f "$DPU_IP"
	bg flood2 dpu ping -q -f 10.77.0.121
	neighbour other sf2
	sleep 1
	"$@"
	await host 20 "! grep -qx 1 /sys/bus/auxiliary/devices/opi_core.sf.*/sfnum"
	bg_stop flood1
	bg_stop flood2
	lost_nothing other
	no_stuck_tasks host
	no_stuck_tasks dpu
	ping_works host "$DPU_IP"
}

withdrawn_under_traffic()
{
	under_traffic sf_state 1 inactive
	expect_eq "state" "$(fn_field sf 1 '.function | [.state, .opstate] | join(" ")')" "inactive detached"
	sf_state 1 active
	await_sf 1
}

removed_under_traffic()
{
	under_traffic sf_del 1
	expect_eq "port" "$(fn_port sf 1)" ""
}

# Faster than the host looks: it gets a new device, and no queue pair of the old
# one is mourned.
taken_away_and_given_back_at_once()
{
	local port starts index now

	sf_net 1 10.77.0.121
	port=$(fn_port sf 1)
	# A new device may have the old one's name; its netdev has another index.
	index=$(host_sh 'ip netns exec sf1 sh -c "cat /sys/class/net/*/ifindex" | sort -n | tail -n 1')
	now=$(health_now host admin)
	read -r _ starts _ <<<"$now"
	dpu_sh 'for i in 1 2 3; do
		devlink port function set $1 state inactive && devlink port function set $1 state active || exit
	done' "$port"
	await host 20 "i=\$(cat /sys/bus/auxiliary/devices/opi_core.sf.*/net/*/ifindex) && [ \$i != $index ]"
	await_sf 1
	sf_netns 1 10.77.0.121
	await_ping_from 20 sf1 "$DPU_IP"
	ping_works host "$DPU_IP"
	now=$(health_now host admin)
	expect_match "time-outs and starts of the physical function" "$now" "^[0-9]+ $starts "
	expect_eq "devices" "$(sf_count)" 1
}

subfunctions_come_and_go_under_traffic()
{
	local i

	neighbour ping
	for ((i = 0; i < $(times 3); i++)); do
		sf_net 1 10.77.0.121
		sf_del 1
		await host 20 '! ls -d /sys/bus/auxiliary/devices/opi_core.sf.*'
		host_sh 'ip netns del sf1'
	done
	lost_nothing ping
}

the_hosts_driver_is_unbound_and_bound()
{
	local dev

	sf_made 1
	dev=$(sf_host 1 'echo ${d##*/} && echo ${d##*/} >/sys/bus/auxiliary/drivers/opi_core.sf/unbind')
	await_fn 10 sf 1 '.function.opstate == "detached"'
	host_sh 'echo $1 >/sys/bus/auxiliary/drivers/opi_core.sf/bind' "$dev"
	await_sf 1 10
	sf_bridge 1
	sf_netns 1 10.77.0.121
	await_ping_from 20 sf1 "$DPU_IP"
}

the_physical_function_is_reset_with_subfunctions_on()
{
	sf_net 1 10.77.0.121
	host_sh 'echo 1 >"/sys/bus/pci/devices/$1/reset"' "$(pci_of host)"
	await_ping_from 20 sf1 "$DPU_IP"
	ping_works host "$DPU_IP"
	await_sf 1
}

# What the DPU has and has set, as a line for each subfunction.
sfs_shown()
{
	dpu opitool -j function show </dev/null | jq -c '.[] | select(.sf) |
		[.func_id, .sf, .port_index, .trust, .vlan, .port.hw_addr, .port.state]'
}

# 1 is made and configured, 2 exposed and in use, 3 was withdrawn, 4 destroyed: nothing of
# that changes, and each goes on from there.
at_each_step()
{
	local shown

	sf_add 1
	sf_add 3
	sf_add 4
	sf_net 2 10.77.0.122
	sf_state 3 active
	await_sf 3
	sf_do 1 'devlink port function set $p hw_addr 02:00:00:00:01:01'
	sf_do 3 'devlink port function set $p hw_addr 02:00:00:00:03:03 &&
		opitool function set id $(opitool -j function show | jq ".[] | select(.sf == 3) | .func_id") trust off &&
		devlink port function set $p state inactive'
	sf_del 4
	shown=$(sfs_shown)
	"$@"
	await_sf 2
	expect_eq "subfunctions" "$(sfs_shown)" "$shown"
	expect_eq "devices of the host" "$(sf_count)" 1
	sf_bridge 2
	await_ping_from 20 sf2 "$DPU_IP"

	sf_state 1 active
	await_sf 1
	expect_eq "address" "$(sf_address 1)" 02:00:00:00:01:01
	sf_state 2 inactive
	sf_state 3 active
	await_sf 3
	expect_eq "address" "$(sf_address 3)" 02:00:00:00:03:03
	sf_made 4
	expect_eq "devices of the host" "$(sf_count)" 3
	sf_do 4 'devlink port function set $p state inactive && devlink port del $p'
	sf_del 2
	ping_works host "$DPU_IP"
}

# The same as the host had before, which it has to set up anew.
host_anew()
{
	host_net_up
	await_sf 2
	sf_netns 2 10.77.0.122
}

hosts_driver_reloaded()
{
	host modprobe -r opi_core </dev/null
	await_fn 10 sf 2 '.function.opstate == "detached"'
	expect_eq "devices" "$(sf_count)" 0
	host modprobe opi_core </dev/null
	host_anew
}

dpus_driver_reloaded()
{
	dpu_sh 'modprobe -r opi_core && modprobe opi_core'
	dpu_net_up
}

host_reset()
{
	local rep

	rep=$(fn_rep sf 2)
	tb reset host
	tb wait host
	host_anew
	expect_eq "representor" "$(fn_rep sf 2)" "$rep"
}

dpu_reset()
{
	tb reset dpu
	tb wait dpu
	dpu_net_up
}

the_hosts_driver_is_reloaded_at_each_step() { at_each_step hosts_driver_reloaded; }
# Nothing is done on the host.
the_dpus_driver_is_reloaded_at_each_step() { at_each_step dpus_driver_reloaded; }
the_host_is_reset_at_each_step() { at_each_step host_reset; }
the_dpu_is_reset_at_each_step() { at_each_step dpu_reset; }

# Numbers 1 to N, made and exposed by one shell in the guest.
sfs_make()
{
	dpu_sh 'i=0
		while [ $i -lt $2 ]; do
			i=$((i + 1))
			echo "port add pci/$1 flavour pcisf controller 1 pfnum 0 sfnum $i"
		done | devlink -b - >/dev/null || exit
		devlink -j port show | jq -r ".port | to_entries[] | select(.value.flavour == \"pcisf\") |
			\"port function set \(.key) state active\"" | devlink -b -' "$(pci_of dpu)" "$1"
}

# 64, in a long run 1,000, which is what the card has.
many_subfunctions()
{
	local n

	n=$(times 64)
	n=$((n < 1000 ? n : 1000))
	defer 'before_case'
	sfs_make "$n"
	await host "$((60 + n / 2))" "[ \$(ls -d /sys/bus/auxiliary/devices/opi_core.sf.*/net/* | wc -l) = $n ]"
	await dpu 60 "[ \$(devlink -j port show | jq '[.port[] | select(.function.opstate == \"attached\" and .flavour == \"pcisf\")] | length') = $n ]"
	expect_eq "functions of the host" "$(host opitool -j function show </dev/null | jq '[.[] | select(.type == "sf")] | length')" "$n"
	# The last one works as well as the first.
	sf_bridge 1
	sf_bridge "$n"
	sf_netns 1 10.77.0.121
	sf_netns "$n" 10.77.0.122
	await_ping_from 20 sf1 "$DPU_IP"
	await_ping_from 20 "sf$n" "$DPU_IP"
	ping_from sf1 10.77.0.122
	# Both sides still answer all that they are asked at once.
	host devlink -j port show </dev/null | jq -e ".port | length == $n + 1"
	host devlink dev show </dev/null >/dev/null
	dpu devlink -j port show </dev/null | jq -e ".port | length >= $n + 2"
}

# What the kernel has taken, in KiB: that for objects, exactly; and all that is neither
# free (on a CPU's own list neither) nor cache nor a process's.  What udev does for new
# devices must be over.
kernel_memory()
{
	await host 60 "! pgrep -f '[u]dev-worker'"
	host_sh 'sync; echo 3 >/proc/sys/vm/drop_caches; sleep 1
		cat /proc/zoneinfo /proc/meminfo | awk "
			/^ +count:/ { all -= \$2 * 4 }
			/^(MemFree|Cached|Buffers|AnonPages|PageTables|SReclaimable):/ { all -= \$2 }
			/^MemTotal:/ { all += \$2 }
			/^(SUnreclaim|Percpu|VmallocUsed|KernelStack):/ { objects += \$2 }
			END { print objects, all }"'
}

an_idle_subfunction_is_small()
{
	local n=64 before

	# The first ones pay for what all of them use.
	sf_made 1000
	before=$(kernel_memory)
	sfs_make "$n"
	await host 60 "[ \$(ls -d /sys/bus/auxiliary/devices/opi_core.sf.*/net/* | wc -l) = $((n + 1)) ]"
	# The debug kernel's own book-keeping is not ours.
	[ "$OPI_KERNEL" = stock ] || return 0
	# What made them has left something behind that is given back by and by.
	wait_for 60 small "$n" "$before"
	cat "$CASE_DIR/wait"
}

# small N BEFORE: so many have been made since the kernel had that much.
small()
{
	local after objects all

	after=$(kernel_memory)
	objects=$(((${after% *} - ${2% *}) / $1)) all=$(((${after#* } - ${2#* }) / $1))
	echo "for each of $1 $objects KiB of objects, $all KiB in all"
	# A ring's buffers would be 128 KiB more; single pages come and go with the machine.
	[ "$objects" -le 64 ] && [ "$all" -le 128 ]
}

refuses_what_cannot_be_made()
{
	local dev

	dev=pci/$(pci_of dpu)
	sf_add 1
	refused 'subfunction of this number' sf_add 1
	refused 'no subfunctions of its own' dpu devlink port add "$dev" flavour pcisf pfnum 0 sfnum 2
	refused 'no subfunctions of its own' dpu devlink port add "$dev" flavour pcisf controller 0 pfnum 0 sfnum 2
	refused 'no such controller or PF' dpu devlink port add "$dev" flavour pcisf controller 2 pfnum 0 sfnum 2
	refused 'no such controller or PF' dpu devlink port add "$dev" flavour pcisf controller 1 pfnum 1 sfnum 2
	refused 'needs a number' dpu devlink port add "$dev" flavour pcisf controller 1 pfnum 0
	refused 'chooses the port index' dpu devlink port add "$dev/77" flavour pcisf controller 1 pfnum 0 sfnum 2
	refused 'only the DPU' host devlink port add "pci/$(pci_of host)" flavour pcisf controller 1 pfnum 0 sfnum 2
	refused 'not supported' dpu devlink port function set "$(fn_port sf 1)" migratable enable
	refused 'not permitted' dpu setpriv --reuid nobody --regid nogroup --clear-groups \
		devlink port add "$dev" flavour pcisf controller 1 pfnum 0 sfnum 2
	expect_eq "subfunctions" "$(dpu devlink -j port show </dev/null | jq '[.port[] | select(.flavour == "pcisf")] | length')" 1
}

run_cases "$@"
