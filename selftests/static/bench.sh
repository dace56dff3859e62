#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# The bench tells the truth: its arithmetic is right, and a number that is not
# certain is no result.  Without virtual machines: a stand-in for qemu/testbed
# answers, and can be told to break.

. "$(dirname -- "$0")/../lib/tap.sh"

CASES="
	medians_are_right
	ratios_are_of_the_card_to_each_peer
	bars_are_met_or_not_met
	a_bar_without_all_its_peers_is_open
	a_bar_without_peers_is_a_number
	few_rounds_and_a_busy_machine_are_no_result
	how_many_functions_is_said
	peers_take_turns
	a_crashed_peer_is_a_retry_and_never_a_result
	a_kernel_that_complains_is_a_retry
	a_row_that_fails_is_a_retry
	what_a_peer_cannot_do_is_said_and_no_failure
	a_process_is_a_peer
	a_move_that_does_not_succeed_is_no_result
	what_is_no_number_is_no_result
	a_peer_that_never_works_fails_the_run
	a_busy_machine_is_not_measured
	a_run_that_was_interrupted_goes_on
	results_of_another_run_are_not_mixed_in
	a_run_says_what_was_built
	wrong_options_are_refused
"

bench() { "$OPI_TOP/bench/run.sh" --no-chart --out "$CASE_DIR/out" "$@" >"$CASE_DIR/table"; }

# ---- the report --------------------------------------------------------------

# samples: "ROUND PEER KEY VALUE" lines from standard input, as run.sh writes them.
samples()
{
	mkdir -p "$CASE_DIR/out"
	jq -Rc 'split(" ") | {round: (.[0] | tonumber), peer: .[1], row: .[2], key: .[2], value: (.[3] | tonumber)}' \
		>"$CASE_DIR/out/samples.jsonl"
	[ -e "$CASE_DIR/out/info.json" ] ||
		echo '{"tree":"t","kernel":"k","qemu":"q","cpu":"c","cpus":2,"vm":{"cpus":1,"mem":1,"cpu":"x"},"busy":false}' \
			>"$CASE_DIR/out/info.json"
	# The root with gnuplot is no part of the tests.
	"$OPI_TOP/bench/report.sh" --no-chart "$CASE_DIR/out" >"$CASE_DIR/table"
}

of() { jq -c "$1" "$CASE_DIR/out/report.json"; }

medians_are_right()
{
	samples <<-'S'
	1 card tcp1 100
	2 card tcp1 7
	3 card tcp1 9
	1 igb tcp1 4
	2 igb tcp1 1
	3 igb tcp1 3
	4 igb tcp1 1000
	S
	expect_eq "of three" "$(of '.rows[0].peers.card.median')" 9
	expect_eq "of four" "$(of '.rows[0].peers.igb.median')" 3.5
	expect_eq "range and number" "$(of '.rows[0].peers.igb | [.min, .max, .n]')" '[1,1000,4]'
	expect_eq "rounds" "$(of .rounds)" 3
}

ratios_are_of_the_card_to_each_peer()
{
	samples <<-'S'
	1 card rtt 300
	1 igb rtt 400
	1 virtio-stream rtt 150
	1 virtio-stream tcp1 10
	S
	expect_eq "igb" "$(of '.rows[] | select(.key == "rtt").peers.igb.card_ratio')" 0.75
	expect_eq "virtio" "$(of '.rows[] | select(.key == "rtt").peers["virtio-stream"].card_ratio')" 2
	expect_eq "without the card" "$(of '.rows[] | select(.key == "tcp1").peers["virtio-stream"].card_ratio')" null
	expect_match "the table" "$(cat "$CASE_DIR/table")" 'round trip: median +us +300 +150 +400'
}

# all_nics KEY VALUE
all_nics() { printf '1 %s %s %s\n' virtio-stream "$1" "$2" virtio-dgram "$1" "$2" igb "$1" "$2" e1000e "$1" "$2" vhost-user "$1" "$2"; }

