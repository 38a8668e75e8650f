// SPDX-License-Identifier: Apache-2.0
/* What the agent writes and what the collector reads of it; the other direction is in reply.c. */
#include "wire/session.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "ringside.pb-c.h"
#include "wire/frame.h"

static ProtobufCBinaryData bytes_of(struct session_text text)
{
	return (ProtobufCBinaryData){.len = text.length, .data = (uint8_t *)text.data};
}

static struct session_text text_of(ProtobufCBinaryData bytes)
{
	return (struct session_text){.data = bytes.data, .length = bytes.len};
}

int session_put_hello(struct buf *out, const struct session_hello *hello)
{
	Ringside__V1__AgentFrame frame = RINGSIDE__V1__AGENT_FRAME__INIT;
	Ringside__V1__Hello message = RINGSIDE__V1__HELLO__INIT;
	Ringside__V1__StreamPosition positions[SESSION_STREAMS], *position_list[SESSION_STREAMS];
	Ringside__V1__Attribute attributes[SESSION_ATTRIBUTES], *attribute_list[SESSION_ATTRIBUTES];
	size_t count = hello->attribute_count < SESSION_ATTRIBUTES ? hello->attribute_count
								   : SESSION_ATTRIBUTES;

	for (uint32_t i = 0; i < SESSION_STREAMS; i++) {
		ringside__v1__stream_position__init(&positions[i]);
		positions[i].stream = i;
		positions[i].next_seq = hello->next_seq[i];
		position_list[i] = &positions[i];
	}
	for (size_t i = 0; i < count; i++) {
		ringside__v1__attribute__init(&attributes[i]);
		attributes[i].key = bytes_of(hello->attributes[i].key);
		attributes[i].value = bytes_of(hello->attributes[i].value);
		attribute_list[i] = &attributes[i];
	}
	message.protocol_min = hello->protocol_min;
	message.protocol_max = hello->protocol_max;
	message.agent_id = bytes_of(hello->agent_id);
	message.boot_id = (ProtobufCBinaryData){.len = sizeof(hello->boot_id),
						.data = (uint8_t *)hello->boot_id};
	message.epoch = hello->epoch;
	message.n_streams = SESSION_STREAMS;
	message.streams = position_list;
	message.n_attributes = count;
	message.attributes = attribute_list;
	message.boottime_ns = hello->boottime_ns;
	message.realtime_ns = hello->realtime_ns;
	message.token = bytes_of(hello->token);
	message.version = bytes_of(hello->version);
	message.standby = bytes_of(hello->standby);
	frame.body_case = RINGSIDE__V1__AGENT_FRAME__BODY_HELLO;
	frame.hello = &message;
	return frame_put(out, &frame.base);
}

int session_put_gap(struct buf *out, uint32_t stream, uint64_t first, uint64_t last, uint32_t cause)
{
	Ringside__V1__AgentFrame frame = RINGSIDE__V1__AGENT_FRAME__INIT;
	Ringside__V1__Gap gap = RINGSIDE__V1__GAP__INIT;

	gap.stream = stream;
	gap.first = first;
	gap.last = last;
	gap.cause = cause;
	frame.body_case = RINGSIDE__V1__AGENT_FRAME__BODY_GAP;
	frame.gap = &gap;
	return frame_put(out, &frame.base);
}

