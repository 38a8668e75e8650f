/* SPDX-License-Identifier: Apache-2.0 */
/* One connection of a collector: what it takes, when it acknowledges, how it ends. */
#include "peer.h"

static void a_batch_is_acknowledged_once_it_was_written(void **state)
{
	struct sink *sink = *state;
	int fd = peer_new(sink, "a", 1);

	sink->slow = true;
	peer_batch(sink, fd, 1, 0, 3);
	peer_batch(sink, fd, 1, 3, 3);
	peer_batch(sink, fd, 0, 0, 1);
	expect_reply(fd, SESSION_REPLY_UNKNOWN);
	sink->written = 9;
	sink_turn(sink);
	expect_reply(fd, SESSION_REPLY_UNKNOWN);
	sink->written = 10;
	sink_turn(sink);
	expect_ack(fd, 0, 3);
	sink->written = 29;
	sink_turn(sink);
	expect_reply(fd, SESSION_REPLY_UNKNOWN);
	sink->written = 30;
	sink_turn(sink);
	expect_ack(fd, 1, 6);
	later(sink, SIM_SECOND);
	expect_reply(fd, SESSION_REPLY_UNKNOWN);
}

static void an_output_that_is_never_empty_still_lets_acks_through(void **state)
{
	struct sink *sink = *state;
	int fd = peer_new(sink, "a", 1);
	int acks = 0;

	sink->slow = true;
	for (uint64_t i = 0; i < 100; i++) {
		peer_batch(sink, fd, 1, i, 1);
		sink->written = sink->appended - 5;
		sink_turn(sink);
		acks += peer_reply(fd).item == SESSION_REPLY_ACK;
	}
	assert_true(acks > 40);
}

static void a_full_output_stops_reading_and_nothing_is_lost(void **state)
{
	struct sink *sink = *state;
	int a = peer_new(sink, "a", 1), b = peer_new(sink, "b", 2), c;

	sink->full = true;
	peer_batch(sink, a, 0, 0, 1);
	peer_batch(sink, a, 0, 1, 1);
	peer_batch(sink, b, 1, 0, 1);
	assert_int_equal(sink->frames, 0);
	/* However long it lasts, nobody is cut off for it, and heartbeats go on. */
	later(sink, 100 * SIM_SECOND);
	later(sink, SIM_SECOND);
	expect_reply(a, SESSION_REPLY_HEARTBEAT);
	assert_int_equal(sink->left, 0);
	/* Whoever is held back is no dead one, for another to take his place. */
	c = peer_dial(sink);
	peer_hello(sink, c, "a", 1);
	expect_error(c, SESSION_ERROR_IN_USE);
	/* One may still come, and begin a frame. */
	c = peer_new(sink, "c", 3);
	peer_send(c, "\x7f", 1);
	later(sink, 100 * SIM_SECOND);
	sink->full = false;
	sink_turn(sink);
	assert_int_equal(sink->frames, 3);
	expect_ack(a, 2, 0);
	expect_ack(b, 0, 1);
	later(sink, 20 * SIM_SECOND);
	assert_int_equal(sink->left, 0);
}

static void a_bye_is_answered_when_all_is_written(void **state)
{
	struct sink *sink = *state;
	struct session_account account = {.has_streams = true,
					  .streams = {[1] = {.taken = 3, .next_seq = 3}}};
	int fd = peer_new(sink, "a", 1);
	struct buf out;

	sink->slow = true;
	peer_batch(sink, fd, 1, 0, 3);
	assert_int_equal(buf_init(&out, 0, 4096), 0);
	assert_int_equal(session_put_bye(&out, &account), 0);
	peer_send(fd, buf_head(&out), buf_length(&out));
	sim_finish(NULL, fd);
	sink_turn(sink);
	assert_int_equal(sink->bye, 1);
	expect_reply(fd, SESSION_REPLY_UNKNOWN);
	/* A successor may come before the last Ack has gone. */
	peer_new(sink, "a", 2);
	sink->written = 10;
	sink_turn(sink);
	expect_ack(fd, 0, 3);
	expect_reply(fd, SESSION_REPLY_UNKNOWN);
	sink->written = sink->appended;
	sink_turn(sink);
	expect_ack(fd, 0, 3);
	expect_reply(fd, SESSION_REPLY_BYE);
	assert_true(sim_pipe(fd, false)->finished);
	later(sink, SIM_SECOND);
	assert_int_equal(sink->left, 1);
	buf_done(&out);
}

static void times_are_kept(void **state)
{
	struct sink *sink = *state;
	int silent = peer_dial(sink), agent = peer_new(sink, "a", 1), slow;

	later(sink, 5 * SIM_SECOND - 1);
	assert_int_equal(sink->rejected, 0);
	later(sink, 1);
	assert_int_equal(sink->rejected, 1);
	expect_error(silent, SESSION_ERROR_PROTOCOL);
	expect_reply(agent, SESSION_REPLY_HEARTBEAT);
	/* A frame that comes byte by byte has 30 s as well. */
	slow = peer_new(sink, "slow", 2);
	for (int i = 0; i < 29; i++) {
		peer_send(slow, i ? "a" : "\x7f", 1);
		later(sink, SIM_SECOND);
	}
	assert_int_equal(sink->left, 1); /* agent */
	later(sink, SIM_SECOND);
	assert_int_equal(sink->left, 2);
	assert_non_null(strstr(sink->why, "30 s"));
	/* Whoever does not go is gone after two seconds. */
	later(sink, 2 * SIM_SECOND);
	sink_turn(sink);
	assert_int_equal(hub_count(sink->hub), 0);
}

