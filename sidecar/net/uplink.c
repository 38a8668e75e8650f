/* SPDX-License-Identifier: Apache-2.0 */
#include "net/uplink.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "wire/frame.h"

#define SECOND		  1000000000ull
#define BACKOFF_FIRST	  (SECOND / 2)
#define BACKOFF_MOST	  (30 * SECOND)
#define BACKOFF_LEAST	  (SECOND / 20)
#define DIAL_TIMEOUT	  (10 * SECOND)
#define GREET_TIMEOUT	  (10 * SECOND)
#define STALL_TIMEOUT	  (60 * SECOND) /* nothing heard with frames under way */
#define LINGER		  (SECOND / 2)
#define HEARTBEAT_DEFAULT (5 * SECOND)

#define TARGETS	  8
#define REPLY_CAP (64 * 1024)
#define OUT_LIMIT (64 * 1024)
#define FLIGHT	  1024 /* sequenced frames of a stream under way at once */

enum state { WAITING, DIALLING, GREETING, STREAMING, ENDING, LINGERING, DONE };

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

	enum state state;
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

struct uplink *uplink_new(const struct sender_config *config, struct queue *queue,
			  const struct net *net, uplink_listener *listener, void *context)
{
	struct uplink *uplink = calloc(1, sizeof(*uplink));

	if (!uplink)
		return NULL;
	uplink->config = *config;
	uplink->queue = queue;
	uplink->net = net;
	uplink->listener = listener;
	uplink->context = context;
	conn_init(&uplink->conn, net, REPLY_CAP + FRAME_PREFIX_MAX, OUT_LIMIT);
	uplink->arena = frame_arena_new(16 * REPLY_CAP);
	if (!uplink->arena) {
		uplink_free(uplink);
		return NULL;
	}
	uplink->deadline_ns = UINT64_MAX;
	return uplink;
}

void uplink_free(struct uplink *uplink)
{
	if (!uplink)
		return;
	conn_done(&uplink->conn);
	frame_arena_free(uplink->arena);
	free(uplink);
}

int uplink_fd(const struct uplink *uplink)
{
	return uplink->conn.fd;
}

short uplink_events(const struct uplink *uplink)
{
	if (uplink->state == DIALLING)
		return POLLOUT;
	if (uplink->conn.fd < 0)
		return 0;
	return uplink->blocked ? POLLIN | POLLOUT : POLLIN;
}

int uplink_ended(const struct uplink *uplink)
{
	return uplink->ended;
}

bool uplink_connected(const struct uplink *uplink)
{
	return uplink->state == STREAMING || uplink->state == ENDING || uplink->state == LINGERING;
}

uint64_t uplink_bytes(const struct uplink *uplink)
{
	return uplink->bytes;
}

static uint64_t now_ns(const struct uplink *uplink)
{
	return uplink->net->now(uplink->net->context);
}

static void enter(struct uplink *uplink, enum state state, uint64_t due)
{
	uplink->state = state;
	uplink->due = due;
}

/* Full jitter: anything up to a bound that doubles, so that agents which lost a collector together come back apart. */
static uint64_t backoff(struct uplink *uplink)
{
	uint64_t bound = BACKOFF_MOST, wait;

	if (uplink->failures < 6)
		bound = BACKOFF_FIRST << uplink->failures;
	uplink->failures++;
	wait = uplink->net->random(uplink->net->context) % bound;
	return wait < BACKOFF_LEAST ? BACKOFF_LEAST : wait;
}

static void fail(struct uplink *uplink, enum uplink_news news, const char *why)
{
	uint64_t now = now_ns(uplink);

	if (uplink_connected(uplink) && now - uplink->welcomed_ns > BACKOFF_MOST)
		uplink->failures = 0;
	conn_close(&uplink->conn);
	uplink->current.data = NULL;
	uplink->blocked = false;
	uplink->under_way = 0;
	for (uint32_t i = 0; i < QUEUE_STREAMS; i++)
		uplink->flights[i].head = uplink->flights[i].tail;
	uplink->config.feed.rewind(uplink->queue);
	/* `why` may lie in the arena or in a buffer: tell it before anything is reused. */
	uplink->listener(uplink->context, news, why);
	/* The other addresses of the host are tried at once. */
	if (uplink->state == DIALLING && uplink->target + 1 < uplink->target_count) {
		uplink->target++;
		enter(uplink, WAITING, now);
		return;
	}
	uplink->target_count = 0;
	enter(uplink, WAITING, now + backoff(uplink));
}

