// SPDX-License-Identifier: Apache-2.0
/*
 * Takes the place of musl's memmove, which on x86-64 copies backwards by `std; rep movsq`, a word at a time in microcode.
 * protobuf-c packs a nested message behind a one-byte length and then moves it up to make room for the real one, so each
 * batch is moved twice by a few bytes: a tenth of the reader's time.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct block {
	uint64_t words[8];
};

static void move_down(uint8_t *to, const uint8_t *from, size_t length)
{
	struct block block;

	for (; length >= sizeof(block); length -= sizeof(block)) {
		__builtin_memcpy(&block, from, sizeof(block));
		__builtin_memcpy(to, &block, sizeof(block));
		from += sizeof(block);
		to += sizeof(block);
	}
	while (length--)
		*to++ = *from++;
}

static void move_up(uint8_t *to, const uint8_t *from, size_t length)
{
	struct block block;

	while (length >= sizeof(block)) {
		length -= sizeof(block);
		__builtin_memcpy(&block, from + length, sizeof(block));
		__builtin_memcpy(to + length, &block, sizeof(block));
	}
	while (length) {
		length--;
		to[length] = from[length];
	}
}

void *memmove(void *to, const void *from, size_t length)
{
	if ((uintptr_t)to - (uintptr_t)from >= length)
		move_down(to, from, length);
	else
		move_up(to, from, length);
	return to;
}
