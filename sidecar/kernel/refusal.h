/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why the kernel refuses a program or a map, as far as it can be found out afterwards: a missing
 * capability, a filter, a lockdown and locked memory may all be EPERM.
 */
#ifndef RINGSIDE_KERNEL_REFUSAL_H
#define RINGSIDE_KERNEL_REFUSAL_H

#include <stdbool.h>

/*
 * In words, for -errno, and what to do (NULL: nothing is known). Both are static, or good until
 * strerror's next text. `btf`: the file that the kernel's types were taken from, or NULL.
 */
const char *refusal_explain(int err, const char *btf, const char **ret_todo);

/* This kernel charges maps to RLIMIT_MEMLOCK, not to the cgroup. */
bool refusal_charges_memlock(void);

#endif
