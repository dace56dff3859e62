# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Shell functions that every script in qemu/ shares: where things are, keys,
# locks, progress, and what is in the cache under which key.  Sourced, never
# run.  What a thing is made of (packages, options) is said in the script that
# makes it (mkroot.sh, mkqemu.sh, mkkernel.sh, mkimage.sh), not here.
#
# A script that sources this file runs with errexit, nounset and pipefail.

set -euo pipefail
shopt -s inherit_errexit

OPI_TOP=$(CDPATH='' cd -- "${BASH_SOURCE[0]%/*}/.." && pwd -P)
OPI_CACHE=${OPI_CACHE:-${HOME:-/root}/.cache/opi}
OPI_JOBS=${OPI_JOBS:-$(nproc)}
# The one Debian release that guests, modules, tools and QEMU are built from.
OPI_SUITE=trixie
OPI_ARCH=amd64
export OPI_SUITE OPI_ARCH
export OPI_TOP OPI_CACHE OPI_JOBS

# Messages.  A step is one line to a reader who waits; the details go to a log.

opi_say() { printf '%s\n' "opi: $*" >&2; }
opi_die() { printf '%s\n' "opi: error: $*" >&2; exit 1; }

opi_need_root() {
	[ "$(id -u)" = 0 ] || opi_die "$1 needs root (chroot and mounts)"
}

# Turn a long build's output into something to watch: on a terminal one line
# that changes, elsewhere a line at most every 15 seconds, so that a log stays
# short and a watchdog still sees life.
opi_progress() {
	local line now last=0 width start=$SECONDS shown=0

	width=$(( ${COLUMNS:-80} - 12 ))
	while IFS= read -r line; do
		line=${line//[$'\r\t\e']/ }
		[ -n "${line// /}" ] || continue
		now=$((SECONDS - start))
		if [ -t 2 ]; then
			[ "$shown" = 0 ] || [ "$now" != "$last" ] || continue
			printf '\r\033[K  %4ds  %s' "$now" "${line:0:width}" >&2
			last=$now shown=1
		elif [ $((now - last)) -ge 15 ]; then
			printf '  %4ds  %s\n' "$now" "${line:0:110}" >&2
			last=$now
		fi
	done
	[ "$shown" = 0 ] || printf '\r\033[K' >&2
}

# opi_logged NAME CMD...: run CMD with its output in a log, show progress, and
# on failure show the end of the log.
opi_logged() {
	local name=$1 log rc=0
	shift
	log=$OPI_CACHE/log/$name.log
	mkdir -p "$OPI_CACHE/log"
	# A condition around "$@" would switch errexit off in it, hence the
	# subshells and the file.
	{
		set +e
		( set -e; "$@" ) 2>&1 </dev/null
		echo "$?" >"$log.rc"
	} | tee "$log" | opi_progress
	rc=$(cat "$log.rc")
	rm -f "$log.rc"
	if [ "$rc" != 0 ]; then
		tail -n 40 "$log" >&2
		opi_say "$name failed with status $rc; the whole log: $log"
	fi
	return "$rc"
}

# Keys.  A thing in the cache is named by what it was made from, so a changed
# recipe makes a new one and nothing is ever updated in place.

opi_key() { sha256sum | cut -c1-12; }

# opi_lock NAME CMD...: run CMD (often a function) while holding a lock, so
# that two builds at once make a thing once.  A failure of CMD ends the script.
opi_lock() {
	local name=$1 fd
	shift
	mkdir -p "$OPI_CACHE/lock"
	exec {fd}>"$OPI_CACHE/lock/$name"
	if ! flock -n "$fd"; then
		opi_say "waiting for another build of $name"
		flock "$fd"
	fi
	"$@"
	exec {fd}>&-
}

# A directory to make a cache entry in.  The entry appears by one rename when
# it is whole; what an interrupted build left is removed by the next.
opi_newdir() {
	local dir=$1.part

	[ ! -e "$dir" ] || rm -rf --one-file-system "$dir"
	mkdir -p "$dir"
	printf '%s\n' "$dir"
}

# opi_have DIR: is that entry there?  Whoever asks uses it.
opi_have() {
	[ -d "$1" ] || return 1
	touch "$1/.used"
}

# Keep the entry in use and the one used before it; drop older ones of a kind.
# (Two branches with two recipes shall not rebuild each other's for ever.)
opi_prune() {
	local keep=$1 kind=$2 old

	touch "$keep/.used"
	# Half-made ones of other recipes, of which nobody can be busy any more.
	find "$OPI_CACHE" -maxdepth 1 -name "$kind-*.part" -mmin +1440 -exec rm -rf {} +
	find "$OPI_CACHE" -maxdepth 1 -type d -name "$kind-*" ! -name '*.part' \
		-printf '%p\n' | while IFS= read -r old; do
		printf '%s %s\n' "$(stat -c %Y "$old/.used" 2>/dev/null || echo 0)" "$old"
	done | sort -rn | tail -n +3 | cut -d' ' -f2- | while IFS= read -r old; do
		[ "$old" = "$keep" ] || rm -rf --one-file-system "$old"
	done
}

# What the machine's own apt says: which mirror, through which proxy.

opi_apt_targets() {
	# shellcheck disable=SC2016 # apt expands these
	apt-get indextargets --format \
		'$(ORIGIN)|$(CODENAME)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' |
		awk -F'|' '$1 == "Debian" && $3 == "main" && $4 !~ /^cdrom:/' | sort -u
}

# The machine's Debian sources (sources.list or deb822, apt reads both), with
# the release replaced by ours; the same set of suites, so that a machine that
# follows the security archive gets its guests from there too.
opi_apt_sources() {
	local targets codename comp uri suite type keyring

	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	[ -e "$keyring" ] || opi_die "$keyring is missing: run qemu/deps.sh"
	targets=$(opi_apt_targets)
	if [ -z "$targets" ]; then
		apt-get -qq update >&2
		targets=$(opi_apt_targets)
	fi
	[ -n "$targets" ] || opi_die "apt of this machine has no Debian source to derive a mirror from"
	while IFS='|' read -r _ codename comp uri; do
		case $codename in
		*-*) suite=${codename#*-} ;;
		*) suite='' ;;
		esac
		case $suite in
		''|updates|security) ;;
		*) continue ;;
		esac
		for type in deb deb-src; do
			echo "$type [signed-by=$keyring] ${uri%/} $OPI_SUITE${suite:+-$suite} $comp"
		done
	done <<-EOT | sort -u
	$targets
	EOT
}

