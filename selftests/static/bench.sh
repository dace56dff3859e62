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

# A process is dear on some machines: what is looked at here is read by the shell, and all
# that a case wants of a report is asked at once.

bench() { "$OPI_TOP/bench/run.sh" --no-chart --out "$CASE_DIR/out" "$@" >"$CASE_DIR/table"; }

# Sets text to what a file says, without newlines at its end.
text_of()
{
	IFS= read -r -d '' text <"$1" || :
	while [ "${text%$'\n'}" != "$text" ]; do
		text=${text%$'\n'}
	done
}

# table_says WHAT ERE
table_says()
{
	local text

	text_of "$CASE_DIR/table"
	expect_match "$1" "$text" "$2"
}

# ---- the report --------------------------------------------------------------

# samples: "ROUND PEER KEY VALUE" lines from standard input, as run.sh writes them.
samples()
{
	local round peer key value

	[ -d "$CASE_DIR/out" ] || mkdir "$CASE_DIR/out"
	while read -r round peer key value; do
		printf '{"round":%s,"peer":"%s","row":"%s","key":"%s","value":%s}\n' "$round" "$peer" "$key" "$key" "$value"
	done >"$CASE_DIR/out/samples.jsonl"
	[ -e "$CASE_DIR/out/info.json" ] ||
		echo '{"tree":"t","kernel":"k","qemu":"q","cpu":"c","cpus":2,"vm":{"cpus":1,"mem":1,"cpu":"x"},"busy":false}' \
			>"$CASE_DIR/out/info.json"
	# The root with gnuplot is no part of the tests.
	"$OPI_TOP/bench/report.sh" --no-chart "$CASE_DIR/out" >"$CASE_DIR/table"
}

# info OLD NEW: replace a text in what is said of the run.
info()
{
	local text

	text_of "$CASE_DIR/out/info.json"
	[[ $text == *"$1"* ]] || fail "no $1 in info.json"
	printf '%s\n' "${text/"$1"/"$2"}" >"$CASE_DIR/out/info.json"
}

