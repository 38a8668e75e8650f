/* SPDX-License-Identifier: Apache-2.0 */
/* TLS on the simulated network: whole sessions whatever the network does, and who is turned away with which words. */
#include "pem.h"
#include "side.h"

#include <poll.h>

#include "net/tls.h"

#define DAY 86400

static struct pem authority, stranger, server, agent, expired;

/* Both sides on TLS, with what is asked for. */
struct pair {
	struct tls *agent, *collector;
	struct side side;
	struct sink sink;
};

static struct tls *tls_side(bool is_server, const char *ca, const struct pem *own, const char *host)
{
	const struct tls_config config = {
		.server = is_server,
		.authority = {"--tls-ca", ca},
		.certificate = {"--tls-cert", own ? own->certificate : NULL},
		.key = {"--tls-key", own ? own->key : NULL},
		.host = host,
	};
	struct tls_error error;
	struct tls *tls = NULL;

	assert_int_equal(tls_net_new(&config, &sim.net, &tls, &error), 0);
	return tls;
}

static void pair_begin(struct pair *pair, const struct pem *own, const char *client_ca,
		       const struct pem *agents)
{
	pair->collector = tls_side(true, client_ca, own, NULL);
	pair->agent = tls_side(false, authority.certificate, agents, "localhost");
	sink_begin_on(&pair->sink, tls_net(pair->collector));
	side_begin_on(&pair->side, "localhost", true, tls_net(pair->agent));
}

static void pair_end(struct pair *pair)
{
	side_end(&pair->side);
	sink_end(&pair->sink);
	tls_net_free(pair->agent);
	tls_net_free(pair->collector);
	sim_end();
}

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

static void expect_no_session(struct pair *pair, const char *agent_hears,
			      const char *collector_hears)
{
	run_for(&pair->side, &pair->sink, 30);
	assert_int_equal(pair->sink.joined, 0);
	assert_int_equal(pair->side.found, 0);
	assert_int_not_equal(pair->side.untrusted, 0);
	assert_int_not_equal(pair->sink.rejected, 0);
	if (!strstr(pair->side.why, agent_hears) || !strstr(pair->sink.why, collector_hears))
		fail_msg("the agent hears '%s', the collector '%s'", pair->side.why,
			 pair->sink.why);
	pair_end(pair);
}

static void a_collector_of_another_authority_gets_no_hello(void **state)
{
	struct pair pair;
	struct pem other;

	(void)state;
	sim_begin();
	pem_make(&other, &stranger, "DNS:localhost", DAY);
	pair_begin(&pair, &other, NULL, NULL);
	expect_no_session(&pair, "not accepted", "unknown ca");
	pem_free(&other);
}

static void a_collector_of_another_name_gets_no_hello(void **state)
{
	struct pair pair;
	struct pem other;

	(void)state;
	sim_begin();
	pem_make(&other, &authority, "DNS:localhost.example,IP:127.0.0.1", DAY);
	pair_begin(&pair, &other, NULL, NULL);
	expect_no_session(&pair, "it is not for localhost", "refuses");
	pem_free(&other);
}

static void an_expired_collector_gets_no_hello(void **state)
{
	struct pair pair;

	(void)state;
	sim_begin();
	pair_begin(&pair, &expired, NULL, NULL);
	expect_no_session(&pair, "certificate has expired", "certificate expired");
}

static void an_agent_without_a_certificate_is_turned_away_where_one_is_asked_for(void **state)
{
	struct pair pair;

	(void)state;
	sim_begin();
	pair_begin(&pair, &server, authority.certificate, NULL);
	expect_no_session(&pair, "certificate required", "it has no certificate");
}

static void an_agent_of_another_authority_is_turned_away(void **state)
{
	struct pair pair;

	(void)state;
	sim_begin();
	pair_begin(&pair, &server, stranger.certificate, &agent);
	expect_no_session(&pair, "the peer refuses", "not accepted");
}

