/* SPDX-License-Identifier: Apache-2.0 */
/* The results of `bench transport` as a bar chart: records/s, a group of bars a setting, a colour a variant. */
#ifndef RINGSIDE_CMD_BENCH_PLOT_H
#define RINGSIDE_CMD_BENCH_PLOT_H

#include <stdio.h>

#include "cmd/bench_measure.h"

/* Writes an SVG document, without scripts or anything from elsewhere. `count` is at least 1; ferror() tells of failure. */
void bench_plot_draw(FILE *file, const struct bench_result *results, size_t count);

#endif
