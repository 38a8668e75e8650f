/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/types.h>
#include <cmocka.h>

#include "scope/scope.h"
#include "scope/text_value.h"

static void expect(const char *given, enum value_kind kind, uint16_t hierarchy, uint64_t number)
{
	struct scope_value value;
	const char *why;

	assert_int_equal(value_parse(given, &value, &why), 0);
	assert_int_equal(value.kind, kind);
	assert_int_equal(value.hierarchy, hierarchy);
	assert_int_equal(value.number, number);
}

static void refuse(const char *given, const char *part)
{
	struct scope_value value = {.kind = 77};
	const char *why = "";

	assert_int_equal(value_parse(given, &value, &why), -EINVAL);
	assert_non_null(strstr(why, part));
	assert_int_equal(value.kind, 77);
}

static void words_are_taken(void **state)
{
	(void)state;
	expect("pod", VALUE_POD, 0, 0);
	expect("container", VALUE_CONTAINER, 0, 0);
	expect("self", VALUE_SELF, 0, 0);
	expect("host", VALUE_HOST, 0, 0);
}

static void words_are_whole_and_lower_case(void **state)
{
	(void)state;
	refuse("", "none of");
	refuse("pods", "none of");
	refuse("Host", "none of");
	refuse("self ", "none of");
	refuse("cgroup", "none of");
	refuse("/sys/fs/cgroup", "none of");
	refuse("id", "none of");
}

static void ids_carry_their_hierarchy(void **state)
{
	(void)state;
	expect("id:7", VALUE_ID, HIERARCHY_V2, 7);
	expect("id:memory:8", VALUE_ID, HIERARCHY_MEMORY, 8);
	expect("id:pids:9", VALUE_ID, HIERARCHY_PIDS, 9);
	expect("id:18446744073709551615", VALUE_ID, HIERARCHY_V2, UINT64_MAX);
}

static void numbers_are_plain_decimal_above_zero(void **state)
{
	(void)state;
	refuse("id:", "decimal");
	refuse("id:0", "decimal");
	refuse("id:-1", "decimal");
	refuse("id:+1", "decimal");
	refuse("id: 1", "decimal");
	refuse("id:0x1", "decimal");
	refuse("id:1a", "decimal");
	refuse("id:1:", "decimal");
	refuse("id:cpu:1", "decimal");
	refuse("id:18446744073709551616", "decimal");
	refuse("id:memory:", "decimal");
	refuse("pid:", "decimal");
	refuse("pid:self", "decimal");
	refuse("pid:0", "decimal");
	refuse("pid:2147483648", "decimal");
	expect("pid:2147483647", VALUE_PID, 0, 2147483647);
}

static void paths_begin_with_a_slash(void **state)
{
	struct scope_value value;
	const char *why;

	(void)state;
	refuse("cgroup:", "begins with /");
	refuse("cgroup:a/b", "begins with /");
	assert_int_equal(value_parse("cgroup:/../a:b c", &value, &why), 0);
	assert_int_equal(value.kind, VALUE_CGROUP);
	assert_string_equal(value.operand, "/../a:b c");
}

static void container_ids_are_hex_and_at_most_64_digits(void **state)
{
	char id[128] = "docker:";
	struct scope_value value;
	const char *why;

	(void)state;
	refuse("docker:", "container id");
	refuse("docker:app", "not names");
	refuse("docker:ABC", "container id");
	refuse("docker:12/", "container id");
	memset(id + 7, 'f', 64);
	assert_int_equal(value_parse(id, &value, &why), 0);
	assert_int_equal(value.kind, VALUE_DOCKER);
	assert_ptr_equal(value.operand, id + 7);
	id[71] = 'f';
	refuse(id, "1 to 64");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_are_taken),
		cmocka_unit_test(words_are_whole_and_lower_case),
		cmocka_unit_test(ids_carry_their_hierarchy),
		cmocka_unit_test(numbers_are_plain_decimal_above_zero),
		cmocka_unit_test(paths_begin_with_a_slash),
		cmocka_unit_test(container_ids_are_hex_and_at_most_64_digits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
