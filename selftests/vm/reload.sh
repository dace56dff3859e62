#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 400
# soak: the_host_reloads_while_the_dpu_sends the_dpu_reloads_while_the_host_sends both_reload_at_once
# debug: both_reload_at_once reload_goes_to_another_namespace_and_back
# debug: a_namespace_that_ends_gives_the_device_back a_dead_function_is_reloaded_when_it_is_back
# order: 42
#
# devlink reload: on both sides, idle and under traffic, into another network
# namespace and back, and of a card that does not answer.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"

CASES="
	reload_makes_netdevs_and_ports_anew
	reload_forgets_settings
	the_host_reloads_while_the_dpu_sends
	the_dpu_reloads_while_the_host_sends
	both_reload_at_once
	the_host_sees_the_dpu_go_and_come
	reload_brings_back_what_waits_for_the_administrator
	reload_goes_to_another_namespace_and_back
	reload_goes_from_one_namespace_to_another
	a_namespace_that_ends_gives_the_device_back
	a_dead_function_is_reloaded_when_it_is_back
	refuses_other_actions_and_limits
	refuses_unprivileged_users
"

before_case() { net_up; }

reload() { on "$1" devlink dev reload "pci/$(pci_of "$1")" "${@:2}" </dev/null; }

flood()
{
	bg "flood_$1" "$1" sh -c \
		'while :; do '"$GUEST"'/frames send $0 -n 1000 -l 60,1514 2>/dev/null || sleep 0.1; done' "$2"
}

reload_makes_netdevs_and_ports_anew()
{
	local vm name index starts reloads

	for vm in host dpu; do
		name=$([ "$vm" = host ] && echo "$HIF" || echo "$P0")
		index=$(on "$vm" cat "/sys/class/net/$name/ifindex" </dev/null)
		starts=$(aq_field "$vm" starts)
		reloads=$(on "$vm" devlink -j -s dev show </dev/null | jq '[.. | objects | .driver_reinit? // empty | .unspecified] | max')
		expect_match "what was done" "$(reload "$vm" action driver_reinit)" 'driver_reinit'
		expect_eq "starts" "$(aq_field "$vm" starts)" $((starts + 1))
		expect_eq "reloads" "$(on "$vm" devlink -j -s dev show </dev/null |
			jq '[.. | objects | .driver_reinit? // empty | .unspecified] | max')" $((reloads + 1))
		[ "$(dpu_field "$vm" .dev_state)" = ready ]
		net_up
		[ "$(on "$vm" cat "/sys/class/net/$([ "$vm" = host ] && echo "$HIF" || echo "$P0")/ifindex" </dev/null)" -gt "$index" ]
	done
	ping_works host "$FAR_IP"
}

# As those of a driver that was just bound; those of the card stay.
reload_forgets_settings()
{
	local mac

	mac=$(host cat "/sys/class/net/$HIF/address" </dev/null)
	host_sh 'ethtool -L $1 combined 1 && ethtool -G $1 rx 64 tx 64 && ip link set $1 mtu 2000' "$HIF"
	expect_eq "channels" "$(host ethtool -l "$HIF" </dev/null | awk '/^Current/ { c = 1 } c && $1 == "Combined:" { print $2 }')" 1
	expect_eq "ring" "$(host ethtool -g "$HIF" </dev/null | awk '/^Current/ { c = 1 } c && $1 == "RX:" { print $2 }')" 64
	reload host
	host_net_up
	expect_eq "ring" "$(host ethtool -g "$HIF" </dev/null | awk '/^Current/ { c = 1 } c && $1 == "RX:" { print $2 }')" 1024
	expect_eq "channels" "$(host ethtool -l "$HIF" </dev/null | awk '/^Current/ { c = 1 } c && $1 == "Combined:" { print $2 }')" \
		"$(host nproc </dev/null)"
	expect_eq "MTU" "$(host cat "/sys/class/net/$HIF/mtu" </dev/null)" 1500
	expect_eq "address" "$(host cat "/sys/class/net/$HIF/address" </dev/null)" "$mac"
}

