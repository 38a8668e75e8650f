/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The collector's half of the protocol: a hub holds all connections, a receiver is one of them. The hub knows neither
 * printers nor stores: the command gets each frame in order, after its sequence numbers were checked, and says how far
 * its output has come; the hub turns that into Acks. One thread.
 *
 *   state      ends with                              then
 *   SHAKING    the connection is ready (10 s)         GREETING   (with TLS: the handshake is done)
 *   GREETING   Hello (4 KiB, 5 s)                     STREAMING  (Welcome goes out)
 *   STREAMING  Bye                                    ENDING
 *   ENDING     all printed is written                 LEAVING    (last Ack and Bye go out)
 *   LEAVING    the peer's end, or 2 s                 gone
 *   any        a wrong frame, 30 s without a frame    LEAVING    (Error goes out), or gone
 */
#ifndef RINGSIDE_NET_RECEIVER_H
#define RINGSIDE_NET_RECEIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "net/address.h"
#include "net/roster.h"
#include "wire/session.h"

struct loop;
struct net;
struct receiver;

/*
 * Newcomers are connections whose Hello was not accepted. They cost us memory and have shown nothing for it, so there are few,
 * and past that the oldest is closed, not the new one refused. A new one that is refused would let whoever holds that many
 * open, for nothing, lock out all honest agents behind the same NAT address; an honest one is no newcomer any more after three
 * round trips, so to have it closed before, a flood must open a whole lot of connections within these, again and again.
 */
#define HUB_NEWCOMERS		  1024
#define HUB_NEWCOMERS_PER_ADDRESS 256
#define HUB_AGENTS		  8192
#define HUB_AGENTS_PER_ADDRESS	  1024
#define HUB_HELLO_CAP		  4096

/* What the command does; `peer` is an address in text, `why` is borrowed. */
struct hub_ops {
	/* Whether this connection may speak for the agent that the Hello names: NULL, or why not. */
	const char *(*allowed)(void *context, int fd, const struct session_frame *hello);
	/* An agent was welcomed; agent->user is NULL where the epoch is new. 0, or -errno: it is turned away. */
	int (*joined)(void *context, struct agent *agent, const struct session_frame *hello,
		      const char *peer);
	/* A frame of it, Bye included. 0; -EBADMSG: it contradicts itself; -ENOSPC: it is too large. Both cut the agent off. */
	int (*frame)(void *context, struct agent *agent, const struct session_frame *frame,
		     const char **ret_why);
	/* It said Bye (why is NULL), or its connection was lost or cut off. */
	void (*left)(void *context, struct agent *agent, const char *peer, const char *why);
	/* A connection ended before it was an agent's; `unsaid`: how many did so since the last call, without one of their own. */
	void (*rejected)(void *context, const char *peer, const char *why, uint64_t unsaid);
	/* As struct output: the position behind what was appended, and the one up to which all is written. */
	uint64_t (*appended)(void *context);
	uint64_t (*written)(void *context);
	/* No more room: nothing is taken in until hub_resume. */
	bool (*full)(void *context);
};

struct hub;

/* Why a connection ended before it was an agent's. */
enum hub_cause {
	HUB_BROKEN, /* closed, reset or failed, with something of a Hello having come */
	HUB_TIMEOUT,
	HUB_TLS,
	HUB_PROTOCOL, /* no Hello, or one that is wrong or too large */
	HUB_NOT_ALLOWED,
	HUB_IN_USE,
	HUB_NO_ROOM, /* of too many the oldest, an agent past the bounds, or no memory */
	HUB_CAUSES,
};

/* Borrows all. `loop` may be NULL: then the owner calls hub_ready. NULL: no memory. */
struct hub *hub_new(const struct net *net, struct loop *loop, struct roster *roster,
		    const struct hub_ops *ops, void *context);
void hub_free(struct hub *hub);

/* Takes an accepted connection over. 0, or -ENOMEM: it was closed. */
int hub_add(struct hub *hub, int fd, const struct sockaddr_storage *peer);
/* For an owner without a loop: something may have come for this handle, or it takes more. */
void hub_ready(struct hub *hub, int fd);

/* Something was written or appended: sends the Acks that are due. */
void hub_settle(struct hub *hub);
/* The output has room again. Takes in what had come meanwhile. */
void hub_resume(struct hub *hub);
/* Once in half a second or so: times out, sends heartbeats, frees what is gone. */
void hub_sweep(struct hub *hub);
/* Ends all sessions with a CollectorBye. After it, hub_sweep until hub_count is 0, or hub_free. */
void hub_close(struct hub *hub);
/* Some agent waits for room in the output. */
bool hub_paused(const struct hub *hub);
size_t hub_count(const struct hub *hub);
/* Those that were welcomed. */
size_t hub_agents(const struct hub *hub);
/* How many were rejected so far, for this cause. */
uint64_t hub_rejections(const struct hub *hub, enum hub_cause cause);

#endif
