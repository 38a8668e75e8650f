/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers GET /metrics, as Prometheus scrapes it: HTTP/1.1, one request and one answer a connection. It shares the owner's loop
 * with the stream, so all is bounded: 8 connections (of more the oldest ends), 2 KiB of request, 5 s. One thread.
 */
#ifndef RINGSIDE_NET_METRICS_H
#define RINGSIDE_NET_METRICS_H

#include <stdio.h>

struct loop;
struct metrics;

/* Takes the listening descriptor over, borrows the rest. `fill` writes the figures, in the text format 0.0.4. NULL: no memory. */
struct metrics *metrics_new(struct loop *loop, int fd, void (*fill)(void *context, FILE *out),
			    void *context);
/* Takes NULL. */
void metrics_free(struct metrics *metrics);
/* Once in half a second or so: ends what takes too long. Takes NULL. */
void metrics_sweep(struct metrics *metrics);

#endif
