#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Build QEMU with the card: Debian's source package, our patches and hw/opi/.
#
#   mkqemu.sh                   bring build/qemu/ up to date
#   mkqemu.sh TARGET...         the same, then build these ninja targets too
#   mkqemu.sh --key             print the key of source and configuration
#   mkqemu.sh --tree            print where source (src/) and build (build/) are
#
# The configured tree stays in the cache, one per version and configuration;
# each run copies into it what changed here and runs ninja, which takes seconds.
#
#   here                        in QEMU's source
#   qemu/hw/opi/                hw/opi/
#   qemu/tests/opi-*            tests/qtest/
#   uapi/linux/opi_pci.h        include/standard-headers/linux/opi_pci.h
#   qemu/opi.mak                configs/devices/x86_64-softmmu/opi.mak
#   qemu/patches/series         applied in that order with patch -p1
#
# What the test bed runs goes to build/qemu/: the binary, the few firmware files
# it needs (share/), and the qtests named opi-*.

. "$(dirname -- "$0")/lib.sh"

configure=(
	--target-list=x86_64-softmmu
	--without-default-features --without-default-devices
	--with-devices-x86_64=opi
	--enable-tcg --enable-kvm --enable-plugins
	--enable-vhost-user --enable-vhost-net
	--enable-slirp --enable-gcrypt --enable-linux-aio
	--disable-install-blobs --disable-docs --disable-tools
	--disable-guest-agent --disable-download
	# Line numbers in backtraces, and a third of the size of full symbols.
	--disable-debug-info --extra-cflags=-g1
	--enable-werror
)
firmware=(
	usr/share/seabios/bios-256k.bin
	usr/share/qemu/kvmvapic.bin
	usr/share/qemu/linuxboot_dma.bin
)

root=$(opi_root)
dsc=$(find "$root/opi/qemu" -name 'qemu_*.dsc' -printf '%f\n')
key=$({
	printf '%s\n' format=1 "$dsc" "${configure[@]}"
	# One device more or less is all of QEMU compiled anew.
	cat "$OPI_TOP/qemu/opi.mak"
	opi_versions gcc-14 libc6-dev libglib2.0-dev libslirp-dev libgcrypt20-dev \
		libfdt-dev libpixman-1-dev libaio-dev meson
} | opi_key)
dir=$OPI_CACHE/qemu-$key
out=$OPI_TOP/build/qemu

unpack_source() {
	local part

	! opi_have "$dir" || return 0
	opi_say "unpacking $dsc"
	part=$(opi_newdir "$dir")
	opi_logged qemu-unpack "$OPI_TOP/qemu/inroot" -C "$part" \
		dpkg-source --no-check -x "/opi/qemu/$dsc" orig
	cp -a "$part/orig" "$part/src"
	: >"$part/patched"
	mv "$part" "$dir"
	opi_prune "$dir" qemu
}

# Copy a directory by content: what did not change keeps its time stamp, so
# ninja has nothing to do.
sync_dir() {
	local from=$1 to=$2
	shift 2

	mkdir -p "$to"
	"$OPI_TOP/qemu/inroot" rsync -rc --delete --exclude '*~' "$@" "$from/" "$to/"
}

sync_file() {
	local from=$1 to=$2

	if [ ! -e "$from" ]; then
		rm -f "$to"
	elif ! cmp -s "$from" "$to"; then
		mkdir -p "$(dirname -- "$to")"
		cp --remove-destination "$from" "$to"
	fi
}

