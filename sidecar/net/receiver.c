// SPDX-License-Identifier: Apache-2.0
#include "net/receiver_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "wire/frame.h"

#define TURN (1024 * 1024) /* bytes read from one peer before the others get their turn */

static uint64_t now_ns(const struct receiver *receiver)
{
	return receiver->hub->net->now(receiver->hub->net->context);
}

void receiver_watch(struct receiver *receiver)
{
	bool reading =
		receiver->state == LEAVING || (receiver->state != ENDING && !receiver->paused);

	if (!receiver->hub->loop || receiver->conn.fd < 0)
		return;
	/*
	 * What poll calls POLLIN is EPOLLIN, and so on. A descriptor of ours can't fail to be watched but for lack of
	 * memory: then its time runs out.
	 */
	(void)loop_watch(
		receiver->hub->loop, &receiver->watch,
		(uint32_t)conn_events(&receiver->conn, reading, conn_pending(&receiver->conn) > 0));
}

void receiver_gone(struct receiver *receiver)
{
	if (receiver->state == GONE)
		return;
	if (receiver->hub->loop)
		(void)loop_watch(receiver->hub->loop, &receiver->watch, 0);
	conn_done(&receiver->conn);
	receiver->state = GONE;
	hub_move(receiver, &receiver->hub->gone);
}

/* The peer is no agent's connection any more; tells the owner once. */
static void release(struct receiver *receiver, const char *why)
{
	struct hub *hub = receiver->hub;
	struct agent *agent = receiver->agent;

	receiver->agent = NULL;
	if (agent) {
		agent->live = NULL;
		hub->ops->left(hub->context, agent, receiver->peer, why);
	} else if (receiver->state <= GREETING && why) {
		hub_rejected(hub, receiver->cause, receiver->peer, why);
	}
}

void receiver_lost(struct receiver *receiver, const char *why)
{
	release(receiver, why);
	receiver_gone(receiver);
}

void receiver_evict(struct receiver *receiver, const char *why)
{
	receiver->cause = HUB_NO_ROOM;
	receiver_lost(receiver, why);
}

/* Ends our direction once all is written, and waits for the peer's end, so that what we said last is not lost. */
void receiver_leave(struct receiver *receiver)
{
	receiver->state = LEAVING;
	receiver->due = now_ns(receiver) + LEAVE_TIMEOUT;
	receiver_flush(receiver);
}

void receiver_end(struct receiver *receiver, const char *why)
{
	release(receiver, why);
	receiver_leave(receiver);
}

void receiver_refuse(struct receiver *receiver, enum session_error code, const char *why)
{
	if (!receiver->cause)
		receiver->cause = code == SESSION_ERROR_IN_USE	      ? HUB_IN_USE
				  : code == SESSION_ERROR_NOT_ALLOWED ? HUB_NOT_ALLOWED
								      : HUB_PROTOCOL;
	(void)session_put_error(&receiver->conn.out, code, why);
	receiver_end(receiver, why);
}

void receiver_flush(struct receiver *receiver)
{
	int err;

	if (receiver->state == GONE)
		return;
	err = conn_flush(&receiver->conn);
	if (err) {
		receiver_lost(receiver, conn_why(&receiver->conn, err));
		return;
	}
	if (receiver->state == LEAVING && !conn_pending(&receiver->conn) && !receiver->finished) {
		receiver->hub->net->finish(receiver->hub->net->context, receiver->conn.fd);
		receiver->finished = true;
	}
	receiver_watch(receiver);
}

/* What is printed up to here is to be acknowledged once it is written. */
static void mark(struct receiver *receiver)
{
	struct hub *hub = receiver->hub;

	receiver->latest.position = hub->ops->appended(hub->context);
	memcpy(receiver->latest.next_seq, receiver->agent->next_seq,
	       sizeof(receiver->latest.next_seq));
	if (!receiver->marked)
		receiver->pending = receiver->latest;
	receiver->marked = true;
	hub_mark(receiver);
}

static void take_sequenced(struct receiver *receiver, const struct session_frame *frame)
{
	struct hub *hub = receiver->hub;
	struct agent *agent = receiver->agent;
	uint64_t *next = &agent->next_seq[frame->range.stream];
	const char *why = NULL;
	char text[128];
	int err;

	if (frame->range.first != *next) {
		snprintf(text, sizeof(text), "stream %u goes on at %llu where %llu was to come",
			 frame->range.stream, (unsigned long long)frame->range.first,
			 (unsigned long long)*next);
		receiver_refuse(receiver, SESSION_ERROR_SEQUENCE, text);
		return;
	}
	err = hub->ops->frame(hub->context, agent, frame, &why);
	if (err) {
		receiver_refuse(receiver,
				err == -ENOSPC ? SESSION_ERROR_TOO_LARGE : SESSION_ERROR_PROTOCOL,
				why ? why : strerror(-err));
		return;
	}
	*next += frame->range.count;
	if (frame->item == SESSION_BATCH)
		agent->received[frame->range.stream] += frame->range.count;
	else
		agent->gaps[frame->range.stream] += frame->range.count;
	mark(receiver);
}

