#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The interface's document and its header say the same, in both directions, and
# the header means the same to every compiler that will read it.  That the card
# does the same is for static/model.sh and the qtests.

. "$(dirname -- "$0")/../lib/tap.sh"

CASES="
	document_can_be_read
	registers_and_values_agree
	structures_agree
	commands_and_roles_agree
	status_codes_agree
	prose_and_header_agree
	header_has_no_hidden_padding_in_c
	header_has_no_hidden_padding_in_cxx
	layout_is_the_same_on_32_bits
	netlink_header_compiles_in_c_and_cxx
	nobody_defines_a_name_of_the_header_again
	checker_finds_a_changed_value
	checker_finds_a_missing_row
	checker_finds_a_field_without_a_row
	checker_finds_a_changed_role
"

dir=$OPI_TOP/selftests/interface
doc=$OPI_TOP/Documentation/device-interface.rst
header=$OPI_TOP/uapi/linux/opi_pci.h

inroot() { "$OPI_TOP/qemu/inroot" "$@"; }
doc_facts() { awk -f "$dir/doc.awk" "$1"; }
header_facts() { inroot "$dir/facts.sh" "$1"; }

# The header's facts, made once for all cases.
facts=$(mktemp -d "${TMPDIR:-/tmp}/opi-interface.XXXXXX") || exit 1
trap 'rm -rf "$facts"' EXIT
header_facts "$header" >"$facts/header" || exit 1
doc_facts "$doc" >"$facts/doc" || : >"$facts/doc"
grep -v '^#' "$dir/prose" >"$facts/prose"

document_can_be_read()
{
	doc_facts "$doc" >/dev/null
	[ "$(grep -c ^struct "$facts/doc")" -ge 14 ]
	[ "$(grep -c ^cmd "$facts/doc")" -ge 17 ]
}

# same KINDS DOC HEADER: the facts of these kinds, as sets.
same()
{
	diff -u --label document --label header \
		<(grep -E "^($1) " "$2" | sort -u) <(grep -E "^($1) " "$3" | sort -u)
}

# The header without what only the prose names.
tabled()
{
	awk 'NR == FNR { sub(/ .*/, ""); prose[$0]; next }
	     !($1 == "const" && $2 in prose)' "$facts/prose" "$1"
}

registers_and_values_agree()
{
	tabled "$facts/header" >"$CASE_DIR/header"
	same const "$facts/doc" "$CASE_DIR/header"
}

# u.raw is a second name for all parameters of a command.
structures_agree()
{
	grep -v '^field opi_cmd u\.raw 24 40$' "$facts/header" >"$CASE_DIR/header"
	same 'struct|field' "$facts/doc" "$CASE_DIR/header"
}

commands_and_roles_agree() { same cmd "$facts/doc" "$facts/header"; }
status_codes_agree() { same status "$facts/doc" "$facts/header"; }

prose_and_header_agree()
{
	local text fact words

	text=$(tr -s ' \n' ' ' <"$doc")
	while IFS='|' read -r fact words; do
		grep -qx "const $fact" "$facts/header" ||
			fail "the header does not have $fact"
		[[ $text == *"$words"* ]] ||
			fail "the document does not say '$words' ($fact)"
	done <"$facts/prose"
}

# compile FILE COMMAND...: of these compilers (each with its options, one word of the
# shell's), one after the other in one visit to the build root, which takes longer than
# they do.
compile()
{
	# shellcheck disable=SC2016 # for the inner shell
	inroot sh -ec 'top=$0 file=$1
		shift
		for cc; do
			$cc -fsyntax-only "$file" -I "$top/uapi" -I /usr/include
		done' "$OPI_TOP" "$@"
}

# unit HEADER NAME: a source file that reads it.
unit() { printf '#include <linux/%s>\nint unit(void);\nint unit(void) { return 0; }\n' "$1" >"$CASE_DIR/$2"; }

header_has_no_hidden_padding_in_c()
{
	local std all=()

	for std in c11 gnu11 gnu17; do
		all+=("gcc -std=$std -Wall -Wextra -Wpadded -Werror -isystem /usr/include")
	done
	unit opi_pci.h unit.c
	compile "$CASE_DIR/unit.c" "${all[@]}"
}

header_has_no_hidden_padding_in_cxx()
{
	unit opi_pci.h unit.cc
	compile "$CASE_DIR/unit.cc" 'g++ -std=c++17 -Wall -Wextra -Wpadded -Werror'
}

