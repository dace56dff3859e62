#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
#
# What is built, is built without a warning, for each kernel that tests run on,
# and can be installed on a system.  Each build takes a minute, hence one serves
# all that is asked of it.

. "$(dirname -- "$0")/../lib/tap.sh"

CASES="
	everything_is_installed_built_with_all_warnings_as_errors
	guest_programs_build
"
# The stock kernel's modules are those that are installed.
[[ ${OPI_KERNELS:-stock} != *debug* ]] ||
	CASES+="modules_for_the_debug_kernel_build_with_all_warnings_as_errors"

inroot() { "$OPI_TOP/qemu/inroot" "$@"; }

# What git would take, so that no object of another build is used.
copy_tree()
{
	git -C "$OPI_TOP" ls-files -co --exclude-standard -- "$@" | while IFS= read -r f; do
		[ ! -f "$OPI_TOP/$f" ] || printf '%s\n' "$f"
	done | tar -C "$OPI_TOP" -T - -c | tar -C "$CASE_DIR" -x
}

quiet() { refused '^$' grep -E 'warning:|WARNING:' "$CASE_DIR/log"; }

modules_for_the_debug_kernel_build_with_all_warnings_as_errors()
{
	copy_tree kernel uapi
	inroot -k debug make -C "$CASE_DIR/kernel" -j "$(nproc)" W=1 KCFLAGS=-Werror >"$CASE_DIR/log" 2>&1 ||
		{ cat "$CASE_DIR/log"; exit 1; }
	quiet
}

guest_programs_build()
{
	inroot make -C "$OPI_TOP/selftests" OUT="$CASE_DIR/out" install DESTDIR="$CASE_DIR/dest" >/dev/null
	[ -x "$CASE_DIR/dest/usr/libexec/kselftests/opi/frames" ]
}

everything_is_installed_built_with_all_warnings_as_errors()
{
	local f ko

	copy_tree Makefile kernel uapi tools
	# shellcheck disable=SC2016 # the root's shell knows KDIR
	inroot -C "$CASE_DIR" sh -c 'make -j "$1" install W=1 KCFLAGS=-Werror KDIR="$KDIR" DESTDIR="$0/dest" PREFIX=/usr' \
		"$CASE_DIR" "$(nproc)" >"$CASE_DIR/log" 2>&1 ||
		{ tail -n 20 "$CASE_DIR/log"; exit 1; }
	quiet
	for f in usr/bin/opitool usr/include/linux/opi_pci.h usr/include/linux/opi.h \
			usr/lib/udev/rules.d/90-opi.rules; do
		[ -e "$CASE_DIR/dest/$f" ] || fail "$f is not installed"
	done
	ko=$(find "$CASE_DIR/dest" -name 'opi_core.ko*')
	[ -n "$ko" ]
	# Aliases of the device ids of the interface, and no others: it is loaded nowhere
	# but where the device is.
	expect_eq "aliases" "$(inroot modinfo -F alias "$ko" | sort | xargs)" \
		"auxiliary:opi_core.sf pci:v00001AF4d000010F0sv*sd*bc*sc*i* pci:v00001AF4d000010F1sv*sd*bc*sc*i* pci:v00001AF4d000010F2sv*sd*bc*sc*i*"
	expect_eq "parameters" "$(inroot modinfo -p "$ko")" ""
	expect_eq "licence" "$(inroot modinfo -F license "$ko")" GPL
}

run_cases "$@"
