// SPDX-License-Identifier: Apache-2.0
/* The sidecar: starts the reader and whoever empties its queue, waits for a signal, ends in order. */
#include "cmd/run.h"

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "cmd/commands.h"
#include "cmd/identity.h"
#include "cmd/local.h"
#include "cmd/reader.h"
#include "cmd/trouble.h"
#include "kernel/drop.h"
#include "kernel/features.h"
#include "kernel/privileges.h"
#include "net/conn.h"
#include "net/health.h"
#include "net/sender.h"
#include "net/tls.h"
#include "spool/queue.h"
#include "wire/capture.h"

struct run {
	struct run_plan plan;
	struct identity identity;
	struct session_hello hello;
	struct session_attribute attributes[SESSION_ATTRIBUTES + 1];
	struct queue *queue;
	struct capture *capture;
	struct reader *reader;
	struct sender *sender;
	struct local *local;
	int signal_fd, health_fd; /* health_fd below 0: somebody else has its name */
	uint64_t health_due_ns;	  /* when to try for it again */
};

static void make_hello(struct run *run)
{
	struct session_hello *hello = &run->hello;

	memcpy(run->attributes, run->plan.attributes, sizeof(run->plan.attributes));
	hello->attribute_count = run->plan.attribute_count;
	if (!attribute_value(&run->plan.options.attribute, "host.name"))
		run->attributes[hello->attribute_count++] = (struct session_attribute){
			.key = {"host.name", 9},
			.value = {run->identity.host, strlen(run->identity.host)},
		};
	hello->protocol_min = hello->protocol_max = SESSION_VERSION;
	hello->agent_id =
		(struct session_text){run->identity.agent_id, strlen(run->identity.agent_id)};
	memcpy(hello->boot_id, run->identity.boot_id, sizeof(hello->boot_id));
	hello->epoch = run->identity.epoch;
	hello->attributes = run->attributes;
	hello->boottime_ns = clock_boottime_ns();
	hello->realtime_ns = clock_realtime_ns();
	hello->version = (struct session_text){RINGSIDE_VERSION, strlen(RINGSIDE_VERSION)};
}

static int start_output(struct run *run)
{
	if (run->plan.has_collector) {
		const struct sender_config config = run_plan_sender(&run->plan, &run->hello);

		run->sender = sender_new(&config, run->queue);
		return run->sender ? sender_start(run->sender) : -ENOMEM;
	}
	run->local = local_new(run->queue, &run->hello, run->plan.format);
	return run->local ? local_start(run->local) : -ENOMEM;
}

static int start_capture(struct run *run)
{
	const char *path = run->plan.options.capture;
	struct buf hello;
	int err;

	if (!path)
		return 0;
	err = buf_init(&hello, 4096, 1024 * 1024);
	if (!err)
		err = session_put_hello(&hello, &run->hello);
	if (!err)
		err = capture_open(path, &run->capture);
	if (!err)
		err = capture_source(run->capture, buf_head(&hello), buf_length(&hello));
	buf_done(&hello);
	if (err)
		log_line(LOG_ERROR, "cannot write the capture", "file", path, "why", strerror(-err),
			 "do", "give a path that can be written", NULL);
	return err;
}

static struct reader_config reader_config_of(const struct run *run)
{
	const struct run_options *options = &run->plan.options;

	return (struct reader_config){
		.settings =
			{
				.latency = options->latency,
				.per_cpu = options->per_cpu,
				.write_min_bytes = options->write_min_bytes,
				.write_sample = options->write_sample,
				.profile_hz = options->profile_hz,
				.counters_memory = options->counters_memory,
				.include_self = options->include_self,
			},
		.enabled = run->plan.enabled,
		.scope = &run->plan.scope,
		.transport = run->plan.transport,
		.btf = options->btf,
		.proc = options->proc,
		.flush_interval_ns = options->flush_interval,
		.counters_interval_ns = options->counters_interval,
		.tls_memory = run->plan.tls ? TRUST_MEMORY : 0,
		.queue = run->queue,
		.capture = run->capture,
	};
}

