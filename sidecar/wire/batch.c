// SPDX-License-Identifier: Apache-2.0
#include "wire/batch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "event.h"
#include "ringside.pb-c.h"
#include "wire/columns.h"
#include "wire/frame.h"
#include "wire/strings.h"

#define RECORD_MAX     (64 * 1024) /* longest record */
#define RECORD_STRINGS (KIND_FLAT + 64)
#define RECORD_TEXT_EXTRA                                                                          \
	1024 /* texts of a record that are not in it: its cgroup's, its call's name */
#define BATCH_STRINGS 16384
#define COMM_CACHE    64

/*
 * A batch is full before its frame can pass the cap: `worst` bounds what its records pack to, and one more record adds at
 * most a few flat columns of KIND_FLAT entries. Texts that many records share are packed once but printed with each: so
 * the records themselves are bounded too.
 */
#define WORST_MAX	 (FRAME_MAX / 2)
#define RECORD_BYTES_MAX (1024 * 1024)

struct kind_columns {
	const struct wire_kind *kind;
	ProtobufCMessage *columns;
	ProtobufCMessage **field;    /* where the Batch message points to it */
	const size_t *flat_n;	     /* entries of its flat columns; NULL: it has none */
	size_t scalar_max, flat_max; /* most bytes of a record, and of a flat entry, when packed */
	uint32_t count;
};

struct comm_entry {
	uint64_t words[2];
	uint32_t index; /* 0: empty */
};

struct batch {
	Ringside__V1__Batch message;
	struct cgroup_table cgroups;
	struct strings strings;
	uint32_t count;
	uint64_t last_time;
	size_t flat; /* entries of the longest flat columns */
	size_t worst;
	size_t record_bytes;
	size_t common_max;

	struct comm_entry comms[COMM_CACHE];
	const char *last_literal; /* NULL: none in this batch */
	uint32_t last_literal_index;

	struct kind_columns *by_number[KINDS_MAX];
	struct kind_columns kinds[KINDS_MAX];
	size_t kind_count;
};

static int kind_init(struct batch *batch, struct kind_columns *to, const struct wire_kind *kind)
{
	const ProtobufCMessageDescriptor *type = kind->columns;
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(
		&ringside__v1__batch__descriptor, kind->batch_field);

	assert(kind->number < KINDS_MAX && field && field->descriptor == type);
	to->kind = kind;
	to->field = (ProtobufCMessage **)((char *)&batch->message + field->offset);
	to->columns = calloc(1, type->sizeof_message);
	if (!to->columns)
		return -ENOMEM;
	protobuf_c_message_init(type, to->columns);
	for (unsigned int i = 0; i < type->n_fields; i++) {
		if (column_is_flat(kind->roles[i])) {
			to->flat_n = column_n(to->columns, &type->fields[i]);
			to->flat_max += column_packed_max(&type->fields[i]);
		} else {
			to->scalar_max += column_packed_max(&type->fields[i]);
		}
	}
	return columns_alloc(to->columns, kind->roles, BATCH_RECORDS, BATCH_FLAT);
}

struct batch *batch_new(uint32_t stream, const struct wire_kind *const *kinds,
			struct cgroup_namer namer)
{
	struct batch *batch = calloc(1, sizeof(*batch));
	const ProtobufCMessageDescriptor *type = &ringside__v1__batch__descriptor;

	if (!batch)
		return NULL;
	ringside__v1__batch__init(&batch->message);
	batch->message.stream = stream;
	batch->message.cgroups = &batch->cgroups.message;
	for (unsigned int i = 0; i < type->n_fields; i++)
		if (column_is(&type->fields[i]))
			batch->common_max += column_packed_max(&type->fields[i]);
	if (strings_init(&batch->strings, BATCH_STRINGS, BATCH_STRING_BYTES) ||
	    columns_alloc(&batch->message.base, NULL, BATCH_RECORDS, 0) ||
	    cgroup_table_init(&batch->cgroups, &batch->strings, namer))
		goto fail;
	for (; kinds[batch->kind_count]; batch->kind_count++) {
		struct kind_columns *kind = &batch->kinds[batch->kind_count];

		assert(batch->kind_count < KINDS_MAX);
		if (kind_init(batch, kind, kinds[batch->kind_count])) {
			batch->kind_count++;
			goto fail;
		}
		batch->by_number[kind->kind->number] = kind;
	}
	batch->message.strings = batch->strings.entries;
	return batch;
fail:
	batch_free(batch);
	return NULL;
}

void batch_free(struct batch *batch)
{
	if (!batch)
		return;
	for (size_t i = 0; i < batch->kind_count; i++) {
		if (batch->kinds[i].columns)
			columns_free(batch->kinds[i].columns);
		free(batch->kinds[i].columns);
	}
	cgroup_table_done(&batch->cgroups);
	columns_free(&batch->message.base);
	strings_done(&batch->strings);
	free(batch);
}

size_t batch_memory(const struct wire_kind *const *kinds)
{
	size_t bytes = sizeof(struct batch) + strings_memory(BATCH_STRINGS, BATCH_STRING_BYTES);

	bytes += columns_memory(&ringside__v1__batch__descriptor, NULL, BATCH_RECORDS, 0);
	bytes += cgroup_table_memory();
	for (; *kinds; kinds++)
		bytes += (*kinds)->columns->sizeof_message +
			 columns_memory((*kinds)->columns, (*kinds)->roles, BATCH_RECORDS,
					BATCH_FLAT);
	return bytes;
}

