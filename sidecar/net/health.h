/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether the sidecar or collector beside us is ready: an abstract unix socket whose name holds the role and the inode of
 * the mount namespace. A probe that is run in the same container shares both; a neighbour in the same pod shares only the network.
 */
#ifndef RINGSIDE_NET_HEALTH_H
#define RINGSIDE_NET_HEALTH_H

enum health {
	HEALTH_READY,
	HEALTH_STANDBY,
};

/* `role` is "run" or "collect". A non-blocking descriptor to poll for reading, or -errno; -EADDRINUSE: another one serves. */
int health_listen(const char *role);
/* Answers everyone who asks. */
void health_serve(int fd, enum health health);
/* 0, with what it answered; -EAGAIN: it runs and does not answer; -ECONNREFUSED: none runs; another -errno. Waits for 2 s at most. */
int health_ask(const char *role, enum health *ret_health);

#endif
