// SPDX-License-Identifier: Apache-2.0
#include "scope/scope.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "scope/resolve.h"

/* Wrong texts are told before anything is asked of the kernel. */
static int values_parse(struct resolver *resolver, const struct option_list *given,
			struct scope_value *ret_values)
{
	const char *why;
	int err;

	for (size_t i = 0; i < given->count; i++) {
		resolver->given = given->value[i];
		err = value_parse(given->value[i], &ret_values[i], &why);
		if (err)
			return resolver_refuse(resolver, err, "say one of " VALUE_CHOICES, "%s",
					       why);
	}
	return 0;
}

static void scope_add(struct scope *scope, const struct cgroup_ref *ref, const char *given,
		      bool exclude)
{
	struct scope_item *item = &scope->items[scope->count];

	for (size_t i = 0; i < scope->count; i++) {
		const struct scope_entry *entry = &scope->items[i].entry;

		if (entry->id == ref->id && entry->hierarchy == ref->hierarchy &&
		    entry->exclude == exclude)
			return;
	}
	item->entry.id = ref->id;
	item->entry.level = ref->level;
	item->entry.hierarchy = ref->hierarchy;
	item->entry.exclude = exclude;
	snprintf(item->given, sizeof(item->given), "%s", given);
	snprintf(item->name, sizeof(item->name), "%s",
		 strlen(ref->path) < sizeof(item->name) ? ref->path : path_name(ref->path));
	scope->count++;
}

static int values_resolve(struct resolver *resolver, const struct option_list *given,
			  const struct scope_value *values, bool exclude, struct scope *scope)
{
	struct cgroup_ref ref;
	int err;

	for (size_t i = 0; i < given->count; i++) {
		resolver->given = given->value[i];
		err = resolve_value(resolver, &values[i], &ref);
		if (err)
			return err;
		scope_add(scope, &ref, given->value[i], exclude);
	}
	return 0;
}

static int default_resolve(struct resolver *resolver, struct scope *scope)
{
	struct cgroup_ref ref;
	char given[16] = "";
	int err;

	resolver->given = NULL;
	err = resolve_default(resolver, given, sizeof(given), &ref);
	if (err)
		return err;
	scope->chosen = true;
	scope_add(scope, &ref, given, false);
	return 0;
}

struct own_container {
	struct cgroup_ref ref;
	uint64_t start_time; /* ours */
	bool older;
};

static bool visit_older(void *context, const struct selfprobe_task *task)
{
	struct own_container *own = context;

	own->older = task->start_time < own->start_time &&
		     chain_find_id(&task->chains[own->ref.hierarchy], own->ref.id) >= 0;
	return own->older;
}

/*
 * What is started in the sidecar's container, such as its health check, is no work of the pod. Who was there before the
 * sidecar is: it was put into an application's container. So is all where nothing tells where the container begins.
 */
static void own_exclude(struct resolver *resolver, struct scope *scope)
{
	const struct scope_item *pod = &scope->items[0];
	const uint16_t hierarchy = pod->entry.hierarchy;
	const struct selfprobe_chain *chain = &resolver->self.chains[hierarchy];
	const int index = chain_find_container(chain);
	struct own_container own = {.start_time = resolver->self.start_time};

	if (strcmp(pod->given, "pod") != 0)
		return;
	/* Another scope may be our container, or a part of it. */
	if (scope->count > 1 && !scope->items[1].entry.exclude)
		return;
	if (index < 0 || index >= chain_find_id(chain, pod->entry.id))
		return;
	chain_ref(&resolver->self, hierarchy, (uint32_t)index, &own.ref);
	if (tasks_each(resolver->tasks, resolver->seen, 0, visit_older, &own) || own.older)
		return;
	scope_add(scope, &own.ref, "container", true);
}

/* Includes first. */
static int all_parse(struct resolver *resolver, const struct scope_request *request,
		     struct scope_value *ret_values)
{
	const size_t includes = request->includes->count;
	int err;

	/* The default rule adds one. */
	if (includes + request->excludes->count + !includes > SCOPE_VALUES)
		return resolver_refuse(
			resolver, -EINVAL, "name a cgroup that holds several of them",
			"more than %d values of --scope and --exclude", SCOPE_VALUES);
	resolver->option = "--scope";
	err = values_parse(resolver, request->includes, ret_values);
	if (err)
		return err;
	resolver->option = "--exclude";
	return values_parse(resolver, request->excludes, ret_values + includes);
}

int scope_resolve(const struct scope_request *request, struct scope *ret_scope,
		  struct scope_error *ret_error)
{
	const size_t includes = request->includes->count;
	struct resolver resolver = {.error = ret_error};
	struct scope_value values[SCOPE_VALUES];
	struct scope scope = {};
	int err;

	memset(ret_error, 0, sizeof(*ret_error));
	err = all_parse(&resolver, request, values);
	if (err)
		return err;
	err = resolver_init(&resolver, request, ret_error);
	if (err)
		goto out;
	resolver.option = "--scope";
	if (includes)
		err = values_resolve(&resolver, request->includes, values, false, &scope);
	else
		err = default_resolve(&resolver, &scope);
	if (err)
		goto out;
	resolver.option = "--exclude";
	err = values_resolve(&resolver, request->excludes, values + includes, true, &scope);
	if (err)
		goto out;
	if (!request->include_self)
		own_exclude(&resolver, &scope);
	*ret_scope = scope;
out:
	resolver_done(&resolver);
	return err;
}
