/* SPDX-License-Identifier: Apache-2.0 */
/* Ratios of interleaved rounds: what is between two variants when the machine's own noise is taken out. Pure. */
#ifndef RINGSIDE_CMD_BENCH_RATIO_H
#define RINGSIDE_CMD_BENCH_RATIO_H

#include <stddef.h>

struct bench_ratio {
	double median, min, max;
};

/* Sorts `ratios`; `count` is at least 1. Of an even number the median is the mean of the middle two. */
struct bench_ratio bench_ratio_of(double *ratios, size_t count);

#endif
