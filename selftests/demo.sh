#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The story of a DPU in one and a half minutes, each line checked: what "make
# demo" runs.  It uses qemu/testbed and what any Debian guest has, so every
# command here can be typed by hand.  It is a tour, not a test of corner cases
# (those are in vm/ and bed/).
#
# The exit status is 0 if every line was true.

set -u
top=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
bed=${OPI_BED:-demo}
far=10.77.0.2 echo_far=10.77.0.100
false_lines=0
work=$(mktemp -d)

tb() { "$top/qemu/testbed" --name "$bed" "$@"; }
host() { tb host "$@" </dev/null; }
dpu() { tb dpu "$@" </dev/null; }
host_sh() { tb host sh -c "$@" </dev/null; }
dpu_sh() { tb dpu sh -c "$@" </dev/null; }

# Only the bed that this demo has booted is its own.
booted=''
finish()
{
	[ -z "$booted" ] || tb down >/dev/null 2>&1
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

# say TEXT CMD...: one line of the story; it is true if CMD succeeds.  What CMD
# says is shown only if it does not.
say()
{
	local text=$1
	shift

	if "$@" >"$work/said" 2>&1; then
		printf 'ok     %s\n' "$text"
	else
		printf 'FALSE  %s\n' "$text"
		sed 's/^/         /' "$work/said" | tail -n 12 >&2
		false_lines=$((false_lines + 1))
	fi
}

# Everything after the first false line of the preparation would be false too.
must()
{
	say "$@"
	[ "$false_lines" = 0 ] || { echo "the demo cannot go on" >&2; exit 1; }
}

# within SECONDS CMD...: it comes true in that time.
within()
{
	local end=$((SECONDS + $1))
	shift

	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.2
	done
}

# shellcheck disable=SC2016 # the guest's shell
bound='ls -d /sys/bus/pci/drivers/opi_core/0000:*'
# shellcheck disable=SC2016
netdev_of='for n in /sys/bus/pci/drivers/opi_core/0000:*/net/*; do
	if [ -z "$1" ] || [ "$(cat "$n/phys_port_name" 2>/dev/null)" = "$1" ]; then
		echo "${n##*/}"
	fi
done'

field() { tb "$1" opitool -j dpu show </dev/null | jq -r ".[0].$2"; }
is() { [ "$(field "$1" "$2")" = "$3" ]; }
carrier_is() { [ "$(host cat "/sys/class/net/$hif/carrier")" = "$1" ]; }
reaches() { host ping -q -c 2 -i 0.2 -W 10 "$1" >/dev/null; }
reaches_not() { ! host ping -q -c 3 -i 0.2 -W 1 "$1"; }
serials_pair() { [ -n "$(field host serial)" ] && [ "$(field host serial)" = "$(field dpu serial)" ]; }

bridge_up()
{
	local uplink rep

	uplink=$(dpu_sh "$netdev_of" sh p0) && rep=$(dpu_sh "$netdev_of" sh c1pf0) || return 1
	# shellcheck disable=SC2016
	dpu_sh 'ip link add br0 type bridge && for d in br0 "$1" "$2"; do
		[ "$d" = br0 ] || ip link set "$d" master br0
		ip link set "$d" up || exit
	done' sh "$uplink" "$rep"
}

host_address() { host ip address add 10.77.0.10/24 dev "$hif" && host ip link set "$hif" up; }

# There and back: the far end of the uplink returns what it gets.
file_round_trip()
{
	# shellcheck disable=SC2016
	host_sh 'head -c 64M /dev/urandom >/tmp/there &&
		timeout 60 socat -t 30 - "TCP:$1:7" </tmp/there >/tmp/back &&
		a=$(sha256sum </tmp/there) && b=$(sha256sum </tmp/back) && rm -f /tmp/there /tmp/back &&
		echo "$a" && [ "$a" = "$b" ]' sh "$echo_far"
}

address_and_carrier() { host ip -o -4 address show dev "$hif" && carrier_is 1; }
rule_add()
{
	dpu tc qdisc add dev "$rep" clsact &&
		dpu tc filter add dev "$rep" ingress matchall action drop
}

# Tasks that nobody can kill, twice in a row.
no_hung_task()
{
	# shellcheck disable=SC2016
	host_sh 'stuck() { cat /proc/[0-9]*/stat 2>/dev/null | sed -n "s/^\([0-9]*\) (\(.*\)) D .*/\1 \2/p" | sort; }
		a=$(stuck); [ -n "$a" ] || exit 0
		sleep 1; stuck >/tmp/b; echo "$a" | comm -12 - /tmp/b >/tmp/c; cat /tmp/c; [ ! -s /tmp/c ]'
}

monitor_saw() { grep -q "$1" "$work/monitor"; }

say_within()
{
	local limit=$1 text=$2 start=$EPOCHREALTIME end
	shift 2

	if within "$limit" "$@" >"$work/said" 2>&1; then
		end=$EPOCHREALTIME
		printf 'ok     %s (%s s)\n' "$text" "$(jq -n "($end - $start) * 10 | round / 10")"
	else
		say "$text (within $limit s)" false
	fi
}

boot()
{
	booted=1
	tb up --no-driver || { booted=''; return 1; }
}

# Another demo, or what one that was killed left; who can say.
if tb status -j </dev/null 2>/dev/null | jq -e 'any(.vms[]; .state != "gone")' >/dev/null; then
	echo "the test bed '$bed' is up already: another demo? (else end it: qemu/testbed --name $bed down)" >&2
	exit 1
fi

start=$SECONDS
must "two computers boot: a server, and the DPU in it" boot
must "the server runs $(host uname -r), the DPU $(dpu uname -r)" test "$(host hostname)" != "$(dpu hostname)"
must "modprobe opi_core: the driver binds on the server" host_sh "modprobe opi_core && $bound"
must "modprobe opi_core: the same module binds on the DPU" dpu_sh "modprobe opi_core && $bound"
hif=$(host_sh "$netdev_of" sh '')
rep=$(dpu_sh "$netdev_of" sh c1pf0)
must "both name the same card: serial number $(field host serial)" serials_pair
say "opitool dpu show on the server: the DPU is $(field host boot.os_status)" within 5 is host boot.os_status booted
say "opitool dpu show on the DPU: its server is $(field dpu peer)" within 5 is dpu peer ready
say "the DPU bridges its uplink and the server's representor ($rep)" bridge_up
say "the server's netdev ($hif) gets an address" host_address
say "it has carrier" within 10 carrier_is 1
say "the server reaches $far, at the uplink's far end" within 10 reaches "$far"
say "64 MiB go there and back, SHA-256 equal" file_round_trip
say "the DPU drops what comes from the representor: tc, no word to the server" rule_add
say "the server reaches nobody" reaches_not "$far"
say "though it has address and carrier as before" address_and_carrier
say "the rule goes, the traffic is back" eval 'dpu tc qdisc del dev "$rep" clsact && within 10 reaches "$far"'

tb host opitool -j monitor </dev/null >"$work/monitor" 2>/dev/null &
within 10 test -d "/proc/$!"
sleep 1
tb kill dpu
say_within 5 "the DPU is killed: the server's carrier goes" carrier_is 0
say_within 5 "opitool dpu show on the server: the DPU is absent" is host peer absent
say_within 5 "opitool monitor has told it" monitor_saw absent
say "no task hangs on the server" no_hung_task
say "the DPU boots again, driver and bridge come up" eval 'tb reset --wait dpu && dpu modprobe opi_core && bridge_up'
say_within 15 "the server reaches $far again, nothing was done there" reaches "$far"
say "the server is powered off, the DPU answers on its own port" eval 'tb off host && dpu true && within 5 is dpu peer absent'
echo "$((SECONDS - start)) s"
[ "$false_lines" = 0 ]
