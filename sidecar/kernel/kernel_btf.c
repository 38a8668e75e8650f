// SPDX-License-Identifier: Apache-2.0
#include "kernel/kernel_btf.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <bpf/btf.h>

#include "kernel/self.h"

bool kernel_btf_is_there(void)
{
	return !access("/sys/kernel/btf/vmlinux", F_OK) || access("/sys/kernel", F_OK);
}

struct btf *kernel_btf_load(const char *file)
{
	return file ? btf__parse(file, NULL) : btf__load_vmlinux_btf();
}

const char *kernel_btf_wrong(const char *file)
{
	const int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct self_process self;
	struct btf *btf;
	char byte;
	int err;

	/* libbpf's errors do not say as much. */
	err = fd < 0 || read(fd, &byte, 1) < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	if (err)
		return strerror(err);
	btf = kernel_btf_load(file);
	if (!btf)
		return "it holds no BTF, neither raw nor in an ELF file's section .BTF";
	err = btf__find_by_name_kind(btf, "task_struct", BTF_KIND_STRUCT);
	btf__free(btf);
	if (err < 0)
		return "the types in it are not those of a kernel";
	err = self_read(file, &self);
	if (err == -ESTALE || err == -EINVAL || err == -ESRCH || err == -ENOENT)
		return "it describes another kernel than the one that runs: what the program "
		       "own_task reads by it is wrong";
	return NULL;
}

const char *kernel_btf_rung(const char *file)
{
	return file ? "raw_tp" : "tp_btf";
}

int kernel_btf_open(struct bpf_object_skeleton *skeleton, const char *file, const void *bytes,
		    size_t size)
{
	LIBBPF_OPTS(bpf_object_open_opts, options, .btf_custom_path = file);

	if (file) {
		skeleton->data = (void *)(uintptr_t)bytes;
		skeleton->data_sz = size;
	}
	return bpf_object__open_skeleton(skeleton, &options);
}
