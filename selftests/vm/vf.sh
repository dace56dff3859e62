#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 600
# order: 44
# soak: vfs_come_and_go_under_traffic a_vf_is_reset_while_another_sends
# debug: a_vf_is_reset_while_another_sends the_dpu_withdraws_a_vf_and_exposes_it
# debug: the_physical_function_is_reset_with_vfs_on the_hosts_driver_goes_with_vfs_on
#
# Virtual functions: how many the host may have, what both sides see of them,
# traffic through several at once, and what becomes of them when one of the sides
# is reset or its driver goes.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/func.sh"

CASES="
	the_host_has_no_vf_that_the_dpu_does_not_allow
	the_dpus_limit_is_the_hosts
	a_vf_is_a_netdev_on_the_host_and_a_port_of_the_dpu
	representors_are_found_as_orchestrators_do
	traffic_through_several_functions
	what_an_untrusted_vf_may_not_send_is_counted
	vfs_come_and_go_under_traffic
	a_vf_is_reset_while_another_sends
	a_vf_is_unbound_and_bound
	the_dpu_withdraws_a_vf_and_exposes_it
	what_is_set_of_a_vf_stays
	the_physical_function_is_reset_with_vfs_on
	the_hosts_driver_goes_with_vfs_on
	the_host_is_reset_with_vfs_on
	the_dpu_is_reset_with_vfs_on
	both_sides_name_the_same_functions
	refuses_what_a_vf_cannot_do
"

before_case() { net_up; }

vf_is_up()
{
	await host 20 "[ \"\$(cat $(vf_dir "$1")/net/*/carrier)\" = 1 ]"
}

# Warnings about VFs that were refused.
sriov_warnings() { host_sh 'dmesg | grep -c "opi_core.*virtual functions wanted" || :'; }

the_host_has_no_vf_that_the_dpu_does_not_allow()
{
	local before

	vfs 0
	max_vfs 0
	expect_log host 'opi_core [0-9a-f:.]+: [0-9]+ virtual functions wanted, the DPU allows [0-9]+'
	before=$(sriov_warnings)
	refused 'Numerical result out of range' set_vfs 1
	expect_eq "warnings" "$(($(sriov_warnings) - before))" 1
	expect_eq "VFs" "$(num_vfs)" 0
	expect_eq "VFs in PCI" "$(host_sh 'ls -d /sys/bus/pci/devices/$1/virtfn* 2>/dev/null | wc -l' "$(pci_of host)")" 0
	expect_eq "ports" "$(dpu devlink -j port show </dev/null | jq '[.port[] | select(.flavour == "pcivf")] | length')" 0
}

the_dpus_limit_is_the_hosts()
{
	local before

	vfs 0
	max_vfs 3
	expect_log host 'opi_core [0-9a-f:.]+: [0-9]+ virtual functions wanted, the DPU allows [0-9]+'
	before=$(sriov_warnings)
	refused 'Numerical result out of range' set_vfs 4
	expect_eq "warnings" "$(($(sriov_warnings) - before))" 1
	set_vfs 3
	expect_eq "VFs" "$(num_vfs)" 3
	# More than the hardware has is refused by the kernel, without a word of ours.
	refused '' set_vfs 65
	expect_log host 'opi_core [0-9a-f:.]+: [0-9]+ VFs already enabled'
	refused 'busy|EBUSY' set_vfs 2
	expect_eq "warnings" "$(($(sriov_warnings) - before))" 1
	# The limit does not go below what is there.
	refused 'more virtual functions enabled' max_vfs 2
	max_vfs 5
	set_vfs 0
	set_vfs 5
	expect_eq "VFs" "$(num_vfs)" 5
	set_vfs 0
	# TotalVFs never changes.
	expect_eq "TotalVFs" "$(host_sh 'cat "/sys/bus/pci/devices/$1/sriov_totalvfs"' "$(pci_of host)")" 64
}

