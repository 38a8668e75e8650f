/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Whether a task is observed: its cgroup, at this moment, is one of the scopes or below one, and below no exclusion. The
 * scopes are constants of the loaded program, but for their ids: a cgroup that is removed and made again has a new one.
 */
#ifndef RINGSIDE_SCOPE_BPF_H
#define RINGSIDE_SCOPE_BPF_H

#include "event.h"
#include "cgroup.bpf.h"

const volatile struct scope_entry scopes[SCOPE_MAX] = {};
const volatile __u32 scope_count = 0;
/* One map for all programs; scopes[i].id is the one at the start. */
volatile __u64 scope_ids[SCOPE_MAX] SEC(".data.scope") = {};
/* bpf_get_current_ancestor_cgroup_id may be called from tracing programs (5.11, not 5.10). */
const volatile bool scope_helper = false;
/* The sidecar's own process, which is not observed; 0 with --include-self. */
const volatile __u32 self_tgid = 0;
/* The sidecar's PID namespace: its depth and inode; depth 0: the initial one, no second numbers. */
const volatile __u32 pidns_level = 0;
const volatile __u32 pidns_inode = 0;

struct scope_match {
	const void *task; /* whose cgroup it is; NULL: the current one's */
	__u64 cgroup_id;
	__u32 hierarchy;
};

static __always_inline __u64 scope_ancestor_id(const void *task,
					       const volatile struct scope_entry *entry)
{
	const struct cgroup *cgroup = cgroup_of(task, entry->hierarchy);

	if (entry->hierarchy != HIERARCHY_V2 && !cgroup_in_v1(task, cgroup))
		return 0;
	return cgroup_ancestor_id(cgroup, entry->level);
}

static __always_inline bool scope_find(const void *task, struct scope_match *ret_match)
{
	bool inside = false;

	for (__u32 i = 0; i < SCOPE_MAX; i++) {
		if (i >= scope_count)
			break;
		/* Exclusions are the last ones: who is in no scope does not pay for them. */
		if (scopes[i].exclude && !inside)
			break;
		if (scope_ancestor_id(task, &scopes[i]) != scope_ids[i])
			continue;
		if (scopes[i].exclude)
			return false;
		if (!inside) {
			ret_match->task = task;
			ret_match->hierarchy = scopes[i].hierarchy;
			ret_match->cgroup_id = cgroup_id(cgroup_of(task, scopes[i].hierarchy));
			inside = true;
		}
	}
	return inside;
}

/* For any task. */
static __noinline bool scope_task(const void *task, struct scope_match *ret_match)
{
	return scope_find(task, ret_match);
}

/* For the current task. */
static __always_inline bool scope_current(struct scope_match *ret_match)
{
	if (scope_helper && !loads_are_free() && (scope_count == 1 || scopes[1].exclude) &&
	    scopes[0].hierarchy == HIERARCHY_V2) {
		if (bpf_get_current_ancestor_cgroup_id(scopes[0].level) != scope_ids[0])
			return false;
		if (scope_count == 1) {
			ret_match->task = NULL;
			ret_match->hierarchy = HIERARCHY_V2;
			ret_match->cgroup_id = bpf_get_current_cgroup_id();
			return true;
		}
	}
	return scope_task((void *)bpf_get_current_task(), ret_match);
}

/* The same for each system call of the host, without a call of its own; takes more of the program's stack. */
static __always_inline bool scope_current_inlined(struct scope_match *ret_match)
{
	if (loads_are_free())
		return scope_find((void *)bpf_get_current_task(), ret_match);
	return scope_current(ret_match);
}

static __always_inline bool scope_self(__u32 tgid)
{
	return self_tgid && tgid == self_tgid;
}

/* The task's number in the sidecar's PID namespace; 0: none. */
static __always_inline __u32 scope_ns_pid(const struct task_struct *task)
{
	const void *pid, *slot;

	if (!pidns_level)
		return 0;
	pid = LOAD(struct task_struct, task, thread_pid);
	if (LOAD(struct pid, pid, level) < pidns_level)
		return 0;
	slot = pid + bpf_core_field_offset(struct pid, numbers) +
	       pidns_level * bpf_core_type_size(struct upid);
	if (LOAD(struct pid_namespace, LOAD(struct upid, slot, ns), ns.inum) != pidns_inode)
		return 0;
	return (__u32)LOAD(struct upid, slot, nr);
}

#endif
