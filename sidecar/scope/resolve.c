// SPDX-License-Identifier: Apache-2.0
#include "scope/resolve.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "scope/mounts.h"
#include "scope/scope.h"
#include "scope/tasks.h"

int resolver_refuse(const struct resolver *resolver, int err, const char *todo, const char *format,
		    ...)
{
	struct scope_error *error = resolver->error;
	size_t length = 0;
	va_list args;

	if (resolver->given)
		length = (size_t)snprintf(error->what, sizeof(error->what),
					  "%s %.*s: ", resolver->option, SCOPE_TEXT,
					  resolver->given);
	va_start(args, format);
	vsnprintf(error->what + length, sizeof(error->what) - length, format, args);
	va_end(args);
	snprintf(error->todo, sizeof(error->todo), "%s", todo);
	return err;
}

/* The kernel's EINVAL and ENOENT are about the program; ours mean that the value is wrong. */
static int refuse_program(const struct resolver *resolver, const char *doing, int err)
{
	return resolver_refuse(
		resolver, err == -EINVAL || err == -ENOENT ? -EACCES : err,
		"grant CAP_BPF and CAP_PERFMON; `ringside check` says what is missing",
		"cannot read this process' cgroups: %s a BPF program: %s", doing, strerror(-err));
}

int resolver_init(struct resolver *resolver, const struct scope_request *request,
		  struct scope_error *error)
{
	int err;

	memset(resolver, 0, sizeof(*resolver));
	resolver->pod_uid = request->pod_uid;
	resolver->proc = request->proc;
	resolver->seen = request->proc ? TASKS_HOST : TASKS_OURS;
	resolver->error = error;
	err = tasks_open(request->btf, resolver->seen, &resolver->tasks);
	if (err)
		return refuse_program(resolver, "loading", err);
	err = tasks_self(resolver->tasks, &resolver->self);
	if (err)
		return refuse_program(resolver, "running", err);
	resolver->mounts = mounts_new(&resolver->self);
	if (!resolver->mounts)
		return resolver_refuse(resolver, -ENOMEM, "give it more memory", "out of memory");
	return 0;
}

void resolver_done(struct resolver *resolver)
{
	mounts_free(resolver->mounts);
	tasks_close(resolver->tasks);
}

static bool visit_process(void *context, const struct selfprobe_task *task)
{
	struct selfprobe_task *found = context;

	*found = *task;
	return true;
}

int resolver_process(struct resolver *resolver, enum tasks_of of, uint32_t pid,
		     struct selfprobe_task *ret_task)
{
	struct selfprobe_task found = {};
	int err;

	err = tasks_each(resolver->tasks, of, pid, visit_process, &found);
	if (err)
		return -EOPNOTSUPP;
	if (!found.tgid)
		return -ESRCH;
	*ret_task = found;
	return 0;
}

static int refs_take(const struct cgroup_ref *refs, struct cgroup_ref *ret_ref)
{
	const struct cgroup_ref *best = refs_choose(refs);

	if (!best)
		return -ENOENT;
	*ret_ref = *best;
	return 0;
}

/* What a search in our own chains gives; `find` NULL: the leaf. */
static int ancestor_take(const struct resolver *resolver,
			 int (*find)(const struct selfprobe_chain *, const char *),
			 const char *argument, struct cgroup_ref *ret_ref)
{
	struct cgroup_ref refs[SELFPROBE_HIERARCHIES] = {};

	for (uint16_t i = 0; i < SELFPROBE_HIERARCHIES; i++) {
		int index = find ? find(&resolver->self.chains[i], argument) : 0;

		if (index >= 0)
			chain_ref(&resolver->self, i, (uint32_t)index, &refs[i]);
	}
	return refs_take(refs, ret_ref);
}

static int find_container(const struct selfprobe_chain *chain, const char *unused)
{
	(void)unused;
	return chain_find_container(chain);
}

static int resolve_container(const struct resolver *resolver, struct cgroup_ref *ret_ref)
{
	char chains[SCOPE_TEXT];

	if (!ancestor_take(resolver, find_container, NULL, ret_ref))
		return 0;
	chains_describe(&resolver->self, chains, sizeof(chains));
	return resolver_refuse(resolver, -ENOENT,
			       "say self, or cgroup:/PATH of the one that is meant",
			       "no container id in the names of this process' cgroups: %s", chains);
}

