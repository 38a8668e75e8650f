/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Just the kernel's types and fields that we read, relocated to the running kernel by CO-RE: no vmlinux.h, no BTF on the
 * machine that builds. Include this first in every BPF program.
 */
#ifndef RINGSIDE_KERNEL_BPF_H
#define RINGSIDE_KERNEL_BPF_H

#define __VMLINUX_H__ /* bpf_tracing.h: pt_regs has the kernel's field names */

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>
#include <linux/bpf.h>
#include <linux/errno.h>

#include "arch.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct list_head {
	struct list_head *next;
};

struct ns_common {
	unsigned int inum;
};

struct pid_namespace {
	struct ns_common ns;
};

struct upid {
	int nr;
	struct pid_namespace *ns;
};

struct pid {
	unsigned int level;
	struct upid numbers[1];
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
};

struct vfsmount {
	struct dentry *mnt_root;
};

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
};

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
};

struct timespec64 {
	__s64 tv_sec;
	long tv_nsec;
};

struct inode {
	unsigned long i_ino;
	__s64 i_size;
	struct timespec64 i_mtime; /* until 6.6 */
};

struct file {
	unsigned int f_mode;
	struct path f_path;
	struct inode *f_inode; /* of an overlay: the file below */
};

/* What an overlay maps, since 6.8: f_path is the file below then. */
struct backing_file {
	struct file file;
	struct path user_path;
};

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_flags;
	struct file *vm_file;
};

struct mm_struct {
	unsigned long arg_start;
	unsigned long arg_end;
	struct file *exe_file;
};

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live;
	struct list_head thread_head;
	int group_exit_code;
	unsigned int flags;   /* bit 2, SIGNAL_GROUP_EXIT */
	unsigned long maxrss; /* pages */
	unsigned long long sum_sched_runtime;
};

struct sched_entity {
	__u64 sum_exec_runtime;
};

typedef struct {
	unsigned int val;
} kuid_t;

typedef struct {
	unsigned int val;
} kgid_t;

struct cred {
	kuid_t uid;
	kgid_t gid;
};

struct task_struct {
	struct thread_info thread_info;
	void *stack;
	unsigned int flags;
	struct sched_entity se;
	struct mm_struct *mm;
	int exit_code;
	int pid;
	int tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	struct list_head thread_node;
	__u64 start_boottime;
	const struct cred *real_cred;
	char comm[16];
	struct signal_struct *signal;
};

struct linux_binprm {
	struct file *file;
	const char *filename; /* as given to exec */
	const char *interp;   /* of a script: its interpreter; else as filename */
};

struct bpf_iter_meta {
	struct seq_file *seq;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

#pragma clang attribute pop

#define PF_KTHREAD	  0x00200000
#define SIGNAL_GROUP_EXIT 0x00000004

#endif
