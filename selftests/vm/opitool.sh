#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 240
# debug: none
# order: 26
#
# opitool with a real card, on both sides.  (What it does without one: opitool/.)

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/func.sh"

CASES="
	dpu_show_on_both_sides
	a_dpu_can_be_named_in_each_way
	port_show_agrees_with_devlink
	text_and_json_say_the_same
	unknown_names_are_refused
	monitor_shows_links_and_peers
	monitor_takes_no_bridge_for_a_link
	both_sides_tell_the_same_map
	vf_is_changed_and_devlink_agrees
	vf_is_withdrawn_and_exposed
	migrate_that_is_refused_leaves_entries
	subfunction_from_add_to_del
	monitor_shows_functions
	refusals_say_what_to_do
	everybody_may_look
	without_the_driver_it_says_so
"

before_case() { net_up; }

dpu_show_on_both_sides()
{
	local vm

	for vm in host dpu; do
		on "$vm" opitool -j dpu show </dev/null >"$CASE_DIR/$vm"
		expect_eq "DPUs of $vm" "$(jq length "$CASE_DIR/$vm")" 1
		jq -e '.[0] | .driver == "opi_core" and .via == "opi" and .health == "ok" and .dev_state == "ready"' "$CASE_DIR/$vm" >/dev/null
		expect_eq "device" "$(jq -r '.[0].dev' "$CASE_DIR/$vm")" "pci/$(pci_of "$vm")"
	done
}

a_dpu_can_be_named_in_each_way()
{
	local dev serial name

	dev=pci/$(pci_of host) serial=$(dpu_field host .serial)
	for name in "$dev" "$serial" "${serial^^}"; do
		expect_eq "$name" "$(host opitool -j dpu show "$name" </dev/null | jq -r '.[].serial')" "$serial"
	done
}

ports_agree()
{
	local vm

	for vm in host dpu; do
		expect_eq "ports of $vm" \
			"$(on "$vm" opitool -j port show </dev/null | jq -c '[.[] | [.port, .flavour, .netdev]] | sort')" \
			"$(on "$vm" devlink -j port show </dev/null | jq -c '[.port | to_entries[] | [.key, .value.flavour, .value.netdev]] | sort')"
	done
}

port_show_agrees_with_devlink()
{
	ports_agree
	dpu opitool -j port show </dev/null | jq -e 'all(.carrier and .up)' >/dev/null
}

text_and_json_say_the_same()
{
	local vm word shown

	for vm in host dpu; do
		on "$vm" opitool dpu show </dev/null >"$CASE_DIR/text"
		mapfile -t shown < <(on "$vm" opitool -j dpu show </dev/null |
			jq -r '.[0] | .serial, .role, .mode, .peer, .dev_state, .boot.os_status')
		expect_eq "words" "${#shown[@]}" 6
		for word in "${shown[@]}"; do
			grep -qw -- "$word" "$CASE_DIR/text" || fail "text does not say '$word'"
		done
		on "$vm" opitool -p -j dpu show </dev/null | jq -e . >/dev/null
	done
}

unknown_names_are_refused()
{
	local rc

	for name in pci/0000:ff:1f.7 00000000deadbeef nonsense; do
		rc=0
		host opitool dpu show "$name" </dev/null 2>"$CASE_DIR/err" || rc=$?
		expect_range "status for $name" "$rc" 1 2
		[ -s "$CASE_DIR/err" ]
	done
	rc=0
	host opitool dpu destroy </dev/null 2>/dev/null || rc=$?
	expect_eq "status of a usage error" "$rc" 2
}

monitor_shows_links_and_peers()
{
	bg mon host opitool -j monitor
	wait_for 10 said mon sync
	dpu ip link set "$REP" down </dev/null
	wait_for 10 said mon '"object":"port","event":"change".*"carrier":false'
	dpu ip link set "$REP" up </dev/null
	wait_for 10 said mon '"object":"port","event":"change".*"carrier":true'
	dpu modprobe -r opi_core </dev/null
	wait_for 10 said mon '"object":"dpu","event":"change".*"peer":"present"'
	dpu modprobe opi_core </dev/null
	wait_for 10 said mon '"object":"dpu","event":"change".*"peer":"ready"'
	# Every line is an object of its own.
	jq -e -n 'reduce inputs as $i (0; . + 1) > 4' "$CASE_DIR/mon" >/dev/null
}

