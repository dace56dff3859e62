#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 1000
# soak: packets_in_great_numbers_are_right@5000,100 packets_are_right_both_ways a_process_resets_its_function
# soak: a_function_moves_and_its_queues_stay
# debug: the_bed_comes_up a_function_is_opened_by_its_character_device
# debug: a_process_resets_its_function all_changes_of_the_state
# debug: a_function_moves_and_its_queues_stay a_stream_that_was_changed_is_refused
# debug: what_a_function_writes_is_logged frames_find_a_function_that_was_moved
# debug: a_process_that_does_not_let_go_is_waited_for a_card_that_does_not_answer_changes_nothing
# debug: the_dpu_is_reset_under_an_open_function
# debug: the_physical_function_is_reset_under_an_open_function
# debug: the_physical_functions_driver_goes_under_an_open_function
# debug: the_physical_function_is_reset_under_a_function_on_its_way an_open_function_is_unbound
# debug: a_function_on_its_way_is_unbound modules_unload both_kernels_are_content
#
# Virtual functions in a process, behind an IOMMU: packets, interrupts, resets, memory
# that the function does not reach, what the process is told when the function, its
# physical function or the card goes; and its migration.

. "$(dirname -- "$0")/../lib/tap.sh"
. "$(dirname -- "$0")/../lib/bed.sh"
. "$(dirname -- "$0")/../lib/net.sh"
. "$(dirname -- "$0")/../lib/func.sh"
. "$(dirname -- "$0")/../lib/vfio.sh"

OPI_BED=vfio$$

CASES="
	the_bed_comes_up
	a_process_has_a_function
	packets_are_right_both_ways
	packets_in_great_numbers_are_right
	interrupts_come_by_eventfd
	a_process_sends_and_counts_as_fast_as_it_goes
	a_process_resets_its_function
	a_function_is_opened_by_its_character_device
	memory_that_is_not_the_functions_is_not_touched
	a_function_that_is_stopped_disturbs_no_other
	the_dpu_withdraws_an_open_function
	the_dpu_is_reset_under_an_open_function
	the_physical_function_is_reset_under_an_open_function
	an_open_function_is_unbound
	the_physical_functions_driver_goes_under_an_open_function
	a_process_that_does_not_let_go_is_waited_for
	a_function_that_is_not_migratable_is_refused_with_a_reason
	the_driver_is_found_by_its_alias
	traffic_by_the_migratable_functions_driver
	all_changes_of_the_state
	a_function_moves_and_its_queues_stay
	a_stopped_function_is_saved_and_loaded
	a_stream_that_was_changed_is_refused
	a_destination_that_has_less_is_refused
	what_a_function_writes_is_logged
	the_dpu_is_told_of_each_step
	the_dpu_finds_what_it_was_not_told
	what_a_function_had_goes_with_it
	frames_find_a_function_that_was_moved
	a_function_that_runs_keeps_what_it_has
	a_stream_of_another_key_is_refused
	migration_that_is_not_allowed_any_more_is_refused
	a_function_on_its_way_is_unbound
	the_physical_function_is_reset_under_a_function_on_its_way
	a_card_that_does_not_answer_changes_nothing
	modules_unload
	both_kernels_are_content
"

trap 'tb down' EXIT

a_process_has_a_function()
{
	local info

	functions_up
	info=$(user 0 info)
	expect_match "card" "$info" "serial $(dpu_field dpu .serial)"
	expect_match "function" "$info" "function $(func_field dpu '.vf == 0' .func_id)"
	expect_match "address" "$info" "mac $(fn_field vf 0 .function.hw_addr)"
	# Not while somebody else has it, and not one that the kernel drives.
	user_bg holder 0 hold
	refused 'busy|Busy' user 0 info
	refused 'No such file|vfio' user 1 info
}

# Of the far end, what the kernel's ping has to say; of ours, opi-user compares.
packets_are_right_both_ways()
{
	local size said

	functions_up
	for size in 0 1 56 1400; do
		said=$(user 0 ping "$USER_IP" "$DPU_IP" "$(times 20)" "$size")
		expect_match "answers" "$said" "right answers $(times 20) of $(times 20)"
	done
	user_bg answer 0 answer "$USER_IP"
	# It is asked anew who has the address.
	dpu ip neigh flush to "$USER_IP" </dev/null
	for size in 16 64 1400; do
		said=$(dpu ping -c "$(times 20)" -i 0.05 -s "$size" -p a55a0ff0 "$USER_IP" </dev/null)
		expect_match "answers" "$said" ' 0% packet loss'
		[[ $said != *wrong* ]] || fail "$said"
	done
	# And through the wire.
	bg_stop answer
	user 0 ping "$USER_IP" "$FAR_IP" 3
	user_ends answer 0 "answered arp [1-9][0-9]* echo $(times 60)"
}

