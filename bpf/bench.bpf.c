// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What `bench transport` measures: one getpgid() of the benchmark's own process makes a batch of records and sends them by one
 * transport. Which one, and how it wakes the reader, are constants: the verifier leaves only that code.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "bench.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u32 tgid = 0; /* in the initial PID namespace */
const volatile __s64 getpgid_nr = 0;
const volatile __u32 variant = 0;
const volatile __u32 wakeup = 0;
const volatile __u32 size = 0;
const volatile __u32 sample = 0;    /* a sampled wake-up comes each so many records */
const volatile __u64 threshold = 0; /* unread bytes that wake a sleeping reader */
const volatile __u32 seq_bits = 0;  /* of the sequence number; the CPU is above them */
const volatile __u8 padding[BENCH_SIZE_MAX] = {};

/* The reader waits for the threshold; in a cache line that nothing else is in. */
__u32 asleep __attribute__((aligned(128))) = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096); /* set before the load */
} bench_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
} bench_perf SEC(".maps");

/* Where records are built that are copied out afterwards. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, BENCH_SIZE_MAX); /* set before the load */
} bench_heap SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct bench_cpu);
} bench_cpus SEC(".maps");

static __always_inline __u32 next_seq(struct bench_cpu *cpu)
{
	__u32 count = (__u32)cpu->produced++;

	if (seq_bits == 32)
		return count;
	return bpf_get_smp_processor_id() << seq_bits | (count & ((1u << seq_bits) - 1));
}

/* Read from elsewhere, as the body of a real record is; the same in each variant. */
static __always_inline void fill(struct bench_record *record, __u32 seq)
{
	record->seq = seq;
	record->cookie = BENCH_COOKIE;
	if (size > sizeof(*record))
		bpf_probe_read_kernel(record->padding, size - sizeof(*record),
				      (const void *)padding);
}

/* As records of the product are sent: the atomic orders the load behind the reserve (see event_wake_flags). */
static __always_inline __u64 threshold_flags(struct bench_cpu *cpu)
{
	__u64 nothing = 0;

	barrier_var(nothing);
	__sync_fetch_and_add(&cpu->lost, nothing);
	if (*(volatile __u32 *)&asleep &&
	    bpf_ringbuf_query(&bench_ring, BPF_RB_AVAIL_DATA) >= threshold) {
		*(volatile __u32 *)&asleep = 0;
		return BPF_RB_FORCE_WAKEUP;
	}
	return BPF_RB_NO_WAKEUP;
}

static __always_inline __u64 wake_flags(struct bench_cpu *cpu)
{
	if (wakeup == BENCH_EACH)
		return 0;
	if (wakeup == BENCH_THRESHOLD)
		return threshold_flags(cpu);
	if (cpu->until_wakeup > 1) {
		cpu->until_wakeup--;
		return BPF_RB_NO_WAKEUP;
	}
	cpu->until_wakeup = sample;
	return BPF_RB_FORCE_WAKEUP;
}

static __always_inline void by_reserve(struct bench_cpu *cpu)
{
	for (int i = 0; i < BENCH_BATCH; i++) {
		__u32 seq = next_seq(cpu);
		struct bench_record *record = bpf_ringbuf_reserve(&bench_ring, size, 0);

		if (!record) {
			cpu->lost++;
			continue;
		}
		fill(record, seq);
		bpf_ringbuf_submit(record, wake_flags(cpu));
	}
}

static __always_inline void by_output(struct bench_cpu *cpu, struct bench_record *record)
{
	for (int i = 0; i < BENCH_BATCH; i++) {
		fill(record, next_seq(cpu));
		if (bpf_ringbuf_output(&bench_ring, record, size, wake_flags(cpu)))
			cpu->lost++;
	}
}

/* How the reader is woken is in the perf event's attributes. */
static __always_inline void by_perf(void *ctx, struct bench_cpu *cpu, struct bench_record *record)
{
	for (int i = 0; i < BENCH_BATCH; i++) {
		fill(record, next_seq(cpu));
		if (bpf_perf_event_output(ctx, &bench_perf, BPF_F_CURRENT_CPU, record, size))
			cpu->lost++;
	}
}

/* NULL: another process called. */
static __always_inline struct bench_cpu *cpu_of_ours(void)
{
	__u32 zero = 0;

	if (bpf_get_current_pid_tgid() >> 32 != tgid)
		return NULL;
	return bpf_map_lookup_elem(&bench_cpus, &zero);
}

static __always_inline int batch(void *ctx)
{
	struct bench_cpu *cpu = cpu_of_ours();
	__u32 zero = 0;
	void *heap;

	if (!cpu)
		return 0;
	if (variant == BENCH_RINGBUF) {
		by_reserve(cpu);
		return 0;
	}
	heap = bpf_map_lookup_elem(&bench_heap, &zero);
	if (!heap)
		return 0;
	if (variant == BENCH_RINGBUF_OUTPUT)
		by_output(cpu, heap);
	else
		by_perf(ctx, cpu, heap);
	return 0;
}

/* A program of its own: the record takes nearly all of the stack. */
static __always_inline int batch_on_stack(void *ctx)
{
	struct bench_cpu *cpu = cpu_of_ours();
	__u64 stack[BENCH_STACK_MAX / sizeof(__u64)];

	if (cpu)
		by_perf(ctx, cpu, (struct bench_record *)stack);
	return 0;
}

SEC("tp/syscalls/sys_enter_getpgid")
int bench_tracepoint(void *ctx)
{
	return batch(ctx);
}

SEC("tp/syscalls/sys_enter_getpgid")
int bench_tracepoint_stack(void *ctx)
{
	return batch_on_stack(ctx);
}

/* Where there is no tracefs to find the tracepoint in. */
SEC("raw_tp/sys_enter")
int bench_raw(struct bpf_raw_tracepoint_args *ctx)
{
	return (__s64)ctx->args[1] == getpgid_nr ? batch(ctx) : 0;
}

SEC("raw_tp/sys_enter")
int bench_raw_stack(struct bpf_raw_tracepoint_args *ctx)
{
	return (__s64)ctx->args[1] == getpgid_nr ? batch_on_stack(ctx) : 0;
}
