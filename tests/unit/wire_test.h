/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two kinds of the tests' own on the stream's columns, so that wire/ is tested without the probes; and ways to see what becomes
 * of their records. Include after cmocka.h.
 */
#ifndef RINGSIDE_TESTS_WIRE_TEST_H
#define RINGSIDE_TESTS_WIRE_TEST_H

#include <errno.h>
#include <linux/types.h>
#include <string.h>

#include "base/buf.h"
#include "event.h"
#include "ringside.pb-c.h"
#include "wire/batch.h"
#include "wire/frame.h"
#include "wire/kind.h"
#include "wire/row.h"
#include "wire/view.h"

#define NUMBERS	   EVENT_WRITE
#define WORDS	   EVENT_EXEC
#define START_TIME UINT64_C(1000000000)
#define OFFSET	   INT64_C(1700000000000000000)

/* Numbers only; on the columns of write. */
struct numbers_event {
	struct event_header header;
	uint64_t big;
	int64_t small;
};

/* A list of NUL-ended words; on the columns of exec. The last word must have its NUL. */
struct words_event {
	struct event_header header;
	char words[4096];
};

static inline int numbers_append(struct batch *batch, void *columns,
				 const struct event_header *event)
{
	const struct numbers_event *from = (const struct numbers_event *)event;
	Ringside__V1__WriteColumns *to = columns;

	if (event->length < sizeof(*from))
		return -EBADMSG;
	to->syscall[to->n_syscall++] = batch_string(batch, "call", 4);
	to->fd[to->n_fd++] = -1;
	to->requested[to->n_requested++] = from->big;
	to->returned[to->n_returned++] = from->small;
	to->sample_less_one[to->n_sample_less_one++] = 0;
	to->latency_ns[to->n_latency_ns++] = 0;
	return 0;
}

static inline void numbers_print(const struct batch_view *view, const void *columns, size_t i,
				 size_t flat, struct row *row)
{
	const Ringside__V1__WriteColumns *from = columns;
	const ProtobufCBinaryData *call = view_string(view, COLUMN_AT(from, syscall, i));

	(void)flat;
	row_text(row, "call", (struct row_text){call->data, call->len});
	row_u64(row, "big", COLUMN_AT(from, requested, i));
	row_i64(row, "small", COLUMN_AT(from, returned, i));
}

static inline int words_append(struct batch *batch, void *columns, const struct event_header *event)
{
	const struct words_event *from = (const struct words_event *)event;
	size_t length = event->length - sizeof(event[0]);
	Ringside__V1__ExecColumns *to = columns;
	uint32_t count = 0;

	if (event->length < sizeof(event[0]) || (length && from->words[length - 1]))
		return -EBADMSG;
	for (size_t at = 0; at < length; count++) {
		size_t word = strlen(from->words + at);

		to->argv[to->n_argv++] = batch_string(batch, from->words + at, word);
		at += word + 1;
	}
	to->start_time[to->n_start_time++] = 0;
	to->ppid[to->n_ppid++] = 0;
	to->uid[to->n_uid++] = 0;
	to->gid[to->n_gid++] = 0;
	to->filename[to->n_filename++] = 0;
	to->argv_count[to->n_argv_count++] = count;
	to->argv_bytes[to->n_argv_bytes++] = length;
	return 0;
}

static inline void words_print(const struct batch_view *view, const void *columns, size_t i,
			       size_t flat, struct row *row)
{
	const Ringside__V1__ExecColumns *from = columns;
	struct row_text words[4096];
	uint32_t count = COLUMN_AT(from, argv_count, i);

	assert_true(count <= 4096);
	for (size_t w = 0; w < count; w++) {
		const ProtobufCBinaryData *word =
			view_string(view, COLUMN_AT(from, argv, flat + w));

		words[w] = (struct row_text){word->data, word->len};
	}
	row_texts(row, "words", words, count);
}

static const enum column_role numbers_roles[] = {COLUMN_STRING, COLUMN_SCALAR, COLUMN_SCALAR,
						 COLUMN_SCALAR, COLUMN_SCALAR, COLUMN_SCALAR};
