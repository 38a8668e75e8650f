// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include <linux/capability.h>

#include "cmd/check_findings.h"

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
		findings_without(findings, GETADDRINFO, without);
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
		findings_lack(findings, ALL, "lockdown");
}

void findings_privileges(struct findings *findings)
{
	check_bpf(findings);
	check_capability(findings, CAP_BPF, "CAP_BPF", NULL);
	check_capability(findings, CAP_PERFMON, "CAP_PERFMON", NULL);
	check_lockdown(findings);
}

void findings_file_privileges(struct findings *findings)
{
	check_capability(findings, CAP_SYS_PTRACE, "CAP_SYS_PTRACE",
			 "libraries of other users' processes can't be reached");
	check_capability(findings, CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH",
			 "programs and libraries that only their owner may read can't be reached");
}
