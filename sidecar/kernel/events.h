/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rings and the accounts, which all families of BPF programs share: made here, lent to each object before it is loaded.
 * The reader's thread alone uses this.
 *
 *   BPF: produced++ -> reserve (or lost[reason]++) -> submit ~~ring~~> events_drain: taken++ -> take()
 *
 * A ring is a BPF ring buffer or, by the perf transports, one perf buffer for each CPU. A reader that sleeps on ring buffers is
 * woken by BPF (see enum wake_on): events_sleep says what it waits for and must be followed by a look at the rings
 * (events_pending) before it really sleeps. Perf buffers wake it when they fill up, no sooner: they must be looked at now and
 * then (events_must_poll).
 */
#ifndef RINGSIDE_KERNEL_EVENTS_H
#define RINGSIDE_KERNEL_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>

#include "event.h"
#include "kernel/ringbuf_reader.h"

struct bpf_object;
struct events;

struct events_config {
	enum event_transport transport;
	size_t ring_bytes[RINGS]; /* a power of two, at least one page */
	size_t perf_pages;	  /* of each CPU's buffer: a power of two; 0: by ring_bytes */
	size_t wakeup_bytes;	  /* unread bytes that wake the reader; 0: half a ring or buffer */
	const struct scope_entry *scopes; /* SCOPE_MAX at most */
	size_t scope_count;
	bool include_self;
	const char *btf;  /* the file of the kernel's types; NULL: its own */
	const char *proc; /* the host's /proc; NULL: our own is read */
	event_taker *take;
	void *context;
};

/* What a probe's programs counted, summed over CPUs, and what was taken. */
struct probe_account {
	uint64_t produced;
	uint64_t lost[LOST_REASONS];
	uint64_t taken;
};

/* Makes the maps. -errno: the kernel refuses one; ret_what names it (static text). */
int events_new(const struct events_config *config, struct events **ret_events,
	       const char **ret_what);
void events_free(struct events *events);

/*
 * Before bpf_object__load: lends the shared maps to the object and sets the constants that every family has (scope, PID
 * namespace, the sidecar's own process).
 */
int events_lend(struct events *events, struct bpf_object *object);

/* Sets one constant (`const volatile`) of an object that is not loaded yet. -ENOENT: it has none of that name and size. */
int object_set(struct bpf_object *object, const char *name, const void *value, size_t size);

/* As given: for families, which load their objects by it, and have one that looks at the scopes itself. */
const char *events_btf(const struct events *events);
const char *events_host_proc(const struct events *events);
/* Where processes are read, by its numbers: the host's /proc or our own. */
const char *events_proc(const struct events *events);
/* The scopes with the ids that they have now: a cgroup that was made again has a new one. How many. */
size_t events_scopes(const struct events *events, struct scope_entry ret_scopes[SCOPE_MAX]);

/* What was taken where `auto` was asked for: itself, or TRANSPORT_PERF_HEAP where the kernel refuses the ring buffer. */
enum event_transport events_transport(const struct events *events);

/* Bytes that one CPU can fill before something must be read. */
size_t events_ring_bytes(const struct events *events, uint32_t ring);
/* For epoll: readable when BPF or the kernel woke the reader. */
int events_fd(const struct events *events, uint32_t ring);
/* Takes all that is there; of perf buffers, all but the last PERF_WINDOW_NS. Returns the number of records. */
size_t events_drain(struct events *events, uint32_t ring);
/* Takes all that was sent before this call. */
void events_drain_whole(struct events *events, uint32_t ring);
/* Nobody tells of the first record after silence. */
bool events_must_poll(const struct events *events);
/* Gives buffers to CPUs that came online. To be called now and then. */
void events_refresh(struct events *events);
/* Records that the kernel says it had no perf buffer room for; 0 for ring buffers. For comparison: BPF has counted them. */
uint64_t events_kernel_lost(const struct events *events);
/* Says what wakes the reader from now on: any record, or half a ring of them. */
void events_sleep(struct events *events, enum wake_on on);
bool events_pending(const struct events *events);

int events_account(struct events *events, uint32_t probe, struct probe_account *ret_account);
/* For records that user space makes or unmakes in a probe's name. */
void events_count_taken(struct events *events, uint32_t probe);

/* Name and container of a cgroup that records carried, as batches ask for them (struct cgroup_namer). */
void events_name_cgroup(void *events, uint64_t id, uint32_t hierarchy, const char **ret_name,
			const char **ret_container);

/* Runs of the program that the kernel skipped; 0 where it does not count them. */
/* What a record's BPF program could not put into the map of names itself: the names of its cgroup. */
void events_learn_cgroup(struct events *events, const struct event_header *event,
			 const struct cgroup_name *names);

uint64_t events_missed(int program_fd);

/* Bytes of kernel and mapped memory that the rings and tables take: for the memory budget. */
size_t events_memory(const struct events_config *config);

#endif