# A million in a soak, each compared with what was sent.
packets_in_great_numbers_are_right()
{
	functions_up
	expect_match "answers" "$(user 0 ping "$USER_IP" "$DPU_IP" "$(times 200)" 200)" \
		"right answers $(times 200) of $(times 200)"
}

# opi-user looks at its rings when it is told to, but for a look in 200 ms.  Several
# interrupts may come as one.
# What is there already when the process looks needs no interrupt: on a busy builder that
# may be all of a run.
interrupts_come_by_eventfd()
{
	local said vectors i commands=0 pairs=0

	functions_up
	for i in 1 2 3 4 5 6 7 8; do
		said=$(user 0 ping "$USER_IP" "$DPU_IP" 20)
		read -r _ vectors <<<"${said##*$'\n'}"
		note "$vectors"
		expect_range "interrupts of commands" "${vectors% *}" 0 100
		expect_range "interrupts of the queue pair" "${vectors#* }" 0 200
		commands=$((commands + ${vectors% *})) pairs=$((pairs + ${vectors#* }))
		[ "$commands" = 0 ] || [ "$pairs" = 0 ] || return 0
	done
	fail "no interrupt of a kind in $i runs: $commands of commands, $pairs of the queue pair"
}

# What it says of itself is what the other side counts: of what it sent, all; of what was
# sent to it, everything that its ring has room for.
a_process_sends_and_counts_as_fast_as_it_goes()
{
	local rep mac sent got

	functions_up
	rep=$(fn_rep vf 0)
	mac=$(dpu cat /sys/class/net/br0/address </dev/null)
	got() { echo $(($(estat dpu "$rep" port_rx_frames) + $(estat dpu "$rep" port_rx_no_buffer))); }
	got=$(got)
	sent=$(user 0 send "$mac" 1)
	note "$sent"
	expect_match "words" "$sent" 'sent [0-9]+ frames in [0-9]+ ms: [0-9]+/s$'
	sent=$(sed -n 's/^sent \([0-9]*\) .*/\1/p' <<<"$sent")
	got=$(($(got) - got))
	# Those that it had a buffer for, and those that it had none for; and what was sent at the start.
	expect_range "frames on the DPU" "$got" "$sent" $((sent + 20))
	refused 'Invalid argument' user 0 send "$mac" 1 59
	refused 'no MAC address' user 0 send nobody 1
	# It ends when it is told to, and lets go when the kernel wants the function.
	user_bg sender 0 send "$mac" 3600
	bg_stop sender
	user_ends sender 0 'sent [0-9]+ frames'
	user_bg sender 0 send "$mac" 3600
	on_for 60 host sh -c 'echo $1 >/sys/bus/pci/drivers/vfio-pci/unbind' sh "$(vf_pci 0)"
	user_ends sender 0 'the kernel wants the function back'
	vf_bind 0 vfio-pci

	user_bg counter 0 recv 3
	mac=$(fn_field vf 0 .function.hw_addr)
	dpu_sh "$GUEST"'/frames send $1 -d $2 -l 60 -n 48' "$rep" "$mac"
	user_ends counter 0 'received [0-9]+ frames in [0-9]{4,} ms: [0-9]+/s$'
	got=$(sed -n 's/^received \([0-9]*\) .*/\1/p' "$CASE_DIR/counter")
	# Others may send something too; the first one only starts the clock.
	expect_range "frames in the process" "$got" 47 60
}

a_process_resets_its_function()
{
	local i

	functions_up
	for ((i = 0; i < $(times 3); i++)); do
		expect_match "reset" "$(user 0 reset "$USER_IP" "$DPU_IP" | grep -v interrupts | tr '\n' ' ')" \
			'^right answers 3 of 3 reset right answers 3 of 3 $'
	done
}

a_function_is_opened_by_its_character_device()
{
	local VFIO_BY=-c

	functions_up
	if [ "$OPI_KERNEL" = stock ]; then
		# The distribution's kernel has no iommufd.
		refused '(vfio-dev|/dev/iommu): No such file' user 0 info
		return 0
	fi
	expect_match "answers" "$(user 0 ping "$USER_IP" "$DPU_IP" 20 1400)" "right answers 20 of 20"
	user 0 reset "$USER_IP" "$DPU_IP"
	expect_match "freed memory" "$(user 0 stray send-data)" 'stopped queue pair error 4 \(DMA\)'
}

# How often the card was refused what it wanted for the PF, or a VF.
faults() { estat dpu "$1" port_dma_faults; }

# How often the IOMMU has refused VF 0 something; it does not tell of each.
strays()
{
	# shellcheck disable=SC2016 # for the guest
	host_sh '
	bus=${1#0000:} bus=${bus%%:*} dev=${1##*:} fn=${1##*.}
	endpoint=$((0x$bus << 8 | 0x${dev%.*} << 3 | fn))
	dmesg | grep -cE "DMAR: .*DMA (Read|Write).*Request device \[${1#0000:}\]|fault from EP $endpoint " || :' "$(vf_pci 0)"
}

# what_is_said ADDRESS: of a function that is given one which it does not reach.
what_is_said()
{
	case $1 in
	admin-buffer) echo '^refused command EFAULT' ;;
	admin-*) echo '^stopped function health 1 \(AQ_DMA\)' ;;
	*) echo '^stopped queue pair error 4 \(DMA\)' ;;
	esac
}

memory_that_is_not_the_functions_is_not_touched()
{
	local where said before counted rep of_pf places

	functions_up
	rep=$(fn_rep vf 0)
	of_pf=$(faults "$REP")
	bg broadcast dpu ping -q -b -i 0.3 10.77.0.255
	mapfile -t places < <(user 0 stray list)
	expect_range "places" "${#places[@]}" 8 100
	for where in "${places[@]}"; do
		# Told of in the kernel's log at a limited rate.
		before=$(strays)
		counted=$(faults "$rep")
		for _ in 1 2 3; do
			said=$(user 0 stray "$where")
			expect_match "$where" "$said" "$(what_is_said "$where")"
			expect_match "$where" "$said" 'started again: yes$'
			[ "$(strays)" = "$before" ] || break
			sleep 5
		done
		[ "$(strays)" -gt "$before" ] || fail "$where: the IOMMU has refused nothing"
		[ "$(faults "$rep")" -gt "$counted" ] || fail "$where: the card has counted nothing"
	done
	# Memory that is the kernel's, by its physical address; the message window.
	for where in 0x1000000 0xfee00000 0; do
		expect_match "$where" "$(user 0 stray receive-data "$where")" '^stopped queue pair error 4 \(DMA\)'
	done
	refused 'no such address' user 0 stray nowhere
	expect_eq "the PF's faults" "$(faults "$REP")" "$of_pf"
	counted=$(faults "$rep")
	user 0 ping "$USER_IP" "$DPU_IP"
	expect_eq "faults without cause" "$(faults "$rep")" "$counted"
	bg_stop broadcast
}

a_function_that_is_stopped_disturbs_no_other()
{
	functions_up
	other_up
	neighbour neighbour other
	user 0 stray admin-ring
	user 0 stray send-ring
	user 0 stray send-data
	lost_nothing neighbour
	user 0 ping "$USER_IP" "$DPU_IP"
}

the_dpu_withdraws_an_open_function()
{
	local port

	functions_up
	port=$(fn_port vf 0)
	user_bg answer 0 answer "$USER_IP"
	defer "dpu devlink port function set $port state active"
	dpu devlink port function set "$port" state inactive </dev/null
	user_ends answer 3 'the function has no service'
	refused 'no service' user 0 info
	dpu devlink port function set "$port" state active </dev/null
	user 0 ping "$USER_IP" "$DPU_IP"
}

the_dpu_is_reset_under_an_open_function()
{
	functions_up
	user_bg answer 0 answer "$USER_IP"
	await_ping dpu 20 "$USER_IP"
	tb reset dpu
	tb wait dpu
	dpu_net_up
	await dpu 20 "devlink -j port show | jq -e '[.port[] | select(.flavour == \"pcivf\")] | length == 2'"
	fn_bridge "$(fn_rep vf 0)"
	# The process has done nothing.
	await_ping dpu 20 "$USER_IP"
	bg_stop answer
	user_ends answer 0 'answered'
}

the_physical_function_is_reset_under_an_open_function()
{
	functions_up
	user_bg answer 0 answer "$USER_IP"
	await_ping dpu 20 "$USER_IP"
	expect_log host 'opi_core [0-9a-f:.]+: function (does not answer|is not in service)'
	host_sh 'echo 1 >"/sys/bus/pci/devices/$1/reset"' "$(pci_of host)"
	user_ends answer 3 'the function (was reset|has no service|is gone)'
	host_net_up
	# Not for ever.
	wait_for 20 user 0 ping "$USER_IP" "$DPU_IP"
}

an_open_function_is_unbound()
{
	functions_up
	user_bg answer 0 answer "$USER_IP"
	on_for 60 host sh -c 'echo $1 >/sys/bus/pci/drivers/vfio-pci/unbind' sh "$(vf_pci 0)"
	user_ends answer 0 'the kernel wants the function back'
	expect_eq "driver" "$(vf_driver 0)" none
	# Nothing is left of it that would be in another driver's way.
	vf_bind 0 opi_core
	fn_netns mine "$(vf_if 0)" "$USER_IP"
	await_ping_from 20 mine "$DPU_IP"
}

the_physical_functions_driver_goes_under_an_open_function()
{
	local pf

	functions_up
	pf=$(pci_of host)
	user_bg answer 0 answer "$USER_IP"
	defer "host_sh 'echo \$1 >/sys/bus/pci/drivers/opi_core/bind 2>/dev/null || :' $pf"
	on_for 60 host sh -c 'echo $1 >/sys/bus/pci/drivers/opi_core/unbind' sh "$pf"
	user_ends answer 0 'the kernel wants the function back'
	expect_eq "VFs" "$(host_sh 'ls -d /sys/bus/pci/devices/*/physfn 2>/dev/null | wc -l')" 0
	host_sh 'echo $1 >/sys/bus/pci/drivers/opi_core/bind' "$pf"
	functions_up
	user 0 ping "$USER_IP" "$DPU_IP"
}

# It is VFIO that waits, and it can be ended.
a_process_that_does_not_let_go_is_waited_for()
{
	functions_up
	user_bg holder 0 hold
	bg unbind host sh -c 'echo $1 >/sys/bus/pci/drivers/vfio-pci/unbind' sh "$(vf_pci 0)"
	await host 20 'grep -q vfio_unregister /proc/$(cat /run/bg-unbind)/stack'
	eval "kill -0 \$bg_unbind"
	# Others are served meanwhile.
	ping_works host "$DPU_IP"
	bg_stop holder
	wait_for 30 eval "! kill -0 \$bg_unbind"
	bg_wait unbind
	expect_eq "driver" "$(vf_driver 0)" none
	vf_bind 0 vfio-pci
	user 0 ping "$USER_IP" "$DPU_IP"
}

# ---- migration -------------------------------------------------------------

a_function_that_is_not_migratable_is_refused_with_a_reason()
{
	local before

	net_up
	vfs 2
	vf_bind 0 opi_core
	migratable 0 disable
	expect_log host 'opi_vfio_pci [0-9a-f:.]+: (the DPU has not made the function migratable|probe with driver opi_vfio_pci failed)'
	before=$(log_lines)
	refused 'does not take' vf_bind 0 opi_vfio_pci
	expect_match "reason" "$(log_since "$before")" 'opi_vfio_pci [0-9a-f:.]+: the DPU has not made the function migratable \(vfio-pci takes it\)'
	vf_bind 0 vfio-pci
	fn_bridge "$(fn_rep vf 0)"
	user 0 ping "$USER_IP" "$DPU_IP"
	refused 'migration ENOTTY' user 0 mig info
}

# As libvirt does: the variant that the function's identity names, before vfio-pci
# which all have.
the_driver_is_found_by_its_alias()
{
	local driver

	net_up
	vfs 2
	migratable 0 enable
	driver=$(host_sh 'modprobe -R "$(sed s/^pci:/vfio_pci:/ "$1/modalias")" | grep -vx vfio_pci' "$(vf_dir 0)")
	expect_eq "driver of the alias" "$driver" opi_vfio_pci
	vf_bind 0 "$driver"
	expect_match "migration" "$(user 0 mig info)" '^migration stop-copy p2p pre-copy'
	# It takes what is asked for by name, and nothing by itself.
	expect_eq "driver of VF 1" "$(vf_driver 1)" opi_core
}

traffic_by_the_migratable_functions_driver()
{
	migration_up
	expect_match "answers" "$(user 0 ping "$USER_IP" "$DPU_IP" 20 1400)" "right answers 20 of 20"
	user 0 reset "$USER_IP" "$DPU_IP"
	expect_match "stray" "$(user 0 stray send-data)" '^stopped queue pair error 4 \(DMA\)'
	user_bg answer 0 answer "$USER_IP"
	on_for 60 host sh -c 'echo $1 >/sys/bus/pci/drivers/opi_vfio_pci/unbind' sh "$(vf_pci 0)"
	user_ends answer 0 'the kernel wants the function back'
}

# change FROM TO: what must become of it, as include/uapi/linux/vfio.h has it.
change()
{
	case $1,$2 in
	*,error) echo "EINVAL $1" ;;
	"$1,$1") echo "ok $1" ;;
	# There is no whole stream.
	resuming,*) echo "EINVAL error" ;;
	stop-copy,pre-copy*) echo "EINVAL $1" ;;
	pre-copy*,pre-copy*|pre-copy*,stop-copy) echo "ok $2" ;;
	*,stop-copy|*,resuming|*,pre-copy*) echo "ok $2 file" ;;
	*) echo "ok $2" ;;
	esac
}

