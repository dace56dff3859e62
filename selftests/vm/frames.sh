#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 300
# soak: every_length_from_host_to_dpu every_length_from_dpu_to_host
# soak: jumbo_frames_from_host_to_dpu jumbo_frames_from_dpu_to_host
# soak: many_frames_from_host_to_dpu many_frames_from_dpu_to_host both_ways_at_once
# soak: a_burst_is_delivered_or_counted
# debug: frames_with_two_tags_both_ways both_ways_at_once
# debug: frames_of_as_many_fragments_as_there_can_be
# order: 32
#
# Frames of which every byte is known, through packet sockets, both ways: odd
# lengths, runts, giants, tags, fragments, and many of them.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"

CASES="
	the_checker_finds_what_is_wrong
	every_length_from_host_to_dpu
	every_length_from_dpu_to_host
	jumbo_frames_from_host_to_dpu
	jumbo_frames_from_dpu_to_host
	tagged_frames_both_ways
	frames_with_two_tags_both_ways
	many_frames_from_host_to_dpu
	many_frames_from_dpu_to_host
	both_ways_at_once
	a_burst_is_delivered_or_counted
	frames_longer_than_the_mtu_are_refused
	fragmented_buffers_arrive_whole
	frames_of_as_many_fragments_as_there_can_be
	bursts_of_shared_buffers_from_each_queue
"

before_case() { net_up; }

LENGTHS=14,15,16,17,18,21,22,23,31,33,59,60,61,63,64,65,100,127,128,129,255,256,257,511,512,513,1000,1499,1500,1513,1514

frames() { on "$1" "$GUEST/frames" "${@:2}" -s "$OPI_SEED" </dev/null; }

# Of many frames no more are on their way at a time than a ring holds: a busy builder
# may not run a guest for longer than it takes to send a ring full.
WINDOW=128

# deliver FROM IF TO IF COUNT SEND-OPTION...: all arrive, unchanged, in order.
deliver()
{
	local from=$1 from_if=$2 to=$3 to_if=$4 count=$5
	shift 5

	bg "recv_$to" "$to" "$GUEST/frames" recv "$to_if" -n "$count" -s "$OPI_SEED" -t "$(secs 60)" -w "$WINDOW" ${TAG:+-v $TAG}
	wait_for 10 said "recv_$to" listening
	frames "$from" send "$from_if" -n "$count" -t "$(secs 60)" -w "$WINDOW" ${TAG:+-v $TAG} "$@"
	bg_wait "recv_$to" || fail "$(cat "$CASE_DIR/recv_$to")"
}

# On the loopback interface of one guest, with mistakes made on purpose.
the_checker_finds_what_is_wrong()
{
	local seed=$OPI_SEED want=$(((OPI_SEED + 1) & 0xffff))

	deliver host lo host lo 64 -l "$LENGTHS"
	# Another seed: every byte of the pattern is wrong.
	bg other host "$GUEST/frames" recv lo -n 10 -s "$want" -t "$(secs 3)"
	wait_for 10 said other listening
	host "$GUEST/frames" send lo -n 10 -l 100 -s "$seed" </dev/null
	refused '"bad":10' bash -c "tail --pid=${bg_other:?} -f /dev/null; cat '$CASE_DIR/other'; exit 1"
	# One is missing.
	bg less host "$GUEST/frames" recv lo -n 10 -s "$seed" -t "$(secs 3)"
	wait_for 10 said less listening
	host "$GUEST/frames" send lo -n 9 -l 100 -s "$seed" </dev/null
	refused '"received":9' bash -c "tail --pid=${bg_less:?} -f /dev/null; cat '$CASE_DIR/less'; exit 1"
	# A tag where none belongs.
	bg tag host "$GUEST/frames" recv lo -n 1 -s "$seed" -t "$(secs 3)"
	wait_for 10 said tag listening
	host "$GUEST/frames" send lo -n 1 -l 100 -s "$seed" -v 5 </dev/null
	refused '"bad":1' bash -c "tail --pid=${bg_tag:?} -f /dev/null; cat '$CASE_DIR/tag'; exit 1"
}

