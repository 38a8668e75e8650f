/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each stream is a list of entries in sequence order, kept in the arena; the cursor is the first that was not handed out.
 *
 *   head                     cursor                     tail
 *    | handed out: stay put ...| may be evicted ...       |
 *
 * A gap may grow at its end even after it was handed out: `given` is what of it went out on this connection, `shown` what ever
 * did. What is acknowledged of a gap and was never shown had arrived as records: it does not count as evicted.
 *
 * For queue.c alone, which holds the lock.
 */
#ifndef RINGSIDE_SPOOL_ENTRY_H
#define RINGSIDE_SPOOL_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spool/arena.h"
#include "wire/queued.h"

struct entry {
	struct entry *next, *prev;
	uint64_t first, last;
	uint64_t ticket;
	uint64_t given, shown; /* of a gap: first sequence number past what went out */
	uint32_t length;       /* of data; 0: a gap */
	uint32_t cause;
	uint8_t data[];
};

struct stream {
	struct entry *head, *tail, *cursor;
	uint64_t unacked;
	uint64_t pushed; /* next_seq of what was pushed */
	uint64_t evicted[GAP_CAUSES];
	size_t used; /* of the arena */
	size_t limit;
	/* The gap that no memory was left for; in use only while it is the tail. */
	struct entry spare;
};

struct entries {
	struct arena arena;
	struct stream streams[QUEUE_STREAMS];
	uint64_t ticket;
};

/*
 * Memory for an entry of this stream, made by evicting where it must: samples give way to lifecycle, never the reverse. NULL: what
 * is left may not be evicted.
 */
struct entry *entry_new(struct entries *entries, uint32_t stream, size_t length);
void entry_free(struct entries *entries, uint32_t stream, struct entry *entry);

/* Neither fails: what has no room becomes a gap, and a gap always has. */
void entries_put_batch(struct entries *entries, uint32_t stream, uint64_t first, uint64_t last,
		       const uint8_t *data, size_t length);
void entries_put_gap(struct entries *entries, uint32_t stream, uint64_t first, uint64_t last,
		     uint32_t cause);
/* Hands the cursor's entry out. */
void entries_give(struct entries *entries, uint32_t stream, struct queue_frame *ret_frame);
void entries_ack(struct entries *entries, uint32_t stream, uint64_t next_seq);
void entries_rewind(struct entries *entries);

#endif
