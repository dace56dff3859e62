#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh counts what happened and nothing else: tests made for the purpose
# pass, fail, crash, hang and say nothing.

. "$(dirname -- "$0")/../lib/tap.sh"

CASES="
	a_passing_test_counts_its_cases
	a_failing_case_fails_the_run
	a_crash_counts_as_a_failure
	a_case_that_never_reports_counts_as_a_failure
	a_test_that_hangs_is_ended_and_its_clean_up_runs
	a_case_that_hangs_leaves_time_for_the_others
	short_cases_do_not_run_what_is_for_the_end_of_the_test
	a_test_without_cases_counts_as_one
	a_skip_is_shown
	nothing_run_is_a_failure
	one_case_can_be_chosen
	what_a_case_prints_is_no_result
	a_failure_shows_what_the_test_said
	a_check_leaves_out_what_is_for_check_full
	a_check_runs_what_failed_again_alone
	a_check_does_not_run_again_what_is_no_accident
	a_soak_goes_on_where_it_stopped
	a_soak_runs_what_is_longer_in_it
	what_has_a_count_is_soaked
	the_debug_kernel_runs_what_its_line_says
	each_case_of_a_line_exists
	a_failing_command_ends_a_case
	a_measurement_that_fails_is_made_again
	what_a_test_says_may_be_long
	a_chain_that_ended_early_fails_a_check
	two_runs_do_not_share_their_logs
	a_run_takes_no_bed_down_that_it_did_not_boot
"

# A directory of tests and a run.sh that uses it.
before_case()
{
	tests=$CASE_DIR/tests
	mkdir -p "$tests"/{static,vm,bed} "$CASE_DIR/base"
	scale=
}

run()
{
	env -u OPI_SCALE -u OPI_SEED ${scale:+"OPI_SCALE=$scale"} OPI_TESTS_DIR="$tests" OPI_LOGS_DIR="$CASE_DIR/logs" \
		OPI_BASE_DIR="$CASE_DIR/base" "$OPI_TOP/selftests/run.sh" "$@"
}

# make_test NAME: the body from standard input.
make_test()
{
	{ echo '#!/bin/bash'; cat; } >"$tests/static/$1.sh"
	chmod +x "$tests/static/$1.sh"
}

# A test with the library, its cases in the body, behind the lines that run.sh reads.
make_cases()
{
	local line='' words=''

	while IFS= read -r line && [[ $line = '#'* ]]; do
		words+=$line$'\n'
	done
	{ printf '%s' "$words. '$OPI_TOP/selftests/lib/tap.sh'"$'\n'"$line"$'\n'; cat; } | make_test "$1"
}

# result STATUS LINE ARG...: what run.sh ends in.
result()
{
	local status=$1 line=$2 out rc=0
	shift 2

	out=$(run "$@" 2>&1) || rc=$?
	printf '%s\n' "$out" >"$CASE_DIR/out"
	cat "$CASE_DIR/out"
	expect_eq "exit status" "$rc" "$status"
	expect_eq "last line" "$(tail -n 1 "$CASE_DIR/out")" "$line"
}

a_passing_test_counts_its_cases()
{
	make_cases t <<-'T'
	CASES="a b c"
	a() { true; }; b() { true; }; c() { true; }
	run_cases "$@"
	T
	result 0 '3 passed, 0 failed' t
}

a_failing_case_fails_the_run()
{
	make_cases t <<-'T'
	CASES="a b"
	a() { true; }; b() { false; }
	run_cases "$@"
	T
	result 1 '1 passed, 1 failed' t
}

a_crash_counts_as_a_failure()
{
	make_cases t <<-'T'
	echo TAP version 13; echo 1..2; echo ok 1 a; kill -SEGV $$
	T
	result 1 '1 passed, 1 failed' t
}

a_case_that_never_reports_counts_as_a_failure()
{
	make_cases t <<-'T'
	ktap_set_plan 3; ktap_test_pass a; ktap_test_pass b; ktap_finished
	T
	result 1 '2 passed, 1 failed' t
}

