// SPDX-License-Identifier: Apache-2.0
/* The collector's half of wire/session.h: what it writes and what the agent reads of it. */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "ringside.pb-c.h"
#include "wire/frame.h"
#include "wire/session.h"

/* Stream positions as protobuf wants them: an array of pointers. */
struct positions {
	Ringside__V1__StreamPosition items[SESSION_STREAMS];
	Ringside__V1__StreamPosition *list[SESSION_STREAMS];
};

static void positions_fill(struct positions *positions, const uint64_t next_seq[SESSION_STREAMS])
{
	for (uint32_t i = 0; i < SESSION_STREAMS; i++) {
		ringside__v1__stream_position__init(&positions->items[i]);
		positions->items[i].stream = i;
		positions->items[i].next_seq = next_seq[i];
		positions->list[i] = &positions->items[i];
	}
}

int session_put_welcome(struct buf *out, const struct session_welcome *welcome)
{
	Ringside__V1__CollectorFrame frame = RINGSIDE__V1__COLLECTOR_FRAME__INIT;
	Ringside__V1__Welcome message = RINGSIDE__V1__WELCOME__INIT;
	struct positions positions;

	positions_fill(&positions, welcome->stored);
	message.version = welcome->version;
	message.frame_cap = welcome->frame_cap;
	message.credit = welcome->credit;
	message.heartbeat_ms = welcome->heartbeat_ms;
	message.durable = welcome->durable;
	message.n_stored = SESSION_STREAMS;
	message.stored = positions.list;
	frame.body_case = RINGSIDE__V1__COLLECTOR_FRAME__BODY_WELCOME;
	frame.welcome = &message;
	return frame_put(out, &frame.base);
}

int session_put_error(struct buf *out, enum session_error code, const char *text)
{
	Ringside__V1__CollectorFrame frame = RINGSIDE__V1__COLLECTOR_FRAME__INIT;
	Ringside__V1__Error message = RINGSIDE__V1__ERROR__INIT;

	message.code = code;
	message.text = (ProtobufCBinaryData){.len = strlen(text), .data = (uint8_t *)text};
	frame.body_case = RINGSIDE__V1__COLLECTOR_FRAME__BODY_ERROR;
	frame.error = &message;
	return frame_put(out, &frame.base);
}

int session_put_ack(struct buf *out, const uint64_t next_seq[SESSION_STREAMS], uint64_t credit)
{
	Ringside__V1__CollectorFrame frame = RINGSIDE__V1__COLLECTOR_FRAME__INIT;
	Ringside__V1__Ack message = RINGSIDE__V1__ACK__INIT;
	struct positions positions;

	positions_fill(&positions, next_seq);
	message.n_streams = SESSION_STREAMS;
	message.streams = positions.list;
	message.credit = credit;
	frame.body_case = RINGSIDE__V1__COLLECTOR_FRAME__BODY_ACK;
	frame.ack = &message;
	return frame_put(out, &frame.base);
}

int session_put_collector_heartbeat(struct buf *out, uint64_t realtime_ns)
{
	Ringside__V1__CollectorFrame frame = RINGSIDE__V1__COLLECTOR_FRAME__INIT;
	Ringside__V1__CollectorHeartbeat message = RINGSIDE__V1__COLLECTOR_HEARTBEAT__INIT;

	message.realtime_ns = realtime_ns;
	frame.body_case = RINGSIDE__V1__COLLECTOR_FRAME__BODY_HEARTBEAT;
	frame.heartbeat = &message;
	return frame_put(out, &frame.base);
}

int session_put_collector_bye(struct buf *out, bool drain)
{
	Ringside__V1__CollectorFrame frame = RINGSIDE__V1__COLLECTOR_FRAME__INIT;
	Ringside__V1__CollectorBye message = RINGSIDE__V1__COLLECTOR_BYE__INIT;

	message.drain = drain;
	frame.body_case = RINGSIDE__V1__COLLECTOR_FRAME__BODY_BYE;
	frame.bye = &message;
	return frame_put(out, &frame.base);
}

static void get_welcome(const Ringside__V1__Welcome *message, struct session_welcome *welcome)
{
	*welcome = (struct session_welcome){.version = message->version,
					    .frame_cap = message->frame_cap,
					    .credit = message->credit,
					    .heartbeat_ms = message->heartbeat_ms,
					    .durable = message->durable};
	for (size_t i = 0; i < message->n_stored; i++) {
		if (message->stored[i]->stream < SESSION_STREAMS)
			welcome->stored[message->stored[i]->stream] = message->stored[i]->next_seq;
	}
}

static void get_ack(const Ringside__V1__Ack *message, struct session_reply *reply)
{
	memset(&reply->ack, 0, sizeof(reply->ack));
	reply->ack.credit = message->credit;
	for (size_t i = 0; i < message->n_streams; i++) {
		uint32_t stream = message->streams[i]->stream;

		if (stream >= SESSION_STREAMS)
			continue;
		reply->ack.has[stream] = true;
		reply->ack.next_seq[stream] = message->streams[i]->next_seq;
	}
}

int session_unpack_reply(struct frame_arena *arena, const uint8_t *data, size_t length,
			 struct session_reply *ret_reply)
{
	const Ringside__V1__CollectorFrame *frame;

	frame = (const Ringside__V1__CollectorFrame *)frame_unpack(
		arena, &ringside__v1__collector_frame__descriptor, data, length);
	if (!frame)
		return -EBADMSG;
	switch (frame->body_case) {
	case RINGSIDE__V1__COLLECTOR_FRAME__BODY_WELCOME:
		ret_reply->item = SESSION_REPLY_WELCOME;
		get_welcome(frame->welcome, &ret_reply->welcome);
		break;
	case RINGSIDE__V1__COLLECTOR_FRAME__BODY_ERROR:
		ret_reply->item = SESSION_REPLY_ERROR;
		ret_reply->error.code = frame->error->code;
		ret_reply->error.text.data = frame->error->text.data;
		ret_reply->error.text.length = frame->error->text.len;
		break;
	case RINGSIDE__V1__COLLECTOR_FRAME__BODY_ACK:
		ret_reply->item = SESSION_REPLY_ACK;
		get_ack(frame->ack, ret_reply);
		break;
	case RINGSIDE__V1__COLLECTOR_FRAME__BODY_HEARTBEAT:
		ret_reply->item = SESSION_REPLY_HEARTBEAT;
		break;
	case RINGSIDE__V1__COLLECTOR_FRAME__BODY_BYE:
		ret_reply->item = SESSION_REPLY_BYE;
		ret_reply->drain = frame->bye->drain;
		break;
	default:
		ret_reply->item = SESSION_REPLY_UNKNOWN;
		break;
	}
	return 0;
}
