/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cgroup file systems that are mounted here, v2 and v1 with the memory or pids controller, by
 * whole paths (see text_path.h): what a directory shows depends on our cgroup namespace, so its
 * root's whole path is worked out first.
 */
#ifndef RINGSIDE_SCOPE_MOUNTS_H
#define RINGSIDE_SCOPE_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scope/text_chain.h"
#include "scope/walk.h"

#define MOUNTS_MAX 24

struct cgroup_mount {
	uint32_t hierarchies;	 /* bits, 1 << enum scope_hierarchy */
	char root[CGROUP_PATH];	 /* whole path of the cgroup that is mounted */
	char point[CGROUP_PATH]; /* where */
};

struct mounts {
	/* Of our cgroup namespace, by hierarchy; empty: not known. */
	char ns_root[SELFPROBE_HIERARCHIES][CGROUP_PATH];
	struct cgroup_mount list[MOUNTS_MAX];
	size_t count;
};

/* NULL: no memory. Without a readable /proc it knows no mounts. */
struct mounts *mounts_new(const struct selfprobe_task *self);
void mounts_free(struct mounts *mounts);

/* Finds the cgroup at a whole path. False: no mount shows it. */
bool mounts_find(const struct mounts *mounts, uint16_t hierarchy, const char *path,
		 struct cgroup_ref *ret_ref);

/*
 * Finds the cgroup of a directory. 0; -ENOENT: the directory is no cgroup; -EXDEV: a cgroup of no
 * hierarchy of ours.
 */
int mounts_find_directory(const struct mounts *mounts, const char *directory,
			  struct cgroup_ref *ret_ref);

/* Calls `visit` for each cgroup that a mount shows (see walk.h); again where two mounts show it. */
void mounts_walk(const struct mounts *mounts, uint16_t hierarchy, walk_visit *visit, void *context);

/* The cgroup of a process by PID/cgroup in `proc` (NULL: our /proc), as its whole path: what is shown there is by our namespace too. */
int mounts_process_path(const struct mounts *mounts, const char *proc, uint32_t pid,
			uint16_t hierarchy, char *ret_path, size_t size);

#endif
