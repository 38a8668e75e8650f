/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds a Counters message: rows in, one delimited AgentFrame out. Memory is allocated by counters_new, for a largest
 * number of rows; rows past it are refused. One thread uses it.
 */
#ifndef RINGSIDE_WIRE_COUNTERS_H
#define RINGSIDE_WIRE_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#include "wire/batch.h"

struct buf;
struct counters;

/* `cpus`: how many counts of a row --per-cpu gives; 0: none. NULL: no memory. */
struct counters *counters_new(size_t rows, size_t cpus, struct cgroup_namer namer);
void counters_free(struct counters *counters);
size_t counters_memory(size_t rows, size_t cpus);

struct counters_row {
	uint64_t cgroup_id; /* 0: of no one cgroup */
	uint32_t hierarchy;
	const char *syscall; /* copied */
	uint32_t nr;
	uint64_t count, errors, total_ns, since_ns;
	const uint64_t *per_cpu; /* `cpus` of them, or NULL where cpus is 0 */
};

/* 0, or -ENOSPC: no room for another row. */
int counters_add(struct counters *counters, const struct counters_row *row);
/* Packs the rows and forgets them. Appends nothing where there are none. -ENOSPC: no room in `out`. */
int counters_seal(struct counters *counters, uint64_t boottime_ns, int64_t realtime_offset,
		  struct buf *out);

#endif
