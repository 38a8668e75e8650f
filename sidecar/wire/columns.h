/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The packed repeated fields of any message, seen as columns: by its descriptor, so that wire/ needs to know no kind. Other
 * fields of the message are left alone.
 */
#ifndef RINGSIDE_WIRE_COLUMNS_H
#define RINGSIDE_WIRE_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/kind.h"

static inline bool column_is(const ProtobufCFieldDescriptor *field)
{
	return field->label == PROTOBUF_C_LABEL_REPEATED &&
	       field->flags & PROTOBUF_C_FIELD_FLAG_PACKED;
}

static inline bool column_is_flat(enum column_role role)
{
	return role == COLUMN_FLAT || role == COLUMN_FLAT_STRING;
}

/* Its number of entries, and its array. */
static inline size_t *column_n(void *message, const ProtobufCFieldDescriptor *field)
{
	return (size_t *)((char *)message + field->quantifier_offset);
}

static inline void **column_data(void *message, const ProtobufCFieldDescriptor *field)
{
	return (void **)((char *)message + field->offset);
}

/* Most bytes that one entry takes when packed, and in memory. */
size_t column_packed_max(const ProtobufCFieldDescriptor *field);
size_t column_entry_size(const ProtobufCFieldDescriptor *field);

/*
 * Allocates the columns of an initialised message: `entries` each, `flat_entries` where the role (NULL: none has one) is
 * flat. -ENOMEM: columns_free what there is.
 */
int columns_alloc(ProtobufCMessage *message, const enum column_role *roles, size_t entries,
		  size_t flat_entries);
void columns_free(ProtobufCMessage *message);
size_t columns_memory(const ProtobufCMessageDescriptor *type, const enum column_role *roles,
		      size_t entries, size_t flat_entries);

/* Leaves columns that hold only zeros out of the message (n = 0; the array stays). Returns how many are left. */
/* Whether each column that is not flat has `n` entries: a kind that forgets one shifts all values after it. */
bool columns_whole(ProtobufCMessage *message, const enum column_role *roles, size_t n);
size_t columns_trim(ProtobufCMessage *message);
/* Sets the number of entries of each column. */
void columns_set(ProtobufCMessage *message, size_t n);

#endif
