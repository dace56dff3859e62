// SPDX-License-Identifier: GPL-2.0
/*
 * What a hostile process can do with a function that it was given, many times:
 *
 *	vfiostorm [-c] [-n CALLS] [-s SEED] [-b] PCI-ADDRESS
 *
 * ioctls with arguments that are right, nearly right and random, on the function, its
 * group and container (-c: its character device and iommufd) and on the data files of a
 * migration; reads and writes anywhere in its regions, registers and configuration too;
 * mappings, and accesses through them; files closed, opened again and left to a child.
 * Most calls fail, and may.  What must not happen: a call that hangs, memory of ours
 * changed that no call has to change, a function that cannot be opened again.
 *
 * -b: be wrong about the memory at the end, so that the check is seen to work.
 *
 * Prints how many calls succeeded and failed of each kind.  Status 1: one of the above.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/iommufd.h>
#include <linux/vfio.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vfio.h"

#define N(a)		(sizeof(a) / sizeof((a)[0]))
#define ARG		4096		/* bytes of an argument; a canary follows */
#define CANARY		0x7e
#define MEM		(1 << 20)	/* what may be mapped for the function */
#define FILES		6		/* data files of a migration that are open */
#define MAPS		8
#define HANGS		20		/* seconds; no call takes that long */
#define REGION(i)	((uint64_t)(i) << 40)	/* where vfio-pci has its regions */

static struct vfio v;
static const char *bdf;
static bool cdev;
static uint64_t rng = 1;
static uint8_t *arg, *mem, *bits;
static int files[FILES] = { -1, -1, -1, -1, -1, -1 };
static struct {
	uint8_t *at;
	size_t len;
} maps[MAPS];
static int event;
static sigjmp_buf fault;

static uint32_t rnd(uint32_t below)
{
	rng = rng * 6364136223846793005ull + 1442695040888963407ull;
	return below ? (rng >> 33) % below : 0;
}

static uint64_t rnd64(void)
{
	uint64_t high = rnd(1U << 31);

	return high << 33 ^ rnd(1U << 31) << 2 ^ rnd(4);
}

/* Numbers near which mistakes are made. */
static uint64_t odd(void)
{
	static const uint64_t edges[] = {
		0, 1, 2, 3, 4, 8, 0xfff, 0x1000, 0x1001, 0x7fffffff, 0x80000000, 0xffffffff,
		0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff,
		0xfffffffffffff000,
	};

	return rnd(3) ? edges[rnd(N(edges))] : rnd64();
}

static void fill(size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		arg[i] = rnd(3) ? 0 : rnd(256);
}

/* ---- the calls ------------------------------------------------------------ */

/* A size that an argument may claim; the kernel copies no more than is there. */
static uint32_t claim(uint32_t right)
{
	switch (rnd(8)) {
	case 0:
		return rnd(right + 1);
	case 1:
		return ARG;
	default:
		return right;
	}
}

static int device_ioctl(void)
{
	static const struct {
		unsigned long nr;
		uint32_t size;
	} calls[] = {
		{ VFIO_DEVICE_GET_INFO, sizeof(struct vfio_device_info) },
		{ VFIO_DEVICE_GET_REGION_INFO, sizeof(struct vfio_region_info) },
		{ VFIO_DEVICE_GET_IRQ_INFO, sizeof(struct vfio_irq_info) },
		{ VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, sizeof(struct vfio_pci_hot_reset_info) },
		{ VFIO_DEVICE_PCI_HOT_RESET, sizeof(struct vfio_pci_hot_reset) },
		{ VFIO_DEVICE_IOEVENTFD, sizeof(struct vfio_device_ioeventfd) },
		{ VFIO_DEVICE_QUERY_GFX_PLANE, 64 },
		{ VFIO_DEVICE_ATTACH_IOMMUFD_PT, sizeof(struct vfio_device_attach_iommufd_pt) },
		{ VFIO_DEVICE_DETACH_IOMMUFD_PT, sizeof(struct vfio_device_detach_iommufd_pt) },
		{ VFIO_DEVICE_BIND_IOMMUFD, sizeof(struct vfio_device_bind_iommufd) },
	};
	unsigned int i = rnd(N(calls) + 1);
	uint32_t *word = (uint32_t *)arg;

	fill(128);
	if (i == N(calls))
		return ioctl(v.device, _IO(VFIO_TYPE, VFIO_BASE + rnd(40)), arg);
	word[0] = claim(calls[i].size);
	if (rnd(2)) {
		word[1] = 0;
		word[2] = rnd(16);
		word[3] = rnd(4);
	}
	return ioctl(v.device, calls[i].nr, arg);
}