static int start_reader(struct run *run)
{
	const struct reader_config config = reader_config_of(run);

	return reader_new(&config, &run->reader);
}

static int fits_memory(const struct run *run)
{
	const struct reader_config config = reader_config_of(run);

	return reader_fits(&config, run->plan.options.queue);
}

static void log_ready(const struct run *run)
{
	char scope[SCOPE_MAX * SCOPE_TEXT] = "", collector[ADDRESS_TEXT];
	size_t used = 0;

	for (size_t i = 0; i < run->plan.scope.count && used < sizeof(scope); i++) {
		const struct scope_item *item = &run->plan.scope.items[i];

		used += (size_t)snprintf(scope + used, sizeof(scope) - used, "%s%s%s(%s)",
					 i ? " " : "", item->entry.exclude ? "-" : "", item->given,
					 item->name);
	}
	if (run->plan.has_collector)
		address_print(&run->plan.collector, collector);
	log_line(LOG_INFO, "ready", "role", "run", "agent", run->identity.agent_id, "scope", scope,
		 "scope_chosen", run->plan.scope.chosen ? "by default" : NULL, "probes",
		 reader_how(run->reader), "transport", reader_transports(run->reader),
		 "transport_why", reader_transport_why(run->reader), "collector",
		 run->plan.has_collector ? collector : NULL, "tls", run->plan.tls ? "1.3" : NULL,
		 NULL);
}

static void tell_changed_scopes(const struct run *run)
{
	for (size_t i = 0; i < run->plan.scope.count; i++) {
		const struct scope_item *item = &run->plan.scope.items[i];
		const enum scope_change change = reader_scope_change(run->reader, i);

		if (item->entry.exclude)
			continue;
		if (change == SCOPE_REMOVED)
			log_line(LOG_WARN, "scope is gone", "scope", item->given, "name",
				 item->name, "why", "its cgroup was removed", "do",
				 "nothing, if it comes back: then it is observed from its first "
				 "process on",
				 NULL);
		if (change == SCOPE_RETURNED)
			log_line(LOG_INFO, "scope is back", "scope", item->given, "name",
				 item->name, "why",
				 "its cgroup was removed, and made again by the same path", NULL);
	}
}

/* Once a second: whoever had the name may have ended. */
static void listen_again(struct run *run)
{
	const uint64_t now = clock_monotonic_ns();

	if (run->health_fd >= 0 || now < run->health_due_ns)
		return;
	run->health_fd = health_listen("run");
	run->health_due_ns = now + 1000000000;
}

/* Until a signal comes (0) or stdout fails (-EPIPE). */
static int serve(struct run *run)
{
	struct pollfd fds[] = {
		{.fd = run->signal_fd, .events = POLLIN},
		{.fd = reader_fd(run->reader), .events = POLLIN},
		{.fd = run->health_fd, .events = POLLIN},
		{.fd = run->local ? local_fd(run->local) : -1, .events = POLLIN},
	};

	for (;;) {
		if (poll(fds, sizeof(fds) / sizeof(fds[0]), reader_sleep(run->reader)) < 0 &&
		    errno != EINTR)
			return -errno;
		reader_work(run->reader);
		tell_changed_scopes(run);
		listen_again(run);
		fds[2].fd = run->health_fd;
		if (fds[2].revents)
			health_serve(run->health_fd, HEALTH_READY);
		if (fds[3].revents)
			return -EPIPE;
		if (fds[0].revents)
			return 0;
	}
}

/* Taken from the rings, and neither acknowledged nor told as a gap. */
static uint64_t unacknowledged(const struct run *run, const struct session_account *account)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < SESSION_STREAMS; i++)
		count += account->streams[i].taken - queue_unacked(run->queue, i);
	return count;
}

/* Runs of programs that the kernel skipped: for events in scope or not, so this is the most that can be missing. */
static size_t put_missed(const struct session_account *account, char *line, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < account->probe_count; i++) {
		const struct session_probe *probe = &account->probes[i];

		if (probe->prog_missed)
			used += (size_t)snprintf(line + used, size - used, " %s_missed=%llu",
						 probe->name,
						 (unsigned long long)probe->prog_missed);
	}
	return used;
}

