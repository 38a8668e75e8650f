// SPDX-License-Identifier: Apache-2.0
#include "kernel/transport_bench.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "kernel/self.h"
#include "kernel/transport_bench_internal.h"
#include "bench.skel.h"

#define SAMPLE	    500u
#define RING_HEADER 8u /* before each record */
#define PERF_HEADER 8u

/* What a record takes in its buffer. */
static uint32_t slot_bytes(const struct transport_config *config)
{
	return transport_on_ring(config) ? config->size + RING_HEADER
					 : PERF_HEADER + ((config->size + 4 + 7) & ~7u);
}

static size_t page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* One in 500, or as many as fit half the buffer: else it is full before the first wake-up. */
static uint32_t sample_of(const struct transport_config *config)
{
	const uint32_t half = BUFFER_BYTES / 2 / slot_bytes(config);

	return half < SAMPLE ? half : SAMPLE;
}

/* Where libbpf looks for it. */
static bool has_tracefs(void)
{
	return !access("/sys/kernel/tracing/events/syscalls/sys_enter_getpgid/id", R_OK) ||
	       !access("/sys/kernel/debug/tracing/events/syscalls/sys_enter_getpgid/id", R_OK);
}

const char *transport_bench_hook(void)
{
	return has_tracefs() ? "tp/syscalls/sys_enter_getpgid" : "raw_tp/sys_enter";
}

static void choose_program(struct transport_bench *bench, bool raw, struct bpf_program **ret_chosen)
{
	const bool stack = bench->config.variant == BENCH_PERF_STACK;
	struct bpf_program *all[] = {
		bench->skeleton->progs.bench_tracepoint,
		bench->skeleton->progs.bench_tracepoint_stack,
		bench->skeleton->progs.bench_raw,
		bench->skeleton->progs.bench_raw_stack,
	};
	const size_t chosen = (raw ? 2u : 0u) + (stack ? 1u : 0u);

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		bpf_program__set_autoload(all[i], i == chosen);
	*ret_chosen = all[chosen];
}

static void set_constants(struct transport_bench *bench, uint32_t tgid)
{
	const struct transport_config *config = &bench->config;
	struct bench_bpf__rodata *constants = bench->skeleton->rodata;

	constants->tgid = tgid;
	constants->getpgid_nr = SYS_getpgid;
	constants->variant = config->variant;
	constants->wakeup = config->wakeup;
	constants->size = config->size;
	constants->sample = sample_of(config);
	constants->threshold = BUFFER_BYTES / 2;
	constants->seq_bits = bench->sequence.bits;
	memset(constants->padding, BENCH_PADDING, sizeof(constants->padding));
}

static int size_maps(struct transport_bench *bench)
{
	const bool ring = transport_on_ring(&bench->config);
	const struct bench_bpf *skeleton = bench->skeleton;
	int err;

	/* A kernel without ring buffers has perf buffers to measure. */
	err = bpf_map__set_autocreate(skeleton->maps.bench_ring, ring);
	if (!err)
		err = bpf_map__set_max_entries(skeleton->maps.bench_ring, BUFFER_BYTES);
	if (!err)
		err = bpf_map__set_autocreate(skeleton->maps.bench_perf, !ring);
	if (!err)
		err = bpf_map__set_value_size(skeleton->maps.bench_heap, bench->config.size);
	return err;
}

static int load(struct transport_bench *bench, uint32_t tgid, const char **ret_what)
{
	struct bpf_program *program;
	int err;

	*ret_what = "the program";
	bench->skeleton = bench_bpf__open();
	if (!bench->skeleton)
		return -errno;
	choose_program(bench, !has_tracefs(), &program);
	set_constants(bench, tgid);
	err = size_maps(bench);
	if (!err)
		err = bench_bpf__load(bench->skeleton);
	if (err)
		return err;
	bench->asleep = &bench->skeleton->bss->asleep;
	*ret_what = transport_bench_hook();
	bench->link = bpf_program__attach(program);
	return bench->link ? 0 : -errno;
}

