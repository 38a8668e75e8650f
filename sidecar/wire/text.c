// SPDX-License-Identifier: Apache-2.0
#include "wire/text.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"

static const char hex_digits[] = "0123456789abcdef";

/* Bytes that stand in a JSON string as they are; above ASCII the caller decides. */
static size_t json_plain(const uint8_t *at, size_t length)
{
	size_t i = 0;

	while (i < length && at[i] >= 0x20 && at[i] < 0x7f && at[i] != '"' && at[i] != '\\')
		i++;
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

int text_put_json(struct buf *out, const void *data, size_t length)
{
	const uint8_t *at = data;
	int err = buf_put(out, "\"", 1);

	while (!err && length) {
		size_t plain = json_plain(at, length);
		size_t step = plain;

		if (plain) {
			err = buf_put(out, at, plain);
		} else {
			int found = utf8_next(at, length);

			step = (size_t)(found < 0 ? -found : found);
			if (found < 0)
				err = buf_put(out, "\xef\xbf\xbd", 3);
			else if (found > 1 || *at == 0x7f)
				err = buf_put(out, at, step);
			else
				err = json_escape(out, *at);
		}
		at += step;
		length -= step;
	}
	return err ? err : buf_put(out, "\"", 1);
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

		if (found > 0 && !utf8_control(at, found)) {
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
	bool quote = false;
	int err;

	for (size_t i = 0; i < length && !quote; i++)
		quote = at[i] == '"' || at[i] == ',' || at[i] == '\n' || at[i] == '\r';
	if (!quote)
		return buf_put(out, data, length);
	err = buf_put(out, "\"", 1);
	for (size_t i = 0; i < length && !err; i++) {
		if (at[i] == '"')
			err = buf_put(out, "\"\"", 2);
		else
			err = buf_put(out, &at[i], 1);
	}
	return err ? err : buf_put(out, "\"", 1);
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
	char digits[TEXT_NUMBER];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	memcpy(ret, digits + at, sizeof(digits) - at);
	return sizeof(digits) - at;
}

size_t text_i64(int64_t value, char ret[static TEXT_NUMBER])
{
	char digits[TEXT_NUMBER];
	size_t length;

	if (value >= 0)
		return text_u64((uint64_t)value, ret);
	length = text_u64(-(uint64_t)value, digits);
	ret[0] = '-';
	memcpy(ret + 1, digits, length);
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
