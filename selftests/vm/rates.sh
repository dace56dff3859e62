#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 400
# debug: rates_are_given_again_after_a_reset nodes_go_with_a_reload
# debug: police_is_given_again_after_a_reset police_goes_with_its_filter
# order: 46
#
# devlink rates of host functions and tc's police on representors: that they hold,
# that they are given to the card again after a reset, and what is refused.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/func.sh"

CASES="
	each_function_is_a_leaf
	rates_are_told_as_they_were_set
	tx_max_limits_what_a_function_sends
	tx_max_of_a_node_limits_what_is_below_it
	functions_share_a_limit_by_weight_share_and_priority
	each_kind_of_function_is_limited
	rates_are_given_again_after_a_reset
	nodes_stand_above_each_other_once
	nodes_are_made_until_there_are_no_more
	nodes_go_with_a_reload
	refuses_what_is_no_rate
	refuses_rates_without_service
	refuses_unprivileged_users
	police_drops_what_is_too_much
	police_of_packets_drops_what_is_too_much
	a_flood_that_is_policed_starves_nobody
	police_is_given_again_after_a_reset
	police_goes_with_its_filter
	refuses_what_the_card_cannot_police
	flower_is_left_to_the_kernel
"

before_case() { net_up; }

DEV() { echo "pci/$(pci_of dpu)"; }
leaf() { echo "$(DEV)/1"; }
rate() { dpu devlink port function rate "$@" </dev/null; }

# rate_field NAME FIELD: of a leaf or node, as pci/0000:00:03.0/NAME.
rate_field()
{
	dpu devlink -j port function rate show "$1" </dev/null | jq -r --arg f "$2" '.rate[][$f]'
}

rates_reset()
{
	defer "rate set $(leaf) noparent 2>/dev/null; rate set $(leaf) tx_share 0 2>/dev/null; rate set $(leaf) tx_max 0 tx_priority 0 tx_weight 1"
}

# node NAME [VALUES]: it is gone after the case.
node()
{
	local n

	n=$(DEV)/$1
	defer "rate set $(leaf) noparent 2>/dev/null; rate del $n 2>/dev/null || :"
	rate add "$n" "${@:2}"
}

# flood [NAME [IF [NETNS]]]: all that the host's netdev can send, and more.
flood()
{
	# shellcheck disable=SC2016 # for the guest
	bg "${1:-flood}" host ${3:+ip netns exec "$3"} sh -c 'while :; do
		'"$GUEST"'/frames send $0 -n 200 -l 1514 2>/dev/null || sleep 0.02; done' "${2:-$HIF}"
}

# throughput [REP...]: bytes a second that come out of host functions, over some
# seconds.
throughput()
{
	# shellcheck disable=SC2016 # for the guest
	dpu_sh 'sleep 0.5
		now() { cut -d" " -f1 /proc/uptime; for r; do cat /sys/class/net/$r/statistics/rx_bytes; done; }
		a=$(now $*); sleep 2.5; b=$(now $*)
		echo $a $b | awk "{ n = NF / 2; for (i = 2; i <= n; i++)
			printf \"%d \", (\$(n + i) - \$i) / (\$(n + 1) - \$1); print \"\" }"' "${@:-$REP}"
}

# limited BYTES [IF REP [NETNS]]: a flood gets that within a fifth.
limited() { measured limited_once "$@"; }
limited_once()
{
	local got

	flood flood "${@:2:1}" "${@:4:1}"
	got=$(throughput "${@:3:1}")
	bg_stop flood
	note "${got% } bytes a second of $1"
	expect_range "bytes a second" "${got% }" $(($1 * ${floor:-80} / 100)) $(($1 * 120 / 100))
}

# policed BYTES [IF REP [NETNS]]: what a sender that pauses does not use of a limit
# that drops is lost to it.
policed()
{
	local floor=50

	limited "$@"
}

