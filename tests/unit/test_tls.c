/* SPDX-License-Identifier: Apache-2.0 */
/* TLS on the simulated network: whole sessions, whatever the network does. */
#include "tls_pair.h"

#include <poll.h>

static void one_session(long cut_up, long cut_down, size_t piece, size_t window,
			int *ret_connections)
{
	struct pair pair;

	sim_begin();
	sim.piece = piece;
	sim.window = window;
	sim.cut_after[0] = cut_up;
	sim.cut_after[1] = cut_down;
	pair_begin(&pair, &server, authority.certificate, &agent);
	push_a_session(&pair.side);
	side_finish(&pair.side, 12, 40, UINT64_MAX);
	run_to_the_end(&pair.side, &pair.sink);
	run_for(&pair.side, &pair.sink, 200);
	expect_all_of_the_session(&pair.side, &pair.sink);
	assert_int_equal(pair.side.refused, 0);
	assert_in_range(sim.link_count, 1, 1 + (cut_up >= 0) + (cut_down >= 0));
	*ret_connections = sim.link_count;
	pair_end(&pair);
}

static void a_session_arrives_whole_and_the_equation_holds(void **state)
{
	int connections;

	(void)state;
	one_session(-1, -1, SIM_PIPE, SIM_PIPE, &connections);
	assert_int_equal(connections, 1);
}

static void records_torn_into_single_bytes_arrive_whole(void **state)
{
	int connections;

	(void)state;
	one_session(-1, -1, 1, SIM_PIPE, &connections);
	one_session(-1, -1, SIM_PIPE, 100, &connections);
	assert_int_equal(connections, 1);
}

static void a_connection_cut_anywhere_loses_nothing_and_doubles_nothing(void **state)
{
	int connections = 2;
	long cut;

	(void)state;
	for (cut = 0; connections > 1; cut += 23)
		one_session(cut, -1, SIM_PIPE, SIM_PIPE, &connections);
	assert_true(cut > 1500);
	connections = 2;
	for (cut = 0; connections > 1; cut += 23)
		one_session(-1, cut, SIM_PIPE, SIM_PIPE, &connections);
	assert_true(cut > 1000);
}

static long one_damaged_session(int direction, long at)
{
	struct pair pair;
	long left;

	sim_begin();
	sim.damage_at[direction] = at;
	pair_begin(&pair, &server, authority.certificate, &agent);
	push_a_session(&pair.side);
	side_finish(&pair.side, 12, 40, UINT64_MAX);
	run_to_the_end(&pair.side, &pair.sink);
	run_for(&pair.side, &pair.sink, 200);
	expect_all_of_the_session(&pair.side, &pair.sink);
	left = sim.damage_at[direction];
	pair_end(&pair);
	return left;
}

static void a_byte_that_comes_wrong_loses_nothing_and_doubles_nothing(void **state)
{
	(void)state;
	for (int direction = 0; direction < 2; direction++) {
		long at = 0;

		while (one_damaged_session(direction, at) < 0)
			at += at < 200 ? 3 : 41;
		assert_true(at > 1000);
	}
}

/*
 * Half a megabyte goes through a window of five kilobytes: what the socket did not take is kept and goes out later, in
 * order.
 */
static void large_frames_go_through_a_narrow_socket(void **state)
{
	struct pair pair;

	(void)state;
	sim_begin();
	sim.window = 5000;
	side_queue_bytes = 1024 * 1024;
	pair_begin(&pair, &server, NULL, NULL);
	side_queue_bytes = 64 * 1024;
	for (uint64_t i = 0; i < 12; i++)
		side_push(&pair.side, 1, i, 1, 40000 + i);
	while (!pair.side.found)
		run_for(&pair.side, &pair.sink, 1);
	for (int i = 0; i < 5; i++)
		uplink_step(pair.side.uplink);
	/* No more than a record waits beside the socket. */
	assert_in_range(uplink_bytes(pair.side.uplink), 5000, 5000 + 2 * 16384);
	side_finish(&pair.side, 0, 12, UINT64_MAX);
	run_to_the_end(&pair.side, &pair.sink);
	assert_int_equal(pair.sink.next[1], 12);
	assert_int_equal(sim.link_count, 1);
	pair_end(&pair);
}

