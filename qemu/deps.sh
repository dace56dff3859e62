#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Install on the build machine (Debian 12 or 13) what the test bed runs outside
# the build root.  Compilers, headers and checkers are not here: they live in
# the build root (mkroot.sh), the same on every builder.
#
# Quiet and quick when nothing is missing; needs root and network otherwise.

. "$(dirname -- "$0")/lib.sh"

packages=(
	mmdebstrap debian-archive-keyring	# roots and images
	openssh-client socat jq			# the test bed and its tests
	util-linux mount coreutils procps xz-utils zstd
)

command -v apt-get >/dev/null ||
	opi_die "the build machine must be a Debian 12 or 13"

missing=()
for p in "${packages[@]}"; do
	status=$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null || true)
	[ "$status" = installed ] || missing+=("$p")
done
[ ${#missing[@]} -gt 0 ] || exit 0

opi_need_root "installing ${missing[*]}"
opi_say "installing: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
opi_logged apt-update apt-get -q update
opi_logged apt-install apt-get -q -y --no-install-recommends install "${missing[@]}"
