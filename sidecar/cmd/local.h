/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `run` without a collector: a thread that empties the queue as the sender would, and prints the frames on stdout. A frame is
 * acknowledged when its text was written (under `none`: when it was decoded). It may wait for stdout for as long as stdout likes;
 * the queue's bound and its gaps are what that costs.
 */
#ifndef RINGSIDE_CMD_LOCAL_H
#define RINGSIDE_CMD_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/row.h"
#include "wire/session.h"

struct local;
struct queue;

/* `hello` is copied. NULL: no memory. */
struct local *local_new(struct queue *queue, const struct session_hello *hello,
			enum row_format format);
/* 0 or -errno. */
int local_start(struct local *local);
/* Readable when stdout has failed; then local_failure says why. */
int local_fd(const struct local *local);
const char *local_failure(const struct local *local);
/*
 * Prints what is queued. 0; -EPIPE: stdout failed; -ETIMEDOUT: it took too long, what it did not take is not acknowledged;
 * -EBUSY: it did, and the thread is stuck in it: leave by _exit.
 */
int local_finish(struct local *local, uint64_t deadline_ns);
/* After local_finish returned another value than -EBUSY, or without local_start. */
void local_free(struct local *local);
/* CPU time of the thread, ns. */
uint64_t local_cpu_ns(const struct local *local);

#endif
