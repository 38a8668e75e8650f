// SPDX-License-Identifier: Apache-2.0
#include "cmd/reader.h"

#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/choices.h"
#include "kernel/events.h"
#include "kernel/memory_limit.h"
#include "kernel/percpu.h"
#include "wire/batch.h"
#include "wire/counters.h"

size_t reader_memory(const struct reader_config *config)
{
	const struct events_config events = {
		.transport = config->transport.transport,
		.ring_bytes = {config->transport.ring_bytes[0], config->transport.ring_bytes[1]},
		.perf_pages = config->transport.perf_pages,
	};
	const size_t profile = config->enabled & 1u << PROBE_PROFILE ? profile_memory() : 0;
	const size_t cpus = config->settings.per_cpu ? percpu_cpus() : 0;

	return events_memory(&events) + RINGS * batch_memory(wire_kinds) +
	       config->settings.counters_memory + counters_memory(cpus) + FRAME_MAX + profile +
	       config->tls_memory;
}

int reader_fits(const struct reader_config *config, uint64_t queue)
{
	const uint64_t limit = memory_limit(), needed = reader_memory(config) + queue;
	const size_t page = (size_t)sysconf(_SC_PAGESIZE),
		     *ring_bytes = config->transport.ring_bytes;
	const enum event_ring larger = ring_bytes[RING_SAMPLES] >= ring_bytes[RING_LIFECYCLE]
					       ? RING_SAMPLES
					       : RING_LIFECYCLE;
	struct reader_config smaller = *config;
	size_t *ring = &smaller.transport.ring_bytes[larger];
	char why[160], todo[64];

	if (needed <= limit)
		return 0;
	snprintf(why, sizeof(why),
		 "all buffers are %.1f MiB then, and this process may have %.1f MiB",
		 (double)needed / (1 << 20), (double)limit / (1 << 20));
	while (*ring > page && reader_memory(&smaller) + queue > limit)
		*ring /= 2;
	if (reader_memory(&smaller) + queue > limit)
		return choice_wrong("--queue", log_u64(queue), why,
				    "raise that limit, or make this and --counters-memory smaller");
	snprintf(todo, sizeof(todo), "take %zu", *ring);
	return choice_wrong(larger == RING_SAMPLES ? "--ring-samples" : "--ring-lifecycle",
			    log_u64(ring_bytes[larger]), why, todo);
}
