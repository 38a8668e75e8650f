// SPDX-License-Identifier: Apache-2.0
/* What the collector tells Prometheus. No label holds what a peer chose: their number is fixed. */
#include <dirent.h>
#include <errno.h>
#include <time.h>
#include <unistd.h>

#include "cmd/collect.h"
#include "net/metrics.h"
#include "probes/probe.h"

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void single(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
	head(out, name, type, help);
	fprintf(out, "%s %llu\n", name, (unsigned long long)value);
}

static void labelled(FILE *out, const char *name, const char *label, const char *text,
		     uint64_t value)
{
	fprintf(out, "%s{%s=\"%s\"} %llu\n", name, label, text, (unsigned long long)value);
}

static void fill_records(FILE *out, const struct collect_totals *totals)
{
	const char *name = "ringside_collector_records_total";
	uint64_t unknown = totals->records;

	head(out, name, "counter", "Records taken in.");
	for (size_t i = 0; i < probe_count; i++) {
		uint64_t count = 0;

		if (!probes[i].records)
			continue;
		for (size_t k = 0; probes[i].kinds[k]; k++)
			count += totals->kinds[probes[i].kinds[k]];
		labelled(out, name, "probe", probes[i].name, count);
		unknown -= count;
	}
	/* Of a later version's probes. */
	labelled(out, name, "probe", "unknown", unknown);
}

static void fill_lost(FILE *out, const struct collect_totals *totals)
{
	const char *name = "ringside_collector_lost_records_total";

	head(out, name, "counter", "Records that agents lost, as they account for it.");
	for (size_t i = 0; i < SESSION_REASONS; i++)
		labelled(out, name, "reason", view_lost_reason(i), totals->lost[i]);
	for (uint32_t i = 0; i < VIEW_GAP_CAUSES; i++)
		labelled(out, name, "reason", view_gap_cause(i), totals->gaps[i]);
}

static void fill_rejected(FILE *out, const struct hub *hub)
{
	static const char *const causes[HUB_CAUSES] = {
		[HUB_BROKEN] = "broken",
		[HUB_TIMEOUT] = "timeout",
		[HUB_TLS] = "tls",
		[HUB_PROTOCOL] = "protocol",
		[HUB_NOT_ALLOWED] = "not_allowed",
		[HUB_IN_USE] = "in_use",
		[HUB_NO_ROOM] = "no_room",
	};
	const char *name = "ringside_collector_rejected_connections_total";

	head(out, name, "counter", "Connections that ended before they were an agent's.");
	for (enum hub_cause i = 0; i < HUB_CAUSES; i++)
		labelled(out, name, "cause", causes[i], hub_rejections(hub, i));
}

/* What /proc does not tell is left out. */
static void fill_process(FILE *out, const struct collect *collect)
{
	FILE *statm = fopen("/proc/self/statm", "re");
	DIR *fds = opendir("/proc/self/fd");
	unsigned long resident;
	struct timespec cpu;
	uint64_t count = 0;

	head(out, "process_start_time_seconds", "gauge", "When the process began, since 1970.");
	fprintf(out, "process_start_time_seconds %.3f\n", (double)collect->started_ns / 1e9);
	if (!clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu)) {
		head(out, "process_cpu_seconds_total", "counter", "User and system CPU time.");
		fprintf(out, "process_cpu_seconds_total %lld.%09ld\n", (long long)cpu.tv_sec,
			cpu.tv_nsec);
	}
	if (statm && fscanf(statm, "%*u %lu", &resident) == 1)
		single(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
		       resident * (uint64_t)sysconf(_SC_PAGESIZE));
	if (statm)
		fclose(statm);
	if (!fds)
		return;
	while (readdir(fds))
		count++;
	closedir(fds);
	/* `.`, `..` and the descriptor that reads them. */
	single(out, "process_open_fds", "gauge", "Open file descriptors.", count - 3);
}

static void fill(void *context, FILE *out)
{
	const struct collect *collect = context;
	const struct collect_totals *totals = &collect->totals;

	head(out, "ringside_build_info", "gauge", "The version, as a label; always 1.");
	labelled(out, "ringside_build_info", "version", RINGSIDE_VERSION, 1);
	single(out, "ringside_collector_agents", "gauge", "Connected agents.",
	       hub_agents(collect->hub));
	single(out, "ringside_collector_standby_agents", "gauge",
	       "Connected agents that can't observe and say why.", totals->standing_by);
	single(out, "ringside_collector_connections", "gauge",
	       "Connections of the stream, agents' or not yet.", hub_count(collect->hub));
	single(out, "ringside_collector_sessions_total", "counter", "Agents that connected.",
	       totals->sessions);
	single(out, "ringside_collector_frames_total", "counter", "Frames taken in.",
	       totals->frames);
	single(out, "ringside_collector_received_bytes_total", "counter",
	       "Bytes of the frames taken in, without TLS.", totals->bytes);
	single(out, "ringside_collector_unwritten_bytes", "gauge",
	       "Text that waits for stdout to take it.", buf_length(&collect->output.buf));
	fill_records(out, totals);
	fill_lost(out, totals);
	fill_rejected(out, collect->hub);
	fill_process(out, collect);
}

int collect_metrics_open(struct collect *collect, int fd)
{
	collect->metrics = metrics_new(&collect->loop, fd, fill, collect);
	return collect->metrics ? 0 : -ENOMEM;
}
