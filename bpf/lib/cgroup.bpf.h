/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The cgroup of a task, its id, level, ancestors and names, read by CO-RE: good in tp_btf, raw_tp,
 * kprobe, uprobe and iterator programs alike. The kernel sees through cgroup namespaces, so the
 * answers are the same from inside a container. A NULL cgroup reads as id 0, level 0 and no names;
 * ids are never 0. Include event.h first.
 */
#ifndef RINGSIDE_CGROUP_BPF_H
#define RINGSIDE_CGROUP_BPF_H

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "load.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

/* Became __parent in 6.15, 633488947ef6 ("kernfs: Use RCU to access kernfs_node::parent."). */
struct kernfs_node {
	struct kernfs_node *parent;
	const char *name;
	__u64 id;
};

struct kernfs_node___hidden_parent {
	struct kernfs_node *__parent;
};

/*
 * ancestors replaced ancestor_ids in 6.1, 7f203bc89eb6 ("cgroup: Replace cgroup->ancestor_ids[]
 * with ->ancestors[]").
 */
struct cgroup {
	int level;
	struct kernfs_node *kn;
	struct cgroup_root *root;
	struct cgroup *ancestors[];
};

struct cgroup___ids {
	__u64 ancestor_ids[1];
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
};

struct css_set {
	struct cgroup_subsys_state *subsys[1];
	struct cgroup *dfl_cgrp;
};

struct task_struct___cgroups {
	struct css_set *cgroups;
};

/* Numbers differ by kernel configuration: only the names count. */
enum cgroup_subsys_id {
	memory_cgrp_id,
	pids_cgrp_id,
};

#pragma clang attribute pop

static __always_inline struct cgroup *cgroup_of_subsys(const struct css_set *set, __u64 subsys)
{
	const void *slots = (const void *)set + bpf_core_field_offset(struct css_set, subsys);

	return LOAD(struct cgroup_subsys_state, load_word(slots + subsys * sizeof(void *)), cgroup);
}

/*
 * The task's cgroup in one hierarchy (enum scope_hierarchy); NULL where the kernel has no such
 * controller. A controller that lives in v2 gives the v2 cgroup: ask cgroup_in_v1.
 */
static __always_inline struct cgroup *cgroup_of(const void *task, __u32 hierarchy)
{
	const struct css_set *set = LOAD(struct task_struct___cgroups, task, cgroups);

	if (hierarchy == HIERARCHY_V2)
		return LOAD(struct css_set, set, dfl_cgrp);
	if (hierarchy == HIERARCHY_MEMORY &&
	    bpf_core_enum_value_exists(enum cgroup_subsys_id, memory_cgrp_id))
		return cgroup_of_subsys(set,
					bpf_core_enum_value(enum cgroup_subsys_id, memory_cgrp_id));
	if (hierarchy == HIERARCHY_PIDS &&
	    bpf_core_enum_value_exists(enum cgroup_subsys_id, pids_cgrp_id))
		return cgroup_of_subsys(set,
					bpf_core_enum_value(enum cgroup_subsys_id, pids_cgrp_id));
	return NULL;
}

/* Whether `cgroup` (of this task, by a controller) is of a hierarchy of its own, not of v2. */
static __always_inline _Bool cgroup_in_v1(const void *task, const struct cgroup *cgroup)
{
	const struct cgroup *v2 = cgroup_of(task, HIERARCHY_V2);

	return cgroup && LOAD(struct cgroup, cgroup, root) != LOAD(struct cgroup, v2, root);
}

static __always_inline __u64 cgroup_id(const struct cgroup *cgroup)
{
	return LOAD(struct kernfs_node, LOAD(struct cgroup, cgroup, kn), id);
}

static __always_inline __u32 cgroup_level(const struct cgroup *cgroup)
{
	return LOAD(struct cgroup, cgroup, level);
}

/* Id of the ancestor at `level` (its own id at its own level); 0: the cgroup is not that deep. */
static __always_inline __u64 cgroup_ancestor_id(const struct cgroup *cgroup, __u32 level)
{
	const void *slots;

	if (!cgroup || cgroup_level(cgroup) < level)
		return 0;
	if (bpf_core_field_exists(struct cgroup, ancestors)) {
		slots = (const void *)cgroup + bpf_core_field_offset(struct cgroup, ancestors);
		return cgroup_id((const void *)load_word(slots + level * sizeof(void *)));
	}
	slots = (const void *)cgroup + bpf_core_field_offset(struct cgroup___ids, ancestor_ids);
	return load_word(slots + level * sizeof(__u64));
}

static __always_inline struct kernfs_node *cgroup_node_parent(const struct kernfs_node *node)
{
	if (bpf_core_field_exists(struct kernfs_node___hidden_parent, __parent))
		return LOAD(struct kernfs_node___hidden_parent, node, __parent);
	return LOAD(struct kernfs_node, node, parent);
}

/* Own name and the nearest ancestors' names, up to the root, whose name is empty. */
static __always_inline void cgroup_names_read(const struct cgroup *cgroup,
					      struct cgroup_name *ret_name)
{
	const struct kernfs_node *node = LOAD(struct cgroup, cgroup, kn);

	__builtin_memset(ret_name, 0, sizeof(*ret_name));
	for (int i = 0; i < CGROUP_DEPTH; i++) {
		if (!node)
			break;
		bpf_probe_read_kernel_str(ret_name->name[i], CGROUP_NAME,
					  LOAD(struct kernfs_node, node, name));
		node = cgroup_node_parent(node);
	}
}

#endif