bar() { of ".bars[] | select(.row == \"$1\" and .factor == $2 and (.reach | not)) | .state"; }

bars_are_met_or_not_met()
{
	{
		all_nics tcp1 100; all_nics udp64 100; all_nics pktgen 100; all_nics rtt 100; all_nics insns_tx 100
		echo '2 igb udp64 300'	# the best counts, by its median: 200
		printf '1 card %s %s\n' tcp1 300 udp64 279 pktgen 150 rtt 100 insns_tx 101
		echo '1 loopback tcp1 500'
	} | samples
	expect_eq "3 x virtio" "$(bar tcp1 3)" '"met"'
	expect_eq "2 x igb" "$(bar tcp1 2)" '"met"'
	expect_eq "1.4 x the best" "$(bar udp64 1.4)" '"not met"'
	expect_eq "1.5 x the best" "$(bar pktgen 1.5)" '"met"'
	expect_eq "no longer" "$(bar rtt 1)" '"met"'
	expect_eq "no more" "$(bar insns_tx 1)" '"not met"'
	expect_eq "of the ceiling" "$(of '.bars[] | select(.row == "tcp1" and .reach) | .state')" '"met"'
	expect_eq "nothing measured" "$(bar udp64r 1.4)" '"not measured"'
}

a_bar_without_all_its_peers_is_open()
{
	{ echo '1 card tcp1 300'; echo '1 igb tcp1 10'; } | samples
	expect_eq "2 x igb and e1000e" "$(bar tcp1 2)" '"open"'
	expect_match "the table" "$(cat "$CASE_DIR/table")" 'open +tcp1 .*: 30 x igb; not measured: e1000e'
	expect_eq "3 x virtio" "$(bar tcp1 3)" '"not measured"'
}

a_bar_without_peers_is_a_number()
{
	number() { of '.bars[] | select(.row == "sf") | .state'; }
	echo '1 card tcp1 1' | samples
	expect_eq "nothing measured" "$(number)" '"not measured"'
	echo '1 card sf 100' | samples
	expect_eq "just" "$(number)" '"met"'
	expect_match "the table" "$(cat "$CASE_DIR/table")" 'met +sf +at most 100 ms: 100'
	{ echo '1 card sf 100.1'; echo '1 netdevsim sf 3'; } | samples
	expect_eq "not quite" "$(number)" '"not met"'
}

few_rounds_and_a_busy_machine_are_no_result()
{
	for i in 1 2 3 4; do echo "$i card tcp1 1"; done | samples
	expect_match "four rounds" "$(cat "$CASE_DIR/table")" '^A sample'
	for i in 1 2 3 4 5; do echo "$i card tcp1 1"; done | samples
	refused '^$' grep -E 'sample|RESULT' "$CASE_DIR/table"
	sed -i 's/"busy":false/"busy":true/' "$CASE_DIR/out/info.json"
	for i in 1 2 3 4 5; do echo "$i card tcp1 1"; done | samples
	expect_match "a busy machine" "$(cat "$CASE_DIR/table")" '^NOT A RESULT'
}

how_many_functions_is_said()
{
	echo '1 card sfs 2' | samples
	expect_match "not known" "$(cat "$CASE_DIR/table")" 'many functions, until all used +s +2'
	sed -i 's/"busy"/"sfs":8,&/' "$CASE_DIR/out/info.json"
	echo '1 card sfs 2' | samples
	expect_match "eight" "$(cat "$CASE_DIR/table")" '8 functions, until all used +s +2'
}

# ---- the run -----------------------------------------------------------------

