// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "cmd/reader_internal.h"
#include "kernel/percpu.h"
#include "kernel/refusal.h"
#include "kernel/scope_watch.h"
#include "kernel/transport.h"
#include "wire/batch.h"
#include "wire/counters.h"
#include "wire/frame.h"

#define HEARTBEAT_NS 1000000000ull

static int watch(const struct reader *reader, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};

	return epoll_ctl(reader->epoll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int timer_new(const struct reader *reader, uint64_t interval_ns, int *ret_fd)
{
	const struct timespec interval = {(time_t)(interval_ns / 1000000000),
					  (long)(interval_ns % 1000000000)};
	const struct itimerspec spec = {interval, interval};

	*ret_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (*ret_fd < 0 || timerfd_settime(*ret_fd, 0, &spec, NULL))
		return -errno;
	return watch(reader, *ret_fd, EPOLLIN);
}

static void add_word(char *text, size_t size, const char *probe, const char *how)
{
	const size_t used = strlen(text);

	snprintf(text + used, size - used, "%s%s:%s", used ? " " : "", probe, how);
}

static void describe(struct reader *reader, const struct probe *probe, const char *how)
{
	const enum event_transport transport = events_transport(reader->events);
	const char *fixed = probe->records & RECORDS_FIXED
				    ? transport_name(transport_for_fixed(transport))
				    : NULL;
	const char *sized = probe->records & RECORDS_SIZED
				    ? transport_name(transport_for_sized(transport))
				    : NULL;
	char text[64];

	add_word(reader->how, sizeof(reader->how), probe->name, how);
	if (!probe->records)
		return;
	if (fixed && sized && fixed != sized)
		snprintf(text, sizeof(text), "%s+%s", fixed, sized);
	else
		snprintf(text, sizeof(text), "%s", fixed ? fixed : sized);
	add_word(reader->transports, sizeof(reader->transports), probe->name, text);
}

static int start_family(struct reader *reader, size_t probe)
{
	const struct probe_setup setup = {
		.settings = &reader->config.settings,
		.events = reader->events,
		.enabled = reader->config.enabled,
	};
	struct family *family;
	int fd, err;

	for (size_t i = 0; i < reader->family_count; i++) {
		if (reader->families[i].family != probes[probe].family)
			continue;
		reader->family_of_probe[probe] = (int8_t)i;
		describe(reader, &probes[probe], reader->families[i].how);
		return 0;
	}
	if (reader->family_count == FAMILIES)
		return -E2BIG;
	family = &reader->families[reader->family_count];
	family->family = probes[probe].family;
	err = family->family->start(&setup, &family->state, family->how);
	if (err)
		return err;
	reader->family_of_probe[probe] = (int8_t)reader->family_count++;
	describe(reader, &probes[probe], family->how);
	fd = family->family->fd ? family->family->fd(family->state) : -1;
	return fd < 0 ? 0 : watch(reader, fd, EPOLLIN);
}

static int make_buffers(struct reader *reader)
{
	const struct cgroup_namer namer = {events_name_cgroup, reader->events};
	const struct reader_config *config = &reader->config;
	int err;

	for (uint32_t i = 0; i < RINGS; i++) {
		reader->batches[i] = batch_new(i, wire_kinds, namer);
		if (!reader->batches[i])
			return -ENOMEM;
	}
	reader->counters = counters_new(config->settings.per_cpu ? percpu_cpus() : 0, namer);
	if (!reader->counters)
		return -ENOMEM;
	err = buf_init(&reader->out, FRAME_MAX + 5, 16 * FRAME_MAX);
	if (err)
		return err;
	reader->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return reader->epoll_fd < 0 ? -errno : 0;
}

static int watch_all(struct reader *reader)
{
	int err = 0;

	/* Edge-triggered: what matters is that BPF woke us, not that the ring has data (it always has while data flows). */
	for (uint32_t i = 0; i < RINGS && !err; i++)
		err = watch(reader, events_fd(reader->events, i), EPOLLIN | EPOLLET);
	if (!err && reader->config.enabled & 1u << PROBE_SYSCALLS)
		err = timer_new(reader, reader->config.counters_interval_ns, &reader->counters_fd);
	if (!err)
		err = timer_new(reader, HEARTBEAT_NS, &reader->heartbeat_fd);
	return err;
}

int reader_new(const struct reader_config *config, struct reader **ret_reader)
{
	struct reader *reader = calloc(1, sizeof(*reader));
	struct scope_entry scopes[SCOPE_MAX];
	struct events_config events = {
		.transport = config->transport.transport,
		.ring_bytes = {config->transport.ring_bytes[0], config->transport.ring_bytes[1]},
		.perf_pages = config->transport.perf_pages,
		.wakeup_bytes = config->transport.wakeup_bytes,
		.scopes = scopes,
		.scope_count = config->scope->count,
		.include_self = config->settings.include_self,
		.btf = config->btf,
		.proc = config->proc,
		.take = reader_take,
		.context = reader,
	};
	const char *what = "memory", *why, *todo;
	int err;

	if (!reader)
		return -ENOMEM;
	reader->config = *config;
	reader->epoll_fd = reader->counters_fd = reader->heartbeat_fd = -1;
	for (uint32_t kind = 0; kind < KINDS_MAX; kind++)
		reader->probe_of_kind[kind] = (int8_t)probe_of_kind(kind);
	for (size_t i = 0; i < config->scope->count; i++)
		scopes[i] = config->scope->items[i].entry;
	err = events_new(&events, &reader->events, &what);
	if (!err) {
		what = "buffers";
		err = make_buffers(reader);
	}
	if (!err) {
		what = "the scope's watch";
		err = scope_watch_new(reader->events, &reader->scope_watch);
	}
	if (!err)
		err = watch_all(reader);
	if (err) {
		why = refusal_explain(err, config->btf, &todo);
		if (!todo)
			todo = config->transport.transport == TRANSPORT_AUTO
				       ? "see ringside check"
				       : "leave --transport out, and see ringside check";
		log_line(LOG_ERROR, "cannot set up the event path", "object", what, "why", why,
			 "do", todo, NULL);
		goto out;
	}
	for (size_t i = 0; i < probe_count && !err; i++) {
		if (config->enabled & 1u << i)
			err = start_family(reader, i);
	}
out:
	if (err)
		reader_free(reader);
	else
		*ret_reader = reader;
	return err;
}

void reader_free(struct reader *reader)
{
	if (!reader)
		return;
	for (size_t i = 0; i < reader->family_count; i++)
		reader->families[i].family->stop(reader->families[i].state);
	for (uint32_t i = 0; i < RINGS; i++)
		batch_free(reader->batches[i]);
	counters_free(reader->counters);
	buf_done(&reader->out);
	scope_watch_free(reader->scope_watch);
	events_free(reader->events);
	for (size_t i = 0; i < 3; i++) {
		const int fd = (const int[]){reader->epoll_fd, reader->counters_fd,
					     reader->heartbeat_fd}[i];

		if (fd >= 0)
			close(fd);
	}
	free(reader);
}

const char *reader_how(const struct reader *reader)
{
	return reader->how;
}

const char *reader_transports(const struct reader *reader)
{
	return reader->transports;
}

bool reader_opens_perf(const struct reader *reader)
{
	return events_must_poll(reader->events) || reader->config.enabled & 1u << PROBE_PROFILE;
}

const char *reader_transport_why(const struct reader *reader)
{
	return events_transport(reader->events) == reader->config.transport.transport
		       ? NULL
		       : "the kernel refuses the ring buffer";
}
