#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# What "dpu show" and "port show" make of what a kernel says: a kernel of paper
# (fake_kernel.c), so that every case can be had, and opitool under the
# sanitizers.

. "$(dirname -- "$0")/../lib/tap.sh"
# Found from static/ too, where a link to this file makes it one of the tests.
. "$(dirname -- "$0")/../opitool/lib.sh"

CASES="
	dpu_in_text
	dpu_in_json
	several_dpus_and_one_by_its_name
	one_by_its_serial_number
	short_name_of_a_pci_device
	unknown_dpu_ends_with_1
	no_driver_ends_with_3
	no_generic_netlink_ends_with_3
	driver_without_a_card_is_no_error
	other_drivers_are_marked
	eswitch_that_is_secret_is_left_out
	devices_like_no_dpu_are_left_out
	ports_in_text
	ports_in_json
	ports_of_one_device
	one_port
	ports_by_serial_number
	unknown_port_ends_with_1
	values_of_the_future_have_a_number
	missing_attributes_are_left_out
	malformed_answer_is_refused
	hostile_names_are_escaped
	json_stays_valid_with_hostile_names
	refusal_says_why
	interrupted_dump_is_made_again
	full_disk_is_an_error
"

build fake || exit 1

full='dpu pci/0000:01:00.0 serial=0123456789abcdef role=1 mode=1 func=1 major=1 minor=0 gen=3 peer=2 state=1 health=0 lost=4 seq=17 os=2 pldm=5 dump=0 maxtime=120 bootgen=3 reset=3 bootsup=0 bootsel=0'
second='dpu pci/0000:81:00.0 serial=fedcba9876543210 role=1 mode=0 func=1 major=1 minor=2 gen=1 peer=0 state=2 health=2 seq=17'
world="opi
devlink
$full
$second
dev pci/0000:01:00.0
dev pci/0000:81:00.0
dev pci/0000:03:00.0 driver=otherdrv serial=MT2042 eswitch=1
dev pci/0000:04:00.0 driver=plain eswitch=secret
dev pci/0000:05:00.0
port pci/0000:01:00.0/1 flavour=5 type=2 ifindex=4 netdev=enp1s0
port pci/0000:81:00.0/1 flavour=5 type=2
port pci/0000:03:00.0/7 flavour=3 controller=1 pf=0 external=1 type=2 ifindex=9 netdev=pf0hpf hw=02:00:00:00:00:01 fnstate=1 fnop=0
port pci/0000:03:00.0/8 flavour=4 controller=1 pf=0 vf=5 external=1 type=2 ifindex=10 netdev=pf0vf5
port pci/0000:05:00.0/0 flavour=0 number=0 type=2 ifindex=5 netdev=ens1
link 4 enp1s0 up carrier=1 oper=6 mac=02:0a:0b:0c:00:02
link 9 pf0hpf up carrier=0 oper=2 mac=02:00:00:00:00:02 switch=0123456789abcdef
link 5 ens1 up carrier=1 oper=6"

dpu_in_text()
{
	gives 0 fake "opi
$full" dpu show
	expect_eq "text" "$out" \
'pci/0000:01:00.0: driver opi_core via opi serial 0123456789abcdef role host-pf mode restricted
    dev-state ready health ok peer ready generation 3 interface 1.0 func-id 1 events-lost 4 seq 17
    boot: os-status booted pldm-state os-running crashdump-status not-started max-boot-time 120 generation 3 reset-supported pci,cpu boot-supported none boot-select none'
}

dpu_in_json()
{
	gives 0 fake "opi
$full" -j dpu show
	expect_eq "JSON" "$out" \
'[{"dev":"pci/0000:01:00.0","driver":"opi_core","via":"opi","serial":"0123456789abcdef","role":"host-pf","mode":"restricted","dev_state":"ready","health":"ok","peer":"ready","generation":3,"interface":"1.0","func_id":1,"events_lost":4,"seq":17,"boot":{"os_status":"booted","pldm_state":"os-running","crashdump_status":"not-started","max_boot_time":120,"generation":3,"reset_supported":["pci","cpu"],"boot_supported":[],"boot_select":[]}}]'
	# Pretty is the same document.
	fake "$world" -j dpu show >"$CASE_DIR/flat"
	fake "$world" -p dpu show >"$CASE_DIR/pretty"
	same_document "$CASE_DIR/flat" "$CASE_DIR/pretty"
}

devs() { answered '[.[].dev] | join(" ")'; }

several_dpus_and_one_by_its_name()
{
	ask all "pci/0000:01:00.0 pci/0000:81:00.0 pci/0000:03:00.0" fake "$world" -j dpu show
	ask one "pci/0000:81:00.0" fake "$world" -j dpu show pci/0000:81:00.0
	ask other "pci/0000:03:00.0" fake "$world" -j dpu show pci/0000:03:00.0
	devs
}

