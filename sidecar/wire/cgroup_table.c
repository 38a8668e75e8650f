// SPDX-License-Identifier: Apache-2.0
#include "wire/cgroup_table.h"

#include <string.h>

#include "wire/columns.h"
#include "wire/strings.h"

#define SLOTS (2 * CGROUP_TABLE_MAX)

int cgroup_table_init(struct cgroup_table *table, struct strings *strings,
		      struct cgroup_namer namer)
{
	memset(table, 0, sizeof(*table));
	ringside__v1__cgroup_table__init(&table->message);
	table->strings = strings;
	table->namer = namer;
	return columns_alloc(&table->message.base, NULL, CGROUP_TABLE_MAX, 0);
}

void cgroup_table_done(struct cgroup_table *table)
{
	if (table->message.base.descriptor)
		columns_free(&table->message.base);
}

size_t cgroup_table_memory(void)
{
	return columns_memory(&ringside__v1__cgroup_table__descriptor, NULL, CGROUP_TABLE_MAX, 0);
}

static uint32_t put_text(struct cgroup_table *table, const char *text)
{
	return text ? strings_add(table->strings, text, strnlen(text, CGROUP_TABLE_TEXT / 2)) : 0;
}

static uint32_t find_or_add(struct cgroup_table *table, uint64_t id, uint32_t hierarchy)
{
	const char *name = NULL, *container = NULL;
	uint32_t at = (uint32_t)strings_mix(id, hierarchy) % SLOTS;
	uint32_t index;

	for (; table->slots[at]; at = (at + 1) % SLOTS) {
		index = table->slots[at] - 1u;
		if (table->message.id[index] == id && table->message.hierarchy[index] == hierarchy)
			return index;
	}
	index = table->count++;
	table->slots[at] = (uint16_t)(index + 1);
	if (id && table->namer.name)
		table->namer.name(table->namer.context, id, hierarchy, &name, &container);
	table->message.id[index] = id;
	table->message.hierarchy[index] = hierarchy;
	table->message.name[index] = put_text(table, name);
	table->message.container[index] = put_text(table, container);
	return index;
}

uint32_t cgroup_table_index(struct cgroup_table *table, uint64_t id, uint32_t hierarchy)
{
	const uint32_t last = table->last;

	if (last < table->count && table->message.id[last] == id &&
	    table->message.hierarchy[last] == hierarchy)
		return last;
	return table->last = find_or_add(table, id, hierarchy);
}

void cgroup_table_seal(struct cgroup_table *table)
{
	columns_set(&table->message.base, table->count);
	columns_trim(&table->message.base);
}

void cgroup_table_clear(struct cgroup_table *table)
{
	table->count = table->last = 0;
	memset(table->slots, 0, sizeof(table->slots));
}
