// SPDX-License-Identifier: Apache-2.0
#include "kernel/privileges.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/capability.h>

/* PROC_USER_INIT_INO: the inode of the initial user namespace, the same on every kernel. */
#define INITIAL_USER_NS 0xEFFFFFFDu
/* A command that no kernel has: one that lets it through answers EINVAL. */
#define BPF_NO_COMMAND 9999

static uint64_t capabilities_read(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {};

	if (syscall(SYS_capget, &header, data))
		return 0;
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}

static int seccomp_read(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	char line[256];
	int mode = -1;

	if (!file)
		return -1;
	while (mode < 0 && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "Seccomp:", 8) == 0)
			mode = atoi(line + 8);
	}
	fclose(file);
	return mode;
}

/* The file reads `none [integrity] confidentiality`. */
static void lockdown_read(char *ret_state, size_t size)
{
	FILE *file = fopen("/sys/kernel/security/lockdown", "re");
	char line[128], *start;

	ret_state[0] = '\0';
	if (!file)
		return;
	if (fgets(line, sizeof(line), file) && (start = strchr(line, '['))) {
		start++;
		start[strcspn(start, "]")] = '\0';
		snprintf(ret_state, size, "%s", start);
	}
	fclose(file);
}

static bool perf_by_admin_read(void)
{
	FILE *file = fopen("/proc/sys/kernel/perf_event_paranoid", "re");
	int level = 0;

	if (!file)
		return false;
	if (fscanf(file, "%d", &level) != 1)
		level = 0;
	fclose(file);
	return level > 2;
}

bool privileges_have(const struct privileges *privileges, unsigned int capability)
{
	uint64_t held = privileges->capabilities;
	bool admin = held & 1ull << CAP_SYS_ADMIN;

	if (!privileges->initial_user_ns)
		return false;
	return held & 1ull << capability ||
	       (admin && (capability == CAP_BPF || capability == CAP_PERFMON));
}

static enum bpf_access bpf_try(const struct privileges *privileges)
{
	if (syscall(SYS_bpf, BPF_NO_COMMAND, NULL, 0) == 0 || errno == EINVAL)
		return BPF_REACHED;
	if (errno == ENOSYS && privileges->seccomp != 2)
		return BPF_ABSENT;
	if (privileges_have(privileges, CAP_BPF))
		return privileges->seccomp == 2 ? BPF_FILTERED : BPF_REFUSED;
	if (!privileges->initial_user_ns &&
	    privileges->capabilities & (1ull << CAP_BPF | 1ull << CAP_SYS_ADMIN))
		return BPF_NO_USER_NS;
	return BPF_NO_CAPABILITY;
}

const char *bpf_access_explain(enum bpf_access access, const char **ret_todo)
{
	static const struct {
		const char *why, *todo;
	} texts[] = {
		[BPF_REACHED] = {"the system call reaches the kernel", NULL},
		[BPF_FILTERED] =
			{"the capability is held, and yet it is refused: a seccomp filter",
			 "--security-opt seccomp=unconfined, or a profile that allows bpf and "
			 "perf_event_open; or a newer engine, whose default follows CAP_BPF"},
		[BPF_NO_CAPABILITY] =
			{"neither CAP_BPF nor CAP_SYS_ADMIN is held",
			 "run as root, with --cap-add BPF --cap-add PERFMON (or SYS_ADMIN)"},
		[BPF_NO_USER_NS] =
			{"the capabilities are held in a user namespace, where they do not count",
			 "run it in the initial user namespace: not rootless"},
		[BPF_REFUSED] = {"refused, although the capability is held and no filter is seen",
				 "look for a security module's denial in the kernel log"},
		[BPF_ABSENT] = {"this kernel has no bpf()",
				"boot a kernel with CONFIG_BPF_SYSCALL=y"},
	};

	*ret_todo = texts[access].todo;
	return texts[access].why;
}

void privileges_read(struct privileges *ret_privileges)
{
	struct privileges privileges = {};
	struct rlimit limit;
	struct stat st;

	privileges.capabilities = capabilities_read();
	privileges.seccomp = seccomp_read();
	/* Where it can't be seen, it is taken for the initial one: most are. */
	privileges.initial_user_ns =
		stat("/proc/self/ns/user", &st) || st.st_ino == INITIAL_USER_NS;
	privileges.bpf = bpf_try(&privileges);
	lockdown_read(privileges.lockdown, sizeof(privileges.lockdown));
	privileges.memlock = UINT64_MAX;
	if (!getrlimit(RLIMIT_MEMLOCK, &limit) && limit.rlim_cur != RLIM_INFINITY)
		privileges.memlock = limit.rlim_cur;
	privileges.perf_by_admin = perf_by_admin_read();
	*ret_privileges = privileges;
}
