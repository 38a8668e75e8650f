/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Fields of the kernel's objects, by their addresses: LOAD(struct cgroup, address, level). Since 6.2 (a35b9af4ec2c, "bpf: Add a
 * kfunc for generic type cast") this is a load of the machine, before it and without the kernel's own types the helper
 * bpf_probe_read_kernel: a call and its returns, each of which costs up to 20 ns where returns are guarded (x86's "Safe RET").
 * What can't be read, such as a NULL object's fields, is 0. Fields have 4 or 8 bytes.
 *
 * A program that is compiled once for all kernels defines LOAD_BY_HELPER.
 */
#ifndef RINGSIDE_LOAD_BPF_H
#define RINGSIDE_LOAD_BPF_H

#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>

#if defined(RUNG_RAW_TP) || defined(LOAD_BY_HELPER)
static __always_inline bool loads_are_free(void)
{
	return false;
}

static __always_inline __u64 load_cast(const void *address)
{
	return 0;
}
#else
extern void *bpf_rdonly_cast(const void *object, __u32 type) __ksym __weak;

/* Any type of the kernel that begins with a number of 8 bytes: that of a pointer could not be reckoned with. */
struct timespec64___word {
	__u64 tv_sec;
} __attribute__((preserve_access_index));

static __always_inline bool loads_are_free(void)
{
	return bpf_ksym_exists(bpf_rdonly_cast);
}

static __always_inline __u64 load_cast(const void *address)
{
	const struct timespec64___word *cast =
		bpf_rdonly_cast(address, bpf_core_type_id_kernel(struct timespec64___word));

	return cast->tv_sec;
}
#endif

static __always_inline __u64 load_word(const void *address)
{
	__u64 word = 0;

	if (loads_are_free())
		return load_cast(address);
	bpf_probe_read_kernel(&word, sizeof(word), address);
	return word;
}

#define LOAD(type, object, field)                                                                  \
	((typeof(((type *)0)->field))load_word((const void *)(object) +                            \
					       bpf_core_field_offset(type, field)))

#endif
