// SPDX-License-Identifier: Apache-2.0
#include "spool/entry.h"

#include <string.h>

#define SAMPLES 1

static bool is_gap(const struct entry *entry)
{
	return entry->length == 0;
}

static void release(struct entries *entries, struct stream *stream, struct entry *entry)
{
	if (entry == &stream->spare)
		return;
	stream->used -= arena_cost(sizeof(*entry) + entry->length);
	arena_release(&entries->arena, entry);
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
static bool evict(struct entries *entries, struct stream *stream)
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
		release(entries, stream, entry);
		gap_grow(stream, before, last);
		entry = before;
	} else {
		stream->used -=
			arena_cost(sizeof(*entry) + entry->length) - arena_cost(sizeof(*entry));
		arena_shrink(&entries->arena, entry, sizeof(*entry));
		entry->length = 0;
		entry->cause = GAP_QUEUE_FULL;
		entry->given = entry->shown = entry->first;
	}
	after = entry->next;
	if (after && joins(entry, after->first, after->cause) && is_gap(after) &&
	    after->shown == after->first && after != &stream->spare) {
		uint64_t last = after->last;

		unlink_entry(stream, after);
		release(entries, stream, after);
		gap_grow(stream, entry, last);
	}
	return true;
}

struct entry *entry_new(struct entries *entries, uint32_t number, size_t length)
{
	struct stream *stream = &entries->streams[number];
	size_t cost = arena_cost(sizeof(struct entry) + length);
	struct entry *entry;

	if (cost > stream->limit)
		return NULL;
	for (;;) {
		entry = NULL;
		if (stream->used + cost <= stream->limit)
			entry = arena_alloc(&entries->arena, sizeof(*entry) + length);
		if (entry)
			break;
		if (number != SAMPLES && evict(entries, &entries->streams[SAMPLES]))
			continue;
		if (!evict(entries, stream))
			return NULL;
	}
	stream->used += cost;
	*entry = (struct entry){.length = (uint32_t)length, .ticket = entries->ticket++};
	return entry;
}

/* Moves the spare gap into the arena, so that an entry can follow it. */
static bool settle_spare(struct entries *entries, uint32_t number)
{
	struct stream *stream = &entries->streams[number];
	struct entry *entry, *cursor;

	if (stream->tail != &stream->spare)
		return true;
	entry = entry_new(entries, number, 0);
	if (!entry)
		return false;
	if (stream->tail->prev &&
	    joins(stream->tail->prev, stream->spare.first, stream->spare.cause) &&
	    stream->spare.shown == stream->spare.first) {
		release(entries, stream, entry);
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

void entry_free(struct entries *entries, uint32_t stream, struct entry *entry)
{
	release(entries, &entries->streams[stream], entry);
}

void entries_put_gap(struct entries *entries, uint32_t number, uint64_t first, uint64_t last,
		     uint32_t cause)
{
	struct stream *stream = &entries->streams[number];
	struct entry *tail = stream->tail, *entry;

	stream->evicted[cause - 1] += last - first + 1;
	stream->pushed = last + 1;
	if (tail && joins(tail, first, cause)) {
		gap_grow(stream, tail, last);
		return;
	}
	entry = settle_spare(entries, number) ? entry_new(entries, number, 0) : NULL;
	tail = stream->tail;
	if (tail && (joins(tail, first, cause) || (!entry && tail == &stream->spare))) {
		/* Evicting for room made the neighbour a gap; or there is room for neither, and the spare takes any cause. */
		if (entry)
			release(entries, stream, entry);
		gap_grow(stream, tail, last);
		return;
	}
	if (!entry) {
		entry = &stream->spare;
		*entry = (struct entry){.ticket = entries->ticket++};
	}
	entry->first = entry->given = entry->shown = first;
	entry->last = last;
	entry->cause = cause;
	link_tail(stream, entry);
}

void entries_put_batch(struct entries *entries, uint32_t stream, uint64_t first, uint64_t last,
		       const uint8_t *data, size_t length)
{
	struct entry *entry = NULL;

	if (settle_spare(entries, stream))
		entry = entry_new(entries, stream, length);
	if (!entry) {
		entries_put_gap(entries, stream, first, last, GAP_QUEUE_FULL);
		return;
	}
	entry->first = first;
	entry->last = last;
	memcpy(entry->data, data, length);
	link_tail(&entries->streams[stream], entry);
	entries->streams[stream].pushed = last + 1;
}

void entries_give(struct entries *entries, uint32_t number, struct queue_frame *frame)
{
	struct stream *stream = &entries->streams[number];
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

void entries_ack(struct entries *entries, uint32_t number, uint64_t next_seq)
{
	struct stream *stream = &entries->streams[number];
	struct entry *entry;

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
		release(entries, stream, entry);
	}
	if (next_seq > stream->unacked)
		stream->unacked = next_seq;
}

void entries_rewind(struct entries *entries)
{
	for (uint32_t i = 0; i < QUEUE_STREAMS; i++) {
		struct stream *stream = &entries->streams[i];

		stream->cursor = stream->head;
		for (struct entry *entry = stream->head; entry; entry = entry->next)
			entry->given = entry->first;
	}
}
