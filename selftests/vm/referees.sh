#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 400
# debug: none
# order: 38
#
# The kernel's own tests of network drivers, unmodified, on the host's netdev with the
# DPU as the remote end.  Each of their subtests ends as the table in
# Documentation/testing.rst says, for the reason that it gives.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/data.sh"
. "$(dirname -- "$0")/../lib/referee.sh"

CASES="
	each_test_of_the_kernel_is_listed
	other_results_than_those_listed_are_found
	ping_py_ends_as_listed
	queues_py_ends_as_listed
	stats_py_ends_as_listed
	csum_py_ends_as_listed
	devlink_port_split_py_ends_as_listed
	ethtool_rmon_sh_ends_as_listed
	loopback_sh_ends_as_listed
"

SSH_PORT=2222

REFEREE_TABLE="Results of the kernel's own tests"

before_case()
{
	net_up
	REFEREE_NAMES="s/\\b$HIF\\b/NETIF/g; s,pci/[0-9a-f:.]+,DEV,g"
	REFEREE_ENV=(NETIF="$HIF" LOCAL_V4="$HOST_IP" LOCAL_V6="$HOST_IP6" REMOTE_V4="$DPU_IP" REMOTE_V6="$DPU_IP6"
		REMOTE_TYPE=ssh REMOTE_ARGS=referee REMOTE_IFNAME=br0 NETIF_CREATE=no PYTHONUNBUFFERED=1)
}

# The other end: an ssh server of its own on the DPU, whatever is started through it
# ends with it, and a kept connection: the tests' own time limits leave no time for
# an emulated processor to make a new one.
remote_up()
{
	defer "host_sh 'rm -rf /run/referee /etc/ssh/ssh_config.d/referee.conf'; dpu rm -rf /run/referee"
	host_sh 'umask 077; mkdir -p /run/referee && ssh-keygen -q -t ed25519 -N "" -f /run/referee/key &&
		cat >/etc/ssh/ssh_config.d/referee.conf <<-EOT
		Host referee
		    HostName $1
		    Port $2
		    User root
		    IdentityFile /run/referee/key
		    StrictHostKeyChecking no
		    UserKnownHostsFile /dev/null
		    ControlPath /run/referee/connection
		EOT' "$DPU_IP" "$SSH_PORT"
	dpu_sh 'umask 077; mkdir -p /run/referee /run/sshd && echo "$1" >/run/referee/keys' \
		"$(host cat /run/referee/key.pub </dev/null)"
	bg sshd dpu "$GUEST/contain" sshd "$(secs 300)" /usr/sbin/sshd -D -p "$SSH_PORT" \
		-o ListenAddress="$DPU_IP" -o AuthorizedKeysFile=/run/referee/keys -o PidFile=none
	await dpu 20 "ss -ltn | grep -q :$SSH_PORT"
	bg connection host ssh -q -N -M referee
	await host 30 'ssh -q -O check referee'
}

# run VM TEST [ARG...]
run() { referee "$1" "${2##*/}" "${@:2}"; }

each_test_of_the_kernel_is_listed() { each_is_listed drivers/net drivers/net/hw; }

other_results_than_those_listed_are_found()
{
	local REFEREE_NAMES='s/eth9/NETIF/g'

	printf '%s\t%s\t%s\n' a pass '' b skip 'no such' c xfail 'not on NETIF' >"$CASE_DIR/expected"
	cat >"$CASE_DIR/right" <<-EOT
		KTAP version 1
		1..3
		ok 1 name.a
		ok 2 name.b # SKIP no such thing
		ok 3 name.c # XFAIL not on eth9
	EOT
	judge() { sed -E "$1" "$CASE_DIR/right" | results 0 >"$CASE_DIR/got"; compare "$CASE_DIR/expected" "$CASE_DIR/got"; }
	judge ''
	refused 'b is listed as skip' judge 's/ # SKIP.*//'
	refused 'b is listed as skip' judge 's/no such thing/other/'
	refused 'a is listed as pass' judge 's/name.a$/& # SKIP why/'
	refused 'a is listed as pass' judge 's/^ok 1/not &/'
	refused 'c is listed as xfail' judge 's/XFAIL/SKIP/'
	refused 'b did not report' judge '/ok 2/d'
	refused 'not listed: d' judge 's/^(ok 3.*)/\1\nok 4 name.d/'
	printf '%s\t%s\t%s\n' b skip 'no such' '1 of *c' xfail 'not on' '1 of *' pass '' >"$CASE_DIR/expected"
	judge ''
	refused 'a is listed as pass' judge 's/^ok 1/not &/'
	refused 'c is listed as xfail' judge 's/not on/nowhere on/'
	refused '1 of [*]c are listed, but 0 reported' judge '/ok 3/d'
	refused '1 of [*] are listed, but 2 reported' judge 's/^(ok 3.*)/\1\nok 4 name.d/'
	printf '%s\t%s\t%s\n' '1 of (a.b)' pass '' >"$CASE_DIR/expected"
	refused 'not listed: a' judge ''
	# As shell tests print it.
	printf 'TEST: %-60s  [%s]\n' 'a is right' ' OK ' 'b on eth9' XFAIL 'c' FAIL >"$CASE_DIR/shell"
	printf '\tfor this\n' >>"$CASE_DIR/shell"
	results 1 <"$CASE_DIR/shell" >"$CASE_DIR/got"
	expect_eq "shell test" "$(tr '\t\n' '|;' <"$CASE_DIR/got")" 'a is right|pass|;b on NETIF|xfail|;c|fail|for this;'
	expect_eq "skipped" "$(printf 'one\nSKIP: no tool\n' | results 4 | tr '\t' '|')" '-|skip|no tool'
}

ping_py_ends_as_listed()
{
	remote_up
	run host drivers/net/ping.py
}

keep_channels()
{
	local n

	n=$(host ethtool -l "$HIF" </dev/null | awk '/^Combined/ { n = $2 } END { print n }')
	defer "host ethtool -L $HIF combined $n"
}

queues_py_ends_as_listed()
{
	keep_channels
	run host drivers/net/queues.py
}

stats_py_ends_as_listed() { run host drivers/net/stats.py; }

# Between functions of one card checksums are made when somebody asks for them, and
# what the test looks at on the remote end is the checksum.
csum_py_ends_as_listed()
{
	remote_up
	feature_set dpu "$REP" rx-checksumming off
	run host drivers/net/hw/csum.py
}

# The DPU has the port of the uplink.
devlink_port_split_py_ends_as_listed() { run dpu drivers/net/hw/devlink_port_split.py; }

# Tests of two ports that are joined stop before they use the second one.
second_port()
{
	defer "host ip link del rf0"
	host_sh 'ip link add rf0 type veth peer name rf1 && ip link set rf0 up && ip link set rf1 up'
}

ethtool_rmon_sh_ends_as_listed()
{
	second_port
	run host drivers/net/hw/ethtool_rmon.sh "$HIF" rf0
}

loopback_sh_ends_as_listed()
{
	second_port
	run host drivers/net/hw/loopback.sh "$HIF" rf0
}

run_cases "$@"
