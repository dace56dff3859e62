#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# What is built, is built without a warning, for each kernel that tests run on,
# and can be installed on a system.

. "$(dirname -- "$0")/../lib/tap.sh"

CASES="
	modules_build_with_all_warnings_as_errors
	modules_load_nowhere_but_where_the_device_is
	guest_programs_build
	everything_can_be_installed
"

inroot() { "$OPI_TOP/qemu/inroot" "$@"; }

# What git would take, so that no object of another build is used.
copy_tree()
{
	git -C "$OPI_TOP" ls-files -co --exclude-standard -- "$@" | while IFS= read -r f; do
		[ ! -f "$OPI_TOP/$f" ] || printf '%s\n' "$f"
	done | tar -C "$OPI_TOP" -T - -c | tar -C "$CASE_DIR" -x
}

modules_build_with_all_warnings_as_errors()
{
	local k

	copy_tree kernel uapi
	for k in ${OPI_KERNELS:-stock}; do
		note "$k"
		inroot -k "$k" make -C "$CASE_DIR/kernel" clean >/dev/null
		inroot -k "$k" make -C "$CASE_DIR/kernel" -j "$(nproc)" W=1 KCFLAGS=-Werror >"$CASE_DIR/log" 2>&1 ||
			{ cat "$CASE_DIR/log"; exit 1; }
		refused '^$' grep -E 'warning:|WARNING:' "$CASE_DIR/log"
	done
}

# Aliases of the device ids of the interface, and no others.
modules_load_nowhere_but_where_the_device_is()
{
	copy_tree kernel uapi
	inroot make -C "$CASE_DIR/kernel" -j "$(nproc)" >/dev/null
	expect_eq "aliases" "$(inroot modinfo -F alias "$CASE_DIR/kernel/opi_core/opi_core.ko" | sort | xargs)" \
		"auxiliary:opi_core.sf pci:v00001AF4d000010F0sv*sd*bc*sc*i* pci:v00001AF4d000010F1sv*sd*bc*sc*i* pci:v00001AF4d000010F2sv*sd*bc*sc*i*"
	expect_eq "parameters" "$(inroot modinfo -p "$CASE_DIR/kernel/opi_core/opi_core.ko")" ""
	expect_eq "licence" "$(inroot modinfo -F license "$CASE_DIR/kernel/opi_core/opi_core.ko")" GPL
}

guest_programs_build()
{
	inroot make -C "$OPI_TOP/selftests" OUT="$CASE_DIR/out" install DESTDIR="$CASE_DIR/dest" >/dev/null
	[ -x "$CASE_DIR/dest/usr/libexec/kselftests/opi/frames" ]
}

everything_can_be_installed()
{
	local f

	copy_tree Makefile kernel uapi tools
	inroot -C "$CASE_DIR" sh -c 'make install KDIR="$KDIR" DESTDIR="$0/dest" PREFIX=/usr' "$CASE_DIR" >"$CASE_DIR/log" 2>&1 ||
		{ tail -n 20 "$CASE_DIR/log"; exit 1; }
	for f in usr/bin/opitool usr/include/linux/opi_pci.h usr/include/linux/opi.h \
			usr/lib/udev/rules.d/90-opi.rules; do
		[ -e "$CASE_DIR/dest/$f" ] || fail "$f is not installed"
	done
	[ -n "$(find "$CASE_DIR/dest" -name 'opi_core.ko*')" ]
}

run_cases "$@"
