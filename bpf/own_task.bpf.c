// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Run once, in the sidecar's own task: its number and PID namespace as the kernel sees them. */
#include "kernel.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "own_task.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct self_process self = {};

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
	self.found = 1;
	return 0;
}
