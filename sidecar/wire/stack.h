/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stack as one entry of a message's string table: a packed `Stack` (see proto/ringside.proto), so that equal stacks of a batch are
 * there once. Nothing is allocated on the heap.
 */
#ifndef RINGSIDE_WIRE_STACK_H
#define RINGSIDE_WIRE_STACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <protobuf-c/protobuf-c.h>

#define STACK_FRAMES 64 /* more are neither written nor read */

/* Frames, innermost first. */
struct stack {
	size_t count;
	uint32_t
		name[STACK_FRAMES]; /* indexes into the string table; 0: the offset is an address */
	uint64_t offset[STACK_FRAMES];
};

#define STACK_PACKED (STACK_FRAMES * 15 + 16) /* bytes, at most */

/* Returns the length. */
size_t stack_pack(struct stack *stack, uint8_t ret_packed[static STACK_PACKED]);
/* Of any bytes that a peer sent. False: they are no stack that we would write; it is left empty. */
bool stack_unpack(const ProtobufCBinaryData *packed, struct stack *ret_stack);

#endif
