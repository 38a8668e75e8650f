// SPDX-License-Identifier: Apache-2.0
#include "base/watched.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

#define STEP 4096

bool watched_moved(struct watched *watched)
{
	struct stat now = {0};
	bool same;

	if (!watched->path)
		return false;
	/* Errors leave it zeroed. */
	if (stat(watched->path, &now))
		now = (struct stat){0};
	same = watched->device == now.st_dev && watched->inode == now.st_ino &&
	       watched->size == now.st_size && watched->changed.tv_sec == now.st_ctim.tv_sec &&
	       watched->changed.tv_nsec == now.st_ctim.tv_nsec;
	watched->device = now.st_dev;
	watched->inode = now.st_ino;
	watched->size = now.st_size;
	watched->changed = now.st_ctim;
	return !same;
}

int watched_read(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;
	int err = 0;

	if (fd < 0)
		return -errno;
	while (!err && n) {
		err = buf_reserve(out, STEP);
		if (err)
			break;
		n = read(fd, out->data + out->tail, STEP);
		if (n < 0)
			err = -errno;
		else
			out->tail += (size_t)n;
	}
	close(fd);
	return err == -ENOSPC ? -EFBIG : err;
}
