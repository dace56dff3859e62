#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 180
#
# The netlink spec, what is generated from it, and what it says about values
# that are defined elsewhere.

. "$(dirname -- "$0")/../lib/tap.sh"
# Found from static/ too, where a link to this file makes it one of the tests.
. "$(dirname -- "$0")/../opitool/lib.sh"

CASES="
	generated_files_are_current
	check_finds_a_changed_file
	spec_follows_the_kernels_schema
	enumerations_are_those_of_the_interface_header
	tool_names_values_as_the_spec
	every_attribute_is_documented_in_uapi_rst
	tables_of_uapi_rst_are_those_of_the_spec
	only_reading_needs_no_privilege
	generated_user_code_compiles
"

spec=$OPI_TOP/Documentation/netlink/specs/opi.yaml
gen=$OPI_TOP/Documentation/netlink/gen.sh

# The spec as JSON.
inroot python3 -c 'import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)' \
	"$spec" >"$bin/spec" || exit 1

generated_files_are_current()
{
	"$gen" --check
}

check_finds_a_changed_file()
{
	mkdir -p "$CASE_DIR/t/kernel" "$CASE_DIR/t/Documentation"
	cp -r "$OPI_TOP/uapi" "$CASE_DIR/t/"
	cp -r "$OPI_TOP/Documentation/netlink" "$CASE_DIR/t/Documentation/"
	mkdir "$CASE_DIR/t/kernel/opi_core"
	cp "$OPI_TOP"/kernel/opi_core/netlink_gen.[ch] "$CASE_DIR/t/kernel/opi_core/"
	# The copy has no build root of its own.
	cp -r "$OPI_TOP/qemu" "$CASE_DIR/t/"

	"$CASE_DIR/t/Documentation/netlink/gen.sh" --check
	sed -i 's/OPI_CHANGE_MODE = 8/OPI_CHANGE_MODE = 9/' "$CASE_DIR/t/uapi/linux/opi.h"
	status 1 "$CASE_DIR/t/Documentation/netlink/gen.sh" --check
}

spec_follows_the_kernels_schema()
{
	local src

	src=$(bash -c '. "$0/qemu/lib.sh"; opi_linux_src' "$OPI_TOP")
	# shellcheck disable=SC2016 # python's
	inroot python3 -c '
import sys, yaml, jsonschema
schema = yaml.safe_load(open(sys.argv[1]))
jsonschema.validate(yaml.safe_load(open(sys.argv[2])), schema)' \
		"$src/Documentation/netlink/genetlink.yaml" "$spec"
}