static void a_plain_agent_is_told_in_the_clear(void **state)
{
	struct pair pair;

	(void)state;
	sim_begin();
	pair_begin(&pair, &server, NULL, NULL);
	side_end(&pair.side);
	side_begin(&pair.side);
	run_for(&pair.side, &pair.sink, 20);
	assert_int_not_equal(pair.side.refused, 0);
	assert_non_null(strstr(pair.side.why, "--tls-ca"));
	assert_int_equal(pair.sink.joined, 0);
	assert_non_null(strstr(pair.sink.why, "it speaks no TLS"));
	pair_end(&pair);
}

static void a_plain_collector_is_told_apart(void **state)
{
	struct pair pair;

	(void)state;
	sim_begin();
	pair_begin(&pair, &server, NULL, NULL);
	sink_end(&pair.sink);
	sink_begin(&pair.sink);
	run_for(&pair.side, &pair.sink, 20);
	assert_int_not_equal(pair.side.untrusted, 0);
	assert_non_null(strstr(pair.side.why, "it answers without TLS"));
	assert_non_null(strstr(pair.sink.why, "it speaks TLS"));
	pair_end(&pair);
}

/* A peer of the test's own, without any TLS. */
static int raw_dial(struct pair *pair, const void *data, size_t length)
{
	int fd = sim_dial(NULL, NULL);

	if (length)
		assert_int_equal(sim_send(NULL, fd, data, length), length);
	sink_turn(&pair->sink);
	return fd;
}

static void a_look_at_the_port_is_not_worth_a_line(void **state)
{
	struct pair pair;

	(void)state;
	sim_begin();
	pair_begin(&pair, &server, NULL, NULL);
	sim_close(NULL, raw_dial(&pair, NULL, 0));
	sink_turn(&pair.sink);
	assert_int_equal(pair.sink.rejected, 0);
	assert_int_equal(hub_count(pair.sink.hub), 0);
	pair_end(&pair);
}

static void a_handshake_has_ten_seconds(void **state)
{
	static const uint8_t begun[] = {0x16, 3, 1, 0, 200, 1, 0};
	struct pair pair;

	(void)state;
	sim_begin();
	pair_begin(&pair, &server, NULL, NULL);
	raw_dial(&pair, begun, sizeof(begun));
	raw_dial(&pair, NULL, 0);
	sim.now += 10 * SIM_SECOND - 1;
	sink_turn(&pair.sink);
	assert_int_equal(hub_count(pair.sink.hub), 2);
	sim.now += 1;
	sink_turn(&pair.sink);
	assert_int_equal(hub_count(pair.sink.hub), 0);
	assert_int_equal(pair.sink.rejected, 2);
	assert_non_null(strstr(pair.sink.why, "handshake"));
	pair_end(&pair);
}

