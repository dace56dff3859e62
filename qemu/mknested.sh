#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Make what a guest inside the host needs: build/image/nested.ext4, a disk that the
# host of a test bed can be given ("testbed up --host-arg -drive ...").  With it the host is a
# server whose virtual machines have functions of the card, by VFIO.
#
#	qemu, ld.so, lib/, share/	the test bed's own QEMU with its libraries and firmware,
#				since the image has no QEMU
#	run			runs it: run QEMU-OPTION...
#	vmlinuz, initrd		the guest: the stock kernel, a busybox, our driver, and a server
#				of checked data (image/nested-init)
#
# The guest has the stock kernel whichever the host has.

. "$(dirname -- "$0")/lib.sh"

out=$OPI_TOP/build/image
stage=$OPI_TOP/build/stage-nested
tree=$OPI_TOP/build/tree-stock
image=$out/nested.ext4
root=$(opi_root)
qemu=$OPI_TOP/build/qemu

# Everything that the disk is made from, as one line.
nested_key() {
	{
		echo "format=1 $root"
		cd "$OPI_TOP"
		sha256sum qemu/mknested.sh qemu/image/nested-init selftests/guest/traffic.c \
			"$qemu/qemu-system-x86_64" "$tree/kernel/opi_core/opi_core.ko"
	} | opi_key
}

# The libraries of a program, by the root's loader.
libraries() {
	local ld

	mapfile -t ld < <(opi_ld)
	"${ld[0]}" "${ld[@]:1}" --list "$1" | sed -n 's,.*=> \(/.*\) (0x.*,\1,p'
}

make_initrd() {
	local work=$stage/initrd.work

	mkdir -p "$work"/{bin,lib,proc,sys,dev}
	cp "$root/usr/bin/busybox" "$work/bin/"
	install -m 755 "$OPI_TOP/qemu/image/nested-init" "$work/init"
	cp "$tree/kernel/opi_core/opi_core.ko" "$work/lib/"
	"$OPI_TOP/qemu/inroot" strip --strip-debug "$work/lib/opi_core.ko"
	"$OPI_TOP/qemu/inroot" make -s -C "$OPI_TOP/selftests" OUT="$work/bin" CFLAGS=-O2 LDFLAGS='-static -s' \
		"$work/bin/traffic"
	# shellcheck disable=SC2016 # for the inner shell
	"$OPI_TOP/qemu/inroot" -C "$work" sh -c \
		'find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 >"$0"' "$stage/initrd"
	rm -rf "$work"
}

make_nested() {
	local key f

	key=$(nested_key)
	if [ -e "$image" ] && [ "$(cat "$image.key" 2>/dev/null)" = "$key" ]; then
		return 0
	fi
	opi_say "making the guest inside the host"
	rm -rf "$stage"
	mkdir -p "$stage/lib"
	opi_logged nested make_initrd
	cp -L "$out/vmlinuz-stock" "$stage/vmlinuz"
	cp "$qemu/qemu-system-x86_64" "$stage/qemu"
	cp -r "$qemu/share" "$stage/share"
	cp -L "$root/usr/lib64/ld-linux-x86-64.so.2" "$stage/ld.so"
	libraries "$stage/qemu" | while IFS= read -r f; do
		cp -L "$f" "$stage/lib/"
	done
	cat >"$stage/run" <<-'EOT'
	#!/bin/sh
	here=${0%/*}
	exec "$here/ld.so" --library-path "$here/lib" "$here/qemu" -L "$here/share" "$@"
	EOT
	chmod 755 "$stage/run"
	chown -R 0:0 "$stage"
	opi_mkfs "$stage" "$image" opi-nested
	echo "$key" >"$image.key"
	rm -rf "$stage"
}

for f in "$out/vmlinuz-stock" "$tree/kernel/opi_core/opi_core.ko" "$qemu/qemu-system-x86_64"; do
	[ -e "$f" ] || opi_die "${f#"$OPI_TOP"/} is missing: run make all"
done
opi_lock nested make_nested
