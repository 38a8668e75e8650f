// SPDX-License-Identifier: Apache-2.0
/* The collector: options, the loop, standard output and the end. What it does with agents is in collect_agents.c. */
#include "cmd/collect.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "base/standard.h"
#include "cmd/commands.h"
#include "cmd/trouble.h"
#include "cmd/trust.h"
#include "net/conn.h"
#include "net/health.h"
#include "net/metrics.h"
#include "net/tls.h"
#include "probes/probe.h"
#include "wire/capture.h"

#define SWEEP_NS	500000000ull
#define FLUSH_AT_END_NS 2000000000ull
#define BYE_AT_END_NS	1000000000ull
#define ACCEPTS		32 /* connections taken in before those that are there get their turn */
/* Printing stops here, and one frame's text may come on top of it. */
#define OUTPUT_HIGH  (1024 * 1024)
#define OUTPUT_LIMIT (256u * 1024 * 1024)

struct collect_options {
	const char *listen, *format, *capture, *metrics;
	struct trust_options trust;
};

#define FIELD(name) offsetof(struct collect_options, name)
static const struct option_def collect_table[] = {
	{"listen", OPTION_TEXT, "ADDR:PORT",
	 "listen here; port 0 picks one (default 127.0.0.1:9717)", FIELD(listen), 0, 0},
	{"format", OPTION_TEXT, "FORMAT",
	 "table, json or none (default: table on a terminal, json in a pipe)", FIELD(format), 0, 0},
	{"capture", OPTION_TEXT, "FILE",
	 "also write the frames to a file, for ringside cat; one that is there is overwritten",
	 FIELD(capture), 0, 0},
	{"metrics", OPTION_TEXT, "ADDR:PORT",
	 "answer GET /metrics here with figures for Prometheus, as plain HTTP to everyone: totals "
	 "alone, no record and no agent's name; port 0 picks one",
	 FIELD(metrics), 0, 0},
	{"tls-cert", OPTION_TEXT, "PEM", TRUST_CERT_ABOUT "; then nothing but TLS is spoken",
	 FIELD(trust.cert), 0, 0},
	{"tls-key", OPTION_TEXT, "PEM", TRUST_KEY_ABOUT, FIELD(trust.key), 0, 0},
	{"tls-client-ca", OPTION_TEXT, "PEM",
	 "ask for certificates, verified against these authorities, that hold the agent id; a file "
	 "or the PEM itself",
	 FIELD(trust.client_ca), 0, 0},
	{"token-file", OPTION_TEXT, "FILE",
	 "ask for tokens; the file has lines of TOKEN AGENT-ID [KEY=VALUE]..., the last two with * "
	 "and ?",
	 FIELD(trust.token_file), 0, 0},
	{"insecure", OPTION_FLAG, NULL, "allow plain TCP beyond loopback", FIELD(trust.insecure), 0,
	 0},
	{0}};

static int parse_format(const char *text, enum row_format *ret_format)
{
	if (!text)
		*ret_format = isatty(STDOUT_FILENO) ? ROW_TABLE : ROW_JSON;
	else if (!strcmp(text, "table"))
		*ret_format = ROW_TABLE;
	else if (!strcmp(text, "json"))
		*ret_format = ROW_JSON;
	else if (!strcmp(text, "none"))
		*ret_format = ROW_NONE;
	else
		return -EINVAL;
	return 0;
}

/* In numbers, `localhost`, or empty: every address of this machine. */
static bool is_own_address(const struct address *address)
{
	struct sockaddr_storage socket;

	return !address->host[0] || address_is_loopback(address) ||
	       !address_literal(address, &socket);
}

/* 0; 2: logged. */
static int parse_own(const char *option, const char *text, struct address *ret_address)
{
	const char *todo = "give ADDR:PORT with an address in numbers, such as 127.0.0.1:9717";
	int err = address_parse(text, ret_address);

	if (!err && is_own_address(ret_address))
		return 0;
	if (err)
		todo = "give ADDR:PORT, such as 127.0.0.1:9717 or [::1]:9717";
	log_line(LOG_ERROR, "not an address", "option", option, "value", text, "do", todo, NULL);
	return 2;
}

