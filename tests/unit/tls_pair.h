/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of a stream on TLS over the simulated network, and the certificates for it. */
#ifndef RINGSIDE_TESTS_TLS_PAIR_H
#define RINGSIDE_TESTS_TLS_PAIR_H

#include "pem.h"
#include "side.h"

#include "net/tls.h"

#define DAY 86400

static struct pem authority, stranger, server, agent, expired;

/* Both sides on TLS, with what is asked for. */
struct pair {
	struct tls *agent, *collector;
	struct side side;
	struct sink sink;
};

static inline struct tls *tls_side(bool is_server, const char *ca, const struct pem *own,
				   const char *host)
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

static inline void pair_begin(struct pair *pair, const struct pem *own, const char *client_ca,
			      const struct pem *agents)
{
	pair->collector = tls_side(true, client_ca, own, NULL);
	pair->agent = tls_side(false, authority.certificate, agents, "localhost");
	sink_begin_on(&pair->sink, tls_net(pair->collector));
	side_begin_on(&pair->side, "localhost", true, tls_net(pair->agent));
}

static inline void pair_end(struct pair *pair)
{
	side_end(&pair->side);
	sink_end(&pair->sink);
	tls_net_free(pair->agent);
	tls_net_free(pair->collector);
	sim_end();
}

static inline int make_all(void **state)
{
	(void)state;
	pem_make(&authority, NULL, NULL, DAY);
	pem_make(&stranger, NULL, NULL, DAY);
	pem_make(&server, &authority, "DNS:localhost", DAY);
	pem_make(&agent, &authority, "DNS:agent", DAY);
	pem_make(&expired, &authority, "DNS:localhost", -1);
	return 0;
}

static inline int free_all(void **state)
{
	(void)state;
	pem_free(&authority);
	pem_free(&stranger);
	pem_free(&server);
	pem_free(&agent);
	pem_free(&expired);
	return 0;
}

#endif
