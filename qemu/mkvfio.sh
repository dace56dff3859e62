#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Build the kernel's own tests of VFIO, which the source of the guests' kernel does not have
# yet, from the newest source that the release's backports offer.
#
#   mkvfio.sh          make them if they are not in the cache, print where they are
#
# Only what they need of the source is unpacked, and nothing of it is changed.

. "$(dirname -- "$0")/lib.sh"

part_of_source=(
	Makefile Kbuild Kconfig include scripts usr/include
	'arch/x86/Makefile*' arch/x86/include arch/x86/entry/syscalls
	tools/include tools/arch/x86/include tools/scripts
	'tools/testing/selftests/*.h' 'tools/testing/selftests/*.mk' 'tools/testing/selftests/*.sh'
	tools/testing/selftests/vfio
	# Those of its programs for other cards.
	'drivers/dma/*/*.h' 'drivers/net/ethernet/intel/igb/*.h'
)

# Whoever has built them keeps them, whatever is newest by now.
key=$({ opi_versions gcc libc6 uuid-dev; sha256sum <"$0"; } | opi_key)
dir=$OPI_CACHE/vfio-$key

# backports DIR apt-get|apt-cache ARG...: with the backports and nothing else, and all
# that apt keeps in DIR.
backports() {
	local at=$1 apt=$2 opts=() line
	shift 2

	while IFS= read -r line; do
		opts+=(-o "${line%;}")
	done < <(opi_apt_options | sed 's/ "\(.*\)"/=\1/')
	(cd "$at" && "$apt" -q "${opts[@]}" -o Dir::Etc::SourceList="$at/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::State="$at/state" -o Dir::State::status=/dev/null -o Dir::Cache="$at/cache" \
		-o APT::Sandbox::User=root -o Acquire::Languages=none -o APT::Architecture="$OPI_ARCH" "$@")
}

download() {
	local at=$1 name

	mkdir -p "$at"/{state/lists/partial,cache/archives/partial}
	opi_apt_sources | sed -n "s/^\(deb .* $OPI_SUITE\) main\$/\1-backports main/p" >"$at/sources.list"
	backports "$at" apt-get update
	name=$(backports "$at" apt-cache pkgnames linux-source- | grep -xE 'linux-source-[0-9.]+' | sort -V | tail -n 1)
	[ -n "$name" ] || opi_die "no kernel source among the backports"
	backports "$at" apt-get download "$name"
	dpkg-deb --fsys-tarfile "$at/$name"_*.deb | tar -x -C "$at" "./usr/src/$name.tar.xz"
	# In one pass: the archive is long.
	mkdir "$at/src"
	tar -xJf "$at/usr/src/$name.tar.xz" -C "$at/src" --strip-components=1 --wildcards --no-wildcards-match-slash \
		"${part_of_source[@]/#/$name/}"
	basename "$at/$name"_*.deb _all.deb >"$at/version"
}

make_vfio() {
	local at part tests

	! opi_have "$dir" || return 0
	opi_need_root "building the kernel's tests of VFIO"
	opi_say "building the kernel's tests of VFIO (about a minute, once)"
	part=$(opi_newdir "$dir")
	at=$part/work
	opi_logged vfio-source download "$at"
	opi_logged vfio-headers "$OPI_TOP/qemu/inroot" -C "$at/src" make headers
	# It would find out by itself, but for a make above.
	tests=$at/src/tools/testing/selftests/vfio
	opi_logged vfio-tests "$OPI_TOP/qemu/inroot" -C "$at/src" make -C "$tests" -j "$OPI_JOBS" OUTPUT="$tests"
	find "$tests" -maxdepth 1 -type f -perm /111 ! -name '*.sh' -exec cp {} "$part/" \;
	[ -e "$part/vfio_dma_mapping_test" ] || opi_die "no tests of VFIO were built"
	cp "$at/version" "$part/"
	rm -rf "$at"
	mv "$part" "$dir"
	opi_prune "$dir" vfio
}

opi_lock vfio make_vfio >&2
echo "$dir"
