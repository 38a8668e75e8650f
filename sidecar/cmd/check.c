// SPDX-License-Identifier: Apache-2.0
/* Says what this kernel, container and set of privileges allow, by trying each thing for a moment. */
#include "cmd/check.h"
#include "cmd/choices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/options.h"
#include "cmd/commands.h"
#include "cmd/reader.h"
#include "cmd/trust.h"
#include "kernel/features.h"
#include "net/tls.h"
#include "probes/probe.h"

struct check_options {
	struct option_list probe, scope, exclude, attribute;
	const char *format, *collector, *btf, *proc;
	struct trust_options trust;
	struct probe_settings settings;
	struct transport_options transport;
	uint64_t queue;
};

#define FIELD(name) offsetof(struct check_options, name)

static const struct option_def table[] = {
	{"probe", OPTION_COMMA_LIST, "NAME", PROBE_ABOUT, FIELD(probe), 0, 0},
	{"scope", OPTION_LIST, "SCOPE", "check for this: " SCOPE_ABOUT, FIELD(scope), 0, 0},
	{"exclude", OPTION_LIST, "SCOPE", "left out, although it is inside a scope", FIELD(exclude),
	 0, 0},
	{"attribute", OPTION_LIST, "KEY=VALUE", "as for run: k8s.pod.uid=... finds the pod",
	 FIELD(attribute), 0, 0},
	{"latency", OPTION_FLAG, NULL, "check for run --latency", FIELD(settings.latency), 0, 0},
	{"profile-hz", OPTION_NUMBER, "N", PROFILE_HZ_ABOUT, FIELD(settings.profile_hz), 1,
	 PROFILE_HZ_MAX},
	{"per-cpu", OPTION_FLAG, NULL, "count the memory of run --per-cpu", FIELD(settings.per_cpu),
	 0, 0},
	{"btf", OPTION_TEXT, "FILE", BTF_ABOUT, FIELD(btf), 0, 0},
	{"proc", OPTION_TEXT, "DIR", PROC_ABOUT, FIELD(proc), 0, 0},
	{"transport", OPTION_TEXT, "NAME", TRANSPORT_ABOUT, FIELD(transport.transport), 0, 0},
	{"ring-lifecycle", OPTION_SIZE, "BYTES", "as for run, for the memory budget (default 512k)",
	 FIELD(transport.ring_lifecycle), 1, 1ull << 30},
	{"ring-samples", OPTION_SIZE, "BYTES", "as for run, for the memory budget (default 1M)",
	 FIELD(transport.ring_samples), 1, 1ull << 30},
	{"perf-pages", OPTION_NUMBER, "N", "as for run, for the memory budget",
	 FIELD(transport.perf_pages), 4, 65536},
	{"counters-memory", OPTION_SIZE, "BYTES", "as for run, for the memory budget (default 2M)",
	 FIELD(settings.counters_memory), 4096, 1ull << 30},
	{"queue", OPTION_SIZE, "BYTES", "as for run, for the memory budget (default 4M)",
	 FIELD(queue), 2097152, 1ull << 30},
	{"collector", OPTION_TEXT, "HOST[:PORT]", "as for run", FIELD(collector), 0, 0},
	{"tls-ca", OPTION_TEXT, "PEM", "as for run", FIELD(trust.ca), 0, 0},
	{"tls-cert", OPTION_TEXT, "PEM", "as for run", FIELD(trust.cert), 0, 0},
	{"tls-key", OPTION_TEXT, "PEM", "as for run", FIELD(trust.key), 0, 0},
	{"token", OPTION_TEXT, "TOKEN", "as for run", FIELD(trust.token), 0, 0},
	{"token-file", OPTION_TEXT, "FILE", "as for run", FIELD(trust.token_file), 0, 0},
	{"insecure", OPTION_FLAG, NULL, "as for run", FIELD(trust.insecure), 0, 0},
	{"format", OPTION_ARGUMENT, "FORMAT", "table or json: an object a line (default table)",
	 FIELD(format), 0, 0},
	{NULL, OPTION_FLAG, NULL, NULL, 0, 0, 0},
};

