// SPDX-License-Identifier: Apache-2.0
#include "cmd/local.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "kernel/drop.h"
#include "probes/probe.h"
#include "spool/queue.h"
#include "wire/batch.h"
#include "wire/frame.h"
#include "wire/printer.h"

#define STACK	   (512 * 1024) /* an exec's argument list is laid out on it */
#define TEXT_MAX   (32 * 1024 * 1024)
#define IN_LINE_MS 200 /* past the deadline, for the rest of a line */
#define ARENA_MAX  (16 * 1024 * 1024)

struct local {
	struct queue *queue;
	enum row_format format;
	struct printer *printer;
	struct printer_source *source;
	struct frame_arena *arena;
	struct buf text;    /* printed, on its way to stdout */
	struct buf scratch; /* a gap's frame */
	pthread_t thread;
	int failed_fd;	     /* eventfd: stdout failed */
	int finish_fd;	     /* eventfd: print what is left and end */
	int give_up_fd;	     /* eventfd: no more time for stdout */
	int done_fd;	     /* eventfd: the thread has ended */
	bool is_file;	     /* stdout never makes us wait */
	_Atomic int failure; /* errno of stdout */
	_Atomic uint64_t cpu_ns;
};

/* As many whole lines as a pipe takes at once; of a longer line, a part. */
static size_t next_piece(const struct local *local)
{
	const uint8_t *text = buf_head(&local->text), *end;
	const size_t length = buf_length(&local->text);

	if (local->is_file || length <= PIPE_BUF)
		return length;
	end = memrchr(text, '\n', PIPE_BUF);
	return end ? (size_t)(end - text) + 1 : PIPE_BUF;
}

/*
 * Waits for stdout as long as it likes, until there is no more time; then it ends behind a whole line if it can: a part of one is
 * followed by its rest for a moment longer.
 */
static bool wait_for_stdout(struct local *local, bool in_line)
{
	struct pollfd fds[] = {
		{.fd = STDOUT_FILENO, .events = POLLOUT},
		{.fd = local->give_up_fd, .events = POLLIN},
	};

	if (poll(fds, 2, -1) < 0)
		return errno == EINTR;
	if (fds[1].revents)
		return in_line && poll(fds, 1, IN_LINE_MS) == 1;
	return true;
}

static bool write_out(struct local *local)
{
	bool in_line = false;

	while (buf_length(&local->text)) {
		const size_t piece = next_piece(local);
		ssize_t n;

		if (!wait_for_stdout(local, in_line))
			return false;
		n = write(STDOUT_FILENO, buf_head(&local->text), piece);
		if (n > 0) {
			in_line = buf_head(&local->text)[n - 1] != '\n';
			buf_consume(&local->text, (size_t)n);
		} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
			local->failure = n ? errno : EIO;
			return false;
		}
	}
	return true;
}

/* False: stdout does not take it. */
static bool print_frames(struct local *local, const struct queue_frame *frame)
{
	const uint8_t *data = frame->data, *message;
	size_t length = frame->length, message_length;
	ProtobufCMessage *unpacked;
	const char *why;
	long taken;

	if (frame->item == QUEUE_GAP) {
		buf_clear(&local->scratch);
		session_put_gap(&local->scratch, frame->stream, frame->first, frame->last,
				frame->cause);
		data = buf_head(&local->scratch);
		length = buf_length(&local->scratch);
	}
	while ((taken = frame_next(data, length, FRAME_MAX, &message, &message_length)) > 0) {
		unpacked = frame_unpack(local->arena, &ringside__v1__agent_frame__descriptor,
					message, message_length);
		if (unpacked)
			printer_frame(local->printer, local->source,
				      (const Ringside__V1__AgentFrame *)unpacked, &why);
		if (!write_out(local))
			return false;
		data += taken;
		length -= (size_t)taken;
	}
	return true;
}