static const enum column_role words_roles[] = {COLUMN_SCALAR,	   COLUMN_SCALAR, COLUMN_SCALAR,
					       COLUMN_SCALAR,	   COLUMN_STRING, COLUMN_COUNT,
					       COLUMN_FLAT_STRING, COLUMN_SCALAR};

static const struct wire_kind numbers_kind = {
	.number = NUMBERS,
	.name = "numbers",
	.columns = &ringside__v1__write_columns__descriptor,
	.batch_field = 36,
	.roles = numbers_roles,
	.append = numbers_append,
	.print = numbers_print,
};
static const struct wire_kind words_kind = {
	.number = WORDS,
	.name = "words",
	.columns = &ringside__v1__exec_columns__descriptor,
	.batch_field = 33,
	.roles = words_roles,
	.append = words_append,
	.print = words_print,
};
static const struct wire_kind *const test_kinds[] = {&numbers_kind, &words_kind, NULL};

static inline struct event_header test_header(uint16_t kind, uint32_t length, uint64_t time)
{
	return (struct event_header){
		.kind = kind,
		.length = length,
		.time_ns = time,
		.cgroup_id = 42,
		.tgid = 1000,
		.tid = 1000,
		.comm = "tester",
	};
}

static inline struct numbers_event numbers_event(uint64_t time, uint64_t big, int64_t small)
{
	struct numbers_event event = {.big = big, .small = small};

	event.header = test_header(NUMBERS, sizeof(event), time);
	return event;
}

/* `words`: `length` bytes, each word with its NUL. */
static inline void words_event(struct words_event *event, uint64_t time, const char *words,
			       size_t length)
{
	memset(event, 0, sizeof(*event));
	event->header = test_header(WORDS, (uint32_t)(sizeof(event->header) + length), time);
	memcpy(event->words, words, length);
}

/* The first frame of `out`, unpacked on the heap. */
static inline Ringside__V1__AgentFrame *unpack_first(const struct buf *out)
{
	const uint8_t *message;
	size_t length;

	assert_true(frame_next(buf_head(out), buf_length(out), FRAME_MAX, &message, &length) > 0);
	return ringside__v1__agent_frame__unpack(NULL, length, message);
}

static inline void frame_free(Ringside__V1__AgentFrame *frame)
{
	ringside__v1__agent_frame__free_unpacked(frame, NULL);
}

static inline void put_hello(struct buf *out, const char *agent, uint64_t epoch, const char *token)
{
	Ringside__V1__AgentFrame frame = RINGSIDE__V1__AGENT_FRAME__INIT;
	Ringside__V1__Hello hello = RINGSIDE__V1__HELLO__INIT;
	Ringside__V1__Attribute attribute = RINGSIDE__V1__ATTRIBUTE__INIT;
	Ringside__V1__Attribute *attributes[] = {&attribute};

	attribute.key = (ProtobufCBinaryData){9, (uint8_t *)"host.name"};
	attribute.value = (ProtobufCBinaryData){5, (uint8_t *)"a\xff"
							      "\"b\\"};
	hello.n_attributes = 1;
	hello.attributes = attributes;
	hello.protocol_min = hello.protocol_max = 1;
	hello.agent_id = (ProtobufCBinaryData){strlen(agent), (uint8_t *)agent};
	hello.token = (ProtobufCBinaryData){strlen(token), (uint8_t *)token};
	hello.epoch = epoch;
	frame.body_case = RINGSIDE__V1__AGENT_FRAME__BODY_HELLO;
	frame.hello = &hello;
	assert_int_equal(frame_put(out, &frame.base), 0);
}

/* What is in the buffer, as a C string. */
static inline const char *buf_text(struct buf *buf)
{
	assert_int_equal(buf_put(buf, "", 1), 0);
	buf_truncate(buf, buf_length(buf) - 1);
	return (const char *)buf_head(buf);
}

static inline void assert_contains(struct buf *buf, const char *needle)
{
	if (!strstr(buf_text(buf), needle))
		fail_msg("no %s in: %s", needle, buf_text(buf));
}

static inline void assert_lacks(struct buf *buf, const char *needle)
{
	if (strstr(buf_text(buf), needle))
		fail_msg("%s in: %s", needle, buf_text(buf));
}

#endif
