// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What write records are held against: the usual way to make one, by the two per-system-call tracepoints with a hash look-up for
 * scope and a hash for what is in flight; and a program that does nothing, at our own hook.
 */
#include "kernel.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "syscalls.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

struct in_flight {
	__u64 start_ns;
	__u64 requested;
	__s32 fd;
	__u32 reserved;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u8);
} scope SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u32);
	__type(value, struct in_flight);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024);
} ring SEC(".maps");

struct enter_args {
	__u64 common;
	__u64 nr;
	__u64 fd, buffer, count;
};

struct exit_args {
	__u64 common;
	__u64 nr;
	__s64 returned;
};

SEC("tracepoint/syscalls/sys_enter_write")
int yardstick_enter(struct enter_args *args)
{
	__u64 cgroup = bpf_get_current_cgroup_id();
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct in_flight call = {};

	if (!bpf_map_lookup_elem(&scope, &cgroup))
		return 0;
	call.start_ns = bpf_ktime_get_boot_ns();
	call.requested = args->count;
	call.fd = (__s32)args->fd;
	bpf_map_update_elem(&calls, &tid, &call, BPF_ANY);
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_write")
int yardstick_exit(struct exit_args *args)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	__u32 tid = (__u32)pid_tgid;
	struct write_event *event;
	struct in_flight *call;

	call = bpf_map_lookup_elem(&calls, &tid);
	if (!call)
		return 0;
	event = bpf_ringbuf_reserve(&ring, sizeof(*event), 0);
	if (event) {
		__builtin_memset(event, 0, sizeof(*event));
		event->header.time_ns = bpf_ktime_get_boot_ns();
		event->header.cgroup_id = bpf_get_current_cgroup_id();
		event->header.tgid = pid_tgid >> 32;
		event->header.tid = tid;
		event->header.cpu = bpf_get_smp_processor_id();
		bpf_get_current_comm(event->header.comm, sizeof(event->header.comm));
		event->latency_ns = event->header.time_ns - call->start_ns;
		event->requested = call->requested;
		event->returned = args->returned;
		event->fd = call->fd;
		bpf_ringbuf_submit(event, BPF_RB_NO_WAKEUP);
	}
	bpf_map_delete_elem(&calls, &tid);
	return 0;
}

SEC("tp_btf/sys_exit")
int empty_exit(void *ctx)
{
	return 0;
}
