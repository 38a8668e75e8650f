/* SPDX-License-Identifier: Apache-2.0 */
/* Which cgroups of the scope were removed since the start. Used by the reader's thread alone. */
#ifndef RINGSIDE_KERNEL_SCOPE_WATCH_H
#define RINGSIDE_KERNEL_SCOPE_WATCH_H

#include <stdbool.h>
#include <stddef.h>

struct events;
struct scope_watch;

/* -errno of bpf(). Free with scope_watch_free. */
int scope_watch_new(struct events *events, struct scope_watch **ret_watch);
void scope_watch_free(struct scope_watch *watch);

/* Whether the cgroup of scope entry `i` (below SCOPE_MAX) was removed: true once for each. */
bool scope_watch_removed(struct scope_watch *watch, size_t i);

#endif
