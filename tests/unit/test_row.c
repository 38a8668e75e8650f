// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>

#include "wire_test.h"

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

static struct row_text text(const char *characters)
{
	return (struct row_text){characters, strlen(characters)};
}

/* A record with everything in it. */
static void put_record(struct row *row)
{
	const struct row_text words[] = {text("ls"), text(""), text("a b"), text("\xff")};

	row_cstring(row, "kind", "exec");
	row_time(row, "time", INT64_C(1700000000123456789));
	row_cstring(row, "agent", "me");
	row_u64(row, "seq", UINT64_MAX);
	row_u64(row, "pid", 12);
	row_text(row, "comm", text("a,\"\xff"));
	row_hint(row, "cgroup", text("system.slice-and-more"));
	row_i64(row, "small", INT64_MIN);
	row_texts(row, "words", words, 4);
	row_object_begin(row, "inner");
	row_bool(row, "truth", true);
	row_list_begin(row, "list");
	row_object_begin(row, NULL);
	row_u64(row, "one", 1);
	row_object_end(row);
	row_u64(row, NULL, 2);
	row_text(row, NULL, text("\xfe"));
	row_list_end(row);
	row_object_end(row);
	row_list_begin(row, "empty");
	row_list_end(row);
	row_object_begin(row, "attributes");
	row_entry(row, text("k\"ey"), text("v\xff"));
	row_object_end(row);
}

static const char *show(enum row_format format)
{
	struct row *row;

	buf_clear(&out);
	row = row_new(format, false, &out);
	assert_non_null(row);
	row_begin(row);
	put_record(row);
	assert_int_equal(row_end(row), 0);
	row_free(row);
	return buf_text(&out);
}

static void json_has_every_key_and_whole_texts_beside_broken_ones(void **state)
{
	(void)state;
	assert_string_equal(
		show(ROW_JSON),
		"{\"kind\":\"exec\",\"time\":\"2023-11-14T22:13:20.123456789Z\",\"agent\":\"me\","
		"\"seq\":18446744073709551615,\"pid\":12,\"comm\":\"a,\\\"\xef\xbf\xbd\","
		"\"comm_b64\":\"YSwi/w==\",\"small\":-9223372036854775808,"
		"\"words\":[\"ls\",\"\",\"a b\",\"\xef\xbf\xbd\"],"
		"\"words_b64\":[\"bHM=\",\"\",\"YSBi\",\"/w==\"],"
		"\"inner\":{\"truth\":true,\"list\":[{\"one\":1},2,\"\xef\xbf\xbd\"]},\"empty\":[],"
		"\"attributes\":{\"k\\\"ey\":\"v\xef\xbf\xbd\",\"k\\\"ey_b64\":\"dv8=\"}}\n");
}

static void a_table_is_aligned_and_leaves_identifiers_out(void **state)
{
	(void)state;
	assert_string_equal(
		show(ROW_TABLE),
		"TIME         KIND             PID COMM            CONTAINER    DETAILS\n"
		"22:13:20.123 exec              12 a,\"\\xff         system.slice "
		"small=-9223372036854775808 "
		"words=[ls \"\" \"a b\" \\xff] inner={truth=true list=[{one=1} 2 \\xfe]} "
		"empty=[]\n");
}

static void csv_has_the_rest_as_json_in_its_last_column(void **state)
{
	(void)state;
	assert_string_equal(
		show(ROW_CSV),
		"kind,time,agent,epoch,stream,seq,pid,tid,ns_pid,ns_tid,cpu,comm,cgroup_id,"
		"container,hierarchy,"
		"fields\n"
		"exec,2023-11-14T22:13:20.123456789Z,me,,,18446744073709551615,12,,,,,"
		"\"a,\"\"\xef\xbf\xbd\",,,,"
		"\"{\"\"comm_b64\"\":\"\"YSwi/w==\"\",\"\"small\"\":-9223372036854775808,"
		"\"\"words\"\":[\"\"ls\"\",\"\"\"\",\"\"a b\"\",\"\"\xef\xbf\xbd\"\"],"
		"\"\"words_b64\"\":[\"\"bHM=\"\",\"\"\"\",\"\"YSBi\"\",\"\"/w==\"\"],"
		"\"\"inner\"\":{\"\"truth\"\":true,\"\"list\"\":[{\"\"one\"\":1},2,"
		"\"\"\xef\xbf\xbd\"\"]},"
		"\"\"empty\"\":[],\"\"attributes\"\":{\"\"k\\\"\"ey\"\":\"\"v\xef\xbf\xbd\"\","
		"\"\"k\\\"\"ey_b64\"\":\"\"dv8=\"\"}}\"\n");
}

