// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Samples of what runs: kernel and user stack of the task that a CPU's clock interrupts. One perf event a CPU runs this program,
 * in a hard interrupt (cpu-clock) or in an NMI (hardware cycles). There nothing may wait for what it has interrupted, so it
 * takes no lock of ours: its room is the CPU's own, not a scratch slot, because the list of free slots is locked (before
 * 6.6, a34a9f1a19af, even an NMI waits for that lock); and a cgroup's name goes with the record, not into the map of names.
 */
#define LOAD_BY_HELPER
#include "kernel.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#include "profile.h"
#include "event.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u32 profile_hz = 0;
const volatile __u16 profile_clock = PROFILE_CPU_CLOCK;
/* Whether anybody here may see the kernel's addresses: without names they are secrets, and of no use. */
const volatile bool profile_kernel = false;

struct room {
	struct profile_event event;
	__u8 data[PROFILE_ROOM - sizeof(struct profile_event)];
};

/* A CPU's clock strikes once at a time, so that its room has one user. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct room);
} rooms SEC(".maps");

/* Puts a stack's frames at `to`, which has room for one more than the most; returns how many there are. */
static __always_inline __u32 put_stack(void *ctx, struct profile_event *event, void *to,
				       __u32 frame_size, __u64 flags)
{
	const long bytes = bpf_get_stack(ctx, to, (PROFILE_FRAMES + 1) * frame_size, flags);
	__u32 frames;

	if (bytes < 0) {
		event->header.flags |= EVENT_FAULT;
		return 0;
	}
	frames = (__u32)bytes / frame_size;
	if (frames <= PROFILE_FRAMES)
		return frames;
	event->header.flags |= EVENT_TRUNCATED;
	return PROFILE_FRAMES;
}

/* The names of a cgroup that the reader does not know yet. Look-ups in a hash take no lock. */
static __always_inline bool put_names(const struct scope_match *match, void *to)
{
	const struct cgroup_key key = {.id = match->cgroup_id, .hierarchy = match->hierarchy};

	if (bpf_map_lookup_elem(&cgroup_names, &key))
		return false;
	cgroup_names_read(cgroup_of((void *)bpf_get_current_task(), match->hierarchy), to);
	return true;
}

/*
 * Where the build id's page is not in memory, or the mappings are locked, the kernel gives a user frame's address instead
 * (BPF_STACK_BUILD_ID_IP): it does not wait for either here.
 */
static __always_inline __u32 build(void *ctx, struct room *room, const struct scope_match *match)
{
	struct profile_event *event = &room->event;
	__u32 used = sizeof(*event);

	event_fill_header(&event->header, EVENT_PROFILE, 0, match);
	event->hz = profile_hz;
	event->clock = profile_clock;
	event->kernel_frames = 0;
	event->reserved = 0;
	if (profile_kernel) {
		const __u32 frames = put_stack(ctx, event, room->data, sizeof(__u64), 0);

		event->kernel_frames = (__u16)frames;
		used += frames * sizeof(__u64);
	}
	const __u32 user =
		put_stack(ctx, event, (void *)room + used, sizeof(struct bpf_stack_build_id),
			  BPF_F_USER_STACK | BPF_F_USER_BUILD_ID);
	event->user_frames = (__u16)user;
	used += user * sizeof(struct bpf_stack_build_id);
	event->names = put_names(match, (void *)room + used);
	if (event->names)
		used += sizeof(struct cgroup_name);
	event->header.length = used;
	return used;
}

SEC("perf_event")
int profile_sample(void *ctx)
{
	const __u32 tgid = bpf_get_current_pid_tgid() >> 32;
	struct event_account *account;
	struct scope_match match = {};
	__u32 zero = 0, length;
	struct room *room;

	/* 0: nothing runs. */
	if (!tgid || !scope_current(&match) || scope_self(tgid))
		return 0;
	account = event_account_of(PROBE_PROFILE);
	if (!account)
		return 0;
	__sync_fetch_and_add(&account->produced, 1);
	room = event_room(SHAPE_ROOMED, RING_SAMPLES, sizeof(*room),
			  bpf_map_lookup_elem(&rooms, &zero), &zero);
	if (!room) {
		event_no_room(account, SHAPE_ROOMED, RING_SAMPLES, sizeof(*room));
		return 0;
	}
	length = build(ctx, room, &match);
	event_send(ctx, account, SHAPE_ROOMED, RING_SAMPLES, room, length, 0);
	return 0;
}
