# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Completion of opitool for bash.  Needs nothing but bash: words are taken from
# the line itself, since names of devices have colons, at which bash would cut.

# Names that may follow "dpu show" or "port show", or precede what is said of a
# function.
_opitool_names()
{
	# A line that is not indented starts with a name and a colon.
	opitool "$1" show 2>/dev/null | sed -n 's/^\([^ ]\{1,\}\): .*/\1/p'
	opitool dpu show 2>/dev/null |
		sed -n 's/^[^ ].* serial \([0-9a-f]\{16\}\)\( .*\)\{0,1\}$/\1/p' |
		sort -u
}

# Values that functions have of a key of "function show".
_opitool_values()
{
	local -a words=()
	local i

	# Pairs, behind the name of a device in the first line of a function.
	opitool function show 2>/dev/null | while read -ra words; do
		for ((i = ${#words[@]} % 2; i < ${#words[@]}; i += 2)); do
			[ "${words[i]}" != "$1" ] || echo "${words[i + 1]%:}"
		done
	done | sort -u
}

# What may follow "function VERB" or "port show": a value of the key before, or
# names and those keys that are not there yet.
_opitool_function()
{
	local choose='id port type controller pf vf sf host' w said="${verb[*]:2}"
	local change='trust vlan max-qps hw-addr migratable max-io-eqs'
	local -a keys=()

	case ${verb[-1]} in
	trust | migratable) echo on off; return ;;
	type) echo pf vf sf; [ "${verb[0]}" != port ] || echo uplink; return ;;
	id | controller | pf | vf | sf)
		[ "${verb[*]:0:2}" = 'function add' ] || _opitool_values "${verb[-1]}"
		return ;;
	port) _opitool_values port-index; return ;;
	host) _opitool_values host-address; return ;;
	vlan | hw-addr | hw_addr | max-* | max_*) return ;;
	esac

	case ${verb[*]:0:2} in
	'function add') read -ra keys <<<"sf pf controller $change" ;;
	'function set') read -ra keys <<<"$choose $change max-vfs" ;;
	'function migrate')
		read -ra keys <<<"$choose"
		# Once more for the other function; what ends it comes behind that.
		case " $said " in
		*' force '*) return ;;
		*' to '*)
			said=${said##* to}
			[ "${verb[-1]}" = to ] || keys+=(force)
			;;
		' '*[!\ ]*) keys+=(to) ;;
		esac
		;;
	*) read -ra keys <<<"$choose" ;;
	esac
	for w in "${keys[@]}"; do
		case " $said " in
		*" $w "* | *" ${w//-/_} "*) ;;
		*) echo "$w" ;;
		esac
	done
	# A name comes first, if one comes at all.
	if [ ${#verb[@]} -le 2 ] || [ "${verb[-1]}" = to ]; then
		_opitool_names "$([ "${verb[0]}" = port ] && echo port || echo dpu)"
	fi
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
	'')
		want='dpu port function monitor help version -j -p -V -h'
		case $cur in
		--*) want='--json --pretty --version --help' ;;
		esac
		;;
	dpu | 'help dpu') want='show set' ;;
	port | 'help port') want=show ;;
	function | 'help function') want='show add set expose withdraw del migrate' ;;
	'dpu show') want=$(_opitool_names dpu) ;;
	'dpu set') want="migration-key $(_opitool_names dpu)" ;;
	'dpu set '*migration?key) want="none - $(compgen -f -- "$cur" || :)" ;;
	'dpu set '*migration?key' '*) ;;
	'dpu set '*) want=migration-key ;;
	'port show'* | function\ *) want=$(_opitool_function) ;;
	monitor) want='dpu function port all' ;;
	help) want='dpu port function monitor help version' ;;
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
