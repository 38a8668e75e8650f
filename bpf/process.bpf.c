// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* fork, exec and exit of the processes in scope, and a snapshot of those that ran before. */
#include "kernel.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#include "process.h"
#include "event.bpf.h"
#include "rung.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* sched_process_exit has `group_dead` on newer kernels only. The reader asks the kernel's BTF. */
const volatile bool exit_has_group_dead = false;
const volatile __u64 page_size = 4096;

#define EXEC_ROOM     (sizeof(struct exec_event) + PROCESS_PATH + PROCESS_ARGV)
#define SNAPSHOT_ROOM (sizeof(struct exec_event) + PROCESS_NAME)

/* While the snapshot is taken: processes that need no snapshot record, and why (enum snapshot_seen). */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct process_key);
	__type(value, __u8);
} snapshot_seen SEC(".maps");

/* Exits claimed where the kernel does not say which thread is the last. Evicting an old claim is harmless: it is needed for
 * as long as the threads of one process leave at the same moment. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct process_key);
	__type(value, __u8);
} exit_claims SEC(".maps");

/* Set by the reader around the snapshot. */
struct snapshot_state snapshot = {};

static __always_inline struct process_key process_key_of(const struct task_struct *task)
{
	const struct task_struct *leader = BPF_CORE_READ(task, group_leader);
	struct process_key key = {
		.start_time = BPF_CORE_READ(leader, start_boottime),
		.tgid = (__u32)BPF_CORE_READ(task, tgid),
	};
	return key;
}

/*
 * While the snapshot is taken: this process is known by a live record. The snapshot reserves before it marks and we mark
 * before we reserve, so either its record is in front of ours, or it sees our mark and gives its record up.
 */
static __always_inline long snapshot_mark(const struct task_struct *task, __u8 seen, __u64 flags)
{
	struct process_key key;

	if (!snapshot.running)
		return 0;
	key = process_key_of(task);
	if (key.start_time >= snapshot.attached_ns)
		return 0;
	return bpf_map_update_elem(&snapshot_seen, &key, &seen, flags);
}

SEC_TRACEPOINT("sched_process_fork")
int BPF_PROG(process_fork, struct task_struct *parent, struct task_struct *child)
{
	struct fork_event local, *event;
	struct event_account *account;
	struct scope_match match = {};
	__u32 slot;

	if (BPF_CORE_READ(child, pid) != BPF_CORE_READ(child, tgid))
		return 0;
	if (!scope_current(&match) && !scope_task(child, &match))
		return 0;
	if (scope_self(bpf_get_current_pid_tgid() >> 32))
		return 0;
	account = event_account_of(PROBE_PROCESS);
	if (!account)
		return 0;
	/* A task can be found before its fork is told. */
	if (snapshot_mark(child, SEEN_ALIVE, BPF_NOEXIST) == -EEXIST)
		return 0;
	event = event_reserve(account, RING_LIFECYCLE, sizeof(*event), &local, &slot);
	if (!event)
		return 0;
	event_fill(&event->header, EVENT_FORK, sizeof(*event), &match);
	event->child = (__u32)BPF_CORE_READ(child, tgid);
	event->child_start = BPF_CORE_READ(child, start_boottime);
	event->reserved = 0;
	event_submit(ctx, account, RING_LIFECYCLE, event, sizeof(*event), slot);
	return 0;
}

/* Fills what exec and snapshot records have in common, but for the header and the texts. */
static __always_inline void exec_fill(struct exec_event *event, const struct task_struct *task)
{
	const struct cred *cred = BPF_CORE_READ(task, real_cred);
	const struct mm_struct *mm = BPF_CORE_READ(task, mm);

	event->start_time = BPF_CORE_READ(task, group_leader, start_boottime);
	event->ppid = (__u32)BPF_CORE_READ(task, real_parent, tgid);
	event->uid = BPF_CORE_READ(cred, uid.val);
	event->gid = BPF_CORE_READ(cred, gid.val);
	event->argv_bytes = BPF_CORE_READ(mm, arg_end) - BPF_CORE_READ(mm, arg_start);
	event->filename_length = 0;
	event->argv_length = 0;
}