all_changes_of_the_state()
{
	local from to rest n=0 pairs

	migration_up
	pairs=$(user 0 mig pairs)
	while read -r from to rest; do
		expect_eq "from $from to $to" "$rest" "$(change "$from" "$to")"
		n=$((n + 1))
	done <<<"$pairs"
	expect_eq "pairs" "$n" 56
	# An error is left by a reset only.
	expect_eq "error" "$(user 0 mig set resuming stop running reset stop running | tr '\n' ';')" \
		'resuming: ok resuming file;stop: EINVAL error;running: EIO error;reset: ok running;stop: ok stop;running: ok running;'
}

a_function_moves_and_its_queues_stay()
{
	local mac said few many costs=' us, stopped for [1-9][0-9]* us, [1-9][0-9]* bytes, [1-9][0-9]* of them while stopped$'

	migration_up
	mac=$(fn_field vf 0 .function.hw_addr)
	said=$(user 0 mig move "$(vf_pci 1)" "$USER_IP" "$DPU_IP" "$(times 5)")
	expect_eq "moved" "$(head -n 1 <<<"$said")" "moved $(times 5) of $(times 5): ok"
	few=$(tail -n 1 <<<"$said")
	expect_match "cost" "$few" "^each [1-9][0-9]*$costs"
	# The address has come with it.
	expect_eq "address" "$(fn_field vf 1 .function.hw_addr)" "$mac"

	# Each queue pair more is so much more in the stream, none of it before the stop.
	said=$(user 1 mig move "$(vf_pci 0)" "$USER_IP" "$DPU_IP" 1 4)
	expect_eq "moved with four queue pairs" "$(head -n 1 <<<"$said")" "moved 1 of 1: ok"
	many=$(tail -n 1 <<<"$said")
	note "$few / $many"
	all() { awk '{ print $8 }' <<<"$1"; }
	late() { awk '{ print $10 }' <<<"$1"; }
	expect_eq "before the stop" $(($(all "$many") - $(late "$many"))) $(($(all "$few") - $(late "$few")))
	expect_range "three queue pairs more" $(($(late "$many") - $(late "$few"))) 100 10000
}

