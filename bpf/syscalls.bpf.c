// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * System calls: counts of each, and a record of each write. One program at the return of every call of the host, so what
 * it does for tasks outside the scope must be next to nothing; the program at the entry is attached for latencies only.
 */
#include "kernel.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#include "syscalls.h"
#include "event.bpf.h"
#include "rung.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile bool counting = false;
const volatile bool writing = false;
const volatile bool timing = false;
const volatile __u64 write_min_bytes = 0;
const volatile __u32 write_sample = 1;

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct syscall_key);
	__type(value, struct syscall_count);
} counts SEC(".maps");

/* What found no row. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct syscall_count);
} counts_other SEC(".maps");

/* Calls since the last one that was recorded, of each CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} write_skipped SEC(".maps");

/* When the task's present call began, CLOCK_BOOTTIME ns; 0: outside the scope, or not seen. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} entered SEC(".maps");

/* The same, by task, where tracing programs have no task storage: 5.11, a10787e6d58c ("bpf: Enable task local storage for
 * tracing programs"). */
const volatile bool entered_in_hash = false;
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u64);
} entered_hash SEC(".maps");

/* Calls whose start found no room there: they are told without a latency. */
__u64 entered_lost = 0;

#define IOV_CHUNK 16   /* words of 8 bytes: the stack of 512 bytes holds a record too */
#define IOV_MAX	  1024 /* iovecs that a call may have */

/* bpf_get_current_task_btf: 5.11; its fields are read without a helper. */
static __always_inline bool is_ia32(void)
{
#ifndef RUNG_RAW_TP
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf))
		return bpf_get_current_task_btf()->thread_info.COMPAT_FIELD & COMPAT_BIT;
#endif
	return BPF_CORE_READ((struct task_struct *)bpf_get_current_task(),
			     thread_info.COMPAT_FIELD) &
	       COMPAT_BIT;
}

/*
 * The registers with which the task entered the kernel. bpf_task_pt_regs: 5.15; before it, the end of a stack of 16 KiB. Without BTF
 * newer kernels are read so too: since 6.9 ("x86/fred: Reserve space for the FRED stack frame") those with CONFIG_X86_FRED leave
 * 16 bytes free there, and the user's stack segment is found that much lower.
 */
#define THREAD_SIZE 16384
#define USER_DS	    0x2b
#define FRED_ROOM   16
static __always_inline const struct pt_regs *entry_regs(void)
{
	const void *regs;

#ifndef RUNG_RAW_TP
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return (const struct pt_regs *)bpf_task_pt_regs(bpf_get_current_task_btf());
#endif
	regs = BPF_CORE_READ((struct task_struct *)bpf_get_current_task(), stack) + THREAD_SIZE -
	       bpf_core_type_size(struct pt_regs);
#if defined(RUNG_RAW_TP) && defined(__TARGET_ARCH_x86)
	if (BPF_CORE_READ((const struct pt_regs *)regs, ss) != USER_DS &&
	    BPF_CORE_READ((const struct pt_regs *)(regs - FRED_ROOM), ss) == USER_DS)
		regs -= FRED_ROOM;
#endif
	return regs;
}

static __always_inline struct syscall_count *count_row(const struct syscall_key *key)
{
	struct syscall_count *row = bpf_map_lookup_elem(&counts, key);
	struct syscall_count zero = {};
	__u32 other = 0;

	if (row)
		return row;
	bpf_map_update_elem(&counts, key, &zero, BPF_NOEXIST);
	row = bpf_map_lookup_elem(&counts, key);
	return row ? row : bpf_map_lookup_elem(&counts_other, &other);
}

static __always_inline void count_call(const struct scope_match *match, __u32 nr, bool ia32,
				       long returned, __u64 latency)
{
	struct syscall_key key = {
		.cgroup_id = match->cgroup_id,
		.hierarchy = (__u16)match->hierarchy,
		.ia32 = ia32,
		.nr = nr,
	};
	struct syscall_count *row = count_row(&key);

	if (!row)
		return;
	if (!row->since_ns) {
		row->since_ns = bpf_ktime_get_boot_ns();
		event_note_cgroup(match);
	}
	__sync_fetch_and_add(&row->count, 1);
	if (returned < 0 && returned >= -4095)
		__sync_fetch_and_add(&row->errors, 1);
	if (latency)
		__sync_fetch_and_add(&row->total_ns, latency);
}

