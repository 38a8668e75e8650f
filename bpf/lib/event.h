/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What every record on a ring begins with, and the accounting that both sides share. Host byte order; a record is
 * `length` bytes long, header included. Included by BPF programs (after kernel.bpf.h) and by user space (after linux/types.h).
 */
#ifndef RINGSIDE_EVENT_H
#define RINGSIDE_EVENT_H

#define EVENT_COMM 16

enum event_kind {
	EVENT_FORK = 1,
	EVENT_EXEC = 2,
	EVENT_EXIT = 3,
	EVENT_GETADDRINFO = 4,
	EVENT_WRITE = 5,
	EVENT_PROFILE = 6,
};

/* Bits of event_header.flags; the same as Batch.flags in proto/ringside.proto. */
enum event_flag {
	EVENT_TRUNCATED = 1,
	EVENT_FAULT = 2,
	EVENT_READ_LATE = 4,
	EVENT_SNAPSHOT = 8,
	EVENT_PARTIAL = 16,
	EVENT_IA32 = 32,
	EVENT_LATE = 64,
};

struct event_header {
	__u16 kind;
	__u16 flags;
	__u32 length;
	__u64 time_ns;	 /* CLOCK_BOOTTIME */
	__u64 cgroup_id; /* in `hierarchy` */
	__u32 tgid;	 /* initial PID namespace */
	__u32 tid;
	__u32 ns_tgid; /* the sidecar's PID namespace; 0: no number there, or it is the initial one */
	__u32 ns_tid;
	__u32 cpu;
	__u16 hierarchy; /* enum scope_hierarchy */
	__u16 reserved;
	char comm[EVENT_COMM];
};
_Static_assert(sizeof(struct event_header) == 64, "record header");

/* Why a record that was produced never came; the index of ProbeAccount.lost. */
enum lost_reason {
	LOST_RING_FULL = 0,
	LOST_CONTENDED = 1,
	LOST_NMI_CONTENDED = 2, /* the same in an NMI, which cannot wait for what it interrupts */
	LOST_SCRATCH = 3,
	LOST_INFLIGHT_FULL = 4,
	LOST_NO_CPU_BUFFER = 5,
	LOST_REASONS = 6,
};

/* The rings, which are also the stream numbers. */
enum event_ring {
	RING_LIFECYCLE = 0,
	RING_SAMPLES = 1,
	RINGS = 2,
};

/* How records leave the kernel. A probe's records are of one fixed size, or sized by their texts. */
enum event_transport {
	TRANSPORT_AUTO = 0,	      /* the first for fixed records, the second for sized ones */
	TRANSPORT_RINGBUF = 1,	      /* built in the ring: reserve, submit */
	TRANSPORT_RINGBUF_OUTPUT = 2, /* built in a scratch slot, copied into the ring */
	TRANSPORT_PERF_HEAP = 3,  /* built in a scratch slot, copied into the CPU's perf buffer */
	TRANSPORT_PERF_STACK = 4, /* built on the BPF stack (512 bytes), copied likewise */
	TRANSPORTS = 5,
};

/* Probes that account for records; the index into the per-CPU map `accounts`. */
enum event_probe {
	PROBE_PROCESS = 0,
	PROBE_GETADDRINFO = 1,
	PROBE_WRITE = 2,
	PROBE_SYSCALLS = 3,
	PROBE_PROFILE = 4,
	PROBES = 5,
};

/* One CPU's share of a probe's account: cumulative, never reset. */
struct event_account {
	__u64 produced; /* in scope, past filters and sampling, counted before reserve */
	__u64 lost[LOST_REASONS];
};

/* What a sleeping reader waits for. */
enum wake_on {
	WAKE_NONE = 0, /* it is awake */
	WAKE_ANY = 1,
	WAKE_THRESHOLD = 2,
};

/* One ring's wake-up state, in memory that both sides map. */
struct event_wakeup {
	__u32 asleep; /* enum wake_on; BPF takes it back to WAKE_NONE and wakes the reader */
	__u32 reserved;
	__u64 threshold; /* bytes of unread data for WAKE_THRESHOLD */
};

/* Room to build records in, for transports that copy; a slot belongs to one record at a time. */
#define SCRATCH_SIZE  16384
#define SCRATCH_SLOTS 16

/* Hierarchy of a cgroup id. */
enum scope_hierarchy {
	HIERARCHY_V2 = 0,
	HIERARCHY_MEMORY = 1,
	HIERARCHY_PIDS = 2,
};

/* A cgroup as its BPF programs met it: its own name and its ancestors', nearest first. */
#define CGROUP_NAMES 1024 /* of so many cgroups */
#define CGROUP_NAME  96
#define CGROUP_DEPTH 4
struct cgroup_name {
	char name[CGROUP_DEPTH][CGROUP_NAME]; /* NUL-terminated; empty past the root */
};
struct cgroup_key {
	__u64 id;
	__u64 hierarchy;
};

#define SCOPE_VALUES 16
#define SCOPE_MAX    (SCOPE_VALUES + 1) /* in a pod the sidecar's own container is left out too */
/* One --scope or --exclude: a cgroup and all below it. */
struct scope_entry {
	__u64 id;
	__u32 level; /* depth of the cgroup; the root is 0 */
	__u16 hierarchy;
	__u16 exclude;
};

#endif
