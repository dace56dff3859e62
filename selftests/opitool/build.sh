# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# bash build.sh DIR [tool|fake|parser]...: build what the tests of opitool run, and put it
# into DIR; then say how a program of the build root is started outside, a word a line.
#
#   tool     opitool as it is shipped, with its objects
#   fake     opitool under the sanitizers, with a kernel of paper (fake_kernel.c), and
#            "numbers", in which the shell finds those numbers of the kernel's that
#            scenarios have
#   parser   parser.c under the sanitizers
#
# Five tests want the same programs, and a compiler is many processes.  So each is built
# once for a content of all that it is made from, and kept in the cache.

. "${BASH_SOURCE[0]%/*}/../../qemu/lib.sh"

here=$OPI_TOP/selftests/opitool
tool=$OPI_TOP/tools/opitool
numbers="DEVLINK_CMD_RATE_SET DEVLINK_CMD_PORT_SET DEVLINK_ATTR_RATE_TX_MAX
	OPI_NL_CMD_FUNCTION_SET OPI_NL_CMD_DPU_SET"
to=$1
shift

inroot() { "$OPI_TOP/qemu/inroot" "$@"; }

build_tool() {
	inroot make -s -C "$tool" O="$1" -j "$OPI_JOBS"
}

build_fake() {
	# shellcheck disable=SC2016 # for the inner shell
	inroot sh -ec '
		make -s -C "$1" O="$3/fake" SAN=1 -j "$4" parts
		gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -g \
			-fsanitize=address,undefined -fno-sanitize-recover=all \
			-I"$1" -I"$1/../../uapi" $(pkg-config --cflags libnl-genl-3.0) \
			-o "$3/opitool-fake" "$2/fake_kernel.c" "$3"/fake/*.o \
			$(pkg-config --libs libnl-3.0 libnl-genl-3.0 json-c)
		rm -r "$3/fake"
		{
			echo "#include <linux/devlink.h>"
			echo "#include <linux/opi.h>"
			for n in $5; do echo "int NUMBER_$n = $n;"; done
		} | gcc -I"$1/../../uapi" -S -o "$3/numbers.s" -x c -
		sed -n "/^NUMBER_.*:\$/{s/^NUMBER_//;s/:\$//;N;s/\n\t.long\t/=/p}" "$3/numbers.s" >"$3/numbers"
		rm "$3/numbers.s"
		[ "$(wc -l <"$3/numbers")" = "$(echo $5 | wc -w)" ]' \
		sh "$tool" "$here" "$1" "$OPI_JOBS" "$numbers"
}

build_parser() {
	# shellcheck disable=SC2016
	inroot sh -ec '
		gcc -std=gnu11 -D_GNU_SOURCE -Wall -g -O1 -fsanitize=address,undefined \
			-fno-sanitize-recover=all -I"$1" -I"$1/../../uapi" -I"$4" \
			$(pkg-config --cflags libnl-genl-3.0) -o "$3/parser" \
			"$2/parser.c" "$1/parse.c" \
			$(pkg-config --libs libnl-3.0 libnl-genl-3.0)' \
		sh "$tool" "$here" "$1" "$harness"
}

# Everything that they are made from: the build root's name is that of its content, and so
# is the kernel source's.
key() {
	cd "$OPI_TOP"
	{
		printf '%s\n' "$root" "${harness-}" "${CC-}" "${CPPFLAGS-}" "${CFLAGS-}" "${LDFLAGS-}"
		sha256sum tools/opitool/*.[ch] tools/opitool/Makefile uapi/linux/*.h selftests/opitool/*.c \
			selftests/opitool/build.sh ${harness:+"$harness"/kselftest*.h}
	} | opi_key
}

# Under the lock, so that what another makes does not drop it before we have it.
fetch() {
	local what=$1 dir=$OPI_CACHE/opitool_$1-$2 part

	if ! opi_have "$dir"; then
		part=$(opi_newdir "$dir")
		"build_$what" "$part" >&2
		mv "$part" "$dir"
		opi_prune "$dir" "opitool_$what"
	fi
	cp "$dir"/* "$to/"
}

mapfile -t loader < <(opi_ld)
root=${loader[0]%/usr/lib64/*}
case " $* " in
*' parser '*) harness=${OPI_KSELFTEST:-$(opi_linux_src)/tools/testing/selftests/kselftest}/.. ;;
esac
if [ $# -gt 0 ]; then
	key=$(key)
fi
for what in "$@"; do
	opi_lock "opitool_$what" fetch "$what" "$key"
done
printf '%s\n' "${loader[@]}"
