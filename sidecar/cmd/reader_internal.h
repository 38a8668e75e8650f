/* SPDX-License-Identifier: Apache-2.0 */
/* What reader.c (its work) and reader_start.c (how it comes and goes) share. */
#ifndef RINGSIDE_CMD_READER_INTERNAL_H
#define RINGSIDE_CMD_READER_INTERNAL_H

#include "base/buf.h"
#include "cmd/reader.h"
#include "kernel/events.h"

#define FAMILIES 8

struct family {
	const struct probe_family *family;
	void *state;
	char how[PROBE_HOW];
};

struct reader {
	struct reader_config config;
	struct events *events;
	struct scope_watch *scope_watch;
	struct family families[FAMILIES];
	size_t family_count;
	int8_t probe_of_kind[KINDS_MAX];
	int8_t family_of_probe[PROBES];
	struct batch *batches[RINGS];
	struct counters *counters;
	uint64_t next_seq[RINGS]; /* of the next record to be taken */
	struct buf out;		  /* one frame on its way to the queue */
	int epoll_fd, counters_fd, heartbeat_fd;
	bool flowing;
	bool said_counters; /* that they are not whole */
	bool said_capture;  /* that it falls behind */
	size_t drained;	    /* records taken since the last sleep */
	uint64_t
		opened_ns[RINGS]; /* when the open batch got its first record: clock_monotonic_ns */
	int64_t realtime_offset;
	char how[FAMILIES * (PROBE_HOW + 32)];
	char transports[FAMILIES * 64];
};

/* One record out of a ring (struct events_config); `context` is the reader. */
void reader_take(void *context, uint32_t ring, const struct event_header *event);

#endif
