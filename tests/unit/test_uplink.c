/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's half of the protocol against a collector that does what the test says. */
#include "side.h"

#include <poll.h>

static void back_off_has_full_jitter_up_to_thirty_seconds(void **state)
{
	uint64_t longest = 0, before, early = 0;
	struct side side;

	(void)state;
	sim_begin();
	sim.refuse = true;
	side_begin(&side);
	for (int i = 0; i < 200; i++) {
		before = sim.now;
		sim.now = uplink_step(side.uplink);
		assert_true(sim.now > before);
		assert_true(sim.now - before <= 30 * SIM_SECOND);
		if (i < 1)
			early = sim.now - before;
		if (sim.now - before > longest)
			longest = sim.now - before;
	}
	assert_true(early <= SIM_SECOND / 2);
	assert_true(longest > 20 * SIM_SECOND);
	assert_int_equal(side.lost, 200);
	assert_int_equal(side.found, 0);
	side_end(&side);
	sim_end();
}

static void without_a_collector_the_deadline_ends_it(void **state)
{
	struct side side;

	(void)state;
	sim_begin();
	sim.refuse = true;
	side_begin(&side);
	side_push(&side, 0, 0, 12, 40);
	side_push(&side, 1, 0, 40, 40);
	uplink_step(side.uplink);
	side_finish(&side, 12, 40, sim.now + 2 * SIM_SECOND);
	while (!uplink_ended(side.uplink)) {
		uint64_t when = uplink_step(side.uplink);

		assert_true(when <= 1002 * SIM_SECOND || uplink_ended(side.uplink));
		sim.now = when > sim.now ? when : sim.now + 1;
	}
	assert_int_equal(uplink_ended(side.uplink), -ETIMEDOUT);
	side_end(&side);
	sim_end();
}

static void beyond_loopback_only_where_it_may(void **state)
{
	struct side side;

	(void)state;
	sim_begin();
	sim.resolves_to = "192.0.2.1";
	side_begin_at(&side, "localhost", false);
	uplink_step(side.uplink);
	assert_int_equal(sim.dials, 0);
	assert_int_equal(side.lost, 1);
	side_end(&side);
	side_begin_at(&side, "collector.example", true);
	uplink_step(side.uplink);
	assert_int_equal(sim.dials, 1);
	side_end(&side);
	sim_end();
}

/* A collector of the test's own, on the last link. */
static void answer(const struct buf *frame)
{
	int fd = 2 * (sim.link_count - 1) + 1;

	assert_int_equal(sim_send(NULL, fd, buf_head(frame), buf_length(frame)), buf_length(frame));
}

static void answer_welcome(uint64_t credit, uint64_t stored0, uint64_t stored1)
{
	struct session_welcome welcome = {.version = 1,
					  .frame_cap = SESSION_FRAME_CAP,
					  .credit = credit,
					  .heartbeat_ms = 1000,
					  .stored = {stored0, stored1}};
	struct buf out;

	assert_int_equal(buf_init(&out, 0, 4096), 0);
	assert_int_equal(session_put_welcome(&out, &welcome), 0);
	answer(&out);
	buf_done(&out);
}

static void answer_ack(uint64_t next0, uint64_t next1, uint64_t credit)
{
	const uint64_t next[SESSION_STREAMS] = {next0, next1};
	struct buf out;

	assert_int_equal(buf_init(&out, 0, 4096), 0);
	assert_int_equal(session_put_ack(&out, next, credit), 0);
	answer(&out);
	buf_done(&out);
}

/* Takes what the agent has sent on the last link. */
static size_t take_sent(uint8_t *ret_data, size_t size)
{
	int fd = 2 * (sim.link_count - 1) + 1;
	ssize_t n = sim_recv(NULL, fd, ret_data, size);

	return n > 0 ? (size_t)n : 0;
}

