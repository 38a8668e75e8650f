/* SPDX-License-Identifier: Apache-2.0 */
#include "frames.h"

#include "base/log.h"

/* An agent of the test's own: it holds the handle 2 * its link's number. */
static int peer_dial(struct sink *sink)
{
	int fd = sim_dial(NULL, NULL);

	sink_turn(sink);
	return fd;
}

static void peer_send(int fd, const void *data, size_t length)
{
	assert_int_equal(sim_send(NULL, fd, data, length), length);
}

static void peer_hello(struct sink *sink, int fd, const char *agent, uint64_t epoch)
{
	struct session_hello hello = frames_hello(agent, epoch);
	struct buf out;

	assert_int_equal(buf_init(&out, 0, 4096), 0);
	assert_int_equal(session_put_hello(&out, &hello), 0);
	peer_send(fd, buf_head(&out), buf_length(&out));
	buf_done(&out);
	sink_turn(sink);
}

static void peer_batch(struct sink *sink, int fd, uint32_t stream, uint64_t first, uint32_t count)
{
	struct buf out;

	assert_int_equal(buf_init(&out, 0, 4096), 0);
	frames_put_batch(&out, stream, first, count, 10);
	peer_send(fd, buf_head(&out), buf_length(&out));
	buf_done(&out);
	sink_turn(sink);
}

/* The next frame that the collector has sent; SESSION_REPLY_UNKNOWN: none, or its end. */
static struct session_reply peer_reply(int fd)
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

static struct session_reply expect_reply(int fd, enum session_reply_item item)
{
	struct session_reply reply = peer_reply(fd);

	assert_int_equal(reply.item, item);
	return reply;
}

static void expect_error(int fd, uint32_t code)
{
	struct session_reply reply = expect_reply(fd, SESSION_REPLY_ERROR);

	assert_int_equal(reply.error.code, code);
	assert_true(sim_pipe(fd, false)->finished);
}

static void expect_ack(int fd, uint64_t next0, uint64_t next1)
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
static int peer_new(struct sink *sink, const char *agent, uint64_t epoch)
{
	int fd = peer_dial(sink);

	peer_hello(sink, fd, agent, epoch);
	expect_reply(fd, SESSION_REPLY_WELCOME);
	return fd;
}

static void later(struct sink *sink, uint64_t ns)
{
	sim.now += ns;
	sink_turn(sink);
}

static int setup(void **state)
{
	static struct sink sink;

	sim_begin();
	sink_begin(&sink);
	*state = &sink;
	return 0;
}

static int teardown(void **state)
{
	sink_end(*state);
	sim_end();
	return 0;
}

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