a_test_that_hangs_is_ended_and_its_clean_up_runs()
{
	make_cases t <<-T
	# timeout: 2
	CASES="a b"
	a() { true; }
	b() { defer touch "$CASE_DIR/cleaned"; sleep 100; }
	run_cases "\$@"
	T
	result 1 '1 passed, 1 failed' t
	[ -e "$CASE_DIR/cleaned" ]
}

# It says what hung, too.
a_case_that_hangs_leaves_time_for_the_others()
{
	make_cases t <<-T
	# timeout: 12
	CASES="a b"
	a() { defer touch "$CASE_DIR/cleaned"; sleep 98.7; }
	b() { true; }
	run_cases "\$@"
	T
	result 1 '1 passed, 1 failed' t
	[ -e "$CASE_DIR/cleaned" ]
	grep -q 'sleep 98\.7' "$CASE_DIR/out"
	grep -q 'ended after [0-9]* s' "$CASE_DIR/out"
}

# What watches a case is ended with it, and may not have become a program yet.  One
# processor for several makes that likely.
short_cases_do_not_run_what_is_for_the_end_of_the_test()
{
	local i pids=()

	make_cases t <<-'T'
	mark=$(mktemp)
	trap 'rm -f "$mark"' EXIT
	CASES=$(printf 'c%d ' $(seq 100))
	for c in $CASES; do eval "$c() { [ -e $mark ]; }"; done
	run_cases "$@"
	T
	for i in 1 2 3 4 5 6; do
		taskset -c 0 bash "$tests/static/t.sh" >"$CASE_DIR/out.$i" 2>&1 &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i"
	done
	for i in 1 2 3 4 5 6; do
		expect_eq "cases" "$(grep -c '^ok ' "$CASE_DIR/out.$i")" 100
	done
}

a_test_without_cases_counts_as_one()
{
	make_test t <<<true
	make_test f <<<false
	result 1 '1 passed, 1 failed' t f
}

a_skip_is_shown()
{
	make_test t <<<'exit 4'
	make_test u <<<true
	result 0 '1 passed, 0 failed, 1 skipped' t u
}

nothing_run_is_a_failure()
{
	make_test t <<<'exit 4'
	result 1 '0 passed, 0 failed, 1 skipped' t
	refused "no test 'nosuch'" run nosuch
	refused 'Run the tests' run
}

one_case_can_be_chosen()
{
	make_cases t <<-'T'
	CASES="a b c"
	a() { true; }; b() { false; }; c() { true; }
	run_cases "$@"
	T
	result 0 '2 passed, 0 failed' t:a,c
	result 1 '0 passed, 1 failed' static/t:nosuch
}

what_a_case_prints_is_no_result()
{
	make_cases t <<-'T'
	CASES="a"
	a() { echo ok 1 x; echo not ok 2 y; echo '# ok 3 z'; }
	run_cases "$@"
	T
	result 0 '1 passed, 0 failed' t
}

