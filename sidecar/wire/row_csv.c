// SPDX-License-Identifier: Apache-2.0
/* Rows as CSV (RFC 4180, lines end in LF): the layout's columns, then what is left as JSON in the last one, `fields`. */
#include <string.h>

#include "base/utf8.h"
#include "wire/row_internal.h"
#include "wire/text.h"

static int column_of(const struct row *row, const char *key)
{
	for (int i = 0; key && !row->depth && row->layout->csv[i]; i++)
		if (!strcmp(row->layout->csv[i], key))
			return i;
	return -1;
}

static void csv_header(struct row *row)
{
	for (const char *const *column = row->layout->csv; *column; column++)
		row_keep(row, buf_printf(row->out, "%s,", *column));
	row_keep(row, buf_put(row->out, "fields\n", 7));
}

static void csv_begin(struct row *row)
{
	row_keep(row, buf_put(&row->details, "{", 1));
}

static void csv_end(struct row *row)
{
	for (int i = 0; row->layout->csv[i]; i++) {
		const struct row_cell *cell = &row->cell[i];

		if (cell->set)
			row_keep(row, text_put_csv(row->out, buf_head(&row->cells) + cell->start,
						   cell->length));
		row_keep(row, buf_put(row->out, ",", 1));
	}
	row_keep(row, buf_put(&row->details, "}", 1));
	row_keep(row, text_put_csv(row->out, buf_head(&row->details), buf_length(&row->details)));
	row_keep(row, buf_put(row->out, "\n", 1));
}

/* Bytes that are not UTF-8 are U+FFFD in a cell; the whole text is KEY_b64 among the fields. */
static void set_cell(struct row *row, int i, const char *key, struct row_text text)
{
	const uint8_t *at = text.data;
	struct row_cell *cell = &row->cell[i];
	bool valid = true;

	cell->set = true;
	cell->start = buf_length(&row->cells);
	for (size_t left = text.length; left;) {
		size_t step = utf8_valid_length(at, left);

		row_keep(row, buf_put(&row->cells, at, step));
		if (step < left) {
			row_keep(row, buf_put(&row->cells, "\xef\xbf\xbd", 3));
			step += (size_t)-utf8_next(at + step, left - step);
			valid = false;
		}
		at += step;
		left -= step;
	}
	cell->length = buf_length(&row->cells) - cell->start;
	if (!valid)
		json_b64(&row->json, key, text);
}

static void csv_plain(struct row *row, const char *key, const char *text, size_t length)
{
	int i = column_of(row, key);

	if (i >= 0)
		set_cell(row, i, key, (struct row_text){text, length});
	else
		json_plain(&row->json, key, text, length);
}

static void csv_text(struct row *row, const char *key, struct row_text text)
{
	int i = column_of(row, key);

	if (i >= 0)
		set_cell(row, i, key, text);
	else
		json_text(&row->json, key, text);
}

static void csv_texts(struct row *row, const char *key, const struct row_text *texts, size_t count)
{
	json_texts(&row->json, key, texts, count);
}

static void csv_entry(struct row *row, struct row_text key, struct row_text text)
{
	json_entry(&row->json, key, text);
}

static void csv_open(struct row *row, const char *key, char bracket)
{
	json_open(&row->json, key, bracket);
	row->depth++;
}

static void csv_close(struct row *row, char bracket)
{
	json_close(&row->json, bracket);
	row->depth--;
}

const struct row_ops row_csv = {
	.header = csv_header,
	.begin = csv_begin,
	.end = csv_end,
	.plain = csv_plain,
	.text = csv_text,
	.texts = csv_texts,
	.entry = csv_entry,
	.open = csv_open,
	.close = csv_close,
};
