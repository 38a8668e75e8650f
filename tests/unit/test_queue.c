/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <unistd.h>
#include <cmocka.h>

#include "spool/queue.h"

#define LIFECYCLE 0
#define SAMPLES	  1

/* A frame whose bytes tell its sequence numbers, so that a mix-up shows. */
static void push(struct queue *queue, uint32_t stream, uint64_t first, uint64_t last, size_t length)
{
	uint8_t data[8192];

	assert_true(length <= sizeof(data));
	memset(data, (int)(first * 7 + stream), length);
	queue_push_batch(queue, stream, first, last, data, length);
}

static void expect_batch(struct queue *queue, uint32_t stream, uint64_t first, uint64_t last)
{
	struct queue_frame frame;

	assert_true(queue_next(queue, &frame));
	assert_int_equal(frame.item, QUEUE_BATCH);
	assert_int_equal(frame.stream, stream);
	assert_int_equal(frame.first, first);
	assert_int_equal(frame.last, last);
	for (size_t i = 0; i < frame.length; i++)
		assert_int_equal(frame.data[i], (uint8_t)(first * 7 + stream));
}

static void expect_gap(struct queue *queue, uint32_t stream, uint64_t first, uint64_t last,
		       uint32_t cause)
{
	struct queue_frame frame;

	assert_true(queue_next(queue, &frame));
	assert_int_equal(frame.item, QUEUE_GAP);
	assert_null(frame.data);
	assert_int_equal(frame.stream, stream);
	assert_int_equal(frame.first, first);
	assert_int_equal(frame.last, last);
	assert_int_equal(frame.cause, cause);
}

static void expect_nothing(struct queue *queue)
{
	struct queue_frame frame;

	assert_false(queue_next(queue, &frame));
}

static uint64_t evicted(struct queue *queue, uint32_t stream, uint32_t cause)
{
	uint64_t by_cause[2];

	queue_evicted(queue, stream, by_cause);
	return by_cause[cause - 1];
}

static void frames_come_out_in_the_order_of_pushing(void **state)
{
	struct queue *queue = queue_new(64 * 1024);

	(void)state;
	push(queue, SAMPLES, 0, 9, 100);
	push(queue, LIFECYCLE, 0, 0, 50);
	push(queue, SAMPLES, 10, 19, 100);
	expect_batch(queue, SAMPLES, 0, 9);
	expect_batch(queue, LIFECYCLE, 0, 0);
	expect_batch(queue, SAMPLES, 10, 19);
	expect_nothing(queue);
	assert_false(queue_empty(queue));
	queue_ack(queue, SAMPLES, 20);
	queue_ack(queue, LIFECYCLE, 1);
	assert_true(queue_empty(queue));
	assert_int_equal(queue_unacked(queue, SAMPLES), 20);
	queue_free(queue);
}

static void a_push_makes_the_descriptor_readable(void **state)
{
	struct queue *queue = queue_new(64 * 1024);
	struct pollfd fd = {.fd = queue_fd(queue), .events = POLLIN};
	uint64_t count;

	(void)state;
	assert_int_equal(poll(&fd, 1, 0), 0);
	push(queue, SAMPLES, 0, 0, 10);
	assert_int_equal(poll(&fd, 1, 0), 1);
	assert_int_equal(read(fd.fd, &count, sizeof(count)), sizeof(count));
	expect_batch(queue, SAMPLES, 0, 0);
	expect_nothing(queue);
	queue_push_heartbeat(queue, (const uint8_t *)"h", 1);
	assert_int_equal(poll(&fd, 1, 0), 1);
	queue_free(queue);
}

static void a_rewind_hands_out_again_what_is_not_acknowledged(void **state)
{
	struct queue *queue = queue_new(64 * 1024);

	(void)state;
	for (uint64_t i = 0; i < 5; i++)
		push(queue, LIFECYCLE, i * 10, i * 10 + 9, 200);
	for (uint64_t i = 0; i < 5; i++)
		expect_batch(queue, LIFECYCLE, i * 10, i * 10 + 9);
	queue_ack(queue, LIFECYCLE, 20);
	queue_rewind(queue);
	for (uint64_t i = 2; i < 5; i++)
		expect_batch(queue, LIFECYCLE, i * 10, i * 10 + 9);
	expect_nothing(queue);
	queue_free(queue);
}

