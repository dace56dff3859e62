#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Check style and the little that compilers and checkers see without running:
#
#   lint.sh             all checks
#   lint.sh CHECK...    these
#   lint.sh -l          list them
#
# Every tool comes from the build root, so that findings do not depend on the
# builder.  Findings go to stdout; the exit status is 1 if there are any.

. "$(dirname -- "$0")/lib.sh"

checks=(checkpatch_kernel checkpatch_qemu sparse shell spelling documents)
inroot() { "$OPI_TOP/qemu/inroot" -C "$OPI_TOP" "$@"; }

# files PATTERN...: what git has or would take, as paths from the top.
files() {
	local f

	git -C "$OPI_TOP" -c safe.directory="$OPI_TOP" ls-files -co --exclude-standard -- "$@" | sort -u |
		while IFS= read -r f; do
			[ ! -f "$OPI_TOP/$f" ] || printf '%s\n' "$f"
		done
}

# What a check has read without a finding it need not read again, if neither the file,
# nor the check, nor its tools have changed: with_new SALT CMD... runs CMD with those of
# the files on standard input that it has not passed, if there are any.
passed=$OPI_CACHE/lint

# Hashes are made by one process for all files.
with_new() {
	local salt sum f stamps=() all=() new=()

	salt=$({ "$OPI_TOP/qemu/mkroot.sh" --key; printf '%s\n' "$@"; cat "$OPI_TOP/qemu/lint.sh"; } | opi_key)
	shift
	mapfile -t all
	[ ${#all[@]} != 0 ] || return 0
	while read -r sum f; do
		# The name is of the key: some rules depend on it.
		stamps+=("$passed/$salt-$sum-${f//\//,}")
		[ -e "${stamps[-1]}" ] || new+=("$f")
	done < <(sha256sum "${all[@]}")
	[ ${#stamps[@]} = ${#all[@]} ] || return 1
	[ ${#new[@]} != 0 ] || return 0
	"$@" "${new[@]}" || return 1
	mkdir -p "$passed"
	touch "${stamps[@]}"
	find "$passed" -type f -mtime +30 -delete
}

# Without its own spelling check, which takes minutes: see spelling().
checkpatch() {
	inroot "$(opi_linux_src)/scripts/checkpatch.pl" --no-tree --no-summary --terse \
		--show-types --color=never "$@"
}

# The kernel's style: all of it for what is kernel code (but for the names of
# IEEE 802.3 counters, which the kernel's own headers have); for the interface
# headers without what a header cannot have that is also read outside a kernel
# and that lists commands once for many uses; for programs what applies to them.
checkpatch_kernel() {
	local rc=0 src

	src=$(opi_linux_src)
	files 'kernel/*.[ch]' | with_new "$src" checkpatch --strict --ignore CAMELCASE -f || rc=1
	files 'uapi/*.h' | with_new "$src" checkpatch --strict \
		--ignore CAMELCASE,BIT_MACRO,COMPLEX_MACRO,MACRO_ARG_REUSE,MACRO_ARG_UNUSED -f || rc=1
	files 'tools/*.[ch]' | with_new "$src" checkpatch \
		--ignore PREFER_DEFINED_ATTRIBUTE_MACRO,STRCPY,STRNCPY,ARRAY_SIZE,CONST_STRUCT -f || rc=1
	return "$rc"
}

# QEMU's style for the card, from where the files are in QEMU's tree: some rules
# depend on it.
checkpatch_qemu() {
	local tree=$OPI_TOP/build/tree-qemu-lint rc=0 script

	mkdir -p "$tree/hw" "$tree/tests"
	ln -sfn "$OPI_TOP/qemu/hw/opi" "$tree/hw/opi"
	ln -sfn "$OPI_TOP/qemu/tests" "$tree/tests/qtest"
	script=$("$OPI_TOP/qemu/mkqemu.sh" --tree)/src/scripts/checkpatch.pl
	files 'qemu/hw/opi/*.[ch]' 'qemu/tests/opi-*.[ch]' |
		with_new "$(opi_key <"$script")" qemu_files || rc=1
	files 'qemu/patches/*.patch' |
		with_new "$(opi_key <"$script")" qemu_style "$OPI_TOP" --no-signoff || rc=1
	return "$rc"
}

# qemu_style DIR ARG...: $script and $tree are checkpatch_qemu()'s.
qemu_style() {
	"$OPI_TOP/qemu/inroot" -C "$1" "$script" --no-tree --no-summary --terse --color=never "${@:2}"
}

qemu_files() {
	set -- "${@/#qemu\/tests\//tests/qtest/}"
	qemu_style "$tree" -f "${@/#qemu\//}"
}

# A build of its own with all warnings and sparse; its objects are no use to
# anybody else.  The documented interface must also stand alone.
sparse() {
	files 'kernel/*' 'uapi/*.h' | with_new "$(opi_linux_src)" sparse_all
}

# Of all, if any has changed: they include each other.
sparse_all() {
	local tree=$OPI_TOP/build/tree-lint out=$OPI_TOP/build/lint.log h

	mkdir -p "$tree"
	inroot rsync -rlpc --delete --filter=':- .gitignore' --include='/kernel' --include='/uapi' \
		--exclude='/*' "$OPI_TOP/" "$tree/"
	if ! inroot make -C "$tree/kernel" clean >"$out" 2>&1 ||
	   ! inroot make -C "$tree/kernel" -j "$OPI_JOBS" W=1 C=2 >"$out" 2>&1; then
		tail -n 30 "$out"
		return 1
	fi
	! grep -E '(warning|error|WARNING|ERROR):' "$out" || return 1
	for h in "$OPI_TOP"/uapi/linux/*.h; do
		inroot gcc -std=c11 -Wall -Wextra -Werror -pedantic -fsyntax-only -I uapi -x c "$h" || return 1
		inroot g++ -Wall -Wextra -Werror -fsyntax-only -I uapi -x c++ "$h" || return 1
	done
}

shell() {
	local list f line shared=() shebang='^#!(.*[^[:alnum:]_])?(ba|da)?sh([^[:alnum:]_]|$)'

	mapfile -t list < <(files | while IFS= read -r f; do
		case $f in
		*.sh|*.bash) ;;
		*)
			line=''
			# Of a file that is no text, too; it may end before a line does.
			IFS= read -r -n 64 line 2>/dev/null <"$OPI_TOP/$f" || :
			[[ $line =~ $shebang ]] || continue
			;;
		esac
		printf '%s\n' "$f"
	done)
	# Those that others read.
	for f in "${list[@]}"; do
		[ -x "$f" ] || shared+=("$f")
	done
	printf '%s\n' "${list[@]}" | with_new "$(cat "${shared[@]}" | opi_key)" inroot shellcheck -x
}

spelling() {
	files | with_new '' inroot codespell --ignore-words-list=ser,te,ans,nd,parm,xdpf
}

documents() {
	local rc=0

	files 'Documentation/*.rst' '*.rst' | with_new '' texts || rc=1
	files '*.[1-9]' | with_new '' inroot mandoc -T lint -W warning || rc=1
	return "$rc"
}

# One visit to the root for all: it takes longer than the check.
texts() {
	# shellcheck disable=SC2016 # for the inner shell
	inroot sh -c 'rc=0
		for f; do
			rst2pseudoxml --report=2 --halt=2 "$f" >/dev/null || rc=1
		done
		exit $rc' sh "$@"
}

case ${1:-} in
-l)
	printf '%s\n' "${checks[@]}"
	exit 0
	;;
'') set -- "${checks[@]}" ;;
esac

bad=0
cd "$OPI_TOP"
for check; do
	case " ${checks[*]} " in
	*" $check "*) ;;
	*) opi_die "no check '$check' (lint.sh -l lists them)" ;;
	esac
	opi_say "lint: $check"
	# errexit is off inside a condition; the checks return their status.
	if ! "$check"; then
		opi_say "lint: $check: has findings"
		bad=1
	fi
done
exit $bad
