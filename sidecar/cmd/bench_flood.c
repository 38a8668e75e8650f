// SPDX-License-Identifier: Apache-2.0
#include "cmd/bench_flood.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

#define CHUNK  500 /* writes that are timed together */
#define CHUNKS (1 << 20)

struct flood_shared {
	_Atomic uint64_t deadline_ns; /* clock_monotonic_ns; in the past: idle */
	_Atomic uint32_t done;	      /* runs that were finished */
	_Atomic uint32_t wanted;
	uint32_t count;
	uint32_t chunk_ns[CHUNKS];
};

static void pause_ms(long ms)
{
	const struct timespec pause = {0, ms * 1000000};

	nanosleep(&pause, NULL);
}

static _Noreturn void flood_process(struct flood_shared *shared)
{
	const int fd = open("/dev/null", O_WRONLY);
	const uint64_t data = 0;

	for (uint32_t run = 1;; run++) {
		while (shared->wanted < run)
			pause_ms(1);
		shared->count = 0;
		for (uint64_t start = clock_monotonic_ns(), end; start < shared->deadline_ns;
		     start = end) {
			for (int i = 0; i < CHUNK; i++) {
				if (write(fd, &data, sizeof(data)) < 0)
					_exit(1);
			}
			end = clock_monotonic_ns();
			if (shared->count < CHUNKS)
				shared->chunk_ns[shared->count++] = (uint32_t)(end - start);
		}
		shared->done = run;
	}
}

static int find_mount(char *ret_path, size_t size)
{
	char line[1024], path[160], type[32];
	FILE *mounts = fopen("/proc/self/mounts", "re");
	int err = -ENOENT;

	if (!mounts)
		return -errno;
	while (err && fgets(line, sizeof(line), mounts)) {
		if (sscanf(line, "%*s %159s %31s", path, type) == 2 && !strcmp(type, "cgroup2")) {
			snprintf(ret_path, size, "%s", path);
			err = 0;
		}
	}
	fclose(mounts);
	return err;
}

static int join(const char *cgroup)
{
	char path[FLOOD_PATH + 16];
	int fd, err;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = write(fd, "0", 1) == 1 ? 0 : -errno;
	close(fd);
	return err;
}

int flood_start(struct flood *flood, const char **ret_what)
{
	char mount[FLOOD_PATH - 64];
	int err;

	*ret_what = "a cgroup v2 mount";
	err = find_mount(mount, sizeof(mount));
	if (err)
		return err;
	*ret_what = "a cgroup of the benchmark's own";
	snprintf(flood->cgroup, sizeof(flood->cgroup), "%s/ringside-bench-%d", mount, getpid());
	if (mkdir(flood->cgroup, 0755))
		return -errno;
	*ret_what = "memory";
	flood->shared = mmap(NULL, sizeof(*flood->shared), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (flood->shared == MAP_FAILED) {
		flood->shared = NULL;
		return -ENOMEM;
	}
	*ret_what = "the flooding process";
	flood->pid = fork();
	if (flood->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (join(flood->cgroup))
			_exit(1);
		flood_process(flood->shared);
	}
	return flood->pid < 0 ? -errno : 0;
}

static int compare(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

double flood_run(struct flood *flood, uint64_t duration_ns)
{
	struct flood_shared *shared = flood->shared;
	size_t middle;

	shared->deadline_ns = clock_monotonic_ns() + duration_ns;
	shared->wanted++;
	while (shared->done != shared->wanted) {
		if (waitpid(flood->pid, NULL, WNOHANG) == flood->pid) {
			flood->pid = 0;
			return 0;
		}
		pause_ms(2);
	}
	if (!shared->count)
		return 0;
	qsort(shared->chunk_ns, shared->count, sizeof(shared->chunk_ns[0]), compare);
	middle = shared->count / 2;
	return (double)shared->chunk_ns[middle] / CHUNK;
}

void flood_stop(struct flood *flood)
{
	if (flood->pid > 0) {
		kill(flood->pid, SIGKILL);
		waitpid(flood->pid, NULL, 0);
	}
	if (flood->shared)
		munmap(flood->shared, sizeof(*flood->shared));
	for (int i = 0; flood->cgroup[0] && rmdir(flood->cgroup) && errno == EBUSY && i < 100; i++)
		pause_ms(10);
	memset(flood, 0, sizeof(*flood));
}
