#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 600
# debug: none
#
# qemu/testbed keeps its promises to the scripts that rely on it: arguments,
# streams and statuses pass exactly, beds do not touch each other, and nothing
# stays behind.  What the power verbs do is vm/power's.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"

# It is the program that is tested.
on() { tb "$@"; }
on_for() { timeout "$(secs "$1")" "$OPI_TOP/qemu/testbed" --name "$OPI_BED" "${@:2}" </dev/null; }

OPI_BED=tb$$
second=tb$$b

CASES="
	usage_errors_are_refused
	an_up_that_fails_leaves_nothing
	an_up_that_is_killed_leaves_nothing
	up_and_status
	a_second_up_is_refused
	a_demo_leaves_a_bed_alone_that_it_did_not_boot
	arguments_pass_exactly
	standard_streams_pass_exactly
	exit_statuses_pass_exactly
	commands_at_the_same_time
	cp_copies_there_and_back
	console_talks_to_the_guest
	logs_show_the_console
	stop_and_cont
	a_crash_of_a_guest_is_seen
	two_beds_side_by_side
	down_leaves_nothing
	the_full_system_comes_up
	down_of_nothing_is_no_error
"

end_beds()
{
	OPI_BED=$second tb down
	tb down
}
trap end_beds EXIT

# Processes of a bed; their command lines have its name.  (The brackets keep
# what looks for it from finding itself.)
processes() { pgrep -fa -- "[-]name opi-$1-|[o]pi-testbed-$1/" || :; }
no_processes() { [ -z "$(processes "$1")" ]; }
has_process() { pgrep -f -- "[-]name opi-$1" >/dev/null; }

no_files() { [ -z "$(find "${OPI_STATE:-${XDG_RUNTIME_DIR:-/tmp}}" -maxdepth 1 -name "opi-testbed-$1")" ]; }

# What removes the files does so when the processes are gone.
nothing_left()
{
	wait_for 20 no_processes "$1"
	wait_for 20 no_files "$1"
}

usage_errors_are_refused()
{
	refused 'usage' tb
	refused 'unknown verb' tb nosuch
	refused 'no test bed' tb host true
	refused 'unknown|takes' tb up --nosuch 1
	refused 'one of' tb up --kernel nosuch
	refused 'number' tb up --cards 0
	refused 'number' tb up --smp x
	refused 'bad name' "$OPI_TOP/qemu/testbed" --name ../x status
	refused 'down' tb status
	tb help | grep -q '^usage: testbed'
}

an_up_that_fails_leaves_nothing()
{
	refused 'did not start|not a valid|invalid option' tb up --dpu-arg -nosuchoption
	nothing_left "$OPI_BED"
}

an_up_that_is_killed_leaves_nothing()
{
	local sig pid

	for sig in INT TERM KILL; do
		# In its own process group with default signals, as from a terminal.
		env --default-signal=INT setsid "$OPI_TOP/qemu/testbed" --name "$OPI_BED" up >"$CASE_DIR/up" 2>&1 &
		pid=$!
		wait_for 20 has_process "$OPI_BED-dpu"
		# Not the builtin, which takes the group of a job for that of the shell.
		env kill -"$sig" -- "-$pid"
		nothing_left "$OPI_BED"
	done
}

up_and_status()
{
	local json

	OPI_BOOT_TIMEOUT=$(secs 120) tb up --kernel "$OPI_KERNEL"
	json=$(tb status -j)
	expect_eq "status" "$(jq -c '[.up, .kernel, .cards, [.vms[] | [.name, .state, .ready]]]' <<<"$json")" \
		"[true,\"$OPI_KERNEL\",1,[[\"host\",\"running\",true],[\"dpu\",\"running\",true]]]"
	tb status | grep -q 'host.*running.*answers'
}

a_second_up_is_refused() { refused 'is up already' tb up; tb host true; tb dpu true; }

