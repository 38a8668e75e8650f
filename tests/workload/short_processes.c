/* SPDX-License-Identifier: Apache-2.0 */
/*
 * short_processes COUNT PER_SECOND: fork, exec and exit of this program as a child, COUNT times,
 * at most PER_SECOND (0: as fast as it goes), up to 16 at once. The child `short_processes child
 * I` leaves with code I % 200. SIGTERM ends it early. Reports every child's pid and code.
 */
#include "workload.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#define AT_ONCE 16

static pid_t *pids;
static int *codes;

static volatile sig_atomic_t stop;

static void on_term(int number)
{
	(void)number;
	stop = 1;
}

static long long now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void reap_one(long started)
{
	int status;
	pid_t pid;

	do {
		pid = waitpid(-1, &status, 0);
	} while (pid < 0 && errno == EINTR);
	for (long i = started - 1; i >= 0; i--) {
		if (pids[i] == pid && codes[i] < 0) {
			codes[i] = WIFEXITED(status) ? WEXITSTATUS(status) : WORKLOAD_FAILED;
			return;
		}
	}
	die("waitpid");
}

static void start(const char *self, long index)
{
	char text[32];

	pids[index] = fork();
	codes[index] = -1;
	if (pids[index] < 0)
		die("fork");
	if (pids[index])
		return;
	snprintf(text, sizeof(text), "%ld", index);
	execl(self, self, "child", text, (char *)NULL);
	_exit(WORKLOAD_FAILED);
}

int main(int argc, char **argv)
{
	long count, per_second, running = 0;
	long long begin;
	char self[4096];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (argc == 3 && !strcmp(argv[1], "child"))
		return atoi(argv[2]) % 200;
	if (argc != 3 || length < 0)
		return WORKLOAD_FAILED;
	self[length] = 0;
	count = atol(argv[1]);
	per_second = atol(argv[2]);
	pids = calloc((size_t)count, sizeof(*pids));
	codes = calloc((size_t)count, sizeof(*codes));
	if (!pids || !codes)
		die("calloc");
	signal(SIGTERM, on_term);
	gate_wait();
	begin = now_ns();
	for (long i = 0; i < count; i++) {
		if (stop) {
			count = i;
			break;
		}
		long long wait =
			per_second ? begin + i * (1000000000LL / per_second) - now_ns() : 0;

		if (wait > 0)
			nanosleep(&(struct timespec){wait / 1000000000, wait % 1000000000}, NULL);
		if (running == AT_ONCE) {
			reap_one(i);
			running--;
		}
		start(self, i);
		running++;
	}
	for (; running; running--)
		reap_one(count);
	report("{\"pid\":%d,\"count\":%ld,\"children\":[", getpid(), count);
	for (long i = 0; i < count; i++)
		report("%s[%d,%d]", i ? "," : "", pids[i], codes[i]);
	report("]}");
	report_send();
	return 0;
}
