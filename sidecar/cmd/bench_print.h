/* SPDX-License-Identifier: Apache-2.0 */
/* The results of `bench transport` on stdout, a line as soon as there is one: a table, JSON objects or CSV. */
#ifndef RINGSIDE_CMD_BENCH_PRINT_H
#define RINGSIDE_CMD_BENCH_PRINT_H

#include "cmd/bench_measure.h"
#include "cmd/bench_ratio.h"

enum bench_format { BENCH_TABLE, BENCH_JSON, BENCH_CSV };

/* NULL is the table. 0; -EINVAL: there is no such format. */
int bench_format_parse(const char *name, enum bench_format *ret_format);

/* `first`: what stands above the columns comes before it. 0; -errno of stdout: told on stderr. */
int bench_print_result(enum bench_format format, const struct bench_result *result, bool first);
int bench_print_ratio(enum bench_format format, const char *pair, const char *metric,
		      const struct bench_ratio *ratio, size_t rounds, bool first);

/* On a terminal's stderr: which of the cases is measured now. NULL: takes the line away. */
void bench_print_progress(const struct bench_case *one, size_t number, size_t count);

#endif