# A testbed that needs no machines.  What happens at the Nth start of all is the file
# "start-N" in its directory: a shell script, sourced with each command after it.
# The command's own name in a guest is $3 and what follows.
fake()
{
	export BENCH_TESTBED=$CASE_DIR/testbed FAKE=$CASE_DIR/fake BENCH_OTHERS=100000 BENCH_STEAL=100
	mkdir -p "$FAKE"
	echo 0 >"$FAKE/starts"
	cat >"$BENCH_TESTBED" <<-'T'
	#!/bin/bash
	shift 2
	log='' state=running mbit=100
	answer() { printf '{"end":{"sum_received":{"bits_per_second":%s}}}\n' "${mbit}000000"; }
	n=$(cat "$FAKE/starts")
	if [ "$1" = up ]; then
		echo $((n + 1)) >"$FAKE/starts"
		case "$*" in
		*igb*) echo igb ;;
		*e1000e*) echo e1000e ;;
		*) echo other ;;
		esac >>"$FAKE/order"
		touch "$FAKE/up"
		n=$((n + 1))
	fi
	[ ! -e "$FAKE/start-$n" ] || . "$FAKE/start-$n"
	case "$*" in
	down) rm -f "$FAKE/up" ;;
	'status -j')
		[ -e "$FAKE/up" ] || { echo '{"vms":[]}'; exit 1; }
		printf '{"vms":[{"name":"host","state":"%s","pid":%s},{"name":"dpu","state":"running","pid":%s}]}\n' $state $$ $$
		;;
	logs) echo "$log" ;;
	*'/side up'*) echo eth1 52:54:00:00:00:00 ;;
	*iperf3*) answer ;;
	esac
	T
	chmod +x "$BENCH_TESTBED"
}

# values PEER: what was taken as a result, in order.
values() { jq -r --arg p "$1" 'select(.peer == $p) | .value' "$CASE_DIR/out/samples.jsonl" | paste -sd' '; }
retries() { jq -r '.why' "$CASE_DIR/out/retries.jsonl"; }

peers_take_turns()
{
	fake
	bench --rounds 2 --rows tcp1 --peers e1000e,igb
	expect_eq "starts" "$(paste -sd' ' "$FAKE/order")" "igb e1000e igb e1000e"
	expect_eq "igb" "$(values igb)" "100 100"
	[ ! -e "$FAKE/up" ]
	[ ! -s "$CASE_DIR/out/retries.jsonl" ]
}

a_crashed_peer_is_a_retry_and_never_a_result()
{
	fake
	# The second machine measures well, and is found dead after that.
	cat >"$FAKE/start-2" <<-'T'
	mbit=999
	[ ! -e "$FAKE/measured" ] || state=gone
	case "$*" in *iperf3*-c*) touch "$FAKE/measured" ;; esac
	T
	bench --rounds 2 --rows tcp1 --peers igb
	expect_eq "results" "$(values igb)" "100 100"
	expect_eq "starts" "$(cat "$FAKE/starts")" 3
	expect_eq "reason" "$(retries)" "host is gone"
	expect_eq "in the report" "$(of '.retries.igb | length')" 1
}

a_kernel_that_complains_is_a_retry()
{
	fake
	echo "log='[ 9.1] NETDEV WATCHDOG: eth1: transmit queue 0 timed out'; mbit=999" >"$FAKE/start-1"
	bench --rounds 1 --rows tcp1 --peers igb
	expect_eq "results" "$(values igb)" 100
	expect_match "reason" "$(retries)" 'NETDEV WATCHDOG'
}

a_row_that_fails_is_a_retry()
{
	fake
	cat >"$FAKE/start-1" <<-'T'
	answer() { echo '{"error":"unable to connect"}'; exit 1; }
	T
	bench --rounds 1 --rows tcp1 --peers igb
	expect_eq "results" "$(values igb)" 100
	expect_match "reason" "$(retries)" 'unable to connect'
}