# A bridge tells of its ports where netdevs are told of, and less of them.
monitor_takes_no_bridge_for_a_link()
{
	local rep

	vfs 1
	rep=$(fn_rep vf 0)
	defer "dpu ip link del br9 </dev/null"
	host ip link set "$(vf_if 0)" up </dev/null
	dpu_sh 'ip link add br9 type bridge && ip link set $1 up' "$rep"
	await dpu 20 "opitool -j port show | jq -e '.[] | select(.netdev == \"$rep\") | .carrier'"
	bg mon dpu opitool -j monitor port
	wait_for 20 said mon '"event":"sync"'
	dpu_sh 'ip link set $1 master br9 && bridge vlan add dev $1 vid 10 && ip link set $1 nomaster' "$rep"
	# What comes last shows that it is known still, and that all has come.
	defer "dpu ip link set $rep up </dev/null"
	dpu ip link set "$rep" down </dev/null
	wait_for 20 said mon "\"netdev\":\"$rep\".*\"up\":false"
	expect_eq "told without a carrier" "$(jq -c --arg r "$rep" 'select(.netdev == $r and (.carrier | not)) | [.event, .up]' \
		"$CASE_DIR/mon")" '["change",false]'
}

# Which function the host finds where, as it tells and as the DPU tells.
map_of()
{
	on "$1" opitool -j function show </dev/null |
		jq -c '[.[] | select(.host_address) | [.serial, .func_id, .type, .pf, .vf, .host_address]] | sort'
}

both_sides_tell_the_same_map()
{
	local n pci

	vfs 2
	await dpu 10 "opitool -j function show type vf | jq -e '[.[] | select(.host_address)] | length == 2'"
	expect_eq map "$(map_of host)" "$(map_of dpu)"
	# And both are right: that is where the host has them.
	for n in 0 1; do
		pci=$(vf_pci "$n")
		expect_eq "VF $n" "$(dpu opitool -j function show vf "$n" </dev/null | jq -r '.[].host_address')" "${pci#0000:}"
		expect_eq "who $pci is" "$(dpu opitool -j function show host "$pci" </dev/null | jq '.[].vf')" "$n"
		expect_eq "its device" "$(host opitool -j function show host "$pci" </dev/null | jq -r '.[].dev')" "pci/$pci"
		expect_eq "its representor" "$(dpu opitool -j port show host "$pci" </dev/null | jq -r '.[].netdev')" "$(fn_rep vf "$n")"
	done
}

vf_is_changed_and_devlink_agrees()
{
	vfs 1
	dpu opitool function set vf 0 trust off vlan 7 hw-addr 02:00:00:00:77:01 </dev/null
	defer "dpu opitool function set vf 0 trust on vlan 0 </dev/null"
	expect_eq function "$(dpu opitool -j function show vf 0 </dev/null | jq -c '.[] | [.trust, .vlan, .port.hw_addr]')" \
		'[false,7,"02:00:00:00:77:01"]'
	expect_eq devlink "$(fn_field vf 0 .function.hw_addr)" 02:00:00:00:77:01
	# With -j a change prints what then is.
	expect_eq printed "$(dpu opitool -j function set vf 0 vlan 0 </dev/null | jq -c '.[] | [.vf, .vlan]')" '[0,0]'
	# The limit that "pf 0" names is the physical function's.
	set_vfs 0
	dpu opitool function set pf 0 max-vfs 3 </dev/null
	expect_eq VFs "$(dpu opitool -j function show type vf </dev/null | jq length)" 3
}

