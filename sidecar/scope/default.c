// SPDX-License-Identifier: Apache-2.0
/*
 * What is observed when nobody says: pod, then the container whose PID namespace we share, then our
 * own.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "scope/resolve.h"
#include "scope/scope.h"

/* PROC_CGROUP_INIT_INO: the inode of the initial cgroup namespace, the same on every kernel. */
#define INITIAL_CGROUP_NS 0xEFFFFFFBu

static bool cgroup_ns_private(void)
{
	struct stat st;

	return !stat("/proc/self/ns/cgroup", &st) && st.st_ino != INITIAL_CGROUP_NS;
}

/*
 * The container's cgroup, whatever sub-cgroup its runtime or init put the process into; else the
 * process' own.
 */
static bool container_of(const struct selfprobe_task *task, struct cgroup_ref *ret_ref)
{
	struct cgroup_ref refs[SELFPROBE_HIERARCHIES] = {};
	const struct cgroup_ref *best;
	bool named = false;

	for (uint16_t i = 0; i < SELFPROBE_HIERARCHIES; i++) {
		int index = chain_find_container(&task->chains[i]);

		named |= index >= 0;
		chain_ref(task, i, index < 0 ? 0 : (uint32_t)index, &refs[i]);
	}
	best = refs_choose(refs);
	if (best)
		*ret_ref = *best;
	else
		memset(ret_ref, 0, sizeof(*ret_ref));
	return named;
}

static bool in_pod(const struct selfprobe_task *task, const char *uid)
{
	for (uint16_t i = 0; i < SELFPROBE_HIERARCHIES; i++) {
		if (chain_find_pod(&task->chains[i], uid) >= 0)
			return true;
	}
	return false;
}

static int refuse(const struct resolver *resolver, const char *why)
{
	char chains[SCOPE_TEXT];

	chains_describe(&resolver->self, chains, sizeof(chains));
	return resolver_refuse(resolver, -EINVAL, "say --scope " VALUE_CHOICES,
			       "--scope must be given: %s (this process' cgroups: %s)", why,
			       chains);
}

/*
 * Whether PID 1 is in another container. The machine's own init is no container to observe, nor is
 * a system manager's scope.
 */
static int other_init(struct resolver *resolver, bool contained, const struct cgroup_ref *own,
		      bool *ret_other, struct cgroup_ref *ret_ref)
{
	struct selfprobe_task init;
	struct cgroup_ref ref;
	bool named;
	int err;

	err = resolver_process(resolver, TASKS_OURS, 1, &init);
	if (err == -EOPNOTSUPP)
		return refuse(
			resolver,
			"this kernel refuses task iterators, so the cgroup of PID 1 is not known");
	if (err)
		return refuse(resolver, "this PID namespace has no PID 1");
	named = container_of(&init, &ref);
	*ret_other = ref.id != own->id || ref.hierarchy != own->hierarchy;
	if (!*ret_other)
		return 0;
	if (!init.pid_level)
		return refuse(resolver, contained ? "this container shares the host's PID namespace"
						  : "PID 1 is the host's");
	if (!ref.level || (!named && strcmp(path_name(ref.path), "init.scope") == 0))
		return refuse(resolver, "PID 1 is in no container's cgroup");
	*ret_ref = ref;
	return 0;
}

int resolve_default(struct resolver *resolver, char *ret_given, size_t size,
		    struct cgroup_ref *ret_ref)
{
	const struct selfprobe_task *self = &resolver->self;
	struct scope_value value = {.kind = VALUE_SELF};
	struct cgroup_ref own;
	bool contained, other = false;
	int err;

	if (resolver->pod_uid || in_pod(self, NULL)) {
		value.kind = VALUE_POD;
		snprintf(ret_given, size, "pod");
		return resolve_value(resolver, &value, ret_ref);
	}
	contained = container_of(self, &own);
	if (!contained && !self->pid_level && !cgroup_ns_private())
		return refuse(resolver, "this is no container");
	err = other_init(resolver, contained, &own, &other, ret_ref);
	if (err)
		return err;
	if (other) {
		snprintf(ret_given, size, "pid:1");
		return 0;
	}
	if (!own.level)
		return refuse(resolver, "this process is in the root cgroup");
	snprintf(ret_given, size, "self");
	return resolve_value(resolver, &value, ret_ref);
}