static int watch(const struct transport_bench *bench, int fd, uint64_t number)
{
	/* Edge-triggered, as the product's: what counts is that the reader was woken, not that there is data. */
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = number};

	return epoll_ctl(bench->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int map_ring(struct transport_bench *bench)
{
	const int fd = bpf_map__fd(bench->skeleton->maps.bench_ring);

	bench->buffer = ring_buffer__new(fd, transport_take_ring, bench, NULL);
	if (!bench->buffer)
		return -errno;
	bench->ring = ring_buffer__ring(bench->buffer, 0);
	return watch(bench, fd, 0);
}

static int map_perf(struct transport_bench *bench)
{
	const struct transport_config *config = &bench->config;
	struct perf_event_attr attributes = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attributes),
		.config = PERF_COUNT_SW_BPF_OUTPUT,
		.sample_type = PERF_SAMPLE_RAW,
		.sample_period = 1,
		.wakeup_events = 1,
	};
	int err = 0;

	if (config->wakeup == BENCH_SAMPLED)
		attributes.sample_period = attributes.wakeup_events = sample_of(config);
	if (config->wakeup == BENCH_THRESHOLD) {
		attributes.watermark = 1;
		attributes.wakeup_watermark = BUFFER_BYTES / 2;
	}
	bench->perf = perf_buffer__new_raw(bpf_map__fd(bench->skeleton->maps.bench_perf),
					   BUFFER_BYTES / page_bytes(), &attributes,
					   transport_take_perf, bench, NULL);
	if (!bench->perf)
		return -errno;
	for (size_t i = 0; i < perf_buffer__buffer_cnt(bench->perf) && !err; i++)
		err = watch(bench, perf_buffer__buffer_fd(bench->perf, i), i);
	return err;
}

static int make_sequence(struct transport_bench *bench)
{
	struct sequence *sequence = &bench->sequence;

	sequence->cpu_count = percpu_cpus();
	sequence->bits = 32;
	for (uint32_t cpu = bench->config.top_cpu; cpu; cpu >>= 1)
		sequence->bits--;
	sequence->cpus = calloc(sequence->cpu_count, sizeof(sequence->cpus[0]));
	return sequence->cpus ? 0 : -ENOMEM;
}

int transport_bench_new(const struct transport_config *config, struct transport_bench **ret_bench,
			const char **ret_what)
{
	struct transport_bench *bench = calloc(1, sizeof(*bench));
	struct self_process self;
	int err = -ENOMEM;

	*ret_what = "memory";
	if (!bench)
		return -ENOMEM;
	bench->config = *config;
	bench->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	err = bench->epoll_fd < 0 ? -errno : make_sequence(bench);
	if (err)
		goto out;
	*ret_what = "self-probe";
	err = self_read(NULL, &self);
	if (!err)
		err = load(bench, self.tgid, ret_what);
	if (err)
		goto out;
	*ret_what = "the counters";
	err = percpu_init(&bench->cpus, bpf_map__fd(bench->skeleton->maps.bench_cpus),
			  sizeof(struct bench_cpu));
	if (err)
		goto out;
	*ret_what = transport_on_ring(config) ? "the ring buffer" : "the perf buffers";
	err = transport_on_ring(config) ? map_ring(bench) : map_perf(bench);
	if (!err)
		err = watch(bench, config->stop_fd, STOP);
out:
	if (err)
		transport_bench_free(bench);
	else
		*ret_bench = bench;
	return err;
}

void transport_bench_free(struct transport_bench *bench)
{
	if (!bench)
		return;
	bpf_link__destroy(bench->link);
	ring_buffer__free(bench->buffer);
	perf_buffer__free(bench->perf);
	percpu_done(&bench->cpus);
	bench_bpf__destroy(bench->skeleton);
	free(bench->sequence.cpus);
	if (bench->epoll_fd >= 0)
		close(bench->epoll_fd);
	free(bench);
}

size_t transport_bench_copied(const struct transport_config *config)
{
	if (config->variant == BENCH_RINGBUF)
		return 0;
	return transport_on_ring(config) ? config->size : slot_bytes(config);
}

size_t transport_bench_memory(const struct transport_config *config)
{
	const bool heap =
		config->variant == BENCH_PERF_HEAP || config->variant == BENCH_RINGBUF_OUTPUT;
	const size_t built = heap ? percpu_cpus() * config->size : 0;

	if (transport_on_ring(config))
		return 2 * BUFFER_BYTES + built;
	return (size_t)sysconf(_SC_NPROCESSORS_ONLN) * (BUFFER_BYTES + page_bytes()) + built;
}