one_by_its_serial_number()
{
	ask opi "pci/0000:81:00.0" fake "$world" -j dpu show fedcba9876543210
	ask upper "pci/0000:81:00.0" fake "$world" -j dpu show FEDCBA9876543210
	ask other "pci/0000:03:00.0" fake "$world" -j dpu show MT2042
	devs
}

short_name_of_a_pci_device()
{
	ask short "pci/0000:81:00.0" fake "$world" -j dpu show 0000:81:00.0
	devs
}

unknown_dpu_ends_with_1()
{
	local name

	for name in pci/0000:09:00.0 0000:09:00.0 0123456789abcde0 netdevsim/x; do
		gives_both 1 fake "$world" dpu show "$name"
		expect_eq output "$out" ""
		says "\"$name\""
		says 'opitool dpu show'
	done
	gives_both 1 fake "$world" -j dpu show none
	expect_eq JSON "$out" "[]"
}

no_driver_ends_with_3()
{
	local verb

	for verb in dpu port; do
		gives_both 3 fake "devlink" -j "$verb" show
		expect_eq JSON "$out" "[]"
		says 'modprobe opi_core'
	done
	gives_both 3 fake "#" port show
	says devlink
	# What another driver has is an answer.
	status 0 fake "devlink
dev pci/0000:03:00.0 eswitch=0" dpu show
}

no_generic_netlink_ends_with_3()
{
	local verb

	for verb in "dpu show" "port show" "monitor"; do
		# shellcheck disable=SC2086 # words
		gives_both 3 fake nogenl $verb
		says 'generic netlink'
	done
}

driver_without_a_card_is_no_error()
{
	gives_both 0 fake "opi
devlink" dpu show
	says 'no DPU'
	gives_both 0 fake "opi" -j dpu show
	expect_eq JSON "$out$err" "[]"
}

other_drivers_are_marked()
{
	gives 0 fake "$world" -j dpu show MT2042
	expect_eq other "$out" \
'[{"dev":"pci/0000:03:00.0","driver":"otherdrv","via":"devlink","serial":"MT2042","eswitch":"switchdev"}]'
	gives 0 fake "$world" dpu show MT2042
	expect_eq text "$out" \
'pci/0000:03:00.0: driver otherdrv via devlink serial MT2042 eswitch switchdev'
}

eswitch_that_is_secret_is_left_out()
{
	gives 0 fake "devlink
dev pci/0000:04:00.0 driver=x eswitch=secret
port pci/0000:04:00.0/3 flavour=7 pf=0 sf=88" -j dpu show
	expect_eq JSON "$out" '[{"dev":"pci/0000:04:00.0","driver":"x","via":"devlink"}]'
}

devices_like_no_dpu_are_left_out()
{
	local f

	for f in 0 1 2 5 6; do
		gives_both 3 fake "devlink
dev pci/0000:04:00.0 driver=x eswitch=secret
port pci/0000:04:00.0/3 flavour=$f" dpu show
	done
	for f in 3 4 7; do
		status 0 fake "devlink
dev pci/0000:04:00.0 driver=x
port pci/0000:04:00.0/3 flavour=$f" dpu show
	done
}

ports_in_text()
{
	gives 0 fake "$world" port show
	expect_eq text "$out" \
'pci/0000:01:00.0/1: flavour virtual type eth
    netdev enp1s0 ifindex 4 up true carrier true operstate up mac 02:0a:0b:0c:00:02
pci/0000:81:00.0/1: flavour virtual type eth
pci/0000:03:00.0/7: flavour pcipf controller 1 pfnum 0 external true type eth
    netdev pf0hpf ifindex 9 up true carrier false operstate down mac 02:00:00:00:00:02 switch-id 0123456789abcdef
    function: hw-addr 02:00:00:00:00:01 state active opstate detached
pci/0000:03:00.0/8: flavour pcivf controller 1 pfnum 0 vfnum 5 external true type eth
    netdev pf0vf5 ifindex 10'
}

ports_in_json()
{
	fake "$world" -j port show >"$CASE_DIR/out"
	expect_eq "count, and one" "$(jq -c 'length, .[2]' "$CASE_DIR/out")" \
'4
{"port":"pci/0000:03:00.0/7","dev":"pci/0000:03:00.0","index":7,"flavour":"pcipf","controller":1,"pfnum":0,"external":true,"type":"eth","netdev":"pf0hpf","ifindex":9,"up":true,"carrier":false,"operstate":"down","mac":"02:00:00:00:00:02","switch_id":"0123456789abcdef","function":{"hw_addr":"02:00:00:00:00:01","state":"active","opstate":"detached"}}'
}

