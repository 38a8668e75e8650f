// SPDX-License-Identifier: Apache-2.0
#include "kernel/host_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "kernel/self.h"

#define KTHREADD   "2"
#define MOUNT_TODO "mount the host's /proc there: -v /proc:DIR:ro, or a hostPath volume of /proc"

/* The sidecar's numbers that a /proc shows, from its own PID namespace to the innermost: their count, 0: it is not in it; -errno. */
static int read_levels(const char *directory)
{
	char path[PATH_MAX + 32], line[512];
	int levels = 0;
	FILE *file;

	snprintf(path, sizeof(path), "%s/self/status", directory);
	file = fopen(path, "re");
	if (!file)
		return errno == ENOENT ? 0 : -errno;
	while (!levels && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "NSpid:", 6))
			continue;
		for (const char *at = line; (at = strchr(at, '\t')); at++)
			levels++;
	}
	fclose(file);
	return levels;
}

/* PID/stat is for everyone: it is missing, or refused, only where processes are hidden. kthreadd is on every host. */
static const char *hidden(const char *directory, const char **ret_todo)
{
	char path[PATH_MAX + 32], byte;
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "%s/" KTHREADD "/stat", directory);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	length = fd < 0 ? -1 : read(fd, &byte, 1);
	if (fd >= 0)
		close(fd);
	if (length > 0)
		return NULL;
	*ret_todo = "grant CAP_SYS_PTRACE, or mount it without hidepid";
	return "it hides other users' processes (hidepid)";
}

const char *host_proc_wrong(const char *directory, const char *btf, const char **ret_todo)
{
	struct self_process self;
	struct statfs fs;
	int levels;

	*ret_todo = MOUNT_TODO;
	if (statfs(directory, &fs))
		return strerror(errno);
	if (fs.f_type != PROC_SUPER_MAGIC)
		return "it is no /proc";
	levels = read_levels(directory);
	if (levels < 0)
		return strerror(-levels);
	if (!levels)
		return "it is the /proc of a PID namespace that the sidecar is not in";
	if (self_read(btf, &self) || (uint32_t)levels == self.pidns_level + 1)
		return hidden(directory, ret_todo);
	if (levels == 1)
		return "it is the /proc of the sidecar's own PID namespace, not the host's";
	*ret_todo = "leave --proc out, and share the PID namespace of what is observed";
	return "it is the /proc of a PID namespace that is not the host's: this machine is a "
	       "container";
}
