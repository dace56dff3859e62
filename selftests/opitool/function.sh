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
"

build_fake

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

ids() { jq -r '.[].func_id' | tr '\n' ' '; }
requests() { cat "$CASE_DIR/requests" 2>/dev/null; }

# says WORDS...: each stands in what went to stderr.
says()
{
	local w

	for w in "$@"; do
		grep -qF -- "$w" "$CASE_DIR/err" || { cat "$CASE_DIR/err"; fail "it does not say \"$w\""; }
	done
}

show_in_text()
{
	fake "$dpu" function show >"$CASE_DIR/out"
	expect_eq first "$(head -3 "$CASE_DIR/out")" \
"$D id 1: type pf class net controller 1 pf 0 host-address 01:00.0 opstate attached
    trust true vlan 0 max-qps 8 max-vfs 64 num-vfs 2 port-index 1 seq 9
    port: port $D/1 netdev c1pf0 hw-addr 02:00:00:00:00:02"
	expect_eq second "$(fake "$dpu" function show vf 0)" \
"$D id 2: type vf class net controller 1 pf 0 vf 0 host-address 01:02.0 opstate exposed
    trust false vlan 0 max-qps 2 port-index 2 seq 9
    port: port $D/2 netdev c1pf0vf0 hw-addr 02:00:00:00:00:04 state active migratable true max-io-eqs 3"
	# What it prints can be given back.
	# shellcheck disable=SC2046 # words
	expect_eq again "$(fake "$dpu" -j function show $(sed -n 's/^\(pci.* id 12\): .*/\1/p' "$CASE_DIR/out") | ids)" "12 "
}

show_in_json()
{
	fake "$dpu" -j function show >"$CASE_DIR/out"
	expect_eq all "$(ids <"$CASE_DIR/out")" "1 2 3 12 "
	expect_eq one "$(jq -c '.[3]' "$CASE_DIR/out")" \
"{\"dev\":\"$D\",\"func_id\":12,\"serial\":\"0123456789abcdef\",\"type\":\"sf\",\"class\":\"net\",\"controller\":1,\"pf\":0,\"sf\":7,\"host_address\":\"01:00.0\",\"opstate\":\"attached\",\"trust\":false,\"vlan\":0,\"max_qps\":1,\"port_index\":9,\"seq\":9,\"port\":{\"port\":\"$D/9\",\"netdev\":\"c1pf0sf7\",\"hw_addr\":\"02:00:00:00:00:12\",\"state\":\"active\",\"opstate\":\"attached\"}}"
	# One that the host has not numbered has no address.
	expect_eq hidden "$(jq -c '.[2] | [.opstate, .host_address, .vlan]' "$CASE_DIR/out")" '["hidden",null,5]'
	diff <(jq . "$CASE_DIR/out") <(fake "$dpu" -p function show | jq .)
	diff <(jq . "$CASE_DIR/out") <(fake "$dpu" -j function | jq .)
}

host_and_dpu_tell_the_same_address()
{
	local side map='[.[] | select(.func_id < 3) | [.serial, .func_id, .type, .host_address]]'

	for side in "$dpu" "$host"; do
		expect_eq map "$(fake "$side" -j function show | jq -c "$map")" \
			'[["0123456789abcdef",1,"pf","01:00.0"],["0123456789abcdef",2,"vf","01:02.0"]]'
	done
	expect_eq host "$(fake "$host" -j function show host 0000:01:02.0 | jq -r '.[].dev')" pci/0000:01:02.0
}

show_chooses_by_each_key()
{
	local words want

	while read -r words want; do
		[ "$want" != none ] || want=''
		# shellcheck disable=SC2086 # words
		expect_eq "$words" "$({ fake "$dpu" -j function show ${words//,/ } 2>/dev/null || :; } | ids)" "${want:+$want }"
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
}

show_chooses_by_several_keys()
{
	expect_eq two "$(fake "$dpu" -j function show host 01:00.0 sf 7 | ids)" "12 "
	expect_eq order "$(fake "$dpu" -j function show vf 1 "$D" pf 0 | ids)" "3 "
}

