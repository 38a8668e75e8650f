/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps getaddrinfo's programs attached to every file that a process in scope maps as code and that has the function. A process that
 * may have called before a file of it was attached, or whose resolver can't be seen, is reported (uncovered.h).
 * One thread.
 */
#ifndef RINGSIDE_PROBES_COVERAGE_H
#define RINGSIDE_PROBES_COVERAGE_H

#include <stdbool.h>
#include <stddef.h>

struct bpf_program;
struct coverage;
struct events;

struct coverage_config {
	struct events *events;
	struct bpf_program *enter;
	struct bpf_program *leave; /* NULL: no return probe may be attached */
	bool multi;		   /* uprobe_multi links, else perf events */
};

/* Attaches to what runs, and follows what comes. 0 or -errno; *ret_step says at which step. What config points to is borrowed. */
int coverage_start(const struct coverage_config *config, struct coverage **ret_coverage,
		   const char **ret_step);
/* Detaches all, once. */
void coverage_detach(struct coverage *coverage);
/* Detaches and frees; NULL is allowed. */
void coverage_free(struct coverage *coverage);

/* Readable when coverage_work has something to do. */
int coverage_fd(const struct coverage *coverage);
void coverage_work(struct coverage *coverage);
/* To be called about once a second. */
void coverage_refresh(struct coverage *coverage);

/* Files attached to. */
size_t coverage_files(const struct coverage *coverage);
/* How new files are found: "linker", "kprobe", or "start_only" where the kernel has none of these. */
const char *coverage_how(const struct coverage *coverage);

#endif
