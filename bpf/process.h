/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Records of the process family: fork, exec, exit. Times are CLOCK_BOOTTIME ns. */
#ifndef RINGSIDE_PROCESS_H
#define RINGSIDE_PROCESS_H

#include "event.h"

#define PROCESS_PATH 4096
#define PROCESS_ARGV 4096
#define PROCESS_NAME 256 /* NAME_MAX and a NUL: of the file, in a snapshot record */

struct fork_event {
	struct event_header header; /* the parent */
	__u64 child_start;
	__u32 child; /* tgid, initial PID namespace */
	__u32 reserved;
};
_Static_assert(sizeof(struct fork_event) == 80, "fork record");

/* Followed by `filename_length` bytes of filename, then `argv_length` bytes of arguments, each ended by a NUL. */
struct exec_event {
	struct event_header header;
	__u64 start_time;
	__u64 argv_bytes; /* what the process has; argv_length is what is here */
	__u32 ppid;
	__u32 uid;
	__u32 gid;
	__u16 filename_length; /* without a NUL */
	__u16 argv_length;     /* the last argument's NUL is missing where it was cut */
};
_Static_assert(sizeof(struct exec_event) == 96, "exec record");

struct exit_event {
	struct event_header header;
	__u64 start_time;
	__u64 duration_ns;
	__u64 cpu_ns;
	__u64 rss_peak_bytes;
	__u32 status; /* as wait(2) gives it: code << 8 | signal */
	__u32 reserved;
};
_Static_assert(sizeof(struct exit_event) == 104, "exit record");

/* A process's identity. */
struct process_key {
	__u64 start_time;
	__u64 tgid;
};

/* Why a process needs no snapshot record (any more). */
enum snapshot_seen {
	SEEN_SNAPSHOT = 1, /* it has one */
	SEEN_ALIVE = 2,	   /* its fork was recorded */
	SEEN_EXEC = 3,	   /* it ran a program since: what /proc shows is that program */
	SEEN_EXIT = 4,	   /* it ended */
};

/* What the walk along the list of processes returns where it comes no further. */
#define SNAPSHOT_STUCK 1

/* How far the snapshot of running processes has come; set by the reader, in the process family's data. */
struct snapshot_state {
	__u64 attached_ns; /* processes that started later are known by their fork; CLOCK_BOOTTIME */
	__u64 resume_ns;   /* skip those that started before */
	__u64 next_ns;	   /* BPF: where to resume, the ring being too full; 0: all were seen */
	__u64 pause_bytes; /* unread bytes in the ring at which to stop */
	__u64 sent_bytes;  /* BPF: in this round */
	__u32 running;
	__u32 reserved;
};

#endif
