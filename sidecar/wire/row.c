// SPDX-License-Identifier: Apache-2.0
#include "wire/row_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/text.h"

#define SCRATCH_MAX (1024 * 1024) /* of one line, in pieces */

static const struct row_column record_columns[] = {
	{"time", "TIME", 12, false}, {"kind", "KIND", 11, false},	    {"pid", "PID", 8, true},
	{"comm", "COMM", 15, false}, {"container", "CONTAINER", 12, false}, {0},
};
static const char *const record_left_out[] = {
	"agent", "epoch",     "stream",	   "seq",	 "tid",		 "ns_pid",     "ns_tid",
	"cpu",	 "cgroup_id", "hierarchy", "attributes", "kernel_stack", "user_stack", NULL};
static const char *const record_csv[] = {
	"kind",	  "time",   "agent", "epoch", "stream",	   "seq",	"pid",	     "tid",
	"ns_pid", "ns_tid", "cpu",   "comm",  "cgroup_id", "container", "hierarchy", NULL};

const struct row_layout row_records = {
	.table = record_columns,
	.table_left_out = record_left_out,
	.csv = record_csv,
};

struct row *row_new_layout(enum row_format format, bool colour, struct buf *out,
			   const struct row_layout *layout)
{
	struct row *row = calloc(1, sizeof(*row));

	if (!row)
		return NULL;
	row->out = out;
	row->layout = layout;
	row->colour = colour;
	row->second = INT64_MIN;
	buf_init(&row->cells, 0, SCRATCH_MAX);
	buf_init(&row->details, 0, SCRATCH_MAX);
	row->ops = format == ROW_JSON	 ? &row_json
		   : format == ROW_TABLE ? &row_table
		   : format == ROW_CSV	 ? &row_csv
					 : NULL;
	row->json.out = format == ROW_JSON ? out : &row->details;
	if (row->ops && row->ops->header) {
		row_begin(row);
		row->ops->header(row);
		if (row->err) {
			row_free(row);
			return NULL;
		}
	}
	return row;
}

struct row *row_new(enum row_format format, bool colour, struct buf *out)
{
	return row_new_layout(format, colour, out, &row_records);
}

void row_free(struct row *row)
{
	if (!row)
		return;
	buf_done(&row->cells);
	buf_done(&row->details);
	free(row);
}

void row_begin(struct row *row)
{
	row->err = 0;
	row->json.err = 0;
	row->json.comma = false;
	row->start = buf_length(row->out);
	row->depth = row->skip_depth = 0;
	memset(row->cell, 0, sizeof(row->cell));
	buf_clear(&row->cells);
	buf_clear(&row->details);
	if (row->ops)
		row->ops->begin(row);
}

int row_end(struct row *row)
{
	if (!row->ops)
		return 0;
	row->ops->end(row);
	row_keep(row, row->json.err);
	if (!row->err)
		return 0;
	buf_truncate(row->out, row->start);
	return -ENOSPC;
}

void row_u64(struct row *row, const char *key, uint64_t value)
{
	char digits[TEXT_NUMBER];

	if (row->ops)
		row->ops->plain(row, key, digits, text_u64(value, digits));
}

void row_i64(struct row *row, const char *key, int64_t value)
{
	char digits[TEXT_NUMBER];

	if (row->ops)
		row->ops->plain(row, key, digits, text_i64(value, digits));
}

void row_bool(struct row *row, const char *key, bool value)
{
	if (row->ops)
		row->ops->plain(row, key, value ? "true" : "false", value ? 4 : 5);
}

void row_text(struct row *row, const char *key, struct row_text text)
{
	if (row->ops)
		row->ops->text(row, key, text);
}

void row_cstring(struct row *row, const char *key, const char *text)
{
	row_text(row, key, (struct row_text){text, strlen(text)});
}

void row_texts(struct row *row, const char *key, const struct row_text *texts, size_t count)
{
	if (row->ops)
		row->ops->texts(row, key, texts, count);
}

void row_entry(struct row *row, struct row_text key, struct row_text text)
{
	if (row->ops)
		row->ops->entry(row, key, text);
}

void row_hint(struct row *row, const char *key, struct row_text text)
{
	if (row->ops && row->ops->hint)
		row->ops->hint(row, key, text);
}

void row_time(struct row *row, const char *key, int64_t realtime_ns)
{
	char text[TEXT_TIME];
	int64_t second = realtime_ns / 1000000000;
	int64_t fraction = realtime_ns % 1000000000;

	if (!row->ops)
		return;
	/* Records come many a second: the calendar is computed once for each second. */
	if (fraction < 0 || second != row->second) {
		text_time(realtime_ns, text);
		if (fraction >= 0) {
			row->second = second;
			memcpy(row->second_text, text, sizeof(row->second_text));
		}
	} else {
		memcpy(text, row->second_text, sizeof(row->second_text));
		for (int at = 28; at >= 20; fraction /= 10)
			text[at--] = (char)('0' + fraction % 10);
		text[29] = 'Z';
	}
	row->ops->text(row, key, (struct row_text){text, 30});
}

void row_object_begin(struct row *row, const char *key)
{
	if (row->ops)
		row->ops->open(row, key, '{');
}

void row_object_end(struct row *row)
{
	if (row->ops)
		row->ops->close(row, '}');
}

void row_list_begin(struct row *row, const char *key)
{
	if (row->ops)
		row->ops->open(row, key, '[');
}

void row_list_end(struct row *row)
{
	if (row->ops)
		row->ops->close(row, ']');
}
