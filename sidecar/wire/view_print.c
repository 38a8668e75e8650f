// SPDX-License-Identifier: Apache-2.0
/* Prints checked messages: the keys that all kinds share, in their order, around the kind's own. */
#include <assert.h>
#include <linux/types.h>
#include <stdio.h>

#include "event.h"
#include "wire/row.h"
#include "wire/view.h"

#define COUNTERS_STREAM 2
#define MESSAGE_MAX	1024

static struct row_text text_of(ProtobufCBinaryData bytes)
{
	return (struct row_text){bytes.data, bytes.len};
}

static struct row_text text_at(size_t n, const ProtobufCBinaryData *strings, uint32_t i)
{
	return i < n ? text_of(strings[i]) : (struct row_text){NULL, 0};
}

static void print_source(const struct source *source, uint32_t stream, struct row *row)
{
	char epoch[16];

	for (int i = 0; i < 16; i++)
		epoch[i] = "0123456789abcdef"[source->epoch >> (60 - 4 * i) & 15];
	row_text(row, "agent", (struct row_text){source->agent, source->agent_length});
	row_text(row, "epoch", (struct row_text){epoch, sizeof(epoch)});
	row_u64(row, "stream", stream);
	/* A table has no room for attributes, but must tell agents apart. */
	if (source->attributes)
		row_hint(row, "agent", (struct row_text){source->agent, source->agent_length});
}

static int end_record(const struct source *source, struct row *row)
{
	const Ringside__V1__Hello *hello = source->attributes;

	if (hello) {
		row_object_begin(row, "attributes");
		for (size_t i = 0; i < hello->n_attributes; i++)
			row_entry(row, text_of(hello->attributes[i]->key),
				  text_of(hello->attributes[i]->value));
		row_object_end(row);
	}
	return row_end(row);
}

static void print_cgroup(const Ringside__V1__CgroupTable *table, uint32_t i, size_t n_strings,
			 const ProtobufCBinaryData *strings, struct row *row)
{
	static const char *const hierarchies[] = {NULL, "memory", "pids"};
	uint32_t hierarchy = table ? COLUMN_AT(table, hierarchy, i) : 0;
	uint32_t container = table ? COLUMN_AT(table, container, i) : 0;
	uint32_t name = table ? COLUMN_AT(table, name, i) : 0;

	row_u64(row, "cgroup_id", table ? COLUMN_AT(table, id, i) : 0);
	if (container)
		row_text(row, "container", text_at(n_strings, strings, container));
	row_hint(row, "cgroup", text_at(n_strings, strings, name));
	if (hierarchy && hierarchy < sizeof(hierarchies) / sizeof(hierarchies[0]))
		row_cstring(row, "hierarchy", hierarchies[hierarchy]);
	else if (hierarchy)
		row_cstring(row, "hierarchy", "unknown");
}

static void print_common(const Ringside__V1__Batch *batch, size_t i, struct row *row)
{
	const uint32_t tgid = COLUMN_AT(batch, tgid, i);
	const uint32_t ns_tgid = COLUMN_AT(batch, ns_tgid, i), ns_tid = COLUMN_AT(batch, ns_tid, i);

	row_u64(row, "seq", batch->first_seq + i);
	row_u64(row, "pid", tgid);
	row_u64(row, "tid", tgid + (uint32_t)COLUMN_AT(batch, tid_delta, i));
	if (ns_tgid)
		row_u64(row, "ns_pid", ns_tgid);
	if (ns_tid)
		row_u64(row, "ns_tid", ns_tid);
	row_u64(row, "cpu", COLUMN_AT(batch, cpu, i));
	row_text(row, "comm", text_at(batch->n_strings, batch->strings, COLUMN_AT(batch, comm, i)));
	print_cgroup(batch->cgroups, COLUMN_AT(batch, cgroup, i), batch->n_strings, batch->strings,
		     row);
}

/* One kind's place in a batch while it is walked. */
struct cursor {
	const struct wire_kind *kind; /* NULL: unknown here */
	const void *columns;
	const uint32_t *counts; /* NULL: no flat columns, or all counts 0 */
	size_t index;
	size_t flat;
};

static void cursor_init(struct cursor *cursor, const struct wire_kind *kind,
			const Ringside__V1__Batch *batch)
{
	/* Of a kind whose columns are all absent, every column has n = 0. */
	static const union {
		uint8_t bytes[MESSAGE_MAX];
		uint64_t align;
	} absent;
	const ProtobufCMessageDescriptor *type = kind->columns;
	const ProtobufCMessage *columns = view_columns(batch, kind);

	assert(type->sizeof_message <= MESSAGE_MAX);
	*cursor = (struct cursor){.kind = kind,
				  .columns = columns ? (const void *)columns : absent.bytes};
	for (unsigned int i = 0; columns && i < type->n_fields; i++) {
		const char *base = cursor->columns;

		if (kind->roles[i] == COLUMN_COUNT &&
		    *(const size_t *)(base + type->fields[i].quantifier_offset))
			cursor->counts = *(const uint32_t *const *)(base + type->fields[i].offset);
	}
}

static bool wanted(uint64_t mask, uint32_t number)
{
	/* Kinds that have no bit of their own are shown when all are. */
	return number < KINDS_MAX - 2 ? mask >> number & 1 : mask == UINT64_MAX;
}