static void take_other(struct receiver *receiver, const struct session_frame *frame)
{
	struct hub *hub = receiver->hub;
	struct agent *agent = receiver->agent;
	const char *why = NULL;
	int err = hub->ops->frame(hub->context, agent, frame, &why);

	if (err) {
		receiver_refuse(receiver,
				err == -ENOSPC ? SESSION_ERROR_TOO_LARGE : SESSION_ERROR_PROTOCOL,
				why ? why : strerror(-err));
		return;
	}
	if (frame->item == SESSION_COUNTERS)
		return;
	if (frame->item == SESSION_BYE || frame->account.has_streams) {
		agent->account = frame->account;
		agent->has_account = frame->account.has_streams;
	}
	if (frame->item != SESSION_BYE)
		return;
	agent->ended = true;
	mark(receiver);
	release(receiver, NULL);
	receiver->state = ENDING;
}

/* The old connection of an agent that calls again: takes in what had come, its end above all, and asks it for a sign of life. */
static void poke(struct receiver *old)
{
	if (!conn_pending(&old->conn))
		(void)session_put_collector_heartbeat(&old->conn.out, clock_realtime_ns());
	receiver_flush(old);
	if (old->state == STREAMING)
		receiver_read(old);
}

static void welcome(struct receiver *receiver, const struct session_frame *frame)
{
	struct hub *hub = receiver->hub;
	struct agent *agent;
	struct session_welcome message = {.version = SESSION_VERSION,
					  .frame_cap = SESSION_FRAME_CAP,
					  .heartbeat_ms = HEARTBEAT_MS};
	const char *why = hub_no_room(hub, receiver);

	if (why) {
		receiver->cause = HUB_NO_ROOM;
		receiver_refuse(receiver, SESSION_ERROR_NOT_ALLOWED, why);
		return;
	}
	agent = roster_claim(hub->roster, &frame->hello);
	if (!agent || hub->ops->joined(hub->context, agent, frame, receiver->peer)) {
		receiver->cause = HUB_NO_ROOM;
		receiver_refuse(receiver, SESSION_ERROR_NOT_ALLOWED, "no room for one more agent");
		return;
	}
	agent->live = receiver;
	receiver->agent = agent;
	receiver->state = STREAMING;
	hub_move(receiver, &hub->agents);
	receiver->credit = SESSION_FRAME_CAP;
	receiver->conn.in.limit = SESSION_FRAME_CAP + FRAME_PREFIX_MAX;
	message.credit = receiver->credit;
	memcpy(message.stored, agent->next_seq, sizeof(message.stored));
	(void)session_put_welcome(&receiver->conn.out, &message);
	receiver->said_ns = now_ns(receiver);
	receiver_flush(receiver);
}

static void take_hello(struct receiver *receiver, const uint8_t *message, size_t length,
		       struct session_frame *frame)
{
	struct hub *hub = receiver->hub;
	struct agent *agent;
	struct receiver *old;
	const char *why;

	if (frame->item != SESSION_HELLO) {
		receiver_refuse(receiver, SESSION_ERROR_PROTOCOL, "the first frame is no Hello");
		return;
	}
	if (frame->hello.protocol_min > SESSION_VERSION ||
	    frame->hello.protocol_max < SESSION_VERSION) {
		receiver_refuse(receiver, SESSION_ERROR_PROTOCOL,
				"no common version of the protocol: this is version 1");
		return;
	}
	why = hub->ops->allowed(hub->context, receiver->conn.fd, frame);
	if (why) {
		receiver_refuse(receiver, SESSION_ERROR_NOT_ALLOWED, why);
		return;
	}
	agent = roster_find(hub->roster, frame->hello.agent_id.data, frame->hello.agent_id.length);
	if (agent && agent->live) {
		poke(agent->live);
		old = agent->live;
		if (old && now_ns(receiver) - old->heard_ns > DEAD_AFTER)
			receiver_lost(old, "replaced: silent, and the agent called again");
		if (agent->live) {
			receiver_refuse(receiver, SESSION_ERROR_IN_USE,
					"the agent id is in use by a live connection");
			return;
		}
		/* Reading from the old connection has used the arena. */
		if (session_unpack(hub->arena, message, length, frame, &why)) {
			receiver_refuse(receiver, SESSION_ERROR_PROTOCOL, why);
			return;
		}
	}
	welcome(receiver, frame);
}

/* A record of a handshake; as a frame it would be 22 bytes long and begin with a field of number 0. */
static bool is_tls(const uint8_t *data, size_t length)
{
	return length > 1 && data[0] == 0x16 && data[1] == 0x03;
}

