// SPDX-License-Identifier: Apache-2.0
/* From the options of `run` to a plan: every wrong value is refused here, before anything is attached. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/standard.h"
#include "base/utf8.h"
#include "cmd/choices.h"
#include "cmd/run.h"
#include "kernel/kernel_btf.h"
#include "kernel/refusal.h"
#include "net/conn.h"
#include "net/tls.h"
#include "probes/probe.h"
#include "spool/queue.h"

#define ATTRIBUTES_MAX 3000
#define FIELD(name)    offsetof(struct run_options, name)

static const struct option_def run_table[] = {
	{"probe", OPTION_COMMA_LIST, "NAME", PROBE_ABOUT, FIELD(probe), 0, 0},
	{"scope", OPTION_LIST, "SCOPE", "observe: " SCOPE_ABOUT, FIELD(scope), 0, 0},
	{"exclude", OPTION_LIST, "SCOPE", "leave out, although it is inside a scope",
	 FIELD(exclude), 0, 0},
	{"include-self", OPTION_FLAG, NULL,
	 "observe the sidecar's own process too, and in a pod its container", FIELD(include_self),
	 0, 0},
	{"collector", OPTION_TEXT, "HOST[:PORT]",
	 "stream to this collector, port 9717 unless given (default: print on stdout)",
	 FIELD(collector), 0, 0},
	{"tls-ca", OPTION_TEXT, "PEM", TRUST_CA_ABOUT, FIELD(trust.ca), 0, 0},
	{"tls-cert", OPTION_TEXT, "PEM", TRUST_CERT_ABOUT, FIELD(trust.cert), 0, 0},
	{"tls-key", OPTION_TEXT, "PEM", TRUST_KEY_ABOUT, FIELD(trust.key), 0, 0},
	{"token", OPTION_TEXT, "TOKEN",
	 "show the collector this token; meant for RINGSIDE_TOKEN in the environment, from a "
	 "Kubernetes secret, say: a command line is seen by all",
	 FIELD(trust.token), 0, 0},
	{"token-file", OPTION_TEXT, "FILE", "show the collector the token that this file holds",
	 FIELD(trust.token_file), 0, 0},
	{"insecure", OPTION_FLAG, NULL, "plain TCP to a collector beyond loopback",
	 FIELD(trust.insecure), 0, 0},
	{"format", OPTION_TEXT, "FORMAT",
	 "on stdout: table, json or none (default: table on a terminal, json in a pipe)",
	 FIELD(format), 0, 0},
	{"standby", OPTION_FLAG, NULL,
	 "where nothing can be observed: say why, there and to the collector, and stay until "
	 "ended, "
	 "as ready for `ringside health`, in place of ending: what waits for the sidecar starts",
	 FIELD(standby), 0, 0},
	{"capture", OPTION_TEXT, "FILE",
	 "also write the frames to a file, for ringside cat; one that is there is overwritten",
	 FIELD(capture), 0, 0},
	{"latency", OPTION_FLAG, NULL,
	 "measure system calls: a second hook, a cost for every call of the host", FIELD(latency),
	 0, 0},
	{"write-min-bytes", OPTION_SIZE, "BYTES",
	 "record writes of at least this many bytes (default 0)", FIELD(write_min_bytes), 0, 0},
	{"write-sample", OPTION_NUMBER, "N", "record one write in N (default 1)",
	 FIELD(write_sample), 1, UINT32_MAX},
	{"profile-hz", OPTION_NUMBER, "N", PROFILE_HZ_ABOUT, FIELD(profile_hz), 1, PROFILE_HZ_MAX},
	{"per-cpu", OPTION_FLAG, NULL, "give each CPU's share of the counters", FIELD(per_cpu), 0,
	 0},
	{"counters-interval", OPTION_TIME, "TIME", "how often counters are sent (default 1s)",
	 FIELD(counters_interval), 10000000, 86400ull * 1000000000},
	{"counters-memory", OPTION_SIZE, "BYTES",
	 "memory for counters, all CPUs together (default 2M)", FIELD(counters_memory), 4096,
	 1ull << 30},
	{"btf", OPTION_TEXT, "FILE", BTF_ABOUT, FIELD(btf), 0, 0},
	{"proc", OPTION_TEXT, "DIR", PROC_ABOUT, FIELD(proc), 0, 0},
	{"transport", OPTION_TEXT, "NAME", TRANSPORT_ABOUT, FIELD(transport.transport), 0, 0},
	{"ring-lifecycle", OPTION_SIZE, "BYTES",
	 "ring of fork, exec, exit and getaddrinfo: a power of two (default 512k)",
	 FIELD(transport.ring_lifecycle), 1, 1ull << 30},
	{"ring-samples", OPTION_SIZE, "BYTES",
	 "ring of write and profile: a power of two (default 1M)", FIELD(transport.ring_samples), 1,
	 1ull << 30},
	{"perf-pages", OPTION_NUMBER, "N",
	 "pages of each CPU's perf buffer, a power of two (default: the ring's size shared out, 8 "
	 "at least)",
	 FIELD(transport.perf_pages), 4, 65536},
	{"wakeup-bytes", OPTION_SIZE, "BYTES",
	 "unread bytes at which the reader wakes while data flows (default half a ring); 1: at "
	 "once",
	 FIELD(transport.wakeup_bytes), 1, 1ull << 30},
	{"flush-interval", OPTION_TIME, "TIME",
	 "longest that a record waits while data flows (default 50ms)", FIELD(flush_interval),
	 1000000, 60000000000ull},
	{"queue", OPTION_SIZE, "BYTES", "frames that wait for the collector (default 4M)",
	 FIELD(queue), 2097152, 1ull << 30},
	{"agent-id", OPTION_TEXT, "ID",
	 "this agent's name (default HOSTNAME-HASH, stable over restarts)", FIELD(agent_id), 0, 0},
	{"attribute", OPTION_LIST, "KEY=VALUE",
	 "say so in the stream: k8s.pod.uid=..., service.name=...", FIELD(attribute), 0, 0},
	{NULL, OPTION_FLAG, NULL, NULL, 0, 0, 0},
};

static int plan_attributes(struct run_plan *plan)
{
	const struct option_list *list = &plan->options.attribute;
	size_t bytes = 0, count = 0;
	int err;

	err = choose_attributes(list);
	if (err)
		return err;
	for (size_t i = 0; i < list->count; i++) {
		const char *equals = strchr(list->value[i], '=');

		/* What a pod does not have, such as a label, comes as an empty text. */
		if (!equals[1])
			continue;
		bytes += strlen(list->value[i]);
		plan->attributes[count++] = (struct session_attribute){
			.key = {list->value[i], (size_t)(equals - list->value[i])},
			.value = {equals + 1, strlen(equals + 1)},
		};
	}
	if (bytes > ATTRIBUTES_MAX)
		return choice_wrong("--attribute", list->value[list->count - 1],
				    "all attributes together are longer than 3000 bytes",
				    "leave some out: a collector takes a Hello of 4 KiB");
	plan->attribute_count = count;
	return 0;
}

