/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thin event loop on epoll, for one thread. The owner embeds a watch for each descriptor and frees it only between two
 * calls of loop_wait, after it was taken out: an event that was already fetched may still be delivered to it within one.
 */
#ifndef RINGSIDE_BASE_LOOP_H
#define RINGSIDE_BASE_LOOP_H

#include <stdint.h>

struct watch {
	int fd;
	uint32_t events; /* as told to epoll; 0: not watched */
	void (*ready)(struct watch *watch,
		      uint32_t events); /* EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP */
};

struct loop {
	int fd;
};

/* 0 or -errno. */
int loop_init(struct loop *loop);
void loop_done(struct loop *loop);
/*
 * Watches for these events (level-triggered) from now on; 0: for none, not even errors. -EPERM: the descriptor is always
 * ready (a regular file).
 */
int loop_watch(struct loop *loop, struct watch *watch, uint32_t events);
/* Waits once and calls who is ready. 0 or -errno; a signal is no error. */
int loop_wait(struct loop *loop, int timeout_ms);

#endif
