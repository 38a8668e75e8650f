// SPDX-License-Identifier: Apache-2.0
#include "kernel/percpu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

size_t percpu_cpus(void)
{
	const int cpus = libbpf_num_possible_cpus();

	return cpus > 0 ? (size_t)cpus : 1;
}

int percpu_init(struct percpu *percpu, int map_fd, size_t value_size)
{
	percpu->map_fd = map_fd;
	percpu->cpus = percpu_cpus();
	percpu->stride = (value_size + 7) & ~(size_t)7;
	percpu->values = calloc(percpu->cpus, percpu->stride);
	return percpu->values ? 0 : -ENOMEM;
}

void percpu_done(struct percpu *percpu)
{
	free(percpu->values);
	percpu->values = NULL;
}

int percpu_read(struct percpu *percpu, const void *key)
{
	return bpf_map_lookup_elem(percpu->map_fd, key, percpu->values);
}

const void *percpu_value(const struct percpu *percpu, size_t cpu)
{
	return percpu->values + cpu * percpu->stride;
}

uint64_t percpu_sum(const struct percpu *percpu, size_t offset)
{
	uint64_t sum = 0;

	for (size_t cpu = 0; cpu < percpu->cpus; cpu++) {
		uint64_t value;

		memcpy(&value, percpu->values + cpu * percpu->stride + offset, sizeof(value));
		sum += value;
	}
	return sum;
}
