/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and keys in PEM for tests, made on the spot. */
#ifndef RINGSIDE_TESTS_PEM_H
#define RINGSIDE_TESTS_PEM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

struct pem {
	X509 *x509;
	EVP_PKEY *pkey;
	char certificate[4096], key[1024];
};

static inline void pem_text(BIO *bio, char *ret_text, size_t size)
{
	int length = BIO_read(bio, ret_text, (int)size - 1);

	assert_in_range(length, 1, size - 2);
	ret_text[length] = '\0';
	BIO_free(bio);
}

static inline void pem_extend(X509 *x509, int what, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, what, value);

	assert_non_null(extension);
	assert_int_equal(X509_add_ext(x509, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

/* Without an issuer: an authority. `names`: "DNS:localhost,IP:127.0.0.1", or NULL. It ends `seconds` from now. */
static inline void pem_make(struct pem *pem, const struct pem *issuer, const char *names,
			    long seconds)
{
	static long serial;
	BIO *bio = BIO_new(BIO_s_mem());
	char name[32];

	snprintf(name, sizeof(name), "%s %ld", issuer ? "leaf" : "authority", ++serial);
	pem->pkey = EVP_EC_gen("P-256");
	pem->x509 = X509_new();
	assert_non_null(pem->pkey);
	X509_set_version(pem->x509, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(pem->x509), serial);
	X509_gmtime_adj(X509_getm_notBefore(pem->x509), -1000);
	X509_gmtime_adj(X509_getm_notAfter(pem->x509), seconds);
	X509_set_pubkey(pem->x509, pem->pkey);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(pem->x509), "CN", MBSTRING_ASC,
				   (const uint8_t *)name, -1, -1, 0);
	X509_set_issuer_name(pem->x509, X509_get_subject_name(issuer ? issuer->x509 : pem->x509));
	if (!issuer)
		pem_extend(pem->x509, NID_basic_constraints, "critical,CA:TRUE");
	if (names)
		pem_extend(pem->x509, NID_subject_alt_name, names);
	assert_true(X509_sign(pem->x509, issuer ? issuer->pkey : pem->pkey, EVP_sha256()));
	assert_true(PEM_write_bio_X509(bio, pem->x509));
	pem_text(bio, pem->certificate, sizeof(pem->certificate));
	bio = BIO_new(BIO_s_mem());
	assert_true(PEM_write_bio_PrivateKey(bio, pem->pkey, NULL, NULL, 0, NULL, NULL));
	pem_text(bio, pem->key, sizeof(pem->key));
}

static inline void pem_free(struct pem *pem)
{
	X509_free(pem->x509);
	EVP_PKEY_free(pem->pkey);
}

#endif
