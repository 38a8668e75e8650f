// SPDX-License-Identifier: Apache-2.0
#include "cmd/reader_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "cmd/trouble.h"
#include "kernel/events.h"
#include "kernel/percpu.h"
#include "kernel/scope_watch.h"
#include "spool/queue.h"
#include "wire/batch.h"
#include "wire/capture.h"
#include "wire/counters.h"

#define OFFSET_STEP_NS 10000
#define SETTLE_ROUNDS  50 /* of 2 ms: programs that were running when they were detached */

static void capture(struct reader *reader)
{
	int err;

	if (!reader->config.capture)
		return;
	err = capture_frame(reader->config.capture, buf_head(&reader->out),
			    buf_length(&reader->out));
	trouble_capture(err, &reader->said_capture);
}

static bool push(struct reader *reader, bool (*to_queue)(struct queue *, const uint8_t *, size_t))
{
	const size_t length = buf_length(&reader->out);
	bool taken;

	if (!length)
		return true;
	taken = to_queue(reader->config.queue, buf_head(&reader->out), length);
	capture(reader);
	buf_clear(&reader->out);
	return taken;
}

/* Two readings of the clocks differ by tens of ns: only a real step moves the offset, so that one moment has one time. */
static int64_t realtime_offset(struct reader *reader)
{
	const int64_t now = clock_offset_ns();
	const int64_t step = now - reader->realtime_offset;

	if (step > OFFSET_STEP_NS || step < -OFFSET_STEP_NS)
		reader->realtime_offset = now;
	return reader->realtime_offset;
}

static void flush(struct reader *reader, uint32_t stream)
{
	struct batch *batch = reader->batches[stream];
	const uint64_t count = batch_count(batch);
	const uint64_t first = reader->next_seq[stream] - count;
	int err;

	if (!count)
		return;
	buf_clear(&reader->out);
	err = batch_seal(batch, first, realtime_offset(reader), &reader->out);
	if (err) {
		queue_push_gap(reader->config.queue, stream, first, first + count - 1,
			       GAP_OVERSIZE);
		buf_clear(&reader->out);
		return;
	}
	queue_push_batch(reader->config.queue, stream, first, first + count - 1,
			 buf_head(&reader->out), buf_length(&reader->out));
	capture(reader);
	buf_clear(&reader->out);
}

/* One record out of a ring. Each gets a sequence number, whatever becomes of it. */
void reader_take(void *context, uint32_t ring, const struct event_header *event)
{
	struct reader *reader = context;
	const int probe = event->kind < KINDS_MAX ? reader->probe_of_kind[event->kind] : -1;
	const struct family *family;
	int err;

	if (probe >= 0) {
		events_count_taken(reader->events, (uint32_t)probe);
		family = &reader->families[reader->family_of_probe[probe]];
		if (family->family->enrich)
			event = family->family->enrich(family->state, event);
	}
	reader->drained++;
	err = batch_append(reader->batches[ring], event);
	if (err == -ENOSPC) {
		flush(reader, ring);
		reader->opened_ns[ring] = clock_monotonic_ns();
		err = batch_append(reader->batches[ring], event);
	}
	if (err) {
		flush(reader, ring);
		queue_push_gap(reader->config.queue, ring, reader->next_seq[ring],
			       reader->next_seq[ring], GAP_OVERSIZE);
	}
	reader->next_seq[ring]++;
}

void reader_ready(struct reader *reader)
{
	for (size_t i = 0; i < reader->family_count; i++) {
		if (reader->families[i].family->ready)
			reader->families[i].family->ready(reader->families[i].state);
	}
}

enum scope_change reader_scope_change(struct reader *reader, size_t i)
{
	return scope_watch_change(reader->scope_watch, i);
}

int reader_fd(const struct reader *reader)
{
	return reader->epoll_fd;
}

/* Time until the oldest record of an open batch has waited for a flush interval, ns; the interval where none is open. */
static uint64_t until_due(const struct reader *reader)
{
	const uint64_t now = clock_monotonic_ns(), interval = reader->config.flush_interval_ns;
	uint64_t left = interval;

	for (uint32_t i = 0; i < RINGS; i++) {
		const uint64_t age = now - reader->opened_ns[i];

		if (batch_count(reader->batches[i]) && (age >= interval || interval - age < left))
			left = age >= interval ? 0 : interval - age;
	}
	return left;
}

int reader_sleep(struct reader *reader)
{
	reader->flowing = reader->drained > 0;
	reader->drained = 0;
	events_sleep(reader->events, reader->flowing ? WAKE_THRESHOLD : WAKE_ANY);
	if (reader->flowing || events_must_poll(reader->events))
		return (int)((until_due(reader) + 999999) / 1000000);
	return events_pending(reader->events) ? 0 : -1;
}

/*
 * Takes all that is there. While data flows a batch stays open until it is full or its first record has waited long enough:
 * fewer frames, fewer wake-ups of the sender.
 */
static void drain(struct reader *reader, bool all)
{
	for (uint32_t i = 0; i < RINGS; i++) {
		const bool open = batch_count(reader->batches[i]);
		const uint64_t now = clock_monotonic_ns();

		if (!open)
			reader->opened_ns[i] = now;
		if (!events_drain(reader->events, i) || all || !reader->flowing ||
		    reader->config.transport.wakeup_bytes == 1 ||
		    now - reader->opened_ns[i] >= reader->config.flush_interval_ns)
			flush(reader, i);
	}
}

