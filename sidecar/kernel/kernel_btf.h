/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's types: its own, or where it has none (CONFIG_DEBUG_INFO_BTF) those in a file that the user gives. `file` is that file
 * everywhere, or NULL. It decides on the rung that programs take: typed tracepoints, or by a file raw tracepoints.
 */
#ifndef RINGSIDE_KERNEL_KERNEL_BTF_H
#define RINGSIDE_KERNEL_KERNEL_BTF_H

#include <stdbool.h>
#include <stdlib.h>
#include <bpf/libbpf.h>

struct btf;

/* False: without a file nothing can be loaded. True too where that cannot be seen, /sys not being mounted. */
bool kernel_btf_is_there(void);
/* NULL: see errno. Free with btf__free. */
struct btf *kernel_btf_load(const char *file);
/* Whether programs can be loaded by it. NULL; else why not (static, or good until strerror's next text). */
const char *kernel_btf_wrong(const char *file);
/* "tp_btf" or "raw_tp", for `ready` and `check`. */
const char *kernel_btf_rung(const char *file);

/* Opens the skeleton of an object; `bytes` are those of its other compilation (bpf/lib/rung.bpf.h), which is taken by a file. */
int kernel_btf_open(struct bpf_object_skeleton *skeleton, const char *file, const void *bytes,
		    size_t size);

/* As name_bpf__open(), for an object that is compiled twice. NULL: see errno. */
#define KERNEL_BTF_OPEN(name, file)                                                                \
	({                                                                                         \
		struct name##_bpf *object_ = calloc(1, sizeof(*object_));                          \
		size_t size_ = 0;                                                                  \
		const void *bytes_ = name##_raw__elf_bytes(&size_);                                \
		int err_ = object_ ? name##_bpf__create_skeleton(object_) : -ENOMEM;               \
                                                                                                   \
		if (!err_)                                                                         \
			err_ = kernel_btf_open(object_->skeleton, file, bytes_, size_);            \
		if (err_) {                                                                        \
			name##_bpf__destroy(object_);                                              \
			object_ = NULL;                                                            \
			errno = -err_;                                                             \
		}                                                                                  \
		object_;                                                                           \
	})

#endif
