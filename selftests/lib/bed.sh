# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The virtual machines of a test bed as tests use them: run, wait, power, what
# the consoles said.  Works on the bed named by OPI_BED, through qemu/testbed and
# the parts that it is made of.  Networks on the card are in net.sh.

OPI_BED=${OPI_BED:-test-stock}
OPI_KERNEL=${OPI_KERNEL:-stock}
export OPI_BED

# Which one is called dpu, where a test has several cards.
DPU=dpu

# Where the guests have the programs of selftests/guest.
# shellcheck disable=SC2034 # used by tests
GUEST=/usr/libexec/kselftests/opi

# shellcheck source=../../qemu/ssh.sh
. "$OPI_TOP/qemu/ssh.sh"

tb() { "$OPI_TOP/qemu/testbed" --name "$OPI_BED" "$@"; }
host() { on host "$@"; }
dpu() { on dpu "$@"; }

# on host|dpu CMD...: as testbed does it, and by testbed if the guest is to be waited for.
on()
{
	command_on "$@"
	"${guest_command[@]}"
}

command_on()
{
	local BED

	[ "$1" != dpu ] || set -- "$DPU" "${@:2}"
	bed_path "$OPI_BED"
	if [ -S "$BED/$1.ssh" ] && [ $# -gt 1 ]; then
		guest_command "$@"
	else
		guest_command=("$OPI_TOP/qemu/testbed" --name "$OPI_BED" "$@")
	fi
}

# on_for SECONDS VM CMD...: the same, but not for longer.
on_for()
{
	command_on "${@:2}"
	timeout $(($1 * OPI_SLOW)) "${guest_command[@]}" </dev/null
}

# A shell script in a guest: on_sh VM SCRIPT [ARG...].
on_sh() { local vm=$1 script=$2; shift 2; on "$vm" sh -c "$script" sh "$@" </dev/null; }
host_sh() { on_sh host "$@"; }
dpu_sh() { on_sh dpu "$@"; }

# await VM SECONDS CONDITION: the guest waits, so that nothing is missed and
# nothing is asked twice over the builder's network.
await() { on "$1" "$GUEST/await" $(($2 * OPI_SLOW)) "$3" </dev/null; }

# await_ping VM SECONDS IP: until an answer comes.  One that is late is one: a busy
# machine may have seconds of other traffic to handle first.
await_ping() { await "$1" "$2" "ping -q -c 1 -i 0.5 -w 10 $3"; }

# Something that runs in a guest while the case goes on: bg NAME VM CMD... It
# ends with the case.  bg_wait NAME gives its status, "$CASE_DIR/NAME" is what it
# printed.
bg()
{
	local name=$1 vm=$2
	shift 2

	on "$vm" sh -c 'echo $$ >/run/bg-$0; exec "$@"' "$name" "$@" \
		>"$CASE_DIR/$name" 2>"$CASE_DIR/$name.err" </dev/null &
	eval "bg_$name=$! bgvm_$name=$vm"
	defer "bg_stop $name"
}

# End it, if it has not ended: in the guest (a connection that goes away is
# nothing to it), or at least here.  bg_stop NAME [SIGNAL]
bg_stop()
{
	local pid="bg_$1" vm="bgvm_$1"

	kill -0 "${!pid}" 2>/dev/null || return 0
	command_on "${!vm}" sh -c 'kill -$1 $(cat /run/bg-$0)' "$1" "${2:-TERM}"
	timeout 10 "${guest_command[@]}" </dev/null 2>/dev/null || :
	timeout 5 tail -s 0.05 --pid="${!pid}" -f /dev/null || kill "${!pid}" 2>/dev/null || :
}

bg_wait()
{
	local pid="bg_$1" rc=0

	wait "${!pid}" || rc=$?
	cat "$CASE_DIR/$1.err" >&2
	return "$rc"
}

# said NAME ERE: has it printed that by now?
said() { grep -qE -- "$2" "$CASE_DIR/$1"; }

# ---- state ---------------------------------------------------------------

bed_state() { tb status -j || :; }
bed_dir()
{
	local BED

	bed_path "$OPI_BED"
	[ ! -e "$BED/vms" ] || printf '%s\n' "$BED"
}
vm_state() { bed_state | jq -r --arg vm "$1" '.vms[] | select(.name == $vm) | .state'; }
# Another one for each boot.
boot_id() { on "$1" cat /proc/sys/kernel/random/boot_id </dev/null; }
vm_pid() { bed_state | jq -r --arg vm "$1" '.vms[] | select(.name == $vm) | .pid'; }

# The files in which a bed keeps what was said.
bed_logs()
{
	local dir

	dir=$(bed_dir)
	[ -z "$dir" ] || find "$dir" -maxdepth 1 \( -name '*.log' -o -name '*.err' \) | sort
}

# Bring both machines back if a failed case left them otherwise.
bed_ready()
{
	local vm state

	for vm in host dpu; do
		if on_for 15 "$vm" true 2>/dev/null; then
			continue
		fi
		state=$(vm_state "$vm")
		note "$vm does not answer, it is '$state': starting it again"
		case $state in
		running) tb reset --wait "$vm" ;;
		*) tb cont --wait "$vm" ;;
		esac
	done
}

# ---- what the kernels say --------------------------------------------------

# expect_log VM ERE: a line of this kind is part of what the case does; without
# this, vm/clean fails over it.
expect_log()
{
	printf '%s\n' "$2" >>"$(bed_dir)/expected-$1"
}

