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

#define WIDE_ENTRIES 2000

static struct buf out;
static struct batch *batch;

/* Many flat entries, each as long as can be when packed, and two new texts each; on getaddrinfo's columns. */
static int wide_append(struct batch *to_batch, void *columns, const struct event_header *event)
{
	Ringside__V1__GetaddrinfoColumns *to = columns;
	static unsigned int texts;
	unsigned int same = event->flags; /* not 0: the same two texts again and again */

	to->present[to->n_present++] = to->answers_seen[to->n_answers_seen++] = UINT32_MAX;
	to->node[to->n_node++] = to->service[to->n_service++] = 0;
	to->hint_flags[to->n_hint_flags++] = to->hint_family[to->n_hint_family++] = INT32_MIN;
	to->hint_socktype[to->n_hint_socktype++] = to->hint_protocol[to->n_hint_protocol++] =
		INT32_MIN;
	to->result[to->n_result++] = INT32_MIN;
	to->latency_ns[to->n_latency_ns++] = UINT64_MAX;
	to->answer_count[to->n_answer_count++] = WIDE_ENTRIES;
	for (int i = 0; i < WIDE_ENTRIES; i++) {
		char text[16];
		int length = snprintf(text, sizeof(text), "%06x", same ? same : texts++ & 0xffffff);

		to->answer_flags[to->n_answer_flags++] = to->answer_family[to->n_answer_family++] =
			INT32_MIN;
		to->answer_socktype[to->n_answer_socktype++] =
			to->answer_protocol[to->n_answer_protocol++] = INT32_MIN;
		to->answer_addrlen[to->n_answer_addrlen++] = to->answer_port[to->n_answer_port++] =
			UINT32_MAX;
		to->answer_scope_id[to->n_answer_scope_id++] = UINT32_MAX;
		to->answer_address[to->n_answer_address++] =
			batch_string(to_batch, text, (size_t)length);
		text[0] = 'x';
		to->answer_canonname[to->n_answer_canonname++] =
			batch_string(to_batch, text, (size_t)length);
	}
	return 0;
}

static const enum column_role wide_roles[] = {
	COLUMN_SCALAR, COLUMN_STRING,	   COLUMN_STRING, COLUMN_SCALAR, COLUMN_SCALAR,
	COLUMN_SCALAR, COLUMN_SCALAR,	   COLUMN_SCALAR, COLUMN_SCALAR, COLUMN_SCALAR,
	COLUMN_COUNT,  COLUMN_FLAT,	   COLUMN_FLAT,	  COLUMN_FLAT,	 COLUMN_FLAT,
	COLUMN_FLAT,   COLUMN_FLAT_STRING, COLUMN_FLAT,	  COLUMN_FLAT,	 COLUMN_FLAT_STRING};
static const struct wire_kind wide_kind = {
	.number = EVENT_GETADDRINFO,
	.name = "wide",
	.columns = &ringside__v1__getaddrinfo_columns__descriptor,
	.batch_field = 35,
	.roles = wide_roles,
	.append = wide_append,
};
static const struct wire_kind *const all_kinds[] = {&numbers_kind, &words_kind, &wide_kind, NULL};

static int setup(void **state)
{
	(void)state;
	batch = batch_new(1, all_kinds, (struct cgroup_namer){0});
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
	if (view_check(&view, frame->batch, all_kinds, &why))
		fail_msg("%s", why);
	return frame;
}

static const struct event_header *next_many_words(unsigned int i);

/* Appends until it is full, seals, and checks that the frame keeps its cap and can be read. */
static uint32_t fill(const struct event_header *(*next)(unsigned int i))
{
	Ringside__V1__AgentFrame *frame;
	uint32_t count = 0;
	int err;

	while (!(err = batch_append(batch, next(count))))
		count++;
	assert_int_equal(err, -ENOSPC);
	assert_int_equal(batch_count(batch), count);
	assert_true(count > 0);
	frame = seal(0);
	/* Well below the cap: there is room for the record that came last. */
	assert_true(buf_length(&out) <= FRAME_MAX * 5 / 8);
	assert_int_equal(frame->batch->count, count);
	/* No text is missing: only next_many_words gives empty words. */
	for (size_t i = 0;
	     frame->batch->exec && i < frame->batch->exec->n_argv && next != next_many_words; i++)
		assert_true(frame->batch->exec->argv[i] != 0);
	for (size_t i = 0;
	     frame->batch->getaddrinfo && i < frame->batch->getaddrinfo->n_answer_canonname; i++)
		assert_true(frame->batch->getaddrinfo->answer_canonname[i] != 0);
	frame_free(frame);
	/* Empty again: the record that was refused now fits. */
	assert_int_equal(batch_append(batch, next(count)), 0);
	frame_free(seal(count));
	return count;
}

