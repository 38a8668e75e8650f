/* SPDX-License-Identifier: Apache-2.0 */
/* A second ringside, run as a child by the benchmark: its log is read line by line, its CPU time and memory from /proc. */
#ifndef RINGSIDE_CMD_BENCH_CHILD_H
#define RINGSIDE_CMD_BENCH_CHILD_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define BENCH_LINE 4096

struct bench_child {
	pid_t pid; /* 0: none */
	FILE *log;
	char line[BENCH_LINE]; /* the last line read */
};

/* Starts our own binary with these arguments (NULL-ended, without the program's name). 0 or -errno. */
int bench_child_start(struct bench_child *child, const char *const *arguments);
/* Reads the log up to a line that holds `text`. 0; -EPIPE: the log ended without it. */
int bench_child_wait_line(struct bench_child *child, const char *text);
/* Value of `key=` in the last line, as text (copied, empty: not there) or as number. */
void bench_child_text(const struct bench_child *child, const char *key, char *ret_text,
		      size_t size);
uint64_t bench_child_number(const struct bench_child *child, const char *key);
uint64_t bench_child_cpu_ns(const struct bench_child *child);
uint64_t bench_child_peak_bytes(const struct bench_child *child);
/* SIGTERM, and waits. NULL-safe, twice-safe. */
void bench_child_stop(struct bench_child *child);

#endif
