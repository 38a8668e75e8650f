/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this process may do, as the kernel says: capabilities, seccomp, user namespace, lockdown,
 * locked memory.
 */
#ifndef RINGSIDE_KERNEL_PRIVILEGES_H
#define RINGSIDE_KERNEL_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How far bpf() gets. An engine's filter and a missing capability both give EPERM, and differ in
 * what to do.
 */
enum bpf_access {
	BPF_REACHED,
	BPF_FILTERED,	   /* the capability is held, and yet it is refused: seccomp */
	BPF_NO_CAPABILITY, /* neither CAP_BPF nor CAP_SYS_ADMIN */
	BPF_NO_USER_NS,	   /* held in a user namespace only, where it does not count */
	BPF_REFUSED,	   /* a security module, or no reason that can be seen */
	BPF_ABSENT,	   /* a kernel without bpf() */
};

#define PERF_BY_ADMIN_TODO "grant CAP_SYS_ADMIN (kernel.perf_event_paranoid is above 2)"

struct privileges {
	uint64_t capabilities; /* effective: bit number = CAP_* */
	int seccomp;	       /* 0 none, 1 strict, 2 filter, -1 not known */
	bool initial_user_ns;
	enum bpf_access bpf;
	char lockdown[32]; /* none, integrity, confidentiality; empty: not visible */
	uint64_t memlock;  /* RLIMIT_MEMLOCK, bytes; UINT64_MAX: no limit */
	/* Perf events want CAP_SYS_ADMIN, not just CAP_PERFMON: Debian's and Ubuntu's kernels with
	 * kernel.perf_event_paranoid above 2. */
	bool perf_by_admin;
};

void privileges_read(struct privileges *ret_privileges);

/* In words, and what to do about it (NULL: nothing). */
const char *bpf_access_explain(enum bpf_access access, const char **ret_todo);

/* Whether it is held where it counts. CAP_SYS_ADMIN includes CAP_BPF and CAP_PERFMON. */
bool privileges_have(const struct privileges *privileges, unsigned int capability);

#endif
