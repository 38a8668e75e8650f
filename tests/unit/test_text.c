// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <stdio.h>
#include <time.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "wire/text.h"

static struct buf out;

static int setup(void **state)
{
	(void)state;
	return buf_init(&out, 0, 1 << 20);
}

static int teardown(void **state)
{
	(void)state;
	buf_done(&out);
	return 0;
}

typedef int (*put_text)(struct buf *out, const void *data, size_t length);

static void expect(put_text put, const char *text, size_t length, const char *expected)
{
	buf_clear(&out);
	assert_int_equal(put(&out, text, length), 0);
	assert_int_equal(buf_put(&out, "", 1), 0);
	assert_string_equal((const char *)buf_head(&out), expected);
}

#define EXPECT(put, text, expected) expect(put, text, sizeof(text) - 1, expected)

static void json_escapes_what_json_must(void **state)
{
	(void)state;
	EXPECT(text_put_json, "", "\"\"");
	EXPECT(text_put_json, "a\"b\\c/d", "\"a\\\"b\\\\c/d\"");
	EXPECT(text_put_json, "\0\x01\b\t\n\v\f\r\x1f\x7f",
	       "\"\\u0000\\u0001\\b\\t\\n\\u000b\\f\\r\\u001f\x7f\"");
	EXPECT(text_put_json, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
	       "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

#define R "\xef\xbf\xbd"

/* The Unicode Standard's own examples (chapter 3, U+FFFD substitution of maximal subparts), and Python's. */
static void what_is_not_utf8_becomes_one_fffd_for_each_maximal_part(void **state)
{
	(void)state;
	EXPECT(text_put_json, "\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", "\"" R R R R R R R R "A\"");
	EXPECT(text_put_json, "\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", "\"" R R R R R R R R "A\"");
	EXPECT(text_put_json, "\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", "\"" R R R R R "A" R R "B\"");
	EXPECT(text_put_json, "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", "\"" R R R R "A\"");
	EXPECT(text_put_json, "ok\xe2\x82", "\"ok" R "\"");
	assert_false(utf8_valid("12345678\xe2\x82", 10));
	assert_true(utf8_valid("12345678\xe2\x82\xac", 11));
	assert_int_equal(utf8_valid_length("1234567890\xff", 11), 10);
}

static void base64_is_padded(void **state)
{
	(void)state;
	EXPECT(text_put_base64, "", "\"\"");
	EXPECT(text_put_base64, "f", "\"Zg==\"");
	EXPECT(text_put_base64, "fo", "\"Zm8=\"");
	EXPECT(text_put_base64, "foo", "\"Zm9v\"");
	EXPECT(text_put_base64, "\xff\xfe\xfd\x00", "\"//79AA==\"");
}

static void a_terminal_gets_no_control_character(void **state)
{
	(void)state;
	EXPECT(text_put_escaped, "plain\xc3\xa9 text", "plain\xc3\xa9 text");
	EXPECT(text_put_escaped, "\033[2Jx\r\n\x7f", "\\x1b[2Jx\\x0d\\x0a\\x7f");
	EXPECT(text_put_escaped,
	       "\xc2\x9b"
	       "31m",
	       "\\xc2\\x9b31m");
	EXPECT(text_put_escaped,
	       "a\xe2\x80\xae"
	       "b\xe2\x81\xa6",
	       "a\\xe2\\x80\\xaeb\\xe2\\x81\\xa6");
	EXPECT(text_put_escaped, "\xff\xf0\x9f", "\\xff\\xf0\\x9f");
}

static void csv_quotes_only_where_it_must(void **state)
{
	(void)state;
	EXPECT(text_put_csv, "plain text", "plain text");
	EXPECT(text_put_csv, "a,b", "\"a,b\"");
	EXPECT(text_put_csv, "a\"b\nc", "\"a\"\"b\nc\"");
}

static void numbers_are_exact(void **state)
{
	static const int64_t values[] = {
		0, 9, 10, -1, 99, 100, INT64_MAX, INT64_MIN, -1000000000000};
	char text[TEXT_NUMBER], expected[32];

	(void)state;
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		int length = snprintf(expected, sizeof(expected), "%lld", (long long)values[i]);

		assert_int_equal(text_i64(values[i], text), length);
		assert_memory_equal(text, expected, (size_t)length);
		length =
			snprintf(expected, sizeof(expected), "%llu", (unsigned long long)values[i]);
		assert_int_equal(text_u64((uint64_t)values[i], text), length);
		assert_memory_equal(text, expected, (size_t)length);
	}
}

static void times_agree_with_the_c_library_over_all_that_fits(void **state)
{
	char text[TEXT_TIME + 1], expected[64], date[40];
	uint64_t x = 88172645463325252u;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		int64_t ns = i == 0    ? INT64_MIN
			     : i == 1  ? INT64_MAX
			     : i < 100 ? i - 50
				       : (int64_t)x;
		int64_t fraction = (ns % 1000000000 + 1000000000) % 1000000000;
		time_t second = ns / 1000000000 - (ns % 1000000000 < 0);
		struct tm tm;

		gmtime_r(&second, &tm);
		strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(expected, sizeof(expected), "%s.%09dZ", date, (int)fraction);
		text[text_time(ns, text)] = 0;
		assert_string_equal(text, expected);
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
}

static void a_full_buffer_is_an_error_at_every_length(void **state)
{
	static const put_text puts[] = {text_put_json, text_put_base64, text_put_escaped,
					text_put_csv};
	static const char text[] = "a\"\n\xff,\xc3\xa9 and so on";
	struct buf small;

	(void)state;
	for (size_t p = 0; p < sizeof(puts) / sizeof(puts[0]); p++) {
		size_t needed;

		buf_clear(&out);
		assert_int_equal(puts[p](&out, text, sizeof(text) - 1), 0);
		needed = buf_length(&out);
		for (size_t limit = 1; limit <= needed; limit++) {
			assert_int_equal(buf_init(&small, 0, limit), 0);
			assert_int_equal(puts[p](&small, text, sizeof(text) - 1) == 0,
					 limit == needed);
			buf_done(&small);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_escapes_what_json_must),
		cmocka_unit_test(what_is_not_utf8_becomes_one_fffd_for_each_maximal_part),
		cmocka_unit_test(base64_is_padded),
		cmocka_unit_test(a_terminal_gets_no_control_character),
		cmocka_unit_test(csv_quotes_only_where_it_must),
		cmocka_unit_test(numbers_are_exact),
		cmocka_unit_test(times_agree_with_the_c_library_over_all_that_fits),
		cmocka_unit_test(a_full_buffer_is_an_error_at_every_length),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
