/* SPDX-License-Identifier: Apache-2.0 */
/* What the two halves of the transport benchmark share: one sets it up and takes it down, one reads. */
#ifndef RINGSIDE_KERNEL_TRANSPORT_BENCH_INTERNAL_H
#define RINGSIDE_KERNEL_TRANSPORT_BENCH_INTERNAL_H

#include <bpf/libbpf.h>

#include "kernel/percpu.h"
#include "kernel/sequence.h"
#include "kernel/transport_bench.h"

/* Of the ring, and of each CPU's perf buffer (128 pages of 4 KiB), as in the kernel's own bench: one producer has the same
 * room in both. */
#define BUFFER_BYTES (512u * 1024)
/* Longest sleep: what has come since the last wake-up is taken then, as the product does. */
#define FLUSH_MS 50
#define STOP	 UINT64_MAX

struct transport_bench {
	struct transport_config config;
	struct bench_bpf *skeleton;
	uint32_t *asleep; /* in memory that BPF reads */
	struct bpf_link *link;
	struct ring_buffer *buffer;
	struct ring *ring;
	struct perf_buffer *perf;
	struct percpu cpus;
	struct sequence sequence;
	struct transport_counts counts;
	int epoll_fd;
};

static inline bool transport_on_ring(const struct transport_config *config)
{
	return config->variant == BENCH_RINGBUF || config->variant == BENCH_RINGBUF_OUTPUT;
}

/* Callbacks of libbpf, one call a record. */
int transport_take_ring(void *context, void *data, size_t size);
enum bpf_perf_event_ret transport_take_perf(void *context, int cpu,
					    struct perf_event_header *event);

#endif
