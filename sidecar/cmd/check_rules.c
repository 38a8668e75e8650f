// SPDX-License-Identifier: Apache-2.0
/*
 * What each probe needs, what it can do without at a price, and what to do where something is
 * missing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <linux/capability.h>

#include "cmd/check_findings.h"
#include "kernel/transport.h"

/* One kernel feature. `needed` can't run without it, `degraded` can. */
struct rule {
	enum feature feature;
	const char *name;
	uint32_t needed, degraded;
	const char *ok;
	const char *without; /* what is lost, for the degraded */
	const char *todo;
};

static const struct rule rules[] = {
	{FEATURE_BTF, "btf", ALL, 0, "the kernel describes its own types", NULL, BTF_TODO},
	{FEATURE_TRACING, "tp_btf", ALL, 0, "typed tracepoint programs load and attach", NULL,
	 "grant CAP_BPF and CAP_PERFMON; a kernel that refuses them all the same can't be "
	 "observed"},
	{FEATURE_TRACE_SYSCALLS, "sys_exit", SYSCALLS, 0, "the system call tracepoints are there",
	 NULL,
	 "boot a kernel with CONFIG_FTRACE_SYSCALLS=y, or leave syscalls and write out of --probe"},
	{FEATURE_RINGBUF, "ringbuf", GETADDRINFO, 0, "ring buffers can be made",
	 "records go by perf buffers", "grant CAP_BPF"},
	{FEATURE_MMAP_ARRAY, "mmap_array", ALL, 0, "arrays can be shared with the programs", NULL,
	 "grant CAP_BPF"},
	{FEATURE_TEST_RUN, "self_probe", ALL, 0, "a program runs in our own task", NULL,
	 "grant CAP_BPF and CAP_PERFMON"},
	{FEATURE_TASK_ITERATOR, "iter_task", GETADDRINFO, PROCESS,
	 "processes of this PID namespace can be listed", "what runs already is not shown",
	 "leave getaddrinfo out of --probe"},
	{FEATURE_OPEN_ITERATOR, "iter_all", 0, PROCESS, "all processes can be listed",
	 "snapshot=partial: of what runs already, only this PID namespace", NULL},
	{FEATURE_ANCESTOR_HELPER, "cgroup_helper", 0, 0, "the scope is compared by one helper",
	 "the scope is found by walking the cgroup: some 65 ns more a hook", NULL},
	{FEATURE_MISSES, "prog_missed", 0, 0, "skipped runs of a program are counted",
	 "misses not visible", NULL},
	{FEATURE_MAP_WALK, "map_walk", 0, GETADDRINFO, "new libraries are found in the mappings",
	 "a kprobe sees each mapping; where there is none, only what is mapped at the start", NULL},
	{FEATURE_URETPROBE, "uretprobe", 0, GETADDRINFO,
	 "a process behind a seccomp filter survives a return probe",
	 "entries only: no result, no answers, no latency",
	 "boot a kernel with cf6cb56ef244 (seccomp passes the return probe's system call)"},
};

static const char *error_text(int err)
{
	return err == -EOPNOTSUPP ? "not on this kernel"
	       : err == -ENODATA  ? "can't be tried without btf"
				  : strerror(-err);
}

/* What is told in other words where the kernel's types come from a file. */
static bool check_by_file(struct findings *findings, const struct rule *rule)
{
	const char *file = findings->question->btf;

	if (!file || findings->features.err[rule->feature])
		return false;
	if (rule->feature == FEATURE_BTF)
		check_add(findings->report, "requirement", rule->name, CHECK_OK, NULL,
			  "the kernel's types are read from %s", file);
	else if (rule->feature == FEATURE_TRACING)
		check_add(findings->report, "requirement", "raw_tp", CHECK_OK, NULL,
			  "raw tracepoint programs load and attach");
	else
		return false;
	return true;
}