static void log_done(const struct run *run, const struct session_account *account)
{
	const uint64_t left = unacknowledged(run, account);
	struct sender_stats sent;
	char line[4096];
	size_t used;

	used = (size_t)snprintf(line, sizeof(line), "level=%s msg=done", left ? "warn" : "info");
	for (size_t i = 0; i < account->probe_count; i++) {
		const struct session_probe *probe = &account->probes[i];
		uint64_t lost = 0;

		if (probe->stream >= SESSION_STREAMS)
			continue;
		for (size_t r = 0; r < SESSION_REASONS; r++)
			lost += probe->lost[r];
		used += (size_t)snprintf(line + used, sizeof(line) - used,
					 " %s_produced=%llu %s_lost=%llu", probe->name,
					 (unsigned long long)probe->produced, probe->name,
					 (unsigned long long)lost);
	}
	used += put_missed(account, line + used, sizeof(line) - used);
	for (uint32_t i = 0; i < SESSION_STREAMS; i++)
		used += (size_t)snprintf(line + used, sizeof(line) - used,
					 " stream%u_taken=%llu stream%u_acknowledged=%llu", i,
					 (unsigned long long)account->streams[i].taken, i,
					 (unsigned long long)queue_unacked(run->queue, i));
	if (run->sender) {
		sender_stats(run->sender, &sent);
		used += (size_t)snprintf(line + used, sizeof(line) - used, " sent_bytes=%llu",
					 (unsigned long long)sent.bytes);
	}
	if (left)
		snprintf(line + used, sizeof(line) - used,
			 " not_acknowledged=%llu why=\"%s within %llu s of the end\"",
			 (unsigned long long)left,
			 run->sender ? "the collector did not acknowledge them"
				     : "stdout did not take them",
			 (unsigned long long)(RUN_FINISH_NS / 1000000000));
	fprintf(stderr, "%s\n", line);
}

static void end_capture(struct run *run, const struct session_account *account)
{
	struct buf bye;
	uint64_t missed;
	int err;

	if (!buf_init(&bye, 4096, 65536) && !session_put_bye(&bye, account))
		capture_frame(run->capture, buf_head(&bye), buf_length(&bye));
	buf_done(&bye);
	err = capture_close(run->capture, &missed);
	run->capture = NULL;
	if (err || missed)
		log_line(LOG_WARN, "the capture is not whole", "file", run->plan.options.capture,
			 "why", err ? strerror(-err) : "it took frames too slowly",
			 "frames_left_out", log_u64(missed), NULL);
}

int run_say_bye(struct sender *sender, const struct session_account *account, uint64_t deadline_ns)
{
	struct buf bye;
	int err;

	err = buf_init(&bye, 4096, 65536);
	if (!err)
		err = session_put_bye(&bye, account);
	if (!err)
		err = sender_finish(sender, buf_head(&bye), buf_length(&bye), deadline_ns);
	buf_done(&bye);
	return err;
}

/* 0, or -errno of the output: what it did not take in time is in the line, as not acknowledged. */
static int finish(struct run *run)
{
	const uint64_t deadline = clock_monotonic_ns() + RUN_FINISH_NS;
	struct session_account account;
	int err;

	reader_finish(run->reader, &account);
	if (run->sender) {
		err = run_say_bye(run->sender, &account, deadline);
	} else {
		err = local_finish(run->local, deadline);
	}
	if (run->capture)
		end_capture(run, &account);
	log_done(run, &account);
	return err;
}

/*
 * What the reader needs later: map look-ups (BPF, on 5.10), perf events on CPUs that come online (PERFMON, or what the kernel
 * wants in its place), and for getaddrinfo new links (PERFMON, or SYS_ADMIN where they are perf events) to files of other
 * processes (SYS_PTRACE, DAC_READ_SEARCH, CHECKPOINT_RESTORE).
 */
