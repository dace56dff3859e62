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
		set -- "$@" "$(basename "$t")"
	done
fi

mapfile -t ld < <(opi_ld)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# libqtest takes the target's name from the program's; exec, since it kills what
# it started.
printf '#!/bin/sh\nexec %s "$@"\n' "$OPI_TOP/qemu/qemu-run" >"$tmp/qemu-system-x86_64"
chmod +x "$tmp/qemu-system-x86_64"
export QTEST_QEMU_BINARY=$tmp/qemu-system-x86_64
export TMPDIR=$tmp
export MALLOC_PERTURB_=${MALLOC_PERTURB_:-$((RANDOM % 255 + 1))}

# Case by case, each in a process of its own: one that dies takes no other along,
# and one that hangs is ended.
n=0
failed=0
one() {
	local name=${1%%:*} cases case status out=$tmp/out

	[ -x "$dir/$name" ] || opi_die "no test $name in $dir"
	mapfile -t cases < <("${ld[@]}" "$dir/$name" -l | sed -n -E "s,^(\# )?(/[^ ]+)\$,\2,p")
	[ "$1" = "$name" ] || cases=("/x86_64/${1#*:}")
	[ ${#cases[@]} -gt 0 ] || opi_die "$name has no cases"
	for case in "${cases[@]}"; do
		n=$((n + 1))
		status=0
		timeout -s ABRT -k 10 "$limit" "${ld[@]}" "$dir/$name" --tap -k \
			"${seed[@]}" -p "$case" >"$out" 2>&1 || status=$?
		if [ "$status" = 0 ] && grep -q '^ok 1 ' "$out"; then
			printf 'ok %d - %s: %s\n' "$n" "$name" "${case#/x86_64/}"
		else
			failed=$((failed + 1))
			printf 'not ok %d - %s: %s\n' "$n" "$name" "${case#/x86_64/}"
			printf '# status %s\n' "$status"
			grep -v -e '^# starting QEMU' -e '^TAP' "$out" | sed 's/^#* */# /'
		fi
		[ "$verbose" = 0 ] || sed -n -E '/^# (seed|random seed)/p' "$out"
	done
}

echo "TAP version 13"
for t in "$@"; do
	one "$t"
done
echo "1..$n"
[ "$failed" = 0 ]
