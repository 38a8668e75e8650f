// SPDX-License-Identifier: Apache-2.0
#include "kernel/events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "kernel/percpu.h"
#include "kernel/cgroup_cache.h"
#include "kernel/self.h"

#define SCRATCH_SIZE  16384
#define SCRATCH_SLOTS 16
#define PREFETCH      512
#define CGROUP_NAMES  1024

/* The shared maps, by the names that the BPF side gives them (bpf/lib/event.bpf.h). */
enum shared_map {
	MAP_LIFECYCLE,
	MAP_SAMPLES,
	MAP_ACCOUNTS,
	MAP_WAKEUPS,
	MAP_NAMES,
	MAP_LAST,
	MAP_SCRATCHES,
	MAP_FREE,
	MAPS
};

struct drain {
	struct events *events;
	uint32_t ring;
};

struct events {
	struct events_config config;
	struct scope_entry scopes[SCOPE_MAX];
	struct self_process self;
	int map[MAPS];
	struct ring_buffer *buffers[RINGS];
	struct ring *rings[RINGS];
	struct drain drains[RINGS];
	struct event_wakeup *wakeups; /* shared with BPF */
	size_t wakeups_size;
	struct percpu accounts;
	uint64_t taken[PROBES];
	struct cgroup_cache *cgroups;
};

struct map_spec {
	const char *name;
	enum bpf_map_type type;
	uint32_t key_size, value_size, max_entries, flags;
};

static void map_specs(const struct events_config *config, struct map_spec spec[MAPS])
{
	const struct map_spec all[MAPS] = {
		[MAP_LIFECYCLE] = {"ring_lifecycle", BPF_MAP_TYPE_RINGBUF, 0, 0,
				   (uint32_t)config->ring_bytes[RING_LIFECYCLE], 0},
		[MAP_SAMPLES] = {"ring_samples", BPF_MAP_TYPE_RINGBUF, 0, 0,
				 (uint32_t)config->ring_bytes[RING_SAMPLES], 0},
		[MAP_ACCOUNTS] = {"accounts", BPF_MAP_TYPE_PERCPU_ARRAY, 4,
				  sizeof(struct event_account), PROBES, 0},
		[MAP_WAKEUPS] = {"wakeups", BPF_MAP_TYPE_ARRAY, 4, sizeof(struct event_wakeup),
				 RINGS, BPF_F_MMAPABLE},
		[MAP_NAMES] = {"cgroup_names", BPF_MAP_TYPE_HASH, sizeof(struct cgroup_key),
			       sizeof(struct cgroup_name), CGROUP_NAMES, 0},
		[MAP_LAST] = {"cgroup_last", BPF_MAP_TYPE_PERCPU_ARRAY, 4,
			      sizeof(struct cgroup_key), 1, 0},
		[MAP_SCRATCHES] = {"scratches", BPF_MAP_TYPE_ARRAY, 4, SCRATCH_SIZE, SCRATCH_SLOTS,
				   0},
		[MAP_FREE] = {"scratch_free", BPF_MAP_TYPE_STACK, 0, 4, SCRATCH_SLOTS, 0},
	};

	memcpy(spec, all, sizeof(all));
}

static int take_record(void *context, void *data, size_t size)
{
	const struct drain *drain = context;
	const struct event_header *event = data;

	/* Records come from another CPU's cache: fetch those after the next while this one is taken. */
	__builtin_prefetch((const char *)data + PREFETCH);
	__builtin_prefetch((const char *)data + PREFETCH + 64);
	if (size < sizeof(*event) || event->length > size)
		return -EBADMSG;
	drain->events->config.take(drain->events->config.context, drain->ring, event);
	return 0;
}

static int make_maps(struct events *events, const char **ret_what)
{
	struct map_spec specs[MAPS];

	map_specs(&events->config, specs);
	for (size_t i = 0; i < MAPS; i++) {
		LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = specs[i].flags);

		*ret_what = specs[i].name;
		events->map[i] =
			bpf_map_create(specs[i].type, specs[i].name, specs[i].key_size,
				       specs[i].value_size, specs[i].max_entries, &options);
		if (events->map[i] < 0)
			return events->map[i];
	}
	for (uint32_t slot = 0; slot < SCRATCH_SLOTS; slot++) {
		int err = bpf_map_update_elem(events->map[MAP_FREE], NULL, &slot, BPF_ANY);

		if (err)
			return err;
	}
	return 0;
}

