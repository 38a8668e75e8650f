// SPDX-License-Identifier: Apache-2.0
/*
 * SSL objects read and write through a BIO of our own on the struct net below. Writing never waits: what the socket does
 * not take is kept in the session, and nothing more is encrypted until it has gone. So a record once taken from the caller
 * is ours.
 */
#include "net/tls_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/address.h"

#define OUT_LIMIT (64 * 1024)
#define HANDSHAKE 0x16

/* ---- the BIO */

/*
 * For each message of a handshake OpenSSL makes room as its first bytes declare, 128 KiB for a hello, before the rest has come.
 * A hello that fills one record, as everybody's does, declares no more than the 16 KiB that a record may have, for which
 * there is room anyway. So no other passes, be it the first or the one after a HelloRetryRequest. What comes encrypted is a
 * certificate at most, which has a limit of its own.
 */
static bool hello_fits(struct session *session, const uint8_t *data, size_t length)
{
	uint8_t *head = session->head;

	for (size_t i = 0; i < length; i++) {
		size_t payload, declared;

		if (session->skip) {
			session->skip--;
			continue;
		}
		head[session->head_length++] = data[i];
		if (session->head_length < RECORD_HEAD)
			continue;
		payload = (size_t)head[3] << 8 | head[4];
		if (head[0] == HANDSHAKE) {
			if (session->head_length < sizeof(session->head))
				continue;
			declared = (size_t)head[6] << 16 | (size_t)head[7] << 8 | head[8];
			if (declared + MESSAGE_HEAD != payload)
				return false;
			payload = declared;
		}
		session->skip = payload;
		session->head_length = 0;
	}
	return true;
}

/* False: this is no beginning of TLS that we want to hear more of. */
static bool hear(struct session *session, const uint8_t *data, size_t length)
{
	if (!session->heard)
		session->first = data[0];
	session->heard = true;
	if (session->shaken || !session->tls->config.server)
		return true;
	session->plain = session->first != HANDSHAKE;
	return !session->plain && hello_fits(session, data, length);
}

/* An -EPROTO of the net below (an ICMP message can bring it) is no word of TLS. */
static int below(ssize_t n)
{
	return n == -EPROTO ? -ECONNABORTED : (int)n;
}

static int bio_read(BIO *bio, char *data, int length)
{
	struct session *session = BIO_get_data(bio);
	const struct net *under = session->tls->under;
	ssize_t n = under->recv(under->context, session->fd, data, (size_t)length);

	BIO_clear_retry_flags(bio);
	if (n == -EAGAIN)
		BIO_set_retry_read(bio);
	else if (n < 0)
		session->under_error = below(n);
	else if (n == 0)
		session->ended = true;
	else if (!hear(session, (const uint8_t *)data, (size_t)n))
		session->under_error = (int)(n = -EPROTO);
	return n < 0 ? -1 : (int)n;
}

static int bio_write(BIO *bio, const char *data, int length)
{
	struct session *session = BIO_get_data(bio);
	const struct net *under = session->tls->under;
	ssize_t n = 0;
	int err;

	BIO_clear_retry_flags(bio);
	if (!buf_length(&session->out))
		n = under->send(under->context, session->fd, data, (size_t)length);
	if (n == -EAGAIN)
		n = 0;
	if (n < 0) {
		session->under_error = below(n);
		return -1;
	}
	err = buf_put(&session->out, data + n, (size_t)(length - n));
	if (err == -ENOSPC)
		BIO_set_retry_write(bio);
	else if (err)
		session->under_error = err;
	return err ? -1 : length;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
	const struct session *session = BIO_get_data(bio);

	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH || (command == BIO_CTRL_EOF && session->ended);
}

static int bio_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

BIO_METHOD *session_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "net");

	if (method && BIO_meth_set_read(method, bio_read) &&
	    BIO_meth_set_write(method, bio_write) && BIO_meth_set_ctrl(method, bio_control) &&
	    BIO_meth_set_create(method, bio_create))
		return method;
	BIO_meth_free(method);
	return NULL;
}

/* ---- errors */

static void say(struct session *session, const char *what, const char *why)
{
	snprintf(session->why, sizeof(session->why), "%s%s%s", what, why ? ": " : "",
		 why ? why : "");
}

static void say_certificate(struct session *session)
{
	long result = SSL_get_verify_result(session->ssl);

	say(session, "TLS: the peer's certificate is not accepted",
	    X509_verify_cert_error_string(result));
	if (result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH) {
		size_t used = strlen(session->why);

		snprintf(session->why + used, sizeof(session->why) - used, ": it is not for %s",
			 session->tls->config.host);
	}
}