# reported {WHAT FILTER VALUE}...: what the report says, each as one line.
reported()
{
	local filters='' i got args=("$@")

	for ((i = 1; i < $#; i += 3)); do
		filters+=${filters:+, }"[${args[i]}]"
	done
	got=$(jq -c "$filters" "$CASE_DIR/out/report.json")
	mapfile -t got <<<"$got"
	expect_eq "answers" "${#got[@]}" $(($# / 3))
	for ((i = 0; i < $# / 3; i++)); do
		expect_eq "${args[i * 3]}" "${got[i]}" "[${args[i * 3 + 2]}]"
	done
}

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
	reported "of three" .rows[0].peers.card.median 9 \
		"of four" .rows[0].peers.igb.median 3.5 \
		"range and number" '.rows[0].peers.igb | [.min, .max, .n]' '[1,1000,4]' \
		"rounds" .rounds 3
}

ratios_are_of_the_card_to_each_peer()
{
	samples <<-'S'
	1 card rtt 300
	1 igb rtt 400
	1 virtio-stream rtt 150
	1 virtio-stream tcp1 10
	S
	reported "igb" '.rows[] | select(.key == "rtt").peers.igb.card_ratio' 0.75 \
		"virtio" '.rows[] | select(.key == "rtt").peers["virtio-stream"].card_ratio' 2 \
		"without the card" '.rows[] | select(.key == "tcp1").peers["virtio-stream"].card_ratio' null
	table_says "the table" 'round trip: median +us +300 +150 +400'
}

# all_nics KEY VALUE
all_nics() { printf '1 %s %s %s\n' virtio-stream "$1" "$2" virtio-dgram "$1" "$2" igb "$1" "$2" e1000e "$1" "$2" vhost-user "$1" "$2"; }

# bars {WHAT ROW FACTOR STATE}...
bars()
{
	local args=()

	while [ $# -gt 0 ]; do
		args+=("$1" ".bars[] | select(.row == \"$2\" and .factor == $3 and (.reach | not)) | .state" "\"$4\"")
		shift 4
	done
	reported "${args[@]}"
}

bars_are_met_or_not_met()
{
	{
		all_nics tcp1 100; all_nics udp64 100; all_nics pktgen 100; all_nics rtt 100; all_nics insns_tx 100
		echo '2 igb udp64 300'	# the best counts, by its median: 200
		printf '1 card %s %s\n' tcp1 300 udp64 279 pktgen 150 rtt 100 insns_tx 101
		echo '1 loopback tcp1 500'
	} | samples
	bars "3 x virtio" tcp1 3 met \
		"2 x igb" tcp1 2 met \
		"1.4 x the best" udp64 1.4 "not met" \
		"1.5 x the best" pktgen 1.5 met \
		"no longer" rtt 1 met \
		"no more" insns_tx 1 "not met" \
		"nothing measured" udp64r 1.4 "not measured"
	reported "of the ceiling" '.bars[] | select(.row == "tcp1" and .reach) | .state' '"met"'
}

a_bar_without_all_its_peers_is_open()
{
	{ echo '1 card tcp1 300'; echo '1 igb tcp1 10'; } | samples
	bars "2 x igb and e1000e" tcp1 2 open "3 x virtio" tcp1 3 "not measured"
	table_says "the table" 'open +tcp1 .*: 30 x igb; not measured: e1000e'
}

a_bar_without_peers_is_a_number()
{
	local number='.bars[] | select(.row == "sf") | .state'

	samples <<<'1 card tcp1 1'
	reported "nothing measured" "$number" '"not measured"'
	samples <<<'1 card sf 100'
	reported "just" "$number" '"met"'
	table_says "the table" 'met +sf +at most 100 ms: 100'
	samples <<<$'1 card sf 100.1\n1 netdevsim sf 3'
	reported "not quite" "$number" '"not met"'
}

few_rounds_and_a_busy_machine_are_no_result()
{
	local text five

	printf -v five '%s card tcp1 1\n' 1 2 3 4 5
	samples <<<"${five%$'\n'5*}"
	table_says "four rounds" '^A sample'
	samples <<<"${five%$'\n'}"
	text_of "$CASE_DIR/table"
	[ -n "$text" ]
	! [[ $text =~ sample|RESULT ]] || fail "five rounds: $text"
	info '"busy":false' '"busy":true'
	samples <<<"${five%$'\n'}"
	table_says "a busy machine" '^NOT A RESULT'
}

how_many_functions_is_said()
{
	samples <<<'1 card sfs 2'
	table_says "not known" 'many functions, until all used +s +2'
	info '"busy"' '"sfs":8,"busy"'
	samples <<<'1 card sfs 2'
	table_says "eight" '8 functions, until all used +s +2'
}

# ---- the run -----------------------------------------------------------------

# A testbed that needs no machines: see bench.testbed.
fake()
{
	# It is found idle at once.  And no job is for more processors.
	export BENCH_TESTBED=$OPI_TOP/selftests/static/bench.testbed FAKE=$CASE_DIR/fake BENCH_OTHERS=100000 BENCH_STEAL=100
	export BENCH_LOOK=0 OPI_JOBS=1
	mkdir "$FAKE"
	echo 0 >"$FAKE/starts"
	: >"$FAKE/up"
}

# starts N: there were so many.
starts()
{
	local text

	text_of "$FAKE/starts"
	expect_eq "starts" "$text" "$1"
}

# Sets keys and values to what was taken as a result [of PEER], in order.
taken()
{
	local line

	keys='' values=''
	[ -e "$CASE_DIR/out/samples.jsonl" ] || return 0
	while IFS= read -r line; do
		[[ $line =~ ^\{\"round\":([0-9]+),\"peer\":\"([^\"]+)\",\"row\":\"[^\"]+\",\"key\":\"([^\"]+)\",\"value\":([^,]+), ]] ||
			fail "no sample: $line"
		[ "${1:-${BASH_REMATCH[2]}}" = "${BASH_REMATCH[2]}" ] || continue
		keys+=${keys:+ }${BASH_REMATCH[1]}${BASH_REMATCH[3]}
		values+=${values:+ }${BASH_REMATCH[4]}
	done <"$CASE_DIR/out/samples.jsonl"
}

# expect_values WHAT PEER "VALUE..."
expect_values()
{
	local keys values

	taken "$2"
	expect_eq "$1" "$values" "$3"
}

# expect_retries N ERE: so many, for a reason each that matches.
expect_retries()
{
	local lines line

	mapfile -t lines <"$CASE_DIR/out/retries.jsonl"
	expect_eq "retries" "${#lines[@]}" "$1"
	for line in "${lines[@]}"; do
		expect_match "reason" "$line" "\"why\":\"$2"
	done
}

peers_take_turns()
{
	fake
	bench --rounds 2 --rows tcp1 --peers e1000e,igb
	mapfile -t order <"$FAKE/order"
	expect_eq "starts" "${order[*]}" "igb e1000e igb e1000e"
	expect_values "igb" igb "100 100"
	[ ! -s "$FAKE/up" ]
	[ ! -s "$CASE_DIR/out/retries.jsonl" ]
}

a_crashed_peer_is_a_retry_and_never_a_result()
{
	fake
	# The second machine measures well, and is found dead after that.
	# shellcheck disable=SC2016 # the testbed's
	echo 'mbit=999
	[ ! -e "$FAKE/measured" ] || state=gone
	case "$*" in *iperf3*-c*) : >"$FAKE/measured" ;; esac' >"$FAKE/start-2"
	bench --rounds 2 --rows tcp1 --peers igb
	expect_values "results" igb "100 100"
	starts 3
	expect_retries 1 'host is gone"'
	reported "in the report" '.retries.igb | length' 1
}

a_kernel_that_complains_is_a_retry()
{
	fake
	echo "log='[ 9.1] NETDEV WATCHDOG: eth1: transmit queue 0 timed out'; mbit=999" >"$FAKE/start-1"
	bench --rounds 1 --rows tcp1 --peers igb
	expect_values "results" igb 100
	expect_retries 1 '.*NETDEV WATCHDOG'
}

a_row_that_fails_is_a_retry()
{
	fake
	echo "answer() { echo '{\"error\":\"unable to connect\"}'; exit 1; }" >"$FAKE/start-1"
	bench --rounds 1 --rows tcp1 --peers igb
	expect_values "results" igb 100
	expect_retries 1 '.*unable to connect'
}

what_a_peer_cannot_do_is_said_and_no_failure()
{
	fake
	for i in 1 2 3 4; do
		# shellcheck disable=SC2016 # the testbed's
		echo 'case "$*" in *modprobe*) exit 1 ;; esac' >"$FAKE/start-$i"
	done
	bench --rounds 2 --rows tcp1,sf --peers igb,netdevsim
	expect_values "igb" igb "100 100"
	expect_values "netdevsim" netdevsim ""
	reported "in the report" .cannot '[{"peer":"netdevsim","row":"sf","why":"this kernel has no netdevsim"}]'
	table_says "the table" 'netdevsim, sf: this kernel has no netdevsim'
	[ ! -s "$CASE_DIR/out/retries.jsonl" ]
}

# fake_process [MOVED]: what opi-user and the sides of a function that a process has say,
# every start; of moves, that.
fake_process()
{
	local i says

	fake
	IFS= read -r -d '' says <<-'T' || :
		for last; do :; done
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
			echo "each 5$last us, stopped for 3$last us, 2000 bytes, 1000 of them while stopped"
			;;
		*'mig log'*) echo 'start 9 us: ENOTTY'; exit 1 ;;
		esac
	T
	says=${says/"moved 20 of 20: ok"/"${1:-moved 20 of 20: ok}"}
	for i in 1 2 3; do
		printf '%s' "$says" >"$FAKE/start-$i"
	done
}

a_process_is_a_peer()
{
	local keys values text line kernels=''

	fake_process
	bench --rounds 1 --rows tcp1,pktgen,pktgenr,move,log --peers opi-user,opi-user-debug
	taken
	expect_eq "what was measured" "$keys" "1pktgen 1pktgen_sent 1pktgenr 1pktgenr_sent 1move 1move_stopped 1move_bytes 1move_queues 1move_queues_stopped 1move_queues_bytes 1move_busy 1move_busy_stopped 1move_busy_bytes"
	expect_eq "as what" "$values" "55 77 33 99 51 31 1000 58 38 1000 51 31 1000"
	reported "what was not" '.cannot | map([.peer, .row, .why])' \
		'[["opi-user-debug","log","this kernel has no log of what functions write"]]'
	text_of "$FAKE/asked"
	expect_match "while it gets frames" "$text" 'side pktgen br0 52:54:00:00:00:02 10.99.0.1 5000'
	while read -r line; do
		[[ ! $line =~ \ --kernel\ ([a-z]*) ]] || kernels+=${kernels:+ }${BASH_REMATCH[1]}
	done <<<"$text"
	expect_eq "kernels" "$kernels" "stock debug"
	[ ! -s "$CASE_DIR/out/retries.jsonl" ]
}

a_move_that_does_not_succeed_is_no_result()
{
	fake_process "moved 3 of 20: ETIMEDOUT"
	refused 'nothing was measured' bench --rounds 1 --rows move --peers opi-user
	[ ! -s "$CASE_DIR/out/samples.jsonl" ]
}

what_is_no_number_is_no_result()
{
	fake
	echo "answer() { echo '{\"end\":{}}'; }" >"$FAKE/start-1"
	echo "answer() { :; }" >"$FAKE/start-2"
	bench --rounds 1 --rows tcp1 --peers igb
	expect_values "results" igb 100
	expect_retries 2 ''
}

a_peer_that_never_works_fails_the_run()
{
	fake
	for i in 2 3 4; do
		echo 'state=paused' >"$FAKE/start-$i"
	done
	refused '1 numbers are missing' bench --rounds 1 --rows tcp1 --peers igb,e1000e
	expect_values "igb" igb 100
	expect_values "e1000e" e1000e ""
	expect_retries 3 'host is paused"'
	reported "in the report" .rows[0].peers.e1000e null
}

a_busy_machine_is_not_measured()
{
	fake
	export BENCH_OTHERS=-1 BENCH_IDLE_WAIT=0
	refused 'not idle' bench --rounds 1 --rows tcp1 --peers igb
	[ ! -e "$CASE_DIR/out/samples.jsonl" ]
	[ ! -s "$FAKE/up" ]
	bench --rounds 1 --rows tcp1 --peers igb --busy --fresh
	expect_values "asked for" igb 100
	table_says "said" 'NOT A RESULT'
}

a_run_that_was_interrupted_goes_on()
{
	local keys values

	fake
	bench --rounds 1 --rows tcp1 --peers igb
	bench --rounds 2 --rows tcp1,tcp8 --peers igb
	taken
	expect_eq "keys" "$keys" "1tcp1 1tcp8 2tcp1 2tcp8"
	bench --rounds 2 --rows tcp1,tcp8 --peers igb
	starts 3
}

results_of_another_run_are_not_mixed_in()
{
	local what

	fake
	bench --rounds 1 --rows tcp1 --peers igb
	for what in tree payload; do
		info "\"$what\": \"" "\"$what\": \"other"
		refused 'another tree' bench --rounds 2 --rows tcp1 --peers igb
		bench --rounds 1 --rows tcp1 --peers igb --fresh
	done
	export BENCH_SFS=8
	refused 'another tree' bench --rounds 2 --rows tcp1 --peers igb
	bench --rounds 1 --rows tcp1 --peers igb --fresh
	expect_values "results" igb 100
}

a_run_says_what_was_built()
{
	local build=$OPI_TOP/build text args=()

	fake
	export BENCH_SFS=8
	bench --rounds 1 --rows tcp1 --peers igb
	# Machines that are none need no image.
	if [ -e "$build/image/payload-stock.ext4.key" ]; then
		text_of "$build/image/payload-stock.ext4.key"
		args+=("payload" .info.payload "\"$text\"")
	fi
	if [ -e "$build/qemu/qemu-system-x86_64" ]; then
		read -r text _ < <(sha256sum <"$build/qemu/qemu-system-x86_64")
		args+=("QEMU" .info.qemu_sha256 "\"$text\"")
	fi
	reported "functions" .info.sfs 8 "${args[@]}"
}

wrong_options_are_refused()
{
	fake
	refused "no 'nosuch'" bench --rows nosuch
	refused "no 'vhost-user-iommu'" bench --peers vhost-user-iommu
	refused 'takes a number' bench --rounds 0
	refused 'unknown option' bench --unknown 1
	refused 'usage: report.sh' "$OPI_TOP/bench/report.sh" "$CASE_DIR"
	starts 0
}

run_cases "$@"
