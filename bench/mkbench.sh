#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Make what only the bench needs:
#
#   mkbench.sh --programs
#                       bring build/bench/ up to date: guest program, QEMU plugin
#   mkbench.sh          the same, and the cache's second root: dpdk-testpmd, gnuplot
#   mkbench.sh --root   print where that root is, make nothing
#   mkbench.sh --in CMD [ARG...]
#                       run CMD in that root, as qemu/inroot does in the build root
#
# The second root is apart from the build root because nothing is built with it,
# and a change of the build root costs everybody a new one.

. "$(dirname -- "$0")/../qemu/lib.sh"

packages=(dpdk dpdk-dev gnuplot-nox fonts-dejavu-core)

recipe() {
	printf '%s\n' format=1 "$OPI_SUITE" "$OPI_ARCH" "${packages[@]}"
}

dir=$OPI_CACHE/bench-$(recipe | opi_key)
out=$OPI_TOP/build/bench

make_root() {
	local part line

	[ ! -d "$dir" ] || return 0
	opi_need_root "making the bench's root"
	opi_say "fetching dpdk-testpmd and gnuplot (about a minute, once)"
	part=$(opi_newdir "$dir")
	opi_debian mkbench "$part" "${packages[@]}"
	for line in dpdk-testpmd gnuplot; do
		[ -e "$part/usr/bin/$line" ] || [ -L "$part/usr/bin/$line" ] || opi_die "no $line in the bench's root"
	done
	mv "$part" "$dir"
	opi_prune "$dir" bench
}

# compile OUT SOURCE ARG...: if it is not newer than its source, headers and this script.
compile() {
	local to=$1 from=$2
	shift 2

	if [ "$to" -nt "$from" ] && [ "$to" -nt "$OPI_TOP/bench/mkbench.sh" ] &&
	   [ -z "$(find "$OPI_TOP/selftests/guest" "$OPI_TOP/uapi" -name '*.h' -newer "$to")" ]; then
		return 0
	fi
	mkdir -p "$(dirname -- "$to")"
	# shellcheck disable=SC2016 # for the inner shell
	"$OPI_TOP/qemu/inroot" sh -c 'out=$0 from=$1; shift
		gcc -std=gnu11 -O2 -Wall -Wextra -Werror -Wno-unused-parameter -D_GNU_SOURCE \
			$("$@") -o "$out.new" "$from" && mv "$out.new" "$out"' "$to" "$from" "$@"
}

make_programs() {
	local include

	compile "$out/guest/flow" "$OPI_TOP/bench/guest/flow.c" true
	compile "$out/guest/life" "$OPI_TOP/bench/guest/life.c" echo -I "$OPI_TOP/selftests/guest" -I "$OPI_TOP/uapi"
	install -m 755 "$OPI_TOP/bench/guest/side" "$out/guest/side"
	include=$("$OPI_TOP/qemu/mkqemu.sh" --tree)/src/include/qemu
	compile "$out/insns.so" "$OPI_TOP/bench/insns.c" sh -c "
		pkg-config --cflags glib-2.0; echo -shared -fPIC -fvisibility=hidden -I $include"
}

case ${1:-} in
--root)
	echo "$dir"
	;;
--in)
	shift
	[ -d "$dir" ] || opi_die "no dpdk-testpmd and gnuplot yet: run bench/mkbench.sh"
	mkdir -p "$OPI_CACHE/mnt"
	exec unshare --mount --propagation private -- \
		"$OPI_TOP/qemu/inroot" --inside "$dir" "$OPI_TOP" / "$@"
	;;
'')
	opi_lock bench-programs make_programs
	opi_have "$dir" || opi_lock bench-root make_root
	;;
--programs)
	opi_lock bench-programs make_programs
	;;
*)
	opi_die "usage: mkbench.sh [--programs | --root | --in CMD [ARG...]]"
	;;
esac
