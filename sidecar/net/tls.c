// SPDX-License-Identifier: Apache-2.0
/* The struct net, what it keeps of each handle, and the look at the files. */
#include "net/tls_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_AGAIN_NS 1000000000ull
#define RECORD	      (16 * 1024)
#define DISCARD	      (256 * 1024)

static struct session *session_of(const struct tls *tls, int fd)
{
	return fd >= 0 && (size_t)fd < tls->session_room ? tls->sessions[fd] : NULL;
}

static int grow_sessions(struct tls *tls, int fd)
{
	size_t room = tls->session_room ? tls->session_room : 16;
	struct session **sessions;

	while (room <= (size_t)fd)
		room *= 2;
	if (room == tls->session_room)
		return 0;
	sessions = realloc(tls->sessions, room * sizeof(struct session *));
	if (!sessions)
		return -ENOMEM;
	memset(sessions + tls->session_room, 0,
	       (room - tls->session_room) * sizeof(struct session *));
	tls->sessions = sessions;
	tls->session_room = room;
	return 0;
}

static bool files_moved(struct tls *tls)
{
	bool moved = false;

	for (size_t i = 0; i < sizeof(tls->files) / sizeof(tls->files[0]); i++)
		moved = watched_moved(&tls->files[i]) || moved;
	return moved;
}

static void look_again(struct tls *tls)
{
	uint64_t now = tls->under->now(tls->under->context);
	struct tls_error error;
	SSL_CTX *context;
	int err;

	/* A collector may take many connections a second. */
	if (tls->config.server && now - tls->looked_ns < LOOK_AGAIN_NS)
		return;
	tls->looked_ns = now;
	if (!files_moved(tls) && !tls->again)
		return;
	tls->again = false;
	err = tls_context_new(&tls->config, &context, &error);
	if (!err) {
		SSL_CTX_free(tls->context);
		tls->context = context;
	} else if (err == -ENOMEM || files_moved(tls)) {
		/* Caught while they were being replaced: the next look will see them whole. */
		tls->again = true;
		return;
	}
	if (tls->listener)
		tls->listener(tls->listener_context, err ? &error : NULL);
}

/* A handle that is connected gets its session. */
static int begin(struct tls *tls, int fd, struct session **ret_session)
{
	int err = tls->under->dialled(tls->under->context, fd);

	/* One of the net below (an ICMP message can bring it) is no word of TLS: there is no session to answer in. */
	if (err == -EPROTO)
		err = -ECONNABORTED;
	if (!err)
		err = grow_sessions(tls, fd);
	if (err)
		return err;
	look_again(tls);
	err = session_new(tls, fd, &tls->sessions[fd]);
	*ret_session = tls->sessions[fd];
	return err;
}

static int tls_dialled(void *context, int fd)
{
	struct session *session = session_of(context, fd);
	int err = session ? session_flush(session) : begin(context, fd, &session);

	if (err || session->shaken)
		return err;
	ERR_clear_error();
	err = SSL_do_handshake(session->ssl);
	if (err == 1) {
		session->shaken = true;
		return 0;
	}
	err = session_result(session, err);
	/* Whoever only looks whether the port answers breaks no protocol. */
	if (err == -EPROTO && !session->heard && session->tls->config.server)
		return -EPIPE;
	return err == -EAGAIN ? -EINPROGRESS : err;
}

/*
 * Reads and forgets, so that our last words reach a peer that still talks; no more at once than others can wait for, however
 * fast it talks.
 */
static ssize_t discard(struct session *session)
{
	const struct net *under = session->tls->under;
	char waste[4096];
	ssize_t n;

	for (size_t done = 0; done < DISCARD; done += (size_t)n) {
		n = under->recv(under->context, session->fd, waste, sizeof(waste));
		if (n <= 0)
			return n;
	}
	return -EAGAIN;
}

static ssize_t tls_recv(void *context, int fd, void *data, size_t length)
{
	struct session *session = session_of(context, fd);
	int n = session_flush(session);

	if (n)
		return n;
	if (session->failed)
		return discard(session);
	ERR_clear_error();
	n = SSL_read(session->ssl, data, length < INT_MAX ? (int)length : INT_MAX);
	return n > 0 ? n : session_result(session, n);
}

static ssize_t tls_send(void *context, int fd, const void *data, size_t length)
{
	struct session *session = session_of(context, fd);
	const struct net *under = session->tls->under;
	int n;

	if (session->plain)
		return under->send(under->context, fd, data, length);
	n = session_flush(session);
	if (n)
		return n;
	if (session->failed)
		return (ssize_t)length;
	if (buf_length(&session->out))
		return -EAGAIN;
	ERR_clear_error();
	n = SSL_write(session->ssl, data, length < RECORD ? (int)length : RECORD);
	if (n > 0)
		return n;
	n = session_result(session, n);
	return n ? n : -EPIPE;
}

static void tls_finish(void *context, int fd)
{
	struct session *session = session_of(context, fd);

	ERR_clear_error();
	if (session->shaken && !session->failed)
		(void)SSL_shutdown(session->ssl);
	session->finished = true;
	/* An error will come again to whoever reads. */
	(void)session_flush(session);
}

