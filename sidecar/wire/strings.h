/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A message's string table: each text once, entry 0 the empty one. All memory is allocated by strings_init; the texts are
 * forgotten by strings_clear in constant time.
 */
#ifndef RINGSIDE_WIRE_STRINGS_H
#define RINGSIDE_WIRE_STRINGS_H

#include <stddef.h>
#include <stdint.h>
#include <protobuf-c/protobuf-c.h>

struct strings_slot {
	uint32_t hash;
	uint16_t generation; /* the slot is empty unless it is the table's */
	uint16_t index;
};

struct strings {
	ProtobufCBinaryData *entries; /* count of them, ready to be packed */
	uint32_t count;
	uint32_t max_entries;
	uint8_t *bytes;
	size_t used;
	size_t max_bytes;
	struct strings_slot *slots;
	uint32_t slot_mask;
	uint16_t generation;
	uint64_t seed; /* the observed choose the texts: they must not choose the collisions */
};

/* `max_entries`: a power of two, at most 32768. 0 or -ENOMEM; strings_done in either case. */
int strings_init(struct strings *strings, uint32_t max_entries, size_t max_bytes);
void strings_done(struct strings *strings);
size_t strings_memory(uint32_t max_entries, size_t max_bytes);

/* The index of a text; 0 also where there is no room. */
uint32_t strings_add(struct strings *strings, const void *text, size_t length);
void strings_clear(struct strings *strings);

/* A cheap hash of two words. */
static inline uint64_t strings_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product =
		(unsigned __int128)(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xe7037ed1a0b428dbu);

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#endif
