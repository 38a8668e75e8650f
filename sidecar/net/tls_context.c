// SPDX-License-Identifier: Apache-2.0
#include "net/tls_internal.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/watched.h"

#define FILE_LIMIT	 (4 * 1024 * 1024)
#define PEER_CHAIN_LIMIT (32 * 1024) /* of a client's certificates, before they are verified */

bool tls_pem_is_text(const char *value)
{
	return strstr(value, "-----BEGIN") || strchr(value, '\n');
}

bool tls_pem_is_file(const struct tls_pem *pem)
{
	return pem->value && !tls_pem_is_text(pem->value);
}

/* `why` NULL: what OpenSSL said first. */
static int wrong(struct tls_error *error, const struct tls_pem *pem, const char *why)
{
	if (!why)
		why = ERR_reason_error_string(ERR_peek_error());
	error->option = pem->option;
	error->file = tls_pem_is_file(pem) ? pem->value : "PEM text";
	snprintf(error->why, sizeof(error->why), "%s", why ? why : "OpenSSL does not say");
	return -EINVAL;
}

/* What was read is in `file`, which lives as long as the BIO; it may hold a key. */
static int pem_open(const struct tls_pem *pem, struct buf *file, BIO **ret_bio,
		    struct tls_error *error)
{
	int err;

	ERR_clear_error();
	(void)buf_init(file, 0, FILE_LIMIT);
	if (tls_pem_is_text(pem->value)) {
		*ret_bio = BIO_new_mem_buf(pem->value, -1);
	} else {
		err = buf_read_file(file, pem->value);
		if (err)
			return wrong(error, pem, strerror(-err));
		*ret_bio = BIO_new_mem_buf(buf_head(file), (int)buf_length(file));
	}
	return *ret_bio ? 0 : -ENOMEM;
}

static void pem_close(BIO *bio, struct buf *file)
{
	BIO_free(bio);
	if (file->data)
		OPENSSL_cleanse(file->data, file->capacity);
	buf_done(file);
}

/* There is nobody to ask. */
static int no_passphrase(char *text, int size, int writing, void *asked)
{
	(void)text;
	(void)size;
	(void)writing;
	*(bool *)asked = true;
	return -1;
}

static X509 *next_certificate(BIO *bio)
{
	bool asked;

	return PEM_read_bio_X509(bio, NULL, no_passphrase, &asked);
}

/* The end of the file is an error as well. */
static bool at_end(void)
{
	unsigned long last = ERR_peek_last_error();

	return ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
}

/* Hands each certificate of the option to `take`, which owns it then and returns 1, or 0. */
static int each_certificate(SSL_CTX *context, const struct tls_pem *pem,
			    int (*take)(SSL_CTX *context, X509 *certificate, size_t index),
			    struct tls_error *error)
{
	size_t count = 0;
	BIO *bio = NULL;
	struct buf file;
	X509 *one;
	int err;

	err = pem_open(pem, &file, &bio, error);
	while (!err && (one = next_certificate(bio))) {
		if (!take(context, one, count++))
			err = wrong(error, pem, NULL);
	}
	if (!err && !at_end())
		err = wrong(error, pem, NULL);
	else if (!err && !count)
		err = wrong(error, pem, "it holds no certificate in PEM");
	pem_close(bio, &file);
	return err;
}

static int take_authority(SSL_CTX *context, X509 *certificate, size_t index)
{
	int good = X509_STORE_add_cert(SSL_CTX_get_cert_store(context), certificate);

	(void)index;
	/* A client is told whose certificates count. */
	if (good && SSL_CTX_get_verify_mode(context) & SSL_VERIFY_FAIL_IF_NO_PEER_CERT)
		good = SSL_CTX_add_client_CA(context, certificate);
	X509_free(certificate);
	return good;
}

/* The first is our own, the others lead to the authority. */
static int take_own(SSL_CTX *context, X509 *certificate, size_t index)
{
	int good;

	if (index)
		good = (int)SSL_CTX_add1_chain_cert(context, certificate);
	else
		good = SSL_CTX_use_certificate(context, certificate);
	X509_free(certificate);
	return good;
}

static int take_key(SSL_CTX *context, const struct tls_pem *pem, struct tls_error *error)
{
	bool asked = false;
	EVP_PKEY *key = NULL;
	BIO *bio = NULL;
	struct buf file;
	int err;

	err = pem_open(pem, &file, &bio, error);
	if (err)
		goto out;
	key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked);
	if (asked)
		err = wrong(error, pem, "the key is encrypted: give one without a passphrase");
	else if (!key && (at_end() || ERR_GET_REASON(ERR_peek_error()) == ERR_R_UNSUPPORTED))
		err = wrong(error, pem, "it holds no private key in PEM");
	else if (!key)
		err = wrong(error, pem, NULL);
	else if (!SSL_CTX_use_PrivateKey(context, key) || !SSL_CTX_check_private_key(context))
		err = wrong(error, pem, "the key is not the certificate's");
out:
	EVP_PKEY_free(key);
	pem_close(bio, &file);
	return err;
}

static void set_up(SSL_CTX *context, const struct tls_config *config)
{
	int verify = SSL_VERIFY_PEER;

	if (config->server)
		verify = config->authority.value ? SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT
						 : SSL_VERIFY_NONE;
	SSL_CTX_set_verify(context, verify, NULL);
	SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
	/* A stream ends with its own Bye: a missing close_notify says no more than a closed connection does. */
	SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(context, 0);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					  SSL_MODE_RELEASE_BUFFERS);
	/* Or a peer that sends no data but renews its keys without end keeps a read from returning. */
	SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
	if (config->server)
		SSL_CTX_set_max_cert_list(context, PEER_CHAIN_LIMIT);
}

int tls_context_new(const struct tls_config *config, SSL_CTX **ret_context,
		    struct tls_error *ret_error)
{
	SSL_CTX *context;
	int err = 0;

	/* No file of settings, and no cleaning up at exit: a thread that was left behind may still be in here. */
	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
	context = SSL_CTX_new(config->server ? TLS_server_method() : TLS_client_method());
	if (!context)
		return -ENOMEM;
	set_up(context, config);
	if (config->authority.value)
		err = each_certificate(context, &config->authority, take_authority, ret_error);
	if (!err && config->certificate.value)
		err = each_certificate(context, &config->certificate, take_own, ret_error);
	if (!err && config->key.value)
		err = take_key(context, &config->key, ret_error);
	if (err) {
		SSL_CTX_free(context);
		return err;
	}
	*ret_context = context;
	return 0;
}