# "NAME VALUE" of each entry of a definition.
entries()
{
	jq -r --arg name "$1" '.definitions[] | select(.name == $name) |
		.type as $type | reduce (.entries[] | if type == "string" then {name: .} else . end) as $e
		({next: 0, out: []};
			($e.value // .next) as $v |
			.out += ["\($e.name) \(if $type == "flags" then pow(2; $v) else $v end)"] |
			.next = $v + 1) | .out[]' "$bin/spec"
}

enumerations_are_those_of_the_interface_header()
{
	local def prefix name value

	{
		echo '#include <linux/opi_pci.h>'
		while read -r def prefix; do
			[ "$(entries "$def" | wc -l)" -gt 0 ] || fail "the spec has no $def"
			while read -r name value; do
				name=${name//-/_}
				echo "_Static_assert($prefix${name^^} == $value, \"$def\");"
			done < <(entries "$def")
		done <<-EOT
			role OPI_ROLE_
			mode OPI_MODE_
			peer-state OPI_PEER_
			os-status OPI_OS_
			pldm-state OPI_PLDM_
			crashdump-status OPI_DUMP_
			health OPI_HEALTH_
			reset-segment OPI_RESET_
			boot-source OPI_BOOT_
			port-type OPI_PORT_
			func-class OPI_CLASS_
			func-state OPI_FUNC_
			mig-state OPI_MIG_
		EOT
	} >"$CASE_DIR/check.c"
	inroot gcc -fsyntax-only -I"$OPI_TOP/uapi" "$CASE_DIR/check.c"

	# And the check can fail.
	sed -i 's/OPI_PEER_READY == 2/OPI_PEER_READY == 3/' "$CASE_DIR/check.c"
	status 1 inroot gcc -fsyntax-only -I"$OPI_TOP/uapi" "$CASE_DIR/check.c" 2>/dev/null

	# No definition with a header is left out above.
	expect_eq headers "$(jq '[.definitions[] | select(.header)] | length' "$bin/spec")" 13
}

tool_names_values_as_the_spec()
{
	local def table name value index last

	{
		cat <<-'EOT'
			#include <stdio.h>
			#include <string.h>
			#include "names.h"

			static int bad;

			static void is(const struct names *names, unsigned int v, const char *want)
			{
				const char *name = name_of(names, v);

				if (!name || strcmp(name, want)) {
					printf("%u: %s, not %s\n", v, name ? name : "none", want);
					bad = 1;
				}
			}

			int main(void)
			{
		EOT
		while read -r def table; do
			case $(jq -r --arg n "$def" '.definitions[] | select(.name == $n).type' "$bin/spec") in
			flags) index='__builtin_ctz(%s)' ;;
			*) index='%s' ;;
			esac
			while read -r name value; do
				# shellcheck disable=SC2059 # a format on purpose
				last=$(printf "$index" "$value")
				echo "is(&names_$table, $last, \"$name\");"
			done < <(entries "$def")
			# No more names than there are values.
			echo "if (names_$table.n != $last + 1) { puts(\"$def\"); bad = 1; }"
		done <<-EOT
			role role
			mode mode
			peer-state peer
			dev-state dev_state
			os-status os
			pldm-state pldm
			crashdump-status dump
			health health
			reset-segment reset
			boot-source boot_source
			change change
			port-type func_type
			func-class func_class
			func-state func_state
			function-change func_change
			mig-state mig_state
		EOT
		echo 'return bad; }'
	} >"$CASE_DIR/names.c"
	inroot sh -ec 'gcc -I"$1" -I"$1/../../uapi" -o "$2/names" "$2/names.c" "$1/names.c"; "$2/names"' \
		sh "$tool" "$CASE_DIR"
}

every_attribute_is_documented_in_uapi_rst()
{
	local name doc=$OPI_TOP/Documentation/uapi.rst

	while read -r name; do
		grep -q "\`\`$name\`\`" "$doc" || fail "uapi.rst does not tell of $name"
	done < <(jq -r '(."attribute-sets"[].attributes[] | select(.type != "pad").name), .operations.list[].name' "$bin/spec")
}

# Names and types, in their order.
tables_of_uapi_rst_are_those_of_the_spec()
{
	local doc=$OPI_TOP/Documentation/uapi.rst

	sed -n 's/^``\([a-z-]*\)`` \{1,\}\(string\|nest\|binary\|u[0-9]*\) .*/\1 \2/p' "$doc" >"$CASE_DIR/doc"
	jq -r '."attribute-sets"[].attributes[] | select(.type != "pad") | "\(.name) \(.type)"' "$bin/spec" >"$CASE_DIR/spec"
	expect_range attributes "$(wc -l <"$CASE_DIR/spec")" 40 1000
	diff -u "$CASE_DIR/spec" "$CASE_DIR/doc" >&2 || fail "uapi.rst and the spec have other attributes"
}

# What changes something is for administrators, and what does not is for all.
only_reading_needs_no_privilege()
{
	expect_eq open "$(jq -c '[.operations.list[] | select(.do and .flags == null).name]' "$bin/spec")" \
		'["dpu-get","function-get"]'
	expect_eq flags "$(jq -c '[.operations.list[].flags // empty] | unique' "$bin/spec")" '[["admin-perm"]]'
}

# Users of the kernel's YNL library generate theirs from the spec and the headers.
generated_user_code_compiles()
{
	local ynl part

	ynl=$(bash -c '. "$0/qemu/lib.sh"; opi_linux_src' "$OPI_TOP")/tools/net/ynl
	# The generator takes the schema from beside the spec, and looks upwards for
	# MAINTAINERS without end.
	touch "$CASE_DIR/MAINTAINERS"
	cp "$ynl"/../../../Documentation/netlink/*.yaml "$spec" "$CASE_DIR/"
	mkdir "$CASE_DIR/specs"
	mv "$CASE_DIR/opi.yaml" "$CASE_DIR/specs/"
	for part in header source; do
		inroot python3 -B "$ynl/ynl-gen-c.py" --mode user --$part --user-header opi-user.h \
			--spec "$CASE_DIR/specs/opi.yaml" -o "$CASE_DIR/opi-user.${part:0:1}"
	done
	mv "$CASE_DIR/opi-user.s" "$CASE_DIR/opi-user.c"
	inroot gcc -std=gnu11 -Wall -fsyntax-only -I"$OPI_TOP/uapi" -I"$ynl/lib" -I"$CASE_DIR" \
		"$CASE_DIR/opi-user.c"
}

run_cases "$@"
