// SPDX-License-Identifier: Apache-2.0
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* A buffer that one large frame blew up goes back to the system once it is empty. */
#define KEEP (4u * 1024 * 1024)

int output_init(struct output *output, int fd, size_t limit)
{
	char path[32];
	struct stat status;
	int own = -1, flags;

	*output = (struct output){.fd = fd, .flags = -1};
	flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fstat(fd, &status))
		return -errno;
	/* A regular file never blocks, and a second description would begin at its start. */
	if (!S_ISREG(status.st_mode)) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (!S_ISSOCK(status.st_mode))
			own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (own >= 0) {
			output->fd = own;
			output->reopened = true;
		} else if (!(flags & O_NONBLOCK) && !fcntl(fd, F_SETFL, flags | O_NONBLOCK)) {
			output->flags = flags;
		}
	}
	return buf_init(&output->buf, 64 * 1024, limit);
}

void output_done(struct output *output)
{
	if (output->reopened)
		close(output->fd);
	else if (output->flags >= 0)
		fcntl(output->fd, F_SETFL, output->flags);
	buf_done(&output->buf);
	*output = (struct output){.fd = -1, .flags = -1};
}

int output_flush(struct output *output)
{
	size_t limit = output->buf.limit;

	while (buf_length(&output->buf)) {
		ssize_t n = write(output->fd, buf_head(&output->buf), buf_length(&output->buf));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		buf_consume(&output->buf, (size_t)n);
		output->written += (uint64_t)n;
	}
	if (output->buf.capacity > KEEP) {
		buf_done(&output->buf);
		return buf_init(&output->buf, 64 * 1024, limit);
	}
	return 0;
}

uint64_t output_position(const struct output *output)
{
	return output->written + buf_length(&output->buf);
}