the_host_reloads_while_the_dpu_sends()
{
	local i

	flood dpu "$REP"
	for ((i = 0; i < $(times 4); i++)); do
		flood host "$HIF"
		reload host
		bg_stop flood_host
		host_net_up
		await_ping dpu 20 "$HOST_IP"
	done
	expect_eq "state of the DPU's driver" "$(dpu_field dpu .dev_state)" ready
}

# On the host nothing has to be done.
the_dpu_reloads_while_the_host_sends()
{
	local i

	flood host "$HIF"
	for ((i = 0; i < $(times 4); i++)); do
		reload dpu
		dpu_net_up
		await_ping host 20 "$DPU_IP"
	done
	ping_works host "$FAR_IP"
	expect_eq "state of the host's driver" "$(dpu_field host .dev_state)" ready
}

both_reload_at_once()
{
	local i pid

	for ((i = 0; i < $(times 3); i++)); do
		reload dpu &
		pid=$!
		reload host
		wait "$pid"
		net_up
	done
	no_stuck_tasks host
	no_stuck_tasks dpu
}

the_host_sees_the_dpu_go_and_come()
{
	local generation

	generation=$(dpu_field host .generation)
	bg monitor host opitool -j monitor
	wait_for 10 said monitor sync
	reload dpu
	wait_for 10 said monitor '"event":"change".*"peer":"present"'
	wait_for 10 said monitor '"event":"change".*"peer":"ready"'
	expect_eq "generation" "$(dpu_field host .generation)" "$generation"
	dpu_net_up
	await host 20 "[ \$(cat /sys/class/net/$HIF/carrier) = 1 ]"
}

reload_brings_back_what_waits_for_the_administrator()
{
	local vm dev

	for vm in host dpu; do
		dev=pci/$(pci_of "$vm")
		expect_held "$vm"
		defer "on $vm devlink health set $dev reporter fw auto_recover true"
		on "$vm" devlink health set "$dev" reporter fw auto_recover false </dev/null
		on "$vm" devlink health test "$dev" reporter fw </dev/null
		await_dpu "$vm" 10 '.dev_state == "failed"'
		reload "$vm"
		await_dpu "$vm" 5 '.dev_state == "ready"'
		expect_eq "state" "$(health_field "$vm" fw state)" healthy
	done
	net_up
}

# In the namespace it is the same device with the same ports.
reload_goes_to_another_namespace_and_back()
{
	local vm dev ports

	for vm in host dpu; do
		dev=pci/$(pci_of "$vm")
		ports=$(on "$vm" devlink -j port show </dev/null | jq '.port | length')
		defer "on $vm ip netns exec opi-reload devlink dev reload $dev netns 1 2>/dev/null; on $vm ip netns del opi-reload 2>/dev/null || :"
		on "$vm" ip netns add opi-reload </dev/null
		reload "$vm" netns opi-reload
		refused '.' on "$vm" devlink dev show "$dev"
		expect_eq "ports elsewhere" "$(on "$vm" devlink -j port show </dev/null | jq '.port | length')" 0
		expect_eq "devices of opitool" "$(on "$vm" opitool -j dpu show </dev/null | jq length)" 0
		expect_eq "ports" "$(on "$vm" ip netns exec opi-reload devlink -j port show </dev/null |
			jq '[.port[] | select(.netdev)] | length')" "$ports"
		expect_eq "state" "$(on "$vm" ip netns exec opi-reload opitool -j dpu show </dev/null | jq -r '.[0].dev_state')" ready
		expect_eq "driver" "$(on "$vm" ip netns exec opi-reload devlink -j dev info "$dev" </dev/null | jq -r '.info[].driver')" opi_core
		on "$vm" ip netns exec opi-reload devlink dev reload "$dev" netns 1 </dev/null
		on "$vm" ip netns del opi-reload </dev/null
		expect_eq "ports" "$(on "$vm" devlink -j port show </dev/null | jq '[.port[] | select(.netdev)] | length')" "$ports"
	done
	net_up
}

