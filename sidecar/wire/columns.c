// SPDX-License-Identifier: Apache-2.0
#include "wire/columns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_wide(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return true;
	default:
		return false;
	}
}

size_t column_packed_max(const ProtobufCFieldDescriptor *field)
{
	/* A negative int32 takes ten bytes, as an int64 does. */
	return is_wide(field) || field->type == PROTOBUF_C_TYPE_INT32 ||
			       field->type == PROTOBUF_C_TYPE_ENUM
		       ? 10
		       : 5;
}

size_t column_entry_size(const ProtobufCFieldDescriptor *field)
{
	return is_wide(field) ? sizeof(uint64_t) : sizeof(uint32_t);
}

static size_t entries_of(const enum column_role *roles, unsigned int i, size_t entries,
			 size_t flat_entries)
{
	return roles && column_is_flat(roles[i]) ? flat_entries : entries;
}

int columns_alloc(ProtobufCMessage *message, const enum column_role *roles, size_t entries,
		  size_t flat_entries)
{
	for (unsigned int i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		void **data = column_data(message, field);

		if (!column_is(field))
			continue;
		*data = calloc(entries_of(roles, i, entries, flat_entries),
			       column_entry_size(field));
		if (!*data)
			return -ENOMEM;
	}
	return 0;
}

void columns_free(ProtobufCMessage *message)
{
	for (unsigned int i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];

		if (column_is(field))
			free(*column_data(message, field));
	}
}

size_t columns_memory(const ProtobufCMessageDescriptor *type, const enum column_role *roles,
		      size_t entries, size_t flat_entries)
{
	size_t bytes = 0;

	for (unsigned int i = 0; i < type->n_fields; i++)
		if (column_is(&type->fields[i]))
			bytes += entries_of(roles, i, entries, flat_entries) *
				 column_entry_size(&type->fields[i]);
	return bytes;
}

static bool all_zero(const uint8_t *data, size_t length)
{
	uint64_t word = 0;

	/* Most columns are told by their first entry. Entries are 4 or 8 bytes wide. */
	for (; length >= sizeof(word); data += sizeof(word), length -= sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		if (word)
			return false;
	}
	memcpy(&word, data, length);
	return !word;
}

bool columns_whole(ProtobufCMessage *message, const enum column_role *roles, size_t n)
{
	for (unsigned int i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];

		if (column_is(field) && !column_is_flat(roles[i]) && *column_n(message, field) != n)
			return false;
	}
	return true;
}

size_t columns_trim(ProtobufCMessage *message)
{
	size_t left = 0;

	for (unsigned int i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		size_t *n;

		if (!column_is(field))
			continue;
		n = column_n(message, field);
		if (*n && all_zero(*column_data(message, field), *n * column_entry_size(field)))
			*n = 0;
		left += *n != 0;
	}
	return left;
}

void columns_set(ProtobufCMessage *message, size_t n)
{
	for (unsigned int i = 0; i < message->descriptor->n_fields; i++)
		if (column_is(&message->descriptor->fields[i]))
			*column_n(message, &message->descriptor->fields[i]) = n;
}