static void samples_never_push_lifecycle_out(void **state)
{
	struct queue *queue = queue_new(16 * 1024);

	(void)state;
	for (uint64_t i = 0; i < 3; i++)
		push(queue, LIFECYCLE, i, i, 1000);
	for (uint64_t i = 0; i < 100; i++)
		push(queue, SAMPLES, i, i, 1000);
	assert_int_equal(evicted(queue, LIFECYCLE, GAP_QUEUE_FULL), 0);
	assert_true(evicted(queue, SAMPLES, GAP_QUEUE_FULL) > 80);
	for (uint64_t i = 0; i < 3; i++)
		expect_batch(queue, LIFECYCLE, i, i);
	queue_free(queue);
}

static void samples_leave_a_quarter_for_lifecycle_even_when_none_may_be_evicted(void **state)
{
	struct queue *queue = queue_new(16 * 1024);
	struct queue_frame frame;

	(void)state;
	for (uint64_t i = 0; i < 100; i++) {
		push(queue, SAMPLES, i, i, 1000);
		queue_next(queue, &frame);
	}
	push(queue, LIFECYCLE, 0, 0, 3000);
	assert_int_equal(evicted(queue, LIFECYCLE, GAP_QUEUE_FULL), 0);
	queue_free(queue);
}

static void lifecycle_takes_the_room_of_the_oldest_samples(void **state)
{
	struct queue *queue = queue_new(16 * 1024);
	uint64_t lost;

	(void)state;
	for (uint64_t i = 0; i < 10; i++)
		push(queue, SAMPLES, i, i, 1000);
	for (uint64_t i = 0; i < 10; i++)
		push(queue, LIFECYCLE, i, i, 1000);
	assert_int_equal(evicted(queue, LIFECYCLE, GAP_QUEUE_FULL), 0);
	lost = evicted(queue, SAMPLES, GAP_QUEUE_FULL);
	assert_true(lost >= 3 && lost <= 8);
	/* The gap stands where the frames were: before the ones that stayed. */
	expect_gap(queue, SAMPLES, 0, lost - 1, GAP_QUEUE_FULL);
	expect_batch(queue, SAMPLES, lost, lost);
	queue_free(queue);
}

static void lifecycle_gives_way_to_lifecycle_last_of_all(void **state)
{
	struct queue *queue = queue_new(16 * 1024);
	uint64_t lost;

	(void)state;
	for (uint64_t i = 0; i < 100; i++)
		push(queue, LIFECYCLE, i, i, 1000);
	lost = evicted(queue, LIFECYCLE, GAP_QUEUE_FULL);
	assert_true(lost > 80 && lost < 100);
	expect_gap(queue, LIFECYCLE, 0, lost - 1, GAP_QUEUE_FULL);
	for (uint64_t i = lost; i < 100; i++)
		expect_batch(queue, LIFECYCLE, i, i);
	expect_nothing(queue);
	queue_free(queue);
}

static void what_was_handed_out_is_evicted_after_a_rewind_only(void **state)
{
	struct queue *queue = queue_new(16 * 1024);
	struct queue_frame held;

	(void)state;
	push(queue, LIFECYCLE, 0, 0, 1000);
	assert_true(queue_next(queue, &held));
	for (uint64_t i = 1; i < 100; i++)
		push(queue, LIFECYCLE, i, i, 1000);
	for (size_t i = 0; i < held.length; i++)
		assert_int_equal(held.data[i], 0);
	queue_rewind(queue);
	for (uint64_t i = 100; i < 200; i++)
		push(queue, LIFECYCLE, i, i, 1000);
	expect_gap(queue, LIFECYCLE, 0, evicted(queue, LIFECYCLE, GAP_QUEUE_FULL) - 1,
		   GAP_QUEUE_FULL);
	queue_free(queue);
}