/* 0; 1: help was printed; 2: a wrong call, logged. */
static int parse(int argc, char **argv, struct collect_options *options, struct collect *collect)
{
	int err = options_parse("collect", "ringside collect [OPTION]...",
				"Receives the streams of many sidecars, prints their records and "
				"acknowledges them.",
				collect_table, options, argc, argv, 0, NULL);

	if (err)
		return err > 0 ? 1 : 2;
	if (parse_own("--listen", options->listen, &collect->address))
		return 2;
	if (options->metrics && parse_own("--metrics", options->metrics, &collect->metrics_address))
		return 2;
	if (parse_format(options->format, &collect->format)) {
		log_line(LOG_ERROR, "no such format", "option", "--format", "value",
			 options->format, "do", "give table, json or none", NULL);
		return 2;
	}
	collect->token_file = options->trust.token_file;
	collect->names_bound = options->trust.client_ca;
	return trust_collector(&options->trust, &collect->address, options->listen, &collect->tls,
			       &collect->tokens);
}

/* The output is closed or broken: there is nothing left to collect for. */
static void output_failed(struct collect *collect, int err)
{
	if (collect->failed)
		return;
	collect->failed = true;
	log_line(LOG_ERROR, "cannot write to stdout", "why",
		 err == -EPIPE ? "its reader has gone" : strerror(-err), "do",
		 "records that were not written stay with their agents", NULL);
}

static void flush_output(struct collect *collect)
{
	int err;

	if (collect->failed || collect->format == ROW_NONE)
		return;
	err = output_flush(&collect->output);
	if (err)
		output_failed(collect, err);
	else if (collect->pollable)
		(void)loop_watch(&collect->loop, &collect->stdout_watch,
				 buf_length(&collect->output.buf) ? EPOLLOUT : EPOLLERR);
}

bool collect_full(struct collect *collect)
{
	if (collect->failed || collect->stopping)
		return true;
	if (buf_length(&collect->output.buf) < OUTPUT_HIGH)
		return false;
	flush_output(collect);
	return collect->failed || buf_length(&collect->output.buf) >= OUTPUT_HIGH;
}

static struct collect *collect_of(struct watch *watch, size_t offset)
{
	return (struct collect *)(void *)((char *)watch - offset);
}

static void stdout_ready(struct watch *watch, uint32_t events)
{
	struct collect *collect = collect_of(watch, offsetof(struct collect, stdout_watch));

	if (events & (EPOLLERR | EPOLLHUP))
		output_failed(collect, -EPIPE);
}

