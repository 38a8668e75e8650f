// SPDX-License-Identifier: Apache-2.0
/* Rows as an aligned table: columns of a fixed width, then details as key=value. */
#include <string.h>

#include "wire/row_internal.h"
#include "wire/text.h"

#define COLOUR_OFF    "\033[0m"
#define COLOUR_HEADER "\033[1m"
#define COLOUR_KIND   "\033[36m"
#define COLOUR_LOSS   "\033[1;31m"

static int column_of(const struct row *row, const char *key)
{
	const struct row_column *column = row->layout->table;

	for (int i = 0; column[i].key; i++)
		if (!strcmp(column[i].key, key))
			return i;
	return -1;
}

static bool left_out(const struct row *row, const char *key)
{
	for (const char *const *at = row->layout->table_left_out; *at; at++)
		if (!strcmp(*at, key))
			return true;
	return false;
}

static void put(struct row *row, struct buf *out, const char *text)
{
	row_keep(row, buf_put(out, text, strlen(text)));
}

/* Longer texts are cut at a character; escapes are cut like other text. */
static size_t cut(const char *text, size_t length, size_t width)
{
	size_t at = 0;

	while (at < length && width) {
		at++;
		while (at < length && ((uint8_t)text[at] & 0xc0) == 0x80)
			at++;
		width--;
	}
	return at;
}

static void put_spaces(struct row *row, size_t count)
{
	static const char spaces[] = "                                ";

	for (; count >= sizeof(spaces); count -= sizeof(spaces) - 1)
		put(row, row->out, spaces);
	row_keep(row, buf_put(row->out, spaces, count));
}

static void put_padded(struct row *row, const struct row_column *column, const char *text,
		       size_t length)
{
	size_t width = text_width(text, length);
	size_t padding = width < (size_t)column->width ? (size_t)column->width - width : 0;

	if (column->right)
		put_spaces(row, padding);
	row_keep(row, buf_put(row->out, text, length));
	put_spaces(row, column->right ? 1 : padding + 1);
}

static void table_header(struct row *row)
{
	if (row->colour)
		put(row, row->out, COLOUR_HEADER);
	for (const struct row_column *column = row->layout->table; column->key; column++)
		put_padded(row, column, column->heading, strlen(column->heading));
	put(row, row->out, "DETAILS");
	if (row->colour)
		put(row, row->out, COLOUR_OFF);
	put(row, row->out, "\n");
}

static void table_begin(struct row *row)
{
	(void)row; /* everything is gathered first */
}

static void table_end(struct row *row)
{
	for (int i = 0; row->layout->table[i].key; i++) {
		const struct row_column *column = &row->layout->table[i];
		const struct row_cell *cell = &row->cell[i];
		const char *text =
			cell->set ? (const char *)buf_head(&row->cells) + cell->start : "";
		bool coloured = row->colour && !strcmp(column->key, "kind");

		if (coloured)
			put(row, row->out,
			    cell->length == 4 && !memcmp(text, "loss", 4) ? COLOUR_LOSS
									  : COLOUR_KIND);
		put_padded(row, column, text, cell->length);
		if (coloured)
			put(row, row->out, COLOUR_OFF);
	}
	row_keep(row, buf_put(row->out, buf_head(&row->details), buf_length(&row->details)));
	while (buf_length(row->out) > row->start && row->out->data[row->out->tail - 1] == ' ')
		buf_truncate(row->out, buf_length(row->out) - 1);
	put(row, row->out, "\n");
}

static void set_cell(struct row *row, int i, struct row_text text, bool may_cut)
{
	struct row_cell *cell = &row->cell[i];
	const struct row_column *column = &row->layout->table[i];

	cell->start = buf_length(&row->cells);
	row_keep(row, text_put_escaped(&row->cells, text.data, text.length));
	cell->length = buf_length(&row->cells) - cell->start;
	if (may_cut)
		cell->length = cut((const char *)buf_head(&row->cells) + cell->start, cell->length,
				   (size_t)column->width);
	cell->set = true;
}

/* Begins a detail, unless it is left out: then false. */
static bool begin_detail(struct row *row, const char *key)
{
	struct buf *details = &row->details;
	size_t length = buf_length(details);
	char last = length ? (char)details->data[details->tail - 1] : '[';

	if (row->skip_depth || (!row->depth && key && left_out(row, key)))
		return false;
	if (last != '[' && last != '{')
		put(row, details, " ");
	if (key) {
		put(row, details, key);
		put(row, details, "=");
	}
	return true;
}

static void put_value(struct row *row, struct row_text text)
{
	const char *at = text.data;
	bool quote = !text.length;

	for (size_t i = 0; i < text.length && !quote; i++)
		quote = strchr(" \"=[]{}", at[i]) && at[i];
	if (quote)
		put(row, &row->details, "\"");
	row_keep(row, text_put_escaped(&row->details, text.data, text.length));
	if (quote)
		put(row, &row->details, "\"");
}

static void table_plain(struct row *row, const char *key, const char *text, size_t length)
{
	int i = !row->depth && key ? column_of(row, key) : -1;

	if (i >= 0)
		set_cell(row, i, (struct row_text){text, length}, false);
	else if (begin_detail(row, key))
		row_keep(row, buf_put(&row->details, text, length));
}

static void table_text(struct row *row, const char *key, struct row_text text)
{
	int i = !row->depth && key ? column_of(row, key) : -1;

	if (i >= 0) {
		/* 2025-01-31T23:59:59.123456789Z: the time of day, in ms */
		if (!strcmp(key, "time") && text.length == 30)
			text = (struct row_text){(const char *)text.data + 11, 12};
		set_cell(row, i, text, true);
	} else if (begin_detail(row, key)) {
		put_value(row, text);
	}
}

static void table_entry(struct row *row, struct row_text key, struct row_text text)
{
	if (!begin_detail(row, NULL))
		return;
	put_value(row, key);
	put(row, &row->details, "=");
	put_value(row, text);
}

static void table_hint(struct row *row, const char *key, struct row_text text)
{
	int i = column_of(row, "container");

	if (strcmp(key, "cgroup")) {
		put(row, &row->details, buf_length(&row->details) ? " " : "");
		put(row, &row->details, key);
		put(row, &row->details, "=");
		put_value(row, text);
	} else if (i >= 0 && !row->cell[i].set) {
		set_cell(row, i, text, true);
	}
}

static void table_open(struct row *row, const char *key, char bracket)
{
	if (begin_detail(row, key))
		put(row, &row->details, (const char[]){bracket, 0});
	else if (!row->skip_depth)
		row->skip_depth = row->depth + 1;
	row->depth++;
}

static void table_close(struct row *row, char bracket)
{
	if (!row->skip_depth)
		put(row, &row->details, (const char[]){bracket, 0});
	else if (row->skip_depth == row->depth)
		row->skip_depth = 0;
	row->depth--;
}

static void table_texts(struct row *row, const char *key, const struct row_text *texts,
			size_t count)
{
	table_open(row, key, '[');
	for (size_t i = 0; i < count; i++)
		table_text(row, NULL, texts[i]);
	table_close(row, ']');
}

const struct row_ops row_table = {
	.header = table_header,
	.begin = table_begin,
	.end = table_end,
	.plain = table_plain,
	.text = table_text,
	.texts = table_texts,
	.entry = table_entry,
	.hint = table_hint,
	.open = table_open,
	.close = table_close,
};