a_stopped_function_is_saved_and_loaded()
{
	local size

	migration_up
	defer "host rm -f /run/stream"
	size=$(user 0 mig info | awk '/^size/ { print $2 }')
	expect_match "saved" "$(user 0 mig save /run/stream)" '^saved [0-9]+ bytes: ok'
	expect_range "bytes" "$(host stat -c %s /run/stream </dev/null)" 100 "$size"
	expect_match "loaded" "$(user 1 mig load /run/stream)" 'loaded [0-9]+ bytes: ok, running'
	# The function is good for others.
	user 1 ping "$USER_IP" "$DPU_IP"
}

a_stream_that_was_changed_is_refused()
{
	local size at

	migration_up
	defer "host rm -f /run/stream /run/bad"
	user 0 mig save /run/stream
	size=$(host stat -c %s /run/stream </dev/null)
	for at in 0 8 40 $((size / 2)) $((size - 1)); do
		host_sh 'cp /run/stream /run/bad &&
			b=$(od -An -tu1 -j "$1" -N 1 /run/bad) &&
			printf "\\$(printf %03o $((b ^ 1)))" | dd of=/run/bad bs=1 seek="$1" conv=notrunc status=none' "$at"
		refused 'E[A-Z]+, (resuming|error)' user 1 mig load /run/bad
	done
	# Half of it, nothing, and more than all of it.
	host_sh 'head -c $(($1 / 2)) /run/stream >/run/bad' "$size"
	refused 'EINVAL, error' user 1 mig load /run/bad
	host_sh ': >/run/bad'
	refused 'EINVAL, error' user 1 mig load /run/bad
	host_sh '{ cat /run/stream; echo; } >/run/bad'
	refused 'EINVAL, resuming' user 1 mig load /run/bad
	# None of it has done anything.
	user 1 ping "$USER_IP" "$DPU_IP"
}

