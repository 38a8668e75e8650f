// SPDX-License-Identifier: Apache-2.0
#include "kernel/self.h"

#include <errno.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "own_task.skel.h"

int self_read(const char *btf, struct self_process *ret_self)
{
	LIBBPF_OPTS(bpf_object_open_opts, from, .btf_custom_path = btf);
	LIBBPF_OPTS(bpf_test_run_opts, options);
	struct own_task_bpf *skeleton = own_task_bpf__open_opts(&from);
	int err;

	if (!skeleton)
		return -errno;
	err = own_task_bpf__load(skeleton);
	if (!err)
		err = bpf_prog_test_run_opts(bpf_program__fd(skeleton->progs.own_task_read),
					     &options);
	if (!err && !skeleton->bss->self.found)
		err = -ESRCH;
	if (!err && !skeleton->bss->self.types_fit)
		err = -ESTALE;
	if (!err)
		*ret_self = skeleton->bss->self;
	own_task_bpf__destroy(skeleton);
	return err;
}

bool self_has_ancestor_helper(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_RAW_TRACEPOINT,
				       BPF_FUNC_get_current_ancestor_cgroup_id, NULL) == 1;
}
