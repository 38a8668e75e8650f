// SPDX-License-Identifier: Apache-2.0
#include "net/health.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static const char answers[] = {[HEALTH_READY] = 'y', [HEALTH_STANDBY] = 's'};

static int health_address(const char *role, struct sockaddr_un *ret_address, socklen_t *ret_length)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct stat namespace;
	int n;

	if (stat("/proc/self/ns/mnt", &namespace))
		return -errno;
	/* An abstract name begins with a NUL and has no other. */
	n = snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "ringside/%s/%llu", role,
		     (unsigned long long)namespace.st_ino);
	*ret_address = address;
	*ret_length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	return 0;
}

int health_listen(const char *role)
{
	struct sockaddr_un address;
	socklen_t length;
	int fd, err;

	err = health_address(role, &address, &length);
	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&address, length) || listen(fd, 16)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

void health_serve(int fd, enum health health)
{
	const char answer = answers[health];
	int peer;

	while ((peer = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		/* One byte always fits; whoever has gone needs none. */
		(void)send(peer, &answer, sizeof(answer), MSG_NOSIGNAL);
		close(peer);
	}
}

int health_ask(const char *role, enum health *ret_health)
{
	struct timeval patience = {.tv_sec = 2};
	struct sockaddr_un address;
	struct ucred peer;
	socklen_t length, peer_length = sizeof(peer);
	char answer = 0;
	ssize_t n;
	int fd, err;

	err = health_address(role, &address, &length);
	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, length)) {
		err = -errno;
		goto out;
	}
	/* The name is abstract: anybody in this network namespace can take it. */
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &peer_length) ||
	    (peer.uid && peer.uid != geteuid())) {
		err = -EPERM;
		goto out;
	}
	n = recv(fd, &answer, sizeof(answer), 0);
	err = n < 0 && errno != EAGAIN ? -errno : -EAGAIN;
	for (enum health health = HEALTH_READY; n == 1 && health <= HEALTH_STANDBY; health++) {
		if (answer != answers[health])
			continue;
		*ret_health = health;
		err = 0;
	}
out:
	close(fd);
	return err;
}
