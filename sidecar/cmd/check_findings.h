/* SPDX-License-Identifier: Apache-2.0 */
/* What `check` has found so far, while its lines are made; shared by the files that make them. */
#ifndef RINGSIDE_CMD_CHECK_FINDINGS_H
#define RINGSIDE_CMD_CHECK_FINDINGS_H

#include "cmd/check.h"
#include "kernel/features.h"
#include "kernel/privileges.h"
#include "probes/probe.h"

#define PROCESS	    (1u << PROBE_PROCESS)
#define GETADDRINFO (1u << PROBE_GETADDRINFO)
#define SYSCALLS    (1u << PROBE_WRITE | 1u << PROBE_SYSCALLS)
#define ALL	    ((1u << PROBES) - 1)

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

/* The probes of `mask` can't run without what is called `name`. Texts are static. */
void findings_lack(struct findings *findings, uint32_t mask, const char *name);
/* The probes of `mask` run, but for `what`. */
void findings_without(struct findings *findings, uint32_t mask, const char *what);

/*
 * Lines of what this process may do: bpf(), capabilities, lockdown; and whether the files of the
 * scope's processes can be reached, and what that takes.
 */
void findings_privileges(struct findings *findings);
void findings_files(struct findings *findings);
/* Lines of what `profile` needs. */
void findings_profile(struct findings *findings);

#endif
