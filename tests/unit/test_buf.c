// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>

#include "base/buf.h"

static void bytes_come_out_in_the_order_they_went_in(void **state)
{
	struct buf buf;
	char expected[64];

	(void)state;
	assert_int_equal(buf_init(&buf, 0, 64), 0);
	for (int round = 0; round < 100; round++) {
		for (int i = 0; i < 40; i++) {
			expected[i] = (char)(round + i);
			assert_int_equal(buf_put(&buf, &expected[i], 1), 0);
		}
		assert_int_equal(buf_length(&buf), 40);
		assert_memory_equal(buf_head(&buf), expected, 40);
		buf_consume(&buf, 15);
		assert_memory_equal(buf_head(&buf), expected + 15, 25);
		buf_consume(&buf, 25);
		assert_int_equal(buf_length(&buf), 0);
	}
	buf_done(&buf);
}

static void room_at_the_front_is_used_before_the_limit_refuses(void **state)
{
	struct buf buf;

	(void)state;
	assert_int_equal(buf_init(&buf, 16, 16), 0);
	assert_int_equal(buf_put(&buf, "0123456789abcdef", 16), 0);
	assert_int_equal(buf_put(&buf, "x", 1), -ENOSPC);
	assert_int_equal(buf_length(&buf), 16);
	buf_consume(&buf, 10);
	assert_int_equal(buf_put(&buf, "ghijklmnop", 10), 0);
	assert_memory_equal(buf_head(&buf), "abcdefghijklmnop", 16);
	assert_int_equal(buf_reserve(&buf, SIZE_MAX), -ENOSPC);
	buf_done(&buf);
}

static void what_was_refused_leaves_no_trace(void **state)
{
	struct buf buf;

	(void)state;
	assert_int_equal(buf_init(&buf, 4, 8), 0);
	assert_int_equal(buf_printf(&buf, "%s", "1234"), 0);
	assert_int_equal(buf_printf(&buf, "%d", 12345), -ENOSPC);
	assert_int_equal(buf_length(&buf), 4);
	assert_memory_equal(buf_head(&buf), "1234", 4);
	buf_done(&buf);
}

static void truncate_goes_back_to_a_length_seen_before(void **state)
{
	struct buf buf;
	size_t before;

	(void)state;
	assert_int_equal(buf_init(&buf, 0, 100), 0);
	assert_int_equal(buf_put(&buf, "gone-kept", 9), 0);
	buf_consume(&buf, 5);
	before = buf_length(&buf);
	assert_int_equal(buf_put(&buf, "-more", 5), 0);
	buf_truncate(&buf, before);
	assert_int_equal(buf_length(&buf), 4);
	assert_memory_equal(buf_head(&buf), "kept", 4);
	buf_done(&buf);
	buf_done(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_come_out_in_the_order_they_went_in),
		cmocka_unit_test(room_at_the_front_is_used_before_the_limit_refuses),
		cmocka_unit_test(what_was_refused_leaves_no_trace),
		cmocka_unit_test(truncate_goes_back_to_a_length_seen_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
