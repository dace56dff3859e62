#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# "opitool function" against a kernel of paper (fake_kernel.c): what it shows,
# which requests it makes of which family, and what it says when it is refused.

. "$(dirname -- "$0")/../lib/tap.sh"
# Found from static/ too, where a link to this file makes it one of the tests.
. "$(dirname -- "$0")/../opitool/lib.sh"

CASES="
	show_in_text
	show_in_json
	host_and_dpu_tell_the_same_address
	show_chooses_by_each_key
	show_chooses_by_several_keys
	show_without_a_fit_ends_with_1
	show_without_a_driver_ends_with_3
	show_without_devlink_has_no_ports
	values_of_the_future_have_a_number
	missing_attributes_are_left_out
	malformed_answer_is_refused
	words_that_make_no_sense_end_with_2
	ports_of_functions
	ports_chosen_by_each_key
	ports_of_functions_on_the_host
	add_asks_devlink_and_shows
	add_sets_what_is_wanted
	add_on_one_of_several_cards
	add_that_is_refused_says_what_helps
	add_whose_setting_is_refused_is_undone
	add_whose_answer_is_malformed
	add_without_a_function_is_undone
	add_on_the_host_is_refused
	set_asks_each_family_for_its_own
	set_that_is_refused
	set_of_one_half
	one_function_has_to_be_chosen
	expose_and_withdraw_ask_devlink
	expose_that_is_refused
	del_asks_devlink
	del_that_is_refused
	changes_without_devlink_end_with_3
	without_privilege_it_says_so
	json_document_in_any_event
	migration_is_shown
	migrate_moves_all_in_order
	migrate_again_does_nothing
	migrate_leaves_what_is_not_there
	migrate_with_force
	migrate_refuses_what_can_not_be
	migrate_that_is_refused_is_undone
	migrate_gives_a_policer_its_table
	migrate_shares_what_is_shared
	migrate_takes_no_malformed_answer
	a_key_is_read_from_a_file
	a_key_that_is_none_is_refused
	a_key_that_is_refused
"

build fake || exit 1
# shellcheck source=/dev/null # made by build.sh
. "$bin/numbers"

D=pci/0000:03:00.0
dpu="opi
devlink
dpu $D serial=0123456789abcdef role=3 seq=9
dev $D eswitch=1
port $D/0 flavour=0 number=0 type=2 ifindex=4 netdev=p0
port $D/1 flavour=3 controller=1 pf=0 external=1 type=2 ifindex=5 netdev=c1pf0 hw=02:00:00:00:00:02
port $D/2 flavour=4 controller=1 pf=0 vf=0 external=1 type=2 ifindex=6 netdev=c1pf0vf0 hw=02:00:00:00:00:04 fnstate=1 caps=2/2 ioeqs=3
port $D/3 flavour=4 controller=1 pf=0 vf=1 external=1 type=2 ifindex=7 netdev=c1pf0vf1 hw=02:00:00:00:00:06 fnstate=0
port $D/9 flavour=7 controller=1 pf=0 sf=7 external=1 type=2 ifindex=8 netdev=c1pf0sf7 hw=02:00:00:00:00:12 fnstate=1 fnop=1
function $D serial=0123456789abcdef id=1 type=2 class=1 controller=1 pf=0 port=1 host=0x100 opstate=2 trust=1 vlan=0 maxqps=8 maxvfs=64 numvfs=2 seq=9
function $D serial=0123456789abcdef id=2 type=3 class=1 controller=1 pf=0 vf=0 port=2 host=0x110 opstate=1 trust=0 vlan=0 maxqps=2 seq=9
function $D serial=0123456789abcdef id=3 type=3 class=1 controller=1 pf=0 vf=1 port=3 opstate=0 trust=0 vlan=5 maxqps=2 seq=9
function $D serial=0123456789abcdef id=12 type=4 class=1 controller=1 pf=0 sf=7 port=9 host=0x100 opstate=2 trust=0 vlan=0 maxqps=1 seq=9"
host="opi
devlink
dpu pci/0000:01:00.0 serial=0123456789abcdef role=1 func=1 seq=4
dpu pci/0000:01:02.0 serial=0123456789abcdef role=2 func=2 seq=4
dev pci/0000:01:00.0
dev pci/0000:01:02.0
dev auxiliary/opi_core.sf.0
nested auxiliary/opi_core.sf.0 pci/0000:01:00.0
port pci/0000:01:00.0/1 flavour=5 type=2 ifindex=4 netdev=eth0
port pci/0000:01:02.0/2 flavour=5 type=2 ifindex=5 netdev=eth1
port auxiliary/opi_core.sf.0/9 flavour=5 type=2 ifindex=6 netdev=eth2
function pci/0000:01:00.0 serial=0123456789abcdef id=1 type=2 class=1 pf=0 port=1 host=0x100 opstate=2 trust=1 seq=4
function pci/0000:01:02.0 serial=0123456789abcdef id=2 type=3 class=1 pf=0 vf=0 port=2 host=0x110 opstate=2 trust=0 seq=4
function pci/0000:01:00.0 serial=0123456789abcdef id=12 type=4 class=1 pf=0 sf=7 port=9 host=0x100 opstate=2 trust=0 seq=4"

ids() { answered '[.[].func_id] | join(" ")'; }

# The requests that were made, in "requests".
requests()
{
	requests=
	[ ! -e "$CASE_DIR/requests" ] || { contents "$CASE_DIR/requests"; requests=$REPLY; }
}

# forget: the requests up to here, of which there are some.
forget()
{
	[ -s "$CASE_DIR/requests" ] || fail "there was no request"
	: >"$CASE_DIR/requests"
}

