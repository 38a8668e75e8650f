/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory this process may have. */
#ifndef RINGSIDE_KERNEL_MEMORY_LIMIT_H
#define RINGSIDE_KERNEL_MEMORY_LIMIT_H

#include <stdint.h>

/*
 * Bytes: the smallest limit of its cgroup and of those above, v2 or v1, as far as they show under /sys/fs/cgroup; where there is
 * none, the machine's memory.
 */
uint64_t memory_limit(void);

#endif
