/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "inject/inject.h"

static int left;

static void left_alone(const char *object, const char *why)
{
	(void)object;
	(void)why;
	left++;
}

static const struct inject_change put_in = {
	.left_alone = left_alone,
	.tls_client_secret = "theirs",
	.token_secret = "mine",
};
static const struct inject_change take_out = {.left_alone = left_alone, .remove = true};

/* Everything that this room reads, with numbers as nobody would keep them. */
static const char rich[] =
	"{\"kind\":\"List\",\"items\":[{\"apiVersion\":\"batch/"
	"v1\",\"kind\":\"CronJob\",\"metadata\":{\"name\":"
	"\"a\"},\"spec\":{\"jobTemplate\":{\"spec\":{\"template\":{\"metadata\":null,\"spec\":{"
	"\"shareProcessNamespace\":false,\"os\":{\"name\":\"linux\"},\"containers\":[{\"name\":"
	"\"x\",\"n\":1.0,"
	"\"m\":12345678901234567890,\"e\":1e3,\"z\":-0}],\"initContainers\":[],"
	"\"ephemeralContainers\":null}}}}}},"
	"{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"annotations\":{\"ringside.io/"
	"cpu\":\"1\","
	"\"ringside.io/"
	"image\":\"i\",\"x\":\"i\\u0000\xc3\xa9\"}},\"spec\":{\"containers\":[]}},{\"kind\":"
	"\"Secret\"}]}";

/* The result, or NULL; it is compared as it is, so that inputs are written without spaces. */
static char *change(const struct inject_change *how, const char *text, size_t length)
{
	struct inject_trouble trouble;
	char *result = NULL;
	size_t result_length;
	const int err = inject_text(how, text, length, &result, &result_length, &trouble);

	if (!err) {
		assert_int_equal(result[result_length - 1], '\n');
		return result;
	}
	assert_int_equal(err, -EINVAL);
	assert_string_not_equal(trouble.why, "");
	assert_null(result);
	return NULL;
}

static void what_is_taken_out_again_is_what_went_in(void **state)
{
	char *in, *again, *out;

	(void)state;
	left = 0;
	in = change(&put_in, rich, strlen(rich));
	assert_non_null(in);
	assert_int_equal(left, 0);
	assert_non_null(strstr(in,
			       "\"ringside.io/injected\":\"{\\\"metadata\\\":null,"
			       "\\\"initContainers\\\":[],\\\"shareProcessNamespace\\\":false}\""));
	again = change(&put_in, in, strlen(in));
	assert_string_equal(again, in);
	assert_int_equal(left, 2);
	out = change(&take_out, in, strlen(in));
	assert_int_equal(strlen(out), strlen(rich) + 1);
	assert_memory_equal(out, rich, strlen(rich));
	free(out);
	free(again);
	free(in);
}

/* Neither of what is cut off nor of what is changed anywhere does it read or write too much: the sanitizers watch. */
static void no_input_does_harm(void **state)
{
	static const char bytes[] = "{}[]\",:0n\\ \x80";
	const size_t length = strlen(rich);
	char *injected, *copy;

	(void)state;
	injected = change(&put_in, rich, length);
	for (size_t i = 0; i < strlen(injected) - 1; i++) {
		/* Of its very size: a byte past the end is seen. */
		copy = malloc(i + 1);
		memcpy(copy, injected, i);
		assert_null(change(&take_out, copy, i));
		free(copy);
	}
	for (size_t i = 0; i < length; i++) {
		for (size_t j = 0; j < sizeof(bytes); j++) {
			copy = malloc(length);
			memcpy(copy, rich, length);
			copy[i] = bytes[j];
			free(change(&put_in, copy, length));
			free(change(&take_out, copy, length));
			free(copy);
		}
	}
	free(injected);
}

static void what_cannot_be_read_is_told_by_line_and_column(void **state)
{
	static const char text[] = "{\n  \"a\": [1,\n    oops]}";
	struct inject_trouble trouble;
	size_t length;
	char *result;

	(void)state;
	assert_int_equal(inject_text(&put_in, text, strlen(text), &result, &length, &trouble),
			 -EINVAL);
	assert_int_equal(trouble.line, 3);
	assert_int_equal(trouble.column, 5);
}

static void only_what_sidecar_json_has_is_an_access(void **state)
{
	(void)state;
	assert_true(inject_knows_access("share"));
	assert_true(inject_knows_access("none"));
	assert_false(inject_knows_access("all"));
	assert_false(inject_knows_access(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_taken_out_again_is_what_went_in),
		cmocka_unit_test(no_input_does_harm),
		cmocka_unit_test(what_cannot_be_read_is_told_by_line_and_column),
		cmocka_unit_test(only_what_sidecar_json_has_is_an_access),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
