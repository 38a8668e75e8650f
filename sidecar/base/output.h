/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standard output that never stalls: a bounded buffer, written without blocking. Positions count bytes since the start, so
 * that the owner knows when what it appended has been written.
 */
#ifndef RINGSIDE_BASE_OUTPUT_H
#define RINGSIDE_BASE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct output {
	int fd;
	struct buf buf;	  /* append here */
	uint64_t written; /* position of the buffer's first byte */
	bool reopened;	  /* fd is ours to close */
	int flags;	  /* of the caller's description, to be put back; -1: unchanged */
};

/*
 * Takes `fd` as the way out; `limit` bounds the buffer. The description is often shared (a terminal with the shell), so a
 * private one is opened where the kernel lets us. 0; -EBADF: it is closed; -ENOMEM.
 */
int output_init(struct output *output, int fd, size_t limit);
void output_done(struct output *output);

/* Writes what goes: 0 (some may be left), -EPIPE: the reader has gone; another -errno. */
int output_flush(struct output *output);
/* The position behind all that was appended. */
uint64_t output_position(const struct output *output);

#endif
