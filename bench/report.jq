# SPDX-License-Identifier: GPL-2.0
#
# What the samples say: medians, ratios of the card to each peer, and whether what
# is demanded of the card holds.  Input: null; $info, $samples, $retries: what run.sh
# wrote.  Output: report.json.  As text with "table" (jq 'include "report"; table').

# The rows, in the report's order; less is better where unit says time or cost.
def rows: [
	["tcp1", "TCP, one stream", "Mbit/s", "more"],
	["tcp1r", "  to the host", "Mbit/s", "more"],
	["tcp8", "TCP, 8 streams", "Mbit/s", "more"],
	["tcp8r", "  to the host", "Mbit/s", "more"],
	["udp64", "UDP 64 bytes received", "packets/s", "more"],
	["udp64r", "  by the host", "packets/s", "more"],
	["pktgen", "pktgen, received", "packets/s", "more"],
	["pktgen_sent", "  sent", "packets/s", ""],
	["pktgenr", "pktgen, received by the host", "packets/s", "more"],
	["pktgenr_sent", "  sent", "packets/s", ""],
	["rtt", "round trip: median", "us", "less"],
	["rtt99", "  99th percentile", "us", "less"],
	["insns_tx", "instructions, paced: sender", "/packet", "less"],
	["insns_rx", "  receiver", "/packet", "less"],
	["insns_lost", "  lost on the way", "%", ""],
	["insnsr_tx", "  to the host, sender", "/packet", "less"],
	["insnsr_rx", "  to the host, receiver", "/packet", "less"],
	["insnsr_lost", "  to the host, lost", "%", ""],
	["insns_full_tx", "instructions, full rate: sender", "/packet", "less"],
	["insns_full_rx", "  receiver", "/packet", "less"],
	["insns_full_lost", "  lost on the way", "%", ""],
	["insnsr_full_tx", "  to the host, sender", "/packet", "less"],
	["insnsr_full_rx", "  to the host, receiver", "/packet", "less"],
	["insnsr_full_lost", "  to the host, lost", "%", ""],
	["insns_tcp_tx", "instructions, TCP: sender", "/KiB", "less"],
	["insns_tcp_rx", "  receiver", "/KiB", "less"],
	["insnsr_tcp_tx", "  to the host, sender", "/KiB", "less"],
	["insnsr_tcp_rx", "  to the host, receiver", "/KiB", "less"],
	["sf", "function made until used: median", "ms", "less"],
	["sf99", "  99th percentile", "ms", "less"],
	["sfs", "many functions, until all used", "s", "less"],
	["sfs_host", "  memory of the host, each", "KiB", "less"],
	["sfs_dpu", "  memory of the DPU, each", "KiB", "less"],
	["move", "VF moved, one queue pair", "us", "less"],
	["move_stopped", "  stopped meanwhile", "us", "less"],
	["move_bytes", "  read while stopped", "bytes", "less"],
	["move_queues", "VF moved, all queue pairs", "us", "less"],
	["move_queues_stopped", "  stopped meanwhile", "us", "less"],
	["move_queues_bytes", "  read while stopped", "bytes", "less"],
	["move_busy", "VF moved while it gets 5000/s", "us", "less"],
	["move_busy_stopped", "  stopped meanwhile", "us", "less"],
	["move_busy_bytes", "  read while stopped", "bytes", "less"],
	["log", "dirty log of 1 GiB: report", "us", "less"],
	["log_busy", "  after 50 round trips", "us", "less"],
	["log_pages", "  pages that were written", "", ""],
	["log_start", "  start", "us", "less"]
] | map({key: .[0], title: .[1], unit: .[2], better: .[3]});

def columns: ["card", "card-iommu", "virtio-stream", "virtio-dgram", "igb", "e1000e",
	"vhost-user", "loopback", "netdevsim",
	"opi-user", "opi-user-debug", "virtio-stream-iommu", "virtio-dgram-iommu", "igb-iommu", "e1000e-iommu"];

def nics: ["virtio-stream", "virtio-dgram", "igb", "e1000e", "vhost-user"];
def virtio: ["virtio-stream", "virtio-dgram", "vhost-user"];

# card >= factor x the best of the peers, or card <= factor x the best of them; or card <= most.
def bars: [
	(["tcp1", "tcp1r"][] | {row: ., factor: 3, of: ["virtio-stream"]}, {row: ., factor: 2, of: ["igb", "e1000e"]}),
	(["udp64", "udp64r"][] | {row: ., factor: 1.4, of: nics}),
	(["pktgen", "pktgenr"][] | {row: ., factor: 1.5, of: nics}),
	{row: "rtt", factor: 1, of: nics},
	(["insns_tx", "insns_rx", "insnsr_tx", "insnsr_rx", "insns_full_tx", "insns_full_rx",
	  "insnsr_full_tx", "insnsr_full_rx"][] | {row: ., factor: 1, of: virtio}),
	(["tcp1", "tcp1r"][] | {row: ., factor: 0.6, of: ["loopback"], reach: true}),
	{row: "sf", most: 100}
];

def median:
	sort | length as $n |
	if $n == 0 then null elif $n % 2 == 1 then .[($n - 1) / 2] else (.[$n / 2 - 1] + .[$n / 2]) / 2 end;