static bool print_queued(struct local *local)
{
	struct queue_frame frame;
	struct timespec cpu;

	while (queue_next(local->queue, &frame)) {
		if (!print_frames(local, &frame))
			return false;
		if (frame.item == QUEUE_BATCH || frame.item == QUEUE_GAP)
			queue_ack(local->queue, frame.stream, frame.last + 1);
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
	local->cpu_ns = (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec;
	return true;
}

static void *local_thread(void *context)
{
	struct local *local = context;
	struct pollfd fds[] = {
		{.fd = queue_fd(local->queue), .events = POLLIN},
		{.fd = local->finish_fd, .events = POLLIN},
		/* Nobody reads stdout any more: known at once, not with the next record. */
		{.fd = STDOUT_FILENO, .events = 0},
	};
	uint64_t count;

	drop_all_but(0);
	for (;;) {
		poll(fds, 3, -1);
		if (fds[2].revents & POLLERR && local->format != ROW_NONE) {
			local->failure = EPIPE;
			break;
		}
		if (fds[2].revents)
			fds[2].fd = -1;
		if (fds[0].revents && read(fds[0].fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
			break;
		if (!print_queued(local) || fds[1].revents)
			break;
	}
	if (local->failure)
		eventfd_write(local->failed_fd, 1);
	eventfd_write(local->done_fd, 1);
	return NULL;
}

struct local *local_new(struct queue *queue, const struct session_hello *hello,
			enum row_format format)
{
	struct local *local = calloc(1, sizeof(*local));
	const uint8_t *message;
	size_t length;
	ProtobufCMessage *unpacked;
	struct stat status;

	if (!local)
		return NULL;
	local->queue = queue;
	local->format = format;
	local->failed_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	local->finish_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	local->give_up_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	local->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	local->is_file = !fstat(STDOUT_FILENO, &status) && S_ISREG(status.st_mode);
	local->arena = frame_arena_new(ARENA_MAX);
	if (local->failed_fd < 0 || local->finish_fd < 0 || local->give_up_fd < 0 ||
	    local->done_fd < 0 || !local->arena || buf_init(&local->text, 64 * 1024, TEXT_MAX) ||
	    buf_init(&local->scratch, 4096, FRAME_MAX))
		goto fail;
	local->printer =
		printer_new(format, isatty(STDOUT_FILENO), wire_kinds, UINT64_MAX, &local->text);
	if (!local->printer || session_put_hello(&local->scratch, hello) ||
	    frame_next(buf_head(&local->scratch), buf_length(&local->scratch), FRAME_MAX, &message,
		       &length) <= 0)
		goto fail;
	unpacked =
		frame_unpack(local->arena, &ringside__v1__agent_frame__descriptor, message, length);
	if (unpacked)
		local->source =
			printer_source_new(((Ringside__V1__AgentFrame *)unpacked)->hello, false);
	if (!local->source)
		goto fail;
	return local;
fail:
	local_free(local);
	return NULL;
}

int local_start(struct local *local)
{
	pthread_attr_t attributes;
	int err;

	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK);
	err = -pthread_create(&local->thread, &attributes, local_thread, local);
	pthread_attr_destroy(&attributes);
	return err;
}

int local_fd(const struct local *local)
{
	return local->failed_fd;
}

const char *local_failure(const struct local *local)
{
	return strerror(local->failure);
}

int local_finish(struct local *local, uint64_t deadline_ns)
{
	struct pollfd done = {.fd = local->done_fd, .events = POLLIN};
	const uint64_t now = clock_monotonic_ns();

	eventfd_write(local->finish_fd, 1);
	if (poll(&done, 1, deadline_ns > now ? (int)((deadline_ns - now) / 1000000) : 0) > 0) {
		pthread_join(local->thread, NULL);
		return local->failure ? -EPIPE : 0;
	}
	eventfd_write(local->give_up_fd, 1);
	if (poll(&done, 1, 2 * IN_LINE_MS) <= 0)
		return -EBUSY;
	pthread_join(local->thread, NULL);
	return -ETIMEDOUT;
}

void local_free(struct local *local)
{
	if (!local)
		return;
	printer_free(local->printer);
	printer_source_free(local->source);
	frame_arena_free(local->arena);
	buf_done(&local->text);
	buf_done(&local->scratch);
	for (size_t i = 0; i < 4; i++) {
		const int fd = (const int[]){local->failed_fd, local->finish_fd, local->give_up_fd,
					     local->done_fd}[i];

		if (fd >= 0)
			close(fd);
	}
	free(local);
}

uint64_t local_cpu_ns(const struct local *local)
{
	return local->cpu_ns;
}
