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

build_tool "$bin"
opitool() { inroot "$bin/opitool" "$@"; }
verbs="dpu port function monitor help version"

usage_errors_end_with_2()
{
	local line

	while IFS= read -r line; do
		# shellcheck disable=SC2086 # words
		status 2 opitool $line >"$CASE_DIR/out" 2>"$CASE_DIR/err"
		expect_eq "output of '$line'" "$(cat "$CASE_DIR/out")" ""
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

usage_errors_say_what_would_be_right()
{
	opitool dpu show a b 2>"$CASE_DIR/err" || :
	grep -q '^usage: opitool .*dpu show' "$CASE_DIR/err"
	opitool function set id 1 2>"$CASE_DIR/err" || :
	grep -q '^usage: opitool .*function set FUNCTION SETTING' "$CASE_DIR/err"
	opitool nonsense 2>"$CASE_DIR/err" || :
	grep -q 'opitool help' "$CASE_DIR/err"
	opitool dpu show -j 2>"$CASE_DIR/err" || :
	grep -q '"-j": options stand before the verb' "$CASE_DIR/err"
	opitool --nonsense 2>"$CASE_DIR/err" || :
	grep -q 'no option --nonsense$' "$CASE_DIR/err"
	opitool -jx version 2>"$CASE_DIR/err" || :
	grep -q 'no option -x$' "$CASE_DIR/err"
}

options_have_a_long_form()
{
	diff <(opitool --help) <(opitool -h)
	diff <(opitool --version) <(opitool -V)
	diff <(opitool --json version) <(opitool -j version)
	diff <(opitool --pretty version) <(opitool -p version)
	opitool --pretty version | jq -e .opitool >/dev/null
}

help_lists_every_verb()
{
	local v how

	for how in help -h; do
		opitool "$how" >"$CASE_DIR/out"
		for v in $verbs; do
			grep -q "^  $v" "$CASE_DIR/out" || fail "'$how' does not tell of $v"
		done
	done
	# For terminals of the usual width.
	expect_eq wide "$(awk 'length > 80' "$CASE_DIR/out")" ""
}

help_for_each_verb()
{
	local v

	for v in $verbs "dpu show" "dpu set" "port show" function\ {show,add,set,expose,withdraw,del,migrate}; do
		# shellcheck disable=SC2086 # words
		opitool help $v >"$CASE_DIR/out"
		grep -q "^usage: opitool .*$v" "$CASE_DIR/out"
		[ "$(wc -l <"$CASE_DIR/out")" -ge 3 ]
	done
}

version_is_one()
{
	local v

	v=$(opitool version)
	expect_match version "$v" '^opitool [0-9]+\.[0-9]+ netlink-family [0-9]+ interface [0-9]+\.[0-9]+$'
	expect_eq -V "$(opitool -V)" "$v"
	expect_eq JSON "$(opitool -j version | jq -r '"opitool \(.opitool) netlink-family \(.netlink_family) interface \(.interface)"')" "$v"
	expect_eq family "$(opitool -j version | jq .netlink_family)" \
		"$(sed -n 's/^#define OPI_FAMILY_VERSION[ \t]*//p' "$OPI_TOP/uapi/linux/opi.h")"
}

show_may_be_left_out()
{
	diff <(opitool help port) <(opitool help port show)
	# Of a word with several verbs help tells of each.
	expect_eq verbs "$(opitool help function | grep -c '^usage: ')" 7
	[ "$(opitool -j dpu 2>/dev/null)" = "$(opitool -j dpu show 2>/dev/null)" ]
}

without_a_card_json_is_valid()
{
	local verb opt

	for verb in dpu port function; do
		for opt in -j -p -jp; do
			opitool "$opt" "$verb" show >"$CASE_DIR/out" 2>/dev/null || :
			jq -e 'type == "array"' "$CASE_DIR/out" >/dev/null
		done
	done
}

manual_page_lints()
{
	# What is said of a database of manual pages is about the machine.
	expect_eq mandoc "$(inroot mandoc -Tlint -Wwarning "$tool/opitool.1" || :)" ""
	expect_eq groff "$(inroot groff -ww -mandoc -Tutf8 -z "$tool/opitool.1" 2>&1 || :)" ""
}

manual_page_names_every_verb_and_key()
{
	local page key

	page=$(inroot mandoc -Tascii "$tool/opitool.1" | sed 's/.\x08//g')
	for key in $verbs expose withdraw migrate max-vfs max-qps $(grep -ho 'out_[a-z]*(&\{0,1\}[a-z>-]*out, "[a-z_]*"' "$tool/show.c" |
			sed 's/.*"\(.*\)"/\1/' | sort -u); do
		[[ $page =~ [^a-z_]${key}[^a-z_] ]] || fail "the manual page does not tell of $key"
	done
}

# What is in one and not in the other: agree WHAT A-NAME A B-NAME B
agree()
{
	diff -u --label "$2" --label "$4" <(sort -u <<<"$3") <(sort -u <<<"$5") >&2 || fail "$1: $2 and $4 differ"
}

help_manual_page_and_completion_agree_on_verbs()
{
	local help man offer noun verb

	# Each with what may follow it.
	help=$(for noun in $(complete_line 'opitool help '); do opitool help "$noun"; done |
		sed -n 's/^usage: opitool \[-j\] \[-p\] //p')
	man=$(inroot mandoc -Tascii -Owidth=400 "$tool/opitool.1" | sed 's/.\x08//g' |
		sed -n '/^SYNOPSIS/,/^DESCRIPTION/s/^ *opitool \(\[-jp\] \)\{0,1\}//p')
	agree synopsis help "$help" "manual page" "$man"

	help=$(printf '%s\n' "$help" | sed 's/ [^a-z].*//')
	offer=$(for noun in $(complete_line 'opitool help '); do
		[ -n "$(complete_line "opitool help $noun ")" ] || echo "$noun"
		for verb in $(complete_line "opitool help $noun "); do echo "$noun $verb"; done
	done)
	agree verbs help "$help" completion "$offer"
	for noun in dpu port function; do
		expect_eq "$noun" "$(complete_line "opitool $noun ")" "$(complete_line "opitool help $noun ")"
	done
	expect_eq monitor "$(complete_line 'opitool monitor ' | sed 's/ / | /g')" \
		"$(opitool help monitor | sed -n 's/^usage: .*\[\(dpu .*\)\]$/\1/p')"
}

help_manual_page_and_completion_agree_on_options()
{
	local help

	help=$(opitool help | sed -n 's/^  \(-.*\)  .*/\1/p' | tr -d ',' | tr -s ' ' '\n')
	agree options help "$help" "manual page" \
		"$(inroot mandoc -Tascii "$tool/opitool.1" | sed 's/.\x08//g' |
			sed -n 's/^ *\(-[a-zA-Z]\), \(--[a-z]*\) *$/\1\n\2/p')"
	agree options help "$help" completion \
		"$(complete_line 'opitool -' | tr ' ' '\n'; complete_line 'opitool --' | tr ' ' '\n')"
}

