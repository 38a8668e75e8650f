/* SPDX-License-Identifier: Apache-2.0 */
/* What the sidecar learns about itself by a BPF program that runs in its own task. Errors are -errno of bpf(). */
#ifndef RINGSIDE_KERNEL_SELF_H
#define RINGSIDE_KERNEL_SELF_H

#include <stdbool.h>
#include <linux/types.h>

#include "own_task.h"

/* By the types in the file `btf`; NULL: by the kernel's own. -ESTALE: they are not those of this kernel. */
int self_read(const char *btf, struct self_process *ret_self);
/* bpf_get_current_ancestor_cgroup_id may be called from tracing programs: 5.11 and later. */
bool self_has_ancestor_helper(void);

#endif
