// SPDX-License-Identifier: Apache-2.0
/* The values that name any cgroup of the host: by path, by id, by container id. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "scope/mounts.h"
#include "scope/resolve.h"
#include "scope/scope.h"
#include "scope/tasks.h"
#include "scope/text_name.h"

#define DOCKER_LISTED 4

/* "v2 at /sys/fs/cgroup, memory at ..., and the processes seen from here" */
static void searched_describe(const struct mounts *mounts, uint32_t hierarchies, char *ret_text,
			      size_t size)
{
	size_t length = 0;

	ret_text[0] = '\0';
	for (size_t i = 0; i < mounts->count && length < size; i++) {
		for (uint16_t h = 0; h < SELFPROBE_HIERARCHIES && length < size; h++) {
			if (mounts->list[i].hierarchies & hierarchies & 1u << h)
				length += (size_t)snprintf(ret_text + length, size - length,
							   "%s at %.64s, ", hierarchy_name(h),
							   mounts->list[i].point);
		}
	}
	if (length < size)
		snprintf(ret_text + length, size - length, "the processes seen from here");
}

struct path_search {
	char whole[SELFPROBE_HIERARCHIES][CGROUP_PATH]; /* empty: can't be in this hierarchy */
	struct cgroup_ref refs[SELFPROBE_HIERARCHIES];
};

static bool visit_path(void *context, const struct selfprobe_task *task)
{
	struct path_search *search = context;
	struct cgroup_ref own;

	for (uint16_t i = 0; i < SELFPROBE_HIERARCHIES; i++) {
		const char *below;

		chain_ref(task, i, 0, &own);
		below = search->whole[i][0] && own.id ? path_below(own.path, search->whole[i])
						      : NULL;
		if (below)
			chain_ref(task, i, path_depth(below), &search->refs[i]);
	}
	return false;
}

int resolve_path(struct resolver *resolver, const char *path, struct cgroup_ref *ret_ref)
{
	const struct mounts *mounts = resolver->mounts;
	struct path_search search = {};
	const struct cgroup_ref *best;
	char text[SCOPE_TEXT];
	int err;

	err = mounts_find_directory(mounts, path, ret_ref);
	if (!err)
		return 0;
	if (err == -EXDEV)
		return resolver_refuse(resolver, -EINVAL,
				       "name a cgroup of v2, or of v1's memory or pids controller",
				       "this directory is of another cgroup hierarchy");
	for (uint16_t i = 0; i < SELFPROBE_HIERARCHIES; i++) {
		if (!mounts->ns_root[i][0] ||
		    path_join(mounts->ns_root[i], path, search.whole[i], sizeof(search.whole[i]))) {
			search.whole[i][0] = '\0';
			continue;
		}
		mounts_find(mounts, i, search.whole[i], &search.refs[i]);
	}
	tasks_each(resolver->tasks, resolver->seen, 0, visit_path, &search);
	best = refs_choose(search.refs);
	if (best) {
		*ret_ref = *best;
		return 0;
	}
	searched_describe(mounts, ~0u, text, sizeof(text));
	return resolver_refuse(
		resolver, -ENOENT,
		"give what /proc/PID/cgroup shows here, or a directory under a cgroup mount",
		"no such cgroup; searched %s", text);
}

struct id_search {
	uint16_t hierarchy;
	uint64_t id;
	struct cgroup_ref ref;
};

static bool visit_task_id(void *context, const struct selfprobe_task *task)
{
	struct id_search *search = context;
	int index = chain_find_id(&task->chains[search->hierarchy], search->id);

	if (index < 0)
		return false;
	chain_ref(task, search->hierarchy, (uint32_t)index, &search->ref);
	return true;
}

static bool visit_directory_id(void *context, const struct cgroup_ref *ref, const char *directory)
{
	struct id_search *search = context;

	if (ref->id != search->id)
		return false;
	search->ref = *ref;
	search->ref.populated = walk_populated(directory, ref);
	return true;
}

int resolve_id(struct resolver *resolver, uint16_t hierarchy, uint64_t id,
	       struct cgroup_ref *ret_ref)
{
	struct id_search search = {.hierarchy = hierarchy, .id = id};
	char text[SCOPE_TEXT];

