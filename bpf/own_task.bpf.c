// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Run once, in the sidecar's own task: its number and PID namespace as the kernel sees them, and whether the kernel's fields are where
 * the types say: what is read there is what helpers tell, which know without them.
 */
#define LOAD_BY_HELPER
#include "kernel.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "event.h"
#include "cgroup.bpf.h"
#include "own_task.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct self_process self = {};

static __always_inline bool types_fit(const struct task_struct *task)
{
	const __u64 pid_tgid = bpf_get_current_pid_tgid();
	char comm[2][16] = {};

	bpf_get_current_comm(comm[0], sizeof(comm[0]));
	BPF_CORE_READ_STR_INTO(&comm[1], task, comm);
	for (int i = 0; i < 16; i++) {
		if (comm[0][i] != comm[1][i])
			return false;
		if (!comm[0][i])
			break;
	}
	return BPF_CORE_READ(task, pid) == (int)pid_tgid &&
	       BPF_CORE_READ(task, group_leader, tgid) == (int)(pid_tgid >> 32) &&
	       cgroup_id(cgroup_of(task, HIERARCHY_V2)) == bpf_get_current_cgroup_id();
}

SEC("raw_tp")
int own_task_read(void *ctx)
{
	struct task_struct *task = (struct task_struct *)bpf_get_current_task();
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	__u32 level = BPF_CORE_READ(pid, level);
	struct pid_namespace *ns = NULL;

	bpf_probe_read_kernel(&ns, sizeof(ns),
			      (void *)pid + bpf_core_field_offset(struct pid, numbers) +
				      level * bpf_core_type_size(struct upid) +
				      bpf_core_field_offset(struct upid, ns));
	self.tgid = bpf_get_current_pid_tgid() >> 32;
	self.pidns_level = level;
	self.pidns_inode = BPF_CORE_READ(ns, ns.inum);
	self.types_fit = types_fit(task);
	self.found = 1;
	return 0;
}