a_destination_that_has_less_is_refused()
{
	migration_up
	vf_bind 1 opi_core
	vf_bind 1 vfio-pci
	defer "vf_bind 1 vfio-pci; dpu devlink port function set $(fn_port vf 1) max_io_eqs 4"
	dpu devlink port function set "$(fn_port vf 1)" max_io_eqs 1 </dev/null
	vf_bind 1 opi_vfio_pci
	# While the source runs: it goes on.
	refused 'moved 0 of 1: ENOSPC' user 0 mig move "$(vf_pci 1)" "$USER_IP" "$DPU_IP"
	user 0 ping "$USER_IP" "$DPU_IP"
}

what_a_function_writes_is_logged()
{
	local said

	migration_up
	if [ "$OPI_KERNEL" = stock ]; then
		# The distribution's kernel has no iova_bitmap.
		refused 'log ENOTTY' user 0 mig dirty "$USER_IP" "$DPU_IP"
		refused 'start [0-9]+ us: ENOTTY' user 0 mig log "$USER_IP" "$DPU_IP"
		return 0
	fi
	said=$(user 0 mig dirty "$USER_IP" "$DPU_IP")
	note "$said"
	expect_match "log" "$said" 'log ok, pages of 4096'
	expect_match "log" "$said" 'pages 256 changed [1-9][0-9]* logged [1-9][0-9]? missing 0'
	expect_match "log" "$said" 'logged since [0-9]'
	expect_match "log" "$said" 'dirty ok'
	said=$(user 0 mig log "$USER_IP" "$DPU_IP" 1024)
	note "$said"
	expect_match "first" "$said" 'report first [0-9]+ us, [0-9]+ pages: ok'
	expect_match "after traffic" "$said" 'report busy [0-9]+ us, [1-9][0-9]? pages: ok'
	expect_match "end" "$said" 'log ok'
	refused 'not within 16 MiB' user 0 mig log "$USER_IP" "$DPU_IP" 16
}

