// SPDX-License-Identifier: Apache-2.0
/* `bench transport`: every variant of the way from the kernel to user space, one after the other, or two in turns. */
#include <errno.h>
#include <linux/capability.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/options.h"
#include "base/standard.h"
#include "cmd/benchmarks.h"
#include "cmd/bench_cases.h"
#include "cmd/bench_cpus.h"
#include "cmd/bench_measure.h"
#include "cmd/bench_pair.h"
#include "cmd/bench_plot.h"
#include "cmd/bench_print.h"
#include "kernel/features.h"
#include "kernel/privileges.h"
#include "kernel/transport_bench.h"

struct transport_options {
	struct bench_lists lists;
	struct option_list pair;
	uint64_t rounds;
	const char *format, *plot;
};

#define AT(field) offsetof(struct transport_options, field)

static const struct option_def transport_table[] = {
	{"variant", OPTION_COMMA_LIST, "NAME,...",
	 "perf-stack, perf-heap, ringbuf-output, ringbuf (default all)", AT(lists.variant), 0, 0},
	{"wakeup", OPTION_COMMA_LIST, "NAME,...",
	 "when the reader is woken: each (a record may wake it), sampled (one in 500 does, or as "
	 "many as fill half the buffer), threshold (half the buffer is full) (default sampled)",
	 AT(lists.wakeup), 0, 0},
	{"size", OPTION_COMMA_LIST, "BYTES,...",
	 "of a record: 8 to 4096, a multiple of 8; perf-stack: to 480 (default 8)", AT(lists.size),
	 0, 0},
	{"producers", OPTION_COMMA_LIST, "N,...", "threads, pinned to CPUs in turns (default 1)",
	 AT(lists.producers), 0, 0},
	{"consumer", OPTION_COMMA_LIST, "WHERE,...",
	 "same: on the first producer's CPU; other: on a CPU where no producer runs (default "
	 "other)",
	 AT(lists.consumer), 0, 0},
	{"seconds", OPTION_COMMA_LIST, "N,...", "how long each is measured, from 0.1 (default 3)",
	 AT(lists.seconds), 0, 0},
	{"pair", OPTION_COMMA_LIST, "A,B", "measure two variants in turns and print A/B", AT(pair),
	 0, 0},
	{"rounds", OPTION_NUMBER, "N", "of the pair (default 9)", AT(rounds), 1, 1000},
	{"format", OPTION_ARGUMENT, "FORMAT", "table, json or csv (default table)", AT(format), 0,
	 0},
	{"plot", OPTION_ARGUMENT, "FILE", "draw records/s into an SVG file", AT(plot), 0, 0},
	{NULL, OPTION_FLAG, NULL, NULL, 0, 0, 0},
};

static int refuse(const char *option, const char *value, const char *why)
{
	log_line(LOG_ERROR, "wrong option", "command", "bench transport", "option", option, "value",
		 value, "why", why, NULL);
	return -EINVAL;
}

/* What the counts say, in one line. */
static void tell_wrong(const struct bench_result *r)
{
	char what[64];

	snprintf(what, sizeof(what), "%s %s %u", bench_variant_name(r->of.variant),
		 bench_wakeup_name(r->of.wakeup), r->of.size);
	log_line(LOG_ERROR, "the records are not what was sent", "object", what, "produced",
		 log_u64(r->produced), "received", log_u64(r->received), "lost", log_u64(r->lost),
		 "corrupt", log_u64(r->corrupt), "why",
		 r->corrupt ? "corrupt: a wrong cookie, padding or order"
			    : "produced is not received + lost, or the gaps are not the losses",
		 NULL);
}

static void tell_refused(const char *what, int err)
{
	struct privileges privileges;
	const char *why = strerror(-err), *todo = "see ringside check";

	privileges_read(&privileges);
	if (privileges.bpf != BPF_REACHED) {
		why = bpf_access_explain(privileges.bpf, &todo);
	} else if (!privileges_have(&privileges, CAP_PERFMON)) {
		why = "CAP_PERFMON is missing";
		todo = "run as root, or add CAP_PERFMON";
	}
	log_line(LOG_ERROR, "cannot measure", "object", what, "why", why, "do", todo, NULL);
}

/* One case, with a word about what went wrong. */
static int measure(const struct bench_case *one, struct bench_result *ret_result)
{
	const char *what = "";
	const int err = bench_measure(one, ret_result, &what);

	bench_print_progress(NULL, 0, 0);
	if (err == -EBADMSG)
		tell_wrong(ret_result);
	else if (err)
		tell_refused(what, err);
	return err;
}

/* A wrong row is printed, and the others are measured all the same. */
static int run_cases(const struct bench_cases *cases, enum bench_format format,
		     struct bench_result *results)
{
	int wrong = 0;

