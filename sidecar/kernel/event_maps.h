/* SPDX-License-Identifier: Apache-2.0 */
/* The maps that all families share, by the names that the BPF side gives them (bpf/lib/event.bpf.h, scope.bpf.h), and their sizes. */
#ifndef RINGSIDE_KERNEL_EVENT_MAPS_H
#define RINGSIDE_KERNEL_EVENT_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <bpf/bpf.h>

#include "event.h"

enum event_map {
	MAP_LIFECYCLE, /* + enum event_ring */
	MAP_SAMPLES,
	MAP_PERF_LIFECYCLE, /* + enum event_ring */
	MAP_PERF_SAMPLES,
	MAP_ACCOUNTS,
	MAP_WAKEUPS,
	MAP_NAMES,
	MAP_LAST,
	MAP_SCRATCHES,
	MAP_FREE,
	MAP_SCOPE,
	EVENT_MAPS
};

struct map_spec {
	const char *name;
	enum bpf_map_type type;
	uint32_t key_size, value_size, max_entries, flags;
};

bool event_map_is_ringbuf(enum event_map map);
bool event_map_is_perf(enum event_map map);

/* Names are static text. */
void event_map_specs(const size_t ring_bytes[RINGS], struct map_spec ret_specs[EVENT_MAPS]);
/* The map's descriptor, or -errno. */
int event_map_create(const struct map_spec *spec);
/* Puts the numbers of all scratch slots into the list of free ones. 0 or -errno. */
int event_map_fill_free(int map_fd);

/* Bytes of each CPU's perf buffer: what was asked for, or the ring's bytes shared out, 8 pages at least. A power of two. */
size_t event_perf_bytes(size_t asked_pages, size_t ring_bytes);

/* Kernel memory and mappings of the maps, without perf buffers. */
size_t event_maps_memory(const size_t ring_bytes[RINGS], bool perf);

#endif