static void dial(struct uplink *uplink)
{
	const struct sockaddr_storage *target;
	int n;

	if (uplink->target_count == 0) {
		n = uplink->net->resolve(uplink->net->context, &uplink->config.collector,
					 uplink->targets, TARGETS);
		if (n <= 0) {
			fail(uplink, UPLINK_LOST, "the name is not known");
			return;
		}
		uplink->target = 0;
		uplink->target_count = n;
	}
	enter(uplink, DIALLING, now_ns(uplink) + DIAL_TIMEOUT);
	target = &uplink->targets[uplink->target];
	if (!uplink->config.insecure && !address_socket_is_loopback(target)) {
		fail(uplink, UPLINK_LOST, "not a loopback address, and --insecure was not given");
		return;
	}
	n = uplink->net->dial(uplink->net->context, target);
	if (n < 0)
		fail(uplink, UPLINK_LOST, strerror(-n));
	else
		conn_open(&uplink->conn, n);
}

static void greet(struct uplink *uplink)
{
	struct session_hello hello = uplink->config.hello;
	int err = uplink->net->dialled(uplink->net->context, uplink->conn.fd);

	if (err == -EINPROGRESS)
		return;
	if (err) {
		fail(uplink, UPLINK_LOST, strerror(-err));
		return;
	}
	hello.protocol_min = hello.protocol_max = SESSION_VERSION;
	for (uint32_t i = 0; i < SESSION_STREAMS; i++)
		hello.next_seq[i] = uplink->config.feed.unacked(uplink->queue, i);
	hello.boottime_ns = clock_boottime_ns();
	hello.realtime_ns = clock_realtime_ns();
	err = session_put_hello(&uplink->conn.out, &hello);
	if (err) {
		fail(uplink, UPLINK_LOST, "the Hello does not fit");
		return;
	}
	uplink->target_count = 0;
	enter(uplink, GREETING, now_ns(uplink) + GREET_TIMEOUT);
}

static void take_welcome(struct uplink *uplink, const struct session_welcome *welcome)
{
	uint64_t now = now_ns(uplink);

	if (welcome->version != SESSION_VERSION) {
		fail(uplink, UPLINK_REFUSED,
		     "the collector speaks another version of the protocol");
		return;
	}
	if (welcome->frame_cap && welcome->frame_cap < SESSION_FRAME_CAP) {
		fail(uplink, UPLINK_REFUSED, "the collector takes no frames of 1 MiB");
		return;
	}
	for (uint32_t i = 0; i < QUEUE_STREAMS; i++) {
		uplink->config.feed.ack(uplink->queue, i, welcome->stored[i]);
		uplink->flights[i].sent = uplink->config.feed.unacked(uplink->queue, i);
	}
	uplink->credit = welcome->credit ? welcome->credit : UINT64_MAX;
	uplink->heartbeat_ns =
		welcome->heartbeat_ms ? welcome->heartbeat_ms * (SECOND / 1000) : HEARTBEAT_DEFAULT;
	uplink->welcomed_ns = uplink->heard_ns = uplink->said_ns = now;
	enter(uplink, STREAMING, UINT64_MAX);
	uplink->listener(uplink->context, UPLINK_FOUND, NULL);
}

/* The Bye went out, and there is nothing that an Ack could still be for. */
static bool said_all(const struct uplink *uplink)
{
	return uplink->state == ENDING && !uplink->current.data && !conn_pending(&uplink->conn) &&
	       uplink->config.feed.empty(uplink->queue);
}

static void take_ack(struct uplink *uplink, const struct session_reply *reply)
{
	for (uint32_t i = 0; i < QUEUE_STREAMS; i++) {
		struct flights *flights = &uplink->flights[i];
		uint64_t next_seq = reply->ack.next_seq[i];

		if (!reply->ack.has[i])
			continue;
		if (next_seq > flights->sent) {
			fail(uplink, UPLINK_REFUSED,
			     "the collector acknowledges what was never sent");
			return;
		}
		while (flights->head != flights->tail &&
		       flights->ring[flights->head % FLIGHT].last < next_seq)
			uplink->under_way -= flights->ring[flights->head++ % FLIGHT].length;
		uplink->config.feed.ack(uplink->queue, i, next_seq);
	}
	if (reply->ack.credit)
		uplink->credit = reply->ack.credit;
	uplink->failures = 0;
	if (said_all(uplink)) {
		uplink->net->finish(uplink->net->context, uplink->conn.fd);
		enter(uplink, LINGERING, now_ns(uplink) + LINGER);
	}
}

static void take_error(struct uplink *uplink, const struct session_reply *reply)
{
	char why[160];
	int length = reply->error.text.length < 120 ? (int)reply->error.text.length : 120;

	snprintf(why, sizeof(why), "%.*s (error %u)", length,
		 length ? (const char *)reply->error.text.data : "", reply->error.code);
	fail(uplink, UPLINK_REFUSED, why);
}

