# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034 # used by referee.sh and by tests
#
# The kernel's own tests of forwarding between ports, on functions in the host and on
# representors in the DPU: what such a test takes for ports of one machine that are
# joined by a cable are joined by the other machine.  Needs bed.sh, net.sh, func.sh and
# referee.sh.

# These tests keep the ends of a cable apart by it.
if [ "$OPI_KERNEL" = debug ] && [ "$(host_sh 'modprobe -q vrf || echo none')" = none ]; then
	ktap_print_header
	ktap_skip_all "the kernel has no VRF"
	exit "$KSFT_SKIP"
fi

REFEREE_TABLE="Results of the kernel's tests of forwarding"
REFEREE_SECS=600
NETNS=opi-forwarding
PORTS=() SETTINGS=()

# The netdevs of four functions on the host, or of their representors.
ports_of()
{
	if [ "$1" = host ]; then
		host_sh 'for i in 0 1 2 3; do ls "$1/virtfn$i/net"; done' "/sys/bus/pci/devices/$(pci_of host)"
	else
		dpu devlink -j port show </dev/null |
			jq -r '[.port[] | select(.vfnum != null)] | sort_by(.vfnum)[].netdev'
	fi
}

# cables VM NETDEV...: whatever comes in at one of a pair goes out at the other.
cables()
{
	on_sh "$1" '
		shift
		for i; do
			echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6
			mtu=$(ip -d -j link show $i | jq ".[].max_mtu")
			ip link set $i mtu $mtu promisc on up && tc qdisc add dev $i clsact || exit
		done
		while [ $# -gt 0 ]; do
			tc filter add dev $1 ingress matchall skip_hw action mirred egress redirect dev $2 &&
			tc filter add dev $2 ingress matchall skip_hw action mirred egress redirect dev $1 || exit
			shift 2
		done' "$@"
}

# ports functions|representors: four of them, joined in pairs, in a network namespace of
# their own.
ports()
{
	local vm=host far=dpu i

	[ "$1" = functions ] || vm=dpu far=host
	net_up
	# What an earlier test has left set of them goes with them, and their ports.
	vfs 0
	max_vfs 0
	vfs 4
	await dpu 20 '[ $(devlink -j port show | jq "[.port[] | select(.vfnum != null and .netdev)] | length") = 4 ]'
	mapfile -t PORTS < <(ports_of "$vm")
	mapfile -t FAR_PORTS < <(ports_of "$far")
	defer "on $vm ip netns del $NETNS"
	# shellcheck disable=SC2016 # for the guest
	on_sh "$vm" 'ip netns del $1 2>/dev/null
		ns=$1; shift
		ip netns add $ns && ip netns exec $ns sh -c "echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad" || exit
		for i in lo "$@"; do
			[ $i = lo ] || ip link set $i netns $ns || exit
			[ $i != lo ] || ip -n $ns link set $i up || exit
		done' "$NETNS" "${PORTS[@]}"
	cables "$far" "${FAR_PORTS[@]}"
	PORTS_VM=$vm FAR_VM=$far
	REFEREE_NAMES=
	for i in 0 1 2 3; do
		REFEREE_NAMES+="s/\\b${PORTS[i]}\\b/p$((i + 1))/g;"
	done
}

# forwarding SCRIPT functions|representors PART...: what it does, or all.  A script that
# sleeps so that something can happen does as any bound of ours.
forwarding()
{
	local name=$1 kind=$2 part sleep linger
	shift 2

	part=${*:-all}
	[ ${#PORTS[@]} -gt 0 ] || ports "$kind"
	# shellcheck disable=SC2046 # words on purpose
	sleep=$(printf ' "$@"%.0s' $(seq "$OPI_SLOW")) linger=$(printf ' 0.5%.0s' $(seq "$OPI_SLOW"))
	REFEREE_ENV=(NETIF_CREATE=no WAIT_TIME=0 INTERFACE_TIMEOUT="$(secs 30)" PING_TIMEOUT="$(secs 5)" "TESTS=$*" "${SETTINGS[@]}"
		"LINGER=$linger" PATH="$GUEST:/usr/sbin:/usr/bin:/sbin:/bin")
	# Other shells do not hand the function on.
	REFEREE_UNDER=(ip netns exec "$NETNS" env "BASH_FUNC_sleep%%=() { command sleep$sleep; }")
	referee "$PORTS_VM" "$name	$kind	$part" "net/forwarding/$name" "${PORTS[@]}"
}

# Scripts that do not look whether pings are answered need not wait for it.
unanswered() { SETTINGS+=(PING_COUNT=1 PING_TIMEOUT=1); }

# What is sent has arrived before the script goes on.
arriving() { SETTINGS+=(MZ="$GUEST/linger mausezahn"); }
