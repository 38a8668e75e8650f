/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which cgroups are observed: turns --scope and --exclude values into (hierarchy, cgroup id, level)
 * entries that BPF compares. Works inside a private cgroup namespace, without host mounts, by a BPF
 * program that runs in our own task and reads the names and ids of our cgroup's ancestors (the
 * self-probe).
 */
#ifndef RINGSIDE_SCOPE_SCOPE_H
#define RINGSIDE_SCOPE_SCOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>

#include "base/options.h"
#include "event.h"

#define SCOPE_TEXT 256

/* One observed (or excluded) cgroup. */
struct scope_item {
	struct scope_entry entry;
	char given[SCOPE_TEXT]; /* the value as given or chosen by default, e.g. "cgroup:/a/b" */
	char name[SCOPE_TEXT];	/* path where known, else the cgroup's own name: for people */
};

struct scope {
	struct scope_item items[SCOPE_MAX];
	size_t count;
	bool chosen; /* no --scope was given: the default rule chose */
};

/* What scope_resolve found wrong, for one log line. */
struct scope_error {
	char what[SCOPE_TEXT * 2]; /* which value, and what is wrong with it */
	char todo[SCOPE_TEXT];	   /* what to do */
};

/* What a scope is asked for by; all borrowed. */
struct scope_request {
	const struct option_list *includes; /* empty: the default rule */
	const struct option_list *excludes;
	bool include_self; /* do not leave our container out where the pod is the scope and we were its first process */
	const char *pod_uid; /* k8s.pod.uid or NULL */
	const char *btf;     /* the file of the kernel's types; NULL: its own */
	const char *proc;    /* the host's /proc; NULL: only our PID namespace is seen */
};

/*
 * Resolves all values. 0; -EINVAL: a wrong value (exit 2); -ENOENT: no such cgroup (exit 2); another -errno: the machine refuses
 * (exit 1).
 */
int scope_resolve(const struct scope_request *request, struct scope *ret_scope,
		  struct scope_error *ret_error);

/* A process: its number in the /proc that is read, and in the initial PID namespace. */
typedef void scope_visit(void *context, uint32_t pid, uint32_t tgid);

/*
 * Calls `visit` for each process that `proc` (NULL: our own /proc) shows, but ourselves, that is in the scope now: where
 * there are none, uprobes find no file to attach to. -errno: the kernel can't tell.
 */
int scope_processes(const struct scope_entry *entries, size_t count, const char *btf,
		    const char *proc, scope_visit *visit, void *context);

/*
 * Container id in a cgroup's name (64 hex digits behind docker-, cri-containerd-, crio-, libpod- or
 * bare): its length, 64, or 0. *ret_id points into `name`.
 */
size_t scope_container_id(const char *name, const char **ret_id);

#endif