static int plan_collector(struct run_plan *plan)
{
	struct trust_options *trust = &plan->options.trust;
	const char *collector = plan->options.collector;
	int err;

	if (!collector)
		return 0;
	err = trust_address(collector, &plan->collector);
	if (err)
		return err;
	err = trust_agent(trust, &plan->collector, &plan->tls, plan->token);
	plan->has_collector = !err;
	if (err && plan->options.standby &&
	    (trust->cert || trust->key || trust->token || trust->token_file)) {
		/* A collector that asks for none of these can still be told. */
		*trust = (struct trust_options){.ca = trust->ca, .insecure = trust->insecure};
		plan->has_collector =
			!trust_agent(trust, &plan->collector, &plan->tls, plan->token);
	}
	return err;
}

static int plan_output(struct run_plan *plan)
{
	const struct run_options *options = &plan->options;
	const char *format = options->format;

	if (!format)
		format = options->collector ? "none" : isatty(STDOUT_FILENO) ? "table" : "json";
	if (!strcmp(format, "table"))
		plan->format = ROW_TABLE;
	else if (!strcmp(format, "json"))
		plan->format = ROW_JSON;
	else if (!strcmp(format, "none"))
		plan->format = ROW_NONE;
	else
		return choice_wrong("--format", format, "no such format",
				    "take table, json or none");
	if (!options->collector && plan->format != ROW_NONE && !standard_output_open()) {
		log_line(LOG_ERROR, "cannot write to stdout", "why", "it is closed", "do",
			 "leave it open, or give --collector or --format none", NULL);
		return 3;
	}
	if (options->collector && options->format && plan->format != ROW_NONE)
		return choice_wrong("--format", format, "with --collector nothing is printed",
				    "leave one of the two out");
	return 0;
}

