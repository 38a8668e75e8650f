// SPDX-License-Identifier: Apache-2.0
/* Rows as JSON lines; and the JSON writer that CSV's last column uses too. */
#include <errno.h>
#include <string.h>

#include "base/utf8.h"
#include "wire/row_internal.h"
#include "wire/text.h"

#define KEY_MAX 128 /* room for a key and what surrounds it */

static void keep(struct json *json, int err)
{
	if (err && !json->err)
		json->err = err;
}

/* `,"key":` and room for `more` bytes behind it; NULL: no room. Keys of our own need no escaping. */
static uint8_t *begin_member(struct json *json, const char *key, const char *suffix, size_t more)
{
	uint8_t *at;
	int err;

	err = buf_reserve(json->out, KEY_MAX + more);
	if (err) {
		keep(json, err);
		return NULL;
	}
	at = json->out->data + json->out->tail;
	if (json->comma)
		*at++ = ',';
	json->comma = true;
	if (!key)
		return at;
	/* Keys are short: a call of memcpy costs more than these loops. */
	*at++ = '"';
	for (size_t i = 0; i < KEY_MAX - 16 && key[i]; i++)
		*at++ = (uint8_t)key[i];
	for (; *suffix; suffix++)
		*at++ = (uint8_t)*suffix;
	*at++ = '"';
	*at++ = ':';
	return at;
}

static void end_member(struct json *json, const uint8_t *at)
{
	json->out->tail = (size_t)(at - json->out->data);
}

void json_plain(struct json *json, const char *key, const char *text, size_t length)
{
	uint8_t *at = begin_member(json, key, "", length);

	if (!at)
		return;
	for (size_t i = 0; i < length; i++)
		at[i] = (uint8_t)text[i];
	end_member(json, at + length);
}

void json_open(struct json *json, const char *key, char bracket)
{
	json_plain(json, key, &bracket, 1);
	json->comma = false;
}

void json_close(struct json *json, char bracket)
{
	keep(json, buf_put(json->out, &bracket, 1));
	json->comma = true;
}

void json_b64(struct json *json, const char *key, struct row_text text)
{
	uint8_t *at = begin_member(json, key, "_b64", 0);

	if (!at)
		return;
	end_member(json, at);
	keep(json, text_put_base64(json->out, text.data, text.length));
}

void json_text(struct json *json, const char *key, struct row_text text)
{
	uint8_t *at = begin_member(json, key, "", 0);

	if (!at)
		return;
	end_member(json, at);
	keep(json, text_put_json(json->out, text.data, text.length));
	if (key && !utf8_valid(text.data, text.length))
		json_b64(json, key, text);
}

void json_texts(struct json *json, const char *key, const struct row_text *texts, size_t count)
{
	bool valid = true;
	uint8_t *at;

	json_open(json, key, '[');
	for (size_t i = 0; i < count; i++) {
		json_text(json, NULL, texts[i]);
		valid = valid && utf8_valid(texts[i].data, texts[i].length);
	}
	json_close(json, ']');
	if (!key || valid)
		return;
	at = begin_member(json, key, "_b64", 1);
	if (!at)
		return;
	*at++ = '[';
	end_member(json, at);
	for (size_t i = 0; i < count; i++) {
		if (i)
			keep(json, buf_put(json->out, ",", 1));
		keep(json, text_put_base64(json->out, texts[i].data, texts[i].length));
	}
	json_close(json, ']');
}

void json_entry(struct json *json, struct row_text key, struct row_text text)
{
	char suffixed[512];
	size_t length = key.length < sizeof(suffixed) - sizeof("_b64")
				? key.length
				: sizeof(suffixed) - sizeof("_b64");

	json_text(json, NULL, key);
	keep(json, buf_put(json->out, ":", 1));
	keep(json, text_put_json(json->out, text.data, text.length));
	if (utf8_valid(text.data, text.length))
		return;
	memcpy(suffixed, key.data, length);
	memcpy(suffixed + length, "_b64", sizeof("_b64"));
	json_text(json, NULL, (struct row_text){suffixed, length + 4});
	keep(json, buf_put(json->out, ":", 1));
	keep(json, text_put_base64(json->out, text.data, text.length));
}

static void row_json_begin(struct row *row)
{
	keep(&row->json, buf_put(row->out, "{", 1));
}

static void row_json_end(struct row *row)
{
	keep(&row->json, buf_put(row->out, "}\n", 2));
}

static void row_json_plain(struct row *row, const char *key, const char *text, size_t length)
{
	json_plain(&row->json, key, text, length);
}

static void row_json_text(struct row *row, const char *key, struct row_text text)
{
	json_text(&row->json, key, text);
}

static void row_json_texts(struct row *row, const char *key, const struct row_text *texts,
			   size_t count)
{
	json_texts(&row->json, key, texts, count);
}

static void row_json_entry(struct row *row, struct row_text key, struct row_text text)
{
	json_entry(&row->json, key, text);
}

static void row_json_open(struct row *row, const char *key, char bracket)
{
	json_open(&row->json, key, bracket);
}

static void row_json_close(struct row *row, char bracket)
{
	json_close(&row->json, bracket);
}

const struct row_ops row_json = {
	.begin = row_json_begin,
	.end = row_json_end,
	.plain = row_json_plain,
	.text = row_json_text,
	.texts = row_json_texts,
	.entry = row_json_entry,
	.open = row_json_open,
	.close = row_json_close,
};
