/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tasks and their cgroups as the kernel has them, by the self-probe's two programs: our own task,
 * and the processes of our PID namespace or of the host. Errors are those of loading and running BPF.
 */
#ifndef RINGSIDE_SCOPE_TASKS_H
#define RINGSIDE_SCOPE_TASKS_H

#include <stdbool.h>
#include <stdint.h>

struct selfprobe_task;
struct tasks;

/* Which processes, and by what numbers: those of our PID namespace, or all by those of the initial one. */
enum tasks_of { TASKS_OURS, TASKS_HOST };

/*
 * Loads the programs, by the types in the file `btf` (NULL: the kernel's own). Where the kernel has no types of its own, or
 * refuses the iterator, processes are found by walks along the kernel's list. So they are for TASKS_HOST, which
 * is asked for in `most`: the iterator shows our PID namespace alone.
 */
int tasks_open(const char *btf, enum tasks_of most, struct tasks **ret_tasks);
void tasks_close(struct tasks *tasks);

int tasks_self(struct tasks *tasks, struct selfprobe_task *ret_task);

/*
 * Calls `visit` for each process, or for the one whose number is `wanted` (0: all), until it
 * returns true. 0, also where nothing was visited.
 */
typedef bool tasks_visit(void *context, const struct selfprobe_task *task);
int tasks_each(struct tasks *tasks, enum tasks_of of, uint32_t wanted, tasks_visit *visit,
	       void *context);

#endif
