/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `run` and `collect` make of the options on TLS and tokens. Functions return 0, or 2 for what is a wrong call
 * (logged); changed files are logged as well.
 */
#ifndef RINGSIDE_CMD_TRUST_H
#define RINGSIDE_CMD_TRUST_H

#include <stdbool.h>

#include "net/address.h"
#include "net/token.h"

struct tls;

#define TRUST_CA "/etc/ssl/certs/ca-certificates.crt"
#define TRUST_CA_ABOUT                                                                             \
	"verify the collector against these authorities, and speak TLS on loopback too; a file "   \
	"or "                                                                                      \
	"the PEM itself (default, where the collector is beyond loopback: " TRUST_CA ")"
#define TRUST_CERT_ABOUT                                                                           \
	"this side's certificate for TLS, its chain behind it; a file or the PEM itself"
#define TRUST_KEY_ABOUT "the certificate's private key; a file or the PEM itself"

struct trust_options {
	const char *ca, *cert, *key, *token, *token_file;
	const char *client_ca; /* of collect */
	bool insecure;
};

/* What TLS takes in the sidecar at most, as measured: with all authorities of a Linux machine, and for a moment twice. */
#define TRUST_MEMORY (2048 * 1024)

/* HOST[:PORT] of --collector. */
int trust_address(const char *text, struct address *ret_address);
/* Whether this is a stream over TLS: --tls-ca was given, or the collector is beyond loopback and --insecure was not. */
bool trust_agent_speaks_tls(const struct trust_options *options, const struct address *collector);
/* `run`: ret_tls is NULL for plain TCP; ret_token is empty without a token. */
int trust_agent(const struct trust_options *options, const struct address *collector,
		struct tls **ret_tls, char ret_token[static TOKEN_MAX + 1]);
/* `collect`: NULL for plain TCP; NULL without tokens. */
int trust_collector(const struct trust_options *options, const struct address *listen,
		    const char *listen_text, struct tls **ret_tls, struct tokens **ret_tokens);
/* The new list was taken, or can't be. Looks once a second at most. */
void trust_look_again(struct tokens *tokens, const char *file);

#endif