# What waits for a reload is taken along, and the namespace that is left can go.
reload_goes_from_one_namespace_to_another()
{
	local vm dev n

	for vm in host dpu; do
		dev=pci/$(pci_of "$vm")
		n=$(on "$vm" devlink -j resource show "$dev" </dev/null | jq '.resources[][] | select(.name == "queue_pairs") | .size')
		defer "on_sh $vm 'for n in opi-reload1 opi-reload2; do
			ip netns exec \$n devlink dev reload $dev netns 1; ip netns del \$n; done 2>/dev/null
			devlink resource set $dev path queue_pairs size $n && devlink dev reload $dev >/dev/null'"
		on_sh "$vm" 'ip netns add opi-reload1 && ip netns add opi-reload2'
		reload "$vm" netns opi-reload1
		on "$vm" devlink -N opi-reload1 resource set "$dev" path queue_pairs size 1 </dev/null
		refused 'No such|not exist' on "$vm" devlink dev reload "$dev" netns opi-reload2
		on "$vm" devlink -N opi-reload1 dev reload "$dev" netns opi-reload2 </dev/null
		on "$vm" ip netns del opi-reload1 </dev/null
		refused '.' on "$vm" devlink dev show "$dev"
		expect_eq "queue pairs" "$(on "$vm" devlink -N opi-reload2 -j resource show "$dev" </dev/null |
			jq -c '.resources[][] | select(.name == "queue_pairs") | [.size, .size_new]')" '[1,null]'
		expect_eq "state" "$(on "$vm" ip netns exec opi-reload2 opitool -j dpu show </dev/null | jq -r '.[0].dev_state')" ready
		on "$vm" devlink -N opi-reload2 dev reload "$dev" netns 1 </dev/null
		on "$vm" ip netns del opi-reload2 </dev/null
	done
	net_up
}

a_namespace_that_ends_gives_the_device_back()
{
	local vm

	for vm in host dpu; do
		on "$vm" ip netns add opi-ends </dev/null
		reload "$vm" netns opi-ends
		on "$vm" ip netns del opi-ends </dev/null
		await "$vm" 20 "devlink dev show pci/$(pci_of "$vm")"
		await_dpu "$vm" 20 '.dev_state == "ready"'
	done
	net_up
}

a_dead_function_is_reloaded_when_it_is_back()
{
	expect_log host 'opi_core 0000:[0-9a-f:.]+: (function does not answer|start failed|last reset failed|card is there)'
	expect_log host 'opi_core 0000:[0-9a-f:.]+ [a-z0-9]+: (port does not|no queue pairs)'
	defer "tb fault dead off"
	tb fault dead on
	await_dpu host 10 '.dev_state == "gone"'
	refused 'does not start; the driver goes on trying' reload host
	host devlink -j dev show </dev/null | jq -e '.dev[] | .reload_failed'
	expect_eq "ports" "$(host devlink -j port show </dev/null | jq '.port | length')" 0
	no_stuck_tasks host
	ping_works dpu "$FAR_IP"
	tb fault dead off
	await_dpu host 30 '.dev_state == "ready"'
	reload host
	host devlink -j dev show </dev/null | jq -e '.dev[] | .reload_failed | not'
	net_up
}

refuses_other_actions_and_limits()
{
	local vm

	for vm in host dpu; do
		refused 'not supported' reload "$vm" action fw_activate
		refused '.' reload "$vm" limit no_reset
		refused '.' reload "$vm" netns nosuch
	done
	ping_works host "$DPU_IP"
}

refuses_unprivileged_users()
{
	local vm

	for vm in host dpu; do
		refused 'not permitted' on "$vm" setpriv --reuid nobody --regid nogroup --clear-groups \
			devlink dev reload "pci/$(pci_of "$vm")"
	done
}

run_cases "$@"
