// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Tells the reader of files that a process in scope maps as code and that it has not looked at yet. Where programs can walk the
 * mappings (6.7) and see the start of an exec (6.10), that is done at exec and where the dynamic linker says that it has
 * mapped something; else a kprobe sees each mapping.
 */
#include "kernel.bpf.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>

#include "image_notice.h"
#include "event.bpf.h"
#include "preempt.bpf.h"
#include "rung.bpf.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#define VM_EXEC	      0x00000004
#define FMODE_BACKING (1 << 25)
#define LOCK_TRIES    32
#define DEPTH	      48 /* names and mount points of a path */

/* The sidecar reads processes in the host's /proc, not in that of its own PID namespace. */
const volatile bool host_proc = false;
/* Notices that found no room: the reader looks at all processes then. */
__u64 notices_lost = 0;

/* Files that the reader has looked at, and when: CLOCK_BOOTTIME ns. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct image_key);
	__type(value, __u64);
} known SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 128 * 1024);
} notices SEC(".maps");

/* Processes that came into the scope, by tgid, and when, or ARRIVAL_WALKED. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} arrived SEC(".maps");

/* When the linker of a process last said that it had mapped something, by tgid. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} linked SEC(".maps");

/* Where struct inode keeps the time of the last change: since 6.11, since 6.7, before. */
struct inode___split {
	__s64 i_mtime_sec;
	__u32 i_mtime_nsec;
} __attribute__((preserve_access_index));

struct inode___private {
	struct timespec64 __i_mtime;
} __attribute__((preserve_access_index));

static __always_inline __s64 changed_ns(const struct inode *inode)
{
	const struct inode___split *split = (const void *)inode;
	const struct inode___private *private = (const void *)inode;

	if (bpf_core_field_exists(split->i_mtime_sec))
		return BPF_CORE_READ(split, i_mtime_sec) * 1000000000 +
		       BPF_CORE_READ(split, i_mtime_nsec);
	if (bpf_core_field_exists(private->__i_mtime))
		return BPF_CORE_READ(private, __i_mtime.tv_sec) * 1000000000 +
		       BPF_CORE_READ(private, __i_mtime.tv_nsec);
	return BPF_CORE_READ(inode, i_mtime.tv_sec) * 1000000000 +
	       BPF_CORE_READ(inode, i_mtime.tv_nsec);
}

/*
 * The path of the file at `address` into the notice in a scratch slot: as d_path gives it, but from the file upwards and without
 * regard for chroot. A global function, which is verified once: within the walks it made the verifier keep 13,000
 * states, over 100 MiB that are charged to our cgroup.
 */
__noinline int notice_path(__u32 slot, __u64 address)
{
	struct image_notice *notice = bpf_map_lookup_elem(&scratches, &slot);
	const struct file *file = (const void *)address;
	const struct backing_file *backing = (const void *)file;
	const __u64 in_mount = bpf_core_field_offset(struct mount, mnt);
	const void *mount = BPF_CORE_READ(file, f_path.mnt);
	const struct dentry *dentry = BPF_CORE_READ(file, f_path.dentry);
	__u32 used = 0;

	if (!notice)
		return 0;
	/* A file of an overlay: what its user opened. */
	if (bpf_core_field_exists(backing->user_path) &&
	    BPF_CORE_READ(file, f_mode) & FMODE_BACKING) {
		mount = BPF_CORE_READ(backing, user_path.mnt);
		dentry = BPF_CORE_READ(backing, user_path.dentry);
	}
	notice->path_length = 0;
	for (int i = 0; i < DEPTH; i++) {
		const struct dentry *parent = BPF_CORE_READ(dentry, d_parent);
		const void *name;
		long length;
		__u32 at;

		if (dentry == BPF_CORE_READ((const struct vfsmount *)mount, mnt_root)) {
			const struct mount *here = mount - in_mount;
			const void *outer = BPF_CORE_READ(here, mnt_parent);

			if (outer == here && used) {
				notice->path_length = used;
				return 0;
			}
			if (outer != here) {
				dentry = BPF_CORE_READ(here, mnt_mountpoint);
				mount = outer + in_mount;
				continue;
			}
			/* A detached mount of a single file: where it is in its file system. */
		}
		name = BPF_CORE_READ(dentry, d_name.name);
		at = used;
		/* Check and use in one register: 5.10 and 6.1 forget it about a value on the stack. */
		barrier_var(at);
		if (at >= NOTICE_PATH - NOTICE_NAME)
			return 0;
		length = bpf_probe_read_kernel_str(notice->path + at, NOTICE_NAME, name);
		if (length <= 0)
			return 0;
		used += length & (2 * NOTICE_NAME - 1);
		/* The file system's own root, or in no directory: memfd_create(2). */
		if (dentry == parent) {
			notice->path_length = used;
			return 0;
		}
		dentry = parent;
	}
	return 0;
}