static const struct event_header *next_numbers(unsigned int i)
{
	static struct numbers_event event;

	event = numbers_event(START_TIME + i * UINT64_C(1000000000000), UINT64_MAX - i,
			      -(int64_t)i);
	event.header.tid = 1 + i * 100000;
	event.header.ns_tgid = event.header.ns_tid = event.header.cpu = UINT32_MAX - i;
	event.header.flags = 65535;
	return &event.header;
}

static const struct event_header *next_many_words(unsigned int i)
{
	static struct words_event event;
	char words[4096];

	(void)i;
	memset(words, 0, sizeof(words));
	words_event(&event, START_TIME, words, sizeof(words));
	return &event.header;
}

static const struct event_header *next_new_words(unsigned int i)
{
	static struct words_event event;
	char words[4096];
	size_t length = 0;

	while (length + 16 < sizeof(words))
		length += (size_t)snprintf(words + length, 16, "%x-%zx", i, length) + 1;
	words_event(&event, START_TIME, words, length);
	return &event.header;
}

static const struct event_header *next_same_word(unsigned int i)
{
	static struct words_event event;
	char words[4096];

	(void)i;
	memset(words, 'w', sizeof(words));
	words[sizeof(words) - 1] = 0;
	words_event(&event, START_TIME, words, sizeof(words));
	return &event.header;
}

static const struct event_header *next_long_word(unsigned int i)
{
	static struct words_event event;
	char word[4096];

	memset(word, 'w', sizeof(word));
	snprintf(word + sizeof(word) - 9, 9, "%08u", i % 100000000);
	words_event(&event, START_TIME, word, sizeof(word));
	return &event.header;
}

static const struct event_header *next_wide(unsigned int i)
{
	static struct event_header event;

	event = test_header(EVENT_GETADDRINFO, sizeof(event), START_TIME + i);
	return &event;
}

static const struct event_header *next_mixed(unsigned int i)
{
	static struct event_header wide;
	static struct words_event event;
	char word[64];

	if (i < 5) {
		wide = test_header(EVENT_GETADDRINFO, sizeof(wide), START_TIME);
		wide.flags = 1;
		return &wide;
	}
	memset(word, 'w', sizeof(word));
	snprintf(word + sizeof(word) - 9, 9, "%08u", i % 100000000);
	words_event(&event, START_TIME, word, sizeof(word));
	return &event.header;
}

static const struct event_header *next_cgroup(unsigned int i)
{
	static struct numbers_event event;

	event = numbers_event(START_TIME, 1, 1);
	event.header.cgroup_id = i + 1;
	return &event.header;
}

static void records_are_bounded(void **state)
{
	(void)state;
	assert_int_equal(fill(next_numbers), BATCH_RECORDS);
}

static void flat_entries_are_bounded(void **state)
{
	(void)state;
	assert_true(fill(next_many_words) >= 2);
	assert_true(fill(next_new_words) >= 16);
}

static void texts_are_bounded_by_number_and_by_bytes(void **state)
{
	(void)state;
	assert_int_equal(fill(next_wide), 4);
	assert_int_equal(fill(next_long_word), BATCH_STRING_BYTES / 4096 - 1);
}

static void cgroups_are_bounded(void **state)
{
	(void)state;
	assert_true(fill(next_cgroup) >= 1000);
}

static void the_frame_is_bounded_whatever_it_holds(void **state)
{
	(void)state;
	assert_true(fill(next_mixed) > 100);
}

/* Stored once, yet printed with each record. */
static void what_records_print_is_bounded(void **state)
{
	(void)state;
	assert_true(fill(next_same_word) <= 256);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(records_are_bounded),
		TEST(flat_entries_are_bounded),
		TEST(texts_are_bounded_by_number_and_by_bytes),
		TEST(cgroups_are_bounded),
		TEST(the_frame_is_bounded_whatever_it_holds),
		TEST(what_records_print_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
