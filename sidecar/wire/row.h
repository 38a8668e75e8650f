/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One printed record: a stream of keys and values into JSON lines, an aligned table or CSV. The printers of kinds call
 * these without knowing which. Text that is not UTF-8 is shown with U+FFFD under its key and whole, in base64, under
 * KEY_b64. Tables escape control bytes.
 */
#ifndef RINGSIDE_WIRE_ROW_H
#define RINGSIDE_WIRE_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;

enum row_format {
	ROW_NONE,
	ROW_TABLE,
	ROW_JSON,
	ROW_CSV,
};

struct row;

struct row_text {
	const void *data;
	size_t length;
};

/* A column of the table. `key` is the key at the top of a record that fills it. */
struct row_column {
	const char *key;
	const char *heading;
	int width; /* longer texts are cut, but for numbers */
	bool right;
};

/* Which keys have a place of their own; the rest is shown as details. Each list is ended by NULL (a NULL key). */
struct row_layout {
	const struct row_column *table;
	const char *const *table_left_out; /* not shown in tables */
	const char *const *csv;
};

extern const struct row_layout row_records; /* the layout of row_new */
struct row *row_new_layout(enum row_format format, bool colour, struct buf *out,
			   const struct row_layout *layout);

/* Lines are appended to `out`, whole: the caller writes it out. `colour`: the table may use ANSI colours. The header line of
 * tables and CSV is put into `out` at once. NULL: no memory. */
struct row *row_new(enum row_format format, bool colour, struct buf *out);
void row_free(struct row *row);

void row_begin(struct row *row);
/* 0, or -ENOSPC where the line did not fit into `out` and was taken back. */
int row_end(struct row *row);

/* `key` is NULL inside a list. */
void row_u64(struct row *row, const char *key, uint64_t value);
void row_i64(struct row *row, const char *key, int64_t value);
void row_bool(struct row *row, const char *key, bool value);
void row_text(struct row *row, const char *key, struct row_text text);
/* As row_text, where the key comes from a peer. */
void row_entry(struct row *row, struct row_text key, struct row_text text);
/* For tables only: "cgroup" fills the place of a container id that is not known, other keys are details. */
void row_hint(struct row *row, const char *key, struct row_text text);
void row_cstring(struct row *row, const char *key, const char *text);
/* A list of texts; where one is no UTF-8, KEY_b64 has them all. */
void row_texts(struct row *row, const char *key, const struct row_text *texts, size_t count);
/* Time as RFC 3339 in UTC with nanoseconds. */
void row_time(struct row *row, const char *key, int64_t realtime_ns);
void row_object_begin(struct row *row, const char *key);
void row_object_end(struct row *row);
void row_list_begin(struct row *row, const char *key);
void row_list_end(struct row *row);

#endif
