# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# The peers: two virtual machines of the test bed with one network between them,
# the same kernel, image and size for all.  Here is what makes them different.
# How they are measured is in rows.sh.
#
# NAME-iommu is peer NAME with an IOMMU in the host.

# In the order of a round, and of the report's columns.
# shellcheck disable=SC2034 # used by run.sh
PEERS=(card card-iommu virtio-stream virtio-dgram igb e1000e vhost-user loopback netdevsim
	opi-user opi-user-debug)
# Those that nobody asked for by default.
# shellcheck disable=SC2034
MORE_PEERS=(virtio-stream-iommu virtio-dgram-iommu igb-iommu e1000e-iommu)

MEM=1024
# The netdevs' addresses in VMs that have no card.
MAC=52:54:00:be:00:0

# both ARG...: for the QEMU of either side; %d is the side's number, host 0, DPU 1.
both() {
	local a

	for a; do
		up_args+=(--host-arg "${a//%d/0}" --dpu-arg "${a//%d/1}")
	done
}

# nic DEVICE[,PROPERTY...]: in a slot of its own, as the card is.
nic() {
	both -device pcie-root-port,id=rpn,chassis=1,slot=1 \
		-device "$1,netdev=net,bus=rpn,romfile=,mac=$MAC%d"
}

net_stream() {
	local at=addr.type=unix,addr.path=$WORK/stream

	up_args+=(
		--host-arg -netdev --host-arg "stream,id=net,server=on,$at"
		--dpu-arg -netdev --dpu-arg "stream,id=net,server=off,reconnect-ms=100,$at"
	)
}

net_dgram() {
	local at=dgram,id=net,local.type=unix,remote.type=unix

	up_args+=(
		--host-arg -netdev --host-arg "$at,local.path=$WORK/dgram0,remote.path=$WORK/dgram1"
		--dpu-arg -netdev --dpu-arg "$at,local.path=$WORK/dgram1,remote.path=$WORK/dgram0"
	)
}

net_vhost_user() {
	# The other side's memory is a file already.
	up_args+=(
		--host-arg -object --host-arg "memory-backend-memfd,id=ram0,size=${MEM}M,share=on"
		--host-arg -machine --host-arg memory-backend=ram0
	)
	both -chardev "socket,id=vhost,path=$WORK/vhost%d" -netdev vhost-user,id=net,chardev=vhost
}

# peer_options PEER: how to boot it (up_args, with_card), and what its sides call
# their netdev (host_dev, dpu_dev: see guest/side); alone, if there is one machine only,
# and process, if the host's end is a process.
peer_options() {
	local smp=1 kernel=stock

	with_card='' switch='' alone='' process='' host_dev=${MAC}0 dpu_dev=${MAC}1
	up_args=()
	case ${1%-iommu} in
	card)
		with_card=1 host_dev=host dpu_dev=c1pf0
		;;
	virtio-stream|virtio-dgram)
		"net_${1:7:6}"
		case $1 in
		*-iommu) nic virtio-net-pci,iommu_platform=on ;;
		*) nic virtio-net-pci ;;
		esac
		;;
	igb|e1000e)
		net_stream
		nic "${1%-iommu}"
		;;
	vhost-user)
		switch=testpmd
		net_vhost_user
		nic virtio-net-pci
		;;
	loopback)
		# Not a network: the ceiling of any.  The second machine is paused.
		smp=2 alone=1 host_dev=lo dpu_dev=''
		;;
	netdevsim)
		# Functions that are only said to be there: what making one costs the kernel.
		alone=1 host_dev=lo dpu_dev=''
		;;
	opi-user|opi-user-debug)
		# A virtual function that a process has; the log of what it writes wants
		# a kernel with IOMMUFD, which is the debug kernel.
		with_card=1 process=1 host_dev=host dpu_dev=c1pf0
		up_args+=(--iommu on)
		[ "$1" = opi-user ] || kernel=debug
		;;
	esac
	case $1 in
	*-iommu) up_args+=(--iommu on) ;;
	esac
	up_args+=(--kernel "$kernel" --smp "$smp" --mem "$MEM")
	both -plugin "$TOOLS/insns.so,socket=$WORK/insns%d"
}

# A switch between the two sides that is a process of its own.  It polls: half of
# a machine of two processors is its.  Run as QEMU is, by its own root's loader.
start_testpmd() {
	local i cpu=$(($(nproc) - 1)) end=$((SECONDS + 60)) root lib pmds port=queues=1,tso=1,legacy-ol-flags=1

	rm -f "$WORK"/vhost[01]
	root=$("$OPI_TOP/bench/mkbench.sh" --root)
	lib=$root/usr/lib/x86_64-linux-gnu
	pmds=$(find "$lib/dpdk" -maxdepth 1 -name 'pmds-*')
	# With a period for statistics it does not wait for a key.
	"$root/usr/lib64/ld-linux-x86-64.so.2" --library-path "$lib" "$root/usr/bin/dpdk-testpmd" \
		-d "$pmds/librte_net_vhost.so" -d "$pmds/librte_mempool_ring.so" \
		--no-shconf --no-huge -m 512 --no-pci --no-telemetry --lcores "0@(0-$cpu),1@(0-$cpu)" \
		--vdev "net_vhost0,iface=$WORK/vhost0,$port" --vdev "net_vhost1,iface=$WORK/vhost1,$port" \
		-- --forward-mode=io --total-num-mbufs=16384 --auto-start --stats-period=36000 \
		</dev/null >"$WORK/testpmd.log" 2>&1 &
	switch_pid=$!
	for i in 0 1; do
		until [ -S "$WORK/vhost$i" ]; do
			if ! kill -0 "$switch_pid" 2>/dev/null || [ $SECONDS -ge $end ]; then
				tail -n 5 "$WORK/testpmd.log" >&2
				return 1
			fi
			sleep 0.1
		done
	done
}

stop_switch() {
	[ -n "${switch_pid:-}" ] || return 0
	kill -KILL "$switch_pid" 2>/dev/null || :
	wait "$switch_pid" 2>/dev/null || :
	switch_pid=''
}
