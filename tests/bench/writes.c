// SPDX-License-Identifier: Apache-2.0
/* Calls write(2) on /dev/null, joined to a cgroup first; prints the median cost of a call in ns:  writes CGROUP_DIR MILLISECONDS */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define CHUNK  500
#define CHUNKS 100000

static uint32_t chunks[CHUNKS];

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	char path[512];
	uint64_t deadline, data = 0;
	size_t count = 0;
	int fd;

	if (argc != 3)
		return 2;
	snprintf(path, sizeof(path), "%s/cgroup.procs", argv[1]);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, "0", 1) != 1)
		return 1;
	close(fd);
	fd = open("/dev/null", O_WRONLY);
	deadline = now_ns() + strtoull(argv[2], NULL, 10) * 1000000;
	for (uint64_t start = now_ns(), end; start < deadline && count < CHUNKS; start = end) {
		for (int i = 0; i < CHUNK; i++) {
			if (write(fd, &data, sizeof(data)) < 0)
				return 1;
		}
		end = now_ns();
		chunks[count++] = (uint32_t)(end - start);
	}
	qsort(chunks, count, sizeof(chunks[0]), compare);
	printf("%.1f\n", (double)chunks[count / 2] / CHUNK);
	return 0;
}