static int check_agent_id(const char *id)
{
	if (!*id || strlen(id) > SESSION_AGENT_ID)
		return choice_wrong("--agent-id", id, "1 to 255 bytes are allowed",
				    *id ? "give a shorter one"
					: "give one, or leave the option out");
	if (!utf8_valid(id, strlen(id)))
		return choice_wrong("--agent-id", id, "not UTF-8", "write it in UTF-8");
	for (const char *at = id; *at; at++) {
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			return choice_wrong("--agent-id", id, "it holds a control character",
					    "leave it out");
	}
	return 0;
}

static int plan_agent_id(struct run_plan *plan)
{
	const int err = plan->options.agent_id ? check_agent_id(plan->options.agent_id) : 0;

	if (err)
		plan->options.agent_id = NULL;
	return err;
}

/* What a sidecar that stands by needs too: each of them, though another is wrong. */
static int plan_teller(struct run_plan *plan)
{
	const int attributes = plan_attributes(plan);
	const int agent_id = plan_agent_id(plan);
	const int collector = plan_collector(plan);

	return attributes ? attributes : agent_id ? agent_id : collector;
}

/* A scope is resolved by BPF: where that is refused as a whole, the reason is not in the scope. */
static void scope_refused(const struct scope_error *error, const char *btf, int err)
{
	const char *why = strerror(-err), *todo = NULL;

	if (err != -EINVAL && err != -ENOENT)
		why = refusal_explain(err, btf, &todo);
	log_line(LOG_ERROR, "cannot resolve the scope", "what", error->what, "why", why, "do",
		 todo ? todo : error->todo, NULL);
}

static int plan_scope(struct run_plan *plan)
{
	const struct run_options *options = &plan->options;
	const struct scope_request request = {
		.includes = &options->scope,
		.excludes = &options->exclude,
		.include_self = options->include_self,
		.pod_uid = attribute_value(&options->attribute, "k8s.pod.uid"),
		.btf = options->btf,
		.proc = options->proc,
	};
	struct scope_error error = {0};
	int err;

	err = scope_resolve(&request, &plan->scope, &error);
	if (!err)
		return 0;
	scope_refused(&error, options->btf, err);
	return err == -EINVAL || err == -ENOENT ? 2 : 3;
}

static int plan_btf(const char *file)
{
	if (file || kernel_btf_is_there())
		return choose_btf(file);
	log_line(LOG_ERROR, "cannot load programs", "why",
		 "this kernel does not describe its types: it has no BTF", "do", BTF_TODO, NULL);
	return 3;
}

struct sender_config run_plan_sender(const struct run_plan *plan, const struct session_hello *hello)
{
	struct sender_config config = {
		.collector = plan->collector,
		.anywhere = plan->tls || plan->options.trust.insecure,
		.net = plan->tls ? tls_net(plan->tls) : &net_real,
		.token_file = plan->options.trust.token_file,
		.hello = *hello,
		.feed = {queue_fd, queue_next, queue_ack, queue_rewind, queue_unacked, queue_empty},
	};

	memcpy(config.token, plan->token, sizeof(config.token));
	return config;
}

int run_plan(int argc, char **argv, struct run_plan *ret_plan)
{
	struct run_plan *plan = ret_plan;
	int err, told;

	memset(plan, 0, sizeof(*plan));
	plan->options = (struct run_options){
		.write_sample = 1,
		.profile_hz = PROFILE_HZ,
		.transport = {.ring_lifecycle = 512 * 1024, .ring_samples = 1024 * 1024},
		.queue = 4 * 1024 * 1024,
		.flush_interval = 50000000,
		.counters_interval = 1000000000,
		.counters_memory = 2 * 1024 * 1024,
	};
	err = options_parse("run", "ringside run [OPTION]...",
			    "Observes the processes of one or more cgroups and streams what they "
			    "do to a collector, or prints it.",
			    run_table, &plan->options, argc, argv, 0, NULL);
	if (err > 0)
		return 1;
	if (err && !plan->options.standby)
		return 2;
	told = plan_teller(plan);
	err = err ? 2 : told;
	if (!err)
		err = plan_output(plan);
	if (!err)
		err = choose_probes(&plan->options.probe, &plan->enabled);
	if (!err)
		err = choose_transport(&plan->options.transport, plan->enabled, &plan->transport);
	if (!err && plan->options.capture && !*plan->options.capture)
		err = choice_wrong("--capture", "", "no file", "give a path");
	if (!err)
		err = plan_btf(plan->options.btf);
	if (!err)
		err = choose_proc(plan->options.proc, plan->options.btf);
	return err ? err : plan_scope(plan);
}
