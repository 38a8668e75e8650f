/* SPDX-License-Identifier: Apache-2.0 */
/* TLS on the simulated network: who is turned away, with which words, and which options are wrong. */
#include "tls_pair.h"

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

static void a_common_name_is_no_dns_name(void **state)
{
	struct pair pair;
	struct pem other;
	char name[32];

	(void)state;
	sim_begin();
	pem_make(&other, &authority, NULL, DAY);
	X509_NAME_get_text_by_NID(X509_get_subject_name(other.x509), NID_commonName, name,
				  sizeof(name));
	pair_begin(&pair, &other, NULL, NULL);
	side_end(&pair.side);
	tls_net_free(pair.agent);
	pair.agent = tls_side(false, authority.certificate, NULL, name);
	side_begin_on(&pair.side, "localhost", true, tls_net(pair.agent));
	expect_no_session(&pair, "it is not for leaf", "refuses");
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
	assert_int_equal(hub_rejections(pair.sink.hub, HUB_TIMEOUT), 2);
	pair_end(&pair);
}

static void a_hello_is_the_whole_of_its_record(void **state)
{
	static const uint8_t cases[][12] = {
		{0x16, 3, 1, 0x40, 0, 1, 0, 0x3f,
		 0xfc}, /* the most: passes, and the rest is waited for */
		{0x16, 3, 1, 0, 200, 1, 0, 0x3f, 0xff},
		{0x16, 3, 1, 0, 200, 1, 1, 0, 196},
		/* Declared in pieces. */
		{0x16, 3, 1, 0, 2, 1, 0, 0x16, 3},
		{0x16, 3, 1, 0, 1, 1, 0x16, 3, 1},
	};
	struct pair pair;

	(void)state;
	sim_begin();
	pair_begin(&pair, &server, NULL, NULL);
	for (int i = 0; i < 5; i++) {
		int fd = raw_dial(&pair, cases[i], 8);

		assert_int_equal(pair.sink.rejected, i ? i - 1 : 0);
		assert_int_equal(sim_send(NULL, fd, cases[i] + 8, 1), 1);
		sink_turn(&pair.sink);
		assert_int_equal(pair.sink.rejected, i);
	}
	assert_non_null(strstr(pair.sink.why, "too long"));
	assert_int_equal(hub_rejections(pair.sink.hub, HUB_TLS), 4);
	pair_end(&pair);
}

static int fail_below(void *context, int fd)
{
	(void)context;
	(void)fd;
	return -EPROTO;
}

/* An ICMP message brings it to a connection that nobody has looked at yet. */
static void an_error_of_the_net_below_is_not_answered(void **state)
{
	struct pair pair;

	(void)state;
	sim_begin();
	pair_begin(&pair, &server, NULL, NULL);
	sim.net.dialled = fail_below;
	raw_dial(&pair, NULL, 0);
	assert_int_equal(hub_count(pair.sink.hub), 0);
	pair_end(&pair);
}

static int talked;

static ssize_t talk_on(void *context, int fd, void *data, size_t length)
{
	(void)context;
	(void)fd;
	if (++talked > 1000)
		fail_msg("the others wait for this peer's end");
	memset(data, 'x', length);
	return (ssize_t)length;
}

static void a_plain_peer_that_never_stops_holds_nobody_up(void **state)
{
	struct pair pair;

	(void)state;
	sim_begin();
	pair_begin(&pair, &server, NULL, NULL);
	talked = 0;
	sim.net.recv = talk_on;
	raw_dial(&pair, NULL, 0);
	sink_turn(&pair.sink);
	assert_int_equal(pair.sink.rejected, 1);
	assert_int_equal(hub_count(pair.sink.hub), 1);
	sim.now += 2 * SIM_SECOND;
	sink_turn(&pair.sink);
	assert_int_equal(hub_count(pair.sink.hub), 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_collector_of_another_authority_gets_no_hello),
		cmocka_unit_test(a_collector_of_another_name_gets_no_hello),
		cmocka_unit_test(a_common_name_is_no_dns_name),
		cmocka_unit_test(an_expired_collector_gets_no_hello),
		cmocka_unit_test(
			an_agent_without_a_certificate_is_turned_away_where_one_is_asked_for),
		cmocka_unit_test(an_agent_of_another_authority_is_turned_away),
		cmocka_unit_test(a_plain_agent_is_told_in_the_clear),
		cmocka_unit_test(a_plain_collector_is_told_apart),
		cmocka_unit_test(a_look_at_the_port_is_not_worth_a_line),
		cmocka_unit_test(a_handshake_has_ten_seconds),
		cmocka_unit_test(a_hello_is_the_whole_of_its_record),
		cmocka_unit_test(an_error_of_the_net_below_is_not_answered),
		cmocka_unit_test(a_plain_peer_that_never_stops_holds_nobody_up),
		cmocka_unit_test(a_certificate_speaks_for_the_names_in_it),
		cmocka_unit_test(wrong_pems_are_told_with_the_option_and_the_reason),
	};

	return cmocka_run_group_tests(tests, make_all, free_all);
}