vf_is_withdrawn_and_exposed()
{
	vfs 1
	expect_log host 'opi_core [0-9a-f:.]+: function is not in service'
	bg mon_vf host opitool -j monitor function
	wait_for 20 said mon_vf '"event":"sync"'
	dpu opitool function withdraw vf 0 </dev/null
	expect_eq withdrawn "$(fn_field vf 0 .function.state)" inactive
	await dpu 10 "opitool -j function show vf 0 | jq -e '.[].opstate == \"hidden\"'"
	# The host says the same, with no word from the card.
	await host 20 "opitool -j function show vf 0 | jq -e '.[].opstate == \"hidden\"'"
	wait_for 10 said mon_vf '"changed":\["withdrawn","detached"\].*"vf":0.*"opstate":"hidden"'
	dpu opitool function expose vf 0 </dev/null
	expect_eq exposed "$(fn_field vf 0 .function.state)" active
	await dpu 10 "opitool -j function show vf 0 | jq -e '.[].opstate != \"hidden\"'"
	await host 20 "opitool -j function show vf 0 | jq -e '.[].opstate == \"attached\"'"
	wait_for 10 said mon_vf '"changed":\["exposed","attached"\].*"vf":0.*"opstate":"attached"'
}

# says_no STATUS WORDS VM CMD...: the command ends so, and says WORDS.
says_no()
{
	local want=$1 words=$2 vm=$3 rc=0
	shift 3

	on "$vm" "$@" </dev/null >/dev/null 2>"$CASE_DIR/err" || rc=$?
	expect_eq "status of '$*'" "$rc" "$want"
	grep -qF -- "$words" "$CASE_DIR/err" || { cat "$CASE_DIR/err" >&2; fail "it does not say '$words': $*"; }
}

# static_of REP: its static entries, in the order of their addresses.
static_of()
{
	dpu bridge -j fdb show dev "$1" </dev/null |
		jq -c '[.[] | select(.state == "static" and .master) | [.mac, .vlan]] | sort'
}

# An entry stays when its VLAN goes, and can not be set then.  The entry that was
# set last is the first to be moved.
migrate_that_is_refused_leaves_entries()
{
	local n src dst had aa=02:00:00:00:77:0a bb=02:00:00:00:77:0b cc=02:00:00:00:77:0c dd=02:00:00:00:77:0d

	vfs 2
	# New ones afterwards: what is moved takes trust and address along.
	defer "set_vfs 0; max_vfs 0"
	src=$(fn_rep vf 0) dst=$(fn_rep vf 1)
	for n in 0 1; do
		host_sh 'echo $1 >/sys/bus/pci/devices/$1/driver/unbind' "$(vf_pci "$n")"
		await dpu 20 "opitool -j function show vf $n | jq -e '.[].opstate == \"exposed\"'"
	done
	defer "dpu ip link del br9 </dev/null; dpu ip link del br8 </dev/null 2>/dev/null || :"
	dpu_sh 'ip link add br9 type bridge vlan_filtering 1 && ip link set $1 master br9 &&
		bridge vlan add dev $1 vid 20 &&
		bridge fdb add $2 dev $1 master static vlan 20 &&
		bridge fdb add $3 dev $1 master static vlan 1 &&
		bridge vlan del dev $1 vid 20' "$src" "$aa" "$bb"
	had=$(static_of "$src")
	expect_eq "what it has" "$had" "[[\"$aa\",20],[\"$bb\",1]]"
	says_no 1 "into the bridge" dpu opitool function migrate vf 0 to vf 1 force
	expect_eq "not undone" "$(grep "not undone" "$CASE_DIR/err" || :)" ""
	expect_eq "what it has then" "$(static_of "$src")" "$had"
	expect_eq "its bridge" "$(dpu_sh 'ip -j link show $1' "$src" | jq -r '.[].master')" br9
	expect_eq "the other's bridge" "$(dpu_sh 'ip -j link show $1' "$dst" | jq -r '.[].master')" null

	# The same with a destination that stays in the bridge.
	dpu ip link set "$dst" master br9 </dev/null
	says_no 1 "into the bridge" dpu opitool function migrate vf 0 to vf 1 force
	expect_eq "what it has then" "$(static_of "$src")" "$had"
	expect_eq "what the other has" "$(static_of "$dst")" "[]"

	# One that comes back from there into its own bridge has what can be set there,
	# and what can not is said.
	dpu_sh 'ip link set $1 nomaster && ip link add br8 type bridge vlan_filtering 1 && ip link set $1 master br8 &&
		bridge fdb add $2 dev $1 master static vlan 1 &&
		bridge vlan add dev $1 vid 30 &&
		bridge fdb add $3 dev $1 master static vlan 30 &&
		bridge vlan del dev $1 vid 30' "$dst" "$cc" "$dd"
	says_no 1 "not undone: put the destination's port into the bridge" dpu opitool function migrate vf 0 to vf 1 force
	expect_eq "what it has then" "$(static_of "$src")" "$had"
	expect_eq "what the other has" "$(static_of "$dst")" "[[\"$cc\",1]]"

	# When nothing is in the way all of them go.
	dpu bridge vlan add dev "$src" vid 20 </dev/null
	dpu opitool function migrate vf 0 to vf 1 force </dev/null
	expect_eq "what the other has" "$(static_of "$dst")" "$had"
	expect_eq "what is left" "$(static_of "$src")" "[]"
}

