// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUF_SMALLEST 256
#define READ_BYTES   4096

int buf_init(struct buf *buf, size_t initial, size_t limit)
{
	*buf = (struct buf){.capacity = initial, .limit = limit};
	if (initial) {
		buf->data = malloc(initial);
		if (!buf->data) {
			buf->capacity = 0;
			return -ENOMEM;
		}
	}
	return 0;
}

void buf_done(struct buf *buf)
{
	if (!buf)
		return;
	free(buf->data);
	*buf = (struct buf){0};
}

size_t buf_length(const struct buf *buf)
{
	return buf->tail - buf->head;
}

uint8_t *buf_head(const struct buf *buf)
{
	return buf->data ? buf->data + buf->head : NULL;
}

static int grow(struct buf *buf, size_t needed)
{
	size_t capacity = buf->capacity ? buf->capacity : BUF_SMALLEST;
	uint8_t *data;

	while (capacity < needed && capacity <= buf->limit / 2)
		capacity *= 2;
	if (capacity < needed || capacity > buf->limit)
		capacity = buf->limit;
	data = realloc(buf->data, capacity);
	if (!data)
		return -ENOMEM;
	buf->data = data;
	buf->capacity = capacity;
	return 0;
}

int buf_reserve(struct buf *buf, size_t length)
{
	size_t unread = buf_length(buf);

	if (length <= buf->capacity - buf->tail)
		return 0;
	if (unread > buf->limit || length > buf->limit - unread)
		return -ENOSPC;
	if (buf->head) {
		memmove(buf->data, buf->data + buf->head, unread);
		buf->head = 0;
		buf->tail = unread;
	}
	if (length <= buf->capacity - buf->tail)
		return 0;
	return grow(buf, unread + length);
}

int buf_put(struct buf *buf, const void *data, size_t length)
{
	int err = buf_reserve(buf, length);

	if (err)
		return err;
	if (length)
		memcpy(buf->data + buf->tail, data, length);
	buf->tail += length;
	return 0;
}

int buf_printf(struct buf *buf, const char *format, ...)
{
	va_list arguments;
	int length, err;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length < 0)
		return -EINVAL;
	/* vsnprintf writes a NUL past the end, so room for that too. */
	err = buf_reserve(buf, (size_t)length + 1);
	if (err)
		return err;
	va_start(arguments, format);
	vsnprintf((char *)buf->data + buf->tail, (size_t)length + 1, format, arguments);
	va_end(arguments);
	buf->tail += (size_t)length;
	return 0;
}

int buf_read(struct buf *buf, int fd)
{
	struct pollfd in = {.fd = fd, .events = POLLIN};

	for (;;) {
		ssize_t n;
		int err = buf_reserve(buf, READ_BYTES);

		if (err)
			return err == -ENOSPC ? -EFBIG : err;
		n = read(fd, buf->data + buf->tail, READ_BYTES);
		if (n > 0)
			buf->tail += (size_t)n;
		else if (!n)
			return 0;
		else if (errno == EAGAIN)
			poll(&in, 1, -1);
		else if (errno != EINTR)
			return -errno;
	}
}

int buf_read_file(struct buf *buf, const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	err = buf_read(buf, fd);
	close(fd);
	return err;
}

void buf_consume(struct buf *buf, size_t length)
{
	buf->head += length;
	if (buf->head == buf->tail)
		buf_clear(buf);
}

void buf_truncate(struct buf *buf, size_t length)
{
	buf->tail = buf->head + length;
}

void buf_clear(struct buf *buf)
{
	buf->head = buf->tail = 0;
}