unlimited() { measured unlimited_once "$@"; }
unlimited_once()
{
	local got

	flood
	got=$(throughput)
	bg_stop flood
	note "${got% } bytes a second"
	expect_range "bytes a second" "${got% }" "$1" 1000000000000
}

each_function_is_a_leaf()
{
	expect_eq "leaves" "$(dpu devlink -j port function rate show </dev/null |
		jq -c '[.rate[] | [.type, .tx_weight]] | unique')" '[["leaf",1]]'
	expect_eq "leaves and functions" "$(dpu devlink -j port function rate show </dev/null | jq -c '[.rate | keys[]] | sort')" \
		"$(dpu devlink -j port show </dev/null | jq -c '[.port | to_entries[] | select(.value.flavour != "physical") | .key] | sort')"
	refused '.' rate show "$(DEV)/0"
	expect_eq "leaves of the host" "$(host devlink -j port function rate show </dev/null | jq '.rate | length')" 0
}

# Of each leaf and of nodes; bits a second are set, bytes a second are told.
rates_are_told_as_they_were_set()
{
	local leaves l i=0

	rates_reset
	defer "vfs 0"
	vfs 4
	mapfile -t leaves < <(dpu devlink -j port function rate show </dev/null |
		jq -r '.rate | to_entries[] | select(.value.type == "leaf") | .key')
	expect_eq "leaves" "${#leaves[@]}" 5
	for l in "${leaves[@]}"; do
		i=$((i + 1))
		defer "rate set $l noparent; rate set $l tx_share 0 2>/dev/null; rate set $l tx_max 0"
		rate set "$l" tx_max ${i}00mbit
		rate set "$l" tx_share ${i}0mbit
	done
	node group1
	node group2 tx_max 50mbit
	expect_eq "limit given at once" "$(rate_field "$(DEV)/group2" tx_max)" 6250000
	rate set "$(DEV)/group1" tx_max 100mbit
	rate set "$(DEV)/group1" tx_share 10mbit
	rate set "$(DEV)/group2" parent group1
	expect_eq "node" "$(dpu devlink -j port function rate show "$(DEV)/group1" </dev/null |
		jq -c '.rate[] | [.type, .tx_share, .tx_max]')" '["node",1250000,12500000]'
	expect_eq "parent" "$(rate_field "$(DEV)/group2" parent)" group1
	rate set "${leaves[4]}" parent group2
	expect_eq "leaves" "$(dpu devlink -j port function rate show </dev/null |
		jq -c '[.rate[] | select(.type == "leaf") | [.tx_share, .tx_max, .parent]] | sort')" \
		"$(jq -nc '[range(1; 6) | [. * 1250000, . * 12500000, (if . == 5 then "group2" else null end)]]')"
	expect_eq "nodes" "$(dpu devlink -j port function rate show </dev/null | jq '[.rate[] | select(.type == "node")] | length')" 2
	refused 'children' rate del "$(DEV)/group2"
	rate set "${leaves[4]}" noparent
	expect_eq "parent" "$(rate_field "${leaves[4]}" parent)" null
	rate del "$(DEV)/group2"
	rate del "$(DEV)/group1"
	expect_eq "nodes" "$(dpu devlink -j port function rate show </dev/null | jq '[.rate[] | select(.type == "node")] | length')" 0
}

tx_max_limits_what_a_function_sends()
{
	rates_reset
	unlimited 500000
	rate set "$(leaf)" tx_max 2mbit
	limited 250000
	rate set "$(leaf)" tx_max 1mbit
	limited 125000
	rate set "$(leaf)" tx_max 0
	unlimited 500000
	ping_works dpu "$HOST_IP"
}

tx_max_of_a_node_limits_what_is_below_it()
{
	rates_reset
	node tenant tx_max 2mbit
	unlimited 500000
	rate set "$(leaf)" parent tenant
	limited 250000
	# The smaller one counts.
	rate set "$(leaf)" tx_max 1mbit
	limited 125000
	rate set "$(leaf)" noparent
	rate set "$(leaf)" tx_max 0
	unlimited 500000
}

