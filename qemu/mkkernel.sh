#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Build the debug kernel from the distribution's kernel source: the same version
# as the stock kernel, with kernel/debug.config and nothing else.
#
#   mkkernel.sh          build it if it is not in the cache, link it in build/image/
#   mkkernel.sh --key    print its key
#
# In the cache, kernel-KEY/:
#   bzImage, config, kver
#   modules/RELEASE/     its modules
#   build/               to build other modules against

. "$(dirname -- "$0")/lib.sh"

fragment=$OPI_TOP/qemu/kernel/debug.config
root=$(opi_root)
key=$({
	echo format=1
	grep -E '^CONFIG_|^# CONFIG_.* is not set' "$fragment"
	cat "$root/opi/linux-version"
	opi_versions gcc-14
} | opi_key)
dir=$OPI_CACHE/kernel-$key
out=$OPI_TOP/build/image

# Kconfig drops what it cannot satisfy without a word: say what is missing.
check_config() {
	local config=$1 line missing=0

	while IFS= read -r line; do
		case $line in
		CONFIG_*) grep -qxF -- "$line" "$config" && continue ;;
		'# CONFIG_'*) ! grep -q "^${line:2:-11}=" "$config" && continue ;;
		*) continue ;;
		esac
		echo "not in the kernel's configuration: $line"
		missing=$((missing + 1))
	done <"$fragment"
	[ $missing -eq 0 ] || opi_die "$missing options of debug.config did not stick"
}

kmake() {
	"$OPI_TOP/qemu/inroot" nice make -C "$src" O="$part/build" -j "$OPI_JOBS" \
		KBUILD_BUILD_USER=opi KBUILD_BUILD_HOST=testbed "$@"
}

configure() {
	mkdir -p "$part/build"
	kmake KCONFIG_ALLCONFIG="$fragment" allnoconfig
	check_config "$part/build/.config"
}

# Keep what building a module takes; the objects of the kernel itself do not.
trim_build() {
	find "$part/build" \( -name scripts -o -name tools \) -prune -o -type f \
		\( -name '*.o' -o -name '*.a' -o -name '*.ko' -o -name '*.mod*' -o -name '.*.cmd' \
		-o -name 'vmlinux*' \) -print0 | xargs -0 rm -f
	rm -rf "$part/build/arch/x86/boot"
}

make_kernel() {
	local src part kver

	[ ! -d "$dir" ] || return 0
	src=$(opi_linux_src)
	part=$(opi_newdir "$dir")
	opi_say "building the debug kernel (10 to 20 minutes on 2 cores, once)"
	opi_logged kernel-configure configure
	opi_logged kernel-build kmake vmlinux
	opi_logged kernel-build kmake bzImage modules
	kver=$(cat "$part/build/include/config/kernel.release")
	opi_logged kernel-install kmake INSTALL_MOD_PATH="$part/inst" INSTALL_MOD_STRIP=1 modules_install
	mkdir -p "$part/modules"
	mv "$part/inst/lib/modules/$kver" "$part/modules/$kver"
	rm -rf "$part/inst"
	rm -f "$part/modules/$kver/build" "$part/modules/$kver/source"
	cp "$part/build/arch/x86/boot/bzImage" "$part/bzImage"
	cp "$part/build/.config" "$part/config"
	echo "$kver" >"$part/kver"
	trim_build
	mv "$part" "$dir"
	opi_prune "$dir" kernel
}

case ${1:-} in
--key)
	echo "$key"
	;;
'')
	opi_have "$dir" || opi_lock kernel make_kernel
	mkdir -p "$out"
	ln -sfn "$dir/bzImage" "$out/vmlinuz-debug"
	;;
*)
	opi_die "usage: mkkernel.sh [--key]"
	;;
esac