static void with_all_memory_handed_out_the_new_frame_becomes_a_gap(void **state)
{
	struct queue *queue = queue_new(4096);
	struct queue_frame frame;
	uint64_t next = 0, stored;

	(void)state;
	while (evicted(queue, LIFECYCLE, GAP_QUEUE_FULL) == 0) {
		push(queue, LIFECYCLE, next, next, 100);
		assert_true(queue_next(queue, &frame));
		next++;
	}
	assert_int_equal(frame.item, QUEUE_GAP);
	stored = next - 1;
	/* A gap that went out grows: only what is new of it goes out. */
	push(queue, LIFECYCLE, next, next + 4, 1000);
	expect_gap(queue, LIFECYCLE, next, next + 4, GAP_QUEUE_FULL);
	/* Room again: order is kept behind the gap. */
	queue_ack(queue, LIFECYCLE, stored - 10);
	push(queue, LIFECYCLE, next + 5, next + 5, 100);
	expect_batch(queue, LIFECYCLE, next + 5, next + 5);
	queue_rewind(queue);
	for (uint64_t i = stored - 10; i < stored; i++)
		expect_batch(queue, LIFECYCLE, i, i);
	expect_gap(queue, LIFECYCLE, stored, next + 4, GAP_QUEUE_FULL);
	expect_batch(queue, LIFECYCLE, next + 5, next + 5);
	expect_nothing(queue);
	queue_free(queue);
}

static void gaps_join_their_neighbours_of_the_same_cause(void **state)
{
	struct queue *queue = queue_new(64 * 1024);

	(void)state;
	queue_push_gap(queue, SAMPLES, 0, 4, GAP_OVERSIZE);
	queue_push_gap(queue, SAMPLES, 5, 9, GAP_OVERSIZE);
	queue_push_gap(queue, SAMPLES, 10, 11, GAP_QUEUE_FULL);
	expect_gap(queue, SAMPLES, 0, 9, GAP_OVERSIZE);
	expect_gap(queue, SAMPLES, 10, 11, GAP_QUEUE_FULL);
	assert_int_equal(evicted(queue, SAMPLES, GAP_OVERSIZE), 10);
	queue_ack(queue, SAMPLES, 12);
	assert_true(queue_empty(queue));
	/* They went out as gaps: they stay counted. */
	assert_int_equal(evicted(queue, SAMPLES, GAP_OVERSIZE), 10);
	assert_int_equal(evicted(queue, SAMPLES, GAP_QUEUE_FULL), 2);
	queue_free(queue);
}

static void what_was_stored_before_it_was_evicted_is_no_loss(void **state)
{
	struct queue *queue = queue_new(16 * 1024);
	struct queue_frame frame;
	uint64_t lost;

	(void)state;
	for (uint64_t i = 0; i < 10; i++)
		push(queue, LIFECYCLE, i, i, 1000);
	for (uint64_t i = 0; i < 10; i++)
		assert_true(queue_next(queue, &frame));
	/* The connection is lost; all ten had arrived. Offline, their memory goes to newer ones. */
	queue_rewind(queue);
	for (uint64_t i = 10; i < 40; i++)
		push(queue, LIFECYCLE, i, i, 1000);
	lost = evicted(queue, LIFECYCLE, GAP_QUEUE_FULL);
	assert_true(lost > 10);
	queue_ack(queue, LIFECYCLE, 10);
	assert_int_equal(evicted(queue, LIFECYCLE, GAP_QUEUE_FULL), lost - 10);
	expect_gap(queue, LIFECYCLE, 10, lost - 1, GAP_QUEUE_FULL);
	queue_ack(queue, LIFECYCLE, lost);
	assert_int_equal(evicted(queue, LIFECYCLE, GAP_QUEUE_FULL), lost - 10);
	queue_free(queue);
}

