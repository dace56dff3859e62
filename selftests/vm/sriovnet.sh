#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
# debug: none
# order: 46
#
# How orchestrators find functions and their representors: what sriovnet, and with
# it OVN-Kubernetes, SR-IOV device plugins and the DPU operator, read in sysfs and
# devlink.  The look-ups here go the same ways as theirs.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/func.sh"

CASES="
	vfs_are_counted_and_switched_at_the_netdev
	all_of_totalvfs_is_the_dpus_choice
	vf_on_the_host
	unbound_vf_has_no_netdev
	subfunction_on_the_host
	uplink_and_representors_of_the_dpu
	nothing_is_found_that_is_not_there
	another_name_of_a_vfs_representor
	another_name_that_is_taken
	from_an_address_to_the_right_representor
"

before_case() { bed_ready; }

# look VM: what stands there in sysfs and devlink, as "$CASE_DIR/VM.sys", a line
# each, VM.ports, and the address of the card's first function, VM.pci.
#	net NETDEV DEVICE SWITCH PORT-NAME
#	vf PF INDEX LINK PHYSFN NETDEVS
#	sf DEVICE NUMBER PARENT NETDEVS
look()
{
	on_sh "$1" 'cd /sys/class/net && for d in *; do
			echo net $d $(basename "$(readlink $d/device)" .) $(cat $d/phys_switch_id 2>/dev/null || echo -) \
				$(cat $d/phys_port_name 2>/dev/null || echo -)
		done
		cd /sys/bus/pci/devices && for l in */virtfn*; do
			[ ! -e $l ] || echo vf ${l%/*} ${l##*virtfn} $(readlink $l) $(readlink $l/physfn) $(ls $l/net 2>/dev/null)
		done
		cd /sys/bus/auxiliary/devices && for d in *.sf.*; do
			[ ! -e $d ] || echo sf $d $(cat $d/sfnum) $(basename "$(dirname "$(readlink $d)")") $(ls $d/net 2>/dev/null)
		done' >"$CASE_DIR/$1.sys"
	on "$1" devlink -j port show </dev/null >"$CASE_DIR/$1.ports"
	pci_of "$1" >"$CASE_DIR/$1.pci"
}

# Words of a line of it, of VM: sys VM AWK-CONDITION AWK-WORDS
sys() { awk "$2 { print $3 }" "$CASE_DIR/$1.sys"; }

# Netdevs of the DPU that belong to a switch and whose port has this name.
by_port_name() { sys dpu "\$1 == \"net\" && \$4 != \"-\" && \$5 == \"$1\"" '$2'; }

# Index of the VF with this address, from the links of its PF, and number of that
# PF: the function of its address.
index_of_vf() { sys host "\$1 == \"vf\" && index(\$4, \"$1\")" '$3'; }
pf_of_vf() { sys host "\$1 == \"vf\" && index(\$4, \"$1\")" 'substr($5, length($5))'; }

# FLAVOUR NETDEV of the port of a device: port_of VM DEVICE
port_of()
{
	jq -r --arg p "$2/" '.port | to_entries[] | select(.key | startswith($p)).value | "\(.flavour) \(.netdev)"' \
		"$CASE_DIR/$1.ports"
}

hif() { host_sh 'ls "/sys/bus/pci/devices/$1/net"' "$(pci_of host)"; }
await_vfs()
{
	vfs "$1"
	await host 20 "[ \$(ls -d /sys/bus/pci/devices/$(pci_of host)/virtfn*/net/* | wc -l) = $1 ]"
}

# sf N: makes and exposes it, and waits for its netdev.
sf()
{
	dpu opitool function add sf "$1" </dev/null >/dev/null
	defer "dpu opitool function del sf $1 </dev/null"
	dpu opitool function expose sf "$1" </dev/null
	await host 20 "ls \$(dirname \$(grep -lx $1 /sys/bus/auxiliary/devices/opi_core.sf.*/sfnum))/net/*"
}

vfs_are_counted_and_switched_at_the_netdev()
{
	vfs 0
	[ "$(func_field dpu '.type == "pf"' .max_vfs)" -ge 2 ] || max_vfs 2
	expect_eq "what is there" "$(host_sh 'cd "/sys/class/net/$1/device"
		echo $(cat sriov_totalvfs sriov_numvfs) $(ls -d virtfn* 2>/dev/null)
		echo 2 >sriov_numvfs
		echo $(cat sriov_totalvfs sriov_numvfs) $(ls -d virtfn* 2>/dev/null)
		echo 0 >sriov_numvfs
		echo $(cat sriov_totalvfs sriov_numvfs) $(ls -d virtfn* 2>/dev/null)' "$(hif)")" \
'64 0
64 2 virtfn0 virtfn1
64 0'
}

# "Enable SR-IOV" means all that there can be, to some.
all_of_totalvfs_is_the_dpus_choice()
{
	vfs 0
	max_vfs 2
	expect_log host 'opi_core [0-9a-f:.]+: [0-9]+ virtual functions wanted, the DPU allows [0-9]+'
	refused 'Numerical result out of range' set_vfs 64
	expect_eq none "$(num_vfs)" 0
	set_vfs 2
	expect_eq both "$(num_vfs)" 2
}

vf_on_the_host()
{
	local n pf pci name

	await_vfs 2
	look host
	pf=$(cat "$CASE_DIR/host.pci")
	for n in 0 1; do
		# The address is what follows "../".
		pci=$(sys host "\$1 == \"vf\" && \$2 == \"$pf\" && \$3 == $n" 'substr($4, 4)')
		expect_match "address of VF $n" "$pci" '^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]$'
		expect_eq "its PF" "$(sys host "\$1 == \"vf\" && \$3 == $n" '$5')" "../$pf"
		expect_eq "index of $pci" "$(index_of_vf "$pci")" "$n"
		expect_eq "PF number of $pci" "$(pf_of_vf "$pci")" 0
		name=$(sys host "\$1 == \"vf\" && \$3 == $n" '$6 $7')
		expect_match "netdev of VF $n" "$name" '^[a-z0-9]+$'
		expect_eq "its device" "$(sys host "\$1 == \"net\" && \$2 == \"$name\"" '$3')" "$pci"
		expect_eq "its devlink port" "$(port_of host "pci/$pci")" "virtual $name"
	done
	# A PF is no VF of anything.
	expect_eq "index of the PF" "$(index_of_vf "$pf")" ""
	# Who looks for representors must not take these for some.
	expect_eq "netdevs with a switch" "$(sys host '$1 == "net" && $4 != "-"' '$2')" ""
}

# VFs are unbound and bound at the driver of their PF's netdev.
unbound_vf_has_no_netdev()
{
	local pci hif

	await_vfs 1
	pci=$(vf_pci 0) hif=$(hif)
	defer "host_sh 'echo \$1 >/sys/bus/pci/drivers/opi_core/bind 2>/dev/null || :' $pci"
	host_sh 'echo $2 >"/sys/class/net/$1/device/driver/unbind"' "$hif" "$pci"
	look host
	expect_eq unbound "$(sys host '$1 == "vf" && $3 == 0' '$4 $6')" "../$pci"
	expect_eq "no port" "$(port_of host "pci/$pci")" ""
	host_sh 'echo $2 >"/sys/class/net/$1/device/driver/bind"' "$hif" "$pci"
	await host 20 "ls /sys/bus/pci/devices/$pci/net/*"
}

subfunction_on_the_host()
{
	local aux name

	sf 88
	look host
	aux=$(sys host '$1 == "sf" && $3 == 88' '$2')
	expect_match name "$aux" '^opi_core\.sf\.[0-9]+$'
	# It stands below its PF.
	expect_eq PF "$(sys host '$1 == "sf" && $3 == 88' '$4')" "$(cat "$CASE_DIR/host.pci")"
	expect_eq "among its PF's" "$(host_sh 'cd "/sys/bus/pci/devices/$1" && ls -d *.sf.*' "$(cat "$CASE_DIR/host.pci")" | grep -Fx "$aux")" "$aux"
	name=$(sys host '$1 == "sf" && $3 == 88' '$5 $6')
	expect_match netdev "$name" '^[a-z0-9]+$'
	expect_eq devlink "$(port_of host "auxiliary/$aux")" "virtual $name"
}

# The netdev of a port by what devlink says of it, its device is the uplink's.
by_devlink()
{
	jq -r --arg d "pci/$(cat "$CASE_DIR/dpu.pci")/" ".port | to_entries[] | select(.key | startswith(\$d)).value | select($1).netdev" \
		"$CASE_DIR/dpu.ports"
}

uplink_and_representors_of_the_dpu()
{
	local name netdev what

	await_vfs 2
	sf 88
	look dpu
	# All are at the device of the DPU, and at one switch.
	while read -r name what; do
		netdev=$(by_port_name "$name")
		expect_match "netdev of $name" "$netdev" '^[a-z0-9]+$'
		expect_eq "device of $name" "$(sys dpu "\$2 == \"$netdev\"" '$3')" "$(cat "$CASE_DIR/dpu.pci")"
		expect_eq "$name in devlink" "$(by_devlink "$what")" "$netdev"
	done <<-'EOT'
		p0 .flavour == "physical"
		c1pf0 .flavour == "pcipf" and .controller == 1 and .pfnum == 0
		c1pf0vf0 .flavour == "pcivf" and .controller == 1 and .pfnum == 0 and .vfnum == 0
		c1pf0vf1 .flavour == "pcivf" and .controller == 1 and .pfnum == 0 and .vfnum == 1
		c1pf0sf88 .flavour == "pcisf" and .controller == 1 and .pfnum == 0 and .sfnum == 88
	EOT
	expect_eq "one switch" "$(sys dpu '$1 == "net" && $4 != "-"' '$4' | sort -u)" "$(dpu_field dpu .serial)"
	# Whose address the netdev behind a representor has.
	look host
	expect_eq "address of the PF" "$(jq -r '.port[] | select(.flavour == "pcipf").function.hw_addr' "$CASE_DIR/dpu.ports")" \
		"$(host cat "/sys/class/net/$(port_of host "pci/$(cat "$CASE_DIR/host.pci")" | cut -d' ' -f2)/address" </dev/null)"
}

nothing_is_found_that_is_not_there()
{
	local name

	await_vfs 1
	sf 88
	look dpu
	# Numbers are not cut short.
	for name in c1pf0vf60000 c1pf0sf8 c1pf0sf888 c1pf1 p1; do
		expect_eq "$name" "$(by_port_name "$name")" ""
	done
	# A VF of the DPU's own would have no controller in its name, or number 0.
	expect_eq "other names" "$(sys dpu '$1 == "net" && $4 != "-"' '$5' | grep -vxE 'p[0-9]+|c1pf0((vf|sf)[0-9]+)?' || :)" ""
	expect_eq "own functions" "$(by_devlink '(.flavour | startswith("pci")) and .controller != 1')" ""
}

# Names by which OPI's bridge and the DPU operator know representors: "NAME NETDEV".
altnames() { dpu ip -j link show </dev/null | jq -r '.[] | .ifname as $n | .altnames[]? | select(startswith("host")) | "\(.) \($n)"' | sort; }

# Those that should be there, of N VFs.
names_of_vfs()
{
	local n

	look dpu
	for ((n = 0; n < $1; n++)); do echo "host0-$n $(by_port_name "c1pf0vf$n")"; done | sort
}

another_name_of_a_vfs_representor()
{
	vfs 0
	max_vfs 0
	sf 88
	expect_eq "of VFs only" "$(altnames)" ""
	# It is there before the host has the VF, and goes with it.
	max_vfs 2
	await dpu 20 "ip link show host0-0 && ip link show host0-1"
	expect_eq "of two VFs" "$(altnames)" "$(names_of_vfs 2)"
	max_vfs 1
	expect_eq "of one VF" "$(altnames)" "$(names_of_vfs 1)"
	# And with the driver.
	dpu_sh 'modprobe -r opi_core && modprobe opi_core'
	await dpu 30 "ip link show host0-0"
	expect_eq "after a reload" "$(altnames)" "$(names_of_vfs 1)"
}

# As where another card's representor came first.
another_name_that_is_taken()
{
	local rep told

	vfs 0
	max_vfs 0
	told=$(dpu_sh 'dmesg | grep -c "host0-" || :')
	defer "dpu ip link del opi-taken 2>/dev/null || :"
	dpu ip link add opi-taken type dummy </dev/null
	dpu ip link property add dev opi-taken altname host0-0 </dev/null
	max_vfs 2
	await dpu 20 "ip link show host0-1"
	dpu udevadm settle -t "$(secs 20)" </dev/null
	look dpu
	rep=$(by_port_name c1pf0vf0)
	expect_eq "names" "$(altnames)" "$(printf '%s\n' "host0-0 opi-taken" "host0-1 $(by_port_name c1pf0vf1)" | sort)"
	dpu ip link set "$rep" up </dev/null
	# Told, and no failure.
	expect_eq "told" "$(dpu_sh 'dmesg -x | grep -E "host0-" | tail -n +$1' "$((told + 1))" | sed 's/\[.*\]//' | tr -s ' ')" \
		"user :info : opi: $rep is not host0-0, which is another"
	# The name is free again for one that comes later.
	dpu ip link del opi-taken </dev/null
	max_vfs 0
	max_vfs 1
	await dpu 20 "ip link show host0-0"
}

# Frames that came to representors, in one line: rx_of NETDEV...
rx_of() { dpu_sh 'for d; do cat /sys/class/net/$d/statistics/rx_packets; done' "$@" | paste -sd' '; }

# What a pod's start needs: the host knows the address of a VF, the DPU finds the
# representor, and what the VF sends arrives there and nowhere else.
from_an_address_to_the_right_representor()
{
	local n pci rep=() before=() after=()

	await_vfs 2
	look host
	look dpu
	for n in 0 1; do
		pci=$(sys host "\$1 == \"vf\" && \$3 == $n" 'substr($4, 4)')
		rep[n]=$(by_port_name "c1pf$(pf_of_vf "$pci")vf$(index_of_vf "$pci")")
		expect_eq "as opitool has it" "$(dpu opitool -j port show host "$pci" </dev/null | jq -r '.[].netdev')" "${rep[n]}"
		fn_netns "sn$n" "$(sys host "\$1 == \"vf\" && \$3 == $n" '$6')" "10.79.$n.1"
	done
	dpu_sh 'for d; do ip link set $d up || exit; done' "${rep[@]}"
	# Nothing but what the test sends.
	await host 20 "for n in 0 1; do
		ip netns exec sn\$n sysctl -qw net.ipv6.conf.all.disable_ipv6=1
		ip -n sn\$n -j link show | jq -e 'any(.[]; .ifname != \"lo\" and .operstate == \"UP\")' || exit
	done"
	for n in 0 1; do
		read -ra before < <(rx_of "${rep[@]}")
		# Neighbours that are looked for in vain.
		host_sh 'for i in $(seq 20); do ip netns exec $1 ping -q -c 1 -W 0.1 $2.$((100 + i)); done; :' "sn$n" "10.79.$n" >/dev/null
		read -ra after < <(rx_of "${rep[@]}")
		expect_range "frames of VF $n" "$((after[n] - before[n]))" 20 1000
		expect_range "frames of the other" "$((after[1 - n] - before[1 - n]))" 0 19
	done
}

run_cases "$@"