# Keys in the lists that help, and the manual page, have of a verb.
help_keys() { opitool help "$@" | sed -n 's/^  \([a-z].*[^ ]\)  .*/\1/p' | sed 's/, /\n/g' | sed 's/ .*//'; }
page_keys()
{
	sed -n "/^\.Ss opitool $*\$/,/^\.Ss/s/^\.It Cm \(.*\( Ar \| | \).*\)/\1/p" "$tool/opitool.1" |
		sed 's/ , /\n/g' | sed 's/ .*//'
}
offered_keys() { complete_line "opitool $* " | tr ' ' '\n'; }

help_manual_page_and_completion_agree_on_keys()
{
	local verb settings choose

	: | tee "$CASE_DIR/dpus" "$CASE_DIR/ports" >"$CASE_DIR/functions"
	for verb in "port show" "function show" "function set"; do
		# shellcheck disable=SC2086 # words
		agree "$verb" help "$(help_keys $verb)" "manual page" "$(page_keys $verb)"
	done
	settings=$(help_keys function set) choose=$(help_keys function show)
	expect_range settings "$(wc -l <<<"$settings")" 7 100
	agree port help "$(help_keys port show)" completion "$(offered_keys port show)"
	for verb in show expose withdraw del; do
		agree "function $verb" help "$choose" completion "$(offered_keys function "$verb")"
	done
	agree "function set" help "$choose"$'\n'"$settings" completion "$(offered_keys function set)"
	agree "function add" help "$(grep -vx max-vfs <<<"$settings")"$'\nsf\npf\ncontroller' \
		completion "$(offered_keys function add)"
}

