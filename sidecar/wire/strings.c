// SPDX-License-Identifier: Apache-2.0
#include "wire/strings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SLOTS_AN_ENTRY 2

int strings_init(struct strings *strings, uint32_t max_entries, size_t max_bytes)
{
	*strings = (struct strings){
		.max_entries = max_entries,
		.max_bytes = max_bytes,
		.slot_mask = max_entries * SLOTS_AN_ENTRY - 1,
	};
	strings->entries = calloc(max_entries, sizeof(*strings->entries));
	strings->bytes = calloc(max_bytes, 1);
	strings->slots = calloc((size_t)max_entries * SLOTS_AN_ENTRY, sizeof(*strings->slots));
	if (!strings->entries || !strings->bytes || !strings->slots)
		return -ENOMEM;
	strings->entries[0].data = strings->bytes; /* empty, but no NULL for memcpy */
	if (getrandom(&strings->seed, sizeof(strings->seed), GRND_NONBLOCK) !=
	    sizeof(strings->seed))
		strings->seed = (uintptr_t)strings->entries;
	strings_clear(strings);
	return 0;
}

void strings_done(struct strings *strings)
{
	free(strings->entries);
	free(strings->bytes);
	free(strings->slots);
	*strings = (struct strings){0};
}

size_t strings_memory(uint32_t max_entries, size_t max_bytes)
{
	return max_bytes + max_entries * (sizeof(ProtobufCBinaryData) +
					  SLOTS_AN_ENTRY * sizeof(struct strings_slot));
}

static uint64_t load(const uint8_t *at, size_t length)
{
	uint64_t word = 0;

	memcpy(&word, at, length);
	return word;
}

/* Words of 8 bytes; the last two may overlap. */
static uint32_t hash_text(uint64_t seed, const uint8_t *at, size_t length)
{
	uint64_t hash = seed ^ length, first, last;

	for (; length > 16; at += 16, length -= 16)
		hash = strings_mix(load(at, 8) ^ hash, load(at + 8, 8));
	if (length >= 8) {
		first = load(at, 8);
		last = load(at + length - 8, 8);
	} else if (length >= 4) {
		first = load(at, 4);
		last = load(at + length - 4, 4);
	} else {
		first = (uint64_t)at[0] << 8 | at[length - 1];
		last = at[length / 2];
	}
	hash = strings_mix(first ^ hash, last ^ seed);
	return (uint32_t)(hash ^ hash >> 32);
}

uint32_t strings_add(struct strings *strings, const void *text, size_t length)
{
	ProtobufCBinaryData *entry;
	struct strings_slot *slot;
	uint32_t hash, at;

	if (!length)
		return 0;
	hash = hash_text(strings->seed, text, length);
	for (at = hash & strings->slot_mask;; at = (at + 1) & strings->slot_mask) {
		slot = &strings->slots[at];
		if (slot->generation != strings->generation)
			break;
		entry = &strings->entries[slot->index];
		if (slot->hash == hash && entry->len == length &&
		    !memcmp(entry->data, text, length))
			return slot->index;
	}
	if (strings->count == strings->max_entries || length > strings->max_bytes - strings->used)
		return 0;
	*slot = (struct strings_slot){hash, strings->generation, (uint16_t)strings->count};
	entry = &strings->entries[strings->count];
	entry->data = strings->bytes + strings->used;
	entry->len = length;
	memcpy(entry->data, text, length);
	strings->used += length;
	return strings->count++;
}

void strings_clear(struct strings *strings)
{
	strings->count = 1;
	strings->used = 0;
	strings->generation++;
	if (strings->generation)
		return;
	/* Once in 65,536 times, the slots of the first generation would look alive again. */
	memset(strings->slots, 0, ((size_t)strings->slot_mask + 1) * sizeof(*strings->slots));
	strings->generation = 1;
}
