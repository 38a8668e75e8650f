/* SPDX-License-Identifier: Apache-2.0 */
/* What the formats of rows share: row.c owns the line, each format writes its own shape of keys and values. */
#ifndef RINGSIDE_WIRE_ROW_INTERNAL_H
#define RINGSIDE_WIRE_ROW_INTERNAL_H

#include "base/buf.h"
#include "wire/row.h"

#define ROW_CELLS 16

/* Writes JSON onto any buffer; `err` keeps the first error. */
struct json {
	struct buf *out;
	bool comma; /* the next member needs one */
	int err;
};

/* A value that has a column: its bytes are in row->cells. */
struct row_cell {
	size_t start;
	size_t length;
	bool set;
};

struct row_ops {
	void (*header)(struct row *row);
	void (*begin)(struct row *row);
	void (*end)(struct row *row);
	/* A number or true/false, as its characters. */
	void (*plain)(struct row *row, const char *key, const char *text, size_t length);
	void (*text)(struct row *row, const char *key, struct row_text text);
	void (*texts)(struct row *row, const char *key, const struct row_text *texts, size_t count);
	void (*entry)(struct row *row, struct row_text key, struct row_text text);
	void (*hint)(struct row *row, const char *key, struct row_text text); /* NULL: not shown */
	/* `bracket` is '{' or '['. */
	void (*open)(struct row *row, const char *key, char bracket);
	void (*close)(struct row *row, char bracket);
};

struct row {
	const struct row_ops *ops; /* NULL: ROW_NONE */
	const struct row_layout *layout;
	struct buf *out;
	size_t start; /* length of `out` before this line */
	bool colour;
	struct json json; /* on `out` (JSON) or on `details` (CSV) */

	/* Tables and CSV gather a line in pieces. */
	struct buf cells;
	struct row_cell cell[ROW_CELLS];
	struct buf details;
	unsigned int depth;
	/* Not 0: inside an object that tables leave out, begun at this depth. */
	unsigned int skip_depth;
	int err;

	/* The second that was formatted last. */
	int64_t second;
	char second_text[20];
};

extern const struct row_ops row_json, row_table, row_csv;

void json_open(struct json *json, const char *key, char bracket);
void json_close(struct json *json, char bracket);
void json_plain(struct json *json, const char *key, const char *text, size_t length);
void json_text(struct json *json, const char *key, struct row_text text);
/* Only KEY_b64. */
void json_b64(struct json *json, const char *key, struct row_text text);
void json_texts(struct json *json, const char *key, const struct row_text *texts, size_t count);
void json_entry(struct json *json, struct row_text key, struct row_text text);

/* Keeps the first error of a line. */
static inline void row_keep(struct row *row, int err)
{
	if (err && !row->err)
		row->err = err;
}

#endif
