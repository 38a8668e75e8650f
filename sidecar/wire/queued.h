/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame on its way from the reader to the sender, as the queue hands it out: spool/ fills it, net/ sends it. `data` is
 * borrowed from the queue until the frame is acknowledged or the queue is rewound; that of counters and heartbeats only
 * until the next frame is asked for.
 */
#ifndef RINGSIDE_WIRE_QUEUED_H
#define RINGSIDE_WIRE_QUEUED_H

#include <stddef.h>
#include <stdint.h>

#define QUEUE_STREAMS 2

enum queue_item {
	QUEUE_BATCH,	 /* sequenced: stream, first, last */
	QUEUE_GAP,	 /* sequenced */
	QUEUE_COUNTERS,	 /* latest value */
	QUEUE_HEARTBEAT, /* latest value, sent after all batches pushed before it */
};

/* Cause of a gap, as in the Gap message. */
enum gap_cause {
	GAP_QUEUE_FULL = 1,
	GAP_OVERSIZE = 2,
};
#define GAP_CAUSES 2

struct queue_frame {
	enum queue_item item;
	uint32_t stream;
	uint64_t first, last; /* sequence numbers, both included */
	const uint8_t *data; /* a whole delimited AgentFrame; NULL for QUEUE_GAP (cause says why) */
	size_t length;
	uint32_t cause;
	uint64_t ticket; /* order of pushing */
};

#endif