/* An iovec has two words, of 8 bytes or of a 32-bit caller's 4; the second is its length. */
static __always_inline __u64 iov_length(__u64 word, __u32 index, bool ia32)
{
	if (ia32)
		return word >> 32;
	return index & 1 ? word : 0;
}

/*
 * The chunk that faults may begin with words that do not: their sum. A global function, which is verified once and not for
 * each chunk.
 */
__noinline __u64 iov_tail(__u64 address, bool ia32)
{
	__u64 word, sum = 0;

	for (int i = 0; i < IOV_CHUNK; i++) {
		if (bpf_probe_read_user(&word, sizeof(word), (void *)(address + i * sizeof(word))))
			break;
		sum += iov_length(word, i, ia32);
	}
	return sum;
}

/*
 * Sum of the lengths of iovecs that are `words` of 8 bytes long together, in chunks; with IOV_PARTIAL (no sum that the kernel takes
 * has that bit) where a part can't be read. A global function too, or the verifier follows each number of chunks to the
 * program's end (0.8 s).
 */
#define IOV_PARTIAL (1ull << 63)
__noinline __u64 iov_bytes(__u64 address, __u64 words, bool ia32)
{
	__u64 chunk[IOV_CHUNK], sum = 0;
	__u32 i;

	for (i = 0; i < IOV_MAX * 2 / IOV_CHUNK; i++) {
		__u64 left = words - i * IOV_CHUNK;

		if (i * IOV_CHUNK >= words)
			break;
		__builtin_memset(chunk, 0, sizeof(chunk));
		if (left > IOV_CHUNK)
			left = IOV_CHUNK;
		if (bpf_probe_read_user(chunk, (left & 31) * sizeof(chunk[0]),
					(void *)(address + i * sizeof(chunk))))
			break;
		for (int j = 0; j < IOV_CHUNK; j++)
			sum += iov_length(chunk[j], j, ia32);
	}
	if (i * IOV_CHUNK >= words)
		return sum & ~IOV_PARTIAL;
	return (sum + iov_tail(address + i * sizeof(chunk), ia32)) | IOV_PARTIAL;
}

static __always_inline bool write_is_sampled(void)
{
	__u32 zero = 0;
	__u32 *skipped;

	if (write_sample <= 1)
		return true;
	skipped = bpf_map_lookup_elem(&write_skipped, &zero);
	if (!skipped)
		return true;
	*skipped += 1;
	if (*skipped < write_sample)
		return false;
	*skipped = 0;
	return true;
}

static __always_inline void record_write(void *ctx, const struct pt_regs *regs,
					 const struct scope_match *match, __u32 nr, bool ia32,
					 bool vector, long returned, __u64 latency)
{
	struct write_event local, *event;
	struct event_account *account;
	__u64 requested =
		      ia32 ? (__u32)FIELD_OF(regs, CALL_COMPAT_ARG3) : FIELD_OF(regs, CALL_ARG3),
	      size;
	__u16 flags = ia32 ? EVENT_IA32 : 0;
	__u32 slot;

	if (vector) {
		requested =
			ia32 ? iov_bytes((__u32)FIELD_OF(regs, CALL_COMPAT_ARG2), requested, true)
			     : iov_bytes(FIELD_OF(regs, CALL_ARG2), requested * 2, false);
		if (requested & IOV_PARTIAL)
			flags |= EVENT_PARTIAL;
		requested &= ~IOV_PARTIAL;
	}
	size = returned > 0 && (__u64)returned > requested ? (__u64)returned : requested;
	if (size < write_min_bytes || !write_is_sampled())
		return;
	account = event_account_of(PROBE_WRITE);
	if (!account)
		return;
	event = event_reserve(account, RING_SAMPLES, sizeof(*event), &local, &slot);
	if (!event)
		return;
	event_fill(&event->header, EVENT_WRITE, sizeof(*event), match);
	event->header.flags = flags;
	event->requested = requested;
	event->returned = returned;
	event->latency_ns = latency;
	event->fd = (__s32)(ia32 ? FIELD_OF(regs, CALL_COMPAT_ARG1) : FIELD_OF(regs, CALL_ARG1));
	event->syscall = (__u16)nr;
	event->reserved = 0;
	event->sample = write_sample;
	event->reserved2 = 0;
	event_submit(ctx, account, RING_SAMPLES, event, sizeof(*event), slot);
}