static void check_rule(struct findings *findings, const struct rule *rule)
{
	int err = findings->features.err[rule->feature];
	bool needed = rule->needed & findings->question->probes;
	bool told = needed || err == -ENODATA; /* what is lost is no news */

	if (check_by_file(findings, rule))
		return;

	if (!err) {
		check_add(findings->report, "requirement", rule->name, CHECK_OK, NULL, "%s",
			  rule->ok);
		return;
	}
	if (findings->blocked) {
		check_add(findings->report, "requirement", rule->name,
			  needed ? CHECK_NO : CHECK_DEGRADED, NULL, "can't be tried without %s",
			  findings->blocked);
		return;
	}
	check_add(findings->report, "requirement", rule->name, needed ? CHECK_NO : CHECK_DEGRADED,
		  err != -ENODATA && (needed || !rule->needed) ? rule->todo : NULL, "%s%s%s",
		  error_text(err), rule->without && !told ? ": " : "",
		  rule->without && !told ? rule->without : "");
	findings_lack(findings, rule->needed, rule->name);
	findings_without(findings, rule->degraded, rule->without);
}

/* By which way records would leave, or why not. */
static void check_transport(struct findings *findings)
{
	const enum event_transport asked = findings->question->transport.transport;
	const int ringbuf = findings->features.err[FEATURE_RINGBUF];
	const int perf = findings->features.err[FEATURE_PERF_OUTPUT];
	const bool by_perf = transport_is_perf(asked) || (asked == TRANSPORT_AUTO && ringbuf);
	const int err = by_perf ? perf : ringbuf;

	if (findings->blocked)
		return;
	if (err) {
		check_add(findings->report, "requirement", "transport", CHECK_NO,
			  by_perf ? findings->privileges.perf_by_admin
					    ? PERF_BY_ADMIN_TODO ", or take --transport ringbuf"
					    : "grant CAP_PERFMON, or take --transport ringbuf"
				  : "take --transport perf-heap",
			  "%s is refused: %s", transport_name(asked), error_text(err));
		findings_lack(findings, ALL, "transport");
	} else if (asked != TRANSPORT_AUTO) {
		check_add(findings->report, "requirement", "transport", CHECK_OK, NULL, "%s",
			  transport_name(asked));
	} else if (by_perf) {
		check_add(findings->report, "requirement", "transport", CHECK_DEGRADED, NULL,
			  "perf-heap: the kernel refuses the ring buffer");
	} else {
		check_add(findings->report, "requirement", "transport", CHECK_OK, NULL,
			  "%s for records of a fixed size, %s for the others",
			  transport_name(transport_for_fixed(asked)),
			  transport_name(transport_for_sized(asked)));
	}
}

static void check_uprobe(struct findings *findings)
{
	const int *err = findings->features.err;

	if (!err[FEATURE_UPROBE_MULTI]) {
		check_add(findings->report, "requirement", "uprobe", CHECK_OK, NULL,
			  "uprobe_multi");
	} else if (!err[FEATURE_UPROBE_PERF]) {
		check_add(findings->report, "requirement", "uprobe", CHECK_DEGRADED, NULL,
			  "perf_uprobe: a perf event for each library");
		findings_without(findings, GETADDRINFO, "an event for each library");
	} else if (findings->blocked) {
		check_add(findings->report, "requirement", "uprobe", CHECK_NO, NULL,
			  "can't be tried without %s", findings->blocked);
	} else {
		check_add(findings->report, "requirement", "uprobe", CHECK_NO,
			  "grant CAP_PERFMON (before 6.6: CAP_SYS_ADMIN), or leave getaddrinfo out "
			  "of --probe",
			  "neither uprobe_multi nor perf events: %s",
			  error_text(err[FEATURE_UPROBE_PERF]));
		findings_lack(findings, GETADDRINFO, "uprobe");
	}
}

static void check_latency(struct findings *findings)
{
	int err = findings->features.err[FEATURE_TASK_STORAGE];

	check_add(findings->report, "requirement", "task_storage", err ? CHECK_DEGRADED : CHECK_OK,
		  NULL, "%s",
		  err ? "--latency keeps each call's start in a hash, of 16384 at once"
		      : "--latency keeps each call's start with its task");
}

