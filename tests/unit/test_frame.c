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

static void a_frame_comes_back_at_every_length(void **state)
{
	static uint8_t data[70000];
	const uint8_t *message;
	size_t length;

	(void)state;
	/* Lengths around those where the prefix grows. */
	static const size_t lengths[] = {1, 2, 127, 128, 129, 16383, 16384, 16385, 65536};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		Ringside__V1__AgentFrame frame = RINGSIDE__V1__AGENT_FRAME__INIT;
		Ringside__V1__Hello hello = RINGSIDE__V1__HELLO__INIT;
		struct buf out;

		hello.token = (ProtobufCBinaryData){lengths[i], data};
		frame.body_case = RINGSIDE__V1__AGENT_FRAME__BODY_HELLO;
		frame.hello = &hello;
		assert_int_equal(buf_init(&out, 0, FRAME_MAX), 0);
		assert_int_equal(frame_put(&out, &frame.base), 0);
		for (size_t cut = 0; cut < buf_length(&out); cut += 1 + cut / 8)
			assert_int_equal(
				frame_next(buf_head(&out), cut, FRAME_MAX, &message, &length), 0);
		assert_int_equal(
			frame_next(buf_head(&out), buf_length(&out), FRAME_MAX, &message, &length),
			buf_length(&out));
		assert_int_equal(length, protobuf_c_message_get_packed_size(&frame.base));
		assert_ptr_equal(message + length, buf_head(&out) + buf_length(&out));
		buf_done(&out);
	}
}

static long next(const char *bytes, size_t length)
{
	const uint8_t *message;
	size_t message_length;
	uint8_t *copy = malloc(length); /* so that the sanitizer sees a read past the end */
	long result;

	memcpy(copy, bytes, length);
	result = frame_next(copy, length, FRAME_MAX, &message, &message_length);
	free(copy);
	return result;
}

static void hostile_prefixes_are_refused_as_soon_as_they_are_seen(void **state)
{
	(void)state;
	assert_int_equal(next("\x00", 1), -EBADMSG);
	assert_int_equal(next("\x80\x00", 2), -EBADMSG);
	assert_int_equal(next("\x81\x00", 2), -EBADMSG);
	assert_int_equal(next("\x81\x80\x00", 3), -EBADMSG);
	assert_int_equal(next("\xff\xff\xff\xff\xff", 5), -EBADMSG);
	assert_int_equal(next("\xff\xff\xff\xff\x7f", 5), -EMSGSIZE);
	assert_int_equal(next("\x81\x80\x40", 3), -EMSGSIZE);
	assert_int_equal(next("\x80\x80\x40", 3), 0);
	assert_int_equal(next("\xff\xff\xff\xff", 4), 0);
	assert_int_equal(next("\x80", 1), 0);
	assert_int_equal(next("GET / HTTP/1.1\r\n", 16), 0);
}

static void the_arena_hands_out_zeroed_memory_each_time(void **state)
{
	struct frame_arena *arena = frame_arena_new(4 * 1024 * 1024);
	struct buf out;

	(void)state;
	assert_non_null(arena);
	assert_int_equal(buf_init(&out, 0, FRAME_MAX), 0);
	put_hello(&out, "agent", 7, "token");
	for (int round = 0; round < 3; round++) {
		const uint8_t *message;
		size_t length;
		Ringside__V1__AgentFrame *frame;

		assert_true(frame_next(buf_head(&out), buf_length(&out), FRAME_MAX, &message,
				       &length) > 0);
		frame = (Ringside__V1__AgentFrame *)frame_unpack(
			arena, &ringside__v1__agent_frame__descriptor, message, length);
		assert_non_null(frame);
		assert_int_equal(frame->hello->epoch, 7);
		/* A message that is cut anywhere must neither crash nor read what the last one left. */
		for (size_t cut = 0; cut < length; cut++)
			frame_unpack(arena, &ringside__v1__agent_frame__descriptor, message, cut);
	}
	buf_done(&out);
	frame_arena_free(arena);
	frame_arena_free(NULL);
}

