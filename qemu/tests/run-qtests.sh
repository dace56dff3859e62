#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Run the card's qtests and print one TAP stream:
#
#	run-qtests.sh [-v] [-s SEED] [TEST...]
#
# TEST is a name (opi-test) or a name and a case (opi-test:opi/aq/wrap); without
# any, all that qemu/mkqemu.sh built run.  -v adds the cases' messages (seeds),
# -s repeats a run with the seed that it printed.  The status is 0 if all passed.

. "$(dirname -- "$0")/../lib.sh"

# Seconds for a case on a busy machine; they take far less than one.
limit=${OPI_QTEST_LIMIT:-120}
verbose=0
seed=()
while getopts vs: opt; do
	case $opt in
	v) verbose=1 ;;
	s) seed=(--seed="$OPTARG") ;;
	*) opi_die "usage: run-qtests.sh [-v] [-s SEED] [TEST...]" ;;
	esac
done
shift $((OPTIND - 1))

dir=$OPI_TOP/build/qemu/tests
if [ $# -eq 0 ]; then
	[ -d "$dir" ] || opi_die "the qtests are not built: run qemu/mkqemu.sh"
	for t in "$dir"/opi-*; do
		set -- "$@" "${t##*/}"
	done
fi

mapfile -t ld < <(opi_ld)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# libqtest takes the target's name from the program's; exec, since it kills what
# it started.  What qemu-run would run: it asks for the root and its loader each time,
# in more processes than the case itself has, and a case starts several QEMUs.
printf '#!/bin/sh\nexec %s "$@"\n' \
	"$(printf '%q ' "${ld[@]}" "$OPI_TOP/build/qemu/qemu-system-x86_64" -L "$OPI_TOP/build/qemu/share")" \
	>"$tmp/qemu-system-x86_64"
chmod +x "$tmp/qemu-system-x86_64"
export QTEST_QEMU_BINARY=$tmp/qemu-system-x86_64
export TMPDIR=$tmp
export MALLOC_PERTURB_=${MALLOC_PERTURB_:-$((RANDOM % 255 + 1))}

# run_one CMD...: what it says as lines in $said, its status in $status.  All in this
# shell: of the processes of a case, most would be those that look after it.  It ends by
# itself or, after the limit, by the signal at which a test also ends its QEMU.
run_one() {
	local fd pid line end=$((SECONDS + limit)) killed=''

	said=() status=0
	exec {fd}< <(exec "$@" 2>&1 </dev/null)
	pid=$!
	while :; do
		line='' status=0
		IFS= read -r -t $((end > SECONDS ? end - SECONDS : 1)) -u "$fd" line || status=$?
		[ "$status" != 0 ] && [ -z "$line" ] || said+=("$line")
		# Above 128: out of time; others: the end.
		if [ "$status" -gt 128 ] || { [ "$status" = 0 ] && [ "$SECONDS" -gt "$end" ]; }; then
			case $killed in
			'')
				said+=("ended after $limit s")
				kill -ABRT "$pid" 2>/dev/null || :
				killed=ABRT end=$((SECONDS + 10))
				;;
			*)
				kill -KILL "$pid" 2>/dev/null || :
				break
				;;
			esac
		elif [ "$status" != 0 ]; then
			break
		fi
	done
	exec {fd}<&-
	status=0
	wait "$pid" || status=$?
	[ -z "$killed" ] || [ "$status" != 0 ] || status=124
}

# Case by case, each in a process of its own: one that dies takes no other along,
# and one that hangs is ended.
n=0
failed=0
one() {
	local name=${1%%:*} cases case line ok said status

	[ -x "$dir/$name" ] || opi_die "no test $name in $dir"
	mapfile -t cases < <("${ld[@]}" "$dir/$name" -l | sed -n -E "s,^(\# )?(/[^ ]+)\$,\2,p")
	[ "$1" = "$name" ] || cases=("/x86_64/${1#*:}")
	[ ${#cases[@]} -gt 0 ] || opi_die "$name has no cases"
	for case in "${cases[@]}"; do
		n=$((n + 1))
		run_one "${ld[@]}" "$dir/$name" --tap -k "${seed[@]}" -p "$case"
		ok=
		for line in "${said[@]}"; do
			[[ $line != 'ok 1 '* ]] || ok=1
		done
		if [ "$status" = 0 ] && [ -n "$ok" ]; then
			printf 'ok %d - %s: %s\n' "$n" "$name" "${case#/x86_64/}"
		else
			failed=$((failed + 1))
			printf 'not ok %d - %s: %s\n' "$n" "$name" "${case#/x86_64/}"
			printf '# status %s\n' "$status"
			for line in "${said[@]}"; do
				[[ $line != '# starting QEMU'* && $line != TAP* ]] || continue
				[[ $line =~ ^#*\ *(.*) ]]
				printf '# %s\n' "${BASH_REMATCH[1]}"
			done
		fi
		[ "$verbose" = 0 ] || for line in "${said[@]}"; do
			[[ $line != '# seed'* && $line != '# random seed'* ]] || printf '%s\n' "$line"
		done
	done
}

echo "TAP version 13"
for t in "$@"; do
	one "$t"
done
echo "1..$n"
[ "$failed" = 0 ]
