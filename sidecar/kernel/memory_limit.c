// SPDX-License-Identifier: Apache-2.0
#include "kernel/memory_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* `max` in v2 and about 2^63 in v1 are no limit. */
static uint64_t read_limit(const char *directory, const char *name)
{
	char path[4096 + 64], text[32] = "";
	uint64_t limit = UINT64_MAX;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	file = fopen(path, "re");
	if (!file)
		return limit;
	if (fgets(text, sizeof(text), file) && text[0] >= '0' && text[0] <= '9')
		limit = strtoull(text, NULL, 10);
	fclose(file);
	return limit;
}

/* The smallest of a cgroup and of those above it, up to the mount's own: that one is ours in a container without a cgroup namespace. */
static uint64_t smallest(const char *mount, const char *cgroup, const char *name)
{
	uint64_t least = UINT64_MAX, limit;
	char directory[4096];
	char *end;

	snprintf(directory, sizeof(directory), "%s%s", mount, cgroup);
	do {
		limit = read_limit(directory, name);
		if (limit < least)
			least = limit;
		end = strrchr(directory, '/');
		*end = '\0';
	} while (strlen(directory) >= strlen(mount));
	return least;
}

/* A line of /proc/self/cgroup, see cgroups(7): number:controllers:path, with no controllers for v2. */
static uint64_t line_limit(char *line)
{
	char *controllers = strchr(line, ':'), *path;
	uint64_t v2, unified;

	path = controllers ? strchr(controllers + 1, ':') : NULL;
	if (!path)
		return UINT64_MAX;
	*path++ = '\0';
	path[strcspn(path, "\n")] = '\0';
	if (!strcmp(controllers, ":memory") || strstr(controllers, ",memory"))
		return smallest("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes");
	if (controllers[1])
		return UINT64_MAX;
	v2 = smallest("/sys/fs/cgroup", path, "memory.max");
	unified = smallest("/sys/fs/cgroup/unified", path, "memory.max");
	return v2 < unified ? v2 : unified;
}

uint64_t memory_limit(void)
{
	uint64_t least = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE), limit;
	FILE *file = fopen("/proc/self/cgroup", "re");
	char *line = NULL;
	size_t room = 0;

	while (file && getline(&line, &room, file) > 0) {
		limit = line_limit(line);
		if (limit < least)
			least = limit;
	}
	free(line);
	if (file)
		fclose(file);
	return least;
}