static int resolve_pod(const struct resolver *resolver, struct cgroup_ref *ret_ref)
{
	char chains[SCOPE_TEXT];

	if (!ancestor_take(resolver, chain_find_pod, resolver->pod_uid, ret_ref))
		return 0;
	chains_describe(&resolver->self, chains, sizeof(chains));
	if (resolver->pod_uid)
		return resolver_refuse(
			resolver, -ENOENT,
			"set k8s.pod.uid from metadata.uid of this very pod, or say container",
			"pod %.64s is not among this process' cgroups: %s", resolver->pod_uid,
			chains);
	return resolver_refuse(resolver, -ENOENT,
			       "set k8s.pod.uid (Downward API, metadata.uid), or say container",
			       "no pod in the names of this process' cgroups: %s", chains);
}

/*
 * Where the iterator is refused or shows less than /proc, mounts may still tell: all hierarchies that
 * the process is in, or the choice between them would be a guess.
 */
static int process_by_proc(const struct resolver *resolver, uint32_t pid, struct cgroup_ref *refs)
{
	char path[CGROUP_PATH];

	for (uint16_t i = 0; i < SELFPROBE_HIERARCHIES; i++) {
		if (!resolver->self.chains[i].count)
			continue;
		if (mounts_process_path(resolver->mounts, resolver->proc, pid, i, path,
					sizeof(path)) ||
		    !mounts_find(resolver->mounts, i, path, &refs[i]))
			return -ENOENT;
		refs[i].populated = true;
	}
	return 0;
}

static int resolve_pid(struct resolver *resolver, uint32_t pid, struct cgroup_ref *ret_ref)
{
	struct cgroup_ref refs[SELFPROBE_HIERARCHIES] = {};
	struct selfprobe_task task;
	int err;

	err = resolver_process(resolver, resolver->seen, pid, &task);
	if (!err) {
		for (uint16_t i = 0; i < SELFPROBE_HIERARCHIES; i++)
			chain_ref(&task, i, 0, &refs[i]);
		return refs_take(refs, ret_ref);
	}
	if (!process_by_proc(resolver, pid, refs))
		return refs_take(refs, ret_ref);
	if (err == -ESRCH)
		return resolver_refuse(
			resolver, -ENOENT,
			"give a process id as seen here; other PID namespaces need cgroup: or id:",
			"there is no process %u in %s", pid,
			resolver->proc ? resolver->proc : "this PID namespace");
	return resolver_refuse(
		resolver, err, "mount the host's cgroup tree, or say cgroup:/PATH or id:N",
		"this kernel refuses task iterators, and no mounted cgroup is that process'");
}

static bool visit_below_v2_root(void *context, const struct selfprobe_task *task)
{
	bool *in_use = context;

	*in_use = task->chains[HIERARCHY_V2].level > 0;
	return *in_use;
}

static bool visit_populated_v2(void *context, const struct cgroup_ref *ref, const char *directory)
{
	bool *in_use = context;

	*in_use = ref->level > 0 && walk_populated(directory, ref);
	return *in_use;
}

/* Where all processes sit in the v2 root, v1's cgroups are the ones that tell them apart. */
static int resolve_host(struct resolver *resolver, struct cgroup_ref *ret_ref)
{
	const struct selfprobe_task *self = &resolver->self;
	uint16_t hierarchy = HIERARCHY_V2;
	bool in_use = self->chains[HIERARCHY_V2].level > 0;

	if (!in_use)
		tasks_each(resolver->tasks, resolver->seen, 0, visit_below_v2_root, &in_use);
	if (!in_use)
		mounts_walk(resolver->mounts, HIERARCHY_V2, visit_populated_v2, &in_use);
	if (!in_use && self->chains[HIERARCHY_MEMORY].count)
		hierarchy = HIERARCHY_MEMORY;
	if (self->chains[hierarchy].count != self->chains[hierarchy].level + 1)
		return resolver_refuse(resolver, -ENOENT, "say id:1",
				       "this cgroup is too deep to see the root");
	chain_ref(self, hierarchy, self->chains[hierarchy].level, ret_ref);
	return 0;
}

int resolve_value(struct resolver *resolver, const struct scope_value *value,
		  struct cgroup_ref *ret_ref)
{
	switch (value->kind) {
	case VALUE_POD:
		return resolve_pod(resolver, ret_ref);
	case VALUE_CONTAINER:
		return resolve_container(resolver, ret_ref);
	case VALUE_SELF:
		return ancestor_take(resolver, NULL, NULL, ret_ref);
	case VALUE_HOST:
		return resolve_host(resolver, ret_ref);
	case VALUE_CGROUP:
		return resolve_path(resolver, value->operand, ret_ref);
	case VALUE_ID:
		return resolve_id(resolver, value->hierarchy, value->number, ret_ref);
	case VALUE_PID:
		return resolve_pid(resolver, (uint32_t)value->number, ret_ref);
	case VALUE_DOCKER:
		return resolve_docker(resolver, value->operand, ret_ref);
	}
	return -EINVAL;
}
