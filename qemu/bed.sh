# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# The options of `up` are variables of the caller: SC2154; QEMU likes commas: SC2054.
# shellcheck disable=SC2154,SC2054
#
# What a test bed is made of: its state directory, its virtual machines' command
# lines, their monitors (QMP) and their ssh connections.  Sourced by testbed,
# which has the verbs; nothing here talks to a user.
#
# A bed is a directory, $BED, and the QEMU processes named in it:
#
#	options			the options of `up`, as shell assignments
#	vms			the names of the VMs: host, dpu, dpu1 ...
#	key, key.pub		ssh key, made for this bed
#	ssh_config		for ssh and scp, one Host per VM
#	linkN			socket between card N and its DPU
#	VM.argv			QEMU's command line, NUL-separated: to start it anew
#	VM.pid VM.qmp VM.con	process, monitor and serial console
#	VM.log VM.err		what the serial console and QEMU said
#	VM.mark			size of VM.log when the VM was last (re)started
#	VM.ssh			the kept ssh connection

. "${BASH_SOURCE[0]%/*}/ssh.sh"

# The words that the guests' init writes to the console when it is done.
BED_READY='opi: ready'

# bed_named NAME: that is the bed from here on.
bed_named() {
	[[ $1 =~ ^[A-Za-z0-9_.-]{1,32}$ ]] || opi_die "bad name '$1' (letters, digits, '_', '.', '-')"
	bed_path "$1"
}

bed_vms() {
	[ ! -e "$BED/vms" ] || cat "$BED/vms"
}

bed_need() {
	[ -e "$BED/vms" ] || opi_die "no test bed '$NAME' (run: testbed up)"
}

bed_need_vm() {
	local vms vm

	bed_need
	mapfile -t vms <"$BED/vms"
	for vm in "${vms[@]}"; do
		[ "$vm" != "$1" ] || return 0
	done
	opi_die "no VM '$1' in this bed (it has: ${vms[*]})"
}

# A pid file is believed only if that process is the QEMU of this VM of this bed.  Asked
# before each word to a monitor, hence without a process.
vm_pid() {
	local pid='' word words=() arg=unix:$BED/$1.qmp,server=on,wait=off

	{ read -r pid <"$BED/$1.pid" && [ -n "$pid" ] && mapfile -d '' -t words <"/proc/$pid/cmdline"; } 2>/dev/null || return 1
	for word in "${words[@]}"; do
		if [ "$word" = "$arg" ]; then
			printf '%s\n' "$pid"
			# Said: in a trap it would be the status of what came before.
			return 0
		fi
	done
	return 1
}

# ---- command lines --------------------------------------------------------

vm_mac() {
	case $1 in
	host) echo 52:54:00:0f:00:00 ;;
	dpu) echo 52:54:00:0f:00:01 ;;
	dpu*) printf '52:54:00:0f:00:%02x\n' $((${1#dpu} + 1)) ;;
	esac
}

vm_cards() {
	case $1 in
	host) seq 0 $((cards - 1)) ;;
	dpu) echo 0 ;;
	dpu*) echo "${1#dpu}" ;;
	esac
}

# The uplink's far end, if nobody said otherwise: a network of the card's own
# with an address that answers ping (.2, and fd00:77:N::2) and a TCP echo service
# (.100, port 7), and no way out of it.
uplink_net() {
	echo "10.$((77 + $1)).0"
}

uplink_default() {
	local net

	net=$(uplink_net "$1")
	printf 'user,net=%s,host=%s,dns=%s,ipv6-net=%s,ipv6-host=%s,restrict=on,guestfwd=%s' \
		"$net.0/24" "$net.2" "$net.3" "fd00:$((77 + $1))::/64" "fd00:$((77 + $1))::2" \
		"tcp:$net.100:7-cmd:cat"
}

# A serial number per card, the same in every bed.
card_serial() {
	printf '4f504900000000%02x\n' $(($1 + 1))
}

