// SPDX-License-Identifier: Apache-2.0
#include "wire/counters.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ringside.pb-c.h"
#include "wire/columns.h"
#include "wire/frame.h"
#include "wire/strings.h"

#define ROWS	     4096
#define STRINGS	     8192 /* of a row: its call's name, and two of its cgroup */
#define STRING_BYTES (256 * 1024)
#define ROW_TEXT     (CGROUP_TABLE_TEXT + 64)
#define CGROUP_BYTES 25 /* of a cgroup's columns, packed, at most */

struct counters {
	size_t cpus;
	size_t rows,
		row_max; /* of one frame, at most; bytes of a row and its cgroup, packed, at most */
	size_t count, worst;
	struct strings strings;
	struct cgroup_table cgroups;
	Ringside__V1__SyscallColumns columns;
	Ringside__V1__Counters message;
	struct buf *out;
	int err; /* of a frame that was sealed since counters_begin */
};

/* per_cpu is the one that has an entry for each CPU, and is of no use without. */
static const enum column_role roles[] = {COLUMN_SCALAR, COLUMN_STRING, COLUMN_SCALAR,
					 COLUMN_SCALAR, COLUMN_SCALAR, COLUMN_SCALAR,
					 COLUMN_SCALAR, COLUMN_SCALAR, COLUMN_FLAT};

static size_t row_bytes(size_t cpus)
{
	const ProtobufCMessageDescriptor *type = &ringside__v1__syscall_columns__descriptor;
	size_t bytes = CGROUP_BYTES;

	for (unsigned int i = 0; i < type->n_fields; i++) {
		if (column_is(&type->fields[i]))
			bytes += column_packed_max(&type->fields[i]) *
				 (column_is_flat(roles[i]) ? cpus : 1);
	}
	return bytes;
}

static size_t frame_rows(size_t cpus)
{
	const size_t rows = FRAME_MAX / 2 / row_bytes(cpus);

	return rows < ROWS ? rows : ROWS;
}

size_t counters_memory(size_t cpus)
{
	const size_t rows = frame_rows(cpus);

	return sizeof(struct counters) + strings_memory(STRINGS, STRING_BYTES) +
	       cgroup_table_memory() +
	       columns_memory(&ringside__v1__syscall_columns__descriptor, roles, rows, rows * cpus);
}

struct counters *counters_new(size_t cpus, struct cgroup_namer namer)
{
	struct counters *counters = calloc(1, sizeof(*counters));

	if (!counters)
		return NULL;
	counters->cpus = cpus;
	counters->rows = frame_rows(cpus);
	counters->row_max = row_bytes(cpus);
	ringside__v1__counters__init(&counters->message);
	ringside__v1__syscall_columns__init(&counters->columns);
	counters->columns.cpus = (uint32_t)cpus;
	counters->message.cgroups = &counters->cgroups.message;
	counters->message.syscalls = &counters->columns;
	if (strings_init(&counters->strings, STRINGS, STRING_BYTES) ||
	    cgroup_table_init(&counters->cgroups, &counters->strings, namer) ||
	    columns_alloc(&counters->columns.base, roles, counters->rows, counters->rows * cpus)) {
		counters_free(counters);
		return NULL;
	}
	counters->message.strings = counters->strings.entries;
	return counters;
}

void counters_free(struct counters *counters)
{
	if (!counters)
		return;
	columns_free(&counters->columns.base);
	cgroup_table_done(&counters->cgroups);
	strings_done(&counters->strings);
	free(counters);
}

void counters_begin(struct counters *counters, uint64_t boottime_ns, int64_t realtime_offset,
		    struct buf *out)
{
	counters->message.time = boottime_ns;
	counters->message.realtime_offset = realtime_offset;
	counters->out = out;
	counters->err = 0;
}

static void seal(struct counters *counters)
{
	Ringside__V1__AgentFrame frame = RINGSIDE__V1__AGENT_FRAME__INIT;

	if (counters->count && !counters->err) {
		columns_set(&counters->columns.base, counters->count);
		counters->columns.n_per_cpu = counters->count * counters->cpus;
		columns_trim(&counters->columns.base);
		cgroup_table_seal(&counters->cgroups);
		counters->message.n_strings = counters->strings.count;
		frame.body_case = RINGSIDE__V1__AGENT_FRAME__BODY_COUNTERS;
		frame.counters = &counters->message;
		counters->err = frame_put(counters->out, &frame.base);
	}
	cgroup_table_clear(&counters->cgroups);
	strings_clear(&counters->strings);
	counters->count = counters->worst = 0;
}

static bool has_room(const struct counters *counters)
{
	return counters->count < counters->rows && counters->cgroups.count < CGROUP_TABLE_MAX &&
	       counters->strings.count + 3 <= STRINGS &&
	       counters->strings.used + ROW_TEXT <= STRING_BYTES &&
	       counters->worst + counters->strings.used + 5 * counters->strings.count <
		       FRAME_MAX / 4 * 3;
}

void counters_add(struct counters *counters, const struct counters_row *row)
{
	Ringside__V1__SyscallColumns *c = &counters->columns;
	size_t i;

	if (!has_room(counters))
		seal(counters);
	i = counters->count++;
	counters->worst += counters->row_max;
	c->cgroup[i] = cgroup_table_index(&counters->cgroups, row->cgroup_id, row->hierarchy);
	c->syscall[i] = strings_add(&counters->strings, row->syscall, strlen(row->syscall));
	c->nr[i] = row->nr;
	c->count[i] = row->count;
	c->errors[i] = row->errors;
	c->total_ns[i] = row->total_ns;
	c->since[i] = row->since_ns;
	if (counters->cpus)
		memcpy(c->per_cpu + i * counters->cpus, row->per_cpu,
		       counters->cpus * sizeof(*c->per_cpu));
}

int counters_end(struct counters *counters)
{
	seal(counters);
	return counters->err;
}
