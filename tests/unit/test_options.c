// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/options.h"

struct config {
	bool frames;
	const char *text, *argument;
	uint64_t size, time, number;
	struct option_list list, commas;
};

static const struct option_def table[] = {
	{"frames", OPTION_FLAG, NULL, "Show frames.", offsetof(struct config, frames), 0, 0},
	{"text", OPTION_TEXT, "TEXT", "Any text.", offsetof(struct config, text), 0, 0},
	{"argument", OPTION_ARGUMENT, "TEXT", "Another.", offsetof(struct config, argument), 0, 0},
	{"ring-size", OPTION_SIZE, "SIZE", "How large (64k).", offsetof(struct config, size), 4096,
	 1 << 30},
	{"flush-time", OPTION_TIME, "TIME", "How often (10ms).", offsetof(struct config, time), 0,
	 0},
	{"number", OPTION_NUMBER, "N",
	 "A number whose help is so long that it takes more than one line of the terminal, which "
	 "must be "
	 "wrapped at a word (1).",
	 offsetof(struct config, number), 1, 10},
	{"scope", OPTION_LIST, "SCOPE", "Repeatable.", offsetof(struct config, list), 0, 0},
	{"probe", OPTION_COMMA_LIST, "NAME,...", "Comma list.", offsetof(struct config, commas), 0,
	 0},
	{0},
};

static struct config config;
static struct option_list operands;
static char output[8192];

/* The items of lists are never given back: they live as long as the process. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

/* Runs options_parse with `fd` (1 or 2) caught in `output`. */
static int parse_caught(int fd, size_t max_operands, const char *const *words)
{
	char *argv[40] = {(char *)"test"};
	int argc = 1, saved = dup(fd), result;
	FILE *file = tmpfile();
	size_t length;

	for (; words[argc - 1]; argc++)
		argv[argc] = (char *)words[argc - 1];
	assert_non_null(file);
	fflush(NULL);
	dup2(fileno(file), fd);
	result = options_parse("test", "ringside test [OPTION]...", "Tests.", table, &config, argc,
			       argv, max_operands, &operands);
	fflush(NULL);
	dup2(saved, fd);
	close(saved);
	rewind(file);
	length = fread(output, 1, sizeof(output) - 1, file);
	output[length] = 0;
	fclose(file);
	return result;
}

#define PARSE(...) parse_caught(2, 2, (const char *const[]){__VA_ARGS__, NULL})

