#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 200
# soak: peer_events_come_in_order_with_their_numbers
# debug: unbinding_and_binding_are_events a_listener_that_lost_events_learns_it_and_catches_up
# order: 25
#
# The generic netlink family as programs use it: both sides tell the same story,
# events come in order with their numbers, and who lost some learns it and catches
# up.  (Messages that nobody should send: netlink_abi_host, netlink_abi_dpu.)

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"

CASES="
	both_sides_tell_the_same_card
	the_boot_block_is_the_cards
	peer_events_come_in_order_with_their_numbers
	unbinding_and_binding_are_events
	two_listeners_hear_the_same
	a_listener_that_lost_events_learns_it_and_catches_up
"

before_case() { net_up; }

both_sides_tell_the_same_card()
{
	local f

	for f in .serial .generation .interface .mode .boot; do
		expect_eq "$f" "$(dpu_field host $f)" "$(dpu_field dpu $f)"
	done
	expect_eq "roles" "$(dpu_field host .role) $(dpu_field dpu .role)" "host-pf dpu"
	expect_eq "peers" "$(dpu_field host .peer) $(dpu_field dpu .peer)" "ready ready"
	expect_eq "states" "$(dpu_field host .dev_state) $(dpu_field dpu .dev_state)" "ready ready"
}

the_boot_block_is_the_cards()
{
	local word

	word=$(host_sh 'setpci -s $1 ECAP0023+10.l' "$(pci_of host)")
	expect_eq "OS_STATUS, PLDM state" "${word:6:2} ${word:4:2}" "02 05"
	expect_eq "as told" "$(dpu_field host .boot.os_status) $(dpu_field host .boot.pldm_state)" "booted os-running"
}

# listen NAME VM: opitool's monitor, from where it has shown what is there.
listen()
{
	bg "$1" "$2" opitool -j monitor
	wait_for 10 said "$1" sync
}

# Numbers of dpu events in a listener's output, after the first "sync".
numbers() { sed '1,/sync/d' "$CASE_DIR/$1" | jq -r 'select(.object == "dpu" and .event != "state") | .seq'; }

consecutive()
{
	local n

	n=$(numbers "$1")
	[ -n "$n" ] || fail "no events"
	expect_eq "numbers" "$n" "$(seq "$(head -n 1 <<<"$n")" "$(tail -n 1 <<<"$n")")"
}

peer_events_come_in_order_with_their_numbers()
{
	local seq i

	seq=$(dpu_field host .seq)
	listen mon host
	for ((i = 0; i < $(times 3); i++)); do
		dpu_sh 'modprobe -r opi_core && modprobe opi_core'
		await_dpu host 10 '.peer == "ready"'
	done
	wait_for 5 eval "[ \"\$(numbers mon | tail -n 1)\" = \"\$(dpu_field host .seq)\" ]"
	consecutive mon
	expect_eq "first number" "$(numbers mon | head -n 1)" $((seq + 1))
	# Each round: the peer's driver goes and comes.
	expect_range "times it went" "$(sed '1,/sync/d' "$CASE_DIR/mon" |
		jq -r 'select(.peer == "present") | .seq' | wc -l)" "$(times 3)" $(($(times 3) * 4))
}

unbinding_and_binding_are_events()
{
	local dev

	dev=$(pci_of host)
	listen mon host
	host_sh 'echo $1 >/sys/bus/pci/drivers/opi_core/unbind && echo $1 >/sys/bus/pci/drivers/opi_core/bind' "$dev"
	wait_for 10 said mon '"event":"del"'
	wait_for 10 said mon '"event":"add"'
	consecutive mon
}

two_listeners_hear_the_same()
{
	listen a host
	listen b host
	dpu_sh 'modprobe -r opi_core && modprobe opi_core'
	await_dpu host 10 '.peer == "ready"'
	wait_for 5 eval "[ \"\$(numbers a | tail -n 1)\" = \"\$(dpu_field host .seq)\" ]"
	wait_for 5 eval "[ \"\$(numbers b | tail -n 1)\" = \"\$(dpu_field host .seq)\" ]"
	expect_eq "what b heard" "$(numbers b)" "$(numbers a)"
}

# A socket with room for one message, whose owner sleeps while much happens.
a_listener_that_lost_events_learns_it_and_catches_up()
{
	local dev

	dev=$(pci_of host)
	host timeout "$(secs 60)" python3 - "$dev" <<-'PY'
	import errno, os, socket, struct, sys
	dev = sys.argv[1]

	def attr(t, d):
	    return struct.pack("HH", 4 + len(d), t) + d + b"\0" * (-len(d) % 4)

	def msg(t, flags, cmd, attrs=b""):
	    return struct.pack("IHHIIBBH", 20 + len(attrs), t, flags, 1, 0, cmd, 1, 0) + attrs

	def attrs(d):
	    out = {}
	    while len(d) >= 4:
	        n, t = struct.unpack_from("HH", d)
	        out[t & 0x3fff] = d[4:n]
	        d = d[(n + 3) & ~3:]
	    return out

	def nl():
	    s = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)  # NETLINK_GENERIC
	    s.bind((0, 0))
	    return s

	def messages(d):
	    while len(d) >= 16:
	        n, t = struct.unpack_from("IH", d)
	        yield t, d[16:n]
	        d = d[(n + 3) & ~3:]

	# The number of an event, of a device or of a function.
	def seq_of(d):
	    return struct.unpack("Q", attrs(d[4:])[SEQ if d[0] < 5 else FUNCTION_SEQ])[0]

	SEQ, FUNCTION_SEQ = 16, 20
	ctl = nl()
	ctl.send(msg(16, 1, 3, attr(2, b"opi\0")))
	fam = attrs(next(messages(ctl.recv(65536)))[1][4:])
	family = struct.unpack("H", fam[1])[0]
	group = struct.unpack("I", attrs(attrs(fam[7])[1])[2])[0]

	def dump_seq():
	    ctl.send(msg(family, 0x301, 1))
	    seq = None
	    while True:
	        for t, d in messages(ctl.recv(65536)):
	            if t == 3:
	                return seq
	            seq = seq_of(d)

	ear = nl()
	ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
	ear.setsockopt(270, 1, group)
	ear.settimeout(10)

	def rebind():
	    for f in "unbind", "bind":
	        with open("/sys/bus/pci/drivers/opi_core/" + f, "w") as h:
	            h.write(dev)

	first = dump_seq()
	for i in range(6):
	    rebind()
	lost = False
	heard = []
	ear.settimeout(0.5)
	while True:
	    try:
	        for t, d in messages(ear.recv(65536)):
	            heard.append(seq_of(d))
	    except socket.timeout:
	        break
	    except OSError as e:
	        assert e.errno == errno.ENOBUFS, e
	        lost = True
	assert lost, "nothing was lost: %s" % heard
	now = dump_seq()
	assert now > first + len(heard), (first, now, heard)
	# With room from here on nothing is missing: the next event has the next number.
	ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 18)
	ear.settimeout(10)
	rebind()
	seq = seq_of(next(messages(ear.recv(65536)))[1])
	assert seq == now + 1, (now, seq)
	print("heard %d of %d events, was told, caught up" % (len(heard), now - first))
	PY
}

run_cases "$@"
