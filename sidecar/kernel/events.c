// SPDX-License-Identifier: Apache-2.0
#include "kernel/events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include "kernel/cgroup_cache.h"
#include "kernel/event_maps.h"
#include "kernel/percpu.h"
#include "kernel/perf_reader.h"
#include "kernel/self.h"
#include "kernel/transport.h"

struct events {
	struct events_config config;
	struct scope_entry scopes[SCOPE_MAX];
	struct self_process self;
	enum event_transport transport;
	int map[EVENT_MAPS]; /* -1: not for this transport */
	struct ringbuf_reader *ringbufs[RINGS];
	struct perf_reader *perfs[RINGS];
	struct event_wakeup *wakeups; /* shared with BPF */
	size_t wakeups_size;
	struct percpu accounts;
	uint64_t taken[PROBES];
	struct perf_unbuffered *unbuffered; /* of each CPU */
	struct cgroup_cache *cgroups;
};

/* The ring buffers are made first: where they are refused, `auto` goes on with perf buffers. */
static int make_map(struct events *events, const struct map_spec *spec, enum event_map i)
{
	const bool perf = transport_is_perf(events->transport);

	if ((perf && event_map_is_ringbuf(i)) || (!perf && event_map_is_perf(i)))
		return 0;
	events->map[i] = event_map_create(spec);
	if (events->map[i] >= 0)
		return 0;
	if (event_map_is_ringbuf(i) && events->transport == TRANSPORT_AUTO &&
	    events->map[i] != -EPERM) {
		events->transport = TRANSPORT_PERF_HEAP;
		return 0;
	}
	return events->map[i];
}

static int fill_scope(const struct events *events)
{
	uint64_t ids[SCOPE_MAX] = {0};
	const uint32_t first = 0;

	for (size_t i = 0; i < events->config.scope_count; i++)
		ids[i] = events->scopes[i].id;
	return bpf_map_update_elem(events->map[MAP_SCOPE], &first, ids, BPF_ANY);
}

static int make_maps(struct events *events, const char **ret_what)
{
	struct map_spec specs[EVENT_MAPS];
	int err;

	event_map_specs(events->config.ring_bytes, specs);
	for (enum event_map i = 0; i < EVENT_MAPS; i++) {
		*ret_what = specs[i].name;
		err = make_map(events, &specs[i], i);
		if (err)
			return err;
	}
	err = event_map_fill_free(events->map[MAP_FREE]);
	return err ? err : fill_scope(events);
}

static int map_wakeups(struct events *events)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);

	events->wakeups_size = (sizeof(struct event_wakeup) * RINGS + page - 1) / page * page;
	events->wakeups = mmap(NULL, events->wakeups_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			       events->map[MAP_WAKEUPS], 0);
	if (events->wakeups == MAP_FAILED) {
		events->wakeups = NULL;
		return -errno;
	}
	for (uint32_t i = 0; i < RINGS; i++) {
		events->wakeups[i].threshold = events->config.wakeup_bytes
						       ? events->config.wakeup_bytes
						       : events->config.ring_bytes[i] / 2;
		events->wakeups[i].asleep = WAKE_ANY;
	}
	return 0;
}

static int open_ring(struct events *events, uint32_t ring)
{
	const struct events_config *config = &events->config;
	const size_t bytes = event_perf_bytes(config->perf_pages, config->ring_bytes[ring]);
	const size_t wakeup = config->wakeup_bytes ? config->wakeup_bytes : bytes / 2;
	const struct perf_reader_config perf = {
		.map_fd = events->map[MAP_PERF_LIFECYCLE + ring],
		.ring = ring,
		.pages = bytes / (size_t)sysconf(_SC_PAGESIZE),
		.wakeup_bytes = (uint32_t)wakeup,
		.take = config->take,
		.context = config->context,
	};

	if (transport_is_perf(events->transport))
		return perf_reader_new(&perf, &events->perfs[ring]);
	return ringbuf_reader_new(events->map[MAP_LIFECYCLE + ring], ring, &events->wakeups[ring],
				  config->take, config->context, &events->ringbufs[ring]);
}