static int map_rings(struct events *events, const char **ret_what)
{
	const long page = sysconf(_SC_PAGESIZE);

	for (uint32_t i = 0; i < RINGS; i++) {
		events->drains[i] = (struct drain){.events = events, .ring = i};
		*ret_what = i == RING_LIFECYCLE ? "ring_lifecycle" : "ring_samples";
		events->buffers[i] = ring_buffer__new(events->map[MAP_LIFECYCLE + i], take_record,
						      &events->drains[i], NULL);
		if (!events->buffers[i])
			return -errno;
		events->rings[i] = ring_buffer__ring(events->buffers[i], 0);
	}
	*ret_what = "wakeups";
	events->wakeups_size = (sizeof(struct event_wakeup) * RINGS + (size_t)page - 1) /
			       (size_t)page * (size_t)page;
	events->wakeups = mmap(NULL, events->wakeups_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			       events->map[MAP_WAKEUPS], 0);
	if (events->wakeups == MAP_FAILED) {
		events->wakeups = NULL;
		return -errno;
	}
	for (uint32_t i = 0; i < RINGS; i++) {
		events->wakeups[i].threshold = events->config.ring_bytes[i] / 2;
		events->wakeups[i].asleep = WAKE_ANY;
	}
	return 0;
}

int events_new(const struct events_config *config, struct events **ret_events,
	       const char **ret_what)
{
	struct events *events = calloc(1, sizeof(*events));
	int err = -ENOMEM;

	*ret_what = "memory";
	if (!events)
		return -ENOMEM;
	memset(events->map, 0xff, sizeof(events->map));
	events->config = *config;
	memcpy(events->scopes, config->scopes, config->scope_count * sizeof(events->scopes[0]));
	*ret_what = "self-probe";
	err = self_read(&events->self);
	if (err)
		goto out;
	err = make_maps(events, ret_what);
	if (err)
		goto out;
	err = map_rings(events, ret_what);
	if (err)
		goto out;
	*ret_what = "accounts";
	err = percpu_init(&events->accounts, events->map[MAP_ACCOUNTS],
			  sizeof(struct event_account));
	if (err)
		goto out;
	events->cgroups =
		cgroup_cache_new(events->map[MAP_NAMES], events->map[MAP_LAST], CGROUP_NAMES);
	err = events->cgroups ? 0 : -ENOMEM;
out:
	if (err)
		events_free(events);
	else
		*ret_events = events;
	return err;
}

void events_free(struct events *events)
{
	if (!events)
		return;
	for (uint32_t i = 0; i < RINGS; i++)
		ring_buffer__free(events->buffers[i]);
	if (events->wakeups)
		munmap(events->wakeups, events->wakeups_size);
	percpu_done(&events->accounts);
	cgroup_cache_free(events->cgroups);
	for (size_t i = 0; i < MAPS; i++) {
		if (events->map[i] >= 0)
			close(events->map[i]);
	}
	free(events);
}

int object_set(struct bpf_object *object, const char *name, const void *value, size_t size)
{
	const struct btf *btf = bpf_object__btf(object);
	struct bpf_map *map = bpf_object__find_map_by_name(object, ".rodata");
	const struct btf_type *section;
	const struct btf_var_secinfo *variable;
	size_t available;
	uint8_t *data;
	int id;

	id = btf ? btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC) : -ENOENT;
	if (id < 0 || !map)
		return -ENOENT;
	data = bpf_map__initial_value(map, &available);
	section = btf__type_by_id(btf, (uint32_t)id);
	variable = btf_var_secinfos(section);
	for (size_t i = 0; i < btf_vlen(section); i++, variable++) {
		const struct btf_type *type = btf__type_by_id(btf, variable->type);

		if (strcmp(btf__name_by_offset(btf, type->name_off), name))
			continue;
		if (variable->size < size || variable->offset + size > available)
			return -ENOENT;
		memcpy(data + variable->offset, value, size);
		return 0;
	}
	return -ENOENT;
}

