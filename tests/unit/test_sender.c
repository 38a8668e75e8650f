/* SPDX-License-Identifier: Apache-2.0 */
#include "frames.h"

#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/uplink.h"
#include "spool/queue.h"

static const struct sender_feed feed = {queue_fd,     queue_next,    queue_ack,
					queue_rewind, queue_unacked, queue_empty};

/* The agent under test, and what it said of its collector. */
struct side {
	struct queue *queue;
	struct uplink *uplink;
	struct buf bye;
	int found, lost, refused;
	char why[160];
};

static void side_hears(void *context, enum uplink_news news, const char *why)
{
	struct side *side = context;

	side->found += news == UPLINK_FOUND;
	side->lost += news == UPLINK_LOST;
	side->refused += news == UPLINK_REFUSED;
	snprintf(side->why, sizeof(side->why), "%s", why ? why : "");
}

static void side_begin_at(struct side *side, const char *collector, bool insecure)
{
	struct sender_config config = {
		.hello = frames_hello("agent", 7), .feed = feed, .insecure = insecure};

	*side = (struct side){0};
	assert_int_equal(address_parse(collector, &config.collector), 0);
	side->queue = queue_new(64 * 1024);
	assert_non_null(side->queue);
	side->uplink = uplink_new(&config, side->queue, &sim.net, side_hears, side);
	assert_non_null(side->uplink);
	assert_int_equal(buf_init(&side->bye, 0, 65536), 0);
}

static void side_begin(struct side *side)
{
	side_begin_at(side, "localhost", false);
}

static void side_end(struct side *side)
{
	uplink_free(side->uplink);
	queue_free(side->queue);
	buf_done(&side->bye);
}

static void side_push(struct side *side, uint32_t stream, uint64_t first, uint32_t count,
		      size_t filler)
{
	struct buf frame;

	assert_int_equal(buf_init(&frame, 0, 1 << 20), 0);
	frames_put_batch(&frame, stream, first, count, filler);
	queue_push_batch(side->queue, stream, first, first + count - 1, buf_head(&frame),
			 buf_length(&frame));
	buf_done(&frame);
}

static struct session_account account_of(uint64_t lifecycle, uint64_t samples)
{
	struct session_account account = {.probe_count = 2,
					  .has_streams = true,
					  .streams = {{.taken = lifecycle, .next_seq = lifecycle},
						      {.taken = samples, .next_seq = samples}}};

	account.probes[0] = (struct session_probe){
		.name = "process", .stream = 0, .produced = lifecycle + 2, .lost = {2}};
	account.probes[1] =
		(struct session_probe){.name = "write", .stream = 1, .produced = samples};
	return account;
}

static void side_finish(struct side *side, uint64_t lifecycle, uint64_t samples, uint64_t deadline)
{
	struct session_account account = account_of(lifecycle, samples);

	assert_int_equal(session_put_bye(&side->bye, &account), 0);
	uplink_finish(side->uplink, buf_head(&side->bye), buf_length(&side->bye), deadline);
}

/* Runs both ends until the agent has ended; the clock goes on by 20 ms a turn. */
static void run_to_the_end(struct side *side, struct sink *sink)
{
	for (int i = 0; i < 20000; i++) {
		uplink_step(side->uplink);
		if (uplink_ended(side->uplink))
			return;
		sink_turn(sink);
		sim.now += SIM_SECOND / 50;
	}
	fail_msg("the session never ended: %s", side->why);
}

static void run_for(struct side *side, struct sink *sink, int turns)
{
	for (int i = 0; i < turns; i++) {
		uplink_step(side->uplink);
		if (sink)
			sink_turn(sink);
		sim.now += SIM_SECOND / 50;
	}
}

/* A session of both streams, a gap, counters and an accounting. */
static void push_a_session(struct side *side)
{
	struct buf beat;
	struct session_account account = account_of(12, 40);

	side_push(side, 0, 0, 5, 40);
	side_push(side, 1, 0, 10, 60);
	queue_push_gap(side->queue, 1, 10, 14, GAP_OVERSIZE);
	side_push(side, 0, 5, 7, 20);
	side_push(side, 1, 15, 25, 100);
	assert_int_equal(buf_init(&beat, 0, 65536), 0);
	assert_int_equal(session_put_heartbeat(&beat, &account), 0);
	queue_push_heartbeat(side->queue, buf_head(&beat), buf_length(&beat));
	buf_done(&beat);
}

