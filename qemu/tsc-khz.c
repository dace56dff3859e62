// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The frequency of this machine's TSC in kHz, on standard output.
 *
 * An emulated processor's TSC is the builder's.  A guest that measures it against
 * an emulated timer while the builder has other things to do gets it wrong, by a factor of
 * five at worst, and has that as its clock then; so the test bed tells it.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define TRIES		50
#define WINDOW_NS	30000000

struct moment {
	uint64_t tsc;
	int64_t ns;
};

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

/* Both clocks at one time: the try that was interrupted least. */
static struct moment moment(void)
{
	uint64_t least = UINT64_MAX;
	struct moment m = { 0 };

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = __rdtsc();
		int64_t ns = now();
		uint64_t took = __rdtsc() - before;

		if (took < least) {
			least = took;
			m = (struct moment){ before + took / 2, ns };
		}
	}
	return m;
}

int main(void)
{
	struct timespec window = { .tv_nsec = WINDOW_NS };
	struct moment a = moment(), b;

	nanosleep(&window, NULL);
	b = moment();
	printf("%.0f\n", (b.tsc - a.tsc) * 1e6 / (b.ns - a.ns));
	return 0;
}