# What PF and VF have of what both have, in percent of what it shall be: shares
# REP-OF-VF PF VF, in bytes a second.
shares() { measured both_get "$1" $(($2 * 80 / 100)) $(($2 * 120 / 100)) $(($3 * 80 / 100)) $(($3 * 120 / 100)); }

# both_get REP-OF-VF PF-MIN PF-MAX VF-MIN VF-MAX
both_get()
{
	local got

	read -ra got <<<"$(throughput "$REP" "$1")"
	note "PF ${got[0]}, VF ${got[1]}; expected $2 to $3 and $4 to $5"
	expect_range "PF's" "${got[0]}" "$2" "$3"
	expect_range "VF's" "${got[1]}" "$4" "$5"
}

functions_share_a_limit_by_weight_share_and_priority()
{
	local vf rep

	rates_reset
	defer "vfs 0"
	vfs 1
	rep=$(fn_rep vf 0)
	vf=$(fn_port vf 0)
	node both tx_max 4mbit
	host ip link set "$(vf_if 0)" up </dev/null
	dpu ip link set "$rep" up </dev/null
	await host 10 "[ \$(cat /sys/class/net/$(vf_if 0)/carrier) = 1 ]"
	rate set "$(leaf)" parent both
	defer "rate set $vf noparent; rate set $vf tx_weight 1"
	rate set "$vf" parent both
	flood
	flood flood_vf "$(vf_if 0)"

	shares "$rep" 250000 250000
	rate set "$vf" tx_weight 3
	shares "$rep" 125000 375000
	# What is its own comes first, whatever the weights.
	rate set "$(leaf)" tx_share 3mbit
	measured both_get "$rep" 330000 500000 0 200000
	rate set "$(leaf)" tx_share 0

	rate set "$(leaf)" tx_priority 5
	measured both_get "$rep" 420000 600000 0 80000
	rate set "$(leaf)" tx_priority 0
	bg_stop flood_vf
	bg_stop flood
}

# The rates of virtual functions and subfunctions, and police on their representors.
each_kind_of_function_is_limited()
{
	local kind port rep if

	vfs 1
	defer "vfs 0"
	dpu devlink port add "$(DEV)" flavour pcisf controller 1 pfnum 0 sfnum 8 </dev/null >/dev/null
	port=$(fn_port sf 8)
	defer "dpu devlink port del $port"
	dpu devlink port function set "$port" state active </dev/null
	await_fn 20 sf 8 '.function.opstate == "attached"'
	for kind in vf sf; do
		if [ "$kind" = vf ]; then
			port=$(fn_port vf 0) rep=$(fn_rep vf 0) if=$(vf_if 0)
		else
			port=$(fn_port sf 8) rep=$(fn_rep sf 8) if=$(host_sh 'ls /sys/bus/auxiliary/devices/opi_core.sf.*/net')
		fi
		dpu ip link set "$rep" up </dev/null
		host ip link set "$if" up </dev/null
		await host 10 "[ \$(cat /sys/class/net/$if/carrier) = 1 ]"
		rate set "$port" tx_max 2mbit
		limited 250000 "$if" "$rep"
		rate set "$port" tx_max 0
		dpu tc qdisc replace dev "$rep" clsact </dev/null
		defer "dpu tc qdisc del dev $rep clsact 2>/dev/null || :"
		dpu tc filter add dev "$rep" ingress matchall skip_sw action police rate 2mbit burst 20k conform-exceed drop/continue </dev/null
		policed 250000 "$if" "$rep"
		dpu tc qdisc del dev "$rep" clsact </dev/null
	done
}

