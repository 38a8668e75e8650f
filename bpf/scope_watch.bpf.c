// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Follows the cgroups of the scope: one that is removed and made again, as when a container or a service restarts, is another
 * to the kernel. The new one is in the scope before any process is in it.
 */
#include "kernel.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#include "rung.bpf.h"
#include "scope.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define PATH 1024 /* the tracepoints give no longer one, and cut it off */

/* How often; the reader tells. */
__u64 removed[SCOPE_MAX] = {};
__u64 returned[SCOPE_MAX] = {};

/* The path of a cgroup that was removed, until it is made again; empty: it is there. */
char gone[SCOPE_MAX][PATH] = {};

/* The kernel holds a lock while it gives the path, so one is at work at a time. */
char made[PATH] = {};

/* A global function, for it is verified once and not for each scope. */
__noinline int path_is_gone(__u32 i)
{
	if (i >= SCOPE_MAX)
		return 0;
	for (__u32 at = 0; at < PATH; at++) {
		if (gone[i][at] != made[at])
			return 0;
		if (!made[at])
			return at > 0;
	}
	return 0;
}

/* Ids and paths are a hierarchy's own. */
static __always_inline bool same_hierarchy(const struct cgroup *cgroup, __u32 hierarchy)
{
	const struct cgroup *like = cgroup_of((void *)bpf_get_current_task(), hierarchy);

	return BPF_CORE_READ(like, root) == BPF_CORE_READ(cgroup, root);
}

SEC_TRACEPOINT("cgroup_rmdir")
int BPF_PROG(scope_removed, struct cgroup *cgroup, const char *path)
{
	const __u64 id = cgroup_id(cgroup);

	for (__u32 i = 0; i < SCOPE_MAX; i++) {
		if (i >= scope_count)
			break;
		if (scope_ids[i] != id || !same_hierarchy(cgroup, scopes[i].hierarchy))
			continue;
		/* One that is cut off is the beginning of many: not followed. */
		if (bpf_probe_read_kernel_str(gone[i], PATH, path) >= PATH)
			gone[i][0] = 0;
		removed[i]++;
	}
	return 0;
}

SEC_TRACEPOINT("cgroup_mkdir")
int BPF_PROG(scope_made, struct cgroup *cgroup, const char *path)
{
	if (bpf_probe_read_kernel_str(made, PATH, path) < 0)
		return 0;
	for (__u32 i = 0; i < SCOPE_MAX; i++) {
		if (i >= scope_count)
			break;
		if (!path_is_gone(i) || !same_hierarchy(cgroup, scopes[i].hierarchy))
			continue;
		scope_ids[i] = cgroup_id(cgroup);
		gone[i][0] = 0;
		returned[i]++;
	}
	return 0;
}