static void signal_ready(struct watch *watch, uint32_t events)
{
	struct collect *collect = collect_of(watch, offsetof(struct collect, signal_watch));
	struct signalfd_siginfo info;

	(void)events;
	while (read(watch->fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		collect->stopping = true;
}

static void health_ready(struct watch *watch, uint32_t events)
{
	(void)events;
	health_serve(watch->fd, HEALTH_READY);
}

static void listener_ready(struct watch *watch, uint32_t events)
{
	struct collect *collect = collect_of(watch, offsetof(struct collect, listen_watch));
	struct sockaddr_storage peer;
	int fd = -EAGAIN;

	(void)events;
	for (int i = 0; i < ACCEPTS && (fd = net_accept(watch->fd, &peer)) >= 0; i++)
		(void)hub_add(collect->hub, fd, &peer);
	if (fd >= 0 || fd == -EAGAIN)
		return;
	/* Out of descriptors or memory: whoever waits goes on waiting until the next sweep. */
	if (!collect->accept_failed)
		log_line(LOG_WARN, "cannot accept connections", "why", strerror(-fd), "do",
			 "raise the limit of open files, or use more collectors", NULL);
	collect->accept_failed = true;
	(void)loop_watch(&collect->loop, watch, 0);
}

static int watch_fd(struct collect *collect, struct watch *watch, int fd,
		    void (*ready)(struct watch *, uint32_t))
{
	*watch = (struct watch){.fd = fd, .ready = ready};
	return loop_watch(&collect->loop, watch, EPOLLIN);
}

static int open_signals(struct collect *collect)
{
	sigset_t set;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd < 0 ? -errno : watch_fd(collect, &collect->signal_watch, fd, signal_ready);
}

static int open_output(struct collect *collect)
{
	int err;

	if (collect->format == ROW_NONE)
		return buf_init(&collect->output.buf, 0, OUTPUT_LIMIT);
	err = output_init(&collect->output, STDOUT_FILENO, OUTPUT_LIMIT);
	if (err)
		return err;
	collect->stdout_watch = (struct watch){.fd = collect->output.fd, .ready = stdout_ready};
	collect->pollable = !loop_watch(&collect->loop, &collect->stdout_watch, EPOLLERR);
	return 0;
}

static void open_health(struct collect *collect)
{
	int fd = health_listen("collect");

	if (fd >= 0 && !watch_fd(collect, &collect->health_watch, fd, health_ready))
		return;
	trouble_health(fd < 0 ? fd : -ENOMEM, "collector");
}

/* The soft limit of open files is a matter of habit; the hard one is the machine's word. */
static void raise_open_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* A descriptor, or -errno (logged). */
static int open_listener(const char *what, const struct address *address, bool anywhere,
			 struct sockaddr_storage *ret_listening)
{
	char text[ADDRESS_TEXT];
	int fd = net_listen(address, ret_listening);
	const char *todo = "choose another address";

	if (fd >= 0 && (anywhere || address_socket_is_loopback(ret_listening)))
		return fd;
	address_print(address, text);
	if (fd >= 0) {
		/* "localhost" may be anything. */
		close(fd);
		fd = -EPERM;
		todo = "it is no loopback address: give one, or --insecure on a network you trust";
	}
	if (fd == -EADDRINUSE)
		todo = "stop who listens there, or choose another port (port 0 picks one)";
	log_line(LOG_ERROR, "cannot listen", what, text, "why", strerror(-fd), "do", todo, NULL);
	return fd;
}

/* 0, or -errno (logged). */
static int open_listeners(struct collect *collect, const struct collect_options *options)
{
	const bool anywhere = collect->tls || options->trust.insecure;
	int fd = open_listener("listen", &collect->address, anywhere, &collect->listening);
	int err = fd < 0 ? fd : watch_fd(collect, &collect->listen_watch, fd, listener_ready);

	if (err || !options->metrics)
		return err;
	fd = open_listener("metrics", &collect->metrics_address, true, &collect->metrics_listening);
	return fd < 0 ? fd : collect_metrics_open(collect, fd);
}

/* 0, or -errno (logged). */
static int collect_open(struct collect *collect, const struct collect_options *options)
{
	const char *what = "stdout";
	int err;

	err = collect->format == ROW_NONE || standard_output_open() ? 0 : -EBADF;
	if (!err)
		err = loop_init(&collect->loop);
	if (!err)
		err = open_output(collect);
	if (err)
		goto out;
	what = "signals";
	err = open_signals(collect);
	if (err)
		goto out;
	if (options->capture) {
		what = options->capture;
		err = capture_open(options->capture, &collect->capture);
		if (err)
			goto out;
	}
	what = "memory";
	err = collect_agents_open(collect);
	if (err)
		goto out;
	raise_open_files();
	err = open_listeners(collect, options);
	if (err)
		return err;
	open_health(collect);
out:
	if (err)
		log_line(LOG_ERROR, "cannot start", "what", what, "why", strerror(-err), "do",
			 err == -EBADF ? "leave stdout open, or give --format none" : NULL, NULL);
	return err;
}

static void close_capture(struct collect *collect)
{
	uint64_t missed;
	int err;

	if (!collect->capture)
		return;
	err = capture_close(collect->capture, &missed);
	if (missed || err)
		log_line(LOG_WARN, "the capture is not complete", "frames_missed", log_u64(missed),
			 "why", err ? strerror(-err) : NULL, NULL);
}

static void collect_close(struct collect *collect)
{
	const int fds[] = {collect->listen_watch.fd, collect->health_watch.fd,
			   collect->signal_watch.fd};

	metrics_free(collect->metrics);
	collect_agents_close(collect);
	tls_net_free(collect->tls);
	tokens_free(collect->tokens);
	close_capture(collect);
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] > 0)
			close(fds[i]);
	if (collect->format == ROW_NONE)
		buf_done(&collect->output.buf);
	else
		output_done(&collect->output);
	loop_done(&collect->loop);
}

