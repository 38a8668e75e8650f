/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocks of any size out of one fixed piece of memory: what the queue keeps its frames in. First fit, neighbours that are
 * free are joined at once. Pointers are aligned to 16 bytes. Not thread-safe.
 *
 *   | header | payload ... | header | payload ... |     header: own size, size of the block before, in use
 */
#ifndef RINGSIDE_SPOOL_ARENA_H
#define RINGSIDE_SPOOL_ARENA_H

#include <stddef.h>
#include <stdint.h>

struct arena_block;

struct arena {
	uint8_t *data;
	size_t bytes;
	struct arena_block *free; /* blocks not in use, in no order */
};

/* 0; -ENOMEM; -EINVAL: fewer bytes than a block needs, or more than 2 GiB. */
int arena_init(struct arena *arena, size_t bytes);
void arena_done(struct arena *arena);

/* NULL: no block of free memory is as large. */
void *arena_alloc(struct arena *arena, size_t length);
void arena_release(struct arena *arena, void *payload);
/* Gives the end of a block back; the payload stays where it is. */
void arena_shrink(struct arena *arena, void *payload, size_t length);
/* What a block of this payload takes, header and rounding included. */
size_t arena_cost(size_t length);

#endif