a_demo_leaves_a_bed_alone_that_it_did_not_boot()
{
	refused 'is up already' "$OPI_TOP/selftests/demo.sh"
	host true
	dpu true
}

arguments_pass_exactly()
{
	local args=( 'two words' '' "it's" '"quoted"' '$HOME `id` $(id)' 'back\slash\n' '*' '~' '-n' '--'
		$'line\nbreak' $'tab\there' 'a;b&c|d>e<f' '!x' '#y' 'äöü€' $'\001\177' '{a,b}' '[x]' '=' ' ' '%s' )
	local vm

	printf '%s\0' "${args[@]}" >"$CASE_DIR/want"
	for vm in host dpu; do
		on "$vm" printf '%s\0' "${args[@]}" >"$CASE_DIR/got"
		cmp "$CASE_DIR/want" "$CASE_DIR/got"
	done
	expect_eq "words" "$(host sh -c 'echo "$# $0 $1 $2"' zero 'a  b' 'c')" '2 zero a  b c'
	refused 'host what' tb host
}

standard_streams_pass_exactly()
{
	local vm

	head -c 3000000 /dev/urandom >"$CASE_DIR/in"
	for vm in host dpu; do
		on "$vm" cat <"$CASE_DIR/in" >"$CASE_DIR/out" 2>"$CASE_DIR/err"
		cmp "$CASE_DIR/in" "$CASE_DIR/out"
		[ ! -s "$CASE_DIR/err" ]
		on "$vm" sh -c 'echo out; echo err >&2' >"$CASE_DIR/out" 2>"$CASE_DIR/err"
		expect_eq "output" "$(cat "$CASE_DIR/out")" out
		expect_eq "errors" "$(cat "$CASE_DIR/err")" err
		# End of file arrives.
		expect_eq "empty input" "$(on "$vm" wc -c </dev/null)" 0
		# No terminal is made up.
		refused '^$' on "$vm" test -t 1
	done
}

exit_statuses_pass_exactly()
{
	local vm status rc

	for vm in host dpu; do
		for status in 0 1 2 42 100 126 127 254 255; do
			rc=0
			on "$vm" sh -c "exit $status" </dev/null || rc=$?
			expect_eq "status" "$rc" "$status"
		done
		rc=0
		on "$vm" no-such-command </dev/null 2>/dev/null || rc=$?
		expect_eq "status of no command" "$rc" 127
		rc=0
		on "$vm" sh -c 'kill -TERM $$' </dev/null || rc=$?
		expect_eq "status of a killed command" "$rc" 143
	done
}

commands_at_the_same_time()
{
	local i pids=()

	for i in $(seq 20); do
		host sh -c "sleep 1; echo $i" </dev/null >"$CASE_DIR/o$i" &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i"
	done
	for i in $(seq 20); do
		expect_eq "output" "$(cat "$CASE_DIR/o$i")" "$i"
	done
}

cp_copies_there_and_back()
{
	mkdir -p "$CASE_DIR/src/sub dir"
	head -c 500000 /dev/urandom >"$CASE_DIR/src/sub dir/a file"
	echo x >"$CASE_DIR/src/run"
	chmod 755 "$CASE_DIR/src/run"
	tb cp "$CASE_DIR/src" host:/tmp/
	tb cp host:/tmp/src dpu:/tmp/
	tb cp dpu:/tmp/src "$CASE_DIR/back"
	diff -r "$CASE_DIR/src" "$CASE_DIR/back"
	[ -x "$CASE_DIR/back/run" ]
	refused 'No such file' tb cp host:/tmp/nosuch "$CASE_DIR/"
	refused 'SRC' tb cp onlyone
}

console_talks_to_the_guest()
{
	# The console logs in root; what is typed is run.
	# shellcheck disable=SC2094 # the answer ends it
	{
		for _ in $(seq "$(secs 20)"); do
			printf 'echo con-$((6*7))\r'
			sleep 1
			! grep -aq con-42 "$CASE_DIR/con" || break
		done
	} | timeout "$(secs 30)" "$OPI_TOP/qemu/testbed" --name "$OPI_BED" console dpu >"$CASE_DIR/con" || :
	grep -a con-42 "$CASE_DIR/con"
}

