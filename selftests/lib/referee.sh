# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The kernel's own tests as referees: run in a guest, unmodified, and compared with
# what a table in Documentation/testing.rst says of each.  Needs bed.sh.
#
# A test sets REFEREE_TABLE, the table's title, and may change the others.

# Where the guests have the kernel's tests.
LINUX=/usr/libexec/kselftests/linux
DOC=$OPI_TOP/Documentation/testing.rst

# How long one may take, its environment, what runs it, and a sed script that calls
# things what the table calls them.
REFEREE_SECS=100
REFEREE_ENV=()
REFEREE_UNDER=()
REFEREE_NAMES=''

# table TITLE: its rows, of which the last are subtest, result and reason, by tabs.
table()
{
	awk -v title="csv-table:: $1" '
		/^[^ ]/ { here = 0 }
		here && /^ *"/ { sub(/^ *"/, ""); sub(/"$/, ""); gsub(/", *"/, "\t"); gsub(/``/, ""); print }
		substr($0, length($0) - length(title) + 1) == title { here = 1 }' "$DOC"
}

# results STATUS: the same three last columns, of what a test printed.
results()
{
	sed -E "$REFEREE_NAMES" | awk -v status="$1" '
		/^(not )?ok [0-9]+ / {
			result = $1 == "not" ? "fail" : "pass"; reason = ""
			if (match($0, / # /)) {
				reason = substr($0, RSTART + 3)
				$0 = substr($0, 1, RSTART - 1)
			}
			if (match(reason, /^(SKIP|XFAIL) /)) {
				result = tolower(substr(reason, 1, RLENGTH - 1))
				reason = substr(reason, RLENGTH + 1)
			}
			sub(/.*\./, "")
			row[++n] = $0 "\t" result "\t" (result == "fail" ? said : reason)
			said = ""
		}
		/^# (Check failed|Exception.*Exception:)/ { said = substr($0, 3) }
		# The reason stands below.
		shell && /^\t/ { row[n] = row[n] substr($0, 2) }
		{ shell = 0 }
		/^TEST: / {
			result = $0
			sub(/.*\[ */, "", result); sub(/ *\]$/, "", result)
			result = result == "OK" ? "pass" : tolower(result)
			sub(/^TEST: /, ""); sub(/ *\[[^[]*\]$/, "")
			row[++n] = $0 "\t" result "\t"
			shell = 1
		}
		NF { last = $0 }
		END {
			# All of it was skipped.
			if (status == 4 && !match(row[n], /\tskip\t/)) {
				sub(/^SKIP: /, "", last)
				print "-\tskip\t" last
			} else for (i = 1; i <= n; i++) print row[i]
		}'
}

# compare EXPECTED RESULTS: a listed reason is how the reason begins; of several rows
# for a subtest one is right.  A subtest "7 of PATTERN" is those that match it and no
# row above.
compare()
{
	[ -s "$1" ] || fail "nothing is listed"
	awk -F'\t' '
		NR == FNR && match($1, /^[0-9]+ of /) {
			row[++rows] = $1; want[rows] = $1 + 0; result[rows] = $2; reason[rows] = $3
			re = substr($1, RLENGTH + 1)
			gsub(/[][.+?(){}|^$\\]/, "[&]", re)
			gsub(/\[\^]/, "\\^", re)
			gsub(/\*/, ".*", re)
			pattern[rows] = "^" re "$"
			next
		}
		NR == FNR { why[$1, $2] = $3; listed[$1] = listed[$1] " " $2; next }
		function fits(why) { return index($3, why) == 1 && (why != "" || $3 == "") }
		!($1 in listed) {
			for (i = 1; i <= rows && $1 !~ pattern[i]; i++)
				;
			if (i > rows) { print "not listed: " $0; bad = 1; next }
			got[i]++
			if ($2 != result[i] || !fits(reason[i])) {
				print $1 " is listed as " result[i] " (" reason[i] "), but: " $2 " (" $3 ")"; bad = 1 }
			next
		}
		!(($1, $2) in why) || !fits(why[$1, $2]) {
			print $1 " is listed as" listed[$1] " (" why[$1, $2] "), but: " $2 " (" $3 ")"; bad = 1 }
		{ seen[$1] }
		END {
			for (s in listed)
				if (!(s in seen)) { print s " did not report"; bad = 1 }
			for (i = 1; i <= rows; i++)
				if (got[i] != want[i]) { print row[i] " are listed, but " got[i] + 0 " reported"; bad = 1 }
			exit bad
		}' "$1" "$2" >&2 ||
		fail "not as listed in ${DOC#"$OPI_TOP"/}"
}

# each_is_listed DIRECTORY...: the first column of the table is what the kernel has there;
# a name may have * in it.
each_is_listed()
{
	local there name row

	for name; do
		there+=$(host sed -n "s,^$name:,,p" "$LINUX/kselftest-list.txt" </dev/null)$'\n'
	done
	table "$REFEREE_TABLE" | cut -f1 | sort -u >"$CASE_DIR/rows"
	[ -n "${there//[[:space:]]/}" ] || fail "no tests in $*"
	# shellcheck disable=SC2053 # a pattern
	while read -r row; do
		for name in $there; do
			[[ $name != $row ]] || continue 2
		done
		fail "$row is listed, and is not there"
	done <"$CASE_DIR/rows"
	# shellcheck disable=SC2053
	for name in $there; do
		while read -r row; do
			[[ $name != $row ]] || continue 2
		done <"$CASE_DIR/rows"
		fail "$name is not listed"
	done
}

# referee VM ROW TEST [ARG...]: ROW is what the table has before the subtest.
referee()
{
	local vm=$1 row=$2 test=$3 name rc=0
	shift 3

	name=${test##*/}
	case $test in
	*.py) set -- "$GUEST/referee" "./$name" "$@" ;;
	*) set -- "./$name" "$@" ;;
	esac
	# shellcheck disable=SC2016 # for the guest
	on "$vm" env REFEREE_WAIT="$(secs 5)" "${REFEREE_ENV[@]}" sh -c 'cd "$1" && shift && exec "$@"' sh "$LINUX/${test%/*}" \
		"$GUEST/contain" referee "$(secs "$REFEREE_SECS")" "${REFEREE_UNDER[@]}" "$@" </dev/null >"$CASE_DIR/tap" || rc=$?
	cat "$CASE_DIR/tap"
	results "$rc" <"$CASE_DIR/tap" >"$CASE_DIR/results"
	table "$REFEREE_TABLE" | awk -v row="$row	" 'index($0, row) == 1 { print substr($0, length(row) + 1) }' >"$CASE_DIR/expected"
	compare "$CASE_DIR/expected" "$CASE_DIR/results"
	case $rc in
	0|4) ;;
	*) fail "$name ended with status $rc" ;;
	esac
}