/* Only those that are set. */
static void print_flags(uint32_t flags, struct row *row)
{
	static const struct {
		uint32_t flag;
		const char *name;
	} names[] = {
		{EVENT_TRUNCATED, "truncated"}, {EVENT_SNAPSHOT, "snapshot"},
		{EVENT_PARTIAL, "partial"},	{EVENT_READ_LATE, "read_late"},
		{EVENT_FAULT, "fault"},		{EVENT_LATE, "late"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (flags & names[i].flag)
			row_bool(row, names[i].name, true);
}

static int print_record(const struct batch_view *view, const struct source *source, size_t i,
			uint64_t time, const struct cursor *cursor, struct row *row)
{
	const Ringside__V1__Batch *batch = view->batch;
	char number[24];

	row_begin(row);
	if (cursor && cursor->kind) {
		row_cstring(row, "kind", cursor->kind->name);
	} else {
		snprintf(number, sizeof(number), "kind_%u", batch->kind[i]);
		row_cstring(row, "kind", number);
	}
	row_time(row, "time", (int64_t)(time + (uint64_t)batch->realtime_offset));
	print_source(source, batch->stream, row);
	print_common(batch, i, row);
	if (cursor && cursor->kind)
		cursor->kind->print(view, cursor->columns, cursor->index, cursor->flat, row);
	print_flags(view_flags(view, i), row);
	return end_record(source, row);
}

int view_print(const struct batch_view *view, const struct source *source, uint64_t mask,
	       struct row *row)
{
	const Ringside__V1__Batch *batch = view->batch;
	struct cursor cursors[KINDS_MAX] = {0};
	uint64_t time = batch->base_time;
	int err = 0;

	for (const struct wire_kind *const *kind = view->kinds; *kind; kind++)
		cursor_init(&cursors[(*kind)->number], *kind, batch);
	for (size_t i = 0; i < batch->count && !err; i++) {
		uint32_t number = batch->kind[i];
		struct cursor *cursor = number < KINDS_MAX ? &cursors[number] : NULL;

		time += (uint64_t)COLUMN_AT(batch, time_delta, i);
		if (wanted(mask, number))
			err = print_record(view, source, i, time, cursor, row);
		if (!cursor)
			continue;
		cursor->flat += cursor->counts ? cursor->counts[cursor->index] : 0;
		cursor->index++;
	}
	return err;
}

int view_print_counters(const Ringside__V1__Counters *counters, const struct source *source,
			struct row *row)
{
	const Ringside__V1__SyscallColumns *rows = counters->syscalls;
	size_t count = view_counter_rows(counters);
	int err = 0;

	for (size_t i = 0; i < count && !err; i++) {
		row_begin(row);
		row_cstring(row, "kind", "syscalls");
		row_time(row, "time",
			 (int64_t)(counters->time + (uint64_t)counters->realtime_offset));
		print_source(source, COUNTERS_STREAM, row);
		print_cgroup(counters->cgroups, COLUMN_AT(rows, cgroup, i), counters->n_strings,
			     counters->strings, row);
		row_text(row, "syscall",
			 text_at(counters->n_strings, counters->strings,
				 COLUMN_AT(rows, syscall, i)));
		row_u64(row, "nr", COLUMN_AT(rows, nr, i));
		row_u64(row, "count", COLUMN_AT(rows, count, i));
		row_u64(row, "errors", COLUMN_AT(rows, errors, i));
		if (rows->n_total_ns)
			row_u64(row, "total_ns", COLUMN_AT(rows, total_ns, i));
		row_time(
			row, "since",
			(int64_t)(COLUMN_AT(rows, since, i) + (uint64_t)counters->realtime_offset));
		if (rows->n_per_cpu) {
			row_list_begin(row, "per_cpu");
			for (size_t cpu = 0; cpu < rows->cpus; cpu++)
				row_u64(row, NULL, rows->per_cpu[i * rows->cpus + cpu]);
			row_list_end(row);
		}
		err = end_record(source, row);
	}
	return err;
}

const char *view_gap_cause(uint32_t cause)
{
	static const char *const causes[VIEW_GAP_CAUSES] = {"unknown", "queue_full", "oversize"};

	return causes[cause < VIEW_GAP_CAUSES ? cause : 0];
}

const char *view_lost_reason(size_t reason)
{
	static const char *const reasons[LOST_REASONS] = {"ring_full",	   "contended",
							  "nmi_contended", "scratch",
							  "inflight_full", "no_cpu_buffer"};

	return reasons[reason];
}

int view_print_gap(const Ringside__V1__Gap *gap, const struct source *source, struct row *row)
{
	row_begin(row);
	row_cstring(row, "kind", "loss");
	print_source(source, gap->stream, row);
	row_u64(row, "first", gap->first);
	row_u64(row, "last", gap->last);
	row_cstring(row, "reason", view_gap_cause(gap->cause));
	row_u64(row, "count", gap->last - gap->first + 1);
	return end_record(source, row);
}

int view_print_loss(const Ringside__V1__Heartbeat *now, const struct source *source,
		    uint64_t *shown, size_t shown_count, struct row *row)
{
	int err = 0;

	for (size_t i = 0; i < now->n_probes && (i + 1) * LOST_REASONS <= shown_count; i++) {
		const Ringside__V1__ProbeAccount *probe = now->probes[i];

		for (size_t reason = 0; reason < probe->n_lost && reason < LOST_REASONS && !err;
		     reason++) {
			uint64_t *before = &shown[i * LOST_REASONS + reason];

			if (probe->lost[reason] == *before)
				continue;
			row_begin(row);
			row_cstring(row, "kind", "loss");
			row_time(row, "time", (int64_t)now->realtime_ns);
			print_source(source, probe->stream, row);
			row_text(row, "probe", text_of(probe->probe));
			row_cstring(row, "reason", view_lost_reason(reason));
			row_u64(row, "count", probe->lost[reason]);
			err = end_record(source, row);
			if (!err)
				*before = probe->lost[reason];
		}
	}
	return err;
}