# ---- migration, the DPU's half ----------------------------------------------

# A key of VF N as the DPU's opitool has it.
dpu_vf() { dpu opitool -j function show vf "$1" </dev/null | jq -r ".[]$2"; }

the_dpu_is_told_of_each_step()
{
	local id0 id1 serial steps

	migration_up
	id0=$(dpu_vf 0 .func_id) id1=$(dpu_vf 1 .func_id) serial=$(dpu_field dpu .serial)
	bg told dpu opitool -j monitor function
	wait_for 20 said told '"sync"'
	user 0 mig move "$(vf_pci 1)" "$USER_IP" "$DPU_IP" 1
	# The last is the source's reset, when its process has closed it.
	wait_for 20 said told "\"event\":\"change\".*\"func_id\":$id0,.*\"mig_state\":\"running\""
	wait_for 20 said told "\"event\":\"change\".*\"func_id\":$id1,.*\"mig_state\":\"running\""
	bg_stop told
	steps=$(jq -c 'select(.object == "function" and .event == "change" and (.changed | index("migration"))) |
		[.func_id, .mig_state, .source_serial, .source_func_id]' "$CASE_DIR/told")
	note "$(tr '\n' ' ' <<<"$steps")"
	expect_match "source" "$steps" "^\[$id0,\"(stopped|running)\",|"$'\n'"\[$id0,\"(stopped|running)\","
	# One notification has both: where it came from and where it is.
	expect_match "destination" "$steps" "\[$id1,\"(stopped|running)\",\"$serial\",$id0\]"
	expect_eq "state of the source" "$(dpu_vf 0 .mig_state)" running
	expect_eq "source of the destination" "$(dpu_vf 1 '| [.mig_state, .source_serial, .source_func_id] | @tsv')" \
		"running"$'\t'"$serial"$'\t'"$id0"
	# The host, which moves it, is told nothing of this.
	expect_eq "host" "$(host opitool -j function show </dev/null | jq '[.[] | select(.mig_state)] | length')" 0
}

# Nobody listened, and the driver is not the one that was there.
the_dpu_finds_what_it_was_not_told()
{
	local id0

	migration_up
	id0=$(dpu_vf 0 .func_id)
	user 0 mig move "$(vf_pci 1)" "$USER_IP" "$DPU_IP" 1
	expect_eq "source" "$(dpu_vf 1 .source_func_id)" "$id0"
	dpu_sh 'modprobe -r opi_core && modprobe opi_core'
	net_up
	await_dpu dpu 30 '.dev_state == "ready"'
	expect_eq "source" "$(dpu_vf 1 .source_func_id)" "$id0"
	expect_eq "state" "$(dpu_vf 1 .mig_state)" running
	# One that must not be moved has no such state.
	migratable 1 disable
	expect_eq "not migratable" "$(dpu_vf 1 .mig_state)" null
}

# What VF 0 has, which the DPU does not set for others: $R0 is its representor.
dress_up()
{
	R0=$(fn_rep vf 0) R1=$(fn_rep vf 1)
	defer "undress $R0; undress $R1"
	dpu devlink port function rate set "$(fn_port vf 0)" tx_max 80mbit tx_priority 3 </dev/null
	dpu_sh '
	ip link set $2 nomaster &&
	bridge link set dev $1 isolated off cost 77 &&
	bridge vlan add dev $1 vid 30 && bridge vlan add dev $1 vid 31 pvid untagged &&
	bridge fdb replace $3 dev $1 master static &&
	tc qdisc add dev $1 clsact &&
	tc filter add dev $1 ingress prio 10 protocol ip flower ip_proto icmp dst_ip $4 action drop &&
	tc filter add dev $1 ingress prio 20 protocol all matchall action police rate 90mbit burst 64k conform-exceed drop/pipe' \
		"$R0" "$R1" "$(fn_field vf 0 .function.hw_addr)" "$FAR_IP"
}
undress() { dpu_sh 'tc qdisc del dev $1 clsact; ip link set $1 nomaster' "$1" 2>/dev/null || :; }

# Of a representor, without what is counted and without names.
rules()
{
	dpu_sh 'tc -j filter show dev $1 ingress' "$1" |
		jq -cS '[.[] | select(.options.handle // .options.actions) | del(.options.in_hw, .options.in_hw_count, .options.not_in_hw,
			.options.actions[]?.index, .options.actions[]?.used_hw_stats, .options.actions[]?.ref, .options.actions[]?.bind)]'
}
vlans() { dpu_sh 'bridge -j vlan show dev $1' "$1" | jq -c '[.[].vlans[]]'; }
rate() { dpu devlink -j port function rate show "$(fn_port vf "$1")" </dev/null | jq -cS '[.rate[] | {tx_max, tx_priority, tx_share}]'; }
port_cost() { dpu_sh 'bridge -j -d link show dev $1' "$1" | jq '.[].cost'; }

