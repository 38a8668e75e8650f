/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A busy container: lookups NODE looks NODE up and executes itself once (lookups --child NODE), some
 * twenty times a second, until it is killed. What it does carries NODE, so that it is recognised where
 * it must not appear.
 */
#include <netdb.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	const struct timespec pause = {.tv_nsec = 50000000};
	struct addrinfo *answers;

	if (argc < 2)
		return 99;
	if (strcmp(argv[1], "--child") == 0)
		return 0;
	for (;;) {
		pid_t child;

		if (!getaddrinfo(argv[1], NULL, NULL, &answers))
			freeaddrinfo(answers);
		child = fork();
		if (child == 0) {
			execl(argv[0], argv[0], "--child", argv[1], (char *)NULL);
			_exit(99);
		}
		if (child > 0)
			waitpid(child, NULL, 0);
		nanosleep(&pause, NULL);
	}
}
