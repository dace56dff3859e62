# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Where a bed is, and how a command gets into one of its guests.  Sourced by bed.sh,
# and by the tests: those give thousands of commands, and starting testbed for each takes
# longer than most of them.  Functions only: it changes nothing of who sources it.

# bed_path NAME: sets BED, the directory of that bed.
bed_path() { BED=${OPI_STATE:-${XDG_RUNTIME_DIR:-/tmp}}/opi-testbed-$1; }

# guest_command VM WORD...: sets guest_command to the command, here, that runs WORDs in VM of
# the bed in BED: for root's login shell there, image/login.c.
guest_command()
{
	# Netstrings count bytes.
	local LC_ALL=C vm=$1 words='' word
	shift

	for word; do
		words+=${#word}:$word,
	done
	# shellcheck disable=SC2034 # the caller's
	guest_command=(ssh -T -F "$BED/ssh_config" "$vm" "argv $words")
}