a_vf_is_a_netdev_on_the_host_and_a_port_of_the_dpu()
{
	local n said driver if addr

	vfs 2
	for n in 0 1; do
		# Driver, device, netdev, its address, and the port on the host as devlink has it.
		said=$(host_sh 'set -e
			n=$(ls "$1/net") pci=$(readlink -f "$1")
			echo "$(readlink "$1/driver")" "${pci##*/}" "$n" "$(cat "/sys/class/net/$n/address")"
			devlink -j port show | jq -r --arg p "pci/${pci##*/}/" ".port | to_entries[] |
				select(.key | startswith(\$p)) | [.value.flavour, .value.netdev] | join(\" \")"' "$(vf_dir "$n")")
		read -r driver _ if addr <<<"$said"
		expect_eq "driver of VF $n" "${driver##*/}" opi_core
		expect_eq "devlink of VF $n" "${said#*$'\n'}" "virtual $if"
		await_fn 10 vf "$n" '.function.opstate == "attached"'
		# The address that the DPU gave it is the same on both sides.
		expect_eq "port of VF $n" "$(dpu devlink -j port show "$(fn_port vf "$n")" </dev/null |
			jq -c '.port[] | [.flavour, .type, .controller, .pfnum, .vfnum, .external, .function.state, .function.hw_addr]')" \
			"[\"pcivf\",\"eth\",1,0,$n,true,\"active\",\"$addr\"]"
	done
	set_vfs 0
	await_fn 10 vf 0 '.function.opstate == "detached"'
	# The port stays, with its name and its netdev.
	[ -n "$(fn_rep vf 1)" ]
}

# What OVN-Kubernetes and SR-IOV device plugins look up in sysfs (sriovnet).
representors_are_found_as_orchestrators_do()
{
	local n found

	vfs 2
	for n in 0 1; do
		found=$(dpu_sh '
			id=$(cat /sys/class/net/$1/phys_switch_id)
			for d in /sys/class/net/*; do
				[ "$(cat $d/phys_switch_id 2>/dev/null)" = "$id" ] || continue
				[ "$(cat $d/phys_port_name 2>/dev/null)" = "c1pf0vf$2" ] && basename $d
			done; :' "$P0" "$n")
		expect_eq "representor of VF $n" "$found" "$(fn_rep vf "$n")"
		# Known by another name, too.
		expect_eq "the same by its other name" \
			"$(dpu_sh 'ip -j link show host0-$1' "$n" | jq -r '.[].ifname')" "$found"
	done
	expect_eq "name of the uplink" "$(dpu cat "/sys/class/net/$P0/phys_port_name" </dev/null)" p0
	expect_eq "name of the PF's" "$(dpu cat "/sys/class/net/$REP/phys_port_name" </dev/null)" c1pf0
	# Index of a VF at its PF, as sriovnet counts it.
	expect_eq "VF 1" "$(host_sh 'basename "$(readlink "/sys/bus/pci/devices/$1/virtfn1")"' "$(pci_of host)")" "$(vf_pci 1)"
	expect_eq "PF of VF 1" "$(host_sh 'basename "$(readlink "$1/physfn")"' "$(vf_dir 1)")" "$(pci_of host)"
}

traffic_through_several_functions()
{
	local n

	vfs 3
	for n in 0 1 2; do
		vf_net "$n" "10.77.0.11$n"
	done
	for n in 0 1 2; do
		await_ping_from 20 "vf$n" "$DPU_IP"
		ping_from "vf$n" "$FAR_IP" "$HOST_IP" "10.77.0.11$(((n + 1) % 3))"
	done
	# What goes to one function does not go to another.  A bridge that has just
	# forgotten an address asks all.
	ping_from vf2 10.77.0.111
	# shellcheck disable=SC2016 # for the guest
	expect_eq "frames for another, and its own" "$(host_sh '
		ip netns exec vf0 tcpdump -l -nn -i "$4" "icmp[icmptype] == icmp-echo" 2>/run/vf0.err >/run/vf0.out & p=$!
		"$2" 10 "grep -q listening /run/vf0.err" &&
			ip netns exec vf2 ping -q -c 3 -i 0.2 "$1" >/dev/null &&
			ip netns exec vf2 ping -q -c 1 "$3" >/dev/null && "$2" 10 "grep -q \"> $3:\" /run/vf0.out"
		kill $p; wait $p; sed "s/.* > \([0-9.]*\):.*/\1/" /run/vf0.out' 10.77.0.111 "$GUEST/await" 10.77.0.110 "$(host_sh 'ip netns exec vf0 ls /sys/class/net | grep -v "^lo$"')")" 10.77.0.110
}

violations() { estat "$1" "$2" port_tx_spoofed port_tx_vlan; }
taken_and_violations() { echo "$(netdev_stat dpu "$2" rx_packets) $(violations host "$1")"; }

# sent_as IF REP SOURCE [TAG]: counts how many of five such frames were taken, were spoofed, and
# had a tag that they may not have, as host and DPU see it.  Nobody else sends.
sent_as()
{
	local dev=$1 rep=$2 was now
	shift

	was=$(settled taken_and_violations "$dev" "$rep")
	host mausezahn "$dev" -q -c 5 -p 100 -a "$2" -b 02:00:00:00:00:99 ${3:+-Q "$3"} -t ip </dev/null >/dev/null 2>&1
	now=$(settled taken_and_violations "$dev" "$rep")
	expect_eq "violations as the DPU sees them" "$(violations dpu "$rep")" "${now#* }"
	# shellcheck disable=SC2086 # words
	set -- $was $now
	echo "$(($4 - $1)) $(($5 - $2)) $(($6 - $3))"
}

what_an_untrusted_vf_may_not_send_is_counted()
{
	local own vf rep

	vfs 1
	defer "dpu opitool function set vf 0 trust on vlan 0 </dev/null"
	vf=$(vf_if 0)
	defer "host sysctl -qw net.ipv6.conf.$vf.disable_ipv6=0"
	rep=$(fn_rep vf 0)
	dpu ip link set "$rep" up </dev/null
	own=$(host_sh 'sysctl -qw net.ipv6.conf.$1.disable_ipv6=1 && ip link set $1 up &&
		$2/await $3 "[ \$(cat /sys/class/net/$1/carrier) = 1 ]" && cat /sys/class/net/$1/address' \
		"$vf" "$GUEST" "$(secs 10)")

	expect_eq "trusted, as another" "$(sent_as "$vf" "$rep" 02:00:00:00:00:98)" "5 0 0"
	dpu opitool function set vf 0 trust off </dev/null
	expect_eq "as itself" "$(sent_as "$vf" "$rep" "$own")" "5 0 0"
	expect_eq "as another" "$(sent_as "$vf" "$rep" 02:00:00:00:00:98)" "0 5 0"
	expect_eq "with a tag" "$(sent_as "$vf" "$rep" "$own" 5)" "5 0 0"
	dpu opitool function set vf 0 vlan 7 </dev/null
	expect_eq "with a tag beside the card's" "$(sent_as "$vf" "$rep" "$own" 5)" "0 0 5"
	expect_eq "without" "$(sent_as "$vf" "$rep" "$own")" "5 0 0"
}

vfs_come_and_go_under_traffic()
{
	local i

	neighbour ping
	for ((i = 0; i < $(times 3); i++)); do
		vfs 0
		vfs 4
		vf_net 0 10.77.0.110
		bg "ping$i" host ip netns exec vf0 ping -q -f "$DPU_IP"
		await_ping_from 20 vf0 "$DPU_IP"
		set_vfs 0
		bg_stop "ping$i"
		host_sh 'ip netns del vf0'
	done
	# The PF was not disturbed.
	lost_nothing ping
}

a_vf_is_reset_while_another_sends()
{
	local i

	vfs 2
	vf_net 0 10.77.0.110
	vf_net 1 10.77.0.111
	await_ping_from 20 vf0 "$DPU_IP"
	await_ping_from 20 vf1 "$DPU_IP"
	neighbour ping vf1
	for ((i = 0; i < $(times 3); i++)); do
		host_sh 'echo 1 >"$1/reset"' "$(vf_dir 0)"
		await_ping_from 20 vf0 "$DPU_IP"
	done
	lost_nothing ping
}

a_vf_is_unbound_and_bound()
{
	local pci

	vfs 2
	vf_net 1 10.77.0.111
	await_ping_from 20 vf1 "$DPU_IP"
	pci=$(vf_pci 0)
	host_sh 'echo $1 >/sys/bus/pci/drivers/opi_core/unbind' "$pci"
	await_fn 10 vf 0 '.function.opstate == "detached"'
	host_sh 'echo $1 >/sys/bus/pci/drivers/opi_core/bind' "$pci"
	await_fn 10 vf 0 '.function.opstate == "attached"'
	vf_net 0 10.77.0.110
	await_ping_from 20 vf0 "$DPU_IP"
	ping_from vf1 10.77.0.110
}

the_dpu_withdraws_a_vf_and_exposes_it()
{
	local port

	vfs 2
	vf_net 0 10.77.0.110
	await_ping_from 20 vf0 "$DPU_IP"
	expect_log host 'opi_core [0-9a-f:.]+: function is not in service'
	port=$(fn_port vf 0)
	defer "dpu devlink port function set $port state active"
	dpu devlink port function set "$port" state inactive </dev/null
	expect_eq "state" "$(fn_field vf 0 '.function.state')" inactive
	await_fn 5 vf 0 '.function.opstate == "detached"'
	refused '' ping_from vf0 "$DPU_IP"
	# The other one and the PF have service.
	ping_works host "$DPU_IP"
	# Twice is once.
	dpu devlink port function set "$port" state inactive </dev/null
	dpu devlink port function set "$port" state active </dev/null
	await_fn 20 vf 0 '.function.opstate == "attached"'
	await_ping_from 20 vf0 "$DPU_IP"
}

what_is_set_of_a_vf_stays()
{
	local port id

	vfs 0
	max_vfs 2
	port=$(fn_port vf 1)
	id=$(func_field dpu '.vf == 1' .func_id)
	defer "vfs 0; max_vfs 0"
	dpu devlink port function set "$port" hw_addr 02:00:00:00:bb:01 migratable enable max_io_eqs 2 </dev/null
	dpu opitool function set id "$id" trust off vlan 7 max-qps 1 </dev/null
	vfs 2
	expect_eq "address" "$(host_sh 'cat "$1"/net/*/address' "$(vf_dir 1)")" 02:00:00:00:bb:01
	expect_eq "queues" "$(host_sh 'ethtool -l $1' "$(vf_if 1)" | awk '/^Combined/ { print $2; exit }')" 1
	# Not while it is in use.
	refused 'uses the function' dpu opitool function set id "$id" max-qps 2
	refused 'uses the function' dpu devlink port function set "$port" max_io_eqs 1
	set_vfs 0
	vfs 2
	expect_eq "set" "$(dpu devlink -j port show "$port" </dev/null |
		jq -c '.port[].function | [.hw_addr, .migratable, .max_io_eqs]')" '["02:00:00:00:bb:01","enable",2]'
	expect_eq "set" "$(on dpu opitool -j function show </dev/null |
		jq -c ".[] | select(.func_id == $id) | [.trust, .vlan, .max_qps]")" '[false,7,1]'
	# Without trust the host does not choose its address.
	refused 'not permitted' host_sh 'ip link set $1 address 02:00:00:00:bb:02' "$(vf_if 1)"
	# The DPU's choice is taken over while the host runs.
	dpu devlink port function set "$port" hw_addr 02:00:00:00:bb:03 </dev/null
	await host 10 "[ \"\$(cat $(vf_dir 1)/net/*/address)\" = 02:00:00:00:bb:03 ]"
}

the_physical_function_is_reset_with_vfs_on()
{
	local id

	vfs 2
	vf_net 1 10.77.0.111
	await_ping_from 20 vf1 "$DPU_IP"
	id=$(func_field dpu '.vf == 1' .func_id)
	# One that has been reset itself comes back as well.
	host_sh 'echo 1 >"$1/reset"' "$(vf_dir 0)"
	await_fn 20 vf 0 '.function.opstate == "attached"'
	expect_log host 'opi_core [0-9a-f:.]+: function (does not answer|is not in service)'
	host_sh 'echo 1 >"/sys/bus/pci/devices/$1/reset"' "$(pci_of host)"
	# The kernel enables them again, and what their drivers had comes back.
	await_ping_from 30 vf1 "$DPU_IP"
	await_ping host 20 "$DPU_IP"
	await_fn 20 vf 0 '.function.opstate == "attached"'
	expect_eq "id" "$(func_field dpu '.vf == 1' .func_id)" "$id"
	expect_eq "VFs" "$(num_vfs)" 2
}

the_hosts_driver_goes_with_vfs_on()
{
	local rep

	vfs 3
	rep=$(fn_rep vf 2)
	host modprobe -r opi_core </dev/null
	expect_eq "VFs in PCI" "$(host_sh 'ls -d /sys/bus/pci/devices/*/physfn 2>/dev/null | wc -l')" 0
	await_fn 10 vf 2 '.function.opstate == "detached"'
	expect_eq "representor" "$(fn_rep vf 2)" "$rep"
	host modprobe opi_core </dev/null
	host_net_up
	vfs 3
	vf_net 2 10.77.0.112
	await_ping_from 20 vf2 "$DPU_IP"
}

the_host_is_reset_with_vfs_on()
{
	local rep index id

	vfs 3
	rep=$(fn_rep vf 1)
	index=$(dpu cat "/sys/class/net/$rep/ifindex" </dev/null)
	id=$(func_field dpu '.vf == 1' .func_id)
	tb reset host
	tb wait host
	host_net_up
	await_ping host 30 "$DPU_IP"
	# Same port, same netdev, same function, and the same limit.
	expect_eq "representor" "$(fn_rep vf 1) $(dpu cat "/sys/class/net/$rep/ifindex" </dev/null)" "$rep $index"
	expect_eq "id" "$(func_field dpu '.vf == 1' .func_id)" "$id"
	expect_eq "VFs" "$(num_vfs)" 0
	vfs 3
	vf_net 1 10.77.0.111
	await_ping_from 20 vf1 "$DPU_IP"
}

the_dpu_is_reset_with_vfs_on()
{
	local addr id

	vfs 3
	vf_net 1 10.77.0.111
	await_ping_from 20 vf1 "$DPU_IP"
	addr=$(fn_field vf 1 .function.hw_addr)
	id=$(func_field dpu '.vf == 1' .func_id)
	tb reset dpu
	tb wait dpu
	dpu_net_up
	await dpu 20 "devlink -j port show | jq -e '[.port[] | select(.flavour == \"pcivf\")] | length == 3'"
	expect_eq "address" "$(fn_field vf 1 .function.hw_addr)" "$addr"
	expect_eq "id" "$(func_field dpu '.vf == 1' .func_id)" "$id"
	fn_bridge "$(fn_rep vf 1)"
	# Nothing was done on the host.
	await_ping_from 20 vf1 "$DPU_IP"
}

both_sides_name_the_same_functions()
{
	vfs 2
	expect_eq "functions and addresses" \
		"$(host opitool -j function show </dev/null | jq -c '[.[] | [.func_id, .host_address, .port_index]] | sort')" \
		"$(dpu opitool -j function show </dev/null | jq -c '[.[] | select(.host_address) | [.func_id, .host_address, .port_index]] | sort')"
	expect_eq "address of VF 1" "0000:$(func_field dpu '.vf == 1' .host_address)" "$(vf_pci 1)"
}

refuses_what_a_vf_cannot_do()
{
	local port

	vfs 1
	port=$(fn_port vf 0)
	refused 'not supported' dpu devlink port del "$port"
	refused 'not supported' dpu devlink port function set "$port" roce enable
	refused 'only subfunctions' dpu devlink port add "pci/$(pci_of dpu)" flavour pcipf pfnum 0
	refused 'fewer event queues' dpu devlink port function set "$(fn_port vf 0)" max_io_eqs 10000
	refused '' dpu opitool function set id "$(func_field dpu '.vf == 0' .func_id)" max-vfs 1
	# The host changes nothing.
	refused 'only the DPU|no permission|not permitted' host opitool function set id 1 max-vfs 64
	set_vfs 0
}

run_cases "$@"
