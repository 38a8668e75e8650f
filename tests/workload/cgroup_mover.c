/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_mover INSIDE OUTSIDE ROUNDS CALLS: moves itself between two cgroup directories; in each,
 * CALLS times write(2) to descriptor 100 (11 bytes inside, 22 outside), CALLS times getppid
 * inside, getpgid outside, and one fork. The moves themselves are writes to descriptors 101
 * (inwards) and 102 (outwards).
 */
#include "workload.h"

#include <fcntl.h>
#include <sys/wait.h>

#define FD     100
#define FD_IN  101
#define FD_OUT 102

static void at(int fd, const char *directory, const char *file, int flags)
{
	char path[4096];
	int opened;

	snprintf(path, sizeof(path), "%s/%s", directory, file);
	opened = open(path, flags);
	if (opened < 0 || dup2(opened, fd) != fd)
		die(path);
	close(opened);
}

static void move(int fd)
{
	if (write(fd, "0", 1) != 1)
		die("cgroup.procs");
}

static pid_t fork_one(int code)
{
	pid_t child = fork();

	if (!child)
		_exit(code);
	if (child < 0 || waitpid(child, NULL, 0) != child)
		die("fork");
	return child;
}

int main(int argc, char **argv)
{
	static char data[22];
	int rounds, calls;

	if (argc != 5)
		return WORKLOAD_FAILED;
	rounds = atoi(argv[3]);
	calls = atoi(argv[4]);
	at(FD, "/dev", "null", O_WRONLY);
	at(FD_IN, argv[1], "cgroup.procs", O_WRONLY);
	at(FD_OUT, argv[2], "cgroup.procs", O_WRONLY);
	gate_wait();
	report("{\"pid\":%d,\"rounds\":%d,\"calls\":%d,\"inside\":[", getpid(), rounds,
	       rounds * calls);
	for (int round = 0; round < rounds; round++) {
		move(FD_IN);
		for (int i = 0; i < calls; i++) {
			if (write(FD, data, 11) != 11)
				die("write");
			syscall(SYS_getppid);
		}
		report("%s%d", round ? "," : "", fork_one(1));
		move(FD_OUT);
		for (int i = 0; i < calls; i++) {
			if (write(FD, data, 22) != 22)
				die("write");
			syscall(SYS_getpgid, 0);
		}
		fork_one(2);
	}
	report("]}");
	report_send();
	return 0;
}