static void check_scope(struct findings *findings)
{
	const struct check_question *question = findings->question;

	if (!question->scope_known && findings->features.err[FEATURE_BTF] == -EOPNOTSUPP) {
		check_add(findings->report, "scope", "scope", CHECK_NO, NULL,
			  "can't be resolved without btf");
		findings_lack(findings, ALL, "scope");
		return;
	}
	if (!question->scope_known) {
		check_add(findings->report, "scope", "scope", CHECK_NO, question->scope_error.todo,
			  "%s", question->scope_error.what);
		findings_lack(findings, ALL, "scope");
		return;
	}
	for (size_t i = 0; i < question->scope.count; i++) {
		const struct scope_item *item = &question->scope.items[i];
		struct check_line *line;

		line = check_add(findings->report, "scope", item->given, CHECK_OK, NULL, "%s%s%s",
				 item->entry.exclude ? "left out: " : "", item->name,
				 question->scope.chosen ? " (by default)" : "");
		line->scope = item;
	}
}

static void check_memory(struct findings *findings)
{
	const struct check_question *question = findings->question;
	bool charged = findings->features.err[FEATURE_NO_MEMLOCK] &&
		       findings->privileges.memlock < question->memory &&
		       !privileges_have(&findings->privileges, CAP_SYS_RESOURCE);
	double mib = (double)question->memory / (1024 * 1024);
	struct check_line *line;

	line = check_add(
		findings->report, "memory", "budget", charged ? CHECK_NO : CHECK_OK,
		charged ? "raise it: --ulimit memlock=-1, or LimitMEMLOCK=infinity of the engine"
			: NULL,
		"%.1f MiB, rings counted twice as they are mapped, and about 11 MiB for a moment "
		"at start%s",
		mib, charged ? "; this kernel charges maps to RLIMIT_MEMLOCK, which is less" : "");
	line->bytes = question->memory;
	if (charged)
		findings_lack(findings, ALL, "memory");
}

static void check_probe(struct findings *findings, uint32_t probe)
{
	const char *without = findings->without[probe];
	const char *name = probes[probe].name;
	char how[PROBE_HOW] = "";
	int err;

	if (findings->broken & 1u << probe) {
		check_add(findings->report, "probe", name, CHECK_NO, NULL, "needs %s, see above",
			  findings->needs[probe]);
		return;
	}
	err = check_start(findings->question, probe, how);
	if (err) {
		check_add(findings->report, "probe", name, CHECK_NO, "leave it out of --probe",
			  "this kernel refuses its programs: %s", strerror(-err));
		findings->broken |= 1u << probe;
		return;
	}
	check_add(findings->report, "probe", name, without ? CHECK_DEGRADED : CHECK_OK, NULL,
		  "%s%s%s", how, without ? "; " : "", without ? without : "");
}

bool check_all(struct check_report *report, const struct check_question *question)
{
	struct findings findings = {.report = report, .question = question};

	privileges_read(&findings.privileges);
	features_probe(question->btf, &findings.features);
	findings_privileges(&findings);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (rules[i].feature == FEATURE_URETPROBE && !(question->probes & GETADDRINFO))
			continue;
		check_rule(&findings, &rules[i]);
	}
	check_transport(&findings);
	if (question->probes & GETADDRINFO) {
		check_uprobe(&findings);
		findings_files(&findings);
	}
	if (question->settings.latency && question->probes & SYSCALLS)
		check_latency(&findings);
	if (question->probes & 1u << PROBE_PROFILE)
		findings_profile(&findings);
	check_scope(&findings);
	check_memory(&findings);
	for (uint32_t i = 0; i < probe_count; i++) {
		if (question->probes & 1u << i)
			check_probe(&findings, i);
	}
	return !(findings.broken & question->probes);
}
