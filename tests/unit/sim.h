/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A simulated network and clock behind struct net: links of two bounded pipes that can be cut after any byte, narrowed, and
 * refused. A handle is twice the link's number, plus 1 on the collector's side. One test at a time.
 */
#ifndef RINGSIDE_TESTS_SIM_H
#define RINGSIDE_TESTS_SIM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <arpa/inet.h>
#include <cmocka.h>

#include "net/address.h"
#include "net/conn.h"

#define SIM_LINKS  4096
#define SIM_PIPE   (256 * 1024)
#define SIM_SECOND 1000000000ull

struct sim_pipe {
	uint8_t *data;
	size_t length;
	bool finished; /* its writer has ended */
};

struct sim_link {
	struct sim_pipe pipes[2]; /* [0] upwards, written by the agent; [1] downwards */
	bool open[2];		  /* each side's handle */
	bool cut;
};

struct sim {
	struct net net;
	uint64_t now, random;
	struct sim_link links[SIM_LINKS];
	int link_count, accepted;
	bool refuse;
	const char *resolves_to;
	size_t capacity;      /* of each new pipe */
	size_t window, piece; /* of each pipe; of each send and recv */
	long cut_after
		[2]; /* bytes in each direction, over all links, until the link that carries the last is cut; -1: never */
	long damage_at[2]; /* the byte that goes over wrong, counted likewise; -1: none */
	int dials;
};

static struct sim sim;

static struct sim_pipe *sim_pipe(int fd, bool writing)
{
	return &sim.links[fd / 2].pipes[(fd & 1) ^ (writing ? 0 : 1)];
}

static int sim_resolve(void *context, const struct address *address,
		       struct sockaddr_storage *ret_sockets, int max)
{
	struct address literal = *address;

	(void)context;
	(void)max;
	if (!sim.resolves_to)
		return -ENOENT;
	snprintf(literal.host, sizeof(literal.host), "%s", sim.resolves_to);
	assert_int_equal(address_literal(&literal, ret_sockets), 0);
	return 1;
}

static int sim_dial(void *context, const struct sockaddr_storage *socket)
{
	struct sim_link *link = &sim.links[sim.link_count];

	(void)context;
	(void)socket;
	sim.dials++;
	if (sim.refuse)
		return -ECONNREFUSED;
	assert_true(sim.link_count < SIM_LINKS);
	*link = (struct sim_link){.open = {true, true}};
	for (int i = 0; i < 2; i++) {
		link->pipes[i].data = malloc(sim.capacity);
		assert_non_null(link->pipes[i].data);
	}
	return 2 * sim.link_count++;
}

static int sim_dialled(void *context, int fd)
{
	(void)context;
	return sim.links[fd / 2].cut ? -ECONNRESET : 0;
}

static ssize_t sim_send(void *context, int fd, const void *data, size_t length)
{
	struct sim_link *link = &sim.links[fd / 2];
	struct sim_pipe *pipe = sim_pipe(fd, true);
	long *budget = &sim.cut_after[fd & 1], *damage = &sim.damage_at[fd & 1];

	(void)context;
	assert_true(link->open[fd & 1]);
	if (link->cut || !link->open[!(fd & 1)])
		return -EPIPE;
	if (length > sim.piece)
		length = sim.piece;
	if (length > sim.window - pipe->length)
		length = sim.window - pipe->length;
	if (*budget >= 0 && length > (size_t)*budget)
		length = (size_t)*budget;
	if (*budget == 0) {
		*budget = -1;
		link->cut = true;
		return -ECONNRESET;
	}
	if (!length)
		return -EAGAIN;
	memcpy(pipe->data + pipe->length, data, length);
	if (*damage >= 0 && *damage < (long)length)
		pipe->data[pipe->length + (size_t)*damage] ^= 0x21;
	if (*damage >= 0)
		*damage -= *damage < (long)length ? *damage + 1 : (long)length;
	pipe->length += length;
	if (*budget > 0)
		*budget -= (long)length;
	return (ssize_t)length;
}

static ssize_t sim_recv(void *context, int fd, void *data, size_t length)
{
	struct sim_link *link = &sim.links[fd / 2];
	struct sim_pipe *pipe = sim_pipe(fd, false);

	(void)context;
	assert_true(link->open[fd & 1]);
	if (!pipe->length && link->cut)
		return -ECONNRESET;
	if (!pipe->length)
		return pipe->finished || !link->open[!(fd & 1)] ? 0 : -EAGAIN;
	if (length > sim.piece)
		length = sim.piece;
	if (length > pipe->length)
		length = pipe->length;
	memcpy(data, pipe->data, length);
	pipe->length -= length;
	memmove(pipe->data, pipe->data + length, pipe->length);
	return (ssize_t)length;
}

static void sim_finish(void *context, int fd)
{
	(void)context;
	sim_pipe(fd, true)->finished = true;
}

static void sim_close(void *context, int fd)
{
	struct sim_link *link = &sim.links[fd / 2];

	(void)context;
	assert_true(link->open[fd & 1]);
	link->open[fd & 1] = false;
	if (link->open[0] || link->open[1])
		return;
	for (int i = 0; i < 2; i++) {
		free(link->pipes[i].data);
		link->pipes[i].data = NULL;
		link->pipes[i].length = 0;
	}
}

static short sim_events(void *context, int fd, bool reading, bool writing)
{
	(void)context;
	(void)fd;
	return (short)((reading ? POLLIN : 0) | (writing ? POLLOUT : 0));
}

static bool sim_buffered(void *context, int fd)
{
	(void)context;
	(void)fd;
	return false;
}

static const char *sim_why(void *context, int fd, int err)
{
	(void)context;
	(void)fd;
	return strerror(-err);
}

static uint64_t sim_now(void *context)
{
	(void)context;
	return sim.now;
}

static uint64_t sim_random(void *context)
{
	(void)context;
	sim.random = sim.random * 6364136223846793005ull + 1442695040888963407ull;
	return sim.random >> 11;
}

/* The collector's handle of the next link that nobody has taken, or -1. */
static inline int sim_accept(void)
{
	if (sim.accepted >= sim.link_count)
		return -1;
	return 2 * sim.accepted++ + 1;
}

static inline void sim_begin(void)
{
	memset(&sim, 0, sizeof(sim));
	sim.net = (struct net){.resolve = sim_resolve,
			       .dial = sim_dial,
			       .dialled = sim_dialled,
			       .send = sim_send,
			       .recv = sim_recv,
			       .finish = sim_finish,
			       .close = sim_close,
			       .events = sim_events,
			       .buffered = sim_buffered,
			       .why = sim_why,
			       .now = sim_now,
			       .random = sim_random};
	sim.now = 1000 * SIM_SECOND;
	sim.random = 1;
	sim.resolves_to = "127.0.0.1";
	sim.capacity = sim.window = sim.piece = SIM_PIPE;
	sim.cut_after[0] = sim.cut_after[1] = -1;
	sim.damage_at[0] = sim.damage_at[1] = -1;
}

/* Frees the links that one side never closed. */
static inline void sim_end(void)
{
	for (int i = 0; i < sim.link_count; i++) {
		for (int side = 0; side < 2; side++)
			if (sim.links[i].open[side])
				sim_close(NULL, 2 * i + side);
	}
}

#endif
