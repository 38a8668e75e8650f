/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tells user space in which cgroups a task is: `selfprobe_self` is run by BPF_PROG_TEST_RUN and so
 * in the caller's own task, `selfprobe_tasks` walks the processes of the caller's PID namespace, `selfprobe_next` those or all.
 */
#define LOAD_BY_HELPER
#include <linux/bpf.h>
#include <linux/types.h>

#include "event.h"
#include "cgroup.bpf.h"
#include "selfprobe.h"
#include "walk.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct upid___probe {
	int nr;
	void *ns;
};

struct pid___probe {
	unsigned int level;
	struct upid___probe numbers[1];
};

struct atomic___probe {
	int counter;
};

struct signal_struct___probe {
	struct atomic___probe live;
};

struct task_struct___probe {
	int pid;
	int tgid;
	struct task_struct___probe *group_leader;
	struct pid___probe *thread_pid;
	struct signal_struct___probe *signal;
	__u64 start_boottime;
};

struct bpf_iter_meta___probe {
	struct seq_file *seq;
};

struct bpf_iter__task___probe {
	struct bpf_iter_meta___probe *meta;
	struct task_struct___probe *task;
};

#pragma clang attribute pop

/* Numbers are those of the initial PID namespace, not of the reader's. */
__u32 by_host;
/* The process that is asked for, by its number; 0: all. */
__u32 wanted;
/*
 * Of the walk without an iterator: the first processes behind `last`, in the order of their starts, found by one walk along the
 * kernel's list. User space sets batch_count and batch_at to 0 to begin anew.
 */
struct selfprobe_place batch[SELFPROBE_BATCH], last;
__u32 batch_count, batch_at;
/* Too large for the stack. One task uses it at a time: the one that loaded this object. */
struct selfprobe_task found;

static __always_inline void pid_number(const struct pid___probe *pid, __u32 level,
				       struct upid___probe *ret_upid)
{
	const void *numbers =
		(const void *)pid + bpf_core_field_offset(struct pid___probe, numbers);
	const struct upid___probe *upid = numbers + level * bpf_core_type_size(struct upid___probe);

	ret_upid->nr = BPF_CORE_READ(upid, nr);
	ret_upid->ns = BPF_CORE_READ(upid, ns);
}

/* The process' number in the PID namespace of the task that runs this program, or `by_host`. */
static __always_inline __u32 tgid_here(const struct pid___probe *pid)
{
	const struct task_struct___probe *reader = (void *)bpf_get_current_task();
	const struct pid___probe *reader_pid = BPF_CORE_READ(reader, thread_pid);
	__u32 level = BPF_CORE_READ(reader_pid, level);
	struct upid___probe here = {}, there = {};

	if (by_host)
		level = 0;
	if (!pid || BPF_CORE_READ(pid, level) < level)
		return 0;
	pid_number(reader_pid, level, &here);
	pid_number(pid, level, &there);
	return here.ns == there.ns ? (__u32)there.nr : 0;
}

static __always_inline void chain_read(const void *task, __u32 hierarchy,
				       struct selfprobe_chain *chain)
{
	const struct cgroup *cgroup = cgroup_of(task, hierarchy);
	const struct kernfs_node *node;
	__u32 count = 0;

	chain->count = 0;
	if (!cgroup || (hierarchy != HIERARCHY_V2 && !cgroup_in_v1(task, cgroup)))
		return;
	chain->level = cgroup_level(cgroup);
	node = BPF_CORE_READ(cgroup, kn);
	for (int i = 0; i < SELFPROBE_DEPTH; i++) {
		if (!node)
			break;
		chain->nodes[i].id = BPF_CORE_READ(node, id);
		bpf_probe_read_kernel_str(chain->nodes[i].name, SELFPROBE_NAME,
					  BPF_CORE_READ(node, name));
		node = cgroup_node_parent(node);
		count++;
	}
	chain->count = count;
}

static __always_inline void task_read(const struct task_struct___probe *task, __u32 ns_tgid)
{
	found.tgid = BPF_CORE_READ(task, tgid);
	found.ns_tgid = ns_tgid;
	found.pid_level = BPF_CORE_READ(task, thread_pid, level);
	found.start_time = BPF_CORE_READ(task, start_boottime);
	chain_read(task, HIERARCHY_V2, &found.chains[HIERARCHY_V2]);
	chain_read(task, HIERARCHY_MEMORY, &found.chains[HIERARCHY_MEMORY]);
	chain_read(task, HIERARCHY_PIDS, &found.chains[HIERARCHY_PIDS]);
}

