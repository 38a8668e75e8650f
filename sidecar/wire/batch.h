/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Builds Batch messages: records in, columns out. All memory is allocated by batch_new; appending and packing allocate
 * nothing. One batch is being filled at a time; one thread uses it.
 *
 *   records --batch_append--> [columns | string table | cgroup table] --batch_seal--> one delimited AgentFrame
 */
#ifndef RINGSIDE_WIRE_BATCH_H
#define RINGSIDE_WIRE_BATCH_H

#include <stdint.h>
#include <stddef.h>

#include "wire/cgroup_table.h"
#include "wire/kind.h"

#define BATCH_RECORDS	   4096		 /* at most, in one batch */
#define BATCH_FLAT	   16384	 /* entries of a flat column, at most */
#define BATCH_STRING_BYTES (256 * 1024)	 /* of the string table, at most */
#define FRAME_MAX	   (1024 * 1024) /* hard cap of one frame, without its length prefix */

struct buf;

/* `kinds` is a NULL-ended list, borrowed for the batch's life. NULL: no memory. */
struct batch *batch_new(uint32_t stream, const struct wire_kind *const *kinds,
			struct cgroup_namer namer);
void batch_free(struct batch *batch);

/*
 * 0; -ENOSPC: no room, nothing was appended: seal and try again; -EBADMSG: the record contradicts itself or is of no
 * known kind.
 */
int batch_append(struct batch *batch, const struct event_header *event);

/* For a kind's append: the index of a text in the string table. There is room for one record's texts. */
uint32_t batch_string(struct batch *batch, const void *text, size_t length);

/* The same for a text that never changes or moves: where records repeat it, one comparison of pointers. */
uint32_t batch_literal(struct batch *batch, const char *literal);

uint32_t batch_count(const struct batch *batch);

/*
 * Packs what was appended as one delimited AgentFrame onto `out` (room for FRAME_MAX + 5 bytes), as records first_seq on, and
 * empties the batch. realtime_offset: CLOCK_REALTIME - CLOCK_BOOTTIME in ns. -EMSGSIZE: past FRAME_MAX (can't be with the
 * limits above); the batch is emptied all the same.
 */
int batch_seal(struct batch *batch, uint64_t first_seq, int64_t realtime_offset, struct buf *out);

/* Bytes that batch_new allocates for these kinds: for the memory budget. */
size_t batch_memory(const struct wire_kind *const *kinds);

#endif
