// SPDX-License-Identifier: Apache-2.0
#include "scope/mounts.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <linux/magic.h>

#include "event.h"
#include "scope/walk.h"

static int proc_path(const char *name, uint16_t hierarchy, char *ret_path, size_t size)
{
	char *line = NULL, *path = NULL;
	size_t room = 0;
	int err = -ENOENT;
	FILE *file;

	file = fopen(name, "re");
	if (!file)
		return -errno;
	while (getline(&line, &room, file) > 0) {
		if (!(proc_cgroup_parse(line, &path) & 1u << hierarchy))
			continue;
		err = (size_t)snprintf(ret_path, size, "%s", path) < size ? 0 : -ENAMETOOLONG;
		break;
	}
	free(line);
	fclose(file);
	return err;
}

static void ns_root_read(const struct selfprobe_task *self, uint16_t hierarchy, char *ret_path)
{
	char shown[CGROUP_PATH];
	struct cgroup_ref own;

	chain_ref(self, hierarchy, 0, &own);
	if (own.path[0] != '/' || proc_path("/proc/self/cgroup", hierarchy, shown, sizeof(shown)) ||
	    path_ns_root(own.path, shown, ret_path, CGROUP_PATH))
		ret_path[0] = '\0';
}

static void mount_add(struct mounts *mounts, uint32_t hierarchies, const char *root,
		      const char *point)
{
	struct cgroup_mount *mount = &mounts->list[mounts->count];
	uint16_t first = 0;

	while (!(hierarchies & 1u << first))
		first++;
	if (mounts->count == MOUNTS_MAX || strlen(point) >= sizeof(mount->point))
		return;
	if (!mounts->ns_root[first][0] ||
	    path_join(mounts->ns_root[first], root, mount->root, sizeof(mount->root)))
		return;
	memcpy(mount->point, point, strlen(point) + 1);
	mount->hierarchies = hierarchies;
	mounts->count++;
}

struct mounts *mounts_new(const struct selfprobe_task *self)
{
	struct mounts *mounts = calloc(1, sizeof(*mounts));
	char *line = NULL, *root, *point;
	size_t room = 0;
	FILE *file;

	if (!mounts)
		return NULL;
	for (uint16_t i = 0; i < SELFPROBE_HIERARCHIES; i++)
		ns_root_read(self, i, mounts->ns_root[i]);
	file = fopen("/proc/self/mountinfo", "re");
	if (!file)
		return mounts;
	while (getline(&line, &room, file) > 0) {
		uint32_t hierarchies = proc_mount_parse(line, &root, &point);

		if (hierarchies)
			mount_add(mounts, hierarchies, root, point);
	}
	free(line);
	fclose(file);
	return mounts;
}

void mounts_free(struct mounts *mounts)
{
	free(mounts);
}

static bool is_cgroup(const char *directory)
{
	struct statfs fs;

	return !statfs(directory, &fs) &&
	       (fs.f_type == CGROUP2_SUPER_MAGIC || fs.f_type == CGROUP_SUPER_MAGIC);
}

/* The inode's number is the cgroup's id: kernfs, 64-bit kernels. */
static uint64_t directory_id(const char *directory)
{
	struct stat st;

	return stat(directory, &st) || !S_ISDIR(st.st_mode) ? 0 : st.st_ino;
}

/* The part of `path` below the mount, appended to where it is mounted. */
static bool mount_directory(const struct cgroup_mount *mount, const char *path, char *ret_directory,
			    size_t size)
{
	const char *below = path_below(path, mount->root);

	return below && (size_t)snprintf(ret_directory, size, "%s%s", mount->point, below) < size;
}

static void ref_fill(uint16_t hierarchy, const char *path, const char *directory, uint64_t id,
		     struct cgroup_ref *ret_ref)
{
	memset(ret_ref, 0, sizeof(*ret_ref));
	ret_ref->id = id;
	ret_ref->hierarchy = hierarchy;
	ret_ref->level = path_depth(path);
	ret_ref->populated = walk_populated(directory, ret_ref);
	snprintf(ret_ref->path, sizeof(ret_ref->path), "%s", path);
}

bool mounts_find(const struct mounts *mounts, uint16_t hierarchy, const char *path,
		 struct cgroup_ref *ret_ref)
{
	char directory[CGROUP_PATH];
	uint64_t id;

	for (size_t i = 0; i < mounts->count; i++) {
		const struct cgroup_mount *mount = &mounts->list[i];

		if (!(mount->hierarchies & 1u << hierarchy) ||
		    !mount_directory(mount, path, directory, sizeof(directory)) ||
		    !is_cgroup(directory))
			continue;
		id = directory_id(directory);
		if (!id)
			continue;
		ref_fill(hierarchy, path, directory, id, ret_ref);
		return true;
	}
	return false;
}

int mounts_find_directory(const struct mounts *mounts, const char *directory,
			  struct cgroup_ref *ret_ref)
{
	char real[CGROUP_PATH], path[CGROUP_PATH];
	uint64_t id = directory_id(directory);

	if (!id || !is_cgroup(directory) || !realpath(directory, real))
		return -ENOENT;
	/* The last one mounted hides those before it. */
	for (size_t i = mounts->count; i-- > 0;) {
		const struct cgroup_mount *mount = &mounts->list[i];
		const char *below = path_below(real, mount->point);
		uint16_t hierarchy = 0;

		if (!below || path_join(mount->root, below, path, sizeof(path)))
			continue;
		while (!(mount->hierarchies & 1u << hierarchy))
			hierarchy++;
		ref_fill(hierarchy, path, directory, id, ret_ref);
		return 0;
	}
	return -EXDEV;
}

void mounts_walk(const struct mounts *mounts, uint16_t hierarchy, walk_visit *visit, void *context)
{
	struct cgroup_ref ref;

	for (size_t i = 0; i < mounts->count; i++) {
		const struct cgroup_mount *mount = &mounts->list[i];
		uint64_t id = directory_id(mount->point);

		if (!(mount->hierarchies & 1u << hierarchy) || !id || !is_cgroup(mount->point))
			continue;
		memset(&ref, 0, sizeof(ref));
		ref.id = id;
		ref.hierarchy = hierarchy;
		ref.level = path_depth(mount->root);
		memcpy(ref.path, mount->root, sizeof(ref.path));
		if (walk_from(mount->point, &ref, visit, context))
			return;
	}
}

int mounts_process_path(const struct mounts *mounts, const char *proc, uint32_t pid,
			uint16_t hierarchy, char *ret_path, size_t size)
{
	char name[PATH_MAX + 32], shown[CGROUP_PATH];
	int err;

	if (!mounts->ns_root[hierarchy][0])
		return -ENOENT;
	snprintf(name, sizeof(name), "%s/%u/cgroup", proc ? proc : "/proc", pid);
	err = proc_path(name, hierarchy, shown, sizeof(shown));
	return err ? err : path_join(mounts->ns_root[hierarchy], shown, ret_path, size);
}