# expect_held VM: its driver does not start the device again by itself, and says so.
expect_held() { expect_log "$1" 'opi_core 0000:[0-9a-f:.]+: waits for "devlink health recover"'; }

# Kernel messages of a guest that nobody may cause: traces and reports of the
# checkers (the runner looks for them, too), and errors and warnings of our own drivers.
kernel_complaints='WARNING:|BUG:|Oops|Call Trace:|KASAN|UBSAN|KCSAN|kmemleak:.*new suspected|unreferenced object|circular locking|lockdep|inconsistent lock|suspicious RCU|sleeping function|blocked for more than|stall(ed|s)? (detected|on CPU)|soft lockup|hard LOCKUP|general protection|unable to handle|refcount_t|Kernel panic|DMA-API|unregister_netdevice: waiting|NETDEV WATCHDOG'
bad_lines="$kernel_complaints|(opi_core(\.sf)?|opi_vfio_pci|opi_storage)[ :]"

# bad_log VM: such lines of all boots of the bed, without the expected ones.
bad_log()
{
	local dir

	dir=$(bed_dir)
	[ -s "$dir/$1.log" ] || { echo "nothing is known of what $1 has said"; return; }
	{ tr -d '\r' <"$dir/$1.log" | grep -aE "$bad_lines" |
		grep -avE "$module_lines" | not_expected "$1"; } || :
}

# What any module that is not of the kernel's own tree causes.
module_lines='loading out-of-tree module taints|module verification failed'

not_expected()
{
	local expected

	expected=$(bed_dir)/expected-$1
	if [ -s "$expected" ]; then
		grep -avE -f "$expected"
	else
		cat
	fi
}

# kernel_errors VM: messages of level error and worse of the running kernel,
# without the expected ones and those that the bare machine causes.
machine_errors='RETBleed|Spectre|MDS|TAA|platform regulatory|ACPI|acpi|pci 0000:|i8042|rtc|EDAC|mce:|x86/cpu|cpufreq|pvpanic|SGX'

kernel_errors()
{
	local said

	said=$(on_sh "$1" 'dmesg --level emerg,alert,crit,err') || { echo "$1 does not say"; return; }
	{ printf '%s\n' "$said" | grep -vE "$machine_errors" | not_expected "$1"; } || :
}

# kmemleak calls a thing leaked when two scans do not find it.  Where the kernel
# has no kmemleak, the slabs of the driver must be empty once it is unloaded,
# or the kernel complains.
no_leak()
{
	on_sh "$1" '
	f=/sys/kernel/debug/kmemleak
	[ -e $f ] || { zcat /proc/config.gz 2>/dev/null || cat /boot/config-$(uname -r) 2>/dev/null; } |
		grep -q "^CONFIG_DEBUG_KMEMLEAK=y" && [ ! -e $f ] && { echo "kmemleak is off"; exit 1; }
	[ -e $f ] || exit 0
	echo scan >$f; sleep 5; echo scan >$f
	if [ -s $f ]; then cat $f; exit 1; fi'
}

# Tasks of a guest that cannot be killed, and stay so.
stuck_tasks() { on "$1" "$GUEST/stuck" </dev/null || echo "$1 does not say"; }

# Of a case that hangs: what the guests do.  They may be what hangs.
hang_evidence()
{
	local vm

	for vm in host dpu; do
		echo "--- $vm: $(vm_state "$vm")"
		# shellcheck disable=SC2016 # the guest's
		on_for 20 "$vm" sh -c '
			ps -o pid,stat,etimes,wchan:30,args --ppid 2 -p 2 --deselect | tail -n 40
			for p in /proc/[0-9]*; do
				read -r _ _ state _ <$p/stat || continue
				[ "$state" != D ] || { cat $p/comm $p/stack; }
			done 2>/dev/null
			dmesg | tail -n 20' || echo "$vm does not answer"
	done
}

no_stuck_tasks() { expect_eq "tasks that cannot be killed on $1" "$(stuck_tasks "$1")" ""; }

# are_content VM...: nobody hangs there, nothing was said that no case announced, and nothing leaked.
are_content()
{
	local vm

	for vm; do
		no_stuck_tasks "$vm"
		expect_eq "console of $vm" "$(bad_log "$vm")" ""
		no_leak "$vm"
	done
}

# ---- the card as opitool and devlink show it -------------------------------

# The card's function: host PF on the host, DPU function on the DPU.  It does not
# move while a case runs.
pci_of()
{
	local known=$CASE_DIR/pci_of_$1 pci=

	[ -s "$known" ] ||
		on_sh "$1" 'set -- /sys/bus/pci/drivers/opi_core/0000:*; [ ! -e "$1" ] || echo "${1##*/}"' >"$known"
	read -r pci <"$known" || :
	[ -z "$pci" ] || printf '%s\n' "$pci"
}

# dpu_field VM JQ-PATH: of the first DPU that opitool shows.
dpu_field() { on "$1" opitool -j dpu show </dev/null | jq -r ".[0]$2"; }

# await_dpu VM SECONDS JQ-CONDITION on the first DPU.
await_dpu() { await "$1" "$2" "opitool -j dpu show | jq -e '.[0] | $3'"; }

# health_field VM REPORTER FIELD: counters of the health reporters.
health_field()
{
	on "$1" devlink -j health show </dev/null |
		jq -r --arg r "$2" --arg f "$3" '.health[][] | select(.reporter == $r) | .[$f]'
}

# aq_field VM FIELD: of the admin queue's diagnosis.
aq_field() { on_sh "$1" 'devlink -j health diagnose pci/$1 reporter aq' "$(pci_of "$1")" | jq -r ".$2"; }