static void take_reply(struct uplink *uplink, const uint8_t *message, size_t length)
{
	struct session_reply reply;

	if (session_unpack_reply(uplink->arena, message, length, &reply)) {
		fail(uplink, UPLINK_REFUSED, "the collector sends what is no frame");
		return;
	}
	uplink->heard_ns = now_ns(uplink);
	switch (reply.item) {
	case SESSION_REPLY_WELCOME:
		if (uplink->state == GREETING)
			take_welcome(uplink, &reply.welcome);
		else
			fail(uplink, UPLINK_REFUSED, "a second Welcome");
		break;
	case SESSION_REPLY_ERROR:
		take_error(uplink, &reply);
		break;
	case SESSION_REPLY_ACK:
		if (uplink_connected(uplink))
			take_ack(uplink, &reply);
		break;
	case SESSION_REPLY_BYE:
		if (said_all(uplink))
			enter(uplink, LINGERING, 0);
		else if (uplink->state != LINGERING)
			fail(uplink, UPLINK_LOST, "the collector is shutting down");
		break;
	default:
		break;
	}
}

/* Takes in all that has come. After an error the state is another and the buffer empty. */
static void read_replies(struct uplink *uplink)
{
	const uint8_t *message;
	size_t length;
	ssize_t n;
	long whole;

	while (uplink->conn.fd >= 0) {
		n = conn_fill(&uplink->conn, REPLY_CAP);
		while ((whole = frame_next(buf_head(&uplink->conn.in), buf_length(&uplink->conn.in),
					   REPLY_CAP, &message, &length)) > 0) {
			take_reply(uplink, message, length);
			if (uplink->conn.fd < 0)
				return;
			buf_consume(&uplink->conn.in, (size_t)whole);
		}
		if (whole < 0)
			fail(uplink, UPLINK_REFUSED, "the collector sends what is no frame");
		else if (n < 0 && (uplink->state == LINGERING || said_all(uplink)))
			enter(uplink, LINGERING, 0);
		else if (n < 0)
			fail(uplink, UPLINK_LOST,
			     n == -EPIPE ? "the collector closed the connection"
					 : strerror((int)-n));
		if (n <= 0)
			return;
	}
}

/* The next frame to send becomes `current`, or is put into the out buffer. False: there is none, or it must wait. */
static bool next_frame(struct uplink *uplink)
{
	struct queue_frame *frame = &uplink->current;

	for (uint32_t i = 0; i < QUEUE_STREAMS; i++)
		if (uplink->flights[i].tail - uplink->flights[i].head >= FLIGHT)
			return false;
	if (!uplink->config.feed.next(uplink->queue, frame)) {
		frame->data = NULL;
		return false;
	}
	uplink->current_sent = 0;
	if (frame->item == QUEUE_GAP) {
		struct flights *flights = &uplink->flights[frame->stream];

		/* The out buffer is empty here, so that a gap always fits. */
		(void)session_put_gap(&uplink->conn.out, frame->stream, frame->first, frame->last,
				      frame->cause);
		flights->ring[flights->tail++ % FLIGHT] = (struct flight){.last = frame->last};
		flights->sent = frame->last + 1;
		frame->data = NULL;
	}
	return true;
}

/* 1: the current frame went out whole; 0: not yet; or -errno. */
static int send_current(struct uplink *uplink)
{
	struct queue_frame *frame = &uplink->current;
	struct flights *flights = &uplink->flights[frame->stream];
	ssize_t n;

	if (frame->item == QUEUE_BATCH && uplink->current_sent == 0 && uplink->under_way &&
	    uplink->under_way + frame->length > uplink->credit)
		return 0;
	while (uplink->current_sent < frame->length) {
		n = uplink->net->send(uplink->net->context, uplink->conn.fd,
				      frame->data + uplink->current_sent,
				      frame->length - uplink->current_sent);
		if (n == -EAGAIN) {
			uplink->blocked = true;
			return 0;
		}
		if (n < 0)
			return (int)n;
		uplink->bytes += (uint64_t)n;
		uplink->current_sent += (size_t)n;
	}
	if (frame->item == QUEUE_BATCH) {
		flights->ring[flights->tail++ % FLIGHT] =
			(struct flight){.last = frame->last, .length = frame->length};
		flights->sent = frame->last + 1;
		uplink->under_way += frame->length;
	}
	frame->data = NULL;
	uplink->said_ns = now_ns(uplink);
	return 1;
}

static int flush(struct uplink *uplink)
{
	size_t before = conn_pending(&uplink->conn);
	int err = conn_flush(&uplink->conn);

	uplink->bytes += before - conn_pending(&uplink->conn);
	if (!err && conn_pending(&uplink->conn))
		uplink->blocked = true;
	return err;
}