/* A new task's way to user space ends in sys_exit too; the call was its parent's, which gets a number above 0. */
static __always_inline bool is_child_of_clone(__u64 nr, bool ia32, long returned)
{
	return !returned && is_clone(nr, ia32);
}

static __always_inline void note_entry(void)
{
	__u64 now = bpf_ktime_get_boot_ns(), task = bpf_get_current_task(), *start;

	if (!entered_in_hash) {
		start = bpf_task_storage_get(&entered, bpf_get_current_task_btf(), NULL,
					     BPF_LOCAL_STORAGE_GET_F_CREATE);
		if (start)
			*start = now;
	} else if (bpf_map_update_elem(&entered_hash, &task, &now, BPF_ANY)) {
		__sync_fetch_and_add(&entered_lost, 1);
	}
}

/* Time since the present call's entry; 0: the entry was outside the scope. Forgets the entry. */
static __always_inline __u64 call_latency(void)
{
	__u64 task = bpf_get_current_task(), latency = 0, *start;

	if (entered_in_hash)
		start = bpf_map_lookup_elem(&entered_hash, &task);
	else
		start = bpf_task_storage_get(&entered, bpf_get_current_task_btf(), NULL, 0);
	if (!start || !*start)
		return 0;
	latency = bpf_ktime_get_boot_ns() - *start;
	*start = 0;
	if (entered_in_hash)
		bpf_map_delete_elem(&entered_hash, &task);
	return latency;
}

SEC_TRACEPOINT("sys_exit")
int BPF_PROG(syscalls_exit, struct pt_regs *regs, long returned)
{
	struct scope_match match;
	__u64 latency = 0;
	bool ia32, vector;
	__s64 nr;

	if (!scope_current_inlined(&match)) {
		if (timing)
			call_latency();
		return 0;
	}
	if (scope_self(bpf_get_current_pid_tgid() >> 32))
		return 0;
	ia32 = is_ia32();
	nr = (__s64)FIELD_OF(regs, CALL_NR);
	/*
	 * A signal handler's return has put the interrupted context's registers back: its number is -1, and what seems to be
	 * returned is that context's. A call that a tracer took away, or that had this number, looks the same.
	 */
	if (nr == -1) {
		nr = NR_RT_SIGRETURN(ia32);
		returned = 0;
	}
	if (timing)
		latency = call_latency();
	if (counting && !is_child_of_clone((__u32)nr, ia32, returned))
		count_call(&match, (__u32)nr, ia32, returned, latency);
	if (writing && is_write((__u32)nr, ia32, &vector))
		record_write(ctx, regs, &match, (__u32)nr, ia32, vector, returned, latency);
	return 0;
}

SEC_TRACEPOINT("sys_enter")
int BPF_PROG(syscalls_enter, struct pt_regs *regs, long nr)
{
	struct scope_match match;

	if (scope_current_inlined(&match) && !scope_self(bpf_get_current_pid_tgid() >> 32))
		note_entry();
	return 0;
}

/* exit and exit_group do not return: a thread that leaves by one of them is still in it here. */
SEC_TRACEPOINT("sched_process_exit")
int syscalls_process_exit(void *ctx)
{
	struct scope_match match;
	bool ia32;
	__u64 nr;

	if (timing && entered_in_hash) /* the next task at this address must not find it */
		call_latency();
	if (!counting || !scope_current(&match) || scope_self(bpf_get_current_pid_tgid() >> 32))
		return 0;
	ia32 = is_ia32();
	nr = BPF_CORE_READ(entry_regs(), CALL_NR);
	if (is_exit(nr, ia32))
		count_call(&match, (__u32)nr, ia32, 0, 0);
	return 0;
}