show_in_text()
{
	fake "$dpu" function show >"$CASE_DIR/out"
	expect_eq first "$(head -3 "$CASE_DIR/out")" \
"$D id 1: type pf class net controller 1 pf 0 host-address 01:00.0 opstate attached
    trust true vlan 0 max-qps 8 max-vfs 64 num-vfs 2 port-index 1 seq 9
    port: port $D/1 netdev c1pf0 hw-addr 02:00:00:00:00:02"
	# What it prints can be given back.
	# shellcheck disable=SC2046 # words
	ask again "12" fake "$dpu" -j function show $(sed -n 's/^\(pci.* id 12\): .*/\1/p' "$CASE_DIR/out")
	gives 0 fake "$dpu" function show vf 0
	expect_eq second "$out" \
"$D id 2: type vf class net controller 1 pf 0 vf 0 host-address 01:02.0 opstate exposed
    trust false vlan 0 max-qps 2 port-index 2 seq 9
    port: port $D/2 netdev c1pf0vf0 hw-addr 02:00:00:00:00:04 state active migratable true max-io-eqs 3"
	ids
}

show_in_json()
{
	ask all "1 2 3 12" fake "$dpu" -j function show
	ids
	expect_eq one "$(jq -c '.[3]' "$CASE_DIR/out")" \
"{\"dev\":\"$D\",\"func_id\":12,\"serial\":\"0123456789abcdef\",\"type\":\"sf\",\"class\":\"net\",\"controller\":1,\"pf\":0,\"sf\":7,\"host_address\":\"01:00.0\",\"opstate\":\"attached\",\"trust\":false,\"vlan\":0,\"max_qps\":1,\"port_index\":9,\"seq\":9,\"port\":{\"port\":\"$D/9\",\"netdev\":\"c1pf0sf7\",\"hw_addr\":\"02:00:00:00:00:12\",\"state\":\"active\",\"opstate\":\"attached\"}}"
	# One that the host has not numbered has no address.
	expect_eq hidden "$(jq -c '.[2] | [.opstate, .host_address, .vlan]' "$CASE_DIR/out")" '["hidden",null,5]'
	fake "$dpu" -p function show >"$CASE_DIR/pretty"
	fake "$dpu" -j function >"$CASE_DIR/short"
	same_document "$CASE_DIR/out" "$CASE_DIR/pretty" "$CASE_DIR/short"
}

host_and_dpu_tell_the_same_address()
{
	local side map='[.[] | select(.func_id < 3) | [.serial, .func_id, .type, .host_address]]'

	for side in "$dpu" "$host"; do
		gives 0 fake "$side" -j function show
		expect_eq map "$(jq -c "$map" "$CASE_DIR/out")" \
			'[["0123456789abcdef",1,"pf","01:00.0"],["0123456789abcdef",2,"vf","01:02.0"]]'
	done
	gives 0 fake "$host" -j function show host 0000:01:02.0
	expect_eq host "$(jq -r '.[].dev' "$CASE_DIR/out")" pci/0000:01:02.0
}

