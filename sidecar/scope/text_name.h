/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the names of cgroups tell: container ids and the uids of pods, as container engines and the
 * kubelet write them (see also scope_container_id in scope.h).
 */
#ifndef RINGSIDE_SCOPE_TEXT_NAME_H
#define RINGSIDE_SCOPE_TEXT_NAME_H

#include <stdbool.h>
#include <stddef.h>

#define CONTAINER_ID 64 /* hex digits */

/* How many characters of 0-9a-f the text begins with. */
size_t name_hex_span(const char *text);

/*
 * Whether the name is that of the pod's cgroup. The uid's `-` may be a `_`: systemd's names have
 * them so.
 */
bool name_is_pod(const char *name, const char *uid);

/* The same for a pod of unknown uid: pod and a UUID, or the 32 hex digits of a static pod. */
bool name_is_any_pod(const char *name);

/* Whether one component of the path holds a container id. */
bool path_has_container(const char *path);

#endif
