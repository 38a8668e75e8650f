/* SPDX-License-Identifier: Apache-2.0 */
/* What hub.c (all connections) and receiver.c (one connection) share; for those two alone. */
#ifndef RINGSIDE_NET_RECEIVER_INTERNAL_H
#define RINGSIDE_NET_RECEIVER_INTERNAL_H

#include "base/loop.h"
#include "net/conn.h"
#include "net/receiver.h"

#define SECOND	      1000000000ull
#define SHAKE_TIMEOUT (10 * SECOND)
#define HELLO_TIMEOUT (5 * SECOND)
#define FRAME_TIMEOUT (30 * SECOND)
#define LEAVE_TIMEOUT (2 * SECOND)
#define HEARTBEAT_MS  5000
#define DEAD_AFTER    (2 * HEARTBEAT_MS * (SECOND / 1000))
#define OUT_LIMIT     (64 * 1024)

struct frame_arena;

enum receiver_state { SHAKING, GREETING, STREAMING, ENDING, LEAVING, GONE };

/* Once the output is written up to `position`, these are acknowledged. */
struct ack_mark {
	uint64_t position;
	uint64_t next_seq[SESSION_STREAMS];
};

struct receiver_list {
	struct receiver *first, *last;
	size_t count;
};

struct receiver {
	struct hub *hub;
	struct receiver_list *list; /* it is in one of the hub's */
	struct receiver *next, *prev;
	struct receiver *next_marked;
	struct watch watch;
	struct conn conn;
	struct sockaddr_storage address;
	char peer[ADDRESS_TEXT];
	enum receiver_state state;
	enum hub_cause cause; /* should it be rejected */
	struct agent *agent;  /* while it is STREAMING */
	uint64_t due, heard_ns, said_ns;
	uint64_t credit;
	bool paused;   /* frames wait in the buffer for room in the output */
	bool finished; /* our direction is ended */
	bool marked, in_marked;
	/* Two marks do for any number of frames: what comes while one is pending moves the latest. */
	struct ack_mark pending, latest;
};

struct hub {
	const struct net *net;
	struct loop *loop;
	struct roster *roster;
	const struct hub_ops *ops;
	void *context;
	struct frame_arena *arena;
	struct receiver_list newcomers; /* not welcomed yet, or never; the oldest first */
	struct receiver_list agents;	/* welcomed */
	struct receiver_list gone;	/* to be freed by the next sweep */
	struct receiver *marked;	/* have Acks to come */
	bool paused;
	/* Whoever floods us must not flood the log as well. */
	uint64_t complained_ns;
	unsigned int complaints; /* since then */
	uint64_t unsaid;
	uint64_t rejected[HUB_CAUSES];
};

/* Goes on with what makes the connection ready. */
void receiver_shake(struct receiver *receiver);
void receiver_ready(struct receiver *receiver);
void receiver_read(struct receiver *receiver);
void receiver_flush(struct receiver *receiver);
void receiver_watch(struct receiver *receiver);
void receiver_refuse(struct receiver *receiver, enum session_error code, const char *why);
/* What was put before goes out, then our direction ends. */
void receiver_leave(struct receiver *receiver);
void receiver_end(struct receiver *receiver, const char *why);
void receiver_lost(struct receiver *receiver, const char *why);
/* Others need its place. */
void receiver_evict(struct receiver *receiver, const char *why);
void receiver_gone(struct receiver *receiver);

void hub_mark(struct receiver *receiver);
/* To the end of another list. */
void hub_move(struct receiver *receiver, struct receiver_list *list);
/* Whether one more agent of this peer's address may be welcomed: NULL, or why not. */
const char *hub_no_room(const struct hub *hub, const struct receiver *receiver);
/* Counts one that was no agent's, and tells the owner, unless it was told of many just now. */
void hub_rejected(struct hub *hub, enum hub_cause cause, const char *peer, const char *why);

#endif
