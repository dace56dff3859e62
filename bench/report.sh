#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the samples of run.sh say:
#
#	report.sh [--no-chart] DIR	print the table; DIR gets report.txt, report.json
#					and chart.png
#
# The arithmetic, the rows' names and the bars are in report.jq.

. "${BASH_SOURCE[0]%/*}/../qemu/lib.sh"

chart=1
if [ "${1:-}" = --no-chart ]; then
	chart=''
	shift
fi
if [ $# -ne 1 ] || [ ! -e "$1/info.json" ]; then
	opi_die "usage: report.sh [--no-chart] DIR (of a run)"
fi
dir=$1
[ -s "$dir/samples.jsonl" ] || opi_die "$1: nothing was measured"
: >>"$dir/retries.jsonl"
: >>"$dir/cannot.jsonl"

# One after the other by one jq, which a process each is too dear for: the report ends in
# the first line that has nothing but a brace.
said=$(jq -nr -L "$OPI_TOP/bench" --slurpfile info "$dir/info.json" --slurpfile samples "$dir/samples.jsonl" \
	--slurpfile retries "$dir/retries.jsonl" --slurpfile cannot "$dir/cannot.jsonl" \
	'include "report"; report($info[0]; $samples; $retries; $cannot) | ., table')
printf '%s\n' "${said%%$'\n}\n'*}"$'\n}' >"$dir/report.json"
printf '%s\n' "${said#*$'\n}\n'}" >"$dir/report.txt"
printf '%s\n' "${said#*$'\n}\n'}"

# A panel for each row: units differ.  The card stands out by colour.
script() {
	jq -r -L "$OPI_TOP/bench" 'include "report"; panels' "$dir/report.json"
	jq -r '
		[.rows[] | select(.better != "")] as $rows |
		($rows | length) as $n | (($n + 2) / 3 | floor) as $lines |
		"set terminal pngcairo size 1500,\($lines * 330 + 40) font \"DejaVu Sans,9\"",
		"set output \"\(env.CHART)\"",
		"set multiplot layout \($lines),3 title \"\(if .info.busy or .rounds < 5 then "a sample, not a result - " else "" end)medians of \(.rounds), tree \(.info.tree)\"",
		"set style fill solid 0.8 noborder; set boxwidth 0.7; unset key; set grid ytics",
		"set yrange [0:*]; set xtics rotate by -35 noenhanced; set ytics nomirror; set xtics nomirror",
		"set linetype 1 lc rgb \"#c0392b\"; set linetype 2 lc rgb \"#7f8c8d\"; set linetype 3 lc rgb \"black\"",
		(reduce range($n) as $i ([]; . + [
			# A row under another bears its name too.
			(if $rows[$i].title | startswith(" ") | not then $rows[$i].title
			 else ([$rows[0:$i][] | select(.title | startswith(" ") | not)] | last.title) as $main |
				if $main | contains(":") then ($main | sub(":.*"; ":")) else $main + "," end + $rows[$i].title[1:]
			 end) as $title |
			"set title \"\($title), \($rows[$i].unit) (\($rows[$i].better) is better)\"",
			"plot $panel\($i) using 0:2:3:xtic(1) with boxes lc variable, \"\" using 0:2:4:5 with yerrorbars lt 3 pt -1"
		]) | .[]),
		"unset multiplot"' "$dir/report.json"
}

[ -n "$chart" ] || exit 0
work=$(mktemp -d "${TMPDIR:-/tmp}/opi-chart.XXXXXX")
trap 'rm -rf "$work"' EXIT
export CHART=$work/chart.png
script >"$work/script"
"$OPI_TOP/bench/mkbench.sh" --in gnuplot "$work/script" >"$work/log" 2>&1 || {
	tail -n 5 "$work/log" >&2
	opi_die "gnuplot made no chart"
}
cp "$CHART" "$dir/chart.png"
opi_say "chart: $dir/chart.png"
