/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The record and the counters of `bench transport`, shared by both sides. Included by BPF programs and by user space after
 * linux/types.h.
 */
#ifndef RINGSIDE_BENCH_H
#define RINGSIDE_BENCH_H

#define BENCH_COOKIE   0x12345678
#define BENCH_BATCH    500 /* records a system call */
#define BENCH_SIZE_MAX 4096
#define BENCH_PADDING  0xa5
/* Largest record on the stack: a BPF program has 512 bytes, and its variables lie there too. */
#define BENCH_STACK_MAX 480

enum bench_variant {
	BENCH_PERF_STACK = 0,
	BENCH_PERF_HEAP = 1,
	BENCH_RINGBUF_OUTPUT = 2,
	BENCH_RINGBUF = 3,
	BENCH_VARIANTS = 4,
};

enum bench_wakeup {
	BENCH_EACH = 0,
	BENCH_SAMPLED = 1,
	BENCH_THRESHOLD = 2,
	BENCH_WAKEUPS = 3,
};

/* The padding up to the record's size is BENCH_PADDING. */
struct bench_record {
	__u32 seq; /* of the CPU's records; where several CPUs produce, the CPU is in its top bits */
	__u32 cookie;
	__u8 padding[];
};
_Static_assert(sizeof(struct bench_record) == 8, "the smallest record");

/* One CPU's account: cumulative, never reset. */
struct bench_cpu {
	__u64 produced; /* counted before the transport is asked; the next record's sequence number */
	__u64 lost;
	__u32 until_wakeup; /* records to come before the next sampled wake-up */
	__u32 reserved;
};

#endif
