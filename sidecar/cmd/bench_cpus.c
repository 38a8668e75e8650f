// SPDX-License-Identifier: Apache-2.0
#include "cmd/bench_cpus.h"

void bench_cpus_pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

size_t bench_cpus_usable(int ret_cpus[CPU_SETSIZE])
{
	cpu_set_t set;
	size_t count = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		return 0;
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &set))
			ret_cpus[count++] = (int)cpu;
	}
	return count;
}