	visit_task_id(&search, &resolver->self);
	if (!search.ref.id)
		mounts_walk(resolver->mounts, hierarchy, visit_directory_id, &search);
	if (!search.ref.id)
		tasks_each(resolver->tasks, resolver->seen, 0, visit_task_id, &search);
	if (search.ref.id) {
		*ret_ref = search.ref;
		return 0;
	}
	if (!resolver->self.chains[hierarchy].count)
		return resolver_refuse(resolver, -ENOENT, "give the id of a v2 cgroup: id:N",
				       "this kernel has no v1 hierarchy with the %s controller",
				       hierarchy_name(hierarchy));
	searched_describe(resolver->mounts, 1u << hierarchy, text, sizeof(text));
	return resolver_refuse(
		resolver, -ENOENT, "give the inode number of the cgroup's directory (stat -c %i)",
		"no %s cgroup has this id; searched %s", hierarchy_name(hierarchy), text);
}

struct docker_search {
	const char *prefix;
	char ids[DOCKER_LISTED][CONTAINER_ID + 1];
	size_t count; /* of different ids; those past DOCKER_LISTED are not kept */
	bool twice;   /* one id, two cgroups, neither inside the other */
	struct cgroup_ref refs[SELFPROBE_HIERARCHIES]; /* of ids[0]; the outermost */
};

/* Whether the cgroup is of the container that was found first. Notes another one. */
static bool docker_match(struct docker_search *search, const char *name)
{
	size_t known = search->count < DOCKER_LISTED ? search->count : DOCKER_LISTED;
	const char *id;

	if (!scope_container_id(name, &id) ||
	    strncmp(id, search->prefix, strlen(search->prefix)) != 0)
		return false;
	for (size_t i = 0; i < known; i++) {
		if (memcmp(search->ids[i], id, CONTAINER_ID) == 0)
			return i == 0;
	}
	if (search->count < DOCKER_LISTED)
		memcpy(search->ids[search->count], id, CONTAINER_ID);
	return search->count++ == 0;
}

static void docker_take(struct docker_search *search, const struct cgroup_ref *ref)
{
	struct cgroup_ref *found = &search->refs[ref->hierarchy];

	if (found->id && found->id != ref->id && !path_below(ref->path, found->path)) {
		if (!path_below(found->path, ref->path)) {
			search->twice = true;
			return;
		}
		found->id = 0;
	}
	if (!found->id)
		*found = *ref;
	else if (found->id == ref->id)
		found->populated |= ref->populated;
}

static bool visit_directory_docker(void *context, const struct cgroup_ref *ref,
				   const char *directory)
{
	struct cgroup_ref found;

	if (docker_match(context, path_name(ref->path))) {
		found = *ref;
		found.populated = walk_populated(directory, ref);
		docker_take(context, &found);
	}
	return false;
}

static bool visit_task_docker(void *context, const struct selfprobe_task *task)
{
	struct cgroup_ref ref;

	for (uint16_t h = 0; h < SELFPROBE_HIERARCHIES; h++) {
		for (uint32_t i = 0; i < task->chains[h].count; i++) {
			if (!docker_match(context, task->chains[h].nodes[i].name))
				continue;
			chain_ref(task, h, i, &ref);
			docker_take(context, &ref);
		}
	}
	return false;
}

int resolve_docker(struct resolver *resolver, const char *prefix, struct cgroup_ref *ret_ref)
{
	struct docker_search search = {.prefix = prefix};
	const struct cgroup_ref *best;
	char text[SCOPE_TEXT];

	visit_task_docker(&search, &resolver->self);
	for (uint16_t i = 0; i < SELFPROBE_HIERARCHIES; i++)
		mounts_walk(resolver->mounts, i, visit_directory_docker, &search);
	tasks_each(resolver->tasks, resolver->seen, 0, visit_task_docker, &search);
	if (search.count > 1) {
		snprintf(text, sizeof(text), "%s, %s%s%s%s", search.ids[0], search.ids[1],
			 search.count > 2 ? ", " : "", search.ids[2],
			 search.count > 3 ? ", ..." : "");
		return resolver_refuse(resolver, -EINVAL, "give more digits of the id",
				       "%zu containers have such an id: %s", search.count, text);
	}
	best = refs_choose(search.refs);
	if (search.twice)
		return resolver_refuse(
			resolver, -EINVAL, "say which: cgroup:/PATH or id:N",
			"more than one cgroup holds this container id; one is %.200s",
			best ? best->path : "");
	if (best) {
		*ret_ref = *best;
		return 0;
	}
	searched_describe(resolver->mounts, ~0u, text, sizeof(text));
	return resolver_refuse(
		resolver, -ENOENT,
		"share the container's PID namespace (--pid=container:NAME), or mount the host's "
		"/sys/fs/cgroup",
		"no cgroup holds such a container id; searched %s", text);
}
