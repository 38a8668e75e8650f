/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The perf buffers of one ring, one for each CPU, read as if they were one: their records are merged by time, because nothing
 * keeps an order between CPUs. A record waits PERF_WINDOW_NS in its buffer for earlier ones of other CPUs; one that
 * comes later still is handed out at once, with the flag EVENT_LATE. One thread. CPUs without a buffer (they came online since)
 * get theirs by perf_reader_refresh. Errors are -errno.
 */
#ifndef RINGSIDE_KERNEL_PERF_READER_H
#define RINGSIDE_KERNEL_PERF_READER_H

#include <stddef.h>
#include <stdint.h>

#include "kernel/ringbuf_reader.h"

#define PERF_WINDOW_NS 5000000ull

struct perf_reader;

/* Of one CPU: records that found no buffer, when it was looked at before and now. */
struct perf_unbuffered {
	uint64_t before, now;
};

struct perf_reader_config {
	int map_fd; /* BPF_MAP_TYPE_PERF_EVENT_ARRAY with an entry for each possible CPU */
	uint32_t ring;
	size_t pages;	       /* of each buffer: a power of two */
	uint32_t wakeup_bytes; /* unread bytes in one buffer that wake the reader; 1: each record */
	event_taker *take;
	void *context;
};

/* Whether such buffers can be had: of a CPU that is online. */
int perf_reader_try(void);
int perf_reader_new(const struct perf_reader_config *config, struct perf_reader **ret_reader);
void perf_reader_free(struct perf_reader *reader);

/* For epoll: readable when a buffer holds wakeup_bytes. */
int perf_reader_fd(const struct perf_reader *reader);
/* Takes what is older than the window. Returns the number of records. */
size_t perf_reader_drain(struct perf_reader *reader);
/* Opens the buffers of CPUs that are online and have none, or whose entry of `unbuffered` (NULL: none) has grown. */
int perf_reader_refresh(struct perf_reader *reader, const struct perf_unbuffered *unbuffered);
/* Records that the kernel itself says it had no room for (PERF_RECORD_LOST): to compare, BPF has counted them already. */
uint64_t perf_reader_kernel_lost(const struct perf_reader *reader);

#endif
