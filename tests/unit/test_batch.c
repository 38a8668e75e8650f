// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "wire_test.h"

static struct buf out;
static struct batch *batch;
static unsigned int named;

static void name_cgroup(void *context, uint64_t id, uint32_t hierarchy, const char **ret_name,
			const char **ret_container)
{
	static char name[32];

	(void)hierarchy;
	assert_ptr_equal(context, &named);
	named++;
	snprintf(name, sizeof(name), "cgroup-%u", (unsigned int)id);
	*ret_name = name;
	*ret_container = id % 2 ? "c0ffee" : "";
}

static int setup(void **state)
{
	(void)state;
	named = 0;
	batch = batch_new(1, test_kinds, (struct cgroup_namer){name_cgroup, &named});
	return batch ? buf_init(&out, 0, 2 * FRAME_MAX) : -1;
}

static int teardown(void **state)
{
	(void)state;
	batch_free(batch);
	buf_done(&out);
	return 0;
}

static Ringside__V1__AgentFrame *seal(uint64_t first_seq)
{
	Ringside__V1__AgentFrame *frame;
	struct batch_view view;
	const char *why = "";

	buf_clear(&out);
	assert_int_equal(batch_seal(batch, first_seq, OFFSET, &out), 0);
	frame = unpack_first(&out);
	assert_non_null(frame);
	if (view_check(&view, frame->batch, test_kinds, &why))
		fail_msg("%s", why);
	return frame;
}

static void append_numbers(uint64_t time, uint64_t big, int64_t small)
{
	struct numbers_event event = numbers_event(time, big, small);

	assert_int_equal(batch_append(batch, &event.header), 0);
}

static void records_come_back_in_columns(void **state)
{
	struct numbers_event event = numbers_event(START_TIME, UINT64_MAX, INT64_MIN);
	Ringside__V1__AgentFrame *frame;
	const Ringside__V1__Batch *b;

	(void)state;
	event.header.tid = 990; /* below the tgid */
	event.header.cpu = 3;
	event.header.flags = EVENT_TRUNCATED;
	assert_int_equal(batch_append(batch, &event.header), 0);
	append_numbers(START_TIME - 100, 0, -5);
	append_numbers(START_TIME + 100, 1, 0);
	assert_int_equal(batch_count(batch), 3);
	frame = seal(77);
	b = frame->batch;
	assert_int_equal(b->stream, 1);
	assert_int_equal(b->first_seq, 77);
	assert_int_equal(b->count, 3);
	assert_int_equal(b->base_time, START_TIME);
	assert_int_equal(b->realtime_offset, OFFSET);
	assert_int_equal(b->time_delta[0], 0);
	assert_int_equal(b->time_delta[1], -100);
	assert_int_equal(b->time_delta[2], 200);
	assert_int_equal(b->tid_delta[0], -10);
	assert_int_equal(b->cpu[0], 3);
	assert_int_equal(b->flags[0], EVENT_TRUNCATED);
	assert_true(b->write->requested[0] == UINT64_MAX);
	assert_true(b->write->returned[0] == INT64_MIN);
	assert_int_equal(b->write->returned[1], -5);
	frame_free(frame);
}

static void columns_of_zeros_are_left_out_and_come_back(void **state)
{
	Ringside__V1__AgentFrame *frame;

	(void)state;
	append_numbers(START_TIME, 0, 0);
	append_numbers(START_TIME, 0, 0);
	frame = seal(0);
	assert_int_equal(frame->batch->n_time_delta, 0);
	assert_int_equal(frame->batch->n_tid_delta, 0);
	assert_int_equal(frame->batch->n_cgroup, 0);
	assert_int_equal(frame->batch->n_comm, 2);
	assert_int_equal(frame->batch->write->n_requested, 0);
	assert_int_equal(frame->batch->write->n_fd, 2);
	assert_null(frame->batch->exec);
	frame_free(frame);

	append_numbers(START_TIME, 0, 0);
	append_numbers(START_TIME + 1, 0, 9); /* the last of a column alone keeps it */
	frame = seal(2);
	assert_int_equal(frame->batch->n_time_delta, 2);
	assert_int_equal(frame->batch->write->n_returned, 2);
	assert_int_equal(frame->batch->write->returned[1], 9);
	frame_free(frame);
}