subfunction_from_add_to_del()
{
	local made

	made=$(dpu opitool -j function add sf 9 trust on vlan 4 hw-addr 02:00:00:00:99:09 </dev/null)
	defer "dpu opitool function del sf 9 </dev/null 2>/dev/null || :"
	expect_eq made "$(jq -c '.[] | [.type, .sf, .opstate, .trust, .vlan, .port.hw_addr, .port.state]' <<<"$made")" \
		'["sf",9,"hidden",true,4,"02:00:00:00:99:09","inactive"]'
	# Nothing of it on the host before it is exposed.
	expect_eq hidden "$(host opitool -j function show sf 9 </dev/null 2>/dev/null || :)" "[]"
	dpu opitool function expose sf 9 </dev/null
	await dpu 20 "opitool -j function show sf 9 | jq -e '.[].opstate == \"attached\"'"
	expect_eq id "$(host opitool -j function show sf 9 </dev/null | jq '.[].func_id')" "$(jq '.[].func_id' <<<"$made")"
	# The host finds its netdev, which devlink has at a device of its own.
	await host 20 "opitool -j port show sf 9 | jq -e '.[].mac == \"02:00:00:00:99:09\"'"
	expect_match netdev "$(host opitool -j function show sf 9 </dev/null | jq -r '.[].port | .port, .netdev' | paste -sd' ')" \
		'^auxiliary/opi_core\.sf\.[0-9]+/[0-9]+ [a-z0-9]+$'
	ports_agree
	dpu opitool function withdraw sf 9 </dev/null
	dpu opitool function del sf 9 </dev/null
	expect_eq gone "$(dpu opitool -j function show sf 9 </dev/null 2>/dev/null || :)" "[]"
	expect_eq "gone on the host" "$(host opitool -j function show sf 9 </dev/null 2>/dev/null || :)" "[]"

	# One whose setting is refused leaves nothing behind.
	says_no 1 "removed again" dpu opitool function add sf 9 hw-addr 03:00:00:00:99:09
	expect_eq gone "$(dpu opitool -j function show sf 9 </dev/null 2>/dev/null || :)" "[]"
}

# told VM REGEX: the monitor there says it, behind what was told before.
declare -A from=([host]=0 [dpu]=0)
told()
{
	local n

	n=$(sed "1,${from[$1]}d" "$CASE_DIR/mon_$1" | grep -nE -- "$2" | sed -n '1s/:.*//p') || :
	[ -n "$n" ] && from[$1]=$((from[$1] + n))
}
tells() { wait_for 20 told "$1" "\"object\":\"function\",\"event\":$2"; }

