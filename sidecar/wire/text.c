// SPDX-License-Identifier: Apache-2.0
#include "wire/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"

static const char hex_digits[] = "0123456789abcdef";

static bool json_plain(uint8_t byte)
{
	return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

/* Copies bytes as long as they need no escape; there is room for all. Most texts are short: a call costs more than a loop. */
static size_t copy_plain(struct buf *out, const uint8_t *from, size_t length)
{
	uint8_t *to = out->data + out->tail;
	size_t i = 0;

	for (; i < length && json_plain(from[i]); i++)
		to[i] = from[i];
	out->tail += i;
	return i;
}

static int json_escape(struct buf *out, uint8_t byte)
{
	static const char letters[] = "btn\0fr"; /* of 0x08 to 0x0d; 0x0b has none */
	const char pair[2] = {'\\', byte == '"' || byte == '\\'	   ? (char)byte
				    : byte >= 0x08 && byte <= 0x0d ? letters[byte - 0x08]
								   : 0};
	const char code[6] = {'\\', 'u', '0', '0', hex_digits[byte >> 4], hex_digits[byte & 15]};

	return pair[1] ? buf_put(out, pair, sizeof(pair)) : buf_put(out, code, sizeof(code));
}

/* What JSON can't take as it is: one character, or the bytes that one U+FFFD stands for. */
static int put_json_character(struct buf *out, const uint8_t *at, size_t length, size_t *ret_step)
{
	int found = utf8_next(at, length);

	*ret_step = (size_t)(found < 0 ? -found : found);
	if (found < 0)
		return buf_put(out, "\xef\xbf\xbd", 3);
	if (found > 1 || *at == 0x7f)
		return buf_put(out, at, *ret_step);
	return json_escape(out, *at);
}

int text_put_json(struct buf *out, const void *data, size_t length)
{
	const uint8_t *at = data;
	size_t step;
	int err;

	err = buf_reserve(out, length + 2);
	if (err)
		return err;
	out->data[out->tail++] = '"';
	for (;;) {
		step = copy_plain(out, at, length);
		at += step;
		length -= step;
		if (!length)
			break;
		err = put_json_character(out, at, length, &step);
		at += step;
		length -= step;
		if (!err)
			err = buf_reserve(out, length + 1);
		if (err)
			return err;
	}
	out->data[out->tail++] = '"';
	return 0;
}

int text_put_base64(struct buf *out, const void *data, size_t length)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *at = data;
	size_t size = (length + 2) / 3 * 4 + 2;
	uint8_t *to;
	int err;

	err = buf_reserve(out, size);
	if (err)
		return err;
	to = out->data + out->tail;
	*to++ = '"';
	for (; length; at += 3) {
		size_t take = length < 3 ? length : 3;
		uint32_t bits = (uint32_t)at[0] << 16 | (take > 1 ? (uint32_t)at[1] << 8 : 0) |
				(take > 2 ? (uint32_t)at[2] : 0);

		*to++ = (uint8_t)letters[bits >> 18];
		*to++ = (uint8_t)letters[bits >> 12 & 63];
		*to++ = take > 1 ? (uint8_t)letters[bits >> 6 & 63] : '=';
		*to++ = take > 2 ? (uint8_t)letters[bits & 63] : '=';
		length -= take;
	}
	*to = '"';
	out->tail += size;
	return 0;
}

int text_put_escaped(struct buf *out, const void *data, size_t length)
{
	const uint8_t *at = data;
	int err = 0;

	while (!err && length) {
		int found = utf8_next(at, length);
		size_t step = (size_t)(found < 0 ? -found : found);

		if (step == 1 && *at >= 0x20 && *at < 0x7f) {
			while (step < length && at[step] >= 0x20 && at[step] < 0x7f)
				step++;
			err = buf_put(out, at, step);
		} else if (found > 0 && !utf8_control(at, found)) {
			err = buf_put(out, at, step);
		} else {
			for (size_t i = 0; i < step && !err; i++)
				err = buf_put(out,
					      (const char[]){'\\', 'x', hex_digits[at[i] >> 4],
							     hex_digits[at[i] & 15]},
					      4);
		}
		at += step;
		length -= step;
	}
	return err;
}

int text_put_csv(struct buf *out, const void *data, size_t length)
{
	const uint8_t *at = data;
	size_t quotes = 0;
	bool quote = false;
	uint8_t *to;
	int err;

	for (size_t i = 0; i < length; i++) {
		quotes += at[i] == '"';
		quote = quote || at[i] == '"' || at[i] == ',' || at[i] == '\n' || at[i] == '\r';
	}
	if (!quote)
		return buf_put(out, data, length);
	err = buf_reserve(out, length + quotes + 2);
	if (err)
		return err;
	to = out->data + out->tail;
	*to++ = '"';
	for (size_t i = 0; i < length; i++) {
		if (at[i] == '"')
			*to++ = '"';
		*to++ = at[i];
	}
	*to = '"';
	out->tail += length + quotes + 2;
	return 0;
}

size_t text_width(const void *data, size_t length)
{
	const uint8_t *at = data;
	size_t width = 0;

	for (size_t i = 0; i < length; i++)
		width += (at[i] & 0xc0) != 0x80;
	return width;
}

size_t text_u64(uint64_t value, char ret[static TEXT_NUMBER])
{
	size_t length = 1;

	for (uint64_t left = value; left >= 10; left /= 10)
		length++;
	for (size_t at = length; at; value /= 10)
		ret[--at] = (char)('0' + value % 10);
	return length;
}

size_t text_i64(int64_t value, char ret[static TEXT_NUMBER])
{
	char digits[TEXT_NUMBER];
	size_t length;

	if (value >= 0)
		return text_u64((uint64_t)value, ret);
	length = text_u64(-(uint64_t)value, digits);
	ret[0] = '-';
	memcpy(ret + 1, digits, TEXT_NUMBER - 1);
	return length + 1;
}

static void put_digits(char *at, uint32_t value, int width)
{
	for (; width > 0; value /= 10)
		at[--width] = (char)('0' + value % 10);
}

size_t text_time(int64_t realtime_ns, char ret[static TEXT_TIME])
{
	static const char shape[] = "0000-00-00T00:00:00.000000000Z";
	int64_t seconds = realtime_ns / 1000000000, fraction = realtime_ns % 1000000000;
	int64_t days, second, era, year;
	uint32_t day_of_era, year_of_era, day_of_year, month;

	if (fraction < 0) {
		fraction += 1000000000;
		seconds--;
	}
	days = seconds / 86400;
	second = seconds % 86400;
	if (second < 0) {
		second += 86400;
		days--;
	}
	/* Years of 1 March to the end of February put the leap day last; an era is 400 years, from 0000-03-01. */
	days += 719468;
	era = days / 146097;
	day_of_era = (uint32_t)(days % 146097);
	year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	month = (5 * day_of_year + 2) / 153;
	year = era * 400 + year_of_era + (month >= 10);
	memcpy(ret, shape, sizeof(shape) - 1);
	put_digits(ret, (uint32_t)year, 4);
	put_digits(ret + 5, month < 10 ? month + 3 : month - 9, 2);
	put_digits(ret + 8, day_of_year - (153 * month + 2) / 5 + 1, 2);
	put_digits(ret + 11, (uint32_t)(second / 3600), 2);
	put_digits(ret + 14, (uint32_t)(second / 60 % 60), 2);
	put_digits(ret + 17, (uint32_t)(second % 60), 2);
	put_digits(ret + 20, (uint32_t)fraction, 9);
	return sizeof(shape) - 1;
}