rates_are_given_again_after_a_reset()
{
	rates_reset
	node upper tx_max 8mbit
	node lower tx_max 2mbit
	rate set "$(DEV)/lower" parent upper
	rate set "$(leaf)" parent lower tx_weight 7 tx_priority 3 tx_share 1mbit
	dpu_sh 'echo 1 >/sys/bus/pci/devices/$1/reset' "$(pci_of dpu)"
	await_ping host 20 "$DPU_IP"
	expect_eq "parent" "$(rate_field "$(leaf)" parent)" lower
	expect_eq "weight" "$(rate_field "$(leaf)" tx_weight)" 7
	limited 250000
	# And a card that has lost everything.
	dpu devlink health test "$(DEV)" reporter fw </dev/null
	wait_for 15 eval '[ "$(health_field dpu fw state)" = healthy ]'
	await_ping host 20 "$DPU_IP"
	limited 250000
}

nodes_stand_above_each_other_once()
{
	rates_reset
	node n1
	node n2
	node n3
	rate set "$(DEV)/n2" parent n1
	refused 'at most two nodes' rate set "$(DEV)/n3" parent n2
	refused 'at most two nodes' rate set "$(DEV)/n1" parent n3
	refused 'self' rate set "$(DEV)/n1" parent n1
	refused '.' rate set "$(DEV)/n1" parent n2
	refused '.' rate set "$(leaf)" parent nosuch
	rate set "$(leaf)" parent n2
	refused 'children' rate del "$(DEV)/n2"
	refused 'children' rate del "$(DEV)/n1"
	rate set "$(leaf)" parent n3
	rate set "$(DEV)/n2" noparent
	rate set "$(DEV)/n3" parent n2
	rate set "$(leaf)" noparent
	rate set "$(DEV)/n3" noparent
	rate del "$(DEV)/n1"
	refused '.' rate del "$(DEV)/n1"
	refused '.' rate add "$(DEV)/n2"
	refused '.' rate add "$(DEV)/17"
}