static void a_hello_is_believed_up_to_16_kilobytes(void **state)
{
	static const uint8_t fits[] = {0x16, 3, 1, 0, 200, 1, 0, 0x3f, 0xff},
			     promises[] = {0x16, 3, 1, 0, 200, 1, 0, 0x40, 1};
	struct pair pair;
	int fd;

	(void)state;
	sim_begin();
	pair_begin(&pair, &server, NULL, NULL);
	raw_dial(&pair, fits, sizeof(fits));
	assert_int_equal(pair.sink.rejected, 0);
	fd = raw_dial(&pair, promises, sizeof(promises) - 1);
	assert_int_equal(pair.sink.rejected, 0);
	assert_int_equal(sim_send(NULL, fd, promises + sizeof(promises) - 1, 1), 1);
	sink_turn(&pair.sink);
	assert_int_equal(pair.sink.rejected, 1);
	assert_non_null(strstr(pair.sink.why, "too long"));
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

static bool has_name(const char *names, const char *name)
{
	const struct net *near, *far;
	struct pair pair;
	struct pem own;
	int fd, theirs;
	bool has;

	sim_begin();
	pem_make(&own, &authority, names, DAY);
	pair_begin(&pair, &server, authority.certificate, &own);
	near = tls_net(pair.agent);
	far = tls_net(pair.collector);
	fd = near->dial(near->context, NULL);
	theirs = sim_accept();
	for (int i = 0; i < 4; i++) {
		(void)near->dialled(near->context, fd);
		(void)far->dialled(far->context, theirs);
	}
	assert_int_equal(far->dialled(far->context, theirs), 0);
	has = tls_peer_has_name(pair.collector, theirs, name, strlen(name));
	near->close(near->context, fd);
	far->close(far->context, theirs);
	pair_end(&pair);
	pem_free(&own);
	return has;
}

static void a_certificate_speaks_for_the_names_in_it(void **state)
{
	(void)state;
	assert_true(has_name("DNS:web-1", "web-1"));
	assert_true(has_name("DNS:other,URI:spiffe://x/web-1", "spiffe://x/web-1"));
	assert_true(has_name("DNS:web-*", "web-1"));
	assert_true(has_name("DNS:web-*", "web-"));
	assert_false(has_name("DNS:web-1", "web-2"));
	assert_false(has_name("DNS:web-1", "web-11"));
	assert_false(has_name("DNS:web-1", "web-"));
	assert_false(has_name("DNS:web-*", "web"));
	assert_false(has_name("DNS:web-*", "a-web-1"));
	assert_false(has_name("email:web-1", "web-1"));
	assert_false(has_name(NULL, "leaf"));
}

static void wrong_pems_are_told_with_the_option_and_the_reason(void **state)
{
	const struct {
		const char *ca, *certificate, *key, *option, *why;
	} wrong[] = {
		{"/nonexistent/ca", server.certificate, server.key, "--tls-ca", "No such file"},
		{"/etc/hostname", server.certificate, server.key, "--tls-ca", "no certificate"},
		{NULL, "/", server.key, "--tls-cert", "directory"},
		{NULL, server.key, server.key, "--tls-cert", "no certificate"},
		{NULL, "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", server.key,
		 "--tls-cert", "base64"},
		{NULL, server.certificate, server.certificate, "--tls-key", "no private key"},
		{NULL, server.certificate, agent.key, "--tls-key", "not the certificate's"},
	};

	(void)state;
	sim_begin();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		const struct tls_config config = {
			.server = true,
			.authority = {"--tls-ca", wrong[i].ca},
			.certificate = {"--tls-cert", wrong[i].certificate},
			.key = {"--tls-key", wrong[i].key},
		};
		struct tls_error error;
		struct tls *tls;

		assert_int_equal(tls_net_new(&config, &sim.net, &tls, &error), -EINVAL);
		assert_string_equal(error.option, wrong[i].option);
		if (!strstr(error.why, wrong[i].why))
			fail_msg("%zu: %s", i, error.why);
	}
	sim_end();
}

static int make_all(void **state)
{
	(void)state;
	pem_make(&authority, NULL, NULL, DAY);
	pem_make(&stranger, NULL, NULL, DAY);
	pem_make(&server, &authority, "DNS:localhost", DAY);
	pem_make(&agent, &authority, "DNS:agent", DAY);
	pem_make(&expired, &authority, "DNS:localhost", -1);
	return 0;
}

static int free_all(void **state)
{
	(void)state;
	pem_free(&authority);
	pem_free(&stranger);
	pem_free(&server);
	pem_free(&agent);
	pem_free(&expired);
	return 0;
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
		cmocka_unit_test(a_collector_of_another_authority_gets_no_hello),
		cmocka_unit_test(a_collector_of_another_name_gets_no_hello),
		cmocka_unit_test(an_expired_collector_gets_no_hello),
		cmocka_unit_test(
			an_agent_without_a_certificate_is_turned_away_where_one_is_asked_for),
		cmocka_unit_test(an_agent_of_another_authority_is_turned_away),
		cmocka_unit_test(a_plain_agent_is_told_in_the_clear),
		cmocka_unit_test(a_plain_collector_is_told_apart),
		cmocka_unit_test(a_look_at_the_port_is_not_worth_a_line),
		cmocka_unit_test(a_handshake_has_ten_seconds),
		cmocka_unit_test(a_hello_is_believed_up_to_16_kilobytes),
		cmocka_unit_test(damage_within_the_stream_ends_it),
		cmocka_unit_test(in_the_handshake_only_the_peer_is_waited_for),
		cmocka_unit_test(a_certificate_speaks_for_the_names_in_it),
		cmocka_unit_test(wrong_pems_are_told_with_the_option_and_the_reason),
	};

	return cmocka_run_group_tests(tests, make_all, free_all);
}