static void a_frame_larger_than_the_queue_is_a_gap_and_costs_nobody_his_place(void **state)
{
	struct queue *queue = queue_new(4096);

	(void)state;
	push(queue, SAMPLES, 0, 0, 100);
	push(queue, LIFECYCLE, 0, 0, 100);
	push(queue, SAMPLES, 1, 9, 8192);
	push(queue, LIFECYCLE, 1, 9, 8192);
	expect_batch(queue, SAMPLES, 0, 0);
	expect_batch(queue, LIFECYCLE, 0, 0);
	expect_gap(queue, SAMPLES, 1, 9, GAP_QUEUE_FULL);
	expect_gap(queue, LIFECYCLE, 1, 9, GAP_QUEUE_FULL);
	queue_free(queue);
}

static void expect_latest(struct queue *queue, enum queue_item item, const char *text)
{
	struct queue_frame frame;

	assert_true(queue_next(queue, &frame));
	assert_int_equal(frame.item, item);
	assert_int_equal(frame.length, strlen(text));
	assert_memory_equal(frame.data, text, frame.length);
}

static void the_newest_counters_replace_the_older_and_keep_their_turn(void **state)
{
	struct queue *queue = queue_new(64 * 1024);

	(void)state;
	queue_push_counters(queue, (const uint8_t *)"one", 3);
	push(queue, SAMPLES, 0, 0, 10);
	queue_push_counters(queue, (const uint8_t *)"three", 5);
	assert_false(queue_empty(queue));
	expect_latest(queue, QUEUE_COUNTERS, "three");
	expect_batch(queue, SAMPLES, 0, 0);
	expect_nothing(queue);
	queue_ack(queue, SAMPLES, 1);
	assert_true(queue_empty(queue));
	/* A collector that we come back to gets them again. */
	queue_rewind(queue);
	expect_latest(queue, QUEUE_COUNTERS, "three");
	expect_nothing(queue);
	queue_free(queue);
}

static void an_accounting_neither_overtakes_its_batches_nor_starves(void **state)
{
	struct queue *queue = queue_new(64 * 1024);

	(void)state;
	push(queue, SAMPLES, 0, 0, 10);
	queue_push_heartbeat(queue, (const uint8_t *)"1", 1);
	push(queue, SAMPLES, 1, 1, 10);
	queue_push_heartbeat(queue, (const uint8_t *)"2", 1);
	push(queue, SAMPLES, 2, 2, 10);
	queue_push_heartbeat(queue, (const uint8_t *)"3", 1);
	expect_batch(queue, SAMPLES, 0, 0);
	expect_latest(queue, QUEUE_HEARTBEAT, "1");
	expect_batch(queue, SAMPLES, 1, 1);
	expect_batch(queue, SAMPLES, 2, 2);
	expect_latest(queue, QUEUE_HEARTBEAT, "3");
	expect_nothing(queue);
	queue_free(queue);
}

static void an_acknowledgement_of_more_than_was_pushed_is_cut_to_it(void **state)
{
	struct queue *queue = queue_new(64 * 1024);

	(void)state;
	push(queue, SAMPLES, 0, 4, 10);
	queue_ack(queue, SAMPLES, 1000);
	assert_int_equal(queue_unacked(queue, SAMPLES), 5);
	push(queue, SAMPLES, 5, 9, 10);
	expect_batch(queue, SAMPLES, 5, 9);
	/* In the middle of a frame: it must come whole again. */
	queue_ack(queue, SAMPLES, 7);
	assert_int_equal(queue_unacked(queue, SAMPLES), 5);
	queue_free(queue);
}

/* A collector that is fed by the queue: what it has of each stream must be without holes, whatever happens. */
struct model {
	struct queue *queue;
	bool connected, torn; /* torn: what is handed out arrives no more */
	uint64_t pushed[QUEUE_STREAMS], stored[QUEUE_STREAMS];
	uint64_t records[QUEUE_STREAMS], gaps[QUEUE_STREAMS];
};

static void model_connect(struct model *model)
{
	model->connected = true;
	model->torn = false;
	for (uint32_t i = 0; i < QUEUE_STREAMS; i++)
		queue_ack(model->queue, i, model->stored[i]);
}

