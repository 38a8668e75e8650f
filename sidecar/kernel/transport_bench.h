/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transport from the kernel to user space, as `bench transport` measures it: maps, program, reader. getpgid() of any
 * thread of this process makes BENCH_BATCH records; one thread calls transport_bench_work, and only while it does not may
 * another read the counts. Errors are -errno of bpf() or perf_event_open.
 *
 * What of a record is copied, beyond building it once (in the ring itself for reserve/submit, else in a per-CPU array or on the
 * stack): bytes that the kernel moves by a copy routine on the way into the buffer. ringbuf: 0. ringbuf-output: the record.
 * perf-heap, perf-stack: the record and its length, padded to 8 bytes, and perf's 8-byte header.
 */
#ifndef RINGSIDE_KERNEL_TRANSPORT_BENCH_H
#define RINGSIDE_KERNEL_TRANSPORT_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>

#include "bench.h"

struct transport_bench;

struct transport_config {
	enum bench_variant variant;
	enum bench_wakeup wakeup;
	uint32_t size;	  /* of a record: 8 to BENCH_SIZE_MAX, a multiple of 8 */
	uint32_t top_cpu; /* the highest CPU that produces */
	int stop_fd;	  /* an eventfd; borrowed */
};

/* Cumulative, warm-up included. */
struct transport_counts {
	uint64_t produced, received, lost;
	uint64_t corrupt;   /* a wrong cookie, padding, length or order */
	uint64_t perf_lost; /* as PERF_RECORD_LOST told it */
	uint64_t wakeups;   /* returns of epoll_wait with something to read */
};

/* Loads and attaches. ret_what names what was refused (static text). */
int transport_bench_new(const struct transport_config *config, struct transport_bench **ret_bench,
			const char **ret_what);
void transport_bench_free(struct transport_bench *bench);

/* The hook that records are made at (static text): a tracepoint, or where there is no tracefs, a raw tracepoint. */
const char *transport_bench_hook(void);

/* Sleeps until the reader is woken, and takes what is there. True: stop_fd was readable, it was read, and all was taken. */
bool transport_bench_work(struct transport_bench *bench);

/* 0; -EBADMSG: the losses that the kernel side counted are not the gaps in the sequence (only when all was taken). */
int transport_bench_counts(struct transport_bench *bench, struct transport_counts *ret_counts);

size_t transport_bench_copied(const struct transport_config *config);
/* Bytes of kernel and mapped memory: the buffers, a ring counted twice as it is mapped twice, and where records are built. */
size_t transport_bench_memory(const struct transport_config *config);

#endif
