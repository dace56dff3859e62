#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# "opitool monitor" against a kernel of paper (fake_kernel.c): what it shows, in
# which order, what it does when events are lost, and how it ends.  The scenario
# ends with a SIGTERM, so each case also sees that this ends it well.

. "$(dirname -- "$0")/../lib/tap.sh"
# Found from static/ too, where a link to this file makes it one of the tests.
. "$(dirname -- "$0")/../opitool/lib.sh"

CASES="
	state_then_sync_then_changes
	text_has_a_line_for_each
	one_kind_only
	functions_come_change_and_go
	function_events_that_the_dump_had
	gap_counts_events_of_all_kinds
	functions_that_went_during_a_loss
	functions_go_with_the_driver
	event_that_the_dump_had_is_not_shown_again
	events_are_shown_though_an_answer_had_them
	gap_in_the_numbers_is_said_and_mended
	overrun_is_said_once_and_mended
	what_went_during_a_loss_is_shown
	ports_that_came_before_their_dpu
	ports_of_no_dpu_are_left_out
	ports_of_subfunctions_on_the_host
	port_comes_changes_and_goes
	same_port_again_is_no_change
	carrier_of_a_port
	netdev_that_goes
	port_that_a_bridge_tells_of
	other_drivers_dpu_comes_and_goes
	driver_comes_and_goes
	driver_comes_anew_and_counts_anew
	reload_that_nobody_told_is_seen
	driver_that_is_going_is_gone
	starts_without_a_driver
	malformed_event_counts_as_a_loss
	sigint_ends_it_well
	ends_when_nobody_reads
	ends_when_output_is_closed
	full_disk_is_an_error
"

build_fake

a='pci/0000:01:00.0 serial=00000000000000aa role=1'
b='pci/0000:02:00.0 serial=00000000000000bb role=1'

