/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each probe needs, what it can do without at a price, and what to do where something is
 * missing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <linux/capability.h>

#include "cmd/check.h"
#include "kernel/features.h"
#include "kernel/privileges.h"
#include "probes/probe.h"

#define PROCESS	    (1u << PROBE_PROCESS)
#define GETADDRINFO (1u << PROBE_GETADDRINFO)
#define SYSCALLS    (1u << PROBE_WRITE | 1u << PROBE_SYSCALLS)
#define ALL	    (PROCESS | GETADDRINFO | SYSCALLS)

/* What is known when the probes' lines are made. */
struct findings {
	struct check_report *report;
	const struct check_question *question;
	struct privileges privileges;
	struct features features;
	uint32_t broken;	     /* probes that can't run */
	const char *needs[PROBES];   /* the first thing that each of them lacks */
	const char *without[PROBES]; /* what each does without */
	const char *blocked;	     /* the privilege without which nothing could be tried */
};

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
	{FEATURE_BTF, "btf", ALL, 0, "the kernel describes its own types", NULL,
	 "boot a kernel with CONFIG_DEBUG_INFO_BTF=y"},
	{FEATURE_TRACING, "tp_btf", ALL, 0, "typed tracepoint programs load and attach", NULL,
	 "grant CAP_BPF and CAP_PERFMON; a kernel that refuses them all the same can't be "
	 "observed"},
	{FEATURE_TRACE_SYSCALLS, "sys_exit", SYSCALLS, 0, "the system call tracepoints are there",
	 NULL,
	 "boot a kernel with CONFIG_FTRACE_SYSCALLS=y, or leave syscalls and write out of --probe"},
	{FEATURE_RINGBUF, "ringbuf", ALL, 0, "ring buffers can be made", NULL, "grant CAP_BPF"},
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
	{FEATURE_URETPROBE, "uretprobe", 0, GETADDRINFO,
	 "a process behind a seccomp filter survives a return probe",
	 "entries only: no result, no answers, no latency",
	 "boot a kernel with cf6cb56ef244 (seccomp passes the return probe's system call)"},
};

static void probes_lack(struct findings *findings, uint32_t mask, const char *name)
{
	for (size_t i = 0; i < PROBES; i++) {
		if (mask & 1u << i && !findings->needs[i])
			findings->needs[i] = name;
	}
	findings->broken |= mask;
}

static void probes_without(struct findings *findings, uint32_t mask, const char *what)
{
	for (size_t i = 0; i < PROBES; i++) {
		if (mask & 1u << i && !findings->without[i])
			findings->without[i] = what;
	}
}

static void block(struct findings *findings, const char *name)
{
	probes_lack(findings, ALL, name);
	if (!findings->blocked)
		findings->blocked = name;
}

static void check_bpf(struct findings *findings)
{
	static const struct {
		const char *why, *todo;
	} texts[] = {
		[BPF_REACHED] = {"the system call reaches the kernel", NULL},
		[BPF_FILTERED] =
			{"the capability is held, and yet it is refused: a seccomp filter",
			 "--security-opt seccomp=unconfined, or a profile that allows bpf and "
			 "perf_event_open; or a newer engine, whose default follows CAP_BPF"},
		[BPF_NO_CAPABILITY] =
			{"neither CAP_BPF nor CAP_SYS_ADMIN is held",
			 "run as root, with --cap-add BPF --cap-add PERFMON (or SYS_ADMIN)"},
		[BPF_NO_USER_NS] =
			{"the capabilities are held in a user namespace, where they do not count",
			 "run it in the initial user namespace: not rootless"},
		[BPF_REFUSED] = {"refused, although the capability is held and no filter is seen",
				 "look for a security module's denial in the kernel log"},
		[BPF_ABSENT] = {"this kernel has no bpf()",
				"boot a kernel with CONFIG_BPF_SYSCALL=y"},
	};
	enum bpf_access access = findings->privileges.bpf;

	check_add(findings->report, "requirement", "bpf",
		  access == BPF_REACHED ? CHECK_OK : CHECK_NO, texts[access].todo, "%s",
		  texts[access].why);
	if (access != BPF_REACHED)
		block(findings, "bpf");
}

static void check_capability(struct findings *findings, unsigned int capability, const char *name,
			     const char *without)
{
	const struct privileges *privileges = &findings->privileges;
	char todo[64];

	if (privileges_have(privileges, capability)) {
		check_add(findings->report, "requirement", name, CHECK_OK, NULL, "held");
		return;
	}
	snprintf(todo, sizeof(todo), privileges->initial_user_ns ? "--cap-add %s" : "not rootless",
		 name + 4);
	check_add(findings->report, "requirement", name, without ? CHECK_DEGRADED : CHECK_NO, todo,
		  "%s%s%s",
		  privileges->initial_user_ns ? "not held" : "does not count in a user namespace",
		  without ? ": " : "", without ? without : "");
	if (without)
		probes_without(findings, GETADDRINFO, without);
	else
		block(findings, name);
}

