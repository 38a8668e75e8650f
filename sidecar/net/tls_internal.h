/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What tls.c (the struct net), tls_session.c (one connection) and tls_context.c (certificates and keys) share; for those
 * alone.
 */
#ifndef RINGSIDE_NET_TLS_INTERNAL_H
#define RINGSIDE_NET_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "base/buf.h"
#include "base/watched.h"
#include "net/tls.h"

#define RECORD_HEAD  5 /* type, version, length */
#define MESSAGE_HEAD 4 /* type, length */

struct session {
	struct tls *tls;
	int fd;
	SSL *ssl;
	struct buf out;	 /* encrypted, and not taken by the socket yet */
	int under_error; /* of the net below, -errno */
	/* What the peer has begun with; of a server's the records of the handshake that are in the clear. */
	bool heard;
	uint8_t first;
	uint8_t head[RECORD_HEAD + MESSAGE_HEAD];
	size_t head_length;
	size_t skip;   /* bytes until the next record */
	bool shaken;   /* the handshake is done */
	bool stuck;    /* reading waits for `out` to go */
	bool ended;    /* the peer's direction */
	bool plain;    /* it speaks no TLS */
	bool failed;   /* nothing can be said any more, but in plain */
	bool finished; /* our direction is to end once `out` has gone */
	char why[256];
};

struct tls {
	struct net net;
	const struct net *under;
	struct tls_config config;
	SSL_CTX *context;
	BIO_METHOD *method;
	struct watched files[3];
	bool again; /* the files are to be read again, moved or not */
	uint64_t looked_ns;
	tls_listener *listener;
	void *listener_context;
	/* By handle. */
	struct session **sessions;
	size_t session_room;
};

/* The settings, certificates and keys of new connections. 0, -ENOMEM, or -EINVAL with ret_error. */
int tls_context_new(const struct tls_config *config, SSL_CTX **ret_context,
		    struct tls_error *ret_error);
/* The option's value is a file's path. */
bool tls_pem_is_file(const struct tls_pem *pem);

/* What sessions read and write through. NULL: no memory. */
BIO_METHOD *session_method(void);
int session_new(struct tls *tls, int fd, struct session **ret_session);
void session_free(struct session *session);
/* Sends what is left of earlier records: 0 (some may be left still), or -errno. */
int session_flush(struct session *session);
/* What a result of 0 or less of an SSL function means: -EAGAIN, 0 (the peer has ended), or -errno. */
int session_result(struct session *session, int result);

#endif
