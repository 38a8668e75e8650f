/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A byte buffer with a fixed largest size. Not thread-safe. The owner embeds it.
 *
 *   data            head           tail            capacity
 *    | consumed ...  | unread bytes | room ...        |
 */
#ifndef RINGSIDE_BASE_BUF_H
#define RINGSIDE_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *data;
	size_t head;
	size_t tail;
	size_t capacity; /* allocated now */
	size_t limit;	 /* grows up to this by doubling */
};

/* Allocates `initial` bytes (0: none yet). 0 or -ENOMEM. */
int buf_init(struct buf *buf, size_t initial, size_t limit);
void buf_done(struct buf *buf);

size_t buf_length(const struct buf *buf);
uint8_t *buf_head(const struct buf *buf);
/* Makes room for `length` more bytes at the tail (moves or grows). 0, -ENOSPC past the limit, or -ENOMEM. */
int buf_reserve(struct buf *buf, size_t length);
/* 0, -ENOSPC or -ENOMEM; then nothing was appended. */
int buf_put(struct buf *buf, const void *data, size_t length);
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends all that a descriptor gives, waiting where it has nothing yet. 0; -errno; -EFBIG: past the limit, up to which it was read. */
int buf_read(struct buf *buf, int fd);
/* The same of a file, which may be one that is no plain file. */
int buf_read_file(struct buf *buf, const char *path);
/* Takes bytes off the front; `length` is at most buf_length. */
void buf_consume(struct buf *buf, size_t length);
/* Cuts the end off: back to a length seen before. */
void buf_truncate(struct buf *buf, size_t length);
void buf_clear(struct buf *buf);

#endif
