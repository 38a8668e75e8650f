// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <linux/perf_event.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "kernel/transport_bench_internal.h"

#define READY_MAX 64

struct perf_sample {
	struct perf_event_header header;
	uint32_t size;
	uint8_t data[];
};

struct perf_loss {
	struct perf_event_header header;
	uint64_t id, lost;
};

static inline void take(struct transport_bench *bench, const void *data, size_t size)
{
	const struct bench_record *record = data;
	const uint32_t wanted = bench->config.size;

	bench->counts.received++;
	if (size < wanted || record->cookie != BENCH_COOKIE ||
	    (wanted > sizeof(*record) && ((const uint8_t *)data)[wanted - 1] != BENCH_PADDING) ||
	    !sequence_take(&bench->sequence, record->seq))
		bench->counts.corrupt++;
}

int transport_take_ring(void *context, void *data, size_t size)
{
	take(context, data, size);
	return 0;
}

enum bpf_perf_event_ret transport_take_perf(void *context, int cpu, struct perf_event_header *event)
{
	struct transport_bench *bench = context;

	(void)cpu;
	if (event->type == PERF_RECORD_SAMPLE) {
		const struct perf_sample *sample = (const void *)event;

		take(bench, sample->data, sample->size);
	} else if (event->type == PERF_RECORD_LOST) {
		bench->counts.perf_lost += ((const struct perf_loss *)(const void *)event)->lost;
	}
	return LIBBPF_PERF_EVENT_CONT;
}

static void drain(struct transport_bench *bench)
{
	if (bench->ring)
		ring__consume(bench->ring);
	else
		perf_buffer__consume(bench->perf);
}

/*
 * Whether the reader may sleep. A ring's wake-up hangs on what BPF sees of the reader (the flag; with no flags, that it has
 * read all): what came before BPF could see it wakes nobody, so the reader looks once more.
 */
static bool fall_asleep(struct transport_bench *bench)
{
	const enum bench_wakeup wakeup = bench->config.wakeup;

	if (!bench->ring || wakeup == BENCH_SAMPLED)
		return true;
	__atomic_store_n(bench->asleep, 1, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return ring__avail_data_size(bench->ring) < (wakeup == BENCH_EACH ? 1 : BUFFER_BYTES / 2);
}

bool transport_bench_work(struct transport_bench *bench)
{
	struct epoll_event ready[READY_MAX];
	const int timeout = fall_asleep(bench) ? FLUSH_MS : 0;
	const int count = epoll_wait(bench->epoll_fd, ready, READY_MAX, timeout);
	bool stop = false;
	uint64_t ignored;

	__atomic_store_n(bench->asleep, 0, __ATOMIC_RELAXED);
	for (int i = 0; i < count; i++) {
		if (ready[i].data.u64 == STOP)
			stop = read(bench->config.stop_fd, &ignored, sizeof(ignored)) > 0;
		else if (bench->perf)
			perf_buffer__consume_buffer(bench->perf, (size_t)ready[i].data.u64);
	}
	if (count > (stop ? 1 : 0))
		bench->counts.wakeups++;
	if (bench->ring || count <= 0 || stop)
		drain(bench);
	return stop;
}

int transport_bench_counts(struct transport_bench *bench, struct transport_counts *ret_counts)
{
	const uint32_t zero = 0;
	const uint32_t mask = sequence_mask(&bench->sequence);
	uint64_t missing = 0;
	int err = percpu_read(&bench->cpus, &zero);

	if (err)
		return err;
	bench->counts.produced = percpu_sum(&bench->cpus, offsetof(struct bench_cpu, produced));
	bench->counts.lost = percpu_sum(&bench->cpus, offsetof(struct bench_cpu, lost));
	for (size_t i = 0; i < bench->sequence.cpu_count && !err; i++) {
		const struct bench_cpu *cpu = percpu_value(&bench->cpus, i);

		missing += bench->sequence.cpus[i].missing;
		if (!sequence_holds(&bench->sequence, i, cpu->produced, cpu->lost))
			err = -EBADMSG;
	}
	/* Perf tells of losses with the next record that finds room: as many as there are gaps. */
	if (!err && bench->perf && (uint32_t)(missing - bench->counts.perf_lost) & mask)
		err = -EBADMSG;
	*ret_counts = bench->counts;
	return err;
}