exit_codes_are_documented()
{
	local page n

	page=$(inroot mandoc -Tascii "$tool/opitool.1" | sed 's/.\x08//g' | sed -n '/^EXIT STATUS/,/^EXAMPLES/p')
	while read -r n; do
		grep -q "^ *$n " <<<"$page" || fail "exit status $n is not documented"
	done < <(sed -n 's/^\tST_[A-Z]*[ \t]*= \([0-9]\).*/\1/p' "$tool/opitool.h")
}

# complete LINE: what bash would offer at the end of LINE.
complete_line()
(
	# shellcheck source=../../tools/opitool/opitool.bash
	. "$tool/opitool.bash"
	# Names come from opitool; here there is no card.
	opitool()
	{
		case $* in
		"dpu show") cat "$CASE_DIR/dpus" ;;
		"port show") cat "$CASE_DIR/ports" ;;
		"function show") cat "$CASE_DIR/functions" ;;
		esac
	}
	COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDBREAKS=${2- $'\t\n"\'@><=;|&(:'}
	_opitool
	printf '%s\n' "${COMPREPLY[*]}"
)

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
	expect_eq all "$(complete_line 'opitool ')" "dpu port function monitor help version -j -p -V -h"
	expect_eq d "$(complete_line 'opitool d')" dpu
	expect_eq option "$(complete_line 'opitool -j m')" monitor
	expect_eq show "$(complete_line 'opitool port ')" show
	expect_eq function "$(complete_line 'opitool function ')" "show add set expose withdraw del migrate"
	expect_eq help "$(complete_line 'opitool help function w')" withdraw
	expect_eq monitor "$(complete_line 'opitool -jp monitor p')" port
	expect_eq help "$(complete_line 'opitool help v')" version
	expect_eq nothing "$(complete_line 'opitool version ')" ""
	expect_eq unknown "$(complete_line 'opitool nonsense ')" ""
	# The offer is what there is.
	expect_eq verbs "$(complete_line 'opitool help ' | tr ' ' '\n' | sort)" \
		"$(opitool help | sed -n 's/^  \([a-z]*\) .*/\1/p' | sort -u)"
}

completion_of_names()
{
	paper_names
	expect_eq dpu "$(complete_line 'opitool dpu show ' '')" "pci/0000:01:00.0 00000000000000aa"
	expect_eq serial "$(complete_line 'opitool dpu show 0')" 00000000000000aa
	expect_eq port "$(complete_line 'opitool -j port show pc' '')" "pci/0000:01:00.0/0 pci/0000:01:00.0/1"
	# With a colon behind which bash begins a new word only the rest is wanted.
	expect_eq colon "$(complete_line 'opitool dpu show pci/0000:0')" "01:00.0"
	expect_eq plain "$(complete_line 'opitool dpu show pci/0000:0' ' ')" "pci/0000:01:00.0"
	expect_eq last "$(complete_line 'opitool dpu show pci/0000:01:00.0 ')" ""
	expect_eq set "$(complete_line 'opitool dpu set ' '')" "migration-key pci/0000:01:00.0 00000000000000aa"
	expect_eq key "$(complete_line 'opitool dpu set 00000000000000aa ')" migration-key
	expect_eq value "$(complete_line 'opitool dpu set migration-key n' '')" none
	expect_eq file "$(complete_line "opitool dpu set migration-key $CASE_DIR/dp" '')" "$CASE_DIR/dpus"
	expect_eq end "$(complete_line 'opitool dpu set migration-key none ')" ""
}

