/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reader: one thread that starts the probes, takes records from the rings into batches, reads the counters, keeps the
 * accounts, and pushes finished frames to the queue. It never waits for whoever empties the queue.
 *
 *   idle --woken by the first record--> flowing: drain each flush interval, or at half a ring --nothing came--> idle
 */
#ifndef RINGSIDE_CMD_READER_H
#define RINGSIDE_CMD_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cmd/choices.h"
#include "kernel/scope_watch.h"
#include "probes/probe.h"
#include "scope/scope.h"
#include "wire/session.h"

struct queue;
struct capture;
struct reader;

struct reader_config {
	struct probe_settings settings;
	uint32_t enabled; /* bit number = probe */
	const struct scope *scope;
	struct transport_choice transport;
	const char *btf;  /* the file of the kernel's types; NULL: its own */
	const char *proc; /* the host's /proc; NULL: our own is read */
	uint64_t flush_interval_ns, counters_interval_ns;
	size_t tls_memory; /* of the stream; counted, not allocated here */
	struct queue *queue;
	struct capture *capture; /* NULL: none */
};

/* Makes rings and buffers and attaches the probes. 0 or -errno (logged). */
int reader_new(const struct reader_config *config, struct reader **ret_reader);
void reader_free(struct reader *reader);

/* For the ready line; good for the reader's life: "process:tp_btf getaddrinfo:...", and "process:ringbuf+ringbuf-output ...". */
const char *reader_how(const struct reader *reader);
const char *reader_transports(const struct reader *reader);
/* NULL: the transport is as asked for. */
const char *reader_transport_why(const struct reader *reader);
/* Whether it opens perf events on CPUs that come online. */
bool reader_opens_perf(const struct reader *reader);
/* Tells the probes that records are taken from now on (the snapshot begins). */
void reader_ready(struct reader *reader);

/* What became of the cgroup of the scope's item `i` since it was asked last. */
enum scope_change reader_scope_change(struct reader *reader, size_t i);

/* For epoll, readable when reader_work has something to do. */
int reader_fd(const struct reader *reader);
/* Longest that the caller may sleep before the next reader_work, ms; -1: until reader_fd says so. Call it last before sleeping. */
int reader_sleep(struct reader *reader);
void reader_work(struct reader *reader);

/* Detaches, takes what is left, and gives the final accounting, which holds exactly. */
void reader_finish(struct reader *reader, struct session_account *ret_account);

/* Bytes that are allocated for this configuration: rings, tables, batches, counters, and those of TLS. */
size_t reader_memory(const struct reader_config *config);
/* Whether that and `queue` bytes are within what this process may have: 0, or 2 (logged with the ring that would fit). */
int reader_fits(const struct reader_config *config, uint64_t queue);

#endif