static int reset(void **state)
{
	static const char *const names[] = {
		"RINGSIDE_FRAMES", "RINGSIDE_TEXT",  "RINGSIDE_RING_SIZE", "RINGSIDE_FLUSH_TIME",
		"RINGSIDE_NUMBER", "RINGSIDE_SCOPE", "RINGSIDE_PROBE"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
	config = (struct config){.size = 65536, .time = 10000000, .number = 1};
	return 0;
}

static void options_and_operands_may_come_in_any_order(void **state)
{
	(void)state;
	assert_int_equal(PARSE("file", "--text", "a b", "--ring-size=2M", "-", "--flush-time",
			       "250ms", "--frames"),
			 0);
	assert_string_equal(config.text, "a b");
	assert_int_equal(config.size, 2 << 20);
	assert_int_equal(config.time, 250000000);
	assert_true(config.frames);
	assert_int_equal(config.number, 1);
	assert_int_equal(operands.count, 2);
	assert_string_equal(operands.value[0], "file");
	assert_string_equal(operands.value[1], "-");
}

static void the_command_line_wins_over_the_environment(void **state)
{
	(void)state;
	setenv("RINGSIDE_RING_SIZE", "8k", 1);
	setenv("RINGSIDE_TEXT", "environment", 1);
	setenv("RINGSIDE_ARGUMENT", "environment", 1);
	setenv("RINGSIDE_SCOPE", "one\ntwo\n", 1);
	setenv("RINGSIDE_PROBE", "a,b", 1);
	setenv("RINGSIDE_FRAMES", "true", 1);
	setenv("RINGSIDE_NUMBER", "", 1);
	assert_int_equal(PARSE("--text", "line", "--probe", "c"), 0);
	assert_string_equal(config.text, "line");
	assert_null(config.argument);
	assert_int_equal(config.size, 8192);
	assert_int_equal(config.number, 1);
	assert_true(config.frames);
	assert_int_equal(config.list.count, 2);
	assert_string_equal(config.list.value[0], "one");
	assert_string_equal(config.list.value[1], "two");
	assert_int_equal(config.commas.count, 1);
	assert_string_equal(config.commas.value[0], "c");
}

static void past_what_is_wrong_the_rest_is_taken_all_the_same(void **state)
{
	(void)state;
	setenv("RINGSIDE_FRAMES", "maybe", 1);
	setenv("RINGSIDE_TEXT", "environment", 1);
	assert_int_equal(PARSE("--nonsense", "--ring-size=1", "--tex", "x", "--number", "2"),
			 -EINVAL);
	assert_string_equal(config.text, "environment");
	assert_int_equal(config.size, 65536);
	assert_int_equal(config.number, 2);
	for (const char *const *name = (const char *const[]){"=RINGSIDE_FRAMES ", "=--nonsense ",
							     "=--ring-size ", "=--tex ", NULL};
	     *name; name++) {
		if (!strstr(output, *name))
			fail_msg("no %s in: %s", *name, output);
	}
}

static void lists_gather_and_only_comma_lists_split(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--scope", "a,b", "--scope=c", "--probe", "x, y,,", "--probe=z"), 0);
	assert_int_equal(config.list.count, 2);
	assert_string_equal(config.list.value[0], "a,b");
	assert_int_equal(config.commas.count, 3);
	assert_string_equal(config.commas.value[0], "x");
	assert_string_equal(config.commas.value[1], "y");
	assert_string_equal(config.commas.value[2], "z");
}

static void a_list_takes_32_values_and_no_more(void **state)
{
	(void)state;
	assert_int_equal(
		PARSE("--probe",
		      "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,"
		      "29,30,31,32"),
		0);
	assert_int_equal(config.commas.count, 32);
	assert_int_equal(
		PARSE("--probe",
		      "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,"
		      "29,30,31,32,33"),
		-EINVAL);
	assert_non_null(strstr(output, "option=--probe"));
}

/* What is wrong, as one line that names the option and the value. */
static void expect_line(int result, const char *option, const char *value)
{
	assert_int_equal(result, -EINVAL);
	assert_ptr_equal(strchr(output, '\n'), output + strlen(output) - 1);
	if (!strstr(output, option) || !strstr(output, value))
		fail_msg("no %s %s in: %s", option, value, output);
}

static void a_wrong_call_is_one_line_with_option_and_value(void **state)
{
	(void)state;
	expect_line(PARSE("--nonsense=3"), "option=\"--nonsense=3\"", "no such option");
	expect_line(PARSE("--tex", "secret"), "option=--tex", "no such option");
	expect_line(PARSE("--tex=secret"), "option=--tex ", "no such option");
	expect_line(PARSE("one", "--frame", "two"), "option=--frame ", "no such option");
	expect_line(PARSE("-word", "--nonsense"), "option=-w ", "no such option");
	expect_line(PARSE("-x"), "option=-x", "no such option");
	expect_line(PARSE("--text"), "option=--text", "needs a value");
	expect_line(PARSE("--frames=1"), "option=\"--frames=1\"", "takes no value");
	expect_line(PARSE("--ring-size", "64q"), "option=--ring-size", "value=64q");
	expect_line(PARSE("--ring-size", "1k"), "option=--ring-size", "4k to 1G");
	expect_line(PARSE("--ring-size", "2G"), "option=--ring-size", "value=2G");
	expect_line(PARSE("--flush-time", "10"), "option=--flush-time", "value=10");
	expect_line(PARSE("--flush-time", "-1s"), "option=--flush-time", "value=-1s");
	expect_line(PARSE("--number", "0"), "option=--number", "value=0");
	expect_line(PARSE("--number", "11"), "option=--number", "value=11");
	expect_line(PARSE("--number", ""), "option=--number", "value=\"\"");
	expect_line(PARSE("--number", "18446744073709551616"), "option=--number",
		    "value=18446744073709551616");
	expect_line(PARSE("--probe", ","), "option=--probe", "value=,");
	expect_line(PARSE("one", "two", "three"), "command=test", "value=three");
	setenv("RINGSIDE_FRAMES", "yes", 1);
	expect_line(PARSE("one"), "option=RINGSIDE_FRAMES", "value=yes");
}

static void help_names_every_option_and_the_environment(void **state)
{
	(void)state;
	setenv("RINGSIDE_NUMBER", "wrong", 1);
	assert_int_equal(parse_caught(1, 2, (const char *const[]){"--frames", "--help", NULL}), 1);
	for (const struct option_def *option = table; option->name; option++) {
		char shown[64];

		snprintf(shown, sizeof(shown), "  --%s%s%s", option->name,
			 option->argument ? " " : "", option->argument ? option->argument : "");
		assert_non_null(strstr(output, shown));
	}
	assert_non_null(strstr(output, "RINGSIDE_FRAMES"));
	for (char *line = strtok(output, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 100);
}

static void help_as_a_value_is_no_call_for_help(void **state)
{
	(void)state;
	assert_int_equal(PARSE("--text", "--help"), 0);
	assert_string_equal(config.text, "--help");
	assert_int_equal(PARSE("--", "--help"), 0);
	assert_string_equal(operands.value[0], "--help");
}

static void sizes_and_times_are_exact_or_refused(void **state)
{
	uint64_t value = 7;

	(void)state;
	assert_int_equal(options_size("17179869183G", &value), 0);
	assert_true(value == UINT64_C(17179869183) << 30);
	assert_int_equal(options_size("17179869184G", &value), -ERANGE);
	assert_int_equal(options_size("12", &value), 0);
	assert_int_equal(value, 12);
	assert_int_equal(options_size("1.5M", &value), -EINVAL);
	assert_int_equal(options_size(" 1", &value), -EINVAL);
	assert_int_equal(options_size("0x10", &value), -EINVAL);
	assert_int_equal(options_time("2h", &value), 0);
	assert_true(value == UINT64_C(7200000000000));
	assert_int_equal(options_time("0", &value), 0);
	assert_int_equal(value, 0);
	assert_int_equal(options_time("5124095577h", &value), -ERANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(options_and_operands_may_come_in_any_order, reset),
		cmocka_unit_test_setup(the_command_line_wins_over_the_environment, reset),
		cmocka_unit_test_setup(past_what_is_wrong_the_rest_is_taken_all_the_same, reset),
		cmocka_unit_test_setup(lists_gather_and_only_comma_lists_split, reset),
		cmocka_unit_test_setup(a_list_takes_32_values_and_no_more, reset),
		cmocka_unit_test_setup(a_wrong_call_is_one_line_with_option_and_value, reset),
		cmocka_unit_test_setup(help_names_every_option_and_the_environment, reset),
		cmocka_unit_test_setup(help_as_a_value_is_no_call_for_help, reset),
		cmocka_unit_test(sizes_and_times_are_exact_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
