// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Notes which cgroups of the scope are removed: another one of the same path would be another cgroup, and not observed. */
#include "kernel.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#include "scope.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

__u8 removed[SCOPE_MAX] = {};

SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(scope_removed, struct cgroup *cgroup, const char *path)
{
	const void *task = (void *)bpf_get_current_task();
	const __u64 id = cgroup_id(cgroup);

	for (__u32 i = 0; i < SCOPE_MAX; i++) {
		const struct cgroup *like;

		if (i >= scope_count)
			break;
		if (scopes[i].id != id)
			continue;
		/* Ids are a hierarchy's own. */
		like = cgroup_of(task, scopes[i].hierarchy);
		if (BPF_CORE_READ(like, root) == BPF_CORE_READ(cgroup, root))
			removed[i] = 1;
	}
	return 0;
}
