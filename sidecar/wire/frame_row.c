// SPDX-License-Identifier: Apache-2.0
#include "wire/frame_row.h"

#include <stdio.h>

#include "wire/view.h"

static const struct row_column columns[] = {
	{"offset", "OFFSET", 10, true},
	{"type", "TYPE", 9, false},
	{"bytes", "BYTES", 8, true},
	{"stream", "STREAM", 6, true},
	{"first_seq", "FIRST_SEQ", 10, true},
	{"count", "COUNT", 6, true},
	{0},
};
static const char *const left_out[] = {"attributes", NULL};
static const char *const csv[] = {"offset", "type", "bytes", "stream", "first_seq", "count", NULL};

const struct row_layout row_frames = {
	.table = columns,
	.table_left_out = left_out,
	.csv = csv,
};

static struct row_text text_of(ProtobufCBinaryData bytes)
{
	return (struct row_text){bytes.data, bytes.len};
}

static void show_hello(const Ringside__V1__Hello *hello, struct row *row)
{
	char epoch[17];

	snprintf(epoch, sizeof(epoch), "%016llx", (unsigned long long)hello->epoch);
	row_text(row, "agent", text_of(hello->agent_id));
	row_cstring(row, "epoch", epoch);
	row_time(row, "time", (int64_t)hello->realtime_ns);
	row_u64(row, "protocol_min", hello->protocol_min);
	row_u64(row, "protocol_max", hello->protocol_max);
	row_text(row, "version", text_of(hello->version));
	if (hello->standby.len)
		row_text(row, "standby", text_of(hello->standby));
	row_list_begin(row, "streams");
	for (size_t i = 0; i < hello->n_streams; i++) {
		row_object_begin(row, NULL);
		row_u64(row, "stream", hello->streams[i]->stream);
		row_u64(row, "next_seq", hello->streams[i]->next_seq);
		row_object_end(row);
	}
	row_list_end(row);
	row_object_begin(row, "attributes");
	for (size_t i = 0; i < hello->n_attributes; i++)
		row_entry(row, text_of(hello->attributes[i]->key),
			  text_of(hello->attributes[i]->value));
	row_object_end(row);
}

static void show_batch(const Ringside__V1__Batch *batch, const struct wire_kind *const *kinds,
		       struct row *row)
{
	row_u64(row, "stream", batch->stream);
	row_u64(row, "first_seq", batch->first_seq);
	row_u64(row, "count", batch->count);
	row_time(row, "time", (int64_t)(batch->base_time + (uint64_t)batch->realtime_offset));
	row_u64(row, "strings", batch->n_strings);
	row_u64(row, "cgroups", batch->cgroups ? batch->cgroups->n_id : 0);
	row_object_begin(row, "kinds");
	for (; *kinds; kinds++) {
		uint64_t records = 0;

		for (size_t i = 0; i < batch->n_kind; i++)
			records += batch->kind[i] == (*kinds)->number;
		if (records)
			row_u64(row, (*kinds)->name, records);
	}
	row_object_end(row);
}

static void show_gap(const Ringside__V1__Gap *gap, struct row *row)
{
	row_u64(row, "stream", gap->stream);
	row_u64(row, "first_seq", gap->first);
	row_u64(row, "count", gap->last - gap->first + 1);
	row_u64(row, "cause", gap->cause);
}

static void show_numbers(const char *key, const uint64_t *numbers, size_t count, struct row *row)
{
	row_list_begin(row, key);
	for (size_t i = 0; i < count; i++)
		row_u64(row, NULL, numbers[i]);
	row_list_end(row);
}

static void show_account(const Ringside__V1__Heartbeat *account, struct row *row)
{
	row_time(row, "time", (int64_t)account->realtime_ns);
	row_list_begin(row, "probes");
	for (size_t i = 0; i < account->n_probes; i++) {
		const Ringside__V1__ProbeAccount *probe = account->probes[i];

		row_object_begin(row, NULL);
		row_text(row, "probe", text_of(probe->probe));
		row_u64(row, "stream", probe->stream);
		row_u64(row, "produced", probe->produced);
		show_numbers("lost", probe->lost, probe->n_lost, row);
		row_u64(row, "taken", probe->taken);
		row_u64(row, "prog_missed", probe->prog_missed);
		row_object_end(row);
	}
	row_list_end(row);
	row_list_begin(row, "streams");
	for (size_t i = 0; i < account->n_streams; i++) {
		const Ringside__V1__StreamAccount *stream = account->streams[i];

		row_object_begin(row, NULL);
		row_u64(row, "stream", stream->stream);
		row_u64(row, "taken", stream->taken);
		row_u64(row, "next_seq", stream->next_seq);
		show_numbers("evicted", stream->evicted, stream->n_evicted, row);
		row_object_end(row);
	}
	row_list_end(row);
}

static const char *type_name(const Ringside__V1__AgentFrame *frame)
{
	switch (frame->body_case) {
	case RINGSIDE__V1__AGENT_FRAME__BODY_HELLO:
		return "hello";
	case RINGSIDE__V1__AGENT_FRAME__BODY_BATCH:
		return "batch";
	case RINGSIDE__V1__AGENT_FRAME__BODY_GAP:
		return "gap";
	case RINGSIDE__V1__AGENT_FRAME__BODY_COUNTERS:
		return "counters";
	case RINGSIDE__V1__AGENT_FRAME__BODY_HEARTBEAT:
		return "heartbeat";
	case RINGSIDE__V1__AGENT_FRAME__BODY_BYE:
		return "bye";
	default:
		return "unknown";
	}
}

int frame_row(const Ringside__V1__AgentFrame *frame, const struct wire_kind *const *kinds,
	      uint64_t offset, size_t bytes, struct row *row)
{
	row_begin(row);
	row_u64(row, "offset", offset);
	row_cstring(row, "type", type_name(frame));
	row_u64(row, "bytes", bytes);
	switch (frame->body_case) {
	case RINGSIDE__V1__AGENT_FRAME__BODY_HELLO:
		show_hello(frame->hello, row);
		break;
	case RINGSIDE__V1__AGENT_FRAME__BODY_BATCH:
		show_batch(frame->batch, kinds, row);
		break;
	case RINGSIDE__V1__AGENT_FRAME__BODY_GAP:
		show_gap(frame->gap, row);
		break;
	case RINGSIDE__V1__AGENT_FRAME__BODY_COUNTERS:
		row_u64(row, "stream", 2);
		row_time(row, "time",
			 (int64_t)(frame->counters->time +
				   (uint64_t)frame->counters->realtime_offset));
		row_u64(row, "rows", view_counter_rows(frame->counters));
		break;
	case RINGSIDE__V1__AGENT_FRAME__BODY_HEARTBEAT:
		show_account(frame->heartbeat, row);
		break;
	case RINGSIDE__V1__AGENT_FRAME__BODY_BYE:
		if (frame->bye->last)
			show_account(frame->bye->last, row);
		break;
	default:
		break;
	}
	return row_end(row);
}
