#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Print what a header of the device interface says, as facts, one a line:
#
#	const NAME VALUE		a macro or enumerator with a value, decimal
#	struct NAME SIZE
#	field STRUCT MEMBER OFFSET SIZE	members of unions by their path
#	cmd NAME OPCODE PF VF DPU	modes as letters: TRI, TR, none
#	status NAME CODE
#
# Names are found in the text, values by the compiler.  The members found must
# tile each structure, so one that the text search did not see is an error.
# Runs where there is a C compiler (in the build root).

set -euo pipefail

header=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The users' headers first, the tree's after: the header is <linux/opi_pci.h>.
include=$(CDPATH='' cd -- "$(dirname -- "$header")/.." && pwd -P)
cc=(gcc -std=gnu11 -Wall -Werror -I "$include")

strip_comments() { gcc -fpreprocessed -dD -E -P -w -x c "$1"; }

# Members as "struct<TAB>path"; anything in a structure that is not understood
# ends it.
members()
{
	strip_comments "$header" | awk '
	function bad(why) { print "facts: " why ": " $0 >"/dev/stderr"; failed = 1; exit 1 }
	function path(name,   i, p) {
		p = ""
		for (i = 2; i <= depth; i++) if (nest[i] != "") p = p nest[i] "."
		return p name
	}
	# Inner names come after the body: keep lines until it closes.
	/^struct [a-z0-9_]+ \{$/ { name = $2; depth = 1; n = 0; next }
	depth == 0 { next }
	/^[ \t]*(struct|union) \{$/ { depth++; start[depth] = n; next }
	/^[ \t]*\} [a-z0-9_]+;$/ {
		inner = $2; sub(/;/, "", inner)
		if (depth < 2) bad("unexpected end")
		for (i = start[depth] + 1; i <= n; i++) m[i] = inner "." m[i]
		depth--; next
	}
	/^\};$/ {
		if (depth != 1) bad("unbalanced braces")
		for (i = 1; i <= n; i++) print name "\t" m[i]
		depth = 0; next
	}
	/^[ \t]*(__u8|__le16|__le32|__le64|char)[ \t]+[a-z0-9_]+(\[[0-9]+\])?;$/ {
		f = $2; sub(/(\[[0-9]+\])?;$/, "", f); m[++n] = f; next
	}
	/^[ \t]*$/ { next }
	{ bad("not understood in struct " name) }
	END { if (!failed && depth) { print "facts: unfinished struct" >"/dev/stderr"; exit 1 } }'
}

constants()
{
	"${cc[@]}" -E -dM -include "$header" -x c /dev/null | awk '
		$1 == "#define" && $2 ~ /^OPI_[A-Z0-9_]+$/ && NF > 2 { print $2 }' | sort
	strip_comments "$header" | awk '
		/^enum/ { inside = 1; next }
		/^\}/ { inside = 0 }
		inside && /^[ \t]*OPI_[A-Z0-9_]+[ \t]*=/ { print $1 }'
}

# Not macros whose value is no integer.
is_integer()
{
	printf '%s\n' "#include <linux/opi_pci.h>" "long long v = (long long)($1);" |
		"${cc[@]}" -fsyntax-only -x c - 2>/dev/null
}

# integers NAME...: those with an integer for a value.  All are asked of the compiler at
# once, each on a line of its own; only those on whose line it finds something are asked
# one by one, so that none suffers from another's mistake.  One that it let pass here and
# should not have, it refuses in the program below.
integers()
{
	local n=0 name
	declare -A doubtful=()

	while read -r n; do
		doubtful[$n]=1
	done < <({
		echo '#include <linux/opi_pci.h>'
		for name; do
			printf '# %d "probe"\nlong long v%d = (long long)(%s);\n' "$((n += 1))" "$n" "$name"
		done
	} | "${cc[@]}" -fsyntax-only -x c - 2>&1 | sed -n 's/^probe:\([0-9]*\):.*/\1/p')
	n=0
	for name; do
		n=$((n + 1))
		[ -z "${doubtful[$n]:-}" ] || is_integer "$name" || continue
		printf '%s\n' "$name"
	done
}

members >"$work/members"
constants >"$work/constants"
mapfile -t names <"$work/constants"
integers "${names[@]}" >"$work/integers"
{
	echo '#include <errno.h>'
	echo '#include <stddef.h>'
	echo '#include <stdio.h>'
	echo '#include <string.h>'
	echo '#include <linux/opi_pci.h>'
	cat <<-'C'
	static const char *modes(int m)
	{
		static char buf[4][4];
		static int turn;
		char *s = buf[turn++ & 3], *p = s;

		if (m & OPI_T)
			*p++ = 'T';
		if (m & OPI_R)
			*p++ = 'R';
		if (m & OPI_I)
			*p++ = 'I';
		*p = 0;
		return m ? s : "none";
	}

	int main(void)
	{
	C
	while read -r name; do
		printf 'printf("const %%s %%lld\\n", "%s", (long long)(%s));\n' "$name" "$name"
	done <"$work/integers"
	cut -f1 "$work/members" | uniq | while read -r name; do
		printf 'printf("struct %%s %%zu\\n", "%s", sizeof(struct %s));\n' "$name" "$name"
	done
	while read -r name member; do
		printf 'printf("field %%s %%s %%zu %%zu\\n", "%s", "%s", ' "$name" "$member"
		printf 'offsetof(struct %s, %s), sizeof(((struct %s *)0)->%s));\n' \
			"$name" "$member" "$name" "$member"
	done <"$work/members"
	cat <<-'C'
	#define ROW(name, code, pf, vf, dpu)					\
		printf("cmd %s %d %s %s %s\n", #name, code, modes(pf), modes(vf), modes(dpu));
		OPI_COMMAND_TABLE(ROW)
	#undef ROW
	#define ROW(name, code, err) printf("status %s %d\n", #name, code);
		OPI_STATUS_TABLE(ROW)
	#undef ROW
	/* A status and its errno have one name, and all but OK have one. */
	#define ROW(name, code, err)						\
		if (strcmp(#name, #err) && strcmp(#name #err, "OK0"))		\
			return 1;
		OPI_STATUS_TABLE(ROW)
	#undef ROW
		return 0;
	}
	C
} >"$work/facts.c"
"${cc[@]}" -o "$work/facts" "$work/facts.c"
"$work/facts" >"$work/out"

# Tiling: in each structure the members, sorted, leave no hole.  A union's
# members overlap, so what counts is the highest end so far.
awk '$1 == "struct" { size[$2] = $3 }
     $1 == "field" { print $2, $4, $5 }' "$work/out" | sort -k1,1 -k2,2n -k3,3n | awk '
	{ if ($1 != name) { if (name != "") print name, end; name = $1; end = 0 }
	  if ($2 > end) { print "facts: a hole in " name " at " end >"/dev/stderr"; exit 1 }
	  if ($2 + $3 > end) end = $2 + $3 }
	END { print name, end }' >"$work/ends"
awk 'NR == FNR { if ($1 == "struct") size[$2] = $3; next }
	size[$1] != $2 {
		print "facts: the members found of " $1 " end at " $2 ", the structure does not" >"/dev/stderr"
		exit 1
	}' "$work/out" "$work/ends"

cat "$work/out"
