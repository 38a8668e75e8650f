/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS 1.3 as a struct net on top of another: the same calls, non-blocking, and the handshake is what `dialled` waits for.
 * Errors of TLS are -EPROTO, and `why` has OpenSSL's words. Nothing else sees OpenSSL. One thread at a time.
 *
 * Certificates, keys and authorities are looked at again at each new connection, by a server once a second at most, and
 * taken for new connections where they have changed. What cannot be taken leaves the old ones in place, and is told once.
 *
 * A peer that begins in the clear is told so in the clear: what is sent after the handshake has failed for that reason goes
 * out as it is. After any other failure what is sent is thrown away, and what comes too.
 */
#ifndef RINGSIDE_NET_TLS_H
#define RINGSIDE_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include "net/conn.h"

/* A PEM option as it was given; borrowed. */
struct tls_pem {
	const char *option; /* its name, for errors */
	const char *value;  /* a file's path, or the PEM itself; NULL: not given */
};

struct tls_config {
	bool server;
	/* What a peer is verified against. A server without it asks for no certificates; a client must have it. */
	struct tls_pem authority;
	struct tls_pem certificate, key; /* a server must have both */
	const char *host; /* client: the name or address that the server's certificate must hold */
};

/* What is wrong with which option. */
struct tls_error {
	const char *option; /* borrowed from the config */
	const char *file;   /* borrowed; "PEM text" where the option is that */
	char why[256];
};

/* Of a change of files: error NULL: they were taken. */
typedef void tls_listener(void *context, const struct tls_error *error);

struct tls;

/*
 * Whether a value is the PEM itself, with whatever openssl wrote in front of it: it holds "-----BEGIN", or several lines, as a
 * broken one still does. Such a value is never logged.
 */
bool tls_pem_is_text(const char *value);
/* Reads all files. Borrows what the config points to, and `under`. 0, -ENOMEM, or -EINVAL with ret_error. */
int tls_net_new(const struct tls_config *config, const struct net *under, struct tls **ret_tls,
		struct tls_error *ret_error);
/* After its connections were closed. */
void tls_net_free(struct tls *tls);
/* Whom to tell of changed files, from within `dialled`. */
void tls_listen(struct tls *tls, tls_listener *listener, void *context);
/* Valid as long as the tls. */
const struct net *tls_net(struct tls *tls);

/*
 * Whether the peer's verified certificate holds the name: one of its DNS or URI names is the same, or ends in `*` and the
 * name begins with what stands before that.
 */
bool tls_peer_has_name(struct tls *tls, int fd, const void *name, size_t length);

const char *tls_version(void);

#endif
