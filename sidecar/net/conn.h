/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection with bounded buffers. All that touches the world goes through struct net: real sockets and clocks
 * (net_real), TLS on top of another struct net (tls_net), or a simulated network. Nothing here blocks, but for looking a
 * name up.
 */
#ifndef RINGSIDE_NET_CONN_H
#define RINGSIDE_NET_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "base/buf.h"

struct address;

/* Handles are file descriptors, or what a simulation takes for one. Errors are negative errno. */
struct net {
	/* All addresses of a host, at most `max`: how many, or -errno. May block. */
	int (*resolve)(void *context, const struct address *address,
		       struct sockaddr_storage *ret_sockets, int max);
	/* Begins to connect: a handle. */
	int (*dial)(void *context, const struct sockaddr_storage *socket);
	/*
	 * Both for a handle that was dialled and for one that was accepted. 0: bytes can go; -EINPROGRESS: not yet;
	 * -errno: failed.
	 */
	int (*dialled)(void *context, int fd);
	/* Bytes moved; -EAGAIN: none now; 0 from recv: the peer has ended. */
	ssize_t (*send)(void *context, int fd, const void *data, size_t length);
	ssize_t (*recv)(void *context, int fd, void *data, size_t length);
	/* Ends our direction; the other still comes. */
	void (*finish)(void *context, int fd);
	void (*close)(void *context, int fd);
	/* What to poll for (POLLIN, POLLOUT), for an owner that wants to read or to write, or waits in `dialled`. */
	short (*events)(void *context, int fd, bool reading, bool writing);
	/* recv has bytes, although the handle may not become readable. */
	bool (*buffered)(void *context, int fd);
	/* What an -errno of these functions means; borrowed until the next call, or the handle's end. */
	const char *(*why)(void *context, int fd, int err);
	uint64_t (*now)(void *context); /* monotonic, ns */
	uint64_t (*random)(void *context);
	void *context;
};

extern const struct net net_real;

/* Listens on a literal address or `localhost`, non-blocking: a descriptor and the socket with the port chosen, or -errno. */
int net_listen(const struct address *address, struct sockaddr_storage *ret_socket);
/* A descriptor, non-blocking; -EAGAIN: none waits. */
int net_accept(int listener, struct sockaddr_storage *ret_peer);

struct conn {
	const struct net *net;
	int fd; /* -1: none */
	struct buf in, out;
};

/* The buffers are allocated as bytes come: `in_limit` and `out_limit` bytes at most. */
void conn_init(struct conn *conn, const struct net *net, size_t in_limit, size_t out_limit);
void conn_done(struct conn *conn);
/* Takes a handle over; both buffers begin empty. */
void conn_open(struct conn *conn, int fd);
/* Closes and empties both buffers, which keep their memory. */
void conn_close(struct conn *conn);

/*
 * Reads what has come, as far as there is room and at most `most` bytes: how many, 0: none now; -EPIPE: the peer has ended;
 * -ENOSPC: no room; another -errno. The buffer grows by what was received, never by what a peer promises.
 */
ssize_t conn_fill(struct conn *conn, size_t most);
/* Writes as much of the out buffer as goes: 0 (some may be left: see conn_pending), or -errno. */
int conn_flush(struct conn *conn);
size_t conn_pending(const struct conn *conn);
/* As struct net: what an error of conn_fill or conn_flush means, and what to poll for. */
const char *conn_why(const struct conn *conn, int err);
short conn_events(const struct conn *conn, bool reading, bool writing);

#endif
