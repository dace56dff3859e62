# SPDX-License-Identifier: GPL-2.0
#
# The whole project from a fresh clone.  On a Debian 12 or 13 with root, git and
# make, "make demo" and "make check" install and build what they need, once, into
# a cache ($OPI_CACHE, else ~/.cache/opi); build/ holds what the test bed runs.
# How things are built stands in qemu/*.sh and in each directory's own Makefile.

# For install: the system that it is for.
KDIR	?= /lib/modules/$(shell uname -r)/build
PREFIX	?= /usr/local
DESTDIR	?=

# The scripts use all processors themselves, and share the cache.
.NOTPARALLEL:

all: deps		## build what runs on the stock kernel
	qemu/mkroot.sh >/dev/null
	qemu/mkqemu.sh
	qemu/mkimage.sh
	qemu/mkpayload.sh stock
	qemu/mknested.sh

demo: all		## two machines, one card: the story in a minute
	selftests/demo.sh

check: debug-kernel	## all tests on the stock kernel, a smoke set on the debug kernel
	selftests/run.sh check

check-full: debug-kernel	## all tests, and each path of the driver on the debug kernel
	selftests/run.sh check-full

soak: debug-kernel	## what has a count, in great numbers; goes on where it was stopped
	selftests/run.sh soak

bench: all		## measure the card beside others (hours, on an idle machine)
	bench/run.sh

lint: all		## style and static checks
	qemu/lint.sh

debug-kernel: all	## also build the kernel that checks itself (15 minutes, once)
	qemu/mkkernel.sh
	qemu/mkpayload.sh debug
	qemu/mkvfio.sh >/dev/null

install:		## install modules, tools and headers on this system (KDIR, PREFIX, DESTDIR)
	$(MAKE) -C kernel KDIR=$(KDIR)
	$(MAKE) -C kernel KDIR=$(KDIR) INSTALL_MOD_PATH=$(DESTDIR) INSTALL_MOD_DIR=updates/opi modules_install
	$(MAKE) -C tools/opitool install DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)
	$(MAKE) -C tools/opi-user install DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)
	$(MAKE) -C tools/udev install DESTDIR=$(DESTDIR) PREFIX=$(PREFIX)
	install -d $(DESTDIR)$(PREFIX)/include/linux
	install -m 644 uapi/linux/*.h $(DESTDIR)$(PREFIX)/include/linux/

deps:			## install on this machine what building and running need
	qemu/deps.sh

clean:			## remove build/ (the cache stays; rm -r ~/.cache/opi removes it)
	rm -rf build

help:			## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile | \
		while IFS="$$(printf '\t')" read -r t h; do printf '  make %-14s %s\n' "$$t" "$$h"; done

.PHONY: all demo check check-full soak bench lint debug-kernel install deps clean help