static void sweep(struct collect *collect)
{
	uint64_t now = clock_monotonic_ns();

	if (now - collect->swept_ns < SWEEP_NS)
		return;
	collect->swept_ns = now;
	hub_sweep(collect->hub);
	metrics_sweep(collect->metrics);
	if (collect->accept_failed && !collect->stopping)
		(void)loop_watch(&collect->loop, &collect->listen_watch, EPOLLIN);
	collect->accept_failed = false;
}

/* One turn: takes in what came, prints it, acknowledges what was written. */
static void turn(struct collect *collect, uint64_t timeout_ns)
{
	int err = loop_wait(&collect->loop, (int)(timeout_ns / 1000000));

	if (err)
		output_failed(collect, err);
	if (!collect_full(collect))
		hub_resume(collect->hub);
	flush_output(collect);
	hub_settle(collect->hub);
	sweep(collect);
}

/* Prints and acknowledges what has been taken in, says goodbye; all within a time, whatever stdout and the agents do. */
static void finish(struct collect *collect)
{
	uint64_t deadline = clock_monotonic_ns() + FLUSH_AT_END_NS;

	(void)loop_watch(&collect->loop, &collect->listen_watch, 0);
	while (!collect->failed && buf_length(&collect->output.buf) &&
	       clock_monotonic_ns() < deadline)
		turn(collect, 100000000);
	hub_settle(collect->hub);
	hub_close(collect->hub);
	deadline = clock_monotonic_ns() + BYE_AT_END_NS;
	while (hub_count(collect->hub) && clock_monotonic_ns() < deadline)
		turn(collect, 100000000);
}

int collect_main(int argc, char **argv)
{
	struct collect_options options = {.listen = "127.0.0.1:9717"};
	struct collect collect = {.loop.fd = -1, .output = {.fd = -1, .flags = -1}};
	char listening[ADDRESS_TEXT], metrics[ADDRESS_TEXT];
	int err;

	collect.started_ns = clock_realtime_ns();
	err = parse(argc, argv, &options, &collect);
	if (err)
		return err == 1 ? 0 : 2;
	err = collect_open(&collect, &options);
	if (err)
		goto out;
	address_print_socket(&collect.listening, listening);
	address_print_socket(&collect.metrics_listening, metrics);
	log_line(LOG_INFO, "ready", "role", "collect", "listen", listening, "format",
		 collect_format(collect.format), "tls", collect.tls ? "1.3" : NULL, "metrics",
		 collect.metrics ? metrics : NULL, NULL);
	while (!collect.stopping && !collect.failed)
		turn(&collect, hub_paused(collect.hub) && !collect_full(&collect) ? 0 : SWEEP_NS);
	collect.stopping = true;
	finish(&collect);
	if (!collect.failed)
		log_line(LOG_INFO, "done", "agents", log_u64(collect.totals.sessions), "records",
			 log_u64(collect.totals.records), "unwritten_bytes",
			 buf_length(&collect.output.buf) ? log_u64(buf_length(&collect.output.buf))
							 : NULL,
			 NULL);
out:
	collect_close(&collect);
	return err || collect.failed ? 1 : 0;
}