every_length_from_host_to_dpu() { deliver host "$HIF" dpu "$REP" "$(times 310)" -l "$LENGTHS" -p 2000; }
every_length_from_dpu_to_host() { deliver dpu "$REP" host "$HIF" "$(times 310)" -l "$LENGTHS" -p 2000; }

jumbo()
{
	host ip link set "$HIF" mtu 9000 </dev/null
	dpu ip link set "$REP" mtu 9000 </dev/null
	deliver "$@" "$(times 200)" -l 1515,2000,2047,2048,2049,4094,4095,4096,4097,4110,8191,8192,8193,9000,9013,9014 -p 4000
}

jumbo_frames_from_host_to_dpu() { jumbo host "$HIF" dpu "$REP"; }
jumbo_frames_from_dpu_to_host() { jumbo dpu "$REP" host "$HIF"; }

tagged_frames_both_ways()
{
	# The host has no such VLANs, and its filter would keep them away.
	defer "host ethtool -K $HIF rx-vlan-filter on"
	host ethtool -K "$HIF" rx-vlan-filter off </dev/null
	TAG=77 deliver host "$HIF" dpu "$REP" 100 -l 22,60,61,100,1514 -p 2000
	TAG=4000 deliver dpu "$REP" host "$HIF" 100 -l 22,60,61,100,1514 -p 2000
}

# A service tag around a customer's; the filter looks at the customer's only if it is
# outside.
frames_with_two_tags_both_ways()
{
	defer "host ethtool -K $HIF rx-vlan-filter on rxvlan on txvlan on"
	host ethtool -K "$HIF" rx-vlan-filter off </dev/null
	TAG=100,7 deliver host "$HIF" dpu "$REP" 100 -l 22,60,61,100,1506 -p 2000
	TAG=4000,1 deliver dpu "$REP" host "$HIF" 100 -l 22,60,61,100,1506 -p 2000
	# Without the help of the card they are the same.
	host ethtool -K "$HIF" rxvlan off txvlan off </dev/null
	TAG=100,7 deliver host "$HIF" dpu "$REP" 100 -l 22,60,61,100,1506 -p 2000
	TAG=4000,1 deliver dpu "$REP" host "$HIF" 100 -l 22,60,61,100,1506 -p 2000
}

many_frames_from_host_to_dpu() { deliver host "$HIF" dpu "$REP" "$(times 20000)" -l 60,1514,300 -p 3000; }
many_frames_from_dpu_to_host() { deliver dpu "$REP" host "$HIF" "$(times 20000)" -l 60,1514,300 -p 3000; }

both_ways_at_once()
{
	local n

	n=$(times 5000)
	bg recv_dpu dpu "$GUEST/frames" recv "$REP" -n "$n" -s "$OPI_SEED" -t "$(secs 60)" -w "$WINDOW"
	bg recv_host host "$GUEST/frames" recv "$HIF" -n "$n" -s "$OPI_SEED" -t "$(secs 60)" -w "$WINDOW"
	wait_for 10 said recv_dpu listening
	wait_for 10 said recv_host listening
	bg send_dpu dpu "$GUEST/frames" send "$REP" -n "$n" -s "$OPI_SEED" -l 60,1000 -p 4000 \
		-t "$(secs 60)" -w "$WINDOW"
	frames host send "$HIF" -n "$n" -l 1000,60 -p 4000 -t "$(secs 60)" -w "$WINDOW"
	bg_wait send_dpu
	bg_wait recv_dpu || fail "$(cat "$CASE_DIR/recv_dpu")"
	bg_wait recv_host || fail "$(cat "$CASE_DIR/recv_host")"
}

# As fast as it can: what does not fit is dropped, and each drop is counted by
# somebody: nothing vanishes.
a_burst_is_delivered_or_counted()
{
	local n a b sent delivered lost

	n=$(times 20000)
	# shellcheck disable=SC2317 # settled calls it
	account()
	{
		echo "$(estat host "$HIF" port_tx_frames)" \
			"$(estat dpu "$REP" port_rx_frames port_rx_no_buffer) $(netdev_stat dpu "$REP" rx_packets)"
	}
	net_quiet
	read -ra a <<<"$(account)"
	frames host send "$HIF" -n "$n" -l 60
	read -ra b <<<"$(settled account)"
	sent=$((b[0] - a[0])) delivered=$((b[1] - a[1])) lost=$((b[2] - a[2]))
	note "sent $sent, delivered $delivered, without a buffer $lost"
	expect_eq "sent" "$sent" "$n"
	expect_eq "delivered + dropped" $((delivered + lost)) "$sent"
	expect_eq "received by the netdev" $((b[3] - a[3])) "$delivered"
	ping_works host "$DPU_IP"
}

