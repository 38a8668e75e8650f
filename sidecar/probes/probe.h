/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A probe: programs on hooks, the records they make (wire kinds) and perhaps counters. One family of probes shares an object
 * and is one file here; table.c lists all. The reader's thread calls everything. A family logs its own errors, once, with
 * the probe in front.
 */
#ifndef RINGSIDE_PROBES_PROBE_H
#define RINGSIDE_PROBES_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/kind.h"

struct events;
struct counters;

/* What --options say to the probes. */
struct probe_settings {
	bool latency;
	bool per_cpu;
	uint64_t write_min_bytes;
	uint64_t write_sample;	  /* at least 1 */
	uint64_t counters_memory; /* bytes, all CPUs together */
	uint64_t profile_hz;	  /* at least 1 */
	bool include_self;
};

/* What a family starts with. Borrowed for the family's life. */
struct probe_setup {
	const struct probe_settings *settings;
	struct events *events;
	uint32_t enabled; /* bit number = probe */
};

#define PROBE_HOW 128

struct probe_family {
	const char *name;
	/*
	 * Loads and attaches. ret_how says how, for `ready`: "tp_btf". 0 or -errno (logged); what was attached is undone. */
	int (*start)(const struct probe_setup *setup, void **ret_state, char ret_how[PROBE_HOW]);
	/* Detaches the programs: after it no record is produced. The state lives on for the last accounting. */
	void (*detach)(void *state);
	void (*stop)(void *state);

	/* The rest may be NULL. */
	/* All families are attached and the reader can take records. */
	void (*ready)(void *state);
	/* A descriptor that is readable when `work` has something to do; -1: none. */
	int (*fd)(void *state);
	void (*work)(void *state);
	/* Called about once a second: CPUs may have come online. */
	void (*refresh)(void *state);
	/* A record of this family was taken: returns it, or another made from it (good until the next call). */
	const struct event_header *(*enrich)(void *state, const struct event_header *event);
	/* Adds the rows of its counters. */
	void (*count)(void *state, struct counters *counters);
	/* Runs that the kernel skipped of the programs that serve this probe. */
	uint64_t (*missed)(void *state, uint32_t probe);
};

/* What a probe's records are like, as its transport matters: bits. */
enum probe_records {
	RECORDS_FIXED = 1, /* of one size */
	RECORDS_SIZED = 2, /* as long as their texts */
	RECORDS_LARGE = 4, /* of no use when cut to what the BPF stack holds: not by perf-stack */
};

#define PROBE_COUNTERS 2 /* stream of a probe that only counts */

struct probe {
	const char *name;
	uint32_t stream; /* RING_LIFECYCLE, RING_SAMPLES or PROBE_COUNTERS */
	bool by_default;
	uint32_t records; /* enum probe_records; 0: it has none */
	const struct probe_family *family;
	/* The kinds of its records, ended by 0. */
	uint32_t kinds[4];
};

/* Index: enum event_probe. */
extern const struct probe probes[];
extern const size_t probe_count;

/* All kinds of records that this build knows, ended by NULL: for batches and printers. */
extern const struct wire_kind *const wire_kinds[];

extern const struct probe_family process_family;
extern const struct probe_family getaddrinfo_family;
extern const struct probe_family syscalls_family;
extern const struct probe_family profile_family;
extern const struct wire_kind fork_kind, exec_kind, exit_kind, getaddrinfo_kind, write_kind,
	profile_kind;

/* Rows of counters that fit into --counters-memory on this machine. */
size_t syscalls_rows(uint64_t memory);
/* Bytes that the profile family takes on this machine, of the kernel and of ours. */
size_t profile_memory(void);

/* Logs that a step of a family's start ended in -errno, with the reason as far as it can be seen. */
void probe_refused(const struct probe_setup *setup, const char *probe, const char *step, int err);

/* The probe's number by its name; -1: unknown. */
int probe_find(const char *name);
/* Which probe a record of this kind belongs to; -1: unknown. */
int probe_of_kind(uint32_t kind);

#endif
