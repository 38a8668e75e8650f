/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What differs by architecture, one part for each: the registers of a system call, how a 32-bit caller ("compat") is told, the
 * numbers of the calls that programs know, and the stack at a function's return. The kernel's types here are relocated by CO-RE.
 */
#ifndef RINGSIDE_ARCH_BPF_H
#define RINGSIDE_ARCH_BPF_H

#include <stdbool.h>
#include <linux/types.h>

#if defined(__TARGET_ARCH_x86)

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pt_regs {
	unsigned long r10;
	unsigned long r9;
	unsigned long r8;
	unsigned long ax;
	unsigned long cx;
	unsigned long dx;
	unsigned long si;
	unsigned long di;
	unsigned long orig_ax;
	unsigned long ip;
	unsigned long sp;
	unsigned long ss;
	unsigned long bp;
	unsigned long bx;
};

struct thread_info {
	__u32 status; /* bit 1, TS_COMPAT: in a 32-bit system call */
};

#pragma clang attribute pop

#define COMPAT_FIELD status
#define COMPAT_BIT   0x0002

/* Fields of pt_regs. */
#define CALL_NR		 orig_ax
#define CALL_ARG1	 di
#define CALL_ARG2	 si
#define CALL_ARG3	 dx
#define CALL_COMPAT_ARG1 bx
#define CALL_COMPAT_ARG2 cx
#define CALL_COMPAT_ARG3 dx

/* How much higher the stack pointer is at a function's return than at its entry: the address that was returned to. */
#define RETURN_POPS sizeof(long)

/* write, pwrite64; then writev, pwritev, pwritev2. */
static __always_inline bool is_write(__u64 nr, bool compat, bool *ret_vector)
{
	if (compat) {
		*ret_vector = nr == 146 || nr == 334 || nr == 379;
		return nr == 4 || nr == 181 || *ret_vector;
	}
	*ret_vector = nr == 20 || nr == 296 || nr == 328;
	return nr == 1 || nr == 18 || *ret_vector;
}

/* fork, clone, vfork, clone3 */
static __always_inline bool is_clone(__u64 nr, bool compat)
{
	return compat ? nr == 2 || nr == 120 || nr == 190 || nr == 435
		      : nr == 56 || nr == 57 || nr == 58 || nr == 435;
}

/* exit, exit_group */
static __always_inline bool is_exit(__u64 nr, bool compat)
{
	return compat ? nr == 1 || nr == 252 : nr == 60 || nr == 231;
}

#define NR_RT_SIGRETURN(compat) ((compat) ? 173 : 15)

#elif defined(__TARGET_ARCH_arm64)

/* As user space has it, and so in each kernel alike: what bpf_tracing.h looks at. */
struct user_pt_regs {
	__u64 regs[31];
	__u64 sp;
	__u64 pc;
	__u64 pstate;
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct pt_regs {
	__u64 regs[31];
	__u64 orig_x0;
	__s32 syscallno;
};

struct thread_info {
	unsigned long flags; /* bit 22, TIF_32BIT: an AArch32 task */
};

#pragma clang attribute pop

#define COMPAT_FIELD flags
#define COMPAT_BIT   (1ul << 22)

#define CALL_NR		 syscallno
#define CALL_ARG1	 orig_x0 /* the first register has what is returned */
#define CALL_ARG2	 regs[1]
#define CALL_ARG3	 regs[2]
#define CALL_COMPAT_ARG1 CALL_ARG1
#define CALL_COMPAT_ARG2 CALL_ARG2
#define CALL_COMPAT_ARG3 CALL_ARG3

#define RETURN_POPS 0

static __always_inline bool is_write(__u64 nr, bool compat, bool *ret_vector)
{
	if (compat) {
		*ret_vector = nr == 146 || nr == 362 || nr == 393;
		return nr == 4 || nr == 181 || *ret_vector;
	}
	*ret_vector = nr == 66 || nr == 70 || nr == 287;
	return nr == 64 || nr == 68 || *ret_vector;
}

/* clone, clone3; AArch32 has fork and vfork too. */
static __always_inline bool is_clone(__u64 nr, bool compat)
{
	return compat ? nr == 2 || nr == 120 || nr == 190 || nr == 435 : nr == 220 || nr == 435;
}

static __always_inline bool is_exit(__u64 nr, bool compat)
{
	return compat ? nr == 1 || nr == 248 : nr == 93 || nr == 94;
}

#define NR_RT_SIGRETURN(compat) ((compat) ? 173 : 139)

#else
#error "no part for this architecture"
#endif

#endif