show_chooses_by_each_key()
{
	local words want

	while read -r words want; do
		if [ "$want" = none ]; then
			# shellcheck disable=SC2086 # words
			gives_both 1 fake "$dpu" -j function show ${words//,/ }
			expect_eq "$words" "$out" "[]"
		else
			# shellcheck disable=SC2086 # words
			ask "$words" "$want" fake "$dpu" -j function show ${words//,/ }
		fi
	done <<-EOT
		id,3 3
		port,9 12
		controller,1 1 2 3 12
		pf,0 1
		pf,0,vf,1 3
		pf,0,type,vf 2 3
		type,sf 12
		type,uplink,id,1 none
		vf,1 3
		sf,7 12
		host,01:02.0 2
		host,0000:01:02.0 2
		host,01:00.0 1 12
		$D 1 2 3 12
		0000:03:00.0 1 2 3 12
		$D/2 2
		0123456789ABCDEF 1 2 3 12
	EOT
	ids
}

show_chooses_by_several_keys()
{
	ask two "12" fake "$dpu" -j function show host 01:00.0 sf 7
	ask order "3" fake "$dpu" -j function show vf 1 "$D" pf 0
	ids
}

show_without_a_fit_ends_with_1()
{
	local words

	for words in "id 4" "vf 9" "sf 0" "host 02:00.0" "vf 0 id 3" "pci/0000:09:00.0" "fedcba9876543210" "$D/0" "$D vf 9"; do
		# shellcheck disable=SC2086 # words
		gives_both 1 fake "$dpu" -j function show $words
		expect_eq JSON "$out" "[]"
		says "opitool function show"
	done
	# A card or a driver without functions is no error.
	local more

	for more in "" "refuse 5 95"; do
		gives_both 0 fake "opi
dpu $D role=3
$more" function show
		says "no function"
	done
}

show_without_a_driver_ends_with_3()
{
	local words

	for words in "" "vf 1"; do
		# shellcheck disable=SC2086 # words
		gives_both 3 fake devlink -j function show $words
		expect_eq JSON "$out" "[]"
		says "modprobe opi_core"
	done
	gives_both 3 fake nogenl function show
	# The driver goes at this moment.
	gives_both 3 fake "opi
refuse 5 2" function show
}

show_without_devlink_has_no_ports()
{
	gives 0 fake "${dpu/devlink}" -j function show id 2
	expect_eq one "$(jq -c '.[0] | [.func_id, .port_index, .port]' "$CASE_DIR/out")" '[2,2,null]'
}

values_of_the_future_have_a_number()
{
	gives 0 fake "opi
function pci/x id=4294967295 type=9 class=7 opstate=4294967295 seq=18446744073709551615" -j function show
	expect_eq values "$(jq -c '.[0] | [.func_id, .type, .class, .opstate]' "$CASE_DIR/out")" \
		'[4294967295,"unknown-9","unknown-7","unknown-4294967295"]'
}

missing_attributes_are_left_out()
{
	gives 0 fake "opi
function pci/x id=1" -j function show
	expect_eq JSON "$out" '[{"dev":"pci/x","func_id":1}]'
	# What is not there fits no value of its key.
	gives_both 1 fake "opi
function pci/x id=1" function show vf 0
}

malformed_answer_is_refused()
{
	local hex verb

	# No attribute; one that is longer than the message; a bus without 0; no id.
	for hex in "" 0800 0800020070636920 080002007063690006000300780000; do
		for verb in "function show" "function set id 1 trust on" "function expose id 1" "function del id 1"; do
			# shellcheck disable=SC2086 # words
			gives_both 1 fake "opi
devlink
bad function $hex" -j $verb
			expect_eq JSON "$out" "[]"
			says "makes no sense"
		done
	done
	requests
	expect_eq requests "$requests" ""
}

words_that_make_no_sense_end_with_2()
{
	local line

	while IFS= read -r line; do
		# shellcheck disable=SC2086 # words
		gives_both 2 fake "$dpu" $line
		expect_eq "output of '$line'" "$out" ""
		says "usage: opitool"
	done <<-EOT
		function show id
		function show id x
		function show id -1
		function show id 4294967296
		function show vf 65536
		function show vf 1 vf 1
		function show type
		function show type xf
		function show host 01:00
		function show host 01:20.0
		function show host 01:00.8
		function show host 1:00.0
		function show host 01:00.0x
		function show host 000000001:01:00.0
		function show trust on
		function show a b
		function show pci/
		port show trust on
		port show vf
		function set
		function set id 1
		function set trust on
		function set id 1 trust
		function set id 1 trust yes
		function set id 1 vlan 4095
		function set id 1 max-qps 0
		function set id 1 max-vfs 65536
		function set id 1 hw-addr 02:00:00:00:00
		function set id 1 hw-addr 02:00:00:00:00:0g
		function set id 1 hw-addr 02:00:00:00:00:01:02
		function add
		function add sf
		function add vf 1
		function add sf 1 id 3
		function add sf 1 max-vfs 3
		function add $D/9 sf 1
		function expose
		function expose vf 1 trust on
		function withdraw
		function del
		function del id 1 vlan 1
		function migrate
		function migrate vf 0
		function migrate vf 0 to
		function migrate to vf 0
		function migrate vf 0 to vf 1 a b
		function migrate force
		function migrate vf 0 to vf 1 to vf 2
		function migrate vf 0 trust on to vf 1
	EOT
	requests
	expect_eq requests "$requests" ""
}

ports_of_functions()
{
	fake "$dpu" -j port show >"$CASE_DIR/out"
	expect_eq SF "$(jq -c '.[4]' "$CASE_DIR/out")" \
"{\"port\":\"$D/9\",\"dev\":\"$D\",\"index\":9,\"flavour\":\"pcisf\",\"controller\":1,\"pfnum\":0,\"sfnum\":7,\"external\":true,\"func_id\":12,\"host_address\":\"01:00.0\",\"type\":\"eth\",\"netdev\":\"c1pf0sf7\",\"ifindex\":8,\"function\":{\"hw_addr\":\"02:00:00:00:00:12\",\"state\":\"active\",\"opstate\":\"attached\"}}"
	expect_eq VF "$(jq -c '.[2] | [.flavour, .vfnum, .func_id, .host_address, .function]' "$CASE_DIR/out")" \
'["pcivf",0,2,"01:02.0",{"hw_addr":"02:00:00:00:00:04","state":"active","migratable":true,"max_io_eqs":3}]'
	expect_eq uplink "$(jq -c '.[0] | [.flavour, .func_id, .host_address]' "$CASE_DIR/out")" '["physical",null,null]'
	# A driver that tells nothing of a capability is not said to lack it.
	gives 0 fake "devlink
port pci/x/1 flavour=4 caps=2/1" -j port show pci/x
	expect_eq caps "$(jq -c '.[0].function' "$CASE_DIR/out")" null
}

ports_chosen_by_each_key()
{
	local words want

	while read -r words want; do
		# shellcheck disable=SC2086 # words
		ask "$words" "$want" fake "$dpu" -j port show ${words//,/ }
	done <<-EOT
		id,12 9
		port,3 3
		controller,1 1 2 3 9
		pf,0 1
		pf,0,vf,1 3
		type,vf,pf,0 2 3
		type,uplink 0
		vf,0 2
		sf,7 9
		host,01:02.0 2
		host,01:00.0,sf,7 9
		$D,vf,1 3
	EOT
	answered '[.[].index] | join(" ")'
	gives_both 1 fake "$dpu" port show vf 7
	says "opitool port show"
}

# There the port is the function's own; a subfunction's is at an auxiliary device.
ports_of_functions_on_the_host()
{
	local words want

	gives 0 fake "$host" -j port show
	expect_eq ports "$(jq -c '[.[] | [.port, .netdev, .func_id]]' "$CASE_DIR/out")" \
'[["pci/0000:01:00.0/1","eth0",1],["pci/0000:01:02.0/2","eth1",2],["auxiliary/opi_core.sf.0/9","eth2",12]]'
	gives 0 fake "$host" -j function show
	expect_eq functions "$(jq -c '[.[] | [.func_id, .port.port, .port.netdev]]' "$CASE_DIR/out")" \
'[[1,"pci/0000:01:00.0/1","eth0"],[2,"pci/0000:01:02.0/2","eth1"],[12,"auxiliary/opi_core.sf.0/9","eth2"]]'
	while read -r words want; do
		# shellcheck disable=SC2086 # words
		ask "$words" "$want" fake "$host" -j port show ${words//,/ }
	done <<-EOT
		sf,7 eth2
		vf,0 eth1
		type,sf eth2
		pf,0 eth0
		pf,0,type,vf eth1
		id,12 eth2
		port,9 eth2
		host,01:00.0 eth0 eth2
		pci/0000:01:00.0 eth0 eth2
		pci/0000:01:00.0/1 eth0
		auxiliary/opi_core.sf.0 eth2
		auxiliary/opi_core.sf.0/9 eth2
		0123456789abcdef eth0 eth1 eth2
	EOT
	answered '[.[].netdev] | join(" ")'
	# Of one whose parent is not known nothing is said.
	gives 0 fake "${host/nested/#}" -j function show sf 7
	expect_eq unknown "$(jq -c '.[].port' "$CASE_DIR/out")" null
	# Nor of another card's function with a port of that number.
	gives 0 fake "$host
nested auxiliary/opi_core.sf.1 pci/0000:02:00.0
port auxiliary/opi_core.sf.1/9 flavour=5 netdev=eth9" -j port show
	expect_eq other "$(jq '[.[] | select(.netdev == "eth9")] | length' "$CASE_DIR/out")" 0
}

made="$dpu
new $D/20 flavour=7 controller=1 pf=0 sf=88 fnstate=0
port $D/20 flavour=7 controller=1 pf=0 sf=88 netdev=c1pf0sf88 fnstate=0
function $D serial=0123456789abcdef id=31 type=4 class=1 controller=1 pf=0 sf=88 port=20 opstate=0"

add_asks_devlink_and_shows()
{
	gives 0 fake "$made" function add sf 88
	expect_eq text "$out" \
"$D id 31: type sf class net controller 1 pf 0 sf 88 opstate hidden
    port-index 20
    port: port $D/20 netdev c1pf0sf88 state inactive"
	requests
	expect_eq request "$requests" "devlink new $D flavour=7 controller=1 pf=0 sf=88"
	forget
	ask JSON "31" fake "$made" -j function add "$D" sf 88 pf 1 controller 2
	requests
	expect_eq request "$requests" "devlink new $D flavour=7 controller=2 pf=1 sf=88"
	ids
}

add_sets_what_is_wanted()
{
	fake "$made" function add sf 88 trust on vlan 7 max_qps 2 hw-addr 02:AA:00:00:00:01 >/dev/null
	requests
	expect_eq requests "$requests" \
"devlink new $D flavour=7 controller=1 pf=0 sf=88
opi set $D id=31 trust=1 vlan=7 maxqps=2
devlink set $D/20 hw=02:aa:00:00:00:01"
}

second="dpu pci/0000:04:00.0 serial=00000000000000bb role=3 seq=9"

add_on_one_of_several_cards()
{
	local name

	gives_both 1 fake "$made
$second" function add sf 88
	says "opitool dpu show"
	requests
	expect_eq none "$requests" ""
	for name in "$D" 0000:03:00.0 0123456789abcdef; do
		fake "$made
$second" function add "$name" sf 88 >/dev/null
		requests
		expect_match request "$requests" "^devlink new $D "
		forget
	done
	gives_both 1 fake "$made" function add pci/0000:09:00.0 sf 88
	says "pci/0000:09:00.0" "opitool dpu show"
}

add_that_is_refused_says_what_helps()
{
	local errno words

	while read -r errno words; do
		gives_both 1 fake "$made
refuse-devlink 7 $errno what the kernel says" function add sf 88
		says "cannot add subfunction 88" "what the kernel says" "$words"
		expect_eq output "$out" ""
	done <<-EOT
		17 number is taken
		95 has no subfunctions
		28 no room
		1 do it as root
		19 opitool dpu show
	EOT
	# Nothing was made, so nothing is removed.
	requests
	expect_eq requests "$(sort -u <<<"$requests")" "devlink new $D flavour=7 controller=1 pf=0 sf=88"
}

add_whose_setting_is_refused_is_undone()
{
	gives_both 1 fake "$made
refuse 6 28 no queue pairs left" -j function add sf 88 max-qps 9
	says "no queue pairs left" "removed again"
	expect_eq JSON "$out" "[]"
	requests
	expect_eq requests "$requests" \
"devlink new $D flavour=7 controller=1 pf=0 sf=88
opi set $D id=31 maxqps=9
devlink del $D/20"
	forget

	# If it can not be undone either, nobody says that it was.
	gives_both 1 fake "$made
refuse-devlink 8 16
refuse-devlink 6 22 no such address" function add sf 88 hw-addr 02:00:00:00:00:01
	says "no such address" "cannot remove function 31"
	[[ $err != *'removed again'* ]] || fail "it says that it was undone"
}

add_whose_answer_is_malformed()
{
	local hex

	for hex in "" 0800 0800010070636900; do
		gives_both 1 fake "$dpu
bad new $hex" function add sf 88
		says "makes no sense"
	done
	# No answer, and one about something else.
	gives_both 1 fake "$dpu" function add sf 88
	says "makes no sense"
	gives_both 1 fake "$dpu
new pci/other/3 flavour=7" function add sf 88
	says "makes no sense"
}

add_without_a_function_is_undone()
{
	gives_both 1 fake "$dpu
new $D/20 flavour=7 controller=1 pf=0 sf=88" function add sf 88
	says "no function there" "removed again"
	requests
	expect_match last "${requests##*$'\n'}" "^devlink del $D/20$"
}

add_on_the_host_is_refused()
{
	gives_both 1 fake "$host" function add sf 88
	says "this is the host"
	requests
	expect_eq requests "$requests" ""
	gives_both 3 fake devlink function add sf 88
	says "modprobe opi_core"
}

set_asks_each_family_for_its_own()
{
	gives 0 fake "$dpu" function set vf 1 trust on
	expect_eq output "$out" ""
	fake "$dpu" function set id 1 max-vfs 8 vlan 0
	fake "$dpu" function set "$D/2" hw-addr 02:00:00:00:00:99 migratable off max-io-eqs 4
	fake "$dpu" function set sf 7 max_qps 3 trust off migratable on
	requests
	expect_eq requests "$requests" \
"opi set $D id=3 trust=1
opi set $D id=1 vlan=0 maxvfs=8
devlink set $D/2 hw=02:00:00:00:00:99 caps=0/0x2 ioeqs=4
opi set $D id=12 trust=0 maxqps=3
devlink set $D/9 caps=0x2/0x2"
	ask JSON "3" fake "$dpu" -j function set vf 1 trust on
	ids
}

set_that_is_refused()
{
	gives_both 1 fake "$dpu
refuse 6 16 VFs are enabled" function set id 1 max-vfs 8
	says "cannot change function 1" "VFs are enabled" "end that first"
	gives_both 1 fake "$dpu
refuse 6 28 not so many" function set id 1 max-qps 8
	says "not so many" "opitool function show"
	gives_both 1 fake "$dpu
refuse 6 34 not so many" function set id 1 max-vfs 65
	says "not so many" "devlink resource show"
	gives_both 1 fake "$dpu
refuse-devlink 6 95 not of a PF" -j function set id 1 migratable on
	says "cannot change port 1 of function 1" "not of a PF"
	expect_eq JSON "$out" "[]"
	gives_both 1 fake "$host
refuse 6 1 not here" function set vf 0 trust on
	says "not here" "this is the host"
}

set_of_one_half()
{
	gives_both 1 fake "$dpu
refuse-devlink 6 22 bad address" function set vf 0 trust on hw-addr 03:00:00:00:00:01
	says "bad address" "have been set"
	# The other half is not tried.
	forget
	gives_both 1 fake "$dpu
refuse 6 22 bad trust" function set vf 0 trust on hw-addr 03:00:00:00:00:01
	requests
	expect_eq requests "$requests" "opi set $D id=2 trust=1"
	[[ $err != *'have been set'* ]] || fail "it says that something was set"
}

one_function_has_to_be_chosen()
{
	local verb

	for verb in "set trust on" expose withdraw del; do
		# shellcheck disable=SC2086 # words
		gives_both 1 fake "$dpu" function $verb controller 1
		says "4 functions fit" "1, 2, 3, 12"
		# shellcheck disable=SC2086
		gives_both 1 fake "$dpu" function $verb vf 9
		says "no such function"
		# shellcheck disable=SC2086
		gives_both 3 fake devlink function $verb vf 9
		says "modprobe opi_core"
	done
	requests
	expect_eq requests "$requests" ""
}

expose_and_withdraw_ask_devlink()
{
	gives 0 fake "$dpu" function expose vf 1
	expect_eq output "$out" ""
	gives 0 fake "$dpu" function withdraw sf 7
	expect_eq output "$out" ""
	requests
	expect_eq requests "$requests" \
"devlink set $D/3 fnstate=1
devlink set $D/9 fnstate=0"
	ask JSON "3" fake "$dpu" -j function expose vf 1
	ids
}

expose_that_is_refused()
{
	gives_both 1 fake "$dpu
refuse-devlink 6 95 not this one" function expose id 1
	says "cannot expose function 1" "not this one" "physical functions"
	gives_both 1 fake "$dpu
refuse-devlink 6 16 held" function withdraw vf 0
	says "cannot withdraw function 2" "held"
	gives_both 1 fake "$host
refuse-devlink 6 95" function withdraw vf 0
	says "this is the host"
	# Which port it has only the kernel knows.
	gives_both 1 fake "opi
devlink
function $D id=4" function expose id 4
	says "no port"
}

del_asks_devlink()
{
	gives 0 fake "$dpu" function del sf 7
	expect_eq output "$out" ""
	requests
	expect_eq requests "$requests" "devlink del $D/9"
}

del_that_is_refused()
{
	gives_both 1 fake "$dpu
refuse-devlink 8 95 cannot be deleted" function del vf 0
	says "cannot remove function 2" "cannot be deleted" sriov_numvfs
	gives_both 1 fake "$dpu
refuse-devlink 8 16 in use" function del sf 7
	says "in use" "function withdraw"
}

changes_without_devlink_end_with_3()
{
	local verb

	for verb in "set hw-addr 02:00:00:00:00:01" expose withdraw del; do
		# shellcheck disable=SC2086 # words
		gives_both 3 fake "${dpu/devlink}" function $verb id 2
		says "no devlink"
	done
	gives_both 3 fake "${dpu/devlink}" function add sf 1
	says "no devlink"
	# What family opi changes does not need it.
	status 0 fake "${dpu/devlink}" function set id 2 trust on
}

without_privilege_it_says_so()
{
	local verb

	for verb in "set trust on" "set hw-addr 02:00:00:00:00:01" expose withdraw del; do
		# shellcheck disable=SC2086 # words
		gives_both 1 fake "$dpu
refuse 6 1
refuse-devlink 6 1
refuse-devlink 8 1" function $verb id 2
		says "Operation not permitted" "do it as root"
	done
}

json_document_in_any_event()
{
	local verb

	for verb in "set trust on" expose withdraw del; do
		# shellcheck disable=SC2086 # words
		ask "$verb" array fake "$dpu" -p function $verb id 2
		# shellcheck disable=SC2086
		gives_both 1 fake "$dpu" -j function $verb id 99
		expect_eq "$verb" "$out" "[]"
	done
	answered type
	gives_both 1 fake "$host" -j function add sf 1
	expect_eq add "$out" "[]"
}

# ---- migrate ---------------------------------------------------------------

# A netlink attribute in hexadecimal digits: attr TYPE DIGITS
attr()
{
	local len=$((${#2} / 2 + 4))

	printf '%02x%02x%02x%02x%s' $((len & 255)) $((len >> 8)) $(($1 & 255)) $(($1 >> 8)) "$2"
	printf '%.*s' $((-len & 3 ? 2 * (-len & 3) : 0)) 000000
}
u32() { printf '%02x%02x%02x%02x' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)); }
text()
{
	local i

	for ((i = 0; i < ${#1}; i++)); do
		printf '%02x' "'${1:i:1}"
	done
	printf 00
}

# The same into a variable: put_attr VARIABLE TYPE DIGITS, put_u32 VARIABLE NUMBER...
put_attr()
{
	local len=$((${#3} / 2 + 4)) pad=000000

	printf -v "$1" '%02x%02x%02x%02x%s%s' $((len & 255)) $((len >> 8)) $(($2 & 255)) $(($2 >> 8)) "$3" \
		"${pad:0:$((2 * (-len & 3)))}"
}

put_u32()
{
	local n digits=() d
	for n in "${@:2}"; do
		printf -v d '%02x%02x%02x%02x' $((n & 255)) $((n >> 8 & 255)) $((n >> 16 & 255)) $((n >> 24 & 255))
		digits+=("$d")
	done
	printf -v "$1" '%s' "${digits[@]}"
}

# Options of a flower filter for IPv4 that drops: drops INDEX REFS BINDS; with "told"
# as the kernel tells of it, else as it is asked for.
drops()
{
	local opts act=67616374 flags proto stats used whole

	put_u32 opts "$1" 0 2 "$2" "$3"
	put_attr opts 2 "$opts"
	# "gact", as text() has it.
	put_attr act 1 "${act}00"
	put_attr proto 8 0800
	if [ "${4-}" = told ]; then
		put_u32 stats 1 2
		put_attr stats 4 "$stats"
		put_u32 used 7
		put_attr used 1 "$used"
		put_attr opts 2 "$opts$used"
		put_u32 whole 1
		put_attr whole 10 "$whole"
		put_attr act 1 "$act$stats$opts$whole"
		put_attr act 3 "$act"
		put_u32 flags 8
		put_attr flags 22 "$flags"
		put_u32 used 1
		put_attr used 86 "$used"
		echo "$proto$flags$used$act"
	else
		put_attr opts 32770 "$opts"
		put_attr act 32769 "$act$opts"
		put_attr act 32771 "$act"
		put_u32 flags 0
		put_attr flags 22 "$flags"
		echo "$proto$flags$act"
	fi
}

moved="opi
devlink
dpu $D serial=0123456789abcdef role=3 seq=9
port $D/1 flavour=3 controller=1 pf=0 external=1 type=2 ifindex=5 netdev=c1pf0 hw=02:00:00:00:00:02
port $D/2 flavour=4 controller=1 pf=0 vf=0 external=1 type=2 ifindex=6 netdev=rep0 hw=02:00:00:00:00:04 ioeqs=3
port $D/3 flavour=4 controller=1 pf=0 vf=1 external=1 type=2 ifindex=7 netdev=rep1 hw=02:00:00:00:00:04 ioeqs=3
function $D serial=0123456789abcdef id=1 type=2 class=1 controller=1 pf=0 port=1 opstate=2
function $D serial=0123456789abcdef id=2 type=3 class=1 controller=1 pf=0 vf=0 port=2 opstate=2 trust=1 vlan=5 maxqps=2 mig=2
function $D serial=0123456789abcdef id=3 type=3 class=1 controller=1 pf=0 vf=1 port=3 opstate=2 trust=1 vlan=5 maxqps=2 mig=2 srcserial=0123456789abcdef src=2"
bridged="$moved
rate $D/2 share=1000 max=5000 prio=3 weight=0 parent=gold
rate $D/3 share=0 max=0 prio=0 weight=0
link 6 rep0 up master=3 mtu=1500 slave=bridge cost=5 learning=1 isolated=1
link 7 rep1 mtu=1400 slave=bridge learning=1
vlan 6 10 0x6
vlan 6 20 0
vlan 7 1 0x6
fdb 6 02:00:00:00:00:04 10 0x40
fdb 6 02:00:00:00:00:05 0 0x80
fdb 6 02:00:00:00:00:06 0 0x2
fdb 9 02:00:00:00:00:07 0 0x40
qdisc 6 clsact 0
filter 6 0xfffffff2 10 0 flower
filter 6 0xfffffff2 10 0x1 flower $(drops 5 1 1 told)
filter 9 0xfffffff2 10 0x1 flower $(drops 6 1 1 told)"
# What the source has as its address then.
left=d2:38:07:3b:c1:7c

migration_is_shown()
{
	expect_eq text "$(fake "$moved" function show vf 1 | sed -n 3p)" \
		"    mig-state stopped source-serial 0123456789abcdef source-func-id 2"
	gives 0 fake "$moved" -j function show
	expect_eq JSON "$(jq -c 'map([.mig_state, .source_serial, .source_func_id])' "$CASE_DIR/out")" \
		'[[null,null,null],["stopped",null,null],["stopped","0123456789abcdef",2]]'
	gives 0 fake "opi
function pci/x id=1 mig=9 srcserial=ff" -j function show
	expect_eq future "$(jq -c '.[] | [.mig_state, .source_serial]' "$CASE_DIR/out")" \
		'["unknown-9","00000000000000ff"]'
}

migrate_moves_all_in_order()
{
	gives 0 fake "$bridged" function migrate vf 0 to vf 1
	expect_eq output "$out" ""
	requests
	expect_eq requests "$requests" \
"devlink rate $D/3 max=5000
devlink rate $D/3 share=1000 max=5000 prio=3 weight=1 parent=gold
route qdisc+ 7 clsact
route filter+ 7 0xfffffff2 10 0x1 flower $(drops 0 1 1)
route link 7 up=1 master=3 mtu=1500
route port 7 cost=5 isolated=1
route vlan+ 7 10 0x6
route vlan+ 7 20 0
route vlan- 7 1
route fdb 7 020000000004 10 0x40
route link 6 master=0
route qdisc- 6 clsact
devlink rate $D/2 share=0
devlink rate $D/2 max=0
devlink rate $D/2 share=0 max=0 prio=0 weight=1 parent=
devlink set $D/2 hw=$left
opi set $D id=2 trust=0 vlan=0"
	ask JSON "3" fake "$bridged" -j function migrate "$D/2" to "$D/3"
	ids
}

# The address that the first run has given says so.
migrate_again_does_nothing()
{
	gives_both 0 fake "${bridged/rep0 hw=02:00:00:00:00:04/rep0 hw=$left}" function migrate vf 0 to vf 1
	says "already"
	requests
	expect_eq requests "$requests" ""
}

# What the source does not have stays as it is; what was set of a moved address too.
migrate_leaves_what_is_not_there()
{
	fake "$moved
link 6 rep0 up mtu=1500
link 7 rep1 up mtu=1500 master=3 slave=bridge
qdisc 7 clsact 0" function migrate vf 0 to vf 1
	requests
	expect_eq requests "$requests" "devlink set $D/2 hw=$left
opi set $D id=2 trust=0 vlan=0"
	forget
	fake "${moved/rep1 hw=02:00:00:00:00:04/rep1 hw=02:00:00:00:00:99}
link 6 rep0 up mtu=1500
link 7 rep1 up mtu=1500" function migrate vf 0 to vf 1
	requests
	expect_match requests "$requests" "^devlink set $D/2 hw=[0-9a-f:]{17}"$'\n'"opi set $D id=2 trust=0 vlan=0$"
}

migrate_with_force()
{
	local other=${bridged/srcserial=0123456789abcdef src=2}

	other=${other/rep1 hw=02:00:00:00:00:04 ioeqs=3/rep1 hw=02:00:00:00:00:06 ioeqs=4}
	other=${other/vf=1 port=3 opstate=2 trust=1 vlan=5/vf=1 port=3 opstate=1 trust=0 vlan=0}
	gives_both 1 fake "$other" function migrate vf 0 to vf 1
	says "has not taken the state" "force"
	requests
	expect_eq none "$requests" ""
	# At no time have both the address.
	fake "$other" function migrate vf 0 to vf 1 force
	requests
	expect_eq begin "$(sed -n 1,2p <<<"$requests")" "opi set $D id=3 trust=1 vlan=5
devlink set $D/3 ioeqs=3"
	requests
	expect_eq end "$(grep -A9 "^devlink set $D/2" <<<"$requests")" "devlink set $D/2 hw=$left
devlink set $D/3 hw=02:00:00:00:00:04
opi set $D id=2 trust=0 vlan=0"
}

migrate_refuses_what_can_not_be()
{
	local change words says

	while IFS='@' read -r change words says; do
		: >"$CASE_DIR/requests"
		# shellcheck disable=SC2086 # words
		gives_both 1 fake "$(sed -E "$change" <<<"$bridged")" -j function migrate $words
		says "$says"
		expect_eq JSON "$out" "[]"
		requests
		expect_eq "requests of $words" "$requests" ""
	done <<-EOT
		@id 1 to vf 1@function 1 of $D is no virtual function
		@vf 0 to id 1@function 1 of $D is no virtual function
		@vf 0 to vf 0@is the source as well
		@vf 1 to vf 0@has not taken the state of the source
		@vf 0 to vf 7@no such function
		@vf 7 to vf 0@no such function
		@pf 0 type vf to vf 1@2 functions fit
		s/mig=2\$/mig=0/@vf 0 to vf 1 force@is still running
		s/mig=2\$/mig=1/@vf 0 to vf 1@is still running
		s/ mig=2\$//@vf 0 to vf 1@is still running
		s/src=2\$/src=4/@vf 0 to vf 1@has not taken the state of the source
		s/srcserial=0123/srcserial=0124/@vf 0 to vf 1@has not taken the state of the source
		s/role=3/role=1/@vf 0 to vf 1@this is the host
		s,^function [^ ]*(.* id=3),function pci/other\\1,@vf 0 to vf 1@of another card
		s/slave=bridge/slave=openvswitch/@vf 0 to vf 1@kind "openvswitch"
		s/flower\$/u32/;s/^(filter 6.*0x1) flower/\\1 u32/@vf 0 to vf 1@can not be copied faithfully: a filter of the kind "u32"
		s/$(text gact)/$(text sact)/@vf 0 to vf 1@can not be copied faithfully: an action of the kind "sact"
		s/^(qdisc|filter) 9/\\1 7/;s/^link 7/qdisc 7 clsact 0\\nlink 7/@vf 0 to vf 1@tc rules of its own
		s/^link 7/qdisc 7 ingress 0\\nlink 7/@vf 0 to vf 1@tc rules of its own
		s/ifindex=7//@vf 0 to vf 1@no representor
		s/^port .*rep1.*//@vf 0 to vf 1@no port in devlink
	EOT
	# A running one that nobody uses is not in the way.
	status 0 fake "$(sed -E 's/opstate=2(.* mig=)2$/opstate=1\10/' <<<"$bridged")" function migrate vf 0 to vf 1
}

# Each step in turn is refused: what was done is undone from the last on.
migrate_that_is_refused_is_undone()
{
	local what n want

	gives_both 1 fake "$bridged
refuse-route vlan- 16 not this one" -j function migrate vf 0 to vf 1
	says "put the destination's port into the bridge" "not this one" "undone"
	expect_eq JSON "$out" "[]"
	requests
	expect_eq undone "$(sed '1,/vlan-/d' <<<"$requests")" \
"route qdisc- 7 clsact
devlink rate $D/3 share=0
devlink rate $D/3 max=0
devlink rate $D/3 share=0 max=0 prio=0 weight=1 parent="
	while IFS='|' read -r what n want; do
		: >"$CASE_DIR/requests"
		gives_both 1 fake "$bridged
$what 1 not this one" function migrate vf 0 to vf 1
		says "not this one" "$want"
		expect_eq "not undone" "$(grep -v "not this one\|$want\|as root\|has been undone" "$CASE_DIR/err" || :)" ""
		requests
		expect_eq "last of $what" "${requests##*$'\n'}" "$n"
	done <<-EOT
		refuse-devlink $DEVLINK_CMD_RATE_SET|devlink rate $D/3 share=0|give the rate
		refuse-route qdisc+|devlink rate $D/3 share=0 max=0 prio=0 weight=1 parent=|give the tc rules
		refuse-route filter+|devlink rate $D/3 share=0 max=0 prio=0 weight=1 parent=|give the tc rules
		refuse-route link|devlink rate $D/3 share=0 max=0 prio=0 weight=1 parent=|into the bridge
		refuse-route fdb|devlink rate $D/3 share=0 max=0 prio=0 weight=1 parent=|into the bridge
		refuse-devlink $DEVLINK_CMD_PORT_SET|devlink rate $D/3 share=0 max=0 prio=0 weight=1 parent=|change the addresses
		refuse $OPI_NL_CMD_FUNCTION_SET|devlink rate $D/3 share=0 max=0 prio=0 weight=1 parent=|take trust
	EOT
}

# A policer wants a table of its rate, which the kernel does not tell.
migrate_gives_a_policer_its_table()
{
	local rate opts filter

	# rate: cell_log, linklayer, overhead, cell_align, mpu, rate
	rate=0000000000000000$(u32 125000)
	opts=$(attr 1 "$(u32 3)$(u32 2)$(u32 0)$(u32 77)$(u32 0)${rate}000000000000000000000000$(u32 1)$(u32 1)$(u32 0)")
	filter=$(attr 2 "$(attr 1 "$(attr 1 "$(text police)")$(attr 2 "$opts$(attr 6 "$(u32 9)")")")")
	fake "$moved
link 6 rep0 up mtu=1500
link 7 rep1 up mtu=1500
qdisc 6 clsact 0
filter 6 0xfffffff2 1 0x1 matchall $filter$(attr 4 "$(u32 9)")" function migrate vf 0 to vf 1
	rate=0301000000000000$(u32 125000)
	opts=$(attr 2 "$(printf '%02048d' 0)")
	opts+=$(attr 1 "$(u32 0)$(u32 2)$(u32 0)$(u32 77)$(u32 0)${rate}000000000000000000000000$(u32 1)$(u32 1)$(u32 0)")
	requests
	expect_eq filter "$(grep filter+ <<<"$requests")" \
		"route filter+ 7 0xfffffff2 1 0x1 matchall $(attr 32770 "$(attr 32769 "$(attr 1 "$(text police)")$(attr 32770 "$opts")")")"
}

# One that others use too, and a block, are bound to as before.
migrate_shares_what_is_shared()
{
	fake "$moved
link 6 rep0 up mtu=1500
link 7 rep1 up mtu=1500
qdisc 6 ingress 22
filter 6 0xfffffff2 10 0x1 flower $(drops 5 2 1 told)
filter 6 0xfffffff2 11 0x1 flower $(drops 6 2 2 told)" function migrate vf 0 to vf 1
	requests
	expect_eq requests "$(grep route <<<"$requests")" \
"route qdisc+ 7 ingress block=22
route filter+ 7 0xfffffff2 10 0x1 flower $(drops 5 2 1)
route filter+ 7 0xfffffff2 11 0x1 flower $(drops 6 2 2)
route qdisc- 6 ingress"
}

migrate_takes_no_malformed_answer()
{
	local line

	while IFS= read -r line; do
		gives_both 1 fake "$line
$bridged" function migrate vf 0 to vf 1
		says "makes no sense"
		requests
		expect_eq "requests with $line" "$requests" ""
	done <<-EOT
		bad rate $(attr "$DEVLINK_ATTR_RATE_TX_MAX" "$(u32 1)")
		filter 6 0xfffffff2 12 0x1 flower $(attr 22 "")
		filter 6 0xfffffff2 12 0x1 flower $(attr 3 "$(attr 1 "$(attr 1 "$(text gact)")")")
		filter 6 0xfffffff2 12 0x1 flower $(attr 3 "$(attr 1 "$(attr 1 67616374)$(attr 2 "")")")
		filter 6 0xfffffff2 12 0x1 flower $(attr 3 "$(attr 1 "$(attr 1 "$(text gact)")$(attr 2 "$(attr 2 "$(u32 1)")")")")
		filter 6 0xfffffff2 12 0x1 matchall $(attr 2 "$(attr 1 "$(attr 1 "$(text police)")$(attr 2 "$(attr 1 "$(u32 1)")")")")
	EOT
}

# ---- the card's key ---------------------------------------------------------

k=00112233445566778899AABBCCDDEEFF0123456789abcdef0123456789abcdef

a_key_is_read_from_a_file()
{
	local i

	printf '%s\n' "$k" >"$CASE_DIR/key"
	gives 0 fake "$dpu" dpu set migration-key "$CASE_DIR/key"
	expect_eq output "$out" ""
	printf '%s' "$k" | fake "$dpu" dpu set "$D" migration_key -
	for ((i = 0; i < ${#k}; i += 2)); do printf '%b' "\\x${k:i:2}"; done >"$CASE_DIR/raw"
	gives 0 fake "$dpu" -j dpu set 0123456789abcdef migration-key "$CASE_DIR/raw"
	expect_eq JSON "$(jq -c '[.[].dev]' "$CASE_DIR/out")" "[\"$D\"]"
	requests
	expect_eq requests "$(sort -u <<<"$requests")" "opi card $D key=${k,,}"
	requests
	expect_eq count "$(wc -l <<<"$requests")" 3
	fake "$dpu" dpu set migration-key none
	requests
	expect_eq none "${requests##*$'\n'}" "opi card $D key=$(printf '%064d' 0)"
	# It is in no message of opitool's.
	expect_eq said "$(fake "$dpu" -j dpu set migration-key "$CASE_DIR/key" | grep -ci "$k" || :)" 0
}

a_key_that_is_none_is_refused()
{
	local key

	for key in "" "${k%?}" "${k}0" "$k$k" "${k%?}g" "${k%?} "; do
		printf '%s\n' "$key" >"$CASE_DIR/key"
		gives_both 1 fake "$dpu" -j dpu set migration-key "$CASE_DIR/key"
		says "32 bytes, or 64 hexadecimal digits"
		expect_eq JSON "$out" "[]"
		[ -z "$key" ] || [[ $err != *"$key"* ]] || fail "it tells the key"
	done
	printf '%064d' 0 >"$CASE_DIR/key"
	gives_both 1 fake "$dpu" dpu set migration-key "$CASE_DIR/key"
	says "zeros are no key"
	gives_both 1 fake "$dpu" dpu set migration-key "$CASE_DIR/nothing"
	says "cannot read the key" "No such file"
	gives_both 1 fake "$dpu" dpu set migration-key "$CASE_DIR"
	says "Is a directory"
	gives_both 1 fake "$dpu" dpu set migration-key /dev/zero
	says "32 bytes"
	requests
	expect_eq requests "$requests" ""
}

a_key_that_is_refused()
{
	gives_both 1 fake "$dpu
refuse $OPI_NL_CMD_DPU_SET 95 the card cannot move functions" -j dpu set migration-key none
	says "cannot give the card its key" "the card cannot move functions"
	expect_eq JSON "$out" "[]"
	gives_both 1 fake "$dpu
refuse $OPI_NL_CMD_DPU_SET 1" dpu set migration-key none
	says "do it as root"
	forget
	gives_both 1 fake "$host" dpu set migration-key none
	says "this is the host"
	gives_both 1 fake "$dpu
$second" dpu set migration-key none
	says "there are 2 cards"
	gives_both 3 fake devlink dpu set migration-key none
	says "modprobe opi_core"
	requests
	expect_eq requests "$requests" ""
}

run_cases "$@"