static void the_equation_is_judged(void **state)
{
	static const struct {
		uint64_t produced, lost, taken, next_seq, received, gaps, elsewhere;
		bool ended, holds;
		int64_t difference;
	} cases[] = {
		{14, 4, 10, 10, 7, 3, 0, true, true, 0},
		{14, 4, 10, 10, 2, 3, 5, true, true, 0},
		{14, 4, 10, 10, 7, 2, 0, true, false, 1},
		{14, 4, 10, 10, 7, 4, 0, true, false, -1},
		{15, 4, 10, 10, 7, 3, 0, true, false, 1},
		{14, 5, 10, 10, 7, 3, 0, true, false, -1},
		{14, 4, 9, 10, 7, 3, 0, true, false, -1},
		{14, 4, 10, 12, 7, 3, 0, true, false, 2},
		{0, 0, 0, 0, 0, 0, 0, true, true, 0},
		/* Without a Bye: the ring may hold some, and more may have come than was told. */
		{20, 4, 10, 10, 7, 3, 0, false, true, 0},
		{20, 4, 10, 10, 9, 3, 0, false, true, 0},
		{20, 4, 10, 10, 6, 3, 0, false, false, 1},
		{13, 4, 10, 10, 7, 3, 0, false, false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct agent agent = {.has_account = true,
				      .ended = cases[i].ended,
				      .received = {0, cases[i].received},
				      .gaps = {0, cases[i].gaps},
				      .elsewhere = {0, cases[i].elsewhere}};
		struct balance balance;

		agent.account.probe_count = 2;
		agent.account.probes[0] =
			(struct session_probe){.stream = 1, .produced = cases[i].produced};
		agent.account.probes[0].lost[5] = cases[i].lost;
		agent.account.probes[1] = (struct session_probe){.stream = 0, .produced = 1000};
		agent.account.streams[1] = (struct session_stream){.taken = cases[i].taken,
								   .next_seq = cases[i].next_seq};
		balance = agent_balance(&agent, 1);
		assert_int_equal(balance.holds, cases[i].holds);
		assert_int_equal(balance.difference, cases[i].difference);
		agent.has_account = false;
		assert_false(agent_balance(&agent, 1).holds);
	}
}

static void connections_from_one_address_and_in_all_are_bounded(void **state)
{
	struct sink *sink = *state;
	struct sockaddr_storage peer = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&peer;

	v4->sin_family = AF_INET;
	v4->sin_addr.s_addr = htonl(0x0a000001);
	sim.accepted = 0;
	for (int i = 0; i < HUB_CONNECTIONS_PER_ADDRESS + 5; i++) {
		int err;

		sim_dial(NULL, NULL);
		err = hub_add(sink->hub, sim_accept(), &peer);
		assert_int_equal(err, i < HUB_CONNECTIONS_PER_ADDRESS ? 0 : -EUSERS);
	}
	/* One line for all of them. */
	assert_int_equal(sink->rejected, 1);
	v4->sin_addr.s_addr = htonl(0x0a000002);
	sim_dial(NULL, NULL);
	assert_int_equal(hub_add(sink->hub, sim_accept(), &peer), 0);
}

static void a_peer_that_reads_no_acks_costs_a_bounded_buffer(void **state)
{
	struct sink *sink = *state;
	int fd = peer_new(sink, "a", 1);
	uint64_t last = 0;

	sim_pipe(fd, false)->length = 0;
	for (uint64_t i = 0; i < 20000; i++) {
		peer_batch(sink, fd, 1, i, 1);
		if (i == 0)
			sim.links[fd / 2].pipes[1].length = SIM_PIPE;
	}
	assert_int_equal(sink->left, 0);
	/* It reads at last: the newest state comes, not each step of it. */
	sim.links[fd / 2].pipes[1].length = 0;
	for (int i = 0; i < 10; i++) {
		struct session_reply reply;

		later(sink, 1);
		while ((reply = peer_reply(fd)).item != SESSION_REPLY_UNKNOWN)
			if (reply.item == SESSION_REPLY_ACK)
				last = reply.ack.next_seq[1];
	}
	assert_int_equal(last, 20000);
}

static void closing_says_goodbye_to_all(void **state)
{
	struct sink *sink = *state;
	int a = peer_new(sink, "a", 1), b = peer_dial(sink);

	hub_close(sink->hub);
	assert_true(expect_reply(a, SESSION_REPLY_BYE).drain);
	assert_false(sim.links[b / 2].open[1]);
	assert_int_equal(sink->left, 1);
	sim_close(NULL, a);
	sink_turn(sink);
	assert_int_equal(hub_count(sink->hub), 0);
}

static void damaged_bytes_never_do_harm(void **state)
{
	struct sink *sink = *state;
	int good = peer_new(sink, "good", 9);
	struct session_account account = {.probe_count = 2, .has_streams = true};
	struct buf frames;

	assert_int_equal(buf_init(&frames, 0, 65536), 0);
	srandom(11);
	for (unsigned int i = 0; i < 1500; i++) {
		struct session_hello hello = frames_hello("bad", i + 1);
		int fd = sim_dial(NULL, NULL);

		buf_clear(&frames);
		assert_int_equal(session_put_hello(&frames, &hello), 0);
		frames_put_batch(&frames, 1, 0, 3, 10);
		assert_int_equal(session_put_gap(&frames, 1, 3, 5, 1), 0);
		assert_int_equal(session_put_heartbeat(&frames, &account), 0);
		assert_int_equal(session_put_bye(&frames, &account), 0);
		for (long j = random() % 4; j >= 0; j--)
			buf_head(&frames)[(size_t)random() % buf_length(&frames)] =
				(uint8_t)random();
		memset(sink->next, 0, sizeof(sink->next));
		sim.piece = i % 3 ? SIM_PIPE : 5;
		(void)sim_send(NULL, fd, buf_head(&frames), i % 3 ? buf_length(&frames) : 5);
		sink_turn(sink);
		sim.piece = SIM_PIPE;
		sim_close(NULL, fd);
		sink_turn(sink);
		sink_turn(sink);
	}
	memset(sink->next, 0, sizeof(sink->next));
	sim_pipe(good, false)->length = 0;
	peer_batch(sink, good, 0, 0, 1);
	expect_ack(good, 1, 0);
	assert_int_equal(hub_count(sink->hub), 1);
	buf_done(&frames);
}

static void the_roster_forgets_the_oldest_that_is_not_live(void **state)
{
	struct sink *sink = *state;
	struct session_hello hello;
	struct agent *live;
	char id[32];

	hello = frames_hello("live", 1);
	live = roster_claim(sink->roster, &hello);
	live->live = sink;
	for (int i = 0; i < ROSTER_MAX + 10; i++) {
		snprintf(id, sizeof(id), "agent-%d", i);
		hello = frames_hello(id, 1);
		assert_non_null(roster_claim(sink->roster, &hello));
	}
	assert_ptr_equal(roster_find(sink->roster, "live", 4), live);
	assert_null(roster_find(sink->roster, "agent-0", 7));
	assert_non_null(roster_find(sink->roster, "agent-16000", 11));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
		TEST(the_equation_is_judged),
		TEST(connections_from_one_address_and_in_all_are_bounded),
		TEST(a_peer_that_reads_no_acks_costs_a_bounded_buffer),
		TEST(closing_says_goodbye_to_all),
		TEST(damaged_bytes_never_do_harm),
		TEST(the_roster_forgets_the_oldest_that_is_not_live),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