# All that the VMs' QEMUs have to know about the cards stands in these two.
card_args_host() {
	local i props

	argv+=(-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off)
	for i in $(vm_cards host); do
		props="serial=0x$(card_serial "$i"),chardev=link$i,netdev=up$i"
		[ -z "$mode" ] || props+=",mode=$mode"
		[ -z "$time_scale" ] || props+=",time-scale=$time_scale"
		argv+=(
			-chardev "socket,id=link$i,path=$BED/link$i,server=on,wait=off"
			-netdev "${uplinks[$i]:-$(uplink_default "$i")},id=up$i"
			-device "opi-card,id=card$i,$props"
			-device "pcie-root-port,id=rp$i,chassis=$((i + 1)),slot=$((i + 1))"
			-device "opi-dpu,id=dpu$i,card=card$i,bus=rp$i"
		)
	done
}

card_args_dpu() {
	argv+=(
		-chardev "socket,id=link0,path=$BED/link$(vm_cards "$1"),reconnect-ms=500"
		-device pcie-root-port,id=rp0,chassis=1,slot=1
		-device opi-soc,id=soc0,chardev=link0,bus=rp0
	)
}

# Write VM.argv.
vm_argv() {
	local vm=$1 argv machine append mac image=$OPI_TOP/build/image ifname

	mac=$(vm_mac "$vm")
	machine=q35,sata=off,smbus=off
	case $vm in
	host) ifname=mgmt0 ;;
	*) ifname=oob0 machine+=,memory-backend=ram0 ;;
	esac
	# A builder that has much to do delivers timer ticks late: the guest shall
	# not conclude that its timer or its TSC is broken, nor that a CPU is stuck which
	# was not given time; and it need not measure what we know.
	append="console=ttyS0 loglevel=5 tsc=reliable no_timer_check watchdog_thresh=30"
	append+=" tsc_early_khz=$("$image/tsc-khz")"
	append+=" opi.name=$vm opi.if=$ifname opi.mac=$mac opi.addr=10.0.2.15/24 opi.init=$init"
	append+=" opi.key=$(cut -d' ' -f2 "$BED/key.pub")"
	[ "$init" != light ] || append+=" net.ifnames=0"
	[ "$driver" = yes ] || append+=" opi.nodriver"
	if [ "$vm" = host ] && [ "$iommu" = on ]; then
		append+=" intel_iommu=on"
	fi
	[ -z "$kernel_args" ] || append+=" $kernel_args"

	mapfile -t argv < <(opi_ld)
	argv+=(
		"$OPI_TOP/build/qemu/qemu-system-x86_64" -L "$OPI_TOP/build/qemu/share"
		-name "opi-$NAME-$vm" -nodefaults -no-user-config -display none -no-shutdown
		-accel tcg,thread=multi -cpu max,erms=off,fsrm=off -smp "$smp" -m "$mem"
		-machine "$machine"
		# Also how a process is known to be ours: vm_pid.
		-qmp "unix:$BED/$vm.qmp,server=on,wait=off"
		-chardev "socket,id=con,path=$BED/$vm.con,server=on,wait=off,logfile=$BED/$vm.log,logappend=on"
		-serial chardev:con
		-kernel "$image/vmlinuz-$kernel" -initrd "$image/initrd-$kernel" -append "$append"
		-drive "if=none,id=base,file=$image/base.ext4,format=raw,readonly=on"
		-device virtio-blk-pci,drive=base,serial=base
		-drive "if=none,id=payload,file=$image/payload-$kernel.ext4,format=raw,readonly=on"
		-device virtio-blk-pci,drive=payload,serial=payload
		-netdev user,id=mgmt,net=10.0.2.0/24,ipv6=off,restrict=on,hostfwd=tcp:127.0.0.1:0-10.0.2.15:22
		-device "virtio-net-pci,netdev=mgmt,mac=$mac,romfile="
		-device pvpanic-pci -action panic=pause
	)
	if [ "$vm" = host ]; then
		case $iommu in
		on) argv+=(-device intel-iommu,intremap=on,caching-mode=on) ;;
		virtio) argv+=(-device virtio-iommu-pci) ;;
		esac
		[ -n "${OPI_NO_CARD:-}" ] || card_args_host
		argv+=(${host_args+"${host_args[@]}"})
	else
		argv+=(-object "memory-backend-memfd,id=ram0,size=${mem}M,share=on")
		[ -n "${OPI_NO_CARD:-}" ] || card_args_dpu "$vm"
		argv+=(${dpu_args+"${dpu_args[@]}"})
	fi
	printf '%s\0' "${argv[@]}" >"$BED/$vm.argv"
}