	for (size_t i = 0; i < cases->count; i++) {
		int err;

		bench_print_progress(&cases->items[i], i + 1, cases->count);
		err = measure(&cases->items[i], &results[i]);
		if (err == -EBADMSG)
			wrong = err;
		else if (err)
			return err;
		err = bench_print_result(format, &results[i], i == 0);
		if (err)
			return err;
	}
	return wrong;
}

static int tell_plot(const char *path, int err)
{
	log_line(LOG_ERROR, "cannot write the plot", "file", path, "why", strerror(-err), "do",
		 "give a path that can be written", NULL);
	return err;
}

/* The plot is opened before anything is measured, for a path that can't be written is better known at once. */
static int run_all(const struct bench_cases *cases, enum bench_format format, const char *path)
{
	struct bench_result *results = calloc(cases->count, sizeof(results[0]));
	FILE *plot = NULL;
	int err = 0;

	if (!results) {
		tell_refused("memory for the results", -ENOMEM);
		return -ENOMEM;
	}
	if (path) {
		plot = fopen(path, "we");
		err = plot ? 0 : tell_plot(path, -errno);
	}
	if (!err)
		err = run_cases(cases, format, results);
	if (!err && plot) {
		bench_plot_draw(plot, results, cases->count);
		if (fflush(plot) || ferror(plot))
			err = tell_plot(path, -errno);
	}
	if (plot)
		fclose(plot);
	free(results);
	return err;
}

/* A pair is two variants, in a setting that differs in nothing else. */
static int take_pair(struct transport_options *options)
{
	struct bench_lists *lists = &options->lists;
	enum bench_variant variant;

	if (lists->variant.count)
		return refuse("--pair", options->pair.value[0], "leave out --variant");
	if (options->plot)
		return refuse("--pair", options->pair.value[0],
			      "leave out --plot: it draws single runs");
	for (size_t i = 0; i < options->pair.count; i++) {
		if (bench_variant_parse(options->pair.value[i], &variant))
			return refuse("--pair", options->pair.value[i],
				      "it takes two of perf-stack, perf-heap, ringbuf-output, "
				      "ringbuf");
	}
	if (options->pair.count != 2)
		return refuse("--pair", options->pair.value[0], "it takes two variants: A,B");
	if (lists->wakeup.count > 1 || lists->size.count > 1 || lists->producers.count > 1 ||
	    lists->consumer.count > 1 || lists->seconds.count > 1)
		return refuse("--pair", options->pair.value[0],
			      "the other options take one value each then");
	lists->variant = options->pair;
	return 0;
}

static int plan(struct transport_options *options, struct bench_cases *ret_cases,
		enum bench_format *ret_format)
{
	int err = 0;

	if (bench_format_parse(options->format, ret_format))
		return refuse("--format", options->format, "it is table, json or csv");
	if (options->pair.count)
		err = take_pair(options);
	return err ? err : bench_cases_make(&options->lists, ret_cases);
}

/* Whether this machine can do it at all. */
static int check_machine(const struct bench_cases *cases)
{
	int cpus[CPU_SETSIZE];

	if (!standard_output_open()) {
		log_line(LOG_ERROR, "cannot write", "object", "stdout", "why", "it is closed", "do",
			 "give it an open stdout", NULL);
		return -EBADF;
	}
	for (size_t i = 0; i < cases->count && bench_cpus_usable(cpus) < 2; i++) {
		if (cases->items[i].same)
			continue;
		log_line(LOG_ERROR, "cannot measure", "object", "a consumer on another CPU", "why",
			 "there is one CPU to run on", "do", "say --consumer same", NULL);
		return -ENODEV;
	}
	return 0;
}

int bench_transport_main(int argc, char **argv)
{
	struct transport_options options = {.rounds = 9};
	struct bench_cases cases = {0};
	enum bench_format format = BENCH_TABLE;
	int err;

	err = options_parse("bench transport", "ringside bench transport [OPTION]...",
			    "Sends records from the kernel by each transport and prints how many "
			    "came, what was lost, and what it costs. Most options take a list; "
			    "every combination is measured.",
			    transport_table, &options, argc, argv, 0, NULL);
	if (err)
		return err > 0 ? 0 : 2;
	err = plan(&options, &cases, &format);
	if (err)
		return err == -EINVAL ? 2 : 1;
	if (cases.stack_left_out)
		log_line(LOG_INFO, "perf-stack is left out where records do not fit", "why",
			 "the BPF stack has 512 bytes, a record on it 480 at most", NULL);
	features_quiet();
	err = check_machine(&cases);
	if (!err)
		log_line(LOG_INFO, "measuring", "hook", transport_bench_hook(), NULL);
	if (!err)
		err = options.pair.count
			      ? bench_pair_run(cases.items, options.rounds, format, measure)
			      : run_all(&cases, format, options.plot);
	bench_cases_done(&cases);
	return err ? 1 : 0;
}
