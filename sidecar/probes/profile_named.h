/* SPDX-License-Identifier: Apache-2.0 */
/* A profile record whose kernel frames have got names: what profile.c makes of one and profile_kind.c appends. */
#ifndef RINGSIDE_PROBES_PROFILE_NAMED_H
#define RINGSIDE_PROBES_PROFILE_NAMED_H

#include <linux/bpf.h>
#include <linux/types.h>

#include "kernel/kallsyms.h"
#include "profile.h"

/* One kernel frame. */
struct profile_named {
	__u64 offset;	   /* in the function; without a name: the address */
	__u32 name_length; /* 0: not known */
	__u32 reserved;
};

/*
 * struct profile_event, then `kernel_frames` struct profile_named, `user_frames` struct bpf_stack_build_id, then the names, one after
 * the other, without NULs.
 */
#define PROFILE_NAMED_ROOM                                                                         \
	(PROFILE_ROOM + PROFILE_FRAMES * (sizeof(struct profile_named) + KALLSYMS_NAME))

#endif