static void texts_are_stored_once_and_lists_keep_their_order(void **state)
{
	static const char words[] = "b\0a\0\0a\0b";
	struct words_event event;
	Ringside__V1__AgentFrame *frame;
	const Ringside__V1__Batch *b;

	(void)state;
	words_event(&event, START_TIME, words, sizeof(words));
	assert_int_equal(batch_append(batch, &event.header), 0);
	append_numbers(START_TIME, 1, 1);
	words_event(&event, START_TIME, words, 2);
	assert_int_equal(batch_append(batch, &event.header), 0);
	words_event(&event, START_TIME, words, 0);
	assert_int_equal(batch_append(batch, &event.header), 0);
	frame = seal(0);
	b = frame->batch;
	assert_int_equal(b->exec->n_argv_count, 3);
	assert_int_equal(b->exec->argv_count[0], 5);
	assert_int_equal(b->exec->argv_count[1], 1);
	assert_int_equal(b->exec->argv_count[2], 0);
	assert_int_equal(b->exec->n_argv, 6);
	assert_int_equal(b->exec->argv[0], b->exec->argv[4]);
	assert_int_equal(b->exec->argv[1], b->exec->argv[3]);
	assert_int_equal(b->exec->argv[2], 0);
	assert_int_equal(b->exec->argv[5], b->exec->argv[0]);
	assert_int_equal(b->strings[0].len, 0);
	assert_memory_equal(b->strings[b->exec->argv[1]].data, "a", 1);
	/* empty, a, b, tester, call, cgroup-42 */
	assert_int_equal(b->n_strings, 6);
	frame_free(frame);
}

static void every_text_is_found_again_among_many(void **state)
{
	Ringside__V1__AgentFrame *frame;
	struct words_event event;
	char words[16];

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 2000; i++) {
			int length = snprintf(words, sizeof(words), "%0*d", 1 + i % 14, i);

			words_event(&event, START_TIME, words, (size_t)length + 1);
			assert_int_equal(batch_append(batch, &event.header), 0);
		}
	}
	frame = seal(0);
	for (int i = 0; i < 4000; i++) {
		const ProtobufCBinaryData *text =
			&frame->batch->strings[frame->batch->exec->argv[i]];
		int length = snprintf(words, sizeof(words), "%0*d", 1 + i % 2000 % 14, i % 2000);

		assert_int_equal(text->len, length);
		assert_memory_equal(text->data, words, (size_t)length);
	}
	frame_free(frame);
}

static void cgroups_are_named_once_a_batch_and_kept_apart_by_hierarchy(void **state)
{
	struct numbers_event event = numbers_event(START_TIME, 1, 1);
	Ringside__V1__AgentFrame *frame;
	const Ringside__V1__CgroupTable *table;

	(void)state;
	for (int i = 0; i < 300; i++) {
		event.header.cgroup_id = 100 + (uint64_t)(i % 3);
		event.header.hierarchy = (uint16_t)(i % 3 == 2 ? HIERARCHY_PIDS : HIERARCHY_V2);
		assert_int_equal(batch_append(batch, &event.header), 0);
	}
	event.header.cgroup_id = 100;
	event.header.hierarchy = HIERARCHY_MEMORY;
	assert_int_equal(batch_append(batch, &event.header), 0);
	assert_int_equal(named, 4);
	frame = seal(0);
	table = frame->batch->cgroups;
	assert_int_equal(table->n_id, 4);
	assert_int_equal(table->hierarchy[2], HIERARCHY_PIDS);
	assert_int_equal(table->hierarchy[3], HIERARCHY_MEMORY);
	assert_memory_equal(frame->batch->strings[table->name[1]].data, "cgroup-101", 10);
	assert_int_equal(table->container[0], 0);
	assert_memory_equal(frame->batch->strings[table->container[1]].data, "c0ffee", 6);
	for (int i = 0; i < 300; i++)
		assert_int_equal(frame->batch->cgroup[i], i % 3);
	assert_int_equal(frame->batch->cgroup[300], 3);
	frame_free(frame);
	append_numbers(START_TIME, 1, 1);
	assert_int_equal(named, 5);
}

static void one_id_in_many_hierarchies_is_many_cgroups(void **state)
{
	struct numbers_event event = numbers_event(START_TIME, 1, 1);
	Ringside__V1__AgentFrame *frame;

	(void)state;
	for (uint32_t i = 0; i < 900; i++) {
		event.header.cgroup_id = 1 + i / 30;
		event.header.hierarchy = (uint16_t)(i % 30);
		assert_int_equal(batch_append(batch, &event.header), 0);
	}
	frame = seal(0);
	for (uint32_t i = 0; i < 900; i++) {
		assert_int_equal(frame->batch->cgroup[i], i);
		assert_int_equal(frame->batch->cgroups->id[i], 1 + i / 30);
		assert_int_equal(frame->batch->cgroups->hierarchy[i], i % 30);
	}
	frame_free(frame);
}

static void command_names_that_differ_in_one_byte_are_told_apart(void **state)
{
	struct numbers_event event = numbers_event(START_TIME, 1, 1);
	Ringside__V1__AgentFrame *frame;
	char name[17];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof(name), "%016d", i % 250);
		memcpy(event.header.comm, name, EVENT_COMM);
		assert_int_equal(batch_append(batch, &event.header), 0);
	}
	frame = seal(0);
	for (int i = 0; i < 1000; i++) {
		const ProtobufCBinaryData *text = &frame->batch->strings[frame->batch->comm[i]];

		snprintf(name, sizeof(name), "%016d", i % 250);
		assert_int_equal(text->len, EVENT_COMM);
		assert_memory_equal(text->data, name, EVENT_COMM);
	}
	frame_free(frame);
}