/* A collector reads a megabyte at a time from one peer. Half a record may be left then, of which no descriptor tells. */
static void what_is_decrypted_already_is_taken_in_the_same_turn(void **state)
{
	struct pair pair;

	(void)state;
	sim_begin();
	sim.capacity = sim.window = sim.piece = 2 * 1024 * 1024;
	side_queue_bytes = 4 * 1024 * 1024;
	pair_begin(&pair, &server, NULL, NULL);
	side_queue_bytes = 64 * 1024;
	side_push(&pair.side, 1, 0, 1, 10);
	while (!queue_unacked(pair.side.queue, 1))
		run_for(&pair.side, &pair.sink, 1);
	for (uint64_t i = 1; i <= 16; i++)
		side_push(&pair.side, 1, i, 1, 65000);
	side_push(&pair.side, 1, 17, 1, 10000);
	uplink_step(pair.side.uplink);
	assert_in_range(sim.links[0].pipes[0].length, 1024 * 1024 + 1, sim.window);
	sink_turn(&pair.sink);
	assert_int_equal(pair.sink.next[1], 18);
	pair_end(&pair);
}

static void damage_within_the_stream_ends_it(void **state)
{
	struct pair pair;
	struct sim_pipe *up;

	(void)state;
	sim_begin();
	pair_begin(&pair, &server, NULL, NULL);
	run_for(&pair.side, &pair.sink, 5);
	assert_int_equal(pair.side.found, 1);
	side_push(&pair.side, 1, 0, 3, 100);
	uplink_step(pair.side.uplink);
	up = &sim.links[0].pipes[0];
	assert_true(up->length > 50);
	up->data[up->length / 2] ^= 1;
	sink_turn(&pair.sink);
	assert_int_equal(pair.sink.left, 1);
	assert_non_null(strstr(pair.sink.why, "TLS"));
	assert_int_equal(pair.sink.next[1], 0);
	run_for(&pair.side, &pair.sink, 100);
	assert_int_equal(pair.sink.next[1], 3);
	pair_end(&pair);
}

/* What a loop polls for is what the handshake waits for, not what its owner would like to do. */
static void in_the_handshake_only_the_peer_is_waited_for(void **state)
{
	const struct net *net;
	struct pair pair;
	int fd, theirs;

	(void)state;
	sim_begin();
	pair_begin(&pair, &server, NULL, NULL);
	net = tls_net(pair.agent);
	fd = net->dial(net->context, NULL);
	theirs = sim_accept();
	assert_int_equal(net->events(net->context, fd, false, true), POLLOUT);
	sim.window = 100;
	assert_int_equal(net->dialled(net->context, fd), -EINPROGRESS);
	assert_int_equal(net->events(net->context, fd, false, true), POLLIN | POLLOUT);
	while (sim_pipe(theirs, false)->length) {
		sim_pipe(theirs, false)->length = 0;
		assert_int_equal(net->dialled(net->context, fd), -EINPROGRESS);
	}
	assert_int_equal(net->events(net->context, fd, false, true), POLLIN);
	net->close(net->context, fd);
	pair_end(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_session_arrives_whole_and_the_equation_holds),
		cmocka_unit_test(records_torn_into_single_bytes_arrive_whole),
		cmocka_unit_test(a_connection_cut_anywhere_loses_nothing_and_doubles_nothing),
		cmocka_unit_test(a_byte_that_comes_wrong_loses_nothing_and_doubles_nothing),
		cmocka_unit_test(large_frames_go_through_a_narrow_socket),
		cmocka_unit_test(what_is_decrypted_already_is_taken_in_the_same_turn),
		cmocka_unit_test(damage_within_the_stream_ends_it),
		cmocka_unit_test(in_the_handshake_only_the_peer_is_waited_for),
	};

	return cmocka_run_group_tests(tests, make_all, free_all);
}