/* What may be said outside the queue's order, between two frames. */
static void put_sign_of_life(struct uplink *uplink)
{
	const struct session_account nothing = {.boottime_ns = clock_boottime_ns(),
						.realtime_ns = clock_realtime_ns()};
	uint64_t now = now_ns(uplink);

	if (uplink->state != STREAMING || now - uplink->said_ns < uplink->heartbeat_ns)
		return;
	(void)session_put_heartbeat(&uplink->conn.out, &nothing);
	uplink->said_ns = now;
}

static void write_frames(struct uplink *uplink)
{
	int err = 0;

	uplink->blocked = false;
	while (!uplink->blocked) {
		if (uplink->current.data && uplink->current_sent) {
			err = send_current(uplink);
			if (err <= 0)
				break;
		}
		if (!conn_pending(&uplink->conn))
			put_sign_of_life(uplink);
		err = flush(uplink);
		if (err || uplink->blocked || uplink->state != STREAMING)
			break;
		if (!uplink->current.data && !next_frame(uplink)) {
			bool all_sent =
				uplink->flights[0].tail - uplink->flights[0].head < FLIGHT &&
				uplink->flights[1].tail - uplink->flights[1].head < FLIGHT;

			if (!uplink->bye || !all_sent)
				break;
			err = buf_put(&uplink->conn.out, uplink->bye, uplink->bye_length);
			enter(uplink, ENDING, UINT64_MAX);
			continue;
		}
		if (uplink->current.data) {
			err = send_current(uplink);
			if (err <= 0)
				break;
		}
	}
	if (err < 0)
		fail(uplink, UPLINK_LOST, strerror(-err));
}

static void check_time(struct uplink *uplink)
{
	uint64_t now = now_ns(uplink);
	bool under_way = false;

	if (now >= uplink->deadline_ns) {
		uplink->ended = uplink->state == LINGERING ? 1 : -ETIMEDOUT;
		conn_close(&uplink->conn);
		enter(uplink, DONE, UINT64_MAX);
		return;
	}
	for (uint32_t i = 0; i < QUEUE_STREAMS; i++)
		under_way = under_way || uplink->flights[i].head != uplink->flights[i].tail;
	switch (uplink->state) {
	case WAITING:
		if (now >= uplink->due)
			dial(uplink);
		break;
	case DIALLING:
		if (now >= uplink->due)
			fail(uplink, UPLINK_LOST, strerror(ETIMEDOUT));
		break;
	case GREETING:
		if (now >= uplink->due)
			fail(uplink, UPLINK_LOST, "no Welcome came");
		break;
	case STREAMING:
	case ENDING:
		if (under_way && now - uplink->heard_ns >= STALL_TIMEOUT)
			fail(uplink, UPLINK_LOST, "nothing was acknowledged for 60 s");
		break;
	case LINGERING:
		if (now >= uplink->due) {
			uplink->ended = 1;
			conn_close(&uplink->conn);
			enter(uplink, DONE, UINT64_MAX);
		}
		break;
	case DONE:
		break;
	}
}

static uint64_t next_time(const struct uplink *uplink)
{
	uint64_t when = uplink->due;

	/* While the socket takes nothing there is nothing to say in time. */
	if (uplink->state == STREAMING && !uplink->blocked &&
	    uplink->said_ns + uplink->heartbeat_ns < when)
		when = uplink->said_ns + uplink->heartbeat_ns;
	if ((uplink->state == STREAMING || uplink->state == ENDING) &&
	    uplink->heard_ns + STALL_TIMEOUT < when &&
	    uplink->heard_ns + STALL_TIMEOUT > now_ns(uplink))
		when = uplink->heard_ns + STALL_TIMEOUT;
	return uplink->deadline_ns < when ? uplink->deadline_ns : when;
}

uint64_t uplink_step(struct uplink *uplink)
{
	check_time(uplink);
	if (uplink->state == DIALLING)
		greet(uplink);
	if (uplink->state >= GREETING && uplink->state < DONE)
		read_replies(uplink);
	if (uplink->state >= GREETING && uplink->state < LINGERING)
		write_frames(uplink);
	if (uplink->state == LINGERING)
		check_time(uplink);
	return next_time(uplink);
}

void uplink_finish(struct uplink *uplink, const uint8_t *bye, size_t length, uint64_t deadline_ns)
{
	uplink->bye = bye;
	uplink->bye_length = length;
	uplink->deadline_ns = deadline_ns;
	uplink->failures = 0;
	if (uplink->state == WAITING)
		uplink->due = 0;
}