nodes_are_made_until_there_are_no_more()
{
	local n

	# shellcheck disable=SC2016 # for the guest
	n=$(dpu_sh 'i=0
		while [ $i -lt 5000 ] && devlink port function rate add $1/m$i 2>/dev/null; do i=$((i + 1)); done; echo $i' "$(DEV)")
	# shellcheck disable=SC2016
	defer 'dpu_sh "for n in \$(devlink port function rate show | sed -n \"s|^.*/\\(m[0-9]*\\):.*|\\1|p\"); do devlink port function rate del \$1/\$n; done" "$(DEV)"'
	expect_range "nodes" "$n" 1 4096
	refused "the card has $n nodes" rate add "$(DEV)/more"
	rate del "$(DEV)/m0"
	rate add "$(DEV)/m0"
}

nodes_go_with_a_reload()
{
	node short tx_max 2mbit
	rate set "$(leaf)" parent short
	dpu devlink dev reload "$(DEV)" </dev/null
	expect_eq "rates" "$(dpu devlink -j port function rate show </dev/null | jq -c '[.rate[].type] | unique')" '["leaf"]'
	expect_eq "parent" "$(rate_field "$(leaf)" parent)" null
	dpu_net_up
	await_ping host 20 "$DPU_IP"
	unlimited 500000
}

refuses_what_is_no_rate()
{
	rates_reset
	refused 'a priority is 0 to 7' rate set "$(leaf)" tx_priority 8
	refused 'a weight is 1 to 100' rate set "$(leaf)" tx_weight 0
	refused 'a weight is 1 to 100' rate set "$(leaf)" tx_weight 101
	rate set "$(leaf)" tx_max 2mbit
	refused 'tx_share' rate set "$(leaf)" tx_share 3mbit
	rate set "$(leaf)" tx_share 1mbit
	refused 'tx_share' rate set "$(leaf)" tx_max 500kbit
	expect_eq "limit" "$(rate_field "$(leaf)" tx_max)" 250000
	refused '.' host devlink port function rate set "pci/$(pci_of host)/1" tx_max 1mbit
	refused 'only the DPU' host devlink port function rate add "pci/$(pci_of host)/node"
}

refuses_rates_without_service()
{
	defer "dpu devlink health set $(DEV) reporter fw auto_recover true; dpu devlink health recover $(DEV) reporter fw 2>/dev/null || :"
	expect_held dpu
	node kept tx_max 2mbit
	dpu devlink health set "$(DEV)" reporter fw auto_recover false </dev/null
	dpu devlink health test "$(DEV)" reporter fw </dev/null
	await_dpu dpu 10 '.dev_state == "failed"'
	refused 'no service' rate set "$(leaf)" tx_max 1mbit
	refused 'no service' rate add "$(DEV)/late"
	# What is there can go.
	rate del "$(DEV)/kept"
	dpu devlink health recover "$(DEV)" reporter fw </dev/null
	await_dpu dpu 10 '.dev_state == "ready"'
	node kept tx_max 2mbit
}

refuses_unprivileged_users()
{
	refused 'not permitted' dpu setpriv --reuid nobody --regid nogroup --clear-groups \
		devlink port function rate set "$(leaf)" tx_max 1mbit
}

# ---- tc ------------------------------------------------------------------

clsact()
{
	defer "dpu tc qdisc del dev $REP clsact 2>/dev/null || :"
	dpu tc qdisc replace dev "$REP" clsact </dev/null
}

police() { dpu tc filter add dev "$REP" ingress prio 1 matchall skip_sw action police "$@" </dev/null; }

police_drops_what_is_too_much()
{
	local stats

	clsact
	police rate 2mbit burst 20k conform-exceed drop/continue
	dpu tc filter show dev "$REP" ingress </dev/null | grep -q in_hw
	policed 250000
	stats=$(dpu tc -s -j filter show dev "$REP" ingress </dev/null | jq -c '[.. | objects | select(.stats?) | .stats] | first')
	[ "$(jq .drops <<<"$stats")" -gt 0 ]
	[ "$(jq .packets <<<"$stats")" -gt "$(jq .drops <<<"$stats")" ]
	dpu tc filter del dev "$REP" ingress prio 1 </dev/null
	unlimited 500000
}

police_of_packets_drops_what_is_too_much()
{
	clsact
	police pkts_rate 100 pkts_burst 10 conform-exceed drop/pipe
	policed $((100 * 1514))
}

# asked: how many times in some seconds a program on the DPU gets an answer of the card.
asked()
{
	# shellcheck disable=SC2016 # for the guest
	dpu_sh 'n=0 end=$(($(cut -d. -f1 /proc/uptime) + 3))
		while [ "$(cut -d. -f1 /proc/uptime)" -lt $end ]; do
			ethtool -S "$1" >/dev/null || exit; n=$((n + 1))
		done; echo $n' "$REP"
}

# A function sends all that it can to the DPU.  The admin queue answers; policed, the flood costs
# neither a neighbour an answer nor the DPU the better part of its time.
a_flood_that_is_policed_starves_nobody()
{
	local rep dropped
	local errors idle flooded

	vfs 1
	defer "vfs 0"
	rep=$(fn_rep vf 0)
	host ip link set "$(vf_if 0)" up </dev/null
	dpu ip link set "$rep" up </dev/null
	await host 10 "[ \$(cat /sys/class/net/$(vf_if 0)/carrier) = 1 ]"
	errors=$(health_field dpu aq error)
	idle=$(asked)
	flood flood_vf "$(vf_if 0)"
	flooded=$(asked)
	[ "$flooded" -gt 0 ]
	dpu tc qdisc replace dev "$rep" clsact </dev/null
	defer "dpu tc qdisc del dev $rep clsact 2>/dev/null || :"
	dpu tc filter add dev "$rep" ingress matchall skip_sw action police pkts_rate 50 pkts_burst 10 conform-exceed drop/continue </dev/null
	dropped=$(estat dpu "$rep" port_rx_policed)
	neighbour ping
	measured policed_leaves_time "$idle" "$flooded"
	lost_nothing ping
	bg_stop flood_vf
	[ "$(estat dpu "$rep" port_rx_policed)" -gt "$((dropped + 100))" ]
	expect_eq "errors of the admin queue" "$(health_field dpu aq error)" "$errors"
}

policed_leaves_time()
{
	local policed

	policed=$(asked)
	note "answers of the card in 3 s: $1, $2 under a flood, $policed when it is policed"
	expect_range "answers" "$policed" $(($1 / 5)) 1000000
}

police_is_given_again_after_a_reset()
{
	clsact
	police rate 2mbit burst 20k conform-exceed drop/continue
	dpu_sh 'echo 1 >/sys/bus/pci/devices/$1/reset' "$(pci_of dpu)"
	await_ping host 20 "$DPU_IP"
	policed 250000
}

police_goes_with_its_filter()
{
	clsact
	police rate 2mbit burst 20k conform-exceed drop/continue
	policed 250000
	dpu tc qdisc del dev "$REP" clsact </dev/null
	unlimited 500000
	# And with the driver.
	clsact
	police rate 2mbit burst 20k conform-exceed drop/continue
	dpu_sh 'modprobe -r opi_core && modprobe opi_core'
	dpu_net_up
	await_ping host 20 "$DPU_IP"
	unlimited 500000
}

refuses_what_the_card_cannot_police()
{
	local match='dev '$REP' ingress prio 1'

	clsact
	refused 'can only be dropped' police rate 2mbit burst 20k conform-exceed pipe
	refused 'peakrate' police rate 2mbit burst 20k peakrate 4mbit mtu 2000 conform-exceed drop/continue
	refused 'mtu is below' police rate 2mbit burst 20k mtu 1000 conform-exceed drop/continue
	# shellcheck disable=SC2086 # words on purpose
	refused 'one action here: police' dpu tc filter add $match matchall skip_sw action drop
	# shellcheck disable=SC2086
	refused 'all protocols' dpu tc filter add $match protocol ip matchall skip_sw action police rate 2mbit burst 20k conform-exceed drop/continue
	# shellcheck disable=SC2086
	refused 'chain 0' dpu tc filter add $match chain 3 matchall skip_sw action police rate 2mbit burst 20k conform-exceed drop/continue
	refused '.' dpu tc filter add dev "$REP" egress prio 1 matchall skip_sw action police rate 2mbit burst 20k conform-exceed drop/continue
	refused '.' host_sh 'tc qdisc add dev $1 clsact; tc filter add dev $1 ingress matchall skip_sw action police rate 2mbit burst 20k conform-exceed drop/continue' "$HIF"
	host tc qdisc del dev "$HIF" clsact </dev/null 2>/dev/null || :
	police rate 2mbit burst 20k conform-exceed drop/continue
	refused 'has a filter that polices' dpu tc filter add dev "$REP" ingress prio 2 matchall skip_sw action police rate 2mbit burst 20k conform-exceed drop/continue
	expect_log dpu 'opi_core 0000:[0-9a-f:.]+ [a-z0-9]+: (tc has filters in the card|set_features\(\) failed)'
	refused '.' dpu ethtool -K "$REP" hw-tc-offload off
	# The stack remembers that it was wanted, and what is wanted already is no change.
	dpu ethtool -K "$REP" hw-tc-offload on </dev/null
	dpu tc qdisc del dev "$REP" clsact </dev/null
	dpu ethtool -K "$REP" hw-tc-offload off </dev/null
	defer "dpu ethtool -K $REP hw-tc-offload on"
	clsact
	refused 'offload is disabled' police rate 2mbit burst 20k conform-exceed drop/continue
}

flower_is_left_to_the_kernel()
{
	clsact
	dpu tc filter add dev "$REP" ingress prio 1 protocol ip flower dst_ip 10.99.0.1 action drop </dev/null
	dpu tc filter show dev "$REP" ingress </dev/null | grep -q not_in_hw
	refused '.' dpu tc filter add dev "$REP" ingress prio 2 protocol ip flower skip_sw dst_ip 10.99.0.2 action drop
	# matchall that the card does not do, too.
	dpu tc filter add dev "$REP" ingress prio 3 matchall action ok </dev/null
	ping_works host "$DPU_IP"
}

run_cases "$@"