/* Appends a kernel text of up to `room` bytes (a literal), its NUL included. Returns the record's new length. */
static __always_inline __u32 exec_filename(struct exec_event *event, const void *text, __u32 room)
{
	long length = bpf_probe_read_kernel_str((void *)event + sizeof(*event), room, text);
	char beyond = 0;

	if (length <= 0 || length > room) {
		event->header.flags |= EVENT_FAULT;
		length = 1;
	}
	if (length == room)
		bpf_probe_read_kernel(&beyond, 1, text + room - 1);
	if (beyond)
		event->header.flags |= EVENT_TRUNCATED;
	event->filename_length = (__u16)(length - 1);
	return sizeof(*event) + (__u32)length - 1;
}

/*
 * Appends up to `room` bytes of the arguments behind the path's, of which there are `path_room` at most (literals). Both lengths
 * are checked once more, each in the 64-bit register that is used: verifiers up to 6.12 do not know what the compiler knows.
 */
static __always_inline __u32 exec_argv(struct exec_event *event, const struct task_struct *task,
				       __u64 length, __u32 path_room, __u32 room)
{
	__u64 start = BPF_CORE_READ(task, mm, arg_start);
	__u64 bytes = event->argv_bytes;

	if (bytes > room) {
		bytes = room;
		event->header.flags |= EVENT_TRUNCATED;
	}
	barrier_var(bytes);
	barrier_var(length);
	if (bytes > room || length > sizeof(*event) + path_room)
		return sizeof(*event);
	if (bytes && bpf_probe_read_user((void *)event + length, bytes, (void *)start)) {
		event->header.flags |= EVENT_FAULT;
		bytes = 0;
	}
	event->argv_length = (__u16)bytes;
	return (__u32)(length + bytes);
}

/* The whole record, with room for so many bytes of its path and arguments (literals). */
static __always_inline __u32 exec_build(struct exec_event *event, const struct task_struct *task,
					const void *filename, const struct scope_match *match,
					__u32 path_room, __u32 argv_room)
{
	__u32 length;

	event_fill(&event->header, EVENT_EXEC, 0, match);
	exec_fill(event, task);
	length = exec_filename(event, filename, path_room);
	length = exec_argv(event, task, length, path_room, argv_room);
	event->header.length = length;
	return length;
}

/* Built in the ring, in a record of `size` bytes. False: it is larger, and was given up. */
static __always_inline bool exec_in_class(struct event_account *account,
					  const struct task_struct *task, const void *filename,
					  const struct scope_match *match, __u32 size,
					  __u32 path_room)
{
	const __u32 argv_room = size - sizeof(struct exec_event) - path_room;
	struct exec_event *event = bpf_ringbuf_reserve(&ring_lifecycle, size, 0);

	if (!event) {
		event_ring_full(account, RING_LIFECYCLE, size);
		return true;
	}
	exec_build(event, task, filename, match, path_room, argv_room);
	if (event->header.flags & EVENT_TRUNCATED && path_room < PROCESS_PATH) {
		bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP);
		return false;
	}
	bpf_ringbuf_submit(event, event_wake_flags(account, RING_LIFECYCLE));
	return true;
}

/* A reserve takes a literal size: the smallest of three classes that holds the record. What is over is cut off by the reader. */
static __always_inline void exec_in_ring(struct event_account *account,
					 const struct task_struct *task, const void *filename,
					 const struct scope_match *match)
{
	const __u64 argv = BPF_CORE_READ(task, mm, arg_end) - BPF_CORE_READ(task, mm, arg_start);

	if (argv <= 256 && exec_in_class(account, task, filename, match, 512, 160))
		return;
	if (argv <= 1024 && exec_in_class(account, task, filename, match, 2048, 928))
		return;
	exec_in_class(account, task, filename, match, EXEC_ROOM, PROCESS_PATH);
}

/* The BPF stack has 512 bytes, for this and whoever called. */
static __noinline int exec_on_stack(void *ctx, struct event_account *account,
				    const struct task_struct *task, const void *filename,
				    const struct scope_match *match)
{
	struct {
		struct exec_event event;
		char text[192];
	} local;
	__u32 length;

	if (!account || !match)
		return 0;
	__builtin_memset(&local, 0, sizeof(local));
	length = exec_build(&local.event, task, filename, match, 64, sizeof(local.text) - 64);
	event_perf_output(ctx, account, RING_LIFECYCLE, &local, length);
	return 0;
}

