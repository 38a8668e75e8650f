/* SPDX-License-Identifier: Apache-2.0 */
/* What uplink.c (connecting, time) and uplink_frames.c (what goes over a connection) share; for those two alone. */
#ifndef RINGSIDE_NET_UPLINK_INTERNAL_H
#define RINGSIDE_NET_UPLINK_INTERNAL_H

#include "net/uplink.h"
#include "wire/frame.h"

#define SECOND	  1000000000ull
#define LINGER	  (SECOND / 2)
#define REPLY_CAP (64 * 1024)
#define TARGETS	  8
#define FLIGHT	  1024 /* sequenced frames of a stream under way at once */

enum uplink_state { WAITING, DIALLING, GREETING, STREAMING, ENDING, LINGERING, DONE };

/* A sequenced frame that was sent and not acknowledged. */
struct flight {
	uint64_t last;
	size_t length;
};

struct flights {
	struct flight ring[FLIGHT];
	unsigned int head, tail; /* counted on without end; the ring's index is the remainder */
	uint64_t sent;		 /* next_seq of what went out whole, or was stored before */
};

struct uplink {
	struct sender_config config;
	struct queue *queue;
	const struct net *net;
	uplink_listener *listener;
	void *context;

	enum uplink_state state;
	uint64_t due; /* when the state has lasted too long */
	struct conn conn;
	struct frame_arena *arena;
	struct sockaddr_storage targets[TARGETS];
	int target, target_count;
	unsigned int failures;
	uint64_t welcomed_ns, heard_ns, said_ns;
	uint64_t heartbeat_ns;

	uint64_t credit, under_way;
	struct flights flights[QUEUE_STREAMS];
	struct queue_frame current; /* data NULL: none */
	size_t current_sent;
	bool blocked; /* the socket takes no more */

	const uint8_t *bye;
	size_t bye_length;
	uint64_t deadline_ns;
	int ended;
	uint64_t bytes;
};

uint64_t uplink_now(const struct uplink *uplink);
void uplink_enter(struct uplink *uplink, enum uplink_state state, uint64_t due);
/* The connection is over: the next try is due after a while. */
void uplink_fail(struct uplink *uplink, enum uplink_news news, const char *why);
/* The same, for an error of the connection's. */
void uplink_broken(struct uplink *uplink, int err);

/* Takes in all that has come. After an error the state is another and there is no connection. */
void uplink_read(struct uplink *uplink);
/* Sends what may be sent now. */
void uplink_write(struct uplink *uplink);

#endif
