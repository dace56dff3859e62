# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Completion of opitool for bash.  Needs nothing but bash: words are taken from
# the line itself, since names of devices have colons, at which bash would cut.

# Names that may follow "dpu show" or "port show".
_opitool_names()
{
	# A line that is not indented starts with a name and a colon.
	opitool "$1" show 2>/dev/null | sed -n 's/^\([^ ]\{1,\}\): .*/\1/p'
	opitool dpu show 2>/dev/null |
		sed -n 's/^[^ ].* serial \([0-9a-f]\{16\}\)\( .*\)\{0,1\}$/\1/p' |
		sort -u
}

_opitool()
{
	local line=${COMP_LINE:0:COMP_POINT} cur='' verb=() want='' w cut=''
	local -a words=()

	read -ra words <<<"$line"
	case $line in
	*[[:space:]]) ;;
	*)
		cur=${words[-1]}
		unset 'words[-1]'
		;;
	esac
	for w in "${words[@]:1}"; do
		case $w in
		-*) ;;
		*) verb+=("$w") ;;
		esac
	done

	case ${verb[*]} in
	'') want='dpu port monitor help version -j -p -V -h' ;;
	dpu | port) want=show ;;
	'dpu show' | 'port show') want=$(_opitool_names "${verb[0]}") ;;
	monitor) want='dpu port all' ;;
	help) want='dpu port monitor help version' ;;
	'help dpu' | 'help port') want=show ;;
	esac

	# What bash took for a word before the last colon must not come again.
	case $COMP_WORDBREAKS,$cur in
	*:*,*:*) cut=${cur%"${cur##*:}"} ;;
	esac
	# Not "compgen -W", which would expand what stands in a name.
	COMPREPLY=()
	for w in $want; do
		case $w in
		"$cur"*) COMPREPLY+=("${w#"$cut"}") ;;
		esac
	done
}

complete -F _opitool opitool
