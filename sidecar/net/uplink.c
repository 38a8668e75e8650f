// SPDX-License-Identifier: Apache-2.0
#include "net/uplink_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/token.h"

#define BACKOFF_FIRST (SECOND / 2)
#define BACKOFF_MOST  (30 * SECOND)
#define BACKOFF_LEAST (SECOND / 20)
#define DIAL_TIMEOUT  (10 * SECOND)
#define GREET_TIMEOUT (10 * SECOND)
#define STALL_TIMEOUT (60 * SECOND) /* nothing heard with frames under way */

#define OUT_LIMIT (64 * 1024)

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
	if (uplink->conn.fd < 0)
		return 0;
	if (uplink->state == DIALLING)
		return conn_events(&uplink->conn, false, true);
	return conn_events(&uplink->conn, true, uplink->blocked);
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

uint64_t uplink_now(const struct uplink *uplink)
{
	return uplink->net->now(uplink->net->context);
}

void uplink_enter(struct uplink *uplink, enum uplink_state state, uint64_t due)
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

void uplink_fail(struct uplink *uplink, enum uplink_news news, const char *why)
{
	uint64_t now = uplink_now(uplink);

	if (uplink_connected(uplink) && now - uplink->welcomed_ns > BACKOFF_MOST)
		uplink->failures = 0;
	/* `why` may lie in the arena or be the connection's: tell it before anything is reused. */
	uplink->listener(uplink->context, news, why);
	conn_close(&uplink->conn);
	uplink->current.data = NULL;
	uplink->blocked = false;
	uplink->under_way = 0;
	for (uint32_t i = 0; i < QUEUE_STREAMS; i++)
		uplink->flights[i].head = uplink->flights[i].tail;
	uplink->config.feed.rewind(uplink->queue);
	/* The other addresses of the host are tried at once. */
	if (uplink->state == DIALLING && uplink->target + 1 < uplink->target_count) {
		uplink->target++;
		uplink_enter(uplink, WAITING, now);
		return;
	}
	uplink->target_count = 0;
	uplink_enter(uplink, WAITING, now + backoff(uplink));
}

void uplink_broken(struct uplink *uplink, int err)
{
	uplink_fail(uplink, err == -EPROTO ? UPLINK_UNTRUSTED : UPLINK_LOST,
		    conn_why(&uplink->conn, err));
}

static void dial(struct uplink *uplink)
{
	const struct sockaddr_storage *target;
	int n;

	if (uplink->target_count == 0) {
		n = uplink->net->resolve(uplink->net->context, &uplink->config.collector,
					 uplink->targets, TARGETS);
		if (n <= 0) {
			uplink_fail(uplink, UPLINK_LOST, "the name is not known");
			return;
		}
		uplink->target = 0;
		uplink->target_count = n;
	}
	uplink_enter(uplink, DIALLING, uplink_now(uplink) + DIAL_TIMEOUT);
	target = &uplink->targets[uplink->target];
	if (!uplink->config.anywhere && !address_socket_is_loopback(target)) {
		uplink_fail(
			uplink, UPLINK_LOST,
			"not a loopback address, and neither --tls-ca nor --insecure was given");
		return;
	}
	n = uplink->net->dial(uplink->net->context, target);
	if (n < 0)
		uplink_fail(uplink, UPLINK_LOST, strerror(-n));
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
		uplink_broken(uplink, err);
		return;
	}
	if (uplink->config.token_file)
		(void)token_read(uplink->config.token_file, uplink->config.token);
	hello.token = (struct session_text){uplink->config.token, strlen(uplink->config.token)};
	hello.protocol_min = hello.protocol_max = SESSION_VERSION;
	for (uint32_t i = 0; i < SESSION_STREAMS; i++)
		hello.next_seq[i] = uplink->config.feed.unacked(uplink->queue, i);
	hello.boottime_ns = clock_boottime_ns();
	hello.realtime_ns = clock_realtime_ns();
	err = session_put_hello(&uplink->conn.out, &hello);
	if (err || conn_pending(&uplink->conn) > UPLINK_HELLO_MAX) {
		uplink_fail(uplink, UPLINK_REFUSED,
			    "the Hello is past 4 KiB: give fewer attributes");
		return;
	}
	uplink->target_count = 0;
	uplink_enter(uplink, GREETING, uplink_now(uplink) + GREET_TIMEOUT);
}

static void check_time(struct uplink *uplink)
{
	uint64_t now = uplink_now(uplink);
	bool under_way = false;

	if (now >= uplink->deadline_ns) {
		uplink->ended = uplink->state == LINGERING ? 1 : -ETIMEDOUT;
		conn_close(&uplink->conn);
		uplink_enter(uplink, DONE, UINT64_MAX);
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
			uplink_broken(uplink, -ETIMEDOUT);
		break;
	case GREETING:
		if (now >= uplink->due)
			uplink_fail(uplink, UPLINK_LOST, "no Welcome came");
		break;
	case STREAMING:
	case ENDING:
		if (under_way && now - uplink->heard_ns >= STALL_TIMEOUT)
			uplink_fail(uplink, UPLINK_LOST, "nothing was acknowledged for 60 s");
		break;
	case LINGERING:
		if (now >= uplink->due) {
			uplink->ended = 1;
			conn_close(&uplink->conn);
			uplink_enter(uplink, DONE, UINT64_MAX);
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
	    uplink->heard_ns + STALL_TIMEOUT > uplink_now(uplink))
		when = uplink->heard_ns + STALL_TIMEOUT;
	return uplink->deadline_ns < when ? uplink->deadline_ns : when;
}

uint64_t uplink_step(struct uplink *uplink)
{
	check_time(uplink);
	if (uplink->state == DIALLING)
		greet(uplink);
	if (uplink->state >= GREETING && uplink->state < DONE)
		uplink_read(uplink);
	if (uplink->state >= GREETING && uplink->state < LINGERING)
		uplink_write(uplink);
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