completion_of_functions()
{
	paper_names
	expect_eq first "$(complete_line 'opitool function show ' '')" \
		"id port type controller pf vf sf host pci/0000:01:00.0 00000000000000aa"
	expect_eq ids "$(complete_line 'opitool function expose id ')" "1 22"
	expect_eq VFs "$(complete_line 'opitool -j function del vf ')" 3
	expect_eq hosts "$(complete_line 'opitool function show host 01:0' '')" "01:00.0 01:02.3"
	expect_eq colon "$(complete_line 'opitool function show host 01:02')" 02.3
	expect_eq ports "$(complete_line 'opitool function show port ')" 4
	expect_eq next "$(complete_line 'opitool function withdraw id 1 ')" "port type controller pf vf sf host"
	expect_eq set "$(complete_line 'opitool function set id 1 m')" "max-qps migratable max-io-eqs max-vfs"
	expect_eq twice "$(complete_line 'opitool function set id 1 max_qps 3 max-q')" ""
	expect_eq types "$(complete_line 'opitool function show type ')" "pf vf sf"
	expect_eq types "$(complete_line 'opitool port show type u')" uplink
	expect_eq switch "$(complete_line 'opitool function set id 1 trust ')" "on off"
	expect_eq number "$(complete_line 'opitool function set id 1 vlan ')" ""
	expect_eq add "$(complete_line 'opitool function add ' '')" \
		"sf pf controller trust vlan max-qps hw-addr migratable max-io-eqs pci/0000:01:00.0 00000000000000aa"
	# A number for a new one can not be among those that there are.
	expect_eq new "$(complete_line 'opitool function add sf ')" ""
	expect_eq port "$(complete_line 'opitool port show vf ')" 3
	expect_eq source "$(complete_line 'opitool function migrate vf 3 ')" "id port type controller pf sf host to"
	expect_eq destination "$(complete_line 'opitool function migrate vf 3 to v')" vf
	expect_eq names "$(complete_line 'opitool function migrate vf 3 to pc' '')" pci/0000:01:00.0
	expect_eq force "$(complete_line 'opitool function migrate vf 3 to id 22 f')" force
	expect_eq end "$(complete_line 'opitool function migrate vf 3 to id 22 force ')" ""
	# Every key that is offered is one that opitool takes.
	local w
	for w in $(complete_line 'opitool function set sf 1 ' | tr ' ' '\n'); do
		opitool function set "$w" 2>&1 | grep -q "\"$w\" needs a value" || fail "$w is no key"
	done
}

completion_does_not_run_what_stands_in_a_name()
{
	paper_names
	# shellcheck disable=SC2016 # shall not be expanded, that is the test
	printf 'x/$(touch${IFS}%s/ran)`touch${IFS}%s/ran`: driver x\n' "$CASE_DIR" "$CASE_DIR" >"$CASE_DIR/dpus"
	complete_line 'opitool dpu show x' >/dev/null
	# shellcheck disable=SC2016
	printf 'pci/x id $(touch${IFS}%s/ran): type w[$(touch${IFS}%s/ran)]\n' "$CASE_DIR" "$CASE_DIR" >"$CASE_DIR/functions"
	complete_line 'opitool function show id ' >/dev/null
	[ ! -e "$CASE_DIR/ran" ]
}

install_and_its_files()
{
	inroot make -s -C "$tool" O="$bin" DESTDIR="$CASE_DIR/root" install
	expect_eq files "$(cd "$CASE_DIR/root" && find . -type f | sort | tr '\n' ' ')" \
		"./usr/bin/opitool ./usr/share/bash-completion/completions/opitool ./usr/share/man/man1/opitool.1 "
	inroot "$CASE_DIR/root/usr/bin/opitool" version >/dev/null
	inroot make -s -C "$tool" O="$bin" DESTDIR="$CASE_DIR/root" PREFIX=/opt/x install
	[ -x "$CASE_DIR/root/opt/x/bin/opitool" ]
}

builds_without_warnings()
{
	expect_eq output "$(inroot make -s -C "$tool" O="$CASE_DIR/o" CFLAGS='-O2 -Werror' 2>&1)" ""
	# Clean leaves nothing, and a second build has nothing to do.
	expect_match again "$(inroot make -C "$tool" O="$CASE_DIR/o" CFLAGS='-O2 -Werror' 2>&1)" 'Nothing to be done'
	inroot make -s -C "$tool" O="$CASE_DIR/o" clean
	expect_eq left "$(ls "$CASE_DIR/o")" ""
}

no_privileges_are_needed()
{
	local v rc

	chmod 755 "$bin"
	for v in "version" "-j dpu show" "-j port show" "-j function show"; do
		rc=0
		# shellcheck disable=SC2086 # words
		inroot setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs \
			--inh-caps=-all --bounding-set=-all "$bin/opitool" $v >"$CASE_DIR/out" 2>"$CASE_DIR/err" || rc=$?
		# 3 where no driver is: all but a refusal.
		case $rc in 0 | 3) ;; *) cat "$CASE_DIR/err"; fail "status $rc: $v" ;; esac
		[ "$v" = version ] || jq . <"$CASE_DIR/out" >/dev/null
	done
}

run_cases "$@"
