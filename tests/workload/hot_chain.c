// SPDX-License-Identifier: Apache-2.0
/*
 * Burns CPU time where a test can tell: hot_outer -> hot_middle -> hot_leaf, with frame pointers, for so much CPU time of the thread.
 *
 *   hot_chain SECONDS [--kernel] [--depth N] [--cpu N]
 *
 * --kernel: the leaf reads from /dev/zero, so that the time is spent in the kernel. --depth: so many hot_deeper above the leaf.
 * Report: {"pid","cpu_ns"}.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "workload.h"

/* Each function has its frame, from its first instruction on but two. */
#pragma GCC optimize("no-omit-frame-pointer", "no-optimize-sibling-calls", "no-shrink-wrap")

#define HOT  __attribute__((noinline, noipa))
#define ZERO (1 << 20)

static volatile uint64_t burnt;
static int zero_fd = -1;
static char zeros[ZERO];

static uint64_t cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

HOT void hot_leaf(void)
{
	if (zero_fd >= 0) {
		if (read(zero_fd, zeros, ZERO) != ZERO)
			die("read /dev/zero");
		return;
	}
	for (int i = 0; i < 1000000; i++)
		burnt += (uint64_t)i;
}

HOT void hot_deeper(int depth)
{
	if (depth)
		hot_deeper(depth - 1);
	else
		hot_leaf();
	burnt++;
}

HOT void hot_middle(int depth)
{
	if (depth)
		hot_deeper(depth);
	else
		hot_leaf();
	burnt++;
}

HOT void hot_outer(uint64_t until_ns, int depth)
{
	while (cpu_ns() < until_ns)
		hot_middle(depth);
}

int main(int argc, char **argv)
{
	const double seconds = argc > 1 ? atof(argv[1]) : 1;
	int depth = 0;

	for (int i = 2; i < argc; i++) {
		if (!strcmp(argv[i], "--kernel"))
			zero_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
		else if (!strcmp(argv[i], "--depth") && i + 1 < argc)
			depth = atoi(argv[++i]);
		else if (!strcmp(argv[i], "--cpu") && i + 1 < argc)
			cpu_pin(atoi(argv[++i]));
	}
	gate_wait();
	hot_outer(cpu_ns() + (uint64_t)(seconds * 1e9), depth);
	report("{\"pid\":%d,\"cpu_ns\":%llu}", getpid(), (unsigned long long)cpu_ns());
	report_send();
	return 0;
}