static int irq_ioctl(void)
{
	struct vfio_irq_set *set = (void *)arg;
	uint32_t count = rnd(4) ? rnd(4) : rnd(20), i;

	fill(256);
	set->flags = (1 << rnd(3)) | (rnd(4) ? VFIO_IRQ_SET_ACTION_TRIGGER : 1 << (3 + rnd(3)));
	if (!rnd(8))
		set->flags = rnd(256);
	set->index = rnd(8) ? rnd(VFIO_PCI_NUM_IRQS) : (uint32_t)odd();
	set->start = rnd(4) ? 0 : rnd(4) ? rnd(4) : (uint32_t)odd();
	set->count = rnd(8) ? count : (uint32_t)odd();
	for (i = 0; i < count; i++)
		((int *)set->data)[i] = rnd(8) ? event : (int)rnd(300) - 1;
	set->argsz = claim(sizeof(*set) + count * sizeof(int));
	return ioctl(v.device, VFIO_DEVICE_SET_IRQS, set);
}

static void keep_file(int fd)
{
	unsigned int i = rnd(FILES);

	if (files[i] >= 0)
		close(files[i]);
	files[i] = fd;
}

static int state_ioctl(void)
{
	uint32_t state = rnd(10) ? rnd(8) : (uint32_t)odd();
	int fd = -1, err = vfio_mig_set(&v, state, &fd);

	if (fd >= 0)
		keep_file(fd);
	return err;
}

static int feature_ioctl(void)
{
	struct vfio_device_feature *f = (void *)arg;
	uint64_t *word = (uint64_t *)f->data;
	static const uint32_t ops[] = {
		VFIO_DEVICE_FEATURE_GET, VFIO_DEVICE_FEATURE_SET, VFIO_DEVICE_FEATURE_PROBE,
		VFIO_DEVICE_FEATURE_PROBE | VFIO_DEVICE_FEATURE_GET,
	};
	struct vfio_device_feature_dma_logging_range *range = (void *)(arg + 512);
	uint32_t feature = rnd(14), i;
	int ret;

	fill(128);
	f->argsz = claim(sizeof(*f) + (uint32_t[]){ 0, 8, 16, 32, 40 }[rnd(5)]);
	f->flags = (rnd(8) ? ops[rnd(N(ops))] : (uint32_t)odd()) | feature;
	if (feature == VFIO_DEVICE_FEATURE_DMA_LOGGING_START) {
		for (i = 0; i < 4; i++) {
			range[i].iova = rnd(2) ? i * (MEM / 4) : odd();
			range[i].length = rnd(2) ? MEM / 4 : odd();
		}
		word[0] = rnd(2) ? 4096 : odd();
		word[1] = rnd(4) ? rnd(5) : (uint32_t)odd();
		word[2] = rnd(8) ? (uintptr_t)range : odd();
	} else if (feature == VFIO_DEVICE_FEATURE_DMA_LOGGING_REPORT) {
		word[0] = rnd(2) ? 0 : odd();
		word[1] = rnd(2) ? MEM : odd();
		word[2] = rnd(2) ? 4096 : odd();
		word[3] = rnd(8) ? (uintptr_t)bits : odd();
	} else if (rnd(2)) {
		/* No file of ours is named by chance. */
		memset(f->data, rnd(2) ? 0 : 0xff, 64);
		((uint32_t *)f->data)[0] = rnd(8);
	}
	/* A low power state is left by the next access; that is a wait by design. */
	if (feature == VFIO_DEVICE_FEATURE_LOW_POWER_ENTRY_WITH_WAKEUP)
		f->flags = VFIO_DEVICE_FEATURE_PROBE | feature;
	ret = ioctl(v.device, VFIO_DEVICE_FEATURE, f);
	/* Such a change of state has made a file, too. */
	if (!ret && f->flags == (VFIO_DEVICE_FEATURE_SET | VFIO_DEVICE_FEATURE_MIG_DEVICE_STATE) &&
	    ((int *)f->data)[1] > event)
		keep_file(((int *)f->data)[1]);
	return ret;
}

static int reset_ioctl(void)
{
	return ioctl(v.device, VFIO_DEVICE_RESET);
}

static uint64_t place(void)
{
	uint64_t at = REGION(rnd(10)) + (rnd(3) ? rnd(8192) : odd());

	return rnd(4) ? at & ~3ull : at;
}

static int read_region(void)
{
	return pread(v.device, arg, rnd(8) ? 1U << rnd(5) : rnd(ARG), (off_t)place());
}

static int write_region(void)
{
	fill(64);
	return pwrite(v.device, arg, rnd(8) ? 1U << rnd(4) : rnd(64), (off_t)place());
}