static int put_account(struct buf *out, const struct session_account *account, bool bye)
{
	Ringside__V1__AgentFrame frame = RINGSIDE__V1__AGENT_FRAME__INIT;
	Ringside__V1__Bye last = RINGSIDE__V1__BYE__INIT;
	Ringside__V1__Heartbeat heartbeat = RINGSIDE__V1__HEARTBEAT__INIT;
	Ringside__V1__ProbeAccount probes[SESSION_PROBES], *probe_list[SESSION_PROBES];
	Ringside__V1__StreamAccount streams[SESSION_STREAMS], *stream_list[SESSION_STREAMS];

	for (size_t i = 0; i < account->probe_count; i++) {
		const struct session_probe *probe = &account->probes[i];

		ringside__v1__probe_account__init(&probes[i]);
		probes[i].probe.data = (uint8_t *)probe->name;
		probes[i].probe.len = strlen(probe->name);
		probes[i].stream = probe->stream;
		probes[i].produced = probe->produced;
		probes[i].n_lost = SESSION_REASONS;
		probes[i].lost = (uint64_t *)probe->lost;
		probes[i].taken = probe->taken;
		probes[i].prog_missed = probe->prog_missed;
		probe_list[i] = &probes[i];
	}
	for (uint32_t i = 0; i < SESSION_STREAMS; i++) {
		const struct session_stream *stream = &account->streams[i];

		ringside__v1__stream_account__init(&streams[i]);
		streams[i].stream = i;
		streams[i].taken = stream->taken;
		streams[i].next_seq = stream->next_seq;
		streams[i].n_evicted = SESSION_CAUSES;
		streams[i].evicted = (uint64_t *)stream->evicted;
		stream_list[i] = &streams[i];
	}
	heartbeat.boottime_ns = account->boottime_ns;
	heartbeat.realtime_ns = account->realtime_ns;
	heartbeat.n_probes = account->probe_count;
	heartbeat.probes = probe_list;
	heartbeat.n_streams = account->has_streams ? SESSION_STREAMS : 0;
	heartbeat.streams = stream_list;
	if (bye) {
		last.last = &heartbeat;
		frame.body_case = RINGSIDE__V1__AGENT_FRAME__BODY_BYE;
		frame.bye = &last;
	} else {
		frame.body_case = RINGSIDE__V1__AGENT_FRAME__BODY_HEARTBEAT;
		frame.heartbeat = &heartbeat;
	}
	return frame_put(out, &frame.base);
}

int session_put_heartbeat(struct buf *out, const struct session_account *account)
{
	return put_account(out, account, false);
}

int session_put_bye(struct buf *out, const struct session_account *account)
{
	return put_account(out, account, true);
}

/* Each get_* returns what is wrong with the message, or NULL. */
static const char *get_hello(const Ringside__V1__Hello *message, struct session_hello *hello)
{
	*hello = (struct session_hello){.protocol_min = message->protocol_min,
					.protocol_max = message->protocol_max,
					.agent_id = text_of(message->agent_id),
					.epoch = message->epoch,
					.attribute_count = message->n_attributes,
					.boottime_ns = message->boottime_ns,
					.realtime_ns = message->realtime_ns,
					.token = text_of(message->token),
					.version = text_of(message->version),
					.standby = text_of(message->standby)};
	if (message->agent_id.len < 1 || message->agent_id.len > SESSION_AGENT_ID)
		return "agent_id is not 1 to 255 bytes long";
	for (size_t i = 0; i < message->agent_id.len; i++)
		if (message->agent_id.data[i] < 0x20 || message->agent_id.data[i] == 0x7f)
			return "agent_id has control characters";
	if (message->epoch == 0)
		return "epoch is 0";
	if (message->n_attributes > SESSION_ATTRIBUTES)
		return "too many attributes";
	if (message->boot_id.len == sizeof(hello->boot_id))
		memcpy(hello->boot_id, message->boot_id.data, sizeof(hello->boot_id));
	else if (message->boot_id.len)
		return "boot_id is not 16 bytes long";
	for (size_t i = 0; i < message->n_streams; i++) {
		if (message->streams[i]->stream < SESSION_STREAMS)
			hello->next_seq[message->streams[i]->stream] =
				message->streams[i]->next_seq;
	}
	return NULL;
}

struct session_attribute session_hello_attribute(const struct session_frame *hello, size_t index)
{
	const Ringside__V1__AgentFrame *frame = hello->message;
	const Ringside__V1__Attribute *attribute = frame->hello->attributes[index];

	return (struct session_attribute){.key = text_of(attribute->key),
					  .value = text_of(attribute->value)};
}

