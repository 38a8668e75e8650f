/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The arithmetic of per-CPU maps: a look-up fills possible (not online) CPUs x the value size rounded up to 8 bytes. One
 * buffer serves one map; not thread-safe. Errors are -errno of the bpf() call.
 */
#ifndef RINGSIDE_KERNEL_PERCPU_H
#define RINGSIDE_KERNEL_PERCPU_H

#include <stddef.h>
#include <stdint.h>

struct percpu {
	int map_fd;
	size_t cpus;	 /* possible ones */
	size_t stride;	 /* bytes from one CPU's value to the next */
	uint8_t *values; /* of the last look-up */
};

/* Possible CPUs of this machine; 1 where the kernel doesn't say. */
size_t percpu_cpus(void);

int percpu_init(struct percpu *percpu, int map_fd, size_t value_size);
void percpu_done(struct percpu *percpu);
/* Reads the values of one key. -ENOENT: there is no such key. */
int percpu_read(struct percpu *percpu, const void *key);
const void *percpu_value(const struct percpu *percpu, size_t cpu);
/* Sum over all CPUs of the u64 at `offset` of the values read. */
uint64_t percpu_sum(const struct percpu *percpu, size_t offset);

#endif
