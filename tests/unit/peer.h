/* SPDX-License-Identifier: Apache-2.0 */
/* Agents of the tests' own on the simulated network, and a hub that they call. */
#ifndef RINGSIDE_TESTS_PEER_H
#define RINGSIDE_TESTS_PEER_H

#include "frames.h"

/* An agent of the test's own: it holds the handle 2 * its link's number. */
static inline int peer_dial(struct sink *sink)
{
	int fd = sim_dial(NULL, NULL);

	sink_turn(sink);
	return fd;
}

static inline void peer_send(int fd, const void *data, size_t length)
{
	assert_int_equal(sim_send(NULL, fd, data, length), length);
}

static inline void peer_hello(struct sink *sink, int fd, const char *agent, uint64_t epoch)
{
	struct session_hello hello = frames_hello(agent, epoch);
	struct buf out;

	assert_int_equal(buf_init(&out, 0, 4096), 0);
	assert_int_equal(session_put_hello(&out, &hello), 0);
	peer_send(fd, buf_head(&out), buf_length(&out));
	buf_done(&out);
	sink_turn(sink);
}

static inline void peer_batch(struct sink *sink, int fd, uint32_t stream, uint64_t first,
			      uint32_t count)
{
	struct buf out;

	assert_int_equal(buf_init(&out, 0, 4096), 0);
	frames_put_batch(&out, stream, first, count, 10);
	peer_send(fd, buf_head(&out), buf_length(&out));
	buf_done(&out);
	sink_turn(sink);
}

/* The next frame that the collector has sent; SESSION_REPLY_UNKNOWN: none, or its end. */
static inline struct session_reply peer_reply(int fd)
{
	static struct frame_arena *arena;
	struct session_reply reply = {.item = SESSION_REPLY_UNKNOWN};
	struct sim_pipe *pipe = sim_pipe(fd, false);
	const uint8_t *message;
	static uint8_t copy[4096];
	size_t length;
	long whole;

	if (!arena)
		arena = frame_arena_new(1 << 20);
	if (!sim.links[fd / 2].open[0])
		return reply;
	whole = frame_next(pipe->data, pipe->length, 65536, &message, &length);
	assert_true(whole >= 0);
	if (!whole)
		return reply;
	assert_true(length <= sizeof(copy));
	memcpy(copy, message, length);
	pipe->length -= (size_t)whole;
	memmove(pipe->data, pipe->data + whole, pipe->length);
	assert_int_equal(session_unpack_reply(arena, copy, length, &reply), 0);
	if (reply.item == SESSION_REPLY_UNKNOWN)
		fail();
	return reply;
}

static inline struct session_reply expect_reply(int fd, enum session_reply_item item)
{
	struct session_reply reply = peer_reply(fd);

	assert_int_equal(reply.item, item);
	return reply;
}

static inline void expect_error(int fd, uint32_t code)
{
	struct session_reply reply = expect_reply(fd, SESSION_REPLY_ERROR);

	assert_int_equal(reply.error.code, code);
	assert_true(sim_pipe(fd, false)->finished);
}

static inline void expect_ack(int fd, uint64_t next0, uint64_t next1)
{
	struct session_reply reply;

	do {
		reply = peer_reply(fd);
	} while (reply.item == SESSION_REPLY_HEARTBEAT);
	assert_int_equal(reply.item, SESSION_REPLY_ACK);
	assert_int_equal(reply.ack.next_seq[0], next0);
	assert_int_equal(reply.ack.next_seq[1], next1);
}

/* A peer that was welcomed. */
static inline int peer_new(struct sink *sink, const char *agent, uint64_t epoch)
{
	int fd = peer_dial(sink);

	peer_hello(sink, fd, agent, epoch);
	expect_reply(fd, SESSION_REPLY_WELCOME);
	return fd;
}

static inline void later(struct sink *sink, uint64_t ns)
{
	sim.now += ns;
	sink_turn(sink);
}

static inline int setup(void **state)
{
	static struct sink sink;

	sim_begin();
	sink_begin(&sink);
	*state = &sink;
	return 0;
}

static inline int teardown(void **state)
{
	sink_end(*state);
	sim_end();
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
