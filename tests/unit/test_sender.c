/* SPDX-License-Identifier: Apache-2.0 */
/* Whole sessions between the agent's half of the protocol and the collector's; and the thread. */
#include "side.h"

#include <dirent.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

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
	struct sender_config config = {
		.hello = frames_hello("agent", 7), .feed = feed, .net = &net_real};
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
		cmocka_unit_test(a_collector_that_comes_late_gets_everything),
		cmocka_unit_test(a_collector_that_forgot_everything_goes_on_where_the_agent_stands),
		cmocka_unit_test(the_thread_holds_no_capability_and_ends_by_its_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