static void send_counters(struct reader *reader)
{
	int err;

	buf_clear(&reader->out);
	counters_begin(reader->counters, clock_boottime_ns(), realtime_offset(reader),
		       &reader->out);
	for (size_t i = 0; i < reader->family_count; i++) {
		const struct family *family = &reader->families[i];

		if (family->family->count)
			family->family->count(family->state, reader->counters);
	}
	err = counters_end(reader->counters);
	if (!push(reader, queue_push_counters))
		err = -ENOSPC;
	if (err && !reader->said_counters)
		log_line(LOG_WARN, "counters are not sent whole", "why", strerror(-err), "do",
			 "give a smaller --counters-memory or a larger --queue", NULL);
	reader->said_counters = err;
}

static void account_probe(struct reader *reader, uint32_t number, struct session_probe *ret_probe)
{
	const struct family *family = &reader->families[reader->family_of_probe[number]];
	struct probe_account first = {0}, second = {0};

	/* Taken, then lost, then produced: each later one can only have grown, so the difference is never below 0. */
	events_account(reader->events, number, &first);
	events_account(reader->events, number, &second);
	snprintf(ret_probe->name, sizeof(ret_probe->name), "%s", probes[number].name);
	ret_probe->stream = probes[number].stream;
	ret_probe->produced = second.produced;
	memcpy(ret_probe->lost, first.lost, sizeof(ret_probe->lost));
	ret_probe->taken = first.taken;
	ret_probe->prog_missed =
		family->family->missed ? family->family->missed(family->state, number) : 0;
}

/* Everything taken so far has been pushed when this is called. */
static void account(struct reader *reader, struct session_account *ret_account)
{
	memset(ret_account, 0, sizeof(*ret_account));
	ret_account->boottime_ns = clock_boottime_ns();
	ret_account->realtime_ns = clock_realtime_ns();
	for (uint32_t i = 0; i < probe_count; i++) {
		if (reader->config.enabled & 1u << i)
			account_probe(reader, i, &ret_account->probes[ret_account->probe_count++]);
	}
	ret_account->has_streams = true;
	for (uint32_t i = 0; i < RINGS; i++) {
		ret_account->streams[i].taken = reader->next_seq[i];
		ret_account->streams[i].next_seq = reader->next_seq[i];
		queue_evicted(reader->config.queue, i, ret_account->streams[i].evicted);
	}
}

static void send_heartbeat(struct reader *reader)
{
	struct session_account now;

	events_refresh(reader->events);
	for (size_t i = 0; i < reader->family_count; i++) {
		if (reader->families[i].family->refresh)
			reader->families[i].family->refresh(reader->families[i].state);
	}
	drain(reader, true);
	account(reader, &now);
	buf_clear(&reader->out);
	session_put_heartbeat(&reader->out, &now);
	push(reader, queue_push_heartbeat);
}

void reader_work(struct reader *reader)
{
	struct epoll_event ready[16];
	uint64_t expired;
	int count;

	events_sleep(reader->events, WAKE_NONE);
	count = epoll_wait(reader->epoll_fd, ready, 16, 0);
	drain(reader, false);
	for (int i = 0; i < count; i++) {
		const int fd = ready[i].data.fd;

		if (fd == reader->counters_fd && read(fd, &expired, sizeof(expired)) > 0)
			send_counters(reader);
		else if (fd == reader->heartbeat_fd && read(fd, &expired, sizeof(expired)) > 0)
			send_heartbeat(reader);
		for (size_t f = 0; f < reader->family_count; f++) {
			const struct family *family = &reader->families[f];

			if (family->family->fd && family->family->fd(family->state) == fd)
				family->family->work(family->state);
		}
	}
}

static bool balanced(const struct session_account *account)
{
	for (size_t i = 0; i < account->probe_count; i++) {
		const struct session_probe *probe = &account->probes[i];
		uint64_t lost = 0;

		for (size_t r = 0; r < LOST_REASONS; r++)
			lost += probe->lost[r];
		if (probe->produced != lost + probe->taken)
			return false;
	}
	return true;
}

void reader_finish(struct reader *reader, struct session_account *ret_account)
{
	const struct timespec pause = {0, 2000000};

	for (size_t i = 0; i < reader->family_count; i++)
		reader->families[i].family->detach(reader->families[i].state);
	for (int round = 0; round < SETTLE_ROUNDS; round++) {
		drain(reader, true);
		account(reader, ret_account);
		if (balanced(ret_account))
			break;
		nanosleep(&pause, NULL);
	}
	if (events_kernel_lost(reader->events))
		log_line(LOG_INFO, "perf buffers were full", "kernel_lost",
			 log_u64(events_kernel_lost(reader->events)), NULL);
	if (reader->config.enabled & 1u << PROBE_SYSCALLS)
		send_counters(reader);
	account(reader, ret_account);
	buf_clear(&reader->out);
	session_put_heartbeat(&reader->out, ret_account);
	push(reader, queue_push_heartbeat);
}