static void check_lockdown(struct findings *findings)
{
	const char *state = findings->privileges.lockdown;
	bool forbids = strcmp(state, "confidentiality") == 0;

	check_add(findings->report, "requirement", "lockdown", forbids ? CHECK_NO : CHECK_OK,
		  forbids ? "boot with lockdown=integrity" : NULL, "%s",
		  forbids  ? "confidentiality: programs may not read kernel memory"
		  : *state ? state
			   : "not visible from here");
	if (forbids)
		probes_lack(findings, ALL, "lockdown");
}

static const char *error_text(int err)
{
	return err == -EOPNOTSUPP ? "not on this kernel" : strerror(-err);
}

static void check_rule(struct findings *findings, const struct rule *rule)
{
	int err = findings->features.err[rule->feature];
	bool needed = rule->needed & findings->question->probes;

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
		  needed || !rule->needed ? rule->todo : NULL, "%s%s%s", error_text(err),
		  rule->without && !needed ? ": " : "",
		  rule->without && !needed ? rule->without : "");
	probes_lack(findings, rule->needed, rule->name);
	probes_without(findings, rule->degraded, rule->without);
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
		probes_without(findings, GETADDRINFO, "an event for each library");
	} else if (findings->blocked) {
		check_add(findings->report, "requirement", "uprobe", CHECK_NO, NULL,
			  "can't be tried without %s", findings->blocked);
	} else {
		check_add(findings->report, "requirement", "uprobe", CHECK_NO,
			  "grant CAP_PERFMON (before 6.6: CAP_SYS_ADMIN), or leave getaddrinfo out "
			  "of --probe",
			  "neither uprobe_multi nor perf events: %s",
			  error_text(err[FEATURE_UPROBE_PERF]));
		probes_lack(findings, GETADDRINFO, "uprobe");
	}
}

/* The files that uprobes attach to are reached through /proc/PID/root. */
static void check_files(struct findings *findings)
{
	static const char *const none = "no process of the scope is in this PID namespace, so its "
					"libraries can't be reached";
	size_t count = 0;

	if (!findings->question->scope_known || scope_processes(&findings->question->scope, &count))
		return;
	if (count) {
		check_add(findings->report, "requirement", "pid_namespace", CHECK_OK, NULL,
			  "%zu processes of the scope are seen from here", count);
		return;
	}
	check_add(findings->report, "requirement", "pid_namespace", CHECK_DEGRADED,
		  "share it: --pid=container:NAME, shareProcessNamespace or hostPID; nothing, if "
		  "none runs yet",
		  "%s", none);
	probes_without(findings, GETADDRINFO, none);
}

static void check_latency(struct findings *findings)
{
	int err = findings->features.err[FEATURE_TASK_STORAGE];

	check_add(findings->report, "requirement", "task_storage", err ? CHECK_NO : CHECK_OK,
		  err ? "leave --latency out" : NULL, "%s",
		  err ? error_text(err) : "--latency can keep each call's start");
	if (err)
		probes_lack(findings, SYSCALLS, "task_storage");
}

static void check_scope(struct findings *findings)
{
	const struct check_question *question = findings->question;

	if (!question->scope_known) {
		check_add(findings->report, "scope", "scope", CHECK_NO, question->scope_error.todo,
			  "%s", question->scope_error.what);
		probes_lack(findings, ALL, "scope");
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
		probes_lack(findings, ALL, "memory");
}

static void check_probe(struct findings *findings, size_t probe)
{
	const char *uprobe = probe != PROBE_GETADDRINFO			    ? ""
			     : findings->features.err[FEATURE_UPROBE_MULTI] ? ", perf_uprobe"
									    : ", uprobe_multi";

	if (findings->broken & 1u << probe)
		check_add(findings->report, "probe", probes[probe].name, CHECK_NO, NULL,
			  "needs %s, see above", findings->needs[probe]);
	else if (findings->without[probe])
		check_add(findings->report, "probe", probes[probe].name, CHECK_DEGRADED, NULL,
			  "tp_btf%s; %s", uprobe, findings->without[probe]);
	else
		check_add(findings->report, "probe", probes[probe].name, CHECK_OK, NULL, "tp_btf%s",
			  uprobe);
}

bool check_all(struct check_report *report, const struct check_question *question)
{
	struct findings findings = {.report = report, .question = question};

	privileges_read(&findings.privileges);
	features_probe(&findings.features);
	check_bpf(&findings);
	check_capability(&findings, CAP_BPF, "CAP_BPF", NULL);
	check_capability(&findings, CAP_PERFMON, "CAP_PERFMON", NULL);
	check_lockdown(&findings);
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		if (rules[i].feature == FEATURE_URETPROBE && !(question->probes & GETADDRINFO))
			continue;
		check_rule(&findings, &rules[i]);
	}
	if (question->probes & GETADDRINFO) {
		check_uprobe(&findings);
		check_capability(&findings, CAP_SYS_PTRACE, "CAP_SYS_PTRACE",
				 "libraries of other users' processes can't be reached");
		check_capability(&findings, CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH",
				 "libraries in unreadable directories can't be reached");
		check_files(&findings);
	}
	if (question->latency && question->probes & SYSCALLS)
		check_latency(&findings);
	check_scope(&findings);
	check_memory(&findings);
	for (size_t i = 0; i < probe_count; i++) {
		if (question->probes & 1u << i)
			check_probe(&findings, i);
	}
	return !(findings.broken & question->probes);
}