static void take_frame(struct receiver *receiver, const uint8_t *whole, size_t whole_length,
		       const uint8_t *message, size_t length)
{
	struct session_frame frame;
	const char *why;

	if (session_unpack(receiver->hub->arena, message, length, &frame, &why)) {
		if (receiver->state == GREETING && is_tls(whole, whole_length))
			why = "it speaks TLS, and this collector was given no --tls-cert";
		receiver_refuse(receiver, SESSION_ERROR_PROTOCOL, why);
		return;
	}
	frame.data = whole;
	frame.length = whole_length;
	receiver->due = now_ns(receiver) + FRAME_TIMEOUT;
	if (receiver->state == GREETING) {
		take_hello(receiver, message, length, &frame);
		return;
	}
	switch (frame.item) {
	case SESSION_HELLO:
		receiver_refuse(receiver, SESSION_ERROR_PROTOCOL, "a second Hello");
		break;
	case SESSION_BATCH:
	case SESSION_GAP:
		take_sequenced(receiver, &frame);
		break;
	case SESSION_UNKNOWN:
		break;
	default:
		take_other(receiver, &frame);
		break;
	}
}

/* Takes in the whole frames of the buffer, until the output is full. */
static void take_frames(struct receiver *receiver)
{
	struct hub *hub = receiver->hub;
	const uint8_t *message;
	size_t length;
	long whole;

	while (receiver->state == GREETING || receiver->state == STREAMING) {
		size_t cap = receiver->state == GREETING ? HUB_HELLO_CAP : SESSION_FRAME_CAP;

		if (receiver->state == STREAMING && hub->ops->full(hub->context)) {
			receiver->paused = hub->paused = true;
			return;
		}
		whole = frame_next(buf_head(&receiver->conn.in), buf_length(&receiver->conn.in),
				   cap, &message, &length);
		if (whole == 0)
			return;
		if (whole < 0) {
			receiver_refuse(receiver,
					whole == -EMSGSIZE ? SESSION_ERROR_TOO_LARGE
							   : SESSION_ERROR_PROTOCOL,
					whole == -EMSGSIZE ? "the frame is too large"
							   : "the frame's length is malformed");
			return;
		}
		take_frame(receiver, buf_head(&receiver->conn.in), (size_t)whole, message, length);
		/* Refused or lost: the buffer has been given up. */
		if (receiver->state <= ENDING)
			buf_consume(&receiver->conn.in, (size_t)whole);
	}
}

void receiver_read(struct receiver *receiver)
{
	const struct net *net = receiver->conn.net;
	size_t left = TURN;
	ssize_t n;

	if (receiver->paused) {
		/* It was we who kept it waiting. */
		receiver->heard_ns = now_ns(receiver);
		receiver->due = receiver->heard_ns + FRAME_TIMEOUT;
		receiver->paused = false;
	}
	take_frames(receiver);
	/* Past its turn only what no descriptor would tell of. */
	while ((receiver->state == GREETING || receiver->state == STREAMING) && !receiver->paused &&
	       (left || net->buffered(net->context, receiver->conn.fd))) {
		n = conn_fill(&receiver->conn, left ? left : TURN);
		if (n == 0)
			break;
		if (n < 0) {
			bool silent =
				receiver->state == GREETING && !buf_length(&receiver->conn.in);

			/* Whoever only looks whether the port answers is not worth a line. */
			receiver_lost(receiver, silent	      ? NULL
						: n == -EPIPE ? "connection closed"
							      : conn_why(&receiver->conn, (int)n));
			return;
		}
		left -= (size_t)n < left ? (size_t)n : left;
		receiver->heard_ns = now_ns(receiver);
		take_frames(receiver);
	}
	receiver_watch(receiver);
}

/* Reads and forgets: bytes left unread would turn our close into a reset that overtakes what we said. */
static void drain(struct receiver *receiver)
{
	ssize_t n;

	buf_clear(&receiver->conn.in);
	n = conn_fill(&receiver->conn, TURN);
	buf_clear(&receiver->conn.in);
	if (n < 0)
		receiver_gone(receiver);
}

void receiver_shake(struct receiver *receiver)
{
	const struct net *net = receiver->conn.net;
	int err = net->dialled(net->context, receiver->conn.fd);

	if (!err) {
		receiver->state = GREETING;
		receiver->due = now_ns(receiver) + HELLO_TIMEOUT;
		receiver_read(receiver);
	} else if (err == -EINPROGRESS) {
		receiver_watch(receiver);
	} else if (err == -EPROTO) {
		receiver->cause = HUB_TLS;
		receiver_refuse(receiver, SESSION_ERROR_NOT_ALLOWED,
				conn_why(&receiver->conn, err));
	} else {
		/* Whoever only looks whether the port answers is not worth a line. */
		receiver_lost(receiver, err == -EPIPE || err == -ECONNRESET
						? NULL
						: conn_why(&receiver->conn, err));
	}
}

void receiver_ready(struct receiver *receiver)
{
	if (receiver->state == GONE)
		return;
	if (receiver->state == SHAKING) {
		receiver_shake(receiver);
		return;
	}
	if (conn_pending(&receiver->conn))
		receiver_flush(receiver);
	if (receiver->state == GREETING || receiver->state == STREAMING)
		receiver_read(receiver);
	else if (receiver->state == LEAVING)
		drain(receiver);
	else
		receiver_watch(receiver);
}
