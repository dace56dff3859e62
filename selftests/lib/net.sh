# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The network that most tests use: the host's netdev, a Linux bridge on the DPU
# over the representor and the uplink, and what stands at the uplink's far end.
# Needs bed.sh.

HOST_IP=10.77.0.10
DPU_IP=10.77.0.20
HOST_IP6=fd77::10
DPU_IP6=fd77::20
# What the test bed has at the far end of the first card's uplink: an address
# that answers ping, and a TCP echo service.
# shellcheck disable=SC2034 # used by tests
FAR_IP=10.77.0.2 ECHO_IP=10.77.0.100 ECHO_PORT=7

# Names are looked up, never assumed: HIF on the host, P0 and REP on the DPU.
# Nothing is touched that is right already.
host_net_up()
{
	local said

	said=$(on_for 60 host "$GUEST/netup" host "$HOST_IP" "$HOST_IP6" "$@") || return
	HIF=${said% *}
	pci_known host "${said##* }"
}

# Without the uplink if WITHOUT_UPLINK is set.
dpu_net_up()
{
	local said

	said=$(on_for 60 dpu "$GUEST/netup" dpu "$DPU_IP" "$DPU_IP6" ${WITHOUT_UPLINK:+alone}) || return
	pci_known dpu "${said##* }"
	said=${said% *}
	# shellcheck disable=SC2034 # used by tests
	P0=${said% *} REP=${said#* }
}

# pci_known VM DEVICE: pci_of need not ask the guest any more.
pci_known() { [ -s "$CASE_DIR/pci_of_$1" ] || echo "$2" >"$CASE_DIR/pci_of_$1"; }

# Whatever state it is found in.  If no traffic flows then, that is a fault of what
# was before, or of what is tested: the case fails, and the next one gets machines
# that start anew.
net_up()
{
	! try_net_up 2>"$CASE_DIR/net_up" || return 0
	cat "$CASE_DIR/net_up" >&2
	bed_ready
	if ! try_net_up; then
		note "no traffic between host and DPU; both are started anew for the next case"
		net_state
		tb reset host
		tb reset dpu
		tb wait host
		tb wait dpu
		fail "the network did not come up"
	fi
}

# In a condition errexit is off, hence the chain.
try_net_up() { dpu_net_up && host_net_up "$(secs 20)" "$DPU_IP"; }

# What one would look at first.
net_state()
{
	local vm

	for vm in host dpu; do
		on_sh "$vm" 'echo "--- $0"; opitool dpu show; ip -br link; ip -br addr
			for n in $(ls /sys/bus/pci/drivers/opi_core/*/net 2>/dev/null | grep -v : ); do ethtool -S $n; done
			for d in /sys/bus/pci/drivers/opi_core/0000:*; do
				devlink health diagnose pci/${d##*/} reporter aq; devlink health diagnose pci/${d##*/} reporter fw
			done
			grep opi /proc/interrupts; dmesg | tail -n 15' "$vm"
	done >&2
}

# listens NAME VM: what runs there in the background hears what the kernel tells.
listens() { await "$2" 10 "ls -l /proc/\$(cat /run/bg-$1)/fd | grep -q socket:"; }

# carrier VM IF
carrier() { on_sh "$1" 'cat /sys/class/net/$1/carrier 2>/dev/null || echo 0' "$2"; }

# netdev_stat VM IF COUNTER...: in one line.
netdev_stat()
{
	on_sh "$1" 'cd /sys/class/net/$1/statistics || exit
		shift
		line=
		for c; do
			read -r n <$c || exit
			line="$line $n"
		done
		echo ${line# }' "${@:2}"
}

# An answer that is late is one.
ping_works() { on_sh "$1" 'ping -q -c 2 -i 0.2 -W 10 $1' "$2" >/dev/null; }
ping_fails() { ! on_sh "$1" 'ping -q -c 2 -i 0.2 -W 1 $1' "$2" >/dev/null; }

# neighbour NAME [NETNS]: the host, or a namespace of it, sends to the DPU all the time,
# and nothing of it is lost: lost_nothing NAME.
neighbour() { bg "$1" host ${2:+ip netns exec "$2"} ping -i 0.03 -s 1200 "$DPU_IP"; }

# lines NAME: what it has said until now.
lines() { wc -l <"$CASE_DIR/$1"; }

# What is on its way when it is told to end is not lost, whatever ping says.  Answers still
# come in, or the last of them is not known to be the last that was asked for.
lost_nothing()
{
	local n

	n=$(lines "$1")
	wait_for 10 eval "[ \$(lines $1) -gt $((n + 3)) ]"
	bg_stop "$1" INT
	awk -F 'icmp_seq=' -v name="$1" '
		/ bytes from .*icmp_seq=/ {
			n++; at = $2 + 0
			if (at + wraps * 65536 < last - 32768) wraps++
			if (at + wraps * 65536 > last) last = at + wraps * 65536
		}
		/DUP|wrong data/ { bad++ }
		END { printf "%s: %d answers to %d\n", name, n, last; exit !(n == last && n > 10 && !bad) }' \
		"$CASE_DIR/$1" >&2 || fail "answers are missing"
}

# Statistics of card and driver: estat VM IF NAME...  All of them in one line, as they were
# at one time.
estat()
{
	local said name values=()

	said=$(on "$1" ethtool -S "$2" </dev/null)
	for name in "${@:3}"; do
		[[ $said =~ [[:space:]]"$name: "([0-9]+) ]] || fail "$2 of $1 does not count $name"
		values+=("${BASH_REMATCH[1]}")
	done
	echo "${values[*]}"
}

# settled COMMAND...: counters, when they are the same twice.
settled()
{
	local now last=

	for _ in {1..20}; do
		now=$("$@")
		[ "$now" != "$last" ] || break
		last=$now
		# A guest may stand still for a moment.
		sleep 0.3
	done
	expect_eq "counters come to rest" "$now" "$last"
	echo "$now"
}

# Nothing is sent but what the case sends, so that frames can be counted.
net_quiet()
{
	defer "host_sh 'ip neigh flush dev \$1 nud permanent; sysctl -qw net.ipv6.conf.\$1.disable_ipv6=0' $HIF"
	defer "dpu_sh 'ip link set \$1 master br0; ip neigh flush dev br0 nud permanent
		sysctl -qw net.ipv6.conf.br0.disable_ipv6=0' $P0"
	host_sh 'sysctl -qw net.ipv6.conf.$1.disable_ipv6=1 && ip neigh replace $2 lladdr $3 dev $1 nud permanent' \
		"$HIF" "$DPU_IP" "$(dpu cat /sys/class/net/br0/address </dev/null)"
	dpu_sh 'ip link set $3 nomaster && sysctl -qw net.ipv6.conf.br0.disable_ipv6=1 &&
		ip neigh replace $1 lladdr $2 dev br0 nud permanent' \
		"$HOST_IP" "$(host cat "/sys/class/net/$HIF/address" </dev/null)" "$P0"
	# What was on its way.
	sleep 1
}
