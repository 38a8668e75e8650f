/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a collector knows of its agents, connected or not: how far each stream of the newest epoch has come, the last
 * accounting, and whether the equation holds. The oldest that is not connected is forgotten when there are too many.
 */
#ifndef RINGSIDE_NET_ROSTER_H
#define RINGSIDE_NET_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/session.h"

#define ROSTER_MAX 16384

struct agent {
	struct agent *next_in_bucket;
	struct agent *newer, *older; /* by last use */
	char id[SESSION_AGENT_ID + 1];
	size_t id_length;
	uint64_t epoch;
	uint64_t next_seq[SESSION_STREAMS]; /* the one to come next */
	uint64_t received[SESSION_STREAMS]; /* records */
	uint64_t gaps[SESSION_STREAMS];	    /* records in gaps */
	uint64_t elsewhere
		[SESSION_STREAMS];	/* records acknowledged before we came to know the epoch */
	struct session_account account; /* the last that came */
	bool has_account;
	bool ended; /* with a Bye */
	void *live; /* its connection, or NULL */
	void *user; /* the collector's */
};

/* The equation of one stream: produced - lost = taken = next_seq = received + gaps + elsewhere. */
struct balance {
	uint64_t produced, lost, taken, next_seq;
	uint64_t received, gaps, elsewhere;
	int64_t difference; /* records that are missing; negative: too many */
	bool holds;
};

struct roster;

/* `forget` is called before an agent leaves the roster or begins another epoch: it frees agent->user. */
struct roster *roster_new(void (*forget)(void *context, struct agent *agent), void *context);
void roster_free(struct roster *roster);

struct agent *roster_find(struct roster *roster, const void *id, size_t length);
/*
 * The agent that this Hello speaks for, at the right epoch and with next_seq no lower than the Hello's positions; made if it
 * is new. NULL: no memory, or all places are taken by live agents.
 */
struct agent *roster_claim(struct roster *roster, const struct session_hello *hello);

/*
 * How the stream stands by the last accounting. Without a Bye it holds only where nothing was under way at that moment, and
 * nothing came after it; without any accounting it does not hold.
 */
struct balance agent_balance(const struct agent *agent, uint32_t stream);

#endif
