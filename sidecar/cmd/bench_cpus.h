/* SPDX-License-Identifier: Apache-2.0 */
/* The CPUs that this process may use, and threads that stay on one. */
#ifndef RINGSIDE_CMD_BENCH_CPUS_H
#define RINGSIDE_CMD_BENCH_CPUS_H

#include <sched.h>
#include <stddef.h>

/* In order. Returns how many. */
size_t bench_cpus_usable(int ret_cpus[CPU_SETSIZE]);
/* The calling thread runs there from now on. */
void bench_cpus_pin(int cpu);

#endif