/* Commands to the function itself; it then does what it likes within its memory. */
static int write_registers(void)
{
	uint32_t val = rnd(2) ? (uint32_t)odd() : rnd(MEM);
	uint64_t at = REGION(rnd(2) ? VFIO_PCI_BAR0_REGION_INDEX : VFIO_PCI_BAR2_REGION_INDEX);

	if (!rnd(4)) {
		/* Memory and bus master on. */
		val = 6;
		at = REGION(VFIO_PCI_CONFIG_REGION_INDEX) + 4;
		return pwrite(v.device, &val, 2, (off_t)at);
	}
	return pwrite(v.device, &val, 4, (off_t)(at + rnd(256) * 4));
}

static int map_region(void)
{
	unsigned int i = rnd(MAPS);
	size_t len = rnd(4) ? 4096ul << rnd(4) : odd() & 0xffffff;
	uint8_t *at;

	if (maps[i].at)
		munmap(maps[i].at, maps[i].len);
	maps[i].at = NULL;
	at = mmap(NULL, len, rnd(4) ? PROT_READ | PROT_WRITE : PROT_READ,
		  rnd(8) ? MAP_SHARED : MAP_PRIVATE, v.device,
		  (off_t)(REGION(rnd(4) ? rnd(2) * 2 : rnd(8)) + (rnd(4) ? 0 : odd() & ~4095ull)));
	if (at == MAP_FAILED)
		return -1;
	maps[i].at = at;
	maps[i].len = len;
	return 0;
}

static void on_fault(int sig)
{
	siglongjmp(fault, sig);
}

/* Through a mapping, whatever has become of the region under it. */
static int touch_region(void)
{
	const unsigned int i = rnd(MAPS);
	volatile uint32_t *volatile at;

	if (!maps[i].at || maps[i].len < 4)
		return -1;
	at = (volatile uint32_t *)(maps[i].at + (rnd((uint32_t)maps[i].len) & ~3u));
	if (sigsetjmp(fault, 1))
		return -1;
	if (rnd(2))
		(void)*at;
	else
		*at = (uint32_t)odd();
	return 0;
}

static int file_call(void)
{
	struct vfio_precopy_info info = { .argsz = claim(sizeof(info)) };
	unsigned int i = rnd(FILES);
	struct pollfd p = { .fd = files[i], .events = POLLIN | POLLOUT };
	int fd;

	if (files[i] < 0)
		return -1;
	switch (rnd(8)) {
	case 0:
	case 1:
		return read(files[i], arg, rnd(8) ? rnd(ARG) : 1);
	case 2:
	case 3:
		fill(ARG);
		return write(files[i], arg, rnd(8) ? rnd(ARG) : 1);
	case 4:
		return ioctl(files[i], rnd(4) ? VFIO_MIG_GET_PRECOPY_INFO : _IO(VFIO_TYPE, VFIO_BASE + rnd(30)), &info);
	case 5:
		return poll(&p, 1, 0);
	case 6:
		return lseek(files[i], (off_t)odd(), rnd(4));
	default:
		fd = rnd(2) ? dup(files[i]) : -1;
		close(files[i]);
		files[i] = fd;
		return 0;
	}
}

static int map_memory(void)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = claim(sizeof(map)),
		.flags = rnd(8) ? 3 : (uint32_t)odd(),
		.vaddr = rnd(8) ? (uintptr_t)mem + rnd(MEM / 4096) * 4096 : odd(),
		.iova = rnd(4) ? rnd(MEM / 4096) * 4096 : odd(),
		.size = rnd(4) ? 4096u << rnd(9) : odd(),
	};
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = claim(sizeof(unmap)),
		.flags = rnd(8) ? 0 : rnd(8),
		.iova = map.iova,
		.size = map.size,
	};

	/* Nothing but memory that is there for it may be mapped: no page of ours changes. */
	if (map.vaddr < (uintptr_t)mem || map.vaddr >= (uintptr_t)mem + MEM ||
	    map.size > (uintptr_t)mem + MEM - map.vaddr)
		map.vaddr = 1;
	if (cdev)
		return rnd(2) ? vfio_map(&v, mem, 0, MEM) : vfio_unmap(&v, map.iova, map.size);
	return rnd(2) ? ioctl(v.iommu, VFIO_IOMMU_MAP_DMA, &map) :
			ioctl(v.iommu, VFIO_IOMMU_UNMAP_DMA, &unmap);
}

static int group_ioctl(void)
{
	int fd = rnd(2) && v.group >= 0 ? v.group : v.iommu;

	fill(64);
	*(uint32_t *)arg = claim(16);
	/* What takes the group from its container makes the rest dull. */
	return ioctl(fd, rnd(4) ? (unsigned long)VFIO_GROUP_GET_STATUS : _IO(VFIO_TYPE, VFIO_BASE + rnd(5)), arg);
}

static void forget(void)
{
	unsigned int i;

	for (i = 0; i < FILES; i++) {
		if (files[i] >= 0)
			close(files[i]);
		files[i] = -1;
	}
	for (i = 0; i < MAPS; i++) {
		if (maps[i].at)
			munmap(maps[i].at, maps[i].len);
		maps[i].at = NULL;
	}
}