static void expect_all_of_the_session(struct side *side, struct sink *sink)
{
	struct agent *agent = roster_find(sink->roster, "agent", 5);

	assert_non_null(agent);
	assert_int_equal(uplink_ended(side->uplink), 1);
	assert_true(queue_empty(side->queue));
	assert_int_equal(sink->next[0], 12);
	assert_int_equal(sink->next[1], 40);
	assert_true(agent->ended);
	assert_int_equal(agent->gaps[1], 5);
	for (uint32_t i = 0; i < SESSION_STREAMS; i++) {
		struct balance balance = agent_balance(agent, i);

		assert_true(balance.holds);
		assert_int_equal(balance.difference, 0);
	}
}

static void one_session(long cut_up, long cut_down, size_t piece, size_t window,
			int *ret_connections)
{
	struct side side;
	struct sink sink;

	sim_begin();
	sim.piece = piece;
	sim.window = window;
	sim.cut_after[0] = cut_up;
	sim.cut_after[1] = cut_down;
	sink_begin(&sink);
	side_begin(&side);
	push_a_session(&side);
	side_finish(&side, 12, 40, UINT64_MAX);
	run_to_the_end(&side, &sink);
	run_for(&side, &sink, 200);
	expect_all_of_the_session(&side, &sink);
	assert_int_equal(side.refused, 0);
	assert_in_range(sim.link_count, 1, 1 + (cut_up >= 0) + (cut_down >= 0));
	*ret_connections = sim.link_count;
	side_end(&side);
	sink_end(&sink);
	sim_end();
}

static void a_session_arrives_whole_and_the_equation_holds(void **state)
{
	int connections;

	(void)state;
	one_session(-1, -1, SIM_PIPE, SIM_PIPE, &connections);
	assert_int_equal(connections, 1);
}

static void frames_torn_into_single_bytes_arrive_whole(void **state)
{
	int connections;

	(void)state;
	one_session(-1, -1, 1, SIM_PIPE, &connections);
	one_session(-1, -1, SIM_PIPE, 3, &connections);
	assert_int_equal(connections, 1);
}

static void a_connection_cut_at_any_byte_loses_nothing_and_doubles_nothing(void **state)
{
	int connections = 2;
	long cut;

	(void)state;
	for (cut = 0; connections > 1; cut++)
		one_session(cut, -1, 7, SIM_PIPE, &connections);
	assert_true(cut > 400);
	connections = 2;
	for (cut = 0; connections > 1; cut++)
		one_session(-1, cut, 7, SIM_PIPE, &connections);
	assert_true(cut > 30);
}

static void two_cuts_one_in_each_direction_are_no_worse(void **state)
{
	int connections;

	(void)state;
	for (long up = 0; up < 600; up += 29)
		for (long down = 0; down < 120; down += 7)
			one_session(up, down, 16, 64, &connections);
}

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

static void a_collector_that_comes_late_gets_everything(void **state)
{
	struct side side;
	struct sink sink;

	(void)state;
	sim_begin();
	sink_begin(&sink);
	side_begin(&side);
	sim.refuse = true;
	push_a_session(&side);
	run_for(&side, NULL, 5000);
	sim.refuse = false;
	side_finish(&side, 12, 40, UINT64_MAX);
	run_to_the_end(&side, &sink);
	assert_int_equal(side.found, 1);
	expect_all_of_the_session(&side, &sink);
	side_end(&side);
	sink_end(&sink);
	sim_end();
}