what_a_peer_cannot_do_is_said_and_no_failure()
{
	fake
	echo 'case "$*" in *modprobe*) exit 1 ;; esac' >"$FAKE/start-1"
	for i in 2 3 4; do cp "$FAKE/start-1" "$FAKE/start-$i"; done
	bench --rounds 2 --rows tcp1,sf --peers igb,netdevsim
	expect_eq "igb" "$(values igb)" "100 100"
	expect_eq "netdevsim" "$(values netdevsim)" ""
	expect_eq "in the report" "$(of .cannot)" '[{"peer":"netdevsim","row":"sf","why":"this kernel has no netdevsim"}]'
	expect_match "the table" "$(cat "$CASE_DIR/table")" 'netdevsim, sf: this kernel has no netdevsim'
	[ ! -s "$CASE_DIR/out/retries.jsonl" ]
}

# What opi-user and the sides of a function that a process has say.  Every start.
fake_process()
{
	local i

	fake
	for i in 1 2 3; do
		cat >"$FAKE/start-$i" <<-'T'
		printf '%s\n' "$*" >>"$FAKE/asked"
		case "$*" in
		*'/side ports'*) echo rep0 52:54:00:00:00:01 ;;
		*'/side give'*) echo 0000:01:00.1 52:54:00:00:00:02 0000:01:00.2 ;;
		*'/side rate'*) echo 55 ;;
		*'/side pktgen'*) printf '%s\n' sending 99 ;;
		*'opi-user 0000:01:00.1 info') echo 'queue pairs 8' ;;
		*'opi-user 0000:01:00.1 send 52:54:00:00:00:01'*) printf '%s\n' ready 'sent 308 frames in 4000 ms: 77/s' ;;
		*'opi-user 0000:01:00.1 recv'*) printf '%s\n' ready 'received 132 frames in 4001 ms: 33/s' ;;
		*'opi-user 0000:01:00.1 mig move 0000:01:00.2 '*)
			echo "moved 20 of 20: ok"
			echo "each 5${*: -1} us, stopped for 3${*: -1} us, 2000 bytes, 1000 of them while stopped"
			;;
		*'mig log'*) echo 'start 9 us: ENOTTY'; exit 1 ;;
		esac
		T
	done
}

a_process_is_a_peer()
{
	fake_process
	bench --rounds 1 --rows tcp1,pktgen,pktgenr,move,log --peers opi-user,opi-user-debug
	expect_eq "what was measured" "$(jq -r '"\(.key)=\(.value)"' "$CASE_DIR/out/samples.jsonl" | paste -sd' ')" \
		"pktgen=55 pktgen_sent=77 pktgenr=33 pktgenr_sent=99 move=51 move_stopped=31 move_bytes=1000 move_queues=58 move_queues_stopped=38 move_queues_bytes=1000 move_busy=51 move_busy_stopped=31 move_busy_bytes=1000"
	expect_eq "what was not" "$(of '.cannot | map([.peer, .row, .why])')" \
		'[["opi-user-debug","log","this kernel has no log of what functions write"]]'
	expect_match "while it gets frames" "$(cat "$FAKE/asked")" 'side pktgen br0 52:54:00:00:00:02 10.99.0.1 5000'
	expect_match "kernels" "$(grep ' --kernel ' "$FAKE/asked" | sed 's/.*--kernel \([a-z]*\).*/\1/' | paste -sd' ')" '^stock debug$'
	[ ! -s "$CASE_DIR/out/retries.jsonl" ]
}

a_move_that_does_not_succeed_is_no_result()
{
	fake_process
	sed -i 's/moved 20 of 20: ok/moved 3 of 20: ETIMEDOUT/' "$FAKE"/start-*
	refused 'nothing was measured' bench --rounds 1 --rows move --peers opi-user
	[ ! -s "$CASE_DIR/out/samples.jsonl" ]
}

what_is_no_number_is_no_result()
{
	fake
	echo "answer() { echo '{\"end\":{}}'; }" >"$FAKE/start-1"
	echo "answer() { :; }" >"$FAKE/start-2"
	bench --rounds 1 --rows tcp1 --peers igb
	expect_eq "results" "$(values igb)" 100
	expect_eq "retries" "$(retries | wc -l)" 2
}

