/* SPDX-License-Identifier: Apache-2.0 */
/* What this kernel's uprobes can do, found by trying on the sidecar itself and on a child of its own. */
#ifndef RINGSIDE_KERNEL_UPROBE_H
#define RINGSIDE_KERNEL_UPROBE_H

#include <stdbool.h>

/* uprobe_multi links: 6.6, 89ae89f53d20 ("bpf: Add multi uprobe link"). They need no CAP_SYS_ADMIN. */
bool uprobe_has_multi(void);
/*
 * From 6.11 on a return probe makes a system call on x86-64 (ff474a78cef5, "uprobe: Add uretprobe syscall to speed up return
 * probe"), for which a seccomp filter may kill the observed process; fixed later by cf6cb56ef244. Tried on a child whose
 * filter allows exit and write only: false where it dies.
 */
bool uprobe_return_is_safe(void);

#endif