# ---- processes ------------------------------------------------------------

vm_start() {
	local vm=$1 argv pid tries

	mapfile -d '' argv <"$BED/$vm.argv"
	rm -f "$BED/$vm.qmp" "$BED/$vm.con" "$BED/$vm.ssh"
	vm_mark "$vm"
	echo "--- started $(date +%FT%T)" >>"$BED/$vm.err"
	# In a session of its own: a terminal's Ctrl-C is for the command that runs
	# there.
	(
		close_fds 2>/dev/null
		exec setsid "${argv[@]}" </dev/null >>"$BED/$vm.err" 2>&1
	) &
	pid=$!
	echo "$pid" >"$BED/$vm.pid"
	for ((tries = 0; tries < 200; tries++)); do
		[ ! -S "$BED/$vm.qmp" ] || return 0
		if ! kill -0 "$pid" 2>/dev/null; then
			cat "$BED/$vm.err" >&2
			opi_die "QEMU of $vm did not start"
		fi
		sleep 0.05
	done
	opi_die "QEMU of $vm does not open its monitor"
}

vm_gone() {
	local vm=$1 pid=$2 tries

	for ((tries = 0; tries < 100; tries++)); do
		vm_pid "$vm" >/dev/null || break
		[ -d "/proc/$pid" ] || break
		sleep 0.05
	done
}

vm_kill() {
	local vm=$1 sig=$2 pid

	pid=$(vm_pid "$vm") || return 0
	kill "-$sig" "$pid" 2>/dev/null || return 0
	vm_gone "$vm" "$pid"
}

# ---- monitor --------------------------------------------------------------

