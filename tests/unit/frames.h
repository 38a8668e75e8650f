/* SPDX-License-Identifier: Apache-2.0 */
/* Frames for tests of the stream, and a hub that checks what arrives. */
#ifndef RINGSIDE_TESTS_FRAMES_H
#define RINGSIDE_TESTS_FRAMES_H

#include "sim.h"

#include "base/buf.h"
#include "net/receiver.h"
#include "ringside.pb-c.h"
#include "wire/frame.h"

static inline struct session_text frames_text(const char *text)
{
	return (struct session_text){.data = text, .length = strlen(text)};
}

static inline struct session_hello frames_hello(const char *agent, uint64_t epoch)
{
	return (struct session_hello){.protocol_min = 1,
				      .protocol_max = 1,
				      .agent_id = frames_text(agent),
				      .epoch = epoch,
				      .version = frames_text("test")};
}

/* A batch without columns but for a text of `filler` bytes. */
static inline void frames_put_batch(struct buf *out, uint32_t stream, uint64_t first,
				    uint32_t count, size_t filler)
{
	Ringside__V1__AgentFrame frame = RINGSIDE__V1__AGENT_FRAME__INIT;
	Ringside__V1__Batch batch = RINGSIDE__V1__BATCH__INIT;
	ProtobufCBinaryData text = {.len = filler, .data = calloc(1, filler + 1)};

	assert_non_null(text.data);
	batch.stream = stream;
	batch.first_seq = first;
	batch.count = count;
	batch.n_strings = 1;
	batch.strings = &text;
	frame.body_case = RINGSIDE__V1__AGENT_FRAME__BODY_BATCH;
	frame.batch = &batch;
	assert_int_equal(frame_put(out, &frame.base), 0);
	free(text.data);
}

/* What the command does for the hub. */
struct sink {
	struct roster *roster;
	struct hub *hub;
	uint64_t next[SESSION_STREAMS]; /* what was taken in, whoever sent it */
	uint64_t appended, written;
	bool full, slow; /* slow: `written` is moved by the test */
	int joined, left, bye, rejected, frames;
	uint64_t unsaid;
	const char *forbids; /* who says Hello; NULL: nobody */
	int refuse_with;     /* the next frame's error */
	char why[160];	     /* of the last who left or was rejected */
};

static const char *sink_allowed(void *context, int fd, const struct session_frame *hello)
{
	(void)fd;
	(void)hello;
	return ((struct sink *)context)->forbids;
}

static int sink_joined(void *context, struct agent *agent, const struct session_frame *hello,
		       const char *peer)
{
	struct sink *sink = context;

	(void)peer;
	assert_int_equal(hello->item, SESSION_HELLO);
	assert_int_equal(hello->hello.epoch, agent->epoch);
	sink->joined++;
	return 0;
}

static int sink_frame(void *context, struct agent *agent, const struct session_frame *frame,
		      const char **ret_why)
{
	struct sink *sink = context;
	int err = sink->refuse_with;

	(void)agent;
	sink->refuse_with = 0;
	if (err) {
		*ret_why = "the test says so";
		return err;
	}
	sink->frames++;
	sink->appended += 10;
	if (!sink->slow)
		sink->written = sink->appended;
	if (frame->item != SESSION_BATCH && frame->item != SESSION_GAP)
		return 0;
	assert_int_equal(frame->range.first, sink->next[frame->range.stream]);
	sink->next[frame->range.stream] += frame->range.count;
	return 0;
}

static void sink_left(void *context, struct agent *agent, const char *peer, const char *why)
{
	struct sink *sink = context;

	(void)peer;
	assert_null(agent->live);
	sink->left++;
	sink->bye += !why;
	snprintf(sink->why, sizeof(sink->why), "%s", why ? why : "");
}

static void sink_rejected(void *context, const char *peer, const char *why, uint64_t unsaid)
{
	struct sink *sink = context;

	sink->rejected += peer != NULL;
	sink->unsaid += unsaid;
	snprintf(sink->why, sizeof(sink->why), "%s", why ? why : "");
}

static uint64_t sink_appended(void *context)
{
	return ((struct sink *)context)->appended;
}

static uint64_t sink_written(void *context)
{
	return ((struct sink *)context)->written;
}

static bool sink_full(void *context)
{
	return ((struct sink *)context)->full;
}

static void sink_forget(void *context, struct agent *agent)
{
	(void)context;
	(void)agent;
}

static inline void sink_begin_on(struct sink *sink, const struct net *net)
{
	static const struct hub_ops ops = {.allowed = sink_allowed,
					   .joined = sink_joined,
					   .frame = sink_frame,
					   .left = sink_left,
					   .rejected = sink_rejected,
					   .appended = sink_appended,
					   .written = sink_written,
					   .full = sink_full};

	*sink = (struct sink){0};
	sink->roster = roster_new(sink_forget, sink);
	assert_non_null(sink->roster);
	sink->hub = hub_new(net, NULL, sink->roster, &ops, sink);
	assert_non_null(sink->hub);
}

static inline void sink_begin(struct sink *sink)
{
	sink_begin_on(sink, &sim.net);
}

static inline void sink_end(struct sink *sink)
{
	hub_free(sink->hub);
	roster_free(sink->roster);
}

/* One turn of the collector's loop. */
static inline void sink_turn(struct sink *sink)
{
	struct sockaddr_storage peer = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&peer;
	int fd;

	v4->sin_family = AF_INET;
	v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	while ((fd = sim_accept()) >= 0)
		(void)hub_add(sink->hub, fd, &peer);
	for (int i = 0; i < sim.accepted; i++)
		if (sim.links[i].open[1])
			hub_ready(sink->hub, 2 * i + 1);
	if (!sink->full)
		hub_resume(sink->hub);
	hub_settle(sink->hub);
	hub_sweep(sink->hub);
}

#endif
