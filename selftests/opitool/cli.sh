#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 180
#
# opitool's command line, and what comes with it: usage errors, help, version,
# the manual page, completion, installation.

. "$(dirname -- "$0")/../lib/tap.sh"
# Found from static/ too, where a link to this file makes it one of the tests.
. "$(dirname -- "$0")/../opitool/lib.sh"

CASES="
	usage_errors_end_with_2
	usage_errors_say_what_would_be_right
	options_have_a_long_form
	help_lists_every_verb
	help_for_each_verb
	version_is_one
	show_may_be_left_out
	without_a_card_json_is_valid
	manual_page_lints
	manual_page_names_every_verb_and_key
	help_manual_page_and_completion_agree_on_verbs
	help_manual_page_and_completion_agree_on_options
	help_manual_page_and_completion_agree_on_keys
	exit_codes_are_documented
	completion_of_verbs
	completion_of_names
	completion_of_functions
	completion_does_not_run_what_stands_in_a_name
	install_and_its_files
	builds_without_warnings
	no_privileges_are_needed
"

build tool || exit 1
verbs="dpu port function monitor help version"

# Without a root of its own, which would be forty processes.  In a completion names come
# from it; there is no card then but one of paper.
opitool()
{
	if [ -n "${completing-}" ]; then
		case $* in
		"dpu show") REPLY=dpus ;;
		"port show") REPLY=ports ;;
		"function show") REPLY=functions ;;
		*) return ;;
		esac
		contents "$CASE_DIR/$REPLY"
		printf '%s\n' "$REPLY"
		return
	fi
	"${loader[@]}" "$bin/opitool" "$@"
}

