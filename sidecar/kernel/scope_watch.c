// SPDX-License-Identifier: Apache-2.0
#include "kernel/scope_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <linux/types.h>

#include "kernel/events.h"
#include "kernel/kernel_btf.h"
#include "scope_watch.raw.h"
#include "scope_watch.skel.h"

struct scope_watch {
	struct scope_watch_bpf *skeleton;
	__u64 removed[SCOPE_MAX], returned[SCOPE_MAX]; /* as told */
};

int scope_watch_new(struct events *events, struct scope_watch **ret_watch)
{
	struct scope_watch *watch = calloc(1, sizeof(*watch));
	int err;

	if (!watch)
		return -ENOMEM;
	watch->skeleton = KERNEL_BTF_OPEN(scope_watch, events_btf(events));
	err = watch->skeleton ? events_lend(events, watch->skeleton->obj) : -errno;
	if (!err)
		err = scope_watch_bpf__load(watch->skeleton);
	if (!err)
		err = scope_watch_bpf__attach(watch->skeleton);
	if (err)
		scope_watch_free(watch);
	else
		*ret_watch = watch;
	return err;
}

void scope_watch_free(struct scope_watch *watch)
{
	if (!watch)
		return;
	scope_watch_bpf__destroy(watch->skeleton);
	free(watch);
}

enum scope_change scope_watch_change(struct scope_watch *watch, size_t i)
{
	const volatile struct scope_watch_bpf__bss *seen = watch->skeleton->bss;
	/* It returns after it was removed: read the other way round, a removal may show without the return before it. */
	const __u64 returned = seen->returned[i], removed = seen->removed[i];
	enum scope_change change = SCOPE_SAME;

	if (returned != watch->returned[i])
		change = SCOPE_RETURNED;
	if (removed != returned && removed != watch->removed[i])
		change = SCOPE_REMOVED;
	watch->returned[i] = returned;
	watch->removed[i] = removed;
	return change;
}