def ratio($a; $b): if $a == null or $b == null or $b == 0 then null else $a / $b end;

def absolute($value):
	. + {better: "less", value: $value, missing: [], state: (if $value == null then "not measured"
		elif $value <= .most then "met" else "not met" end)};

def report($info; $samples; $retries; $cannot):
	(reduce $samples[] as $s ({}; .[$s.key][$s.peer] += [$s.value])) as $v |
	($v | map_values(map_values({median: median, min: min, max: max, n: length}))) as $m |
	{
		info: $info,
		rounds: ([$m[][].n] | min // 0),
		peers: [columns[] | select(. as $p | any($samples[]; .peer == $p))],
		rows: [rows[] | select($m[.key]) | .key as $k |
			if $k == "sfs" and $info.sfs then .title |= sub("^many"; "\($info.sfs)") else . end | . + {
			peers: ($m[$k] | with_entries(.value.card_ratio = ratio($m[$k].card.median; .value.median)))
		}],
		bars: [bars[] | if .most then absolute($m[.row].card.median) else .row as $k | (rows[] | select(.key == $k)) as $row |
			# The ceiling has one direction only.
			(if .reach then "tcp1" else $k end) as $from |
			.of as $of | [$of[] | select($m[$from][.])] as $have |
			(if $row.better == "more" then ($have | max_by($m[$from][.].median))
			 else ($have | min_by($m[$from][.].median)) end) as $best |
			ratio($m[$k].card.median; if $best then $m[$from][$best].median else null end) as $r |
			. + {
				better: $row.better, $best, ratio: $r,
				state: (if $r == null then "not measured"
					elif ($have | length) < ($of | length) then "open"
					elif ($row.better == "more" and $r >= .factor) or
					     ($row.better == "less" and $r <= .factor) then "met"
					else "not met" end),
				missing: ($of - $have)
			} end],
		cannot: ($cannot | group_by([.peer, .row]) | map(.[-1] | del(.round))),
		retries: ($retries | group_by(.peer) | map({key: .[0].peer, value: map({round, row, why})}) | from_entries)
	};

def pad($n): tostring | . + (" " * ([$n - length, 0] | max));
def lpad($n): tostring | (" " * ([$n - length, 0] | max)) + .;
def round_to($n): . * $n | round / $n;
# Three digits that mean something.
def short: if . == null then "-" elif . >= 100 then round elif . >= 10 then round_to(10) else round_to(100) end;

def line($title; $unit; $cells): ($title | pad(34)) + ($unit | pad(10)) + ($cells | map(lpad(15)) | join(""));

def table:
	. as $r |
	(if .info.busy then "NOT A RESULT: the machine did other things meanwhile.", "" else empty end),
	(if .rounds < 5 then "A sample: medians of \(.rounds), a result wants 5 at least.", "" else empty end),
	"\(.info.cpu), \(.info.cpus) processors; guests: \(.info.vm.cpus) processor, \(.info.vm.mem) MiB, -cpu \(.info.vm.cpu), \(.info.kernel)",
	"tree \(.info.tree), payload \(.info.payload // ""), \(.info.qemu), sha256 \(.info.qemu_sha256 // "" | .[:12])",
	"",
	line("Medians"; ""; .peers),
	(.rows[] | . as $row | line(.title; .unit; [$r.peers[] | $row.peers[.].median | short])),
	"",
	line("Card / peer"; ""; .peers - ["card"]),
	(.rows[] | select(.better != "") | . as $row |
		line(.title; if .better == "more" then "" else "(less)" end; [($r.peers - ["card"])[] | $row.peers[.].card_ratio | short])),
	"",
	"Bars",
	(.bars[] | select(.most and .state != "not measured") |
		"  \(.state | pad(14))\(.row | pad(15))at most \(.most) ms: \(.value | short)"),
	(.bars[] | select(.most | not) | select(.state != "not measured") | "  " + (.state | pad(14)) + (.row | pad(15)) +
		(if .better == "more" then "at least " else "at most " end) + "\(.factor) x " +
		(if (.of | length) > 1 then "the best of " else "" end) + (.of | join(", ")) +
		(if .reach then " (to reach for)" else "" end) +
		(if .ratio then ": \(.ratio | short) x \(.best)" else "" end) +
		(if .state == "open" then "; not measured: \(.missing | join(", "))" else "" end)),
	([.bars[] | select(.state == "not measured") | .row + if .reach then " of loopback" else "" end] | unique | if length > 0 then "  not measured  \(join(", "))" else empty end),
	(.cannot | if length > 0 then "", "Not measured", (.[] | "  \(.peer), \(.row): \(.why)") else empty end),
	(if (.retries | length) > 0 then "", "Done again", (.retries | to_entries[] |
		"  \(.key): \(.value | length) times, last: \(.value[-1].why)") else empty end);

# For the chart: a panel per row, "PANEL TITLE" and then "PEER VALUE" lines.
def panels:
	.peers as $peers |
	.rows | map(select(.better != "")) |
	to_entries[] | .key as $i | .value as $row |
	"$panel\($i) << END",
	($peers[] | select($row.peers[.]) | "\(.) \($row.peers[.].median) \(if test("^card") then 1 else 2 end) \($row.peers[.].min) \($row.peers[.].max)"),
	"END";
