/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the self-probe tells of one task: its cgroup and all ancestors in each hierarchy. It makes
 * no records: user space reads the struct from the object's data or from a task iterator.
 */
#ifndef RINGSIDE_SELFPROBE_H
#define RINGSIDE_SELFPROBE_H

#include "event.h"

#define SELFPROBE_DEPTH	      24
#define SELFPROBE_NAME	      256 /* NAME_MAX and a NUL */
#define SELFPROBE_HIERARCHIES 3	  /* enum scope_hierarchy */
#define SELFPROBE_BATCH	      256 /* processes found by one walk: a power of two */

struct selfprobe_node {
	__u64 id;
	char name[SELFPROBE_NAME]; /* empty: the root of the hierarchy */
};

/* A task iterator's output is at most 32 KiB an object: three chains must fit. */
struct selfprobe_chain {
	__u32 level; /* of nodes[0] */
	__u32 count; /* 0: there is no such v1 hierarchy; below level + 1: deeper than the nodes */
	struct selfprobe_node nodes[SELFPROBE_DEPTH]; /* the task's own cgroup, then its parents */
};

struct selfprobe_task {
	__u32 tgid;    /* initial PID namespace */
	__u32 ns_tgid; /* the reader's PID namespace (by_host: the initial one); 0: no number there */
	__u32 pid_level; /* of the task's PID namespace; 0: the initial one */
	__u32 reserved;
	__u64 start_time; /* nanoseconds since boot */
	struct selfprobe_chain chains[SELFPROBE_HIERARCHIES];
};

/* A process, and its place in the order of their starts. */
struct selfprobe_place {
	__u64 start_time;
	__u64 task; /* the kernel's address of it; 0: there is none */
	__u32 tgid;
	__u32 reserved;
};

_Static_assert(sizeof(struct selfprobe_task) <= 32 * 1024, "one object of a task iterator");

#endif
