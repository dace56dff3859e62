// SPDX-License-Identifier: GPL-2.0
/*
 * Machine code that travels: "make" writes pages of it, "run" reads them from
 * standard input into fresh memory, runs every page and checks what it returns.
 *
 *	runcode make SEED PAGES ROUNDS
 *	runcode run SEED PAGES ROUNDS
 *
 * An emulator that translates code keeps translations; if bytes reach memory
 * behind its back, it runs what stood there before.  So each round's memory is
 * given back and taken anew, and each page of each round returns another number.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096

static uint32_t answer(uint32_t seed, uint32_t round, uint32_t page)
{
	return (seed * 2654435761u) ^ (round * 40503u) ^ (page * 97u + 1);
}

/* mov $answer, %eax; ret; and a filling that is no code. */
static void make_page(uint8_t *at, uint32_t value)
{
	memset(at, 0xcc, PAGE);
	at[0] = 0xb8;
	memcpy(at + 1, &value, sizeof(value));
	at[5] = 0xc3;
}

static int make(uint32_t seed, uint32_t pages, uint32_t rounds)
{
	uint8_t buf[PAGE];
	uint32_t r, p;

	for (r = 0; r < rounds; r++) {
		for (p = 0; p < pages; p++) {
			make_page(buf, answer(seed, r, p));
			if (fwrite(buf, sizeof(buf), 1, stdout) != 1)
				return 1;
		}
	}
	return fflush(stdout) ? 1 : 0;
}

static int read_all(uint8_t *to, size_t len)
{
	while (len) {
		ssize_t n = read(STDIN_FILENO, to, len);

		if (n <= 0)
			return -1;
		to += n;
		len -= n;
	}
	return 0;
}

static int run(uint32_t seed, uint32_t pages, uint32_t rounds)
{
	size_t size = (size_t)pages * PAGE;
	uint32_t r, p, wrong = 0;

	for (r = 0; r < rounds; r++) {
		uint8_t *code = mmap(NULL, size, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (code == MAP_FAILED || read_all(code, size)) {
			fprintf(stderr, "runcode: round %u: not all pages came\n", r);
			return 1;
		}
		if (mprotect(code, size, PROT_READ | PROT_EXEC)) {
			perror("mprotect");
			return 1;
		}
		for (p = 0; p < pages; p++) {
			uint32_t (*fn)(void) = (void *)(code + (size_t)p * PAGE);
			uint32_t got = fn();

			if (got != answer(seed, r, p)) {
				fprintf(stderr, "runcode: round %u page %u returned %08x, not %08x\n",
					r, p, got, answer(seed, r, p));
				wrong++;
			}
		}
		munmap(code, size);
	}
	printf("%u pages of code in %u rounds, %u wrong\n", pages, rounds, wrong);
	return wrong ? 1 : 0;
}

int main(int argc, char **argv)
{
	uint32_t seed, pages, rounds;

	if (argc == 5) {
		seed = strtoul(argv[2], NULL, 0);
		pages = strtoul(argv[3], NULL, 0);
		rounds = strtoul(argv[4], NULL, 0);
		if (pages && rounds && !strcmp(argv[1], "make"))
			return make(seed, pages, rounds);
		if (pages && rounds && !strcmp(argv[1], "run"))
			return run(seed, pages, rounds);
	}
	fprintf(stderr, "usage: runcode make|run SEED PAGES ROUNDS\n");
	return 2;
}