static void records_that_make_no_sense_leave_no_trace(void **state)
{
	struct numbers_event event = numbers_event(START_TIME, 1, 1);
	struct words_event words;
	Ringside__V1__AgentFrame *frame;

	(void)state;
	event.header.kind = 0;
	assert_int_equal(batch_append(batch, &event.header), -EBADMSG);
	event.header.kind = EVENT_FORK; /* known, but not to this batch */
	assert_int_equal(batch_append(batch, &event.header), -EBADMSG);
	event.header.kind = 65535;
	assert_int_equal(batch_append(batch, &event.header), -EBADMSG);
	event.header.kind = NUMBERS;
	event.header.length = sizeof(event) - 1;
	assert_int_equal(batch_append(batch, &event.header), -EBADMSG);
	event.header.length = 63;
	assert_int_equal(batch_append(batch, &event.header), -EBADMSG);
	event.header.length = UINT32_MAX;
	assert_int_equal(batch_append(batch, &event.header), -EBADMSG);
	words_event(&words, START_TIME, "no end", 6);
	assert_int_equal(batch_append(batch, &words.header), -EBADMSG);
	assert_int_equal(batch_count(batch), 0);
	append_numbers(START_TIME, 5, 5);
	frame = seal(0);
	assert_int_equal(frame->batch->count, 1);
	assert_int_equal(frame->batch->write->n_requested, 1);
	frame_free(frame);
}

static void generations_of_the_string_table_never_mix(void **state)
{
	struct words_event words;
	char text[1024];
	size_t length = 0, last = 0;

	(void)state;
	while (length + 8 < sizeof(text)) {
		last = length;
		length += (size_t)snprintf(text + length, 8, "w%zu", length) + 1;
	}
	words_event(&words, START_TIME, text, length);
	assert_int_equal(batch_append(batch, &words.header), 0);
	frame_free(seal(0));
	/* As many seals as generations have numbers: the next batch has that of the first. */
	for (unsigned int i = 0; i < 65534; i++) {
		append_numbers(START_TIME, i, 1);
		buf_clear(&out);
		assert_int_equal(batch_seal(batch, i, OFFSET, &out), 0);
	}
	words_event(&words, START_TIME, text + last, length - last);
	assert_int_equal(batch_append(batch, &words.header), 0);
	frame_free(seal(0));
}

static void a_literal_that_repeats_is_one_text_in_each_batch(void **state)
{
	static const char one[] = "one", two[] = "two";

	(void)state;
	for (int round = 0; round < 2; round++) {
		uint32_t first = batch_literal(batch, one), second = batch_literal(batch, two);
		Ringside__V1__AgentFrame *frame;

		assert_int_equal(batch_literal(batch, two), second);
		assert_int_equal(batch_literal(batch, one), first);
		append_numbers(START_TIME, 1, 1);
		frame = seal(0);
		assert_memory_equal(frame->batch->strings[first].data, "one", 3);
		assert_memory_equal(frame->batch->strings[second].data, "two", 3);
		frame_free(frame);
	}
}

static void a_full_output_empties_the_batch_all_the_same(void **state)
{
	struct buf small;
	Ringside__V1__AgentFrame *frame;

	(void)state;
	assert_int_equal(buf_init(&small, 0, 16), 0);
	append_numbers(START_TIME, 1, 1);
	assert_int_equal(batch_seal(batch, 0, OFFSET, &small), -ENOSPC);
	assert_int_equal(buf_length(&small), 0);
	assert_int_equal(batch_count(batch), 0);
	buf_done(&small);
	append_numbers(START_TIME, 2, 2);
	frame = seal(1);
	assert_int_equal(frame->batch->count, 1);
	frame_free(frame);
}

static void the_memory_that_is_announced_covers_what_is_allocated(void **state)
{
	(void)state;
	assert_true(batch_memory(test_kinds) > BATCH_STRING_BYTES);
	assert_true(batch_memory(test_kinds) < 3 * 1024 * 1024);
	batch_free(NULL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(records_come_back_in_columns),
		TEST(columns_of_zeros_are_left_out_and_come_back),
		TEST(texts_are_stored_once_and_lists_keep_their_order),
		TEST(every_text_is_found_again_among_many),
		TEST(cgroups_are_named_once_a_batch_and_kept_apart_by_hierarchy),
		TEST(one_id_in_many_hierarchies_is_many_cgroups),
		TEST(command_names_that_differ_in_one_byte_are_told_apart),
		TEST(records_that_make_no_sense_leave_no_trace),
		TEST(generations_of_the_string_table_never_mix),
		TEST(a_literal_that_repeats_is_one_text_in_each_batch),
		TEST(a_full_output_empties_the_batch_all_the_same),
		TEST(the_memory_that_is_announced_covers_what_is_allocated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
