// SPDX-License-Identifier: Apache-2.0
#include "wire/stack.h"

#include <string.h>

#include "ringside.pb-c.h"
#include "wire/kind.h"

size_t stack_pack(struct stack *stack, uint8_t ret_packed[static STACK_PACKED])
{
	Ringside__V1__Stack message = RINGSIDE__V1__STACK__INIT;

	message.n_name = message.n_offset = stack->count;
	message.name = stack->name;
	message.offset = stack->offset;
	return ringside__v1__stack__pack(&message, ret_packed);
}

/* What a stack of STACK_FRAMES unpacks to: its message and two arrays. Whatever is larger finds no room. */
struct room {
	size_t used;
	_Alignas(16) uint8_t data[sizeof(Ringside__V1__Stack) +
				  STACK_FRAMES * (sizeof(uint32_t) + sizeof(uint64_t)) + 64];
};

static void *take(void *context, size_t size)
{
	struct room *room = context;
	uint8_t *at = room->data + room->used;

	size = (size + 15) & ~(size_t)15;
	if (size > sizeof(room->data) - room->used)
		return NULL;
	room->used += size;
	memset(at, 0, size);
	return at;
}

static void give_back(void *context, void *data)
{
	(void)context;
	(void)data;
}

bool stack_unpack(const ProtobufCBinaryData *packed, struct stack *ret_stack)
{
	struct room room = {.used = 0};
	ProtobufCAllocator allocator = {take, give_back, &room};
	const Ringside__V1__Stack *message;

	ret_stack->count = 0;
	if (packed->len > STACK_PACKED)
		return false;
	message = ringside__v1__stack__unpack(&allocator, packed->len, packed->data);
	if (!message || message->n_offset > STACK_FRAMES ||
	    (message->n_name && message->n_name != message->n_offset))
		return false;
	ret_stack->count = message->n_offset;
	for (size_t i = 0; i < ret_stack->count; i++) {
		ret_stack->name[i] = COLUMN_AT(message, name, i);
		ret_stack->offset[i] = message->offset[i];
	}
	return true;
}
