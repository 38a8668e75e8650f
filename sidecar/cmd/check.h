/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report of `check`: lines in the order of their making, printed at the end so that columns
 * line up. What is too much for a line is cut; a report has room for all requirements, scopes and
 * probes.
 */
#ifndef RINGSIDE_CMD_CHECK_H
#define RINGSIDE_CMD_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cmd/choices.h"
#include "probes/probe.h"
#include "scope/scope.h"

#define CHECK_LINES 64
#define CHECK_TEXT  640

enum check_state { CHECK_OK, CHECK_DEGRADED, CHECK_NO };

struct check_line {
	const char *check; /* requirement, scope, probe or memory */
	char name[SCOPE_TEXT];
	enum check_state state;
	char why[CHECK_TEXT];
	char todo[SCOPE_TEXT];		/* empty: nothing to do */
	const struct scope_item *scope; /* of a scope's line; borrowed */
	uint64_t bytes;			/* of the memory's line */
};

struct check_report {
	struct check_line lines[CHECK_LINES];
	size_t count;
};

/* What was asked. */
struct check_question {
	uint32_t probes; /* bit number = probe */
	struct probe_settings settings;
	struct transport_choice transport;
	const char *btf;  /* the file of the kernel's types; NULL: its own */
	const char *proc; /* the host's /proc; NULL: our own is read */
	struct scope scope;
	bool scope_known;
	struct scope_error scope_error; /* where it is not */
	uint64_t memory;		/* bytes that `run` would take */
};

/* Adds a line; `todo` NULL: nothing to do. */
struct check_line *check_add(struct check_report *report, const char *check, const char *name,
			     enum check_state state, const char *todo, const char *format, ...)
	__attribute__((format(printf, 6, 7)));

/* Adds all lines. True: each asked probe can run on the asked scope. */
bool check_all(struct check_report *report, const struct check_question *question);

/*
 * Starts a probe on the scope for a moment, the only proof that it can run. Fills ret_how as
 * `ready` would say it. 0 or -errno (logged).
 */
int check_start(const struct check_question *question, uint32_t probe, char ret_how[PROBE_HOW]);

/* Prints to stdout. 0 or -errno. */
int check_print_table(const struct check_report *report, bool colour);
int check_print_json(const struct check_report *report);

#endif