# Each step of a function's life, in its order, on both sides.
monitor_shows_functions()
{
	local vm

	vfs 0
	[ "$(func_field dpu '.type == "pf"' .max_vfs)" -ge 1 ] || max_vfs 1
	for vm in host dpu; do
		bg "mon_$vm" "$vm" opitool -j monitor function
		wait_for 20 told "$vm" '"event":"sync"'
	done

	set_vfs 1
	tells dpu '"change","changed":\["num-vfs"\].*"type":"pf".*"num_vfs":1'
	tells dpu '"change","changed":\[.*"exposed".*"vf":0.*"opstate":"exposed"'
	tells dpu '"change","changed":\[.*"attached".*"vf":0.*"opstate":"attached"'
	tells host '"add",.*"vf":0.*"host_address":'
	dpu opitool function set vf 0 vlan 5 </dev/null
	tells dpu '"change","changed":\["set"\].*"vf":0.*"vlan":5'
	tells host '"change","changed":\["set"\].*"vf":0.*"vlan":5'
	dpu opitool function set vf 0 vlan 0 </dev/null
	set_vfs 0
	tells dpu '"change","changed":\[.*"detached".*"vf":0'
	tells dpu '"change","changed":\[.*"withdrawn".*"vf":0.*"opstate":"hidden"'
	tells host '"del",.*"vf":0'

	dpu opitool function add sf 8 </dev/null >/dev/null
	defer "dpu opitool function del sf 8 </dev/null 2>/dev/null || :"
	tells dpu '"add",.*"sf":8,.*"opstate":"hidden"'
	dpu opitool function expose sf 8 </dev/null
	tells dpu '"change","changed":\[.*"exposed".*"sf":8.*"opstate":"exposed"'
	tells dpu '"change","changed":\[.*"attached".*"sf":8.*"opstate":"attached"'
	tells host '"add",.*"sf":8'
	tells host '"change","changed":\["attached"\].*"sf":8'
	dpu opitool function withdraw sf 8 </dev/null
	tells dpu '"change","changed":\[.*"detached".*"sf":8'
	tells dpu '"change","changed":\[.*"withdrawn".*"sf":8.*"opstate":"hidden"'
	tells host '"del",.*"sf":8'
	dpu opitool function del sf 8 </dev/null
	tells dpu '"del",.*"sf":8'
	for vm in host dpu; do
		if said "mon_$vm" '"object":"(dpu|port)"|"event":"lost"'; then
			fail "$vm tells of something else: $(cat "$CASE_DIR/mon_$vm")"
		fi
	done
}

refusals_say_what_to_do()
{
	local nobody=(setpriv --reuid nobody --regid nogroup --clear-groups)

	says_no 1 "this is the host" host opitool function set pf 0 trust on
	says_no 1 "this is the host" host opitool function add sf 3
	says_no 1 "as root" dpu "${nobody[@]}" opitool function set pf 0 trust on
	says_no 1 "as root" dpu "${nobody[@]}" opitool function add sf 3
	says_no 1 sriov_numvfs dpu opitool function del pf 0
	says_no 1 "physical functions" dpu opitool function expose pf 0
	says_no 1 "opitool function show" dpu opitool function expose vf 60000
	vfs 1
	says_no 1 "end that first" dpu opitool function set pf 0 max-vfs 0
	dpu opitool -j function add sf 3 </dev/null >/dev/null
	defer "dpu opitool function del sf 3 </dev/null"
	says_no 1 "number is taken" dpu opitool function add sf 3
}

everybody_may_look()
{
	local vm

	for vm in host dpu; do
		expect_eq "as nobody" \
			"$(on "$vm" setpriv --reuid nobody --regid nogroup --clear-groups opitool -j dpu show </dev/null | jq -r '.[0].serial')" \
			"$(dpu_field "$vm" .serial)"
	done
}

without_the_driver_it_says_so()
{
	local rc=0

	host modprobe -r opi_core </dev/null
	host opitool dpu show </dev/null >"$CASE_DIR/out" 2>"$CASE_DIR/err" || rc=$?
	host modprobe opi_core </dev/null
	expect_range "status" "$rc" 0 3
	grep -q 'modprobe opi_core' "$CASE_DIR/err"
	[ ! -s "$CASE_DIR/out" ] || fail "it shows a DPU without a driver: $(cat "$CASE_DIR/out")"
}

run_cases "$@"
