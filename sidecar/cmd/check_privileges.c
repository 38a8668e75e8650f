// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include <linux/capability.h>

#include "cmd/check_findings.h"
#include "probes/images.h"

void findings_lack(struct findings *findings, uint32_t mask, const char *name)
{
	for (size_t i = 0; i < PROBES; i++) {
		if (mask & 1u << i && !findings->needs[i])
			findings->needs[i] = name;
	}
	findings->broken |= mask;
}

void findings_without(struct findings *findings, uint32_t mask, const char *what)
{
	for (size_t i = 0; i < PROBES; i++) {
		if (mask & 1u << i && !findings->without[i])
			findings->without[i] = what;
	}
}

static void block(struct findings *findings, const char *name)
{
	findings_lack(findings, ALL, name);
	if (!findings->blocked)
		findings->blocked = name;
}

static void check_bpf(struct findings *findings)
{
	enum bpf_access access = findings->privileges.bpf;
	const char *todo;
	const char *why = bpf_access_explain(access, &todo);

	check_add(findings->report, "requirement", "bpf",
		  access == BPF_REACHED ? CHECK_OK : CHECK_NO, todo, "%s", why);
	if (access != BPF_REACHED)
		block(findings, "bpf");
}

static void add_capability(struct findings *findings, const char *name, enum check_state state,
			   const char *what)
{
	const bool counts = findings->privileges.initial_user_ns;
	char todo[64];

	snprintf(todo, sizeof(todo), counts ? "--cap-add %s" : "not rootless", name + 4);
	check_add(findings->report, "requirement", name, state, todo, "%s%s%s",
		  counts ? "not held" : "does not count in a user namespace", what ? ": " : "",
		  what ? what : "");
}

static bool held(struct findings *findings, unsigned int capability, const char *name)
{
	if (!privileges_have(&findings->privileges, capability))
		return false;
	check_add(findings->report, "requirement", name, CHECK_OK, NULL, "held");
	return true;
}

static void check_capability(struct findings *findings, unsigned int capability, const char *name)
{
	if (held(findings, capability, name))
		return;
	add_capability(findings, name, CHECK_NO, NULL);
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
		findings_lack(findings, ALL, "lockdown");
}

void findings_privileges(struct findings *findings)
{
	check_bpf(findings);
	check_capability(findings, CAP_BPF, "CAP_BPF");
	check_capability(findings, CAP_PERFMON, "CAP_PERFMON");
	check_lockdown(findings);
}

/* The processes of the scope, by what of them may not be opened. */
struct reached {
	const char *proc;
	size_t processes, denied[DENIED_PROCESS + 1];
};

static void visit_process(void *context, uint32_t pid, uint32_t tgid)
{
	struct reached *reached = context;

	(void)tgid;
	reached->processes++;
	reached->denied[images_denied(reached->proc, pid)]++;
}

/* Whether it is missed depends on who runs in the scope. */
static void check_file_capability(struct findings *findings, unsigned int capability,
				  const char *name, size_t denied, const char *without)
{
	char what[128];

	if (held(findings, capability, name))
		return;
	if (!denied) {
		add_capability(findings, name, CHECK_DEGRADED, without);
		findings_without(findings, GETADDRINFO, without);
		return;
	}
	snprintf(what, sizeof(what), "%s: %zu of the scope now", without, denied);
	add_capability(findings, name, CHECK_NO, what);
	findings_lack(findings, GETADDRINFO, name);
}

/* Whether there is anything to reach: by our own /proc only what is in our PID namespace, by --proc all. */
static void check_reach(struct findings *findings, size_t processes)
{
	static const char *const outside = "no process of the scope is in this PID namespace, so "
					   "its libraries can't be reached";
	const char *proc = findings->question->proc;
	const char *name = proc ? "proc" : "pid_namespace";

	if (processes) {
		check_add(findings->report, "requirement", name, CHECK_OK, NULL,
			  "%zu processes of the scope are seen %s", processes,
			  proc ? "in the host's /proc" : "from here");
	} else if (proc) {
		check_add(findings->report, "requirement", name, CHECK_OK, NULL,
			  "the host's /proc; no process of the scope runs now");
	} else {
		check_add(findings->report, "requirement", name, CHECK_DEGRADED,
			  "share it: --pid=container:NAME, shareProcessNamespace or hostPID; or "
			  "give --proc; nothing, if none runs yet",
			  "%s", outside);
		findings_without(findings, GETADDRINFO, outside);
	}
}

/* The files that uprobes attach to are reached through /proc/PID/root. */
void findings_files(struct findings *findings)
{
	const struct check_question *question = findings->question;
	struct scope_entry entries[SCOPE_MAX];
	struct reached reached = {.proc = question->proc ? question->proc : "/proc"};
	bool seen;

	for (size_t i = 0; i < question->scope.count; i++)
		entries[i] = question->scope.items[i].entry;
	seen = question->scope_known &&
	       !scope_processes(entries, question->scope.count, question->btf, question->proc,
				visit_process, &reached);

	check_file_capability(findings, CAP_SYS_PTRACE, "CAP_SYS_PTRACE",
			      reached.denied[DENIED_PROCESS],
			      "libraries of other users' processes can't be reached");
	check_file_capability(
		findings, CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", reached.denied[DENIED_FILE],
		"programs and libraries that only their owner may read can't be reached");
	if (seen)
		check_reach(findings, reached.processes);
}