uint32_t batch_string(struct batch *batch, const void *text, size_t length)
{
	return strings_add(&batch->strings, text, length);
}

uint32_t batch_literal(struct batch *batch, const char *literal)
{
	if (batch->last_literal != literal) {
		batch->last_literal_index = strings_add(&batch->strings, literal, strlen(literal));
		batch->last_literal = literal;
	}
	return batch->last_literal_index;
}

uint32_t batch_count(const struct batch *batch)
{
	return batch->count;
}

/* Names hardly change from record to record: a small cache by their 16 bytes spares the string table's hash. */
static uint32_t comm_index(struct batch *batch, const char comm[static EVENT_COMM])
{
	struct comm_entry *entry;
	uint64_t words[2];

	memcpy(words, comm, sizeof(words));
	entry = &batch->comms[strings_mix(words[0], words[1]) % COMM_CACHE];
	if (entry->words[0] == words[0] && entry->words[1] == words[1] && entry->index)
		return entry->index;
	*entry = (struct comm_entry){
		.words = {words[0], words[1]},
		.index = strings_add(&batch->strings, comm, strnlen(comm, EVENT_COMM)),
	};
	return entry->index;
}

static bool has_room(const struct batch *batch, uint32_t length)
{
	return batch->count < BATCH_RECORDS && batch->worst + batch->strings.used < WORST_MAX &&
	       batch->flat + KIND_FLAT <= BATCH_FLAT &&
	       batch->strings.count + RECORD_STRINGS <= BATCH_STRINGS &&
	       batch->strings.used + length + RECORD_TEXT_EXTRA <= BATCH_STRING_BYTES &&
	       batch->cgroups.count < CGROUP_TABLE_MAX &&
	       batch->record_bytes + length <= RECORD_BYTES_MAX;
}

static void append_common(struct batch *batch, const struct event_header *event)
{
	Ringside__V1__Batch *to = &batch->message;
	const uint32_t i = batch->count;

	if (!i)
		batch->last_time = to->base_time = event->time_ns;
	to->kind[i] = event->kind;
	to->time_delta[i] = (int64_t)(event->time_ns - batch->last_time);
	to->tgid[i] = event->tgid;
	to->tid_delta[i] = (int32_t)(event->tid - event->tgid);
	to->ns_tgid[i] = event->ns_tgid;
	to->ns_tid[i] = event->ns_tid;
	to->cgroup[i] = cgroup_table_index(&batch->cgroups, event->cgroup_id, event->hierarchy);
	to->comm[i] = comm_index(batch, event->comm);
	to->cpu[i] = event->cpu;
	to->flags[i] = event->flags;
	batch->last_time = event->time_ns;
	batch->count = i + 1;
}

int batch_append(struct batch *batch, const struct event_header *event)
{
	struct kind_columns *kind;
	size_t flat = 0;
	int err;

	if (event->length < sizeof(*event) || event->length > RECORD_MAX ||
	    event->kind >= KINDS_MAX)
		return -EBADMSG;
	kind = batch->by_number[event->kind];
	if (!kind)
		return -EBADMSG;
	if (!has_room(batch, event->length))
		return -ENOSPC;
	if (kind->flat_n)
		flat = *kind->flat_n;
	err = kind->kind->append(batch, kind->columns, event);
	if (err)
		return err;
	kind->count++;
	batch->worst += batch->common_max + kind->scalar_max;
	if (kind->flat_n) {
		batch->worst += (*kind->flat_n - flat) * kind->flat_max;
		if (*kind->flat_n > batch->flat)
			batch->flat = *kind->flat_n;
	}
	batch->record_bytes += event->length;
	append_common(batch, event);
	return 0;
}

static void clear(struct batch *batch)
{
	for (size_t i = 0; i < batch->kind_count; i++) {
		columns_set(batch->kinds[i].columns, 0);
		batch->kinds[i].count = 0;
	}
	batch->count = 0;
	batch->flat = batch->worst = batch->record_bytes = 0;
	cgroup_table_clear(&batch->cgroups);
	memset(batch->comms, 0, sizeof(batch->comms));
	batch->last_literal = NULL;
	strings_clear(&batch->strings);
}

int batch_seal(struct batch *batch, uint64_t first_seq, int64_t realtime_offset, struct buf *out)
{
	Ringside__V1__AgentFrame frame = RINGSIDE__V1__AGENT_FRAME__INIT;
	size_t before = buf_length(out);
	int err;

	frame.body_case = RINGSIDE__V1__AGENT_FRAME__BODY_BATCH;
	frame.batch = &batch->message;
	batch->message.first_seq = first_seq;
	batch->message.realtime_offset = realtime_offset;
	batch->message.count = batch->count;
	batch->message.n_strings = batch->strings.count;
	columns_set(&batch->message.base, batch->count);
	columns_trim(&batch->message.base);
	cgroup_table_seal(&batch->cgroups);
	for (size_t i = 0; i < batch->kind_count; i++) {
		struct kind_columns *kind = &batch->kinds[i];
		bool present;

		assert(columns_whole(kind->columns, kind->kind->roles, kind->count));
		present = kind->count && columns_trim(kind->columns);

		*kind->field = present ? kind->columns : NULL;
	}
	err = frame_put_bounded(out, &frame.base, FRAME_MAX);
	if (!err && buf_length(out) - before > FRAME_MAX + FRAME_PREFIX_MAX) {
		buf_truncate(out, before);
		err = -EMSGSIZE;
	}
	clear(batch);
	return err;
}