what_a_function_had_goes_with_it()
{
	local mac had_rules had_vlans had_rate

	# New ones, which have not been moved yet.
	vfs 0
	max_vfs 0
	migration_up
	dress_up
	mac=$(fn_field vf 0 .function.hw_addr)
	had_rules=$(rules "$R0") had_vlans=$(vlans "$R0") had_rate=$(rate 0)
	expect_match "rules" "$had_rules" 'flower.*matchall'
	expect_match "rate" "$had_rate" '10000000'
	user 0 ping "$USER_IP" "$DPU_IP"
	refused . user 0 ping "$USER_IP" "$FAR_IP" 3
	# Before it is moved there is nothing to follow.
	refused 'has not taken the state of the source' dpu opitool function migrate vf 1 to vf 0
	# Where it is now it has no way to anybody yet.
	refused 'ETIMEDOUT' user 0 mig move "$(vf_pci 1)" "$USER_IP" "$DPU_IP" 1
	expect_eq "source" "$(dpu_vf 1 .source_func_id)" "$(dpu_vf 0 .func_id)"
	expect_eq "who prints" "$(dpu opitool -j function migrate vf 0 to vf 1 </dev/null | jq -r '.[].vf')" 1
	# All of it is there, and nothing is left.
	expect_eq "address" "$(fn_field vf 1 .function.hw_addr)" "$mac"
	[ "$(fn_field vf 0 .function.hw_addr)" != "$mac" ] || fail "two functions have one address"
	expect_eq "rules" "$(rules "$R1")" "$had_rules"
	expect_eq "VLANs" "$(vlans "$R1")" "$had_vlans"
	expect_eq "rate" "$(rate 1)" "$had_rate"
	expect_eq "cost" "$(port_cost "$R1")" 77
	expect_match "static entry" "$(dpu bridge fdb show dev "$R1" </dev/null)" "$mac .*static"
	expect_eq "rules of the source" "$(dpu tc qdisc show dev "$R0" ingress </dev/null | grep -c clsact || :)" 0
	expect_eq "bridge of the source" "$(dpu_sh 'ip -j link show $1' "$R0" | jq -r '.[].master')" null
	[[ $(rate 0) != *10000000* ]] || fail "the source has its rate still"
	# Its frames are subject to the rules.
	user 1 ping "$USER_IP" "$DPU_IP" 5
	refused . user 1 ping "$USER_IP" "$FAR_IP" 3
	expect_match "again" "$(dpu opitool function migrate vf 0 to vf 1 2>&1 </dev/null)" 'already'
	expect_eq "rules" "$(rules "$R1")" "$had_rules"
	refused 'this is the host' host opitool function migrate pf 0 to pf 0
}

# The bridge knows the address at the port where the function was.
frames_find_a_function_that_was_moved()
{
	local mac said

	migration_up
	mac=$(fn_field vf 0 .function.hw_addr)
	defer "undress $(fn_rep vf 1)"
	user 0 mig move "$(vf_pci 1)" "$USER_IP" "$DPU_IP" 1
	user_bg answer 1 answer "$USER_IP"
	dpu ping -q -c 1 "$USER_IP" </dev/null
	dpu_sh 'bridge fdb replace $1 dev $2 master static' "$mac" "$(fn_rep vf 0)"
	expect_match "misled" "$(dpu ping -c 2 -i 0.2 -W 1 "$USER_IP" </dev/null || :)" ' 100% packet loss'
	dpu opitool function migrate vf 0 to vf 1 </dev/null
	# It has sent nothing since.
	said=$(dpu ping -c 5 -i 0.2 "$USER_IP" </dev/null)
	expect_match "answers" "$said" ' 0% packet loss'
}

a_function_that_runs_keeps_what_it_has()
{
	migration_up
	user 0 mig move "$(vf_pci 1)" "$USER_IP" "$DPU_IP" 1
	user_bg answer 0 answer "$USER_IP"
	refused 'is still running' dpu opitool function migrate vf 0 to vf 1 force
	bg_stop answer
	expect_match "bridge" "$(dpu_sh 'ip -j link show $1' "$(fn_rep vf 0)" | jq -r '.[].master')" br0
	# An open one that is stopped does not run.
	user_bg walk 0 mig set stop pause running
	dpu opitool function migrate vf 0 to vf 1 </dev/null
	host_sh 'kill -USR1 $(cat /run/bg-walk)'
	user_ends walk 0 'running: ok running'
}

# card_key FILE|none: gives the card a key; FILE is in the DPU's machine.
card_key() { dpu opitool dpu set migration-key "$1" </dev/null; }

