/* SPDX-License-Identifier: Apache-2.0 */
/* The host's /proc, mounted into a container that has a PID namespace of its own (--proc). */
#ifndef RINGSIDE_KERNEL_HOST_PROC_H
#define RINGSIDE_KERNEL_HOST_PROC_H

/*
 * Why the directory is not the /proc of the initial PID namespace, or why processes can't be read in it, and what to do about
 * it; NULL: they can. Static texts, or good until strerror's next. What only BPF can tell is asked by the types in the file
 * `btf` (NULL: the kernel's own), and taken for right where BPF is refused.
 */
const char *host_proc_wrong(const char *directory, const char *btf, const char **ret_todo);

#endif
