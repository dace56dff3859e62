# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# What run.sh and rows.sh know of the running peer are their variables.
# shellcheck disable=SC2153,SC2154
#
# Where the guests' instructions go while a row is measured: run.sh --profile.
# Counted by the plugin, hence exact, and no time: what is a wait, is not there.

# symbols VM: "ADDRESS 0 NAME" of the functions of its kernel and modules.
symbols() {
	on "$1" cat /proc/kallsyms | awk '$2 ~ /^[tTwW]$/ { print $1, 0, $3 ($4 ? " " $4 : "") }'
}

# blocks N: "ADDRESS 1 INSTRUCTIONS" so far, of the machine with that number.
blocks() { insns_ask "$1" blocks | awk -v sign="$2" 'NF == 2 { print $1, 1, sign $2 }'; }

# functions PACKETS: a table of what symbols and blocks (before: negative) say.
functions() {
	LC_ALL=C sort | awk -v packets="$1" '
		$2 == 0 { name = $3 " " $4; next }
		{ n[$1 < "8" ? "(user space)" : name] += $3; all += $3 }
		END {
			printf "%12.0f %6s %10.0f  all, of %d packets received\n", all, "", all / packets, packets
			for (i in n)
				if (n[i] > all / 2000)
					printf "%12.0f %5.1f%% %10.1f  %s\n", n[i], 100 * n[i] / all, n[i] / packets, i
		}' | sort -rn
}

# profile_row: do the row that try_row would do; sets rc.
profile_row() {
	local vm n packets

	strict insns_on
	[ "$rc" = 0 ] || return 0
	strict "$@"
	[ "$rc" = 0 ] || return 0
	packets=$(on "$to" "$SIDE" rx "$to_if")
	for n in 0 1; do
		blocks "$n" - >"$WORK/blocks$n"
	done
	strict "$@"
	for n in 0 1; do
		blocks "$n" '' >>"$WORK/blocks$n"
	done
	packets=$(($(on "$to" "$SIDE" rx "$to_if") - packets))
	[ "$packets" -gt 0 ] || packets=1
	n=0
	for vm in host dpu; do
		{ symbols "$vm"; cat "$WORK/blocks$n"; } | functions "$packets" >"$out/profile.$peer.$row.$vm.txt"
		n=$((n + 1))
	done
	opi_say "round $round, $peer, $row: $out/profile.$peer.$row.{host,dpu}.txt"
}
