// SPDX-License-Identifier: Apache-2.0
#include "wire/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "ringside.pb-c.h"
#include "wire/frame.h"

#define HELLO_MAX     (64 * 1024)
#define HELLO_ARENA   (1024 * 1024)
#define CLOSE_WAIT_MS 500

struct capture {
	int fd;
	struct buf out;
	struct frame_arena *arena;
	struct buf given;   /* the current source's Hello as it was given, to compare */
	struct buf hello;   /* the same without its token; written when a frame comes, then empty */
	uint8_t agent[256]; /* who the source is: agent id and epoch */
	size_t agent_length;
	uint64_t epoch;
	uint64_t missed;
	uint64_t waiting; /* frames in `out`; of the first one, so many bytes are left */
	size_t first_left;
	uint64_t written; /* bytes; and of those, the ones of whole frames */
	uint64_t whole;
};

int capture_open(const char *path, struct capture **ret_capture)
{
	struct capture *capture = calloc(1, sizeof(*capture));
	int err = -ENOMEM;

	if (!capture)
		return -ENOMEM;
	capture->fd = -1;
	capture->arena = frame_arena_new(HELLO_ARENA);
	if (!capture->arena || buf_init(&capture->out, 64 * 1024, CAPTURE_BUFFER) ||
	    buf_init(&capture->given, 0, HELLO_MAX) || buf_init(&capture->hello, 0, HELLO_MAX))
		goto fail;
	capture->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0600);
	if (capture->fd < 0) {
		err = -errno;
		goto fail;
	}
	*ret_capture = capture;
	return 0;
fail:
	capture_close(capture, NULL);
	return err;
}

static bool same_source(const struct capture *capture, const Ringside__V1__Hello *hello)
{
	return capture->epoch == hello->epoch && capture->agent_length == hello->agent_id.len &&
	       !memcmp(capture->agent, hello->agent_id.data, hello->agent_id.len);
}

static int take_hello(struct capture *capture, Ringside__V1__AgentFrame *frame)
{
	Ringside__V1__Hello *hello = frame->hello;

	if (!hello->agent_id.len || hello->agent_id.len > sizeof(capture->agent))
		return -EBADMSG;
	if (same_source(capture, hello))
		return 0;
	memcpy(capture->agent, hello->agent_id.data, hello->agent_id.len);
	capture->agent_length = hello->agent_id.len;
	capture->epoch = hello->epoch;
	hello->token = (ProtobufCBinaryData){0};
	buf_clear(&capture->hello);
	return frame_put(&capture->hello, &frame->base);
}

int capture_source(struct capture *capture, const uint8_t *hello, size_t length)
{
	Ringside__V1__AgentFrame *frame;
	const uint8_t *message;
	size_t message_length;

	if (length && length == buf_length(&capture->given) &&
	    !memcmp(buf_head(&capture->given), hello, length))
		return 0;
	if (frame_next(hello, length, HELLO_MAX, &message, &message_length) != (long)length ||
	    !length)
		return -EBADMSG;
	frame = (Ringside__V1__AgentFrame *)frame_unpack(
		capture->arena, &ringside__v1__agent_frame__descriptor, message, message_length);
	if (!frame || frame->body_case != RINGSIDE__V1__AGENT_FRAME__BODY_HELLO)
		return -EBADMSG;
	buf_clear(&capture->given);
	buf_put(&capture->given, hello,
		length); /* without it the next Hello is looked at again, no more */
	return take_hello(capture, frame);
}

/* The file took `n` bytes more. */
static void advance(struct capture *capture, size_t n)
{
	const uint8_t *message;
	size_t length, step;

	for (; n; n -= step) {
		if (!capture->first_left)
			capture->first_left = (size_t)frame_next(
				buf_head(&capture->out), buf_length(&capture->out),
				buf_length(&capture->out), &message, &length);
		step = n < capture->first_left ? n : capture->first_left;
		buf_consume(&capture->out, step);
		capture->first_left -= step;
		capture->written += step;
		if (capture->first_left)
			continue;
		capture->whole = capture->written;
		capture->waiting--;
	}
}

/* Writes until the file takes no more. 0 (also when it must be tried later) or -errno. */
static int flush(struct capture *capture)
{
	while (buf_length(&capture->out)) {
		ssize_t n = write(capture->fd, buf_head(&capture->out), buf_length(&capture->out));

		if (n > 0)
			advance(capture, (size_t)n);
		else if (n < 0 && errno == EAGAIN)
			return 0;
		else if (n == 0 || errno != EINTR)
			return n ? -errno : -EIO;
	}
	return 0;
}

int capture_frame(struct capture *capture, const uint8_t *frame, size_t length)
{
	size_t needed = length + buf_length(&capture->hello);

	if (buf_reserve(&capture->out, needed) == -ENOSPC)
		flush(capture);
	if (buf_reserve(&capture->out, needed)) {
		capture->missed++;
		return -ENOBUFS;
	}
	capture->waiting += buf_length(&capture->hello) ? 2 : 1;
	buf_put(&capture->out, buf_head(&capture->hello), buf_length(&capture->hello));
	buf_clear(&capture->hello);
	buf_put(&capture->out, frame, length);
	return flush(capture);
}

static int finish(struct capture *capture)
{
	struct pollfd out = {.fd = capture->fd, .events = POLLOUT};
	int err = flush(capture);

	while (!err && buf_length(&capture->out)) {
		if (poll(&out, 1, CLOSE_WAIT_MS) > 0)
			err = flush(capture);
		else
			err = -ETIMEDOUT;
	}
	capture->missed += capture->waiting;
	/* A file ends with a whole frame; of a pipe, what was written is gone. */
	if (capture->whole < capture->written && ftruncate(capture->fd, (off_t)capture->whole))
		return err ? err : -errno;
	return err ? err : capture->missed ? -ENOBUFS : 0;
}

int capture_close(struct capture *capture, uint64_t *ret_missed)
{
	int err = 0;

	if (!capture)
		return 0;
	if (capture->fd >= 0) {
		err = finish(capture);
		close(capture->fd);
	}
	if (ret_missed)
		*ret_missed = capture->missed;
	buf_done(&capture->hello);
	buf_done(&capture->given);
	buf_done(&capture->out);
	frame_arena_free(capture->arena);
	free(capture);
	return err;
}