a_peer_that_never_works_fails_the_run()
{
	fake
	for i in 2 3 4; do
		echo 'state=paused' >"$FAKE/start-$i"
	done
	refused '1 numbers are missing' bench --rounds 1 --rows tcp1 --peers igb,e1000e
	expect_eq "igb" "$(values igb)" 100
	expect_eq "e1000e" "$(values e1000e)" ""
	expect_eq "tries" "$(retries | grep -c 'host is paused')" 3
	expect_eq "in the report" "$(of '.rows[0].peers.e1000e')" null
}

a_busy_machine_is_not_measured()
{
	fake
	export BENCH_OTHERS=-1 BENCH_IDLE_WAIT=0
	refused 'not idle' bench --rounds 1 --rows tcp1 --peers igb
	[ ! -e "$CASE_DIR/out/samples.jsonl" ]
	[ ! -e "$FAKE/up" ]
	bench --rounds 1 --rows tcp1 --peers igb --busy --fresh
	expect_eq "asked for" "$(values igb)" 100
	expect_match "said" "$(cat "$CASE_DIR/table")" 'NOT A RESULT'
}

a_run_that_was_interrupted_goes_on()
{
	fake
	bench --rounds 1 --rows tcp1 --peers igb
	bench --rounds 2 --rows tcp1,tcp8 --peers igb
	expect_eq "keys" "$(jq -r '"\(.round)\(.key)"' "$CASE_DIR/out/samples.jsonl" | paste -sd' ')" \
		"1tcp1 1tcp8 2tcp1 2tcp8"
	bench --rounds 2 --rows tcp1,tcp8 --peers igb
	expect_eq "starts" "$(cat "$FAKE/starts")" 3
}

results_of_another_run_are_not_mixed_in()
{
	fake
	bench --rounds 1 --rows tcp1 --peers igb
	sed -i 's/"tree": *"/&other/' "$CASE_DIR/out/info.json"
	refused 'another tree' bench --rounds 2 --rows tcp1 --peers igb
	bench --rounds 1 --rows tcp1 --peers igb --fresh
	sed -i 's/"payload": *"/&other/' "$CASE_DIR/out/info.json"
	refused 'another tree' bench --rounds 2 --rows tcp1 --peers igb
	bench --rounds 1 --rows tcp1 --peers igb --fresh
	export BENCH_SFS=8
	refused 'another tree' bench --rounds 2 --rows tcp1 --peers igb
	bench --rounds 1 --rows tcp1 --peers igb --fresh
	expect_eq "results" "$(values igb)" 100
}

a_run_says_what_was_built()
{
	local build=$OPI_TOP/build

	fake
	export BENCH_SFS=8
	bench --rounds 1 --rows tcp1 --peers igb
	expect_eq "functions" "$(of .info.sfs)" 8
	# Machines that are none need no image.
	[ ! -e "$build/image/payload-stock.ext4.key" ] ||
		expect_eq "payload" "$(jq -r .info.payload "$CASE_DIR/out/report.json")" "$(cat "$build/image/payload-stock.ext4.key")"
	[ ! -e "$build/qemu/qemu-system-x86_64" ] ||
		expect_eq "QEMU" "$(jq -r .info.qemu_sha256 "$CASE_DIR/out/report.json")" "$(sha256sum <"$build/qemu/qemu-system-x86_64" | cut -d' ' -f1)"
}

wrong_options_are_refused()
{
	fake
	refused "no 'nosuch'" bench --rows nosuch
	refused "no 'vhost-user-iommu'" bench --peers vhost-user-iommu
	refused 'takes a number' bench --rounds 0
	refused 'unknown option' bench --unknown 1
	refused 'usage: report.sh' "$OPI_TOP/bench/report.sh" "$CASE_DIR"
	expect_eq "starts" "$(cat "$FAKE/starts")" 0
}

run_cases "$@"