# The settings of the machine's apt that decide whether its mirror is reached
# and believed: proxies, certificates, dates.
opi_apt_options() {
	apt-config dump | awk '
		/^Acquire::(http|https)::(Proxy|Proxy-Auto-Detect|Verify-Peer|Verify-Host|CaInfo|Timeout)[: ]/ ||
		/^Acquire::(Check-Valid-Until|Check-Date|Retries|ForceIPv4|ForceIPv6) /' |
		grep -v ' "";$' || true
}

# opi_debian LOG DIR PACKAGE... [-- OPTION...]: a minimal Debian with these packages in
# DIR, through the machine's apt; OPTIONs are mmdebstrap's.  No documents, and no
# translations.
opi_debian() {
	local log=$1 dir=$2 packages=() opts=() line
	shift 2

	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		packages+=("$1")
		shift
	done
	[ $# -eq 0 ] || shift
	while IFS= read -r line; do
		opts+=(--aptopt="$line")
	done < <(opi_apt_options)
	opi_apt_sources >"$dir.list"
	opi_logged "$log" mmdebstrap --verbose --mode=root --variant=minbase --architectures="$OPI_ARCH" \
		"${opts[@]}" --aptopt='Acquire::Languages "none"' \
		--dpkgopt='force-unsafe-io' \
		--dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--dpkgopt='path-exclude=/usr/share/doc/*' \
		--include="$(IFS=,; echo "${packages[*]}")" "$@" \
		"$OPI_SUITE" "$dir" "$dir.list"
	rm -f "$dir.list"
}

# The build root: see mkroot.sh.  Finding it takes a dozen processes: who calls many of these
# scripts, as the tests do, finds it once and exports OPI_ROOT.

opi_root() {
	local dir=${OPI_ROOT:-}

	[ -n "$dir" ] || dir=$OPI_CACHE/root-$("$OPI_TOP/qemu/mkroot.sh" --key)
	[ -d "$dir" ] || opi_die "no build root yet: run make (or qemu/mkroot.sh)"
	printf '%s\n' "$dir"
}

# opi_kver stock|debug: the release string of a guest kernel.
opi_kver() {
	case $1 in
	stock) cat "$(opi_root)/opi/kver" ;;
	debug) cat "$(opi_debug_kernel)/kver" ;;
	*) opi_die "unknown kernel '$1' (stock or debug)" ;;
	esac
}

