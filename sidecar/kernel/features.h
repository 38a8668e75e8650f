/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this kernel does for us, found by trying each thing on a small scale, never by its version.
 * Trying costs about as much memory and time as loading one object: the kernel's BTF is parsed
 * once.
 */
#ifndef RINGSIDE_KERNEL_FEATURES_H
#define RINGSIDE_KERNEL_FEATURES_H

#include <stdbool.h>

enum feature {
	FEATURE_BTF,	 /* the kernel's own types */
	FEATURE_TRACING, /* tp_btf programs, by a file of types raw_tp ones, load and attach */
	FEATURE_TRACE_SYSCALLS, /* sys_enter and sys_exit are among the tracepoints */
	FEATURE_RINGBUF,
	FEATURE_PERF_OUTPUT,	 /* perf buffers that programs write to */
	FEATURE_MMAP_ARRAY,	 /* arrays that user space maps */
	FEATURE_TEST_RUN,	 /* a raw_tp program runs in our own task */
	FEATURE_ANCESTOR_HELPER, /* bpf_get_current_ancestor_cgroup_id in tracing programs */
	FEATURE_TASK_STORAGE,	 /* in tracing programs */
	FEATURE_TASK_ITERATOR, /* iter/task: the processes of our PID namespace; or the walk along their list */
	FEATURE_OPEN_ITERATOR, /* open-coded: all processes; or that walk */
	FEATURE_MAP_WALK,      /* programs walk a task's mappings, and see an exec begin */
	FEATURE_UPROBE_MULTI,
	FEATURE_UPROBE_PERF,
	FEATURE_URETPROBE,  /* a filtered process survives a return probe */
	FEATURE_MISSES,	    /* skipped runs of a program are counted */
	FEATURE_NO_MEMLOCK, /* maps are charged to the cgroup, not to RLIMIT_MEMLOCK */
	FEATURES,
};

struct features {
	/* 0: there; -errno of the try; -EOPNOTSUPP: this kernel has no such thing. */
	int err[FEATURES];
};

/*
 * Never fails: what can't be tried is not there, without the kernel's types -ENODATA. Forks a child for FEATURE_URETPROBE. `btf`: the
 * file of these types; NULL: the kernel's own.
 */
void features_probe(const char *btf, struct features *ret_features);

/* FEATURE_TASK_STORAGE alone, by the kernel's own types. */
bool features_have_task_storage(void);

/* From now on libbpf prints nothing: a refusal is ours to tell. */
void features_quiet(void);

#endif
