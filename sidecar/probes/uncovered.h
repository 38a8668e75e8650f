/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Says on stderr, as msg=coverage, which processes may have called getaddrinfo unseen: each process once, the first of an image
 * and reason at once, those that follow as a number, once a minute at most and at the end. One thread.
 */
#ifndef RINGSIDE_PROBES_UNCOVERED_H
#define RINGSIDE_PROBES_UNCOVERED_H

#include <stdint.h>

struct uncovered;

struct uncovered_process {
	uint32_t tgid;
	uint64_t start_time;
	int64_t changed_ns; /* mtime of the file that it is about: a new one under an old path is another; 0: it is not */
	const char *image; /* its path; empty: not known */
	const char *why;   /* lives as long as the program */
};

/* NULL: no memory. */
struct uncovered *uncovered_new(void);
/* Says what is left. NULL is allowed. */
void uncovered_free(struct uncovered *uncovered);

void uncovered_add(struct uncovered *uncovered, const struct uncovered_process *process);
/* To be called about once a second. */
void uncovered_refresh(struct uncovered *uncovered);

#endif
