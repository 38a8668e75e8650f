// SPDX-License-Identifier: Apache-2.0
#include "kernel/cgroup_cache.h"

#include <linux/types.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>

#include "event.h"
#include "kernel/percpu.h"

#define CACHE_SLOTS  256 /* a cgroup has one slot it can be in; a newer one takes it over */
#define CONTAINER_ID 64

struct cached {
	struct cgroup_key key;
	char name[CGROUP_NAME];
	char container[CONTAINER_ID + 1];
};

struct cgroup_cache {
	int names_fd, last_fd;
	size_t map_entries;
	struct cached slots[CACHE_SLOTS];
};

struct cgroup_cache *cgroup_cache_new(int names_fd, int last_fd, size_t map_entries)
{
	struct cgroup_cache *cache = calloc(1, sizeof(*cache));

	if (!cache)
		return NULL;
	cache->names_fd = names_fd;
	cache->last_fd = last_fd;
	cache->map_entries = map_entries;
	return cache;
}

void cgroup_cache_free(struct cgroup_cache *cache)
{
	free(cache);
}

/* 64 hex digits at the end of a name, but for ".scope", or all of it: what every engine's cgroup names share. */
static const char *container_id(const char *name)
{
	size_t length = strlen(name);

	if (length > 6 && !strcmp(name + length - 6, ".scope"))
		length -= 6;
	if (length < CONTAINER_ID ||
	    (length > CONTAINER_ID && name[length - CONTAINER_ID - 1] != '-'))
		return NULL;
	name += length - CONTAINER_ID;
	return strspn(name, "0123456789abcdef") >= CONTAINER_ID ? name : NULL;
}

/* BPF had no room for a name: once its map is full, all go, and the records to come bring those still in use. */
static void empty_full_map(const struct cgroup_cache *cache)
{
	struct cgroup_key key, *previous = NULL, *none;
	size_t count = 0;
	uint32_t zero = 0;

	for (; count < cache->map_entries && !bpf_map_get_next_key(cache->names_fd, previous, &key);
	     count++)
		previous = &key;
	if (count < cache->map_entries)
		return;
	for (size_t i = 0;
	     i < cache->map_entries && !bpf_map_get_next_key(cache->names_fd, NULL, &key); i++)
		bpf_map_delete_elem(cache->names_fd, &key);
	/* What each CPU knows to be there is not there any more. */
	none = calloc(percpu_cpus(), sizeof(*none));
	if (none)
		bpf_map_update_elem(cache->last_fd, &zero, none, BPF_ANY);
	free(none);
}

void cgroup_cache_get(struct cgroup_cache *cache, uint64_t id, uint32_t hierarchy,
		      const char **ret_name, const char **ret_container)
{
	const struct cgroup_key key = {.id = id, .hierarchy = hierarchy};
	struct cached *cached = &cache->slots[(id ^ id >> 8 ^ hierarchy) % CACHE_SLOTS];
	struct cgroup_name names;

	*ret_name = *ret_container = "";
	if (memcmp(&cached->key, &key, sizeof(key)) || !cached->name[0]) {
		if (bpf_map_lookup_elem(cache->names_fd, &key, &names)) {
			empty_full_map(cache);
			return;
		}
		memset(cached, 0, sizeof(*cached));
		cached->key = key;
		memcpy(cached->name, names.name[0], CGROUP_NAME - 1);
		for (size_t i = 0; i < CGROUP_DEPTH && !cached->container[0]; i++) {
			names.name[i][CGROUP_NAME - 1] = 0;
			if (container_id(names.name[i]))
				memcpy(cached->container, container_id(names.name[i]),
				       CONTAINER_ID);
		}
	}
	*ret_name = cached->name;
	*ret_container = cached->container;
}