patch_files() {
	[ $# -eq 0 ] || sed -n -E 's,^(---|\+\+\+) [ab]/([^\t]*).*,\2,p' "$@"
}

# Patch pristine copies of the files that the series touches (and of those it
# touched last time), and take over only what came out different.
sync_patches() {
	local work=$dir/patching series=$OPI_TOP/qemu/patches/series patches=() p f

	if [ -e "$series" ]; then
		while IFS= read -r p; do
			p=${p%%#*} p=${p%%[[:space:]]*}
			[ -z "$p" ] || patches+=("$OPI_TOP/qemu/patches/$p")
		done <"$series"
	fi
	rm -rf "$work"
	mkdir -p "$work"
	{ cat "$dir/patched"; patch_files ${patches+"${patches[@]}"}; } | sort -u >"$dir/patched.new"
	while IFS= read -r f; do
		[ ! -e "$dir/orig/$f" ] || install -D -m 644 "$dir/orig/$f" "$work/$f"
	done <"$dir/patched.new"
	for p in ${patches+"${patches[@]}"}; do
		"$OPI_TOP/qemu/inroot" -C "$work" patch -s -p1 --no-backup-if-mismatch -i "$p" >&2 ||
			opi_die "$(basename "$p") does not apply to QEMU"
	done
	while IFS= read -r f; do
		sync_file "$work/$f" "$dir/src/$f"
	done <"$dir/patched.new"
	patch_files ${patches+"${patches[@]}"} | sort -u >"$dir/patched"
	rm -rf "$work" "$dir/patched.new"
}

# meson reads Kconfig files and device lists when it configures, but ninja does
# not watch them.
config_sum() {
	{
		cat "$OPI_TOP/qemu/opi.mak"
		find "$dir/src/hw" -path '*/opi/*' -name Kconfig -print0 | xargs -0r cat
	} | opi_key
}

sync_source() {
	local mak=$dir/opi.mak sum

	sync_patches
	sync_dir "$OPI_TOP/qemu/hw/opi" "$dir/src/hw/opi"
	sync_dir "$OPI_TOP/qemu/tests" "$dir/src/tests/qtest" --include='/opi-*' --exclude='/*'
	sync_file "$OPI_TOP/uapi/linux/opi_pci.h" \
		"$dir/src/include/standard-headers/linux/opi_pci.h"
	cat "$OPI_TOP/qemu/opi.mak" >"$mak"
	[ ! -e "$dir/src/hw/opi/Kconfig" ] || echo 'CONFIG_OPI=y' >>"$mak"
	sync_file "$mak" "$dir/src/configs/devices/x86_64-softmmu/opi.mak"
	sum=$(config_sum)
	if [ "$sum" != "$(cat "$dir/config-sum" 2>/dev/null)" ]; then
		touch "$dir/src/meson.build"
		echo "$sum" >"$dir/config-sum"
	fi
}

configure_tree() {
	[ ! -e "$dir/build/.configured" ] || return 0
	opi_say "configuring QEMU"
	rm -rf "$dir/build"
	mkdir "$dir/build"
	opi_logged qemu-configure "$OPI_TOP/qemu/inroot" -C "$dir/build" ../src/configure "${configure[@]}"
	touch "$dir/build/.configured"
}

# All qtests of ours that meson knows, by their names.
our_tests() {
	"$OPI_TOP/qemu/inroot" -C "$dir/build" ninja -t targets all |
		sed -n -E 's,^(tests/qtest/opi-[a-z0-9-]*): .*,\1,p'
}

install_file() {
	local mode=$1 from=$2 to=$3

	cmp -s "$from" "$to" && return 0
	mkdir -p "$(dirname -- "$to")"
	# By rename: a running QEMU keeps the file it runs.
	install -m "$mode" "$from" "$to.new"
	mv "$to.new" "$to"
}

build_qemu() {
	local tests f

	unpack_source
	sync_source
	configure_tree
	# The first build takes minutes, the others seconds: say so only then.
	[ -e "$dir/build/qemu-system-x86_64" ] || opi_say "building QEMU (about 7 minutes on 2 cores, once)"
	opi_logged qemu-build "$OPI_TOP/qemu/inroot" -C "$dir/build" \
		ninja -j "$OPI_JOBS" qemu-system-x86_64 "$@"
	tests=$(our_tests)
	# shellcheck disable=SC2086 # a list of words
	[ -z "$tests" ] || opi_logged qemu-tests "$OPI_TOP/qemu/inroot" -C "$dir/build" \
		ninja -j "$OPI_JOBS" $tests
	install_file 755 "$dir/build/qemu-system-x86_64" "$out/qemu-system-x86_64"
	for f in "${firmware[@]}"; do
		install_file 644 "$root/$f" "$out/share/$(basename "$f")"
	done
	for f in $tests; do
		install_file 755 "$dir/build/$f" "$out/tests/$(basename "$f")"
	done
	# run-qtests.sh takes what is there.
	for f in "$out"/tests/opi-*; do
		grep -qxF "tests/qtest/$(basename "$f")" <<<"$tests" || rm -f "$f"
	done
}

case ${1:-} in
--key) echo "$key" ;;
--tree) echo "$dir" ;;
-*) opi_die "usage: mkqemu.sh [--key | --tree | TARGET...]" ;;
*) opi_lock "qemu-$key" build_qemu "$@" ;;
esac