# The manual page as it is read, in "page": usage page [WIDTH].
page()
{
	"${loader[@]}" "${loader[0]%/usr/lib64/*}/usr/bin/mandoc" -Tascii "-Owidth=${1:-78}" "$tool/opitool.1" \
		>"$CASE_DIR/page"
	contents "$CASE_DIR/page"
	# Bold and underlined is what has a character and a backspace before it.
	shopt -s extglob
	page=${REPLY//?$'\b'}
	shopt -u extglob
}

usage_errors_end_with_2()
{
	local line

	while IFS= read -r line; do
		# shellcheck disable=SC2086 # words
		gives_both 2 opitool $line
		[ ! -s "$CASE_DIR/out" ] || fail "output of '$line': got '$out'"
		[ -s "$CASE_DIR/err" ] || fail "'$line' says nothing"
	done <<-EOT

		-x
		-j
		--nonsense
		--js=x version
		--
		nonsense
		dpu show -j
		version --json
		function set id 1 -p
		dpu nonsense
		dpu show a b
		dpu show pci/
		dpu show /x
		dpu show pci/0000:01:00.0/1
		port show pci/0000:01:00.0/x
		port show pci/0000:01:00.0/1/2
		port show pci/0000:01:00.0/4294967296
		port show pci/0000:01:00.0/99999999999999999999
		port show pci/0000:01:00.0/-1
		port show pci/0000:01:00.0/
		port show a b
		function nonsense
		function show a b
		monitor nonsense
		monitor all all
		dpu set
		dpu set migration-key
		dpu set a
		dpu set a b c
		dpu set a migration-key
		dpu set a b migration-key none
		dpu set migration-key none none
		dpu set migration-key none trust on
		dpu set pci/ migration-key none
		dpu set a migration-key --
		help nonsense
		help dpu nonsense
		version now
	EOT
	status 2 opitool dpu show "" 2>/dev/null
	status 2 opitool dpu show "$(printf '%0200d' 0)/x" 2>/dev/null
}

# says_line ERE: a line of what it says of errors matches.
says_line() { expect_line err "$err" "$1"; }

# expect_line WHAT TEXT ERE: a line of TEXT matches ERE.
expect_line()
{
	local lines i

	mapfile -t lines <<<"$2"
	for i in "${lines[@]}"; do
		[[ ! $i =~ $3 ]] || return 0
	done
	fail "$1: no line of '$2' matches '$3'"
}

usage_errors_say_what_would_be_right()
{
	gives_both 2 opitool dpu show a b
	says_line '^usage: opitool .*dpu show'
	gives_both 2 opitool function set id 1
	says_line '^usage: opitool .*function set FUNCTION SETTING'
	gives_both 2 opitool nonsense
	says_line 'opitool help'
	gives_both 2 opitool dpu show -j
	says_line '"-j": options stand before the verb'
	gives_both 2 opitool --nonsense
	says_line 'no option --nonsense$'
	gives_both 2 opitool -jx version
	says_line 'no option -x$'
}

# same WORDS WORDS: both print the same, and something.
# shellcheck disable=SC2086 # words
same()
{
	local first

	gives 0 opitool $1
	first=$raw
	gives 0 opitool $2
	expect_eq "$2" "$raw" "$first"
	[ -n "$out" ] || fail "'$2' prints nothing"
}

options_have_a_long_form()
{
	same "--help" "-h"
	same "--version" "-V"
	same "--json version" "-j version"
	same "--pretty version" "-p version"
	jq -e .opitool "$CASE_DIR/out" >/dev/null
}

help_lists_every_verb()
{
	local v how nl=$'\n'

	for how in help -h; do
		gives 0 opitool "$how"
		for v in $verbs; do
			[[ $'\n'$out = *$'\n'"  $v"* ]] || fail "'$how' does not tell of $v"
		done
	done
	# For terminals of the usual width.
	[[ ! $out =~ [^$nl]{81} ]] || fail "wide: ${BASH_REMATCH[0]}"
}

help_for_each_verb()
{
	local v lines

	for v in $verbs "dpu show" "dpu set" "port show" function\ {show,add,set,expose,withdraw,del,migrate}; do
		# shellcheck disable=SC2086 # words
		gives 0 opitool help $v
		expect_line "$v" "$out" "^usage: opitool .*$v"
		mapfile -t lines <"$CASE_DIR/out"
		[ "${#lines[@]}" -ge 3 ]
	done
}

version_is_one()
{
	local v

	gives 0 opitool version
	v=$out
	expect_match version "$v" '^opitool [0-9]+\.[0-9]+ netlink-family [0-9]+ interface [0-9]+\.[0-9]+$'
	gives 0 opitool -V
	expect_eq -V "$out" "$v"
	gives 0 opitool -j version
	contents "$OPI_TOP/uapi/linux/opi.h"
	REPLY=${REPLY#*$'\n#define OPI_FAMILY_VERSION'}
	REPLY=${REPLY%%$'\n'*}
	expect_eq JSON "$(jq -r '"opitool \(.opitool) netlink-family \(.netlink_family) interface \(.interface)",
		.netlink_family' "$CASE_DIR/out")" "$v"$'\n'"${REPLY//[[:blank:]]}"
}

# starting WITH LINE...: in "lines" those of the lines that start so, and in "rest" what
# stands behind that in each.
starting()
{
	local i with=$1
	shift

	lines=() rest=()
	for i; do
		[[ $i = "$with"* ]] || continue
		lines+=("$i")
		rest+=("${i#"$with"}")
	done
}

show_may_be_left_out()
{
	local lines dpus

	same "help port" "help port show"
	# Of a word with several verbs help tells of each.
	gives 0 opitool help function
	mapfile -t lines <<<"$out"
	starting 'usage: ' "${lines[@]}"
	expect_eq verbs "${#lines[@]}" 7
	# Whether it ends with 0 or with 3 depends on the builder.
	opitool -j dpu >"$CASE_DIR/dpu" 2>/dev/null || :
	opitool -j dpu show >"$CASE_DIR/out" 2>/dev/null || :
	contents "$CASE_DIR/dpu"
	dpus=$REPLY
	contents "$CASE_DIR/out"
	[ "$dpus" = "$REPLY" ]
}

without_a_card_json_is_valid()
{
	local verb opt n=0

	for verb in dpu port function; do
		for opt in -j -p -jp; do
			n=$((n + 1))
			opitool "$opt" "$verb" show >"$CASE_DIR/out.$n" 2>/dev/null || :
			[ -s "$CASE_DIR/out.$n" ] || fail "no document: $opt $verb show"
		done
	done
	expect_eq documents "$(jq -r type "$CASE_DIR"/out.*)" \
		$'array\narray\narray\narray\narray\narray\narray\narray\narray'
}

manual_page_lints()
{
	# What is said of a database of manual pages is about the machine.
	expect_eq mandoc "$("${loader[@]}" "${loader[0]%/usr/lib64/*}/usr/bin/mandoc" -Tlint -Wwarning "$tool/opitool.1" || :)" ""
	expect_eq groff "$(inroot groff -ww -mandoc -Tutf8 -z "$tool/opitool.1" 2>&1 || :)" ""
}

manual_page_names_every_verb_and_key()
{
	local page key keys

	page
	mapfile -t keys < <(grep -ho 'out_[a-z]*(&\{0,1\}[a-z>-]*out, "[a-z_]*"' "$tool/show.c")
	expect_range keys "${#keys[@]}" 10 1000
	keys=("${keys[@]%\"}")
	for key in $verbs expose withdraw migrate max-vfs max-qps "${keys[@]##*\"}"; do
		[[ $page =~ [^a-z_]${key}[^a-z_] ]] || fail "the manual page does not tell of $key"
	done
}

# complete_line LINE [WORDBREAKS]: in REPLY what bash would offer at the end of LINE.
# shellcheck source=../../tools/opitool/opitool.bash
. "$tool/opitool.bash"
complete_line()
{
	local completing=1 COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDBREAKS=${2- $'\t\n"\'@><=;|&(:'}

	COMPREPLY=()
	_opitool
	REPLY=${COMPREPLY[*]}
}

# offers WHAT LINE WANT [WORDBREAKS]: that is WANT.
offers()
{
	complete_line "$2" "${@:4}"
	expect_eq "$1" "$REPLY" "$3"
}

# What is in one and not in the other: agree WHAT A-NAME A B-NAME B
agree()
{
	local -A a=() b=()
	local line differ=''

	# A list may end with a newline.
	while IFS= read -r line; do a["=$line"]=1; done <<<"${3%$'\n'}"
	while IFS= read -r line; do b["=$line"]=1; done <<<"${5%$'\n'}"
	for line in "${!a[@]}"; do
		[ -n "${b[$line]-}" ] || { note "only $2: ${line#=}"; differ=1; }
	done
	for line in "${!b[@]}"; do
		[ -n "${a[$line]-}" ] || { note "only $4: ${line#=}"; differ=1; }
	done
	[ -z "$differ" ] || fail "$1: $2 and $4 differ"
}

# between FROM TO: in "lines" those of standard input from one that matches FROM to the
# next that matches TO, as sed has it.
between()
{
	local i all in=''

	mapfile -t all
	lines=()
	for i in "${all[@]}"; do
		if [ -z "$in" ]; then
			[[ $i =~ $1 ]] || continue
			in=1
		elif [[ $i =~ $2 ]]; then
			in=''
		fi
		lines+=("$i")
	done
}

help_manual_page_and_completion_agree_on_verbs()
{
	local help='' man='' offer='' page lines rest nouns noun verb i

	complete_line 'opitool help '
	nouns=$REPLY
	# Each with what may follow it.
	for noun in $nouns; do
		gives 0 opitool help "$noun"
		mapfile -t lines <<<"$out"
		starting 'usage: opitool [-j] [-p] ' "${lines[@]}"
		for i in "${rest[@]}"; do help+=$i$'\n'; done
	done
	page 400
	between '^SYNOPSIS' '^DESCRIPTION' <<<"$page"
	for i in "${lines[@]}"; do
		[[ $i =~ ^' '*'opitool '('[-jp] ')?(.*) ]] || continue
		man+=${BASH_REMATCH[2]}$'\n'
	done
	agree synopsis help "$help" "manual page" "$man"

	mapfile -t lines <<<"${help%$'\n'}"
	help=''
	for i in "${lines[@]}"; do help+=${i%% [^a-z]*}$'\n'; done
	for noun in $nouns; do
		complete_line "opitool help $noun "
		[ -n "$REPLY" ] || offer+=$noun$'\n'
		for verb in $REPLY; do offer+="$noun $verb"$'\n'; done
	done
	agree verbs help "$help" completion "$offer"
	for noun in dpu port function; do
		complete_line "opitool help $noun "
		offers "$noun" "opitool $noun " "$REPLY"
	done
	gives 0 opitool help monitor
	expect_match monitor "$out" $'(^|\n)usage: [^\n]*\[dpu [^\n]*\](\n|$)'
	i=${out#*usage: *\[dpu } i=${i%%$'\n'*} i="dpu ${i%]}"
	complete_line 'opitool monitor '
	expect_eq monitor "${REPLY// / | }" "$i"
}

help_manual_page_and_completion_agree_on_options()
{
	local help='' man='' page lines i word

	gives 0 opitool help
	mapfile -t lines <<<"$out"
	for i in "${lines[@]}"; do
		[[ $i =~ ^'  '(-.*)'  ' ]] || continue
		for word in ${BASH_REMATCH[1]//,}; do help+=$word$'\n'; done
	done
	page
	mapfile -t lines <<<"$page"
	for i in "${lines[@]}"; do
		[[ ! $i =~ ^' '*(-[a-zA-Z])', '(--[a-z]*)' '*$ ]] || man+=${BASH_REMATCH[1]}$'\n'${BASH_REMATCH[2]}$'\n'
	done
	agree options help "$help" "manual page" "$man"
	complete_line 'opitool -'
	i=$REPLY
	complete_line 'opitool --'
	i+=" $REPLY"
	agree options help "$help" completion "${i// /$'\n'}"
}

# Keys in the lists that help, and the manual page, have of a verb, and that are offered.
# shellcheck disable=SC2086 # words
help_keys()
{
	local lines i

	gives 0 opitool help $1
	REPLY=
	mapfile -t lines <<<"$out"
	for i in "${lines[@]}"; do
		[[ $i =~ ^'  '([a-z].*[^ ])'  ' ]] || continue
		first_words ', ' "${BASH_REMATCH[1]}"
	done
}

page_keys()
{
	local lines i

	REPLY=
	between "^\.Ss opitool $1\$" '^\.Ss' <"$tool/opitool.1"
	for i in "${lines[@]}"; do
		[[ $i =~ ^'.It Cm '(.*(' Ar '|' | ').*) ]] || continue
		first_words ' , ' "${BASH_REMATCH[1]}"
	done
}

offered_keys()
{
	complete_line "opitool $1 "
	REPLY=${REPLY// /$'\n'}
}

# first_words SEPARATOR LIST: to REPLY the first word of each entry, a line each.
first_words()
{
	local list=$2$1

	while [ -n "$list" ]; do
		REPLY+=${list%%[ ,]*}$'\n'
		list=${list#*"$1"}
	done
}

# keys_agree WHAT HELP-KEYS VERB: those offered behind VERB are those.
keys_agree()
{
	offered_keys "$3"
	agree "$1" help "$2" completion "$REPLY"
}

help_manual_page_and_completion_agree_on_keys()
{
	local verb help settings choose lines
	local -A keys_of=()

	: >"$CASE_DIR/dpus"
	: >"$CASE_DIR/ports"
	: >"$CASE_DIR/functions"
	for verb in "port show" "function show" "function set"; do
		help_keys "$verb"
		help=$REPLY
		page_keys "$verb"
		agree "$verb" help "$help" "manual page" "$REPLY"
		keys_of["$verb"]=$help
	done
	settings=${keys_of["function set"]} choose=${keys_of["function show"]}
	mapfile -t lines <<<"${settings%$'\n'}"
	expect_range settings "${#lines[@]}" 7 100
	keys_agree port "${keys_of["port show"]}" "port show"
	for verb in show expose withdraw del; do
		keys_agree "function $verb" "$choose" "function $verb"
	done
	keys_agree "function set" "$choose$settings" "function set"
	settings=$'\n'$settings
	settings=${settings/$'\nmax-vfs\n'/$'\n'}
	keys_agree "function add" "${settings#$'\n'}"$'sf\npf\ncontroller' "function add"
}

exit_codes_are_documented()
{
	local page status=() lines i n

	page
	between '^EXIT STATUS' '^EXAMPLES' <<<"$page"
	status=("${lines[@]}")
	mapfile -t lines <"$tool/opitool.h"
	for i in "${lines[@]}"; do
		[[ $i =~ ^$'\tST_'[A-Z]*[[:blank:]]*'= '([0-9]) ]] || continue
		n=${BASH_REMATCH[1]}
		printf -v i '%s\n' "${status[@]}"
		expect_line "exit status $n" "$i" "^ *$n "
	done
	[ -n "$n" ] || fail "opitool.h has no exit status"
}

paper_names()
{
	printf '%s\n' 'pci/0000:01:00.0: driver opi_core via opi serial 00000000000000aa role host-pf' \
		'    dev-state ready generation 3' >"$CASE_DIR/dpus"
	printf '%s\n' 'pci/0000:01:00.0 id 1: type pf class net controller 1 pf 0 host-address 01:00.0 opstate attached' \
		'    trust true vlan 0 max-qps 8 port-index 4 seq 9' \
		'pci/0000:01:00.0 id 22: type vf pf 0 vf 3 host-address 01:02.3' >"$CASE_DIR/functions"
	printf '%s\n' 'pci/0000:01:00.0/0: flavour physical' 'pci/0000:01:00.0/1: flavour pcipf' >"$CASE_DIR/ports"
}

completion_of_verbs()
{
	local told='' lines i

	offers all 'opitool ' "dpu port function monitor help version -j -p -V -h"
	offers d 'opitool d' dpu
	offers option 'opitool -j m' monitor
	offers show 'opitool port ' show
	offers function 'opitool function ' "show add set expose withdraw del migrate"
	offers help 'opitool help function w' withdraw
	offers monitor 'opitool -jp monitor p' port
	offers help 'opitool help v' version
	offers nothing 'opitool version ' ""
	offers unknown 'opitool nonsense ' ""
	# The offer is what there is.
	gives 0 opitool help
	mapfile -t lines <<<"$out"
	for i in "${lines[@]}"; do
		[[ ! $i =~ ^'  '([a-z]*)' ' ]] || told+=${BASH_REMATCH[1]}$'\n'
	done
	complete_line 'opitool help '
	agree verbs help "$told" completion "${REPLY// /$'\n'}"
	# None is offered twice.
	for i in $REPLY; do
		[[ " $REPLY " != *" $i "*" $i "* ]] || fail "$i is offered twice"
	done
}

completion_of_names()
{
	paper_names
	offers dpu 'opitool dpu show ' "pci/0000:01:00.0 00000000000000aa" ''
	offers serial 'opitool dpu show 0' 00000000000000aa
	offers port 'opitool -j port show pc' "pci/0000:01:00.0/0 pci/0000:01:00.0/1" ''
	# With a colon behind which bash begins a new word only the rest is wanted.
	offers colon 'opitool dpu show pci/0000:0' "01:00.0"
	offers plain 'opitool dpu show pci/0000:0' "pci/0000:01:00.0" ' '
	offers last 'opitool dpu show pci/0000:01:00.0 ' ""
	offers set 'opitool dpu set ' "migration-key pci/0000:01:00.0 00000000000000aa" ''
	offers key 'opitool dpu set 00000000000000aa ' migration-key
	offers value 'opitool dpu set migration-key n' none ''
	offers file "opitool dpu set migration-key $CASE_DIR/dp" "$CASE_DIR/dpus" ''
	offers end 'opitool dpu set migration-key none ' ""
}

completion_of_functions()
{
	paper_names
	offers first 'opitool function show ' \
		"id port type controller pf vf sf host pci/0000:01:00.0 00000000000000aa" ''
	offers ids 'opitool function expose id ' "1 22"
	offers VFs 'opitool -j function del vf ' 3
	offers hosts 'opitool function show host 01:0' "01:00.0 01:02.3" ''
	offers colon 'opitool function show host 01:02' 02.3
	offers ports 'opitool function show port ' 4
	offers next 'opitool function withdraw id 1 ' "port type controller pf vf sf host"
	offers set 'opitool function set id 1 m' "max-qps migratable max-io-eqs max-vfs"
	offers twice 'opitool function set id 1 max_qps 3 max-q' ""
	offers types 'opitool function show type ' "pf vf sf"
	offers types 'opitool port show type u' uplink
	offers switch 'opitool function set id 1 trust ' "on off"
	offers number 'opitool function set id 1 vlan ' ""
	offers add 'opitool function add ' \
		"sf pf controller trust vlan max-qps hw-addr migratable max-io-eqs pci/0000:01:00.0 00000000000000aa" ''
	# A number for a new one can not be among those that there are.
	offers new 'opitool function add sf ' ""
	offers port 'opitool port show vf ' 3
	offers source 'opitool function migrate vf 3 ' "id port type controller pf sf host to"
	offers destination 'opitool function migrate vf 3 to v' vf
	offers names 'opitool function migrate vf 3 to pc' pci/0000:01:00.0 ''
	offers force 'opitool function migrate vf 3 to id 22 f' force
	offers end 'opitool function migrate vf 3 to id 22 force ' ""
	# Every key that is offered is one that opitool takes.
	local w
	complete_line 'opitool function set sf 1 '
	[ -n "$REPLY" ]
	for w in $REPLY; do
		gives_both 2 opitool function set "$w"
		says "\"$w\" needs a value"
	done
}

completion_does_not_run_what_stands_in_a_name()
{
	paper_names
	# shellcheck disable=SC2016 # shall not be expanded, that is the test
	printf 'x/$(touch${IFS}%s/ran)`touch${IFS}%s/ran`: driver x\n' "$CASE_DIR" "$CASE_DIR" >"$CASE_DIR/dpus"
	complete_line 'opitool dpu show x'
	# shellcheck disable=SC2016
	printf 'pci/x id $(touch${IFS}%s/ran): type w[$(touch${IFS}%s/ran)]\n' "$CASE_DIR" "$CASE_DIR" >"$CASE_DIR/functions"
	complete_line 'opitool function show id '
	[ ! -e "$CASE_DIR/ran" ]
}

install_and_its_files()
{
	# Built from it, and not before it.
	touch "$bin/opitool"
	# shellcheck disable=SC2016 # for the inner shell
	inroot sh -ec '
		make -s -C "$1" O="$2" DESTDIR="$3" install
		"$3/usr/bin/opitool" version >/dev/null' sh "$tool" "$bin" "$CASE_DIR/root"
	expect_eq files "$(cd "$CASE_DIR/root" && find . -type f | sort | tr '\n' ' ')" \
		"./usr/bin/opitool ./usr/share/bash-completion/completions/opitool ./usr/share/man/man1/opitool.1 "
	inroot make -s -C "$tool" O="$bin" DESTDIR="$CASE_DIR/root" PREFIX=/opt/x install
	[ -x "$CASE_DIR/root/opt/x/bin/opitool" ]
}

builds_without_warnings()
{
	# shellcheck disable=SC2016 # for the inner shell
	inroot sh -ec '
		make -s -C "$1" O="$2/o" CFLAGS="-O2 -Werror" >"$2/first" 2>&1
		make -C "$1" O="$2/o" CFLAGS="-O2 -Werror" >"$2/again" 2>&1
		make -s -C "$1" O="$2/o" clean' sh "$tool" "$CASE_DIR" ||
		{ cat "$CASE_DIR/first"; fail "it can not be built, or cleaned"; }
	contents "$CASE_DIR/first"
	expect_eq output "$REPLY" ""
	# Clean leaves nothing, and a second build has nothing to do.
	contents "$CASE_DIR/again"
	expect_match again "$REPLY" 'Nothing to be done'
	expect_eq left "$(ls "$CASE_DIR/o")" ""
}

no_privileges_are_needed()
{
	local v rc n=0 documents=()

	chmod 755 "$bin"
	# One root for all.
	# shellcheck disable=SC2016 # for the inner shell
	inroot sh -c '
		tool=$1 out=$2 n=0
		for v in "version" "-j dpu show" "-j port show" "-j function show"; do
			n=$((n + 1))
			setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs \
				--inh-caps=-all --bounding-set=-all "$tool" $v >"$out/out.$n" 2>"$out/err.$n"
			echo "$? $v"
		done' sh "$bin/opitool" "$CASE_DIR" >"$CASE_DIR/ends"
	while read -r rc v; do
		n=$((n + 1))
		# 3 where no driver is: all but a refusal.
		case $rc in 0 | 3) ;; *) cat "$CASE_DIR/err.$n"; fail "status $rc: $v" ;; esac
		[ "$v" = version ] || documents+=("$CASE_DIR/out.$n")
		[ -s "$CASE_DIR/out.$n" ] || fail "no document: $v"
	done <"$CASE_DIR/ends"
	expect_eq calls "$n" 4
	jq . "${documents[@]}" >/dev/null
}

run_cases "$@"
