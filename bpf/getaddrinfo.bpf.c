// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Calls of getaddrinfo(3): texts and hints are kept from the entry, the record is made at the return. The two are paired by
 * (task, stack pointer): a deeper call has a lower one, and what a longjmp or a cancellation left behind is found by the next.
 */
#include "kernel.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#include "getaddrinfo.h"
#include "event.bpf.h"
#include "addrinfo.bpf.h"
#include "preempt.bpf.h"
#include "rung.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define NESTED 4

/* Calls that were entered and left by another way than their return: longjmp, cancellation, exec. */
__u64 abandoned = 0;
struct call_key {
	__u64 task;
	__u64 depth;
};

struct call {
	__u64 start_ns;
	__u64 node, service, result; /* user addresses */
	__s32 hints[4];
	__u32 present;
	__u16 flags;
	__u16 node_length,
		service_length; /* without NUL; of a text that could not be read yet: UNREAD */
	__u16 reserved[3];
	char node_text[TEXT + 6];
	char service_text[TEXT + 6];
};
#define UNREAD 0xffff

struct call_stack {
	__u64 depth;
	__u64 sp[NESTED];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1024);
	__type(key, struct call_key);
	__type(value, struct call);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct call_stack);
} call_stacks SEC(".maps");

static __always_inline void drop_call(__u64 task, __u64 depth)
{
	struct call_key key = {.task = task, .depth = depth};

	bpf_map_delete_elem(&calls, &key);
}

/* A user text with its NUL cut off. UNREAD where its page is not in. */
static __always_inline __u16 read_text(char *text, __u64 address, __u16 *flags)
{
	long length = bpf_probe_read_user_str(text, TEXT, (const void *)address);
	char beyond = 0;

	if (length <= 0)
		return UNREAD;
	if (length == TEXT &&
	    !bpf_probe_read_user(&beyond, 1, (const void *)(address + TEXT - 1)) && beyond)
		*flags |= EVENT_TRUNCATED;
	return (__u16)(length - 1);
}

static __always_inline void fill_call(struct call *call, struct pt_regs *ctx)
{
	__u64 hints = PT_REGS_PARM3(ctx);

	call->start_ns = bpf_ktime_get_boot_ns();
	call->node = PT_REGS_PARM1(ctx);
	call->service = PT_REGS_PARM2(ctx);
	call->result = PT_REGS_PARM4(ctx);
	call->present = (call->node ? PRESENT_NODE : 0) | (call->service ? PRESENT_SERVICE : 0) |
			(hints ? PRESENT_HINTS : 0);
	call->flags = 0;
	call->node_length = call->node ? read_text(call->node_text, call->node, &call->flags) : 0;
	call->service_length =
		call->service ? read_text(call->service_text, call->service, &call->flags) : 0;
	__builtin_memset(call->hints, 0, sizeof(call->hints));
	if (hints && bpf_probe_read_user(call->hints, sizeof(call->hints), (const void *)hints))
		call->flags |= EVENT_FAULT;
}

static __noinline int enter_call(struct pt_regs *ctx)
{
	struct call_stack empty = {}, *stack;
	struct event_account *account;
	struct scope_match match;
	struct call_key key = {};
	struct call *call;
	__u64 sp = PT_REGS_SP(ctx);
	__u64 depth;
	__u32 slot;

	if (!scope_current(&match) || scope_self(bpf_get_current_pid_tgid() >> 32))
		return 0;
	account = event_account_of(PROBE_GETADDRINFO);
	if (!account)
		return 0;
	key.task = bpf_get_current_task();
	stack = bpf_map_lookup_elem(&call_stacks, &key.task);
	if (!stack) {
		bpf_map_update_elem(&call_stacks, &key.task, &empty, BPF_ANY);
		stack = bpf_map_lookup_elem(&call_stacks, &key.task);
	}
	if (!stack)
		goto full;
	/* What lies lower on the stack never returned. The same place: two mounts of one file fire for one call. */
	depth = stack->depth;
	for (int i = 0; i < NESTED; i++) {
		if (depth == 0 || depth > NESTED || stack->sp[(depth - 1) & (NESTED - 1)] > sp)
			break;
		depth--;
		if (stack->sp[depth & (NESTED - 1)] < sp)
			__sync_fetch_and_add(&abandoned, 1);
		drop_call(key.task, depth);
	}
	stack->depth = depth;
	if (depth >= NESTED)
		goto full;
	call = (struct call *)scratch_claim(&slot);
	if (!call) {
		__sync_fetch_and_add(&account->produced, 1);
		event_lost(account, LOST_SCRATCH);
		return 0;
	}
	fill_call(call, ctx);
	key.depth = depth;
	if (bpf_map_update_elem(&calls, &key, call, BPF_ANY)) {
		scratch_release(slot);
		goto full;
	}
	scratch_release(slot);
	stack->sp[depth & (NESTED - 1)] = sp;
	stack->depth = depth + 1;
	return 0;
full:
	__sync_fetch_and_add(&account->produced, 1);
	event_lost(account, LOST_INFLIGHT_FULL);
	return 0;
}

SEC("uprobe")
int getaddrinfo_enter(struct pt_regs *ctx)
{
	preempt_disable();
	enter_call(ctx);
	preempt_enable();
	return 0;
}