/* "tlsv13 alert certificate required": the end of it. */
static const char *alert_text(unsigned long error)
{
	const char *text = ERR_reason_error_string(error);
	const char *alert = text ? strstr(text, "alert ") : NULL;

	return alert ? alert + strlen("alert ") : text;
}

static void explain(struct session *session)
{
	unsigned long error = ERR_peek_error();
	int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;

	if (session->plain)
		say(session, "it speaks no TLS, and this collector speaks nothing else",
		    "give --tls-ca to the sidecar");
	else if (session->under_error == -EPROTO)
		say(session, "TLS: its hello is too long, or not in one record", NULL);
	else if (!session->shaken && (session->ended || session->under_error || !error))
		say(session, "TLS: the connection was closed within the handshake", NULL);
	else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
		say_certificate(session);
	else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
		say(session, "TLS: it has no certificate, and this collector asks for one",
		    "give --tls-cert to the sidecar");
	else if (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_VERSION_TOO_LOW)
		say(session, "TLS: it speaks an older version", "TLS 1.3 is needed");
	else if (reason > SSL_AD_REASON_OFFSET)
		say(session, "TLS: the peer refuses", alert_text(error));
	else if (reason && session->heard && !session->shaken && session->first != HANDSHAKE)
		say(session, "it answers without TLS", NULL);
	else
		say(session, "TLS", ERR_reason_error_string(error));
}

int session_result(struct session *session, int result)
{
	int code = SSL_get_error(session->ssl, result);

	session->stuck = code == SSL_ERROR_WANT_WRITE;
	if (code == SSL_ERROR_WANT_READ || code == SSL_ERROR_WANT_WRITE)
		return -EAGAIN;
	if (code == SSL_ERROR_ZERO_RETURN && session->shaken)
		return 0;
	session->failed = true;
	if (session->under_error && session->under_error != -EPROTO &&
	    !(session->heard && !session->shaken && session->tls->config.server))
		return session->under_error;
	explain(session);
	return -EPROTO;
}

int session_flush(struct session *session)
{
	const struct net *under = session->tls->under;

	while (buf_length(&session->out)) {
		ssize_t n = under->send(under->context, session->fd, buf_head(&session->out),
					buf_length(&session->out));

		if (n == -EAGAIN)
			return 0;
		if (n < 0) {
			/* It will never go. The error comes again to whoever reads or writes. */
			buf_clear(&session->out);
			return (int)n;
		}
		buf_consume(&session->out, (size_t)n);
	}
	/* Thousands of connections wait: none keeps room that it does not need. */
	buf_done(&session->out);
	(void)buf_init(&session->out, 0, OUT_LIMIT);
	if (session->finished)
		under->finish(under->context, session->fd);
	session->finished = false;
	return 0;
}

void session_free(struct session *session)
{
	if (!session)
		return;
	SSL_free(session->ssl);
	buf_done(&session->out);
	free(session);
}

/* The name, or the address, that the server's certificate must hold. */
static bool expect_host(const struct tls *tls, SSL *ssl)
{
	char address[ADDRESS_HOST];

	snprintf(address, sizeof(address), "%s", tls->config.host);
	address[strcspn(address, "%")] = '\0'; /* the interface is ours, not the peer's */
	if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), address))
		return true;
	/* A subject's common name is no DNS name. */
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT |
				       X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, tls->config.host) &&
	       SSL_set_tlsext_host_name(ssl, tls->config.host);
}

static bool session_set_up(struct session *session)
{
	struct tls *tls = session->tls;
	BIO *bio;

	session->ssl = SSL_new(tls->context);
	bio = session->ssl ? BIO_new(tls->method) : NULL;
	if (!bio)
		return false;
	BIO_set_data(bio, session);
	SSL_set_bio(session->ssl, bio, bio);
	if (tls->config.server) {
		SSL_set_accept_state(session->ssl);
		return true;
	}
	SSL_set_connect_state(session->ssl);
	return expect_host(tls, session->ssl);
}

int session_new(struct tls *tls, int fd, struct session **ret_session)
{
	struct session *session = calloc(1, sizeof(*session));

	if (!session)
		return -ENOMEM;
	session->tls = tls;
	session->fd = fd;
	(void)buf_init(&session->out, 0, OUT_LIMIT);
	ERR_clear_error();
	if (!session_set_up(session)) {
		session_free(session);
		return -ENOMEM;
	}
	*ret_session = session;
	return 0;
}