static void drop_privileges(const struct run *run)
{
	uint64_t keep = PRIVILEGE(CAP_BPF) | PRIVILEGE(CAP_PERFMON);
	struct privileges held;
	int err;

	privileges_read(&held);
	if (!(held.capabilities & PRIVILEGE(CAP_BPF)))
		keep |= PRIVILEGE(CAP_SYS_ADMIN);
	if (held.perf_by_admin && reader_opens_perf(run->reader))
		keep |= PRIVILEGE(CAP_SYS_ADMIN);
	if (run->plan.enabled & 1u << (unsigned)probe_find("getaddrinfo"))
		keep |= PRIVILEGE(CAP_SYS_ADMIN) | PRIVILEGE(CAP_SYS_PTRACE) |
			PRIVILEGE(CAP_DAC_READ_SEARCH) | PRIVILEGE(CAP_CHECKPOINT_RESTORE);
	err = drop_all_but(keep);
	if (err)
		log_line(LOG_WARN, "cannot drop capabilities", "why", strerror(-err), NULL);
}

static int watch_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigdelset(&set, SIGPIPE);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static int start_all(struct run *run)
{
	int err;

	run->queue = queue_new(run->plan.options.queue);
	if (!run->queue || run->signal_fd < 0) {
		log_line(LOG_ERROR, "cannot start", "why",
			 strerror(run->queue ? -run->signal_fd : ENOMEM), NULL);
		return 1;
	}
	if (start_capture(run) || start_reader(run))
		return 1;
	err = start_output(run);
	if (err) {
		log_line(LOG_ERROR, "cannot start the output", "why", strerror(-err), NULL);
		return 1;
	}
	return 0;
}

static void end_all(struct run *run)
{
	sender_free(run->sender);
	local_free(run->local);
	reader_free(run->reader);
	capture_close(run->capture, NULL);
	queue_free(run->queue);
}

static int run_all(struct run *run)
{
	run->health_fd = health_listen("run");
	if (run->health_fd < 0)
		trouble_health(run->health_fd, "sidecar");
	reader_ready(run->reader);
	drop_privileges(run);
	log_ready(run);
	if (serve(run)) {
		log_line(LOG_ERROR, "cannot write to stdout", "why", local_failure(run->local),
			 "do", "keep its reader alive, or give --collector or --format none", NULL);
		finish(run);
		return 1;
	}
	if (finish(run) == -EBUSY) {
		/* A thread is stuck, in its write or a name's lookup: nothing may be freed under it. */
		_exit(0);
	}
	return 0;
}

int run_main(int argc, char **argv)
{
	struct run *run = calloc(1, sizeof(*run));
	bool refused;
	int code;

	if (!run)
		return 1;
	run->signal_fd = run->health_fd = -1;
	/*
	 * Who shares our PID namespace must not read the token, the key or our memory. The main thread's capabilities keep others
	 * off (ptrace(2)), but the sender's thread has none.
	 */
	(void)prctl(PR_SET_DUMPABLE, 0);
	features_quiet();
	code = run_plan(argc, argv, &run->plan);
	if (code == 1) {
		free(run);
		return 0;
	}
	if (code == 3)
		code = 1;
	if (!code)
		code = fits_memory(run);
	run->signal_fd = watch_signals();
	identity_read(run->plan.options.agent_id, &run->plan.scope, &run->plan.options.scope,
		      attribute_value(&run->plan.options.attribute, "k8s.pod.uid"), &run->identity);
	make_hello(run);
	if (!code)
		code = start_all(run);
	refused = code;
	if (!refused)
		code = run_all(run);
	/* Before it stands by: nothing of it is to be in anybody's way. */
	end_all(run);
	if (refused && run->plan.options.standby &&
	    standby(&run->plan, &run->hello, run->signal_fd) == -EBUSY) {
		/* As in run_all. */
		_exit(code);
	}
	tls_net_free(run->plan.tls);
	if (run->health_fd >= 0)
		close(run->health_fd);
	if (run->signal_fd >= 0)
		close(run->signal_fd);
	free(run);
	return code;
}