/* Some data files and mappings may outlive the function they are of. */
static void open_again(void)
{
	if (rnd(2))
		forget();
	vfio_close(&v);
	if (rnd(4))
		forget();
	/* With a mapping or a data file left it may not be had yet. */
	if (!vfio_open(&v, bdf, cdev))
		return;
	forget();
	if (vfio_open(&v, bdf, cdev))
		errx(1, "the function cannot be opened again");
}

static int reopen(void)
{
	open_again();
	return 0;
}

/* A child has all files, uses one, and is gone. */
static int child(void)
{
	pid_t pid = fork();

	if (!pid) {
		feature_ioctl();
		state_ioctl();
		file_call();
		_exit(0);
	}
	return pid < 0 ? -1 : waitpid(pid, NULL, 0) < 0;
}

static struct {
	const char *name;
	int (*call)(void);
	unsigned int often;
	unsigned long done, failed;
} kinds[] = {
	{ "device", device_ioctl, 100, 0, 0 },
	{ "irq", irq_ioctl, 60, 0, 0 },
	{ "state", state_ioctl, 150, 0, 0 },
	{ "feature", feature_ioctl, 150, 0, 0 },
	{ "reset", reset_ioctl, 8, 0, 0 },
	{ "read", read_region, 100, 0, 0 },
	{ "write", write_region, 80, 0, 0 },
	{ "registers", write_registers, 80, 0, 0 },
	{ "mmap", map_region, 30, 0, 0 },
	{ "touch", touch_region, 80, 0, 0 },
	{ "file", file_call, 200, 0, 0 },
	{ "memory", map_memory, 40, 0, 0 },
	{ "group", group_ioctl, 30, 0, 0 },
	{ "reopen", reopen, 4, 0, 0 },
	{ "child", child, 2, 0, 0 },
};

static unsigned int pick(void)
{
	static unsigned int sum;
	unsigned int i, at;

	if (!sum)
		for (i = 0; i < N(kinds); i++)
			sum += kinds[i].often;
	for (at = rnd(sum), i = 0; at >= kinds[i].often; i++)
		at -= kinds[i].often;
	return i;
}

static uint64_t seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec;
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_fault };
	unsigned long n = 1000, i, seed = 1, hung = 0, j;
	bool wrong = false;
	unsigned int kind;
	uint64_t began;
	int opt;

	while ((opt = getopt(argc, argv, "cn:s:b")) != -1) {
		switch (opt) {
		case 'c':
			cdev = true;
			break;
		case 'n':
			n = strtoul(optarg, NULL, 0);
			break;
		case 's':
			seed = strtoul(optarg, NULL, 0);
			break;
		case 'b':
			wrong = true;
			break;
		default:
			return 2;
		}
	}
	if (optind + 1 != argc)
		errx(2, "usage: vfiostorm [-c] [-n CALLS] [-s SEED] [-b] PCI-ADDRESS");
	bdf = argv[optind];
	rng = seed * 2862933555777941757ull + 3037000493ull;

	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	/* The function may write to mem and to nothing else. */
	mem = mmap(NULL, MEM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	arg = mmap(NULL, 2 * ARG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	/* A log may claim to be longer than what is there: it ends in a hole. */
	bits = mmap(NULL, 3 * ARG, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (mem == MAP_FAILED || arg == MAP_FAILED || bits == MAP_FAILED || event < 0)
		err(2, "memory");
	bits += ARG;
	if (mprotect(bits, ARG, PROT_READ | PROT_WRITE))
		err(2, "memory");
	memset(arg + ARG, CANARY, ARG);
	if (vfio_open(&v, bdf, cdev))
		return 2;
	/* The library says what fails; here that is most of it. */
	if (!freopen("/dev/null", "w", stderr))
		return 2;

	for (i = 0; i < n; i++) {
		kind = pick();
		began = seconds();
		if (kinds[kind].call() < 0)
			kinds[kind].failed++;
		else
			kinds[kind].done++;
		if (seconds() - began >= HANGS) {
			printf("call %lu (%s) took %lu s\n", i, kinds[kind].name,
			       (unsigned long)(seconds() - began));
			hung++;
		}
	}
	forget();
	vfio_close(&v);
	if (wrong)
		arg[ARG + rnd(ARG)] ^= 1;
	for (j = 0; j < ARG && arg[ARG + j] == CANARY; j++)
		;
	printf("seed %lu calls %lu:", seed, n);
	for (kind = 0; kind < N(kinds); kind++)
		printf(" %s %lu/%lu", kinds[kind].name, kinds[kind].done,
		       kinds[kind].done + kinds[kind].failed);
	printf("\n");
	if (j < ARG)
		printf("memory behind an argument was changed, byte %lu\n", j);
	return hung || j < ARG;
}