frames_longer_than_the_mtu_are_refused()
{
	refused 'too long' frames host send "$HIF" -l 1515
	refused 'too long' frames dpu send "$REP" -l 1515
	refused 'usage' frames host send "$HIF" -l 13
}

# UDP datagrams from many small pieces (sendfile, corked writes) reach the driver
# as fragments; ping sizes and TCP cover the rest.
fragmented_buffers_arrive_whole()
{
	host ip link set "$HIF" mtu 9000 </dev/null
	dpu_sh 'ip link set $1 mtu 9000; ip link set br0 mtu 9000' "$REP"
	bg recv dpu timeout "$(secs 60)" python3 -c '
import hashlib, socket
s = socket.create_server(("", 5003)); print("listening", flush=True)
c, _ = s.accept(); h = hashlib.sha256()
while True:
    d = c.recv(1 << 16)
    if not d: break
    h.update(d)
print(h.hexdigest())'
	wait_for 20 said recv listening
	host timeout "$(secs 60)" python3 -c '
import hashlib, os, random, socket, sys, tempfile
r = random.Random(int(sys.argv[2])); h = hashlib.sha256()
c = socket.create_connection((sys.argv[1], 5003))
f = tempfile.TemporaryFile(); data = r.randbytes(1 << 20); f.write(data); f.flush()
for i in range(200):
    # TCP_CORK: several pieces of several pages in a frame.
    c.setsockopt(socket.IPPROTO_TCP, 3, 1)
    for j in range(r.randrange(1, 20)):
        off = r.randrange(0, 1 << 19); n = r.randrange(1, 3000)
        if r.random() < .5:
            sent = os.sendfile(c.fileno(), f.fileno(), off, n)
            h.update(data[off:off + sent])
        else:
            c.sendall(data[off:off + n]); h.update(data[off:off + n])
    c.setsockopt(socket.IPPROTO_TCP, 3, 0)
c.close(); print(h.hexdigest())' "$DPU_IP" "$OPI_SEED" </dev/null >"$CASE_DIR/want"
	bg_wait recv
	expect_eq "what arrived" "$(tail -n 1 "$CASE_DIR/recv")" "$(cat "$CASE_DIR/want")"
}

# Datagrams made of pieces of other files' pages, of odd lengths at odd places: no two
# can be joined.  One piece more than a frame can have is refused by the stack.
pieces='
import hashlib, os, random, socket, sys, tempfile
CORK, UDP = 1, 17
r = random.Random(int(sys.argv[3])); count = int(sys.argv[4])
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect((sys.argv[1], int(sys.argv[2])))
f = tempfile.TemporaryFile(dir="/dev/shm"); data = r.randbytes(1 << 20); f.write(data); f.flush()
h = hashlib.sha256()
def send(pieces):
    sent = b""
    s.setsockopt(UDP, CORK, 1)
    for i in range(pieces):
        # Each on a page of its own.
        n = r.randrange(1, 500); off = (r.randrange(0, 120) * 2 + i % 2) * 4096 + r.randrange(1, 3500)
        if os.sendfile(s.fileno(), f.fileno(), off, n) != n: raise OSError("short")
        sent += data[off:off + n]
    s.setsockopt(UDP, CORK, 0)
    h.update(sent)
for i in range(count):
    send((17, 16, 1, 2, 15)[i % 5])
print(count, h.hexdigest())
try:
    send(40)
except OSError as e:
    print("refused", e.errno, file=sys.stderr)'

