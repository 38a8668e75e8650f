/* SPDX-License-Identifier: Apache-2.0 */
/* Walks the directories of a mounted cgroup tree. A directory that can't be read is passed over. */
#ifndef RINGSIDE_SCOPE_WALK_H
#define RINGSIDE_SCOPE_WALK_H

#include <stdbool.h>

struct cgroup_ref;

/*
 * The ref's `populated` is not filled: ask walk_populated with the directory. True stops the walk.
 */
typedef bool walk_visit(void *context, const struct cgroup_ref *ref, const char *directory);

/* Visits `ref` (of that directory) and all cgroups below, parents first. True: it was stopped. */
bool walk_from(const char *directory, const struct cgroup_ref *ref, walk_visit *visit,
	       void *context);

/*
 * Whether processes are in the cgroup or below. The root counts as populated. v1 shows only the
 * processes of our own PID namespace.
 */
bool walk_populated(const char *directory, const struct cgroup_ref *ref);

#endif
