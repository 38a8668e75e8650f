// SPDX-License-Identifier: Apache-2.0
#include "wire/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"

#define ARENA_ALIGN 16
#define ARENA_KEEP  (2 * 1024 * 1024) /* pages past this go back to the kernel after use */

struct frame_arena {
	uint8_t *base;
	size_t used;
	size_t cap;
	ProtobufCAllocator allocator;
};

long frame_next(const uint8_t *data, size_t length, size_t cap, const uint8_t **ret_message,
		size_t *ret_length)
{
	uint64_t value = 0;
	size_t at = 0;
	uint8_t byte;

	do {
		if (at == FRAME_PREFIX_MAX)
			return -EBADMSG;
		if (at == length)
			return 0;
		byte = data[at];
		value |= (uint64_t)(byte & 0x7f) << (7 * at);
		at++;
	} while (byte & 0x80);
	if ((at > 1 && !byte) || !value)
		return -EBADMSG;
	if (value > cap)
		return -EMSGSIZE;
	if (value > length - at)
		return 0;
	*ret_message = data + at;
	*ret_length = (size_t)value;
	return (long)(at + value);
}

static size_t put_prefix(uint8_t *at, size_t size)
{
	size_t length = 0;

	for (; size >= 0x80; size >>= 7)
		at[length++] = (uint8_t)(size | 0x80);
	at[length++] = (uint8_t)size;
	return length;
}

int frame_put(struct buf *out, const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	uint8_t *at;
	int err;

	err = buf_reserve(out, size + FRAME_PREFIX_MAX);
	if (err)
		return err;
	at = out->data + out->tail;
	at += put_prefix(at, size);
	at += protobuf_c_message_pack(message, at);
	out->tail = (size_t)(at - out->data);
	return 0;
}

int frame_put_bounded(struct buf *out, const ProtobufCMessage *message, size_t bound)
{
	uint8_t prefix[FRAME_PREFIX_MAX], *at;
	size_t size, length;
	int err;

	err = buf_reserve(out, bound + FRAME_PREFIX_MAX);
	if (err)
		return err;
	at = out->data + out->tail;
	size = protobuf_c_message_pack(message, at + FRAME_PREFIX_MAX);
	length = put_prefix(prefix, size);
	memcpy(at, prefix, length);
	memmove(at + length, at + FRAME_PREFIX_MAX, size);
	out->tail += length + size;
	return 0;
}

static void *arena_alloc(void *context, size_t size)
{
	struct frame_arena *arena = context;
	uint8_t *at = arena->base + arena->used;

	if (size > arena->cap - arena->used)
		return NULL;
	size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	arena->used = size > arena->cap - arena->used ? arena->cap : arena->used + size;
	return at;
}

static void arena_release(void *context, void *data)
{
	(void)context;
	(void)data;
}

struct frame_arena *frame_arena_new(size_t cap)
{
	struct frame_arena *arena = calloc(1, sizeof(*arena));

	if (!arena)
		return NULL;
	arena->cap = cap;
	arena->base = mmap(NULL, cap, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (arena->base == MAP_FAILED) {
		free(arena);
		return NULL;
	}
	arena->allocator = (ProtobufCAllocator){
		.alloc = arena_alloc,
		.free = arena_release,
		.allocator_data = arena,
	};
	return arena;
}

void frame_arena_free(struct frame_arena *arena)
{
	if (!arena)
		return;
	munmap(arena->base, arena->cap);
	free(arena);
}

/*
 * Memory must be zero when it is handed out: where unpacking fails half-way, protobuf-c walks the half-built message.
 */
static void arena_reset(struct frame_arena *arena)
{
	size_t kept = arena->used < ARENA_KEEP ? arena->used : ARENA_KEEP;

	memset(arena->base, 0, kept);
	if (arena->used > kept)
		madvise(arena->base + kept, arena->used - kept, MADV_DONTNEED);
	arena->used = 0;
}

ProtobufCMessage *frame_unpack(struct frame_arena *arena, const ProtobufCMessageDescriptor *type,
			       const uint8_t *data, size_t length)
{
	arena_reset(arena);
	return protobuf_c_message_unpack(type, &arena->allocator, length, data);
}
