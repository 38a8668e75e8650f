/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel/refusal.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <bpf/libbpf.h>

#include "kernel/privileges.h"

/* The helper came with the other way of charging, in 5.11; libbpf asks the same way before it raises RLIMIT_MEMLOCK. */
bool refusal_charges_memlock(void)
{
	return libbpf_probe_bpf_helper(BPF_PROG_TYPE_SOCKET_FILTER, BPF_FUNC_ktime_get_coarse_ns,
				       NULL) != 1;
}

#define ENOTSUPP 524 /* the kernel's own, which user space has no name for */

const char *refusal_explain(int err, const char *btf, const char **ret_todo)
{
	struct privileges privileges;

	*ret_todo = NULL;
	if (err == -ENOMEM) {
		*ret_todo = "give it more memory";
		return strerror(-err);
	}
	if (err == -EMFILE || err == -ENFILE) {
		*ret_todo = "raise the limit of open files (ulimit -n)";
		return strerror(-err);
	}
	/* Programs that call the kernel's functions by name: add_kfunc_call() in kernel/bpf/verifier.c. */
	if (err == -ENOTSUPP) {
		*ret_todo = "sysctl net.core.bpf_jit_enable=1, or --btf /sys/kernel/btf/vmlinux";
		return "the kernel's compiler of BPF programs (JIT) is off or was not built in";
	}
	privileges_read(&privileges);
	if (err == -EPERM && privileges.bpf != BPF_REACHED)
		return bpf_access_explain(privileges.bpf, ret_todo);
	if (err == -EPERM && !privileges_have(&privileges, CAP_BPF))
		return bpf_access_explain(
			privileges.initial_user_ns ? BPF_NO_CAPABILITY : BPF_NO_USER_NS, ret_todo);
	if (access("/sys/kernel", F_OK)) {
		*ret_todo = "mount sysfs at /sys";
		return "the kernel's types are read from /sys/kernel/btf, and /sys is not mounted";
	}
	/* It takes helpers away: by the kernel's age that is EPERM, EACCES or EINVAL. */
	if (strcmp(privileges.lockdown, "confidentiality") == 0) {
		*ret_todo = "boot with lockdown=integrity, or without lockdown";
		return "lockdown=confidentiality: programs may not read kernel memory";
	}
	/* Where the file has a field at another place, or not at all, the program is another one, which the verifier refuses. */
	if (btf && (err == -EINVAL || err == -EACCES || err == -ESRCH || err == -ESTALE)) {
		*ret_todo = "give the whole BTF of this very kernel's build (uname -r)";
		return "the kernel refuses the program as it is made by the file of --btf";
	}
	if (err == -EPERM && privileges.memlock != UINT64_MAX &&
	    !privileges_have(&privileges, CAP_SYS_RESOURCE) && refusal_charges_memlock()) {
		*ret_todo = "raise it: ulimit -l unlimited, --ulimit memlock=-1, or "
			    "LimitMEMLOCK=infinity of the engine or service";
		return "this kernel charges maps to RLIMIT_MEMLOCK (ulimit -l), which is too low";
	}
	return strerror(-err);
}
