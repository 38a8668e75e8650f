/* SPDX-License-Identifier: Apache-2.0 */
/* A message's cgroup table: each cgroup once, named when it is first met. All memory is allocated by cgroup_table_init. */
#ifndef RINGSIDE_WIRE_CGROUP_TABLE_H
#define RINGSIDE_WIRE_CGROUP_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "ringside.pb-c.h"

struct strings;

#define CGROUP_TABLE_MAX 1024 /* cgroups of one message */
/* Most bytes of a cgroup's two texts; the caller keeps that much room in `strings`. */
#define CGROUP_TABLE_TEXT 510

/* Names a cgroup when a message first meets it. Both texts are NUL-terminated; empty: not known. Borrowed until the next call. */
struct cgroup_namer {
	void (*name)(void *context, uint64_t id, uint32_t hierarchy, const char **ret_name,
		     const char **ret_container);
	void *context;
};

struct cgroup_table {
	Ringside__V1__CgroupTable message; /* its columns' lengths are set by cgroup_table_seal */
	struct strings *strings;	   /* borrowed: where the names go */
	struct cgroup_namer namer;
	uint32_t count, last;
	uint16_t slots[2 * CGROUP_TABLE_MAX]; /* index + 1; 0: empty */
};

/* 0 or -ENOMEM; cgroup_table_done in either case. */
int cgroup_table_init(struct cgroup_table *table, struct strings *strings,
		      struct cgroup_namer namer);
void cgroup_table_done(struct cgroup_table *table);
size_t cgroup_table_memory(void);

/* The cgroup's index. Only while `count` is below CGROUP_TABLE_MAX. */
uint32_t cgroup_table_index(struct cgroup_table *table, uint64_t id, uint32_t hierarchy);
/* Before packing. */
void cgroup_table_seal(struct cgroup_table *table);
void cgroup_table_clear(struct cgroup_table *table);

#endif