# vm_qmp VM JSON...: run these commands, print their "return" values, a line each; fail with
# the text of the first error.  Events that come in between are not ours.
vm_qmp() {
	local vm=$1 line fd_in fd_out pid answers=() end=$((SECONDS + 20))
	shift

	vm_pid "$vm" >/dev/null || { echo "$vm is not running" >&2; return 1; }
	coproc QMP { exec socat - "UNIX-CONNECT:$BED/$vm.qmp" 2>/dev/null; }
	pid=$QMP_PID fd_out=${QMP[0]} fd_in=${QMP[1]}
	# A monitor that takes nothing does not answer either, which is told below.
	printf '%s\n' '{"execute":"qmp_capabilities"}' "$@" >&"$fd_in" || true
	while [ ${#answers[@]} -le $# ] && [ "$SECONDS" -lt "$end" ] && IFS= read -r -t 20 line <&"$fd_out"; do
		line=${line%$'\r'}
		case $line in
		'{"return"'*|'{"error"'*) answers+=("$line") ;;
		esac
	done
	# socat may never end if it is told to while it handles what it got.
	kill -KILL "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	[ ${#answers[@]} -gt $# ] || { echo "the monitor of $vm does not answer" >&2; return 1; }
	for line in "${answers[@]:1}"; do
		case $line in
		'{"error"'*)
			jq -r '.error.desc' <<<"$line" >&2
			return 1
			;;
		esac
		# Without an id that is all that there is in it.
		line=${line#'{"return": '}
		printf '%s\n' "${line%\}}"
	done
}

vm_hmp() {
	vm_qmp "$1" "$(jq -cn --arg c "$2" \
		'{execute:"human-monitor-command",arguments:{"command-line":$c}}')" | jq -r .
}

# running, paused, shutdown (powered off), guest-panicked ..., or gone.
vm_status() {
	local answer

	vm_pid "$1" >/dev/null || { echo gone; return; }
	answer=$(vm_qmp "$1" '{"execute":"query-status"}' 2>/dev/null) || answer=
	[[ $answer =~ \"status\":\ *\"([a-z-]+)\" ]] || { echo unknown; return; }
	echo "${BASH_REMATCH[1]}"
}

vm_port() {
	vm_hmp "$1" 'info usernet' | tr -d '\r' |
		awk '$1 == "TCP[HOST_FORWARD]" && $6 == 22 { print $4; exit }'
}

# ---- ssh ------------------------------------------------------------------

vm_ssh_config() {
	local vm=$1 port

	port=$(vm_port "$vm")
	[ -n "$port" ] || opi_die "$vm has no management port"
	echo "$port" >"$BED/$vm.port"
	bed_ssh_config
}

bed_ssh_config() {
	local vm

	for vm in $(bed_vms); do
		[ -e "$BED/$vm.port" ] || continue
		cat <<-EOT
		Host $vm
		HostName 127.0.0.1
		Port $(cat "$BED/$vm.port")
		ControlPath $BED/$vm.ssh
		EOT
	done >"$BED/ssh_config.new"
	cat >>"$BED/ssh_config.new" <<-EOT
	Host *
	User root
	IdentityFile $BED/key
	IdentitiesOnly yes
	StrictHostKeyChecking no
	UserKnownHostsFile /dev/null
	GlobalKnownHostsFile /dev/null
	GSSAPIAuthentication no
	ControlMaster no
	LogLevel ERROR
	# What costs an emulated CPU least, on a network that is nobody else's.
	KexAlgorithms curve25519-sha256
	HostKeyAlgorithms ssh-ed25519
	ConnectTimeout 60
	ServerAliveInterval 20
	ServerAliveCountMax 6
	EOT
	mv "$BED/ssh_config.new" "$BED/ssh_config"
}

vm_ssh_close() {
	[ ! -S "$BED/$1.ssh" ] || ssh -F "$BED/ssh_config" -O exit "$1" >/dev/null 2>&1 || true
	rm -f "$BED/$1.ssh"
}

# Commands started here for good must not keep a pipe or a lock of their caller.
close_fds() {
	local fd

	for fd in /proc/self/fd/*; do
		fd=${fd##*/}
		[ "$fd" -le 2 ] || eval "exec $fd>&-"
	done
}

# The kept connection: a command over it costs a tenth of one without.  One at a
# time: a second one could not be kept, and would never end.
vm_ssh_open() {
	local lock rc=0

	[ ! -S "$BED/$1.ssh" ] || return 0
	exec {lock}>"$BED/$1.lock"
	flock "$lock"
	if [ ! -S "$BED/$1.ssh" ]; then
		(
			close_fds 2>/dev/null
			exec setsid -w ssh -F "$BED/ssh_config" -o ControlMaster=yes -fN "$1" \
				</dev/null >>"$BED/$1.err" 2>&1
		) || rc=1
	fi
	exec {lock}>&-
	return "$rc"
}

# ---- boot -----------------------------------------------------------------

# What is in the log from here on is of the next boot.
vm_mark() {
	stat -c %s "$BED/$1.log" >"$BED/$1.mark" 2>/dev/null || echo 0 >"$BED/$1.mark"
}

vm_log_since() {
	tail -c "+$(($(cat "$BED/$1.mark") + 1))" "$BED/$1.log" 2>/dev/null
}

vm_is_ready() {
	# Not -q: the writer must not see its reader gone.
	vm_log_since "$1" | grep -aF -- "$BED_READY" >/dev/null
}

# The reason why a VM will not come up, if there is one.
vm_hopeless() {
	local vm=$1 status

	status=$(vm_status "$vm")
	case $status in
	running) ;;
	gone) echo "$vm is gone: its QEMU ended" ;;
	*) echo "$vm does not run: $status" ;;
	esac
	if vm_log_since "$vm" | grep -aE 'Kernel panic|opi: initramfs:' >/dev/null; then
		echo "$vm did not boot"
	fi
}

# vm_wait VM SECONDS: until it has booted and answers.
vm_wait() {
	local vm=$1 end=$((SECONDS + $2)) why='' n

	for ((n = 0; ; n++)); do
		# Asking the monitor costs more than looking at the log.
		[ $((n % 10)) -ne 0 ] || why=$(vm_hopeless "$vm")
		[ -z "$why" ] || break
		if vm_is_ready "$vm"; then
			while :; do
				vm_ssh_open "$vm" && return 0
				[ $SECONDS -lt $end ] || break
				sleep 0.5
			done
			why="$vm is up but does not answer ssh"
		elif [ $SECONDS -ge $end ]; then
			why="$vm did not boot within $2 s"
		fi
		[ -z "$why" ] || break
		sleep 0.25
	done
	tail -n 20 "$BED/$vm.log" >&2 || true
	tail -n 5 "$BED/$vm.err" >&2 || true
	opi_die "$why (more: testbed logs $vm)"
}
