// SPDX-License-Identifier: Apache-2.0
#include "wire/counters.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ringside.pb-c.h"
#include "wire/frame.h"

#define NAMES	   1024 /* different system call names */
#define NAME_BYTES 32

struct cgroup_ref {
	uint64_t id;
	uint32_t hierarchy;
	char name[100];
	char container[68];
};

struct counters {
	size_t rows, cpus, count, cgroup_count, name_count;
	struct cgroup_namer namer;
	Ringside__V1__SyscallColumns columns;
	struct cgroup_ref *cgroups; /* one a row at most */
	char (*names)[NAME_BYTES];
	ProtobufCBinaryData *strings;
	/* The cgroup table's columns. */
	uint32_t *hierarchy, *name, *container;
	uint64_t *id;
};

size_t counters_memory(size_t rows, size_t cpus)
{
	return rows * (3 * sizeof(uint32_t) + (4 + cpus) * sizeof(uint64_t) +
		       sizeof(struct cgroup_ref) + 2 * sizeof(ProtobufCBinaryData) +
		       3 * sizeof(uint32_t) + sizeof(uint64_t)) +
	       NAMES * (NAME_BYTES + sizeof(ProtobufCBinaryData));
}

struct counters *counters_new(size_t rows, size_t cpus, struct cgroup_namer namer)
{
	struct counters *counters = calloc(1, sizeof(*counters));
	Ringside__V1__SyscallColumns *c;

	if (!counters)
		return NULL;
	counters->rows = rows;
	counters->cpus = cpus;
	counters->namer = namer;
	c = &counters->columns;
	ringside__v1__syscall_columns__init(c);
	c->cgroup = calloc(rows, sizeof(*c->cgroup));
	c->syscall = calloc(rows, sizeof(*c->syscall));
	c->nr = calloc(rows, sizeof(*c->nr));
	c->count = calloc(rows, sizeof(*c->count));
	c->errors = calloc(rows, sizeof(*c->errors));
	c->total_ns = calloc(rows, sizeof(*c->total_ns));
	c->since = calloc(rows, sizeof(*c->since));
	c->per_cpu = calloc(rows, cpus ? cpus * sizeof(*c->per_cpu) : 1);
	counters->cgroups = calloc(rows, sizeof(*counters->cgroups));
	counters->names = calloc(NAMES, sizeof(*counters->names));
	counters->strings = calloc(1 + NAMES + 2 * rows, sizeof(*counters->strings));
	counters->hierarchy = calloc(rows, sizeof(*counters->hierarchy));
	counters->name = calloc(rows, sizeof(*counters->name));
	counters->container = calloc(rows, sizeof(*counters->container));
	counters->id = calloc(rows, sizeof(*counters->id));
	if (!c->cgroup || !c->syscall || !c->nr || !c->count || !c->errors || !c->total_ns ||
	    !c->since || !c->per_cpu || !counters->cgroups || !counters->names ||
	    !counters->strings || !counters->hierarchy || !counters->name || !counters->container ||
	    !counters->id) {
		counters_free(counters);
		return NULL;
	}
	return counters;
}

void counters_free(struct counters *counters)
{
	Ringside__V1__SyscallColumns *c;

	if (!counters)
		return;
	c = &counters->columns;
	free(c->cgroup);
	free(c->syscall);
	free(c->nr);
	free(c->count);
	free(c->errors);
	free(c->total_ns);
	free(c->since);
	free(c->per_cpu);
	free(counters->cgroups);
	free(counters->names);
	free(counters->strings);
	free(counters->hierarchy);
	free(counters->name);
	free(counters->container);
	free(counters->id);
	free(counters);
}

/* Rows of one cgroup mostly come together: look at the newest first. */
static uint32_t cgroup_index(struct counters *counters, uint64_t id, uint32_t hierarchy)
{
	const char *name, *container;
	struct cgroup_ref *ref;

	for (size_t i = counters->cgroup_count; i-- > 0;) {
		if (counters->cgroups[i].id == id && counters->cgroups[i].hierarchy == hierarchy)
			return (uint32_t)i;
	}
	ref = &counters->cgroups[counters->cgroup_count];
	ref->id = id;
	ref->hierarchy = hierarchy;
	counters->namer.name(counters->namer.context, id, hierarchy, &name, &container);
	snprintf(ref->name, sizeof(ref->name), "%s", name);
	snprintf(ref->container, sizeof(ref->container), "%s", container);
	return (uint32_t)counters->cgroup_count++;
}

