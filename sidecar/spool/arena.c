// SPDX-License-Identifier: Apache-2.0
#include "spool/arena.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#define ALIGN 16u

struct arena_block {
	uint32_t size;	      /* header included */
	uint32_t size_before; /* 0: the first block */
	uint32_t used;
	uint32_t reserved;
	/* Only while the block is free: these lie in its payload. */
	struct arena_block *next, *prev;
};

#define HEADER offsetof(struct arena_block, next)
_Static_assert(HEADER == ALIGN, "payloads are aligned");

size_t arena_cost(size_t length)
{
	size_t size = HEADER + ((length + ALIGN - 1) & ~(size_t)(ALIGN - 1));

	return size < sizeof(struct arena_block) ? sizeof(struct arena_block) : size;
}

static struct arena_block *block_of(void *payload)
{
	return (struct arena_block *)(void *)((uint8_t *)payload - HEADER);
}

static struct arena_block *block_after(const struct arena *arena, struct arena_block *block)
{
	uint8_t *after = (uint8_t *)block + block->size;

	return after < arena->data + arena->bytes ? (struct arena_block *)(void *)after : NULL;
}

static void list_add(struct arena *arena, struct arena_block *block)
{
	block->used = 0;
	block->prev = NULL;
	block->next = arena->free;
	if (arena->free)
		arena->free->prev = block;
	arena->free = block;
}

static void list_remove(struct arena *arena, struct arena_block *block)
{
	if (block->prev)
		block->prev->next = block->next;
	else
		arena->free = block->next;
	if (block->next)
		block->next->prev = block->prev;
}

static void block_resize(const struct arena *arena, struct arena_block *block, size_t size)
{
	struct arena_block *after;

	block->size = (uint32_t)size;
	after = block_after(arena, block);
	if (after)
		after->size_before = (uint32_t)size;
}

int arena_init(struct arena *arena, size_t bytes)
{
	struct arena_block *block;

	*arena = (struct arena){0};
	bytes &= ~(size_t)(ALIGN - 1);
	if (bytes < sizeof(*block) || bytes > INT32_MAX)
		return -EINVAL;
	arena->data = malloc(bytes);
	if (!arena->data)
		return -ENOMEM;
	arena->bytes = bytes;
	block = (struct arena_block *)(void *)arena->data;
	block->size = (uint32_t)bytes;
	block->size_before = 0;
	list_add(arena, block);
	return 0;
}

void arena_done(struct arena *arena)
{
	free(arena->data);
	*arena = (struct arena){0};
}

/* Cuts a block in use down to `size`; what is over becomes a free block of its own, if it can hold one. */
static void block_split(struct arena *arena, struct arena_block *block, size_t size)
{
	struct arena_block *rest, *after;
	size_t over = block->size - size;

	if (over < sizeof(*block))
		return;
	rest = (struct arena_block *)(void *)((uint8_t *)block + size);
	block->size = (uint32_t)size;
	rest->size_before = (uint32_t)size;
	block_resize(arena, rest, over);
	after = block_after(arena, rest);
	if (after && !after->used) {
		list_remove(arena, after);
		block_resize(arena, rest, over + after->size);
	}
	list_add(arena, rest);
}

void *arena_alloc(struct arena *arena, size_t length)
{
	struct arena_block *block;
	size_t size = arena_cost(length);

	if (length > arena->bytes)
		return NULL;
	for (block = arena->free; block; block = block->next) {
		if (block->size < size)
			continue;
		list_remove(arena, block);
		block->used = 1;
		block_split(arena, block, size);
		return (uint8_t *)block + HEADER;
	}
	return NULL;
}

void arena_release(struct arena *arena, void *payload)
{
	struct arena_block *block = block_of(payload);
	struct arena_block *after = block_after(arena, block);
	struct arena_block *before = NULL;

	if (block->size_before)
		before = (struct arena_block *)(void *)((uint8_t *)block - block->size_before);
	if (after && !after->used) {
		list_remove(arena, after);
		block_resize(arena, block, (size_t)block->size + after->size);
	}
	if (before && !before->used) {
		block_resize(arena, before, (size_t)before->size + block->size);
		return;
	}
	list_add(arena, block);
}

void arena_shrink(struct arena *arena, void *payload, size_t length)
{
	struct arena_block *block = block_of(payload);
	size_t size = arena_cost(length);

	if (size < block->size)
		block_split(arena, block, size);
}
