// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <time.h>

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t clock_boottime_ns(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

uint64_t clock_realtime_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

uint64_t clock_monotonic_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_offset_ns(void)
{
	uint64_t narrowest = UINT64_MAX;
	int64_t offset = 0;

	/* We may be preempted between two reads: of a few tries the narrowest is right. */
	for (int i = 0; i < 3; i++) {
		uint64_t before = clock_boottime_ns();
		uint64_t real = clock_realtime_ns();
		uint64_t width = clock_boottime_ns() - before;

		if (width < narrowest) {
			narrowest = width;
			offset = (int64_t)(real - before - width / 2);
		}
	}
	return offset;
}
