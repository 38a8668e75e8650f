// SPDX-License-Identifier: Apache-2.0
#include "cmd/bench_pair.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "cmd/bench_ratio.h"

#define METRICS 3

static const struct {
	const char *name;
	size_t offset;
} metrics[METRICS] = {
	{"records_per_s", offsetof(struct bench_result, records_per_s)},
	{"producer_cpu_ns", offsetof(struct bench_result, producer_cpu_ns)},
	{"consumer_cpu_ns", offsetof(struct bench_result, consumer_cpu_ns)},
};

static double metric_of(const struct bench_result *result, size_t metric)
{
	return *(const double *)(const void *)((const char *)result + metrics[metric].offset);
}

int bench_pair_run(const struct bench_case pair[static 2], size_t rounds, enum bench_format format,
		   int (*run)(const struct bench_case *one, struct bench_result *ret_result))
{
	double *all = calloc(METRICS * rounds, sizeof(all[0]));
	double *const ratios[METRICS] = {all, all + rounds, all + 2 * rounds};
	struct bench_result results[2];
	int err = all ? 0 : -ENOMEM;
	char name[64];

	if (err)
		log_line(LOG_ERROR, "cannot measure", "object", "the rounds", "why", strerror(-err),
			 "do", "give fewer --rounds", NULL);
	for (size_t i = 0; i < 2 * rounds && !err; i++) {
		bench_print_progress(&pair[i % 2], i + 1, 2 * rounds);
		err = run(&pair[i % 2], &results[i % 2]);
		for (size_t m = 0; m < METRICS && i % 2; m++)
			ratios[m][i / 2] = metric_of(&results[0], m) / metric_of(&results[1], m);
	}
	snprintf(name, sizeof(name), "%s,%s", bench_variant_name(pair[0].variant),
		 bench_variant_name(pair[1].variant));
	for (size_t m = 0; m < METRICS && !err; m++) {
		const struct bench_ratio ratio = bench_ratio_of(ratios[m], rounds);

		err = bench_print_ratio(format, name, metrics[m].name, &ratio, rounds, m == 0);
	}
	free(all);
	return err;
}
