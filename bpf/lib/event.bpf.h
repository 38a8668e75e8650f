/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The only way out for records: count as produced, reserve (or fill a scratch slot), fill, submit. What can't be had is
 * counted by reason. The maps are made by the first family that is loaded; the others reuse them.
 */
#ifndef RINGSIDE_EVENT_BPF_H
#define RINGSIDE_EVENT_BPF_H

#include <bpf/bpf_helpers.h>
#include "event.h"
#include "scope.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 512 * 1024);
} ring_lifecycle SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024);
} ring_samples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, PROBES);
	__type(key, __u32);
	__type(value, struct event_account);
} accounts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, RINGS);
	__type(key, __u32);
	__type(value, struct event_wakeup);
} wakeups SEC(".maps");

/* Names of the cgroups that records carry; emptied by the reader when it is full. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct cgroup_key);
	__type(value, struct cgroup_name);
} cgroup_names SEC(".maps");

/* The cgroup whose name this CPU looked up last. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cgroup_key);
} cgroup_last SEC(".maps");

/* Room to build records of variable length, and the numbers of the free slots. Uprobe programs can be preempted half-way, so
 * a slot belongs to a claim, not to a CPU. */
#define SCRATCH_SIZE  16384
#define SCRATCH_SLOTS 16
struct scratch {
	__u8 data[SCRATCH_SIZE];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SCRATCH_SLOTS);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK);
	__uint(max_entries, SCRATCH_SLOTS);
	__type(value, __u32);
} scratch_free SEC(".maps");

static __always_inline struct event_account *event_account_of(__u32 probe)
{
	return bpf_map_lookup_elem(&accounts, &probe);
}

static __always_inline void event_lost(struct event_account *account, enum lost_reason reason)
{
	__sync_fetch_and_add(&account->lost[reason], 1);
}

static __always_inline void event_ring_lost(struct event_account *account, void *ring, __u64 length)
{
	__u64 used = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);
	__u64 size = bpf_ringbuf_query(ring, BPF_RB_RING_SIZE);

	event_lost(account,
		   used + length + BPF_RINGBUF_HDR_SZ > size ? LOST_RING_FULL : LOST_CONTENDED);
}

/*
 * Wakes the reader when it sleeps and waits for any record, or for the threshold. The atomic before the load orders it
 * behind the reserve: the reader sets `asleep`, fences and looks at the ring once more, so one of the two sees the other.
 */
static __always_inline __u64 event_wake_flags(struct event_account *account, void *ring,
					      __u32 number)
{
	struct event_wakeup *wakeup = bpf_map_lookup_elem(&wakeups, &number);
	__u64 nothing = 0;
	__u32 asleep;

	if (!wakeup)
		return 0;
	barrier_var(nothing); /* or the compiler makes it an atomic OR, which 5.10 does not know */
	__sync_fetch_and_add(&account->lost[LOST_RING_FULL], nothing);
	asleep = *(volatile __u32 *)&wakeup->asleep;
	if (asleep == WAKE_ANY ||
	    (asleep == WAKE_THRESHOLD &&
	     bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) >= wakeup->threshold)) {
		*(volatile __u32 *)&wakeup->asleep = WAKE_NONE;
		return BPF_RB_FORCE_WAKEUP;
	}
	return BPF_RB_NO_WAKEUP;
}

/* Without a free slot the name stays unknown until the next record. */
static __noinline void event_name_cgroup(const void *task, const struct cgroup_key *key)
{
	struct cgroup_name *name;
	__u32 slot;

	if (bpf_map_pop_elem(&scratch_free, &slot))
		return;
	name = bpf_map_lookup_elem(&scratches, &slot);
	if (name) {
		cgroup_names_read(cgroup_of(task, (__u32)key->hierarchy), name);
		bpf_map_update_elem(&cgroup_names, key, name, BPF_ANY);
	}
	bpf_map_push_elem(&scratch_free, &slot, 0);
}

/* The names of the cgroups that records carry are kept for the reader: looked up where a CPU's records change cgroup. */
static __always_inline void event_note_cgroup(const void *task, const struct scope_match *match)
{
	struct cgroup_key key = {.id = match->cgroup_id, .hierarchy = match->hierarchy};
	struct cgroup_key *last;
	__u32 zero = 0;

	last = bpf_map_lookup_elem(&cgroup_last, &zero);
	if (!last || (last->id == key.id && last->hierarchy == key.hierarchy))
		return;
	if (bpf_map_lookup_elem(&cgroup_names, &key))
		*last = key;
	else
		event_name_cgroup(task, &key);
}

/* Fills what is the same for every record of the current task. */
static __always_inline void event_fill(struct event_header *header, __u16 kind, __u32 length,
				       const struct scope_match *match)
{
	const struct task_struct *task = (const struct task_struct *)bpf_get_current_task();
	__u64 pid_tgid = bpf_get_current_pid_tgid();

	header->kind = kind;
	header->flags = 0;
	header->length = length;
	header->time_ns = bpf_ktime_get_boot_ns();
	header->cgroup_id = match->cgroup_id;
	header->hierarchy = (__u16)match->hierarchy;
	header->reserved = 0;
	header->tgid = pid_tgid >> 32;
	header->tid = (__u32)pid_tgid;
	header->ns_tgid = 0;
	header->ns_tid = 0;
	if (pidns_level) {
		header->ns_tid = scope_ns_pid(task);
		header->ns_tgid = scope_ns_pid(BPF_CORE_READ(task, group_leader));
	}
	header->cpu = bpf_get_smp_processor_id();
	bpf_get_current_comm(header->comm, sizeof(header->comm));
	event_note_cgroup(task, match);
}

static __always_inline struct scratch *scratch_claim(struct event_account *account, __u32 *ret_slot)
{
	struct scratch *scratch;

	if (bpf_map_pop_elem(&scratch_free, ret_slot)) {
		event_lost(account, LOST_SCRATCH);
		return NULL;
	}
	scratch = bpf_map_lookup_elem(&scratches, ret_slot);
	if (!scratch)
		event_lost(account, LOST_SCRATCH);
	return scratch;
}

static __always_inline void scratch_release(__u32 slot)
{
	bpf_map_push_elem(&scratch_free, &slot, 0);
}

/* Sends `length` bytes of a scratch slot. Its wake-up is the kernel's own choice: here nothing can be decided between reserve
 * and submit. */
static __always_inline void event_output(struct event_account *account, void *ring, void *data,
					 __u64 length)
{
	if (bpf_ringbuf_output(ring, data, length, 0))
		event_ring_lost(account, ring, length);
}

#endif
