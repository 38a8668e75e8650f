// SPDX-License-Identifier: Apache-2.0
/* Which of the processes that are seen from here are in a scope that was resolved. */
#include "scope/scope.h"
#include "scope/tasks.h"
#include "scope/text_chain.h"

struct inside {
	const struct scope_entry *entries;
	size_t count;
	uint32_t self; /* in the initial PID namespace */
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

	if (task->tgid != inside->self && is_inside(inside, task))
		inside->visit(inside->context, task->ns_tgid, task->tgid);
	return false;
}

int scope_processes(const struct scope_entry *entries, size_t count, const char *btf,
		    const char *proc, scope_visit *visit, void *context)
{
	const enum tasks_of seen = proc ? TASKS_HOST : TASKS_OURS;
	struct inside inside = {entries, count, 0, visit, context};
	struct selfprobe_task self;
	struct tasks *tasks;
	int err;

	err = tasks_open(btf, seen, &tasks);
	if (err)
		return err;
	err = tasks_self(tasks, &self);
	if (!err) {
		inside.self = self.tgid;
		err = tasks_each(tasks, seen, 0, visit_inside, &inside);
	}
	tasks_close(tasks);
	return err;
}
