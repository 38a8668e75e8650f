// SPDX-License-Identifier: Apache-2.0
#include "cmd/bench_ratio.h"

#include <stdlib.h>

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

struct bench_ratio bench_ratio_of(double *ratios, size_t count)
{
	const size_t middle = count / 2;

	qsort(ratios, count, sizeof(ratios[0]), compare);
	return (struct bench_ratio){
		.median = count % 2 ? ratios[middle] : (ratios[middle - 1] + ratios[middle]) / 2,
		.min = ratios[0],
		.max = ratios[count - 1],
	};
}
