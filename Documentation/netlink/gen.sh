#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Generate what comes out of the netlink spec, with the kernel's own generator:
#
#	gen.sh            write uapi/linux/opi.h and kernel/opi_core/netlink_gen.[ch]
#	gen.sh --check    compare them with what would be written; status 1 and a
#	                  diff if they differ
#
# The generator is that of the kernel source in LINUX_SRC, or of the build root.

set -euo pipefail

top=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd -P)
spec=Documentation/netlink/specs/opi.yaml
# mode, part, file
outputs=(
	"uapi header uapi/linux/opi.h"
	"kernel header kernel/opi_core/netlink_gen.h"
	"kernel source kernel/opi_core/netlink_gen.c"
)

linux_src() {
	# In a shell of its own: the library sets options and names.
	bash -c '. "$1/qemu/lib.sh"; opi_linux_src' -- "$top"
}

# The generator needs python's yaml and jsonschema, which the build root has.
run() {
	if python3 -c 'import yaml, jsonschema' 2>/dev/null; then
		"$@"
	else
		"$top/qemu/inroot" "$@"
	fi
}

case ${1:-} in
'') check=no ;;
--check) check=yes ;;
*) echo "usage: gen.sh [--check]" >&2; exit 2 ;;
esac

src=${LINUX_SRC:-$(linux_src)}
[ -e "$src/tools/net/ynl/ynl-gen-c.py" ] || {
	echo "gen.sh: $src has no tools/net/ynl/ynl-gen-c.py" >&2
	exit 2
}

tmp=$(mktemp -d /tmp/opi-gen.XXXXXX)
trap 'rm -rf "$tmp"' EXIT

# The generator looks upwards for MAINTAINERS to name the spec, and beside the
# spec for its schema: lay both out as in a kernel tree.
mkdir -p "$tmp/tree/Documentation/netlink/specs"
touch "$tmp/tree/MAINTAINERS"
cp "$src"/Documentation/netlink/*.yaml "$tmp/tree/Documentation/netlink/"
cp "$top/$spec" "$tmp/tree/$spec"

rc=0
for o in "${outputs[@]}"; do
	read -r mode part file <<<"$o"
	mkdir -p "$tmp/tree/$(dirname "$file")"
	run python3 -B "$src/tools/net/ynl/ynl-gen-c.py" --mode "$mode" "--$part" \
		--spec "$tmp/tree/$spec" -o "$tmp/tree/$file"
	if [ "$check" = no ]; then
		mkdir -p "$top/$(dirname "$file")"
		cmp -s "$tmp/tree/$file" "$top/$file" || cp "$tmp/tree/$file" "$top/$file"
	else
		diff -u --label "$file" --label "$file as $spec says" \
			"$top/$file" "$tmp/tree/$file" || rc=1
	fi
done
exit "$rc"
