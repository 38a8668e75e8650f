/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of the kernel's functions by their addresses, as /proc/kallsyms lists them at one moment: read once, kept in two arrays
 * and one text of exactly the size needed. What was loaded into the kernel later has no name, never a wrong one: the last function
 * of the kernel and of each module reaches to the end of its page, no further. Not thread-safe while it is read.
 */
#ifndef RINGSIDE_KERNEL_KALLSYMS_H
#define RINGSIDE_KERNEL_KALLSYMS_H

#include <stddef.h>
#include <stdint.h>

#define KALLSYMS_PATH "/proc/kallsyms"
#define KALLSYMS_NAME 128 /* longest name that is kept, with its NUL; what is over is cut off */

struct kallsyms;

/* 0; -EACCES: all addresses are hidden; -errno of reading. */
int kallsyms_new(const char *path, struct kallsyms **ret_kallsyms);
void kallsyms_free(struct kallsyms *kallsyms);

/* Bytes that kallsyms_new would allocate, and how many functions it would know. The same errors. */
int kallsyms_measure(const char *path, size_t *ret_bytes, size_t *ret_count);

/*
 * The function that an address is in (good for the table's life), and how far; NULL: not known. "[bpf]" and 0 for a BPF program.
 */
const char *kallsyms_find(const struct kallsyms *kallsyms, uint64_t address, uint64_t *ret_offset);

#endif
