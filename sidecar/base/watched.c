// SPDX-License-Identifier: Apache-2.0
#include "base/watched.h"

#include <sys/stat.h>

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