/* Index in the string table: 0 is empty, then the names in the order in which they came. */
static long name_index(struct counters *counters, const char *name)
{
	for (size_t i = 0; i < counters->name_count; i++) {
		if (!strncmp(counters->names[i], name, NAME_BYTES - 1))
			return (long)i + 1;
	}
	if (counters->name_count == NAMES)
		return -ENOSPC;
	snprintf(counters->names[counters->name_count], NAME_BYTES, "%s", name);
	return (long)++counters->name_count;
}

int counters_add(struct counters *counters, const struct counters_row *row)
{
	Ringside__V1__SyscallColumns *c = &counters->columns;
	const size_t i = counters->count;
	long name;

	if (i == counters->rows)
		return -ENOSPC;
	name = name_index(counters, row->syscall);
	if (name < 0)
		return (int)name;
	c->cgroup[i] = cgroup_index(counters, row->cgroup_id, row->hierarchy);
	c->syscall[i] = (uint32_t)name;
	c->nr[i] = row->nr;
	c->count[i] = row->count;
	c->errors[i] = row->errors;
	c->total_ns[i] = row->total_ns;
	c->since[i] = row->since_ns;
	if (counters->cpus)
		memcpy(c->per_cpu + i * counters->cpus, row->per_cpu,
		       counters->cpus * sizeof(*c->per_cpu));
	counters->count++;
	return 0;
}

static uint32_t put_string(struct counters *counters, size_t *used, char *text)
{
	if (!text[0])
		return 0;
	counters->strings[*used] = (ProtobufCBinaryData){strlen(text), (uint8_t *)text};
	return (uint32_t)(*used)++;
}

static void put_cgroups(struct counters *counters, Ringside__V1__CgroupTable *table, size_t *used)
{
	for (size_t i = 0; i < counters->cgroup_count; i++) {
		counters->hierarchy[i] = counters->cgroups[i].hierarchy;
		counters->id[i] = counters->cgroups[i].id;
		counters->name[i] = put_string(counters, used, counters->cgroups[i].name);
		counters->container[i] = put_string(counters, used, counters->cgroups[i].container);
	}
	table->n_hierarchy = table->n_id = table->n_name = table->n_container =
		counters->cgroup_count;
	table->hierarchy = counters->hierarchy;
	table->id = counters->id;
	table->name = counters->name;
	table->container = counters->container;
}

int counters_seal(struct counters *counters, uint64_t boottime_ns, int64_t realtime_offset,
		  struct buf *out)
{
	Ringside__V1__AgentFrame frame = RINGSIDE__V1__AGENT_FRAME__INIT;
	Ringside__V1__Counters message = RINGSIDE__V1__COUNTERS__INIT;
	Ringside__V1__CgroupTable table = RINGSIDE__V1__CGROUP_TABLE__INIT;
	Ringside__V1__SyscallColumns *c = &counters->columns;
	size_t used = 1;
	int err;

	if (!counters->count)
		return 0;
	counters->strings[0] = (ProtobufCBinaryData){0, NULL};
	for (size_t i = 0; i < counters->name_count; i++)
		put_string(counters, &used, counters->names[i]);
	put_cgroups(counters, &table, &used);
	c->n_cgroup = c->n_syscall = c->n_nr = c->n_count = c->n_errors = c->n_since =
		counters->count;
	c->n_total_ns = 0;
	for (size_t i = 0; i < counters->count; i++) {
		if (c->total_ns[i])
			c->n_total_ns = counters->count;
	}
	c->cpus = (uint32_t)counters->cpus;
	c->n_per_cpu = counters->count * counters->cpus;
	message.time = boottime_ns;
	message.realtime_offset = realtime_offset;
	message.n_strings = used;
	message.strings = counters->strings;
	message.cgroups = &table;
	message.syscalls = c;
	frame.body_case = RINGSIDE__V1__AGENT_FRAME__BODY_COUNTERS;
	frame.counters = &message;
	err = frame_put(out, &frame.base);
	counters->count = counters->cgroup_count = counters->name_count = 0;
	return err;
}
