/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts of any bytes as JSON, as base64 and as what a terminal may show. All append to a buffer; 0, -ENOSPC or -ENOMEM, then
 * part of the text may have been appended: whoever builds a line takes the whole line back.
 */
#ifndef RINGSIDE_WIRE_TEXT_H
#define RINGSIDE_WIRE_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct buf;

/* A JSON string with its quotes; U+FFFD for what is not UTF-8. */
int text_put_json(struct buf *out, const void *data, size_t length);
/* A JSON string of the bytes in base64 (RFC 4648, padded). */
int text_put_base64(struct buf *out, const void *data, size_t length);
/* For a terminal: control characters and bytes that are not UTF-8 as \xNN, a backslash as it is. */
int text_put_escaped(struct buf *out, const void *data, size_t length);
/* A CSV field, quoted where it must be (RFC 4180). */
int text_put_csv(struct buf *out, const void *data, size_t length);
/* Characters of a text that text_put_escaped made. */
size_t text_width(const void *data, size_t length);

#define TEXT_NUMBER 24 /* longest decimal number with its sign, and some */
#define TEXT_TIME   40 /* longest RFC 3339 time */

/* Decimal digits into `ret`, without a NUL; returns how many. */
size_t text_u64(uint64_t value, char ret[static TEXT_NUMBER]);
size_t text_i64(int64_t value, char ret[static TEXT_NUMBER]);
/* RFC 3339, UTC, nine digits of fraction: 2025-01-31T23:59:59.000000000Z. */
size_t text_time(int64_t realtime_ns, char ret[static TEXT_TIME]);

#endif
