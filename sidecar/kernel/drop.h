/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the calling thread keeps of its capabilities (they are per thread, capabilities(7)). For good: no_new_privs is set, so
 * that no exec brings one back.
 */
#ifndef RINGSIDE_KERNEL_DROP_H
#define RINGSIDE_KERNEL_DROP_H

#include <stdint.h>

#define PRIVILEGE(capability) (1ull << (capability))

/* Keeps those of `keep` that the thread has; 0 drops all. 0 or -errno. */
int drop_all_but(uint64_t keep);

#endif
