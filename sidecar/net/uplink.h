/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's half of the protocol as a state machine without a thread: the sender drives it on real sockets, unit
 * tests on simulated ones. uplink_step does what can be done without blocking (but for a name's lookup).
 *
 *   state      ends with                           then
 *   WAITING    the back-off's time                 DIALLING
 *   DIALLING   connected                           GREETING   (Hello goes out)
 *   GREETING   Welcome                             STREAMING  (frames go out, Acks come in)
 *   STREAMING  all is sent and the end was asked   ENDING     (Bye goes out)
 *   ENDING     Ack after the Bye, nothing unacked  LINGERING  (our direction is ended)
 *   LINGERING  the collector's end, or 500 ms      DONE
 *   any        error, time out, deadline           WAITING; DONE past the deadline
 */
#ifndef RINGSIDE_NET_UPLINK_H
#define RINGSIDE_NET_UPLINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "net/conn.h"
#include "net/sender.h"

/* Hello must fit the frame cap that collectors have before they know who calls. */
#define UPLINK_HELLO_MAX 4096

enum uplink_news {
	UPLINK_FOUND,	  /* a collector welcomed us */
	UPLINK_LOST,	  /* no connection, or it ended */
	UPLINK_REFUSED,	  /* the collector answered with an Error */
	UPLINK_UNTRUSTED, /* no TLS: a certificate, or the protocol */
};

/* Told of each change and each failure; `why` is borrowed. */
typedef void uplink_listener(void *context, enum uplink_news news, const char *why);

struct uplink;

/* Borrows all but the config, which is copied. NULL: no memory. */
struct uplink *uplink_new(const struct sender_config *config, struct queue *queue,
			  const struct net *net, uplink_listener *listener, void *context);
void uplink_free(struct uplink *uplink);

/* Does what can be done now; returns the time (net's clock, ns) by which to call again even if nothing happens. */
uint64_t uplink_step(struct uplink *uplink);
/* What to poll for: -1 and 0 where there is no connection. */
int uplink_fd(const struct uplink *uplink);
short uplink_events(const struct uplink *uplink);

/* Ends with this Bye (borrowed) once all is sent. */
void uplink_finish(struct uplink *uplink, const uint8_t *bye, size_t length, uint64_t deadline_ns);
/* 1: ended with everything acknowledged; -ETIMEDOUT: the deadline came first; 0: not yet. */
int uplink_ended(const struct uplink *uplink);

bool uplink_connected(const struct uplink *uplink);
uint64_t uplink_bytes(const struct uplink *uplink);

#endif
