#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Make what the guests boot and what never changes with our own code: a read-only
# Debian file system with the distribution's kernel modules, the kernel, and an
# initramfs.  Our modules, tools and tests, and the guests' own start-up scripts
# are on a second disk: see mkpayload.sh.
#
#   mkimage.sh          make it if it is not in the cache, link it in build/image/
#   mkimage.sh --key    print the key of the base image
#
# In the cache, base-KEY/:
#   base.ext4           the file system
#   modules/            the stock kernel's modules as they are in it, for depmod
#   userland.txt        packages and versions

. "$(dirname -- "$0")/lib.sh"

packages=(
	# a system
	systemd systemd-sysv udev dbus kmod procps psmisc less vim-tiny
	bash-completion openssh-server socat strace file rsync e2fsprogs util-linux
	# network
	iproute2 ethtool iputils-ping iputils-arping iputils-tracepath iperf3
	tcpdump netsniff-ng netcat-openbsd openvswitch-switch nftables xdp-tools
	# storage
	fio nvme-cli cryptsetup-bin dmsetup
	# PCI, tests, our tool
	pciutils jq python3 python3-yaml python3-jsonschema bc
	libnl-3-200 libnl-genl-3-200 libnl-route-3-200 libjson-c5 libmnl0
	libcap2-bin libgcc-s1
)

# Modules for hardware that no guest here has stay compressed; a compressed
# module costs an emulated CPU most of its loading time.
keep_compressed='/(sound|infiniband|media|gpu|wireless|staging|iio|hid|usb|mtd|input|isdn|bluetooth|comedi)/'

recipe() {
	printf '%s\n' format=1 "$OPI_SUITE" "$OPI_ARCH" "${packages[@]}" "$keep_compressed"
	cat "$root/opi/linux-version"
}

root=$(opi_root)
kver=$(opi_kver stock)
key=$(recipe | opi_key)
dir=$OPI_CACHE/base-$key
out=$OPI_TOP/build/image

# mmdebstrap's last hook: $1 is the new root.
finish_image() {
	local new=$1 unit

	# No password, no first-boot questions; the keys and names of a running
	# machine are written at boot.
	chroot "$new" passwd -d root
	: >"$new/etc/machine-id"
	rm -f "$new/etc/hostname" "$new/etc/resolv.conf" "$new/var/lib/dbus/machine-id"
	chroot "$new" ssh-keygen -A
	for unit in openvswitch-switch.service apt-daily.timer apt-daily-upgrade.timer \
		dpkg-db-backup.timer fstrim.timer e2scrub_all.timer e2scrub_reap.service \
		nvmf-autoconnect.service nvmefc-boot-connections.service; do
		chroot "$new" systemctl --quiet disable "$unit" || true
	done
	chroot "$new" systemctl --quiet enable systemd-networkd.service
	dpkg-query --admindir="$new/var/lib/dpkg" -W >"$new/userland.txt"

	install_modules "$new"
	rm -rf "$new"/var/lib/apt/lists "$new"/var/cache/apt "$new"/var/log/* \
		"$new"/etc/apt/sources.list* "$new"/etc/apt/apt.conf.d/99mmdebstrap
	mkdir -p "$new/var/log" "$new/payload"
}

install_modules() {
	local new=$1 mods

	mods=$new/usr/lib/modules/$kver
	mkdir -p "$mods"
	cp -a "$root/usr/lib/modules/$kver/." "$mods/"
	rm -f "$mods/build" "$mods/source"
	find "$mods" -name '*.ko.xz' | grep -E -v "$keep_compressed" |
		xargs -r -P "$OPI_JOBS" -n 50 xz -d
	"$OPI_TOP/qemu/inroot" depmod -b "$new" "$kver"
}

make_image() {
	local part

	[ ! -d "$dir" ] || return 0
	opi_need_root "making the guest image"
	opi_say "making the guest image (about 2 minutes and 1.5 GB, once)"
	part=$(opi_newdir "$dir")
	opi_debian mkimage "$part/root" "${packages[@]}" -- \
		--customize-hook="'$OPI_TOP/qemu/mkimage.sh' --finish \"\$1\""
	mv "$part/root/userland.txt" "$part/userland.txt"
	opi_say "writing the file system"
	opi_mkfs "$part/root" "$part/base.ext4" opi-base
	mkdir -p "$part/modules"
	mv "$part/root/usr/lib/modules/$kver" "$part/modules/$kver"
	rm -rf --one-file-system "$part/root"
	mv "$part" "$dir"
	opi_prune "$dir" base
}

# A static busybox, one script, and the modules that reach the disks.  Where there is a
# virtio-iommu, all of PCI waits for its driver.
make_initrd() {
	local work=$1 to=$2 ver=$3 m f

	rm -rf "$work"
	mkdir -p "$work/bin" "$work/lib" "$work/proc" "$work/sys" "$work/dev" "$work/new"
	cp "$root/usr/bin/busybox" "$work/bin/busybox"
	install -m 755 "$OPI_TOP/qemu/image/initramfs-init" "$work/init"
	: >"$work/lib/order"
	if [ -n "$ver" ]; then
		for m in drivers/iommu/virtio-iommu arch/x86/crypto/crc32c-intel crypto/crc32c_generic fs/ext4/ext4 fs/overlayfs/overlay drivers/block/virtio_blk; do
			for f in $(sed -n "s,^kernel/$m\\.ko: *,,p" "$dir/modules/$ver/modules.dep" |
				tr ' ' '\n' | tac) "kernel/$m.ko"; do
				cp "$dir/modules/$ver/$f" "$work/lib/"
				basename "$f" >>"$work/lib/order"
			done
		done
	fi
	# shellcheck disable=SC2016 # for the inner shell
	"$OPI_TOP/qemu/inroot" -C "$work" sh -c \
		'find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 >"$0"' "$to.new"
	mv "$to.new" "$to"
	rm -rf "$work"
}

# The modules are those of $dir, busybox is the root's.
initrd_key() {
	{
		echo "$dir $root $kver"
		cat "$dir/userland.txt" "$OPI_TOP/qemu/image/initramfs-init" "$0"
	} | opi_key
}

link_out() {
	local f

	mkdir -p "$out"
	ln -sfn "$dir/base.ext4" "$out/base.ext4"
	ln -sfn "$root/boot/vmlinuz-$kver" "$out/vmlinuz-stock"
	if [ ! -e "$out/initrd-stock" ] || [ "$(cat "$out/initrd.key" 2>/dev/null)" != "$1" ]; then
		make_initrd "$out/initrd.work" "$out/initrd-stock" "$kver"
		# The debug kernel has those drivers built in.
		make_initrd "$out/initrd.work" "$out/initrd-debug" ''
		echo "$1" >"$out/initrd.key"
	fi
	for f in base.ext4 vmlinuz-stock initrd-stock initrd-debug; do
		[ -e "$out/$f" ] || opi_die "$out/$f is missing"
	done
}

case ${1:-} in
--key)
	echo "$key"
	;;
--finish)
	finish_image "$2"
	;;
'')
	opi_have "$dir" || opi_lock base make_image
	opi_lock image link_out "$(initrd_key)"
	;;
*)
	opi_die "usage: mkimage.sh [--key]"
	;;
esac