SEC("raw_tp")
int selfprobe_self(void *ctx)
{
	const struct task_struct___probe *task = (void *)bpf_get_current_task();

	task_read(task, tgid_here(BPF_CORE_READ(task, group_leader, thread_pid)));
	return 0;
}

static __always_inline _Bool is_behind(const struct selfprobe_place *place,
				       const struct selfprobe_place *other)
{
	return place->start_time > other->start_time ||
	       (place->start_time == other->start_time && place->tgid > other->tgid);
}

static __always_inline struct selfprobe_place place_of(__u64 address)
{
	const struct task_struct___probe *task = (const void *)address;

	return (struct selfprobe_place){
		.start_time = BPF_CORE_READ(task, start_boottime),
		.task = address,
		.tgid = BPF_CORE_READ(task, tgid),
	};
}

/* An index, for the verifier; and not to be made a pointer of that moves. */
static __always_inline struct selfprobe_place *batch_of(__u32 at)
{
	barrier_var(at);
	return &batch[at & (SELFPROBE_BATCH - 1)];
}

/* Puts it in its place. The list is nearly in this order, so that is the end most often. */
__noinline int batch_put(__u64 address)
{
	const struct selfprobe_place place = place_of(address);
	__u32 at = batch_count;

	if (at < SELFPROBE_BATCH)
		batch_count = at + 1;
	else
		at = SELFPROBE_BATCH - 1;
	for (int i = 0; i < SELFPROBE_BATCH; i++) {
		if (!at || !is_behind(batch_of(at - 1), &place))
			break;
		*batch_of(at) = *batch_of(at - 1);
		at--;
	}
	*batch_of(at) = place;
	return 0;
}

/* Never: others come and go between two walks, so all are looked at in each. */
__noinline int walk_stops(__u64 address)
{
	const struct task_struct___probe *task = (const void *)address;
	const struct selfprobe_place place = place_of(address);
	__u32 ns_tgid;

	if (!is_behind(&place, &last) ||
	    (batch_count == SELFPROBE_BATCH && !is_behind(&batch[SELFPROBE_BATCH - 1], &place)) ||
	    !BPF_CORE_READ(task, signal, live.counter))
		return 0;
	ns_tgid = tgid_here(BPF_CORE_READ(task, thread_pid));
	if (ns_tgid && (!wanted || ns_tgid == wanted))
		batch_put(address);
	return 0;
}

/* Whether it is still there: it may have ended, or have another leader since an exec, and another task be at its address. */
static __always_inline _Bool is_there(const struct selfprobe_place *place)
{
	const struct task_struct___probe *task = (const void *)place->task;
	const struct selfprobe_place now = place_of(place->task);

	return now.start_time == place->start_time && now.tgid == place->tgid &&
	       BPF_CORE_READ(task, signal, live.counter);
}

/* Where the kernel has no BTF, and so no iterators: each run finds one process; after the last one batch_count is 0. */
SEC("raw_tp")
int selfprobe_next(void *ctx)
{
	const __u64 own = walk_own();
	const struct task_struct___probe *task;

	if (batch_at >= batch_count || !is_there(batch_of(batch_at))) {
		batch_at = batch_count = 0;
		walk_next(own, own);
	}
	if (batch_at >= batch_count)
		return 0;
	last = *batch_of(batch_at++);
	task = (const void *)last.task;
	task_read(task, tgid_here(BPF_CORE_READ(task, thread_pid)));
	return 0;
}

SEC("iter/task")
int selfprobe_tasks(struct bpf_iter__task___probe *ctx)
{
	const struct task_struct___probe *task = ctx->task;
	__u32 ns_tgid;

	/*
	 * NULL ends the walk; threads other than the leader are passed over. A zombie still points
	 * to its cgroup, which may have been removed.
	 */
	if (!task || task->pid != task->tgid || !BPF_CORE_READ(task, signal, live.counter))
		return 0;
	/* Read, not followed: 5.10 refuses arithmetic on a pointer whose type it knows. */
	ns_tgid = tgid_here(BPF_CORE_READ(task, thread_pid));
	if (wanted && ns_tgid != wanted)
		return 0;
	task_read(task, ns_tgid);
	bpf_seq_write(ctx->meta->seq, &found, sizeof(found));
	return 0;
}