# watch SCENARIO ARG...: the events in short, one a line.
watch()
{
	local scenario=$1
	shift

	fake "$scenario" -j monitor "$@" >"$CASE_DIR/out" 2>"$CASE_DIR/err" || return
	jq -r '[.object, .event, .dev, .index, .func_id, .seq, .missed,
		(.changed // [] | join(",")), .peer, .netdev, .carrier] |
		map(select(. != null and . != "") | tostring) | join(" ")' "$CASE_DIR/out" |
		sed 's/pci\/0000:\(..\):00\.0/\1/'
}

state_then_sync_then_changes()
{
	expect_eq events "$(watch "opi
dpu $a seq=5 peer=2
> change $a seq=6 peer=0 changed=1
> change $a seq=7 peer=0 changed=6
> add $b seq=8 peer=1
> del $a seq=9 peer=0
- dpu
+ dpu $b seq=9 peer=1" dpu)" \
'dpu state 01 5 ready
monitor sync 5
dpu change 01 6 peer absent
dpu change 01 7 boot,generation absent
dpu add 02 8 present
dpu del 01 9 absent'
}

text_has_a_line_for_each()
{
	expect_eq events "$(fake "opi
dpu $a seq=5 peer=2 os=2
> change $a seq=6 peer=0 changed=3 os=0" monitor)" \
'dpu state pci/0000:01:00.0: driver opi_core via opi serial 00000000000000aa role host-pf peer ready seq 5 boot: os-status booted
monitor sync seq 5
dpu change changed peer,boot pci/0000:01:00.0: driver opi_core via opi serial 00000000000000aa role host-pf peer absent seq 6 boot: os-status not-started'
}

both="opi
devlink
dpu $a seq=5
function pci/0000:01:00.0 id=7 seq=5
port pci/0000:01:00.0/1 flavour=5 ifindex=3 netdev=e3
link 3 e3 up carrier=1
> link 3 e3 up carrier=0
> change $a seq=6 changed=1
> fchange pci/0000:01:00.0 id=7 seq=7 changed=8
> pdel pci/0000:01:00.0/1"

one_kind_only()
{
	expect_eq dpu "$(watch "$both" dpu)" \
'dpu state 01 5
monitor sync 5
dpu change 01 6 peer'
	expect_eq port "$(watch "$both" port)" \
'port state 01 1 e3 true
monitor sync 5
port change 01 1 e3 false
port del 01 1 e3 false'
	expect_eq function "$(watch "$both" function)" \
'function state 01 7 5
monitor sync 5
function change 01 7 7 attached'
	expect_eq all "$(watch "$both" all | wc -l)" 8
	expect_eq default "$(watch "$both" | wc -l)" 8
}

functions_come_change_and_go()
{
	expect_eq events "$(watch "opi
dpu $a seq=5
> fadd pci/0000:01:00.0 id=2 type=3 vf=0 seq=6
> fchange pci/0000:01:00.0 id=2 type=3 vf=0 host=0x110 seq=7 changed=10
> fdel pci/0000:01:00.0 id=2 type=3 vf=0 seq=8
> fdel pci/0000:01:00.0 id=3 seq=9" function)" \
'monitor sync 5
function add 01 2 6
function change 01 2 7 exposed,attached
function del 01 2 8
function del 01 3 9'
	expect_eq text "$(fake "opi
dpu $a seq=5
> fchange pci/0000:01:00.0 id=2 type=3 vf=0 host=0x110 seq=6 changed=32" monitor function)" \
'monitor sync seq 5
function change changed num-vfs pci/0000:01:00.0 id 2: type vf vf 0 host-address 01:02.0 seq 6'
}

# The dump of functions is made after that of DPUs, and may have more.
function_events_that_the_dump_had()
{
	expect_eq events "$(watch "opi
dpu $a seq=5
function pci/0000:01:00.0 id=2 opstate=1 seq=7
> fadd pci/0000:01:00.0 id=2 opstate=0 seq=6
> fchange pci/0000:01:00.0 id=2 opstate=1 seq=7 changed=2
> change $a seq=8 peer=2 changed=1
> fchange pci/0000:01:00.0 id=2 opstate=2 seq=9 changed=8")" \
'dpu state 01 5
function state 01 2 7
monitor sync 5
dpu change 01 8 peer ready
function change 01 2 9 attached'
}

gap_counts_events_of_all_kinds()
{
	# One of a kind that is not wanted is no gap.
	expect_eq none "$(watch "opi
dpu $a seq=5
> fadd pci/0000:01:00.0 id=2 seq=6
> change $a seq=7 changed=1" dpu)" \
'dpu state 01 5
monitor sync 5
dpu change 01 7 peer'
	# One that is missing is.
	expect_eq gap "$(watch "opi
dpu $a seq=5
- dpu
+ dpu $a seq=8
+ function pci/0000:01:00.0 id=2 seq=8
> fchange pci/0000:01:00.0 id=2 seq=8 changed=1
> look
> fchange pci/0000:01:00.0 id=2 seq=9 changed=1" all)" \
'dpu state 01 5
monitor sync 5
monitor lost 2
function change 01 2 8 set
dpu state 01 8
function state 01 2 8
monitor sync 8
function change 01 2 9 set'
	# And one that makes no sense is a loss.
	expect_eq bad "$(watch "opi
dpu $a seq=5
> bad function 0800" function)" \
'monitor sync 5
monitor lost
monitor sync 5'
}

functions_that_went_during_a_loss()
{
	expect_eq events "$(watch "opi
dpu $a seq=5
function pci/0000:01:00.0 id=2 seq=5
function pci/0000:01:00.0 id=3 seq=5
- function pci/0000:01:00.0 id=2
+ function pci/0000:01:00.0 id=4 seq=8
> lost" function)" \
'function state 01 2 5
function state 01 3 5
monitor sync 5
monitor lost
function del 01 2 5
function state 01 3 5
function state 01 4 8
monitor sync 5'
}

functions_go_with_the_driver()
{
	expect_eq events "$(watch "opi
dpu $a seq=5
function pci/0000:01:00.0 id=2 seq=5
- opi
- dpu
- function
> family opi -
> look")" \
'dpu state 01 5
function state 01 2 5
monitor sync 5
function del 01 2 5
dpu del 01 5'
}

event_that_the_dump_had_is_not_shown_again()
{
	expect_eq events "$(watch "opi
dpu $a seq=5 peer=0
> change $a seq=4 peer=2 changed=1
> change $a seq=5 peer=0 changed=1
> change $a seq=6 peer=1 changed=1")" \
'dpu state 01 5 absent
monitor sync 5
dpu change 01 6 peer present'
}

# After one comes the monitor looks for its ports; what it is told of DPUs then may be
# ahead of events that it has not read.
events_are_shown_though_an_answer_had_them()
{
	expect_eq events "$(watch "opi
devlink
dpu $a seq=5 peer=2
function pci/0000:01:00.0 id=2 seq=5
- dpu
- function
+ dpu $a seq=10 peer=2
+ dpu $b seq=10 peer=2
> fdel pci/0000:01:00.0 id=2 seq=6
> del $a seq=7 peer=2
> add $a seq=8 peer=0
> look
> change $a seq=9 peer=2 changed=1
> add $b seq=10 peer=2" all)" \
'dpu state 01 5 ready
function state 01 2 5
monitor sync 5
function del 01 2 6
dpu del 01 7 ready
dpu add 01 8 absent
dpu change 01 9 peer ready
dpu add 02 10 ready'
}

gap_in_the_numbers_is_said_and_mended()
{
	expect_eq events "$(watch "opi
dpu $a seq=5 peer=0
- dpu
+ dpu $a seq=10 peer=4
> change $a seq=9 peer=3 changed=1
> change $a seq=10 peer=4 changed=1
> look
> change $a seq=11 peer=2 changed=1")" \
'dpu state 01 5 absent
monitor sync 5
monitor lost 3
dpu change 01 9 peer stalled
dpu change 01 10 peer halted
dpu state 01 10 halted
monitor sync 10
dpu change 01 11 peer ready'
}

overrun_is_said_once_and_mended()
{
	expect_eq events "$(watch "opi
dpu $a seq=5 peer=0
- dpu
+ dpu $a seq=30 peer=4
> lost
> change $a seq=29 peer=3 changed=1
> lost
> change $a seq=30 peer=4 changed=1
> look
> change $a seq=31 peer=2 changed=1")" \
'dpu state 01 5 absent
monitor sync 5
monitor lost
dpu change 01 29 peer stalled
dpu change 01 30 peer halted
dpu state 01 30 halted
monitor sync 30
dpu change 01 31 peer ready'
}

what_went_during_a_loss_is_shown()
{
	expect_eq events "$(watch "opi
devlink
dpu $a seq=5
dpu $b seq=5
port pci/0000:01:00.0/1 netdev=e3
- dpu pci/0000:01:00.0
- port
> lost")" \
'dpu state 01 5
dpu state 02 5
port state 01 1 e3
monitor sync 5
monitor lost
dpu del 01 5
dpu state 02 5
port del 01 1 e3
monitor sync 5'
}

ports_that_came_before_their_dpu()
{
	expect_eq events "$(watch "opi
devlink
+ dev pci/0000:01:00.0
+ port pci/0000:01:00.0/1 netdev=e3
> pnew pci/0000:01:00.0/1 netdev=e3
> look
+ dpu $a seq=1
> add $a seq=1
> look")" \
'monitor sync
dpu add 01 1
port add 01 1 e3'
}

ports_of_no_dpu_are_left_out()
{
	expect_eq events "$(watch "opi
devlink
dev pci/0000:05:00.0
port pci/0000:05:00.0/0 flavour=0 netdev=e5
> pnew pci/0000:05:00.0/0 flavour=0 netdev=e6
> pdel pci/0000:05:00.0/0 flavour=0")" \
'monitor sync'
}

ports_of_subfunctions_on_the_host()
{
	expect_eq events "$(watch "opi
devlink
dpu $a seq=5
nested auxiliary/opi_core.sf.0 pci/0000:01:00.0
> pnew auxiliary/opi_core.sf.0/7 flavour=5
- nested
> pnew auxiliary/opi_core.sf.0/7 flavour=5
> pnew auxiliary/opi_core.sf.0/7 flavour=5 netdev=e7
> pdel auxiliary/opi_core.sf.0/7 flavour=5
> pnew auxiliary/opi_core.sf.1/8 flavour=5" port)" \
'monitor sync 5
port add auxiliary/opi_core.sf.0 7
port change auxiliary/opi_core.sf.0 7 e7
port del auxiliary/opi_core.sf.0 7 e7'
}

port_comes_changes_and_goes()
{
	expect_eq events "$(watch "opi
devlink
dpu $a seq=5
> pnew pci/0000:01:00.0/7 flavour=3
> pnew pci/0000:01:00.0/7 flavour=3 netdev=rep7
> pdel pci/0000:01:00.0/7" port)" \
'monitor sync 5
port add 01 7
port change 01 7 rep7
port del 01 7 rep7'
}

same_port_again_is_no_change()
{
	expect_eq events "$(watch "opi
devlink
dpu $a seq=5
port pci/0000:01:00.0/7 flavour=3
> pnew pci/0000:01:00.0/7 flavour=3
> pnew pci/0000:01:00.0/7 flavour=3
> pdel pci/0000:01:00.0/9" port)" \
'port state 01 7
monitor sync 5'
}

carrier_of_a_port()
{
	expect_eq events "$(watch "opi
devlink
dpu $a seq=5
port pci/0000:01:00.0/1 ifindex=3 netdev=e3
link 3 e3 up carrier=1
link 4 other up carrier=1
> link 3 e3 up carrier=0
> link 4 other up carrier=0
> link 3 e3 up carrier=0
> link 3 e3 up carrier=1
> link 12 new up carrier=1
> pnew pci/0000:01:00.0/2 ifindex=12 netdev=new" port)" \
'port state 01 1 e3 true
monitor sync 5
port change 01 1 e3 false
port change 01 1 e3 true
port add 01 2 new true'
}

netdev_that_goes()
{
	expect_eq events "$(watch "opi
devlink
dpu $a seq=5
port pci/0000:01:00.0/1 ifindex=3 netdev=e3
link 3 e3 up carrier=1
> dellink 3 e3
> pnew pci/0000:01:00.0/1" port)" \
'port state 01 1 e3 true
monitor sync 5
port change 01 1'
}

# A bridge tells the same group of its ports, without a carrier, and when they leave it.
port_that_a_bridge_tells_of()
{
	expect_eq events "$(watch "opi
devlink
dpu $a seq=5
port pci/0000:01:00.0/1 ifindex=3 netdev=e3
link 3 e3 up carrier=1
> link 3 e3 up master=9 family=bridge
> dellink 3 e3 up master=9 family=bridge
> pnew pci/0000:01:00.0/1 flavour=3 ifindex=3 netdev=e3
> link 12 new up master=9 family=bridge
> pnew pci/0000:01:00.0/2 ifindex=12 netdev=new
> link 3 e3 up carrier=0" port)" \
'port state 01 1 e3 true
monitor sync 5
port change 01 1 e3 true
port add 01 2 new
port change 01 1 e3 false'
}

other_drivers_dpu_comes_and_goes()
{
	expect_eq events "$(watch "opi
devlink
+ dev pci/0000:03:00.0 eswitch=1
+ port pci/0000:03:00.0/4 flavour=3
> pnew pci/0000:03:00.0/4 flavour=3
> look
- port
> pdel pci/0000:03:00.0/4
- dev
> pnew pci/0000:0f:00.0/4 flavour=0
> look")" \
'monitor sync
dpu add 03
port add 03 4
port del 03 4
dpu del 03'
}

driver_comes_and_goes()
{
	expect_eq events "$(watch "devlink
+ opi
+ dpu $a seq=1
> family opi +
> look
> change $a seq=2 changed=1 peer=2
- opi
- dpu
> del $a seq=3
> family opi -
> look" dpu)" \
'monitor sync
dpu add 01 1
dpu change 01 2 peer ready
dpu del 01 3'
}

driver_comes_anew_and_counts_anew()
{
	expect_eq events "$(watch "opi
dpu $a seq=500
- dpu
> del $a seq=501
> family opi -
> family opi +
> look
+ dpu $a seq=1
> add $a seq=1
> look
> change $a seq=2 changed=1 peer=2" dpu)" \
'dpu state 01 500
monitor sync 500
dpu del 01 501
dpu add 01 1
dpu change 01 2 peer ready'
}

reload_that_nobody_told_is_seen()
{
	expect_eq events "$(watch "opi
devlink
dpu $a seq=5
dev pci/0000:03:00.0 eswitch=1
> family opi -
> family opi +
- dpu
+ dpu $a seq=1
> look" dpu)" \
'dpu state 01 5
dpu state 03
monitor sync 5
dpu del 01 5
dpu add 01 1'
}

driver_that_is_going_is_gone()
{
	local errno

	# ENOENT, EOPNOTSUPP, EPROTONOSUPPORT: what a kernel says meanwhile.
	for errno in 2 95 93; do
		expect_eq "errno $errno" "$(watch "opi
dpu $a seq=5
+ refuse 1 $errno
> del $a seq=6
> family opi -
> look" dpu)" \
'dpu state 01 5
monitor sync 5
dpu del 01 6'
	done
}

starts_without_a_driver()
{
	expect_eq events "$(watch devlink)" 'monitor sync'
	watch devlink >/dev/null
	grep -q 'modprobe opi_core' "$CASE_DIR/err"
}

malformed_event_counts_as_a_loss()
{
	expect_eq events "$(watch "opi
devlink
dpu $a seq=5
> bad dpu 0800
> look
> bad port ffff")" \
'dpu state 01 5
monitor sync 5
monitor lost
dpu state 01 5
monitor sync 5
monitor lost
dpu state 01 5
monitor sync 5'
}

# The real program: it has no events here, only its way of ending.  Signals go
# to what runs in the build root, which has the number of what was started.
with_real_tool()
{
	build_tool "$CASE_DIR/real"
	real=$CASE_DIR/real/opitool
}

sigint_ends_it_well()
{
	local sig pid

	with_real_tool
	for sig in INT TERM; do
		mkfifo "$CASE_DIR/$sig"
		# A background job ignores SIGINT unless it is told otherwise.
		"$OPI_TOP/qemu/inroot" env --default-signal=INT "$real" -j monitor >"$CASE_DIR/$sig" 2>"$CASE_DIR/err" &
		pid=$!
		exec 5<"$CASE_DIR/$sig"
		read -r -t 20 line <&5 || { cat "$CASE_DIR/err"; fail "no first line"; }
		expect_match line "$line" sync
		kill -"$sig" "$pid"
		status 0 wait "$pid"
		exec 5<&-
	done
}

ends_when_nobody_reads()
{
	local pid line

	with_real_tool
	mkfifo "$CASE_DIR/fifo"
	"$OPI_TOP/qemu/inroot" "$real" -j monitor >"$CASE_DIR/fifo" 2>"$CASE_DIR/err" &
	pid=$!
	exec 5<"$CASE_DIR/fifo"
	read -r -t 20 line <&5 || fail "no first line"
	expect_match line "$line" sync
	# No event comes that it would have to write.
	exec 5<&-
	status 0 wait "$pid"
	expect_eq err "$(grep -v modprobe "$CASE_DIR/err" || :)" ""

	# One that is written to nobody.
	status 0 inroot sh -c 'trap "" PIPE; "$1" -j monitor | :' sh "$real" 2>/dev/null
}

ends_when_output_is_closed()
{
	with_real_tool
	# shellcheck disable=SC2016 # for the inner shell
	status 0 inroot sh -c '"$1" monitor >&- 2>"$2"' sh "$real" "$CASE_DIR/err"
	expect_eq errors "$(grep -v modprobe "$CASE_DIR/err" || :)" ""
	# For all else it is an error.
	# shellcheck disable=SC2016
	status 1 inroot sh -c '"$1" version >&- 2>"$2"' sh "$real" "$CASE_DIR/err"
	grep -q 'cannot write' "$CASE_DIR/err"
}

full_disk_is_an_error()
{
	with_real_tool
	status 1 inroot "$real" monitor >/dev/full 2>"$CASE_DIR/err"
	grep -q 'cannot write' "$CASE_DIR/err"
}

run_cases "$@"
