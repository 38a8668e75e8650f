/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each stream is a list of entries in sequence order, kept in the arena; the cursor is the first that was not handed out.
 *
 *   head                     cursor                     tail
 *    | handed out: stay put ...| may be evicted ...       |
 *
 * A gap may grow at its end even after it was handed out: `given` is what of it went out on this connection, `shown` what ever
 * did. What is acknowledged of a gap and was never shown had arrived as records: it does not count as evicted.
 */
#include "spool/queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "spool/arena.h"

#define SAMPLES 1

struct entry {
	struct entry *next, *prev;
	uint64_t first, last;
	uint64_t ticket;
	uint64_t given, shown; /* of a gap: first sequence number past what went out */
	uint32_t length;       /* of data; 0: a gap */
	uint32_t cause;
	uint8_t data[];
};

struct stream {
	struct entry *head, *tail, *cursor;
	uint64_t unacked;
	uint64_t pushed; /* next_seq of what was pushed */
	uint64_t evicted[GAP_CAUSES];
	size_t used; /* of the arena */
	size_t limit;
	/* The gap that no memory was left for; in use only while it is the tail. */
	struct entry spare;
};

/* A latest value: `held` went out last and stays for a rewind; `waiting` is next; `newer` follows it. */
struct latest {
	struct entry *held, *waiting, *newer;
};

struct queue {
	pthread_mutex_t lock;
	struct arena arena;
	struct stream streams[QUEUE_STREAMS];
	struct latest counters, heartbeat;
	uint64_t ticket;
	int fd;
	bool idle; /* queue_next had nothing: the next push wakes the sender */
};

static bool is_gap(const struct entry *entry)
{
	return entry->length == 0;
}

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
	if (queue->fd < 0 || bytes < 1024 || arena_init(&queue->arena, bytes)) {
		queue_free(queue);
		return NULL;
	}
	queue->streams[0].limit = bytes;
	queue->streams[SAMPLES].limit = bytes / 4 * 3;
	queue->idle = true;
	return queue;
}

