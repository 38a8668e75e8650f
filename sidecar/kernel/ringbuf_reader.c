// SPDX-License-Identifier: Apache-2.0
#include "kernel/ringbuf_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <bpf/libbpf.h>

#define PREFETCH 512

struct ringbuf_reader {
	struct ring_buffer *buffer;
	struct ring *ring;
	uint32_t number;
	struct event_wakeup *wakeup;
	event_taker *take;
	void *context;
};

static int take_record(void *context, void *data, size_t size)
{
	const struct ringbuf_reader *reader = context;
	const struct event_header *event = data;

	/* Records come from another CPU's cache: fetch those after the next while this one is taken. */
	__builtin_prefetch((const char *)data + PREFETCH);
	__builtin_prefetch((const char *)data + PREFETCH + 64);
	if (size < sizeof(*event) || event->length > size)
		return -EBADMSG;
	reader->take(reader->context, reader->number, event);
	return 0;
}

int ringbuf_reader_new(int map_fd, uint32_t ring, struct event_wakeup *wakeup, event_taker *take,
		       void *context, struct ringbuf_reader **ret_reader)
{
	struct ringbuf_reader *reader = calloc(1, sizeof(*reader));
	int err;

	if (!reader)
		return -ENOMEM;
	*reader = (struct ringbuf_reader){
		.number = ring, .wakeup = wakeup, .take = take, .context = context};
	reader->buffer = ring_buffer__new(map_fd, take_record, reader, NULL);
	if (!reader->buffer) {
		err = -errno;
		free(reader);
		return err;
	}
	reader->ring = ring_buffer__ring(reader->buffer, 0);
	*ret_reader = reader;
	return 0;
}

void ringbuf_reader_free(struct ringbuf_reader *reader)
{
	if (!reader)
		return;
	ring_buffer__free(reader->buffer);
	free(reader);
}

size_t ringbuf_reader_drain(struct ringbuf_reader *reader)
{
	const int taken = ring__consume(reader->ring);

	return taken > 0 ? (size_t)taken : 0;
}

void ringbuf_reader_sleep(struct ringbuf_reader *reader, enum wake_on on)
{
	__atomic_store_n(&reader->wakeup->asleep, on, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

bool ringbuf_reader_pending(const struct ringbuf_reader *reader)
{
	return ring__avail_data_size(reader->ring) != 0;
}
