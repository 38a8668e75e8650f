/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds Counters messages: rows in, delimited AgentFrames out, as many as keep each below FRAME_MAX. Memory is allocated by
 * counters_new, for the rows of one frame. One thread uses it.
 */
#ifndef RINGSIDE_WIRE_COUNTERS_H
#define RINGSIDE_WIRE_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#include "wire/batch.h"

struct buf;
struct counters;

/* `cpus`: how many counts of a row --per-cpu gives; 0: none. NULL: no memory. */
struct counters *counters_new(size_t cpus, struct cgroup_namer namer);
void counters_free(struct counters *counters);
/* Bytes that counters_new allocates: for the memory budget. */
size_t counters_memory(size_t cpus);

struct counters_row {
	uint64_t cgroup_id; /* 0: of no one cgroup */
	uint32_t hierarchy;
	const char *syscall; /* copied */
	uint32_t nr;
	uint64_t count, errors, total_ns, since_ns;
	const uint64_t *per_cpu; /* `cpus` of them, or NULL where cpus is 0 */
};

/* Begins a snapshot that was read at `boottime_ns`; its frames are appended to `out`, which is borrowed until counters_end. */
void counters_begin(struct counters *counters, uint64_t boottime_ns, int64_t realtime_offset,
		    struct buf *out);
void counters_add(struct counters *counters, const struct counters_row *row);
/* 0; -ENOSPC or -ENOMEM: `out` does not hold all frames, but whole ones. */
int counters_end(struct counters *counters);

#endif
