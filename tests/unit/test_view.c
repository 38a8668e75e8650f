// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "wire_test.h"

/* A batch as a peer might send it: two records of words, one of numbers; each test breaks one thing. */
static struct {
	Ringside__V1__Batch batch;
	Ringside__V1__CgroupTable cgroups;
	Ringside__V1__ExecColumns words;
	Ringside__V1__WriteColumns numbers;
	ProtobufCBinaryData strings[3];
	uint32_t kind[3], comm[3], cgroup[3], tgid[3];
	uint64_t id[2];
	uint32_t name[2];
	uint32_t argv_count[2], argv[3];
	uint64_t requested[1];
} sent;

static struct batch_view view;
static const char *why;

static int fresh(void **state)
{
	(void)state;
	memset(&sent, 0, sizeof(sent));
	ringside__v1__batch__init(&sent.batch);
	ringside__v1__cgroup_table__init(&sent.cgroups);
	ringside__v1__exec_columns__init(&sent.words);
	ringside__v1__write_columns__init(&sent.numbers);
	sent.strings[1] = (ProtobufCBinaryData){3, (uint8_t *)"one"};
	sent.strings[2] = (ProtobufCBinaryData){3, (uint8_t *)"two"};
	sent.batch.n_strings = 3;
	sent.batch.strings = sent.strings;
	sent.batch.count = 3;
	memcpy(sent.kind, (uint32_t[]){WORDS, NUMBERS, WORDS}, sizeof(sent.kind));
	memcpy(sent.comm, (uint32_t[]){1, 2, 0}, sizeof(sent.comm));
	memcpy(sent.cgroup, (uint32_t[]){0, 1, 1}, sizeof(sent.cgroup));
	memcpy(sent.id, (uint64_t[]){7, 8}, sizeof(sent.id));
	memcpy(sent.name, (uint32_t[]){1, 2}, sizeof(sent.name));
	memcpy(sent.argv_count, (uint32_t[]){1, 2}, sizeof(sent.argv_count));
	memcpy(sent.argv, (uint32_t[]){1, 2, 0}, sizeof(sent.argv));
	sent.batch.n_kind = sent.batch.n_comm = sent.batch.n_cgroup = sent.batch.n_tgid = 3;
	sent.batch.kind = sent.kind;
	sent.batch.comm = sent.comm;
	sent.batch.cgroup = sent.cgroup;
	sent.batch.tgid = sent.tgid;
	sent.batch.cgroups = &sent.cgroups;
	sent.cgroups.n_id = sent.cgroups.n_name = 2;
	sent.cgroups.id = sent.id;
	sent.cgroups.name = sent.name;
	sent.batch.exec = &sent.words;
	sent.words.n_argv_count = 2;
	sent.words.argv_count = sent.argv_count;
	sent.words.n_argv = 3;
	sent.words.argv = sent.argv;
	sent.batch.write = &sent.numbers;
	sent.numbers.n_requested = 1;
	sent.numbers.requested = sent.requested;
	return 0;
}

static int check(void)
{
	why = NULL;
	return view_check(&view, &sent.batch, test_kinds, &why);
}

static void expect_refused(const char *named)
{
	assert_int_equal(check(), -EBADMSG);
	assert_non_null(why);
	if (!strstr(why, named))
		fail_msg("%s, not: %s", why, named);
}

static void what_is_whole_is_taken(void **state)
{
	(void)state;
	assert_int_equal(check(), 0);
	assert_int_equal(view_flags(&view, 2), 0);
	assert_int_equal(view_string(&view, 2)->len, 3);
	assert_int_equal(view_string(&view, 3)->len, 0);
}

static void absent_columns_are_all_zeros(void **state)
{
	(void)state;
	sent.batch.n_comm = sent.batch.n_cgroup = sent.batch.n_tgid = 0;
	sent.batch.cgroups = NULL;
	sent.batch.n_strings = 0;
	sent.batch.exec = NULL;
	sent.batch.write = NULL;
	assert_int_equal(check(), 0);
}

static void a_common_column_of_a_wrong_length_is_refused(void **state)
{
	(void)state;
	sent.batch.n_tgid = 2;
	expect_refused("tgid");
	sent.batch.n_tgid = 4;
	expect_refused("tgid");
}

