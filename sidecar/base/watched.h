/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A file whose contents count anew whenever it is another one: by its inode, size and times, through symbolic links, as
 * Kubernetes swaps the files of a Secret. Not thread-safe. The owner embeds it.
 */
#ifndef RINGSIDE_BASE_WATCHED_H
#define RINGSIDE_BASE_WATCHED_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct watched {
	const char *path; /* borrowed; NULL: none, which never moves */
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec changed; /* ctime: chmod counts */
};

/* Whether the file is another one than at the last call, or there at all where that was the first. */
bool watched_moved(struct watched *watched);

#endif
