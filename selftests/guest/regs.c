// SPDX-License-Identifier: GPL-2.0
/*
 * Read and write a card's registers past any driver, as root can:
 *
 *	regs DEVICE BAR OFFSET [COUNT]		print 32-bit words, hexadecimal
 *	regs DEVICE BAR OFFSET=VALUE		write one
 *
 * DEVICE is a PCI address (0000:01:00.0).  The kernel refuses this while a
 * driver has the device, so it is for a card that has none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	volatile uint32_t *bar;
	unsigned long off, count = 1, i;
	char path[128], *value;
	struct stat st;
	int fd;

	if (argc != 4 && argc != 5) {
		fprintf(stderr, "usage: regs DEVICE BAR OFFSET [COUNT] | OFFSET=VALUE\n");
		return 2;
	}
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%s",
		 argv[1], argv[2]);
	off = strtoul(argv[3], &value, 0);
	if (argc == 5)
		count = strtoul(argv[4], NULL, 0);

	fd = open(path, O_RDWR | O_SYNC);
	if (fd < 0 || fstat(fd, &st)) {
		fprintf(stderr, "regs: %s: %s\n", path, strerror(errno));
		return 1;
	}
	if (off % 4 || off + 4 * count > (unsigned long)st.st_size) {
		fprintf(stderr, "regs: 0x%lx is not in the BAR\n", off);
		return 1;
	}
	bar = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (bar == MAP_FAILED) {
		fprintf(stderr, "regs: %s: %s\n", path, strerror(errno));
		return 1;
	}
	if (*value == '=') {
		bar[off / 4] = strtoul(value + 1, NULL, 0);
		return 0;
	}
	for (i = 0; i < count; i++)
		printf("%08x\n", bar[off / 4 + i]);
	return 0;
}