ports() { answered '[.[].port] | join(" ")'; }

ports_of_one_device()
{
	ask opi "pci/0000:01:00.0/1" fake "$world" -j port show 0000:01:00.0
	ask other "pci/0000:03:00.0/7 pci/0000:03:00.0/8" fake "$world" -j port show pci/0000:03:00.0
	# Who names a device wants to see it, DPU or not.
	ask none "pci/0000:05:00.0/0" fake "$world" -j port show pci/0000:05:00.0
	ports
}

one_port()
{
	ask one "pci/0000:03:00.0/8" fake "$world" -j port show pci/0000:03:00.0/8
	ask short "pci/0000:03:00.0/8" fake "$world" -j port show 0000:03:00.0/8
	ports
}

ports_by_serial_number()
{
	ask opi "pci/0000:81:00.0/1" fake "$world" -j port show fedcba9876543210
	ask other "pci/0000:03:00.0/7 pci/0000:03:00.0/8" fake "$world" -j port show MT2042
	ports
}

unknown_port_ends_with_1()
{
	local name

	for name in pci/0000:03:00.0/9 pci/0000:09:00.0 nosuchserial; do
		gives_both 1 fake "$world" port show "$name"
		says "\"$name\""
	done
}

values_of_the_future_have_a_number()
{
	fake "opi
devlink
dpu pci/x role=77 mode=9 peer=5 state=4294967295 health=3 os=200 reset=129 bootsel=4294967295 seq=18446744073709551615
port pci/x/4294967295 flavour=500 type=9 fnstate=7" -j dpu show >"$CASE_DIR/out"
	expect_eq values "$(jq -c '(.[0]|[.role,.mode,.peer,.dev_state,.health,.boot.os_status,.boot.reset_supported]),
		(.[0].boot.boot_select | length)' "$CASE_DIR/out")" \
		'["unknown-77","unknown-9","unknown-5","unknown-4294967295","unknown-3","unknown-200",["pci","unknown-7"]]
32'
	contents "$CASE_DIR/out"
	[[ $REPLY = *'"seq":18446744073709551615'* ]]
}

missing_attributes_are_left_out()
{
	gives 0 fake "opi
dpu pci/x" -j dpu show
	expect_eq JSON "$out" '[{"dev":"pci/x","driver":"opi_core","via":"opi"}]'
}

malformed_answer_is_refused()
{
	# No attribute; one that is longer than the message; a bus without 0.
	local hex

	for hex in "" 0800 ffff02000000 0800020070636920 0c0002007063690000000000; do
		gives_both 1 fake "opi
bad dpu $hex" -j dpu show
		expect_eq JSON "$out" "[]"
		says 'makes no sense'
		gives_both 1 fake "devlink
bad port $hex" port show
		says 'makes no sense'
	done
}

# An escape sequence, a C1 control, a right-to-left mark, broken UTF-8, quotes;
# and one that may be shown.
hostile=$'devlink\ndev pci/a\x1b[2Jb driver=q"\\\xc2\x9b\xe2\x80\xaex\xff\xfe serial=\xc3\xa9 eswitch=1'

hostile_names_are_escaped()
{
	gives 0 fake "$hostile" dpu show
	expect_eq text "$out" \
		$'pci/a\\x1b[2Jb: driver q"\\\\xc2\\x9b\\xe2\\x80\\xaex\\xff\\xfe via devlink serial \xc3\xa9 eswitch switchdev'
}

json_stays_valid_with_hostile_names()
{
	local LC_ALL=C

	gives 0 fake "$hostile" -j dpu show
	expect_eq "dev and driver" "$(jq -r '.[0].dev, .[0].driver' "$CASE_DIR/out")" \
		'pci/a\x1b[2Jb'$'\n''q"\\xc2\x9b\xe2\x80\xaex\xff\xfe'
	[[ ${out//$'\n'} != *[[:cntrl:]]* ]]
}

refusal_says_why()
{
	gives_both 1 fake "opi
refuse 1 13 not on a Sunday" dpu show
	says 'Permission denied: not on a Sunday'
}

interrupted_dump_is_made_again()
{
	ask once 1 fake "opi
interrupted 3
$full" -j dpu show
	# For ever is too long.
	ask often 1 fake "opi
interrupted 1000
$full" -j dpu show
	answered length
}

full_disk_is_an_error()
{
	status 1 fake "$world" dpu show >/dev/full 2>"$CASE_DIR/err"
	contents "$CASE_DIR/err"
	expect_match err "$REPLY" 'cannot write'
}

run_cases "$@"