# opi_kdir stock|debug: where to build modules against, as seen in the root.
opi_kdir() {
	case $1 in
	stock) printf '/usr/lib/modules/%s/build\n' "$(opi_kver stock)" ;;
	debug) printf '%s/build\n' "$(opi_debug_kernel)" ;;
	*) opi_die "unknown kernel '$1' (stock or debug)" ;;
	esac
}

# The kernel's source, unpacked once (checkpatch, the kselftest runner and
# harness, ynl): the same version as the guests' kernel.
opi_linux_src() {
	local root ver dir

	root=$(opi_root)
	ver=$(cat "$root/opi/linux-version")
	dir=$OPI_CACHE/linux-$ver
	opi_have "$dir" || opi_lock linux opi_unpack_linux "$root" "$dir" >&2
	printf '%s\n' "$dir"
}

opi_unpack_linux() {
	local root=$1 dir=$2 part

	[ ! -d "$dir" ] || return 0
	opi_say "unpacking the kernel source ($(basename "$dir"))"
	part=$(opi_newdir "$dir")
	tar -C "$part" --strip-components=1 -xf "$root"/usr/src/linux-source-*.tar.xz
	mv "$part" "$dir"
	opi_prune "$dir" linux
}

opi_debug_kernel() {
	local dir

	dir=$OPI_CACHE/kernel-$("$OPI_TOP/qemu/mkkernel.sh" --key)
	[ -d "$dir" ] || opi_die "no debug kernel yet: run qemu/mkkernel.sh"
	printf '%s\n' "$dir"
}

# Programs of the root run outside it through the root's own loader, so that
# a builder of another release needs no libraries of ours.
opi_ld() {
	local root

	root=$(opi_root)
	printf '%s\n' "$root/usr/lib64/ld-linux-x86-64.so.2" --library-path \
		"$root/usr/lib/x86_64-linux-gnu"
}

# opi_versions PACKAGE...: their versions in the root, for keys of things that
# need rebuilding when a compiler or library changed, but not whenever any
# package was added to the root.
opi_versions() {
	dpkg-query --admindir="$(opi_root)/var/lib/dpkg" -W \
		-f '${Package}=${Version}\n' "$@"
}

# opi_mkfs DIR FILE LABEL: a read-only ext4 of what is in DIR.  No journal, no
# reserve; the size follows the content.
opi_mkfs() {
	local from=$1 to=$2 label=$3 kb inodes

	kb=$(du -s --apparent-size --block-size=1024 "$from" | cut -f1)
	inodes=$(find "$from" | wc -l)
	rm -f "$to.new"
	# A block is rounded up per file, an inode takes 256 bytes.
	kb=$((kb * 105 / 100 + inodes * 5 + 4096))
	"$OPI_TOP/qemu/inroot" mke2fs -q -t ext4 -O '^has_journal,^resize_inode' -m 0 \
		-N "$((inodes + 64))" -L "$label" -d "$from" "$to.new" "${kb}k" >&2
	mv "$to.new" "$to"
}
