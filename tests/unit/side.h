/* SPDX-License-Identifier: Apache-2.0 */
/* An agent under test on the simulated network: a queue, and the uplink that empties it. */
#ifndef RINGSIDE_TESTS_SIDE_H
#define RINGSIDE_TESTS_SIDE_H

#include "frames.h"

#include "net/uplink.h"
#include "spool/queue.h"

static const struct sender_feed feed = {queue_fd,     queue_next,    queue_ack,
					queue_rewind, queue_unacked, queue_empty};

/* The agent under test, and what it said of its collector. */
struct side {
	struct queue *queue;
	struct uplink *uplink;
	struct buf bye;
	int found, lost, refused;
	char why[160];
};

static void side_hears(void *context, enum uplink_news news, const char *why)
{
	struct side *side = context;

	side->found += news == UPLINK_FOUND;
	side->lost += news == UPLINK_LOST;
	side->refused += news == UPLINK_REFUSED;
	snprintf(side->why, sizeof(side->why), "%s", why ? why : "");
}

static inline void side_begin_at(struct side *side, const char *collector, bool anywhere)
{
	struct sender_config config = {
		.hello = frames_hello("agent", 7), .feed = feed, .anywhere = anywhere};

	*side = (struct side){0};
	assert_int_equal(address_parse(collector, &config.collector), 0);
	side->queue = queue_new(64 * 1024);
	assert_non_null(side->queue);
	side->uplink = uplink_new(&config, side->queue, &sim.net, side_hears, side);
	assert_non_null(side->uplink);
	assert_int_equal(buf_init(&side->bye, 0, 65536), 0);
}

static inline void side_begin(struct side *side)
{
	side_begin_at(side, "localhost", false);
}

static inline void side_end(struct side *side)
{
	uplink_free(side->uplink);
	queue_free(side->queue);
	buf_done(&side->bye);
}

static inline void side_push(struct side *side, uint32_t stream, uint64_t first, uint32_t count,
			     size_t filler)
{
	struct buf frame;

	assert_int_equal(buf_init(&frame, 0, 1 << 20), 0);
	frames_put_batch(&frame, stream, first, count, filler);
	queue_push_batch(side->queue, stream, first, first + count - 1, buf_head(&frame),
			 buf_length(&frame));
	buf_done(&frame);
}

static inline struct session_account account_of(uint64_t lifecycle, uint64_t samples)
{
	struct session_account account = {.probe_count = 2,
					  .has_streams = true,
					  .streams = {{.taken = lifecycle, .next_seq = lifecycle},
						      {.taken = samples, .next_seq = samples}}};

	account.probes[0] = (struct session_probe){
		.name = "process", .stream = 0, .produced = lifecycle + 2, .lost = {2}};
	account.probes[1] =
		(struct session_probe){.name = "write", .stream = 1, .produced = samples};
	return account;
}

static inline void side_finish(struct side *side, uint64_t lifecycle, uint64_t samples,
			       uint64_t deadline)
{
	struct session_account account = account_of(lifecycle, samples);

	assert_int_equal(session_put_bye(&side->bye, &account), 0);
	uplink_finish(side->uplink, buf_head(&side->bye), buf_length(&side->bye), deadline);
}

/* Runs both ends until the agent has ended; the clock goes on by 20 ms a turn. */
static inline void run_to_the_end(struct side *side, struct sink *sink)
{
	for (int i = 0; i < 20000; i++) {
		uplink_step(side->uplink);
		if (uplink_ended(side->uplink))
			return;
		sink_turn(sink);
		sim.now += SIM_SECOND / 50;
	}
	fail_msg("the session never ended: %s", side->why);
}

static inline void run_for(struct side *side, struct sink *sink, int turns)
{
	for (int i = 0; i < turns; i++) {
		uplink_step(side->uplink);
		if (sink)
			sink_turn(sink);
		sim.now += SIM_SECOND / 50;
	}
}

#endif
