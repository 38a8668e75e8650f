// SPDX-License-Identifier: Apache-2.0
#include "cmd/bench_child.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS 32

int bench_child_start(struct bench_child *child, const char *const *arguments)
{
	char *argv[ARGUMENTS + 2] = {(char *)"ringside"};
	int pipes[2];

	for (size_t i = 0; arguments[i] && i < ARGUMENTS; i++)
		argv[i + 1] = (char *)arguments[i];
	if (pipe2(pipes, O_CLOEXEC))
		return -errno;
	child->pid = fork();
	if (child->pid == 0) {
		const int null = open("/dev/null", O_WRONLY);

		clearenv(); /* RINGSIDE_... is meant for us */
		dup2(pipes[1], STDERR_FILENO);
		if (null < 0)
			_exit(127);
		dup2(null, STDOUT_FILENO);
		execv("/proc/self/exe", argv);
		_exit(127);
	}
	close(pipes[1]);
	child->log = fdopen(pipes[0], "r");
	return child->pid < 0 || !child->log ? -errno : 0;
}

int bench_child_wait_line(struct bench_child *child, const char *text)
{
	while (fgets(child->line, sizeof(child->line), child->log)) {
		if (strstr(child->line, text))
			return 0;
		if (strstr(child->line, "level=error"))
			fputs(child->line, stderr);
	}
	return -EPIPE;
}

void bench_child_text(const struct bench_child *child, const char *key, char *ret_text, size_t size)
{
	char wanted[64];
	const char *at;

	snprintf(wanted, sizeof(wanted), " %s=", key);
	at = strstr(child->line, wanted);
	snprintf(ret_text, size, "%.*s", at ? (int)strcspn(at + strlen(wanted), " \n") : 0,
		 at ? at + strlen(wanted) : "");
}

uint64_t bench_child_number(const struct bench_child *child, const char *key)
{
	char text[32];

	bench_child_text(child, key, text, sizeof(text));
	return strtoull(text, NULL, 10);
}

uint64_t bench_child_cpu_ns(const struct bench_child *child)
{
	char path[300];
	struct dirent *entry;
	uint64_t total = 0, one;
	DIR *tasks;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task", child->pid);
	tasks = opendir(path);
	while (tasks && (entry = readdir(tasks))) {
		/* task/.. has a schedstat too: the main thread's, once more. */
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", child->pid,
			 entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (fscanf(file, "%" SCNu64, &one) == 1)
			total += one;
		fclose(file);
	}
	if (tasks)
		closedir(tasks);
	return total;
}

uint64_t bench_child_peak_bytes(const struct bench_child *child)
{
	char path[64], line[256];
	uint64_t kilobytes = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", child->pid);
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "VmHWM: %" SCNu64, &kilobytes) == 1)
			break;
	}
	fclose(file);
	return kilobytes * 1024;
}

void bench_child_stop(struct bench_child *child)
{
	if (child->pid > 0) {
		kill(child->pid, SIGTERM);
		while (child->log && fgets(child->line, sizeof(child->line), child->log))
			;
		waitpid(child->pid, NULL, 0);
	}
	if (child->log)
		fclose(child->log);
	child->pid = 0;
	child->log = NULL;
}
