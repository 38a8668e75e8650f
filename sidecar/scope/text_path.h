/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Paths of cgroups and the lines of /proc that hold them. A whole path begins at the hierarchy's
 * root: "/" is the root, and the level of a cgroup is the depth of its whole path. What /proc shows
 * is relative to our cgroup namespace's root and may begin with /.. ; a part of a whole path that
 * can't be known is a `?`.
 */
#ifndef RINGSIDE_SCOPE_TEXT_PATH_H
#define RINGSIDE_SCOPE_TEXT_PATH_H

#include <stddef.h>
#include <stdint.h>

#define CGROUP_PATH 4096

/*
 * The whole path of `relative` below the whole path `base`. -EINVAL: above the root; -ENAMETOOLONG.
 */
int path_join(const char *base, const char *relative, char *ret_path, size_t size);

uint32_t path_depth(const char *path);
/* The last component; "/" for the root. */
const char *path_name(const char *path);
/* What follows `base` in `path` ("" or "/..."), NULL: path is not at or below it. */
const char *path_below(const char *path, const char *base);

/*
 * The whole path of a cgroup namespace's root, from a cgroup's whole path and the same cgroup as
 * /proc shows it inside the namespace. -EINVAL: the two don't fit together.
 */
int path_ns_root(const char *whole, const char *shown, char *ret_path, size_t size);

/*
 * One line of /proc/PID/cgroup. Cuts it; returns a bit a hierarchy (1 << enum scope_hierarchy), 0:
 * none of ours.
 */
uint32_t proc_cgroup_parse(char *line, char **ret_path);
/* One line of /proc/PID/mountinfo, the same way. */
uint32_t proc_mount_parse(char *line, char **ret_root, char **ret_point);

#endif