static void without_a_collector_the_deadline_ends_it(void **state)
{
	struct side side;

	(void)state;
	sim_begin();
	sim.refuse = true;
	side_begin(&side);
	push_a_session(&side);
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

static void beyond_loopback_only_with_insecure(void **state)
{
	struct address collector;
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
	assert_int_equal(address_parse("collector.example", &collector), 0);
	assert_int_equal(sender_allowed(&collector, false), -EPERM);
	assert_int_equal(sender_allowed(&collector, true), 0);
	assert_int_equal(address_parse("[::1]:1", &collector), 0);
	assert_int_equal(sender_allowed(&collector, false), 0);
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

static void a_collector_that_forgot_everything_goes_on_where_the_agent_stands(void **state)
{
	struct side side;
	struct sink sink;

	(void)state;
	sim_begin();
	sink_begin(&sink);
	side_begin(&side);
	side_push(&side, 0, 0, 5, 40);
	run_for(&side, &sink, 5);
	assert_int_equal(queue_unacked(side.queue, 0), 5);
	sink_end(&sink);
	sink_begin(&sink);
	sink.next[0] = 5;
	side_push(&side, 0, 5, 7, 40);
	side_finish(&side, 12, 0, UINT64_MAX);
	run_to_the_end(&side, &sink);
	assert_int_equal(uplink_ended(side.uplink), 1);
	assert_int_equal(side.refused, 0);
	assert_int_equal(sink.next[0], 12);
	assert_int_equal(roster_find(sink.roster, "agent", 5)->elsewhere[0], 5);
	assert_true(agent_balance(roster_find(sink.roster, "agent", 5), 0).holds);
	side_end(&side);
	sink_end(&sink);
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

/* ---------------------------------------------------------------- the thread, on the real world */

static bool thread_without_capabilities(void)
{
	char path[64], line[128];
	struct dirent *entry;
	bool found = false;
	DIR *tasks = opendir("/proc/self/task");

	assert_non_null(tasks);
	while ((entry = readdir(tasks))) {
		FILE *status;

		if (atoi(entry->d_name) <= 0 || atoi(entry->d_name) == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/self/task/%d/status", atoi(entry->d_name));
		status = fopen(path, "r");
		while (status && fgets(line, sizeof(line), status))
			found = found || !strcmp(line, "CapEff:\t0000000000000000\n");
		if (status)
			fclose(status);
	}
	closedir(tasks);
	return found;
}

static void the_thread_holds_no_capability_and_ends_by_its_deadline(void **state)
{
	struct sender_config config = {.hello = frames_hello("agent", 7), .feed = feed};
	struct queue *queue = queue_new(4096);
	struct sender_stats stats;
	struct sender *sender;
	uint64_t begun, patience;

	(void)state;
	log_set_level(LOG_ERROR);
	assert_int_equal(address_parse("127.0.0.1:1", &config.collector), 0);
	sender = sender_new(&config, queue);
	assert_non_null(sender);
	assert_int_equal(sender_start(sender), 0);
	patience = clock_monotonic_ns() + 10 * SIM_SECOND;
	while (!thread_without_capabilities())
		assert_true(clock_monotonic_ns() < patience);
	sender_stats(sender, &stats);
	assert_false(stats.connected);
	queue_push_gap(queue, 0, 0, 0, GAP_OVERSIZE);
	begun = clock_monotonic_ns();
	assert_int_equal(
		sender_finish(sender, (const uint8_t *)"\x02\x32\x00", 3, begun + SIM_SECOND / 5),
		-ETIMEDOUT);
	assert_true(clock_monotonic_ns() - begun >= SIM_SECOND / 5);
	sender_free(sender);
	queue_free(queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_arrives_whole_and_the_equation_holds),
		cmocka_unit_test(frames_torn_into_single_bytes_arrive_whole),
		cmocka_unit_test(a_connection_cut_at_any_byte_loses_nothing_and_doubles_nothing),
		cmocka_unit_test(two_cuts_one_in_each_direction_are_no_worse),
		cmocka_unit_test(back_off_has_full_jitter_up_to_thirty_seconds),
		cmocka_unit_test(a_collector_that_comes_late_gets_everything),
		cmocka_unit_test(without_a_collector_the_deadline_ends_it),
		cmocka_unit_test(beyond_loopback_only_with_insecure),
		cmocka_unit_test(credit_bounds_what_is_under_way),
		cmocka_unit_test(a_lost_connection_frees_its_credit),
		cmocka_unit_test(a_collector_that_forgot_everything_goes_on_where_the_agent_stands),
		cmocka_unit_test(batches_are_the_same_bytes_on_every_connection),
		cmocka_unit_test(what_the_collector_has_already_is_not_sent_again),
		cmocka_unit_test(a_sign_of_life_comes_when_there_is_nothing_to_send),
		cmocka_unit_test(a_collector_that_breaks_the_protocol_is_left_and_tried_again),
		cmocka_unit_test(a_collector_that_says_nothing_is_given_up),
		cmocka_unit_test(the_wait_is_never_over_before_something_can_be_done),
		cmocka_unit_test(the_thread_holds_no_capability_and_ends_by_its_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