static int open_rings(struct events *events, const char **ret_what)
{
	int err;

	*ret_what = "wakeups";
	err = map_wakeups(events);
	for (uint32_t i = 0; i < RINGS && !err; i++) {
		*ret_what = i == RING_LIFECYCLE ? "ring_lifecycle" : "ring_samples";
		err = open_ring(events, i);
	}
	return err;
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
	events->transport = config->transport;
	memcpy(events->scopes, config->scopes, config->scope_count * sizeof(events->scopes[0]));
	*ret_what = "self-probe";
	err = self_read(config->btf, &events->self);
	if (err)
		goto out;
	err = make_maps(events, ret_what);
	if (err)
		goto out;
	err = open_rings(events, ret_what);
	if (err)
		goto out;
	*ret_what = "accounts";
	err = percpu_init(&events->accounts, events->map[MAP_ACCOUNTS],
			  sizeof(struct event_account));
	if (err)
		goto out;
	events->cgroups =
		cgroup_cache_new(events->map[MAP_NAMES], events->map[MAP_LAST], CGROUP_NAMES);
	events->unbuffered = calloc(events->accounts.cpus, sizeof(*events->unbuffered));
	err = events->cgroups && events->unbuffered ? 0 : -ENOMEM;
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
	for (uint32_t i = 0; i < RINGS; i++) {
		ringbuf_reader_free(events->ringbufs[i]);
		perf_reader_free(events->perfs[i]);
	}
	free(events->unbuffered);
	if (events->wakeups)
		munmap(events->wakeups, events->wakeups_size);
	percpu_done(&events->accounts);
	cgroup_cache_free(events->cgroups);
	for (size_t i = 0; i < EVENT_MAPS; i++) {
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
	const uint32_t transport = events->transport;
	const bool helper = self_has_ancestor_helper();
	struct map_spec specs[EVENT_MAPS];
	int err = 0;

	event_map_specs(events->config.ring_bytes, specs);
	for (size_t i = 0; i < EVENT_MAPS && !err; i++) {
		struct bpf_map *map = bpf_object__find_map_by_name(object, specs[i].name);

		if (map && events->map[i] >= 0)
			err = bpf_map__reuse_fd(map, events->map[i]);
		else if (map)
			err = bpf_map__set_autocreate(map, false);
	}
	if (!err && bpf_object__find_map_by_name(object, specs[MAP_LIFECYCLE].name))
		err = object_set(object, "event_transport", &transport, sizeof(transport));
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

const char *events_btf(const struct events *events)
{
	return events->config.btf;
}

const char *events_host_proc(const struct events *events)
{
	return events->config.proc;
}

const char *events_proc(const struct events *events)
{
	return events->config.proc ? events->config.proc : "/proc";
}

size_t events_scopes(const struct events *events, struct scope_entry ret_scopes[SCOPE_MAX])
{
	uint64_t ids[SCOPE_MAX];
	const uint32_t first = 0;
	const int err = bpf_map_lookup_elem(events->map[MAP_SCOPE], &first, ids);

	memcpy(ret_scopes, events->scopes, sizeof(events->scopes));
	for (size_t i = 0; !err && i < events->config.scope_count; i++)
		ret_scopes[i].id = ids[i];
	return events->config.scope_count;
}

enum event_transport events_transport(const struct events *events)
{
	return events->transport;
}

size_t events_ring_bytes(const struct events *events, uint32_t ring)
{
	const size_t bytes = events->config.ring_bytes[ring];

	return events->perfs[ring] ? event_perf_bytes(events->config.perf_pages, bytes) : bytes;
}

int events_fd(const struct events *events, uint32_t ring)
{
	return events->perfs[ring] ? perf_reader_fd(events->perfs[ring])
				   : events->map[MAP_LIFECYCLE + ring];
}

size_t events_drain(struct events *events, uint32_t ring)
{
	return events->perfs[ring] ? perf_reader_drain(events->perfs[ring])
				   : ringbuf_reader_drain(events->ringbufs[ring]);
}

void events_drain_whole(struct events *events, uint32_t ring)
{
	const struct timespec window = {0, PERF_WINDOW_NS};

	if (events->perfs[ring])
		nanosleep(&window, NULL);
	events_drain(events, ring);
}

bool events_must_poll(const struct events *events)
{
	return transport_is_perf(events->transport);
}

void events_sleep(struct events *events, enum wake_on on)
{
	for (uint32_t i = 0; i < RINGS && events->ringbufs[i]; i++)
		ringbuf_reader_sleep(events->ringbufs[i], on);
}

bool events_pending(const struct events *events)
{
	for (uint32_t i = 0; i < RINGS && events->ringbufs[i]; i++) {
		if (ringbuf_reader_pending(events->ringbufs[i]))
			return true;
	}
	return false;
}

/* Counts, for each CPU, the records of all probes that found no perf buffer. */
static void count_unbuffered(struct events *events)
{
	const size_t cpus = events->accounts.cpus;

	for (size_t cpu = 0; cpu < cpus; cpu++)
		events->unbuffered[cpu] =
			(struct perf_unbuffered){.before = events->unbuffered[cpu].now};
	for (uint32_t probe = 0; probe < PROBES; probe++) {
		if (percpu_read(&events->accounts, &probe))
			continue;
		for (size_t cpu = 0; cpu < cpus; cpu++) {
			const struct event_account *account = percpu_value(&events->accounts, cpu);

			events->unbuffered[cpu].now += account->lost[LOST_NO_CPU_BUFFER];
		}
	}
}

void events_refresh(struct events *events)
{
	if (!events_must_poll(events))
		return;
	count_unbuffered(events);
	for (uint32_t i = 0; i < RINGS; i++)
		(void)perf_reader_refresh(events->perfs[i], events->unbuffered);
}

uint64_t events_kernel_lost(const struct events *events)
{
	uint64_t lost = 0;

	for (uint32_t i = 0; i < RINGS && events->perfs[i]; i++)
		lost += perf_reader_kernel_lost(events->perfs[i]);
	return lost;
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

void events_learn_cgroup(struct events *events, const struct event_header *event,
			 const struct cgroup_name *names)
{
	const struct cgroup_key key = {.id = event->cgroup_id, .hierarchy = event->hierarchy};

	/* Refused where the map is full; the next record brings the names again. */
	(void)bpf_map_update_elem(events->map[MAP_NAMES], &key, names, BPF_ANY);
}

uint64_t events_missed(int program_fd)
{
	struct bpf_prog_info info = {};
	uint32_t size = sizeof(info);

	return bpf_prog_get_info_by_fd(program_fd, &info, &size) ? 0 : info.recursion_misses;
}

size_t events_memory(const struct events_config *config)
{
	size_t bytes = event_maps_memory(config->ring_bytes, transport_is_perf(config->transport));

	for (uint32_t i = 0; i < RINGS && transport_is_perf(config->transport); i++)
		bytes += percpu_cpus() *
			 ((size_t)sysconf(_SC_PAGESIZE) +
			  event_perf_bytes(config->perf_pages, config->ring_bytes[i]));
	return bytes;
}