a_failure_shows_what_the_test_said()
{
	make_cases t <<-'T'
	CASES="a b"
	a() { echo silent-$((6 * 7)); }
	b() { echo loud-$((6 * 7)); return 1; }
	run_cases "$@"
	T
	result 1 '1 passed, 1 failed' t
	grep -q loud-42 "$CASE_DIR/out"
	refused '^$' grep -q silent-42 "$CASE_DIR/out"
	grep -q silent-42 "$CASE_DIR"/logs/selected/*.tap
}

a_check_leaves_out_what_is_for_check_full()
{
	make_test short < <(echo true)
	make_test long < <(printf '# tier: check-full\ntrue\n')
	result 0 '1 passed, 0 failed' -k stock check
	result 0 '2 passed, 0 failed' -k stock check-full
	result 0 '1 passed, 0 failed' -k stock long
}

# make_accident NAME: a test whose case "b" passes when it is run a second time.
make_accident()
{
	# As tests have them, with tabs.
	make_cases "$1" <<-T
	CASES="
	$(printf '\t%s\n' a b c)
	"
	a() { echo a >>'$CASE_DIR/$1.did'; }
	b() { echo b >>'$CASE_DIR/$1.did'; echo loud-\$((6 * 7)); [ \$(grep -c b '$CASE_DIR/$1.did') -gt 1 ]; }
	c() { echo c >>'$CASE_DIR/$1.did'; }
	run_cases "\$@"
	T
}

# A case of a bed with all others, they depend on each other.  The end tells.
a_check_runs_what_failed_again_alone()
{
	make_accident s
	make_accident bed
	mv "$tests/static/bed.sh" "$tests/bed/t.sh"
	result 0 '6 passed, 0 failed' -k stock check
	expect_eq "cases of the static test" "$(xargs <"$CASE_DIR/s.did")" "a b c b"
	expect_eq "cases of the bed's" "$(xargs <"$CASE_DIR/bed.did")" "a b c a b c"
	expect_eq "what is told" "$(sed '1,/^# failed beside others and passed alone:/d; /^# [0-9]* s$/,$d' "$CASE_DIR/out" | xargs)" \
		"# host static/s b # stock bed/t b"
	grep -q '^#    loud-42' "$CASE_DIR/out"
	# Nothing is, where each failure counts.
	rm "$CASE_DIR"/*.did
	result 1 '4 passed, 2 failed' -k stock check-full
	rm "$CASE_DIR"/*.did
	result 1 '2 passed, 1 failed' s
}

a_check_does_not_run_again_what_is_no_accident()
{
	# It fails again.
	make_accident s
	make_cases t <<-T
	CASES="
	$(printf '\td')
	"
	d() { echo d >>'$CASE_DIR/t.did'; false; }
	run_cases "\$@"
	T
	result 1 '2 passed, 2 failed' -k stock check
	expect_eq "runs" "$(xargs <"$CASE_DIR/t.did")" "d d"
	# A kernel has complained.
	rm "$tests/static/s.sh" "$CASE_DIR"/*.did
	make_cases t <<-T
	CASES="d"
	d() { echo d >>'$CASE_DIR/t.did'; echo 'console of dpu: BUG: KASAN: slab-out-of-bounds'; seq 40; false; }
	run_cases "\$@"
	T
	result 1 '0 passed, 1 failed' -k stock check
	expect_eq "runs" "$(xargs <"$CASE_DIR/t.did")" "d"
	# They are many.
	rm "$CASE_DIR"/*.did
	make_cases t <<-T
	CASES=\$(printf 'c%d ' \$(seq 20))
	for c in \$CASES; do eval "\$c() { echo d >>'$CASE_DIR/t.did'; false; }"; done
	run_cases "\$@"
	T
	result 1 '0 passed, 20 failed' -k stock check
	expect_eq "runs" "$(wc -l <"$CASE_DIR/t.did")" 20
}

# A test that fails is done again, one that passed is not.
a_soak_goes_on_where_it_stopped()
{
	make_test one < <(printf '# soak: all\n%s\n' "echo x >>'$CASE_DIR/one'")
	make_test two < <(printf '# soak: all\n%s\n' "[ -e '$CASE_DIR/good' ]")
	result 1 '1 passed, 1 failed' -k stock soak
	cp "$CASE_DIR/out" "$CASE_DIR/first"
	touch "$CASE_DIR/good"
	result 0 '2 passed, 0 failed' -k stock soak
	expect_eq "runs of the first test" "$(wc -l <"$CASE_DIR/one")" 1
	expect_eq "seed" "$(grep -o 'seed [0-9]*' "$CASE_DIR/out")" "$(grep -o 'seed [0-9]*' "$CASE_DIR/first")"
	result 0 '2 passed, 0 failed' -k stock soak
	expect_eq "runs of the first test" "$(wc -l <"$CASE_DIR/one")" 2
}

a_soak_runs_what_is_longer_in_it()
{
	make_test none <<<false
	make_cases some <<-T
	# soak: b c@20 d@300,50
	# soak: e@30,30
	CASES="a b c d e"
	for c in \$CASES; do eval "\$c() { echo \$c \\\$OPI_SCALE >>'$CASE_DIR/did'; }"; done
	a() { false; }
	run_cases "\$@"
	T
	mv "$tests"/static/*.sh "$tests/bed/"
	result 0 '4 passed, 0 failed' -k stock soak
	expect_eq "cases and scales" "$(sort "$CASE_DIR/did" | xargs)" "b 10 c 20 d 300 e 30"
	rm "$CASE_DIR/did"
	# On the debug kernel a tenth, where that is more than once, or what is said.
	result 0 '3 passed, 0 failed' -k debug soak
	expect_eq "on the debug kernel" "$(sort "$CASE_DIR/did" | xargs)" "c 2 d 50 e 30"
	rm "$CASE_DIR/did"
	scale=3
	result 0 '4 passed, 0 failed' -k stock soak
	expect_eq "with OPI_SCALE" "$(sort "$CASE_DIR/did" | xargs)" "b 3 c 3 d 3 e 3"
}

all_tests() { "$OPI_TOP/selftests/run.sh" -l | grep -v -e "^ " -e static/runner; }

# A count that no soak raises.
what_has_a_count_is_soaked()
{
	local t

	for t in $(all_tests); do
		t=$OPI_TOP/selftests/$t.sh
		if grep -q -e '$(times ' -e 'OPI_SCALE=' "$t"; then
			grep -q '^# soak: ' "$t" || fail "$t has a count and no soak"
		fi
	done
}

# Some of a test's cases, none, or all if it has no such line; in a soak what was left out,
# with all before it where cases follow each other.
the_debug_kernel_runs_what_its_line_says()
{
	local name

	for name in some none whole all; do
		{
			[ "$name" != some ] || printf '# debug: b\n# debug: c\n'
			[ "$name" != none ] || echo '# debug: none'
			[ "$name" != all ] || echo '# debug: a b c'
			[ "$name" != whole ] || echo '# soak: c@40'
			cat <<-T
			CASES="
				a b c
			"
			for c in \$CASES; do eval "\$c() { echo $name \$c \$OPI_SCALE >>'$CASE_DIR/did'; }"; done
			T
			echo 'run_cases "$@"'
		} | make_cases "$name"
	done
	did() { sort "$CASE_DIR/did" | xargs; rm "$CASE_DIR/did"; }
	mv "$tests"/static/*.sh "$tests/bed/"
	result 0 '8 passed, 0 failed' -k debug check-full
	expect_eq "check-full" "$(did)" "all a 1 all b 1 all c 1 some b 1 some c 1 whole a 1 whole b 1 whole c 1"
	result 0 '12 passed, 0 failed' -k stock check-full
	did
	result 0 '10 passed, 0 failed' -k debug soak
	expect_eq "soak" "$(did)" \
		"all a 1 all b 1 all c 1 none a 1 none b 1 none c 1 some a 1 some b 1 some c 1 whole c 4"
	mv "$tests"/bed/*.sh "$tests/vm/"
	expect_eq "where they do not" "$(run -k debug -l soak | xargs)" \
		"debug vm/none:a,b,c@1 debug vm/some:a@1 debug vm/whole:c@4"
	expect_eq "check-full" "$(run -l check-full | xargs)" \
		"stock vm/all stock vm/none stock vm/some stock vm/whole debug vm/all:a,b,c debug vm/some:b,c debug vm/whole"
}

each_case_of_a_line_exists()
{
	local t c

	for t in $(all_tests); do
		t=$OPI_TOP/selftests/$t.sh
		while read -r c; do
			c=${c%@*}
			case $c in all|none) continue ;; esac
			grep -qx "	$c" "$t" || fail "$t: no case $c"
		done < <(sed -n 's/^# \(soak\|debug\): //p' "$t" | tr ' ' '\n')
	done
}

# The library's own: errexit holds in cases, functions and substitutions.
a_failing_command_ends_a_case()
{
	make_cases t <<-'T'
	CASES="a b c d e f"
	inner() { false; true; }
	a() { false; true; }
	b() { inner; true; }
	c() { local x; x=$(inner); true; }
	d() { wait_for 0 false; true; }
	e() { refused . true; true; }
	f() { expect_eq x 1 2; true; }
	run_cases "$@"
	T
	result 1 '0 passed, 6 failed' t
}

# Four times at most, and a command that fails in it is a failure of it.
a_measurement_that_fails_is_made_again()
{
	make_cases t <<-T
	CASES="third never inside"
	try() { echo x >>'$CASE_DIR/tries'; [ \$(wc -l <'$CASE_DIR/tries') = 3 ]; }
	third() { measured try; }
	never() { measured false; }
	careless() { false; true; }
	inside() { measured careless; }
	run_cases "\$@"
	T
	result 1 '1 passed, 2 failed' t
	expect_eq "tries" "$(wc -l <"$CASE_DIR/tries")" 3
	grep -q 'ok 1 third' "$CASE_DIR/out"
}

# More than a command may be given as an argument.
what_a_test_says_may_be_long()
{
	make_cases t <<-'T'
	CASES="a b"
	a() { for i in $(seq 200); do printf '# %01000d\n' $i; done; false; }
	b() { true; }
	run_cases "$@"
	T
	make_cases u <<-'T'
	CASES="c"
	c() { true; }
	run_cases "$@"
	T
	result 1 '2 passed, 1 failed' -k stock check-full
	grep -q '0200$' "$CASE_DIR/out"
}

# What it did not run is not made good by running again what did.
a_chain_that_ended_early_fails_a_check()
{
	make_cases t <<-T
	CASES="a"
	a() { [ -e '$CASE_DIR/second' ] || { touch '$CASE_DIR/second'; echo 'not ok 1 selftests: run.sh ended early' >'$CASE_DIR/logs/check/chain.tap'; false; }; }
	run_cases "\$@"
	T
	result 1 '0 passed, 2 failed' -k stock check
	grep -q '^#   chain.tap' "$CASE_DIR/out"
}

two_runs_do_not_share_their_logs()
{
	make_test t <<-T
	echo TAP version 13; echo 1..1
	touch '$CASE_DIR/runs'
	until [ -e '$CASE_DIR/go' ]; do sleep 0.1; done
	echo ok 1 a
	T
	run t >"$CASE_DIR/first" &
	defer "touch '$CASE_DIR/go'"
	wait_for 20 [ -e "$CASE_DIR/runs" ]
	refused "uses .*/logs/selected" run t
	touch "$CASE_DIR/go"
	wait $!
	expect_eq "the first" "$(tail -n 1 "$CASE_DIR/first")" '1 passed, 0 failed'
	run t
}

# Neither one of the name that it would use, nor that of the user.
a_run_takes_no_bed_down_that_it_did_not_boot()
{
	export OPI_STATE=$CASE_DIR/state OPI_BED=mine
	mkdir -p "$OPI_STATE"/opi-testbed-{mine,mine-stock,test-stock}
	make_cases t <<-T
	CASES="a"
	a() { kill -TERM "\$(cat '$CASE_DIR'/logs/*.pid)"; sleep 1; }
	run_cases "\$@"
	T
	mv "$tests/static/t.sh" "$tests/bed/"
	for what in bed/t check; do
		rm -f "$CASE_DIR"/logs/*.pid
		rc=0
		run -k stock $what >"$CASE_DIR/out" 2>&1 || rc=$?
		expect_eq "status" "$rc" 130
		expect_eq "beds after $what" "$(cd "$OPI_STATE" && echo opi-*)" \
			"opi-testbed-mine opi-testbed-mine-stock opi-testbed-test-stock"
	done
}

run_cases "$@"