/*
 * A scope that was given and is wrong is a wrong call; one that can't be found out is a line of the
 * report.
 */
static int find_scope(const struct check_options *options, struct check_question *question)
{
	const struct scope_request request = {
		.includes = &options->scope,
		.excludes = &options->exclude,
		.pod_uid = attribute_value(&options->attribute, "k8s.pod.uid"),
		.btf = options->btf,
		.proc = options->proc,
	};
	int err = choose_attributes(&options->attribute);

	if (err)
		return err;
	err = scope_resolve(&request, &question->scope, &question->scope_error);
	question->scope_known = !err;
	if ((err != -EINVAL && err != -ENOENT) ||
	    (!options->scope.count && !options->exclude.count))
		return 0;
	log_line(LOG_ERROR, "cannot resolve the scope", "what", question->scope_error.what, "why",
		 strerror(-err), "do", question->scope_error.todo, NULL);
	return 2;
}

/* What run would refuse of its collector, certificates and token is a wrong call here too. */
static int choose_trust(const struct check_options *options, size_t *ret_memory)
{
	char token[TOKEN_MAX + 1] = "";
	struct address collector;
	struct tls *tls = NULL;
	int code;

	if (!options->collector)
		return 0;
	code = trust_address(options->collector, &collector);
	if (!code)
		code = trust_agent(&options->trust, &collector, &tls, token);
	*ret_memory = tls ? TRUST_MEMORY : 0;
	tls_net_free(tls);
	return code;
}

static int choose_budget(const struct check_options *options, uint32_t probes_asked,
			 const struct transport_choice *transport, uint64_t *ret_bytes)
{
	struct reader_config config = {
		.settings = options->settings,
		.enabled = probes_asked,
		.transport = *transport,
	};
	int code = choose_trust(options, &config.tls_memory);

	if (code)
		return code;
	*ret_bytes = reader_memory(&config) + options->queue;
	return reader_fits(&config, options->queue);
}

static int report_print(const struct check_report *report, bool json)
{
	int err =
		json ? check_print_json(report) : check_print_table(report, isatty(STDOUT_FILENO));

	if (err)
		log_line(LOG_ERROR, "cannot write to stdout", "why", strerror(-err), NULL);
	return err;
}

static int check(const struct check_options *options, struct check_question *question,
		 struct check_report *report)
{
	bool json = options->format && strcmp(options->format, "json") == 0;
	bool able;
	int code;

	if (options->format && !json && strcmp(options->format, "table") != 0)
		return choice_wrong("--format", options->format, "no such format",
				    "take table or json");
	code = choose_probes(&options->probe, &question->probes);
	if (code)
		return code;
	code = choose_btf(options->btf);
	if (code)
		return code;
	question->btf = options->btf;
	code = choose_proc(options->proc, options->btf);
	if (code)
		return code;
	question->proc = options->proc;
	code = find_scope(options, question);
	if (code)
		return code;
	code = choose_transport(&options->transport, question->probes, &question->transport);
	if (code)
		return code;
	question->settings = options->settings;
	code = choose_budget(options, question->probes, &question->transport, &question->memory);
	if (code)
		return code;
	able = check_all(report, question);
	return report_print(report, json) || !able;
}

int check_main(int argc, char **argv)
{
	struct check_options options = {
		.transport = {.ring_lifecycle = 512 * 1024, .ring_samples = 1024 * 1024},
		.settings = {.counters_memory = 2 * 1024 * 1024,
			     .write_sample = 1,
			     .profile_hz = PROFILE_HZ},
		.queue = 4 * 1024 * 1024,
	};
	struct check_question *question;
	struct check_report *report;
	int code;

	features_quiet();
	code = options_parse("check", "ringside check [OPTION]...",
			     "Says what this kernel, container and set of privileges allow, why "
			     "not, and what to do.",
			     table, &options, argc, argv, 0, NULL);
	if (code)
		return code > 0 ? 0 : 2;
	question = calloc(1, sizeof(*question));
	report = calloc(1, sizeof(*report));
	code = question && report ? check(&options, question, report) : 1;
	free(question);
	free(report);
	return code;
}