static void tls_close(void *context, int fd)
{
	struct tls *tls = context;
	struct session *session = session_of(tls, fd);

	if (session)
		tls->sessions[fd] = NULL;
	session_free(session);
	tls->under->close(tls->under->context, fd);
}

static short tls_events(void *context, int fd, bool reading, bool writing)
{
	struct tls *tls = context;
	struct session *session = session_of(tls, fd);
	bool waits;

	if (!session || session->plain)
		return tls->under->events(tls->under->context, fd, reading, writing);
	/* An owner that wants neither to read nor to write now would be woken for it again and again. */
	(void)session_flush(session);
	waits = buf_length(&session->out) > 0;
	/* In the handshake it is the peer's turn, whatever the owner wants. */
	if (!session->shaken)
		reading = true, writing = false;
	reading = reading && !(waits && session->stuck);
	return tls->under->events(tls->under->context, fd, reading, writing || waits);
}

static bool tls_buffered(void *context, int fd)
{
	struct session *session = session_of(context, fd);

	return session && !session->failed && SSL_pending(session->ssl) > 0;
}

static const char *tls_why(void *context, int fd, int err)
{
	struct tls *tls = context;
	struct session *session = session_of(tls, fd);

	if (session && err == -EPROTO && session->why[0])
		return session->why;
	if (session && err == -ETIMEDOUT && !session->shaken)
		return "TLS: the handshake takes too long";
	return tls->under->why(tls->under->context, fd, err);
}

static int tls_resolve(void *context, const struct address *address,
		       struct sockaddr_storage *ret_sockets, int max)
{
	const struct net *under = ((struct tls *)context)->under;

	return under->resolve(under->context, address, ret_sockets, max);
}

static int tls_dial(void *context, const struct sockaddr_storage *socket)
{
	const struct net *under = ((struct tls *)context)->under;

	return under->dial(under->context, socket);
}

static uint64_t tls_now(void *context)
{
	const struct net *under = ((struct tls *)context)->under;

	return under->now(under->context);
}

static uint64_t tls_random(void *context)
{
	const struct net *under = ((struct tls *)context)->under;

	return under->random(under->context);
}

int tls_net_new(const struct tls_config *config, const struct net *under, struct tls **ret_tls,
		struct tls_error *ret_error)
{
	const struct tls_pem *const pems[] = {&config->authority, &config->certificate,
					      &config->key};
	struct tls *tls = calloc(1, sizeof(*tls));
	int err = -ENOMEM;

	if (!tls)
		return err;
	tls->config = *config;
	tls->under = under;
	tls->net = (struct net){.resolve = tls_resolve,
				.dial = tls_dial,
				.dialled = tls_dialled,
				.send = tls_send,
				.recv = tls_recv,
				.finish = tls_finish,
				.close = tls_close,
				.events = tls_events,
				.buffered = tls_buffered,
				.why = tls_why,
				.now = tls_now,
				.random = tls_random,
				.context = tls};
	for (size_t i = 0; i < sizeof(pems) / sizeof(pems[0]); i++)
		if (tls_pem_is_file(pems[i]))
			tls->files[i].path = pems[i]->value;
	(void)files_moved(tls);
	tls->looked_ns = under->now(under->context);
	tls->method = session_method();
	if (tls->method)
		err = tls_context_new(config, &tls->context, ret_error);
	if (err) {
		tls_net_free(tls);
		return err;
	}
	*ret_tls = tls;
	return 0;
}

void tls_net_free(struct tls *tls)
{
	if (!tls)
		return;
	SSL_CTX_free(tls->context);
	BIO_meth_free(tls->method);
	free(tls->sessions);
	free(tls);
}

void tls_listen(struct tls *tls, tls_listener *listener, void *context)
{
	tls->listener = listener;
	tls->listener_context = context;
}

const struct net *tls_net(struct tls *tls)
{
	return &tls->net;
}

static bool matches(const ASN1_STRING *pattern, const char *name, size_t length)
{
	size_t has = (size_t)ASN1_STRING_length(pattern);
	const char *text = (const char *)ASN1_STRING_get0_data(pattern);

	if (has && text[has - 1] == '*')
		return length >= has - 1 && !memcmp(text, name, has - 1);
	return length == has && !memcmp(text, name, has);
}

bool tls_peer_has_name(struct tls *tls, int fd, const void *name, size_t length)
{
	const struct session *session = session_of(tls, fd);
	const X509 *certificate = SSL_get0_peer_certificate(session->ssl);
	GENERAL_NAMES *names;
	bool found = false;

	names = certificate ? X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL)
			    : NULL;
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
		const GENERAL_NAME *one = sk_GENERAL_NAME_value(names, i);

		if (one->type == GEN_DNS)
			found = matches(one->d.dNSName, name, length);
		else if (one->type == GEN_URI)
			found = matches(one->d.uniformResourceIdentifier, name, length);
	}
	GENERAL_NAMES_free(names);
	return found;
}

const char *tls_version(void)
{
	return OPENSSL_VERSION_STR;
}
