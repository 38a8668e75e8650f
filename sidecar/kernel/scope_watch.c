// SPDX-License-Identifier: Apache-2.0
#include "kernel/scope_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <linux/types.h>

#include "kernel/events.h"
#include "scope_watch.skel.h"

struct scope_watch {
	struct scope_watch_bpf *skeleton;
};

int scope_watch_new(struct events *events, struct scope_watch **ret_watch)
{
	struct scope_watch *watch = calloc(1, sizeof(*watch));
	int err;

	if (!watch)
		return -ENOMEM;
	watch->skeleton = scope_watch_bpf__open();
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

bool scope_watch_removed(struct scope_watch *watch, size_t i)
{
	volatile __u8 *removed = &watch->skeleton->bss->removed[i];

	if (!*removed)
		return false;
	*removed = 0;
	return true;
}