static void one_id_has_one_live_connection(void **state)
{
	struct sink *sink = *state;
	int first = peer_new(sink, "a", 1), second = peer_dial(sink), third;

	peer_hello(sink, second, "a", 2);
	expect_error(second, SESSION_ERROR_IN_USE);
	peer_batch(sink, first, 1, 0, 3);
	/* It was asked for a sign of life, for its socket to find out whether anyone is there. */
	expect_reply(first, SESSION_REPLY_HEARTBEAT);
	expect_ack(first, 0, 3);
	/* Silent for longer than two heartbeats: dead, though its connection is not. */
	later(sink, 11 * SIM_SECOND);
	third = peer_new(sink, "a", 1);
	assert_int_equal(sink->left, 1);
	assert_false(sim.links[first / 2].open[1]);
	peer_batch(sink, third, 1, 3, 1);
	expect_ack(third, 0, 4);
}

static void an_end_that_was_not_read_yet_does_not_block_the_successor(void **state)
{
	struct sink *sink = *state;
	int first = peer_new(sink, "a", 1), second;
	struct session_reply reply;
	struct buf out;

	/* A batch, then the end: both unread when the next connection says Hello. */
	assert_int_equal(buf_init(&out, 0, 4096), 0);
	frames_put_batch(&out, 1, 0, 3, 10);
	peer_send(first, buf_head(&out), buf_length(&out));
	sim_finish(NULL, first);
	buf_clear(&out);
	second = sim_dial(NULL, NULL);
	{
		struct session_hello hello = frames_hello("a", 1);

		assert_int_equal(session_put_hello(&out, &hello), 0);
	}
	peer_send(second, buf_head(&out), buf_length(&out));
	{
		struct sockaddr_storage peer = {.ss_family = AF_INET};

		/* The newer one is served first. */
		assert_int_equal(hub_add(sink->hub, sim_accept(), &peer), 0);
		hub_ready(sink->hub, second + 1);
	}
	reply = expect_reply(second, SESSION_REPLY_WELCOME);
	assert_int_equal(reply.welcome.stored[1], 3);
	assert_int_equal(sink->left, 1);
	buf_done(&out);
}

static void a_frame_that_the_output_refuses_ends_its_agent_and_is_not_counted(void **state)
{
	struct sink *sink = *state;
	int a = peer_new(sink, "a", 1), b = peer_new(sink, "b", 2);

	sink->refuse_with = -EBADMSG;
	peer_batch(sink, a, 1, 0, 3);
	expect_error(a, SESSION_ERROR_PROTOCOL);
	assert_int_equal(roster_find(sink->roster, "a", 1)->next_seq[1], 0);
	sink->refuse_with = -ENOSPC;
	peer_batch(sink, b, 1, 0, 3);
	expect_error(b, SESSION_ERROR_TOO_LARGE);
	assert_int_equal(sink->left, 2);
}

static void a_frame_out_of_sequence_is_refused(void **state)
{
	struct sink *sink = *state;
	int fd = peer_new(sink, "a", 1);

	peer_batch(sink, fd, 1, 0, 3);
	expect_ack(fd, 0, 3);
	peer_batch(sink, fd, 1, 2, 3);
	expect_error(fd, SESSION_ERROR_SEQUENCE);
	assert_int_equal(sink->next[1], 3);
	fd = peer_new(sink, "a", 1);
	peer_batch(sink, fd, 1, 4, 3);
	expect_error(fd, SESSION_ERROR_SEQUENCE);
}

static void frames_are_small_before_the_hello_and_up_to_a_mebibyte_after(void **state)
{
	struct sink *sink = *state;
	int early = peer_dial(sink), agent;
	struct buf out;

	peer_send(early, "\x81\x20", 2); /* 4,097 */
	sink_turn(sink);
	expect_error(early, SESSION_ERROR_TOO_LARGE);
	agent = peer_new(sink, "a", 1);
	assert_int_equal(buf_init(&out, 0, 1 << 20), 0);
	frames_put_batch(&out, 1, 0, 3, 200000);
	peer_send(agent, buf_head(&out), buf_length(&out));
	sink_turn(sink);
	expect_ack(agent, 0, 3);
	peer_send(agent, "\x81\x80\x40", 3); /* 1 MiB and one */
	sink_turn(sink);
	expect_error(agent, SESSION_ERROR_TOO_LARGE);
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_batch_is_acknowledged_once_it_was_written),
		TEST(an_output_that_is_never_empty_still_lets_acks_through),
		TEST(a_full_output_stops_reading_and_nothing_is_lost),
		TEST(a_bye_is_answered_when_all_is_written),
		TEST(times_are_kept),
		TEST(one_id_has_one_live_connection),
		TEST(an_end_that_was_not_read_yet_does_not_block_the_successor),
		TEST(a_frame_that_the_output_refuses_ends_its_agent_and_is_not_counted),
		TEST(a_frame_out_of_sequence_is_refused),
		TEST(frames_are_small_before_the_hello_and_up_to_a_mebibyte_after),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
