/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of cgroups, as BPF met them: looked up in its map once, then kept. When BPF's map is full it is emptied, so that
 * cgroups made later are named too. Returned texts are good until the next call.
 */
#ifndef RINGSIDE_KERNEL_CGROUP_CACHE_H
#define RINGSIDE_KERNEL_CGROUP_CACHE_H

#include <stddef.h>
#include <stdint.h>

struct cgroup_cache;

/* The maps cgroup_names, of `map_entries`, and cgroup_last (event.bpf.h), borrowed. NULL: no memory. */
struct cgroup_cache *cgroup_cache_new(int names_fd, int last_fd, size_t map_entries);
void cgroup_cache_free(struct cgroup_cache *cache);
void cgroup_cache_get(struct cgroup_cache *cache, uint64_t id, uint32_t hierarchy,
		      const char **ret_name, const char **ret_container);

#endif