static const char *get_range(uint32_t stream, uint64_t first, uint64_t count,
			     struct session_frame *frame)
{
	frame->range.stream = stream;
	frame->range.first = first;
	frame->range.count = count;
	if (stream >= SESSION_STREAMS)
		return "no such stream";
	if (count == 0 || first + count < first)
		return "sequence numbers out of range";
	return NULL;
}

static const char *get_account(const Ringside__V1__Heartbeat *message,
			       struct session_account *account)
{
	*account = (struct session_account){0};
	if (!message)
		return NULL;
	account->boottime_ns = message->boottime_ns;
	account->realtime_ns = message->realtime_ns;
	if (message->n_probes > SESSION_PROBES)
		return "too many probes in the accounting";
	for (size_t i = 0; i < message->n_probes; i++) {
		const Ringside__V1__ProbeAccount *from = message->probes[i];
		struct session_probe *to = &account->probes[i];
		size_t length =
			from->probe.len < sizeof(to->name) ? from->probe.len : sizeof(to->name) - 1;

		if (length)
			memcpy(to->name, from->probe.data, length);
		to->stream = from->stream;
		to->produced = from->produced;
		to->taken = from->taken;
		to->prog_missed = from->prog_missed;
		/* Reasons of a later version count too, or the equation would not hold: the last one gathers them. */
		for (size_t j = 0; j < from->n_lost; j++)
			to->lost[j < SESSION_REASONS ? j : SESSION_REASONS - 1] += from->lost[j];
	}
	account->probe_count = message->n_probes;
	for (size_t i = 0; i < message->n_streams; i++) {
		const Ringside__V1__StreamAccount *from = message->streams[i];
		struct session_stream *to;

		if (from->stream >= SESSION_STREAMS)
			continue;
		to = &account->streams[from->stream];
		to->taken = from->taken;
		to->next_seq = from->next_seq;
		for (size_t j = 0; j < from->n_evicted && j < SESSION_CAUSES; j++)
			to->evicted[j] = from->evicted[j];
		account->has_streams = true;
	}
	return NULL;
}

int session_unpack(struct frame_arena *arena, const uint8_t *data, size_t length,
		   struct session_frame *ret_frame, const char **ret_why)
{
	const Ringside__V1__AgentFrame *frame;
	const char *why = NULL;

	frame = (const Ringside__V1__AgentFrame *)frame_unpack(
		arena, &ringside__v1__agent_frame__descriptor, data, length);
	if (!frame) {
		*ret_why = "malformed frame";
		return -EBADMSG;
	}
	ret_frame->message = frame;
	switch (frame->body_case) {
	case RINGSIDE__V1__AGENT_FRAME__BODY_HELLO:
		ret_frame->item = SESSION_HELLO;
		why = get_hello(frame->hello, &ret_frame->hello);
		break;
	case RINGSIDE__V1__AGENT_FRAME__BODY_BATCH:
		ret_frame->item = SESSION_BATCH;
		why = get_range(frame->batch->stream, frame->batch->first_seq, frame->batch->count,
				ret_frame);
		break;
	case RINGSIDE__V1__AGENT_FRAME__BODY_GAP:
		ret_frame->item = SESSION_GAP;
		why = frame->gap->last < frame->gap->first
			      ? "gap ends before it begins"
			      : get_range(frame->gap->stream, frame->gap->first,
					  frame->gap->last - frame->gap->first + 1, ret_frame);
		ret_frame->range.cause = frame->gap->cause;
		break;
	case RINGSIDE__V1__AGENT_FRAME__BODY_COUNTERS:
		ret_frame->item = SESSION_COUNTERS;
		break;
	case RINGSIDE__V1__AGENT_FRAME__BODY_HEARTBEAT:
		ret_frame->item = SESSION_HEARTBEAT;
		why = get_account(frame->heartbeat, &ret_frame->account);
		break;
	case RINGSIDE__V1__AGENT_FRAME__BODY_BYE:
		ret_frame->item = SESSION_BYE;
		why = get_account(frame->bye->last, &ret_frame->account);
		break;
	default:
		ret_frame->item = SESSION_UNKNOWN;
		break;
	}
	*ret_why = why;
	return why ? -EBADMSG : 0;
}
