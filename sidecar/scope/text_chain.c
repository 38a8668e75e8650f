// SPDX-License-Identifier: Apache-2.0
#include "scope/text_chain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "scope/scope.h"
#include "scope/text_name.h"

const char *hierarchy_name(uint32_t hierarchy)
{
	static const char *const names[SELFPROBE_HIERARCHIES] = {"v2", "memory", "pids"};

	return hierarchy < SELFPROBE_HIERARCHIES ? names[hierarchy] : "unknown";
}

/* The root's node is the last one, and has no name of its own. */
static void chain_path(const struct selfprobe_chain *chain, uint32_t index, char *ret_path,
		       size_t size)
{
	size_t length = 0;

	if (chain->count != chain->level + 1) {
		snprintf(ret_path, size, "%s", chain->nodes[index].name);
		return;
	}
	if (index + 1 == chain->count)
		snprintf(ret_path, size, "/");
	for (uint32_t i = chain->count - 1; i-- > index && length < size;)
		length += (size_t)snprintf(ret_path + length, size - length, "/%s",
					   chain->nodes[i].name);
	if (length >= size)
		snprintf(ret_path, size, "%s", chain->nodes[index].name);
}

void chain_ref(const struct selfprobe_task *task, uint16_t hierarchy, uint32_t index,
	       struct cgroup_ref *ret_ref)
{
	const struct selfprobe_chain *chain = &task->chains[hierarchy];

	memset(ret_ref, 0, sizeof(*ret_ref));
	ret_ref->hierarchy = hierarchy;
	if (index >= chain->count)
		return;
	ret_ref->id = chain->nodes[index].id;
	ret_ref->level = chain->level - index;
	ret_ref->populated = true;
	chain_path(chain, index, ret_ref->path, sizeof(ret_ref->path));
}

int chain_find_id(const struct selfprobe_chain *chain, uint64_t id)
{
	for (uint32_t i = 0; i < chain->count; i++) {
		if (chain->nodes[i].id == id)
			return (int)i;
	}
	return -ENOENT;
}

int chain_find_container(const struct selfprobe_chain *chain)
{
	const char *id;

	for (uint32_t i = 0; i < chain->count; i++) {
		if (scope_container_id(chain->nodes[i].name, &id))
			return (int)i;
	}
	return -ENOENT;
}

int chain_find_pod(const struct selfprobe_chain *chain, const char *uid)
{
	const char *id;

	for (uint32_t i = 0; i < chain->count; i++) {
		const char *name = chain->nodes[i].name;

		/* A container's cgroup may carry the pod's name before its own id. */
		if (scope_container_id(name, &id))
			continue;
		if (uid ? name_is_pod(name, uid) : name_is_any_pod(name))
			return (int)i;
	}
	return -ENOENT;
}

const struct cgroup_ref *refs_choose(const struct cgroup_ref refs[SELFPROBE_HIERARCHIES])
{
	const struct cgroup_ref *best = NULL;
	int best_score = -1;

	for (size_t i = 0; i < SELFPROBE_HIERARCHIES; i++) {
		int score = refs[i].populated * 4 + path_has_container(refs[i].path) * 2 +
			    (refs[i].level > 0);

		if (refs[i].id && score > best_score) {
			best = &refs[i];
			best_score = score;
		}
	}
	return best;
}

void chains_describe(const struct selfprobe_task *task, char *ret_text, size_t size)
{
	struct cgroup_ref ref;
	size_t length = 0;

	ret_text[0] = '\0';
	for (uint16_t i = 0; i < SELFPROBE_HIERARCHIES && length < size; i++) {
		chain_ref(task, i, 0, &ref);
		if (ref.id)
			length += (size_t)snprintf(ret_text + length, size - length, "%s%s %s",
						   length ? ", " : "", hierarchy_name(i), ref.path);
	}
}