static void the_count_is_bounded_by_what_was_sent(void **state)
{
	(void)state;
	sent.batch.count = UINT32_MAX;
	expect_refused("kind");
	sent.batch.count = 0;
	sent.batch.n_kind = 0;
	expect_refused("kind");
	fresh(NULL);
	sent.kind[1] = 0;
	expect_refused("kind");
}

static void indexes_past_the_tables_are_refused(void **state)
{
	(void)state;
	sent.comm[2] = 3;
	expect_refused("comm");
	fresh(NULL);
	sent.cgroup[0] = 2;
	expect_refused("cgroup");
	fresh(NULL);
	sent.batch.cgroups = NULL;
	expect_refused("cgroup");
	fresh(NULL);
	sent.name[1] = UINT32_MAX;
	expect_refused("cgroup table");
	fresh(NULL);
	sent.cgroups.n_id = 1;
	expect_refused("cgroup table");
	fresh(NULL);
	sent.argv[1] = 3;
	expect_refused("index out of range");
	fresh(NULL);
	sent.strings[0].len = 1;
	expect_refused("text 0");
}

static void a_kind_s_columns_match_its_records(void **state)
{
	(void)state;
	sent.words.n_argv_count = 3;
	expect_refused("wrong length");
	fresh(NULL);
	sent.words.n_argv = 2;
	expect_refused("flat column");
	fresh(NULL);
	sent.words.n_argv_count = 0; /* so that all counts are 0 */
	expect_refused("flat column");
	fresh(NULL);
	sent.kind[0] = NUMBERS;
	expect_refused("wrong length");
}

static void counts_that_sum_up_past_any_bound_are_refused(void **state)
{
	(void)state;
	sent.words.n_argv = 0;
	sent.argv_count[0] = sent.argv_count[1] = UINT32_MAX;
	expect_refused("too many");
	/* In 32 bits these would sum up to 3, the length of the flat column. */
	sent.words.n_argv = 3;
	sent.argv_count[0] = UINT32_MAX;
	sent.argv_count[1] = 4;
	expect_refused("too many");
}

static void kinds_that_nobody_knows_need_no_columns(void **state)
{
	(void)state;
	sent.kind[1] = 4000000000u;
	sent.batch.write = NULL;
	assert_int_equal(check(), 0);
}

static void counters_are_checked_alike(void **state)
{
	Ringside__V1__Counters counters = RINGSIDE__V1__COUNTERS__INIT;
	Ringside__V1__SyscallColumns rows = RINGSIDE__V1__SYSCALL_COLUMNS__INIT;
	uint64_t count[2] = {1, 2}, per_cpu[4] = {0};
	uint32_t name[2] = {1, 2};

	(void)state;
	assert_int_equal(view_check_counters(&counters, &why), 0);
	counters.n_strings = 3;
	counters.strings = sent.strings;
	counters.syscalls = &rows;
	rows.n_count = rows.n_syscall = 2;
	rows.count = count;
	rows.syscall = name;
	assert_int_equal(view_check_counters(&counters, &why), 0);
	assert_int_equal(view_counter_rows(&counters), 2);
	rows.n_per_cpu = 4;
	rows.per_cpu = per_cpu;
	rows.cpus = 2;
	assert_int_equal(view_check_counters(&counters, &why), 0);
	rows.cpus = 0x80000002u; /* times 2 is 4 in 32 bits */
	assert_int_equal(view_check_counters(&counters, &why), -EBADMSG);
	rows.cpus = 2;
	rows.n_syscall = 1;
	assert_int_equal(view_check_counters(&counters, &why), -EBADMSG);
	rows.n_syscall = 2;
	name[0] = 3;
	assert_int_equal(view_check_counters(&counters, &why), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_is_whole_is_taken, fresh),
		cmocka_unit_test_setup(absent_columns_are_all_zeros, fresh),
		cmocka_unit_test_setup(a_common_column_of_a_wrong_length_is_refused, fresh),
		cmocka_unit_test_setup(the_count_is_bounded_by_what_was_sent, fresh),
		cmocka_unit_test_setup(indexes_past_the_tables_are_refused, fresh),
		cmocka_unit_test_setup(a_kind_s_columns_match_its_records, fresh),
		cmocka_unit_test_setup(counts_that_sum_up_past_any_bound_are_refused, fresh),
		cmocka_unit_test_setup(kinds_that_nobody_knows_need_no_columns, fresh),
		cmocka_unit_test_setup(counters_are_checked_alike, fresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
