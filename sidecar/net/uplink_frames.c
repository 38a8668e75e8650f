// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "net/uplink_internal.h"

#define HEARTBEAT_DEFAULT (5 * SECOND)

static void take_welcome(struct uplink *uplink, const struct session_welcome *welcome)
{
	uint64_t now = uplink_now(uplink);

	if (welcome->version != SESSION_VERSION) {
		uplink_fail(uplink, UPLINK_REFUSED,
			    "the collector speaks another version of the protocol");
		return;
	}
	if (welcome->frame_cap && welcome->frame_cap < SESSION_FRAME_CAP) {
		uplink_fail(uplink, UPLINK_REFUSED, "the collector takes no frames of 1 MiB");
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
	uplink_enter(uplink, STREAMING, UINT64_MAX);
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
			uplink_fail(uplink, UPLINK_REFUSED,
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
		uplink_enter(uplink, LINGERING, uplink_now(uplink) + LINGER);
	}
}

static void take_error(struct uplink *uplink, const struct session_reply *reply)
{
	char why[160];
	int length = reply->error.text.length < 120 ? (int)reply->error.text.length : 120;

	snprintf(why, sizeof(why), "%.*s (error %u)", length,
		 length ? (const char *)reply->error.text.data : "", reply->error.code);
	uplink_fail(uplink, UPLINK_REFUSED, why);
}

static void take_reply(struct uplink *uplink, const uint8_t *message, size_t length)
{
	struct session_reply reply;

	if (session_unpack_reply(uplink->arena, message, length, &reply)) {
		uplink_fail(uplink, UPLINK_REFUSED, "the collector sends what is no frame");
		return;
	}
	uplink->heard_ns = uplink_now(uplink);
	switch (reply.item) {
	case SESSION_REPLY_WELCOME:
		if (uplink->state == GREETING)
			take_welcome(uplink, &reply.welcome);
		else
			uplink_fail(uplink, UPLINK_REFUSED, "a second Welcome");
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
			uplink_enter(uplink, LINGERING, 0);
		else if (uplink->state != LINGERING)
			uplink_fail(uplink, UPLINK_LOST, "the collector is shutting down");
		break;
	default:
		break;
	}
}

void uplink_read(struct uplink *uplink)
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
			uplink_fail(uplink, UPLINK_REFUSED, "the collector sends what is no frame");
		else if (n < 0 && (uplink->state == LINGERING || said_all(uplink)))
			uplink_enter(uplink, LINGERING, 0);
		else if (n == -EPIPE)
			uplink_fail(uplink, UPLINK_LOST, "the collector closed the connection");
		else if (n < 0)
			uplink_broken(uplink, (int)n);
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
	uplink->said_ns = uplink_now(uplink);
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
	uint64_t now = uplink_now(uplink);

	if (uplink->state != STREAMING || now - uplink->said_ns < uplink->heartbeat_ns)
		return;
	(void)session_put_heartbeat(&uplink->conn.out, &nothing);
	uplink->said_ns = now;
}

void uplink_write(struct uplink *uplink)
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
			if (err)
				break;
			uplink_enter(uplink, ENDING, UINT64_MAX);
			continue;
		}
		if (uplink->current.data) {
			err = send_current(uplink);
			if (err <= 0)
				break;
		}
	}
	if (err < 0)
		uplink_broken(uplink, err);
}