static void nothing_of_a_message_is_left_for_the_next(void **state)
{
	struct frame_arena *arena = frame_arena_new(FRAME_ARENA);
	uint8_t token[8192];
	struct buf large, small;
	const struct buf *const messages[] = {&large, &small};

	(void)state;
	memset(token, 0xee, sizeof(token));
	token[sizeof(token) - 1] = 0;
	assert_int_equal(buf_init(&large, 0, FRAME_MAX), 0);
	assert_int_equal(buf_init(&small, 0, FRAME_MAX), 0);
	put_hello(&large, "agent", 7, (const char *)token);
	put_hello(&small, "agent", 7, "");
	for (size_t i = 0; i < 2; i++) {
		const uint8_t *message, *at;
		size_t length, dirty = 0;

		assert_true(frame_next(buf_head(messages[i]), buf_length(messages[i]), FRAME_MAX,
				       &message, &length) > 0);
		/* The message itself is the first that the arena hands out. */
		at = (const uint8_t *)frame_unpack(arena, &ringside__v1__agent_frame__descriptor,
						   message, length);
		assert_non_null(at);
		for (size_t byte = 0; byte < sizeof(token); byte++)
			dirty += at[byte] == 0xee;
		assert_int_equal(dirty > 0, messages[i] == &large);
	}
	buf_done(&large);
	buf_done(&small);
	frame_arena_free(arena);
}

static void unknown_fields_cannot_take_more_memory_than_the_cap(void **state)
{
	const size_t fields = 500000;
	uint8_t *data = malloc(fields * 2);
	struct frame_arena *arena = frame_arena_new(FRAME_ARENA);

	(void)state;
	assert_non_null(data);
	/* Field 15, varint 1: two bytes on the wire, some eighty in memory. */
	for (size_t i = 0; i < fields; i++)
		memcpy(data + 2 * i, "\x78\x01", 2);
	assert_null(frame_unpack(arena, &ringside__v1__agent_frame__descriptor, data, fields * 2));
	assert_non_null(frame_unpack(arena, &ringside__v1__agent_frame__descriptor, data, 2000));
	free(data);
	frame_arena_free(arena);
}

static void bodies_given_again_and_again_stay_within_the_cap(void **state)
{
	struct frame_arena *arena = frame_arena_new(64 * 1024);
	uint8_t data[60000];

	(void)state;
	/* The member `batch` with one text of one byte: merged each time it comes again. */
	for (size_t i = 0; i < sizeof(data) / 5; i++)
		memcpy(data + 5 * i, "\x12\x03\x32\x01x", 5);
	assert_null(
		frame_unpack(arena, &ringside__v1__agent_frame__descriptor, data, sizeof(data)));
	assert_non_null(frame_unpack(arena, &ringside__v1__agent_frame__descriptor, data, 100));
	frame_arena_free(arena);
}

static void a_cap_at_any_size_fails_cleanly(void **state)
{
	struct buf out;
	const uint8_t *message;
	size_t length;

	(void)state;
	assert_int_equal(buf_init(&out, 0, FRAME_MAX), 0);
	put_hello(&out, "agent", 7, "token");
	assert_true(frame_next(buf_head(&out), buf_length(&out), FRAME_MAX, &message, &length) > 0);
	for (size_t cap = 16; cap < 4096; cap += 16) {
		struct frame_arena *arena = frame_arena_new(cap);

		assert_non_null(arena);
		frame_unpack(arena, &ringside__v1__agent_frame__descriptor, message, length);
		frame_arena_free(arena);
	}
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_comes_back_at_every_length),
		cmocka_unit_test(hostile_prefixes_are_refused_as_soon_as_they_are_seen),
		cmocka_unit_test(the_arena_hands_out_zeroed_memory_each_time),
		cmocka_unit_test(nothing_of_a_message_is_left_for_the_next),
		cmocka_unit_test(unknown_fields_cannot_take_more_memory_than_the_cap),
		cmocka_unit_test(bodies_given_again_and_again_stay_within_the_cap),
		cmocka_unit_test(a_cap_at_any_size_fails_cleanly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