show_without_a_fit_ends_with_1()
{
	local words

	for words in "id 4" "vf 9" "sf 0" "host 02:00.0" "vf 0 id 3" "pci/0000:09:00.0" "fedcba9876543210" "$D/0" "$D vf 9"; do
		# shellcheck disable=SC2086 # words
		status 1 fake "$dpu" -j function show $words >"$CASE_DIR/out" 2>"$CASE_DIR/err"
		expect_eq JSON "$(jq -c . "$CASE_DIR/out")" "[]"
		says "opitool function show"
	done
	# A card or a driver without functions is no error.
	local more

	for more in "" "refuse 5 95"; do
		status 0 fake "opi
dpu $D role=3
$more" function show 2>"$CASE_DIR/err"
		says "no function"
	done
}

show_without_a_driver_ends_with_3()
{
	local words

	for words in "" "vf 1"; do
		# shellcheck disable=SC2086 # words
		status 3 fake devlink -j function show $words >"$CASE_DIR/out" 2>"$CASE_DIR/err"
		expect_eq JSON "$(jq -c . "$CASE_DIR/out")" "[]"
		says "modprobe opi_core"
	done
	status 3 fake nogenl function show 2>"$CASE_DIR/err"
	# The driver goes at this moment.
	status 3 fake "opi
refuse 5 2" function show 2>"$CASE_DIR/err"
}

show_without_devlink_has_no_ports()
{
	expect_eq one "$(fake "${dpu/devlink}" -j function show id 2 | jq -c '.[0] | [.func_id, .port_index, .port]')" '[2,2,null]'
}

values_of_the_future_have_a_number()
{
	expect_eq values "$(fake "opi
function pci/x id=4294967295 type=9 class=7 opstate=4294967295 seq=18446744073709551615" -j function show | jq -c '.[0] | [.func_id, .type, .class, .opstate]')" \
		'[4294967295,"unknown-9","unknown-7","unknown-4294967295"]'
}

missing_attributes_are_left_out()
{
	expect_eq JSON "$(fake "opi
function pci/x id=1" -j function show)" '[{"dev":"pci/x","func_id":1}]'
	# What is not there fits no value of its key.
	status 1 fake "opi
function pci/x id=1" function show vf 0 2>/dev/null
}

malformed_answer_is_refused()
{
	local hex verb

	# No attribute; one that is longer than the message; a bus without 0; no id.
	for hex in "" 0800 0800020070636920 080002007063690006000300780000; do
		for verb in "function show" "function set id 1 trust on" "function expose id 1" "function del id 1"; do
			# shellcheck disable=SC2086 # words
			status 1 fake "opi
devlink
bad function $hex" -j $verb >"$CASE_DIR/out" 2>"$CASE_DIR/err"
			expect_eq JSON "$(jq -c . "$CASE_DIR/out")" "[]"
			says "makes no sense"
		done
	done
	expect_eq requests "$(requests)" ""
}

words_that_make_no_sense_end_with_2()
{
	local line

	while IFS= read -r line; do
		# shellcheck disable=SC2086 # words
		status 2 fake "$dpu" $line >"$CASE_DIR/out" 2>"$CASE_DIR/err"
		expect_eq "output of '$line'" "$(cat "$CASE_DIR/out")" ""
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
	EOT
	expect_eq requests "$(requests)" ""
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
	expect_eq caps "$(fake "devlink
port pci/x/1 flavour=4 caps=2/1" -j port show pci/x | jq -c '.[0].function')" null
}

ports_chosen_by_each_key()
{
	local words want

	while read -r words want; do
		# shellcheck disable=SC2086 # words
		expect_eq "$words" "$(fake "$dpu" -j port show ${words//,/ } | jq -r '.[].index' | tr '\n' ' ')" "$want "
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
	status 1 fake "$dpu" port show vf 7 2>"$CASE_DIR/err"
	says "opitool port show"
}