/* Texts that were not in memory at the entry: libc has read them since. */
static __always_inline void read_late(struct call *call)
{
	if (call->node_length == UNREAD) {
		call->node_length = read_text(call->node_text, call->node, &call->flags);
		call->flags |= call->node_length == UNREAD ? EVENT_FAULT : EVENT_READ_LATE;
	}
	if (call->service_length == UNREAD) {
		call->service_length = read_text(call->service_text, call->service, &call->flags);
		call->flags |= call->service_length == UNREAD ? EVENT_FAULT : EVENT_READ_LATE;
	}
	if (call->node_length == UNREAD)
		call->node_length = 0;
	if (call->service_length == UNREAD)
		call->service_length = 0;
}

/* Appends a text that is in BPF memory; its bytes past `length` are overwritten by what follows. */
static __always_inline __u32 put_text(struct scratch *scratch, __u32 used, const char *text,
				      __u16 length)
{
	used &= ANSWERS_END - 1;
	bpf_probe_read_kernel(&scratch->data[used], TEXT, text);
	return used + (length < TEXT ? length : GETADDRINFO_NAME);
}

static __noinline int send_call(struct pt_regs *ctx, struct call *call,
				const struct scope_match *match)
{
	struct event_account *account = event_account_of(PROBE_GETADDRINFO);
	struct getaddrinfo_event *event;
	struct scratch *scratch;
	__u64 list = 0;
	__u32 slot = 0, used;

	if (!account || !call || !match)
		return 0;
	__sync_fetch_and_add(&account->produced, 1);
	scratch = event_room(SHAPE_SIZED, RING_LIFECYCLE, ANSWERS_ROOM, NULL, &slot);
	if (!scratch) {
		event_no_room(account, SHAPE_SIZED, RING_LIFECYCLE, ANSWERS_ROOM);
		return 0;
	}
	event = (struct getaddrinfo_event *)scratch;
	event_fill(&event->header, EVENT_GETADDRINFO, 0, match);
	read_late(call);
	event->header.flags = call->flags;
	event->latency_ns = event->header.time_ns - call->start_ns;
	event->result = (__s32)PT_REGS_RC(ctx);
	event->hint_flags = call->hints[0];
	event->hint_family = call->hints[1];
	event->hint_socktype = call->hints[2];
	event->hint_protocol = call->hints[3];
	event->present = call->present | PRESENT_RESULT;
	event->node_length = call->node_length;
	event->service_length = call->service_length;
	event->answers = 0;
	event->answers_seen = 0;
	if (!event->result) {
		if (bpf_probe_read_user(&list, sizeof(list), (const void *)call->result))
			event->header.flags |= EVENT_FAULT;
		read_answers(scratch, list);
	}
	used = sizeof(*event) + (event->answers & 63) * sizeof(struct getaddrinfo_answer);
	used = put_text(scratch, used, call->node_text, call->node_length);
	used = put_text(scratch, used, call->service_text, call->service_length);
	used = put_canonnames(scratch, used);
	event->header.length = used;
	event_send(ctx, account, SHAPE_SIZED, RING_LIFECYCLE, scratch, used & (SCRATCH_SIZE - 1),
		   slot);
	return 0;
}

static __noinline int leave_call(struct pt_regs *ctx)
{
	struct call_key key = {.task = bpf_get_current_task()};
	struct call_stack *stack = bpf_map_lookup_elem(&call_stacks, &key.task);
	__u64 sp = PT_REGS_SP(ctx) - RETURN_POPS;
	struct scope_match match;
	struct call *call;
	__u64 depth;

	if (!stack)
		return 0;
	depth = stack->depth;
	for (int i = 0; i < NESTED; i++) {
		if (depth == 0 || depth > NESTED || stack->sp[(depth - 1) & (NESTED - 1)] >= sp)
			break;
		depth--;
		__sync_fetch_and_add(&abandoned, 1);
		drop_call(key.task, depth);
	}
	stack->depth = depth;
	if (depth == 0 || depth > NESTED || stack->sp[(depth - 1) & (NESTED - 1)] != sp)
		return 0;
	key.depth = depth - 1;
	stack->depth = depth - 1;
	call = bpf_map_lookup_elem(&calls, &key);
	if (call && scope_current(&match) && !scope_self(bpf_get_current_pid_tgid() >> 32))
		send_call(ctx, call, &match);
	bpf_map_delete_elem(&calls, &key);
	if (depth == 1)
		bpf_map_delete_elem(&call_stacks, &key.task);
	return 0;
}

SEC("uretprobe")
int getaddrinfo_return(struct pt_regs *ctx)
{
	preempt_disable();
	leave_call(ctx);
	preempt_enable();
	return 0;
}

/* The task's calls end with its address space. */
static __always_inline void forget_task(void)
{
	__u64 task = bpf_get_current_task();
	struct call_stack *stack = bpf_map_lookup_elem(&call_stacks, &task);

	if (!stack)
		return;
	for (__u64 i = 0; i < NESTED; i++) {
		if (i >= stack->depth)
			break;
		drop_call(task, i);
		__sync_fetch_and_add(&abandoned, 1);
	}
	bpf_map_delete_elem(&call_stacks, &task);
}

SEC_TRACEPOINT("sched_process_exec")
int getaddrinfo_exec(void *ctx)
{
	forget_task();
	return 0;
}

SEC_TRACEPOINT("sched_process_exit")
int getaddrinfo_exit(void *ctx)
{
	forget_task();
	return 0;
}
