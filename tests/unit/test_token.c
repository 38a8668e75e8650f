/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens: what their files may hold, and who may say what with which. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <errno.h>
#include <cmocka.h>

#include "base/buf.h"
#include "net/token.h"
#include "wire/frame.h"
#include "wire/session.h"

#define GOOD  "0123456789abcdef"
#define OTHER "0123456789abcdeX"

static char path[] = "/tmp/ringside-token-XXXXXX";

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	close(fd);
	return fd < 0;
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static void write_bytes(const char *data, size_t length)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static void write_file(const char *text)
{
	write_bytes(text, strlen(text));
}

static void text_behind_a_nul_is_not_passed_over(void **state)
{
	static const char list[] = GOOD " *\0\n" OTHER " *\n", own[] = GOOD "\0x";
	char token[TOKEN_MAX + 1], why[256];
	struct tokens *tokens;

	(void)state;
	write_bytes(list, sizeof(list) - 1);
	assert_int_equal(tokens_new(path, &tokens, why, sizeof(why)), -EILSEQ);
	assert_non_null(strstr(why, "NUL"));
	write_bytes(own, sizeof(own) - 1);
	assert_int_equal(token_read(path, token), -EINVAL);
}

static void the_sidecars_file_holds_one_word(void **state)
{
	static const char *const wrong[] = {"", "\n", "short", GOOD " " GOOD, GOOD "\n" GOOD "\n"};
	char token[TOKEN_MAX + 1] = "as before", most[TOKEN_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		write_file(wrong[i]);
		assert_int_equal(token_read(path, token), -EINVAL);
	}
	memset(most, 'x', sizeof(most));
	most[TOKEN_MAX + 1] = '\0';
	write_file(most);
	assert_int_equal(token_read(path, token), -EINVAL);
	assert_int_equal(token_read("/nonexistent", token), -ENOENT);
	assert_string_equal(token, "as before");
	write_file("\n " GOOD "\r\n");
	assert_int_equal(token_read(path, token), 0);
	assert_string_equal(token, GOOD);
}

/* NULL, or why this list has nothing to say of such a Hello. `attributes` ends with a NULL; each is KEY=VALUE. */
static const char *refusal(const char *list, const char *token, const char *agent,
			   const char *const *attributes)
{
	struct session_attribute claimed[4];
	struct session_hello hello = {.protocol_min = 1,
				      .protocol_max = 1,
				      .agent_id = {agent, strlen(agent)},
				      .token = {token, strlen(token)},
				      .epoch = 1,
				      .attributes = claimed};
	struct frame_arena *arena = frame_arena_new(1 << 20);
	struct session_frame frame;
	struct tokens *tokens = NULL;
	const uint8_t *message;
	const char *why;
	char text[128];
	size_t length;
	struct buf out;

	for (; attributes && attributes[hello.attribute_count]; hello.attribute_count++) {
		const char *one = attributes[hello.attribute_count], *equals = strchr(one, '=');

		claimed[hello.attribute_count] =
			(struct session_attribute){.key = {one, (size_t)(equals - one)},
						   .value = {equals + 1, strlen(equals + 1)}};
	}
	write_file(list);
	assert_int_equal(tokens_new(path, &tokens, text, sizeof(text)), 0);
	assert_int_equal(buf_init(&out, 0, 4096), 0);
	assert_int_equal(session_put_hello(&out, &hello), 0);
	assert_true(frame_next(buf_head(&out), buf_length(&out), 4096, &message, &length) > 0);
	assert_int_equal(session_unpack(arena, message, length, &frame, &why), 0);
	why = tokens_refuse(tokens, &frame);
	tokens_free(tokens);
	frame_arena_free(arena);
	buf_done(&out);
	return why;
}

static void a_token_speaks_for_the_ids_of_its_lines(void **state)
{
	static const char list[] = "# who may\n\n" GOOD " web-*\n" OTHER "\tdb-?\r\n" GOOD " exact";

	(void)state;
	assert_null(refusal(list, GOOD, "web-1", NULL));
	assert_null(refusal(list, GOOD, "exact", NULL));
	assert_null(refusal(list, OTHER, "db-1", NULL));
	assert_non_null(refusal(list, GOOD, "db-1", NULL));
	assert_non_null(refusal(list, OTHER, "web-1", NULL));
	assert_non_null(refusal(list, OTHER, "db-10", NULL));
	assert_non_null(refusal(list, GOOD, "exactly", NULL));
	assert_non_null(refusal(list, "", "web-1", NULL));
	assert_non_null(refusal(list, "0123456789abcde", "web-1", NULL));
	assert_non_null(refusal(list, GOOD "0", "web-1", NULL));
	assert_non_null(refusal(list, "1123456789abcdef", "web-1", NULL));
}

static void a_token_allows_the_attributes_of_its_line(void **state)
{
	static const char list[] = GOOD " * k8s.namespace.name=shop host.name=*\n" OTHER " *\n";
	static const char *const good[] = {"host.name=a", "k8s.namespace.name=shop", NULL};
	static const char *const bad[] = {"host.name=a", "k8s.namespace.name=bank", NULL};
	static const char *const more[] = {"host.name=a", "k8s.pod.name=x", NULL};

	(void)state;
	assert_null(refusal(list, GOOD, "a", good));
	assert_null(refusal(list, GOOD, "a", NULL));
	assert_non_null(refusal(list, GOOD, "a", bad));
	assert_non_null(refusal(list, GOOD, "a", more));
	assert_null(refusal(list, OTHER, "a", more));
}

static void a_wrong_list_is_told_with_its_line(void **state)
{
	const struct {
		const char *list, *why;
	} wrong[] = {
		{"", "no token"},
		{"# nobody\n", "no token"},
		{GOOD " *\nshort *\n", "line 2"},
		{GOOD "\n", "no agent id"},
		{GOOD " * attribute", "not KEY=VALUE"},
	};
	struct tokens *tokens;
	char why[128];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		write_file(wrong[i].list);
		assert_int_equal(tokens_new(path, &tokens, why, sizeof(why)), -EINVAL);
		assert_non_null(strstr(why, wrong[i].why));
	}
	assert_int_equal(tokens_new("/nonexistent", &tokens, why, sizeof(why)), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_behind_a_nul_is_not_passed_over),
		cmocka_unit_test(the_sidecars_file_holds_one_word),
		cmocka_unit_test(a_token_speaks_for_the_ids_of_its_lines),
		cmocka_unit_test(a_token_allows_the_attributes_of_its_line),
		cmocka_unit_test(a_wrong_list_is_told_with_its_line),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
