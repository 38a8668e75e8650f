// SPDX-License-Identifier: Apache-2.0
#include "spool/queue.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "spool/entry.h"

#define SAMPLES 1

/* A latest value: `held` went out last and stays for a rewind; `waiting` is next; `newer` follows it. */
struct latest {
	struct entry *held, *waiting, *newer;
};

struct queue {
	pthread_mutex_t lock;
	struct entries entries;
	struct latest counters, heartbeat;
	int fd;
	bool idle; /* queue_next had nothing: the next push wakes the sender */
};

static void lock(const struct queue *queue)
{
	pthread_mutex_lock((pthread_mutex_t *)&queue->lock);
}

static void unlock(const struct queue *queue)
{
	pthread_mutex_unlock((pthread_mutex_t *)&queue->lock);
}

struct queue *queue_new(size_t bytes)
{
	struct queue *queue = calloc(1, sizeof(*queue));

	if (!queue)
		return NULL;
	pthread_mutex_init(&queue->lock, NULL);
	queue->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (queue->fd < 0 || bytes < 1024 || arena_init(&queue->entries.arena, bytes)) {
		queue_free(queue);
		return NULL;
	}
	queue->entries.streams[0].limit = bytes;
	queue->entries.streams[SAMPLES].limit = bytes / 4 * 3;
	queue->idle = true;
	return queue;
}

void queue_free(struct queue *queue)
{
	if (!queue)
		return;
	if (queue->fd >= 0)
		close(queue->fd);
	arena_done(&queue->entries.arena);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}

int queue_fd(const struct queue *queue)
{
	return queue->fd;
}

static void wake(struct queue *queue)
{
	uint64_t one = 1;

	if (!queue->idle)
		return;
	queue->idle = false;
	/* A full eventfd is readable already: nothing to do about an error. */
	if (write(queue->fd, &one, sizeof(one)) < 0)
		return;
}

void queue_push_gap(struct queue *queue, uint32_t stream, uint64_t first, uint64_t last,
		    uint32_t cause)
{
	lock(queue);
	entries_put_gap(&queue->entries, stream, first, last, cause);
	wake(queue);
	unlock(queue);
}

void queue_push_batch(struct queue *queue, uint32_t stream, uint64_t first, uint64_t last,
		      const uint8_t *data, size_t length)
{
	lock(queue);
	entries_put_batch(&queue->entries, stream, first, last, data, length);
	wake(queue);
	unlock(queue);
}

static void drop_latest(struct queue *queue, struct entry **entry)
{
	if (*entry)
		entry_free(&queue->entries, 0, *entry);
	*entry = NULL;
}

/* Latest values count as lifecycle's memory: they are small and few, and samples give way to them. */
static bool push_latest(struct queue *queue, struct entry **slot, const uint8_t *data,
			size_t length, bool keep_ticket)
{
	uint64_t ticket = *slot ? (*slot)->ticket : 0;
	bool kept = keep_ticket && *slot;

	drop_latest(queue, slot);
	*slot = entry_new(&queue->entries, 0, length);
	if (!*slot)
		return false;
	memcpy((*slot)->data, data, length);
	if (kept)
		(*slot)->ticket = ticket;
	return true;
}

bool queue_push_counters(struct queue *queue, const uint8_t *data, size_t length)
{
	bool taken;

	lock(queue);
	/* The new value takes the old one's place in the order, else a busy queue would never get to it. */
	taken = push_latest(queue, &queue->counters.waiting, data, length, true);
	wake(queue);
	unlock(queue);
	return taken;
}

bool queue_push_heartbeat(struct queue *queue, const uint8_t *data, size_t length)
{
	struct latest *latest = &queue->heartbeat;
	bool taken;

	lock(queue);
	/* An accounting must not overtake its batches, nor wait for ever behind newer ones: the first one waiting stays. */
	taken = push_latest(queue, latest->waiting ? &latest->newer : &latest->waiting, data,
			    length, false);
	wake(queue);
	unlock(queue);
	return taken;
}

static void give_latest(struct queue *queue, struct latest *latest, enum queue_item item,
			struct queue_frame *frame)
{
	drop_latest(queue, &latest->held);
	latest->held = latest->waiting;
	latest->waiting = latest->newer;
	latest->newer = NULL;
	*frame = (struct queue_frame){.item = item,
				      .data = latest->held->data,
				      .length = latest->held->length,
				      .ticket = latest->held->ticket};
}

bool queue_next(struct queue *queue, struct queue_frame *ret_frame)
{
	struct latest *latest = NULL;
	struct entry *oldest = NULL;
	uint32_t stream = 0;

	lock(queue);
	for (uint32_t i = 0; i < QUEUE_STREAMS; i++) {
		struct entry *entry = queue->entries.streams[i].cursor;

		if (entry && (!oldest || entry->ticket < oldest->ticket)) {
			oldest = entry;
			stream = i;
		}
	}
	if (queue->counters.waiting &&
	    (!oldest || queue->counters.waiting->ticket < oldest->ticket)) {
		latest = &queue->counters;
		oldest = latest->waiting;
	}
	if (queue->heartbeat.waiting &&
	    (!oldest || queue->heartbeat.waiting->ticket < oldest->ticket)) {
		latest = &queue->heartbeat;
		oldest = latest->waiting;
	}
	if (latest)
		give_latest(queue, latest,
			    latest == &queue->counters ? QUEUE_COUNTERS : QUEUE_HEARTBEAT,
			    ret_frame);
	else if (oldest)
		entries_give(&queue->entries, stream, ret_frame);
	queue->idle = !oldest;
	unlock(queue);
	return oldest != NULL;
}

void queue_ack(struct queue *queue, uint32_t stream, uint64_t next_seq)
{
	lock(queue);
	entries_ack(&queue->entries, stream, next_seq);
	unlock(queue);
}

static void rewind_latest(struct queue *queue, struct latest *latest)
{
	if (latest->waiting) {
		drop_latest(queue, &latest->held);
		return;
	}
	latest->waiting = latest->held;
	latest->held = NULL;
}

void queue_rewind(struct queue *queue)
{
	lock(queue);
	entries_rewind(&queue->entries);
	rewind_latest(queue, &queue->counters);
	rewind_latest(queue, &queue->heartbeat);
	unlock(queue);
}

uint64_t queue_unacked(const struct queue *queue, uint32_t stream)
{
	uint64_t unacked;

	lock(queue);
	unacked = queue->entries.streams[stream].unacked;
	unlock(queue);
	return unacked;
}

void queue_evicted(const struct queue *queue, uint32_t stream, uint64_t ret_by_cause[2])
{
	lock(queue);
	memcpy(ret_by_cause, queue->entries.streams[stream].evicted,
	       sizeof(queue->entries.streams[stream].evicted));
	unlock(queue);
}

bool queue_empty(const struct queue *queue)
{
	bool empty;

	lock(queue);
	empty = !queue->entries.streams[0].head && !queue->entries.streams[SAMPLES].head &&
		!queue->counters.waiting && !queue->heartbeat.waiting;
	unlock(queue);
	return empty;
}