static void credit_bounds_what_is_under_way(void **state)
{
	static uint8_t data[SIM_PIPE];
	struct side side;

	(void)state;
	sim_begin();
	side_begin(&side);
	for (uint64_t i = 0; i < 20; i++)
		side_push(&side, 1, i, 1, 1000);
	uplink_step(side.uplink);
	assert_true(take_sent(data, sizeof(data)) > 0);
	answer_welcome(3500, 0, 0);
	uplink_step(side.uplink);
	assert_in_range(take_sent(data, sizeof(data)), 3000, 3500);
	uplink_step(side.uplink);
	assert_int_equal(take_sent(data, sizeof(data)), 0);
	answer_ack(0, 2, 3500);
	uplink_step(side.uplink);
	assert_in_range(take_sent(data, sizeof(data)), 2000, 2500);
	/* A credit smaller than a frame still lets one go at a time. */
	answer_ack(0, 5, 10);
	uplink_step(side.uplink);
	assert_in_range(take_sent(data, sizeof(data)), 1000, 1100);
	side_end(&side);
	sim_end();
}

static void a_lost_connection_frees_its_credit(void **state)
{
	static uint8_t data[SIM_PIPE];
	struct side side;

	(void)state;
	sim_begin();
	side_begin(&side);
	for (uint64_t i = 0; i < 10; i++)
		side_push(&side, 1, i, 1, 1000);
	for (int i = 0; i < 3; i++) {
		uplink_step(side.uplink);
		take_sent(data, sizeof(data));
		answer_welcome(3500, 0, 0);
		uplink_step(side.uplink);
		assert_in_range(take_sent(data, sizeof(data)), 3000, 3500);
		sim.links[i].cut = true;
		uplink_step(side.uplink);
		sim.now += SIM_SECOND * 5;
	}
	side_end(&side);
	sim_end();
}

static void batches_are_the_same_bytes_on_every_connection(void **state)
{
	static uint8_t first[SIM_PIPE], second[SIM_PIPE];
	struct side side;
	size_t length;

	(void)state;
	sim_begin();
	side_begin(&side);
	for (uint64_t i = 0; i < 5; i++)
		side_push(&side, i % 2, i / 2, 1, 100 + i);
	uplink_step(side.uplink);
	take_sent(first, sizeof(first));
	answer_welcome(0, 0, 0);
	uplink_step(side.uplink);
	length = take_sent(first, sizeof(first));
	assert_true(length > 500);
	sim.links[0].cut = true;
	uplink_step(side.uplink);
	sim.now += SIM_SECOND;
	uplink_step(side.uplink);
	assert_int_equal(sim.link_count, 2);
	take_sent(second, sizeof(second));
	answer_welcome(0, 0, 0);
	uplink_step(side.uplink);
	assert_int_equal(take_sent(second, sizeof(second)), length);
	assert_memory_equal(first, second, length);
	side_end(&side);
	sim_end();
}

static void what_the_collector_has_already_is_not_sent_again(void **state)
{
	static uint8_t data[SIM_PIPE];
	struct side side;

	(void)state;
	sim_begin();
	side_begin(&side);
	for (uint64_t i = 0; i < 5; i++)
		side_push(&side, 1, i, 1, 1000);
	uplink_step(side.uplink);
	take_sent(data, sizeof(data));
	answer_welcome(0, 0, 4);
	uplink_step(side.uplink);
	assert_in_range(take_sent(data, sizeof(data)), 1000, 1100);
	assert_int_equal(queue_unacked(side.queue, 1), 4);
	side_end(&side);
	sim_end();
}

static void a_sign_of_life_comes_when_there_is_nothing_to_send(void **state)
{
	uint8_t data[256];
	struct side side;
	uint64_t when;

	(void)state;
	sim_begin();
	side_begin(&side);
	uplink_step(side.uplink);
	take_sent(data, sizeof(data));
	answer_welcome(0, 0, 0);
	when = uplink_step(side.uplink);
	assert_int_equal(take_sent(data, sizeof(data)), 0);
	assert_int_equal(when - sim.now, SIM_SECOND);
	sim.now = when;
	uplink_step(side.uplink);
	assert_true(take_sent(data, sizeof(data)) > 0);
	side_end(&side);
	sim_end();
}

static void expect_refused(struct side *side, const char *part)
{
	uplink_step(side->uplink);
	assert_int_equal(side->refused, 1);
	assert_non_null(strstr(side->why, part));
	assert_int_equal(uplink_fd(side->uplink), -1);
	assert_false(uplink_connected(side->uplink));
}