a_stream_of_another_key_is_refused()
{
	migration_up
	defer "host rm -f /run/own /run/first /run/second; card_key none"
	dpu_sh 'for k in first second; do od -An -v -tx1 -N 32 /dev/urandom | tr -d " \n" >/run/key-$k; done'
	user 0 mig save /run/own
	card_key /run/key-first
	refused 'EPERM, (resuming|error)' user 1 mig load /run/own
	user 0 mig save /run/first
	expect_match "equal keys" "$(user 1 mig load /run/first)" 'bytes: ok, running'
	card_key /run/key-second
	refused 'EPERM, (resuming|error)' user 1 mig load /run/first
	expect_eq "what the DPU sees of it" "$(dpu_vf 1 .mig_state)" running
	# By the other way, the same again.
	dpu_sh 'opitool dpu set migration-key - </run/key-first'
	expect_match "equal keys" "$(user 1 mig load /run/first)" 'bytes: ok, running'
	refused 'EPERM' user 1 mig load /run/own
	# The card keeps it when the DPU's driver goes.
	dpu_sh 'modprobe -r opi_core && modprobe opi_core'
	net_up
	await_dpu dpu 30 '.dev_state == "ready"'
	refused 'EPERM' user 1 mig load /run/own
	expect_match "equal keys" "$(user 1 mig load /run/first)" 'bytes: ok, running'
	card_key none
	refused 'EPERM' user 1 mig load /run/first
	expect_match "the card's own" "$(user 1 mig load /run/own)" 'bytes: ok, running'
	refused 'this is the host' host opitool dpu set migration-key none
}

migration_that_is_not_allowed_any_more_is_refused()
{
	migration_up
	user_bg walk 0 mig set pause stop running
	defer "migratable 0 enable"
	migratable 0 disable
	host_sh 'kill -USR1 $(cat /run/bg-walk)'
	user_ends walk 0 'stop: EPERM running.*running: ok running'
}

# Nobody resets it then but the driver, and the next one wants it as new.
a_function_on_its_way_is_unbound()
{
	migration_up
	user_bg walk 0 mig set resuming pause
	bg unbind host sh -c 'echo $1 >/sys/bus/pci/drivers/opi_vfio_pci/unbind' sh "$(vf_pci 0)"
	await host 20 'grep -q vfio_unregister /proc/$(cat /run/bg-unbind)/stack'
	bg_stop walk KILL
	wait_for 30 eval "! kill -0 \$bg_unbind"
	vf_bind 0 opi_core
	fn_netns mine "$(vf_if 0)" "$USER_IP"
	await_ping_from 20 mine "$DPU_IP"
}

# Its card has let it run, and forgotten where it was.
the_physical_function_is_reset_under_a_function_on_its_way()
{
	migration_up
	expect_log host 'opi_core [0-9a-f:.]+: function (does not answer|is not in service)'
	user_bg walk 0 mig set stop-copy pause running reset running
	host_sh 'echo 1 >"/sys/bus/pci/devices/$1/reset"' "$(pci_of host)"
	await_dpu host 30 '.dev_state == "ready"'
	host_sh 'kill -USR1 $(cat /run/bg-walk)'
	user_ends walk 0 'running: [A-Z]+ error.*reset: ok running.*running: ok running'
	host_net_up
	wait_for 20 user 0 ping "$USER_IP" "$DPU_IP"
}

# A state that cannot be asked for is what it was.  The card that is back is as after a reset: there
# the function runs, and only a reset leads on.
a_card_that_does_not_answer_changes_nothing()
{
	local began

	migration_up
	expect_log host 'opi_core 0000:[0-9a-f:.]+: (function does not answer|start failed|last reset failed)'
	expect_log host 'opi_core 0000:[0-9a-f:.]+ [a-z0-9]+: (port does not go down|no queue pairs|port does not come up)'
	user_bg walk 0 mig set running-p2p pause stop pause running reset running
	defer "tb fault dead off"
	tb fault dead on
	await_dpu host 10 '.dev_state == "gone"'
	began=$SECONDS
	host_sh 'kill -USR1 $(cat /run/bg-walk)'
	wait_for 20 said walk 'stop: E(NODEV|NXIO|IO|TIMEDOUT) running-p2p'
	expect_range "seconds" $((SECONDS - began)) 0 "$(secs 15)"
	no_stuck_tasks host
	tb fault dead off
	await_dpu host 30 '.dev_state == "ready"'
	host_sh 'kill -USR1 $(cat /run/bg-walk)'
	user_ends walk 0 'running: ESTALE error.*reset: ok running.*running: ok running'
	host_net_up
	wait_for 20 user 0 ping "$USER_IP" "$DPU_IP"
}

# vfio_virtio.sh has these cases too.
[ "${BASH_SOURCE[0]}" != "$0" ] || run_cases "$@"
