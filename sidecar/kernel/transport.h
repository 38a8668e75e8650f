/* SPDX-License-Identifier: Apache-2.0 */
/* The transports by name (enum event_transport of bpf/lib/event.h says what each does). */
#ifndef RINGSIDE_KERNEL_TRANSPORT_H
#define RINGSIDE_KERNEL_TRANSPORT_H

#include <stdbool.h>
#include <linux/types.h>

#include "event.h"

/* -1: no such transport. */
int transport_find(const char *name);
/* Static text. */
const char *transport_name(enum event_transport transport);
bool transport_is_perf(enum event_transport transport);
/* What `auto` means for records of a fixed size, and for those that their texts size; any other means itself. */
enum event_transport transport_for_fixed(enum event_transport transport);
enum event_transport transport_for_sized(enum event_transport transport);

#endif
