/* SPDX-License-Identifier: Apache-2.0 */
/* All connections of a collector together: bounds, damage, memory of agents, the equation. */
#include "peer.h"

static struct sockaddr_storage address(const char *text)
{
	struct address parsed;
	struct sockaddr_storage socket;

	assert_int_equal(address_parse(text, &parsed), 0);
	assert_int_equal(address_literal(&parsed, &socket), 0);
	return socket;
}

/* A connection that says nothing: the peer's handle. */
static int call(struct sink *sink, const char *from)
{
	struct sockaddr_storage peer = address(from);
	int fd = sim_dial(NULL, NULL);

	assert_int_equal(hub_add(sink->hub, sim_accept(), &peer), 0);
	return fd;
}

static bool is_open(int fd)
{
	return sim.links[fd / 2].open[1];
}

static void of_too_many_newcomers_of_an_address_the_oldest_ends(void **state)
{
	static const char *const pairs[][2] = {{"10.0.0.1", "10.0.0.2"},
					       {"::ffff:10.0.0.1", "::ffff:10.0.0.2"},
					       {"2001:db8::1", "2001:db8:0:1::1"}};
	struct sink *sink = *state;

	for (size_t i = 0; i < 3; i++) {
		const char *flood = pairs[i][0];
		int other = call(sink, pairs[i][1]), first = call(sink, flood);
		int second = call(sink, flood), last = -1;

		for (int j = 2; j < HUB_NEWCOMERS_PER_ADDRESS + 1; j++)
			last = call(sink, flood);
		assert_false(is_open(first));
		assert_true(is_open(second) && is_open(last) && is_open(other));
		peer_hello(sink, last, flood, 1);
		expect_reply(last, SESSION_REPLY_WELCOME);
		sim_close(NULL, last);
		hub_close(sink->hub);
		sim.now += SIM_SECOND;
		sink_turn(sink);
	}
	assert_int_equal(sink->rejected, 3);
	assert_int_equal(hub_rejections(sink->hub, HUB_NO_ROOM), 3);
}

static void newcomers_in_all_are_bounded(void **state)
{
	struct sink *sink = *state;
	int agent = peer_new(sink, "a", 1);
	int first = call(sink, "10.1.0.0");
	char from[32];

	for (int i = 1; i < HUB_NEWCOMERS; i++) {
		snprintf(from, sizeof(from), "10.1.%d.%d", i / 256, i % 256);
		call(sink, from);
	}
	assert_true(is_open(first));
	call(sink, "10.2.0.0");
	assert_false(is_open(first));
	assert_true(is_open(agent));
	assert_int_equal(hub_count(sink->hub), HUB_NEWCOMERS + 1);
}

static void agents_of_one_address_are_bounded(void **state)
{
	struct sink *sink = *state;
	char id[32];
	int fd = -1;

	for (int i = 0; i <= HUB_AGENTS_PER_ADDRESS; i++) {
		if (fd >= 0)
			expect_reply(fd, SESSION_REPLY_WELCOME);
		snprintf(id, sizeof(id), "agent-%d", i);
		fd = peer_dial(sink);
		peer_hello(sink, fd, id, 1);
	}
	expect_error(fd, SESSION_ERROR_NOT_ALLOWED);
	assert_int_equal(hub_agents(sink->hub), HUB_AGENTS_PER_ADDRESS);
	assert_int_equal(hub_rejections(sink->hub, HUB_NO_ROOM), 1);
	fd = call(sink, "10.0.0.2");
	peer_hello(sink, fd, id, 1);
	expect_reply(fd, SESSION_REPLY_WELCOME);
}

static void a_flood_is_told_in_few_lines_that_add_up(void **state)
{
	struct sink *sink = *state;

	for (int i = 0; i < 100; i++) {
		int fd = call(sink, "10.0.0.1");

		peer_send(fd, "\0", 1);
		sink_turn(sink);
		sim_close(NULL, fd);
	}
	assert_int_equal(sink->rejected, 10);
	assert_int_equal(sink->unsaid, 0);
	assert_int_equal(hub_rejections(sink->hub, HUB_PROTOCOL), 100);
	later(sink, SIM_SECOND);
	assert_int_equal(sink->rejected, 10);
	assert_int_equal(sink->unsaid, 90);
	later(sink, SIM_SECOND);
	assert_int_equal(sink->unsaid, 90);
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
		/* Without a Bye: what was in the ring is missing, and more may have come than was told. */
		{14, 4, 10, 10, 7, 3, 0, false, true, 0},
		{20, 4, 10, 10, 7, 3, 0, false, false, 6},
		{14, 4, 10, 10, 9, 3, 0, false, false, -2},
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(of_too_many_newcomers_of_an_address_the_oldest_ends),
		TEST(newcomers_in_all_are_bounded),
		TEST(agents_of_one_address_are_bounded),
		TEST(a_flood_is_told_in_few_lines_that_add_up),
		TEST(a_peer_that_reads_no_acks_costs_a_bounded_buffer),
		TEST(closing_says_goodbye_to_all),
		TEST(damaged_bytes_never_do_harm),
		TEST(the_roster_forgets_the_oldest_that_is_not_live),
		TEST(the_equation_is_judged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
