#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Make the guests' second disk, build/image/payload-KERNEL.ext4: all that comes
# from this tree.  It is stacked over the base image at boot, so a change of
# ours costs seconds and never a new base image.
#
#   mkpayload.sh stock|debug
#
#   usr/lib/modules/RELEASE/    our modules (updates/opi) and depmod's files; with
#                               the stock kernel, which lacks it, its simulated card
#                               (updates/netdevsim), with the debug kernel all of its
#                               modules
#   usr/lib/opi, etc            start-up scripts (image/rootfs)
#   usr                         make install of tools/, selftests/, uapi/
#
# Modules and tools are built in copies of the tree, build/tree-KERNEL/, because
# one directory cannot hold the objects of two kernels.

. "$(dirname -- "$0")/lib.sh"

flavour=${1:-}
case $flavour in
stock|debug) ;;
*) opi_die "usage: mkpayload.sh stock|debug" ;;
esac

out=$OPI_TOP/build/image
tree=$OPI_TOP/build/tree-$flavour
stage=$OPI_TOP/build/stage-$flavour
payload=$out/payload-$flavour.ext4
kver=$(opi_kver "$flavour")
if [ "$flavour" = stock ]; then
	modules=$OPI_CACHE/base-$("$OPI_TOP/qemu/mkimage.sh" --key)/modules
else
	modules=$(opi_debug_kernel)/modules
fi

inroot() { "$OPI_TOP/qemu/inroot" -k "$flavour" "$@"; }

# What git would take, without the parts that are not built here.
copy_tree() {
	mkdir -p "$tree"
	inroot rsync -rlpc --delete --filter=':- .gitignore' --exclude=/.git --exclude=/build \
		--exclude=/qemu --include=/qemu/image "$OPI_TOP/" "$tree/"
}

# Everything that the payload is made from, as one line.
tree_key() {
	{
		echo "format=1 $kver"
		cd "$OPI_TOP"
		find . \( -path ./.git -o -path ./build -o -path ./qemu/hw \) -prune -o -type f -print0 |
			LC_ALL=C sort -z | xargs -0 sha256sum
	} | opi_key
}

build_modules() {
	inroot make -C "$tree/kernel" -j "$OPI_JOBS"
}

# The kernel's simulated card, from the source of the same version, for the kernel's own
# tests that want it.  It is of no use but there, and built once for a kernel.
netdevsim_dir() {
	printf '%s\n' "$OPI_CACHE/netdevsim-$(printf '%s\n' format=1 "$kver" "$(opi_linux_src)" | opi_key)"
}

make_netdevsim() {
	local dir part

	dir=$(netdevsim_dir)
	! opi_have "$dir" || return 0
	part=$(opi_newdir "$dir")
	cp "$(opi_linux_src)"/drivers/net/netdevsim/* "$part/"
	# shellcheck disable=SC2016 # for the inner shell
	opi_logged netdevsim inroot sh -c \
		'make -C "$KDIR" M="$0" CONFIG_NETDEVSIM=m modules -j "$1" && strip --strip-debug "$0/netdevsim.ko"' \
		"$part" "$OPI_JOBS"
	find "$part" -mindepth 1 ! -name netdevsim.ko -delete
	mv "$part" "$dir"
	opi_prune "$dir" netdevsim
}

install_modules() {
	local mods=$stage/usr/lib/modules/$kver ko

	mkdir -p "$mods/updates/opi"
	while IFS= read -r ko; do
		cp "$ko" "$mods/updates/opi/"
	done < <(find "$tree/kernel" -name '*.ko')
	find "$mods/updates/opi" -name '*.ko' -exec "$OPI_TOP/qemu/inroot" strip --strip-debug {} +
	if [ "$flavour" = stock ]; then
		opi_lock netdevsim make_netdevsim
		install -D -m 644 -t "$mods/updates/netdevsim" "$(netdevsim_dir)/netdevsim.ko"
	fi

	# depmod wants to see all modules of the kernel: lend them by hard links.
	rm -rf "$stage.depmod"
	mkdir -p "$stage.depmod/lib/modules"
	# A cache on another mount takes copies; what half a try left would be in the way.
	cp -al "$modules/$kver" "$stage.depmod/lib/modules/$kver" 2>/dev/null || {
		rm -rf "$stage.depmod/lib/modules/$kver"
		cp -a "$modules/$kver" "$stage.depmod/lib/modules/$kver"
	}
	rm -f "$stage.depmod/lib/modules/$kver"/modules.{dep,alias,symbols,softdep,devname,weakdep}*
	cp -a "$mods/updates" "$stage.depmod/lib/modules/$kver/"
	inroot depmod -b "$stage.depmod" "$kver"
	if [ "$flavour" = stock ]; then
		cp "$stage.depmod/lib/modules/$kver"/modules.* "$mods/"
	else
		cp -a "$stage.depmod/lib/modules/$kver/." "$mods/"
	fi
	rm -rf "$stage.depmod"
}

install_userland() {
	local d src

	src=$(opi_linux_src)
	for d in tools/opitool tools/opi-user tools/udev selftests; do
		inroot make -C "$tree/$d" -j "$OPI_JOBS" LINUX_SRC="$src"
		inroot make -C "$tree/$d" install DESTDIR="$stage" PREFIX=/usr LINUX_SRC="$src"
	done
	install -D -m 644 -t "$stage/usr/include/linux" "$tree"/uapi/linux/*.h
	cp -a "$OPI_TOP/qemu/image/rootfs/." "$stage/"
	# What "systemctl enable" makes.  Not a link in the tree, which tree_key would not see.
	mkdir -p "$stage/etc/systemd/system/multi-user.target.wants"
	ln -s ../opi-ready.service "$stage/etc/systemd/system/multi-user.target.wants/"
	inroot gcc -std=gnu11 -O2 -Wall -Wextra -Werror -static -s -o "$stage/usr/lib/opi/login" \
		"$OPI_TOP/qemu/image/login.c"
}

# Not for the guests: what the test bed asks of the builder before it starts them.
build_tools() {
	inroot gcc -std=gnu11 -O2 -Wall -Wextra -Werror -static -o "$out/tsc-khz.new" "$OPI_TOP/qemu/tsc-khz.c"
	mv "$out/tsc-khz.new" "$out/tsc-khz"
}

make_payload() {
	local key

	key=$(tree_key)
	if [ -e "$payload" ] && [ "$(cat "$payload.key" 2>/dev/null)" = "$key" ]; then
		return 0
	fi
	opi_say "building modules, tools and tests ($flavour kernel)"
	mkdir -p "$out"
	copy_tree
	rm -rf "$stage"
	mkdir -p "$stage"
	opi_logged "modules-$flavour" build_modules
	install_modules
	opi_logged "userland-$flavour" install_userland
	build_tools
	chown -R 0:0 "$stage"
	opi_mkfs "$stage" "$payload" opi-payload
	echo "$key" >"$payload.key"
	rm -rf "$stage"
}

opi_lock "payload-$flavour" make_payload
