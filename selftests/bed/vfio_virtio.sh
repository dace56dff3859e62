#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# timeout: 500
# debug: none
#
# What vfio.sh has about the IOMMU and what goes through it, on a host that has a
# virtio-iommu: another driver of the kernel's, other groups, no remapping of interrupts.

. "$(dirname -- "$0")/vfio.sh"

OPI_BED=vfiov$$
VFIO_IOMMU=virtio

CASES="
	the_bed_comes_up
	the_iommu_is_virtios
	a_process_has_a_function
	packets_are_right_both_ways
	interrupts_come_by_eventfd
	a_process_resets_its_function
	a_function_is_opened_by_its_character_device
	memory_that_is_not_the_functions_is_not_touched
	a_function_that_is_stopped_disturbs_no_other
	the_physical_function_is_reset_under_an_open_function
	the_physical_functions_driver_goes_under_an_open_function
	traffic_by_the_migratable_functions_driver
	a_function_moves_and_its_queues_stay
	modules_unload
	both_kernels_are_content
"

the_iommu_is_virtios()
{
	functions_up
	expect_match "IOMMU" "$(host_sh 'readlink -f "$1/iommu/device"' "$(vf_dir 0)")" '/virtio[0-9]+$'
	# Each function is a group of its own.
	expect_eq "functions in its group" "$(host_sh 'ls "$1/iommu_group/devices" | wc -l' "$(vf_dir 0)")" 1
}

run_cases "$@"
