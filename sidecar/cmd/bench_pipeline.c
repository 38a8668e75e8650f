// SPDX-License-Identifier: Apache-2.0
/* `bench pipeline`: a write flood in a scoped cgroup, over loopback, to a collector; what it costs and what arrives. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/options.h"
#include "cmd/benchmarks.h"
#include "cmd/bench_child.h"
#include "cmd/bench_flood.h"

struct bench_options {
	uint64_t seconds;
	const char *format;
};

static const struct option_def bench_table[] = {
	{"seconds", OPTION_NUMBER, "N", "how long to flood (default 3)",
	 offsetof(struct bench_options, seconds), 1, 600},
	{"format", OPTION_ARGUMENT, "FORMAT", "table or json (default table)",
	 offsetof(struct bench_options, format), 0, 0},
	{NULL, OPTION_FLAG, NULL, NULL, 0, 0, 0},
};

struct pipeline {
	struct flood flood;
	struct bench_child collector, sidecar;
	uint64_t produced, taken, acknowledged, lost, wire_bytes;
	uint64_t sidecar_cpu_ns, collector_cpu_ns, sidecar_peak, collector_peak;
	double off_ns, on_ns; /* one write call */
};

static int start_children(struct pipeline *pipeline)
{
	const char *collect[] = {"collect", "--listen", "127.0.0.1:0", "--format", "none", NULL};
	char scope[FLOOD_PATH + 16], listen[64];
	const char *run[] = {"run",   "--scope",     scope,  "--probe",
			     "write", "--collector", listen, NULL};
	int err;

	err = bench_child_start(&pipeline->collector, collect);
	if (!err)
		err = bench_child_wait_line(&pipeline->collector, "msg=ready");
	if (err)
		return err;
	bench_child_text(&pipeline->collector, "listen", listen, sizeof(listen));
	snprintf(scope, sizeof(scope), "cgroup:%s", pipeline->flood.cgroup);
	err = bench_child_start(&pipeline->sidecar, run);
	if (!err)
		err = bench_child_wait_line(&pipeline->sidecar, "msg=ready");
	if (!err)
		err = bench_child_wait_line(&pipeline->sidecar, "collector connected");
	return err;
}

static void flood_and_measure(struct pipeline *pipeline, uint64_t seconds)
{
	const uint64_t sidecar = bench_child_cpu_ns(&pipeline->sidecar);
	const uint64_t collector = bench_child_cpu_ns(&pipeline->collector);
	const struct timespec settle = {0, 300000000};

	pipeline->on_ns = flood_run(&pipeline->flood, seconds * 1000000000);
	nanosleep(&settle, NULL);
	pipeline->sidecar_cpu_ns = bench_child_cpu_ns(&pipeline->sidecar) - sidecar;
	pipeline->collector_cpu_ns = bench_child_cpu_ns(&pipeline->collector) - collector;
	pipeline->sidecar_peak = bench_child_peak_bytes(&pipeline->sidecar);
	pipeline->collector_peak = bench_child_peak_bytes(&pipeline->collector);
}

static int run_pipeline(struct pipeline *pipeline, uint64_t seconds)
{
	double before, after;
	int err;

	before = flood_run(&pipeline->flood, seconds * 500000000);
	err = start_children(pipeline);
	if (err)
		return err;
	flood_and_measure(pipeline, seconds);
	bench_child_stop(&pipeline->sidecar);
	pipeline->produced = bench_child_number(&pipeline->sidecar, "write_produced");
	pipeline->lost = bench_child_number(&pipeline->sidecar, "write_lost");
	pipeline->taken = bench_child_number(&pipeline->sidecar, "stream1_taken");
	pipeline->acknowledged = bench_child_number(&pipeline->sidecar, "stream1_acknowledged");
	pipeline->wire_bytes = bench_child_number(&pipeline->sidecar, "sent_bytes");
	after = flood_run(&pipeline->flood, seconds * 500000000);
	pipeline->off_ns = (before + after) / 2;
	return pipeline->taken ? 0 : -ENODATA;
}

static void print(const struct pipeline *p, uint64_t seconds, bool json)
{
	const double taken = (double)p->taken, acknowledged = (double)p->acknowledged;
	const struct {
		const char *name;
		double value;
		int digits;
		const char *about;
	} rows[] = {
		{"records_per_s", acknowledged / (double)seconds, 0,
		 "acknowledged by the collector, each second"},
		{"produced", (double)p->produced, 0, "by the kernel side"},
		{"taken", taken, 0, "out of the ring"},
		{"acknowledged", acknowledged, 0, "by the collector"},
		{"lost", (double)p->lost, 0, "counted as lost: the ring was full"},
		{"sidecar_cpu_ns", (double)p->sidecar_cpu_ns / taken, 1, "a record taken"},
		{"collector_cpu_ns", (double)p->collector_cpu_ns / taken, 1, "a record taken"},
		{"added_ns", p->on_ns - p->off_ns, 1, "to one write call, observed minus not"},
		{"wire_bytes_per_record", (double)p->wire_bytes / taken, 2, ""},
		{"sidecar_peak_bytes", (double)p->sidecar_peak, 0, "VmHWM"},
		{"collector_peak_bytes", (double)p->collector_peak, 0, "VmHWM"},
		{"seconds", (double)seconds, 0, ""},
	};
	const size_t count = sizeof(rows) / sizeof(rows[0]);

	for (size_t i = 0; i < count; i++) {
		if (json)
			printf("%s\"%s\":%.*f%s", i ? "," : "{", rows[i].name, rows[i].digits,
			       rows[i].value, i + 1 == count ? "}\n" : "");
		else
			printf("%-22s %14.*f  %s\n", rows[i].name, rows[i].digits, rows[i].value,
			       rows[i].about);
	}
}

int bench_pipeline_main(int argc, char **argv)
{
	struct bench_options options = {.seconds = 3};
	struct pipeline pipeline = {0};
	const char *what = "the sidecar or the collector";
	int err;

	err = options_parse("bench pipeline", "ringside bench pipeline [OPTION]...",
			    "Floods write(2) in a cgroup of its own and streams the records over "
			    "loopback to a collector.",
			    bench_table, &options, argc, argv, 0, NULL);
	if (err)
		return err > 0 ? 0 : 2;
	if (options.format && strcmp(options.format, "table") && strcmp(options.format, "json")) {
		log_line(LOG_ERROR, "wrong value", "option", "--format", "value", options.format,
			 "do", "take table or json", NULL);
		return 2;
	}
	err = flood_start(&pipeline.flood, &what);
	if (!err) {
		what = "the sidecar or the collector";
		err = run_pipeline(&pipeline, options.seconds);
	}
	if (err)
		log_line(LOG_ERROR, "cannot measure", "object", what, "why", strerror(-err), "do",
			 "see ringside check --probe write --scope host", NULL);
	else
		print(&pipeline, options.seconds,
		      options.format && !strcmp(options.format, "json"));
	bench_child_stop(&pipeline.sidecar);
	bench_child_stop(&pipeline.collector);
	flood_stop(&pipeline.flood);
	return err ? 1 : 0;
}
