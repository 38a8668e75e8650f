/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The write record and the counters' rows: both come from the system call hooks. */
#ifndef RINGSIDE_SYSCALLS_H
#define RINGSIDE_SYSCALLS_H

#include "event.h"

#define SYSCALLS_MAX 512 /* numbers below this have a row of their own */

struct write_event {
	struct event_header header;
	__u64 requested;
	__s64 returned;
	__u64 latency_ns; /* 0: not measured */
	__s32 fd;
	__u16 syscall; /* x86-64 number; with EVENT_IA32 the 32-bit number */
	__u16 reserved;
	__u32 sample; /* this record stands for that many calls */
	__u32 reserved2;
};
_Static_assert(sizeof(struct write_event) == 104, "write record");

/* Key of one row of counters. */
struct syscall_key {
	__u64 cgroup_id;
	__u16 hierarchy;
	__u16 ia32; /* 1: a 32-bit caller's number */
	__u32 nr;
};

struct syscall_count {
	__u64 count;
	__u64 errors;
	__u64 total_ns;
	__u64 since_ns; /* CLOCK_BOOTTIME of the row's first call on this CPU */
};

#endif
