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

build tool fake || exit 1

a='pci/0000:01:00.0 serial=00000000000000aa role=1'
b='pci/0000:02:00.0 serial=00000000000000bb role=1'

# watch SCENARIO ARG...: the events in short, one a line, in "events".
watch()
{
	local scenario=$1
	shift

	gives_both 0 fake "$scenario" -j monitor "$@"
	jq -r '[.object, .event, .dev, .index, .func_id, .seq, .missed,
		(.changed // [] | join(",")), .peer, .netdev, .carrier] |
		map(select(. != null and . != "") | tostring) | join(" ") |
		sub("pci/0000:(?<bus>..):00\\.0"; .bus)' "$CASE_DIR/out" >"$CASE_DIR/events"
	contents "$CASE_DIR/events"
	events=$REPLY
}

state_then_sync_then_changes()
{
	watch "opi
dpu $a seq=5 peer=2
> change $a seq=6 peer=0 changed=1
> change $a seq=7 peer=0 changed=6
> add $b seq=8 peer=1
> del $a seq=9 peer=0
- dpu
+ dpu $b seq=9 peer=1" dpu
	expect_eq events "$events" \
'dpu state 01 5 ready
monitor sync 5
dpu change 01 6 peer absent
dpu change 01 7 boot,generation absent
dpu add 02 8 present
dpu del 01 9 absent'
}

text_has_a_line_for_each()
{
	gives 0 fake "opi
dpu $a seq=5 peer=2 os=2
> change $a seq=6 peer=0 changed=3 os=0" monitor
	expect_eq events "$out" \
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
	local lines

	watch "$both" dpu
	expect_eq dpu "$events" \
'dpu state 01 5
monitor sync 5
dpu change 01 6 peer'
	watch "$both" port
	expect_eq port "$events" \
'port state 01 1 e3 true
monitor sync 5
port change 01 1 e3 false
port del 01 1 e3 false'
	watch "$both" function
	expect_eq function "$events" \
'function state 01 7 5
monitor sync 5
function change 01 7 7 attached'
	watch "$both" all
	mapfile -t lines <<<"$events"
	expect_eq all "${#lines[@]}" 8
	watch "$both"
	mapfile -t lines <<<"$events"
	expect_eq default "${#lines[@]}" 8
}

functions_come_change_and_go()
{
	watch "opi
dpu $a seq=5
> fadd pci/0000:01:00.0 id=2 type=3 vf=0 seq=6
> fchange pci/0000:01:00.0 id=2 type=3 vf=0 host=0x110 seq=7 changed=10
> fdel pci/0000:01:00.0 id=2 type=3 vf=0 seq=8
> fdel pci/0000:01:00.0 id=3 seq=9" function
	expect_eq events "$events" \
'monitor sync 5
function add 01 2 6
function change 01 2 7 exposed,attached
function del 01 2 8
function del 01 3 9'
	gives 0 fake "opi
dpu $a seq=5
> fchange pci/0000:01:00.0 id=2 type=3 vf=0 host=0x110 seq=6 changed=32" monitor function
	expect_eq text "$out" \
'monitor sync seq 5
function change changed num-vfs pci/0000:01:00.0 id 2: type vf vf 0 host-address 01:02.0 seq 6'
}

# The dump of functions is made after that of DPUs, and may have more.
function_events_that_the_dump_had()
{
	watch "opi
dpu $a seq=5
function pci/0000:01:00.0 id=2 opstate=1 seq=7
> fadd pci/0000:01:00.0 id=2 opstate=0 seq=6
> fchange pci/0000:01:00.0 id=2 opstate=1 seq=7 changed=2
> change $a seq=8 peer=2 changed=1
> fchange pci/0000:01:00.0 id=2 opstate=2 seq=9 changed=8"
	expect_eq events "$events" \
'dpu state 01 5
function state 01 2 7
monitor sync 5
dpu change 01 8 peer ready
function change 01 2 9 attached'
}

gap_counts_events_of_all_kinds()
{
	# One of a kind that is not wanted is no gap.
	watch "opi
dpu $a seq=5
> fadd pci/0000:01:00.0 id=2 seq=6
> change $a seq=7 changed=1" dpu
	expect_eq none "$events" \
'dpu state 01 5
monitor sync 5
dpu change 01 7 peer'
	# One that is missing is.
	watch "opi
dpu $a seq=5
- dpu
+ dpu $a seq=8
+ function pci/0000:01:00.0 id=2 seq=8
> fchange pci/0000:01:00.0 id=2 seq=8 changed=1
> look
> fchange pci/0000:01:00.0 id=2 seq=9 changed=1" all
	expect_eq gap "$events" \
'dpu state 01 5
monitor sync 5
monitor lost 2
function change 01 2 8 set
dpu state 01 8
function state 01 2 8
monitor sync 8
function change 01 2 9 set'
	# And one that makes no sense is a loss.
	watch "opi
dpu $a seq=5
> bad function 0800" function
	expect_eq bad "$events" \
'monitor sync 5
monitor lost
monitor sync 5'
}

functions_that_went_during_a_loss()
{
	watch "opi
dpu $a seq=5
function pci/0000:01:00.0 id=2 seq=5
function pci/0000:01:00.0 id=3 seq=5
- function pci/0000:01:00.0 id=2
+ function pci/0000:01:00.0 id=4 seq=8
> lost" function
	expect_eq events "$events" \
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
	watch "opi
dpu $a seq=5
function pci/0000:01:00.0 id=2 seq=5
- opi
- dpu
- function
> family opi -
> look"
	expect_eq events "$events" \
'dpu state 01 5
function state 01 2 5
monitor sync 5
function del 01 2 5
dpu del 01 5'
}

event_that_the_dump_had_is_not_shown_again()
{
	watch "opi
dpu $a seq=5 peer=0
> change $a seq=4 peer=2 changed=1
> change $a seq=5 peer=0 changed=1
> change $a seq=6 peer=1 changed=1"
	expect_eq events "$events" \
'dpu state 01 5 absent
monitor sync 5
dpu change 01 6 peer present'
}

# After one comes the monitor looks for its ports; what it is told of DPUs then may be
# ahead of events that it has not read.
events_are_shown_though_an_answer_had_them()
{
	watch "opi
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
> add $b seq=10 peer=2" all
	expect_eq events "$events" \
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
	watch "opi
dpu $a seq=5 peer=0
- dpu
+ dpu $a seq=10 peer=4
> change $a seq=9 peer=3 changed=1
> change $a seq=10 peer=4 changed=1
> look
> change $a seq=11 peer=2 changed=1"
	expect_eq events "$events" \
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
	watch "opi
dpu $a seq=5 peer=0
- dpu
+ dpu $a seq=30 peer=4
> lost
> change $a seq=29 peer=3 changed=1
> lost
> change $a seq=30 peer=4 changed=1
> look
> change $a seq=31 peer=2 changed=1"
	expect_eq events "$events" \
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
	watch "opi
devlink
dpu $a seq=5
dpu $b seq=5
port pci/0000:01:00.0/1 netdev=e3
- dpu pci/0000:01:00.0
- port
> lost"
	expect_eq events "$events" \
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
	watch "opi
devlink
+ dev pci/0000:01:00.0
+ port pci/0000:01:00.0/1 netdev=e3
> pnew pci/0000:01:00.0/1 netdev=e3
> look
+ dpu $a seq=1
> add $a seq=1
> look"
	expect_eq events "$events" \
'monitor sync
dpu add 01 1
port add 01 1 e3'
}

ports_of_no_dpu_are_left_out()
{
	watch "opi
devlink
dev pci/0000:05:00.0
port pci/0000:05:00.0/0 flavour=0 netdev=e5
> pnew pci/0000:05:00.0/0 flavour=0 netdev=e6
> pdel pci/0000:05:00.0/0 flavour=0"
	expect_eq events "$events" \
'monitor sync'
}

ports_of_subfunctions_on_the_host()
{
	watch "opi
devlink
dpu $a seq=5
nested auxiliary/opi_core.sf.0 pci/0000:01:00.0
> pnew auxiliary/opi_core.sf.0/7 flavour=5
- nested
> pnew auxiliary/opi_core.sf.0/7 flavour=5
> pnew auxiliary/opi_core.sf.0/7 flavour=5 netdev=e7
> pdel auxiliary/opi_core.sf.0/7 flavour=5
> pnew auxiliary/opi_core.sf.1/8 flavour=5" port
	expect_eq events "$events" \
'monitor sync 5
port add auxiliary/opi_core.sf.0 7
port change auxiliary/opi_core.sf.0 7 e7
port del auxiliary/opi_core.sf.0 7 e7'
}

port_comes_changes_and_goes()
{
	watch "opi
devlink
dpu $a seq=5
> pnew pci/0000:01:00.0/7 flavour=3
> pnew pci/0000:01:00.0/7 flavour=3 netdev=rep7
> pdel pci/0000:01:00.0/7" port
	expect_eq events "$events" \
'monitor sync 5
port add 01 7
port change 01 7 rep7
port del 01 7 rep7'
}

same_port_again_is_no_change()
{
	watch "opi
devlink
dpu $a seq=5
port pci/0000:01:00.0/7 flavour=3
> pnew pci/0000:01:00.0/7 flavour=3
> pnew pci/0000:01:00.0/7 flavour=3
> pdel pci/0000:01:00.0/9" port
	expect_eq events "$events" \
'port state 01 7
monitor sync 5'
}

carrier_of_a_port()
{
	watch "opi
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
> pnew pci/0000:01:00.0/2 ifindex=12 netdev=new" port
	expect_eq events "$events" \
'port state 01 1 e3 true
monitor sync 5
port change 01 1 e3 false
port change 01 1 e3 true
port add 01 2 new true'
}

netdev_that_goes()
{
	watch "opi
devlink
dpu $a seq=5
port pci/0000:01:00.0/1 ifindex=3 netdev=e3
link 3 e3 up carrier=1
> dellink 3 e3
> pnew pci/0000:01:00.0/1" port
	expect_eq events "$events" \
'port state 01 1 e3 true
monitor sync 5
port change 01 1'
}

# A bridge tells the same group of its ports, without a carrier, and when they leave it.
port_that_a_bridge_tells_of()
{
	watch "opi
devlink
dpu $a seq=5
port pci/0000:01:00.0/1 ifindex=3 netdev=e3
link 3 e3 up carrier=1
> link 3 e3 up master=9 family=bridge
> dellink 3 e3 up master=9 family=bridge
> pnew pci/0000:01:00.0/1 flavour=3 ifindex=3 netdev=e3
> link 12 new up master=9 family=bridge
> pnew pci/0000:01:00.0/2 ifindex=12 netdev=new
> link 3 e3 up carrier=0" port
	expect_eq events "$events" \
'port state 01 1 e3 true
monitor sync 5
port change 01 1 e3 true
port add 01 2 new
port change 01 1 e3 false'
}

other_drivers_dpu_comes_and_goes()
{
	watch "opi
devlink
+ dev pci/0000:03:00.0 eswitch=1
+ port pci/0000:03:00.0/4 flavour=3
> pnew pci/0000:03:00.0/4 flavour=3
> look
- port
> pdel pci/0000:03:00.0/4
- dev
> pnew pci/0000:0f:00.0/4 flavour=0
> look"
	expect_eq events "$events" \
'monitor sync
dpu add 03
port add 03 4
port del 03 4
dpu del 03'
}

driver_comes_and_goes()
{
	watch "devlink
+ opi
+ dpu $a seq=1
> family opi +
> look
> change $a seq=2 changed=1 peer=2
- opi
- dpu
> del $a seq=3
> family opi -
> look" dpu
	expect_eq events "$events" \
'monitor sync
dpu add 01 1
dpu change 01 2 peer ready
dpu del 01 3'
}

driver_comes_anew_and_counts_anew()
{
	watch "opi
dpu $a seq=500
- dpu
> del $a seq=501
> family opi -
> family opi +
> look
+ dpu $a seq=1
> add $a seq=1
> look
> change $a seq=2 changed=1 peer=2" dpu
	expect_eq events "$events" \
'dpu state 01 500
monitor sync 500
dpu del 01 501
dpu add 01 1
dpu change 01 2 peer ready'
}

reload_that_nobody_told_is_seen()
{
	watch "opi
devlink
dpu $a seq=5
dev pci/0000:03:00.0 eswitch=1
> family opi -
> family opi +
- dpu
+ dpu $a seq=1
> look" dpu
	expect_eq events "$events" \
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
		watch "opi
dpu $a seq=5
+ refuse 1 $errno
> del $a seq=6
> family opi -
> look" dpu
		expect_eq "errno $errno" "$events" \
'dpu state 01 5
monitor sync 5
dpu del 01 6'
	done
}

starts_without_a_driver()
{
	watch devlink
	expect_eq events "$events" 'monitor sync'
	says 'modprobe opi_core'
}

malformed_event_counts_as_a_loss()
{
	watch "opi
devlink
dpu $a seq=5
> bad dpu 0800
> look
> bad port ffff"
	expect_eq events "$events" \
'dpu state 01 5
monitor sync 5
monitor lost
dpu state 01 5
monitor sync 5
monitor lost
dpu state 01 5
monitor sync 5'
}

# The real program: it has no events here, only its way of ending.
real() { "${loader[@]}" "$bin/opitool" "$@"; }

# What it has said of errors is only that no driver is there.
expect_no_errors()
{
	local line lines

	mapfile -t lines <"$CASE_DIR/err"
	for line in "${lines[@]}"; do
		[[ $line = *modprobe* ]] || fail "it says: $line"
	done
}

sigint_ends_it_well()
{
	local sig pid

	for sig in INT TERM; do
		mkfifo "$CASE_DIR/$sig"
		# A background job ignores SIGINT unless it is told otherwise.
		env --default-signal=INT "${loader[@]}" "$bin/opitool" -j monitor >"$CASE_DIR/$sig" 2>"$CASE_DIR/err" &
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

	mkfifo "$CASE_DIR/fifo"
	"${loader[@]}" "$bin/opitool" -j monitor >"$CASE_DIR/fifo" 2>"$CASE_DIR/err" &
	pid=$!
	exec 5<"$CASE_DIR/fifo"
	read -r -t 20 line <&5 || fail "no first line"
	expect_match line "$line" sync
	# No event comes that it would have to write.
	exec 5<&-
	status 0 wait "$pid"
	expect_no_errors

	# One that is written to nobody.
	# shellcheck disable=SC2016 # for the inner shell
	status 0 sh -c 'trap "" PIPE; "$@" -j monitor | :' sh "${loader[@]}" "$bin/opitool" 2>/dev/null
}

ends_when_output_is_closed()
{
	status 0 real monitor 2>"$CASE_DIR/err" >&-
	expect_no_errors
	# For all else it is an error.
	status 1 real version 2>"$CASE_DIR/err" >&-
	contents "$CASE_DIR/err"
	expect_match err "$REPLY" 'cannot write'
}

full_disk_is_an_error()
{
	status 1 real monitor >/dev/full 2>"$CASE_DIR/err"
	contents "$CASE_DIR/err"
	expect_match err "$REPLY" 'cannot write'
}

run_cases "$@"