static void a_collector_that_breaks_the_protocol_is_left_and_tried_again(void **state)
{
	static const char *const parts[] = {"never sent", "version",	     "no frame",
					    "no frame",	  "frames of 1 MiB", "turned away"};

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct session_welcome welcome = {.version = 2, .frame_cap = SESSION_FRAME_CAP};
		struct side side;
		struct buf out;
		uint8_t data[4096];

		sim_begin();
		side_begin(&side);
		side_push(&side, 1, 0, 5, 10);
		uplink_step(side.uplink);
		take_sent(data, sizeof(data));
		assert_int_equal(buf_init(&out, 0, 65536), 0);
		switch (i) {
		case 0:
			answer_welcome(0, 0, 0);
			uplink_step(side.uplink);
			answer_ack(0, 6, 0);
			break;
		case 1:
			assert_int_equal(session_put_welcome(&out, &welcome), 0);
			answer(&out);
			break;
		case 2:
			assert_int_equal(buf_put(&out, "HTTP/1.1 400 Bad Request\r\n\r\n", 28), 0);
			assert_int_equal(
				buf_put(&out,
					"HTTP/1.1 400 Bad Request\r\n\r\nHTTP/1.1 400 Bad Request",
					52),
				0);
			answer(&out);
			break;
		case 3:
			assert_int_equal(buf_put(&out, "\xff\xff\xff\xff\xff", 5), 0);
			answer(&out);
			break;
		case 4:
			welcome.version = 1;
			welcome.frame_cap = 4096;
			assert_int_equal(session_put_welcome(&out, &welcome), 0);
			answer(&out);
			break;
		case 5:
			assert_int_equal(
				session_put_error(&out, SESSION_ERROR_NOT_ALLOWED, "turned away"),
				0);
			answer(&out);
			break;
		}
		expect_refused(&side, parts[i]);
		assert_int_equal(queue_unacked(side.queue, 1), 0);
		sim.now += SIM_SECOND;
		uplink_step(side.uplink);
		assert_int_equal(sim.dials, 2);
		buf_done(&out);
		side_end(&side);
		sim_end();
	}
}

static void a_collector_that_says_nothing_is_given_up(void **state)
{
	struct side side;

	(void)state;
	sim_begin();
	side_begin(&side);
	uplink_step(side.uplink);
	sim.now += 10 * SIM_SECOND;
	uplink_step(side.uplink);
	assert_int_equal(side.lost, 1);
	/* Welcomed, and then silent with a batch under way. */
	sim.now += SIM_SECOND;
	uplink_step(side.uplink);
	answer_welcome(0, 0, 0);
	side_push(&side, 1, 0, 1, 10);
	uplink_step(side.uplink);
	assert_true(uplink_connected(side.uplink));
	sim.now += 61 * SIM_SECOND;
	uplink_step(side.uplink);
	assert_int_equal(side.lost, 2);
	side_end(&side);
	sim_end();
}

static void the_wait_is_never_over_before_something_can_be_done(void **state)
{
	struct side side;

	(void)state;
	sim_begin();
	side_begin(&side);
	sim.window = 2000;
	for (uint64_t i = 0; i < 20; i++)
		side_push(&side, 1, i, 1, 1000);
	uplink_step(side.uplink);
	sim.links[0].pipes[0].length = 0;
	answer_welcome(0, 0, 0);
	uplink_step(side.uplink);
	/* Its pipe is full: it must wait to be able to write, however long its heartbeat is due. */
	assert_int_equal(uplink_events(side.uplink), POLLIN | POLLOUT);
	for (int i = 0; i < 20; i++) {
		uint64_t when = uplink_step(side.uplink);

		assert_true(when > sim.now);
		sim.now += SIM_SECOND;
	}
	side_end(&side);
	sim_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(back_off_has_full_jitter_up_to_thirty_seconds),
		cmocka_unit_test(without_a_collector_the_deadline_ends_it),
		cmocka_unit_test(beyond_loopback_only_where_it_may),
		cmocka_unit_test(credit_bounds_what_is_under_way),
		cmocka_unit_test(a_lost_connection_frees_its_credit),
		cmocka_unit_test(batches_are_the_same_bytes_on_every_connection),
		cmocka_unit_test(what_the_collector_has_already_is_not_sent_again),
		cmocka_unit_test(a_sign_of_life_comes_when_there_is_nothing_to_send),
		cmocka_unit_test(a_collector_that_breaks_the_protocol_is_left_and_tried_again),
		cmocka_unit_test(a_collector_that_says_nothing_is_given_up),
		cmocka_unit_test(the_wait_is_never_over_before_something_can_be_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