logs_show_the_console()
{
	host_sh 'echo "<2>marker-host-$((6 * 7))" >/dev/kmsg'
	wait_for 10 bash -c "'$OPI_TOP/qemu/testbed' --name '$OPI_BED' logs host | grep -a marker-host-42"
	tb logs dpu >"$CASE_DIR/dpu"
	refused '^$' grep -a marker-host "$CASE_DIR/dpu"
	grep -aq 'opi: ready' "$CASE_DIR/dpu"
}

stop_and_cont()
{
	local vm

	for vm in host dpu; do
		on_sh "$vm" 'echo kept >/tmp/kept'
		tb stop "$vm"
		expect_eq "state" "$(vm_state "$vm")" paused
		rc=0
		timeout 3 "$OPI_TOP/qemu/testbed" --name "$OPI_BED" "$vm" true </dev/null 2>/dev/null || rc=$?
		expect_eq "a command on a paused machine" "$rc" 124
		tb cont "$vm"
		expect_eq "state" "$(vm_state "$vm")" running
		expect_eq "memory" "$(on "$vm" cat /tmp/kept)" kept
	done
}

a_crash_of_a_guest_is_seen()
{
	host sh -c '(sleep 1; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &' </dev/null
	wait_for 20 bash -c "'$OPI_TOP/qemu/testbed' --name '$OPI_BED' status -j |
		jq -e '.vms[] | select(.name == \"host\") | .state == \"guest-panicked\"'"
	tb logs host | grep -aq 'Kernel panic'
	tb reset host
	tb host true </dev/null
}

two_beds_side_by_side()
{
	local ids

	host_sh 'echo first >/tmp/who'
	OPI_BOOT_TIMEOUT=$(secs 120) OPI_BED=$second tb up --kernel "$OPI_KERNEL"
	OPI_BED=$second host_sh 'echo second >/tmp/who'
	expect_eq "first" "$(host cat /tmp/who)" first
	expect_eq "second" "$(OPI_BED=$second host cat /tmp/who)" second
	ids=$(boot_id host; boot_id dpu; OPI_BED=$second boot_id host; OPI_BED=$second boot_id dpu)
	expect_eq "machines" "$(sort -u <<<"$ids" | wc -l)" 4
	OPI_BED=$second tb kill dpu
	dpu true </dev/null
	OPI_BED=$second tb down
	nothing_left "$second"
	host true </dev/null
	dpu true </dev/null
}

down_leaves_nothing()
{
	tb down
	nothing_left "$OPI_BED"
}

# Among failed units those of ours: a busy machine may fail another.
the_full_system_comes_up()
{
	local vm

	OPI_BOOT_TIMEOUT=$(secs 360) tb up --kernel "$OPI_KERNEL" --init systemd
	for vm in host dpu; do
		expect_eq "process 1 of $vm" "$(on "$vm" cat /proc/1/comm)" systemd
		expect_match "state of $vm" "$(on_for 120 "$vm" systemctl is-system-running --wait || :)" '^(running|degraded)$'
		on "$vm" systemctl --failed --no-legend --plain >"$CASE_DIR/failed"
		refused '^$' grep -E '^(opi-|ssh|serial-getty@|systemd-(networkd|udevd|udev-trigger)\.)' "$CASE_DIR/failed"
		on_sh "$vm" 'ls -d /sys/bus/pci/drivers/opi_core/0000:*'
		expect_match "card of $vm" "$(on "$vm" opitool dpu show)" 'driver opi_core'
	done
	tb down
	nothing_left "$OPI_BED"
}

down_of_nothing_is_no_error() { tb down; refused 'no test bed' tb host true; }

run_cases "$@"
