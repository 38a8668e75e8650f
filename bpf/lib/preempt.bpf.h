/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Uprobe programs can be preempted (6.0, 8c7dcb84e3b7, "bpf: implement sleepable uprobes by chaining gps"). That is no harm to what
 * they hold by a claim, but since 6.13 (e00931c02568, "bpf: Enable private stack for eligible subprogs") a program's stack may be
 * the CPU's, not the task's: the kernel takes them for kprobes, which are never entered twice on one CPU. Two threads then write
 * over each other's variables. So the outermost function of such a program has no variables, and does the rest in a function of
 * its own, in between these two (6.10, fc7566ad0a82, "bpf: Introduce bpf_preempt_[disable,enable] kfuncs"). Not before 6.13: there
 * the verifier lets nobody who holds the CPU call a global function (until b2bb703434bc, "bpf: Summarize sleepable global
 * subprogs").
 */
#ifndef RINGSIDE_PREEMPT_BPF_H
#define RINGSIDE_PREEMPT_BPF_H

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#ifdef RUNG_RAW_TP
static __always_inline void preempt_disable(void)
{
}

static __always_inline void preempt_enable(void)
{
}
#else
extern void bpf_preempt_disable(void) __ksym __weak;
extern void bpf_preempt_enable(void) __ksym __weak;

struct bpf_prog_aux___private_stack {
	void *priv_stack_ptr;
} __attribute__((preserve_access_index));

static __always_inline void preempt_disable(void)
{
	if (bpf_core_field_exists(struct bpf_prog_aux___private_stack, priv_stack_ptr) &&
	    bpf_ksym_exists(bpf_preempt_disable))
		bpf_preempt_disable();
}

static __always_inline void preempt_enable(void)
{
	if (bpf_core_field_exists(struct bpf_prog_aux___private_stack, priv_stack_ptr) &&
	    bpf_ksym_exists(bpf_preempt_disable))
		bpf_preempt_enable();
}
#endif

#endif
