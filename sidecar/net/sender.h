/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's side of the stream, on a thread of its own: connects to the collector with back-off, says Hello, sends what
 * the queue hands out within the collector's credit, gives Acks back to the queue, and ends with a Bye. It drops all
 * its capabilities at its start and logs when the collector can't be reached and when it can again, once each.
 */
#ifndef RINGSIDE_NET_SENDER_H
#define RINGSIDE_NET_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/address.h"
#include "net/token.h"
#include "wire/queued.h"
#include "wire/session.h"

struct net;
struct queue;

/* What the sender needs of the queue; the command binds it: { queue_fd, queue_next, queue_ack, ... }. */
struct sender_feed {
	int (*fd)(const struct queue *queue);
	bool (*next)(struct queue *queue, struct queue_frame *ret_frame);
	void (*ack)(struct queue *queue, uint32_t stream, uint64_t next_seq);
	void (*rewind)(struct queue *queue);
	uint64_t (*unacked)(const struct queue *queue, uint32_t stream);
	bool (*empty)(const struct queue *queue);
};

/* Copied, but for what it points to: that must outlive the sender. */
struct sender_config {
	struct address collector;  /* from address_parse */
	bool anywhere;		   /* not only to loopback: by TLS, or allowed in the clear */
	const struct net *net;	   /* plain or TLS */
	const char *token_file;	   /* read again at each connection; NULL: the token stays */
	char token[TOKEN_MAX + 1]; /* as it was read first; empty: none */
	/* Template: the sender fills in the stream positions and clocks. */
	struct session_hello hello;
	struct sender_feed feed;
};

struct sender_stats {
	bool connected;			      /* a collector has welcomed us */
	uint64_t connections;		      /* how often one did */
	uint64_t bytes;			      /* handed to the socket, over all connections */
	uint64_t cpu_ns;		      /* of the sender's thread */
	uint64_t acknowledged[QUEUE_STREAMS]; /* next_seq: all below is acknowledged */
};

struct sender;

/* NULL: no memory. */
struct sender *sender_new(const struct sender_config *config, struct queue *queue);
/* Starts the thread (all signals blocked in it). 0 or -errno. */
int sender_start(struct sender *sender);
/* From any thread, at any time. */
void sender_stats(struct sender *sender, struct sender_stats *ret_stats);
/*
 * Sends what is queued, then `bye` (a whole delimited AgentFrame, copied), waits for the last Ack and joins; all before
 * `deadline_ns` (clock_monotonic_ns). 0: everything was acknowledged and the Bye taken; -ETIMEDOUT: not so; -EBUSY: not so,
 * and the thread is stuck in a name's lookup: leave by _exit; -ENOMEM. Nothing may be pushed after it was called.
 */
int sender_finish(struct sender *sender, const uint8_t *bye, size_t length, uint64_t deadline_ns);
/* After sender_finish, or for a sender that was never started. */
void sender_free(struct sender *sender);

#endif
