// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <string.h>

int utf8_next(const uint8_t *text, size_t length)
{
	uint8_t first = text[0], low = 0x80, high = 0xbf;
	int want;

	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return -1;
	want = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	/* The second byte alone tells overlong forms, surrogates and what is past U+10FFFF. */
	if (first == 0xe0)
		low = 0xa0;
	else if (first == 0xed)
		high = 0x9f;
	else if (first == 0xf0)
		low = 0x90;
	else if (first == 0xf4)
		high = 0x8f;
	for (int i = 1; i < want; i++) {
		if ((size_t)i >= length || text[i] < low || text[i] > high)
			return -i;
		low = 0x80;
		high = 0xbf;
	}
	return want;
}

size_t utf8_valid_length(const void *text, size_t length)
{
	const uint8_t *at = text;
	const uint8_t *end = at + length;

	while (at < end) {
		uint64_t eight;
		int step;

		if (end - at >= 8) {
			memcpy(&eight, at, sizeof(eight));
			if (!(eight & 0x8080808080808080u)) {
				at += 8;
				continue;
			}
		}
		step = utf8_next(at, (size_t)(end - at));
		if (step < 0)
			break;
		at += step;
	}
	return length - (size_t)(end - at);
}

bool utf8_valid(const void *text, size_t length)
{
	return utf8_valid_length(text, length) == length;
}

bool utf8_control(const uint8_t *c, int length)
{
	if (length == 1)
		return c[0] < 0x20 || c[0] == 0x7f;
	if (length == 2)
		return c[0] == 0xc2 && c[1] < 0xa0;
	/* U+200E, U+200F, U+2028 to U+202E; U+2066 to U+2069 */
	if (length == 3 && c[0] == 0xe2 && c[1] == 0x80)
		return c[2] == 0x8e || c[2] == 0x8f || (c[2] >= 0xa8 && c[2] <= 0xae);
	return length == 3 && c[0] == 0xe2 && c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9;
}