# 64-bit members have other natural alignments there.
layout_is_the_same_on_32_bits()
{
	{
		printf '%s\n' '#include <stddef.h>' '#include <linux/opi_pci.h>'
		awk '$1 == "field" {
			printf "_Static_assert(offsetof(struct %s, %s) == %s, \"%s.%s\");\n", $2, $3, $4, $2, $3 }
		     $1 == "struct" {
			printf "_Static_assert(sizeof(struct %s) == %s, \"%s\");\n", $2, $3, $2 }' "$facts/doc"
	} >"$CASE_DIR/layout.c"
	compile "$CASE_DIR/layout.c" 'gcc -m64 -std=gnu11 -Werror' \
		'gcc -m32 -std=gnu11 -Werror -isystem /usr/include/x86_64-linux-gnu'
}

netlink_header_compiles_in_c_and_cxx()
{
	unit opi.h unit.c
	compile "$CASE_DIR/unit.c" 'gcc -std=c11 -Wall -Wextra -Werror -x c' \
		'g++ -std=c++17 -Wall -Wextra -Werror -x c++'
}

nobody_defines_a_name_of_the_header_again()
{
	local again sources

	mapfile -t sources < <(git -C "$OPI_TOP" ls-files -co --exclude-standard -- \
		'*.c' '*.h' ':!uapi' | sed "s|^|$OPI_TOP/|")
	again=$(awk 'NR == FNR { if ($1 == "const") known[$2]; next }
		/^[ \t]*#[ \t]*define[ \t]+OPI_/ {
			sub(/^[ \t]*#[ \t]*define[ \t]+/, "")
			name = $0
			sub(/[^A-Z0-9_].*/, "", name)
			if (name in known)
				print FILENAME ": " name
		}' "$facts/header" "${sources[@]}")
	expect_eq "defined twice" "$again" ""
}

# The checks above can fail: each finds a mistake put into a copy.

checker_finds_a_changed_value()
{
	sed 's/"0x118", "AQ_HEAD"/"0x11c", "AQ_HEAD"/' "$doc" >"$CASE_DIR/doc"
	doc_facts "$CASE_DIR/doc" >"$CASE_DIR/facts"
	tabled "$facts/header" >"$CASE_DIR/header"
	refused 'OPI_REG_AQ_HEAD 284' same const "$CASE_DIR/facts" "$CASE_DIR/header"
}

checker_finds_a_missing_row()
{
	sed '/"5", "EAGAIN"/d' "$doc" >"$CASE_DIR/doc"
	doc_facts "$CASE_DIR/doc" >"$CASE_DIR/facts"
	refused 'status EAGAIN' same status "$CASE_DIR/facts" "$facts/header"
	sed '/csv-table:: Port flags/,/CARRIER/d' "$doc" >"$CASE_DIR/doc"
	refused 'no table.*Port flags' doc_facts "$CASE_DIR/doc"
	sed 's/^   "2", "HALTED.*/   "2", "HALTED"/; s/"3", "STALLED", .*/"3", "STALLED"/' \
		"$doc" >"$CASE_DIR/doc"
	refused 'cells' doc_facts "$CASE_DIR/doc"
}

checker_finds_a_field_without_a_row()
{
	mkdir "$CASE_DIR/linux"
	sed 's/^\t__le32\trsvd\[2\];$/\t__le32\textra;\n\t__le32\trsvd;/' "$header" \
		>"$CASE_DIR/linux/opi_pci.h"
	header_facts "$CASE_DIR/linux/opi_pci.h" >"$CASE_DIR/header"
	refused 'field opi_eq_shadow extra 8 4' same 'struct|field' "$facts/doc" "$CASE_DIR/header"
}

checker_finds_a_changed_role()
{
	mkdir "$CASE_DIR/linux"
	sed 's/\(X(MODE_SET,.*0x0051,.*\)OPI_NONE, OPI_NONE/\1OPI_T, OPI_NONE/' "$header" \
		>"$CASE_DIR/linux/opi_pci.h"
	header_facts "$CASE_DIR/linux/opi_pci.h" >"$CASE_DIR/header"
	refused 'cmd MODE_SET 81 T' same cmd "$facts/doc" "$CASE_DIR/header"
}

run_cases "$@"
