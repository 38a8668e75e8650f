// SPDX-License-Identifier: Apache-2.0
#include "kernel/event_maps.h"

#include <string.h>
#include <unistd.h>

#include "kernel/percpu.h"

#define PERF_LEAST 8 /* pages: a few of the largest records */

bool event_map_is_ringbuf(enum event_map map)
{
	return map == MAP_LIFECYCLE || map == MAP_SAMPLES;
}

bool event_map_is_perf(enum event_map map)
{
	return map == MAP_PERF_LIFECYCLE || map == MAP_PERF_SAMPLES;
}

void event_map_specs(const size_t ring_bytes[RINGS], struct map_spec ret_specs[EVENT_MAPS])
{
	const uint32_t cpus = (uint32_t)percpu_cpus();
	const struct map_spec all[EVENT_MAPS] = {
		[MAP_LIFECYCLE] = {"ring_lifecycle", BPF_MAP_TYPE_RINGBUF, 0, 0,
				   (uint32_t)ring_bytes[RING_LIFECYCLE], 0},
		[MAP_SAMPLES] = {"ring_samples", BPF_MAP_TYPE_RINGBUF, 0, 0,
				 (uint32_t)ring_bytes[RING_SAMPLES], 0},
		[MAP_PERF_LIFECYCLE] = {"perf_lifecycle", BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, cpus,
					0},
		[MAP_PERF_SAMPLES] = {"perf_samples", BPF_MAP_TYPE_PERF_EVENT_ARRAY, 4, 4, cpus, 0},
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
		/* As libbpf makes variables. */
		[MAP_SCOPE] = {".data.scope", BPF_MAP_TYPE_ARRAY, 4, SCOPE_MAX * sizeof(uint64_t),
			       1, BPF_F_MMAPABLE},
	};

	memcpy(ret_specs, all, sizeof(all));
}

int event_map_create(const struct map_spec *spec)
{
	LIBBPF_OPTS(bpf_map_create_opts, options, .map_flags = spec->flags);

	return bpf_map_create(spec->type, spec->name, spec->key_size, spec->value_size,
			      spec->max_entries, &options);
}

int event_map_fill_free(int map_fd)
{
	for (uint32_t slot = 0; slot < SCRATCH_SLOTS; slot++) {
		const int err = bpf_map_update_elem(map_fd, NULL, &slot, BPF_ANY);

		if (err)
			return err;
	}
	return 0;
}

size_t event_perf_bytes(size_t asked_pages, size_t ring_bytes)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t bytes = PERF_LEAST * page;

	if (asked_pages)
		return asked_pages * page;
	while (bytes * percpu_cpus() < ring_bytes)
		bytes *= 2;
	return bytes;
}

size_t event_maps_memory(const size_t ring_bytes[RINGS], bool perf)
{
	struct map_spec specs[EVENT_MAPS];
	size_t total = 0;

	event_map_specs(ring_bytes, specs);
	for (enum event_map i = 0; i < EVENT_MAPS; i++) {
		const size_t bytes =
			(size_t)specs[i].max_entries * (specs[i].key_size + specs[i].value_size);

		if (event_map_is_ringbuf(i))
			total += perf ? 0 : 2 * (size_t)specs[i].max_entries;
		else if (specs[i].type == BPF_MAP_TYPE_PERCPU_ARRAY)
			total += percpu_cpus() * bytes;
		else
			total += bytes;
	}
	return total;
}
