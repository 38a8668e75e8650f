// SPDX-License-Identifier: Apache-2.0
/* Which processes of our PID namespace are in a scope that was resolved. */
#include <unistd.h>

#include "scope/scope.h"
#include "scope/tasks.h"
#include "scope/text_chain.h"

struct inside {
	const struct scope_entry *entries;
	size_t count;
	uint32_t self;
	scope_visit *visit;
	void *context;
};

static bool is_inside(const struct inside *scope, const struct selfprobe_task *task)
{
	bool inside = false;

	for (size_t i = 0; i < scope->count; i++) {
		const struct scope_entry *entry = &scope->entries[i];

		if (chain_find_id(&task->chains[entry->hierarchy], entry->id) < 0)
			continue;
		if (entry->exclude)
			return false;
		inside = true;
	}
	return inside;
}

static bool visit_inside(void *context, const struct selfprobe_task *task)
{
	const struct inside *inside = context;

	if (task->ns_tgid != inside->self && is_inside(inside, task))
		inside->visit(inside->context, task->ns_tgid, task->tgid);
	return false;
}

int scope_processes(const struct scope_entry *entries, size_t count, const char *btf,
		    scope_visit *visit, void *context)
{
	struct inside inside = {entries, count, (uint32_t)getpid(), visit, context};
	struct tasks *tasks;
	int err;

	err = tasks_open(btf, &tasks);
	if (err)
		return err;
	err = tasks_each(tasks, 0, visit_inside, &inside);
	tasks_close(tasks);
	return err;
}
