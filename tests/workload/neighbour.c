/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A busy neighbour: until SIGTERM it writes 77 bytes at a time to /dev/null, looks names up, forks
 * and execs. Reports how often. Everything it does carries its name, so that it is recognised
 * where it must not appear.
 */
#include "workload.h"

#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <sys/wait.h>

static volatile sig_atomic_t stop;

static void on_term(int number)
{
	(void)number;
	stop = 1;
}

static void look_up(void)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *answers;

	if (!getaddrinfo("127.7.7.7", NULL, &hints, &answers))
		freeaddrinfo(answers);
}

int main(int argc, char **argv)
{
	unsigned long writes = 0, lookups = 0, processes = 0;
	static char data[77];
	int fd;

	if (argc == 2 && !strcmp(argv[1], "child"))
		return 7;
	signal(SIGTERM, on_term);
	fd = open("/dev/null", O_WRONLY);
	while (!stop) {
		pid_t child;

		for (int i = 0; i < 200; i++, writes++)
			if (write(fd, data, sizeof(data)) != sizeof(data))
				die("write");
		look_up();
		lookups++;
		child = fork();
		if (!child) {
			execl("/proc/self/exe", "neighbour", "child", (char *)NULL);
			_exit(WORKLOAD_FAILED);
		}
		while (child > 0 && waitpid(child, NULL, 0) != child && errno == EINTR)
			;
		processes++;
	}
	report("{\"pid\":%d,\"writes\":%lu,\"lookups\":%lu,\"processes\":%lu}", getpid(), writes,
	       lookups, processes);
	report_send();
	return 0;
}
