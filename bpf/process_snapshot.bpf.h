/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The snapshot of processes that ran before the probe was attached: the last part of process.bpf.c. */
#ifndef RINGSIDE_PROCESS_SNAPSHOT_BPF_H
#define RINGSIDE_PROCESS_SNAPSHOT_BPF_H

#ifdef RUNG_RAW_TP
#include "walk.bpf.h"
#endif

/* A task that is not the current one, outside the order of the CPU's own events. */
static __always_inline void snapshot_header(struct event_header *header,
					    const struct task_struct *task,
					    const struct scope_match *match)
{
	__builtin_memset(header, 0, sizeof(*header));
	header->kind = EVENT_EXEC;
	header->flags = EVENT_SNAPSHOT;
	header->time_ns = bpf_ktime_get_boot_ns();
	header->cgroup_id = match->cgroup_id;
	header->hierarchy = (__u16)match->hierarchy;
	header->tgid = (__u32)BPF_CORE_READ(task, tgid);
	header->tid = header->tgid;
	header->ns_tgid = scope_ns_pid(task);
	header->ns_tid = header->ns_tgid;
	header->cpu = bpf_get_smp_processor_id();
	bpf_probe_read_kernel(header->comm, sizeof(header->comm),
			      (const void *)task + bpf_core_field_offset(struct task_struct, comm));
	event_note_cgroup(match);
}

/* Whether a process wants a snapshot record: it is in scope, began before the probe was attached, and has not ended. */
static __always_inline bool snapshot_wants(const struct task_struct *task,
					   const struct process_key *key, struct scope_match *match)
{
	if (BPF_CORE_READ(task, pid) != (int)key->tgid || BPF_CORE_READ(task, flags) & PF_KTHREAD ||
	    key->start_time >= snapshot.attached_ns || key->start_time < snapshot.resume_ns ||
	    !BPF_CORE_READ(task, signal, live.counter))
		return false;
	return scope_task(task, match) && !scope_self((__u32)key->tgid) &&
	       !bpf_map_lookup_elem(&snapshot_seen, key);
}

static __always_inline bool snapshot_pauses(void)
{
	if (event_way(SHAPE_ORDERED) == TRANSPORT_RINGBUF)
		return bpf_ringbuf_query(&ring_lifecycle, BPF_RB_AVAIL_DATA) > snapshot.pause_bytes;
	return snapshot.sent_bytes > snapshot.pause_bytes;
}

/* Marks the process as told and counts its record, or says why there is none: a live record told of it, or no mark was had. */
static __always_inline bool snapshot_claims(struct event_account *account,
					    const struct process_key *key, bool has_room)
{
	__u8 seen = SEEN_SNAPSHOT;
	long err = bpf_map_update_elem(&snapshot_seen, key, &seen, BPF_NOEXIST);

	if (err == -EEXIST)
		return false;
	__sync_fetch_and_add(&account->produced, 1);
	if (!has_room)
		event_no_room(account, SHAPE_ORDERED, RING_LIFECYCLE, SNAPSHOT_ROOM);
	else if (err)
		event_lost(account, LOST_INFLIGHT_FULL);
	return has_room && !err;
}

/*
 * One process that ran before the probe was attached. Arguments and path are added by the reader from /proc. Its room and its
 * time are had before the mark: the order with live records is kept by the ring, or where there is none, by the time.
 */
static __always_inline void snapshot_task(void *ctx, const struct task_struct *task)
{
	struct process_key key = process_key_of(task);
	struct event_account *account;
	struct scope_match match = {};
	struct exec_event *event;
	__u32 slot = 0;

	if (!snapshot_wants(task, &key, &match))
		return;
	if (snapshot_pauses()) {
		if (!snapshot.next_ns || key.start_time < snapshot.next_ns)
			snapshot.next_ns = key.start_time;
		return;
	}
	account = event_account_of(PROBE_PROCESS);
	if (!account)
		return;
	event = event_room(SHAPE_ORDERED, RING_LIFECYCLE, SNAPSHOT_ROOM, NULL, &slot);
	if (event)
		snapshot_header(&event->header, task, &match);
	if (!snapshot_claims(account, &key, event)) {
		if (event)
			event_discard(SHAPE_ORDERED, event, slot);
		return;
	}
	if (!event)
		return;
	exec_fill(event, task);
	event->header.length = exec_filename(
		event, BPF_CORE_READ(task, mm, exe_file, f_path.dentry, d_name.name), PROCESS_NAME);
	snapshot.sent_bytes += SNAPSHOT_ROOM;
	event_send(ctx, account, SHAPE_ORDERED, RING_LIFECYCLE, event, SNAPSHOT_ROOM, slot);
}

#ifdef RUNG_RAW_TP
#define SNAPSHOT_STEP 16

__noinline int walk_stops(__u64 task)
{
	struct process_key key = process_key_of((const struct task_struct *)task);
	struct scope_match match = {};

	return snapshot_wants((const struct task_struct *)task, &key, &match);
}

static __noinline int snapshot_one(void *ctx, __u64 task)
{
	snapshot_task(ctx, (const struct task_struct *)task);
	return 0;
}

/* A few of the processes that want a record. Where there may be more, the next round goes on: it does not want those. */
SEC("raw_tp")
int process_snapshot_all(void *ctx)
{
	const __u64 end = walk_own();
	__u64 at = end;

	for (int i = 0; i < SNAPSHOT_STEP; i++) {
		at = walk_next(at, end);
		if (!at)
			return 0;
		snapshot_one(ctx, at);
		if (at == end)
			return 0;
	}
	if (!snapshot.sent_bytes && !snapshot.next_ns)
		return SNAPSHOT_STUCK;
	snapshot.next_ns = snapshot.resume_ns ? snapshot.resume_ns : 1;
	return 0;
}
#else
/* All processes of the host: open-coded iterator, 6.7, c68a78ffe2cb ("bpf: Introduce task open coded iterator kfuncs"). */
struct bpf_iter_task {
	__u64 opaque[3];
} __attribute__((aligned(8)));
#define BPF_TASK_ITER_ALL_PROCS 0
extern int bpf_iter_task_new(struct bpf_iter_task *it, struct task_struct *task,
			     unsigned int flags) __ksym __weak;
extern struct task_struct *bpf_iter_task_next(struct bpf_iter_task *it) __ksym __weak;
extern void bpf_iter_task_destroy(struct bpf_iter_task *it) __ksym __weak;

SEC("raw_tp")
int process_snapshot_all(void *ctx)
{
	struct bpf_iter_task it;
	struct task_struct *task;

	bpf_iter_task_new(&it, NULL, BPF_TASK_ITER_ALL_PROCS);
	while ((task = bpf_iter_task_next(&it)))
		snapshot_task(ctx, task);
	bpf_iter_task_destroy(&it);
	return 0;
}
#endif

/* Before that: the processes of the sidecar's own PID namespace. */
SEC("iter/task")
int process_snapshot_visible(struct bpf_iter__task *ctx)
{
	const struct task_struct *task = ctx->task;

	barrier_var(
		task); /* or the compiler loads it twice, and the verifier has checked the other one */
	if (task)
		snapshot_task(ctx, task);
	return 0;
}

#endif
