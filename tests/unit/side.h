/* SPDX-License-Identifier: Apache-2.0 */
/* An agent under test on the simulated network: a queue, and the uplink that empties it. */
#ifndef RINGSIDE_TESTS_SIDE_H
#define RINGSIDE_TESTS_SIDE_H

#include "frames.h"

#include "net/uplink.h"
#include "spool/queue.h"

static const struct sender_feed feed = {queue_fd,     queue_next,    queue_ack,
					queue_rewind, queue_unacked, queue_empty};

static size_t side_queue_bytes = 64 * 1024;

/* The agent under test, and what it said of its collector. */
struct side {
	struct queue *queue;
	struct uplink *uplink;
	struct buf bye;
	int found, lost, refused, untrusted;
	char why[160];
};

static void side_hears(void *context, enum uplink_news news, const char *why)
{
	struct side *side = context;

	side->found += news == UPLINK_FOUND;
	side->lost += news == UPLINK_LOST;
	side->refused += news == UPLINK_REFUSED;
	side->untrusted += news == UPLINK_UNTRUSTED;
	snprintf(side->why, sizeof(side->why), "%s", why ? why : "");
}

static inline void side_begin_on(struct side *side, const char *collector, bool anywhere,
				 const struct net *net)
{
	struct sender_config config = {
		.hello = frames_hello("agent", 7), .feed = feed, .anywhere = anywhere};

	*side = (struct side){0};
	assert_int_equal(address_parse(collector, &config.collector), 0);
	side->queue = queue_new(side_queue_bytes);
	assert_non_null(side->queue);
	side->uplink = uplink_new(&config, side->queue, net, side_hears, side);
	assert_non_null(side->uplink);
	assert_int_equal(buf_init(&side->bye, 0, 65536), 0);
}

static inline void side_begin_at(struct side *side, const char *collector, bool anywhere)
{
	side_begin_on(side, collector, anywhere, &sim.net);
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

/* A session of both streams, a gap, counters and an accounting. */
static inline void push_a_session(struct side *side)
{
	struct buf beat;
	struct session_account account = account_of(12, 40);

	side_push(side, 0, 0, 5, 40);
	side_push(side, 1, 0, 10, 60);
	queue_push_gap(side->queue, 1, 10, 14, GAP_OVERSIZE);
	side_push(side, 0, 5, 7, 20);
	side_push(side, 1, 15, 25, 100);
	assert_int_equal(buf_init(&beat, 0, 65536), 0);
	assert_int_equal(session_put_heartbeat(&beat, &account), 0);
	queue_push_heartbeat(side->queue, buf_head(&beat), buf_length(&beat));
	buf_done(&beat);
}

static inline void expect_all_of_the_session(struct side *side, struct sink *sink)
{
	struct agent *agent = roster_find(sink->roster, "agent", 5);

	assert_non_null(agent);
	assert_int_equal(uplink_ended(side->uplink), 1);
	assert_true(queue_empty(side->queue));
	assert_int_equal(sink->next[0], 12);
	assert_int_equal(sink->next[1], 40);
	assert_true(agent->ended);
	assert_int_equal(agent->gaps[1], 5);
	for (uint32_t i = 0; i < SESSION_STREAMS; i++) {
		struct balance balance = agent_balance(agent, i);

		assert_true(balance.holds);
		assert_int_equal(balance.difference, 0);
	}
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
