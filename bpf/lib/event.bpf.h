/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The only way out for records: event_reserve (counts it as produced, finds room where the transport builds records), fill,
 * event_submit. What can't be had is counted by reason. The maps are the reader's, lent to each object before it is loaded.
 */
#ifndef RINGSIDE_EVENT_BPF_H
#define RINGSIDE_EVENT_BPF_H

#include <bpf/bpf_helpers.h>
#include "event.h"
#include "scope.bpf.h"

/* A constant of the loaded program: the code of the other transports is not even verified. */
const volatile __u32 event_transport = TRANSPORT_AUTO;

/*
 * The programs of this object run in NMIs. What can be interrupted by one holds its locks: then the kernel gives no record instead
 * of waiting (bpf_ringbuf_reserve: trylock, since 6.16 rqspinlock), and nothing here tries again. Which programs these are is
 * known when they are loaded: those on nmi_handler, and those of hardware perf events, whose counters overflow into an NMI
 * (arch/x86/events/core.c, perf_event_nmi_handler); software clocks strike in hard interrupts (kernel/events/core.c,
 * perf_swevent_hrtimer), which no holder of such a lock lets in.
 */
const volatile bool event_nmi = false;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 512 * 1024);
} ring_lifecycle SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1024 * 1024);
} ring_samples SEC(".maps");

/* Instead of the rings, for the perf transports: a buffer for each CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
} perf_lifecycle SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(key, __u32);
	__type(value, __u32);
} perf_samples SEC(".maps");

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
	__uint(max_entries, CGROUP_NAMES);
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

/* `ring` (enum event_ring) is a literal wherever these are used. */
#define RING(ring) ((ring) == RING_LIFECYCLE ? (void *)&ring_lifecycle : (void *)&ring_samples)
#define PERF(ring) ((ring) == RING_LIFECYCLE ? (void *)&perf_lifecycle : (void *)&perf_samples)

static __always_inline struct event_account *event_account_of(__u32 probe)
{
	return bpf_map_lookup_elem(&accounts, &probe);
}

static __always_inline void event_lost(struct event_account *account, enum lost_reason reason)
{
	__sync_fetch_and_add(&account->lost[reason], 1);
}

/*
 * Wakes the reader when it sleeps and waits for any record, or for the threshold. The atomic before the load orders it
 * behind the reserve: the reader sets `asleep`, fences and looks at the ring once more, so one of the two sees the other.
 */
static __always_inline __u64 event_wake_flags(struct event_account *account, __u32 ring)
{
	struct event_wakeup *wakeup = bpf_map_lookup_elem(&wakeups, &ring);
	__u64 nothing = 0;
	__u32 asleep;

	if (!wakeup)
		return 0;
	barrier_var(nothing); /* or the compiler makes it an atomic OR, which 5.10 does not know */
	__sync_fetch_and_add(&account->lost[LOST_RING_FULL], nothing);
	asleep = *(volatile __u32 *)&wakeup->asleep;
	if (asleep == WAKE_ANY ||
	    (asleep == WAKE_THRESHOLD &&
	     bpf_ringbuf_query(RING(ring), BPF_RB_AVAIL_DATA) >= wakeup->threshold)) {
		*(volatile __u32 *)&wakeup->asleep = WAKE_NONE;
		return BPF_RB_FORCE_WAKEUP;
	}
	return BPF_RB_NO_WAKEUP;
}

static __always_inline struct scratch *scratch_claim(__u32 *ret_slot)
{
	if (bpf_map_pop_elem(&scratch_free, ret_slot))
		return NULL;
	return bpf_map_lookup_elem(&scratches, ret_slot);
}

static __always_inline void scratch_release(__u32 slot)
{
	bpf_map_push_elem(&scratch_free, &slot, 0);
}

/* Without a free slot the name stays unknown until the next record. */
static __noinline void event_name_cgroup(const void *task, const struct cgroup_key *key)
{
	struct cgroup_name *name;
	__u32 slot;

	name = (struct cgroup_name *)scratch_claim(&slot);
	if (!name)
		return;
	cgroup_names_read(cgroup_of(task, (__u32)key->hierarchy), name);
	bpf_map_update_elem(&cgroup_names, key, name, BPF_ANY);
	scratch_release(slot);
}

/* The names of the cgroups that records carry are kept for the reader: looked up where a CPU's records change cgroup. */
static __always_inline void event_note_cgroup(const struct scope_match *match)
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
		event_name_cgroup(match->task ? match->task : (void *)bpf_get_current_task(), &key);
}

/* Fills what is the same for every record of the current task, and takes no lock. */
static __always_inline void event_fill_header(struct event_header *header, __u16 kind, __u32 length,
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
}

/* The same, and keeps the cgroup's name: not in interrupts. */
static __always_inline void event_fill(struct event_header *header, __u16 kind, __u32 length,
				       const struct scope_match *match)
{
	event_fill_header(header, kind, length, match);
	event_note_cgroup(match);
}

/* What a record is like, as far as `auto` chooses by it; a literal. */
enum event_shape {
	SHAPE_FIXED, /* of one size */
	SHAPE_SIZED, /* as long as its texts */
	SHAPE_ROOMED, /* the same, and its program has room of its own for it: no scratch slot is claimed */
	SHAPE_ORDERED, /* its place in a ring must be had before it is decided whether it is sent */
};

