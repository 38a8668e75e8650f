/* SPDX-License-Identifier: Apache-2.0 */
/* Which cgroups of the scope were removed, or made again, since the start. Used by the reader's thread alone. */
#ifndef RINGSIDE_KERNEL_SCOPE_WATCH_H
#define RINGSIDE_KERNEL_SCOPE_WATCH_H

#include <stdbool.h>
#include <stddef.h>

struct events;
struct scope_watch;

/* -errno of bpf(). Free with scope_watch_free. */
int scope_watch_new(struct events *events, struct scope_watch **ret_watch);
void scope_watch_free(struct scope_watch *watch);

enum scope_change { SCOPE_SAME, SCOPE_REMOVED, SCOPE_RETURNED };

/* What became of the cgroup of scope entry `i` (below SCOPE_MAX) since it was asked last. */
enum scope_change scope_watch_change(struct scope_watch *watch, size_t i);

#endif
