/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The profile record: where a task was when its CPU's clock struck. Include after <linux/bpf.h>. */
#ifndef RINGSIDE_PROFILE_H
#define RINGSIDE_PROFILE_H

#include "event.h"

#define PROFILE_FRAMES 64 /* of each stack, at most */

/* What counts the time between two samples. */
enum profile_clock {
	PROFILE_CPU_CLOCK = 0, /* the kernel's own timer: samples are taken in a hard interrupt */
	PROFILE_CYCLES = 1,    /* the processor's counter: samples are taken in an NMI */
};

/*
 * Followed by `kernel_frames` addresses (u64), `user_frames` struct bpf_stack_build_id, both innermost first, and, where `names`
 * is 1, a struct cgroup_name.
 */
struct profile_event {
	struct event_header header;
	__u32 hz;
	__u16 clock; /* enum profile_clock */
	__u16 kernel_frames;
	__u16 user_frames;
	__u16 names;
	__u32 reserved;
};
_Static_assert(sizeof(struct profile_event) == 80, "profile record");

/* Longest record, and one frame more of the stack that is read last: that there was one more is how a cut is seen. */
#define PROFILE_ROOM 3072
_Static_assert(sizeof(struct profile_event) + PROFILE_FRAMES * sizeof(__u64) +
			       (PROFILE_FRAMES + 1) * sizeof(struct bpf_stack_build_id) +
			       sizeof(struct cgroup_name) <=
		       PROFILE_ROOM,
	       "a whole record has room");

#endif
