// SPDX-License-Identifier: Apache-2.0
/* Checks what a peer sent, once, so that printing can walk it without looking left or right. */
#include "wire/view.h"

#include <errno.h>
#include <string.h>

#include "wire/columns.h"

static int bad(const char **ret_why, const char *why)
{
	*ret_why = why;
	return -EBADMSG;
}

static bool in_range(const uint32_t *indexes, size_t n, size_t count)
{
	uint32_t highest = 0;

	for (size_t i = 0; i < n; i++)
		highest = indexes[i] > highest ? indexes[i] : highest;
	return !n || highest < count;
}

/* Entry 0 is there and empty; index 0 is valid even where a peer left the whole table out. */
static bool strings_ok(size_t n, const ProtobufCBinaryData *strings)
{
	return !n || !strings[0].len;
}

static size_t string_limit(size_t n)
{
	return n ? n : 1;
}

/* Number of cgroups in a table: of entries in its columns. */
static size_t cgroup_count(const Ringside__V1__CgroupTable *table)
{
	size_t count = 0;

	if (!table)
		return 0;
	count = table->n_id;
	count = table->n_hierarchy > count ? table->n_hierarchy : count;
	count = table->n_name > count ? table->n_name : count;
	return table->n_container > count ? table->n_container : count;
}

static int check_cgroups(const Ringside__V1__CgroupTable *table, size_t strings,
			 const char **ret_why)
{
	size_t count = cgroup_count(table);

	if (!table)
		return 0;
	if ((table->n_id && table->n_id != count) ||
	    (table->n_hierarchy && table->n_hierarchy != count) ||
	    (table->n_name && table->n_name != count) ||
	    (table->n_container && table->n_container != count))
		return bad(ret_why, "cgroup table: columns differ in length");
	if (!in_range(table->name, table->n_name, strings) ||
	    !in_range(table->container, table->n_container, strings))
		return bad(ret_why, "cgroup table: a text's index is out of range");
	return 0;
}

static int check_common(const Ringside__V1__Batch *batch, const char **ret_why)
{
	const size_t count = batch->count;
	const struct {
		size_t n;
		const char *why;
	} columns[] = {
		{batch->n_time_delta, "column time_delta has a wrong length"},
		{batch->n_tgid, "column tgid has a wrong length"},
		{batch->n_tid_delta, "column tid_delta has a wrong length"},
		{batch->n_ns_tgid, "column ns_tgid has a wrong length"},
		{batch->n_ns_tid, "column ns_tid has a wrong length"},
		{batch->n_cgroup, "column cgroup has a wrong length"},
		{batch->n_comm, "column comm has a wrong length"},
		{batch->n_cpu, "column cpu has a wrong length"},
		{batch->n_flags, "column flags has a wrong length"},
	};
	size_t cgroups = cgroup_count(batch->cgroups);

	/* Kind 0 is none: so this column is there, and bounds the others by the frame's length. */
	if (!count || batch->n_kind != count)
		return bad(ret_why, "column kind has a wrong length");
	if (count > VIEW_ENTRIES_MAX)
		return bad(ret_why, "too many records");
	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		if (columns[i].n && columns[i].n != count)
			return bad(ret_why, columns[i].why);
	if (!in_range(batch->comm, batch->n_comm, string_limit(batch->n_strings)))
		return bad(ret_why, "column comm has an index out of range");
	if (!in_range(batch->cgroup, batch->n_cgroup, cgroups ? cgroups : 1))
		return bad(ret_why, "column cgroup has an index out of range");
	return 0;
}

static int check_kind(const struct wire_kind *kind, ProtobufCMessage *columns, size_t records,
		      size_t strings, const char **ret_why)
{
	const ProtobufCMessageDescriptor *type = kind->columns;
	uint64_t flat = 0;

	for (unsigned int i = 0; i < type->n_fields; i++) {
		size_t n = *column_n(columns, &type->fields[i]);
		const uint32_t *counts = *column_data(columns, &type->fields[i]);

		if (column_is_flat(kind->roles[i]))
			continue;
		if (n && n != records)
			return bad(ret_why, "a kind's column has a wrong length");
		for (size_t j = 0; kind->roles[i] == COLUMN_COUNT && j < n; j++)
			flat += counts[j];
	}
	/* Absent columns cost a peer nothing, printing their zeros costs us. */
	if (flat > VIEW_ENTRIES_MAX)
		return bad(ret_why, "a kind's counts sum up to too many entries");
	for (unsigned int i = 0; i < type->n_fields; i++) {
		size_t n = *column_n(columns, &type->fields[i]);

		if (column_is_flat(kind->roles[i]) && n && n != flat)
			return bad(ret_why, "a kind's flat column has a wrong length");
		if ((kind->roles[i] == COLUMN_STRING || kind->roles[i] == COLUMN_FLAT_STRING) &&
		    !in_range(*column_data(columns, &type->fields[i]), n, strings))
			return bad(ret_why, "a kind's column has a text's index out of range");
	}
	return 0;
}

