/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One BPF ring buffer and the word by which its reader says what wakes it (struct event_wakeup). One thread. What it must do
 * before it sleeps: ringbuf_reader_sleep, then a look by ringbuf_reader_pending.
 */
#ifndef RINGSIDE_KERNEL_RINGBUF_READER_H
#define RINGSIDE_KERNEL_RINGBUF_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>

#include "event.h"

struct ringbuf_reader;

/* Called for each record, in ring order; it is longer than `event->length` where it was built in a larger room. */
typedef void event_taker(void *context, uint32_t ring, const struct event_header *event);

/* `wakeup` is borrowed: it lies in memory that BPF maps too. 0 or -errno. */
int ringbuf_reader_new(int map_fd, uint32_t ring, struct event_wakeup *wakeup, event_taker *take,
		       void *context, struct ringbuf_reader **ret_reader);
void ringbuf_reader_free(struct ringbuf_reader *reader);

/* Takes all that is there. Returns the number of records. */
size_t ringbuf_reader_drain(struct ringbuf_reader *reader);
void ringbuf_reader_sleep(struct ringbuf_reader *reader, enum wake_on on);
bool ringbuf_reader_pending(const struct ringbuf_reader *reader);

#endif
