/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * All processes of the host where the kernel has no iterator for it: along the list that their leaders are on. For programs that
 * run in our own task (BPF_PROG_TEST_RUN holds the RCU lock, under which a task that leaves the list still points back into
 * it). The walk begins and ends with our own process, which does not leave. Tasks are numbers here: global functions, which
 * are verified once and not for each step, take nothing else where there is no BTF.
 */
#ifndef RINGSIDE_WALK_BPF_H
#define RINGSIDE_WALK_BPF_H

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

/* As many as there can be processes: PID_MAX_LIMIT. */
#define WALK_STEPS  4096
#define WALK_CHUNKS 1024
#define WALK_FOUND  1ull /* beside an address, whose low bits are 0 */

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head___walk {
	struct list_head___walk *next;
};

struct task_struct___walk {
	struct list_head___walk tasks;
	struct task_struct___walk *group_leader;
};

#pragma clang attribute pop

/* Given by who includes this: whether the walk stops at this process. */
__noinline int walk_stops(__u64 task);

static __always_inline __u64 walk_own(void)
{
	const struct task_struct___walk *task = (void *)bpf_get_current_task();

	return (__u64)BPF_CORE_READ(task, group_leader);
}

__noinline __u64 walk_chunk(__u64 at, __u64 end)
{
	for (int i = 0; i < WALK_STEPS; i++) {
		at = (__u64)BPF_CORE_READ((const struct task_struct___walk *)at, tasks.next) -
		     bpf_core_field_offset(struct task_struct___walk, tasks);
		if (walk_stops(at))
			return at | WALK_FOUND;
		if (at == end)
			break;
	}
	return at;
}

/* The next process behind `at` at which it stops; 0: it came to its end, which is looked at too. */
__noinline __u64 walk_next(__u64 at, __u64 end)
{
	for (int i = 0; i < WALK_CHUNKS; i++) {
		at = walk_chunk(at, end);
		if (at & WALK_FOUND)
			return at & ~WALK_FOUND;
		if (at == end)
			break;
	}
	return 0;
}

#endif