int events_lend(struct events *events, struct bpf_object *object)
{
	const uint32_t count = (uint32_t)events->config.scope_count;
	const uint32_t self = events->config.include_self ? 0 : events->self.tgid;
	const bool helper = self_has_ancestor_helper();
	struct map_spec specs[MAPS];
	int err = 0;

	map_specs(&events->config, specs);
	for (size_t i = 0; i < MAPS && !err; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, specs[i].name);

		if (map)
			err = bpf_map__reuse_fd(map, events->map[i]);
	}
	if (!err)
		err = object_set(object, "scopes", events->scopes, sizeof(events->scopes));
	if (!err)
		err = object_set(object, "scope_count", &count, sizeof(count));
	if (!err)
		err = object_set(object, "scope_helper", &helper, sizeof(helper));
	if (!err)
		err = object_set(object, "self_tgid", &self, sizeof(self));
	if (!err)
		err = object_set(object, "pidns_level", &events->self.pidns_level,
				 sizeof(events->self.pidns_level));
	if (!err)
		err = object_set(object, "pidns_inode", &events->self.pidns_inode,
				 sizeof(events->self.pidns_inode));
	return err;
}

size_t events_ring_bytes(const struct events *events, uint32_t ring)
{
	return events->config.ring_bytes[ring];
}

int events_fd(const struct events *events, uint32_t ring)
{
	return events->map[MAP_LIFECYCLE + ring];
}

size_t events_drain(struct events *events, uint32_t ring)
{
	int taken = ring__consume(events->rings[ring]);

	return taken > 0 ? (size_t)taken : 0;
}

void events_sleep(struct events *events, enum wake_on on)
{
	for (uint32_t i = 0; i < RINGS; i++)
		__atomic_store_n(&events->wakeups[i].asleep, on, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

bool events_pending(const struct events *events)
{
	for (uint32_t i = 0; i < RINGS; i++) {
		if (ring__avail_data_size(events->rings[i]))
			return true;
	}
	return false;
}

int events_account(struct events *events, uint32_t probe, struct probe_account *ret_account)
{
	int err = percpu_read(&events->accounts, &probe);

	if (err)
		return err;
	ret_account->produced =
		percpu_sum(&events->accounts, offsetof(struct event_account, produced));
	for (size_t i = 0; i < LOST_REASONS; i++)
		ret_account->lost[i] =
			percpu_sum(&events->accounts,
				   offsetof(struct event_account, lost) + i * sizeof(uint64_t));
	ret_account->taken = events->taken[probe];
	return 0;
}

void events_count_taken(struct events *events, uint32_t probe)
{
	events->taken[probe]++;
}

void events_name_cgroup(void *context, uint64_t id, uint32_t hierarchy, const char **ret_name,
			const char **ret_container)
{
	struct events *events = context;

	cgroup_cache_get(events->cgroups, id, hierarchy, ret_name, ret_container);
}

uint64_t events_missed(int program_fd)
{
	struct bpf_prog_info info = {};
	uint32_t size = sizeof(info);

	return bpf_prog_get_info_by_fd(program_fd, &info, &size) ? 0 : info.recursion_misses;
}

size_t events_memory(const struct events_config *config)
{
	const size_t cpus = percpu_cpus();
	struct map_spec specs[MAPS];
	size_t total = 0;

	map_specs(config, specs);
	for (size_t i = 0; i < MAPS; i++) {
		const size_t bytes =
			(size_t)specs[i].max_entries * (specs[i].key_size + specs[i].value_size);

		switch (specs[i].type) {
		case BPF_MAP_TYPE_RINGBUF:
			total += 2 * (size_t)specs[i].max_entries;
			break;
		case BPF_MAP_TYPE_PERCPU_ARRAY:
			total += cpus * bytes;
			break;
		default:
			total += bytes;
		}
	}
	return total;
}
