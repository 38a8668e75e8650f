/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts the sidecar into Kubernetes objects written as JSON, and takes it out again. What the sidecar is in a pod, and which
 * pods are left alone, is said by helm/ringside/files/sidecar.json, which is built in. What is not the sidecar's is kept as it
 * was read: the order of keys, unknown fields, numbers digit by digit.
 */
#ifndef RINGSIDE_INJECT_INJECT_H
#define RINGSIDE_INJECT_INJECT_H

#include <stdbool.h>
#include <stddef.h>

struct inject_change {
	bool remove; /* take it out; of the rest only left_alone is used */
	bool insecure;
	const char *image, *collector, *process_access; /* NULL: as sidecar.json has it */
	const char *tls_ca;				/* PEM, or NULL */
	/* Names of secrets beside the pod, or NULL: one with tls.crt and tls.key, one with token. */
	const char *tls_client_secret, *token_secret;
	/* Called for each pod that is not changed; `object` is KIND/NAME. */
	void (*left_alone)(const char *object, const char *why);
};

/* Why there is no result. */
struct inject_trouble {
	char object[320]; /* KIND/NAME, or empty */
	char path[192];	  /* of the value that is wrong, such as items[2].spec, or empty */
	size_t line,
		column; /* where it is, or the innermost value around what is missing, from 1 */
	char why[96];
	const char *todo; /* or NULL */
};

/*
 * Changes the pods of one object or of a List. 0; -EINVAL: the input is not what it must be, see *ret_trouble; -ENOMEM. The
 * result is malloc'd, indented as the input is, and ends with a newline.
 */
int inject_text(const struct inject_change *change, const char *text, size_t length,
		char **ret_text, size_t *ret_length, struct inject_trouble *ret_trouble);

/* Whether sidecar.json has this variant of processAccess. */
bool inject_knows_access(const char *name);

#endif