/* Asked anew for each decision: a copy may be spilled, and then the verifier no longer knows that it is a constant. */
static __always_inline __u32 event_way(enum event_shape shape)
{
	const __u32 transport = event_transport;

	if (transport == TRANSPORT_AUTO)
		return shape == SHAPE_SIZED || shape == SHAPE_ROOMED ? TRANSPORT_RINGBUF_OUTPUT
								     : TRANSPORT_RINGBUF;
	if (transport == TRANSPORT_RINGBUF_OUTPUT && shape == SHAPE_ORDERED)
		return TRANSPORT_RINGBUF;
	if (transport == TRANSPORT_PERF_STACK && shape == SHAPE_ORDERED)
		return TRANSPORT_PERF_HEAP; /* a task's name and its file's: the stack is in use */
	return transport;
}

/* Whether a record is built in a scratch slot. */
static __always_inline bool event_in_scratch(enum event_shape shape)
{
	return shape != SHAPE_ROOMED && event_way(shape) != TRANSPORT_RINGBUF &&
	       event_way(shape) != TRANSPORT_PERF_STACK;
}

/* There was room, but it could not be had. */
static __always_inline enum lost_reason event_contended(void)
{
	return event_nmi ? LOST_NMI_CONTENDED : LOST_CONTENDED;
}

static __always_inline void event_ring_full(struct event_account *account, __u32 ring, __u64 size)
{
	const __u64 used = bpf_ringbuf_query(RING(ring), BPF_RB_AVAIL_DATA);
	const __u64 all = bpf_ringbuf_query(RING(ring), BPF_RB_RING_SIZE);

	event_lost(account,
		   used + size + BPF_RINGBUF_HDR_SZ > all ? LOST_RING_FULL : event_contended());
}

/* Counts a record that found no room of `size` bytes where the transport builds it. */
static __always_inline void event_no_room(struct event_account *account, enum event_shape shape,
					  __u32 ring, __u64 size)
{
	if (event_way(shape) == TRANSPORT_RINGBUF)
		event_ring_full(account, ring, size);
	else
		event_lost(account, LOST_SCRATCH);
}

/*
 * Room for a record of up to `size` bytes (a literal). `local` is room of that size on the caller's stack
 * (SHAPE_ROOMED: the caller's own, used but by `ringbuf`). NULL: there is none.
 * What was had must be given to event_send or event_discard with the same shape and slot.
 */
static __always_inline void *event_room(enum event_shape shape, __u32 ring, __u64 size, void *local,
					__u32 *ret_slot)
{
	if (event_way(shape) == TRANSPORT_RINGBUF)
		return bpf_ringbuf_reserve(RING(ring), size, 0);
	return event_in_scratch(shape) ? scratch_claim(ret_slot) : local;
}

static __always_inline void event_discard(enum event_shape shape, void *event, __u32 slot)
{
	if (event_way(shape) == TRANSPORT_RINGBUF)
		bpf_ringbuf_discard(event, BPF_RB_NO_WAKEUP);
	else if (event_in_scratch(shape))
		scratch_release(slot);
}

static __always_inline void event_perf_output(void *ctx, struct event_account *account, __u32 ring,
					      void *event, __u64 length)
{
	long err = bpf_perf_event_output(ctx, PERF(ring), BPF_F_CURRENT_CPU, event, length);

	/* -ENOENT: this CPU has no buffer; -EOPNOTSUPP: it had one before it went offline; -EBUSY: nested too deep. */
	if (err)
		event_lost(account, err == -ENOSPC	 ? LOST_RING_FULL
				    : err == -ENOENT	 ? LOST_NO_CPU_BUFFER
				    : err == -EOPNOTSUPP ? LOST_NO_CPU_BUFFER
							 : event_contended());
}

/*
 * Sends `length` bytes of what event_room gave. The wake-up of bpf_ringbuf_output is the kernel's own choice: there nothing can
 * be decided between reserve and submit.
 */
static __always_inline void event_send(void *ctx, struct event_account *account,
				       enum event_shape shape, __u32 ring, void *event,
				       __u64 length, __u32 slot)
{
	if (event_way(shape) == TRANSPORT_RINGBUF) {
		bpf_ringbuf_submit(event, event_wake_flags(account, ring));
		return;
	}
	if (event_way(shape) != TRANSPORT_RINGBUF_OUTPUT)
		event_perf_output(ctx, account, ring, event, length);
	else if (bpf_ringbuf_output(RING(ring), event, length, 0))
		event_ring_full(account, ring, length);
	if (event_in_scratch(shape))
		scratch_release(slot);
}

/* For records of a fixed size: counts one as produced and gives room for it; NULL: it is counted as lost. */
static __always_inline void *event_reserve(struct event_account *account, __u32 ring, __u64 size,
					   void *local, __u32 *ret_slot)
{
	void *event;

	__sync_fetch_and_add(&account->produced, 1);
	event = event_room(SHAPE_FIXED, ring, size, local, ret_slot);
	if (!event)
		event_no_room(account, SHAPE_FIXED, ring, size);
	return event;
}

static __always_inline void event_submit(void *ctx, struct event_account *account, __u32 ring,
					 void *event, __u64 size, __u32 slot)
{
	event_send(ctx, account, SHAPE_FIXED, ring, event, size, slot);
}

#endif
