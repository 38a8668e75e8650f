/* SPDX-License-Identifier: Apache-2.0 */
/* Two cases of `bench transport` in turns: A B A B ..., compared round by round. */
#ifndef RINGSIDE_CMD_BENCH_PAIR_H
#define RINGSIDE_CMD_BENCH_PAIR_H

#include <stddef.h>

#include "cmd/bench_measure.h"
#include "cmd/bench_print.h"

/* `run` measures one case and logs what went wrong; `pair` holds the two. 0 or -errno: told on stderr. */
int bench_pair_run(const struct bench_case pair[static 2], size_t rounds, enum bench_format format,
		   int (*run)(const struct bench_case *one, struct bench_result *ret_result));

#endif