static __always_inline void exec_in_scratch(void *ctx, struct event_account *account,
					    const struct task_struct *task, const void *filename,
					    const struct scope_match *match)
{
	struct exec_event *event;
	__u32 slot, length;

	event = event_room(SHAPE_SIZED, RING_LIFECYCLE, EXEC_ROOM, NULL, &slot);
	if (!event) {
		event_no_room(account, SHAPE_SIZED, RING_LIFECYCLE, EXEC_ROOM);
		return;
	}
	length = exec_build(event, task, filename, match, PROCESS_PATH, PROCESS_ARGV);
	event_send(ctx, account, SHAPE_SIZED, RING_LIFECYCLE, event, length & (SCRATCH_SIZE - 1),
		   slot);
}

SEC_TRACEPOINT("sched_process_exec")
int BPF_PROG(process_exec, struct task_struct *task, int old_pid, struct linux_binprm *bprm)
{
	const void *filename = BPF_CORE_READ(bprm, filename);
	struct event_account *account;
	struct scope_match match = {};

	if (!scope_current(&match) || scope_self(bpf_get_current_pid_tgid() >> 32))
		return 0;
	account = event_account_of(PROBE_PROCESS);
	if (!account)
		return 0;
	snapshot_mark(task, SEEN_EXEC, BPF_ANY);
	__sync_fetch_and_add(&account->produced, 1);
	if (event_transport == TRANSPORT_RINGBUF)
		exec_in_ring(account, task, filename, &match);
	else if (event_transport == TRANSPORT_PERF_STACK)
		exec_on_stack(ctx, account, task, filename, &match);
	else
		exec_in_scratch(ctx, account, task, filename, &match);
	return 0;
}

/* Whether this is the last thread of its process to leave; says so to one of them only. */
static __always_inline bool exit_is_last(const struct task_struct *task, unsigned long long *ctx)
{
	struct process_key key;
	__u8 one = 1;

	if (exit_has_group_dead)
		return ctx[1] & 1;
	if (BPF_CORE_READ(task, signal, live.counter))
		return false;
	key = process_key_of(task);
	return !bpf_map_update_elem(&exit_claims, &key, &one, BPF_NOEXIST);
}

/* Time on a CPU of all threads: of those that are gone, and of those still on the list. */
static __always_inline __u64 exit_cpu_ns(const struct signal_struct *signal)
{
	const struct list_head *head =
		(const void *)signal + bpf_core_field_offset(struct signal_struct, thread_head);
	const struct list_head *node = BPF_CORE_READ(head, next);
	__u64 total = BPF_CORE_READ(signal, sum_sched_runtime);

	for (int i = 0; i < 256; i++) {
		const struct task_struct *thread;

		if (!node || node == head)
			break;
		thread =
			(const void *)node - bpf_core_field_offset(struct task_struct, thread_node);
		total += BPF_CORE_READ(thread, se.sum_exec_runtime);
		node = BPF_CORE_READ(node, next);
	}
	return total;
}

SEC_TRACEPOINT("sched_process_exit")
int process_exit(unsigned long long *ctx)
{
	const struct task_struct *task = (const struct task_struct *)bpf_get_current_task();
	const struct signal_struct *signal;
	struct exit_event local, *event;
	struct event_account *account;
	struct scope_match match = {};
	__u32 slot;

	if (!exit_is_last(task, ctx))
		return 0;
	if (!scope_current(&match) || scope_self(bpf_get_current_pid_tgid() >> 32))
		return 0;
	account = event_account_of(PROBE_PROCESS);
	if (!account)
		return 0;
	snapshot_mark(task, SEEN_EXIT, BPF_NOEXIST);
	event = event_reserve(account, RING_LIFECYCLE, sizeof(*event), &local, &slot);
	if (!event)
		return 0;
	event_fill(&event->header, EVENT_EXIT, sizeof(*event), &match);
	signal = BPF_CORE_READ(task, signal);
	event->start_time = BPF_CORE_READ(task, group_leader, start_boottime);
	event->duration_ns = event->header.time_ns - event->start_time;
	event->cpu_ns = exit_cpu_ns(signal);
	event->rss_peak_bytes = BPF_CORE_READ(signal, maxrss) * page_size;
	/* As wait_task_zombie() decides it. */
	event->status = (__u32)(BPF_CORE_READ(signal, flags) & SIGNAL_GROUP_EXIT
					? BPF_CORE_READ(signal, group_exit_code)
					: BPF_CORE_READ(task, group_leader, exit_code));
	event->reserved = 0;
	event_submit(ctx, account, RING_LIFECYCLE, event, sizeof(*event), slot);
	return 0;
}

#include "process_snapshot.bpf.h"