static void none_prints_nothing(void **state)
{
	(void)state;
	assert_string_equal(show(ROW_NONE), "");
}

static void a_container_id_is_cut_and_beats_the_cgroup_name(void **state)
{
	struct row *row = row_new(ROW_TABLE, false, &out);

	(void)state;
	row_begin(row);
	row_cstring(row, "container", "0123456789abcdef0123456789abcdef");
	row_hint(row, "cgroup", text("name"));
	row_hint(row, "agent", text("me"));
	assert_int_equal(row_end(row), 0);
	assert_contains(&out, " 0123456789ab agent=me\n");
	row_free(row);
	buf_clear(&out);
}

static void what_a_table_leaves_out_is_left_out_with_all_that_is_in_it(void **state)
{
	struct row *row;

	(void)state;
	buf_clear(&out);
	row = row_new(ROW_TABLE, false, &out);
	row_begin(row);
	row_object_begin(row, "attributes");
	row_list_begin(row, "hidden");
	row_u64(row, NULL, 11);
	row_list_end(row);
	row_u64(row, "hidden", 12);
	row_object_end(row);
	row_u64(row, "shown", 13);
	assert_int_equal(row_end(row), 0);
	assert_contains(&out, "shown=13\n");
	assert_lacks(&out, "hidden");
	assert_lacks(&out, "11");
	row_free(row);
}

static void colours_come_only_when_asked_for(void **state)
{
	struct row *row;

	(void)state;
	buf_clear(&out);
	row = row_new(ROW_TABLE, true, &out);
	row_begin(row);
	row_cstring(row, "kind", "loss");
	row_end(row);
	assert_contains(&out, "\033[1;31mloss");
	row_free(row);
	show(ROW_TABLE);
	assert_lacks(&out, "\033");
}

static void times_go_back_and_forth_and_before_1970(void **state)
{
	struct row *row;

	(void)state;
	buf_clear(&out);
	row = row_new(ROW_JSON, false, &out);
	row_begin(row);
	row_time(row, "a", INT64_C(5000000001));
	row_time(row, "b", INT64_C(5999999999));
	row_time(row, "c", INT64_C(4000000000));
	row_time(row, "d", -1);
	row_time(row, "e", 0);
	row_time(row, "f", -1);
	row_end(row);
	assert_string_equal(buf_text(&out), "{\"a\":\"1970-01-01T00:00:05.000000001Z\","
					    "\"b\":\"1970-01-01T00:00:05.999999999Z\","
					    "\"c\":\"1970-01-01T00:00:04.000000000Z\","
					    "\"d\":\"1969-12-31T23:59:59.999999999Z\","
					    "\"e\":\"1970-01-01T00:00:00.000000000Z\","
					    "\"f\":\"1969-12-31T23:59:59.999999999Z\"}\n");
	row_free(row);
}

static void a_line_that_does_not_fit_is_taken_back_whole(void **state)
{
	static const enum row_format formats[] = {ROW_JSON, ROW_TABLE, ROW_CSV};

	(void)state;
	for (size_t f = 0; f < sizeof(formats) / sizeof(formats[0]); f++) {
		size_t whole = strlen(show(formats[f]));

		for (size_t limit = 200; limit <= whole; limit++) {
			struct buf small;
			struct row *row;
			size_t header;
			int err;

			assert_int_equal(buf_init(&small, 0, limit), 0);
			row = row_new(formats[f], false, &small);
			assert_non_null(row);
			header = buf_length(&small);
			row_begin(row);
			put_record(row);
			err = row_end(row);
			if (err) {
				assert_int_equal(err, -ENOSPC);
				assert_int_equal(buf_length(&small), header);
			} else {
				assert_string_equal(show(formats[f]), buf_text(&out));
				assert_int_equal(buf_length(&small), whole);
			}
			row_free(row);
			buf_done(&small);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_has_every_key_and_whole_texts_beside_broken_ones),
		cmocka_unit_test(a_table_is_aligned_and_leaves_identifiers_out),
		cmocka_unit_test(csv_has_the_rest_as_json_in_its_last_column),
		cmocka_unit_test(none_prints_nothing),
		cmocka_unit_test(a_container_id_is_cut_and_beats_the_cgroup_name),
		cmocka_unit_test(what_a_table_leaves_out_is_left_out_with_all_that_is_in_it),
		cmocka_unit_test(colours_come_only_when_asked_for),
		cmocka_unit_test(times_go_back_and_forth_and_before_1970),
		cmocka_unit_test(a_line_that_does_not_fit_is_taken_back_whole),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
