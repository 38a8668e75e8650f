// SPDX-License-Identifier: Apache-2.0
#include "kernel/uprobe.h"

#include <errno.h>
#include <link.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

/* A program that does nothing. */
static int load_empty(enum bpf_attach_type attach_type)
{
	const struct bpf_insn instructions[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = attach_type);

	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, "ringside_try", "GPL", instructions, 2,
			     &options);
}

static int link_multi(int program, const char *path, unsigned long offset, bool leave)
{
	LIBBPF_OPTS(bpf_link_create_opts, options, .uprobe_multi.path = path,
		    .uprobe_multi.offsets = &offset, .uprobe_multi.cnt = 1,
		    .uprobe_multi.flags = leave ? BPF_F_UPROBE_MULTI_RETURN : 0);

	return bpf_link_create(program, 0, BPF_TRACE_UPROBE_MULTI, &options);
}

bool uprobe_has_multi(void)
{
	const int program = load_empty(BPF_TRACE_UPROBE_MULTI);
	int link;

	if (program < 0)
		return false;
	/* A directory is refused as no file (-EBADF) by a kernel that knows the link at all. */
	link = link_multi(program, "/", 0, false);
	close(program);
	if (link >= 0)
		close(link);
	return link == -EBADF;
}

/* What the child calls: its own function, so that nobody else meets the probe. */
__attribute__((noinline)) static int victim(int argument)
{
	__asm__ volatile("" : "+r"(argument)::"memory");
	return argument;
}

static int find_victim(struct dl_phdr_info *info, size_t size, void *context)
{
	const uintptr_t address = (uintptr_t)victim;
	unsigned long *offset = context;

	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		const uintptr_t start = info->dlpi_addr + header->p_vaddr;

		if (header->p_type == PT_LOAD && address >= start &&
		    address - start < header->p_filesz)
			*offset = address - start + header->p_offset;
	}
	return *offset != 0;
}

/* In the child: only exit and write are allowed from here on; anything else kills. */
static _Noreturn void be_victim(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_write, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {.len = sizeof(filter) / sizeof(filter[0]),
					   .filter = filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		syscall(SYS_exit_group, 0);
	syscall(SYS_exit_group, victim(0));
	for (;;)
		;
}

bool uprobe_return_is_safe(void)
{
	const bool multi = uprobe_has_multi();
	const int program = load_empty(multi ? BPF_TRACE_UPROBE_MULTI : 0);
	unsigned long offset = 0;
	int link, status = 1;
	pid_t child;

	dl_iterate_phdr(find_victim, &offset);
	if (program < 0 || !offset)
		goto out;
	/* Kernels without the link are older than the system call. Where it is refused, the family's own attach says why. */
	link = multi ? link_multi(program, "/proc/self/exe", offset, true) : -ENOTSUP;
	if (link < 0) {
		status = 0;
		goto out;
	}
	child = fork();
	if (child == 0)
		be_victim();
	if (child < 0 || waitpid(child, &status, 0) != child)
		status = 1;
	close(link);
out:
	if (program >= 0)
		close(program);
	return status == 0;
}
