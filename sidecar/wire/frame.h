/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delimited frames: a varint length (at most 5 bytes, shortest form), then that many bytes of one protobuf message.
 *
 *   +----------------+---------------------------+
 *   | varint length  | message (1 .. cap bytes)  |
 *   +----------------+---------------------------+
 */
#ifndef RINGSIDE_WIRE_FRAME_H
#define RINGSIDE_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>
#include <protobuf-c/protobuf-c.h>

struct buf;

#define FRAME_PREFIX_MAX 5

/*
 * Looks for one frame at the start of `data`. Returns its whole length with prefix and sets ret_message, ret_length; 0: more
 * bytes are needed; -EBADMSG: overlong varint or length 0; -EMSGSIZE: past `cap`.
 */
long frame_next(const uint8_t *data, size_t length, size_t cap, const uint8_t **ret_message,
		size_t *ret_length);

/* Appends a message with its prefix. -ENOSPC: no room. */
int frame_put(struct buf *out, const ProtobufCMessage *message);
/* The same for a message that is known to pack to `bound` bytes at most: it is not measured first. */
int frame_put_bounded(struct buf *out, const ProtobufCMessage *message, size_t bound);

/*
 * Unpacks through an arena: zeroed memory, a hard cap, all of it given back at once. protobuf-c bounds neither recursion nor the
 * memory that small unknown fields take.
 */
#define FRAME_ARENA                                                                                \
	(16 * 1024 *                                                                               \
	 1024) /* a cap that every frame of ours keeps: entries take eight times their bytes at most */
struct frame_arena *frame_arena_new(size_t cap);
void frame_arena_free(struct frame_arena *arena);
/* NULL: malformed, or past the cap. The message lives until the next unpack or free; never call free_unpacked on it. */
ProtobufCMessage *frame_unpack(struct frame_arena *arena, const ProtobufCMessageDescriptor *type,
			       const uint8_t *data, size_t length);

#endif
