/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From one parsed value to the cgroup it means. A search asks, in this order, our own ancestors,
 * the mounted cgroup trees and the processes that are seen from here, and refuses where what it finds
 * is not certain.
 */
#ifndef RINGSIDE_SCOPE_RESOLVE_H
#define RINGSIDE_SCOPE_RESOLVE_H

#include <linux/types.h>

#include "selfprobe.h"
#include "scope/tasks.h"
#include "scope/text_chain.h"
#include "scope/text_value.h"

struct mounts;
struct scope_error;
struct scope_request;

struct resolver {
	struct tasks *tasks;
	struct mounts *mounts;
	struct selfprobe_task self;
	const char *proc;    /* the host's /proc; NULL: our own is read */
	enum tasks_of seen;  /* the processes that it shows */
	const char *pod_uid; /* NULL: not known */
	const char *option;  /* --scope or --exclude, and the value, for errors */
	const char *given;
	struct scope_error *error;
};

/*
 * Loads the self-probe and looks around. The error's texts are filled. resolver_done takes a failed
 * one too.
 */
int resolver_init(struct resolver *resolver, const struct scope_request *request,
		  struct scope_error *error);
void resolver_done(struct resolver *resolver);

/* Fills the error's two texts and returns `err`. */
int resolver_refuse(const struct resolver *resolver, int err, const char *todo, const char *format,
		    ...) __attribute__((format(printf, 4, 5)));

int resolve_value(struct resolver *resolver, const struct scope_value *value,
		  struct cgroup_ref *ret_ref);

/* The values that need a search: resolve_value calls them. */
int resolve_path(struct resolver *resolver, const char *path, struct cgroup_ref *ret_ref);
int resolve_id(struct resolver *resolver, uint16_t hierarchy, uint64_t id,
	       struct cgroup_ref *ret_ref);
int resolve_docker(struct resolver *resolver, const char *prefix, struct cgroup_ref *ret_ref);

/*
 * A process, by its number among these, with its chains. -ESRCH: none (no text is filled); -EOPNOTSUPP:
 * the kernel can't tell.
 */
int resolver_process(struct resolver *resolver, enum tasks_of of, uint32_t pid,
		     struct selfprobe_task *ret_task);

/* Without any --scope: chooses, and writes what it chose to ret_given. */
int resolve_default(struct resolver *resolver, char *ret_given, size_t size,
		    struct cgroup_ref *ret_ref);

#endif
