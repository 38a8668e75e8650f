// SPDX-License-Identifier: Apache-2.0
/* Which processes of our PID namespace are in a scope that was resolved. */
#include <unistd.h>

#include "scope/scope.h"
#include "scope/tasks.h"
#include "scope/text_chain.h"

struct inside {
	const struct scope *scope;
	uint32_t self;
	void (*visit)(void *context, uint32_t pid);
	void *context;
};

static bool is_inside(const struct scope *scope, const struct selfprobe_task *task)
{
	bool inside = false;

	for (size_t i = 0; i < scope->count; i++) {
		const struct scope_entry *entry = &scope->items[i].entry;

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
	struct inside *inside = context;

	if (task->ns_tgid != inside->self && is_inside(inside->scope, task))
		inside->visit(inside->context, task->ns_tgid);
	return false;
}

int scope_processes(const struct scope *scope, void (*visit)(void *context, uint32_t pid),
		    void *context)
{
	struct inside inside = {
		.scope = scope,
		.self = (uint32_t)getpid(),
		.visit = visit,
		.context = context,
	};
	struct tasks *tasks;
	int err;

	err = tasks_open(&tasks);
	if (err)
		return err;
	err = tasks_each(tasks, 0, visit_inside, &inside);
	tasks_close(tasks);
	return err;
}
