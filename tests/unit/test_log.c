// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"

static int saved, ends[2];

static int catch_stderr(void **state)
{
	(void)state;
	saved = dup(STDERR_FILENO);
	assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
	dup2(ends[1], STDERR_FILENO);
	close(ends[1]);
	return 0;
}

static int release_stderr(void **state)
{
	(void)state;
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(ends[0]);
	return 0;
}

static size_t caught(char *text, size_t size)
{
	ssize_t n = read(ends[0], text, size - 1);

	text[n > 0 ? n : 0] = 0;
	return n > 0 ? (size_t)n : 0;
}

static void values_are_quoted_and_escaped_where_they_must_be(void **state)
{
	char text[4096];

	(void)state;
	log_line(LOG_ERROR, "no such thing", "plain", "a/b:c-1", "empty", "", "space", "a b",
		 "none", NULL, "quote", "a\"b\\", "control", "a\n\t\033[31m", "utf8", "\xc3\xa9",
		 "bytes", "\xff\xc3", "c1", "\xc2\x9b", NULL);
	caught(text, sizeof(text));
	assert_string_equal(
		text, "level=error msg=\"no such thing\" plain=a/b:c-1 empty=\"\" space=\"a b\" "
		      "quote=\"a\\\"b\\\\\" control=\"a\\n\\t\\x1b[31m\" utf8=\"\xc3\xa9\" "
		      "bytes=\"\\xff\\xc3\" c1=\"\\xc2\\x9b\"\n");
}

static void levels_below_the_set_one_are_silent(void **state)
{
	char text[4096];

	(void)state;
	log_line(LOG_DEBUG, "unseen", NULL);
	assert_int_equal(caught(text, sizeof(text)), 0);
	log_set_level(LOG_DEBUG);
	log_line(LOG_DEBUG, "seen", NULL);
	log_set_level(LOG_INFO);
	caught(text, sizeof(text));
	assert_string_equal(text, "level=debug msg=seen\n");
}

static void four_numbers_live_at_once(void **state)
{
	char text[4096];

	(void)state;
	log_line(LOG_INFO, "n", "a", log_u64(18446744073709551615u), "b", log_i64(-5), "c",
		 log_u64(0), "d", log_i64(7), NULL);
	caught(text, sizeof(text));
	assert_string_equal(text, "level=info msg=n a=18446744073709551615 b=-5 c=0 d=7\n");
}

static void a_line_that_is_too_long_is_cut_and_ends_in_a_newline(void **state)
{
	char text[8192], value[6000];

	(void)state;
	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = 0;
	log_line(LOG_INFO, "n", "long", value, NULL);
	assert_int_equal(caught(text, sizeof(text)), 4096);
	assert_int_equal(text[4095], '\n');
}

static void a_full_pipe_drops_lines_and_does_not_block(void **state)
{
	(void)state;
	/* The write end blocks, as a container's stderr does; a test that hangs here has failed. */
	fcntl(STDERR_FILENO, F_SETFL, 0);
	for (int i = 0; i < 10000; i++)
		log_line(LOG_INFO, "a line that fills the pipe", "and", "more", NULL);
}

static void the_last_error_is_kept_as_a_sentence(void **state)
{
	char text[1024], value[2000];

	(void)state;
	log_last_error(text, sizeof(text));
	assert_string_equal(text, "");
	log_line(LOG_ERROR, "cannot read", "file", "a b", "line", NULL, "why", "no", NULL);
	log_line(LOG_WARN, "another", "why", "yes", NULL);
	log_last_error(text, sizeof(text));
	assert_string_equal(text, "cannot read; file: a b; why: no");
	log_last_error(text, 7);
	assert_string_equal(text, "cannot");
	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = 0;
	log_line(LOG_ERROR, "long", "one", value, "why", "no", "two", value, "three", value, NULL);
	log_last_error(text, sizeof(text));
	assert_non_null(strstr(text, "xxx; why: no; two: xxx"));
	assert_int_equal(strlen(text), 511);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* The first, for the others log errors too. */
		cmocka_unit_test_setup_teardown(the_last_error_is_kept_as_a_sentence, catch_stderr,
						release_stderr),
		cmocka_unit_test_setup_teardown(values_are_quoted_and_escaped_where_they_must_be,
						catch_stderr, release_stderr),
		cmocka_unit_test_setup_teardown(levels_below_the_set_one_are_silent, catch_stderr,
						release_stderr),
		cmocka_unit_test_setup_teardown(four_numbers_live_at_once, catch_stderr,
						release_stderr),
		cmocka_unit_test_setup_teardown(
			a_line_that_is_too_long_is_cut_and_ends_in_a_newline, catch_stderr,
			release_stderr),
		cmocka_unit_test_setup_teardown(a_full_pipe_drops_lines_and_does_not_block,
						catch_stderr, release_stderr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