static bool model_take(struct model *model)
{
	struct queue_frame frame;
	uint64_t count;

	if (!queue_next(model->queue, &frame))
		return false;
	if (frame.item > QUEUE_GAP || model->torn)
		return true;
	count = frame.last - frame.first + 1;
	assert_int_equal(frame.first, model->stored[frame.stream]);
	model->stored[frame.stream] += count;
	if (frame.item == QUEUE_GAP)
		model->gaps[frame.stream] += count;
	else
		model->records[frame.stream] += count;
	return true;
}

static void model_step(struct model *model)
{
	uint32_t stream = (uint32_t)random() % QUEUE_STREAMS;
	uint64_t count = (uint64_t)random() % 5 + 1, first = model->pushed[stream];
	long dice = random() % 100;

	if (dice < 40) {
		push(model->queue, stream, first, first + count - 1, (size_t)random() % 700 + 1);
		model->pushed[stream] += count;
	} else if (dice < 43) {
		queue_push_gap(model->queue, stream, first, first + count - 1,
			       random() % 2 ? GAP_OVERSIZE : GAP_QUEUE_FULL);
		model->pushed[stream] += count;
	} else if (dice < 46) {
		queue_push_heartbeat(model->queue, (const uint8_t *)"heartbeat",
				     (size_t)random() % 9 + 1);
	} else if (dice < 49) {
		queue_push_counters(model->queue, (const uint8_t *)"counters",
				    (size_t)random() % 8 + 1);
	} else if (!model->connected) {
		if (dice < 55)
			model_connect(model);
	} else if (dice < 85) {
		model_take(model);
	} else if (dice < 96) {
		queue_ack(model->queue, stream, model->stored[stream]);
	} else if (dice < 98) {
		model->torn = true;
	} else {
		queue_rewind(model->queue);
		model->connected = false;
	}
}

static void nothing_is_lost_without_a_word_whatever_the_order_of_events(void **state)
{
	(void)state;
	for (unsigned int seed = 1; seed <= 100; seed++) {
		struct model model = {.queue = queue_new(1024u << seed % 6)};

		srandom(seed);
		for (int i = 0; i < 3000; i++)
			model_step(&model);
		queue_rewind(model.queue);
		model_connect(&model);
		while (model_take(&model))
			;
		for (uint32_t i = 0; i < QUEUE_STREAMS; i++) {
			uint64_t by_cause[2];

			queue_ack(model.queue, i, model.stored[i]);
			queue_evicted(model.queue, i, by_cause);
			assert_int_equal(model.stored[i], model.pushed[i]);
			assert_int_equal(model.records[i] + model.gaps[i], model.pushed[i]);
			assert_int_equal(model.gaps[i], by_cause[0] + by_cause[1]);
			assert_int_equal(queue_unacked(model.queue, i), model.pushed[i]);
		}
		assert_true(queue_empty(model.queue));
		queue_free(model.queue);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_out_in_the_order_of_pushing),
		cmocka_unit_test(a_push_makes_the_descriptor_readable),
		cmocka_unit_test(a_rewind_hands_out_again_what_is_not_acknowledged),
		cmocka_unit_test(samples_never_push_lifecycle_out),
		cmocka_unit_test(
			samples_leave_a_quarter_for_lifecycle_even_when_none_may_be_evicted),
		cmocka_unit_test(lifecycle_takes_the_room_of_the_oldest_samples),
		cmocka_unit_test(lifecycle_gives_way_to_lifecycle_last_of_all),
		cmocka_unit_test(what_was_handed_out_is_evicted_after_a_rewind_only),
		cmocka_unit_test(with_all_memory_handed_out_the_new_frame_becomes_a_gap),
		cmocka_unit_test(gaps_join_their_neighbours_of_the_same_cause),
		cmocka_unit_test(what_was_stored_before_it_was_evicted_is_no_loss),
		cmocka_unit_test(a_frame_larger_than_the_queue_is_a_gap_and_costs_nobody_his_place),
		cmocka_unit_test(the_newest_counters_replace_the_older_and_keep_their_turn),
		cmocka_unit_test(an_accounting_neither_overtakes_its_batches_nor_starves),
		cmocka_unit_test(an_acknowledgement_of_more_than_was_pushed_is_cut_to_it),
		cmocka_unit_test(nothing_is_lost_without_a_word_whatever_the_order_of_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
