#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Make the build root: a minimal Debian in which everything is built (modules,
# QEMU, tools, tests, images) and from which the guests' kernel comes, so that
# gcc, headers, kernel and libraries are the same on every builder.
#
#   mkroot.sh          make it if it is not in the cache, print its path
#   mkroot.sh --key    print the key of the recipe, make nothing
#
# Besides packages (among them the guests' kernel with the headers and the source
# of the same version) it holds QEMU's source package, in /opi/qemu.  After it is
# made nothing but the guest image needs the network again.

. "$(dirname -- "$0")/lib.sh"

packages=(
	# common
	build-essential pkg-config python3 python3-venv python3-yaml
	python3-jsonschema rsync patch file perl git
	# kernel modules, the debug kernel
	linux-image-amd64 linux-headers-amd64 linux-source bc bison flex kmod cpio
	libelf-dev libssl-dev
	# QEMU
	meson ninja-build libglib2.0-dev libpixman-1-dev libslirp-dev
	libgcrypt20-dev libfdt-dev libaio-dev zlib1g-dev seabios
	qemu-system-data
	# tools and tests
	libnl-3-dev libnl-genl-3-dev libnl-route-3-dev libjson-c-dev
	libcap-dev libmnl-dev uuid-dev
	# images
	e2fsprogs busybox-static zstd xz-utils
	# checkers
	sparse shellcheck codespell python3-docutils groff-base mandoc
)

# What decides the root's content, and nothing else: its hash is the key.
recipe() {
	printf '%s\n' format=1 "$OPI_SUITE" "$OPI_ARCH" "${packages[@]}"
}

key=$(recipe | opi_key)
dir=$OPI_CACHE/root-$key

# Runs as mmdebstrap's hook, outside the root with apt pointed into it, so that
# the same mirror, proxy and keys apply as for the packages.
finish_root() {
	local root=$1 meta kver

	export APT_CONFIG=$MMDEBSTRAP_APT_CONFIG
	mkdir -p "$root/opi/qemu"
	meta=$(dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${Depends}' linux-headers-amd64)
	kver=${meta#linux-headers-}
	kver=${kver%% *}
	echo "$kver" >"$root/opi/kver"
	dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${Version}\n' \
		"linux-headers-$kver" >"$root/opi/linux-version"
	rm -f "$root"/boot/initrd.img*
	cd "$root/opi/qemu"
	apt-get -q source --download-only qemu
}

check_root() {
	local root=$1 kver ver src

	kver=$(cat "$root/opi/kver") ver=$(cat "$root/opi/linux-version")
	[ -e "$root/boot/vmlinuz-$kver" ] ||
		opi_die "no image of kernel $kver in the root"
	[ -d "$root/usr/src/linux-headers-$kver" ] ||
		opi_die "no headers of kernel $kver in the root"
	src=$(dpkg-query --admindir="$root/var/lib/dpkg" -W -f '${Version}' "linux-source-${ver%%.*}.*" | sort -V | tail -n 1)
	[ "$src" = "$ver" ] ||
		opi_die "kernel source $src and headers $ver differ: the mirror is being updated, try again later"
	[ -n "$(find "$root/opi/qemu" -name 'qemu_*.dsc')" ] ||
		opi_die "no QEMU source package"
}

make_root() {
	local part

	[ ! -d "$dir" ] || return 0
	opi_need_root "making the build root"
	opi_say "making the build root (about 2 minutes and 1.1 GB, once)"
	part=$(opi_newdir "$dir")
	# The kernel is not booted here: no initramfs.
	INITRD=No opi_debian mkroot "$part" "${packages[@]}" -- \
		--customize-hook="'$OPI_TOP/qemu/mkroot.sh' --finish \"\$1\""
	check_root "$part"
	mv "$part" "$dir"
	opi_prune "$dir" root
}

case ${1:-} in
--key)
	echo "$key"
	;;
--finish)
	finish_root "$2"
	;;
'')
	opi_have "$dir" || opi_lock root make_root
	echo "$dir"
	;;
*)
	opi_die "usage: mkroot.sh [--key]"
	;;
esac
