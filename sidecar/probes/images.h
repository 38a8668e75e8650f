/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that getaddrinfo's programs are attached to, and the search for more in the files that processes map. One
 * thread. Each file is looked at once; what has the function is attached at once.
 */
#ifndef RINGSIDE_PROBES_IMAGES_H
#define RINGSIDE_PROBES_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_program;
struct images;

struct images_config {
	struct bpf_program *enter, *leave,
		*dlopen; /* leave, dlopen: NULL where no return probe may be attached */
	bool multi;	 /* by uprobe_multi links, else by perf events */
};

/* What a look at a process found. */
struct images_look {
	bool alive;	    /* its map could be read */
	bool denied;	    /* we may not open its files */
	bool gone;	    /* a file of it could no longer be opened: it was ending */
	size_t found;	    /* mapped files that have the function */
	uint64_t newest_ns; /* when the last of these was attached, CLOCK_BOOTTIME */
	bool unresolved;    /* by path: one of its libraries could not be found */
	uint64_t
		inode; /* of its executable, with the kernel's encoding of the device; 0: not known */
	uint32_t device;
	bool unseen; /* its own executable has a resolver that we can't see, or is of another class */
};

/* NULL: no memory. */
struct images *images_new(const struct images_config *config);
void images_free(struct images *images);
/* Files attached to. */
size_t images_count(const struct images *images);

/* Looks at all files that the process maps as code. `pid` as our /proc numbers it. */
void images_look_process(struct images *images, uint32_t pid, struct images_look *ret_look);
/*
 * A process that is gone: looks at its executable, its interpreter and the libraries that they name, by path under the root of
 * `root_pid` (0: our own root). Where `inode` is not 0, only if that is the file's.
 */
void images_look_path(struct images *images, uint32_t root_pid, const char *path, uint64_t inode,
		      struct images_look *ret_look);
/* The usual libraries under a root, before any process has mapped them. */
void images_look_root(struct images *images, uint32_t root_pid);

/* Why the last attach failed; empty: none did. */
const char *images_failure(const struct images *images);

#endif
