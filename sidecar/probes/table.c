// SPDX-License-Identifier: Apache-2.0
#include "probes/probe.h"

#include <string.h>

#include "event.h"

const struct probe probes[] = {
	[PROBE_PROCESS] = {"process",
			   RING_LIFECYCLE,
			   true,
			   RECORDS_FIXED | RECORDS_SIZED,
			   &process_family,
			   {EVENT_FORK, EVENT_EXEC, EVENT_EXIT}},
	[PROBE_GETADDRINFO] = {"getaddrinfo",
			       RING_LIFECYCLE,
			       true,
			       RECORDS_SIZED | RECORDS_LARGE,
			       &getaddrinfo_family,
			       {EVENT_GETADDRINFO}},
	[PROBE_WRITE] =
		{"write", RING_SAMPLES, false, RECORDS_FIXED, &syscalls_family, {EVENT_WRITE}},
	[PROBE_SYSCALLS] = {"syscalls", PROBE_COUNTERS, true, 0, &syscalls_family, {0}},
	[PROBE_PROFILE] = {"profile",
			   RING_SAMPLES,
			   false,
			   RECORDS_SIZED | RECORDS_LARGE,
			   &profile_family,
			   {EVENT_PROFILE}},
};
_Static_assert(sizeof(probes) / sizeof(probes[0]) == PROBES, "each probe has its line");
const size_t probe_count = sizeof(probes) / sizeof(probes[0]);

const struct wire_kind *const wire_kinds[] = {
	&fork_kind, &exec_kind, &exit_kind, &getaddrinfo_kind, &write_kind, &profile_kind, NULL};

int probe_find(const char *name)
{
	for (size_t i = 0; i < probe_count; i++) {
		if (!strcmp(probes[i].name, name))
			return (int)i;
	}
	return -1;
}

int probe_of_kind(uint32_t kind)
{
	for (size_t i = 0; i < probe_count; i++) {
		for (size_t k = 0; probes[i].kinds[k]; k++) {
			if (probes[i].kinds[k] == kind)
				return (int)i;
		}
	}
	return -1;
}