fragments()
{
	local from=$1 to=$2 ip=$3 port=$4 n

	n=$(times 200)
	bg "recv_$to" "$to" timeout "$(secs 60)" python3 -c '
import hashlib, socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
s.bind(("", int(sys.argv[1]))); print("listening", flush=True)
h = hashlib.sha256()
for i in range(int(sys.argv[2])): h.update(s.recv(1 << 16))
print(sys.argv[2], h.hexdigest())' "$port" "$n"
	wait_for 20 said "recv_$to" listening
	on "$from" timeout "$(secs 60)" python3 -c "$pieces" "$ip" "$port" "$OPI_SEED" "$n" \
		</dev/null >"$CASE_DIR/want" 2>"$CASE_DIR/said"
	bg_wait "recv_$to"
	expect_eq "what arrived at $to" "$(tail -n 1 "$CASE_DIR/recv_$to")" "$(cat "$CASE_DIR/want")"
}

frames_of_as_many_fragments_as_there_can_be()
{
	host ip link set "$HIF" mtu 9216 </dev/null
	dpu_sh 'ip link set $1 mtu 9216; ip link set br0 mtu 9216' "$REP"
	fragments host dpu "$DPU_IP" 5004
	expect_match "one more" "$(cat "$CASE_DIR/said")" 'refused 90'
	fragments dpu host "$HOST_IP" 5005
	# And copied, where the card gathers nothing.
	defer "host ethtool -K $HIF scatter-gather on"
	host ethtool -K "$HIF" scatter-gather off </dev/null
	fragments host dpu "$DPU_IP" 5006
}

# The kernel's packet generator hands the driver one buffer many times, tells it that
# more are to come, and takes what queue it likes.
bursts_of_shared_buffers_from_each_queue()
{
	local a b n q mac

	# shellcheck disable=SC2317 # settled calls it
	account()
	{
		local arrived sent

		arrived=$(estat dpu "$REP" port_rx_frames port_rx_no_buffer)
		sent=$(estat host "$HIF" port_tx_frames qp{0..3}_tx_packets)
		# What the host sent, what arrived or was counted, and what each queue sent.
		echo "${sent%% *} $((${arrived/ / + })) ${sent#* }"
	}
	# Whole bursts: none is cut short.
	n=$(times 3200)
	net_quiet
	mac=$(dpu cat "/sys/class/net/$REP/address" </dev/null)
	defer "host modprobe -r pktgen"
	defer "host ethtool -L $HIF combined $(host nproc </dev/null)"
	host ethtool -L "$HIF" combined 4 </dev/null
	# Frames as large as the smallest and the largest, whole and in all pieces.
	for how in "pkt_size 60" "pkt_size 1514" "pkt_size 1514;frags 17" "pkt_size 100;frags 16" \
		"pkt_size 1000;clone_skb 100" "pkt_size 60;clone_skb 4;burst 32" "pkt_size 1500;vlan_id 5;svlan_id 6"; do
		read -ra a <<<"$(account)"
		host_sh 'modprobe -r pktgen 2>/dev/null; modprobe pktgen && cd /proc/net/pktgen || exit 1
			echo "add_device $1@0" >kpktgend_0 && echo "add_device $1@1" >kpktgend_1 || exit 1
			for dev in $1@0 $1@1; do
				{ printf "%s\n" "count $2" "dst_mac $3" "dst 10.77.0.99" "flag QUEUE_MAP_RND" \
					"queue_map_min 0" "queue_map_max 3"; echo "$4" | tr ";" "\n"; } |
				while read -r line; do echo "$line" >$dev || { echo "$line: $(tail -n 1 $dev)"; exit 1; }; done || exit 1
			done
			timeout $5 sh -c "echo start >pgctrl" && grep -h -A 2 Result: $1@*' \
			"$HIF" "$n" "$mac" "$how" "$(secs 60)" >"$CASE_DIR/pktgen" ||
			fail "$how: $(cat "$CASE_DIR/pktgen")"
		note "$how: $(grep -o '[0-9]*pps' "$CASE_DIR/pktgen" | xargs)"
		read -ra b <<<"$(settled account)"
		expect_eq "$how: sent" $((b[0] - a[0])) $((2 * n))
		expect_eq "$how: arrived or counted" $((b[1] - a[1])) $((2 * n))
		for q in 0 1 2 3; do
			[ "${b[2 + q]}" -gt "${a[2 + q]}" ] || fail "$how: nothing from queue $q"
		done
	done
	ping_works host "$DPU_IP"
}

run_cases "$@"