# There the port is the function's own; a subfunction's is at an auxiliary device.
ports_of_functions_on_the_host()
{
	local words want

	expect_eq ports "$(fake "$host" -j port show | jq -c '[.[] | [.port, .netdev, .func_id]]')" \
'[["pci/0000:01:00.0/1","eth0",1],["pci/0000:01:02.0/2","eth1",2],["auxiliary/opi_core.sf.0/9","eth2",12]]'
	expect_eq functions "$(fake "$host" -j function show | jq -c '[.[] | [.func_id, .port.port, .port.netdev]]')" \
'[[1,"pci/0000:01:00.0/1","eth0"],[2,"pci/0000:01:02.0/2","eth1"],[12,"auxiliary/opi_core.sf.0/9","eth2"]]'
	while read -r words want; do
		# shellcheck disable=SC2086 # words
		expect_eq "$words" "$(fake "$host" -j port show ${words//,/ } | jq -r '.[].netdev' | tr '\n' ' ')" "$want "
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
	# Of one whose parent is not known nothing is said.
	expect_eq unknown "$(fake "${host/nested/#}" -j function show sf 7 | jq -c '.[].port')" null
	# Nor of another card's function with a port of that number.
	expect_eq other "$(fake "$host
nested auxiliary/opi_core.sf.1 pci/0000:02:00.0
port auxiliary/opi_core.sf.1/9 flavour=5 netdev=eth9" -j port show | jq '[.[] | select(.netdev == "eth9")] | length')" 0
}

made="$dpu
new $D/20 flavour=7 controller=1 pf=0 sf=88 fnstate=0
port $D/20 flavour=7 controller=1 pf=0 sf=88 netdev=c1pf0sf88 fnstate=0
function $D serial=0123456789abcdef id=31 type=4 class=1 controller=1 pf=0 sf=88 port=20 opstate=0"

add_asks_devlink_and_shows()
{
	expect_eq text "$(fake "$made" function add sf 88)" \
"$D id 31: type sf class net controller 1 pf 0 sf 88 opstate hidden
    port-index 20
    port: port $D/20 netdev c1pf0sf88 state inactive"
	expect_eq request "$(requests)" "devlink new $D flavour=7 controller=1 pf=0 sf=88"
	rm "$CASE_DIR/requests"
	expect_eq JSON "$(fake "$made" -j function add "$D" sf 88 pf 1 controller 2 | ids)" "31 "
	expect_eq request "$(requests)" "devlink new $D flavour=7 controller=2 pf=1 sf=88"
}

add_sets_what_is_wanted()
{
	fake "$made" function add sf 88 trust on vlan 7 max_qps 2 hw-addr 02:AA:00:00:00:01 >/dev/null
	expect_eq requests "$(requests)" \
"devlink new $D flavour=7 controller=1 pf=0 sf=88
opi set $D id=31 trust=1 vlan=7 maxqps=2
devlink set $D/20 hw=02:aa:00:00:00:01"
}

second="dpu pci/0000:04:00.0 serial=00000000000000bb role=3 seq=9"

add_on_one_of_several_cards()
{
	local name

	status 1 fake "$made
$second" function add sf 88 2>"$CASE_DIR/err"
	says "opitool dpu show"
	expect_eq none "$(requests)" ""
	for name in "$D" 0000:03:00.0 0123456789abcdef; do
		fake "$made
$second" function add "$name" sf 88 >/dev/null
		expect_match request "$(requests)" "^devlink new $D "
		rm "$CASE_DIR/requests"
	done
	status 1 fake "$made" function add pci/0000:09:00.0 sf 88 2>"$CASE_DIR/err"
	says "pci/0000:09:00.0" "opitool dpu show"
}

add_that_is_refused_says_what_helps()
{
	local errno words

	while read -r errno words; do
		status 1 fake "$made
refuse-devlink 7 $errno what the kernel says" function add sf 88 >"$CASE_DIR/out" 2>"$CASE_DIR/err"
		says "cannot add subfunction 88" "what the kernel says" "$words"
		expect_eq output "$(cat "$CASE_DIR/out")" ""
	done <<-EOT
		17 number is taken
		95 has no subfunctions
		28 no room
		1 do it as root
		19 opitool dpu show
	EOT
	# Nothing was made, so nothing is removed.
	expect_eq requests "$(requests | sort -u)" "devlink new $D flavour=7 controller=1 pf=0 sf=88"
}

add_whose_setting_is_refused_is_undone()
{
	status 1 fake "$made
refuse 6 28 no queue pairs left" -j function add sf 88 max-qps 9 >"$CASE_DIR/out" 2>"$CASE_DIR/err"
	says "no queue pairs left" "removed again"
	expect_eq JSON "$(jq -c . "$CASE_DIR/out")" "[]"
	expect_eq requests "$(requests)" \
"devlink new $D flavour=7 controller=1 pf=0 sf=88
opi set $D id=31 maxqps=9
devlink del $D/20"
	rm "$CASE_DIR/requests"

	# If it can not be undone either, nobody says that it was.
	status 1 fake "$made
refuse-devlink 8 16
refuse-devlink 6 22 no such address" function add sf 88 hw-addr 02:00:00:00:00:01 2>"$CASE_DIR/err"
	says "no such address" "cannot remove function 31"
	expect_eq undone "$(grep -c 'removed again' "$CASE_DIR/err" || :)" 0
}

add_whose_answer_is_malformed()
{
	local hex

	for hex in "" 0800 0800010070636900; do
		status 1 fake "$dpu
bad new $hex" function add sf 88 2>"$CASE_DIR/err"
		says "makes no sense"
	done
	# No answer, and one about something else.
	status 1 fake "$dpu" function add sf 88 2>"$CASE_DIR/err"
	says "makes no sense"
	status 1 fake "$dpu
new pci/other/3 flavour=7" function add sf 88 2>"$CASE_DIR/err"
	says "makes no sense"
}

add_without_a_function_is_undone()
{
	status 1 fake "$dpu
new $D/20 flavour=7 controller=1 pf=0 sf=88" function add sf 88 2>"$CASE_DIR/err"
	says "no function there" "removed again"
	expect_match last "$(requests | tail -1)" "^devlink del $D/20$"
}

add_on_the_host_is_refused()
{
	status 1 fake "$host" function add sf 88 2>"$CASE_DIR/err"
	says "this is the host"
	expect_eq requests "$(requests)" ""
	status 3 fake devlink function add sf 88 2>"$CASE_DIR/err"
	says "modprobe opi_core"
}

set_asks_each_family_for_its_own()
{
	fake "$dpu" function set vf 1 trust on >"$CASE_DIR/out"
	expect_eq output "$(cat "$CASE_DIR/out")" ""
	fake "$dpu" function set id 1 max-vfs 8 vlan 0
	fake "$dpu" function set "$D/2" hw-addr 02:00:00:00:00:99 migratable off max-io-eqs 4
	fake "$dpu" function set sf 7 max_qps 3 trust off migratable on
	expect_eq requests "$(requests)" \
"opi set $D id=3 trust=1
opi set $D id=1 vlan=0 maxvfs=8
devlink set $D/2 hw=02:00:00:00:00:99 caps=0/0x2 ioeqs=4
opi set $D id=12 trust=0 maxqps=3
devlink set $D/9 caps=0x2/0x2"
	expect_eq JSON "$(fake "$dpu" -j function set vf 1 trust on | ids)" "3 "
}

set_that_is_refused()
{
	status 1 fake "$dpu
refuse 6 16 VFs are enabled" function set id 1 max-vfs 8 2>"$CASE_DIR/err"
	says "cannot change function 1" "VFs are enabled" "end that first"
	status 1 fake "$dpu
refuse 6 28 not so many" function set id 1 max-qps 8 2>"$CASE_DIR/err"
	says "not so many" "opitool function show"
	status 1 fake "$dpu
refuse 6 34 not so many" function set id 1 max-vfs 65 2>"$CASE_DIR/err"
	says "not so many" "devlink resource show"
	status 1 fake "$dpu
refuse-devlink 6 95 not of a PF" -j function set id 1 migratable on >"$CASE_DIR/out" 2>"$CASE_DIR/err"
	says "cannot change port 1 of function 1" "not of a PF"
	expect_eq JSON "$(jq -c . "$CASE_DIR/out")" "[]"
	status 1 fake "$host
refuse 6 1 not here" function set vf 0 trust on 2>"$CASE_DIR/err"
	says "not here" "this is the host"
}

set_of_one_half()
{
	status 1 fake "$dpu
refuse-devlink 6 22 bad address" function set vf 0 trust on hw-addr 03:00:00:00:00:01 2>"$CASE_DIR/err"
	says "bad address" "have been set"
	# The other half is not tried.
	rm "$CASE_DIR/requests"
	status 1 fake "$dpu
refuse 6 22 bad trust" function set vf 0 trust on hw-addr 03:00:00:00:00:01 2>"$CASE_DIR/err"
	expect_eq requests "$(requests)" "opi set $D id=2 trust=1"
	expect_eq set "$(grep -c 'have been set' "$CASE_DIR/err" || :)" 0
}

one_function_has_to_be_chosen()
{
	local verb

	for verb in "set trust on" expose withdraw del; do
		# shellcheck disable=SC2086 # words
		status 1 fake "$dpu" function $verb controller 1 2>"$CASE_DIR/err"
		says "4 functions fit" "1, 2, 3, 12"
		# shellcheck disable=SC2086
		status 1 fake "$dpu" function $verb vf 9 2>"$CASE_DIR/err"
		says "no such function"
		# shellcheck disable=SC2086
		status 3 fake devlink function $verb vf 9 2>"$CASE_DIR/err"
		says "modprobe opi_core"
	done
	expect_eq requests "$(requests)" ""
}

expose_and_withdraw_ask_devlink()
{
	fake "$dpu" function expose vf 1 >"$CASE_DIR/out"
	fake "$dpu" function withdraw sf 7 >>"$CASE_DIR/out"
	expect_eq output "$(cat "$CASE_DIR/out")" ""
	expect_eq requests "$(requests)" \
"devlink set $D/3 fnstate=1
devlink set $D/9 fnstate=0"
	expect_eq JSON "$(fake "$dpu" -j function expose vf 1 | ids)" "3 "
}

expose_that_is_refused()
{
	status 1 fake "$dpu
refuse-devlink 6 95 not this one" function expose id 1 2>"$CASE_DIR/err"
	says "cannot expose function 1" "not this one" "physical functions"
	status 1 fake "$dpu
refuse-devlink 6 16 held" function withdraw vf 0 2>"$CASE_DIR/err"
	says "cannot withdraw function 2" "held"
	status 1 fake "$host
refuse-devlink 6 95" function withdraw vf 0 2>"$CASE_DIR/err"
	says "this is the host"
	# Which port it has only the kernel knows.
	status 1 fake "opi
devlink
function $D id=4" function expose id 4 2>"$CASE_DIR/err"
	says "no port"
}

del_asks_devlink()
{
	fake "$dpu" function del sf 7 >"$CASE_DIR/out"
	expect_eq output "$(cat "$CASE_DIR/out")" ""
	expect_eq requests "$(requests)" "devlink del $D/9"
}

del_that_is_refused()
{
	status 1 fake "$dpu
refuse-devlink 8 95 cannot be deleted" function del vf 0 2>"$CASE_DIR/err"
	says "cannot remove function 2" "cannot be deleted" sriov_numvfs
	status 1 fake "$dpu
refuse-devlink 8 16 in use" function del sf 7 2>"$CASE_DIR/err"
	says "in use" "function withdraw"
}

changes_without_devlink_end_with_3()
{
	local verb

	for verb in "set hw-addr 02:00:00:00:00:01" expose withdraw del; do
		# shellcheck disable=SC2086 # words
		status 3 fake "${dpu/devlink}" function $verb id 2 2>"$CASE_DIR/err"
		says "no devlink"
	done
	status 3 fake "${dpu/devlink}" function add sf 1 2>"$CASE_DIR/err"
	says "no devlink"
	# What family opi changes does not need it.
	status 0 fake "${dpu/devlink}" function set id 2 trust on
}

without_privilege_it_says_so()
{
	local verb

	for verb in "set trust on" "set hw-addr 02:00:00:00:00:01" expose withdraw del; do
		# shellcheck disable=SC2086 # words
		status 1 fake "$dpu
refuse 6 1
refuse-devlink 6 1
refuse-devlink 8 1" function $verb id 2 2>"$CASE_DIR/err"
		says "Operation not permitted" "do it as root"
	done
}

json_document_in_any_event()
{
	local verb

	for verb in "set trust on" expose withdraw del; do
		# shellcheck disable=SC2086 # words
		fake "$dpu" -p function $verb id 2 | jq -e 'type == "array"' >/dev/null
		# shellcheck disable=SC2086
		{ fake "$dpu" -j function $verb id 99 2>/dev/null || :; } | jq -e '. == []' >/dev/null
	done
	{ fake "$host" -j function add sf 1 2>/dev/null || :; } | jq -e '. == []' >/dev/null
}

run_cases "$@"
