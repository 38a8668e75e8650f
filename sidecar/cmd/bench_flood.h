/* SPDX-License-Identifier: Apache-2.0 */
/* The benchmark's load: a process in a cgroup of its own that calls write(2) on /dev/null as fast as it can, and times it. */
#ifndef RINGSIDE_CMD_BENCH_FLOOD_H
#define RINGSIDE_CMD_BENCH_FLOOD_H

#include <stdint.h>
#include <sys/types.h>

#define FLOOD_PATH 256

struct flood_shared;

struct flood {
	char cgroup[FLOOD_PATH]; /* its directory */
	pid_t pid;
	struct flood_shared *shared;
};

/* Makes the cgroup in the v2 mount and starts the process in it, idle. 0 or -errno; ret_what names what failed. */
int flood_start(struct flood *flood, const char **ret_what);
/* Writes for so long. Returns the median cost of one call, ns. */
double flood_run(struct flood *flood, uint64_t duration_ns);
/* Ends the process and removes the cgroup. */
void flood_stop(struct flood *flood);

#endif
