// SPDX-License-Identifier: Apache-2.0
/* struct net on real sockets, and listening. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/address.h"
#include "net/conn.h"

static int socket_resolve(void *context, const struct address *address,
			  struct sockaddr_storage *ret_sockets, int max)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list,
			*item;
	int count = 0;

	(void)context;
	if (!address_literal(address, &ret_sockets[0]))
		return 1;
	if (getaddrinfo(address->host, NULL, &hints, &list))
		return -ENOENT;
	for (item = list; item && count < max; item = item->ai_next) {
		struct sockaddr_storage *socket = &ret_sockets[count];

		if (item->ai_addrlen > sizeof(*socket))
			continue;
		memset(socket, 0, sizeof(*socket));
		memcpy(socket, item->ai_addr, item->ai_addrlen);
		if (socket->ss_family == AF_INET)
			((struct sockaddr_in *)socket)->sin_port = htons(address->port);
		else if (socket->ss_family == AF_INET6)
			((struct sockaddr_in6 *)socket)->sin6_port = htons(address->port);
		else
			continue;
		count++;
	}
	freeaddrinfo(list);
	return count ? count : -ENOENT;
}

static void set_nodelay(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static int socket_dial(void *context, const struct sockaddr_storage *address)
{
	int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	(void)context;
	if (fd < 0)
		return -errno;
	set_nodelay(fd);
	if (connect(fd, (const struct sockaddr *)address, address_socket_length(address)) &&
	    errno != EINPROGRESS) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int socket_dialled(void *context, int fd)
{
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer), size = sizeof(int);
	int error = 0;

	(void)context;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size))
		return -errno;
	if (error)
		return -error;
	if (!getpeername(fd, (struct sockaddr *)&peer, &length))
		return 0;
	return errno == ENOTCONN ? -EINPROGRESS : -errno;
}

static ssize_t socket_send(void *context, int fd, const void *data, size_t length)
{
	ssize_t n;

	(void)context;
	do {
		n = send(fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static ssize_t socket_recv(void *context, int fd, void *data, size_t length)
{
	ssize_t n;

	(void)context;
	do {
		n = recv(fd, data, length, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static void socket_finish(void *context, int fd)
{
	(void)context;
	shutdown(fd, SHUT_WR);
}

static void socket_close(void *context, int fd)
{
	(void)context;
	close(fd);
}

static short socket_events(void *context, int fd, bool reading, bool writing)
{
	(void)context;
	(void)fd;
	return (short)((reading ? POLLIN : 0) | (writing ? POLLOUT : 0));
}

static bool socket_buffered(void *context, int fd)
{
	(void)context;
	(void)fd;
	return false;
}

static const char *socket_why(void *context, int fd, int err)
{
	(void)context;
	(void)fd;
	return strerror(-err);
}

static uint64_t socket_now(void *context)
{
	(void)context;
	return clock_monotonic_ns();
}

static uint64_t socket_random(void *context)
{
	uint64_t value;

	(void)context;
	/* Before the kernel's pool is ready the clock spreads peers well enough: this is for back-off only. */
	if (getrandom(&value, sizeof(value), GRND_NONBLOCK) != sizeof(value))
		value = clock_monotonic_ns() * 0x9e3779b97f4a7c15u;
	return value;
}

const struct net net_real = {
	.resolve = socket_resolve,
	.dial = socket_dial,
	.dialled = socket_dialled,
	.send = socket_send,
	.recv = socket_recv,
	.finish = socket_finish,
	.close = socket_close,
	.events = socket_events,
	.buffered = socket_buffered,
	.why = socket_why,
	.now = socket_now,
	.random = socket_random,
};

int net_listen(const struct address *address, struct sockaddr_storage *ret_socket)
{
	struct sockaddr_storage local;
	socklen_t length = sizeof(local);
	int fd, err, one = 1, zero = 0;

	err = socket_resolve(NULL, address, &local, 1);
	if (err < 0)
		return err;
	fd = socket(local.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (local.ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, (struct sockaddr *)&local, address_socket_length(&local)) ||
	    listen(fd, 1024) || getsockname(fd, (struct sockaddr *)&local, &length)) {
		err = -errno;
		close(fd);
		return err;
	}
	*ret_socket = local;
	return fd;
}

int net_accept(int listener, struct sockaddr_storage *ret_peer)
{
	socklen_t length = sizeof(*ret_peer);
	int fd;

	memset(ret_peer, 0, sizeof(*ret_peer));
	fd = accept4(listener, (struct sockaddr *)ret_peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0)
		return errno == EINTR || errno == ECONNABORTED ? -EAGAIN : -errno;
	set_nodelay(fd);
	return fd;
}