void queue_free(struct queue *queue)
{
	if (!queue)
		return;
	if (queue->fd >= 0)
		close(queue->fd);
	arena_done(&queue->arena);
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

static void entry_free(struct queue *queue, struct stream *stream, struct entry *entry)
{
	if (entry == &stream->spare)
		return;
	stream->used -= arena_cost(sizeof(*entry) + entry->length);
	arena_release(&queue->arena, entry);
}

static void unlink_entry(struct stream *stream, struct entry *entry)
{
	if (stream->cursor == entry)
		stream->cursor = entry->next;
	if (entry->prev)
		entry->prev->next = entry->next;
	else
		stream->head = entry->next;
	if (entry->next)
		entry->next->prev = entry->prev;
	else
		stream->tail = entry->prev;
}

static void link_tail(struct stream *stream, struct entry *entry)
{
	entry->next = NULL;
	entry->prev = stream->tail;
	if (stream->tail)
		stream->tail->next = entry;
	else
		stream->head = entry;
	stream->tail = entry;
	if (!stream->cursor)
		stream->cursor = entry;
}

static bool joins(const struct entry *gap, uint64_t first, uint32_t cause)
{
	return is_gap(gap) && gap->cause == cause && gap->last + 1 == first;
}

/* A gap that went out in part has more to give: the cursor goes back to it. */
static void gap_grow(struct stream *stream, struct entry *gap, uint64_t last)
{
	gap->last = last;
	if (gap->next == stream->cursor)
		stream->cursor = gap;
}

/* The batch that the cursor meets first becomes a gap, joined with the gaps beside it. */
static bool evict(struct queue *queue, struct stream *stream)
{
	struct entry *entry = stream->cursor, *before, *after;

	while (entry && is_gap(entry))
		entry = entry->next;
	if (!entry)
		return false;
	stream->evicted[GAP_QUEUE_FULL - 1] += entry->last - entry->first + 1;
	before = entry->prev;
	if (before && joins(before, entry->first, GAP_QUEUE_FULL)) {
		uint64_t last = entry->last;

		unlink_entry(stream, entry);
		entry_free(queue, stream, entry);
		gap_grow(stream, before, last);
		entry = before;
	} else {
		stream->used -=
			arena_cost(sizeof(*entry) + entry->length) - arena_cost(sizeof(*entry));
		arena_shrink(&queue->arena, entry, sizeof(*entry));
		entry->length = 0;
		entry->cause = GAP_QUEUE_FULL;
		entry->given = entry->shown = entry->first;
	}
	after = entry->next;
	if (after && joins(entry, after->first, after->cause) && is_gap(after) &&
	    after->shown == after->first && after != &stream->spare) {
		uint64_t last = after->last;

		unlink_entry(stream, after);
		entry_free(queue, stream, after);
		gap_grow(stream, entry, last);
	}
	return true;
}

/* Memory for an entry of `stream`, made by evicting where it must: samples give way to lifecycle, never the reverse. */
static struct entry *entry_new(struct queue *queue, uint32_t number, size_t length)
{
	struct stream *stream = &queue->streams[number];
	size_t cost = arena_cost(sizeof(struct entry) + length);
	struct entry *entry;

	if (cost > stream->limit)
		return NULL;
	for (;;) {
		entry = NULL;
		if (stream->used + cost <= stream->limit)
			entry = arena_alloc(&queue->arena, sizeof(*entry) + length);
		if (entry)
			break;
		if (number != SAMPLES && evict(queue, &queue->streams[SAMPLES]))
			continue;
		if (!evict(queue, stream))
			return NULL;
	}
	stream->used += cost;
	*entry = (struct entry){.length = (uint32_t)length, .ticket = queue->ticket++};
	return entry;
}

/* Moves the spare gap into the arena, so that an entry can follow it. */
static bool settle_spare(struct queue *queue, uint32_t number)
{
	struct stream *stream = &queue->streams[number];
	struct entry *entry, *cursor;

	if (stream->tail != &stream->spare)
		return true;
	entry = entry_new(queue, number, 0);
	if (!entry)
		return false;
	if (stream->tail->prev &&
	    joins(stream->tail->prev, stream->spare.first, stream->spare.cause) &&
	    stream->spare.shown == stream->spare.first) {
		entry_free(queue, stream, entry);
		entry = stream->tail->prev;
		unlink_entry(stream, &stream->spare);
		gap_grow(stream, entry, stream->spare.last);
		return true;
	}
	cursor = stream->cursor == &stream->spare ? entry : stream->cursor;
	unlink_entry(stream, &stream->spare);
	*entry = stream->spare;
	link_tail(stream, entry);
	stream->cursor = cursor;
	return true;
}

static void append_gap(struct queue *queue, uint32_t number, uint64_t first, uint64_t last,
		       uint32_t cause)
{
	struct stream *stream = &queue->streams[number];
	struct entry *tail = stream->tail, *entry;

	stream->evicted[cause - 1] += last - first + 1;
	stream->pushed = last + 1;
	if (tail && joins(tail, first, cause)) {
		gap_grow(stream, tail, last);
		return;
	}
	entry = settle_spare(queue, number) ? entry_new(queue, number, 0) : NULL;
	tail = stream->tail;
	if (tail && (joins(tail, first, cause) || (!entry && tail == &stream->spare))) {
		/* Evicting for room made the neighbour a gap; or there is room for neither, and the spare takes any cause. */
		if (entry)
			entry_free(queue, stream, entry);
		gap_grow(stream, tail, last);
		return;
	}
	if (!entry) {
		entry = &stream->spare;
		*entry = (struct entry){.ticket = queue->ticket++};
	}
	entry->first = entry->given = entry->shown = first;
	entry->last = last;
	entry->cause = cause;
	link_tail(stream, entry);
}

void queue_push_gap(struct queue *queue, uint32_t stream, uint64_t first, uint64_t last,
		    uint32_t cause)
{
	lock(queue);
	append_gap(queue, stream, first, last, cause);
	wake(queue);
	unlock(queue);
}

void queue_push_batch(struct queue *queue, uint32_t stream, uint64_t first, uint64_t last,
		      const uint8_t *data, size_t length)
{
	struct entry *entry = NULL;

	lock(queue);
	if (settle_spare(queue, stream))
		entry = entry_new(queue, stream, length);
	if (entry) {
		entry->first = first;
		entry->last = last;
		memcpy(entry->data, data, length);
		link_tail(&queue->streams[stream], entry);
		queue->streams[stream].pushed = last + 1;
	} else {
		append_gap(queue, stream, first, last, GAP_QUEUE_FULL);
	}
	wake(queue);
	unlock(queue);
}

static void drop_latest(struct queue *queue, struct entry **entry)
{
	if (*entry)
		entry_free(queue, &queue->streams[0], *entry);
	*entry = NULL;
}

/* Latest values count as lifecycle's memory: they are small and few, and samples give way to them. */
static void push_latest(struct queue *queue, struct entry **slot, const uint8_t *data,
			size_t length, bool keep_ticket)
{
	uint64_t ticket = *slot ? (*slot)->ticket : 0;
	bool kept = keep_ticket && *slot;

	drop_latest(queue, slot);
	*slot = entry_new(queue, 0, length);
	if (!*slot)
		return;
	memcpy((*slot)->data, data, length);
	if (kept)
		(*slot)->ticket = ticket;
}

void queue_push_counters(struct queue *queue, const uint8_t *data, size_t length)
{
	lock(queue);
	/* The new value takes the old one's place in the order, else a busy queue would never get to it. */
	push_latest(queue, &queue->counters.waiting, data, length, true);
	wake(queue);
	unlock(queue);
}

void queue_push_heartbeat(struct queue *queue, const uint8_t *data, size_t length)
{
	struct latest *latest = &queue->heartbeat;

	lock(queue);
	/* An accounting must not overtake its batches, nor wait for ever behind newer ones: the first one waiting stays. */
	push_latest(queue, latest->waiting ? &latest->newer : &latest->waiting, data, length,
		    false);
	wake(queue);
	unlock(queue);
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

static void give_entry(struct stream *stream, uint32_t number, struct queue_frame *frame)
{
	struct entry *entry = stream->cursor;

	stream->cursor = entry->next;
	*frame = (struct queue_frame){.item = QUEUE_BATCH,
				      .stream = number,
				      .first = entry->first,
				      .last = entry->last,
				      .data = entry->data,
				      .length = entry->length,
				      .ticket = entry->ticket};
	if (!is_gap(entry))
		return;
	frame->item = QUEUE_GAP;
	frame->data = NULL;
	frame->first = entry->given;
	frame->cause = entry->cause;
	entry->given = entry->last + 1;
	if (entry->shown < entry->given)
		entry->shown = entry->given;
}

bool queue_next(struct queue *queue, struct queue_frame *ret_frame)
{
	struct latest *latest = NULL;
	struct entry *oldest = NULL;
	uint32_t stream = 0;

	lock(queue);
	for (uint32_t i = 0; i < QUEUE_STREAMS; i++) {
		struct entry *entry = queue->streams[i].cursor;

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
		give_entry(&queue->streams[stream], stream, ret_frame);
	queue->idle = !oldest;
	unlock(queue);
	return oldest != NULL;
}

void queue_ack(struct queue *queue, uint32_t number, uint64_t next_seq)
{
	struct stream *stream = &queue->streams[number];
	struct entry *entry;

	lock(queue);
	if (next_seq > stream->pushed)
		next_seq = stream->pushed;
	while ((entry = stream->head) && entry->first < next_seq) {
		uint64_t end = next_seq <= entry->last ? next_seq : entry->last + 1;

		if (is_gap(entry) && entry->shown < end)
			stream->evicted[entry->cause - 1] -=
				end - (entry->shown > entry->first ? entry->shown : entry->first);
		if (end <= entry->last) {
			/* A batch goes as a whole; the head of a gap can go alone. */
			if (is_gap(entry)) {
				entry->first = end;
				if (entry->given < end)
					entry->given = end;
				if (entry->shown < end)
					entry->shown = end;
			} else {
				next_seq = entry->first;
			}
			break;
		}
		unlink_entry(stream, entry);
		entry_free(queue, stream, entry);
	}
	if (next_seq > stream->unacked)
		stream->unacked = next_seq;
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
	for (uint32_t i = 0; i < QUEUE_STREAMS; i++) {
		struct stream *stream = &queue->streams[i];

		stream->cursor = stream->head;
		for (struct entry *entry = stream->head; entry; entry = entry->next)
			entry->given = entry->first;
	}
	rewind_latest(queue, &queue->counters);
	rewind_latest(queue, &queue->heartbeat);
	unlock(queue);
}

uint64_t queue_unacked(const struct queue *queue, uint32_t stream)
{
	uint64_t unacked;

	lock(queue);
	unacked = queue->streams[stream].unacked;
	unlock(queue);
	return unacked;
}

void queue_evicted(const struct queue *queue, uint32_t stream, uint64_t ret_by_cause[2])
{
	lock(queue);
	memcpy(ret_by_cause, queue->streams[stream].evicted,
	       sizeof(queue->streams[stream].evicted));
	unlock(queue);
}

bool queue_empty(const struct queue *queue)
{
	bool empty;

	lock(queue);
	empty = !queue->streams[0].head && !queue->streams[SAMPLES].head &&
		!queue->counters.waiting && !queue->heartbeat.waiting;
	unlock(queue);
	return empty;
}
