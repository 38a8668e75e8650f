// SPDX-License-Identifier: Apache-2.0
#include "cmd/reader.h"

#include "kernel/events.h"
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
	       config->settings.counters_memory + counters_memory(cpus) + FRAME_MAX + profile;
}