/* As the /proc that the sidecar reads shows it; 0: it does not. */
static __always_inline __u32 proc_number(const struct task_struct *task)
{
	return pidns_level && !host_proc ? scope_ns_pid(task) : (__u32)BPF_CORE_READ(task, pid);
}

/* `mapping` NULL: of the whole task. */
static __always_inline void send_notice(const struct task_struct *task, const struct image_key *key,
					const struct file *file,
					const struct vm_area_struct *mapping, __u64 since_ns,
					enum notice_of of)
{
	struct image_notice *notice;
	__u32 slot, length;

	notice = (struct image_notice *)scratch_claim(&slot);
	if (!notice) {
		__sync_fetch_and_add(&notices_lost, 1);
		return;
	}
	notice->of = of;
	notice->tgid = BPF_CORE_READ(task, tgid);
	notice->pid = proc_number(BPF_CORE_READ(task, group_leader));
	notice->parent = proc_number(BPF_CORE_READ(task, real_parent, group_leader));
	notice->reserved = 0;
	notice->time_ns = since_ns;
	notice->start_time = BPF_CORE_READ(task, group_leader, start_boottime);
	notice->start = mapping ? BPF_CORE_READ(mapping, vm_start) : 0;
	notice->end = mapping ? BPF_CORE_READ(mapping, vm_end) : 0;
	notice->file = *key;
	notice->path_length = 0;
	/* A global function takes numbers, and `file` may be a pointer to the verifier. */
	notice_path(slot, (__u64)(mapping ? BPF_CORE_READ(mapping, vm_file) : file));
	length = offsetof(struct image_notice, path) + notice->path_length;
	if (bpf_ringbuf_output(&notices, notice, length & (SCRATCH_SIZE - 1), BPF_RB_FORCE_WAKEUP))
		__sync_fetch_and_add(&notices_lost, 1);
	scratch_release(slot);
}

static __always_inline void fill_key(struct image_key *key, const struct file *file)
{
	const struct inode *inode = BPF_CORE_READ(file, f_inode);

	key->address = (__u64)inode;
	key->inode = BPF_CORE_READ(inode, i_ino);
	key->size = BPF_CORE_READ(inode, i_size);
	key->changed_ns = changed_ns(inode);
}

static __always_inline void look_mapping(const struct file *file, __u64 flags,
					 const struct vm_area_struct *mapping, __u64 since_ns,
					 enum notice_of of)
{
	struct image_key key;
	__u64 *looked;

	if (!file || !(flags & VM_EXEC))
		return;
	fill_key(&key, file);
	looked = bpf_map_lookup_elem(&known, &key);
	if (!looked || *looked > since_ns)
		send_notice((void *)bpf_get_current_task(), &key, file, mapping, since_ns, of);
}

static __always_inline void look_whole(const struct task_struct *task, enum notice_of of)
{
	const struct file *file = BPF_CORE_READ(task, mm, exe_file);
	struct image_key key;

	fill_key(&key, file);
	send_notice(task, &key, file, NULL, bpf_ktime_get_boot_ns(), of);
}

static __always_inline bool current_inside(void)
{
	struct scope_match match;

	return scope_current(&match) && !scope_self(bpf_get_current_pid_tgid() >> 32);
}

#ifdef RUNG_RAW_TP
/* No walk is possible, and none of the programs that would walk is loaded. */
static __always_inline bool look_current(__u64 since_ns, enum notice_of of)
{
	return false;
}
#else
/* struct bpf_iter_task_vma of the kernel's headers since 6.7. */
struct bpf_iter_task_vma {
	__u64 opaque[1];
} __attribute__((aligned(8)));
extern int bpf_iter_task_vma_new(struct bpf_iter_task_vma *it, struct task_struct *task,
				 __u64 address) __ksym __weak;
extern struct vm_area_struct *bpf_iter_task_vma_next(struct bpf_iter_task_vma *it) __ksym __weak;
extern void bpf_iter_task_vma_destroy(struct bpf_iter_task_vma *it) __ksym __weak;

/* What the current task maps since `since_ns`. False: it is outside the scope, or no walk was possible. */
static __always_inline bool look_current(__u64 since_ns, enum notice_of of)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct vm_area_struct *mapping;
	struct bpf_iter_task_vma it;
	bool walks;

	if (!current_inside())
		return false;
	/* The mappings may be locked, for a moment: by another thread, or by probes that somebody attaches to them now. */
	walks = !bpf_iter_task_vma_new(&it, task, 0);
	for (int i = 0; i < LOCK_TRIES && !walks; i++) {
		bpf_iter_task_vma_destroy(&it);
		walks = !bpf_iter_task_vma_new(&it, task, 0);
	}
	if (!walks)
		look_whole(task, of == NOTICE_EXEC ? NOTICE_UNWALKED : NOTICE_WHOLE);
	while ((mapping = bpf_iter_task_vma_next(&it)))
		look_mapping(mapping->vm_file, mapping->vm_flags, mapping, since_ns, of);
	bpf_iter_task_vma_destroy(&it);
	return walks;
}
#endif

