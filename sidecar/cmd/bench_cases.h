/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `bench transport` is asked to measure: the lists of its options, and every combination of them as one case. Pure; the
 * owner frees the cases.
 */
#ifndef RINGSIDE_CMD_BENCH_CASES_H
#define RINGSIDE_CMD_BENCH_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>

#include "base/options.h"
#include "bench.h"

struct bench_case {
	enum bench_variant variant;
	enum bench_wakeup wakeup;
	uint32_t size;
	uint32_t producers;
	bool same; /* the consumer runs on the first producer's CPU */
	double seconds;
};

/* As given, unparsed; an empty list stands for its default. */
struct bench_lists {
	struct option_list variant, wakeup, size, producers, consumer, seconds;
};

struct bench_cases {
	struct bench_case *items;
	size_t count;
	bool stack_left_out; /* perf-stack at sizes that do not fit, from all variants */
};

const char *bench_variant_name(enum bench_variant variant);
const char *bench_wakeup_name(enum bench_wakeup wakeup);
const char *bench_consumer_name(const struct bench_case *one);

/* 0; -EINVAL: there is none of that name. */
int bench_variant_parse(const char *name, enum bench_variant *ret_variant);

/*
 * Every combination, the variants of one setting side by side. 0; -EINVAL: one line that names the option and the value was
 * logged; -ENOMEM: told too.
 */
int bench_cases_make(const struct bench_lists *lists, struct bench_cases *ret_cases);
void bench_cases_done(struct bench_cases *cases);

#endif
