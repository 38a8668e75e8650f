/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bounded queue of finished frames between the reader (pushes) and the sender (peeks, releases): the only thing the two
 * threads share. Frames stay until they are acknowledged. When the byte budget is full, the oldest unsent sample
 * batch goes first, then lifecycle; what goes is remembered as a gap that takes its place. Counters and accounting are latest-value
 * slots: a new one replaces the older. Every function may be called from either thread; none blocks but for the lock.
 */
#ifndef RINGSIDE_SPOOL_QUEUE_H
#define RINGSIDE_SPOOL_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/queued.h"

struct queue;

/*
 * Allocates its arena of `bytes` at once; samples never hold more than three quarters of it. NULL: no memory, or no room for
 * one small frame.
 */
struct queue *queue_new(size_t bytes);
void queue_free(struct queue *queue);
/* An eventfd that is readable when something was pushed since queue_next had nothing; owned by the queue, read by the sender. */
int queue_fd(const struct queue *queue);

/* Copies the frame in; never blocks, never fails: where there is no room, older frames become gaps (or this one does). */
void queue_push_batch(struct queue *queue, uint32_t stream, uint64_t first, uint64_t last,
		      const uint8_t *data, size_t length);
/* Records that were taken and could not be framed: they become a gap. */
void queue_push_gap(struct queue *queue, uint32_t stream, uint64_t first, uint64_t last,
		    uint32_t cause);
/* One snapshot: any number of frames, which stay together. False: it is larger than the queue; the one before is gone too. */
bool queue_push_counters(struct queue *queue, const uint8_t *data, size_t length);
bool queue_push_heartbeat(struct queue *queue, const uint8_t *data, size_t length);

/* The next frame not yet handed out since the last rewind; false: none. */
bool queue_next(struct queue *queue, struct queue_frame *ret_frame);
/* Sequence numbers below next_seq of the stream are acknowledged: their frames and gaps leave. */
void queue_ack(struct queue *queue, uint32_t stream, uint64_t next_seq);
/* A connection was lost: hand out again from the oldest that is not acknowledged. */
void queue_rewind(struct queue *queue);

/* Lowest sequence number not acknowledged, and records evicted by cause (index cause - 1), of one stream. */
uint64_t queue_unacked(const struct queue *queue, uint32_t stream);
void queue_evicted(const struct queue *queue, uint32_t stream, uint64_t ret_by_cause[2]);
/* Everything pushed so far is acknowledged; counters and accounting: handed out. */
bool queue_empty(const struct queue *queue);

#endif