/* The last moment of the mappings of who came into the scope: it may be gone before the reader has looked. */
static __always_inline void look_arrived(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u64 *arrival = bpf_map_lookup_elem(&arrived, &tgid);

	if (arrival && *arrival != ARRIVAL_WALKED && look_current(*arrival, NOTICE_FILE))
		*arrival = ARRIVAL_WALKED;
}

SEC_TRACEPOINT("sched_prepare_exec")
int images_prepare_exec(void *ctx)
{
	look_arrived();
	return 0;
}

/* Before 6.16 the mappings are gone here: the process is reported. */
SEC_TRACEPOINT("sched_process_exit")
int images_exit(void *ctx)
{
	const struct task_struct *task = (void *)bpf_get_current_task();

	if (!BPF_CORE_READ(task, signal, live.counter))
		look_arrived();
	return 0;
}

SEC_TRACEPOINT("sched_process_exec")
int images_exec(void *ctx)
{
	look_current(bpf_ktime_get_boot_ns(), NOTICE_EXEC);
	return 0;
}

/*
 * The dynamic linker calls an empty function for debuggers before and after it maps libraries: <link.h>, r_brk. A program on sys_exit
 * would see mmap(2) instead, but costs every system call of the host about 100 ns.
 */
static __noinline int look_linked(void)
{
	__u32 tgid = bpf_get_current_pid_tgid() >> 32;
	__u64 now = bpf_ktime_get_boot_ns();

	if (look_current(now, NOTICE_FILE))
		bpf_map_update_elem(&linked, &tgid, &now, BPF_ANY);
	return 0;
}

SEC("uprobe")
int images_linked(void *ctx)
{
	preempt_disable();
	look_linked();
	preempt_enable();
	return 0;
}

/* Instead of all these, where programs can't walk. */
SEC("kprobe/uprobe_mmap")
int BPF_KPROBE(images_mapped, const struct vm_area_struct *mapping)
{
	__u64 flags = BPF_CORE_READ(mapping, vm_flags);

	if (flags & VM_EXEC && current_inside())
		look_mapping(BPF_CORE_READ(mapping, vm_file), flags, mapping,
			     bpf_ktime_get_boot_ns(), NOTICE_FILE);
	return 0;
}

/* It may have mapped anything before. */
static __always_inline void note_arrival(const struct task_struct *task)
{
	__u32 tgid = BPF_CORE_READ(task, tgid);
	__u64 now = bpf_ktime_get_boot_ns();
	struct scope_match match;

	if (!BPF_CORE_READ(task, mm) || !scope_task(task, &match) || scope_self(tgid))
		return;
	bpf_map_update_elem(&arrived, &tgid, &now, BPF_ANY);
	look_whole(task, NOTICE_WHOLE);
}

/* Interrupts are off here: the unlocking after a walk could be late by a tick, and the process would stand. */
SEC_TRACEPOINT("cgroup_attach_task")
int BPF_PROG(images_arrived, struct cgroup *cgroup, const char *path, struct task_struct *task)
{
	note_arrival(task);
	return 0;
}

/* CLONE_INTO_CGROUP */
SEC_TRACEPOINT("sched_process_fork")
int BPF_PROG(images_forked, struct task_struct *parent, struct task_struct *child)
{
	struct scope_match match;

	if (BPF_CORE_READ(child, pid) == BPF_CORE_READ(child, tgid) && !scope_current(&match))
		note_arrival(child);
	return 0;
}

/* The processes in scope that the sidecar's /proc shows. */
SEC("iter/task")
int images_scan(struct bpf_iter__task *ctx)
{
	const struct task_struct *task = ctx->task;
	struct image_scanned scanned = {};
	struct scope_match match;

	barrier_var(
		task); /* or the compiler loads it twice, and the verifier has checked the other one */
	if (!task || BPF_CORE_READ(task, pid) != BPF_CORE_READ(task, tgid) ||
	    !BPF_CORE_READ(task, mm))
		return 0;
	scanned.pid = proc_number(task);
	scanned.tgid = BPF_CORE_READ(task, tgid);
	scanned.start_time = BPF_CORE_READ(task, start_boottime);
	if (scanned.pid && scope_task(task, &match) && !scope_self(scanned.tgid))
		bpf_seq_write(ctx->meta->seq, &scanned, sizeof(scanned));
	return 0;
}
