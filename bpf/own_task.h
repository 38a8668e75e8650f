/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the sidecar learns about its own process from the kernel. */
#ifndef RINGSIDE_OWN_TASK_H
#define RINGSIDE_OWN_TASK_H

struct self_process {
	__u32 tgid;	   /* in the initial PID namespace */
	__u32 pidns_level; /* depth of its own; 0: that is the initial one */
	__u32 pidns_inode;
	__u32 found;
	__u32 types_fit; /* the kernel's fields are where its BTF, or the file of it, says */
};

#endif