ProtobufCMessage *view_columns(const Ringside__V1__Batch *batch, const struct wire_kind *kind)
{
	const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(
		&ringside__v1__batch__descriptor, kind->batch_field);

	return *(ProtobufCMessage *const *)((const char *)batch + field->offset);
}

int view_check(struct batch_view *view, const Ringside__V1__Batch *batch,
	       const struct wire_kind *const *kinds, const char **ret_why)
{
	size_t records[KINDS_MAX] = {0};
	int err;

	if (!strings_ok(batch->n_strings, batch->strings))
		return bad(ret_why, "text 0 is not empty");
	err = check_cgroups(batch->cgroups, string_limit(batch->n_strings), ret_why);
	if (!err)
		err = check_common(batch, ret_why);
	for (size_t i = 0; !err && i < batch->n_kind; i++) {
		if (!batch->kind[i])
			err = bad(ret_why, "column kind holds a 0");
		else if (batch->kind[i] < KINDS_MAX)
			records[batch->kind[i]]++;
	}
	for (const struct wire_kind *const *kind = kinds; !err && *kind; kind++) {
		ProtobufCMessage *columns = view_columns(batch, *kind);

		if (columns)
			err = check_kind(*kind, columns, records[(*kind)->number],
					 string_limit(batch->n_strings), ret_why);
	}
	if (err)
		return err;
	*view = (struct batch_view){.batch = batch, .kinds = kinds};
	return 0;
}

static size_t row_count(const Ringside__V1__SyscallColumns *rows)
{
	const size_t lengths[] = {rows->n_cgroup, rows->n_syscall, rows->n_nr,	    rows->n_count,
				  rows->n_errors, rows->n_since,   rows->n_total_ns};
	size_t count = 0;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		count = lengths[i] > count ? lengths[i] : count;
	return count;
}

size_t view_counter_rows(const Ringside__V1__Counters *counters)
{
	return counters->syscalls ? row_count(counters->syscalls) : 0;
}

int view_check_counters(const Ringside__V1__Counters *counters, const char **ret_why)
{
	const Ringside__V1__SyscallColumns *rows = counters->syscalls;
	size_t strings = string_limit(counters->n_strings),
	       cgroups = cgroup_count(counters->cgroups), count;
	int err;

	if (!strings_ok(counters->n_strings, counters->strings))
		return bad(ret_why, "text 0 is not empty");
	err = check_cgroups(counters->cgroups, strings, ret_why);
	if (err || !rows)
		return err;
	count = row_count(rows);
	if ((rows->n_cgroup && rows->n_cgroup != count) ||
	    (rows->n_syscall && rows->n_syscall != count) || (rows->n_nr && rows->n_nr != count) ||
	    (rows->n_count && rows->n_count != count) ||
	    (rows->n_errors && rows->n_errors != count) ||
	    (rows->n_total_ns && rows->n_total_ns != count) ||
	    (rows->n_since && rows->n_since != count))
		return bad(ret_why, "counters: columns differ in length");
	if (rows->n_per_cpu && (uint64_t)rows->cpus * count != rows->n_per_cpu)
		return bad(ret_why, "counters: per_cpu is not rows x cpus long");
	if (!in_range(rows->syscall, rows->n_syscall, strings))
		return bad(ret_why, "counters: a text's index is out of range");
	if (!in_range(rows->cgroup, rows->n_cgroup, cgroups ? cgroups : 1))
		return bad(ret_why, "counters: a cgroup's index is out of range");
	return 0;
}

const ProtobufCBinaryData *view_string(const struct batch_view *view, uint32_t i)
{
	static const ProtobufCBinaryData empty;

	return i < view->batch->n_strings ? &view->batch->strings[i] : &empty;
}

uint32_t view_flags(const struct batch_view *view, size_t record)
{
	return COLUMN_AT(view->batch, flags, record);
}
